"""The signals of recordings, and when they are usable.

Nothing after this module reads MNE's data. Only stretches of time that are usable take
part: not annotated as bad, finite, and not flat.
"""

from dataclasses import dataclass, replace

import mne
import numpy as np
from mne import BaseEpochs
from scipy import ndimage

from ..regions import DATA_TYPES
from ..subjects import shorten_list
from .reading import drop_bad_copy, reading

FLAT_DURATION = 0.5  # seconds without any change, which no electrode records
LARGEST = 1e18  # volts; beyond, squares overflow single precision
SMALLEST = 1e-30  # volts; a smaller change is none


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

    def take(self, rows):
        """Return the same of some channels."""
        return replace(self, data=self.data[rows], usable=self.usable[rows])


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
        epochs = drop_bad_copy(recording)
        data = np.zeros((0, len(picks), len(epochs.times)))
        if len(epochs.events):
            with reading(epochs):
                data = epochs.get_data(picks=picks, copy=False)
        # events count samples of the original raw, also after decimating
        onset = epochs.events[:, 0] / epochs._raw_sfreq + epochs.tmin
        begin = onset
    else:
        with reading(recording):
            data = recording.get_data(picks=picks)[np.newaxis]
        onset, begin = np.zeros(1), np.array([recording.first_time])
    n_epochs, n_channels, n_samples = data.shape
    good, boundaries = _read_annotations(recording, picks, begin, n_samples)
    breaks = np.unique(np.r_[boundaries, np.arange(n_epochs) * n_samples])
    breaks = breaks[(breaks > 0) & (breaks < n_epochs * n_samples)]
    # data that users have put there may have any type
    data = np.asarray(data, dtype=float).swapaxes(0, 1).reshape(n_channels, -1)
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
    starts = [
        np.minimum(np.arange(at.start, at.stop - n_times + hop, hop), at.stop - n_times)
        for at in find_stretches(usable, breaks)
        if at.stop - at.start >= n_times
    ]
    return np.concatenate(starts) if starts else np.zeros(0, dtype=int)


def find_stretches(usable, breaks):
    """Find the stretches of time that are usable from one end to the other.

    Parameters
    ----------
    usable : ndarray of bool, shape (n_samples,)
        What is usable.
    breaks : ndarray of int
        Samples that no stretch reaches across.

    Returns
    -------
    stretches : list of slice
        First samples, and those after the last.
    """
    changes = np.diff(usable.astype(np.int8), prepend=0, append=0)
    cuts = breaks[usable[breaks - 1] & usable[breaks]]
    begins = np.sort(np.r_[np.flatnonzero(changes == 1), cuts])
    ends = np.sort(np.r_[np.flatnonzero(changes == -1), cuts])
    return list(map(slice, begins, ends))


def find_windows(signals, rows, n_times, hop=None):
    """Find the windows in which some channels are usable.

    Parameters
    ----------
    signals : Signals
        The signals of a recording.
    rows : ndarray | slice
        The channels that must be usable.
    n_times : int
        Number of samples of a window.
    hop : int | None
        As for `find_starts`, so that windows cover all of a stretch. None stands for
        windows end to end, none of which overlap.

    Returns
    -------
    starts : ndarray of int, shape (n_windows,)
        First samples.
    """
    usable = signals.usable[rows].all(axis=0)
    if hop is not None:
        return find_starts(usable, signals.breaks, n_times, hop)
    starts = find_starts(usable, signals.breaks, n_times, n_times)
    # the last of a stretch is aligned to its end
    return starts[np.diff(starts, prepend=-n_times) >= n_times]


def cut_windows(signals, starts, n_times, rows=slice(None)):
    """Cut windows out of a recording.

    Parameters
    ----------
    signals : Signals
        The signals of the recording.
    starts : ndarray of int, shape (n_windows,)
        First samples.
    n_times : int
        Number of samples of a window.
    rows : ndarray | slice
        The channels.

    Returns
    -------
    windows : ndarray, shape (n_windows, n_channels, n_times)
        In volts.
    """
    return signals.data[rows][:, starts[:, None] + np.arange(n_times)].swapaxes(0, 1)


def blame_channels(signals, ch_names, n_times):
    """Say which channels are never usable for as long as a window.

    Parameters
    ----------
    signals : Signals
        The signals of a recording that has no window.
    ch_names : sequence of str
        The channels, as many as there are signals.
    n_times : int
        Number of samples of a window.

    Returns
    -------
    text : str
        Their names, for a message; if there are none, that windows differ, or that
        there is no such window at all.
    """
    if signals.data.shape[1] < n_times:
        return "The whole recording is shorter"
    dead = [
        ch_name
        for row, ch_name in enumerate(ch_names)
        if not len(find_windows(signals, [row], n_times))
    ]
    if dead:
        return f"Never usable for so long: {shorten_list(dead)}"
    return "Each is at times, but not all at once"


def find_onsets(signals, start, sfreq):
    """Return the seconds at which pieces begin."""
    epoch, sample = np.divmod(start, signals.n_samples)
    return signals.onset[epoch] + sample / sfreq
