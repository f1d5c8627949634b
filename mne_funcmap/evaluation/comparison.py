"""Differences between models, and tests of them, over subjects."""

import numpy as np
from scipy.stats import rankdata

from .intervals import describe


def compare_models(
    models,
    scores,
    baselines,
    name,
    *,
    n_resamples,
    random_state,
    by_subject=None,
    bounds=None,
):
    """Describe the scores of models, and their differences to the best baseline.

    Parameters
    ----------
    models : list of str
        Names.
    scores : ndarray, shape (n_models, 1 + n_subjects)
        Of all subjects, then with each left out.
    baselines : sequence of str
        The models among which the best is what all are compared to; if empty, there
        are no differences.
    name : str
        What the score is called.
    n_resamples : int
        Number of times that subjects are drawn with replacement.
    random_state : int | RandomState | None
        Seed of the draws.
    by_subject : ndarray | None, shape (n_models, n_subjects)
        Scores of each subject, for the tests.
    bounds : None | tuple of (float, float)
        What the score cannot be beyond.

    Returns
    -------
    columns : dict of str to object
        model; the score by its name, and low and high, the ends of its 95 % interval
        as by `describe`; and of the difference diff_low and diff_high, with difference
        and baseline; p_value (as by `compare_subjects`) and p_holm (the same,
        corrected by Holm for as many models).

    Notes
    -----
    The best of k baselines, found on the same subjects, is rather too good. A model
    that is as good as all of them seems worse too often, and better hardly ever: from
    three baselines on, 5 % over k is what is left beyond the upper end of an interval
    of a difference, and the level of the test that a model is worse.
    """
    unknown = [baseline for baseline in baselines if baseline not in models]
    if unknown:
        raise ValueError(f"Baselines {unknown} are not among the models {models}.")
    drawn = {"n_resamples": n_resamples, "random_state": random_state}
    found = describe(scores, name, "low", "high", bounds=bounds, **drawn)
    columns = {"model": models} | found
    if len(baselines):
        best = max(baselines, key=lambda model: scores[models.index(model), 0])
        of_best = models.index(best)
        columns |= describe(
            scores - scores[of_best],
            "difference",
            "diff_low",
            "diff_high",
            n_baselines=len(baselines),
            # shares can be the same by chance; nobody differs from itself
            largest=(bounds == (0, 1)) * (np.arange(len(models)) != of_best),
            **drawn,
        )
        columns["baseline"] = best
        if by_subject is not None:
            p_values = compare_subjects(
                by_subject, by_subject[of_best], n_baselines=len(baselines)
            )
            columns |= {"p_value": p_values, "p_holm": correct_holm(p_values)}
    return columns


def compare_subjects(scores, baseline, *, n_baselines=1):
    """Test whether subjects have other scores than by a baseline.

    Parameters
    ----------
    scores : ndarray, shape (n_models, n_subjects)
        Scores of each subject.
    baseline : ndarray, shape (n_subjects,)
        Those by the baseline.
    n_baselines : int
        Number of baselines of which this is the best.

    Returns
    -------
    p_values : ndarray, shape (n_models,)
        Two-sided, by Wilcoxon's signed rank test, exact also with ties; subjects
        without a difference are ranked but not counted (Pratt). nan where none differs.
        Of three baselines and more, that of scores below the baseline is by half their
        number larger.
    """
    p_values = []
    # what rounding makes of equal scores is no difference, and of ties no order
    for difference in np.round(scores - baseline, 12):
        found = np.nan
        if difference.any():
            found, is_below = _test_ranks(difference)
            if is_below:
                found = min(found * max(2, n_baselines) / 2, 1)
        p_values.append(found)
    return np.array(p_values)


def _test_ranks(difference):
    """Return the two-sided p-value over all signs of ranks, and if most are below."""
    doubled = np.round(2 * rankdata(np.abs(difference))).astype(int)  # ties have halves
    above, below = doubled[difference > 0], doubled[difference < 0]
    # chances of each sum of the ranks above, one more rank at a time
    chances = np.ones(1)
    for rank in [*above, *below]:
        none = np.zeros(rank)
        chances = (np.r_[chances, none] + np.r_[none, chances]) / 2
    smaller = min(above.sum(), below.sum())
    return min(2 * chances[: smaller + 1].sum(), 1), above.sum() < below.sum()


def correct_holm(p_values):
    """Correct p-values for their number, by the step-down method of Holm (1979).

    Parameters
    ----------
    p_values : ndarray, shape (n_tests,)
        The p-values; nan where there was no test, which does not count.

    Returns
    -------
    corrected : ndarray, shape (n_tests,)
        Smallest levels at which the tests are still significant together.
    """
    p_values = np.asarray(p_values, dtype=float)
    corrected = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: np.isfinite(p_values).sum()]
    steps = p_values[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected
