"""The table of an EVM chain in the relay's settings, and the views of clients of EVM chains."""

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chainnode.errors import ChainError, Malformed, Unavailable
from chainnode.foreign.evmclient import KeptState
from chainnode.foreign.qbft import decode_header, trusted_of
from chainnode.foreign.qbftclient import encode_consensus_state
from chainnode.relay import clientviews
from chainnode.relay.adapter import TwoHeaders
from chainnode.relay.endpoints import Endpoint, Endpoints
from chainnode.relay.evm import EvmChain
from chainnode.relay.evmattested import AttestedGround
from chainnode.relay.evmqbft import QbftGround
from chainnode.relay.evmtrust import EvmHop
from chainnode.relay.families import make_chain
from chainnode.relay.settings import ChainTable
from chainnode.types.codes import GAS_TOO_DEAR
from chainnode.types.limits import EVM_GAS_PRICE_WEI, RELAY_HEADERS_KEPT
from tests.chain_maker import key_of
from tests.foreign import test_attestations as attested
from tests.foreign import test_qbftclient as qbft

TABLE: dict[str, object] = {
    "family": "evm",
    "endpoints": ["http://x"],
    "chain_id": 1337,
    "outbox": "0x" + "11" * 20,
    "trusted_height": 5,
    "trusted_hash": "07" * 32,
    "trusting_period_s": 86_400,
}


def made(suite: str = "s", **changes: object) -> EvmChain:
    table = ChainTable("evm", Path("x"), TABLE | changes)
    chain = make_chain(table, lambda path: key_of("account", suite))
    assert isinstance(chain, EvmChain)
    return chain


def test_a_table_becomes_a_chain_with_an_account_or_without() -> None:
    chain = made()
    assert (chain.chain_id, chain.revision, chain.outbox) == ("eip155:1337", 0, b"\x11" * 20)
    ground = chain.ground
    assert isinstance(ground, QbftGround) and ground.root == (5, b"\7" * 32) and ground.trust == "header-quorum"
    assert chain.sender is None and ground.rules.trusting_period_ms == 86_400_000 and chain.condition()["trust"] == "header-quorum"
    sender = made(key="account.json").sender
    assert sender is not None and sender.outbox == chain.outbox and len(sender.address) == 20


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"outbox": "0x11"}, "outbox has 40"),
        ({"outbox": "zz" * 20}, "outbox has 40"),
        ({"trusted_hash": "07"}, "trusted_hash has 64"),
        ({"chain_id": "x"}, "chain_id"),
        ({"did": "x"}, "'did'"),
        ({"suite": "e", "key": "account.json"}, "suite s"),
    ],
)
def test_each_mistake_is_named(changes: dict[str, object], said: str) -> None:
    suite = str(changes.pop("suite", "s"))
    with pytest.raises(Malformed) as caught:
        made(suite, **changes)
    assert said in caught.value.detail


def test_clients_of_evm_chains_are_viewed_with_their_class_of_trust() -> None:
    first = trusted_of(decode_header(qbft.FIRST))
    state, consensus = qbft.known().client_state, encode_consensus_state(first)
    assert clientviews.latest_of("21-qbft-0", state) == qbft.RevisionHeight(0, 10)
    view = clientviews.view("21-qbft-0", state, consensus)
    assert (view.trust, view.chain_id, view.latest, view.latest_time_ns) == ("header-quorum", "eip155:1337", 10, qbft.T0 * 10**9)
    assert view.root == first.state_root and view.trusting_ns == 1_000 * 10**9 and not view.is_frozen
    state = attested.known().client_state
    assert clientviews.latest_of("attestations-0", state) == qbft.RevisionHeight(0, 100)
    word = clientviews.view("attestations-0", state, attested.BEGUN.consensus_state)
    assert (word.trust, word.latest, word.latest_time_ns, word.trusting_ns) == ("attested", 100, attested.T0 * 10**9, None)
    for client_id, known in (("21-qbft-0", view), ("attestations-0", word)):
        with pytest.raises(ChainError):
            clientviews.view(client_id, known.state, None)


async def test_inv_79_a_witness_with_a_sealed_header_of_another_height_shows_no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = made().ground
    assert isinstance(ground, QbftGround)
    older, newest = (qbft.make_header(qbft.FOUR, height, qbft.T0 + height, state_root=qbft.WORLD.root) for height in (12, 14))
    witness = Endpoint("http://y", "http://y")
    shown = {"raw": older}

    async def ask_another(self: Endpoints, attempt: object) -> tuple[Endpoint, bytes]:
        return witness, shown["raw"]

    monkeypatch.setattr(Endpoints, "ask_another", ask_another)
    ground.now_ns = lambda: qbft.NOW_NS
    hop = EvmHop(trusted_of(decode_header(qbft.FIRST)), newest, trusted_of(decode_header(newest)))
    await ground._compare_with_witness(hop, ground.rules)
    assert witness.lies == 1
    shown["raw"] = qbft.make_header(qbft.FOUR, 14, qbft.T0 + 15, state_root=qbft.WORLD.root)
    with pytest.raises(TwoHeaders):
        await ground._compare_with_witness(hop, ground.rules)


def test_what_the_light_client_there_keeps_is_remembered_of_the_newest_headers_alone() -> None:
    chain = made()
    for height in range(2 * RELAY_HEADERS_KEPT):
        chain.remember(KeptState(height, b"", b"", b"", 0))
    assert sorted(chain._states) == list(range(RELAY_HEADERS_KEPT, 2 * RELAY_HEADERS_KEPT))


ATTESTED: dict[str, object] = {
    "family": "attested-evm",
    "endpoints": ["http://x"],
    "chain_id": 1337,
    "outbox": "0x" + "11" * 20,
    "attestors": ["http://a", "http://b", "http://c"],
    "attestor_addresses": ["0x" + digit * 40 for digit in "abc"],
    "needed": 2,
}


def attested_chain(**changes: object) -> EvmChain:
    chain = make_chain(ChainTable("evm", Path("x"), ATTESTED | changes), lambda path: key_of("account", "s"))
    assert isinstance(chain, EvmChain)
    return chain


def test_a_table_of_attestors_becomes_a_chain_of_their_class_of_trust() -> None:
    chain = attested_chain()
    assert isinstance(chain.ground, AttestedGround) and chain.condition()["trust"] == "attested" and chain.sender is None
    assert (chain.ground.attestors.needed, len(chain.ground.attestors.addresses), len(chain.ground.attestors.endpoints.all)) == (2, 3, 3)
    assert chain.chain_id.startswith("2 of 3 attestors (") and attested_chain(key="k").sender is not None


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"needed": 4}, "more signatures"),
        ({"needed": 0}, "or none"),
        ({"attestors": ["http://a"]}, "2 attestors are needed, and 1 are named"),
        ({"attestors": ["a", "b"]}, "http://"),
        ({"attestor_addresses": ["0x" + "aa" * 20] * 2}, "named twice"),
        ({"attestor_addresses": ["0xaa"]}, "40 hexadecimal"),
        ({"trusted_height": 5}, "'trusted_height'"),
        ({"needed": "2"}, "needed"),
    ],
)
def test_each_mistake_about_attestors_is_named(changes: dict[str, object], said: str) -> None:
    with pytest.raises(Malformed) as caught:
        attested_chain(**changes)
    assert said in caught.value.detail


async def test_no_endpoint_makes_the_account_pay_more_for_gas_than_is_set() -> None:
    sent: list[str] = []

    async def give(request: web.Request) -> web.Response:
        asked = await request.json()
        sent.append(asked["method"])
        return web.json_response({"result": hex(10**18)})

    app = web.Application()
    app.router.add_post("/", give)
    async with TestServer(app) as server:
        chain = made(key="account.json", endpoints=[str(server.make_url("/"))], gas_price_max=10**18 - 1)
        assert chain.sender is not None
        with pytest.raises(Unavailable) as caught:
            await chain.sender._send_by_any(chain.endpoints, b"\x11" * 20, b"")
        await chain.close()
    assert caught.value.code == GAS_TOO_DEAR and "eth_sendRawTransaction" not in sent
    default = made(key="account.json").sender
    assert default is not None and default.gas_price_max == EVM_GAS_PRICE_WEI
