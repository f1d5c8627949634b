"""The simulated recordings do what their documentation says, region by region."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import hilbert, periodogram, welch
from scipy.signal.windows import hann

from mne_funcmap.regions import get_regions
from mne_funcmap.simulation.cohort import CENTRES, REGIONS
from mne_funcmap.simulation.rhythms import (
    Rhythm,
    _oscillation,
    draw_mixing,
    latent_power,
    mix_latents,
    pink_noise,
    rhythms_variance,
    simulate_rhythms,
)
from mne_funcmap.simulation.simulate import simulate_recordings

SFREQ = 1000.0
BETA = Rhythm(20.0, 1.2, window=0.5, probability=0.4, jitter=0.5, nests_gamma=True)


@pytest.fixture(scope="module")
def recordings():
    return simulate_recordings(n_subjects=4, n_sessions=2, duration=40.0)


def region_data(raw, region):
    """Channels of a region in units of 50 microvolts."""
    names = [name for name in raw.ch_names if name.startswith(region)]
    return raw.get_data(picks=names) / 50e-6


def same_data(recordings, others):
    return all(
        np.array_equal(raw.get_data(), other.get_data())
        for raw, other in zip(recordings, others, strict=True)
    )


def peak_frequency(data, low, high):
    """Frequency of the largest power between low and high, averaged over channels."""
    frequencies, power = periodogram(data, SFREQ)
    band = (frequencies >= low) & (frequencies <= high)
    return frequencies[band][power.mean(axis=0)[band].argmax()]


def line_amplitude(signal, low, high):
    """Amplitude of the strongest sine between low and high, by least squares."""
    times = np.arange(signal.size) / SFREQ
    coarse = peak_frequency(signal[None], low, high)
    best = 0.0
    for frequency in coarse + np.linspace(-0.5, 0.5, 21) * SFREQ / signal.size:
        angle = 2 * np.pi * frequency * times
        design = np.column_stack([np.cos(angle), np.sin(angle)])
        best = max(best, np.linalg.norm(np.linalg.lstsq(design, signal)[0]))
    return best


def test_layout(recordings):
    assert len(recordings) == 8
    subjects = [raw.info["subject_info"]["his_id"] for raw in recordings]
    assert subjects == [f"sub-{i:02d}" for i in (1, 1, 2, 2, 3, 3, 4, 4)]
    assert [raw.info["description"] for raw in recordings] == ["ses-01", "ses-02"] * 4
    names = [f"{region}{i}" for region in REGIONS for i in range(1, 5)]
    for raw in recordings:
        assert raw.ch_names == names
        assert set(raw.get_channel_types()) == {"seeg"}
        assert raw.n_times == 40_000
        assert raw.info["sfreq"] == SFREQ
        assert raw.info["line_freq"] == 50.0
        assert get_regions(raw) == {name: name[:-1] for name in names}


def test_positions_are_in_mni_space_and_shared_by_sessions(recordings):
    montages = [raw.get_montage().get_positions() for raw in recordings]
    for positions in montages:
        assert positions["coord_frame"] == "mni_tal"
        for name, position in positions["ch_pos"].items():
            assert np.linalg.norm(position - CENTRES[name[:-1]]) < 0.012
    for first, second in zip(montages[::2], montages[1::2], strict=True):
        assert_array_equal(
            list(first["ch_pos"].values()), list(second["ch_pos"].values())
        )
    assert not np.allclose(
        montages[0]["ch_pos"]["GPi1"], montages[2]["ch_pos"]["GPi1"], atol=1e-5
    )


@pytest.mark.parametrize(
    ("region", "nominal", "offset", "search"),
    [
        ("GPi", 20, 2, (3, 90)),
        ("STN", 20, 2, (3, 90)),
        ("STN", 150, 10, (100, 200)),
        ("VO", 14, 1, (3, 90)),
        ("Motor", 40, 5, (3, 200)),
        ("VIM", 1, 0.3, (0.2, 200)),
    ],
)
def test_spectral_peaks(recordings, region, nominal, offset, search):
    peaks = [peak_frequency(region_data(raw, region), *search) for raw in recordings]
    # bursts have a broad peak whose top is only roughly at their frequency
    slack = 0.8 if region in ("GPi", "VO") or nominal == 20 else 0.05
    assert np.abs(np.subtract(peaks, nominal)).max() <= offset + slack
    assert np.ptp(peaks) > 0


@pytest.mark.parametrize(
    ("region", "band", "low", "high"),
    [
        ("Motor", (30, 50), 0.3, 0.7),
        ("VIM", (0.5, 2), 0.8, 1.2),
        ("STN", (135, 165), 0.1, 0.3),
    ],
)
def test_lines_have_the_gains_of_their_subjects(recordings, region, band, low, high):
    for raw in recordings:
        for signal in region_data(raw, region):
            amplitude = line_amplitude(signal, *band)
            # channel gains are 0.9 to 1.1; noise adds a little
            assert 0.9 * low - 0.02 < amplitude < 1.1 * high + 0.02


def test_frequencies_and_channel_gains_are_those_of_the_subject(recordings):
    motor = [region_data(raw, "Motor") for raw in recordings]
    peaks = [peak_frequency(data, 30, 50) for data in motor]
    assert_allclose(peaks[::2], peaks[1::2], atol=1 / 40)
    assert len(set(peaks[::2])) == 4
    gains = np.array([[line_amplitude(x, 30, 50) for x in data] for data in motor])
    assert_allclose(gains[::2], gains[1::2], atol=0.02)
    assert np.ptp(gains[::2] / gains[::2].mean(axis=1, keepdims=True)) > 0.05


def test_noise_is_white_and_adds_up_over_levels(recordings):
    levels = []
    for raw in recordings:
        frequencies, power = welch(raw.get_data() / 50e-6, SFREQ, nperseg=1000)
        density = power[:, frequencies > 200]
        assert_allclose(density[:, :150].mean(), density[:, 150:].mean(), rtol=0.03)
        levels.append(np.sqrt(density.mean(axis=1) * SFREQ / 2))
    levels = np.array(levels)
    assert levels.min() > 0.3 + 0.05 + 0.03 - 0.01
    assert levels.max() < 0.4 + 0.15 + 0.1 + 0.01
    between_sessions = levels[::2] - levels[1::2]
    shared = between_sessions.mean(axis=1, keepdims=True)
    assert_allclose(between_sessions - shared, 0, atol=0.015)
    assert np.abs(shared).max() > 0.03


def test_channels_are_independent(recordings):
    correlations = np.array([np.corrcoef(raw.get_data()) for raw in recordings])
    region = np.repeat(np.arange(5), 4)
    across = region[:, None] != region
    assert np.abs(correlations[:, across]).max() < 0.1
    # lines of one frequency and random phases: independent over recordings
    within = ~across & ~np.eye(20, dtype=bool)
    assert abs(correlations[:, within].mean()) < 0.1


def test_bursts_are_hann_windows_that_occur_with_their_probability():
    rng = np.random.default_rng(0)
    envelope, phase = _oscillation(BETA, (50, 20_300), SFREQ, rng)
    assert envelope.shape == phase.shape == (50, 20_300)
    windows = envelope[:, :20_000].reshape(-1, 500)
    occurs = windows.any(axis=1)
    assert_allclose(windows, 1.2 * occurs[:, None] * hann(500, sym=False))
    assert abs(occurs.mean() - 0.4) < 0.04

    phases = phase[:, :20_000].reshape(-1, 500)
    frequencies = np.diff(phases, axis=1) * SFREQ / (2 * np.pi)
    assert_allclose(frequencies, frequencies[:, :1] * np.ones(499))
    assert abs(frequencies[:, 0].mean() - 20) < 0.05
    assert abs(frequencies[:, 0].std() - 0.5) < 0.03
    assert abs(np.exp(1j * phases[:, 0]).mean()) < 0.06


def test_variance_of_rhythms():
    rhythms = [BETA, Rhythm(150.0, 0.3)]
    for nesting in (0.0, 1.0):
        rng, nested_rng = np.random.default_rng(0), np.random.default_rng(1)
        signal = simulate_rhythms(
            rhythms, (200, 20_000), SFREQ, nesting, rng, nested_rng
        )
        assert_allclose(signal.var(), rhythms_variance(rhythms, nesting), rtol=0.03)


def test_the_seed_decides_everything(recordings):
    again = simulate_recordings(n_subjects=4, n_sessions=2, duration=40.0)
    assert same_data(recordings, again)
    other = simulate_recordings(1, 1, 2.0, random_state=1)
    fresh = [simulate_recordings(1, 1, 2.0, random_state=None) for _ in range(2)]
    assert not same_data(simulate_recordings(1, 1, 2.0), other)
    assert not same_data(*fresh)


@pytest.mark.parametrize(
    ("options", "sample", "deviation"),
    [
        (
            {},
            [31.477516, 31.954006, 34.757679, -32.304053, 35.439963],
            [34.829146, 31.963146, 34.118126, 38.906633, 42.03362],
        ),
        (
            {"coupling": 0.5, "aperiodic": 1.0, "random_polarity": True},
            [82.603239, 5.332532, 34.189289, 8.257747, 19.050796],
            [80.099248, 72.667129, 78.063932, 78.638872, 73.073139],
        ),
        (
            {"phase_amplitude_coupling": 1.0, "random_state": 3},
            [2.064011, 19.278305, 9.746166, 8.088627, 83.401638],
            [28.761595, 30.279957, 26.351464, 30.304771, 50.409988],
        ),
    ],
)
def test_stored_values(options, sample, deviation):
    """Of version 0.1, in microvolts: published numbers are of such signals."""
    raw = simulate_recordings(2, 1, 4.0, sfreq=400.0, n_channels=1, **options)[1]
    data = 1e6 * raw.get_data()
    assert raw.ch_names == ["GPi1", "STN1", "VO1", "Motor1", "VIM1"]
    assert_allclose(data[:, 777], sample, rtol=1e-6)
    assert_allclose(data.std(axis=1), deviation, rtol=1e-6)


def test_subjects_and_sessions_do_not_depend_on_how_many_there_are():
    many = simulate_recordings(3, 3, 2.0, wrong_labels=0.3, missing_regions=0.3)
    few = simulate_recordings(2, 1, 2.0, wrong_labels=0.3, missing_regions=0.3)
    assert same_data(few, [many[0], many[3]])
    assert get_regions(few[1]) == get_regions(many[3])
    assert all(not np.allclose(*(r.get_data()[:4] for r in p)) for p in pairwise(many))


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    simulate_recordings(1, 1, 2.0, coupling=0.5, aperiodic=1.0, wrong_labels=0.5)
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_partial_windows_and_other_rates():
    (raw,) = simulate_recordings(1, 1, 3.3, sfreq=512.0)
    assert raw.n_times == round(3.3 * 512)
    assert raw.info["sfreq"] == 512.0
    assert np.isfinite(raw.get_data()).all()


def test_wrong_labels():
    plain = simulate_recordings(3, 2, 2.0)
    wrong = simulate_recordings(3, 2, 2.0, wrong_labels=0.25)
    assert same_data(plain, wrong)
    labels = [get_regions(raw) for raw in wrong]
    for regions in labels:
        assert sum(region != name[:-1] for name, region in regions.items()) == 5
        assert set(regions.values()) <= set(REGIONS)
    assert labels[::2] == labels[1::2]
    assert labels[0] != labels[2]
    (every,) = simulate_recordings(1, 1, 2.0, wrong_labels=1.0)
    assert all(region != name[:-1] for name, region in get_regions(every).items())


def test_missing_regions():
    plain = simulate_recordings(4, 2, 2.0)
    missing = simulate_recordings(4, 2, 2.0, missing_regions=0.4)
    present = [set(get_regions(raw).values()) for raw in missing]
    assert all(len(regions) == 3 for regions in present)
    assert present[::2] == present[1::2]
    assert len({frozenset(regions) for regions in present}) > 1
    for raw, complete in zip(missing, plain, strict=True):
        assert_array_equal(raw.get_data(), complete.get_data(picks=raw.ch_names))
    n_present = [
        len(set(get_regions(raw).values()))
        for raw in simulate_recordings(40, 1, 1.0, n_channels=1, missing_regions=0.5)
    ]
    assert set(n_present) == {2, 3}


def test_missing_regions_are_not_wrong_labels():
    for raw in simulate_recordings(5, 1, 1.0, missing_regions=0.6, wrong_labels=0.5):
        assert set(get_regions(raw).values()) <= {name[:-1] for name in raw.ch_names}


def get_positions(raw):
    """Reported positions, metres, shape (n_channels, 3)."""
    return np.array(list(raw.get_montage().get_positions()["ch_pos"].values()))


def test_localization_error():
    options = {"missing_regions": 0.2, "wrong_labels": 0.2}
    plain = simulate_recordings(2, 2, 1.0, **options)
    wrong = simulate_recordings(
        2, 2, 1.0, localization_error=(0.25, 20.0), random_polarity=True, **options
    )
    shifts = np.array(
        [get_positions(b) - get_positions(a) for a, b in zip(plain, wrong, strict=True)]
    )
    distances = np.linalg.norm(shifts, axis=-1)
    moved = distances > 0
    assert_allclose(distances[moved], 0.02, rtol=1e-5)
    assert_array_equal(moved.sum(axis=1), 4)
    assert_array_equal(shifts[::2], shifts[1::2])
    assert not np.allclose(*shifts[::2])
    for raw, other in zip(plain, wrong, strict=True):
        assert_array_equal(np.abs(raw.get_data()), np.abs(other.get_data()))
        assert get_regions(raw) == get_regions(other)


def test_localization_errors_have_any_direction():
    plain, wrong = (
        get_positions(simulate_recordings(1, 1, 1.0, n_channels=200, **options)[0])
        for options in ({}, {"localization_error": (1.0, 5.0)})
    )
    directions = (wrong - plain) / 0.005
    assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-5)
    assert_allclose(directions.mean(axis=0), 0, atol=0.06)
    assert_allclose(np.cov(directions.T), np.eye(3) / 3, atol=0.04)


def test_random_polarity():
    plain = simulate_recordings(3, 2, 1.0, coupling=0.5)
    turned = simulate_recordings(3, 2, 1.0, coupling=0.5, random_polarity=True)
    signs = np.array(
        [
            b.get_data()[:, 0] / a.get_data()[:, 0]
            for a, b in zip(plain, turned, strict=True)
        ]
    )
    assert_array_equal(np.abs(signs), 1)
    for sign, raw, other in zip(signs, plain, turned, strict=True):
        assert_array_equal(sign[:, None] * raw.get_data(), other.get_data())
        assert_array_equal(get_positions(raw), get_positions(other))
    assert_array_equal(signs[::2], signs[1::2])
    assert len(np.unique(signs, axis=0)) == 3
    assert 15 < (signs[::2] > 0).sum() < 45

    missing = simulate_recordings(
        3, 2, 1.0, coupling=0.5, random_polarity=True, missing_regions=0.4
    )
    for raw, complete in zip(missing, turned, strict=True):
        assert_array_equal(raw.get_data(), complete.get_data(picks=raw.ch_names))


def test_numbers_of_channels():
    (raw,) = simulate_recordings(1, 1, 1.0, n_channels=1)
    assert raw.ch_names == ["GPi1", "STN1", "VO1", "Motor1", "VIM1"]
    recordings = simulate_recordings(6, 2, 1.0, n_channels=(2, 5))
    counts = [
        [list(get_regions(raw).values()).count(region) for region in REGIONS]
        for raw in recordings
    ]
    assert counts[::2] == counts[1::2]
    assert {n for row in counts for n in row} == {2, 3, 4, 5}


def test_aperiodic_background_is_pink():
    (plain,) = simulate_recordings(1, 1, 100.0)
    (raw,) = simulate_recordings(1, 1, 100.0, aperiodic=0.7)
    background = (raw.get_data() - plain.get_data()) / 50e-6
    assert_allclose(background.std(axis=1).mean(), 0.7, rtol=0.03)
    frequencies, power = welch(background, SFREQ, nperseg=4000)
    band = (frequencies >= 1) & (frequencies <= 200)
    slope = np.polyfit(
        np.log(frequencies[band]), np.log(power.mean(axis=0)[band]), deg=1
    )[0]
    assert abs(slope + 1) < 0.05
    assert np.abs(np.corrcoef(background) - np.eye(20)).max() < 0.3


def test_pink_noise_has_no_mean_and_unit_variance():
    noise = pink_noise((400, 5001), SFREQ, np.random.default_rng(0))
    assert_allclose(noise.mean(axis=1), 0, atol=1e-12)
    assert_allclose(noise.var(), 1, rtol=0.03)


def test_gamma_amplitude_follows_the_slow_phase():
    (plain,) = simulate_recordings(1, 1, 20.0)
    (half,) = simulate_recordings(1, 1, 20.0, phase_amplitude_coupling=0.5)
    (full,) = simulate_recordings(1, 1, 20.0, phase_amplitude_coupling=1.0)
    for region in REGIONS:
        x0, x1, x2 = (region_data(raw, region) for raw in (plain, half, full))
        assert_allclose(x2 - x0, 2 * (x1 - x0), atol=1e-12)
        assert np.any(x1 != x0) == (region in ("GPi", "STN", "VIM"))
    for slow, gamma in zip(
        region_data(plain.copy().filter(None, 3, verbose="error"), "VIM"),
        region_data(full, "VIM") - region_data(plain, "VIM"),
        strict=True,
    ):
        inner = slice(2000, -2000)
        amplitude = np.abs(hilbert(gamma))[inner]
        assert np.corrcoef(amplitude, slow[inner])[0, 1] > 0.9
        assert_allclose(amplitude.max(), 0.5 * slow[inner].max(), rtol=0.15)
        assert 75 < peak_frequency(gamma[None], 20, 200) < 85


def test_common_sources_are_delayed_copies_of_unit_variance():
    n_latents = draw_mixing(5, np.random.default_rng(0))[0].shape[1]
    weights = np.zeros((2, n_latents))
    weights[0, 2], weights[1, 2] = 1.0, -1.0
    delays = np.zeros_like(weights)
    delays[1, 2] = 0.015
    first, second = mix_latents(weights, delays, 4001, SFREQ, np.random.default_rng(0))
    assert_allclose(second, -np.roll(first, 15), atol=1e-10)

    mixed = [
        mix_latents(*draw_mixing(5, np.random.default_rng(0)), 5000, SFREQ, rng).var(
            axis=1
        )
        for rng in np.random.default_rng(1).spawn(60)
    ]
    assert_allclose(np.mean(mixed, axis=0), 1, rtol=0.1)


def test_mixing_has_unit_norm_both_signs_and_short_delays():
    weights, delays = draw_mixing(5, np.random.default_rng(0))
    assert weights.shape == delays.shape == (5, 6)
    assert_allclose((weights**2).sum(axis=1), 1)
    assert weights.min() < 0 < weights.max()
    assert np.abs(delays).max() <= 0.02


def test_each_common_source_has_its_own_band():
    frequencies = np.fft.rfftfreq(10_000, 1 / SFREQ)
    power = latent_power(frequencies, 10_000) * np.maximum(frequencies, 0.5)
    peaks = frequencies[power.argmax(axis=1)]
    assert_allclose(peaks, [4, 7, 11, 17, 26, 38], rtol=0.05)


def test_coupling_is_the_documented_mixture():
    strengths = np.array([0.36, 0.5, 0.64, 1.0])
    coupled = [simulate_recordings(1, 1, 5.0, coupling=k)[0] for k in strengths]
    data = np.array([raw.get_data() / 50e-6 for raw in coupled])
    design = np.column_stack([np.sqrt(1 - strengths), np.sqrt(strengths), np.ones(4)])
    parts, residuals, *_ = np.linalg.lstsq(design, data.reshape(4, -1))
    assert_allclose(residuals, 0, atol=1e-20)
    own, common, noise = parts.reshape(3, *data.shape[1:])

    (plain,) = simulate_recordings(1, 1, 5.0)
    rhythm = plain.get_data() / 50e-6 - noise
    scale = (own * rhythm).sum(axis=1) / (rhythm**2).sum(axis=1)
    assert_allclose(own, scale[:, None] * rhythm, atol=1e-9)
    assert_allclose(scale.reshape(5, 4), np.repeat(scale[::4, None], 4, 1), rtol=1e-9)

    for channels in common.reshape(5, 4, -1):
        assert_allclose(np.corrcoef(channels), 1, rtol=1e-9)
    gains = np.sqrt((own**2).mean(axis=1))[12:]  # lines: exact over whole periods
    assert_allclose(gains, 1, atol=0.15)


def test_coupling_correlates_regions_in_the_same_way_in_all_subjects():
    recordings = simulate_recordings(4, 1, 60.0, coupling=0.8)
    correlations = np.array([np.corrcoef(raw.get_data()[::4]) for raw in recordings])
    across = correlations[:, *np.triu_indices(5, k=1)]
    assert (np.abs(across).max(axis=1) > 0.2).all()
    assert np.corrcoef(across).min() > 0.8
    variance = np.mean([raw.get_data().var(axis=1) for raw in recordings]) / 50e-6**2
    assert 1.0 < variance < 1.5  # unit signal and noise of about 0.5 squared


def test_without_coupling_it_is_the_plain_simulation():
    plain = simulate_recordings(1, 2, 2.0)
    options = {
        "coupling": 0.0,
        "aperiodic": 0.0,
        "phase_amplitude_coupling": 0.0,
        "wrong_labels": 0.0,
        "missing_regions": 0.0,
        "localization_error": None,
        "random_polarity": False,
    }
    assert same_data(plain, simulate_recordings(1, 2, 2.0, **options))


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_subjects": 0},
        {"n_sessions": 1.5},
        {"duration": 0.5},
        {"duration": np.inf},
        {"sfreq": 320.0},
        {"sfreq": np.nan},
        {"n_channels": 0},
        {"n_channels": (3, 2)},
        {"n_channels": (0, 2)},
        {"n_channels": (1, 2, 3)},
        {"n_channels": (1.5, 2)},
        {"n_channels": "4"},
        {"coupling": 1.1},
        {"aperiodic": -0.1},
        {"phase_amplitude_coupling": 2.0},
        {"wrong_labels": -0.1},
        {"missing_regions": 0.7},
        {"localization_error": 0.5},
        {"localization_error": (0.5,)},
        {"localization_error": (1.5, 10.0)},
        {"localization_error": (0.5, -1.0)},
        {"localization_error": (0.5, np.inf)},
        {"localization_error": (0.5, "20")},
        {"random_polarity": 2},
        {"random_state": -1},
        {"random_state": "0"},
    ],
)
def test_bad_parameters_are_named(parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        simulate_recordings(**parameters)
