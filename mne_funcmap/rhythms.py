"""Rhythms, common sources and noise: the signals of simulated recordings.

Each function takes a generator, so that its caller decides which numbers are shared.
Signals have unit gain or variance; only their caller knows about volts.
"""

from dataclasses import dataclass
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
    total = 0.0
    for rhythm in rhythms:
        taper_power = 1.0 if rhythm.window is None else 3 / 8  # mean squared Hann
        variance = rhythm.gain**2 / 2 * rhythm.probability * taper_power
        if rhythm.nests_gamma:  # the mean of ((1 + cos) / 2) ** 2 is 3 / 8, too
            variance *= 1 + (nesting * NESTED_GAIN) ** 2 * 3 / 8
        total += variance
    return total


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


def latent_power(frequencies, n_times):
    """Power spectrum of each latent, shape (n_latents, n_frequencies)."""
    centres = np.array(LATENT_FREQUENCIES)[:, None]
    bands = np.exp(-(((frequencies / centres - 1) / LATENT_BANDWIDTH) ** 2) / 2)
    pink = _unit_variance(_pink_power(frequencies), n_times)
    return (pink + _unit_variance(bands, n_times)) / 2


def _pink_power(frequencies):
    """Power spectrum proportional to 1/f, without a mean."""
    return (frequencies > 0) / np.maximum(frequencies, LOWEST_FREQUENCY)


def _unit_variance(power, n_times):
    """Scale a power spectrum so that it turns white noise into unit variance."""
    return power / fft.irfft(power, n_times)[..., :1]


def pink_noise(shape, sfreq, rng):
    """1/f noise of unit variance, shape (n_channels, n_times)."""
    frequencies = fft.rfftfreq(shape[1], 1 / sfreq)
    power = _unit_variance(_pink_power(frequencies), shape[1])
    spectrum = np.sqrt(power) * fft.rfft(rng.standard_normal(shape))
    return fft.irfft(spectrum, shape[1])
