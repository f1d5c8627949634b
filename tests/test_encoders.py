import numpy as np
import pytest
import torch

from mne_funcmap.nets.encoders import ENCODERS, ConvEncoder, SpectralEncoder
from mne_funcmap.nets.spectra import Bands, Frames, SpectralFeatures

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


@torch.no_grad()
@pytest.mark.parametrize("n_times", [N_TIMES, 4000])
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_power_in_the_right_bin(share, n_times):
    frames = Frames(n_times, share=share)
    time = torch.arange(n_times)
    for k in (3, 10, 30):
        frequency = k / frames.n_samples
        sine = torch.sin(2 * torch.pi * frequency * time)[None]
        power = frames(sine)
        assert power.shape[2] == frames.n_bins
        # the first bin is that of one cycle per frame
        assert (power.argmax(dim=2) == k - 1).all()


@torch.no_grad()
def test_frames_equal_numpy():
    frames = Frames(100, share=0.4)
    signal = make_segments(2, 100) * 1e5
    window = frames.window.numpy()
    assert np.square(window).sum() == pytest.approx(1)
    power = np.stack(
        [
            np.abs(np.fft.rfft(signal.numpy()[:, start : start + 40] * window)) ** 2
            for start in range(0, 61, 20)
        ],
        axis=1,
    )
    np.testing.assert_allclose(frames(signal), power[..., 1:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_bins", [1, 2, 5, 400])
@pytest.mark.parametrize("step", [0.03, 0.3])
def test_bands_cover_every_bin_once(n_bins, step):
    weights = Bands(n_bins, step=step).weights
    assert (weights > 0).sum(dim=1).tolist() == [1] * n_bins
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(weights.shape[1]))
    # neighbouring bins, in order
    assert (weights.argmax(dim=1).diff() >= 0).all()
    constant = Bands(n_bins, step=step)(torch.full((2, n_bins), 3.0))
    torch.testing.assert_close(constant, torch.full_like(constant, 3.0))


@torch.no_grad()
def test_calibrated_features_have_the_scale_of_their_group():
    encoder = make_encoder("spectral")
    features = encoder.front_end(make_segments(50))
    encoder.calibrate(features)
    standardized = encoder.head[0](features)
    varies = features.std(dim=0) > 1e-5
    assert varies.float().mean() > 0.9
    torch.testing.assert_close(
        standardized.mean(dim=0), torch.zeros(features.shape[1]), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(
        standardized[:, varies].std(dim=0, correction=0),
        encoder.front_end.group_scale[varies],
        atol=0,
        rtol=1e-2,
    )
    assert len(encoder.front_end.group_scale.unique()) > 1


@torch.no_grad()
def test_spectral_head_is_linear_with_a_constant():
    encoder = make_encoder("spectral")
    features = encoder.front_end(make_segments(50))
    encoder.calibrate(features)
    embeddings = encoder.head(features)
    torch.testing.assert_close(embeddings[:, -1], torch.ones(50))
    torch.testing.assert_close(
        encoder.head(features.mean(dim=0)), embeddings.mean(dim=0), atol=1e-3, rtol=0
    )


def test_front_end_learns_nothing():
    encoder = SpectralEncoder(N_TIMES)
    assert count_parameters(encoder.front_end) == 0
    assert count_parameters(encoder) < 117_504
