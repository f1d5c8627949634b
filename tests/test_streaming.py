"""Recordings that are not loaded: the same results, each read once, nothing kept."""

import pickle

import mne
import numpy as np
import pytest
from sklearn.base import clone

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier, SupervisedNetwork
from mne_funcmap.recordings import segments as segments_module
from mne_funcmap.recordings.keeping import features_kept, fingerprint_signals

PARAMS = {"max_epochs": 2, "batch_size": 32}
MODELS = {
    "spectral": mf.FunctionalEmbedder(**PARAMS),
    "context": mf.FunctionalEmbedder(context=True, **PARAMS),
    "halves": mf.FunctionalEmbedder(positives="both", duration=2.0, **PARAMS),
    "segments": mf.FunctionalEmbedder(positives="channel", duration=2.0, **PARAMS),
    "cnn": mf.FunctionalEmbedder(encoder="cnn", duration=2.0, **PARAMS),
    "supervised cnn": SupervisedNetwork(
        mf.SegmentEmbedder(encoder="cnn", **PARAMS), duration=2.0
    ),
    "rich": SpectralClassifier("rich", classifier="lda"),
}


@pytest.fixture(scope="module")
def unloaded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    X = mf.simulate_recordings(
        n_subjects=3, n_sessions=1, duration=20.0, sfreq=400.0, n_channels=2
    )
    for index, raw in enumerate(X):
        raw.save(folder / f"{index}_raw.fif", fmt="double", verbose="error")
    return [
        mne.io.read_raw_fif(folder / f"{index}_raw.fif", verbose="error")
        for index in range(len(X))
    ]


@pytest.fixture
def count_reads(monkeypatch):
    counts = []
    read = segments_module.read_signals

    def read_and_count(recording, *args):
        counts.append(recording)
        return read(recording, *args)

    monkeypatch.setattr(segments_module, "read_signals", read_and_count)
    return counts


def load(recordings):
    return [raw.copy().load_data(verbose="error") for raw in recordings]


@pytest.mark.parametrize("name", MODELS)
def test_same_numbers_as_loaded(unloaded, name):
    loaded = load(unloaded)
    models = [clone(MODELS[name]) for _ in range(2)]
    models[0].fit(loaded[:2])
    models[1].fit(unloaded[:2])
    first, second = (
        model.predict_proba(X)
        for model, X in zip(models, (loaded, unloaded), strict=True)
    )
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    frames = [model.predict_segments(unloaded) for model in models]
    assert frames[0].equals(frames[1])
    assert not any(raw.preload for raw in unloaded)


@pytest.mark.filterwarnings("ignore:The embedding has collapsed")
@pytest.mark.parametrize("n_workers", [0, 2])
def test_workers_read_ahead_the_same(unloaded, n_workers):
    params = {"module__dropout": 0.1}
    emb = clone(MODELS["cnn"]).set_params(net_params=params)
    expected = emb.fit(load(unloaded)).transform(unloaded)
    emb.set_params(net_params=params | {"iterator_train__num_workers": n_workers})
    for one, other in zip(emb.fit(unloaded).transform(unloaded), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", MODELS)
def test_each_recording_is_read_once(unloaded, count_reads, name):
    model = clone(MODELS[name]).fit(unloaded)
    assert count_reads == unloaded
    model.predict(unloaded)
    assert count_reads == 2 * unloaded
    assert len(model.predict_segments(unloaded))
    assert count_reads == 3 * unloaded


@pytest.mark.parametrize("name", ["spectral", "context", "halves", "rich"])
def test_what_is_kept_is_not_read_again(unloaded, count_reads, tmp_path, name):
    model = clone(MODELS[name])
    expected = model.fit(unloaded).predict_proba(unloaded)
    count_reads.clear()
    model.set_params(memory=tmp_path)
    for _ in range(2):
        model.fit(unloaded)
        found = model.predict_proba(unloaded)
        model.predict_segments(unloaded)
        assert count_reads == unloaded
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_kept_is_of_the_same_samples(unloaded, count_reads, tmp_path):
    X = load(unloaded)
    emb = mf.FunctionalEmbedder(memory=tmp_path, **PARAMS).fit(X)
    before = emb.transform(X)
    count_reads.clear()
    mf.set_regions(X[0], dict.fromkeys(X[0].ch_names, "elsewhere"))
    emb.transform(X)
    assert not count_reads
    X[1].apply_function(lambda x: -2 * x)
    after = emb.transform(X)
    assert count_reads == X[1:2]
    np.testing.assert_array_equal(before[2], after[2])
    assert np.abs(before[1] - after[1]).max() > 1e-3
    emb.set_params(duration=5.0).fit(X)
    assert count_reads == [X[1], *X]


def test_memory_is_not_written_to_model_files(unloaded, tmp_path):
    emb = mf.FunctionalEmbedder(memory=tmp_path / "kept", **PARAMS).fit(unloaded)
    emb.save(tmp_path / "emb.safetensors")
    assert mf.FunctionalEmbedder.load(tmp_path / "emb.safetensors").memory is None
    with pytest.raises(ValueError, match="'memory' parameter"):
        mf.FunctionalEmbedder(memory=1).fit(unloaded)


def test_comparisons_read_each_recording_once(unloaded, count_reads, tmp_path):
    models = {name: MODELS[name] for name in ("spectral", "context")}
    splits = [([0, 1], [2]), ([2, 1], [0]), ([2, 0], [1])]
    mf.compare_embedders(unloaded, models, cv=splits, baselines=[], n_resamples=10)
    # what the context needs is measured beside the features
    assert len(count_reads) == 2 * len(unloaded)


def test_features_are_kept_only_inside(unloaded, count_reads, tmp_path):
    emb = mf.FunctionalEmbedder(**PARAMS)
    with features_kept(str(tmp_path), unloaded, map(fingerprint_signals, unloaded)):
        emb.fit(unloaded).transform(unloaded)
    assert count_reads == unloaded
    emb.transform(unloaded)
    assert count_reads == 2 * unloaded


def test_all_channels_without_segments_are_named(unloaded):
    X = load(unloaded)
    X[1]._data[3] = 0
    X[2]._data[5] = np.nan
    with pytest.raises(ValueError, match="No usable segment") as caught:
        mf.FunctionalEmbedder(**PARAMS).fit(X)
    for raw, row in ((X[1], 3), (X[2], 5)):
        assert raw.ch_names[row] in str(caught.value)
    assert "recording 1" in str(caught.value)
    assert "recording 2" in str(caught.value)


RECONSTRUCTORS = {
    "region": mf.MaskedRegionReconstructor("region", max_epochs=5),
    "functional": mf.MaskedRegionReconstructor(
        mf.FunctionalEmbedder(**PARAMS), max_epochs=3, identity_duration=5.0
    ),
    "time": mf.MaskedRegionReconstructor("random", max_epochs=3, validation="time"),
    "transformer": mf.MaskedRegionReconstructor(
        "region",
        architecture="transformer",
        max_epochs=1,
        net_params={"module__n_dim": 8, "module__n_layers": 1},
    ),
}


@pytest.fixture(scope="module")
def coupled(tmp_path_factory):
    X = mf.simulate_recordings(
        n_subjects=5,
        n_sessions=1,
        duration=20.0,
        sfreq=400.0,
        n_channels=2,
        coupling=0.9,
    )
    preprocess = mf.RecordingPreprocessor(
        h_freq=20, sfreq=50, memory=tmp_path_factory.mktemp("recordings")
    )
    return preprocess.fit_transform(X)


@pytest.mark.parametrize("name", RECONSTRUCTORS)
def test_reconstruction_as_of_loaded(coupled, name):
    frames = []
    for X in (load(coupled), coupled):
        rec = clone(RECONSTRUCTORS[name]).fit(X[:4])
        frames.append(rec.evaluate(X[4:]))
        assert len(rec.transform(X[4:])[0])
    assert frames[0].equals(frames[1])
    assert not any(raw.preload for raw in coupled)


def test_fitted_reconstructor_needs_no_file(coupled, tmp_path):
    rec = clone(RECONSTRUCTORS["functional"]).set_params(memory=tmp_path / "kept")
    rec.fit(coupled[:4])
    rec.save(tmp_path / "rec.safetensors")
    loaded = mf.MaskedRegionReconstructor.load(tmp_path / "rec.safetensors")
    assert loaded.memory is None
    for one in (pickle.loads(pickle.dumps(rec)), loaded):
        assert one.evaluate(coupled[4:]).equals(rec.evaluate(coupled[4:]))


def test_cross_fitting_reads_each_recording_once(coupled, count_reads):
    clone(RECONSTRUCTORS["functional"]).fit(coupled)
    lengths = [raw.times[-1] for raw in count_reads]
    # whole recordings, and up to four pieces of each
    assert sum(length > 19 for length in lengths) == len(coupled)
    assert len(lengths) <= 5 * len(coupled)
