from dataclasses import replace

import numpy as np
import pytest
import torch

from mne_funcmap.nets.mixing import FilterBank
from mne_funcmap.reconstruction.adaptation import (
    FACTORS,
    WeightPrior,
    _score_case,
    adapt_weights,
    choose_factor,
    learn_prior,
    update_weights,
)
from mne_funcmap.reconstruction.moments import compute_moments
from mne_funcmap.reconstruction.studies import Study

N_CHANNELS = 5
N_TIMES = 20
SOURCES = [0, 2, 3]
TARGETS = [4, 1]
BANK = FilterBank(100.0, 4)  # 7 filters


@pytest.fixture
def case():
    """A prior, and windows that it is updated by."""
    rng = torch.Generator().manual_seed(0)
    is_source = torch.zeros(N_CHANNELS, dtype=torch.bool)
    is_source[SOURCES] = True
    weights = torch.zeros(2, N_CHANNELS, BANK.n_filters)
    weights[:, SOURCES] = torch.randn(2, 3, BANK.n_filters, generator=rng)
    shape = weights.shape
    windows = torch.randn(40, N_CHANNELS, N_TIMES, generator=rng)
    windows[:, 4] += windows[:, 0] - 0.5 * windows[:, 3]
    given = {
        "weights": weights,
        "precision": 5 * torch.rand(shape, generator=rng) + 0.1,
        "moments": compute_moments(windows, BANK),
        "is_source": is_source,
        "targets": torch.tensor(TARGETS),
        "centre": BANK.centre,
    }
    return given, windows


def read_design(windows):
    """Filtered sources and targets of all samples, in numpy."""
    filtered = BANK(windows).double().numpy()
    design = filtered[:, SOURCES].transpose(0, 3, 1, 2).reshape(-1, 3 * BANK.n_filters)
    truth = windows.double().numpy()[:, TARGETS].swapaxes(1, 2).reshape(-1, 2)
    return design, truth


# The update


@pytest.mark.parametrize("seconds", [0.3, 8.0, 100.0])
def test_update_is_ridge_towards_the_prior(case, seconds):
    given, windows = case
    design, truth = read_design(windows)
    updated = update_weights(**given, seconds=seconds)
    assert updated.shape == given["weights"].shape
    for row in range(2):
        prior = given["weights"][row, SOURCES].double().numpy().ravel()
        precision = np.diag(given["precision"][row, SOURCES].double().numpy().ravel())
        gram = seconds * design.T @ design / len(design)
        product = seconds * design.T @ truth[:, row] / len(design)
        expected = np.linalg.solve(gram + precision, product + precision @ prior)
        np.testing.assert_allclose(updated[row, SOURCES].flatten(), expected, atol=1e-4)
        assert (updated[row, [1, 4]] == 0).all()


def test_no_seconds_leave_the_prior(case):
    given, _ = case
    updated = update_weights(**given, seconds=0.0)
    torch.testing.assert_close(updated, given["weights"])


def test_many_seconds_are_least_squares(case):
    given, windows = case
    expected, *_ = np.linalg.lstsq(*read_design(windows))
    updated = update_weights(**given, seconds=1e5)
    np.testing.assert_allclose(updated[:, SOURCES].flatten(1), expected.T, atol=1e-3)


def test_firm_weights_stay(case):
    given, _ = case
    given["precision"][:, 2] = 1e7
    updated = update_weights(**given, seconds=10.0)
    torch.testing.assert_close(
        updated[:, 2], given["weights"][:, 2], atol=1e-4, rtol=1e-4
    )
    assert (updated[:, 0] - given["weights"][:, 0]).abs().max() > 0.1


def test_moments_of_withheld_channels_among_one_another_do_not_matter(case):
    given, _ = case
    expected = update_weights(**given, seconds=10.0)
    given["moments"][1, :, 4] = given["moments"][4, :, 1] = 100.0
    assert torch.equal(update_weights(**given, seconds=10.0), expected)


# The prior


def test_precision_grows_with_distance():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        prior = WeightPrior(n_identity=3, n_filters=7)
    identity = torch.tensor([[[0.0, 0, 0], [0.1, 0, 0], [1.0, 0, 0], [5.0, 0, 0]]])
    precision = prior(identity)
    assert precision.shape == (1, 4, 4, 7)
    assert (precision > 0).all()
    torch.testing.assert_close(precision, precision.transpose(1, 2))
    from_first = precision[0, 0]
    assert (from_first.diff(dim=0) > 0).all()
    # long delays are less free
    centre = 3
    assert (from_first[:, centre:].diff(dim=1) > 0).all()
    torch.testing.assert_close(from_first, from_first.flip(1))


def test_gradients_of_equal_identities_are_finite():
    with torch.random.fork_rng():
        prior = WeightPrior(n_identity=3, n_filters=7)
    prior(torch.zeros(1, 2, 3)).sum().backward()
    for parameter in prior.parameters():
        assert torch.isfinite(parameter.grad).all()


def make_cases(n_cases=4):
    """Recordings in which the near channel predicts, and ten far ones are noise.

    The weights that identities tell are zero; what can be learned from few seconds
    depends on knowing that the far ones matter less.
    """
    rng = torch.Generator().manual_seed(0)
    identity = torch.zeros(12, 2)
    identity[2:, 0] = torch.linspace(1, 2, 10)
    is_target = np.arange(12) == 0
    cases = []
    for _ in range(n_cases):
        windows = torch.randn(30, 12, N_TIMES, generator=rng)
        windows[:, 0] = -windows[:, 1] + 0.5 * windows[:, 0]
        parts = [
            (compute_moments(part, BANK), 0.2 * len(part))
            for part in windows.split([2, 3, 25])
        ]
        study = Study(
            subject="sub-1",
            ch_names=np.arange(12).astype(str),
            region=np.where(is_target, "A", "B"),
            identity=identity.numpy(),
            mean=np.zeros(12),
            scale=np.ones(12),
            parts=tuple(parts),
        )
        weights = torch.zeros(1, 12, BANK.n_filters)
        cases.append((study, is_target, weights))
    return cases


def make_prior():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return WeightPrior(n_identity=2, n_filters=BANK.n_filters)


@torch.no_grad()
def score(prior, cases):
    rng = np.random.default_rng(0)
    losses = [
        _score_case(prior, *case, BANK.centre, rng) for case in cases for _ in range(5)
    ]
    return float(torch.cat(losses).mean())


def test_learned_prior_is_better():
    train, test = make_cases(8)[:4], make_cases(8)[4:]
    prior = make_prior()
    before = score(prior, test)
    identity = torch.from_numpy(test[0][0].identity)[None]
    near_to_far = [(prior(identity)[0, 0, 2:] / prior(identity)[0, 0, 1]).mean()]
    learn_prior(prior, train.__getitem__, len(train), centre=BANK.centre, seed=0)
    near_to_far.append((prior(identity)[0, 0, 2:] / prior(identity)[0, 0, 1]).mean())
    assert score(prior, test) < before - 0.1
    assert near_to_far[1] > 1.05 * near_to_far[0]


def test_same_seed_same_prior_and_no_global_random_state():
    cases = make_cases()
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    found = []
    for seed in (0, 0, 1):
        prior = make_prior()
        learn_prior(
            prior,
            cases.__getitem__,
            len(cases),
            centre=BANK.centre,
            seed=seed,
            n_steps=5,
            n_drawn=2,
        )
        found.append(prior.log_precision.detach())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert torch.equal(states[0], torch.get_rng_state())
    np.testing.assert_array_equal(states[1], np.random.get_state()[1])  # noqa: NPY002


# The factor of its precision


@pytest.mark.parametrize("is_right", [True, False])
def test_factor_is_large_where_the_prior_is_right(is_right):
    """Where identities tell the weights, it holds; where they err, data do."""
    study, is_target, weights = make_cases(1)[0]
    weights[0, 1, BANK.centre] = -1.0 if is_right else 3.0
    chosen = choose_factor(make_prior(), weights, study, is_target, BANK.centre)
    assert chosen > 3 if is_right else chosen < 0.3


def test_factor_is_of_the_precision():
    study, is_target, weights = make_cases(1)[0]
    with torch.no_grad():
        prior = make_prior()
        found = adapt_weights(prior, weights, study, is_target, BANK.centre, 10.0)
        prior.log_precision += np.log(10.0)
        expected = adapt_weights(prior, weights, study, is_target, BANK.centre)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-2)


def test_a_single_part_leaves_the_prior_as_learned():
    study, is_target, weights = make_cases(1)[0]
    study = replace(study, parts=study.parts[:1])
    assert FACTORS[0] == 1.0
    assert choose_factor(make_prior(), weights, study, is_target, BANK.centre) == 1.0
