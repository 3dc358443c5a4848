"""The relay's file of progress: how far each route was read, and the last header of each chain that was believed.

It may be lost: then events are read again from further back and headers verified from the root of trust. So a damaged file is put
aside and told of, no more.
"""

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from chainnode.errors import Corrupt
from chainnode.types.codes import DISK_FAILED, PROGRESS_DAMAGED

log = logging.getLogger(__name__)
VERSION = 1
_BYTES_MAX = 1024 * 1024
Heights = dict[str, int]  # by name of a chain


@dataclass(slots=True)
class Progress:
    """What is on file. `scanned` is by route, then by chain; `trust` by chain, in the form of its adapter. `path` None: nothing is kept."""

    path: Path | None
    scanned: dict[str, Heights] = field(default_factory=dict)
    trust: dict[str, dict[str, object]] = field(default_factory=dict)

    def check(self) -> list[str]:
        """Why the file could not be written, as far as can be seen; a sentence."""
        if self.path is None or os.access(self.path.parent, os.W_OK | os.X_OK):
            return []
        return [f"progress: {self.path.parent} is no folder that the relay may write to"]

    def content(self) -> bytes:
        """What the file holds as things stand."""
        return json.dumps({"version": VERSION, "scanned": self.scanned, "trust": self.trust}, indent=1).encode()

    def write(self, content: bytes) -> None:
        """Write the file anew, whole or not at all; one at a time in a process, of which several may share it. Corrupt(DISK_FAILED)."""
        if self.path is None:
            return
        part = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            with part.open("wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
            part.replace(self.path)
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise Corrupt(DISK_FAILED, f"{self.path}: {error.strerror}") from error


def load_progress(path: Path | None) -> Progress:
    """What an earlier run has left, or nothing."""
    if path is None or not path.exists():
        return Progress(path)
    try:
        content = path.read_bytes()
        document = json.loads(content) if len(content) <= _BYTES_MAX else None
    except OSError as error:
        raise Corrupt(DISK_FAILED, f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("version") != VERSION:
        log.warning("progress_damaged", extra={"code": PROGRESS_DAMAGED.name, "path": str(path)})
        try:
            path.replace(path.with_suffix(".damaged"))
        except OSError as error:
            raise Corrupt(DISK_FAILED, f"{path}: {error.strerror}") from error
        return Progress(path)
    return Progress(path, _heights(document.get("scanned")), _trust(document.get("trust")))


def _heights(document: object) -> dict[str, Heights]:
    found: dict[str, Heights] = {}
    for route, heights in _items(document):
        found[route] = {chain: height for chain, height in _items(heights) if type(height) is int and height >= 0}
    return found


def _trust(document: object) -> dict[str, dict[str, object]]:
    return {chain: dict(memory) for chain, memory in _items(document) if isinstance(memory, dict)}


def _items(document: object) -> list[tuple[str, object]]:
    return list(document.items()) if isinstance(document, Mapping) else []
