import numpy as np
import pytest
import torch

from mne_funcmap.nets.mixing import FilterBank
from mne_funcmap.reconstruction.moments import (
    CHUNK,
    MomentLoss,
    compute_moments,
    join_parts,
    keep_moments,
    read_moments,
    rescale_moments,
    score_moments,
)
from mne_funcmap.recordings.storage import RowFile

N_CHANNELS = 4
N_TIMES = 30


@pytest.fixture(params=[100.0, 250.0], scope="module")
def bank(request):
    return FilterBank(request.param, N_TIMES)


def draw_windows(n_windows, seed=0):
    rng = torch.Generator().manual_seed(seed)
    mixing = torch.randn(N_CHANNELS, N_CHANNELS, generator=rng)
    return mixing @ torch.randn(n_windows, N_CHANNELS, N_TIMES, generator=rng)


def draw_weights(bank, n, n_targets, seed=1):
    rng = torch.Generator().manual_seed(seed)
    shape = (n, n_targets, N_CHANNELS, bank.n_filters)
    return 0.2 * torch.randn(shape, generator=rng)


@pytest.mark.parametrize("n_windows", [1, 5, 2 * CHUNK + 3])
def test_moments_are_mean_products(bank, n_windows):
    windows = draw_windows(n_windows)
    filtered = bank(windows).double().numpy()
    expected = np.einsum("wcft,wdgt->cfdg", filtered, filtered)
    moments = compute_moments(windows, bank)
    np.testing.assert_allclose(
        moments, expected / (n_windows * N_TIMES), rtol=1e-3, atol=1e-5
    )
    torch.testing.assert_close(moments, moments.permute(2, 3, 0, 1))


def test_sums_of_many_windows_lose_no_digits():
    """The moments of a constant are exact, those of an hour good to 1e-5."""
    bank = FilterBank(100.0, N_TIMES)
    ones = compute_moments(torch.ones(3600, 1, N_TIMES), bank)
    assert ones[0, bank.centre, 0, bank.centre] == 1
    windows = draw_windows(3600)
    signals = bank(windows).double().flatten(1, 2).transpose(0, 1).flatten(1).numpy()
    expected = signals @ signals.T / signals.shape[1]
    found = compute_moments(windows, bank).numpy().reshape(expected.shape)
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())


def test_moments_without_delay_are_the_covariance():
    bank = FilterBank(100.0, N_TIMES)
    windows = draw_windows(10)
    signals = windows.transpose(0, 1).flatten(1).double().numpy()
    found = compute_moments(windows, bank)[:, bank.centre, :, bank.centre]
    np.testing.assert_allclose(found, signals @ signals.T / 300, rtol=1e-4)


def test_rescaled_moments_are_those_of_rescaled_windows():
    bank = FilterBank(100.0, N_TIMES)
    windows = draw_windows(5)
    once, again = torch.tensor([2.0, 3.0, 0.5, 1.0]), torch.tensor([0.3, 1.0, 4.0, 7.0])
    expected = compute_moments(windows * (once * again)[:, None], bank)
    for store in (None, RowFile()):
        found = keep_moments(compute_moments(windows, bank), store)
        found = rescale_moments(rescale_moments(found, once), again)
        torch.testing.assert_close(read_moments(found), expected, rtol=1e-4, atol=1e-5)


def test_joined_parts_are_the_whole(bank):
    windows = draw_windows(10)
    parts = [
        (compute_moments(part, bank), 0.5 * len(part))
        for part in windows.split([5, 1, 4])
    ]
    moments, seconds = join_parts(parts)
    assert seconds == 5.0
    torch.testing.assert_close(
        moments, compute_moments(windows, bank), rtol=1e-4, atol=1e-5
    )
    only, seconds = join_parts(parts[1:2])
    assert seconds == 0.5
    assert torch.equal(only, parts[1][0])


def test_scores_are_those_of_the_predicted_signals(bank):
    windows = [draw_windows(6, seed) for seed in (0, 3)]
    moments = torch.stack([compute_moments(of_one, bank) for of_one in windows])
    targets = torch.tensor([[2, 0, 1], [3, 3, 1]])
    weights = draw_weights(bank, 2, 3)
    r, nmse = score_moments(weights, moments, targets, bank.centre)
    assert r.shape == nmse.shape == (2, 3)
    for item in range(2):
        filtered = bank(windows[item]).double().numpy()
        for column, target in enumerate(targets[item]):
            predicted = np.einsum(
                "cf,wcft->wt", weights[item, column].double(), filtered
            )
            truth = filtered[:, target, bank.centre]
            product = (predicted * truth).mean()
            expected = product / np.sqrt((predicted**2).mean() * (truth**2).mean())
            assert float(r[item, column]) == pytest.approx(expected, abs=1e-4)
            expected = ((predicted - truth) ** 2).mean() / (truth**2).mean()
            assert float(nmse[item, column]) == pytest.approx(expected, rel=1e-3)


def test_extreme_scores(bank):
    moments = compute_moments(draw_windows(6), bank)[None]
    weights = torch.zeros(1, 3, N_CHANNELS, bank.n_filters)
    weights[0, 0, 2, bank.centre] = 1.0
    weights[0, 1, 2, bank.centre] = -2.0
    r, nmse = score_moments(weights, moments, torch.full((1, 3), 2), bank.centre)
    np.testing.assert_allclose(r, [[1, -1, 0]], atol=1e-5)
    np.testing.assert_allclose(nmse, [[0, 9, 1]], atol=1e-4)


def test_loss_in_float32_and_its_gradient(bank):
    moments = compute_moments(draw_windows(6), bank)[None]
    targets, counts = torch.tensor([[[2, 0]]]), torch.ones(1, 1, 2).bool()
    truth = {"moments": moments, "targets": targets, "counts": counts}
    loss, weights = MomentLoss(centre=bank.centre), draw_weights(bank, 1, 2)[:, None]
    exact = weights.double().requires_grad_()
    doubled = truth | {"moments": moments.double()}
    assert torch.autograd.gradcheck(lambda w: loss(w, doubled), exact)
    found = loss(weights, truth)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(loss(exact, doubled).item(), rel=1e-5)


def test_scores_of_a_single_channel(bank):
    """It predicts itself, or nothing."""
    moments = compute_moments(draw_windows(6)[:, :1], bank)[None]
    weights = torch.zeros(1, 2, 1, bank.n_filters)
    weights[0, 0, 0, bank.centre] = 1.0
    r, nmse = score_moments(weights, moments, torch.zeros(1, 2, dtype=int), bank.centre)
    np.testing.assert_allclose(r, [[1, 0]], atol=1e-6)
    np.testing.assert_allclose(nmse, [[0, 1]], atol=1e-6)


def test_scores_of_silence_are_finite(bank):
    moments = torch.zeros(1, N_CHANNELS, bank.n_filters, N_CHANNELS, bank.n_filters)
    weights = draw_weights(bank, 1, 1).requires_grad_()
    r, nmse = score_moments(weights, moments, torch.zeros(1, 1, dtype=int), bank.centre)
    (r + nmse).sum().backward()
    assert torch.isfinite(weights.grad).all()
    assert float(r.detach()) == 0.0


def test_loss_leaves_padding_out(bank):
    moments = torch.stack([compute_moments(draw_windows(6, s), bank) for s in (0, 3)])
    # of the first recording two regions are withheld, of two channels and of one
    targets = torch.tensor([[[2, 0], [1, 0]], [[1, 0], [0, 0]]])
    counts = torch.tensor([[[True, True], [True, False]], [[True, True], [False] * 2]])
    truth = {"moments": moments, "targets": targets, "counts": counts}
    weights = draw_weights(bank, 4, 2).unflatten(0, (2, 2))
    loss = MomentLoss(centre=bank.centre, correlation=0.3)(weights, truth)
    expected = []
    for index, case, target in counts.nonzero().tolist():
        r, nmse = score_moments(
            weights[[index], case, target][:, None],
            moments[[index]],
            targets[[index], case, target][:, None],
            bank.centre,
        )
        expected.append(float(nmse + 0.3 * (1 - r)))
    expected = np.mean(expected)
    assert float(loss) == pytest.approx(float(expected))
    weights[0, 1, 1] = 100.0
    weights[1, 1] = 100.0
    assert float(MomentLoss(centre=bank.centre, correlation=0.3)(weights, truth)) == (
        pytest.approx(float(expected))
    )
