"""Parameters of estimators, however deep they are nested."""

import inspect
from contextlib import suppress
from copy import copy

from sklearn.frozen import FrozenEstimator


def drop_params(estimator, names):
    """Return a copy of an estimator without its parameters of some names.

    Parameters
    ----------
    estimator : estimator | list | tuple
        Its parameters, too, may be estimators, or hold them: frozen ones as well.
    names : sequence of str
        Parameters that are None in the copy.

    Returns
    -------
    copied : estimator | list | tuple
        As fitted as it was.
    """
    if isinstance(estimator, list | tuple):
        return type(estimator)(drop_params(one, names) for one in estimator)
    if not _has_params(estimator):
        return estimator
    params = {
        name: None if name in names else drop_params(value, names)
        for name, value in estimator.get_params(deep=False).items()
    }
    copied = copy(estimator)
    copied.set_params(**params)  # which returns nothing if it is frozen
    return copied


def list_sources(value):
    """List what the classes and functions of an estimator are known by.

    Parameters
    ----------
    value : object
        An estimator, or a value or parameters of it.

    Returns
    -------
    sources : list of list of str
        As by `read_source`; those without a source are left out.
    """
    if isinstance(value, dict):
        return list_sources(list(value.values()))
    if isinstance(value, list | tuple):
        return [source for one in value for source in list_sources(one)]
    if isinstance(value, FrozenEstimator):
        return list_sources(value.estimator)
    found = []
    if _has_params(value):
        found = list_sources(value.get_params(deep=False))
        value = type(value)
    if inspect.isclass(value) or inspect.isfunction(value):
        # what is built in, or was typed in, has none
        with suppress(OSError, TypeError):
            found.append(read_source(value))
    return found


def read_source(value):
    """Return what a class or function is known by.

    One of the user's may change from one day to the next, and keep its name.

    Parameters
    ----------
    value : type | function
        The class or function.

    Returns
    -------
    source : list of str
        Module, name and source.

    Raises
    ------
    OSError, TypeError
        If there is no source.
    """
    return [value.__module__, value.__qualname__, inspect.getsource(value)]


def _has_params(value):
    """Whether a value is an estimator, or another object with parameters."""
    return hasattr(value, "get_params") and not isinstance(value, type)
