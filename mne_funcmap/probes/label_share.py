"""What unlabelled channels add: accuracy against the share of labelled ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..evaluation.comparison import compare_models
from ..progress import log_level
from .changed_training import (
    count_subjects,
    cross_val_changes,
    keep_regions,
    number_channels,
    score_draws,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from ..hints import Labels, Memory, Models, Picks, Recordings, Splits, Verbose


@log_level
def probe_label_share(
    X: Recordings,
    models: Models,
    *,
    shares: Sequence[float] = (0.05, 0.1, 0.3, 1.0),
    baselines: Sequence[str] | None = None,
    n_draws: int = 5,
    y: Labels | None = None,
    groups: ArrayLike | None = None,
    cv: Splits | None = None,
    picks: Picks = None,
    memory: Memory = None,
    n_jobs: int | None = None,
    n_resamples: int = 10_000,
    random_state: int = 0,
    verbose: Verbose = None,
) -> pd.DataFrame:
    """Measure accuracy when the regions of few training channels are known.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions.
    models : dict of str to estimator
        Name and unfitted estimator, such as `FunctionalEmbedder` with each of its
        ``positives``.
    shares : sequence of float
        Shares of the training channels whose region is kept, above 0 to 1.
    baselines : None | sequence of str
        The models among which the best, at each share, is what all are compared to;
        None stands for the first.
    n_draws : int
        How often the labelled channels are drawn.
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
    random_state : int
        Seed.
    verbose : bool | str | int | None
        Log level, as in MNE-Python; False hides the progress bar too.

    Returns
    -------
    frame : pandas.DataFrame
        One row for each share and model: share, model; balanced_accuracy, the mean
        over draws, low and high (its 95 % interval over subjects); difference,
        diff_low and diff_high (the same for the difference to the best baseline, with
        the same labels), baseline (which that is), chance, n_subjects and n_draws.

    Raises
    ------
    ValueError
        If a share is not above 0 and at most 1, or what the models raise.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.baselines import SpectralClassifier
    >>> from mne_funcmap.probes.label_share import probe_label_share
    >>> from sklearn.model_selection import GroupKFold
    >>> X = mf.simulate_recordings(n_subjects=4, n_sessions=1, duration=20.0)
    >>> models = {"lda": SpectralClassifier(classifier="lda")}
    >>> frame = probe_label_share(
    ...     X, models, shares=(0.2, 1), n_draws=2, cv=GroupKFold(2)
    ... )
    >>> frame[["share", "model", "n_subjects", "n_draws"]]
       share model  n_subjects  n_draws
    0    0.2   lda           4        2
    1    1.0   lda           4        1
    """
    odd = [share for share in shares if not 0 < share <= 1]
    if odd:
        raise ValueError(f"shares has {odd}: expected shares above 0, and at most 1.")
    changes = [({"share": float(s)}, FewLabels(s) if s < 1 else None) for s in shares]
    found = cross_val_changes(
        models,
        changes,
        X,
        n_draws=n_draws,
        random_state=random_state,
        y=y,
        groups=groups,
        cv=cv,
        picks=picks,
        memory=memory,
        n_jobs=n_jobs,
    )
    conditions, scores = score_draws(found, ["share", "model"])
    baselines = list(models)[:1] if baselines is None else baselines
    tables = []
    for share in dict.fromkeys(conditions["share"]):
        rows = np.flatnonzero(conditions["share"] == share)
        names = conditions["model"].iloc[rows].tolist()
        table = compare_models(
            names,
            scores[rows],
            baselines,
            "balanced_accuracy",
            bounds=(0, 1),
            n_resamples=n_resamples,
            random_state=random_state,
        )
        table = pd.DataFrame(table).assign(**count_subjects(found))
        table.insert(0, "share", share)
        tables.append(table.assign(n_draws=n_draws if share < 1 else 1))
    return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True)
class FewLabels:
    """Keep the regions of a share of the channels, two regions at least.

    Attributes
    ----------
    share : float
        Of the channels whose region is known.
    """

    share: float

    def __call__(self, recordings, channels, rng):
        """Return recordings, and regions of some of their channels."""
        return keep_regions(
            recordings, channels, draw_labels(channels, self.share, rng)
        )


def draw_labels(channels, share, rng):
    """Draw the channels whose region stays known.

    Parameters
    ----------
    channels : Channels
        The channels of all recordings.
    share : float
        Of the channels whose region is known; one channel is the same in all
        recordings of its subject.
    rng : numpy.random.RandomState
        Where to draw from.

    Returns
    -------
    kept : ndarray of bool, shape (n_channels,)
        Two channels of different regions are among them.
    """
    known = channels.has_region
    number = number_channels(channels)
    order = rng.permutation(np.unique(number[known]))
    region = pd.Series(channels.region[known]).groupby(number[known]).first()
    # the first of another region comes second: one region alone teaches nothing
    other = (region[order] != region[order[0]]).to_numpy()
    second = int(other.argmax())
    order = np.r_[order[0], order[second], np.delete(order, [0, second])]
    return known & np.isin(number, order[: max(2, round(share * len(order)))])
