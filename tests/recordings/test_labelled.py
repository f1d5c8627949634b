import pytest

import mne_funcmap as mf
from mne_funcmap.recordings.channels import list_channels
from mne_funcmap.recordings.labelled import (
    drop_region,
    drop_unlabelled,
    find_withheld,
    list_labelled,
    pick_labelled,
    read_labels,
)


@pytest.fixture
def X(make_coupled):
    X = [
        make_coupled("sub-1", "AB", n_channels=1, duration=2.0),
        make_coupled("sub-2", "ABC", n_channels=1, duration=2.0),
    ]
    # B1 of the second recording has no region, and is in the middle
    y = {"A1": "A", "C1": "C"}
    return [X[0], mf.set_regions(X[1].set_annotations(None), y)]


def test_labelled_channels_of_a_recording(X):
    channels = list_channels(X)
    assert pick_labelled(channels, 0).tolist() == [0, 1]
    assert pick_labelled(channels, 1).tolist() == [2, 4]
    assert list_labelled(channels, 1).tolist() == ["A1", "C1"]
    assert list_labelled(channels, 1, "A").tolist() == ["C1"]
    assert read_labels(channels, 1) == {"A1": "A", "C1": "C"}
    assert find_withheld(None, channels) == ["A", "B", "C"]


def test_what_is_dropped(X):
    kept = drop_unlabelled(X)
    assert [raw.ch_names for raw in kept] == [["A1", "B1"], ["A1", "C1"]]
    assert drop_region(X[1], "A").ch_names == ["B1", "C1"]
    assert X[1].ch_names == ["A1", "B1", "C1"]
