"""The optional C code. Where it cannot be built the installation succeeds all the same, and PyNaCl serves (ADR-0005).

CHAINNODE_C=required makes the build fail instead: a wheel for others must not lack it because of a compiler's fault.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FOLDER = "chainnode/native"
SOURCES = [
    *("batch.c", "group.c", "ifma_sha512.c", "ifma_sums.c", "scalar.c", "sha512.c", "tables.c"),  # signatures
    *("canonical.c", "decode.c", "encode.c", "gather.c", "objects.c", "transaction.c"),  # transactions
    *("sha256.c", "sha256_lanes.c", "sha256_x86.c"),
    *("sheet.c", "sheetobject.c"),  # batches by columns
    *("recordobject.c", "records.c", "recordshelf.c"),  # sheets of evidence
    "module.c",
]
HEADERS = [
    *("batch.h", "field.h", "group.h", "ifma.h", "lanes.h", "scalar.h", "sha512.h", "tables.h"),
    *("canonical.h", "decode.h", "objects.h", "sha256.h", "transaction.h", "records.h", "sheet.h", "sheetobject.h"),
]
# Lines for traces of a crash; what else Python's own -g keeps of variables takes gcc twice as long. Who wants none says -g0.
LINES = [] if "-g0" in os.environ.get("CFLAGS", "").split() else ["-g1"]
BULK_SOURCES = ["bulk.c", "crc32.c", "crc32_x86.c", "sha256.c", "sha256_lanes.c", "sha256_x86.c"]  # hashes, checksums, numbers
RUNS_SOURCES = ["crc32.c", "crc32_x86.c", "keytable.c", "runblocks.c", "runprints.c", "runs.c", "runsort.c", "sieve.c"]  # the index


class BuildFresh(build_ext):
    """Removes what an earlier build left beside the sources: one that fails must not leave code of another state in use.

    Files are compiled as many at a time as there are processors, which setuptools does for whole modules alone.
    """

    def run(self) -> None:
        """Build, when there is a compiler."""
        for old in Path(FOLDER).glob("_*.so"):
            old.unlink()
        super().run()

    def build_extensions(self) -> None:
        """Build all modules."""
        compile_in_turn = self.compiler.compile

        def compile_at_once(sources: list[str], **options: Any) -> list[str]:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                found = list(pool.map(lambda source: compile_in_turn([source], **options), sources))
            return [name for names in found for name in names]

        self.compiler.compile = compile_at_once
        super().build_extensions()


def extension(name: str, sources: list[str], headers: list[str]) -> Extension:
    """A module in C that may be missing."""
    return Extension(
        f"chainnode.native.{name}",
        sources=[f"{FOLDER}/{source}" for source in sources],
        depends=[f"{FOLDER}/{header}" for header in headers],
        define_macros=[("Py_LIMITED_API", "0x030B0000")],
        extra_compile_args=["-std=c11", "-O3", "-pthread", "-fvisibility=hidden", "-Wall", "-Wextra", *LINES],
        extra_link_args=["-pthread"],
        py_limited_api=True,
        optional=os.environ.get("CHAINNODE_C") != "required",
    )


setup(
    ext_modules=[
        extension("_verify", SOURCES, HEADERS),
        extension("_bulk", BULK_SOURCES, ["crc32.h", "sha256.h"]),
        extension("_runs", RUNS_SOURCES, ["crc32.h", "keytable.h", "runblocks.h", "runprints.h", "runsort.h", "sieve.h"]),
    ],
    cmdclass={"build_ext": BuildFresh},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
