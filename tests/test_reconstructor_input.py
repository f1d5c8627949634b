"""Recordings as they come: partly known, damaged, too short, or not what they seem."""

import mne
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

import mne_funcmap as mf
from mne_funcmap.identity import ChannelIdentity
from mne_funcmap.identity.union import IdentityUnion
from mne_funcmap.reconstructor import MaskedRegionReconstructor


def make_rec(identity="region", **params):
    params = {"identity_duration": 2.0, "max_epochs": 1, "n_latents": 4} | params
    return MaskedRegionReconstructor(identity, **params)


# Channels of which some are known


@pytest.fixture(scope="module")
def signed(make_coupled):
    """Training recordings, and one of a new subject whose polarity is its own."""
    X = [make_coupled(f"sub-{i}", "ABCD", n_channels=2) for i in range(3)]
    new = make_coupled("sub-8", "ABCD", n_channels=2, duration=40.0)
    new._data *= np.array([1, -1, 1, 1, -1, 1, -1, 1])[:, None]
    return X, new


def test_known_channels_stay_known_beside_new_ones(signed):
    X, _ = signed
    rec = make_rec(identity_duration=5.0).fit(
        [raw.copy().drop_channels("D2") for raw in X]
    )
    (study,), (end,) = rec._study_before(X[:1], [X[0].ch_names], None)
    (known,) = rec.known_["sub-0"]
    assert study.ch_names.tolist() == X[0].ch_names
    assert_array_equal(study.scale[:-1], known.scale)
    # what the new one is, the first seconds tell
    assert end == 500
    assert study.scale[-1] == X[0].get_data("D2", stop=500).std()


def test_channels_that_were_not_adapted_to(signed):
    X, new = signed
    rec = make_rec(max_epochs=2, identity_duration=5.0).fit(X)
    adapted = rec.adapt([new.copy().crop(0, 19.99).drop_channels("D2")])
    rest = new.copy().crop(20)
    assert adapted.score([rest.copy().drop_channels("D2")]) > 0.5
    with pytest.warns(RuntimeWarning, match="sub-8.*adapted to it: D2. It is"):
        adapted.score([rest])


# Windows end to end


def test_no_window_is_there_twice(X, make_coupled):
    """Epochs of MNE have one sample more than seconds times rate."""
    epochs = [
        mne.make_fixed_length_epochs(raw, 1.01, preload=True, verbose="error")
        for raw in X
    ]
    rec = make_rec().fit(epochs[:3])
    n_epochs = len(epochs[3])
    assert rec.transform(epochs[3:])[0].shape[0] == n_epochs
    (known,) = rec.adapt(epochs[3:]).known_[mf.get_subjects(epochs)[3]]
    assert sum(seconds for _, seconds in known.parts) == n_epochs


# What is not scored


def test_channels_that_do_not_change_are_not_scored(X):
    """As counts of spikes, which may be zero for less than a window."""
    for raw in X:
        raw.set_channel_types({"B1": "misc"}, verbose="error")
    X[3]._data[1, 1120:] = 0.0
    rec = make_rec(picks=["seeg", "misc"], identity_duration=11.2).fit(X[:3])
    with pytest.warns(RuntimeWarning, match="do not change in the seconds .*: B1"):
        frame = rec.evaluate(X[3:])
    assert frame["ch_name"].tolist() == ["A1", "C1"]
    assert np.isfinite(frame[["r", "nmse", "nrmse", "amplitude_ratio"]]).all(axis=None)


def test_recordings_without_the_region_need_not_be_long(X, make_coupled):
    rec = make_rec().fit(X[:3])
    short = make_coupled("sub-9", "BC", n_channels=1, duration=1.5)
    expected = rec.evaluate(X[3:], regions="A")
    pd.testing.assert_frame_equal(rec.evaluate([*X[3:], short], regions="A"), expected)


@pytest.mark.parametrize("query", ["channel", "region"])
def test_regions_named_twice_are_scored_once(X, query):
    rec = make_rec(query=query).fit(X[:3])
    frame = rec.evaluate(X[3:], regions=["A", "A"])
    assert not frame["ch_name"].duplicated().any()


# What bad input is told


def test_dead_channels_are_named(X):
    dead = [raw.copy() for raw in X]
    dead[0]._data[dead[0].ch_names.index("B1")] = 0
    for identity in ("region", "functional"):
        with pytest.raises(ValueError, match="B1"):
            make_rec(identity).fit(dead[:3])
    rec = make_rec().fit(X[:3])
    dead[3]._data[dead[3].ch_names.index("B1")] = 0
    with pytest.raises(ValueError, match="outside of 'A'.*for so long: B1. Add"):
        rec.evaluate(dead[3:], reference=X[3:])
    with pytest.raises(ValueError, match="B1"):
        rec.transform(dead[3:], reference=X[3:])


def test_dead_channels_of_the_reference_are_named(X):
    dead = X[3].copy()
    dead._data[dead.ch_names.index("B1")] = 0
    with pytest.raises(ValueError, match="In the reference: recording 0.*B1"):
        make_rec().fit(X[:3]).evaluate(X[3:], reference=[dead])


def test_windows_that_no_two_channels_share(X):
    rec = make_rec().fit(X[:3])
    odd = X[3].copy()
    odd._data[0, 600:] = 0
    odd._data[1, :600] = 0
    with pytest.raises(ValueError, match="Each is at times, but not all at once"):
        rec.transform([odd], reference=X[3:])


def test_frozen_channel_numbers_are_not_asked_for_by_region(X):
    frozen = FrozenEstimator(ChannelIdentity().fit(X))
    for identity in (frozen, IdentityUnion([frozen, "region"])):
        with pytest.raises(ValueError, match="numbers the channels"):
            make_rec(identity, query="region").fit(X[:3])


def test_complex_signals(X):
    with pytest.raises(TypeError, match="Item 0 of X has complex signals"):
        make_rec().fit([X[0].copy().apply_hilbert(verbose="error")])


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"target_regions": []}, "target_regions is an empty list"),
        ({"net_params": {"callbacks": []}}, "net_params holds callbacks"),
        (
            {"net_params": {"module__n_latents": 3}},
            "net_params holds module__n_latents",
        ),
        ({"window": 0.01}, "A window of 1 samples at 100 Hz is too short"),
    ],
)
def test_parameters_that_cannot_be(X, params, match):
    with pytest.raises(ValueError, match=match):
        make_rec(**params).fit(X[:3])


def test_regions_that_are_no_names(X):
    with pytest.raises(TypeError, match="regions must be a name or a list"):
        make_rec().fit(X[:3]).predict(X[3:], regions=5)


def test_after_a_failed_fit_it_is_not_fitted(X):
    rec = make_rec(target_regions=["Q"])
    with pytest.raises(ValueError, match="target_regions names"):
        rec.fit(X[:3])
    with pytest.raises(NotFittedError):
        rec.predict(X[3:])


def test_epochs_that_are_not_loaded_may_have_channels_without_a_region(X, tmp_path):
    epochs, unloaded = [], []
    for index, raw in enumerate(X):
        raw.annotations.delete([0])  # the region of A1
        epochs.append(
            mne.make_fixed_length_epochs(raw, 1.0, preload=True, verbose="error")
        )
        epochs[-1].save(tmp_path / f"{index}_epo.fif", fmt="double", verbose="error")
        file = tmp_path / f"{index}_epo.fif"
        unloaded.append(mne.read_epochs(file, preload=False, verbose="error"))
    expected = make_rec().fit(epochs[:3]).evaluate(epochs[3:])
    frame = make_rec().fit(unloaded[:3]).evaluate(unloaded[3:])
    pd.testing.assert_frame_equal(frame, expected)
    assert not any(one.preload for one in unloaded)
    for one in unloaded:
        one._raw[0].fid.close()


def test_predictions_are_not_rounded_to_the_integers_that_were_given(X):
    rec = make_rec().fit(X[:3])
    for raw in X:
        raw._data = np.round(raw._data * 1e6)
    (expected,) = rec.predict(X[3:])
    X[3]._data = X[3]._data.astype(np.int16)
    (predicted,) = rec.predict(X[3:])
    assert_array_equal(predicted.get_data(), expected.get_data())
