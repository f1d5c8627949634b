"""Simulated recordings of five regions in many subjects."""

from dataclasses import dataclass
from numbers import Integral, Real

import mne
import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from .regions import set_regions
from .rhythms import (
    Rhythm,
    draw_mixing,
    mix_latents,
    pink_noise,
    rhythms_variance,
    simulate_rhythms,
)

REGIONS = ("GPi", "STN", "VO", "Motor", "VIM")
MICROVOLTS = 50e-6  # volts per unit of amplitude

# Uniform ranges from which each subject's physiology is drawn (gains in units of
# 50 microvolts, offsets in Hz), and those of its sessions and channels.
SUBJECT_RANGES = {
    "beta_gain": (0.8, 1.5),
    "beta_offset": (-2.0, 2.0),
    "beta_probability": (0.3, 0.7),
    "spindle_gain": (0.8, 1.3),
    "spindle_offset": (-1.0, 1.0),
    "spindle_probability": (0.2, 0.5),
    "gamma_gain": (0.3, 0.7),
    "gamma_offset": (-5.0, 5.0),
    "high_gain": (0.1, 0.3),
    "high_offset": (-10.0, 10.0),
    "slow_gain": (0.8, 1.2),
    "slow_offset": (-0.3, 0.3),
    "noise": (0.3, 0.4),
}
SESSION_NOISE = (0.05, 0.15)
CHANNEL_GAIN = (0.9, 1.1)
CHANNEL_NOISE = (0.03, 0.1)
HIGHEST_FREQUENCY = 160.0  # Hz, of the line of STN

# Centres in MNI space (left hemisphere), metres.
CENTRES = {
    "GPi": (-0.020, -0.006, -0.002),
    "STN": (-0.012, -0.014, -0.007),
    "VO": (-0.012, -0.010, 0.006),
    "Motor": (-0.037, -0.024, 0.058),
    "VIM": (-0.014, -0.019, 0.002),
}
SUBJECT_SHIFT = 0.001  # metres, standard deviation per axis
CONTACT_SCATTER = 0.0015

NonNegative = Interval(Real, 0, None, closed="left")
Fraction = Interval(Real, 0, 1, closed="both")
Count = Interval(Integral, 1, None, closed="left")


@dataclass(frozen=True)
class _Subject:
    """All that the sessions of a subject share; arrays have one row per channel."""

    rhythms: dict
    ch_names: np.ndarray
    true_regions: np.ndarray
    labels: np.ndarray
    positions: np.ndarray
    gains: np.ndarray
    noises: np.ndarray


@validate_params(
    {
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
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    },
    prefer_skip_nested_validation=True,
)
def simulate_recordings(
    n_subjects=5,
    n_sessions=2,
    duration=100.0,
    *,
    sfreq=1000.0,
    n_channels=4,
    coupling=0.0,
    aperiodic=0.0,
    phase_amplitude_coupling=0.0,
    wrong_labels=0.0,
    missing_regions=0.0,
    random_state=0,
):
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
    n_channels = _channel_range(n_channels)
    n_times = round(duration * sfreq)
    seed = np.random.SeedSequence(random_state)
    cohort_seed, *subject_seeds = seed.spawn(1 + n_subjects)
    mixing = draw_mixing(len(REGIONS), np.random.default_rng(cohort_seed))

    recordings = []
    for subject_number, subject_seed in enumerate(subject_seeds, start=1):
        traits_seed, *session_seeds = subject_seed.spawn(1 + n_sessions)
        subject = _draw_subject(traits_seed, n_channels, missing_regions, wrong_labels)
        for session_number, session_seed in enumerate(session_seeds, start=1):
            data = _simulate_session(
                subject,
                n_times,
                sfreq,
                session_seed,
                mixing=mixing,
                coupling=coupling,
                aperiodic=aperiodic,
                nesting=phase_amplitude_coupling,
            )
            raw = _make_raw(data, sfreq, subject)
            raw.info["subject_info"] = {"his_id": f"sub-{subject_number:02d}"}
            raw.info["description"] = f"ses-{session_number:02d}"
            recordings.append(raw)
    return recordings


def _channel_range(n_channels):
    """Lowest and highest number of channels per region."""
    limits = n_channels if isinstance(n_channels, tuple) else (n_channels,) * 2
    if (
        len(limits) != 2
        or not all(isinstance(limit, Integral) for limit in limits)
        or not 1 <= limits[0] <= limits[1]
    ):
        raise ValueError(
            "n_channels must be a positive int or a tuple (low, high) of ints with "
            f"1 <= low <= high, got {n_channels!r}."
        )
    return limits


def _draw_subject(seed, n_channels, missing_regions, wrong_labels):
    """Draw what the sessions of a subject share.

    Each option has a generator of its own: it changes nothing but what it is for.
    """
    physiology_seed, channel_seed, missing_seed, label_seed = seed.spawn(4)
    physiology = _draw_physiology(np.random.default_rng(physiology_seed))
    channels = _draw_channels(channel_seed, n_channels, physiology["noise"])

    rng = np.random.default_rng(missing_seed)
    n_missing = _random_round(missing_regions * len(REGIONS), rng)
    missing = rng.permutation(REGIONS)[:n_missing]
    present = ~np.isin(channels["true_regions"], missing)
    channels = {name: values[present] for name, values in channels.items()}
    labels = _mislabel(
        channels["true_regions"], wrong_labels, np.random.default_rng(label_seed)
    )
    return _Subject(rhythms=_region_rhythms(physiology), labels=labels, **channels)


def _draw_physiology(rng):
    return {name: rng.uniform(*limits) for name, limits in SUBJECT_RANGES.items()}


def _region_rhythms(physiology):
    """Rhythms of each region in a subject."""
    p = physiology
    beta = Rhythm(
        20.0 + p["beta_offset"],
        p["beta_gain"],
        window=0.5,
        probability=p["beta_probability"],
        jitter=0.5,
        nests_gamma=True,
    )
    spindle = Rhythm(
        14.0 + p["spindle_offset"],
        p["spindle_gain"],
        window=1.0,
        probability=p["spindle_probability"],
    )
    line = Rhythm(150.0 + p["high_offset"], p["high_gain"])
    gamma = Rhythm(40.0 + p["gamma_offset"], p["gamma_gain"])
    slow = Rhythm(1.0 + p["slow_offset"], p["slow_gain"], nests_gamma=True)
    return {
        "GPi": [beta],
        "STN": [beta, line],
        "VO": [spindle],
        "Motor": [gamma],
        "VIM": [slow],
    }


def _draw_channels(seed, n_channels, subject_noise):
    """Arrays with one row per channel: name, region, place, gain, noise level."""
    low, high = n_channels
    columns = []
    for region, region_seed in zip(REGIONS, seed.spawn(len(REGIONS)), strict=True):
        rng = np.random.default_rng(region_seed)
        n = rng.integers(low, high, endpoint=True)
        centre = CENTRES[region] + SUBJECT_SHIFT * rng.standard_normal(3)
        columns.append(
            {
                "ch_names": np.array([f"{region}{i + 1}" for i in range(n)]),
                "true_regions": np.full(n, region),
                "positions": centre + CONTACT_SCATTER * rng.standard_normal((n, 3)),
                "gains": rng.uniform(*CHANNEL_GAIN, n),
                "noises": subject_noise + rng.uniform(*CHANNEL_NOISE, n),
            }
        )
    return {name: np.concatenate([c[name] for c in columns]) for name in columns[0]}


def _random_round(value, rng):
    """An int next to value, whose mean is value."""
    return int(value + rng.random())


def _mislabel(regions, fraction, rng):
    """Regions, a fraction of them replaced by another region among them."""
    labels = regions.copy()
    n_wrong = _random_round(fraction * len(regions), rng)
    for channel in rng.permutation(len(regions))[:n_wrong]:
        others = [r for r in REGIONS if r in regions and r != regions[channel]]
        labels[channel] = rng.choice(others)
    return labels


def _simulate_session(
    subject, n_times, sfreq, seed, *, mixing, coupling, aperiodic, nesting
):
    """Signals of one recording, shape (n_channels, n_times), in volts."""
    latent_seed, session_seed, *region_seeds = seed.spawn(2 + len(REGIONS))
    session_noise = np.random.default_rng(session_seed).uniform(*SESSION_NOISE)
    if coupling:
        latent_rng = np.random.default_rng(latent_seed)
        shared = mix_latents(*mixing, n_times, sfreq, latent_rng)

    signals = []
    for index, (region, seed) in enumerate(zip(REGIONS, region_seeds, strict=True)):
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
        noise_level = subject.noises[rows, None] + session_noise
        signal += noise_level * noise_rng.standard_normal(shape)
        if aperiodic:
            signal += aperiodic * pink_noise(shape, sfreq, background_rng)
        signals.append(signal)
    return MICROVOLTS * np.concatenate(signals)


def _make_raw(data, sfreq, subject):
    ch_names = subject.ch_names.tolist()
    info = mne.create_info(ch_names, sfreq, "seeg")
    info["line_freq"] = 50.0
    raw = mne.io.RawArray(data, info, verbose="error")
    montage = mne.channels.make_dig_montage(
        dict(zip(ch_names, subject.positions, strict=True)), coord_frame="mni_tal"
    )
    # without fiducials, which MNE warns of, the positions stay in MNI space
    raw.set_montage(montage, verbose="error")
    labels = dict(zip(ch_names, subject.labels.tolist(), strict=True))
    return set_regions(raw, labels)
