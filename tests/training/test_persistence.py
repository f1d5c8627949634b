import errno
import json
import os
import runpy
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import mne_funcmap as mf
from mne_funcmap.nets.embedding import Embedding
from mne_funcmap.nets.encoders import ENCODERS
from mne_funcmap.training import writing
from mne_funcmap.training.checks import check_weights
from mne_funcmap.training.persistence import (
    FORMAT_VERSION,
    compute_digest,
    load_model,
    save_model,
)

FULL = Path("/dev/full")
STORED = Path(__file__).parent / "stored"


def test_round_trip(tmp_path):
    header = {"name": "GPi ä", "n": np.int64(3), "lr": np.float32(0.5), "none": None}
    tensors = {
        "transposed": torch.arange(6.0).reshape(2, 3).T,
        "empty": torch.empty(0),
        "codes": torch.tensor([1, 2]),
    }
    save_model(tmp_path / "model", "Embedder", header, tensors)
    loaded_header, loaded = load_model(tmp_path / "model", "Embedder")
    assert loaded_header.items() >= {"name": "GPi ä", "n": 3, "lr": 0.5}.items()
    assert loaded.keys() == tensors.keys()
    for name, value in tensors.items():
        assert torch.equal(loaded[name], value)
        assert loaded[name].dtype == value.dtype


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model"
    save_model(path, "Embedder", {"n": 1}, {})
    with pytest.raises(TypeError):
        save_model(path, "Embedder", {"n": object()}, {})

    def fail(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("pathlib.Path.replace", "os.fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(name, fail)
            with pytest.raises(OSError, match="No space left.*as it was.*model'") as e:
                save_model(path, "Embedder", {"n": 2}, {})
        assert e.value.errno == errno.ENOSPC
        assert load_model(path, "Embedder")[0]["n"] == 1
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not FULL.exists(), reason="needs a full device")
def test_full_disk(tmp_path, monkeypatch):
    path = tmp_path / "model"
    save_model(path, "Embedder", {"n": 1}, {})
    monkeypatch.setattr(writing, "open", lambda *args: FULL.open("wb"), False)
    with pytest.raises(OSError, match="No space left on device"):
        save_model(path, "Embedder", {"n": 2}, {"large": torch.zeros(10**6)})
    monkeypatch.undo()
    assert load_model(path, "Embedder")[0]["n"] == 1


KILLED = """
import os, signal, sys
from mne_funcmap.training import writing
def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(os, sys.argv[2], die) if sys.argv[2] == "fsync" else setattr(
    writing.Path, "replace", die)
writing.write_whole(sys.argv[1], b"new")
"""


@pytest.mark.parametrize("when", ["fsync", "replace"])
def test_a_killed_process_leaves_the_old_file(tmp_path, when):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    call = [sys.executable, "-c", KILLED, str(path), when]
    assert subprocess.run(call, check=False).returncode < 0
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_others_may_read_the_file(tmp_path):
    save_model(tmp_path / "model", "Embedder", {}, {})
    (tmp_path / "plain").touch()
    modes = [
        stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("model", "plain")
    ]
    assert modes[0] == modes[1]


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="could not be written.*nowhere"):
        save_model(tmp_path / "nowhere" / "model", "Embedder", {}, {})


def rewrite(path, *, digest=True, tensors=None, **changes):
    """Change a model file as somebody might who means harm."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["mne_funcmap"]) | changes
        old = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tensors = old | (tensors or {})
    if digest:
        header["sha256"] = compute_digest(header, tensors)
    save_file(tensors, path, {"mne_funcmap": json.dumps(header)})


# Earlier formats


@pytest.mark.parametrize("format_version", range(1, FORMAT_VERSION + 1))
def test_stored_files_can_be_read(format_version):
    written = runpy.run_path(str(STORED / "write.py"))
    name = f"{{}}-{format_version}.safetensors"
    embedder = mf.FunctionalEmbedder.load(STORED / name.format("embedder"))
    path = STORED / name.format("reconstructor")
    reconstructor = mf.MaskedRegionReconstructor.load(path)
    found = written["compute"](embedder, reconstructor, written["make_recordings"]())
    with np.load(STORED / f"expected-{format_version}.npz") as expected:
        assert found.keys() == set(expected.files)
        assert "FunctionalEmbedder" in repr(embedder)
        assert "MaskedRegionReconstructor" in repr(reconstructor)
        assert embedder.interrupted_ is reconstructor.interrupted_ is False
        for name, values in found.items():
            assert_allclose(values, expected[name], rtol=1e-3, atol=1e-4)


def test_every_format_has_a_stored_file():
    assert (STORED / f"embedder-{FORMAT_VERSION}.safetensors").is_file()


# What a file tells


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model"
    path.write_bytes((STORED / "embedder-2.safetensors").read_bytes())
    return path


def test_info(tmp_path):
    emb = mf.FunctionalEmbedder.load(STORED / "embedder-2.safetensors")
    emb.save(tmp_path / "model", license="CC-BY-4.0", citation="Somebody (2026)")
    info = mf.read_model_info(tmp_path / "model")
    assert info["class"] == "FunctionalEmbedder"
    assert (info["license"], info["citation"]) == ("CC-BY-4.0", "Somebody (2026)")
    assert info["training"]["n_subjects_"] == 2
    assert info["versions"]["mne-funcmap"] == mf.__version__
    assert info["regions"] == ["A", "B", "C"]
    assert len(info["sha256"]) == 64
    with pytest.raises(TypeError, match="license must be a string"):
        emb.save(tmp_path / "other", license=3)
    with pytest.raises(FileNotFoundError, match="no model file"):
        mf.read_model_info(tmp_path / "other")
    (tmp_path / "other").write_bytes(b"text")
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        mf.read_model_info(tmp_path / "other")


@pytest.mark.parametrize("name", ["embedder", "reconstructor"])
def test_no_names_in_files(name):
    content = (STORED / f"{name}-{FORMAT_VERSION}.safetensors").read_bytes()
    assert b"sub-1" not in content
    info = mf.read_model_info(STORED / f"{name}-{FORMAT_VERSION}.safetensors")
    assert "/" not in json.dumps(info)
    assert "\\" not in json.dumps(info)


# Damage


def test_digest_is_a_closed_form():
    tensors = {"b": torch.tensor([1.0, 2.0]), "a": torch.tensor([[3]])}
    found = compute_digest({"n": 1, "sha256": "x"}, tensors)
    digest = sha256(b'{"n": 1}')
    digest.update(b"a torch.int64 [1, 1]" + np.int64(3).tobytes())
    digest.update(b"b torch.float32 [2]" + np.float32([1, 2]).tobytes())
    assert found == digest.hexdigest()


def test_changed_bits_are_found(saved):
    """Whatever bit changes, the file is refused, or nothing depends on it."""
    content = saved.read_bytes()
    whole = load_model(saved, "FunctionalEmbedder")
    for at in range(8, len(content), 97):
        changed = bytearray(content)
        changed[at] ^= 1
        saved.write_bytes(changed)
        try:
            header, tensors = load_model(saved, "FunctionalEmbedder")
        except ValueError:
            continue
        assert header == whole[0]
        assert all(torch.equal(tensors[k], v) for k, v in whole[1].items())
        assert tensors.keys() == whole[1].keys()


def test_wrong_digest(saved):
    rewrite(saved, digest=False, sfreq=200.0)
    with pytest.raises(ValueError, match="is damaged.*SHA-256.*Copy it again"):
        mf.FunctionalEmbedder.load(saved)


def test_a_format_2_file_without_digest(saved):
    rewrite(saved, digest=False, sha256=None)
    with pytest.raises(ValueError, match="is damaged.*SHA-256"):
        mf.FunctionalEmbedder.load(saved)


# Harm


def test_a_file_cannot_say_where_to_write(saved, tmp_path):
    params = mf.read_model_info(saved)["params"]
    rewrite(saved, params=params | {"memory": str(tmp_path / "elsewhere")})
    assert mf.FunctionalEmbedder.load(saved).memory is None


@pytest.mark.parametrize(
    "changes",
    [
        {"n_times": 10**12},
        {"n_times": -5},
        {"n_times": "many"},
        {"n_times": 100.5},
        {"n_times": float("nan")},
        {"sfreq": "fast"},
        {"sfreq": float("inf")},
        {"sfreq": -1.0},
        {"n_labels": 2.5},
        {"regions": ["A", "A", "B"]},
        {"params": {"n_components": 4, "duration": -1.0}},
        {"params": {"n_components": 4, "positives": "x"}},
        {"regions": 3},
        {"training": [1]},
        {"training": {"valid_score_": "good"}},
        {"training": {"n_seconds_": None}},
        {"sfreq": 10**400},
        {"n_labels": 10**9},
        {"params": {"n_components": 10**5}},
        {"params": {"n_components": 4, "net_params": {"module__context": True}}},
        {"params": {"encoder": "os.system"}},
        {"params": {"n_components": 10**12}},
        {"tensors": {"module.encoder.head.1.weight": torch.zeros(10**6)}},
        {"tensors": {"module.more": torch.zeros(2)}},
        {"tensors": {"references": torch.zeros(3, 7)}},
        {"tensors": {"references": torch.full((8, 4), float("nan"))}},
        {"tensors": {"reference_regions": torch.tensor([0, 1, -1, 2, 0, 1, 1, 0])}},
        {"tensors": {"more": torch.zeros(2)}},
        {"tensors": {"reference_regions": torch.tensor([0, 1, 99, 2, 0, 1, 1, 0])}},
        {"tensors": {"reference_regions": torch.zeros(8)}},
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(saved, changes):
    rewrite(saved, **changes)
    with pytest.raises(ValueError, match="damaged|integers up to"):
        mf.FunctionalEmbedder.load(saved)


def test_a_file_does_not_say_where_to_compute(saved):
    params = mf.read_model_info(saved)["params"]
    rewrite(saved, params=params | {"net_params": {"device": "meta"}})
    assert mf.FunctionalEmbedder.load(saved, device="cpu").net_.device == "cpu"


def test_weights_are_described_without_memory():
    params = {"encoder": ENCODERS["cnn"], "n_times": 400, "n_components": 8}
    state = Embedding(**params).state_dict()
    check_weights(Embedding, params, state)
    some = next(iter(state))
    odd = [
        {name: v for name, v in state.items() if name != some},
        state | {some: state[some].double()},
        state | {some: state[some][..., :1]},
        state | {"more": torch.zeros(1)},
    ]
    for weights in odd:
        with pytest.raises(ValueError, match="do not fit the network"):
            check_weights(Embedding, params, weights)
    # petabytes, were they allocated
    with pytest.raises(ValueError, match="do not fit"):
        check_weights(nn.Linear, {"in_features": 10**8, "out_features": 10**8}, state)
