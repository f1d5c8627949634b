import mne
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier
from mne_funcmap.evaluation.permutation import (
    label_recordings,
    permutation_test,
    permute_regions,
)
from mne_funcmap.recordings.channels import list_channels


class Constant(BaseEstimator):
    """Says A wherever it is asked, or what it was told of the channels it reads."""

    def fit(self, X, y=None):
        self.is_fitted_ = True
        return self

    def predict(self, X):
        return [np.array(["A"] * len(raw.ch_names)) for raw in X]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "is_fitted_")


class NearestSpectrum(BaseEstimator):
    """Says the region of the training channel with the most similar spectrum."""

    def fit(self, X, y=None):
        spectra = [compute_spectra(raw) for raw in X]
        labels = [
            list(map(found.get, raw.ch_names)) for found, raw in zip(y, X, strict=True)
        ]
        self.spectra_, self.labels_ = np.vstack(spectra), np.concatenate(labels)
        return self

    def predict(self, X):
        found = [cdist(compute_spectra(raw), self.spectra_).argmin(axis=1) for raw in X]
        return [self.labels_[nearest] for nearest in found]


def compute_spectra(raw):
    power = np.abs(np.fft.rfft(raw.get_data())) ** 2
    return np.log([[part.mean() for part in np.array_split(row, 20)] for row in power])


def make_noise(n_subjects=6, n_sessions=1, regions="AABB", seed=0, own_spectrum=False):
    """White noise; or with a rhythm of its own in each channel, in all sessions."""
    rng = np.random.default_rng(seed)
    ch_names = [f"{region}{i}" for i, region in enumerate(regions)]
    times = np.arange(400) / 100
    X = []
    for subject in range(n_subjects):
        rhythm = rng.uniform(2, 35, (len(regions), 1))
        for _ in range(n_sessions):
            info = mne.create_info(ch_names, 100.0, "seeg")
            info["subject_info"] = {"his_id": f"sub-{subject}"}
            data = rng.standard_normal((len(regions), len(times)))
            if own_spectrum:
                phase = rng.uniform(0, 2 * np.pi, rhythm.shape)
                data += 5 * np.sin(2 * np.pi * rhythm * times + phase)
            raw = mne.io.RawArray(data, info, verbose="error")
            X.append(mf.set_regions(raw, {name: name[0] for name in ch_names}))
    return X


# Permutations


def test_regions_stay_with_their_subject():
    X = make_noise(3, 2, "AAABC")
    y = [{name: region for name, region in mf.get_regions(raw).items()} for raw in X]
    y[2] = {"A0": "D", "A1": "D", "C4": "E"}
    y[3] = dict(y[2])
    channels = list_channels(X, y=y)
    rng = np.random.RandomState(0)
    kept = 0
    for _ in range(20):
        regions = permute_regions(channels, rng)
        assert_array_equal(regions != None, channels.has_region)  # noqa: E711
        frame = pd.DataFrame(
            {
                "subject": channels.subject,
                "ch_name": channels.ch_name,
                "region": regions,
                "true": channels.region,
            }
        ).dropna()
        # one region in all recordings of a subject
        per_channel = frame.groupby(["subject", "ch_name"])["region"].nunique()
        assert (per_channel == 1).all()
        counts = [
            frame.groupby("subject")[name].value_counts().sort_index()
            for name in ("region", "true")
        ]
        assert_array_equal(counts[0], counts[1])
        assert counts[0].index.tolist() == counts[1].index.tolist()
        kept += (frame["region"] == frame["true"]).mean() / 20
    assert 0.2 < kept < 0.8


def test_all_permutations_are_equally_likely():
    channels = list_channels(make_noise(1, 1, "AABB"))
    rng = np.random.RandomState(0)
    found = ["".join(permute_regions(channels, rng)) for _ in range(1200)]
    names, counts = np.unique(found, return_counts=True)
    assert len(names) == 6
    assert (np.abs(counts - 200) < 60).all()


def test_subjects_are_permuted_apart():
    channels = list_channels(make_noise(2, 1, "AAAABBBB"))
    rng = np.random.RandomState(0)
    same = [
        (regions[:8] == regions[8:]).all()
        for regions in (permute_regions(channels, rng) for _ in range(50))
    ]
    assert np.mean(same) < 0.2


def test_a_channel_that_is_unknown_in_one_recording():
    X = make_noise(1, 2)
    y = [["A", "A", "B", "B"], ["A", None, "B", "B"]]
    channels = list_channels(X, y=y)
    regions = permute_regions(channels, np.random.RandomState(3))
    labels = label_recordings(channels, regions)
    assert list(labels[1]) == ["A0", "B2", "B3"]
    assert labels[1].items() <= labels[0].items()
    assert sorted(labels[0].values()) == ["A", "A", "B", "B"]


def test_labels_of_recordings_are_those_of_the_table():
    X = make_noise(2)
    channels = list_channels(X)
    assert label_recordings(channels, channels.region) == list(map(mf.get_regions, X))


# The test


def test_p_value_counts_what_is_as_good():
    """A model that always says the same is as good with all permutations."""
    score, permuted, p_value = permutation_test(
        Constant(), make_noise(), cv=GroupKFold(3), n_permutations=7
    )
    assert score == 0.5
    assert_array_equal(permuted, [0.5] * 7)
    assert p_value == 1


def test_what_can_be_told_apart_is_significant():
    X = mf.simulate_recordings(
        n_subjects=3, n_sessions=1, duration=10.0, sfreq=400.0, n_channels=2
    )
    before = [mf.get_regions(raw) for raw in X]
    model = SpectralClassifier(classifier="lda", duration=5.0)
    score, permuted, p_value = permutation_test(
        model, X, cv=GroupKFold(3), n_permutations=19
    )
    assert score > 0.7
    assert permuted.shape == (19,)
    assert abs(permuted.mean() - 0.2) < 0.1
    assert p_value == 1 / 20
    assert [mf.get_regions(raw) for raw in X] == before


@pytest.mark.parametrize("own_spectrum", [False, True])
def test_p_is_uniform_on_noise(own_spectrum):
    """Also where a channel is recognised in later sessions: it is not its region."""
    p_values = []
    for seed in range(25):
        X = make_noise(3, 2, seed=seed, own_spectrum=own_spectrum)
        *_, p_value = permutation_test(
            NearestSpectrum(),
            X,
            groups=[0, 1] * 3,
            cv=LeaveOneGroupOut(),
            n_permutations=9,
            random_state=seed,
        )
        p_values.append(p_value)
    assert np.mean(p_values) > 0.4
    assert np.mean(np.array(p_values) <= 0.2) <= 0.4


def test_a_channel_of_an_earlier_session_is_recognised():
    """Permuting the regions of single recordings would call this significant."""
    X = make_noise(3, 2, "AABBCCDD", own_spectrum=True)
    score, permuted, _ = permutation_test(
        NearestSpectrum(),
        X,
        groups=[0, 1] * 3,
        cv=LeaveOneGroupOut(),
        n_permutations=9,
    )
    assert score > 0.6
    assert permuted.min() > 0.6


def test_seed_of_permutations():
    X = make_noise(3)
    params = {"cv": GroupKFold(3), "n_permutations": 5}
    one, same, other = (
        permutation_test(NearestSpectrum(), X, random_state=seed, **params)[1]
        for seed in (0, 0, 1)
    )
    assert_array_equal(one, same)
    assert (one != other).any()


def test_wrong_channels_are_noticed():
    with pytest.raises(ValueError, match="predicts 8 channels where 4 take part"):
        permutation_test(
            Constant(), make_noise(4), picks=["A0", "B2"], cv=GroupKFold(2)
        )
