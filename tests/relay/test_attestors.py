"""The relay among attestors who lie, hang, differ and are slow: what enough of them sign is taken, and nothing else."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from chainnode.errors import Rejected, Unavailable
from chainnode.foreign import attestations, attested
from chainnode.foreign.attestations import AttestedState, encode_client_state, encode_consensus_state
from chainnode.foreign.attested import PACKET_TAG, STATE_TAG, AttestationProof, PacketAttestation, StateAttestation
from chainnode.foreign.keccak import keccak256
from chainnode.foreign.packetbytes import commitment_key
from chainnode.relay import clientviews
from chainnode.relay.attestors import Attestors
from chainnode.relay.endpoints import Endpoints
from chainnode.relay.evm import EvmChain
from chainnode.relay.evmattested import AttestedGround
from chainnode.relay.facts import NS_PER_S
from chainnode.types.codes import NO_MISBEHAVIOUR
from tests.chain_maker import key_of
from tests.patience import DEADLINE_S, patiently
from tests.relay.attest_world import CHAIN, OUTBOX, T0, MemoryEvm, Served, attestor_of, hang

KEY = commitment_key("chainnode-0", 1)
VALUE = b"\x5a" * 32


class Ring:
    """Three attestors of one chain, and the relay's ground over them, two of three."""

    def __init__(self, evm: MemoryEvm, served: list[Served]) -> None:
        self.evm, self.served = evm, served
        self.addresses = tuple(one.address for one in served)
        self.endpoints = Endpoints("evm", [evm.url])
        self.ground = self.of(2)

    def of(self, needed: int, addresses: tuple[bytes, ...] | None = None, urls: list[str] | None = None) -> AttestedGround:
        asked = Endpoints("attestors", urls or [one.url for one in self.served])
        return AttestedGround("evm", CHAIN, self.endpoints, OUTBOX, Attestors(asked, addresses or self.addresses, needed))

    def decide(self, count: int = 1, **more) -> None:
        self.evm.decide(count, **more)
        for one in self.served:
            one.attestor.view._asked = -1e9


@pytest.fixture
async def ring(tmp_path: Path):
    async with AsyncExitStack() as stack:
        evm = await stack.enter_async_context(MemoryEvm())
        served = [await stack.enter_async_context(Served(await attestor_of(evm.url, tmp_path, number))) for number in range(3)]
        made = Ring(evm, served)
        made.decide(10)
        yield made
        await made.ground.close()
        await made.endpoints.close()


def form(statement: bytes, signature: bytes) -> web.Response:
    return web.json_response({"statement": f"0x{statement.hex()}", "signature": f"0x{signature.hex()}"})


def lying(number: int, *, shift_s: int = 7):
    """An attestor with a good key who gives each height another time, and each path another value."""
    secret = key_of(f"attestor {number}", "s").secret

    async def answer(request: web.Request, handler: object) -> web.Response | None:
        parts = request.path.split("/")[2:]
        if parts[0] == "states":
            said = StateAttestation(int(parts[1]), T0 + 2 * int(parts[1]) + shift_s)
            return form(attested.encode_state(said), attested.sign_state(secret, said))
        if parts[0] == "packets":
            held = PacketAttestation(int(parts[1]), ((keccak256(bytes.fromhex(parts[2])), b"\x99" * 32),))
            return form(attested.encode_packets(held), attested.sign_packets(secret, held))
        return None

    return answer


async def test_what_enough_attestors_sign_is_taken(ring: Ring) -> None:
    tip = await ring.ground.tip()
    assert (tip.height, tip.time_ns) == (16, (T0 + 32) * NS_PER_S)
    ring.evm.put(KEY, VALUE)
    ring.decide(8)
    value, proof = await ring.ground.attestors.packet(22, KEY)
    attested.check_signatures(ring.addresses, 2, proof, PACKET_TAG)
    assert value == VALUE and len(proof.signatures) == 2
    found = await ring.ground.prove(KEY, 16)
    assert found.value is None and attested.decode_packets(attested.decode_proof(found.proof).statement).packets[0][1] == attested.NOTHING
    assert ring.ground.trust == "attested" and ring.ground.condition()["height"] == 16


async def test_a_liar_and_one_who_hangs_are_passed_over_and_nobody_waits(ring: Ring) -> None:
    lie, has_lied = lying(0), asyncio.Event()

    async def first(request: web.Request, handler: object) -> web.Response | None:
        said = await lie(request, handler)
        if said is not None:
            has_lied.set()
        return said

    async def after(request: web.Request, handler: object) -> web.Response | None:
        if request.path.startswith(("/v1/states/", "/v1/packets/")):
            await has_lied.wait()  # or two others agree before the lie is heard

    ring.served[0].twist, ring.served[1].twist = first, after
    one_more = await attestor_of(ring.evm.url, ring.served[0].attestor.settings.guard.parent, 9)
    async with Served(one_more, hang) as hanging:
        urls = [hanging.url, *(one.url for one in ring.served)]
        ground = ring.of(2, (*ring.addresses, hanging.address), urls)
        ground.attestors.endpoints.call_ms = 1_000_000
        async with asyncio.timeout(DEADLINE_S):
            tip = await ground.tip()
            ring.evm.put(KEY, VALUE)
            ring.decide(8)
            value, _ = await ground.attestors.packet(22, KEY)
        assert (tip.time_ns, value) == ((T0 + 2 * tip.height) * NS_PER_S, VALUE)
        blamed = {one.url: one for one in ground.attestors.endpoints.all}
        assert blamed[ring.served[0].url].lies == 1 and "something else" in blamed[ring.served[0].url].last_error
        assert blamed[hanging.url].silences >= 1 and not any(blamed[one.url].lies for one in ring.served[1:])
        await ground.close()


async def test_too_few_honest_ones_are_not_enough(ring: Ring) -> None:
    ring.served[0].twist = ring.served[1].twist = lying(0)
    with pytest.raises(Unavailable, match="attestors-disagree"):
        await ring.ground.tip()  # both liars sign as one
    ring.served[1].twist = lying(1, shift_s=9)
    with pytest.raises(Unavailable, match="not 2 of 3 agree"):
        await ring.ground.attestors.state(16)


async def test_a_stranger_and_an_attestor_named_twice_do_not_count(ring: Ring) -> None:
    stranger = ring.of(2, (ring.addresses[0], b"\x77" * 20))
    with pytest.raises(Unavailable, match="is no attestor"):
        await stranger.attestors.state(16)
    assert sum(one.lies for one in stranger.attestors.endpoints.all) == 2
    twice = ring.of(2, urls=[ring.served[0].url, ring.served[0].url.replace("127.0.0.1", "localhost")])
    with pytest.raises(Unavailable, match="attestors-disagree"):
        await twice.attestors.state(16)
    for one in (stranger, twice):
        await one.close()


async def test_a_statement_of_another_height_or_path_is_a_lie(ring: Ring) -> None:
    async def elsewhere(request: web.Request, handler: object) -> web.Response | None:
        secret = key_of("attestor 0", "s").secret
        if "/states/" in request.path:
            said = StateAttestation(15, T0 + 30)
            return form(attested.encode_state(said), attested.sign_state(secret, said))
        held = PacketAttestation(16, ((keccak256(b"another"), VALUE),))
        return form(attested.encode_packets(held), attested.sign_packets(secret, held))

    ring.served[0].twist = elsewhere
    ring.served[1].twist = hang
    strict = ring.of(3)
    strict.attestors.endpoints.call_ms = 200
    for asked in (strict.attestors.state(16), strict.attestors.packet(16, KEY)):
        with pytest.raises(Unavailable):
            await asked
    assert strict.attestors.endpoints.all[0].lies == 2 and "not about" in strict.attestors.endpoints.all[0].last_error
    await strict.close()


@pytest.mark.parametrize(
    "body", ["", "no", "[]", "{}", '{"statement": "0x", "signature": "0x"}', '{"statement": 7}', "x" * 70_000, '{"code": "???"}']
)
async def test_answers_of_another_form_are_passed_over(ring: Ring, body: str) -> None:
    async def nonsense(request: web.Request, handler: object) -> web.Response:
        return web.Response(text=body)

    ring.served[0].twist = nonsense
    assert (await ring.ground.tip()).height == 16
    assert (await ring.ground.attestors.packet(16, KEY))[0] is None


async def test_attestors_who_stand_at_different_heights_meet_at_one(ring: Ring) -> None:
    ring.served[0].attestor.settings = replace(ring.served[0].attestor.settings, finality="confirmations", confirmations=9)
    ring.served[0].attestor.view.settings = ring.served[0].attestor.settings
    assert (await ring.ground.tip()).height == 16
    ring.served[1].twist = hang
    other = ring.of(2)
    other.attestors.endpoints.call_ms = 300
    assert (await other.tip()).height == 10
    await other.close()


async def test_a_height_far_off_that_a_liar_names_holds_nobody_up(ring: Ring) -> None:
    async def boasting(request: web.Request, handler) -> web.Response | None:
        if request.path == "/v1/attestor":
            return web.json_response(
                {"address": "0x" + ring.addresses[0].hex(), "chain_id": CHAIN, "outbox": "0x" + OUTBOX.hex(), "newest": 10**9}
            )
        return None

    ring.served[0].twist = boasting
    assert (await ring.ground.tip()).height == 16
    ring.decide(1, apart_s=0)
    ring.decide(3)
    assert ring.evm.finalized == 20  # whose time is that of the block before
    ring.ground._asked = 0.0
    assert (await ring.ground.tip()).height == 19


async def test_the_tip_never_falls_and_a_later_block_is_not_waited_for(ring: Ring) -> None:
    assert (await ring.ground.tip()).height == 16
    async with asyncio.timeout(DEADLINE_S):
        assert (await ring.ground.tip(at_least=500)).height == 16
    for one in ring.served[:2]:
        one.attestor.view.settings = replace(one.attestor.settings, finality="confirmations", confirmations=12)
        one.attestor.view._asked = -1e9
    ring.ground._asked = 0.0
    assert (await ring.ground.tip()).height == 16


def view_of(ring: Ring, needed: int = 2, addresses: tuple[bytes, ...] | None = None):
    names = tuple(f"0x{one.hex()}" for one in addresses or ring.addresses)
    state = encode_client_state(AttestedState(names, needed, 12))
    kept = attestations.begin(state, encode_consensus_state((T0 + 24) * NS_PER_S))
    return clientviews.view("attestations-0", state, kept.consensus_state)


async def test_inv_80_an_update_is_verified_by_the_set_of_the_client_before_it_is_sent(ring: Ring) -> None:
    view = view_of(ring)
    (message,) = await ring.ground.client_messages(view, 16)
    proof = attested.decode_proof(message[message.index(b"\x0a\x40") :])
    assert attested.decode_state(proof.statement) == StateAttestation(16, T0 + 32)
    assert view.chain_id == ring.ground.chain_id and view.chain_id.startswith("2 of 3 attestors (") and view.trust == "attested"
    assert view_of(ring, addresses=ring.addresses[::-1]).chain_id == view.chain_id
    for other in (view_of(ring, 3), view_of(ring, 2, (*ring.addresses[:2], b"\x55" * 20))):
        with pytest.raises(Rejected, match="route-wrong"):
            await ring.ground.client_messages(other, 16)
    ring.ground._states[16] = AttestationProof(ring.ground._states[16].statement, (ring.ground._states[16].signatures[0],))
    with pytest.raises(Rejected, match="not-enough-attestors"):
        await ring.ground.client_messages(view, 16)
    with pytest.raises(Rejected) as caught:
        await ring.ground.misbehaviour(view, None)
    assert caught.value.code is NO_MISBEHAVIOUR
    attested.check_signatures(ring.addresses, 2, await ring.ground.attestors.state(15), STATE_TAG)


async def test_check_tells_what_is_wrong_with_the_attestors(ring: Ring) -> None:
    chain = EvmChain("evm", CHAIN, ring.endpoints, OUTBOX, ring.ground)
    assert await chain.check() == []
    ring.served[1].twist = hang

    async def told_of_the_wrong(call_ms: int) -> None:
        wrong = ring.of(2, (ring.addresses[0], b"\x66" * 20), [ring.served[0].url, ring.served[1].url, ring.served[2].url])
        wrong.attestors.endpoints.call_ms = call_ms
        said = await EvmChain("evm", CHAIN, ring.endpoints, OUTBOX, wrong).check()
        await wrong.close()
        assert len(said) == 3 and ring.served[1].url in said[0]
        assert said[1].endswith("which attestor_addresses does not name") and said[2] == "evm: 1 attestors can be asked, where 2 are needed"

    await patiently(told_of_the_wrong, 200)
    other = AttestedGround("evm", 5, ring.endpoints, b"\x01" * 20, ring.ground.attestors)
    assert f"speaks of chain {CHAIN}, outbox 0x1111" in (await other.check())[0]
    same = ring.of(1, urls=[ring.served[0].url, ring.served[0].url.replace("127.0.0.1", "localhost")])
    assert any("are one" in one for one in await same.check())
    assert chain.condition()["trust"] == "attested"
    await same.close()


async def test_what_our_contracts_hold_is_an_endpoints_word(ring: Ring) -> None:
    ring.evm.slots[b"\x08" * 32] = VALUE
    ring.decide()
    at = await ring.ground.newest()
    assert at == ring.evm.height
    assert await ring.ground.slot(OUTBOX, b"\x08" * 32, at) == VALUE and await ring.ground.slot(OUTBOX, b"\x09" * 32, at) is None
