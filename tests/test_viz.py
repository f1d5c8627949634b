import sys

import numpy as np
import pandas as pd
import pytest

import mne_funcmap as mf
from mne_funcmap.viz import plot_confusion, plot_scores
from mne_funcmap.viz.categories import COLORS

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def make_frame(n_rows=40, n_regions=2, n_subjects=3, n_components=5):
    rng = np.random.default_rng(0)
    table = {
        "subject": [f"sub-{i % n_subjects:02}" for i in range(n_rows)],
        "recording": 0,
        "ch_name": [f"ch{i}" for i in range(n_rows)],
        "region": [f"region {i % n_regions:02}" for i in range(n_rows)],
    }
    components = rng.standard_normal((n_components, n_rows))
    return pd.DataFrame(table | {f"c{i}": c for i, c in enumerate(components)})


def list_points(fig):
    parts = [part.get_offsets() for part in fig.axes[0].collections]
    return np.concatenate(parts)


def list_legend(fig):
    return [text.get_text() for text in fig.axes[0].get_legend().get_texts()]


def test_pca_is_that_of_the_covariance():
    frame = make_frame()
    fig = mf.plot_embedding(frame, marker=None, show=False)
    values = frame[[f"c{i}" for i in range(5)]].to_numpy()
    variances = np.linalg.eigvalsh(np.cov(values.T))[::-1]
    np.testing.assert_allclose(np.var(list_points(fig), axis=0, ddof=1), variances[:2])
    share = f"({variances[0] / variances.sum():.0%} of variance)"
    assert share in fig.axes[0].get_xlabel()


def test_colours_and_markers():
    frame = make_frame()
    fig = mf.plot_embedding(frame, show=False)
    assert list_legend(fig)[:2] == ["region 00", "region 01"]
    assert list_legend(fig)[-3:] == ["sub-00", "sub-01", "sub-02"]
    shades = {
        matplotlib.colors.to_hex(shade).upper()
        for part in fig.axes[0].collections
        for shade in part.get_facecolors()
    }
    assert shades == set(COLORS[:2])
    assert len(fig.axes[0].collections) == 3


def test_many_regions_are_numbered_and_many_subjects_not_named():
    frame = make_frame(n_rows=240, n_regions=60, n_subjects=70)
    fig = mf.plot_embedding(frame, show=False)
    assert len(list_legend(fig)) == 60
    assert {text.get_text() for text in fig.axes[0].texts} == set(
        map(str, range(1, 61))
    )
    fig.canvas.draw()


def test_unknown_regions_come_last():
    frame = make_frame()
    frame.loc[:3, "region"] = None
    fig = mf.plot_embedding(frame, marker=None, show=False)
    assert list_legend(fig) == ["region 00", "region 01", "unknown"]


@pytest.mark.parametrize("n_rows", [2, 4, 40])
@pytest.mark.parametrize("n_components", [1, 5])
@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_few_points(method, n_rows, n_components):
    frame = make_frame(n_rows, n_components=n_components)
    before = frame.copy()
    fig = mf.plot_embedding(frame, method=method, show=False)
    assert list_points(fig).shape == (n_rows, 2)
    assert np.isfinite(list_points(fig)).all()
    pd.testing.assert_frame_equal(frame, before)


def test_given_axes_are_used():
    fig, axes = plt.subplots()
    assert mf.plot_embedding(make_frame(), axes=axes, show=False) is fig


def test_bad_input():
    frame = make_frame()
    with pytest.raises(ValueError, match="method"):
        mf.plot_embedding(frame, method="mds", show=False)
    with pytest.raises(ValueError, match="No columns \\['lobe'\\]"):
        mf.plot_embedding(frame, color="lobe", show=False)
    with pytest.raises(ValueError, match="two rows"):
        mf.plot_embedding(frame[:1], show=False)
    with pytest.raises(TypeError, match="to_frame"):
        mf.plot_embedding(frame.to_numpy(), show=False)


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"mne-funcmap\[viz\]"):
        mf.plot_embedding(make_frame(), show=False)


def test_plot_scores():
    summary = pd.DataFrame(
        {
            "model": ["a", "b"],
            "balanced_accuracy": [0.5, 0.4],
            "low": [0.4, 0.3],
            "high": [0.6, 0.5],
            "baseline": "b",
            "chance": 0.2,
        }
    )
    fig = plot_scores(summary, show=False)
    assert list_legend(fig) == ["plain baseline", "chance", "best plain baseline"]
    intervals = fig.axes[0].collections[0]
    ends = [path.vertices[:, 0] for path in intervals.get_paths()]
    np.testing.assert_allclose(ends, summary[["low", "high"]])


@pytest.mark.parametrize("n_regions", [2, 38])
def test_plot_confusion(n_regions):
    truth = [f"region {i % n_regions:02}" for i in range(200)]
    predictions = pd.DataFrame({"region": truth, "predicted": "region 00"})
    fig = plot_confusion(predictions, show=False)
    shares = fig.axes[0].images[0].get_array()
    np.testing.assert_array_equal(shares[:, 0], 1)
    assert shares.sum() == n_regions
