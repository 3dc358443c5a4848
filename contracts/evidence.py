"""Evidence: digests of documents with their context, appended to the log for ever; the first record of a digest is found by it.

Hot: thousands of records a second. A call checks its records in one pass, and the log's head is written once per block.
"""

from collections.abc import Sequence
from typing import NoReturn

from chainnode import codec
from chainnode.errors import Rejected
from chainnode.evidencelog import EMPTY_LOG, LeafGroup, LogState
from chainnode.execution.indexvalues import positions
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
_ARRAY_OF_8 = b"\x98"
_ALGORITHMS = frozenset(ALGORITHMS)
DIGEST_BYTES = 32
_META_MAX = EVIDENCE_META_BYTES_MAX

Records = tuple[tuple[str, bytes, bytes], ...]  # algorithm, digest, description


@method
def record(call: Call, state: State, records: tuple[tuple[str, bytes, bytes], ...]) -> Value:
    """Append records (algorithm, digest of 32 bytes, description of up to 1,024 bytes). By anybody with a role.

    Returns the log index of the first, how many, and for those whose digest was recorded before: (place in the call, first height).
    """
    roles.require_member(state, call)
    require(0 < len(records) <= EVIDENCE_RECORDS_MAX, TOO_MANY, f"1 to {EVIDENCE_RECORDS_MAX} records in one call")
    algorithms, digests, metas = zip(*records, strict=True)
    if not (_ALGORITHMS.issuperset(algorithms) and set(map(len, digests)) == {DIGEST_BYTES} and max(map(len, metas)) <= _META_MAX):
        _refuse(records)
    index, repeated = append(call, state, records, digests, by=call.sender)
    return index, len(records), repeated


def append(call: Call, state: State, records: Records, digests: tuple[bytes, ...], *, by: str) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Append records, with these digests, that the caller has checked; the log index of the first, and what `record` says of repeated ones.

    `by` is a DID for what its holder said, and a client's id for what came in a packet: no signer is called like one (INV-62).
    """
    index = state.log_append(_leaves(call, records, by))
    repeated = index_digests(state, digests, index, call.height)
    state.emit(Event(NAME, "recorded", {"by": by, "first": index, "count": len(records)}))
    return index, repeated


def _refuse(records: Records) -> NoReturn:
    """Say which record cannot be taken; there is one."""
    for place, (algorithm, digest, meta) in enumerate(records):
        if algorithm not in ALGORITHMS or len(digest) != DIGEST_BYTES:
            raise Rejected(BAD_DIGEST, f"record {place} is no digest of 32 bytes by one of {', '.join(ALGORITHMS)}")
        if len(meta) > _META_MAX:
            raise Rejected(META_TOO_LONG, f"record {place} has a description of {len(meta)} bytes; {_META_MAX} are allowed")
    raise AssertionError("every record can be taken")


def _leaves(call: Call, records: Records, by: str) -> LeafGroup:
    """The leaves of the records: each `[1, sender, height, time_ms, algorithm, digest, meta, tx_id]` in canonical bytes."""
    middles = tuple([packed[1:] for packed in codec.pack_each(records)])
    return LeafGroup(leaf_beginning(by, call.height, call.time_ms), middles, codec.pack(call.tx_id))


def leaf_beginning(by: str, height: int, time_ms: int) -> bytes:
    """How all leaves of one sender in one block begin."""
    # Without the byte that says how many elements.
    return _ARRAY_OF_8 + codec.pack((_LEAF_VERSION, by, height, time_ms))[1:]


def index_digests(state: State, digests: Sequence[bytes], index: int, height: int) -> tuple[tuple[int, int], ...]:
    """Note where digests were recorded first; (place, first height) of those that were before, in this call or an earlier one.

    About 0.4 us a digest when all are new, as nearly always.
    """
    if state.index_add(DIGEST_INDEX, digests, positions(index, height, len(digests))):
        return ()
    height_bytes = height.to_bytes(8, "big")
    repeated: list[tuple[int, int]] = []
    new: dict[bytes, bytes] = {}
    for place, (digest, first) in enumerate(zip(digests, state.index_get_many(DIGEST_INDEX, digests), strict=True)):
        if first is None and digest not in new:
            new[digest] = (index + place).to_bytes(8, "big") + height_bytes
        else:
            repeated.append((place, height if first is None else int.from_bytes(first[8:], "big")))
    state.index_put_many(DIGEST_INDEX, list(new), list(new.values()))
    return tuple(repeated)


def decode_position(value: bytes) -> tuple[int, int]:
    """Log index and height of a digest's first record, from the index."""
    return int.from_bytes(value[:8], "big"), int.from_bytes(value[8:], "big")


def encode_head(log: LogState) -> bytes:
    """The value under HEAD_KEY: size and root of the log."""
    return codec.encode((log.size, log.root))


def end_block(state: State) -> None:
    """Write the head of the log if this block made it longer."""
    if state.has_new_records:
        state.store(NAME).put(HEAD_KEY, encode_head(state.log_growth()[0]))


def genesis(state: State) -> None:
    """The empty log."""
    state.store(NAME).put(HEAD_KEY, encode_head(EMPTY_LOG))
