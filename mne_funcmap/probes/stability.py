"""How much an embedding depends on the seconds that it was taken from."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..baselines.classifiers import SpectralClassifier
from ..embedder import FunctionalEmbedder
from ..evaluation.folds import make_folds
from ..progress import log_level
from ..recordings.channels import crop_copy, list_channels
from ..recordings.segments import cut_segments
from ..subjects import describe
from .embeddings import annotate, embed_held_out, make_transformers
from .predictions import read_regions, score_regions
from .similarity import Rows, compare_rows, normalize, summarize_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mne.io import BaseRaw
    from numpy.typing import ArrayLike

    from ..hints import Labels, Memory, Models, Picks, Recordings, Seed, Splits, Verbose

LAGS = (10.0, 20.0, 40.0, 80.0, 160.0, 320.0, np.inf)
SECONDS = (10.0, 20.0, 30.0, 60.0)
TOLERANCE = 0.01  # s, that rounding to samples may make of a lag


@log_level
def probe_stability(
    X: Recordings,
    models: Models | None = None,
    *,
    lags: Sequence[float] = LAGS,
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
    """Compare embeddings of a channel at different times of a recording.

    Segments of recordings of new subjects are embedded one by one. Pairs of segments
    of one recording are compared by how far apart they are: of the same channel, of
    other channels of its region, and of channels of other regions.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions; channels without one are left out.
    models : None | dict of str to estimator
        Name and unfitted estimator, with ``fit`` and ``embed_segments``. None stands
        for the embedder, the same without training, spectra and richer features.
    lags : sequence of float
        Edges of bins of the time between the begins of two segments, in s. The first
        must not be below the length of a segment, or pairs have samples in common.
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
        One row for each model and bin with pairs: model, lag_from and lag_to (s);
        similarity_channel, similarity_region and similarity_other, the mean cosine,
        around the mean of the fold, of the three kinds of pairs; retrieval, the share
        of segments whose most similar one at that lag is of the same channel, and
        chance, that of drawing one; and n_subjects. Each but the last two has the ends
        of its 95 % interval over subjects, as ``retrieval_low`` and
        ``retrieval_high``. Subjects count equally.

    Raises
    ------
    ValueError
        If the lags do not ascend, or no two segments are so far apart.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.probes.features import SpectrumTransformer
    >>> from sklearn.model_selection import GroupKFold
    >>> X = mf.simulate_recordings(n_subjects=2, n_sessions=1, duration=30.0)
    >>> models = {"spectrum": SpectrumTransformer()}
    >>> frame = probe_stability(X, models, cv=GroupKFold(2), n_resamples=100)
    >>> frame[["model", "lag_from", "lag_to", "chance"]]
          model  lag_from  lag_to  chance
    0  spectrum      10.0    20.0    0.05
    1  spectrum      20.0    40.0    0.05
    """
    if len(lags) < 2 or (np.diff(lags) <= 0).any() or lags[0] < 0:
        raise ValueError(f"lags must be two ascending times in s at least, got {lags}.")
    folds = make_folds(annotate(X, y, picks), groups=groups, cv=cv, memory=memory)
    channels = list_channels(folds.recordings, picks=picks)
    if models is None:
        models = make_transformers(picks, random_state)
        del models["region"]
    found = embed_held_out(models, folds, channels, by="segment", n_jobs=n_jobs)
    rows = [row for one in found for row in _compare_times(one, channels, lags)]
    if not rows:
        raise ValueError(
            f"No two segments of a recording begin between {lags[0]:g} and "
            f"{lags[-1]:g} s apart. Give other lags, or longer recordings."
        )
    return summarize_pairs(
        pd.DataFrame(rows),
        ["lag_from", "lag_to"],
        n_resamples=n_resamples,
        random_state=random_state,
    )


@log_level
def probe_duration(
    X: Sequence[BaseRaw],
    models: Models | None = None,
    *,
    seconds: Sequence[float] = SECONDS,
    duration: float | None = None,
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
    """Read regions from the first seconds, the next ones, and so on.

    Models are trained on whole recordings of other subjects, and read the regions of
    channels from pieces of a recording.

    Parameters
    ----------
    X : list of mne.io.Raw
        The recordings, with regions.
    models : None | dict of str to estimator
        Name and unfitted estimator, with ``fit`` and ``predict`` on lists of
        recordings. None stands for the embedder, and richer features read by linear
        discriminant analysis.
    seconds : sequence of float
        Lengths of the pieces in s, each a multiple of the length of a segment.
    duration : float | None
        Seconds of a segment, the ``duration`` of the estimators.
    y : None | list of dict | list of sequence
        Regions instead of the annotations.
    groups, cv, picks, memory, n_jobs, n_resamples, random_state : object
        As for `probe_stability`.
    verbose : bool | str | int | None
        Log level, as in MNE-Python; False hides the progress bar too.

    Returns
    -------
    frame : pandas.DataFrame
        One row for each model and length that a piece of a recording has: model,
        seconds, balanced_accuracy over channels and pieces, low and high (its 95 %
        interval over subjects), chance and n_subjects.

    Raises
    ------
    TypeError
        If a recording is an Epochs.
    ValueError
        If no recording is that long.

    Notes
    -----
    A piece has no damaged time in any channel. Lengths that few recordings have are
    of fewer subjects, as ``n_subjects`` tells.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.baselines import SpectralClassifier
    >>> from sklearn.model_selection import GroupKFold
    >>> X = mf.simulate_recordings(n_subjects=2, n_sessions=1, duration=20.0)
    >>> models = {"lda": SpectralClassifier(classifier="lda")}
    >>> frame = probe_duration(X, models, cv=GroupKFold(2), n_resamples=100)
    >>> frame[["model", "seconds", "chance", "n_subjects"]]
      model  seconds  chance  n_subjects
    0   lda     10.0     0.2           2
    1   lda     20.0     0.2           2
    """
    folds = make_folds(annotate(X, y, picks), groups=groups, cv=cv, memory=memory)
    if models is None:
        models = {
            "embedding": FunctionalEmbedder(
                duration=duration, picks=picks, random_state=random_state
            ),
            "rich-lda": SpectralClassifier(
                "rich", classifier="lda", duration=duration, picks=picks
            ),
        }
    cut = {
        float(length): cut_pieces(folds.recordings, length, duration, picks)
        for length in seconds
    }
    tasks = [
        (models[name], name, *split, cut, picks)
        for name in models
        for split in folds.splits
    ]
    found = folds.run(_read_pieces, tasks, n_jobs=n_jobs, title="models x folds")
    return score_regions(
        pd.concat(found, ignore_index=True),
        ["seconds"],
        n_resamples=n_resamples,
        random_state=random_state,
    )


def cut_pieces(recordings, seconds, duration=None, picks=None):
    """Cut recordings into pieces that are usable as a whole.

    Parameters
    ----------
    recordings : list of mne.io.Raw
        The recordings.
    seconds : float
        Length of a piece in s, a multiple of the length of a segment.
    duration : float | None
        Seconds of a segment; None stands for 10 s.
    picks : None | str | list of str
        Channels that take part.

    Returns
    -------
    pieces : list of mne.io.Raw
        Copies, end to end within each recording.
    owner : ndarray of int, shape (n_pieces,)
        Of which recording each piece is.
    """
    segments = cut_segments(recordings, duration=duration, picks=picks)
    length = segments.data.shape[1] / segments.sfreq
    n_segments = round(seconds / length)
    if n_segments < 1 or abs(n_segments * length - seconds) > TOLERANCE:
        raise ValueError(
            f"seconds must be multiples of the {length:g} s of a segment, got "
            f"{seconds:g}."
        )
    pieces, owner = [], []
    for index, recording in enumerate(recordings):
        if not hasattr(recording, "n_times"):
            raise TypeError(
                f"{describe(index, recording)} is an Epochs: expected a Raw, since "
                "epochs need not follow each other."
            )
        of_one = segments.channels.recording[segments.channel] == index
        onset, count = np.unique(segments.onset[of_one], return_counts=True)
        n_channels = np.sum(segments.channels.recording == index)
        for start in find_runs(onset[count == n_channels], length, n_segments):
            stop = start + seconds - 1 / segments.sfreq
            pieces.append(crop_copy(recording, start, stop))
            owner.append(index)
    return pieces, np.array(owner, dtype=int)


def find_runs(onset, length, n_segments):
    """Find where runs of neighbouring segments begin, which do not overlap.

    Parameters
    ----------
    onset : ndarray, shape (n,)
        Begin of segments in s, ascending.
    length : float
        Length of a segment in s.
    n_segments : int
        Number of segments in a run.

    Returns
    -------
    starts : ndarray, shape (n_runs,)
        Begin of each run in s.
    """
    follows = np.abs(np.diff(onset, prepend=-np.inf) - length) < TOLERANCE
    stretch = np.cumsum(~follows)
    place = np.arange(len(onset)) - np.searchsorted(stretch, stretch)
    size = np.bincount(stretch, minlength=1)[stretch] if len(onset) else place
    return onset[(place % n_segments == 0) & (place + n_segments <= size)]


def _compare_times(one, channels, lags):
    """Yield the measures of each recording of a fold, for each bin of lags."""
    known = channels.has_region[one.row]
    row, onset, values = one.row[known], one.onset[known], normalize(one.values[known])
    for index in np.unique(channels.recording[row]):
        at = np.flatnonzero(channels.recording[row] == index)
        rows = Rows(values[at], channels.ch_name[row[at]], channels.region[row[at]])
        lag = np.abs(onset[at][:, None] - onset[at]) + TOLERANCE
        subject = channels.subject[row[at[0]]]
        for low, high in pairwise(lags):
            allowed = (lag >= low) & (lag < high)
            if allowed.any():
                yield {
                    "model": one.model,
                    "subject": subject,
                    "lag_from": low,
                    "lag_to": high,
                } | compare_rows(rows, rows, allowed)


def _read_pieces(folds, estimator, name, train, test, cut, picks):
    """Train a copy of an estimator, and read pieces of the recordings held out."""
    fitted = folds.fit(estimator, train)
    frames = []
    for length, (pieces, owner) in cut.items():
        of_fold = [pieces[at] for at in np.flatnonzero(np.isin(owner, test))]
        if of_fold:
            frames.append(read_regions(fitted, name, of_fold, picks, seconds=length))
    return pd.concat(frames)
