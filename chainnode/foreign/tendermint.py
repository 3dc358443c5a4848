"""Light clients of CometBFT chains, those of this program among them: the rules of IBC's 07-tendermint.

Source: ibc-go modules/light-clients/07-tendermint; the judgement of headers is `chainnode/light.py`. Stricter than the source: every
signature of a commit is checked, not only those up to two thirds, so that nothing in a message is unread but the proposers' priorities.
"""

from dataclasses import replace

from chainnode import merkle
from chainnode.digests import header_hash, validators_hash
from chainnode.errors import Malformed, Rejected
from chainnode.foreign.heights import RevisionHeight, name_of, revision_of
from chainnode.foreign.kind import PROOF, STORE_IBC, Advance, Begun, Conflict, Known
from chainnode.foreign.merkleproof import OUR_SPECS, check_merkle_proof
from chainnode.foreign.tendermintbytes import (
    ClientState,
    ConsensusState,
    HeaderMessage,
    decode_client_state,
    decode_consensus_state,
    decode_header,
    decode_misbehaviour,
    encode_client_state,
    encode_consensus_state,
)
from chainnode.light import TrustedState, TrustRules, check_header, verify_commit, verify_commit_trusting, verify_skipping
from chainnode.types.block import Header
from chainnode.types.bundle import Beginning
from chainnode.types.codes import BAD_CLIENT, BAD_HEADER, CONSENSUS_UNKNOWN, NO_MISBEHAVIOUR, TRUST_EXPIRED
from chainnode.types.limits import LIGHT_CLOCK_DRIFT_MS_MAX
from chainnode.types.proof import HashOp, ProofSpec

NAME = "07-tendermint"
TRUST = PROOF
PREFIX = STORE_IBC
FROZEN_HEIGHT = RevisionHeight(0, 1)  # of every frozen client, whatever froze it
UPGRADE_PATH = ("upgrade", "upgradedIBCState")
_ZERO = RevisionHeight(0, 0)
_NS_PER_MS = 1_000_000
_HASHES = (HashOp.NO_HASH, HashOp.SHA256)  # those that every machine computes


def client_state_of(beginning: Beginning, latest: RevisionHeight | None = None) -> ClientState:
    """The client state with which a chain of ours is followed; without `latest` from its beginning on, at height 0."""
    period_ns = beginning.trusting_period_ms * _NS_PER_MS
    return ClientState(
        chain_id=beginning.chain_id,
        trust_numerator=1,
        trust_denominator=3,
        trusting_period_ns=period_ns,
        unbonding_period_ns=2 * period_ns,
        max_clock_drift_ns=LIGHT_CLOCK_DRIFT_MS_MAX * _NS_PER_MS,
        frozen_height=_ZERO,
        latest_height=latest or RevisionHeight(revision_of(beginning.chain_id), 0),
        proof_specs=OUR_SPECS,
        upgrade_path=UPGRADE_PATH,
    )


def consensus_state_of(header: Header) -> ConsensusState:
    """What a client keeps of a header."""
    return ConsensusState(header.time_ns, header.app_hash, header.next_validators_hash)


def begin_from(beginning: Beginning) -> Begun:
    """A client that begins as the chain does: no header is trusted, the first validators are. No state can be proved at height 0."""
    client = client_state_of(beginning)
    first = ConsensusState(beginning.time_ns, merkle.EMPTY_ROOT, validators_hash(beginning.validators))
    return Begun(beginning.chain_id, encode_client_state(client), client.latest_height, encode_consensus_state(first), beginning.time_ns)


def begin(client_state: bytes, consensus_state: bytes) -> Begun:
    """A client that begins at a header which who creates it vouches for. Rejected(BAD_CLIENT)."""
    client, first = decode_client_state(client_state), decode_consensus_state(consensus_state)
    _check_client(client)
    if not first.root or len(first.next_validators_hash) != merkle.HASH_BYTES or first.time_ns < 10**9:
        raise Rejected(BAD_CLIENT, "a consensus state has a time after 1970, a root and the hash of the next validators")
    return Begun(client.chain_id, client_state, client.latest_height, consensus_state, first.time_ns)


def rests_on(client_state: bytes) -> str | None:
    """Nothing: headers prove themselves."""
    return None


def update(known: Known, message: bytes, now_ns: int) -> Advance | Conflict:
    """The state of a header that follows from the trusted one that it names, next to it or by the client's trust level (INV-55)."""
    client, header = decode_client_state(known.client_state), decode_header(message)
    trusted = _trusted_state(known, client, header)
    verify_skipping(trusted, header.trusted_validators, header.block, _rules(client), now_ns, every_signature=True)
    found = header.block.header
    height = _height_of(found)
    after = client if height <= client.latest_height else replace(client, latest_height=height)
    state = encode_consensus_state(consensus_state_of(found))
    return Advance(height, found.time_ns, encode_client_state(after), state, header_hash(found))


def misbehaviour(known: Known, message: bytes, now_ns: int) -> Conflict:
    """Two headers of one height, or time that does not rise between two, each with the signatures that would have convinced the client."""
    client, pair = decode_client_state(known.client_state), decode_misbehaviour(message)
    for header in (pair.first, pair.second):
        _check_signed(known, client, header, now_ns)
    first, second = pair.first.block.header, pair.second.block.header
    if first.height == second.height and header_hash(first) != header_hash(second):
        return Conflict(f"two headers of height {_height_of(first)}")
    if first.height > second.height and first.time_ns <= second.time_ns:
        return Conflict(f"time does not rise from height {_height_of(second)} to {_height_of(first)}")
    raise Rejected(NO_MISBEHAVIOUR, "the headers are of different heights, the higher first, and time rises between them; or they are one")


def frozen(client_state: bytes) -> bytes:
    """The client state with the frozen height 0-1."""
    return encode_client_state(replace(decode_client_state(client_state), frozen_height=FROZEN_HEIGHT))


def recovered(client_state: bytes, substitute: bytes) -> bytes:
    """With revision, height and trusting period of the substitute, which must equal it in all else. Rejected(BAD_CLIENT)."""
    client, other = decode_client_state(client_state), decode_client_state(substitute)
    made = replace(
        client,
        chain_id=other.chain_id,
        trusting_period_ns=other.trusting_period_ns,
        frozen_height=other.frozen_height,
        latest_height=other.latest_height,
    )
    if _without_old_fields(made) != _without_old_fields(other) or name_of(client.chain_id) != name_of(other.chain_id):
        raise Rejected(BAD_CLIENT, "the substitute differs in more than revision, heights and trusting period")
    return encode_client_state(made)


def is_expired(client_state: bytes, latest_time_ns: int, now_ns: int) -> bool:
    """Whether the trusting period has passed since that time."""
    return latest_time_ns + decode_client_state(client_state).trusting_period_ns <= now_ns


def verify(client_state: bytes, consensus_state: bytes, path: tuple[bytes, ...], value: bytes | None, proof: bytes) -> None:
    """Malformed(BAD_PROOF) unless the MerkleProof holds under the state's root, by the client's proof specs."""
    specs = decode_client_state(client_state).proof_specs
    check_merkle_proof(specs, decode_consensus_state(consensus_state).root, path, value, proof)


def _check_client(client: ClientState) -> None:
    """Rejected(BAD_CLIENT) unless a client may begin with this state. Source: ClientState.Validate of ibc-go."""
    level = client.trust_numerator, client.trust_denominator
    periods = client.trusting_period_ns, client.unbonding_period_ns, client.max_clock_drift_ns
    latest = client.latest_height
    rules = (
        (bool(client.chain_id.strip()), "the chain id is empty"),
        (0 < level[1] <= 3 * level[0] <= 3 * level[1], "the trust level is not between 1/3 and 1"),
        (all(period > 0 and period % _NS_PER_MS == 0 for period in periods), "periods are whole milliseconds, at least one"),
        (client.trusting_period_ns < client.unbonding_period_ns, "the trusting period is not below the unbonding period"),
        (latest.revision == revision_of(client.chain_id), "the revision of the latest height is not that of the chain id"),
        (latest.height > 0, "the latest height is 0"),
        (
            bool(client.proof_specs) and all(map(_is_computable, client.proof_specs)),
            "the proof specs are none, or use other hashes than SHA-256",
        ),
        (all(key.strip() for key in client.upgrade_path), "a key of the upgrade path is empty"),
        (not client.is_frozen, "the client is frozen"),
    )
    for holds, reason in rules:
        if not holds:
            raise Rejected(BAD_CLIENT, reason)


def _without_old_fields(client: ClientState) -> ClientState:
    return replace(client, allow_update_after_expiry=False, allow_update_after_misbehaviour=False)


def _is_computable(spec: ProofSpec) -> bool:
    leaf = spec.leaf_spec
    return all(one in _HASHES for one in (leaf.hash, leaf.prehash_key, leaf.prehash_value, spec.inner_spec.hash))


def _rules(client: ClientState) -> TrustRules:
    trusting_ms, drift_ms = client.trusting_period_ns // _NS_PER_MS, client.max_clock_drift_ns // _NS_PER_MS
    return TrustRules(client.chain_id, trusting_ms, drift_ms, client.trust_numerator, client.trust_denominator)


def _height_of(header: Header) -> RevisionHeight:
    return RevisionHeight(revision_of(header.chain_id), header.height)


def _trusted_state(known: Known, client: ClientState, header: HeaderMessage) -> TrustedState:
    """What the ledger holds of the height that the message trusts. Rejected(CONSENSUS_UNKNOWN)."""
    height = header.trusted_height
    if height.revision != revision_of(header.block.header.chain_id):
        raise Malformed(BAD_HEADER, f"the header is of another revision than the trusted height {height}")
    raw = known.consensus_state(height)
    if raw is None:
        raise Rejected(CONSENSUS_UNKNOWN, f"the client has no state of height {height}")
    trusted = decode_consensus_state(raw)
    return TrustedState(height.height, trusted.time_ns, trusted.next_validators_hash)


def _check_signed(known: Known, client: ClientState, header: HeaderMessage, now_ns: int) -> None:
    """That a header of a pair would have convinced: by its own validators, and by the trusted ones. Source: misbehaviour_handle.go."""
    block, trusted = header.block, _trusted_state(known, client, header)
    check_header(block.header, client.chain_id)
    if block.header.height <= trusted.height:
        raise Malformed(BAD_HEADER, f"height {block.header.height} is not above the trusted height {trusted.height}")
    if validators_hash(header.trusted_validators) != trusted.next_validators_hash:
        raise Malformed(BAD_HEADER, "the trusted validators are not those that the trusted header announced")
    if validators_hash(block.validators) != block.header.validators_hash or header_hash(block.header) != block.commit.block_id.hash:
        raise Malformed(BAD_HEADER, "header, commit and validators do not belong together")
    if trusted.time_ns + client.trusting_period_ns <= now_ns:
        raise Rejected(TRUST_EXPIRED, f"the trust in height {header.trusted_height} has expired")
    verify_commit(client.chain_id, block.validators, block.commit.block_id, block.header.height, block.commit)
    verify_commit_trusting(
        client.chain_id,
        header.trusted_validators,
        block.commit,
        numerator=client.trust_numerator,
        denominator=client.trust_denominator,
    )
