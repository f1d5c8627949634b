"""RecordingPreprocessor does what MNE does, on copies, and keeps the regions."""

import pickle

import mne
import numpy as np
import pytest
from mne.filter import notch_filter
from mne.utils import object_diff
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted

from mne_funcmap import preprocessing
from mne_funcmap.preprocessing import RecordingPreprocessor
from mne_funcmap.regions import get_regions, set_regions
from mne_funcmap.subjects import get_subjects

REGIONS = {
    "LA1": "GPi",
    "LA2": "GPi",
    "LA3": "STN",
    "LA5": "STN",
    "LB1": "VO",
    "LB2": "VO",
}
BAND = {"notch": True, "l_freq": 1.0, "h_freq": 90.0, "sfreq": 200.0}


def make_raw(seed=0, sfreq=500.0, duration=10.0, line_freq=50.0):
    """White noise in seven electrodes, one of them bad, and a trigger channel."""
    ch_names = [*REGIONS, "LB3", "STI"]
    info = mne.create_info(ch_names, sfreq, ["seeg"] * 7 + ["stim"])
    info["line_freq"] = line_freq
    info["subject_info"] = {"his_id": f"sub-{seed:02d}"}
    rng = np.random.default_rng(seed)
    data = 1e-5 * rng.standard_normal((8, int(duration * sfreq)))
    data[-1] = 0
    raw = mne.io.RawArray(data, info, first_samp=100, verbose="error")
    positions = 0.01 * rng.standard_normal((7, 3))
    montage = mne.channels.make_dig_montage(
        dict(zip(ch_names[:7], positions, strict=True)), coord_frame="mni_tal"
    )
    raw.set_montage(montage, verbose="error")
    raw.info["bads"] = ["LB3"]
    return set_regions(raw, REGIONS)


def make_epochs(seed=0):
    raw = make_raw(seed, duration=40.0)
    events = np.array([[100 + 5000 * i, 0, 1] for i in range(4)])
    return mne.Epochs(
        raw, events, tmin=0, tmax=9.0, baseline=None, preload=True, verbose="error"
    )


@pytest.fixture(params=[make_raw, make_epochs], ids=["raw", "epochs"])
def recording(request):
    return request.param()


def preprocess(recording, **parameters):
    """Preprocess one recording and make sure that it did not change."""
    before = recording.copy()
    (result,) = RecordingPreprocessor(**parameters).fit_transform([recording])
    assert result is not recording
    assert_array_equal(recording.get_data(), before.get_data())
    assert not object_diff(recording.info, before.info)
    assert get_regions(recording) == get_regions(before)
    return result


def test_nothing_to_do_gives_copies(recording):
    result = preprocess(recording)
    assert type(result) is type(recording)
    assert not np.shares_memory(result._data, recording._data)
    assert_array_equal(result.get_data(), recording.get_data())


def test_band_pass_and_resampling_are_those_of_mne(recording):
    result = preprocess(recording, l_freq=1.0, h_freq=90.0, sfreq=200.0)
    expected = recording.copy().filter(1.0, 90.0).resample(200.0)
    assert_array_equal(result.get_data(), expected.get_data())
    assert result.info["sfreq"] == 200.0
    assert result.info["highpass"] == 1.0
    assert result.info["lowpass"] == 90.0
    assert get_regions(result) == REGIONS


@pytest.mark.parametrize("parameters", [{"l_freq": 2.0}, {"h_freq": 40.0}])
def test_one_sided_filters(recording, parameters):
    result = preprocess(recording, **parameters)
    expected = recording.copy().filter(
        parameters.get("l_freq"), parameters.get("h_freq")
    )
    assert_array_equal(result.get_data(), expected.get_data())


def test_upsampling():
    result = preprocess(make_raw(), sfreq=1000.0)
    assert result.info["sfreq"] == 1000.0
    assert result.n_times == 10_000


def test_notch_removes_the_line_and_its_harmonics():
    raw = make_raw()
    result = preprocess(raw, notch=True)
    expected = raw.copy().notch_filter([50.0, 100.0, 150.0, 200.0])
    assert_array_equal(result.get_data(), expected.get_data())
    assert_array_equal(result.get_data("stim"), raw.get_data("stim"))
    sixty = preprocess(raw, notch=60.0)
    expected = raw.copy().notch_filter([60.0, 120.0, 180.0, 240.0])
    assert_array_equal(sixty.get_data(), expected.get_data())
    assert get_regions(result) == get_regions(sixty) == REGIONS


def test_notch_of_epochs():
    epochs = make_epochs()
    result = preprocess(epochs, notch=True)
    seeg = [*REGIONS, "LB3"]
    expected = notch_filter(epochs.get_data(seeg), 500.0, [50.0, 100.0, 150.0, 200.0])
    assert_array_equal(result.get_data(seeg), expected)
    assert get_regions(result) == REGIONS


@pytest.mark.parametrize(
    ("parameters", "frequencies"),
    [
        ({"h_freq": 100.0}, [50.0, 100.0]),
        ({"h_freq": 45.0}, [50.0]),
        ({"h_freq": 30.0}, []),
        ({"sfreq": 250.0}, [50.0, 100.0]),
        ({"sfreq": 100.0}, []),
        ({"sfreq": 1000.0}, [50.0, 100.0, 150.0, 200.0]),
    ],
)
def test_notches_that_later_steps_make_useless_are_left_out(parameters, frequencies):
    raw = make_raw()
    result = preprocess(raw, notch=True, **parameters)
    expected = raw.copy()
    if frequencies:
        expected.notch_filter(frequencies)
    if "h_freq" in parameters:
        expected.filter(None, parameters["h_freq"])
    else:
        expected.resample(parameters["sfreq"])
    assert_array_equal(result.get_data(), expected.get_data())


def test_a_notch_needs_room_below_nyquist():
    raw = make_raw(sfreq=201.0)
    result = preprocess(raw, notch=True)
    expected = raw.copy().notch_filter([50.0])
    assert_array_equal(result.get_data(), expected.get_data())


def test_line_frequency_missing():
    X = [make_raw(), make_raw(3, line_freq=None)]
    with pytest.raises(ValueError, match=r"recording 1 \(subject 'sub-03'\).*notch=50"):
        RecordingPreprocessor(notch=True).fit(X)
    RecordingPreprocessor(notch=50.0).fit(X)
    RecordingPreprocessor(l_freq=1.0).fit(X)


def test_average_reference(recording):
    result = preprocess(recording, reference="average")
    good = result.get_data(picks=list(REGIONS))
    original = recording.get_data(picks=list(REGIONS))
    assert_allclose(good, original - original.mean(axis=-2, keepdims=True), atol=1e-18)
    assert_array_equal(result.get_data(["LB3"]), recording.get_data(["LB3"]))
    assert result.info["custom_ref_applied"]
    assert get_regions(result) == REGIONS


def test_average_reference_within_each_type():
    raw = make_raw()
    raw.set_channel_types({"LB1": "ecog", "LB2": "ecog"}, on_unit_change="ignore")
    result = preprocess(raw, reference="average")
    for names in (["LA1", "LA2", "LA3", "LA5"], ["LB1", "LB2"]):
        assert_allclose(result.get_data(names).mean(axis=0), 0, atol=1e-18)


def test_named_reference(recording):
    result = preprocess(recording, reference=["LA1", "LA2"])
    expected, _ = mne.set_eeg_reference(recording, ["LA1", "LA2"])
    assert_array_equal(result.get_data(), expected.get_data())
    assert result.info["bads"] == ["LB3"]
    assert get_regions(result) == REGIONS


def test_a_single_reference_channel_becomes_bad(recording):
    result = preprocess(recording, reference="LA5")
    expected, _ = mne.set_eeg_reference(recording, ["LA5"])
    assert_array_equal(result.get_data(), expected.get_data())
    assert result.info["bads"] == ["LB3", "LA5"]
    assert get_regions(result) == REGIONS


def test_bipolar_reference(recording):
    result = preprocess(recording, reference="bipolar")
    # LA4 does not exist, LB3 is bad
    names = ["LA1-LA2", "LA2-LA3", "LB1-LB2"]
    assert sorted(result.ch_names) == sorted(["STI", *names])
    for name in names:
        anode, cathode = name.split("-")
        difference = recording.get_data([anode]) - recording.get_data([cathode])
        assert_allclose(result.get_data([name]), difference, atol=1e-18)
    assert get_regions(result) == {"LA1-LA2": "GPi", "LB1-LB2": "VO"}
    assert set(result.get_channel_types(names)) == {"seeg"}
    assert result.info["subject_info"]["his_id"] == "sub-00"

    old, new = (inst.get_montage().get_positions() for inst in (recording, result))
    assert new["coord_frame"] == "mni_tal"
    middle = (old["ch_pos"]["LB1"] + old["ch_pos"]["LB2"]) / 2
    assert_allclose(new["ch_pos"]["LB1-LB2"], middle, rtol=1e-6)


def test_bipolar_reference_of_an_array_in_a_file(tmp_path):
    raw = make_raw()
    (expected,) = RecordingPreprocessor(reference="bipolar").transform([raw])
    np.save(tmp_path / "data.npy", raw._data)
    before = (tmp_path / "data.npy").read_bytes()
    raw._data = np.load(tmp_path / "data.npy", mmap_mode="r+")
    (found,) = RecordingPreprocessor(reference="bipolar").transform([raw])
    assert_array_equal(found.get_data(), expected.get_data())
    assert (tmp_path / "data.npy").read_bytes() == before


@pytest.mark.parametrize("unit", [1.0, 1e-7])
def test_huge_numbers_are_kept_as_the_largest(tmp_path, unit):
    raw = make_raw()
    raw._cals[:] = unit  # in which files count
    raw._data[6, 100] = 1e300  # of a bad channel
    (kept,) = RecordingPreprocessor(memory=tmp_path).transform([raw])
    assert kept.get_data()[6, 100] == pytest.approx(1e18)


def test_bipolar_pairs_by_number_and_within_a_type():
    raw = make_raw().drop_channels(["LA3", "LA5", "LB3"])
    raw.rename_channels({"LA1": "LA10", "LA2": "LA9"})
    raw.set_channel_types({"LB2": "ecog"}, on_unit_change="ignore")
    result = preprocess(raw, reference="bipolar")
    assert result.ch_names == ["STI", "LA9-LA10"]


def test_bipolar_without_neighbours():
    raw = make_raw().pick(["LA1", "LA3", "LB2"])
    with pytest.raises(ValueError, match=r"recording 0 .*neighbouring"):
        preprocess(raw, reference="bipolar")


def test_all_steps_in_order():
    raw = make_raw()
    result = preprocess(raw, reference="average", **BAND)
    expected, _ = mne.set_eeg_reference(raw, "average")
    expected.notch_filter([50.0]).filter(1.0, 90.0).resample(200.0)
    assert_array_equal(result.get_data(), expected.get_data())
    assert result.info["bads"] == ["LB3"]
    assert_allclose(result.first_time, raw.first_time, atol=1 / 200)


def test_recordings_that_are_not_loaded(tmp_path):
    original = make_raw()
    original.save(tmp_path / "rec_raw.fif", verbose="error")
    raw = mne.io.read_raw(tmp_path / "rec_raw.fif", verbose="error")
    (result,) = RecordingPreprocessor(**BAND).fit_transform([raw])
    assert not raw.preload
    expected = preprocess(raw.copy().load_data(), **BAND)
    assert_array_equal(result.get_data(), expected.get_data())
    assert get_regions(result) == REGIONS


def test_parallel_is_the_same():
    # large enough for joblib to pass the data as read-only memory maps
    X = [make_raw(seed, duration=60.0) for seed in range(2)]
    serial = RecordingPreprocessor(reference="average", **BAND).fit_transform(X)
    parallel = RecordingPreprocessor(
        reference="average", **BAND, n_jobs=2
    ).fit_transform(X)
    for one, other in zip(serial, parallel, strict=True):
        assert_array_equal(one.get_data(), other.get_data())
        assert get_regions(one) == get_regions(other) == REGIONS
        assert other._data.flags.writeable


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, monkeypatch):
    def fail(self, path, fmt):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mne.io.BaseRaw, "save", fail)
    told = r"ecording 0 .*preprocessed, could not .*No space left.*as memory"
    with pytest.raises(OSError, match=told) as caught:
        RecordingPreprocessor(**BAND, memory=tmp_path).transform([make_raw()])
    assert caught.value.filename == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_filters_longer_than_the_data_are_warned_of():
    with pytest.warns(RuntimeWarning, match="filter_length"):
        RecordingPreprocessor(l_freq=1.0).transform([make_raw(duration=1.0)])


class MeanPower(BaseEstimator):
    """Scores a list of recordings by their power, without learning anything."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def score(self, X, y=None):
        return np.mean([raw.get_data("seeg").var() for raw in X])


def test_scikit_learn():
    preprocessor = RecordingPreprocessor(reference=["LA1"], **BAND)
    check_is_fitted(preprocessor)
    assert clone(preprocessor).get_params() == preprocessor.get_params()
    assert clone(preprocessor).set_params(sfreq=100).sfreq == 100

    X = [make_raw(seed // 2) for seed in range(4)]
    pipeline = make_pipeline(RecordingPreprocessor(h_freq=50.0), MeanPower())
    scores = cross_val_score(pipeline, X, groups=get_subjects(X), cv=GroupKFold(2))
    wide = cross_val_score(MeanPower(), X, groups=get_subjects(X), cv=GroupKFold(2))
    assert_allclose(scores / wide, 50 / 250, rtol=0.15)


def test_one_recording_is_a_list_of_one(recording):
    (result,) = RecordingPreprocessor(h_freq=40.0).fit_transform(recording)
    assert_array_equal(result.get_data(), preprocess(recording, h_freq=40.0).get_data())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"h_freq": 250.0}, r"recording 0 \(subject 'sub-00'\).*h_freq.*250"),
        ({"l_freq": 300.0}, r"recording 0 .*l_freq"),
        ({"notch": 250.0}, r"recording 0 .*notch"),
        ({"l_freq": 40.0, "h_freq": 40.0}, "l_freq must be below h_freq"),
        ({"reference": "mastoid"}, r"recording 0 .*mastoid"),
        ({"reference": ["LA1", "M1"]}, r"recording 0 .*M1"),
        ({"reference": 3}, "reference"),
        ({"sfreq": 0}, "sfreq"),
        ({"l_freq": -1.0}, "l_freq"),
        ({"h_freq": "high"}, "h_freq"),
        ({"notch": "yes"}, "notch"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "transform"])
def test_bad_parameters(parameters, message, method):
    with pytest.raises(ValueError, match=message):
        getattr(RecordingPreprocessor(**parameters), method)([make_raw()])


def test_bad_recordings():
    preprocessor = RecordingPreprocessor(h_freq=40.0)
    with pytest.raises(ValueError, match="empty"):
        preprocessor.fit([])
    with pytest.raises(TypeError, match="list of recordings"):
        preprocessor.fit("sub-01_raw.fif")
    with pytest.raises(TypeError, match="sub-01_raw.fif"):
        preprocessor.transform(["sub-01_raw.fif"])


def test_data_that_are_not_finite(recording):
    recording._data[..., 1, 10] = np.nan
    with pytest.raises(ValueError, match=r"recording 0 .*finite in LA2"):
        RecordingPreprocessor(h_freq=40.0).transform([recording])
    recording.info["bads"] += ["LA2"]
    (result,) = RecordingPreprocessor(h_freq=40.0).transform([recording])
    others = [name for name in REGIONS if name != "LA2"]
    assert np.isfinite(result.get_data(picks=others)).all()


def test_no_electrodes():
    raw = make_raw().pick(["STI"])
    with pytest.raises(ValueError, match=r"recording 0 .*nothing to re-reference"):
        RecordingPreprocessor(reference="average").transform([raw])


# Kept on disk


def test_kept_recordings_are_the_same(recording, tmp_path):
    params = {"l_freq": 1.0, "h_freq": 40.0, "sfreq": 100.0, "reference": "average"}
    (expected,) = RecordingPreprocessor(**params).transform([recording])
    keeping = RecordingPreprocessor(**params, memory=tmp_path / "new")
    (kept,) = keeping.transform([recording])
    assert kept.preload == isinstance(recording, mne.BaseEpochs)
    pickle.loads(pickle.dumps(kept))
    assert kept.ch_names == expected.ch_names
    assert get_regions(kept) == get_regions(expected)
    assert kept.info["subject_info"] == expected.info["subject_info"]
    assert_array_equal(kept.times, expected.times)
    assert_allclose(kept.get_data(), expected.get_data(), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("frame", ["mni_tal", "mri", "head"])
@pytest.mark.parametrize("reference", [None, "bipolar"])
def test_kept_recordings_have_the_same_positions(frame, reference, tmp_path):
    raw = make_raw().pick("seeg")
    points = np.random.default_rng(0).uniform(-0.05, 0.05, (len(raw.ch_names), 3))
    montage = mne.channels.make_dig_montage(
        dict(zip(raw.ch_names, points, strict=True)), coord_frame=frame
    )
    raw.set_montage(montage, verbose="error")
    params = {"h_freq": 40.0, "reference": reference}
    (expected,) = RecordingPreprocessor(**params).transform([raw])
    (kept,) = RecordingPreprocessor(**params, memory=tmp_path).transform([raw])
    expected, kept = (inst.get_montage().get_positions() for inst in (expected, kept))
    assert kept["coord_frame"] == expected["coord_frame"] == frame
    for name, position in expected["ch_pos"].items():
        assert_allclose(kept["ch_pos"][name], position, atol=1e-6)


def test_kept_recordings_are_processed_once(tmp_path, monkeypatch):
    raw = make_raw()
    preprocess = RecordingPreprocessor(h_freq=40.0, memory=tmp_path)
    preprocess.transform([raw])
    with monkeypatch.context() as patch:
        patch.setattr(preprocessing, "_preprocess", None)
        preprocess.transform([raw.copy()])
        with pytest.raises(TypeError):
            preprocess.set_params(h_freq=30.0).transform([raw])
        raw._data[0, 7] += 1e-6
        with pytest.raises(TypeError):
            preprocess.set_params(h_freq=40.0).transform([raw])


def test_what_was_cut_off_is_not_taken_for_complete(tmp_path, monkeypatch):
    preprocess = RecordingPreprocessor(h_freq=40.0, memory=tmp_path)
    raw = make_raw()

    def write_some(self, path, **kwargs):
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mne.io.RawArray, "save", write_some)
        with pytest.raises(KeyboardInterrupt):
            preprocess.transform([raw])
    assert list(tmp_path.iterdir()) == []
    (kept,) = preprocess.transform([raw])
    assert len(kept.times) == len(raw.times)


def test_other_conditions_are_not_taken_for_the_same(tmp_path):
    epochs, preprocess = make_epochs(), RecordingPreprocessor(memory=tmp_path)
    preprocess.transform([epochs])
    epochs.events[:, 2] = 5
    epochs.event_id = {"move": 5}
    (kept,) = preprocess.transform([epochs])
    assert kept.event_id == {"move": 5}


def test_names_that_files_cannot_hold(tmp_path):
    raw = make_raw().rename_channels({"LA2": "Lé2"}, verbose="error")
    with pytest.raises(ValueError, match="recording 0 .*cannot hold, Lé2: .*memory"):
        RecordingPreprocessor(h_freq=40.0, memory=tmp_path).transform([raw])
    RecordingPreprocessor(h_freq=40.0).transform([raw])


def test_nothing_left_after_resampling():
    with pytest.raises(ValueError, match="5000 samples at 500 Hz, and 1 afterwards"):
        RecordingPreprocessor(sfreq=0.1).fit([make_raw()])


def test_annotations_that_leave_nothing_to_filter():
    raw = make_raw()
    raw.annotations.append(raw.first_time, 10.0, "EDGE boundary")
    with pytest.raises(ValueError, match="recording 0 .*annotated as 'edge' or"):
        RecordingPreprocessor(h_freq=40.0).transform([raw])
    RecordingPreprocessor(sfreq=250.0).transform([raw])


def test_no_channel_to_filter():
    raw = make_raw().pick(["STI"])
    for parameters in ({"notch": 50.0}, {"h_freq": 40.0}):
        with pytest.raises(ValueError, match=r"recording 0 .*types are \['stim'\]"):
            RecordingPreprocessor(**parameters).transform([raw])
