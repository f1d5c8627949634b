"""Embeddings as points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..evaluation.clusters import list_components
from ..subjects import shorten_list
from .categories import (
    MARKERS,
    encode,
    explain_colors,
    fit_beside,
    make_handle,
    make_palette,
    measure_legend,
    shade_rows,
)
from .numbers import write_numbers
from .projections import project
from .style import (
    FONT,
    PAGE,
    check_columns,
    check_one_space,
    finish,
    hide_spines,
    measure_width,
    open_axes,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


N_SD = 2  # standard deviations from the middle to the rim of an ellipse
SOURCE = "FunctionalEmbedder.to_frame"


def plot_embedding(
    frame: pd.DataFrame,
    *,
    method: str = "pca",
    n_dims: int = 2,
    color: str = "region",
    marker: str | None = "subject",
    ellipses: bool = False,
    held_out: Sequence[str] | None = None,
    axes: Axes | None = None,
    show: bool = True,
) -> Figure:
    """Plot embeddings of channels, or of segments, as points.

    Parameters
    ----------
    frame : pandas.DataFrame
        As by :meth:`~mne_funcmap.FunctionalEmbedder.to_frame` or
        :meth:`~mne_funcmap.FunctionalEmbedder.embed_segments`: components ``c0``,
        ``c1``, ... and columns that describe the rows.
    method : "pca" | "tsne" | "umap"
        Projection on the first principal components, t-SNE, or UMAP.
    n_dims : 2 | 3
        In the plane, or in space.
    color : str
        The column shown by colour. Seven values have colours that can be told apart
        with every kind of colour vision; where there are more, the values are also
        numbered in the figure.
    marker : str | None
        The column shown by marker, where it has ten values at most; None stands for
        one marker.
    ellipses : bool
        Whether to draw, for each value of ``color`` with three points at least, the
        ellipse two standard deviations around their mean; in the plane only.
    held_out : None | sequence of str
        Subjects whose points have a dark rim, such as those not trained on.
    axes : matplotlib.axes.Axes | None
        Where to plot, with ``projection="3d"`` for three dimensions; None stands for
        a new figure.
    show : bool
        Whether to show the figure.

    Returns
    -------
    fig : matplotlib.figure.Figure
        The figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed, or umap-learn for UMAP.
    ValueError
        If a column or a subject is missing, there are fewer than two rows, an
        embedding is not finite, or embeddings are of several models or folds.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> X = mf.simulate_recordings(n_subjects=3, n_sessions=1, duration=20.0)
    >>> emb = mf.FunctionalEmbedder(max_epochs=5, random_state=0).fit(X[:2])
    >>> frame = emb.to_frame(X)
    >>> fig = mf.plot_embedding(frame, held_out=["sub-03"], show=False)
    """
    columns = [color, marker, "subject" if held_out is not None else None]
    embeddings = _get_embeddings(frame, [name for name in columns if name])
    if n_dims not in (2, 3) or (ellipses and n_dims == 3):
        raise ValueError(
            "n_dims must be 2 or 3, and 2 for ellipses, got "
            f"n_dims={n_dims!r} with ellipses={ellipses!r}."
        )
    is_held_out = _find_held_out(frame, held_out)
    points, names = project(embeddings, method, n_dims)
    colors, shapes = encode(frame, color), _choose_shapes(frame, marker)
    palette = make_palette(colors)
    more = [] if marker == color else _list_shapes(marker, shapes)
    more += [_make_rim()] if is_held_out.any() else []
    below = None
    if not fit_beside(palette):
        below = measure_legend(palette, measure_width(axes), len(more))
    own = axes is None
    axes = _open(axes, n_dims, below)
    _scatter(axes, points, shade_rows(colors, palette), shapes, is_held_out)
    for value, rows in colors.items():
        if ellipses and rows.sum() > 2:
            _draw_ellipse(axes, points[rows], palette[value])
    _name_axes(axes, names)
    # a layout leaves no place for legends of axes in space
    place = {"outside": own and n_dims == 3}
    place["borderaxespad"] = 2 if below or n_dims == 3 else 0  # for names of axes
    explain_colors(axes, color, palette, more, below=below, **place)
    if n_dims == 3:
        _place_ticks(axes.figure.canvas.figure)  # of all subfigures
    write_numbers(axes, points, colors, palette)
    return finish([axes], show)


def _get_embeddings(frame, columns):
    """Return the components, (n_rows, n_components), of a table that is complete."""
    check_columns(frame, columns, SOURCE)
    check_one_space(frame)
    names = list_components(frame)
    embeddings = frame[names].to_numpy(dtype=float)
    if not names or len(embeddings) < 2 or not np.isfinite(embeddings).all():
        raise ValueError(
            f"Expected two rows at least with finite components c0, c1, ..., got "
            f"{len(embeddings)} rows with the components {names}."
        )
    return embeddings


def _find_held_out(frame, held_out):
    """Return whether each row is of a subject held out."""
    if held_out is None:
        return np.zeros(len(frame), dtype=bool)
    if isinstance(held_out, str):
        held_out = [held_out]
    missing = sorted(set(held_out) - set(frame["subject"]))
    if missing:
        found = sorted(set(frame["subject"]))
        hint = ""
        if any(str(subject).startswith("recording ") for subject in found):
            hint = (
                " Recordings without a subject id go by their number: set "
                "recording.info['subject_info'] = {'his_id': 'sub-01'} on each, and "
                "embed them again."
            )
        raise ValueError(
            f"No rows of the subjects {missing}, which are held out: there are "
            f"{shorten_list(found, 20)}.{hint}"
        )
    return frame["subject"].isin(held_out).to_numpy()


def _open(axes, n_dims, below):
    """Return axes in the plane or in space, with place for a legend below."""
    height = 4.4 + (below.height if below else 0)
    space = {"projection": "3d"} if n_dims == 3 else {}
    axes = open_axes(axes, PAGE, height, **space)
    if (axes.name == "3d") != (n_dims == 3):
        raise ValueError(
            f"n_dims={n_dims} does not fit axes with the projection {axes.name!r}. "
            "Make axes with projection='3d' for n_dims=3, and without for 2."
        )
    return axes


def _choose_shapes(frame, marker):
    """Return ``{value: (marker, rows)}``; of too many values, one for all."""
    values = encode(frame, marker) if marker else {}
    if not 0 < len(values) <= len(MARKERS):
        return {"": (MARKERS[0], np.ones(len(frame), dtype=bool))}
    rows = zip(MARKERS, values.values(), strict=False)
    return dict(zip(values, rows, strict=True))


def _list_shapes(marker, shapes):
    """Return the entries of a legend that explain markers."""
    if len(shapes) < 2:
        return []
    title = [make_handle("", marker=""), make_handle(marker, marker="")]
    return title + [make_handle(name, marker=m) for name, (m, _) in shapes.items()]


def _make_rim():
    """Return the entry of a legend that explains what was held out."""
    rim = {"markerfacecolor": "white", "markeredgecolor": "black"}
    return make_handle("held out", **rim)


def _scatter(axes, points, shades, shapes, is_held_out):
    """Draw the points, in an order in which no region hides the others."""
    order = np.random.default_rng(0).permutation(len(points))
    size = float(np.clip(9000 / len(points), 12, 45))
    for shape, rows in shapes.values():
        chosen = order[rows[order]]
        rim = is_held_out[chosen]
        depth = {} if points.shape[1] == 2 else {"depthshade": False}
        axes.scatter(
            *points[chosen].T,
            c=shades[chosen],
            marker=shape,
            s=size,
            alpha=0.85,
            edgecolors=np.where(rim, "black", "white"),
            linewidths=np.where(rim, 1.0, 0.4),
            **depth,
        )


def _place_ticks(figure):
    """Draw axes in space once, so that a layout knows where their ticks are."""
    # Matplotlib 3.11 knows it before
    engine = figure.get_layout_engine()
    figure.set_layout_engine("none")
    try:
        figure.draw_without_rendering()
    finally:
        figure.set_layout_engine(engine or "none")


def _draw_ellipse(axes, points, color):
    """Draw the ellipse of the covariance of points."""
    from matplotlib.patches import Ellipse

    variances, directions = np.linalg.eigh(np.cov(points.T))
    width, height = 2 * N_SD * np.sqrt(variances.clip(min=0))
    angle = np.degrees(np.arctan2(directions[1, 0], directions[0, 0]))
    style = {"facecolor": "none", "edgecolor": color, "linewidth": 1.2}
    axes.add_patch(Ellipse(points.mean(axis=0), width, height, angle=angle, **style))


def _name_axes(axes, names):
    """Name the axes, whose units mean nothing."""
    if len(names) == 2:
        hide_spines(axes)
    for letter, name in zip("xyz", names, strict=False):
        ticks = (
            {f"{letter}ticks": []} if len(names) == 2 else {f"{letter}ticklabels": []}
        )
        axes.set(**{f"{letter}label": name}, **ticks)
    if len(names) == 3:
        axes.zaxis.label.set_size(FONT)
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.labelpad = -12
