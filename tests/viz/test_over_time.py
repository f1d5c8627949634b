import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose

import mne_funcmap as mf
from mne_funcmap.viz.over_time import TINTS


def make_segments(n_channels=4, n_regions=2, n_times=5, n_recordings=1):
    rng = np.random.default_rng(0)
    rows = [
        {
            "subject": "sub-1",
            "recording": recording,
            "ch_name": f"ch{channel}",
            "region": f"region {channel % n_regions:02}",
            "onset": 10.0 * time,
            **{f"c{i}": rng.standard_normal() for i in range(3)},
        }
        for recording in range(n_recordings)
        for channel in range(n_channels)
        for time in range(n_times)
    ]
    return pd.DataFrame(rows)


def test_means_of_regions_are_drawn(list_legend):
    segments = make_segments()
    fig = mf.viz.plot_embedding_over_time(segments, components=["c2"], show=False)
    (ax,) = fig.axes
    assert list_legend(fig) == ["region 00", "region 01"]
    thick = [line for line in ax.lines if line.get_linewidth() > 1]
    means = segments.groupby(["region", "onset"])["c2"].mean()
    for line, region in zip(thick, ["region 00", "region 01"], strict=True):
        assert_allclose(line.get_ydata(), means[region])
    assert len(ax.lines) == 2 + 4


def test_channels_have_colours_of_their_own(list_legend):
    segments = make_segments()
    fig = mf.viz.plot_embedding_over_time(
        segments, ch_names=["ch1", "ch3"], components=["c0"], show=False
    )
    assert list_legend(fig) == ["ch1", "ch3"]
    expected = segments.loc[segments["ch_name"] == "ch3", "c0"]
    assert_allclose(fig.axes[0].lines[1].get_ydata(), expected)


def test_components_are_those_of_what_is_shown():
    segments = make_segments()
    fig = mf.viz.plot_embedding_over_time(segments, ch_names=["ch0"], show=False)
    drawn = [ax.lines[0].get_ydata() for ax in fig.axes]
    values = segments.loc[segments["ch_name"] == "ch0", ["c0", "c1", "c2"]]
    variances = np.linalg.eigvalsh(np.cov(values.T))[::-1]
    assert_allclose(np.var(drawn, axis=1, ddof=1), variances[:2])


def test_recordings_follow_each_other():
    segments = make_segments(n_recordings=2)
    fig = mf.viz.plot_embedding_over_time(segments, components=["c0"], show=False)
    ax = fig.axes[0]
    thick = [line for line in ax.lines if line.get_linewidth() > 1]
    assert_allclose(thick[0].get_xdata(), [0, 10, 20, 30, 40])
    assert_allclose(thick[1].get_xdata(), [50, 60, 70, 80, 90])
    assert "one after the other" in ax.get_xlabel()


def test_states_are_the_background(list_legend):
    segments = make_segments()
    stages = {0.0: "W", 10.0: "W", 20.0: "N2", 30.0: "N2", 40.0: "W"}
    segments["stage"] = segments["onset"].map(stages)
    fig = mf.viz.plot_embedding_over_time(
        segments, components=["c0"], state="stage", show=False
    )
    spans = [
        (span.get_x(), span.get_x() + span.get_width(), to_hex(span.get_facecolor()))
        for span in fig.axes[0].patches
    ]
    sleep, wake = (tint.lower() for tint in TINTS[:2])
    assert spans == [(0, 20, wake), (20, 40, sleep), (40, 50, wake)]
    assert list_legend(fig)[-3:] == ["stage", "N2", "W"]


def test_many_regions_are_numbered_where_they_end():
    segments = make_segments(n_channels=10, n_regions=10)
    fig = mf.viz.plot_embedding_over_time(segments, show=False)
    for ax in fig.axes:
        numbers = [text.get_text() for text in ax.texts]
        assert numbers == list(map(str, range(1, 11)))


def test_numbers_of_many_lines_do_not_overlap():
    segments = make_segments(n_channels=30, n_regions=30, n_times=2)
    fig = mf.viz.plot_embedding_over_time(segments, show=False)
    fig.draw_without_rendering()
    for ax in fig.axes:
        places = ax.transData.transform([text.xyann for text in ax.texts])
        gaps = np.abs(places[:, None] - places)[~np.eye(30, dtype=bool)]
        assert (gaps.max(axis=-1) > 6).all()  # pixels, of letters 11 pixels high
        assert (places[:, 1] > ax.bbox.y0 - 1).all()
        assert (places[:, 1] < ax.bbox.y1 + 1).all()


@pytest.mark.parametrize(("step", "unit"), [(10, "(s)"), (300, "(min)"), (4e3, "(h)")])
def test_units(step, unit):
    segments = make_segments()
    segments["onset"] *= step / 10
    fig = mf.viz.plot_embedding_over_time(segments, show=False)
    assert unit in fig.axes[-1].get_xlabel()


def test_given_axes_are_used(plt):
    fig, axes = plt.subplots(2, 2)
    found = mf.viz.plot_embedding_over_time(
        make_segments(), axes=axes[:, 0], show=False
    )
    assert found is fig
    assert [bool(ax.lines) for ax in axes.flat] == [True, False, True, False]
    with pytest.raises(ValueError, match="2 panels, got 1 axes"):
        mf.viz.plot_embedding_over_time(make_segments(), axes=axes[0, 0], show=False)


def test_bad_input():
    segments = make_segments()
    with pytest.raises(ValueError, match=r"No columns \['onset'\].*embed_segments"):
        mf.viz.plot_embedding_over_time(segments.drop(columns="onset"), show=False)
    with pytest.raises(ValueError, match=r"channels \['LA9'\]"):
        mf.viz.plot_embedding_over_time(segments, ch_names=["LA9"], show=False)
    segments.loc[0, "subject"] = "sub-2"
    with pytest.raises(ValueError, match="expected one"):
        mf.viz.plot_embedding_over_time(segments, show=False)
