import mne
import numpy as np
import pytest
from scipy.signal import periodogram
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

import mne_funcmap as mf
from mne_funcmap.probes.band_power import BANDS, BandPower
from mne_funcmap.probes.decoding import center, permute_labels, probe_decoding

SFREQ = 100.0
N_SUBJECTS = 6


def make_raw(subject, strength, seed, gain=1.0, regions=("A", "A", "B")):
    """Simulate noise and an alpha rhythm in region A."""
    rng = np.random.default_rng(seed)
    times = np.arange(1000) / SFREQ
    data = rng.standard_normal((len(regions), len(times)))
    alpha = strength * np.sin(2 * np.pi * 10 * times)
    data += [alpha * (region == "A") for region in regions]
    names = [f"ch{i}" for i in range(len(regions))]
    info = mne.create_info(names, SFREQ, "seeg")
    info["subject_info"] = {"his_id": subject}
    raw = mne.io.RawArray(1e-5 * gain * data, info, verbose="error")
    return mf.set_regions(raw, dict(zip(names, regions, strict=True)))


@pytest.fixture(scope="module")
def recordings():
    """Two of weak and two of strong alpha for each subject, whose gains differ."""
    X, labels = [], []
    for subject in range(N_SUBJECTS):
        for session, strength in enumerate((0.2, 1.0, 0.2, 1.0)):
            seed, gain = 10 * subject + session, 10.0**subject
            X.append(make_raw(f"sub-{subject}", strength, seed, gain))
            labels.append("strong" if strength == 1 else "weak")
    return X, labels


class Features(TransformerMixin, BaseEstimator):
    """Return numbers that tell of a recording what was written into its description.

    None of the recordings that are described was in training, and no label is seen.
    """

    def fit(self, X, y=None):
        assert y is None
        self.seen_ = set(mf.get_subjects(X))
        return self

    def transform(self, X):
        subjects = set(mf.get_subjects(X))
        assert subjects == self.seen_ or not subjects & self.seen_
        return np.array([[float(raw.info["description"])] for raw in X])


def describe_recordings(recordings, values):
    """Write numbers into copies."""
    copies = [raw.copy() for raw in recordings]
    for raw, value in zip(copies, values, strict=True):
        raw.info["description"] = str(value)
    return copies


def test_band_power_is_plain(recordings):
    raw = recordings[0][0]
    found = BandPower().fit_transform([raw])[0]
    windows = raw.get_data().reshape(3, 5, 200)
    windows = windows - windows.mean(axis=2, keepdims=True)
    frequencies, power = periodogram(windows, SFREQ, "hann")
    logs = []
    for low, high in BANDS.values():
        inside = (frequencies >= low) & (frequencies < high)
        logs.append(np.log(power[..., inside].mean(axis=2)))
    expected = [of.mean(axis=1).mean() for of in logs]
    expected += [of.std(axis=1).mean() for of in logs]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_band_power_by_region(recordings):
    X = [recordings[0][0], recordings[0][1].copy().drop_channels("ch2")]
    pooled = BandPower(by_region=True).fit(X)
    assert pooled.regions_.tolist() == ["A", "B"]
    found = pooled.transform(X)
    only_a = [raw.copy().pick(["ch0", "ch1"]) for raw in X]
    np.testing.assert_allclose(found[:, :10], BandPower().fit_transform(only_a))
    # the second has no B: the mean in training stands for it
    np.testing.assert_allclose(found[1, 10:], found[0, 10:])
    strange = [make_raw("sub-9", 1.0, 9, regions=("C", "C"))]
    np.testing.assert_allclose(pooled.transform(strange)[0], pooled.mean_)


def test_band_power_refuses(recordings):
    slow = mf.RecordingPreprocessor(sfreq=80).transform(recordings[0][:2])
    with pytest.raises(ValueError, match="80 Hz, too low for bands up to 45 Hz"):
        BandPower().fit(slow)
    raw = recordings[0][0].copy()
    raw.set_annotations(None)
    with pytest.raises(ValueError, match="No channel of X has a region"):
        BandPower(by_region=True).fit([raw])


def test_band_power_tells_rhythms_relative_to_the_subject(recordings):
    table = probe_decoding(
        *recordings, {"band power": BandPower()}, cv=GroupKFold(3), n_permutations=19
    )
    assert table["relative"].tolist() == [False, True]
    assert table["n_subjects"].tolist() == [N_SUBJECTS] * 2
    assert set(table["chance"]) == {0.5}
    score = table["balanced_accuracy"]
    # gains differ so much that absolute power tells little
    assert score[1] > 0.9 > 0.8 > score[0]
    assert table["p_chance"][1] == 0.05


def test_score_is_that_of_scikit_learn(recordings):
    X, labels = recordings
    rng = np.random.default_rng(0)
    values = (np.array(labels) == "strong") + rng.standard_normal(len(labels))
    X = describe_recordings(X, values)
    model = KNeighborsClassifier(3)
    table = probe_decoding(
        X,
        labels,
        {"features": Features(), "same": Features()},
        classifier=model,
        baselines=["same"],
        cv=GroupKFold(3),
        n_permutations=9,
    )
    predicted = np.empty(len(X), dtype=object)
    values, labels = values[:, None], np.array(labels)
    for train, test in GroupKFold(3).split(X, groups=mf.get_subjects(X)):
        predicted[test] = model.fit(values[train], labels[train]).predict(values[test])
    expected = balanced_accuracy_score(labels, predicted.astype(str))
    plain = table[~table["relative"]]
    assert plain["balanced_accuracy"].tolist() == pytest.approx([expected] * 2)
    assert (plain["difference"] == 0).all()
    assert (table["low"] <= table["balanced_accuracy"]).all()


def test_what_tells_subjects_alone_is_at_chance(recordings):
    X, labels = recordings
    X = describe_recordings(X, np.repeat(range(N_SUBJECTS), 4))
    table = probe_decoding(
        X, labels, {"subject": Features()}, cv=GroupKFold(3), n_permutations=19
    )
    assert table["balanced_accuracy"].tolist() == [0.5, 0.5]
    assert (table["p_chance"] == 1).all()


def test_labels_are_permuted_within_subjects():
    rng = np.random.RandomState(0)
    subjects = np.array(["b", "a", "b", "a", "b", "a"])
    labels = np.array(["1", "2", "3", "4", "3", "4"])
    drawn = np.array([permute_labels(labels, subjects, rng) for _ in range(50)])
    for subject, kept in (("a", ["2", "4", "4"]), ("b", ["1", "3", "3"])):
        assert (np.sort(drawn[:, subjects == subject], axis=1) == kept).all()
    assert len(np.unique(drawn, axis=0)) == 9


def test_labels_of_subjects_are_permuted_if_each_has_one():
    rng = np.random.RandomState(0)
    subjects = np.array(["a", "a", "b", "c"])
    labels = np.array(["ill", "ill", "well", "well"])
    drawn = np.array([permute_labels(labels, subjects, rng) for _ in range(50)])
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert len(np.unique(drawn, axis=0)) == 3


def test_centred_features_have_no_mean():
    values = np.random.default_rng(0).standard_normal((5, 2))
    subjects = np.array(["a", "b", "a", "b", "b"])
    centred = center(values, subjects)
    for subject in "ab":
        rows = subjects == subject
        expected = values[rows] - values[rows].mean(axis=0)
        np.testing.assert_allclose(centred[rows], expected, atol=1e-12)


def test_learned_features(recordings):
    X, labels = (items[:8] for items in recordings)
    models = {
        "reconstructor": make_pipeline(
            mf.MaskedRegionReconstructor(
                "region", identity_duration=4.0, max_epochs=1, n_latents=4
            ),
            mf.WindowPooler(),
        ),
        "embedding": make_pipeline(
            mf.FunctionalEmbedder(max_epochs=1, duration=5.0), mf.WindowPooler()
        ),
    }
    table = probe_decoding(X, labels, models, cv=GroupKFold(2), n_permutations=1)
    assert table["model"].tolist() == ["reconstructor", "embedding"] * 2
    score = table.set_index(["model", "relative"])["balanced_accuracy"]
    assert score["reconstructor", True] > 0.8


def test_decoding_refuses(recordings):
    X, labels = recordings
    with pytest.raises(ValueError, match="one label for each"):
        probe_decoding(X, labels[1:], {"band power": BandPower()})
    with pytest.raises(ValueError, match="All recordings are 'weak'"):
        probe_decoding(X, ["weak"] * len(X), {"band power": BandPower()})


def test_real_recordings(data_dir):
    X = mf.read_recordings_bids(data_dir / "eeg-rest", region_column="region")[:20]
    X = [raw.crop(0, 30).load_data() for raw in X]
    table = probe_decoding(
        X, mf.get_sessions(X), {"band power": BandPower()}, n_permutations=1
    )
    assert table["balanced_accuracy"][1] > 0.7
