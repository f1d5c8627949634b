"""Seconds of recordings that tell what their channels are."""

import numpy as np
from mne import BaseEpochs

from ..subjects import describe
from .channels import crop_copy
from .labelled import check_labelled
from .reading import drop_bad_copy, reading
from .signals import blame_channels, find_windows, read_signals

MAX_PIECES = 4  # of a training recording


def crop_pieces(recording, ch_names, candidates, seconds, name, n_pieces=1):
    """Crop a recording to usable seconds: the first, and others spread over the rest.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording.
    ch_names : sequence of str
        The channels that must be usable.
    candidates : sequence of str
        These, and channels that are to be dropped.
    seconds : float
        How long; of epochs, as many as are as long together.
    name : str
        The recording in messages.
    n_pieces : int
        How many, if there are so many.

    Returns
    -------
    pieces : list of mne.io.Raw | list of mne.Epochs
        Copies of these seconds.
    end : int
        The sample, epochs end to end, at which the first piece ends.
    """
    check_labelled(ch_names, name)
    n_times = round(seconds * recording.info["sfreq"])
    if isinstance(recording, BaseEpochs):
        recording = drop_bad_copy(recording)
        n_times = -(-n_times // len(recording.times)) * len(recording.times)
        starts = _find_epochs(recording, n_times, seconds, name)
    else:
        starts = _find_stretches(recording, ch_names, n_times, seconds, name)
    spread = np.linspace(0, len(starts) - 1, min(n_pieces, len(starts)))
    hidden = [ch_name for ch_name in candidates if ch_name not in set(ch_names)]
    pieces = [
        _crop(recording, start, n_times).drop_channels(hidden)
        for start in starts[spread.round().astype(int)]
    ]
    return pieces, int(starts[0]) + n_times


def crop_training_pieces(recordings, channels, seconds):
    """Crop each training recording to pieces, any of which tells of its channels.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    channels : Channels
        The table of them.
    seconds : float
        How long a piece is.

    Returns
    -------
    pieces : list of list of mne.io.Raw | list of list of mne.Epochs
        Pieces of each recording.
    """
    pieces = []
    for index, recording in enumerate(recordings):
        names = channels.ch_name[channels.find_rows(index)]
        name = describe(index, recording)
        pieces.append(
            crop_pieces(recording, names, names, seconds, name, MAX_PIECES)[0]
        )
    return pieces


def _find_epochs(epochs, n_times, seconds, name):
    """Return the first samples of runs of epochs, end to end."""
    n_samples = len(epochs.times)
    n_runs = len(epochs) * n_samples // n_times
    if not n_runs:
        raise ValueError(
            f"{name} has {len(epochs)} epochs of {n_samples / epochs.info['sfreq']:g} "
            f"s: too few for {seconds:g} s that tell what its channels are. Give a "
            "reference, or a shorter identity_duration."
        )
    return np.arange(n_runs) * n_times


def _find_stretches(raw, ch_names, n_times, seconds, name):
    """Return the first samples of stretches in which channels are usable."""
    picks = np.array([raw.ch_names.index(ch_name) for ch_name in ch_names])
    signals = read_signals(raw, picks, n_times)
    starts = find_windows(signals, slice(None), n_times, n_times)
    if not len(starts):
        raise ValueError(
            f"{name} has no {seconds:g} s in which all of its {len(picks)} channels "
            "are usable (not BAD_, finite, not flat), to tell what they are. "
            f"{blame_channels(signals, ch_names, n_times)}. Add damaged channels to "
            "info['bads'], give a reference, or a shorter "
            "identity_duration."
        )
    return starts


def _crop(recording, start, n_times):
    """Return a copy of some samples, of epochs end to end."""
    if isinstance(recording, BaseEpochs):
        n_samples = len(recording.times)
        first, stop = start // n_samples, (start + n_times) // n_samples
        with reading(recording):
            return recording[first:stop].load_data()
    sfreq = recording.info["sfreq"]
    return crop_copy(recording, start / sfreq, (start + n_times - 1) / sfreq)
