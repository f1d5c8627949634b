"""The optimum is that of the documented formula, and what best predictors reach."""

import mne
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal.windows import hann

import mne_funcmap as mf
from mne_funcmap.regions import get_regions
from mne_funcmap.simulation.cohort import REGIONS, draw_cohort
from mne_funcmap.simulation.optimum import (
    _complete,
    _covary_common,
    _covary_rhythms,
    _make_view,
    simulation_optimum,
)
from mne_funcmap.simulation.rhythms import (
    Rhythm,
    draw_mixing,
    latent_power,
    mix_latents,
    rhythms_variance,
    simulate_rhythms,
    unnest,
)

SFREQ = 400.0
SMALL = {"n_subjects": 1, "n_sessions": 1, "sfreq": SFREQ, "duration": 4.0}
FILTERED = {"h_freq": 45.0, "new_sfreq": 100.0}
BETA = Rhythm(20.3, 1.2, window=0.5, probability=0.4, jitter=0.5, nests_gamma=True)
SLOW = Rhythm(1.2, 0.9, nests_gamma=True)


def compute_r(**parameters):
    return simulation_optimum(**SMALL | FILTERED | parameters)["r"].to_numpy()


def make_view(*, window, l_freq=None, h_freq=None, new_sfreq=None, **simulation):
    return _make_view(_complete(simulation), window, l_freq, h_freq, new_sfreq)


def autocovariance(data, n_lags):
    """Mean over channels and times, shape (n_lags,)."""
    n_times = data.shape[1] - n_lags
    return [
        np.mean(data[:, :n_times] * data[:, lag : lag + n_times])
        for lag in range(n_lags)
    ]


def covary_own(rhythm, lags):
    """Autocovariance of a rhythm at lags in samples, term by term."""
    oscillation = np.cos(2 * np.pi * rhythm.frequency * lags / SFREQ)
    if rhythm.window is None:
        return rhythm.gain**2 / 2 * oscillation
    n_window = int(rhythm.window * SFREQ)
    taper = np.append(hann(n_window, sym=False), np.zeros(lags.max()))
    overlap = [sum(taper[: -lag or None] * taper[lag:]) / n_window for lag in range(20)]
    jitter = np.exp(-((2 * np.pi * rhythm.jitter * lags / SFREQ) ** 2) / 2)
    power = rhythm.gain**2 / 2 * rhythm.probability
    return power * np.array(overlap)[np.abs(lags)] * jitter * oscillation


def covary_all(session, mixing, coupling, n_window):
    """Covariance of the windows of all channels, straight from the documentation."""
    subject, n_times = session.subject, int(SMALL["duration"] * SFREQ)
    frequencies = np.fft.fftfreq(n_times, 1 / SFREQ)
    power = latent_power(np.abs(frequencies), n_times) / n_times
    region = [REGIONS.index(name) for name in subject.true_regions]
    weights, delays = (values[region] for values in mixing)
    lags = np.subtract.outer(np.arange(n_window), np.arange(n_window))
    n = len(region)
    covariance = np.zeros((n, n_window, n, n_window))
    for i, j in np.ndindex(n, n):
        for k in range(weights.shape[1]):
            times = np.arange(1 - n_window, n_window) / SFREQ
            times = times - delays[i, k] + delays[j, k]
            waves = np.cos(2 * np.pi * np.outer(times, frequencies)) @ power[k]
            shared = weights[i, k] * weights[j, k] * waves[lags + n_window - 1]
            covariance[i, :, j] += coupling * shared
        if i == j:
            rhythms = subject.rhythms[subject.true_regions[i]]
            own = sum(covary_own(rhythm, lags) for rhythm in rhythms)
            covariance[i, :, i] += (1 - coupling) * own / rhythms_variance(rhythms, 0)
        covariance[i, :, j] *= subject.gains[i] * subject.gains[j]
    for i, noise in enumerate(subject.noises + session.noise):
        covariance[i, :, i] += noise**2 * np.eye(n_window)
    return covariance


@pytest.mark.parametrize("options", [{}, {"wrong_labels": 0.4, "missing_regions": 0.2}])
def test_equals_the_plain_formula(options):
    options = {"n_channels": 2, **options}
    mixing, (session,) = draw_cohort(1, 1, 0, **options)
    covariance = covary_all(session, mixing, 0.7, n_window=20)
    labels = session.subject.labels
    expected = []
    for channel, label in enumerate(labels):
        sources = labels != label
        size = 20 * sources.sum()
        among = covariance[sources][:, :, sources].reshape(size, size)
        cross = covariance[sources][:, :, channel].reshape(size, 20)
        explained = np.trace(cross.T @ np.linalg.solve(among, cross))
        expected.append(explained / np.trace(covariance[channel, :, channel]))
    optimum = simulation_optimum(window=0.05, coupling=0.7, **SMALL, **options)
    assert_allclose(optimum["r"], np.sqrt(expected), rtol=1e-5)


def test_no_coupling_is_unpredictable_and_more_is_better():
    r = np.array([compute_r(coupling=k) for k in (0, 0.1, 0.4, 0.8, 1)])
    assert_array_equal(r[0], 0)
    assert np.diff(r, axis=0).min() > 0.02
    assert r.max() < 1


@pytest.mark.parametrize("filtered", [{}, FILTERED])
def test_strong_coupling_is_well_but_not_perfectly_predictable(filtered):
    optimum = simulation_optimum(coupling=0.8, **SMALL, **filtered)
    assert optimum["r"].between(0.5, 0.9).all()


def test_what_helps_and_what_hurts():
    plain = compute_r(coupling=0.5)
    assert (compute_r(coupling=0.5, window=2.0) > plain).all()
    assert (compute_r(coupling=0.5, window=0.1) < plain).all()
    assert compute_r(coupling=0.5, n_channels=8).mean() > plain.mean()
    assert compute_r(coupling=0.5, n_channels=1).mean() < plain.mean() - 0.02
    assert (compute_r(coupling=0.5, aperiodic=0.5) < plain).all()


def test_where_contacts_sit_and_polarity_do_not_matter():
    options = {"localization_error": (0.5, 20.0), "random_polarity": True}
    assert_array_equal(compute_r(coupling=0.5), compute_r(coupling=0.5, **options))


def test_one_label_leaves_no_sources():
    options = {"n_channels": 1, "missing_regions": 0.6, "wrong_labels": 0.5}
    assert_array_equal(compute_r(coupling=0.8, **options), [0, 0])


def test_layout_is_that_of_the_recordings():
    options = {"n_channels": (1, 2), "wrong_labels": 0.2, "missing_regions": 0.4}
    options = SMALL | options | {"n_subjects": 2, "n_sessions": 2}
    optimum = simulation_optimum(coupling=0.5, window=0.1, **options)
    assert list(optimum) == ["subject", "recording", "ch_name", "region", "r"]
    recordings = mf.simulate_recordings(**options)
    for (_, table), raw in zip(optimum.groupby("recording"), recordings, strict=True):
        assert set(table["subject"]) == {raw.info["subject_info"]["his_id"]}
        regions = dict(zip(table["ch_name"], table["region"], strict=True))
        assert regions == get_regions(raw)


@pytest.mark.parametrize(
    "filtered", [{}, {"l_freq": 1.0, "h_freq": 90.0, "new_sfreq": 250.0}]
)
@pytest.mark.parametrize("rhythm", [BETA, SLOW])
def test_rhythms_have_the_covariance_they_should(rhythm, filtered):
    view = make_view(window=1.2, sfreq=SFREQ, duration=20.0, **filtered)
    plain, nested = (
        simulate_rhythms([rhythm], (200, 8000), SFREQ, nesting, *generators)
        for nesting in (0.0, 1.0)
        for generators in [np.random.default_rng(0).spawn(2)]
    )
    first, *others = unnest([rhythm], 1.0)
    for data, rhythms in [(plain, [first]), (nested - plain, others)]:
        if filtered:
            data = mne.filter.filter_data(data, SFREQ, 1.0, 90.0, verbose="error")
            data = mne.filter.resample(data, 250.0, SFREQ)[:, 500:-500]
        expected = _covary_rhythms(rhythms, view)
        observed = autocovariance(data, view.n_window)
        assert_allclose(observed, expected, atol=0.03 * expected[0])


def test_common_parts_have_the_covariance_they_should():
    mixing = draw_mixing(5, np.random.default_rng(0))
    view = make_view(window=0.1, sfreq=SFREQ, duration=400.0)
    data = mix_latents(*mixing, 160_000, SFREQ, np.random.default_rng(1))
    observed = [data @ np.roll(data, lag, axis=1).T / 160_000 for lag in range(40)]
    expected = _covary_common(view, *mixing)[:, :, :, 0]
    assert_allclose(np.moveaxis(observed, 0, -1), expected, atol=0.1)


def test_ridge_comes_near_and_does_not_exceed():
    settings = SMALL | {"coupling": 0.8, "duration": 200.0}
    recordings = mf.simulate_recordings(**settings)
    preprocessor = mf.RecordingPreprocessor(h_freq=45.0, sfreq=100.0)
    data = preprocessor.transform(recordings)[0].get_data()
    data /= data.std(axis=1, keepdims=True)
    region = np.repeat(np.arange(5), 4)
    lagged = np.array([np.roll(data, lag, axis=1) for lag in range(-10, 11)])
    train, test = slice(10, 10_000), slice(10_020, -10)
    r = np.empty(20)
    for target in range(5):
        sources = lagged[:, region != target].reshape(-1, data.shape[1])
        X, Y = sources[:, train], data[region == target, train]
        weights = np.linalg.solve(X @ X.T + 30 * np.eye(len(X)), X @ Y.T)
        predicted = weights.T @ sources[:, test]
        truth = data[region == target, test]
        r[region == target] = np.corrcoef(predicted, truth).diagonal(4)
    excess = (r - simulation_optimum(**settings, **FILTERED)["r"]).to_numpy()
    assert excess.max() < 0.02
    assert -0.02 < excess.mean() < 0


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"window": 0.0}, "window"),
        ({"window": 3.0}, "duration"),
        ({"duration": 1.5}, "duration"),
        ({"window": 0.001}, "window"),
        ({"l_freq": -1.0}, "l_freq"),
        ({"l_freq": 50.0, "h_freq": 45.0}, "l_freq"),
        ({"new_sfreq": 1000.0}, "new_sfreq"),
        ({"coupling": 2.0}, "coupling"),
        ({"n_channels": 0}, "n_channels"),
        ({"missing_regions": 0.7}, "simulation_optimum"),
    ],
)
def test_bad_parameters_are_named(parameters, match):
    with pytest.raises(ValueError, match=match):
        simulation_optimum(**SMALL | FILTERED | parameters)


def test_unknown_parameters_are_named():
    with pytest.raises(TypeError, match="couplings"):
        simulation_optimum(couplings=0.5)
