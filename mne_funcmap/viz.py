"""Figures of embeddings and of scores."""

import numpy as np
from mne.viz.utils import plt_show

# Okabe & Ito (2008): told apart with every kind of colour vision
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
UNKNOWN_COLOR = "#999999"
MARKERS = "oXs^DvP<>*"
MAX_MARKERS_NAMED = 10
MAX_LEGEND_ROWS = 32
MAX_REGIONS_WRITTEN = 12
UNKNOWN = "unknown"
PERPLEXITY = 30.0


def plot_embedding(
    frame,
    *,
    method="pca",
    color="region",
    marker="subject",
    axes=None,
    show=True,
):
    """Plot embeddings of channels, or of segments, in the plane.

    Parameters
    ----------
    frame : pandas.DataFrame
        As by :meth:`FunctionalEmbedder.to_frame` or
        :meth:`FunctionalEmbedder.embed_segments`: components ``c0``, ``c1``, ... and
        columns that describe the rows.
    method : "pca" | "tsne"
        Projection on the first two principal components, or t-SNE.
    color : str
        The column shown by colour. Seven values have colours that can be told apart
        with every kind of colour vision; where there are more, the values are also
        numbered in the figure.
    marker : str | None
        The column shown by marker, which the legend explains where it has ten values
        at most; None stands for one marker.
    axes : matplotlib.axes.Axes | None
        Where to plot; None stands for a new figure.
    show : bool
        Whether to show the figure.

    Returns
    -------
    fig : matplotlib.figure.Figure
        The figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If a column is missing, there are fewer than two rows, or an embedding is not
        finite.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> X = mf.simulate_recordings(n_subjects=3, n_sessions=1, duration=20.0)
    >>> emb = mf.FunctionalEmbedder(max_epochs=5, random_state=0).fit(X)
    >>> fig = mf.plot_embedding(emb.to_frame(X), show=False)
    """
    plt = import_pyplot()
    embeddings = _get_embeddings(frame, color, marker)
    if method not in ("pca", "tsne"):
        raise ValueError(f"method must be 'pca' or 'tsne', got {method!r}.")
    points, labels = (_project_pca if method == "pca" else _project_tsne)(embeddings)
    colors = _encode(frame, color)
    markers = _encode(frame, marker) if marker else {"": np.ones(len(frame), bool)}
    if axes is None:
        width = 7.5 + 1.7 * (len(colors) // MAX_LEGEND_ROWS)
        _, axes = plt.subplots(figsize=(width, 5.5), layout="constrained")
    shapes = _cycle(MARKERS, markers)
    palette = _make_palette(colors)
    _scatter(axes, points, colors, palette, markers, shapes)
    if _are_many(colors):
        _number(axes, points, colors)
    axes.set(xlabel=labels[0], ylabel=labels[1], xticks=[], yticks=[])
    axes.spines[["top", "right"]].set_visible(False)
    _add_legend(axes, color, palette, marker, shapes)
    return finish_figure(axes.figure, show)


def plot_scores(
    summary, *, score="balanced_accuracy", title=None, axes=None, show=True
):
    """Plot the scores of models with intervals, and chance.

    Parameters
    ----------
    summary : pandas.DataFrame
        As by :func:`mne_funcmap.compare_embedders` or
        :func:`mne_funcmap.compare_identities`.
    score : "balanced_accuracy" | "r"
        The column of the scores. Chance is 0 for r.
    title : str | None
        The title.
    axes : matplotlib.axes.Axes | None
        Where to plot; None stands for a new figure.
    show : bool
        Whether to show the figure.

    Returns
    -------
    fig : matplotlib.figure.Figure
        The figure.
    """
    plt = import_pyplot()
    if axes is None:
        size = (7.0, 1.2 + 0.34 * len(summary))
        _, axes = plt.subplots(figsize=size, layout="constrained")
    place = np.arange(len(summary))
    axes.hlines(place, summary["low"], summary["high"], color=COLORS[0], lw=2)
    axes.plot(summary[score], place, "o", color=COLORS[0], ms=7)
    chance = summary["chance"].iloc[0] if "chance" in summary else 0.0
    axes.axvline(chance, color=UNKNOWN_COLOR, ls="--", label="chance")
    if "baseline" in summary:
        best = summary.set_index("model").loc[summary["baseline"].iloc[0]]
        label = "best plain baseline"
        axes.axvline(best[score], color=COLORS[5], ls=":", label=label)
    axes.set_yticks(place, summary["model"])
    axes.invert_yaxis()
    name = {"balanced_accuracy": "Balanced accuracy", "r": "Pearson r"}[score]
    axes.set(xlabel=f"{name} (95 % interval over subjects)", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return finish_figure(axes.figure, show)


def plot_confusion(predictions, *, title=None, axes=None, show=True):
    """Plot which regions are taken for which.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Predictions of one model, as by
        :func:`mne_funcmap.evaluation.cross_val_regions`.
    title : str | None
        The title.
    axes : matplotlib.axes.Axes | None
        Where to plot; None stands for a new figure.
    show : bool
        Whether to show the figure.

    Returns
    -------
    fig : matplotlib.figure.Figure
        The figure.
    """
    from sklearn.metrics import confusion_matrix

    plt = import_pyplot()
    truth, predicted = predictions["region"], predictions["predicted"]
    regions = np.union1d(truth, predicted)
    counts = confusion_matrix(truth, predicted, labels=regions)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    few = len(regions) <= MAX_REGIONS_WRITTEN
    if axes is None:
        size = 2.5 + (0.7 if few else 0.22) * len(regions)
        _, axes = plt.subplots(figsize=(size + 1.3, size), layout="constrained")
    image = axes.imshow(shares, cmap="cividis", vmin=0)
    place = np.arange(len(regions))
    font = {"fontsize": 9 if few else 7}
    names = [
        f"{region} ({n})" for region, n in zip(regions, counts.sum(1), strict=True)
    ]
    axes.set_xticks(place, regions, rotation=45 if few else 90, **font)
    if few:
        plt.setp(axes.get_xticklabels(), ha="right", rotation_mode="anchor")
        _write_shares(axes, shares)
    axes.set_yticks(place, names, **font)
    axes.set(xlabel="Predicted region", ylabel="Region (channels)", title=title)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("Share of the region's channels")
    return finish_figure(axes.figure, show)


def import_pyplot():
    """Return matplotlib.pyplot, or say how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Figures need matplotlib: pip install 'mne-funcmap[viz]'."
        ) from error
    return plt


def _get_embeddings(frame, color, marker):
    """Return the components, (n_rows, n_components), of a table that is complete."""
    if not hasattr(frame, "columns"):
        raise TypeError(
            f"Expected the table that FunctionalEmbedder.to_frame gives, got "
            f"{type(frame)}."
        )
    missing = [name for name in (color, marker) if name and name not in frame]
    if missing:
        raise ValueError(f"No columns {missing}: there are {list(frame.columns)}.")
    names = [name for name in frame if name[:1] == "c" and name[1:].isdigit()]
    embeddings = frame[names].to_numpy(dtype=float)
    if not names or len(embeddings) < 2 or not np.isfinite(embeddings).all():
        raise ValueError(
            f"Expected two rows at least with finite components c0, c1, ..., got "
            f"{len(embeddings)} rows with the components {names}."
        )
    return embeddings


def _project_pca(embeddings):
    """Return the first two principal components, and their names."""
    from sklearn.decomposition import PCA

    pca = PCA(min(2, *embeddings.shape)).fit(embeddings)
    points = np.zeros((len(embeddings), 2))
    points[:, : pca.n_components_] = pca.transform(embeddings)
    names = [
        f"Principal component {i} ({share:.0%} of variance)"
        for i, share in enumerate(np.nan_to_num(pca.explained_variance_ratio_), start=1)
    ]
    return points, (names + [""])[:2]


def _project_tsne(embeddings):
    """Return the t-SNE in two dimensions, and the names of its axes."""
    from sklearn.manifold import TSNE

    # of fewer points than three perplexities, neighbours are not a minority
    perplexity = min(PERPLEXITY, max((len(embeddings) - 1) / 3, 0.5))
    init = "pca" if min(embeddings.shape) >= 2 else "random"
    tsne = TSNE(perplexity=perplexity, init=init, random_state=0)
    return tsne.fit_transform(embeddings), ("t-SNE 1", "t-SNE 2")


def _encode(frame, column):
    """Return ``{value: rows}``, sorted by value, unknown ones last."""
    values = frame[column].astype(object).where(frame[column].notna(), UNKNOWN)
    names = sorted(set(values), key=lambda name: (name == UNKNOWN, str(name)))
    return {name: (values == name).to_numpy() for name in names}


def _cycle(kinds, values):
    return {value: kinds[i % len(kinds)] for i, value in enumerate(values)}


def _are_many(values):
    """Whether there are more values than colours that can be told apart."""
    return len([value for value in values if value != UNKNOWN]) > len(COLORS)


def _make_palette(values):
    """Return ``{value: colour}``."""
    import matplotlib as mpl

    known = [value for value in values if value != UNKNOWN]
    if not _are_many(known):
        palette = _cycle(COLORS, known)
    else:
        shades = mpl.colormaps["viridis"](np.linspace(0, 1, len(known)))
        # neighbours in the alphabet far apart in colour
        order = np.argsort(np.arange(len(known)) * 0.618034 % 1, kind="stable")
        palette = dict(zip(known, shades[np.argsort(order)], strict=True))
    return palette | ({UNKNOWN: UNKNOWN_COLOR} if UNKNOWN in values else {})


def _scatter(axes, points, colors, palette, markers, shapes):
    """Draw the points, in an order in which no region hides the others."""
    from matplotlib.colors import to_rgba

    order = np.random.default_rng(0).permutation(len(points))
    shade = np.empty((len(points), 4))
    for name, rows in colors.items():
        shade[rows] = to_rgba(palette[name])
    size = float(np.clip(9000 / len(points), 12, 50))
    for name, rows in markers.items():
        chosen = order[rows[order]]
        axes.scatter(
            *points[chosen].T,
            c=shade[chosen],
            marker=shapes[name],
            s=size,
            alpha=0.8,
            edgecolors="white",
            linewidths=0.4,
        )


def _number(axes, points, colors):
    """Write the number of each value beside the middle of its points."""
    from matplotlib.patheffects import withStroke

    for number, (name, rows) in enumerate(colors.items(), start=1):
        if name == UNKNOWN:
            continue
        axes.annotate(
            str(number),
            np.median(points[rows], axis=0),
            xytext=(4, 4),
            textcoords="offset points",
            fontsize=7,
            path_effects=[withStroke(linewidth=2, foreground="white")],
        )


def _add_legend(axes, color, palette, marker, shapes):
    """Explain colours and, where there are few, markers, beside the axes."""
    from matplotlib.lines import Line2D

    def make_handle(label, shape="o", shade="0.3"):
        return Line2D([], [], ls="", marker=shape, color=shade, label=label)

    many = _are_many(palette)
    handles = [
        make_handle(
            f"{number} {name}" if many and name != UNKNOWN else name, shade=shade
        )
        for number, (name, shade) in enumerate(palette.items(), start=1)
    ]
    if marker not in (None, color) and len(shapes) <= MAX_MARKERS_NAMED:
        handles += [make_handle("", ""), make_handle(marker, "")]
        handles += [make_handle(name, shape) for name, shape in shapes.items()]
    small = {"fontsize": 7, "labelspacing": 0.2, "columnspacing": 0.8} if many else {}
    axes.legend(
        handles=handles,
        title=color,
        alignment="left",
        loc="upper left",
        bbox_to_anchor=(1.02, 1),
        ncols=-(-len(handles) // MAX_LEGEND_ROWS),
        frameon=False,
        borderaxespad=0,
        **small,
    )


def _write_shares(axes, shares):
    """Write every share into its cell."""
    for (row, column), share in np.ndenumerate(shares):
        color = "white" if share < shares.max() / 2 else "black"
        text = f"{share:.2f}"
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=9)


def finish_figure(fig, show):
    """Show the figure if wanted, and return it."""
    plt_show(show, fig=fig)
    return fig
