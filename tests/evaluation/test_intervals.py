import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import beta, binomtest, norm, sem
from scipy.stats import t as student

from mne_funcmap.evaluation.intervals import (
    balance,
    describe,
    pool_subjects,
    weigh_subjects,
)

DRAWN = {"n_resamples": 999, "random_state": 0}


def find_ends(values, **options):
    """Return the ends of the intervals of means, (n_ends, n_models)."""
    values = np.atleast_2d(values)
    means = pool_subjects(values, np.ones(values.shape))
    found = describe(means, "mean", "low", "high", **(DRAWN | options))
    assert_allclose(found["mean"], values.mean(axis=1), atol=1e-12)
    return np.array([found["low"], found["high"]])


# Leaving out subjects


def test_each_subject_is_left_out():
    assert_array_equal(weigh_subjects(2), [[1, 1], [0, 1], [1, 0]])
    sums, counts = np.array([[1.0, 6.0, 5.0]]), np.array([[1.0, 2.0, 2.0]])
    assert_allclose(pool_subjects(sums, counts), [[12 / 5, 11 / 4, 6 / 3, 7 / 3]])


def test_who_has_no_value_does_not_count():
    sums, counts = np.array([[1.0, 0.0, 5.0]]), np.array([[1.0, 0.0, 1.0]])
    assert_allclose(pool_subjects(sums, counts), [[3, 5, np.nan, 1]])
    values = np.random.default_rng(0).random((1, 14))
    more = np.hstack([values, np.zeros((1, 6))])
    pooled = pool_subjects(more, np.arange(20)[None] < 14.0)
    found = describe(pooled, "mean", "low", "high", **DRAWN)
    assert_allclose([found["low"], found["high"]], find_ends(values))


def test_balanced_accuracy_without_each():
    right, total = np.array([[1, 0], [1, 2.0]]), np.array([[2, 0], [2, 2.0]])
    # a region that nobody else has is left out with its subject
    assert_allclose(balance(right, total), [(0.5 + 1) / 2, (0.5 + 1) / 2, 0.5])


# Intervals


@pytest.mark.parametrize("n_subjects", [2, 5, 9])
def test_few_subjects_have_the_interval_of_student(n_subjects):
    values = np.random.default_rng(n_subjects).standard_normal((3, n_subjects))
    expected = student.interval(
        0.95, n_subjects - 1, values.mean(axis=1), sem(values, axis=1)
    )
    assert_allclose(find_ends(values), expected)


def test_interval_is_that_of_a_plain_t_bootstrap():
    values = np.random.default_rng(0).gamma(2, size=12)
    rng = np.random.RandomState(0)
    draws = rng.multinomial(12, np.full(12, 1 / 12), 999)
    drawn = [np.repeat(values, draw) for draw in draws]
    # standard errors as of the data: one half as wide is of half the spread
    ratios = [(of.mean() - values.mean()) / sem(of) for of in drawn]
    ratios = np.sort(ratios)[[-25, 24]]
    expected = values.mean() - ratios * sem(values)
    assert_allclose(find_ends(values)[:, 0], expected)
    # the long tail is above
    low, high = find_ends(values)[:, 0] - values.mean()
    assert high > -low


@pytest.mark.parametrize("n_baselines", [1, 6])
def test_no_end_is_farther_than_twice_that_of_student(n_baselines):
    # without the three who differ much, draws have next to no standard error
    values = np.r_[np.zeros(4), 0.025, 0.025, 0.025, 0.125, 0.2, 0.225]
    tail = min(0.025, 0.05 / n_baselines)
    farthest = 2 * student.ppf(1 - tail, 9) * sem(values)
    low, high = find_ends(values, n_baselines=n_baselines)[:, 0] - values.mean()
    assert high == pytest.approx(farthest)
    assert -sem(values) * student.ppf(0.975, 9) < low < 0
    low, high = find_ends(-values)[:, 0] + values.mean()
    assert low == pytest.approx(-2 * student.ppf(0.975, 9) * sem(values))


def test_intervals_move_and_grow_with_the_scores():
    values = np.random.default_rng(0).gamma(2, size=15)
    assert_allclose(find_ends(3 * values + 7), 3 * find_ends(values) + 7)
    assert_allclose(find_ends(-values), -find_ends(values)[::-1])


def test_intervals_stay_in_bounds():
    values = np.random.default_rng(0).beta(9, 1, 12)
    low, high = find_ends(values)[:, 0]
    assert_array_equal(
        find_ends(values, bounds=(0, high - 0.01))[:, 0], [low, high - 0.01]
    )


@pytest.mark.parametrize("n_subjects", [2, 5, 9])
@pytest.mark.parametrize("bounds", [(0, 1), (-1, 1)])
def test_few_scores_with_bounds_are_as_right_and_wrong_answers(n_subjects, bounds):
    shares = np.random.default_rng(n_subjects).beta(8, 2, (3, n_subjects))
    error = sem(shares, axis=1) * student.ppf(0.975, n_subjects - 1) / norm.ppf(0.975)
    share = shares.mean(axis=1)
    n = share * (1 - share) / error**2
    expected = [
        beta.ppf(0.025, share * n, (1 - share) * n + 1),
        beta.ppf(0.975, share * n + 1, (1 - share) * n),
    ]
    lowest, highest = bounds
    values = lowest + (highest - lowest) * shares
    expected = lowest + (highest - lowest) * np.array(expected)
    assert_allclose(find_ends(values, bounds=bounds), expected)
    # what is bad of one is good of the other
    mirrored = find_ends(lowest + highest - values, bounds=bounds)
    assert_allclose(mirrored, lowest + highest - expected[::-1])


@pytest.mark.parametrize("n_subjects", [2, 10, 40])
def test_equal_scores_have_an_interval_without_a_width(n_subjects):
    assert_allclose(find_ends(np.full(n_subjects, 0.1)), 0.1)


def test_one_other_score_leaves_a_finite_interval():
    for n_subjects in (10, 15, 30):
        low, high = find_ends(np.r_[np.ones(n_subjects - 1), 0.9])[:, 0]
        assert 0.9 < low < 1 - 0.1 / n_subjects < high < 1.03


@pytest.mark.parametrize("n_subjects", [2, 9, 10, 24])
def test_where_all_is_right_or_wrong_intervals_are_exact(n_subjects):
    for n_right in (0, n_subjects):
        exact = binomtest(n_right, n_subjects).proportion_ci()
        values = np.full(n_subjects, n_right / n_subjects)
        assert_allclose(find_ends(values, bounds=(0, 1))[:, 0], exact)
        ends = find_ends(2 * values - 1, bounds=(-1, 1))[:, 0]
        assert_allclose(ends, 2 * np.array(exact) - 1)
        noise = 1e-14 * np.arange(n_subjects)
        rounded = find_ends(np.abs(values - noise), bounds=(0, 1))[:, 0]
        assert_allclose(rounded, exact, atol=1e-9)


@pytest.mark.parametrize("n_subjects", [10, 15, 24, 50])
def test_counts_have_about_the_exact_interval(n_subjects):
    for n_wrong in range(1, n_subjects):
        scores = np.sort(np.arange(n_subjects) >= n_wrong).astype(float)
        exact = binomtest(n_subjects - n_wrong, n_subjects).proportion_ci()
        found = find_ends(scores, bounds=(0, 1))[:, 0]
        assert_allclose(found, exact, atol=0.3 / n_subjects)


@pytest.mark.parametrize(
    ("n_same", "n_others"), [(5, 5), (5, 6), (6, 5), (10, 10), (9, 10), (10, 9)]
)
def test_intervals_do_not_hang_on_a_single_draw(n_same, n_others):
    """With half of the scores the same, or less, the draws tell or they do not."""
    scores = np.r_[np.full(n_same, 0.9), np.linspace(0.5, 0.8, n_others)]
    ends = np.array(
        [find_ends(scores, bounds=(0, 1), random_state=k) for k in range(9)]
    )
    if n_same >= n_others:
        assert_array_equal(ends, ends[:1].repeat(9, axis=0))
    else:
        assert 0 < np.ptp(ends[:, 0]) < 0.1


@pytest.mark.parametrize("n_subjects", [8, 20, 50])
@pytest.mark.parametrize(("n_gains", "n_losses"), [(3, 1), (2, 2), (0, 2)])
def test_differences_that_are_mostly_zero(n_subjects, n_gains, n_losses):
    """Square and add, of right and wrong answers to both."""
    values = np.zeros(n_subjects)
    values[:n_gains], values[n_gains : n_gains + n_losses] = 1, -1
    gains, losses = (values > 0).astype(float), (values < 0).astype(float)
    (g, g_low, g_high), (k, k_low, k_high) = (
        (part.mean(), *find_ends(part, bounds=(0, 1))[:, 0]) for part in (gains, losses)
    )
    r = np.corrcoef(gains, losses)[0, 1] if n_gains else 0
    low = (g - g_low) ** 2 + (k_high - k) ** 2 - 2 * r * (g - g_low) * (k_high - k)
    high = (g_high - g) ** 2 + (k - k_low) ** 2 - 2 * r * (g_high - g) * (k - k_low)
    expected = g - k + np.array([-np.sqrt(low), np.sqrt(high)])
    assert_allclose(find_ends(values)[:, 0], expected)
    assert_allclose(find_ends(-values)[:, 0], -expected[::-1])
    assert_allclose(find_ends(3 * values + 7)[:, 0], 3 * expected + 7)


@pytest.mark.parametrize("n_subjects", [2, 8, 20])
def test_shares_that_do_not_differ_by_chance(n_subjects):
    """Each subject is one answer."""
    reach = 1 - 0.025 ** (1 / n_subjects)
    noise = 1e-16 * np.arange(n_subjects)
    for values in (np.zeros(n_subjects), noise):
        ends = find_ends(values, largest=1)[:, 0]
        assert_allclose(ends, [-reach, reach], rtol=1e-9)


def test_the_choice_of_the_best_baseline_moves_upper_ends_only():
    mostly_zero = np.r_[np.zeros(10), [0.3, 0.2, -0.1, -0.2]]
    for values in (mostly_zero, np.random.default_rng(0).normal(size=14)):
        low, high = find_ends(values)[:, 0]
        low_of_six, high_of_six = find_ends(values, n_baselines=6)[:, 0]
        assert low_of_six == low
        assert high_of_six > high


@pytest.mark.parametrize("n_subjects", [10, 20, 50])
def test_intervals_of_differences_cover(n_subjects):
    rng = np.random.default_rng(n_subjects)
    shape = (1000, n_subjects)
    better = rng.binomial(10, 0.95, shape)
    alike = rng.random(shape) < 0.5
    values = (better - np.where(alike, better, rng.binomial(10, 0.9, shape))) / 10
    low, high = find_ends(values)
    assert 0.92 <= np.mean((low <= 0.025) & (high >= 0.025)) <= 0.98


def test_without_scores_there_is_no_interval():
    scores = np.vstack([np.full(4, np.nan), [1, 1, 1, 1]])
    found = describe(scores, "score", "low", "high", **DRAWN)
    assert_array_equal(found["low"], [np.nan, 1])
    found = describe(scores, "score", "low", "high", n_resamples=0, random_state=0)
    assert np.isnan([found["low"], found["high"]]).all()


def test_one_subject_has_no_interval():
    with pytest.warns(RuntimeWarning, match="of one subject: there are no intervals"):
        assert np.isnan(find_ends([0.5])).all()


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).random(12)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert_array_equal(find_ends(values), find_ends(values))
    assert (find_ends(values) != find_ends(values, random_state=1)).any()
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("n_subjects", [5, 10, 20])
@pytest.mark.parametrize("kind", ["normal", "near a ceiling", "counts"])
def test_intervals_cover(kind, n_subjects):
    rng = np.random.default_rng(n_subjects)
    shape = (1000, n_subjects)
    values, truth = {
        "normal": (rng.standard_normal(shape), 0),
        "near a ceiling": (rng.beta(9, 1, shape), 0.9),
        "counts": (rng.binomial(10, 0.7, shape) / 10, 0.7),
    }[kind]
    low, high = find_ends(values, bounds=None if kind == "normal" else (0, 1))
    covered = np.mean((low - 1e-9 <= truth) & (truth <= high + 1e-9))
    assert 0.92 <= covered <= 0.98
