"""Calls of C whose allocations fail, each in its turn, in a process of its own: Python that has failed so is not used again."""

import os
import subprocess
import sys

import pytest

_SHORT = """

import _testcapi

failed = 0
for call in calls:
    expected = call()
    for after in range({allocations}):
        _testcapi.set_nomemory(after, after + 1)
        try:
            found = call()
        except MemoryError:
            failed += 1
        else:
            assert found == expected
        finally:
            _testcapi.remove_mem_hooks()
print(failed)
"""


def failures(program: str, allocations: int) -> int:
    """How often one of the `calls` that a program makes ended in MemoryError; each of their first allocations has failed once.

    What does not end so gives what it gives with memory at hand.
    """
    pytest.importorskip("_testcapi")
    command = [sys.executable, "-c", program + _SHORT.format(allocations=allocations)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=os.getcwd(), env=environment)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
