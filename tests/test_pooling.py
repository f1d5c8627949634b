import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline

import mne_funcmap as mf
from mne_funcmap.pooling import WindowPooler
from mne_funcmap.reconstructor import MaskedRegionReconstructor


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    return [3 + k * rng.standard_normal((n, 4)) for k, n in enumerate((6, 1, 9))]


def test_means_and_standard_deviations(features):
    pooled = WindowPooler().fit_transform(features)
    assert pooled.shape == (3, 8)
    for row, values in zip(pooled, features, strict=True):
        mean = values.sum(axis=0) / len(values)
        assert_allclose(row[:4], mean)
        variance = ((values - mean) ** 2).sum(axis=0) / len(values)
        assert_allclose(row[4:], np.sqrt(variance), atol=1e-12)
    assert_array_equal(pooled[1, 4:], np.zeros(4))


def test_order_of_windows_has_no_influence(features):
    expected = WindowPooler().transform(features)
    found = WindowPooler().transform([values[::-1] for values in features])
    assert_allclose(found, expected)


def test_clone_and_fit_twice(features):
    pooler = WindowPooler()
    assert clone(pooler).get_params() == pooler.get_params() == {}
    assert pooler.fit(features) is pooler
    expected = clone(pooler).fit(features[:1]).transform(features)
    assert_array_equal(pooler.transform(features), expected)
    # there is nothing to fit
    assert_array_equal(clone(pooler).transform(features), expected)


@pytest.mark.parametrize(
    ("odd", "shape"),
    [
        (np.zeros((5, 3)), r"\(5, 3\)"),
        (np.zeros((0, 4)), r"\(0, 4\)"),
        (np.zeros(4), r"\(4,\)"),
        (np.zeros((2, 3, 4)), r"\(2, 3, 4\)"),
        (1.0, r"\(\)"),
    ],
)
def test_odd_items(features, odd, shape):
    features[1] = odd
    with pytest.raises(ValueError, match=f"Item 1 has the shape {shape} and item 0"):
        WindowPooler().transform(features)


@pytest.mark.parametrize("odd", [1.0, np.zeros(4), np.zeros((0, 4))])
def test_odd_first_item(features, odd):
    features[0] = odd
    with pytest.raises(ValueError, match="Item 0 has the shape"):
        WindowPooler().transform(features)


def test_no_recordings():
    with pytest.raises(ValueError, match="X is empty"):
        WindowPooler().transform([])


@pytest.fixture(scope="module")
def conditions(make_coupled):
    """Recordings of two conditions for each subject; in one the sources come in bursts.

    Both are of one power on the whole, and alike in the seconds that tell what
    channels are.
    """
    X, y = [], []
    for subject in range(6):
        for condition in range(2):
            raw = make_coupled(f"sub-{subject}", "ABC", n_channels=1, duration=12.0)
            raw._data -= raw.get_data()[:, :200].mean(axis=1, keepdims=True)
            if condition:
                late = np.arange(raw.n_times) >= 200
                burst = np.sqrt(np.where(raw.times % 2 < 1, 1.8, 0.2))
                raw._data[:] *= np.where(late, burst, 1.0)
            X.append(raw)
            y.append(["steady", "bursts"][condition])
    return X, np.array(y)


def make_small(**params):
    params = {"identity_duration": 2.0, "max_epochs": 1, "n_latents": 4} | params
    return MaskedRegionReconstructor("region", **params)


def test_conditions_are_decoded(conditions):
    X, y = conditions
    rec = FrozenEstimator(make_small().fit(X[:4]))
    pipeline = make_pipeline(rec, WindowPooler(), LogisticRegression())
    X, y = X[4:], y[4:]
    groups = mf.get_subjects(X)
    scores = cross_val_score(pipeline, X, y, groups=groups, cv=GroupKFold(2))
    assert scores.mean() > 0.8


def test_reconstructor_is_fitted_in_a_pipeline(conditions):
    X, y = conditions
    pipeline = make_pipeline(make_small(), WindowPooler(), LogisticRegression())
    groups = mf.get_subjects(X)
    scores = cross_val_score(pipeline, X, y, groups=groups, cv=GroupKFold(2))
    assert scores.mean() > 0.8


def test_features_are_those_of_windows(conditions):
    X, _ = conditions
    rec = make_small().fit(X[:4])
    begin = X[4].copy().crop(0, 2.0, include_tmax=False)
    steady, bursts = rec.transform(X[4:6], reference=[begin])
    assert steady.shape == bursts.shape == (12, 4)
    # log power goes up and down by the second
    assert_allclose(bursts[:2], steady[:2], atol=1e-5)
    change = bursts[2:] - steady[2:]
    assert_allclose(change[::2], np.log(1.8), atol=1e-4)
    assert_allclose(change[1::2], np.log(0.2), atol=1e-4)


def test_features_tell_recordings_of_a_new_subject_apart(conditions):
    """What channels are is told by them together, as of subjects in training."""
    X, _ = conditions
    rec = make_small().fit(X[:4])
    quiet = X[4].copy()
    quiet._data -= quiet.get_data().mean(axis=1, keepdims=True)
    loud = quiet.copy()
    loud._data *= 3
    change = np.subtract(*rec.transform([loud, quiet]))
    assert_allclose(change, np.log(9), atol=1e-4)
    alone = [rec.transform([raw])[0] for raw in (loud, quiet)]
    assert_allclose(*alone, atol=1e-4)


def test_pipeline_with_a_transformer(conditions):
    X, y = conditions
    small = {"n_dim": 8, "n_heads": 2, "n_layers": 1, "n_forward": 16}
    rec = make_small(
        architecture="transformer",
        net_params={f"module__{name}": value for name, value in small.items()},
    )
    pipeline = make_pipeline(rec, WindowPooler(), LogisticRegression())
    pipeline.fit(X[:6], y[:6])
    assert pipeline[:-1].transform(X[6:]).shape == (6, 16)
    assert set(pipeline.predict(X[6:])) <= set(y)
