from dataclasses import replace

import mne
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier
from mne_funcmap.probes.learning_curves import (
    FewerLabels,
    FewerSeconds,
    FewerSubjects,
    probe_learning_curve,
    take_seconds,
)
from mne_funcmap.recordings.channels import list_channels


class Report(BaseEstimator):
    """Note what it was trained on and asked for."""

    seen = []

    def fit(self, X, y=None):
        channels = list_channels(X, y=y)
        of_subject = len(set(channels.subject[channels.has_region]))
        self.seen.append((of_subject, channels.has_region.sum(), X[0].n_times))
        return self

    def predict(self, X):
        self.seen.append(X[0].n_times)
        return [np.array(["GPi"] * len(raw.ch_names)) for raw in X]


@pytest.fixture(scope="module")
def recordings():
    return mf.simulate_recordings(
        n_subjects=4, n_sessions=2, duration=10.0, sfreq=400.0, n_channels=2
    )


def count_labels(channels, y):
    """Count the labelled channels of each subject and region, sessions together."""
    kept = np.array(
        [
            name in y[index]
            for index, name in zip(channels.recording, channels.ch_name, strict=True)
        ]
    )
    table = pd.DataFrame(
        {"s": channels.subject, "c": channels.ch_name, "r": channels.region}
    )[kept]
    assert (table.groupby(["s", "c"]).size() == 2).all()  # in both sessions
    return table.drop_duplicates().groupby(["s", "r"]).size().unstack(fill_value=0)


def test_labels_of_each_region(recordings):
    channels = list_channels(recordings)
    same, y = FewerLabels(3)(recordings, channels, np.random.RandomState(0))
    assert same is recordings
    assert (count_labels(channels, y).sum() == 3).all()
    _, y = FewerLabels(1, by_subject=True)(
        recordings, channels, np.random.RandomState(0)
    )
    counts = count_labels(channels, y)
    assert counts.shape == (4, 5)
    assert (counts == 1).all(axis=None)


def test_labels_are_drawn(recordings):
    channels = list_channels(recordings)
    drawn = [
        str(FewerLabels(1)(recordings, channels, np.random.RandomState(seed))[1])
        for seed in range(4)
    ]
    assert len(set(drawn)) == 4


def test_subjects_are_nested_and_whole(recordings):
    channels = list_channels(recordings)
    chosen = []
    for size in (1, 2, 3, 9):
        kept, y = FewerSubjects(size)(recordings, channels, np.random.RandomState(1))
        assert len(y) == len(kept) == 2 * min(size, 4)
        assert y[0] == mf.get_regions(kept[0])
        chosen.append(set(mf.get_subjects(kept)))
    assert chosen[0] < chosen[1] < chosen[2] < chosen[3]


def test_subjects_have_two_regions(recordings):
    channels = list_channels(recordings)
    region = channels.region.copy()
    region[channels.subject != "sub-03"] = "GPi"
    channels = replace(channels, region=region)
    for seed in range(5):
        kept, _ = FewerSubjects(1)(recordings, channels, np.random.RandomState(seed))
        assert set(mf.get_subjects(kept)) == {"sub-03"}


def test_seconds(recordings):
    raw = recordings[0]
    assert take_seconds(raw, 2.5).n_times == 1000
    assert take_seconds(raw, 99.0).n_times == raw.n_times == 4000
    np.testing.assert_array_equal(
        take_seconds(raw, 2.5).get_data(), raw.get_data()[:, :1000]
    )
    gap = raw.copy()
    gap.set_annotations(mne.Annotations(1.0, 2.0, "BAD_gap"))
    assert abs(take_seconds(gap, 2.5).n_times - 1800) <= 2
    epochs = mne.make_fixed_length_epochs(raw, 2.0, preload=True, verbose="error")
    assert [len(take_seconds(epochs, s)) for s in (0.5, 4.0, 99)] == [1, 2, 5]
    channels = list_channels(recordings)
    cut, y = FewerSeconds(3.0)(recordings, channels, None)
    assert {raw.n_times for raw in cut} == {1200}
    assert y == [mf.get_regions(raw) for raw in recordings]


@pytest.mark.filterwarnings("ignore:Scores are of one subject")
@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ("subjects", (1, 20, 4000)),
        ("channels", (1, 10, 4000)),
        ("channels-per-subject", (2, 20, 4000)),
        ("train-seconds", (2, 40, 400)),
    ],
)
def test_what_models_get(recordings, of, expected):
    Report.seen.clear()
    frame = probe_learning_curve(
        recordings, {"r": Report()}, [1], of=of, cv=[([0, 1, 2, 3], [4, 5])], n_draws=1
    )
    trained, read = Report.seen
    assert trained[1:] == expected[1:]
    assert read == 4000
    assert frame["balanced_accuracy"].tolist() == [0.2]
    assert frame["of"].tolist() == [of]


def test_seconds_of_new_subjects_train_once(recordings):
    Report.seen.clear()
    frame = probe_learning_curve(
        recordings, {"r": Report()}, [1, 5, None], of="test-seconds", cv=GroupKFold(2)
    )
    assert Report.seen == 2 * [(2, 40, 4000), 400, 2000, 4000]
    assert frame["n_draws"].tolist() == [1, 1, 1]
    assert frame["size"].isna().tolist() == [False, False, True]


def test_more_subjects_are_better(recordings):
    models = {"lda": SpectralClassifier(classifier="lda")}
    frame = probe_learning_curve(
        recordings, models, [1, 3], n_draws=3, cv=GroupKFold(4), n_resamples=50
    )
    few, many = frame["balanced_accuracy"]
    assert many > few > 0.3
    assert frame["n_subjects"].tolist() == [4, 4]
    assert (frame["low"] <= frame["balanced_accuracy"]).all()


def test_refuses(recordings):
    with pytest.raises(ValueError, match="of='hours' is unknown"):
        probe_learning_curve(recordings, {}, [1], of="hours")
    with pytest.raises(ValueError, match="positive"):
        probe_learning_curve(recordings, {}, [0])
