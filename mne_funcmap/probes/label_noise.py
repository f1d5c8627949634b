"""How accuracy falls when regions of training channels are wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import check_random_state

from ..evaluation.intervals import describe
from ..evaluation.permutation import label_recordings
from ..progress import log_level
from .changed_training import (
    count_subjects,
    cross_val_changes,
    number_channels,
    score_draws,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike

    from ..hints import Labels, Memory, Models, Picks, Recordings, Splits, Verbose

SHARES = (0.0, 0.1, 0.2, 0.3, 0.5)


@log_level
def probe_label_noise(
    X: Recordings,
    models: Models,
    *,
    shares: Sequence[float] = SHARES,
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
    """Measure accuracy after training with wrong regions.

    A share of the training channels gets a wrong region. A channel has the same one in
    all recordings of its subject. Scores are on the true regions of channels held out.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions.
    models : dict of str to estimator
        Name and unfitted estimator, with ``fit`` and ``predict`` on lists of
        recordings.
    shares : sequence of float
        Shares of the training channels with a region that get a wrong one, 0 to 1.
    n_draws : int
        How often the channels and their wrong regions are drawn.
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
        One row for each model and share: model, share; balanced_accuracy of channels,
        the mean over draws, low and high (its 95 % interval over subjects); drop, by
        how much it is below that of the first share, drop_low and drop_high;
        segment_accuracy, segment_low, segment_high, segment_drop, segment_drop_low and
        segment_drop_high, the same for segments read one by one, of models that can;
        chance, n_subjects and n_draws.

    Raises
    ------
    ValueError
        If a share is not between 0 and 1, or what the models raise.

    See Also
    --------
    mne_funcmap.simulate_recordings : With ``wrong_labels``, in training and test.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.baselines import SpectralClassifier
    >>> from mne_funcmap.probes.label_noise import probe_label_noise
    >>> from sklearn.model_selection import GroupKFold
    >>> X = mf.simulate_recordings(n_subjects=4, n_sessions=1, duration=20.0)
    >>> models = {"lda": SpectralClassifier(classifier="lda")}
    >>> frame = probe_label_noise(
    ...     X, models, shares=(0, 0.2), n_draws=1, cv=GroupKFold(2)
    ... )
    >>> frame[["model", "share", "chance", "n_subjects"]]
      model  share  chance  n_subjects
    0   lda    0.0     0.2           4
    1   lda    0.2     0.2           4
    """
    odd = [share for share in shares if not 0 <= share <= 1]
    if odd:
        raise ValueError(f"shares has {odd}: expected shares between 0 and 1.")
    changes = [({"share": float(s)}, WrongLabels(s) if s else None) for s in shares]
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
    drawn = {"n_resamples": n_resamples, "random_state": random_state}
    frame, scores = score_draws(found, ["model", "share"])
    frame = frame.assign(**_describe_drop(frame, scores, "", drawn))
    if "n_segments" in found:
        read = found[found["n_segments"].notna()]
        counted = {"right": "n_segments_right", "total": "n_segments"}
        of_segments, scores = score_draws(read, ["model", "share"], **counted)
        of_segments = of_segments.assign(
            **_describe_drop(of_segments, scores, "segment_", drawn)
        )
        frame = frame.merge(of_segments, on=["model", "share"], how="left")
    frame = frame.assign(**count_subjects(found))
    return frame.assign(n_draws=np.where(frame["share"] > 0, n_draws, 1))


@dataclass(frozen=True)
class WrongLabels:
    """Give a share of the channels a wrong region.

    Attributes
    ----------
    share : float
        Of the channels whose region is known.
    """

    share: float

    def __call__(self, recordings, channels, rng):
        """Return recordings, and regions some of which are wrong."""
        regions = mislabel_channels(channels, self.share, rng)
        return recordings, label_recordings(channels, regions)


def mislabel_channels(channels, share, random_state):
    """Give a share of the channels another region, drawn from all others.

    Parameters
    ----------
    channels : Channels
        The channels of all recordings.
    share : float
        Of the channels whose region is known; one channel is the same in all
        recordings of its subject.
    random_state : int | RandomState | None
        Seed.

    Returns
    -------
    regions : ndarray of object, shape (n_channels,)
        The region of each channel, None where unknown.
    """
    rng = check_random_state(random_state)
    known = np.flatnonzero(channels.has_region)
    names, codes = np.unique(channels.region[known].astype(str), return_inverse=True)
    if len(names) < 2:
        raise ValueError(
            f"All channels with a region are in {names.tolist()}: expected two regions "
            "at least, so that one can be wrong."
        )
    number = np.unique(number_channels(channels)[known], return_inverse=True)[1]
    n_channels = number.max() + 1
    wrong = np.zeros(n_channels, dtype=bool)
    wrong[rng.permutation(n_channels)[: round(share * n_channels)]] = True
    # all steps along the circle of regions but the whole round lead to another one
    step = np.where(wrong, rng.randint(1, len(names), n_channels), 0)
    regions = channels.region.copy()
    regions[known] = names[(codes + step[number]) % len(names)].astype(object)
    return regions


def _describe_drop(frame, scores, prefix, drawn):
    """Return scores of each model, and how far they are below those of its first."""
    first = frame.groupby("model")["model"].transform(lambda of: of.index[0])
    drop = scores[first.to_numpy()] - scores
    name = f"{prefix}accuracy" if prefix else "balanced_accuracy"
    ends = f"{prefix}low", f"{prefix}high"
    drop_ends = f"{prefix}drop_low", f"{prefix}drop_high"
    return describe(scores, name, *ends, bounds=(0, 1), **drawn) | describe(
        drop,
        f"{prefix}drop",
        *drop_ends,
        largest=(first != frame.index).to_numpy(),
        **drawn,
    )
