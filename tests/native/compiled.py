"""The C sources built anew, as they are or with one rule bent, beside the module that is installed."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sysconfig
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "chainnode" / "native"
FLAGS = ("-std=c11", "-O1", "-fPIC", "-pthread", "-fvisibility=hidden", "-w", "-DPy_LIMITED_API=0x030B0000")
UNIT_OF = {"lanes.h": "ifma_sums.c", "transaction.h": "transaction.c"}  # where a header is bent
_numbers = count()


def compiler() -> list[str]:
    """$CC, or what Python was built with; skips the test where there is none, or no header of Python's."""
    command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    works = (
        shutil.which(command[0]) is not None and subprocess.run([*command, "--version"], capture_output=True, check=False).returncode == 0
    )
    if not works or not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        pytest.skip("no C compiler, or no header of Python's")
    return command


def compile_all(folder: Path) -> None:
    """Objects of all sources in `folder`."""
    for source in sorted(SOURCES.glob("*.c")):
        _compile(source, folder / f"{source.stem}.o")


def load_bent(folder: Path, file: str, find: str, replace: str, *, name: str = "_verify") -> ModuleType:
    """The module with one text in one of its files replaced; the other objects are those of `compile_all`."""
    text = (SOURCES / file).read_text()
    assert text.count(find) == 1, f"{find!r} stands {text.count(find)} times in {file}"
    place = folder / f"bent{next(_numbers)}"
    place.mkdir()
    unit = UNIT_OF.get(file, file)
    shutil.copy(SOURCES / unit, place / unit)  # finds what lies beside it before what is in SOURCES
    (place / file).write_text(text.replace(find, replace))
    _compile(place / unit, place / "bent.o")
    objects = [str(path) for path in sorted(folder.glob("*.o")) if path.stem != Path(unit).stem]
    library = place / f"{name}.so"
    subprocess.run([*compiler(), "-shared", "-pthread", *objects, str(place / "bent.o"), "-o", str(library)], check=True)
    spec = importlib.util.spec_from_file_location(f"{place.name}.{name}", library)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _compile(source: Path, target: Path) -> None:
    include = [f"-I{SOURCES}", f"-I{sysconfig.get_path('include')}"]
    subprocess.run([*compiler(), *FLAGS, *include, "-c", str(source), "-o", str(target)], check=True)
