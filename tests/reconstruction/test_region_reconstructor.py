import mne
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_score

from mne_funcmap.reconstruction.predictions import NOT_PREDICTED, blend_windows, measure
from mne_funcmap.reconstruction.region_reconstructor import RegionReconstructor
from mne_funcmap.reconstruction.studies import append_studies
from mne_funcmap.regions import get_regions, set_regions
from mne_funcmap.subjects import get_subjects

SEEN = 500  # samples of the first five seconds


class MeanOfSources(RegionReconstructor):
    """Every withheld channel is the mean of the others, z-scored."""

    _parameter_constraints = {}

    def __init__(self, window=1.0, *, identity_duration=5.0, picks=None):
        self.window = window
        self.identity_duration = identity_duration
        self.picks = picks

    def _learn(self, recordings, channels):
        """There is nothing to learn."""

    def _make_predictor(self, study, is_target):
        n_targets = int(is_target.sum())

        def predict(windows):
            assert (windows[:, is_target] == 0).all()
            mean = windows[:, ~is_target].mean(dim=1, keepdim=True)
            return mean.expand(-1, n_targets, -1)

        return predict


class AskedByRegion(MeanOfSources):
    """The same, and nothing of withheld channels is looked at."""

    query = "region"

    def _ask(self, study, ch_names, region):
        new = [name for name in ch_names if name not in study.ch_names]
        asked = study.take(study.ch_names[:1])
        for name in new:
            known = {"ch_names": np.array([name]), "region": np.array([region])}
            known |= {"mean": np.zeros(1), "scale": np.full(1, 1e-4)}
            study = append_studies([study, asked.__class__(**vars(asked) | known)])
        return study.take(ch_names)


@pytest.fixture
def raw(make_coupled):
    raw = make_coupled("sub-1", "ABC")
    raw.set_meas_date(946684800)
    points = np.random.default_rng(0).uniform(-0.05, 0.05, (6, 3))
    ch_pos = dict(zip(raw.ch_names, points, strict=True))
    montage = mne.channels.make_dig_montage(ch_pos, coord_frame="mni_tal")
    return raw.set_montage(montage, verbose="error")


@pytest.fixture
def fitted(raw):
    return MeanOfSources().fit([raw])


def make_epochs(raw, duration=1.0, **kwargs):
    events = mne.make_fixed_length_events(raw, duration=duration)
    kwargs = {"tmax": duration - 1 / raw.info["sfreq"], "preload": True} | kwargs
    return mne.Epochs(raw, events, tmin=0, baseline=None, verbose="error", **kwargs)


def annotate(raw, onset, duration, description="BAD_x", ch_names=None):
    """Annotate, in seconds from the first sample."""
    raw.annotations.append(raw.first_time + onset, duration, description, ch_names)
    return raw


def predict_by_hand(data, rows, known=None):
    """Means of the others, z-scored, in volts by scales of the first seconds."""
    known = data[:, :SEEN] if known is None else known
    mean, scale = known.mean(axis=1), known.std(axis=1)
    normal = (data - mean[:, None]) / scale[:, None]
    others = np.delete(normal, rows, axis=0).mean(axis=0)
    return mean[rows, None] + scale[rows, None] * others


def predict_all_by_hand(data, **kwargs):
    """The same for three regions of two channels."""
    rows = [[0, 1], [2, 3], [4, 5]]
    return np.concatenate([predict_by_hand(data, of, **kwargs) for of in rows])


def find_missing(raw):
    """Begins and ends of what was not predicted, in samples, and of which channels."""
    found = [
        (row["onset"] - raw.first_time, row["duration"], row["ch_names"])
        for row in raw.annotations
        if row["description"] == NOT_PREDICTED
    ]
    sfreq = raw.info["sfreq"]
    return sorted(
        (round(onset * sfreq), round((onset + duration) * sfreq), names)
        for onset, duration, names in found
    )


# Measures


def test_measure():
    rng = np.random.default_rng(0)
    truth, noise = rng.standard_normal((2, 1000))
    predicted = 0.5 * truth + 0.2 * noise + 0.3
    found = measure(predicted, truth)
    assert found["r"] == pytest.approx(np.corrcoef(predicted, truth)[0, 1])
    expected = np.mean((predicted - truth) ** 2) / truth.var()
    assert found["nmse"] == pytest.approx(expected)
    assert found["nrmse"] == pytest.approx(np.sqrt(expected))
    assert found["amplitude_ratio"] == pytest.approx(predicted.std() / truth.std())


def test_measure_in_float32():
    rng = np.random.default_rng(0)
    truth, noise = rng.standard_normal((2, 5000))
    predicted = 0.5 * truth + 0.2 * noise + 0.3
    found = measure(predicted.astype(np.float32), truth.astype(np.float32))
    assert found == pytest.approx(measure(predicted, truth), rel=1e-5)


def test_measure_extremes():
    truth = np.sin(np.arange(1000))
    truth -= truth.mean()
    perfect = {"r": 1, "nmse": 0, "nrmse": 0, "amplitude_ratio": 1}
    assert measure(truth, truth) == pytest.approx(perfect)
    opposite = {"r": -1, "nmse": 9, "nrmse": 3, "amplitude_ratio": 2}
    assert measure(-2 * truth, truth) == pytest.approx(opposite)
    silent = {"r": 0, "nmse": 1, "nrmse": 1, "amplitude_ratio": 0}
    assert measure(np.zeros(1000), truth) == pytest.approx(silent)
    constant = measure(np.full(1000, 0.3), truth)
    assert constant["r"] == 0
    assert constant["nmse"] == pytest.approx(1 + 0.09 / truth.var())


def test_measure_does_not_depend_on_the_scale_of_both():
    truth, predicted = np.random.default_rng(0).standard_normal((2, 100))
    assert measure(7 * predicted, 7 * truth) == pytest.approx(measure(predicted, truth))


# Blending


def test_blended_constant_stays_constant():
    starts = np.array([3, 8, 13, 20, 22])
    signals, covered = blend_windows(torch.full((5, 2, 10), 0.7), starts, 40)
    assert covered.tolist() == [False] * 3 + [True] * 29 + [False] * 8
    assert_allclose(signals[:, covered], 0.7, rtol=1e-6)
    assert (signals[:, ~covered] == 0).all()


def test_blended_pieces_of_a_signal_are_the_signal():
    signal = torch.randn(2, 40, generator=torch.Generator().manual_seed(0))
    starts = np.array([0, 5, 10, 15, 17, 30])
    windows = torch.stack([signal[:, start : start + 10] for start in starts])
    blended, covered = blend_windows(windows, starts, 40)
    expected = signal.clone()
    expected[:, 27:30] = 0
    assert_allclose(blended, expected, atol=1e-6)
    assert_array_equal(np.flatnonzero(~covered), [27, 28, 29])


def test_blend_weighs_by_a_hann_taper():
    windows = torch.stack([torch.zeros(1, 100), torch.ones(1, 100)])
    (signal,), _ = blend_windows(windows, np.array([0, 50]), 150)
    assert (signal[:50] == 0).all()
    assert_allclose(signal[100:], 1)
    taper = np.hanning(102)[1:-1]
    assert_allclose(signal[50:100], taper[:50] / (taper[:50] + taper[50:]))
    # from one window to the next without a seam
    assert np.abs(np.diff(signal)).max() < 2 * np.pi / 100 / 2
    assert (np.diff(signal) >= -1e-12).all()


@pytest.mark.parametrize("n_times", [1, 2, 3])
def test_blend_short_windows(n_times):
    signals, covered = blend_windows(
        torch.ones(3, 1, n_times), np.arange(3), n_times + 2
    )
    assert covered.all()
    assert_allclose(signals, 1)


def test_blend_of_nothing():
    signals, covered = blend_windows(torch.zeros(0, 2, 10), np.zeros(0, int), 30)
    assert signals.shape == (2, 30)
    assert not covered.any()


# Predictions of Raw


@pytest.mark.parametrize("window", [1.0, 0.33, 0.02, 20.0])
def test_prediction(raw, window):
    rec = MeanOfSources(window).fit([raw])
    (found,) = rec.predict([raw])
    assert_allclose(found.get_data(), predict_all_by_hand(raw.get_data()), atol=1e-10)


def test_predictions_are_copies(fitted, raw):
    annotate(raw, 3.0, 0.2, "stimulus")
    before = raw.copy()
    (found,) = fitted.predict([raw])
    assert type(found) is type(raw)
    assert_array_equal(raw.get_data(), before.get_data())
    assert raw.annotations == before.annotations
    assert mne.utils.object_diff(raw.info, before.info) == ""
    assert mne.utils.object_diff(found.info, before.info) == ""
    assert found.annotations == before.annotations
    assert not np.shares_memory(found._data, raw._data)
    assert get_regions(found) == get_regions(raw)


def test_only_withheld_channels_change(fitted, raw):
    (found,) = fitted.predict([raw], regions="B")
    data, new = raw.get_data(), found.get_data()
    assert_array_equal(new[[0, 1, 4, 5]], data[[0, 1, 4, 5]])
    assert_allclose(new[[2, 3]], predict_by_hand(data, [2, 3]), atol=1e-10)


def test_channels_that_take_no_part_stay(fitted, raw):
    raw.set_channel_types({"A2": "misc"}, on_unit_change="ignore")
    raw.info["bads"] = ["B1"]
    raw.annotations.delete(np.flatnonzero(raw.annotations.description == "region/C"))
    set_regions(raw, {"C1": "C"})
    (found,) = fitted.predict([raw])
    data, new = raw.get_data(), found.get_data()
    assert_array_equal(new[[1, 2, 5]], data[[1, 2, 5]])
    part = data[[0, 3, 4]]
    expected = [predict_by_hand(part, [row])[0] for row in range(3)]
    assert_allclose(new[[0, 3, 4]], expected, atol=1e-10)
    assert found.info["bads"] == ["B1"]


def test_regions_to_withhold(fitted, raw):
    together = fitted.predict([raw])[0].get_data()
    some = fitted.predict([raw], regions=["C", "A"])[0].get_data()
    assert_array_equal(some[[0, 1, 4, 5]], together[[0, 1, 4, 5]])
    assert_array_equal(some[[2, 3]], raw.get_data()[[2, 3]])
    with pytest.raises(ValueError, match=r"a channel in \['X'\].* A, B, C\. .*add_reg"):
        fitted.predict([raw], regions=["A", "X"])
    with pytest.raises(ValueError, match="no region"):
        fitted.predict([raw], regions=[])


def test_region_that_only_some_recordings_have(fitted, raw, make_coupled):
    other = make_coupled("sub-2", "AD")
    Y = fitted.predict([raw, other], regions="D")
    assert_array_equal(Y[0].get_data(), raw.get_data())
    assert_array_equal(Y[1].get_data()[:2], other.get_data()[:2])
    assert np.abs(Y[1].get_data()[2:] - other.get_data()[2:]).max() > 1e-5


def test_recordings_do_not_influence_one_another(fitted, raw, make_coupled):
    X = [raw, make_coupled("sub-2", "ADB", n_channels=3), make_coupled("sub-3", "CD")]
    for together, recording in zip(fitted.predict(X), X, strict=True):
        alone = fitted.predict(recording)[0].get_data()
        assert_array_equal(together.get_data(), alone)


def test_prediction_follows_channel_order(fitted, raw):
    expected = fitted.predict([raw])[0].get_data()
    order = [4, 0, 3, 1, 5, 2]
    permuted = raw.copy().reorder_channels([raw.ch_names[i] for i in order])
    assert_allclose(
        fitted.predict([permuted])[0].get_data(), expected[order], atol=1e-10
    )


def test_recording_from_file(fitted, raw, tmp_path):
    raw.save(tmp_path / "a_raw.fif", fmt="double", verbose="error")
    lazy = mne.io.read_raw_fif(tmp_path / "a_raw.fif", verbose="error")
    (found,) = fitted.predict([lazy])
    assert not lazy.preload
    assert_allclose(found.get_data(), fitted.predict([raw])[0].get_data(), atol=1e-12)


def test_withheld_signals_have_no_influence(fitted, raw):
    expected = fitted.predict([raw], regions="B")[0].get_data()
    for value in (0.0, np.nan, 1e3):
        changed = raw.copy()
        changed._data[2:4, SEEN:] = value
        found = fitted.predict([changed], regions="B")[0].get_data()
        assert_array_equal(found, expected)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, "noise"])
def test_nothing_is_looked_at_when_asked_by_region(raw, value):
    rec = AskedByRegion().fit([raw])
    expected = rec.predict([raw], regions="B")[0].get_data()
    if value == "noise":
        value = np.random.default_rng(0).standard_normal((2, raw.n_times))
    raw._data[2:4] = value
    found = rec.predict([raw], regions="B")[0].get_data()
    assert_array_equal(found, expected)
    # what is withheld is not looked at in a reference either
    expected = rec.predict([raw], regions="B", reference=[raw])[0].get_data()
    other = raw.copy()
    other._data[2:4] = 1e-5 * np.random.default_rng(1).standard_normal((2, 2000))
    found = rec.predict([raw], regions="B", reference=[other])[0].get_data()
    assert_array_equal(found, expected)


# What cannot be predicted


@pytest.mark.parametrize("first_samp", [0, 1234])
@pytest.mark.parametrize("meas_date", [None, 946684800])
def test_bad_stretches(make_coupled, first_samp, meas_date):
    raw = make_coupled("sub-1", "ABC", first_samp=first_samp).set_meas_date(meas_date)
    annotate(raw, 10.0, 1.5)
    before = raw.annotations.copy()
    (found,) = MeanOfSources().fit([raw]).predict([raw])
    expected = predict_all_by_hand(raw.get_data())
    expected[:, 1000:1150] = 0
    assert_allclose(found.get_data(), expected, atol=1e-10)
    assert find_missing(found) == [
        (1000, 1150, ("A1", "A2")),
        (1000, 1150, ("B1", "B2")),
        (1000, 1150, ("C1", "C2")),
    ]
    assert raw.annotations == before
    # the annotations lie where they say, also for MNE
    kept = found.get_data(picks="A1", reject_by_annotation="omit", verbose="error")
    assert_allclose(kept[0], np.delete(expected[0], np.r_[1000:1150]), atol=1e-10)


def test_bad_stretch_of_a_source(fitted, raw):
    raw._data[0, 700:900] = np.nan  # of region A
    (found,) = fitted.predict([raw])
    data = found.get_data()
    assert (data[2:, 700:900] == 0).all()
    expected = predict_by_hand(raw.get_data(), [0, 1])
    assert_allclose(data[:2], expected, atol=1e-10)
    assert find_missing(found) == [(700, 900, ("B1", "B2")), (700, 900, ("C1", "C2"))]


def test_begin_and_end_that_cannot_be_predicted(fitted, raw):
    annotate(raw, 0.0, 2.0)
    annotate(raw, 19.5, 0.5)
    (found,) = fitted.predict([raw], regions="A")
    assert find_missing(found) == [(0, 200, ("A1", "A2")), (1950, 2000, ("A1", "A2"))]
    known = raw.get_data()[:, 200:700]
    expected = predict_by_hand(raw.get_data(), [0, 1], known=known)
    assert_allclose(found.get_data()[:2, 200:1950], expected[:, 200:1950], atol=1e-10)


def test_stretch_shorter_than_a_window_is_not_predicted(fitted, raw):
    annotate(raw, 10.0, 0.5)
    annotate(raw, 11.3, 0.5)
    (found,) = fitted.predict([raw], regions="A")
    assert find_missing(found) == [(1000, 1180, ("A1", "A2"))]


def test_no_usable_sources(fitted, raw):
    annotate(raw, 0.0, 20.0, ch_names=[["C2"]])
    expected = r"'sub-1'\) has no 5 s .*6 channels.*info\['bads'\]"
    with pytest.raises(ValueError, match=expected):
        fitted.predict([raw])
    reference = [raw.copy().set_annotations(None)]
    set_regions(reference[0], get_regions(raw))
    with pytest.raises(ValueError, match="no 1 s in which all 4 channels outside of"):
        fitted.predict([raw], regions="A", reference=reference)


# Epochs


def test_prediction_of_epochs(fitted, raw):
    epochs = make_epochs(raw)
    before = epochs.get_data()
    (found,) = fitted.predict([epochs])
    assert isinstance(found, mne.BaseEpochs)
    assert_array_equal(epochs.get_data(), before)
    assert_array_equal(found.events, epochs.events)
    flat = before.swapaxes(0, 1).reshape(6, -1)
    expected = predict_all_by_hand(flat).reshape(6, 20, 100).swapaxes(0, 1)
    assert_allclose(found.get_data(), expected, atol=1e-10)
    assert get_regions(found) == get_regions(raw)


@pytest.mark.parametrize("duration", [1.0, 2.5])
def test_epochs_end_to_end_are_not_crossed(raw, duration):
    epochs = make_epochs(raw, duration)
    rec = MeanOfSources().fit([raw])
    (found,) = rec.predict([epochs], regions="A")
    flat = epochs.get_data().swapaxes(0, 1).reshape(6, -1)
    shape = (2, len(epochs), -1)
    expected = predict_by_hand(flat, [0, 1]).reshape(shape).swapaxes(0, 1)
    assert_allclose(found.get_data()[:, :2], expected, atol=1e-10)
    # an epoch does not depend on the next
    changed = epochs.copy()
    changed._data[-1] *= -3
    (other,) = rec.predict([changed], regions="A")
    assert_array_equal(other.get_data()[:-1, :2], found.get_data()[:-1, :2])


def test_epochs_that_are_not_loaded(fitted, raw):
    annotate(raw, 6.2, 0.1)
    epochs = make_epochs(raw, preload=False)
    (found,) = fitted.predict([epochs])
    assert not epochs.preload
    assert not epochs._bad_dropped
    expected = fitted.predict([make_epochs(raw)])[0]
    assert len(found) == 19
    assert_array_equal(found.get_data(), expected.get_data())
    frame = fitted.evaluate([epochs])
    assert frame.equals(fitted.evaluate([make_epochs(raw)]))


def test_epoch_that_cannot_be_predicted(fitted, raw):
    epochs = make_epochs(raw)
    epochs._data[7, 0] = np.nan
    with pytest.raises(ValueError, match=r"'sub-1'\) has epochs .*'B'.*: 7\. Drop"):
        fitted.predict([epochs])
    assert len(fitted.predict([epochs], regions="A")[0]) == 20


def test_too_few_epochs_to_know_the_channels(fitted, raw):
    epochs = make_epochs(raw)
    with pytest.raises(ValueError, match="has 3 epochs of 1 s: too few for 5 s"):
        fitted.predict([epochs[:3]])
    (found,) = fitted.predict([epochs[:3]], reference=[epochs[5:15]])
    known = epochs.get_data()[5:15].swapaxes(0, 1).reshape(6, -1)
    flat = epochs.get_data()[:3].swapaxes(0, 1).reshape(6, -1)
    expected = predict_all_by_hand(flat, known=known)
    assert_allclose(
        found.get_data().swapaxes(0, 1).reshape(6, -1), expected, atol=1e-10
    )


def test_windows_longer_than_epochs(raw):
    rec = MeanOfSources(window=2.0)
    with pytest.raises(ValueError, match="no 2 s .*shorter windows"):
        rec.fit([raw]).predict([make_epochs(raw)])


# References


def test_reference(fitted, raw, make_coupled):
    other = make_coupled("sub-1", "ABC", seed=7)
    other._data *= 3
    other._data += 1e-5
    other.reorder_channels(other.ch_names[::-1])
    (found,) = fitted.predict([raw], reference=[other])
    known = other.get_data()[::-1]
    expected = predict_all_by_hand(raw.get_data(), known=known)
    assert_allclose(found.get_data(), expected, atol=1e-10)


def test_several_references_of_a_subject(fitted, raw, make_coupled):
    others = [make_coupled("sub-1", "ABC", seed=seed) for seed in (7, 8)]
    others[0]._data *= 3
    stranger = make_coupled("sub-2", "ABC")
    (found,) = fitted.predict([raw], reference=[others[0], stranger, others[1]])
    known = np.concatenate([other.get_data() for other in others], axis=1)
    expected = predict_all_by_hand(raw.get_data(), known=known)
    assert_allclose(found.get_data(), expected, atol=1e-10)


def test_reference_of_a_stranger(fitted, raw, make_coupled):
    with pytest.raises(ValueError, match=r"of the subject of recording 0.*'sub-1'"):
        fitted.predict([raw], reference=[make_coupled("sub-2", "ABC")])


def test_reference_without_some_channels(fitted, raw, make_coupled):
    reference = make_coupled("sub-1", "ABC").drop_channels(["B2"])
    with pytest.raises(ValueError, match=r"lacks channels of recording 0 .*: B2\."):
        fitted.predict([raw], reference=[reference])


def test_reference_without_regions(fitted, raw):
    bare = raw.copy().set_annotations(None)
    expected = (
        r"No good channel of recording 0 \(subject 'sub-1'\) has a region.*set_reg"
    )
    with pytest.raises(ValueError, match=expected):
        fitted.predict([raw], reference=[bare])


def test_reference_with_nothing_but_what_is_withheld(raw):
    rec = AskedByRegion().fit([raw])
    expected = rec.predict([raw], regions="B", reference=[raw])[0].get_data()
    reference = [raw.copy().pick(["B1", "B2"]), raw]
    found = rec.predict([raw], regions="B", reference=reference)[0].get_data()
    assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="No recording of the reference is of"):
        rec.predict([raw], regions="B", reference=reference[:1])


@pytest.mark.filterwarnings("ignore:All labelled channels")
def test_recording_with_one_region_and_a_reference(raw):
    rec = AskedByRegion().fit([raw])
    single = raw.copy().pick(["B1", "B2"])
    frame = rec.evaluate([single, raw], reference=[raw])
    assert frame["recording"].tolist() == [1] * 6


def test_reference_of_another_rate(fitted, raw):
    with pytest.raises(ValueError, match="100 samples at 50 Hz|50 samples at 50 Hz"):
        fitted.predict([raw], reference=[raw.copy().resample(50.0, verbose="error")])


def test_references_in_order_without_subjects(fitted, raw, make_coupled):
    X = [raw, make_coupled("sub-2", "AB")]
    reference = [recording.copy() for recording in X]
    reference[1]._data *= 2
    for recording in (*X, *reference):
        recording.info["subject_info"] = None
    Y = fitted.predict(X, reference=reference)
    known = reference[1].get_data()
    expected = predict_by_hand(X[1].get_data(), [0, 1], known=known)
    assert_allclose(Y[1].get_data()[:2], expected, atol=1e-10)


# Scores


def evaluate_by_hand(data, known=None, scored=slice(SEEN, None)):
    """Measures of six channels, from what is predicted in volts."""
    predicted = predict_all_by_hand(data, known=known)
    known = data[:, :SEEN] if known is None else known
    mean, scale = known.mean(axis=1)[:, None], known.std(axis=1)[:, None]
    pairs = zip((predicted - mean) / scale, (data - mean) / scale, strict=True)
    return [measure(p[scored], t[scored]) for p, t in pairs]


def test_evaluate(fitted, raw):
    frame = fitted.evaluate([raw])
    assert list(frame.columns) == [
        *["subject", "recording", "region", "ch_name"],
        *["r", "nmse", "nrmse", "amplitude_ratio", "n_sources"],
    ]
    assert frame["subject"].tolist() == ["sub-1"] * 6
    assert frame["recording"].tolist() == [0] * 6
    assert frame["region"].tolist() == list("AABBCC")
    assert frame["ch_name"].tolist() == raw.ch_names
    assert frame["n_sources"].tolist() == [4] * 6
    for row, expected in enumerate(evaluate_by_hand(raw.get_data())):
        found = frame.loc[row, list(expected)].to_dict()
        assert found == pytest.approx(expected, rel=1e-4)
    assert fitted.score([raw]) == pytest.approx(frame["r"].mean())


def test_the_first_seconds_are_not_scored(fitted, raw):
    # the order of the samples in the first seconds matters to no scale
    changed = raw.copy()
    changed._data[:, :SEEN] = changed._data[:, SEEN - 1 :: -1]
    changed._data[0, :SEEN] = np.roll(changed._data[0, :SEEN], 77)
    known = raw.get_data()[:, :SEEN]
    assert_allclose(changed.get_data()[:, :SEEN].std(axis=1), known.std(axis=1))
    frames = [fitted.evaluate([recording]) for recording in (raw, changed)]
    assert_allclose(frames[0]["r"], frames[1]["r"], atol=1e-5)
    # with a reference, they are
    frames = [
        fitted.evaluate([recording], reference=[raw]) for recording in (raw, changed)
    ]
    assert np.abs(frames[0]["r"] - frames[1]["r"]).max() > 0.01


def test_evaluate_with_a_reference(fitted, raw, make_coupled):
    reference = make_coupled("sub-1", "ABC", seed=7)
    frame = fitted.evaluate([raw], reference=[reference])
    expected = evaluate_by_hand(raw.get_data(), reference.get_data(), slice(None))
    assert_allclose(frame["r"], [found["r"] for found in expected], atol=1e-5)
    assert_allclose(frame["nmse"], [found["nmse"] for found in expected], rtol=1e-4)
    assert fitted.score([raw], reference=[reference]) == pytest.approx(
        frame["r"].mean()
    )


def test_bad_stretches_are_not_scored(fitted, raw):
    annotate(raw, 10.0, 3.0)
    changed = raw.copy()
    changed._data[:, 1000:1300] *= -100
    frames = [fitted.evaluate([recording]) for recording in (raw, changed)]
    assert frames[0].equals(frames[1])
    # nor what is not usable in the withheld channel alone
    changed._data[0, 1600:1700] = np.nan
    frame = fitted.evaluate([changed], regions="A")
    assert np.isfinite(frame["r"]).all()
    assert frame["r"][1] == pytest.approx(frames[0]["r"][1])
    assert frame["r"][0] != frames[0]["r"][0]


def test_stretches_that_are_not_predicted_are_not_scored(fitted, raw):
    raw._data[0, 700:900] = np.nan  # of region A
    frame = fitted.evaluate([raw], regions="B")
    predicted = predict_by_hand(raw.get_data(), [2, 3])
    scored = np.r_[SEEN:700, 900 : raw.n_times]
    for row, true in enumerate(raw.get_data()[2:4]):
        r = np.corrcoef(predicted[row, scored], true[scored])[0, 1]
        assert frame["r"][row] == pytest.approx(r, rel=1e-4)


def test_evaluate_several_recordings(fitted, raw, make_coupled):
    X = [make_coupled("sub-2", "DB", n_channels=1), raw, make_coupled("sub-1", "AC")]
    frame = fitted.evaluate(X)
    assert frame["recording"].tolist() == [0] * 2 + [1] * 6 + [2] * 4
    assert frame["subject"].tolist() == ["sub-2"] * 2 + ["sub-1"] * 10
    assert frame["n_sources"].tolist() == [1] * 2 + [4] * 6 + [2] * 4
    alone = fitted.evaluate([raw])
    assert_array_equal(frame["r"][2:8], alone["r"])
    some = fitted.evaluate(X, regions=["B"])
    assert_array_equal(some["r"], frame.query("region == 'B'")["r"])


def test_regions_as_y(fitted, raw):
    expected = fitted.evaluate([raw])
    bare = raw.copy().set_annotations(None)
    y = [get_regions(raw)]
    assert fitted.evaluate([bare], y).equals(expected)
    assert fitted.evaluate([bare], [list("AABBCC")]).equals(expected)
    assert fitted.score([bare], y) == fitted.score([raw])
    assert bare.annotations.description.tolist() == []
    assert MeanOfSources().fit([bare], y).regions_.tolist() == ["A", "B", "C"]
    frame = fitted.evaluate([raw], [["x", "x", "x", None, "y", "y"]])
    assert frame["region"].tolist() == list("xxxyy")
    assert frame["n_sources"].tolist() == [2, 2, 2, 3, 3]


def test_nothing_left_to_score(fitted, raw):
    raw.crop(0, 5.0, include_tmax=False)
    assert len(fitted.predict([raw])) == 1
    expected = r"'sub-1'\) has nothing left to score in A1, A2 .*identity_duration"
    with pytest.raises(ValueError, match=expected):
        fitted.evaluate([raw])
    assert len(fitted.evaluate([raw], reference=[raw])) == 6


def test_flat_target_is_not_scored(fitted, raw):
    raw._data[0, SEEN:] = 0.0
    with pytest.raises(ValueError, match="nothing left to score in A1 "):
        fitted.evaluate([raw])


def test_recording_with_one_region(fitted, raw, make_coupled):
    single = make_coupled("sub-2", "B")
    with pytest.warns(RuntimeWarning, match=r"'sub-2'\) are in 'B'.*It is not scored"):
        frame = fitted.evaluate([single, raw])
    assert frame["recording"].tolist() == [1] * 6
    with pytest.raises(ValueError, match=r"recording 1 \(subject 'sub-2'\) are in 'B'"):
        fitted.predict([raw, single])
    assert len(fitted.predict([raw, single], regions=["A", "C"])) == 2
    with (
        pytest.warns(RuntimeWarning, match="It is not scored"),
        pytest.raises(ValueError, match="No recording of X has two regions"),
    ):
        fitted.evaluate([single])


def test_recording_without_regions(fitted, raw, make_coupled):
    bare = make_coupled("sub-2").set_annotations(None)
    expected = r"No good channel of recording 1 \(subject 'sub-2'\) has a region.*set_r"
    for act in (fitted.predict, fitted.evaluate, fitted.score):
        with pytest.raises(ValueError, match=expected):
            act([raw, bare])


def test_recording_shorter_than_what_tells_its_channels(fitted, raw):
    with pytest.raises(
        ValueError, match=r"'sub-1'\) has no 5 s .*reference.*identity_d"
    ):
        fitted.predict([raw.crop(0, 4.0)])


def test_window_longer_than_the_recording(fitted, raw):
    rec = MeanOfSources(window=30.0).fit([raw])
    with pytest.raises(ValueError, match="no 30 s in which all|no 30 s .*windows"):
        rec.predict([raw])


def test_rate_differs_from_training(fitted, raw):
    expected = r"100 samples at 100 Hz, as in training, .*50 samples at 50 Hz"
    with pytest.raises(ValueError, match=expected):
        fitted.predict([raw.copy().resample(50.0, verbose="error")])


# Fitting


def test_fit_needs_two_regions(raw, make_coupled):
    with pytest.raises(ValueError, match="two regions at least, found only 'A'"):
        MeanOfSources().fit([make_coupled("sub-1", "A")])
    with pytest.raises(ValueError, match="two regions at least, found none"):
        MeanOfSources().fit([raw.copy().set_annotations(None)])


def test_fit_needs_two_regions_in_one_recording(make_coupled):
    X = [make_coupled("sub-1", "A"), make_coupled("sub-2", "B")]
    with pytest.raises(ValueError, match="two regions"):
        MeanOfSources().fit(X)


def test_fit_needs_regions_that_fit_the_channels(raw):
    epochs = make_epochs(raw)
    epochs.rename_channels({"A1": "X1"})
    with pytest.raises(ValueError, match="Call set_regions again"):
        MeanOfSources().fit([epochs])


def test_not_fitted(raw):
    for act in ("predict", "evaluate", "score"):
        with pytest.raises(NotFittedError):
            getattr(MeanOfSources(), act)([raw])


@pytest.mark.parametrize("bad", [[np.zeros((2, 100))], "sub-01_raw.fif", []])
def test_no_recordings(fitted, bad):
    with pytest.raises((TypeError, ValueError), match="X"):
        fitted.predict(bad)


def test_cross_validation(raw, make_coupled):
    X = [make_coupled(f"sub-{i}", "ABC", seed=i) for i in range(4)]
    groups = get_subjects(X)
    scores = cross_val_score(MeanOfSources(), X, groups=groups, cv=GroupKFold(2))
    assert scores.shape == (2,)
    assert scores[0] != scores[1]
    rec = clone(MeanOfSources(picks=["A1", "B1"])).fit(X)
    assert len(rec.evaluate(X[:1])) == 2
