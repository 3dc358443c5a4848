"""Bytes of transactions, batches and results.

A signed transaction is `[body, [[suite, public_key, signature], ...]]`; its body, as bytes within it, is
`[version, chain_id, signers, nonce, valid_until_ms, [[contract, method, arguments], ...], memo]`.
A batch is an array of signed transactions, each as bytes.

Where the C code was built (ADR-0013) it reads what it is sure of, about 1.5 us a transaction, and leaves the rest to the
reader in Python, which is the rule and alone tells why something is refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, TypeGuard

from chainnode import codec
from chainnode.crypto.suites import SIGNATURE_BYTES, check_public_key
from chainnode.crypto.verify import OTHER_SUITE, verify_many
from chainnode.errors import Malformed
from chainnode.types.codes import MALFORMED, TOO_LARGE
from chainnode.types.limits import (
    BATCH_BYTES_MAX,
    BATCH_TXS_MAX,
    CHAIN_ID_BYTES_MAX,
    CODEC_DEPTH_MAX,
    DID_BYTES_MAX,
    NAME_BYTES_MAX,
    TX_BYTES_MAX,
    TX_CALLS_MAX,
    TX_MEMO_BYTES_MAX,
    TX_SIGNERS_MAX,
    VERIFY_TABLES_BYTES_MAX,
)
from chainnode.types.transaction import (
    TRANSACTION_VERSION,
    Event,
    Invocation,
    Signature,
    Transaction,
    TransactionBody,
    TxResult,
    Value,
)

if TYPE_CHECKING:
    from chainnode.native._verify import Sheet as NativeColumns  # which is not there when the C code was not built

SIGN_DOMAIN = b"chainnode/tx/1\x00"
NONCE_BYTES = 16
_INT64_MAX = 2**63 - 1
_CALL_DEPTH = 3  # of a call's fields: the body, its list of calls, the call


@dataclass(frozen=True, slots=True)
class Native:
    """The C code for many transactions. What it does not take comes back as bytes, or as OTHER_SUITE, for Python to look at."""

    decode: Callable[[Sequence[bytes]], list[Transaction | bytes]]
    decode_batch: Callable[[bytes, int], list[Transaction | bytes] | None]
    read_sheet: Callable[[bytes, int], "NativeColumns | None"]
    verify: Callable[[Sequence[Transaction], bytes, int], bytes]
    sha256_each: Callable[[Sequence[bytes]], list[bytes]]


def _native() -> Native | None:
    try:
        from chainnode.native import _verify
    except ImportError:
        return None
    limits = (
        *(TX_BYTES_MAX, TX_SIGNERS_MAX, TX_CALLS_MAX, TX_MEMO_BYTES_MAX),
        *(DID_BYTES_MAX, NAME_BYTES_MAX, CHAIN_ID_BYTES_MAX, CODEC_DEPTH_MAX),
    )
    layout = _verify.layout(Transaction, TransactionBody, Invocation, Signature, limits)
    return Native(
        decode=partial(_verify.decode, layout),
        decode_batch=partial(_verify.decode_batch, layout),
        read_sheet=partial(_verify.read_sheet, layout),
        verify=partial(_verify.verify_transactions, layout),
        sha256_each=_verify.sha256_each,
    )


NATIVE = _native()


def sign_bytes(genesis_hash: bytes, body_bytes: bytes) -> bytes:
    """What each signer signs: no other chain, kind of message or transaction has the same (INV-2)."""
    assert len(genesis_hash) == 32
    return SIGN_DOMAIN + genesis_hash + body_bytes


def signature_items(transaction: Transaction, genesis_hash: bytes) -> list[tuple[str, bytes, bytes, bytes]]:
    """The (suite, public key, signature, message) of each signer, for `crypto.verify.verify_many`."""
    message = sign_bytes(genesis_hash, transaction.body_bytes)
    return [(one.suite, one.public_key, one.signature, message) for one in transaction.signatures]


def verify_each(transactions: Sequence[Transaction], genesis_hash: bytes) -> list[bool]:
    """Of each transaction, whether all its signatures count on this chain. Unavailable when one is of a suite that is not installed.

    In C from the transactions as they are: to make `signature_items` of each costs 1 us, as much as a third of the check.
    """
    if NATIVE is None:
        return _verify_each_plainly(transactions, genesis_hash)
    marks = NATIVE.verify(transactions, sign_bytes(genesis_hash, b""), VERIFY_TABLES_BYTES_MAX)
    if OTHER_SUITE not in marks:
        return [mark == 1 for mark in marks]
    others = iter(_verify_each_plainly([tx for tx, mark in zip(transactions, marks, strict=True) if mark == OTHER_SUITE], genesis_hash))
    return [next(others) if mark == OTHER_SUITE else mark == 1 for mark in marks]


def raw_digests(transactions: Sequence[Transaction]) -> list[bytes]:
    """SHA-256 of the bytes of each, for the data hash of a block. About 0.4 us each, 0.7 us without C."""
    if NATIVE is not None:
        return NATIVE.sha256_each([tx.raw for tx in transactions])
    return [sha256(tx.raw).digest() for tx in transactions]


def _verify_each_plainly(transactions: Sequence[Transaction], genesis_hash: bytes) -> list[bool]:
    items = [signature_items(tx, genesis_hash) for tx in transactions]
    verdicts = iter(verify_many([item for group in items for item in group]))
    return [0 not in [next(verdicts) for _ in group] for group in items]


def encode_body(body: TransactionBody) -> bytes:
    """The bytes that are signed and whose SHA-256 names the transaction."""
    calls = tuple((call.contract, call.method, call.arguments) for call in body.calls)
    return codec.encode((TRANSACTION_VERSION, body.chain_id, body.signers, body.nonce, body.valid_until_ms, calls, body.memo))


def encode_transaction(body_bytes: bytes, signatures: Sequence[Signature]) -> bytes:
    """The signed transaction; signatures in the order of the body's signers."""
    return codec.encode((body_bytes, tuple((one.suite, one.public_key, one.signature) for one in signatures)))


def decode_transaction(raw: bytes) -> Transaction:
    """The transaction with these bytes; Malformed unless they are canonical and all limits hold. No signature is verified."""
    found = NATIVE.decode((raw,))[0] if NATIVE is not None else raw
    return found if type(found) is Transaction else _decode_plainly(raw)


def decode_each(raws: Sequence[bytes]) -> list[Transaction | Malformed]:
    """The transaction of each, or why there is none."""
    found: Sequence[Transaction | bytes] = NATIVE.decode(raws) if NATIVE is not None else raws
    return [one if type(one) is Transaction else _transaction_or_error(raw) for one, raw in zip(found, raws, strict=True)]


def _transaction_or_error(raw: bytes) -> Transaction | Malformed:
    try:
        return _decode_plainly(raw)
    except Malformed as error:
        return error


def _decode_plainly(raw: bytes) -> Transaction:
    """The same without C of ours.

    Hot where there is none: about 9 us at 500 bytes, of which 5 us are msgpack, SHA-256 and making six objects. So the checks
    stand in line instead of in the readers of `codec`, and the bytes are written again without a walk through the values.
    """
    fields = codec.parse(raw, bytes_max=TX_BYTES_MAX)
    if type(fields) is not tuple or len(fields) != 2 or type(fields[0]) is not bytes or type(fields[1]) is not tuple:
        raise Malformed(MALFORMED, "a transaction is its body's bytes and a list of signatures")
    body_bytes = fields[0]
    body = decode_body(body_bytes)
    if len(fields[1]) != len(body.signers):
        raise Malformed(MALFORMED, f"{len(fields[1])} signatures of {len(body.signers)} signers")
    signatures = tuple(map(_signature, fields[1]))
    if codec.pack(fields) != raw:
        raise Malformed(MALFORMED, "the transaction is not in canonical bytes")
    return Transaction(raw, body_bytes, sha256(body_bytes).digest(), body, signatures)


def decode_body(body_bytes: bytes) -> TransactionBody:
    """The body with these bytes; Malformed unless they are canonical and all limits hold. Half of the work on a transaction."""
    fields = codec.parse(body_bytes, bytes_max=TX_BYTES_MAX)
    if type(fields) is not tuple or len(fields) != 7:
        raise Malformed(MALFORMED, "the body of a transaction has 7 fields")
    version, chain_id, signers, nonce, valid_until_ms, calls, memo = fields
    if type(version) is not int or version != TRANSACTION_VERSION:
        raise Malformed(MALFORMED, "the version of the transaction is not known")
    if type(chain_id) is not str or not 0 < len(chain_id) <= CHAIN_ID_BYTES_MAX or not chain_id.isascii():
        raise Malformed(MALFORMED, f"a chain id has 1 to {CHAIN_ID_BYTES_MAX} ASCII characters")
    if type(signers) is not tuple or not _are_signers(signers):
        raise Malformed(MALFORMED, f"a transaction has 1 to {TX_SIGNERS_MAX} DIDs as signers, each once")
    if type(nonce) is not bytes or len(nonce) != NONCE_BYTES:
        raise Malformed(MALFORMED, f"a nonce has {NONCE_BYTES} bytes")
    if type(valid_until_ms) is not int or not 0 <= valid_until_ms <= _INT64_MAX:
        raise Malformed(MALFORMED, "valid_until_ms is not a time")
    if type(calls) is not tuple or not 0 < len(calls) <= TX_CALLS_MAX:
        raise Malformed(MALFORMED, f"a transaction has 1 to {TX_CALLS_MAX} calls")
    invocations = []
    write = codec.pack
    for call in calls:
        if type(call) is not tuple or len(call) != 3:
            raise Malformed(MALFORMED, "a call has 3 fields")
        contract, method, arguments = call
        if not _is_name(contract) or not _is_name(method) or type(arguments) is not tuple:
            raise Malformed(MALFORMED, "a call is the names of a contract and a method, and a list of arguments")
        if not codec.is_mapless(arguments, CODEC_DEPTH_MAX - _CALL_DEPTH):
            write = codec.encode
        invocations.append(Invocation(contract, method, arguments))
    if type(memo) is not str or len(memo.encode()) > TX_MEMO_BYTES_MAX:
        raise Malformed(MALFORMED, f"a memo is a text of at most {TX_MEMO_BYTES_MAX} bytes")
    if write(fields) != body_bytes:
        raise Malformed(MALFORMED, "the body of the transaction is not in canonical bytes")
    return TransactionBody(chain_id, signers, nonce, valid_until_ms, tuple(invocations), memo)


def encode_batch(raws: Sequence[bytes]) -> bytes:
    """The batch of signed transactions in this order."""
    return codec.encode(tuple(raws))


def decode_batch(batch_bytes: bytes) -> tuple[Transaction, ...]:
    """The transactions of a batch; Malformed unless all bytes are canonical and all limits hold."""
    found: Sequence[Transaction | bytes] | None = None
    if NATIVE is not None and len(batch_bytes) <= BATCH_BYTES_MAX:
        found = NATIVE.decode_batch(batch_bytes, BATCH_TXS_MAX)
    if found is None:
        found = split_batch(batch_bytes)
    return tuple([one if isinstance(one, Transaction) else _decode_plainly(one) for one in found])


def split_batch(batch_bytes: bytes) -> tuple[bytes, ...]:
    """The signed transactions of a batch as bytes, none of which is looked into. Malformed when it is no batch."""
    raws = codec.decode_pieces(batch_bytes, bytes_max=BATCH_BYTES_MAX, count_max=BATCH_TXS_MAX)
    if not raws:
        raise Malformed(TOO_LARGE, f"a batch has 1 to {BATCH_TXS_MAX} transactions, not 0")
    return raws


def encode_result(result: TxResult) -> bytes:
    """A result with its events: `[code, data, [[contract, name, attributes], ...]]`."""
    events = []
    write = codec.pack
    for event in result.events:
        attributes = event.attributes
        if not codec.is_mapless((event.contract, event.name, *attributes, *attributes.values())):
            write = codec.encode
        events.append((event.contract, event.name, dict(sorted(attributes.items()))))
    return write((result.code, result.data, tuple(events)))


def result_head(encoded: bytes) -> tuple[int, bytes]:
    """Code and data of a result that `encode_result` wrote, 0.2 us where both are short, 3 us otherwise."""
    if encoded[1] < 0x80 and encoded[2] == 0xC4:
        return encoded[1], encoded[4 : 4 + encoded[3]]
    result = decode_result(encoded)
    return result.code, result.data


def decode_result(data: bytes) -> TxResult:
    """The result with these bytes; Malformed otherwise."""
    fields = codec.as_array(codec.decode(data, bytes_max=len(data)), 3)
    events = codec.as_array(fields[2])
    return TxResult(codec.as_int(fields[0], 0, 2**32 - 1), codec.as_bytes(fields[1]), tuple(_decode_event(one) for one in events))


def _are_signers(signers: tuple[Value, ...]) -> TypeGuard[tuple[str, ...]]:
    """Whether these are 1 to TX_SIGNERS_MAX different texts of a DID's length; whether they are DIDs is asked on execution."""
    if not 0 < len(signers) <= TX_SIGNERS_MAX:
        return False
    for one in signers:
        if type(one) is not str or not 0 < len(one) <= DID_BYTES_MAX or not one.isascii():
            return False
    return len(signers) == 1 or len(set(signers)) == len(signers)


def _is_name(value: Value) -> TypeGuard[str]:
    return type(value) is str and 0 < len(value) <= NAME_BYTES_MAX and value.isascii()


def _signature(value: Value) -> Signature:
    if type(value) is tuple and len(value) == 3:
        suite, public_key, signature = value
        if type(suite) is str and type(public_key) is bytes and type(signature) is bytes and len(signature) == SIGNATURE_BYTES:
            if suite != "e" or len(public_key) != 32:
                check_public_key(suite, public_key)
            return Signature(suite, public_key, signature)
    raise Malformed(MALFORMED, f"a signature is a suite, a public key and {SIGNATURE_BYTES} bytes")


def _decode_event(value: Value) -> Event:
    contract, name, attributes = codec.as_array(value, 3)
    return Event(codec.as_str(contract, NAME_BYTES_MAX), codec.as_str(name, NAME_BYTES_MAX), codec.as_map(attributes))
