"""The package as a whole: lazy public names, with complete documentation."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
import types
import typing
from graphlib import TopologicalSorter
from importlib.resources import files
from pathlib import Path

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import validate

import mne_funcmap as mf
from mne_funcmap import baselines, evaluation, identity, probes, reconstruction, viz

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
    for module in (mf, baselines, evaluation, identity, probes, reconstruction, viz)
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


# public where they are, as the pages of the documentation list them
ELSEWHERE = {
    "mne_funcmap.nets.mixing": ["FilterBank", "LinearPath"],
    "mne_funcmap.nets.reconstruction": [
        "RegionTransformer",
        "ResidualTransformer",
        "MixedTransformer",
    ],
}
PAGES = {
    "Choosing an identity",
    "Evaluating without leaks",
    "Preparing recordings",
    "Saving and sharing models",
}


def list_functions():
    """Yield what is public: functions, and methods with the class that has them."""
    public = [getattr(module, name) for module, name in PUBLIC]
    for module, names in ELSEWHERE.items():
        public += [getattr(importlib.import_module(module), name) for name in names]
    for one in public:
        if not inspect.isclass(one):
            yield one, None
            continue
        for name in [*list_methods(one), "__init__"]:
            member = inspect.getattr_static(one, name)
            function = getattr(member, "fget", None) or getattr(one, name)
            function = inspect.unwrap(getattr(function, "__func__", function))
            if getattr(function, "__module__", "").startswith("mne_funcmap"):
                yield function, one


FUNCTIONS = {
    f"{function.__module__}.{function.__qualname__}": (function, owner)
    for function, owner in list_functions()
}


def test_hints_are_shipped():
    assert files("mne_funcmap").joinpath("py.typed").is_file()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_fully_annotated(name):
    function, _ = FUNCTIONS[name]
    signature = inspect.signature(function)
    bare = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.annotation is parameter.empty
        and parameter.name not in ("self", "cls")
    ]
    assert bare == []
    assert signature.return_annotation is not signature.empty


def find_hints(function):
    """Return annotations as types, with what only type checkers import."""
    names = dict(vars(sys.modules[function.__module__]))
    tree = ast.parse(inspect.getsource(sys.modules[function.__module__]))
    for node in tree.body:
        if isinstance(node, ast.If) and node.test.id == "TYPE_CHECKING":
            imports = compile(ast.Module(node.body, []), "imports", "exec")
            exec(imports, names)
    return typing.get_type_hints(function, names)


def accepts(hint, value):
    """Tell whether a value is of a type, as far as it is no container."""
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint)
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return any(accepts(one, value) for one in typing.get_args(hint)[::-1])
    if hint is typing.Any or (hint is float and isinstance(value, int)):
        return True
    return isinstance(value, typing.get_origin(hint) or hint)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_hints_are_types_of_the_defaults(name):
    function, _ = FUNCTIONS[name]
    hints = find_hints(function)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is not parameter.empty:
            assert accepts(hints[parameter.name], parameter.default), parameter


@pytest.mark.parametrize("name", FUNCTIONS)
def test_documented_parameters_are_those_with_hints(name):
    function, owner = FUNCTIONS[name]
    is_constructor = function.__name__ == "__init__"
    doc = ClassDoc(owner) if is_constructor else FunctionDoc(function)
    documented = {
        one.lstrip("*")
        for parameter in doc["Parameters"]
        for one in parameter.name.split(", ")
    }
    hints = inspect.get_annotations(function).keys() - {"return"}
    # a private base, or what overrides a method, need not say it again
    is_brief = not documented and not is_constructor
    if not (is_brief or (is_constructor and "__init__" not in vars(owner))):
        assert documented == hints


def test_errors_name_pages_of_the_guide():
    guide = Path(__file__).parents[1] / "doc" / "guide"
    titles = {path.read_text(encoding="utf-8") for path in guide.glob("*.rst")}
    assert all(any(f"\n{page}\n===" in text for text in titles) for page in PAGES)
    folder = Path(mf.__file__).parent
    # strings that are continued on the next line are joined first
    sources = [
        re.sub(r'"\s+f?"', "", path.read_text(encoding="utf-8"))
        for path in folder.rglob("*.py")
    ]
    named = [re.findall(r"See '([^']*)' in the user guide", text) for text in sources]
    assert set(sum(named, [])) == PAGES
    counts = [text.count("in the user guide") for text in sources]
    assert counts == [len(pages) for pages in named]


def list_named_tests():
    page = Path(__file__).parents[1] / "doc" / "guide" / "faults.rst"
    return sorted(set(re.findall(r"``([\w/]*test_\w+(?:::\w+)?)``", page.read_text())))


@pytest.mark.parametrize("name", list_named_tests())
def test_faults_are_shown_by_tests(name):
    module, _, function = name.partition("::")
    source = (Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8")
    assert not function or f"\ndef {function}(" in source
