from dataclasses import replace

import numpy as np
import pytest
import torch

from mne_funcmap.reconstruction.studies import Study
from mne_funcmap.reconstruction.withholding import (
    WithheldBatches,
    WithheldRegions,
    collate_recordings,
    list_withheld,
)

N_FILTERS = 3


def make_study(regions, seed=0):
    """A recording of so many channels, with random identities and moments."""
    rng = np.random.default_rng(seed)
    n = len(regions)
    moments = torch.from_numpy(rng.standard_normal((n, N_FILTERS, n, N_FILTERS)))
    return Study(
        subject=f"sub-{seed}",
        ch_names=np.array([f"{region}{i}" for i, region in enumerate(regions)]),
        region=np.array(list(regions)),
        identity=rng.standard_normal((n, 2)).astype(np.float32),
        mean=np.zeros(n),
        scale=np.ones(n),
        parts=((moments, 10.0),),
    )


@pytest.fixture
def studies():
    return [
        make_study(regions, seed)
        for seed, regions in enumerate(["AABBB", "AA", "BAC", "CB"])
    ]


@pytest.mark.parametrize(
    ("regions", "targets", "expected"),
    [("AABB", "ABC", "AB"), ("AAB", "B", "B"), ("AA", "A", ""), ("AB", "C", "")],
)
def test_regions_that_can_be_withheld(regions, targets, expected):
    assert "".join(list_withheld(make_study(regions), targets)) == expected


def test_recordings_and_their_regions(studies):
    found = WithheldRegions(studies, "ABC").items
    assert found == [(0, ["A", "B"]), (2, ["A", "B", "C"]), (3, ["B", "C"])]
    assert WithheldRegions(studies, "C").items == [(2, ["C"]), (3, ["C"])]
    assert WithheldRegions(studies, "ABC").count_channels().tolist() == [5, 3, 2]


def test_what_is_withheld(studies):
    given, truth = WithheldRegions(studies, "ABC")[0]
    np.testing.assert_array_equal(given["identity"], studies[0].identity)
    assert given["is_source"].int().tolist() == [[0, 0, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert given["targets"].tolist() == [[0, 1, 0], [2, 3, 4]]
    assert truth["counts"].int().tolist() == [[1, 1, 0], [1, 1, 1]]
    assert truth["moments"] is studies[0].parts[0][0]
    assert "asked" not in given


def test_views_are_drawn_anew():
    study = make_study("AAB")
    study = replace(study, views=tuple(study.identity + i for i in (10, 20, 30)))
    drawn = WithheldRegions([study], "AB", seed=0)
    seen = [drawn[0][0]["identity"].numpy() - study.identity for _ in range(50)]
    assert {round(float(one[0, 0])) for one in seen} == {10, 20, 30}
    given, _ = WithheldRegions([study], "AB")[0]
    np.testing.assert_array_equal(given["identity"], study.identity)


def test_asked_by_region(studies):
    queries = {region: np.full(2, k) for k, region in enumerate("ABC")}
    given, _ = WithheldRegions(studies, "ABC", queries)[1]
    assert given["asked"].tolist() == [[[0, 0]], [[1, 1]], [[2, 2]]]
    np.testing.assert_array_equal(given["identity"], studies[2].identity)


def test_collate(studies):
    data = WithheldRegions(studies, "ABC")
    given, truth = collate_recordings([data[0], data[1]])
    assert given["identity"].shape == (2, 5, 2)
    assert given["is_source"].shape == (2, 3, 5)
    assert given["targets"].shape == truth["counts"].shape == (2, 3, 3)
    for i, item in enumerate((0, 1)):
        for batch, alone in zip((given, truth), data[item], strict=True):
            for name, values in alone.items():
                inside = tuple(slice(n) for n in values.shape)
                np.testing.assert_array_equal(batch[name][i][inside], values)
    # padding is no source, and does not count
    assert not given["is_source"][0, 2].any()
    assert not given["is_source"][1, :, 3:].any()
    assert truth["counts"].sum(dim=(1, 2)).tolist() == [5, 3]


def test_batches(studies):
    data = WithheldRegions(studies, "ABC")
    batches = list(WithheldBatches(data, batch_size=2))
    assert [len(given["identity"]) for given, _ in batches] == [2, 1]
    # the smallest come first
    assert [given["identity"].shape[1] for given, _ in batches] == [3, 5]
    iterator = WithheldBatches(data, batch_size=2, seed=0)
    assert len(iterator) == WithheldBatches.count(3, 2) == len(list(iterator)) == 10
    sizes = [len(given["identity"]) for given, _ in iterator]
    assert sum(sizes) == 5 * 3
    assert [WithheldBatches.count(n, 8) for n in (1, 8, 9, 65, 800)] == [
        *[10, 10, 10, 18, 100]
    ]
    orders = [
        [
            given["identity"].sum().item()
            for given, _ in WithheldBatches(data, batch_size=1, seed=seed)
        ]
        for seed in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]
