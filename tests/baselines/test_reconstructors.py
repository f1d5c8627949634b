import pickle

import mne
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, cross_val_score

import mne_funcmap as mf
from mne_funcmap import baselines
from mne_funcmap.baselines import (
    DistanceGaussianProcess,
    MeanPrediction,
    NearestChannel,
    PooledRidge,
    RecordingRidge,
    SplineInterpolation,
    interpolation,
    ridge,
)
from mne_funcmap.baselines.interpolation import krige
from mne_funcmap.baselines.ridge import (
    LagBank,
    choose_ridge,
    count_lags,
    score_weights,
    solve_ridge,
    take_lags,
)
from mne_funcmap.reconstruction.moments import compute_moments

SFREQ = 100.0
SEEN = 500  # samples of the first five seconds
LOBES = {"F": "frontal", "C": "central", "T": "temporal", "P": "parietal"}
MODELS = [
    RecordingRidge(),
    RecordingRidge(lags=0.0, penalty=0.1),
    PooledRidge(lags=0.01),
    NearestChannel(),
    DistanceGaussianProcess(),
    SplineInterpolation(),
    MeanPrediction(),
]
IDS = ["ridge", "given", "pooled", "nearest", "kriging", "spline", "mean"]


def make_eeg(subject="sub-1", *, seed=0, duration=12.0):
    """EEG that is the smoother in space the nearer channels are."""
    montage = mne.channels.make_standard_montage("biosemi32")
    chosen = [name for name in montage.ch_names if name[0] in LOBES]
    info = mne.create_info(chosen, SFREQ, "eeg").set_montage(montage)
    info["subject_info"] = {"his_id": subject}
    points = np.array([ch["loc"][:3] for ch in info["chs"]])
    smooth = np.linalg.cholesky(np.exp(-((cdist(points, points) / 0.08) ** 2) / 2))
    rng = np.random.default_rng(seed)
    data = smooth @ rng.standard_normal((len(chosen), round(duration * SFREQ)))
    data += 0.1 * rng.standard_normal(data.shape)
    data *= 1e-5 * rng.uniform(0.5, 2, (len(chosen), 1))
    raw = mne.io.RawArray(data + 1e-5, info, verbose=False)
    return mf.set_regions(raw, {name: LOBES[name[0]] for name in chosen})


def place(raw, points, frame="mni_tal"):
    """Set positions in metres."""
    ch_pos = dict(zip(raw.ch_names, np.asarray(points, float), strict=True))
    montage = mne.channels.make_dig_montage(ch_pos, coord_frame=frame)
    return raw.set_montage(montage, verbose="error")


def cut(data):
    """Return seconds end to end, (n_windows, n_channels, n_times)."""
    return data.reshape(len(data), -1, round(SFREQ)).swapaxes(0, 1)


def zscore(data):
    return (data - data.mean(axis=1, keepdims=True)) / data.std(axis=1, keepdims=True)


def lag(windows, n_lags):
    """Return regressors (n_windows * n_times, n_channels * (2 * n_lags + 1))."""
    shifted = np.zeros((2 * n_lags + 1, *windows.shape))
    n_times = windows.shape[-1]
    for k, delay in enumerate(range(-n_lags, n_lags + 1)):
        for t in range(max(0, -delay), min(n_times, n_times - delay)):
            shifted[k, :, :, t] = windows[:, :, t + delay]
    return shifted.transpose(1, 3, 2, 0).reshape(len(windows) * n_times, -1)


def fit_sklearn(windows, is_target, penalty, n_lags):
    """Return weights by scikit-learn, (n_targets, n_sources * n_lags)."""
    X = lag(windows[:, ~is_target], n_lags)
    y = lag(windows[:, is_target], 0)
    return Ridge(alpha=penalty * len(X), fit_intercept=False).fit(X, y).coef_


def get_moments(windows, n_lags):
    return compute_moments(
        torch.from_numpy(windows.astype(np.float32)), LagBank(n_lags)
    )


@pytest.fixture(scope="module")
def eeg():
    return [make_eeg("sub-1", seed=1), make_eeg("sub-2", seed=2)]


@pytest.fixture(scope="module")
def new_eeg():
    return make_eeg("sub-3", seed=3)


@pytest.fixture
def raw(make_coupled):
    return make_coupled("sub-1", "ABC", duration=10)


@pytest.fixture
def windows(raw):
    return cut(zscore(raw.get_data()))


IS_TARGET = np.array([False, False, True, True, False, False])


# The mathematics of ridge regression


def test_lags():
    signals = torch.arange(1.0, 6.0).view(1, 1, 5)
    bank = LagBank(1, step=2)
    assert (bank.n_filters, bank.centre) == (3, 1)
    expected = [[0, 0, 1, 2, 3], [1, 2, 3, 4, 5], [3, 4, 5, 0, 0]]
    assert bank(signals)[0, 0].tolist() == expected


@pytest.mark.parametrize(
    ("seconds", "sfreq", "expected"),
    [(0, 100, (0, 1)), (0.04, 100, (4, 1)), (0.04, 1000, (8, 5)), (3, 100, (99, 1))],
)
def test_count_lags(seconds, sfreq, expected):
    assert count_lags(seconds, sfreq, sfreq) == expected


@pytest.mark.parametrize("n_lags", [0, 2])
def test_ridge_is_that_of_sklearn(windows, n_lags):
    weights = solve_ridge(get_moments(windows, n_lags), IS_TARGET, 0.05)
    assert weights.shape == (2, 6, 2 * n_lags + 1)
    assert (weights[:, IS_TARGET] == 0).all()
    expected = fit_sklearn(windows, IS_TARGET, 0.05, n_lags)
    assert_allclose(weights[:, ~IS_TARGET].flatten(1), expected, atol=1e-5)


def test_moments_of_fewer_lags(windows):
    torch.testing.assert_close(
        take_lags(get_moments(windows, 3), 1), get_moments(windows, 1)
    )


def test_score_is_correlation(windows):
    weights = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 6, 1))).float()
    weights[:, IS_TARGET] = 0
    r = score_weights(weights, get_moments(windows, 0), IS_TARGET)
    data = np.concatenate(windows, axis=1)
    predicted = weights[..., 0].numpy() @ data
    expected = [
        np.corrcoef(*rows)[0, 1]
        for rows in zip(predicted, data[IS_TARGET], strict=True)
    ]
    assert r == pytest.approx(np.mean(expected), abs=1e-4)


def test_chosen_lags_reach_a_delay():
    data = np.random.default_rng(0).standard_normal((3, 1000))
    data[2] = np.roll(data[0], 2)
    parts = [(get_moments(part, 4), 2.0) for part in np.split(cut(data), 5)]
    is_target = np.array([False, False, True])
    assert choose_ridge(parts, is_target, [0, 1, 2, 4], [0.01])[0] in (2, 4)
    assert choose_ridge(parts, is_target, [1, 2], [0.01, 10.0]) == (2, 0.01)


def test_chosen_penalty_is_best_on_other_blocks(windows):
    noisy = windows + np.random.default_rng(0).standard_normal(windows.shape)
    blocks = [noisy[at : at + 2] for at in range(0, 10, 2)]
    parts = [(get_moments(block, 0), 2.0) for block in blocks]
    penalties = [1e-3, 0.3, 100.0]
    scores = np.zeros(3)
    for i, held_out in enumerate(blocks):
        rest = np.concatenate(blocks[:i] + blocks[i + 1 :])
        data = np.concatenate(held_out, axis=1)
        for j, penalty in enumerate(penalties):
            predicted = fit_sklearn(rest, IS_TARGET, penalty, 0) @ data[~IS_TARGET]
            product = (predicted * data[IS_TARGET]).sum(axis=1)
            norms = np.square(predicted).sum(axis=1), np.square(data[IS_TARGET])
            scores[j] += np.mean(product / np.sqrt(norms[0] * norms[1].sum(axis=1)))
    found = choose_ridge(parts, IS_TARGET, [0], penalties)
    assert found == (0, penalties[scores.argmax()])


# Each baseline against its closed form


def test_recording_ridge_is_fitted_on_reference(make_coupled):
    raw = make_coupled("sub-1", "ABC", duration=20)
    reference, later = raw.copy().crop(0, 9.99), raw.copy().crop(10)
    ridge = RecordingRidge(lags=0.0, penalty=0.1).fit([make_coupled("sub-2", "ABC")])
    (predicted,) = ridge.predict([later], regions="B", reference=[reference])
    seen = reference.get_data()
    mean, scale = seen.mean(axis=1)[:, None], seen.std(axis=1)[:, None]
    weights = fit_sklearn(cut((seen - mean) / scale), IS_TARGET, 0.1, 0)
    expected = weights @ ((later.get_data() - mean) / scale)[~IS_TARGET]
    expected = expected * scale[IS_TARGET] + mean[IS_TARGET]
    assert_allclose(predicted.get_data("B1")[0], expected[0], atol=1e-9)
    assert_allclose(predicted.get_data("B2")[0], expected[1], atol=1e-9)


def test_recording_ridge_knows_what_it_was_fitted_on(make_coupled):
    first, later = make_coupled(seed=1), make_coupled(seed=2)
    ridge = RecordingRidge().fit([first, make_coupled("sub-2")])
    pieces = ridge.evaluate([later])
    assert pieces.equals(ridge.evaluate([later], reference=[first]))
    other = RecordingRidge().fit([make_coupled("sub-2")])
    assert not pieces.equals(other.evaluate([later]))  # by its own first seconds


def test_recording_ridge_takes_recordings_with_all_channels(make_coupled):
    few, whole = make_coupled(regions="AB", seed=1), make_coupled(seed=2)
    later = make_coupled(seed=3)
    expected = RecordingRidge().fit([whole]).evaluate([later])
    assert RecordingRidge().fit([few, whole]).evaluate([later]).equals(expected)
    ridge = RecordingRidge().fit([few, whole])
    assert ridge.evaluate([later], reference=[few, whole]).equals(expected)
    apart = [few, make_coupled(regions="CD", seed=2)]  # never recorded together
    fitted_on_first = RecordingRidge().fit(apart).evaluate([later])
    assert fitted_on_first.equals(
        RecordingRidge().fit([make_coupled("sub-2")]).evaluate([later])
    )


def test_recording_ridge_needs_a_reference_with_all_channels(make_coupled):
    apart = [make_coupled(regions="AB"), make_coupled(regions="CD", seed=2)]
    ridge = RecordingRidge().fit([make_coupled("sub-2")])
    with pytest.raises(ValueError, match="subject 'sub-1' has all of the channels A1"):
        ridge.evaluate([make_coupled(seed=3)], reference=apart)


def test_recording_ridge_with_a_single_window(raw):
    ridge = RecordingRidge(identity_duration=1.0)
    other = raw.copy()
    other.info["subject_info"] = {"his_id": "sub-9"}
    assert ridge.fit([raw]).score([other]) > 0.3


def test_recording_ridge_beats_the_mean_and_lags_help(make_coupled):
    raw = make_coupled(duration=40)
    raw._data[:, 3:] = np.vstack([raw._data[:4, :-3], raw._data[4:, 3:]])  # A, B late
    plain = RecordingRidge(lags=0.0).fit([make_coupled("sub-2")]).score([raw])
    lagged = RecordingRidge().fit([make_coupled("sub-2")]).score([raw])
    assert 0 < plain < lagged - 0.05


def test_pooled_ridge_is_that_of_all_recordings(make_coupled):
    X = [make_coupled("sub-1", "ABC", duration=10), make_coupled("sub-2", "ABC")]
    pooled = PooledRidge(penalty=0.05, lags=0.01).fit(X)
    windows = np.concatenate([cut(zscore(raw.get_data())) for raw in X])
    expected = fit_sklearn(windows, IS_TARGET, 0.05, 1)
    assert_allclose(
        solve_ridge(pooled.moments_, IS_TARGET, 0.05)[:, ~IS_TARGET].flatten(1),
        expected,
        atol=1e-5,
    )
    new = make_coupled("sub-3", "ABC")
    (predicted,) = pooled.predict([new], regions="B", reference=[new])
    data = new.get_data()
    found = predicted.get_data() - data.mean(axis=1, keepdims=True)
    found = cut(found / data.std(axis=1, keepdims=True))[:, IS_TARGET]
    given = lag(cut(zscore(data))[:, ~IS_TARGET], 1)
    wanted = cut((given @ expected.T).T)
    # at the edges these windows lack what overlapping ones have
    assert_allclose(found[..., 1:-1], wanted[..., 1:-1], atol=0.01)


def test_kriging_is_a_gaussian_process():
    rng = np.random.default_rng(0)
    sources, targets = rng.uniform(-0.05, 0.05, (2, 6, 3))
    values = rng.standard_normal((6, 4))
    process = GaussianProcessRegressor(RBF(0.03), alpha=0.2, optimizer=None)
    expected = process.fit(sources, values).predict(targets)
    weights = krige(sources, targets, length_scale=0.03, noise=0.2)
    assert_allclose(weights @ values, expected, atol=1e-10)


def test_gaussian_process_predicts_z_scored_signals(raw):
    points = np.random.default_rng(0).uniform(-0.05, 0.05, (6, 3))
    place(raw, points)
    process = DistanceGaussianProcess(0.03, 0.2).fit([raw])
    (predicted,) = process.predict([raw], regions="B")
    weights = krige(points[~IS_TARGET], points[IS_TARGET], length_scale=0.03, noise=0.2)
    data = raw.get_data()
    expected = weights @ zscore(data)[~IS_TARGET] * data[IS_TARGET].std(axis=1)[:, None]
    expected += data[IS_TARGET].mean(axis=1)[:, None]
    assert_allclose(predicted.get_data(["B1", "B2"]), expected, atol=1e-9)


def test_gaussian_process_chooses_what_predicts_best(eeg):
    chosen = DistanceGaussianProcess().fit(eeg)
    assert chosen.length_scale_ in (0.04, 0.08, 0.16)
    worse = DistanceGaussianProcess(length_scale=0.01).fit(eeg)
    assert worse.length_scale_ == 0.01
    assert worse.score(eeg) < chosen.score(eeg)
    given = DistanceGaussianProcess(chosen.length_scale_, chosen.noise_).fit(eeg)
    assert given.score(eeg) == chosen.score(eeg)


def test_nearest_channel_is_outside_the_region(raw):
    # B1 is next to B2, then to C1; B2 is nearer to A2
    place(raw, [[9, 0, 0], [2, 0, 0], [0, 0, 0], [1, 0, 0], [-1.5, 0, 0], [-5, 0, 0]])
    nearest = NearestChannel().fit([raw])
    copied = zscore(nearest.predict([raw], regions="B")[0].get_data())
    data = zscore(raw.get_data())
    assert_allclose(copied[2], data[4], atol=1e-5)
    assert_allclose(copied[3], data[1], atol=1e-5)


def test_nearest_channel_of_two_as_near_is_the_first_by_name(raw):
    place(raw, [[0, 1, 0], [0, -1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0], [-1, 0, 0]])
    nearest = NearestChannel().fit([raw])
    frame = nearest.evaluate([raw], regions="B")
    turned = raw.copy().reorder_channels(raw.ch_names[::-1])
    frame_of_turned = nearest.evaluate([turned], regions="B").iloc[::-1]
    assert_allclose(frame["r"], frame_of_turned["r"], atol=1e-6)


def test_spline_is_interpolation_by_mne(new_eeg):
    spline = SplineInterpolation().fit([new_eeg])
    (predicted,) = spline.predict([new_eeg], regions="parietal")
    expected = new_eeg.copy()
    regions = mf.get_regions(new_eeg)
    bads = [name for name in expected.ch_names if regions[name] == "parietal"]
    expected.info["bads"] = bads
    expected.interpolate_bads(verbose=False)
    found, expected = predicted.get_data(bads), expected.get_data(bads)
    true = new_eeg.get_data(bads)
    mean = true.mean(axis=1, keepdims=True)
    assert_allclose(found.mean(axis=1, keepdims=True), mean, atol=1e-9)
    centred = expected - expected.mean(axis=1, keepdims=True)
    assert_allclose(found - mean, centred, atol=1e-9)
    assert np.std(centred) > 1e-6


def test_mean_has_no_correlation(eeg):
    frame = MeanPrediction().fit(eeg).evaluate(eeg)
    assert_array_equal(frame["r"], 0)
    assert_array_equal(frame["amplitude_ratio"], 0)
    assert_allclose(frame["nmse"], 1, atol=1e-6)
    (predicted, _) = MeanPrediction().fit(eeg).predict(eeg, regions="frontal")
    data = eeg[0].get_data("F3")
    assert_allclose(predicted.get_data("F3"), np.full_like(data, data.mean()))


# The interface


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_interface(model, eeg, new_eeg):
    before = pickle.dumps([raw.get_data() for raw in [*eeg, new_eeg]])
    fitted = clone(model).set_params(identity_duration=5.0).fit(eeg)
    frame = fitted.evaluate([new_eeg])
    assert sorted(frame["ch_name"]) == sorted(new_eeg.ch_names)
    assert np.isfinite(frame[["r", "nmse", "nrmse", "amplitude_ratio"]]).all(axis=None)
    assert fitted.score([new_eeg]) == frame["r"].mean()
    (predicted,) = fitted.predict([new_eeg], regions=["temporal"])
    regions = mf.get_regions(new_eeg)
    for ch_name, found, true in zip(
        new_eeg.ch_names, predicted.get_data(), new_eeg.get_data(), strict=True
    ):
        assert (regions[ch_name] != "temporal") == np.array_equal(found, true)
    assert pickle.dumps([raw.get_data() for raw in [*eeg, new_eeg]]) == before
    with pytest.raises(NotFittedError):
        clone(fitted).score([new_eeg])
    again = pickle.loads(pickle.dumps(fitted))
    assert again.evaluate([new_eeg]).equals(frame)


@pytest.mark.parametrize("model", MODELS[:-1], ids=IDS[:-1])
def test_all_but_the_mean_beat_it(model, eeg, new_eeg):
    fitted = clone(model).set_params(identity_duration=5.0).fit(eeg)
    frame = fitted.evaluate([new_eeg])
    assert frame["r"].mean() > 0.5


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_order_of_channels_does_not_matter(model, eeg, new_eeg):
    fitted = clone(model).set_params(identity_duration=5.0).fit(eeg)
    turned = new_eeg.copy().reorder_channels(new_eeg.ch_names[::-1])
    frame = fitted.evaluate([new_eeg]).set_index("ch_name")
    of_turned = fitted.evaluate([turned]).set_index("ch_name")
    assert_allclose(of_turned.loc[frame.index, "r"], frame["r"], atol=1e-4)


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_later_signals_of_withheld_channels_have_no_influence(model, eeg, new_eeg):
    fitted = clone(model).set_params(identity_duration=5.0).fit(eeg)
    other = new_eeg.copy()
    regions = mf.get_regions(new_eeg)
    names = [name for name, region in regions.items() if region == "temporal"]
    rows = [other.ch_names.index(name) for name in names]
    other._data[rows, SEEN:] = np.random.default_rng(0).standard_normal(
        other._data[rows, SEEN:].shape
    )
    (predicted,) = fitted.predict([new_eeg], regions="temporal")
    (of_other,) = fitted.predict([other], regions="temporal")
    assert_array_equal(predicted.get_data(names), of_other.get_data(names))


@pytest.mark.parametrize("model", [MODELS[0], MODELS[2]], ids=["ridge", "pooled"])
def test_cross_validation(model, eeg, new_eeg):
    X = [*eeg, new_eeg]
    groups = mf.get_subjects(X)
    scores = cross_val_score(model, X, groups=groups, cv=GroupKFold(3))
    assert (scores > 0.5).all()


def test_epochs(eeg):
    epochs = [mne.make_fixed_length_epochs(raw, 1.0, verbose=False) for raw in eeg]
    ridge = RecordingRidge(identity_duration=5.0).fit([epochs[0].load_data()])
    assert ridge.score([epochs[1].load_data()]) > 0.5


def test_all_are_among_the_baselines():
    found = {type(model).__name__ for model in MODELS}
    assert found <= set(baselines.__all__)


# What cannot be done


@pytest.mark.parametrize(
    "model",
    [
        RecordingRidge(lags=-0.1),
        RecordingRidge(penalty=0.0),
        PooledRidge(penalty=None),
        DistanceGaussianProcess(length_scale=0.0),
        DistanceGaussianProcess(noise=-1.0),
        NearestChannel(window=0.0),
        MeanPrediction(identity_duration="long"),
    ],
    ids=lambda model: str(model),
)
def test_wrong_parameters(model, eeg):
    with pytest.raises(ValueError, match="parameter of"):
        model.fit(eeg)


def test_pooled_ridge_needs_one_montage(eeg, new_eeg):
    other = new_eeg.copy().drop_channels(["F3", "Cz"])
    pooled = PooledRidge().fit(eeg)
    with pytest.raises(ValueError, match=r"recording 1 .*'sub-3'.* lacks.*\[Cz, F3\]"):
        pooled.score([eeg[0], other])
    with pytest.raises(ValueError, match=r"recording 1 .*'sub-3'.* lacks.*\[Cz, F3\]"):
        PooledRidge().fit([eeg[0], other])
    with pytest.raises(ValueError, match=r"has \[Cz, F3\] beyond"):
        PooledRidge().fit([other]).predict([new_eeg])


@pytest.mark.parametrize(
    "model", [NearestChannel(), DistanceGaussianProcess(), SplineInterpolation()]
)
def test_positions_are_needed(model, eeg, new_eeg):
    bare = new_eeg.copy().set_montage(None)
    with pytest.raises(ValueError, match="recording 1 .* has no positions"):
        model.fit([eeg[0], bare])
    with pytest.raises(ValueError, match="recording 0 .* has no positions"):
        clone(model).fit(eeg).score([bare])


@pytest.mark.parametrize("model", [NearestChannel(), DistanceGaussianProcess()])
def test_all_positions_are_needed(model, raw):
    points = np.full((6, 3), 0.01)
    points[4] = np.nan
    with pytest.raises(ValueError, match="No position in recording 0 .* C1"):
        model.fit([place(raw, points)])


def test_spline_is_for_eeg(raw, eeg):
    place(raw, np.eye(6, 3))
    with pytest.raises(ValueError, match=r"recording 1 .*'seeg'.*picks='eeg'"):
        SplineInterpolation().fit([eeg[0], raw])


def test_spline_needs_positions_on_the_head(eeg, new_eeg):
    points = np.array([ch["loc"][:3] for ch in new_eeg.info["chs"]])
    in_mni = place(new_eeg.copy(), points)
    with pytest.raises(ValueError, match="recording 0 .*'mni_tal'.*'head'"):
        SplineInterpolation().fit(eeg).predict([in_mni])


# Real recordings


def test_real_recordings(data_dir):
    X = mf.read_recordings_bids(
        data_dir / "eeg-rest",
        region_column="region",
        subjects=["00", "01", "02"],
        tasks="rest",
    )
    X = [raw.crop(0, 29.99).load_data() for raw in X]
    X = mf.RecordingPreprocessor(l_freq=0.5, h_freq=45, sfreq=100).fit_transform(X)
    r = {
        name: clone(model).fit(X[:2]).score(X[2:])
        for name, model in zip(IDS, MODELS, strict=True)
    }
    assert r["ridge"] > 0.7
    assert r["pooled"] > 0.6
    assert min(r["nearest"], r["kriging"], r["spline"]) > 0.3
    assert r["mean"] == 0


def test_order_of_training_channels_does_not_matter(eeg, new_eeg):
    turned = eeg[1].copy().reorder_channels(eeg[1].ch_names[::-1])
    found = [PooledRidge().fit([eeg[0], other]) for other in (eeg[1], turned)]
    predicted = [fitted.predict([new_eeg])[0].get_data() for fitted in found]
    assert_allclose(*predicted, atol=1e-10)


def test_longer_parts_count_more_in_the_choice_of_a_ridge(monkeypatch):
    """The long one is predicted a bit better by 1, the short one much better by 2."""
    scores = {("long", 1): 0.5, ("long", 2): 0.4, ("short", 1): 0.1, ("short", 2): 0.9}
    parts = [(torch.full((1, 1, 1, 1), 100.0), 100.0), (torch.ones(1, 1, 1, 1), 1.0)]

    def score(penalty, moments, is_target):
        return scores["long" if moments.item() == 100 else "short", penalty]

    monkeypatch.setattr(ridge, "solve_ridge", lambda moments, is_target, p: p)
    monkeypatch.setattr(ridge, "score_weights", score)
    assert choose_ridge(parts, np.array([True]), [0], [1, 2]) == (0, 1)


def test_each_withheld_channel_counts_in_the_choice_of_a_kernel(eeg, monkeypatch):
    fitted = DistanceGaussianProcess(identity_duration=5.0).fit(eeg[:1])
    study = next(iter(fitted.known_.values()))[0]
    monkeypatch.setattr(interpolation, "score_weights", lambda *args: 0.5)
    monkeypatch.setattr(interpolation, "join_parts", lambda parts: (None, 1.0))
    cases = [(study, np.arange(len(study.region)) < n) for n in (2, 3)]
    total = interpolation._score_krige(cases, length_scale=0.1, noise=0.1)
    assert total == pytest.approx(2.5)


def test_lags_are_applied_as_they_were_fitted(make_coupled):
    """At 1000 Hz, they are five samples apart."""
    raw = make_coupled("sub-1", "AB", n_channels=1, duration=6.0, sfreq=1000.0)
    raw._data[1, 20:] = raw._data[0, :-20]  # B follows A by 20 ms
    ridge = RecordingRidge(lags=0.02, penalty=1e-3, identity_duration=3.0)
    frame = ridge.fit([raw]).evaluate([raw]).set_index("ch_name")
    assert frame.loc["B1", "r"] > 0.95
