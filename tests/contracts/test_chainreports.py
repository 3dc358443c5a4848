"""What chains report of themselves: from whom, how often, and what becomes of it where a light client knows better."""

from typing import Any

import pytest

from chainnode import codec
from chainnode.did.chainfeeds import digest_of
from contracts.chainreports import compared, is_covered, newest, verified_hash
from tests.contracts.admission import PORT, admitted, blocks_of, chain_of, form_of, status_of
from tests.contracts.council import WEEK_MS, Council, did

HASH, OTHER = "ab" * 32, "cd" * 32
MINUTE_MS = 60_000


@pytest.fixture
def world() -> Council:
    made = Council(("ada",))
    admitted(made, gateways=(did("mia"),))
    return made


def verify(world: Council, height: int, block_hash: str, ac: str = "byo1") -> None:
    """As if the chain's light client had verified a header."""
    world.state.store("ibc").put(f"clients/{chain_of(world, ac).client_id}/headers/1-{height}".encode(), bytes.fromhex(block_hash))


def test_the_newest_of_a_feed_is_kept_and_all_digests_are_logged(world: Council) -> None:
    size = world.state.log_size
    assert world.do(["bob"], "chains.report", "byo1", "status", status_of("byo1", blockHeight=5)) == size
    one = newest(world.state, "byo1", "status")
    assert one is not None and (one.by, one.height, one.time_ms, one.content["blockHeight"]) == (did("bob"), world.height, world.time_ms, 5)
    assert one.digest == digest_of(one.content) and world.state.log_size == size + 1
    assert codec.encode(one.digest) in b"".join(b"".join(group.middles) for group in world.state.log_groups())
    world.time_ms += MINUTE_MS
    world.do(["mia"], "chains.report", "byo1", "status", status_of("byo1", blockHeight=6, gatewayAddress=did("mia")))
    again = newest(world.state, "byo1", "status")
    assert again is not None and again.content["blockHeight"] == 6 and again.by == did("mia") and world.state.log_size == size + 2
    assert newest(world.state, "byo1", "blocks") is None and world.event_names() == ["recorded", "reported"]


def test_one_report_a_minute_of_each_feed_and_chain(world: Council) -> None:
    admitted(world, "byo2", PORT)
    world.do(["bob"], "chains.report", "byo1", "status", status_of("byo1"))
    first = world.time_ms
    world.refused("feed-too-soon", "bob", "chains.report", "byo1", "status", status_of("byo1"))
    world.do(["bob"], "chains.report", "byo1", "blocks", blocks_of("byo1", (5, HASH)))
    world.do(["bob"], "chains.report", "byo2", "status", status_of("byo2"))
    world.time_ms = first + MINUTE_MS - 1 - (world.next_ms - world.time_ms)
    world.refused("feed-too-soon", "bob", "chains.report", "byo1", "status", status_of("byo1"))
    world.time_ms = first + MINUTE_MS - (world.next_ms - world.time_ms)
    world.do(["bob"], "chains.report", "byo1", "status", status_of("byo1"))


def test_inv_70_reports_come_from_the_operator_or_a_gateway(world: Council) -> None:
    for who in ("sam", "ada", "cus"):
        world.refused("not-operator", who, "chains.report", "byo1", "status", status_of("byo1"))
    world.refused("not-member", "pia bob", "chains.report", "byo1", "status", status_of("byo1"))
    world.do(["sam", "mia"], "chains.report", "byo1", "status", status_of("byo1"))  # sent by a sponsor
    one = newest(world.state, "byo1", "status")
    assert one is not None and one.by == did("mia")
    world.do(["bob"], "chains.update", "byo1", form_of(), 60)
    world.time_ms += MINUTE_MS
    world.refused("not-operator", "mia", "chains.report", "byo1", "status", status_of("byo1"))


def test_inv_68_a_closed_chain_reports_nothing(world: Council) -> None:
    world.decide("suspend_chain", "byo1")
    detail = world.refused("chain-closed", "bob", "chains.report", "byo1", "status", status_of("byo1"))
    assert "was suspended at height" in detail and detail.endswith(": because")
    world.decide("resume_chain", "byo1")
    end = world.time_ms + WEEK_MS
    world.decide("renew_chain", "byo1", end)
    world.time_ms = end
    world.refused("chain-closed", "bob", "chains.report", "byo1", "status", status_of("byo1"))
    world.refused("not-found", "bob", "chains.report", "byo7", "status", status_of("byo7"))


@pytest.mark.parametrize(
    "code, feed, content",
    [
        ("feed-unknown", "weather", status_of("byo1")),
        ("bad-feed", "status", status_of("byo2")),
        ("bad-feed", "status", status_of("byo1", gatewayAddress=did("cus"))),
        ("bad-feed", "status", {**status_of("byo1"), "rain": 1}),
        ("bad-feed", "status", {}),
        ("bad-feed", "status", None),
        ("bad-feed", "blocks", status_of("byo1")),
        ("bad-feed", "blocks", {"chainCode": "byo1", "blockList": ()}),
    ],
)
def test_what_is_no_report(world: Council, code: str, feed: str, content: Any) -> None:
    world.refused(code, "bob", "chains.report", "byo1", feed, content)


# Against what a light client has verified


def test_inv_70_a_report_is_its_own_word_until_a_verified_header_covers_it(world: Council) -> None:
    content = blocks_of("byo1", (5, HASH), (6, OTHER.upper()))
    world.do(["bob"], "chains.report", "byo1", "blocks", content)
    assert compared(world.state, chain_of(world), "blocks", content) == ((), ())
    assert not is_covered("blocks", content, ())
    verify(world, 5, HASH)
    assert compared(world.state, chain_of(world), "blocks", content) == ((5,), ())
    assert not is_covered("blocks", content, (5,))
    verify(world, 6, OTHER)
    assert compared(world.state, chain_of(world), "blocks", content) == ((5, 6), ()) and is_covered("blocks", content, (5, 6))
    assert not is_covered("status", status_of("byo1"), ())  # which names no block
    assert verified_hash(world.state, chain_of(world), 5) == bytes.fromhex(HASH) and verified_hash(world.state, chain_of(world), 0) is None


def test_inv_70_a_report_that_a_verified_header_contradicts_is_refused(world: Council) -> None:
    verify(world, 5, HASH)
    world.refused("feed-contradicted", "bob", "chains.report", "byo1", "blocks", blocks_of("byo1", (5, OTHER)))
    world.refused("feed-contradicted", "bob", "chains.report", "byo1", "blocks", blocks_of("byo1", (5, HASH), (5, OTHER)))
    below = blocks_of("byo1", (6, HASH), preBlockHash=OTHER)
    world.refused("feed-contradicted", "bob", "chains.report", "byo1", "blocks", below)
    world.do(["bob"], "chains.report", "byo1", "blocks", blocks_of("byo1", (5, HASH)))
    verify(world, 5, OTHER)  # what comes to be known later is told, not hidden
    assert compared(world.state, chain_of(world), "blocks", blocks_of("byo1", (5, HASH))) == ((), (5,))


def test_the_running_state_of_nodes_names_blocks_too(world: Council) -> None:
    verify(world, 5, HASH)
    world.refused("feed-contradicted", "bob", "chains.report", "byo1", "running", running_of("byo1", 5, OTHER))
    world.do(["bob"], "chains.report", "byo1", "running", running_of("byo1", 5, HASH))


def test_this_very_chain_and_another_chains_headers_cover_nothing(world: Council) -> None:
    other = admitted(world, "byo2", PORT)
    verify(world, 5, HASH, "byo2")
    assert verified_hash(world.state, chain_of(world), 5) is None and verified_hash(world.state, other, 5) == bytes.fromhex(HASH)


def running_of(ac: str, height: int, block_hash: str) -> dict[str, Any]:
    numbers = (
        *("delay", "upTraffic", "downTraffic", "latestTxNum", "latestAccountNum", "unblockedTxNum", "cpuUsage", "memoryUsage"),
        *("diskUsage", "memoryUsed", "diskUsed", "ledgerDBUsed", "accountDBUsed", "kvDBUsed", "loadavg", "diskRead", "diskWrite"),
        *("tcpCount", "time"),
    )
    row = {"nodeAddress": "did:bid:byo1:ef2", "status": 1, "latestBlockHeight": height, "latestBlockHash": block_hash}
    return {"chainCode": ac, "nodeRunningList": ({**row, **dict.fromkeys(numbers, 7)},)}
