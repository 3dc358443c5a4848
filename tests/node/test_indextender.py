"""The index is tended in a thread of its own, while something is due; what fails there stops the node."""

from threading import Event, current_thread

import pytest

from chainnode.errors import Corrupt, Unavailable
from chainnode.node.indextender import IndexTender
from chainnode.types.codes import CORRUPT_STORE, DISK_FULL
from tests.patience import DEADLINE_S


class FakeLedger:
    """So many steps are due; a step waits until it may go on, and may fail."""

    def __init__(self, due, *, error=None):
        self.due, self.error = due, error
        self.threads, self.may_go = [], Event()
        self.may_go.set()

    def is_index_due(self):
        return self.due > 0

    def tend_index(self):
        self.may_go.wait(10)
        self.threads.append(current_thread().name)
        if self.error is not None:
            raise self.error
        self.due -= 1
        return self.due > 0


def settled(tender):
    if tender._work is not None:
        tender._work.exception(timeout=DEADLINE_S)


def test_all_that_is_due_is_done_in_another_thread():
    ledger = FakeLedger(3)
    tender = IndexTender(ledger)
    tender.height_applied()
    settled(tender)
    assert ledger.due == 0 and set(ledger.threads) == {"index_0"} and len(ledger.threads) == 3
    tender.height_applied()
    assert tender._work is None
    tender.close()


def test_there_is_one_at_a_time():
    ledger = FakeLedger(2)
    ledger.may_go.clear()
    tender = IndexTender(ledger)
    tender.height_applied()
    work = tender._work
    tender.height_applied()
    assert tender._work is work
    ledger.may_go.set()
    settled(tender)
    assert len(ledger.threads) == 2
    tender.close()


def test_a_close_waits_for_one_step_not_for_all():
    ledger = FakeLedger(10**9)
    tender = IndexTender(ledger)
    tender.height_applied()
    tender.close()
    assert ledger.due > 0 and tender._work.done()


def test_a_full_disk_is_told_and_tried_again(caplog):
    ledger = FakeLedger(1, error=Unavailable(DISK_FULL))
    tender = IndexTender(ledger)
    tender.height_applied()
    settled(tender)
    assert [record.message for record in caplog.records] == ["index_not_tended"]
    ledger.error = None
    tender.height_applied()
    settled(tender)
    assert ledger.due == 0
    tender.close()


@pytest.mark.parametrize("error", [Corrupt(CORRUPT_STORE, "a run"), AssertionError("ours")], ids=["disk", "ours"])
def test_damage_stops_the_node_at_the_next_height(error):
    tender = IndexTender(FakeLedger(1, error=error))
    tender.height_applied()
    settled(tender)
    with pytest.raises(type(error)):
        tender.height_applied()
    tender.close()
