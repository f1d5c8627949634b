import os
import runpy
import subprocess
import sys
from pathlib import Path
from socket import socket

import numpy as np
import pytest
import torch

import mne_funcmap as mf
from mne_funcmap.training.net import TrainingNet
from mne_funcmap.training.processes import count_processes
from mne_funcmap.training.runtime import draw_seed, resolve_device

SCRIPT = Path(__file__).parent / "fits_together.py"


def launch(folder):
    """Run the script in two processes, and return the numbers of each."""
    pytest.importorskip("accelerate")
    with socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    # without --multi_gpu, accelerate launches one process where there is no GPU
    command = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2"]
    command += [f"--main_process_port={port}", SCRIPT, folder]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [dict(np.load(folder / f"{rank}.npz")) for rank in range(2)]


@pytest.mark.filterwarnings("ignore:The embedding has collapsed")
def test_processes_train_as_one(tmp_path):
    first, second = launch(tmp_path)
    np.testing.assert_equal(first, second)
    alone = runpy.run_path(str(SCRIPT))["fit_alike"]("cpu")
    assert alone.keys() < first.keys()
    for name, expected in alone.items():
        np.testing.assert_allclose(first[name], expected, rtol=1e-5, atol=1e-5)


def test_one_process_is_enough(monkeypatch, X):
    pytest.importorskip("accelerate")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert resolve_device("accelerate") == "cpu"
    assert count_processes() == 1
    assert draw_seed(0, "accelerate") == draw_seed(0)
    params = {"duration": 4.0, "max_epochs": 1}
    alone, other = (
        mf.FunctionalEmbedder(4, device=device, **params).fit(X).transform(X)
        for device in ("cpu", "accelerate")
    )
    np.testing.assert_equal(other, alone)
    assert TrainingNet(torch.nn.Linear, torch.nn.MSELoss, together=True).agree(0.5) == (
        0.5
    )


def test_accelerate_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ImportError, match=r"needs the package accelerate.*\[scale\]"):
        resolve_device("accelerate")
