"""Measures of embeddings and of how well they tell regions apart."""

import numpy as np


def balanced_accuracy(truth, predicted):
    """Return the mean over true regions of the share that is predicted right.

    As scikit-learn's ``balanced_accuracy_score``, without a warning where a prediction
    is of a region that does not occur.

    Parameters
    ----------
    truth, predicted : ndarray of str, shape (n_channels,)
        The regions.

    Returns
    -------
    score : float
        Between 0 and 1.
    """
    codes, correct = np.unique(truth, return_inverse=True)[1], truth == predicted
    return float(np.mean(np.bincount(codes, correct) / np.bincount(codes)))


def participation_ratio(embeddings):
    """Return the effective number of dimensions of embeddings.

    Parameters
    ----------
    embeddings : ndarray, shape (n_segments, n_components)
        Embeddings.

    Returns
    -------
    ratio : float
        Squared sum over sum of squares of the eigenvalues of the covariance; 0 for
        embeddings that are all the same.
    """
    centred = embeddings - embeddings.mean(axis=0, dtype=float)
    covariance = centred.T @ centred / len(centred)
    total = np.trace(covariance)
    # what rounding leaves of embeddings that are all the same has no dimension
    if total <= 1e-12 * np.square(embeddings, dtype=float).sum(axis=1).mean():
        return 0.0
    return float(total**2 / np.square(covariance).sum())
