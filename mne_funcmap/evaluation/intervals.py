"""Intervals over subjects, of which a study could have had others."""

import numpy as np
from mne.utils import warn
from scipy.stats import beta, norm
from scipy.stats import t as student
from sklearn.utils import check_random_state

TAIL = 0.025  # of draws, beyond each end of an interval of 95 %
MIN_SUBJECTS = 10  # for draws
FARTHEST = 2.0  # that an end by draws may be from the score, over that of Student's t
ROUNDING = 1e-6  # standard errors, which are none
SAME = 1e-12  # difference between scores that is none


def weigh_subjects(n_subjects):
    """Weigh subjects: all alike, then each left out in turn.

    Parameters
    ----------
    n_subjects : int
        Number of subjects. One alone has no interval, which is warned of.

    Returns
    -------
    weights : ndarray, shape (1 + n_subjects, n_subjects)
        What each subject counts; the first row is the data.
    """
    if n_subjects == 1:
        warn("Scores are of one subject: there are no intervals over subjects.")
    return np.vstack([np.ones(n_subjects), 1 - np.eye(n_subjects)])


def pool_subjects(sums, counts):
    """Average what subjects have, of all of them, then without each.

    Parameters
    ----------
    sums : ndarray, shape (..., n_subjects)
        Sums of the values of each subject.
    counts : ndarray, shape (..., n_subjects)
        How many values these are, or how much they count.

    Returns
    -------
    means : ndarray, shape (..., 1 + n_subjects)
        Of the values of all subjects, then of all but one; nan without values, and
        for a subject who has none, and does not count.
    """
    weights = weigh_subjects(counts.shape[-1]).T
    total = counts @ weights
    means = sums @ weights / np.where(total > 0, total, np.nan)
    means[..., 1:][counts == 0] = np.nan
    return means


def balance(right, total):
    """Compute balanced accuracy, of all subjects, then without each.

    Parameters
    ----------
    right : ndarray, shape (..., n_subjects, n_regions)
        What is right of each subject and region.
    total : ndarray, shape (n_subjects, n_regions)
        Of how many.

    Returns
    -------
    scores : ndarray, shape (..., 1 + n_subjects)
        Mean over regions of the share that is right; a region without anything is
        left out.
    """
    weights = weigh_subjects(len(total))
    n_total = weights @ total
    share = weights @ right / np.where(n_total > 0, n_total, np.nan)
    n_regions = np.count_nonzero(n_total, axis=-1)
    return np.nansum(share, axis=-1) / np.where(n_regions > 0, n_regions, np.nan)


def describe(
    scores,
    name,
    low,
    high,
    *,
    n_resamples,
    random_state,
    bounds=None,
    largest=0,
    n_baselines=1,
):
    """Return scores and the ends of their 95 % intervals as columns.

    Parameters
    ----------
    scores : ndarray, shape (n_models, 1 + n_subjects)
        Of all subjects, then with each left out; nan for one who does not count.
    name, low, high : str
        Names of the columns.
    n_resamples : int
        Number of times that subjects are drawn with replacement.
    random_state : int | RandomState | None
        Seed of the draws.
    bounds : None | tuple of (float, float)
        What the score cannot be beyond, such as 0 and 1 for an accuracy.
    largest : float | ndarray, shape (n_models,)
        The largest possible difference, of scores that are differences between shares;
        0 for others, which are not the same by chance.
    n_baselines : int
        Number of baselines of which the best was taken off the score.

    Returns
    -------
    columns : dict of str to ndarray
        Scores of all, and the ends; nan where there are no scores, and of the ends
        where fewer than two subjects count, or none are drawn.

    Notes
    -----
    Leaving out subjects gives a pseudo-value of each, n times the score minus n - 1
    times that of the others, whose mean is close to the score and whose spread tells
    its standard error [1]_: of a mean over subjects, they are the values of the
    subjects.

    From ten subjects on, the ends are those of a t bootstrap [2]_ of the pseudo-values:
    every draw is standardized by its own standard error. Where few subjects differ much
    from the others, draws without these have next to no standard error: no end is more
    than twice as far from the score as that of the t interval, which covers the same.
    Fewer subjects have the t interval. Both are too narrow where draws tell too little,
    so that these have other ends:

    * Scores with bounds, of fewer than ten subjects or if half of them have the same
      value, as near a ceiling, have the ends of Clopper and Pearson for as many right
      and wrong answers as have this standard error, and, for fewer than ten, with its
      uncertainty [3]_.
    * Other scores, if half of the subjects have the same value, as differences that are
      mostly zero: what is gained from there, and what is lost, have such ends each,
      with the largest of both as bound, and are joined by square and add [4]_.

    Subjects who all score the same have an interval without a width; but if that is on
    a bound, as where all is right, or if two models agree on every subject, each counts
    as one answer. Percentiles of draws are too narrow for few subjects, and so are
    those of the bias-corrected and accelerated bootstrap. An end beyond the bounds is
    put on them, where it covers the same: the true score is not beyond.

    References
    ----------
    .. [1] Tukey, "Bias and confidence in not-quite large samples", Annals of
       Mathematical Statistics 29 (1958).
    .. [2] Hall, "Theoretical comparison of bootstrap confidence intervals", Annals of
       Statistics 16 (1988).
    .. [3] Korn and Graubard, "Confidence intervals for proportions with small expected
       number of positive counts estimated from survey data", Survey Methodology 24
       (1998).
    .. [4] Newcombe, "Improved confidence intervals for the difference between binomial
       proportions based on paired data", Statistics in Medicine 17 (1998), and Zou and
       Donner, "Construction of confidence limits about effect measures: a general
       approach", Statistics in Medicine 27 (2008).
    """
    rng = check_random_state(random_state)
    score, others = scores[:, 0], scores[:, 1:]
    counts = np.isfinite(others) & np.isfinite(score)[:, None]
    n_subjects = counts.sum(axis=1) * (n_resamples > 0)
    ends = np.full((2, len(scores)), np.nan)
    tails = TAIL, 2 * TAIL / max(2, n_baselines)
    for n in np.unique(n_subjects[n_subjects > 1]):
        rows = np.flatnonzero(n_subjects == n)
        without = others[rows][counts[rows]].reshape(len(rows), n)
        pseudo = n * score[rows, None] - (n - 1) * without
        found = score[rows] + _reach(pseudo, tails, n_resamples, rng)
        is_coarse, common = _find_ties(pseudo)
        if bounds is None:
            other = score[rows] + _join_gains_and_losses(
                pseudo - common, tails, np.broadcast_to(largest, len(scores))[rows]
            )
        else:
            is_coarse |= n < MIN_SUBJECTS
            other = _match_binomial(score[rows], pseudo, tails, bounds)
        ends[:, rows] = np.where(is_coarse, other, found)
    if bounds is not None:
        ends = ends.clip(*bounds)
    return {name: score} | dict(zip((low, high), ends, strict=True))


def _find_ties(values):
    """Tell whether half of the values or more are the same, and which these are."""
    n_subjects = values.shape[1]
    n_same = max(2, (n_subjects + 1) // 2)
    ordered = np.sort(values, axis=1)
    apart = ordered[:, n_same - 1 :] - ordered[:, : n_subjects - n_same + 1]
    common = np.take_along_axis(ordered, apart.argmin(axis=1)[:, None], axis=1)
    return apart.min(axis=1) <= ROUNDING * values.std(axis=1) + SAME, common


def _join_gains_and_losses(values, tails, largest):
    """Return how far below and above their means the intervals of differences reach."""
    seen = np.abs(values).max(axis=1)
    largest = np.where(seen > SAME, seen, largest)
    values = values / np.where(largest > 0, largest, 1)[:, None]
    gains, losses = values.clip(0), (-values).clip(0)
    gain, loss = gains.mean(axis=1), losses.mean(axis=1)
    gain_low, gain_high = _match_binomial(gain, gains, tails, (0, 1))
    loss_low, loss_high = _match_binomial(loss, losses, tails[::-1], (0, 1))
    # who gains does not lose: their means are correlated
    shared = -gain * loss / values.shape[1]
    error = [part.std(axis=1) / np.sqrt(values.shape[1]) for part in (gains, losses)]
    product = np.prod(error, axis=0)
    correlation = shared / np.where(product > 0, product, 1)
    low, high = (
        np.sqrt(a**2 + b**2 - 2 * correlation * a * b)
        for a, b in (
            (gain - gain_low, loss_high - loss),
            (gain_high - gain, loss - loss_low),
        )
    )
    return np.stack([-low, high]) * largest


def _match_binomial(means, values, tails, bounds):
    """Return the ends for right and wrong answers with the same standard error."""
    n_subjects = values.shape[1]
    lowest, highest = bounds
    share = ((means - lowest) / (highest - lowest)).clip(0, 1)
    error = values.std(axis=1, ddof=1) / np.sqrt(n_subjects) / (highest - lowest)
    number = share * (1 - share) / np.square(error.clip(ROUNDING))
    if n_subjects < MIN_SUBJECTS:
        number *= (norm.ppf(TAIL) / student.ppf(TAIL, n_subjects - 1)) ** 2
    at_bound = np.minimum(share, 1 - share) < ROUNDING
    share = np.where(at_bound, share.round(), share)
    number = np.where(at_bound, n_subjects, number)
    right, wrong = share * number, (1 - share) * number
    low = np.where(right > 0, beta.ppf(tails[0], right, wrong + 1), 0.0)
    high = np.where(wrong > 0, beta.ppf(1 - tails[1], right + 1, wrong), 1.0)
    ends = np.where(at_bound | (error > ROUNDING), [low, high], share)
    return lowest + (highest - lowest) * ends


def _reach(values, tails, n_resamples, rng):
    """Return how far below and above their means the intervals of values reach.

    Parameters
    ----------
    values : ndarray, shape (n_scores, n_subjects)
        Values of subjects.
    tails : tuple of (float, float)
        Probability that the lower end is too high, and the upper one too low.
    n_resamples : int
        Number of draws.
    rng : numpy.random.RandomState
        Where to draw from.

    Returns
    -------
    reach : ndarray, shape (2, n_scores)
        The ends minus the means.
    """
    n_subjects = values.shape[1]
    error = values.std(axis=1, ddof=1) / np.sqrt(n_subjects)
    plain = student.ppf([[tails[0]], [1 - tails[1]]], n_subjects - 1)
    if n_subjects < MIN_SUBJECTS:
        return plain * error
    shares = np.full(n_subjects, 1 / n_subjects)
    draws = rng.multinomial(n_subjects, shares, n_resamples)
    ratios = np.sort(_standardize(values, draws, error), axis=0)
    n_known = np.isfinite(ratios).sum(axis=0)
    below, above = ((tail * n_known).astype(int) for tail in tails)
    places = np.stack([n_known - 1 - below, above]).clip(0)
    reach = -np.take_along_axis(ratios, places, axis=0)
    return reach.clip(*(FARTHEST * plain)) * error


def _standardize(values, draws, error):
    """Return the means of draws minus that of all, in standard errors of the draw.

    Parameters
    ----------
    values : ndarray, shape (n_scores, n_subjects)
        Values of subjects.
    draws : ndarray, shape (n_draws, n_subjects)
        How often each subject is drawn.
    error : ndarray, shape (n_scores,)
        Standard errors of the means.

    Returns
    -------
    ratios : ndarray, shape (n_draws, n_scores)
        nan for draws of equal values.
    """
    centred = values - values.mean(axis=1, keepdims=True)
    n_subjects = values.shape[1]
    shift = draws @ centred.T / n_subjects
    variance = draws @ np.square(centred).T / n_subjects - np.square(shift)
    of_draw = np.sqrt(variance.clip(0) / (n_subjects - 1))
    of_draw[of_draw <= ROUNDING * error] = np.nan
    return shift / of_draw
