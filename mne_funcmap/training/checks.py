"""Checks of what a model file says, before anything is made of it."""

from math import isfinite

import torch


def check_clock(n_times, sfreq):
    """Raise ValueError unless these are a number of samples, and a rate in Hz.

    Parameters
    ----------
    n_times, sfreq : object
        What a file says.
    """
    is_count = isinstance(n_times, int) and not isinstance(n_times, bool)
    if not (is_count and n_times > 1):
        raise ValueError(f"n_times={n_times!r} is no number of samples.")
    if not (isinstance(sfreq, int | float) and isfinite(sfreq) and sfreq > 0):
        raise ValueError(f"sfreq={sfreq!r} is no sampling rate.")


def check_facts(facts, optional=()):
    """Raise ValueError unless what is told of a training are numbers, or truth values.

    Parameters
    ----------
    facts : dict
        What a file says.
    optional : sequence of str
        Names of those that may be None.
    """
    for name, value in facts.items():
        is_missing = value is None and name in optional
        if not (is_missing or isinstance(value, int | float)):
            raise ValueError(f"{name}={value!r} is no number.")


def check_names(names):
    """Raise ValueError unless these are different names.

    Parameters
    ----------
    names : object
        What a file says.
    """
    is_list = isinstance(names, list) and all(isinstance(one, str) for one in names)
    if not is_list or len(set(names)) < len(names):
        raise ValueError(f"{names!r} is no list of different names.")


def check_weights(module, params, weights):
    """Raise ValueError unless weights are those of a module, before it is made.

    Parameters
    ----------
    module : type
        Class of the module.
    params : dict
        Its parameters.
    weights : dict of str to torch.Tensor
        The weights.
    """
    with torch.device("meta"):  # takes no memory
        state = module(**params).state_dict()
    expected = {name: (tuple(v.shape), v.dtype) for name, v in state.items()}
    found = {name: (tuple(v.shape), v.dtype) for name, v in weights.items()}
    odd = sorted(
        name
        for name in expected.keys() | found.keys()
        if expected.get(name) != found.get(name)
    )
    if odd:
        raise ValueError(
            f"The weights do not fit the network: of {odd[0]!r} expected shape and "
            f"type are {expected.get(odd[0])}, got {found.get(odd[0])} "
            f"({len(odd)} of {len(expected)} differ)."
        )
    if any(values.isnan().any() for values in weights.values()):
        raise ValueError("Some weights are not numbers.")
