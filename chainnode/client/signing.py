"""Make transactions and have them signed, by one party or by several that pass a draft around."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chainnode import codec, transactions
from chainnode.bid import did_of, parse_did
from chainnode.crypto.suites import PrivateKey, sign
from chainnode.crypto.verify import verify_one
from chainnode.digests import genesis_hash as hash_of_genesis
from chainnode.digests import tx_id as id_of_body
from chainnode.errors import Malformed, Rejected
from chainnode.types.codes import BAD_SIGNATURE, MALFORMED, SIGNER_MISSING, WRONG_CHAIN
from chainnode.types.genesis import Genesis
from chainnode.types.limits import DRAFT_BYTES_MAX
from chainnode.types.transaction import Invocation, Signature, TransactionBody

LIFETIME_MS = 60_000
_DRAFT_VERSION = 1
_NS_PER_MS = 1_000_000


class Signer:
    """A party with its key. `did` is the party's identifier: the key's own unless another is given, whose document lists the key."""

    __slots__ = ("did", "key")

    def __init__(self, key: PrivateKey, did: str | None = None) -> None:
        if did is not None:
            parse_did(did)
        self.key = key
        self.did: str = did_of(key.suite, key.public) if did is None else did

    def __repr__(self) -> str:
        return f"Signer({self.did})"


@dataclass(frozen=True, slots=True)
class TransactionDraft:
    """A transaction that some or all of its parties have yet to sign. Read `body` before you do.

    `signatures` stand in the order of `body.signers`, None where one is missing. The chain's genesis, of which each
    signature holds the hash, is never taken from a draft: it is that of the party at hand.
    """

    genesis_hash: bytes
    body_bytes: bytes
    body: TransactionBody
    signatures: tuple[Signature | None, ...]

    @property
    def tx_id(self) -> bytes:
        """The transaction's name, which signatures do not change."""
        return id_of_body(self.body_bytes)

    @property
    def missing(self) -> tuple[str, ...]:
        """The DIDs that have not signed."""
        return tuple(did for did, one in zip(self.body.signers, self.signatures, strict=True) if one is None)

    def sign(self, signer: Signer) -> "TransactionDraft":
        """The draft with this party's signature. Rejected(SIGNER_MISSING) when it is not a party."""
        if signer.did not in self.body.signers:
            raise Rejected(SIGNER_MISSING, f"{signer.did} is not among the signers of the draft")
        made = sign(signer.key, transactions.sign_bytes(self.genesis_hash, self.body_bytes))
        place = self.body.signers.index(signer.did)
        signature = Signature(signer.key.suite, signer.key.public, made)
        return replace(self, signatures=(*self.signatures[:place], signature, *self.signatures[place + 1 :]))

    def encode(self) -> bytes:
        """The signed transaction, to be submitted. Rejected(SIGNER_MISSING) names who has not signed."""
        if self.missing:
            raise Rejected(SIGNER_MISSING, f"not signed by {', '.join(self.missing)}")
        return transactions.encode_transaction(self.body_bytes, [one for one in self.signatures if one is not None])

    def to_bytes(self) -> bytes:
        """The draft, for the next party: canonical `[1, body, [[suite, public key, signature] or nil, ...]]`."""
        places = tuple(None if one is None else (one.suite, one.public_key, one.signature) for one in self.signatures)
        return codec.encode((_DRAFT_VERSION, self.body_bytes, places))


def make_draft(
    chain_id: str,
    genesis_hash: bytes,
    signers: Sequence[str],
    calls: Sequence[Invocation],
    *,
    lifetime_ms: int = LIFETIME_MS,
    memo: str = "",
    now_ms: int | None = None,
) -> TransactionDraft:
    """An unsigned draft. `signers` are DIDs, the first is the sender; it lapses `lifetime_ms` after `now_ms` (this machine's clock).

    Malformed when a limit of transactions is broken.
    """
    now_ms = time.time_ns() // _NS_PER_MS if now_ms is None else now_ms
    nonce = secrets.token_bytes(transactions.NONCE_BYTES)
    body_bytes = transactions.encode_body(TransactionBody(chain_id, tuple(signers), nonce, now_ms + lifetime_ms, tuple(calls), memo))
    body = transactions.decode_body(body_bytes)  # which checks the limits, before a node does
    return TransactionDraft(genesis_hash, body_bytes, body, (None,) * len(body.signers))


def draft_from_bytes(content: bytes, genesis: Genesis) -> TransactionDraft:
    """A draft that another party made. Malformed, also when a signature in it does not hold; Rejected(WRONG_CHAIN)."""
    version, body_bytes, places = codec.as_array(codec.decode(content, bytes_max=DRAFT_BYTES_MAX), 3)
    codec.as_int(version, _DRAFT_VERSION, _DRAFT_VERSION)
    body_bytes = codec.as_bytes(body_bytes)
    body = transactions.decode_body(body_bytes)
    if body.chain_id != genesis.chain_id:
        raise Rejected(WRONG_CHAIN, f"the draft is for chain {body.chain_id}, not {genesis.chain_id}")
    signatures: list[Signature | None] = []
    for place in codec.as_array(places, len(body.signers)):
        if place is None:
            signatures.append(None)
            continue
        suite, public_key, signature = codec.as_array(place, 3)
        if not isinstance(suite, str) or suite not in ("e", "s", "z"):
            raise Malformed(MALFORMED, "the suite of a signature is e, s or z")
        signatures.append(Signature(suite, codec.as_bytes(public_key, length_max=65), codec.as_bytes(signature, 64)))
    draft = TransactionDraft(hash_of_genesis(genesis), body_bytes, body, tuple(signatures))
    message = transactions.sign_bytes(draft.genesis_hash, body_bytes)
    for did, one in zip(body.signers, draft.signatures, strict=True):
        if one is not None and not verify_one(one.suite, one.public_key, one.signature, message):
            raise Malformed(BAD_SIGNATURE, f"the signature of {did} in the draft does not hold on this chain")
    return draft


def build_transaction(
    chain_id: str,
    genesis_hash: bytes,
    signers: Sequence[Signer],
    calls: Sequence[Invocation],
    *,
    lifetime_ms: int = LIFETIME_MS,
    memo: str = "",
    now_ms: int | None = None,
) -> tuple[bytes, bytes]:
    """The id and the bytes of a transaction that all its parties sign here."""
    dids = [one.did for one in signers]
    draft = make_draft(chain_id, genesis_hash, dids, calls, lifetime_ms=lifetime_ms, memo=memo, now_ms=now_ms)
    for one in signers:
        draft = draft.sign(one)
    return draft.tx_id, draft.encode()
