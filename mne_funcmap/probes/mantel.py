"""Rank correlation over pairs, and what it is when the items are permuted."""

from __future__ import annotations

from itertools import permutations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata
from sklearn.utils import check_random_state

if TYPE_CHECKING:
    from ..hints import Seed

MIN_ITEMS = 4  # fewer have hardly a permutation
MIN_PAIRS = 6  # those of as many items; a partial correlation of three is 1 or -1
CHUNK = 2_000_000  # pairs that are ranked at a time


def mantel_test(
    a: np.ndarray, b: np.ndarray, *, n_permutations: int = 9999, random_state: Seed = 0
) -> tuple[float, np.ndarray, float]:
    """Test whether two matrices of the same items are related.

    Parameters
    ----------
    a : ndarray, shape (n_items, n_items)
        How far, or how close, each pair of items is: symmetric, 4 items at least. The
        diagonal does not count.
    b : ndarray, shape (n_items, n_items)
        The same by another measure; nan for pairs that are left out.
    n_permutations : int
        How often the items are permuted; with so few items that there are no more
        permutations than that, each is taken once, and the test is exact.
    random_state : int | RandomState | None
        Seed of the permutations.

    Returns
    -------
    rho : float
        Spearman's rank correlation over the pairs.
    permuted : ndarray, shape (n_permutations,)
        The same with the rows and columns of ``a`` permuted together; of an exact
        test, for all permutations but the identity.
    p_value : float
        (1 + number of permutations as extreme, whatever the sign) / (1 + all).

    Raises
    ------
    ValueError
        If the matrices are not square, symmetric and of one size, values are missing,
        or all are equal.

    Notes
    -----
    This is the test of Mantel [1]_ with ranks. It takes the items to be exchangeable.
    Where both measures are smooth in space it finds relations too often [2]_.

    References
    ----------
    .. [1] Mantel, "The detection of disease clustering and a generalized regression
       approach", Cancer Research 27 (1967).
    .. [2] Guillot and Rousset, "Dismantling the Mantel tests", Methods in Ecology and
       Evolution 4 (2013).

    Examples
    --------
    >>> import numpy as np
    >>> from mne_funcmap.probes.mantel import mantel_test
    >>> place = np.array([0.0, 1.0, 3.0, 7.0, 12.0])
    >>> distance = np.abs(place[:, None] - place)
    >>> rho, permuted, p = mantel_test(distance, distance**2)
    >>> rho, len(permuted), round(p, 4)
    (1.0, 119, 0.0083)
    """
    a, b = check_matrix(a, "a"), check_matrix(b, "b", missing_allowed=True)
    if a.shape != b.shape:
        raise ValueError(
            f"a is of {len(a)} items and b of {len(b)}: expected the same items in the "
            "same order."
        )
    pairs = list_pairs(np.isfinite(b))
    orders = draw_orders(len(a), n_permutations, random_state)
    rho = correlate_pairs(a, b[pairs][None], pairs, orders)[:, 0]
    if not np.isfinite(rho[0]):
        raise ValueError(
            "All pairs have the same value in a or in b, or fewer than "
            f"{MIN_PAIRS} are left: there is nothing to rank."
        )
    return float(rho[0]), rho[1:], find_p_value(rho)


def draw_orders(n_items, n_permutations, random_state):
    """Draw permutations, or list all if there are no more.

    Parameters
    ----------
    n_items : int
        Number of items.
    n_permutations : int
        Number of permutations.
    random_state : int | RandomState | None
        Seed.

    Returns
    -------
    orders : ndarray of int, shape (1 + n_permutations, n_items)
        The first one is the identity.
    """
    if n_items < 20 and factorial(n_items) <= n_permutations + 1:
        return np.array(list(permutations(range(n_items))))
    rng = check_random_state(random_state)
    drawn = rng.random_sample((n_permutations, n_items)).argsort(axis=1)
    return np.vstack([np.arange(n_items), drawn])


def list_pairs(used):
    """List pairs of items, each once.

    Parameters
    ----------
    used : ndarray of bool, shape (n_items, n_items)
        Which pairs are wanted.

    Returns
    -------
    pairs : tuple of ndarray of int, shape (n_pairs,)
        First and second items.
    """
    return np.nonzero(np.triu(used, 1))


def correlate_pairs(a, targets, pairs, orders, *, given=None):
    """Compute rank correlations over pairs with the items of a matrix permuted.

    Parameters
    ----------
    a : ndarray, shape (n_items, n_items)
        The matrix that is permuted, rows and columns together.
    targets : ndarray, shape (n_targets, n_pairs)
        What it is correlated with.
    pairs : tuple of ndarray of int, shape (n_pairs,)
        First and second items.
    orders : ndarray of int, shape (n_permutations, n_items)
        The permutations.
    given : None | ndarray, shape (n_pairs,)
        What is held constant: correlations are then partial rank correlations.

    Returns
    -------
    rho : ndarray, shape (n_permutations, n_targets)
        Spearman's rank correlations; nan where they are not defined, since there are
        fewer than six pairs, or all have the same rank.
    """
    n_pairs = len(pairs[0])
    if n_pairs < MIN_PAIRS:
        return np.full((len(orders), len(targets)), np.nan)
    known = _rank(targets if given is None else np.vstack([targets, given]))
    n_parts = -(-len(orders) * n_pairs // CHUNK)
    rho = np.vstack(
        [
            _rank(a[part[:, pairs[0]], part[:, pairs[1]]]) @ known.T
            for part in np.array_split(orders, n_parts)
        ]
    )
    if given is None:
        return rho
    return _partial(rho[:, :-1], rho[:, -1:], known[:-1] @ known[-1])


def find_p_value(rho):
    """Find how often permutations are as extreme as the data.

    Parameters
    ----------
    rho : ndarray, shape (1 + n_permutations,)
        Of the data, then of every permutation.

    Returns
    -------
    p_value : float
        Two-sided; the data count as a permutation, and one without a correlation as
        extreme.
    """
    return float(np.mean(~(np.abs(rho) < np.abs(rho[0]) - 1e-12)))


def _rank(values):
    """Return ranks in each row, centred and of length one; nan if all are equal."""
    ranks = rankdata(values, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    return ranks / np.where(length > 0, length, np.nan)


def _partial(rho, of_a, of_targets):
    """Return partial correlations from plain ones, those with what is given last."""
    left = (1 - of_a**2) * (1 - of_targets**2)
    # what is given may be all there is to a target
    return (rho - of_a * of_targets) / np.sqrt(np.where(left > 1e-12, left, np.nan))


def check_matrix(matrix, name, *, missing_allowed=False):
    """Return a matrix of pairs, or say what it is instead.

    Parameters
    ----------
    matrix : array-like, shape (n_items, n_items)
        The matrix.
    name : str
        What it is called in messages.
    missing_allowed : bool
        Whether pairs may be nan.

    Returns
    -------
    matrix : ndarray of float, shape (n_items, n_items)
        The same, symmetric and finite off the diagonal.
    """
    matrix = np.asarray(matrix, dtype=float)
    if matrix.ndim != 2 or len(set(matrix.shape)) != 1 or len(matrix) < MIN_ITEMS:
        raise ValueError(
            f"{name} has the shape {matrix.shape}: expected a square matrix of "
            f"{MIN_ITEMS} items at least."
        )
    off_diagonal = matrix[~np.eye(len(matrix), dtype=bool)]
    if np.isinf(off_diagonal).any() or (
        np.isnan(off_diagonal).any() and not missing_allowed
    ):
        raise ValueError(
            f"{name} has values that are not finite. Leave out the items they are of."
        )
    if not np.allclose(matrix, matrix.T, equal_nan=True):
        raise ValueError(
            f"{name} is not symmetric. Take the mean of it and its transpose, if that "
            "is what you mean."
        )
    return matrix
