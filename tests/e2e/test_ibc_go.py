"""A chain of ibc-go, in Go, and ours follow each other with stock light clients, and packets go both ways, are answered, and time out."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from chainnode.bundle import beginning_of
from chainnode.cli.network import Network
from chainnode.client.client import Client
from chainnode.client.signing import Signer
from chainnode.crypto.keys import public_key_of, validator
from chainnode.crypto.suites import PrivateKey
from chainnode.digests import block_id
from chainnode.foreign.evidencepackets import ENCODING, PORT, VERSION, CarriedRecord, CarriedRecords, carried, encode_answer, encode_records
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.merkleproof import encode_merkle_proof
from chainnode.foreign.packetbytes import (
    Acknowledgement,
    Packet,
    Payload,
    acknowledgement_key,
    commitment_key,
    decode_packet,
    encode_acknowledgement,
    encode_packet,
    packet_commitment,
    receipt_key,
)
from chainnode.foreign.tendermint import client_state_of, consensus_state_of
from chainnode.foreign.tendermintbytes import (
    HeaderMessage,
    Misbehaviour,
    encode_client_state,
    encode_consensus_state,
    encode_header,
    encode_misbehaviour,
)
from chainnode.node.homes import load_genesis, load_key, read_passphrase_file
from chainnode.types.bundle import EvidenceClaim, LightBlock, StateClaim
from chainnode.types.transaction import Invocation
from tests.chain_maker import sign_commit
from tests.e2e.gobuild import build

pytestmark = pytest.mark.e2e
DEADLINE_S = 120
PREFIX = (b"ibc", b"")
OURS = "e2e-1"
SOON_S = 3


class Peer:
    """The process of the other chain: one line asks, one line answers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, do: str, **more: object) -> dict[str, Any]:
        """Do something there. AssertionError with what the chain says when it refuses."""
        answer = await self.try_to(do, **more)
        assert "error" not in answer, answer["error"]
        return answer

    async def try_to(self, do: str, **more: object) -> dict[str, Any]:
        """The same, where a refusal is an answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        plain = {name: value.hex() if isinstance(value, bytes) else value for name, value in more.items()}
        self._process.stdin.write(json.dumps({"do": do, **plain}).encode() + b"\n")
        await self._process.stdin.drain()
        while line := await self._process.stdout.readline():
            if line.startswith(b"> "):
                return dict(json.loads(line[2:]))
        raise AssertionError("the other chain has ended")


@asynccontextmanager
async def running(program: os.PathLike[str]) -> AsyncIterator[Peer]:
    """The other chain, until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        program,
        "-test.run=TestPeer",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "IBC_PEER": "1"},
        limit=64 * 1024 * 1024,
    )
    try:
        yield Peer(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


class Ours:
    """Our chain, and what a relay does for it."""

    def __init__(self, client: Client, council: Signer, peer: Peer) -> None:
        self.client, self.council, self.peer = client, council, peer
        self.known_there = self.known_here = 0  # the last heights that the clients have

    async def call(self, contract: str, method: str, *arguments: Any) -> tuple[Any, int]:
        """What a call returns, and the height of its block."""
        receipt = await self.client.submit(Invocation(contract, method, arguments), self.council)
        return receipt.values[0], receipt.height

    async def block(self, height: int) -> LightBlock:
        """A header of ours with what proves it."""
        return (await self.client.header(height)).bundle.headers[-1]

    async def prove(self, key: bytes, height: int) -> tuple[bytes, bytes | None, int]:
        """The proof of a key of store `ibc` after a block, its value, and the height of the header that it hangs on."""
        found = await self.client.state("ibc", key, height)
        assert isinstance(found.bundle.claim, StateClaim)
        both = found.bundle.claim.proof
        return encode_merkle_proof((both.proof, both.store_proof)), found.fact.value, height + 1

    async def show_there(self, height: int) -> None:
        """Update the client of us over there."""
        trusted, block = await self.block(self.known_there), await self.block(height)
        message = encode_header(HeaderMessage(block, RevisionHeight(1, self.known_there), trusted.validators))
        told = await self.peer.ask("update_client", client="07-tendermint-0", message=message)
        assert told == {"height": height, "status": "Active"}
        self.known_there = height

    async def learn_here(self) -> int:
        """Update the client of them over here; the height that it knows then."""
        told = await self.peer.ask("header", height=self.known_here)
        assert (await self.call("clients", "update", "07-tendermint-0", bytes.fromhex(told["message"])))[0] == "updated"
        self.known_here = told["height"]
        return self.known_here


async def test_packets_go_to_a_chain_of_ibc_go_and_come_from_it(make_network: Callable[[int], Network]) -> None:
    program = await asyncio.to_thread(lambda: build("ibcpeer", is_test=True))
    network = make_network(1)
    home = network.members[0].config.home
    passphrase = read_passphrase_file(home.parent / "passphrase")
    council = Signer(load_key(home / "keys" / "operator.json", passphrase))
    genesis = load_genesis(home / "genesis.json")
    with network:
        network.start()
        async with asyncio.timeout(DEADLINE_S), running(program) as peer, Client(network.urls, genesis) as client:
            ours = Ours(client, council, peer)
            await make_clients(ours)
            await there_and_back(ours)
            await from_there(ours)
            await time_runs_out(ours)
            await our_validator_lies(ours, load_key(home / "keys" / "validator.json", passphrase))


async def make_clients(ours: Ours) -> None:
    """Each chain makes a client of the other, and names the other's."""
    told = await ours.peer.ask("trust")
    states = (bytes.fromhex(told["client_state"]), bytes.fromhex(told["consensus_state"]))
    arguments = ("07-tendermint", *states, ours.council.did, ())
    _, height = await ours.call("governance", "propose", "create_client", arguments, "a chain of ibc-go")
    ours.known_here, ours.known_there = told["height"], height
    header = (await ours.block(height)).header
    client_state = client_state_of(beginning_of(ours.client.genesis), RevisionHeight(1, height))
    made = await ours.peer.ask(
        "create_client",
        client_state=encode_client_state(client_state),
        consensus_state=encode_consensus_state(consensus_state_of(header)),
    )
    assert made == {"client": "07-tendermint-0"}
    await ours.call("clients", "register_counterparty", "07-tendermint-0", "07-tendermint-0", PREFIX)
    await ours.peer.ask("register", client="07-tendermint-0", counterparty="07-tendermint-0", prefix=[part.hex() for part in PREFIX])


async def payload_of(ours: Ours, number: int) -> Payload:
    """A record of our log on its way to the other chain."""
    digest = hashlib.sha256(b"%d" % number).digest()
    await ours.call("evidence", "record", (("sha-256", digest, b"pallet"),))
    found = await ours.client.evidence(digest)
    claim = found.bundle.claim
    assert isinstance(claim, EvidenceClaim)
    records = (carried(claim.leaf, claim.index, claim.path),)
    return Payload(PORT, PORT, VERSION, ENCODING, encode_records(CarriedRecords(OURS, found.fact.size, records)))


async def send(ours: Ours, number: int, timeout_s: int) -> tuple[Packet, int]:
    """Send a packet; the block that holds it."""
    payload = await payload_of(ours, number)
    parts = (payload.source_port, payload.destination_port, payload.version, payload.encoding, payload.value)
    sequence, height = await ours.call("packets", "send", "07-tendermint-0", timeout_s, (parts,))
    return Packet(sequence, "07-tendermint-0", "07-tendermint-0", timeout_s, (payload,)), height


async def now_s(ours: Ours) -> int:
    """The time of our last header."""
    return (await ours.client.header()).header.time_ns // 10**9


async def there_and_back(ours: Ours) -> None:
    """A packet of ours is proved to the stock client, taken, and its answer proved to ours."""
    packet, height = await send(ours, 1, await now_s(ours) + 3600)
    await ours.show_there(height + 1)
    where = {"client": "07-tendermint-0", "revision": 1}
    proof, value, at = await ours.prove(commitment_key("07-tendermint-0", 1), height)
    absent, nothing, _ = await ours.prove(commitment_key("07-tendermint-0", 2), height)
    assert value == packet_commitment(packet) and nothing is None
    await ours.peer.ask("verify", **where, height=at, key=commitment_key("07-tendermint-0", 1), value=value, proof=proof)
    await ours.peer.ask("verify", **where, height=at, key=commitment_key("07-tendermint-0", 2), proof=absent)
    assert "error" in await ours.peer.try_to("verify", **where, height=at, key=commitment_key("07-tendermint-0", 1), proof=absent)
    answer = encode_answer((5,))
    raw = encode_packet(packet)
    told = await ours.peer.ask("receive_packet", packet=raw, proof=proof, height=at, revision=1, app_ack=answer)
    assert bytes.fromhex(told["ack"]) == encode_acknowledgement(Acknowledgement((answer,)))
    at = await ours.learn_here()
    proved = await ours.peer.ask("prove", key=acknowledgement_key("07-tendermint-0", 1), height=at)
    acknowledged = (raw, bytes.fromhex(told["ack"]), bytes.fromhex(proved["proof"]), f"1-{at}")
    assert (await ours.call("packets", "acknowledge", *acknowledged))[0] == "accepted"
    assert (await ours.call("packets", "acknowledge", *acknowledged))[0] == "already"


async def from_there(ours: Ours) -> None:
    """A packet of theirs is proved to our client, taken, and our answer proved to the stock one."""
    record = CarriedRecord(0, "ibc-go", 1, 0, "sha-256", bytes(32), b"from Go", bytes(32))
    value = encode_records(CarriedRecords("ibcgo-1", 1, (record,)))
    ports = {"source_port": PORT, "dest_port": PORT, "version": VERSION, "encoding": ENCODING}
    names = {"client": "07-tendermint-0", "counterparty": "07-tendermint-0"}
    sent = await ours.peer.ask("send_packet", **names, **ports, value=value, timeout=await now_s(ours) + 3600)
    packet = bytes.fromhex(sent["packet"])
    await ours.learn_here()
    at = await ours.learn_here()
    proved = await ours.peer.ask("prove", key=commitment_key("07-tendermint-0", 1), height=at)
    assert bytes.fromhex(proved["value"]) == packet_commitment(decode_packet(packet))
    taken, height = await ours.call("packets", "receive", packet, bytes.fromhex(proved["proof"]), f"1-{at}")
    assert taken == "accepted"
    index = (await ours.client.evidence(bytes(32))).fact.index
    await ours.show_there(height + 1)
    proof, _, at = await ours.prove(acknowledgement_key("07-tendermint-0", 1), height)
    answer = encode_acknowledgement(Acknowledgement((encode_answer((index,)),)))
    await ours.peer.ask("acknowledge", packet=packet, ack=answer, proof=proof, height=at, revision=1)


async def time_runs_out(ours: Ours) -> None:
    """What neither side takes in time is settled by the proof that it did not."""
    timeout_s = await now_s(ours) + SOON_S
    packet, _ = await send(ours, 2, timeout_s)
    value = encode_records(CarriedRecords("ibcgo-1", 1, (CarriedRecord(1, "ibc-go", 1, 0, "sha-256", bytes(32), b"", bytes(32)),)))
    ports = {"source_port": PORT, "dest_port": PORT, "version": VERSION, "encoding": ENCODING}
    names = {"client": "07-tendermint-0", "counterparty": "07-tendermint-0"}
    sent = await ours.peer.ask("send_packet", **names, **ports, value=value, timeout=timeout_s)
    while await now_s(ours) < timeout_s:  # a block at a time
        await ours.call("evidence", "record", (("sha-256", os.urandom(32), b"time goes by"),))
    at = await ours.learn_here()
    proved = await ours.peer.ask("prove", key=receipt_key("07-tendermint-0", 2), height=at)
    assert proved["value"] == ""
    ended = await ours.call("packets", "time_out", encode_packet(packet), bytes.fromhex(proved["proof"]), f"1-{at}")
    assert ended[0] == "timed out"
    _, height = await ours.call("evidence", "record", (("sha-256", os.urandom(32), b"and on"),))
    await ours.show_there(height + 1)
    proof, nothing, at = await ours.prove(receipt_key("07-tendermint-0", 2), height)
    assert nothing is None
    await ours.peer.ask("timeout", packet=bytes.fromhex(sent["packet"]), proof=proof, height=at, revision=1)


async def our_validator_lies(ours: Ours, key: PrivateKey) -> None:
    """Two headers of ours for one height: the stock client of us freezes, and believes nothing more."""
    _, height = await ours.call("evidence", "record", (("sha-256", os.urandom(32), b"the truth"),))
    trusted, honest = await ours.block(ours.known_there), await ours.block(height)
    header = replace(honest.header, app_hash=hashlib.sha256(b"a lie").digest())
    keys = {validator(public_key_of(key), 1).address: key}
    lie = LightBlock(header, sign_commit(header, block_id(header, b"a block of lies"), honest.validators, keys), honest.validators)
    at = RevisionHeight(1, ours.known_there)
    pair = Misbehaviour(*(HeaderMessage(one, at, trusted.validators) for one in (honest, lie)), "07-tendermint-0")
    told = await ours.peer.ask("misbehaviour", client="07-tendermint-0", message=encode_misbehaviour(pair))
    assert told == {"height": ours.known_there, "status": "Frozen"}
