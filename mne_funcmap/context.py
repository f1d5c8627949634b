"""The context of a channel: the other channels of its recording."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import block_diag, csr_array

from .training import average

STRENGTH = 30.0  # weight of a channel with the same signal, over the own one
PRIOR = 5.0  # channels that what is usual counts as


@dataclass(frozen=True)
class Context:
    """Which channels say something about each other.

    Attributes
    ----------
    channel : ndarray of int, shape (n_segments,)
        Channel of each segment, from 0 on, without gaps.
    near : scipy.sparse.csr_array, shape (n_channels, n_channels)
        Weights of the channels that a channel correlates with, and of itself. The
        rows add up to one.
    whole : scipy.sparse.csr_array, shape (n_channels, n_channels)
        The same weight for all channels of the recording.
    share : ndarray of float, shape (n_channels,)
        How far the mean of the recording is to be trusted.
    """

    channel: np.ndarray
    near: csr_array
    whole: csr_array
    share: np.ndarray

    def join(self, features, units):
        """Average features of segments by unit, and join those of the context.

        Parameters
        ----------
        features : torch.Tensor, shape (n_segments, n_features)
            Features of segments.
        units : ndarray of int, shape (n_segments,)
            What each segment is a piece of, from 0 on, without gaps: its channel, or
            part of it.

        Returns
        -------
        joined : torch.Tensor, shape (n_units, 2 * n_features + 1)
            First the mean of the features of the unit and of what is near its channel,
            then the mean of the recording, and how far that is to be trusted.
        """
        own = average(features, units)
        at = self.channel[np.unique(units, return_index=True)[1]]
        means = average(features, self.channel).numpy()
        near = torch.from_numpy((self.near @ means)[at])
        whole = torch.from_numpy((self.whole @ means)[at])
        share = torch.from_numpy(self.share[at, None])
        return torch.cat([(own + near) / 2, whole, share], dim=1)


def pool(features, units, context=None):
    """Average features of segments by unit, and join those of a context, if any.

    Parameters
    ----------
    features : torch.Tensor, shape (n_segments, n_features)
        Features of segments.
    units : ndarray of int, shape (n_segments,)
        As by `Context.join`.
    context : Context | None
        The context.

    Returns
    -------
    pooled : torch.Tensor, shape (n_units, n_features) or (n_units, 2 * n_features + 1)
        Features of units.
    """
    if context is None:
        return average(features, units)
    return context.join(features, units)


def find_context(data, channel, onset, recording):
    """Find which channels say something about each other.

    Parameters
    ----------
    data : ndarray of float32, shape (n_segments, n_times)
        Segments.
    channel : ndarray of int, shape (n_segments,)
        Channel of each segment, sorted, from 0 on, without gaps.
    onset : ndarray of float, shape (n_segments,)
        When each segment begins.
    recording : ndarray of int, shape (n_channels,)
        Recording of each channel, sorted.

    Returns
    -------
    context : Context
        The context. Near are channels whose signals correlate, whatever the sign:
        they lie close together or are closely coupled.
    """
    near, whole = [], []
    for index in np.unique(recording):
        first, stop = np.searchsorted(recording, [index, index + 1])
        rows = slice(*np.searchsorted(channel, [first, stop]))
        shared = _share_power(data[rows], channel[rows] - first, onset[rows])
        weights = STRENGTH * shared
        np.fill_diagonal(weights, 1.0)
        near.append(weights / weights.sum(axis=1, keepdims=True))
        whole.append(np.full(weights.shape, 1 / len(weights)))
    near, whole = (
        block_diag(part, format="csr").astype(np.float32) for part in (near, whole)
    )
    n_channels = np.bincount(recording)[recording]
    share = (n_channels / (n_channels + PRIOR)).astype(np.float32)
    return Context(channel, near, whole, share)


def find_segment_context(segments, used=slice(None)):
    """Find the context of segments of recordings.

    Parameters
    ----------
    segments : Segments
        The segments.
    used : ndarray of bool | slice
        Those that take part.

    Returns
    -------
    context : Context
        As by `find_context`.
    """
    rows, channel = np.unique(segments.channel[used], return_inverse=True)
    return find_context(
        segments.data[used],
        channel,
        segments.onset[used],
        segments.channels.recording[rows],
    )


def _share_power(data, channel, onset):
    """Return the squared correlation of channels, (n_channels, n_channels).

    It is that of first differences, which slow drifts do not dominate, over the
    segments that two channels have at the same time; zero where there are none.
    """
    n_channels = channel[-1] + 1
    product, power = np.zeros((2, n_channels, n_channels))
    for time in np.unique(onset):
        rows = np.flatnonzero(onset == time)
        change = np.diff(data[rows].astype(float), axis=1)
        pairs = np.ix_(channel[rows], channel[rows])
        product[pairs] += change @ change.T
        power[pairs] += np.square(change).sum(axis=1)[:, None]
    norm = power * power.T
    return np.square(product) / np.where(norm > 0, norm, np.inf)
