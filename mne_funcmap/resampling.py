"""Subjects, of which a study could have more: held out, and drawn for intervals."""

import numpy as np
from sklearn.model_selection import GroupKFold
from sklearn.utils import check_random_state

LEVEL = 95  # percent, of intervals


def check_cv(cv, groups):
    """Return the splitter, or say that there are too few subjects for it.

    Parameters
    ----------
    cv : None | cross-validation generator
        None stands for ``GroupKFold(5)``.
    groups : ndarray of str, shape (n_recordings,)
        What is held out as a whole.

    Returns
    -------
    cv : cross-validation generator
        The splitter.

    Raises
    ------
    ValueError
        If there are too few groups.
    """
    cv = GroupKFold(5) if cv is None else cv
    n_groups, n_splits = len(np.unique(groups)), cv.get_n_splits(groups=groups)
    if n_groups < 2 or n_groups < n_splits:
        raise ValueError(
            f"X has recordings of {n_groups} subject(s), too few for {n_splits} folds. "
            "Give more subjects, or cv=GroupKFold(n) with n between 2 and their number."
        )
    return cv


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


def compare_models(models, scores, baselines, name):
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

    Returns
    -------
    columns : dict of str to object
        model; the score by its name, and low and high, the ends of its 95 % interval;
        and of the difference diff_low and diff_high, with difference and baseline.
    """
    unknown = [baseline for baseline in baselines if baseline not in models]
    if unknown:
        raise ValueError(f"Baselines {unknown} are not among the models {models}.")
    columns = {"model": models}
    columns |= dict(zip((name, "low", "high"), _describe(scores), strict=True))
    if len(baselines):
        best = max(baselines, key=lambda model: scores[models.index(model), 0])
        difference = _describe(scores - scores[models.index(best)])
        names = ("difference", "diff_low", "diff_high")
        columns |= dict(zip(names, difference, strict=True))
        columns["baseline"] = best
    return columns


def _describe(values):
    """Return the value on the data and the interval, each (n_models,)."""
    tail = (100 - LEVEL) / 2
    low, high = np.percentile(values[:, 1:], [tail, 100 - tail], axis=1)
    return values[:, 0], low, high
