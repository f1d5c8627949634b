"""Which networks a reconstructor consists of, and their training."""

from copy import deepcopy
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from mne.utils import logger

from ..nets.reconstruction import MixedTransformer, RegionTransformer
from ..training.checkpoints import train_final
from ..training.parts import as_part, is_part
from .adaptation import WeightPrior
from .holding_out import split_studies, split_windows
from .linear_fit import LinearFit
from .transformer_fit import WithheldWindows, score_windows, train_transformer
from .withholding import WithheldRegions

RESIDUAL_PATIENCE = 4
MIN_GAIN = 0.002  # in r, for which the transformer beside the linear path is kept


@dataclass(frozen=True)
class Task:
    """What networks are trained on.

    Attributes
    ----------
    studies : list of Study
        Recordings, with moments.
    windows : list of torch.Tensor, shape (n_windows, n_channels, n_times)
        Their windows, z-scored.
    targets : sequence of str
        The regions that are withheld.
    queries : dict of str to ndarray | None
        As for `WithheldRegions`.
    split : tuple | None
        As by `choose_split`.
    """

    studies: list
    windows: list
    targets: list
    queries: dict | None
    split: tuple | None

    def withhold(self, studies, seed=None):
        """Return all regions of recordings, each to be withheld in turn."""
        return WithheldRegions(studies, self.targets, self.queries, seed)

    def withhold_windows(self, seed):
        """Return windows to train on, and those held out, with a region withheld."""
        train, valid = split_windows(self.windows, self.split)
        return self._withhold(train, seed), self._withhold(valid, None)

    def withhold_all(self, seed):
        """Return all windows to train on, with a region withheld."""
        return self._withhold(self.windows, seed)

    def _withhold(self, windows, seed):
        return WithheldWindows(self.studies, windows, self.targets, self.queries, seed)


@dataclass
class Networks:
    """Trained networks of a reconstructor, and what their training told.

    Attributes
    ----------
    net : skorch.NeuralNet
        Of the linear path, or of the transformer.
    prior : WeightPrior | None
        How far weights of a recording lie from what identities tell; None without a
        linear path.
    residual_net : skorch.NeuralNet | None
        Of the linear path and the transformer beside it, if that is kept.
    n_epochs : int
        Number of epochs that ``net`` was trained for.
    search_history : skorch.history.History | None
        The training curve of the search for it.
    valid_r : dict of str to float
        Correlation on what was held out.
    interrupted : bool
        Whether Ctrl-C has ended the training, of which the best was kept.
    """

    net: object
    prior: WeightPrior | None = None
    residual_net: object = None
    n_epochs: int = 0
    search_history: object = None
    valid_r: dict = field(default_factory=dict)
    interrupted: bool = False


def train_networks(architecture, task, settings):
    """Train the networks of an architecture.

    Parameters
    ----------
    architecture : "mixed" | "transformer"
        As for `MaskedRegionReconstructor`.
    task : Task
        What to train on.
    settings : Settings
        How they are made and trained.

    Returns
    -------
    networks : Networks
        The trained networks.
    """
    if architecture == "transformer":
        return _train_transformer(task, settings)
    return _train_mixed(task, settings)


def _train_transformer(task, settings):
    """Train the transformer of the paper."""
    train, valid = task.withhold_windows(settings.seed)
    net = train_transformer(RegionTransformer, settings.module, train, valid, settings)
    r = {"transformer": score_windows(net, valid)[1]}
    return Networks(
        net, n_epochs=len(net.history), valid_r=r, interrupted=net.interrupted_
    )


def _train_mixed(task, settings):
    """Train the linear path, how it adapts, and a transformer of what it leaves."""
    fit = LinearFit(task.withhold, settings)
    if task.split is None:
        net = fit.train(task.studies, fit.recipe["max_epochs"])
        prior, n_epochs = fit.learn_prior(None, []), len(net.history)
        return Networks(net, prior, n_epochs=n_epochs, interrupted=net.interrupted_)
    train, held_out = split_studies(task.studies, task.split)
    searched, n_epochs = fit.search(train, held_out)
    net = train_final(lambda: fit.train(task.studies, n_epochs), searched)
    networks = Networks(
        net,
        fit.learn_prior(None, []),
        n_epochs=n_epochs,
        search_history=searched.history,
        interrupted=net.interrupted_,
    )
    if not networks.interrupted:
        _add_to_linear(networks, searched, held_out, task, fit)
    return networks


def _add_to_linear(networks, searched, held_out, task, fit):
    """Learn how the linear path adapts, and train a transformer beside it.

    Without them it is of use, so that Ctrl-C leaves what is whole.
    """
    try:
        with as_part():
            networks.prior = fit.learn_prior(searched, held_out)
            _add_residual(networks, searched, task, fit.settings)
    except KeyboardInterrupt:
        if is_part():
            raise
        networks.interrupted = True


def _add_residual(networks, searched, task, settings):
    """Train a transformer on what the linear path leaves; keep it if it helps.

    It is judged beside the linear path that was trained without what is held out; if
    it helps, it is trained again on all, beside the final one, whose latent sources
    are others.
    """
    # what users set is for the linear path
    settings = replace(
        settings,
        recipe={},
        patience=RESIDUAL_PATIENCE,
        threshold=MIN_GAIN,
        callbacks=[],
        net_params={},
    )
    train, valid = task.withhold_windows(settings.seed)
    net = _train_residual(searched, train, valid, settings, "residual-search")
    alone = deepcopy(net)
    for values in alone.module_.residual.head.parameters():
        values.data = torch.zeros_like(values)
    networks.valid_r = {
        "linear": net.agree(score_windows(alone, valid)[1]),
        "mixed": net.agree(score_windows(net, valid)[1]),
    }
    logger.debug(
        "On what was held out r is {linear:.3f} by the linear path alone and "
        "{mixed:.3f} with the transformer.".format(**networks.valid_r)
    )
    if networks.valid_r["mixed"] > networks.valid_r["linear"] + MIN_GAIN:
        best = int(np.argmin(net.history[:, "valid_nmse"])) + 1
        settings = replace(settings, recipe={"max_epochs": best})
        networks.residual_net = _train_residual(
            networks.net, task.withhold_all(settings.seed), None, settings, "residual"
        )


def _train_residual(linear, train, valid, settings, name):
    """Train a transformer beside a linear path."""
    params = settings.linear | {"linear": deepcopy(linear.module_)}
    return train_transformer(MixedTransformer, params, train, valid, settings, name)
