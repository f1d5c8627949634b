"""Processes that train together, each with a share of every batch.

All draw the same batch, compute a share of its rows and of its loss, and sum their
gradients: the steps are those that a single process takes with the whole batch.
"""

import torch
from torch import distributed


def find_device():
    """Return the device of this process, and let it meet the others.

    Returns
    -------
    device : str
        As accelerate decides.

    Raises
    ------
    ImportError
        If accelerate is not installed.
    """
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise ImportError(
            "device='accelerate' needs the package accelerate. Run pip install "
            "'mne-funcmap[scale]', or set another device."
        ) from error
    # without being told so, accelerate takes processes without a GPU one by one
    device = Accelerator(cpu=not torch.accelerator.is_available()).device
    return "cpu" if device.type == "cpu" else str(device)


def count_processes():
    """Return the number of processes that were launched together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def get_rank():
    """Return the number of this process among them."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def choose_share(n_rows):
    """Choose the rows of a batch that this process computes.

    Parameters
    ----------
    n_rows : int
        Number of rows of the batch.

    Returns
    -------
    rows : slice
        Its share; all of a batch that has less rows than there are processes.
    """
    n, rank = count_processes(), get_rank()
    if n_rows < n:
        return slice(0, n_rows)
    return slice(n_rows * rank // n, n_rows * (rank + 1) // n)


def take_share(values, rows):
    """Return rows of a tensor, or of each tensor of a dict."""
    if isinstance(values, dict):
        return {name: of_name[rows] for name, of_name in values.items()}
    return values[rows]


def gather_shares(own, rows, n_rows):
    """Gather the rows that processes have computed.

    Parameters
    ----------
    own : torch.Tensor, shape (n_own, ...)
        What this process has computed, from which alone gradients flow back. They are
        multiplied by the number of processes, each of which has the whole loss over
        that number as its share.
    rows : slice
        Which rows these are.
    n_rows : int
        Number of rows of the batch.

    Returns
    -------
    whole : torch.Tensor, shape (n_rows, ...)
        The rows of all processes.
    """
    if len(own) == n_rows:
        return own
    own.register_hook(lambda gradient: gradient * count_processes())
    whole = own.new_zeros(n_rows, *own.shape[1:])
    whole[rows] = own.detach()
    distributed.all_reduce(whole)
    return torch.cat([whole[: rows.start], own, whole[rows.stop :]])


def sum_values(values):
    """Return a tensor summed over processes."""
    values = values.clone()
    distributed.all_reduce(values)
    return values


def sum_gradients(parameters):
    """Sum the gradients of parameters over processes, in place.

    Parameters
    ----------
    parameters : iterable of torch.nn.Parameter
        The same in all processes.
    """
    gradients = [values.grad for values in parameters if values.grad is not None]
    summed = sum_values(torch.cat([values.flatten() for values in gradients]))
    parts = summed.split([values.numel() for values in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def share_state(module):
    """Give a module of all processes the parameters and buffers of the first."""
    for values in module.state_dict().values():
        distributed.broadcast(values, 0)


def share_object(value, device):
    """Return an object of the first process, in all.

    Parameters
    ----------
    value : object
        Of Python's types and tensors.
    device : str
        Where processes exchange values.

    Returns
    -------
    value : object
        That of the first process.
    """
    shared = [value]
    distributed.broadcast_object_list(shared, 0, device=torch.device(device))
    return shared[0]


def agree(values, device):
    """Return the numbers of the first process, in all.

    Parameters
    ----------
    values : float | sequence of float
        Numbers.
    device : str
        Where processes exchange values.

    Returns
    -------
    values : float | list of float
        Those of the first process.
    """
    if count_processes() == 1:
        return values
    values = torch.tensor(values, dtype=torch.float64, device=device)
    distributed.broadcast(values, 0)
    return values.tolist()
