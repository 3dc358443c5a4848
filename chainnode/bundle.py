"""Verify a proof bundle: from the genesis file, from another chain's record of it, or from a header that the caller trusts, to one fact.

INV-5. Everything in a bundle is checked, every signature too; a bundle of which any bit differs is refused, or is a
true bundle of another true fact (the same range of absence also shows the absence of the key next to it).
"""

from hashlib import sha256

from chainnode import codec, merkle
from chainnode.bid import is_did_of
from chainnode.cometbytes import result_bytes
from chainnode.crypto.keys import validator, validator_set
from chainnode.crypto.verify import verify_many
from chainnode.did.chainrecord import decode_chain
from chainnode.digests import genesis_hash, header_hash, validators_hash
from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.foreign import tendermint
from chainnode.foreign.heights import RevisionHeight, revision_of
from chainnode.foreign.ibckeys import client_state_key, header_hash_key
from chainnode.foreign.tendermintbytes import decode_client_state
from chainnode.ics23 import IAVL_SPEC, TENDERMINT_SPEC, check_chained
from chainnode.light import TrustedState, TrustRules, genesis_state, trusted_state, verify_adjacent, verify_signed_header, verify_skipping
from chainnode.transactions import decode_transaction, signature_items
from chainnode.types.block import BlockIdFlag, Header, ValidatorSet
from chainnode.types.bundle import (
    AnchorClaim,
    AnchoredClaim,
    AnchoredFact,
    AnchorFact,
    Beginning,
    Bundle,
    DirectClaim,
    DirectFact,
    EvidenceClaim,
    EvidenceFact,
    Fact,
    HeaderClaim,
    HeaderFact,
    LightBlock,
    PathStep,
    Signer,
    StateClaim,
    StateFact,
    StateProof,
    TransactionClaim,
    TransactionFact,
    Verified,
)
from chainnode.types.codes import BAD_BUNDLE, BAD_PROOF, BAD_SIGNATURE, CLIENT_FROZEN, NOT_ENOUGH_TRUST
from chainnode.types.genesis import Genesis
from chainnode.types.limits import BUNDLE_LINKS_MAX, TX_BYTES_MAX
from chainnode.types.proof import ExistenceProof
from chainnode.types.transaction import Transaction, TxResult

EVIDENCE_STORE = "evidence"
EVIDENCE_HEAD_KEY = b"log"  # its value is codec.encode([size, root]) of the evidence log
EVIDENCE_RECORD_VERSION = 1
CHAINS_STORE, CHAIN_PREFIX = "chains", b"\x01"  # of the records of other chains; the AC number stands behind the prefix
IBC_STORE = "ibc"  # of the clients of other chains
_EVIDENCE_RECORD_BYTES_MAX = TX_BYTES_MAX
_NS_PER_MS = 1_000_000
_INT64_MAX = 2**63 - 1


def verify_bundle(bundle: Bundle, genesis: Genesis, now_ns: int, trusted: tuple[bytes, int] | None = None) -> Verified:
    """What the bundle proves, or Malformed or Rejected with the reason.

    `trusted` is the hash and height of a header that the caller knows to be the chain's; the bundle's path must
    pass it, and trust begins there: the genesis file's trusting period no longer matters.
    """
    return verify_from(bundle, beginning_of(genesis), now_ns, trusted)


def beginning_of(genesis: Genesis) -> Beginning:
    """What a genesis file says of how its chain begins."""
    return Beginning(
        genesis.chain_id,
        genesis_hash(genesis),
        genesis.time_ns,
        genesis.params.trusting_period_ms,
        validator_set(validator(one.public_key, one.power) for one in genesis.validators),
        tuple((one.public_key, (one.operator, one.name)) for one in genesis.validators),
    )


def verify_from(bundle: Bundle, beginning: Beginning, now_ns: int, trusted: tuple[bytes, int] | None = None) -> Verified:
    """As `verify_bundle`, for a chain of which no more is known than how it begins."""
    if bundle.chain_id != beginning.chain_id:
        raise Malformed(BAD_BUNDLE, f"the bundle is of chain '{bundle.chain_id}', the genesis file of chain '{beginning.chain_id}'")
    if bundle.genesis_hash != beginning.genesis_hash:
        raise Malformed(BAD_BUNDLE, "the bundle names another genesis file than the one given")
    _follow_path(bundle, beginning, now_ns, trusted)
    last = bundle.headers[-1]
    signers = _signers(last, beginning)
    return Verified(
        chain_id=bundle.chain_id,
        genesis_hash=bundle.genesis_hash,
        trusted_height=0 if trusted is None else trusted[1],
        path_heights=tuple(block.header.height for block in bundle.headers),
        height=last.header.height,
        time_ns=last.header.time_ns,
        header_hash=last.commit.block_id.hash,
        signers=signers,
        power_signed=sum(signer.power for signer in signers if signer.has_signed),
        power_total=last.validators.power_total,
        fact=fact_of(bundle),
    )


def check_state_proof(proof: StateProof, app_hash: bytes) -> bytes | None:
    """The value, or None for a proven absence, that `app_hash` fixes. Malformed(BAD_PROOF) when the proof fails."""
    value = proof.proof.value if isinstance(proof.proof, ExistenceProof) else None
    path = (proof.store.encode(), proof.key)
    if proof.proof.key != proof.key:  # for absence ICS-23 leaves the wrapper's key unread
        raise Malformed(BAD_PROOF, "the proof is about another key")
    check_chained((IAVL_SPEC, TENDERMINT_SPEC), (proof.proof, proof.store_proof), path, app_hash, value)
    return value


# The way of trust


def _follow_path(bundle: Bundle, beginning: Beginning, now_ns: int, trusted: tuple[bytes, int] | None) -> None:
    """Believe each header of the path after the one before it. Up to the header that the caller trusts, trust does not expire."""
    rules = TrustRules(bundle.chain_id, beginning.trusting_period_ms)
    timeless = TrustRules(bundle.chain_id, None)
    start = 0 if trusted is None else _position_of(bundle, *trusted)
    validators = beginning.validators
    state = genesis_state(beginning.time_ns, validators)
    for position, block in enumerate(bundle.headers):
        if trusted is not None and position == start == 0:
            verify_signed_header(block, timeless, now_ns, every_signature=True)
            state = trusted_state(block.header)
        else:
            state = _step(state, validators, block, timeless if position <= start and trusted is not None else rules, now_ns)
        validators = block.validators


def _step(state: TrustedState, validators: ValidatorSet, block: LightBlock, rules: TrustRules, now_ns: int) -> TrustedState:
    """One step of the path; `validators` are those of the trusted header itself.

    A jump is possible only from a header after which the validators stay the same; else its neighbour is in the path.
    """
    if block.header.height == state.height + 1:
        return verify_adjacent(state, block, rules, now_ns, every_signature=True)
    if validators_hash(validators) != state.next_validators_hash:
        raise Rejected(NOT_ENOUGH_TRUST, f"the validators change after height {state.height}: the path must go on to the height next to it")
    return verify_skipping(state, validators, block, rules, now_ns, every_signature=True)


def _position_of(bundle: Bundle, trusted_hash: bytes, trusted_height: int) -> int:
    """Where the header that the caller trusts stands in the path."""
    for position, block in enumerate(bundle.headers):
        if block.header.height == trusted_height:
            if header_hash(block.header) != trusted_hash:
                raise Rejected(NOT_ENOUGH_TRUST, f"the header of height {trusted_height} is not the trusted one: its hash differs")
            return position
    raise Rejected(NOT_ENOUGH_TRUST, f"the path does not pass the trusted height {trusted_height}")


def _signers(block: LightBlock, beginning: Beginning) -> tuple[Signer, ...]:
    """The validators of a header with the names that the genesis file gives to their keys."""
    named = dict(beginning.names)
    signers = []
    for one, place in zip(block.validators.validators, block.commit.signatures, strict=True):
        known = named.get(one.public_key)
        has_signed = place.flag == BlockIdFlag.COMMIT
        operator, name = (None, None) if known is None else known
        signers.append(Signer(one.address, operator, name, one.power, has_signed))
    return tuple(signers)


# Facts


def fact_of(bundle: Bundle) -> Fact:
    """What the claim proves, if the headers are the chain's: for those who take the word of their own node for that."""
    header, claim = bundle.headers[-1].header, bundle.claim
    match claim:
        case AnchorClaim():
            return anchor_fact(claim, header)
        case AnchoredClaim():
            return _anchored_fact(claim, header)
    return _direct_fact(claim, bundle.genesis_hash, header)


def _direct_fact(claim: DirectClaim, genesis: bytes, header: Header) -> DirectFact:
    """What a claim proves that hangs on this header, of the chain with this genesis."""
    match claim:
        case HeaderClaim():
            return HeaderFact(header)
        case StateClaim(proof):
            return StateFact(proof.store, proof.key, check_state_proof(proof, header.app_hash), header.height - 1)
        case EvidenceClaim():
            return _evidence_fact(claim, header)
        case TransactionClaim():
            return _transaction_fact(claim, genesis, header)


def _evidence_fact(claim: EvidenceClaim, header: Header) -> EvidenceFact:
    """The record, when it is in the log whose head the header's state fixes."""
    if (claim.head.store, claim.head.key) != (EVIDENCE_STORE, EVIDENCE_HEAD_KEY):
        raise Malformed(BAD_PROOF, "the head of the claim is not the head of the evidence log")
    value = check_state_proof(claim.head, header.app_hash)
    if value is None:
        raise Malformed(BAD_PROOF, "the evidence log has no head")
    head = codec.as_array(codec.decode(value, bytes_max=len(value)), 2)
    size, root = codec.as_int(head[0], 0, _INT64_MAX), codec.as_bytes(head[1], merkle.HASH_BYTES)
    if not merkle.verify_inclusion(claim.index, size, merkle.leaf_hash(claim.leaf), claim.path, root):
        raise Malformed(BAD_PROOF, "the record is not in the evidence log")
    fact = _record(claim, size)
    if fact.height >= header.height or fact.time_ms > header.time_ns // _NS_PER_MS:
        raise Malformed(BAD_PROOF, "the record is younger than the state that holds it")
    return fact


def _record(claim: EvidenceClaim, size: int) -> EvidenceFact:
    """The record that a leaf of the log spells: [1, sender, height, time_ms, algorithm, digest, meta, tx_id]."""
    fields = codec.as_array(codec.decode(claim.leaf, bytes_max=_EVIDENCE_RECORD_BYTES_MAX), 8)
    codec.as_int(fields[0], EVIDENCE_RECORD_VERSION, EVIDENCE_RECORD_VERSION)
    return EvidenceFact(
        submitter=codec.as_str(fields[1], _EVIDENCE_RECORD_BYTES_MAX),
        height=codec.as_int(fields[2], 1, _INT64_MAX),
        time_ms=codec.as_int(fields[3], 0, _INT64_MAX),
        algorithm=codec.as_str(fields[4], _EVIDENCE_RECORD_BYTES_MAX),
        digest=codec.as_bytes(fields[5], length_max=_EVIDENCE_RECORD_BYTES_MAX),
        meta=fields[6],
        tx_id=codec.as_bytes(fields[7], merkle.HASH_BYTES),
        index=claim.index,
        size=size,
    )


def _transaction_fact(claim: TransactionClaim, genesis: bytes, last: Header) -> TransactionFact:
    """The transaction that the last header's block holds, or, with its result, the one below."""
    transaction = decode_transaction(claim.raw)
    result = claim.result
    header = last if result is None else result.block
    if _root_of(merkle.leaf_hash(sha256(claim.raw).digest()), claim.path) != header.data_hash:
        raise Malformed(BAD_PROOF, "the transaction is not in the block")
    if result is not None:
        if header_hash(header) != last.last_block_id.hash or header.height != last.height - 1:
            raise Malformed(BAD_PROOF, "the last header does not name the transaction's block as the one below")
        if len(result.path) != len(claim.path):
            raise Malformed(BAD_PROOF, "the result stands in another place than the transaction")
        path = [PathStep(step.is_left, sibling) for step, sibling in zip(claim.path, result.path, strict=True)]
        leaf = result_bytes(TxResult(result.code, result.data, ()))
        if _root_of(merkle.leaf_hash(leaf), path) != last.last_results_hash:
            raise Malformed(BAD_PROOF, "the result is not that of the transaction")
    signers = zip(transaction.body.signers, transaction.signatures, strict=True)
    return TransactionFact(
        transaction=transaction,
        height=header.height,
        time_ns=header.time_ns,
        result_code=None if result is None else result.code,
        result_data=None if result is None else result.data,
        own_keys=tuple(is_did_of(did, one.suite, one.public_key) for did, one in signers),
        are_signatures_checked=_check_transaction_signatures(transaction, genesis),
    )


def _check_transaction_signatures(transaction: Transaction, genesis: bytes) -> bool:
    """Malformed(BAD_SIGNATURE) when one does not hold; False when a suite's library is missing, and the others hold."""
    items = signature_items(transaction, genesis)
    is_complete = True
    try:
        marks = verify_many(items)
    except Unavailable:  # SM2 needs a library that the verifier kit does without
        is_complete = False
        marks = verify_many([item for item in items if item[0] != "z"])
    if 0 in marks:
        raise Malformed(BAD_SIGNATURE, "a signature of the transaction does not verify")
    return is_complete


# Other chains


def _anchored_fact(claim: AnchoredClaim, last: Header) -> AnchoredFact:
    """What another chain's header fixes, when hashes lead to it from the one that this chain's client of it holds. INV-76."""
    anchor = anchor_fact(claim, last)
    _follow_links(claim, anchor)
    return AnchoredFact(anchor, claim.header, _direct_fact(claim.claim, anchor.genesis_hash, claim.header))


def _follow_links(claim: AnchoredClaim, anchor: AnchorFact) -> None:
    """From the header whose hash is held down to the one that the claim hangs on: each is the block below the one above it. INV-76."""
    if len(claim.links) > BUNDLE_LINKS_MAX:
        raise Malformed(BAD_BUNDLE, f"{len(claim.links)} headers lead down from the anchored one; {BUNDLE_LINKS_MAX} may")
    height, hash, above = anchor.height, anchor.header_hash, "whose hash is held for"
    for header in (*claim.links, claim.header):
        if header.chain_id != anchor.chain_id:
            raise Malformed(BAD_PROOF, f"the header is of chain '{header.chain_id}', the chain on record is '{anchor.chain_id}'")
        if header.height != height or header_hash(header) != hash:
            raise Malformed(BAD_PROOF, f"the header is not the one {above} height {height}")
        height, hash, above = header.height - 1, header.last_block_id.hash, "that the header above names, of"


def anchor_fact(claim: AnchorClaim | AnchoredClaim, last: Header) -> AnchorFact:
    """What this chain holds of another: its record, the client of it that the record names, and the hash of a header in that client.

    All three are of one state, the one that `last` fixes. Rejected(CLIENT_FROZEN) when the client has seen the other chain lie.
    """
    record = decode_chain(_held(claim.chain, CHAINS_STORE, last, "a chain on record"))
    if claim.chain.key != CHAIN_PREFIX + record.ac.encode():
        raise Malformed(BAD_PROOF, "the record is of another AC number than its key")
    state = decode_client_state(_held(claim.client, IBC_STORE, last, "a client"))
    if claim.client.key != client_state_key(record.client_id):
        raise Malformed(BAD_PROOF, f"the client is not '{record.client_id}', which is the one on record")
    if state.chain_id != record.chain_id:
        raise Malformed(BAD_PROOF, f"the client follows chain '{state.chain_id}', the chain on record is '{record.chain_id}'")
    if state.is_frozen:
        raise Rejected(CLIENT_FROZEN, f"{last.chain_id} has frozen its client {record.client_id}: {record.chain_id} was seen to lie")
    hash = _held(claim.anchor, IBC_STORE, last, "the hash of a header")
    height = _anchor_height(claim.anchor.key, record.client_id, record.chain_id)
    if len(hash) != merkle.HASH_BYTES:
        raise Malformed(BAD_PROOF, f"what is held for height {height} is no hash of a header")
    return AnchorFact(
        ac=record.ac,
        chain_id=record.chain_id,
        genesis_hash=record.genesis_hash,
        status=record.status,
        warning=record.closed_because(last.time_ns // _NS_PER_MS),
        client_id=record.client_id,
        trust=tendermint.TRUST,
        height=height,
        header_hash=hash,
        state_height=last.height - 1,
    )


def _anchor_height(key: bytes, client_id: str, chain_id: str) -> int:
    """The height of the header whose hash stands under a key. Malformed(BAD_PROOF)."""
    text = key.rpartition(b"-")[2]
    height = int(text) if text.isdigit() and len(text) < 20 else 0
    if height == 0 or key != header_hash_key(client_id, RevisionHeight(revision_of(chain_id), height)):
        raise Malformed(BAD_PROOF, f"the key is not that of a header of {chain_id} in client {client_id}")
    return height


def _held(proof: StateProof, store: str, header: Header, what: str) -> bytes:
    """The value that a proof shows in a store, in the state that a header fixes."""
    if proof.store != store:
        raise Malformed(BAD_PROOF, f"{what} stands in store '{store}', not in '{proof.store}'")
    value = check_state_proof(proof, header.app_hash)
    if value is None:
        raise Malformed(BAD_PROOF, f"the proof shows that {what} is not there")
    return value


def _root_of(leaf_hash: bytes, path: tuple[PathStep, ...] | list[PathStep]) -> bytes:
    """The root to which a path leads."""
    node = leaf_hash
    for step in path:
        node = merkle.inner_hash(step.hash, node) if step.is_left else merkle.inner_hash(node, step.hash)
    return node
