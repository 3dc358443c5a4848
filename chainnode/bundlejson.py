"""The JSON form of proof bundles (`docs/proof-bundle.md`, `docs/proof-bundle.schema.json`).

Strict both ways: one text per value (lower-case hex, plain decimals, shortest times), no unknown, missing
or doubled member, and nothing said twice. White space and the order of members are free.
"""

import json
from typing import cast

from chainnode.crypto.keys import POWER_TOTAL_MAX, validator, validator_set
from chainnode.digests import header_hash
from chainnode.errors import Malformed
from chainnode.ics23 import IAVL_SPEC, TENDERMINT_SPEC, root_of_proof
from chainnode.merkle import HASH_BYTES
from chainnode.rfc3339 import time_from_text, time_to_text
from chainnode.types.block import (
    ABSENT_SIG,
    HEADER_HASHES,
    KEY_TYPE_NAMES,
    VOTE_NAMES,
    BlockId,
    BlockIdFlag,
    Commit,
    CommitSig,
    Header,
    PartSetHeader,
    PublicKey,
    ValidatorSet,
)
from chainnode.types.bundle import (
    BUNDLE_VERSION,
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
from chainnode.types.limits import (
    BUNDLE_BYTES_MAX,
    BUNDLE_HEADERS_MAX,
    BUNDLE_LINKS_MAX,
    CHAIN_ID_BYTES_MAX,
    PROOF_STEPS_MAX,
    VALIDATORS_MAX,
)
from chainnode.types.proof import ExistenceProof, HashOp, InnerOp, LeafOp, NonExistenceProof

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]

_INT32_MAX, _INT64_MAX, _UINT32_MAX, _UINT64_MAX = 2**31 - 1, 2**63 - 1, 2**32 - 1, 2**64 - 1
STORE_NAME_BYTES_MAX = 64
_ANCHORED = ("chain", "client", "anchor", "chain_id", "header", "kind", "claim")
_KEY_TYPES = {name: key_type for key_type, name in KEY_TYPE_NAMES.items()}
_VOTES = {name: flag for flag, name in VOTE_NAMES.items()}
# The leaf of every proof of a chainnode tree: height 0, size 1, version 0, each a zigzag varint. Not in the text.
STATE_LEAF = LeafOp(HashOp.SHA256, HashOp.NO_HASH, HashOp.SHA256, IAVL_SPEC.leaf_spec.length, b"\x00\x02\x00")
STORE_LEAF = TENDERMINT_SPEC.leaf_spec


def bundle_from_json(text: str) -> Bundle:
    """The bundle that a text holds. Malformed(BAD_BUNDLE) says where it is wrong; nothing is verified yet."""
    if len(text) > BUNDLE_BYTES_MAX:
        raise _bad("the bundle", "is too long")
    try:
        document: Json = json.loads(text, object_pairs_hook=_object_once)
    except (ValueError, RecursionError):
        raise _bad("the bundle", "is not JSON") from None
    members = _object(document, "the bundle", "version", "kind", "chain_id", "genesis_hash", "headers", "claim")
    version = _integer(members["version"], "version", _INT32_MAX)
    if version != BUNDLE_VERSION:
        raise _bad("version", f"is {version}; this program reads version {BUNDLE_VERSION}")
    chain_id = _text(members["chain_id"], "chain_id", CHAIN_ID_BYTES_MAX)
    blocks = _array(members["headers"], "headers", 1, BUNDLE_HEADERS_MAX)
    return Bundle(
        chain_id,
        _bytes(members["genesis_hash"], "genesis_hash", HASH_BYTES),
        tuple(_light_block(block, f"headers[{index}]", chain_id) for index, block in enumerate(blocks)),
        _claim(members["claim"], members["kind"], chain_id),
    )


def bundle_to_json(bundle: Bundle, headers_text: str | None = None) -> str:
    """The text of a bundle, on one line. The bundle must be one that `bundle_from_json` could have made.

    `headers_text`, when it is known, is what `headers_to_json` gives for its headers: half of the work, and the same for all that is
    asked about one height.
    """
    kind, claim = _claim_json(bundle.claim)
    head: Json = {"version": BUNDLE_VERSION, "kind": kind, "chain_id": bundle.chain_id, "genesis_hash": bundle.genesis_hash.hex()}
    return f'{_text_of(head)[:-1]},"headers":{headers_text or headers_to_json(bundle.headers)},"claim":{_text_of(claim)}}}'


def headers_to_json(headers: tuple[LightBlock, ...]) -> str:
    """The member `headers` of a bundle."""
    return _text_of([_light_block_json(block) for block in headers])


def links_to_json(links: tuple[Header, ...]) -> str:
    """Headers from one on downwards, as the links of a bundle, with the chain that they are of. At least one."""
    return _text_of({"chain_id": links[0].chain_id, "links": [_header_json(link) for link in links]})


def links_from_json(content: bytes) -> tuple[Header, ...]:
    """The headers in an answer of `links_to_json`. Malformed(BAD_BUNDLE); whether one names the next is not looked at."""
    try:
        document: Json = json.loads(content, object_pairs_hook=_object_once)
    except (ValueError, RecursionError):
        raise _bad("the answer", "is not JSON") from None
    members = _object(document, "the answer", "chain_id", "links")
    return _links(members["links"], "links", _text(members["chain_id"], "chain_id", CHAIN_ID_BYTES_MAX))


def _text_of(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"))


# Headers, commits, validators


def _light_block(value: Json, where: str, chain_id: str) -> LightBlock:
    members = _object(value, where, "header", "commit", "validators")
    header = _header(members["header"], f"{where}.header", chain_id)
    validators = _validators(members["validators"], f"{where}.validators")
    return LightBlock(header, _commit(members["commit"], f"{where}.commit", header, validators), validators)


def _light_block_json(block: LightBlock) -> Json:
    header, commit = block.header, block.commit
    places: list[Json] = [
        None
        if place.flag == BlockIdFlag.ABSENT
        else {"vote": VOTE_NAMES[place.flag], "time": time_to_text(place.time_ns), "signature": place.signature.hex()}
        for place in commit.signatures
    ]
    validators: list[Json] = [
        {"type": KEY_TYPE_NAMES[one.public_key.type], "key": one.public_key.data.hex(), "power": str(one.power)}
        for one in block.validators.validators
    ]
    return {
        "header": _header_json(header),
        "commit": {"round": commit.round, "parts": _parts_json(commit.block_id.parts), "signatures": places},
        "validators": validators,
    }


def _header_json(header: Header) -> Json:
    members: dict[str, Json] = {
        "version_app": str(header.version_app),
        "height": str(header.height),
        "time": time_to_text(header.time_ns),
        "last_block_id": {"hash": header.last_block_id.hash.hex(), "parts": _parts_json(header.last_block_id.parts)},
    }
    return members | {name: getattr(header, name).hex() for name in HEADER_HASHES}


def _header(value: Json, where: str, chain_id: str) -> Header:
    members = _object(value, where, "version_app", "height", "time", "last_block_id", *HEADER_HASHES)
    last_block_id = _object(members["last_block_id"], f"{where}.last_block_id", "hash", "parts")
    hashes = {name: _bytes(members[name], f"{where}.{name}") for name in HEADER_HASHES}
    return Header(
        chain_id=chain_id,
        height=_decimal(members["height"], f"{where}.height", _INT64_MAX),
        time_ns=_time(members["time"], f"{where}.time"),
        last_block_id=BlockId(
            _bytes(last_block_id["hash"], f"{where}.last_block_id.hash"), _parts(last_block_id["parts"], f"{where}.last_block_id.parts")
        ),
        version_app=_decimal(members["version_app"], f"{where}.version_app", _UINT64_MAX),
        **hashes,
    )


def _validators(value: Json, where: str) -> ValidatorSet:
    validators = []
    for index, item in enumerate(_array(value, where, 1, VALIDATORS_MAX)):
        members = _object(item, f"{where}[{index}]", "type", "key", "power")
        key_type = _KEY_TYPES.get(_text(members["type"], f"{where}[{index}].type", STORE_NAME_BYTES_MAX))
        if key_type is None:
            raise _bad(f"{where}[{index}].type", "names no key type")
        key = PublicKey(key_type, _bytes(members["key"], f"{where}[{index}].key"))
        validators.append(validator(key, _decimal(members["power"], f"{where}[{index}].power", POWER_TOTAL_MAX)))
    ordered = validator_set(validators)
    if ordered.validators != tuple(validators):
        raise _bad(where, "are not in order: power descending, then address ascending")
    return ordered


def _commit(value: Json, where: str, header: Header, validators: ValidatorSet) -> Commit:
    """The commit for a header. Height and hash are the header's, addresses the validators': the text does not repeat them."""
    members = _object(value, where, "round", "parts", "signatures")
    items = _array(members["signatures"], f"{where}.signatures", 1, VALIDATORS_MAX)
    if len(items) != len(validators.validators):
        raise _bad(f"{where}.signatures", f"are {len(items)} for {len(validators.validators)} validators")
    places = []
    for index, (item, one) in enumerate(zip(items, validators.validators, strict=True)):
        places.append(ABSENT_SIG if item is None else _commit_sig(item, f"{where}.signatures[{index}]", one.address))
    block_id = BlockId(header_hash(header), _parts(members["parts"], f"{where}.parts"))
    return Commit(header.height, _integer(members["round"], f"{where}.round", _INT32_MAX), block_id, tuple(places))


def _commit_sig(value: Json, where: str, address: bytes) -> CommitSig:
    members = _object(value, where, "vote", "time", "signature")
    flag = _VOTES.get(_text(members["vote"], f"{where}.vote", STORE_NAME_BYTES_MAX))
    if flag is None:
        raise _bad(f"{where}.vote", "is neither for the block nor for nil")
    return CommitSig(flag, address, _time(members["time"], f"{where}.time"), _bytes(members["signature"], f"{where}.signature"))


def _parts(value: Json, where: str) -> PartSetHeader:
    members = _object(value, where, "total", "hash")
    return PartSetHeader(_integer(members["total"], f"{where}.total", _UINT32_MAX), _bytes(members["hash"], f"{where}.hash"))


def _parts_json(parts: PartSetHeader) -> Json:
    return {"total": parts.total, "hash": parts.hash.hex()}


# Claims


def _claim(value: Json, kind: Json, chain_id: str) -> Claim:
    match kind:
        case "anchor":
            members = _object(value, "claim", "chain", "client", "anchor")
            return AnchorClaim(*_hop(members))
        case "anchored":
            return _anchored_claim(_object(value, "claim", *_ANCHORED), ())
        case "linked":
            members = _object(value, "claim", *_ANCHORED, "links")
            return _anchored_claim(members, _links(members["links"], "claim.links", _other_chain(members)))
    return _direct_claim(value, kind, "claim", chain_id)


def _anchored_claim(members: dict[str, Json], links: tuple[Header, ...]) -> AnchoredClaim:
    chain_id = _other_chain(members)
    header = _header(members["header"], "claim.header", chain_id)
    return AnchoredClaim(*_hop(members), header, _direct_claim(members["claim"], members["kind"], "claim.claim", chain_id), links)


def _other_chain(members: dict[str, Json]) -> str:
    return _text(members["chain_id"], "claim.chain_id", CHAIN_ID_BYTES_MAX)


def _links(value: Json, where: str, chain_id: str) -> tuple[Header, ...]:
    items = _array(value, where, 1, BUNDLE_LINKS_MAX)
    return tuple(_header(item, f"{where}[{index}]", chain_id) for index, item in enumerate(items))


def _direct_claim(value: Json, kind: Json, where: str, chain_id: str) -> DirectClaim:
    """A claim that hangs on a header of `chain_id`."""
    match kind:
        case "header":
            _object(value, where)
            return HeaderClaim()
        case "state":
            return StateClaim(_state_proof(value, where))
        case "evidence":
            return _evidence_claim(value, where)
        case "transaction":
            return _transaction_claim(value, where, chain_id)
    raise _bad("kind", "is none of header, state, evidence, transaction; or, of a bundle alone, of anchor, anchored, linked")


def _hop(members: dict[str, Json]) -> tuple[StateProof, StateProof, StateProof]:
    """What leads from one chain to another's header."""
    chain, client, anchor = [_state_proof(members[name], f"claim.{name}") for name in ("chain", "client", "anchor")]
    return chain, client, anchor


def _hop_json(claim: AnchorClaim | AnchoredClaim) -> dict[str, Json]:
    return {"chain": _state_proof_json(claim.chain), "client": _state_proof_json(claim.client), "anchor": _state_proof_json(claim.anchor)}


def _claim_json(claim: Claim) -> tuple[str, Json]:
    match claim:
        case AnchorClaim():
            return "anchor", _hop_json(claim)
        case AnchoredClaim():
            kind, inner = _direct_claim_json(claim.claim)
            links: dict[str, Json] = {"links": [_header_json(link) for link in claim.links]} if claim.links else {}
            members = {**_hop_json(claim), "chain_id": claim.header.chain_id, **links, "header": _header_json(claim.header)}
            return "linked" if links else "anchored", {**members, "kind": kind, "claim": inner}
    return _direct_claim_json(claim)


def _direct_claim_json(claim: DirectClaim) -> tuple[str, Json]:
    match claim:
        case HeaderClaim():
            return "header", {}
        case StateClaim():
            return "state", _state_proof_json(claim.proof)
        case EvidenceClaim():
            return "evidence", {
                "leaf": claim.leaf.hex(),
                "index": str(claim.index),
                "path": [sibling.hex() for sibling in claim.path],
                "head": _state_proof_json(claim.head),
            }
        case TransactionClaim():
            result: Json = None
            if claim.result is not None:
                path: list[Json] = [sibling.hex() for sibling in claim.result.path]
                block = _header_json(claim.result.block)
                result = {"block": block, "code": claim.result.code, "data": claim.result.data.hex(), "path": path}
            steps: list[Json] = [{"left" if step.is_left else "right": step.hash.hex()} for step in claim.path]
            return "transaction", {"raw": claim.raw.hex(), "path": steps, "result": result}


def _evidence_claim(value: Json, where: str) -> EvidenceClaim:
    members = _object(value, where, "leaf", "index", "path", "head")
    return EvidenceClaim(
        _bytes(members["leaf"], f"{where}.leaf"),
        _decimal(members["index"], f"{where}.index", _INT64_MAX),
        _hashes(members["path"], f"{where}.path"),
        _state_proof(members["head"], f"{where}.head"),
    )


def _transaction_claim(value: Json, where: str, chain_id: str) -> TransactionClaim:
    members = _object(value, where, "raw", "path", "result")
    steps = []
    for index, item in enumerate(_array(members["path"], f"{where}.path", 0, PROOF_STEPS_MAX)):
        place = f"{where}.path[{index}]"
        side = "left" if isinstance(item, dict) and "left" in item else "right"
        steps.append(PathStep(side == "left", _bytes(_object(item, place, side)[side], place, HASH_BYTES)))
    result = None
    if members["result"] is not None:
        outcome = _object(members["result"], f"{where}.result", "block", "code", "data", "path")
        result = ResultClaim(
            _header(outcome["block"], f"{where}.result.block", chain_id),
            _integer(outcome["code"], f"{where}.result.code", _UINT32_MAX),
            _bytes(outcome["data"], f"{where}.result.data"),
            _hashes(outcome["path"], f"{where}.result.path"),
        )
    return TransactionClaim(_bytes(members["raw"], f"{where}.raw"), tuple(steps), result)


# State proofs


def _state_proof(value: Json, where: str) -> StateProof:
    is_presence = isinstance(value, dict) and "presence" in value
    half = "presence" if is_presence else "absence"
    members = _object(value, where, "store", "key", half, "store_path")
    store = _text(members["store"], f"{where}.store", STORE_NAME_BYTES_MAX)
    key = _bytes(members["key"], f"{where}.key")
    proof: ExistenceProof | NonExistenceProof
    if is_presence:
        found = _object(members[half], f"{where}.presence", "value", "path")
        proof = _existence(key, found["value"], found["path"], f"{where}.presence")
    else:
        around = _object(members[half], f"{where}.absence", "left", "right")
        left = _neighbour(around["left"], f"{where}.absence.left")
        proof = NonExistenceProof(key, left, _neighbour(around["right"], f"{where}.absence.right"))
    # The upper proof is about the root that the lower one leads to, so the text does not repeat it.
    store_path = _inner_path(members["store_path"], f"{where}.store_path")
    return StateProof(store, key, proof, ExistenceProof(store.encode(), root_of_proof(proof), STORE_LEAF, store_path))


def _state_proof_json(state: StateProof) -> Json:
    members: dict[str, Json] = {"store": state.store, "key": state.key.hex()}
    if isinstance(state.proof, ExistenceProof):
        assert state.proof.leaf == STATE_LEAF
        members["presence"] = {"value": state.proof.value.hex(), "path": _inner_path_json(state.proof.path)}
    else:
        members["absence"] = {"left": _neighbour_json(state.proof.left), "right": _neighbour_json(state.proof.right)}
    members["store_path"] = _inner_path_json(state.store_proof.path)
    return members


def _neighbour(value: Json, where: str) -> ExistenceProof | None:
    if value is None:
        return None
    members = _object(value, where, "key", "value", "path")
    return _existence(_bytes(members["key"], f"{where}.key"), members["value"], members["path"], where)


def _neighbour_json(proof: ExistenceProof | None) -> Json:
    if proof is None:
        return None
    assert proof.leaf == STATE_LEAF
    return {"key": proof.key.hex(), "value": proof.value.hex(), "path": _inner_path_json(proof.path)}


def _existence(key: bytes, value: Json, path: Json, where: str) -> ExistenceProof:
    return ExistenceProof(key, _bytes(value, f"{where}.value"), STATE_LEAF, _inner_path(path, f"{where}.path"))


def _inner_path(value: Json, where: str) -> tuple[InnerOp, ...]:
    steps = []
    for index, item in enumerate(_array(value, where, 0, PROOF_STEPS_MAX)):
        prefix, suffix = _array(item, f"{where}[{index}]", 2, 2)
        steps.append(InnerOp(HashOp.SHA256, _bytes(prefix, f"{where}[{index}]"), _bytes(suffix, f"{where}[{index}]")))
    return tuple(steps)


def _inner_path_json(path: tuple[InnerOp, ...]) -> list[Json]:
    return [[step.prefix.hex(), step.suffix.hex()] for step in path]


# Values


def _bad(where: str, reason: str) -> Malformed:
    return Malformed(BAD_BUNDLE, f"{where} {reason}")


def _object_once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _object(value: Json, where: str, *names: str) -> dict[str, Json]:
    """The members of an object that has exactly these names."""
    if not isinstance(value, dict) or len(value) != len(names) or any(name not in value for name in names):
        raise _bad(where, f"is not an object with the members {', '.join(names) or '(none)'} and no others")
    return value


def _array(value: Json, where: str, length_min: int, length_max: int) -> list[Json]:
    if not isinstance(value, list) or not length_min <= len(value) <= length_max:
        raise _bad(where, f"is not a list of {length_min} to {length_max} items")
    return value


def _text(value: Json, where: str, length_max: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= length_max or not (value.isascii() and value.isprintable()):
        raise _bad(where, f"is not a text of 1 to {length_max} plain letters")
    return value


def _bytes(value: Json, where: str, length: int | None = None) -> bytes:
    try:
        data = bytes.fromhex(cast(str, value))
    except (TypeError, ValueError):
        raise _bad(where, "is not hexadecimal") from None
    if data.hex() != value:
        raise _bad(where, "is not written in lower-case hexadecimal without blanks")
    if length is not None and len(data) != length:
        raise _bad(where, f"has {len(data)} bytes, not {length}")
    return data


def _hashes(value: Json, where: str) -> tuple[bytes, ...]:
    items = _array(value, where, 0, PROOF_STEPS_MAX)
    return tuple(_bytes(item, f"{where}[{index}]", HASH_BYTES) for index, item in enumerate(items))


def _integer(value: Json, where: str, maximum: int) -> int:
    if type(value) is not int or not 0 <= value <= maximum:
        raise _bad(where, f"is not a whole number from 0 to {maximum}")
    return value


def _decimal(value: Json, where: str, maximum: int) -> int:
    """A number that may pass 2**53, as decimal text."""
    if not isinstance(value, str) or len(value) > 20 or not (value.isascii() and value.isdigit()) or str(int(value)) != value:
        raise _bad(where, "is not a whole number in decimal text")
    if int(value) > maximum:
        raise _bad(where, f"is above {maximum}")
    return int(value)


def _time(value: Json, where: str) -> int:
    try:
        return time_from_text(_text(value, where, 30))
    except Malformed as error:
        raise _bad(where, error.detail) from None
