"""What a release consists of, and what it says of itself."""

import io
import re
from pathlib import Path

import docutils.core
import pytest

import mne_funcmap as mf

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["README.rst", "CONTRIBUTING.rst"])
def test_page_is_valid_without_sphinx(name):
    warnings = io.StringIO()
    docutils.core.publish_string(
        (ROOT / name).read_text(encoding="utf-8"),
        writer="html",
        settings_overrides={"warning_stream": warnings, "report_level": 1},
    )
    assert warnings.getvalue() == ""


def find(pattern, name):
    """Return what a pattern captures in a file."""
    return re.search(pattern, (ROOT / name).read_text(encoding="utf-8"))[1]


def test_versions_agree():
    assert find(r"(?m)^version: (.*)$", "CITATION.cff") == mf.__version__
    constrained = find(r"(?m)^ruff==(.*)$", "constraints.txt")
    assert find(r"ruff-pre-commit\n    rev: v(\S+)", ".pre-commit-config.yaml") == (
        constrained
    )


def test_manifest_names_what_is_there():
    lines = (ROOT / "MANIFEST.in").read_text().splitlines()
    named = [
        line.split()[1:] for line in lines if line.startswith(("include", "graft"))
    ]
    missing = [name for names in named for name in names if not (ROOT / name).exists()]
    assert missing == []
