"""Scores over subjects of models that tell regions apart, and how far to trust them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..progress import log_level, tell
from ..recordings.advice import warn_regions
from ..recordings.channels import list_channels
from .clusters import measure_clusters
from .comparison import compare_models
from .default_models import list_baselines, make_embedders
from .folds import check_models, make_folds
from .intervals import balance, describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from ..hints import Labels, Memory, Models, Picks, Recordings, Seed, Splits, Verbose

CHANNEL = ["subject", "recording", "ch_name"]


@log_level
def compare_embedders(
    X: Recordings,
    models: Models | None = None,
    *,
    y: Labels | None = None,
    groups: ArrayLike | None = None,
    cv: Splits | None = None,
    picks: Picks = None,
    baselines: Sequence[str] | None = None,
    memory: Memory = None,
    n_jobs: int | None = None,
    n_resamples: int = 10_000,
    random_state: Seed = 0,
    verbose: Verbose = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare models that tell the region of a channel, on the same folds.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions.
    models : None | dict of str to estimator
        Name and unfitted estimator, with ``fit`` and ``predict`` on lists of
        recordings. None stands for the embedder and the same network trained with
        cross-entropy, each without and with the other channels as context, the
        embedder without training, and plain baselines: spectra and
        richer features, read by linear discriminant analysis, logistic regression and
        nearest neighbours; and the commonest region.
    y : None | list of dict | list of sequence
        Regions instead of the annotations, as in ``fit`` of the estimators.
    groups : None | sequence of str, shape (n_recordings,)
        What is held out as a whole; None stands for the subjects.
    cv : None | cross-validation generator | list of tuple
        The folds, the same for all models; None stands for ``GroupKFold(5)``. With
        groups by `cut_blocks`, `cut_channels` or `get_sessions`, other times, channels
        or sessions are held out.
    picks : None | str | list of str
        The ``picks`` of the estimators.
    baselines : None | sequence of str
        The models among which the best is what all are compared to; None stands for
        those of class `SpectralClassifier`.
    memory : None | str | joblib.Memory
        Folder in which trained models are kept. A call that was cut off goes on from
        there, and one with further models trains only these.
    n_jobs : int | None
        Number of folds and models that are computed in parallel.
    n_resamples : int
        Number of times that subjects are drawn with replacement.
    random_state : int | RandomState | None
        Seed of the draws, and of the default models.
    verbose : bool | str | int | None
        Log level, as in MNE-Python; False hides the progress bar too.

    Returns
    -------
    frame : pandas.DataFrame
        One row for each model and each channel with a known region, of a fold that it
        was held out in: model, fold, subject, recording (index in X), ch_name, region
        and predicted; n_segments and n_segments_right, of the segments read one by
        one; and the embedding c0, c1, ..., nan for models without one.
    summary : pandas.DataFrame
        One row for each model, as by :func:`~mne_funcmap.evaluation.summarize`;
        ``summary.attrs["baselines"]`` names the baselines.

    Raises
    ------
    ValueError
        If there are too few subjects for the folds, or what the models raise.

    See Also
    --------
    compare_identities : The same for reconstruction.
    mne_funcmap.evaluation.permutation_test : The test against chance.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.baselines import SpectralClassifier
    >>> from sklearn.model_selection import GroupKFold
    >>> X = mf.simulate_recordings(n_subjects=4, n_sessions=1, duration=20.0)
    >>> models = {
    ...     "embedding": mf.FunctionalEmbedder(max_epochs=5),
    ...     "spectrum-lda": SpectralClassifier(classifier="lda"),
    ... }
    >>> frame, summary = mf.compare_embedders(X, models, cv=GroupKFold(2))
    >>> summary[["model", "baseline", "chance"]]
              model      baseline  chance
    0     embedding  spectrum-lda     0.2
    1  spectrum-lda  spectrum-lda     0.2
    """
    if models is None:
        models = make_embedders(random_state)
    check_models(models, "predict")
    if baselines is None:
        baselines = list_baselines(models)
    frame = cross_val_regions(
        models,
        X,
        y=y,
        groups=groups,
        cv=cv,
        picks=picks,
        memory=memory,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    summary = summarize(
        frame, baselines=baselines, n_resamples=n_resamples, random_state=random_state
    )
    summary.attrs["baselines"] = list(baselines)
    return frame, summary


@log_level
def cross_val_regions(
    estimators: Models,
    X: Recordings,
    *,
    y: Labels | None = None,
    groups: ArrayLike | None = None,
    cv: Splits | None = None,
    picks: Picks = None,
    memory: Memory = None,
    n_jobs: int | None = None,
    verbose: Verbose = None,
) -> pd.DataFrame:
    """Predict the regions of channels that were not trained on.

    Parameters
    ----------
    estimators : dict of str to estimator
        As ``models`` of :func:`~mne_funcmap.compare_embedders`.
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions.
    y, groups, cv, picks, memory, n_jobs : object
        As for :func:`~mne_funcmap.compare_embedders`.
    verbose : bool | str | int | None
        Log level, as in MNE-Python; False hides the progress bar too.

    Returns
    -------
    frame : pandas.DataFrame
        As by :func:`~mne_funcmap.compare_embedders`. What a model has no method for is
        missing, or nan where others have it.
    """
    check_models(estimators, "predict")
    if not estimators:
        raise ValueError("There is no model to score: models is an empty dict.")
    folds = make_folds(X, y=y, groups=groups, cv=cv, memory=memory)
    channels = list_channels(folds.recordings, picks=picks, y=y)
    warn_regions(folds.recordings, channels)
    tasks = [
        (estimators[name], *split) for name in estimators for split in folds.splits
    ]
    tell(folds.describe(len(estimators)), verbose)
    results = folds.run(_predict_fold, tasks, n_jobs=n_jobs, title="models x folds")
    names = [(name, fold) for name in estimators for fold in range(len(folds.splits))]
    frames = [
        _make_frame(name, fold, test, channels, result)
        for (name, fold), (*_, test), result in zip(names, tasks, results, strict=True)
    ]
    return pd.concat(frames, ignore_index=True)


def summarize(
    predictions: pd.DataFrame,
    *,
    baselines: Sequence[str] = (),
    n_resamples: int = 10_000,
    random_state: Seed = 0,
) -> pd.DataFrame:
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
        One row for each model, in order: model; balanced_accuracy, low and high (its
        95 % interval); difference, diff_low and diff_high (the same for the difference
        to the best baseline on the same channels), baseline (which that is), p_value
        and p_holm (of that difference: Wilcoxon's signed rank test over subjects, and
        corrected by Holm for the number of models); chance (of guessing each region
        equally often); accuracy (share of all channels) and majority (that of always
        saying the commonest region); segment_accuracy, segment_low and segment_high
        (balanced accuracy of segments read one by one); and for embeddings silhouette,
        davies_bouldin and calinski_harabasz with their intervals (see
        :func:`~mne_funcmap.evaluation.measure_clusters`).

    Notes
    -----
    Balanced accuracy is the mean over regions of the share of their channels that are
    predicted right, all folds pooled. The intervals are over subjects, who are
    independent, not over channels: by a t bootstrap, and of fewer than ten subjects, or
    where half score the same, by Korn and Graubard (1998); those of differences are
    paired. For the test, a subject's score is the share of its channels that are right,
    each weighted by one over the number of its region.
    """
    models = list(dict.fromkeys(predictions["model"]))
    correct = (predictions["region"] == predictions["predicted"]).astype(float)
    right, total = _count(predictions, correct, np.ones(len(correct)), models)
    drawn = {"n_resamples": n_resamples, "random_state": random_state}
    table = compare_models(
        models,
        balance(right, total),
        baselines,
        "balanced_accuracy",
        by_subject=_score_subjects(right, total),
        bounds=(0, 1),
        **drawn,
    )
    of_region = total.sum(axis=0)
    table["chance"] = 1 / len(of_region)
    table["accuracy"] = right.sum(axis=(1, 2)) / of_region.sum()
    table["majority"] = of_region.max() / of_region.sum()
    if "n_segments" in predictions:
        table |= _score_segments(predictions, models, drawn)
    summary = pd.DataFrame(table)
    clusters = measure_clusters(predictions, **drawn)
    return summary.merge(clusters, how="left") if len(clusters) else summary


def find_predicted(name, test, channels, predicted):
    """Find the channels that a model has predicted, or say that these are others.

    Parameters
    ----------
    name : str
        The model, for messages.
    test : ndarray of int
        Indices of the recordings.
    channels : Channels
        The channels of all recordings.
    predicted : list of ndarray, shape (n_channels,)
        What was predicted of each recording.

    Returns
    -------
    rows : ndarray of int
        Their rows in the table.
    """
    rows = [np.flatnonzero(channels.recording == index) for index in test]
    if [len(row) for row in rows] != [len(regions) for regions in predicted]:
        raise ValueError(
            f"Model {name!r} predicts {sum(map(len, predicted))} channels "
            f"where {sum(map(len, rows))} take part. Give the picks of the model."
        )
    return np.concatenate(rows)


def _predict_fold(folds, estimator, train, test):
    """Train a copy of an estimator, and read the recordings held out."""
    fitted = folds.fit(estimator, train)
    recordings, _ = folds.take(test)
    found = {"predicted": fitted.predict(recordings)}
    if hasattr(fitted, "predict_segments"):
        found["segments"] = fitted.predict_segments(recordings)
    if hasattr(fitted, "transform"):
        found["embeddings"] = fitted.transform(recordings)
    return found


def _make_frame(name, fold, test, channels, found):
    """Return predictions of the channels of a fold whose region is known."""
    rows = find_predicted(name, test, channels, found["predicted"])
    frame = pd.DataFrame(
        {
            "model": name,
            "fold": fold,
            "subject": channels.subject[rows],
            "recording": channels.recording[rows],
            "ch_name": channels.ch_name[rows],
            "region": channels.region[rows],
            "predicted": np.concatenate(found["predicted"]).astype(str),
        }
    )
    if "segments" in found:
        frame = frame.assign(**_count_segments(frame, found["segments"], test))
    if "embeddings" in found:
        values = np.concatenate(found["embeddings"])
        names = [f"c{i}" for i in range(values.shape[1])]
        frame = pd.concat([frame, pd.DataFrame(values, columns=names)], axis=1)
    return frame[channels.has_region[rows]].astype({"region": str})


def _count_segments(frame, segments, test):
    """Count the segments of channels, and those whose region is read right."""
    # a recording of the fold by its place in the fold, as the model numbers them
    place = {index: at for at, index in enumerate(test)}
    at = [frame["recording"].map(place), frame["ch_name"]]
    by = [segments["recording"], segments["ch_name"]]
    predicted = segments.groupby(by)["predicted"]
    wanted = pd.MultiIndex.from_arrays(at)
    truth = pd.Series(frame["region"].to_numpy(), index=wanted)
    of_segment = truth.reindex(pd.MultiIndex.from_arrays(by)).to_numpy()
    right = pd.Series(of_segment == segments["predicted"].to_numpy())
    n_right = right.groupby([by[0].to_numpy(), by[1].to_numpy()]).sum()
    return {
        "n_segments": predicted.size().reindex(wanted).to_numpy(),
        "n_segments_right": n_right.reindex(wanted).to_numpy(),
    }


def _count(predictions, right, total, models):
    """Sum what is right, and all there is, by subject and region.

    Returns
    -------
    right : ndarray, shape (n_models, n_subjects, n_regions)
        What is right by each model.
    total : ndarray, shape (n_subjects, n_regions)
        All.
    """
    counts = predictions[["model", "subject", "region"]]
    counts = counts.assign(right=np.asarray(right), total=np.asarray(total))
    by = counts.groupby(["model", "subject", "region"]).sum().unstack(fill_value=0)
    first = by["total"].loc[models[0]]
    for model in models:
        if not by["total"].loc[model].equals(first):
            raise ValueError(
                f"Models {models[0]!r} and {model!r} were not scored on the same "
                "channels. Predict all of them in one call of cross_val_regions."
            )
    found = [by["right"].loc[model].to_numpy() for model in models]
    return np.array(found, dtype=float), first.to_numpy(dtype=float)


def _score_subjects(right, total):
    """Return accuracies in which regions count equally, (n_models, n_subjects)."""
    weight = 1 / total.sum(axis=0)
    return right @ weight / (total @ weight)


def _score_segments(predictions, models, drawn):
    """Return the balanced accuracy of segments of the models that read them."""
    names = "segment_accuracy", "segment_low", "segment_high"
    columns = {name: np.full(len(models), np.nan) for name in names}
    read = predictions[predictions["n_segments"].notna()]
    for row, model in enumerate(models):
        own = read[read["model"] == model]
        if len(own):  # segments of models may differ in length, and so in number
            counted = _count(own, own["n_segments_right"], own["n_segments"], [model])
            found = describe(balance(*counted), *names, bounds=(0, 1), **drawn)
            for name in names:
                columns[name][row] = found[name][0]
    return columns
