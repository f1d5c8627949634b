"""SegmentEmbedder on arrays of any kind."""

import tempfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mne_funcmap as mf
from tests.fuzz.properties import allowed, cases

N_TIMES = 40
ERRORS = (ValueError, TypeError)
FLOATS = ("float64", "float32", "float16", ">f8", "<f4", "longdouble")
INTEGERS = ("int8", "uint8", "int16", ">i4", "int64", "uint64", "bool")


def make_embedder():
    return mf.SegmentEmbedder(n_components=3, max_epochs=1)


def make_segments(n_segments=12, seed=0, n_times=N_TIMES):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n_segments, n_times)).cumsum(axis=1)


@pytest.fixture(scope="module")
def fitted():
    with allowed("The embedding has collapsed"):
        return make_embedder().fit(make_segments(), np.arange(12) % 3)


def lay_out(X, layout, folder):
    """Return the same numbers, otherwise in memory."""
    if layout == "memmap" and X.dtype != object:
        np.save(f"{folder}/X.npy", X)
        return np.load(f"{folder}/X.npy", mmap_mode="r")
    if layout == "strided":
        return np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3]
    if layout == "fortran":
        return np.asfortranarray(X)
    if layout == "reversed":
        return X[::-1, ::-1].copy()[::-1, ::-1]
    if layout == "list":
        return X.tolist()
    X.flags.writeable = layout != "read-only"
    return X


layouts = st.sampled_from(
    ["plain", "memmap", "strided", "fortran", "reversed", "read-only", "list"]
)


@given(
    st.integers(1, 9),
    st.integers(0, 99),
    st.sampled_from(FLOATS + INTEGERS + ("object",)),
    layouts,
    st.floats(-12, 6),
)
@cases(12, 200)
def test_equal_numbers_give_equal_embeddings(
    fitted, n_segments, seed, dtype, layout, power
):
    if np.dtype(dtype).kind in "iub":
        X = (20 * make_segments(n_segments, seed)).clip(0, 120).astype(dtype)
    else:
        # float16 has few powers
        scale = 1.0 if dtype == "float16" else 10.0**power
        X = (scale * make_segments(n_segments, seed)).astype(dtype)
    expected = fitted.transform(np.array(X, dtype=np.float32))
    assert expected.shape == (n_segments, 3)
    assert expected.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, rtol=1e-4)
    with tempfile.TemporaryDirectory() as folder:
        given_X = lay_out(X, layout, folder)
        np.testing.assert_array_equal(fitted.transform(given_X), expected)
        assert np.array_equal(np.asarray(given_X, X.dtype), X)
    one_by_one = [fitted.transform(row[None])[0] for row in np.array(X, np.float32)]
    np.testing.assert_allclose(one_by_one, expected, atol=1e-4)


@given(
    st.sampled_from([np.nan, np.inf, -np.inf, 1e39, 1e300]),
    st.integers(0, 4),
    st.integers(0, N_TIMES - 1),
    st.booleans(),
)
@cases(5, 60)
def test_what_is_not_finite_is_refused(fitted, value, row, column, training):
    X = make_segments(5)
    X[row, column] = value
    embedder = make_embedder() if training else fitted
    args = ([0, 1, 0, 1, 0],) if training else ()
    method = embedder.fit if training else embedder.transform
    with pytest.raises(ValueError, match="infinity|NaN"):
        method(X, *args)


bad_arrays = st.one_of(
    st.sampled_from(["text", None, 5, [], [[]], [["a", "b"]], np.zeros(3)]),
    st.lists(st.lists(st.floats(), max_size=3), max_size=3),
    st.builds(np.zeros, st.tuples(*[st.integers(0, 3)] * 3)),
    st.builds(np.zeros, st.tuples(st.integers(0, 3), st.integers(0, N_TIMES - 1))),
    st.just(np.zeros((3, N_TIMES), complex)),
    st.just(np.full((2, N_TIMES), "x", object)),
)


@given(bad_arrays)
@cases(8, 100)
def test_what_is_no_array_of_segments_is_refused(fitted, X):
    with pytest.raises(ERRORS):
        fitted.transform(X)


segment_kinds = st.sampled_from(["noise", "zero", "constant", "denormal", "large"])


@given(
    st.lists(segment_kinds, min_size=2, max_size=8),
    st.lists(st.sampled_from("abc"), min_size=8, max_size=8),
    st.sampled_from([None, "alone", "pairs"]),
    st.integers(2, 60),
)
@cases(3, 50)
def test_fit(kinds, labels, groups, n_times):
    make = {
        "noise": lambda X: X,
        "zero": lambda X: 0 * X,
        "constant": lambda X: 0 * X + 7.0,
        "denormal": lambda X: X * 5e-324,
        "large": lambda X: X * 1e30,
    }
    n = len(kinds)
    X = make_segments(n, n_times=n_times)
    X = np.array([make[kind](row) for kind, row in zip(kinds, X, strict=True)])
    y, before = np.array(labels[:n]), X.copy()
    groups = {None: None, "alone": np.arange(n), "pairs": np.arange(n) // 2}[groups]
    with allowed("The embedding has collapsed"):
        if len(set(y)) < 2:
            with pytest.raises(ValueError, match="two labels"):
                make_embedder().fit(X, y, groups)
            return
        Z = make_embedder().fit(X, y, groups).transform(X)
        again = make_embedder().fit(X, y, groups).transform(X)
    assert np.isfinite(Z).all()
    np.testing.assert_array_equal(Z, again)
    np.testing.assert_array_equal(X, before)
