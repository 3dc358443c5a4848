"""How the C library's allocator treats a node: room of batches is kept for the next one instead of given back and asked for again.

Of glibc only. By itself it gives whatever is free at the end of its heap back to the kernel, above twice the largest block that it
has seen freed, and each thread has a heap of its own. Batches come and go by the half megabyte: that was 90 page faults for
1,000 records, a twentieth of the processor time. In one heap for all threads, of which some megabytes may lie free, it is half of it.
"""

import ctypes
import os
from collections.abc import Mapping

from chainnode.types.limits import HEAP_FREE_BYTES_MAX, HEAP_PIECE_BYTES_MAX

_SETTINGS = (
    (-1, HEAP_FREE_BYTES_MAX),  # M_TRIM_THRESHOLD: so much may lie free at the end of the heap
    (-3, HEAP_PIECE_BYTES_MAX),  # M_MMAP_THRESHOLD: what is larger comes from the kernel and goes back at once
    (-8, 1),  # M_ARENA_MAX: one heap
)


def keep_room(environment: Mapping[str, str] = os.environ) -> bool:
    """Set the allocator for a node, before it has threads; whether it was set.

    Not where the C library is another, and not when the operator has set it by himself (`MALLOC_...`, `GLIBC_TUNABLES`; mallopt(3)).
    """
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in environment):
        return False
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all(set_option(option, value) for option, value in _SETTINGS)
