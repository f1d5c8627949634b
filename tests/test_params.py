import importlib
import sys

import joblib
import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import mne_funcmap as mf
from mne_funcmap.params import drop_params, list_sources

SECRET = "/data/anna"


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


def test_sources_of_all_classes():
    found = list_sources(make_nested()["in a list"])
    names = [name for _, name, _ in found]
    assert names == [
        *["FunctionalEmbedder", "FunctionalEmbedder", "IdentityUnion"],
        "MaskedRegionReconstructor",
    ]
    own = mf.FunctionalEmbedder(net_params={"criterion": np.mean, "optimizer": int})
    assert [name for _, name, _ in list_sources(own)][-1] == "FunctionalEmbedder"


def test_a_source_that_changed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    found = []
    for factor in ("1", "10"):
        text = f"class Own:\n    factor = {factor}\n    get_params = None\n"
        (tmp_path / "own_model.py").write_text(text)
        sys.modules.pop("own_model", None)
        found.append(list_sources([importlib.import_module("own_model").Own]))
    sys.modules.pop("own_model")
    assert found[0] != found[1]
    assert "factor = 10" in found[1][0][2]
