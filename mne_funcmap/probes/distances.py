"""Do channels with similar embeddings lie close together, and do they work together?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist, squareform
from sklearn.utils import check_random_state

from ..evaluation.default_models import make_embedders
from ..evaluation.folds import make_folds
from ..evaluation.intervals import describe, pool_subjects
from ..progress import log_level
from ..recordings.channels import list_channels
from ..recordings.positions import locate_channels
from .connectivity import BANDS, connect_recording
from .embeddings import embed_held_out
from .mantel import MIN_ITEMS, correlate_pairs, find_p_value, list_pairs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..hints import (
        Bands,
        Labels,
        Memory,
        Models,
        Picks,
        Recordings,
        Seed,
        Splits,
        Verbose,
    )

DISTANCE, OTHER_REGION = ("distance", ""), ("other region", "")
PAIRS = ("all", "same region", "other region")


@log_level
def probe_distances(
    X: Recordings,
    models: Models | None = None,
    *,
    y: Labels | None = None,
    groups: ArrayLike | None = None,
    cv: Splits | None = None,
    picks: Picks = None,
    bands: Bands | None = None,
    n_permutations: int = 999,
    n_resamples: int = 10_000,
    memory: Memory = None,
    n_jobs: int | None = None,
    random_state: Seed = 0,
    verbose: Verbose = None,
) -> pd.DataFrame:
    """Compare distances of embeddings with distance in the brain and connectivity.

    For each recording of a subject that was not trained on, the distances between the
    embeddings of all pairs of channels are compared with how far apart the channels
    lie, whether they are of other regions, and how their signals are related.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions.
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
    bands : None | dict of str to tuple of (float, float)
        Names and edges in Hz of the bands of connectivity. None stands for delta (1 to
        4), theta (4 to 8), alpha (8 to 13), beta (13 to 30) and gamma (30 to 70).
    n_permutations : int
        How often channels are permuted. The smallest possible p-value is one over one
        more than these.
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
        One row for each model and condition: model; measure, what the distance of
        embeddings is correlated with ("distance" in metres, where there are positions;
        "other region", 1 for a pair of different regions and 0 for one of the same;
        "correlation", without its sign, or "envelope", that of amplitudes) and band;
        given ("distance" for a partial correlation, in which that is held constant,
        else ""); pairs ("all", those of the "same region" or "other region"); rho,
        Spearman's rank correlation over the pairs of a recording, averaged over those
        of a subject, then over subjects; low and high (its 95 % interval over
        subjects); p_value (two-sided); chance (0); and n_subjects, for whom it is
        defined: 4 channels, 6 pairs, not all alike. What is defined for nobody has
        no row.

    Raises
    ------
    ValueError
        If no recording has 4 channels, a model embeds all alike, a channel has no
        position where others have, a band is beyond the sampling rate, or what the
        models raise.

    See Also
    --------
    mne_funcmap.probes.probe_region_matrix : The same between regions.

    Notes
    -----
    The distance is Euclidean. Pairs are no independent cases, so that channels are
    permuted within each subject, the rows and columns of the matrix of distances
    together, the same for all its recordings (Mantel 1967); p = (1 + number as
    extreme) / (1 + all). In partial correlations the same matrix is permuted [1]_.

    Embeddings that go with connectivity have a negative rho. Neighbouring bipolar
    channels can share a contact, which makes them similar in both: look at what is
    left given the distance.

    References
    ----------
    .. [1] Legendre, "Comparison of permutation methods for the partial correlation and
       partial Mantel tests", Journal of Statistical Computation and Simulation 67
       (2000).

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.baselines import UntrainedEmbedder
    >>> from mne_funcmap.probes.distances import probe_distances
    >>> from sklearn.model_selection import GroupKFold
    >>> X = mf.simulate_recordings(n_subjects=2, n_sessions=1, duration=10.0)
    >>> models = {"untrained": UntrainedEmbedder()}
    >>> table = probe_distances(
    ...     X, models, cv=GroupKFold(2), bands={"beta": (13, 30)}, n_permutations=19
    ... )
    >>> plain = table.query("pairs == 'all' and given == ''")
    >>> plain[["measure", "band", "n_subjects"]].reset_index(drop=True)
            measure  band  n_subjects
    0  other region                 2
    1      distance                 2
    2   correlation  beta           2
    3      envelope  beta           2
    """
    folds = make_folds(X, y=y, groups=groups, cv=cv, memory=memory)
    if models is None:
        models = make_embedders(random_state, ("embedding", "untrained"))
    channels = list_channels(folds.recordings, picks=picks, y=y)
    relations = _relate_pairs(folds.recordings, channels, bands or BANDS)
    rng = check_random_state(random_state)
    orders = _draw_orders(channels, relations, n_permutations, rng)
    subjects = np.unique(channels.subject[np.isin(channels.recording, [*relations])])
    drawn = {"n_resamples": n_resamples, "random_state": rng}
    found = embed_held_out(models, folds, channels, n_jobs=n_jobs)
    tables = []
    for name in models:
        of_model = [one for one in found if one.model == name]
        rho = _correlate(of_model, relations, orders, channels, subjects)
        tables.append(_summarize(name, rho, drawn))
    return pd.concat(tables, ignore_index=True)


def _relate_pairs(recordings, channels, bands):
    """Return relations of channels, for each recording with enough of them.

    Returns
    -------
    relations : dict of int to dict of tuple to ndarray, shape (n_channels, n_channels)
        For each recording, by index, and each measure and band.
    """
    has_positions = any(recording.get_montage() for recording in recordings)
    found = {}
    for index, recording in enumerate(recordings):
        rows = np.flatnonzero(channels.recording == index)
        if len(rows) < MIN_ITEMS:
            continue
        found[index] = {}
        if has_positions:
            points = locate_channels(recording, channels.ch_name[rows], index)
            found[index][DISTANCE] = squareform(pdist(points))
        found[index][OTHER_REGION] = _compare_regions(channels.region[rows])
        found[index] |= connect_recording(recording, index, channels.pick[rows], bands)
    if not found:
        raise ValueError(
            f"No recording has {MIN_ITEMS} channels that take part: there are too few "
            "pairs to compare."
        )
    return found


def _compare_regions(regions):
    """Return whether pairs are of other regions, nan where one is not known."""
    other = (regions[:, None] != regions).astype(float)
    unknown = np.array([region is None for region in regions])
    other[unknown] = other[:, unknown] = np.nan
    return other


def _draw_orders(channels, relations, n_permutations, rng):
    """Permute the channels of each subject, alike in all its recordings.

    Returns
    -------
    orders : dict of int to ndarray, shape (1 + n_permutations, n_channels)
        For each recording; the first one is the identity.
    """
    names = np.stack([channels.subject, channels.ch_name])
    _, channel = np.unique(names, axis=1, return_inverse=True)
    keys = rng.random_sample((n_permutations, channel.max() + 1))
    orders = {}
    for index in relations:
        rows = channels.recording == index
        # from the sorted names, so that one key moves a channel alike in all
        by_name = np.argsort(channel[rows])
        place = np.argsort(by_name)
        drawn = keys[:, channel[rows][by_name]].argsort(axis=1)
        drawn = by_name[drawn][:, place]
        orders[index] = np.vstack([np.arange(len(place)), drawn])
    return orders


def _correlate(of_model, relations, orders, channels, subjects):
    """Return the rank correlations of each subject, averaged over recordings.

    Returns
    -------
    rho : dict of tuple to list of ndarray | None, shape (1 + n_permutations,)
        For each measure, band, what is given, and pairs: of each subject; None where
        it is not defined.
    """
    found = {}
    for one in of_model:
        recording = channels.recording[one.row]
        for index in np.intersect1d(recording, [*relations]):
            values = one.values[recording == index]
            functional = squareform(pdist(values))
            of_one = _correlate_recording(functional, relations[index], orders[index])
            subject = channels.subject[channels.recording == index][0]
            for condition, rho in of_one.items():
                found.setdefault(condition, {}).setdefault(subject, []).append(rho)
    averaged = {
        condition: [_average(of_subject.get(subject, [])) for subject in subjects]
        for condition, of_subject in found.items()
    }
    return {
        condition: of_subjects
        for condition, of_subjects in averaged.items()
        if any(values is not None for values in of_subjects)
    }


def _correlate_recording(functional, relations, orders):
    """Return rank correlations over the pairs of a recording.

    Returns
    -------
    rho : dict of tuple to ndarray, shape (1 + n_permutations,)
        As by `_correlate`.
    """
    other = relations[OTHER_REGION]
    rest = {name: of for name, of in relations.items() if name != OTHER_REGION}
    rho = {}
    for pairs, targets, used in (
        ("all", {OTHER_REGION: other}, np.isfinite(other)),
        ("all", rest, np.ones(other.shape, dtype=bool)),
        ("same region", rest, other == 0),
        ("other region", rest, other == 1),
    ):
        rows = list_pairs(used)
        for given, names in _list_targets(targets, relations).items():
            found = correlate_pairs(
                functional,
                np.array([targets[name][rows] for name in names]),
                rows,
                orders,
                given=relations[DISTANCE][rows] if given else None,
            )
            rho |= {
                (*name, given, pairs): values
                for name, values in zip(names, found.T, strict=True)
            }
    return rho


def _list_targets(targets, relations):
    """Return which targets are correlated with nothing given, and the distance."""
    listed = {"": [*targets]}
    if DISTANCE in relations:
        listed["distance"] = [name for name in targets if name != DISTANCE]
    return listed


def _average(rho):
    """Average the recordings of a subject, as far as correlations are defined."""
    defined = [values for values in rho if np.isfinite(values[0])]
    return np.mean(defined, axis=0) if defined else None


def _summarize(model, rho, drawn):
    """Return one row for each condition of a model."""
    if not rho:
        raise ValueError(
            f"Model {model!r} embeds the channels of each recording all alike: there "
            "is nothing to rank. Leave it out."
        )
    known = np.array([[values is not None for values in of] for of in rho.values()])
    sums = np.zeros(known.shape)
    p_values = []
    for row, of_subjects in enumerate(rho.values()):
        values = np.array([of_subjects[i] for i in np.flatnonzero(known[row])])
        sums[row, known[row]] = values[:, 0]
        p_values.append(find_p_value(values.mean(axis=0)))
    scores = pool_subjects(sums, known.astype(float))
    table = pd.DataFrame([*rho], columns=["measure", "band", "given", "pairs"])
    table.insert(0, "model", model)
    return table.assign(
        **describe(scores, "rho", "low", "high", bounds=(-1, 1), **drawn),
        p_value=p_values,
        chance=0.0,
        n_subjects=known.sum(axis=1),
    )
