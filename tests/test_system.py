import io
import re
import runpy
import sys

import pytest
import torch

import mne_funcmap as mf
from mne_funcmap import cli, system


def test_lists_versions_and_devices():
    text = io.StringIO()
    mf.sys_info(text, unicode=False)
    lines = dict(re.findall(r"(?m)^ *(\S+) +(\S.*)$", text.getvalue()))
    assert lines["mne_funcmap"] == mf.__version__
    assert "Platform" in lines
    assert lines["torch"].startswith(torch.__version__)
    assert lines["skorch"][0].isdigit()
    order = ["mne_funcmap", "Platform", "torch", "skorch", "umap-learn"]
    assert [name for name in lines if name in order] == order
    assert text.getvalue().index("umap-learn") < text.getvalue().index("Devices")


def test_package_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(system, "PACKAGES", ["torch", "no-such-package"])
    text = io.StringIO()
    mf.sys_info(text)
    (line,) = re.findall(r".*no-such-package.*", text.getvalue())
    assert line.endswith("not installed")


def test_devices(monkeypatch):
    properties = type("properties", (), {"name": "H200", "total_memory": 3 * 2**30})
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)
    text = io.StringIO()
    mf.sys_info(text)
    assert "H200, 3.0 GiB" in text.getvalue()
    assert "none" not in text.getvalue()


def test_command(capsys):
    assert cli.main(["sys-info"]) == 0
    assert "mne_funcmap " in capsys.readouterr().out


def test_package_runs_as_a_command(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["mne_funcmap", "report", "x", "-o", "x.pdf"])
    with pytest.raises(SystemExit) as exit_info:
        runpy.run_module("mne_funcmap", run_name="__main__")
    assert exit_info.value.code == 2
    assert "expected a name.html" in capsys.readouterr().err
