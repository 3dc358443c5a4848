"""Transactions of the relay: the contracts' calls, signed, and what a node answers to them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chainnode import codec
from chainnode.bid import did_of
from chainnode.crypto.verify import verify_many
from chainnode.digests import genesis_hash
from chainnode.errors import Rejected, Unavailable
from chainnode.foreign.heights import RevisionHeight
from chainnode.light import TrustedState
from chainnode.relay.adapter import Acknowledge, Misbehaviour, Receive, TimeOut, UpdateClient
from chainnode.relay.comet import CometChain
from chainnode.relay.endpoints import Endpoints
from chainnode.relay.ours import OurSender, call_of
from chainnode.transactions import decode_transaction, signature_items
from chainnode.types.codes import CHAIN_SILENT, CLIENT_FROZEN, EXPIRED, NOT_MEMBER, OK, OUTCOME_UNKNOWN, REPLAYED, WAIT_TIMEOUT, Code
from chainnode.types.limits import RELAY_MESSAGE_BYTES, TX_CALLS_MAX
from contracts.clientrecords import ClientRecord, encode_record
from contracts.registry import METHODS
from contracts.roles import Grant, encode_grants
from tests.chain_maker import key_of, make_genesis
from tests.relay.plain import CLIENT, packet

GENESIS = make_genesis({"one": 1}, chain_id="grain-1")
KEY = key_of("relay")
HEIGHT = RevisionHeight(1, 9)
MESSAGES = (
    UpdateClient("07-tendermint-0", b"header"),
    Misbehaviour("07-tendermint-0", b"two"),
    Receive(packet(1), b"proof", HEIGHT),
    Acknowledge(packet(2), b"answer", b"proof", HEIGHT),
    TimeOut(packet(3), b"proof", HEIGHT),
)


def sender() -> OurSender:
    return OurSender(GENESIS.chain_id, genesis_hash(GENESIS), KEY, did_of(KEY.suite, KEY.public))


@dataclass
class Door:
    """Takes submissions and answers as it is told."""

    code: Code = OK
    detail: str = ""
    height: int | None = 7
    result: bytes | None = codec.encode(("updated",))
    raws: list[bytes] = field(default_factory=list)
    body: bytes | None = None
    told: dict[str, object] = field(default_factory=dict)  # by store

    async def take(self, request: web.Request) -> web.Response:
        (raw,) = codec.decode(await request.read(), bytes_max=10**6)
        self.raws.append(raw)
        if self.body is not None:
            return web.Response(body=self.body)
        tx_id = decode_transaction(raw).tx_id
        outcome = (tx_id, self.code.number, self.code.name, self.detail, self.height, 0, self.result)
        return web.Response(body=codec.encode((outcome,)), content_type="application/msgpack")

    async def tell(self, request: web.Request) -> web.Response:
        return web.json_response({"value": self.told.get(request.match_info["store"])})


@pytest.fixture
async def door() -> AsyncIterator[tuple[Door, Endpoints]]:
    door = Door()
    app = web.Application()
    app.router.add_post("/v1/transactions", door.take)
    app.router.add_get("/v1/state/{store}/{key}", door.tell)
    async with TestServer(app) as server:
        endpoints = Endpoints("grain", [str(server.make_url(""))])
        yield door, endpoints
        await endpoints.close()


async def test_all_messages_go_into_one_transaction_that_the_relays_party_signs(door: tuple[Door, Endpoints]) -> None:
    taken, endpoints = door
    done = await sender().submit(endpoints, MESSAGES)
    assert (done.height, done.failed) == (7, None)
    tx = decode_transaction(taken.raws[0])
    assert tx.body.signers == (did_of(KEY.suite, KEY.public),) and list(tx.body.calls) == [call_of(one) for one in MESSAGES]
    assert all(verify_many(signature_items(tx, genesis_hash(GENESIS))))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_every_message_is_a_call_that_a_contract_takes(message: object) -> None:
    call = call_of(message)
    method = METHODS[call.contract][call.method]
    assert len(call.arguments) == len(method.checks)
    assert all(check(argument) for (_, check), argument in zip(method.checks, call.arguments, strict=True))


async def test_a_message_that_a_contract_refused_is_named(door: tuple[Door, Endpoints]) -> None:
    taken, endpoints = door
    taken.code, taken.result = CLIENT_FROZEN, codec.encode((CLIENT_FROZEN.name, 2, "it is frozen"))
    done = await sender().submit(endpoints, MESSAGES)
    assert done.failed == 2 and done.error is not None and (done.error.code, done.error.detail) == (CLIENT_FROZEN, "it is frozen")


@pytest.mark.parametrize(
    "code, error",
    [(NOT_MEMBER, Rejected), (EXPIRED, Rejected), (WAIT_TIMEOUT, Unavailable), (REPLAYED, Unavailable), (OK, Unavailable)],
    ids=lambda one: getattr(one, "name", None),
)
async def test_what_no_block_has_applied_is_refused_or_tried_again(
    code: Code, error: type[Exception], door: tuple[Door, Endpoints]
) -> None:
    taken, endpoints = door
    taken.code, taken.height, taken.result = code, None, None
    with pytest.raises(error) as caught:
        await sender().submit(endpoints, MESSAGES[:1])
    assert caught.value.code in (code, OUTCOME_UNKNOWN)


@pytest.mark.parametrize("body", [b"", b"\x90", b"{}", codec.encode((("x",) * 7,))])
async def test_what_is_no_outcome_is_silence(body: bytes, door: tuple[Door, Endpoints]) -> None:
    taken, endpoints = door
    taken.body = body
    with pytest.raises(Unavailable) as caught:
        await sender().submit(endpoints, MESSAGES[:1])
    assert caught.value.code == CHAIN_SILENT


def test_a_transaction_has_room_for_so_many_calls_and_bytes() -> None:
    assert sender().room(MESSAGES) == len(MESSAGES)
    assert sender().room(MESSAGES * TX_CALLS_MAX) == TX_CALLS_MAX
    long = UpdateClient("07-tendermint-0", bytes(RELAY_MESSAGE_BYTES))
    assert sender().room([long, long]) == 1 and sender().room([MESSAGES[0], long]) == 1


def chain_of(endpoints: Endpoints) -> CometChain:
    return CometChain("grain", GENESIS.chain_id, endpoints, TrustedState(0, 0, b""), 1, sender())


async def test_a_party_without_a_role_is_told_of(door: tuple[Door, Endpoints]) -> None:
    taken, endpoints = door
    chain, did = chain_of(endpoints), sender().did
    assert "holds no role" in (await sender().check(chain))[0]
    for expires_ms, is_fine in ((0, True), (1, False)):
        taken.told["roles"] = encode_grants(did, (Grant("member", expires_ms, b"", "genesis", 0),)).hex()
        assert (await sender().check(chain) == []) is is_fine
    for odd in ("zz", "07", 7):
        taken.told["roles"] = odd
        assert len(await sender().check(chain)) == 1


async def test_a_client_of_another_counterparty_or_of_other_relayers_is_told_of(door: tuple[Door, Endpoints]) -> None:
    taken, endpoints = door
    chain = chain_of(endpoints)
    height = RevisionHeight(1, 3)
    record = ClientRecord(CLIENT, "07-tendermint", "main-1", "did:bid:x", None, (), (), height, 1, 1, 0, 0, 1, 0)

    async def check(counterparty: str | None, relayers: tuple[str, ...]) -> list[str]:
        taken.told["clients"] = encode_record(replace(record, counterparty=counterparty, relayers=relayers)).hex()
        return await chain.check_client(CLIENT, "07-tendermint-9")

    assert await check("07-tendermint-9", ()) == await check("07-tendermint-9", (sender().did,)) == []
    assert "has no counterparty yet" in (await check(None, ()))[0] and "07-tendermint-8" in (await check("07-tendermint-8", ()))[0]
    assert "alone" in (await check("07-tendermint-9", ("did:bid:somebody",)))[0]
    taken.told["clients"] = None
    assert "can not be read" in (await chain.check_client(CLIENT, "x"))[0] and "can not be read" in (await chain.check_client("x", "x"))[0]
