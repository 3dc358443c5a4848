"""The relay follows chains over HTTP: it believes what verifies, and asks elsewhere when something does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from aiohttp import web

from chainnode.bundle import beginning_of
from chainnode.errors import Rejected, Unavailable
from chainnode.foreign import tendermint
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.ibckeys import client_state_key, consensus_state_key
from chainnode.foreign.kind import Advance, Conflict
from chainnode.foreign.merkleproof import OUR_SPECS, check_merkle_proof
from chainnode.foreign.packetbytes import Acknowledgement, Packet, Payload, encode_acknowledgement, encode_packet
from chainnode.foreign.tendermintbytes import encode_client_state, encode_consensus_state
from chainnode.relay import clientviews
from chainnode.relay.adapter import Answered, Ended, Received, Sent, TwoHeaders, UpdateClient
from chainnode.relay.comet import CometChain, TrustedHash
from chainnode.relay.endpoints import Lie
from chainnode.relay.facts import ClientView, Tip
from chainnode.types.codes import CHAIN_SILENT, CLIENT_UNKNOWN, ENDPOINT_LIES, READ_ONLY, TRUST_EXPIRED, TWO_HEADERS
from tests.patience import DEADLINE_S, patiently
from tests.relay.rpc import Json, MemoryChain, Rpc, S, Twist, follower, hang, memory_chain

PACKET = Packet(7, "07-tendermint-0", "07-tendermint-5", 1_800_000_000, (Payload("evidence", "evidence", "ev-1", "bytes", b"x"),))
ANSWER = encode_acknowledgement(Acknowledgement((b"done",)))


@asynccontextmanager
async def followed(chain: MemoryChain, *twists: Twist | None, **given) -> AsyncIterator[tuple[CometChain, list[Rpc]]]:
    """A chain with one endpoint per twist, followed."""
    async with AsyncExitStack() as stack:
        rpcs = [await stack.enter_async_context(Rpc(chain, twist)) for twist in twists or (None,)]
        adapter = follower(chain, *rpcs, **given)
        stack.push_async_callback(adapter.close)
        yield adapter, rpcs


def view_at(chain: MemoryChain, height: int, **changed: object) -> ClientView:
    """A client of the chain that knows a height, 0 being its beginning."""
    state = tendermint.client_state_of(beginning_of(chain.maker.genesis), RevisionHeight(1, height))
    header = None if height == 0 else chain.maker.blocks[height - 1].header
    if header is None:
        begun = tendermint.begin_from(beginning_of(chain.maker.genesis))
        return clientviews.view("07-tendermint-3", begun.client_state, begun.consensus_state)
    known = clientviews.view("07-tendermint-3", encode_client_state(state), encode_consensus_state(tendermint.consensus_state_of(header)))
    return replace(known, **changed)


@dataclass
class Known:
    """What a ledger holds of such a client."""

    view: ClientView
    kind: str = "07-tendermint"

    @property
    def client_state(self) -> bytes:
        return self.view.state

    def consensus_state(self, height: RevisionHeight) -> bytes | None:
        return self.view.consensus if height.height == self.view.latest else None

    def footing(self) -> None:
        return None


async def test_a_chain_is_followed_from_its_genesis_to_its_tip_in_one_step() -> None:
    chain = memory_chain(30)
    async with followed(chain) as (adapter, (rpc,)):
        assert await adapter.tip() == Tip(30, chain.maker.blocks[-1].header.time_ns)
        assert rpc.asked.count("commit") == 1


async def test_a_new_set_of_validators_is_reached_by_halves() -> None:
    chain = memory_chain(10)
    chain.decide(next_powers={"new": 100})
    for _ in range(5):
        chain.decide()
    async with followed(chain) as (adapter, _):
        assert (await adapter.tip()).height == 16
        assert adapter.believed is not None and 11 in adapter.believed.blocks


async def test_the_tip_is_not_asked_for_again_at_once_but_waited_for_when_it_is_needed() -> None:
    chain = memory_chain(3)
    async with followed(chain) as (adapter, (rpc,)):
        await adapter.tip()
        await adapter.tip()
        assert rpc.asked.count("status") == 1
        waiting = asyncio.create_task(adapter.tip(at_least=4))
        await asyncio.sleep(0)
        chain.decide()
        assert (await waiting).height == 4


def showing(other: MemoryChain, *methods: str) -> Twist:
    """Answers some methods as an endpoint of another chain would."""
    rpc = Rpc(other)

    async def twist(method: str, request: web.Request) -> Json | None:
        return rpc.result(method, request) if method in methods else None

    return twist


async def test_a_header_that_does_not_follow_is_a_lie_and_another_endpoint_is_asked() -> None:
    chain, stranger = memory_chain(5), memory_chain(5, powers={"thief": 1})
    async with followed(chain, showing(stranger, "commit", "validators"), None) as (adapter, rpcs):
        assert (await adapter.tip()).height == 5
        liar = next(one for one in adapter.endpoints.all if one.url == rpcs[0].url)
        assert liar.lies == 1 and liar.condition()["is_avoided"]
        chain.decide()
        await adapter.tip(at_least=6)
        assert rpcs[0].asked.count("status") == 1  # it is passed over from then on
    async with followed(chain, showing(stranger, "commit", "validators")) as (adapter, _):
        with pytest.raises(Lie) as caught:
            await adapter.tip()
        assert caught.value.code == ENDPOINT_LIES and adapter.condition()["height"] == 0


async def test_an_endpoint_that_hangs_is_left_after_its_time() -> None:
    chain = memory_chain(2)

    async def left(call_ms: int) -> None:
        async with followed(chain, hang, None, call_ms=call_ms) as (adapter, rpcs):
            async with asyncio.timeout(DEADLINE_S):
                assert (await adapter.tip()).height == 2
            assert adapter.endpoints.all[-1].silences + adapter.endpoints.all[0].silences == 1 and rpcs[0].asked == ["status"]

    await patiently(left, 100)
    async with followed(chain, hang, call_ms=100) as (adapter, _):
        with pytest.raises(Unavailable) as caught:
            await adapter.tip()
        assert caught.value.code == CHAIN_SILENT


async def test_an_endpoint_that_lags_behind_what_is_known_is_passed_over() -> None:
    chain, young = memory_chain(6), memory_chain(3)
    async with followed(chain, None, None) as (adapter, rpcs):
        assert (await adapter.tip()).height == 6
        rpcs[0].chain = young
        adapter.now_ns = lambda: chain.now_ns
        adapter.endpoints.all.sort(key=lambda one: one.url != rpcs[0].url)
        adapter._asked = 0.0
        assert (await adapter.tip()).height == 6 and rpcs[1].asked


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"result": {}}', b'{"result": {"sync_info": {"latest_block_height": "1e3"}}}'])
async def test_what_is_no_answer_is_silence(answer: bytes) -> None:
    async def say(method: str, request: web.Request) -> web.Response:
        return web.Response(body=answer)

    async with followed(memory_chain(1), say) as (adapter, _):
        with pytest.raises(Unavailable) as caught:
            await adapter.tip()
        assert caught.value.code == CHAIN_SILENT


async def test_trust_can_begin_with_a_hash_and_nothing_below_it_is_believed() -> None:
    chain = memory_chain(6)
    good = chain.maker.blocks[2].commit.block_id.hash
    async with followed(chain, root=TrustedHash(3, good)) as (adapter, _):
        assert (await adapter.tip()).height == 6
        with pytest.raises(Rejected):
            await adapter.header(2)
    async with followed(chain, root=TrustedHash(3, b"\x07" * 32)) as (adapter, _):
        with pytest.raises(Lie):
            await adapter.tip()


async def test_what_was_learned_is_taken_up_again_unless_it_is_of_another_root_or_too_old() -> None:
    chain = memory_chain(4)
    async with followed(chain) as (adapter, _):
        await adapter.tip()
        memory = adapter.memory()
    async with followed(chain) as (adapter, (rpc,)):
        adapter.recall(memory)
        assert (await adapter.tip()).height == 4 and "commit" not in rpc.asked
    async with followed(chain) as (adapter, (rpc,)):
        adapter.recall({**memory, "root": "0-00"})
        assert (await adapter.tip()).height == 4 and "commit" in rpc.asked
    async with followed(chain, trusting_period_ms=10_000) as (adapter, _):
        adapter.recall(memory)
        for _ in range(20):
            chain.decide()
        assert (await adapter.tip()).height == 24  # from genesis, which the operator vouches for, on


async def test_headers_for_a_client_are_those_that_it_takes() -> None:
    chain = memory_chain(10)
    async with followed(chain) as (adapter, _):
        for height in (0, 4, 9):
            known = view_at(chain, height)
            (message,) = await adapter.client_messages(known, 10)
            step = tendermint.update(Known(known), message, chain.now_ns)
            assert isinstance(step, Advance) and step.height == RevisionHeight(1, 10)


async def test_a_client_is_led_through_a_change_of_validators() -> None:
    chain = memory_chain(3)
    chain.decide(next_powers={"new": 100})
    for _ in range(4):
        chain.decide()
    async with followed(chain) as (adapter, _):
        known = view_at(chain, 1)
        messages = await adapter.client_messages(known, 8)
        assert len(messages) > 1
        for message in messages:
            step = tendermint.update(Known(known), message, chain.now_ns)
            assert isinstance(step, Advance)
            known = clientviews.view(known.client_id, step.client_state, step.consensus_state)
        assert known.latest == 8


async def test_a_client_whose_trust_has_expired_gets_nothing() -> None:
    chain = memory_chain(5)
    state = replace(tendermint.client_state_of(beginning_of(chain.maker.genesis), RevisionHeight(1, 1)), trusting_period_ns=S)
    first = encode_consensus_state(tendermint.consensus_state_of(chain.maker.blocks[0].header))
    async with followed(chain) as (adapter, _):
        with pytest.raises(Rejected) as caught:
            await adapter.client_messages(clientviews.view("07-tendermint-0", encode_client_state(state), first), 5)
        assert caught.value.code == TRUST_EXPIRED


def fork_of(chain: MemoryChain) -> MemoryChain:
    """The same chain, whose validators have signed another last header too."""
    last = chain.maker.blocks[-1]
    forged = chain.maker.forged(last, data_hash=b"\x07" * 32)
    maker = replace(chain.maker, blocks=[*chain.maker.blocks[:-1], forged], names=list(chain.maker.names))
    maker.validators = chain.maker.validators
    return MemoryChain(maker, chain.states)


async def test_inv_79_two_decided_headers_of_one_height_freeze_the_client() -> None:
    chain = memory_chain(5)
    async with followed(chain, None, showing(fork_of(chain), "commit")) as (adapter, _):
        await adapter.tip()
        known = view_at(chain, 2)
        with pytest.raises(TwoHeaders) as caught:
            await adapter.client_messages(known, 5)
        message = await adapter.misbehaviour(known, caught.value.evidence)
        assert isinstance(tendermint.misbehaviour(Known(known), message, chain.now_ns), Conflict)


async def test_inv_79_a_witness_whose_header_does_not_verify_is_a_liar() -> None:
    chain, stranger = memory_chain(5), memory_chain(5, powers={"thief": 1})
    async with followed(chain, None, showing(stranger, "commit", "validators")) as (adapter, rpcs):
        await adapter.tip()
        assert len(await adapter.client_messages(view_at(chain, 2), 5)) == 1
        assert next(one for one in adapter.endpoints.all if one.url == rpcs[1].url).lies == 1


async def test_a_client_that_knows_another_header_than_is_believed_is_told_of() -> None:
    chain = memory_chain(5)
    async with followed(chain) as (adapter, _):
        await adapter.header(3)
        with pytest.raises(Rejected) as caught:
            await adapter.client_messages(view_at(chain, 3, root=b"\x07" * 32), 5)
        assert caught.value.code == TWO_HEADERS


async def test_inv_80_a_value_is_believed_by_its_proof_alone() -> None:
    chain = memory_chain(2)
    chain.decide({b"key": b"value"})
    chain.decide()
    other = memory_chain(2)
    other.decide({b"key": b"another"})
    other.decide()
    async with followed(chain, showing(other, "abci_query"), None) as (adapter, rpcs):
        root = chain.maker.blocks[3].header.app_hash
        proved = await adapter.prove(b"key", 4)
        assert proved.value == b"value" and rpcs[1].asked == ["abci_query"]
        check_merkle_proof(OUR_SPECS, root, (b"ibc", b"key"), b"value", proved.proof)
        absent = await adapter.prove(b"nothing", 4, root)
        assert absent.value is None
        check_merkle_proof(OUR_SPECS, root, (b"ibc", b"nothing"), None, absent.proof)
    async with followed(chain, showing(other, "abci_query")) as (adapter, _):
        with pytest.raises(Lie):
            await adapter.prove(b"key", 4)


async def test_a_client_is_read_from_what_the_chain_proves() -> None:
    chain, main = memory_chain(2), memory_chain(4, chain_id="main-1")
    known = view_at(main, 3)
    height = RevisionHeight(1, 3)
    chain.decide({client_state_key("07-tendermint-3"): known.state, consensus_state_key("07-tendermint-3", height): known.consensus})
    chain.decide()
    async with followed(chain) as (adapter, _):
        assert await adapter.client("07-tendermint-3") == known
        with pytest.raises(Rejected) as caught:
            await adapter.client("07-tendermint-4")
        assert caught.value.code == CLIENT_UNKNOWN


async def test_packet_events_are_read_in_order_and_others_left_aside() -> None:
    given = {"encoded_packet_hex": encode_packet(PACKET).hex(), "packet_source_client": PACKET.source_client, "packet_sequence": "7"}
    chain = memory_chain(1)
    chain.decide(events=[("packets.send_packet", given), ("goods.moved", {}), ("send_packet", {"encoded_packet_hex": "07"})])
    chain.decide(events=[("recv_packet", given)])
    chain.decide(events=[("write_acknowledgement", given | {"encoded_acknowledgement_hex": ANSWER.hex()})])
    for _ in range(45):
        chain.decide()
    chain.decide(events=[("acknowledge_packet", given), ("timeout_packet", given)])
    async with followed(chain) as (adapter, (rpc,)):
        scan = await adapter.packets(0)
        ended = Ended(50, PACKET.source_client, 7)
        assert scan.height == 50
        assert scan.events == (Sent(2, PACKET), Received(3, PACKET), Answered(4, PACKET, ANSWER), ended, ended)
        assert rpc.asked.count("block_results") == 4  # blocks without transactions are not asked for
        assert (await adapter.packets(4)).events == (ended, ended) and (await adapter.packets(50)).events == ()


async def test_a_chain_of_others_is_only_read() -> None:
    async with followed(memory_chain(1)) as (adapter, _):
        with pytest.raises(Rejected) as caught:
            await adapter.submit([UpdateClient("07-tendermint-0", b"")])
        assert caught.value.code == READ_ONLY


@pytest.mark.parametrize(
    ("methods", "told"),
    [
        (("commit", "validators"), ": header 3 does not follow"),
        (("commit", "validators", "status"), " is a node of 'metal-1', not of 'grain-1'"),
    ],
)
async def test_a_check_tells_of_each_endpoint_that_is_not_of_the_chain(methods: tuple[str, ...], told: str) -> None:
    chain, stranger = memory_chain(3), memory_chain(3, chain_id="metal-1")
    async with followed(chain, None, showing(stranger, *methods)) as (adapter, rpcs):
        adapter.endpoints.all.sort(key=lambda one: one.url == rpcs[0].url)
        (sentence,) = await adapter.check()
        assert sentence.startswith(f"grain: {rpcs[1].url}{told}") and "metal-1" in sentence
