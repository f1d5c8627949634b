"""Values of a column, such as regions, as colours and markers that are explained."""

from typing import NamedTuple

import numpy as np

from .style import LETTER, LINE, add_legend, measure_width, reserve_below

# Okabe & Ito (2008): told apart with every kind of colour vision
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
UNKNOWN, UNKNOWN_COLOR = "unknown", "#999999"
MARKERS = "oXs^DvP<>*"
MAX_NAME, MAX_LABEL = 44, 32  # letters of a name in a legend, and beside an axis
MARGIN = 0.9  # inches of a legend that names of axes take
BESIDE = 24  # letters of names of a legend that stands beside axes
GAP = 6  # letters that a marker and what lies between columns take
NAMED = 0.25  # of the width of axes, at most for names beside them
MAX_ROWS = 20  # of a column of a legend


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


def fit_beside(values):
    """Whether a legend of values is small enough to stand beside axes."""
    return not are_many(values) and max(map(len, _name(values))) <= BESIDE


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


def make_handle(label, color="0.3", marker="o", **options):
    """Return an entry of a legend."""
    from matplotlib.lines import Line2D

    options = {"ls": "", "marker": marker, "color": color} | options
    return Line2D([], [], label=label, **options)


class Columns(NamedTuple):
    """How the columns of a legend below axes fit.

    Attributes
    ----------
    number : int
        How many there are.
    letters : int
        How long names may be.
    height : float
        Inches of the legend.
    """

    number: int
    letters: int
    height: float


def measure_legend(palette, width, n_more=0):
    """Measure a legend below axes.

    Parameters
    ----------
    palette : dict of object to color
        The colours that it explains.
    width : float
        Inches that there are.
    n_more : int
        Number of further entries.

    Returns
    -------
    columns : Columns
        How its columns fit.
    """
    letters = int((width - MARGIN) / LETTER)
    widest = max(map(len, _name(palette))) + GAP
    number = min(max(letters // widest, 1), len(palette))
    number = max(number, -(-len(palette) // MAX_ROWS))
    height = LINE * (1 + -(-(len(palette) + n_more) // number))
    return Columns(number, max(letters // number - GAP, GAP), height)


def explain_colors(axes, title, palette, more=(), *, below=None, **options):
    """Explain colours, and what else there is, beside or below the axes.

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
    below : Columns | None
        The columns below the axes; None stands for one beside them.
    **options : dict
        Further parameters of `add_legend`.

    Returns
    -------
    legend : matplotlib.legend.Legend
        The legend.
    """
    names = _name(palette, below.letters if below else MAX_NAME)
    handles = [
        make_handle(name, color)
        for name, color in zip(names, palette.values(), strict=True)
    ]
    if below is not None:
        options |= {"ncols": below.number, "labelspacing": 0.15, "columnspacing": 0.8}
        options |= {"handletextpad": 0.1, "below": True}
    legend = add_legend(axes, [*handles, *more], title=title, **options)
    if below is not None and not options.get("outside"):
        reserve_below(axes, legend, below.height)
    return legend


def _name(palette, length=MAX_NAME):
    """Return the names of colours, with their numbers where they have some."""
    numbers = list_numbers(palette)
    names = [f"{numbers.get(value, '')} {value}".lstrip() for value in palette]
    return [shorten(name, length) for name in names]


def shorten(name, length=MAX_LABEL):
    """Return a name of bounded length."""
    name = str(name)
    dots = "\N{HORIZONTAL ELLIPSIS}"
    return name if len(name) <= length else f"{name[: length - 1].rstrip()}{dots}"


def measure_names(axes):
    """Return how many letters names beside axes may have, those given or None."""
    if axes is None:
        return MAX_LABEL
    return int(np.clip(NAMED * measure_width(axes) / LETTER, GAP, MAX_LABEL))
