import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.probes.features import SpectrumTransformer
from mne_funcmap.probes.unseen_regions import (
    draw_regions,
    probe_unseen_regions,
    score_retrieval,
)
from mne_funcmap.recordings.channels import list_channels

MEASURES = ["average_precision", "precision_at_1", "auc"]


class Oracle(BaseEstimator):
    """Embed a channel by its true region, or at random; note what it was shown."""

    seen = []

    def __init__(self, knows=True):
        self.knows = knows

    def fit(self, X, y=None):
        names = {name for raw in X for name in raw.ch_names}
        regions = {region for of_one in y for region in of_one.values()}
        self.seen.append((names, regions, set(mf.get_subjects(X))))
        return self

    def transform(self, X):
        rng = np.random.default_rng(0)
        codes = {name: row for name, row in zip("GSVMI", np.eye(5), strict=True)}
        return [
            np.array([codes[name.replace("VIM", "I")[0]] for name in raw.ch_names])
            if self.knows
            else rng.standard_normal((len(raw.ch_names), 5))
            for raw in X
        ]


@pytest.fixture(scope="module")
def recordings():
    return mf.simulate_recordings(
        n_subjects=6, n_sessions=1, duration=10.0, sfreq=400.0, n_channels=2
    )


def make_queries(n_queries=20, n_candidates=15, seed=0):
    rng = np.random.default_rng(seed)
    similarity = rng.standard_normal((n_queries, n_candidates))
    same, allowed = rng.random((2, n_queries, n_candidates)) < [[[0.3]], [[0.8]]]
    return similarity, same, allowed


def test_scores_are_those_of_scikit_learn():
    similarity, same, allowed = make_queries()
    scores = score_retrieval(similarity, same, allowed)
    n_scored = 0
    for i, (row, hit, of_one) in enumerate(zip(similarity, same, allowed, strict=True)):
        truth, found = hit[of_one], row[of_one]
        if truth.all() or not truth.any():
            continue
        n_scored += 1
        expected = [
            average_precision_score(truth, found),
            float(truth[found.argmax()]),
            roc_auc_score(truth, found),
        ]
        assert [scores[name][i] for name in MEASURES] == pytest.approx(expected)
    assert n_scored > 10


def test_chance_is_the_mean_of_random_lists():
    rng = np.random.default_rng(1)
    same = np.tile(np.arange(9) < 3, (20_000, 1))
    scores = score_retrieval(rng.random(same.shape), same, np.ones_like(same))
    for name in MEASURES:
        chance = scores[f"{name}_chance"]
        assert scores[name].mean() == pytest.approx(chance[0], abs=0.01)
        assert (chance == chance[0]).all()


def test_without_both_kinds_there_is_no_score():
    same = np.array([[True, True], [False, False], [True, False]])
    scores = score_retrieval(np.ones((3, 2)), same, np.ones_like(same))
    for values in scores.values():
        assert np.isnan(values).tolist() == [True, True, False]


def test_neither_regions_nor_subjects_are_trained_on(recordings):
    Oracle.seen.clear()
    options = {"n_unseen": 2, "n_draws": 3, "cv": GroupKFold(2), "n_resamples": 20}
    probe_unseen_regions(recordings, {"oracle": Oracle()}, **options)
    channels = list_channels(recordings)
    draws = draw_regions(channels, 2, 3, 0)
    assert len(set(draws)) > 1
    assert len(Oracle.seen) == 6
    for (names, regions, subjects), unseen in zip(
        Oracle.seen, [draw for draw in draws for _ in range(2)], strict=True
    ):
        assert len(regions) == 3
        assert not regions & set(unseen)
        assert not any(name.startswith(unseen) for name in names)
        assert len(subjects) == 3


def test_best_and_chance(recordings):
    models = {"oracle": Oracle(), "random": Oracle(knows=False)}
    frame = probe_unseen_regions(
        recordings, models, n_unseen=2, n_draws=10, cv=GroupKFold(2), n_resamples=200
    )
    assert frame["measure"].tolist() == 2 * MEASURES
    oracle, by_chance = (frame[frame["model"] == name] for name in models)
    np.testing.assert_allclose(oracle["score"], 1)
    np.testing.assert_allclose(by_chance["score"], by_chance["chance"], atol=0.1)
    # two unseen regions, two others with two channels of each
    assert by_chance["chance"].to_numpy()[1:].tolist() == [0.5, 0.5]
    assert set(frame["n_queries"]) == {10 * 6 * 4}
    assert set(frame["n_subjects"]) == {6}
    pd.testing.assert_series_equal(
        frame["n_draws"], pd.Series([10] * 6, name="n_draws")
    )


def test_features_are_scaled_by_training(recordings):
    features = SpectrumTransformer("rich").fit(recordings[:3])
    trained = np.concatenate(features.transform(recordings[:3]))
    np.testing.assert_allclose(trained.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(trained.std(axis=0), 1, rtol=1e-4)
    (other,) = features.transform(recordings[3:4])
    assert other.shape == (10, trained.shape[1])
    assert abs(other.mean()) > 1e-4


def test_regions_are_in_two_subjects(recordings):
    y = [{"GPi1": f"only {i}", "GPi2": "A", "VO1": "B"} for i in range(6)]
    channels = list_channels(recordings, y=y)
    assert set(draw_regions(channels, 2, 5, 0)) == {("A", "B")}
    with pytest.raises(ValueError, match="n_unseen is 3"):
        draw_regions(channels, 3, 5, 0)


def test_nobody_to_find(recordings):
    with pytest.raises(ValueError, match="Use fewer folds"):
        probe_unseen_regions(
            recordings, {"o": Oracle()}, n_unseen=2, n_draws=1, cv=GroupKFold(6)
        )
