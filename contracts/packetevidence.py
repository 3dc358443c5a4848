"""The application `evidence` of packets: records of this chain's evidence log are put into another's, with where they stand here.

What leaves was in the log as the packet says: its path leads to one of the log's last heads, which the state keeps for this. What
arrives is recorded once, under the client's id instead of a DID, which nobody who signs can write (INV-62).
"""

from chainnode import codec, merkle
from chainnode.errors import Malformed, Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, require
from chainnode.foreign.evidencepackets import (
    ENCODING,
    PORT,
    VERSION,
    CarriedRecord,
    CarriedRecords,
    decode_answer,
    decode_records,
    encode_answer,
    encode_lineage,
)
from chainnode.foreign.packetbytes import Packet, Payload
from chainnode.types.codes import BAD_DIGEST, BAD_PACKET, EVIDENCE_NOT_PROVED, META_TOO_LONG
from chainnode.types.limits import CARRIED_META_BYTES_MAX, LOG_HEADS_KEPT, STATE_VALUE_BYTES_MAX
from chainnode.types.transaction import Event, Value
from contracts import clients, evidence

STORE = "packets"  # whose key 04 has the last heads of our log
CARRIED_INDEX = "carried"  # destination client ‖ 00 ‖ log index there (8) -> log index here (8)
HEADS_KEY = b"\x04"
_INT64_MAX = 2**63 - 1


def on_send(call: Call, state: State, packet: Packet, payload: Payload) -> None:
    """Let records leave that this chain's log holds as they say. By whoever may send packets: the log is public."""
    data = _decode(payload)
    require(data.chain_id == call.chain_id, EVIDENCE_NOT_PROVED, f"the records are of chain {data.chain_id}, this is {call.chain_id}")
    root = dict(_heads(state)).get(data.log_size)
    if root is None:
        raise Rejected(EVIDENCE_NOT_PROVED, f"the log did not have {data.log_size} records of late; prove the records anew")
    for place, record in enumerate(data.records):
        leaf_hash = merkle.leaf_hash(record.leaf())
        is_in_log = merkle.verify_inclusion(record.index, data.log_size, leaf_hash, record.path, root)
        require(is_in_log, EVIDENCE_NOT_PROVED, f"record {place} is not in the log at {record.index}")


def on_receive(call: Call, state: State, packet: Packet, payload: Payload, relayer: str) -> bytes:
    """Record what another chain's log holds; what came before stays where it is. Answers the indexes in our log."""
    data = _decode(payload)
    client_id = packet.destination_client
    client = clients.client(state, client_id)
    assert client is not None, "packets are received by clients that are there"
    require(data.chain_id == client.chain_id, BAD_PACKET, f"the records are of {data.chain_id}, the packet of {client.chain_id}")
    keys = [client_id.encode() + b"\x00" + record.index.to_bytes(8, "big") for record in data.records]
    known = dict(zip(keys, state.index_get_many(CARRIED_INDEX, keys), strict=True))
    new = {key: record for key, record in zip(keys, data.records, strict=True) if known[key] is None}
    if new:
        rows = tuple(_row(data, record, client_id) for record in new.values())
        first, _ = evidence.append(call, state, rows, tuple(digest for _, digest, _ in rows), by=client_id)
        made = {key: (first + place).to_bytes(8, "big") for place, key in enumerate(new)}
        state.index_put_many(CARRIED_INDEX, list(made), list(made.values()))
        known |= made
    return encode_answer(tuple(int.from_bytes(known[key] or b"", "big") for key in keys))


def on_acknowledge(call: Call, state: State, packet: Packet, payload: Payload, app_ack: bytes, relayer: str) -> None:
    """Tell where the records are in the other chain's log, or that it does not take them. Nothing here depends on it."""
    told: dict[str, Value] = {"client": packet.source_client, "packet": packet.sequence}
    try:
        told["indexes"] = decode_answer(app_ack)
    except Malformed:  # the universal error, or what only a chain with other rules answers
        state.emit(Event(STORE, "evidence_refused", told))
    else:
        state.emit(Event(STORE, "evidence_carried", told))


def on_timeout(call: Call, state: State, packet: Packet, payload: Payload, relayer: str) -> None:
    """Nothing: the records are where they were, and can be sent again."""


def end_block(state: State) -> None:
    """Keep the head of the log, if this block made it longer, among the last ones."""
    if state.has_new_records:
        log = state.log_growth()[0]
        kept = (*_heads(state), (log.size, log.root))[-LOG_HEADS_KEPT:]
        state.store(STORE).put(HEADS_KEY, codec.encode(kept))


def _heads(state: State) -> tuple[tuple[int, bytes], ...]:
    """Sizes and roots of our log after the last blocks that made it longer, the oldest first."""
    value = state.store(STORE).get(HEADS_KEY)
    if value is None:
        return ()
    pairs = (codec.as_array(pair, 2) for pair in codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX)))
    return tuple((codec.as_int(size, 1, _INT64_MAX), codec.as_bytes(root, merkle.HASH_BYTES)) for size, root in pairs)


def _decode(payload: Payload) -> CarriedRecords:
    says = (payload.destination_port, payload.version, payload.encoding)
    require(says == (PORT, VERSION, ENCODING), BAD_PACKET, f"records go to the port {PORT} as {VERSION} in {ENCODING}")
    data = decode_records(payload.value)
    for place, record in enumerate(data.records):
        require(record.algorithm in evidence.ALGORITHMS, BAD_DIGEST, f"record {place} is by {record.algorithm}")
    return data


def _row(data: CarriedRecords, record: CarriedRecord, client_id: str) -> tuple[str, bytes, bytes]:
    """What is recorded here of a record."""
    meta = encode_lineage(data, record, client_id)
    fits = len(meta) <= CARRIED_META_BYTES_MAX
    require(fits, META_TOO_LONG, f"with where it came from, a description has at most {CARRIED_META_BYTES_MAX} bytes")
    return record.algorithm, record.digest, meta
