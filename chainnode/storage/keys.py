"""Key files: sealed private keys as JSON, readable by their owner alone, never overwritten."""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from chainnode.errors import Malformed, Rejected
from chainnode.storage.files import explained, save_new
from chainnode.types.codes import BAD_KEY_FILE, KEY_FILE_EXISTS
from chainnode.types.limits import KEY_FILE_BYTES_MAX


def save_key_file(path: Path, sealed: Mapping[str, object]) -> None:
    """Write a sealed key (`crypto.keystore.seal`) to a new file. Rejected(KEY_FILE_EXISTS) when there is one."""
    content = json.dumps(sealed, indent=2).encode() + b"\n"
    assert len(content) <= KEY_FILE_BYTES_MAX
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        save_new(path, content)
    except FileExistsError as error:
        raise Rejected(KEY_FILE_EXISTS, f"{path} is there already; move it away if you mean it") from error
    except OSError as error:
        raise explained(error, path) from error


def load_key_file(path: Path) -> dict[str, object]:
    """The sealed key in a file. Malformed(BAD_KEY_FILE) when it is missing, no JSON object, or open to others."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(file, "rb") as opened:
            mode = stat.S_IMODE(os.fstat(file).st_mode)
            content = opened.read(KEY_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise Malformed(BAD_KEY_FILE, f"{path}: {error.strerror}") from error
    if mode & 0o077:
        raise Malformed(BAD_KEY_FILE, f"{path} may be read by others (mode {mode:o}); make it 600")
    if len(content) > KEY_FILE_BYTES_MAX:
        raise Malformed(BAD_KEY_FILE, f"{path} is too large for a key file")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Malformed(BAD_KEY_FILE, f"{path} is not JSON") from error
    if not isinstance(document, dict):
        raise Malformed(BAD_KEY_FILE, f"{path} holds no JSON object")
    return document
