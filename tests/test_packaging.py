"""What a release consists of, and what it says of itself."""

import io
import re
import runpy
from configparser import ConfigParser
from pathlib import Path

import docutils.core
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

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


def read_pins(name):
    """Return the version of each package in a file of constraints."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(package): Version(version) for package, version in pins}


def read_specifiers(*, leave_out=()):
    """Return what setup.cfg demands of each package, but for some extras."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = setup["options.extras_require"]
    texts = [setup["options"]["install_requires"]]
    texts += [text for extra, text in extras.items() if extra not in leave_out]
    demanded = [Requirement(line) for text in texts for line in text.split()]
    return {
        canonicalize_name(one.name): one.specifier
        for one in demanded
        if one.name != "mne-funcmap"
    }


def test_lower_bounds_are_tested():
    pins = read_pins("constraints-oldest.txt")
    specifiers = read_specifiers(leave_out=["doc"])
    del specifiers["ruff"]  # reads the code only
    del specifiers["torch"]  # other builds are gigabytes: one version is tested
    for package, specifier in specifiers.items():
        (bound,) = specifier
        assert bound.operator == ">=", package
        assert Version(bound.version) == pins[package], package


def test_tested_versions_are_allowed():
    pins = read_pins("constraints.txt")
    for package, specifier in read_specifiers().items():
        assert pins[package] in specifier, package


def test_manifest_names_what_is_there():
    lines = (ROOT / "MANIFEST.in").read_text().splitlines()
    named = [
        line.split()[1:] for line in lines if line.startswith(("include", "graft"))
    ]
    missing = [name for names in named for name in names if not (ROOT / name).exists()]
    assert missing == []


def test_mutants_are_of_what_is_there():
    for file, _, changes in runpy.run_path(str(ROOT / "tests" / "mutants.py"))[
        "MUTANTS"
    ]:
        source = (ROOT / "mne_funcmap" / file).read_text(encoding="utf-8")
        assert [old for old, _ in changes if source.count(old) != 1] == [], file
