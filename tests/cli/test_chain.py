"""`chainnode chain` against a real chain: applications, votes that are about what they seem to be about, and chains in words."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from chainnode.api.server import make_app
from chainnode.cli.main import main
from chainnode.did.chainform import new_form
from chainnode.genesisfile import genesis_to_json
from tests.chain_maker import make_genesis
from tests.cli.registry_node import Desk, RegistryNode, prepare

CITY = make_genesis({"west": 3, "east": 5}, chain_id="city-1")
PORT = make_genesis({"quay": 1}, chain_id="port-1")


@dataclass
class ChainDesk(Desk):
    """Runs `chainnode chain`. `bob` is a member and runs the city's chain, `sponsor` is a super node."""

    async def run(self, *arguments: object, genesis: bool = True, code: int = 0) -> str:
        given = ["chain", *map(self._argument, arguments), "--node", self.url]
        if genesis:
            given += ["--main-genesis", str(self.folder / "genesis.json")]
        return await self.command(given, code)

    async def command(self, given: list[str], code: int = 0) -> str:
        """Any command."""
        got = await asyncio.to_thread(main, given)
        self.out, self.err = self.read()
        assert got == code, (given, self.out, self.err)
        return self.out

    async def submit(self, contract: str, method: str, arguments: list[object], who: str = "sponsor", code: int = 0) -> str:
        """`chainnode submit`."""
        given = ["submit", contract, method, json.dumps(arguments), "--node", self.url, "--key", str(self.key(who))]
        return await self.command([*given, "--genesis", str(self.folder / "genesis.json")], code)

    def write(self, name: str, content: object) -> str:
        """A file of the test."""
        (self.folder / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return f"./{name}"

    def form(self, ac: str = "byo1", **changes: Any) -> str:
        """The form of bob's chain."""
        whole = {"name": "City", "operator": self.did("bob"), "ac": ac, "endpoints": ("https://resolver.city.example",)} | changes
        return self.write("form.json", new_form(**whole))

    async def applied(self, ac: str = "byo1", genesis: Any = CITY) -> None:
        """An application."""
        file = self.write("city.json", genesis_to_json(genesis))
        await self.run("apply", "--form", self.form(ac), "--genesis", file, "--key-file", "%bob")


@pytest.fixture
async def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[ChainDesk]:
    node = RegistryNode()
    prepare(node, tmp_path, monkeypatch)
    app = make_app(node, registry=CollectorRegistry(), body_bytes_max=8 * 1024 * 1024)
    async with TestServer(app) as server:
        desk = ChainDesk(node, str(server.make_url("")).rstrip("/"), tmp_path, lambda: tuple(capsys.readouterr()))
        await desk.submit("roles", "grant", [desk.did("bob"), "member", 0, {"hex": "07" * 32}])
        yield desk


async def test_an_operator_applies_and_a_super_node_admits(chain: ChainDesk) -> None:
    licence = chain.write("licence.txt", "a licence")
    genesis = chain.write("city.json", genesis_to_json(CITY))
    out = await chain.run("apply", "--form", chain.form(), "--genesis", genesis, "--evidence", licence, "--key-file", "%bob")
    assert f"application 1: {chain.did('bob')} asks for byo1 for the chain city-1, City" in out
    assert "resolvers https://resolver.city.example; gateways" in out and "`chainnode chain vote 1 yes`" in out
    out = await chain.run("show", "--application", 1)
    assert "Application 1 is open" in out and hashlib.sha256(b"a licence").hexdigest() in out and "All this is proved" in out
    assert "1  open" in await chain.run("list", "--applications", genesis=False)
    out = await chain.run("vote", 1, "yes", "--genesis", genesis, "--key-file", "%sponsor")
    assert "proposal 1: admit_chain, with your yes" in out and "application 1 is admitted as byo1" in out
    out = await chain.run("show", "byo1")
    assert 'Chain city-1, "City", is active as did:bid:byo1' in out and "All this is proved, as of height" in out
    assert "Light client 07-tendermint-0 (proof) is active." in out and "None of its headers is verified here yet." in out
    assert "Health: late: no header of the last 15 minutes is verified here.\n" in out and "no light client" not in out
    (row,) = (await chain.run("list", genesis=False)).splitlines()
    assert row.startswith("byo1  active") and row.endswith("city-1  City") and "late, " in row and " behind" in row
    assert json.loads(await chain.run("list", "--json", genesis=False))[0]["ac"] == "byo1"
    assert json.loads(await chain.run("show", "byo1", "--json"))["application"] == 1
    assert json.loads(await chain.run("show", "--application", 1, "--json"))["form"]["chainInfo"]["name"] == "City"
    assert "application 1 is admitted" in await chain.refused("application-closed", "vote", 1, "yes", "--key-file", "%sponsor")


async def test_nothing_is_listed_where_nothing_is(chain: ChainDesk) -> None:
    assert await chain.run("list", genesis=False) == "no chain has an AC number\n"
    assert await chain.run("list", "--applications", genesis=False) == "there are no applications\n"
    assert "no chain has the AC number zzzz" in await chain.refused("not-found", "show", "zzzz")
    assert "there is no application 7" in await chain.refused("not-found", "show", "--application", 7)
    assert "there is no application 7" in await chain.refused("not-found", "vote", 7, "yes", "--key-file", "%sponsor")


async def test_terms_of_an_admission(chain: ChainDesk) -> None:
    await chain.applied()
    await chain.run("vote", 1, "yes", "--ac", "byo9", "--until", "2127-12-31T00:00:00Z", "--reason", "welcome", "--key-file", "%sponsor")
    out = await chain.run("show", "byo9")
    assert "Admitted until 2127-12-31T00:00:00Z" in out and 'for the reason "welcome"' in out
    await chain.applied("byo2", PORT)
    await chain.run("vote", 2, "yes", "--until", "never", "--key-file", "%sponsor")
    assert "Admitted without end" in await chain.run("show", "byo2")


async def test_without_until_an_admission_lasts_a_year(chain: ChainDesk) -> None:
    await chain.applied()
    before_ms = chain.node.now_ns // 1_000_000
    await chain.run("vote", 1, "yes", "--key-file", "%sponsor")
    page = json.loads(await chain.run("show", "byo1", "--json"))
    assert page["is_open"] and page["expires"]
    chain.node.pass_hours(365 * 24 + 1)
    assert chain.node.now_ns // 1_000_000 > before_ms
    assert (await chain.run("list", genesis=False)).startswith("byo1  expired")
    assert "has expired at" in await chain.run("show", "byo1")


async def test_a_vote_joins_the_proposal_that_is_open(chain: ChainDesk) -> None:
    await chain.submit("governance", "propose", ["grant_role", [chain.did("ada"), "super", 0, {"hex": "07" * 32}], "a second"])
    await chain.applied()
    out = await chain.run("vote", 1, "yes", "--ac", "byo7", "--until", "never", "--key-file", "%sponsor")
    assert "proposal 2: admit_chain" in out and "application 1 is open" in out  # two of two must agree
    assert "has voted on proposal 2, the number byo7" in await chain.refused("already-voted", "vote", 1, "yes", "--key-file", "%sponsor")
    out = await chain.run("vote", 1, "yes", "--ac", "byo8", "--key-file", "%ada")
    assert "proposal 3: admit_chain" in out  # with other terms it is another proposal
    out = await chain.run("vote", 1, "yes", "--ac", "byo7", "--key-file", "%ada")
    assert "proposal 2: the number byo7, without end" in out and "application 1 is admitted as byo7" in out


async def test_a_no_with_a_reason_rejects(chain: ChainDesk) -> None:
    await chain.submit("governance", "propose", ["grant_role", [chain.did("ada"), "super", 0, {"hex": "07" * 32}], "a second"])
    await chain.applied()
    assert "--reason TEXT" in await chain.refused("bad-use", "vote", 1, "no", "--key-file", "%ada", exit_code=2)
    await chain.run("vote", 1, "yes", "--key-file", "%sponsor")
    out = await chain.run("vote", 1, "no", "--reason", "no permit", "--key-file", "%ada")
    assert "proposal 2: your no; it is failed" in out and "proposal 3: reject_application, with your yes" in out
    assert "application 1 is open" in out
    await chain.refused("already-voted", "vote", 1, "no", "--key-file", "%ada")
    out = await chain.run("vote", 1, "no", "--key-file", "%sponsor")
    assert "proposal 3: your yes; it is passed" in out and 'application 1 is rejected, for the reason "no permit"' in out
    assert "Decided in block" in await chain.run("show", "--application", 1)
    row = await chain.run("list", "--applications", genesis=False)
    assert "rejected" in row and 'because "no permit"' in row


async def test_who_names_no_genesis_of_the_main_chain_is_told_by_its_option(chain: ChainDesk) -> None:
    await chain.applied()
    await chain.run("vote", 1, "yes", "--genesis", "./city.json", "--key-file", "%sponsor", genesis=False)
    assert "no --main-genesis given" in chain.err


async def test_who_votes_compares_the_genesis_file(chain: ChainDesk) -> None:
    await chain.applied()
    other = chain.write("port.json", genesis_to_json(PORT))
    line = await chain.refused("bad-chain", "vote", 1, "yes", "--genesis", other, "--key-file", "%sponsor")
    assert "the chain id is another: city-1 there, port-1 in the file" in line and chain.blocks == 0


async def test_only_a_super_node_votes(chain: ChainDesk) -> None:
    await chain.applied()
    await chain.refused("role-missing", "vote", 1, "yes", "--key-file", "%bob")


async def test_an_operator_changes_what_is_its_own_and_appeals(chain: ChainDesk) -> None:
    await chain.applied()
    await chain.run("vote", 1, "yes", "--key-file", "%sponsor")
    form = chain.form(endpoints=("https://new.example",))
    out = await chain.run("update", "byo1", "--form", form, "--ttl-s", 9, "--key-file", "%bob")
    assert "byo1 changed: resolvers https://new.example" in out
    assert "Resolvers https://new.example, whose answers count for 9 s." in await chain.run("show", "byo1")
    await chain.refused("not-yours-to-change", "update", "byo1", "--form", chain.form(name="Capital"), "--key-file", "%bob")
    await chain.submit("governance", "propose", ["suspend_chain", ["byo1"], "no anchors for a month"])
    evidence = chain.write("log.txt", "a log")
    out = await chain.run("appeal", "byo1", "the gateway was down", "--evidence", evidence, "--key-file", "%bob")
    assert "appeal 1 of byo1 is open" in out
    out = await chain.run("show", "byo1")
    assert "is suspended as did:bid:byo1" in out and 'for the reason "no anchors for a month"' in out
    assert 'Appeal 1 is open. It says "the gateway was down"' in out and "was suspended at height" in out
    await chain.submit("governance", "propose", ["reject_appeal", ["byo1"], "see the log"])
    assert 'Appeal 1 is rejected: "see the log". It says' in await chain.run("show", "byo1")


async def test_reports_are_told_as_what_they_are(chain: ChainDesk) -> None:
    from tests.contracts.admission import status_of

    await chain.applied()
    await chain.run("vote", 1, "yes", "--key-file", "%sponsor")
    await chain.submit("chains", "report", ["byo1", "status", status_of("byo1")], who="bob")
    assert "Feed status: reported in block" in (out := await chain.run("show", "byo1")) and "; self-reported." in out


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ("{", "the form is not JSON"),
        ({}, "backboneNodeBid is missing"),
        ({"colour": "red"}, "colour is no field here"),
        ("x" * 70_000, "more than"),
    ],
)
async def test_a_bad_form_is_told_by_its_field(chain: ChainDesk, content: object, detail: str) -> None:
    genesis = chain.write("city.json", genesis_to_json(CITY))
    form = chain.write("form.json", content)
    line = await chain.refused("bad-chain-form", "apply", "--form", form, "--genesis", genesis, "--key-file", "%bob")
    assert detail in line and "form.json: " in line and chain.blocks == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["show"],
        ["show", "byo1", "--application", "1"],
        ["show", "BYO1"],
        ["show", "--application", "0"],
        ["vote", "1", "maybe", "--key-file", "%sponsor"],
        ["vote", "1", "yes", "--ac", "byo", "--key-file", "%sponsor"],
        ["vote", "1", "yes", "--until", "tomorrow", "--key-file", "%sponsor"],
        ["vote", "1", "yes", "--key-file", "%sponsor", "--key-file", "%bob"],
        ["vote", "1", "yes"],
        ["apply", "--form", "./none.json", "--genesis", "./genesis.json", "--key-file", "%bob"],
        ["update", "BYO1", "--form", "./none.json", "--key-file", "%bob"],
        ["appeal", "BYO1", "why", "--key-file", "%bob"],
        ["appeal", "byo1", "why", "--evidence", "./none", "--key-file", "%bob"],
    ],
)
async def test_a_wrong_use_is_told(chain: ChainDesk, arguments: list[str]) -> None:
    await chain.refused("bad-use", *arguments, exit_code=2)


async def test_the_key_must_be_the_operators(chain: ChainDesk) -> None:
    genesis = chain.write("city.json", genesis_to_json(CITY))
    await chain.refused("key-not-authorised", "apply", "--form", chain.form(), "--genesis", genesis, "--key-file", "%sponsor")
    await chain.refused("not-found", "appeal", "byo1", "why", "--key-file", "%bob")


async def test_help_has_examples(chain: ChainDesk) -> None:
    with pytest.raises(SystemExit):
        await asyncio.to_thread(main, ["chain", "--help"])
    out, _ = chain.read()
    assert "chainnode chain vote 7 yes" in out and "examples:" in out
