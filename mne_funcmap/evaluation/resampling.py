"""Intervals and tests over subjects, of which a study could have had others."""

import numpy as np
from scipy.stats import wilcoxon
from sklearn.utils import check_random_state

LEVEL = 95  # percent, of intervals


def weigh_subjects(n_subjects, n_resamples, random_state):
    """Draw subjects with replacement.

    Parameters
    ----------
    n_subjects : int
        Number of subjects.
    n_resamples : int
        Number of draws.
    random_state : int | RandomState | None
        Seed.

    Returns
    -------
    weights : ndarray, shape (1 + n_resamples, n_subjects)
        How often each subject is in each draw; the first row is the data: once.
    """
    rng = check_random_state(random_state)
    shares = np.full(n_subjects, 1 / n_subjects)
    draws = rng.multinomial(n_subjects, shares, n_resamples)
    return np.vstack([np.ones(n_subjects), draws])


def compare_models(models, scores, baselines, name, *, by_subject=None):
    """Describe the scores of models, and their differences to the best baseline.

    Parameters
    ----------
    models : list of str
        Names.
    scores : ndarray, shape (n_models, 1 + n_resamples)
        Of the data, then of every draw; the same draws for all.
    baselines : sequence of str
        The models among which the best is what all are compared to; if empty, there
        are no differences.
    name : str
        What the score is called.
    by_subject : ndarray | None, shape (n_models, n_subjects)
        Scores of each subject, for the tests.

    Returns
    -------
    columns : dict of str to object
        model; the score by its name, and low and high, the ends of its 95 % interval;
        and of the difference diff_low and diff_high, with difference and baseline;
        p_value (Wilcoxon's signed rank test over subjects, two-sided) and p_holm (the
        same, corrected by Holm for as many models).
    """
    unknown = [baseline for baseline in baselines if baseline not in models]
    if unknown:
        raise ValueError(f"Baselines {unknown} are not among the models {models}.")
    columns = {"model": models} | describe(scores, name, "low", "high")
    if len(baselines):
        best = max(baselines, key=lambda model: scores[models.index(model), 0])
        of_best = models.index(best)
        difference = scores - scores[of_best]
        columns |= describe(difference, "difference", "diff_low", "diff_high")
        columns["baseline"] = best
        if by_subject is not None:
            p_values = compare_subjects(by_subject, by_subject[of_best])
            columns |= {"p_value": p_values, "p_holm": correct_holm(p_values)}
    return columns


def describe(scores, name, low, high):
    """Return scores and the ends of their intervals as columns.

    Parameters
    ----------
    scores : ndarray, shape (n_models, 1 + n_resamples)
        Of the data, then of every draw.
    name, low, high : str
        Names of the columns.

    Returns
    -------
    columns : dict of str to ndarray
        Scores on the data, and the percentiles 2.5 and 97.5 over the draws; nan where
        there are no scores.
    """
    tail = (100 - LEVEL) / 2
    found = np.full((2, len(scores)), np.nan)
    known = np.isfinite(scores[:, 1:]).any(axis=1)
    if known.any():
        draws = scores[known, 1:]
        found[:, known] = np.nanpercentile(draws, [tail, 100 - tail], axis=1)
    return {name: scores[:, 0], low: found[0], high: found[1]}


def compare_subjects(scores, baseline):
    """Test whether subjects have other scores than by a baseline.

    Parameters
    ----------
    scores : ndarray, shape (n_models, n_subjects)
        Scores of each subject.
    baseline : ndarray, shape (n_subjects,)
        Those by the baseline.

    Returns
    -------
    p_values : ndarray, shape (n_models,)
        Two-sided, by Wilcoxon's signed rank test; subjects without a difference are
        ranked but not counted (Pratt). nan where none differs.
    """
    p_values = []
    # what rounding makes of equal scores is no difference, and of ties no order
    for difference in np.round(scores - baseline, 12):
        found = np.nan
        if difference.any():
            found = wilcoxon(difference, zero_method="pratt").pvalue
        p_values.append(found)
    return np.array(p_values)


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
