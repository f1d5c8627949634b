"""How well the subject, or the recording, is read from what should not tell it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from ..embedding.metrics import balanced_accuracy
from ..evaluation.comparison import compare_models
from ..evaluation.folds import make_folds
from ..evaluation.intervals import pool_subjects
from ..identity.vectors import RegionIdentity
from ..progress import log_level
from ..recordings.channels import list_channels
from ..splits import number_parts
from .embeddings import annotate, embed_held_out, make_transformers

if TYPE_CHECKING:
    from typing import Literal

    from numpy.typing import ArrayLike

    from ..hints import Labels, Memory, Models, Picks, Recordings, Seed, Splits, Verbose

TARGETS = ("subject", "recording")


@log_level
def probe_subject(
    X: Recordings,
    models: Models | None = None,
    *,
    target: Literal["subject", "recording"] = "subject",
    n_parts: int = 4,
    y: Labels | None = None,
    groups: ArrayLike | None = None,
    cv: Splits | None = None,
    picks: Picks = None,
    memory: Memory = None,
    n_jobs: int | None = None,
    n_resamples: int = 10_000,
    random_state: Seed = 0,
    verbose: Verbose = None,
) -> pd.DataFrame:
    """Read from which subject, or which recording of it, an embedding is.

    The model is trained on some subjects and embeds the channels of others, as many as
    a fold holds out. A linear discriminant analysis is then trained to tell these from
    each other on some of their channels, and asked about the rest.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions.
    models : None | dict of str to estimator
        Name and unfitted estimator, with ``fit`` and ``transform`` on lists of
        recordings. None stands for the embedder, the same without training, spectra,
        richer features, and the true region as a control.
    target : "subject" | "recording"
        What is read: the subject among those held out, or the recording among those of
        the subject, one subject at a time and on channels that are in all of them.
    n_parts : int
        Every ``n_parts``-th channel of a region of a subject is asked about together.
        A channel is in the same part in all recordings.
    y : None | list of dict | list of sequence
        Regions instead of the annotations.
    groups : None | sequence of str, shape (n_recordings,)
        What is held out as a whole; None stands for the subjects.
    cv : None | cross-validation generator | list of tuple
        The folds; None stands for ``GroupKFold(5)``.
    picks : None | str | list of str
        The ``picks`` of the estimators.
    memory : None | str | joblib.Memory
        Folder in which trained models are kept.
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
        Two rows for each model: model, target; centred, whether the mean of the
        region in the fold was taken off each channel; balanced_accuracy, low and high
        (its 95 % interval over subjects); the difference to the control and its test
        as by :func:`~mne_funcmap.compare_embedders`, if `RegionIdentity` is among the
        models; chance, and n_subjects.

    Raises
    ------
    ValueError
        If a fold does not hold out two subjects, or no subject has two recordings,
        with two channels.

    Notes
    -----
    Balanced accuracy is the mean over subjects of the share of their channels (for
    recordings, of the mean over recordings) that is read right; chance is the mean of
    one over the number of subjects of the fold (of recordings of the subject).

    Part of the subject may be told by any embedding of regions: by which regions were
    implanted. The control shows how much; and with the mean of the regions taken off,
    an embedding that depends on the region alone is at chance. Neighbouring bipolar
    channels can share a contact and fall in different parts: what is read is the
    subject as it was recorded.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from sklearn.model_selection import GroupKFold
    >>> X = mf.simulate_recordings(n_subjects=4, n_sessions=1, duration=10.0)
    >>> frame = probe_subject(X, cv=GroupKFold(2), n_resamples=100)
    >>> frame.loc[frame["model"] == "region", ["centred", "balanced_accuracy"]]
       centred  balanced_accuracy
    4    False                0.5
    9     True                0.5
    """
    if target not in TARGETS:
        raise ValueError(f"target must be one of {TARGETS}, got {target!r}.")
    folds = make_folds(annotate(X, y, picks), groups=groups, cv=cv, memory=memory)
    channels = list_channels(folds.recordings, picks=picks)
    if models is None:
        models = make_transformers(picks, random_state)
    found = embed_held_out(models, folds, channels, n_jobs=n_jobs)
    part = number_parts(channels, n_parts)
    scores = pd.concat(
        [
            _score_fold(one, channels, part, target).assign(model=one.model)
            for one in found
        ]
    )
    if scores.empty:
        raise ValueError(
            "No subject has two recordings with two channels that are in all of them: "
            "expected one at least, to tell its recordings apart."
        )
    controls = [name for name in models if isinstance(models[name], RegionIdentity)]
    tables = [
        _summarize(of_one, controls, n_resamples, random_state)
        for _, of_one in scores.groupby("centred")
    ]
    frame = pd.concat(tables, ignore_index=True)
    frame.insert(1, "target", target)
    return frame


def predict_parts(values, labels, part):
    """Predict the label of rows by a classifier trained on the other parts.

    Parameters
    ----------
    values : ndarray, shape (n_rows, n_components)
        Embeddings.
    labels : ndarray, shape (n_rows,)
        What is read.
    part : ndarray of int, shape (n_rows,)
        Rows of one part are predicted together.

    Returns
    -------
    predicted : ndarray, shape (n_rows,)
        Labels, by linear discriminant analysis with automatic shrinkage in which all
        labels are equally probable.
    """
    predicted = np.empty_like(labels)
    for one in np.unique(part):
        test = part == one
        n_labels = len(np.unique(labels[~test]))
        classifier = LinearDiscriminantAnalysis(
            "lsqr", shrinkage="auto", priors=np.full(n_labels, 1 / n_labels)
        )
        with warnings.catch_warnings():
            # a label with one row: its covariance counts as zero
            warnings.filterwarnings("ignore", "Only one sample available")
            classifier.fit(values[~test], labels[~test])
        predicted[test] = classifier.predict(values[test])
    return predicted


def centre_regions(values, region):
    """Take the mean of its region off each row.

    Parameters
    ----------
    values : ndarray, shape (n_rows, n_components)
        Embeddings.
    region : ndarray of str, shape (n_rows,)
        Regions.

    Returns
    -------
    centred : ndarray, shape (n_rows, n_components)
        What the region does not tell.
    """
    codes = np.unique(region, return_inverse=True)[1]
    member = np.eye(codes.max() + 1)[codes]
    means = member.T @ values / member.sum(axis=0)[:, None]
    return values - means[codes]


def _score_fold(one, channels, part, target):
    """Return the share of each subject of a fold that is read right."""
    region = channels.region[one.row].astype(str)  # unknown ones are a region too
    table = pd.DataFrame(
        {
            "subject": channels.subject[one.row],
            "recording": channels.recording[one.row],
            "ch_name": channels.ch_name[one.row],
            "part": part[one.row],
        }
    )
    usable = _find_usable(table, target).to_numpy()
    read = _read_subjects if target == "subject" else _read_recordings
    of_all = [one.values, centre_regions(one.values, region)]
    scores = [read(table[usable], values[usable]) for values in of_all]
    scores = zip((False, True), scores, strict=True)
    return pd.concat([table.assign(centred=centred) for centred, table in scores])


def _find_usable(table, target):
    """Find the channels of subjects that can be parted."""
    of_subject = table.groupby("subject")
    usable = of_subject["ch_name"].transform("nunique") > 1
    if target == "recording":
        n_recordings = of_subject["recording"].transform("nunique")
        of_channel = table.groupby(["subject", "ch_name"])["recording"]
        everywhere = of_channel.transform("nunique") == n_recordings
        names = table["ch_name"].where(everywhere).groupby(table["subject"])
        usable = everywhere & (n_recordings > 1) & (names.transform("nunique") > 1)
    return usable


def _read_subjects(table, values):
    """Return the score of each subject among those of the fold, and chance."""
    subject = table["subject"].to_numpy(str)
    n_subjects = len(np.unique(subject))
    if n_subjects < 2:
        raise ValueError(
            f"A fold holds out {n_subjects} subject(s) with two channels: expected two "
            "at least, to tell them apart. Give a cv with fewer folds."
        )
    predicted = predict_parts(values, subject, table["part"].to_numpy())
    right = pd.DataFrame({"subject": subject, "score": predicted == subject})
    scores = right.groupby("subject", as_index=False).mean()
    return scores.assign(chance=1 / n_subjects)


def _read_recordings(table, values):
    """Return the score of each subject with several recordings, and chance."""
    rows = []
    for subject, of_one in table.groupby("subject"):
        recording = of_one["recording"].to_numpy()
        place = table.index.get_indexer(of_one.index)
        predicted = predict_parts(values[place], recording, of_one["part"].to_numpy())
        score = balanced_accuracy(recording, predicted)
        rows.append((subject, score, 1 / len(np.unique(recording))))
    return pd.DataFrame(rows, columns=["subject", "score", "chance"])


def _summarize(scores, controls, n_resamples, random_state):
    """Return one row for each model, with intervals over subjects."""
    models = list(dict.fromkeys(scores["model"]))
    by = scores.pivot_table("score", "model", "subject").loc[models].to_numpy()
    columns = compare_models(
        models,
        pool_subjects(by, np.ones(by.shape)),
        controls,
        "balanced_accuracy",
        by_subject=by,
        bounds=(0, 1),
        n_resamples=n_resamples,
        random_state=random_state,
    )
    frame = pd.DataFrame(columns)
    frame.insert(1, "centred", scores["centred"].iloc[0])
    chance = scores.drop_duplicates("subject")["chance"].mean()
    return frame.assign(chance=chance, n_subjects=by.shape[1])
