"""Whether a call in C lets other threads run while it is at work."""

import sys
import threading
from collections.abc import Callable

TRIES = 200


def lets_others_run(call: Callable[[], object]) -> bool:
    """Whether another thread comes in before `call` is back in Python.

    Python asks nobody to give way meanwhile, so it comes in only if the call lets go of the lock. It may come too late all the
    same, on a busy machine: then it is tried again.
    """
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1_000)
    try:
        return any(_comes_in(call) for _ in range(TRIES))
    finally:
        sys.setswitchinterval(interval_s)


def _comes_in(call: Callable[[], object]) -> bool:
    gate, is_back, seen = threading.Lock(), threading.Event(), list[bool]()

    def other() -> None:
        with gate:
            seen.append(not is_back.is_set())

    gate.acquire()
    thread = threading.Thread(target=other)
    thread.start()
    gate.release()
    call()
    is_back.set()
    thread.join()
    return seen == [True]
