"""Evidence: digests of documents with their context, appended to the log for ever; the first record of a digest is found by it.

Hot: thousands of records a second. A call checks its records in one pass, and the log's head is written once per block.
"""

from chainnode import codec
from chainnode.errors import Rejected
from chainnode.evidencelog import EMPTY_LOG, LogState
from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.codes import BAD_DIGEST, META_TOO_LONG, TOO_MANY
from chainnode.types.limits import EVIDENCE_META_BYTES_MAX, EVIDENCE_RECORDS_MAX
from chainnode.types.transaction import Event, Value
from contracts import roles

NAME = "evidence"
ALGORITHMS = ("sha-256", "sm3", "sha3-256")
DIGEST_INDEX = "digest"  # digest -> log index (8) ‖ height (8), of its first record
HEAD_KEY = b"log"
_LEAF_VERSION = 1


@method
def record(call: Call, state: State, records: tuple[tuple[str, bytes, bytes], ...]) -> Value:
    """Append records (algorithm, digest of 32 bytes, description of up to 1,024 bytes). By anybody with a role.

    Returns the log index of the first, how many, and for those whose digest was recorded before: (place in the call, first height).
    """
    roles.require_member(state, call)
    require(0 < len(records) <= EVIDENCE_RECORDS_MAX, TOO_MANY, f"1 to {EVIDENCE_RECORDS_MAX} records in one call")
    sender, height, time_ms, tx_id, pack = call.sender, call.height, call.time_ms, call.tx_id, codec.pack
    index = state.log_size
    height_bytes = height.to_bytes(8, "big")
    leaves: list[bytes] = []
    repeated: list[tuple[int, int]] = []
    for place, (algorithm, digest, meta) in enumerate(records):
        if algorithm not in ALGORITHMS or len(digest) != 32:
            raise Rejected(BAD_DIGEST, f"record {place} is no digest of 32 bytes by one of {', '.join(ALGORITHMS)}")
        if len(meta) > EVIDENCE_META_BYTES_MAX:
            raise Rejected(META_TOO_LONG, f"record {place} has a description of {len(meta)} bytes; {EVIDENCE_META_BYTES_MAX} are allowed")
        leaves.append(pack((_LEAF_VERSION, sender, height, time_ms, algorithm, digest, meta, tx_id)))
        first = state.index_get(DIGEST_INDEX, digest)
        if first is None:
            state.index_put(DIGEST_INDEX, digest, (index + place).to_bytes(8, "big") + height_bytes)
        else:
            repeated.append((place, int.from_bytes(first[8:], "big")))
    state.log_append(leaves)
    state.emit(Event(NAME, "recorded", {"by": sender, "first": index, "count": len(leaves)}))
    return index, len(leaves), tuple(repeated)


def decode_position(value: bytes) -> tuple[int, int]:
    """Log index and height of a digest's first record, from the index."""
    return int.from_bytes(value[:8], "big"), int.from_bytes(value[8:], "big")


def encode_head(log: LogState) -> bytes:
    """The value under HEAD_KEY: size and root of the log."""
    return codec.encode((log.size, log.root))


def end_block(state: State) -> None:
    """Write the head of the log if this block made it longer."""
    if state.leaves():
        state.store(NAME).put(HEAD_KEY, encode_head(state.log_growth()[0]))


def genesis(state: State) -> None:
    """The empty log."""
    state.store(NAME).put(HEAD_KEY, encode_head(EMPTY_LOG))
