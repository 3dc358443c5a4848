"""What the throughput bench makes of its runs, and the limit by signatures beside it."""

import os
import threading
from types import SimpleNamespace

import pytest
import throughput
import verify
from throughput import Run

from chainnode.crypto import suites
from chainnode.types.transaction import Invocation
from netbench import sign
from tests.patience import DEADLINE_S


def test_the_result_is_made_of_medians():
    runs = [Run(1000, 2.0, 10.0, 20.0, 5.0), Run(1000, 1.0, 30.0, 90.0, 4.0), Run(1000, 4.0, 20.0, 40.0, 9.0)]
    assert throughput.told(runs, 100) == {"tx_per_s": 500.0, "records_per_s": 50_000.0, "p50_ms": 20.0, "p99_ms": 40.0, "cpu_us": 5.0}


def test_all_cores_check_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    met = threading.Event()
    together = threading.Barrier(3, action=met.set, timeout=DEADLINE_S)

    def check(items):
        if threading.current_thread() is not threading.main_thread() and not met.is_set():
            together.wait()
        return bytes([1]) * len(items)

    assert verify.on_all_cores(check, [("e", b"", b"", b"")] * 5, 0.001) > 0
    assert met.is_set()


def test_the_limit_is_what_all_validators_can_check_of_these_transactions(monkeypatch: pytest.MonkeyPatch):
    keys = [suites.generate("e", bytes([number]) * 32) for number in range(2)]
    raws = [sign(key, bytes(32), (Invocation("evidence", "record", ()),), 2**41) for key in keys]

    def on_all_cores(check, items, seconds):
        assert len(items) == 2 and list(check(items)) == [1, 1]
        return 80_000.0

    monkeypatch.setattr(throughput, "on_all_cores", on_all_cores)
    assert throughput.of_signatures(SimpleNamespace(genesis_hash=bytes(32)), raws, 4) == 20_000


def test_a_bad_signature_is_no_measure():
    with pytest.raises(SystemExit):
        verify.on_all_cores(lambda items: bytes(len(items)), [("e", b"", b"", b"")], 0.001)
