"""Chains that move receipts to each other: each a ledger in memory, with clients that see the other chain as it is.

Clients and their proofs are doubled here by a look at the other ledger; `tests/sim/two_chains.py` has real ones.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from chainnode.errors import Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, require
from chainnode.foreign.packetbytes import (
    Acknowledgement,
    Packet,
    Payload,
    acknowledgement_commitment,
    acknowledgement_key,
    commitment_key,
    decode_packet,
    encode_acknowledgement,
    encode_packet,
    packet_commitment,
)
from chainnode.types.codes import BAD_PROOF, CLIENT_UNKNOWN
from chainnode.types.transaction import Event
from contracts import clients
from tests.contracts.receipt_world import Trade, digest

NAMES = ("a", "b", "c")
LASTS_S = 600
RELAYER = "fund"


@dataclass(frozen=True, slots=True)
class Known:
    """What a chain knows of a client of another."""

    client_id: str
    chain_id: str
    counterparty: str
    prefix: tuple[bytes, ...] = (b"ibc", b"")
    relayers: tuple[str, ...] = ()
    kind: str = "07-tendermint"
    trust: str = "proof"
    creator: str = ""
    latest_time_ns: int = 0
    is_frozen: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """A packet, and the names of its chains."""

    source: str
    destination: str
    raw: bytes
    packet: Packet


class Chains:
    """Three chains, each with two clients of each other one."""

    def __init__(self, names: Sequence[str] = NAMES) -> None:
        self.names = tuple(names)
        self.trades = {name: Trade(f"{name}-1") for name in names}
        self._names = {f"{name}-1": name for name in names}
        # Each chain counts for itself, so that one id names different clients on different chains.
        places = {here: [(there, number) for there in names if here != there for number in (0, 1)] for here in names}
        self.ids = {(here, *pair): f"07-tendermint-{place}" for here in names for place, pair in enumerate(places[here])}
        self.known = {
            (here, self.ids[here, there, number]): Known(self.ids[here, there, number], f"{there}-1", self.ids[there, here, number])
            for here, there, number in self.ids
        }

    def did(self, name: str) -> str:
        """The DID of somebody, on every chain the same."""
        return self.trades[self.names[0]].did(name)

    def do(self, chain: str, signers: str, method: str, *arguments: Any) -> Any:
        """A block of one call."""
        with self._clients():
            return self.trades[chain].do(signers.split(), method, *arguments)

    def send(
        self,
        chain: str,
        signers: str,
        receipt_id: str,
        to_chain: str,
        to: str,
        *,
        number: int = 0,
        sequence: int | None = None,
        lasts_s: int = LASTS_S,
    ) -> Sent:
        """A receipt leaves, for a holder on another chain, by a client of that chain."""
        trade = self.trades[chain]
        sequence = trade.require(receipt_id).sequence if sequence is None else sequence
        timeout_s = trade.next_ms // 1000 + lasts_s
        client_id = self.ids[chain, to_chain, number]
        self.do(chain, signers, "receipts.move", receipt_id, sequence, client_id, self.did(to), timeout_s, digest("move"))
        return self.sent(chain)

    def sent(self, chain: str) -> Sent:
        """The packet of the last block."""
        raw = bytes.fromhex(str(attribute(self.trades[chain].events, "send_packet", "encoded_packet_hex")))
        packet = decode_packet(raw)
        other = self._names[self.known[chain, packet.source_client].chain_id]
        return Sent(chain, other, raw, packet)

    def receive(self, sent: Sent, signers: str = RELAYER) -> bytes:
        """Bring a packet; the bytes of the acknowledgement."""
        self.do(sent.destination, signers, "packets.receive", sent.raw, b"proof", "1-1")
        return self.written(sent)

    def written(self, sent: Sent) -> bytes:
        """The acknowledgement that the destination wrote in the last block."""
        events = self.trades[sent.destination].events
        return bytes.fromhex(str(attribute(events, "write_acknowledgement", "encoded_acknowledgement_hex")))

    def acknowledge(self, sent: Sent, acknowledgement: bytes, signers: str = RELAYER) -> None:
        """Bring the answer."""
        self.do(sent.source, signers, "packets.acknowledge", sent.raw, acknowledgement, b"proof", "1-1")

    def time_out(self, sent: Sent, signers: str = RELAYER) -> None:
        """Show that it has not arrived."""
        self.do(sent.source, signers, "packets.time_out", sent.raw, b"proof", "1-1")

    def settle(self, sent: Sent) -> bytes:
        """Bring a packet and its answer."""
        acknowledgement = self.receive(sent)
        self.acknowledge(sent, acknowledgement)
        return acknowledgement

    def wait(self, chain: str, seconds: int) -> None:
        """Let time pass on a chain."""
        self.trades[chain].wait_until(self.trades[chain].next_ms + 1000 * seconds)

    def of(self, chain: str, key: bytes) -> bytes | None:
        """A value in the store `ibc` of a chain."""
        return self.trades[chain].value("ibc", key)

    @contextmanager
    def _clients(self) -> Iterator[None]:
        """Let the contracts ask this world about clients."""

        def find(chain_id: str, client_id: str) -> Known:
            known = self.known.get((self._names[chain_id], client_id))
            if known is None:
                raise Rejected(CLIENT_UNKNOWN)
            return known

        def client(state: State, client_id: str) -> Known | None:
            for name, trade in self.trades.items():
                if trade.state is state:
                    return self.known.get((name, client_id))
            raise AssertionError("no chain has this state")

        def require_active(call: Call, state: State, client_id: str) -> Known:
            return find(call.chain_id, client_id)

        def verify_member(call: Call, state: State, client_id: str, height: object, key: bytes, value: bytes, proof: bytes) -> None:
            there = self._names[find(call.chain_id, client_id).chain_id]
            require(self.of(there, key) == value, BAD_PROOF)

        def verify_absence(call: Call, state: State, client_id: str, height: object, key: bytes, proof: bytes) -> int:
            there = self._names[find(call.chain_id, client_id).chain_id]
            require(self.of(there, key) is None, BAD_PROOF)
            return self.trades[there].time_ms * 1_000_000

        doubles = {"client": client, "require_active": require_active, "verify_member": verify_member, "verify_absence": verify_absence}
        with patch.multiple(clients, require_relayer=lambda *_: None, **doubles):
            yield

    def lie(self, source: str, destination: str, payload: Payload, *, sequence: int, number: int = 0) -> Sent:
        """A packet that the source commits to although its contracts never would: two thirds of its validators lie."""
        ids = (self.ids[source, destination, number], self.ids[destination, source, number])
        packet = Packet(sequence, *ids, self.trades[destination].next_ms // 1000 + LASTS_S, (payload,))
        self.put(source, commitment_key(packet.source_client, sequence), packet_commitment(packet))
        return Sent(source, destination, encode_packet(packet), packet)

    def lie_about(self, sent: Sent, acknowledgement: Acknowledgement) -> bytes:
        """An answer of the destination that its contracts did not give."""
        packet = sent.packet
        key = acknowledgement_key(packet.destination_client, packet.sequence)
        self.put(sent.destination, key, acknowledgement_commitment(acknowledgement))
        return encode_acknowledgement(acknowledgement)

    def put(self, chain: str, key: bytes, value: bytes) -> None:
        """Write into the store `ibc` of a chain."""
        self.trades[chain].state.store("ibc").put(key, value)


def attribute(events: Sequence[Event], name: str, key: str) -> object:
    """An attribute of the one event with this name."""
    (found,) = [event for event in events if event.name == name]
    return found.attributes[key]
