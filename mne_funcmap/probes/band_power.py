"""BandPower: what a recording is, told plainly by the power of its rhythms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import periodogram
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..recordings.channels import check_recordings
from ..recordings.segments import cut_segments

if TYPE_CHECKING:
    from typing import Any, Self

    from ..hints import Picks, Recordings

BANDS = {
    "delta": (1.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 13.0),
    "beta": (13.0, 30.0),
    "gamma": (30.0, 45.0),
}  # Hz
FLOOR = 1e-30  # V^2/Hz, of a band that a filter has emptied


class BandPower(TransformerMixin, BaseEstimator):
    """Describe recordings by the log power of bands: mean and spread over time.

    The power of every channel in windows of some seconds; its logarithm averaged over
    time, and its standard deviation over time; both averaged over the channels of the
    recording, or of each region.

    Parameters
    ----------
    by_region : bool
        Whether to average over the channels of each region of the training recordings
        by themselves. One that a recording does not have gets the mean over the
        training recordings that have it.
    window : float
        Seconds of a window.
    picks : None | str | list of str
        Channel types, or names, that take part; None stands for good sEEG, ECoG, DBS
        and EEG channels.

    Attributes
    ----------
    regions_ : ndarray of str, shape (n_regions,)
        The regions in training; a single empty name if all channels are averaged.
    mean_ : ndarray, shape (n_features,)
        Mean of the features in training.
    n_times_, sfreq_ : int, float
        Number of samples of a window and sampling rate in Hz.

    Notes
    -----
    The bands are delta (1 to 4 Hz), theta (4 to 8), alpha (8 to 13), beta (13 to 30)
    and gamma (30 to 45). Power is that of Hann windows, in units of V^2/Hz.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.probes.band_power import BandPower
    >>> X = mf.simulate_recordings(n_subjects=2, n_sessions=1, duration=10.0)
    >>> BandPower(by_region=True).fit_transform(X).shape
    (2, 50)
    """

    def __init__(
        self, by_region: bool = False, *, window: float = 2.0, picks: Picks = None
    ) -> None:
        self.by_region = by_region
        self.window = window
        self.picks = picks

    def fit(self, X: Recordings, y: Any = None) -> Self:
        """Remember the regions, and the mean of the features.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.
        y : object
            Ignored: in a pipeline, it is for the classifier at its end.

        Returns
        -------
        self : BandPower
            The fitted transformer.

        Raises
        ------
        ValueError
            If rates differ, the rate is too low for the bands, a channel has no usable
            window, or there are no regions to average over.
        """
        segments = self._cut(X)
        self.n_times_, self.sfreq_ = segments.data.shape[1], segments.sfreq
        highest = max(high for _, high in BANDS.values())
        if self.sfreq_ < 2 * highest:
            raise ValueError(
                f"The recordings are sampled at {self.sfreq_:g} Hz, too low for bands "
                f"up to {highest:g} Hz: expected {2 * highest:g} Hz at least."
            )
        self.regions_ = self._find_regions(segments.channels)
        self.mean_ = np.nanmean(self._measure(segments), axis=0)
        return self

    def transform(self, X: Recordings) -> np.ndarray:
        """Describe recordings.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.

        Returns
        -------
        features : ndarray, shape (n_recordings, n_features)
            For each region, or for all channels, the means of all bands, then their
            spreads.
        """
        check_is_fitted(self)
        features = self._measure(self._cut(X, (self.n_times_, self.sfreq_)))
        return np.where(np.isnan(features), self.mean_, features)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags

    def _cut(self, X, like=None):
        """Cut recordings into windows of channels."""
        return cut_segments(
            check_recordings(X), duration=self.window, picks=self.picks, like=like
        )

    def _find_regions(self, channels):
        """Return what channels are averaged by."""
        if not self.by_region:
            return np.array([""])
        if not channels.has_region.any():
            raise ValueError(
                "No channel of X has a region. Call set_regions on the recordings, or "
                "set by_region=False."
            )
        return np.unique(channels.region[channels.has_region].astype(str))

    def _measure(self, segments):
        """Return features, nan of regions that a recording has not."""
        channels = segments.channels
        regions = channels.region if self.by_region else np.full(len(channels.pick), "")
        member = regions[:, None] == self.regions_
        of_channels = _pool(_compute_log_power(segments), segments.channel)
        shape = (channels.recording.max() + 1, len(self.regions_))
        sums, counts = np.zeros((*shape, of_channels.shape[1])), np.zeros(shape)
        channel, region = np.nonzero(member)
        place = channels.recording[channel], region
        np.add.at(sums, place, of_channels[channel])
        np.add.at(counts, place, 1)
        sums /= np.where(counts > 0, counts, np.nan)[:, :, None]
        return sums.reshape(len(sums), -1)


def _compute_log_power(segments):
    """Return the log power of segments in bands, (n_segments, n_bands)."""
    frequencies, power = periodogram(segments.data, segments.sfreq, "hann", axis=1)
    inside = [
        (frequencies >= low) & (frequencies < high) for low, high in BANDS.values()
    ]
    return np.log([power[:, band].mean(axis=1) + FLOOR for band in inside]).T


def _pool(values, channel):
    """Return means, then standard deviations, of the rows of each channel."""
    counts = np.bincount(channel)[:, None]
    starts = np.flatnonzero(np.diff(channel, prepend=-1))
    mean = np.add.reduceat(values, starts) / counts
    square = np.add.reduceat(np.square(values - mean[channel]), starts) / counts
    return np.hstack([mean, np.sqrt(square)])
