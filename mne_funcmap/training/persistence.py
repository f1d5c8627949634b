"""Model files: safetensors with a JSON header; nothing in a file is ever run."""

import json
import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

FORMAT_VERSION = 1


def check_params(params):
    """Raise ValueError unless a model file can hold the parameters, a dict."""
    odd = [name for name, value in params.items() if not _is_plain(value)]
    if odd:
        raise ValueError(
            f"Parameters {odd} cannot be written to a model file: "
            f"{[params[name] for name in odd]}. Use numbers and names that the "
            "package knows, or pickle the model. See 'Saving and sharing models' in "
            "the user guide."
        )


def _is_plain(value):
    """Whether JSON can hold the value."""
    try:
        json.dumps(value, default=np.generic.item)
    except TypeError:
        return False
    return True


def save_model(path, model_class, header, tensors):
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
    """
    path = Path(path)
    header = header | {"class": model_class, "format_version": FORMAT_VERSION}
    metadata = {"mne_funcmap": json.dumps(header, default=np.generic.item)}
    contiguous = {name: value.contiguous() for name, value in tensors.items()}
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(save(contiguous, metadata))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


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
        The JSON header.
    tensors : dict of str to torch.Tensor
        The arrays, on the CPU.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, foreign, of another class or of a newer format.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no model file {os.fspath(path)!r}.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{os.fspath(path)!r} is not a complete safetensors file ({error}). "
            f"Expected a file written by {model_class}.save."
        ) from error
    return _checked_header(path, metadata, model_class), tensors


def _checked_header(path, metadata, model_class):
    """Return the JSON header, or say what the file is instead."""
    expected = f"Expected a file written by {model_class}.save."
    try:
        header = json.loads(metadata["mne_funcmap"])
        version, found = header["format_version"], header["class"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{os.fspath(path)!r} is a safetensors file without the header of a "
            f"model of mne_funcmap. {expected}"
        ) from error
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{os.fspath(path)!r} has format version {version!r}; this version of "
            f"mne_funcmap reads version {FORMAT_VERSION}. Update mne_funcmap."
        )
    if found != model_class:
        raise ValueError(f"{os.fspath(path)!r} holds a {found!r} model. {expected}")
    return header
