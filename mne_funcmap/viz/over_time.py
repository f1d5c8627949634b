"""Embeddings as they change in time."""

import numpy as np

from ..clusters import list_components
from .categories import encode, explain_colors, make_handle, make_palette
from .projections import project_pca
from .style import PAGE, check_columns, finish, hide_spines, open_panels

SOURCE = "FunctionalEmbedder.embed_segments"
TINTS = ("#E6E6E6", "#D3E6F3", "#FBE8C8", "#CDEBDD", "#F5DFEA", "#FDFAD0", "#F7D8C6")
UNITS = ((3 * 3600, 3600, "h"), (600, 60, "min"), (0, 1, "s"))


def plot_embedding_over_time(
    segments, *, ch_names=None, components=None, state=None, axes=None, show=True
):
    """Plot how the embeddings of a subject's channels change in time.

    Parameters
    ----------
    segments : pandas.DataFrame
        As by :meth:`FunctionalEmbedder.embed_segments`, of one subject. Several
        recordings are drawn one after the other.
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
    frame = _choose_rows(
        segments, ch_names, [*(components or []), *filter(None, [state])]
    )
    values, names = _compute_values(frame, components)
    by = "region" if ch_names is None else "ch_name"
    time, breaks = _lay_out(frame)
    unit, letter = next((unit, u) for over, unit, u in UNITS if np.ptp(time) >= over)
    groups = encode(frame, by)
    palette = make_palette(groups)
    panels = open_panels(axes, len(names), 1, PAGE, 0.8 + 1.3 * len(names), sharex=True)
    for ax, value, name in zip(panels, values.T, names, strict=True):
        tints = _shade_states(ax, frame, state, time / unit)
        for group, rows in groups.items():
            lines = frame[rows].assign(time=time[rows] / unit, value=value[rows])
            _draw_lines(ax, lines, palette[group])
        for place in breaks / unit:
            ax.axvline(place, color="0.5", lw=0.8)
        ax.set_ylabel(name)
        ax.margins(x=0)
        hide_spines(ax)
    clock = "one recording after the other" if len(breaks) else ""
    panels[-1].set_xlabel(f"Time ({letter}{', ' * bool(clock)}{clock})")
    explain_colors(panels[0], by, palette, _list_states(state, tints))
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
    """Return the time of each segment, recordings one after the other, and breaks."""
    time, breaks, end = frame["onset"].to_numpy(float).copy(), [], None
    for index in frame["recording"].unique():
        rows = (frame["recording"] == index).to_numpy()
        onsets = np.unique(time[rows])
        step = _get_step(onsets)
        if end is not None:
            time[rows] += end - onsets[0]
            breaks.append(end)
        end = time[rows].max() + step
    return time, np.array(breaks)


def _get_step(times):
    """Return what lies between two segments, as a rule."""
    return np.median(np.diff(times)) if len(times) > 1 else 1.0


def _draw_lines(axes, lines, color):
    """Draw the channels of a group thin, and their mean thick."""
    recordings = [of_one for _, of_one in lines.groupby("recording")]
    for of_one in recordings:
        table = of_one.pivot_table(index="time", columns="ch_name", values="value")
        if table.shape[1] > 1:
            axes.plot(table.index, table, color=color, lw=0.5, alpha=0.35)
        mean = table.mean(axis=1)
        marker = "." if len(mean) < 60 else ""
        axes.plot(mean.index, mean, color=color, lw=1.5, marker=marker)


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


def _list_states(state, tints):
    """Return the entries of a legend that explain the background."""
    from matplotlib.patches import Patch

    if not tints:
        return []
    title = [make_handle("", marker=""), make_handle(state, marker="")]
    return title + [Patch(color=tint, label=name) for name, tint in tints.items()]
