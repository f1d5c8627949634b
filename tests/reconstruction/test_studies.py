from dataclasses import replace

import numpy as np
import pytest
import torch

from mne_funcmap.nets.mixing import FilterBank
from mne_funcmap.reconstruction.moments import compute_moments, join_parts
from mne_funcmap.reconstruction.studies import (
    append_studies,
    find_channels,
    group_studies,
    study_recording,
    view_study,
)
from mne_funcmap.recordings.channels import list_channels
from mne_funcmap.recordings.labelled import pick_labelled
from mne_funcmap.regions import set_regions

N_TIMES = 100
BANK = FilterBank(100.0, N_TIMES)


@pytest.fixture
def raw(make_coupled):
    return make_coupled("sub-1", "ABC", n_channels=2)


def annotate(raw, onset, duration, description="BAD_x", ch_names=None):
    """Annotate, in seconds from the first sample."""
    raw.annotations.append(raw.first_time + onset, duration, description, ch_names)
    return raw


def study(recording, identity=None, bank=BANK, **kwargs):
    channels = list_channels([recording])
    if identity is None:
        identity = np.arange(2.0 * len(channels.ch_name)).reshape(-1, 2)
    return study_recording(
        recording, channels, 0, identity, n_times=N_TIMES, bank=bank, **kwargs
    )


# What is known of a recording


def test_scale_and_parts(raw):
    found = study(raw)
    data = raw.get_data()
    assert found.subject == "sub-1"
    assert found.ch_names.tolist() == raw.ch_names
    assert found.region.tolist() == list("AABBCC")
    np.testing.assert_allclose(found.mean, data.mean(axis=1))
    np.testing.assert_allclose(found.scale, data.std(axis=1))
    np.testing.assert_array_equal(found.identity[:, 0], [0, 2, 4, 6, 8, 10])
    assert found.identity.dtype == np.float32
    normal = found.normalize(data)
    np.testing.assert_allclose(normal.mean(axis=1), 0, atol=1e-10)
    np.testing.assert_allclose(normal.std(axis=1), 1)
    # until 10 s, until the last fifth, and that
    assert [seconds for _, seconds in found.parts] == [10, 6, 4]
    windows = normal.reshape(6, 20, 100).swapaxes(0, 1).astype(np.float32)
    expected = compute_moments(torch.from_numpy(windows), BANK)
    torch.testing.assert_close(
        join_parts(found.parts)[0], expected, atol=1e-4, rtol=1e-4
    )
    expected = compute_moments(torch.from_numpy(windows[10:16]), BANK)
    torch.testing.assert_close(found.parts[1][0], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("duration", "expected"),
    [(1, [1]), (2, [1, 1]), (4, [3, 1]), (5, [4, 1]), (60, [10, 10, 20, 8, 12])],
)
def test_parts_of_a_recording(make_coupled, duration, expected):
    found = study(make_coupled("sub-1", "AB", n_channels=1, duration=duration))
    assert [seconds for _, seconds in found.parts] == expected


def test_without_a_bank_there_are_no_moments(raw):
    assert study(raw, bank=None).parts == ()


def test_scale_of_what_is_usable(raw):
    raw._data[1, 300:400] = 1.0
    annotate(raw, 3.0, 1.0)
    raw._data[2, 700:800] = np.nan
    found = study(raw)
    data = np.delete(raw.get_data(), np.r_[300:400], axis=1)
    np.testing.assert_allclose(found.scale[:2], data[:2].std(axis=1))
    assert found.scale[2] == pytest.approx(np.nanstd(data[2]))
    assert found.mean[2] == pytest.approx(np.nanmean(data[2]))
    # windows are usable in all channels
    assert sum(seconds for _, seconds in found.parts) == 18
    assert all(torch.isfinite(moments).all() for moments, _ in found.parts)


def test_only_labelled_good_channels_are_studied(raw):
    raw.info["bads"] = ["A1"]
    raw.annotations.delete(np.flatnonzero(raw.annotations.description == "region/B"))
    found = study(raw, identity=np.eye(5))
    assert found.ch_names.tolist() == ["A2", "C1", "C2"]
    np.testing.assert_array_equal(found.identity, np.eye(5)[[0, 3, 4]])
    assert len(found.parts[0][0]) == 3
    channels = list_channels([raw])
    assert pick_labelled(channels, 0).tolist() == [0, 3, 4]
    assert pick_labelled(channels, 1).tolist() == []


def test_channel_without_usable_second(raw):
    raw._data[3] = 0.0
    with pytest.raises(ValueError, match=r"recording 0 \(subject 'sub-1'\).*B2\. Add"):
        study(raw)


def test_nothing_usable_in_all_channels(raw):
    annotate(raw, 0.0, 10.0, ch_names=[["A1"]])
    annotate(raw, 10.0, 10.0, ch_names=[["B1"]])
    with pytest.raises(ValueError, match="no 1 s in which all of its 6 channels"):
        study(raw)


# Several studies


def test_take(raw):
    whole = study(raw)
    part = whole.take(["C1", "A2"])
    assert part.ch_names.tolist() == ["C1", "A2"]
    assert part.region.tolist() == ["C", "A"]
    np.testing.assert_array_equal(part.identity, whole.identity[[4, 1]])
    np.testing.assert_array_equal(part.scale, whole.scale[[4, 1]])
    np.testing.assert_array_equal(part.mean, whole.mean[[4, 1]])
    again = study(raw.copy().reorder_channels(["C1", "A2"]))
    for (moments, seconds), (expected, of_expected) in zip(
        part.parts, again.parts, strict=True
    ):
        assert seconds == of_expected
        torch.testing.assert_close(moments, expected, atol=1e-4, rtol=1e-4)


def test_views(raw):
    one = study(raw)
    assert one.draw_identity(np.random.default_rng(0)) is one.identity
    np.testing.assert_array_equal(one.mean_identity(), one.identity)
    views = tuple(one.identity + k for k in range(3))
    one = replace(one, views=views)
    assert one.draw_identity(None) is one.identity
    generator = np.random.default_rng(0)
    drawn = {int(one.draw_identity(generator)[0, 0]) for _ in range(50)}
    assert drawn == {0, 1, 2}
    np.testing.assert_array_equal(one.mean_identity(), one.identity + 1)
    part = one.take(["C1", "A2"])
    for view, expected in zip(part.views, views, strict=True):
        np.testing.assert_array_equal(view, expected[[4, 1]])


def test_a_piece_tells_scales_and_views(raw):
    raw.set_annotations(None)
    set_regions(raw, dict(zip(raw.ch_names[1:], "ABBCC", strict=True)))
    channels = list_channels([raw])
    piece = raw.copy().crop(2.0, 6.0, include_tmax=False)
    views = [np.arange(i, i + 6, dtype=np.float32)[:, None] for i in (0, 10)]
    found = view_study(study(raw), piece, channels, 0, views, N_TIMES)
    data = piece.get_data()[1:]
    np.testing.assert_allclose(found.mean, data.mean(axis=1))
    np.testing.assert_allclose(found.scale, data.std(axis=1))
    assert found.identity[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert [view[:, 0].tolist() for view in found.views] == [
        [1, 2, 3, 4, 5],
        [11, 12, 13, 14, 15],
    ]
    # moments are of the whole recording, on the scale of the piece
    power = join_parts(found.parts)[0][:, BANK.centre].diagonal()[BANK.centre]
    expected = np.square(raw.get_data()[1:] / data.std(axis=1, keepdims=True))
    np.testing.assert_allclose(power, expected.mean(axis=1), rtol=1e-2)


def test_rescale(raw):
    whole = study(raw)
    scale = whole.scale * [1, 2, 0.5, 3, 1, 1]
    rescaled = whole.rescale(whole.mean, scale)
    np.testing.assert_array_equal(rescaled.scale, scale)
    normal = rescaled.normalize(raw.get_data())
    windows = normal.reshape(6, 20, 100).swapaxes(0, 1).astype(np.float32)
    expected = compute_moments(torch.from_numpy(windows), BANK)
    torch.testing.assert_close(
        join_parts(rescaled.parts)[0], expected, atol=1e-4, rtol=1e-4
    )


def test_scale_over_recordings_is_that_of_all(make_coupled):
    X = [make_coupled("sub-1", "AB", seed=seed) for seed in (0, 1)]
    X[1]._data *= np.array([1, 2, 3, 0.1])[:, None]
    X[1]._data += 1e-4
    studies = [study(raw, bank=None) for raw in X]
    found = find_channels(studies, X[0].ch_names)
    together = np.concatenate([raw.get_data() for raw in X], axis=1)
    np.testing.assert_allclose(found.mean, together.mean(axis=1))
    np.testing.assert_allclose(found.scale, together.std(axis=1))


def test_scale_beside_a_large_offset(make_coupled):
    raw = make_coupled("sub-1", "AB")
    raw._data += 1e5
    of_one = study(raw, bank=None)
    found = find_channels([of_one], raw.ch_names)
    np.testing.assert_array_equal(found.scale, of_one.scale)


def test_identity_over_recordings_is_the_mean(make_coupled):
    X = [make_coupled("sub-1", "AB", seed=seed) for seed in (0, 1)]
    X[1].reorder_channels(["B2", "A1", "A2", "B1"])
    studies = [
        study(X[0], np.array([[1.0], [2], [3], [4]]), bank=None),
        study(X[1], np.array([[40.0], [10], [20], [30]]), bank=None),
    ]
    found = find_channels(studies, ["A2", "B2", "A1"])
    assert found.ch_names.tolist() == ["A2", "B2", "A1"]
    assert found.region.tolist() == list("ABA")
    np.testing.assert_allclose(found.identity[:, 0], [11, 22, 5.5])


@pytest.fixture
def implanted(make_coupled):
    """Studies of one subject, whose recordings do not have the same channels."""
    return [
        study(make_coupled("sub-1", regions, duration=5.0, seed=seed))
        for seed, regions in enumerate(["AB", "CBA", "AC"])
    ]


def test_channels_of_several_recordings(implanted):
    ch_names = ["C2", "A1", "B1", "D1"]
    found = find_channels([implanted[0], implanted[2]], ch_names[:3])
    assert found.ch_names.tolist() == ch_names[:3]
    assert found.region.tolist() == list("CAB")
    np.testing.assert_array_equal(found.scale[0], implanted[2].scale[3])
    np.testing.assert_array_equal(found.scale[2], implanted[0].scale[2])
    # no recording tells how they go together
    assert found.parts == ()
    found = find_channels(implanted, ch_names)
    assert found.ch_names.tolist() == ch_names[:3]
    assert find_channels(implanted, ["D1"]) is None
    assert find_channels([], ch_names) is None


def test_moments_are_of_recordings_with_all_channels(implanted):
    found = find_channels(implanted, ["C1", "A2"])
    assert found.subject == "sub-1"
    assert sum(seconds for _, seconds in found.parts) == 10
    expected = find_channels(implanted[1:], ["C1", "A2"])
    torch.testing.assert_close(found.parts, expected.parts)


def test_moments_over_recordings(make_coupled):
    X = [make_coupled("sub-1", "AB", duration=5.0, seed=seed) for seed in (0, 1)]
    X[1]._data *= 3
    X[1].reorder_channels(X[1].ch_names[::-1])
    found = find_channels([study(raw) for raw in X], X[0].ch_names)
    assert sum(seconds for _, seconds in found.parts) == 10
    X[1].reorder_channels(X[0].ch_names)
    data = np.concatenate([raw.get_data() for raw in X], axis=1)
    normal = found.normalize(data).astype(np.float32)
    windows = torch.from_numpy(normal.reshape(4, 10, 100).swapaxes(0, 1).copy())
    torch.testing.assert_close(
        join_parts(found.parts)[0],
        compute_moments(windows, BANK),
        atol=2e-2,  # the recordings' means differ a little
        rtol=2e-2,
    )


def test_group_studies(make_coupled):
    studies = [study(make_coupled(name, "AB")) for name in ("b", "a", "b")]
    studies.append(replace(studies[0], subject=None))
    found = group_studies(studies)
    assert found == {"b": [studies[0], studies[2]], "a": [studies[1]]}


def test_append_studies(make_coupled):
    first, second, third = (
        study(make_coupled("sub-1", regions), bank=None) for regions in ("A", "CB", "D")
    )
    joined = append_studies([first, second, third])
    assert joined.region.tolist() == list("AACCBBDD")
    assert joined.ch_names[[1, 2, 5, 7]].tolist() == ["A2", "C1", "B2", "D2"]
    np.testing.assert_array_equal(joined.scale[:6], np.r_[first.scale, second.scale])
    np.testing.assert_array_equal(joined.mean[6:], third.mean)
    assert joined.identity.shape == (8, 2)


def test_parts_of_equal_length(make_coupled):
    raw = make_coupled("sub-1", "AB", n_channels=1, duration=11)
    found = study(raw, n_parts=4)
    assert [seconds for _, seconds in found.parts] == [2, 3, 3, 3]
    torch.testing.assert_close(
        join_parts(found.parts)[0],
        join_parts(study(raw).parts)[0],
        atol=1e-4,
        rtol=1e-4,
    )
    assert len(study(raw, n_parts=50).parts) == 11
