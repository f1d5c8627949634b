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
    """

    def __init__(self, studies, targets, queries=None):
        self.studies = studies
        self.queries = queries
        self.items = [
            (index, region)
            for index, study in enumerate(studies)
            for region in targets
            if 0 < np.count_nonzero(study.region == region) < len(study.region)
        ]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, item):
        index, region = self.items[item]
        study = self.studies[index]
        is_target = study.region == region
        identity = study.identity
        if self.queries is not None:
            identity = np.where(is_target[:, None], self.queries[region], identity)
        return (
            {"identity": torch.from_numpy(identity), "is_source": ~is_target},
            {"moments": study.parts[0][0], "is_target": is_target},
        )


def collate_regions(items):
    """Return a batch of recordings, padded to the largest.

    Parameters
    ----------
    items : list of tuple of (dict, dict)
        Items of `WithheldRegions`.

    Returns
    -------
    given : dict of str to torch.Tensor
        ``identity``, (n, n_channels, n_components), and ``is_source``,
        (n, n_channels); no source where there is only padding.
    truth : dict of str to torch.Tensor
        ``moments``, (n, n_channels, n_filters, n_channels, n_filters), and
        ``is_target``, (n, n_channels).
    """
    size = max(len(given["is_source"]) for given, _ in items)
    given = {"identity": [], "is_source": []}
    truth = {"moments": [], "is_target": []}
    for of_given, of_truth in items:
        more = size - len(of_given["is_source"])
        given["identity"].append(pad(of_given["identity"], (0, 0, 0, more)))
        given["is_source"].append(np.pad(of_given["is_source"], (0, more)))
        moments = pad(of_truth["moments"], (0, 0, 0, more, 0, 0, 0, more))
        truth["moments"].append(moments)
        truth["is_target"].append(np.pad(of_truth["is_target"], (0, more)))
    return tuple(
        {
            name: torch.stack(values)
            if torch.is_tensor(values[0])
            else torch.from_numpy(np.stack(values))
            for name, values in part.items()
        }
        for part in (given, truth)
    )


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
                net.module_.bank.centre,
            )
            scores.append(r.cpu()[truth["is_target"]])
    return float(torch.cat(scores).mean())
