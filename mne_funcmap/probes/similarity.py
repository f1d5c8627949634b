"""How alike two embeddings of a channel are, beside those of other channels."""

from dataclasses import dataclass

import numpy as np

from ..evaluation.intervals import describe, pool_subjects

MEASURES = ("similarity_channel", "similarity_region", "similarity_other", "retrieval")


@dataclass(frozen=True)
class Rows:
    """Embeddings of one subject, and of what they are.

    Attributes
    ----------
    values : ndarray, shape (n_rows, n_components)
        Embeddings, as by `normalize`.
    channel : ndarray of str, shape (n_rows,)
        Names of the channels.
    region : ndarray of str, shape (n_rows,)
        Their regions.
    """

    values: np.ndarray
    channel: np.ndarray
    region: np.ndarray


def normalize(values):
    """Take off the mean, and scale rows to length one.

    Parameters
    ----------
    values : ndarray, shape (n_rows, n_components)
        Embeddings.

    Returns
    -------
    normalized : ndarray, shape (n_rows, n_components)
        Rows whose products are cosines around the mean; zeros for rows at the mean.
    """
    centred = values - values.mean(axis=0, dtype=float)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    # what rounding leaves of rows that are all the same has no direction
    is_left = length > 1e-6 * np.linalg.norm(values, axis=1).max(initial=0)
    return np.where(is_left, centred / np.where(is_left, length, 1), 0)


def compare_rows(first, second, allowed=None):
    """Compare embeddings with others of the same subject.

    Parameters
    ----------
    first, second : Rows
        The embeddings.
    allowed : None | ndarray of bool, shape (n_first, n_second)
        The pairs that count; None stands for all.

    Returns
    -------
    measures : dict of str to float
        By name: similarity_channel, similarity_region and similarity_other, the mean
        cosine of pairs of the same channel, of other channels of the same region, and
        of channels of other regions; retrieval, the share of rows of ``first`` whose
        most similar row of ``second`` is of the same channel, among rows with pairs of
        both kinds; chance, the same by drawing a row. nan where there are no such
        pairs.
    """
    cosine = first.values @ second.values.T
    if allowed is None:
        allowed = np.ones(cosine.shape, dtype=bool)
    same = allowed & (first.channel[:, None] == second.channel)
    together = first.region[:, None] == second.region
    others = allowed & ~same
    found = [
        _mean(cosine[mask]) for mask in (same, others & together, others & ~together)
    ]
    nearest = np.where(allowed, cosine, -np.inf).argmax(axis=1)
    asked = same.any(axis=1) & others.any(axis=1)
    right = same[np.arange(len(same)), nearest]
    found.append(_mean(right[asked]))
    share = same[asked].sum(axis=1) / allowed[asked].sum(axis=1)
    return dict(zip(MEASURES, found, strict=True)) | {"chance": _mean(share)}


def summarize_pairs(pairs, conditions, *, n_resamples, random_state):
    """Average measures over subjects, with intervals.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Columns model, subject, the conditions, and what `compare_rows` returns.
    conditions : list of str
        Columns that tell conditions apart.
    n_resamples : int
        Number of times that subjects are drawn with replacement.
    random_state : int | RandomState | None
        Seed of the draws.

    Returns
    -------
    frame : pandas.DataFrame
        One row for each model and condition: model, the conditions, each measure and
        the ends of its 95 % interval over subjects, chance and n_subjects. A subject
        without pairs of a kind does not count for it.
    """
    columns = [*MEASURES, "chance"]
    by_subject = pairs.groupby(["model", *conditions, "subject"], sort=False)[columns]
    drawn = {"n_resamples": n_resamples, "random_state": random_state}
    by = ["model", *conditions]
    table = by_subject.mean().unstack("subject")
    table = table.reindex(dict.fromkeys(pairs.set_index(by).index))
    frame = table.index.to_frame(index=False)
    for name in MEASURES:
        scores = _average(table[name].to_numpy())
        bounds = (0 if name == "retrieval" else -1, 1)
        found = describe(
            scores, name, f"{name}_low", f"{name}_high", bounds=bounds, **drawn
        )
        frame = frame.assign(**found)
    sizes = by_subject.size().groupby(by, sort=False).size()
    return frame.assign(
        chance=_average(table["chance"].to_numpy())[:, 0],
        n_subjects=sizes.reindex(table.index).to_numpy(),
    )


def _average(values):
    """Return means over subjects that have a value, (n_conditions, 1 + n_subjects)."""
    known = np.isfinite(values)
    return pool_subjects(np.where(known, values, 0), known.astype(float))


def _mean(values):
    """Return the mean, nan of nothing."""
    return values.mean() if len(values) else np.nan
