from collections import namedtuple

import joblib
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import mne_funcmap as mf
from mne_funcmap.params import drop_params

SECRET = "/data/anna"
Pair = namedtuple("Pair", ["first", "second"])


def make_nested():
    emb = mf.FunctionalEmbedder(3, memory=SECRET, checkpoint_dir=SECRET)
    union = mf.IdentityUnion([FrozenEstimator(emb), "region", emb])
    return {
        "alone": emb,
        "frozen": FrozenEstimator(emb),
        "within": mf.MaskedRegionReconstructor(emb, memory=SECRET),
        "in a list": mf.MaskedRegionReconstructor(union),
        "in a pipeline": make_pipeline(mf.RecordingPreprocessor(), emb, memory=SECRET),
    }


@pytest.mark.parametrize("name", make_nested())
def test_parameters_are_dropped_wherever_they_are(name):
    estimator = make_nested()[name]
    before = repr(estimator)
    assert SECRET in before
    dropped = drop_params(estimator, ["memory", "checkpoint_dir"])
    assert SECRET not in repr(dropped)
    assert "n_components=3" in repr(dropped)
    assert repr(estimator) == before


def test_what_is_fitted_stays_so():
    frozen = FrozenEstimator(LogisticRegression(C=2.0).fit([[0.0], [1.0]], [0, 1]))
    dropped = drop_params(frozen, ["C"])
    assert dropped.estimator.C is None
    assert dropped.predict([[2.0]]) == [1]
    assert frozen.estimator.C == 2.0


def test_copies_of_one_estimator_are_alike():
    some, other = (
        joblib.hash(drop_params(make_nested()["in a list"], ["memory"]))
        for _ in range(2)
    )
    assert some == other


def test_parameters_are_dropped_in_dicts_and_named_tuples():
    found = drop_params(
        {"a": Pair(mf.FunctionalEmbedder(memory=SECRET), 1)}, ["memory"]
    )
    assert found["a"].first.memory is None
    assert found["a"].second == 1
