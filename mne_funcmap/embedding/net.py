"""The net of an embedder: how it is made of the parameters, and trained."""

from functools import partial

import numpy as np
import torch
from skorch.callbacks import LRScheduler
from skorch.dataset import Dataset

from ..nets.embedding import Embedding
from ..nets.encoders import ENCODERS, ConvEncoder
from ..nets.losses import LOSSES, JointContrastiveLoss, SupervisedContrastiveLoss
from ..training.checkpoints import check_interrupted
from ..training.net import TrainingNet
from ..training.runtime import (
    check_trained,
    move_if_it_fits,
    resolve_device,
    seeded_torch,
)
from .training import BalancedBatches


def make_net(embedder, samples, seed, *, n_epochs=None, callbacks=(), checkpoint=None):
    """Return the skorch net of an embedder, which has not been initialized.

    Parameters
    ----------
    embedder : SegmentEmbedder
        What says how; its ``n_features_in_`` is known.
    samples : Samples | None
        What the net is to be trained on; None stands for nothing.
    seed : int
        Seed of the batches.
    n_epochs : int | None
        Number of epochs; None stands for the largest.
    callbacks : sequence of tuple
        Named callbacks, beside those of the user.
    checkpoint : path-like | None
        File that keeps the state of the training.

    Returns
    -------
    net : TrainingNet
        The net.
    """
    encoder = ENCODERS.get(embedder.encoder, embedder.encoder)
    recipe, overrides = _get_recipe(embedder, encoder), embedder.net_params or {}
    n_epochs = n_epochs or recipe["max_epochs"]
    n_samples = 0 if samples is None else samples.n_labelled
    n_batches = BalancedBatches.count(n_samples, recipe["batch_size"])
    schedule = LRScheduler(
        "CosineAnnealingLR", T_max=n_epochs * n_batches, step_every="batch"
    )
    loss, penalty = _choose_loss(embedder, samples, recipe)
    params = {
        "module": Embedding,
        "module__encoder": encoder,
        "module__n_times": embedder.n_features_in_,
        "module__n_components": embedder.n_components,
        "module__on_sphere": embedder.loss == "supcon",
        "module__precision": embedder.precision,
        "optimizer": torch.optim.Adam,
        "lr": recipe["lr"],
        "optimizer__weight_decay": penalty,
        "max_epochs": n_epochs,
        "batch_size": recipe["batch_size"],
        "iterator_train": partial(
            BalancedBatches,
            groups=None if samples is None else samples.groups,
            seed=seed,
            n_labels=None if samples is None else samples.n_labels,
        ),
        "train_split": None,
        "callbacks": [
            ("schedule", schedule),
            *callbacks,
            *(embedder.callbacks or ()),
        ],
        "device": resolve_device(embedder.device),
        "together": embedder.device == "accelerate",
        "checkpoint": checkpoint,
        "verbose": 0,
    }
    # a criterion of the user's may be one of two in the loss
    criterion = {"criterion": loss["criterion"]}
    return TrainingNet(**params | loss | overrides | criterion)


def train_net(net, samples, seed):
    """Initialize and train a net, and let it forget the training data.

    Parameters
    ----------
    net : TrainingNet
        As by `make_net`.
    samples : Samples
        What it is trained on.
    seed : int
        Seed of the weights, and of what dropout draws.

    Returns
    -------
    net : TrainingNet
        The same, trained.
    """
    with seeded_torch(seed):
        net.initialize()
        net.module_.calibrate(samples.sample_features())
        features = move_if_it_fits(samples.features, net.device)
        targets = torch.from_numpy(samples.targets)
        if torch.is_tensor(features):
            targets = targets.to(features.device)
        net.partial_fit(Dataset(features, targets))
    check_interrupted(net)
    check_trained(net)
    net.iterator_train = BalancedBatches
    return net


def _get_recipe(embedder, encoder):
    """Return the recipe of the encoder, with what was set as parameters."""
    recipe = getattr(encoder, "RECIPE", ConvEncoder.RECIPE)
    if embedder.loss == "pairwise":
        recipe = recipe | getattr(encoder, "PAIRWISE_RECIPE", {})
    given = {name: getattr(embedder, name) for name in recipe}
    clash = sorted((embedder.net_params or {}).keys() & recipe.keys())
    if clash:
        raise ValueError(
            f"net_params holds {', '.join(clash)}, which the search for the number "
            "of epochs and the learning rate depend on. Set it as a parameter of "
            "the embedder."
        )
    return recipe | {k: value for k, value in given.items() if value is not None}


def _choose_loss(embedder, samples, recipe):
    """Return the loss, as parameters of the net, and the penalty on weights."""
    overrides = embedder.net_params or {}
    n_samples = 0 if samples is None else samples.n_labelled
    penalty = recipe["weight_decay"] / (recipe["weight_decay"] + n_samples + 1)
    criterion = overrides.get("criterion", LOSSES[embedder.loss])
    loss = {"criterion": criterion}
    if criterion is SupervisedContrastiveLoss:
        loss["criterion__temperature"] = recipe["temperature"]
        penalty /= recipe["temperature"]
    if samples is not None and samples.n_auxiliary:
        loss |= {
            "criterion": JointContrastiveLoss,
            "criterion__loss": criterion,
            "criterion__n_labels": samples.n_labels,
            "criterion__weight": 2 * np.sqrt(samples.n_auxiliary / n_samples),
        }
    return loss, penalty
