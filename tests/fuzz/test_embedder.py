"""FunctionalEmbedder on recordings of any kind."""

from copy import copy
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mne_funcmap as mf
from tests.fuzz.properties import allowed, attempt, cases, describe_state
from tests.fuzz.strategies import (
    REGIONS,
    Recipe,
    lists_of,
    mixed_recipes,
    recordings,
    useful_recipes,
)

TRAINING = [
    Recipe(
        channels=tuple((f"{name}{i}", "seeg", name) for name in REGIONS for i in "12"),
        subject=f"sub-{i}",
        seed=100 + i,
    )
    for i in range(2)
]


def make_embedder(**params):
    params = {"max_epochs": 1, "duration": 1.0, "n_components": 4} | params
    return mf.FunctionalEmbedder(**params)


@pytest.fixture(scope="module")
def training():
    with recordings(TRAINING) as X:
        yield X


@pytest.fixture(scope="module")
def fitted(training):
    with allowed("The embedding has collapsed"):
        return make_embedder().fit(training)


@pytest.fixture(scope="module")
def normalized(training):
    with allowed("The embedding has collapsed"):
        return make_embedder(normalize=True).fit(training)


def check_embeddings(Z, drawn):
    assert [z.shape for z in Z] == [(len(one.good), 4) for one in drawn]
    for z in Z:
        assert z.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-4)


@given(lists_of(mixed_recipes))
@cases(25, 320)
def test_transform(fitted, drawn):
    with recordings(drawn) as X, allowed():
        before = describe_state(X)
        Z, error = attempt(fitted.transform, X)
        assert describe_state(X) == before
        with TemporaryDirectory() as folder:
            keeping = copy(fitted).set_params(memory=folder)
            kept, other_error = attempt(keeping.transform, X)
        assert (other_error is None) == (error is None)
        if error is None:
            assert not any(one.dead for one in drawn)
            check_embeddings(Z, drawn)
            for z, other in zip(Z, kept, strict=True):
                np.testing.assert_array_equal(z, other)
        else:
            assert not all(one.is_sound for one in drawn)
        if str(error).startswith("No usable segment"):
            check_blame(str(error), drawn)


def check_blame(message, drawn):
    """All dead channels are named, by their recording, or counted if they are many."""
    for index, one in enumerate(drawn):
        for name in one.dead:
            rest = message.split(f"recording {index}", 1)[1]
            assert name in rest or " more" in rest


@given(lists_of(useful_recipes))
@cases(10, 150)
def test_what_is_sound_is_embedded(fitted, drawn):
    with recordings(drawn) as X, allowed():
        before = describe_state(X)
        Z = fitted.transform(X)
        check_embeddings(Z, drawn)
        for z, again in zip(Z, fitted.transform(X), strict=True):
            np.testing.assert_array_equal(z, again)
        for z, other in zip(Z, fitted.transform(X[::-1])[::-1], strict=True):
            np.testing.assert_allclose(z, other, atol=1e-4)
        frame = fitted.to_frame(X)
        names = [(i, name) for i, one in enumerate(drawn) for name, _ in one.good]
        assert [*zip(frame["recording"], frame["ch_name"], strict=True)] == names
        regions = [region for one in drawn for _, region in one.good]
        found = frame["region"].astype(object)
        assert [None if found.isna()[i] else found[i] for i in frame.index] == regions
        for predicted, p in zip(
            fitted.predict(X), fitted.predict_proba(X), strict=True
        ):
            np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
            assert set(predicted) <= set(REGIONS)
        assert describe_state(X) == before


@given(useful_recipes, st.floats(-12, 6), st.floats(-100, 100))
@cases(6, 80)
def test_unit_and_offset_do_not_matter(normalized, drawn, power, offset):
    plain = Recipe(
        **{**vars(drawn), "scale": 1.0, "offset": 0.0, "layout": "plain"},
    )
    other = Recipe(**{**vars(plain), "scale": 10.0**power, "offset": offset})
    with recordings([plain, other]) as X, allowed():
        first, second = normalized.transform(X)
    np.testing.assert_allclose(first, second, atol=2e-3)


@given(lists_of(mixed_recipes, 4), st.booleans())
@cases(2, 40)
def test_fit(drawn, context):
    with recordings(drawn) as X, allowed("The embedding has collapsed"):
        before = describe_state(X)
        emb = make_embedder(context=context)
        fitted, error = attempt(emb.fit, X, named=NAMED)
        assert describe_state(X) == before
        if error is not None:
            return
        Z = fitted.transform(X)
        check_embeddings(Z, drawn)
        again = make_embedder(context=context).fit(X)
        for z, other in zip(Z, again.transform(X), strict=True):
            np.testing.assert_array_equal(z, other)
        assert np.isfinite(fitted.references_).all()


# what is wrong with the list as a whole
NAMED = r"[Rr]ecording \d|[Tt]he recording|channels? of X|too short"
