"""Light client: when a stranger may believe a header, by CometBFT's rules.

Cost is the signatures, each checked once (about 50 us), and about 0.1 ms of encoding for four validators.
Source: CometBFT light/verifier.go, types/validation.go; ibc-go 07-tendermint update.go.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from chainnode.cometbytes import commit_vote_sign_bytes
from chainnode.crypto.keys import ADDRESS_BYTES, suite_of
from chainnode.crypto.verify import verify_many
from chainnode.digests import header_hash, validators_hash
from chainnode.errors import Malformed, Rejected
from chainnode.merkle import HASH_BYTES
from chainnode.types.block import ABSENT_SIG, BlockId, BlockIdFlag, Commit, Header, PublicKey, ValidatorSet
from chainnode.types.bundle import LightBlock
from chainnode.types.codes import BAD_COMMIT, BAD_HEADER, NOT_ENOUGH_TRUST, TRUST_EXPIRED
from chainnode.types.limits import CHAIN_ID_BYTES_MAX, LIGHT_CLOCK_DRIFT_MS_MAX

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class TrustRules:
    """What a light client accepts. `trusting_period_ms` None: trust does not expire.

    `trust_numerator / trust_denominator` (at least 1/3) of the trusted power must sign a header that is not adjacent.
    """

    chain_id: str
    trusting_period_ms: int | None
    clock_drift_ms: int = LIGHT_CLOCK_DRIFT_MS_MAX
    trust_numerator: int = 1
    trust_denominator: int = 3


@dataclass(frozen=True, slots=True)
class TrustedState:
    """What a light client keeps of a header that it believes: enough to judge the next one."""

    height: int
    time_ns: int
    next_validators_hash: bytes


def genesis_state(time_ns: int, validators: ValidatorSet) -> TrustedState:
    """The trust that a genesis file gives: its validators decide height 1."""
    return TrustedState(0, time_ns, validators_hash(validators))


def trusted_state(header: Header) -> TrustedState:
    """The trust that a believed header gives."""
    return TrustedState(header.height, header.time_ns, header.next_validators_hash)


def verify_commit(
    chain_id: str, validators: ValidatorSet, block_id: BlockId, height: int, commit: Commit, *, verified: Commit | None = None
) -> int:
    """Power that signed `block_id`, when it is more than two thirds and every signature holds, those for nil too.

    Malformed(BAD_COMMIT) otherwise. `verified`: a commit by these validators whose signatures hold, so that they are not checked again.
    """
    _check_commit(validators, block_id, height, commit)
    _quorum_places(validators, commit)
    places = [index for index, place in enumerate(commit.signatures) if place.flag != BlockIdFlag.ABSENT]
    unknown = [index for index in places if not _is_same_vote(verified, commit, index)]
    _check_signatures(chain_id, commit, ((index, validators.validators[index].public_key) for index in unknown))
    return sum(validators.validators[index].power for index in places if commit.signatures[index].flag == BlockIdFlag.COMMIT)


def verify_commit_light(chain_id: str, validators: ValidatorSet, block_id: BlockId, height: int, commit: Commit) -> None:
    """Malformed(BAD_COMMIT) unless the first signatures that together pass two thirds hold; the rest is not looked at."""
    _check_commit(validators, block_id, height, commit)
    places = _quorum_places(validators, commit)
    _check_signatures(chain_id, commit, ((index, validators.validators[index].public_key) for index in places))


def verify_commit_trusting(chain_id: str, trusted: ValidatorSet, commit: Commit, *, numerator: int = 1, denominator: int = 3) -> None:
    """Rejected(NOT_ENOUGH_TRUST) unless more than the fraction of the trusted power signed; they are found by address.

    Malformed(BAD_COMMIT) when a signature that is needed for it does not hold, or an address signs twice.
    """
    places = _trusted_places(trusted, commit, numerator, denominator)
    keys = {one.address: one.public_key for one in trusted.validators}
    _check_signatures(chain_id, commit, ((index, keys[commit.signatures[index].validator_address]) for index in places))


def verify_signed_header(block: LightBlock, rules: TrustRules, now_ns: int, *, every_signature: bool = False) -> None:
    """Malformed unless the block is whole in itself: header, commit and validators agree and two thirds signed.

    Says nothing of whether these validators are the chain's. With `every_signature` none goes unchecked.
    """
    _check_light_block(block, rules, now_ns)
    verify = verify_commit if every_signature else verify_commit_light
    verify(rules.chain_id, block.validators, block.commit.block_id, block.header.height, block.commit)


def verify_adjacent(
    trusted: TrustedState, block: LightBlock, rules: TrustRules, now_ns: int, *, every_signature: bool = False
) -> TrustedState:
    """The trust that the header right above the trusted one gives.

    Rejected(TRUST_EXPIRED), Malformed(BAD_HEADER), Malformed(BAD_COMMIT).
    """
    _check_step(trusted, block, rules, now_ns)
    if block.header.height != trusted.height + 1:
        raise Malformed(BAD_HEADER, f"height {block.header.height} is not next to the trusted height {trusted.height}")
    if block.header.validators_hash != trusted.next_validators_hash:
        raise Malformed(BAD_HEADER, f"the validators of height {block.header.height} are not those that the trusted header announced")
    verify_signed_header(block, rules, now_ns, every_signature=every_signature)
    return trusted_state(block.header)


def verify_skipping(
    trusted: TrustedState,
    trusted_validators: ValidatorSet,
    block: LightBlock,
    rules: TrustRules,
    now_ns: int,
    *,
    every_signature: bool = False,
) -> TrustedState:
    """The trust that any later header gives; `trusted_validators` are those that the trusted header announced.

    Rejected(NOT_ENOUGH_TRUST): try a header nearer to the trusted one. Otherwise as `verify_adjacent`.
    """
    if validators_hash(trusted_validators) != trusted.next_validators_hash:
        raise Malformed(BAD_HEADER, "the trusted validators are not those that the trusted header announced")
    if block.header.height == trusted.height + 1:
        return verify_adjacent(trusted, block, rules, now_ns, every_signature=every_signature)
    _check_step(trusted, block, rules, now_ns)
    _check_light_block(block, rules, now_ns)
    commit = block.commit
    _check_commit(block.validators, commit.block_id, block.header.height, commit)
    trusted_places = _trusted_places(trusted_validators, commit, rules.trust_numerator, rules.trust_denominator)
    places = {*trusted_places, *_quorum_places(block.validators, commit)}
    if every_signature:
        places = {index for index, place in enumerate(commit.signatures) if place.flag != BlockIdFlag.ABSENT}
    # One address means one key, so the block's own set has the trusted validators' keys too.
    _check_signatures(rules.chain_id, commit, ((index, block.validators.validators[index].public_key) for index in sorted(places)))
    return trusted_state(block.header)


def check_header(header: Header, chain_id: str) -> None:
    """Malformed(BAD_HEADER) unless the header is of the chain and its fields have their sizes."""
    if header.chain_id != chain_id or len(chain_id.encode()) > CHAIN_ID_BYTES_MAX:
        raise Malformed(BAD_HEADER, f"the header is of chain '{header.chain_id[:CHAIN_ID_BYTES_MAX]}', not '{chain_id}'")
    if header.height <= 0:
        raise Malformed(BAD_HEADER, "the height is not positive")
    optional = (
        header.last_block_id.hash,
        header.last_block_id.parts.hash,
        header.last_commit_hash,
        header.data_hash,
        header.consensus_hash,
        header.last_results_hash,
        header.evidence_hash,
    )
    if any(len(value) not in (0, HASH_BYTES) for value in optional):
        raise Malformed(BAD_HEADER, "a hash of the header has a wrong length")
    if len(header.validators_hash) != HASH_BYTES or len(header.next_validators_hash) != HASH_BYTES:
        raise Malformed(BAD_HEADER, "the header does not fix its validators")
    if len(header.proposer_address) != ADDRESS_BYTES:
        raise Malformed(BAD_HEADER, "the proposer address has a wrong length")


def _check_step(trusted: TrustedState, block: LightBlock, rules: TrustRules, now_ns: int) -> None:
    """The rules between a trusted header and a later one, in the order of the source."""
    header = block.header
    if header.height <= trusted.height:
        raise Malformed(BAD_HEADER, f"height {header.height} is not above the trusted height {trusted.height}")
    if rules.trusting_period_ms is not None and trusted.time_ns + rules.trusting_period_ms * _NS_PER_MS <= now_ns:
        raise Rejected(TRUST_EXPIRED, f"the trust in height {trusted.height} has expired")
    if header.time_ns <= trusted.time_ns:
        raise Malformed(BAD_HEADER, f"the time of height {header.height} is not after that of the trusted height {trusted.height}")


def _check_light_block(block: LightBlock, rules: TrustRules, now_ns: int) -> None:
    """That header, commit and validators belong together, signatures aside."""
    header, commit = block.header, block.commit
    check_header(header, rules.chain_id)
    if header.time_ns >= now_ns + rules.clock_drift_ms * _NS_PER_MS:
        raise Malformed(BAD_HEADER, f"the time of height {header.height} is ahead of now")
    if header.validators_hash != validators_hash(block.validators):
        raise Malformed(BAD_HEADER, f"the given validators are not those that header {header.height} names")
    if header_hash(header) != commit.block_id.hash:
        raise Malformed(BAD_COMMIT, f"the commit is for another header than that of height {header.height}")
    if commit.block_id.parts.total <= 0 or len(commit.block_id.parts.hash) != HASH_BYTES:
        raise Malformed(BAD_COMMIT, "the commit is not for a whole block")


def _check_commit(validators: ValidatorSet, block_id: BlockId, height: int, commit: Commit) -> None:
    """The form of a commit: for this block, one place per validator, in order."""
    if commit.height != height or commit.block_id != block_id:
        raise Malformed(BAD_COMMIT, f"the commit is not for the block of height {height}")
    if commit.round < 0:
        raise Malformed(BAD_COMMIT, "the round of the commit is negative")
    if len(commit.signatures) != len(validators.validators):
        raise Malformed(BAD_COMMIT, f"the commit has {len(commit.signatures)} places for {len(validators.validators)} validators")
    for place, validator in zip(commit.signatures, validators.validators, strict=True):
        if place.flag == BlockIdFlag.ABSENT:
            if place != ABSENT_SIG:
                raise Malformed(BAD_COMMIT, "an absent place of the commit is not empty")
        elif place.validator_address != validator.address:
            raise Malformed(BAD_COMMIT, "a place of the commit names another validator")


def _quorum_places(validators: ValidatorSet, commit: Commit) -> list[int]:
    """The first places whose votes for the block pass two thirds; Malformed(BAD_COMMIT) when there are too few."""
    needed = validators.power_total * 2 // 3
    places = _first_places(commit, {one.address: one.power for one in validators.validators}, needed)
    if places is None:
        raise Malformed(BAD_COMMIT, f"no more than two thirds of the voting power signed height {commit.height}")
    return places


def _trusted_places(trusted: ValidatorSet, commit: Commit, numerator: int, denominator: int) -> list[int]:
    """The first places of trusted validators that pass the fraction; Rejected(NOT_ENOUGH_TRUST) when there are too few."""
    assert 0 < denominator <= 3 * numerator <= 3 * denominator
    addresses = [place.validator_address for place in commit.signatures if place.flag != BlockIdFlag.ABSENT]
    if len(set(addresses)) != len(addresses):
        raise Malformed(BAD_COMMIT, "a validator signs the commit twice")
    needed = trusted.power_total * numerator // denominator
    places = _first_places(commit, {one.address: one.power for one in trusted.validators}, needed)
    if places is None:
        raise Rejected(
            NOT_ENOUGH_TRUST, f"no more than {numerator}/{denominator} of the trusted voting power signed height {commit.height}"
        )
    return places


def _first_places(commit: Commit, powers: dict[bytes, int], needed: int) -> list[int] | None:
    """The first places whose votes for the block have more than `needed` power together; None when all have not."""
    places: list[int] = []
    power = 0
    for index, place in enumerate(commit.signatures):
        if place.flag == BlockIdFlag.COMMIT and place.validator_address in powers:
            places.append(index)
            power += powers[place.validator_address]
            if power > needed:
                return places
    return None


def _is_same_vote(verified: Commit | None, commit: Commit, index: int) -> bool:
    """Whether another commit holds the same vote at this place: of the same validator, for the same, with the same signature."""
    if verified is None or (verified.height, verified.round, verified.block_id) != (commit.height, commit.round, commit.block_id):
        return False
    return verified.signatures[index] == commit.signatures[index]


def _check_signatures(chain_id: str, commit: Commit, places: Iterable[tuple[int, PublicKey]]) -> None:
    """Malformed(BAD_COMMIT) unless the signature at each place is that of its key."""
    items = [
        (suite_of(key), key.data, commit.signatures[index].signature, commit_vote_sign_bytes(chain_id, commit, index))
        for index, key in places
    ]
    if 0 in verify_many(items):
        raise Malformed(BAD_COMMIT, f"a signature of the commit for height {commit.height} does not verify")
