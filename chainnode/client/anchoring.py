"""Records for the evidence log: digests of files, or digests made elsewhere."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from chainnode.errors import Malformed
from chainnode.types.codes import BAD_ARGUMENTS
from chainnode.types.limits import ANCHOR_FILE_CHUNK_BYTES, EVIDENCE_META_BYTES_MAX

Record = tuple[str, bytes, bytes]  # algorithm, digest, description
Item = Path | bytes | tuple[bytes, str]  # a file, a SHA-256 digest, a digest with a description


def records_of(items: Sequence[Item]) -> list[Record]:
    """A record for each file, described by its name, and for each SHA-256 digest. Reads the files; may run in a thread."""
    return [_record_of(item) for item in items]


def digest_of(path: Path) -> bytes:
    """A file's SHA-256. Malformed(BAD_ARGUMENTS) when it can not be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as opened:
            while chunk := opened.read(ANCHOR_FILE_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise Malformed(BAD_ARGUMENTS, f"{path}: {error.strerror}") from error
    return digest.digest()


def _record_of(item: Item) -> Record:
    if isinstance(item, Path):
        return _record_of_file(item)
    digest, description = item if isinstance(item, tuple) else (item, "")
    return "sha-256", digest, description.encode("utf-8", "replace")[:EVIDENCE_META_BYTES_MAX]


def _record_of_file(path: Path) -> Record:
    return "sha-256", digest_of(path), path.name.encode("utf-8", "replace")[:EVIDENCE_META_BYTES_MAX]
