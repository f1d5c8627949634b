"""Whether estimators, classes and functions run the same code as before.

One of the user's may change from one day to the next, and keep its name. Its source
may be gone, or be changed while what was read of it is still at work.
"""

import inspect
import sys
from functools import cached_property, partial, partialmethod
from types import CellType, CodeType, FunctionType, MethodType

import joblib
import numpy as np
from sklearn.frozen import FrozenEstimator

FOREIGN = {*sys.stdlib_module_names, "mne", "numpy", "scipy", "sklearn", "skorch"}
FOREIGN |= {"torch"}  # whose code is that of a version
PLAIN = str | bytes | int | float | complex | None | np.generic
PARTS = {
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    property: ("fget", "fset", "fdel"),
    cached_property: ("func",),
    partial: ("func", "args", "keywords"),
    partialmethod: ("func", "args", "keywords"),
    MethodType: ("__func__", "__self__"),
    FrozenEstimator: ("estimator",),
}


def hash_code(value):
    """Hash the code that a value computes with.

    Parameters
    ----------
    value : object
        An estimator, class, function or another object, or a list or dict of these.

    Returns
    -------
    code_hash : str
        The same in every process for the same code: of methods, also inherited ones,
        and of the same in parameters, with what functions take from around them and
        attributes of classes. Other functions and variables of a module, which these
        use, are not looked at, nor is the code of other packages.
    """
    return joblib.hash(_describe(value, {}))


def _describe(value, seen):
    """Return texts, and lists of texts, for what a value computes with."""
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, np.ndarray):
        return joblib.hash(value)
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, list | tuple):
        return [_describe(one, seen) for one in value]
    if isinstance(value, CodeType):
        constants = _describe(value.co_consts, seen)
        return [value.co_code.hex(), *value.co_names, constants]
    if id(value) in seen:
        return "the same"
    seen[id(value)] = value  # kept, or another might get its number
    if isinstance(value, FunctionType):
        return _describe_function(value, seen)
    if inspect.isclass(value):
        return [_describe_class(one, seen) for one in value.__mro__]
    names = PARTS.get(type(value), ("__wrapped__",))
    parts = [getattr(value, name) for name in names if hasattr(value, name)]
    if not parts and hasattr(value, "get_params"):
        parts = value.get_params(deep=False)
    name = getattr(value, "__qualname__", "")  # of what is built in
    return [name, _describe(type(value), seen), _describe(parts, seen)]


def _describe_function(value, seen):
    if _is_foreign(value):
        return value.__qualname__
    cells = [cell for cell in value.__closure__ or () if cell != CellType()]
    around = [cell.cell_contents for cell in cells]
    parts = [value.__code__, value.__defaults__, value.__kwdefaults__, around]
    return _describe(parts, seen)


def _describe_class(value, seen):
    if _is_foreign(value):
        return value.__qualname__
    return [
        [name, _describe(attribute, seen)]
        for name, attribute in sorted(vars(value).items())
        if not name.startswith("__") or isinstance(attribute, FunctionType)
    ]


def _is_foreign(value):
    return str(value.__module__).partition(".")[0] in FOREIGN
