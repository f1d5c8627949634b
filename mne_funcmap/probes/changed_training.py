"""Training on less, or on worse labels, than there is; scored on the true ones."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.utils.metaestimators import available_if

from ..evaluation.embedders import cross_val_regions
from ..evaluation.intervals import balance
from ..evaluation.permutation import label_recordings
from ..recordings.channels import check_recordings, list_channels


class ChangedTraining(BaseEstimator):
    """Train an estimator on something else than what it is given.

    Parameters
    ----------
    estimator : estimator
        Recordings in, regions out; unfitted.
    change : callable
        Takes recordings, their channels and a ``numpy.random.RandomState``. Returns
        recordings, and the region of each of their channels as ``y`` of ``fit``.
    seed : int
        Seed of what the change draws.
    picks : None | str | list of str
        The ``picks`` of the estimator.

    Attributes
    ----------
    estimator_ : estimator
        The fitted one.
    """

    def __init__(self, estimator, change, *, seed=0, picks=None):
        self.estimator = estimator
        self.change = change
        self.seed = seed
        self.picks = picks

    def fit(self, X, y=None):
        """Change what is given, and train on it.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.
        y : None | list of dict | list of sequence
            Regions instead of the annotations.

        Returns
        -------
        self : ChangedTraining
            The fitted estimator.
        """
        recordings = check_recordings(X)
        channels = list_channels(recordings, picks=self.picks, y=y)
        rng = np.random.RandomState(self.seed)
        self.estimator_ = clone(self.estimator).fit(
            *self.change(recordings, channels, rng)
        )
        return self

    def predict(self, X):
        """Predict the regions of channels, as the estimator does."""
        return self.estimator_.predict(X)

    @available_if(lambda self: hasattr(self.estimator, "predict_segments"))
    def predict_segments(self, X):
        """Predict the region of every segment by itself, as the estimator does."""
        return self.estimator_.predict_segments(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags


def number_channels(channels):
    """Number channels such that one has one number in all recordings of its subject.

    Parameters
    ----------
    channels : Channels
        The channels of all recordings.

    Returns
    -------
    number : ndarray of int, shape (n_channels,)
        From 0 on.
    """
    keys = np.stack([channels.subject, channels.ch_name])
    return np.unique(keys, axis=1, return_inverse=True)[1]


def keep_regions(recordings, channels, kept):
    """Return recordings with regions of some channels only, as ``fit`` takes them.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    channels : Channels
        Their channels.
    kept : ndarray of bool, shape (n_channels,)
        The channels whose region is still known.

    Returns
    -------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The same.
    y : list of dict of str to str
        Their regions.
    """
    regions = np.where(kept, channels.region, None)
    return recordings, label_recordings(channels, regions)


def cross_val_changes(
    models, changes, X, *, n_draws, random_state=0, picks=None, **options
):
    """Train models under several conditions, and predict channels held out.

    Parameters
    ----------
    models : dict of str to estimator
        Name and unfitted estimator.
    changes : list of tuple of (dict, callable | None)
        Of each condition what it is called in the table, and the change of the
        training, as of `ChangedTraining`; None leaves all as it is, which needs one
        draw.
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions.
    n_draws : int
        How often what a change draws is drawn.
    random_state : int
        Seed of the first draw; the next have those after it.
    picks : None | str | list of str
        The ``picks`` of the estimators.
    **options : dict
        As for `cross_val_regions`: y, groups, cv, memory and n_jobs.

    Returns
    -------
    frame : pandas.DataFrame
        As by `cross_val_regions`, with the true regions, and further columns: those of
        the conditions, and draw.
    """
    trained, rows = {}, []
    for model, estimator in models.items():
        for columns, change in changes:
            for draw in range(1 if change is None else n_draws):
                rows.append({"model": model} | columns | {"draw": draw})
                seed = random_state + draw
                trained[len(rows) - 1] = (
                    estimator
                    if change is None
                    else ChangedTraining(estimator, change, seed=seed, picks=picks)
                )
    frame = cross_val_regions(trained, X, picks=picks, **options)
    conditions = pd.DataFrame(rows).iloc[frame.pop("model")]
    return pd.concat([conditions.reset_index(drop=True), frame], axis=1)


def score_draws(frame, by, *, right=None, total=None):
    """Score conditions: balanced accuracy, averaged over draws.

    Parameters
    ----------
    frame : pandas.DataFrame
        Predictions: subject, region, predicted, draw, and what conditions are told
        apart by.
    by : list of str
        The columns that make a condition.
    right, total : None | str
        Columns with how many are right, of how many; None stands for channels.

    Returns
    -------
    conditions : pandas.DataFrame
        One row for each condition, in order of appearance: the columns ``by``.
    scores : ndarray, shape (n_conditions, 1 + n_subjects)
        Of all subjects, then with each left out.

    Notes
    -----
    Balanced accuracy is the mean over regions of the share that is right, all folds
    pooled. A draw of labels or training subjects is no independent case: intervals are
    over the subjects that are scored.
    """
    correct = frame["region"] == frame["predicted"]
    counts = frame[[*by, "draw", "subject", "region"]].assign(
        right=correct.astype(float) if right is None else frame[right],
        total=1.0 if total is None else frame[total],
    )
    subjects, regions = (sorted(frame[name].unique()) for name in ("subject", "region"))
    cells = pd.MultiIndex.from_product([subjects, regions])
    conditions, scores = [], []
    for condition, of_one in counts.groupby(by, sort=False, dropna=False):
        of_draws = []
        for _, of_draw in of_one.groupby("draw"):
            sums = of_draw.groupby(["subject", "region"])[["right", "total"]].sum()
            table = sums.reindex(cells, fill_value=0.0).to_numpy()
            table = table.reshape(len(subjects), len(regions), 2)
            of_draws.append(balance(table[..., 0], table[..., 1]))
        conditions.append(condition)
        scores.append(np.mean(of_draws, axis=0))
    return pd.DataFrame(conditions, columns=by), np.array(scores)


def count_subjects(frame):
    """Count the subjects that are scored, and what guessing regions would give.

    Parameters
    ----------
    frame : pandas.DataFrame
        Predictions, with subject and region.

    Returns
    -------
    columns : dict of str to object
        chance, of guessing each region equally often, and n_subjects.
    """
    return {
        "chance": 1 / frame["region"].nunique(),
        "n_subjects": frame["subject"].nunique(),
    }
