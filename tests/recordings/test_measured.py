import numpy as np
import pytest

from mne_funcmap.recordings.measured import Measure, by_channel, collect_units
from mne_funcmap.recordings.segments import open_segments


def measure(segments):
    return segments.data.std(axis=1, keepdims=True)


def double(segments):
    return 2 * measure(segments)


@pytest.fixture
def X(make_coupled):
    """Two recordings of unequal length, with different channels."""
    return [
        make_coupled("sub-1", "AB", n_channels=1, duration=6.0),
        make_coupled("sub-2", "ABC", n_channels=1, duration=4.0),
    ]


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("divide", [None, by_channel])
def test_units_are_averages_of_segments(X, divide, stored):
    source = open_segments(X, duration=2.0)
    units = collect_units(source, Measure(measure, None), divide, stored=stored)
    segments = source.join()
    values, values_of_units = measure(segments)[:, 0], units.values[:][:, 0]
    if divide is None:
        np.testing.assert_array_equal(values_of_units, values)
        np.testing.assert_array_equal(units.channel, segments.channel)
        np.testing.assert_array_equal(units.onset, segments.onset)
        assert set(units.n_segments) == {1}
    else:
        means = [values[segments.channel == row].mean() for row in range(5)]
        np.testing.assert_allclose(values_of_units, means, rtol=1e-6)
        assert units.channel.tolist() == [0, 1, 2, 3, 4]
        assert units.onset.tolist() == [0] * 5
        assert units.n_segments.tolist() == [3, 3, 2, 2, 2]


def test_division_is_told_which_regions_are_known(X):
    y = [{"A1": "A"}, {"B1": "B"}]
    told = []

    def divide(channel, has_region):
        told.append(has_region.tolist())
        return channel

    source = open_segments(X, duration=2.0, y=y)
    collect_units(source, Measure(measure, None), divide)
    assert told == [[True, False], [False, True, False]]


@pytest.mark.parametrize(
    "other",
    [
        {"duration": 1.0},
        {"normalize": True},
        {"picks": ["B1"]},
        {"measure": Measure(double, ["double"])},
        {"measure": Measure(measure, ["measure"], context=True)},
        {"volts": 3.0},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_is_kept_is_not_taken_for_something_else(X, tmp_path, other):
    options = {"duration": 2.0, "measure": Measure(measure, ["measure"]), "volts": 1.0}

    def collect(memory, duration, measure, volts, **cut):
        recordings = [raw.copy() for raw in X]
        for raw in recordings:
            raw._data *= volts
        source = open_segments(recordings, duration=duration, **cut)
        return collect_units(source, measure, by_channel, memory=memory).values

    collect(tmp_path, **options)
    found = collect(tmp_path, **options | other)
    np.testing.assert_array_equal(found, collect(None, **options | other))
    assert (
        found.shape != collect(None, **options).shape
        or (found != collect(None, **options)).any(axis=1).all()
    )
