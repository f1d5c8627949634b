import numpy as np
import pytest
import torch
from skorch.dataset import Dataset
from torch import nn

from mne_funcmap.embedding.training import (
    BalancedBatches,
    Samples,
    choose_n_epochs,
    hold_out,
)
from mne_funcmap.nets.embedding import Embedding
from mne_funcmap.training.runtime import (
    apply_in_chunks,
    average,
    draw_seed,
    resolve_device,
    seeded_torch,
)


def make_batches(labels, groups=None, *, batch_size=64, seed=0):
    """Make batches of segments that hold their own row number."""
    labels = np.asarray(labels)
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    rows = torch.arange(len(labels))[:, None]
    dataset = Dataset(rows, torch.from_numpy(labels))
    return BalancedBatches(dataset, batch_size=batch_size, groups=groups, seed=seed)


def draw_rows(batches, n_passes=1):
    return np.concatenate(
        [rows.numpy().ravel() for _ in range(n_passes) for rows, _ in batches]
    )


LABELS = np.repeat([0, 1, 2], [300, 30, 3])


def test_labels_come_equally_often_as_far_as_they_go():
    for rows, labels in make_batches(LABELS):
        np.testing.assert_array_equal(labels, LABELS[rows[:, 0]])
        assert np.bincount(labels).tolist() == [21, 21, 3]
        assert len(rows.unique()) == len(rows)


def test_groups_count_as_the_root_of_their_size():
    # large groups, so that what was drawn before hardly matters; 32 of each label
    labels = np.repeat([0, 0, 1, 1], [9000, 1000, 4000, 4000])
    groups = np.repeat([0, 1, 1, 2], [9000, 1000, 4000, 4000])
    shuffled = np.random.default_rng(0).permutation(len(labels))
    labels, groups = labels[shuffled], groups[shuffled]
    rows = draw_rows(make_batches(labels, groups))
    for label, expected in ((0, [0.75, 0.25, 0.0]), (1, [0.0, 0.5, 0.5])):
        drawn = groups[rows[labels[rows] == label]]
        shares = np.bincount(drawn, minlength=3) / len(drawn)
        np.testing.assert_allclose(shares, expected, atol=0.02)


def test_every_segment_is_drawn():
    rows = draw_rows(make_batches(LABELS), n_passes=20)
    np.testing.assert_array_equal(np.unique(rows), np.arange(len(LABELS)))


def test_batches_are_seeded():
    first, second, other = (draw_rows(make_batches(LABELS, seed=s)) for s in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_passes_differ():
    batches = make_batches(LABELS)
    assert (draw_rows(batches) != draw_rows(batches)).any()


def test_more_labels_than_fit_in_a_batch():
    labels = np.repeat(np.arange(500), 3)
    batches = make_batches(labels, batch_size=64)
    seen = set()
    for _, drawn in batches:
        found, counts = np.unique(drawn.numpy(), return_counts=True)
        assert len(found) >= 2
        assert (counts == counts[0]).all()
        assert len(drawn) <= 64
        seen |= set(found)
    assert len(seen) > 250


@pytest.mark.parametrize("n_segments", [4, 200, 3000])
def test_length_of_a_pass(n_segments):
    batches = make_batches(np.arange(n_segments) % 2)
    assert len(batches) == len(list(batches)) >= 10
    assert len(draw_rows(batches)) >= 0.95 * n_segments


def make_groups():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), rng.integers(5, 40, 10))
    return rng.integers(0, 3, len(groups)), groups


def test_whole_groups_are_held_out():
    labels, groups = make_groups()
    train, valid = hold_out(labels, groups)
    assert set(groups[train]).isdisjoint(groups[valid])
    assert len(train) + len(valid) == len(labels)
    assert len(np.unique(groups[valid])) == 2
    for one, other in zip((train, valid), hold_out(labels, groups), strict=True):
        np.testing.assert_array_equal(one, other)


def test_held_out_labels_occur_in_training():
    labels, groups = make_groups()
    labels[groups == groups[hold_out(labels, groups)[1][0]]] = 7
    train, valid = hold_out(labels, groups)
    assert set(labels[valid]) <= set(labels[train])


def test_auxiliary_labels_have_a_batch_of_their_own():
    labels = np.repeat(np.arange(2 + 30), [50, 10] + [4] * 30)
    dataset = Dataset(torch.zeros(len(labels), 1), torch.from_numpy(labels))
    batches = BalancedBatches(
        dataset, batch_size=80, groups=np.zeros_like(labels), seed=0, n_labels=2
    )
    seen = set()
    for _, drawn in batches:
        codes, sizes = np.unique(drawn.numpy(), return_counts=True)
        # forty of each label as far as there are, and five times four of the others
        assert dict(zip(codes[:2], sizes[:2], strict=True)) == {0: 40, 1: 10}
        assert sizes[2:].tolist() == [4] * 5
        seen |= set(codes.tolist())
    assert seen == set(range(32))


def test_samples_are_taken_without_gaps():
    labels = np.array([0, 2, 2, 3, 5, 5])
    samples = Samples(torch.arange(6), labels, labels * 10, 3, False)
    assert (samples.n_labelled, samples.n_auxiliary) == (3, 3)
    taken = samples.take(np.array([1, 2, 4]))
    assert taken.labels.tolist() == [0, 0, 1]
    assert taken.groups.tolist() == [20, 20, 50]
    assert taken.features.tolist() == [1, 2, 4]
    assert (taken.n_labels, taken.n_labelled, taken.n_auxiliary) == (1, 2, 1)
    assert samples.take(np.array([0, 3])).n_labels == 1  # 3 is the first auxiliary one


def test_nothing_to_hold_out():
    labels, groups = make_groups()
    assert hold_out(labels, groups % 4) is None
    assert hold_out(groups, groups) is None
    assert hold_out(np.zeros_like(labels), groups) is None


def test_seeded_torch_leaves_no_trace():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeded_torch(0):
        first = torch.rand(3)
    torch.testing.assert_close(torch.rand(3), expected)
    with seeded_torch(0):
        torch.testing.assert_close(torch.rand(3), first)


def test_seeded_torch_leaves_no_trace_after_an_error():
    state = torch.get_rng_state()

    def fail():
        with seeded_torch(0):
            torch.rand(3)
            raise KeyError

    pytest.raises(KeyError, fail)
    assert (torch.get_rng_state() == state).all()


def test_resolve_device(monkeypatch):
    assert resolve_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == "cpu"
    assert resolve_device("cpu:3") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == "cuda"


@pytest.mark.parametrize("device", ["cuda:99", "mps:7", "xpu", "meta"])
def test_device_that_is_not_there(device):
    """Whatever torch raises, the CPU is named, and nothing of torch's insides."""
    expected = (
        rf"device='{device}' was asked for, but torch (finds|cannot) .*'auto' or 'cpu'"
    )
    with pytest.raises(ValueError, match=expected):
        resolve_device(device)


@pytest.mark.parametrize("device", ["gpu", "", "quantum"])
def test_unknown_device(device):
    with pytest.raises(ValueError, match=f"device='{device}' is unknown"):
        resolve_device(device)


class Plain(nn.Module):
    """An encoder that takes no parameter and has no front end."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, segments):
        return self.scale * segments[:, :3]


def test_embedding_of_a_plain_module():
    segments = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    on_sphere = Embedding(Plain, n_times=8, n_components=3).embed(segments)
    torch.testing.assert_close(on_sphere.norm(dim=1), torch.ones(5))
    off_sphere = Embedding(Plain, 8, 3, on_sphere=False).embed(segments)
    torch.testing.assert_close(off_sphere, segments[:, :3])


@pytest.mark.parametrize("n_segments", [1, 6, 7])
def test_apply_in_chunks(n_segments):
    values = np.arange(2.0 * n_segments).reshape(n_segments, 2)
    sums = apply_in_chunks(lambda x: x.sum(dim=1), values, device="cpu", chunk=3)
    np.testing.assert_array_equal(sums, values.sum(axis=1))


def test_average():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((50, 3)).astype(np.float32)
    unit = rng.permutation(np.arange(50) % 4)
    expected = [values[unit == u].mean(axis=0) for u in range(4)]
    means = average(torch.from_numpy(values), unit)
    assert means.dtype == torch.float32
    np.testing.assert_allclose(means, expected, rtol=1e-5, atol=1e-6)
    each = average(torch.from_numpy(values), np.arange(50))
    np.testing.assert_array_equal(each, values)


@pytest.mark.parametrize(
    ("scores", "n_groups", "expected"),
    [
        ([0.5, 0.9, 0.7], 10_000, 2),
        ([0.5, 0.9, 0.7, 0.9], 10_000, 4),
        # the standard error of 0.9 in 100 is 0.03
        ([0.5, 0.9, 0.88, 0.86], 100, 3),
        ([0.5, 0.9, 0.7, 0.86], 20, 4),
        ([1.0, 1.0, 0.99], 10, 2),
        ([0.0, 0.0], 10, 2),
        ([0.3], 10, 1),
    ],
)
def test_choose_n_epochs(scores, n_groups, expected):
    assert choose_n_epochs(scores, n_groups) == expected


def test_draw_seed():
    assert draw_seed(3) == draw_seed(3) != draw_seed(4)
    generator = np.random.RandomState(3)
    assert draw_seed(generator) == draw_seed(3)
    assert draw_seed(generator) != draw_seed(3)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    assert draw_seed(None) != draw_seed(None)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
