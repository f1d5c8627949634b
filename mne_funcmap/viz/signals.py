"""Withheld channels: what was recorded and what was predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from mne import BaseEpochs
from mne.io import BaseRaw

from ..subjects import shorten_list
from .style import COLUMN, FONT, PAGE, finish, hide_spines, open_panels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


COLORS = ("#555555", "#D55E00")
LABELS = ("recorded", "predicted")
UNCERTAIN = {"channel": "", "region": " (amplitude not calibrated)"}  # by query
MICRO = 1e6
MAX_IN_ROW = 3
WINDOW = 2.0  # seconds of a piece whose spectrum is computed


def plot_reconstruction(
    recording: BaseRaw,
    predicted: BaseRaw,
    *,
    picks: Sequence[str],
    start: float = 0.0,
    duration: float = 3.0,
    r: Mapping[str, float] | None = None,
    query: Literal["channel", "region"] = "channel",
    title: str | None = None,
    axes: Axes | Sequence[Axes] | None = None,
    show: bool = True,
) -> Figure:
    """Plot withheld channels of a recording beside their prediction.

    Parameters
    ----------
    recording : mne.io.Raw
        What was recorded.
    predicted : mne.io.Raw
        As by :meth:`~mne_funcmap.MaskedRegionReconstructor.predict`.
    picks : list of str
        The channels that are shown.
    start, duration : float
        Seconds that are shown.
    r : dict of str to float | None
        Correlation of each channel over all that was scored, to be written beside it.
    query : "channel" | "region"
        The ``query`` of the reconstructor. With "region", as by ``add_region``, the
        amplitude of a prediction is that of its region in training, not of the channel:
        the legend says that it is not calibrated.
    title : str | None
        The title.
    axes : matplotlib.axes.Axes | sequence of matplotlib.axes.Axes | None
        Where to plot, as many as channels; None stands for a new figure.
    show : bool
        Whether to show the figure.

    Returns
    -------
    fig : matplotlib.figure.Figure
        The figure.

    Raises
    ------
    TypeError
        If a recording is a list, or picks are not.
    ValueError
        If the recordings do not hold the same samples or lack a channel, or nothing of
        them is to be shown.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> X = mf.simulate_recordings(n_subjects=1, n_sessions=1, duration=10.0)
    >>> half = X[0].copy().apply_function(lambda signal: signal / 2)
    >>> fig = mf.viz.plot_reconstruction(X[0], half, picks=["STN1"], show=False)
    """
    _check_pair(recording, predicted, picks, BaseRaw)
    sfreq = recording.info["sfreq"]
    length = len(recording.times) / sfreq
    if not 0 <= start < length or duration < 1 / sfreq:
        raise ValueError(
            f"start={start:g} and duration={duration:g} show nothing of the "
            f"{length:g} s of recording."
        )
    unscored = [] if r is None else [ch_name for ch_name in picks if ch_name not in r]
    if unscored:
        raise ValueError(f"r has no values for {unscored}, only for {list(r)}.")
    if query not in UNCERTAIN:
        raise ValueError(f"query must be one of {list(UNCERTAIN)}, got {query!r}.")
    labels = (LABELS[0], LABELS[1] + UNCERTAIN[query])
    height = 0.8 + 0.8 * len(picks)
    panels = open_panels(axes, len(picks), 1, PAGE, height, sharex=True)
    span = slice(*(int(round(at * sfreq)) for at in (start, start + duration)))
    times = recording.times[span]
    for ax, ch_name in zip(panels, picks, strict=True):
        for inst, color, label in zip(
            (recording, predicted), COLORS, labels, strict=True
        ):
            signal = inst.get_data(picks=[ch_name])[0, span]
            signal = MICRO * (signal - np.mean(signal))
            ax.plot(times, signal, color, lw=1, label=label)
        name = ch_name if r is None else f"{ch_name}\nr = {r[ch_name]:.2f}"
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
        hide_spines(ax)
    above = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": 2}
    panels[0].legend(frameon=False, fontsize=FONT, borderaxespad=0, **above)
    panels[-1].set_xlabel("Time (s); amplitudes in \N{MICRO SIGN}V")
    return finish(panels, show, title=title)


def plot_spectra(
    recording: BaseRaw | BaseEpochs,
    predicted: BaseRaw | BaseEpochs,
    *,
    picks: Sequence[str],
    fmin: float = 1.0,
    fmax: float | None = None,
    axes: Axes | Sequence[Axes] | None = None,
    show: bool = True,
) -> Figure:
    """Plot the power spectra of withheld channels beside those of their prediction.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        What was recorded.
    predicted : mne.io.Raw | mne.Epochs
        As by :meth:`~mne_funcmap.MaskedRegionReconstructor.predict`.
    picks : list of str
        The channels that are shown.
    fmin, fmax : float
        Range in Hz; for None up to half the sampling rate, or the low-pass.
    axes : matplotlib.axes.Axes | sequence of matplotlib.axes.Axes | None
        Where to plot, as many as channels; None stands for a new figure.
    show : bool
        Whether to show the figure.

    Returns
    -------
    fig : matplotlib.figure.Figure
        The figure. Spectra are Welch's, of windows of two seconds.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> X = mf.simulate_recordings(n_subjects=1, n_sessions=1, duration=10.0)
    >>> half = X[0].copy().apply_function(lambda signal: signal / 2)
    >>> fig = mf.viz.plot_spectra(X[0], half, picks=["STN1", "GPi1"], show=False)
    """
    _check_pair(recording, predicted, picks, BaseRaw | BaseEpochs)
    from matplotlib.ticker import LogLocator, NullFormatter

    n_columns = min(len(picks), MAX_IN_ROW)
    width = PAGE if n_columns > 1 else COLUMN
    height = 0.4 + 1.9 * -(-len(picks) // n_columns)
    panels = open_panels(axes, len(picks), n_columns, width, height)
    spectra = [
        _compute_spectra(inst, picks, fmin, fmax) for inst in (recording, predicted)
    ]
    for at, (ax, ch_name) in enumerate(zip(panels, picks, strict=True)):
        for (freqs, power), color, label in zip(spectra, COLORS, LABELS, strict=True):
            ax.plot(freqs, power[at], color, lw=1, label=label)
        ax.set_title(ch_name, fontsize=FONT, loc="left")
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
        hide_spines(ax)
        if at % n_columns == 0:
            ax.set_ylabel("Power (dB re 1 \N{MICRO SIGN}V\N{SUPERSCRIPT TWO}/Hz)")
        if at + n_columns >= len(picks):  # none below
            ax.set_xlabel("Frequency (Hz)")
    # power falls with frequency
    panels[0].legend(loc="lower left", frameon=False, fontsize=FONT)
    return finish(panels, show)


def _check_pair(recording, predicted, picks, kind):
    """Raise unless two recordings hold the same samples, and the channels to show."""
    for name, inst in (("recording", recording), ("predicted", predicted)):
        if not isinstance(inst, kind):
            expected = "mne.io.Raw" if kind is BaseRaw else "mne.io.Raw or mne.Epochs"
            raise TypeError(
                f"{name} must be one {expected}, got {type(inst)}: of a list, give one "
                "item, such as predict(X)[0] beside X[0]."
            )
    if isinstance(picks, str) or not len(picks):
        raise TypeError(f"picks must be a list of channel names, got {picks!r}.")
    for name, inst in (("recording", recording), ("predicted", predicted)):
        missing = [ch_name for ch_name in picks if ch_name not in inst.ch_names]
        if missing:
            raise ValueError(
                f"picks: {name} has no channels {missing}, but "
                f"{shorten_list(inst.ch_names)}."
            )
    sizes = [
        f"{len(inst.times)} samples at {inst.info['sfreq']:g} Hz"
        for inst in (recording, predicted)
    ]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"recording has {sizes[0]}, predicted {sizes[1]}: give the recording, "
            "preprocessed, that was predicted."
        )


def _compute_spectra(inst, picks, fmin, fmax):
    """Return frequencies, and spectra in decibels, (n_channels, n_freqs)."""
    sfreq = inst.info["sfreq"]
    found = inst.compute_psd(
        method="welch",
        picks=picks,
        fmin=fmin,
        fmax=min(inst.info["lowpass"], sfreq / 2) if fmax is None else fmax,
        n_fft=min(round(WINDOW * sfreq), len(inst.times)),
        verbose="error",
    )
    power, freqs = found.get_data(picks=picks, return_freqs=True)
    power = power.mean(axis=0) if power.ndim == 3 else power
    return freqs, 10 * np.log10(np.maximum(power * MICRO**2, np.finfo(float).tiny))
