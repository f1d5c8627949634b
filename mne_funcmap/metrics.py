"""Measures of how well regions are told apart."""

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
