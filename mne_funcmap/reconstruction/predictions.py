"""Predictions of withheld regions: joined, written into recordings, compared."""

from dataclasses import dataclass

import numpy as np
import torch
from mne import BaseEpochs
from mne.utils import warn

from ..recordings.signals import Signals, find_stretches
from ..subjects import describe, shorten_list
from .band_measures import measure_bands
from .studies import Study

NOT_PREDICTED = "BAD_not_predicted"
FLAT = 1e-9  # z-scored; less is no change


@dataclass(frozen=True)
class Prediction:
    """What was predicted for a withheld region of a recording.

    Attributes
    ----------
    index : int
        Which recording of the list it is.
    region : str
        The region.
    picks : ndarray of int, shape (n_channels,)
        Indices of the channels of all regions.
    is_target : ndarray of bool, shape (n_channels,)
        Which of them are in the region.
    study : Study
        What was known of them.
    signals : Signals
        The recording.
    end : int
        The sample up to which it had been looked at.
    predicted : ndarray, shape (n_targets, n_samples)
        Z-scored; zero where nothing was predicted.
    covered : ndarray of bool, shape (n_samples,)
        Where something was.
    """

    index: int
    region: str
    picks: np.ndarray
    is_target: np.ndarray
    study: Study
    signals: Signals
    end: int
    predicted: np.ndarray
    covered: np.ndarray


def blend_windows(windows, starts, n_samples):
    """Join overlapping windows without seams.

    Parameters
    ----------
    windows : torch.Tensor, shape (n_windows, n_channels, n_times)
        Predictions.
    starts : ndarray of int, shape (n_windows,)
        First samples.
    n_samples : int
        Length of the recording.

    Returns
    -------
    signals : ndarray, shape (n_channels, n_samples)
        Weighted means of windows, by a Hann taper; zero where there is none.
    covered : ndarray of bool, shape (n_samples,)
        Where there is one.
    """
    n_windows, n_channels, n_times = windows.shape
    taper = torch.hann_window(n_times + 2, periodic=False, dtype=torch.float64)[1:-1]
    place = (torch.from_numpy(starts)[:, None] + torch.arange(n_times)).flatten()
    total = torch.zeros(n_channels, n_samples, dtype=torch.float64)
    weighted = (windows.double() * taper).transpose(0, 1).flatten(1)
    total.index_add_(1, place, weighted)
    weight = torch.zeros(n_samples, dtype=torch.float64)
    weight.index_add_(0, place, taper.repeat(n_windows))
    covered = weight > 0
    total[:, covered] /= weight[covered]
    return total.numpy(), covered.numpy()


def write_prediction(recording, found):
    """Write a prediction into a recording, and say where there is none.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        Loaded; its data and annotations are changed.
    found : Prediction
        What was predicted.
    """
    volts = found.study.scale[found.is_target, None] * found.predicted
    volts += found.study.mean[found.is_target, None] * found.covered
    picks = found.picks[found.is_target]
    if isinstance(recording, BaseEpochs):
        shape = (len(picks), -1, len(recording.times))
        recording._data[:, picks] = volts.reshape(shape).swapaxes(0, 1)
    else:
        recording._data[picks] = volts
    ch_names = [recording.ch_names[pick] for pick in picks]
    mark_missing(recording, ch_names, found.covered, found.region, found.index)


def mark_missing(recording, ch_names, covered, region, index):
    """Annotate when nothing was predicted; epochs must be predicted as a whole.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording, which is changed.
    ch_names : list of str
        The channels that were predicted.
    covered : ndarray of bool, shape (n_samples,)
        When they were.
    region : str
        Their region.
    index : int
        Number of the recording, for messages.
    """
    if isinstance(recording, BaseEpochs):
        missing = ~covered.reshape(-1, len(recording.times)).all(axis=1)
        if missing.any():
            raise ValueError(
                f"{describe(index, recording)} has epochs in which the channels "
                f"outside of {region!r} are not usable (flat, or not finite): "
                f"{shorten_list(np.flatnonzero(missing))}. Drop them first."
            )
        return
    missing = np.flatnonzero(np.diff(covered, prepend=True, append=True))
    sfreq = recording.info["sfreq"]
    for begin, end in missing.reshape(-1, 2):
        recording.annotations.append(
            recording.first_time + begin / sfreq,
            (end - begin) / sfreq,
            NOT_PREDICTED,
            [ch_names],
        )


def compare_prediction(found, recording, bands):
    """Compare a prediction with the truth.

    Parameters
    ----------
    found : Prediction
        What was predicted.
    recording : mne.io.Raw | mne.Epochs
        The recording.
    bands : dict of str to tuple of float
        Bands, in Hz, in which it is also compared.

    Returns
    -------
    rows : list of dict
        Measures of each withheld channel, as in `RegionReconstructor.evaluate`.
    """
    truth = found.study.normalize(found.signals.data)[found.is_target]
    scored = found.covered & found.signals.usable[found.is_target]
    scored[:, : found.end] = False
    ch_names = found.study.ch_names[found.is_target]
    empty = scored.sum(axis=1) < 2
    if empty.any():
        raise ValueError(
            f"{describe(found.index, recording)} has nothing left to score in "
            f"{shorten_list(ch_names[empty])} after the seconds that tell what a "
            "channel is. Give longer recordings, a shorter identity_duration, or "
            "these seconds as reference."
        )
    known = {
        "subject": found.study.subject or f"recording {found.index}",
        "recording": found.index,
        "region": found.region,
    }
    n_sources = int((~found.is_target).sum())
    rows, steady = [], []
    for ch_name, predicted, true, use in zip(
        ch_names, found.predicted, truth, scored, strict=True
    ):
        if np.ptp(true[use]) < FLAT:
            steady.append(ch_name)
            continue
        measures = measure(predicted[use], true[use])
        if bands:
            stretches = find_stretches(use, found.signals.breaks)
            sfreq = recording.info["sfreq"]
            measures |= measure_bands(predicted, true, stretches, sfreq, bands)
        rows.append(known | {"ch_name": ch_name} | measures | {"n_sources": n_sources})
    if steady:
        warn(
            f"{describe(found.index, recording)} has channels that do not change in "
            f"the seconds that are scored: {shorten_list(steady)}. They are not scored."
        )
    return rows


def measure(predicted, truth):
    """Measure how good the prediction of a channel is.

    Parameters
    ----------
    predicted, truth : ndarray, shape (n_samples,)
        Signals, z-scored.

    Returns
    -------
    measures : dict of str to float
        r, nmse, nrmse and amplitude_ratio, as in `RegionReconstructor.evaluate`.
    """
    spread, true_spread = predicted.std(), truth.std()
    covariance = np.mean((predicted - predicted.mean()) * (truth - truth.mean()))
    nmse = np.mean(np.square(predicted - truth)) / true_spread**2
    flat = spread < FLAT
    return {
        "r": 0.0 if flat else float(covariance / (spread * true_spread)),
        "nmse": float(nmse),
        "nrmse": float(np.sqrt(nmse)),
        "amplitude_ratio": float(spread / true_spread),
    }
