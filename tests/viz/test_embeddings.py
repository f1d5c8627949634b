import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Ellipse
from matplotlib.text import Text
from numpy.testing import assert_allclose

import mne_funcmap as mf
from mne_funcmap.viz.categories import COLORS


def list_points(fig):
    parts = [part.get_offsets() for part in fig.axes[0].collections]
    return np.concatenate(parts)


def test_pca_is_that_of_the_covariance(make_frame):
    frame = make_frame()
    fig = mf.plot_embedding(frame, marker=None, show=False)
    values = frame[[f"c{i}" for i in range(5)]].to_numpy()
    variances = np.linalg.eigvalsh(np.cov(values.T))[::-1]
    assert_allclose(np.var(list_points(fig), axis=0, ddof=1), variances[:2])
    share = f"({variances[0] / variances.sum():.0%} of variance)"
    assert share in fig.axes[0].get_xlabel()


def test_colours_and_markers(make_frame, list_legend):
    fig = mf.plot_embedding(make_frame(), show=False)
    assert list_legend(fig)[:2] == ["region 00", "region 01"]
    assert list_legend(fig)[-3:] == ["sub-00", "sub-01", "sub-02"]
    shades = {
        to_hex(shade).upper()
        for part in fig.axes[0].collections
        for shade in part.get_facecolors()
    }
    assert shades == set(COLORS[:2])
    assert len(fig.axes[0].collections) == 3


@pytest.mark.parametrize("n_dims", [2, 3])
def test_many_regions_are_numbered_and_many_subjects_not_told_apart(
    make_frame, list_legend, n_dims
):
    frame = make_frame(n_rows=240, n_regions=60, n_subjects=70)
    fig = mf.plot_embedding(frame, n_dims=n_dims, show=False)
    assert list_legend(fig) == [f"{i + 1} region {i:02}" for i in range(60)]
    numbers = [text.get_text() for text in fig.axes[0].texts]
    assert numbers == list(map(str, range(1, 61)))
    assert len(fig.axes[0].collections) == 1  # one marker


def test_numbers_do_not_overlap(make_frame):
    frame = make_frame(n_rows=240, n_regions=30)
    frame[[f"c{i}" for i in range(5)]] *= 0.01
    frame.loc[0, "c0"] = 1.0  # all others in one place
    fig = mf.plot_embedding(frame, show=False)
    fig.draw_without_rendering()
    # of the text, without the line that leads to it
    boxes = [Text.get_window_extent(text) for text in fig.axes[0].texts]
    centres = np.array([[(b.x0 + b.x1) / 2, (b.y0 + b.y1) / 2] for b in boxes])
    gaps = np.abs(centres[:, None] - centres)[~np.eye(30, dtype=bool)]
    assert (gaps.max(axis=-1) > 6).all()  # pixels, of letters 11 pixels high


def test_numbers_hide_no_points_where_there_is_place(make_frame):
    frame = make_frame(n_rows=80, n_regions=8)
    frame[[f"c{i}" for i in range(5)]] *= 0.02
    frame["c0"] += frame["region"].str[-1].astype(int)
    frame["c1"] += frame["region"].str[-1].astype(int) % 3
    fig = mf.plot_embedding(frame, marker=None, show=False)
    fig.draw_without_rendering()
    (ax,) = fig.axes
    points = ax.transData.transform(ax.collections[0].get_offsets())
    for text in ax.texts:
        box = Text.get_window_extent(text)
        inside = ((points > box.min) & (points < box.max)).all(axis=1)
        assert not inside.any()


def test_legend_below_does_not_make_axes_narrow(make_frame):
    frame = make_frame(n_rows=80, n_regions=40, n_subjects=6)
    frame["region"] = "a name of some length, " + frame["region"]
    fig = mf.plot_embedding(frame, show=False)
    fig.draw_without_rendering()
    (ax,) = fig.axes
    assert ax.get_position().width > 0.9
    box = ax.get_legend().get_window_extent()
    assert 0 <= box.x0 < box.x1 <= fig.bbox.width
    assert 0 <= box.y0 < box.y1 < ax.bbox.y0


def test_unknown_regions_come_last(make_frame, list_legend):
    frame = make_frame()
    frame.loc[:3, "region"] = None
    fig = mf.plot_embedding(frame, marker=None, show=False)
    assert list_legend(fig) == ["region 00", "region 01", "unknown"]


@pytest.mark.parametrize("n_dims", [2, 3])
@pytest.mark.parametrize("n_rows", [2, 4, 40])
@pytest.mark.parametrize("n_components", [1, 5])
@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_few_points(make_frame, method, n_rows, n_components, n_dims):
    frame = make_frame(n_rows, n_components=n_components)
    before = frame.copy()
    fig = mf.plot_embedding(frame, method=method, n_dims=n_dims, show=False)
    assert list_points(fig).shape == (n_rows, 2)
    assert np.isfinite(list_points(fig)).all()
    pd.testing.assert_frame_equal(frame, before)


def test_umap(make_frame, monkeypatch):
    class UMAP:
        def __init__(self, *, n_neighbors, n_components, **options):
            self.n_neighbors, self.n_components = n_neighbors, n_components

        def fit_transform(self, X):
            assert 1 < self.n_neighbors < len(X)
            return X[:, : self.n_components]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=UMAP))
    frame = make_frame()
    fig = mf.plot_embedding(frame, method="umap", marker=None, show=False)
    found = np.sort(list_points(fig), axis=0)
    assert_allclose(found, np.sort(frame[["c0", "c1"]], axis=0))
    assert fig.axes[0].get_xlabel() == "UMAP 1"


def test_held_out_subjects_have_a_rim(make_frame, list_legend):
    frame = make_frame()
    fig = mf.plot_embedding(frame, held_out=["sub-01"], show=False)
    rims = [
        {to_hex(rim) for rim in part.get_edgecolors()}
        for part in fig.axes[0].collections
    ]
    assert rims == [{"#ffffff"}, {"#000000"}, {"#ffffff"}]
    assert list_legend(fig)[-1] == "held out"


def test_ellipses_are_two_standard_deviations(make_frame):
    frame = make_frame(n_components=2)
    frame.loc[0, "region"] = "a single one"
    fig = mf.plot_embedding(frame, marker=None, ellipses=True, show=False)
    found = [patch for patch in fig.axes[0].patches if isinstance(patch, Ellipse)]
    regions = ["region 00", "region 01"]
    for ellipse, region in zip(found, regions, strict=True):
        cov = np.cov(frame.loc[frame["region"] == region, ["c0", "c1"]].T)
        sd = np.sqrt(np.linalg.eigvalsh(cov))  # the same after the rotation of the PCA
        assert_allclose(sorted([ellipse.width, ellipse.height]), 4 * sd)


def test_given_axes_are_used(make_frame, plt):
    fig, axes = plt.subplots(1, 2)
    assert mf.plot_embedding(make_frame(), axes=axes[1], show=False) is fig
    assert not axes[0].collections


def test_bad_input(make_frame, plt):
    frame = make_frame()
    with pytest.raises(ValueError, match="method"):
        mf.plot_embedding(frame, method="mds", show=False)
    with pytest.raises(ValueError, match="No columns \\['lobe'\\]"):
        mf.plot_embedding(frame, color="lobe", show=False)
    with pytest.raises(ValueError, match="two rows"):
        mf.plot_embedding(frame[:1], show=False)
    with pytest.raises(TypeError, match="to_frame"):
        mf.plot_embedding(frame.to_numpy(), show=False)
    with pytest.raises(ValueError, match="subjects \\['sub-9'\\]"):
        mf.plot_embedding(frame, held_out=["sub-9"], show=False)
    unknown = frame.assign(subject="recording 0")
    with pytest.raises(ValueError, match=r"\['sub-01'\].* recording 0.*'his_id'"):
        mf.plot_embedding(unknown, held_out=["sub-01"], show=False)
    with pytest.raises(ValueError, match="2 for ellipses"):
        mf.plot_embedding(frame, n_dims=3, ellipses=True, show=False)
    with pytest.raises(ValueError, match="projection='3d'"):
        mf.plot_embedding(frame, n_dims=3, axes=plt.axes(), show=False)


def test_space_within_a_subfigure(make_frame, plt):
    part, _ = plt.figure(layout="constrained").subfigures(1, 2)
    axes = part.add_subplot(projection="3d")
    mf.plot_embedding(make_frame(), n_dims=3, axes=axes, show=False)
    assert axes.collections
    assert part.figure.get_layout_engine() is not None


@pytest.mark.parametrize(
    ("method", "module", "extra"),
    [("pca", "matplotlib.pyplot", "viz"), ("umap", "umap", "umap")],
)
def test_without_an_extra(make_frame, monkeypatch, method, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"mne-funcmap\[{extra}\]"):
        mf.plot_embedding(make_frame(), method=method, show=False)


@pytest.mark.parametrize("plot", [mf.plot_embedding, mf.viz.plot_region_distances])
@pytest.mark.parametrize("column", ["model", "fold"])
def test_embeddings_of_several_networks_are_refused(plot, column):
    rows = np.random.default_rng(0).standard_normal((6, 3))
    frame = pd.DataFrame(rows, columns=["c0", "c1", "c2"])
    frame = frame.assign(subject="s", region=[*"AABBCC"])
    frame[column] = [0, 0, 0, 1, 1, 1]
    with pytest.raises(ValueError, match=f"2 values of '{column}'.*axes of its own"):
        plot(frame, show=False)
    frame[column] = 1
    plot(frame, show=False)
