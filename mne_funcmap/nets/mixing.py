"""The linear path: signed weights over time, from the identities of channels alone."""

from __future__ import annotations

import torch
from torch import nn

KNOT = 0.01  # seconds between the knots of a filter, where the rate allows it
KNOTS = (0, 1, 2, 3, 4, 6, 8, 12)  # to either side; filters reach to 120 ms


class FilterBank(nn.Module):
    """Short filters over time, of which all others are made.

    Filters are hat functions between knots at 0, 10, 20, 30, 40, 60, 80 and 120 ms to
    either side (at rates below 100 Hz: at as many samples), so that a weighted sum of
    them is any filter that is linear between the knots: delays and spectra may differ.
    One filter changes nothing: the middle one, or at high rates, where hats are wider
    than a sample, one more.

    Parameters
    ----------
    sfreq : float
        Sampling rate in Hz.
    n_times : int
        Number of samples of a window; knots beyond it are left out.
    """

    def __init__(self, sfreq: float, n_times: int) -> None:
        super().__init__()
        step = max(1, round(KNOT * sfreq))
        knots = [step * knot for knot in KNOTS if step * knot < n_times]
        knots = torch.tensor([-knot for knot in knots[:0:-1]] + knots)
        taps = _make_hats(knots)
        if step > 1 and len(knots) > 1:
            # what is to be predicted is the signal as it is, not a smooth version
            identity = torch.zeros(1, taps.shape[1])
            identity[0, taps.shape[1] // 2] = 1.0
            taps = torch.cat([taps, identity])
        self.register_buffer("taps", taps, persistent=False)

    @property
    def n_filters(self) -> int:
        """The number of filters."""
        return len(self.taps)

    @property
    def centre(self) -> int:
        """Index of the filter that changes nothing."""
        return int(self.taps[:, self.taps.shape[1] // 2].argmax())

    def forward(self, signals: torch.Tensor) -> torch.Tensor:
        """Filter signals, zero beyond their ends.

        Parameters
        ----------
        signals : torch.Tensor, shape (n, n_channels, n_times)
            Windows.

        Returns
        -------
        filtered : torch.Tensor, shape (n, n_channels, n_filters, n_times)
            What each filter makes of each channel.
        """
        flat = signals.reshape(-1, 1, signals.shape[-1])
        half = self.taps.shape[1] // 2
        filtered = nn.functional.conv1d(flat, self.taps[:, None], padding=half)
        return filtered.unflatten(0, signals.shape[:-1])


def _make_hats(knots):
    """Return hat functions of sum one, (n_knots, 2 * last + 1)."""
    last = int(knots[-1])
    lags = torch.arange(-last, last + 1)
    before = torch.cat([knots[:1] - 1, knots[:-1]])
    after = torch.cat([knots[1:], knots[-1:] + 1])
    rising = (lags - before[:, None]) / (knots - before)[:, None]
    falling = (after[:, None] - lags) / (after - knots)[:, None]
    hats = torch.minimum(rising, falling).clamp(min=0)
    return hats / hats.sum(dim=1, keepdim=True)


class LinearPath(nn.Module):
    """Predict channels by the best linear estimate of sources common to all of them.

    Every filtered channel is taken for a mixture of latent sources of unit variance
    with loadings, and noise with a variance, that a small network reads from the
    channel's identity; and so is a withheld channel, without noise. What remains is
    arithmetic: the posterior mean of the latent sources given all channels (factor
    analysis; Bishop 2006, eq. 12.42), and from it the withheld channels. It is an
    attention over a set, with signed weights in which every source knows of all the
    others.

    A signal flows as follows, for ``n_sources`` channels that are given and n_latents
    K::

        identity (n, n_channels, n_identity)
            -> loadings P (n, n_channels, n_filters, K), noise D, read-out Q
        windows (n, n_channels, n_times)
            -> filtered x (n, n_channels * n_filters, n_times)
            -> latent sources (I + P' D^-1 P)^-1 P' D^-1 x      (n, K, n_times)
            -> predicted Q z                                    (n, n_channels, n_times)

    Parameters
    ----------
    n_identity : int
        Length of an identity.
    sfreq : float
        Sampling rate in Hz.
    n_times : int
        Number of samples of a window.
    n_latents : int
        Number of latent sources.
    n_hidden : int
        Width of the network that reads identities.
    dropout : float
        Share of its hidden units left out in training.
    """

    MIN_NOISE = 1e-3
    RECIPE = {"max_epochs": 60, "batch_size": 8, "lr": 5e-3, "weight_decay": 1e-2}

    def __init__(
        self,
        *,
        n_identity: int,
        sfreq: float,
        n_times: int,
        n_latents: int = 64,
        n_hidden: int = 256,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        # what is computed here must be, also where weights are only described
        with torch.device("cpu"):
            self.bank = FilterBank(sfreq, n_times)
        self.n_latents = n_latents
        self.hidden = nn.Sequential(
            nn.Linear(n_identity, n_hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(n_hidden, n_hidden),
            nn.GELU(),
            nn.Dropout(dropout),
        )
        self.loadings = nn.Linear(n_hidden, self.bank.n_filters * n_latents)
        self.noise = nn.Linear(n_hidden, self.bank.n_filters)
        self.read_out = nn.Linear(n_hidden, n_latents)
        with torch.no_grad():
            self.loadings.weight.mul_(0.5)
            self.noise.weight.zero_()
            self.noise.bias.zero_()

    def forward(
        self,
        identity: torch.Tensor,
        is_source: torch.Tensor,
        targets: torch.Tensor,
        asked: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the weights of all filtered sources for withheld channels.

        Parameters
        ----------
        identity : torch.Tensor, shape (n, n_channels, n_identity)
            Identities; anything for channels that are padding.
        is_source : torch.Tensor of bool, shape (n, ..., n_channels)
            Which channels are given; ... stands for several cases of a recording.
        targets : torch.Tensor of int, shape (n, ..., n_targets)
            Which channels are withheld in each case.
        asked : torch.Tensor | None, shape (n, ..., n_targets, n_identity)
            Identities by which these are asked for; None stands for their own.

        Returns
        -------
        weights : torch.Tensor, shape (n, ..., n_targets, n_channels, n_filters)
            For every target; of every channel, zero where it is no source.
        """
        hidden = self.hidden(identity)
        of_targets = _gather(hidden, targets) if asked is None else self.hidden(asked)
        loadings, weighted = self._load(hidden)
        factor = self._factor(loadings, weighted, is_source)
        solved = torch.cholesky_solve(self.read_out(of_targets).mT, factor).mT
        weights = solved.flatten(1, -2) @ weighted.flatten(1, 2).mT
        weights = weights.view(*solved.shape[:-1], *weighted.shape[1:3])
        return weights * is_source[..., None, :, None]

    def estimate(self, identity: torch.Tensor, is_source: torch.Tensor) -> torch.Tensor:
        """Return the weights that estimate the latent sources.

        Parameters
        ----------
        identity, is_source : torch.Tensor
            As by `forward`.

        Returns
        -------
        weights : torch.Tensor, shape (n, ..., n_latents, n_channels, n_filters)
            Of the posterior mean.
        """
        loadings, weighted = self._load(self.hidden(identity))
        factor = self._factor(loadings, weighted, is_source)
        sources = weighted.flatten(1, 2).mT[(slice(None), *[None] * (factor.ndim - 3))]
        shape = (*factor.shape[:-1], *weighted.shape[1:3])
        estimate = torch.cholesky_solve(sources.expand(*factor.shape[:-1], -1), factor)
        return estimate.view(shape) * is_source[..., None, :, None]

    def _load(self, hidden):
        """Return P and D^-1 P, (n, n_channels, n_filters, n_latents)."""
        loadings = self.loadings(hidden).unflatten(-1, (-1, self.n_latents))
        noise = nn.functional.softplus(self.noise(hidden)) + self.MIN_NOISE
        return loadings, loadings / noise[..., None]

    def _factor(self, loadings, weighted, is_source):
        """Return the Cholesky factor of I + P' D^-1 P, (n, ..., n_latents, n_latents).

        It is a sum over channels, of which each case takes some.
        """
        of_channels = (weighted.mT @ loadings).flatten(2)
        given = is_source.reshape(len(is_source), -1, is_source.shape[-1])
        precision = given.to(of_channels) @ of_channels
        precision = precision.view(*is_source.shape[:-1], *[self.n_latents] * 2)
        eye = torch.eye(self.n_latents, device=precision.device)
        return torch.linalg.cholesky(precision + eye)

    def combine(self, windows: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Filter and sum windows.

        Parameters
        ----------
        windows : torch.Tensor, shape (n, n_channels, n_times)
            Windows, z-scored.
        weights : torch.Tensor, shape (n or 1, n_outputs, n_channels, n_filters)
            Weights, zero for channels that are not given.

        Returns
        -------
        outputs : torch.Tensor, shape (n, n_outputs, n_times)
            Weighted sums of filtered channels.
        """
        if (
            len(weights) == 1
        ):  # one filter for each channel, in place of all of the bank
            half = self.bank.taps.shape[1] // 2
            filters = weights[0] @ self.bank.taps
            return nn.functional.conv1d(windows, filters, padding=half)
        return weights.flatten(2) @ self.bank(windows).flatten(1, 2)


def _gather(values, rows):
    """Return rows of each item, (n, ..., n_rows, n_columns)."""
    flat = rows.flatten(1)
    found = values[torch.arange(len(values), device=values.device)[:, None], flat]
    return found.view(*rows.shape, -1)
