"""Calls of the contract `packets`, and of a receipt that moves, each right when its turn comes, for the tests of all contracts together."""

from collections.abc import Callable
from typing import Any

from chainnode import merkle
from chainnode.foreign import tendermint
from chainnode.foreign.evidencepackets import (
    ENCODING,
    PORT,
    VERSION,
    CarriedRecord,
    CarriedRecords,
    carried,
    encode_answer,
    encode_records,
)
from chainnode.foreign.packetbytes import (
    Acknowledgement,
    Packet,
    Payload,
    acknowledgement_commitment,
    acknowledgement_key,
    commitment_key,
    encode_acknowledgement,
    encode_packet,
    packet_commitment,
    receipt_key,
)
from chainnode.foreign.tendermintbytes import encode_client_state
from tests.contracts.clients_story import decided, newest, told
from tests.contracts.council import EVIDENCE, LAW, Council, did
from tests.contracts.receipt_world import START_MS
from tests.foreign.client_world import FIRST, OtherChain

Step = tuple[str, str, Callable[[Council], tuple[Any, ...]]]
OURS, THEIRS = "07-tendermint-3", "07-tendermint-9"  # the fourth client of the story, and theirs of us
LOG_SIZE = 3
SOON_S = START_MS // 1000 + 40_000
LATE_MS = START_MS + 864_000_000

# The harbour sends a record, answers our first packet, and has not taken the second ten days later.
RECORD = CarriedRecord(0, "did:bid:harbour", 1, START_MS, "sha-256", b"\x07" * 32, b"theirs", b"\x08" * 32)
INCOMING = Packet(
    1,
    THEIRS,
    OURS,
    SOON_S,
    (Payload(PORT, PORT, VERSION, ENCODING, encode_records(CarriedRecords("harbour-1", 1, (RECORD,)))),),
)
ANSWER = Acknowledgement((encode_answer((0, 1)),))
HARBOUR = OtherChain("harbour-1", {"mole": 1}, time_ns=START_MS * 1_000_000)
HARBOUR.decide(1)
SENT = {commitment_key(THEIRS, 1): packet_commitment(INCOMING), acknowledgement_key(THEIRS, 1): acknowledgement_commitment(ANSWER)}
HARBOUR.decide(1, stores={**FIRST, "ibc": {**FIRST["ibc"], **SENT}})
HARBOUR.decide(1)
HARBOUR.decide(1, interval_ns=(LATE_MS - START_MS) * 1_000_000)
STATES = encode_client_state(tendermint.client_state_of(HARBOUR.beginning, HARBOUR.at(1))), HARBOUR.consensus_state(1)


def payload(world: Council) -> Payload:
    """The first two records of the log, once it has as many as the story has made so far."""
    leaves = [leaf for group in world.state.log_groups() for leaf in group.leaves()][:LOG_SIZE]
    if len(leaves) < LOG_SIZE:
        return Payload(PORT, PORT, VERSION, ENCODING, b"no record")
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    records = tuple(carried(leaf, place, merkle.inclusion_proof(hashes, place)) for place, leaf in enumerate(leaves[:2]))
    return Payload(PORT, PORT, VERSION, ENCODING, encode_records(CarriedRecords("trade-1", LOG_SIZE, records)))


def outgoing(world: Council, sequence: int, timeout_s: int) -> bytes:
    """A packet of ours."""
    return encode_packet(Packet(sequence, OURS, THEIRS, timeout_s, (payload(world),)))


def send(world: Council, timeout_s: int) -> tuple[Any, ...]:
    """The arguments of `packets.send`; the log has its head, as after a block."""
    LAW.end_block(world.state)
    one = payload(world)
    return OURS, timeout_s, ((one.source_port, one.destination_port, one.version, one.encoding, one.value),)


def later(world: Council, time_ms: int, *arguments: Any) -> tuple[Any, ...]:
    """A call at a time, if that is not over."""
    world.wait_until(max(time_ms, world.next_ms))
    return arguments


def move(world: Council) -> tuple[Any, ...]:
    """The receipt leaves."""
    found = world.receipt("r9")
    return "r9", 0 if found is None else found.sequence, OURS, did("bob"), world.next_ms // 1000 + 60, EVIDENCE


PACKET_STEPS: tuple[Step, ...] = (
    *decided("create_client", "07-tendermint", *STATES, did("mia"), ()),
    ("clients.register_counterparty", "mia", lambda world: (newest(world), THEIRS, (b"ibc", b""))),
    told("update", HARBOUR.message(3, 1)),
    ("packets.send", "mia", lambda world: send(world, SOON_S)),
    ("packets.receive", "mia", lambda world: (encode_packet(INCOMING), HARBOUR.prove(commitment_key(THEIRS, 1), 3), "1-3")),
    (
        "packets.acknowledge",
        "mia",
        lambda world: (
            outgoing(world, 1, SOON_S),
            encode_acknowledgement(ANSWER),
            HARBOUR.prove(acknowledgement_key(THEIRS, 1), 3),
            "1-3",
        ),
    ),
    ("packets.send", "mia", lambda world: later(world, LATE_MS - 100_000, *send(world, LATE_MS // 1000))),
    ("clients.update", "mia", lambda world: later(world, LATE_MS + 100_000, newest(world), HARBOUR.message(4, 3))),
    (
        "packets.time_out",
        "mia",
        lambda world: (outgoing(world, 2, LATE_MS // 1000), HARBOUR.prove(receipt_key(THEIRS, 2), 4), "1-4"),
    ),
    ("receipts.issue", "cus mia", lambda world: ("r9", did("cus"), did("mia"), 10, ("p4",), False, EVIDENCE)),
    ("receipts.move", "mia", move),
)
