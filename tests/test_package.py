"""The package as a whole: lazy public names, with complete documentation."""

import ast
import inspect
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from numpydoc.validate import validate

import mne_funcmap as mf
from mne_funcmap import baselines, evaluation, probes, viz

IGNORED = {
    "ES01",  # a summary can say it all
    "EX01",  # methods are shown in the example of their class
    "RT02",  # return values have names, as in MNE and scikit-learn
    "SA01",  # not everything has a relative
}
HEAVY = {"matplotlib", "torch", "sklearn", "skorch", "pandas"}


def test_import_loads_nothing_heavy():
    code = "import sys, mne_funcmap as mf; dir(mf); dir(mf.viz); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "mne_funcmap" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("name", mf.__all__)
def test_public_name_resolves(name):
    assert getattr(mf, name).__name__.split(".")[-1] == name
    assert name in dir(mf)


def list_methods(cls):
    """Names of the public methods and properties that the package defines."""
    members = {
        name: member.fget if isinstance(member, property) else member
        for name, member in inspect.getmembers(cls)
        if not name.startswith("_")
    }
    return [
        name
        for name, member in members.items()
        if callable(member) and member.__module__.startswith("mne_funcmap.")
    ]


PUBLIC = [
    (module, name)
    for module in (mf, baselines, evaluation, probes, viz)
    for name in module.__all__
    if not inspect.ismodule(getattr(module, name))
    # has the parameters of its base class
    and name != "UntrainedEmbedder"
]


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_docstrings(module, name):
    public = getattr(module, name)
    methods = list_methods(public) if inspect.isclass(public) else []
    path = f"{module.__name__}.{name}"
    documented = [path, *(f"{path}.{method}" for method in methods)]
    errors = {
        path: [error for error in validate(path)["errors"] if error[0] not in IGNORED]
        for path in documented
    }
    assert errors == dict.fromkeys(documented, [])


def list_imports(path, package):
    """Top-level modules and folders of the package that a file imports."""
    depth = len(path.relative_to(package).parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            yield from (
                [node.module.split(".")[0]]
                if node.module
                else [alias.name for alias in node.names]
            )


def test_imports_run_one_way():
    package = Path(mf.__file__).parent
    graph = {}
    for path in package.rglob("*.py"):
        room = path.relative_to(package).parts[0].removesuffix(".py")
        graph.setdefault(room, set()).update(set(list_imports(path, package)) - {room})
    order = list(TopologicalSorter(graph).static_order())  # raises on a circle
    assert order.index("nets") < order.index("embedding") < order.index("report")
