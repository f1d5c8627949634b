"""How far embeddings cluster by region: three standard measures, with intervals."""

import numpy as np
from sklearn.metrics import silhouette_samples
from sklearn.utils import check_random_state

from .resampling import weigh_subjects

MEASURES = ("silhouette", "davies_bouldin", "calinski_harabasz")
MAX_RESAMPLES = 1000  # centroids are computed anew in each
CHUNK = 50  # draws at a time


def measure_clusters(frame, *, n_resamples=1000, random_state=0):
    """Measure how far embeddings cluster by region, for each model.

    Parameters
    ----------
    frame : pandas.DataFrame
        Embeddings of channels: model, fold, subject, region, and components c0, c1,
        ..., as by :func:`~mne_funcmap.compare_embedders`. Rows without a region, or
        an embedding, do not count.
    n_resamples : int
        Number of times that subjects are drawn with replacement, 1000 at most.
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
    does not count. The intervals are 1.96 standard deviations of the draws to each
    side: a subject that is drawn twice makes clusters tighter, so that percentiles of
    the draws are off to one side.
    """
    import pandas as pd

    rng = check_random_state(random_state)
    components = list_components(frame)
    if not components:
        return pd.DataFrame(columns=["model"])
    known = frame[frame["region"].notna() & frame[components].notna().all(axis=1)]
    rows = []
    for model, of_model in known.groupby("model", sort=False):
        folds = [
            _measure_fold(
                of_fold[components].to_numpy(float),
                of_fold["region"].to_numpy(str),
                of_fold["subject"].to_numpy(str),
                min(n_resamples, MAX_RESAMPLES),
                rng,
            )
            for _, of_fold in of_model.groupby("fold")
            if 2 <= of_fold["region"].nunique() < len(of_fold)
        ]
        if folds:
            values = np.mean(folds, axis=0)
            row = {"model": model}
            for name, scores in zip(MEASURES, values, strict=True):
                reach = 1.96 * np.nanstd(scores[1:])
                row |= {name: scores[0]}
                row |= {f"{name}_low": scores[0] - reach}
                row |= {f"{name}_high": scores[0] + reach}
            rows.append(row)
    return pd.DataFrame(rows)


def list_components(frame):
    """Return the names of the components of embeddings in a table, in order."""
    return [name for name in frame if name[:1] == "c" and name[1:].isdigit()]


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
        the distance of their centres. Clusters without weight do not count.
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
    return worst.sum(axis=1) / (~absent).sum(axis=1)


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
    mean = weights @ points / n_points[:, None]
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


def _measure_fold(points, regions, subjects, n_resamples, rng):
    """Return the measures of one fold, (3, 1 + n_resamples)."""
    codes = np.unique(regions, return_inverse=True)[1]
    names, subject = np.unique(subjects, return_inverse=True)
    draws = weigh_subjects(len(names), n_resamples, rng)[:, subject]
    silhouettes = draws @ silhouette_samples(points, codes) / draws.sum(axis=1)
    chunks = np.split(draws, range(CHUNK, len(draws), CHUNK))
    return np.array(
        [
            silhouettes,
            np.concatenate([davies_bouldin(points, codes, one) for one in chunks]),
            np.concatenate([calinski_harabasz(points, codes, one) for one in chunks]),
        ]
    )
