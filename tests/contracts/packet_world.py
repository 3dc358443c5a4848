"""Two chains in memory that know each other by real light clients: signed headers, state trees, proofs; an application to send with.

Each call is a block with a header of its own. What a block did is provable by the next block's header, as everywhere.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from chainnode.bundle import beginning_of
from chainnode.errors import Malformed, Rejected
from chainnode.evidencelog import EMPTY_LOG, LeafGroup
from chainnode.execution.state import State
from chainnode.execution.table import Call
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.merkleproof import encode_merkle_proof
from chainnode.foreign.packetbytes import (
    Packet,
    Payload,
    acknowledgement_key,
    commitment_key,
    decode_packet,
    encode_packet,
    receipt_key,
)
from chainnode.foreign.tendermintbytes import HeaderMessage, encode_header
from chainnode.statetree import StateTree, app_hash, prove_store
from chainnode.types.codes import MALFORMED, TOO_MANY
from chainnode.types.genesis import Genesis
from chainnode.types.proof import CommitmentProof
from chainnode.types.transaction import Event
from contracts import clients
from contracts.packetapps import APPS, App
from tests.chain_maker import ChainMaker
from tests.contracts.council import LAW, SUPERS, Council, genesis_of
from tests.contracts.receipt_world import BLOCK_MS, START_MS, digest
from tests.execution.readers import DictReader, flat

PREFIX = (b"ibc", b"")
LASTS_S = 60
ECHO = "echo"


class Side(Council):
    """A chain, block by block; what is written is kept below the state of the block, as in a node."""

    def __init__(self, name: str, *, supers: Sequence[str] = SUPERS[:1]) -> None:
        self.name, self.chain_id = name, f"{name}-1"
        self.genesis: Genesis = replace(genesis_of(supers, (f"{name}-v1",)), chain_id=self.chain_id)
        self.maker = ChainMaker(self.genesis)
        self.reader, self.log = DictReader(), EMPTY_LOG
        self.trees: list[dict[str, StateTree]] = [{}]  # after each height
        self.values: list[dict[tuple[str, bytes], bytes]] = []
        self.leaves: list[bytes] = []
        self.state = State(self.reader, self.log)
        self.height, self.time_ms, self.position = 0, START_MS, 3
        self.header_ms = START_MS
        self.last_signers, self.events, self.council = (), (), tuple(supers)
        LAW.genesis(self.state, self.genesis)
        self._settle()

    def do(self, signers: Sequence[str], method: str, *arguments: Any) -> Any:
        """A block with one call. Refused when a rule says no."""
        try:
            return super().do(signers, method, *arguments)
        finally:
            self._decide()

    def tick(self) -> None:
        """An empty block."""
        self.height, self.time_ms = self.height + 1, self.time_ms + BLOCK_MS
        self.events = ()
        self._decide()

    def wait(self, seconds: int) -> None:
        """Let time pass until the next block."""
        self.time_ms += 1000 * seconds

    def everything(self) -> object:
        """All that is written."""
        return dict(self.reader.values), dict(self.reader.index), self.log, self.state.writes()

    def call(self, who: str) -> Call:
        """The circumstances of a call in the next block."""
        return Call(self.did(who), (self.did(who),), digest("call"), self.chain_id, self.height + 1, self.next_ms, 0)

    def in_block(self, change: Any) -> Any:
        """A block in which this is done to the state, by no call."""
        done = change(self.state)
        self.tick()
        return done

    def prove(self, key: bytes, height: int | None = None) -> tuple[bytes, str]:
        """A proof of what the store `ibc` has under a key, or that it has nothing, by the header of a height; and the height."""
        height = height or self.height
        trees, values = self.trees[height - 1], self.values[height - 1]
        tree = trees["ibc"]

        def value_of(one: bytes) -> bytes:
            return values["ibc", one]

        proof: CommitmentProof = tree.prove(key, value_of) if ("ibc", key) in values else tree.prove_absence(key, value_of)
        roots = {name: one.root for name, one in trees.items()}
        return encode_merkle_proof((proof, prove_store(roots, "ibc"))), f"1-{height}"

    def header_for(self, trusted: RevisionHeight, height: int | None = None) -> bytes:
        """An update to the header of a height, for a client that knows another."""
        block = self.maker.blocks[(height or self.height) - 1]
        return encode_header(HeaderMessage(block, trusted, block.validators))

    def _decide(self) -> None:
        LAW.end_block(self.state)
        self._settle()
        roots = {name: tree.root for name, tree in self.trees[-1].items()}
        self.maker.decide(app_hash=app_hash(roots), interval_ns=(self.time_ms - self.header_ms) * 1_000_000)
        self.header_ms = self.time_ms
        assert len(self.maker.blocks) == self.height

    def _settle(self) -> None:
        """Keep what the block wrote, as the disk does."""
        trees = dict(self.trees[-1])
        for store, entries in self.state.writes().items():
            trees[store] = trees.get(store, StateTree()).update(entries)
            for key, value in entries:
                if value is None:
                    self.reader.values.pop((store, key), None)
                else:
                    self.reader.values[store, key] = value
        self.reader.index |= flat(self.state.index_writes())
        self.leaves += [leaf for group in self.state.log_groups() for leaf in group.leaves()]
        self.log = self.state.log_growth()[0]
        self.state = State(self.reader, self.log)
        if self.height == 0:
            self.trees = [trees]
            self.maker.app_hash = app_hash({name: tree.root for name, tree in trees.items()})
        else:
            self.trees.append(trees)
        self.values.append(dict(self.reader.values))


class Bridge:
    """Two chains, a client of each on the other, and in front of both a relayer, who may do anything in any order."""

    def __init__(self) -> None:
        self.a, self.b = Side("a"), Side("b")
        self.ids: dict[str, str] = {}
        for here, there in ((self.a, self.b), (self.b, self.a)):
            # Other clients come first, so that the two ids differ.
            for _ in range(1 if here is self.a else 2):
                made = here.in_block(self._client(here, there))
            self.ids[here.name] = made
        for here, there in ((self.a, self.b), (self.b, self.a)):
            here.do(["ada"], "clients.register_counterparty", self.ids[here.name], self.ids[there.name], PREFIX)
            self.update(here)

    def _client(self, here: Side, there: Side) -> Any:
        return lambda state: clients.create_for_chain(state, here.call("ada"), beginning_of(there.genesis), creator=here.did("ada"))

    def other(self, side: Side) -> Side:
        """The chain on the other side."""
        return self.b if side is self.a else self.a

    def by_client(self, client_id: str) -> Side:
        """The chain whose client this is."""
        return self.a if self.ids["a"] == client_id else self.b

    def known(self, side: Side) -> RevisionHeight:
        """What the client on a chain knows last."""
        record = clients.client(side.state, self.ids[side.name])
        assert record is not None
        return record.latest

    def update(self, side: Side, who: str = "mia", height: int | None = None) -> None:
        """Tell the client on a chain of the other chain's header, by default the newest."""
        trusted = self.known(side) if height is None else RevisionHeight(1, 0)
        message = self.other(side).header_for(trusted, height)
        side.do([who], "clients.update", self.ids[side.name], message)

    def send(self, side: Side, value: bytes = b"yes", *, lasts_s: int = LASTS_S, who: str = "mia", port: str = ECHO) -> Packet:
        """Send a packet."""
        payload = (port, port, "echo-1", "text/plain", value)
        timeout_s = side.next_ms // 1000 + lasts_s
        sequence = side.do([who], "packets.send", self.ids[side.name], timeout_s, (payload,))
        packet = sent(side)
        assert packet == Packet(sequence, self.ids[side.name], self.ids[self.other(side).name], timeout_s, (Payload(*payload),))
        return packet

    def received(self, packet: Packet, who: str = "mia") -> Any:
        """Bring a packet with its proof, after an update."""
        source = self.by_client(packet.source_client)
        source.tick()
        self.update(self.other(source))
        proof, height = source.prove(commitment_key(packet.source_client, packet.sequence))
        return self.other(source).do([who], "packets.receive", encode_packet(packet), proof, height)

    def acknowledged(self, packet: Packet, acknowledgement: bytes, who: str = "mia") -> Any:
        """Bring an answer with its proof, after an update."""
        source = self.by_client(packet.source_client)
        destination = self.other(source)
        destination.tick()
        self.update(source)
        proof, height = destination.prove(acknowledgement_key(packet.destination_client, packet.sequence))
        return source.do([who], "packets.acknowledge", encode_packet(packet), acknowledgement, proof, height)

    def timed_out(self, packet: Packet, who: str = "mia") -> Any:
        """Show that a packet has not come, after an update."""
        source = self.by_client(packet.source_client)
        destination = self.other(source)
        destination.tick()
        self.update(source)
        proof, height = destination.prove(receipt_key(packet.destination_client, packet.sequence))
        return source.do([who], "packets.time_out", encode_packet(packet), proof, height)

    def wait(self, seconds: int) -> None:
        """Let time pass on both chains."""
        self.a.wait(seconds)
        self.b.wait(seconds)


def sent(side: Side) -> Packet:
    """The packet of the last block."""
    return decode_packet(bytes.fromhex(attribute(side, "send_packet", "encoded_packet_hex")))


def answered(side: Side) -> bytes:
    """The acknowledgement that the last block wrote."""
    return bytes.fromhex(attribute(side, "write_acknowledgement", "encoded_acknowledgement_hex"))


def attribute(side: Side, event: str, name: str) -> str:
    """An attribute of the one event of this name."""
    (found,) = [one for one in side.events if one.name == event]
    return str(found.attributes[name])


# An application that writes what happens to it, in the store `goods`, where nobody looks.

_PLACES = {"send": b"\x70", "receive": b"\x71", "acknowledge": b"\x72", "time_out": b"\x73"}


def _note(state: State, what: str, packet: Packet, said: bytes) -> None:
    store, key = state.store("goods"), _PLACES[what] + packet.sequence.to_bytes(8, "big")
    store.put(key, (store.get(key) or b"") + said + b";")
    state.emit(Event("goods", f"echo_{what}", {}))
    state.log_append(LeafGroup(b"", (what.encode(),), b""))


def noted(side: Side, what: str, sequence: int) -> bytes | None:
    """What the application of a chain wrote of a packet."""
    return side.value("goods", _PLACES[what] + sequence.to_bytes(8, "big"))


def _on_send(call: Call, state: State, packet: Packet, payload: Payload) -> None:
    _note(state, "send", packet, payload.value)
    if payload.value == b"not sent":
        raise Rejected(TOO_MANY, "the application does not send this")
    if payload.value == b"malformed when sent":
        raise Malformed(MALFORMED, "the application cannot read this")


def _on_receive(call: Call, state: State, packet: Packet, payload: Payload, relayer: str) -> bytes:
    _note(state, "receive", packet, payload.value)
    if payload.value == b"no":
        raise Rejected(TOO_MANY, "the application does not take this")
    if payload.value == b"malformed":
        raise Malformed(MALFORMED, "the application cannot read this")
    return b"taken by " + relayer.encode()


def _on_acknowledge(call: Call, state: State, packet: Packet, payload: Payload, app_ack: bytes, relayer: str) -> None:
    _note(state, "acknowledge", packet, app_ack)


def _on_timeout(call: Call, state: State, packet: Packet, payload: Payload, relayer: str) -> None:
    _note(state, "time_out", packet, relayer.encode())


@contextmanager
def echo() -> Iterator[None]:
    """While the application has its port."""
    with patch.dict(APPS, {ECHO: App(_on_send, _on_receive, _on_acknowledge, _on_timeout)}):
        yield
