"""Adaptation to a recording: the cohort's weights as a prior, updated by its seconds.

The weights of a linear prediction have a normal prior: its mean is what the linear path
reads from identities; its precision grows with the distance between the identities of
target and source, and differs between filters. Given seconds of a recording in which
all channels are known, the posterior mean is a ridge regression towards the prior.
"""

import numpy as np
import torch
from torch import nn

from .moments import join_parts, score_moments

MIN_PRECISION = 0.005  # seconds; less is lost beside the data in single precision
MAX_LOG_PRECISION = 15.0
MAX_NMSE = 2.0  # a channel that went wild does not decide


class WeightPrior(nn.Module):
    """How far weights of a recording lie from what its identities tell.

    Parameters
    ----------
    n_identity : int
        Length of an identity.
    n_filters : int
        Number of filters.
    n_dimensions : int
        Of the space in which identities are compared.
    """

    def __init__(self, *, n_identity, n_filters, n_dimensions=8):
        super().__init__()
        self.compare = nn.Linear(n_identity, n_dimensions, bias=False)
        with torch.no_grad():
            self.compare.weight.mul_(0.3)
        away = (torch.arange(n_filters) - n_filters // 2).abs()
        self.log_precision = nn.Parameter(-1.0 + 0.6 * away)

    def forward(self, identity):
        """Return the precision of weights, in seconds of data that outweigh it.

        Parameters
        ----------
        identity : torch.Tensor, shape (n, n_channels, n_identity)
            Identities.

        Returns
        -------
        precision : torch.Tensor, shape (n, n_channels, n_channels, n_filters)
            Of the weights for a channel; of another one; by filter.
        """
        place = self.compare(identity)
        difference = place[:, :, None] - place[:, None]
        distance = (difference.square().sum(dim=-1) + 1e-6).sqrt()
        log_precision = distance[..., None] + self.log_precision
        return MIN_PRECISION + log_precision.clamp(max=MAX_LOG_PRECISION).exp()


def update_weights(weights, precision, moments, seconds, is_source, targets, centre):
    """Update the weights for withheld channels by seconds of data.

    Parameters
    ----------
    weights : torch.Tensor, shape (n_targets, n_channels, n_filters)
        Prior mean.
    precision : torch.Tensor, shape (n_targets, n_channels, n_filters)
        Prior precision in seconds.
    moments : torch.Tensor, shape (n_channels, n_filters, n_channels, n_filters)
        Of the data.
    seconds : float
        How long these are.
    is_source : torch.Tensor of bool, shape (n_channels,)
        Which channels are given.
    targets : torch.Tensor of int, shape (n_targets,)
        Which channels are withheld.
    centre : int
        Index of the filter without delay.

    Returns
    -------
    weights : torch.Tensor, shape (n_targets, n_channels, n_filters)
        Posterior mean; zero where there is no source.
    """
    n_targets = len(weights)
    sources = torch.nonzero(is_source)[:, 0]
    given = moments[sources][:, :, sources].flatten(2).flatten(0, 1)
    product = moments[targets][:, centre][:, sources].flatten(1)
    prior = weights[:, sources].flatten(1)
    penalty = torch.diag_embed(precision[:, sources].flatten(1).double())
    system = seconds * given.double() + penalty
    missing = seconds * (product - prior @ given).double()
    # not torch.linalg.solve, whose batches of LU fail in some builds of torch
    change = torch.cholesky_solve(missing[..., None], torch.linalg.cholesky(system))
    posterior = torch.zeros_like(weights)
    updated = prior + change[..., 0].to(prior.dtype)
    posterior[:, sources] = updated.view(n_targets, len(sources), -1)
    return posterior


def adapt_weights(prior, weights, study, parts, is_target, centre):
    """Adapt the weights for withheld channels to parts of their recording.

    Parameters
    ----------
    prior : WeightPrior
        How far from these weights those of the recording may lie.
    weights : torch.Tensor, shape (n_targets, n_channels, n_filters)
        The weights that identities tell.
    study : Study
        The recording.
    parts : sequence of tuple of (torch.Tensor, float)
        Moments and seconds of what is known of it.
    is_target : ndarray of bool, shape (n_channels,)
        Which channels are withheld.
    centre : int
        Index of the filter without delay.

    Returns
    -------
    weights : torch.Tensor, shape (n_targets, n_channels, n_filters)
        As by `update_weights`.
    """
    targets = torch.from_numpy(np.flatnonzero(is_target))
    moments, seconds = join_parts(parts)
    precision = prior(torch.from_numpy(study.identity)[None])[0, targets]
    is_source = torch.from_numpy(~is_target)
    return update_weights(
        weights, precision, moments, seconds, is_source, targets, centre
    )


def learn_prior(prior, cases, *, centre, seed, n_steps=60, n_cases=16, lr=0.2):
    """Learn a prior from recordings, each updated by its begin and scored on its end.

    Parameters
    ----------
    prior : WeightPrior
        The prior; is trained in place.
    cases : list of tuple of (Study, ndarray of bool, torch.Tensor)
        A recording with parts, which of its channels are withheld, and the prior
        weights for these, (n_targets, n_channels, n_filters).
    centre : int
        Index of the filter without delay.
    seed : int
        Seed of the draws.
    n_steps, n_cases : int
        Number of steps, and of cases drawn in each.
    lr : float
        Learning rate at the start; it falls along a cosine.
    """
    rng = np.random.default_rng(seed)
    # distances between identities are learned with care: few recordings tell them
    slow = {"params": prior.compare.parameters(), "lr": lr / 20}
    optimizer = torch.optim.Adam([slow, {"params": [prior.log_precision]}], lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    for _ in range(n_steps):
        drawn = rng.integers(len(cases), size=min(n_cases, len(cases)))
        n_channels = sum(cases[i][1].sum() for i in drawn)
        optimizer.zero_grad()
        for i in drawn:
            # at once: what is kept for the gradient of a case is large
            loss = _score_case(prior, *cases[i], centre, rng).sum() / n_channels
            loss.backward()
        optimizer.step()
        schedule.step()


def _score_case(prior, study, is_target, weights, centre, rng):
    """Return the loss of each withheld channel at the end of a recording."""
    n_parts = rng.integers(1, len(study.parts))
    begin, (later, _) = study.parts[:n_parts], study.parts[-1]
    updated = adapt_weights(prior, weights, study, begin, is_target, centre)
    targets = torch.from_numpy(np.flatnonzero(is_target))[None]
    r, nmse = score_moments(updated[None], later[None], targets, centre)
    return (nmse.clamp(max=MAX_NMSE) - r)[0]
