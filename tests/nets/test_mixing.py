import copy

import numpy as np
import pytest
import torch
from torch import nn

from mne_funcmap.nets.mixing import KNOTS, FilterBank, LinearPath

N_IDENTITY = 5
N_CHANNELS = 6
N_LATENTS = 7


def make_path(n_times=30, sfreq=100.0, n_latents=N_LATENTS):
    torch.manual_seed(0)
    path = LinearPath(
        n_identity=N_IDENTITY,
        sfreq=sfreq,
        n_times=n_times,
        n_latents=n_latents,
        n_hidden=16,
    )
    nn.init.normal_(path.noise.weight)  # noise differs between channels, as if trained
    return path.eval()


@pytest.fixture(scope="module")
def path():
    with torch.random.fork_rng():
        return make_path()


@pytest.fixture
def given():
    """Two recordings, each with two withheld channels."""
    rng = torch.Generator().manual_seed(1)
    is_source = torch.ones(2, N_CHANNELS, dtype=torch.bool)
    is_source[0, [1, 4]] = False
    is_source[1, [0, 5]] = False
    return {
        "identity": torch.randn(2, N_CHANNELS, N_IDENTITY, generator=rng),
        "is_source": is_source,
        "targets": torch.tensor([[1, 4], [5, 0]]),
    }


def find_lags(bank):
    """Lags of taps in samples."""
    half = bank.taps.shape[1] // 2
    return np.arange(-half, half + 1)


# Filters


@pytest.mark.parametrize("sfreq", [20.0, 100.0, 200.0, 256.0, 1000.0])
def test_filters_have_sum_one_and_knots_in_time(sfreq):
    bank = FilterBank(sfreq, round(sfreq))
    np.testing.assert_allclose(bank.taps.sum(dim=1), 1, rtol=1e-5)
    assert (bank.taps >= 0).all()
    knots = find_lags(bank)[bank.taps.argmax(dim=1)]
    step = max(1, round(sfreq / 100))
    sides = [step * knot for knot in KNOTS if step * knot < sfreq]
    more = [0] if step > 1 else []  # the filter that changes nothing
    np.testing.assert_array_equal(knots, [-k for k in sides[:0:-1]] + sides + more)
    assert bank.n_filters == len(knots)


@pytest.mark.parametrize("sfreq", [20.0, 100.0, 200.0, 1000.0])
def test_the_centre_changes_nothing(sfreq):
    bank = FilterBank(sfreq, round(sfreq))
    signals = torch.randn(1, 2, round(sfreq))
    torch.testing.assert_close(bank(signals)[:, :, bank.centre], signals)


def test_known_knots():
    bank = FilterBank(200.0, 200)
    milliseconds = 5 * find_lags(bank)[bank.taps.argmax(dim=1)]
    assert milliseconds[7:15].tolist() == [0, 10, 20, 30, 40, 60, 80, 120]


@pytest.mark.parametrize("sfreq", [100.0, 250.0, 1000.0])
def test_sums_of_filters_are_linear_between_the_knots(sfreq):
    bank = FilterBank(sfreq, round(sfreq))
    n_hats = 2 * len(KNOTS) - 1
    taps = bank.taps[:n_hats]
    lags, hats = find_lags(bank), taps / taps.amax(dim=1, keepdim=True)
    knots = lags[hats.argmax(dim=1)]
    np.testing.assert_allclose(hats.sum(dim=0), 1, rtol=1e-5)
    heights = np.random.default_rng(0).standard_normal(len(knots))
    interpolated = np.interp(lags, knots, heights)
    np.testing.assert_allclose(heights @ hats.numpy(), interpolated, atol=1e-5)


def test_filtering_is_a_correlation_with_zeros_beyond_the_ends():
    bank = FilterBank(100.0, 40)
    signals = np.random.default_rng(0).standard_normal((2, 3, 40))
    filtered = bank(torch.tensor(signals, dtype=torch.float32))
    assert filtered.shape == (2, 3, bank.n_filters, 40)
    expected = np.array(
        [
            [
                [
                    np.convolve(signal, taps.numpy()[::-1], mode="same")
                    for taps in bank.taps
                ]
                for signal in window
            ]
            for window in signals
        ]
    )
    np.testing.assert_allclose(filtered, expected, atol=1e-5)
    np.testing.assert_allclose(filtered[:, :, bank.centre], signals, atol=1e-6)
    ahead = filtered[:, :, bank.centre + 2]
    np.testing.assert_allclose(ahead[..., :-2], signals[..., 2:], atol=1e-6)
    assert (ahead[..., -2:] == 0).all()


@pytest.mark.parametrize(("n_times", "n_filters"), [(2, 3), (3, 5), (7, 11), (13, 15)])
def test_filters_fit_into_short_windows(n_times, n_filters):
    bank = FilterBank(100.0, n_times)
    assert bank.n_filters == n_filters
    filtered = bank(torch.ones(1, 1, n_times))
    assert filtered.shape == (1, 1, n_filters, n_times)


def test_window_shorter_than_the_first_knot():
    bank = FilterBank(1000.0, 2)
    np.testing.assert_array_equal(bank.taps, [[1.0]])
    assert bank.centre == 0
    signals = torch.randn(1, 4, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(bank(signals)[:, :, 0], signals)


# The linear path


@torch.no_grad()
def predict_by_hand(path, identity, is_source, targets):
    """Weights by the covariance of the sources: Q P' (P P' + D)^-1, in numpy."""
    hidden = path.hidden(identity)
    loadings = path.loadings(hidden).double().numpy()
    loadings = loadings.reshape(len(identity), -1, path.n_latents)
    noise = nn.functional.softplus(path.noise(hidden)) + path.MIN_NOISE
    read_out = path.read_out(hidden).double().numpy()[targets]
    P = loadings[is_source].reshape(-1, path.n_latents)
    D = np.diag(noise.double().numpy()[is_source].ravel())
    weights = np.zeros((len(targets), *loadings.shape[:2]))
    of_sources = read_out @ P.T @ np.linalg.inv(P @ P.T + D)
    weights[:, is_source] = of_sources.reshape(len(targets), -1, loadings.shape[1])
    return weights


@torch.no_grad()
@pytest.mark.parametrize("n_latents", [1, 7, 200])
def test_equal_to_factor_analysis(given, n_latents):
    with torch.random.fork_rng():
        path = make_path(n_latents=n_latents)
    weights = path(**given)
    assert weights.shape == (2, 2, N_CHANNELS, path.bank.n_filters)
    for found, identity, is_source, targets in zip(
        weights, *given.values(), strict=True
    ):
        expected = predict_by_hand(path, identity, is_source.numpy(), targets.numpy())
        np.testing.assert_allclose(found, expected, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("n_sources", [1, 2, 150])
@pytest.mark.parametrize("gain", [0.0, 1.0, 10.0])
def test_float32_is_float64(n_sources, gain):
    """Predictions to 1e-4 of their size, of one source and of many, weak and strong."""
    with torch.random.fork_rng():
        path = make_path(n_latents=64)
        path.loadings.weight.mul_(gain)
        path.loadings.bias.mul_(gain)
    rng = torch.Generator().manual_seed(2)
    identity = torch.randn(1, n_sources + 1, N_IDENTITY, generator=rng)
    given = torch.arange(n_sources + 1)[None] > 0, torch.tensor([[0]])
    windows = torch.randn(20, n_sources + 1, 30, generator=rng)
    found = path.combine(windows, path(identity, *given))
    exact = copy.deepcopy(path).double()
    expected = exact.combine(windows.double(), exact(identity.double(), *given))
    assert expected.dtype == torch.float64
    largest = expected.abs().max().item()
    assert (largest > 0) == (gain > 0)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-4 * largest)


def test_gradient_by_identities(given):
    with torch.random.fork_rng():
        path = make_path(n_times=2).double()
    identity = given["identity"].double().requires_grad_()
    where = given["is_source"], given["targets"]
    assert torch.autograd.gradcheck(lambda x: path(x, *where), identity)
    assert torch.autograd.gradcheck(lambda x: path.estimate(x, where[0]), identity)


@torch.no_grad()
def test_estimate_of_latent_sources(path, given):
    estimate = path.estimate(given["identity"], given["is_source"])
    assert estimate.shape == (2, N_LATENTS, N_CHANNELS, path.bank.n_filters)
    read_out = path.read_out(path.hidden(given["identity"]))
    for item in range(2):
        expected = torch.einsum(
            "tk,kcf->tcf", read_out[item, given["targets"][item]], estimate[item]
        )
        torch.testing.assert_close(path(**given)[item], expected)


@torch.no_grad()
def test_weights_are_signed_and_of_sources_alone(path, given):
    weights = path(**given)
    of_others = weights.transpose(1, 2)[~given["is_source"]]
    assert (of_others == 0).all()
    of_sources = weights.transpose(1, 2)[given["is_source"]]
    assert (of_sources < 0).any()
    assert (of_sources > 0).any()


@torch.no_grad()
def test_equivariant_to_channel_order(path, given):
    order = torch.tensor([3, 0, 5, 1, 2, 4])
    permuted = path(
        given["identity"][:, order],
        given["is_source"][:, order],
        order.argsort()[given["targets"]],
    )
    torch.testing.assert_close(permuted, path(**given)[:, :, order], atol=1e-5, rtol=0)


@torch.no_grad()
def test_padding_changes_nothing(path, given):
    more = 1e3 * torch.ones(2, 3, N_IDENTITY)
    padded = path(
        torch.cat([given["identity"], more], dim=1),
        torch.cat([given["is_source"], torch.zeros(2, 3, dtype=torch.bool)], dim=1),
        given["targets"],
    )
    expected = path(**given)
    torch.testing.assert_close(
        padded[:, :, :N_CHANNELS], expected, atol=1e-5, rtol=1e-4
    )
    assert (padded[:, :, N_CHANNELS:] == 0).all()


@torch.no_grad()
def test_other_items_of_the_batch_change_nothing(path, given):
    together = path(**given)
    for item in range(2):
        alone = path(**{name: values[[item]] for name, values in given.items()})
        torch.testing.assert_close(alone[0], together[item], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_several_cases_of_a_recording(path, given):
    identity = given["identity"][:1]
    cases = {
        "is_source": given["is_source"][None],
        "targets": given["targets"][None],
    }
    weights = path(identity, **cases)
    estimate = path.estimate(identity, cases["is_source"])
    for case in range(2):
        alone = [values[:, case] for values in cases.values()]
        torch.testing.assert_close(
            weights[:, case], path(identity, *alone), atol=1e-5, rtol=1e-4
        )
        torch.testing.assert_close(
            estimate[:, case], path.estimate(identity, alone[0]), atol=1e-5, rtol=1e-4
        )


@torch.no_grad()
def test_asked_by_another_identity(path, given):
    asked = torch.randn(2, 2, N_IDENTITY, generator=torch.Generator().manual_seed(3))
    found = path(**given, asked=asked)
    for item, rows in enumerate(given["targets"]):
        given["identity"][item, rows] = asked[item]
    torch.testing.assert_close(found, path(**given))


@torch.no_grad()
def test_withheld_channels_do_not_influence_one_another(path, given):
    expected = path(**given)
    given["identity"][0, 4] = 5.0
    changed = path(**given)
    torch.testing.assert_close(changed[0, 0], expected[0, 0])
    assert not torch.allclose(changed[0, 1], expected[0, 1], atol=1e-3)


@torch.no_grad()
def test_sources_know_of_one_another(path, given):
    expected = path(**given)
    given["identity"][0, 0] = given["identity"][0, 2]
    changed = path(**given)
    assert not torch.allclose(changed[0, :, 3], expected[0, :, 3], atol=1e-4)


@torch.no_grad()
def test_no_source(path, given):
    given["is_source"][:] = False
    assert (path(**given) == 0).all()


@torch.no_grad()
def test_combine(path, given):
    windows = torch.randn(2, N_CHANNELS, 30, generator=torch.Generator().manual_seed(2))
    weights = path(**given)
    filtered = path.bank(windows)
    expected = torch.einsum("nocf,ncft->not", weights, filtered)
    torch.testing.assert_close(path.combine(windows, weights), expected)
    changed = windows.clone()
    changed[~given["is_source"]] = 7.0
    torch.testing.assert_close(path.combine(changed, weights), expected)
    one = path.combine(windows, weights[:1])
    torch.testing.assert_close(one[0], expected[0])


def test_dropout_in_training_only(given):
    with torch.random.fork_rng():
        path = make_path().train()
        assert not torch.equal(path(**given), path(**given))
        path.eval()
        assert torch.equal(path(**given), path(**given))
