"""The test against chance: regions permuted over the channels of each subject."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import check_random_state

from ..embedding.metrics import balanced_accuracy
from ..progress import log_level
from ..recordings.advice import warn_regions
from ..recordings.channels import list_channels
from .embedders import find_predicted
from .folds import make_folds

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from sklearn.base import BaseEstimator

    from ..hints import Labels, Memory, Picks, Recordings, Seed, Splits, Verbose


@log_level
def permutation_test(
    estimator: BaseEstimator,
    X: Recordings,
    *,
    y: Labels | None = None,
    groups: ArrayLike | None = None,
    cv: Splits | None = None,
    picks: Picks = None,
    n_permutations: int = 99,
    memory: Memory = None,
    n_jobs: int | None = None,
    random_state: Seed = 0,
    verbose: Verbose = None,
) -> tuple[float, np.ndarray, float]:
    """Test whether a model tells regions apart better than chance.

    The regions are permuted over the channels within each subject, a channel having
    one region in all its recordings and segments, and the model is trained and scored
    on them from the start.

    Parameters
    ----------
    estimator : estimator
        Unfitted, as of :func:`~mne_funcmap.compare_embedders`; so are the others.
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions.
    y : None | list of dict | list of sequence
        Regions instead of the annotations.
    groups : None | sequence of str, shape (n_recordings,)
        What is held out as a whole; None stands for the subjects.
    cv : None | cross-validation generator | list of tuple
        The folds; None stands for ``GroupKFold(5)``.
    picks : None | str | list of str
        The ``picks`` of the estimator.
    n_permutations : int
        How often regions are permuted. The smallest possible p-value is one over one
        more than these.
    memory : None | str | joblib.Memory
        Folder in which trained models are kept.
    n_jobs : int | None
        Number of folds and permutations that are computed in parallel.
    random_state : int | RandomState | None
        Seed of the permutations.
    verbose : bool | str | int | None
        Log level, as in MNE-Python; False hides the progress bar too.

    Returns
    -------
    score : float
        Balanced accuracy with the true regions, all folds pooled.
    permutation_scores : ndarray, shape (n_permutations,)
        The same with permuted ones.
    p_value : float
        (1 + number of permutations that are at least as good) / (1 + all).

    Raises
    ------
    ValueError
        If there are too few subjects for the folds, no permutations, a model predicts
        other channels, or what the model raises.

    Notes
    -----
    scikit-learn's ``permutation_test_score`` is not this test. It swaps the items of
    ``y``, which are the regions of whole recordings: that does not fit recordings with
    other channels, and it leaves together what was recorded together. Permuting
    single segments would also be wrong, as those of one channel are no independent
    cases, and the null distribution too narrow.

    Within a subject the number of channels of each region stays, so that whoever has
    channels of few regions does not make the test significant.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.baselines import SpectralClassifier
    >>> from sklearn.model_selection import GroupKFold
    >>> X = mf.simulate_recordings(n_subjects=3, n_sessions=1, duration=20.0)
    >>> model = SpectralClassifier(classifier="lda")
    >>> score, permuted, p = permutation_test(
    ...     model, X, cv=GroupKFold(3), n_permutations=9
    ... )
    >>> float(p)
    0.1
    """
    if n_permutations < 1:
        raise ValueError(f"n_permutations is {n_permutations}: expected 1 at least.")
    folds = make_folds(X, y=y, groups=groups, cv=cv, memory=memory)
    channels = list_channels(folds.recordings, picks=picks, y=y)
    warn_regions(folds.recordings, channels)
    rng = check_random_state(random_state)
    regions = [channels.region]
    regions += [permute_regions(channels, rng) for _ in range(n_permutations)]
    tasks = [
        (estimator, of_channels, channels, *split)
        for of_channels in regions
        for split in folds.splits
    ]
    found = folds.run(_read_fold, tasks, n_jobs=n_jobs, title="permutations x folds")
    by_fold = zip(*[iter(found)] * len(folds.splits), strict=True)
    scores = np.array(
        [
            balanced_accuracy(*(np.concatenate(part) for part in zip(*of, strict=True)))
            for of in by_fold
        ]
    )
    score, permuted = scores[0], scores[1:]
    n_as_good = np.count_nonzero(permuted >= score - 1e-12)
    return float(score), permuted, (1 + n_as_good) / (1 + n_permutations)


def permute_regions(channels, rng):
    """Permute regions over the channels of each subject.

    Parameters
    ----------
    channels : Channels
        The channels of all recordings. One of a name and subject is the same in all.
    rng : numpy.random.RandomState
        Where to draw from.

    Returns
    -------
    regions : ndarray of object, shape (n_channels,)
        The region of each channel; None where it is not known.
    """
    known = np.flatnonzero(channels.has_region)
    keys = np.stack([channels.subject, channels.ch_name])[:, known]
    (subjects, _), first, found = np.unique(
        keys, axis=1, return_index=True, return_inverse=True
    )
    of_channel = channels.region[known[first]]
    for subject in np.unique(subjects):
        rows = np.flatnonzero(subjects == subject)
        of_channel[rows] = of_channel[rng.permutation(rows)]
    regions = np.full(len(channels.region), None)
    regions[known] = of_channel[found]
    return regions


def label_recordings(channels, regions):
    """Return regions of channels as ``y`` of estimators.

    Parameters
    ----------
    channels : Channels
        The channels of all recordings.
    regions : ndarray of object, shape (n_channels,)
        Their regions, None where unknown.

    Returns
    -------
    y : list of dict of str to str
        For each recording the region of each channel that has one.
    """
    y = [{} for _ in range(channels.recording.max() + 1)]
    for recording, ch_name, region in zip(
        channels.recording, channels.ch_name, regions, strict=True
    ):
        if region is not None:
            y[recording][str(ch_name)] = region
    return y


def _read_fold(folds, estimator, regions, channels, train, test):
    """Return true and predicted regions of the channels of a fold."""
    labelled = replace(folds, y=label_recordings(channels, regions))
    fitted = labelled.fit(estimator, train)
    predicted = fitted.predict(folds.take(test)[0])
    rows = find_predicted(type(estimator).__name__, test, channels, predicted)
    known = channels.has_region[rows]
    found = np.concatenate(predicted)[known]
    return regions[rows][known].astype(str), found.astype(str)
