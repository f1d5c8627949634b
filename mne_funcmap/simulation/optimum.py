"""How well the regions of coupled simulations can be predicted at best."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from numbers import Real
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
from mne.filter import create_filter
from scipy import fft, linalg
from scipy.signal import freqz
from sklearn.utils._param_validation import (
    Interval,
    validate_parameter_constraints,
    validate_params,
)

from .cohort import REGIONS, draw_cohort
from .rhythms import (
    burst_power,
    cross_spectrum,
    pink_power,
    rhythm_variance,
    rhythms_variance,
    unnest,
)
from .simulate import CONSTRAINTS, simulate_recordings

if TYPE_CHECKING:
    from typing import Any

    import pandas as pd

# White noise relative to all that is not common: without it, bands that a filter has
# emptied would leave covariances that cannot be inverted.
NOISE_FLOOR = 1e-7
LONGEST_BURST = 1.0  # seconds

Positive = Interval(Real, 0, None, closed="neither")


@validate_params(
    {
        "window": [Positive],
        "l_freq": [Positive, None],
        "h_freq": [Positive, None],
        "new_sfreq": [Positive, None],
    },
    prefer_skip_nested_validation=True,
)
def simulation_optimum(
    *,
    window: float = 1.0,
    l_freq: float | None = None,
    h_freq: float | None = None,
    new_sfreq: float | None = None,
    **simulation: Any,
) -> pd.DataFrame:
    """Compute how well each region of a simulation can be predicted from the others.

    This is the correlation that the best of all linear predictors reaches: one that
    reads a window of all channels of the other regions, before and after the sample it
    predicts, and knows the true covariances of all signals. They are derived from the
    parameters of the simulation; no signal is simulated.

    Parameters
    ----------
    window : float
        Seconds that are read, and predicted, at a time; at most half of ``duration``.
    l_freq, h_freq : float | None
        The pass-band in Hz, if the recordings are filtered before they are predicted,
        by the default filters of :meth:`mne.io.Raw.filter`.
    new_sfreq : float | None
        The lower rate in Hz, if the recordings are then resampled, as by
        :meth:`mne.io.Raw.resample`.
    **simulation : dict
        Parameters of :func:`mne_funcmap.simulate_recordings`, whose defaults they have.
        Recordings must last 2 s or more.

    Returns
    -------
    optimum : pandas.DataFrame
        One row for each channel: subject, recording (its place in the list), ch_name,
        region (as annotated, by which channels are withheld), and r, the correlation of
        truth and best prediction, from 0 to 1.

    Raises
    ------
    TypeError
        If a parameter is unknown.
    ValueError
        If a parameter is of the wrong type or out of its range.

    See Also
    --------
    simulate_recordings : The simulation.
    RecordingPreprocessor : Filters and resamples recordings in this way.

    Notes
    -----
    Let the vectors x and z hold the samples of a window, x those of a channel of the
    withheld region, z those of all channels of other regions. Then

    .. math:: r = \\sqrt{\\frac{\\operatorname{tr}(\\Sigma_{xz} \\Sigma_{zz}^{-1}
              \\Sigma_{zx})}{\\operatorname{tr}(\\Sigma_{xx})}}

    is the square root of the share of variance that the best linear prediction
    explains, and its correlation with the truth over many windows. Common sources, 1/f
    background and white noise enter by their spectra; a region's own rhythms are noise
    to the prediction of others, with the covariance that they have over all phases of
    lines and all times at which a burst may begin.

    A predictor that learns the phases of the lines from one recording, or whose windows
    begin with the bursts, can do a little better, by less than 0.01 at
    ``coupling=0.8``. So can one that reads beyond the window: a longer ``window`` has a
    higher optimum.

    The time it takes grows with the third power of ``window`` times sampling rate: for
    a recording and windows of 1 s some 10 s at 1 kHz, and 0.1 s at 100 Hz.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> optimum = mf.simulation_optimum(
    ...     n_subjects=1, n_sessions=1, coupling=0.8, h_freq=45.0, new_sfreq=100.0
    ... )
    >>> float(optimum["r"].mean().round(2))
    0.76
    """
    import pandas as pd

    settings = _complete(simulation)
    view = _make_view(settings, window, l_freq, h_freq, new_sfreq)
    mixing, sessions = draw_cohort(
        settings.n_subjects,
        settings.n_sessions,
        settings.random_state,
        n_channels=settings.n_channels,
        missing_regions=settings.missing_regions,
        wrong_labels=settings.wrong_labels,
    )
    common = settings.coupling * _covary_common(view, *mixing)
    tables = []
    for recording, session in enumerate(sessions):
        subject = session.subject
        columns = {
            "subject": subject.name,
            "recording": recording,
            "ch_name": subject.ch_names,
            "region": subject.labels,
            "r": _correlate_best(session, view, common, settings),
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def _complete(simulation):
    """Valid parameters of the simulation, with its defaults."""
    bound = signature(simulate_recordings).bind(**simulation)
    bound.apply_defaults()
    validate_parameter_constraints(CONSTRAINTS, bound.arguments, "simulation_optimum")
    return SimpleNamespace(**bound.arguments)


@dataclass(frozen=True)
class _View:
    """What is seen of the signals: filtered, resampled, and cut into windows."""

    n_times: int  # of a recording as simulated
    sfreq: float
    kernel: np.ndarray  # impulse response of the filter
    new_sfreq: float
    window: float  # seconds

    @property
    def n_window(self):
        return round(self.window * self.new_sfreq)

    def pass_power(self, frequencies):
        """Share of the power that passes, at frequencies in Hz."""
        response = freqz(self.kernel, worN=frequencies, fs=self.sfreq)[1]
        return np.abs(response) ** 2 * (frequencies <= self.new_sfreq / 2)

    @cached_property
    def frequencies(self):
        return fft.rfftfreq(self.n_times, 1 / self.sfreq)

    @cached_property
    def _passed(self):
        return self.pass_power(self.frequencies)

    def transform(self, spectrum):
        """Turn a spectrum into the covariance at each (circular) lag."""
        n_resampled = round(self.n_times * self.new_sfreq / self.sfreq)
        seen = (self._passed * spectrum)[: n_resampled // 2 + 1]
        return fft.irfft(seen, n_resampled) * n_resampled / self.n_times

    def transform_line(self, frequency):
        """Turn a line of unit variance into the covariance at lags of a window."""
        lags = np.arange(self.n_window) / self.new_sfreq
        passed = self.pass_power(np.array([frequency]))
        return passed * np.cos(2 * np.pi * frequency * lags)


def _make_view(settings, window, l_freq, h_freq, new_sfreq):
    sfreq, duration = settings.sfreq, settings.duration
    new_sfreq = sfreq if new_sfreq is None else new_sfreq
    if None not in (l_freq, h_freq) and l_freq >= h_freq:
        raise ValueError(
            f"l_freq must be below h_freq, got l_freq={l_freq} and h_freq={h_freq}."
        )
    if new_sfreq > sfreq:
        raise ValueError(
            f"new_sfreq must not be above sfreq, got {new_sfreq} and {sfreq} Hz."
        )
    if duration < 2 * max(window, LONGEST_BURST):
        raise ValueError(
            f"duration must be at least 2 s and twice the window, got {duration} s and "
            f"a window of {window} s."
        )
    if round(window * new_sfreq) < 1:
        raise ValueError(
            f"window must hold a sample or more, got {window} s at {new_sfreq} Hz."
        )
    kernel = np.ones(1)
    if l_freq is not None or h_freq is not None:
        kernel = create_filter(None, sfreq, l_freq, h_freq, verbose="error")
    return _View(round(duration * sfreq), sfreq, kernel, new_sfreq, window)


def _covary_common(view, weights, delays):
    """Covariance of the common parts, (n_regions, n_regions, n_window, n_window)."""
    n_regions, n = len(weights), view.n_window
    covariance = np.empty((n_regions, n_regions, n, n))
    for first in range(n_regions):
        for second in range(first + 1):
            pair = [first, second]
            spectrum = cross_spectrum(
                weights[pair], delays[pair], view.n_times, view.sfreq
            )
            lagged = view.transform(spectrum)
            block = linalg.toeplitz(lagged[:n], lagged[-np.arange(n)])
            covariance[first, second] = block
            covariance[second, first] = block.T
    return covariance


def _correlate_best(session, view, common, settings):
    """Correlation with the best prediction, shape (n_channels,).

    All in units of a channel's gain, so that the common part is the same in all
    channels of a region.
    """
    subject = session.subject
    private = _covary_private(session, view, settings)
    precision = np.linalg.inv([linalg.toeplitz(row) for row in private])
    region = np.array([REGIONS.index(name) for name in subject.true_regions])
    explained = np.empty(len(region))
    for label in np.unique(subject.labels):
        withheld = subject.labels == label
        targets, position = np.unique(region[withheld], return_inverse=True)
        variance = _explain(
            common, region[~withheld], precision[~withheld], targets=targets
        )
        explained[withheld] = variance[position]
    return np.sqrt(explained / (common[region, region, 0, 0] + private[:, 0]))


def _covary_private(session, view, settings):
    """Autocovariance of what channels do not share, shape (n_channels, n_window)."""
    subject, nesting = session.subject, settings.phase_amplitude_coupling
    own = {
        name: _covary_rhythms(unnest(rhythms, nesting), view)
        / rhythms_variance(rhythms, nesting)
        for name, rhythms in subject.rhythms.items()
    }
    white = view.transform(np.ones(len(view.frequencies)))[: view.n_window]
    pink = view.transform(pink_power(view.frequencies, view.n_times))[: view.n_window]
    gains = subject.gains[:, None]
    noises = subject.noises[:, None] + session.noise
    private = (
        (1 - settings.coupling) * np.array([own[r] for r in subject.true_regions])
        + (noises / gains) ** 2 * white
        + (settings.aperiodic / gains) ** 2 * pink
    )
    private[:, 0] *= 1 + NOISE_FLOOR
    return private


def _covary_rhythms(rhythms, view):
    """Autocovariance of rhythms of which none nests another, shape (n_window,)."""
    total = np.zeros(view.n_window)
    for rhythm in rhythms:
        if rhythm.window is None:
            total += rhythm_variance(rhythm) * view.transform_line(rhythm.frequency)
        else:
            power = burst_power(rhythm, view.n_times, view.sfreq)
            total += view.transform(power)[: view.n_window]
    return total


def _explain(common, sources, precision, *, targets):
    """Variance of the common parts of target regions that sources explain.

    Channels of a region are first averaged, weighted by the precision of what they do
    not share: nothing that they tell about the common part is lost.

    Parameters
    ----------
    common : ndarray, shape (n_regions, n_regions, n_window, n_window)
        Covariance of the common parts.
    sources : ndarray of int, shape (n_sources,)
        Region of each source channel.
    precision : ndarray, shape (n_sources, n_window, n_window)
        Inverse covariance of what each source does not share.
    targets : ndarray of int, shape (n_targets,)
        Regions to predict.

    Returns
    -------
    variance : ndarray, shape (n_targets,)
        Mean over the samples of the window.
    """
    regions, n_window = np.unique(sources), common.shape[-1]
    covariance = common[np.ix_(regions, regions)]
    for index, region in enumerate(regions):
        average = np.linalg.inv(precision[sources == region].sum(axis=0))
        covariance[index, index] += average
    factor = linalg.cholesky(_flatten(covariance), lower=True, overwrite_a=True)
    cross = _flatten(common[np.ix_(regions, targets)])
    whitened = linalg.solve_triangular(factor, cross, lower=True, overwrite_b=True)
    power = np.square(whitened).sum(axis=0)
    return power.reshape(len(targets), n_window).mean(axis=1)


def _flatten(blocks):
    """Matrix of blocks, from shape (n_rows, n_columns, n_window, n_window)."""
    n_rows, n_columns, n_window, _ = blocks.shape
    shape = n_rows * n_window, n_columns * n_window
    return blocks.transpose(0, 2, 1, 3).reshape(shape)
