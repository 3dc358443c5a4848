"""Two real networks: the main chain has the city on record, and who has the main chain's genesis file alone resolves the city's DIDs."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from chainnode.bid import did_of
from chainnode.bundle import verify_bundle, verify_from
from chainnode.bundlejson import bundle_from_json
from chainnode.cli.network import Member, Network, open_network
from chainnode.client.client import Client
from chainnode.client.signing import Signer
from chainnode.crypto.suites import generate
from chainnode.did.chainform import new_form
from chainnode.did.chainrecord import beginning_of_chain, decode_chain
from chainnode.did.record import ASSERTION, AUTHENTICATION, INVOCATION, Document, Method, document_value
from chainnode.node.config import CONFIG_FILE, render_config
from chainnode.node.homes import load_genesis, load_key, read_passphrase_file
from chainnode.types.bundle import StateFact
from chainnode.types.genesis import ChainParams, Genesis
from chainnode.types.transaction import Invocation
from contracts.chainapplications import arguments_of

pytestmark = pytest.mark.e2e
DEADLINE_S = 90
AC = "byo1"
ANNA = generate("e", b"\x0a" * 32)
DID, NOBODY = did_of("e", ANNA.public, AC), did_of("e", generate("e", b"\x0b" * 32).public, AC)
DOCUMENT = Document((Method("key-1", "e", ANNA.public, AUTHENTICATION | ASSERTION | INVOCATION),))


def opened(network: Network) -> tuple[Genesis, Signer]:
    """The genesis of a network of one node, and its super node."""
    home = network.members[0].config.home
    return load_genesis(home / "genesis.json"), Signer(
        load_key(home / "keys" / "operator.json", read_passphrase_file(home.parent / "passphrase"))
    )


def with_loopback(network: Network) -> Network:
    """The network, whose nodes ask resolvers on this machine."""
    members = []
    for member in network.members:
        config = replace(member.config, resolver_unsafe_endpoints=True)
        (config.home / CONFIG_FILE).write_text(render_config(config), encoding="utf-8")
        members.append(Member(config))
    return Network(members)


async def test_a_did_of_one_network_is_proved_through_another(
    make_network: Callable[[int], Network], base_port: int, tmp_path: Path
) -> None:
    main = with_loopback(make_network(1))
    city, _ = open_network(tmp_path / "city", chain_id="city-1", validators=1, port=base_port + 20, params=ChainParams())
    (genesis, council), (city_genesis, city_operator) = opened(main), opened(city)
    form = new_form(name="City", operator=council.did, ac=AC, endpoints=(city.urls[0],))
    with main, city:
        main.start()
        city.start()
        async with asyncio.timeout(DEADLINE_S), Client(city.urls, city_genesis) as there, Client(main.urls, genesis) as client:
            await there.submit(Invocation("identity", "create", (DID, document_value(DOCUMENT))), city_operator, Signer(ANNA, DID))
            before = await client.resolve(DID)
            assert before.document is None and before.chain is None  # nobody has the number yet
            done = await client.submit(Invocation("chains", "apply", arguments_of(city_genesis, form)), council)
            admission = ("admit_chain", (done.values[0], AC, 0), "the city's chain")
            await client.submit(Invocation("governance", "propose", admission), council)
            found, nobody, chain = await client.resolve(DID), await client.resolve(NOBODY), await client.resolve(f"did:bid:{AC}")
            assert found.document is not None and found.document["id"] == DID and found.chain is not None
            assert found.proof is not None and found.proof.verified is not None and found.proof.verified.chain_id == "city-1"
            assert nobody.document is None and nobody.proof is not None and nobody.proof.fact.value is None
            assert chain.document is not None and chain.document["service"][0]["serviceEndpoint"] == city.urls[0]
            assert (await there.resolve(DID)).identity == found.identity  # the city itself, on whose ledger no number is
            await check_by_http(main.urls[0], genesis)


async def check_by_http(url: str, genesis: Genesis) -> None:
    """Both proofs in the answer lead from the genesis file to the city's record."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/1.0/identifiers/{DID}") as answer:
        assert answer.status == 200
        page = await answer.json(content_type=None)
    record, identity = (bundle_from_json(json.dumps(one["bundle"])) for one in page["didDocumentMetadata"]["proof"])
    now_ns = max(one.headers[-1].header.time_ns for one in (record, identity))
    fact = verify_bundle(record, genesis, now_ns).fact
    assert isinstance(fact, StateFact) and fact.value is not None
    chain = decode_chain(fact.value)
    assert verify_from(identity, beginning_of_chain(chain), now_ns).chain_id == "city-1" and page["didDocument"]["id"] == DID
