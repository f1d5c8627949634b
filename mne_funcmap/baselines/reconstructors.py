"""Plain ways to predict a withheld region, to compare reconstructors with.

They have the interface and the measures of `MaskedRegionReconstructor`. A withheld
channel is a weighted sum of the others; the weights come from seconds of the same
recording, or from other subjects. Those from positions are in `position_baselines`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.utils._param_validation import Interval
from torch.nn.functional import conv1d

from ..reconstruction.moments import join_parts
from ..reconstruction.region_reconstructor import RegionReconstructor
from ..reconstruction.studies import group_studies
from ..recordings.channels import list_channels
from ..recordings.labelled import list_labelled
from ..subjects import describe, shorten_list
from .ridge import LagBank, choose_ridge, count_lags, solve_ridge, take_lags

if TYPE_CHECKING:
    from ..hints import Picks

LAGS = (0.0, 0.01, 0.02, 0.04)  # seconds, to choose from
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
N_BLOCKS = 5  # of the seconds that a ridge is fitted on, for cross-validation

POSITIVE = Interval(Real, 0, None, closed="neither")
NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
# less could not be told from the rounding of moments
PENALTY = Interval(Real, 1e-4, None, closed="left")
CONSTRAINTS = {
    "window": [POSITIVE],
    "identity_duration": [POSITIVE],
    "picks": [str, list, tuple, None],
}


class LinearBaseline(RegionReconstructor):
    """Base of what predicts by constant weights, which `_find_weights` gives."""

    _parameter_constraints = CONSTRAINTS

    def __init__(
        self,
        *,
        window: float = 1.0,
        identity_duration: float = 10.0,
        picks: Picks = None,
    ) -> None:
        self.window = window
        self.identity_duration = identity_duration
        self.picks = picks

    def _learn(self, recordings, channels):
        """Remember the channels of training by subject."""
        self.known_ = group_studies(self._study(recordings))

    def _make_predictor(self, study, is_target):
        """Return the function that predicts withheld channels in windows."""
        weights = self._find_weights(study, is_target)
        _, step = count_lags(0, self.sfreq_, self.n_times_)
        reach = step * (weights.shape[-1] // 2)
        return partial(conv1d, weight=weights, padding=reach, dilation=step)


class RecordingRidge(LinearBaseline):
    """Predict a region by a ridge regression fitted on seconds of the same recording.

    It needs the withheld channels for a while: the reference, if there is one; else
    what `fit` saw of the same channels of the same subject; else the first
    ``identity_duration`` seconds of a recording, which are not scored.

    Parameters
    ----------
    lags : float | None
        The regressors are the other channels at lags up to so many seconds to either
        side; None stands for a choice between 0, 10, 20 and 40 ms.
    penalty : float | None
        What is added to the mean square of every regressor, z-scored; None stands for
        a choice between 0.01, 0.03, 0.1, 0.3, 1 and 3.
    window : float
        Seconds that are predicted at a time.
    identity_duration : float
        Seconds at the begin of a recording that it is fitted on if nothing else is
        known of the channels.
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

    Notes
    -----
    Lags and penalty are chosen for each region of each recording, by cross-validation
    over five successive blocks of the seconds it is fitted on.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.baselines import RecordingRidge
    >>> X = mf.simulate_recordings(
    ...     n_subjects=2, n_sessions=1, duration=20.0, sfreq=400.0, coupling=0.8
    ... )
    >>> ridge = RecordingRidge().fit(X[:1])
    >>> r = ridge.score(X[1:])  # fitted on the first 10 s, scored on the others
    >>> round(r, 1)
    0.6
    """

    _parameter_constraints = {
        "lags": [NOT_NEGATIVE, None],
        "penalty": [PENALTY, None],
        **CONSTRAINTS,
    }

    def __init__(
        self,
        lags: float | None = None,
        penalty: float | None = None,
        *,
        window: float = 1.0,
        identity_duration: float = 10.0,
        picks: Picks = None,
    ) -> None:
        super().__init__(
            window=window, identity_duration=identity_duration, picks=picks
        )
        self.lags = lags
        self.penalty = penalty

    def _study(self, recordings):
        """Study all seconds of recordings, in blocks to cross-validate over."""
        n_lags, penalties = self._list_candidates()
        _, step = count_lags(0, self.sfreq_, self.n_times_)
        n_parts = N_BLOCKS if len(n_lags) * len(penalties) > 1 else 1
        return super()._study(recordings, LagBank(max(n_lags), step), n_parts)

    def _list_candidates(self):
        """Return the numbers of lags, and the penalties, to choose from."""
        seconds = LAGS if self.lags is None else [self.lags]
        n_lags = {count_lags(lag, self.sfreq_, self.n_times_)[0] for lag in seconds}
        penalties = PENALTIES if self.penalty is None else [self.penalty]
        return sorted(n_lags), penalties

    def _recall(self, recording, ch_names):
        """Return the study of channels that training saw together, or None."""
        known = super()._recall(recording, ch_names)
        is_whole = known is not None and len(known.ch_names) == len(ch_names)
        return known if is_whole and known.parts else None

    def _find_weights(self, study, is_target):
        """Choose lags and penalty, then fit on all seconds."""
        if not study.parts:
            raise ValueError(
                f"No recording of the reference of subject {study.subject!r} has all "
                f"of the channels {shorten_list(study.ch_names)}: a ridge needs them "
                "recorded together. Give such a recording, or no reference."
            )
        n_lags, penalties = self._list_candidates()
        chosen = n_lags[0], penalties[len(penalties) // 2]  # unless there is a choice
        if len(study.parts) > 1:
            chosen = choose_ridge(study.parts, is_target, n_lags, penalties)
        moments, _ = join_parts(study.parts)
        return solve_ridge(take_lags(moments, chosen[0]), is_target, chosen[1])


class PooledRidge(LinearBaseline):
    """Predict a region by a ridge regression pooled over the training recordings.

    It knows channels by their names, and serves recordings of one montage alone, such
    as scalp EEG at standard places.

    Parameters
    ----------
    penalty : float
        What is added to the mean square of every regressor, z-scored.
    lags : float
        The regressors are the other channels at lags up to so many seconds to either
        side.
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
    ch_names_ : ndarray of str, shape (n_channels,)
        The montage: all channels with a region.
    moments_ : torch.Tensor, shape (n_channels, n_filters, n_channels, n_filters)
        Mean products of lagged channels, each z-scored by recording.
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
        "penalty": [PENALTY],
        "lags": [NOT_NEGATIVE],
        **CONSTRAINTS,
    }

    def __init__(
        self,
        penalty: float = 1e-2,
        lags: float = 0.0,
        *,
        window: float = 1.0,
        identity_duration: float = 10.0,
        picks: Picks = None,
    ) -> None:
        super().__init__(
            window=window, identity_duration=identity_duration, picks=picks
        )
        self.penalty = penalty
        self.lags = lags

    def _learn(self, recordings, channels):
        """Join the moments of all recordings."""
        self.ch_names_ = list_labelled(channels, 0)
        self._check_montage(recordings, channels)
        bank = LagBank(*count_lags(self.lags, self.sfreq_, self.n_times_))
        studies = [
            study.take(self.ch_names_) for study in self._study(recordings, bank)
        ]
        self.moments_, _ = join_parts(
            [part for study in studies for part in study.parts]
        )
        self.known_ = group_studies(replace(study, parts=()) for study in studies)

    def _reconstruct(self, recordings, regions, reference, *, strict):
        """Predict each region of each recording; yield what was found."""
        channels = list_channels(recordings, picks=self.picks)
        self._check_montage(recordings, channels)
        yield from super()._reconstruct(recordings, regions, reference, strict=strict)

    def _check_montage(self, recordings, channels):
        """Raise unless all recordings have the channels of the training montage."""
        for index, recording in enumerate(recordings):
            found = list_labelled(channels, index)
            missing = np.setdiff1d(self.ch_names_, found)
            new = np.setdiff1d(found, self.ch_names_)
            if len(missing) or len(new):
                raise ValueError(
                    f"{describe(index, recording)} lacks the channels "
                    f"[{shorten_list(missing)}] and has [{shorten_list(new)}] beyond "
                    f"the montage of training, [{shorten_list(self.ch_names_)}]: "
                    "PooledRidge knows channels by name and expected the same, with "
                    "regions, in all recordings. Interpolate bad channels, pick common "
                    "ones, or use RecordingRidge."
                )

    def _find_weights(self, study, is_target):
        rows = [list(self.ch_names_).index(ch_name) for ch_name in study.ch_names]
        moments = self.moments_[rows][:, :, rows]
        return solve_ridge(moments, is_target, self.penalty)


class MeanPrediction(LinearBaseline):
    """Predict that every channel stays at its mean: r is 0, and nmse about 1.

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

    def _find_weights(self, study, is_target):
        return torch.zeros(np.count_nonzero(is_target), len(is_target), 1)
