"""What is handed out is whole: the wheel's packages, data and C, the sources, the image."""

import os
import re
import runpy
import threading
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import setuptools

from chainnode.api.routes import ROUTES
from chainnode.cli.main import main
from chainnode.node.config import Config
from tests.patience import DEADLINE_S

ROOT = Path(__file__).resolve().parent.parent
NATIVE = ROOT / "chainnode" / "native"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture
def extensions(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[setuptools.Extension]]:
    """Those that setup.py hands over, in the surroundings of the test."""
    monkeypatch.delenv("CFLAGS", raising=False)
    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    runpy.run_path(str(ROOT / "setup.py"))
    yield given["ext_modules"]


def test_every_file_of_c_is_built_and_watched(extensions: list[setuptools.Extension]) -> None:
    for kind, named in (("*.c", [one.sources for one in extensions]), ("*.h", [one.depends for one in extensions])):
        assert {path for paths in named for path in paths} == {str(path.relative_to(ROOT)) for path in NATIVE.glob(kind)}
    assert {one.name for one in extensions} == {f"chainnode.native.{path.stem}" for path in NATIVE.glob("_*.pyi")}


def test_a_wheel_for_others_is_not_made_without_the_c_code(extensions: list[setuptools.Extension], monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = PROJECT["tool"]["cibuildwheel"]
    assert all(one.optional for one in extensions)
    monkeypatch.setenv("CHAINNODE_C", wheels["environment"]["CHAINNODE_C"])
    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    runpy.run_path(str(ROOT / "setup.py"))
    assert not any(one.optional for one in given["ext_modules"])
    for one in extensions:
        assert re.search(rf"\b{one.name.rpartition('.')[2]}\b", wheels["test-command"]), f"{one.name} is not tried in a new wheel"


def test_code_has_line_numbers_for_traces_and_a_wheel_for_others_none(
    extensions: list[setuptools.Extension], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all("-g1" in one.extra_compile_args for one in extensions)
    monkeypatch.setenv("CFLAGS", PROJECT["tool"]["cibuildwheel"]["environment"]["CFLAGS"])
    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    runpy.run_path(str(ROOT / "setup.py"))
    assert not any("-g1" in one.extra_compile_args for one in given["ext_modules"])


def test_many_files_are_compiled_at_once_and_stand_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    runpy.run_path(str(ROOT / "setup.py"))
    command = given["cmdclass"]["build_ext"](setuptools.Distribution())
    started = threading.Barrier(2)

    def compile_one(sources: list[str], **options: Any) -> list[str]:
        started.wait(DEADLINE_S)  # the other has begun too
        return [f"{options['output_dir']}/{source}.o" for source in sources]

    command.compiler = SimpleNamespace(compile=compile_one)
    command.extensions = []
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    command.build_extensions()
    assert command.compiler.compile(["a", "b", "c", "d"], output_dir="x") == ["x/a.o", "x/b.o", "x/c.o", "x/d.o"]


def test_one_wheel_serves_all_versions_of_python(extensions: list[setuptools.Extension]) -> None:
    lowest = re.search(r">=3\.(\d+)", PROJECT["project"]["requires-python"])
    assert lowest is not None and PROJECT["tool"]["cibuildwheel"]["build"] == f"cp3{lowest[1]}-manylinux_*"
    for one in extensions:
        assert one.py_limited_api and one.define_macros == [("Py_LIMITED_API", f"0x03{int(lowest[1]):02X}0000")]


@pytest.mark.parametrize("top", ["chainnode", "contracts"])
def test_every_file_of_the_program_is_in_the_wheel(top: str) -> None:
    assert f"{top}*" in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    data = PROJECT["tool"]["setuptools"]["package-data"].get(top, [])
    for path in sorted((ROOT / top).rglob("*")):
        name = str(path.relative_to(ROOT / top))
        if path.is_dir() or "__pycache__" in name or path.suffix in {".so", ".c", ".h", ".sol"}:  # the Solidity sources are compiled apart
            continue
        assert (path.parent / "__init__.py").exists() or name.startswith("cli/samples/"), f"{path.parent} is no package"
        assert path.suffix in {".py", ".pyi"} or any(fnmatch(name, pattern) for pattern in data), f"{name} is left out"


def test_the_image_is_built_from_what_the_build_reads() -> None:
    copied = {word for line in re.findall(r"^COPY (?!--)(.*)", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]}
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert copied == {"pyproject.toml", "setup.py", "MANIFEST.in", PROJECT["project"]["readme"], "chainnode", "contracts"}
    assert not copied & set(ignored) and "**/*.so" in ignored  # what another machine built is no use there
    extras = re.search(r"^ARG EXTRAS=\[(.*)\]$", DOCKERFILE, re.MULTILINE)
    assert extras is not None and extras[1] in PROJECT["project"]["optional-dependencies"]


def test_the_image_starts_a_node_that_is_not_root(capsys: pytest.CaptureFixture[str]) -> None:
    entry = re.search(r'^ENTRYPOINT \["(.*)"\]$', DOCKERFILE, re.MULTILINE)
    command = re.search(r'^CMD \["(\w+)", "--home", "(.*)"\]$', DOCKERFILE, re.MULTILINE)
    assert entry is not None and entry[1] in PROJECT["project"]["scripts"]
    assert command is not None and f"VOLUME {command[2]}\n" in DOCKERFILE
    with pytest.raises(SystemExit) as ended:
        main([command[1], "--home", command[2], "--help"])
    assert ended.value.code == 0 and "--home" in capsys.readouterr().out
    user = re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)
    assert user == [number for number in re.findall(r"--uid (\d+)", DOCKERFILE) if number != "0"] != []


def test_the_image_asks_whether_the_node_answers_where_it_listens() -> None:
    asked = re.search(r"^HEALTHCHECK .*\n.*http://127\.0\.0\.1:(\d+)(/\w+)'", DOCKERFILE, re.MULTILINE)
    assert asked is not None and asked[2] == "/livez"  # by /readyz a node that copies blocks would be restarted for it
    assert ("GET", asked[2]) in {(route.method, route.path) for route in ROUTES}
    listens = [Config(ROOT).peers_listen.rpartition(":")[2], Config(ROOT).api_listen.rpartition(":")[2]]
    assert asked[1] == listens[1] and f"EXPOSE {' '.join(listens)}\n" in DOCKERFILE
