import mne
import numpy as np
import pytest

from mne_funcmap.recordings.channels import (
    check_all_named,
    check_recordings,
    crop_copy,
    find_subjects,
    list_channels,
    pick_channels,
    subjects_known,
    warn_unknown_subjects,
)
from mne_funcmap.regions import set_regions

CH_NAMES = ["LA1", "LA2", "LB1", "EMG", "FZ"]
CH_TYPES = ["seeg", "dbs", "ecog", "misc", "eeg"]
REGIONS = {"LA1": "GPi", "LB1": "STN"}


def make_raw(subject="sub-01", bads=()):
    signals = 1e-6 * np.random.default_rng(0).standard_normal((5, 400))
    info = mne.create_info(CH_NAMES, 200.0, CH_TYPES)
    raw = mne.io.RawArray(signals, info, verbose="error")
    raw.info["bads"] = list(bads)
    raw.info["subject_info"] = {"his_id": subject} if subject else None
    return set_regions(raw, REGIONS)


def make_epochs(subject="sub-01"):
    return mne.make_fixed_length_epochs(
        make_raw(subject), 0.5, preload=True, verbose="error"
    )


@pytest.mark.parametrize("make", [make_raw, make_epochs])
def test_check_recordings(make):
    a, b = make(), make()
    array = np.empty(2, dtype=object)
    array[:] = [a, b]
    for X in ([a, b], (a, b), array):
        checked = check_recordings(X)
        assert checked[0] is a
        assert checked[1] is b
        assert len(checked) == 2
    assert check_recordings(a) == [a]


@pytest.mark.parametrize(
    "bad", ["sub-01_raw.fif", None, {"a": 1}, np.zeros((2, 3)), 3, iter([make_raw()])]
)
def test_not_a_list(bad):
    with pytest.raises(TypeError, match="X must be a list of recordings.*got"):
        check_recordings(bad)


@pytest.mark.parametrize("bad", ["sub-01_raw.fif", None, [1]])
def test_not_a_recording(bad):
    with pytest.raises(TypeError, match=r"Item 1 of X must be .*Read files first"):
        check_recordings([make_raw(), bad])


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x]])
def test_arrays_are_no_recordings(wrap):
    match = r"an array of shape \(2, 3\)\. Make a recording .* mne\.io\.RawArray"
    with pytest.raises(TypeError, match=match):
        check_recordings(wrap(np.zeros((2, 3))))


def test_empty_list():
    with pytest.raises(ValueError, match="empty list"):
        check_recordings([])


def test_find_subjects():
    subjects = find_subjects([make_raw("b"), make_epochs("a"), make_raw("b")])
    np.testing.assert_array_equal(subjects, ["b", "a", "b"])


def test_missing_subjects():
    recordings = [make_raw("b"), make_raw(None), make_epochs("0")]
    assert find_subjects(recordings).tolist() == ["b", "recording 1", "recording 2"]
    with pytest.warns(RuntimeWarning, match="in 2 of 3 recordings.*his_id") as caught:
        warn_unknown_subjects(recordings)
    assert len(caught) == 1


def test_known_subjects(recwarn):
    warn_unknown_subjects([make_raw("b"), make_raw("a")])
    with subjects_known():
        warn_unknown_subjects([make_raw(None)])
    assert len(recwarn) == 0


@pytest.mark.parametrize(
    ("picks", "expected"),
    [
        (None, ["LA1", "LB1", "FZ"]),
        ("seeg", ["LA1"]),
        (["eeg", "seeg"], ["LA1", "FZ"]),
        (("EMG", "LA1"), ["LA1", "EMG"]),
        ("misc", ["EMG"]),
        (["LA2", "ecog"], ["LA2", "LB1"]),
    ],
)
def test_pick_channels(picks, expected):
    raw = make_raw(bads=["LA2"])
    chosen = pick_channels(raw, picks)
    assert [raw.ch_names[index] for index in chosen] == expected


@pytest.mark.parametrize(("picks", "bads"), [("meg", []), (None, CH_NAMES)])
def test_no_channel(picks, bads):
    match = rf"Recording 7 has no good channel.*{len(bads)} of its 5 channels are bad"
    with pytest.raises(ValueError, match=match):
        pick_channels(make_raw(bads=bads), picks, "Recording 7")


def test_no_data_channel_names_the_recording():
    with pytest.raises(ValueError, match=r"recording 1 \(subject 'b'\) has no good"):
        list_channels([make_raw("a"), make_raw("b").pick("misc")])


def test_list_channels():
    channels = list_channels([make_raw("a"), make_epochs("b").drop_channels(["LA1"])])
    np.testing.assert_array_equal(channels.recording, [0, 0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(channels.pick, [0, 1, 2, 4, 0, 1, 3])
    np.testing.assert_array_equal(
        channels.ch_name, ["LA1", "LA2", "LB1", "FZ", "LA2", "LB1", "FZ"]
    )
    expected = ["GPi", None, "STN", None, None, "STN", None]
    assert channels.region.tolist() == expected
    np.testing.assert_array_equal(channels.subject, ["a"] * 4 + ["b"] * 3)
    np.testing.assert_array_equal(
        channels.has_region, [region is not None for region in expected]
    )
    one = channels.of_recording(1)
    np.testing.assert_array_equal(one.recording, [1, 1, 1])
    np.testing.assert_array_equal(one.pick, [0, 1, 3])
    np.testing.assert_array_equal(one.ch_name, ["LA2", "LB1", "FZ"])
    assert one.region.tolist() == [None, "STN", None]
    np.testing.assert_array_equal(one.subject, ["b"] * 3)


@pytest.mark.parametrize(
    "labels",
    [
        {"LA2": "VO", "FZ": "Motor", "EMG": "VIM"},
        {"LA2": "VO", "FZ": "Motor", "LA1": None, "LB1": np.nan},
        [None, "VO", None, "Motor"],
        (np.nan, np.str_("VO"), None, "Motor"),
        np.array([None, "VO", None, "Motor"]),
    ],
)
def test_y_replaces_annotations(labels):
    channels = list_channels([make_raw()], y=[labels])
    assert channels.region.tolist() == [None, "VO", None, "Motor"]
    assert all(type(region) in (str, type(None)) for region in channels.region)


@pytest.mark.parametrize(
    ("y", "error", "match"),
    [
        ([{}, {}], ValueError, "2 items for 1 recordings"),
        ([], ValueError, "0 items for 1 recordings"),
        ({"LA1": "GPi"}, TypeError, "also for a single recording"),
        ("GPi", TypeError, "also for a single recording"),
        (3, TypeError, "got <class 'int'>"),
        (["GPi"], TypeError, r"y of recording 0 \(subject 'sub-01'\).*'GPi'"),
        ([None], TypeError, "y of recording 0"),
        ([{"LA9": "GPi"}], ValueError, "channels it does not have, LA9"),
        ([["GPi", "STN"]], ValueError, "2 regions for 4 channels that take part"),
        ([{"LA1": 3}], TypeError, "channel 'LA1' must be a string.*got 3"),
        ([{"LA1": " "}], TypeError, "channel 'LA1' must be a string"),
        ([["GPi", None, 2.0, None]], TypeError, "channel 'LB1' must be a string"),
    ],
)
def test_bad_y(y, error, match):
    with pytest.raises(error, match=match):
        list_channels([make_raw()], y=y)


def test_check_all_named():
    epochs = make_epochs()
    check_all_named([make_raw(), epochs])
    epochs.rename_channels({"LA1": "X1"})
    with pytest.raises(ValueError, match=r"recording 1 .*X1.*LA1.*set_regions"):
        check_all_named([make_raw(), epochs])
    # the renamed channel does not take part
    check_all_named([epochs], picks="ecog")


def test_cropped_copy(tmp_path):
    raw = make_raw()
    raw.annotations.append(0.2, 0.1, "BAD_twitch")
    before = raw.get_data().copy()
    path = tmp_path / "a_raw.fif"
    raw.save(path, fmt="double", verbose="error")
    for one in (raw, mne.io.read_raw_fif(path, verbose="error")):
        cropped = crop_copy(one, 0.1, 0.4)
        expected = one.copy().crop(0.1, 0.4)
        assert cropped.preload == one.preload
        assert cropped.first_samp == expected.first_samp
        assert cropped.annotations == expected.annotations
        np.testing.assert_array_equal(cropped.get_data(), expected.get_data())
        assert one.times[-1] == raw.times[-1]
    cropped = crop_copy(raw, 0.1, 0.4)
    cropped._data[:] = 0
    np.testing.assert_array_equal(raw.get_data(), before)
