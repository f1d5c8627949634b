"""Model files: safetensors with a JSON header; nothing in a file is ever run."""

from __future__ import annotations

import json
import os
import platform
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from .writing import write_whole

if TYPE_CHECKING:
    from ..hints import AnyPath

FORMAT_VERSION = 2
PACKAGES = ("mne-funcmap", "mne", "scikit-learn", "torch", "numpy")
# where and how somebody computes is no part of a model
OF_PLACE = {"callbacks": None, "checkpoint_dir": None, "memory": None, "verbose": None}
# what unpacking a damaged file may raise
DAMAGE = (
    *(KeyError, TypeError, AttributeError, IndexError),
    *(RuntimeError, ValueError, OverflowError),
)
LARGEST = 1_000_000  # number in a header: a larger one would fill the memory


def pack_params(params):
    """Return the parameters of an estimator as a model file holds them.

    Parameters
    ----------
    params : dict
        The parameters.

    Returns
    -------
    params : dict
        The same, without what belongs to a place.

    Raises
    ------
    ValueError
        If a model file cannot hold one of them.
    """
    params = params | {name: OF_PLACE[name] for name in OF_PLACE if name in params}
    for name, value in params.items():
        if not _is_plain(value):
            shown = value.__name__ if isinstance(value, type) else repr(value)
            raise ValueError(
                f"The parameter {name}={shown} cannot be written to a model file, "
                "which holds numbers and names and nothing that would be run. Use what "
                "the package knows by name, or pickle the model, among people who "
                "trust each other. See 'Saving and sharing models' in the user guide."
            )
    return params


def unpack_params(params):
    """Return parameters that a model file holds, without what belongs to a place.

    Parameters
    ----------
    params : dict
        As by `pack_params`, or what somebody else has written there.

    Returns
    -------
    params : dict
        Parameters that write nowhere.
    """
    return {k: v for k, v in params.items() if k not in OF_PLACE}


def join_tensors(prefix, tensors):
    """Return tensors under names that begin with a prefix.

    Parameters
    ----------
    prefix : str
        What they are of.
    tensors : dict of str to torch.Tensor
        The tensors.

    Returns
    -------
    joined : dict of str to torch.Tensor
        The same, for a file with others.
    """
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def split_tensors(prefix, tensors):
    """Return the tensors whose names begin with a prefix, without it.

    Parameters
    ----------
    prefix : str
        What they are of.
    tensors : dict of str to torch.Tensor
        As by `join_tensors`, with others.

    Returns
    -------
    split : dict of str to torch.Tensor
        Those that were joined.
    """
    start = f"{prefix}."
    return {
        name.removeprefix(start): value
        for name, value in tensors.items()
        if name.startswith(start)
    }


def save_model(path, model_class, header, tensors, *, license=None, citation=None):
    """Write tensors and a JSON header to one file.

    Parameters
    ----------
    path : path-like
        Where to write; an existing file is replaced only by a complete one.
    model_class : str
        Name of the class that reads the file.
    header : dict
        What JSON can hold, and numpy scalars.
    tensors : dict of str to torch.Tensor
        The arrays of the model.
    license, citation : str | None
        What those who are given the file may do with it, and should cite.
    """
    for name, text in {"license": license, "citation": citation}.items():
        if not isinstance(text, str | None):
            raise TypeError(f"{name} must be a string or None, got {text!r}.")
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in tensors.items()
    }
    header = header | {
        "class": model_class,
        "format_version": FORMAT_VERSION,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
        "license": license,
        "citation": citation,
    }
    header = json.loads(json.dumps(header, default=np.generic.item))
    _check_numbers(header)
    header["sha256"] = compute_digest(header, tensors)
    data = save(tensors, {"mne_funcmap": json.dumps(header)})
    write_whole(path, data, "The model")


def compute_digest(header, tensors):
    """Compute the SHA-256 of all that a model file holds.

    Parameters
    ----------
    header : dict
        The JSON header; its own ``sha256`` does not count.
    tensors : dict of str to torch.Tensor
        The arrays, contiguous and on the CPU.

    Returns
    -------
    digest : str
        Of the header, and of name, type, shape and values of each tensor, by name.
    """
    header = {name: value for name, value in header.items() if name != "sha256"}
    digest = sha256(json.dumps(header, sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}".encode())
        digest.update(value.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def load_model(path, model_class):
    """Read a file written by `save_model`.

    Parameters
    ----------
    path : path-like
        The file.
    model_class : str
        The class the file must hold.

    Returns
    -------
    header : dict
        The JSON header, as of the present format.
    tensors : dict of str to torch.Tensor
        The arrays, on the CPU.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, foreign, of another class or of a newer format.
    """
    expected = f"Expected a file written by {model_class}.save."
    header, tensors = _read_file(path, expected, with_tensors=True)
    if header["class"] != model_class:
        raise ValueError(
            f"{os.fspath(path)!r} holds a {header['class']!r} model. {expected}"
        )
    has_digest = header["format_version"] > 1
    if has_digest and header.get("sha256") != compute_digest(header, tensors):
        raise ValueError(
            f"The model file {os.fspath(path)!r} is damaged: its content is not that "
            f"of which the SHA-256 was written. {expected} Copy it again, or ask for "
            "it anew."
        )
    _check_numbers(header)
    return header, tensors


def read_model_info(path: AnyPath) -> dict:
    """Read what a model file tells of itself, without loading the model.

    Parameters
    ----------
    path : path-like
        A file written by `FunctionalEmbedder.save` or `MaskedRegionReconstructor.save`.

    Returns
    -------
    info : dict
        Among others ``class``, ``params``, ``regions``, ``sfreq`` (Hz), ``versions``,
        ``training`` (numbers of subjects, recordings, channels, seconds; the score),
        ``license``, ``citation``, ``format_version`` and ``sha256``. None of it has
        been checked.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no model file, or of a newer format.
    """
    expected = "Expected a file written by the save of an estimator."
    return _read_file(path, expected, with_tensors=False)[0]


def _read_file(path, expected, *, with_tensors):
    """Return the JSON header of a file, and its tensors, if they are asked for."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no model file {os.fspath(path)!r}.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = file.keys() if with_tensors else []
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{os.fspath(path)!r} is not a complete safetensors file ({error}). "
            f"{expected}"
        ) from error
    try:
        header = json.loads(metadata["mne_funcmap"])
        found = header["format_version"]
        header["class"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{os.fspath(path)!r} is a safetensors file without the header of a "
            f"model of mne_funcmap. {expected}"
        ) from error
    if found not in range(1, FORMAT_VERSION + 1):
        raise ValueError(
            f"{os.fspath(path)!r} has format version {found!r}; this version of "
            f"mne_funcmap reads up to version {FORMAT_VERSION}. Update mne_funcmap."
        )
    return header, tensors


@contextmanager
def damage_told(path, model_class):
    """Say that a file is damaged, if what it holds does not make a model.

    Parameters
    ----------
    path : path-like
        The file.
    model_class : str
        The class that wrote it.

    Raises
    ------
    ValueError
        If the block fails in a way in which unpacking a damaged file may.
    """
    try:
        yield
    except DAMAGE as error:
        raise ValueError(
            f"The model file {os.fspath(path)!r} is damaged: {error!r}. Expected a "
            f"file written by {model_class}.save."
        ) from error


def _check_numbers(header):
    """Raise ValueError if networks made by these numbers would fill the memory."""
    for name, value in header.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                _check_numbers(one)
            elif isinstance(one, int) and one > LARGEST and _makes_networks(name):
                raise ValueError(
                    f"{name} is {one}: a model file takes integers up to {LARGEST}, "
                    "since larger networks would fill the memory."
                )


def _makes_networks(name):
    """Return whether the size of a network depends on a number of this name."""
    sizes = ("n_times", "n_times_", "n_components", "n_latents", "n_labels")
    return name in sizes or name.startswith("module__")


def _is_plain(value):
    """Whether JSON can hold the value."""
    try:
        json.dumps(value, default=np.generic.item)
    except TypeError:
        return False
    return True
