"""Ridge regression of withheld channels on the lagged others, from second moments."""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import pad

from ..reconstruction.moments import join_parts, score_moments

LAG_STEP = 0.005  # seconds between lags, where the rate is higher: signals are slow


class LagBank(nn.Module):
    """Copies of signals at lags to either side, in place of a bank of filters.

    Parameters
    ----------
    n_lags : int
        Number of lags to either side.
    step : int
        Samples from one to the next.
    """

    def __init__(self, n_lags, step=1):
        super().__init__()
        self.n_lags = n_lags
        self.step = step

    @property
    def n_filters(self):
        """The number of lags."""
        return 2 * self.n_lags + 1

    @property
    def centre(self):
        """Index of the signal itself."""
        return self.n_lags

    def forward(self, signals):
        """Return signals at all lags, zero beyond their ends.

        Parameters
        ----------
        signals : torch.Tensor, shape (n, n_channels, n_times)
            Windows.

        Returns
        -------
        lagged : torch.Tensor, shape (n, n_channels, n_filters, n_times)
            The earliest first.
        """
        reach = self.n_lags * self.step
        return pad(signals, (reach, reach)).unfold(-1, signals.shape[-1], self.step)


def count_lags(seconds, sfreq, n_times):
    """Count the lags to either side, and the samples from one to the next.

    Parameters
    ----------
    seconds : float
        The longest lag.
    sfreq : float
        Sampling rate in Hz.
    n_times : int
        Number of samples of a window; lags beyond it are left out.

    Returns
    -------
    n_lags, step : int
        As for `LagBank`.
    """
    step = max(1, round(LAG_STEP * sfreq))
    reach = min(round(seconds * sfreq), n_times - 1)
    return reach // step, step


def solve_ridge(moments, is_target, penalty):
    """Return the weights of a ridge regression on the channels that are given.

    Parameters
    ----------
    moments : torch.Tensor, shape (n_channels, n_filters, n_channels, n_filters)
        As by `compute_moments`, with a `LagBank`.
    is_target : ndarray of bool, shape (n_channels,)
        Which channels are withheld.
    penalty : float
        What is added to the mean square of every regressor.

    Returns
    -------
    weights : torch.Tensor, shape (n_targets, n_channels, n_filters)
        Zero for withheld channels.
    """
    sources, targets = np.flatnonzero(~is_target), np.flatnonzero(is_target)
    n_channels, n_filters = moments.shape[:2]
    given = moments[sources][:, :, sources].flatten(2).flatten(0, 1).double()
    product = moments[sources][:, :, targets, n_filters // 2].flatten(0, 1).double()
    given.diagonal().add_(penalty)
    found = torch.cholesky_solve(product, torch.linalg.cholesky(given)).T
    weights = torch.zeros(len(targets), n_channels, n_filters)
    weights[:, sources] = found.unflatten(1, (len(sources), -1)).float()
    return weights


def take_lags(moments, n_lags):
    """Return the moments of fewer lags.

    Parameters
    ----------
    moments : torch.Tensor, shape (n_channels, n_filters, n_channels, n_filters)
        As by `compute_moments`, with a `LagBank`.
    n_lags : int
        Number of lags to either side.

    Returns
    -------
    moments : torch.Tensor, shape (n_channels, n_fewer, n_channels, n_fewer)
        Those around lag zero.
    """
    centre = moments.shape[1] // 2
    kept = slice(centre - n_lags, centre + n_lags + 1)
    return moments[:, kept][..., kept]


def choose_ridge(parts, is_target, n_lags, penalties):
    """Choose lags and penalty by cross-validation over parts of a recording.

    Parameters
    ----------
    parts : sequence of tuple of (torch.Tensor, float)
        Moments and seconds of each, two parts at least.
    is_target : ndarray of bool, shape (n_channels,)
        Which channels are withheld.
    n_lags : sequence of int
        Numbers of lags to choose from.
    penalties : sequence of float
        Penalties to choose from.

    Returns
    -------
    n_lags : int
        The number of lags with which parts are predicted best by weights fitted on
        the others, in mean correlation over withheld channels.
    penalty : float
        The penalty that goes with it.
    """
    scores = np.zeros((len(n_lags), len(penalties)))
    for held_out, (moments, seconds) in enumerate(parts):
        rest, _ = join_parts([*parts[:held_out], *parts[held_out + 1 :]])
        for i, n in enumerate(n_lags):
            given, later = take_lags(rest, n), take_lags(moments, n)
            for j, penalty in enumerate(penalties):
                weights = solve_ridge(given, is_target, penalty)
                scores[i, j] += seconds * score_weights(weights, later, is_target)
    best = np.unravel_index(scores.argmax(), scores.shape)
    return n_lags[best[0]], penalties[best[1]]


def score_weights(weights, moments, is_target):
    """Score weights for withheld channels.

    Parameters
    ----------
    weights : torch.Tensor, shape (n_targets, n_channels, n_filters)
        As by `solve_ridge`.
    moments : torch.Tensor, shape (n_channels, n_filters, n_channels, n_filters)
        As by `compute_moments`.
    is_target : ndarray of bool, shape (n_channels,)
        Which channels are withheld.

    Returns
    -------
    r : float
        Mean correlation over withheld channels.
    """
    targets = torch.from_numpy(np.flatnonzero(is_target))[None]
    centre = moments.shape[1] // 2
    return float(score_moments(weights[None], moments[None], targets, centre)[0].mean())
