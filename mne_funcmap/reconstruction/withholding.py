"""Training of reconstructors: what is withheld from a recording, batch by batch."""

import numpy as np
import torch
from skorch.callbacks import Callback
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from .moments import read_moments, score_cases


class WithheldRegions(Dataset):
    """Recordings described by moments, each of whose regions is withheld in turn.

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

    Attributes
    ----------
    items : list of tuple of (int, list of str)
        Recordings and the regions that are withheld from them.
    """

    def __init__(self, studies, targets, queries=None, seed=None):
        self.studies = studies
        self.queries = queries
        self.generator = None if seed is None else np.random.default_rng(seed)
        regions = [list_withheld(study, targets) for study in studies]
        self.items = [(i, of_one) for i, of_one in enumerate(regions) if of_one]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, item):
        index, regions = self.items[item]
        study = self.studies[index]
        is_target = torch.from_numpy(study.region == np.array(regions)[:, None])
        targets = pad_sequence([rows.nonzero()[:, 0] for rows in is_target], True)
        counts = torch.arange(targets.shape[1]) < is_target.sum(dim=1)[:, None]
        identity = torch.from_numpy(study.draw_identity(self.generator))
        given = {"identity": identity, "is_source": ~is_target, "targets": targets}
        if self.queries is not None:
            asked = np.array([self.queries[region] for region in regions])
            asked = torch.from_numpy(asked)[:, None]
            given["asked"] = asked.expand(-1, targets.shape[1], -1)
        return given, {
            "moments": read_moments(study.parts[0][0]),
            "targets": targets,
            "counts": counts,
        }

    def count_channels(self):
        """Return the number of channels of each item, (n_items,)."""
        return np.array([len(self.studies[index].region) for index, _ in self.items])


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
    """Batches of recordings with about as many channels.

    The training iterator of the skorch net. An epoch goes through all recordings as
    often as it takes to fill a number of batches.

    Parameters
    ----------
    dataset : WithheldRegions
        The recordings.
    batch_size : int
        Number of recordings in a batch.
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
        of_a_pass = -(-n_items // batch_size)
        return of_a_pass * -(-cls.MIN_BATCHES // of_a_pass)

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
        return collate_recordings([self.dataset[item] for item in items])


def collate_recordings(items):
    """Return a batch of recordings, padded to the largest.

    Parameters
    ----------
    items : list of tuple of (dict, dict)
        Items of `WithheldRegions`.

    Returns
    -------
    given : dict of str to torch.Tensor
        ``identity``, (n, n_channels, n_components); ``is_source``, (n, n_regions,
        n_channels), no source where there is only padding; ``targets``, (n, n_regions,
        n_targets); and perhaps ``asked``, (n, n_regions, n_targets, n_components).
    truth : dict of str to torch.Tensor
        ``moments``, (n, n_channels, n_filters, n_channels, n_filters); ``targets``;
        and ``counts``, (n, n_regions, n_targets), false where there is only padding.
    """
    batch = []
    for parts in zip(*items, strict=True):
        batch.append(
            {name: _stack([part[name] for part in parts]) for name in parts[0]}
        )
    return tuple(batch)


def _stack(tensors):
    """Stack tensors of different shapes, padded with zeros."""
    shape = np.max([values.shape for values in tensors], axis=0)
    stacked = torch.zeros(len(tensors), *shape.tolist(), dtype=tensors[0].dtype)
    for into, values in zip(stacked, tensors, strict=True):
        into[tuple(slice(n) for n in values.shape)] = values
    return stacked


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
        net.history.record("valid_r", net.agree(score_regions(net, self.regions)))


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
            truth = {name: values.to(net.device) for name, values in truth.items()}
            r, _ = score_cases(net.module_(**given), truth, net.module_.bank.centre)
            scores.append(r.cpu())
    return float(torch.cat(scores).mean())
