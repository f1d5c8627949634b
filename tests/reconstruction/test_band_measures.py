import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import butter, filtfilt, hilbert

from mne_funcmap.baselines import MeanPrediction, RecordingRidge
from mne_funcmap.evaluation.identities import split_begin
from mne_funcmap.reconstruction.band_measures import (
    BANDS,
    check_bands,
    compute_coherence,
    correlate_envelopes,
    measure_bands,
)
from mne_funcmap.recordings.signals import find_stretches

SFREQ = 100.0


def draw(n_seconds, n_signals=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n_signals, round(n_seconds * SFREQ)))


# Coherence


def test_coherence_of_independent_noise_is_zero_on_average():
    found = [compute_coherence([draw(5.0, seed=i)], SFREQ)[1][1:-1] for i in range(300)]
    # few windows: without the correction it would be 0.1
    assert abs(np.mean(found)) < 0.006


@pytest.mark.parametrize("factor", [1.0, -3.0, 1e-6])
def test_coherence_of_a_multiple_is_one(factor):
    signal = draw(10.0, 1)[0]
    frequencies, found = compute_coherence([np.stack([signal, factor * signal])], SFREQ)
    assert_array_equal(frequencies, np.arange(51))
    assert_allclose(found[1:], 1)


@pytest.mark.parametrize("noise", [0.5, 1.0, 2.0])
def test_coherence_of_signal_and_noise_is_the_closed_form(noise):
    signal, other = draw(400.0)
    pair = np.stack([signal, signal + noise * other])
    found = compute_coherence([pair], SFREQ)[1][1:-1]
    assert np.mean(found) == pytest.approx(1 / (1 + noise**2), abs=0.01)


def test_coherence_is_welch():
    from scipy.signal import coherence

    pair = draw(20.0)
    pair[1] += pair[0]
    expected = coherence(
        *pair, SFREQ, window="hann", nperseg=100, noverlap=50, detrend="constant"
    )
    n_windows = 0.947 * 39
    frequencies, found = compute_coherence([pair], SFREQ)
    assert_array_equal(frequencies, expected[0])
    assert_allclose(found * (1 - 1 / n_windows) + 1 / n_windows, expected[1])


def test_a_fixed_delay_leaves_coherence_not_a_changing_one():
    signal = draw(100.0, 1)[0]
    delayed = np.stack([signal[3:], signal[:-3]])
    assert compute_coherence([delayed], SFREQ)[1][1:40].mean() > 0.9
    shifts = [np.roll(signal, 37 * i)[:200] for i in range(50)]
    pairs = [np.stack([signal[i * 200 :][:200], one]) for i, one in enumerate(shifts)]
    assert abs(compute_coherence(pairs, SFREQ)[1][1:40].mean()) < 0.05


def test_coherence_crosses_no_break():
    """Stretches shorter than a window do not count, also if they are many."""
    pair = draw(30.0)
    whole = [pair[:, :1000], pair[:, 1000:2000]]
    short = [pair[:, 2000 + 99 * i :][:, :99] for i in range(10)]
    expected = compute_coherence(whole, SFREQ)[1]
    assert_array_equal(compute_coherence(whole + short, SFREQ)[1], expected)
    assert np.isnan(compute_coherence(short, SFREQ)[1]).all()
    assert np.isnan(compute_coherence([pair[:, :149]], SFREQ)[1]).all()
    joined = compute_coherence([np.concatenate(whole, axis=1)], SFREQ)[1]
    assert (joined != expected).any()


# Envelopes


@pytest.mark.parametrize("factor", [1.0, -2.0])
def test_envelopes_of_a_multiple_are_one(factor):
    signal = draw(20.0, 1)[0]
    for band in BANDS.values():
        pair = np.stack([signal, factor * signal])
        assert correlate_envelopes([pair], SFREQ, band) == pytest.approx(1)


@pytest.mark.parametrize("band", [(8.0, 13.0), (30.0, 45.0)])
def test_envelopes_equal_the_plain_formula(band):
    pair = draw(20.0)
    pair[1] += pair[0]
    b, a = butter(3, np.array(band) / (SFREQ / 2), "bandpass")
    envelopes = [np.abs(hilbert(filtfilt(b, a, signal))) for signal in pair]
    margin = int(np.ceil(3 / band[0] * SFREQ))
    expected = np.corrcoef(envelopes)[0, 1]
    inside = np.corrcoef([envelope[margin:-margin] for envelope in envelopes])[0, 1]
    found = correlate_envelopes([pair], SFREQ, band)
    assert found == pytest.approx(inside, abs=1e-3)
    assert abs(found - expected) > 1e-4  # ends do not count


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e-6, 1e6])
def test_units_and_digits_do_not_matter(scale):
    pair = draw(20.0)
    pair[1] += pair[0]
    stretches = [slice(0, 900), slice(900, 2000)]
    expected = measure_bands(*pair, stretches, SFREQ, BANDS)
    assert np.abs([*expected.values()]).min() > 0
    found = measure_bands(*(scale * pair), stretches, SFREQ, BANDS)
    assert found == pytest.approx(expected, rel=1e-9)
    rounded = (scale * pair).astype(np.float32)
    found = measure_bands(*rounded, stretches, SFREQ, BANDS)
    assert found == pytest.approx(expected, abs=1e-5)


def test_envelope_is_that_of_the_band():
    """A rhythm of another phase, whose amplitude goes along, correlates."""
    times = np.arange(0, 60, 1 / SFREQ)
    slow = 1.5 + np.sin(2 * np.pi * 0.2 * times)
    fast = 1.5 + np.sin(2 * np.pi * 0.31 * times)
    one = slow * np.sin(2 * np.pi * 10 * times) + fast * np.sin(2 * np.pi * 22 * times)
    other = slow * np.cos(2 * np.pi * 10 * times)
    other -= fast[::-1] * np.sin(2 * np.pi * 22 * times)
    pair = np.stack([one, other])
    assert correlate_envelopes([pair], SFREQ, BANDS["alpha"]) > 0.99
    expected = np.corrcoef(fast[500:-500], fast[::-1][500:-500])[0, 1]
    found = correlate_envelopes([pair], SFREQ, BANDS["beta"])
    assert found == pytest.approx(expected, abs=0.05)
    assert abs(np.corrcoef(pair)[0, 1]) < 0.5


def test_envelopes_of_independent_noise_are_not_correlated():
    found = [
        correlate_envelopes([draw(20.0, seed=i)], SFREQ, BANDS["beta"])
        for i in range(40)
    ]
    assert abs(np.mean(found)) < 0.02


def test_envelopes_cross_no_break():
    """A jump between stretches, which rings in a filter, is not seen."""
    pair = draw(40.0)
    halves = [pair[:, :2000], pair[:, 2000:]]
    expected = correlate_envelopes(halves, SFREQ, BANDS["alpha"])
    jump = [halves[0], halves[1] + 1e3]
    found = correlate_envelopes(jump, SFREQ, BANDS["alpha"])
    assert found == pytest.approx(expected, abs=1e-6)
    joined = np.concatenate(jump, axis=1)
    assert correlate_envelopes([joined], SFREQ, BANDS["alpha"]) > 0.9
    usable = np.ones(4000, dtype=bool)
    stretches = find_stretches(usable, np.array([2000]))
    measures = measure_bands(*pair, stretches, SFREQ, BANDS)
    assert measures["r_envelope_alpha"] == expected


@pytest.mark.parametrize("band", [(1, 4), (8, 13), (49.0, 49.9)])
def test_stretches_of_any_length(band):
    """Too short is nan, for filters of any length; never an error."""
    pair = draw(10.0)
    found = [
        correlate_envelopes([pair[:, :n]], SFREQ, band) for n in (0, 5, *range(15, 30))
    ]
    n_least = 3 * np.ceil(3 / band[0] * SFREQ)
    lengths = np.array([0, 5, *range(15, 30)])
    assert_array_equal(np.isnan(found), lengths <= n_least)


# Both


@pytest.mark.parametrize("value", [0.0, 1e-9, 0.3, -7.0, 1e6])
def test_a_prediction_that_does_not_change_has_nothing_in_common(value):
    truth = draw(20.0, 1)[0]
    predicted = np.full(len(truth), value)
    found = measure_bands(predicted, truth, [slice(0, len(truth))], SFREQ, BANDS)
    assert len(found) == 2 * len(BANDS)
    assert set(found.values()) == {0.0}


def test_coherence_is_the_mean_over_the_band():
    pair = draw(20.0)
    found = measure_bands(*pair, [slice(0, 2000)], SFREQ, {"alpha": (8, 13)})
    coherence = compute_coherence([pair], SFREQ)[1]
    assert found["coherence_alpha"] == pytest.approx(coherence[8:14].mean())


@pytest.mark.parametrize(
    ("band", "message"),
    [
        ((0.5, 4), "from 0.5 to 4 Hz: expected ascending .* between 1 Hz and .* 50 Hz"),
        ((8, 8), "expected ascending"),
        ((30, 50), "half of the sampling rate"),
        ((8.2, 8.8), "'odd' from 8.2 to 8.8 Hz is too narrow"),
    ],
)
def test_bands_that_cannot_be(band, message):
    with pytest.raises(ValueError, match=message):
        check_bands({"odd": band}, SFREQ)


@pytest.mark.parametrize("bands", [["alpha"], {"alpha": 8}, "alpha"])
def test_bands_are_a_dict_of_pairs(bands):
    with pytest.raises(TypeError, match=r"such as {'alpha': \(8, 13\)}, got"):
        check_bands(bands, SFREQ)


# Evaluation


@pytest.fixture(scope="module")
def recordings(make_coupled):
    X = [make_coupled(f"sub-{i}", "ABC", n_channels=1, duration=40.0) for i in range(2)]
    X[1].annotations.append(25.0, 1.0, "BAD_twitch")
    return X


def test_evaluate_in_bands(recordings):
    model = RecordingRidge().fit(recordings)
    begins, rests = zip(*(split_begin(raw, 10.0) for raw in recordings), strict=True)
    plain = model.evaluate(list(rests), reference=list(begins))
    frame = model.evaluate(
        list(rests), reference=list(begins), bands={"alpha": (8, 13), "low": (2, 5)}
    )
    columns = ["r_envelope_alpha", "coherence_alpha", "r_envelope_low", "coherence_low"]
    assert_array_equal(frame.columns.difference(plain.columns), sorted(columns))
    assert (frame[plain.columns] == plain).all(axis=None)
    assert (frame[columns] > 0.1).all(axis=None)
    assert (frame[columns] <= 1).all(axis=None)
    # the prediction itself, once more by hand
    predicted = model.predict(list(rests), "A", reference=list(begins))
    for index, raw in enumerate(rests):
        usable = np.ones(raw.n_times, dtype=bool)
        if index == 1:
            usable[1500:1600] = False
        expected = measure_bands(
            predicted[index].get_data("A1")[0] * 1e5,
            raw.get_data("A1")[0] * 1e5,
            find_stretches(usable, np.array([], dtype=int)),
            SFREQ,
            {"alpha": (8, 13)},
        )
        row = frame[(frame["recording"] == index) & (frame["ch_name"] == "A1")].iloc[0]
        assert row[list(expected)].to_dict() == pytest.approx(expected, abs=1e-6)


def test_evaluate_of_what_does_not_change(recordings):
    frame = MeanPrediction().fit(recordings).evaluate(recordings, bands=BANDS)
    assert (frame[[f"r_envelope_{name}" for name in BANDS]] == 0).all(axis=None)
    assert (frame[[f"coherence_{name}" for name in BANDS]] == 0).all(axis=None)


def test_evaluate_refuses_bands(recordings):
    model = MeanPrediction().fit(recordings)
    with pytest.raises(ValueError, match="Band 'gamma' is from 30 to 60 Hz"):
        model.evaluate(recordings, bands={"gamma": (30, 60)})
    with pytest.raises(TypeError, match="bands must be a dict"):
        model.evaluate(recordings, bands=["gamma"])
