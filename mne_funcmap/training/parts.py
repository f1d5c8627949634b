"""Trainings that are part of something larger, such as a cross-validation."""

from contextlib import contextmanager
from contextvars import ContextVar

_PART = ContextVar("part", default=(False, None))


@contextmanager
def as_part(checkpoint_dir=None):
    """Train as a part of something larger, which Ctrl-C then ends as a whole.

    Parameters
    ----------
    checkpoint_dir : path-like | None
        Where trainings keep checkpoints, unless they have a folder of their own.
    """
    token = _PART.set((True, checkpoint_dir))
    try:
        yield
    finally:
        _PART.reset(token)


def is_part():
    """Return whether a training is a part of something larger."""
    return _PART.get()[0]


def get_common_dir():
    """Return the folder in which all parts keep checkpoints, or None."""
    return _PART.get()[1]
