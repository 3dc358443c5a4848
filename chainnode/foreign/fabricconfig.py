"""The configuration of a Fabric channel, as a config block holds it: groups, values, policies, consenters. Pure; bounded.

Source: fabric-protos, common/configtx and common/configuration; Fabric, internal/configtxgen/encoder.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from chainnode.errors import Malformed
from chainnode.foreign import protobuf
from chainnode.foreign.fabricbytes import CONFIG, Signed
from chainnode.types.codes import BAD_FABRIC_CONFIG
from chainnode.types.limits import (
    FABRIC_BLOCK_BYTES_MAX,
    FABRIC_CONFIG_DEPTH_MAX,
    FABRIC_CONFIG_ITEMS_MAX,
    FABRIC_SIGNATURES_MAX,
    FABRIC_TEXT_BYTES_MAX,
)

BFT, RAFT = "BFT", "etcdraft"
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Group:
    """A group of the configuration by name: groups below it, values, and policies as (type, bytes)."""

    groups: Mapping[str, "Group"]
    values: Mapping[str, bytes]
    policies: Mapping[str, tuple[int, bytes]]

    def below(self) -> Iterator["Group"]:
        """The group, and all below it."""
        yield self
        for one in self.groups.values():
            yield from one.below()


@dataclass(frozen=True, slots=True)
class Consenter:
    """An orderer of a BFT channel; `certificate` is PEM."""

    number: int
    msp_id: str
    certificate: bytes


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """A channel's configuration. `consensus` is BFT, etcdraft or an older word; `consenters` are those of BFT."""

    channel: str
    sequence: int
    root: Group
    consensus: str
    consenters: tuple[Consenter, ...]


def read_config(signed: Signed) -> ChannelConfig:
    """The configuration in the envelope of a config block. Malformed(BAD_FABRIC_CONFIG), Malformed(MALFORMED)."""
    if signed.kind != CONFIG or not signed.channel:
        raise Malformed(BAD_FABRIC_CONFIG, "the block holds no configuration of a channel")
    envelope = protobuf.read(signed.data, (1, 2), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    config = protobuf.read(envelope.message(1), (1, 2), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    root = _group(config.message(2), FABRIC_CONFIG_DEPTH_MAX)
    orderer = root.groups.get("Orderer")
    if orderer is None:
        raise Malformed(BAD_FABRIC_CONFIG, "the channel has no orderers")
    consensus = protobuf.read(orderer.values.get("ConsensusType", b""), (1, 2, 3), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    kind = consensus.text(1, FABRIC_TEXT_BYTES_MAX)
    consenters = _consenters(orderer.values.get("Orderers", b"")) if kind == BFT else ()
    return ChannelConfig(signed.channel, config.number(1), root, kind, consenters)


def _consenters(raw: bytes) -> tuple[Consenter, ...]:
    found: list[Consenter] = []
    for item in protobuf.read(raw, (), (1,), bytes_max=FABRIC_BLOCK_BYTES_MAX).many(1, FABRIC_SIGNATURES_MAX):
        fields = protobuf.read(item, (1, 2, 3, 4, 5, 6, 7), bytes_max=FABRIC_BLOCK_BYTES_MAX)
        msp_id = fields.text(4, FABRIC_TEXT_BYTES_MAX)
        found.append(Consenter(fields.number(1, 2**32 - 1), msp_id, fields.data(5, FABRIC_TEXT_BYTES_MAX)))
    numbers = [one.number for one in found]
    certificates = [one.certificate for one in found]
    # One orderer under two numbers would be two votes.
    if not found or len(dict.fromkeys(numbers)) != len(found) or len(dict.fromkeys(certificates)) != len(found):
        raise Malformed(BAD_FABRIC_CONFIG, "a BFT channel has consenters, each with a number and a certificate of its own")
    return tuple(found)


def _group(raw: bytes, depth: int) -> Group:
    if depth == 0:
        raise Malformed(BAD_FABRIC_CONFIG, f"the configuration has more than {FABRIC_CONFIG_DEPTH_MAX} levels")
    fields = protobuf.read(raw, (1, 5), (2, 3, 4), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    return Group(
        _entries(fields.many(2, FABRIC_CONFIG_ITEMS_MAX), lambda item: _group(item, depth - 1)),
        _entries(fields.many(3, FABRIC_CONFIG_ITEMS_MAX), _value),
        _entries(fields.many(4, FABRIC_CONFIG_ITEMS_MAX), _policy),
    )


def _entries(items: tuple[bytes, ...], read: Callable[[bytes], _Item]) -> dict[str, _Item]:
    """The entries of a map, each name once."""
    found: dict[str, _Item] = {}
    for item in items:
        entry = protobuf.read(item, (1, 2), bytes_max=FABRIC_BLOCK_BYTES_MAX)
        name = entry.text(1, FABRIC_TEXT_BYTES_MAX)
        if name in found:
            raise Malformed(BAD_FABRIC_CONFIG, f"{name!r} stands twice in a group of the configuration")
        found[name] = read(entry.optional(2) or b"")
    return found


def _value(raw: bytes) -> bytes:
    return protobuf.read(raw, (1, 2, 3), bytes_max=FABRIC_BLOCK_BYTES_MAX).optional(2) or b""


def _policy(raw: bytes) -> tuple[int, bytes]:
    policy = protobuf.read(raw, (1, 2, 3), bytes_max=FABRIC_BLOCK_BYTES_MAX).optional(2) or b""
    fields = protobuf.read(policy, (1, 2), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    return fields.number(1, 2**31), fields.optional(2) or b""
