"""Training: devices, seeds, balanced batches and the skorch net."""

import contextlib
import inspect

import numpy as np
import torch
from sklearn.model_selection import GroupKFold
from sklearn.utils import check_random_state
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import nn

from .metrics import balanced_accuracy
from .readout import BalancedNeighbors


def resolve_device(device):
    """Return the torch device that a user's choice stands for.

    Parameters
    ----------
    device : str
        "auto" takes CUDA if there is one, else the CPU; otherwise as torch names it.

    Returns
    -------
    device : str
        Name of a device that is there.
    """
    available = torch.cuda.is_available()
    if device == "auto":
        return "cuda" if available else "cpu"
    try:
        kind = torch.device(device).type
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={device!r} is unknown. Use 'auto', 'cpu' or 'cuda'."
        ) from error
    if kind == "cuda" and not available:
        raise ValueError(
            f"device={device!r} was asked for, but torch finds no CUDA device. Use "
            "device='auto' or 'cpu', or install a CUDA build of torch."
        )
    return device


@contextlib.contextmanager
def seeded_torch(seed):
    """Seed torch inside the block and restore its global state afterwards."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


class BalancedBatches:
    """Batches in which labels come equally often, and no group prevails.

    The training iterator of the skorch net. A batch holds no segment twice: where a
    label has too few, the batch is smaller. Within a label, a group counts as the
    square root of its size, halfway between equal segments and equal groups. A pass
    has about as many segments as there are, in 25 batches at least. Where the labels
    are too many for a batch, each batch holds a random subset of them.

    Parameters
    ----------
    dataset : skorch.dataset.Dataset
        With tensors ``X``, shape (n_segments, ...), and ``y``, shape (n_segments,).
    batch_size : int
        Number of segments in a batch, at most.
    groups : ndarray of int, shape (n_segments,)
        Group (subject or channel) of every segment.
    seed : int
        Seed of the draws.
    """

    MIN_PER_LABEL = 4
    MIN_BATCHES = 25

    def __init__(self, dataset, *, batch_size, groups, seed):
        self.X, self.y = dataset.X, dataset.y
        labels = self.y.cpu().numpy()
        self.order = np.argsort(labels, kind="stable")
        self.sizes = np.bincount(labels)
        self.first = np.cumsum(self.sizes) - self.sizes
        self.weights = _balance_groups(labels, groups)[self.order]
        self.per_label = max(batch_size // len(self.sizes), self.MIN_PER_LABEL)
        self.n_labels = min(len(self.sizes), max(2, batch_size // self.per_label))
        self.n_batches = self.count(len(labels), batch_size)
        self.generator = np.random.default_rng(seed)

    @classmethod
    def count(cls, n_segments, batch_size):
        """Return the number of batches of a pass."""
        return max(cls.MIN_BATCHES, -(-n_segments // batch_size))

    def __len__(self):
        return self.n_batches

    def __iter__(self):
        for _ in range(self.n_batches):
            rows = torch.from_numpy(self._draw()).to(self.X.device)
            yield self.X[rows], self.y[rows]

    def _draw(self):
        """Draw the rows of one batch."""
        chosen = self.generator.permutation(len(self.sizes))[: self.n_labels]
        drawn = [self._draw_label(label) for label in chosen]
        return self.order[np.concatenate(drawn)]

    def _draw_label(self, label):
        """Draw members of one label, without replacement."""
        members = self.first[label] + np.arange(self.sizes[label])
        if len(members) <= self.per_label:
            return members
        weights = self.weights[members]
        return self.generator.choice(
            members, self.per_label, replace=False, p=weights / weights.sum()
        )


def _balance_groups(labels, groups):
    """Return weights with which a group in a label counts as the root of its size."""
    pairs = np.stack([labels, groups])
    index, sizes = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)[1:]
    return 1.0 / np.sqrt(sizes[index])


class Embedding(nn.Module):
    """An encoder, and the sphere that its embeddings may lie on.

    Parameters
    ----------
    encoder : type
        Class of the encoder.
    n_times : int
        Number of samples of a segment.
    n_components : int
        Length of the embedding.
    on_sphere : bool
        Whether embeddings are scaled to length one.
    **params : dict
        What else the encoder takes.

    Notes
    -----
    ``front_end`` maps segments, (batch, n_times), to features, (batch, ...), without
    anything learned; ``forward`` maps features to embeddings,
    (batch, n_components), so that training computes the features only once.
    """

    def __init__(self, encoder, n_times, n_components, *, on_sphere=True, **params):
        super().__init__()
        signature = inspect.signature(encoder).parameters
        known = {"n_times": n_times, "n_components": n_components}
        takes_all = any(p.kind is p.VAR_KEYWORD for p in signature.values())
        known = {k: v for k, v in known.items() if takes_all or k in signature}
        self.encoder = encoder(**known, **params)
        self.on_sphere = on_sphere

    @property
    def has_front_end(self):
        """Whether part of the encoder needs no training."""
        return hasattr(self.encoder, "front_end")

    def front_end(self, segments):
        """Return what of an embedding needs no training, (batch, ...)."""
        return self.encoder.front_end(segments) if self.has_front_end else segments

    def forward(self, features):
        """Return embeddings of features, (batch, n_components)."""
        learned = self.encoder.head if self.has_front_end else self.encoder
        return self.project(learned(features))

    def project(self, embeddings):
        """Return embeddings on the sphere, if they belong there."""
        return nn.functional.normalize(embeddings) if self.on_sphere else embeddings

    def embed(self, segments):
        """Return embeddings of segments, (batch, n_components)."""
        return self(self.front_end(segments))

    def calibrate(self, features):
        """Let the encoder take the scale of its features from training data."""
        if hasattr(self.encoder, "calibrate"):
            self.encoder.calibrate(features)


def read_module_params(net_params):
    """Return the parameters of the module among those of a skorch net."""
    return {
        name.removeprefix("module__"): value
        for name, value in net_params.items()
        if name.startswith("module__")
    }


def make_restored(module, params, weights, device):
    """Return a skorch net that was trained before.

    Parameters
    ----------
    module : type
        Class of the module.
    params : dict
        Its parameters.
    weights : dict of str to torch.Tensor
        Its state.
    device : str
        Where to compute.

    Returns
    -------
    net : skorch.NeuralNet
        The net, without a training curve.
    """
    params = {f"module__{name}": value for name, value in params.items()}
    with seeded_torch(0):
        net = NeuralNet(
            module, nn.MSELoss, callbacks=None, device=device, **params
        ).initialize()
    net.module_.load_state_dict(weights)
    return net


def check_trained(net):
    """Raise unless a net was trained for an epoch at least, and is finite.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net, with its training curve.

    Raises
    ------
    RuntimeError
        If the training diverged.
    KeyboardInterrupt
        If it was interrupted in the first epoch; later, skorch keeps what is there.
    """
    losses = [epoch["train_loss"] for epoch in net.history if "train_loss" in epoch]
    if not losses:
        raise KeyboardInterrupt("The training was interrupted in its first epoch.")
    weights = net.module_.parameters()
    if not (np.isfinite(losses).all() and all(w.isfinite().all() for w in weights)):
        raise RuntimeError(
            f"The training diverged: the loss of epoch {len(losses)} is {losses[-1]}, "
            "and weights are not finite. Lower lr, or check the signals."
        )


def draw_seed(random_state):
    """Draw a seed, without touching numpy's global random state.

    Parameters
    ----------
    random_state : int | RandomState | None
        As in scikit-learn; None gives another seed every time.

    Returns
    -------
    seed : int
        The seed.
    """
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    return int(check_random_state(random_state).randint(2**31))


def average(values, unit):
    """Average rows that belong together.

    Parameters
    ----------
    values : torch.Tensor, shape (n_segments, n)
        Rows.
    unit : ndarray of int, shape (n_segments,)
        What each row belongs to, from 0 on, without gaps.

    Returns
    -------
    means : torch.Tensor, shape (n_units, n)
        Means.
    """
    unit = torch.from_numpy(unit)
    sums = torch.zeros(int(unit.max()) + 1, *values.shape[1:], dtype=torch.float64)
    sums.index_add_(0, unit, values.double())
    return (sums / unit.bincount()[:, None]).float()


def apply_in_chunks(function, values, *, device, chunk=None):
    """Apply a function of tensors to an array, piece by piece.

    Parameters
    ----------
    function : callable
        From tensor, (n, ...), to tensor, (n, ...).
    values : ndarray | torch.Tensor, shape (n_segments, ...)
        Input.
    device : str
        Where to compute.
    chunk : int | None
        Number of segments that are computed at a time. None stands for few on the
        CPU, so that what is computed stays in its cache, and many elsewhere.

    Returns
    -------
    result : torch.Tensor, shape (n_segments, ...)
        Output, on the CPU.
    """
    if chunk is None:
        chunk = 32 if torch.device(device).type == "cpu" else 1024
    with torch.no_grad():
        pieces = [
            function(torch.as_tensor(values[at : at + chunk]).to(device)).cpu()
            for at in range(0, len(values), chunk)
        ]
        return torch.cat(pieces)


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
        net.history.record("valid_balanced_accuracy", float(score))


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
