"""Functional connectivity of the channels of a recording, in bands."""

import numpy as np
from scipy.signal import butter, hilbert, sosfiltfilt

from ..recordings.signals import blame_channels, cut_windows, find_windows, read_signals
from ..subjects import describe

BANDS = {
    "delta": (1.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 13.0),
    "beta": (13.0, 30.0),
    "gamma": (30.0, 70.0),
}  # Hz
KINDS = ("correlation", "envelope")
WINDOW = 5.0  # seconds in which all channels are usable
EDGE = 0.5  # seconds at each end of a window, where filters see nothing beyond


def connect_recording(recording, index, picks, bands):
    """Compute the functional connectivity of channels, band by band.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording.
    index : int
        Its index, for messages.
    picks : ndarray of int, shape (n_channels,)
        The channels.
    bands : dict of str to tuple of (float, float)
        Names and edges in Hz.

    Returns
    -------
    connectivity : dict of tuple to ndarray, shape (n_channels, n_channels)
        For each kind, ``"correlation"`` and ``"envelope"``, and each band.

    Raises
    ------
    ValueError
        If a band is beyond the sampling rate, or no window is usable.
    """
    sfreq, name = recording.info["sfreq"], describe(index, recording)
    beyond = [band for band, (_, high) in bands.items() if high >= sfreq / 2]
    if beyond:
        raise ValueError(
            f"{name} is sampled at {sfreq:g} Hz, which is too low for the band(s) "
            f"{', '.join(beyond)}. Leave them out of bands."
        )
    windows = _cut(recording, picks, name)
    return {
        (kind, band): matrix
        for band, edges in bands.items()
        for kind, matrix in zip(KINDS, connect(windows, sfreq, edges), strict=True)
    }


def connect(windows, sfreq, band):
    """Compute the functional connectivity of channels in a band.

    Parameters
    ----------
    windows : ndarray, shape (n_windows, n_channels, n_times)
        Signals, of windows longer than a second.
    sfreq : float
        Sampling rate in Hz.
    band : tuple of (float, float)
        Edges in Hz.

    Returns
    -------
    correlation : ndarray, shape (n_channels, n_channels)
        Absolute correlation of what a Butterworth filter of order 3 passes in both
        directions: the polarity of a bipolar channel is arbitrary.
    envelope : ndarray, shape (n_channels, n_channels)
        Correlation of its amplitude, that of the analytic signal.
    """
    sos = butter(3, band, "bandpass", fs=sfreq, output="sos")
    analytic = hilbert(sosfiltfilt(sos, windows), axis=-1)
    edge = round(EDGE * sfreq)
    inside = analytic[..., edge:-edge].swapaxes(0, 1).reshape(windows.shape[1], -1)
    # of a single channel, numpy returns a number
    correlation, envelope = (
        np.corrcoef(values).reshape(2 * [len(values)])
        for values in (inside.real, np.abs(inside))
    )
    return np.abs(correlation), envelope


def _cut(recording, picks, name):
    """Return windows in which all channels are usable."""
    length = recording.times[-1] + 1 / recording.info["sfreq"]
    n_times = round(min(WINDOW, length) * recording.info["sfreq"])
    signals = read_signals(recording, picks, n_times)
    starts = find_windows(signals, slice(None), n_times)
    if not len(starts) or length <= 4 * EDGE:
        ch_names = [recording.ch_names[pick] for pick in picks]
        blamed = blame_channels(signals, ch_names, n_times)
        raise ValueError(
            f"{name} has no {WINDOW:g} s, or epochs of more than {4 * EDGE:g} s, in "
            f"which all channels are usable. {blamed}. Add damaged channels to "
            "info['bads']."
        )
    return cut_windows(signals, starts, n_times)
