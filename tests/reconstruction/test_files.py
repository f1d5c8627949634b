import json
import pickle

import mne
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

import mne_funcmap as mf
from mne_funcmap.embedder import FunctionalEmbedder
from mne_funcmap.identity import RegionIdentity
from mne_funcmap.identity.union import IdentityUnion
from mne_funcmap.reconstruction import networks
from mne_funcmap.reconstructor import MaskedRegionReconstructor
from mne_funcmap.training.persistence import compute_digest

SMALL = {"n_dim": 8, "n_heads": 2, "n_layers": 1, "n_forward": 16}
TRANSFORMER = {
    "architecture": "transformer",
    "net_params": {f"module__{name}": value for name, value in SMALL.items()},
}


class OwnIdentity(TransformerMixin, BaseEstimator):
    """One-hot regions, by a class that is not of the package."""

    def fit(self, X, y=None):
        self.region_ = RegionIdentity().fit(X)
        return self

    def transform(self, X):
        return self.region_.transform(X)


def make_rec(identity="region", **params):
    params = {"identity_duration": 2.0, "max_epochs": 1, "n_latents": 4} | params
    return MaskedRegionReconstructor(identity, **params)


def make_recording(make_coupled, subject, seed):
    """A recording with positions, and names that are found in no file by chance."""
    raw = make_coupled(subject, "ABC", n_channels=1, duration=8.0, seed=seed)
    names = {name: f"{name}-lead-of-{subject}" for name in raw.ch_names}
    raw.rename_channels(names, verbose="error").set_annotations(None)
    mf.set_regions(raw, {new: old[0] for old, new in names.items()})
    points = np.random.default_rng(seed).uniform(-0.05, 0.05, (3, 3))
    ch_pos = dict(zip(raw.ch_names, points, strict=True))
    montage = mne.channels.make_dig_montage(ch_pos, coord_frame="mni_tal")
    return raw.set_montage(montage, verbose="error")


@pytest.fixture(scope="module")
def X(make_coupled):
    """Three subjects to train on, and one more."""
    return [
        make_recording(make_coupled, subject, seed)
        for seed, subject in enumerate(["anna", "berta", "clara", "doris"])
    ]


@pytest.fixture(scope="module")
def fitted(X):
    return make_rec().fit(X[:3])


@pytest.fixture
def saved(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    return tmp_path / "model"


def get_data(recordings):
    return np.array([recording.get_data() for recording in recordings])


def save_and_load(rec, tmp_path, **params):
    path = tmp_path / "model"
    rec.save(path, **params)
    assert list(tmp_path.iterdir()) == [path]
    return MaskedRegionReconstructor.load(path), path.read_bytes()


def check_alike(loaded, rec, X):
    """All that a fitted reconstructor does is the same."""
    assert_array_equal(get_data(loaded.predict(X)), get_data(rec.predict(X)))
    for found, expected in zip(loaded.transform(X), rec.transform(X), strict=True):
        assert_array_equal(found, expected)
    added = [model.add_region(X, "B", n_channels=2) for model in (loaded, rec)]
    assert_array_equal(*map(get_data, added))
    assert loaded.score(X) == rec.score(X)


@pytest.mark.filterwarnings("ignore:The embedding has collapsed")
@pytest.mark.parametrize(
    ("identity", "params"),
    [
        (FunctionalEmbedder(duration=2.0, max_epochs=1, n_components=4), {}),
        ("anatomical", {}),
        ("region", {}),
        ("random", {"random_state": 3}),
        ("none", {}),
        (IdentityUnion(["random", IdentityUnion(["anatomical", "region"])]), {}),
        ("region", {"query": "region"}),
        ("region", {"target_regions": ["A", "B"], "window": 0.5, "picks": ["seeg"]}),
        ("region", TRANSFORMER),
    ],
    ids=str,
)
def test_round_trip(identity, params, X, tmp_path):
    rec = make_rec(identity, **params).fit(X[:3])
    loaded, content = save_and_load(rec, tmp_path)
    check_alike(loaded, rec, X[3:])
    # nobody is named
    for raw in X[:3]:
        assert raw.info["subject_info"]["his_id"].encode() not in content
    assert b"lead" not in content
    # what was fitted
    assert loaded.regions_.tolist() == ["A", "B", "C"]
    assert loaded.region_summary_.scales == rec.region_summary_.scales
    assert loaded.scaled_identity_.scale == rec.scaled_identity_.scale
    for name in ("sfreq_", "n_times_", "n_epochs_", "valid_r_"):
        assert getattr(loaded, name) == getattr(rec, name)
    # how
    for name, value in loaded.get_params(deep=False).items():
        if name not in ("identity", "device"):
            assert value == rec.get_params()[name]
    # what was loaded can be written
    again, same = save_and_load(loaded, tmp_path)
    assert len(same) == len(content)
    check_alike(again, rec, X[3:])


def test_targets_may_be_an_array(X, tmp_path):
    rec = make_rec(target_regions=np.array(["A", "C"])).fit(X[:3])
    loaded, _ = save_and_load(rec, tmp_path)
    assert loaded.target_regions == ["A", "C"]
    check_alike(loaded, rec, X[3:])


def test_round_trip_with_the_transformer_beside(X, tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "MIN_GAIN", -1.0)
    rec = make_rec().fit(X[:3])
    assert rec.residual_net_ is not None
    with torch.no_grad():
        rec.residual_net_.module_.residual.head.bias += 0.5
    loaded, _ = save_and_load(rec, tmp_path)
    check_alike(loaded, rec, X[3:])
    without, _ = save_and_load(make_rec().fit(X[:3]), tmp_path)
    assert not np.allclose(
        get_data(without.predict(X[3:])), get_data(rec.predict(X[3:]))
    )
    # the linear path is one
    assert loaded.residual_net_.module_.linear is loaded.net_.module_
    adapted = [model.adapt(X[3:]).predict(X[3:]) for model in (loaded, rec)]
    assert_allclose(*map(get_data, adapted), atol=1e-9)


def test_recordings_adapted_to_are_remembered(fitted, X, tmp_path, make_coupled):
    other = make_recording(make_coupled, "erika", 9)
    other._data[0] *= -1
    adapted = fitted.adapt([X[3], other])
    with pytest.raises(ValueError, match="adapted to .*doris.*Say adapted=True"):
        adapted.save(tmp_path / "model")
    loaded, content = save_and_load(adapted, tmp_path, adapted=True)
    data = get_data(loaded.predict([X[3], other]))
    assert_array_equal(data, get_data(adapted.predict([X[3], other])))
    assert not np.allclose(data, get_data(fitted.predict([X[3], other])))
    assert loaded.adapted_ == {"doris", "erika"}
    # of these the names are in the file, of those of the training they are not
    assert b"A1-lead-of-doris" in content
    assert not [name for name in (b"anna", b"berta", b"clara") if name in content]
    # channels of the training count as new
    assert set(fitted.known_) == {"anna", "berta", "clara"}
    assert set(loaded.known_) == {"doris", "erika"}
    assert_array_equal(
        get_data(loaded.predict(X[:1])),
        get_data(fitted.predict(X[:1], reference=[X[0].copy().crop(0, 1.99)])),
    )
    # or they are left out
    without, content = save_and_load(adapted, tmp_path, adapted=False)
    assert b"doris" not in content
    assert_array_equal(
        *(get_data(model.predict([X[3], other])) for model in (without, fitted))
    )
    # it goes on
    more = make_recording(make_coupled, "flora", 11)
    found = [model.adapt([more]).predict([more, other]) for model in (loaded, adapted)]
    assert_array_equal(*map(get_data, found))


def test_without_references(X, tmp_path):
    embedder = FunctionalEmbedder(duration=2.0, max_epochs=1, n_components=4)
    rec = make_rec(IdentityUnion([embedder, "region"])).fit(X[:3])
    whole, content = save_and_load(rec, tmp_path)
    loaded, less = save_and_load(rec, tmp_path, references=False)
    assert len(less) < len(content)
    assert_array_equal(get_data(loaded.predict(X)), get_data(whole.predict(X)))
    added = [model.add_region(X[3:], "B") for model in (loaded, whole)]
    assert_allclose(*map(get_data, added), atol=1e-9)
    with pytest.raises(ValueError, match="n_channels=2"):
        loaded.add_region(X[3:], "B", n_channels=2)
    union = loaded.identity_.estimator
    with pytest.raises(ValueError, match="references=False"):
        union.identities_[0].predict(X)


def test_loaded_is_an_estimator(fitted, saved, X):
    loaded = MaskedRegionReconstructor.load(saved)
    assert isinstance(loaded.identity, FrozenEstimator)
    copied = pickle.loads(pickle.dumps(loaded))
    assert_array_equal(get_data(copied.predict(X[3:])), get_data(loaded.predict(X[3:])))
    unfitted = clone(loaded)
    with pytest.raises(NotFittedError):
        unfitted.predict(X)
    assert unfitted.fit(X[:2]).regions_.tolist() == ["A", "B", "C"]


def test_loading_does_not_touch_the_random_state(saved):
    state = torch.get_rng_state()
    MaskedRegionReconstructor.load(saved)
    assert torch.equal(torch.get_rng_state(), state)


def test_device(saved, monkeypatch):
    assert MaskedRegionReconstructor.load(saved, device="cpu").device == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="no CUDA"):
        MaskedRegionReconstructor.load(saved, device="cuda")


# What cannot be written


@pytest.mark.parametrize("wrap", [False, True])
def test_own_identity(X, tmp_path, wrap):
    identity = IdentityUnion(["none", OwnIdentity()]) if wrap else OwnIdentity()
    rec = make_rec(identity).fit(X[:2])
    with pytest.raises(
        ValueError, match="OwnIdentity cannot be written .*'region'.*Pickle the rec"
    ):
        rec.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())
    loaded = pickle.loads(pickle.dumps(rec))
    assert_array_equal(get_data(loaded.predict(X[3:])), get_data(rec.predict(X[3:])))


def test_odd_parameter(X, tmp_path):
    rec = make_rec(net_params={"optimizer": torch.optim.Adam}).fit(X[:2])
    with pytest.raises(ValueError, match=r"parameter net_params=.*Adam.*pickle the mo"):
        rec.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_odd_parameter_of_the_identity(X, tmp_path):
    rec = make_rec(RegionIdentity(picks=np.array(["seeg"]))).fit(X[:2])
    with pytest.raises(ValueError, match="parameter picks=.* cannot be written"):
        rec.save(tmp_path / "model")


def test_unfitted(tmp_path):
    with pytest.raises(NotFittedError):
        make_rec().save(tmp_path / "model")


# What cannot be read


def rewrite(path, *, drop=None, change=None, **changes):
    """Change the header of a model file, or leave out or change a tensor."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["mne_funcmap"])
        tensors = {name: file.get_tensor(name) for name in file.keys() if name != drop}  # noqa: SIM118
    if change is not None:
        tensors[change[0]] = change[1](tensors[change[0]])
    header = {k: v for k, v in (header | changes).items() if v is not None}
    header["sha256"] = compute_digest(header, tensors)
    save_file(tensors, path, {"mne_funcmap": json.dumps(header)})


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model file .*nowhere"):
        MaskedRegionReconstructor.load(tmp_path / "nowhere")


@pytest.mark.parametrize("size", [0, 5, 100, -1])
def test_truncated_file(saved, size):
    saved.write_bytes(saved.read_bytes()[:size])
    with pytest.raises(ValueError, match="not a complete safetensors file.*Masked"):
        MaskedRegionReconstructor.load(saved)


def test_foreign_file(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(pickle.dumps({"weights": np.arange(100.0)}))
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        MaskedRegionReconstructor.load(path)
    save_file({"weights": torch.ones(3)}, path)
    with pytest.raises(ValueError, match="without the header of a model"):
        MaskedRegionReconstructor.load(path)


def test_file_of_another_class(saved):
    with pytest.raises(ValueError, match="'MaskedRegionReconstructor' model. Expected"):
        FunctionalEmbedder.load(saved)
    rewrite(saved, **{"class": "FunctionalEmbedder"})
    with pytest.raises(ValueError, match="holds a 'FunctionalEmbedder' model. Expec"):
        MaskedRegionReconstructor.load(saved)


def test_newer_format(saved):
    rewrite(saved, format_version=99)
    with pytest.raises(ValueError, match="version 99.*Update mne_funcmap"):
        MaskedRegionReconstructor.load(saved)


@pytest.mark.parametrize(
    "changes",
    [
        {"drop": "identity_mean"},
        {"drop": "region.1"},
        {"drop": "net"},
        {"regions": None},
        {"params": {"window": 1.0, "colour": "red"}},
        {"params": 3},
        {"identity": {"class": "OwnIdentity", "params": {}, "fitted": {}}},
        {"identity": []},
        {"identity": {"class": "RegionIdentity", "params": {}}},
        {"studies": [{}]},
        {"scales": [1.0, float("nan"), 1.0]},
        {"scales": [1.0, 1.0]},
        {"identity_scale": 0.0},
        {"regions": ["A", "A", "B"]},
        {"params": {"architecture": "x"}},
        {"sfreq_": float("nan")},
        {"networks": {"n_epochs": 1, "valid_r": {}, "residual_net": 5}},
        {"networks": {"n_epochs": "many"}},
        {"networks": {"n_epochs": 1, "valid_r": {"linear": "good"}}},
        {"networks": {"n_epochs": 1, "valid_r": "good"}},
        {"training": {"n_seconds_": "many"}},
        {"training": {"n_seconds_": None}},
        {"sfreq_": 10**400},
    ],
    ids=str,
)
def test_damaged_file(saved, changes):
    if changes.get("drop") == "net":
        with safe_open(saved, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith("net.")]  # noqa: SIM118
        changes = {"drop": names[0]}
    rewrite(saved, **changes)
    with pytest.raises(
        ValueError, match="(?s)model file .* is damaged.*Expected a file"
    ):
        MaskedRegionReconstructor.load(saved)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("part0", lambda moments: moments.double()),
        ("part0", lambda moments: moments[:, :1, :, :1].contiguous()),
        ("part0", lambda moments: moments / 0),
        ("identity", lambda identity: identity.double()),
        ("scale", torch.zeros_like),
        ("scale", lambda scale: -scale),
    ],
)
def test_damaged_tensor_of_a_study(fitted, X, tmp_path, name, change):
    fitted.adapt(X[3:]).save(tmp_path / "model", adapted=True)
    rewrite(tmp_path / "model", change=(f"study0.{name}", change))
    with pytest.raises(ValueError, match="(?s)model file .* is damaged.*[Ss]tud"):
        MaskedRegionReconstructor.load(tmp_path / "model")


@pytest.mark.parametrize(
    "changes",
    [{"region": "ABC"}, {"region": [1, 2, 3]}, {"subject": None}, {"subject": 3}],
    ids=str,
)
def test_damaged_names_of_a_study(fitted, X, tmp_path, changes):
    fitted.adapt(X[3:]).save(tmp_path / "model", adapted=True)
    study = mf.read_model_info(tmp_path / "model")["studies"][0]
    rewrite(tmp_path / "model", studies=[study | changes])
    with pytest.raises(ValueError, match="model file .* is damaged.* study"):
        MaskedRegionReconstructor.load(tmp_path / "model")


def test_damaged_identity_of_a_region(saved):
    rewrite(saved, change=("region.1", torch.Tensor.bool))
    with pytest.raises(ValueError, match="is damaged.*An identity is not finite"):
        MaskedRegionReconstructor.load(saved)
