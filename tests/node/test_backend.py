"""The node as the HTTP interface sees it: where it stands, when it is ready, and what it waits for."""

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from chainnode.api.backend import NodeInfo
from chainnode.bundle import verify_bundle
from chainnode.crypto.keys import public_key_of
from chainnode.digests import genesis_hash, header_hash
from chainnode.errors import Unavailable
from chainnode.node import backend as module
from chainnode.node.backend import NodeBackend
from chainnode.node.clockcheck import ClockCheck
from chainnode.node.ingress import Ingress
from chainnode.node.replica import Replica
from chainnode.sync import BlockSync
from chainnode.transactions import decode_transaction
from chainnode.types.bundle import StateFact
from chainnode.types.codes import BAD_SIGNATURE, HEIGHT_UNKNOWN, OK, STATE_PRUNED
from contracts import evidence
from tests.chain_maker import key_of, make_genesis
from tests.node.small_chain import KEYS, NODE_ID, SmallChain, batch, transaction
from tests.patience import DEADLINE_S


class FakeHost:
    def __init__(self, address: bytes | None) -> None:
        self.replica = Replica()
        self.clock = ClockCheck()
        self.address = address
        self.was_given = asyncio.Event()

    def put_now(self, item: object) -> None:
        """Nothing is decided here by itself."""
        self.was_given.set()


class FakeNetwork:
    def connected(self) -> tuple[str, ...]:
        return ("one", "two")


class Behind:
    """A backend over a small chain."""

    def __init__(self, address: bytes | None = None, powers: dict[str, int] | None = None) -> None:
        self.small = SmallChain.open(powers=powers)
        self.small.start_ns = time.time_ns()
        self.host = FakeHost(address)
        self.pool = ThreadPoolExecutor(1)
        info = NodeInfo(self.small.genesis, genesis_hash(self.small.genesis), NODE_ID, "north", "0.1.0", "127.0.0.1:1")
        self.ingress = Ingress(self.host, self.small.chain, self.pool)
        self.backend = NodeBackend(info, self.small.chain, self.host, self.ingress, FakeNetwork())

    def tx(self, number: int) -> bytes:
        return transaction(number, genesis=self.small.genesis, valid_until_ms=time.time_ns() // 1_000_000 + 300_000)

    def decide(self, *raws: bytes) -> None:
        applied = self.small.decide(*([batch(*raws)] if raws else []))
        self.ingress.height_applied(applied)
        self.backend.height_applied()

    def close(self) -> None:
        self.backend.close()
        self.pool.shutdown()


@pytest.fixture
async def behind() -> AsyncIterator[Behind]:
    made = Behind()
    yield made
    made.close()


# Ready or not, and why


async def test_a_node_is_ready_from_its_first_block_on(behind: Behind) -> None:
    assert behind.backend.is_ready() == (False, "no block has been decided yet")
    behind.decide()
    assert behind.backend.is_ready() == (True, "")


async def test_a_node_that_is_behind_its_peers_is_not_ready(behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    behind.decide()
    for target, is_behind in ((3, False), (4, True)):
        monkeypatch.setattr(BlockSync, "target", lambda _self, target=target: target)
        assert behind.backend.is_ready()[0] is not is_behind
        assert behind.backend.status().is_catching_up is is_behind


async def test_a_node_whose_next_block_no_peer_has_says_so(behind: Behind) -> None:
    behind.decide()
    behind.backend.sync_watch._lacking = "state-pruned: block 2 is needed"
    assert behind.backend.is_ready() == (False, "state-pruned: block 2 is needed")


@pytest.mark.parametrize(("power", "is_alone"), [(40, True), (67, False)])
async def test_a_node_that_needs_peers_and_has_none_says_so(power: int, is_alone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    behind = Behind(next(iter(KEYS)), {"north": power, "east": 100 - power})
    monkeypatch.setattr(FakeNetwork, "connected", lambda _self: ())
    words = ", and no peer is connected: `peer_down` in the log says why" if is_alone else ""
    assert behind.backend.is_ready() == (False, f"no block has been decided yet{words}")
    assert behind.backend._is_cut_off() is is_alone
    behind.close()


async def test_a_node_without_a_block_tells_how_many_its_peers_have(behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BlockSync, "target", lambda _self: 201)
    assert behind.backend.is_ready() == (False, "the node is catching up with its peers: it has 0 of 200 blocks")


async def test_a_node_whose_clock_is_wrong_says_so(behind: Behind) -> None:
    behind.decide()
    behind.host.clock.off_ms = -7_200_000
    ready, reason = behind.backend.is_ready()
    assert not ready and reason.startswith("clock-wrong: ") and "7200.0 s behind" in reason


async def test_status_tells_the_tip_and_our_power() -> None:
    address = next(iter(KEYS))
    behind = Behind(address)
    behind.decide(behind.tx(1))
    status, tip = behind.backend.status(), behind.small.chain.tip
    assert (status.height, status.time_ns, status.app_hash, status.peers) == (1, tip.time_ns, tip.app_hash, 2)
    assert (status.validator_key, status.validator_power) == (public_key_of(key_of("north")), 40)
    behind.close()


async def test_a_node_without_a_vote_says_so(behind: Behind) -> None:
    status = behind.backend.status()
    assert (status.validator_key, status.validator_power, status.height) == (None, 0, 0)
    assert (status.first_height, status.first_header_height) == (0, 0)


async def test_status_tells_where_the_blocks_begin_and_where_the_headers(behind: Behind) -> None:
    for _ in range(4):
        behind.decide()
    assert (behind.backend.status().first_height, behind.backend.status().first_header_height) == (1, 1)
    behind.small.chain.state.ledger.prune(3)
    status = behind.backend.status()
    assert (status.first_height, status.first_header_height) == (3, 1)
    assert await behind.backend.block(2) is None and await behind.backend.block(3) is not None
    assert await behind.backend.light_block(1) is not None


async def test_the_headers_that_lead_down_from_one(behind: Behind) -> None:
    for _ in range(4):
        behind.decide()
    links = await behind.backend.links(4, 1)
    assert [one.height for one in links] == [4, 3, 2]
    assert [one.last_block_id.hash for one in links[:2]] == [header_hash(one) for one in links[1:]]
    with pytest.raises(Unavailable) as caught:
        await behind.backend.links(5, 1)
    assert caught.value.code is HEIGHT_UNKNOWN


# Waiting


async def test_waiting_for_a_height(behind: Behind) -> None:
    behind.decide()
    await behind.backend.wait_height(1)
    waits = [asyncio.create_task(behind.backend.wait_height(2)) for _ in range(3)]
    await asyncio.sleep(0)
    waits[0].cancel()
    far = asyncio.create_task(behind.backend.wait_height(3))
    await asyncio.sleep(0)
    behind.decide()
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(*waits[1:])
    await asyncio.sleep(0)
    assert not far.done()
    behind.decide()
    async with asyncio.timeout(DEADLINE_S):
        await far


async def test_an_answer_about_now_waits_for_the_block_that_proves_the_last_one(behind: Behind) -> None:
    behind.decide()
    behind.decide(behind.tx(1))
    asked = asyncio.create_task(behind.backend.bundle_state(evidence.NAME, evidence.HEAD_KEY, None))
    await asyncio.sleep(0)
    behind.decide()
    async with asyncio.timeout(DEADLINE_S):
        fact = verify_bundle(await asked, behind.small.genesis, behind.small.chain.tip.time_ns).fact
    assert isinstance(fact, StateFact) and fact.state_height == 2


async def test_when_that_block_does_not_come_the_answer_is_about_the_height_before(behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROOF_WAIT_S", 0.01)
    behind.decide()
    behind.decide(behind.tx(1))
    proved = await behind.backend.prove_state(evidence.NAME, evidence.HEAD_KEY, None)
    assert proved.height == 1


async def test_an_answer_about_a_height_waits_for_nothing(behind: Behind) -> None:
    behind.decide()
    behind.decide(behind.tx(1))
    async with asyncio.timeout(module.PROOF_WAIT_S / 2):
        assert (await behind.backend.prove_state(evidence.NAME, b"nothing", 1)).value is None


# Transactions and blocks


async def test_a_submitted_transaction_is_found_with_its_result(behind: Behind) -> None:
    raw = behind.tx(1)
    task = asyncio.create_task(behind.backend.submit([raw], wait_ms=5_000))
    async with asyncio.timeout(DEADLINE_S):
        await behind.host.was_given.wait()
    behind.decide(raw)
    (done,) = await task
    assert (done.code, done.height, done.index) == (OK, 1, 0)
    found = await behind.backend.transaction(done.tx_id)
    assert found is not None and (found.height, found.index, found.raw, found.result) == (1, 0, raw, done.result)
    assert await behind.backend.transaction(bytes(32)) is None


async def test_a_refused_one_has_its_code(behind: Behind) -> None:
    forged = transaction(1, genesis=make_genesis({"x": 1}), valid_until_ms=time.time_ns() // 1_000_000 + 1000)
    (told,) = await behind.backend.submit([forged], wait_ms=None)
    assert told.code is BAD_SIGNATURE and told.tx_id == decode_transaction(forged).tx_id


async def test_a_block_holds_its_transactions_in_order(behind: Behind) -> None:
    one, two = behind.tx(1), behind.tx(2)
    behind.decide(one, two)
    block = await behind.backend.block(1)
    assert block is not None and block.raws == (one, two) and block.block.header.height == 1
    results = await behind.backend.results(1)
    assert results is not None and [one.code for one in results] == [0, 0]
    assert await behind.backend.block(2) is None and await behind.backend.results(2) is None
    assert (await behind.backend.light_block(1)) is not None and (await behind.backend.validators(2)) is not None


async def test_what_was_pruned_is_told_from_what_never_was(behind: Behind) -> None:
    raw = behind.tx(1)
    behind.decide(raw)
    behind.decide()
    behind.small.chain.state.ledger.prune(2)
    tx_id = decode_transaction(raw).tx_id
    for ask in (behind.backend.transaction, behind.backend.bundle_transaction):
        with pytest.raises(Unavailable) as caught:
            await ask(tx_id)
        assert caught.value.code is STATE_PRUNED
    assert await behind.backend.block(1) is None and await behind.backend.light_block(1) is not None


async def test_a_block_that_is_pruned_while_it_is_read_is_not_shown_without_its_transactions(
    behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind.decide(behind.tx(1))
    behind.decide()
    ledger = behind.small.chain.state.ledger
    read = ledger.block_bytes
    monkeypatch.setattr(ledger, "block_bytes", lambda height: (read(height), ledger.prune(2))[0])
    assert await behind.backend.block(1) is None


async def test_blocks_by_their_hash_and_the_parameters_of_the_next(behind: Behind) -> None:
    for _ in range(2):
        behind.decide()
    tip = behind.small.chain.tip
    assert await behind.backend.height_of_block(tip.block_id.hash) == tip.height
    assert await behind.backend.height_of_block(bytes(32)) is None
    assert behind.backend.params() == tip.params


async def test_a_look_at_the_state_is_about_a_height_that_can_be_proved(behind: Behind) -> None:
    behind.decide(behind.tx(1))
    behind.decide()
    looked = await behind.backend.look(lambda state, time_ns: (state.store("evidence").get(b"log"), time_ns))
    assert looked.height == 1 and looked.time_ns == behind.small.chain.tip.time_ns
    assert looked.answer == (behind.small.chain.state.get("evidence", b"log"), looked.time_ns)
    earlier = await behind.backend.look(lambda state, _: state.store("evidence").get(b"log"), 0)
    assert earlier.height == 0 and earlier.answer != looked.answer[0]
    with pytest.raises(Unavailable):
        await behind.backend.look(lambda state, _: None, 2)
