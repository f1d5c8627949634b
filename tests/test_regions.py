import pickle
from datetime import UTC, datetime
from inspect import signature

import mne
import numpy as np
import pytest
from mne.utils import catch_logging

from mne_funcmap.regions import (
    check_renamed,
    get_regions,
    rename_channels,
    set_regions,
)

CH_NAMES = ["LA1", "LA2", "LB1", "EMG", "LB2"]
CH_TYPES = ["seeg", "seeg", "seeg", "emg", "seeg"]
REGIONS = {"LA1": "GPi", "LA2": "GPi", "LB1": "Area 4/6: région α"}
SFREQ = 200.0
MEAS_DATE = datetime(2020, 1, 1, 12, tzinfo=UTC)


def make_raw(meas_date=None, first_samp=0, n_times=2000):
    signals = 1e-6 * np.random.default_rng(0).standard_normal((5, n_times))
    info = mne.create_info(CH_NAMES, SFREQ, CH_TYPES)
    raw = mne.io.RawArray(signals, info, first_samp=first_samp, verbose="ERROR")
    return raw.set_meas_date(meas_date)


def make_events(raw):
    """Make events every second, from the first sample on."""
    return mne.make_fixed_length_events(raw, duration=1.0)


def make_epochs(raw, **kwargs):
    kwargs = {"tmin": 0, "tmax": 0.5, "baseline": None, "preload": True} | kwargs
    return mne.Epochs(raw, make_events(raw), verbose="ERROR", **kwargs)


def make_late_epochs(raw):
    """Make epochs of the last events, with a baseline."""
    events = make_events(raw)[-3:]
    return mne.Epochs(
        raw, events, tmin=-0.2, tmax=0.4, baseline=(None, 0), preload=True
    )


def make_epochs_array():
    signals = 1e-6 * np.random.default_rng(0).standard_normal((4, 5, 100))
    info = mne.create_info(CH_NAMES, SFREQ, CH_TYPES)
    return mne.EpochsArray(signals, info, tmin=-0.1)


def write_and_read(inst, folder):
    if isinstance(inst, mne.io.BaseRaw):
        inst.save(folder / "test_raw.fif")
        return mne.io.read_raw_fif(folder / "test_raw.fif")
    inst.save(folder / "test-epo.fif")
    return mne.read_epochs(folder / "test-epo.fif")


def is_region(annotations):
    return np.array([text.startswith("region/") for text in annotations.description])


def without(*names):
    return {name: region for name, region in REGIONS.items() if name not in names}


@pytest.fixture(
    params=[(None, 0), (None, 1001), (MEAS_DATE, 0), (MEAS_DATE, 1001)],
    ids=["no date", "no date, late", "date", "date, late"],
)
def raw(request):
    return make_raw(*request.param)


@pytest.fixture(params=[make_raw, make_epochs_array, lambda: make_epochs(make_raw())])
def inst(request):
    return request.param()


# what MNE and Python do to any recording, and the regions expected after it
OPERATIONS = {
    "copy": (lambda inst: inst.copy(), REGIONS),
    "pickle": (lambda inst: pickle.loads(pickle.dumps(inst)), REGIONS),
    "pick": (lambda inst: inst.pick(["LB1", "LA1"]), without("LA2")),
    "pick types": (lambda inst: inst.pick("seeg"), REGIONS),
    "drop": (lambda inst: inst.drop_channels(["LA1", "EMG"]), without("LA1")),
    "reorder": (lambda inst: inst.reorder_channels(CH_NAMES[::-1]), REGIONS),
    "rename": (
        lambda inst: rename_channels(inst, {"LA1": "X", "LB1": "LA1"}),
        {"X": "GPi", "LA2": "GPi", "LA1": REGIONS["LB1"]},
    ),
    "rename by function": (
        lambda inst: rename_channels(inst, str.lower),
        {name.lower(): region for name, region in REGIONS.items()},
    ),
    "resample up": (lambda inst: inst.resample(256), REGIONS),
    "resample down": (lambda inst: inst.resample(90), REGIONS),
    "filter": (lambda inst: inst.filter(None, 40, picks="all"), REGIONS),
    "re-reference": (lambda inst: inst.set_eeg_reference(ch_type="seeg"), REGIONS),
    "crop": (lambda inst: inst.crop(0.1, 0.3), REGIONS),
    "crop the end": (lambda inst: inst.crop(inst.times[-2], None), REGIONS),
    "anonymize": (lambda inst: inst.anonymize(verbose="ERROR"), REGIONS),
}
RAW_OPERATIONS = {
    "rename by MNE": (
        lambda raw: raw.rename_channels({"LA1": "LB1", "LB1": "LA1", "LA2": "X"}),
        {"LA1": REGIONS["LB1"], "X": "GPi", "LB1": "GPi"},
    ),
    "concatenate": (
        lambda raw: mne.concatenate_raws([raw, raw.copy().crop(1, 2)]),
        REGIONS,
    ),
    "concatenate and crop": (
        lambda raw: mne.concatenate_raws([raw, raw.copy()]).crop(12, 13),
        REGIONS,
    ),
    "crop and forget the start": (
        lambda raw: raw.crop(1, 2, reset_first_samp=True),
        REGIONS,
    ),
    "change date": (
        lambda raw: raw.set_meas_date(MEAS_DATE.replace(year=2001)),
        REGIONS,
    ),
    "notch": (lambda raw: raw.notch_filter(50, picks="all"), REGIONS),
    "crop by annotations": (lambda raw: raw.crop_by_annotations()[0], REGIONS),
    "epochs": (make_epochs, REGIONS),
    "epochs, picked": (lambda raw: make_epochs(raw, picks=["LA1"]), {"LA1": "GPi"}),
    "epochs, late": (make_late_epochs, REGIONS),
    "epochs, not loaded": (lambda raw: make_epochs(raw, preload=False), REGIONS),
    "fixed-length epochs": (
        lambda raw: mne.make_fixed_length_epochs(raw, 1.0),
        REGIONS,
    ),
}
EPOCHS_OPERATIONS = {
    "slice": (lambda epochs: epochs[1:3], REGIONS),
    "drop epochs": (lambda epochs: epochs.drop([0, 1]), REGIONS),
    "decimate": (lambda epochs: epochs.decimate(2, verbose="ERROR"), REGIONS),
    "baseline": (lambda epochs: epochs.apply_baseline((None, None)), REGIONS),
}


@pytest.mark.parametrize("preload", [True, False])
@pytest.mark.parametrize("name", OPERATIONS | RAW_OPERATIONS)
def test_regions_follow_raw(name, preload, raw, tmp_path):
    operation, expected = (OPERATIONS | RAW_OPERATIONS)[name]
    knows_reset = "reset_first_samp" in signature(raw.crop).parameters
    if name == "crop and forget the start" and not knows_reset:
        pytest.skip("reset_first_samp came with MNE 1.12")
    if not preload:
        raw = write_and_read(raw, tmp_path)
        if name in ("resample up", "resample down", "filter", "notch", "re-reference"):
            raw.load_data()
    assert get_regions(operation(set_regions(raw, REGIONS))) == expected


@pytest.mark.parametrize("name", OPERATIONS | EPOCHS_OPERATIONS)
@pytest.mark.parametrize("make", [make_epochs, make_late_epochs])
@pytest.mark.parametrize("when", ["raw", "epochs"])
def test_regions_follow_epochs(name, make, when, raw):
    operation, expected = (OPERATIONS | EPOCHS_OPERATIONS)[name]
    if when == "raw":
        epochs = make(set_regions(raw, REGIONS))
    else:
        epochs = set_regions(make(raw), REGIONS)
    assert get_regions(operation(epochs)) == expected


@pytest.mark.parametrize("name", OPERATIONS | EPOCHS_OPERATIONS)
def test_regions_follow_epochs_array(name):
    operation, expected = (OPERATIONS | EPOCHS_OPERATIONS)[name]
    epochs = set_regions(make_epochs_array(), REGIONS)
    assert get_regions(operation(epochs)) == expected


# MNE cannot save unpickled epochs
@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - {"pickle"}))
def test_regions_survive_fif_before_and_after(name, inst, tmp_path):
    operation, expected = OPERATIONS[name]
    inst = write_and_read(set_regions(inst, REGIONS), tmp_path).load_data()
    (tmp_path / "after").mkdir()
    inst = write_and_read(operation(inst), tmp_path / "after")
    assert get_regions(inst) == expected


def test_regions_survive_fif_raw_with_dates(raw, tmp_path):
    raw = write_and_read(set_regions(raw, REGIONS), tmp_path)
    assert get_regions(raw) == REGIONS
    assert get_regions(write_and_read(make_late_epochs(raw), tmp_path)) == REGIONS


def test_set_then_get_is_identity(inst):
    rng = np.random.default_rng(1)
    names = ["STN", "région α", "a/b", "BAD", "edge", "region/x", "a:b;c,d", " x "]
    names += ["{COLON}", "&#65;"]  # what MNE and its FIF files give a meaning
    for _ in range(30):
        channels = rng.permutation(CH_NAMES)[: rng.integers(1, 6)]
        regions = {str(channel): str(rng.choice(names)) for channel in channels}
        fresh = inst.copy()
        assert set_regions(fresh, regions) is fresh
        # spaces around names are none of the name
        assert get_regions(fresh) == {n: text.strip() for n, text in regions.items()}
        assert list(get_regions(fresh)) == [n for n in CH_NAMES if n in regions]
        once = fresh.annotations.copy()
        assert set_regions(fresh, get_regions(fresh)).annotations == once


def test_set_regions_updates(inst):
    set_regions(inst, REGIONS)
    set_regions(inst, {"LA2": "STN", "LB2": "STN"})
    expected = REGIONS | {"LA2": "STN", "LB2": "STN"}
    assert get_regions(inst) == expected
    assert get_regions(set_regions(inst, {})) == expected
    assert len(inst.annotations) == 3


def test_no_regions(inst):
    assert get_regions(inst) == {}
    assert get_regions(set_regions(inst, {})) == {}


@pytest.mark.parametrize("operation", ["set", "crop", "resample", "concatenate"])
def test_annotations_span_the_raw(raw, operation):
    set_regions(raw, REGIONS)
    if operation == "crop":
        raw.crop(1.005, 2.0)
    elif operation == "resample":
        raw.resample(91)
    elif operation == "concatenate":
        raw = mne.concatenate_raws([raw, raw.copy().crop(1, 2)])
    set_regions(raw, {})
    regions = raw.annotations[is_region(raw.annotations)]
    assert len(regions) == 2
    np.testing.assert_array_equal(regions.onset, raw.first_time)
    np.testing.assert_array_equal(regions.duration, raw.times[-1])
    for cropped in raw.crop_by_annotations(regions):
        assert cropped.n_times == raw.n_times


@pytest.mark.parametrize("decim", [1, 4])
@pytest.mark.parametrize("make", [make_epochs, make_late_epochs])
def test_annotations_span_the_epochs(raw, make, decim):
    epochs = make(raw).decimate(decim, verbose="ERROR")
    events = epochs.events[:, 0] / SFREQ
    set_regions(epochs, REGIONS)
    assert epochs.annotations.onset == pytest.approx(events[0] + epochs.tmin)
    end = epochs.annotations.onset + epochs.annotations.duration
    assert end == pytest.approx(events[-1] + epochs.tmax)
    assert [len(found) for found in epochs.get_annotations_per_epoch()] == [2] * len(
        epochs
    )


def test_epochs_none_left():
    epochs = make_epochs_array()
    epochs.drop(range(len(epochs)))
    assert get_regions(set_regions(epochs, REGIONS)) == REGIONS


def test_signals_and_other_annotations_are_untouched(raw):
    raw.annotations.append(
        raw.first_time + np.array([1, 2 + 1e-7, 3]),
        [0.5, 1 / 3, 0],
        ["BAD_x", "stimulus", "note"],
        ch_names=[("LA1",), (), ("LA2", "EMG")],
    )
    others, signals = raw.annotations.copy(), raw.get_data()
    set_regions(raw, REGIONS)
    set_regions(raw, {"LA1": "STN"})
    assert raw.annotations.orig_time == others.orig_time
    assert raw.annotations[~is_region(raw.annotations)] == others
    np.testing.assert_array_equal(raw.get_data(), signals)


def test_regions_neither_split_filters_nor_reject_epochs():
    plain, labelled = make_raw(), set_regions(make_raw(), REGIONS | {"LB2": "BAD"})
    for raw in (plain, labelled):
        raw.filter(5, 40)
    np.testing.assert_array_equal(labelled.get_data(), plain.get_data())
    assert len(make_epochs(labelled)) == len(make_epochs(plain))
    clean = labelled.get_data(reject_by_annotation="omit")
    np.testing.assert_array_equal(clean, plain.get_data())


def test_regions_set_without_loading(tmp_path):
    raw = write_and_read(make_raw(), tmp_path)
    assert not set_regions(raw, REGIONS).preload
    epochs = set_regions(make_epochs(make_raw(), preload=False), REGIONS)
    assert not epochs.preload
    assert get_regions(epochs.load_data()) == REGIONS


def test_concatenated_recordings_with_different_regions():
    first, second = set_regions(make_raw(), REGIONS), make_raw()
    both = mne.concatenate_raws([first.copy(), second.copy()])
    assert get_regions(both) == REGIONS
    set_regions(second, REGIONS | {"LA1": "STN"})
    both = mne.concatenate_raws([first, second])
    with pytest.raises(ValueError, match=r"'LA1' has different.*'GPi', 'STN'"):
        get_regions(both)
    with pytest.raises(ValueError, match="'LA1' has different"):
        set_regions(both, {"LB2": "STN"})
    assert get_regions(set_regions(both, {"LA1": "STN"})) == REGIONS | {"LA1": "STN"}


def test_annotations_made_by_hand(inst):
    annotations = mne.Annotations(
        [0, 0.1], 0.1, ["region/STN", "region/STN"], ch_names=[("LB2", "LA1"), ("LA1",)]
    )
    inst.set_annotations(annotations)
    assert get_regions(inst) == {"LA1": "STN", "LB2": "STN"}


def test_regions_without_channels(inst):
    inst.set_annotations(mne.Annotations([0, 0], 0.2, ["region/a", "region/b"]))
    with pytest.raises(ValueError, match=r"\['a', 'b'\].*call set_regions again"):
        get_regions(inst)
    with pytest.raises(ValueError, match="call set_regions again"):
        check_renamed(inst, CH_NAMES, "recording 0")
    assert get_regions(set_regions(inst, REGIONS)) == REGIONS


def rename_by_mne(epochs):
    return epochs.rename_channels({"LA1": "X"})


def reference_bipolar(epochs):
    return mne.set_bipolar_reference(epochs, ["LA1"], ["LA2"], ch_name="LA1-LA2")


@pytest.mark.parametrize("operation", [rename_by_mne, reference_bipolar])
@pytest.mark.parametrize("make", [make_epochs_array, lambda: make_epochs(make_raw())])
def test_lost_on_epochs(make, operation):
    epochs = set_regions(make(), REGIONS | {"LB2": "STN"})
    check_renamed(epochs, epochs.ch_names[:3], "recording 7")
    epochs = operation(epochs)
    assert "LA1" not in get_regions(epochs)
    good = [name for name in epochs.ch_names if name != "EMG"]
    with pytest.raises(ValueError, match="recording 7 .*LA1.*Call set_regions again"):
        check_renamed(epochs, good, "recording 7")
    set_regions(epochs, {})
    check_renamed(epochs, good, "recording 7")
    assert "LB1" in get_regions(epochs)


def test_lost_on_raw():
    raw = set_regions(make_raw(), REGIONS | {"LB2": "STN"})
    raw = reference_bipolar(raw.load_data())
    good = [name for name in raw.ch_names if name != "EMG"]
    with pytest.raises(
        ValueError, match="recording 7 .*LA1-LA2.*Call set_regions again"
    ):
        check_renamed(raw, good, "recording 7")
    check_renamed(raw, [name for name in good if name != "LA1-LA2"], "recording 7")
    check_renamed(set_regions(raw, {"LA1-LA2": "GPi"}), good, "recording 7")


def test_dropped_channels_are_not_renamed():
    epochs = set_regions(make_epochs_array(), REGIONS).drop_channels(["LA1"])
    check_renamed(epochs, ["LA2", "LB1"], "recording 0")


def test_bipolar_raw_has_no_region():
    raw = set_regions(make_raw(), REGIONS)
    assert get_regions(reference_bipolar(raw)) == without("LA1", "LA2")


def test_lost_by_concatenating_epochs():
    epochs = set_regions(make_epochs_array(), REGIONS)
    with pytest.warns(RuntimeWarning, match="All annotations will be dropped"):
        both = mne.concatenate_epochs([epochs, epochs])
    assert get_regions(both) == {}
    assert get_regions(set_regions(both, REGIONS)) == REGIONS


def test_lost_by_epoching_around_annotations():
    raw = set_regions(make_raw(), REGIONS)
    raw.annotations.append([2, 4], 0, "stimulus")
    epochs = mne.Epochs(raw, event_id="stimulus", tmax=0.1)
    assert get_regions(epochs) == {}
    events, _ = mne.events_from_annotations(raw, regexp=r"(?i)^(?!bad|edge|region/)")
    assert len(events) == 2
    assert get_regions(mne.Epochs(raw, events, tmax=0.1)) == REGIONS


def test_rename_to_the_name_of_a_vanished_channel():
    epochs = set_regions(make_epochs_array(), REGIONS).drop_channels(["LA1"])
    with pytest.raises(ValueError, match="'LA1'.*set_regions"):
        rename_channels(epochs, {"LB2": "LA1"})
    assert epochs.ch_names == CH_NAMES[1:]
    rename_channels(set_regions(epochs, {}), {"LB2": "LA1"})
    assert get_regions(epochs) == without("LA1")


def test_rename_unknown_channel(inst):
    set_regions(inst, REGIONS)
    with pytest.raises(ValueError, match="XX"):
        rename_channels(inst, {"XX": "LA9"})
    assert inst.ch_names == CH_NAMES
    assert get_regions(inst) == REGIONS


def test_rename_keeps_other_annotations_of_channels():
    epochs = make_epochs_array()
    epochs.set_annotations(mne.Annotations(0, 0.1, "BAD", ch_names=[("LA1", "LA2")]))
    rename_channels(epochs, {"LA1": "X"})
    assert list(epochs.annotations.ch_names) == [("X", "LA2")]


@pytest.mark.parametrize(
    ("regions", "error", "message"),
    [
        ({"LA1": "STN", "la1x": "STN"}, ValueError, r"no channels la1x"),
        ({"LA3": "STN"}, ValueError, r"LA3.*did you mean \['LA2', 'LA1'\]"),
        ({3: "STN"}, ValueError, r"no channels 3"),
        ({"LA1": None}, TypeError, r"'LA1' must be a string, got None"),
        ({"LA1": np.nan}, TypeError, r"'LA1' must be a string, got nan"),
        ({"LA1": 3}, TypeError, r"'LA1' must be a string, got 3"),
        ({"LA1": ""}, ValueError, r"region of channel 'LA1' is empty"),
        ({"LA1": "  "}, ValueError, r"region of channel 'LA1' is empty"),
        (["STN"] * 5, TypeError, r"must be a dict"),
        ("STN", TypeError, r"must be a dict"),
    ],
)
def test_set_regions_bad_input(inst, regions, error, message):
    before = set_regions(inst, REGIONS).annotations.copy()
    with pytest.raises(error, match=message):
        set_regions(inst, regions)
    assert inst.annotations == before


@pytest.mark.parametrize(
    "bad", ["sub-01_raw.fif", None, np.zeros((2, 3)), [make_raw()]]
)
@pytest.mark.parametrize(
    "function",
    [
        lambda inst: set_regions(inst, {}),
        get_regions,
        lambda inst: rename_channels(inst, {}),
    ],
)
def test_not_a_recording(function, bad):
    with pytest.raises(TypeError, match="Expected a recording"):
        function(bad)


def test_a_list_is_no_recording():
    with pytest.raises(TypeError, match="Give the recordings of a list one by one"):
        set_regions([make_raw()], REGIONS)


def test_regions_of_channels_that_take_no_part():
    raw = make_raw()
    with catch_logging(verbose="INFO") as log:
        set_regions(raw, REGIONS)
        assert log.getvalue(close=False) == ""
        set_regions(raw, {"EMG": "arm", "LA1": "GPi"})
    assert "not seeg, ecog, dbs, eeg: EMG (emg). They take no part" in log.getvalue()
    assert get_regions(raw)["EMG"] == "arm"


def test_messages_name_the_recording(tmp_path):
    raw = make_raw()
    raw.info["subject_info"] = {"his_id": "sub-03"}
    raw = write_and_read(raw, tmp_path)
    with pytest.raises(ValueError, match=r"subject 'sub-03', file 'test_raw.fif'"):
        set_regions(raw, {"XX": "STN"})
