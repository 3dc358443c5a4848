"""Hyperledger Fabric's messages as far as verifying blocks needs them: blocks, envelopes, transactions, read-write sets. Pure; bounded.

Messages have one form here (see `protobuf`). That matters for a block: its data hash is over the envelopes one behind the other, so
only since an envelope has one form can nobody cut the same bytes into other transactions.
Source: fabric-protos 2.x and 3.x; ledger files as Fabric's block storage writes them.
"""

from dataclasses import dataclass
from hashlib import sha256

from chainnode.errors import Malformed
from chainnode.foreign import protobuf
from chainnode.foreign.protobuf import Fields
from chainnode.types.codes import BAD_FABRIC_BLOCK
from chainnode.types.limits import (
    FABRIC_BLOCK_BYTES_MAX,
    FABRIC_FILE_BYTES_MAX,
    FABRIC_ITEMS_MAX,
    FABRIC_SIGNATURES_MAX,
    FABRIC_TEXT_BYTES_MAX,
    FABRIC_TXS_MAX,
)

CONFIG, ENDORSER_TRANSACTION = 1, 3  # types of a channel header
_SIGNATURES = 0  # place in the metadata of a block; the others are not signed
_METADATA_MAX = 16
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class MetadataSignature:
    """An orderer's signature on a block: `signer` is a serialized identity in a signature header, or None with a consenter's number."""

    header: bytes
    signer: bytes | None
    consenter: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """A block. `signed_value` is what the orderers sign with the header; `last_config` the block that it names as the last with a config.

    `last_config` is None when the orderers did not say so.
    """

    number: int
    previous_hash: bytes
    data_hash: bytes
    envelopes: tuple[bytes, ...]
    signed_value: bytes
    last_config: int | None
    signatures: tuple[MetadataSignature, ...]

    @property
    def header_bytes(self) -> bytes:
        """The header in DER, which is what is signed and hashed."""
        length = max(1, self.number.bit_length() // 8 + 1)
        number = _der(2, self.number.to_bytes(length, "big"))
        return _der(0x30, number + _der(4, self.previous_hash) + _der(4, self.data_hash))

    @property
    def hash(self) -> bytes:
        """The hash of the header. 32 bytes."""
        return sha256(self.header_bytes).digest()


@dataclass(frozen=True, slots=True)
class Signed:
    """An envelope: what its creator signed, and the signature (empty in a config's)."""

    payload: bytes
    signature: bytes
    kind: int
    channel: str
    tx_id: str
    extension: bytes
    channel_header: bytes
    creator: bytes
    nonce: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Endorsement:
    """An endorser, a serialized identity, and its signature over the proposal's response and itself."""

    endorser: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Action:
    """The one action of an endorser transaction. `response` is what was endorsed, `results` its read-write set."""

    chaincode: str
    response: bytes
    status: int
    results: bytes
    endorsements: tuple[Endorsement, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """A key that was read, at the version (block, transaction); None: it was not there."""

    namespace: str
    key: str
    version: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Write:
    """A key that was written, None: deleted."""

    namespace: str
    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class ReadWriteSet:
    """What a transaction read and wrote. `written` are the namespaces with a write of any kind, private data among them."""

    reads: tuple[Read, ...]
    writes: tuple[Write, ...]
    written: tuple[str, ...]


def read_block(raw: bytes) -> Block:
    """A block as `peer channel fetch` writes it. Malformed(BAD_FABRIC_BLOCK), Malformed(MALFORMED)."""
    fields = protobuf.read(raw, (1, 2, 3), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    header = protobuf.read(fields.message(1), (1, 2, 3), bytes_max=128)
    envelopes = protobuf.read(fields.message(2), (), (1,), bytes_max=FABRIC_BLOCK_BYTES_MAX).many(1, FABRIC_TXS_MAX)
    metadata = protobuf.read(fields.optional(3) or b"", (), (1,), bytes_max=FABRIC_BLOCK_BYTES_MAX).many(1, _METADATA_MAX)
    return _block(header.number(1), header.data(2, _HASH_BYTES), header.data(3, _HASH_BYTES), envelopes, metadata)


def read_ledger_file(raw: bytes) -> tuple[Block, ...]:
    """The blocks of a file of a peer's ledger, each behind its length. Malformed(BAD_FABRIC_BLOCK), Malformed(MALFORMED)."""
    if len(raw) > FABRIC_FILE_BYTES_MAX:
        raise Malformed(BAD_FABRIC_BLOCK, f"the file is longer than {FABRIC_FILE_BYTES_MAX} bytes")
    blocks: list[Block] = []
    offset = 0
    while offset < len(raw):
        one, offset = protobuf.read_bytes(raw, offset)
        blocks.append(_stored_block(one))
    return tuple(blocks)


def _stored_block(raw: bytes) -> Block:
    number, offset = protobuf.read_uvarint(raw, 0)
    data_hash, offset = protobuf.read_bytes(raw, offset)
    previous_hash, offset = protobuf.read_bytes(raw, offset)
    lists: list[tuple[bytes, ...]] = []
    for most in (FABRIC_TXS_MAX, _METADATA_MAX):
        count, offset = protobuf.read_uvarint(raw, offset)
        if count > most:
            raise Malformed(BAD_FABRIC_BLOCK, f"a list of the block has more than {most} items")
        items: list[bytes] = []
        for _ in range(count):
            item, offset = protobuf.read_bytes(raw, offset)
            items.append(item)
        lists.append(tuple(items))
    if offset != len(raw):
        raise Malformed(BAD_FABRIC_BLOCK, "bytes follow the block in its record")
    return _block(number, previous_hash, data_hash, *lists)


def _block(number: int, previous_hash: bytes, data_hash: bytes, envelopes: tuple[bytes, ...], metadata: tuple[bytes, ...]) -> Block:
    if len(data_hash) != _HASH_BYTES or len(previous_hash) != (_HASH_BYTES if number else 0):
        raise Malformed(BAD_FABRIC_BLOCK, f"the header of block {number} has hashes of another length than it should")
    if not envelopes:
        raise Malformed(BAD_FABRIC_BLOCK, f"block {number} is empty")
    fields = protobuf.read(metadata[_SIGNATURES] if metadata else b"", (1,), (2,), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    value = fields.data(1, FABRIC_TEXT_BYTES_MAX)
    signatures = tuple(map(_metadata_signature, fields.many(2, FABRIC_SIGNATURES_MAX)))
    return Block(number, previous_hash, data_hash, envelopes, value, _last_config(value), signatures)


def _last_config(value: bytes) -> int | None:
    """Which block the orderers say had the config that is in force."""
    if not value:
        return None
    named = protobuf.read(value, (1, 2), bytes_max=FABRIC_TEXT_BYTES_MAX).optional(1)
    return None if named is None else protobuf.read(named, (1,), bytes_max=16).number(1)


def _metadata_signature(raw: bytes) -> MetadataSignature:
    fields = protobuf.read(raw, (1, 2, 3), bytes_max=FABRIC_TEXT_BYTES_MAX)
    header, number_header = fields.data(1, FABRIC_TEXT_BYTES_MAX), fields.data(3, FABRIC_TEXT_BYTES_MAX)
    signature = fields.data(2, FABRIC_TEXT_BYTES_MAX)
    if header:
        return MetadataSignature(header, read_signature_header(header)[0], 0, signature)
    consenter = protobuf.read(number_header, (1, 2), bytes_max=FABRIC_TEXT_BYTES_MAX).number(1, 2**32 - 1)
    return MetadataSignature(number_header, None, consenter, signature)


def read_signature_header(raw: bytes) -> tuple[bytes, bytes]:
    """Creator and nonce."""
    fields = protobuf.read(raw, (1, 2), bytes_max=FABRIC_TEXT_BYTES_MAX)
    return fields.data(1, FABRIC_TEXT_BYTES_MAX), fields.data(2, FABRIC_TEXT_BYTES_MAX)


def read_envelope(raw: bytes) -> Signed:
    """An envelope with its headers."""
    envelope = protobuf.read(raw, (1, 2), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    payload = envelope.message(1)
    fields = protobuf.read(payload, (1, 2), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    header = protobuf.read(fields.message(1), (1, 2), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    channel_header = header.message(1)
    names = protobuf.read(channel_header, (1, 2, 3, 4, 5, 6, 7, 8), bytes_max=FABRIC_TEXT_BYTES_MAX)
    creator, nonce = read_signature_header(header.optional(2) or b"")
    if names.number(6):
        raise Malformed(BAD_FABRIC_BLOCK, "the epoch of a transaction is not 0")
    return Signed(
        payload=payload,
        signature=envelope.data(2, FABRIC_TEXT_BYTES_MAX),
        kind=names.number(1, 2**31),
        channel=names.text(4, FABRIC_TEXT_BYTES_MAX),
        tx_id=names.text(5, FABRIC_TEXT_BYTES_MAX),
        extension=names.data(7, FABRIC_TEXT_BYTES_MAX),
        channel_header=channel_header,
        creator=creator,
        nonce=nonce,
        data=fields.data(2, FABRIC_BLOCK_BYTES_MAX),
    )


def read_action(signed: Signed) -> Action:
    """The action of an endorser transaction, whose endorsed response is the one to this proposal."""
    (raw,) = _exactly_one(protobuf.read(signed.data, (), (1,), bytes_max=FABRIC_BLOCK_BYTES_MAX), 1)
    outer = protobuf.read(raw, (1, 2), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    action_header = outer.message(1)
    if not all(read_signature_header(action_header)):
        raise Malformed(BAD_FABRIC_BLOCK, "the action has no creator or no nonce")
    payload = protobuf.read(outer.message(2), (1, 2), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    action = protobuf.read(payload.message(2), (1,), (2,), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    response = action.message(1)
    endorsed = protobuf.read(response, (1, 2), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    proposal = sha256(signed.channel_header + action_header + payload.data(1, FABRIC_BLOCK_BYTES_MAX)).digest()
    if endorsed.data(1, _HASH_BYTES) != proposal:
        raise Malformed(BAD_FABRIC_BLOCK, "what was endorsed is the response to another proposal")
    said = protobuf.read(endorsed.message(2), (1, 2, 3, 4), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    return Action(
        chaincode=_chaincode(signed, said),
        response=response,
        status=protobuf.read(said.optional(3) or b"", (1, 2, 3), bytes_max=FABRIC_BLOCK_BYTES_MAX).number(1, 2**31),
        results=said.data(1, FABRIC_BLOCK_BYTES_MAX),
        endorsements=tuple(map(_endorsement, action.many(2, FABRIC_SIGNATURES_MAX))),
    )


def _exactly_one(fields: Fields, field: int) -> tuple[bytes]:
    found = fields.many(field, 2)
    if len(found) != 1:
        raise Malformed(BAD_FABRIC_BLOCK, "a transaction has one action")
    return (found[0],)


def _chaincode(signed: Signed, said: Fields) -> str:
    """The chaincode that ran, which is the one that was asked for."""
    ran = protobuf.read(said.message(4), (1, 2, 3), bytes_max=FABRIC_TEXT_BYTES_MAX).text(2, FABRIC_TEXT_BYTES_MAX)
    wanted = protobuf.read(signed.extension, (2,), bytes_max=FABRIC_TEXT_BYTES_MAX).message(2)
    name = protobuf.read(wanted, (1, 2, 3), bytes_max=FABRIC_TEXT_BYTES_MAX).text(2, FABRIC_TEXT_BYTES_MAX)
    if not name or name != ran:
        raise Malformed(BAD_FABRIC_BLOCK, f"chaincode {name!r} was asked for, and {ran!r} has run")
    return name


def _endorsement(raw: bytes) -> Endorsement:
    fields = protobuf.read(raw, (1, 2), bytes_max=FABRIC_TEXT_BYTES_MAX)
    return Endorsement(fields.data(1, FABRIC_TEXT_BYTES_MAX), fields.data(2, FABRIC_TEXT_BYTES_MAX))


def read_results(raw: bytes) -> ReadWriteSet:
    """A read-write set, each namespace once."""
    fields = protobuf.read(raw, (1,), (2,), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    reads: list[Read] = []
    writes: list[Write] = []
    written: list[str] = []
    seen: list[str] = []
    for item in fields.many(2, FABRIC_ITEMS_MAX):
        outer = protobuf.read(item, (1, 2), (3,), bytes_max=FABRIC_BLOCK_BYTES_MAX)
        name = outer.text(1, FABRIC_TEXT_BYTES_MAX)
        if name in seen:
            raise Malformed(BAD_FABRIC_BLOCK, f"namespace {name!r} stands twice in a read-write set")
        seen.append(name)
        inner = protobuf.read(outer.data(2, FABRIC_BLOCK_BYTES_MAX), (), (1, 2, 3, 4), bytes_max=FABRIC_BLOCK_BYTES_MAX)
        reads += [_read(name, one) for one in inner.many(1, FABRIC_ITEMS_MAX)]
        writes += [_write(name, one) for one in inner.many(3, FABRIC_ITEMS_MAX)]
        has_private = any(map(_has_private_write, outer.many(3, FABRIC_ITEMS_MAX)))
        if inner.many(3, FABRIC_ITEMS_MAX) or inner.many(4, FABRIC_ITEMS_MAX) or has_private:
            written.append(name)
    return ReadWriteSet(tuple(reads), tuple(writes), tuple(written))


def _read(namespace: str, raw: bytes) -> Read:
    fields = protobuf.read(raw, (1, 2), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    version = fields.optional(2)
    if version is None:
        return Read(namespace, fields.text(1, FABRIC_TEXT_BYTES_MAX), None)
    at = protobuf.read(version, (1, 2), bytes_max=32)
    return Read(namespace, fields.text(1, FABRIC_TEXT_BYTES_MAX), (at.number(1), at.number(2)))


def _write(namespace: str, raw: bytes) -> Write:
    fields = protobuf.read(raw, (1, 2, 3), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    key, value = fields.text(1, FABRIC_TEXT_BYTES_MAX), fields.data(3, FABRIC_BLOCK_BYTES_MAX)
    return Write(namespace, key, None if fields.number(2, 1) else value)


def _has_private_write(raw: bytes) -> bool:
    """Whether a collection's hashed read-write set has a write of values or of metadata."""
    hashed = protobuf.read(raw, (1, 2, 3), bytes_max=FABRIC_BLOCK_BYTES_MAX).data(2, FABRIC_BLOCK_BYTES_MAX)
    fields = protobuf.read(hashed, (), (1, 2, 3), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    return bool(fields.many(2, FABRIC_ITEMS_MAX) or fields.many(3, FABRIC_ITEMS_MAX))


def _der(tag: int, content: bytes) -> bytes:
    """DER of up to 127 bytes, and two of those hashes and a number have fewer."""
    assert len(content) < 128
    return bytes((tag, len(content))) + content
