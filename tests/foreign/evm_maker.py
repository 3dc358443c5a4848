"""Makes tries and headers of EVM chains for tests, plainly: a trie is a dict that is cut at each half-byte of its keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chainnode.foreign.ethkeys import address_of, sign
from chainnode.foreign.keccak import keccak256
from chainnode.foreign.rlp import Item, encode, number
from tests.chain_maker import key_of

NO_OMMERS = bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")
MIX_HASH = bytes.fromhex("63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365")


@dataclass
class Trie:
    """A trie over hashed keys. `nodes_to(key)` is the proof for a key, as `eth_getProof` gives it."""

    values: Mapping[bytes, bytes]
    _nodes: dict[bytes, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pairs = sorted((nibbles(keccak256(key)), value) for key, value in self.values.items())
        self._top = self._build(pairs, 0) if pairs else b""
        self.root = keccak256(encode(self._top))

    def nodes_to(self, key: bytes) -> list[bytes]:
        """The nodes with a hash of their own on the way to a key."""
        path, node, found = nibbles(keccak256(key)), self._top, []
        if node == b"":
            return []
        found.append(encode(node))
        while True:
            if len(node) == 17:
                child, path = node[path[0]], path[1:]
            else:
                part, is_leaf = unpack(node[0])
                if is_leaf or path[: len(part)] != part:
                    return found
                child, path = node[1], path[len(part) :]
            if isinstance(child, bytes):
                if not child:
                    return found
                node = self._nodes[child]
                found.append(encode(node))
            else:
                node = child

    def _build(self, pairs, depth) -> Item:
        if len(pairs) == 1:
            return (pack(pairs[0][0][depth:], is_leaf=True), pairs[0][1])
        first, last = pairs[0][0], pairs[-1][0]
        shared = next(place for place in range(depth, 64) if first[place] != last[place])
        if shared > depth:
            return (pack(first[depth:shared], is_leaf=False), self._named(self._build(pairs, shared)))
        groups = [[pair for pair in pairs if pair[0][depth] == half] for half in range(16)]
        return (*(self._named(self._build(group, depth + 1)) if group else b"" for group in groups), b"")

    def _named(self, node: Item) -> Item:
        raw = encode(node)
        if len(raw) < 32:
            return node
        self._nodes[keccak256(raw)] = node
        return keccak256(raw)


def nibbles(data: bytes) -> tuple[int, ...]:
    return tuple(half for byte in data for half in (byte >> 4, byte & 15))


def pack(path, *, is_leaf: bool) -> bytes:
    """A path of half-bytes with its mark."""
    mark = 2 * is_leaf + len(path) % 2
    halves = [mark, *path] if len(path) % 2 else [mark, 0, *path]
    return bytes(high << 4 | low for high, low in zip(halves[::2], halves[1::2], strict=True))


def unpack(packed: bytes):
    halves = nibbles(packed)
    return halves[1 if halves[0] & 1 else 2 :], halves[0] >= 2


def account_value(storage_root: bytes) -> bytes:
    """An account of a contract with this storage."""
    return encode((number(1), number(0), storage_root, keccak256(b"code")))


@dataclass
class Sealer:
    """A validator of a QBFT chain, by a name."""

    name: str

    def __post_init__(self) -> None:
        self.key = key_of(self.name, "s")
        self.address = address_of(self.key.public)


def sealers(names: str) -> list[Sealer]:
    """One validator per letter, in the order of their addresses as Besu has them."""
    return sorted(map(Sealer, names), key=lambda one: one.address)


def make_header(
    validators,
    height: int,
    time_s: int,
    *,
    seal_by=None,
    parent_hash: bytes = bytes(32),
    state_root: bytes = bytes(32),
    round: int = 0,
    named=None,
    extra_fields=(),
    changes=None,
) -> bytes:
    """The RLP of a header that `seal_by` (by default all) sealed. `named`: addresses in the place of those of `validators`."""
    addresses = tuple(one.address for one in validators) if named is None else named

    def header(seals: tuple[bytes, ...]) -> bytes:
        extra = encode((b"vanity".ljust(32, b"\0"), addresses, (), number(round), seals))
        fields = [
            parent_hash, NO_OMMERS, addresses[0] if addresses else bytes(20), state_root, bytes(32), bytes(32), bytes(256),
            number(1), number(height), number(8_000_000), number(0), number(time_s), extra, MIX_HASH, bytes(8), *extra_fields,
        ]  # fmt: skip
        for place, content in (changes or {}).items():
            fields[place] = content
        return encode(tuple(fields))

    digest = keccak256(header(()))
    return header(tuple(sign(one.key.secret, digest) for one in (validators if seal_by is None else seal_by)))
