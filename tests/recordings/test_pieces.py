import mne
import numpy as np
import pytest

from mne_funcmap.recordings.pieces import crop_pieces

NAME = "recording 3"


@pytest.fixture
def raw(make_coupled):
    return make_coupled("sub-1", "ABC", n_channels=2)


def annotate(raw, onset, duration, description="BAD_x", ch_names=None):
    """Annotate, in seconds from the first sample."""
    raw.annotations.append(raw.first_time + onset, duration, description, ch_names)
    return raw


def make_epochs(raw, duration=1.0, **kwargs):
    events = mne.make_fixed_length_events(raw, duration=duration)
    kwargs = {"tmax": duration - 1 / raw.info["sfreq"], "preload": True} | kwargs
    return mne.Epochs(raw, events, tmin=0, baseline=None, verbose="error", **kwargs)


def crop(recording, seconds=5.0, labelled=None, ch_names=None):
    names = recording.ch_names
    (first,), end = crop_pieces(
        recording, ch_names or names, labelled or names, seconds, NAME
    )
    return first, end


def test_crop(raw):
    before = raw.get_data()
    first, end = crop(raw)
    assert end == first.n_times == 500
    np.testing.assert_array_equal(first.get_data(), before[:, :500])
    np.testing.assert_array_equal(raw.get_data(), before)
    assert raw.n_times == 2000


@pytest.mark.parametrize("first_samp", [0, 1234])
def test_crop_begins_after_what_is_bad(make_coupled, first_samp):
    raw = make_coupled("sub-1", "AB", first_samp=first_samp)
    annotate(raw, 0.5, 0.5)
    annotate(raw, 4.0, 0.3, ch_names=[["B2"]])
    first, end = crop(raw)
    assert end == 930
    np.testing.assert_array_equal(first.get_data(), raw.get_data()[:, 430:930])
    # what is bad in other channels does not matter
    first, end = crop(raw, ch_names=["A1", "A2"])
    assert end == 600
    assert first.ch_names == ["A1", "A2"]


def test_crop_leaves_out_other_labelled_channels(raw):
    raw.set_channel_types({"C2": "misc"}, on_unit_change="ignore")
    raw._data[0] = np.nan
    first, end = crop(raw, ch_names=["B1", "B2"], labelled=["A1", "A2", "B1", "B2"])
    assert first.ch_names == ["B1", "B2", "C1", "C2"]
    assert end == 500
    with pytest.raises(ValueError, match="recording 3 has no 5 s.*all of its 6 ch"):
        crop(raw)


def test_crop_of_what_is_too_short(raw):
    annotate(raw, 4.0, 1.0)
    annotate(raw, 9.0, 1.0)
    annotate(raw, 14.0, 2.0)
    with pytest.raises(ValueError, match=r"no 5 s .*shorter identity_duration"):
        crop(raw)
    assert crop(raw, 4.0)[1] == 400


@pytest.mark.parametrize(("seconds", "n_epochs"), [(5.0, 5), (4.2, 5), (0.5, 1)])
def test_crop_of_epochs(raw, seconds, n_epochs):
    epochs = make_epochs(raw)
    first, end = crop(epochs, seconds)
    assert len(first) == n_epochs
    assert end == 100 * n_epochs
    np.testing.assert_array_equal(first.get_data(), epochs.get_data()[:n_epochs])
    assert len(epochs) == 20


def test_crop_of_too_few_epochs(raw):
    epochs = make_epochs(raw)[:4]
    with pytest.raises(ValueError, match="recording 3 has 4 epochs of 1 s: too few"):
        crop(epochs)


def test_crop_of_epochs_that_are_not_loaded(raw):
    annotate(raw, 1.2, 0.1)
    epochs = make_epochs(raw, preload=False)
    first, end = crop(epochs, 3.0)
    assert end == 300
    data = raw.get_data().reshape(6, 20, 100).swapaxes(0, 1)
    np.testing.assert_allclose(first.get_data(), data[[0, 2, 3]])
    assert not epochs.preload
    assert not epochs._bad_dropped


# Several pieces


def crop_several(recording, seconds, n_pieces):
    names = recording.ch_names
    return crop_pieces(recording, names, names, seconds, NAME, n_pieces)


@pytest.mark.parametrize(
    ("n_pieces", "begins"),
    [
        (1, [0]),
        (2, [0, 16]),
        (3, [0, 8, 16]),
        (5, [0, 4, 8, 12, 16]),
        (9, [0, 4, 8, 12, 16]),
    ],
)
def test_pieces_are_spread_over_the_recording(raw, n_pieces, begins):
    pieces, end = crop_several(raw, 4.0, n_pieces)
    assert end == 400
    assert len(pieces) == len(begins)
    for piece, begin in zip(pieces, begins, strict=True):
        expected = raw.get_data(tmin=begin, tmax=begin + 4)
        np.testing.assert_array_equal(piece.get_data(), expected)


def test_pieces_are_usable(raw):
    annotate(raw, 4.5, 0.5)
    raw._data[1, 1200:1250] = np.nan
    pieces, end = crop_several(raw, 4.0, 9)
    assert end == 400
    begins = [0, 0.5, 5, 8, 12.5, 16]
    for piece, begin in zip(pieces, begins, strict=True):
        expected = raw.get_data(tmin=begin, tmax=begin + 4)
        np.testing.assert_array_equal(piece.get_data(), expected)


def test_pieces_of_epochs(raw):
    epochs = make_epochs(raw)
    pieces, end = crop_several(epochs, 2.5, 9)
    assert end == 300
    assert [len(piece) for piece in pieces] == [3] * 6
    for i, piece in enumerate(pieces):
        expected = epochs.get_data()[3 * i : 3 * i + 3]
        np.testing.assert_array_equal(piece.get_data(), expected)
    assert len(epochs) == 20
