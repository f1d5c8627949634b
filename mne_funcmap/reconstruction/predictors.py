"""Trained networks as functions of windows: predictions and features."""

import numpy as np
import torch

CHUNK = 32  # windows that a transformer computes at a time


def make_linear_predictor(net, weights):
    """Return the function that predicts windows by weights.

    Parameters
    ----------
    net : skorch.NeuralNet
        With a `LinearPath`.
    weights : torch.Tensor, shape (n_targets, n_channels, n_filters)
        The weights.

    Returns
    -------
    predict : callable
        From windows, (n, n_channels, n_times), to predictions, (n, n_targets,
        n_times), on the CPU.
    """
    weights = weights[None].to(net.device)

    def predict(windows):
        with torch.no_grad():
            return net.module_.combine(windows.to(net.device), weights).cpu()

    return predict


def make_transformer_predictor(net, study, is_target):
    """Return the function that predicts windows by a transformer.

    Parameters
    ----------
    net : skorch.NeuralNet
        With a `RegionTransformer` or a `MixedTransformer`.
    study : Study
        The recording.
    is_target : ndarray of bool, shape (n_channels,)
        Which channels are withheld.

    Returns
    -------
    predict : callable
        As by `make_linear_predictor`.
    """
    given = _describe(study, is_target, net.device)
    module = net.module_.eval()

    def predict(windows):
        with torch.no_grad():
            pieces = [
                module(part.to(net.device), *_repeat(given, len(part)))
                for part in windows.split(CHUNK)
            ]
            return torch.cat(pieces).cpu()

    return predict


def extract_features(net, windows, study):
    """Return features of windows in which nothing is withheld.

    Parameters
    ----------
    net : skorch.NeuralNet
        With a `LinearPath`, whose latent sources' log power is returned, or a
        `RegionTransformer`, whose mean encoded token is.
    windows : torch.Tensor, shape (n_windows, n_channels, n_times)
        Windows, z-scored.
    study : Study
        The recording.

    Returns
    -------
    features : ndarray of float32, shape (n_windows, n_features)
        The features.
    """
    nothing = np.zeros(len(study.ch_names), dtype=bool)
    identity, is_source, *_ = _describe(study, nothing, net.device)
    module = net.module_.eval()
    features = []
    with torch.no_grad():
        for part in windows.split(CHUNK):
            part = part.to(net.device)
            if hasattr(module, "encode"):
                found = module.encode(part, *_repeat((identity, is_source), len(part)))
            else:
                estimate = module.estimate(identity[None], is_source[None])
                power = module.combine(part, estimate).square().mean(dim=-1)
                found = power.clamp(min=1e-6).log()
            features.append(found.cpu())
    return torch.cat(features).numpy()


def _describe(study, is_target, device):
    """Return what transformers are told of a recording, without a batch axis."""
    targets = torch.from_numpy(np.flatnonzero(is_target))
    given = (
        torch.from_numpy(study.identity),
        torch.from_numpy(~is_target),
        targets,
        torch.ones(len(targets), dtype=torch.bool),
    )
    return tuple(values.to(device) for values in given)


def _repeat(given, n):
    """Return the same for every window of a batch."""
    return [values.expand(n, *values.shape) for values in given]
