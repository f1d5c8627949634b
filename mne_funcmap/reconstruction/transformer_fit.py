"""Training of transformers on windows in which a region is withheld."""

import math

import numpy as np
import torch
from mne.utils import logger
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping, LRScheduler
from torch.nn.functional import pad
from torch.utils.data import Dataset, RandomSampler

from ..nets.reconstruction import WindowLoss
from ..progress import phase
from ..training.checkpoints import check_interrupted
from ..training.net import TrainingNet
from ..training.runtime import check_trained, seeded_torch
from .withholding import list_withheld

MAX_VALIDATION = 512  # windows that are scored after an epoch


class WithheldWindows(Dataset):
    """Windows of recordings, in each of which a region is withheld.

    Parameters
    ----------
    studies : list of Study
        The recordings.
    windows : list of torch.Tensor, shape (n_windows, n_channels, n_times)
        Their windows, z-scored.
    targets : sequence of str
        The regions that are withheld.
    queries : dict of str to ndarray | None
        As for `WithheldRegions`.
    seed : int | None
        Seed of the region, and the view of the recording, drawn anew for every window;
        None takes regions in turn, and the first view.
    """

    def __init__(self, studies, windows, targets, queries=None, seed=None):
        self.studies, self.windows, self.queries = studies, windows, queries
        self.regions = [list_withheld(study, targets) for study in studies]
        self.items = [
            (index, window)
            for index, of_one in enumerate(windows)
            for window in range(len(of_one) if self.regions[index] else 0)
        ]
        self.generator = None if seed is None else np.random.default_rng(seed)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, item):
        index, window = self.items[item]
        study, regions = self.studies[index], self.regions[index]
        drawn = item if self.generator is None else self.generator.integers(2**31)
        region = regions[drawn % len(regions)]
        is_target = torch.from_numpy(study.region == region)
        identity = torch.from_numpy(study.draw_identity(self.generator))
        if self.queries is not None:
            query = torch.from_numpy(self.queries[region])
            identity = torch.where(is_target[:, None], query, identity)
        return self.windows[index][window], identity, is_target

    def collate(self, items):
        """Return a batch, padded to the most channels and targets."""
        size = max(len(window) for window, _, _ in items)
        more = [size - len(window) for window, _, _ in items]
        stacked = [
            torch.stack(
                [
                    pad(values[k], (0,) * (2 * values[k].ndim - 1) + (n,))
                    for values, n in zip(items, more, strict=True)
                ]
            )
            for k in range(3)
        ]
        windows, identity, is_target = stacked
        exists = torch.arange(size) < size - torch.tensor(more)[:, None]
        is_source = exists & ~is_target
        n_targets = is_target.sum(dim=1)
        counts = torch.arange(int(n_targets.max())) < n_targets[:, None]
        targets = torch.zeros(counts.shape, dtype=torch.int64)
        targets[counts] = is_target.nonzero()[:, 1]
        truth = windows[torch.arange(len(windows))[:, None], targets]
        given = {
            "windows": windows * is_source[..., None],
            "identity": identity,
            "is_source": is_source,
            "targets": targets,
            "counts": counts,
        }
        return given, {"windows": truth, "counts": counts}


class WindowScore(Callback):
    """Score windows held out after every epoch.

    Writes ``valid_nmse`` and ``valid_r`` to the history.

    Parameters
    ----------
    windows : WithheldWindows
        What is held out.
    """

    def __init__(self, windows):
        self.windows = windows

    def on_epoch_end(self, net, **kwargs):
        """Add the scores of the epoch to the history."""
        nmse, r = net.agree(score_windows(net, self.windows))
        net.history.record("valid_nmse", nmse)
        net.history.record("valid_r", r)


def score_windows(net, windows):
    """Return how well withheld windows are predicted.

    Parameters
    ----------
    net : skorch.NeuralNet
        With a transformer.
    windows : WithheldWindows
        What is withheld.

    Returns
    -------
    nmse, r : float
        Over all windows and channels together.
    """
    net.module_.eval()
    sums = torch.zeros(4, dtype=torch.float64)
    # regions are withheld in turn: every n-th window might be of one region
    items = np.random.default_rng(0).permutation(len(windows))[:MAX_VALIDATION]
    size = net.batch_size
    with torch.no_grad():
        for at in range(0, len(items), size):
            given, truth = windows.collate([windows[i] for i in items[at : at + size]])
            given = {name: values.to(net.device) for name, values in given.items()}
            p = net.module_(**given).cpu()[truth["counts"]].double()
            y = truth["windows"][truth["counts"]].double()
            products = [p * y, p.square(), y.square(), (p - y).square()]
            sums += torch.stack([values.sum() for values in products])
    py, pp, yy, error = sums.tolist()
    return error / yy, py / max(math.sqrt(pp * yy), 1e-12)


def train_transformer(module, params, train, valid, settings, name="transformer"):
    """Train a transformer, and keep the weights of its best epoch.

    Parameters
    ----------
    module : type
        Class of the transformer.
    params : dict
        Its parameters.
    train : WithheldWindows
        What to train on.
    valid : WithheldWindows | None
        What is held out; without it, all epochs are trained.
    settings : Settings
        How to train.
    name : str
        That of its checkpoint.

    Returns
    -------
    net : skorch.NeuralNet
        The trained net, with the training curve.
    """
    recipe = module.RECIPE | settings.recipe
    n_windows = min(len(train), recipe.get("max_windows", len(train)))
    n_batches = -(-n_windows // recipe["batch_size"])
    schedule = LRScheduler(
        "CosineAnnealingLR",
        T_max=recipe["max_epochs"] * n_batches,
        step_every="batch",
    )
    params = {
        "module": module,
        **{f"module__{name}": value for name, value in params.items()},
        "module__precision": settings.precision,
        "criterion": WindowLoss,
        "optimizer": torch.optim.AdamW,
        "optimizer__betas": (0.9, 0.99),
        "optimizer__weight_decay": recipe["weight_decay"],
        "optimizer__param_groups": [("*head.*", {"lr": 1.5 * recipe["lr"]})],
        "lr": recipe["lr"],
        "max_epochs": recipe["max_epochs"],
        "batch_size": recipe["batch_size"],
        "iterator_train__sampler": RandomSampler(train, num_samples=n_windows),
        "iterator_train__collate_fn": train.collate,
        "train_split": None,
        "callbacks": [
            ("clip", GradientNormClipping(1.0)),
            ("schedule", schedule),
            *_judge(valid, settings),
            *settings.callbacks,
        ],
        "device": settings.device,
        "together": settings.together,
        "checkpoint": settings.checkpoints.get_file(name),
        "verbose": 0,
    }
    with seeded_torch(settings.seed), phase("transformer"):
        net = TrainingNet(**params | settings.net_params).initialize()
        net.partial_fit(train)
    check_interrupted(net)
    check_trained(net)
    # they hold the data
    net.callbacks, net.callbacks_ = None, []
    net.iterator_train__sampler = net.iterator_train__collate_fn = None
    return net


def _judge(valid, settings):
    """Return the callbacks that end the training by what is held out, if it is."""
    if valid is None:
        return []
    stop = EarlyStopping(
        "valid_nmse",
        patience=settings.patience,
        threshold=settings.threshold,
        load_best=True,
        sink=logger.debug,
    )
    return [("score", WindowScore(valid)), ("stop", stop)]
