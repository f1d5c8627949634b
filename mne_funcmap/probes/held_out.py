"""Embeddings of channels by networks that have not seen their subjects."""

import numpy as np


def embed_held_out(folds, models, channels, *, n_jobs=None):
    """Embed every recording by models that were trained on the others.

    Parameters
    ----------
    folds : Folds
        The recordings and how they are split.
    models : dict of str to estimator
        Name and unfitted estimator, with ``transform`` to a list of arrays.
    channels : Channels
        The channels of all recordings that take part.
    n_jobs : int | None
        Number of folds and models that are computed in parallel.

    Returns
    -------
    embedded : dict of str to list of (ndarray of int, list of ndarray)
        For each model and fold, the recordings held out, by index, and their
        embeddings, (n_channels, n_components).

    Raises
    ------
    ValueError
        If a model embeds other channels than those that take part.
    """
    tasks = [(models[name], *split) for name in models for split in folds.splits]
    found = folds.run(_embed_fold, tasks, n_jobs=n_jobs, title="models x folds")
    n_channels = np.bincount(channels.recording, minlength=len(folds.recordings))
    names = [name for name in models for _ in folds.splits]
    embedded = {name: [] for name in models}
    for name, (*_, test), embeddings in zip(names, tasks, found, strict=True):
        n_found = [len(values) for values in embeddings]
        if n_found != n_channels[test].tolist():
            raise ValueError(
                f"Model {name!r} embeds {sum(n_found)} channels where "
                f"{n_channels[test].sum()} take part. Give the picks of the model."
            )
        embedded[name].append((test, embeddings))
    return embedded


def _embed_fold(folds, estimator, train, test):
    """Train a copy of an estimator, and embed the recordings held out."""
    return folds.fit(estimator, train).transform(folds.take(test)[0])
