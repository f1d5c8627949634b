from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import rankdata, wilcoxon

from mne_funcmap.evaluation.comparison import (
    compare_models,
    compare_subjects,
    correct_holm,
)
from mne_funcmap.evaluation.intervals import describe, pool_subjects

DRAWN = {"n_resamples": 999, "random_state": 0}


# Tests


def test_p_values_are_those_of_scipy():
    rng = np.random.default_rng(0)
    scores = rng.random((3, 12))
    found = compare_subjects(scores, scores[1])
    expected = [
        wilcoxon(row, scores[1], zero_method="pratt").pvalue for row in scores[::2]
    ]
    assert_allclose(found[::2], expected)
    assert np.isnan(found[1])
    # all of eight on one side: two of 2 ** 8 signs
    assert compare_subjects(np.arange(1, 9)[np.newaxis], np.zeros(8)) == 2 / 2**8


def test_rounding_is_no_difference():
    scores = np.array([[0.1 + 0.2, 0.5, 0.7], [0.3, 0.5, 0.7]])
    assert np.isnan(compare_subjects(scores, scores[1])).all()


def test_rounding_breaks_no_ties():
    difference = np.array([0.1, 0.1, -0.1, 0.2, 0.2, 0.3, 0.4])
    noise = 1e-16 * np.array([1, -1, 2, 3, -2, 0, 1])
    found = compare_subjects(np.array([difference, difference + noise]), np.zeros(7))
    assert found[0] == found[1]


@pytest.mark.parametrize("n_subjects", [1, 2, 3])
def test_few_subjects_prove_nothing(n_subjects):
    scores = 1 + np.arange(n_subjects, dtype=float)
    assert compare_subjects(scores[np.newaxis], np.zeros(n_subjects)) >= 0.25


def test_ties_and_zeros():
    scores = np.array([[0, 0, 0.1, 0.1, 0.3, 0.2]])
    found = compare_subjects(scores, np.zeros(6))
    assert found == wilcoxon(scores[0], zero_method="pratt").pvalue


@pytest.mark.parametrize("n_subjects", [5, 8])
def test_p_values_count_all_signs(n_subjects):
    """With ties, zeros and few subjects, no approximation is good enough."""
    difference = np.array([0.1, 0.1, 0.3, -0.1, 0.0, 0.2, 0.4, 0.4])[:n_subjects]
    ranks = rankdata(np.abs(difference)) * (difference != 0)
    signs = np.array([*product([-1, 1], repeat=n_subjects)])
    sums, found = signs @ ranks, np.sign(difference) @ ranks
    expected = np.mean(np.abs(sums) >= np.abs(found) - 1e-9)
    assert_allclose(compare_subjects(difference[None], np.zeros(n_subjects)), expected)


@pytest.mark.parametrize(("n_baselines", "factor"), [(1, 1), (2, 1), (3, 1.5), (6, 3)])
def test_p_of_who_is_below_the_best_of_many_is_larger(n_baselines, factor):
    better = np.random.default_rng(0).normal(0.6, 1, 20)
    plain = wilcoxon(better).pvalue
    assert plain * factor < 1
    scores = np.array([better, -better, np.zeros(20)])
    found = compare_subjects(scores, np.zeros(20), n_baselines=n_baselines)
    assert_allclose(found, [plain, plain * factor, np.nan])


@pytest.mark.parametrize("n_subjects", [5, 10, 20])
def test_p_is_uniform_without_a_difference(n_subjects):
    rng = np.random.default_rng(0)
    scores = rng.binomial(8, 0.8, (2, 400, n_subjects)) / 8
    scores[0, :200] = rng.standard_normal((200, n_subjects))
    scores[1, :200] = rng.standard_normal((200, n_subjects))
    p_values = np.array(
        [compare_subjects(a[None], b)[0] for a, b in scores.swapaxes(0, 1)]
    )
    assert np.nanmin(p_values) > 0
    assert np.mean(p_values <= 0.05) <= 0.08


def test_holm_by_hand():
    # in order: 4 x 0.005, 3 x 0.01, 2 x 0.03, then not below the one before
    found = correct_holm([0.01, 0.04, np.nan, 0.03, 0.005])
    assert_allclose(found, [0.03, 0.06, np.nan, 0.06, 0.02])
    assert_allclose(correct_holm([0.5, 0.9, 0.6]), 1)
    assert_allclose(correct_holm([0.04]), 0.04)
    assert np.isnan(correct_holm([np.nan, np.nan])).all()


# Comparisons


def test_differences_are_to_the_best_baseline():
    rng = np.random.default_rng(0)
    by_subject = np.array([[0.5], [0.7], [0.9]]) + 0.1 * rng.standard_normal((3, 8))
    scores = pool_subjects(by_subject, np.ones((3, 8)))
    found = compare_models(
        ["a", "b", "c"], scores, ["a", "b"], "r", by_subject=by_subject, **DRAWN
    )
    assert found["baseline"] == "b"
    difference = by_subject - by_subject[1]
    assert_allclose(found["difference"], difference.mean(axis=1))
    alone = describe(scores - scores[1], "x", "low", "high", **DRAWN)
    assert_allclose(found["diff_low"], alone["low"], atol=1e-12)
    assert_allclose(found["diff_high"], alone["high"], atol=1e-12)
    assert_array_equal(found["p_value"], compare_subjects(by_subject, by_subject[1]))
    assert_array_equal(found["p_holm"], correct_holm(found["p_value"]))


@pytest.mark.parametrize("bounds", [(0, 1), (-1, 1), None])
def test_shares_can_be_the_same_by_chance(bounds):
    """But not those of a model that is compared to itself."""
    scores = pool_subjects(np.full((3, 8), 0.9), np.ones((3, 8)))
    found = compare_models([*"abc"], scores, ["a"], "x", bounds=bounds, **DRAWN)
    reach = 1 - 0.025 ** (1 / 8) if bounds == (0, 1) else 0
    assert_allclose(found["diff_low"], [0, -reach, -reach], atol=1e-12)
    assert_allclose(found["diff_high"], [0, reach, reach], atol=1e-12)


def test_the_best_of_many_baselines_makes_nobody_seem_worse():
    rng = np.random.default_rng(0)
    names = [*"abcdefg"]
    p_values, covered = [], []
    for _ in range(200):
        by_subject = rng.standard_normal((7, 12))
        found = compare_models(
            names,
            pool_subjects(by_subject, np.ones((7, 12))),
            names[:6],
            "r",
            by_subject=by_subject,
            **(DRAWN | {"n_resamples": 99}),
        )
        p_values.append(found["p_value"][-1])
        covered.append(found["diff_low"][-1] <= 0 <= found["diff_high"][-1])
    assert np.mean(np.array(p_values) <= 0.05) <= 0.07
    assert np.mean(covered) >= 0.93


def test_without_baselines_there_are_no_differences():
    found = compare_models(["a"], np.ones((1, 3)), [], "r", **DRAWN)
    assert list(found) == ["model", "r", "low", "high"]
    with pytest.raises(ValueError, match=r"Baselines \['z'\] are not among"):
        compare_models(["a"], np.ones((1, 3)), ["z"], "r", **DRAWN)
