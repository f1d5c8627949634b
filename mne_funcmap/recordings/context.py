"""The context of a channel: the other channels of its recording."""

import numpy as np
import torch

from ..training.runtime import average

STRENGTH = 30.0  # weight of a channel with the same signal, over the own one
PRIOR = 5.0  # channels that what is usual counts as


def pool(features, units, channel=None, shared=None):
    """Average features of segments by unit, and join those of the context, if any.

    Parameters
    ----------
    features : ndarray of float32, shape (n_segments, n_features)
        Features of the segments of a recording.
    units : ndarray of int, shape (n_segments,)
        What each segment is a piece of, from 0 on, sorted, without gaps: its channel,
        or part of it.
    channel : ndarray of int | None, shape (n_segments,)
        Channel of each segment, from 0 on, without gaps.
    shared : ndarray | None, shape (n_channels, n_channels)
        As by `share_power`; None stands for no context.

    Returns
    -------
    pooled : torch.Tensor, shape (n_units, n_features) or (n_units, 2 * n_features + 1)
        Features of units. With a context, first the mean of the features of the unit
        and of what is near its channel, then the mean of the recording, and how far
        that is to be trusted.
    """
    features = torch.from_numpy(features)
    if shared is None and len(features) == units[-1] + 1:
        return features  # each by itself
    own = average(features, units)
    if shared is None:
        return own
    at = channel[np.unique(units, return_index=True)[1]]
    means = average(features, channel)
    near = (torch.from_numpy(weigh_near(shared)) @ means)[at]
    whole = means.mean(dim=0).expand(len(own), -1)
    share = torch.full((len(own), 1), len(means) / (len(means) + PRIOR))
    return torch.cat([(own + near) / 2, whole, share], dim=1)


def weigh_near(shared):
    """Weigh the channels that are near to a channel, and itself.

    Near are channels whose signals correlate, whatever the sign: they lie close
    together or are closely coupled.

    Parameters
    ----------
    shared : ndarray, shape (n_channels, n_channels)
        As by `share_power`.

    Returns
    -------
    near : ndarray of float32, shape (n_channels, n_channels)
        Weights; the rows add up to one.
    """
    weights = STRENGTH * shared
    np.fill_diagonal(weights, 1.0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def share_power(data, channel, onset):
    """Compute how much of the power of its changes a channel shares with others.

    Parameters
    ----------
    data : ndarray of float32, shape (n_segments, n_times)
        Segments of a recording.
    channel : ndarray of int, shape (n_segments,)
        Channel of each segment, from 0 on, without gaps.
    onset : ndarray of float, shape (n_segments,)
        When each segment begins.

    Returns
    -------
    shared : ndarray, shape (n_channels, n_channels)
        Squared correlation of first differences, which slow drifts do not dominate,
        over the segments that two channels have at the same time; zero where there
        are none.
    """
    n_channels = channel.max() + 1
    product, power = np.zeros((2, n_channels, n_channels))
    for time in np.unique(onset):
        rows = np.flatnonzero(onset == time)
        change = np.diff(data[rows].astype(float), axis=1)
        pairs = np.ix_(channel[rows], channel[rows])
        product[pairs] += change @ change.T
        power[pairs] += np.square(change).sum(axis=1)[:, None]
    norm = power * power.T
    return np.square(product) / np.where(norm > 0, norm, np.inf)
