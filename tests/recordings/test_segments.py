from datetime import UTC, datetime

import joblib
import mne
import numpy as np
import pytest

from mne_funcmap.recordings.segments import cut_segments
from mne_funcmap.recordings.signals import cut_windows, find_windows, read_signals
from mne_funcmap.regions import set_regions

SFREQ = 200.0
N_CHANNELS = 3
N_TIMES = 200  # of a segment of one second
LATE = 1234  # first sample of a recording that does not begin at zero
MEAS_DATE = datetime(2020, 1, 1, 12, tzinfo=UTC)


def make_raw(n_samples=1050, *, first_samp=0, meas_date=None, data=None, **info):
    if data is None:
        data = 5e-5 * np.random.default_rng(0).standard_normal((N_CHANNELS, n_samples))
    ch_names = [f"LA{i + 1}" for i in range(len(data))]
    raw = mne.io.RawArray(
        data,
        mne.create_info(ch_names, info.get("sfreq", SFREQ), "seeg"),
        first_samp=first_samp,
        verbose="error",
    )
    raw.info["subject_info"] = {"his_id": "sub-01"}
    return raw.set_meas_date(meas_date)


def make_epochs(raw, duration=1.0, **kwargs):
    events = mne.make_fixed_length_events(raw, duration=duration)
    kwargs = {"tmin": 0, "tmax": duration - 1 / raw.info["sfreq"]} | kwargs
    kwargs = {"baseline": None, "preload": True, "verbose": "error"} | kwargs
    return mne.Epochs(raw, events, **kwargs)


def annotate(raw, onset, duration, description="BAD_x", ch_names=None):
    """Annotate, in seconds from the first sample."""
    raw.annotations.append(raw.first_time + onset, duration, description, ch_names)
    return raw


def starts_of(segments, channel=0, sfreq=SFREQ):
    """First samples of the segments of a channel."""
    onset = segments.onset[segments.channel == channel]
    return np.round(onset * sfreq).astype(int).tolist()


def cut_by_hand(signal, starts, n_times=N_TIMES):
    cut = np.array([signal[start : start + n_times] for start in starts])
    return cut - cut.mean(axis=1, keepdims=True)


@pytest.fixture(params=[(0, None), (LATE, None), (0, MEAS_DATE), (LATE, MEAS_DATE)])
def raw(request):
    first_samp, meas_date = request.param
    return make_raw(first_samp=first_samp, meas_date=meas_date)


def test_equal_to_loop(raw):
    data = raw.get_data()
    segments = cut_segments([raw, raw], duration=1.0)
    starts = [0, 200, 400, 600, 800, 850]
    expected = np.concatenate([cut_by_hand(signal, starts) for signal in data] * 2)
    np.testing.assert_allclose(segments.data, expected, rtol=1e-5, atol=1e-12)
    assert segments.data.dtype == np.float32
    np.testing.assert_array_equal(segments.channel, np.repeat(np.arange(6), 6))
    np.testing.assert_allclose(segments.onset, np.tile(starts, 6) / SFREQ)
    assert segments.sfreq == SFREQ
    np.testing.assert_array_equal(segments.channels.recording, [0, 0, 0, 1, 1, 1])


def test_default_durations():
    raw = make_raw(4000)
    assert cut_segments([raw]).data.shape == (N_CHANNELS * 2, 2000)
    assert cut_segments([make_epochs(raw)]).data.shape == (N_CHANNELS * 20, N_TIMES)


@pytest.mark.parametrize(
    "description", ["BAD_gap", "bad", "Bad EDGE", "BAD_ACQ_SKIP", "BAD boundary"]
)
def test_bad_stretches(raw, description):
    annotate(raw, 1.1, 0.9, description)
    annotate(raw, 2.0, 0.1, "spindle")
    annotate(raw, 3.5, 0.1, "region/bad", ch_names=[["LA1"]])
    # before 220: one and the aligned one; after 400: three and the aligned one
    starts = [0, 20, 400, 600, 800, 850]
    assert starts_of(cut_segments([raw], duration=1.0)) == starts


def test_bad_stretch_of_a_channel(raw):
    annotate(raw, 1.1, 0.9, ch_names=[["LA2", "LA3"]])
    segments = cut_segments([raw], duration=1.0)
    assert starts_of(segments, 0) == [0, 200, 400, 600, 800, 850]
    for channel in (1, 2):
        assert starts_of(segments, channel) == [0, 20, 400, 600, 800, 850]


def test_bad_stretch_beyond_the_data(raw):
    annotate(raw, 4.25, 100.0)
    raw.crop(1.0, 5.0)
    assert starts_of(cut_segments([raw], duration=1.0)) == [0, 200, 400, 450]


def test_crop_moves_bad_stretches(raw):
    annotate(raw, 2.1, 0.9)
    raw.crop(1.0)
    assert starts_of(cut_segments([raw], duration=1.0)) == [0, 20, 400, 600, 650]


def test_concatenated_recordings_are_not_crossed(raw):
    both = mne.concatenate_raws([raw.copy(), make_raw(450)], verbose="error")
    starts = [0, 200, 400, 600, 800, 850, 1050, 1250, 1300]
    assert starts_of(cut_segments([both], duration=1.0)) == starts
    both.crop(1.0)
    starts = [0, 200, 400, 600, 650, 850, 1050, 1100]
    assert starts_of(cut_segments([both], duration=1.0)) == starts
    # of the two marks that MNE sets there, either is enough
    for kept in ("BAD boundary", "EDGE boundary"):
        marks = both.annotations.description
        one = both.copy()
        one.annotations.delete(np.flatnonzero(marks != kept))
        assert len(one.annotations) == 1
        assert starts_of(cut_segments([one], duration=1.0)) == starts


@pytest.mark.parametrize("preload", [False, True])
def test_epochs_are_not_crossed(raw, preload):
    epochs = make_epochs(raw, duration=1.5, preload=preload)
    n_before = len(epochs.drop_log), epochs._bad_dropped
    segments = cut_segments([epochs], duration=1.0)
    assert (len(epochs.drop_log), epochs._bad_dropped) == n_before
    begins = raw.first_samp + np.array([0, 300, 600])
    starts = np.stack([begins, begins + 100], axis=1).ravel()
    assert starts_of(segments) == starts.tolist()
    expected = cut_by_hand(raw.get_data()[0], starts - raw.first_samp)
    np.testing.assert_allclose(
        segments.data[segments.channel == 0], expected, rtol=1e-5, atol=1e-12
    )


def test_dropped_epochs_leave_their_place(raw):
    epochs = make_epochs(raw).drop([1], verbose="error")
    onset = cut_segments([epochs]).onset[:4]
    np.testing.assert_allclose(onset, raw.first_time + np.array([0, 2, 3, 4]))


def test_lazy_epochs_stay_as_they_are(raw):
    annotate(raw, 1.1, 0.2)
    epochs = make_epochs(raw, preload=False)
    events = epochs.events.copy()
    onset = cut_segments([epochs]).onset[:4]
    np.testing.assert_allclose(onset, raw.first_time + np.array([0, 2, 3, 4]))
    np.testing.assert_array_equal(epochs.events, events)
    assert not epochs.preload


@pytest.mark.parametrize(
    "slow_down",
    [
        lambda epochs: epochs.decimate(2, verbose="error"),
        lambda epochs: epochs.resample(100, verbose="error"),
        lambda epochs: epochs.copy().crop(0.5, None).resample(50, verbose="error"),
    ],
)
def test_epochs_onsets_in_seconds(raw, slow_down):
    epochs = slow_down(make_epochs(raw, tmin=-0.1, tmax=0.8))
    segments = cut_segments([epochs])
    zeros = raw.first_time + np.arange(1, 5)
    np.testing.assert_allclose(segments.onset[:4], zeros + epochs.times[0])
    assert segments.data.shape[1] == len(epochs.times)


def test_bad_stretches_in_kept_epochs(raw):
    annotate(raw, 1.1, 0.2)
    annotate(raw, 3.9, 0.2, ch_names=[["LA2"]])
    epochs = make_epochs(raw, reject_by_annotation=False)
    segments = cut_segments([epochs])
    seconds = segments.onset - raw.first_time
    np.testing.assert_allclose(seconds[segments.channel == 0], [0, 2, 3, 4])
    np.testing.assert_allclose(seconds[segments.channel == 1], [0, 2])


def test_bads_do_not_take_part():
    raw = make_raw()
    raw.info["bads"] = ["LA2"]
    segments = cut_segments([raw], duration=1.0)
    np.testing.assert_array_equal(segments.channels.ch_name, ["LA1", "LA3"])
    with_bad = cut_segments([raw], duration=1.0, picks=["LA2"])
    np.testing.assert_array_equal(with_bad.channels.ch_name, ["LA2"])


def find_flat_by_hand(signal, n_flat):
    """Samples in runs of at least n_flat + 1 equal ones."""
    flat = np.zeros(len(signal), dtype=bool)
    for start in range(len(signal) - n_flat):
        if np.ptp(signal[start : start + n_flat + 1]) == 0:
            flat[start : start + n_flat + 1] = True
    return flat


@pytest.mark.parametrize("sfreq", [8.0, 10.0, 12.0, 14.0])
def test_flat_stretches_by_hand(sfreq):
    n_flat = round(sfreq / 2) - 1
    rng = np.random.default_rng(0)
    signal = np.repeat(rng.standard_normal(300), rng.integers(1, n_flat + 3, 300))
    usable = ~find_flat_by_hand(signal, n_flat)
    assert 0.2 < usable.mean() < 0.8
    n_times = round(sfreq)
    segments = cut_segments([make_raw(data=signal[None], sfreq=sfreq)], duration=1.0)
    starts = starts_of(segments, sfreq=sfreq)
    covered = np.zeros(len(signal), dtype=bool)
    for start in starts:
        assert usable[start : start + n_times].all()
        covered[start : start + n_times] = True
    # what is left out is bad, or part of a stretch that is too short
    edges = np.flatnonzero(np.diff(usable, prepend=False, append=False))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        assert covered[begin:end].all() == (end - begin >= n_times)


@pytest.mark.parametrize("value", [0.0, 3e-5, np.nan, np.inf, -np.inf, 1e19, 1e308])
def test_unusable_stretches(value):
    raw = make_raw()
    raw._data[1, 220:400] = value
    before = raw.get_data()
    segments = cut_segments([raw], duration=1.0)
    assert starts_of(segments, 0) == [0, 200, 400, 600, 800, 850]
    assert starts_of(segments, 1) == [0, 20, 400, 600, 800, 850]
    np.testing.assert_array_equal(raw.get_data(), before)


def test_alternating_extremes():
    raw = make_raw()
    raw._data[1, 220:400] = 1.7e308 * (-1.0) ** np.arange(180)
    assert starts_of(cut_segments([raw], duration=1.0), 1)[:2] == [0, 20]


def test_short_rest_is_not_flat():
    raw = make_raw()
    raw._data[0, 220:310] = 0.0
    segments = cut_segments([raw], duration=1.0)
    assert starts_of(segments) == [0, 200, 400, 600, 800, 850]


def test_rests_of_neighbouring_epochs_are_not_one():
    raw = make_raw()
    raw._data[0, 140:260] = 0.0
    onset = cut_segments([make_epochs(raw)]).onset
    np.testing.assert_allclose(onset[:5], np.arange(5))


def test_spike_counts_may_stand_still():
    raw = make_raw().set_channel_types({"LA1": "misc"}, verbose="error")
    raw._data[0, 220:390] = 0.0
    segments = cut_segments([raw], duration=1.0, picks=["LA1"])
    assert starts_of(segments) == [0, 200, 400, 600, 800, 850]
    raw._data[0, 200:410] = 0.0
    segments = cut_segments([raw], duration=1.0, picks=["LA1"])
    assert starts_of(segments) == [0, 410, 610, 810, 850]


@pytest.mark.parametrize("scale", [1e17 / 5e-5 / 10, 1.0, 1e-12, 1e-12 / 5e-5])
@pytest.mark.parametrize("normalize", [False, True])
def test_units(scale, normalize):
    raw = make_raw()
    reference = cut_segments([raw], duration=1.0, normalize=normalize)
    raw._data *= scale
    segments = cut_segments([raw], duration=1.0, normalize=normalize)
    gain = 1.0 if normalize else scale
    np.testing.assert_allclose(segments.data, gain * reference.data, rtol=1e-5)


def test_integers():
    data = np.random.default_rng(0).integers(-3, 4, (2, 1000)).astype(float)
    segments = cut_segments([make_raw(data=data)], duration=1.0)
    expected = cut_by_hand(data[0], range(0, 1000, 200))
    np.testing.assert_allclose(segments.data[:5], expected, atol=1e-6)


def test_offset_costs_no_precision():
    raw = make_raw()
    reference = cut_segments([raw], duration=1.0).data
    raw._data += np.array([[1.0], [-30.0], [1000.0]])
    shifted = cut_segments([raw], duration=1.0).data
    # a thousand volts leave 1e-13 of double precision; single precision has 7e-12
    np.testing.assert_allclose(shifted, reference, rtol=2e-7, atol=5e-13)


def test_outliers_need_many_segments():
    for n_segments, n_left in ((99, 99), (100, 99)):
        raw = make_raw(n_segments * N_TIMES)
        raw._data[1, 250] = 1e-2
        segments = cut_segments([raw], duration=1.0)
        n_found = np.bincount(segments.channel)
        np.testing.assert_array_equal(n_found, [n_segments, n_left, n_segments])
        assert (1.0 in segments.onset[segments.channel == 1]) == (n_left == n_segments)


@pytest.mark.parametrize(("deviation", "n_dropped"), [(14.8, 0), (14.9, 1)])
def test_outliers_are_ten_standard_deviations_away(deviation, n_dropped):
    # half of the amplitudes deviate by one: a normal spread would be 1.4826
    amplitude = 1e-6 * (50.0 + np.tile([-1, 0, 0, 1], 26))
    amplitude[50] = 1e-6 * (50 + deviation)
    wave = np.sin(np.arange(N_TIMES) / 5)
    wave /= np.ptp(wave)
    raw = make_raw(data=np.outer(amplitude, wave).reshape(1, -1))
    segments = cut_segments([raw], duration=1.0)
    assert len(segments.data) == len(amplitude) - n_dropped


def test_windows_end_to_end_do_not_overlap():
    signals = read_signals(make_raw(450), np.arange(3), N_TIMES)
    assert find_windows(signals, slice(None), N_TIMES).tolist() == [0, 200]
    assert find_windows(signals, slice(None), N_TIMES, 200).tolist() == [0, 200, 250]


def test_z_score():
    data = make_raw().get_data() * np.array([[1.0], [1e3], [1e-6]])
    data[:, 400:600] *= 10
    segments = cut_segments([make_raw(data=data)], duration=1.0, normalize=True)
    for channel in range(N_CHANNELS):
        cut = segments.data[segments.channel == channel]
        assert cut.std() == pytest.approx(1.0, abs=1e-6)
        np.testing.assert_allclose(cut.mean(axis=1), 0, atol=1e-6)
        # one scale for the channel, not one for each segment
        assert cut[2].std() == pytest.approx(10 * cut[0].std(), rel=0.3)


def test_files_are_left_as_they_are(tmp_path):
    make_raw().save(tmp_path / "a_raw.fif", fmt="double", verbose="error")
    raw = mne.io.read_raw_fif(tmp_path / "a_raw.fif", preload=False, verbose="error")
    annotations = raw.annotations.copy()
    expected = cut_segments([make_raw()], duration=1.0)
    segments = cut_segments([raw], duration=1.0)
    np.testing.assert_array_equal(segments.data, expected.data)
    assert not raw.preload
    assert raw.annotations == annotations


@pytest.mark.parametrize("make", [make_raw, lambda: make_epochs(make_raw())])
@pytest.mark.parametrize("normalize", [False, True])
def test_inputs_are_left_as_they_are(make, normalize):
    inst = make()
    before = inst.get_data(copy=True) if hasattr(inst, "events") else inst.get_data()
    inst._data.flags.writeable = False
    cut_segments([inst], duration=0.5, normalize=normalize)
    signals = read_signals(inst, np.arange(3), N_TIMES)
    cut_windows(signals, np.arange(2), N_TIMES)
    np.testing.assert_array_equal(inst.get_data(), before)


@pytest.mark.parametrize("make", [make_raw, lambda: make_epochs(make_raw())])
def test_memory_mapped(make, tmp_path):
    inst = make()
    joblib.dump(inst, tmp_path / "inst.joblib")
    mapped = joblib.load(tmp_path / "inst.joblib", mmap_mode="r")
    assert isinstance(mapped._data, np.memmap)
    np.testing.assert_array_equal(
        cut_segments([mapped], duration=0.5).data,
        cut_segments([inst], duration=0.5).data,
    )


@pytest.mark.parametrize(
    ("other", "match"),
    [
        (make_raw(sfreq=250.0), r"recording 1 \(subject 'sub-01'\): 250 .* at 250 Hz"),
        (make_epochs(make_raw(sfreq=100.0)), r"recording 1 .*: 100 samples at 100 Hz"),
    ],
)
def test_unequal_rates(other, match):
    with pytest.raises(ValueError, match=match + r".*RecordingPreprocessor"):
        cut_segments([make_raw(), other, make_raw()], duration=1.0)


def test_unequal_lengths():
    long = make_epochs(make_raw(), duration=1.5)
    short = make_epochs(make_raw())
    with pytest.raises(ValueError, match=r"200 samples.*recording 1 .*: 300 samples"):
        cut_segments([short, long])
    with pytest.raises(ValueError, match=r"2000 samples.*recording 1 .*: 200 samples"):
        cut_segments([make_raw(4000), short])
    assert cut_segments([short, long], duration=1.0).data.shape[1] == N_TIMES


def test_rounded_rates():
    recordings = [make_raw(), make_raw(sfreq=199.9999)]
    assert cut_segments(recordings, duration=1.0).sfreq == SFREQ


def test_like():
    raw = make_raw()
    assert cut_segments([raw], duration=1.0, like=(200, SFREQ)).sfreq == SFREQ
    with pytest.raises(ValueError, match=r"100 samples at 200 Hz, as in training.*200"):
        cut_segments([raw], duration=1.0, like=(100, SFREQ))


def test_too_short_segments():
    with pytest.raises(
        ValueError, match="duration of 1 samples at 200 Hz is too short"
    ):
        cut_segments([make_raw()], duration=1 / SFREQ)
    assert cut_segments([make_raw()], duration=2 / SFREQ).data.shape[1] == 2


def test_shorter_than_a_segment():
    match = r"recording 1 \(subject 'sub-01'\) lasts 0.75 s, shorter than .* of 1 s"
    with pytest.raises(ValueError, match=match):
        cut_segments([make_raw(), make_raw(150)], duration=1.0)


def make_all_bad():
    return annotate(make_raw(), 0, 6)


def make_dropped():
    epochs = make_epochs(make_raw())
    return epochs.drop(range(len(epochs)), verbose="error")


@pytest.mark.parametrize("make", [make_all_bad, make_dropped])
def test_nothing_usable(make):
    match = r"recording 1 \(subject 'sub-01'\): LA1, LA2, LA3\. .*info\['bads'\]"
    with pytest.raises(ValueError, match=match):
        cut_segments([make_raw(), make()], duration=1.0)
    signals = read_signals(make(), np.arange(3), N_TIMES)
    assert not len(find_windows(signals, slice(None), N_TIMES, N_TIMES))


def test_channels_without_a_segment_are_named():
    first, second = make_raw(), make_raw()
    first._data[1] = 0.0
    second._data[:2] = np.nan
    match = r"recording 0 .*: LA2, recording 1 .*: LA1, LA2\."
    with pytest.raises(ValueError, match=match):
        cut_segments([first, make_raw(), second][::2], duration=1.0)
    first.info["bads"], second.info["bads"] = ["LA2"], ["LA1", "LA2"]
    assert len(cut_segments([first, second], duration=1.0).channels.ch_name) == 3


def test_y():
    raw = set_regions(make_raw(), {"LA1": "GPi"})
    assert cut_segments([raw], duration=1.0).channels.region.tolist()[0] == "GPi"
    segments = cut_segments([raw], duration=1.0, y=[{"LA3": "STN"}])
    assert segments.channels.region.tolist() == [None, None, "STN"]


@pytest.mark.parametrize(
    ("hop", "expected"),
    [(N_TIMES, [0, 20, 400, 600, 800, 850]), (150, [0, 20, 400, 550, 700, 850])],
)
def test_windows(raw, hop, expected):
    annotate(raw, 1.1, 0.9, ch_names=[["LA2"]])
    signals = read_signals(raw, np.arange(3), N_TIMES)
    starts = find_windows(signals, slice(None), N_TIMES, hop)
    assert starts.tolist() == expected
    windows = cut_windows(signals, starts, N_TIMES)
    for window, start in zip(windows, expected, strict=True):
        np.testing.assert_array_equal(
            window, raw.get_data()[:, start : start + N_TIMES]
        )
    np.testing.assert_array_equal(
        cut_windows(signals, starts, N_TIMES, [2, 0]), windows[:, [2, 0]]
    )
    # what is bad in other channels does not matter
    expected = find_windows(signals, [2], N_TIMES, N_TIMES)
    assert find_windows(signals, [0, 2], N_TIMES, N_TIMES).tolist() == expected.tolist()
    assert expected.tolist()[:3] == [0, 200, 400]


def test_windows_of_epochs(raw):
    signals = read_signals(make_epochs(raw), np.arange(3), N_TIMES)
    starts = find_windows(signals, slice(None), 100, 100)
    assert starts.tolist() == list(range(0, 1000, 100))
