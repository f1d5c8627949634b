from datetime import UTC, datetime

import mne
import numpy as np
import pytest

from mne_funcmap.subjects import describe, get_subject, get_subjects, shorten_list


def make_raw():
    info = mne.create_info(["LA1", "LA2"], 100.0, "seeg")
    raw = mne.io.RawArray(np.zeros((2, 500)), info, verbose="ERROR")
    return raw.set_meas_date(datetime(2020, 1, 1, 12, tzinfo=UTC))


def make_epochs():
    return mne.make_fixed_length_epochs(make_raw(), 1.0, preload=True)


def make_epochs_array():
    return mne.EpochsArray(np.zeros((3, 2, 100)), make_raw().info)


@pytest.fixture(params=[make_raw, make_epochs, make_epochs_array])
def inst(request):
    return request.param()


def with_subject(inst, subject_info):
    inst.info["subject_info"] = subject_info
    return inst


def test_get_subjects(inst):
    with_subject(inst, {"his_id": "sub-02"})
    subjects = get_subjects([inst, with_subject(inst.copy(), {"his_id": "sub-1"})])
    np.testing.assert_array_equal(subjects, ["sub-02", "sub-1"])
    assert subjects.dtype.kind == "U"
    np.testing.assert_array_equal(get_subjects(inst), ["sub-02"])


@pytest.mark.parametrize("subject_info", [None, {}, {"his_id": ""}, {"his_id": "0"}])
def test_missing_subject(inst, subject_info):
    known = with_subject(inst.copy(), {"his_id": "sub-02"})
    with_subject(inst, subject_info)
    assert get_subject(inst) is None
    with pytest.raises(ValueError, match=r"1 of 2 recordings: recording 1\. .*his_id"):
        get_subjects([known, inst])


def test_anonymized_subject():
    raw = with_subject(make_raw(), {"his_id": "sub-02"}).anonymize()
    with pytest.raises(ValueError, match="anonymizing"):
        get_subjects([raw])


def test_no_recordings():
    with pytest.raises(ValueError, match="empty"):
        get_subjects([])


@pytest.mark.parametrize(
    "bad", ["sub-01_raw.fif", None, np.zeros((2, 3)), [make_raw()]]
)
def test_not_a_recording(bad):
    with pytest.raises(TypeError, match="Expected a recording"):
        get_subjects([bad])


def test_describe(inst):
    assert describe(2, inst) == "recording 2"
    assert describe(None, inst) == "The recording"
    with_subject(inst, {"his_id": "sub-03"})
    assert describe(2, inst) == "recording 2 (subject 'sub-03')"


@pytest.mark.parametrize("make", [make_raw, make_epochs])
def test_describe_names_the_file(make, tmp_path):
    inst = with_subject(make(), {"his_id": "sub-03"})
    is_raw = isinstance(inst, mne.io.BaseRaw)
    name = "test_raw.fif" if is_raw else "test-epo.fif"
    inst.save(tmp_path / name)
    read = mne.io.read_raw_fif if is_raw else mne.read_epochs
    expected = f"recording 0 (subject 'sub-03', file '{name}')"
    assert describe(0, read(tmp_path / name)) == expected


def test_shorten_list():
    assert shorten_list(["a", "b"]) == "a, b"
    assert shorten_list(list("abcdefg"), 3) == "a, b, c and 4 more"
