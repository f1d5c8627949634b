"""Cutting of recordings of any kind."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import mne_funcmap as mf
from mne_funcmap.regions import get_regions
from tests.fuzz.properties import allowed, attempt, cases, describe_state
from tests.fuzz.strategies import lists_of, mixed_recipes, recordings


@given(
    lists_of(mixed_recipes),
    st.integers(2, 5),
    st.sampled_from([0.0, 0.1, 1.0]) | st.floats(0, 3),
)
@cases(10, 130)
def test_blocks(drawn, n_blocks, gap):
    with recordings(drawn) as X, allowed():
        before = describe_state(X)
        result, error = attempt(mf.cut_blocks, X, n_blocks, gap=gap)
        assert describe_state(X) == before
        if error is not None:
            return
        parts, groups = result
        assert groups.tolist() == [*range(n_blocks)] * len(X)
        for index, one in enumerate(X):
            of_one = parts[index * n_blocks : (index + 1) * n_blocks]
            lengths = [
                len(part) if drawn[index].is_epochs else part.n_times for part in of_one
            ]
            assert min(lengths) > 0
            assert sum(lengths) <= (len(one) if drawn[index].is_epochs else one.n_times)
            assert all(get_regions(part) == get_regions(one) for part in of_one)


@given(lists_of(mixed_recipes), st.integers(2, 5))
@cases(10, 120)
def test_channels(drawn, n_parts):
    with recordings(drawn) as X, allowed():
        before = describe_state(X)
        result, error = attempt(mf.cut_channels, X, n_parts)
        assert describe_state(X) == before
        if error is not None:
            return
        parts, groups = result
        assert len(parts) == len(groups)
        names = sorted(name for part in parts for name in part.ch_names)
        assert names == sorted(name for one in drawn for name, _ in one.good)
        regions = [get_regions(part) for part in parts]
        assert sum(map(len, regions)) == sum(
            region is not None for one in drawn for _, region in one.good
        )


@given(lists_of(mixed_recipes))
@cases(5, 50)
def test_sessions_and_subjects(drawn):
    with recordings(drawn) as X, allowed():
        sessions, error = attempt(mf.get_sessions, X)
        assert error is not None or len(sessions) == len(X)
        subjects, error = attempt(mf.get_subjects, X)
        unknown = [one.subject in (None, "", "0") for one in drawn]
        assert (error is not None) == any(unknown)
        if error is None:
            np.testing.assert_array_equal(subjects, [one.subject for one in drawn])
        else:
            assert f"recording {unknown.index(True)}" in str(error)
