"""A route between a chain of ours and an EVM chain of QBFT: real contracts on both, the relay's own adapter between them."""

import pytest

from chainnode.errors import Rejected
from chainnode.foreign import evmoutbox
from chainnode.foreign.abi import address
from chainnode.foreign.abi import call as abi_call
from chainnode.foreign.evmclient import kept_state
from chainnode.foreign.packetbytes import Payload, commitment_key, receipt_key
from chainnode.foreign.qbft import QbftRules, decode_header, trusted_of
from chainnode.foreign.qbftclient import QbftClientState, encode_client_state, encode_consensus_state
from chainnode.relay.adapter import TwoHeaders
from chainnode.relay.endpoints import Endpoints, Lie
from chainnode.relay.evm import EvmChain
from chainnode.relay.evmqbft import QbftGround
from chainnode.relay.evmsender import EvmSender
from chainnode.relay.facts import NS_PER_S
from chainnode.relay.route import End, Route
from contracts import clients
from tests.chain_maker import key_of
from tests.contracts.packet_world import ECHO, echo, noted
from tests.evm.machine import hexed
from tests.evm.our_side import OurChain, side_with_secp256k1
from tests.evm.qbft_front import VALIDATORS, Front
from tests.foreign.evm_maker import make_header

THERE = "chainnode-0"
S = NS_PER_S
DRIFT_S = 600
KEY = key_of("the relay's account", "s")


class Linked:
    """Both chains, each with its client of the other."""

    def __init__(self, evm, codes, front: Front, *others: Front) -> None:
        self.evm, self.front = evm, front
        evm.ask("eth_sendTransaction", {"from": hexed(evm.account), "to": hexed(EvmSender(1, b"", KEY).address), "value": hex(10**18)})
        self.side = side_with_secp256k1("a")
        self.ours = OurChain(self.side, lambda: front.time_s)
        self.side.wait(front.time_s - self.side.next_ms // 1000 - 60)
        self.side.tick()
        self.side.tick()
        first = self.side.maker.blocks[-1]
        arguments = (self.side.chain_id, 1, first.header.height, kept_state(first.header).value(), 14 * 86_400, DRIFT_S)
        self.client = evm.deploy(codes["CometClient"], *arguments)
        self.box = evm.deploy(codes["Outbox"], THERE, address(self.client))
        self.application = evm.deploy(codes["EchoApplication"], address(self.box))
        evm.send(self.box, abi_call("setApplication(string,address)", ECHO, address(self.application)))
        self.root = decode_header(front.headers[-1])
        self.ours._keep_time()
        self.here = self.side.in_block(self._create)
        self.side.do(["ada"], "clients.register_counterparty", self.here, THERE, (b"",))
        evm.send(self.box, abi_call("setCounterparty(string)", self.here))
        endpoints = Endpoints("evm", [one.url for one in (front, *others)])
        root, rules = (self.root.height, self.root.hash), QbftRules(86_400_000, DRIFT_S * 1000)
        self.ground = QbftGround("evm", 1337, endpoints, self.box, root, rules, now_ns=lambda: (front.time_s + 1) * S)
        self.theirs = EvmChain("evm", 1337, endpoints, self.box, self.ground, EvmSender(1337, self.box, KEY), self.ground.now_ns)
        self.route = Route("a-evm", End(self.ours, self.here), End(self.theirs, THERE), None, True, 3600 * S, self.theirs.now_ns)

    def _create(self, state):
        client = QbftClientState(1337, self.box, evmoutbox.COMMITMENTS_SLOT, self.root.height, 86_400 * S, DRIFT_S * S)
        return clients.create(
            state,
            self.side.height + 1,
            self.side.next_ms,
            kind="21-qbft",
            client_state=encode_client_state(client),
            consensus_state=encode_consensus_state(trusted_of(self.root)),
            creator=self.side.did("ada"),
            relayers=(),
        )

    async def settle(self) -> None:
        for _ in range(20):
            if not await self.route.cycle():
                return
        raise AssertionError("it never ends")

    def send_from_here(self, value: bytes, *, lasts_s: int = 3600) -> int:
        payload = (ECHO, ECHO, "echo-1", "text/plain", value)
        return self.ours.do("packets.send", self.here, self.front.time_s + lasts_s, (payload,))

    def send_from_there(self, value: bytes, *, lasts_s: int = 3600) -> None:
        made = Payload(ECHO, ECHO, "echo-1", "text/plain", value)
        self.evm.send(self.application, evmoutbox.send(made, self.front.time_s + lasts_s))
        self.evm.ask("evm_mine")

    def kept(self, key: bytes) -> bytes | None:
        return self.side.value("ibc", key)

    def count(self, name: str) -> int:
        return self.evm.number_of(self.application, f"{name}()")


async def test_packets_go_both_ways_and_their_answers_come_back(evm, codes) -> None:
    async with Front(evm) as front:
        with echo():
            linked = Linked(evm, codes, front)
            sequence = linked.send_from_here(b"to the other chain")
            linked.send_from_there(b"from the other chain")
            await linked.settle()
            assert linked.count("received") == 1 and linked.count("acknowledged") == 1
            assert noted(linked.side, "receive", 1) == b"from the other chain;"
            assert noted(linked.side, "acknowledge", sequence) == b"to the other chain;"
            assert linked.kept(commitment_key(linked.here, sequence)) is None and linked.kept(receipt_key(linked.here, 1)) == b"\x02"
            counts = linked.route.counts
            assert (counts.received, counts.acknowledged, counts.refused) == (2, 2, 0) and linked.route.a_to_b.packets == {}
            view = await linked.theirs.client(THERE)
            assert view.chain_id == linked.side.chain_id and view.trust == "proof" and not view.is_frozen
            assert (await linked.ours.client(linked.here)).trust == "header-quorum"
        await linked.theirs.close()


async def test_packets_that_run_out_are_taken_back_on_both_sides(evm, codes) -> None:
    async with Front(evm) as front:
        with echo():
            linked = Linked(evm, codes, front)
            sequence = linked.send_from_here(b"late", lasts_s=200)
            linked.send_from_there(b"late", lasts_s=200)
            evm.set_time(front.time_s + 400)
            linked.ours._keep_time()
            linked.side.tick()
            await linked.settle()
            assert linked.count("timedOut") == 1 and linked.count("received") == 0
            assert noted(linked.side, "time_out", sequence) and noted(linked.side, "receive", 1) is None
            assert linked.route.counts.timed_out == 2
        await linked.theirs.close()


async def test_a_refusal_of_a_contract_is_told_by_its_name(evm, codes) -> None:
    async with Front(evm) as front:
        with echo():
            linked = Linked(evm, codes, front)
            sequence = linked.send_from_here(b"empty")
            await linked.route.cycle()
            assert linked.route.counts.refused == 1
            assert "BadPacket: not an acknowledgement" in linked.route.a_to_b.packets[sequence].error
        await linked.theirs.close()


async def test_headers_without_seals_are_a_lie_and_another_endpoint_is_asked(evm, codes) -> None:
    async with Front(evm) as front, Front(evm, seal_by=VALIDATORS[:2]) as liar:
        front.follow()
        liar.headers = list(front.headers)
        linked = Linked(evm, codes, front)
        liar.headers = list(front.headers)
        for _ in range(3):
            evm.ask("evm_mine")
        linked.theirs.endpoints = linked.ground.endpoints = Endpoints("evm", [liar.url, front.url])
        tip = await linked.theirs.tip()
        assert tip.height == int(str(evm.ask("eth_blockNumber")), 16) and linked.theirs.endpoints.all[1].lies == 1
        linked.ground.believed = None
        await linked.theirs.endpoints.close()
        linked.theirs.endpoints = linked.ground.endpoints = Endpoints("evm", [liar.url])
        with pytest.raises(Lie, match="does not verify"):
            await linked.ground.header(tip.height)
        await linked.theirs.close()


async def test_inv_79_two_sealed_headers_of_one_height_freeze_the_client(evm, codes) -> None:
    async with Front(evm) as front, Front(evm) as other:
        linked = Linked(evm, codes, front, other)
        evm.ask("evm_mine")
        front.follow()
        other.headers = list(front.headers)
        height = len(front.headers) - 1
        known = decode_header(front.headers[height])
        other.forked[height] = make_header(VALIDATORS, height, known.time_s, parent_hash=known.parent_hash, state_root=b"\7" * 32)
        view = await linked.ours.client(linked.here)
        with pytest.raises(TwoHeaders) as fork:
            await linked.theirs.client_messages(view, height)
        message = await linked.theirs.misbehaviour(view, fork.value.evidence)
        linked.ours.do("clients.misbehaviour", linked.here, message)
        assert (await linked.ours.client(linked.here)).is_frozen
        other.forked[height] = make_header(VALIDATORS, height, known.time_s, seal_by=VALIDATORS[:1])
        linked.ground.believed = None
        assert len(await linked.theirs.client_messages(view, height)) == 1
        await linked.theirs.close()


async def test_what_an_endpoint_says_of_state_is_believed_by_its_proof_alone(evm, codes) -> None:
    async with Front(evm) as front:
        linked = Linked(evm, codes, front)
        height = (await linked.theirs.tip()).height
        assert (await linked.theirs.prove(commitment_key(THERE, 1), height)).value is None
        with pytest.raises(Lie, match="does not prove"):
            await linked.theirs.prove(commitment_key(THERE, 1), height, root=b"\1" * 32)
        with pytest.raises(Rejected, match="client-unknown"):
            await linked.theirs.client("chainnode-1")
        with pytest.raises(Rejected, match="consensus-unknown"):
            await linked.theirs.kept(10_000)
        with pytest.raises(Rejected, match="trust-root-wrong"):
            await linked.ground.header(0)
        assert await linked.theirs.check() == []
        assert await linked.theirs.check_client(THERE, linked.here) == []
        (said,) = await linked.theirs.check_client(THERE, "21-qbft-9")
        assert linked.here in said
        await linked.theirs.close()


async def test_an_endpoint_of_another_chain_or_beginning_is_told_of(evm, codes) -> None:
    async with Front(evm) as front:
        linked = Linked(evm, codes, front)
        linked.theirs.number = 5
        (said,) = await linked.theirs.check()
        assert "is of chain 1337, not 5" in said
        linked.theirs.number, linked.ground.root, linked.ground.believed = 1337, (linked.root.height, b"\1" * 32), None
        (said,) = await linked.theirs.check()
        assert "genesis file or header" in said
        linked.theirs.sender = None
        with pytest.raises(Rejected, match="read-only"):
            await linked.theirs.submit([])
        await linked.theirs.close()
