"""Do channels of a region that was never trained on lie together, over subjects?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from ..evaluation.folds import make_folds
from ..evaluation.intervals import describe, pool_subjects
from ..evaluation.permutation import label_recordings
from ..progress import log_level
from ..recordings.advice import warn_regions
from ..recordings.channels import list_channels

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..hints import Labels, Memory, Models, Picks, Recordings, Seed, Splits, Verbose

MEASURES = ("average_precision", "precision_at_1", "auc")


@log_level
def probe_unseen_regions(
    X: Recordings,
    models: Models,
    *,
    n_unseen: int = 8,
    n_draws: int = 10,
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
    """Measure whether embeddings bring together regions that were not trained on.

    In every draw some regions are left out of the training, together with the subjects
    held out. Each channel of these subjects in these regions then asks which of the
    channels of the other subjects in these regions are most similar to it.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions.
    models : dict of str to estimator
        Name and unfitted estimator, with ``fit`` and ``transform`` on lists of
        recordings, such as `FunctionalEmbedder` and `SpectrumTransformer`.
    n_unseen : int
        Number of regions that are left out of the training, 2 at least.
    n_draws : int
        How often these regions are drawn.
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
        Number of fits that are done in parallel.
    n_resamples : int
        Number of times that subjects are drawn with replacement.
    random_state : int | RandomState | None
        Seed.
    verbose : bool | str | int | None
        Log level, as in MNE-Python; False hides the progress bar too.

    Returns
    -------
    frame : pandas.DataFrame
        One row for each model and measure: model; measure (``"average_precision"``,
        ``"precision_at_1"``, ``"auc"``); score, its mean over the channels that ask,
        low and high (the 95 % interval over subjects); chance, of similarities that
        tell nothing; n_queries, n_subjects and n_draws.

    Raises
    ------
    ValueError
        If too few regions are known, no channel finds another of its region in another
        subject, or what the models raise.

    Notes
    -----
    Similarity is the cosine. Only channels of one fold are compared, which one network
    has embedded. A channel counts if other subjects of the fold have channels of its
    region and of another unseen one. Intervals are over the subjects that ask; those
    that are found stay as they are.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.probes.features import SpectrumTransformer
    >>> from mne_funcmap.probes.unseen_regions import probe_unseen_regions
    >>> from sklearn.model_selection import GroupKFold
    >>> X = mf.simulate_recordings(n_subjects=4, n_sessions=1, duration=20.0)
    >>> models = {"spectrum": SpectrumTransformer()}
    >>> frame = probe_unseen_regions(
    ...     X, models, n_unseen=2, n_draws=2, cv=GroupKFold(2)
    ... )
    >>> frame[["model", "measure", "n_subjects"]]
          model            measure  n_subjects
    0  spectrum  average_precision           4
    1  spectrum     precision_at_1           4
    2  spectrum                auc           4
    """
    folds = make_folds(X, y=y, groups=groups, cv=cv, memory=memory)
    channels = list_channels(folds.recordings, picks=picks, y=y)
    warn_regions(folds.recordings, channels)
    draws = draw_regions(channels, n_unseen, n_draws, random_state)
    tasks = [
        (estimator, unseen, channels, *split)
        for estimator in models.values()
        for unseen in draws
        for split in folds.splits
    ]
    found = folds.run(_query_fold, tasks, n_jobs=n_jobs, title="models x draws x folds")
    queries = pd.concat(found, keys=range(len(found)), names=["task"]).reset_index()
    if not len(queries):
        raise ValueError(
            "No channel of an unseen region finds others of its region in another "
            "subject of its fold. Use fewer folds, or more unseen regions."
        )
    per_model = len(draws) * len(folds.splits)
    queries["model"] = np.array([*models], dtype=object)[queries["task"] // per_model]
    frame = summarize_queries(
        queries, n_resamples=n_resamples, random_state=random_state
    )
    return frame.assign(n_draws=n_draws)


def draw_regions(channels, n_unseen, n_draws, random_state):
    """Draw the regions that are left out of the training.

    Parameters
    ----------
    channels : Channels
        The channels of all recordings.
    n_unseen : int
        Number of regions in a draw.
    n_draws : int
        Number of draws.
    random_state : int | RandomState | None
        Seed.

    Returns
    -------
    draws : list of tuple of str
        Regions that occur in two subjects at least. Two regions of whatever kind are
        left to train on.
    """
    rng = check_random_state(random_state)
    known = channels.has_region
    regions = pd.Series(channels.subject[known]).groupby(
        channels.region[known].astype(str)
    )
    n_subjects = regions.nunique()
    shared = n_subjects.index[n_subjects > 1].to_numpy()
    if not 2 <= n_unseen <= min(len(shared), len(n_subjects) - 2):
        raise ValueError(
            f"n_unseen is {n_unseen}: expected 2 at least and, of {len(n_subjects)} "
            f"regions in X, two left to train on; {len(shared)} regions are in two "
            "subjects or more."
        )
    return [
        tuple(sorted(rng.permutation(shared)[:n_unseen].tolist()))
        for _ in range(n_draws)
    ]


def score_retrieval(similarity, same, allowed):
    """Score how far up in a list those of the same kind come.

    Parameters
    ----------
    similarity : ndarray, shape (n_queries, n_candidates)
        How similar each candidate is to each query.
    same : ndarray of bool, shape (n_queries, n_candidates)
        Whether it is of the same kind.
    allowed : ndarray of bool, shape (n_queries, n_candidates)
        Whether it takes part.

    Returns
    -------
    scores : dict of str to ndarray, shape (n_queries,)
        average_precision, the mean over those of the same kind of the share of the
        same kind down to them; precision_at_1, whether the most similar is one; auc,
        the probability that one of the same kind is more similar than another; and of
        each what random similarities give, such as ``"auc_chance"``. nan where there
        are not both kinds.

    Notes
    -----
    Equal similarities are ranked in the order of the candidates. By chance the average
    precision of R among N is ((R - 1) / (N - 1) (N - H) + H) / N, where H is the N-th
    harmonic number.
    """
    order = np.argsort(-np.where(allowed, similarity, -np.inf), axis=1, kind="stable")
    hit = np.take_along_axis(same & allowed, order, axis=1)
    n_same, n_all = hit.sum(axis=1), allowed.sum(axis=1)
    rank = np.arange(1, hit.shape[1] + 1)
    n_other = n_all - n_same
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = (hit * np.cumsum(hit, axis=1) / rank).sum(axis=1) / n_same
        # Mann and Whitney: ranks from the end, less those among themselves
        ranks = (hit * (n_all[:, None] + 1 - rank)).sum(axis=1)
        auc = (ranks - n_same * (n_same + 1) / 2) / (n_same * n_other)
        harmonic = np.append(0, np.cumsum(1 / rank))[n_all]
        inner = (n_same - 1) / (n_all - 1) * (n_all - harmonic) + harmonic
        scores = {
            "average_precision": precision,
            "precision_at_1": hit[:, 0].astype(float),
            "auc": auc,
            "average_precision_chance": inner / n_all,
            "precision_at_1_chance": n_same / n_all,
            "auc_chance": np.full(len(n_all), 0.5),
        }
    asks = (n_same > 0) & (n_other > 0)
    return {name: np.where(asks, values, np.nan) for name, values in scores.items()}


def summarize_queries(queries, *, n_resamples=10_000, random_state=0):
    """Average the scores of queries, with intervals over subjects.

    Parameters
    ----------
    queries : pandas.DataFrame
        One row for each query: model, subject, and the columns of `score_retrieval`.
    n_resamples : int
        Number of times that subjects are drawn with replacement.
    random_state : int | RandomState | None
        Seed of the draws.

    Returns
    -------
    frame : pandas.DataFrame
        As by `probe_unseen_regions`.
    """
    subjects = sorted(queries["subject"].unique())
    rows = []
    for model, of_model in queries.groupby("model", sort=False):
        by_subject = of_model.groupby("subject")[[*MEASURES]]
        sums = by_subject.sum().reindex(subjects, fill_value=0.0).to_numpy()
        sizes = by_subject.size().reindex(subjects, fill_value=0).to_numpy()
        found = describe(
            pool_subjects(sums.T, np.tile(sizes, (len(MEASURES), 1))),
            "score",
            "low",
            "high",
            bounds=(0, 1),
            n_resamples=n_resamples,
            random_state=random_state,
        )
        table = pd.DataFrame(found)
        table.insert(0, "model", model)
        table.insert(1, "measure", MEASURES)
        chance = [of_model[f"{measure}_chance"].mean() for measure in MEASURES]
        rows.append(
            table.assign(
                chance=chance,
                n_queries=len(of_model),
                n_subjects=of_model["subject"].nunique(),
            )
        )
    return pd.concat(rows, ignore_index=True)


def _query_fold(folds, estimator, unseen, channels, train, test):
    """Train without some regions, and ask for them among subjects held out."""
    is_unseen = np.isin(channels.region.astype(str), unseen)
    fitted = _fit_without(folds, estimator, is_unseen, channels, train)
    rows = np.concatenate([np.flatnonzero(channels.recording == i) for i in test])
    embeddings = np.concatenate(fitted.transform(folds.take(test)[0]))
    rows, embeddings = rows[is_unseen[rows]], embeddings[is_unseen[rows]].astype(float)
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    embeddings /= np.where(length > 0, length, 1)
    region, subject = channels.region[rows].astype(str), channels.subject[rows]
    scores = score_retrieval(
        embeddings @ embeddings.T,
        region[:, None] == region,
        subject[:, None] != subject,
    )
    return pd.DataFrame({"subject": subject, "region": region} | scores).dropna()


def _fit_without(folds, estimator, is_unseen, channels, train):
    """Train a copy of an estimator on recordings without some of their channels."""
    seen = np.where(is_unseen, None, channels.region)
    y = label_recordings(channels, seen)
    rows = [row for row in train if y[row]]
    without = replace(
        folds,
        recordings=[
            folds.recordings[row].copy().pick([*y[row]], verbose="error")
            for row in rows
        ],
        y=[y[row] for row in rows],
        # channels without a region are not in these recordings
        keys=[f"{folds.keys[row]}, labelled" for row in rows if folds.keys],
    )
    return without.fit(estimator, np.arange(len(rows)))
