"""Values of a column, such as regions, as colours and markers that are explained."""

from typing import NamedTuple

import numpy as np

from .style import FONT, LETTER, LINE, add_legend

# Okabe & Ito (2008): told apart with every kind of colour vision
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
UNKNOWN, UNKNOWN_COLOR = "unknown", "#999999"
MARKERS = "oXs^DvP<>*"
MAX_NAME, MAX_LABEL = 48, 32  # letters of a name in a legend, and beside an axis
GAP = 6  # letters that a marker and what lies between columns take
MAX_ROWS = 20  # of a legend of one column


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


def write_numbers(axes, points):
    """Write numbers near points, so that they do not overlap.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The axes.
    points : dict of int to ndarray, shape (2,) or (3,)
        The point of each number, in the plane or in space as seen now.
    """
    if not points:
        return
    # the layout decides how far points are apart
    axes.figure.draw_without_rendering()
    at = np.array(list(points.values()))
    if at.shape[1] == 3:
        _write_in_space(axes, list(points), at)
        return
    places = _push_apart(axes, list(points), at)
    for number, point, place in zip(points, at, places, strict=True):
        line = {"arrowstyle": "-", "lw": 0.4, "shrinkA": 0, "shrinkB": 0}
        written = axes.annotate(number, point, place, arrowprops=line, **_how())
        written.set_in_layout(False)


def _write_in_space(axes, numbers, at):
    """Write numbers near points in space, (n_numbers, 3)."""
    from mpl_toolkits.mplot3d import proj3d

    projection = axes.get_proj()
    seen = np.array(proj3d.proj_transform(*at.T, projection)).T
    seen[:, :2] = _push_apart(axes, numbers, seen[:, :2])
    places = proj3d.inv_transform(*seen.T, np.linalg.inv(projection))
    for number, *place in zip(numbers, *places, strict=True):
        axes.text(*place, number, **_how()).set_in_layout(False)


def _how():
    """Return how numbers are written, legible on anything."""
    from matplotlib.patheffects import withStroke

    style = {"ha": "center", "va": "center", "fontsize": FONT, "zorder": 2000}
    return style | {"path_effects": [withStroke(linewidth=2, foreground="white")]}


def _push_apart(axes, numbers, at):
    """Move points, (n_numbers, 2), until numbers do not overlap, or nearly so."""
    from matplotlib.font_manager import FontProperties

    height = FontProperties(size=FONT).get_size_in_points() * axes.figure.dpi / 72
    width = 0.65 * height * np.array([len(str(number)) + 0.5 for number in numbers])
    room = np.stack(
        [np.add.outer(width, width) / 2, np.full_like(at @ at.T, height)], -1
    )
    at = axes.transData.transform(at)
    at += 1e-3 * np.random.default_rng(0).standard_normal(at.shape)
    for _ in range(300):
        between = at[:, None] - at
        overlap = (room - np.abs(between)).clip(min=0)
        overlap[~(overlap > 0).all(axis=-1)] = 0
        overlap[np.diag_indices(len(at))] = 0
        # along the shorter way out
        overlap[overlap > overlap.min(axis=-1, keepdims=True)] = 0
        at = at + 0.3 * (np.sign(between) * overlap).sum(axis=1)
    return axes.transData.inverted().transform(at)


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
    letters = int(width / LETTER)
    widest = max(map(len, _name(palette))) + GAP
    number = min(max(letters // widest, 1), len(palette))
    if len(palette) > MAX_ROWS:
        number = max(number, 2)
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
    return add_legend(axes, [*handles, *more], title=title, **options)


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
