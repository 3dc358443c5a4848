"""Page faults of buffers that come and go, with and without the settings of a node."""

import subprocess
import sys

import pytest

from chainnode.cli import allocator

ROUNDS, BUFFERS, BYTES = 20, 6, 550_000
PAGES = BUFFERS * BYTES // 4096  # of one round
WORK = f"""
import ctypes, resource, sys, threading
from chainnode.cli.allocator import keep_room
print(keep_room({{}} if sys.argv[1] == "set" else {{"MALLOC_ARENA_MAX": "8"}}))

def work():
    for number in range({ROUNDS + 2}):
        if number == 2:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        buffers = [bytes({BYTES}) for _ in range({BUFFERS})]
        del buffers
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

work()
for _ in range(2):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
sys.stdout.flush()
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
"""


def faults(setting: str) -> tuple[bool, list[int], int]:
    """Whether the allocator was set; the faults of the main thread and of two others, which fill each buffer; how many heaps there are."""
    work = WORK.replace("bytes(", "b'x' * (")
    told = subprocess.run([sys.executable, "-c", work, setting], check=True, capture_output=True, text=True).stdout
    words = told.split()
    return words[0] == "True", [int(one) for one in words[1:4]], told.count("<heap nr=")


@pytest.fixture(scope="module", autouse=True)
def glibc() -> None:
    if not faults("set")[0]:
        pytest.skip("the C library has no mallopt")


def test_room_of_buffers_is_kept_in_every_thread() -> None:
    is_set, found, heaps = faults("set")
    assert is_set and max(found) < PAGES, found  # of ROUNDS * PAGES
    assert heaps == 1


def test_what_the_operator_has_set_stays() -> None:
    assert not faults("not")[0]
    assert not allocator.keep_room({"PATH": "/bin", "GLIBC_TUNABLES": "glibc.malloc.arena_max=2"})


def test_without_mallopt_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        """A C library without it."""

    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: Other())
    assert not allocator.keep_room({})
