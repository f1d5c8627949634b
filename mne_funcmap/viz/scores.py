"""Scores of models, over all regions and region by region."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..evaluation.intervals import describe, pool_subjects
from .categories import (
    COLORS,
    UNKNOWN_COLOR,
    make_handle,
    make_palette,
    measure_names,
    shorten,
)
from .style import (
    HEIGHT,
    PAGE,
    WIDE,
    add_legend,
    check_columns,
    finish,
    hide_spines,
    measure_width,
    name_rows,
    open_axes,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


NAMES = {"balanced_accuracy": "Balanced accuracy", "r": "Pearson r"}
RIGHT = "share right"
BASELINE_COLOR = "#555555"
N_RESAMPLES = 2000
BOUNDS = {"share of channels right": (0, 1), "r": (-1, 1)}  # of intervals
MIN_HEIGHT = 1.6


def plot_scores(
    summary: pd.DataFrame,
    *,
    score: str = "balanced_accuracy",
    frame: pd.DataFrame | None = None,
    title: str | None = None,
    axes: Axes | None = None,
    show: bool = True,
) -> Figure:
    """Plot the scores of models with intervals, and chance.

    Parameters
    ----------
    summary : pandas.DataFrame
        As by :func:`mne_funcmap.compare_embedders` or
        :func:`mne_funcmap.compare_identities`.
    score : "balanced_accuracy" | "r"
        The column of the scores. Chance is 0 for r.
    frame : pandas.DataFrame | None
        What these functions return first: every subject is then a dot.
    title : str | None
        The title.
    axes : matplotlib.axes.Axes | None
        Where to plot; None stands for a new figure.
    show : bool
        Whether to show the figure.

    Returns
    -------
    fig : matplotlib.figure.Figure
        The figure. Plain baselines are squares.

    Raises
    ------
    ValueError
        If a column or a model is missing.

    Notes
    -----
    The balanced accuracy of a subject is the share of its channels that are right, each
    weighted by one over the number of its region in all subjects.

    Examples
    --------
    >>> import pandas as pd
    >>> from mne_funcmap.viz import plot_scores
    >>> scores = {"model": ["a", "b"], "r": [0.5, 0.4]}
    >>> interval = {"low": [0.4, 0.3], "high": [0.6, 0.5]}
    >>> fig = plot_scores(pd.DataFrame(scores | interval), score="r", show=False)
    """
    check_columns(summary, ["model", score, "low", "high"], "compare_embedders")
    if not len(summary):
        raise ValueError("The summary has no rows.")
    axes = open_axes(axes, PAGE, max(0.8 + 0.26 * len(summary), MIN_HEIGHT))
    place = np.arange(len(summary))
    is_baseline = summary["model"].isin(_list_baselines(summary)).to_numpy()
    colors = np.where(is_baseline, BASELINE_COLOR, COLORS[0])
    if frame is not None:
        by_subject = score_subjects(frame, score)
        missing = sorted(set(summary["model"]) - set(by_subject))
        if missing:
            raise ValueError(
                f"frame has no rows of the models {missing}: give the table that came "
                "with the summary."
            )
        for at, model in enumerate(summary["model"]):
            _draw_dots(axes, by_subject[model].dropna(), at, 0.28, colors[at])
    axes.hlines(place, summary["low"], summary["high"], colors=colors, lw=2, zorder=3)
    for kind, marker in ((~is_baseline, "o"), (is_baseline, "s")):
        style = {"color": colors[kind], "marker": marker, "s": 36, "zorder": 4}
        axes.scatter(summary[score][kind], place[kind], **style)
    handles = _draw_references(axes, summary, score)
    name_rows(axes, summary["model"])
    axes.set_ylim(len(summary) - 0.4, -0.6)
    axes.set_xlabel(_name_score(axes, score))
    hide_spines(axes)
    if is_baseline.any():
        style = {"color": BASELINE_COLOR, "marker": "s", "markersize": 6}
        handles.insert(0, make_handle("plain baseline", **style))
    if frame is not None:
        handles.append(make_handle("a subject", markersize=3, color=COLORS[0]))
    add_legend(axes, handles)
    return finish([axes], show, title=title)


def plot_region_scores(
    frame: pd.DataFrame,
    *,
    score: str | None = None,
    title: str | None = None,
    axes: Axes | None = None,
    show: bool = True,
) -> Figure:
    """Plot scores region by region.

    Parameters
    ----------
    frame : pandas.DataFrame
        As by :meth:`~mne_funcmap.MaskedRegionReconstructor.evaluate`, or what
        :func:`mne_funcmap.compare_identities` or
        :func:`mne_funcmap.compare_embedders` returns first. Models have colours; seven
        can be told apart by everybody.
    score : None | str
        The column of the scores; None stands for r, or for the share of channels that
        are predicted right where there are predicted regions.
    title : str | None
        The title.
    axes : matplotlib.axes.Axes | None
        Where to plot; None stands for a new figure.
    show : bool
        Whether to show the figure.

    Returns
    -------
    fig : matplotlib.figure.Figure
        The figure: of each region the mean over channels, its 95 % interval over
        the subjects who have the region (two at least), and a dot for each
        of them. Regions are in the order of the first model's means.

    Raises
    ------
    ValueError
        If a column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from mne_funcmap.viz import plot_region_scores
    >>> scores = {"subject": ["a", "b"], "region": ["STN", "STN"], "r": [0.5, 0.4]}
    >>> fig = plot_region_scores(pd.DataFrame(scores), show=False)
    """
    table, score, chance = _read_scores(frame, score)
    models = list(dict.fromkeys(table["model"]))
    first = table[table["model"] == models[0]].groupby("region")["score"]
    regions = first.mean().sort_values(ascending=False, kind="stable").index
    step = 0.8 / len(models)
    height = 0.7 + max(0.14, 0.12 * len(models) + 0.02) * len(regions)
    letters = measure_names(axes)
    axes = open_axes(axes, PAGE, np.clip(height, MIN_HEIGHT, HEIGHT))
    palette = make_palette(models)
    for at, region in enumerate(regions):
        for number, (model, color) in enumerate(palette.items()):
            place = at + (number - (len(models) - 1) / 2) * step
            rows = table[(table["model"] == model) & (table["region"] == region)]
            _draw_region(axes, rows, place, step, color, BOUNDS.get(score))
    if chance is not None:
        axes.axvline(chance, color=UNKNOWN_COLOR, ls="--", lw=1, zorder=0)
    counts = first.size()[regions]
    name_rows(axes, [f"{shorten(name, letters)} ({n})" for name, n in counts.items()])
    axes.set_ylim(len(regions) - 0.4, -0.6)
    axes.set(xlabel=_name_score(axes, score), ylabel="Region (channels)")
    hide_spines(axes)
    handles = [make_handle(model, color) for model, color in palette.items() if model]
    handles.append(make_handle("a subject", markersize=3))
    if chance is not None:
        line = {"color": UNKNOWN_COLOR, "marker": "", "ls": "--"}
        handles.append(make_handle("chance", **line))
    add_legend(axes, handles)
    return finish([axes], show, title=title)


def score_subjects(frame, score):
    """Score every subject.

    Parameters
    ----------
    frame : pandas.DataFrame
        Channels, as by :func:`mne_funcmap.compare_embedders`.
    score : str
        "balanced_accuracy", or a column, whose mean over channels is taken.

    Returns
    -------
    table : pandas.DataFrame
        One row for each subject, one column for each model.
    """
    table, _, _ = _read_scores(frame, None if score == "balanced_accuracy" else score)
    weight = np.ones(len(table))
    if score == "balanced_accuracy":
        size = table.groupby(["model", "region"])["score"].transform("size")
        weight = 1 / size.to_numpy()
    weight = np.where(table["score"].notna(), weight, np.nan)
    table = table.assign(weight=weight, score=weight * table["score"])
    sums = table.groupby(["subject", "model"])[["score", "weight"]].sum()
    return (sums["score"] / sums["weight"]).unstack("model")


def _read_scores(frame, score):
    """Return model, subject, region and score of channels, what it is, and chance."""
    source = "MaskedRegionReconstructor.evaluate or compare_embedders"
    check_columns(frame, ["subject", "region"], source)
    if score is None:
        score = "r" if "r" in frame else RIGHT
    check_columns(frame, ["predicted" if score == RIGHT else score], source)
    table = frame[["subject", "region"]].assign(model=frame.get("model", ""))
    if score == RIGHT:
        right = (frame["region"] == frame["predicted"]).astype(float)
        chance = 1 / frame["region"].nunique()
        return table.assign(score=right), "share of channels right", chance
    return table.assign(score=frame[score]), score, 0.0 if score == "r" else None


def _name_score(axes, score):
    """Return the name of a score, in two lines below narrow axes."""
    name = NAMES.get(score, score)
    gap = " " if measure_width(axes) > WIDE else "\n"
    return f"{name[0].upper()}{name[1:]}{gap}(95 % interval over subjects)"


def _list_baselines(summary):
    """Return the names of the plain baselines among the models."""
    best = list(summary["baseline"][:1]) if "baseline" in summary else []
    return summary.attrs.get("baselines", best)


def _draw_references(axes, summary, score):
    """Draw chance and the best baseline as lines, and return these."""
    chance = summary["chance"].iloc[0] if "chance" in summary else 0.0
    lines = [axes.axvline(chance, color=UNKNOWN_COLOR, ls="--", lw=1, label="chance")]
    rows = summary["model"] == summary.get("baseline")
    if rows.any():
        best = summary[score][rows].iloc[0]
        style = {"color": COLORS[5], "ls": ":", "label": "best of the baselines given"}
        lines.append(axes.axvline(best, **style))
    return lines


def _draw_region(axes, rows, place, step, color, bounds):
    """Draw the mean of a region with its interval, and its subjects."""
    by_subject = rows.groupby("subject")["score"].agg(["sum", "count", "mean"])
    by_subject = by_subject[by_subject["count"] > 0]
    if not len(by_subject):
        return
    _draw_dots(axes, by_subject["mean"], place, 0.3 * step, color)
    sums, counts = (by_subject[name].to_numpy(float) for name in ("sum", "count"))
    axes.scatter(sums.sum() / counts.sum(), place, color=color, s=28, zorder=4)
    if len(by_subject) > 1:
        drawn = {"n_resamples": N_RESAMPLES, "random_state": 0}
        means = pool_subjects(sums, counts)[None]
        found = describe(means, "mean", "low", "high", bounds=bounds, **drawn)
        axes.hlines(place, found["low"], found["high"], color=color, lw=2, zorder=3)


def _draw_dots(axes, scores, place, spread, color):
    """Draw a dot for each subject, so that equal ones do not hide each other."""
    shift = np.random.default_rng(0).uniform(-spread, spread, len(scores))
    axes.scatter(scores, place + shift, s=6, color=color, alpha=0.35, linewidths=0)
