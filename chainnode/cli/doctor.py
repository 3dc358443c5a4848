"""`chainnode doctor`: what this machine gives the program, which code checks signatures here, and whether they keep the chain's rule."""

import argparse
import ctypes
import importlib
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import plyvel
from cryptography.hazmat.backends.openssl import backend
from nacl import _sodium

from chainnode.cli.verify import Subparsers
from chainnode.crypto import sm2
from chainnode.crypto.acceptance import first_deviation
from chainnode.crypto.verify import NATIVE, PATH
from chainnode.errors import ChainError
from chainnode.node.node import check_machine
from chainnode.types.release import VERSION

_NO_NATIVE = "not built here, or switched off by CHAINNODE_NATIVE=0; libsodium and Python serve, more slowly"
_MORE_NATIVE = {"hashes, checksums": "chainnode.native._bulk", "index of digests": "chainnode.native._runs"}


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `doctor` to the command line."""
    parser = subparsers.add_parser("doctor", help="tell which libraries and which code are in use", description=__doc__)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one line for each; the error with which a node would not start here."""
    for what, found in _findings():
        print(f"{what:24}{found}")
    check_machine()
    return 0


def _findings() -> Iterator[tuple[str, str]]:
    yield "chainnode", VERSION
    yield "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield "event loop", f"uvloop {_version('uvloop')}" if _version("uvloop") else "asyncio; uvloop is not installed"
    yield "Ed25519, many at once", PATH if NATIVE is not None else f"{PATH}: the C code was {_NO_NATIVE}"
    for what, module in _MORE_NATIVE.items():  # each may be missing by itself
        yield what, "native" if _is_built(module) else f"Python: the C code was {_NO_NATIVE}"
    yield "Ed25519, one by one", f"libsodium {_libsodium()}"
    deviation = first_deviation()
    yield "acceptance (ADR-0002)", "kept on every clause" if deviation is None else f"NOT KEPT: {deviation}"
    yield "SM2", _sm2()
    yield "secp256k1", f"coincurve {_version('coincurve')}"
    yield "OpenSSL", backend.openssl_version_text()
    yield "LevelDB", f"{plyvel.__leveldb_version__}, plyvel {_version('plyvel')}"


def _is_built(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def _version(name: str) -> str:
    """Of an installed library; empty when it is absent."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _libsodium() -> str:
    """Its version, where the library tells it: one that is a part of PyNaCl does not."""
    try:
        tell = ctypes.CDLL(_sodium.__file__).sodium_version_string
    except (AttributeError, OSError):
        return f"as it is in PyNaCl {_version('pynacl')}"
    tell.restype = ctypes.c_char_p
    return f"{tell().decode()}, PyNaCl {_version('pynacl')}"


def _sm2() -> str:
    try:
        sm2.public_of(bytes(31) + b"\x01")
    except ChainError as error:
        return f"absent, its signatures are refused: {error.detail}"
    return f"tongsuopy {_version('tongsuopy')}"
