import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from mne_funcmap.embedding.readout import BalancedNeighbors


@parametrize_with_checks([BalancedNeighbors()])
def test_estimator_checks(estimator, check):
    check(estimator)


def make_embeddings(sizes, *, spread=1.0, seed=0):
    """Draw classes around corners of a simplex."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(len(sizes)), sizes)
    X = np.eye(len(sizes))[y] + spread * rng.standard_normal((len(y), len(sizes)))
    return X, np.array(["GPi", "STN", "VO", "VIM"])[y]


def test_equal_to_neighbors_where_classes_are_balanced():
    X, y = make_embeddings([40, 40, 40], spread=0.1)
    queries, truth = make_embeddings([20, 20, 20], spread=0.1, seed=1)
    readout = BalancedNeighbors(5, random_state=0).fit(X, y)
    expected = KNeighborsClassifier(5).fit(X, y).predict(queries)
    np.testing.assert_array_equal(readout.predict(queries), expected)
    np.testing.assert_array_equal(expected, truth)


def test_frequent_classes_get_no_more_votes():
    # nothing to tell apart: every class should get its share of the predictions
    X, y = make_embeddings([600, 40, 40], spread=100.0)
    queries, _ = make_embeddings([300, 300, 300], spread=100.0, seed=1)
    readout = BalancedNeighbors(5, random_state=0).fit(X, y)
    shares = readout.predict_proba(queries).mean(axis=0)
    np.testing.assert_allclose(shares, 1 / 3, atol=0.08)
    plain = KNeighborsClassifier(5).fit(X, y).predict_proba(queries).mean(axis=0)
    assert plain[0] > 0.8


def test_probabilities():
    X, y = make_embeddings([30, 20, 10])
    readout = BalancedNeighbors(random_state=0).fit(X, y)
    probabilities = readout.predict_proba(X)
    assert probabilities.shape == (60, 3)
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(readout.classes_, ["GPi", "STN", "VO"])
    np.testing.assert_array_equal(
        readout.predict(X), readout.classes_[probabilities.argmax(axis=1)]
    )


def test_seed():
    X, y = make_embeddings([30, 20, 10])
    first, second = (
        BalancedNeighbors(random_state=3).fit(X, y).predict_proba(X) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_global_state_is_left_alone():
    X, y = make_embeddings([30, 20, 10])
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    BalancedNeighbors(random_state=0).fit(X, y).predict(X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("sizes", [[1, 1], [1, 30], [2, 1, 1]])
def test_few_references(sizes):
    X, y = make_embeddings(sizes, spread=0.0)
    readout = BalancedNeighbors(5, random_state=0).fit(X, y)
    assert np.isfinite(readout.predict_proba(X)).all()


def test_one_reference_for_each_class():
    X, y = make_embeddings([1, 1], spread=0.01)
    readout = BalancedNeighbors(1, random_state=0).fit(X, y)
    np.testing.assert_array_equal(readout.predict(X), y)


def test_references_are_means_of_a_few_members():
    X = np.repeat([[0.0], [1.0], [10.0]], 20, axis=0)
    y = np.repeat(["a", "a", "b"], 20)
    readout = BalancedNeighbors(n_references=500, n_averaged=4, n_draws=1).fit(X, y)
    # the distance to zero is the reference itself
    references = readout.neighbors_[0].kneighbors([[0.0]], 500)[0]
    values, counts = np.unique(references, return_counts=True)
    np.testing.assert_array_equal(values, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(counts / 500, np.array([1, 4, 6, 4, 1]) / 16, atol=0.06)
