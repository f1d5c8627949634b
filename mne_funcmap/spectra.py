"""Spectral features of segments, in numpy, for the plain baselines."""

import numpy as np
from scipy.signal import spectrogram

LOWEST = 0.5  # Hz
HIGHEST = 0.4  # of the sampling rate, where anti-aliasing filters begin
FINE = {"frame": 4.0, "step": 0.05}  # for the spectrum: 0.25 Hz where it is slow
COARSE = {"frame": 1.0, "step": 0.25}  # for what changes in time
FLOOR = 1e-10  # 1/Hz, of the power of a z-scored channel before a logarithm
CHUNK = 256  # segments that are transformed at a time


def compute_spectrum(segments, unit):
    """Compute log power spectra of z-scored channels.

    Parameters
    ----------
    segments : Segments
        Segments of channels, in volts.
    unit : ndarray of int, shape (n_segments,)
        What to average over: the channel of each segment, or each by itself. Sorted,
        from 0 on.

    Returns
    -------
    features : ndarray, shape (n_units, n_bands)
        Log power in 1/Hz, in bands as wide as 5 % of their frequency, and 0.25 Hz at
        least, from 0.5 Hz to 40 % of the sampling rate.
    """
    power = _compute_band_power(segments, **FINE)
    return np.log(_average(power.mean(axis=2), unit) + FLOOR)


def compute_rich_features(segments, unit):
    """Compute spectra, amplitude, and how band power changes in time.

    Parameters
    ----------
    segments : Segments
        Segments of channels, in volts.
    unit : ndarray of int, shape (n_segments,)
        As by `compute_spectrum`.

    Returns
    -------
    features : ndarray, shape (n_units, n_features)
        The log spectrum; log standard deviation in volts; for each of some broad bands
        the spread of log power over time, and its burstiness, the mean of log power
        minus the log of mean power.
    """
    power = _compute_band_power(segments, **COARSE) + FLOOR
    logs = np.log(power)
    mean = _average(logs.mean(axis=2), unit)
    deviation = logs - mean[unit][:, :, None]
    spread = np.sqrt(_average(np.square(deviation).mean(axis=2), unit))
    burstiness = mean - np.log(_average(power.mean(axis=2), unit))
    variance = _average(segments.data.var(axis=1, dtype=float), unit)
    amplitude = np.log(variance)[:, None] / 2
    spectrum = compute_spectrum(segments, unit)
    return np.hstack([spectrum, amplitude, spread, burstiness])


def make_bands(frequencies, step):
    """Make weights that average neighbouring frequencies in bands.

    Parameters
    ----------
    frequencies : ndarray, shape (n_frequencies,)
        Ascending, in Hz.
    step : float
        Width of a band over its lowest frequency; one frequency at least.

    Returns
    -------
    bands : ndarray, shape (n_bands, n_frequencies)
        The rows add up to one.
    """
    band, edge = [], -np.inf
    for frequency in frequencies:
        begins = frequency >= edge
        edge = frequency * (1 + step) if begins else edge
        band.append(begins)
    member = np.cumsum(band) - 1 == np.arange(sum(band))[:, None]
    return member / member.sum(axis=1, keepdims=True)


def _compute_band_power(segments, *, frame, step):
    """Return power over that of the channel, (n_segments, n_bands, n_frames)."""
    n_times, sfreq = segments.data.shape[1], segments.sfreq
    n_frame = min(round(frame * sfreq), n_times)
    frequencies = np.fft.rfftfreq(n_frame, 1 / sfreq)
    inside = (frequencies >= LOWEST) & (frequencies <= HIGHEST * sfreq)
    if not inside.any():
        raise ValueError(
            f"Segments of {n_times} samples at {sfreq:g} Hz tell no frequency between "
            f"{LOWEST:g} and {HIGHEST * sfreq:g} Hz. Set a longer duration."
        )
    bands = make_bands(frequencies[inside], step).astype(np.float32)
    variance = _average(segments.data.var(axis=1, dtype=float), segments.channel)
    scale = np.sqrt(variance)[segments.channel, None].astype(np.float32)
    pieces = []
    for at in range(0, len(scale), CHUNK):
        chunk = segments.data[at : at + CHUNK] / scale[at : at + CHUNK]
        overlap = n_frame // 2
        power = spectrogram(chunk, sfreq, "hann", n_frame, overlap, axis=1)[2]
        pieces.append(bands @ power[:, inside])
    return np.concatenate(pieces)


def _average(values, unit):
    """Average rows by unit, in double precision: (n_units, ...)."""
    starts = np.flatnonzero(np.diff(unit, prepend=-1))
    sums = np.add.reduceat(values, starts, axis=0, dtype=float)
    return (sums.T / np.diff(starts, append=len(unit))).T
