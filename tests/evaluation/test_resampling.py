import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import wilcoxon

from mne_funcmap.evaluation.resampling import (
    compare_models,
    compare_subjects,
    correct_holm,
    describe,
    weigh_subjects,
)


def test_draws_are_of_as_many_subjects():
    weights = weigh_subjects(7, 2000, 0)
    assert_array_equal(weights[0], 1)
    assert_array_equal(weights.sum(axis=1), 7)
    # a subject is drawn as often as one in n draws of one in n
    assert_allclose(weights[1:].mean(axis=0), 1, atol=0.1)
    assert weights[1:].var() == pytest.approx(1 - 1 / 7, rel=0.05)
    assert_array_equal(weights, weigh_subjects(7, 2000, 0))
    assert (weights != weigh_subjects(7, 2000, 1)).any()


def test_draws_leave_the_global_generator_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    weigh_subjects(7, 10, 1)
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


# Intervals


def test_interval_is_of_the_draws_and_not_of_the_data():
    scores = np.vstack([np.r_[99.0, np.arange(101)], np.full(102, 3.0)])
    found = describe(scores, "score", "low", "high")
    assert_allclose(found["score"], [99, 3])
    assert_allclose(found["low"], [2.5, 3])
    assert_allclose(found["high"], [97.5, 3])


def test_without_draws_or_scores_there_is_no_interval():
    found = describe(np.ones((2, 1)), "score", "low", "high")
    assert np.isnan([found["low"], found["high"]]).all()
    scores = np.array([[1.0, 2.0, np.nan], [np.nan] * 3])
    found = describe(scores, "score", "low", "high")
    assert_array_equal(found["low"], [2, np.nan])


def test_interval_of_a_mean_covers():
    rng = np.random.default_rng(0)
    covered = []
    for seed in range(200):
        values = rng.standard_normal(30)
        weights = weigh_subjects(30, 300, seed)
        means = (weights @ values / weights.sum(axis=1))[np.newaxis]
        found = describe(means, "mean", "low", "high")
        covered.append(found["low"][0] < 0 < found["high"][0])
    assert 0.9 <= np.mean(covered) <= 0.98


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


def test_p_is_uniform_without_a_difference():
    rng = np.random.default_rng(0)
    p_values = compare_subjects(rng.standard_normal((400, 10)), np.zeros(10))
    assert np.mean(p_values <= 0.05) == pytest.approx(0.05, abs=0.03)


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
    scores = np.array([[0.5], [0.7], [0.9]]) + 0.01 * rng.standard_normal((3, 501))
    scores[:, 0] = [0.5, 0.7, 0.9]
    by_subject = rng.random((3, 8))
    found = compare_models(
        ["a", "b", "c"], scores, ["a", "b"], "r", by_subject=by_subject
    )
    assert found["baseline"] == "b"
    assert_allclose(found["difference"], [-0.2, 0, 0.2])
    assert_allclose(found["diff_low"][1], 0)
    assert 0.15 < found["diff_low"][2] < 0.2 < found["diff_high"][2] < 0.25
    assert_array_equal(found["p_value"], compare_subjects(by_subject, by_subject[1]))
    assert_array_equal(found["p_holm"], correct_holm(found["p_value"]))


def test_without_baselines_there_are_no_differences():
    found = compare_models(["a"], np.ones((1, 3)), [], "r")
    assert list(found) == ["model", "r", "low", "high"]
    with pytest.raises(ValueError, match=r"Baselines \['z'\] are not among"):
        compare_models(["a"], np.ones((1, 3)), ["z"], "r")
