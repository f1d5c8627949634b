"""Parameters of estimators, however deep they are nested."""

from copy import copy


def drop_params(estimator, names):
    """Return a copy of an estimator without its parameters of some names.

    Parameters
    ----------
    estimator : estimator | list | tuple | dict
        Its parameters, too, may be estimators, or hold them: frozen ones as well.
    names : sequence of str
        Parameters that are None in the copy.

    Returns
    -------
    copied : estimator | list | tuple | dict
        As fitted as it was.
    """
    if isinstance(estimator, dict):
        return {key: drop_params(value, names) for key, value in estimator.items()}
    if isinstance(estimator, list | tuple):
        dropped = [drop_params(one, names) for one in estimator]
        is_named = hasattr(estimator, "_fields")
        return type(estimator)(*dropped) if is_named else type(estimator)(dropped)
    if not _has_params(estimator):
        return estimator
    params = {
        name: None if name in names else drop_params(value, names)
        for name, value in estimator.get_params(deep=False).items()
    }
    copied = copy(estimator)
    copied.set_params(**params)  # which returns nothing if it is frozen
    return copied


def _has_params(value):
    """Whether a value is an estimator, or another object with parameters."""
    return hasattr(value, "get_params") and not isinstance(value, type)
