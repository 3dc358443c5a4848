"""CRC-32 of what stands on disk: zlib's, or the same in C of ours, in a fifth of the time, where the processor has what that needs."""

import zlib
from typing import Protocol


class _Crc32(Protocol):
    def __call__(self, data: bytes | bytearray, before: int = 0, /) -> int: ...


def _native() -> _Crc32:
    try:
        from chainnode.native import _bulk
    except ImportError:
        return zlib.crc32
    return _bulk.crc32 if _bulk.HAS_CRC32_X86 else zlib.crc32


crc32 = _native()  # of data, which follow what `before` is the checksum of
