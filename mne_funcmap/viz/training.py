"""What training brings: epoch by epoch, and with more to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .categories import COLORS, UNKNOWN_COLOR, make_handle, make_palette
from .style import (
    PAGE,
    WIDE,
    add_legend,
    check_columns,
    finish,
    hide_spines,
    open_axes,
    open_panels,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from sklearn.base import BaseEstimator


SIZES = {
    "subjects": "Subjects trained on",
    "channels": "Labelled channels of each region",
    "channels-per-subject": "Labelled channels of each region and subject",
    "train-seconds": "Seconds of each recording trained on",
    "test-seconds": "Seconds of each recording that is read",
}
SCORES = {
    "valid_balanced_accuracy": "Balanced accuracy",
    "valid_r": "Pearson r",
}
DODGE = 0.03  # of a doubling of size, between models


def plot_learning_curve(
    curve: pd.DataFrame, *, axes: Axes | None = None, show: bool = True
) -> Figure:
    """Plot accuracy against how much there was to learn from.

    Parameters
    ----------
    curve : pandas.DataFrame
        As by :func:`mne_funcmap.probes.probe_learning_curve`.
    axes : matplotlib.axes.Axes | None
        Where to plot; None stands for a new figure.
    show : bool
        Whether to show the figure.

    Returns
    -------
    fig : matplotlib.figure.Figure
        The figure, with 95 % intervals over subjects. "All there is" is drawn as the
        next doubling of size, behind a dotted line.

    Raises
    ------
    ValueError
        If a column is missing, or sizes are of different things.

    Examples
    --------
    >>> import pandas as pd
    >>> from mne_funcmap.viz import plot_learning_curve
    >>> curve = {"model": "lda", "of": "subjects", "size": [2, 4, None]}
    >>> curve |= {"balanced_accuracy": [0.3, 0.4, 0.5], "low": 0.2, "high": 0.6}
    >>> fig = plot_learning_curve(pd.DataFrame(curve | {"chance": 0.2}), show=False)
    """
    columns = ["model", "of", "size", "balanced_accuracy", "low", "high", "chance"]
    check_columns(curve, columns, "probe_learning_curve")
    (of, *others) = curve["of"].unique()
    if others:
        raise ValueError(
            f"Sizes are of {[of, *others]}: expected one. Choose it, as by "
            f"curve[curve['of'] == {of!r}]."
        )
    axes = open_axes(axes, WIDE, 2.8)
    known = np.unique(curve["size"].dropna())
    all_there_is = 2 * known[-1] if len(known) else 1.0
    palette = make_palette(dict.fromkeys(curve["model"]))
    for number, (model, color) in enumerate(palette.items()):
        rows = curve[curve["model"] == model].sort_values("size")
        place = rows["size"].fillna(all_there_is)
        place = place * 2 ** (DODGE * (number - (len(palette) - 1) / 2))
        _draw_curve(axes, rows, place.to_numpy(), color, model)
    axes.axhline(curve["chance"].iloc[0], color=UNKNOWN_COLOR, ls="--", label="chance")
    axes.set_xscale("log", base=2)
    ticks = dict(zip(known, [f"{size:g}" for size in known], strict=True))
    if curve["size"].isna().any():
        ticks[all_there_is] = "all"
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set_xticks([], minor=True)
    axes.set(xlabel=SIZES.get(of, of), ylabel="Balanced accuracy")
    hide_spines(axes)
    add_legend(axes)
    return finish([axes], show)


def plot_history(
    estimator: BaseEstimator,
    *,
    axes: Axes | Sequence[Axes] | None = None,
    show: bool = True,
) -> Figure:
    """Plot the training of an estimator, epoch by epoch.

    Parameters
    ----------
    estimator : FunctionalEmbedder | SegmentEmbedder | MaskedRegionReconstructor
        A fitted estimator.
    axes : sequence of matplotlib.axes.Axes | None
        Where to plot the loss and the score of what is held out; None stands for a
        new figure.
    show : bool
        Whether to show the figure.

    Returns
    -------
    fig : matplotlib.figure.Figure
        The figure. A search for the number of epochs, on part of what there is to
        train on, is followed by the training on all of it, which has no score. The
        epoch that was kept has a dot.

    Raises
    ------
    ValueError
        If there is no training curve, such as that of an estimator that was loaded.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> X = mf.simulate_recordings(n_subjects=3, n_sessions=1, duration=20.0)
    >>> emb = mf.FunctionalEmbedder(max_epochs=5, random_state=0).fit(X)
    >>> fig = mf.viz.plot_history(emb, show=False)
    """
    curves = _list_curves(estimator)
    score = _find_score(curves)
    names = ["Loss"] if score is None else ["Loss", f"{SCORES[score]}, held out"]
    width = WIDE if score is None else PAGE
    panels = open_panels(axes, len(names), len(names), width, 2.4)
    for (label, history, kept), color in zip(curves, COLORS, strict=False):
        epochs = np.array(history[:, "epoch"])
        lines = {"train_loss": panels[0], score: panels[-1]}
        for key, ax in lines.items():
            if key not in history[-1]:
                continue
            values = np.array(history[:, key])
            ax.plot(epochs, values, color=color, lw=1.2, label=label)
            if kept is not None:
                ax.plot(epochs[kept - 1], values[kept - 1], "o", ms=5, color=color)
    for ax, name in zip(panels, names, strict=True):
        ax.set(xlabel="Epoch", ylabel=name)
        ax.xaxis.get_major_locator().set_params(integer=True)
        hide_spines(ax)
    handles, _ = panels[0].get_legend_handles_labels()
    if any(kept is not None for _, _, kept in curves):
        handles.append(make_handle("epoch that was kept", markersize=5))
    add_legend(panels[-1], handles)
    return finish(panels, show)


def _list_curves(estimator):
    """Return name, history and epoch kept (None: the last) of what was trained."""
    inner = getattr(estimator, "segment_embedder_", estimator)
    check_is_fitted(inner)
    search = getattr(inner, "search_history_", None)
    residual = getattr(inner, "residual_net_", None)
    curves = []
    if search is not None:
        curves.append(("search, part held out", search, inner.n_epochs_))
    final = inner.history_
    curves.append(
        ("all training data" if search else "training", final, _get_best(final))
    )
    if residual is not None:
        history = residual.history
        curves.append(("transformer beside it", history, _get_best(history)))
    curves = [curve for curve in curves if len(curve[1])]
    if not curves:
        raise ValueError(
            f"This {type(estimator).__name__} has no training curve, as one that was "
            "loaded from a file, or not trained. Call fit."
        )
    return curves


def _get_best(history):
    """Return the epoch whose weights were kept by what was held out, or None."""
    if not len(history) or "valid_nmse" not in history[-1]:
        return None
    return int(np.argmin(history[:, "valid_nmse"])) + 1


def _find_score(curves):
    """Return the score of what is held out in the histories, or None."""
    found = [name for name in SCORES for _, history, _ in curves if name in history[-1]]
    return found[0] if found else None


def _draw_curve(axes, rows, place, color, label):
    """Draw the scores of a model with their intervals."""
    score = rows["balanced_accuracy"].to_numpy()
    is_size = rows["size"].notna().to_numpy()
    axes.vlines(place, rows["low"], rows["high"], color=color, lw=1.5)
    axes.plot(place[is_size], score[is_size], color=color, marker="o", label=label)
    # how far "all" is from the last size is not told by the axis
    last = np.flatnonzero(is_size)[-1:]
    end = np.concatenate([last, np.flatnonzero(~is_size)])
    axes.plot(place[end], score[end], color=color, marker="o", ls=":")
