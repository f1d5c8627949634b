"""How many digits the networks compute with that gain from few."""

from functools import wraps

import torch

PRECISIONS = ("auto", "float32", "bfloat16")


def is_short(precision, device):
    """Return whether a device is to compute in bfloat16.

    Parameters
    ----------
    precision : "auto" | "float32" | "bfloat16"
        "auto" takes bfloat16 on CUDA devices that have it.
    device : torch.device
        The device.

    Returns
    -------
    is_short : bool
        Whether it is.
    """
    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported(False)
    return precision == "bfloat16"


def in_precision(method):
    """Let a method of a module compute as its ``precision`` says.

    Products and convolutions are computed in bfloat16 if that is wanted; weights, sums
    and what is returned are float32.
    """

    @wraps(method)
    def compute(self, *args, **kwargs):
        device = next(self.parameters()).device
        short = is_short(self.precision, device)
        with torch.autocast(device.type, torch.bfloat16, enabled=short):
            return method(self, *args, **kwargs).float()

    return compute
