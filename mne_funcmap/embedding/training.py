"""Training of embeddings: balanced batches, and when to stop."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.model_selection import GroupKFold
from skorch.callbacks import Callback
from torch.utils.data import DataLoader, Dataset

from ..recordings.storage import StoredRows, take_rows
from ..training.runtime import apply_in_chunks, check_trained, send
from .metrics import balanced_accuracy
from .readout import BalancedNeighbors

MAX_CALIBRATION = 65_536  # samples from which the scale of features is taken


@dataclass(frozen=True)
class Samples:
    """What a net is trained on.

    Attributes
    ----------
    features : torch.Tensor | StoredRows, shape (n_samples, ...)
        What the front end of the encoder gives.
    labels : ndarray of int, shape (n_samples,)
        Labels, those that are auxiliary last.
    groups : ndarray of int, shape (n_samples,)
        Subject or channel.
    n_labels : int
        Number of labels that are not auxiliary.
    across_groups : bool
        Whether positives must be of different groups.
    """

    features: torch.Tensor | StoredRows
    labels: np.ndarray
    groups: np.ndarray
    n_labels: int
    across_groups: bool

    @property
    def targets(self):
        """What the loss looks at: labels, beside them groups if these matter."""
        if self.across_groups:
            return np.stack([self.labels, self.groups], axis=1)
        return self.labels

    @property
    def n_labelled(self):
        """Number of samples whose label is not auxiliary."""
        return int(np.count_nonzero(self.labels < self.n_labels))

    @property
    def n_auxiliary(self):
        """Number of samples whose label is auxiliary."""
        return len(self.labels) - self.n_labelled

    def take(self, rows):
        """Return some of the samples, with labels that have no gaps."""
        codes, labels = np.unique(self.labels[rows], return_inverse=True)
        n_labels = int(np.count_nonzero(codes < self.n_labels))
        return replace(
            self,
            features=take_rows(self.features, rows),
            labels=labels,
            groups=self.groups[rows],
            n_labels=n_labels,
        )

    def take_labelled(self, rows):
        """Return features and labels of the rows whose label is not auxiliary."""
        rows = rows[self.labels[rows] < self.n_labels]
        return take_rows(self.features, rows), self.labels[rows]

    def sample_features(self):
        """Return features of samples spread over all, which tell their scale."""
        n_samples = min(len(self.labels), MAX_CALIBRATION)
        rows = np.linspace(0, len(self.labels) - 1, n_samples).round().astype(int)
        return torch.as_tensor(self.features[rows])


def encode_labels(y, auxiliary):
    """Number labels, those that are auxiliary last.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Labels.
    auxiliary : array-like of bool | None, shape (n_samples,)
        Samples whose label is auxiliary; None stands for none.

    Returns
    -------
    classes : ndarray, shape (n_classes,)
        The labels.
    codes : ndarray of int, shape (n_samples,)
        Number of the label of each sample.
    n_labels : int
        Number of labels that are not auxiliary.
    """
    classes, codes = np.unique(y, return_inverse=True)
    if auxiliary is None:
        return classes, codes, len(classes)
    last = np.isin(classes, np.asarray(y)[np.asarray(auxiliary, dtype=bool)])
    order = np.argsort(last, kind="stable")
    return classes[order], np.argsort(order)[codes], int(np.count_nonzero(~last))


def check_shared(labels, groups):
    """Raise unless a label is in two groups.

    Parameters
    ----------
    labels, groups : ndarray of int, shape (n_samples,)
        Label and group of each sample.
    """
    pairs = np.unique(np.stack([labels, groups], axis=1), axis=0)
    if np.bincount(pairs[:, 0]).max() < 2:
        raise ValueError(
            "across_groups=True needs a label that two groups have, and every label is "
            "in one group alone. Check the groups, or set it to False."
        )


class BalancedBatches:
    """Batches in which labels come equally often, and no group prevails.

    The training iterator of the skorch net. A batch holds no segment twice: where a
    label has too few, the batch is smaller. Within a label, a group counts as the
    square root of its size, halfway between equal segments and equal groups. A pass
    has about as many segments as there are, in 25 batches at least. Where the labels
    are too many for a batch, each batch holds a random subset of them. Auxiliary
    labels come beside the others, with a quarter of the segments.

    Parameters
    ----------
    dataset : skorch.dataset.Dataset
        With tensors ``X``, shape (n_segments, ...), and ``y``, shape (n_segments,), or
        (n_segments, 2) with the groups that the loss looks at.
    batch_size : int
        Number of segments in a batch, at most.
    groups : ndarray of int, shape (n_segments,)
        Group (subject or channel) of every segment.
    seed : int
        Seed of the draws.
    n_labels : int | None
        Number of labels that are not auxiliary; None stands for all.
    num_workers : int
        Number of processes that read ahead what is in a file.
    """

    MIN_PER_LABEL = 4
    MIN_BATCHES = 25
    AUXILIARY = 4  # times fewer segments of auxiliary labels: pairs cost most

    def __init__(
        self, dataset, *, batch_size, groups, seed, n_labels=None, num_workers=0
    ):
        self.X, self.y = dataset.X, dataset.y
        self.num_workers = num_workers
        labels = self.y.reshape(len(self.y), -1)[:, 0].cpu().numpy()
        self.order = np.argsort(labels, kind="stable")
        self.sizes = np.bincount(labels)
        self.first = np.cumsum(self.sizes) - self.sizes
        self.weights = _balance_groups(labels, groups)[self.order]
        bounds = [] if n_labels is None else [n_labels]
        kinds = np.split(np.arange(len(self.sizes)), bounds)
        sizes = (batch_size, batch_size // self.AUXILIARY)
        self.kinds = [
            self._share(kind, size)
            for kind, size in zip(kinds, sizes, strict=False)
            if len(kind)
        ]
        n_samples = len(labels) if n_labels is None else np.sum(labels < n_labels)
        self.n_batches = self.count(n_samples, batch_size)
        self.generator = np.random.default_rng(seed)

    @classmethod
    def count(cls, n_segments, batch_size):
        """Return the number of batches of a pass."""
        return max(cls.MIN_BATCHES, -(-n_segments // batch_size))

    def __len__(self):
        return self.n_batches

    def __iter__(self):
        if isinstance(self.X, StoredRows):
            yield from self._read_ahead()
            return
        for _ in range(self.n_batches):
            rows = send(torch.from_numpy(self._draw()), self.X.device)
            yield self.X[rows], self.y[rows]

    def _read_ahead(self):
        """Yield batches of rows in a file, which workers read meanwhile."""
        draws = (self._draw() for _ in range(self.n_batches))
        yield from DataLoader(
            StoredBatches(self.X, self.y),
            batch_size=None,
            sampler=draws,
            num_workers=self.num_workers,
            # others than forked workers could not share the file
            multiprocessing_context="fork" if self.num_workers else None,
            generator=torch.Generator(),  # torch's own numbers are for the dropout
        )

    def _share(self, labels, batch_size):
        """Return labels, how many are in a batch, and how often each."""
        per_label = max(batch_size // len(labels), self.MIN_PER_LABEL)
        return labels, min(len(labels), max(2, batch_size // per_label)), per_label

    def _draw(self):
        """Draw the rows of one batch."""
        drawn = [
            self._draw_label(label, per_label)
            for labels, n_drawn, per_label in self.kinds
            for label in self.generator.permutation(labels)[:n_drawn]
        ]
        return self.order[np.concatenate(drawn)]

    def _draw_label(self, label, per_label):
        """Draw members of one label, without replacement."""
        members = self.first[label] + np.arange(self.sizes[label])
        if len(members) <= per_label:
            return members
        weights = self.weights[members]
        return self.generator.choice(
            members, per_label, replace=False, p=weights / weights.sum()
        )


@dataclass(frozen=True)
class StoredBatches(Dataset):
    """Batches of rows in a file; an item is the rows of one.

    Attributes
    ----------
    X : StoredRows, shape (n_segments, ...)
        The rows.
    y : torch.Tensor, shape (n_segments, ...)
        What belongs to each.
    """

    X: StoredRows
    y: torch.Tensor

    def __getitem__(self, rows):
        return torch.from_numpy(self.X[rows]), self.y[rows]


def _balance_groups(labels, groups):
    """Return weights with which a group in a label counts as the root of its size."""
    pairs = np.stack([labels, groups])
    index, sizes = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)[1:]
    return 1.0 / np.sqrt(sizes[index])


class ReadOutScore(Callback):
    """Score the read-out on what is held out after every epoch.

    Writes ``valid_balanced_accuracy`` to the history: that of nearest neighbours among
    the training embeddings. The loss alone does not tell when to stop.

    Parameters
    ----------
    train, valid : tuple of (torch.Tensor, ndarray)
        Features and labels.
    """

    def __init__(self, train, valid):
        self.train = train
        self.valid = valid

    def on_epoch_end(self, net, **kwargs):
        """Add the score of the epoch to the history."""
        check_trained(net)
        net.module_.eval()
        references, queries = (
            apply_in_chunks(net.module_, features, device=net.device).numpy()
            for features, _ in (self.train, self.valid)
        )
        readout = BalancedNeighbors(random_state=0).fit(references, self.train[1])
        score = balanced_accuracy(self.valid[1], readout.predict(queries))
        net.history.record("valid_balanced_accuracy", net.agree(float(score)))


def hold_out(labels, groups, *, n_splits=5):
    """Split off whole groups for validation.

    Parameters
    ----------
    labels : ndarray of int, shape (n_segments,)
        Labels.
    groups : ndarray of int, shape (n_segments,)
        Group (subject or channel) of every segment.
    n_splits : int
        One part in this many is held out.

    Returns
    -------
    split : tuple of (ndarray, ndarray) | None
        Rows for training, and those for validation whose label occurs in training;
        None if the groups are too few, or share no two labels.
    """
    if len(np.unique(groups)) < n_splits:
        return None
    splitter = GroupKFold(n_splits, shuffle=True, random_state=0)
    train, valid = next(splitter.split(labels, groups=groups))
    valid = valid[np.isin(labels[valid], labels[train])]
    if len(np.unique(labels[valid])) < 2:
        return None
    return train, valid


def choose_n_epochs(scores, n_groups):
    """Choose the number of epochs from the scores of held-out groups.

    Parameters
    ----------
    scores : list of float
        Accuracy after each epoch.
    n_groups : int
        Number of groups held out: segments of one are no independent evidence.

    Returns
    -------
    n_epochs : int
        The last epoch whose score is within one standard error of the best: training
        ends early only where going on does harm.
    """
    best = max(scores)
    error = np.sqrt(best * (1 - best) / n_groups)
    return int(np.flatnonzero(np.array(scores) >= best - error)[-1]) + 1
