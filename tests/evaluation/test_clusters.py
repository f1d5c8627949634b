import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import (
    calinski_harabasz_score,
    davies_bouldin_score,
    silhouette_score,
)

from mne_funcmap.evaluation.clusters import (
    calinski_harabasz,
    davies_bouldin,
    list_components,
    measure_clusters,
    silhouette,
)

MEASURED = [
    (silhouette, silhouette_score),
    (davies_bouldin, davies_bouldin_score),
    (calinski_harabasz, calinski_harabasz_score),
]
SCORES = {theirs.__name__.removesuffix("_score"): theirs for _, theirs in MEASURED}


def make_points(n_points=30, n_clusters=4, n_components=3):
    rng = np.random.default_rng(0)
    codes = np.arange(n_points) % n_clusters
    centres = rng.standard_normal((n_clusters, n_components))
    return centres[codes] + rng.standard_normal((n_points, n_components)), codes


def make_frame(n_subjects=6, n_folds=2, *, same_subjects=False, spread=1.0):
    """Make embeddings of folds, of other subjects each or of all in each."""
    rng = np.random.default_rng(0)
    rows = []
    for fold in range(n_folds):
        for subject in range(n_subjects):
            if same_subjects or subject % n_folds == fold:
                shift = rng.standard_normal(2)
                for at, region in enumerate("ABAB"):
                    point = 3 * (region == "A") + shift + rng.standard_normal(2)
                    rows.append(
                        {
                            "model": "m",
                            "fold": fold,
                            "subject": f"sub-{subject}",
                            "ch_name": f"{region}{at}",
                            "region": region,
                            "c0": spread * point[0],
                            "c1": spread * point[1],
                        }
                    )
    return pd.DataFrame(rows)


# Measures of weighted points


@pytest.mark.parametrize(("ours", "theirs"), MEASURED)
def test_unit_weights_are_scikit_learn(ours, theirs):
    points, codes = make_points()
    found = ours(points, codes, np.ones((1, len(codes))))
    assert_allclose(found, theirs(points, codes))


@pytest.mark.parametrize(("ours", "theirs"), MEASURED)
def test_weights_repeat_points(ours, theirs):
    points, codes = make_points()
    rng = np.random.default_rng(1)
    weights = rng.integers(0, 4, (5, len(codes)))
    weights[0, codes == 2] = 0  # a cluster that is not there
    expected = [
        theirs(np.repeat(points, row, axis=0), np.repeat(codes, row)) for row in weights
    ]
    assert_allclose(ours(points, codes, weights.astype(float)), expected)


@pytest.mark.parametrize("ours", [ours for ours, _ in MEASURED])
def test_fewer_than_two_clusters_have_no_measure(ours):
    points, codes = make_points()
    weights = np.stack([codes == 1, codes < 0]).astype(float)
    assert np.isnan(ours(points, codes, weights)).all()


@pytest.mark.parametrize("ours", [ours for ours, _ in MEASURED])
def test_scale_and_shift_do_not_matter(ours):
    points, codes = make_points()
    weights = np.ones((1, len(codes)))
    moved = ours(7 * points + 3, codes, weights)
    assert_allclose(moved, ours(points, codes, weights))


# Tables


def test_measures_are_means_over_folds():
    frame = make_frame()
    row = measure_clusters(frame).iloc[0]
    for name, score in SCORES.items():
        folds = [
            score(part[["c0", "c1"]], part["region"])
            for _, part in frame.groupby("fold")
        ]
        assert row[name] == pytest.approx(np.mean(folds))
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
        middle = (row[f"{name}_low"] + row[f"{name}_high"]) / 2
        assert row[name] == pytest.approx(middle)


def test_rows_without_region_or_embedding_do_not_count():
    frame = make_frame()
    more = pd.concat(
        [
            frame,
            frame.assign(c0=np.nan),
            frame.assign(region=None),
            frame.assign(fold=9, region="A"),
            frame.assign(model="without", c0=np.nan, c1=np.nan),
        ]
    )
    pd.testing.assert_frame_equal(measure_clusters(more), measure_clusters(frame))
    assert list(measure_clusters(frame.drop(columns=["c0", "c1"]))) == ["model"]


def test_a_fold_more_of_the_same_subjects_is_no_further_evidence():
    """A subject is left out of all folds: intervals are over subjects."""
    one = make_frame(n_folds=1)
    many = pd.concat([one.assign(fold=fold) for fold in range(5)])
    pd.testing.assert_frame_equal(measure_clusters(many), measure_clusters(one))


def test_folds_of_other_subjects_are():
    one = make_frame(24, 1)
    folds = [one.assign(fold=i, subject=one["subject"] + f" of {i}") for i in range(4)]
    found = [measure_clusters(frame).iloc[0] for frame in (one, pd.concat(folds))]
    width = [row["silhouette_high"] - row["silhouette_low"] for row in found]
    assert width[0] / width[1] == pytest.approx(2, rel=0.2)


def test_interval_covers():
    """Of cohorts of one kind, nineteen in twenty intervals hold the mean."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(60):
        points = rng.standard_normal((15, 4, 2)) + rng.standard_normal((15, 1, 2))
        points[:, ::2] += 3
        frame = pd.DataFrame(points.reshape(-1, 2), columns=["c0", "c1"]).assign(
            model="m",
            fold=0,
            region=list("ABAB") * 15,
            subject=np.repeat([f"sub-{i}" for i in range(15)], 4),
        )
        found.append(measure_clusters(frame))
    found = pd.concat(found)
    for name in SCORES:
        truth = found[name].mean()
        covered = (found[f"{name}_low"] < truth) & (truth < found[f"{name}_high"])
        assert covered.mean() > 0.85


def test_intervals_are_those_of_leaving_out_subjects():
    frame = make_frame(n_folds=1)
    row = measure_clusters(frame).iloc[0]
    for name, score in SCORES.items():
        left = [
            score(part[["c0", "c1"]], part["region"])
            for part in (frame[frame["subject"] != f"sub-{i}"] for i in range(6))
        ]
        error = np.sqrt(5 / 6 * np.sum(np.square(left - np.mean(left))))
        assert row[f"{name}_high"] - row[name] == pytest.approx(
            2.5706 * error, rel=1e-4
        )


def test_one_subject_has_no_interval():
    with pytest.warns(RuntimeWarning, match="of one subject"):
        row = measure_clusters(make_frame(1, 1)).iloc[0]
    assert np.isfinite(row[list(SCORES)].astype(float)).all()
    assert row.filter(regex="low|high").isna().all()


def test_collapsed_embeddings_have_no_measure():
    row = measure_clusters(make_frame(spread=0.0)).iloc[0]
    assert row["silhouette"] == 0
    assert np.isnan(row["davies_bouldin"])
    assert np.isnan(row["calinski_harabasz"])


def test_components_are_those_that_are_numbered():
    frame = pd.DataFrame(columns=["ch_name", "c0", "c1", "c10", "chance", "c", "cx1"])
    assert list_components(frame) == ["c0", "c1", "c10"]
