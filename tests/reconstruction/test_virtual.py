import mne
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import mne_funcmap as mf
from mne_funcmap.reconstruction.predictions import NOT_PREDICTED
from mne_funcmap.reconstruction.virtual import add_channels, find_centres
from mne_funcmap.reconstructor import MaskedRegionReconstructor


def make_rec(identity="region", **params):
    params = {"identity_duration": 2.0, "max_epochs": 1, "n_latents": 4} | params
    return MaskedRegionReconstructor(identity, **params)


def make_epochs(raw, duration=1.0):
    return mne.make_fixed_length_epochs(raw, duration, preload=True, verbose="error")


@pytest.fixture(scope="module")
def coupled(make_coupled):
    return [make_coupled(f"sub-{i}", duration=12.0) for i in range(4)]


@pytest.fixture(scope="module")
def fitted(coupled):
    return make_rec(max_epochs=2).fit(coupled[:3])


@pytest.fixture
def real(coupled):
    """A recording of a subject that was not trained on."""
    return coupled[3].copy()


def take_away(raw, region):
    return raw.copy().drop_channels([n for n in raw.ch_names if n[0] == region])


def correlate(x, y):
    return np.corrcoef(x, y)[0, 1]


# Virtual channels


@pytest.mark.parametrize("region", list("ABCD"))
def test_region_that_was_not_recorded(fitted, real, region):
    (found,) = fitted.add_region([take_away(real, region)], region)
    (signal,) = found.get_data(picks=[f"{region}-virtual1"])
    truth = real.get_data(picks=[f"{region}1", f"{region}2"])
    for channel in truth:
        assert correlate(signal, channel) > 0.6
        # closer than zero, in volts
        assert np.var(channel - signal) < 0.8 * np.var(channel)
    # of the size of such channels; predictions are smaller than the truth
    ratio = signal.std() / truth.std()
    assert 0.5 < ratio < 2


def test_what_is_added(fitted, real):
    raw = take_away(real, "B")
    (found,) = fitted.add_region([raw], "B")
    assert type(found) is type(raw)
    assert found.ch_names == [*raw.ch_names, "B-virtual1"]
    assert found.get_channel_types() == ["seeg"] * 7
    assert mf.get_regions(found) == mf.get_regions(raw) | {"B-virtual1": "B"}
    assert_array_equal(found.get_data(picks=raw.ch_names), raw.get_data())
    assert_array_equal(found.times, raw.times)
    assert found.info["subject_info"]["his_id"] == "sub-3"


def test_of_the_type_of_the_first_channel(coupled):
    X = [raw.copy() for raw in coupled]
    for raw in X:
        raw.set_channel_types(dict.fromkeys(raw.ch_names, "ecog"), verbose="error")
    (found,) = make_rec().fit(X[:2]).add_region([take_away(X[3], "B")], "B")
    assert found.get_channel_types() == ["ecog"] * 7


def test_first_sample_and_filters_are_kept(fitted, make_coupled):
    raw = make_coupled("sub-9", "ACD", duration=12.0, first_samp=300)
    raw.set_meas_date(1_000_000)
    raw.filter(None, 45.0, verbose="error")
    (found,) = fitted.add_region([raw], "B")
    assert found.first_samp == 300
    assert found.info["lowpass"] == 45.0
    assert found.info["meas_date"] == raw.info["meas_date"]
    onsets = [a["onset"] for a in found.annotations]
    assert_allclose(onsets[: len(raw.annotations)], raw.annotations.onset)


def test_volts_are_of_the_scale_in_training(fitted, coupled, real):
    (expected,) = fitted.add_region([take_away(real, "B")], "B")
    louder = take_away(real, "B")
    louder._data *= 100
    (found,) = fitted.add_region([louder], "B")
    signals = [raw.get_data(picks=["B-virtual1"]) for raw in (expected, found)]
    assert_allclose(*signals, atol=1e-4 * np.abs(signals[0]).max())

    X = [raw.copy() for raw in coupled[:3]]
    for raw in X:
        raw._data[2:4] *= 10
    (found,) = make_rec(max_epochs=2).fit(X).add_region([take_away(real, "B")], "B")
    ratio = found.get_data(picks=["B-virtual1"]) / signals[0]
    assert_allclose(np.median(ratio), 10, rtol=0.02)


def test_when_sources_are_not_usable(fitted, real):
    raw = take_away(real, "B")
    raw.annotations.append(raw.first_time + 4.0, 2.0, "BAD_x", ch_names=[["C1"]])
    (found,) = fitted.add_region([raw], "B", n_channels=2)
    (missing,) = [a for a in found.annotations if a["description"] == NOT_PREDICTED]
    assert missing["ch_names"] == ("B-virtual1", "B-virtual2")
    assert missing["onset"] == pytest.approx(raw.first_time + 4.0)
    assert missing["duration"] == pytest.approx(2.0)
    assert (found.get_data(picks=["B-virtual1"])[0, 400:600] == 0).all()
    epochs = make_epochs(take_away(real, "B"))
    epochs._data[3, 0] = 0.0
    with pytest.raises(
        ValueError, match=r"recording 0 .*epochs .*outside of 'B'.* 3\."
    ):
        fitted.add_region([epochs], "B")
    raw._data[0, ::50] = np.nan
    with pytest.raises(ValueError, match="all 6 channels outside of 'B' are usable"):
        fitted.adapt([real]).add_region([raw], "B")


def test_type_is_that_of_the_sources(fitted, real):
    raw = take_away(real, "B")
    raw.set_channel_types(dict.fromkeys(raw.ch_names, "ecog"), on_unit_change="ignore")
    info = mne.create_info(["STI"], raw.info["sfreq"], "stim")
    trigger = mne.io.RawArray(np.zeros((1, raw.n_times)), info, verbose="error")
    trigger.add_channels([raw], force_update_info=True)
    (found,) = fitted.add_region([mf.set_regions(trigger, mf.get_regions(raw))], "B")
    assert found.get_channel_types(["B-virtual1"]) == ["ecog"]


def test_training_recording_of_nothing_else(make_coupled):
    X = [make_coupled("sub-1", "AB"), make_coupled("sub-2", "A")]
    rec = make_rec().fit(X)
    with pytest.raises(ValueError, match="recording 0 .*'sub-2'.*are in 'A': there is"):
        rec.add_region(X[1:], "A")
    bare = X[1].copy().set_annotations(None)
    for method in (rec.transform, lambda X: rec.add_region(X, "B")):
        with pytest.raises(ValueError, match="No good channel of recording 0 .*region"):
            method([bare])


def test_region_that_was_recorded(fitted, real):
    """Its own channels are not predicted from."""
    (expected,) = fitted.add_region([take_away(real, "B")], "B")
    changed = real.copy()
    changed._data[2:4] = np.random.default_rng(0).standard_normal((2, real.n_times))
    (found,) = fitted.add_region([changed], "B")
    assert len(found.ch_names) == 9
    assert_allclose(
        found.get_data(picks=["B-virtual1"]),
        expected.get_data(picks=["B-virtual1"]),
        rtol=1e-4,
        atol=1e-10,
    )


def test_several_channels(fitted, real):
    raw = take_away(real, "B")
    (found,) = fitted.add_region([raw], "B", n_channels=3)
    names = ["B-virtual1", "B-virtual2", "B-virtual3"]
    assert found.ch_names[6:] == names
    # all channels of a region have one identity here
    data = found.get_data(picks=names)
    (one,) = fitted.add_region([raw], "B")
    expected = one.get_data(picks=names[:1])
    assert_allclose(data, np.tile(expected, (3, 1)), atol=1e-5 * np.abs(expected).max())
    with pytest.raises(ValueError, match="n_channels=7: expected between 1 and 6"):
        fitted.add_region([raw], "B", n_channels=7)
    with pytest.raises(ValueError, match="n_channels=0"):
        fitted.add_region([raw], "B", n_channels=0)


def test_several_channels_differ(coupled, real):
    rec = make_rec("random").fit(coupled[:3])
    (found,) = rec.add_region([take_away(real, "B")], "B", n_channels=2)
    data = found.get_data(picks=["B-virtual1", "B-virtual2"])
    assert not np.allclose(data[0], data[1], atol=1e-3 * data.std())


def test_several_recordings(fitted, real, make_coupled):
    X = [take_away(real, "B"), make_coupled("sub-9", "CA", n_channels=3, duration=8.0)]
    together = fitted.add_region(X, "B")
    assert [len(raw.ch_names) for raw in together] == [7, 7]
    for found, raw in zip(together, X, strict=True):
        (alone,) = fitted.add_region([raw], "B")
        assert_array_equal(found.get_data(), alone.get_data())


def test_epochs(fitted, real):
    epochs = make_epochs(take_away(real, "B"))
    epochs.drop([3], verbose="error")
    (found,) = fitted.add_region([epochs], "B", n_channels=2)
    assert isinstance(found, mne.BaseEpochs)
    assert found.get_data().shape == (11, 8, 100)
    assert_array_equal(found.events, epochs.events)
    assert_array_equal(found.times, epochs.times)
    assert mf.get_regions(found)["B-virtual2"] == "B"
    truth = make_epochs(real).drop([3], verbose="error").get_data(picks=["B1"])
    signal = found.get_data(picks=["B-virtual1"])
    for one, expected in zip(signal, truth, strict=True):
        assert correlate(one[0], expected[0]) > 0.3


def test_virtual_channels_are_sources_of_others(fitted, real):
    (found,) = fitted.add_region([take_away(real, "B")], "B")
    (features,) = fitted.transform([found])
    assert features.shape == (12, 4)
    assert set(fitted.evaluate([found])["region"]) == set("ABCD")


@pytest.mark.parametrize(
    "params", [{"query": "region"}, {"architecture": "transformer"}]
)
def test_other_models(params, coupled, real):
    if "architecture" in params:
        small = {"n_dim": 8, "n_heads": 2, "n_layers": 1, "n_forward": 16}
        params["net_params"] = {f"module__{k}": value for k, value in small.items()}
    rec = make_rec(**params).fit(coupled[:3])
    (found,) = rec.add_region([take_away(real, "B")], "B")
    data = found.get_data(picks=["B-virtual1"])
    assert np.isfinite(data).all()
    assert data.std() > 0


def test_recording_adapted_to(fitted, real):
    """Weights learned by `adapt` are of channels that were recorded."""
    raw = take_away(real, "B")
    expected = fitted.add_region([raw], "B")[0].get_data()[-1]
    found = fitted.adapt([raw]).add_region([raw], "B")[0].get_data()[-1]
    assert correlate(found, expected) > 0.95


def test_unknown_region(fitted, real):
    with pytest.raises(ValueError, match="region='X' was not in training: expected"):
        fitted.add_region([real], "X")


def test_nothing_to_predict_from(fitted, real):
    with pytest.raises(ValueError, match="B"):
        fitted.add_region([real.pick(["B1", "B2"])], "B")


def test_added_twice(fitted, real):
    (once,) = fitted.add_region([take_away(real, "B")], "B")
    with pytest.raises(ValueError, match="B-virtual1"):
        fitted.add_region([once], "B")


@pytest.mark.parametrize("n_channels", [1.5, "2", None])
def test_number_of_channels_that_is_none(fitted, real, n_channels):
    with pytest.raises(TypeError, match="n_channels=.* must be an integer"):
        fitted.add_region([real], "B", n_channels)


def test_region_that_is_no_name(fitted, real):
    with pytest.raises(ValueError, match="was not in training"):
        fitted.add_region([real], ["B"])


def test_names_that_are_taken(fitted, real):
    taken = mf.rename_channels(take_away(real, "B"), {"A1": "B-virtual1"})
    with pytest.raises(ValueError, match="recording 0.*channels B-virtual1 already"):
        fitted.add_region([taken], "B")


def test_inputs_are_not_changed(fitted, real):
    raw = take_away(real, "B")
    before = raw.copy()
    raw._data.flags.writeable = False
    fitted.add_region([raw], "B")
    assert_array_equal(raw.get_data(), before.get_data())
    assert raw.annotations == before.annotations
    assert raw.ch_names == before.ch_names
    assert mne.utils.object_diff(raw.info, before.info) == ""


# Their parts


def test_centre_is_the_mean():
    values = np.random.default_rng(0).standard_normal((7, 3))
    found = find_centres(values, 1)
    assert found.dtype == np.float32
    assert_allclose(found, values.mean(axis=0)[None], atol=1e-6)


def test_centres_of_clusters_by_size():
    near = np.random.default_rng(0).uniform(-0.01, 0.01, (9, 2))
    values = near + np.repeat([[5.0, 0.0], [0.0, 5.0], [-5.0, 0.0]], [2, 4, 3], axis=0)
    found = find_centres(values, 3)
    assert_allclose(found, [[0, 5], [-5, 0], [5, 0]], atol=0.02)
    assert_array_equal(find_centres(values, 3), found)
    each = find_centres(values, 9)
    assert_allclose(np.sort(each, axis=0), np.sort(values, axis=0), atol=1e-6)


def test_centres_of_duplicates():
    values = np.repeat([[1.0, 2.0], [3.0, 4.0]], [3, 1], axis=0)
    assert_array_equal(find_centres(values, 1), [[1.5, 2.5]])
    assert_array_equal(find_centres(values, 3), [[1, 2], [3, 4], [1, 2]])
    assert_array_equal(find_centres(values[:3], 2), [[1, 2]] * 2)


@pytest.mark.parametrize("n_centres", [0, 4, -1])
def test_impossible_number_of_centres(n_centres):
    with pytest.raises(ValueError, match=f"n_channels={n_centres}: expected .* and 3"):
        find_centres(np.eye(3), n_centres)


def test_epochs_end_to_end(real):
    epochs = make_epochs(real)
    volts = np.arange(2 * 1200.0).reshape(2, -1)
    found = add_channels(epochs, ["X1", "X2"], "X", "seeg", volts)
    assert_array_equal(found.get_data(picks=["X2"])[3, 0], volts[1, 300:400])
    raw = add_channels(real, ["X1", "X2"], "X", "seeg", volts)
    assert_array_equal(raw.get_data(picks=["X1", "X2"]), volts)
