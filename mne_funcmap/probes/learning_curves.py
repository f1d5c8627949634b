"""How accuracy grows with subjects, labelled channels, and seconds of a channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from mne import BaseEpochs

from ..evaluation.folds import make_folds
from ..evaluation.intervals import describe
from ..evaluation.permutation import label_recordings
from ..progress import log_level
from ..recordings.advice import warn_regions
from ..recordings.channels import crop_copy, list_channels, pick_channels
from ..recordings.reading import drop_bad_copy
from ..recordings.signals import read_signals
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
def probe_learning_curve(
    X: Recordings,
    models: Models,
    sizes: Sequence[float],
    *,
    of: str = "subjects",
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
    """Measure accuracy on held-out subjects against how much there is to learn from.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions.
    models : dict of str to estimator
        Name and unfitted estimator, with ``fit`` and ``predict`` on lists of
        recordings.
    sizes : sequence of int | sequence of float
        The sizes; None stands for all there is, and so does a size that is larger.
    of : str
        What sizes are of: ``"subjects"``, those trained on; ``"channels"``, labelled
        ones of each region in training; ``"channels-per-subject"``, labelled ones of
        each region and training subject; ``"train-seconds"``, of each training
        recording; ``"test-seconds"``, of each recording that is read, with all of the
        training.
    n_draws : int
        How often subjects or channels are drawn; seconds are always the first.
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
        One row for each model and size: model, of, size (nan for all);
        balanced_accuracy, the mean over draws, low and high (its 95 % interval over
        the subjects held out), chance, n_subjects and n_draws.

    Raises
    ------
    ValueError
        If ``of`` is unknown, a size is not positive, or what the models raise: seconds
        must hold a segment at least.

    Notes
    -----
    The draws of subjects are nested: those of a size are among those of a larger one.
    Channels whose region is not kept stay in the recordings, without a region. A
    channel counts as labelled in all recordings of its subject.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.baselines import SpectralClassifier
    >>> from mne_funcmap.probes.learning_curves import probe_learning_curve
    >>> from sklearn.model_selection import GroupKFold
    >>> X = mf.simulate_recordings(n_subjects=4, n_sessions=1, duration=20.0)
    >>> models = {"lda": SpectralClassifier(classifier="lda")}
    >>> frame = probe_learning_curve(X, models, [1, None], n_draws=2, cv=GroupKFold(2))
    >>> frame[["model", "of", "size", "n_subjects", "n_draws"]]
      model        of  size  n_subjects  n_draws
    0   lda  subjects   1.0           4        2
    1   lda  subjects   NaN           4        1
    """
    sizes = _check_sizes(sizes, of)
    options = {"y": y, "groups": groups, "cv": cv, "memory": memory, "n_jobs": n_jobs}
    if of == "test-seconds":
        found = _read_first_seconds(models, sizes, X, picks=picks, **options)
    else:
        changes = [
            ({"size": size}, None if np.isnan(size) else CHANGES[of](size))
            for size in sizes
        ]
        n_draws = 1 if of == "train-seconds" else n_draws
        options |= {"random_state": random_state, "picks": picks}
        found = cross_val_changes(models, changes, X, n_draws=n_draws, **options)
    frame, scores = score_draws(found, ["model", "size"])
    frame.insert(1, "of", of)
    described = describe(
        scores,
        "balanced_accuracy",
        "low",
        "high",
        bounds=(0, 1),
        n_resamples=n_resamples,
        random_state=random_state,
    )
    frame = frame.assign(**described, **count_subjects(found))
    drawn = frame["size"].notna() & (not of.endswith("seconds"))
    return frame.assign(n_draws=np.where(drawn, n_draws, 1))


@dataclass(frozen=True)
class FewerSubjects:
    """Take the recordings of some subjects only.

    Attributes
    ----------
    size : float
        Number of subjects. They are drawn anew as long as all regions that they have
        are one.
    """

    size: float

    def __call__(self, recordings, channels, rng):
        """Return the recordings of some subjects, and their regions."""
        chosen = _draw_subjects(channels, int(self.size), rng)
        of_recording = pd.Series(channels.subject).groupby(channels.recording).first()
        taken = np.flatnonzero(of_recording.isin(chosen))
        y = label_recordings(channels, channels.region)
        return [recordings[index] for index in taken], [y[index] for index in taken]


@dataclass(frozen=True)
class FewerLabels:
    """Keep the regions of some channels only.

    Attributes
    ----------
    size : float
        Number of channels of each region.
    by_subject : bool
        Whether of each subject, or of all.
    """

    size: float
    by_subject: bool = False

    def __call__(self, recordings, channels, rng):
        """Return recordings, and regions of some of their channels."""
        number = number_channels(channels)
        known = pd.DataFrame(
            {
                "number": number,
                "region": channels.region,
                "subject": channels.subject if self.by_subject else "",
            }
        )[channels.has_region].drop_duplicates("number")
        drawn = known.iloc[rng.permutation(len(known))]
        rank = drawn.groupby(["subject", "region"]).cumcount()
        kept = np.isin(number, drawn["number"][rank < self.size])
        return keep_regions(recordings, channels, kept)


@dataclass(frozen=True)
class FewerSeconds:
    """Take the first seconds of recordings.

    Attributes
    ----------
    size : float
        Seconds. Shorter recordings stay as they are.
    """

    size: float

    def __call__(self, recordings, channels, rng):
        """Return the first seconds of recordings, and their regions."""
        cut = [take_seconds(recording, self.size) for recording in recordings]
        return cut, label_recordings(channels, channels.region)


CHANGES = {
    "subjects": FewerSubjects,
    "channels": FewerLabels,
    "channels-per-subject": lambda size: FewerLabels(size, by_subject=True),
    "train-seconds": FewerSeconds,
}


def take_seconds(recording, seconds):
    """Return a copy of the first seconds of a recording.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording.
    seconds : float
        How many, not counting those in which a good channel is unusable (``BAD_``, not
        finite, flat); of Epochs, as many as are in whole epochs, one at least.

    Returns
    -------
    piece : mne.io.Raw | mne.Epochs
        The copy; of all, if there is not more.
    """
    sfreq = recording.info["sfreq"]
    if isinstance(recording, BaseEpochs):
        length = len(recording.times) / sfreq
        return drop_bad_copy(recording)[: max(1, int(seconds / length))]
    n_times = round(seconds * sfreq)
    signals = read_signals(recording, pick_channels(recording), 2)
    counted = np.cumsum(signals.usable.all(axis=0))
    stop = min(np.searchsorted(counted, n_times), recording.n_times - 1)
    return crop_copy(recording, 0, stop / sfreq)


def _check_sizes(sizes, of):
    """Return sizes as numbers, nan for all."""
    known = [*CHANGES, "test-seconds"]
    if of not in known:
        raise ValueError(f"of={of!r} is unknown: expected one of {known}.")
    sizes = [np.nan if size is None else float(size) for size in sizes]
    if any(size <= 0 for size in sizes):
        raise ValueError(f"sizes are {sizes}: expected positive ones, or None for all.")
    return sizes


def _draw_subjects(channels, size, rng):
    """Draw subjects who have two regions at least."""
    known = channels.has_region
    subjects = np.unique(channels.subject[known])
    regions = [set(channels.region[known & (channels.subject == s)]) for s in subjects]
    if len(set.union(*regions)) < 2:
        return subjects
    for _ in range(1000):
        chosen = rng.permutation(len(subjects))[:size]
        if len(set.union(*(regions[index] for index in chosen))) > 1:
            return subjects[chosen]
    raise ValueError(
        f"No {size} training subject(s) were found that have two regions together. Use "
        "larger sizes."
    )


def _read_first_seconds(models, sizes, X, *, picks, y, groups, cv, memory, n_jobs):
    """Return predictions of channels from their first seconds."""
    folds = make_folds(X, y=y, groups=groups, cv=cv, memory=memory)
    channels = list_channels(folds.recordings, picks=picks, y=y)
    warn_regions(folds.recordings, channels)
    tasks = [
        (estimator, train, test, sizes)
        for estimator in models.values()
        for train, test in folds.splits
    ]
    found = folds.run(_read_fold, tasks, n_jobs=n_jobs, title="models x folds")
    names = [model for model in models for _ in folds.splits]
    frames = []
    for model, (_, _, test, _), of_sizes in zip(names, tasks, found, strict=True):
        rows = np.concatenate([np.flatnonzero(channels.recording == i) for i in test])
        known = channels.has_region[rows]
        frames += [
            pd.DataFrame(
                {
                    "model": model,
                    "size": size,
                    "draw": 0,
                    "subject": channels.subject[rows[known]],
                    "region": channels.region[rows[known]].astype(str),
                    "predicted": predicted[known],
                }
            )
            for size, predicted in zip(sizes, of_sizes, strict=True)
        ]
    return pd.concat(frames, ignore_index=True)


def _read_fold(folds, estimator, train, test, sizes):
    """Train a copy of an estimator, and read the first seconds of what is held out."""
    fitted = folds.fit(estimator, train)
    recordings, _ = folds.take(test)
    return [
        np.concatenate(
            fitted.predict(
                recordings
                if np.isnan(size)
                else [take_seconds(recording, size) for recording in recordings]
            )
        )
        for size in sizes
    ]
