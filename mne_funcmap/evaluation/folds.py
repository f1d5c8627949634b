"""Folds of recordings: what is computed for each, in parallel, and kept if asked to."""

import os
from collections.abc import Mapping
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from tempfile import TemporaryDirectory

import numpy as np
import sklearn
import torch
from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, check_cv

from .. import __version__
from ..code import hash_code
from ..params import drop_params
from ..progress import track
from ..recordings.advice import told_before
from ..recordings.channels import check_recordings
from ..recordings.keeping import (
    features_kept,
    fingerprint,
    fingerprint_signals,
    open_memory,
)
from ..recordings.reading import check_shareable
from ..subjects import get_subjects
from ..training.parts import as_part

NEEDLESS = ("verbose", "memory", "checkpoint_dir", "n_jobs")  # to know what was trained


@dataclass(frozen=True)
class Folds:
    """Recordings, and how they are split into training and test.

    Attributes
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    y : list | None
        Regions instead of the annotations.
    splits : list of tuple of (ndarray, ndarray)
        Indices of the recordings for training and for test, for each fold.
    keys : list of str
        What tells the recordings apart on disk; empty if nothing is kept.
    memory : joblib.Memory
        Where results are kept.
    """

    recordings: list
    y: list | None
    splits: list
    keys: list
    memory: object

    def __sizeof__(self):
        # a cluster is sent once what it is told to be large, else with every task
        return sum(recording._size for recording in self.recordings)

    def take(self, rows):
        """Return some of the recordings and their regions, as ``fit`` takes them."""
        labels = None if self.y is None else [self.y[row] for row in rows]
        return [self.recordings[row] for row in rows], labels

    def describe(self, n_models):
        """Return how many recordings, folds and models there are, in words."""
        n_folds = len(self.splits)
        return f"{len(self.recordings)} recordings, {n_folds} folds, {n_models} models"

    def run(self, function, tasks, *, n_jobs=None, title=""):
        """Compute something for tasks, and show how far it is.

        Parameters
        ----------
        function : callable
            Takes the folds and what else a task holds.
        tasks : list of tuple
            The tasks.
        n_jobs : int | None
            How many at a time; None stands for 1, or what the joblib backend offers
            that is set by ``joblib.parallel_config``.
        title : str
            Of the progress bar.

        Returns
        -------
        results : list
            One for each task.

        Raises
        ------
        RuntimeError
            If a worker was ended from outside.
        ValueError
            If workers cannot share the recordings.
        """
        check_shareable(self.recordings, n_jobs)
        if effective_n_jobs(n_jobs) > 1:
            function = partial(_run_in_threads, function)
        recordings = track(self.recordings, "recordings")
        signals = [fingerprint_signals(recording) for recording in recordings]
        with TemporaryDirectory(
            prefix="mne_funcmap-", ignore_cleanup_errors=True
        ) as folder:
            features = self.memory.location or folder
            results = Parallel(n_jobs=n_jobs, return_as="generator")(
                delayed(_run)(self, features, signals, function, task) for task in tasks
            )
            try:
                return list(track(results, title, len(tasks)))
            except BrokenExecutor as error:
                raise RuntimeError(
                    f"A worker process was ended from outside, with n_jobs={n_jobs} at "
                    "a time. Often the machine had no memory left: use fewer jobs, or "
                    "recordings that are not loaded. With memory=, the same call goes "
                    "on with what was finished."
                ) from error

    def fit(self, estimator, train):
        """Train a copy of an estimator, or return the one that was kept.

        Parameters
        ----------
        estimator : estimator
            Unfitted.
        train : ndarray of int
            Indices of the recordings.

        Returns
        -------
        fitted : estimator
            The copy.
        """
        key = self.get_key(train, estimator)
        return self.remember(_fit)(estimator, *self.take(train), key)

    def remember(self, function):
        """Return a function that looks up what it has computed before.

        Parameters
        ----------
        function : callable
            Its arguments ``estimator`` and ``recordings`` are not looked at, since a
            key stands for them.

        Returns
        -------
        function : callable
            The same, but for the time it takes.
        """
        return self.memory.cache(function, ignore=["estimator", "recordings"])

    def get_key(self, rows, estimator):
        """Return what a result depends on beside regions."""
        if not self.keys:  # nothing is kept
            return []
        found = [self.keys[row] for row in rows]
        known = drop_params(clone(estimator), NEEDLESS)
        versions = [__version__, torch.__version__, sklearn.__version__]
        return [*versions, *found, known, hash_code(known)]


def _run(folds, features, signals, function, task):
    """Compute something for a task; features of recordings are computed only once."""
    # a temporary folder is not there on the other machines of a cluster
    features = features if os.path.isdir(features) else None
    with features_kept(features, folds.recordings, signals), told_before():
        return function(folds, *task)


def make_folds(X, *, y=None, groups=None, cv=None, memory=None):
    """Split recordings, and prepare to keep results.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    y : None | list of dict | list of sequence
        Regions instead of the annotations.
    groups : None | sequence of str, shape (n_recordings,)
        What is held out as a whole; None stands for the subjects.
    cv : None | cross-validation generator | list of tuple
        The folds; None stands for ``GroupKFold(5)``.
    memory : None | str | joblib.Memory
        Folder in which results are kept.

    Returns
    -------
    folds : Folds
        The folds.
    """
    recordings = check_recordings(X)
    splits = split_recordings(recordings, groups, cv)
    memory = open_memory(memory)
    keys = []
    if memory.location is not None:
        keys = [fingerprint(one) for one in track(recordings, "recordings")]
    return Folds(recordings, None if y is None else list(y), splits, keys, memory)


def split_recordings(recordings, groups=None, cv=None):
    """Split recordings into training and test.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    groups : None | sequence of str, shape (n_recordings,)
        What is held out as a whole; None stands for the subjects.
    cv : None | cross-validation generator | list of tuple
        The folds; None stands for ``GroupKFold(5)``.

    Returns
    -------
    splits : list of tuple of (ndarray, ndarray)
        Indices of the recordings for training and for test, for each fold.

    Raises
    ------
    TypeError
        If cv is a number.
    ValueError
        If there are too few groups, or nothing in a part of a fold.
    """
    if isinstance(cv, Integral):
        raise TypeError(
            f"cv must be a cross-validation generator or a list of splits, got {cv}: "
            "scikit-learn would part the recordings of a subject. Give "
            f"GroupKFold({cv}). See 'Evaluating without leaks' in the user guide."
        )
    groups = get_subjects(recordings) if groups is None else np.asarray(groups)
    if len(groups) != len(recordings):
        raise ValueError(
            f"groups has {len(groups)} items for {len(recordings)} recordings: "
            "expected one for each."
        )
    cv = GroupKFold(5) if cv is None else cv
    n_groups = len(np.unique(groups))
    if isinstance(cv, GroupKFold) and n_groups < 2:
        raise ValueError(
            "All recordings are of one subject, so that none can be held out. Hold out "
            "blocks of time: parts, groups = mne_funcmap.cut_blocks(X, 3, gap=1.0), "
            "with cv=LeaveOneGroupOut(). See 'Evaluating without leaks' in the user "
            "guide."
        )
    if isinstance(cv, GroupKFold) and n_groups < cv.n_splits:
        raise ValueError(
            f"X has recordings of {n_groups} subject(s), too few for {cv.n_splits} "
            "folds. Give more subjects, or cv=GroupKFold(n) with n between 2 and their "
            "number. See 'Evaluating without leaks' in the user guide."
        )
    rows = np.arange(len(recordings))
    splits = check_cv(cv).split(recordings, groups=groups)
    splits = [(rows[train], rows[test]) for train, test in splits]
    if not splits or not all(len(part) for split in splits for part in split):
        sizes = [tuple(map(len, split)) for split in splits]
        raise ValueError(
            f"cv makes folds of (training, test) recordings {sizes}: expected one fold "
            "at least, with a recording in both parts of each."
        )
    return splits


def _run_in_threads(function, *task):
    """Run a task whose own parallel parts stay where it runs.

    A cluster would take each of them for a task of its own, however small.
    """
    with parallel_config("threading", n_jobs=1):
        return function(*task)


def _fit(estimator, recordings, y, key):
    """Train a copy of an estimator; the key is what a memory knows it by."""
    with as_part():
        return clone(estimator).fit(recordings, y)


def check_models(models, method):
    """Raise unless models have names, and are estimators that can be scored.

    Parameters
    ----------
    models : dict of str to estimator
        Name and unfitted estimator.
    method : str
        What they need beside ``fit``.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if not isinstance(models, Mapping):
        raise TypeError(
            "models must be a dict of name to unfitted estimator, got "
            f"{type(models)}: give {{'name': estimator}}."
        )
    for name, model in models.items():
        needed = ("fit", method, "get_params")
        if isinstance(model, type) or not all(hasattr(model, one) for one in needed):
            raise TypeError(
                f"Model {name!r} must be an unfitted estimator of recordings, an "
                f"object with fit and {method}, got {str(model)[:80]!r} of "
                f"{type(model)}."
            )
