import pickle

import mne
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

import mne_funcmap as mf
from mne_funcmap.embedder import FunctionalEmbedder
from mne_funcmap.identity import RegionIdentity
from mne_funcmap.identity.union import IdentityUnion
from mne_funcmap.nets.reconstruction import MixedTransformer
from mne_funcmap.reconstruction import networks, predictors, region_reconstructor
from mne_funcmap.reconstruction.withholding import WithheldRegions
from mne_funcmap.reconstructor import MaskedRegionReconstructor


def make_rec(identity="region", **params):
    params = {"identity_duration": 2.0, "max_epochs": 1, "n_latents": 4} | params
    return MaskedRegionReconstructor(identity, **params)


def make_epochs(raw, duration=1.0):
    return mne.make_fixed_length_epochs(raw, duration, preload=True, verbose="error")


def place(X):
    """Set positions in MNI space."""
    for seed, raw in enumerate(X):
        points = np.random.default_rng(seed).uniform(
            -0.05, 0.05, (len(raw.ch_names), 3)
        )
        ch_pos = dict(zip(raw.ch_names, points, strict=True))
        montage = mne.channels.make_dig_montage(ch_pos, coord_frame="mni_tal")
        raw.set_montage(montage, verbose="error")
    return X


def strip_regions(raw):
    return raw.copy().set_annotations(None)


class Log(Callback):
    """Keeps what every training of the linear path was given."""

    def __init__(self):
        self.given = []

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        if isinstance(X, WithheldRegions):
            self.given.append(X)


class OddIdentity(TransformerMixin, BaseEstimator):
    """One-hot regions, and something wrong with those of a subject."""

    def __init__(self, wrong=None):
        self.wrong = wrong

    def fit(self, X, y=None):
        self.region_ = RegionIdentity().fit(X)
        return self

    def transform(self, X):
        found = self.region_.transform(X)
        for i, raw in enumerate(X):
            if raw.info["subject_info"]["his_id"] == "sub-2":
                found[i] = self.spoil(found[i])
        return found

    def spoil(self, values):
        if self.wrong == "length":
            values = values[:, 1:]
        elif self.wrong == "nan":
            values[1] = np.nan
        elif self.wrong == "rows":
            values = values[1:]
        elif self.wrong == "text":
            values = [["a"] * 3] * 3
        return values


@pytest.fixture(scope="module")
def coupled(make_coupled):
    """Larger ones."""
    return [make_coupled(f"sub-{i}") for i in range(4)]


@pytest.fixture(scope="module")
def fitted(coupled):
    return make_rec(max_epochs=2, identity_duration=5.0).fit(coupled[:3])


@pytest.fixture(scope="module")
def asked_by_region(coupled):
    rec = make_rec(max_epochs=2, identity_duration=5.0, query="region")
    return rec.fit(coupled[:3])


# What is learned


def test_held_out_subject_is_predicted(fitted, coupled):
    frame = fitted.evaluate(coupled[3:])
    assert (frame["r"] > 0.7).all()
    assert (frame["nmse"] < 0.6).all()
    assert frame["n_sources"].tolist() == [6] * 8
    assert frame["subject"].unique().tolist() == ["sub-3"]
    assert fitted.score(coupled[3:]) == pytest.approx(frame["r"].mean())


def test_predictions_are_in_volts(fitted, coupled):
    data = coupled[3].get_data()
    found = fitted.predict(coupled[3:])[0].get_data()
    scale = np.sum(found * data, axis=1) / np.sum(found**2, axis=1)
    assert_allclose(scale, 1, atol=0.35)
    frame = fitted.evaluate(coupled[3:], reference=coupled[3:])
    assert_allclose(
        frame["r"],
        [np.corrcoef(*p)[0, 1] for p in zip(found, data, strict=True)],
        atol=0.01,
    )


def test_mixing_is_learned_and_not_similarity(fitted, coupled):
    """B is much like -A: a reconstruction without signs would fail."""
    raw = coupled[3].copy().pick(["A1", "A2", "B1", "B2"])
    data = raw.get_data()
    assert np.corrcoef(data[0], data[2])[0, 1] < -0.3
    found = fitted.predict([raw], regions="B")[0].get_data()
    assert np.corrcoef(found[2], data[2])[0, 1] > 0.3


def test_shuffled_regions_are_not_predicted(fitted, coupled):
    regions = np.array(list("AABBCCDD"))
    rng = np.random.default_rng(0)
    scores = [
        fitted.evaluate(coupled[3:], [rng.permutation(regions)])["r"].mean()
        for _ in range(5)
    ]
    assert np.mean(scores) < fitted.score(coupled[3:]) - 0.3


def test_fitted_state(fitted):
    assert fitted.regions_.tolist() == list("ABCD")
    assert fitted.n_times_ == 100
    assert fitted.sfreq_ == 100.0
    assert isinstance(fitted.identity_, RegionIdentity)
    assert len(fitted.history_) == fitted.n_epochs_
    assert np.isfinite(fitted.history_[:, "train_loss"]).all()
    assert len(fitted.search_history_) == 2
    assert max(fitted.search_history_[:, "valid_r"]) > 0.5
    assert fitted.history_ is fitted.net_.history


# What of a new recording matters


def test_withheld_signals_have_no_influence(fitted, coupled):
    raw = coupled[3]
    expected = fitted.predict([raw], regions="B")[0].get_data()
    for value in (0.0, np.nan, 1e3):
        changed = raw.copy()
        changed._data[2:4, 500:] = value
        found = fitted.predict([changed], regions="B")[0].get_data()
        assert_array_equal(found, expected)


@pytest.mark.parametrize("value", [0.0, 5.0, np.nan, "noise"])
def test_asked_by_region_nothing_is_looked_at(asked_by_region, coupled, value):
    expected = asked_by_region.predict(coupled[3:], regions="B")[0].get_data()
    changed = coupled[3].copy()
    if value == "noise":
        value = np.random.default_rng(0).standard_normal((2, changed.n_times))
    changed._data[2:4] = value
    found = asked_by_region.predict([changed], regions="B")[0].get_data()
    assert_array_equal(found, expected)


def test_asked_by_region(asked_by_region, coupled):
    assert asked_by_region.score(coupled[3:]) > 0.7
    # channels of a region are asked for alike, and have the scale of its training
    data = asked_by_region.predict(coupled[3:])[0].get_data()
    assert_allclose(data[::2], data[1::2])
    first = [raw.get_data()[:, :500].std(axis=1) for raw in coupled[:3]]
    for row, region in enumerate("ABCD"):
        of_region = [scale[2 * row : 2 * row + 2] for scale in first]
        expected = np.exp(np.log(of_region).mean())
        assert asked_by_region.region_summary_.scales[region] == pytest.approx(expected)


def test_asked_by_unknown_region(asked_by_region, make_coupled):
    raw = make_coupled("sub-9", "AB")
    mf.set_regions(raw, {"B1": "X", "B2": "X"})
    with pytest.raises(ValueError, match="'X' was not in training.*query='region'"):
        asked_by_region.predict([raw])
    assert len(asked_by_region.predict([raw], regions="A")) == 1


def test_equivariant_to_channel_order(fitted, coupled):
    expected = fitted.predict(coupled[3:])[0].get_data()
    order = np.random.default_rng(0).permutation(8)
    names = [coupled[3].ch_names[i] for i in order]
    permuted = coupled[3].copy().reorder_channels(names)
    found = fitted.predict([permuted])[0].get_data()
    assert_allclose(found, expected[order], atol=1e-5 * np.abs(expected).max())
    features = [fitted.transform([raw])[0] for raw in (permuted, coupled[3])]
    assert_allclose(*features, atol=1e-5)


def test_adaptation_is_equivariant_to_channel_order(fitted, coupled):
    order = [3, 0, 7, 5, 1, 2, 6, 4]
    permuted = coupled[3].copy()
    permuted.reorder_channels([permuted.ch_names[i] for i in order])
    expected, found = (
        fitted.adapt([raw]).predict([raw], regions="B")[0].get_data()
        for raw in (coupled[3], permuted)
    )
    assert_allclose(found, expected[order], atol=1e-5 * np.abs(expected).max())


def test_same_call_same_bits(fitted, coupled):
    first, again = (fitted.predict(coupled[3:])[0].get_data() for _ in range(2))
    assert_array_equal(first, again)
    assert_array_equal(*(fitted.transform(coupled[3:])[0] for _ in range(2)))


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_size_of_batches_does_not_matter(fitted, coupled, chunk, monkeypatch):
    (expected,), (features,) = (
        fitted.predict(coupled[3:]),
        fitted.transform(coupled[3:]),
    )
    monkeypatch.setattr(predictors, "CHUNK", chunk)
    monkeypatch.setattr(region_reconstructor, "CHUNK", chunk)
    (found,), (others,) = fitted.predict(coupled[3:]), fitted.transform(coupled[3:])
    largest = np.abs(expected.get_data()).max()
    assert_allclose(found.get_data(), expected.get_data(), atol=1e-5 * largest)
    assert_allclose(others, features, atol=1e-5)


def test_stored_values():
    """Of version 0.1 on coupled simulations."""
    X = mf.simulate_recordings(3, 1, 12.0, sfreq=400.0, n_channels=1, coupling=0.8)
    X = [raw.resample(100.0, verbose="error") for raw in X]
    rec = make_rec(identity_duration=4.0, max_epochs=3, n_latents=8).fit(X[:2])
    frame = rec.evaluate(X[2:])
    assert frame["r"].mean() == pytest.approx(0.6356, abs=5e-3)
    assert frame["nmse"].mean() == pytest.approx(0.6138, abs=5e-3)


def test_recordings_do_not_influence_one_another(fitted, coupled, make_coupled):
    X = [coupled[3], make_coupled("sub-8", "BD", n_channels=3)]
    for together, raw in zip(fitted.predict(X), X, strict=True):
        assert_array_equal(together.get_data(), fitted.predict(raw)[0].get_data())


def test_scale_of_a_source_has_no_influence(fitted, coupled):
    expected = fitted.predict(coupled[3:], regions="B")[0].get_data()[2:4]
    louder = coupled[3].copy()
    louder._data[4] *= 1000
    found = fitted.predict([louder], regions="B")[0].get_data()[2:4]
    assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_channels_of_training_are_known(fitted, make_coupled, coupled):
    later = make_coupled("sub-1", seed=77)
    known = fitted.predict([later])[0].get_data()
    expected = fitted.predict([later], reference=[coupled[1]])[0].get_data()
    assert_allclose(known, expected, atol=1e-5 * np.abs(expected).max())
    frame = fitted.evaluate([later], reference=[coupled[1]])
    assert_allclose(fitted.evaluate([later])["r"], frame["r"], atol=1e-5)
    # a new channel among them makes them all unknown
    mne.rename_channels(later.info, {"A1": "A9"})
    mf.set_regions(later, {"A9": "A"})
    assert len(fitted.evaluate([later])) == 8


def test_channels_that_were_not_in_training(fitted, make_coupled):
    raw = make_coupled("sub-9", "DBCA", n_channels=5)
    frame = fitted.evaluate([raw])
    assert len(frame) == 20
    assert (frame["r"] > 0.7).all()


def test_region_that_was_not_in_training(fitted, make_coupled):
    raw = make_coupled("sub-9", "ABC")
    mf.set_regions(raw, {"C1": "elsewhere", "C2": "elsewhere"})
    frame = fitted.evaluate([raw])
    assert np.isfinite(frame["r"]).all()


def test_epochs(fitted, coupled):
    epochs = make_epochs(coupled[3])
    (found,) = fitted.predict([epochs])
    assert isinstance(found, mne.BaseEpochs)
    assert found.get_data().shape == (20, 8, 100)
    assert fitted.score([epochs]) > 0.7


def test_fit_on_epochs(X):
    rec = make_rec(window=0.5).fit([make_epochs(raw) for raw in X[:3]])
    assert rec.n_times_ == 50
    assert rec.score([make_epochs(X[3])]) > 0.4
    assert rec.score(X[3:]) > 0.4


# Adaptation


def flip(raw, ch_names):
    raw = raw.copy()
    rows = [raw.ch_names.index(ch_name) for ch_name in ch_names]
    raw._data[rows] *= -1
    return raw


def test_adapt_learns_signs(fitted, coupled):
    raw = flip(coupled[3], ["A1", "B2", "C1", "D1"])
    first, rest = raw.copy().crop(0, 10, include_tmax=False), raw.copy().crop(10)
    before = fitted.score([rest])
    adapted = fitted.adapt([first])
    assert adapted.score([rest]) > max(before + 0.2, 0.6)
    # it is a copy
    assert fitted.score([rest]) == before
    assert adapted.net_ is fitted.net_


def test_adapted_by_more_is_better(fitted, coupled):
    raw = flip(coupled[3], ["A1", "B2", "C1", "D1"])
    rest = raw.copy().crop(12)
    scores = [
        fitted.adapt([raw.copy().crop(0, seconds)]).score([rest])
        for seconds in (2.0, 12.0)
    ]
    assert scores[1] > scores[0]


def test_adapted_twice(fitted, coupled):
    raw = flip(coupled[3], ["A1", "B2", "C1", "D1"])
    first, second = (raw.copy().crop(t, t + 5, include_tmax=False) for t in (0, 5))
    rest = raw.copy().crop(10)
    together = fitted.adapt([first, second]).evaluate([rest])
    one_by_one = fitted.adapt([first]).adapt([second])
    assert one_by_one.evaluate([rest]).equals(together)
    # what is told of some channels takes nothing from the others
    fewer = second.copy().drop_channels(["D2"])
    again = fitted.adapt([first]).adapt([fewer])
    assert again.evaluate([rest]).equals(fitted.adapt([first]).evaluate([rest]))


def test_adapted_to_a_reference(fitted, coupled):
    raw = flip(coupled[3], ["A1", "B2", "C1", "D1"])
    first, second = (raw.copy().crop(t, t + 5, include_tmax=False) for t in (0, 5))
    rest = raw.copy().crop(10)
    found = fitted.adapt([first]).evaluate([rest], reference=[second])
    assert found.equals(fitted.adapt([second]).evaluate([rest]))
    assert not found.equals(fitted.evaluate([rest], reference=[second]))


def test_others_stay_as_they_were(fitted, coupled, make_coupled):
    adapted = fitted.adapt(coupled[3:])
    other = make_coupled("sub-9")
    expected = fitted.predict([other, coupled[0]])
    for found, known in zip(
        adapted.predict([other, coupled[0]]), expected, strict=True
    ):
        assert_array_equal(found.get_data(), known.get_data())


def test_adapt_needs_subjects_and_channels(fitted, asked_by_region, coupled):
    anonymous = coupled[3].copy()
    anonymous.info["subject_info"] = None
    with pytest.raises(ValueError, match="No subject id"):
        fitted.adapt([anonymous])
    with pytest.raises(ValueError, match="adapt needs query='channel'"):
        asked_by_region.adapt(coupled[3:])
    with pytest.raises(NotFittedError):
        make_rec().adapt(coupled[3:])


# Seeds and state


def predict_in_many_ways(rec, X):
    Y = rec.predict(X) + rec.adapt([flip(X[0], ["A1"])]).predict(X)
    return np.array([raw.get_data() for raw in Y])


def test_seed_alone_decides(X):
    found = []
    for seed, state in [(0, 3), (0, 4), (1, 3)]:
        torch.manual_seed(state)
        states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        rec = make_rec(random_state=seed).fit(X[:2])
        found.append(predict_in_many_ways(rec, X[3:]))
        rec.evaluate(X[3:])
        # no global random state is touched
        assert torch.equal(torch.get_rng_state(), states[0])
        assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert_array_equal(found[0], found[1])
    assert not np.allclose(found[0][0], found[2][0], atol=1e-8)


def test_inputs_are_not_changed(X):
    before = [raw.copy() for raw in X]
    for raw in X:
        raw._data.flags.writeable = False
    rec = make_rec().fit(X[:3])
    rec.predict(X)
    rec.adapt(X[3:]).evaluate(X)
    for raw, expected in zip(X, before, strict=True):
        assert_array_equal(raw.get_data(), expected.get_data())
        assert raw.annotations == expected.annotations
        assert mne.utils.object_diff(raw.info, expected.info) == ""


def test_clone_and_pickle(fitted, coupled):
    rec = clone(fitted)
    assert rec.get_params(deep=False) == fitted.get_params(deep=False)
    with pytest.raises(NotFittedError):
        rec.predict(coupled[3:])
    loaded = pickle.loads(pickle.dumps(fitted))
    expected = fitted.predict(coupled[3:])[0].get_data()
    assert_array_equal(loaded.predict(coupled[3:])[0].get_data(), expected)


def test_parameters_are_kept_as_given(X):
    identity = OddIdentity()
    rec = make_rec(identity, target_regions=["A", "B"], picks=["seeg"])
    params = dict(rec.get_params(deep=False))
    rec.fit(X[:2])
    for name, value in rec.get_params(deep=False).items():
        assert value is params[name]
    assert not hasattr(identity, "region_")
    assert rec.get_params()["identity__wrong"] is None


@pytest.mark.parametrize(
    "params",
    [
        {"query": "chanel"},
        {"window": 0},
        {"identity_duration": -1.0},
        {"validation": "subjects"},
        {"n_latents": 0},
        {"max_epochs": 0},
        {"batch_size": 2.5},
        {"lr": 0.0},
        {"patience": None},
        {"target_regions": "A"},
        {"net_params": ["lr"]},
        {"random_state": "a"},
    ],
)
def test_invalid_parameters(params, X):
    with pytest.raises(ValueError, match=f"The '{next(iter(params))}' parameter"):
        make_rec(**params).fit(X)


def test_no_cuda(X, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device='cuda' .*no CUDA"):
        make_rec(device="cuda").fit(X)


# With scikit-learn


def test_cross_validation_in_a_pipeline(X):
    groups = mf.get_subjects(X)
    pipeline = make_pipeline(
        mf.RecordingPreprocessor(l_freq=1, h_freq=20, sfreq=50), make_rec()
    )
    scores = cross_val_score(pipeline, X, groups=groups, cv=GroupKFold(2))
    assert scores.shape == (2,)
    assert (scores > 0.3).all()
    pipeline.fit(X[:2])
    assert pipeline[-1].sfreq_ == 50.0
    assert pipeline.score(X[2:]) > 0.3


def test_grid_search_over_identities(X):
    search = GridSearchCV(
        make_rec(), {"identity": ["region", "none"]}, cv=GroupKFold(2)
    ).fit(X, groups=mf.get_subjects(X))
    region, none = search.cv_results_["mean_test_score"]
    assert region > none + 0.2
    assert search.best_params_ == {"identity": "region"}
    assert search.predict(X[:1])[0].get_data().shape == (3, 1200)


def test_regions_as_y(X):
    expected = make_rec().fit(X[:2]).predict(X[3:])[0].get_data()
    bare = [strip_regions(raw) for raw in X]
    y = [mf.get_regions(raw) for raw in X]
    rec = make_rec().fit(bare[:2], y[:2])
    assert_array_equal(rec.predict(X[3:])[0].get_data(), expected)
    assert rec.score(bare[3:], y[3:]) == rec.score(X[3:])
    with pytest.raises(ValueError, match="'sub-3'.*Call set_regions"):
        rec.predict(bare[3:])


# What it is given


@pytest.mark.parametrize(
    "identity",
    [
        "anatomical",
        "channel",
        "random",
        "none",
        IdentityUnion(["region", "random"]),
        OddIdentity(),
    ],
)
def test_identities(identity, X):
    rec = make_rec(identity).fit(place(X)[:2])
    data = rec.predict(X[3:])[0].get_data()
    assert np.isfinite(data).all()
    assert (data.std(axis=1) > 0).all()
    assert rec.identity_ is not identity


@pytest.mark.filterwarnings("ignore:The embedding has collapsed")
def test_functional_identity(coupled):
    rec = make_rec("functional", max_epochs=2, identity_duration=5.0)
    rec.fit(coupled[:3])
    assert isinstance(rec.identity_, FunctionalEmbedder)
    assert rec.identity_.duration == 2.5
    frozen = make_rec(FrozenEstimator(rec.identity_), identity_duration=5.0)
    frozen.fit(coupled[:2])
    assert frozen.identity_.estimator is rec.identity_
    # the signal of a withheld channel after its first seconds tells nothing
    for found in (rec, frozen):
        changed = coupled[3].copy()
        changed._data[2:4, 500:] *= -3
        expected = found.predict(coupled[3:], regions="B")[0].get_data()
        data = found.predict([changed], regions="B")[0].get_data()
        assert_array_equal(data, expected)
        # its first seconds tell what it is
        changed._data[2:4, :500] = np.random.default_rng(0).standard_normal((2, 500))
        data = found.predict([changed], regions="B")[0].get_data()
        assert not np.allclose(data, expected)


@pytest.mark.filterwarnings("ignore:The embedding has collapsed")
@pytest.mark.parametrize(("length", "expected"), [(1.0, 1.0), (4.0, 2.0)])
def test_functional_identity_of_epochs(coupled, length, expected):
    epochs = [make_epochs(raw, length) for raw in coupled]
    rec = make_rec("functional", identity_duration=4.0).fit(epochs[:3])
    assert rec.identity_.duration == expected
    assert np.isfinite(rec.score(epochs[3:]))


def test_target_regions(X):
    log = Log()
    rec = make_rec(target_regions=["C", "A"], callbacks=[("log", log)]).fit(X[:3])
    for given in log.given:
        assert {tuple(regions) for _, regions in given.items} == {("C", "A")}
    assert rec.predict(X[3:], regions="B")[0].get_data().shape == (3, 1200)
    assert rec.regions_.tolist() == ["A", "B", "C"]


@pytest.mark.parametrize("query", ["channel", "region"])
def test_query_in_training(X, query):
    log = Log()
    rec = make_rec("random", query=query, callbacks=[("log", log)]).fit(X[:2])
    studies = log.given[-1].studies
    of_region = np.mean([study.mean_identity() for study in studies], axis=0)
    for region, expected in zip("ABC", of_region, strict=True):
        assert_allclose(rec.region_summary_.queries[region], expected, atol=1e-6)
    for study, (given, _) in zip(studies, log.given[-1], strict=True):
        assert_array_equal(given["identity"], study.identity)
        assert given["is_source"].tolist() == (~np.eye(3, dtype=bool)).tolist()
        assert given["targets"].tolist() == [[0], [1], [2]]
        if query == "region":
            assert_allclose(given["asked"][:, 0], of_region, atol=1e-6)
        else:
            assert "asked" not in given


def test_validation(make_coupled):
    X = [make_coupled(f"sub-{i}", "ABC", n_channels=1, duration=12) for i in range(5)]
    n_recordings, seconds = {}, {}
    for validation in ("recordings", "time"):
        log = Log()
        make_rec(validation=validation, callbacks=[("log", log)]).fit(X)
        n_recordings[validation] = [len(given.studies) for given in log.given]
        seconds[validation] = [given.studies[0].parts[0][1] for given in log.given]
    assert n_recordings == {"recordings": [4, 5], "time": [5, 5]}
    assert seconds == {"recordings": [12, 12], "time": [10, 12]}


class MeanIdentity(TransformerMixin, BaseEstimator):
    """The mean of each channel's seconds that it is given, and its own number."""

    def fit(self, X, y=None):
        self.is_fitted_ = True
        return self

    def transform(self, X):
        return [
            np.stack([raw.get_data().mean(axis=1) * 1e6, np.arange(3)], axis=1)
            for raw in X
        ]


def test_training_knows_channels_by_pieces(X):
    X[0]._data += np.repeat([0, 1, 2, 3, 4, 5], 200) * 1e-4  # of 2 s each
    log = Log()
    rec = make_rec(MeanIdentity(), callbacks=[("log", log)]).fit(X)
    (study,) = [one for one in log.given[-1].studies if one.subject == "sub-0"]
    assert len(study.views) == 4
    scaled = rec.scaled_identity_
    views = np.array(study.views) * scaled.scale + scaled.mean
    level = views[:, :, 0].round(-2)
    assert_array_equal(level, np.array([0, 200, 300, 500])[:, None].repeat(3, axis=1))
    # one of them is drawn each time; what is held out is known by the first
    drawn = {
        float(given["identity"][0, 0])
        for _ in range(50)
        for given, _ in [log.given[-1][0]]
    }
    assert drawn == {float(view[0, 0]) for view in study.views}
    assert_array_equal(study.identity, study.views[0])
    means = [np.mean(one.views, axis=0)[0] for one in log.given[-1].studies]
    assert_allclose(rec.region_summary_.identities["A"], means, rtol=1e-5)


def test_later_times_are_predicted_for_known_channels(X):
    log = Log()
    rec = make_rec(MeanIdentity(), validation="time", callbacks=[("log", log)]).fit(X)
    for study in log.given[-1].studies:
        assert study.views == ()
        (known,) = rec.known_[study.subject]
        assert_array_equal(study.identity, known.identity)
        assert_array_equal(study.scale, known.scale)


def test_transformer_stands_beside_the_final_linear_path(coupled, monkeypatch):
    monkeypatch.setattr(networks, "MIN_GAIN", -1.0)
    rec = make_rec(max_epochs=2).fit(coupled)
    final = rec.net_.module_.state_dict()
    beside = rec.residual_net_.module_.linear.state_dict()
    for name, values in final.items():
        assert_array_equal(beside[name], values)
    # for as many epochs as served what was held out, and now on all
    assert len(rec.residual_net_.history) <= MixedTransformer.RECIPE["max_epochs"]
    assert "valid_r" not in rec.residual_net_.history[-1]


def test_transformer_that_adds_too_little_is_dropped(coupled, monkeypatch):
    monkeypatch.setattr(networks, "MIN_GAIN", 1.0)
    rec = make_rec(max_epochs=2).fit(coupled)
    assert rec.residual_net_ is None
    assert set(rec.valid_r_) == {"linear", "mixed"}


@pytest.mark.parametrize("architecture", ["mixed", "transformer"])
def test_training_that_diverges(X, architecture):
    rec = make_rec(architecture=architecture, lr=1e30, max_epochs=3)
    with pytest.raises(RuntimeError, match="The training diverged.*Lower lr"):
        rec.fit(X[:3])


@pytest.mark.parametrize("window", [3.0, 6.0])
def test_few_windows(X, window):
    rec = make_rec(window=window).fit(X[:3])
    assert np.isfinite(rec.score(X[3:]))


def leave_unlabelled(raw, ch_names):
    regions = {n: r for n, r in mf.get_regions(raw).items() if n not in ch_names}
    return mf.set_regions(strip_regions(raw), regions)


@pytest.mark.filterwarnings("ignore:The embedding has collapsed")
@pytest.mark.parametrize("identity", ["functional", "anatomical"])
def test_channels_without_a_region_take_no_part(make_coupled, identity):
    X = place([make_coupled(f"sub-{i}", duration=12.0) for i in range(4)])
    clean = [raw.copy().drop_channels(["B2"]) for raw in X]
    for raw in X:
        raw._data[3, :600] = 0.0
        raw.info["chs"][3]["loc"][:3] = np.nan
    X = [leave_unlabelled(raw, ["B2"]) for raw in X]
    before = X[3].get_data()
    found = make_rec(identity).fit(X[:3]).predict(X[3:])[0]
    expected = make_rec(identity).fit(clean[:3]).predict(clean[3:])[0]
    assert_array_equal(found.get_data(picks=clean[3].ch_names), expected.get_data())
    assert_array_equal(found.get_data(picks=["B2"])[0], before[3])
    assert_array_equal(X[3].get_data(), before)
    assert X[0].ch_names == found.ch_names


def test_random_identity_needs_subjects(X):
    X[1].info["subject_info"] = None
    with (
        pytest.warns(RuntimeWarning, match="No subject id in 1 of 3"),
        pytest.raises(ValueError, match="recording 1 has no subject id, by which"),
    ):
        make_rec("random").fit(X[:3])


@pytest.mark.parametrize("identity", ["channel", IdentityUnion(["none", "channel"])])
def test_numbers_cannot_be_asked_for_by_region(X, identity):
    with pytest.raises(ValueError, match="'channel' numbers the channels"):
        make_rec(identity, query="region").fit(X[:3])


def test_device_of_the_functional_identity(X):
    for identity in ("functional", IdentityUnion(["functional", "region"])):
        made = make_rec(identity, device="cpu")._make_identity(X, 0)
        member = getattr(made, "identities", [made])[0]
        assert member.device == "cpu"


def test_one_subject(X):
    rec = make_rec().fit(X[:1])
    assert rec.score(X[3:]) > 0.3
    frame = rec.evaluate(X[0].copy().crop(6.0))
    assert (frame["r"] > 0.3).all()


def test_single_recording_is_a_list_of_one(X):
    rec = make_rec().fit(X[0])
    expected = rec.predict(X[3:])[0].get_data()
    assert_array_equal(rec.predict(X[3])[0].get_data(), expected)


def test_callbacks_and_net_params_reach_the_net(X):
    log = Log()
    rec = make_rec(
        callbacks=[("log", log)],
        net_params={"optimizer": torch.optim.Adam},
    ).fit(X[:2])
    assert len(log.given) == 2
    assert type(rec.net_.optimizer_) is torch.optim.Adam


def test_training_parameters_reach_the_net(X):
    rec = make_rec(batch_size=3, lr=1e-3, weight_decay=0.5, n_latents=5).fit(X[:2])
    assert rec.net_.batch_size == 3
    assert rec.net_.optimizer_.param_groups[0]["weight_decay"] == 0.5
    assert rec.net_.module_.n_latents == 5


def test_the_best_epoch_is_kept(X):
    rec = make_rec(max_epochs=12, patience=1, lr=0.3).fit(X[:2])
    valid_r = rec.search_history_[:, "valid_r"]
    assert len(valid_r) < 12
    assert rec.n_epochs_ == len(valid_r) - 1 == np.argmax(valid_r) + 1
    assert len(rec.history_) == rec.n_epochs_


# Odd recordings


def test_target_region_that_nobody_has(X):
    with pytest.raises(ValueError, match=r"target_regions names \['X'\].* A, B, C"):
        make_rec(target_regions=["A", "X"]).fit(X)


def test_target_region_that_stands_alone(X):
    X[0].pick(["C1"])
    for raw in X[1:]:
        raw.pick(["A1", "B1"])
    with pytest.raises(ValueError, match="No recording has channels in C and in other"):
        make_rec(target_regions=["C"]).fit(X)


def test_target_region_that_a_single_subject_has(make_coupled):
    X = [
        make_coupled(f"sub-{i}", regions, n_channels=1, duration=8.0)
        for i, regions in enumerate(["ABC", "AB", "AB", "AB", "AB"])
    ]
    log = Log()
    rec = make_rec(target_regions=["C"], callbacks=[("log", log)]).fit(X)
    for given in log.given:
        of_subjects = [given.studies[index].subject for index, _ in given.items]
        assert of_subjects == ["sub-0"]
    assert np.isfinite(rec.search_history_[:, "valid_r"]).all()


def test_recording_with_nothing_but_the_target_region(X):
    X[0].pick(["B1"])
    log = Log()
    rec = make_rec(target_regions=["B"], callbacks=[("log", log)]).fit(X[:3])
    for given in log.given:
        of_subjects = {given.studies[index].subject for index, _ in given.items}
        assert of_subjects == {"sub-1", "sub-2"}
    assert rec.score(X[3:]) > 0.3
    with pytest.raises(ValueError, match=r"'sub-0'\) are in 'B': there is nothing"):
        rec.predict(X)


def test_one_source(X):
    for raw in X:
        raw.pick(["A1", "B1"])
    rec = make_rec().fit(X[:3])
    frame = rec.evaluate(X[3:])
    assert frame["n_sources"].tolist() == [1, 1]
    assert (frame["r"] > 0.3).all()


def test_regions_missing_in_some_recordings(make_coupled):
    X = [
        make_coupled(f"sub-{i}", regions, n_channels=n, duration=12.0)
        for i, (regions, n) in enumerate([("AB", 2), ("CBD", 1), ("DA", 1), ("AB", 1)])
    ]
    log = Log()
    rec = make_rec(callbacks=[("log", log)]).fit(X[:3])
    assert rec.regions_.tolist() == list("ABCD")
    pairs = ["0A", "0B", "1B", "1C", "1D", "2A", "2D"]
    for given in log.given:
        assert [f"{index}{r}" for index, regions in given.items for r in regions] == (
            pairs
        )
    assert rec.score(X[3:]) > 0.2


def test_single_region(X):
    with pytest.raises(ValueError, match="two regions at least, found only 'A'"):
        make_rec().fit([raw.pick(["A1"]) for raw in X])


def test_nothing_to_predict_from_in_any_recording(X):
    with pytest.raises(ValueError, match="in a single region"):
        make_rec().fit([X[0].pick(["A1"]), X[1].pick(["B1"])])


def test_windows_that_are_too_long(X):
    with pytest.raises(ValueError, match="no 13 s .*shorter windows"):
        make_rec(window=13.0).fit(X)
    with pytest.raises(ValueError, match="no 1.5 s .*shorter windows"):
        make_rec(window=1.5).fit([make_epochs(raw) for raw in X])


def test_window_as_long_as_the_recording(X):
    rec = make_rec(window=12.0).fit(X[:3])
    assert rec.search_history_ is None
    assert np.isfinite(rec.evaluate(X[3:], reference=X[3:])["r"]).all()


def test_shortest_windows(X):
    rec = make_rec(window=0.02).fit(X[:2])
    assert rec.n_times_ == 2
    assert rec.score(X[3:]) > 0.2
    with pytest.raises(ValueError, match="too short"):
        make_rec(window=0.01).fit(X[:2])


def test_recordings_shorter_than_what_tells_their_channels(X):
    with pytest.raises(ValueError, match=r"'sub-0'\) has no 20 s .*identity_duration"):
        make_rec(identity_duration=20.0).fit(X)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("length", r"3 components in .*'sub-0'\) and 2 in recording 2 .*'sub-2'"),
        ("nan", r"recording 2 .*'sub-2'\) is not finite for B1\. Check the transform"),
        ("rows", r"recording 2 .*'sub-2'\) have the shape \(2, 3\): expected \(3, n_"),
        ("text", r"recording 2 .*'sub-2'\) must be an array"),
    ],
)
@pytest.mark.parametrize("wrap", [False, True])
def test_odd_identities(X, wrong, message, wrap):
    identity = OddIdentity(wrong)
    if wrap:
        identity = IdentityUnion(["none", identity])
    with pytest.raises(ValueError, match=message):
        make_rec(identity).fit(X[:3])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("length", r"3 components in training and 2 in recording 0 .*'sub-2'"),
        ("nan", r"recording 0 .*'sub-2'\) is not finite for B1\. Check the transform"),
        ("rows", r"recording 0 .*'sub-2'\) have the shape \(2, 3\): expected \(3, n_"),
        ("text", r"recording 0 .*'sub-2'\) must be an array"),
    ],
)
def test_odd_identities_of_new_recordings(X, wrong, message):
    rec = make_rec(OddIdentity()).fit(X[:2])
    rec.identity_.set_params(wrong=wrong)
    with pytest.raises(ValueError, match=message):
        rec.predict(X[2:])


def test_unknown_identity(X):
    with pytest.raises(ValueError, match="identity='anatomic' is unknown"):
        make_rec("anatomic").fit(X)
    with pytest.raises(TypeError, match="a transformer with fit"):
        make_rec(None).fit(X)


def test_rates_differ(fitted, X, coupled):
    X[1].resample(50.0, verbose="error")
    with pytest.raises(ValueError, match=r"100 samples at 100 Hz, as in recording 0"):
        make_rec().fit(X)
    resampled = coupled[3].copy().resample(50.0, verbose="error")
    with pytest.raises(ValueError, match="as in training.*50 samples at 50 Hz"):
        fitted.predict([resampled])


def test_recording_without_regions(fitted, X):
    bare = strip_regions(X[1])
    with pytest.raises(
        ValueError, match=r"recording 1 \(subject 'sub-1'\).*set_regions"
    ):
        fitted.predict([X[0], bare])
    with pytest.raises(ValueError, match="found none.*set_regions"):
        make_rec().fit([bare])


def test_one_recording_without_regions(fitted, X):
    bare = strip_regions(X[1])
    expected = r"No good channel of recording {} \(subject 'sub-1'\) has a region"
    with pytest.raises(ValueError, match=expected.format(1)):
        make_rec().fit([X[0], bare, X[2]])
    with pytest.raises(ValueError, match=expected.format(0)):
        fitted.adapt([bare])


def test_no_recordings(fitted):
    for bad in ([], [np.zeros((3, 100))], "raw.fif"):
        with pytest.raises((TypeError, ValueError), match="X"):
            fitted.predict(bad)


def test_recordings_without_subject(X, coupled):
    for raw in X:
        raw.info["subject_info"] = None
    identity = FunctionalEmbedder(max_epochs=1, duration=2.0)
    with pytest.warns(RuntimeWarning, match="No subject id in 3 of 3") as caught:
        rec = make_rec(identity).fit(X[:3])
    assert len(caught) == 1
    assert rec.known_ == {}
    with pytest.warns(RuntimeWarning, match="No subject id in 2 of 2") as caught:
        assert np.isfinite(rec.score(X[2:]))
    assert len(caught) == 1
    rec.predict(X[3:])
