"""What all pictures share: axes, sizes, and the columns that they need."""

import numpy as np
from mne.viz.utils import plt_show

COLUMN, WIDE, PAGE = 3.35, 5.0, 7.09  # inches: 85, 127 and 180 mm of a journal
HEIGHT = 9.2  # inches of a page
FONT = "small"  # 8.3 points, unless the user has another size
LETTER, LINE = 0.06, 0.15  # inches that such a letter and a line of them take
CROWDED = 1.4  # lines that are drawn in the place of one, at most


def import_pyplot():
    """Return matplotlib.pyplot, or say how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Figures need matplotlib: pip install 'mne-funcmap[viz]'."
        ) from error
    return plt


def open_axes(axes, width, height, **subplot):
    """Return the axes that were given, or those of a new figure.

    Parameters
    ----------
    axes : matplotlib.axes.Axes | None
        The axes.
    width, height : float
        Inches of a new figure.
    **subplot : dict
        Further parameters of a new figure's axes.

    Returns
    -------
    axes : matplotlib.axes.Axes
        Where to plot.
    """
    plt = import_pyplot()
    if axes is not None:
        return axes
    fig = plt.figure(figsize=(width, height), layout="constrained")
    return fig.add_subplot(**subplot)


def open_panels(axes, n_panels, n_columns, width, height, **options):
    """Return as many axes as there are panels, those given or of a new figure.

    Parameters
    ----------
    axes : matplotlib.axes.Axes | sequence of matplotlib.axes.Axes | None
        The axes; a single one where there is one panel.
    n_panels, n_columns : int
        Number of panels, and of those in a row.
    width, height : float
        Inches of a new figure.
    **options : dict
        Further parameters of ``matplotlib.pyplot.subplots``.

    Returns
    -------
    panels : list of matplotlib.axes.Axes
        Where to plot.
    """
    plt = import_pyplot()
    if axes is None:
        size = {"figsize": (width, height), "layout": "constrained"}
        shape = (-(-n_panels // n_columns), n_columns)
        _, axes = plt.subplots(*shape, squeeze=False, **size, **options)
        for ax in axes.flat[n_panels:]:
            ax.remove()
        return list(axes.flat[:n_panels])
    panels = list(np.ravel(np.array(axes, dtype=object)))
    if len(panels) != n_panels:
        raise ValueError(
            f"This picture has {n_panels} panels, got {len(panels)} axes: give as "
            "many, or None for a new figure."
        )
    return panels


def finish(axes, show, *, title=None):
    """Give axes their look, and show their figure if wanted.

    Parameters
    ----------
    axes : sequence of matplotlib.axes.Axes
        All axes of the picture.
    show : bool
        Whether to show the figure.
    title : str | None
        The title.

    Returns
    -------
    fig : matplotlib.figure.Figure
        The figure.
    """
    for ax in axes:
        ax.tick_params(labelsize=FONT)
        for label in (ax.xaxis.label, ax.yaxis.label):
            label.set_size(FONT)
    if title is not None:
        axes[0].set_title(title, fontsize="medium", loc="left")
    fig = axes[0].figure
    plt_show(show, fig=fig)
    return fig


def hide_spines(axes):
    """Leave the lines of the axes at the left and at the bottom."""
    axes.spines[["top", "right"]].set_visible(False)


def name_rows(axes, names):
    """Name rows from 0 on, or every n-th one if axes are too low for all."""
    rows = axes.get_window_extent().height / axes.figure.dpi / LINE
    step = int(np.ceil(len(names) / max(rows * CROWDED, 1)))
    axes.set_yticks(range(0, len(names), step), names[::step], fontsize=FONT)


def add_legend(axes, handles=None, *, below=False, outside=False, **options):
    """Explain beside or below the axes what was drawn.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The axes.
    handles : list of matplotlib.artist.Artist | None
        The entries; None stands for what has a label.
    below : bool
        Whether below the axes, or beside them.
    outside : bool
        Whether the legend is that of the whole figure.
    **options : dict
        Further parameters of the legend.

    Returns
    -------
    legend : matplotlib.legend.Legend
        The legend.
    """
    if handles is None:
        handles = axes.get_legend_handles_labels()[0]
    style = {"fontsize": FONT, "title_fontsize": FONT, "alignment": "left"}
    style |= {"handles": handles, "frameon": False, "borderaxespad": 0} | options
    if outside:
        loc = "outside lower left" if below else "outside right upper"
        return axes.figure.legend(loc=loc, **style)
    place = (0, 0) if below else (1.02, 1)
    return axes.legend(loc="upper left", bbox_to_anchor=place, **style)


def reserve_below(axes, legend, height):
    """Let a layout leave place below axes for a legend, however wide this is.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The axes.
    legend : matplotlib.legend.Legend
        The legend, which would make the axes narrower where it is wider than these.
    height : float
        Its height in inches.
    """
    from matplotlib.offsetbox import AnchoredOffsetbox, DrawingArea

    legend.set_in_layout(False)
    room = DrawingArea(1, 72 * height)
    place = {"bbox_to_anchor": (0, 0), "bbox_transform": axes.transAxes, "pad": 0}
    place["borderpad"] = legend.borderaxespad
    box = AnchoredOffsetbox("upper left", child=room, frameon=False, **place)
    axes.add_artist(box)


def add_bar(axes, mapped, label):
    """Explain a colour map beside the axes.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The axes.
    mapped : matplotlib.cm.ScalarMappable
        The colour map.
    label : str
        What the values are.
    """
    # inside the axes as the layout sees them: other axes do not move it away
    inset = axes.inset_axes([1.03, 0, 0.04, 1])
    bar = axes.figure.colorbar(mapped, cax=inset)
    bar.set_label(label, fontsize=FONT)
    bar.ax.tick_params(labelsize=FONT)


def measure_width(axes):
    """Return the inches that axes have, or those of a new figure for None."""
    return axes.get_window_extent().width / axes.figure.dpi if axes else PAGE


def check_columns(frame, columns, source):
    """Raise unless a table has the columns that a picture needs.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table.
    columns : sequence of str
        The columns.
    source : str
        What makes such a table, for messages.

    Raises
    ------
    TypeError
        If it is not a table.
    ValueError
        If columns are missing.
    """
    if not hasattr(frame, "columns"):
        raise TypeError(f"Expected the table that {source} gives, got {type(frame)}.")
    missing = [name for name in columns if name not in frame]
    if missing:
        raise ValueError(
            f"No columns {missing}: there are {list(frame.columns)}. Expected the "
            f"table that {source} gives."
        )


def check_one_space(frame):
    """Raise if embeddings are of several networks, whose axes have nothing in common.

    Parameters
    ----------
    frame : pandas.DataFrame
        A table of embeddings.

    Raises
    ------
    ValueError
        If they are of several models or folds.
    """
    for column in ("model", "fold"):
        values = frame[column].unique().tolist() if column in frame else []
        if len(values) > 1:
            raise ValueError(
                f"The embeddings are of {len(values)} values of {column!r}: each was "
                "trained by itself, and has axes of its own. Give one of them, such as "
                f"frame[frame[{column!r}] == {values[0]!r}]."
            )
