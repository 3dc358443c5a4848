"""The C code is that of other processors and compilers too: as they would build it, with `char` as ARM has it, for aarch64."""

import importlib.util
import shutil
import subprocess
import sysconfig
import zlib
from pathlib import Path
from types import ModuleType

import msgpack
import pytest

from chainnode.crypto.acceptance import CLAUSES
from tests.native.compiled import SOURCES, compiler

WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Werror")
FLAGS = ("-std=c11", "-O1", "-fPIC", "-pthread", "-fvisibility=hidden", "-DPy_LIMITED_API=0x030B0000")
FILES = sorted(SOURCES.glob("*.c"))
AARCH64, LITTLE_ENDIAN, BITS_64 = 183, 1, 2  # as ELF has them
OTHERS = ("clang", "aarch64-linux-gnu-gcc", "aarch64-linux-musl-gcc")


def build(command: list[str], folder: Path, *flags: str) -> list[Path]:
    """Objects of all sources. Python's headers are this machine's: in the limited API a 64-bit machine has the same."""
    include = f"-I{sysconfig.get_path('include')}"
    for source in FILES:
        made = subprocess.run(
            [*command, *FLAGS, *WARNINGS, *flags, include, "-c", str(source), "-o", str(folder / f"{source.stem}.o")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
    return [folder / f"{source.stem}.o" for source in FILES]


@pytest.mark.parametrize("name", OTHERS)
def test_another_compiler_takes_it_without_a_warning(name: str, tmp_path: Path) -> None:
    compiler()  # skips without Python's headers
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed here")
    objects = build([name], tmp_path)
    if name.startswith("aarch64"):
        for path in objects:
            head = path.read_bytes()[:20]
            assert (head[4], head[5], int.from_bytes(head[18:20], "little")) == (BITS_64, LITTLE_ENDIAN, AARCH64)


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of all modules where `char` has no sign, and no function of the x86-64 processors is used."""
    folder = tmp_path_factory.mktemp("unsigned")
    objects = build(compiler(), folder, "-funsigned-char")
    library = folder / "all.so"
    subprocess.run([*compiler(), "-shared", "-pthread", *map(str, objects), "-o", str(library)], check=True)
    return library


def loaded(library: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"unsigned.{name}", library)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_does_the_same_where_char_has_no_sign(unsigned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAINNODE_NATIVE", raising=False)
    verify, bulk = loaded(unsigned, "_verify"), loaded(unsigned, "_bulk")
    items = [("e", *(bytes.fromhex(text) for text in row[1:4])) for row in CLAUSES]
    for _ in range(5):
        assert list(verify.verify_many(items, 1 << 24, False)) == [int(row[4]) for row in CLAUSES]
    numbers = [0, -1, -32, -33, -128, -129, -32768, -(2**31), -(2**63), 127, 128, 255, 2**63 - 1]
    for value in [*numbers, b"\x80\xff", "\u00e9\U0001f600", (True, None), {"~": 2, "\u00e9": 1}]:
        text = verify.encode_value(value, 8)
        assert text == msgpack.packb(value) and verify.decode_value(text, 8, len(text)) == (value,)
    text = bytes(range(256)) * 9
    assert bulk.crc32(text, 0) == zlib.crc32(text)


def test_a_machine_of_32_bits_is_refused_by_name(tmp_path: Path) -> None:
    command = [*compiler(), *FLAGS, "-U__SIZEOF_INT128__", f"-I{sysconfig.get_path('include')}", "-fsyntax-only"]
    made = subprocess.run([*command, str(SOURCES / "scalar.c")], capture_output=True, text=True, check=False)
    assert made.returncode != 0 and "needs a 64-bit little-endian machine" in made.stderr
