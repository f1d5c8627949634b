"""Region by region: which is taken for which, and how far apart they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..evaluation.clusters import list_components
from .categories import measure_names, shorten
from .style import (
    COLUMN,
    FONT,
    LETTER,
    PAGE,
    add_bar,
    check_columns,
    check_one_space,
    finish,
    name_rows,
    open_axes,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MAX_WRITTEN = 10  # regions of a matrix in whose cells numbers are written
CELL, SMALL_CELL, MIN_CELLS = 0.42, 0.135, 1.8  # inches; the last of all in a row
EMPTY = "0.85"  # of rows without channels
MIN_HEIGHT, TREE = 2.7, 0.5


def plot_confusion(
    predictions: pd.DataFrame,
    *,
    title: str | None = None,
    axes: Axes | None = None,
    show: bool = True,
) -> Figure:
    """Plot which regions are taken for which.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Predictions of one model, as by
        :func:`mne_funcmap.evaluation.cross_val_regions`. Rows without a region do not
        count.
    title : str | None
        The title.
    axes : matplotlib.axes.Axes | None
        Where to plot; None stands for a new figure.
    show : bool
        Whether to show the figure.

    Returns
    -------
    fig : matplotlib.figure.Figure
        The figure. Regions that are predicted, and that no channel has, are grey rows.

    Raises
    ------
    ValueError
        If a column is missing, there are predictions of several models, or no row has
        a region.

    Examples
    --------
    >>> import pandas as pd
    >>> from mne_funcmap.viz import plot_confusion
    >>> region, predicted = ["STN", "STN", "GPi"], ["STN", "GPi", "GPi"]
    >>> predictions = pd.DataFrame({"region": region, "predicted": predicted})
    >>> fig = plot_confusion(predictions, show=False)
    """
    from sklearn.metrics import confusion_matrix

    check_columns(predictions, ["region", "predicted"], "compare_embedders")
    check_one_model(predictions)
    known = predictions[predictions["region"].notna()]
    if not len(known):
        raise ValueError(f"None of the {len(predictions)} rows has a region.")
    truth, predicted = known["region"].astype(str), known["predicted"].astype(str)
    regions = np.union1d(truth, predicted)
    counts = confusion_matrix(truth, predicted, labels=regions)
    n_channels = counts.sum(axis=1)
    shares = counts / np.where(n_channels, n_channels, np.nan)[:, np.newaxis]
    letters = measure_names(axes)
    axes = _open_matrix(axes, regions)
    axes.set_facecolor(EMPTY)
    image = axes.imshow(shares, cmap="cividis", vmin=0, aspect="auto")
    _name_cells(axes, regions, n_channels, letters)
    _write_cells(axes, image, shares)
    axes.set(xlabel="Predicted region", ylabel="Region (channels)")
    add_bar(axes, image, "Share of the\nregion's channels")
    return finish([axes], show, title=title)


def plot_region_distances(
    frame: pd.DataFrame,
    *,
    metric: str = "cosine",
    axes: Axes | None = None,
    show: bool = True,
) -> Figure:
    """Plot how far the mean embeddings of regions are from each other.

    Parameters
    ----------
    frame : pandas.DataFrame
        As by :meth:`~mne_funcmap.FunctionalEmbedder.to_frame`. Rows without a region do
        not count.
    metric : str
        Of :func:`scipy.spatial.distance.pdist`.
    axes : matplotlib.axes.Axes | None
        Where to plot; None stands for a new figure.
    show : bool
        Whether to show the figure.

    Returns
    -------
    fig : matplotlib.figure.Figure
        The figure. The tree is that of average linkage, and regions are in its order.

    Raises
    ------
    ValueError
        If a column is missing, there are fewer than two regions, or embeddings are of
        several models or folds.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> X = mf.simulate_recordings(n_subjects=3, n_sessions=1, duration=20.0)
    >>> emb = mf.FunctionalEmbedder(max_epochs=5, random_state=0).fit(X)
    >>> fig = mf.viz.plot_region_distances(emb.to_frame(X), show=False)
    """
    from scipy.cluster.hierarchy import dendrogram, linkage
    from scipy.spatial.distance import pdist, squareform

    check_columns(frame, ["region"], "FunctionalEmbedder.to_frame")
    check_one_space(frame)
    groups = frame.groupby("region")[list_components(frame)]
    means = groups.mean()
    if len(means) < 2:
        raise ValueError(
            f"Regions {list(means.index)}: expected two at least to have a distance. "
            "Call set_regions on the recordings."
        )
    distances = pdist(means, metric)
    tree = linkage(distances, "average", optimal_ordering=True)
    order = dendrogram(tree, no_plot=True)["leaves"]
    matrix = squareform(distances)[np.ix_(order, order)]
    letters = measure_names(axes)
    axes = _open_matrix(axes, means.index, above=TREE)
    image = axes.imshow(matrix, cmap="cividis", vmin=0, aspect="auto")
    _name_cells(axes, means.index[order], groups.size().to_numpy()[order], letters)
    _write_cells(axes, image, matrix)
    axes.set_ylabel("Region (channels)")
    add_bar(axes, image, f"{metric.capitalize()} distance\nof mean embeddings")
    _draw_tree(axes, tree)
    return finish([axes], show)


def check_one_model(frame):
    """Raise if a table has rows of several models."""
    models = list(frame["model"].unique()) if "model" in frame else []
    if len(models) > 1:
        raise ValueError(
            f"The table has the models {models}: expected one. Choose it, as by "
            f"frame[frame['model'] == {models[0]!r}]."
        )


def _open_matrix(axes, regions, above=0.0):
    """Return axes in which every region has its row and its column."""
    few = len(regions) <= MAX_WRITTEN
    cells = max((CELL if few else SMALL_CELL) * len(regions), MIN_CELLS)
    names = LETTER * (max(len(shorten(region)) for region in regions) + 6)
    height = cells + above + (0.5 + 0.7 * names if few else 0.5)
    width = np.clip(cells + names + 1.1, COLUMN, PAGE)
    return open_axes(axes, width, max(height, MIN_HEIGHT))


def _name_cells(axes, regions, counts, letters):
    """Name rows with their number of channels, and columns; number many."""
    place = np.arange(len(regions))
    short = [shorten(name, letters) for name in regions]
    names = [f"{name} ({n})" for name, n in zip(short, counts, strict=True)]
    if len(regions) <= MAX_WRITTEN:
        turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(place, short, fontsize=FONT, **turned)
    else:
        names = [
            f"{name}\N{EM SPACE}{number}" for number, name in enumerate(names, start=1)
        ]
        ends = place[4::5]
        axes.set_xticks(ends, ends + 1, fontsize=FONT)
        axes.set_xticks(place, minor=True)
    name_rows(axes, names)


def _write_cells(axes, image, values):
    """Write every value into its cell, where there is place."""
    if len(values) > MAX_WRITTEN:
        return
    for (row, column), value in np.ndenumerate(values):
        color = "white" if image.norm(value) < 0.5 else "black"
        style = {"ha": "center", "va": "center", "color": color, "fontsize": FONT}
        axes.text(column, row, "" if np.isnan(value) else f"{value:.2f}", **style)


def _draw_tree(axes, tree):
    """Draw a tree above a matrix whose columns are its leaves."""
    from scipy.cluster.hierarchy import dendrogram

    height = axes.get_window_extent().height / axes.figure.dpi
    above = axes.inset_axes([0, 1.01, 1, TREE / height])
    lines = dendrogram(tree, no_plot=True)
    for x, y in zip(lines["icoord"], lines["dcoord"], strict=True):
        # leaves are at 5, 15, 25, ...
        above.plot((np.array(x) - 5) / 10, y, color="0.3", lw=0.8)
    above.set(xlim=axes.get_xlim(), ylim=(0, None))
    above.axis("off")
