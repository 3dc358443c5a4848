"""The program keeps the house rules, and each rule finds what it is there for."""

import re

import pytest

from tests import house
from tests.house import ROOT, RULES, Source, sources

SOURCES = sources()
TEXT_SUFFIXES = {".py", ".md", ".toml", ".json", ".sh", ".yml", ".yaml", ".txt", ".cfg", ""}
TEXT_FOLDERS = ("chainnode", "contracts", "docs", "scripts", "tests", "bench", "genesis", ".ci")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_program_keeps_the_rule(rule):
    breaches = [f"{source.path}:{breach}" for source in SOURCES for breach in rule(source)]
    assert not breaches, "\n".join((rule.__doc__ or "", *breaches))


def test_the_program_is_there():
    parts = {source.part for source in SOURCES}
    assert {"types", "codec", "crypto", "merkle", "light"} <= parts


def test_every_folder_with_code_is_a_package():
    folders = {(ROOT / source.path).parent for source in SOURCES}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_no_text_of_the_project_names_a_path_of_one_machine():
    texts = [path for path in ROOT.iterdir() if path.is_file() and path.suffix in TEXT_SUFFIXES and not path.name.startswith(".git")]
    texts += [path for folder in TEXT_FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix in TEXT_SUFFIXES]
    breaches = []
    for path in texts:
        name = path.relative_to(ROOT).as_posix()
        if "__pycache__" not in name and name != "tests/test_tidy.py":  # which holds the rule's own examples
            breaches += [f"{name}:{breach}" for breach in house.no_path_of_one_machine(Source(name, path.read_text()))]
    assert breaches == []


CODEC, CONSENSUS, NODE = "chainnode/codec.py", "chainnode/consensus/core.py", "chainnode/node/host.py"

# Rule, path, text that breaks it, and what the breach says.
BAD = [
    (house.floors_are_kept, CODEC, "from chainnode import merkle", "merkle"),
    (house.floors_are_kept, CODEC, "import chainnode.storage.kv", "storage"),
    (house.floors_are_kept, CODEC, "def f():\n    from chainnode.light import verify_commit", "light"),
    (house.floors_are_kept, "chainnode/merkle.py", "from chainnode.light import verify_commit", "light"),
    (house.floors_are_kept, CONSENSUS, "from chainnode.mempool.mempool import Mempool", "mempool"),
    (house.floors_are_kept, CONSENSUS, "from chainnode import gossip", "gossip"),
    (house.floors_are_kept, CONSENSUS, "from contracts.roles import has_role", "contracts"),
    (house.floors_are_kept, "chainnode/storage/kv.py", "from chainnode.p2p import frames", "p2p"),
    (house.floors_are_kept, "chainnode/api/server.py", "from chainnode.node import host", "node"),
    (house.floors_are_kept, "contracts/roles.py", "from chainnode.storage import kv", "storage"),
    (house.floors_are_kept, "chainnode/client/client.py", "from chainnode.cli import main", "cli"),
    (house.floors_are_kept, CODEC, "from . import wire", "relative"),
    (house.floors_are_kept, CODEC, "from chainnode import nowhere", "no floor"),
    (house.floors_are_kept, CODEC, "import chainnode", "no floor"),
    (house.floors_are_kept, NODE, "from tests.house import ROOT", "its tests"),
    (house.floors_are_kept, "chainnode/nowhere.py", "", "on no floor"),
    (house.floors_are_kept, "chainnode/__init__.py", "from chainnode.codec import encode", "the package"),
    (house.the_kit_needs_three_libraries, CODEC, "import plyvel", "plyvel"),
    (house.the_kit_needs_three_libraries, "chainnode/light.py", "from aiohttp import web", "aiohttp"),
    (house.the_kit_needs_three_libraries, "chainnode/crypto/sm2.py", "import tongsuopy", "outside a function"),
    (house.the_kit_needs_three_libraries, CONSENSUS, "def f():\n    import coincurve", "coincurve"),
    (house.the_kit_needs_three_libraries, CODEC, "def f():\n    import plyvel", "plyvel"),
    *[
        (house.pure_floors_touch_no_world, CODEC, f"import {name}", name)
        for name in ("time", "random", "os", "io", "asyncio", "logging", "socket")
    ],
    *[
        (house.pure_floors_touch_no_world, CONSENSUS, f"import {name}", name)
        for name in ("threading", "secrets", "uuid", "subprocess", "datetime")
    ],
    (house.pure_floors_touch_no_world, "contracts/roles.py", "from pathlib import Path", "pathlib"),
    (house.pure_floors_touch_no_world, "contracts/roles.py", "from os.path import join", "os"),
    (house.pure_floors_touch_no_world, CODEC, "def f():\n    import time", "time"),
    (house.pure_floors_touch_no_world, CODEC, "async def f(): ...", "async"),
    *[
        (house.pure_floors_touch_no_world, CODEC, f"{call}('x')", f"{call}()")
        for call in ("open", "print", "hash", "id", "eval", "__import__")
    ],
    (house.pure_floors_have_no_floats, CODEC, "x = 0.5", "0.5"),
    (house.pure_floors_have_no_floats, CODEC, "x = 1e3", "1000.0"),
    (house.pure_floors_have_no_floats, CODEC, "x = 2j", "2j"),
    (house.pure_floors_have_no_floats, CODEC, "def f(x: float): ...", "float"),
    (house.pure_floors_have_no_floats, CODEC, "x = float('1')", "float"),
    (house.pure_floors_have_no_floats, CONSENSUS, "x = 1 / 2", "//"),
    (house.pure_floors_have_no_floats, CONSENSUS, "x /= 2", "//"),
    (house.pure_floors_have_no_floats, CONSENSUS, "import math", "math"),
    (house.pure_floors_have_no_floats, CONSENSUS, "from math import sqrt", "sqrt"),
    (house.pure_floors_have_no_module_state, CODEC, "x = 1\ndef f():\n    global x\n    x = 2", "global"),
    (house.pure_floors_have_no_module_state, CODEC, "_known = {}\ndef f(a):\n    _known[a] = 1", "_known"),
    (house.pure_floors_have_no_module_state, CODEC, "_known: dict = {}\ndef f(a):\n    del _known[a]", "_known"),
    (house.pure_floors_have_no_module_state, CODEC, "KNOWN = []\ndef f(a):\n    KNOWN.append(a)", "KNOWN"),
    (house.pure_floors_have_no_module_state, CODEC, "A = make()\ndef f(a):\n    A.b[0].c = a", "changes A"),
    (house.pure_floors_have_no_module_state, CODEC, "from functools import cache\n@cache\ndef f(a): ...", "maxsize"),
    (house.pure_floors_have_no_module_state, CODEC, "@lru_cache(maxsize=None)\ndef f(a): ...", "maxsize"),
    (house.pure_floors_have_no_module_state, CODEC, "@functools.lru_cache\ndef f(a): ...", "maxsize"),
    (house.pure_floors_iterate_over_no_set, CODEC, "for x in {1, 2}: ...", "{1, 2}"),
    (house.pure_floors_iterate_over_no_set, CODEC, "for x in set(y): ...", "set(y)"),
    (house.pure_floors_iterate_over_no_set, CODEC, "[x for x in {y for y in z}]", "{y for y in z}"),
    (house.pure_floors_iterate_over_no_set, CODEC, "{x: 1 for x in frozenset(z)}", "frozenset(z)"),
    (house.pure_floors_iterate_over_no_set, CODEC, "def f(z):\n    a = set(z)\n    b = a | {1}\n    return tuple(b)", "over the set b"),
    (house.pure_floors_iterate_over_no_set, CODEC, "def f(a: set[int] | None):\n    return [*a]", "over the set a"),
    (house.pure_floors_iterate_over_no_set, CODEC, "def f(a: frozenset[str]):\n    return ','.join(a)", "over the set a"),
    (house.pure_floors_iterate_over_no_set, CODEC, "def f(a: set[int]):\n    return g(*a)", "over the set a"),
    (house.pure_floors_iterate_over_no_set, CODEC, "def f(a: set[int]):\n    b, c = a", "over the set a"),
    (house.pure_floors_iterate_over_no_set, CODEC, "def f(a: set[int]):\n    return a.pop()", "over the set a"),
    (house.pure_floors_iterate_over_no_set, CODEC, "def f(a: set[int]):\n    return next(iter(a))", "over the set a"),
    (house.pure_floors_iterate_over_no_set, CODEC, "def f(a: set[int]):\n    yield from a", "over the set a"),
    (house.pure_floors_iterate_over_no_set, CODEC, "def f(a: set[int]):\n    return g(x for x in a)", "over the set a"),
    (house.pure_floors_iterate_over_no_set, CODEC, "def f(a: set[int]):\n    return sorted(a, key=len)", "over the set a"),
    (house.pure_floors_iterate_over_no_set, CODEC, "def f(a: set[int]):\n    return max((x for x in a), key=len)", "over the set a"),
    (
        house.pure_floors_iterate_over_no_set,
        CONSENSUS,
        "class A:\n    b: set[int]\n    def f(self):\n        for x in self.b: ...",
        "self.b",
    ),
    (
        house.pure_floors_iterate_over_no_set,
        CONSENSUS,
        "class A:\n    def f(self):\n        self.b = set()\n        return list(self.b)",
        "self.b",
    ),
    (house.pure_floors_iterate_over_no_set, CODEC, "A = {1}\ndef f():\n    for x in A: ...", "over the set A"),
    (house.nothing_is_swallowed, NODE, "try: ...\nexcept: ...", "everything"),
    (house.nothing_is_swallowed, NODE, "try: ...\nexcept Exception: ...", "everything"),
    (house.nothing_is_swallowed, NODE, "try: ...\nexcept (OSError, BaseException): ...", "everything"),
    (house.nothing_is_swallowed, NODE, "try: ...\nexcept* Exception: ...", "everything"),
    (house.nothing_is_swallowed, NODE, "try: ...\nexcept Exception as error:\n    raise OSError from error", "everything"),
    (house.nothing_is_swallowed, CODEC, "try: ...\nexcept Exception:\n    raise", "everything"),
    (house.nothing_is_swallowed, NODE, "with contextlib.suppress(OSError, Exception): ...", "suppresses"),
    (house.public_names_are_described, CODEC, "x = 1", "the module"),
    (house.public_names_are_described, CODEC, '"""Module."""\ndef f(): ...', "f has no docstring"),
    (house.public_names_are_described, CODEC, '"""Module."""\nclass A: ...', "A has no docstring"),
    (house.public_names_are_described, CODEC, '"""Module."""\nclass A:\n    """A."""\n    def f(self): ...', "f has no docstring"),
    (house.public_names_are_described, CODEC, '"""Module."""\ndef f():\n    """Does a thing\n    and another."""', "no sentence"),
    (house.sizes_are_kept, CODEC, "\n" * (house.FILE_LINES_MAX + 1), "501 lines"),
    (house.sizes_are_kept, CODEC, "def f():\n" + "    g()\n" * house.FUNCTION_LINES_MAX, "71 lines"),
    (
        house.packages_hold_a_docstring_alone,
        "chainnode/types/__init__.py",
        '"""Words."""\nfrom chainnode.types.block import Block',
        "nothing else",
    ),
    (house.packages_hold_a_docstring_alone, "chainnode/types/__init__.py", "x = 1", "nothing else"),
    (house.work_to_do_has_an_issue, CODEC, "# TO" + "DO: later", "issue"),
    (house.work_to_do_has_an_issue, CODEC, "# FIX" + "ME", "issue"),
    *[
        (house.no_path_of_one_machine, CODEC, f"x = '{path}'", "machine")
        for path in ("/home/me/x", "/root/x", "/Users/me", "/work/x", "C:" + "\\\\x")
    ],
    (house.names_say_something, "chainnode/node/utils.py", "", "utils"),
    (house.names_say_something, "chainnode/common/codec.py", "", "common"),
]

GOOD = [
    (house.floors_are_kept, CODEC, "from chainnode.types.block import Header\nfrom chainnode import wire, errors\nimport hashlib"),
    (house.floors_are_kept, "chainnode/digests.py", "from chainnode import merkle"),
    (house.floors_are_kept, "chainnode/cli/main.py", "from chainnode.client import client\nfrom chainnode.node import host"),
    (house.floors_are_kept, CONSENSUS, "from chainnode.consensus.facts import Facts"),
    (house.floors_are_kept, "contracts/roles.py", "from contracts import registry\nfrom chainnode.execution.state import State"),
    (house.the_kit_needs_three_libraries, CODEC, "import msgpack, json\nfrom cryptography.x509 import oid\ndef f():\n    import coincurve"),
    (house.the_kit_needs_three_libraries, "chainnode/api/server.py", "import aiohttp"),
    (house.pure_floors_touch_no_world, CODEC, "import hashlib\nfrom functools import lru_cache\nopened(1)\nx.open()"),
    (house.pure_floors_touch_no_world, NODE, "import time\nasync def f():\n    print(1)"),
    (house.pure_floors_have_no_floats, CODEC, "x = 1 // 2\nx //= 3\nfrom math import gcd"),
    (house.pure_floors_have_no_floats, NODE, "x = 1 / 2.0"),
    (
        house.pure_floors_have_no_module_state,
        CODEC,
        "A = {}\ndef f(A):\n    A[1] = 2\ndef g():\n    b = A.get(1)\n    b.x = 1\n@lru_cache(maxsize=8)\ndef h(): ...",
    ),
    (
        house.pure_floors_iterate_over_no_set,
        CODEC,
        "def f(a: set[int]):\n    for x in sorted(a): ...\n    return len(a), max(a), {x for x in a}, 1 in a, all(x for x in a)",
    ),
    (house.pure_floors_iterate_over_no_set, CODEC, "def f(a: set[int]): ...\ndef g(a: list[int]):\n    for x in a: ..."),
    (house.nothing_is_swallowed, NODE, "try: ...\nexcept BaseException:\n    close()\n    raise\nexcept OSError: ..."),
    (
        house.public_names_are_described,
        CODEC,
        '"""Which one?"""\ndef f():\n    """A thing:"""\n    def g(): ...\nclass A:\n    """A."""\n    def _h(self): ...',
    ),
    (house.sizes_are_kept, CODEC, "def f():\n" + "    g()\n" * (house.FUNCTION_LINES_MAX - 1)),
    (house.packages_hold_a_docstring_alone, "chainnode/__init__.py", '"""The node."""\n__version__ = "1"'),
    (house.work_to_do_has_an_issue, CODEC, "# TO" + "DO(#12): later"),
    (house.no_path_of_one_machine, CODEC, "x = '/v1/work/x', 'https://a.example/home/x', '/var/lib/chainnode', 'work/x'"),
    (house.names_say_something, "chainnode/storage/kv.py", ""),
]


@pytest.mark.parametrize(
    "rule, path, text, what", BAD, ids=lambda value: re.sub(r"\W+", "-", value)[:40] if isinstance(value, str) else value.__name__
)
def test_a_breach_is_found(rule, path, text, what):
    breaches = list(rule(Source(path, text)))
    assert any(what in breach for breach in breaches), breaches


@pytest.mark.parametrize(
    "rule, path, text", GOOD, ids=lambda value: re.sub(r"\W+", "-", value)[:40] if isinstance(value, str) else value.__name__
)
def test_what_is_allowed_is_no_breach(rule, path, text):
    assert list(rule(Source(path, text))) == []


def test_every_rule_is_shown_to_bite_and_to_spare():
    assert {rule for rule, *_ in BAD} == {rule for rule, *_ in GOOD} == set(RULES)
