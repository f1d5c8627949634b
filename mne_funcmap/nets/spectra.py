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
    peak = torch.linalg.vector_norm(segments, torch.inf, dim=1, keepdim=True)
    peak = peak.clamp(min=TINY)
    segments = segments / peak
    segments = segments - segments.mean(dim=1, keepdim=True)
    scale = torch.linalg.vector_norm(segments, dim=1, keepdim=True)
    scale = scale / math.sqrt(segments.shape[1])
    # what rounding leaves of a constant is not a signal
    constant = scale < 1e-6
    scale = scale.masked_fill(constant, 1.0)
    standardized = segments * (~constant / scale)
    log_scale = (scale.log() + peak.log()).masked_fill(constant, math.log(TINY))
    return standardized, log_scale


def log(power):
    """Natural logarithm that stays finite where there is no power."""
    return (power + FLOOR).log()


def squared_size(values):
    """Return the squared absolute value of complex numbers (abs is slow here)."""
    return values.real.square() + values.imag.square()


def moments(values):
    """Return mean, standard deviation, skewness and kurtosis along the last axis."""
    n_values = values.shape[-1]
    mean = values.mean(dim=-1, keepdim=True)
    centred = values - mean
    square = centred.square()
    variance = square.mean(dim=-1)
    scale = variance.clamp(min=FLOOR)
    skewness = torch.linalg.vecdot(square, centred) / n_values / scale**1.5
    kurtosis = torch.linalg.vecdot(square, square) / n_values / scale.square()
    return mean.squeeze(-1), variance.sqrt(), skewness, kurtosis


class SpectralFeatures(nn.Module):
    """Spectrum of a segment, its changes in time, its waveform and amplitude.

    Nothing here is trained. Frequencies are counted in cycles per segment, so that
    the sampling rate need not be known::

        (batch, n_times) -> standardized -> power in long and short frames, envelopes
                         -> (batch, n_features)

    Parameters
    ----------
    n_times : int
        Number of samples of a segment, 2 at least.

    Attributes
    ----------
    group_scale : torch.Tensor, shape (n_features,)
        Weight of each standardized feature, that of its group.

    Notes
    -----
    The groups: log power in narrow and in wide bands; the largest bin of a wide band
    over its mean, which shows lines and sharp rhythms wherever they sit in the band;
    spread, burstiness and skewness of log power over short frames; variation, skewness
    and kurtosis of band envelopes and the correlation of envelopes between bands;
    autocorrelation; shape of the waveform; log amplitude.
    """

    SCALES = {
        "narrow": 1.5,
        "wide": 2.0,
        "peak": 2.0,
        "frames": 0.5,
        "envelopes": 1.0,
        "autocorrelation": 1.5,
        "waveform": 1.5,
        "amplitude": 4.0,
    }

    def __init__(self, n_times):
        super().__init__()
        self.long = Frames(n_times, share=0.4)
        self.short = Frames(n_times, share=0.1)
        self.narrow = Bands(self.long.n_bins, step=0.03)
        self.wide = Bands(self.long.n_bins, step=0.12)
        self.rhythms = Bands(self.short.n_bins, step=0.12)
        self.envelopes = Envelopes(n_times)
        n_lags = self.long.n_bins // 2
        lags = torch.logspace(0, math.log10(max(n_lags, 1)), 40).round().long().unique()
        self.register_buffer("lags", lags, persistent=False)
        # waveforms at 2000 to 4000 samples, and averaged as long as 125 are left
        last = int(math.log2(max(n_times / 125, 1)))
        self.octaves = range(max(0, last - 4), last + 1)
        groups = self._groups(torch.zeros(1, n_times))
        scales = [
            torch.full((group.shape[1],), self.SCALES[name])
            for name, group in groups.items()
        ]
        self.register_buffer("group_scale", torch.cat(scales), persistent=False)

    def forward(self, segments):
        """Return features, (batch, n_features), of segments, (batch, n_times)."""
        return torch.cat(list(self._groups(segments).values()), dim=1)

    def _groups(self, segments):
        signal, log_scale = standardize_segments(segments)
        spectrum = self.long(signal).mean(dim=1)
        wide = log(self.wide(spectrum))
        return {
            "narrow": log(self.narrow(spectrum)),
            "wide": wide,
            "peak": log(self.wide.peak(spectrum)) - wide,
            "frames": self._describe_frames(signal),
            "envelopes": self.envelopes(signal),
            "autocorrelation": self._autocorrelate(spectrum),
            "waveform": self._describe_waveform(signal),
            "amplitude": log_scale,
        }

    def _describe_frames(self, signal):
        """Return spread, burstiness and skewness of log power over short frames."""
        power = self.rhythms(self.short(signal)).transpose(1, 2).contiguous()
        mean, spread, skewness, _ = moments(log(power))
        burstiness = mean - log(power.mean(dim=-1))
        return torch.cat([spread, burstiness, skewness], dim=1)

    def _autocorrelate(self, spectrum):
        """Return the autocorrelation at some lags, from the power spectrum."""
        spectrum = nn.functional.pad(spectrum, (1, 0))
        correlation = torch.fft.irfft(spectrum, n=2 * self.long.n_bins)
        return correlation[:, self.lags] / correlation[:, :1].clamp(min=FLOOR)

    def _describe_waveform(self, signal):
        """Return the shape of the signal and its differences, on octaves of time."""
        features = []
        for octave in self.octaves:
            smooth = nn.functional.avg_pool1d(signal, 2**octave)
            log_sds = []
            # differences of zeros keep their number where samples run out
            for values in (smooth, *_differences(smooth)):
                _, sd, skewness, kurtosis = moments(values)
                log_sds.append(log(sd))
                size = log(values.abs().mean(dim=1)) - log_sds[-1]
                features += [skewness.abs(), kurtosis.log1p(), size]
            features += [log_sds[1] - log_sds[0], log_sds[2] - log_sds[1]]
        return torch.stack(features, dim=1)


def _differences(signal):
    """Return first and second differences, the ends taken as repeated."""
    first = signal.diff(dim=1, append=signal[:, -1:])
    return first, first.diff(dim=1, append=first[:, -1:])


class Envelopes(nn.Module):
    """Shape of the envelopes of bands, and how they go together.

    The bins of a band are taken from the spectrum of the whole segment and
    transformed back on a coarse grid of time, which is enough for an envelope.

    Parameters
    ----------
    n_times : int
        Number of samples of a segment.
    """

    FIRST = 10  # cycles per segment: slower envelopes have no shape
    RATIO = 1.35
    MAX_BINS = 256  # what is wider is cut to its middle

    def __init__(self, n_times):
        super().__init__()
        n_bins = n_times // 2
        edges = [min(self.FIRST, max(n_bins // 2, 1))]
        while edges[-1] * self.RATIO < n_bins:
            edges.append(max(edges[-1] + 1, round(edges[-1] * self.RATIO)))
        low = torch.tensor(edges)
        high = torch.tensor([*edges[1:], n_bins + 1])
        width = (high - low).clamp(max=self.MAX_BINS)
        low = (low + high - width) // 2
        offset = torch.arange(int(width.max()))
        taper = torch.sin(torch.pi * (offset + 0.5) / width[:, None])
        taper = taper.clamp(max=0.5)  # flat, but for the outer sixths
        taper = taper.where(offset < width[:, None], torch.tensor(0.0))
        members = (low[:, None] + offset).clamp(max=n_bins)
        self.n_samples = 2 * len(offset)
        self.register_buffer("taper", taper, persistent=False)
        self.register_buffer("members", members, persistent=False)
        pairs = torch.triu_indices(len(low), len(low), 1)
        self.register_buffer("pairs", pairs, persistent=False)

    def forward(self, signal):
        """Return features, (batch, n_features), of (batch, n_times)."""
        spectrum = torch.fft.rfft(signal, norm="ortho")
        bands = spectrum[:, self.members] * self.taper
        bands = torch.fft.ifft(bands, n=self.n_samples, norm="forward")
        envelope = squared_size(bands).sqrt()
        mean, sd, skewness, kurtosis = moments(envelope)
        scale = sd.clamp(min=FLOOR)
        standard = (envelope - mean[..., None]) / scale[..., None]
        correlation = standard @ standard.transpose(1, 2) / self.n_samples
        first, second = self.pairs
        variation = log(sd) - log(mean)
        shape = [variation, skewness, kurtosis.log1p()]
        return torch.cat([*shape, correlation[:, first, second]], dim=1)


class Frames(nn.Module):
    """Power spectra of overlapping frames.

    Parameters
    ----------
    n_times : int
        Number of samples of a segment.
    share : float
        Length of a frame over that of the segment; frames overlap by a half.
    """

    def __init__(self, n_times, *, share):
        super().__init__()
        self.n_samples = max(2, round(share * n_times))
        self.hop = max(1, self.n_samples // 2)
        self.n_bins = self.n_samples // 2
        # a Hann window of two or three samples would be empty at its ends
        window = torch.hann_window(self.n_samples + 2, periodic=False)[1:-1]
        self.register_buffer("window", window / window.norm(), persistent=False)

    def forward(self, signal):
        """Return power, (batch, n_frames, n_bins), of (batch, n_times)."""
        frames = signal.unfold(1, self.n_samples, self.hop) * self.window
        return squared_size(torch.fft.rfft(frames))[..., 1:]


class Bands(nn.Module):
    """Neighbouring bins of a spectrum taken together.

    Parameters
    ----------
    n_bins : int
        Number of bins; the first is that of one cycle per frame.
    step : float
        Width of a band over its frequency; one bin at least.
    """

    def __init__(self, n_bins, *, step):
        super().__init__()
        edges = [1]
        while edges[-1] <= n_bins:
            edges.append(max(edges[-1] + 1, round(edges[-1] * (1 + step))))
        edges = torch.tensor(edges).clamp(max=n_bins + 1) - 1
        bins = torch.arange(n_bins)[:, None]
        inside = ((bins >= edges[:-1]) & (bins < edges[1:])).float()
        self.register_buffer("weights", inside / inside.sum(dim=0), persistent=False)
        widths = edges.diff()
        members = edges[:-1, None] + torch.arange(int(widths.max()))
        members = torch.minimum(members, edges[1:, None] - 1)
        self.register_buffer("members", members, persistent=False)

    def forward(self, power):
        """Return the mean of each band, (..., n_bands), of (..., n_bins)."""
        return power @ self.weights

    def peak(self, power):
        """Return the maximum of each band, (..., n_bands), of (..., n_bins)."""
        return power[..., self.members].amax(dim=-1)
