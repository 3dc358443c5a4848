"""`chainnode relay attest` and `attested-client` on the command line, the attestor as a process of its own that is killed."""

import asyncio
import json
import signal
import sys
import tomllib
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from chainnode.bid import did_of
from chainnode.cli.keys import PASSPHRASE_VARIABLE
from chainnode.cli.lightclients import prefix_of
from chainnode.cli.main import main
from chainnode.foreign import attestations
from chainnode.foreign.attested import decode_state
from chainnode.foreign.kinds import KINDS
from chainnode.relay.attestsettings import TEMPLATE, load_attest_settings, read_attest_settings
from chainnode.relay.settings import TEMPLATE as RELAY_TEMPLATE
from chainnode.relay.settings import read_settings
from tests.chain_maker import key_of
from tests.patience import DEADLINE_S
from tests.ports import free_port
from tests.relay.attest_world import CHAIN, OUTBOX, T0, MemoryEvm, Served, attestor_of

PASSPHRASE = "open sesame"
PORT = free_port()
ADA = key_of("ada")
DID = did_of(ADA.suite, ADA.public)


@pytest.fixture
async def evm():
    async with MemoryEvm() as made:
        yield made


@pytest.fixture
async def folder(evm: MemoryEvm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as `--init` makes it, with the node and the outbox named."""
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    assert main(["relay", "attest", "--init", str(tmp_path)]) == 0
    path = tmp_path / "attest.toml"
    text = path.read_text().replace("http://127.0.0.1:8545", evm.url).replace("0x" + "00" * 20, "0x" + OUTBOX.hex())
    path.write_text(text.replace("127.0.0.1:26695", f"127.0.0.1:{PORT}"))
    return tmp_path


async def run(folder: Path, *options: str) -> int:
    return await asyncio.to_thread(main, ["relay", "attest", "--config", str(folder / "attest.toml"), *options])


@asynccontextmanager
async def process(folder: Path, *options: str):
    """The attestor as a process, once it listens."""
    command = [sys.executable, "-m", "chainnode.cli.main", "relay", "attest", "--config", str(folder / "attest.toml"), *options]
    made = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(DEADLINE_S):
            line = (await made.stdout.readline()).decode()
        assert " attests eip155:1337 at http://127.0.0.1:" in line, (line, (await made.stderr.read()).decode())
        yield made
    finally:
        if made.returncode is None:
            made.kill()
        await made.wait()


async def ask(path: str) -> tuple[int, dict]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{PORT}{path}") as answer:
        return answer.status, await answer.json()


async def test_inv_85_an_attestor_that_is_killed_says_the_same_again_and_nothing_else(evm: MemoryEvm, folder: Path) -> None:
    async with process(folder, "--new-guard") as one:
        evm.decide(10)
        status, said = await ask("/v1/states/14")
        async with asyncio.timeout(DEADLINE_S):
            while said.get("code") == "not-final":  # until it asks again what is final
                await asyncio.sleep(0.1)
                status, said = await ask("/v1/states/14")
        assert status == 200 and decode_state(bytes.fromhex(said["statement"][2:])).time_s == T0 + 28
        one.send_signal(signal.SIGKILL)
        await one.wait()
    evm.turn(12)
    async with process(folder) as one:
        assert await ask("/v1/states/14") == (200, said)
        status, refusal = await ask("/v1/states/15")
        assert (status, refusal["code"]) == (422, "chain-turned")
        one.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_S):
            assert await one.wait() == 0


async def test_a_guard_that_is_missing_stops_the_start(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(folder) == 1
    assert "guard-unfit" in capsys.readouterr().err


async def test_init_draws_a_key_and_never_writes_over_another(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["relay", "attest", "--init", str(folder / "new")]) == 0
    out = capsys.readouterr().out
    key = json.loads((folder / "new" / "keys" / "attestor.json").read_text())
    assert "signs as\n0x" in out and "--new-guard" in out and key
    assert main(["relay", "attest", "--init", str(folder / "new")]) == 1
    assert "home-exists" in capsys.readouterr().err


async def test_check_asks_the_chain_and_signs_nothing(evm: MemoryEvm, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(folder, "--check") == 0
    assert "is as the settings say; final is: finalized." in capsys.readouterr().out
    evm.chain_id = 7
    assert await run(folder, "--check") == 1
    assert f"is of chain 7, not {CHAIN}" in capsys.readouterr().out
    assert await run(folder, "--new-guard") == 1
    assert "bad-config" in capsys.readouterr().err and not (folder / "guard").exists()


@pytest.mark.parametrize(
    "old, new, said",
    [
        ('finality = "finalized"', 'finality = "soon"', "finality is one of"),
        ('finality = "finalized"\nconfirmations = 0', 'finality = "confirmations"', "confirmations is missing"),
        ("confirmations = 0", "confirmations = -1", "confirmations is between"),
        ("chain_id = 1337", "chain_id = 0", "chain_id is a whole number above 0"),
        ("chain_id = 1337", 'chain_id = "x"', "chain_id is missing or of a wrong type"),
        ("0x" + "00" * 20, "0x00", "outbox has 40"),
        ("http://127.0.0.1:8545", "127.0.0.1:8545", "http://"),
        ("[chain]", "[chains]", "no setting 'chains'"),
        ('log_format = "json"', 'log_format = "xml"', "log_format is one of"),
        ('guard = "guard"', 'gard = "guard"', "no setting 'gard'"),
    ],
)
def test_each_mistake_in_the_settings_is_named(tmp_path: Path, old: str, new: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "attest.toml"
    assert TEMPLATE.count(old) == 1
    path.write_text(TEMPLATE.replace(old, new))
    assert main(["relay", "attest", "--config", str(path)]) == 1
    told = capsys.readouterr().err
    assert told.startswith("chainnode: bad-config: ") and said in told


def test_the_template_is_one_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TEMPLATE)
    found = load_attest_settings(tmp_path / "a.toml")
    assert (found.listen, found.rule, found.guard) == ("127.0.0.1:26695", "finalized", tmp_path / "guard")
    document = tomllib.loads(TEMPLATE)
    document["chain"] |= {"finality": "confirmations", "confirmations": 12}
    assert read_attest_settings(document, tmp_path).rule == "12 confirmations"


def test_the_relays_template_shows_a_chain_of_attestors() -> None:
    marked = [line[2:] for line in RELAY_TEMPLATE.splitlines() if line.startswith("# ")]
    begin = marked.index("[chains.partner]")
    table = tomllib.loads("\n".join(marked[begin : begin + 8]))["chains"]["partner"]
    assert table["family"] == "attested-evm" and table["needed"] == 2 and len(table["attestors"]) == 3 == len(table["attestor_addresses"])
    assert read_settings(tomllib.loads(RELAY_TEMPLATE), Path()).chains


async def test_a_client_by_attestors_begins_where_enough_of_them_have_signed(
    evm: MemoryEvm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with AsyncExitStack() as stack:
        served = [await stack.enter_async_context(Served(await attestor_of(evm.url, tmp_path, number))) for number in range(3)]
        evm.decide(10)
        for one in served:
            one.attestor.view._asked = -1e9
        table = {
            "family": "attested-evm",
            "endpoints": [evm.url],
            "chain_id": CHAIN,
            "outbox": "0x" + OUTBOX.hex(),
            "attestors": [one.url for one in served],
            "attestor_addresses": ["0x" + one.address.hex() for one in served],
            "needed": 2,
            "key": "keys/nobody.json",
        }
        lines = [f"{name} = {json.dumps(value)}" for name, value in table.items()]
        path = tmp_path / "relay.toml"
        path.write_text(RELAY_TEMPLATE.replace("[chains.grain]", "[chains.partner]\n" + "\n".join(lines) + "\n\n[chains.grain]"))
        code = await asyncio.to_thread(main, ["relay", "attested-client", "--config", str(path), "--chain", "partner", "--creator", DID])
        said = capsys.readouterr()
        assert code == 0, said.err
        what, (kind, state, consensus, creator, relayers), reason = json.loads(said.out)
        assert (what, kind, creator, relayers, reason) == ("create_client", "attestations", DID, [], "to follow the chain")
        begun = KINDS[kind].begin(bytes.fromhex(state["hex"]), bytes.fromhex(consensus["hex"]))
        assert begun.height.height == 16 and begun.time_ns == (T0 + 32) * 10**9
        known = attestations.decode_client_state(bytes.fromhex(state["hex"]))
        assert known.addresses == tuple(one.address for one in served) and known.needed == 2
        wrong = ["relay", "attested-client", "--config", str(path), "--chain", "main", "--creator", DID]
        assert await asyncio.to_thread(main, wrong) == 2


def test_a_pair_is_named_with_the_prefix_of_the_clients_kind() -> None:
    assert prefix_of("attestations-0") == prefix_of("21-qbft-4") == (b"",)
    assert prefix_of("07-tendermint-0") == prefix_of("20-anchored-1") == prefix_of("nonsense") == (b"ibc", b"")


async def test_a_password_in_the_nodes_url_is_not_told(evm: MemoryEvm, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "attest.toml"
    path.write_text(path.read_text().replace("http://127", "http://me:hush@127"))
    for code, number in ((0, CHAIN), (1, 7)):
        evm.chain_id = number
        assert await run(folder, "--check") == code
        told = capsys.readouterr().out
        assert "http://127" in told and "hush" not in told
