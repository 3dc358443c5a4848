"""The whole list of bad input against real nodes: each is refused with its code, and the network goes on.

What a node refuses at its start is in `test_refusals.py`; the table in `docs/operators.md` says where the rest is.
"""

import asyncio
import json
import resource
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chainnode import wire
from chainnode.bid import did_of
from chainnode.cli.network import Member, Network, open_network
from chainnode.client.signing import Signer, build_transaction
from chainnode.crypto.suites import PrivateKey
from chainnode.digests import genesis_hash
from chainnode.errors import ChainError
from chainnode.node.frontdesk import PROTOCOL
from chainnode.node.homes import load_genesis, load_key, new_key, read_passphrase_file
from chainnode.p2p.frames import frame
from chainnode.transactions import decode_transaction, encode_transaction
from chainnode.types.block import BlockId, PartSetHeader, Vote, VoteType
from chainnode.types.genesis import ChainParams
from chainnode.types.limits import FRAME_BYTES_MAX, TX_BYTES_MAX
from chainnode.types.messages import Hello, VoteMessage
from chainnode.types.transaction import Invocation, Signature
from tests.chain_maker import make_transaction
from tests.p2p.loopback import by_hand, tls_to
from tests.ports import free_base

pytestmark = pytest.mark.e2e
DEADLINE_S = 60.0
TWO_HOURS_S = 7200
SHIFTED = """
import sys, time
off_ns, real = int(sys.argv[1]) * 10**9, time.time_ns
time.time_ns = lambda: real() + off_ns
from chainnode.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def ask(member: Member, path: str, document: object = None) -> tuple[int, dict[str, object]]:
    """Status and JSON of an answer; 0 when there is none."""
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(member.url + path, data=body, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            content = answer.read()
            return answer.status, json.loads(content) if content[:1] == b"{" else {}
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
    except OSError:
        return 0, {}


def height_of(member: Member) -> int:
    return int(str(ask(member, "/v1/status")[1].get("height", -1)))


class Client:
    """A client of a network that signs as its first operator, or as anybody."""

    def __init__(self, network: Network) -> None:
        self.home = network.members[0].config.home
        self.passphrase = read_passphrase_file(self.home.parent / "passphrase")
        self.genesis = load_genesis(self.home / "genesis.json")
        self.operator = load_key(self.home / "keys" / "operator.json", self.passphrase)
        self.number = 0

    def key(self, member: Member, name: str) -> PrivateKey:
        return load_key(member.config.home / "keys" / f"{name}.json", self.passphrase)

    def call(self) -> Invocation:
        self.number += 1
        return Invocation("evidence", "record", ((("sha-256", self.number.to_bytes(32, "big"), b"bad input"),),))

    def sign(self, *calls: Invocation, key: PrivateKey | None = None) -> bytes:
        return build_transaction(self.genesis.chain_id, genesis_hash(self.genesis), [Signer(key or self.operator)], list(calls))[1]

    def outcome(self, member: Member, raw: bytes) -> dict[str, object]:
        """What became of one transaction."""
        status, answer = ask(member, "/v1/transactions", {"transactions": [raw.hex()], "wait_ms": 20_000})
        assert status == 200, answer
        (one,) = answer["transactions"]
        return dict(one)

    def goes_on(self, *members: Member) -> None:
        """A good transaction through each of these nodes is committed."""
        for member in members:
            assert self.outcome(member, self.sign(self.call()))["name"] == "ok"


def made(folder: Path, validators: int) -> Network:
    port = free_base(*(10 * number + offset for number in range(validators) for offset in (6, 7)))
    return open_network(folder, chain_id="bad-1", validators=validators, port=port, params=ChainParams())[0]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A running network of one."""
    with made(tmp_path_factory.mktemp("one") / "net", 1) as network:
        network.start()
        yield network


@pytest.fixture(scope="module")
def client(one: Network) -> Client:
    return Client(one)


# Transactions


def refused(client: Client, one: Network, raw: bytes, name: str) -> None:
    """Refused at the door with a code and a sentence."""
    told = client.outcome(one.members[0], raw)
    assert (told["state"], told["name"]) == ("refused", name) and len(str(told["detail"])) > 10, told


def failed(client: Client, one: Network, raw: bytes, name: str) -> None:
    """In a block, failed, with a code."""
    told = client.outcome(one.members[0], raw)
    assert (told["state"], told["name"]) == ("committed", name), told


def test_a_transaction_of_another_chain(client: Client, one: Network) -> None:
    raw = build_transaction("other-1", genesis_hash(client.genesis), [Signer(client.operator)], [client.call()])[1]
    refused(client, one, raw, "wrong-chain")


def test_a_transaction_of_another_genesis(client: Client, one: Network) -> None:
    raw = build_transaction(client.genesis.chain_id, bytes(32), [Signer(client.operator)], [client.call()])[1]
    refused(client, one, raw, "bad-signature")


@pytest.mark.parametrize(("ahead_ms", "name"), [(-1, "expired"), (3_600_000, "too-far-ahead")])
def test_a_transaction_valid_until_the_wrong_time(client: Client, one: Network, ahead_ms: int, name: str) -> None:
    until = time.time_ns() // 1_000_000 + ahead_ms
    refused(client, one, make_transaction(client.genesis, [client.operator], [client.call()], valid_until_ms=until), name)


def test_a_replayed_transaction(client: Client, one: Network) -> None:
    raw = client.sign(client.call())
    assert client.outcome(one.members[0], raw)["name"] == "ok"
    refused(client, one, raw, "replayed")


def test_a_bad_signature(client: Client, one: Network) -> None:
    tx = decode_transaction(client.sign(client.call()))
    refused(client, one, encode_transaction(tx.body_bytes, [Signature("e", client.operator.public, bytes(64))]), "bad-signature")


def test_bytes_that_are_no_transaction(client: Client, one: Network) -> None:
    refused(client, one, b"\x93rubbish", "malformed")
    refused(client, one, client.sign(client.call())[:-1], "malformed")


def test_a_transaction_that_is_too_large(client: Client, one: Network) -> None:
    records = tuple(("sha-256", number.to_bytes(32, "big"), bytes(1000)) for number in range(TX_BYTES_MAX // 1000))
    until = time.time_ns() // 1_000_000 + 60_000
    call = Invocation("evidence", "record", (records,))
    refused(client, one, make_transaction(client.genesis, [client.operator], [call], valid_until_ms=until), "too-large")


def test_an_unknown_contract_and_an_unknown_method(client: Client, one: Network) -> None:
    failed(client, one, client.sign(Invocation("weather", "shine", ())), "unknown-contract")
    failed(client, one, client.sign(Invocation("evidence", "forget", ())), "unknown-method")


def test_wrong_arguments(client: Client, one: Network) -> None:
    for arguments in ((), (1,), ("x", "y"), ((("sha-256", 7, b""),),)):
        failed(client, one, client.sign(Invocation("evidence", "record", arguments)), "bad-arguments")


def test_a_sender_without_a_role(client: Client, one: Network) -> None:
    refused(client, one, client.sign(client.call(), key=new_key()), "not-member")
    vote = Invocation("governance", "vote", (1, True))
    refused(client, one, client.sign(vote, key=new_key()), "not-member")


def test_a_key_that_does_not_speak_for_the_signer(client: Client, one: Network) -> None:
    raw = client.sign(client.call())
    body = decode_transaction(raw).body_bytes
    thief = decode_transaction(client.sign(client.call(), key=new_key()))
    assert encode_transaction(body, thief.signatures) != raw
    refused(client, one, encode_transaction(body, thief.signatures), "bad-signature")


def test_a_body_that_is_too_large_and_one_that_is_nothing(one: Network) -> None:
    member = one.members[0]
    status, told = ask(member, "/v1/transactions", {"transactions": ["00" * (5 * 1024 * 1024)]})
    assert (status, told["code"]) == (413, "too-large")
    status, told = ask(member, "/v1/transactions", [])
    assert (status, told["code"]) == (400, "malformed")
    status, told = ask(member, "/v1/no/such/path")
    assert (status, told["code"]) == (404, "no-route")


def test_after_all_that_the_node_goes_on_and_nothing_woke_its_operator(client: Client, one: Network) -> None:
    client.goes_on(one.members[0])
    log = one.members[0].log_path.read_text()
    assert '"level": "error"' not in log and "Traceback" not in log


# Peers


def peer_port(member: Member) -> int:
    return int(member.config.peers_listen.rpartition(":")[2])


def hello_of(client: Client, node_id: str) -> bytes:
    return wire.encode_message(Hello(PROTOCOL, client.genesis.chain_id, genesis_hash(client.genesis), node_id, 1))


async def ended_by(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends the connection."""
    async with asyncio.timeout(DEADLINE_S):
        try:
            while await reader.read(65_536):
                pass
        except OSError:
            pass
        return True


def test_strangers_at_the_peer_port_are_turned_away(client: Client, one: Network) -> None:
    member = one.members[0]
    ours = client.key(member, "node")

    async def come() -> None:
        for noise in (b"", b"\x00" * 1000, b"GET / HTTP/1.1\r\n\r\n", bytes.fromhex("16030100a5010000a10303") + bytes(20)):
            reader, writer = await asyncio.open_connection("127.0.0.1", peer_port(member))
            writer.write(noise)
            assert await ended_by(reader)
            writer.close()
        try:
            reader, writer = await tls_to(new_key(), ours, peer_port(member))
        except OSError:
            return
        assert await ended_by(reader)
        writer.close()

    asyncio.run(come())
    assert ask(member, "/v1/status")[1]["peers"] == 0
    client.goes_on(member)


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A network of four, of which three run; the keys of the fourth are in bad hands."""
    with made(tmp_path_factory.mktemp("four") / "net", 4) as network:
        for member in network.members[:3]:
            network.start_one(member)
        wait_until(lambda: all(ask(member, "/readyz")[0] == 200 for member in network.members[:3]), "three nodes are ready")
        yield network


def test_an_admitted_node_of_another_genesis_is_turned_away(four: Network) -> None:
    client, victim, villain = Client(four), four.members[0], four.members[3]
    key = client.key(villain, "node")
    other = Hello(PROTOCOL, client.genesis.chain_id, bytes(32), did_of("e", key.public), 1)

    async def come() -> None:
        with pytest.raises(ChainError) as caught:
            await by_hand(key, client.key(victim, "node"), peer_port(victim), wire.encode_message(other))
        assert caught.value.code.name == "wrong-genesis"

    asyncio.run(come())
    client.goes_on(victim)


@pytest.mark.parametrize(("kind", "place"), [("oversized frame", 0), ("malformed frames", 1), ("forged votes", 2)])
def test_an_admitted_node_that_misbehaves_is_banned_and_the_rest_go_on(four: Network, kind: str, place: int) -> None:
    client, victim, villain = Client(four), four.members[place], four.members[3]
    key, server = client.key(villain, "node"), client.key(victim, "node")
    block_id = BlockId(b"\x01" * 32, PartSetHeader(1, b"\x02" * 32))
    vote = Vote(VoteType.PREVOTE, height_of(victim) + 1, 0, block_id, 1, bytes(20), 0, bytes(64))
    payload = {
        "oversized frame": (FRAME_BYTES_MAX + 1).to_bytes(4, "big"),
        "malformed frames": frame(b"\xc1rubbish") * 6,
        "forged votes": frame(wire.encode_message(VoteMessage(vote))) * 6,
    }[kind]

    async def come() -> None:
        reader, writer = await by_hand(key, server, peer_port(victim), hello_of(client, did_of("e", key.public)))
        writer.write(payload)
        assert await ended_by(reader)
        writer.close()

    asyncio.run(come())
    wait_until(lambda: '"event": "peer_banned"' in victim.log_path.read_text(), "the peer is banned")
    client.goes_on(*four.members[:3])


# A full disk


def test_a_full_disk_stops_a_node_in_one_line_and_it_goes_on_when_there_is_room(tmp_path: Path) -> None:
    network = made(tmp_path / "net", 1)
    member = network.members[0]

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (24 * 1024, 24 * 1024))

    command = [sys.executable, "-m", "chainnode.cli.main", "run", "--home", str(member.config.home)]
    with member.log_path.open("ab") as log:
        member.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, preexec_fn=small_disk)
    with network:
        client = Client(network)
        wait_until(lambda: ask(member, "/readyz")[0] == 200 or member.process.poll() is not None, "the node begins")
        while member.process.poll() is None:
            ask(member, "/v1/transactions", {"transactions": [client.sign(client.call()).hex()], "wait_ms": 500})
        lines = member.log_path.read_text().splitlines()
        assert member.process.returncode == 1 and lines[-1].startswith("chainnode: disk-full: no room left for"), lines[-1]
        assert not any("Traceback" in line for line in lines)
        member.process = None
        network.start()
        client.goes_on(member)


# A clock two hours off


@pytest.mark.parametrize(("off_s", "words"), [(TWO_HOURS_S, "ahead of"), (-TWO_HOURS_S, "behind")], ids=["ahead", "behind"])
def test_a_node_whose_clock_is_two_hours_off_says_so_and_harms_nobody(tmp_path: Path, off_s: int, words: str) -> None:
    network = made(tmp_path / "net", 4)
    *good, wrong = network.members
    with network:
        for member in good:
            network.start_one(member)
        with wrong.log_path.open("ab") as log:
            command = [sys.executable, "-c", SHIFTED, str(off_s), "run", "--home", str(wrong.config.home)]
            wrong.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: all(ask(member, "/readyz")[0] == 200 for member in good), "the others are ready")
        client = Client(network)

        def is_told() -> bool:
            client.goes_on(*good)
            status, told = ask(wrong, "/readyz")
            return status == 503 and "clock-wrong" in str(told.get("detail")) and words in str(told.get("detail"))

        wait_until(is_told, "the node says that its clock is wrong")
        (line,) = [line for line in wrong.log_path.read_text().splitlines() if '"clock_wrong"' in line]
        assert json.loads(line)["level"] == "error" and abs(json.loads(line)["off_ms"] / 1000 - off_s) < 60
        status, told = ask(wrong, "/v1/transactions", {"transactions": [client.sign(client.call()).hex()]})
        assert (status, told["code"]) == (503, "clock-wrong")
        client.goes_on(*good)
        assert height_of(wrong) > 0, "it follows the chain"
        times_are_right(good[0])
        network.kill(wrong)
        network.start_one(wrong)  # with its clock set right
        wait_until(lambda: ask(wrong, "/readyz")[0] == 200, "the node is ready again")
        client.goes_on(wrong)


def times_are_right(member: Member) -> None:
    """The last blocks' times, and those of the votes for them, are of this hour."""
    height = height_of(member)
    for at in range(max(1, height - 1), height + 1):
        _, told = ask(member, f"/commit?height={at}")
        signed = told["result"]["signed_header"]
        times = [signed["header"]["time"], *(one["timestamp"] for one in signed["commit"]["signatures"] if one["signature"])]
        now = time.time()
        for text in times:
            assert abs(time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone - now) < 600, times
