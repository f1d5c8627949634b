"""Plain ways to predict a withheld region by where its channels are.

They have the interface and the measures of `MaskedRegionReconstructor`, as those of
`reconstruction_baselines`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import mne
import numpy as np
import torch
from scipy.spatial.distance import cdist

from ..progress import track
from ..reconstruction.moments import join_parts
from ..reconstruction.studies import group_studies
from ..recordings.channels import list_channels
from ..recordings.positions import get_positions, locate_channels
from ..subjects import describe
from .reconstructors import CONSTRAINTS, POSITIVE, LinearBaseline
from .ridge import LagBank, score_weights

if TYPE_CHECKING:
    from ..hints import Picks

LENGTH_SCALES = (0.01, 0.02, 0.04, 0.08, 0.16)  # metres, to choose from
NOISES = (0.01, 0.1, 1.0)


class _PositionBaseline(LinearBaseline):
    """Base of what predicts by positions alone, which are the identities."""

    def _identify(self, recordings):
        """Return positions in metres, a list of (n_channels, 3)."""
        channels = list_channels(recordings, picks=self.picks)
        return [
            locate_channels(recording, channels.ch_name[channels.recording == i], i)
            for i, recording in enumerate(recordings)
        ]

    def _find_weights(self, study, is_target):
        """Return weights of all channels, zero for withheld ones."""
        return _place(self._weigh(study, is_target), is_target)


class NearestChannel(_PositionBaseline):
    """Predict a channel by a copy of the nearest one outside its region.

    Parameters
    ----------
    window : float
        Seconds that are predicted at a time.
    identity_duration : float
        Seconds at the begin of a recording that tell its scale, and are not scored, if
        neither a reference nor training does.
    picks : None | str | list of str
        Channel types, or names, that take part; None stands for good sEEG, ECoG, DBS
        and EEG channels.

    Attributes
    ----------
    known_ : dict of str to list of Study
        What training told of the channels of each subject.
    regions_ : ndarray of str, shape (n_regions,)
        The regions in training.
    n_times_ : int
        Number of samples of a window.
    sfreq_ : float
        Sampling rate in Hz.
    """

    def _weigh(self, study, is_target):
        """Return the weights of sources, (n_targets, n_sources)."""
        names = study.ch_names[~is_target]
        by_name = np.argsort(names)  # which of two as near does not depend on order
        points = study.identity[~is_target][by_name]
        nearest = cdist(study.identity[is_target], points).argmin(axis=1)
        return np.eye(len(names))[by_name[nearest]]


class DistanceGaussianProcess(_PositionBaseline):
    """Predict a channel by a Gaussian process over space (simple kriging).

    Channels, z-scored, covary as ``exp(-d**2 / (2 * length_scale**2))`` at a distance
    of d metres, and each has noise of its own.

    Parameters
    ----------
    length_scale : float | None
        Metres; None stands for a choice between 1, 2, 4, 8 and 16 cm.
    noise : float | None
        Variance of the noise; None stands for a choice between 0.01, 0.1 and 1.
    window : float
        Seconds that are predicted at a time.
    identity_duration : float
        Seconds at the begin of a recording that tell its scale, and are not scored, if
        neither a reference nor training does.
    picks : None | str | list of str
        Channel types, or names, that take part; None stands for good sEEG, ECoG, DBS
        and EEG channels.

    Attributes
    ----------
    length_scale_, noise_ : float
        As given, or what predicts the withheld channels of the training recordings
        with the highest mean correlation.
    known_ : dict of str to list of Study
        What training told of the channels of each subject.
    regions_ : ndarray of str, shape (n_regions,)
        The regions in training.
    n_times_ : int
        Number of samples of a window.
    sfreq_ : float
        Sampling rate in Hz.
    """

    _parameter_constraints = {
        "length_scale": [POSITIVE, None],
        "noise": [POSITIVE, None],
        **CONSTRAINTS,
    }

    def __init__(
        self,
        length_scale: float | None = None,
        noise: float | None = None,
        *,
        window: float = 1.0,
        identity_duration: float = 10.0,
        picks: Picks = None,
    ) -> None:
        super().__init__(
            window=window, identity_duration=identity_duration, picks=picks
        )
        self.length_scale = length_scale
        self.noise = noise

    def _learn(self, recordings, channels):
        """Choose length scale and noise."""
        studies = self._study(recordings, LagBank(0))
        cases = [
            (study, study.region == region)
            for study in studies
            for region in np.unique(study.region)
            if not (study.region == region).all()
        ]
        scales = LENGTH_SCALES if self.length_scale is None else [self.length_scale]
        noises = NOISES if self.noise is None else [self.noise]
        self.length_scale_, self.noise_ = max(
            track([*product(scales, noises)], "settings"),
            key=lambda params: _score_krige(cases, *params),
        )
        self.known_ = group_studies(replace(study, parts=()) for study in studies)

    def _weigh(self, study, is_target):
        """Return the weights of sources, (n_targets, n_sources)."""
        return krige(
            study.identity[~is_target],
            study.identity[is_target],
            length_scale=self.length_scale_,
            noise=self.noise_,
        )


class SplineInterpolation(_PositionBaseline):
    """Predict EEG channels by spherical splines, as MNE interpolates bad channels.

    Parameters
    ----------
    window : float
        Seconds that are predicted at a time.
    identity_duration : float
        Seconds at the begin of a recording that tell its scale, and are not scored, if
        neither a reference nor training does.
    picks : None | str | list of str
        Channel types, or names, that take part; None stands for good sEEG, ECoG, DBS
        and EEG channels. All must be EEG.

    Attributes
    ----------
    known_ : dict of str to list of Study
        What training told of the channels of each subject.
    regions_ : ndarray of str, shape (n_regions,)
        The regions in training.
    n_times_ : int
        Number of samples of a window.
    sfreq_ : float
        Sampling rate in Hz.

    Notes
    -----
    Channels are interpolated by :meth:`mne.io.Raw.interpolate_bads` around their
    means.
    """

    def _identify(self, recordings):
        """Return positions as seen from the centre of the head."""
        channels = list_channels(recordings, picks=self.picks)
        for index, recording in enumerate(recordings):
            _check_scalp(recording, channels.pick[channels.recording == index], index)
        return [
            points - mne.bem.fit_sphere_to_headshape(recording.info, verbose=False)[1]
            for points, recording in zip(
                super()._identify(recordings), recordings, strict=True
            )
        ]

    def _weigh(self, study, is_target):
        """Return the weights of sources, (n_targets, n_sources), of z-scored signals.

        Interpolation is linear: what it makes of an identity matrix are its weights.
        """
        info = mne.create_info(study.ch_names.tolist(), self.sfreq_, "eeg")
        raw = mne.io.RawArray(np.eye(len(study.ch_names)), info, verbose=False)
        points = dict(zip(study.ch_names, study.identity, strict=True))
        raw.set_montage(mne.channels.make_dig_montage(points, coord_frame="head"))
        raw.info["bads"] = study.ch_names[is_target].tolist()
        raw.interpolate_bads(origin=(0.0, 0.0, 0.0), verbose=False)
        volts = raw.get_data()[np.ix_(is_target, ~is_target)]
        return volts * study.scale[~is_target] / study.scale[is_target][:, None]


def krige(sources, targets, *, length_scale, noise):
    """Return the weights of a Gaussian process over space.

    Parameters
    ----------
    sources : ndarray, shape (n_sources, 3)
        Positions of what is given, in metres.
    targets : ndarray, shape (n_targets, 3)
        Positions of what is predicted.
    length_scale : float
        Of the squared exponential kernel, in metres.
    noise : float
        Variance of the noise of each source.

    Returns
    -------
    weights : ndarray, shape (n_targets, n_sources)
        By which the posterior mean sums the sources.
    """

    def covary(points, others):
        return np.exp(-np.square(cdist(points, others) / length_scale) / 2)

    between = covary(sources, sources) + noise * np.eye(len(sources))
    return np.linalg.solve(between, covary(sources, targets)).T


def _score_krige(cases, length_scale, noise):
    """Return the sum of correlations over withheld channels of recordings."""
    total = 0.0
    for study, is_target in cases:
        sources, targets = study.identity[~is_target], study.identity[is_target]
        weights = krige(sources, targets, length_scale=length_scale, noise=noise)
        moments, _ = join_parts(study.parts)
        r = score_weights(_place(weights, is_target), moments, is_target)
        total += r * len(targets)
    return total


def _place(weights, is_target):
    """Return weights of sources as weights of all channels, zero for withheld ones."""
    placed = np.zeros((len(weights), len(is_target), 1), dtype=np.float32)
    placed[:, ~is_target, 0] = weights
    return torch.from_numpy(placed)


def _check_scalp(recording, picks, index):
    """Raise unless channels are EEG with positions on the head."""
    name = describe(index, recording)
    types = sorted(set(recording.get_channel_types(picks)))
    if types != ["eeg"]:
        raise ValueError(
            f"SplineInterpolation is for EEG; the channels of {name} are of the types "
            f"{types}. Set picks='eeg' to leave others out, or use "
            "DistanceGaussianProcess, which takes any positions."
        )
    _, frame = get_positions(recording, index)
    if frame != "head":
        raise ValueError(
            f"Positions of {name} are in the frame {frame!r}: splines on the head need "
            "the frame 'head'. Set a montage with fiducials, such as "
            "mne.channels.make_standard_montage, or use DistanceGaussianProcess."
        )
