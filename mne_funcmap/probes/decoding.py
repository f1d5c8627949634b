"""What a recording is, such as a task or a stage of sleep, read from features of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from ..embedder import FunctionalEmbedder
from ..embedding.metrics import balanced_accuracy
from ..evaluation.embedders import summarize
from ..evaluation.folds import make_folds
from ..pooling import WindowPooler
from ..progress import log_level
from ..reconstructor import MaskedRegionReconstructor
from ..recordings.channels import find_subjects
from .band_power import BandPower

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
    from sklearn.base import BaseEstimator

    from ..hints import Memory, Models, Recordings, Seed, Splits, Verbose


@log_level
def probe_decoding(
    X: Recordings,
    labels: ArrayLike,
    models: Models | None = None,
    *,
    classifier: BaseEstimator | None = None,
    groups: ArrayLike | None = None,
    cv: Splits | None = None,
    baselines: Sequence[str] | None = None,
    n_permutations: int = 99,
    n_resamples: int = 10_000,
    memory: Memory = None,
    n_jobs: int | None = None,
    random_state: Seed = 0,
    verbose: Verbose = None,
) -> pd.DataFrame:
    """Compare how well features of recordings tell what these are.

    Features are learned without the labels, from the training subjects; a classifier,
    the same for all, then reads the labels of the subjects held out.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions. Take equally long ones, of all labels.
    labels : sequence of str, shape (n_recordings,)
        What each recording is.
    models : None | dict of str to estimator
        Name and unfitted transformer of a list of recordings to an array
        (n_recordings, n_features). None stands for the defaults, by
        `make_recording_features`.
    classifier : None | classifier
        Unfitted, of scikit-learn; None stands for logistic regression on standardized
        features, all labels weighted equally.
    groups : None | sequence of str, shape (n_recordings,)
        What is held out as a whole; None stands for the subjects.
    cv : None | cross-validation generator | list of tuple
        The folds, the same for all models; None stands for ``GroupKFold(5)``.
    baselines : None | sequence of str
        The models among which the best is what all are compared to; None stands for
        those that are a `BandPower`.
    n_permutations : int
        How often labels are permuted. The smallest possible p-value is one over one
        more than these.
    n_resamples : int
        Number of times that subjects are drawn with replacement.
    memory : None | str | joblib.Memory
        Folder in which trained models are kept.
    n_jobs : int | None
        Number of folds and models that are computed in parallel.
    random_state : int | RandomState | None
        Seed of the permutations and draws.
    verbose : bool | str | int | None
        Log level, as in MNE-Python; False hides the progress bar too.

    Returns
    -------
    table : pandas.DataFrame
        One row for each model and condition: model; relative, whether features are
        taken relative to their mean over the recordings of the subject in the same
        part of a fold, which needs no labels, but several recordings of each;
        balanced_accuracy, low and high (its 95 % interval over subjects); difference,
        diff_low and diff_high (the same for the difference to the best baseline),
        baseline (which that is), p_value and p_holm (of that difference: Wilcoxon's
        signed rank test over subjects, and corrected by Holm for the number of
        models); chance (of guessing each label equally
        often); accuracy and majority (share of all recordings, and that of always
        saying the commonest label); p_chance (of the permutations of labels); and
        n_subjects.

    Raises
    ------
    ValueError
        If there is not one label for each recording, or only one label; or what the
        models raise.

    Notes
    -----
    Balanced accuracy is the mean over labels of the share of their recordings that are
    predicted right, all folds pooled. Labels are permuted among the recordings of each
    subject, and where every subject has a single label, among subjects. The features
    stay, since they do not depend on them; the classifier is trained anew.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.probes.band_power import BandPower
    >>> from mne_funcmap.probes.decoding import probe_decoding
    >>> from sklearn.model_selection import GroupKFold
    >>> X = mf.simulate_recordings(n_subjects=4, n_sessions=2, duration=10.0)
    >>> labels = mf.get_sessions(X)
    >>> table = probe_decoding(
    ...     X, labels, {"band power": BandPower()}, cv=GroupKFold(2), n_permutations=19
    ... )
    >>> table[["model", "relative", "chance", "n_subjects"]]
            model  relative  chance  n_subjects
    0  band power     False     0.5           4
    1  band power      True     0.5           4
    """
    folds = make_folds(X, groups=groups, cv=cv, memory=memory)
    labels = _check_labels(labels, folds.recordings)
    subjects = find_subjects(folds.recordings)
    if models is None:
        models = make_recording_features(random_state)
    if baselines is None:
        baselines = [name for name in models if isinstance(models[name], BandPower)]
    if classifier is None:
        classifier = make_pipeline(
            StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
        )
    rng = check_random_state(random_state)
    permuted = [permute_labels(labels, subjects, rng) for _ in range(n_permutations)]
    given = np.array([labels, *permuted])
    tasks = [(model, *split) for model in models.values() for split in folds.splits]
    features = folds.run(_describe_fold, tasks, n_jobs=n_jobs, title="models x folds")
    seed = rng.randint(2**31 - 1)  # the same draws of subjects for all conditions
    tables = []
    for relative in (False, True):
        read = {name: [] for name in models}
        for name, (_, *split), found in zip(
            np.repeat([*models], len(folds.splits)), tasks, features, strict=True
        ):
            found = _center_fold(found, split, subjects) if relative else found
            read[name].append(_read_fold(found, split, given, classifier))
        table = _score(
            read, folds.splits, given, subjects, baselines, n_resamples, seed
        )
        table.insert(1, "relative", relative)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def make_recording_features(random_state=0):
    """Make the transformers of recordings that are compared by default.

    Parameters
    ----------
    random_state : int
        Seed of those that draw.

    Returns
    -------
    models : dict of str to estimator
        ``"reconstructor"``, the power of the latent sources of a
        `MaskedRegionReconstructor`, and ``"embedding"``, the embeddings of all
        channels, both as means and standard deviations, over windows and over
        channels; ``"band power"``, over all channels, and ``"band power by region"``.
    """
    return {
        "reconstructor": make_pipeline(
            MaskedRegionReconstructor(random_state=random_state), WindowPooler()
        ),
        "embedding": make_pipeline(
            FunctionalEmbedder(random_state=random_state), WindowPooler()
        ),
        "band power": BandPower(),
        "band power by region": BandPower(by_region=True),
    }


def permute_labels(labels, subjects, rng):
    """Permute labels among the recordings of each subject.

    Parameters
    ----------
    labels, subjects : ndarray of str, shape (n_recordings,)
        The label and the subject of each recording.
    rng : numpy.random.RandomState
        Where to draw from.

    Returns
    -------
    permuted : ndarray of str, shape (n_recordings,)
        Labels, as many of each for every subject. Where every subject has a single
        one, the labels of subjects are permuted instead.
    """
    names, first, subject = np.unique(subjects, return_index=True, return_inverse=True)
    if (labels == labels[first][subject]).all():
        return labels[first][rng.permutation(len(names))][subject]
    # sorted by subject, then at random, against sorted by subject alone
    drawn = np.lexsort((rng.random_sample(len(labels)), subject))
    permuted = np.empty_like(labels)
    permuted[np.argsort(subject, kind="stable")] = labels[drawn]
    return permuted


def _check_labels(labels, recordings):
    """Return labels as an array of str, one for each recording."""
    labels = np.asarray(labels, dtype=str)
    if labels.shape != (len(recordings),):
        raise ValueError(
            f"labels has the shape {labels.shape} for {len(recordings)} recordings: "
            "expected one label for each."
        )
    if len(np.unique(labels)) < 2:
        raise ValueError(
            f"All recordings are {str(labels[0])!r}: expected two labels at least."
        )
    return labels


def center(features, subjects):
    """Subtract the mean over the recordings of each subject.

    Parameters
    ----------
    features : ndarray, shape (n_recordings, n_features)
        Features of recordings.
    subjects : ndarray of str, shape (n_recordings,)
        Their subjects.

    Returns
    -------
    centred : ndarray, shape (n_recordings, n_features)
        The same, of mean zero in every subject.
    """
    subject = np.unique(subjects, return_inverse=True)[1]
    member = np.eye(subject.max() + 1)[subject]
    return features - member @ (member.T @ features / member.sum(axis=0)[:, None])


def _describe_fold(folds, model, train, test):
    """Return features of recordings for training, and of those held out."""
    fitted = folds.fit(model, train)
    return tuple(fitted.transform(folds.take(rows)[0]) for rows in (train, test))


def _read_fold(features, split, given, classifier):
    """Return labels of recordings held out, (1 + n_permutations, n_recordings)."""
    seen, unseen = features
    readers = [clone(classifier).fit(seen, labels[split[0]]) for labels in given]
    return np.array([reader.predict(unseen) for reader in readers])


def _center_fold(features, split, subjects):
    """Return the features of a fold relative to those of the same subject."""
    return tuple(
        center(part, subjects[rows]) for part, rows in zip(features, split, strict=True)
    )


def _score(read, splits, given, subjects, baselines, n_resamples, seed):
    """Return one row for each model, from labels it has read in each fold."""
    test = np.concatenate([rows for _, rows in splits])
    predicted = {name: np.concatenate(labels, axis=1) for name, labels in read.items()}
    frames = [
        pd.DataFrame(
            {
                "model": name,
                "subject": subjects[test],
                "region": given[0, test],  # what `summarize` calls it
                "predicted": labels[0],
            }
        )
        for name, labels in predicted.items()
    ]
    table = summarize(
        pd.concat(frames, ignore_index=True),
        baselines=baselines,
        n_resamples=n_resamples,
        random_state=seed,
    )
    return table.assign(
        p_chance=[_test(given[:, test], labels) for labels in predicted.values()],
        n_subjects=len(np.unique(subjects[test])),
    )


def _test(given, predicted):
    """Return how often permuted labels are read as well as the true ones."""
    scores = np.array(
        [balanced_accuracy(*pair) for pair in zip(given, predicted, strict=True)]
    )
    return float(np.mean(scores >= scores[0] - 1e-12))
