"""Embeddings of all subjects in one space, each by a model that has not seen them."""

import numpy as np
from scipy.linalg import orthogonal_procrustes


def embed_aligned(models, folds, channels, *, n_jobs=None):
    """Embed channels by models of other subjects, turned onto one another.

    What the models of two folds make of the channels that both were trained on tells
    the rotation between them. Nothing of the channels held out enters it.

    Parameters
    ----------
    models : dict of str to estimator
        Name and unfitted estimator, with ``transform``.
    folds : Folds
        The recordings and how they are split, each held out once.
    channels : Channels
        Their channels.
    n_jobs : int | None
        Number of folds and models that are computed in parallel.

    Returns
    -------
    embeddings : dict of str to ndarray, shape (n_channels, n_components)
        By model, in the space of the model of the first fold.
    """
    tasks = [(models[name], train) for name in models for train, _ in folds.splits]
    found = folds.run(_embed_all, tasks, n_jobs=n_jobs, title="models x folds")
    n_folds = len(folds.splits)
    return {
        name: align_folds(found[at * n_folds :][:n_folds], folds.splits, channels)
        for at, name in enumerate(models)
    }


def align_folds(values, splits, channels):
    """Take each channel from the fold that holds it out, turned onto the first fold.

    Parameters
    ----------
    values : list of ndarray, shape (n_channels, n_components)
        Embeddings of all channels by the model of each fold.
    splits : list of tuple of (ndarray, ndarray)
        Indices of the recordings for training and for test.
    channels : Channels
        The channels.

    Returns
    -------
    aligned : ndarray, shape (n_channels, n_components)
        One embedding for each channel.

    Raises
    ------
    ValueError
        If the splits do not hold out every recording once, or two models were trained
        on none in common.
    """
    tested = np.concatenate([test for _, test in splits])
    if sorted(tested) != list(range(channels.recording.max() + 1)):
        raise ValueError(
            "cv must hold out every recording once, so that each has an embedding by a "
            "model that has not seen it. Use GroupKFold or LeaveOneGroupOut."
        )
    aligned = np.empty_like(values[0])
    for of_fold, (train, test) in zip(values, splits, strict=True):
        common = np.isin(channels.recording, np.intersect1d(train, splits[0][0]))
        if not common.any():
            raise ValueError(
                "Two folds have no training recording in common, by which to compare "
                "their embeddings. Give a cv with three folds at least."
            )
        rotation, _ = orthogonal_procrustes(of_fold[common], values[0][common])
        rows = np.isin(channels.recording, test)
        aligned[rows] = of_fold[rows] @ rotation
    return aligned


def _embed_all(folds, estimator, train):
    """Train a copy of an estimator, and embed all recordings."""
    return np.concatenate(folds.fit(estimator, train).transform(folds.recordings))
