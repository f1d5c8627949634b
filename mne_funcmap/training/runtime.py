"""What all training shares: devices, seeds, and skorch nets as they are kept."""

import contextlib

import numpy as np
import torch
from sklearn.utils import check_random_state
from skorch import NeuralNet
from torch import nn

from ..progress import track
from .checks import check_weights
from .processes import agree, find_device

CHUNK = 4096  # rows that are averaged at a time


def resolve_device(device):
    """Return the torch device that a user's choice stands for.

    Parameters
    ----------
    device : str
        "auto" takes CUDA if there is one, else the CPU; "accelerate" what accelerate
        gives this process; otherwise as torch names it.

    Returns
    -------
    device : str
        Name of a device that is there.

    Raises
    ------
    ValueError
        If there is no such device.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "accelerate":
        return find_device()
    try:
        kind = torch.device(device).type
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={device!r} is unknown. Use 'auto', 'cpu', 'cuda' or 'accelerate'."
        ) from error
    if kind == "cpu":  # torch takes a number too, which says nothing
        return "cpu"
    try:
        torch.ones(1, device=device).cpu()
    except Exception as error:  # of a device that is not there, torch raises anything
        reason = f"cannot compute there ({str(error).partition(chr(10))[0]})"
        if kind == "cuda" and not torch.cuda.is_available():
            reason = "finds no CUDA device"
        raise ValueError(
            f"device={device!r} was asked for, but torch {reason}. Use device='auto' "
            "or 'cpu', or install a build of torch that has it."
        ) from error
    return device


@contextlib.contextmanager
def seeded_torch(seed):
    """Seed torch inside the block and restore its global state afterwards."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


def read_module_params(net_params):
    """Return the parameters of the module among those of a skorch net."""
    return {
        name.removeprefix("module__"): value
        for name, value in net_params.items()
        if name.startswith("module__")
    }


def move_net(net, device):
    """Move a trained net to where a user wants it now.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net.
    device : str
        As for `resolve_device`; "auto" and "accelerate" leave it where it is.

    Returns
    -------
    net : skorch.NeuralNet
        The same.
    """
    if device not in ("auto", "accelerate", net.device):
        device = resolve_device(device)
        net.module_.to(device)
        net.device = device
    return net


def move_if_it_fits(values, device):
    """Return values on a device, unless they fill half of its memory or more.

    Parameters
    ----------
    values : torch.Tensor | StoredRows
        On the CPU, or in a file.
    device : str
        The device.

    Returns
    -------
    values : torch.Tensor | StoredRows
        On the device, or as they were.
    """
    if torch.is_tensor(values) and torch.device(device).type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return values.to(device) if 2 * values.nbytes < free else values
    return values


def send(values, device):
    """Return values on their way to a device; nothing waits for their arrival.

    Parameters
    ----------
    values : torch.Tensor
        Anywhere.
    device : str | torch.device
        The device.

    Returns
    -------
    values : torch.Tensor
        On the device.
    """
    if torch.device(device).type == "cuda" and not values.is_cuda:
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


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

    Raises
    ------
    ValueError
        If the weights do not fit the module.
    """
    check_weights(module, params, weights)
    params = {f"module__{name}": value for name, value in params.items()}
    with seeded_torch(0):
        net = NeuralNet(
            module, nn.MSELoss, callbacks=None, device=device, **params
        ).initialize()
    net.module_.load_state_dict(weights)
    return net


def check_trained(net):
    """Raise unless a trained net is finite.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net, with its training curve.

    Raises
    ------
    RuntimeError
        If the training diverged.
    """
    losses = net.history[:, "train_loss"]
    weights = net.module_.parameters()
    if not (np.isfinite(losses).all() and all(w.isfinite().all() for w in weights)):
        raise RuntimeError(
            f"The training diverged: the loss of epoch {len(losses)} is {losses[-1]}, "
            "and weights are not finite. Lower lr, or check the signals."
        )


def draw_seed(random_state, device="cpu"):
    """Draw a seed, without touching numpy's global random state.

    Parameters
    ----------
    random_state : int | RandomState | None
        As in scikit-learn; None gives another seed every time.
    device : str
        With "accelerate", processes that train together get the seed of the first.

    Returns
    -------
    seed : int
        The seed.
    """
    if random_state is None:
        random_state = np.random.RandomState(np.random.MT19937())
    seed = int(check_random_state(random_state).randint(2**31))
    return int(agree(seed, find_device())) if device == "accelerate" else seed


def average(values, unit, weights=None):
    """Average rows that belong together.

    Parameters
    ----------
    values : torch.Tensor | StoredRows, shape (n_segments, n)
        Rows.
    unit : ndarray of int, shape (n_segments,)
        What each row belongs to, from 0 on, without gaps.
    weights : ndarray | None, shape (n_segments,)
        How much each row counts; None stands for equally.

    Returns
    -------
    means : torch.Tensor, shape (n_units, n)
        Means.
    """
    weights = np.ones(len(unit)) if weights is None else weights
    weights, unit = torch.from_numpy(weights).double(), torch.from_numpy(unit)
    total = unit.bincount(weights)[:, None]
    sums = torch.zeros(len(total), *values.shape[1:], dtype=torch.float64)
    for at in range(0, len(unit), CHUNK):
        rows = slice(at, at + CHUNK)
        chunk = torch.as_tensor(values[rows])
        sums.index_add_(0, unit[rows], weights[rows, None] * chunk)
    return (sums / total).to(chunk.dtype)


def apply_in_chunks(function, values, *, device, chunk=32):
    """Apply a function of tensors to an array, piece by piece.

    Parameters
    ----------
    function : callable
        From tensor, (n, ...), to tensor, (n, ...).
    values : ndarray | torch.Tensor, shape (n_segments, ...)
        Input.
    device : str
        Where to compute.
    chunk : int
        Number of segments that are computed at a time on the CPU: few, so that what
        is computed stays in its cache. Elsewhere many are.

    Returns
    -------
    result : torch.Tensor, shape (n_segments, ...)
        Output, on the CPU.
    """
    if torch.device(device).type != "cpu":
        chunk = 1024
    with torch.no_grad():
        pieces = [
            function(torch.as_tensor(values[at : at + chunk]).to(device)).cpu()
            for at in track(range(0, len(values), chunk), "batches of segments")
        ]
        return torch.cat(pieces)
