"""MaskedRegionReconstructor on recordings of any kind."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mne_funcmap as mf
from mne_funcmap.regions import get_regions
from tests.fuzz.properties import allowed, attempt, cases, describe_state
from tests.fuzz.strategies import (
    REGIONS,
    Recipe,
    labelled_recipes,
    lists_of,
    mixed_recipes,
    recordings,
)

MEASURES = ["r", "nmse", "nrmse", "amplitude_ratio"]
TRAINING = [
    Recipe(
        channels=tuple((f"L{i}", "seeg", name) for i, name in enumerate(REGIONS)),
        length=600,
        subject=f"sub-{i}",
        seed=100 + i,
    )
    for i in range(2)
]

# what is told of recordings that are not scored, and of measures that cannot be had
TOLD = (
    "All labelled channels of",
    ".*do not change",
    ".*not scored",
    "Channels of .* were not there",
)
# what is wrong with the list as a whole
NAMED = (
    r"[Rr]ecording \d|[Tt]he recording|channels? of two regions|nothing to score"
    "|All labelled channels of each|No recording has|regions of X|too short|leakage"
)


def make_rec(**params):
    params = {
        "identity": "region",
        "identity_duration": 1.0,
        "window": 0.5,
        "max_epochs": 1,
        "n_latents": 4,
    } | params
    return mf.MaskedRegionReconstructor(**params)


@pytest.fixture(scope="module")
def fitted():
    with recordings(TRAINING) as X:
        return {query: make_rec(query=query).fit(X) for query in ("channel", "region")}


queries = st.sampled_from(["channel", "region"])


@given(lists_of(mixed_recipes, 2), queries, st.sampled_from([None, *REGIONS]))
@cases(12, 160)
def test_predict(fitted, drawn, query, region):
    with recordings(drawn) as X, allowed(*TOLD):
        before = describe_state(X)
        Y, error = attempt(fitted[query].predict, X, region, named=NAMED)
        assert describe_state(X) == before
        if error is not None:
            return
        for one, new in zip(X, Y, strict=True):
            assert new.ch_names == one.ch_names
            assert get_regions(new) == get_regions(one)
            regions = get_regions(one)
            withheld = [
                name
                for name in one.ch_names
                if name in regions
                and name not in one.info["bads"]
                and region in (None, regions[name])
                and one.get_channel_types([name])[0] != "misc"
            ]
            old, data = one.copy().load_data()._data, new._data
            axis = 1 if hasattr(one, "events") else 0
            for row, name in enumerate(one.ch_names):
                if name not in withheld:
                    np.testing.assert_array_equal(
                        data.take(row, axis), old.take(row, axis)
                    )
                elif one.get_channel_types([name])[0] in ("seeg", "ecog", "dbs", "eeg"):
                    assert np.isfinite(data.take(row, axis)).all()


@given(lists_of(mixed_recipes, 2), queries)
@cases(6, 100)
def test_evaluate(fitted, drawn, query):
    with recordings(drawn) as X, allowed(*TOLD):
        before = describe_state(X)
        frame, error = attempt(fitted[query].evaluate, X, named=NAMED)
        assert describe_state(X) == before
        if error is None:
            assert np.isfinite(frame[MEASURES]).all(axis=None)
            assert not frame.duplicated(["recording", "ch_name"]).any()
            known = {
                (index, name)
                for index, one in enumerate(drawn)
                for name, region in one.good
                if region is not None
            }
            found = zip(frame["recording"], frame["ch_name"], strict=True)
            assert known.issuperset(found)


@given(labelled_recipes, queries)
@cases(6, 60)
def test_what_is_sound_is_predicted(fitted, recipe, query):
    if recipe.is_epochs:
        recipe = Recipe(**vars(recipe) | {"n_epochs": 4})
    with recordings([recipe]) as X, allowed(*TOLD):
        rec = fitted[query]
        (Y,), frame = rec.predict(X), rec.evaluate(X)
        assert np.isfinite(Y.get_data()).all()
        again = rec.predict(X)[0].get_data()
        np.testing.assert_array_equal(again, Y.get_data())
        assert len(frame) == sum(region is not None for _, region in recipe.good)
        assert np.isfinite(frame[MEASURES]).all(axis=None)


@given(
    lists_of(mixed_recipes, 3),
    st.sampled_from(["region", "random", "none", "channel", "functional"]),
    queries,
)
@cases(2, 20)
def test_fit(drawn, identity, query):
    with recordings(drawn) as X, allowed(*TOLD, "The embedding has collapsed"):
        before = describe_state(X)
        rec = make_rec(identity=identity, query=query)
        named = f"{NAMED}|numbers the channels|channels? of X"
        fitted, error = attempt(rec.fit, X, named=named)
        assert describe_state(X) == before
        if error is not None:
            return
        frame, error = attempt(fitted.evaluate, X, named=NAMED)
        if error is None:
            assert np.isfinite(frame[MEASURES]).all(axis=None)
            again = make_rec(identity=identity, query=query).fit(X).evaluate(X)
            assert frame.equals(again)
