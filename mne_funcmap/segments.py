"""From recordings to arrays of segments and windows.

Nothing after this module knows MNE. Only stretches of time that are usable take part:
not annotated as bad, finite, and not flat.
"""

from dataclasses import dataclass
from math import isclose

import mne
import numpy as np
from mne import BaseEpochs
from scipy import ndimage

from .recordings import DATA_TYPES, Channels, list_channels, pick_channels
from .subjects import describe, shorten_list

RAW_DURATION = 10.0  # seconds of a segment of Raw (Javadzadeh et al.)
FLAT_DURATION = 0.5  # seconds without any change, which no electrode records
LARGEST = 1e18  # volts; beyond, squares overflow single precision
SMALLEST = 1e-30  # volts; a smaller change is none
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


@dataclass(frozen=True)
class Windows:
    """Windows of all channels of one recording.

    Attributes
    ----------
    data : ndarray of float32, shape (n_windows, n_channels, n_times)
        Signals in volts.
    onset : ndarray of float, shape (n_windows,)
        Begin in seconds, as in `Segments`.
    """

    data: np.ndarray
    onset: np.ndarray


@dataclass(frozen=True)
class Signals:
    """Channels of a recording, its epochs end to end; a Raw is a single one.

    Attributes
    ----------
    data : ndarray, shape (n_channels, n_samples)
        Volts. May be the user's own: read only.
    usable : ndarray of bool, shape (n_channels, n_samples)
        What is finite, not flat and not annotated as bad.
    breaks : ndarray of int
        Samples that no segment reaches across.
    onset : ndarray of float, shape (n_epochs,)
        Seconds at which the epochs begin.
    n_samples : int
        Samples of an epoch.
    """

    data: np.ndarray
    usable: np.ndarray
    breaks: np.ndarray
    onset: np.ndarray
    n_samples: int


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


def cut_windows(recordings, *, duration, overlap=0.0, picks=None):
    """Cut recordings into windows of all channels that take part.

    Windows lie inside the stretches that are usable in every channel; the last one of
    a stretch is aligned to its end.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    duration : float
        Seconds of a window.
    overlap : float
        Seconds that neighbouring windows share, less than ``duration``.
    picks : None | str | list of str
        As by `pick_channels`.

    Returns
    -------
    windows : list of Windows
        One item for each recording.

    Raises
    ------
    ValueError
        If a recording has no usable stretch that is long enough, or windows would not
        move on.
    """
    return [
        _cut_windows(recording, duration, overlap, picks, describe(index, recording))
        for index, recording in enumerate(recordings)
    ]


def _cut_windows(recording, duration, overlap, picks, name):
    sfreq = recording.info["sfreq"]
    n_times, hop = round(duration * sfreq), round((duration - overlap) * sfreq)
    if hop < 1 or overlap < 0:
        raise ValueError(
            f"Windows of {duration:g} s cannot overlap by {overlap:g} s at "
            f"{sfreq:g} Hz: expected 0 <= overlap < duration, in seconds."
        )
    chosen = pick_channels(recording, picks, name)
    signals = read_signals(recording, chosen, n_times)
    start = find_starts(signals.usable.all(axis=0), signals.breaks, n_times, hop)
    if not len(start):
        raise ValueError(
            f"{name} has no {duration:g} s in which all of its {len(chosen)} channels "
            "are usable (not BAD_, finite, not flat). Add damaged channels to "
            "info['bads'], or use shorter windows."
        )
    cut = signals.data[:, start[:, None] + np.arange(n_times)].swapaxes(0, 1)
    return Windows(
        cut.astype(np.float32, order="C"), find_onsets(signals, start, sfreq)
    )


def find_segment_length(recordings, duration, like):
    """Return samples and rate of all segments, or name who differs."""
    lengths = [_get_length(recording, duration) for recording in recordings]
    expected, of_whom = like or lengths[0], "in training" if like else "in recording 0"
    if expected[0] < 2:
        raise ValueError(
            f"Segments of {expected[0]} samples at {expected[1]:g} Hz are too short: "
            "expected 2 at least. Set a longer duration, in seconds."
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
            "Segments must have one length and one sampling rate. Expected "
            f"{expected[0]} samples at {expected[1]:g} Hz, as {of_whom}, but found "
            f"{shorten_list(odd)}. Resample the recordings, as by "
            "RecordingPreprocessor(sfreq=...), and set duration= to seconds that all "
            "have."
        )
    return expected


def _get_length(recording, duration):
    """Return samples and sampling rate of a segment of one recording."""
    sfreq = recording.info["sfreq"]
    if duration is None and isinstance(recording, BaseEpochs):
        return len(recording.times), sfreq
    return round((RAW_DURATION if duration is None else duration) * sfreq), sfreq


def read_signals(recording, picks, n_times):
    """Read channels, and find what of them serves segments.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording.
    picks : ndarray of int, shape (n_channels,)
        Indices of the channels.
    n_times : int
        Number of samples of a segment.

    Returns
    -------
    signals : Signals
        The signals.
    """
    if isinstance(recording, BaseEpochs):
        # the first reading drops bad epochs in place, which must not reach the user
        epochs = recording if recording._bad_dropped else recording.copy()
        data = np.zeros((0, len(picks), len(epochs.times)))
        if len(epochs.events):
            data = epochs.get_data(picks=picks, copy=False)
        # events count samples of the original raw, also after decimating
        onset = epochs.events[:, 0] / epochs._raw_sfreq + epochs.tmin
        begin = onset
    else:
        data = recording.get_data(picks=picks)[np.newaxis]
        onset, begin = np.zeros(1), np.array([recording.first_time])
    n_epochs, n_channels, n_samples = data.shape
    good, boundaries = _read_annotations(recording, picks, begin, n_samples)
    breaks = np.unique(np.r_[boundaries, np.arange(n_epochs) * n_samples])
    breaks = breaks[(breaks > 0) & (breaks < n_epochs * n_samples)]
    data = data.swapaxes(0, 1).reshape(n_channels, -1)
    n_flat = _count_flat_steps(recording, picks, n_times)
    usable = [
        _find_usable(*row, breaks) for row in zip(data, good, n_flat, strict=True)
    ]
    return Signals(data, np.array(usable), breaks, onset, n_samples)


def _read_annotations(recording, picks, begin, n_samples):
    """Find what annotations say of epochs that begin at seconds of their clock.

    Returns
    -------
    good : ndarray of bool, shape (n_channels, n_epochs * n_samples)
        Whether no annotation calls the sample bad.
    boundaries : ndarray of int
        Samples at which concatenated recordings begin, among others.
    """
    good = np.ones((len(picks), len(begin), n_samples), dtype=bool)
    boundaries = [np.zeros(0, dtype=int)]
    ch_names = np.array(recording.ch_names)[picks]
    found = recording.annotations or mne.Annotations([], [], [])
    for onset, duration, description, named in zip(
        found.onset, found.duration, found.description, found.ch_names, strict=True
    ):
        if not description.lower().startswith(("bad", "edge boundary")):
            continue
        span = np.array([onset - begin, onset - begin + duration])
        span = np.round(span * recording.info["sfreq"]).astype(int)
        start, stop = span.clip(0, n_samples)
        rows = np.isin(ch_names, named) if named else slice(None)
        for epoch in np.flatnonzero(start < stop):
            good[rows, epoch, start[epoch] : stop[epoch]] = False
        # what covers no sample only marks a place
        places = np.arange(len(begin)) * n_samples + start
        boundaries.append(places[start == stop])
    return good.reshape(len(picks), -1), np.concatenate(boundaries)


def _count_flat_steps(recording, picks, n_times):
    """Count the steps without a change that make a stretch of each channel flat."""
    n_flat = min(round(FLAT_DURATION * recording.info["sfreq"]), n_times)
    # others, such as spike counts, may stand still for a while
    return [
        max(1, (n_flat if ch_type in DATA_TYPES else n_times) - 1)
        for ch_type in recording.get_channel_types(picks)
    ]


def _find_usable(signal, good, n_flat, breaks):
    """Find the samples that are good, finite and not in a flat stretch."""
    with np.errstate(invalid="ignore", over="ignore"):
        usable = good & (np.abs(signal) < LARGEST)
        unchanged = np.abs(np.diff(signal)) < SMALLEST
    unchanged[breaks - 1] = False
    if np.count_nonzero(unchanged) >= n_flat:
        runs = ndimage.grey_opening(unchanged.astype(np.uint8), n_flat, mode="constant")
        usable[:-1] &= runs == 0
        usable[1:] &= runs == 0
    return usable


def find_starts(usable, breaks, n_times, hop):
    """Find the first samples of pieces that fill the usable stretches.

    Parameters
    ----------
    usable : ndarray of bool, shape (n_samples,)
        What is usable.
    breaks : ndarray of int
        Samples that no piece reaches across.
    n_times, hop : int
        Number of samples of a piece, and from one to the next. The last piece of a
        stretch is aligned to its end.

    Returns
    -------
    starts : ndarray of int, shape (n_pieces,)
        First samples.
    """
    changes = np.diff(usable.astype(np.int8), prepend=0, append=0)
    cuts = breaks[usable[breaks - 1] & usable[breaks]]
    begins = np.sort(np.r_[np.flatnonzero(changes == 1), cuts])
    ends = np.sort(np.r_[np.flatnonzero(changes == -1), cuts])
    starts = [
        np.minimum(np.arange(begin, end - n_times + hop, hop), end - n_times)
        for begin, end in zip(begins, ends, strict=True)
        if end - begin >= n_times
    ]
    return np.concatenate(starts) if starts else np.zeros(0, dtype=int)


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


def find_onsets(signals, start, sfreq):
    """Return the seconds at which pieces begin."""
    epoch, sample = np.divmod(start, signals.n_samples)
    return signals.onset[epoch] + sample / sfreq


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
