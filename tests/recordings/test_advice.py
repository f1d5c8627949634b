import warnings

import pytest
from mne.utils import catch_logging
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.baselines import MeanPrediction, RecordingRidge, SpectralClassifier
from mne_funcmap.probes.learning_curves import probe_learning_curve
from mne_funcmap.recordings.advice import advise_rate, told_before, warn_spellings
from mne_funcmap.regions import get_regions, replace_regions


@pytest.fixture
def partly(X):
    """Recordings the second of which has no regions."""
    return [X[0], replace_regions(X[1], {}), *X[2:]]


@pytest.mark.parametrize(
    "model",
    [
        mf.FunctionalEmbedder(duration=2.0, max_epochs=1),
        SpectralClassifier(classifier="lda"),
    ],
)
def test_recordings_without_regions_are_named(model, partly):
    match = r"recording 1 \(subject 'sub-1'\) .* 1 of 4 .* Call set_regions"
    with pytest.warns(RuntimeWarning, match=match) as caught:
        model.fit(partly)
    assert len(caught) == 1
    assert len(model.predict(partly)) == 4  # which needs no regions
    model.score(partly)


@pytest.mark.parametrize("positives", ["channel", "both"])
def test_training_without_regions_needs_none(positives, partly):
    params = {"duration": 2.0, "max_epochs": 1, "positives": positives}
    embedder = mf.FunctionalEmbedder(**params).fit(partly)  # warnings are errors
    assert embedder.n_recordings_ == 4


def test_comparisons_tell_it_once(partly):
    names = ("neighbors", "majority")
    models = {name: SpectralClassifier(classifier=name) for name in names}
    with pytest.warns(RuntimeWarning, match="recording 1 ") as caught:
        mf.compare_embedders(partly, models, cv=GroupKFold(2), n_resamples=2)
    assert len(caught) == 1


@pytest.mark.parametrize("validation", ["recordings", "time"])
def test_reconstructors_refuse_them(validation, partly):
    partly.append(replace_regions(partly[3], {}))
    match = r"No good channel of recording 1 .*, recording 4 .* leave it out"
    identity = mf.FunctionalEmbedder(duration=2.0, max_epochs=1)
    rec = mf.MaskedRegionReconstructor(identity, validation=validation)
    for model in (rec, RecordingRidge()):
        with pytest.raises(ValueError, match=match):
            model.fit(partly)


@pytest.fixture
def spelled(X):
    """Recordings one of which has a region in other capitals."""
    regions = {name: region.lower() for name, region in get_regions(X[1]).items()}
    return [X[0], replace_regions(X[1], regions), *X[2:]]


@pytest.mark.parametrize(
    "run",
    [
        mf.FunctionalEmbedder(duration=2.0, max_epochs=1).fit,
        mf.MaskedRegionReconstructor("none", max_epochs=1).fit,
        mf.MaskedRegionReconstructor(
            mf.FunctionalEmbedder(duration=2.0, max_epochs=1), max_epochs=1
        ).fit,
        lambda X: probe_learning_curve(
            X,
            {"majority": SpectralClassifier(classifier="majority")},
            [2],
            cv=GroupKFold(2),
        ),
        lambda X: mf.compare_embedders(
            X, {"majority": SpectralClassifier(classifier="majority")}, cv=GroupKFold(2)
        ),
        lambda X: mf.compare_identities(
            X, [], models={"mean": MeanPrediction()}, cv=GroupKFold(2)
        ),
    ],
    ids=["embedder", "reconstructor", "identity", "probe", "embedders", "identities"],
)
def test_names_that_differ_in_capitals(run, spelled):
    with pytest.warns(RuntimeWarning, match="capitals only: 'A' and 'a', ") as caught:
        run(spelled)
    assert len(caught) == 1


def test_names_of_bad_channels_do_not_count(spelled):
    options = {"models": {"mean": MeanPrediction()}, "cv": GroupKFold(2)}
    regions = get_regions(spelled[0]) | {spelled[0].ch_names[0]: "b"}
    spelled[1] = replace_regions(spelled[1], regions)
    with pytest.warns(RuntimeWarning, match="differ in capitals"):
        mf.compare_identities(spelled, [], **options, verbose=False)
    spelled[1].info["bads"] = spelled[1].ch_names[:1]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        mf.compare_identities(spelled, [], **options, verbose=False)
    assert not told


def test_names_that_differ_otherwise():
    warn_spellings(["STN", "STN", None, "STN left", "GPi"])  # warnings are errors
    with pytest.warns(RuntimeWarning, match="'STN' and 'Stn' and 'stn'. They"):
        warn_spellings(["STN", "stn", None, "Stn", "GPi"])


def test_advice_for_high_rates(X):
    with catch_logging(verbose="INFO") as log:
        advise_rate(X)
        assert log.getvalue(close=False) == ""
    fast = [raw.copy().resample(400.0, verbose="error") for raw in X[:2]]
    with catch_logging(verbose="INFO") as log:
        mf.MaskedRegionReconstructor("region", max_epochs=1).fit(fast)
    assert "400 Hz" in log.getvalue()
    options = {"models": {"mean": MeanPrediction()}, "cv": GroupKFold(2)}
    with catch_logging(verbose="INFO") as log:
        mf.compare_identities(fast, [], **options)
        with told_before():
            advise_rate(fast)
    assert log.getvalue().count("400 Hz") == 1


def test_regions_that_were_not_in_training(X):
    model = mf.FunctionalEmbedder(duration=2.0, max_epochs=1).fit(X[:3])
    with catch_logging(verbose="INFO") as log:
        model.score(X[3:], [{"A1": "A", "B1": "Z"}])
        assert log.getvalue(close=False) == ""
        model.set_params(verbose=True).score(X[3:], [{"A1": "A", "B1": "Z"}])
    told = "1 of 2 channels of X are in regions that were not in training"
    assert f"{told}, and count as missed: Z" in log.getvalue()
