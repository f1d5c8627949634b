"""Scores over subjects: out-of-fold predictions, and how far to trust them."""

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from mne.utils import ProgressBar
from sklearn.base import clone

from .recordings import check_recordings, list_channels
from .resampling import check_cv, compare_models, weigh_subjects
from .subjects import get_subjects

CHANNEL = ["subject", "recording", "ch_name"]


def cross_val_regions(
    estimators, X, *, y=None, groups=None, cv=None, picks=None, n_jobs=None
):
    """Predict the regions of channels of subjects that were not trained on.

    Parameters
    ----------
    estimators : dict of str to estimator
        Name and unfitted estimator, with ``fit`` and ``predict`` on lists of
        recordings, such as `FunctionalEmbedder` or a baseline.
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions.
    y : None | list of dict | list of sequence
        Regions instead of the annotations, as in ``fit`` of the estimators.
    groups : None | sequence of str, shape (n_recordings,)
        What is held out as a whole; None stands for the subjects.
    cv : None | cross-validation generator
        The folds, the same for all estimators; None stands for ``GroupKFold(5)``.
    picks : None | str | list of str
        The ``picks`` of the estimators.
    n_jobs : int | None
        Number of folds and estimators that are computed in parallel.

    Returns
    -------
    predictions : pandas.DataFrame
        Out-of-fold predictions of all folds pooled: for every estimator one row for
        each channel with a known region, with model, fold, subject, recording (index
        in X), ch_name, region and predicted.

    Notes
    -----
    Shows a progress bar, unless MNE's log level is above ``"INFO"``.
    """
    recordings = check_recordings(X)
    groups = get_subjects(recordings) if groups is None else np.asarray(groups)
    splits = list(check_cv(cv, groups).split(recordings, groups=groups))
    channels = list_channels(recordings, picks=picks, y=y)
    tasks = [
        (name, fold, train, test)
        for name in estimators
        for fold, (train, test) in enumerate(splits)
    ]
    results = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_predict_fold)(estimators[name], recordings, y, train, test)
        for name, _, train, test in tasks
    )
    progress = ProgressBar(
        results,
        max_value=len(tasks),
        mesg="models x folds",
        which_tqdm="tqdm",
        mininterval=0.5,
    )
    frames = [
        _make_frame(name, fold, test, channels, predicted)
        for (name, fold, _, test), predicted in zip(tasks, progress, strict=True)
    ]
    return pd.concat(frames, ignore_index=True)


def summarize(predictions, *, baselines=(), n_resamples=10_000, random_state=0):
    """Score models, with intervals over subjects and differences to a baseline.

    Parameters
    ----------
    predictions : pandas.DataFrame
        As by `cross_val_regions`.
    baselines : sequence of str
        The models among which the best is what all models are compared to; if empty,
        there are no differences.
    n_resamples : int
        Number of times that subjects are drawn with replacement.
    random_state : int | RandomState | None
        Seed of the draws.

    Returns
    -------
    summary : pandas.DataFrame
        One row for each model, in order: model, balanced_accuracy, low and high (its
        95 % interval), difference, diff_low and diff_high (the same for the difference
        to the best baseline on the same channels), baseline (which that is) and
        chance (of guessing each region equally often).

    Notes
    -----
    Balanced accuracy is the mean over regions of the share of their channels that are
    predicted right, all folds pooled. The intervals are percentiles over draws of
    subjects with replacement, the same draws for all models; a region that is not in
    a draw is left out of it.
    """
    models = list(dict.fromkeys(predictions["model"]))
    right, total = _count_right(predictions, models)
    weights = weigh_subjects(len(total), n_resamples, random_state)
    scores = np.array([_score(weights, counts, total) for counts in right])
    table = compare_models(models, scores, baselines, "balanced_accuracy")
    return pd.DataFrame(table | {"chance": 1 / total.shape[1]})


def _predict_fold(estimator, recordings, y, train, test):
    """Train a copy of an estimator and predict the recordings held out."""
    labels = None if y is None else [y[index] for index in train]
    fitted = clone(estimator).fit([recordings[index] for index in train], labels)
    return fitted.predict([recordings[index] for index in test])


def _make_frame(name, fold, test, channels, predicted):
    """Return predictions of the channels of a fold whose region is known."""
    rows = [np.flatnonzero(channels.recording == index) for index in test]
    if [len(row) for row in rows] != [len(regions) for regions in predicted]:
        raise ValueError(
            f"Model {name!r} predicts {sum(map(len, predicted))} channels where "
            f"{sum(map(len, rows))} take part. Give cross_val_regions the picks of the "
            "model."
        )
    rows, predicted = np.concatenate(rows), np.concatenate(predicted)
    known = channels.has_region[rows]
    rows, predicted = rows[known], predicted[known]
    return pd.DataFrame(
        {
            "model": name,
            "fold": fold,
            "subject": channels.subject[rows],
            "recording": channels.recording[rows],
            "ch_name": channels.ch_name[rows],
            "region": channels.region[rows].astype(str),
            "predicted": predicted.astype(str),
        }
    )


def _count_right(predictions, models):
    """Count channels by subject and region.

    Returns
    -------
    right : list of ndarray, shape (n_subjects, n_regions)
        Channels predicted right, for each model.
    total : ndarray, shape (n_subjects, n_regions)
        Channels.
    """
    correct = predictions["region"] == predictions["predicted"]
    by = [predictions[name] for name in ("model", "subject", "region")]
    right = correct.groupby(by).sum().unstack(fill_value=0)
    total = correct.groupby(by).count().unstack(fill_value=0)
    first = total.loc[models[0]]
    for model in models:
        if not total.loc[model].equals(first):
            raise ValueError(
                f"Models {models[0]!r} and {model!r} were not scored on the same "
                "channels. Predict all of them in one call of cross_val_regions."
            )
    return [right.loc[model].to_numpy() for model in models], first.to_numpy()


def _score(weights, right, total):
    """Return the balanced accuracy of every weighting of the subjects."""
    n_right, n_total = weights @ right, weights @ total
    share = n_right / np.where(n_total > 0, n_total, np.nan)
    return np.nanmean(share, axis=1)
