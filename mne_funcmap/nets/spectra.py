"""The front end of the spectral encoder: fixed features of a segment."""

import math

import torch
from torch import nn

TINY = 1e-30
FLOOR = 1e-10  # of the power of a segment; less is what rounding leaves


def log(power, floor=FLOOR):
    """Natural logarithm that stays finite where there is no power."""
    return (power + floor).log()


class SpectralFeatures(nn.Module):
    """Spectrum, rhythms over time, waveform and amplitude of a segment.

    Nothing here is trained. All features come from one Fourier transform of the
    segment, and frequencies are counted in cycles per segment, so that the sampling
    rate need not be known::

        (batch, n_times) -> spectrum -> bands, their power over time, slow waveforms
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
    The groups: log power in bands; the sharpest peak in each octave; burstiness and
    spread of the power of a band over time, and its correlations with other bands;
    shape of the slow waveform; log amplitude.
    """

    SCALES = {
        "bands": 2.0,
        "peaks": 2.5,
        "dynamics": 1.0,
        "coupling": 1.0,
        "waveform": 1.0,
        "amplitude": 4.0,
    }
    N_SAMPLES = (128, 512)  # of slow waveforms

    def __init__(self, n_times):
        super().__init__()
        self.bands = Bands(n_times // 2)
        self.rhythms = Rhythms(n_times // 2)
        n_samples = {min(n, n_times) for n in self.N_SAMPLES}
        self.waveforms = [Waveform(n) for n in sorted(n_samples)]
        groups = self._groups(torch.ones(1, n_times))
        scales = [
            torch.full((group.shape[1],), self.SCALES[name])
            for name, group in groups.items()
        ]
        self.register_buffer("group_scale", torch.cat(scales), persistent=False)

    def forward(self, segments):
        """Return features, (batch, n_features), of segments, (batch, n_times)."""
        return torch.cat(list(self._groups(segments).values()), dim=1)

    def _groups(self, segments):
        # no square may overflow, whatever the unit
        highest, lowest = (f(segments, 1, True) for f in (torch.amax, torch.amin))
        peak = torch.maximum(highest, -lowest).clamp(min=TINY)
        spectrum = torch.fft.rfft(segments / peak, norm="forward")
        spectrum[:, 0] = 0
        power = compute_power(spectrum)
        total = power.sum(dim=1, keepdim=True)
        # what rounding leaves of a constant is not a signal
        constant = total < 1e-12
        inverse = total.reciprocal().masked_fill(constant, 0.0)
        power *= inverse * power.shape[1]
        bands = self.bands(power)
        rhythms = self.rhythms(spectrum) * inverse[:, :, None]
        slow = spectrum[:, : max(self.N_SAMPLES) // 2 + 1] * inverse.sqrt()
        amplitude = total.log() / 2 + peak.log()
        return {
            "bands": log(bands),
            "peaks": self.bands.find_peaks(power, bands),
            "dynamics": describe_dynamics(rhythms),
            "coupling": correlate_bands(rhythms),
            "waveform": torch.cat([part(slow) for part in self.waveforms], dim=1),
            "amplitude": amplitude.masked_fill(constant, math.log(TINY)),
        }


def compute_power(spectrum):
    """Compute the power spectrum of a segment under a Hann window.

    Parameters
    ----------
    spectrum : torch.Tensor of complex, shape (batch, 1 + n_bins)
        Fourier transform of the segments, without a window, and zero at frequency 0.

    Returns
    -------
    power : torch.Tensor, shape (batch, n_bins)
        Power from one cycle per segment on.
    """
    # the window is a difference of neighbouring bins, each of two numbers
    parts = torch.view_as_real(spectrum).flatten(1)
    tapered = torch.sub(parts[:, 2:], parts[:, :-2], alpha=0.5)
    tapered[:, :-2].sub_(parts[:, 4:], alpha=0.5)
    return _sum_pairs(tapered.square_())


def _sum_pairs(values):
    """Add neighbours along the last axis, of even length."""
    return values[..., 0::2] + values[..., 1::2]


class Bands(nn.Module):
    """Power in Gaussian bands as wide as a tenth of their frequency.

    Parameters
    ----------
    n_bins : int
        Number of bins; the first is that of one cycle per segment.
    """

    LOWEST = 2.0  # cycles per segment
    HIGHEST = 0.9  # of the bins, above are anti-aliasing filters
    STEP = 0.1
    OCTAVE = 7  # bands
    MIN_BLOCK = 400  # bins, below which a product with zeros costs little

    def __init__(self, n_bins):
        super().__init__()
        centres = [min(self.LOWEST, n_bins)]
        while True:
            centre = max(centres[-1] + 1, centres[-1] * (1 + self.STEP))
            if centre > self.HIGHEST * n_bins:
                break
            centres.append(centre)
        centres = torch.tensor(centres, dtype=torch.float32)
        width = (self.STEP * centres).clamp(min=0.6)
        distance = (torch.arange(1, n_bins + 1)[:, None] - centres) / width
        weights = torch.exp(-distance.square() / 2)
        # tails would be denormal numbers, with which a processor is very slow
        weights = weights.masked_fill(weights < 1e-4, 0.0)
        weights = weights / weights.sum(dim=0)
        self.register_buffer("weights", weights, persistent=False)
        self.blocks = list(self._find_blocks())

    def _find_blocks(self):
        """Yield slices of bins, by octave, and of the bands that they touch."""
        stop = len(self.weights)
        while stop:
            start = stop // 2 if stop > self.MIN_BLOCK else 0
            touched = self.weights[start:stop].any(dim=0).nonzero()
            yield slice(start, stop), slice(int(touched[0]), int(touched[-1]) + 1)
            stop = start

    def forward(self, power):
        """Return mean power in each band, (batch, n_bands), of (batch, n_bins)."""
        density = power.new_zeros(len(power), self.weights.shape[1])
        for bins, bands in self.blocks:
            density[:, bands].addmm_(power[:, bins], self.weights[bins, bands])
        return density

    def find_peaks(self, power, bands):
        """Return how peaked the power of a band is, the largest value of an octave.

        That is the logarithm of the mean square of power over its squared mean: small
        for noise, large for a line or a sharp rhythm wherever it sits in the band.

        Parameters
        ----------
        power : torch.Tensor, shape (batch, n_bins)
            Power, of mean one.
        bands : torch.Tensor, shape (batch, n_bands)
            Its mean in the bands.

        Returns
        -------
        peaks : torch.Tensor, shape (batch, n_octaves)
            One value for each octave.
        """
        peaks = log(self(power.square()), FLOOR**2) - 2 * log(bands)
        missing = -peaks.shape[1] % self.OCTAVE
        peaks = nn.functional.pad(peaks, (missing, 0), value=-torch.inf)
        return peaks.unflatten(1, (-1, self.OCTAVE)).amax(dim=2)


class Rhythms(nn.Module):
    """Power of bands over time.

    The bins of a band are taken from the spectrum of the whole segment and
    transformed back on a coarse grid of time, which is enough for an envelope.

    Parameters
    ----------
    n_bins : int
        Number of bins; the first is that of one cycle per segment.
    """

    FIRST = 10  # cycles per segment: slower envelopes have no shape
    RATIO = 1.5
    MAX_BINS = 256  # what is wider is cut to its middle

    def __init__(self, n_bins):
        super().__init__()
        edges = [min(self.FIRST, max(n_bins // 2, 1))]
        while edges[-1] * self.RATIO < n_bins:
            edges.append(max(edges[-1] + 1, round(edges[-1] * self.RATIO)))
        if len(edges) == 1:
            edges.append(n_bins + 1)
        low, high = torch.tensor(edges[:-1]), torch.tensor(edges[1:])
        width = (high - low).clamp(max=self.MAX_BINS)
        low = (low + high - width) // 2
        offset = torch.arange(int(width.max()))
        taper = torch.sin(torch.pi * (offset + 0.5) / width[:, None])
        taper = taper.clamp(max=0.5)  # flat, but for the outer sixths
        taper = taper.where(offset < width[:, None], 0.0)
        # for the real and the imaginary part
        taper = taper.repeat_interleave(2, dim=1)
        self.register_buffer("taper", taper, persistent=False)
        self.register_buffer("lowest", low, persistent=False)

    def forward(self, spectrum):
        """Return power, (batch, n_bands, n_samples), of (batch, 1 + n_bins) complex."""
        members = spectrum.unfold(1, self.taper.shape[1] // 2, 1)[:, self.lowest]
        torch.view_as_real(members).flatten(2).mul_(self.taper)
        bands = torch.fft.ifft(members, norm="forward")
        return _sum_pairs(torch.view_as_real(bands).flatten(2).square_())


def describe_dynamics(power):
    """Describe how power changes between tenths of the segment.

    Parameters
    ----------
    power : torch.Tensor, shape (batch, n_bands, n_samples)
        Power over time, over that of the segment.

    Returns
    -------
    dynamics : torch.Tensor, shape (batch, 2 * n_bands)
        For each band burstiness, the mean of log power minus the log of mean power,
        then spread, the standard deviation of log power; zero in bands without power.
    """
    size = max(1, power.shape[2] // 10)
    frames = power.unfold(2, size, size).mean(dim=3) + FLOOR
    logs = log(frames / frames.mean(dim=2, keepdim=True), 1e-6)
    burstiness = logs.mean(dim=2, keepdim=True)
    spread = (logs - burstiness).square_().mean(dim=2).sqrt()
    return torch.cat([burstiness.squeeze(2), spread], dim=1)


def correlate_bands(power):
    """Correlate the power of each pair of bands over time.

    Parameters
    ----------
    power : torch.Tensor, shape (batch, n_bands, n_samples)
        Power over time, over that of the segment.

    Returns
    -------
    correlations : torch.Tensor, shape (batch, n_pairs)
        Of each pair of bands; zero where one has no power.
    """
    centred = power - power.mean(dim=2, keepdim=True)
    products = centred @ centred.mT / power.shape[2]
    scale = (products.diagonal(dim1=1, dim2=2) + FLOOR**2).rsqrt()
    correlations = products * scale[:, :, None] * scale[:, None]
    n_bands = power.shape[1]
    first, second = torch.triu_indices(n_bands, n_bands, 1, device=power.device)
    return correlations.flatten(1)[:, first * n_bands + second]


class Waveform(nn.Module):
    """Shape of the slow part of a segment.

    Parameters
    ----------
    n_samples : int
        Number of samples that are left of the segment.
    """

    def __init__(self, n_samples):
        super().__init__()
        self.n_samples = n_samples

    def forward(self, spectrum):
        """Return features, (batch, 11), of (batch, 1 + n_bins) complex.

        Of the signal and its first and second differences: absolute skewness, log
        kurtosis, and the log of mean over root mean square size; then the logs of how
        much larger each difference is than what it was taken from.
        """
        kept = spectrum[:, : self.n_samples // 2 + 1]
        signal = torch.fft.irfft(kept, n=self.n_samples, norm="forward")
        # differences of zeros keep their number where samples run out
        first = signal.diff(dim=1, append=signal[:, -1:])
        second = first.diff(dim=1, append=first[:, -1:])
        values = torch.stack([signal, first, second], dim=1)
        square = values.square()
        moments = [(square * values).mean(dim=2), square.square().mean(dim=2)]
        scale = square.mean(dim=2).clamp(min=FLOOR)
        skewness, kurtosis = moments[0] / scale**1.5, moments[1] / scale**2
        log_scale = scale.log() / 2
        size = log(values.abs().mean(dim=2)) - log_scale
        shape = [skewness.abs(), kurtosis.log1p(), size, log_scale.diff(dim=1)]
        return torch.cat(shape, dim=1)
