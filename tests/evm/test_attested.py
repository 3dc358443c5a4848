"""A route between a chain of ours and an EVM chain that proves nothing final: three attestors with their guards, two of whom must agree."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from chainnode.errors import Rejected, Unavailable
from chainnode.foreign import attestations, evmoutbox
from chainnode.foreign.abi import address
from chainnode.foreign.abi import call as abi_call
from chainnode.foreign.attestations import AttestedState
from chainnode.foreign.evmclient import kept_state
from chainnode.foreign.packetbytes import Payload, commitment_key, receipt_key
from chainnode.relay.attestguard import open_guard
from chainnode.relay.attestor import Attestor, make_view, owner_of
from chainnode.relay.attestors import Attestors
from chainnode.relay.endpoints import Endpoints
from chainnode.relay.evm import EvmChain
from chainnode.relay.evmattested import AttestedGround
from chainnode.relay.evmsender import EvmSender
from chainnode.relay.facts import NS_PER_S
from chainnode.relay.route import End, Route
from contracts import clients
from tests.chain_maker import key_of
from tests.contracts.packet_world import ECHO, echo, noted
from tests.evm.machine import hexed
from tests.evm.our_side import OurChain, side_with_secp256k1
from tests.relay.attest_world import Served, attestor_of, hang
from tests.relay.test_attestors import lying

THERE = "chainnode-0"
S = NS_PER_S
CONFIRMATIONS = 2
KEY = key_of("the relay's account", "s")


class Linked:
    """Both chains, each with its client of the other, and the attestors of one."""

    def __init__(self, evm, codes, folder: Path) -> None:
        self.evm, self.folder = evm, folder
        evm.ask("eth_sendTransaction", {"from": hexed(evm.account), "to": hexed(EvmSender(1, b"", KEY).address), "value": hex(10**18)})
        self.side = side_with_secp256k1("a")
        self.ours = OurChain(self.side, lambda: self.time_s)
        self.side.wait(self.time_s - self.side.next_ms // 1000 - 60)
        self.side.tick()
        self.side.tick()
        first = self.side.maker.blocks[-1]
        arguments = (self.side.chain_id, 1, first.header.height, kept_state(first.header).value(), 14 * 86_400, 600)
        self.client = evm.deploy(codes["CometClient"], *arguments)
        self.box = evm.deploy(codes["Outbox"], THERE, address(self.client))
        self.application = evm.deploy(codes["EchoApplication"], address(self.box))
        evm.send(self.box, abi_call("setApplication(string,address)", ECHO, address(self.application)))
        self.later(CONFIRMATIONS + 1)

    @property
    def time_s(self) -> int:
        return int(self.block("latest")["timestamp"], 16)

    def block(self, at: object) -> dict:
        found = self.evm.ask("eth_getBlockByNumber", at, False)
        assert isinstance(found, dict)
        return found

    def later(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.evm.set_time(self.time_s + 3)
        for one in getattr(self, "served", []):
            one.attestor.view._asked = -1e9

    async def attested(self, stack: AsyncExitStack) -> "Linked":
        """With three attestors, and a client of theirs on our chain."""
        rule = {"finality": "confirmations", "confirmations": CONFIRMATIONS, "outbox": self.box}
        made = [await attestor_of(self.evm.url, self.folder, number, **rule) for number in range(3)]
        self.served = [await stack.enter_async_context(Served(one)) for one in made]
        self.later(2)
        self.addresses = tuple(one.address for one in self.served)
        endpoints = Endpoints("evm", [self.evm.url])
        asked = Endpoints("attestors", [one.url for one in self.served], call_ms=400)
        self.ground = AttestedGround("evm", 1337, endpoints, self.box, Attestors(asked, self.addresses, 2))
        self.theirs = EvmChain("evm", 1337, endpoints, self.box, self.ground, EvmSender(1337, self.box, KEY), lambda: self.time_s * S)
        stack.push_async_callback(self.theirs.close)
        tip = await self.theirs.tip()
        self.ours._keep_time()
        self.here = self.side.in_block(lambda state: self._create(state, tip.height, tip.time_ns))
        self.side.do(["ada"], "clients.register_counterparty", self.here, THERE, (b"",))
        self.evm.send(self.box, abi_call("setCounterparty(string)", self.here))
        self.route = Route("a-evm", End(self.ours, self.here), End(self.theirs, THERE), None, True, 3600 * S, self.theirs.now_ns)
        return self

    def _create(self, state, height: int, time_ns: int) -> str:
        client = AttestedState(tuple(map(hexed, self.addresses)), 2, height)
        return clients.create(
            state,
            self.side.height + 1,
            self.side.next_ms,
            kind=attestations.NAME,
            client_state=attestations.encode_client_state(client),
            consensus_state=attestations.encode_consensus_state(time_ns),
            creator=self.side.did("ada"),
            relayers=(),
        )

    async def settle(self) -> None:
        quiet = 0
        for _ in range(60):
            quiet = 0 if await self.route.cycle() or self.route.is_expecting else quiet + 1
            if quiet > CONFIRMATIONS + 2 and not self.route.a_to_b.packets and not self.route.b_to_a.packets:
                return
            self.later()
            self.ground._asked = 0.0
        raise AssertionError("it never ends")

    def send_from_here(self, value: bytes, *, lasts_s: int = 3600) -> int:
        payload = (ECHO, ECHO, "echo-1", "text/plain", value)
        return self.ours.do("packets.send", self.here, self.time_s + lasts_s, (payload,))

    def send_from_there(self, value: bytes, *, lasts_s: int = 3600) -> None:
        made = Payload(ECHO, ECHO, "echo-1", "text/plain", value)
        self.evm.send(self.application, evmoutbox.send(made, self.time_s + lasts_s))

    def count(self, name: str) -> int:
        return self.evm.number_of(self.application, f"{name}()")


@pytest.fixture
async def linked(evm, codes, tmp_path: Path):
    async with AsyncExitStack() as stack:
        with echo():
            yield await Linked(evm, codes, tmp_path).attested(stack)


async def test_packets_go_both_ways_by_two_of_three_attestors_of_whom_one_lies_and_then_one_hangs(linked: Linked) -> None:
    linked.served[0].twist = lying(0)
    sequence = linked.send_from_here(b"to the other chain")
    linked.send_from_there(b"from the other chain")
    await linked.settle()
    assert linked.count("received") == 1 and linked.count("acknowledged") == 1
    assert noted(linked.side, "receive", 1) == b"from the other chain;"
    assert noted(linked.side, "acknowledge", sequence) == b"to the other chain;"
    linked.served[0].twist, linked.served[1].twist = None, hang
    for one in linked.ground.attestors.endpoints.all:
        one.avoided_until = 0.0
    linked.send_from_here(b"second")
    linked.send_from_there(b"second")
    await linked.settle()
    assert linked.count("received") == 2 and linked.count("acknowledged") == 2
    kept = linked.side.value("ibc", commitment_key(linked.here, sequence))
    assert kept is None and linked.side.value("ibc", receipt_key(linked.here, 2)) == b"\x02"
    counts = linked.route.counts
    assert (counts.received, counts.acknowledged, counts.refused) == (4, 4, 0) and linked.route.failures == 0
    view = await linked.ours.client(linked.here)
    assert view.trust == "attested" and not view.is_frozen and view.chain_id == linked.theirs.chain_id
    assert (await linked.theirs.client(THERE)).trust == "proof"
    lies = {one.url: one.lies for one in linked.ground.attestors.endpoints.all}
    assert lies[linked.served[0].url] > 0 and lies[linked.served[1].url] == lies[linked.served[2].url] == 0


async def test_packets_that_run_out_are_taken_back_on_both_sides(linked: Linked) -> None:
    sequence = linked.send_from_here(b"late", lasts_s=200)
    linked.send_from_there(b"late", lasts_s=200)
    linked.evm.set_time(linked.time_s + 400)
    linked.later(CONFIRMATIONS + 1)
    linked.ours._keep_time()
    linked.side.tick()
    await linked.settle()
    assert linked.count("timedOut") == 1 and linked.count("received") == 0
    assert noted(linked.side, "time_out", sequence) and noted(linked.side, "receive", 1) is None


async def test_one_honest_attestor_beside_a_liar_and_a_silent_one_moves_nothing(linked: Linked) -> None:
    linked.served[0].twist, linked.served[1].twist = lying(0), hang
    linked.send_from_there(b"never")
    linked.later(CONFIRMATIONS + 1)
    latest = (await linked.ours.client(linked.here)).latest
    linked.ground._tip, linked.ground._states = None, {}
    with pytest.raises(Unavailable, match="attestors-disagree"):
        await linked.route.cycle()
    assert noted(linked.side, "receive", 1) is None and (await linked.ours.client(linked.here)).latest == latest


async def test_inv_85_a_guard_survives_its_process_and_keeps_a_turned_chain_from_a_second_word(linked: Linked) -> None:
    attestor = linked.served[0].attestor
    snapshot = linked.evm.ask("evm_snapshot")
    linked.later(CONFIRMATIONS + 2)
    height = await attestor.newest()
    said = await attestor.state(height)
    content = attestor.settings.guard.read_bytes()  # what a killed process leaves
    attestor.guard.close()
    attestor.settings.guard.write_bytes(content)
    view = make_view(attestor.settings)
    again = Attestor(attestor.settings, attestor.key, view, open_guard(attestor.settings.guard, owner_of(attestor.settings, attestor.key)))
    attestor.guard = again.guard
    assert await again.state(height) == said
    linked.evm.ask("evm_revert", snapshot)
    linked.evm.set_time(linked.time_s + 50)
    linked.later(2 * CONFIRMATIONS + 4)
    view._asked = -1e9
    with pytest.raises(Rejected, match="chain-turned"):
        await again.state(height + 1)
    assert await again.state(height) == said
    await view.endpoints.close()


async def test_check_finds_all_as_the_settings_say(linked: Linked) -> None:
    assert await linked.theirs.check() == []
    assert await linked.theirs.check_client(THERE, linked.here) == []
