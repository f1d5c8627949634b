"""How well a prediction follows the truth in bands of frequencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import butter, hilbert, sosfiltfilt

if TYPE_CHECKING:
    from collections.abc import Sequence

BANDS = {
    "delta": (1.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 13.0),
    "beta": (13.0, 30.0),
    "gamma": (30.0, 45.0),
}
ORDER = 3
N_CYCLES = 3  # of the lowest frequency, within which a filter has not settled
FRAME = 1.0  # seconds, of coherence
# windows that overlap by a half are not quite independent (Welch 1967, Hann)
INDEPENDENT = 0.947
FLAT = 1e-9  # of the largest value; less is no change


def check_bands(bands, sfreq):
    """Return bands by name, or say what is wrong with them.

    Parameters
    ----------
    bands : dict of str to tuple of float
        Lowest and highest frequency of each, in Hz.
    sfreq : float
        Sampling rate in Hz.

    Returns
    -------
    bands : dict of str to tuple of float
        The same.

    Raises
    ------
    TypeError
        If they are no such dict.
    ValueError
        If a band is beyond what the sampling rate allows, or too narrow.
    """
    is_dict = hasattr(bands, "items")
    if not is_dict or any(np.shape(band) != (2,) for band in bands.values()):
        raise TypeError(
            "bands must be a dict of name to lowest and highest frequency in Hz, such "
            f"as {{'alpha': (8, 13)}}, got {bands!r}."
        )
    for name, (low, high) in bands.items():
        if not 1 / FRAME <= low < high < sfreq / 2:
            raise ValueError(
                f"Band {name!r} is from {low:g} to {high:g} Hz: expected ascending "
                f"frequencies between {1 / FRAME:g} Hz and half of the sampling rate, "
                f"{sfreq / 2:g} Hz."
            )
        if not _pick_frequencies(_list_frequencies(sfreq), (low, high)).any():
            raise ValueError(
                f"Band {name!r} from {low:g} to {high:g} Hz is too narrow: coherence "
                f"is computed every {1 / FRAME:g} Hz. Expected a band that holds one "
                "of these frequencies."
            )
    return dict(bands)


def measure_bands(predicted, truth, stretches, sfreq, bands):
    """Compare a prediction with the truth in bands.

    Parameters
    ----------
    predicted, truth : ndarray, shape (n_samples,)
        The signals of a channel.
    stretches : list of slice
        Times without a break, that are compared.
    sfreq : float
        Sampling rate in Hz.
    bands : dict of str to tuple of float
        Lowest and highest frequency of each, in Hz.

    Returns
    -------
    measures : dict of str to float
        For each band ``r_envelope_<band>``, Pearson's r of the amplitudes (Hilbert
        transform of the filtered signals), and ``coherence_<band>``, the mean squared
        coherence without its bias: what independent signals have is on average 0. 0
        where the prediction does not change, nan where no stretch is long enough.
    """
    pairs = [np.stack([predicted[at], truth[at]]) for at in stretches]
    frequencies, coherence = compute_coherence(pairs, sfreq)
    measures = {}
    for name, band in bands.items():
        inside = _pick_frequencies(frequencies, band)
        measures[f"r_envelope_{name}"] = correlate_envelopes(pairs, sfreq, band)
        measures[f"coherence_{name}"] = float(np.mean(coherence[inside]))
    return measures


def correlate_envelopes(
    pairs: Sequence[np.ndarray], sfreq: float, band: tuple[float, float]
) -> float:
    """Correlate the amplitudes of two signals in a band.

    Parameters
    ----------
    pairs : list of ndarray, shape (2, n_samples)
        Stretches of both signals.
    sfreq : float
        Sampling rate in Hz.
    band : tuple of float
        Lowest and highest frequency in Hz.

    Returns
    -------
    r : float
        Pearson's, all stretches together, without their ends, in which filters settle;
        0 if one does not change, nan if all stretches are too short.
    """
    sos = butter(ORDER, band, "bandpass", fs=sfreq, output="sos")
    margin = int(np.ceil(N_CYCLES / band[0] * sfreq))
    envelopes = [
        np.abs(hilbert(sosfiltfilt(sos, pair)))[:, margin:-margin]
        for pair in pairs
        if pair.shape[1] > 3 * margin
    ]
    if not envelopes:
        return np.nan
    deviation = np.concatenate(envelopes, axis=1)
    deviation -= deviation.mean(axis=1, keepdims=True)
    largest = np.abs(np.concatenate(pairs, axis=1)).max(axis=1)
    if (np.abs(deviation).max(axis=1) <= FLAT * largest).any():
        return 0.0
    deviation /= np.linalg.norm(deviation, axis=1, keepdims=True)
    return float(np.prod(deviation, axis=0).sum())


def compute_coherence(
    pairs: Sequence[np.ndarray], sfreq: float
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the squared coherence of two signals, without its bias.

    Parameters
    ----------
    pairs : list of ndarray, shape (2, n_samples)
        Stretches of both signals.
    sfreq : float
        Sampling rate in Hz.

    Returns
    -------
    frequencies : ndarray, shape (n_frequencies,)
        In Hz.
    coherence : ndarray, shape (n_frequencies,)
        From Hann windows of 1 s that overlap by a half (Welch); with K independent
        windows, (c - 1 / K) / (1 - 1 / K), which is 0 on average for independent
        signals. 0 if one does not change, nan if there are fewer than two windows.
    """
    n_times = round(FRAME * sfreq)
    frequencies = _list_frequencies(sfreq)
    frames = [
        np.lib.stride_tricks.sliding_window_view(pair, n_times, axis=1)[
            :, :: n_times // 2
        ]
        for pair in pairs
        if pair.shape[1] >= n_times
    ]
    n_frames = INDEPENDENT * sum(frame.shape[1] for frame in frames)
    if n_frames <= 1:
        return frequencies, np.full(len(frequencies), np.nan)
    frames = np.concatenate(frames, axis=1)
    if (np.ptp(frames, axis=(1, 2)) <= FLAT * np.abs(frames).max(axis=(1, 2))).any():
        return frequencies, np.zeros(len(frequencies))
    frames = frames - frames.mean(axis=2, keepdims=True)
    spectra = np.fft.rfft(frames * np.hanning(n_times + 1)[:-1])
    cross = np.abs((spectra[0].conj() * spectra[1]).sum(axis=0)) ** 2
    power = np.square(np.abs(spectra)).sum(axis=1).prod(axis=0)
    coherence = cross / np.where(power > 0, power, 1)
    return frequencies, (coherence - 1 / n_frames) / (1 - 1 / n_frames)


def _list_frequencies(sfreq):
    """Return the frequencies of coherence, in Hz."""
    return np.fft.rfftfreq(round(FRAME * sfreq), 1 / sfreq)


def _pick_frequencies(frequencies, band):
    """Return which frequencies are in a band."""
    return (frequencies >= band[0]) & (frequencies <= band[1])
