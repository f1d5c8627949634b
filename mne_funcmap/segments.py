"""From recordings to arrays of segments and windows.

Nothing after this module knows MNE. Only stretches of time that are usable take part:
not annotated as bad, finite, and not flat.
"""

from dataclasses import dataclass

import numpy as np
from mne import BaseEpochs
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from .recordings import Channels, list_channels, pick_channels
from .subjects import describe, shorten_list

RAW_DURATION = 10.0  # seconds of a segment of Raw (Javadzadeh et al.)
FLAT_DURATION = 0.5  # seconds without any change, which no electrode records
LARGEST = 1e18  # volts; beyond, squares overflow single precision
MIN_SEGMENTS_FOR_OUTLIERS = 100
OUTLIER_LIMIT = 10.0  # robust standard deviations


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
    n_times, sfreq = _find_segment_length(recordings, duration, like)
    channels = list_channels(recordings, picks=picks, y=y)
    data, channel, onset = [], [], []
    for index, recording in enumerate(recordings):
        rows = np.flatnonzero(channels.recording == index)
        signals, good, breaks = _read_signals(recording, channels.pick[rows])
        row, start = _find_segments(signals, good, breaks, n_times, sfreq)
        cut = sliding_window_view(signals, n_times, axis=1)[row, start]
        cut -= cut.mean(axis=1, keepdims=True)
        inside = _find_inliers(cut, row, len(rows))
        cut, row, start = cut[inside], row[inside], start[inside]
        _check_every_channel(
            row, rows, channels, describe(index, recording), n_times / sfreq
        )
        if normalize:
            cut /= _find_scale(cut, row)[row, None]
        data.append(cut.astype(np.float32))
        channel.append(rows[row])
        onset.append(_find_onsets(recording, start))
    return Segments(
        np.concatenate(data),
        np.concatenate(channel),
        np.concatenate(onset),
        channels,
        sfreq,
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
        Seconds that neighbouring windows share.
    picks : None | str | list of str
        As by `pick_channels`.

    Returns
    -------
    windows : list of Windows
        One item for each recording.

    Raises
    ------
    ValueError
        If a recording has no usable stretch that is long enough.
    """
    return [
        _cut_windows(recording, duration, overlap, picks, describe(index, recording))
        for index, recording in enumerate(recordings)
    ]


def _cut_windows(recording, duration, overlap, picks, name):
    sfreq = recording.info["sfreq"]
    n_times, hop = round(duration * sfreq), round((duration - overlap) * sfreq)
    chosen = pick_channels(recording, picks, name)
    signals, good, breaks = _read_signals(recording, chosen)
    usable = _find_usable(signals, good, n_times, sfreq).all(axis=0)
    start = _find_starts(usable, breaks, n_times, hop)
    if not len(start):
        raise ValueError(
            f"{name} has no {duration:g} s in which all of its {len(chosen)} channels "
            "are usable (not BAD_, finite, not flat). Add damaged channels to "
            "info['bads'], or use shorter windows."
        )
    cut = sliding_window_view(signals, n_times, axis=1)[:, start].swapaxes(0, 1)
    return Windows(cut.astype(np.float32), _find_onsets(recording, start))


def _find_segment_length(recordings, duration, like):
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
        if (n_times, sfreq) != expected
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
    return round((duration or RAW_DURATION) * sfreq), sfreq


def _read_signals(recording, picks):
    """Return signals, good times, and where new stretches begin.

    Returns
    -------
    signals : ndarray, shape (n_channels, n_times)
        Volts; epochs one after the other.
    good : ndarray of bool, shape (n_channels, n_times)
        Whether no annotation calls the sample bad.
    breaks : ndarray of int
        Samples at which epochs or concatenated recordings begin.
    """
    if isinstance(recording, BaseEpochs):
        data = recording.get_data(picks=picks)
        n_epochs, n_channels, n_times = data.shape
        signals = data.swapaxes(0, 1).reshape(n_channels, n_epochs * n_times)
        breaks = np.arange(1, n_epochs) * n_times
        return signals, np.ones(signals.shape, dtype=bool), breaks
    signals = recording.get_data(picks=picks)
    good, breaks = _read_annotations(recording, picks, signals.shape)
    return signals, good, breaks


def _read_annotations(raw, picks, shape):
    """Find the good samples and the breaks that the annotations of a Raw tell."""
    good, breaks = np.ones(shape, dtype=bool), []
    ch_names = np.array(raw.ch_names)[picks]
    for annotation in raw.annotations:
        kind = annotation["description"].lower()
        if not kind.startswith(("bad", "edge boundary")):
            continue
        # onsets count from the measurement date, or from where it would be
        begin = annotation["onset"] - raw.first_time
        span = np.array([begin, begin + annotation["duration"]])
        start, stop = np.round(span * raw.info["sfreq"]).astype(int)
        start, stop = np.clip([start, stop], 0, shape[1])
        breaks.append(start)
        if kind.startswith("bad"):
            named = annotation["ch_names"]
            rows = np.isin(ch_names, named) if named else np.ones(len(picks), bool)
            good[rows, start:stop] = False
    return good, np.array(breaks, dtype=int)


def _find_usable(signals, good, n_times, sfreq):
    """Find the samples that are good, finite and not in a flat stretch."""
    with np.errstate(invalid="ignore"):
        finite = np.abs(signals) < LARGEST
        unchanged = np.diff(signals, axis=1) == 0
    n_flat = max(1, min(round(FLAT_DURATION * sfreq), n_times) - 1)
    suspects = np.flatnonzero(unchanged.sum(axis=1) >= n_flat)
    usable = good & finite
    if len(suspects):
        usable[suspects] &= ~_find_flat(unchanged[suspects], n_flat)
    return usable


def _find_flat(unchanged, n_flat):
    """Find the samples inside runs of at least ``n_flat`` steps without a change."""
    eroded = ndimage.minimum_filter1d(
        unchanged.astype(np.uint8), n_flat, axis=1, mode="constant"
    )
    # the same filter mirrored restores the runs that were long enough
    origin = -1 if n_flat % 2 == 0 else 0
    steps = ndimage.maximum_filter1d(
        eroded, n_flat, axis=1, mode="constant", origin=origin
    ).astype(bool)
    return np.pad(steps, ((0, 0), (1, 0))) | np.pad(steps, ((0, 0), (0, 1)))


def _find_segments(signals, good, breaks, n_times, sfreq):
    """Find row and first sample of every segment."""
    usable = _find_usable(signals, good, n_times, sfreq)
    # nearly always all channels share their stretches
    patterns, pattern_of_row = _find_patterns(usable)
    starts = [_find_starts(pattern, breaks, n_times, n_times) for pattern in patterns]
    lengths = np.array([len(start) for start in starts], dtype=int)
    row = np.repeat(np.arange(len(signals)), lengths[pattern_of_row])
    start = np.concatenate([starts[pattern] for pattern in pattern_of_row])
    return row, start


def _find_patterns(usable):
    """Return the distinct rows and the index of each row among them."""
    found = {}
    index = [found.setdefault(row.tobytes(), len(found)) for row in usable]
    first = [index.index(pattern) for pattern in range(len(found))]
    return usable[first], np.array(index)


def _find_starts(usable, breaks, n_times, hop):
    """Find the first samples of pieces that fill the usable stretches."""
    changes = np.diff(usable.astype(np.int8), prepend=0, append=0)
    cuts = [
        at
        for at in np.unique(breaks)
        if 0 < at < len(usable) and usable[at - 1 : at + 1].all()
    ]
    begins = np.sort(np.r_[np.flatnonzero(changes == 1), cuts].astype(int))
    ends = np.sort(np.r_[np.flatnonzero(changes == -1), cuts].astype(int))
    starts = [
        np.minimum(
            np.arange(0, end - begin - n_times + hop, hop), end - begin - n_times
        )
        + begin
        for begin, end in zip(begins, ends, strict=True)
        if end - begin >= n_times
    ]
    return np.concatenate(starts) if starts else np.zeros(0, dtype=int)


def _find_inliers(cut, row, n_rows):
    """Find the segments whose amplitude is not far from that of their channel."""
    n_segments = np.bincount(row, minlength=n_rows)
    if not (n_segments >= MIN_SEGMENTS_FOR_OUTLIERS).any():
        return np.ones(len(cut), dtype=bool)
    amplitude = np.ptp(cut, axis=1)
    index = np.flatnonzero(n_segments)
    centre, spread = np.zeros(n_rows), np.zeros(n_rows)
    centre[index] = ndimage.median(amplitude, row, index)
    deviation = np.abs(amplitude - centre[row])
    spread[index] = 1.4826 * ndimage.median(deviation, row, index)
    few = n_segments[row] < MIN_SEGMENTS_FOR_OUTLIERS
    return few | (deviation <= OUTLIER_LIMIT * spread[row])


def _find_scale(cut, row):
    """Return the standard deviation of each channel over its segments."""
    n_segments = np.maximum(np.bincount(row), 1)
    return np.sqrt(np.bincount(row, np.square(cut).mean(axis=1)) / n_segments)


def _check_every_channel(row, rows, channels, name, duration):
    """Raise if a channel has no segment."""
    missing = channels.ch_name[np.setdiff1d(rows, rows[row])]
    if len(missing):
        raise ValueError(
            f"{name} has no usable segment of {duration:g} s in channels "
            f"{shorten_list(missing)}: nothing there is long enough and not BAD_, "
            "finite and not flat. Add damaged channels to recording.info['bads'], or "
            "set a shorter duration."
        )


def _find_onsets(recording, start):
    """Return the seconds at which pieces begin."""
    sfreq = recording.info["sfreq"]
    if not isinstance(recording, BaseEpochs):
        return start / sfreq
    epoch, sample = np.divmod(start, len(recording.times))
    # events count samples of the original raw, also after decimating
    zero = recording.events[epoch, 0] / recording._raw_sfreq
    return zero + recording.times[sample]
