"""Adaptation to a recording: the cohort's weights as a prior, updated by its seconds.

The weights of a linear prediction have a normal prior: its mean is what the linear path
reads from identities; its precision grows with the distance between the identities of
target and source, and differs between filters. Given seconds of a recording in which
all channels are known, the posterior mean is a ridge regression towards the prior. How
firm the prior is differs between recordings, and is chosen by cross-validation.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from ..progress import track
from .moments import join_parts, score_moments

MIN_PRECISION = 0.005  # seconds; less is lost beside the data in single precision
MAX_LOG_PRECISION = 15.0
MAX_NMSE = 2.0  # a channel that went wild does not decide
MIN_SHARE = 1e-5  # of the data; a weaker prior is lost beside them in single precision
FACTORS = (1.0, 0.3, 3.0, 0.1, 10.0, 0.03, 30.0, 0.01)  # of the precision
N_PARTS = 5  # of a recording, each predicted by the others to choose


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
        Prior precision in seconds; less than a `MIN_SHARE` of the data counts as that.
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
    precision = precision[:, sources].flatten(1).clamp(min=MIN_SHARE * seconds)
    penalty = torch.diag_embed(precision.double())
    system = seconds * given.double() + penalty
    missing = seconds * (product - prior @ given).double()
    # not torch.linalg.solve, whose batches of LU fail in some builds of torch
    change = torch.cholesky_solve(missing[..., None], torch.linalg.cholesky(system))
    posterior = torch.zeros_like(weights)
    updated = prior + change[..., 0].to(prior.dtype)
    posterior[:, sources] = updated.view(n_targets, len(sources), -1)
    return posterior


def adapt_weights(prior, weights, study, is_target, centre, factor=1.0):
    """Adapt the weights for withheld channels to their recording.

    Parameters
    ----------
    prior : WeightPrior
        How far from these weights those of a recording lie.
    weights : torch.Tensor, shape (n_targets, n_channels, n_filters)
        The weights that identities tell.
    study : Study
        The recording, with moments of all channels.
    is_target : ndarray of bool, shape (n_channels,)
        Which channels are withheld.
    centre : int
        Index of the filter without delay.
    factor : float
        Of the precision, as by `choose_factor`.

    Returns
    -------
    weights : torch.Tensor, shape (n_targets, n_channels, n_filters)
        As by `update_weights`.
    """
    withheld = (torch.from_numpy(~is_target), _list_targets(is_target), centre)
    precision = factor * _read_precision(prior, study, is_target)
    return update_weights(weights, precision, *join_parts(study.parts), *withheld)


def choose_factor(prior, weights, study, is_target, centre):
    """Choose by what factor weights are freer, or firmer, than in other recordings.

    Parameters
    ----------
    prior, weights, study, is_target, centre
        As for `adapt_weights`.

    Returns
    -------
    factor : float
        The factor of the precision with which parts of the recording are predicted
        best by weights updated by the other parts, in mean correlation over withheld
        channels; 1 if there is a single part.
    """
    if len(study.parts) < 2:
        return 1.0
    r = torch.zeros(len(FACTORS), dtype=torch.float64)
    targets = _list_targets(is_target)
    precision = _read_precision(prior, study, is_target)
    for held_out, (later, length) in enumerate(study.parts):
        rest = join_parts([*study.parts[:held_out], *study.parts[held_out + 1 :]])
        for i, factor in enumerate(FACTORS):
            withheld = (torch.from_numpy(~is_target), targets, centre)
            updated = update_weights(weights, factor * precision, *rest, *withheld)
            scores, _ = score_moments(updated[None], later[None], targets[None], centre)
            r[i] += length * scores.mean()
    return FACTORS[int(r.argmax())]


def learn_prior(
    prior, find_case, n_cases, *, centre, seed, n_steps=60, n_drawn=16, lr=0.2
):
    """Learn a prior from recordings, each updated by its begin and scored on its end.

    Parameters
    ----------
    prior : WeightPrior
        The prior; is trained in place.
    find_case : callable
        From a number to a tuple of (Study, ndarray of bool, torch.Tensor): a recording
        with parts, which of its channels are withheld, and the prior weights for these,
        (n_targets, n_channels, n_filters).
    n_cases : int
        How many there are.
    centre : int
        Index of the filter without delay.
    seed : int
        Seed of the draws.
    n_steps, n_drawn : int
        Number of steps, and of cases drawn in each.
    lr : float
        Learning rate at the start; it falls along a cosine.
    """
    rng = np.random.default_rng(seed)
    # distances between identities are learned with care: few recordings tell them
    slow = {"params": prior.compare.parameters(), "lr": lr / 20}
    optimizer = torch.optim.Adam([slow, {"params": [prior.log_precision]}], lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    for _ in track(range(n_steps), "steps of learning to adapt"):
        drawn = rng.integers(n_cases, size=min(n_drawn, n_cases))
        cases = [find_case(number) for number in drawn.tolist()]
        n_channels = sum(is_target.sum() for _, is_target, _ in cases)
        optimizer.zero_grad()
        for case in cases:
            # at once: what is kept for the gradient of a case is large
            loss = _score_case(prior, *case, centre, rng).sum() / n_channels
            loss.backward()
        optimizer.step()
        schedule.step()


def _score_case(prior, study, is_target, weights, centre, rng):
    """Return the loss of each withheld channel at the end of a recording."""
    n_parts = rng.integers(1, len(study.parts))
    begin, (later, _) = study.parts[:n_parts], study.parts[-1]
    begin = replace(study, parts=begin)
    updated = adapt_weights(prior, weights, begin, is_target, centre)
    targets = _list_targets(is_target)
    r, nmse = score_moments(updated[None], later[None], targets[None], centre)
    return (nmse.clamp(max=MAX_NMSE) - r)[0]


def _list_targets(is_target):
    return torch.from_numpy(np.flatnonzero(is_target))


def _read_precision(prior, study, is_target):
    """Return the precision of weights for withheld channels."""
    identity = torch.from_numpy(study.identity)[None]
    return prior(identity)[0, _list_targets(is_target)]
