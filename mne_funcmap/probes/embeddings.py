"""Embeddings of channels, or of segments, that a model was not trained on."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..baselines.classifiers import UntrainedEmbedder
from ..embedder import FunctionalEmbedder
from ..evaluation.clusters import list_components
from ..identity.vectors import RegionIdentity
from ..recordings.advice import warn_regions
from ..recordings.channels import check_recordings, list_channels
from ..recordings.labelled import read_labels
from ..regions import replace_regions
from .features import SpectrumTransformer


@dataclass(frozen=True)
class HeldOut:
    """What a model makes of the recordings that a fold holds out.

    Attributes
    ----------
    model : str
        Name of the model.
    fold : int
        Number of the fold. Embeddings of two folds are not comparable.
    row : ndarray of int, shape (n_rows,)
        Of which channel each row is.
    values : ndarray of float, shape (n_rows, n_components)
        Embeddings.
    onset : ndarray of float, shape (n_rows,)
        Begin of the segments in seconds; empty for whole channels.
    """

    model: str
    fold: int
    row: np.ndarray
    values: np.ndarray
    onset: np.ndarray


def make_transformers(picks=None, random_state=0):
    """Make the models that probes ask unless others are given.

    Parameters
    ----------
    picks : None | str | list of str
        The ``picks`` of the estimators.
    random_state : int
        Seed.

    Returns
    -------
    models : dict of str to estimator
        The embedding; the same without training; the log power spectrum, and richer
        features; and, as a control, the true region of a channel.
    """
    return {
        "embedding": FunctionalEmbedder(picks=picks, random_state=random_state),
        "untrained": UntrainedEmbedder(picks=picks, random_state=random_state),
        "spectrum": SpectrumTransformer(picks=picks),
        "rich": SpectrumTransformer("rich", picks=picks),
        "region": RegionIdentity(picks=picks),
    }


def annotate(X, y=None, picks=None):
    """Return recordings that have their regions as annotations.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    y : None | list of dict | list of sequence
        Regions instead of the annotations.
    picks : None | str | list of str
        Channels that take part.

    Returns
    -------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The same ones, or copies if y was given.
    """
    recordings = check_recordings(X)
    if y is None:
        return recordings
    channels = list_channels(recordings, picks=picks, y=y)
    return [
        replace_regions(recording, read_labels(channels, index))
        for index, recording in enumerate(recordings)
    ]


def embed_held_out(models, folds, channels, *, by="channel", n_jobs=None):
    """Embed recordings by models that were trained on those of other folds.

    Parameters
    ----------
    models : dict of str to estimator
        Name and unfitted estimator, with ``transform``, or with ``embed_segments``.
    folds : Folds
        The recordings and how they are split.
    channels : Channels
        Their channels.
    by : "channel" | "segment"
        What is embedded.
    n_jobs : int | None
        Number of folds and models that are computed in parallel.

    Returns
    -------
    found : list of HeldOut
        One for each model and fold, in order.

    Raises
    ------
    ValueError
        If a model embeds other channels than take part.
    """
    warn_regions(folds.recordings, channels)
    tasks = [
        (models[name], name, channels, *split, by)
        for name in models
        for split in folds.splits
    ]
    results = folds.run(_embed_fold, tasks, n_jobs=n_jobs, title="models x folds")
    names = [(name, fold) for name in models for fold in range(len(folds.splits))]
    return [
        HeldOut(*name, *result) for name, result in zip(names, results, strict=True)
    ]


def _embed_fold(folds, estimator, name, channels, train, test, by):
    """Train a copy of an estimator, and embed the recordings held out."""
    fitted = folds.fit(estimator, train)
    recordings, _ = folds.take(test)
    rows = [np.flatnonzero(channels.recording == index) for index in test]
    if by == "channel":
        found = fitted.transform(recordings)
        _check_sizes(list(map(len, found)), list(map(len, rows)), name)
        return np.concatenate(rows), np.concatenate(found), np.empty(0)
    frame = fitted.embed_segments(recordings)
    keys = [test[frame["recording"]], frame["ch_name"].to_numpy(str)]
    known = pd.MultiIndex.from_arrays([channels.recording, channels.ch_name])
    row = known.get_indexer(pd.MultiIndex.from_arrays(keys))
    _check_sizes(len(np.unique(row)), sum(map(len, rows)), name)
    return row, frame[list_components(frame)].to_numpy(), frame["onset"].to_numpy()


def _check_sizes(found, expected, name):
    """Raise if a model takes other channels than are listed."""
    if found != expected:
        raise ValueError(
            f"Model {name!r} embeds {np.sum(found)} channels where {np.sum(expected)} "
            "take part. Give the picks of the model."
        )
