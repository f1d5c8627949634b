"""Channels on the brain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..recordings.channels import check_recordings
from ..recordings.positions import get_positions, locate_channels
from ..subjects import describe
from .categories import (
    UNKNOWN_COLOR,
    encode,
    explain_colors,
    make_palette,
    measure_legend,
    shade_rows,
)
from .numbers import write_numbers
from .style import FONT, PAGE, add_bar, check_columns, finish, measure_width, open_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..hints import Recordings


MM = 1000.0
HEIGHT = 5.2  # inches of the views of a new figure
SPACE = 6.0  # mm between views
ARRANGEMENTS = [[*"lyrz"]], [[*"lr"], [*"yz"]]  # from left, front, right, above
SOURCE = "FunctionalEmbedder.to_frame or MaskedRegionReconstructor.evaluate"


def plot_brain(
    X: Recordings,
    frame: pd.DataFrame,
    *,
    column: str = "region",
    label: str | None = None,
    cmap: str = "viridis",
    axes: Axes | None = None,
    show: bool = True,
) -> Figure:
    """Plot values of channels where these lie, on a glass brain.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with positions in MNI space (frame "mni_tal").
    frame : pandas.DataFrame
        One row for each channel to be shown, with recording (index in X) and ch_name:
        as by :meth:`~mne_funcmap.FunctionalEmbedder.to_frame`,
        :meth:`~mne_funcmap.MaskedRegionReconstructor.evaluate`, or rows of one model of
        what :func:`mne_funcmap.compare_embedders` returns first.
    column : str
        What is shown: numbers by a colour map, such as ``"c0"`` or ``"r"``; names,
        such as ``"region"``, by colours with a legend. Missing values are grey.
    label : str | None
        What the values are; None stands for the name of the column.
    cmap : str
        Colour map of numbers.
    axes : matplotlib.axes.Axes | None
        Where to plot; None stands for a new figure.
    show : bool
        Whether to show the figure.

    Returns
    -------
    fig : matplotlib.figure.Figure
        The figure, with views from the left, the front, the right and above.

    Raises
    ------
    ImportError
        If nilearn is not installed.
    ValueError
        If a column or all its numbers are missing, a channel has several rows or no
        position, or positions are in another frame.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> X = mf.read_recordings_bids("path/to/dataset")  # doctest: +SKIP
    >>> emb = mf.FunctionalEmbedder().fit(X)  # doctest: +SKIP
    >>> mf.viz.plot_brain(X, emb.to_frame(X), column="region")  # doctest: +SKIP
    """
    points = _locate(check_recordings(X), frame, column)
    _import_glass_brain()
    label, width = label or column, measure_width(axes)
    values, palette = {}, {}
    if frame[column].dtype.kind in "fiub":
        axes = open_axes(axes, PAGE, HEIGHT)
        shades = _shade_numbers(axes, frame[column].to_numpy(float), label, cmap)
    else:
        values = encode(frame, column)
        palette = make_palette(values)
        legend = measure_legend(palette, width)
        axes = open_axes(axes, PAGE, HEIGHT + legend.height)
        shades = shade_rows(values, palette)
        explain_colors(axes, label, palette, below=legend)
    display = _draw_views(axes, points, shades, min(1, width / PAGE) ** 2)
    for side in "lr":
        is_seen = points[:, 0] <= 0 if side == "l" else points[:, 0] >= 0
        view = display.axes[side].ax
        of_side = {name: rows[is_seen] for name, rows in values.items()}
        seen = np.asarray(view.collections[-1].get_offsets())
        write_numbers(view, seen, of_side, palette)
    return finish([axes], show)


def _draw_views(axes, points, shades, scale):
    """Draw brains with markers, and return what holds them."""
    plot_glass_brain = _import_glass_brain()
    views = {"display_mode": "lyrz", "annotate": False}
    display = plot_glass_brain(None, axes=axes, figure=axes.figure, **views)
    display.annotate(size=8)
    for side in "lr":
        view = display.axes[side].ax
        view.text(0, 0.95, side.upper(), transform=view.transAxes, fontsize=FONT)
    _arrange(axes, {side: view.ax for side, view in display.axes.items()})
    size = scale * float(np.clip(8000 / len(points), 10, 36))
    rim = {"edgecolors": "white", "linewidths": 0.3}
    display.add_markers(points, marker_color=shades, marker_size=size, **rim)
    return display


def _arrange(axes, views):
    """Keep the views in their axes, which a layout may move later, at one scale."""
    sizes = {
        side: np.array([np.ptp(view.get_xlim()), np.ptp(view.get_ylim())])
        for side, view in views.items()
    }
    from matplotlib.transforms import Bbox

    for side, view in views.items():

        def place(view, renderer, side=side):
            frame, figure = axes.get_position(), axes.figure.get_size_inches()
            scale, middles = _fit(sizes, frame.size * figure)
            corner = frame.min + (middles[side] - scale * sizes[side] / 2) / figure
            return Bbox.from_bounds(*corner, *(scale * sizes[side] / figure))

        view.set_axes_locator(place)


def _fit(sizes, room):
    """Fit views into some room, in a row or in two, as large as can be.

    Parameters
    ----------
    sizes : dict of str to ndarray, shape (2,)
        Width and height of each view.
    room : ndarray, shape (2,)
        Width and height that there are.

    Returns
    -------
    scale : float
        By which sizes are multiplied.
    middles : dict of str to ndarray, shape (2,)
        Where the views are.
    """
    fits = []
    for rows in ARRANGEMENTS:
        cells = np.array([[sizes[side] + SPACE for side in row] for row in rows])
        across, up = cells[..., 0].max(axis=0), cells[..., 1].max(axis=1)
        scale = min(room / (across.sum(), up.sum()))
        x = np.cumsum(across) - across / 2 + (room[0] / scale - across.sum()) / 2
        y = up.sum() - np.cumsum(up) + up / 2  # at the bottom, near a legend
        middles = {
            side: scale * np.array([x[column], y[row]])
            for (row, column), side in np.ndenumerate(rows)
        }
        fits.append((scale, middles))
    return max(fits, key=lambda fit: fit[0])


def _import_glass_brain():
    """Return nilearn's function, or say how to install it."""
    try:
        from nilearn.plotting import plot_glass_brain
    except ImportError as error:
        raise ImportError(
            "Pictures of the brain need nilearn: pip install 'mne-funcmap[brain]'."
        ) from error
    return plot_glass_brain


def _locate(recordings, frame, column):
    """Return the positions of the channels of a table, (n_rows, 3), in mm."""
    check_columns(frame, ["recording", "ch_name", column], SOURCE)
    double = frame.duplicated(["recording", "ch_name"])
    if double.any():
        index, ch_name = frame.loc[double, ["recording", "ch_name"]].iloc[0]
        raise ValueError(
            f"Channel {ch_name!r} of recording {index} has several rows: expected one "
            "for each channel. Choose a model, as by frame[frame['model'] == "
            "'embedding'], or average."
        )
    if not len(frame):
        raise ValueError("The table has no rows: expected one for each channel.")
    points = np.empty((len(frame), 3))
    for index in frame["recording"].unique():
        if index not in range(len(recordings)):
            raise ValueError(
                f"The table has recording {index}, and X only {len(recordings)}: "
                "give the recordings that the table was made of."
            )
        rows = (frame["recording"] == index).to_numpy()
        _check_frame(recordings[index], index)
        names = frame["ch_name"].to_numpy()[rows]
        points[rows] = MM * locate_channels(recordings[index], names, index)
    return points


def _check_frame(recording, index):
    """Raise unless positions are in MNI space."""
    _, coord_frame = get_positions(recording, index)
    if coord_frame != "mni_tal":
        raise ValueError(
            f"Positions of {describe(index, recording)} are in the frame "
            f"{coord_frame!r}: expected 'mni_tal', that of the brain that is drawn. "
            "Set a montage in MNI space."
        )


def _shade_numbers(axes, values, label, cmap):
    """Explain a colour map beside the axes, and return the colours of values."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize, to_rgba

    if np.isnan(values).all():
        raise ValueError(
            f"There is no number to show ({label}): all are missing. Choose another "
            "column."
        )
    mapped = ScalarMappable(Normalize(np.nanmin(values), np.nanmax(values)), cmap)
    add_bar(axes, mapped, label)
    shades = mapped.to_rgba(values)
    shades[np.isnan(values)] = to_rgba(UNKNOWN_COLOR)
    return shades
