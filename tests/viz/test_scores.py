import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose

import mne_funcmap as mf
from mne_funcmap.evaluation import summarize
from mne_funcmap.viz.scores import BASELINE_COLOR, score_subjects


@pytest.fixture
def predictions():
    """Two models, three subjects, of whom one has no channel in region C."""
    rng = np.random.default_rng(0)
    regions = {"s1": "AABBC", "s2": "AABCC", "s3": "ABBB"}
    rows = [
        {"model": model, "subject": s, "region": r, "predicted": rng.choice([*"ABC"])}
        for model in ("net", "lda")
        for s, of_subject in regions.items()
        for r in of_subject
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def summary(predictions):
    summary = summarize(predictions, baselines=["lda"], n_resamples=50)
    summary.attrs["baselines"] = ["lda"]
    return summary


def list_dots(ax, size=6):
    """List the points of the small dots of axes."""
    parts = [part for part in ax.collections if isinstance(part, PathCollection)]
    return [part.get_offsets() for part in parts if part.get_sizes()[0] == size]


def list_intervals(ax):
    """List the ends of the horizontal lines of axes."""
    return [
        path.vertices[:, 0]
        for part in ax.collections
        if isinstance(part, LineCollection)
        for path in part.get_paths()
    ]


def test_scores_are_those_of_the_table(summary, list_legend):
    fig = mf.viz.plot_scores(summary, title="Mine", show=False)
    (ax,) = fig.axes
    assert_allclose(list_intervals(ax), summary[["low", "high"]])
    points = {tuple(point) for point in np.concatenate(list_dots(ax, 36))}
    assert points == {(s, i) for i, s in enumerate(summary["balanced_accuracy"])}
    assert [label.get_text() for label in ax.get_yticklabels()] == ["net", "lda"]
    assert list_legend(fig) == [
        "plain baseline",
        "chance",
        "best of the baselines given",
    ]
    assert ax.lines[0].get_xdata()[0] == pytest.approx(1 / 3)
    assert ax.get_title(loc="left") == "Mine"


def test_baselines_look_different(summary):
    fig = mf.viz.plot_scores(summary, show=False)
    big = [p for p in fig.axes[0].collections if isinstance(p, PathCollection)]
    colors = [to_hex(part.get_facecolor()[0]) for part in big]
    assert colors[1] == BASELINE_COLOR != colors[0]
    assert len(big[0].get_paths()[0]) != len(big[1].get_paths()[0])


def test_some_models_only(summary, list_legend):
    fig = mf.viz.plot_scores(summary[:1], show=False)
    assert list_legend(fig) == ["chance"]


def test_a_dot_for_every_subject(summary, predictions):
    fig = mf.viz.plot_scores(summary, frame=predictions, show=False)
    dots = list_dots(fig.axes[0])
    expected = score_subjects(predictions, "balanced_accuracy")
    for at, (model, found) in enumerate(zip(["net", "lda"], dots, strict=True)):
        assert_allclose(found[:, 0], expected[model])
        assert (np.abs(found[:, 1] - at) < 0.3).all()


def test_subjects_are_scored_as_by_the_test_over_subjects(predictions):
    of_one = predictions[predictions["model"] == "net"]
    weight = 1 / of_one["region"].map(of_one["region"].value_counts())
    right = weight * (of_one["region"] == of_one["predicted"])
    by = of_one["subject"]
    expected = right.groupby(by).sum() / weight.groupby(by).sum()
    found = score_subjects(predictions, "balanced_accuracy")["net"]
    assert_allclose(found, expected)


def test_scores_of_reconstruction(list_legend):
    columns = {"model": "a", "subject": [*"xxy"], "region": "A", "r": [0.1, 0.3, 0.8]}
    frame = pd.DataFrame(columns)
    summary = pd.DataFrame({"model": ["a"], "r": [0.4], "low": [0.2], "high": [0.6]})
    fig = mf.viz.plot_scores(summary, score="r", frame=frame, show=False)
    assert_allclose(list_dots(fig.axes[0])[0][:, 0], [0.2, 0.8])
    assert list_legend(fig) == ["chance", "a subject"]
    assert fig.axes[0].lines[0].get_xdata()[0] == 0


def test_region_scores(predictions, list_legend):
    fig = mf.viz.plot_region_scores(predictions, show=False)
    (ax,) = fig.axes
    right = predictions["region"] == predictions["predicted"]
    means = right.groupby([predictions["model"], predictions["region"]]).mean()
    order = means["net"].sort_values(ascending=False, kind="stable").index
    count = predictions["region"].value_counts() // 2
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == [f"{region} ({count[region]})" for region in order]
    big = np.concatenate(list_dots(ax, 28))
    expected = [means[model, region] for region in order for model in ("net", "lda")]
    assert_allclose(big[:, 0], expected)
    assert (np.diff(big[:, 1]) > 0).all()
    # two subjects have the region C, three the others
    n_subjects = [len(dots) for dots in list_dots(ax)]
    expected = [2 if region == "C" else 3 for region in order for _ in range(2)]
    assert n_subjects == expected
    assert ax.lines[0].get_xdata()[0] == pytest.approx(1 / 3)
    assert list_legend(fig) == ["net", "lda", "a subject", "chance"]


def test_intervals_of_regions_hold_the_mean():
    rng = np.random.default_rng(0)
    subjects = [f"s{i}" for i in range(20)] + ["s0"]
    regions = ["A"] * 20 + ["B"]
    columns = {"subject": subjects, "region": regions, "r": rng.normal(0.5, 0.1, 21)}
    frame = pd.DataFrame(columns)
    fig = mf.viz.plot_region_scores(frame, show=False)
    ((low, high),) = list_intervals(fig.axes[0])  # none of B, of a single subject
    of_many = frame["r"][:20]
    error = 1.96 * of_many.std(ddof=0) / np.sqrt(20)
    assert low == pytest.approx(of_many.mean() - error, abs=0.01)
    assert high == pytest.approx(of_many.mean() + error, abs=0.01)


def test_region_scores_of_another_column(list_legend):
    columns = {"subject": ["a", "b"], "region": "A", "r": 0.5, "nmse": [0.2, 0.4]}
    frame = pd.DataFrame(columns)
    fig = mf.viz.plot_region_scores(frame, score="nmse", show=False)
    assert_allclose(list_dots(fig.axes[0])[0][:, 0], [0.2, 0.4])
    assert list_legend(fig) == ["a subject"]  # chance is not known


def test_names_of_rows_do_not_overlap(plt):
    regions = [f"region {i:02}" for i in range(60)]
    frame = pd.DataFrame({"subject": "a", "region": regions, "r": 0.5})
    (low, high) = [plt.figure(figsize=(5, height)).add_subplot() for height in (2, 12)]
    for ax in (low, high):
        mf.viz.plot_region_scores(frame, axes=ax, show=False)
    assert len(high.get_yticklabels()) == 60
    assert 5 < len(low.get_yticklabels()) < 20


def test_given_axes_are_used(summary, predictions, plt):
    fig, axes = plt.subplots(1, 2)
    assert mf.viz.plot_scores(summary, axes=axes[0], show=False) is fig
    assert mf.viz.plot_region_scores(predictions, axes=axes[1], show=False) is fig
    assert all(ax.collections for ax in axes)


def test_bad_input(summary, predictions):
    with pytest.raises(ValueError, match=r"No columns \['r'\]"):
        mf.viz.plot_scores(summary, score="r", show=False)
    with pytest.raises(ValueError, match=r"No columns \['region'\]"):
        mf.viz.plot_region_scores(predictions.drop(columns="region"), show=False)
    with pytest.raises(ValueError, match=r"No columns \['predicted'\].*evaluate"):
        mf.viz.plot_region_scores(predictions.drop(columns="predicted"), show=False)


def test_summary_and_frame_must_be_of_the_same_models():
    summary = pd.DataFrame({"model": ["a"], "r": [0.5], "low": [0.4], "high": [0.6]})
    frame = {"model": ["b"], "subject": ["s"], "region": ["A"], "r": [0.3]}
    with pytest.raises(ValueError, match=r"no rows of the models \['a'\]"):
        mf.viz.plot_scores(summary, score="r", frame=pd.DataFrame(frame), show=False)
    with pytest.raises(ValueError, match="no rows"):
        mf.viz.plot_scores(summary[:0], score="r", show=False)
