"""What a GPU computes is close to what the CPU does, and models move between."""

import pickle

import numpy as np
import pytest
import torch

import mne_funcmap as mf

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
]

SMALL = {
    "module__n_dim": 16,
    "module__n_heads": 2,
    "module__n_layers": 1,
    "module__n_forward": 16,
}
EMBEDDERS = {
    "spectral": {},
    "context": {"context": True},
    "pairwise": {"loss": "pairwise"},
    "both": {"positives": "both", "across_subjects": True},
    "cnn": {"encoder": "cnn"},
}
# what dropout draws differs between devices
RECONSTRUCTORS = {
    "mixed": {"net_params": {"module__dropout": 0.0}},
    "region": {"net_params": {"module__dropout": 0.0}, "query": "region"},
    "transformer": {
        "architecture": "transformer",
        "net_params": SMALL | {"module__dropout": 0.0},
    },
}


@pytest.fixture
def recordings(make_coupled):
    return [make_coupled(f"sub-{i}", "ABC", duration=12.0) for i in range(6)]


def fit_embedder(recordings, name, **params):
    return mf.FunctionalEmbedder(
        8, duration=2.0, max_epochs=2, batch_size=32, **EMBEDDERS[name], **params
    ).fit(recordings)


def fit_reconstructor(recordings, name, **params):
    return mf.MaskedRegionReconstructor(
        "region", window=0.5, max_epochs=3, **RECONSTRUCTORS[name], **params
    ).fit(recordings)


def embed(emb, recordings):
    return np.concatenate(emb.transform(recordings))


def reconstruct(rec, recordings):
    return 1e6 * np.concatenate([raw.get_data() for raw in rec.predict(recordings)])


@pytest.mark.parametrize("name", EMBEDDERS)
def test_embedder_learns_the_same(recordings, name):
    on_cpu, on_gpu = (
        fit_embedder(recordings, name, device=device, precision="float32")
        for device in ("cpu", "cuda")
    )
    assert next(on_gpu.net_.module_.parameters()).is_cuda
    np.testing.assert_allclose(
        on_gpu.history_[:, "train_loss"], on_cpu.history_[:, "train_loss"], rtol=0.02
    )


@pytest.mark.parametrize("name", RECONSTRUCTORS)
def test_reconstructor_learns_the_same(recordings, name):
    on_cpu, on_gpu = (
        fit_reconstructor(recordings, name, device=device, precision="float32")
        for device in ("cpu", "cuda")
    )
    assert next(on_gpu.net_.module_.parameters()).is_cuda
    np.testing.assert_allclose(
        on_gpu.history_[:, "train_loss"], on_cpu.history_[:, "train_loss"], rtol=0.02
    )


def check_moves(model, compute, path):
    """Check that a model gives the same on both devices, however it gets there."""
    expected = compute(model)
    model.save(path)
    at_first, other = model.device, {"cpu": "cuda", "cuda": "cpu"}[model.device]
    moved = pickle.loads(pickle.dumps(model)).set_params(device=other)
    loaded = type(model).load(path, device=other)
    for found in (moved, loaded):
        np.testing.assert_allclose(compute(found), expected, rtol=0.01, atol=0.01)
        assert found.net_.device == other
        assert next(found.net_.module_.parameters()).device.type == other
    moved.set_params(device=at_first)
    np.testing.assert_allclose(compute(moved), expected, rtol=0.01, atol=0.01)
    assert moved.net_.device == at_first


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", EMBEDDERS)
def test_embedder_moves(recordings, tmp_path, name, device):
    emb = fit_embedder(recordings, name, device=device, precision="float32")
    check_moves(emb, lambda model: embed(model, recordings), tmp_path / "emb")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", RECONSTRUCTORS)
def test_reconstructor_moves(recordings, tmp_path, name, device):
    rec = fit_reconstructor(recordings, name, device=device, precision="float32")
    check_moves(rec, lambda model: reconstruct(model, recordings), tmp_path / "rec")


def test_reconstructor_adapts_on_a_gpu(recordings):
    rec = fit_reconstructor(recordings[:5], "mixed", device="cuda")
    adapted = rec.adapt([recordings[5].copy().crop(0, 6)])
    assert np.isfinite(adapted.score([recordings[5]]))
    assert np.isfinite(np.concatenate(rec.transform(recordings))).all()


def test_auto_takes_the_gpu(recordings):
    emb = fit_embedder(recordings, "cnn")
    assert emb.net_.device == "cuda"
    rounded = embed(emb, recordings)
    emb.net_.module_.encoder.precision = "float32"
    assert (rounded * embed(emb, recordings)).sum(axis=1).min() > 0.99


def test_features_on_the_cpu_are_sent_batch_by_batch(recordings, monkeypatch):
    expected = fit_embedder(recordings, "spectral", device="cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (0, 0))
    found = fit_embedder(recordings, "spectral", device="cuda")
    np.testing.assert_allclose(
        embed(found, recordings), embed(expected, recordings), atol=1e-3
    )
