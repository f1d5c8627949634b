"""The read-out of an embedding: nearest neighbours among balanced references."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data


class BalancedNeighbors(ClassifierMixin, BaseEstimator):
    """Nearest neighbours among equally many references of every class.

    References are drawn at random, as many of each class as the rarest has, and the
    votes of several such draws are averaged, so that no reference is wasted.

    Parameters
    ----------
    n_neighbors : int
        Number of neighbours that vote.
    n_draws : int
        Number of draws of references.
    random_state : int | None
        Seed of the draws.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The classes.
    neighbors_ : list of KNeighborsClassifier
        One fitted classifier for each draw.
    """

    def __init__(self, n_neighbors=5, n_draws=20, random_state=None):
        self.n_neighbors = n_neighbors
        self.n_draws = n_draws
        self.random_state = random_state

    def fit(self, X, y):
        """Draw the references.

        Parameters
        ----------
        X : ndarray, shape (n_samples, n_components)
            Embeddings.
        y : ndarray, shape (n_samples,)
            Classes.

        Returns
        -------
        self : BalancedNeighbors
            The fitted classifier.
        """
        X, y = validate_data(self, X, y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        random_state = check_random_state(self.random_state)
        n_each = np.bincount(codes).min()
        self.neighbors_ = [
            self._fit_draw(X, codes, n_each, random_state) for _ in range(self.n_draws)
        ]
        return self

    def _fit_draw(self, X, codes, n_each, random_state):
        """Fit a classifier on one draw of references."""
        rows = random_state.permutation(len(codes))
        rows = rows[np.argsort(codes[rows], kind="stable")]
        first = np.searchsorted(codes[rows], np.arange(len(self.classes_)))
        drawn = rows[(first[:, None] + np.arange(n_each)).ravel()]
        n_neighbors = min(self.n_neighbors, len(drawn))
        # weights by distance would break ties, and let one near reference decide
        return KNeighborsClassifier(n_neighbors).fit(X[drawn], codes[drawn])

    def predict_proba(self, X):
        """Return the share of votes of every class.

        Parameters
        ----------
        X : ndarray, shape (n_samples, n_components)
            Embeddings.

        Returns
        -------
        probabilities : ndarray, shape (n_samples, n_classes)
            Shares, averaged over the draws.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return np.mean([draw.predict_proba(X) for draw in self.neighbors_], axis=0)

    def predict(self, X):
        """Return the class with most votes.

        Parameters
        ----------
        X : ndarray, shape (n_samples, n_components)
            Embeddings.

        Returns
        -------
        y : ndarray, shape (n_samples,)
            Classes.
        """
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
