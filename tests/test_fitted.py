import pickle

import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

import mne_funcmap as mf
from mne_funcmap.baselines import (
    RecordingRidge,
    SpectralClassifier,
    SupervisedNetwork,
)

TRAINED_ON = "# fitted on 4 subjects, 12 channels, 3 regions, 48 s"


@pytest.fixture
def embedder(X):
    return mf.FunctionalEmbedder(duration=2.0, max_epochs=1).fit(X)


def test_unfitted_is_as_ever(embedder):
    assert repr(mf.FunctionalEmbedder(lr=0.1)) == "FunctionalEmbedder(lr=0.1)"
    unfitted = "FunctionalEmbedder(duration=2.0, max_epochs=1)"
    assert repr(clone(embedder)) == unfitted
    longer = mf.FunctionalEmbedder(picks=[f"LA{i}" for i in range(25)])
    assert repr(longer).count("\n") > 1  # as scikit-learn breaks lines


def test_fitted_tells_of_its_training(embedder, tmp_path):
    lines = repr(embedder).splitlines()
    assert lines == [
        "FunctionalEmbedder(duration=2.0, max_epochs=1)",
        f"{TRAINED_ON}; validation score 0.50 after 1 epoch",
    ]
    assert repr(pickle.loads(pickle.dumps(embedder))) == repr(embedder)
    embedder.save(tmp_path / "embedder.safetensors")
    loaded = mf.FunctionalEmbedder.load(tmp_path / "embedder.safetensors")
    assert repr(loaded) == repr(embedder)


def test_others(X, embedder):
    assert repr(SpectralClassifier(classifier="lda").fit(X)).endswith(TRAINED_ON)
    assert repr(RecordingRidge().fit(X)).endswith(TRAINED_ON)
    rec = mf.MaskedRegionReconstructor("region", max_epochs=2).fit(X)
    assert repr(rec).splitlines()[-1].startswith(f"{TRAINED_ON}; validation r 0.")
    supervised = SupervisedNetwork(mf.SegmentEmbedder(max_epochs=1), duration=2.0)
    assert f"{TRAINED_ON}; 1 epoch" in repr(supervised.fit(X))
    assert "# fitted on 12 samples of 3 labels" in repr(embedder.segment_embedder_)


def test_score_of_subjects_held_out(make_coupled):
    X = [make_coupled(f"sub-{i}", "AB", n_channels=1, duration=8.0) for i in range(6)]
    embedder = mf.FunctionalEmbedder(duration=2.0, max_epochs=1).fit(X)
    history = embedder.segment_embedder_.search_history_
    assert embedder.valid_score_ == history[0, "valid_balanced_accuracy"]
    told = f"; validation score {embedder.valid_score_:.2f} after 1 epoch"
    assert told in repr(embedder)


def test_channels_that_are_not_trained_on(X):
    X = [mf.set_regions(X[0], {"A1": "A"}), *X[1:]]
    y = [{"A1": "A", "B1": "B"} for _ in X]
    embedder = mf.FunctionalEmbedder(duration=2.0, max_epochs=1).fit(X, y)
    assert embedder.n_channels_ == 8
    both = clone(embedder).set_params(positives="both").fit(X, y)
    assert both.n_channels_ == 12


def test_html(embedder):
    html = estimator_html_repr(make_pipeline(mf.RecordingPreprocessor(), embedder))
    # older versions of scikit-learn show parameters alone
    if "n_features_in_" in estimator_html_repr(StandardScaler().fit([[0.0]])):
        assert "n_subjects_" in html
        assert "valid_score_" in html
    assert "scikit-learn.org" in estimator_html_repr(make_pipeline(embedder))
    assert "FunctionalEmbedder.html" not in html  # there is no such page
