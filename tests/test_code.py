import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

from mne_funcmap.code import hash_code

HEAD = (
    "from functools import cached_property, lru_cache, partialmethod\n"
    "import numpy as np\n"
)
# what is written, what may change in it, and to what
CHANGES = {
    "a method": ("class Own:\n    def fit(self): return 1", "1", "2"),
    "a name": ("class Own:\n    def fit(self): return self.a", "self.a", "self.b"),
    "an attribute": ("class Own:\n    factor = 1.0", "1.0", "10.0"),
    "an array": ("class Own:\n    factor = np.arange(3)", "3", "4"),
    "what is in a dict": ("class Own:\n    of = {'a': [1, {2}]}", "{2}", "{3}"),
    "a default": ("class Own:\n    def fit(self, n=1): pass", "n=1", "n=2"),
    "a keyword": ("class Own:\n    def fit(self, *, n=1): pass", "n=1", "n=2"),
    "a property": ("class Own:\n    @property\n    def a(self): return 1", "1", "2"),
    "a static method": (
        "class Own:\n    @staticmethod\n    def a(): return 1",
        *("1", "2"),
    ),
    "a class method": (
        "class Own:\n    @classmethod\n    def a(cls): return 1",
        *("1", "2"),
    ),
    "a cached property": (
        "class Own:\n    @cached_property\n    def a(self): return 1",
        *("1", "2"),
    ),
    "a partial method": (
        "class Own:\n    def a(self, n): return n\n    b = partialmethod(a, n=1)",
        *("n=1", "n=2"),
    ),
    "a kept method": (
        "class Own:\n    @lru_cache\n    def a(self): return 1",
        *("1", "2"),
    ),
    "a method of an object": (
        "class Part:\n    def fit(self): return 1\nOwn = Part().fit",
        *("1", "2"),
    ),
    "a special method": ("class Own:\n    def __call__(self): return 1", "1", "2"),
    "a base": (
        "class Base:\n    def fit(self): return 1\nclass Own(Base): pass",
        *("1", "2"),
    ),
    "a class within": (
        "class Own:\n    class Part:\n        def fit(self): return 1",
        *("1", "2"),
    ),
    "a function": ("def Own(a): return a + 1", "1", "2"),
    "a function within": (
        "def Own(a):\n    def add(): return a + 1\n    return add()",
        *("1", "2"),
    ),
    "what is taken along": (
        "def make(n):\n    def Own(): return n\n    return Own\nOwn = make(1)",
        *("make(1)", "make(2)"),
    ),
    "what is decorated": (
        "def twice(f):\n    def call(): return f() * 2\n    return call\n"
        "@twice\ndef Own(): return 1",
        *("return 1", "return 3"),
    ),
}


def type_in(text):
    """Run what has no source to look up."""
    space = {"__name__": "typed_in"}
    exec(HEAD + text, space)
    return space["Own"]


@pytest.mark.parametrize("what", CHANGES)
def test_what_changes_is_noticed(what):
    text, old, new = CHANGES[what]
    before, again = (hash_code(type_in(text)) for _ in range(2))
    assert before == again
    assert text.count(old) == 1
    assert hash_code(type_in(text.replace(old, new))) != before
    # where it stands, and what is said about it, is not what it does
    assert hash_code(type_in(f"\n# a comment\n{text}")) == before


class Nested(BaseEstimator):
    def __init__(self, inner=None):
        self.inner = inner


@pytest.mark.parametrize(
    "wrap",
    [
        lambda own: own(),
        lambda own: [own],
        lambda own: {"criterion": own},
        lambda own: partial(own, 1),
        lambda own: partial(dict, key=own),
        lambda own: Nested(own()),
        lambda own: Nested([("name", own)]),
        lambda own: FrozenEstimator(Nested(own())),
        lambda own: Nested({"module": Nested(own)}),
        lambda own: Nested(own()).get_params,
    ],
)
def test_wherever_it_is(wrap):
    some, same, other = (
        type_in(f"class Own:\n    def fit(self): return {n}") for n in (1, 1, 2)
    )
    assert hash_code(wrap(some)) == hash_code(wrap(same)) != hash_code(wrap(other))


def test_what_is_not_there_yet():
    """Or has no module."""
    text = (
        "def make():\n    def Own(): return later\n    yield Own\n    later = 1\n"
        "Own = next(make())\nOwn.__module__ = None"
    )
    assert hash_code(type_in(text)) == hash_code(type_in(text))


def test_a_class_that_knows_itself():
    text = "class Own:\n    def fit(self): return super().fit()\nOwn.me = Own"
    assert hash_code(type_in(text)) == hash_code(type_in(text))


def test_code_of_other_packages_is_that_of_their_version():
    assert hash_code(np.mean) != hash_code(np.median)
    assert hash_code(torch.nn.Linear) != hash_code(torch.nn.Bilinear)


def test_the_same_in_every_process():
    """Sets of text have another order in each."""
    text = (
        "import mne_funcmap as mf\n"
        "class Own(mf.FunctionalEmbedder):\n"
        "    def fit(self, X): return X in {'some', 'other', 'third'}\n"
    )
    told = "from mne_funcmap.code import hash_code\nprint(hash_code(Own()))"
    done = subprocess.run(
        [sys.executable, "-c", text + told], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == hash_code(type_in(text)())
