"""The optional C code. Where it cannot be built the installation succeeds all the same, and PyNaCl serves (ADR-0005)."""

from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FOLDER = "chainnode/native"
SOURCES = [
    *("batch.c", "group.c", "ifma_sha512.c", "ifma_sums.c", "scalar.c", "sha512.c", "tables.c"),  # signatures
    *("canonical.c", "decode.c", "gather.c", "objects.c", "sha256.c", "sha256_x86.c", "transaction.c"),  # transactions
    "module.c",
]
HEADERS = [
    *("batch.h", "field.h", "group.h", "ifma.h", "lanes.h", "scalar.h", "sha512.h", "tables.h"),
    *("canonical.h", "decode.h", "objects.h", "sha256.h", "transaction.h"),
]


class BuildFresh(build_ext):
    """Removes what an earlier build left beside the sources: one that fails must not leave code of another state in use."""

    def run(self) -> None:
        """Build, when there is a compiler."""
        for old in Path(FOLDER).glob("_verify*.so"):
            old.unlink()
        super().run()


setup(
    ext_modules=[
        Extension(
            "chainnode.native._verify",
            sources=[f"{FOLDER}/{name}" for name in SOURCES],
            depends=[f"{FOLDER}/{name}" for name in HEADERS],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=["-std=c11", "-O3", "-pthread", "-fvisibility=hidden", "-Wall", "-Wextra"],
            extra_link_args=["-pthread"],
            py_limited_api=True,
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildFresh},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
