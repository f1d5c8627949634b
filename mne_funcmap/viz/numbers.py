"""Numbers of values, such as regions, in a picture: where they hide nothing."""

import numpy as np

from .categories import list_numbers
from .style import FONT

STEPS, DIRECTIONS = 14, 24  # places around a point at which a number is tried
HIDDEN, OVERLAP = 1.5, 50.0  # what it costs to hide a point, or a number
LW = 0.8  # of the line from a number to its point
AT_LINE = np.linspace(0.1, 0.9, 9)  # of which each part is kept free


def write_numbers(axes, points, values, palette):
    """Number the values that have too many colours, each near one of its points.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The axes.
    points : ndarray, shape (n_points, 2) or (n_points, 3)
        All points, in the plane or in space as seen now.
    values : dict of object to ndarray of bool, shape (n_points,)
        Which points have each value.
    palette : dict of object to color
        Of the lines from points to numbers.
    """
    numbers = list_numbers(values)
    shown = [value for value in numbers if values[value].any()]
    if not shown:
        return
    # the layout decides how far points are apart
    axes.figure.draw_without_rendering()
    at = np.array([_find_middle(points[values[value]]) for value in shown])
    labels = [(numbers[value], palette[value]) for value in shown]
    if at.shape[1] == 3:
        _write_in_space(axes, labels, at, points)
        return
    _write(axes, labels, at, _find_places(axes, labels, at, points))


def write_ends(axes, ends, palette):
    """Number lines behind their ends, in as many columns as it takes.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The axes, which become wider for the numbers.
    ends : dict of object to tuple of float
        Where the line of each value ends.
    palette : dict of object to color
        Of the lines from ends to numbers.
    """
    from sklearn.isotonic import isotonic_regression

    labels = [(number, palette[value]) for value, number in list_numbers(ends).items()]
    if not labels:
        return
    axes.figure.draw_without_rendering()
    at = np.array([ends[value] for value in list_numbers(ends)])
    box, (width, height) = axes.get_window_extent(), _measure(axes, [("00", None)])[0]
    n_columns = max(int(np.ceil(len(at) * height / box.height)), 1)
    room = (n_columns + 1.5) * width
    start, stop = axes.dataLim.intervalx
    axes.set_xlim(start, stop + (stop - start) * room / (box.width - room))
    # the numbers of a column do not overlap, and the lines to them do not cross
    order = np.argsort(at[:, 1], kind="stable")
    steps = np.arange(len(at)) * height / n_columns
    wanted = axes.transData.transform(at[order])[:, 1] - steps
    top = max(box.y1 - steps[-1], box.y0)
    heights = isotonic_regression(wanted, y_min=box.y0, y_max=top) + steps
    columns = axes.transData.transform((stop, 0))[0] + width
    places = np.empty_like(at)
    places[order, 0] = columns + width * (np.arange(len(at)) % n_columns)
    places[order, 1] = heights
    _write(axes, labels, at, axes.transData.inverted().transform(places))


def _find_middle(points):
    """Return the point that is nearest to the median of points."""
    distances = np.linalg.norm(points - np.median(points, axis=0), axis=1)
    return points[np.argmin(distances)]


def _write(axes, labels, at, places):
    """Write numbers at places, with lines to their points, (n_numbers, 2)."""
    for (number, color), point, place in zip(labels, at, places, strict=True):
        line = {"arrowstyle": "-", "shrinkA": 0, "shrinkB": 0, "color": color, "lw": LW}
        written = axes.annotate(number, point, place, arrowprops=line, **_how())
        written.set_in_layout(False)


def _write_in_space(axes, labels, at, points):
    """Write numbers near points in space, (n_numbers, 3)."""
    from mpl_toolkits.mplot3d import proj3d

    projection = axes.get_proj()
    seen = np.array(proj3d.proj_transform(*at.T, projection)).T
    flat = np.array(proj3d.proj_transform(*points.T, projection)).T[:, :2]
    seen[:, :2] = _find_places(axes, labels, seen[:, :2], flat)
    places = np.array(proj3d.inv_transform(*seen.T, np.linalg.inv(projection))).T
    axes.autoscale(False)
    for (number, color), point, place in zip(labels, at, places, strict=True):
        axes.plot(*zip(point, place, strict=True), color=color, lw=LW)
        axes.text(*place, number, **_how()).set_in_layout(False)


def _how():
    """Return how numbers are written, legible on anything."""
    from matplotlib.patheffects import withStroke

    style = {"ha": "center", "va": "center", "fontsize": FONT, "zorder": 2000}
    return style | {"path_effects": [withStroke(linewidth=2, foreground="white")]}


def _measure(axes, labels):
    """Return width and height of numbers in pixels, (n_numbers, 2)."""
    from matplotlib.font_manager import FontProperties

    height = FontProperties(size=FONT).get_size_in_points() * axes.figure.dpi / 72
    widths = 0.65 * height * np.array([len(str(number)) + 0.4 for number, _ in labels])
    return np.column_stack([widths, np.full(len(widths), height)])


def _find_places(axes, labels, at, points):
    """Return a place near each point, (n_numbers, 2), where a number hides little."""
    from scipy.spatial import cKDTree

    at, points = axes.transData.transform(at), axes.transData.transform(points)
    sizes, box = _measure(axes, labels), axes.get_window_extent()
    around, places, lines = _list_steps() * sizes[0, 1], np.empty_like(at), at[:0]
    margin = sizes.max(axis=0) / 2 + 2
    tree = cKDTree(points / margin)
    # from the rim inwards: the way out is not blocked
    order = np.argsort(-np.linalg.norm(at - at.mean(axis=0), axis=1), kind="stable")
    for done, i in enumerate(order):
        tried, before = at[i] + around, order[:done]
        line = at[i] + AT_LINE[:, None, None] * around
        hidden = tree.query_ball_point(tried / margin, 1, p=np.inf, return_length=True)
        hidden = hidden + _count_inside(tried, lines, margin)
        overlaps = _count_inside(tried, places[before], (sizes[i] + sizes[before]) / 2)
        for part in line:
            overlaps += _count_inside(part, places[before], sizes[before] / 2)
        outside = (tried < box.min + sizes[i] / 2) | (tried > box.max - sizes[i] / 2)
        overlaps += outside.any(axis=1)
        length = np.linalg.norm(around, axis=1) / sizes[i, 1]
        best = np.argmin(length + HIDDEN * hidden + OVERLAP * overlaps)
        places[i] = tried[best]
        lines = np.concatenate([lines, line[:, best]])
    return axes.transData.inverted().transform(places)


def _list_steps():
    """Return steps in all directions, nearer ones first, (n_steps, 2)."""
    angles = np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    return np.concatenate([radius * circle for radius in 0.5 * np.arange(2, STEPS)])


def _count_inside(places, points, room):
    """Count the points that are within some room of each place."""
    return (np.abs(places[:, None] - points) < room).all(axis=-1).sum(axis=1)
