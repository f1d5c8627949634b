"""Figures of withheld channels: what was recorded and what was predicted."""

import numpy as np

from .viz import finish_figure, import_pyplot

COLORS = ("#555555", "#D55E00")  # recorded, predicted
MICRO = 1e6


def plot_reconstruction(
    recording,
    predicted,
    *,
    picks,
    start=0.0,
    duration=3.0,
    r=None,
    title=None,
    show=True,
):
    """Plot withheld channels of a recording beside their prediction.

    Parameters
    ----------
    recording : mne.io.Raw
        What was recorded.
    predicted : mne.io.Raw
        As by :meth:`MaskedRegionReconstructor.predict`.
    picks : list of str
        The channels that are shown.
    start, duration : float
        Seconds that are shown.
    r : dict of str to float | None
        Correlation of each channel over all that was scored, to be written beside it.
    title : str | None
        The title.
    show : bool
        Whether to show the figure.

    Returns
    -------
    fig : matplotlib.figure.Figure
        The figure.
    """
    plt = import_pyplot()
    fig, axes = plt.subplots(
        len(picks),
        1,
        figsize=(8.0, 1.0 + 1.1 * len(picks)),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    sfreq = recording.info["sfreq"]
    span = slice(*(int(round(at * sfreq)) for at in (start, start + duration)))
    times = recording.times[span]
    for ax, ch_name in zip(axes[:, 0], picks, strict=True):
        for inst, color, label in zip(
            (recording, predicted), COLORS, ("recorded", "predicted"), strict=True
        ):
            signal = inst.get_data(picks=[ch_name])[0, span]
            ax.plot(times, MICRO * (signal - np.mean(signal)), color, lw=1, label=label)
        name = ch_name if r is None else f"{ch_name}\nr = {r[ch_name]:.2f}"
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0, 0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
    axes[-1, 0].set_xlabel("time (s); amplitudes in microvolts")
    if title is not None:
        fig.suptitle(title, x=0.01, ha="left")
    return finish_figure(fig, show)
