import mne
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import beta
from sklearn.base import BaseEstimator
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

import mne_funcmap as mf
from mne_funcmap.baselines import (
    MeanPrediction,
    RecordingRidge,
    SplineInterpolation,
)
from mne_funcmap.evaluation import identities
from mne_funcmap.evaluation.identities import (
    cross_val_reconstruct,
    split_begin,
    summarize_reconstruction,
)
from mne_funcmap.reconstructor import MaskedRegionReconstructor

COLUMNS = [
    *["model", "fold", "subject", "recording", "region", "ch_name"],
    *["r", "nmse", "nrmse", "amplitude_ratio", "n_sources"],
]


class Logged(BaseEstimator):
    """Keeps what it was given, and gives every channel the same score."""

    query = "channel"
    architecture = "mixed"

    def __init__(self, log=None, r=0.5):
        self.log = log
        self.r = r

    def fit(self, X, y=None):
        self.log.append(("fit", X, None))
        return self

    def evaluate(self, X, reference=None):
        self.log.append(("evaluate", X, reference))
        rows = [
            {"subject": subject, "recording": i, "ch_name": name, "r": self.r}
            for i, (subject, raw) in enumerate(zip(mf.get_subjects(X), X, strict=True))
            for name in raw.ch_names
        ]
        return pd.DataFrame(rows)

    def __sklearn_clone__(self):
        return type(self)(self.log, self.r)  # the log is one for all


class Adaptable(Logged):
    def adapt(self, X):
        self.log.append(("adapt", X, None))
        return type(self)(self.log, self.r + 0.25)


class ByRegion(Adaptable):
    query = "region"


class Published(Adaptable):
    architecture = "transformer"


@pytest.fixture(scope="module")
def X(make_coupled):
    """Four subjects, the first with two recordings."""
    return [
        make_coupled(f"sub-{i}", "AB", n_channels=1, duration=6.0, seed=seed)
        for seed, i in enumerate([0, 1, 0, 2, 3])
    ]


def make_small(identity="region", **params):
    params = {"identity_duration": 2.0, "max_epochs": 1, "n_latents": 4} | params
    return MaskedRegionReconstructor(identity, **params)


# Comparison


@pytest.fixture
def small_models(monkeypatch):
    def make(identities=None, random_state=0):
        chosen = {} if identities is None else identities
        return {name: make_small(identity) for name, identity in chosen.items()}

    monkeypatch.setattr(identities, "make_reconstructors", make)


def test_identities_beside_baselines(X, small_models):
    frame, summary = mf.compare_identities(
        X,
        {"by region": "region"},
        models={"mean": MeanPrediction()},
        cv=GroupKFold(2),
        seconds=2.0,
        bands={"alpha": (8, 13), "delta": (1, 4)},
        n_resamples=20,
    )
    assert summary["model"].tolist() == ["by region", "by region, adapted", "mean"]
    assert set(summary["baseline"]) == {"mean"}
    assert frame.groupby("model").size().tolist() == [10] * 3
    summary = summary.set_index("model")
    assert summary.loc["mean", ["r", "coherence_alpha"]].tolist() == [0, 0]
    # 4 s are scored: too short for the envelope of delta, not for coherence
    assert summary["r_envelope_delta"].isna().all()
    assert summary["coherence_delta"].notna().all()
    assert frame.attrs["left_out"] == {}


def test_default_models_that_do_not_apply_are_left_out(X, small_models, monkeypatch):
    models = {"spline interpolation": SplineInterpolation(), "mean": MeanPrediction()}
    monkeypatch.setattr(identities, "make_reconstruction_baselines", lambda: models)
    frame, summary = mf.compare_identities(
        X, cv=GroupKFold(2), seconds=2.0, n_resamples=5
    )
    assert list(frame.attrs["left_out"]) == ["spline interpolation"]
    assert "is for EEG" in frame.attrs["left_out"]["spline interpolation"]
    assert summary["model"].tolist() == ["mean"]
    with pytest.raises(ValueError, match="is for EEG"):
        mf.compare_identities(
            X, models=models, cv=GroupKFold(2), seconds=2.0, n_resamples=5
        )


def test_identities_are_a_list():
    with pytest.raises(TypeError, match=r"got the string 'none': give \['none'\]"):
        mf.compare_identities([], "none")


@pytest.mark.parametrize(
    ("identity", "error", "match"),
    [
        (
            RecordingRidge(),
            TypeError,
            r"'a', RecordingRidge\(\), .* models=\{'a': \.{3}",
        ),
        ("ridge", ValueError, "identity='ridge' is unknown"),
        (None, TypeError, "a transformer with fit"),
    ],
)
def test_what_is_no_identity(identity, error, match):
    with pytest.raises(error, match=match):
        mf.compare_identities([], {"a": identity})


@pytest.mark.parametrize(
    "model", ["ridge", RecordingRidge, mf.FunctionalEmbedder(), "none", None]
)
def test_what_is_no_model(model):
    with pytest.raises(TypeError, match="'a' must be .* with fit and evaluate, got"):
        mf.compare_identities([], [], models={"a": model})


# Cross-validation


def test_split_in_time(X):
    begin, rest = split_begin(X[0], 2.0)
    assert (begin.n_times, rest.n_times) == (200, 400)
    data = np.concatenate([begin.get_data(), rest.get_data()], axis=1)
    assert_array_equal(data, X[0].get_data())
    assert X[0].n_times == 600


def test_split_at_a_time_between_samples(make_coupled):
    raw = make_coupled("sub-0", "AB", duration=4.0, sfreq=128.0)
    begin, rest = split_begin(raw, 1.3)
    assert begin.n_times + rest.n_times == raw.n_times
    data = np.concatenate([begin.get_data(), rest.get_data()], axis=1)
    assert_array_equal(data, raw.get_data())


def test_subjects_are_held_out(X):
    log = []
    scores = cross_val_reconstruct({"a": Logged(log)}, X, cv=GroupKFold(2), seconds=2)
    assert [name for name, *_ in log] == ["fit", "evaluate"] * 2
    for (_, train, _), (_, rests, begins) in zip(log[::2], log[1::2], strict=True):
        known, new = set(mf.get_subjects(train)), set(mf.get_subjects(rests))
        assert not known & new
        assert known | new == {"sub-0", "sub-1", "sub-2", "sub-3"}
        # it is trained on all seconds, told of the first and scored on the rest
        assert {raw.n_times for raw in train} == {600}
        assert {raw.n_times for raw in begins} == {200}
        assert {raw.n_times for raw in rests} == {400}
        assert_array_equal(mf.get_subjects(begins), mf.get_subjects(rests))
    # every recording is scored once, under its own number
    assert len(scores) == 10
    for index, raw in enumerate(X):
        found = scores[scores["recording"] == index]
        assert found["subject"].tolist() == list(mf.get_subjects([raw])) * 2
    assert scores.groupby("subject")["fold"].nunique().max() == 1
    assert set(scores["fold"]) == {0, 1}


def test_parallel_is_the_same(X):
    # other processes know nothing of shorter training: this one has no second path
    small = {"n_dim": 8, "n_heads": 2, "n_layers": 1, "n_forward": 16}
    params = {f"module__{name}": value for name, value in small.items()}
    rec = make_small(architecture="transformer", net_params=params)
    models = {"mean": MeanPrediction(), "by region": rec}
    params = {"cv": GroupKFold(2), "seconds": 2.0}
    one, parallel = (
        cross_val_reconstruct(models, X, n_jobs=n, **params) for n in (1, 2)
    )
    # with another number of threads sums are rounded otherwise
    pd.testing.assert_frame_equal(one, parallel, atol=1e-5, rtol=0)


def test_five_folds_unless_told(make_coupled):
    X = [make_coupled(f"sub-{i}", "AB", n_channels=1, duration=12.0) for i in range(6)]
    log = []
    scores = cross_val_reconstruct({"a": Logged(log)}, X)
    assert set(scores["fold"]) == set(range(5))
    assert {raw.n_times for raw in log[1][2]} == {1000}


def test_groups(X):
    log = []
    cv = LeaveOneGroupOut()
    groups = ["x", "x", "y", "y", "y"]
    scores = cross_val_reconstruct(
        {"a": Logged(log)}, X, groups=groups, cv=cv, seconds=2
    )
    assert scores.groupby("fold")["recording"].unique().map(set).tolist() == [
        {0, 1},
        {2, 3, 4},
    ]


def test_adapted_models_have_rows_of_their_own(X):
    log = []
    models = {"plain": Logged(log), "full": Adaptable(log), "region": ByRegion(log)}
    scores = cross_val_reconstruct(models, X, cv=GroupKFold(2), seconds=2)
    assert scores["model"].value_counts().to_dict() == dict.fromkeys(
        ["plain", "full", "full, adapted", "region"], 10
    )
    by_model = scores.groupby("model")["r"].unique().map(list).to_dict()
    assert by_model["full, adapted"] == [0.75]
    assert by_model["full"] == [0.5]
    names = [name for name, *_ in log]
    assert names.count("adapt") == 2
    for at in np.flatnonzero(np.array(names) == "adapt"):
        _, begins, _ = log[at]
        _, rests, reference = log[at + 1]
        assert reference is None
        assert {raw.n_times for raw in begins} == {200}
        assert {raw.n_times for raw in rests} == {400}
        assert_array_equal(mf.get_subjects(begins), mf.get_subjects(rests))


def test_recordings_without_a_begin(X):
    model = {"m": Logged([])}
    with pytest.raises(ValueError, match=r"Raw of more than 9 s.*RawArray .*6\.0 s"):
        cross_val_reconstruct(model, X, cv=GroupKFold(2), seconds=9.0)
    epochs = [mne.make_fixed_length_epochs(raw, 1.0, verbose="error") for raw in X]
    with pytest.raises(ValueError, match="Expected Raw .*Epochs"):
        cross_val_reconstruct(model, epochs, cv=GroupKFold(2), seconds=0.5)


def test_too_few_subjects_for_the_folds(X):
    with pytest.raises(ValueError, match=r"4 subject\(s\), too few for 5 folds"):
        cross_val_reconstruct({"m": Logged([])}, X)


def test_unknown_baseline(X):
    scores = cross_val_reconstruct(
        {"region": make_small()}, X, cv=GroupKFold(2), seconds=2.0
    )
    with pytest.raises(ValueError, match=r"Baselines \['ridge'\] are not among"):
        summarize_reconstruction(scores, baselines=["ridge"])


def test_what_cannot_be_adapted(X):
    for model in (ByRegion([]), Published([])):
        scores = cross_val_reconstruct({"m": model}, X, cv=GroupKFold(2), seconds=2.0)
        assert set(scores["model"]) == {"m"}


@pytest.mark.filterwarnings("ignore:No subject id")
def test_groups_in_place_of_subjects(X):
    X = [raw.copy() for raw in X]
    for raw in X:
        raw.info["subject_info"] = None
    groups = np.array(["a", "b", "a", "c", "d"])
    scores = cross_val_reconstruct(
        {"region": make_small()}, X, groups=groups, cv=GroupKFold(2), seconds=2.0
    )
    assert set(scores["model"]) == {"region"}
    assert (scores["subject"] == groups[scores["recording"]]).all()
    assert set(scores["subject"]) == set("abcd")
    X[0].info["subject_info"] = {"his_id": "anna"}
    assert identities._find_subjects(X, groups).tolist() == ["anna", *groups[1:]]


def test_reconstructors_are_scored(X):
    models = {
        "small": make_small(),
        "mean": mf.baselines.MeanPrediction(identity_duration=2.0),
    }
    scores = cross_val_reconstruct(models, X, cv=GroupKFold(2), seconds=2)
    assert list(scores.columns) == COLUMNS
    assert list(dict.fromkeys(scores["model"])) == ["small", "small, adapted", "mean"]
    for _, of_one in scores.groupby("model"):
        assert sorted(zip(of_one["recording"], of_one["ch_name"], strict=True)) == [
            (index, name) for index in range(5) for name in ("A1", "B1")
        ]
    # it is what `evaluate` finds
    fold = scores[(scores["model"] == "small") & (scores["fold"] == 0)]
    test = sorted(set(fold["recording"]))
    rec = make_small().fit([raw for i, raw in enumerate(X) if i not in test])
    begins, rests = zip(*(split_begin(X[i], 2.0) for i in test), strict=True)
    expected = rec.evaluate(list(rests), reference=list(begins))
    assert_allclose(fold["r"], expected["r"])
    assert models["small"].__dict__.keys() == make_small().__dict__.keys()


# Averages


WITHOUT = [2.0 / 5, 1.5 / 4, 2.3 / 3]  # mean r without each subject
T_OF_3 = 4.302653


@pytest.fixture
def scores():
    """Two models of three subjects, with one, two and three channels."""
    subject = np.repeat(["s1", "s2", "s3"], [1, 2, 3])
    r = np.array([0.9, 0.6, 0.8, 0.1, 0.2, 0.3])
    return pd.concat(
        [
            pd.DataFrame({"model": "b", "subject": subject, "r": r, "nmse": 1 - r}),
            pd.DataFrame({"model": "a", "subject": subject, "r": r / 2, "nmse": 1.0}),
        ],
        ignore_index=True,
    )


def test_means_are_over_channels(scores):
    summary = summarize_reconstruction(scores)
    columns = ["model", "r", "low", "high", "nmse", "nmse_low", "nmse_high"]
    assert list(summary.columns) == columns
    assert summary["model"].tolist() == ["b", "a"]
    assert_allclose(summary["r"], [2.9 / 6, 1.45 / 6])
    assert_allclose(summary["nmse"], [1 - 0.45, 1.0])
    # of r without each subject; where -1 is none right, and 1 is all
    error = np.sqrt(2 / 3 * np.sum(np.square(np.subtract(WITHOUT, np.mean(WITHOUT)))))
    share = (1 + 2.9 / 6 / np.array([1, 2])) / 2
    n = share * (1 - share) / (error / np.array([2, 4])) ** 2 * (1.96 / T_OF_3) ** 2
    low = beta.ppf(0.025, n * share, n * (1 - share) + 1)
    high = beta.ppf(0.975, n * share + 1, n * (1 - share))
    assert_allclose(summary["low"], 2 * low - 1, rtol=1e-4)
    assert_allclose(summary["high"], 2 * high - 1, rtol=1e-4)


def test_measures_that_some_channels_lack(scores):
    """Recordings may be too short for a band: others count, and none is nan."""
    scores["r_envelope_beta"] = [np.nan, 0.2, 0.4, np.nan, np.nan, 0.9] * 2
    scores["coherence_delta"] = np.nan
    row = summarize_reconstruction(scores).iloc[0]
    assert row["r_envelope_beta"] == pytest.approx(0.5)
    # s1 has none: s2 alone has 0.3, s3 alone 0.9, that is pseudo-values 0.1 and 0.7
    ends = row["r_envelope_beta_high"] - 0.5, 0.5 - row["r_envelope_beta_low"]
    assert_allclose(ends, 12.7062 * 0.3, rtol=1e-4)
    columns = [f"coherence_delta{end}" for end in ("", "_low", "_high")]
    assert row[columns].isna().all()


def test_intervals_are_those_of_large_samples(scores):
    scores = pd.concat(
        [scores.assign(subject=scores["subject"] + f"-{k}") for k in range(10)]
    )
    low, high = summarize_reconstruction(scores).loc[0, ["low", "high"]]
    # by the delta method for a ratio of means, over 30 subjects
    sums, counts = np.array([0.9, 1.4, 0.6]), np.array([1, 2, 3])
    mean = sums.sum() / counts.sum()
    error = np.std(sums - mean * counts) / counts.mean() / np.sqrt(30)
    assert_allclose([low, high], [mean - 1.96 * error, mean + 1.96 * error], atol=0.03)


def test_difference_to_the_best_baseline(scores):
    more = scores[scores["model"] == "a"].assign(model="c")
    more["r"] -= 0.1
    summary = summarize_reconstruction(
        pd.concat([scores, more]), baselines=["c", "a"]
    ).set_index("model")
    assert set(summary["baseline"]) == {"a"}
    columns = ["difference", "diff_low", "diff_high"]
    assert_allclose(summary.loc["a", columns].astype(float), 0, atol=1e-12)
    # a constant difference has an interval without a width
    assert_allclose(summary.loc["c", columns].astype(float), -0.1)
    low, high = summary.loc["b", ["diff_low", "diff_high"]]
    assert (low + high) / 2 == pytest.approx(1.45 / 6)


def test_identical_subjects_leave_no_doubt(scores):
    scores["r"] = np.where(scores["model"] == "a", 0.4, 0.3)
    summary = summarize_reconstruction(scores, baselines=["b"])
    for name in ("r", "low", "high"):
        assert_allclose(summary[name], [0.3, 0.4])
    for name in ("difference", "diff_low", "diff_high"):
        assert_allclose(summary[name], [0.0, 0.1], atol=1e-12)


def test_one_subject(scores):
    with pytest.warns(RuntimeWarning, match="of one subject"):
        summary = summarize_reconstruction(scores[scores["subject"] == "s2"])
    assert_allclose(summary["r"], [0.7, 0.35])
    assert summary.filter(regex="low|high").isna().all(axis=None)


def test_median_is_that_of_channels_and_its_interval_covers():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(20):
        subject = np.repeat(np.arange(12), rng.integers(1, 8, 12))
        shift = rng.standard_normal((10, 12))[:, subject]
        values = np.exp(shift + rng.standard_normal(shift.shape))
        table = [
            pd.DataFrame({"model": str(at), "subject": subject, "r": 0.5, "nmse": row})
            for at, row in enumerate(values)
        ]
        summary = summarize_reconstruction(pd.concat(table), n_resamples=500)
        assert_allclose(summary["nmse"], np.median(values, axis=1))
        covered.append((summary["nmse_low"] <= 1) & (summary["nmse_high"] >= 1))
    assert 0.9 <= np.mean(covered) <= 0.99


def test_seed_of_the_draws(scores):
    scores = pd.concat(
        [scores.assign(subject=scores["subject"] + f"-{k}") for k in range(5)]
    )
    first, same, other = (
        summarize_reconstruction(scores, n_resamples=50, random_state=seed)
        for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(first, same)
    assert first["low"].tolist() != other["low"].tolist()
    assert first["r"].tolist() == other["r"].tolist()


@pytest.mark.parametrize("row", [0, 1, -1])
def test_not_the_same_channels(scores, row):
    with pytest.raises(ValueError, match="not scored on the same channels"):
        summarize_reconstruction(scores.drop(index=scores.index[row]))
