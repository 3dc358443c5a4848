"""Keys of the ledger's store. Numbers are of fixed length and big-endian, so that key order is the order of heights; names end in 00.

| key | value |
|---|---|
| `M` name | what the folder is and how far it got |
| `H` height | header bytes |
| `C` height | commit of that height: the next block's when there is one, else the one seen |
| `B` height | block bytes |
| `T` height, position | batch, without the records that are in `D` (`storage/punched.py`), here or in segment files |
| `R` height | results, joined, here or in segment files (`storage/segments.py`); empty when there are none |
| `A` height | `HeightSummary` |
| `V` height | validator set in force from this height on; only where it changes |
| `S` store, key | state value |
| `U` height | how to go back from this height's state to the one before, for the newest heights |
| `X` space, key | index value, of spaces that have no runs (`RUN_SPACES`) |
| `I` space, height | index entries of that height that are in no run yet: all keys, then all values, here or in segment files |
| `E` level, index | tile of the evidence log, from level 1 on |
| `D` first index | evidence records that one height appended: its height, then groups, here or in segment files |
"""

import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from struct import Struct

from chainnode.errors import Corrupt
from chainnode.evidencelog import LeafGroup
from chainnode.types.block import BlockId, PartSetHeader
from chainnode.types.codes import CORRUPT_STORE

LAYOUT_VERSION = 6
NAME_BYTES_MAX = 16  # store and space names
_NAMES_CACHED = 256

META = b"M"
HEADER = b"H"
COMMIT = b"C"
BLOCK = b"B"
BATCH = b"T"
RESULTS = b"R"
SUMMARY = b"A"
VALIDATORS = b"V"
STATE = b"S"
UNDO = b"U"
INDEX = b"X"
TAIL = b"I"
TILE = b"E"
RECORDS = b"D"

META_VERSION = META + b"version"
META_CHAIN = META + b"chain"
META_GENESIS = META + b"genesis"
META_NODE = META + b"node"
META_LAST = META + b"last"  # height, 8 bytes
META_FIRST_BODY = META + b"first_body"  # lowest height whose body is kept, 8 bytes
META_ENDS = META + b"ends"  # how far the segments count: bodies, then records
META_INDEX_END = META + b"index_end"  # the same of the index
META_ROOTS = META + b"roots"  # state root of each store after the last height

RUN_SPACES = {"tx": 12, "digest": 16}  # index spaces whose keys are hashes of 32 bytes: bytes of a value

_HEIGHT = Struct(">Q")
_POSITION = Struct(">QI")
_TILE = Struct(">BQ")
_LENGTH = Struct(">I")
_LENGTHS = next(code for code in "IL" if array(code).itemsize == _LENGTH.size)
_ONE = _LENGTH.pack(1)
_SUMMARY = Struct(">QqI32s32s32s32sQQ")
_NO_HASH = bytes(32)


@dataclass(frozen=True, slots=True)
class HeightSummary:
    """What the next height needs to know of this one. At height 0, the genesis, there is no block.

    `app_hash` and `log_size` are after the height; `results_hash` is the next header's last_results_hash.
    `first_record` is the log size before the height.
    """

    height: int
    time_ns: int
    block_id: BlockId
    app_hash: bytes
    results_hash: bytes
    first_record: int
    log_size: int


def encode_summary(summary: HeightSummary) -> bytes:
    """Fixed length; an empty hash is written as zeros."""
    block_id = summary.block_id
    return _SUMMARY.pack(
        summary.height,
        summary.time_ns,
        block_id.parts.total,
        block_id.hash,
        block_id.parts.hash,
        summary.app_hash,
        summary.results_hash,
        summary.first_record,
        summary.log_size,
    )


def decode_summary(data: bytes) -> HeightSummary:
    """The summary in stored bytes."""
    if len(data) != _SUMMARY.size:
        raise Corrupt(CORRUPT_STORE, "a height's summary has the wrong length")
    height, time_ns, total, block_hash, parts_hash, app_hash, results_hash, first_record, log_size = _SUMMARY.unpack(data)
    block_id = BlockId(_hash_or_empty(block_hash), PartSetHeader(total, _hash_or_empty(parts_hash)))
    return HeightSummary(height, time_ns, block_id, app_hash, _hash_or_empty(results_hash), first_record, log_size)


def height_key(kind: bytes, height: int) -> bytes:
    """Key of what there is one of per height, or per log index (`RECORDS`)."""
    return kind + _HEIGHT.pack(height)


def height_of_key(key: bytes) -> int:
    """The height, or log index, right behind the kind."""
    height: int = _HEIGHT.unpack_from(key, 1)[0]
    return height


def batch_key(height: int, position: int) -> bytes:
    """Key of a batch of a block."""
    return BATCH + _POSITION.pack(height, position)


def tile_key(level: int, index: int) -> bytes:
    """Key of a tile of the evidence log."""
    return TILE + _TILE.pack(level, index)


@lru_cache(maxsize=_NAMES_CACHED)
def name_prefix(kind: bytes, name: str) -> bytes:
    """Beginning of all keys of a state store or index space. Hot: every read asks for it."""
    encoded = name.encode()
    assert 0 < len(encoded) <= NAME_BYTES_MAX, "store and space names have 1 to 16 bytes"
    assert b"\x00" not in encoded
    return kind + encoded + b"\x00"


def runs_key(space: str) -> bytes:
    """Key of the list of an index space's runs."""
    return META + b"runs_" + space.encode()


def after_prefix(prefix: bytes) -> bytes:
    """The least key above all keys that begin with `prefix`, which must not be all ff."""
    stripped = prefix.rstrip(b"\xff")
    assert stripped, "every kind of key begins with a letter"
    return stripped[:-1] + bytes((stripped[-1] + 1,))


def encode_height(height: int) -> bytes:
    """A height as a value."""
    return _HEIGHT.pack(height)


def decode_height(data: bytes) -> int:
    """A height that is a value."""
    if len(data) != _HEIGHT.size:
        raise Corrupt(CORRUPT_STORE, "a height has the wrong length")
    height: int = _HEIGHT.unpack(data)[0]
    return height


def join_parts(parts: Sequence[bytes]) -> bytes:
    """Parts in one value: how many, the length of each, all of them joined; nothing for none. 0.05 us a part."""
    if not parts:
        return b""
    lengths = array(_LENGTHS, map(len, parts))
    if sys.byteorder == "little":
        lengths.byteswap()
    return b"".join((_LENGTH.pack(len(parts)), lengths.tobytes(), *parts))


def join_groups(groups: Sequence[LeafGroup]) -> bytes:
    """Groups of leaves in one value: of each the prefix, the suffix and the middles joined.

    Hot for groups of one leaf, of which each transaction under load makes one: 0.8 us.
    """
    pack = _LENGTH.pack
    parts: list[bytes] = []
    for prefix, middles, suffix in groups:
        parts += (prefix, suffix, _ONE + pack(len(middles[0])) + middles[0] if len(middles) == 1 else join_parts(middles))
    return join_parts(parts)


def split_groups(data: bytes) -> tuple[LeafGroup, ...]:
    """The groups that `join_groups` joined."""
    parts = split_parts(data)
    if len(parts) % 3:
        raise Corrupt(CORRUPT_STORE, "a value of evidence records is cut off")
    groups = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return tuple([LeafGroup(prefix, split_parts(joined), suffix) for prefix, suffix, joined in groups])


def split_parts(data: bytes) -> tuple[bytes, ...]:
    """The parts that `join_parts` joined."""
    if not data:
        return ()
    begin = _LENGTH.size
    count = _LENGTH.unpack_from(data)[0] if len(data) >= begin else 0
    begin += count * _LENGTH.size
    if not count or begin > len(data):
        raise Corrupt(CORRUPT_STORE, "a list of parts is cut off")
    lengths = array(_LENGTHS, data[_LENGTH.size : begin])
    if sys.byteorder == "little":
        lengths.byteswap()
    ends = list(accumulate(lengths, initial=begin))
    if ends[-1] != len(data):
        raise Corrupt(CORRUPT_STORE, "a list of parts is cut off")
    return tuple([data[begin:end] for begin, end in pairwise(ends)])


def _hash_or_empty(data: bytes) -> bytes:
    return b"" if data == _NO_HASH else data
