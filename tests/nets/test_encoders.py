import copy

import numpy as np
import pytest
import torch
from scipy.stats import kurtosis, skew

from mne_funcmap.nets.encoders import (
    ENCODERS,
    ConvEncoder,
    SpectralEncoder,
    standardize_segments,
)
from mne_funcmap.nets.spectra import (
    Bands,
    Rhythms,
    SpectralFeatures,
    Waveform,
    compute_power,
    correlate_bands,
    describe_dynamics,
)

N_TIMES = 1000


def make_segments(n_segments=6, n_times=N_TIMES, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 5e-5 * torch.randn(n_segments, n_times, generator=generator)


def make_encoder(name, n_times=N_TIMES, **params):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ENCODERS[name](n_times, **params).eval()


def count_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("params", "expected"), [({}, 117_504), ({"size": "large"}, 692_288)]
)
def test_parameters_of_the_paper(params, expected):
    for n_times in (400, 10_000):
        assert count_parameters(ConvEncoder(n_times, **params)) == expected


@pytest.mark.parametrize("n_times", [2, 3, 4, 5, 7, 10, 31, 100, 250, 400, 2000, 10000])
@pytest.mark.parametrize("name", ENCODERS)
def test_any_length(name, n_times):
    encoder = make_encoder(name, n_times, n_components=5)
    with torch.no_grad():
        embeddings = encoder(make_segments(3, n_times))
    assert embeddings.shape == (3, 5)
    assert embeddings.dtype == torch.float32
    assert embeddings.isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize("name", ENCODERS)
def test_batches_do_not_matter(name):
    encoder = make_encoder(name)
    segments = make_segments()
    one_by_one = torch.cat([encoder(segment[None]) for segment in segments])
    torch.testing.assert_close(encoder(segments), one_by_one, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("offset", [1e-4, -3e-3])
def test_offsets_do_not_matter(name, offset):
    encoder = make_encoder(name)
    segments = make_segments()
    torch.testing.assert_close(
        encoder(segments + offset), encoder(segments), atol=5e-3, rtol=5e-3
    )


@torch.no_grad()
@pytest.mark.parametrize("gain", [1e-12, 1e-3, 2.0, 1e20])
def test_cnn_ignores_the_scale(gain):
    encoder = make_encoder("cnn")
    segments = make_segments()
    torch.testing.assert_close(
        encoder(gain * segments), encoder(segments), atol=1e-4, rtol=1e-4
    )


def make_odd_segments(n_times):
    """Segments that are flat, tiny, huge, integer-like or a single spike."""
    noise = make_segments(1, n_times)
    spike = torch.zeros(1, n_times)
    spike[:, n_times // 2] = 1.0
    return torch.cat(
        [
            torch.zeros(1, n_times),
            torch.full((1, n_times), 3e-5),
            torch.full((1, n_times), 1e17),
            1e-12 * noise,
            1e-25 * noise,
            2e21 * noise,
            (1e5 * noise).round(),
            spike,
            noise + 1.0,
            torch.linspace(0, 1, n_times)[None],
        ]
    )


@pytest.mark.parametrize("n_times", [2, 50, N_TIMES])
@pytest.mark.parametrize("name", ENCODERS)
def test_odd_segments_give_finite_values_and_gradients(name, n_times):
    encoder = make_encoder(name, n_times).train()
    if name == "spectral":
        encoder.calibrate(encoder.front_end(make_segments(20, n_times)))
    embeddings = encoder(make_odd_segments(n_times))
    embeddings.square().sum().backward()
    assert embeddings.isfinite().all()
    assert all(p.grad.isfinite().all() for p in encoder.parameters())


@torch.no_grad()
@pytest.mark.parametrize("n_times", [10, 400, N_TIMES])
@pytest.mark.parametrize("gain", [1e-9, 0.1, 3.0, 1e12])
def test_gain_shifts_the_log_amplitude_alone(gain, n_times):
    front_end = SpectralFeatures(n_times)
    segments = make_segments(n_times=n_times)
    change = front_end(gain * segments) - front_end(segments)
    moved = (change.abs() > 1e-2).any(dim=0)
    assert moved.sum() == 1
    torch.testing.assert_close(
        change[:, moved],
        torch.full((len(segments), 1), np.log(gain)),
        atol=1e-3,
        rtol=0,
    )


def make_all_kinds(n_times):
    """White and pink noise, integers and a step, in float32."""
    white = 2e4 * make_segments(4, n_times)
    pink = white.cumsum(dim=1)
    step = torch.arange(n_times)[None] >= n_times // 3
    pink = pink - pink.mean(dim=1, keepdim=True)
    return torch.cat([white, pink, (9 * white).round(), step.float()])


@torch.no_grad()
@pytest.mark.parametrize("n_times", [2, 3, 10, 50, 400, N_TIMES, 10_000])
@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6])
def test_features_in_float32_are_those_in_float64(n_times, scale):
    """To 1e-4, of features whose spread is about one."""
    front_end = SpectralFeatures(n_times)
    exact = copy.deepcopy(front_end).double()
    segments = scale * make_all_kinds(n_times)
    expected = exact(segments.double())
    assert expected.dtype == torch.float64
    torch.testing.assert_close(
        front_end(segments).double(), expected, rtol=0, atol=1e-4
    )


@torch.no_grad()
@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6])
def test_embeddings_in_float32_are_those_in_float64(name, scale):
    """To 1e-5 of the spread of embeddings, of trained networks."""
    encoder = make_encoder(name)
    segments = scale * make_all_kinds(N_TIMES)
    if name == "spectral":
        encoder.calibrate(encoder.front_end(segments))
    else:
        encoder.train()(segments)  # for the statistics of batches
    expected = copy.deepcopy(encoder.eval()).double()(segments.double()).double()
    torch.testing.assert_close(
        encoder(segments).double(), expected, rtol=0, atol=1e-5 * expected.std().item()
    )


@torch.no_grad()
@pytest.mark.parametrize("factor", [4, 16])
def test_bands_without_power_have_no_features(factor):
    """Rounding, all there is in them after upsampling, is neither bursty nor shared."""
    slow = make_segments(5, N_TIMES).cumsum(dim=1).double()
    slow = slow - slow.mean(dim=1, keepdim=True)
    spectrum = torch.fft.rfft(slow, norm="forward")[:, : N_TIMES // 2 // factor]
    segments = torch.fft.irfft(spectrum, n=N_TIMES, norm="forward")
    rhythms = Rhythms(N_TIMES // 2)
    empty = rhythms.lowest >= spectrum.shape[1]
    assert 2 <= empty.sum() < len(empty)
    power = rhythms(transform(segments.float()))
    power = power / compute_power(transform(segments)).sum(dim=1)[:, None, None]
    burstiness, spread = describe_dynamics(power.float()).chunk(2, dim=1)
    for found in (burstiness, spread):
        assert found[:, empty].abs().max() < 0.01
        assert found[:, ~empty].abs().mean() > 0.1
    pairs = torch.triu_indices(len(empty), len(empty), 1)
    of_empty = empty[pairs].any(dim=0)
    correlations = correlate_bands(power.float())
    assert correlations[:, of_empty].abs().max() < 0.01
    assert correlations[:, ~of_empty].abs().max() > 0.1


@torch.no_grad()
@pytest.mark.parametrize("n_times", [2, 50, N_TIMES])
def test_constants_are_all_alike(n_times):
    values = torch.tensor([0.0, 1e-30, 3e-5, -3e-5, 0.1, 1e17])
    features = SpectralFeatures(n_times)(values[:, None].expand(-1, n_times))
    assert features.isfinite().all()
    torch.testing.assert_close(features, features[:1].expand_as(features))


@torch.no_grad()
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e6])
def test_amplitude_is_that_of_the_signal(scale):
    """The log of the root of the power under a Hann window, of mean square 1.5."""
    segments = scale * make_segments(4, 2000).double()
    found = SpectralFeatures(2000).double()(segments)[:, -1]
    window = 1 - np.cos(2 * np.pi * np.arange(2000) / 2000)
    centred = segments.numpy() - segments.numpy().mean(axis=1, keepdims=True)
    # half of the power is at negative frequencies
    expected = np.log(np.square(centred * window).mean(axis=1) / 2) / 2
    np.testing.assert_allclose(found, expected, atol=2e-3)


@torch.no_grad()
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e20])
def test_standardized_segments_equal_numpy(scale):
    segments = scale * make_all_kinds(300)
    values = segments.double().numpy()
    expected = values - values.mean(axis=1, keepdims=True)
    expected /= expected.std(axis=1, keepdims=True)
    np.testing.assert_allclose(standardize_segments(segments), expected, atol=1e-5)


def transform(signal):
    """Fourier transform as the front end takes it."""
    spectrum = torch.fft.rfft(signal, norm="forward")
    spectrum[:, 0] = 0
    return spectrum


@torch.no_grad()
@pytest.mark.parametrize("n_times", [100, 101])
def test_power_is_that_of_a_hann_window(n_times):
    signal = make_segments(2, n_times) * 1e5
    window = 1 - np.cos(2 * np.pi * np.arange(n_times) / n_times)
    centred = signal.numpy() - signal.numpy().mean(axis=1, keepdims=True)
    expected = np.abs(np.fft.rfft(centred * window, norm="forward")) ** 2
    power = compute_power(transform(signal))
    assert power.shape == (2, n_times // 2)
    # the highest bin lacks its upper neighbour
    np.testing.assert_allclose(
        power[:, :-1], expected[:, 1:-1], rtol=1e-3, atol=1e-6 * expected.max()
    )


@torch.no_grad()
@pytest.mark.parametrize("n_bins", [1, 2, 5, 400, 5000])
def test_bands_show_density(n_bins):
    bands = Bands(n_bins)
    white = bands(torch.ones(1, n_bins))
    torch.testing.assert_close(white, torch.ones_like(white))
    # no denormal numbers, which are slow
    assert bands.weights[bands.weights > 0].min() > 1e-10
    # a line is seen where it is: higher lines, higher bands
    lines = torch.eye(n_bins)[1 : int(0.8 * n_bins)]
    assert (bands(lines).argmax(dim=1).diff() >= 0).all()


@torch.no_grad()
@pytest.mark.parametrize("n_bins", [1, 2, 399, 400, 401, 1601, 5000])
def test_blocks_of_bins_leave_nothing_out(n_bins):
    bands = Bands(n_bins)
    covered = torch.zeros(n_bins)
    for bins, _ in bands.blocks:
        covered[bins] += 1
    assert (covered == 1).all()
    power = make_segments(4, n_bins).square() * 1e9
    torch.testing.assert_close(bands(power), power @ bands.weights)


@torch.no_grad()
def test_peaks_equal_numpy():
    bands = Bands(300)
    power = make_segments(3, 300).square()
    power /= power.mean(dim=1, keepdim=True)
    weights, values = bands.weights.double().numpy(), power.double().numpy()
    ratios = np.log(values**2 @ weights / (values @ weights) ** 2)
    octaves = np.split(
        ratios, np.arange(ratios.shape[1] % 7 or 7, ratios.shape[1], 7), 1
    )
    expected = np.stack([octave.max(axis=1) for octave in octaves], axis=1)
    found = bands.find_peaks(power, bands(power))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@torch.no_grad()
def test_peaks_show_lines_but_no_level():
    time = torch.arange(10_000)
    noise = make_segments(20, 10_000, seed=1) * 2e4
    line = 0.3 * torch.sin(2 * torch.pi * 0.15 * time)
    bands = Bands(5000)

    def find(signal, gain=1.0):
        power = gain * compute_power(transform(signal))
        power = power / power.mean(dim=1, keepdim=True)
        return bands.find_peaks(power, bands(power))

    without, having = find(noise), find(noise + line)
    raised = (having - without).mean(dim=0)
    assert raised.max() > 0.7
    # bands of the next octave may reach to the line
    assert raised.sort().values[:-2].abs().max() < 0.05
    torch.testing.assert_close(find(noise, gain=7.0), without)


def make_bursts(slow, fast, *, n_times=2000):
    """Two sines in noise, on in those tenths of a segment where a gate is open."""
    rhythms = Rhythms(n_times // 2)
    lowest, widths = rhythms.lowest, rhythms.taper.count_nonzero(dim=1) // 2
    middle = (lowest + widths // 2)[[4, 7], None]
    sines = torch.sin(2 * torch.pi * middle / n_times * torch.arange(n_times))
    gates = torch.stack([slow, fast]).repeat_interleave(n_times // 10, dim=2)
    noise = 1e3 * make_segments(slow.shape[0], n_times)
    return rhythms(transform((gates * sines[:, None]).sum(dim=0) + noise))


@torch.no_grad()
@pytest.mark.parametrize(("cycles", "band"), [(12, 0), (18, 1), (95, 5)])
def test_rhythms_are_in_their_band(cycles, band):
    # edges 10, 15, 22, 33, 50, 75, 112 cycles per segment
    time = torch.arange(2000) / 2000
    sine = torch.sin(2 * torch.pi * cycles * time)[None]
    power = Rhythms(1000)(transform(sine)).mean(dim=2)
    assert power.argmax() == band
    assert power[0, band] > 0.9 * power.sum()


@torch.no_grad()
def test_common_bursts_correlate():
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, 50, 10, generator=generator).round()
    together = correlate_bands(make_bursts(first, first))
    apart = correlate_bands(make_bursts(first, second))
    n_bands = int((1 + (1 + 8 * together.shape[1]) ** 0.5) / 2)
    pairs = torch.triu_indices(n_bands, n_bands, 1)
    pair = (pairs == torch.tensor([[4], [7]])).all(dim=0)
    assert together[:, pair].mean() > 0.7
    assert apart[:, pair].mean().abs() < 0.15
    assert together.abs().max() <= 1 + 1e-5


@torch.no_grad()
def test_bursts_are_bursty():
    burst = torch.zeros(20, 10)
    burst[:, 3] = 1.0
    steady = torch.ones(20, 10)
    burstiness, spread = describe_dynamics(make_bursts(burst, steady)).chunk(2, dim=1)
    assert (burstiness[:, 4] < burstiness[:, 7] - 0.5).all()
    assert (spread[:, 4] > spread[:, 7] + 0.5).all()
    assert (burstiness <= 1e-5).all()


@torch.no_grad()
def test_rhythms_equal_numpy():
    rhythms = Rhythms(200)
    spectrum = transform(make_segments(3, 400) * 1e4)
    n_bands, n_samples = len(rhythms.lowest), rhythms.taper.shape[1] // 2
    expected = np.zeros((3, n_bands, n_samples))
    for band in range(n_bands):
        bins = rhythms.lowest[band].numpy() + np.arange(n_samples)
        part = spectrum.numpy()[:, bins] * rhythms.taper[band, ::2].numpy()
        expected[:, band] = np.abs(np.fft.ifft(part, norm="forward")) ** 2
    power = rhythms(spectrum)
    np.testing.assert_allclose(power, expected, rtol=1e-3, atol=1e-6)
    upper = np.triu_indices(n_bands, 1)
    for found, envelopes in zip(correlate_bands(power), expected, strict=True):
        np.testing.assert_allclose(found, np.corrcoef(envelopes)[upper], atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("n_times", [2, 20, 300, 1400, 2000, 10_000])
def test_members_of_rhythms_are_bins_of_the_spectrum(n_times):
    """Rhythms take slices of equal length, which must end before the spectrum does."""
    rhythms = Rhythms(n_times // 2)
    assert (rhythms.lowest + rhythms.taper.shape[1] // 2 <= n_times // 2 + 1).all()


@torch.no_grad()
def test_dynamics_equal_numpy():
    power = make_segments(12, 256).view(3, 4, 256).square() * 1e9
    frames = power.double().numpy()[..., :250].reshape(3, 4, 10, 25).mean(axis=3)
    logs = np.log(frames / frames.mean(axis=2, keepdims=True) + 1e-6)
    expected = np.concatenate([logs.mean(axis=2), logs.std(axis=2)], axis=1)
    np.testing.assert_allclose(describe_dynamics(power), expected, atol=1e-5)


@torch.no_grad()
def test_waveforms_equal_numpy():
    signal = make_segments(4, 64) * 1e4
    values = signal.numpy() - signal.numpy().mean(axis=1, keepdims=True)
    features = Waveform(64)(transform(signal)).numpy()
    np.testing.assert_allclose(
        features[:, 0], np.abs(skew(values, axis=1)), rtol=1e-2, atol=1e-3
    )
    kurtosis_ = kurtosis(values, axis=1, fisher=False)
    np.testing.assert_allclose(features[:, 3], np.log1p(kurtosis_), rtol=1e-2)
    rms = values.std(axis=1)
    size = np.log(np.abs(values).mean(axis=1) / rms)
    np.testing.assert_allclose(features[:, 6], size, rtol=1e-2, atol=1e-3)
    differences = np.diff(values, axis=1, append=values[:, -1:])
    first = np.sqrt(np.square(differences).mean(axis=1))
    np.testing.assert_allclose(features[:, 9], np.log(first / rms), rtol=1e-2)


@torch.no_grad()
@pytest.mark.parametrize("cycles", [1, 3, 20])
def test_waveform_of_a_sine_in_closed_form(cycles):
    """Its differences are sines, however small beside it."""
    # flat where samples run out
    sine = torch.cos(2 * torch.pi * cycles * torch.arange(512) / 512)[None]
    (features,) = Waveform(512)(transform(sine)).numpy()
    skewness, kurtosis_, size = features[:9].reshape(3, 3)
    np.testing.assert_allclose(skewness, 0, atol=0.03)
    np.testing.assert_allclose(kurtosis_, np.log(1 + 1.5), atol=0.03)
    np.testing.assert_allclose(size, np.log(8**0.5 / np.pi), atol=0.03)
    ratio = np.log(2 * np.sin(np.pi * cycles / 512))
    np.testing.assert_allclose(features[9:], ratio, atol=0.03)


@torch.no_grad()
def test_waveforms_see_the_slow_part_alone():
    segments = make_segments(3, 4000)
    fast = 1e-4 * torch.sin(2 * torch.pi * 0.2 * torch.arange(4000))
    waveform = Waveform(128)
    torch.testing.assert_close(
        waveform(transform(1e4 * (segments + fast))),
        waveform(transform(1e4 * segments)),
        atol=1e-3,
        rtol=1e-3,
    )


@torch.no_grad()
def test_first_filters_start_as_sinusoids():
    weight = make_encoder("cnn").blocks[0].weight[:, 0]
    power = torch.fft.rfft(weight, n=1024).abs().square()[:, :512]
    # from 0 to half the sampling rate, in order, as far as 15 samples tell
    expected = (torch.arange(64) + 0.5) * 8
    assert (power.argmax(dim=1) - expected).abs().max() < 64
    torch.testing.assert_close(weight.norm(dim=1), torch.full((64,), 3**-0.5))


@torch.no_grad()
def test_calibrated_features_have_the_scale_of_their_group():
    encoder = make_encoder("spectral")
    features = encoder.front_end(make_segments(50))
    encoder.calibrate(features)
    standardize, target = encoder.head[0], encoder.front_end.group_scale
    mean, scale = features.mean(dim=0), features.std(dim=0, correction=0)
    varies = scale > 1e-5
    assert varies.float().mean() > 0.9
    assert len(target.unique()) > 1
    # linear near the mean
    near = standardize(mean + 0.05 * scale)
    torch.testing.assert_close(
        near[varies], 0.05 * target[varies], atol=2e-3, rtol=2e-2
    )
    # bounded far from it
    far = standardize(mean + 1e6 * scale)
    bound = standardize.BOUND * target
    torch.testing.assert_close(far[varies], bound[varies])
    assert (standardize(features).abs() <= bound).all()


@torch.no_grad()
def test_last_component_is_constant():
    encoder = make_encoder("spectral")
    features = encoder.front_end(make_segments(50))
    encoder.calibrate(features)
    embeddings = encoder.head(features)
    torch.testing.assert_close(embeddings[:, -1], torch.ones(50))
    assert (embeddings[:, :-1].std(dim=0) > 1e-2).all()


def test_front_end_learns_nothing():
    encoder = SpectralEncoder(N_TIMES)
    assert count_parameters(encoder.front_end) == 0
    assert count_parameters(encoder) < 117_504
