"""What users see while they wait: progress bars, and lines of the log."""

import logging
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import wraps
from multiprocessing import current_process
from numbers import Integral
from os import environ
from threading import current_thread, main_thread
from time import perf_counter

from mne.utils import ProgressBar, logger, use_log_level

VERBOSE_CONSTRAINT = ["boolean", str, Integral, None]
DELAY = 2.0  # seconds that pass before there is a bar
BAR = "{percentage:3.0f}%|{bar}| {desc} : {n:.0f}/{total_fmt} [{elapsed}]"

_PHASE = ContextVar("phase", default="")


class Progress:
    """A progress bar of MNE that appears after two seconds and vanishes at the end.

    There is none within another, in parallel workers, and where the log level is above
    INFO.

    Parameters
    ----------
    title : str
        What is counted.
    total : int
        How many there are.
    """

    _outermost = None  # the one that may have a bar

    def __init__(self, title, total):
        self.title = f"{_PHASE.get()}{title}"
        self.total = total
        self.done = 0.0
        self._bar = None

    def __enter__(self):
        if Progress._outermost is None and _is_in_front():
            Progress._outermost = self
        self._start = perf_counter()
        return self

    def __exit__(self, *error):
        if Progress._outermost is self:
            Progress._outermost = None
        self._bar = None  # which takes it away

    def advance(self, by=1):
        """Count what has been done.

        Parameters
        ----------
        by : float
            How much more.
        """
        by = min(by, self.total - self.done)  # sums of fractions are not exact
        self.done += by
        if self._bar is not None:
            self._bar.update_with_increment_value(by)
        elif self._is_due():
            self._bar = ProgressBar(
                self.total,
                initial_value=self.done,
                mesg=self.title,
                leave=False,
                mininterval=0.2,
                miniters=0,
                bar_format=BAR,
            )

    def _is_due(self):
        """Return whether a bar is still to come, and worth it."""
        is_late = perf_counter() - self._start > DELAY
        return Progress._outermost is self and is_late and self.done < self.total


def track(items, title, total=None):
    """Go through items, and show how far it is where that takes long.

    Parameters
    ----------
    items : iterable
        The items.
    title : str
        What they are.
    total : int | None
        How many there are; None stands for their length.

    Yields
    ------
    item : object
        The next one.
    """
    with Progress(title, len(items) if total is None else total) as progress:
        for item in items:
            yield item
            progress.advance()


@contextmanager
def phase(name):
    """Put a name before the titles of the progress bars of a phase of the training.

    Parameters
    ----------
    name : str
        The name of the phase.
    """
    token = _PHASE.set(f"{name}: ")
    try:
        yield
    finally:
        _PHASE.reset(token)


def log_level(function):
    """Let a function run at the log level of its keyword ``verbose``, if it is given.

    MNE's decorator fills docstrings in as well, and cannot take those with a percent
    sign.
    """

    @wraps(function)
    def run(*args, **kwargs):
        with _use_level(kwargs.get("verbose")):
            return function(*args, **kwargs)

    return run


def verbose_method(method):
    """Let a method run at the log level ``verbose`` of its estimator, if it has one."""

    @wraps(method)
    def run(self, *args, **kwargs):
        with _use_level(getattr(self, "verbose", None)):
            return method(self, *args, **kwargs)

    return run


def tell(text, verbose):
    """Log what was done.

    Parameters
    ----------
    text : str
        The line.
    verbose : bool | str | int | None
        With None this is told at the level DEBUG: a cross-validation would repeat it
        for each fold.
    """
    logger.log(logging.DEBUG if verbose is None else logging.INFO, text)


def _use_level(level):
    """Return a context with a log level; with None, also threads leave it alone."""
    return nullcontext() if level is None else use_log_level(level)


def _is_in_front():
    """Return whether this is no parallel worker, thread or further process."""
    is_main = current_process().name == "MainProcess"
    is_first = environ.get("RANK", "0") == "0"  # of processes that train together
    return current_thread() is main_thread() and is_main and is_first
