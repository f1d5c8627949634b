import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from mne_funcmap.embedding.metrics import balanced_accuracy, participation_ratio


@pytest.mark.parametrize("n_classes", [2, 5])
def test_balanced_accuracy_is_that_of_scikit_learn(n_classes):
    rng = np.random.default_rng(0)
    truth = rng.choice(list("abcde")[:n_classes], 60)
    predicted = np.where(rng.random(60) < 0.5, truth, rng.choice(list("abcde"), 60))
    predicted[~np.isin(predicted, truth)] = "a"
    expected = balanced_accuracy_score(truth, predicted)
    assert balanced_accuracy(truth, predicted) == pytest.approx(expected, rel=1e-12)


def test_regions_count_equally():
    truth = np.array(["a"] * 9 + ["b"])
    assert balanced_accuracy(truth, np.array(["a"] * 10)) == 0.5
    assert balanced_accuracy(truth, np.array(["x"] * 9 + ["b"])) == 0.5
    assert balanced_accuracy(truth[:1], truth[:1]) == 1
    assert balanced_accuracy(truth[:1], truth[-1:]) == 0


def draw_embeddings(n_segments=200):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n_segments, 4)) * [3, 1, 0.5, 0.1] + [9, 0, 0, 1]


def test_participation_ratio_is_that_of_eigenvalues():
    eigenvalues = np.linalg.eigvalsh(np.cov(draw_embeddings().T))
    expected = eigenvalues.sum() ** 2 / np.square(eigenvalues).sum()
    assert participation_ratio(draw_embeddings()) == pytest.approx(expected)


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6])
def test_participation_ratio_has_no_unit_and_needs_few_digits(scale):
    expected = participation_ratio(draw_embeddings())
    assert participation_ratio(scale * draw_embeddings()) == pytest.approx(expected)
    rounded = (scale * draw_embeddings()).astype(np.float32)
    assert participation_ratio(rounded) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 1e-12, 0.1, 1e6])
@pytest.mark.parametrize("n_segments", [1, 3, 7])
def test_embeddings_that_are_all_the_same_have_no_dimension(n_segments, value, dtype):
    embeddings = np.tile(np.array([value, 0.7 * value], dtype), (n_segments, 1))
    assert participation_ratio(embeddings) == 0


def test_one_component():
    assert participation_ratio(draw_embeddings()[:, :1]) == pytest.approx(1)
