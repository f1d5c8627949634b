"""Scores of reconstructors on subjects held out, and how far to trust them."""

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from mne.io import BaseRaw
from sklearn.base import clone

from .folds import split_recordings
from .recordings import check_recordings
from .resampling import compare_models, weigh_subjects
from .subjects import get_subject, get_subjects

ADAPTED = "adapted"


def split_begin(recording, seconds):
    """Split a recording in time.

    Parameters
    ----------
    recording : mne.io.Raw
        The recording.
    seconds : float
        Where.

    Returns
    -------
    begin, rest : mne.io.Raw
        Copies of what is before and after.

    Raises
    ------
    ValueError
        If it is not Raw, or too short.
    """
    if not isinstance(recording, BaseRaw) or recording.times[-1] <= seconds:
        raise ValueError(
            f"Expected Raw of more than {seconds:g} s, the first of which tell what "
            f"channels are, got {recording!r}. Leave it out, or set other seconds."
        )
    step = 1 / recording.info["sfreq"]
    begin = recording.copy().crop(0, seconds - step)
    return begin, recording.copy().crop(seconds)


def cross_val_reconstruct(
    estimators, X, *, groups=None, cv=None, seconds=10.0, n_jobs=None
):
    """Reconstruct every region of subjects that were not trained on.

    All models know the same: the first seconds of each recording held out, as
    ``reference``; and they are scored on the rest. One that can be adapted is also
    scored after it has adapted to these seconds.

    Parameters
    ----------
    estimators : dict of str to estimator
        Name and unfitted reconstructor.
    X : list of mne.io.Raw
        The recordings, with regions.
    groups : None | sequence of str, shape (n_recordings,)
        What is held out as a whole, and counts as a subject; None stands for the
        subjects.
    cv : None | cross-validation generator
        The folds, the same for all estimators; None stands for ``GroupKFold(5)``.
    seconds : float
        How long the reference is.
    n_jobs : int | None
        Number of folds and estimators that are computed in parallel.

    Returns
    -------
    scores : pandas.DataFrame
        For every estimator one row for each channel of a recording with two regions
        at least, as by ``evaluate``, with model and fold.
    """
    recordings = check_recordings(X)
    splits = split_recordings(recordings, groups, cv)
    groups = get_subjects(recordings) if groups is None else np.asarray(groups)
    tasks = [(name, fold) for name in estimators for fold in range(len(splits))]
    found = Parallel(n_jobs=n_jobs)(
        delayed(_score_fold)(
            name, estimators[name], recordings, groups, *splits[fold], seconds
        )
        for name, fold in tasks
    )
    frames = [
        frame.assign(fold=fold)
        for (_, fold), of_task in zip(tasks, found, strict=True)
        for frame in of_task
    ]
    return pd.concat(frames, ignore_index=True)


def summarize_reconstruction(scores, *, baselines=(), n_resamples=2000, random_state=0):
    """Average scores over subjects, with intervals and differences to a baseline.

    Parameters
    ----------
    scores : pandas.DataFrame
        As by `cross_val_reconstruct`.
    baselines : sequence of str
        The models among which the best is what all are compared to; if empty, there
        are no differences.
    n_resamples : int
        Number of times that subjects are drawn with replacement.
    random_state : int | RandomState | None
        Seed of the draws.

    Returns
    -------
    summary : pandas.DataFrame
        One row for each model: model, r (mean over channels), low and high (its 95 %
        interval), nmse (median over channels), difference, diff_low and diff_high
        (the same for r minus that of the best baseline on the same channels), and
        baseline (which that is).
    """
    models = list(dict.fromkeys(scores["model"]))
    by_subject = scores.groupby(["model", "subject"])["r"].agg(["sum", "count"])
    sums = by_subject["sum"].unstack().loc[models].to_numpy()
    counts = by_subject["count"].unstack().loc[models].to_numpy()
    if not (counts == counts[0]).all():
        raise ValueError("Models were not scored on the same channels.")
    weights = weigh_subjects(sums.shape[1], n_resamples, random_state)
    means = (sums @ weights.T) / (counts @ weights.T)
    table = pd.DataFrame(compare_models(models, means, baselines, "r"))
    nmse = scores.groupby("model")["nmse"].median()
    return table.assign(nmse=nmse.loc[models].to_numpy())


def _score_fold(name, estimator, recordings, groups, train, test, seconds):
    """Train a model and score it on the recordings held out; then adapted."""
    fitted = clone(estimator).fit([recordings[index] for index in train])
    begins, rests = zip(
        *(split_begin(recordings[index], seconds) for index in test), strict=True
    )
    scored = {name: fitted.evaluate(list(rests), reference=list(begins))}
    if _can_adapt(fitted, begins):
        adapted = fitted.adapt(list(begins))
        scored[f"{name}, {ADAPTED}"] = adapted.evaluate(list(rests))
    frames = []
    for model, frame in scored.items():
        recording = np.asarray(test)[frame["recording"]]
        frame = frame.assign(model=model, recording=recording)
        frames.append(frame.assign(subject=groups[recording]))
    return frames


def _can_adapt(model, recordings):
    """Say whether a fitted model can be adapted to recordings."""
    return (
        hasattr(model, "adapt")
        and (model.query, model.architecture) == ("channel", "mixed")
        and None not in map(get_subject, recordings)
    )
