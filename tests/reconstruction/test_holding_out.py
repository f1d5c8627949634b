import numpy as np
import pytest
import torch

from mne_funcmap.reconstruction.holding_out import (
    MIN_SUBJECTS,
    choose_split,
    split_studies,
    split_windows,
)
from mne_funcmap.reconstruction.studies import Study


def make_study(regions="AB", n_parts=3):
    n = len(regions)
    return Study(
        subject="sub-1",
        ch_names=np.array([f"{region}{i}" for i, region in enumerate(regions)]),
        region=np.array(list(regions)),
        identity=np.zeros((n, 1), np.float32),
        mean=np.zeros(n),
        scale=np.ones(n),
        parts=tuple((torch.zeros(n, 1, n, 1), 10.0 + i) for i in range(n_parts)),
    )


def make_groups(n_subjects, n_sessions=2):
    return np.repeat([f"sub-{i}" for i in range(n_subjects)], n_sessions)


def test_subjects_are_held_out_as_a_whole():
    groups = make_groups(MIN_SUBJECTS)
    # one that cannot be learned from is neither trained on nor held out
    studies = [make_study("A"), *[make_study() for _ in groups]]
    groups = np.array(["sub-0", *groups])
    train, valid = choose_split(studies, groups, ["A", "B"], "recordings")
    assert sorted([*train, *valid]) == list(range(1, len(studies)))
    assert set(groups[train]).isdisjoint(groups[valid])
    assert len(set(groups[valid])) == 1
    trained, held_out = split_studies(studies, (train, valid))
    assert list(map(id, trained)) == [id(studies[i]) for i in train]
    assert list(map(id, held_out)) == [id(studies[i]) for i in valid]


@pytest.mark.parametrize(
    ("n_subjects", "validation"),
    [(MIN_SUBJECTS - 1, "recordings"), (MIN_SUBJECTS, "time")],
)
def test_the_last_part_is_held_out(n_subjects, validation):
    groups = make_groups(n_subjects)
    studies = [make_study() for _ in groups]
    studies[1] = make_study(n_parts=1)
    split = choose_split(studies, groups, ["A"], validation)
    assert split == ([0, *range(2, len(groups))], None)
    train, valid = split_studies(studies, split)
    for before, whole in zip(train, valid, strict=True):
        assert [seconds for _, seconds in before.parts] == [10, 11]
        assert [seconds for _, seconds in whole.parts] == [10, 11, 12]


def test_nothing_to_hold_out():
    groups = make_groups(2)
    studies = [make_study(n_parts=1) for _ in groups]
    assert choose_split(studies, groups, ["A"], "recordings") is None
    with pytest.raises(ValueError, match="nothing to learn"):
        choose_split(studies, groups, ["C"], "recordings")


@pytest.mark.parametrize("split", [([0], [1]), ([0, 1], None)])
def test_no_window_is_in_both(split):
    windows = [torch.arange(n)[:, None, None] + 100 * n for n in (10, 3)]
    train, valid = split_windows(windows, split)
    if split[1] is None:  # a fifth at the end, one at least
        assert [*map(len, train)] == [8, 2]
        for of_one in zip(train, valid, windows, strict=True):
            assert torch.cat(of_one[:2]).equal(of_one[2])
    else:
        assert [*map(len, train), *map(len, valid)] == [10, 0, 0, 3]
    assert split_windows(windows, None) == (windows, windows)
