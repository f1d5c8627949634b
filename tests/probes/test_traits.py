import zlib

import numpy as np
import pandas as pd
import pytest
from scipy.stats import special_ortho_group
from sklearn.base import BaseEstimator
from sklearn.metrics import silhouette_score
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.evaluation.folds import make_folds
from mne_funcmap.probes.alignment import align_folds, embed_aligned
from mne_funcmap.probes.traits import (
    _find_p,
    _measure_clusters,
    describe_subjects,
    probe_trait,
    read_trait,
)
from mne_funcmap.recordings.channels import list_channels

CV = GroupKFold(3)


def draw(*names):
    """Draw a vector that depends on names alone."""
    return np.random.default_rng(zlib.crc32(repr(names).encode())).standard_normal(5)


class Told(BaseEstimator):
    """Embeddings of regions and traits, turned differently by every training."""

    def __init__(self, traits=None, turned=True):
        self.traits = traits
        self.turned = turned

    def fit(self, X, y=None):
        seed = zlib.crc32("".join(mf.get_subjects(X)).encode())
        turn = special_ortho_group(5, seed=seed).rvs()
        self.rotation_ = turn if self.turned else np.eye(5)
        return self

    def transform(self, X):
        return [self.embed(raw) @ self.rotation_ for raw in X]

    def embed(self, raw):
        subject = raw.info["subject_info"]["his_id"]
        trait = (self.traits or {}).get(subject)
        shift = 0 if trait is None else draw("trait", trait)
        return np.array(
            [
                draw(region) + shift + 0.2 * draw(subject, name)
                for name, region in mf.get_regions(raw).items()
            ]
        )


@pytest.fixture(scope="module")
def recordings(make_coupled):
    return [
        make_coupled(f"sub-{i:02d}", "ABC", n_channels=2, duration=2.0)
        for i in range(12)
    ]


@pytest.fixture(scope="module")
def traits():
    return {f"sub-{i:02d}": "ill" if i % 3 else "well" for i in range(12)}


def probe(recordings, traits, models, **params):
    params = {"cv": CV, "n_permutations": 39, "n_resamples": 200} | params
    return probe_trait(recordings, traits, models, **params).set_index("model")


def test_trait_is_read_where_it_is_told(recordings, traits):
    frame = probe(recordings, traits, {"told": Told(traits), "hidden": Told()})
    told, hidden = frame.loc["told"], frame.loc["hidden"]
    assert told["balanced_accuracy"] == pytest.approx(1)
    assert told["p_value"] == told["silhouette_p_value"] == 1 / 40
    assert hidden["p_value"] > 0.05
    assert hidden["balanced_accuracy"] < 0.85
    assert hidden["silhouette_p_value"] > 0.05
    assert hidden["silhouette_region"] > 0.5 > hidden["silhouette_trait"]
    assert (frame["low"] <= frame["balanced_accuracy"]).all()
    assert set(frame["chance"]) == {0.5}
    assert set(frame["n_subjects"]) == {12}


def test_folds_are_turned_onto_one_another(recordings, traits):
    """Only the rotation differs, so that it is found exactly."""
    folds, channels = make_folds(recordings, cv=CV), list_channels(recordings)
    models = {"turned": Told(traits), "straight": Told(traits, turned=False)}
    found = embed_aligned(models, folds, channels)
    distances = [
        np.linalg.norm(Z[:, None] - Z, axis=2)
        for Z in (found["turned"], found["straight"])
    ]
    np.testing.assert_allclose(*distances, atol=1e-5)


def test_channels_held_out_do_not_enter_the_rotation(recordings):
    channels = list_channels(recordings)
    splits = list(CV.split(recordings, groups=mf.get_subjects(recordings)))
    rng = np.random.default_rng(0)
    values = [rng.standard_normal((len(channels.ch_name), 5)) for _ in splits]
    expected = align_folds(values, splits, channels)
    test = splits[1][1]
    rows = np.isin(channels.recording, test)
    changed = [Z.copy() for Z in values]
    changed[1][rows] *= 2
    found = align_folds(changed, splits, channels)
    np.testing.assert_allclose(found[~rows], expected[~rows])
    np.testing.assert_allclose(found[rows], 2 * expected[rows])


def test_what_was_implanted_does_not_describe_a_subject():
    rng = np.random.default_rng(0)
    region = np.array(["A"] * 5 + ["B"] * 5 + ["A"] * 2 + ["B"] * 8)
    owner = np.repeat([0, 1], 10)
    values = np.where(region == "A", 1.0, 5.0)[:, None] + np.zeros(3)
    np.testing.assert_allclose(describe_subjects(values, region, owner), 0, atol=1e-12)
    values = rng.standard_normal((20, 3))
    means = {name: values[region == name].mean(axis=0) for name in "AB"}
    expected = [
        np.mean(
            [
                values[(owner == subject) & (region == name)].mean(axis=0) - means[name]
                for name in "AB"
            ],
            axis=0,
        )
        for subject in (0, 1)
    ]
    np.testing.assert_allclose(describe_subjects(values, region, owner), expected)


def test_silhouettes_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    values, owner = rng.standard_normal((30, 4)), np.repeat(np.arange(6), 5)
    region = rng.choice(["A", "B"], 30)
    trait = np.array(["x", "x", "y", "y", "x", "y"])
    found = _measure_clusters(values, region, owner, [trait, trait])
    assert found["silhouette_trait"] == pytest.approx(
        silhouette_score(values, trait[owner])
    )
    assert found["silhouette_region"] == pytest.approx(silhouette_score(values, region))
    assert found["silhouette_p_value"] == 1


def test_p_value_counts_the_data():
    assert _find_p([3.0, 1.0, 2.0, 3.0, 4.0]) == 3 / 5


def test_p_values_of_no_trait_are_uniform(recordings):
    rng = np.random.default_rng(0)
    subjects = sorted(set(mf.get_subjects(recordings)))
    p_values = []
    for seed in range(10):
        values = rng.permutation(["ill"] * 6 + ["well"] * 6)
        frame = probe(
            recordings,
            dict(zip(subjects, values, strict=True)),
            {"hidden": Told()},
            n_permutations=9,
            n_resamples=1,
            random_state=seed,
        )
        p_values.append(frame["p_value"].iloc[0])
    assert np.mean(np.array(p_values) <= 0.3) < 0.75


def test_subjects_without_a_value_are_not_read(recordings, traits):
    known = {name: value for name, value in traits.items() if name > "sub-03"}
    frame = probe(recordings, known | {"sub-99": "ill"}, {"told": Told(traits)})
    assert set(frame["n_subjects"]) == {8}


def test_read_trait(tmp_path):
    table = pd.DataFrame(
        {"participant_id": ["sub-1", "sub-2"], "sex": ["F", None], "age": [1, 2]}
    )
    path = tmp_path / "participants.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    assert read_trait(tmp_path, "sex") == read_trait(path, "sex") == {"sub-1": "F"}
    assert read_trait(tmp_path, "age") == {"sub-1": "1", "sub-2": "2"}
    with pytest.raises(ValueError, match="no column 'hand': it has participant_id"):
        read_trait(tmp_path, "hand")


def test_refuses(recordings, traits):
    models = {"told": Told(traits)}
    with pytest.raises(ValueError, match=r"two values .* got \{'ill': 12\}"):
        probe(recordings, dict.fromkeys(traits, "ill"), models)
    with pytest.raises(ValueError, match="two subjects of X"):
        probe(recordings, traits | {"sub-00": "rare"}, models)
    with pytest.raises(ValueError, match="no training recording in common"):
        probe(recordings, traits, models, cv=GroupKFold(2))
    with pytest.raises(ValueError, match="hold out every recording once"):
        probe(recordings, traits, models, cv=[(np.arange(6), np.arange(6, 12))])


def test_sex_of_real_patients(data_dir):
    sex = read_trait(data_dir / "ieeg-atlas", "sex")
    assert set(sex.values()) == {"F", "M"}
    assert next(iter(sex)).startswith("sub-")
    assert read_trait(data_dir / "eeg-rest", "sex") == {}
