"""Rhythms, common sources and noise: simulated signals, and their spectra.

What draws takes a generator, so that its caller decides which numbers are shared.
Signals have unit gain or variance; only their caller knows about volts. The inverse
transform of a power spectrum is the autocovariance.
"""

from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from scipy import fft
from scipy.signal.windows import hann

# Gamma that rides on a slower rhythm: Hz, and gain relative to that rhythm.
NESTED_FREQUENCY = 80.0
NESTED_GAIN = 0.5

LOWEST_FREQUENCY = 0.5  # Hz, below it 1/f spectra are flat
LATENT_FREQUENCIES = (4.0, 7.0, 11.0, 17.0, 26.0, 38.0)  # Hz, one band per latent
LATENT_BANDWIDTH = 0.15  # standard deviation of a band relative to its centre
MAX_DELAY = 0.02  # seconds


@dataclass(frozen=True)
class Rhythm:
    """A continuous line or, with a window, bursts that each fill one window."""

    frequency: float
    gain: float
    window: float | None = None
    probability: float = 1.0
    jitter: float = 0.0
    nests_gamma: bool = False


def simulate_rhythms(rhythms, shape, sfreq, nesting, rng, nested_rng):
    """Sum of a region's rhythms, shape (n_channels, n_times), channels independent.

    ``nesting`` is the strength, 0 to 1, of the gamma whose amplitude follows the phase
    of a slower rhythm.
    """
    total = np.zeros(shape)
    for rhythm in rhythms:
        envelope, phase = _oscillation(rhythm, shape, sfreq, rng)
        cosine = np.cos(phase)
        total += envelope * cosine
        if nesting and rhythm.nests_gamma:
            carrier = Rhythm(NESTED_FREQUENCY, gain=nesting * NESTED_GAIN)
            gain, fast_phase = _oscillation(carrier, shape, sfreq, nested_rng)
            total += gain * envelope * (1 + cosine) / 2 * np.cos(fast_phase)
    return total


def _oscillation(rhythm, shape, sfreq, rng):
    """Envelope and phase (radians) of a rhythm, each of the given shape.

    A continuous line is a burst that always occurs and fills the recording.
    """
    n_channels, n_times = shape
    if rhythm.window is None:
        n_window, taper = n_times, np.ones(n_times)
    else:
        n_window = round(rhythm.window * sfreq)
        taper = hann(n_window, sym=False)
    n_windows = ceil(n_times / n_window)
    per_burst = (n_channels, n_windows, 1)
    frequency = rhythm.frequency + rhythm.jitter * rng.standard_normal(per_burst)
    occurs = rng.random(per_burst) < rhythm.probability
    start = rng.random(per_burst)
    phase = 2 * np.pi * (frequency * (np.arange(n_window) / sfreq) + start)
    envelope = rhythm.gain * occurs * taper
    tiled = (n_channels, n_windows * n_window)
    return envelope.reshape(tiled)[:, :n_times], phase.reshape(tiled)[:, :n_times]


def rhythms_variance(rhythms, nesting):
    """Expected variance of a region's signal."""
    return sum(rhythm_variance(rhythm) for rhythm in unnest(rhythms, nesting))


def rhythm_variance(rhythm):
    """Expected variance of a rhythm, without what it nests."""
    taper_power = 1.0 if rhythm.window is None else 3 / 8  # mean squared Hann
    return rhythm.gain**2 / 2 * rhythm.probability * taper_power


def burst_power(rhythm, n_times, sfreq):
    """Power spectrum of bursts that begin at any time, shape (n_frequencies,)."""
    n_window = round(rhythm.window * sfreq)
    taper = hann(n_window, sym=False)
    overlap = np.correlate(taper, taper, "full")[n_window - 1 :] / n_window
    lags = np.arange(n_window) / sfreq
    jitter = np.exp(-2 * (np.pi * rhythm.jitter * lags) ** 2)
    oscillation = np.cos(2 * np.pi * rhythm.frequency * lags) * jitter
    covariance = rhythm.gain**2 / 2 * rhythm.probability * overlap * oscillation
    return 2 * fft.rfft(covariance, n_times).real - covariance[0]


def unnest(rhythms, nesting):
    """Rhythms that nest none, but add up to the same spectrum."""
    flat = [replace(rhythm, nests_gamma=False) for rhythm in rhythms]
    for rhythm in rhythms:
        if nesting and rhythm.nests_gamma:
            flat += _split_nested(rhythm, nesting * NESTED_GAIN * rhythm.gain / 2)
    return flat


def _split_nested(rhythm, gain):
    """Carrier and sidebands of the gamma that a rhythm nests."""
    carrier = Rhythm(NESTED_FREQUENCY, gain)
    sidebands = _shift(replace(rhythm, gain=gain / 2, nests_gamma=False))
    if rhythm.window is None:
        return [carrier, *sidebands]
    # the phase of the carrier runs on from burst to burst, so that their mean envelope,
    # p (1 - cos(2 pi t / window)) / 2, has lines, and only the rest comes in bursts
    p, window = rhythm.probability, rhythm.window
    rest = replace(carrier, window=window, probability=p * (1 - p))
    mean = replace(carrier, gain=gain * p / 2)
    return [*sidebands, rest, mean, *_shift(Rhythm(1 / window, gain * p / 4))]


def _shift(rhythm):
    """A rhythm, moved to either side of the carrier."""
    return [
        replace(rhythm, frequency=NESTED_FREQUENCY + sign * rhythm.frequency)
        for sign in (-1, 1)
    ]


def draw_mixing(n_regions, rng):
    """Weights and delays (seconds) of the latents, each (n_regions, n_latents)."""
    shape = (n_regions, len(LATENT_FREQUENCIES))
    weights = rng.standard_normal(shape)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return weights, rng.uniform(-MAX_DELAY, MAX_DELAY, shape)


def mix_latents(weights, delays, n_times, sfreq, rng):
    """Common part of each region, shape (n_regions, n_times), of unit variance."""
    frequencies = fft.rfftfreq(n_times, 1 / sfreq)
    white = rng.standard_normal((weights.shape[1], n_times))
    latents = np.sqrt(latent_power(frequencies, n_times)) * fft.rfft(white)
    mixed = [
        row @ (np.exp(-2j * np.pi * np.outer(lags, frequencies)) * latents)
        for row, lags in zip(weights, delays, strict=True)
    ]
    return fft.irfft(mixed, n_times)


def cross_spectrum(weights, delays, n_times, sfreq):
    """Cross-spectrum of the common parts of two regions, shape (n_frequencies,).

    ``weights`` and ``delays`` have one row for each of the two.
    """
    frequencies = fft.rfftfreq(n_times, 1 / sfreq)
    paths = np.exp(-2j * np.pi * np.outer(delays[0] - delays[1], frequencies))
    power = latent_power(frequencies, n_times)
    return (weights[0] * weights[1]) @ (paths * power)


def latent_power(frequencies, n_times):
    """Power spectrum of each latent, shape (n_latents, n_frequencies)."""
    centres = np.array(LATENT_FREQUENCIES)[:, None]
    bands = np.exp(-(((frequencies / centres - 1) / LATENT_BANDWIDTH) ** 2) / 2)
    pink = pink_power(frequencies, n_times)
    return (pink + _unit_variance(bands, n_times)) / 2


def pink_noise(shape, sfreq, rng):
    """1/f noise of unit variance, shape (n_channels, n_times)."""
    power = pink_power(fft.rfftfreq(shape[1], 1 / sfreq), shape[1])
    spectrum = np.sqrt(power) * fft.rfft(rng.standard_normal(shape))
    return fft.irfft(spectrum, shape[1])


def pink_power(frequencies, n_times):
    """Power spectrum of 1/f noise without a mean, shape (n_frequencies,)."""
    power = (frequencies > 0) / np.maximum(frequencies, LOWEST_FREQUENCY)
    return _unit_variance(power, n_times)


def _unit_variance(power, n_times):
    """Scale a power spectrum so that it turns white noise into unit variance."""
    return power / fft.irfft(power, n_times)[..., :1]
