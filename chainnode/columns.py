"""The transactions of a batch read by columns in plain Python: what a sheet has to tell where no C of ours was built.

Hot there: 3 us a transaction of one record instead of 9, since a check of a whole column costs as much as one of a few values, and since no
objects are made. It is sure of most batches and leaves the rest to `transactions.decode_batch`, which is the rule and tells why
something is refused: signatures of other suites, maps in arguments, arrays of more than a thousand elements, whatever is wrong.
"""

from collections.abc import Sequence
from hashlib import sha256
from itertools import chain
from typing import Any, NamedTuple

import msgpack

from chainnode import codec
from chainnode.types.limits import (
    CHAIN_ID_BYTES_MAX,
    CODEC_DEPTH_MAX,
    DID_BYTES_MAX,
    NAME_BYTES_MAX,
    TX_BYTES_MAX,
    TX_CALLS_MAX,
    TX_MEMO_BYTES_MAX,
    TX_SIGNERS_MAX,
)
from chainnode.types.transaction import TRANSACTION_VERSION

SUITE = "e"
PUBLIC_KEY_BYTES, SIGNATURE_BYTES, NONCE_BYTES = 32, 64, 16
_INT64_MAX = 2**63 - 1
_ARGUMENT_LEVELS = CODEC_DEPTH_MAX - 3  # of arrays: the body, its list of calls and the call are around them
_QUICK_LENGTH_MAX = 1024  # of arrays, as in `codec`: the library makes room for what a head announces

_TEXT, _BYTES, _INT, _TUPLE = frozenset({str}), frozenset({bytes}), frozenset({int}), frozenset({tuple})
_PLAIN = frozenset({type(None), bool, int, str, bytes})
_PLAIN_OR_TUPLE = _PLAIN | _TUPLE


class Columns(NamedTuple):
    """Of each transaction: its bytes, its body, the body's fields, its public keys and signatures, all of suite `e`."""

    raws: Sequence[bytes]
    bodies: Sequence[bytes]
    ids: Sequence[bytes]
    chain_ids: Sequence[str]
    signers: Sequence[tuple[str, ...]]
    nonces: Sequence[bytes]
    valid_until_ms: Sequence[int]
    calls: Sequence[tuple[tuple[str, str, tuple[Any, ...]], ...]]
    memos: Sequence[str]
    keys: Sequence[tuple[bytes, ...]]
    signatures: Sequence[tuple[bytes, ...]]


def read_columns(raws: Sequence[bytes]) -> Columns | None:
    """The columns of signed transactions, at least one; None unless it is sure that all are canonical and within all limits."""
    if max(map(len, raws)) > TX_BYTES_MAX:
        return None
    wholes = _values(raws, 2)
    if wholes is None:
        return None
    bodies, signed = zip(*wholes, strict=True)
    if not _BYTES.issuperset(map(type, bodies)) or not _TUPLE.issuperset(map(type, signed)):
        return None
    fields = _values(bodies, 7)
    if fields is None:
        return None
    versions, chain_ids, signers, nonces, valid_until_ms, calls, memos = zip(*fields, strict=True)
    if not (_INT.issuperset(map(type, versions)) and {TRANSACTION_VERSION}.issuperset(versions)):
        return None
    if not (_are_texts(chain_ids, CHAIN_ID_BYTES_MAX) and _are_signers(signers) and _are_calls(calls)):
        return None
    if not (_BYTES.issuperset(map(type, nonces)) and {NONCE_BYTES}.issuperset(map(len, nonces))):
        return None
    if not (_INT.issuperset(map(type, valid_until_ms)) and min(valid_until_ms) >= 0 and max(valid_until_ms) <= _INT64_MAX):
        return None
    if not (_TEXT.issuperset(map(type, memos)) and max([len(memo.encode()) for memo in dict.fromkeys(memos)]) <= TX_MEMO_BYTES_MAX):
        return None
    spoken = _signatures(signers, signed)
    if spoken is None:
        return None
    ids = [sha256(body).digest() for body in bodies]
    return Columns(raws, bodies, ids, chain_ids, signers, nonces, valid_until_ms, calls, memos, *spoken)


def _values(pieces: Sequence[bytes], width: int) -> list[Any] | None:
    """What the pieces spell, if each is the canonical bytes of an array of `width` elements: then only maps and their like are in doubt.

    Unlike in `codec.parse` nothing is read a second way: a long array is left to it.
    """
    unpack, pack = msgpack.unpackb, codec.packer()
    try:
        values = [unpack(piece, use_list=False, max_array_len=_QUICK_LENGTH_MAX) for piece in pieces]
        if not _TUPLE.issuperset(map(type, values)) or not {width}.issuperset(map(len, values)):
            return None
        return values if list(map(pack, values)) == list(pieces) else None
    except ValueError:
        return None


def _are_texts(column: Sequence[Any], length_max: int) -> bool:
    """Whether all are texts of 1 to `length_max` ASCII characters. Most columns hold few different ones."""
    if not _TEXT.issuperset(map(type, column)):
        return False
    return all(0 < len(text) <= length_max and text.isascii() for text in dict.fromkeys(column))


def _are_signers(column: Sequence[Any]) -> bool:
    """Whether all are 1 to TX_SIGNERS_MAX different texts of a DID's length."""
    if not (_TUPLE.issuperset(map(type, column)) and _are_texts(list(chain.from_iterable(column)), DID_BYTES_MAX)):
        return False
    return all(0 < len(signers) <= TX_SIGNERS_MAX and len(set(signers)) == len(signers) for signers in dict.fromkeys(column))


def _are_calls(column: Sequence[Any]) -> bool:
    """Whether all are 1 to TX_CALLS_MAX calls: names of a contract and a method, and a list of arguments without maps."""
    if not (_TUPLE.issuperset(map(type, column)) and min(map(len, column)) > 0 and max(map(len, column)) <= TX_CALLS_MAX):
        return False
    calls = list(chain.from_iterable(column))
    if not (_TUPLE.issuperset(map(type, calls)) and {3}.issuperset(map(len, calls))):
        return False
    contracts, methods, arguments = zip(*calls, strict=True)
    if not (_are_texts(contracts, NAME_BYTES_MAX) and _are_texts(methods, NAME_BYTES_MAX)):
        return False
    return _TUPLE.issuperset(map(type, arguments)) and _are_mapless(arguments, _ARGUMENT_LEVELS)


def _are_mapless(arrays: Sequence[Any], levels: int) -> bool:
    """`codec.is_mapless` of many arrays at once, one level after the other."""
    while arrays:
        if not levels:
            return False
        if _PLAIN.issuperset(map(type, chain.from_iterable(arrays))):
            return True
        items = list(chain.from_iterable(arrays))
        if not _PLAIN_OR_TUPLE.issuperset(map(type, items)):
            return False
        arrays = items if _TUPLE.issuperset(map(type, items)) else [item for item in items if type(item) is tuple]
        levels -= 1
    return True


def _signatures(
    signers: Sequence[tuple[str, ...]], column: Sequence[Any]
) -> tuple[Sequence[tuple[bytes, ...]], Sequence[tuple[bytes, ...]]] | None:
    """Public keys and signatures of each, one of each signer, when all are of suite `e`."""
    if list(map(len, column)) != list(map(len, signers)):
        return None
    every = list(chain.from_iterable(column))
    if not (_TUPLE.issuperset(map(type, every)) and {3}.issuperset(map(len, every))):
        return None
    suites, keys, signatures = zip(*every, strict=True)
    if not (_TEXT.issuperset(map(type, suites)) and {SUITE}.issuperset(suites)):
        return None
    if not (_BYTES.issuperset(map(type, keys)) and {PUBLIC_KEY_BYTES}.issuperset(map(len, keys))):
        return None
    if not (_BYTES.issuperset(map(type, signatures)) and {SIGNATURE_BYTES}.issuperset(map(len, signatures))):
        return None
    if len(every) == len(column):
        return list(zip(keys)), list(zip(signatures))
    return [tuple([one[1] for one in group]) for group in column], [tuple([one[2] for one in group]) for group in column]
