import pickle

import numpy as np
import pytest
import torch

import mne_funcmap as mf
from mne_funcmap.nets.embedding import Embedding
from mne_funcmap.nets.encoders import ConvEncoder, SpectralEncoder
from mne_funcmap.nets.mixing import LinearPath
from mne_funcmap.nets.precision import is_short
from mne_funcmap.nets.reconstruction import MixedTransformer, RegionTransformer
from mne_funcmap.training.runtime import seeded_torch

SMALL = {"n_dim": 16, "n_heads": 2, "n_layers": 1, "n_forward": 16}
COMMON = {"n_identity": 3, "sfreq": 100.0, "n_times": 20}


def test_auto_is_short_where_the_device_has_it(monkeypatch):
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert not is_short("auto", cpu)
    assert not is_short("float32", cuda)
    assert is_short("bfloat16", cpu)
    for has_it in (True, False):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda _, has_it=has_it: has_it
        )
        assert is_short("auto", cuda) == has_it


def make_windows():
    """Windows of four channels, of which the last is withheld, and padding."""
    return {
        "windows": torch.randn(6, 5, 20),
        "identity": torch.randn(6, 5, 3),
        "is_source": torch.tensor([[True, True, True, False, False]]).expand(6, -1),
        "targets": torch.full((6, 1), 3),
        "counts": torch.ones(6, 1, dtype=torch.bool),
    }


def run_embedding(precision):
    module = Embedding(ConvEncoder, 300, 8, precision=precision)
    return module, module.embed(torch.randn(20, 300))


def run_transformer(precision):
    module = RegionTransformer(**COMMON, **SMALL, precision=precision)
    return module, module(**make_windows())


def run_mixed(precision):
    linear = LinearPath(**COMMON, n_latents=4)
    params = COMMON | SMALL | {"n_latents": 4, "precision": precision}
    module = MixedTransformer(linear, **params)
    torch.nn.init.normal_(module.residual.head.weight)
    return module, module(**make_windows())


@pytest.mark.parametrize("run", [run_embedding, run_transformer, run_mixed])
def test_few_digits_are_nearly_as_good(run):
    values = {}
    for precision in ("float32", "bfloat16"):
        with seeded_torch(0):
            module, found = run(precision)
        found.square().sum().backward()
        assert found.dtype == torch.float32
        assert all(
            p.grad is None or p.grad.dtype == p.dtype for p in module.parameters()
        )
        values[precision] = found.detach().numpy().ravel()
    rounded, exact = values["bfloat16"], values["float32"]
    assert (rounded != exact).any()
    assert np.corrcoef(rounded, exact)[0, 1] > 0.99


def test_features_have_all_digits():
    embeddings = []
    for precision in ("float32", "bfloat16"):
        with seeded_torch(0):
            module = Embedding(SpectralEncoder, 300, 8, precision=precision)
            embeddings.append(module.embed(torch.randn(4, 300)))
    torch.testing.assert_close(*embeddings, rtol=0, atol=0)


def test_embedder_in_bfloat16(make_coupled, tmp_path):
    X = [make_coupled(f"sub-{i}", "ABC", duration=12.0) for i in range(4)]
    emb = mf.FunctionalEmbedder(
        8, encoder="cnn", duration=2.0, max_epochs=1, precision="bfloat16"
    ).fit(X)
    expected = np.concatenate(emb.transform(X))
    emb.save(tmp_path / "emb")
    loaded = mf.FunctionalEmbedder.load(tmp_path / "emb")
    np.testing.assert_allclose(np.concatenate(loaded.transform(X)), expected, atol=1e-3)
    emb.net_.module_.encoder.precision = "float32"
    exact = np.concatenate(emb.transform(X))
    assert (exact != expected).any()
    assert (exact * expected).sum(axis=1).min() > 0.99


def test_reconstructor_in_bfloat16(X, tmp_path):
    rec = mf.MaskedRegionReconstructor(
        "region",
        architecture="transformer",
        window=0.5,
        max_epochs=2,
        net_params={f"module__{name}": value for name, value in SMALL.items()},
        precision="bfloat16",
    ).fit(X[:3])
    rec.save(tmp_path / "rec")
    loaded = mf.MaskedRegionReconstructor.load(tmp_path / "rec")
    expected, found = rec.transform(X[3:])[0], loaded.transform(X[3:])[0]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    rec.net_.module_.precision = "float32"
    exact = rec.transform(X[3:])[0]
    assert (exact != expected).any()
    assert np.corrcoef(exact.ravel(), expected.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("value", ["half", None])
def test_unknown_precision(value, X):
    with pytest.raises(ValueError, match="'precision' parameter"):
        mf.FunctionalEmbedder(precision=value).fit(X)
    with pytest.raises(ValueError, match="'precision' parameter"):
        mf.MaskedRegionReconstructor(precision=value).fit(X)


def test_compiled_networks_are_stored_as_others(X, tmp_path):
    # without a compiler, what is compiled is run as it was traced
    compiled = {"compile": True, "compile__backend": "eager"}
    params = {"n_components": 4, "duration": 4.0, "max_epochs": 1}
    expected = mf.FunctionalEmbedder(**params).fit(X).transform(X)
    emb = mf.FunctionalEmbedder(**params, net_params=compiled).fit(X)
    assert emb.net_.module_._compiled_call_impl is not None
    emb.save(tmp_path / "emb")
    loaded = mf.FunctionalEmbedder.load(tmp_path / "emb")
    for model in (emb, loaded, pickle.loads(pickle.dumps(emb))):
        for found, values in zip(model.transform(X), expected, strict=True):
            np.testing.assert_allclose(found, values, atol=1e-5)


def test_compiled_reconstructors_are_stored_as_others(X, tmp_path):
    compiled = {"compile": True, "compile__backend": "eager"}
    rec = mf.MaskedRegionReconstructor(
        "region", window=0.5, max_epochs=1, net_params=compiled
    ).fit(X[:3])
    assert rec.net_.module_._compiled_call_impl is not None
    expected = rec.score(X[3:])
    rec.save(tmp_path / "rec")
    loaded = mf.MaskedRegionReconstructor.load(tmp_path / "rec")
    assert loaded.score(X[3:]) == pytest.approx(expected, abs=1e-5)
    assert pickle.loads(pickle.dumps(rec)).score(X[3:]) == pytest.approx(expected)
