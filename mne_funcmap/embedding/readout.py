"""The read-out of an embedding: nearest neighbours among balanced references."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data


class BalancedNeighbors(ClassifierMixin, BaseEstimator):
    """Nearest neighbours among equally many references of every class.

    A reference is the mean of a few members of a class, drawn with replacement: rare
    classes have as many as common ones, and single odd members do not decide. The
    votes of several draws of references are averaged.

    Parameters
    ----------
    n_neighbors : int
        Number of neighbours that vote.
    n_references : int
        Number of references of each class in a draw.
    n_averaged : int
        Number of members that a reference is the mean of.
    n_draws : int
        Number of draws.
    metric : str
        Distance, as in `sklearn.neighbors.KNeighborsClassifier`.
    random_state : int
        Seed of the draws.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The classes.
    neighbors_ : list of KNeighborsClassifier
        One fitted classifier for each draw.
    """

    def __init__(
        self,
        n_neighbors=5,
        *,
        n_references=30,
        n_averaged=8,
        n_draws=20,
        metric="euclidean",
        random_state=0,
    ):
        self.n_neighbors = n_neighbors
        self.n_references = n_references
        self.n_averaged = n_averaged
        self.n_draws = n_draws
        self.metric = metric
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
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        order, sizes = np.argsort(codes, kind="stable"), np.bincount(codes)
        first = np.cumsum(sizes) - sizes
        shape = (self.n_draws, len(sizes), self.n_references, self.n_averaged)
        place = np.random.default_rng(self.random_state).random(shape)
        place = (place * sizes[:, None, None]).astype(int) + first[:, None, None]
        references = X[order[place]].mean(axis=3).reshape(self.n_draws, -1, X.shape[1])
        labels = np.repeat(np.arange(len(sizes)), self.n_references)
        n_neighbors = min(self.n_neighbors, len(labels))
        self.neighbors_ = [
            KNeighborsClassifier(n_neighbors, metric=self.metric).fit(draw, labels)
            for draw in references
        ]
        return self

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
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]
