import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, wilcoxon
from sklearn.base import BaseEstimator
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier, UntrainedEmbedder
from mne_funcmap.embedding.metrics import balanced_accuracy
from mne_funcmap.evaluation import cross_val_regions, summarize
from mne_funcmap.evaluation.folds import split_recordings

REGIONS = np.array(["A", "B", "C"])


class Remember(BaseEstimator):
    """Predict the subjects that were trained on."""

    def fit(self, X, y=None):
        self.seen_ = "+".join(sorted(set(mf.get_subjects(X))))
        return self

    def predict(self, X):
        return [np.array([self.seen_] * len(raw.ch_names)) for raw in X]


def make_predictions(models=("a", "b"), n_subjects=8, seed=0):
    """Draw predictions; C occurs in one subject only."""
    rng = np.random.default_rng(seed)
    n = 12 * n_subjects
    subject = np.repeat([f"sub-{i}" for i in range(n_subjects)], 12)
    region = rng.choice(REGIONS[:2], n)
    region[:6] = "C"
    frames = [
        pd.DataFrame(
            {
                "model": model,
                "fold": 0,
                "subject": subject,
                "recording": 0,
                "ch_name": [f"ch{i}" for i in range(n)],
                "region": region,
                "predicted": np.where(
                    rng.random(n) < skill, region, rng.choice(REGIONS, n)
                ),
            }
        )
        for model, skill in zip(models, (0.3, 0.6, 0.5), strict=False)
    ]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def recordings():
    return mf.simulate_recordings(
        n_subjects=4, n_sessions=2, duration=10.0, sfreq=400.0, n_channels=2
    )


def test_every_channel_once_and_never_trained_on(recordings):
    frame = cross_val_regions({"memory": Remember()}, recordings, cv=GroupKFold(4))
    channels = frame[["recording", "ch_name"]]
    assert len(frame) == 8 * 10
    assert not channels.duplicated().any()
    for row in frame.itertuples():
        assert row.subject not in row.predicted.split("+")
        assert len(row.predicted.split("+")) == 3


def test_groups_and_cv_can_be_given(recordings):
    groups = [0, 1] * 4
    frame = cross_val_regions(
        {"memory": Remember()}, recordings, groups=groups, cv=LeaveOneGroupOut()
    )
    assert (frame["fold"] == frame["recording"] % 2).all()


def test_y_instead_of_annotations(recordings):
    y = [["A", "B"] * 5] * 7 + [["A", None] * 5]
    frame = cross_val_regions({"memory": Remember()}, recordings, y=y, cv=GroupKFold(2))
    assert len(frame) == 8 * 10 - 5
    assert set(frame["region"]) == {"A", "B"}


def test_parallel_is_the_same(recordings, tmp_path):
    models = {name: SpectralClassifier(classifier=name) for name in ("lda", "majority")}
    models["embedding"] = mf.FunctionalEmbedder(8, max_epochs=1)
    one, parallel, kept = (
        cross_val_regions(models, recordings, cv=GroupKFold(2), n_jobs=n, memory=memory)
        for n, memory in [(1, None), (2, str(tmp_path)), (1, str(tmp_path))]
    )
    # with another number of threads sums are rounded otherwise
    pd.testing.assert_frame_equal(one, parallel, atol=1e-5)
    pd.testing.assert_frame_equal(one, kept, atol=1e-5)
    assert list(one["model"].unique()) == ["lda", "majority", "embedding"]


def test_shuffled_labels_are_at_chance(recordings):
    rng = np.random.default_rng(0)
    models = {"lda": SpectralClassifier(classifier="lda")}
    scores = []
    for _ in range(8):
        y = [rng.permutation(list(mf.get_regions(raw).values())) for raw in recordings]
        frame = cross_val_regions(models, recordings, y=y, cv=GroupKFold(2))
        scores.append(summarize(frame, n_resamples=10)["balanced_accuracy"][0])
    assert abs(np.mean(scores) - 0.2) < 0.08


def test_segments_are_counted(recordings):
    """Also of channels that are called alike in several recordings."""
    model = SpectralClassifier(classifier="lda", duration=2.5)
    y = [dict(mf.get_regions(raw)) for raw in recordings]
    del y[1]["GPi1"]
    frame = cross_val_regions({"lda": model}, recordings, y=y, cv=GroupKFold(2))
    assert (frame["n_segments"] == 4).all()
    for fold, (train, test) in enumerate(
        split_recordings(recordings, cv=GroupKFold(2))
    ):
        model.fit([recordings[i] for i in train], [y[i] for i in train])
        segments = model.predict_segments([recordings[i] for i in test])
        of_fold = frame[frame["fold"] == fold]
        assert set(of_fold["recording"]) == set(test)
        for row in of_fold.itertuples():
            place = list(test).index(row.recording)
            own = segments[
                (segments["recording"] == place) & (segments["ch_name"] == row.ch_name)
            ]
            assert row.n_segments == len(own)
            assert row.n_segments_right == (own["predicted"] == row.region).sum()
    # they are scored as channels are, in one pool
    shares = frame.groupby("region")[["n_segments_right", "n_segments"]].sum()
    expected = (shares["n_segments_right"] / shares["n_segments"]).mean()
    summary = summarize(frame, n_resamples=50)
    assert summary["segment_accuracy"][0] == pytest.approx(expected)
    assert summary["segment_low"][0] <= expected <= summary["segment_high"][0]


def test_segments_of_models_may_differ_in_length(recordings):
    models = {
        name: SpectralClassifier(classifier="lda", duration=duration)
        for name, duration in {"long": 5.0, "short": 2.5}.items()
    }
    options = {"cv": GroupKFold(2), "n_resamples": 50}
    _, together = mf.compare_embedders(recordings, models, **options)
    for row, (name, model) in enumerate(models.items()):
        _, alone = mf.compare_embedders(recordings, {name: model}, **options)
        for end in ("accuracy", "low", "high"):
            assert together[f"segment_{end}"][row] == alone[f"segment_{end}"][0]


def test_what_a_model_cannot_do_is_missing(recordings):
    models = {
        "memory": Remember(),
        "lda": SpectralClassifier(classifier="lda"),
        "untrained": UntrainedEmbedder(8),
    }
    frame, summary = mf.compare_embedders(
        recordings, models, cv=GroupKFold(2), n_resamples=50
    )
    known = frame.groupby("model")[["n_segments", "c7"]].count()
    assert known.loc["memory"].tolist() == [0, 0]
    assert known.loc["lda"].tolist() == [80, 0]
    assert known.loc["untrained"].tolist() == [80, 80]
    summary = summary.set_index("model")
    assert list(summary.index) == list(models)
    assert summary["segment_accuracy"].isna().tolist() == [True, False, False]
    assert summary["silhouette_high"].isna().tolist() == [True, True, False]
    assert set(summary["baseline"]) == {"lda"}
    assert set(summary["majority"]) == {0.2}
    assert summary.loc["memory", ["accuracy", "balanced_accuracy"]].tolist() == [0, 0]
    assert "c0" not in cross_val_regions(
        {"a": Remember()}, recordings, cv=GroupKFold(2)
    )


def test_embeddings_are_those_of_the_fold(recordings):
    model = UntrainedEmbedder(4, random_state=3)
    frame = cross_val_regions({"m": model}, recordings, cv=GroupKFold(4))
    for index in (0, 3):
        rows = frame[frame["recording"] == index]
        subject = mf.get_subjects(recordings)[index]
        train = [raw for raw in recordings if mf.get_subjects([raw])[0] != subject]
        expected = model.fit(train).transform([recordings[index]])[0]
        found = rows[["c0", "c1", "c2", "c3"]]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert rows["ch_name"].tolist() == recordings[index].ch_names


@pytest.mark.parametrize("cut", [mf.cut_blocks, mf.cut_channels])
def test_parts_of_recordings(recordings, cut):
    parts, groups = cut(recordings, 2)
    model = SpectralClassifier(classifier="lda", duration=4.0)
    frame, summary = mf.compare_embedders(
        parts, {"lda": model}, groups=groups, cv=LeaveOneGroupOut(), n_resamples=20
    )
    assert (frame["fold"] == groups[frame["recording"]]).all()
    assert set(frame["subject"]) == set(mf.get_subjects(recordings))
    n_times = 2 if cut is mf.cut_blocks else 1
    assert len(frame) == n_times * 80
    assert summary["balanced_accuracy"][0] > 0.6


def test_subjects_are_tested_by_shares_of_which_regions_count_equally():
    frame = make_predictions(("a", "b"))
    summary = summarize(frame, baselines=["a"], n_resamples=10)
    correct = frame["region"] == frame["predicted"]
    weight = frame["region"].map(1 / frame["region"].value_counts())
    sums = pd.DataFrame({"right": correct * weight, "total": weight})
    sums = sums.groupby([frame["model"], frame["subject"]]).sum()
    share = sums["right"] / sums["total"]
    difference = np.round(share["b"] - share["a"], 12)
    expected = wilcoxon(difference, zero_method="pratt").pvalue
    assert summary["p_value"][1] == pytest.approx(expected)
    assert np.isnan(summary["p_value"][0])


def test_too_few_subjects(recordings):
    with pytest.raises(ValueError, match=r"4 subject\(s\), too few for 5 folds"):
        cross_val_regions({"memory": Remember()}, recordings)


def test_wrong_channels_are_noticed(recordings):
    picks = ["GPi1"]
    with pytest.raises(ValueError, match="'memory' predicts .* picks"):
        cross_val_regions(
            {"memory": Remember()}, recordings, picks=picks, cv=GroupKFold(2)
        )


def test_summary_is_plain_formulas():
    frame = make_predictions(("a", "b", "c"))
    summary = summarize(frame, baselines=["a", "b"], n_resamples=100)
    expected = {
        model: balanced_accuracy_score(part["region"], part["predicted"])
        for model, part in frame.groupby("model")
    }
    scores = summary.set_index("model")["balanced_accuracy"]
    assert scores.to_dict() == pytest.approx(expected)
    best = max("ab", key=expected.get)
    assert set(summary["baseline"]) == {best}
    difference = summary.set_index("model")["difference"].to_dict()
    assert difference == pytest.approx(
        {model: score - expected[best] for model, score in expected.items()}
    )
    assert set(summary["chance"]) == {1 / 3}


def test_intervals_are_those_of_a_plain_loop():
    frame = make_predictions()
    summary = summarize(frame, baselines=["a"])
    subjects = sorted(frame["subject"].unique())
    scores = {"a": [], "b": []}
    for left_out in (None, *subjects):
        for model, rows in frame[frame["subject"] != left_out].groupby("model"):
            scores[model].append(
                balanced_accuracy(rows["region"], rows["predicted"].to_numpy())
            )
    for name, (score, *others) in (
        (["low", "high"], np.array([scores["a"], scores["b"]])[1]),
        (["diff_low", "diff_high"], np.subtract(scores["b"], scores["a"])),
    ):
        error = np.std(others) * np.sqrt(7)
        # of eight subjects, by Student's t
        expected = score + np.array([-2.3646, 2.3646]) * error
        if name[0] == "low":
            # by the binomial distribution with the same standard error
            n = score * (1 - score) / error**2 * (1.96 / 2.3646) ** 2
            right, wrong = n * score, n * (1 - score)
            expected = beta.ppf([0.025, 0.975], [right, right + 1], [wrong + 1, wrong])
        np.testing.assert_allclose(summary.loc[1, name].astype(float), expected, 1e-4)


def test_interval_covers():
    """Of data sets with a known score, nineteen in twenty intervals cover it."""
    covered = []
    for seed in range(100):
        frame = make_predictions(("a",), n_subjects=30, seed=seed)
        frame = frame[frame["region"] != "C"]
        row = summarize(frame, n_resamples=200).iloc[0]
        covered.append(row.low <= 0.3 + 0.7 / 3 <= row.high)
    assert 0.85 <= np.mean(covered) <= 1


def test_summary_refuses():
    frame = make_predictions()
    with pytest.raises(ValueError, match="not among the models"):
        summarize(frame, baselines=["lda"])
    with pytest.raises(ValueError, match="not scored on the same channels"):
        summarize(frame.iloc[:-1])
    assert "difference" not in summarize(frame, n_resamples=10)


def test_rare_regions_count_as_much_in_the_test():
    """Nine channels of A and one of B; b tells B, and some of A."""
    region, n_right = ["A"] * 9 + ["B"], (5, 6, 7, 8, 9, 9)
    rows = [
        (model, f"sub-{i}", one, one if right else "C")
        for i, n in enumerate(n_right)
        for model, found in (("a", [1] * 9 + [0]), ("b", [1] * n + [0] * (9 - n) + [1]))
        for one, right in zip(region, found, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["model", "subject", "region", "predicted"])
    summary = summarize(frame, baselines=["a"], n_resamples=10)
    assert summary["p_value"][1] == pytest.approx(2 / 2**6)  # all are better by b
    assert summary["majority"].tolist() == [0.9, 0.9]
