"""Whether regions are read, and channels recognized, in other recordings."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..baselines.classifiers import SpectralClassifier
from ..embedder import FunctionalEmbedder
from ..evaluation.folds import make_folds
from ..progress import log_level
from ..recordings.channels import list_channels
from ..splits import get_sessions
from .embeddings import annotate, embed_held_out, make_transformers
from .predictions import read_regions, score_regions
from .similarity import Rows, compare_rows, normalize, summarize_pairs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..hints import Labels, Memory, Models, Picks, Recordings, Seed, Splits, Verbose

ALL = "all"


@log_level
def probe_sessions(
    X: Recordings,
    models: Models | None = None,
    *,
    sessions: ArrayLike | None = None,
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
    """Train on one session, or sleep stage, and read regions in the others.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions.
    models : None | dict of str to estimator
        Name and unfitted estimator, with ``fit`` and ``predict`` on lists of
        recordings. None stands for the embedder, and richer features read by linear
        discriminant analysis.
    sessions : None | sequence of str, shape (n_recordings,)
        The session of each recording; None stands for `get_sessions`, which are the
        tasks where file names tell no session.
    y : None | list of dict | list of sequence
        Regions instead of the annotations.
    groups : None | sequence of str, shape (n_recordings,)
        What is held out as a whole; None stands for the subjects.
    cv : None | cross-validation generator | list of tuple
        The folds; None stands for ``GroupKFold(5)``. Those tested on are held out in
        all their sessions.
    picks : None | str | list of str
        The ``picks`` of the estimators.
    memory : None | str | joblib.Memory
        Folder in which trained models are kept.
    n_jobs : int | None
        Number of folds, sessions and models that are computed in parallel.
    n_resamples : int
        Number of times that subjects are drawn with replacement.
    random_state : int | RandomState | None
        Seed of the draws, and of the default models.
    verbose : bool | str | int | None
        Log level, as in MNE-Python; False hides the progress bar too.

    Returns
    -------
    frame : pandas.DataFrame
        One row for each model, session trained on (or ``"all"``) and session tested
        on: model, train, test, balanced_accuracy of the regions of channels, low and
        high (its 95 % interval over subjects), chance and n_subjects.

    Raises
    ------
    ValueError
        If there are fewer than two sessions, or a fold has nothing to train on in one.

    Notes
    -----
    Sessions may be of other subjects and channels: compare within a column, of one
    session tested on.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.baselines import SpectralClassifier
    >>> from sklearn.model_selection import GroupKFold
    >>> X = mf.simulate_recordings(n_subjects=2, n_sessions=2, duration=10.0)
    >>> models = {"lda": SpectralClassifier(classifier="lda")}
    >>> frame = probe_sessions(X, models, cv=GroupKFold(2), n_resamples=100)
    >>> frame.loc[:3, ["train", "test", "chance", "n_subjects"]]
        train    test  chance  n_subjects
    0  ses-01  ses-01     0.2           2
    1  ses-01  ses-02     0.2           2
    2  ses-02  ses-01     0.2           2
    3  ses-02  ses-02     0.2           2
    """
    folds = make_folds(annotate(X, y, picks), groups=groups, cv=cv, memory=memory)
    sessions, names = _find_sessions(folds.recordings, sessions)
    if models is None:
        models = {
            "embedding": FunctionalEmbedder(picks=picks, random_state=random_state),
            "rich-lda": SpectralClassifier("rich", classifier="lda", picks=picks),
        }
    tasks = [
        (models[model], model, session, sessions, *split, picks)
        for model in models
        for session in [*names, ALL]
        for split in folds.splits
    ]
    found = folds.run(_read_fold, tasks, n_jobs=n_jobs, title="sessions x folds")
    predictions = pd.concat(found, ignore_index=True)
    predictions["test"] = pd.Categorical(predictions["test"], names)
    frame = score_regions(
        predictions,
        ["train", "test"],
        n_resamples=n_resamples,
        random_state=random_state,
    )
    order = {name: at for at, name in enumerate([*models, *names, ALL])}
    return frame.sort_values(
        ["model", "train", "test"], key=lambda of: of.astype(str).map(order)
    ).reset_index(drop=True)


@log_level
def probe_session_similarity(
    X: Recordings,
    models: Models | None = None,
    *,
    sessions: ArrayLike | None = None,
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
    """Compare the embeddings of a channel in two sessions, or sleep stages.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions; channels without one are left out. Channels of
        one subject and name are the same in all of them.
    models : None | dict of str to estimator
        Name and unfitted estimator, with ``fit`` and ``transform``, trained on all
        sessions of other subjects. None stands for the embedder, the same without
        training, spectra and richer features.
    sessions : None | sequence of str, shape (n_recordings,)
        As for `probe_sessions`.
    y, groups, cv, picks, memory, n_jobs, n_resamples, random_state : object
        As for `probe_sessions`.
    verbose : bool | str | int | None
        Log level, as in MNE-Python; False hides the progress bar too.

    Returns
    -------
    frame : pandas.DataFrame
        One row for each model and pair of sessions that a subject has: model, session,
        other_session; and the similarities, retrieval, chance and n_subjects as by
        :func:`~mne_funcmap.probes.probe_stability`, of whole channels.

    Raises
    ------
    ValueError
        If there are fewer than two sessions, or no subject has two.

    Notes
    -----
    What is common to all channels of a session in a fold stays in: it makes sessions
    less alike.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.probes.features import SpectrumTransformer
    >>> from sklearn.model_selection import GroupKFold
    >>> X = mf.simulate_recordings(n_subjects=2, n_sessions=2, duration=10.0)
    >>> models = {"spectrum": SpectrumTransformer()}
    >>> frame = probe_session_similarity(X, models, cv=GroupKFold(2), n_resamples=99)
    >>> frame[["model", "session", "other_session", "chance"]]
          model session other_session  chance
    0  spectrum  ses-01        ses-02    0.05
    """
    folds = make_folds(annotate(X, y, picks), groups=groups, cv=cv, memory=memory)
    sessions, names = _find_sessions(folds.recordings, sessions)
    channels = list_channels(folds.recordings, picks=picks)
    if models is None:
        models = make_transformers(picks, random_state)
        del models["region"]
    found = embed_held_out(models, folds, channels, n_jobs=n_jobs)
    rows = [row for one in found for row in _compare(one, channels, sessions, names)]
    if not rows:
        raise ValueError(
            f"No subject has recordings of two of the sessions {names}. Check the "
            "subject ids, or give sessions."
        )
    return summarize_pairs(
        pd.DataFrame(rows),
        ["session", "other_session"],
        n_resamples=n_resamples,
        random_state=random_state,
    )


def _find_sessions(recordings, sessions):
    """Return the session of each recording, and the names of all."""
    sessions = get_sessions(recordings) if sessions is None else np.asarray(sessions)
    if len(sessions) != len(recordings):
        raise ValueError(
            f"sessions has {len(sessions)} items for {len(recordings)} recordings: "
            "expected one for each."
        )
    names = [str(name) for name in np.unique(sessions)]
    if len(names) < 2:
        raise ValueError(
            f"All recordings are of the session {names[0]!r}: expected two at least. "
            "Give sessions."
        )
    return sessions, names


def _read_fold(folds, estimator, model, session, sessions, train, test, picks):
    """Train on a session, and read the recordings held out."""
    if session != ALL:
        train = train[sessions[train] == session]
    if not len(train):
        raise ValueError(
            f"A fold has no recording of session {session!r} to train on. Leave these "
            "recordings out, or give another cv."
        )
    fitted = folds.fit(estimator, train)
    found = read_regions(fitted, model, folds.take(test)[0], picks, train=session)
    return found.assign(test=sessions[test][found["recording"]])


def _compare(one, channels, sessions, names):
    """Yield the measures of each subject of a fold, for each pair of sessions."""
    known = channels.has_region[one.row]
    row, values = one.row[known], normalize(one.values[known])
    session = sessions[channels.recording[row]]
    for subject in np.unique(channels.subject[row]):
        of_subject = channels.subject[row] == subject
        for pair in combinations(names, 2):
            at = [np.flatnonzero(of_subject & (session == name)) for name in pair]
            if all(map(len, at)):
                rows = [
                    Rows(values[i], channels.ch_name[row[i]], channels.region[row[i]])
                    for i in at
                ]
                yield {
                    "model": one.model,
                    "subject": subject,
                    "session": pair[0],
                    "other_session": pair[1],
                } | compare_rows(*rows)
