import pickle
import warnings

import mne
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from skorch.callbacks import EpochTimer
from torch import nn

import mne_funcmap as mf
from mne_funcmap.baselines import UntrainedEmbedder
from mne_funcmap.embedding.positives import halve_unlabelled
from mne_funcmap.nets.embedding import Embedding
from mne_funcmap.nets.encoders import SpectralEncoder

SFREQ = 400.0
REGIONS = ["GPi", "Motor", "STN", "VIM", "VO"]


def make_embedder(**params):
    params = {"max_epochs": 4, "batch_size": 64, "random_state": 0} | params
    return mf.FunctionalEmbedder(**params)


@pytest.fixture(scope="session")
def simulated():
    X = mf.simulate_recordings(
        n_subjects=3, n_sessions=1, duration=20.0, n_channels=2, random_state=0
    )
    return [raw.resample(SFREQ, verbose="error") for raw in X]


@pytest.fixture
def recordings(simulated):
    return [raw.copy() for raw in simulated]


@pytest.fixture(scope="session")
def fitted(simulated):
    return make_embedder().fit(simulated[:2])


def make_epochs(raw, duration=1.0):
    raw = raw.copy().resample(200.0, verbose="error")
    return mne.make_fixed_length_epochs(raw, duration, preload=True, verbose="error")


def strip_regions(raw):
    raw.set_annotations(None)
    return raw


def label_by_name(raw):
    """Regions as the simulation names channels."""
    return {name: name.rstrip("0123456789") for name in raw.ch_names}


# What comes out


def test_transform(fitted, recordings):
    Z = fitted.transform(recordings)
    assert [z.shape for z in Z] == [(10, 32)] * 3
    for z in Z:
        assert z.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-5)


def test_same_call_same_bits(fitted, recordings):
    for method in (fitted.transform, fitted.predict_proba):
        for z, again in zip(method(recordings), method(recordings), strict=True):
            np.testing.assert_array_equal(z, again)


@pytest.mark.parametrize("chunk", [1, 3, 5000])
def test_size_of_batches_does_not_matter(fitted, recordings, chunk, monkeypatch):
    expected = fitted.transform(recordings)
    monkeypatch.setattr(SpectralEncoder, "CHUNK", chunk)
    for z, other in zip(fitted.transform(recordings), expected, strict=True):
        np.testing.assert_allclose(z, other, atol=1e-5)


def test_order_of_few_channels_does_not_matter_in_training(fitted, recordings):
    """Batches are of all channels, and then of the same in any order."""
    expected = fitted.transform(recordings)
    reverse = [raw.copy().reorder_channels(raw.ch_names[::-1]) for raw in recordings]
    for X in (recordings[1::-1], reverse[:2]):
        emb = make_embedder().fit(X)
        for z, other in zip(emb.transform(recordings), expected, strict=True):
            np.testing.assert_allclose(z, other, atol=1e-4)


def test_stored_values():
    """Of version 0.1 on the simulation; one channel of 40 is 0.025."""
    X = mf.simulate_recordings(4, 1, 10.0, sfreq=400.0)
    emb = mf.FunctionalEmbedder(8, duration=2.0, max_epochs=2, batch_size=64).fit(X[:2])
    assert emb.score(X[2:]) == pytest.approx(0.925, abs=0.03)
    assert emb.history_[-1, "train_loss"] == pytest.approx(0.19756, rel=1e-2)


def test_channel_counts_may_differ(fitted, recordings):
    recordings[1].pick(["STN1", "VO2", "VIM1"])
    Z = fitted.transform(recordings)
    assert [len(z) for z in Z] == [10, 3, 10]


def test_recordings_do_not_influence_one_another(fitted, recordings):
    together = fitted.transform(recordings)
    for raw, z in zip(recordings, together, strict=True):
        np.testing.assert_allclose(fitted.transform([raw])[0], z, atol=1e-5)
        np.testing.assert_allclose(fitted.transform(raw)[0], z, atol=1e-5)
    for z, other in zip(
        fitted.transform(recordings[::-1]), together[::-1], strict=True
    ):
        np.testing.assert_allclose(z, other, atol=1e-5)


def test_channels_do_not_influence_one_another(fitted, recordings):
    raw = recordings[2]
    (z,) = fitted.transform([raw])
    order = np.random.default_rng(0).permutation(len(raw.ch_names))[:7]
    permuted = raw.copy().reorder_channels([raw.ch_names[index] for index in order])
    np.testing.assert_allclose(fitted.transform([permuted])[0], z[order], atol=1e-5)


def test_held_out_subject(fitted, recordings):
    score = fitted.score(recordings[2:])
    assert score >= 0.6  # chance is 0.2
    predicted = np.concatenate(fitted.predict(recordings[2:]))
    truth = list(label_by_name(recordings[2]).values())
    assert score == pytest.approx(balanced_accuracy_score(truth, predicted))


def test_shuffled_regions_are_read_at_chance(recordings):
    rng = np.random.default_rng(0)
    y = [
        rng.permutation(list(label_by_name(raw).values())).tolist()
        for raw in recordings
    ]
    emb = make_embedder().fit(recordings[:2], y[:2])
    shuffles = [rng.permutation(y[2]).tolist() for _ in range(50)]
    scores = [emb.score(recordings[2:], [shuffled]) for shuffled in shuffles]
    assert np.mean(scores) == pytest.approx(0.2, abs=0.06)


def test_predict(fitted, recordings):
    probabilities = fitted.predict_proba(recordings)
    np.testing.assert_array_equal(fitted.classes_, REGIONS)
    for p, predicted in zip(probabilities, fitted.predict(recordings), strict=True):
        assert p.shape == (10, 5)
        assert (p >= 0).all()
        np.testing.assert_allclose(p.sum(axis=1), 1)
        np.testing.assert_array_equal(predicted, fitted.classes_[p.argmax(axis=1)])


def test_region_not_in_training_counts_as_missed(recordings):
    emb = make_embedder().fit(
        [raw.copy().drop_channels(["VO1", "VO2"]) for raw in recordings[:2]]
    )
    assert emb.score(recordings[:2]) <= 0.8
    y = [{"GPi1": "elsewhere", "GPi2": "elsewhere"}]
    assert emb.score(recordings[:1], y) == 0.0


COMPONENTS = [f"c{i}" for i in range(32)]


@pytest.mark.filterwarnings("ignore:The embedding has collapsed")
@pytest.mark.parametrize("loss", ["supcon", "pairwise"])
def test_cnn_segments_average_to_channels(recordings, loss):
    emb = make_embedder(encoder="cnn", duration=4.0, loss=loss, max_epochs=1)
    frame = emb.fit(recordings[:2]).embed_segments(recordings)
    means = frame.groupby(["recording", "ch_name"], sort=False)[COMPONENTS].mean()
    means = means.to_numpy(copy=True)
    if loss == "supcon":
        means /= np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(
        means, np.concatenate(emb.transform(recordings)), atol=1e-5
    )


@torch.no_grad()
@pytest.mark.parametrize("loss", ["supcon", "pairwise"])
def test_spectral_features_average_to_channels(recordings, loss):
    emb = make_embedder(duration=4.0, loss=loss).fit(recordings[:2])
    (Z,) = emb.transform(recordings[2:])
    pieces = recordings[2].get_data()[:, :8000].reshape(10, 5, 1600)
    encoder = emb.net_.module_.eval().encoder
    for z, piece in zip(Z, torch.tensor(pieces, dtype=torch.float32), strict=True):
        expected = encoder.head(encoder.front_end(piece).mean(dim=0))
        if loss == "supcon":
            expected /= expected.norm()
        np.testing.assert_allclose(z, expected, atol=1e-4)


@pytest.mark.filterwarnings("ignore:The embedding has collapsed")
@pytest.mark.parametrize("encoder", ["spectral", "cnn"])
def test_one_segment_is_its_channel(recordings, encoder):
    emb = make_embedder(encoder=encoder, duration=20.0, max_epochs=1)
    emb.fit(recordings[:2])
    frame = emb.embed_segments(recordings)
    Z = np.concatenate(emb.transform(recordings))
    np.testing.assert_allclose(frame[COMPONENTS], Z, atol=1e-5)


def test_embed_segments(recordings):
    emb = make_embedder(duration=4.0, max_epochs=1).fit(recordings[:2])
    frame = emb.embed_segments(recordings)
    names = ["subject", "recording", "ch_name", "region", "onset"]
    assert list(frame.columns) == [*names, *COMPONENTS]
    np.testing.assert_allclose(frame["onset"][:5], [0, 4, 8, 12, 16])
    assert frame["ch_name"][:10].tolist() == ["GPi1"] * 5 + ["GPi2"] * 5
    assert len(frame) == 3 * 10 * 5


def test_segments_show_changes_in_time(fitted, recordings):
    raw = recordings[2].copy()
    half = raw.n_times // 2
    raw._data[0, half:] = raw.get_data(["VIM1"])[0, half:]
    frame = fitted.embed_segments([raw]).query("ch_name in ['GPi1', 'VIM1']")
    Z = frame[[f"c{i}" for i in range(32)]].to_numpy()
    np.testing.assert_allclose(Z[1], Z[3], atol=1e-5)
    assert np.linalg.norm(Z[0] - Z[2]) > 0.1


def test_to_frame(fitted, recordings):
    recordings[1].pick(["STN1", "VO2"])
    mf.set_regions(strip_regions(recordings[1]), {"VO2": "VO"})
    frame = fitted.to_frame(recordings)
    components = [f"c{i}" for i in range(32)]
    assert list(frame.columns) == [
        "subject",
        "recording",
        "ch_name",
        "region",
        *components,
    ]
    np.testing.assert_array_equal(
        frame[components], np.concatenate(fitted.transform(recordings))
    )
    rows = frame[frame["recording"] == 1]
    assert rows["ch_name"].tolist() == ["STN1", "VO2"]
    assert rows["region"].isna().tolist() == [True, False]
    assert rows["subject"].tolist() == ["sub-02"] * 2


# What goes in


def test_y_instead_of_annotations(fitted, recordings):
    expected = fitted.transform(recordings)
    labels = [label_by_name(raw) for raw in recordings]
    recordings = [strip_regions(raw) for raw in recordings]
    for y in (labels[:2], [list(labels[0].values()), labels[1]]):
        emb = make_embedder().fit(recordings[:2], y)
        for z, other in zip(emb.transform(recordings), expected, strict=True):
            np.testing.assert_array_equal(z, other)
    assert emb.score(recordings, labels) >= 0.6


def test_y_comes_before_annotations(recordings):
    y = [dict.fromkeys(raw.ch_names[:5], "A") | {"VIM1": "B"} for raw in recordings]
    emb = make_embedder().fit(recordings, y)
    np.testing.assert_array_equal(emb.classes_, ["A", "B"])


def test_unlabelled_channels_are_embedded_and_not_trained_on(recordings):
    labels = [label_by_name(raw) for raw in recordings]
    y = [
        {name: labels[i][name] for name in raw.ch_names[1:]}
        for i, raw in enumerate(recordings)
    ]
    with_unlabelled = make_embedder().fit(recordings, y)
    without = make_embedder().fit(
        [raw.copy().drop_channels(["GPi1"]) for raw in recordings]
    )
    for z, other in zip(
        with_unlabelled.transform(recordings),
        without.transform(recordings),
        strict=True,
    ):
        assert len(z) == 10
        np.testing.assert_allclose(z, other, atol=1e-5)


def test_bads_do_not_take_part(fitted, recordings):
    expected = fitted.transform(recordings)[0]
    recordings[0].info["bads"] = ["GPi1", "STN2"]
    (z,) = fitted.transform(recordings[:1])
    good = [index for index in range(10) if index not in (0, 3)]
    np.testing.assert_allclose(z, expected[good], atol=1e-5)


def test_picks(recordings):
    for raw in recordings:
        raw.set_channel_types({"GPi1": "misc"}, verbose="error")
    emb = make_embedder().fit(recordings)
    assert len(emb.transform(recordings)[0]) == 9
    emb = make_embedder(picks=["seeg", "GPi1"]).fit(recordings)
    assert len(emb.transform(recordings)[0]) == 10


def test_positives_of_other_subjects(recordings, tmp_path):
    fitted = make_embedder(across_subjects=True, max_epochs=10).fit(recordings[:2])
    assert fitted.segment_embedder_.across_groups
    assert fitted.score(recordings[2:]) > 0.5
    fitted.save(tmp_path / "model.safetensors")
    loaded = mf.FunctionalEmbedder.load(tmp_path / "model.safetensors")
    assert loaded.across_subjects
    with pytest.raises(ValueError, match="across_subjects=True with positives='chan"):
        make_embedder(across_subjects=True, positives="channel").fit(recordings)
    with pytest.raises(ValueError, match="every label is in one group"):
        make_embedder(across_subjects=True).fit(recordings[:1])


def test_positives_channel_needs_no_regions(recordings):
    recordings = [strip_regions(raw) for raw in recordings]
    emb = make_embedder(positives="channel", duration=4.0).fit(recordings)
    assert emb.transform(recordings)[0].shape == (10, 32)
    assert len(emb.classes_) == 0
    assert emb.to_frame(recordings)["region"].isna().all()
    for method in (emb.predict, emb.predict_proba, emb.predict_segments):
        with pytest.raises(ValueError, match=r"without regions.*set_regions"):
            method(recordings)
    y = [label_by_name(raw) for raw in recordings]
    with pytest.raises(ValueError, match=r"without regions.*set_regions"):
        emb.score(recordings, y)


def test_positives_channel_ignores_regions(recordings):
    params = {"positives": "channel", "duration": 4.0}
    labelled = make_embedder(**params).fit(recordings[:2])
    expected = labelled.transform(recordings)
    assert labelled.score(recordings) > 0.4
    unlabelled = [strip_regions(raw.copy()) for raw in recordings]
    Z = make_embedder(**params).fit(unlabelled[:2]).transform(unlabelled)
    for z, other in zip(Z, expected, strict=True):
        np.testing.assert_array_equal(z, other)


@pytest.mark.parametrize(
    ("params", "n_samples", "n_labels"),
    [
        ({}, 20, 5),
        ({"loss": "pairwise"}, 20 * 5, 5),
        ({"positives": "channel"}, 20 * 5, 20),
        ({"positives": "both"}, 20, 5),
    ],
)
def test_what_is_trained_on(recordings, params, n_samples, n_labels, monkeypatch):
    sizes = []
    calibrate = Embedding.calibrate
    monkeypatch.setattr(
        Embedding,
        "calibrate",
        lambda self, features: sizes.append(len(features)) or calibrate(self, features),
    )
    emb = make_embedder(duration=4.0, **params).fit(recordings[:2])
    assert sizes[-1] == n_samples
    assert len(emb.segment_embedder_.classes_) == n_labels


@pytest.mark.parametrize("params", [{"loss": "pairwise"}, {"positives": "channel"}])
def test_other_aims_than_the_default_beat_no_training(params):
    X = mf.simulate_recordings(n_subjects=4, n_sessions=1, duration=40.0, sfreq=500.0)
    accuracies = []
    for cls in (UntrainedEmbedder, mf.FunctionalEmbedder):
        emb = cls(duration=2.0, **params).fit(X[:3])
        frame = emb.predict_segments(X[3:])
        accuracies.append((frame["predicted"] == frame["region"]).mean())
    losses = emb.history_[:, "train_loss"]
    assert losses[-1] < losses[0]
    assert accuracies[1] >= 0.7  # chance is 0.2
    assert accuracies[1] > accuracies[0] + 0.05


def test_positives_both(recordings):
    y = [{"GPi1": "GPi", "GPi2": "GPi", "VO1": "VO", "VO2": "VO"} for _ in recordings]
    emb = make_embedder(positives="both", duration=4.0).fit(recordings, y)
    np.testing.assert_array_equal(emb.classes_, ["GPi", "VO"])
    # two regions, and six channels of each subject
    assert len(emb.segment_embedder_.classes_) == 2 + 6 * 3
    assert len(emb.transform(recordings)[0]) == 10


def test_positives_both_is_either_where_all_is_known_or_nothing(recordings):
    for same, kept in (("region", None), ("channel", {})):
        y = [kept if kept is not None else mf.get_regions(raw) for raw in recordings]
        Z, expected = (
            make_embedder(positives=positives, duration=4.0)
            .fit(recordings[:2], y[:2])
            .transform(recordings[2:])[0]
            for positives in ("both", same)
        )
        np.testing.assert_array_equal(Z, expected)


def test_unlabelled_channels_are_trained_on_in_halves(recordings, monkeypatch):
    seen = []
    fit = mf.SegmentEmbedder.fit_features
    monkeypatch.setattr(
        mf.SegmentEmbedder,
        "fit_features",
        lambda self, *args, **kwargs: (
            seen.append((args, kwargs)) or fit(self, *args, **kwargs)
        ),
    )
    y = [{"GPi1": "GPi", "VO1": "VO", "VO2": "VO"} for _ in recordings]
    make_embedder(positives="both", duration=4.0).fit(recordings, y)
    (((features, labels), others),) = seen
    auxiliary = others["auxiliary"]
    assert len(features) == len(labels)
    assert auxiliary.sum() == 3 * 7 * 2
    assert all(label.startswith("channel ") for label in labels[auxiliary])
    assert sorted(labels[~auxiliary]) == ["GPi"] * 3 + ["VO"] * 6


def test_halves():
    channel = np.repeat([0, 1, 2], [5, 4, 3])
    unit = halve_unlabelled(channel, np.array([False, True, False]))
    assert unit.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 4]


@pytest.mark.parametrize("duration", [1.0, 2.0])
def test_ordinary_epochs(simulated, duration):
    epochs = [make_epochs(raw, duration) for raw in simulated]
    emb = make_embedder().fit(epochs[:2])
    assert emb.n_times_ == 200 * duration
    assert [z.shape for z in emb.transform(epochs)] == [(10, 32)] * 3
    assert emb.score(epochs[2:]) >= 0.5


def test_defaults_take_epochs(simulated):
    emb = mf.FunctionalEmbedder(max_epochs=2).fit([make_epochs(simulated[0])])
    assert np.isfinite(emb.transform([make_epochs(simulated[1])])[0]).all()


def test_single_recording(recordings):
    one, other = (make_embedder().fit(X) for X in (recordings[0], recordings[:1]))
    np.testing.assert_array_equal(
        one.transform(recordings[1])[0], other.transform(recordings[1:2])[0]
    )
    assert isinstance(one.predict(recordings[1]), list)


def test_one_channel_for_each_region(recordings):
    X = [
        raw.pick([name for name in raw.ch_names if name.endswith("1")])
        for raw in recordings
    ]
    emb = make_embedder().fit(X[:1])
    assert emb.transform(X)[2].shape == (5, 32)
    assert len(emb.predict(X)[2]) == 5


def test_two_sessions_of_one_subject(recordings):
    for raw in recordings:
        raw.info["subject_info"] = {"his_id": "sub-01"}
    emb = make_embedder(positives="channel").fit(recordings)
    assert len(emb.segment_embedder_.classes_) == 10


@pytest.mark.parametrize("his_id", [None, "0"])
def test_no_subject_ids(recordings, his_id):
    for raw in recordings:
        raw.info["subject_info"] = his_id and {"his_id": his_id}
    with pytest.warns(RuntimeWarning, match="No subject id in 2 of 2") as caught:
        emb = make_embedder().fit(recordings[:2])
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(emb.transform(recordings)) == 3
        assert emb.to_frame(recordings)["subject"].nunique() == 3


def test_inputs_are_left_as_they_are(recordings):
    recordings[0].info["bads"] = ["GPi1"]
    before = [raw.copy() for raw in recordings]
    for raw in recordings:
        raw._data.flags.writeable = False
    emb = make_embedder(normalize=True).fit(recordings)
    for method in (emb.transform, emb.predict, emb.score, emb.embed_segments):
        method(recordings)
    for raw, old in zip(recordings, before, strict=True):
        np.testing.assert_array_equal(raw.get_data(), old.get_data())
        assert raw.annotations == old.annotations
        assert mne.utils.object_diff(raw.info, old.info) == ""


def test_files_are_not_loaded(fitted, recordings, tmp_path):
    expected = fitted.transform(recordings[:1])[0]
    recordings[0].save(tmp_path / "a_raw.fif", fmt="double", verbose="error")
    raw = mne.io.read_raw_fif(tmp_path / "a_raw.fif", verbose="error")
    np.testing.assert_allclose(fitted.transform([raw])[0], expected, atol=1e-5)
    assert not raw.preload


def test_normalize_ignores_the_amplitude(recordings):
    emb = make_embedder(normalize=True).fit(recordings[:2])
    expected = emb.transform(recordings)[2]
    recordings[2].apply_function(lambda x: 1e3 * x)
    np.testing.assert_allclose(emb.transform(recordings)[2], expected, atol=1e-3)


# scikit-learn


def test_seeds(fitted, recordings):
    expected = fitted.transform(recordings[2:])[0]
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    torch_state = torch.get_rng_state()
    same = make_embedder().fit(recordings[:2]).transform(recordings[2:])[0]
    np.testing.assert_array_equal(same, expected)
    assert np.random.random() == pytest.approx(0.5488135)  # noqa: NPY002
    assert (torch.get_rng_state() == torch_state).all()
    other = make_embedder(random_state=1).fit(recordings[:2])
    assert np.abs(other.transform(recordings[2:])[0] - expected).max() > 1e-3


def test_cross_validation(recordings):
    groups = mf.get_subjects(recordings)
    params = {"groups": groups, "cv": GroupKFold(3)}
    scores = cross_val_score(make_embedder(), recordings, **params)
    assert np.mean(scores) >= 0.6
    result = cross_validate(
        make_embedder(), recordings, return_train_score=True, **params
    )
    np.testing.assert_array_equal(result["test_score"], scores)
    assert result["train_score"].mean() >= 0.6


def test_cross_validation_with_y(recordings):
    y = [label_by_name(raw) for raw in recordings]
    groups = mf.get_subjects(recordings)
    recordings = [strip_regions(raw) for raw in recordings]
    scores = cross_val_score(
        make_embedder(), recordings, y, groups=groups, cv=LeaveOneGroupOut()
    )
    assert np.mean(scores) >= 0.6


def test_parallel_cross_validation(recordings):
    params = {"groups": mf.get_subjects(recordings), "cv": GroupKFold(3)}
    serial = cross_val_score(make_embedder(max_epochs=2), recordings, **params)
    parallel = cross_val_score(
        make_embedder(max_epochs=2), recordings, n_jobs=2, **params
    )
    np.testing.assert_allclose(parallel, serial, atol=0.11)


def test_grid_search(recordings):
    search = GridSearchCV(
        make_embedder(max_epochs=2), {"n_neighbors": [1, 3]}, cv=GroupKFold(2)
    ).fit(recordings, groups=mf.get_subjects(recordings))
    assert search.best_params_["n_neighbors"] in (1, 3)
    assert len(search.predict(recordings)) == 3
    assert len(search.transform(recordings)) == 3


def test_pipeline_with_memory(recordings, tmp_path):
    model = make_pipeline(
        mf.RecordingPreprocessor(sfreq=200.0), make_embedder(), memory=str(tmp_path)
    )
    with warnings.catch_warnings():
        # joblib warns where writing to the cache is slow
        warnings.filterwarnings("ignore", category=UserWarning, module="joblib")
        first = model.fit(recordings[:2]).transform(recordings[2:])[0]
        second = clone(model).fit(recordings[:2]).transform(recordings[2:])[0]
    np.testing.assert_array_equal(first, second)
    assert model[-1].sfreq_ == 200.0
    assert model.score(recordings[2:]) >= 0.5


def test_clone_and_pickle(fitted, recordings):
    assert clone(fitted).get_params() == fitted.get_params()
    assert not hasattr(clone(fitted), "segment_embedder_")
    restored = pickle.loads(pickle.dumps(fitted))
    for z, other in zip(
        restored.transform(recordings), fitted.transform(recordings), strict=True
    ):
        np.testing.assert_array_equal(z, other)
    assert restored.score(recordings) == fitted.score(recordings)


def test_fitted_state(fitted):
    assert fitted.net_ is fitted.segment_embedder_.net_
    assert all(np.isfinite(fitted.history_[:, "train_loss"]))
    assert (fitted.n_times_, fitted.sfreq_) == (4000, SFREQ)


@pytest.mark.filterwarnings("ignore:The embedding has collapsed")
def test_callbacks_and_net_params_reach_the_net(recordings):
    emb = make_embedder(
        encoder="cnn",
        duration=1.0,
        max_epochs=1,
        callbacks=[EpochTimer()],
        net_params={"module__size": "large", "module__dropout": 0.125},
    ).fit(recordings[:2])
    assert emb.history_[0, "dur"] > 0
    dropouts = [m for m in emb.net_.module_.modules() if type(m) is nn.Dropout]
    assert {dropout.p for dropout in dropouts} == {0.125}


# Files


def test_save_and_load(fitted, recordings, tmp_path):
    fitted.save(tmp_path / "model.safetensors")
    loaded = mf.FunctionalEmbedder.load(tmp_path / "model.safetensors")
    for method in ("transform", "predict", "predict_proba"):
        for got, expected in zip(
            getattr(loaded, method)(recordings),
            getattr(fitted, method)(recordings),
            strict=True,
        ):
            np.testing.assert_array_equal(got, expected)
    assert loaded.score(recordings) == fitted.score(recordings)
    assert loaded.get_params() == fitted.get_params()
    np.testing.assert_array_equal(loaded.classes_, fitted.classes_)
    with pytest.raises(ValueError, match="as in training"):
        loaded.transform([recordings[0].copy().resample(200.0)])
    # once more, from the loaded one
    loaded.save(tmp_path / "again")
    again = mf.FunctionalEmbedder.load(str(tmp_path / "again"))
    assert again.score(recordings) == fitted.score(recordings)


@pytest.mark.filterwarnings("ignore:The embedding has collapsed")
@pytest.mark.parametrize(
    "params",
    [
        {"positives": "channel"},
        {"loss": "pairwise", "n_components": np.int64(3), "lr": np.float64(0.01)},
        {
            "encoder": "cnn",
            "duration": 1.0,
            "net_params": {"module__size": "large"},
        },
        {"picks": ("seeg", "ecog"), "normalize": True},
    ],
)
def test_save_with_other_parameters(recordings, params, tmp_path):
    if params.get("positives"):
        recordings = [strip_regions(raw) for raw in recordings]
    emb = make_embedder(**{"max_epochs": 1} | params).fit(recordings[:2])
    emb.save(tmp_path / "model")
    loaded = mf.FunctionalEmbedder.load(tmp_path / "model")
    np.testing.assert_array_equal(
        loaded.transform(recordings)[2], emb.transform(recordings)[2]
    )
    if params.get("positives"):
        with pytest.raises(ValueError, match="without regions"):
            loaded.predict(recordings)


class Linear(nn.Module):
    """An encoder of one's own."""

    def __init__(self, n_times, n_components):
        super().__init__()
        self.linear = nn.Linear(n_times, n_components)

    def forward(self, segments):
        return self.linear(1e4 * segments)


@pytest.mark.parametrize(
    "params",
    [
        {"encoder": Linear},
        {"net_params": {"optimizer": torch.optim.SGD}, "weight_decay": 0.0},
        {"random_state": np.random.RandomState(0)},
    ],
)
def test_save_refuses_what_it_cannot_hold(recordings, params, tmp_path):
    emb = make_embedder(max_epochs=1, **params).fit(recordings[:2])
    assert len(emb.transform(recordings)) == 3
    with pytest.raises(ValueError, match=f"{next(iter(params))}.*pickle"):
        emb.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no model file"):
        mf.FunctionalEmbedder.load(tmp_path / "model")
    with pytest.raises(FileNotFoundError, match="There is no model file"):
        mf.FunctionalEmbedder.load(tmp_path)


@pytest.mark.parametrize("n_bytes", [0, 5, 500, -1])
def test_truncated_file(fitted, tmp_path, n_bytes):
    fitted.save(tmp_path / "model")
    data = (tmp_path / "model").read_bytes()[:n_bytes]
    (tmp_path / "model").write_bytes(data)
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        mf.FunctionalEmbedder.load(tmp_path / "model")


def test_foreign_file(fitted, tmp_path):
    (tmp_path / "pickle").write_bytes(pickle.dumps(fitted))
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        mf.FunctionalEmbedder.load(tmp_path / "pickle")
    save_file({"a": torch.ones(3)}, tmp_path / "other")
    with pytest.raises(ValueError, match="without the header of a model"):
        mf.FunctionalEmbedder.load(tmp_path / "other")


def write_header(path, header):
    save_file({"a": torch.ones(3)}, path, metadata={"mne_funcmap": header})


@pytest.mark.parametrize(
    ("header", "match"),
    [
        ('{"class": "FunctionalEmbedder", "format_version": 99}', "version 99.*Update"),
        ('{"class": "Other", "format_version": 1}', "holds a 'Other' model"),
        ('{"class": "FunctionalEmbedder"}', "without the header of a model"),
        ("[]", "without the header of a model"),
        ("{", "without the header of a model"),
        ('{"class": "FunctionalEmbedder", "format_version": 1}', "model|damaged"),
        (
            '{"class": "FunctionalEmbedder", "format_version": 1, "params": {"a": 1}}',
            "model|damaged",
        ),
    ],
)
def test_odd_headers(tmp_path, header, match):
    write_header(tmp_path / "model", header)
    with pytest.raises(ValueError, match=match):
        mf.FunctionalEmbedder.load(tmp_path / "model")


# Bad input


@pytest.mark.parametrize(
    "method", ["transform", "predict", "predict_proba", "score", "to_frame"]
)
def test_not_fitted(recordings, method):
    with pytest.raises(NotFittedError):
        getattr(make_embedder(), method)(recordings)


def test_not_fitted_elsewhere(recordings, tmp_path):
    with pytest.raises(NotFittedError):
        make_embedder().embed_segments(recordings)
    with pytest.raises(NotFittedError):
        make_embedder().save(tmp_path / "model")
    assert not hasattr(make_embedder(), "net_")


@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        ([], ValueError, "empty list"),
        ("sub-01_raw.fif", TypeError, "X must be a list of recordings"),
        (["sub-01_raw.fif"], TypeError, "Item 0 of X must be .*Read files first"),
        (np.zeros((3, 4)), TypeError, "X must be a list of recordings"),
        (None, TypeError, "X must be a list of recordings"),
    ],
)
def test_not_recordings(fitted, X, error, match):
    with pytest.raises(error, match=match):
        make_embedder().fit(X)
    with pytest.raises(error, match=match):
        fitted.transform(X)


def change_types(recordings):
    recordings[1].set_channel_types(
        dict.fromkeys(recordings[1].ch_names, "misc"), verbose="error"
    )


def strip_all(recordings):
    for raw in recordings:
        strip_regions(raw)


def leave_one_region(recordings):
    for raw in recordings:
        raw.pick(["GPi1", "GPi2"])


def change_rate(recordings):
    recordings[1].resample(200.0)


def shorten(recordings):
    recordings[1].crop(0, 5)


def annotate_all(recordings):
    raw = recordings[1]
    raw.annotations.append(raw.first_time, 30.0, "BAD_all")


def fill(value):
    def fill_channel(recordings):
        recordings[1]._data[3] = value

    return fill_channel


def lose_channels_of_regions(recordings):
    annotations = recordings[1].annotations
    annotations.ch_names = [()] * len(annotations)


def rename_on_epochs(recordings):
    recordings[:] = [make_epochs(raw) for raw in recordings]
    recordings[1].rename_channels({"GPi1": "X1"})


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (change_types, r"recording 1 \(subject 'sub-02'\) has no good channel"),
        (
            strip_all,
            r"No channel of X has a region. Call set_regions .* or give y; without any "
            r"regions, train with positives='channel'\. See 'Preparing recordings'",
        ),
        (leave_one_region, "All channels of X with a region are in 'GPi'"),
        (change_rate, r"recording 1 \(subject 'sub-02'\): 2000 samples at 200 Hz"),
        (
            shorten,
            r"recording 1 \(subject 'sub-02'\) lasts .* shorter than a segment of 10 s",
        ),
        (annotate_all, r"recording 1 \(subject 'sub-02'\): GPi1.*info\['bads'\]"),
        (fill(np.nan), r"recording 1 \(subject 'sub-02'\): STN2\..*info\['bads'\]"),
        (fill(np.inf), r"recording 1 \(subject 'sub-02'\): STN2\..*info\['bads'\]"),
        (fill(0.0), r"recording 1 \(subject 'sub-02'\): STN2\..*info\['bads'\]"),
        (fill(1e300), r"recording 1 \(subject 'sub-02'\): STN2\..*info\['bads'\]"),
        (lose_channels_of_regions, r"regions without channels.*set_regions again"),
        (rename_on_epochs, r"recording 1 .*X1.*GPi1.*set_regions again"),
    ],
)
def test_bad_recordings(recordings, spoil, match):
    spoil(recordings)
    with pytest.raises(ValueError, match=match):
        make_embedder().fit(recordings)


def test_wrong_rate_after_training(fitted, recordings):
    with pytest.raises(ValueError, match=r"4000 samples at 400 Hz, as in training"):
        fitted.transform([recordings[0].resample(200.0)])


@pytest.mark.parametrize("scale", [1e-12 / 5e-5, 1e17 / 5e-4])
def test_units(recordings, scale):
    for raw in recordings:
        raw._data *= scale
    emb = make_embedder().fit(recordings[:2])
    assert np.isfinite(emb.transform(recordings)[2]).all()
    assert emb.score(recordings[2:]) >= 0.5


def test_integers(recordings):
    for raw in recordings:
        raw._data[:] = np.round(raw._data * 1e5)
    assert np.isfinite(make_embedder().fit(recordings).transform(recordings)[0]).all()


def test_nothing_to_score(fitted, recordings):
    with pytest.raises(ValueError, match=r"nothing to score.*set_regions"):
        fitted.score([strip_regions(recordings[0])])


@pytest.mark.parametrize(
    ("y", "error", "match"),
    [
        ([{"GPi1": "GPi"}], ValueError, "1 items for 3 recordings"),
        ([{"LA1": "GPi"}, {}, {}], ValueError, r"recording 0 .*does not have, LA1"),
        ([{}, {"GPi1": 3}, {}], TypeError, "recording 1 .*'GPi1' must be a string"),
        ([{}, {}, ["GPi"]], ValueError, "recording 2 .*1 regions for 10 channels"),
        ([{}, {}, {}], ValueError, "No channel of X has a region"),
    ],
)
def test_bad_y(recordings, y, error, match):
    with pytest.raises(error, match=match):
        make_embedder().fit(recordings, y)


@pytest.mark.parametrize(
    "params",
    [
        {"positives": "subject"},
        {"encoder": "transformer"},
        {"loss": "triplet"},
        {"duration": 0.0},
        {"duration": "10 s"},
        {"n_neighbors": 0},
        {"normalize": "z"},
        {"picks": 3},
        {"n_components": 1.5},
    ],
)
def test_bad_parameters(recordings, params):
    name = next(iter(params))
    match = f"The {name!r} parameter of FunctionalEmbedder"
    with pytest.raises(ValueError, match=match):
        make_embedder(**params).fit(recordings)


def test_cuda_that_is_not_there(recordings, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="finds no CUDA device"):
        make_embedder(device="cuda").fit(recordings)


# Real recordings


def test_atlas(data_dir):
    X = mf.read_recordings_bids(
        data_dir / "ieeg-atlas",
        region_column="lobe",
        tasks=["wake"],
        subjects=["001", "002", "003", "004", "005", "006"],
    )
    emb = make_embedder().fit(X)
    Z = emb.transform(X)
    assert len(Z) == len(X) >= 5
    assert all(np.isfinite(z).all() for z in Z)
    assert 0 <= emb.score(X) <= 1
    assert not any(raw.preload for raw in X)


def test_deep_brain_stimulation(data_dir):
    (raw,) = mf.read_recordings_bids(data_dir / "dbs-ecog", region_column=None)
    regions = {
        name: "STN" if name.startswith("LFP") else "Motor"
        for name in raw.ch_names
        if name.startswith(("LFP", "ECOG"))
    }
    mf.set_regions(raw, regions)
    emb = make_embedder(duration=2.0).fit([raw])
    assert emb.transform([raw])[0].shape == (len(regions), 32)
    assert emb.score([raw]) > 0.5


def test_context(recordings):
    emb = make_embedder(context=True).fit(recordings[:2])
    expected = emb.transform(recordings)
    permuted = [raw.copy().reorder_channels(raw.ch_names[::-1]) for raw in recordings]
    for z, other in zip(emb.transform(permuted), expected, strict=True):
        np.testing.assert_allclose(z[::-1], other, atol=1e-5)
    (z,) = emb.transform(recordings[2:])
    np.testing.assert_allclose(z, expected[2], atol=1e-5)
    pair = recordings[2].copy().pick(recordings[2].ch_names[:2])
    assert np.abs(emb.transform([pair])[0] - z[:2]).max() > 1e-3
    frame = emb.embed_segments(recordings)
    assert np.isfinite(frame.filter(regex=r"^c\d+$")).all(axis=None)


def test_context_of_a_single_channel(recordings):
    emb = make_embedder(context=True).fit(recordings[:2])
    single = recordings[2].copy().pick(recordings[2].ch_names[:1])
    assert emb.transform([single])[0].shape == (1, 32)


def test_context_is_saved(recordings, tmp_path):
    emb = make_embedder(context=True).fit(recordings[:2])
    emb.save(tmp_path / "model.safetensors")
    loaded = mf.FunctionalEmbedder.load(tmp_path / "model.safetensors")
    for z, other in zip(
        loaded.transform(recordings), emb.transform(recordings), strict=True
    ):
        np.testing.assert_array_equal(z, other)
