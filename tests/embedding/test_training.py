from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skorch.history import History

from mne_funcmap.embedding.metrics import balanced_accuracy
from mne_funcmap.embedding.readout import BalancedNeighbors
from mne_funcmap.embedding.training import (
    ReadOutScore,
    Samples,
    check_shared,
    encode_labels,
)


@pytest.mark.parametrize(
    ("auxiliary", "classes", "n_labels"),
    [(None, "abcd", 4), ("a", "bcda", 3), ("bd", "acbd", 2)],
)
def test_auxiliary_labels_come_last(auxiliary, classes, n_labels):
    y = np.array(list("dbacab"))
    marked = None if auxiliary is None else np.isin(y, list(auxiliary))
    found, codes, n_found = encode_labels(y, marked)
    assert "".join(found) == classes
    np.testing.assert_array_equal(found[codes], y)
    assert n_found == n_labels


def test_a_label_of_two_groups_is_needed():
    labels = np.array([0, 0, 1, 1])
    check_shared(labels, np.array([0, 1, 2, 2]))
    for groups in ([0, 0, 1, 1], [0, 0, 0, 0]):
        with pytest.raises(ValueError, match="across_groups"):
            check_shared(labels, np.array(groups))


def test_only_labels_that_are_not_auxiliary_are_read_out():
    labels = np.array([0, 2, 1, 3])
    samples = Samples(torch.arange(4), labels, labels, 2, False)
    features, taken = samples.take_labelled(np.array([3, 2, 1, 0]))
    assert features.tolist() == [2, 0]
    assert taken.tolist() == [1, 0]


def test_epochs_are_scored_by_what_is_held_out():
    rng = np.random.default_rng(0)
    train, valid = (
        (torch.from_numpy(rng.standard_normal((n, 2))), rng.integers(0, 2, n))
        for n in (60, 40)
    )
    history = History()
    history.new_epoch()
    history.record("train_loss", 1.0)
    net = SimpleNamespace(
        module_=torch.nn.Identity(), history=history, device="cpu", agree=float
    )
    ReadOutScore(train, valid).on_epoch_end(net)
    readout = BalancedNeighbors(random_state=0).fit(train[0].numpy(), train[1])
    expected = balanced_accuracy(valid[1], readout.predict(valid[0].numpy()))
    assert history[-1, "valid_balanced_accuracy"] == expected
    assert expected < 0.75  # of noise; it would be more on what was learned
