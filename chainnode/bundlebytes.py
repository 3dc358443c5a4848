"""The binary form of proof bundles (`docs/proof-bundle.md`), for devices, relays and the SDK: half the bytes of the JSON form.

Canonical msgpack, arrays only, in which nothing is said that follows from something else. Strict both ways: a bundle has one
byte string (INV-5).
"""

from chainnode import codec, merkle
from chainnode.blocks import (
    commit_from_value,
    commit_to_value,
    header_from_value,
    header_to_value,
    validator_set_from_value,
    validator_set_to_value,
)
from chainnode.bundlejson import STATE_LEAF, STORE_LEAF, STORE_NAME_BYTES_MAX, bundle_from_json
from chainnode.digests import header_hash, validators_hash
from chainnode.errors import Malformed
from chainnode.ics23 import root_of_proof
from chainnode.merkle import HASH_BYTES
from chainnode.types.block import Commit, Header, ValidatorSet
from chainnode.types.bundle import (
    AnchorClaim,
    AnchoredClaim,
    Bundle,
    Claim,
    DirectClaim,
    EvidenceClaim,
    HeaderClaim,
    LightBlock,
    PathStep,
    ResultClaim,
    StateClaim,
    StateProof,
    TransactionClaim,
)
from chainnode.types.codes import BAD_BUNDLE
from chainnode.types.limits import BUNDLE_BYTES_MAX, BUNDLE_HEADERS_MAX, BUNDLE_LINKS_MAX, CHAIN_ID_BYTES_MAX, PROOF_STEPS_MAX
from chainnode.types.proof import ExistenceProof, HashOp, InnerOp, NonExistenceProof
from chainnode.types.transaction import Value

BUNDLE_TAG = "chainnode/bundle/1"  # form and version; the bytes begin with 95 b2 and this text
BUNDLE_MEDIA = "application/vnd.chainnode.bundle"

_INT64_MAX, _UINT32_MAX = 2**63 - 1, 2**32 - 1
_NODE_MIDDLE = b"\x00 "  # of an inner node of IAVL, between its size and its left child: version 0, and the child's length 32
_BINARY_FROM = b"\x80"  # no JSON text begins with a byte from here on


def bundle_from_content(content: bytes) -> Bundle:
    """The bundle that a file or an answer holds in either form, which its first byte tells. Malformed(BAD_BUNDLE)."""
    if content[:1] >= _BINARY_FROM:
        return decode_bundle(content)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(BAD_BUNDLE, "the bundle is neither msgpack nor text") from None
    return bundle_from_json(text)


def encode_bundle(bundle: Bundle) -> bytes:
    """The bytes of a bundle. It must be one that `decode_bundle` could have made; a bundle that verifies is.

    Malformed(BAD_BUNDLE) when a proof in it has not the form of those of our trees.
    """
    blocks = []
    before: ValidatorSet | None = None
    for block in bundle.headers:
        blocks.append(_light_block_value(block, before))
        before = block.validators
    claim = _claim_value(bundle.claim, bundle.headers[-1].header)
    return codec.encode((BUNDLE_TAG, bundle.chain_id, bundle.genesis_hash, tuple(blocks), claim))


def decode_bundle(data: bytes) -> Bundle:
    """The bundle with these bytes. Malformed(BAD_BUNDLE) when it has others, or none; nothing is verified yet."""
    try:
        bundle = _bundle(codec.parse(data, bytes_max=BUNDLE_BYTES_MAX))
        # Writing the bundle again finds every other way to say the same: long forms, and what could have been left out.
        is_canonical = encode_bundle(bundle) == data
    except Malformed as error:
        raise Malformed(BAD_BUNDLE, error.detail) from error
    if not is_canonical:
        raise Malformed(BAD_BUNDLE, "the bundle has other bytes than these")
    return bundle


def _bundle(value: Value) -> Bundle:
    fields = codec.as_array(value)
    if not fields or fields[0] != BUNDLE_TAG:
        raise Malformed(BAD_BUNDLE, f"the bytes are not those of a bundle that this program reads, which begins with '{BUNDLE_TAG}'")
    _, chain_id_value, genesis_hash, block_values, claim_value = codec.as_array(value, 5)
    chain_id = _text(chain_id_value, CHAIN_ID_BYTES_MAX)
    blocks: list[LightBlock] = []
    before: ValidatorSet | None = None
    for block_value in _array(block_values, 1, BUNDLE_HEADERS_MAX):
        blocks.append(_light_block(block_value, chain_id, before))
        before = blocks[-1].validators
    claim = _claim(claim_value, blocks[-1].header)
    return Bundle(chain_id, codec.as_bytes(genesis_hash, HASH_BYTES), tuple(blocks), claim)


# Headers, commits, validators


def _light_block_value(block: LightBlock, before: ValidatorSet | None) -> Value:
    """[header, commit, validators]; the validators are nil when they are those of the header before."""
    validators = None if block.validators == before else validator_set_to_value(block.validators)
    return (_header_value(block.header), _commit_value(block.commit), validators)


def _light_block(value: Value, chain_id: str, before: ValidatorSet | None) -> LightBlock:
    header_value, commit_value, validators_value = codec.as_array(value, 3)
    validators = before if validators_value is None and before is not None else validator_set_from_value(validators_value)
    header = _header(header_value, chain_id, validators_hash(validators))
    return LightBlock(header, _commit(commit_value, header, validators), validators)


def _header_value(header: Header) -> Value:
    """The fields without chain id and validators hash.

    The next validators' hash is nil when it is that of the validators; the others when they are of an empty list.
    """
    fields = codec.as_array(header_to_value(header))
    following = None if header.next_validators_hash == header.validators_hash else header.next_validators_hash
    return (fields[0], *fields[2:5], *map(_hash_value, fields[5:7]), following, *map(_hash_value, fields[9:13]), fields[13])


def _header(value: Value, chain_id: str, validators_hash: Value) -> Header:
    fields = codec.as_array(value, 12)
    following = validators_hash if fields[6] is None else fields[6]
    hashes = (*map(_hash, fields[4:6]), validators_hash, following, *map(_hash, fields[7:11]))
    return header_from_value((fields[0], chain_id, *fields[1:4], *hashes, fields[11]))


def _hash_value(hash: Value) -> Value:
    return None if hash == merkle.EMPTY_ROOT else hash


def _hash(value: Value) -> Value:
    return merkle.EMPTY_ROOT if value is None else value


def _commit_value(commit: Commit) -> Value:
    """[round, total of parts, hash of parts, places]: height and block hash are the header's, addresses the validators'."""
    _, round, _, places = codec.as_array(commit_to_value(commit))
    parts = commit.block_id.parts
    votes = [None if place is None else _without_address(place) for place in codec.as_array(places)]
    return (round, parts.total, parts.hash, tuple(votes))


def _commit(value: Value, header: Header, validators: ValidatorSet) -> Commit:
    round, total, parts_hash, vote_values = codec.as_array(value, 4)
    votes = codec.as_array(vote_values, len(validators.validators))
    places = [None if vote is None else _with_address(vote, one.address) for vote, one in zip(votes, validators.validators, strict=True)]
    return commit_from_value((header.height, round, (header_hash(header), total, parts_hash), tuple(places)))


def _without_address(place: Value) -> Value:
    is_for_block, _, time_ns, signature = codec.as_array(place)
    return (is_for_block, time_ns, signature)


def _with_address(vote: Value, address: bytes) -> Value:
    is_for_block, time_ns, signature = codec.as_array(vote, 3)
    return (is_for_block, address, time_ns, signature)


# Claims


def _claim_value(claim: Claim, last: Header) -> Value:
    match claim:
        case AnchorClaim():
            return (5, *_hop_values(claim))
        case AnchoredClaim():
            header = claim.header
            inner = _direct_claim_value(claim.claim, header)
            if claim.links:
                return (7, *_hop_values(claim), header.chain_id, _links_value((*claim.links, header)), inner)
            return (6, *_hop_values(claim), header.chain_id, header.validators_hash, _header_value(header), inner)
    return _direct_claim_value(claim, last)


def _direct_claim_value(claim: DirectClaim, last: Header) -> Value:
    """A claim that hangs on the header `last`."""
    match claim:
        case HeaderClaim():
            return (1,)
        case StateClaim(proof):
            return (2, _state_proof_value(proof))
        case EvidenceClaim():
            return (3, claim.leaf, claim.index, claim.path, _state_proof_value(claim.head))
        case TransactionClaim():
            path = tuple([(step.hash, None) if step.is_left else (None, step.hash) for step in claim.path])
            return (4, claim.raw, path, None if claim.result is None else _result_value(claim.result, last))


def _hop_values(claim: AnchorClaim | AnchoredClaim) -> tuple[Value, Value, Value]:
    """What leads from one chain to another's header."""
    return _state_proof_value(claim.chain), _state_proof_value(claim.client), _state_proof_value(claim.anchor)


def _claim(value: Value, last: Header) -> Claim:
    match codec.as_array(value):
        case (5, chain, client, anchor):
            return AnchorClaim(_state_proof(chain), _state_proof(client), _state_proof(anchor))
        case (6, chain, client, anchor, chain_id, validators, fields, inner):
            header = _header(fields, _text(chain_id, CHAIN_ID_BYTES_MAX), validators)
            return AnchoredClaim(_state_proof(chain), _state_proof(client), _state_proof(anchor), header, _direct_claim(inner, header))
        case (7, chain, client, anchor, chain_id, linked, inner):
            *links, header = _links(linked, _text(chain_id, CHAIN_ID_BYTES_MAX))
            hop = (_state_proof(chain), _state_proof(client), _state_proof(anchor))
            return AnchoredClaim(*hop, header, _direct_claim(inner, header), tuple(links))
    return _direct_claim(value, last)


def _direct_claim(value: Value, last: Header) -> DirectClaim:
    match codec.as_array(value):
        case (1,):
            return HeaderClaim()
        case (2, proof):
            return StateClaim(_state_proof(proof))
        case (3, leaf, index, path, head):
            return EvidenceClaim(codec.as_bytes(leaf), codec.as_int(index, 0, _INT64_MAX), _hashes(path), _state_proof(head))
        case (4, raw, path, result):
            steps = tuple([_path_step(one) for one in _array(path, 0, PROOF_STEPS_MAX)])
            return TransactionClaim(codec.as_bytes(raw), steps, None if result is None else _result(result, last))
    raise Malformed(
        BAD_BUNDLE, "the claim is none of header, state, evidence, transaction; or, of a bundle alone, of anchor, anchored, linked"
    )


def _links_value(headers: tuple[Header, ...]) -> Value:
    """[header, its validators' hash] of each, from the anchored one down; nil is the hash of the header above."""
    before = (None, *(one.validators_hash for one in headers))
    return tuple(
        [
            (_header_value(one), None if one.validators_hash == hash else one.validators_hash)
            for one, hash in zip(headers, before, strict=False)
        ]
    )


def _links(value: Value, chain_id: str) -> list[Header]:
    """The links, and the header below them."""
    headers: list[Header] = []
    for item in _array(value, 2, 1 + BUNDLE_LINKS_MAX):
        fields, validators = codec.as_array(item, 2)
        headers.append(_header(fields, chain_id, headers[-1].validators_hash if validators is None and headers else validators))
    return headers


def _result_value(result: ResultClaim, last: Header) -> Value:
    """The header below, its validators' hash (nil when it is that of the header above), code, data, path."""
    block = result.block
    validators = None if block.validators_hash == last.validators_hash else block.validators_hash
    return (_header_value(block), validators, result.code, result.data, result.path)


def _result(value: Value, last: Header) -> ResultClaim:
    header_value, validators, code, data, path = codec.as_array(value, 5)
    block = _header(header_value, last.chain_id, last.validators_hash if validators is None else validators)
    return ResultClaim(block, codec.as_int(code, 0, _UINT32_MAX), codec.as_bytes(data), _hashes(path))


def _path_step(value: Value) -> PathStep:
    left, right = _sides(*codec.as_array(value, 2))
    return PathStep(left is not None, left or right or b"")


# State proofs


def _state_proof_value(state: StateProof) -> Value:
    """[store, key, proof, path above]; the proof is [value, path], or [left, right, path of both]."""
    proof = state.proof
    if isinstance(proof, ExistenceProof):
        _require(proof.leaf == STATE_LEAF, "a leaf is not one of a state tree")
        below: Value = (proof.value, _tree_path_value(proof.path))
    else:
        below = _absence_value(proof.left, proof.right)
    return (state.store, state.key, below, tuple([_store_step_value(step) for step in state.store_proof.path]))


def _state_proof(value: Value) -> StateProof:
    store_value, key_value, below, path = codec.as_array(value, 4)
    store, key = _text(store_value, STORE_NAME_BYTES_MAX), codec.as_bytes(key_value)
    fields = codec.as_array(below)
    proof: ExistenceProof | NonExistenceProof
    if len(fields) == 2:
        proof = ExistenceProof(key, codec.as_bytes(fields[0]), STATE_LEAF, _tree_path(fields[1], ()))
    else:
        left, right, shared_value = codec.as_array(below, 3)
        shared = _tree_path(shared_value, ())
        proof = NonExistenceProof(key, _neighbour(left, shared), _neighbour(right, shared))
    steps = tuple([_store_step(one) for one in _array(path, 0, PROOF_STEPS_MAX)])
    return StateProof(store, key, proof, ExistenceProof(store.encode(), root_of_proof(proof), STORE_LEAF, steps))


def _absence_value(left: ExistenceProof | None, right: ExistenceProof | None) -> Value:
    """[left, right, shared]: above where they part, the two paths are one. Without one neighbour there is nothing to share."""
    if left is None or right is None:
        return (_neighbour_value(left, 0), _neighbour_value(right, 0), ())
    shared = 0
    for one, other in zip(reversed(left.path), reversed(right.path), strict=False):
        if one != other:
            break
        shared += 1
    above = _tree_path_value(left.path[len(left.path) - shared :])
    return (_neighbour_value(left, shared), _neighbour_value(right, shared), above)


def _neighbour_value(proof: ExistenceProof | None, shared: int) -> Value:
    """[key, value, path up to the shared one], nil beyond the first or last key."""
    if proof is None:
        return None
    _require(proof.leaf == STATE_LEAF, "a leaf is not one of a state tree")
    return (proof.key, proof.value, _tree_path_value(proof.path[: len(proof.path) - shared]))


def _neighbour(value: Value, shared: tuple[InnerOp, ...]) -> ExistenceProof | None:
    if value is None:
        return None
    key, leaf_value, path = codec.as_array(value, 3)
    return ExistenceProof(codec.as_bytes(key), codec.as_bytes(leaf_value), STATE_LEAF, _tree_path(path, shared))


def _tree_path_value(path: tuple[InnerOp, ...]) -> Value:
    """Each step [height and size, left, right], the child's place nil. Hot: some 20 steps."""
    steps: list[Value] = []
    for step in path:
        prefix, suffix = step.prefix, step.suffix
        head, left, right = (prefix[:-2], None, suffix[1:]) if suffix else (prefix[:-35], prefix[-33:-1], None)
        is_ours = step.hash is HashOp.SHA256 and (prefix, suffix) == _node_around(head, left, right)
        _require(is_ours and len(left or right or b"") == HASH_BYTES, "a step is not one of a state tree")
        steps.append((head, left, right))
    return tuple(steps)


def _tree_path(value: Value, shared: tuple[InnerOp, ...]) -> tuple[InnerOp, ...]:
    steps = []
    for item in _array(value, 0, PROOF_STEPS_MAX - len(shared)):
        head, left, right = codec.as_array(item, 3)
        steps.append(InnerOp(HashOp.SHA256, *_node_around(codec.as_bytes(head), *_sides(left, right))))
    return (*steps, *shared)


def _node_around(head: bytes, left: bytes | None, right: bytes | None) -> tuple[bytes, bytes]:
    """What stands before and behind the child in an inner node of IAVL whose other child is the one that is given."""
    if left is None:
        return head + _NODE_MIDDLE, b" " + (right or b"")
    return b"%b%b%b " % (head, _NODE_MIDDLE, left), b""


def _store_step_value(step: InnerOp) -> Value:
    """[left, right] of a node of the map of stores, the child's place nil."""
    prefix, suffix = step.prefix, step.suffix
    sibling = suffix or prefix[1:]
    is_ours = step.hash is HashOp.SHA256 and prefix[:1] == b"\x01" and len(prefix) + len(suffix) == 1 + HASH_BYTES == 1 + len(sibling)
    _require(is_ours, "a step is not one of the map of stores")
    return (None, sibling) if suffix else (sibling, None)


def _store_step(value: Value) -> InnerOp:
    left, right = _sides(*codec.as_array(value, 2))
    return InnerOp(HashOp.SHA256, b"\x01" + (left or b""), right or b"")


# Values


def _sides(left: Value, right: Value) -> tuple[bytes | None, bytes | None]:
    """The children of a node: one is nil, where the child of the path stands, the other is its sibling's hash."""
    return (None, codec.as_bytes(right, HASH_BYTES)) if left is None else (codec.as_bytes(left, HASH_BYTES), None)


def _array(value: Value, length_min: int, length_max: int) -> tuple[Value, ...]:
    items = codec.as_array(value)
    _require(length_min <= len(items) <= length_max, f"an array has {len(items)} elements, not {length_min} to {length_max}")
    return items


def _hashes(value: Value) -> tuple[bytes, ...]:
    return tuple([codec.as_bytes(one, HASH_BYTES) for one in _array(value, 0, PROOF_STEPS_MAX)])


def _text(value: Value, length_max: int) -> str:
    text = codec.as_str(value, length_max)
    _require(len(text) > 0 and text.isascii() and text.isprintable(), f"a text is not 1 to {length_max} plain letters")
    return text


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise Malformed(BAD_BUNDLE, reason)
