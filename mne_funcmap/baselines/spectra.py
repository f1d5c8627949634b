"""Spectral features of segments, in numpy, for the plain baselines."""

import numpy as np
from scipy.signal import spectrogram

from ..recordings.measured import Measure, by_channel, collect_units

LOWEST = 0.5  # Hz
HIGHEST = 0.4  # of the sampling rate, where anti-aliasing filters begin
FINE = {"frame": 4.0, "step": 0.05}  # for the spectrum: 0.25 Hz where it is slow
COARSE = {"frame": 1.0, "step": 0.25}  # for what changes in time
FLOOR = 1e-10  # 1/Hz, of the power of a z-scored channel before a logarithm
CHUNK = 256  # segments that are transformed at a time


def read_spectra(source, features, divide=by_channel, memory=None):
    """Compute spectral features of units of segments.

    Parameters
    ----------
    source : SegmentSource
        The recordings.
    features : "spectrum" | "rich"
        Log power in 1/Hz of the z-scored channel, in bands as wide as 5 % of their
        frequency, and 0.25 Hz at least, from 0.5 Hz to 40 % of the sampling rate. Or
        beside it the log standard deviation in volts, and for each of some broad bands
        the spread of log power over time, and its burstiness, the mean of log power
        minus the log of mean power.
    divide : callable | None
        What features are averaged over, as for `collect_units`.
    memory : None | str | path-like | joblib.Memory
        Folder in which what was measured is kept.

    Returns
    -------
    units : Units
        With values of shape (n_units, n_features).
    """
    measure, describe = FEATURES[features]
    n_broad = len(_choose_bands(source.n_times, source.sfreq, **COARSE)[0])
    return collect_units(
        source,
        Measure(measure, [features]),
        divide,
        finish=lambda measured: describe(measured.numpy(), n_broad),
        memory=memory,
    )


def _measure_power(segments):
    """Return power, (n_segments, n_bands)."""
    return _compute_band_power(segments, **FINE).mean(axis=2).astype(float)


def _describe_power(power, n_broad):
    """Return log power, (n_units, n_bands), of average power."""
    return np.log(power + FLOOR)


def _measure_rich(segments):
    """Return variance, statistics of broad bands over time, and power.

    The statistics are the means of log power, of its square, and of power.
    """
    power = _compute_band_power(segments, **COARSE).astype(float) + FLOOR
    logs = np.log(power)
    over_time = [values.mean(axis=2) for values in (logs, np.square(logs), power)]
    variance = segments.data.var(axis=1, dtype=float)[:, None]
    return np.hstack([variance, *over_time, _measure_power(segments)])


def _describe_rich(measured, n_broad):
    """Return rich features, (n_units, n_features), of averages of measures."""
    ends = 1 + n_broad * np.arange(4)
    variance, logs, squares, power, fine = np.split(measured, ends, axis=1)
    spread = np.sqrt((squares - np.square(logs)).clip(min=0))
    burstiness = logs - np.log(power)
    amplitude = np.log(variance) / 2
    spectrum = _describe_power(fine, n_broad)
    return np.hstack([spectrum, amplitude, spread, burstiness])


FEATURES = {
    "spectrum": (_measure_power, _describe_power),
    "rich": (_measure_rich, _describe_rich),
}


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


def _choose_bands(n_times, sfreq, *, frame, step):
    """Return bands as by `make_bands`, which frequencies these are of, and a frame."""
    n_frame = min(round(frame * sfreq), n_times)
    frequencies = np.fft.rfftfreq(n_frame, 1 / sfreq)
    inside = (frequencies >= LOWEST) & (frequencies <= HIGHEST * sfreq)
    if not inside.any():
        raise ValueError(
            f"Segments of {n_times} samples at {sfreq:g} Hz tell no frequency between "
            f"{LOWEST:g} and {HIGHEST * sfreq:g} Hz. Set a longer duration."
        )
    bands = make_bands(frequencies[inside], step).astype(np.float32)
    return bands, inside, n_frame


def _compute_band_power(segments, **resolution):
    """Return power over that of the channel, (n_segments, n_bands, n_frames)."""
    n_times, sfreq = segments.data.shape[1], segments.sfreq
    bands, inside, n_frame = _choose_bands(n_times, sfreq, **resolution)
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
