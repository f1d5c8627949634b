"""How far embeddings cluster by region: three standard measures, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import cdist

from .intervals import describe, weigh_subjects

if TYPE_CHECKING:
    import pandas as pd

    from ..hints import Seed

CHUNK = 50  # weightings at a time


def measure_clusters(
    frame: pd.DataFrame, *, n_resamples: int = 10_000, random_state: Seed = 0
) -> pd.DataFrame:
    """Measure how far embeddings cluster by region, for each model.

    Parameters
    ----------
    frame : pandas.DataFrame
        Embeddings of channels: model, fold, subject, region, and components c0, c1,
        ..., as by :func:`~mne_funcmap.compare_embedders`. Rows without a region, or
        an embedding, do not count.
    n_resamples : int
        Number of times that subjects are drawn with replacement.
    random_state : int | RandomState | None
        Seed of the draws.

    Returns
    -------
    measures : pandas.DataFrame
        One row for each model with embeddings: model; silhouette (between -1 and 1,
        more is better), davies_bouldin (from 0, less is better) and calinski_harabasz
        (more is better, 1 by chance); and the ends of their 95 % intervals over
        subjects, ``silhouette_low``, ``silhouette_high`` and so on.

    Notes
    -----
    Embeddings of different folds are of different networks, so that measures are
    computed in each fold, and averaged over folds. A fold with fewer than two regions
    does not count. For the intervals each subject is left out in turn from all folds:
    a t bootstrap of what each subject adds, and of fewer than ten subjects t intervals.
    No subject is embedded twice, which would make clusters tighter.
    """
    import pandas as pd

    components = list_components(frame)
    if not components:
        return pd.DataFrame(columns=["model"])
    known = frame[frame["region"].notna() & frame[components].notna().all(axis=1)]
    subjects, subject = np.unique(known["subject"].to_numpy(str), return_inverse=True)
    weights = weigh_subjects(len(subjects))
    known = known.assign(place=subject)
    names, found = [], []
    for model, of_model in known.groupby("model", sort=False):
        folds = [
            _measure_fold(
                of_fold[components].to_numpy(float),
                of_fold["region"].to_numpy(str),
                weights[:, of_fold["place"]],
            )
            for _, of_fold in of_model.groupby("fold")
            if 2 <= of_fold["region"].nunique() < len(of_fold)
        ]
        if folds:
            values = np.ma.masked_invalid(folds).mean(axis=0).filled(np.nan)
            names.append(model)
            found.append(values)
    if not names:
        return pd.DataFrame(columns=["model"])
    columns = {"model": names}
    drawn = {"n_resamples": n_resamples, "random_state": random_state}
    for measure, scores in zip(MEASURES, np.array(found).swapaxes(0, 1), strict=True):
        name = measure.__name__
        columns |= describe(scores, name, f"{name}_low", f"{name}_high", **drawn)
    return pd.DataFrame(columns)


def list_components(frame):
    """Return the names of the components of embeddings in a table, in order."""
    return [name for name in frame if name[:1] == "c" and name[1:].isdigit()]


def silhouette(points, codes, weights):
    """Compute the mean silhouette (Rousseeuw 1987) of weighted points.

    Parameters
    ----------
    points : ndarray, shape (n_points, n_components)
        The points.
    codes : ndarray of int, shape (n_points,)
        The cluster of each.
    weights : ndarray, shape (n_draws, n_points)
        How often each point counts.

    Returns
    -------
    index : ndarray, shape (n_draws,)
        Mean over points of the distance to the nearest other cluster minus that to
        the own, over the larger of the two; 0 for a point that is alone in its
        cluster. nan with fewer than two clusters.
    """
    member = np.eye(codes.max() + 1)[codes]
    total = weights @ member
    distance = cdist(points, points)
    sums = np.einsum("ij,dj,jk->dik", distance, weights, member, optimize=True)
    own = (slice(None), np.arange(len(codes)), codes)
    n_others = total[:, codes] - 1
    within = sums[own] / np.where(n_others > 0, n_others, 1)
    between = np.where(total > 0, sums.swapaxes(0, 1) / total.clip(1), np.inf)
    between = between.swapaxes(0, 1)
    between[own] = np.inf
    nearest = between.min(axis=2)
    larger = np.maximum(nearest, within)
    with np.errstate(invalid="ignore"):
        value = (nearest - within) / np.where(larger > 0, larger, 1)
    value[n_others <= 0] = 0
    few = (total > 0).sum(axis=1) < 2
    value[few] = np.nan
    return (weights * value).sum(axis=1) / weights.sum(axis=1).clip(1)


def davies_bouldin(points, codes, weights):
    """Compute the index of Davies and Bouldin (1979) of weighted points.

    Parameters
    ----------
    points : ndarray, shape (n_points, n_components)
        The points.
    codes : ndarray of int, shape (n_points,)
        The cluster of each.
    weights : ndarray, shape (n_draws, n_points)
        How often each point counts.

    Returns
    -------
    index : ndarray, shape (n_draws,)
        Mean over clusters of the largest ratio of the summed spread of two clusters to
        the distance of their centres. Clusters without weight do not count; nan with
        fewer than two.
    """
    member = np.eye(codes.max() + 1)[codes]
    total = weights @ member
    centres = _find_centres(points, member, weights, total)
    distance = np.linalg.norm(points - centres[:, codes], axis=2)
    spread = (weights * distance) @ member / np.where(total > 0, total, 1)
    between = np.linalg.norm(centres[:, :, None] - centres[:, None], axis=3)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (spread[:, :, None] + spread[:, None]) / between
    absent = total == 0
    ignored = absent[:, :, None] | absent[:, None] | np.eye(len(total[0]), dtype=bool)
    worst = np.where(ignored, 0, ratio).max(axis=2)
    n_clusters = (~absent).sum(axis=1)
    return np.where(n_clusters > 1, worst.sum(axis=1) / n_clusters.clip(1), np.nan)


def calinski_harabasz(points, codes, weights):
    """Compute the index of Calinski and Harabasz (1974) of weighted points.

    Parameters
    ----------
    points : ndarray, shape (n_points, n_components)
        The points.
    codes : ndarray of int, shape (n_points,)
        The cluster of each.
    weights : ndarray, shape (n_draws, n_points)
        How often each point counts.

    Returns
    -------
    index : ndarray, shape (n_draws,)
        Variance between clusters over that within; nan with fewer than two clusters.
    """
    member = np.eye(codes.max() + 1)[codes]
    total = weights @ member
    centres = _find_centres(points, member, weights, total)
    n_points = weights.sum(axis=1)
    mean = weights @ points / n_points.clip(1)[:, None]
    between = (total * np.square(centres - mean[:, None]).sum(axis=2)).sum(axis=1)
    distance = np.square(points - mean[:, None]).sum(axis=2)
    within = (weights * distance).sum(axis=1) - between
    n_clusters = (total > 0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        index = between / (n_clusters - 1) / (within / (n_points - n_clusters))
    return np.where((n_clusters > 1) & (n_points > n_clusters), index, np.nan)


def _find_centres(points, member, weights, total):
    """Return the mean of each cluster, (n_draws, n_clusters, n_components)."""
    sums = np.einsum("dp,pk,pc->dkc", weights, member, points, optimize=True)
    return sums / np.where(total > 0, total, 1)[:, :, None]


def _measure_fold(points, regions, weights):
    """Return the measures of one fold, (n_measures, n_weightings)."""
    codes = np.unique(regions, return_inverse=True)[1]
    chunks = np.split(weights, range(CHUNK, len(weights), CHUNK))
    return [
        np.concatenate([measure(points, codes, chunk) for chunk in chunks])
        for measure in MEASURES
    ]


MEASURES = (silhouette, davies_bouldin, calinski_harabasz)
