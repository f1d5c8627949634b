import numpy as np
import pytest
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import nn

import mne_funcmap as mf
from mne_funcmap.training import runtime
from mne_funcmap.training.net import TrainingNet
from mne_funcmap.training.runtime import move_if_it_fits, move_net

X, Y = torch.randn(2, 30, 4, generator=torch.Generator().manual_seed(0))


def make_net(net=TrainingNet, **params):
    torch.manual_seed(0)
    return net(
        nn.Linear,
        nn.MSELoss,
        module__in_features=4,
        module__out_features=4,
        train_split=None,
        max_epochs=3,
        batch_size=8,
        verbose=0,
        **params,
    )


@pytest.fixture
def recordings(make_coupled):
    return [make_coupled(f"sub-{i}", "ABC", duration=12.0) for i in range(4)]


@pytest.fixture(autouse=True)
def quiet_torch():
    with torch.random.fork_rng():
        yield


def test_history_is_that_of_skorch():
    columns = ("train_loss", "train_loss_best", "train_batch_count")
    ours, theirs = (make_net(net).fit(X, Y).history for net in (TrainingNet, NeuralNet))
    for column in columns:
        np.testing.assert_allclose(ours[:, column], theirs[:, column])
    for name in ("train_loss", "train_batch_size"):
        found, expected = (h[:, "batches", :, name] for h in (ours, theirs))
        np.testing.assert_allclose(found, expected)


def test_callbacks_see_the_loss_of_a_batch():
    seen = []

    class Watch(Callback):
        def on_batch_end(self, net, **kwargs):
            seen.append(net.history[-1, "batches", -1, "train_loss"])

    net = make_net(callbacks=[Watch()]).fit(X, Y)
    assert seen == [b["train_loss"] for epoch in net.history for b in epoch["batches"]]
    assert all(np.isfinite(seen))


def test_losses_are_read_once_an_epoch_on_a_gpu(monkeypatch):
    monkeypatch.setattr(TrainingNet, "_is_on_cuda", True)
    read = {"item": [], "tolist": []}
    for name, values in read.items():
        method = getattr(torch.Tensor, name)
        monkeypatch.setattr(
            torch.Tensor,
            name,
            lambda self, v=values, m=method: v.append(self) or m(self),
        )
    make_net().fit(X, Y)
    assert not any(values.requires_grad for values in read["item"])
    assert [len(values) for values in read["tolist"]] == [4, 4, 4]


@pytest.mark.parametrize(
    ("optimizer", "params", "expected"),
    [
        ("AdamW", {}, True),
        ("Adam", {"optimizer__fused": False}, False),
        ("SGD", {"optimizer__foreach": True}, None),
        ("RMSprop", {}, None),
    ],
)
def test_optimizer_is_fused_on_a_gpu(monkeypatch, optimizer, params, expected):
    monkeypatch.setattr(TrainingNet, "_is_on_cuda", True)
    net = make_net(optimizer=getattr(torch.optim, optimizer), **params)
    _, found = net.get_params_for_optimizer("optimizer", [])
    assert found.get("fused") is expected
    monkeypatch.undo()
    _, found = make_net().get_params_for_optimizer("optimizer", [])
    assert "fused" not in found


def test_net_is_moved_where_it_is_wanted(monkeypatch):
    net = make_net().initialize()
    for device in ("auto", "accelerate", "cpu"):
        assert move_net(net, device) is net
        assert net.device == net.module_.weight.device.type == "cpu"
    for device in ("quantum", "meta", "mps:7"):
        with pytest.raises(ValueError, match=f"device='{device}'"):
            move_net(net, device)
        assert net.device == net.module_.weight.device.type == "cpu"
    monkeypatch.setattr(runtime, "resolve_device", lambda device: device)
    with pytest.raises((RuntimeError, AssertionError)):  # as on a GPU without room
        move_net(net, "xpu")
    assert net.device == net.module_.weight.device.type == "cpu"
    move_net(net, "meta")
    assert net.device == net.module_.weight.device.type == "meta"


def test_fitted_models_obey_their_device(recordings):
    emb = mf.FunctionalEmbedder(4, duration=2.0, max_epochs=1).fit(recordings)
    emb.set_params(device="quantum")
    rec = mf.MaskedRegionReconstructor("region", window=0.5, max_epochs=1)
    rec.fit(recordings).set_params(device="quantum")
    for compute in (emb.transform, rec.predict, rec.transform):
        with pytest.raises(ValueError, match="device='quantum' is unknown"):
            compute(recordings)


def test_values_are_moved_if_they_fit(monkeypatch):
    moved = []
    monkeypatch.setattr(torch.Tensor, "to", lambda self, device: moved.append(device))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (X.nbytes * 2, 0))
    assert move_if_it_fits(X, "cpu") is X
    assert move_if_it_fits(X, "cuda:1") is X
    move_if_it_fits(X[:-1], "cuda:1")
    assert moved == ["cuda:1"]
