import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier
from mne_funcmap.embedding.metrics import balanced_accuracy
from mne_funcmap.probes.changed_training import number_channels, score_draws
from mne_funcmap.probes.label_noise import mislabel_channels, probe_label_noise
from mne_funcmap.recordings.channels import list_channels


class ByName(BaseEstimator):
    """Predict what a channel of this name was most often called in training."""

    def fit(self, X, y=None):
        channels = list_channels(X, y=y)
        table = pd.Series(channels.region).groupby(channels.ch_name)
        self.regions_ = table.agg(lambda of: of.mode()[0]).to_dict()
        return self

    def predict(self, X):
        return [np.array([self.regions_[name] for name in raw.ch_names]) for raw in X]


@pytest.fixture(scope="module")
def recordings():
    return mf.simulate_recordings(
        n_subjects=4, n_sessions=2, duration=10.0, sfreq=400.0, n_channels=2
    )


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_share_is_wrong_in_all_recordings_of_a_subject(recordings, share):
    channels = list_channels(recordings)
    regions = mislabel_channels(channels, share, 0)
    wrong = regions != channels.region
    assert wrong.mean() == pytest.approx(share)
    assert set(regions) <= set(channels.region)
    number = number_channels(channels)
    assert (pd.Series(regions).groupby(number).nunique() == 1).all()
    assert (pd.Series(wrong).groupby(number).nunique() == 1).all()


def test_wrong_regions_are_drawn_from_all_others(recordings):
    channels = list_channels(recordings)
    drawn = [mislabel_channels(channels, 1.0, seed) for seed in range(50)]
    counts = pd.crosstab(np.tile(channels.region, 50), np.concatenate(drawn))
    off = counts.to_numpy()[~np.eye(5, dtype=bool)]
    assert np.diag(counts).sum() == 0
    assert off.min() > 0.7 * off.mean()


def test_unknown_stays_unknown(recordings):
    y = [dict.fromkeys(["GPi1", "GPi2"], "A") | {"VO1": "B"} for _ in recordings]
    channels = list_channels(recordings, y=y)
    regions = mislabel_channels(channels, 0.5, 0)
    assert ((regions == None) == ~channels.has_region).all()  # noqa: E711


def test_one_region_cannot_be_wrong(recordings):
    y = [{"GPi1": "A"} for _ in recordings]
    with pytest.raises(ValueError, match="two regions"):
        mislabel_channels(list_channels(recordings, y=y), 0.5, 0)


def test_truth_is_scored(recordings):
    """With all regions wrong, nothing that learns them by heart is right."""
    # one training subject: of several, each name is called otherwise by each
    cv = [([0, 1], [2, 3, 4, 5, 6, 7])]
    frame = probe_label_noise(
        recordings, {"name": ByName()}, shares=(0, 0.4, 1), n_draws=4, cv=cv
    )
    np.testing.assert_allclose(frame["balanced_accuracy"], [1, 0.6, 0])
    np.testing.assert_allclose(frame["drop"], [0, 0.4, 1])
    assert frame["n_subjects"].tolist() == [3, 3, 3]
    assert frame["n_draws"].tolist() == [1, 4, 4]


def test_a_drop_that_no_subject_shows_is_not_certain(recordings):
    """But that of the first share is: it is compared with itself."""
    frame = probe_label_noise(
        recordings, {"name": ByName()}, shares=(0, 1e-3), n_draws=1, cv=GroupKFold(2)
    )
    assert frame["drop"].tolist() == [0, 0]
    largest = 1 - 0.025 ** (1 / 4)
    np.testing.assert_allclose(frame["drop_low"], [0, -largest])
    np.testing.assert_allclose(frame["drop_high"], [0, largest])


def test_segments_and_models(recordings):
    models = {name: SpectralClassifier(classifier=name) for name in ("lda", "majority")}
    frame = probe_label_noise(
        recordings,
        models | {"name": ByName()},
        shares=(0.0, 0.5),
        n_draws=2,
        cv=GroupKFold(2),
        n_resamples=50,
    )
    assert frame["model"].tolist() == [
        name for name in (*models, "name") for _ in range(2)
    ]
    read = frame.set_index(["model", "share"])
    assert read.loc["name"]["segment_accuracy"].isna().all()
    assert read.loc["majority"]["segment_accuracy"].to_list() == pytest.approx(
        [0.2] * 2
    )
    # recordings of one segment
    np.testing.assert_allclose(
        read.loc[["lda"], "segment_drop"], read.loc[["lda"], "drop"]
    )
    assert (frame["low"] <= frame["balanced_accuracy"] + 1e-12).all()


def test_share_out_of_range(recordings):
    with pytest.raises(ValueError, match="between 0 and 1"):
        probe_label_noise(recordings, {}, shares=(0, 20))


def test_scores_are_plain_means_over_draws():
    rng = np.random.default_rng(0)
    n = 300
    frame = pd.DataFrame(
        {
            "model": np.repeat(["a", "b"], n // 2),
            "draw": rng.integers(3, size=n),
            "subject": rng.choice(["s1", "s2", "s3", "s4"], n),
            "region": rng.choice(["A", "B", "C"], n, p=[0.6, 0.3, 0.1]),
            "predicted": rng.choice(["A", "B", "C"], n),
        }
    )
    conditions, scores = score_draws(frame, ["model"])
    without = 1 - np.eye(4, dtype=int)
    for model, found in zip(conditions["model"], scores, strict=True):
        of_model = frame[frame["model"] == model]
        for weights, score in zip([np.ones(4, int), *without], found, strict=True):
            names = np.repeat(["s1", "s2", "s3", "s4"], weights)
            expected = []
            for _, part in of_model.groupby("draw"):
                rows = pd.concat([part[part["subject"] == name] for name in names])
                expected.append(
                    balanced_accuracy(
                        rows["region"].to_numpy(), rows["predicted"].to_numpy()
                    )
                )
            assert score == pytest.approx(np.mean(expected))
