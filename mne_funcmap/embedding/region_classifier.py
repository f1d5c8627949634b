"""What estimators that tell the region of a channel have in common."""

from __future__ import annotations

from os import PathLike
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from ..fitted import FittedOnRecordings, tell_input
from ..progress import tell, verbose_method
from ..recordings.advice import warn_spellings, warn_unlabelled
from ..recordings.channels import (
    check_all_named,
    check_recordings,
    warn_unknown_subjects,
)
from ..recordings.measured import by_channel, collect_units
from ..recordings.segments import open_segments
from ..subjects import shorten_list
from .metrics import balanced_accuracy

if TYPE_CHECKING:
    from typing import Self

    import pandas as pd

    from ..hints import Labels, Recordings

MEMORY_CONSTRAINT = {"memory": [str, PathLike, HasMethods(["cache"]), None]}


class RegionClassifier(FittedOnRecordings, BaseEstimator):
    """Base of classifiers of channels: recordings in, regions out.

    Subclasses have the parameters ``duration``, ``picks`` and ``memory``, and say how
    to ``_learn`` from a `SegmentSource`, what is the `Measure` of segments, and how to
    ``_read`` features of units.
    """

    normalize = False
    positives = "region"
    _WITHOUT_REGIONS = ""  # what can be done then

    @verbose_method
    def fit(self, X: Recordings, y: Labels | None = None) -> Self:
        """Learn the regions of channels.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings, with regions (see :func:`~mne_funcmap.set_regions`). If only
            some have any, a warning names the others where regions are learned.
        y : None | list of dict | list of sequence
            Regions instead of the annotations: for each recording ``{ch_name: region}``
            or one region, or None, for each channel that takes part.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        TypeError
            If an item of X is not a recording.
        ValueError
            If rates or lengths differ, fewer than two regions are known, or a good
            channel has no usable segment.
        """
        begin = perf_counter()
        self._validate_params()
        recordings = check_recordings(X)
        if y is None:
            check_all_named(recordings, self.picks)
        source = self._open_like(recordings, y=y)
        self.classes_ = self._find_classes(source.channels)
        self.n_times_, self.sfreq_ = source.n_times, source.sfreq
        tell_input(self, recordings, source.channels)
        warn_spellings(source.channels.region)
        if self.positives == "region":
            warn_unlabelled(recordings, source.channels)
        self._learn(source)
        self._remember(recordings, source.channels, self._find_used(source.channels))
        self._tell_fitted(perf_counter() - begin)
        return self

    def predict(self, X: Recordings) -> list[np.ndarray]:
        """Predict the regions of channels.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.

        Returns
        -------
        regions : list of ndarray of str, shape (n_channels,)
            One region for each channel that takes part; one item for each recording.
        """
        return [self.classes_[p.argmax(axis=1)] for p in self.predict_proba(X)]

    @verbose_method
    def predict_proba(self, X: Recordings) -> list[np.ndarray]:
        """Predict how probable each region is for each channel.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.

        Returns
        -------
        probabilities : list of ndarray, shape (n_channels, n_regions)
            In the order of ``classes_``; one item for each recording.
        """
        source = self._open(X)
        return split_channels(self._predict(source), source.channels)

    @verbose_method
    def predict_segments(self, X: Recordings) -> pd.DataFrame:
        """Predict the region of every segment by itself.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.

        Returns
        -------
        frame : pandas.DataFrame
            One row for each segment: subject, recording, ch_name, region (missing where
            unknown), onset (in seconds, from the first sample of Raw; on the clock of
            the events of Epochs) and predicted.
        """
        source = self._open(X)
        found = self._collect(source, None)
        predicted = self.classes_[self._read(found.values).argmax(axis=1)]
        columns = {"onset": found.onset, "predicted": predicted}
        return make_frame(source.channels, found.channel, **columns)

    @verbose_method
    def score(self, X: Recordings, y: Labels | None = None) -> float:
        """Return the balanced accuracy over the channels whose region is known.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.
        y : None | list of dict | list of sequence
            Regions instead of the annotations, as in `fit`.

        Returns
        -------
        score : float
            The mean over regions of the share of their channels that are read right.
            A region that was not there in training counts as missed, and
            ``verbose=True`` names it.
        """
        source = self._open(X, y)
        known = source.channels.has_region
        if not known.any():
            raise ValueError(
                "No channel of X has a region: there is nothing to score. Call "
                "set_regions on the recordings, or give y."
            )
        predicted = self.classes_[self._predict(source).argmax(axis=1)]
        truth = source.channels.region[known].astype(str)
        self._tell_unseen(truth)
        return balanced_accuracy(truth, predicted[known])

    def _tell_unseen(self, regions):
        """Log which regions count as missed, since they were not in training."""
        unseen = np.setdiff1d(regions, self.classes_)
        if len(unseen):
            text = (
                f"{type(self).__name__}: {np.isin(regions, unseen).sum()} of "
                f"{len(regions)} channels of X are in regions that were not in "
                f"training, and count as missed: {shorten_list(unseen, 20)}"
            )
            tell(text, getattr(self, "verbose", None))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags

    def _find_classes(self, channels):
        """Return the regions of the training channels, two at least."""
        classes = np.unique(channels.region[channels.has_region].astype(str))
        if len(classes) == 0:
            raise ValueError(
                "No channel of X has a region. Call set_regions on the recordings, or "
                f"give y{self._WITHOUT_REGIONS}. See 'Preparing recordings' in the "
                "user guide."
            )
        if len(classes) == 1:
            raise ValueError(
                f"All channels of X with a region are in {str(classes[0])!r}: expected "
                "two regions at least. Check the region names, or add recordings of "
                "other regions."
            )
        return classes

    def _find_used(self, channels):
        """Return which channels are trained on, (n_channels,)."""
        return channels.has_region

    def _get_regions(self):
        return self.classes_

    def _open(self, X, y=None):
        """Prepare to cut recordings as those of the training were."""
        check_is_fitted(self)
        like = (self.n_times_, self.sfreq_)
        return self._open_like(check_recordings(X), y=y, like=like)

    def _open_like(self, recordings, *, y=None, like=None):
        """Prepare to cut recordings into segments of a length and rate."""
        warn_unknown_subjects(recordings)
        return open_segments(
            recordings,
            duration=self.duration,
            picks=self.picks,
            normalize=self.normalize,
            y=y,
            like=like,
        )

    def _collect(self, source, divide=by_channel):
        """Return what is read from units of segments, a `Units`."""
        measure = self._make_measure()
        return collect_units(
            source, measure, divide, finish=self._finish, memory=self.memory
        )

    def _finish(self, features):
        """Return what is read from a tensor of features of units."""
        return features

    def _predict(self, source):
        """Return probabilities of channels, (n_channels, n_regions)."""
        return self._read(self._collect(source).values)


def split_channels(values, channels):
    """Split rows of channels into one item for each recording."""
    n_channels = np.bincount(channels.recording)
    return np.split(values, np.cumsum(n_channels)[:-1])


def make_frame(channels, rows, **columns):
    """Return a table of channels, or of their segments, with further columns."""
    import pandas as pd

    table = {
        "subject": channels.subject[rows],
        "recording": channels.recording[rows],
        "ch_name": channels.ch_name[rows],
        "region": channels.region[rows],
    }
    return pd.DataFrame(table | columns)
