"""Whether embeddings tell what a subject is like: a diagnosis, sex, any trait."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.metrics import pairwise_distances, silhouette_samples
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import check_random_state

from ..embedding.metrics import balanced_accuracy
from ..evaluation.folds import make_folds
from ..evaluation.intervals import balance, describe
from ..progress import log_level
from ..recordings.channels import list_channels
from ..subjects import shorten_list
from .alignment import embed_aligned
from .embeddings import annotate, make_transformers
from .subject import centre_regions, predict_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from ..hints import (
        AnyPath,
        Labels,
        Memory,
        Models,
        Picks,
        Recordings,
        Seed,
        Splits,
        Verbose,
    )

MISSING = ["n/a", "N/A", "", "unknown"]
N_FOLDS = 5


def read_trait(root: AnyPath, column: str) -> dict[str, str]:
    """Read a column of the participants of a BIDS folder.

    Parameters
    ----------
    root : path-like
        The folder with ``participants.tsv``, or that file.
    column : str
        Name of the column.

    Returns
    -------
    traits : dict of str to str
        Value by subject, as the ids of recordings are (``"sub-01"``); subjects whose
        value is ``n/a`` are absent.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it has no such column.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as root:
    ...     rows = ["participant_id\\tsex", "sub-01\\tF", "sub-02\\tn/a", "sub-03\\tM"]
    ...     written = Path(root, "participants.tsv").write_text("\\n".join(rows))
    ...     read_trait(root, "sex")
    {'sub-01': 'F', 'sub-03': 'M'}
    """
    path = Path(root)
    path = path / "participants.tsv" if path.is_dir() else path
    table = pd.read_csv(
        path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8-sig"
    )
    for name in ("participant_id", column):
        if name not in table:
            raise ValueError(
                f"{path} has no column {name!r}: it has {shorten_list(table.columns)}."
            )
    known = table[~table[column].isin(MISSING)]
    return dict(zip(known["participant_id"], known[column], strict=True))


@log_level
def probe_trait(
    X: Recordings,
    traits: Mapping[str, str],
    models: Models | None = None,
    *,
    y: Labels | None = None,
    groups: ArrayLike | None = None,
    cv: Splits | None = None,
    picks: Picks = None,
    n_permutations: int = 199,
    memory: Memory = None,
    n_jobs: int | None = None,
    n_resamples: int = 10_000,
    random_state: Seed = 0,
    verbose: Verbose = None,
) -> pd.DataFrame:
    """Read a trait of subjects from the embeddings of their channels.

    Channels are embedded by models that were not trained on their subject. What
    describes a subject is how its channels differ from others of their regions: the
    mean of the region over all subjects is taken off, and what is left is averaged
    over the channels of a region, then over regions, so that it does not matter which
    were implanted. A linear discriminant analysis reads the trait of subjects that it
    was not trained on.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions; channels without one are left out.
    traits : dict of str to str
        Value by subject, as by `read_trait`. Subjects without one are embedded, and
        not read.
    models : None | dict of str to estimator
        Name and unfitted estimator, with ``fit`` and ``transform`` on lists of
        recordings; None stands for those of `probe_subject`.
    y : None | list of dict | list of sequence
        Regions instead of the annotations.
    groups : None | sequence of str, shape (n_recordings,)
        What is held out as a whole; None stands for the subjects.
    cv : None | cross-validation generator | list of tuple
        The folds of the embeddings; None stands for ``GroupKFold(5)``.
    picks : None | str | list of str
        The ``picks`` of the estimators.
    n_permutations : int
        How often traits are permuted over subjects.
    memory : None | str | joblib.Memory
        Folder in which trained models are kept.
    n_jobs : int | None
        Number of folds and models that are computed in parallel.
    n_resamples : int
        Number of times that subjects are drawn with replacement.
    random_state : int | RandomState | None
        Seed of the draws, permutations, and of the default models.
    verbose : bool | str | int | None
        Log level, as in MNE-Python; False hides the progress bar too.

    Returns
    -------
    frame : pandas.DataFrame
        One row for each model: model; balanced_accuracy of the trait, low and high
        (its 95 % interval over subjects), p_value and chance; silhouette_trait of
        channels, silhouette_p_value, and silhouette_region, to compare it to; and
        n_subjects. The p-values are (1 + number of permutations that are at least as
        good) / (1 + all).

    Raises
    ------
    ValueError
        If fewer than two subjects have a value, or it has one for all.

    Notes
    -----
    Channels of one subject are alike, so that the silhouette of any trait is not what
    labels of channels at random would give: its p-value permutes traits over subjects.

    A trait that goes along with the centre, the amplifier or the state of the patient
    is read from these all the same.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from sklearn.model_selection import GroupKFold
    >>> X = mf.simulate_recordings(n_subjects=6, n_sessions=1, duration=10.0)
    >>> traits = {f"sub-0{i + 1}": "ab"[i % 2] for i in range(6)}
    >>> models = {"embedding": mf.FunctionalEmbedder(max_epochs=2)}
    >>> frame = probe_trait(X, traits, models, cv=GroupKFold(3), n_permutations=9)
    >>> frame[["model", "chance", "n_subjects"]]
           model  chance  n_subjects
    0  embedding     0.5           6
    """
    folds = make_folds(annotate(X, y, picks), groups=groups, cv=cv, memory=memory)
    channels = list_channels(folds.recordings, picks=picks)
    used = channels.has_region & np.isin(channels.subject, list(traits))
    subjects, owner = np.unique(channels.subject[used], return_inverse=True)
    trait = np.array([str(traits[subject]) for subject in subjects])
    _check_trait(trait)
    if models is None:
        models = make_transformers(picks, random_state)
    embeddings = embed_aligned(models, folds, channels, n_jobs=n_jobs)
    rng = check_random_state(random_state)
    permuted = [rng.permutation(trait) for _ in range(n_permutations)]
    drawn = {"n_resamples": n_resamples, "random_state": rng}
    rows = []
    for name, values in embeddings.items():
        of_channel = values[used], channels.region[used].astype(str), owner
        read = _read_trait(describe_subjects(*of_channel), [trait, *permuted], drawn)
        clusters = _measure_clusters(*of_channel, [trait, *permuted])
        rows.append({"model": name} | read | clusters)
    chance = 1 / len(np.unique(trait))
    return pd.DataFrame(rows).assign(chance=chance, n_subjects=len(trait))


def describe_subjects(values, region, owner):
    """Describe subjects by how their channels differ from others of their regions.

    Parameters
    ----------
    values : ndarray, shape (n_channels, n_components)
        Embeddings.
    region : ndarray of str, shape (n_channels,)
        Regions.
    owner : ndarray of int, shape (n_channels,)
        Number of the subject, from 0 on.

    Returns
    -------
    profiles : ndarray, shape (n_subjects, n_components)
        Mean over the regions of a subject of the mean over its channels there, the
        mean of the region over all channels taken off.
    """
    frame = pd.DataFrame(centre_regions(values, region))
    of_region = frame.groupby([owner, region]).mean()
    return of_region.groupby(level=0).mean().to_numpy()


def _check_trait(trait):
    """Raise unless a trait has two values that can be read."""
    values, sizes = np.unique(trait, return_counts=True)
    if len(values) < 2 or sizes.min() < 2:
        counts = {str(v): int(n) for v, n in zip(values, sizes, strict=True)}
        raise ValueError(
            "A trait must have two values at least, each of two subjects of X at "
            f"least, got {counts}. Leave out rare values, check that subject ids are "
            "those of mne_funcmap.get_subjects, or cut numbers into groups."
        )


def _read_trait(profiles, traits, drawn):
    """Return how well the first of some traits is read, against the others."""
    read = [_predict_trait(profiles, trait) for trait in traits]
    scores = [balanced_accuracy(*pair) for pair in zip(traits, read, strict=True)]
    values, codes = np.unique(traits[0], return_inverse=True)
    member = np.eye(len(values))[codes]
    right = balance(member * (read[0] == traits[0])[:, None], member)[None]
    found = describe(right, "balanced_accuracy", "low", "high", bounds=(0, 1), **drawn)
    return {name: value[0] for name, value in found.items()} | {
        "p_value": _find_p(scores)
    }


def _predict_trait(profiles, trait):
    """Return the trait of each subject, read by a classifier of other subjects."""
    smallest = np.unique(trait, return_counts=True)[1].min()
    splitter = StratifiedKFold(min(N_FOLDS, smallest), shuffle=True, random_state=0)
    part = np.empty(len(trait), dtype=int)
    for number, (_, test) in enumerate(splitter.split(profiles, trait)):
        part[test] = number
    return predict_parts(profiles, trait, part)


def _measure_clusters(values, region, owner, traits):
    """Return the silhouettes of channels by trait and by region."""
    distance = pairwise_distances(values)
    np.fill_diagonal(distance, 0)

    def measure(labels):
        return silhouette_samples(distance, labels, metric="precomputed").mean()

    scores = [measure(trait[owner]) for trait in traits]
    return {
        "silhouette_trait": scores[0],
        "silhouette_p_value": _find_p(scores),
        "silhouette_region": measure(region),
    }


def _find_p(scores):
    """Return the p-value of the first score among all."""
    return np.mean(np.array(scores) >= scores[0] - 1e-12)
