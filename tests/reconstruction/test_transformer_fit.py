import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from mne_funcmap.nets.attention import decode, drop, encode, gather_sources
from mne_funcmap.nets.mixing import LinearPath
from mne_funcmap.nets.reconstruction import (
    MixedTransformer,
    RegionTransformer,
    ResidualTransformer,
    WindowLoss,
    encode_time,
)
from mne_funcmap.reconstruction import transformer_fit
from mne_funcmap.reconstruction.settings import Settings
from mne_funcmap.reconstruction.studies import Study
from mne_funcmap.reconstruction.transformer_fit import (
    WithheldWindows,
    score_windows,
    train_transformer,
)
from mne_funcmap.training.runtime import seeded_torch

SMALL = {"n_dim": 8, "n_heads": 2, "n_layers": 1, "n_forward": 16}
N_IDENTITY, N_LATENTS, SFREQ = 3, 4, 100.0


def make_transformer(n_times=10, **params):
    with seeded_torch(0):
        net = RegionTransformer(
            n_identity=N_IDENTITY, sfreq=SFREQ, n_times=n_times, **SMALL | params
        )
    return net.eval()


def make_mixed(n_times=10):
    settings = {
        "n_identity": N_IDENTITY,
        "n_latents": N_LATENTS,
        "sfreq": SFREQ,
        "n_times": n_times,
    }
    with seeded_torch(0):
        return MixedTransformer(LinearPath(**settings), **settings, **SMALL)


def make_given(n=2, n_channels=5, n_times=10, targets=(1, 3), seed=0):
    """Return what transformers are given: windows of which two channels are asked."""
    rng = torch.Generator().manual_seed(seed)
    targets = torch.tensor(targets).expand(n, -1)
    return {
        "windows": torch.randn(n, n_channels, n_times, generator=rng),
        "identity": torch.randn(n, n_channels, N_IDENTITY, generator=rng),
        "is_source": torch.ones(n, n_channels).bool().scatter(1, targets, False),
        "targets": targets,
        "counts": torch.ones(targets.shape).bool(),
    }


def predict(net, **given):
    with torch.no_grad():
        return net(**given).numpy()


def make_both(n_times=10):
    """Both transformers, the last layer of the residual drawn at random."""
    mixed = make_mixed(n_times).eval()
    with seeded_torch(1):
        nn.init.normal_(mixed.residual.head.weight)
    return {"transformer": make_transformer(n_times), "mixed": mixed}


@pytest.fixture(scope="module", params=["transformer", "mixed"])
def net(request):
    return make_both()[request.param]


@pytest.fixture
def studies():
    """Three channels in two regions, and four in three."""
    rng = np.random.default_rng(0)
    return [
        Study(
            subject=f"sub-{i}",
            ch_names=np.array([f"{i}{k}" for k in range(len(region))]),
            region=np.array(list(region)),
            identity=rng.standard_normal((len(region), N_IDENTITY)).astype("float32"),
            mean=np.zeros(len(region)),
            scale=np.ones(len(region)),
        )
        for i, region in enumerate(["ABA", "CABC"])
    ]


@pytest.fixture
def windows(studies):
    rng = torch.Generator().manual_seed(1)
    sizes = [len(study.region) for study in studies]
    return [
        torch.randn(n, size, 10, generator=rng)
        for n, size in zip((2, 5), sizes, strict=True)
    ]


# What the transformers make of a batch


def test_shape(net):
    assert predict(net, **make_given()).shape == (2, 2, 10)


@pytest.mark.parametrize("targets", [(1, 3), (0, 1, 2, 4)])
def test_float32_is_float64(net, targets):
    given = make_given(n=4, targets=targets)
    doubled = {k: v.double() if v.is_floating_point() else v for k, v in given.items()}
    # what is returned is float32 in any case
    expected = predict(copy.deepcopy(net).double(), **doubled)
    assert_allclose(predict(net, **given), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("n_times", [1, 2, 3, 7, 11, 26])
def test_any_number_of_samples(n_times):
    """A patch is of 2 samples, or of 5 beside the linear path."""
    for net in make_both(n_times).values():
        given = make_given(n_times=n_times)
        expected = predict(net, **given)
        assert expected.shape == (2, 2, n_times)
        # the last sample is looked at
        given["windows"][:, 0, -1] += 1
        assert not np.allclose(predict(net, **given), expected)


def test_equivariant_to_channel_order(net):
    given = make_given()
    expected = predict(net, **given)
    order = torch.tensor([3, 0, 4, 1, 2])
    permuted = {
        name: given[name][:, order] for name in ("windows", "identity", "is_source")
    }
    place = torch.argsort(order)
    found = predict(net, **given | permuted | {"targets": place[given["targets"]]})
    assert_allclose(found, expected, atol=1e-5)
    # targets asked in another order are answered in that order
    swapped = predict(net, **given | {"targets": given["targets"].flip(1)})
    assert_allclose(swapped, expected[:, ::-1], atol=1e-5)


def test_channels_differ(net):
    """The tests of order and padding would hold for a net that looks at nothing."""
    given = make_given()
    expected = predict(net, **given)
    assert not np.allclose(expected[:, 0], expected[:, 1], atol=1e-3)
    for name in ("windows", "identity"):
        other = make_given(seed=1)[name]
        assert not np.allclose(predict(net, **given | {name: other}), expected, 1e-2)
    fewer = given["is_source"].clone()
    fewer[:, 0] = False
    found = predict(net, **given | {"is_source": fewer})
    assert not np.allclose(found, expected, atol=1e-3)


def test_padding_has_no_influence(net):
    given = make_given()
    expected = predict(net, **given)
    more = torch.full((2, 3, 1), 7.0)
    padded = {
        "windows": torch.cat([given["windows"], more.expand(-1, -1, 10)], dim=1),
        "identity": torch.cat([given["identity"], more.expand(-1, -1, 3)], dim=1),
        "is_source": torch.cat([given["is_source"], more[..., 0] < 0], dim=1),
    }
    assert_allclose(predict(net, **given | padded), expected, atol=1e-5)
    # targets that are padding
    asked = {
        "targets": torch.cat([given["targets"], torch.zeros(2, 1).long()], dim=1),
        "counts": torch.tensor([[True, True, False]] * 2),
    }
    found = predict(net, **given | asked)[:, :2]
    assert_allclose(found, expected, atol=1e-5)


def test_windows_of_a_batch_do_not_influence_one_another(net):
    given = make_given()
    expected = predict(net, **given)
    for item in range(2):
        alone = {name: values[item : item + 1] for name, values in given.items()}
        assert_allclose(predict(net, **alone)[0], expected[item], atol=1e-5)


def test_windows_of_one_recording_beside_another(net):
    """Signals differ from window to window, and what is told of channels may not."""
    given = make_given(n=4)
    for name in ("identity", "is_source", "targets"):
        given[name] = given[name][[1, 0, 1, 1]]
    given["is_source"][3, 0] = False
    expected = predict(net, **given)
    for item in range(4):
        alone = {name: values[item : item + 1] for name, values in given.items()}
        assert_allclose(predict(net, **alone)[0], expected[item], atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 1e3, "noise"])
def test_withheld_signals_have_no_influence(net, value):
    given = make_given()
    expected = predict(net, **given)
    withheld = ~given["is_source"]
    other = make_given(seed=5)["windows"] if value == "noise" else value
    changed = torch.where(withheld[..., None], other, given["windows"])
    found = predict(net, **given | {"windows": changed})
    assert_allclose(found, expected, atol=1e-6)


def test_features_are_means_over_sources():
    net = make_transformer()
    given = make_given()
    asked = {name: given[name] for name in ("windows", "identity", "is_source")}
    with torch.no_grad():
        features = net.encode(**asked)
        sources = [values[:, [0, 2, 4]] for values in asked.values()]
        alone = net.encode(*sources)
        hidden = ~sources[2].repeat_interleave(5, dim=1)
        assert not hidden.any()
        tokens = net._encode(sources[0], net.identity(sources[1]), sources[2])[0]
    assert features.shape == (2, 8)
    assert_allclose(features, alone, atol=1e-5)
    assert_allclose(alone, tokens.mean(dim=1), atol=1e-6)


def test_size_is_that_of_the_paper():
    net = RegionTransformer(n_identity=32, sfreq=1000.0, n_times=1000)
    n_weights = sum(values.numel() for values in net.parameters())
    assert 1.2e6 < n_weights < 1.4e6
    assert net.patch.kernel_size == (25,)
    assert net.base.shape == (40, 128)


def test_attention_weights_are_kept_in_training():
    for net in make_both().values():
        given = make_given()
        expected = predict(net.eval(), **given)
        assert not np.allclose(predict(net.train(), **given), expected, atol=1e-3)
        for layer in net.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
        assert_allclose(predict(net, **given), expected, atol=1e-6)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.2, 0.5, 1.0])
def test_drop(p):
    dropout, values = nn.Dropout(p), torch.full((401, 251), 3.0, requires_grad=True)
    with seeded_torch(0):
        found = drop(values, dropout)
    kept = found != 0
    # four standard deviations of the share
    assert kept.float().mean().item() == pytest.approx(
        1 - p, abs=4 * (p * (1 - p) / kept.numel()) ** 0.5
    )
    for axis in (0, 1):  # neither rows nor columns share their draws
        spread = kept.float().mean(dim=axis).std().item()
        expected = (p * (1 - p) / kept.shape[axis]) ** 0.5
        assert spread == pytest.approx(expected, rel=0.25)
    if p < 1:
        assert_allclose(found[kept].detach(), 3 / (1 - p), rtol=1e-6)
        found.sum().backward()
        assert_allclose(values.grad, kept / (1 - p), rtol=1e-6)
    assert_array_equal(drop(values, dropout.eval()).detach(), values.detach())
    with seeded_torch(0):
        assert_array_equal((drop(values, dropout.train()) != 0), kept)


def make_tokens(n_tokens, seed):
    return torch.randn(3, n_tokens, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("padded", [False, True])
def test_layers_compute_what_those_of_torch_do(padded):
    net = make_transformer(n_layers=2)
    sources, queries = make_tokens(7, seed=0), make_tokens(4, seed=1)
    shown, asked = torch.ones(3, 7).bool(), torch.ones(3, 4).bool()
    if padded:
        shown[1, 5:], shown[2, :3], asked[0, 3:] = False, False, False
    masks = [seen[:, None, None] if padded else None for seen in (asked, shown)]
    with torch.no_grad():
        memory = net.encoder(sources, src_key_padding_mask=~shown)
        expected = net.decoder(
            queries,
            memory,
            tgt_key_padding_mask=~asked,
            memory_key_padding_mask=~shown,
        )
        encoded = encode(net.encoder, sources, masks[1])
        decoded = decode(net.decoder, queries, encoded, *masks)
    assert_allclose(encoded[shown], memory[shown], atol=1e-5)
    assert_allclose(decoded[asked], expected[asked], atol=1e-5)


def test_sources_are_gathered_in_order():
    is_source = torch.tensor([[0, 1, 1, 0, 1], [1, 0, 0, 0, 1], [0, 0, 0, 1, 0]]).bool()
    rows, shown = gather_sources(is_source)
    assert rows.shape == (3, 3)
    assert [r[s].tolist() for r, s in zip(rows, shown, strict=True)] == [
        [1, 2, 4],
        [0, 4],
        [3],
    ]


def test_tokens_equal_those_of_the_layers_one_by_one():
    net, given = make_transformer(n_times=9), make_given(n_times=9)
    padded = nn.functional.pad(given["windows"], (0, 1))
    with torch.no_grad():
        patches = net.patch(padded.flatten(0, 1)[:, None]).mT.unflatten(0, (2, 5))
        place = net.identity(given["identity"])[:, :, None].expand_as(patches)
        fused = net.fuse(torch.cat([patches, place], dim=-1))
        tokens = net.norm(fused + net.mark[0] + net.time)[:, [0, 2, 4]].flatten(1, 2)
        expected = encode(net.encoder, tokens)
        given = given["windows"], net.identity(given["identity"]), given["is_source"]
        encoded, shown = net._encode(*given)
    assert shown.all()
    assert_allclose(encoded, expected, atol=1e-5)


def test_time_is_encoded_by_sines():
    found = encode_time(50, 6)
    assert found.shape == (50, 6)
    place = np.arange(50)
    for k in range(3):
        angle = place / 10_000 ** (2 * k / 6)
        assert_allclose(found[:, 2 * k], np.sin(angle), atol=1e-5)
        assert_allclose(found[:, 2 * k + 1], np.cos(angle), atol=1e-5)


# Beside the linear path


def test_the_residual_starts_at_zero():
    net = make_mixed().residual.train()
    rng = torch.Generator().manual_seed(0)
    given = (
        torch.randn(2, N_LATENTS, 10, generator=rng),
        torch.randn(2, 3, 10, generator=rng),
        torch.randn(2, 3, N_IDENTITY, generator=rng),
    )
    residual = net(*given)
    assert residual.shape == (2, 3, 10)
    assert_array_equal(residual.detach(), np.zeros((2, 3, 10)))
    # it can leave zero
    residual.sum().backward()
    assert net.head.weight.grad.abs().sum() > 0


def test_mixed_starts_as_the_linear_path():
    net = make_mixed().train()
    given = make_given()
    weights = net.linear(given["identity"], given["is_source"], given["targets"])
    expected = net.linear.combine(given["windows"], weights)
    assert expected.abs().mean() > 1e-3
    assert_allclose(net(**given).detach(), expected.detach(), atol=1e-6)


def test_the_linear_path_is_not_trained(studies, windows):
    net = make_mixed().train()
    assert not net.linear.training
    assert net.residual.training
    predicted = net(**make_given())
    predicted.square().sum().backward()
    assert all(values.grad is None for values in net.linear.parameters())
    assert net.residual.head.weight.grad.abs().sum() > 0

    before = {name: v.clone() for name, v in net.linear.state_dict().items()}
    data = WithheldWindows(studies, windows, "ABC")
    params = {
        "linear": net.linear,
        "n_identity": N_IDENTITY,
        "n_latents": N_LATENTS,
        "sfreq": SFREQ,
        "n_times": 10,
    }
    found = fit(MixedTransformer, params | SMALL, data, max_epochs=2)
    for name, values in found.module_.linear.state_dict().items():
        assert_array_equal(values, before[name])
    assert found.module_.residual.head.weight.abs().sum() > 0


# The loss


def test_loss():
    rng = np.random.default_rng(0)
    predicted, true = rng.standard_normal((2, 3, 2, 20))
    predicted += 2 + 0.5 * true
    counts = np.array([[True, False], [True, True], [False, False]])
    p, y = predicted[counts], true[counts]
    r = [np.corrcoef(*pair)[0, 1] for pair in zip(p, y, strict=True)]
    truth = {"windows": torch.tensor(true), "counts": torch.tensor(counts)}
    for loss, weight in [
        (WindowLoss(), 0.05),
        (WindowLoss(0.0), 0),
        (WindowLoss(2), 2),
    ]:
        expected = np.mean((p - y) ** 2) + weight * np.mean(1 - np.array(r))
        assert loss(torch.tensor(predicted), truth).item() == pytest.approx(expected)


def test_padding_targets_do_not_count_in_the_loss():
    given = torch.randn(2, 2, 10, generator=torch.Generator().manual_seed(0))
    truth = {
        "windows": given + 0.5,
        "counts": torch.tensor([[True, False], [True, True]]),
    }
    predicted = given.clone()
    predicted[0, 1] = 1e6
    predicted.requires_grad_()
    loss = WindowLoss()(predicted, truth)
    assert loss.item() == pytest.approx(0.25, abs=1e-5)
    loss.backward()
    assert_array_equal(predicted.grad[0, 1], np.zeros(10))
    assert (predicted.grad[1] != 0).all()


def test_loss_in_float32_and_its_gradient():
    rng = torch.Generator().manual_seed(0)
    predicted, true = torch.randn(2, 3, 2, 20, generator=rng, dtype=torch.float64)
    counts = torch.tensor([[True, False], [True, True], [True, True]])
    truth = {"windows": true, "counts": counts}
    predicted.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: WindowLoss()(p, truth), predicted)
    exact = WindowLoss()(predicted, truth).item()
    truth = {"windows": true.float(), "counts": counts}
    found = WindowLoss()(predicted.float(), truth)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(exact, rel=1e-6)


def test_loss_of_flat_predictions_is_finite():
    predicted = torch.zeros(1, 1, 10, requires_grad=True)
    truth = {"windows": torch.ones(1, 1, 10), "counts": torch.ones(1, 1).bool()}
    loss = WindowLoss()(predicted, truth)
    loss.backward()
    assert loss.item() == pytest.approx(1.05)
    assert torch.isfinite(predicted.grad).all()


# Windows of which a region is withheld


def test_collate(studies, windows):
    data = WithheldWindows(studies, windows, "ABC")
    assert len(data) == 7
    # regions are taken in turn: A of the first recording, then C of the second
    given, truth = data.collate([data[0], data[5]])
    first, second = windows[0][0], windows[1][3]
    assert given["targets"].tolist() == [[0, 2], [0, 3]]
    assert given["counts"].tolist() == [[True, True]] * 2
    assert given["is_source"].tolist() == [
        [False, True, False, False],
        [False, True, True, False],
    ]
    assert_array_equal(truth["windows"], np.stack([first[[0, 2]], second[[0, 3]]]))
    expected = np.zeros((2, 4, 10))
    expected[0, 1], expected[1, 1:3] = first[1].numpy(), second[1:3].numpy()
    assert_array_equal(given["windows"], expected)
    assert_array_equal(given["identity"][0, :3], studies[0].identity)
    assert_array_equal(given["identity"][1], studies[1].identity)

    # B is one channel, which leaves a target that is padding
    given, truth = data.collate([data[0], data[1]])
    assert given["counts"].tolist() == [[True, True], [True, False]]
    assert given["targets"][1, 0] == 1
    assert given["is_source"][1].tolist() == [True, False, True]
    assert_array_equal(truth["counts"], given["counts"])
    assert_array_equal(truth["windows"][1, 0], windows[0][1, 1])


def test_collate_asked_by_region(studies, windows):
    queries = {region: np.full(3, k, "float32") for k, region in enumerate("ABC")}
    data = WithheldWindows(studies, windows, "ABC", queries)
    _, identity, is_target = data[0]
    assert is_target.tolist() == [True, False, True]
    assert_array_equal(identity[is_target], np.zeros((2, 3)))
    assert_array_equal(identity[1], studies[0].identity[1])
    _, identity, is_target = data[5]
    assert_array_equal(identity[is_target], np.full((2, 3), 2))


def test_only_target_regions_are_withheld(studies, windows):
    data = WithheldWindows(studies, windows, ["C"])
    assert len(data) == len(windows[1])
    assert all(data[i][2].tolist() == [True, False, False, True] for i in range(5))


def test_drawn_anew(studies, windows):
    def draw(data):
        return ["".join("01"[int(t)] for t in data[2][2]) for _ in range(40)]

    found = draw(WithheldWindows(studies, windows, "ABC", seed=0))
    assert set(found) == {"1001", "0100", "0010"}
    assert found == draw(WithheldWindows(studies, windows, "ABC", seed=0))
    assert found != draw(WithheldWindows(studies, windows, "ABC", seed=1))
    assert len(set(draw(WithheldWindows(studies, windows, "ABC")))) == 1


# Training


class Scripted(nn.Module):
    """Predicts a part of the mean of sources, in the same way for every target."""

    def forward(self, windows, identity, is_source, targets, counts):
        n_sources = is_source.sum(dim=1)[:, None, None]
        mean = windows.sum(dim=1, keepdim=True) / n_sources
        return mean.expand(-1, targets.shape[1], -1) + 0.1


class FakeNet:
    batch_size, device = 2, "cpu"
    module_ = Scripted()


def test_scores_equal_numpy(studies, windows):
    data = WithheldWindows(studies, windows, "ABC")
    p, y = [], []
    for item in range(len(data)):
        values, _, is_target = data[item]
        values, is_target = values.numpy(), is_target.numpy()
        n_targets = is_target.sum()
        p += [np.tile(values[~is_target].mean(axis=0) + 0.1, n_targets)]
        y += [values[is_target].ravel()]
    p, y = np.concatenate(p), np.concatenate(y)
    nmse, r = score_windows(FakeNet(), data)
    assert nmse == pytest.approx(np.sum((p - y) ** 2) / np.sum(y**2), rel=1e-5)
    assert r == pytest.approx(p @ y / np.sqrt((p @ p) * (y @ y)), rel=1e-4)


def fit(module, params, data, *, patience=99, net_params=None, seed=0, **recipe):
    recipe = {"batch_size": 4, "lr": 1e-2, "weight_decay": 0.0} | recipe
    settings = Settings(
        n_identity=N_IDENTITY,
        sfreq=SFREQ,
        n_times=10,
        n_latents=N_LATENTS,
        recipe=recipe,
        patience=patience,
        callbacks=[],
        net_params=net_params or {},
        device="cpu",
        precision="float32",
        seed=seed,
    )
    return train_transformer(module, params, data, data, settings)


@pytest.fixture
def coupled_data(studies):
    """Windows of which every channel is one sine, of either sign by its identity."""
    rng = np.random.default_rng(0)
    times, windows = np.arange(10) / 10, []
    for study in studies:
        phase = rng.uniform(0, 2 * np.pi, (24, 1, 1))
        sign = np.array([{"A": 1, "B": -1, "C": 1}[r] for r in study.region])
        study.identity[:] = 0
        study.identity[:, 0] = sign
        sine = np.sqrt(2) * np.sin(2 * np.pi * times + phase)
        windows.append(torch.tensor(sine * sign[:, None]).float())
    return WithheldWindows(studies, windows, "ABC")


def test_transformer_learns(coupled_data):
    params = {"n_identity": N_IDENTITY, "sfreq": SFREQ, "n_times": 10, "dropout": 0.0}
    params |= SMALL | {"n_dim": 16}
    net = fit(RegionTransformer, params, coupled_data, max_epochs=25)
    nmse, r = score_windows(net, coupled_data)
    assert nmse < 0.3
    assert r > 0.8
    # the best epoch is kept
    assert nmse == pytest.approx(min(net.history[:, "valid_nmse"]), rel=1e-5)
    # it holds no data
    assert net.callbacks is None
    assert net.iterator_train__collate_fn is None


def test_transformer_learns_what_the_linear_path_leaves(studies):
    """B is A without its sign, which no filter can make of it."""
    study = studies[0].take(["00", "01"])
    phase = np.random.default_rng(0).uniform(0, 2 * np.pi, (200, 1))
    sine = np.sin(2 * np.pi * np.arange(10) / 10 + phase)
    pair = np.stack([sine, np.abs(sine)], axis=1)
    pair = (pair - pair.mean(axis=(0, 2))[:, None]) / pair.std(axis=(0, 2))[:, None]
    data = WithheldWindows([study], [torch.from_numpy(pair).float()], "B")
    params = {"n_identity": N_IDENTITY, "n_latents": N_LATENTS, "sfreq": SFREQ}
    params |= {"n_times": 10, "linear": make_mixed().linear, "dropout": 0.0}
    params |= SMALL | {"n_dim": 32, "n_forward": 64}
    before = copy.deepcopy(params["linear"].state_dict())
    recipe = {"max_epochs": 6, "max_windows": 200, "batch_size": 8, "lr": 5e-3}
    net = fit(MixedTransformer, params, data, **recipe)
    assert score_windows(net, data)[1] > 0.8
    # which itself is not trained
    for name, values in net.module_.linear.state_dict().items():
        assert_array_equal(values, before[name])


def test_every_region_is_scored(studies, monkeypatch):
    monkeypatch.setattr(transformer_fit, "MAX_VALIDATION", 20)
    windows = [torch.ones(90, len(studies[0].region), 10), torch.ones(0, 4, 10)]
    data = WithheldWindows(studies, windows, "ABC")  # 2 regions in turn
    asked = []

    class Asked(Scripted):
        def forward(self, windows, identity, is_source, targets, counts):
            asked.extend(counts.sum(dim=1).tolist())
            return super().forward(windows, identity, is_source, targets, counts)

    class Net(FakeNet):
        module_ = Asked()

    score_windows(Net(), data)
    assert len(asked) == 20
    assert set(asked) == {1, 2}


def test_recipe_reaches_the_net(studies, windows):
    data = WithheldWindows(studies, windows, "ABC")
    params = {"n_identity": N_IDENTITY, "sfreq": SFREQ, "n_times": 10, **SMALL}
    net = fit(
        RegionTransformer,
        params,
        data,
        max_epochs=2,
        net_params={"module__n_layers": 2},
    )
    assert len(net.module_.encoder.layers) == 2
    assert [len(epoch["batches"]) for epoch in net.history] == [2, 2]
    again = fit(RegionTransformer, params, data, max_epochs=2)
    found = [
        fit(RegionTransformer, params, data, max_epochs=2, seed=seed) for seed in (0, 1)
    ]
    weights = [net.module_.head.weight.detach().numpy() for net in (again, *found)]
    assert_array_equal(weights[0], weights[1])
    assert not np.allclose(weights[0], weights[2])


def test_max_windows_of_an_epoch(studies, windows):
    data = WithheldWindows(studies, windows, "ABC")
    params = {"n_identity": N_IDENTITY, "sfreq": SFREQ, "n_times": 10, **SMALL}
    net = fit(
        RegionTransformer, params, data, max_epochs=2, max_windows=3, batch_size=2
    )
    sizes = [[b["train_batch_size"] for b in epoch["batches"]] for epoch in net.history]
    assert sizes == [[2, 1], [2, 1]]


def test_residual_of_windows_shorter_than_a_patch():
    net = ResidualTransformer(
        n_identity=N_IDENTITY, n_latents=2, sfreq=1000.0, n_times=2, **SMALL
    )
    found = net(torch.ones(1, 2, 2), torch.ones(1, 3, 2), torch.ones(1, 3, N_IDENTITY))
    assert found.shape == (1, 3, 2)
