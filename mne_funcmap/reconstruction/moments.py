"""Second moments of filtered windows: all that a linear prediction can learn from.

The error of a linear prediction, and its correlation with the truth, are quadratic in
the weights. Training on moments instead of windows is exact, and takes the same time
for a second of signal as for a day.
"""

from dataclasses import dataclass, replace

import torch
from torch import nn

from ..recordings.storage import StoredRows

CHUNK = 64  # windows filtered at a time


def compute_moments(windows, bank):
    """Compute the mean products of all filtered channels.

    Parameters
    ----------
    windows : torch.Tensor, shape (n_windows, n_channels, n_times)
        Windows, z-scored.
    bank : FilterBank
        The filters.

    Returns
    -------
    moments : torch.Tensor, shape (n_channels, n_filters, n_channels, n_filters)
        Means over windows and times.
    """
    n_windows, n_channels, n_times = windows.shape
    n = n_channels * bank.n_filters
    total = torch.zeros(n, n, device=windows.device)
    for chunk in windows.split(CHUNK):
        filtered = bank(chunk).flatten(1, 2).transpose(0, 1).flatten(1)
        total += filtered @ filtered.T
    total /= n_windows * n_times
    return total.view(n_channels, bank.n_filters, n_channels, bank.n_filters)


@dataclass(frozen=True)
class StoredMoments:
    """Moments in a file.

    Attributes
    ----------
    rows : StoredRows, shape (1, n_channels, n_filters, n_channels, n_filters)
        Where they are.
    ratio : torch.Tensor | None, shape (n_channels,)
        By what channels are to be multiplied; None stands for nothing.
    """

    rows: StoredRows
    ratio: torch.Tensor | None = None


def keep_moments(moments, store):
    """Write moments to a file, if there is one.

    Parameters
    ----------
    moments : torch.Tensor, shape (n_channels, n_filters, n_channels, n_filters)
        The moments.
    store : RowFile | None
        The file.

    Returns
    -------
    moments : torch.Tensor | StoredMoments
        The same.
    """
    if store is None:
        return moments
    return StoredMoments(store.append(moments[None].numpy()))


def read_moments(moments):
    """Return moments, from their file if they are in one.

    Parameters
    ----------
    moments : torch.Tensor | StoredMoments
        The moments.

    Returns
    -------
    moments : torch.Tensor, shape (n_channels, n_filters, n_channels, n_filters)
        The same.
    """
    if isinstance(moments, torch.Tensor):
        return moments
    values = torch.from_numpy(moments.rows[0])
    return values if moments.ratio is None else rescale_moments(values, moments.ratio)


def rescale_moments(moments, ratio):
    """Return the moments of channels that are multiplied.

    Parameters
    ----------
    moments : torch.Tensor | StoredMoments
        The moments.
    ratio : torch.Tensor, shape (n_channels,)
        By what.

    Returns
    -------
    moments : torch.Tensor | StoredMoments
        In the file as before, if they are in one.
    """
    if isinstance(moments, torch.Tensor):
        return moments * (ratio[:, None, None, None] * ratio[:, None])
    before = 1.0 if moments.ratio is None else moments.ratio
    return replace(moments, ratio=before * ratio)


def join_parts(parts):
    """Return the moments of parts of a recording together.

    Parameters
    ----------
    parts : list of tuple of (torch.Tensor | StoredMoments, float)
        Moments and seconds of each.

    Returns
    -------
    moments : torch.Tensor, shape (n_channels, n_filters, n_channels, n_filters)
        Their mean, weighted by the seconds.
    seconds : float
        The sum.
    """
    seconds = sum(of_part for _, of_part in parts)
    shares = (read_moments(moments) * (of_part / seconds) for moments, of_part in parts)
    return sum(shares), seconds


def score_moments(weights, moments, targets, centre):
    """Score linear predictions of withheld channels.

    Parameters
    ----------
    weights : torch.Tensor, shape (n, n_targets, n_channels, n_filters)
        As by `LinearPath`.
    moments : torch.Tensor, shape (n, n_channels, n_filters, n_channels, n_filters)
        As by `compute_moments`.
    targets : torch.Tensor of int, shape (n, n_targets)
        Which channels are withheld.
    centre : int
        Index of the filter without delay, whose output is to be predicted.

    Returns
    -------
    r : torch.Tensor, shape (n, n_targets)
        Correlation of prediction and truth.
    nmse : torch.Tensor, shape (n, n_targets)
        Mean squared error over the variance of the truth.
    """
    item = torch.arange(len(moments), device=moments.device)[:, None]
    weights = weights.flatten(2)
    product = (weights * moments[item, targets, centre].flatten(2)).sum(dim=2)
    between = moments.flatten(3).flatten(1, 2)
    predicted = (weights * (weights @ between)).sum(dim=2)
    truth = moments[item, targets, centre, targets, centre]
    truth, predicted = truth.clamp(min=1e-3), predicted.clamp(min=1e-6)
    nmse = (predicted - 2 * product + truth) / truth
    return product / torch.sqrt(predicted * truth), nmse


def score_cases(weights, truth, centre):
    """Score predictions of channels withheld in several cases of each recording.

    Parameters
    ----------
    weights : torch.Tensor, shape (n, n_cases, n_targets, n_channels, n_filters)
        As by `LinearPath`.
    truth : dict of str to torch.Tensor
        ``moments``, (n, n_channels, n_filters, n_channels, n_filters); ``targets`` and
        ``counts``, (n, n_cases, n_targets): which targets are no padding.
    centre : int
        As for `score_moments`.

    Returns
    -------
    r, nmse : torch.Tensor, shape (n_counted,)
        As by `score_moments`, of targets that are no padding.
    """
    targets, counts = truth["targets"].flatten(1), truth["counts"].flatten(1)
    # padding of cases is moved to the end and cut off: it may be most of them
    order = counts.int().argsort(dim=1, descending=True, stable=True)
    order = order[:, : int(counts.sum(dim=1).max())]
    item = torch.arange(len(order), device=order.device)[:, None]
    weights, counts = weights.flatten(1, 2)[item, order], counts[item, order]
    found = score_moments(weights, truth["moments"], targets[item, order], centre)
    return tuple(values[counts] for values in found)


class MomentLoss(nn.Module):
    """Mean squared error and correlation of withheld channels, from moments.

    Parameters
    ----------
    centre : int
        Index of the filter without delay.
    correlation : float
        Weight of 1 - r beside the mean squared error.
    """

    def __init__(self, *, centre, correlation=0.05):
        super().__init__()
        self.centre = centre
        self.correlation = correlation

    def forward(self, weights, truth):
        """Return the loss, a scalar.

        Parameters
        ----------
        weights : torch.Tensor, shape (n, n_cases, n_targets, n_channels, n_filters)
            As by `LinearPath`.
        truth : dict
            ``moments``, ``targets`` and ``counts``: which targets are no padding.
        """
        r, nmse = score_cases(weights, truth, self.centre)
        return (nmse + self.correlation * (1 - r)).mean()

    def count(self, truth):
        """Return over how many channels the loss is a mean, a scalar tensor."""
        return truth["counts"].sum()
