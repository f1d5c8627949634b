import os
import stat

import numpy as np
import pytest
import torch

from mne_funcmap.training.persistence import load_model, save_model


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
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(path, "Embedder", {"n": 2}, {})
    assert load_model(path, "Embedder")[0]["n"] == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_others_may_read_the_file(tmp_path):
    save_model(tmp_path / "model", "Embedder", {}, {})
    (tmp_path / "plain").touch()
    modes = [
        stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("model", "plain")
    ]
    assert modes[0] == modes[1]


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        save_model(tmp_path / "nowhere" / "model", "Embedder", {}, {})
