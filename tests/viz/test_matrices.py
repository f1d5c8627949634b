import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import pdist

import mne_funcmap as mf


@pytest.mark.parametrize("n_regions", [2, 38, 60])
def test_confusion(n_regions, plt):
    truth = [f"region {i % n_regions:02}" for i in range(200)]
    predictions = pd.DataFrame({"region": truth, "predicted": "region 00"})
    fig = mf.viz.plot_confusion(predictions, title="Mine", show=False)
    ax = fig.axes[0]
    shares = ax.images[0].get_array()
    np.testing.assert_array_equal(shares[:, 0], 1)
    assert shares.sum() == n_regions
    assert ax.get_title(loc="left") == "Mine"
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert len(names) == n_regions
    assert names[0].startswith(f"region 00 ({truth.count('region 00')})")
    written = [text.get_text() for text in ax.texts]
    assert written == (["1.00", "0.00"] * 2 if n_regions == 2 else [])


def test_regions_that_no_channel_has_have_no_shares():
    predictions = pd.DataFrame({"region": ["A", "A"], "predicted": ["A", "B"]})
    fig = mf.viz.plot_confusion(predictions, show=False)
    shares = fig.axes[0].images[0].get_array().filled(np.nan)
    np.testing.assert_array_equal(shares, [[0.5, 0.5], [np.nan, np.nan]])


def test_names_are_short_beside_narrow_axes(plt):
    truth = [f"a region with quite a long name {i}" for i in range(5)]
    predictions = pd.DataFrame({"region": truth, "predicted": truth})
    _, axes = plt.subplots(1, 2, figsize=(7, 4), layout="constrained")
    for ax in axes:
        fig = mf.viz.plot_confusion(predictions, axes=ax, show=False)
    fig.draw_without_rendering()
    assert all(ax.get_position().width > 0.2 for ax in axes)


def test_names_of_rows_fit_on_a_page(plt):
    truth = [f"a region with quite a long name {i:02}" for i in range(60)]
    predictions = pd.DataFrame({"region": truth, "predicted": truth})
    fig = mf.viz.plot_confusion(predictions, show=False)
    fig.draw_without_rendering()
    boxes = [label.get_window_extent() for label in fig.axes[0].get_yticklabels()]
    assert min(box.x0 for box in boxes) >= 0
    steps = -np.diff([(box.y0 + box.y1) / 2 for box in boxes])
    assert steps.min() > 8.3 / 72 * fig.dpi  # a line of small letters
    assert fig.get_size_inches()[0] <= 7.1


def test_confusion_is_of_one_model():
    predictions = pd.DataFrame({"model": ["a", "b"], "region": "A", "predicted": "A"})
    with pytest.raises(ValueError, match=r"models \['a', 'b'\]: expected one"):
        mf.viz.plot_confusion(predictions, show=False)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_distances_are_in_the_order_of_the_tree(make_frame, metric):
    frame = make_frame(n_rows=60, n_regions=6)
    frame.loc[len(frame)] = {**frame.loc[0], "region": None}
    fig = mf.viz.plot_region_distances(frame, metric=metric, show=False)
    means = frame.groupby("region")[[f"c{i}" for i in range(5)]].mean()
    distances = pdist(means, metric)
    order = leaves_list(linkage(distances, "average", optimal_ordering=True))
    ax = fig.axes[0]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == [f"{region} (10)" for region in means.index[order]]
    shown = ax.images[0].get_array()
    expected = pdist(means.iloc[order], metric)
    assert_allclose(shown[np.triu_indices(6, 1)], expected)
    assert_allclose(shown, shown.T)


def test_the_tree_stands_on_its_leaves(make_frame):
    fig = mf.viz.plot_region_distances(make_frame(n_rows=60, n_regions=6), show=False)
    matrix, *insets = fig.axes[0], *fig.axes[0].child_axes
    tree = next(ax for ax in insets if ax.lines)
    assert len(tree.lines) == 5
    assert tree.get_xlim() == matrix.get_xlim()
    feet = [
        x
        for line in tree.lines
        for x, y in zip(*line.get_data(), strict=True)
        if y == 0
    ]
    assert sorted(feet) == [0, 1, 2, 3, 4, 5]


def test_given_axes_are_used(make_frame, plt):
    fig, axes = plt.subplots(1, 2)
    frame = make_frame()
    assert mf.viz.plot_region_distances(frame, axes=axes[0], show=False) is fig
    frame["predicted"] = frame["region"]
    assert mf.viz.plot_confusion(frame, axes=axes[1], show=False) is fig
    assert all(len(ax.images) == 1 for ax in axes)


def test_one_region_has_no_distance(make_frame):
    with pytest.raises(ValueError, match="expected two at least"):
        mf.viz.plot_region_distances(make_frame(n_regions=1), show=False)


def test_rows_without_a_region_are_not_confused():
    rows = {"region": ["A", "B", None], "predicted": ["A", "A", "B"]}
    fig = mf.viz.plot_confusion(pd.DataFrame(rows), show=False)
    assert_allclose(fig.axes[0].images[0].get_array(), [[1, 0], [1, 0]])
    with pytest.raises(ValueError, match="None of the 1 rows has a region"):
        mf.viz.plot_confusion(pd.DataFrame(rows)[2:], show=False)
