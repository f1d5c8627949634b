"""The front end of the spectral encoder: fixed features of a segment."""

import math

import torch
from torch import nn

TINY = 1e-30
FLOOR = 1e-10  # of the power of a standardized segment, before a logarithm


def standardize_segments(segments):
    """Centre and scale every segment, without overflow whatever its unit.

    Parameters
    ----------
    segments : torch.Tensor, shape (batch, n_times)
        Signals in any unit.

    Returns
    -------
    standardized : torch.Tensor, shape (batch, n_times)
        Mean 0 and variance 1; zeros where the segment is constant.
    log_scale : torch.Tensor, shape (batch, 1)
        Natural logarithm of the standard deviation in the unit of the input.
    """
    peak = segments.abs().amax(dim=1, keepdim=True).clamp(min=TINY)
    segments = segments / peak
    segments = segments - segments.mean(dim=1, keepdim=True)
    scale = segments.square().mean(dim=1, keepdim=True).sqrt()
    # what rounding leaves of a constant is not a signal
    constant = scale < 1e-6
    scale = scale.masked_fill(constant, 1.0)
    standardized = segments.masked_fill(constant, 0.0) / scale
    log_scale = (scale.log() + peak.log()).masked_fill(constant, math.log(TINY))
    return standardized, log_scale


def log(power):
    """Natural logarithm that stays finite where there is no power."""
    return (power + FLOOR).log()


class SpectralFeatures(nn.Module):
    """Spectrum of a segment, how it changes in time, and the amplitude.

    Nothing here is trained. Frequencies are counted in cycles per segment, so that
    the sampling rate need not be known::

        (batch, n_times) -> standardized -> power in long and short frames
                         -> (batch, n_features)

    Parameters
    ----------
    n_times : int
        Number of samples of a segment, 2 at least.
    """

    def __init__(self, n_times):
        super().__init__()
        self.long = Frames(n_times, share=0.4, step=0.03)
        self.short = Frames(n_times, share=0.1, step=0.12)

    def forward(self, segments):
        """Return features, (batch, n_features), of segments, (batch, n_times)."""
        signal, log_scale = standardize_segments(segments)
        spectrum = log(self.long(signal).mean(dim=1))
        bands = self.short(signal)
        log_bands = log(bands)
        level = log(bands.mean(dim=1))
        spread = log_bands.std(dim=1, correction=0)
        burstiness = log_bands.mean(dim=1) - level
        return torch.cat([spectrum, level, spread, burstiness, log_scale], dim=1)


class Frames(nn.Module):
    """Power in bands of overlapping frames.

    Parameters
    ----------
    n_times : int
        Number of samples of a segment.
    share : float
        Length of a frame over that of the segment; frames overlap by a half.
    step : float
        Width of a band over its frequency; one bin at least.
    """

    def __init__(self, n_times, *, share, step):
        super().__init__()
        self.n_samples = max(2, round(share * n_times))
        self.hop = max(1, self.n_samples // 2)
        window = torch.hann_window(self.n_samples, periodic=False)
        if self.n_samples < 4:  # a Hann window of two or three samples is empty
            window = torch.ones(self.n_samples)
        norm = window.square().sum().sqrt()
        self.register_buffer("window", window / norm, persistent=False)
        bands = make_bands(self.n_samples // 2, step)
        self.register_buffer("bands", bands, persistent=False)

    def forward(self, signal):
        """Return power, (batch, n_frames, n_bands), of (batch, n_times)."""
        frames = signal.unfold(1, self.n_samples, self.hop) * self.window
        spectrum = torch.view_as_real(torch.fft.rfft(frames))
        return spectrum.square().sum(dim=-1)[..., 1:] @ self.bands


def make_bands(n_bins, step):
    """Return weights, (n_bins, n_bands), that average bins 1 to ``n_bins`` in bands.

    Bands are one bin wide where that is more than ``step`` times their frequency.
    """
    edges = [1]
    while edges[-1] <= n_bins:
        edges.append(max(edges[-1] + 1, round(edges[-1] * (1 + step))))
    edges[-1] = min(edges[-1], n_bins + 1)
    bins = torch.arange(1, n_bins + 1)[:, None]
    low, high = torch.tensor(edges[:-1]), torch.tensor(edges[1:])
    inside = ((bins >= low) & (bins < high)).float()
    return inside / inside.sum(dim=0)
