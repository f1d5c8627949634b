"""From recordings to arrays of segments of single channels."""

from dataclasses import dataclass
from math import isclose

import numpy as np
from mne import BaseEpochs

from .recordings import Channels, list_channels
from .signals import find_onsets, find_starts, read_signals
from .subjects import describe, shorten_list

RAW_DURATION = 10.0  # seconds of a segment of Raw (Javadzadeh et al.)
MIN_SEGMENTS_FOR_OUTLIERS = 100
OUTLIER_LIMIT = 10.0  # robust standard deviations
RATE_TOLERANCE = 1e-4  # headers round the sampling rate


@dataclass(frozen=True)
class Segments:
    """Segments of single channels, in the order of the channels, then in time.

    Attributes
    ----------
    data : ndarray of float32, shape (n_segments, n_times)
        Signals in volts around their mean, or z-scored by channel.
    channel : ndarray of int, shape (n_segments,)
        Row of ``channels``.
    onset : ndarray of float, shape (n_segments,)
        Begin in seconds: from the first sample of a Raw; on the clock of the events
        of an Epochs.
    channels : Channels
        The channels, every one with at least one segment.
    sfreq : float
        Sampling rate in Hz.
    """

    data: np.ndarray
    channel: np.ndarray
    onset: np.ndarray
    channels: Channels
    sfreq: float


def cut_segments(
    recordings, *, duration=None, picks=None, y=None, normalize=False, like=None
):
    """Cut recordings into segments of single channels.

    Segments lie end to end inside each usable stretch of time; the last one is
    aligned to the end of the stretch and may overlap the one before. Where a channel
    has 100 segments or more, those whose peak-to-peak amplitude is beyond 10 robust
    standard deviations of the channel's are dropped.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings, all of one sampling rate.
    duration : float | None
        Seconds of a segment; None stands for 10 s of Raw and whole epochs.
    picks : None | str | list of str
        As by `pick_channels`.
    y : None | list of dict | list of sequence
        As by `list_channels`.
    normalize : bool
        Whether to z-score each channel over its segments; else volts.
    like : None | tuple of (int, float)
        Number of samples and sampling rate that the segments must have.

    Returns
    -------
    segments : Segments
        The segments.

    Raises
    ------
    ValueError
        If rates or lengths differ, or a channel has no usable segment.
    """
    n_times, sfreq = find_segment_length(recordings, duration, like)
    channels = list_channels(recordings, picks=picks, y=y)
    data, channel, onset = [], [], []
    for index, recording in enumerate(recordings):
        rows = np.flatnonzero(channels.recording == index)
        signals = read_signals(recording, channels.pick[rows], n_times)
        for row, signal, usable in zip(rows, signals.data, signals.usable, strict=True):
            start = find_starts(usable, signals.breaks, n_times, n_times)
            cut, start = _cut_channel(signal, start, n_times, normalize)
            data.append(cut)
            channel.append(np.full(len(start), row))
            onset.append(find_onsets(signals, start, sfreq))
    channel = np.concatenate(channel)
    _check_every_channel(recordings, channels, channel, n_times / sfreq)
    return Segments(
        np.concatenate(data), channel, np.concatenate(onset), channels, sfreq
    )


def find_segment_length(recordings, duration, like, *, param="duration"):
    """Return samples and rate of all segments, or name who differs."""
    lengths = [_get_length(recording, duration) for recording in recordings]
    expected, of_whom = like or lengths[0], "in training" if like else "in recording 0"
    if expected[0] < 2:
        raise ValueError(
            f"A {param} of {expected[0]} samples at {expected[1]:g} Hz is too short: "
            "expected 2 at least. Set a longer one, in seconds."
        )
    odd = [
        f"{describe(index, recording)}: {n_times} samples at {sfreq:g} Hz"
        for index, (recording, (n_times, sfreq)) in enumerate(
            zip(recordings, lengths, strict=True)
        )
        if n_times != expected[0]
        or not isclose(sfreq, expected[1], rel_tol=RATE_TOLERANCE)
    ]
    if odd:
        raise ValueError(
            "All must have one length and one sampling rate. Expected "
            f"{expected[0]} samples at {expected[1]:g} Hz, as {of_whom}, but found "
            f"{shorten_list(odd)}. Resample the recordings, as by "
            f"RecordingPreprocessor(sfreq=...), and set {param}= to seconds that all "
            "have."
        )
    return expected


def _get_length(recording, duration):
    """Return samples and sampling rate of a segment of one recording."""
    sfreq = recording.info["sfreq"]
    if duration is None and isinstance(recording, BaseEpochs):
        return len(recording.times), sfreq
    return round((RAW_DURATION if duration is None else duration) * sfreq), sfreq


def _cut_channel(signal, start, n_times, normalize):
    """Return the segments of a channel and their first samples, without outliers."""
    cut = signal[start[:, None] + np.arange(n_times)]
    cut -= cut.mean(axis=1, keepdims=True)
    if len(cut) >= MIN_SEGMENTS_FOR_OUTLIERS:
        inside = _find_inliers(np.ptp(cut, axis=1))
        cut, start = cut[inside], start[inside]
    if normalize and len(cut):
        cut /= np.sqrt(np.square(cut).mean())
    return cut.astype(np.float32), start


def _find_inliers(amplitude):
    """Find the amplitudes that are not far from the median."""
    deviation = np.abs(amplitude - np.median(amplitude))
    return deviation <= OUTLIER_LIMIT * 1.4826 * np.median(deviation)


def _check_every_channel(recordings, channels, channel, duration):
    """Raise if a channel has no segment."""
    missing = np.setdiff1d(np.arange(len(channels.ch_name)), channel)
    if not len(missing):
        return
    named = []
    for index in np.unique(channels.recording[missing]):
        ch_names = channels.ch_name[missing[channels.recording[missing] == index]]
        named.append(f"{describe(index, recordings[index])}: {shorten_list(ch_names)}")
    raise ValueError(
        f"No usable segment of {duration:g} s in these channels, where nothing that is "
        "long enough is also finite, not flat and not annotated BAD_. "
        f"{shorten_list(named)}. Add damaged channels to recording.info['bads'], or "
        "set a shorter duration."
    )
