"""Training of the linear path, and of how it adapts."""

from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from mne.utils import logger
from skorch.callbacks import EarlyStopping, GradientNormClipping, LRScheduler

from ..nets.mixing import FilterBank, LinearPath
from ..progress import phase
from ..training.checkpoints import check_interrupted
from ..training.net import TrainingNet
from ..training.runtime import check_trained, seeded_torch
from .adaptation import WeightPrior, adapt_weights, choose_factor, learn_prior
from .moments import MomentLoss
from .settings import Settings
from .studies import join_study
from .withholding import WithheldBatches, WithheldScore

PHASE = "linear path"
MAX_TARGETS, MAX_SOURCES = 4, 24  # that tell how a recording adapts


@dataclass(frozen=True)
class LinearFit:
    """Training of the linear path of a reconstructor.

    Attributes
    ----------
    withhold : callable
        From a list of `Study`, and a seed to train with, to `WithheldRegions`.
    settings : Settings
        How networks are made and trained.
    """

    withhold: callable
    settings: Settings

    @property
    def recipe(self):
        """What training goes by, a dict."""
        return LinearPath.RECIPE | self.settings.recipe

    def train(self, studies, n_epochs, callbacks=(), name="linear"):
        """Train a linear path.

        Parameters
        ----------
        studies : list of Study
            Recordings with moments.
        n_epochs : int
            Number of epochs.
        callbacks : sequence of tuple
            Named callbacks.
        name : str
            That of its checkpoint.

        Returns
        -------
        net : skorch.NeuralNet
            The trained net.
        """
        settings, recipe = self.settings, self.recipe
        regions = self.withhold([*map(join_study, studies)], settings.seed)
        n_batches = WithheldBatches.count(len(regions), recipe["batch_size"])
        schedule = LRScheduler(
            torch.optim.lr_scheduler.OneCycleLR,
            max_lr=recipe["lr"],
            total_steps=n_epochs * n_batches + 1,  # of exactly 10, torch fails
            pct_start=0.1,
            step_every="batch",
        )
        params = {
            "module": LinearPath,
            **{f"module__{name}": value for name, value in settings.linear.items()},
            "criterion": MomentLoss,
            "criterion__centre": self._make_bank().centre,
            "optimizer": torch.optim.AdamW,
            "optimizer__weight_decay": recipe["weight_decay"],
            "lr": recipe["lr"],
            "max_epochs": n_epochs,
            "batch_size": recipe["batch_size"],
            "iterator_train": partial(WithheldBatches, seed=settings.seed),
            "iterator_valid": WithheldBatches,
            "train_split": None,
            "callbacks": [
                ("clip", GradientNormClipping(1.0)),
                ("schedule", schedule),
                *callbacks,
                *settings.callbacks,
            ],
            "device": settings.device,
            "together": settings.together,
            "checkpoint": settings.checkpoints.get_file(name),
            "verbose": 0,
        }
        with seeded_torch(settings.seed), phase(PHASE):
            net = TrainingNet(**params | settings.net_params).initialize()
            try:
                net.partial_fit(regions)
            except torch.linalg.LinAlgError as error:
                raise RuntimeError(
                    f"The training diverged in epoch {len(net.history)}. Lower lr, or "
                    "check the signals."
                ) from error
        check_interrupted(net)
        check_trained(net)
        return net

    def search(self, train, valid):
        """Train without what is held out, and stop where that is predicted best.

        Parameters
        ----------
        train, valid : list of Study
            What to train on, and what is held out.

        Returns
        -------
        net : skorch.NeuralNet
            The net after its best epoch.
        n_epochs : int
            The number of that epoch.
        """
        regions = self.withhold([*map(join_study, valid)])
        stop = EarlyStopping(
            "valid_r",
            lower_is_better=False,
            patience=self.settings.patience,
            load_best=True,
            sink=logger.debug,
        )
        callbacks = [("score", WithheldScore(regions)), ("stop", stop)]
        n_epochs = self.recipe["max_epochs"]
        net = self.train(train, n_epochs, callbacks, "linear-search")
        net.callbacks, net.callbacks_ = None, []  # they hold the data
        return net, int(np.argmax(net.history[:, "valid_r"])) + 1

    def learn_prior(self, net, studies):
        """Learn how far weights of a recording lie from what its identities tell.

        Parameters
        ----------
        net : skorch.NeuralNet | None
            A net that was not trained on the ends of the recordings.
        studies : list of Study
            Recordings whose last part was held out.

        Returns
        -------
        prior : WeightPrior
            The prior of weights; untrained without recordings of two parts.
        """
        with seeded_torch(self.settings.seed):
            prior = WeightPrior(
                n_identity=self.settings.n_identity,
                n_filters=self._make_bank().n_filters,
            )
        cases = [
            (studies[index], region)
            for index, regions in (self.withhold(studies).items if net else [])
            for region in regions
            if len(studies[index].parts) > 1
        ]

        def find_case(number):
            study, region = cases[number]
            return _thin_out(net, study, study.region == region)

        if cases:
            in_memory = isinstance(studies[0].parts[0][0], torch.Tensor)
            with phase(PHASE):
                learn_prior(
                    prior,
                    cache(find_case) if in_memory else find_case,
                    len(cases),
                    centre=net.module_.bank.centre,
                    seed=self.settings.seed,
                )
        return prior

    def _make_bank(self):
        return FilterBank(self.settings.sfreq, self.settings.n_times)


def read_weights(net, study, is_target):
    """Return the weights of a linear path for withheld channels.

    Parameters
    ----------
    net : skorch.NeuralNet
        With a `LinearPath`.
    study : Study
        The recording.
    is_target : ndarray of bool, shape (n_channels,)
        Which channels are withheld.

    Returns
    -------
    weights : torch.Tensor, shape (n_targets, n_channels, n_filters)
        The weights, on the CPU.
    """
    module = net.module_.eval()
    with torch.no_grad():
        weights = module(
            torch.from_numpy(study.identity)[None].to(net.device),
            torch.from_numpy(~is_target)[None].to(net.device),
            torch.from_numpy(np.flatnonzero(is_target))[None].to(net.device),
        )
    return weights[0].cpu()


def read_adapted_weights(net, prior, study, is_target):
    """Return the weights of a linear path for withheld channels, adapted.

    Parameters
    ----------
    net : skorch.NeuralNet
        With a `LinearPath`.
    prior : WeightPrior
        How far weights of a recording lie from what its identities tell.
    study : Study
        The recording, with moments.
    is_target : ndarray of bool, shape (n_channels,)
        Which channels are withheld.

    Returns
    -------
    weights : torch.Tensor, shape (n_targets, n_channels, n_filters)
        The weights, on the CPU.
    """
    centre = net.module_.bank.centre
    with torch.no_grad():
        few, is_withheld, weights = _thin_out(net, study, is_target)
        factor = choose_factor(prior, weights, few, is_withheld, centre)
        weights = read_weights(net, study, is_target)
        return adapt_weights(prior, weights, study, is_target, centre, factor)


def _thin_out(net, study, is_target):
    """Leave out channels, evenly, where there are many.

    What it costs to adapt weights grows with the third power of the number of sources.

    Returns
    -------
    study : Study
        Of the channels that are kept.
    is_target : ndarray of bool, shape (n_channels,)
        Which of them are withheld.
    weights : torch.Tensor, shape (n_targets, n_channels, n_filters)
        The weights that their identities tell.
    """
    kept = []
    for rows, most in (
        (np.flatnonzero(is_target), MAX_TARGETS),
        (np.flatnonzero(~is_target), MAX_SOURCES),
    ):
        places = np.linspace(0, len(rows) - 1, min(most, len(rows)))
        kept += rows[places.round().astype(int)].tolist()
    study, is_target = study.take(study.ch_names[kept]), is_target[kept]
    return study, is_target, read_weights(net, study, is_target)
