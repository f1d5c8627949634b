"""What holds for whatever is given: either it works, or an error says what is wrong."""

import re
import traceback
import warnings
from collections import Counter
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

import joblib
import numpy as np
from hypothesis import settings

import mne_funcmap

PACKAGE = str(Path(mne_funcmap.__file__).parent)
COUNTS = Counter()
ERRORS = (ValueError, TypeError, RuntimeError)

# warnings that the package gives on purpose
INTENDED = (
    "No subject id",
    "No good channel of .* has a region: ",
    "Some names of regions differ in capitals only",
)


def cases(short, long):
    """Generate so many cases in the suite, and by ``make fuzz``; they are counted."""

    def decorate(test):
        @wraps(test)
        def counted(*args, **kwargs):
            COUNTS[f"{test.__module__.rsplit('.')[-1]}.{test.__name__}"] += 1
            return test(*args, **kwargs)

        is_long = settings.get_current_profile_name() != "short"
        return settings(max_examples=long if is_long else short)(counted)

    return decorate


@contextmanager
def allowed(*messages):
    """Let warnings pass that begin so, and those about subject ids."""
    with warnings.catch_warnings():
        for message in (*INTENDED, *messages):
            warnings.filterwarnings("ignore", message)
        yield


def attempt(function, *args, named=r"[Rr]ecording \d|[Tt]he recording", **kwargs):
    """Call a function; return what it gives and None, or None and a good error.

    A good error is raised by the package itself, not by what it calls, and names a
    recording, or whatever else the pattern says.
    """
    try:
        return function(*args, **kwargs), None
    except ERRORS as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        if not frame.filename.startswith(PACKAGE) or not re.search(named, str(error)):
            raise
        return None, error


def describe_state(X):
    """Return a text that changes if recordings do."""
    return [_describe_one(one) for one in X]


def _describe_one(one):
    notes = one.annotations
    columns = ("onset", "duration", "description", "ch_names")
    marks = notes and [list(getattr(notes, column)) for column in columns]
    return joblib.hash(
        [
            np.ascontiguousarray(one._data).tobytes() if one.preload else None,
            one.preload,
            one.ch_names,
            one.get_channel_types(),
            one.info["bads"],
            one.info["sfreq"],
            one.info["highpass"],
            one.info["lowpass"],
            repr(one.info["subject_info"]),
            repr(marks),
            getattr(one, "_bad_dropped", None),
            None if one.preload else repr(getattr(one, "events", None)),
        ]
    )
