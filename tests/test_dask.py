"""Folds, permutations and preprocessing on a cluster give what one process gives."""

from functools import partial
from threading import Thread

import joblib
import mne
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, cross_val_score

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier
from mne_funcmap.baselines.reconstructors import MeanPrediction, PooledRidge
from mne_funcmap.evaluation.permutation import permutation_test

distributed = pytest.importorskip("distributed")
CV = GroupKFold(2)
LDA = SpectralClassifier(classifier="lda")


@pytest.fixture(scope="module")
def on_cluster():
    """Run a function with dask as the backend of joblib."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
    ):
        yield run_on_dask


def run_on_dask(function, **options):
    results = []

    def run():
        with joblib.parallel_config("dask", **options):
            results.append(function())

    # a cluster that waits for ever must not keep the other tests waiting
    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(timeout=120)
    (result,) = results
    return result


@pytest.fixture(scope="module")
def recordings():
    return mf.simulate_recordings(
        n_subjects=4, n_sessions=1, n_channels=2, duration=20.0
    )


@pytest.fixture
def count_pickled(monkeypatch):
    """Count how often a recording is pickled here, in a list."""
    counted = []

    def reduce(self, protocol):
        counted.append(self)
        return object.__reduce_ex__(self, protocol)

    monkeypatch.setattr(mne.io.RawArray, "__reduce_ex__", reduce)
    return counted


def test_compare_embedders(on_cluster, recordings):
    def compare():
        models = {"embedding": mf.FunctionalEmbedder(4, max_epochs=1), "lda": LDA}
        return mf.compare_embedders(recordings, models, cv=CV, n_resamples=9)

    for expected, found in zip(compare(), on_cluster(compare), strict=True):
        pd.testing.assert_frame_equal(found, expected, rtol=1e-4, atol=1e-3)


def test_compare_identities(on_cluster, X):
    def compare():
        models = {"ridge": PooledRidge(), "mean": MeanPrediction()}
        return mf.compare_identities(X, [], models=models, cv=CV, n_resamples=9)

    for expected, found in zip(compare(), on_cluster(compare), strict=True):
        pd.testing.assert_frame_equal(found, expected, rtol=1e-4)


def test_recordings_are_sent_once(on_cluster, recordings, count_pickled):
    def test():
        return permutation_test(LDA, recordings, cv=CV, n_permutations=3)

    score, permuted, p = test()
    found = on_cluster(test)
    assert found[0] == pytest.approx(score)
    np.testing.assert_allclose(found[1], permuted)
    assert found[2] == p
    # there were eight tasks
    assert len(count_pickled) == len(recordings)


def test_parts_of_a_task_are_no_tasks(on_cluster, recordings):
    def count_tasks():
        client = distributed.get_client()
        found = client.run(lambda dask_worker: dask_worker.state.executed_count)
        return sum(found.values())

    before = count_tasks()
    models = {"embedding": mf.FunctionalEmbedder(4, max_epochs=1)}
    on_cluster(
        lambda: mf.compare_embedders(
            recordings, models, cv=CV, baselines=[], n_resamples=9
        )
    )
    assert count_tasks() - before <= 2


def test_cross_val_score(on_cluster, recordings, count_pickled):
    def score(n_folds):
        groups, cv = mf.get_subjects(recordings), GroupKFold(n_folds)
        return cross_val_score(LDA, recordings, groups=groups, cv=cv)

    # scikit-learn sends the list with every task, unless it is there already
    counts = [0]
    for n_folds in (2, 4):
        found = on_cluster(partial(score, n_folds), scatter=[recordings])
        np.testing.assert_allclose(found, score(n_folds))
        counts.append(len(count_pickled))
    assert counts[2] == 2 * counts[1]


def test_preprocessing(on_cluster, recordings):
    def preprocess():
        step = mf.RecordingPreprocessor(l_freq=1.0, h_freq=50.0, sfreq=200.0)
        return step.fit_transform(recordings)

    for expected, found in zip(preprocess(), on_cluster(preprocess), strict=True):
        np.testing.assert_allclose(found.get_data(), expected.get_data(), atol=1e-12)
