"""What is sent to our light client on an EVM chain, `contracts/solidity/CometClient.sol`, as that contract reads it.

A header with its commit, a validator set by its keys, proofs of presence and of absence. Only chains whose validators all have
secp256k1 keys can be followed there. What that contract believes is INV-83.
"""

from dataclasses import dataclass
from hashlib import sha256

from chainnode.cometbytes import commit_vote_sign_bytes, header_leaves
from chainnode.digests import header_hash
from chainnode.errors import Malformed
from chainnode.foreign.abi import AbiValue, Word, address, call, encode
from chainnode.foreign.ethkeys import address_of, recover, uncompressed
from chainnode.merkle import leaf_hash, root_of_hashes
from chainnode.types.block import BlockIdFlag, Commit, Header, KeyType, PublicKey, Validator, ValidatorSet
from chainnode.types.bundle import LightBlock
from chainnode.types.codes import BAD_COMMIT, BAD_KEY, BAD_PROOF
from chainnode.types.proof import CommitmentProof, ExistenceProof, InnerOp, NonExistenceProof

REGISTER = "registerValidators((bytes32,bytes32,uint64)[])"
UPDATE, MISBEHAVIOUR = "updateClient(bytes)", "misbehaviour(bytes)"
_NOT_TRUSTED = 255  # the place of a voter who is not in the trusted set
_NS_PER_SECOND = 1_000_000_000
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class KeptState:
    """What the contract keeps of a header: its digest names it, so a relayer shows it with everything that rests on it."""

    height: int
    app_hash: bytes
    next_validators_hash: bytes
    header_hash: bytes
    time_ns: int

    def value(self) -> AbiValue:
        """The struct State."""
        return (Word(self.app_hash), Word(self.next_validators_hash), Word(self.header_hash), self.time_ns)


def kept_state(header: Header) -> KeptState:
    """What the contract keeps of this header."""
    return KeptState(header.height, header.app_hash, header.next_validators_hash, header_hash(header), header.time_ns)


def registration(validators: ValidatorSet) -> bytes:
    """The call that makes a validator set known. Malformed(BAD_KEY) when a key is not of secp256k1."""
    keys: list[AbiValue] = []
    for one in validators.validators:
        point = uncompressed(_key(one.public_key))
        keys.append((Word(point[1:33]), Word(point[33:]), one.power))
    return call(REGISTER, keys)


def update(block: LightBlock, trusted: KeptState, trusted_validators: ValidatorSet) -> bytes:
    """The call that brings a header; `trusted_validators` are those that the trusted header announced."""
    return call(UPDATE, encode(signed_header(block, trusted, trusted_validators)))


def misbehaviour(first: AbiValue, second: AbiValue) -> bytes:
    """The call that shows two signed headers which contradict each other."""
    return call(MISBEHAVIOUR, encode((first, second)))


def signed_header(block: LightBlock, trusted: KeptState, trusted_validators: ValidatorSet) -> AbiValue:
    """The struct SignedHeader, with no more votes than are needed. Malformed(BAD_COMMIT) when there are too few."""
    is_announced = block.header.validators_hash == trusted.next_validators_hash
    counted = () if is_announced else trusted_validators.validators
    parts = block.commit.block_id.parts
    return (
        _header(block.header),
        trusted.height,
        trusted.value(),
        block.commit.round,
        parts.total,
        Word(parts.hash),
        _accounts(block.validators.validators),
        _accounts(counted),
        _votes(block, counted),
    )


def membership_proof(state: KeptState, proofs: tuple[CommitmentProof, ...]) -> bytes:
    """The proof for `verifyMembership`, from those of a key in its store and of the store."""
    key, store = proofs
    if not isinstance(key, ExistenceProof):
        raise Malformed(BAD_PROOF, "not a proof of existence")
    return encode((state.value(), _steps(key), _store_steps(store)))


def absence_proof(state: KeptState, proofs: tuple[CommitmentProof, ...]) -> bytes:
    """The proof for `verifyNonMembership`, from those of a missing key in its store and of the store."""
    key, store = proofs
    if not isinstance(key, NonExistenceProof):
        raise Malformed(BAD_PROOF, "not a proof of absence")
    return encode((state.value(), _neighbour(key.left), _neighbour(key.right), _store_steps(store)))


def _key(public_key: PublicKey) -> bytes:
    if public_key.type != KeyType.SECP256K1:
        raise Malformed(BAD_KEY, "an EVM chain can follow validators with secp256k1 keys alone")
    return public_key.data


def _header(header: Header) -> AbiValue:
    """The struct Header: seven leaves by their values, the others by their hashes."""
    hashes = [leaf_hash(leaf) for leaf in header_leaves(header)]
    seconds, nanos = divmod(header.time_ns, _NS_PER_SECOND)
    return (
        header.version_app,
        header.height,
        seconds,
        nanos,
        Word(header.validators_hash),
        Word(header.next_validators_hash),
        Word(header.app_hash),
        Word(root_of_hashes(hashes[4:6])),
        Word(hashes[6]),
        Word(hashes[9]),
        Word(hashes[11]),
        Word(root_of_hashes(hashes[12:14])),
    )


def _accounts(validators: tuple[Validator, ...]) -> list[AbiValue]:
    return [(address(address_of(_key(one.public_key))), one.power) for one in validators]


def _votes(block: LightBlock, trusted: tuple[Validator, ...]) -> list[AbiValue]:
    """Votes for the block, in order, until two thirds of its set and, of a trusted set, a third have signed."""
    needed, trusted_needed = block.validators.power_total * 2 // 3, sum(one.power for one in trusted) // 3
    places = {one.public_key.data: place for place, one in enumerate(trusted)}
    power, trusted_power, votes = 0, 0, list[AbiValue]()
    for index, (vote, validator) in enumerate(zip(block.commit.signatures, block.validators.validators, strict=True)):
        if power > needed and (not trusted or trusted_power > trusted_needed):
            return votes
        place = places.get(validator.public_key.data, _NOT_TRUSTED)
        if vote.flag != BlockIdFlag.COMMIT or (power > needed and place == _NOT_TRUSTED):
            continue
        votes.append(_vote(block.header.chain_id, block.commit, index, place, validator))
        power += validator.power
        trusted_power += trusted[place].power if place != _NOT_TRUSTED else 0
    if power > needed and (not trusted or trusted_power > trusted_needed):
        return votes
    raise Malformed(BAD_COMMIT, f"too little power signed height {block.header.height}")


def _vote(chain_id: str, commit: Commit, index: int, trusted_index: int, validator: Validator) -> AbiValue:
    """The struct Vote. The bit that `ecrecover` wants besides R and S is found by trying."""
    place = commit.signatures[index]
    digest = sha256(commit_vote_sign_bytes(chain_id, commit, index)).digest()
    account = address_of(_key(validator.public_key))
    for v in (27, 28):
        if recover(digest, place.signature + bytes((v,))) == account:
            seconds, nanos = divmod(place.time_ns, _NS_PER_SECOND)
            return (index, trusted_index, v, seconds, nanos, Word(place.signature[:32]), Word(place.signature[32:]))
    raise Malformed(BAD_COMMIT, f"vote {index} of the commit is not its validator's")


def _neighbour(proof: ExistenceProof | None) -> AbiValue:
    return (b"", b"", []) if proof is None else (proof.key, proof.value, _steps(proof))


def _steps(proof: ExistenceProof) -> list[AbiValue]:
    return [_step(step) for step in proof.path]


def _step(step: InnerOp) -> AbiValue:
    """The struct Step of a node of our state tree: (height, size, whether ours is the right child, the other child)."""
    height, offset = _read_signed(step.prefix, 0)
    size, offset = _read_signed(step.prefix, offset)
    rest = step.prefix[offset:]
    if rest == b"\0 " and len(step.suffix) == 1 + _HASH_BYTES and step.suffix[:1] == b" ":
        return (height, size, False, Word(step.suffix[1:]))
    if len(rest) == 3 + _HASH_BYTES and rest[:2] == b"\0 " and rest[-1:] == b" " and not step.suffix:
        return (height, size, True, Word(rest[2:-1]))
    raise Malformed(BAD_PROOF, "a node of the proof is not one of our trees")


def _store_steps(proof: CommitmentProof) -> list[AbiValue]:
    if not isinstance(proof, ExistenceProof):
        raise Malformed(BAD_PROOF, "not a proof of existence")
    steps: list[AbiValue] = []
    for step in proof.path:
        sibling = step.suffix or step.prefix[1:]
        if step.prefix[:1] != b"\x01" or len(step.prefix) + len(step.suffix) != 1 + _HASH_BYTES:
            raise Malformed(BAD_PROOF, "a node of the proof is not one of the map of stores")
        steps.append((not step.suffix, Word(sibling)))
    return steps


def _read_signed(data: bytes, offset: int) -> tuple[int, int]:
    """A zigzag varint that is not negative, and the offset behind it."""
    value = shift = 0
    while True:
        if offset == len(data) or shift > 63:
            raise Malformed(BAD_PROOF, "a number of the proof is cut off or too long")
        byte = data[offset]
        offset += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    if value & 1:
        raise Malformed(BAD_PROOF, "a number of the proof is negative")
    return value >> 1, offset
