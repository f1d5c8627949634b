"""Training of reconstructors: what is withheld from a recording, batch by batch."""

import numpy as np
import torch
from skorch.callbacks import Callback
from torch.nn.functional import pad
from torch.utils.data import Dataset

from .moments import score_moments


class WithheldRegions(Dataset):
    """Regions of recordings, each withheld in turn, described by moments.

    Parameters
    ----------
    studies : list of Study
        Recordings, with moments of a single part.
    targets : sequence of str
        The regions that are withheld.
    queries : dict of str to ndarray | None
        Identities by which the channels of a region are asked for; None stands for
        their own.
    seed : int | None
        Seed of the view of a recording drawn anew each time; None takes the first.
    """

    def __init__(self, studies, targets, queries=None, seed=None):
        self.studies = studies
        self.queries = queries
        self.generator = None if seed is None else np.random.default_rng(seed)
        self.items = [
            (index, region)
            for index, study in enumerate(studies)
            for region in list_withheld(study, targets)
        ]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, item):
        index, region = self.items[item]
        study = self.studies[index]
        is_target = study.region == region
        identity = study.draw_identity(self.generator)
        if self.queries is not None:
            identity = np.where(is_target[:, None], self.queries[region], identity)
        return (
            {
                "identity": torch.from_numpy(identity),
                "is_source": torch.from_numpy(~is_target),
                "targets": torch.from_numpy(np.flatnonzero(is_target)),
            },
            {"moments": study.parts[0][0]},
        )

    def count_channels(self):
        """Return the number of channels of each item, (n_items,)."""
        sizes = np.array([len(study.region) for study in self.studies])
        return sizes[[index for index, _ in self.items]]


def list_withheld(study, targets):
    """List the regions of a recording that can be withheld.

    Parameters
    ----------
    study : Study
        The recording.
    targets : sequence of str
        The regions that are withheld.

    Returns
    -------
    regions : list of str
        Those it has, if it has others as well.
    """
    found = set(study.region)
    return [region for region in targets if region in found and len(found) > 1]


class WithheldBatches:
    """Batches of withheld regions, of recordings with about as many channels.

    The training iterator of the skorch net. An epoch goes through all regions as
    often as it takes to fill a number of batches.

    Parameters
    ----------
    dataset : WithheldRegions
        The regions.
    batch_size : int
        Number of regions in a batch.
    seed : int | None
        Seed of the order; None keeps the order and goes through it once.
    """

    MIN_BATCHES = 10

    def __init__(self, dataset, *, batch_size, seed=None):
        self.dataset = dataset
        self.batch_size = batch_size
        self.sizes = dataset.count_channels()
        self.generator = None if seed is None else np.random.default_rng(seed)

    @classmethod
    def count(cls, n_items, batch_size):
        """Return the number of batches of an epoch."""
        n_passes = max(1, -(-cls.MIN_BATCHES * batch_size // n_items))
        return n_passes * -(-n_items // batch_size)

    def __len__(self):
        return self.count(len(self.dataset), self.batch_size)

    def __iter__(self):
        order = np.argsort(self.sizes, kind="stable")
        if self.generator is None:
            yield from map(self._collate, self._split(order))
            return
        n_passes = len(self) // -(-len(order) // self.batch_size)
        for _ in range(n_passes):
            # equal sizes in random order, and neighbouring ones now and then
            noisy = self.sizes * self.generator.uniform(0.8, 1.25, len(order))
            batches = self._split(np.argsort(noisy))
            for batch in self.generator.permutation(len(batches)):
                yield self._collate(batches[batch])

    def _split(self, order):
        """Split items into batches."""
        return np.array_split(order, -(-len(order) // self.batch_size))

    def _collate(self, items):
        return collate_regions([self.dataset[item] for item in items])


def collate_regions(items):
    """Return a batch of recordings, padded to the largest.

    Parameters
    ----------
    items : list of tuple of (dict, dict)
        Items of `WithheldRegions`.

    Returns
    -------
    given : dict of str to torch.Tensor
        ``identity``, (n, n_channels, n_components); ``is_source``, (n, n_channels),
        no source where there is only padding; and ``targets``, (n, n_targets).
    truth : dict of str to torch.Tensor
        ``moments``, (n, n_channels, n_filters, n_channels, n_filters); ``targets``;
        and ``counts``, (n, n_targets), false where there is only padding.
    """
    size = max(len(given["is_source"]) for given, _ in items)
    n_targets = torch.tensor([len(given["targets"]) for given, _ in items])
    counts = torch.arange(int(n_targets.max())) < n_targets[:, None]
    targets = torch.zeros(counts.shape, dtype=torch.int64)
    targets[counts] = torch.cat([given["targets"] for given, _ in items])
    identity, is_source, moments = [], [], []
    for given, truth in items:
        more = size - len(given["is_source"])
        identity.append(pad(given["identity"], (0, 0, 0, more)))
        is_source.append(pad(given["is_source"], (0, more)))
        moments.append(pad(truth["moments"], (0, 0, 0, more, 0, 0, 0, more)))
    given = {
        "identity": torch.stack(identity),
        "is_source": torch.stack(is_source),
        "targets": targets,
    }
    moments = torch.stack(moments)
    return given, {"moments": moments, "targets": targets, "counts": counts}


class WithheldScore(Callback):
    """Score what is held out after every epoch.

    Writes ``valid_r`` to the history: the mean correlation over withheld channels.

    Parameters
    ----------
    regions : WithheldRegions
        What is held out.
    """

    def __init__(self, regions):
        self.regions = regions

    def on_epoch_end(self, net, **kwargs):
        """Add the score of the epoch to the history."""
        net.history.record("valid_r", score_regions(net, self.regions))


def score_regions(net, regions):
    """Return the mean correlation of predicted and true channels.

    Parameters
    ----------
    net : skorch.NeuralNet
        With a `LinearPath`.
    regions : WithheldRegions
        What is withheld.

    Returns
    -------
    r : float
        Mean over all channels of all regions.
    """
    net.module_.eval()
    scores = []
    with torch.no_grad():
        for given, truth in net.get_iterator(regions, training=False):
            given = {name: values.to(net.device) for name, values in given.items()}
            r, _ = score_moments(
                net.module_(**given),
                truth["moments"].to(net.device),
                given["targets"],
                net.module_.bank.centre,
            )
            scores.append(r.cpu()[truth["counts"]])
    return float(torch.cat(scores).mean())
