"""Windows of recordings, z-scored: in memory, or in a file."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from .labelled import pick_labelled
from .signals import blame_channels, cut_windows, find_windows, read_signals
from .storage import StoredRows


def cut_study(recording, channels, index, study, n_times):
    """Cut a recording into windows of its labelled channels, end to end.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording.
    channels : Channels
        The table of the list of recordings.
    index : int
        Which of them it is.
    study : Study
        What is known of it.
    n_times : int
        Number of samples of a window.

    Returns
    -------
    windows : torch.Tensor, shape (n_windows, n_channels, n_times)
        Windows in which all these channels are usable, z-scored.
    """
    rows = pick_labelled(channels, index)
    signals = read_signals(recording, channels.pick[rows], n_times)
    return _cut_normalized(signals, study, n_times)


def _cut_normalized(signals, study, n_times):
    """Return windows of channels, end to end, z-scored."""
    starts = find_windows(signals, slice(None), n_times)
    windows = cut_windows(signals, starts, n_times)
    return torch.from_numpy(study.normalize(windows, out=windows).astype(np.float32))


def cut_some(signals, study, n_times, name, sfreq):
    """Cut signals into windows, one at least.

    Parameters
    ----------
    signals : Signals
        Of the channels of a recording.
    study : Study
        What is known of it.
    n_times : int
        Number of samples of a window.
    name : str
        The recording, for messages.
    sfreq : float
        Sampling rate in Hz.

    Returns
    -------
    windows : torch.Tensor, shape (n_windows, n_channels, n_times)
        As by `cut_study`.
    """
    windows = _cut_normalized(signals, study, n_times)
    if not len(windows):
        raise ValueError(
            f"{name} has no {n_times / sfreq:g} s in which all of its "
            f"{len(study.ch_names)} channels are usable (not BAD_, finite, not flat). "
            f"{blame_channels(signals, study.ch_names, n_times)}. Add damaged channels "
            "to info['bads'], or use shorter windows."
        )
    return windows


@dataclass(frozen=True)
class StoredWindows:
    """Z-scored windows in a file; a slice of them is read later, a number now.

    Attributes
    ----------
    rows : StoredRows, shape (n_windows, n_channels, n_times)
        Where they are.
    ratio, shift : torch.Tensor | None, shape (n_channels, 1)
        By what they are multiplied, and what is added.
    """

    rows: StoredRows
    ratio: torch.Tensor | float = 1.0
    shift: torch.Tensor | float = 0.0

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, rows):
        if isinstance(rows, slice):
            return replace(self, rows=self.rows.take(rows))
        return torch.from_numpy(self.rows[rows]) * self.ratio + self.shift


def rescale_windows(windows, study, other):
    """Return windows z-scored as another study says.

    Parameters
    ----------
    windows : torch.Tensor | StoredWindows, shape (n_windows, n_channels, n_times)
        Windows z-scored as the study says.
    study, other : Study
        Of the same channels.

    Returns
    -------
    windows : torch.Tensor | StoredWindows, shape (n_windows, n_channels, n_times)
        The windows.
    """
    ratio = torch.from_numpy(study.scale / other.scale)[:, None]
    shift = torch.from_numpy((study.mean - other.mean) / other.scale)[:, None]
    ratio, shift = ratio.float(), shift.float()
    if isinstance(windows, torch.Tensor):
        return windows * ratio + shift
    return replace(windows, ratio=ratio, shift=shift)
