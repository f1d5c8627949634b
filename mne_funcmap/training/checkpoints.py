"""What a training that is stopped leaves: a state to go on from, or its best so far."""

import inspect
import io
import json
import pickle
import platform
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from os import PathLike
from pathlib import Path

import joblib
import numpy as np
import torch
from mne.utils import warn
from skorch.callbacks import EarlyStopping, LRScheduler

from .. import __version__
from ..code import hash_code
from .parts import get_common_dir, is_part
from .persistence import DAMAGE, OF_PLACE
from .writing import write_whole

CHECKPOINT_CONSTRAINT = {"checkpoint_dir": [str, PathLike, None]}
INTERVAL = 10.0  # seconds between two checkpoints
DIGEST_SIZE = 32  # bytes of a SHA-256, with which a file begins
CHUNK = 4096  # rows that are read at a time
STOPPING = ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_")


@dataclass(frozen=True)
class Checkpoints:
    """Files with the states of the trainings of one fit.

    Attributes
    ----------
    folder : pathlib.Path | None
        Where they are; None stands for no files.
    key : str
        What another fit does not have.
    """

    folder: Path | None = None
    key: str = ""

    def get_file(self, name):
        """Return the file of one of the trainings, or None."""
        return self.folder and self.folder / f"{self.key}-{name}.pt"


def check_resumable(estimator):
    """Raise ValueError if the fit of an estimator could not go on from a checkpoint.

    Parameters
    ----------
    estimator : estimator
        With ``checkpoint_dir`` and ``random_state``; perhaps the identity of another,
        whose folder it then shares.
    """
    is_kept = (estimator.checkpoint_dir, get_common_dir()) != (None, None)
    if is_kept and estimator.random_state is None:
        raise ValueError(
            "checkpoint_dir needs a random_state, also of an identity: with None, a "
            "training that goes on would be another one. Set random_state to a number."
        )


def list_params(estimator, without=()):
    """Return the parameters of an estimator on which its numbers depend.

    Parameters
    ----------
    estimator : estimator
        The estimator.
    without : sequence of str
        Parameters that show in what is trained on.

    Returns
    -------
    params : dict
        Those that are neither of these nor of a place, nor the random state.
    """
    params = estimator.get_params(deep=False)
    of_place = OF_PLACE.keys() - {"callbacks"}  # which change what is trained
    others = {*of_place, *without, "device", "random_state"}
    return {name: params[name] for name in sorted(params.keys() - others)}


def open_checkpoints(folder, *what):
    """Return the checkpoint files of a fit.

    Parameters
    ----------
    folder : path-like | None
        Where they are to be; None stands for that of `as_part`, if there is one.
    *what : object
        All that the result of the fit depends on. Tensors, arrays, rows in files and
        iterators are read piece by piece, if there is a folder.

    Returns
    -------
    checkpoints : Checkpoints
        The files.

    Raises
    ------
    OSError
        If the folder cannot be made.
    ValueError
        If nobody can tell whether what it depends on is the same.
    """
    folder = get_common_dir() if folder is None else folder
    if folder is None:
        return Checkpoints()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    versions = [__version__, torch.__version__, platform.machine()]
    try:
        return Checkpoints(folder, joblib.hash([versions, *map(_digest, what)]))
    except (pickle.PicklingError, AttributeError, TypeError, OSError) as error:
        raise ValueError(
            "checkpoint_dir needs parameters that can be told from others later: give "
            "classes and functions that are defined in a file, at its top level "
            f"({error})."
        ) from error


def _digest(values):
    """Return what an array is known by; another object is known by itself."""
    if isinstance(values, dict):
        return [[name, _digest(value)] for name, value in values.items()]
    if isinstance(values, list | tuple | Iterator):
        return [_digest(one) for one in values]
    if inspect.isclass(values) or inspect.isfunction(values):
        if "<" in values.__qualname__:
            # what it takes from the function around it does not show in its source
            raise TypeError(f"{values.__qualname__} is defined inside of something")
        return hash_code(values)
    if isinstance(values, partial):
        return _digest([values.func, values.args, values.keywords])
    if not getattr(values, "shape", ()):
        return [values, hash_code(type(values))]
    chunks = range(0, len(values), CHUNK)
    return [joblib.hash(np.asarray(values[at : at + CHUNK])) for at in chunks]


def write_checkpoint(path, net, iterator, *, is_done):
    """Write the state of a training; if that fails, warn, and let it go on.

    Parameters
    ----------
    path : path-like
        The file.
    net : skorch.NeuralNet
        The net after an epoch.
    iterator : iterable
        Its batches.
    is_done : bool
        Whether the training is at its end.
    """
    file = io.BytesIO()
    try:
        torch.save(_read_state(net, iterator) | {"is_done": is_done}, file)
        data = file.getvalue()
        # torch does not notice bits that change on a disk
        write_whole(path, sha256(data).digest() + data, "The checkpoint")
    except (OSError, TypeError, AttributeError, pickle.PicklingError) as error:
        warn(f"The training goes on without a new checkpoint: {error}")


def _read_state(net, iterator):
    """Return all on which the next epochs depend, of types that are safe to load."""
    state = {
        "module": net.module_.state_dict(),
        "criterion": net.criterion_.state_dict(),
        "optimizer": net.optimizer_.state_dict(),
        "callbacks": {name: _read_callback(one) for name, one in net.callbacks_},
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    draws = [one.bit_generator.state for one in _list_draws(iterator)]
    texts = {"history": list(net.history), "draws": draws}
    return _make_plain(state) | {
        name: json.dumps(value, default=lambda array: array.tolist())
        for name, value in texts.items()
    }


def _make_plain(values):
    """Return the same with Python's numbers instead of numpy's."""
    if isinstance(values, dict):
        return {name: _make_plain(value) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return type(values)(map(_make_plain, values))
    return values.tolist() if isinstance(values, np.generic | np.ndarray) else values


def read_checkpoint(path):
    """Read the state of a training.

    Parameters
    ----------
    path : path-like
        The file. Nothing in it is run.

    Returns
    -------
    state : dict | None
        As written by `write_checkpoint`; None if there is no such file, or if it is
        damaged, of which is warned.
    """
    if not Path(path).is_file():
        return None
    try:
        found = Path(path).read_bytes()
        digest, data = found[:DIGEST_SIZE], found[DIGEST_SIZE:]
        if digest != sha256(data).digest():
            raise ValueError("its content is not that which was written")
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        state["history"] = json.loads(state["history"])
        state["draws"] = json.loads(state["draws"])
    except (*DAMAGE, OSError, EOFError, pickle.UnpicklingError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        warn(f"The checkpoint {str(path)!r} is damaged, and not used ({reason}).")
        return None
    return state


def restore_net(net, state):
    """Give a net, whose training has begun, the state of a checkpoint.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net.
    state : dict
        As by `read_checkpoint`.
    """
    net.module_.load_state_dict(state["module"])
    net.criterion_.load_state_dict(state["criterion"])
    net.optimizer_.load_state_dict(state["optimizer"])
    net.history.clear()
    net.history.extend(state["history"])
    for name, callback in net.callbacks_:
        if isinstance(callback, LRScheduler):
            callback.lr_scheduler_.load_state_dict(state["callbacks"][name])
        elif isinstance(callback, EarlyStopping):
            vars(callback).update(state["callbacks"][name])


def load_best_weights(net, n_epochs):
    """Give a net, whose training was cut off, the best weights of its whole epochs.

    Parameters
    ----------
    net : TrainingNet
        The net.
    n_epochs : int
        How many epochs were whole, one at least.

    Returns
    -------
    n_epochs : int
        The same, or one more, if that was cut off after it was judged the best.
    """
    for _, callback in net.callbacks_:
        if isinstance(callback, EarlyStopping) and callback.best_model_weights_:
            if callback.best_epoch_ > n_epochs:  # the module still has its weights
                return callback.best_epoch_
            net.module_.load_state_dict(callback.best_model_weights_)
            return n_epochs
    net.module_.load_state_dict(net.whole_weights_)
    return n_epochs


def is_deliberate(interrupt, net):
    """Tell the KeyboardInterrupt of a callback, which ends a training, from Ctrl-C.

    A handler of a signal may be written in Python, such as for the SIGTERM by which a
    cluster ends a job; what it raises is as Ctrl-C.

    Parameters
    ----------
    interrupt : KeyboardInterrupt
        The exception.
    net : TrainingNet
        The net that was trained.

    Returns
    -------
    is_deliberate : bool
        Whether the line that it comes from raises it, in a method of a callback.
    """
    *_, (frame, _) = traceback.walk_tb(interrupt.__traceback__)
    (*_, last) = traceback.extract_tb(interrupt.__traceback__)
    raises = (last.line or "").startswith("raise")
    owner = frame.f_locals.get("self")
    return raises and any(owner is callback for _, callback in net.callbacks_)


def restore_draws(iterator, state):
    """Let batches, and dropout, be drawn as they would have been.

    Parameters
    ----------
    iterator : iterable
        The batches.
    state : dict
        As by `read_checkpoint`.
    """
    for draws, drawn in zip(_list_draws(iterator), state["draws"], strict=True):
        draws.bit_generator.state = drawn
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count() > 0:
        torch.cuda.set_rng_state_all(state["cuda"])


def train_final(train, searched=None):
    """Train a net, unless Ctrl-C ends that: then one that was trained before is kept.

    Parameters
    ----------
    train : callable
        Returns the trained net.
    searched : TrainingNet | None
        The net of the search for the number of epochs, with its best weights.

    Returns
    -------
    net : TrainingNet
        The trained net; marked as ``interrupted_``, if it is not what was wanted.
    """
    if searched is None:
        return train()
    if searched.interrupted_:
        return searched
    try:
        net = train()
    except KeyboardInterrupt:
        if is_part():
            raise
        net = None
    if net is None or net.interrupted_:
        # a training that was cut off in its middle is worse than a whole one
        net, searched.interrupted_ = searched, True
    return net


def check_interrupted(net):
    """Raise KeyboardInterrupt if Ctrl-C has ended a part of something larger.

    Parameters
    ----------
    net : TrainingNet
        The net, after its training.
    """
    if net.interrupted_ and is_part():
        raise KeyboardInterrupt


def warn_interrupted():
    """Warn that Ctrl-C has ended the training of an estimator."""
    warn(
        "The training was interrupted: what is fitted has the best weights so far, and "
        "is marked by interrupted_=True. Call fit again for a whole training; with "
        "checkpoint_dir it goes on from where it was."
    )


def _read_callback(callback):
    """Return the state of a callback of skorch, as far as it has one that is known."""
    if isinstance(callback, LRScheduler):
        return callback.lr_scheduler_.state_dict()
    if isinstance(callback, EarlyStopping):
        return {name: getattr(callback, name, None) for name in STOPPING}
    return {}


def _list_draws(iterator):
    """List the random generators by which batches are drawn."""
    owners = (iterator, getattr(iterator, "dataset", None))
    found = [getattr(owner, "generator", None) for owner in owners]
    return [one for one in found if isinstance(one, np.random.Generator)]
