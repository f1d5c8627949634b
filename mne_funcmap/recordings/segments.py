"""From recordings to arrays of segments of single channels."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import isclose

import numpy as np
from mne import BaseEpochs

from ..subjects import describe, shorten_list
from .channels import Channels, list_channels
from .signals import find_onsets, find_starts, read_signals

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


@dataclass(frozen=True)
class SegmentSource:
    """Recordings that are cut into segments one by one, as they are needed.

    Attributes
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings, loaded or not.
    channels : Channels
        The channels that take part.
    n_times : int
        Number of samples of a segment.
    sfreq : float
        Sampling rate in Hz.
    normalize : bool
        Whether to z-score each channel over its segments.
    """

    recordings: list
    channels: Channels
    n_times: int
    sfreq: float
    normalize: bool = False

    def __iter__(self):
        """Yield the `Segments` of each recording; the next is read meanwhile."""
        last = len(self.recordings) - 1
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(self.cut, 0)
            for index in range(last + 1):
                segments = coming.result()
                if index < last:
                    coming = ahead.submit(self.cut, index + 1)
                yield segments

    def cut(self, index):
        """Cut a recording.

        Parameters
        ----------
        index : int
            Which one.

        Returns
        -------
        segments : Segments
            Of its channels alone.

        Raises
        ------
        ValueError
            If a channel has no usable segment; all such channels are named, those of
            the recordings that come later too.
        """
        segments = self._cut(index)
        if not len(self._find_missing(segments)):
            return segments
        named = []
        for later in range(index, len(self.recordings)):
            missing = self._find_missing(self._cut(later))
            if len(missing):
                name = describe(later, self.recordings[later])
                named.append(f"{name}: {shorten_list(missing)}")
        self._check_lengths()
        raise ValueError(
            f"No usable segment of {self.n_times / self.sfreq:g} s in these channels, "
            "where nothing that is long enough is also finite, not flat and not "
            f"annotated BAD_. {shorten_list(named)}. Add damaged channels to "
            "recording.info['bads'], or set a shorter duration."
        )

    def _check_lengths(self):
        """Raise if a recording is shorter than a segment."""
        for index, recording in enumerate(self.recordings):
            if len(recording.times) < self.n_times:
                raise ValueError(
                    f"{describe(index, recording)} lasts "
                    f"{len(recording.times) / self.sfreq:g} s, shorter than a segment "
                    f"of {self.n_times / self.sfreq:g} s. Set duration to what all "
                    "recordings have, or leave it out."
                )

    def join(self):
        """Return the `Segments` of all recordings."""
        parts = list(self)
        first = np.cumsum([0, *(len(part.channels.pick) for part in parts)])
        return Segments(
            np.concatenate([part.data for part in parts]),
            np.concatenate(
                [part.channel + at for part, at in zip(parts, first, strict=False)]
            ),
            np.concatenate([part.onset for part in parts]),
            self.channels,
            self.sfreq,
        )

    def _cut(self, index):
        """Cut a recording; channels may be left without a segment."""
        recording, n_times = self.recordings[index], self.n_times
        channels = self.channels.of_recording(index)
        signals = read_signals(recording, channels.pick, n_times)
        data, channel, onset = [], [], []
        starts = _find_all_starts(signals, n_times)
        for row, (signal, start) in enumerate(zip(signals.data, starts, strict=True)):
            cut, start = _cut_channel(signal, start, n_times, self.normalize)
            data.append(cut)
            channel.append(np.full(len(start), row))
            onset.append(find_onsets(signals, start, self.sfreq))
        parts = map(np.concatenate, (data, channel, onset))
        return Segments(*parts, channels, self.sfreq)

    @staticmethod
    def _find_missing(segments):
        """Return the names of channels without a segment."""
        ch_names = segments.channels.ch_name
        counts = np.bincount(segments.channel, minlength=len(ch_names))
        return ch_names[counts == 0]


def open_segments(
    recordings, *, duration=None, picks=None, y=None, normalize=False, like=None
):
    """Prepare to cut recordings into segments of single channels.

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
    source : SegmentSource
        What cuts them.

    Raises
    ------
    ValueError
        If rates or lengths differ.
    """
    n_times, sfreq = find_segment_length(recordings, duration, like)
    channels = list_channels(recordings, picks=picks, y=y)
    return SegmentSource(recordings, channels, n_times, sfreq, normalize)


def cut_segments(recordings, **options):
    """Cut recordings into segments of single channels, all at once.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings, all of one sampling rate.
    **options : dict
        As for `open_segments`.

    Returns
    -------
    segments : Segments
        The segments.
    """
    return open_segments(recordings, **options).join()


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
            "have. See 'Preparing recordings' in the user guide."
        )
    return expected


def _get_length(recording, duration):
    """Return samples and sampling rate of a segment of one recording."""
    sfreq = recording.info["sfreq"]
    if duration is None and isinstance(recording, BaseEpochs):
        return len(recording.times), sfreq
    return round((RAW_DURATION if duration is None else duration) * sfreq), sfreq


def _find_all_starts(signals, n_times):
    """Return the first samples of the segments of each channel, a list."""
    usable, breaks = signals.usable, signals.breaks
    if (usable == usable[:1]).all():  # as a rule, all channels are usable at once
        return [find_starts(usable[0], breaks, n_times, n_times)] * len(usable)
    return [find_starts(row, breaks, n_times, n_times) for row in usable]


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
