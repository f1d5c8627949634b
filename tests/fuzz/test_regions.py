"""Regions of recordings of any kind."""

import mne
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mne_funcmap.recordings.channels import list_channels
from mne_funcmap.regions import get_regions, rename_channels, set_regions
from tests.fuzz.properties import allowed, attempt, cases, describe_state
from tests.fuzz.strategies import (
    Recipe,
    channels,
    lists_of,
    mixed_recipes,
    odd_names,
    recordings,
    texts,
)

names_of_regions = st.one_of(
    texts,
    texts.map(lambda text: f" {text}\t"),
    st.sampled_from(["region/A", "a:b;c,d", "&#945;", "&#65;", "BAD_", "α", "{COLON}"]),
    st.text(max_size=4),
    st.sampled_from([None, 5, float("nan"), ["A"]]),
)


@given(mixed_recipes, st.dictionaries(st.integers(0, 9), names_of_regions, max_size=5))
@cases(15, 150)
def test_set_then_get(recipe, drawn):
    with recordings([recipe]) as (inst,):
        names = inst.ch_names
        regions = {names[i % len(names)]: region for i, region in drawn.items()}
        old = get_regions(inst)
        (before,) = describe_state([inst])
        _, error = attempt(set_regions, inst, regions, named="channel")
        if error is not None:
            assert describe_state([inst]) == [before]
            return
        expected = old | {name: region.strip() for name, region in regions.items()}
        assert get_regions(inst) == expected
        assert list(get_regions(inst)) == [name for name in names if name in expected]


@given(channels(odd_names, regions=["A", "β", "&#65;", "a:b", " x "]), st.booleans())
@cases(8, 100)
def test_regions_survive(drawn, is_epochs):
    recipe = Recipe(kind="epochs" if is_epochs else "raw", channels=drawn, n_epochs=2)
    with recordings([recipe]) as (inst,):
        regions = get_regions(inst)
        assert regions == {name: text.strip() for name, _, text in drawn if text}
        kept = inst.copy().pick(inst.ch_names[::-1][:3])
        assert get_regions(kept) == {
            name: regions[name] for name in kept.ch_names if name in regions
        }
        new = {name: f"new {i}" for i, name in enumerate(inst.ch_names)}
        renamed = get_regions(rename_channels(inst.copy(), new))
        assert renamed == {new[name]: region for name, region in regions.items()}
    files = [Recipe(**vars(recipe) | {"kind": f"{recipe.kind} file"})]
    with recordings(files) as (inst,):
        assert get_regions(inst) == regions


@given(st.dictionaries(texts, texts, max_size=4))
@cases(5, 60)
def test_unknown_channels_are_named(regions):
    recipe = Recipe()
    known = {name for name, _, _ in recipe.channels}
    with recordings([recipe]) as (inst,):
        _, error = attempt(set_regions, inst, regions)
        unknown = [name for name in regions if name not in known]
        assert (error is not None) == bool(unknown)
        assert all(name in str(error) for name in unknown)


labels = st.one_of(
    st.sampled_from(["A", "B", None, "", 5, float("nan")]),
    st.lists(st.sampled_from(["A", "B", None, "", 5]), max_size=6),
    st.dictionaries(
        st.sampled_from(["L1", "L2", "Q"]), st.sampled_from(["A", None, 1])
    ),
    st.builds(lambda names: np.array(names), st.lists(st.sampled_from("AB"))),
)


@given(
    lists_of(mixed_recipes, 2),
    st.one_of(labels, st.lists(labels, max_size=3), st.builds(iter, st.just([]))),
)
@cases(10, 120)
def test_regions_given_as_y(drawn, y):
    with recordings(drawn) as X, allowed():
        before = describe_state(X)
        named = r"y must|y has|[Rr]ecording \d|[Tt]he recording"
        table, error = attempt(list_channels, X, y=y, named=named)
        assert describe_state(X) == before
        if error is None:
            assert len(table.region) == sum(len(one.good) for one in drawn)
            assert {type(region) for region in table.region} <= {str, type(None)}


@given(st.lists(st.tuples(texts, st.lists(st.integers(0, 4), max_size=2)), max_size=3))
@cases(5, 60)
def test_regions_annotated_by_hand(drawn):
    recipe = Recipe()
    names = [name for name, _, _ in recipe.channels]
    with recordings([recipe]) as (raw,):
        of = [[names[i % len(names)] for i in rows] for _, rows in drawn]
        text = [f"region/{region}" for region, _ in drawn]
        marks = mne.Annotations([0.0] * len(text), 1.0, text, ch_names=of)
        raw.set_annotations(marks if drawn else None)
        regions, error = attempt(get_regions, raw, named=r"[Tt]he recording.*(region)")
        if error is None:
            assert all(of)
            expected = {
                name: region.strip()
                for (region, _), named in zip(drawn, of, strict=True)
                for name in named
            }
            assert regions == {n: expected[n] for n in names if n in expected}
