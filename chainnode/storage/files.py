"""Small files that must not be lost: written whole, synced, moved into place."""

import errno
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from chainnode.errors import ChainError, Corrupt, Unavailable
from chainnode.types.codes import DISK_FAILED, DISK_FULL

PAGE_BYTES = 4096
_PIECES_MAX = 256  # in one call of the kernel; it takes 1,024
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def explained(error: OSError, path: Path) -> ChainError:
    """The error that a failed call on `path` means for the node."""
    if error.errno in _FULL:
        return Unavailable(DISK_FULL, f"no room left for {path}")
    return Corrupt(DISK_FAILED, f"{path}: {error.strerror or error}")


def write_all(file: int, content: bytes | bytearray, offset: int) -> None:
    """Write all of `content` at `offset`; a short write is continued, and raises OSError when it cannot be."""
    view = memoryview(content)
    while view:
        written = os.pwrite(file, view, offset)
        offset += written
        view = view[written:]


def write_pieces(file: int, pieces: Sequence[bytes], offset: int) -> None:
    """The same with pieces behind each other, which are not joined before: a copy less of what is large."""
    for begin in range(0, len(pieces), _PIECES_MAX):
        some = pieces[begin : begin + _PIECES_MAX]
        written, length = os.pwritev(file, some, offset), sum(map(len, some))
        if written < length:
            write_all(file, b"".join(some)[written:], offset + written)
        offset += length


def forget_pages(file: int, begin: int, end: int) -> None:
    """Take whole pages of a file between two offsets out of the kernel's cache, as far as they are synced: few will be read again.

    So files that only grow do not push out what others need, and the next pages to be written are the ones just given back. A page that
    was not in use for long costs 3 to 5 us on a virtual machine, where the host may have to find it; one that was, 1 us with this call.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):  # it is advice
            os.posix_fadvise(file, begin, end - begin, os.POSIX_FADV_DONTNEED)


def expect_pages(file: int, offsets: Iterable[int], length: int) -> None:
    """Have the kernel begin to read at all these places, beside each other, before they are read one by one."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):  # it is advice
            for offset in offsets:
                os.posix_fadvise(file, offset, length, os.POSIX_FADV_WILLNEED)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a loss of power."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """A folder that outlives a loss of power, with those above it; one that is there already stays."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync_folder(one.parent)


def save_new(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """A new file with all of `content`, or no file. FileExistsError, and nothing changed, when there is one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        try:
            os.fchmod(file, mode)  # whatever the umask says
            write_all(file, content, 0)
            os.fsync(file)
        finally:
            os.close(file)
        os.link(part, path)  # unlike a rename, it refuses to replace
    finally:
        os.unlink(part)
    sync_folder(path.parent)
