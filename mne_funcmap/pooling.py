"""WindowPooler: from features of windows to one row for each recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self


class WindowPooler(TransformerMixin, BaseEstimator):
    """Pool the features of the windows of a recording: mean and standard deviation.

    It stands between `MaskedRegionReconstructor` and a classifier of recordings in a
    pipeline.

    Examples
    --------
    >>> import numpy as np
    >>> import mne_funcmap as mf
    >>> features = [np.ones((4, 3)), np.zeros((7, 3))]
    >>> mf.WindowPooler().fit_transform(features).shape
    (2, 6)
    """

    def fit(self, X: Sequence[np.ndarray], y: Any = None) -> Self:
        """Do nothing: there is nothing to learn.

        Parameters
        ----------
        X : list of ndarray, shape (n_windows, n_features)
            Features of the windows of each recording.
        y : None
            Ignored.

        Returns
        -------
        self : WindowPooler
            The pooler.
        """
        return self

    def transform(self, X: Sequence[np.ndarray]) -> np.ndarray:
        """Pool features.

        Parameters
        ----------
        X : list of ndarray, shape (n_windows, n_features)
            Features of the windows of each recording.

        Returns
        -------
        pooled : ndarray, shape (n_recordings, 2 * n_features)
            Means, then standard deviations over the windows.

        Raises
        ------
        ValueError
            If there are no recordings, an item is not such an array, or their numbers
            of features differ.
        """
        if not len(X):
            raise ValueError("X is empty: expected features of one recording at least.")
        shapes = [np.shape(features) for features in X]
        odd = [
            (index, shape)
            for index, shape in enumerate(shapes)
            if len(shape) != 2 or shape[0] < 1 or shape[1:] != shapes[0][1:]
        ]
        if odd:
            raise ValueError(
                f"Item {odd[0][0]} has the shape {odd[0][1]} and item 0 {shapes[0]}: "
                "expected (n_windows, n_features) with one n_features. Give the "
                "list that MaskedRegionReconstructor.transform returns."
            )
        return np.array(
            [np.r_[np.mean(rows, axis=0), np.std(rows, axis=0)] for rows in X]
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        return tags
