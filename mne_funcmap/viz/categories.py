"""Values of a column, such as regions, as colours and markers that are explained."""

import numpy as np

from .style import add_legend

# Okabe & Ito (2008): told apart with every kind of colour vision
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
UNKNOWN, UNKNOWN_COLOR = "unknown", "#999999"
MARKERS = "oXs^DvP<>*"
MAX_LEGEND_ROWS = 32
MAX_NAME = 32  # letters of a name in a legend


def encode(frame, column):
    """Return ``{value: rows}`` of a column, sorted by value, unknown ones last.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table.
    column : str
        The column.

    Returns
    -------
    values : dict of object to ndarray of bool, shape (n_rows,)
        Where the column has each value.
    """
    values = frame[column].astype(object).where(frame[column].notna(), UNKNOWN)
    names = sorted(set(values), key=lambda name: (name == UNKNOWN, str(name)))
    return {name: (values == name).to_numpy() for name in names}


def are_many(values):
    """Whether there are more values than colours that can be told apart."""
    return len([value for value in values if value != UNKNOWN]) > len(COLORS)


def make_palette(values):
    """Return ``{value: colour}``.

    Parameters
    ----------
    values : iterable of object
        The values, in order.

    Returns
    -------
    palette : dict of object to color
        Seven colours that everybody can tell apart; of more values, shades that
        differ in brightness.
    """
    import matplotlib as mpl

    known = [value for value in values if value != UNKNOWN]
    shades = np.array(COLORS)
    if are_many(known):
        shades = mpl.colormaps["viridis"](np.linspace(0, 1, len(known)))
        # neighbours in the alphabet far apart in colour
        order = np.argsort(np.arange(len(known)) * 0.618034 % 1, kind="stable")
        shades = shades[np.argsort(order)]
    palette = dict(zip(known, shades, strict=False))
    return palette | ({UNKNOWN: UNKNOWN_COLOR} if UNKNOWN in values else {})


def shade_rows(values, palette):
    """Return the colour of every row, an array, shape (n_rows, 4)."""
    from matplotlib.colors import to_rgba

    shades = np.empty((len(next(iter(values.values()))), 4))
    for name, rows in values.items():
        shades[rows] = to_rgba(palette[name])
    return shades


def list_numbers(values):
    """Return ``{value: number}`` of the values that are numbered in a picture."""
    if not are_many(values):
        return {}
    known = [value for value in values if value != UNKNOWN]
    return {value: number for number, value in enumerate(known, start=1)}


def write_number(axes, number, point, **options):
    """Write the number of a value at a point, legible on anything."""
    from matplotlib.patheffects import withStroke

    axes.annotate(
        str(number),
        point,
        fontsize="small",
        path_effects=[withStroke(linewidth=2, foreground="white")],
        zorder=2000,
        **options,
    )


def make_handle(label, color="0.3", marker="o", **options):
    """Return an entry of a legend."""
    from matplotlib.lines import Line2D

    options = {"ls": "", "marker": marker, "color": color} | options
    return Line2D([], [], label=label, **options)


def explain_colors(axes, title, palette, more=()):
    """Explain colours, and what else there is, beside the axes.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The axes.
    title : str
        What the colours stand for.
    palette : dict of object to color
        As by `make_palette`.
    more : sequence of matplotlib.artist.Artist
        Further entries.

    Returns
    -------
    legend : matplotlib.legend.Legend
        The legend.
    """
    numbers = list_numbers(palette)
    handles = [
        make_handle(shorten(f"{numbers[name]} {name}" if name in numbers else name), c)
        for name, c in palette.items()
    ]
    handles += more
    compact = {"labelspacing": 0.15, "columnspacing": 0.8, "handletextpad": 0.2}
    return add_legend(
        axes,
        handles,
        title=title,
        ncols=-(-len(handles) // MAX_LEGEND_ROWS),
        **compact if numbers else {},
    )


def shorten(name):
    """Return a name of bounded length."""
    name = str(name)
    return (
        name
        if len(name) <= MAX_NAME
        else f"{name[: MAX_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
    )
