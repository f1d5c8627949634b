"""Simulated recordings of five regions in many subjects."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING

import mne
import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from ..progress import track
from ..regions import set_regions
from .cohort import HIGHEST_FREQUENCY, REGIONS, draw_cohort
from .rhythms import mix_latents, pink_noise, rhythms_variance, simulate_rhythms

if TYPE_CHECKING:
    from mne.io import RawArray

MICROVOLTS = 50e-6  # volts per unit of amplitude

NonNegative = Interval(Real, 0, None, closed="left")
Fraction = Interval(Real, 0, 1, closed="both")
Count = Interval(Integral, 1, None, closed="left")
CONSTRAINTS = {
    "n_subjects": [Count],
    "n_sessions": [Count],
    "duration": [Interval(Real, 1, None, closed="left")],
    "sfreq": [Interval(Real, 2 * HIGHEST_FREQUENCY, None, closed="neither")],
    "n_channels": [Count, tuple],
    "coupling": [Fraction],
    "aperiodic": [NonNegative],
    "phase_amplitude_coupling": [Fraction],
    "wrong_labels": [Fraction],
    "missing_regions": [Interval(Real, 0, 0.6, closed="both")],
    "localization_error": [tuple, None],
    "random_polarity": ["boolean"],
    "random_state": [Interval(Integral, 0, None, closed="left"), None],
}


@validate_params(CONSTRAINTS, prefer_skip_nested_validation=True)
def simulate_recordings(
    n_subjects: int = 5,
    n_sessions: int = 2,
    duration: float = 100.0,
    *,
    sfreq: float = 1000.0,
    n_channels: int | tuple[int, int] = 4,
    coupling: float = 0.0,
    aperiodic: float = 0.0,
    phase_amplitude_coupling: float = 0.0,
    wrong_labels: float = 0.0,
    missing_regions: float = 0.0,
    localization_error: tuple[float, float] | None = None,
    random_polarity: bool = False,
    random_state: int | None = 0,
) -> list[RawArray]:
    """Simulate intracranial recordings of five regions in many subjects.

    With the defaults every channel is independent of every other one, and what its
    region does is seen in its spectrum alone.

    Parameters
    ----------
    n_subjects : int
        The number of subjects.
    n_sessions : int
        The number of recordings of each subject, all with the same channels.
    duration : float
        Seconds per recording, at least 1.
    sfreq : float
        Sampling rate in Hz, above 320: the fastest rhythm is at 160 Hz.
    n_channels : int | tuple of int
        Channels per region; ``(low, high)``, both included, draws the number for each
        subject and region.
    coupling : float
        Share of a channel's variance, before noise, that stems from six sources common
        to all regions, 0 to 1 (see Notes).
    aperiodic : float
        Standard deviation of a 1/f background of each channel, in units of 50
        microvolts.
    phase_amplitude_coupling : float
        Strength, 0 to 1, of bursts at 80 Hz whose amplitude follows the phase of the
        beta bursts (GPi, STN) or of the slow rhythm (VIM).
    wrong_labels : float
        Fraction of the channels of each subject whose region annotation names another
        region of that subject. The name of a channel always begins with its true
        region.
    missing_regions : float
        Fraction of the (subject, region) pairs without channels, at most 0.6: each
        subject keeps at least two of the five regions.
    localization_error : None | tuple of float
        ``(fraction, millimetres)``: the fraction of the contacts of each subject that
        sit elsewhere than their positions say, and how far away, in any direction.
    random_polarity : bool
        Whether each channel is turned upside down, in all sessions, with a probability
        of one half.
    random_state : int | None
        The seed; ``None`` takes a fresh one. Subject k does not depend on
        ``n_subjects``, its session j not on ``n_sessions``.

    Returns
    -------
    recordings : list of mne.io.RawArray
        ``n_subjects * n_sessions`` recordings in volts, the sessions of the first
        subject first. The subject is in ``info["subject_info"]["his_id"]``
        (``"sub-01"``), the session in ``info["description"]`` (``"ses-01"``), the
        positions are a montage in MNI space (``mni_tal``, metres), the regions are set
        as by :func:`mne_funcmap.set_regions`.

    Raises
    ------
    ValueError
        If a parameter is of the wrong type or out of its range.

    See Also
    --------
    simulation_optimum : How well withheld regions can be predicted.

    Notes
    -----
    The simulation follows [1]_. An amplitude of 1 is 50 microvolts.

    ======  ================================================================
    region  signal
    ======  ================================================================
    GPi     20 Hz bursts (Hann windows of 0.5 s)
    STN     the same kind of bursts and a continuous 150 Hz line
    VO      14 Hz bursts (Hann windows of 1 s)
    Motor   continuous 40 Hz
    VIM     continuous 1 Hz
    ======  ================================================================

    Drawn uniformly for each subject: gain of beta 0.8 to 1.5, of spindles 0.8 to 1.3,
    of gamma (Motor) 0.3 to 0.7, of the high-frequency line 0.1 to 0.3, of the slow
    rhythm 0.8 to 1.2; frequency offsets, in that order, up to 2, 1, 5, 10 and 0.3 Hz
    to either side; burst probability 0.3 to 0.7 (beta) and 0.2 to 0.5 (spindles). White
    noise has the standard deviation subject (0.3 to 0.4) + session (0.05 to 0.15) +
    channel (0.03 to 0.1); a channel's signal has the gain 0.9 to 1.1, the same in all
    sessions.

    What the source leaves open: burst windows tile the recording back to back, each
    holds a burst with the given probability; the frequency of each beta burst is normal
    with a standard deviation of 0.5 Hz, spindles have none; the phase of each burst,
    and of each line in each channel and recording, is uniform. Channels are independent
    draws, but lines of one region have one frequency in a subject, so that two of them
    differ within a recording by a fixed phase alone. The contacts of a region
    scatter by 1.5 mm per axis around a centre in the left hemisphere that itself is
    shifted by 1 mm in each subject.

    With ``coupling`` above 0, a channel c of region r is, before gain and noise,

    .. math:: x_{rc}(t) = \\sqrt{1 - \\kappa}\\, s_{rc}(t)
              + \\sqrt{\\kappa} \\sum_k A_{rk} l_k(t - \\tau_{rk})

    with the region's own signal s scaled to unit variance, six sources l of unit
    variance per recording (half of it 1/f, half in a band of their own between 4 and
    38 Hz), weights A normal and then scaled to unit variance of the sum, and delays up
    to 20 ms to either side. A and the delays depend on the seed alone, and are the same
    in all subjects. The scaling makes even a weak coupling differ in amplitude from
    ``coupling=0``, which is the plain simulation.

    With ``phase_amplitude_coupling`` m, a rhythm of amplitude a and phase phi carries a
    rhythm at 80 Hz of amplitude m a (1 + cos phi) / 4, thus at most m a / 2.

    The 1/f background and the common sources are periodic over the recording, and flat
    below 0.5 Hz.

    References
    ----------
    .. [1] Javadzadeh et al. (2025). Functional embeddings enable Aggregation of
       multi-area SEEG recordings over subjects and sessions. arXiv:2510.27090
       (preprint).

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> recordings = mf.simulate_recordings(n_subjects=2, n_sessions=1, duration=5.0)
    >>> [raw.info["subject_info"]["his_id"] for raw in recordings]
    ['sub-01', 'sub-02']
    >>> recordings[0].ch_names[:5]
    ['GPi1', 'GPi2', 'GPi3', 'GPi4', 'STN1']
    """
    mixing, sessions = draw_cohort(
        n_subjects,
        n_sessions,
        random_state,
        n_channels=n_channels,
        missing_regions=missing_regions,
        wrong_labels=wrong_labels,
        localization_error=localization_error,
        random_polarity=random_polarity,
    )
    recordings = []
    for session in track(sessions, "recordings"):
        signals = _simulate_session(
            session,
            round(duration * sfreq),
            sfreq,
            mixing=mixing,
            coupling=coupling,
            aperiodic=aperiodic,
            nesting=phase_amplitude_coupling,
        )
        recordings.append(_make_raw(signals, sfreq, session))
    return recordings


def _simulate_session(session, n_times, sfreq, *, mixing, coupling, aperiodic, nesting):
    """Signals of one recording, shape (n_channels, n_times), in volts."""
    subject = session.subject
    if coupling:
        latent_rng = np.random.default_rng(session.latent_seed)
        shared = mix_latents(*mixing, n_times, sfreq, latent_rng)

    signals = []
    for index, (region, seed) in enumerate(
        zip(REGIONS, session.region_seeds, strict=True)
    ):
        rhythms = subject.rhythms[region]
        rows = np.flatnonzero(subject.true_regions == region)
        shape = (len(rows), n_times)
        own_rng, nested_rng, noise_rng, background_rng = map(
            np.random.default_rng, seed.spawn(4)
        )
        signal = simulate_rhythms(rhythms, shape, sfreq, nesting, own_rng, nested_rng)
        if coupling:
            signal *= np.sqrt((1 - coupling) / rhythms_variance(rhythms, nesting))
            signal += np.sqrt(coupling) * shared[index]
        signal *= subject.gains[rows, None]
        noise_level = subject.noises[rows, None] + session.noise
        signal += noise_level * noise_rng.standard_normal(shape)
        if aperiodic:
            signal += aperiodic * pink_noise(shape, sfreq, background_rng)
        signals.append(signal)
    return MICROVOLTS * subject.polarities[:, None] * np.concatenate(signals)


def _make_raw(data, sfreq, session):
    subject = session.subject
    ch_names = subject.ch_names.tolist()
    info = mne.create_info(ch_names, sfreq, "seeg")
    info["line_freq"] = 50.0
    info["subject_info"] = {"his_id": subject.name}
    info["description"] = session.name
    raw = mne.io.RawArray(data, info, verbose="error")
    montage = mne.channels.make_dig_montage(
        dict(zip(ch_names, subject.positions, strict=True)), coord_frame="mni_tal"
    )
    # without fiducials, which MNE warns of, the positions stay in MNI space
    raw.set_montage(montage, verbose="error")
    labels = dict(zip(ch_names, subject.labels.tolist(), strict=True))
    return set_regions(raw, labels)
