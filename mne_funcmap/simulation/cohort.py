"""Who is simulated: subjects, their channels and their sessions.

Each option has a generator of its own: it changes nothing but what it is for.
"""

from dataclasses import dataclass
from math import inf
from numbers import Integral, Real

import numpy as np

from .rhythms import Rhythm, draw_mixing

REGIONS = ("GPi", "STN", "VO", "Motor", "VIM")

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


@dataclass(frozen=True)
class Subject:
    """All that the sessions of a subject share; arrays have one row per channel."""

    name: str
    rhythms: dict  # of each region
    ch_names: np.ndarray
    true_regions: np.ndarray
    labels: np.ndarray  # regions as annotated
    positions: np.ndarray  # (n_channels, 3), metres, as reported
    gains: np.ndarray
    polarities: np.ndarray  # 1 or -1
    noises: np.ndarray  # standard deviations


@dataclass(frozen=True)
class Session:
    """A recording before there are signals."""

    subject: Subject
    name: str
    noise: float  # standard deviation that adds to those of the channels
    latent_seed: np.random.SeedSequence
    region_seeds: list


def draw_cohort(n_subjects, n_sessions, random_state, **options):
    """Draw all that is not a signal.

    Parameters
    ----------
    n_subjects, n_sessions, random_state : int
        As by `mne_funcmap.simulate_recordings`.
    **options : dict
        Those options of `mne_funcmap.simulate_recordings` that concern channels.

    Returns
    -------
    mixing : tuple of ndarray
        Weights and delays (seconds) of the common sources, each (n_regions, n_latents).
    sessions : list of Session
        The sessions of the first subject first.
    """
    seed = np.random.SeedSequence(random_state)
    cohort_seed, *subject_seeds = seed.spawn(1 + n_subjects)
    mixing = draw_mixing(len(REGIONS), np.random.default_rng(cohort_seed))
    sessions = []
    for number, subject_seed in enumerate(subject_seeds, start=1):
        traits_seed, *session_seeds = subject_seed.spawn(1 + n_sessions)
        subject = _draw_subject(f"sub-{number:02d}", traits_seed, **options)
        sessions += [
            _draw_session(subject, f"ses-{session_number:02d}", session_seed)
            for session_number, session_seed in enumerate(session_seeds, start=1)
        ]
    return mixing, sessions


def _draw_session(subject, name, seed):
    latent_seed, noise_seed, *region_seeds = seed.spawn(2 + len(REGIONS))
    noise = np.random.default_rng(noise_seed).uniform(*SESSION_NOISE)
    return Session(subject, name, noise, latent_seed, region_seeds)


def _draw_subject(
    name,
    seed,
    *,
    n_channels,
    missing_regions=0.0,
    wrong_labels=0.0,
    localization_error=None,
    random_polarity=False,
):
    physiology_seed, channel_seed, *option_seeds = seed.spawn(6)
    missing_rng, label_rng, position_rng, polarity_rng = map(
        np.random.default_rng, option_seeds
    )
    physiology = _draw_physiology(np.random.default_rng(physiology_seed))
    channels = _draw_channels(channel_seed, n_channels, physiology["noise"])
    channels["polarities"] = _draw_polarities(
        len(channels["gains"]), random_polarity, polarity_rng
    )
    channels = _drop_regions(channels, missing_regions, missing_rng)
    channels["labels"] = _mislabel(channels["true_regions"], wrong_labels, label_rng)
    channels["positions"] = _mislocate(
        channels["positions"], localization_error, position_rng
    )
    return Subject(name, _region_rhythms(physiology), **channels)


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
    low, high = _channel_range(n_channels)
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


def _draw_polarities(n_channels, random_polarity, rng):
    return rng.choice([-1, 1], n_channels) if random_polarity else np.ones(n_channels)


def _drop_regions(channels, fraction, rng):
    """Channels without those of a fraction of the regions."""
    n_missing = _random_round(fraction * len(REGIONS), rng)
    missing = rng.permutation(REGIONS)[:n_missing]
    present = ~np.isin(channels["true_regions"], missing)
    return {name: values[present] for name, values in channels.items()}


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


def _mislocate(positions, localization_error, rng):
    """Positions, a fraction of them moved by a distance, each in its own direction."""
    fraction, millimetres = _check_localization_error(localization_error)
    n_wrong = _random_round(fraction * len(positions), rng)
    wrong = rng.permutation(len(positions))[:n_wrong]
    direction = rng.standard_normal(positions.shape)[wrong]
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    moved = positions.copy()
    moved[wrong] += millimetres / 1000 * direction
    return moved


def _check_localization_error(localization_error):
    """Fraction of the contacts, and millimetres."""
    if localization_error is None:
        return 0.0, 0.0
    if (
        len(localization_error) != 2
        or not all(isinstance(value, Real) for value in localization_error)
        or not 0 <= localization_error[0] <= 1
        or not 0 <= localization_error[1] < inf
    ):
        raise ValueError(
            "localization_error must be None or a tuple (fraction, millimetres) with a "
            "fraction between 0 and 1 and a finite distance of at least 0, got "
            f"{localization_error!r}."
        )
    return localization_error
