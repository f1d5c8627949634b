"""Spectra of channels as a transformer: what embeddings are compared to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from ..baselines.spectra import FEATURES, read_spectra
from ..embedding.region_classifier import make_frame, split_channels
from ..recordings.channels import check_recordings
from ..recordings.segments import open_segments

if TYPE_CHECKING:
    from typing import Any, Literal, Self

    import pandas as pd

    from ..hints import Picks, Recordings


class SpectrumTransformer(TransformerMixin, BaseEstimator):
    """Describe a channel by its power spectrum, with nothing learned but the scale.

    Parameters
    ----------
    features : "spectrum" | "rich"
        As for :class:`~mne_funcmap.baselines.SpectralClassifier`.
    duration : float | None
        Seconds of a segment; None stands for 10 s of Raw and whole epochs.
    picks : None | str | list of str
        Channel types, or names, that take part; None stands for good sEEG, ECoG, DBS
        and EEG channels.

    Attributes
    ----------
    scaler_ : sklearn.preprocessing.StandardScaler
        Mean and scale of the features over training channels.
    n_times_, sfreq_ : int, float
        Number of samples of a segment and sampling rate in Hz.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> X = mf.simulate_recordings(n_subjects=2, n_sessions=1, duration=10.0)
    >>> [Z.shape for Z in SpectrumTransformer().fit_transform(X)]
    [(20, 100), (20, 100)]
    """

    _parameter_constraints = {"features": [StrOptions(set(FEATURES))]}

    def __init__(
        self,
        features: Literal["spectrum", "rich"] = "spectrum",
        *,
        duration: float | None = None,
        picks: Picks = None,
    ) -> None:
        self.features = features
        self.duration = duration
        self.picks = picks

    def fit(self, X: Recordings, y: Any = None) -> Self:
        """Learn the scale of the features.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.
        y : None
            Ignored.

        Returns
        -------
        self : SpectrumTransformer
            The fitted transformer.
        """
        self._validate_params()
        source = self._open(X)
        self.n_times_, self.sfreq_ = source.n_times, source.sfreq
        features = read_spectra(source, self.features).values
        self.scaler_ = StandardScaler().fit(features)
        return self

    def transform(self, X: Recordings) -> list[np.ndarray]:
        """Describe the channels of recordings.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.

        Returns
        -------
        Z : list of ndarray of float32, shape (n_channels, n_features)
            Standardized features; one item for each recording.
        """
        check_is_fitted(self)
        source = self._open(X, like=(self.n_times_, self.sfreq_))
        values = self._standardize(read_spectra(source, self.features))
        return split_channels(values, source.channels)

    def embed_segments(self, X: Recordings) -> pd.DataFrame:
        """Describe every segment by itself.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.

        Returns
        -------
        frame : pandas.DataFrame
            As by :meth:`~mne_funcmap.FunctionalEmbedder.embed_segments`.
        """
        check_is_fitted(self)
        source = self._open(X, like=(self.n_times_, self.sfreq_))
        found = read_spectra(source, self.features, None)
        values = self._standardize(found)
        components = {f"c{i}": column for i, column in enumerate(values.T)}
        columns = {"onset": found.onset} | components
        return make_frame(source.channels, found.channel, **columns)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags

    def _open(self, X, like=None):
        """Prepare to cut recordings into segments."""
        return open_segments(
            check_recordings(X), duration=self.duration, picks=self.picks, like=like
        )

    def _standardize(self, units):
        """Return standardized features, (n_units, n_features)."""
        return self.scaler_.transform(units.values).astype(np.float32)
