"""Transactions: what a signer asks for, and what became of it."""

from dataclasses import dataclass

Value = None | bool | int | str | bytes | tuple["Value", ...] | dict[str, "Value"]
TRANSACTION_VERSION = 1


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call inside a transaction: contract name, method name, positional arguments."""

    contract: str
    method: str
    arguments: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class TransactionBody:
    """What is signed. `signers` are DIDs, the first is the sender; `nonce` is 16 random bytes."""

    chain_id: str
    signers: tuple[str, ...]
    nonce: bytes
    valid_until_ms: int
    calls: tuple[Invocation, ...]
    memo: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signer's signature. `suite` is did:bid's letter: e Ed25519, z SM2, s secp256k1."""

    suite: str
    public_key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Transaction:
    """A decoded signed transaction with the bytes that arrived, which are the bytes stored and forwarded.

    `raw` is the whole, `body_bytes` the signed part, `tx_id` = SHA-256(body_bytes).
    `signatures` stand in the order of `body.signers`.
    """

    raw: bytes
    body_bytes: bytes
    tx_id: bytes
    body: TransactionBody
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """Something a contract tells the world. `attributes` are codec values by name."""

    contract: str
    name: str
    attributes: dict[str, Value]


@dataclass(frozen=True, slots=True)
class TxResult:
    """What became of a transaction. `code` 0 is success.

    `data` is canonical: on success the tuple of the calls' return values, on failure
    (code name, index of the failed call, detail). Only code and data enter `last_results_hash`.
    """

    code: int
    data: bytes
    events: tuple[Event, ...]
