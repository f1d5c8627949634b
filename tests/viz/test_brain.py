import sys

import mne
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose

import mne_funcmap as mf
from mne_funcmap.viz.categories import COLORS, UNKNOWN_COLOR

CHANNELS = {"A1": (-0.04, 0.01, 0.02), "A2": (0.03, -0.02, 0.04), "B1": (0.05, 0, 0)}


@pytest.fixture
def recordings():
    return [make_recording("mni_tal"), make_recording("mni_tal")]


def make_recording(coord_frame):
    info = mne.create_info(list(CHANNELS), 100.0, "seeg")
    raw = mne.io.RawArray(np.zeros((3, 200)), info, verbose="error")
    montage = mne.channels.make_dig_montage(CHANNELS, coord_frame=coord_frame)
    return raw.set_montage(montage, verbose="error")


def make_table(**columns):
    table = {"recording": [0, 0, 0, 1], "ch_name": ["A1", "A2", "B1", "B1"]}
    return pd.DataFrame(table | columns)


def list_views(fig):
    """Return points and colours of the markers in the views that have some."""
    parts = [ax.collections[-1] for ax in fig.axes if ax.collections]
    return [(np.asarray(p.get_offsets()), p.get_facecolors()) for p in parts]


def test_regions_where_they_lie(recordings, list_legend):
    pytest.importorskip("nilearn")
    frame = make_table(region=["A", "A", "B", None])
    fig = mf.viz.plot_brain(recordings, frame, show=False)
    assert list_legend(fig) == ["A", "B", "unknown"]
    left, front, right, above = list_views(fig)
    positions = 1000 * np.array([*CHANNELS.values(), CHANNELS["B1"]])
    assert_allclose(front[0], positions[:, [0, 2]], atol=1e-6)
    assert_allclose(above[0], positions[:, [0, 1]], atol=1e-6)
    shades = [to_hex(shade).upper() for shade in above[1]]
    assert shades == [COLORS[0], COLORS[0], COLORS[1], UNKNOWN_COLOR]
    assert (len(left[0]), len(right[0])) == (1, 3)


def test_numbers_by_colour_map(recordings, plt):
    pytest.importorskip("nilearn")
    frame = make_table(r=[0.0, 0.5, 1.0, np.nan])
    fig = mf.viz.plot_brain(
        recordings, frame, column="r", label="Pearson r", cmap="cividis", show=False
    )
    *_, above = [view for view in list_views(fig) if len(view[0]) == 4]
    expected = plt.colormaps["cividis"]([0.0, 0.5, 1.0])
    assert_allclose(above[1][:3], expected, atol=0.01)
    assert to_hex(above[1][3]) == UNKNOWN_COLOR
    labels = [ax.get_ylabel() for ax in fig.axes]
    labels += [ax.get_ylabel() for ax in fig.axes[0].child_axes]
    assert "Pearson r" in labels


def test_views_keep_to_their_axes(recordings, plt):
    pytest.importorskip("nilearn")
    fig, axes = plt.subplots(1, 2, layout="constrained", figsize=(8, 3))
    frame = make_table(region=["A", "A", "B", None])
    assert mf.viz.plot_brain(recordings, frame, axes=axes[1], show=False) is fig
    axes[0].set_ylabel("a\nlabel\nof\nmany\nlines")
    fig.draw_without_rendering()
    frame = axes[1].get_position()
    for ax in fig.axes[2:]:
        where = ax.get_position()
        assert frame.x0 - 1e-6 <= where.x0
        assert where.x1 <= frame.x1 + 1e-6


@pytest.mark.parametrize(("size", "n_rows"), [((7, 5), 2), ((8, 1.5), 1)])
def test_views_are_large_and_of_one_scale(recordings, plt, size, n_rows):
    pytest.importorskip("nilearn")
    axes = plt.figure(figsize=size).add_axes([0, 0, 1, 1])
    frame = make_table(region=["A", "A", "B", None])
    fig = mf.viz.plot_brain(recordings, frame, axes=axes, show=False)
    fig.draw_without_rendering()
    views = [ax for ax in fig.axes if ax.collections]
    boxes = [view.get_window_extent() for view in views]
    per_mm = [
        box.width / np.ptp(view.get_xlim())
        for box, view in zip(boxes, views, strict=True)
    ]
    assert_allclose(per_mm, per_mm[0])
    middles = {round((box.y0 + box.y1) / 2) for box in boxes}
    assert len(middles) == n_rows
    assert not any(
        one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i]
    )


def test_bad_input(recordings):
    pytest.importorskip("nilearn")
    frame = make_table(region=["A", "A", "B", None])
    with pytest.raises(ValueError, match=r"No columns \['c9'\]"):
        mf.viz.plot_brain(recordings, frame, column="c9", show=False)
    with pytest.raises(ValueError, match="no rows"):
        mf.viz.plot_brain(recordings, frame[:0], show=False)
    with pytest.raises(ValueError, match="all are missing"):
        mf.viz.plot_brain(recordings, make_table(r=np.nan), column="r", show=False)
    with pytest.raises(ValueError, match="has recording 1, and X only 1"):
        mf.viz.plot_brain(recordings[:1], frame, show=False)
    with pytest.raises(ValueError, match="'A1' of recording 0 has several rows"):
        mf.viz.plot_brain(recordings, pd.concat([frame, frame]), show=False)
    recordings[1] = make_recording("head")
    with pytest.raises(ValueError, match="recording 1 .*'head': expected 'mni_tal'"):
        mf.viz.plot_brain(recordings, frame, show=False)
    recordings[1] = recordings[0].copy().set_montage(None)
    with pytest.raises(ValueError, match="recording 1 .*no positions"):
        mf.viz.plot_brain(recordings, frame, show=False)


def test_without_nilearn(recordings, monkeypatch):
    monkeypatch.setitem(sys.modules, "nilearn.plotting", None)
    frame = make_table(region=["A", "A", "B", None])
    with pytest.raises(ImportError, match=r"mne-funcmap\[brain\]"):
        mf.viz.plot_brain(recordings, frame, show=False)
