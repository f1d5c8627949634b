"""Embeddings as they change in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..evaluation.clusters import list_components
from .categories import (
    are_many,
    encode,
    explain_colors,
    fit_beside,
    make_handle,
    make_palette,
    measure_legend,
)
from .numbers import write_ends
from .projections import project_pca
from .style import PAGE, add_legend, check_columns, finish, hide_spines, open_panels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


SOURCE = "FunctionalEmbedder.embed_segments"
TINTS = ("#E6E6E6", "#D3E6F3", "#FBE8C8", "#CDEBDD", "#F5DFEA", "#FDFAD0", "#F7D8C6")
MAX_MARKED = 60  # segments, each of which has a dot
UNITS = ((3 * 3600, 3600, "h"), (600, 60, "min"), (0, 1, "s"))


def plot_embedding_over_time(
    segments: pd.DataFrame,
    *,
    ch_names: Sequence[str] | None = None,
    components: Sequence[str] | None = None,
    state: str | None = None,
    axes: Axes | Sequence[Axes] | None = None,
    show: bool = True,
) -> Figure:
    """Plot how the embeddings of a subject's channels change in time.

    Parameters
    ----------
    segments : pandas.DataFrame
        As by :meth:`~mne_funcmap.FunctionalEmbedder.embed_segments`, of one subject.
        Several recordings are drawn one after the other.
    ch_names : None | sequence of str
        The channels that are shown, each in a colour of its own; None stands for all,
        in the colours of their regions, whose means are drawn thick.
    components : None | sequence of str
        The columns that are shown, such as ``["c0", "c1"]``; None stands for the first
        two principal components of what is shown.
    state : None | str
        A column such as ``"stage"``, shown as background.
    axes : matplotlib.axes.Axes | sequence of matplotlib.axes.Axes | None
        Where to plot, as many as components; None stands for a new figure.
    show : bool
        Whether to show the figure.

    Returns
    -------
    fig : matplotlib.figure.Figure
        The figure.

    Raises
    ------
    ValueError
        If a column or a channel is missing, or there are several subjects.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> X = mf.simulate_recordings(n_subjects=3, n_sessions=1, duration=30.0)
    >>> emb = mf.FunctionalEmbedder(max_epochs=5, random_state=0).fit(X[:2])
    >>> segments = emb.embed_segments(X[2:])
    >>> segments["state"] = ["rest" if t < 10 else "task" for t in segments["onset"]]
    >>> fig = mf.viz.plot_embedding_over_time(segments, state="state", show=False)
    """
    columns = [*(components or []), *([state] if state else [])]
    frame = _choose_rows(segments, ch_names, columns)
    values, names = _compute_values(frame, components)
    time, breaks, clock = _lay_out(frame)
    by, title = ("region",) * 2 if ch_names is None else ("ch_name", "channel")
    groups = encode(frame, by)
    palette = make_palette(groups)
    below = None if fit_beside(palette) else measure_legend(palette, PAGE)
    height = 0.8 + (2.5 if are_many(palette) else 1.5) * len(names)
    height += below.height if below else 0
    panels = open_panels(axes, len(names), 1, PAGE, height, sharex=True)
    ends = []
    for ax, value, name in zip(panels, values.T, names, strict=True):
        tints = _shade_states(ax, frame, state, time)
        lines = frame[["recording", "ch_name"]].assign(time=time, value=value)
        of_groups = {group: lines[rows] for group, rows in groups.items()}
        ends.append(_draw_groups(ax, of_groups, palette))
        for place in breaks:
            ax.axvline(place, color="0.5", lw=0.8)
        ax.set_ylabel(name)
        hide_spines(ax)
    panels[-1].set_xlabel(clock)
    own = {"outside": True} if axes is None else {"borderaxespad": 4 if below else 0}
    states = _list_states(tints)
    if below and states:
        add_legend(panels[0], states, title=state, outside=axes is None)
    elif states:
        states = [make_handle("", marker=""), make_handle(state, marker=""), *states]
    more, last = ([], panels[-1]) if below else (states, panels[0])
    explain_colors(last, title, palette, more, below=below, **own)
    for ax, points in zip(panels, ends, strict=True):
        write_ends(ax, points, palette)
    return finish(panels, show)


def _choose_rows(segments, ch_names, columns):
    """Return the segments of the channels of one subject that are shown."""
    needed = ["subject", "recording", "ch_name", "region", "onset", *columns]
    check_columns(segments, needed, SOURCE)
    subjects = list(segments["subject"].unique())
    if len(subjects) > 1:
        raise ValueError(
            f"Segments are of the subjects {subjects}: expected one. Choose it, as by "
            f"segments[segments['subject'] == {subjects[0]!r}]."
        )
    if ch_names is None:
        return segments.reset_index(drop=True)
    ch_names = [ch_names] if isinstance(ch_names, str) else list(ch_names)
    missing = sorted(set(ch_names) - set(segments["ch_name"]))
    if missing or not ch_names:
        raise ValueError(
            f"No segments of the channels {missing}: there are "
            f"{sorted(set(segments['ch_name']))}."
        )
    return segments[segments["ch_name"].isin(ch_names)].reset_index(drop=True)


def _compute_values(frame, components):
    """Return what is shown, (n_segments, n_panels), and its names."""
    if components is not None:
        return frame[list(components)].to_numpy(float), list(components)
    points, names = project_pca(frame[list_components(frame)].to_numpy(float), 2)
    return points, [name.replace(" (", "\n(") for name in names]


def _lay_out(frame):
    """Lay recordings out one after the other.

    Returns
    -------
    time : ndarray, shape (n_segments,)
        When each segment begins.
    breaks : ndarray
        When further recordings begin.
    clock : str
        What the numbers are.
    """
    time, breaks, end = frame["onset"].to_numpy(float).copy(), [], None
    for index in frame["recording"].unique():
        rows = (frame["recording"] == index).to_numpy()
        onsets = np.unique(time[rows])
        if end is not None:
            time[rows] += end - onsets[0]
            breaks.append(end)
        end = time[rows].max() + _get_step(onsets)
    unit, name = next((unit, n) for over, unit, n in UNITS if np.ptp(time) >= over)
    order = ", recordings one after the other" if breaks else ""
    return time / unit, np.array(breaks) / unit, f"Time ({name}{order})"


def _get_step(times):
    """Return what lies between two segments, as a rule."""
    return np.median(np.diff(times)) if len(times) > 1 else 1.0


def _draw_groups(axes, groups, palette):
    """Draw groups of channels, and return where each ends."""
    ends = {}
    for group, lines in groups.items():
        for _, of_one in lines.groupby("recording"):
            ends[group] = _draw_lines(axes, of_one, palette[group])
    axes.margins(x=0)
    return ends


def _draw_lines(axes, lines, color):
    """Draw channels of a recording thin, and their mean thick; return its end."""
    table = lines.pivot_table(index="time", columns="ch_name", values="value")
    if table.shape[1] > 1:
        axes.plot(table.index, table, color=color, lw=0.5, alpha=0.35)
    mean = table.mean(axis=1)
    marker = "." if len(mean) < MAX_MARKED else ""
    axes.plot(mean.index, mean, color=color, lw=1.2, marker=marker)
    return mean.index[-1], mean.iloc[-1]


def _shade_states(axes, frame, state, time):
    """Shade the background by state, and return ``{state: tint}``."""
    if state is None:
        return {}
    names = encode(frame, state)
    tints = {name: TINTS[i % len(TINTS)] for i, name in enumerate(names)}
    shown = np.empty(len(frame), dtype=object)
    for name, rows in names.items():
        shown[rows] = name
    starts, first = np.unique(time, return_index=True)
    shown = shown[first]
    changes = np.flatnonzero(shown[1:] != shown[:-1]) + 1
    ends = np.append(starts[changes], starts[-1] + _get_step(starts))
    for at, end in zip([0, *changes], ends, strict=True):
        axes.axvspan(starts[at], end, color=tints[shown[at]], lw=0, zorder=0)
    return tints


def _list_states(tints):
    """Return the entries of a legend that explain the background."""
    from matplotlib.patches import Patch

    return [Patch(color=tint, label=name) for name, tint in tints.items()]
