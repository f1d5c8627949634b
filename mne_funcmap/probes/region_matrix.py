"""Are regions with similar embeddings also related by a measure from elsewhere?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from ..evaluation.default_models import make_embedders
from ..evaluation.folds import make_folds
from ..evaluation.intervals import describe, weigh_subjects
from ..progress import log_level
from ..recordings.channels import list_channels
from ..subjects import shorten_list
from .embeddings import embed_held_out
from .mantel import MIN_ITEMS, check_matrix, correlate_pairs, list_pairs, mantel_test

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..hints import Labels, Memory, Models, Picks, Recordings, Seed, Splits, Verbose

CHUNK = 100  # draws of subjects at a time


@log_level
def probe_region_matrix(
    X: Recordings,
    matrix: pd.DataFrame,
    models: Models | None = None,
    *,
    y: Labels | None = None,
    groups: ArrayLike | None = None,
    cv: Splits | None = None,
    picks: Picks = None,
    n_permutations: int = 9999,
    n_resamples: int = 1000,
    memory: Memory = None,
    n_jobs: int | None = None,
    random_state: Seed = 0,
    verbose: Verbose = None,
) -> pd.DataFrame:
    """Compare distances between the embeddings of regions with a matrix of regions.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions.
    matrix : pandas.DataFrame
        How close, or how far, regions are by another measure, such as connectivity in
        fMRI at rest: symmetric, the names of regions as its index and its columns.
        Regions that are not in both X and the matrix do not count.
    models : None | dict of str to estimator
        Name and unfitted estimator, with ``fit`` and ``transform`` to a list of arrays
        (n_channels, n_components). None stands for the embedder, and the same without
        training.
    y : None | list of dict | list of sequence
        Regions instead of the annotations, as in ``fit`` of the estimators.
    groups : None | sequence of str, shape (n_recordings,)
        What is held out as a whole; None stands for the subjects.
    cv : None | cross-validation generator | list of tuple
        The folds, the same for all models; None stands for ``GroupKFold(5)``.
    picks : None | str | list of str
        The ``picks`` of the estimators.
    n_permutations : int
        How often regions are permuted; with few regions every permutation is taken
        once.
    n_resamples : int
        Number of times that subjects are drawn with replacement.
    memory : None | str | joblib.Memory
        Folder in which trained models are kept.
    n_jobs : int | None
        Number of folds and models that are computed in parallel.
    random_state : int | RandomState | None
        Seed of the permutations and draws, and of the default models.
    verbose : bool | str | int | None
        Log level, as in MNE-Python; False hides the progress bar too.

    Returns
    -------
    table : pandas.DataFrame
        One row for each model: model; rho (Spearman's rank correlation over pairs of
        regions between the distance of their mean embeddings and the matrix, negative
        if the matrix tells how close they are and embeddings go with it); low and high
        (its 95 % interval over subjects); p_value (of the test of Mantel, two-sided);
        chance (0); n_regions, n_pairs and n_subjects that counted.

    Raises
    ------
    TypeError
        If the matrix is not a DataFrame.
    ValueError
        If the matrix has other regions as index than as columns, is not symmetric or
        not finite, or has fewer than 4 regions in common with X.

    See Also
    --------
    mne_funcmap.probes.mantel_test : The test.

    Notes
    -----
    Embeddings are those of subjects held out. Embeddings of different folds are of
    different networks: regions are averaged and compared in each fold, and distances
    are averaged over folds. Pairs of regions that occur together in no fold are left
    out.

    For the interval each subject is left out in turn: a t bootstrap of what each
    subject adds, and of fewer than ten that of Korn and Graubard (1998). Noise makes
    rho smaller, also in the middle of the interval.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> import numpy as np
    >>> import pandas as pd
    >>> from mne_funcmap.baselines import UntrainedEmbedder
    >>> from mne_funcmap.probes.region_matrix import probe_region_matrix
    >>> from sklearn.model_selection import GroupKFold
    >>> X = mf.simulate_recordings(n_subjects=2, n_sessions=1, duration=10.0)
    >>> names = ["GPi", "STN", "VO", "Motor", "VIM"]
    >>> highest = np.array([20, 150, 14, 40, 1])  # Hz
    >>> matrix = pd.DataFrame(np.abs(highest[:, None] - highest), names, names)
    >>> models = {"untrained": UntrainedEmbedder()}
    >>> table = probe_region_matrix(X, matrix, models, cv=GroupKFold(2))
    >>> table[["model", "n_regions", "n_pairs", "n_subjects"]]
           model  n_regions  n_pairs  n_subjects
    0  untrained          5       10           2
    """
    folds = make_folds(X, y=y, groups=groups, cv=cv, memory=memory)
    if models is None:
        models = make_embedders(random_state, ("embedding", "untrained"))
    channels = list_channels(folds.recordings, picks=picks, y=y)
    regions = _find_common(matrix, channels)
    related = matrix.loc[regions, regions].to_numpy(float)
    rng = check_random_state(random_state)
    used = np.isin(channels.region.astype(str), regions) & channels.has_region
    subjects = np.unique(channels.subject[used])
    weights = weigh_subjects(len(subjects))
    drawn = {"n_resamples": n_resamples, "random_state": rng}
    found = embed_held_out(models, folds, channels, n_jobs=n_jobs)
    rows = []
    for name in models:
        sums = [
            _sum_regions(one, channels, regions, subjects)
            for one in found
            if one.model == name
        ]
        distances = np.concatenate(
            [
                _average_folds(sums, part)
                for part in np.split(weights, range(CHUNK, len(weights), CHUNK))
            ]
        )
        rows.append(
            {"model": name}
            | _compare(distances, related, n_permutations, drawn)
            | {"n_subjects": len(subjects)}
        )
    return pd.DataFrame(rows)


def _find_common(matrix, channels):
    """Return the regions that the matrix and the recordings have in common."""
    if not isinstance(matrix, pd.DataFrame):
        raise TypeError(
            f"matrix must be a pandas.DataFrame with regions as index and columns, got "
            f"{type(matrix)}."
        )
    if not matrix.index.is_unique or set(matrix.index) != set(matrix.columns):
        raise ValueError(
            "matrix must have the same regions, each once, as index and as columns, "
            f"got {shorten_list(matrix.index)} and {shorten_list(matrix.columns)}."
        )
    found = np.unique(channels.region[channels.has_region].astype(str))
    common = [region for region in found if region in matrix.index]
    if len(common) < MIN_ITEMS:
        raise ValueError(
            f"matrix and X have {len(common)} regions in common, too few: expected "
            f"{MIN_ITEMS} at least. The matrix has {shorten_list(matrix.index)}; X has "
            f"{shorten_list(found)}. Check the names."
        )
    check_matrix(matrix.loc[common, common], "matrix")
    return common


def _sum_regions(one, channels, regions, subjects):
    """Sum the embeddings of a fold.

    Returns
    -------
    sums : ndarray, shape (n_subjects, n_regions, n_components)
        Over the channels of each subject and region.
    counts : ndarray, shape (n_subjects, n_regions)
        Their number.
    """
    used = np.isin(channels.region[one.row].astype(str), regions)
    rows, values = one.row[used], one.values[used]
    place = (
        np.searchsorted(subjects, channels.subject[rows]),
        np.searchsorted(regions, channels.region[rows].astype(str)),
    )
    shape = (len(subjects), len(regions))
    sums, counts = np.zeros((*shape, values.shape[1])), np.zeros(shape)
    np.add.at(sums, place, values)
    np.add.at(counts, place, 1)
    return sums, counts


def _average_folds(sums, weights):
    """Return distances between regions, nan if never together, (n_draws, n, n)."""
    total, n_folds = 0, 0
    for of_fold, counts in sums:
        n_channels = (weights @ counts)[..., None]
        mean = np.einsum("ds,src->drc", weights, of_fold)
        mean /= np.where(n_channels > 0, n_channels, np.nan)
        distance = np.linalg.norm(mean[:, :, None] - mean[:, None], axis=3)
        total = total + np.nan_to_num(distance)
        n_folds = n_folds + np.isfinite(distance)
    return total / np.where(n_folds > 0, n_folds, np.nan)


def _compare(distances, related, n_permutations, drawn):
    """Correlate distances, of all subjects and without each, with the matrix."""
    rho, _, p_value = mantel_test(
        related,
        distances[0],
        n_permutations=n_permutations,
        random_state=drawn["random_state"],
    )
    order = np.arange(len(related))[None]
    scores = [rho]
    for distance in distances[1:]:
        pairs = list_pairs(np.isfinite(distance))
        found = correlate_pairs(related, distance[pairs][None], pairs, order)
        scores.append(found.item())
    found = describe(np.array([scores]), "rho", "low", "high", bounds=(-1, 1), **drawn)
    return {name: value[0] for name, value in found.items()} | {
        "p_value": p_value,
        "chance": 0.0,
        "n_regions": len(related),
        "n_pairs": len(list_pairs(np.isfinite(distances[0]))[0]),
    }
