from itertools import pairwise

import mne
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier

SFREQ = 50.0


def make_raw(subject="sub-1", regions="AABB", *, duration=20.0, first_samp=0, **info):
    """Make a recording whose first channel counts its samples."""
    ch_names = [f"{region}{i + 1}" for i, region in enumerate(regions)]
    data = np.random.default_rng(0).standard_normal(
        (len(regions), round(duration * SFREQ))
    )
    data[0] = np.arange(data.shape[1])
    found = mne.create_info(ch_names, SFREQ, "seeg")
    if subject:
        found["subject_info"] = {"his_id": subject}
    for name, value in info.items():
        found[name] = value
    raw = mne.io.RawArray(data, found, first_samp=first_samp, verbose="error")
    return mf.set_regions(raw, {name: name[0] for name in ch_names if name[0] != "-"})


def make_epochs(raw, *, duration=1.0, overlap=0.0, **params):
    events = mne.make_fixed_length_events(raw, duration=duration - overlap)
    params = {"tmin": 0, "tmax": duration - 1 / SFREQ, "baseline": None} | params
    epochs = mne.Epochs(raw, events, preload=True, verbose="error", **params)
    return mf.set_regions(epochs, mf.get_regions(raw))


def get_counts(part):
    """Return the numbers of the samples of a part; of Epochs one row for each."""
    return part.get_data(picks=[0])[..., 0, :].astype(int)


# Blocks of time


@pytest.mark.parametrize("gap", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("n_blocks", [2, 3, 7])
@pytest.mark.parametrize("first_samp", [0, 333])
def test_blocks_are_in_order_with_gaps_between(n_blocks, gap, first_samp):
    raw = make_raw(first_samp=first_samp)
    parts, groups = mf.cut_blocks([raw, make_raw("sub-2")], n_blocks, gap=gap)
    assert_array_equal(groups, [*range(n_blocks), *range(n_blocks)])
    counts = [get_counts(part) for part in parts[:n_blocks]]
    assert counts[0][0] == 0
    assert counts[-1][-1] == raw.n_times - 1
    for one, after in pairwise(counts):
        assert_array_equal(np.diff(one), 1)
        missing = after[0] - one[-1] - 1
        # whole samples, of which borders between two may cost one more
        assert gap * SFREQ <= missing <= gap * SFREQ + 2
    lengths = [len(one) + gap * SFREQ for one in counts]
    lengths[0] -= gap * SFREQ / 2
    lengths[-1] -= gap * SFREQ / 2
    assert np.ptp(lengths) <= 3


def test_blocks_keep_regions_subject_and_annotations():
    raw = make_raw(first_samp=333)
    raw.annotations.append(raw.first_time + 12.0, 1.0, "BAD_twitch")
    first, second = mf.cut_blocks([raw], 2)[0]
    for part in (first, second):
        assert mf.get_regions(part) == mf.get_regions(raw)
        assert mf.get_subjects([part]) == ["sub-1"]
    assert "BAD_twitch" not in first.annotations.description
    usable = ~np.isnan(second.get_data(picks=[0], reject_by_annotation="NaN")[0])
    assert_array_equal(get_counts(second)[~usable], np.arange(600, 650))


def test_blocks_leave_the_recordings_as_they_are():
    raw, epochs = make_raw(), make_epochs(make_raw())
    before = [one.get_data().copy() for one in (raw, epochs)]
    for one in (raw, epochs):
        mf.cut_blocks([one], 2)[0][0]._data[:] = 0
    for one, data in zip((raw, epochs), before, strict=True):
        assert_array_equal(one.get_data(), data)
    assert len(raw.annotations) == 2


def test_blocks_of_files_are_those_of_their_data(tmp_path):
    raw, epochs = make_raw(first_samp=333), make_epochs(make_raw())
    raw.save(tmp_path / "a_raw.fif", verbose="error")
    epochs.save(tmp_path / "a-epo.fif", verbose="error")
    lazy = [
        mne.io.read_raw_fif(tmp_path / "a_raw.fif", verbose="error"),
        mne.read_epochs(tmp_path / "a-epo.fif", preload=False, verbose="error"),
    ]
    for one, whole in zip(lazy, (raw, epochs), strict=True):
        parts = mf.cut_blocks([one], 2)[0]
        for part, expected in zip(parts, mf.cut_blocks([whole], 2)[0], strict=True):
            assert_allclose(part.get_data(), expected.get_data(), rtol=1e-6)
            assert mf.get_regions(part) == mf.get_regions(whole)
        assert not one.preload


@pytest.mark.parametrize("gap", [0.0, 2.0])
@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_blocks_of_epochs_share_no_sample(overlap, gap):
    epochs = make_epochs(make_raw(), overlap=overlap)
    parts, groups = mf.cut_blocks([epochs], 4, gap=gap)
    assert_array_equal(groups, range(4))
    counts = [get_counts(part) for part in parts]
    for one, after in pairwise(counts):
        assert after.min() - one.max() - 1 >= gap * SFREQ - 1e-6
    # each epoch that crosses no gap is there, and once
    n_left_out = len(epochs) - sum(map(len, parts))
    assert n_left_out == {(0, 0): 0, (0, 2): 6, (0.5, 0): 3, (0.5, 2): 15}[overlap, gap]


def test_epochs_that_end_where_the_next_begin():
    epochs = make_epochs(make_raw(duration=8.1), tmax=1.0)
    one, after = map(get_counts, mf.cut_blocks([epochs], 2, gap=0)[0])
    assert one.max() < after.min()


def test_blocks_of_decimated_and_lazily_dropped_epochs():
    raw = make_raw()
    raw.annotations.append(3.2, 0.1, "BAD_twitch")
    events = mne.make_fixed_length_events(raw, duration=1.0)
    epochs = mne.Epochs(
        raw, events, tmin=0, tmax=0.98, baseline=None, decim=2, verbose="error"
    )
    first, second = mf.cut_blocks([epochs], 2, gap=0)[0]
    assert not epochs._bad_dropped
    assert_array_equal(first.events[:, 0], [0, 50, 100, 200, 250, 300, 350, 400, 450])
    assert_array_equal(second.events[:, 0], np.arange(500, 1000, 50))
    # a gap is in seconds of the clock, whatever the rate
    first, second = mf.cut_blocks([epochs], 2, gap=3.0)[0]
    assert (first.events[-1, 0], second.events[0, 0]) == (350, 600)


@pytest.mark.parametrize("make", [make_raw, lambda: make_epochs(make_raw())])
def test_too_short_for_blocks(make):
    with pytest.raises(ValueError, match=r"recording 1 .* 20 s, too few for 9"):
        mf.cut_blocks([make_raw(duration=60.0), make()], 9, gap=3.0)


def test_blocks_refuse():
    with pytest.raises(ValueError, match="2 at least .* got 1 blocks"):
        mf.cut_blocks([make_raw()], 1)
    with pytest.raises(ValueError, match="gap of -1 s"):
        mf.cut_blocks([make_raw()], gap=-1)
    with pytest.raises(ValueError, match="recording 0 .* has no epochs"):
        mf.cut_blocks([make_epochs(make_raw())[:0]])
    with pytest.raises(TypeError, match="list of recordings"):
        mf.cut_blocks("raw.fif")


def test_groups_of_blocks_are_those_of_scikit_learn():
    X = [make_raw(f"sub-{i}", duration=60.0) for i in range(3)]
    parts, groups = mf.cut_blocks(X, 4)
    for cv in (LeaveOneGroupOut(), GroupKFold(4)):
        splits = list(cv.split(parts, groups=groups))
        assert len(splits) == 4
        for train, test in splits:
            assert set(groups[train]).isdisjoint(groups[test])
            assert sorted(mf.get_subjects([parts[i] for i in test])) == [
                *["sub-0", "sub-1", "sub-2"]
            ]


def test_later_from_earlier():
    parts, groups = mf.cut_blocks([make_raw(), make_raw("sub-2")], 4)
    train, test = (groups < 2).nonzero()[0], (groups >= 2).nonzero()[0]
    latest = max(get_counts(parts[i])[-1] for i in train)
    assert latest < min(get_counts(parts[i])[0] for i in test)


# Channels


def make_cohort():
    """Two subjects; in the second recording of one, channels and regions are missing.

    C is a region of one channel in each.
    """
    full = [make_raw(f"sub-{i}", "AAAAAAAABBBBC") for i in range(2)]
    fewer = make_raw("sub-0", "AAAAAAAABBBBC")
    unlabelled = {name: name[0] for name in fewer.ch_names if name not in ("A1", "A2")}
    fewer.set_annotations(None)
    mf.set_regions(fewer, unlabelled)
    return [full[0], fewer.drop_channels(["A3", "B9"]), full[1]]


@pytest.mark.parametrize("n_parts", [2, 3, 4])
def test_every_nth_channel_of_a_region_is_in_a_part(n_parts):
    X = make_cohort()
    parts, groups = mf.cut_channels(X, n_parts)
    of_part = {}
    for part, group in zip(parts, groups, strict=True):
        subject = mf.get_subjects([part])[0]
        for name in part.ch_names:
            of_part.setdefault((subject, name), set()).add(group)
    # one part for a channel, in all recordings of its subject
    assert {len(found) for found in of_part.values()} == {1}
    for subject in ("sub-0", "sub-1"):
        for names in (X[0].ch_names[:8], X[0].ch_names[8:12]):
            numbers = [min(of_part[subject, name]) for name in names]
            assert_array_equal(np.diff(numbers) % n_parts, 1)


def test_no_channel_is_lost_and_none_is_there_twice():
    X = make_cohort()
    parts, groups = mf.cut_channels(X, 3)
    assert len(parts) == len(groups) == 9
    for index, raw in enumerate(X):
        of_one = parts[3 * index : 3 * index + 3]
        names = [name for part in of_one for name in part.ch_names]
        assert sorted(names) == sorted(raw.ch_names)
        for part in of_one:
            assert_array_equal(part.get_data(), raw.get_data(picks=part.ch_names))
            regions = mf.get_regions(raw)
            kept = {name: regions[name] for name in part.ch_names if name in regions}
            assert mf.get_regions(part) == kept


def test_order_of_channels_does_not_matter():
    parts, _ = mf.cut_channels([make_raw(regions="ABABABAB")], 2)
    assert [sorted(mf.get_regions(part).values()) for part in parts] == [
        list("AABB")
    ] * 2


def test_rare_regions_are_spread_over_parts():
    X = [make_raw(f"sub-{i}", "AAAABC") for i in range(8)]
    parts, groups = mf.cut_channels(X, 4)
    for name in ("B5", "C6"):
        found = [
            group
            for part, group in zip(parts, groups, strict=True)
            if name in part.ch_names
        ]
        assert len(found) == 8
        assert len(set(found)) > 1


def test_parts_without_channels_are_left_out():
    parts, groups = mf.cut_channels([make_raw(regions="AB")], 4)
    assert_array_equal(groups, [0, 1])
    assert [part.ch_names for part in parts] == [["A1"], ["B2"]]


def test_picks_and_bad_channels():
    raw = make_raw(regions="AAAABB")
    raw.info["bads"] = ["A2"]
    parts, _ = mf.cut_channels([raw], 2)
    names = {name for part in parts for name in part.ch_names}
    assert names == set(raw.ch_names) - {"A2"}
    parts, _ = mf.cut_channels([raw], 2, picks=["A1", "B5"])
    assert [part.ch_names for part in parts] == [["A1"], ["B5"]]


def test_y_becomes_the_regions_of_parts():
    X = [make_raw(), make_raw("sub-2")]
    y = [["P", "P", None, "Q"], {"A1": "Q", "B3": "Q"}]
    parts, _ = mf.cut_channels(X, 2, y=y)
    found = {}
    for part in parts:
        found.setdefault(mf.get_subjects([part])[0], {}).update(mf.get_regions(part))
    assert found == {
        "sub-1": {"A1": "P", "A2": "P", "B4": "Q"},
        "sub-2": {"A1": "Q", "B3": "Q"},
    }
    assert mf.get_regions(X[0])["A1"] == "A"


@pytest.mark.parametrize("make", [lambda raw: raw, make_epochs])
def test_parts_can_be_trained_on(make):
    """Also where channels without a region are beside regions that were parted off."""
    X = [make_raw(f"sub-{i}", "AAAABBBB--") for i in range(2)]
    recordings = [make(raw) for raw in X]
    before = [mf.get_regions(recording) for recording in recordings]
    parts, groups = mf.cut_channels(recordings, 2)
    assert [mf.get_regions(recording) for recording in recordings] == before
    train = [part for part, group in zip(parts, groups, strict=True) if group == 0]
    model = SpectralClassifier(classifier="majority", duration=1.0).fit(train)
    assert set(model.classes_) == {"A", "B"}


def test_channels_of_epochs_that_are_not_loaded(tmp_path):
    epochs = make_epochs(make_raw())
    epochs.save(tmp_path / "some_epo.fif", verbose="error")
    lazy = mne.read_epochs(tmp_path / "some_epo.fif", preload=False, verbose="error")
    parts, _ = mf.cut_channels([lazy], 2)
    expected, _ = mf.cut_channels([epochs], 2)
    for part, other in zip(parts, expected, strict=True):
        assert part.ch_names == other.ch_names
        assert mf.get_regions(part) == mf.get_regions(other)
    assert not lazy.preload


def test_channels_refuse():
    with pytest.raises(ValueError, match="2 at least, got 0"):
        mf.cut_channels([make_raw()], 0)
    with pytest.raises(ValueError, match="y has 1 items for 2"):
        mf.cut_channels([make_raw()] * 2, y=[{}])


@pytest.mark.parametrize("cut", [mf.cut_blocks, mf.cut_channels])
def test_parts_of_unknown_subjects_are_of_one(cut):
    X = [make_raw(None), make_raw(None), make_raw("sub-1")]
    with pytest.warns(RuntimeWarning, match="No subject id in 2 of 3 recordings"):
        parts, _ = cut(X, 2)
    expected = np.repeat(["recording 0", "recording 1", "sub-1"], 2)
    assert_array_equal(mf.get_subjects(parts), expected)
    assert not X[0].info["subject_info"]


# Sessions


def test_sessions_of_descriptions_and_files(tmp_path):
    X = [
        make_raw("sub-1", description="ses-02"),
        make_raw("sub-1", description="task-rest_ses-post"),
        make_raw("sub-1", description="task-rest"),
        make_raw("sub-1", description="at night"),
        make_raw("sub-2"),
        make_raw("sub-2"),
    ]
    path = tmp_path / "sub-3_ses-pre_task-rest_raw.fif"
    X[0].save(path, verbose="error")
    X.append(mne.io.read_raw_fif(path, verbose="error"))
    assert mf.get_sessions(X).tolist() == [
        *["ses-02", "ses-post", "task-rest", "recording 4"],
        *["recording 1", "recording 2", "ses-pre"],
    ]


def test_sessions_hold_out_all_of_a_session():
    X = mf.simulate_recordings(n_subjects=2, n_sessions=3, duration=2.0, sfreq=400.0)
    splits = list(LeaveOneGroupOut().split(X, groups=mf.get_sessions(X)))
    assert [test.tolist() for _, test in splits] == [[0, 3], [1, 4], [2, 5]]


def test_sessions_of_unknown_subjects(X):
    for raw in X:
        raw.info["subject_info"] = None
    with pytest.warns(RuntimeWarning, match="No subject id in 4 of 4"):
        assert set(mf.get_sessions(X)) == {"recording 1"}
    for raw in X:
        raw.info["description"] = "ses-02"
    assert set(mf.get_sessions(X)) == {"ses-02"}
