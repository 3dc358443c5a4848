"""A node that no peer can serve, or that has no peer, says so: in the log, seldom, and to whoever asks whether it is ready."""

import logging

import pytest

from chainnode.node.syncwatch import SyncWatch
from chainnode.sync import BlockSync
from chainnode.types.limits import PEERLESS_MS, SYNC_LACKING_MS, SYNC_LACKING_TOLD_MS, SYNC_PEERS_TOLD


def pruned(*peers: str) -> BlockSync:
    """A new node, asking peers that have pruned the first block."""
    sync = BlockSync()
    sync.advance(1, 0)
    for name in peers:
        sync.peer_up(name, 500)
    for now_ms in range(0, 20_000, 1000):
        for request in sync.requests(now_ms):
            sync.receive(request.peer, (), now_ms)
    return sync


def never() -> bool:
    return False


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_it_is_told_once_and_again_seldom(caplog):
    watch = SyncWatch(pruned("a", "b"), never)
    caplog.set_level(logging.INFO)
    watch.look(1000)
    watch.look(999 + SYNC_LACKING_MS)
    assert (watch.reason, told(caplog)) == ("", []), "a moment is not long enough"
    for now_ms in range(1000 + SYNC_LACKING_MS, SYNC_LACKING_TOLD_MS + SYNC_LACKING_MS + 1000, 60_000):
        watch.look(now_ms)
    assert told(caplog) == ["blocks_unavailable"]
    watch.look(SYNC_LACKING_TOLD_MS + SYNC_LACKING_MS + 1000)
    assert told(caplog) == ["blocks_unavailable"] * 2
    record = caplog.records[0]
    assert (record.levelname, record.code, record.height, record.peers) == ("WARNING", "state-pruned", 1, {"a": 499, "b": 499})
    assert record.reason == watch.reason
    assert watch.reason.startswith("state-pruned: block 1 is needed and no peer has it any more (a is at 499, b is at 499): ")
    assert "peers.dial" in watch.reason and "data/ledger" in watch.reason


def test_when_a_peer_comes_that_may_have_it_the_reason_is_gone(caplog):
    sync = pruned("a")
    watch = SyncWatch(sync, never)
    caplog.set_level(logging.INFO)
    watch.look(0)
    watch.look(SYNC_LACKING_MS)
    assert watch.reason
    sync.peer_up("b", 500)
    watch.look(SYNC_LACKING_MS + 1000)
    watch.look(SYNC_LACKING_MS + 2000)
    assert (watch.reason, told(caplog)) == ("", ["blocks_unavailable", "blocks_available"])


def test_many_peers_are_counted(caplog):
    watch = SyncWatch(pruned(*(f"p{number:02}" for number in range(SYNC_PEERS_TOLD + 3))), never)
    watch.look(0)
    watch.look(SYNC_LACKING_MS)
    assert f"p{SYNC_PEERS_TOLD - 1:02} is at 499, and 3 more)" in watch.reason and f"p{SYNC_PEERS_TOLD:02}" not in watch.reason


def test_a_node_that_hears_of_nobody_says_so_once(caplog):
    is_cut_off = True
    watch = SyncWatch(BlockSync(), lambda: is_cut_off)
    caplog.set_level(logging.INFO)
    watch.look(5)
    watch.look(4 + PEERLESS_MS)
    assert (watch.reason, told(caplog)) == ("", []), "peers may be restarting"
    for now_ms in (5, 6, 10_000):
        watch.look(now_ms + PEERLESS_MS)
    assert watch.reason.startswith("no peer has been connected for 30 s") and told(caplog) == ["peers_missing"]
    is_cut_off = False
    watch.look(20_000 + PEERLESS_MS)
    assert watch.reason == ""
    is_cut_off = True
    watch.look(30_000 + PEERLESS_MS)
    assert watch.reason == "", "counted anew"
