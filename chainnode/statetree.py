"""The state tree: a crit-bit tree over ordered raw keys whose nodes are hashed as IAVL nodes.

Proofs of presence and absence verify under the stock IavlSpec; the root depends on the content alone,
not on the order of writes (INV-3). Store roots are leaves of a TendermintSpec map whose root is `app_hash`.

Hot path (HANDBOOK, section 3b): nodes are plain tuples and byte strings. A leaf is the 64 bytes
`hash || sha256(value)` followed by its key; an inner node is (hash, left, right, bit, height, size).
Unchanged subtrees keep their objects, so old roots stay provable as long as somebody holds them.
A changed key costs 5 us (10 000 keys) to 18 us (100 000), 3 us when neighbours change together; a key takes 270 bytes.
The plain twin is in `tests/test_statetree.py`.

Recursion is one frame per level; a path has at most 64 * 8 + 8 levels, half of Python's default limit.
ICS-23 verifiers accept at most 128 levels: the parts of a key that users choose must be hashed or of fixed length.
Source: node hashing of cosmos/iavl; D. J. Bernstein, crit-bit trees.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import TypeVar

from chainnode import merkle
from chainnode.proofbytes import uvarint
from chainnode.types.limits import STATE_KEY_BYTES_MAX
from chainnode.types.proof import ExistenceProof, HashOp, InnerOp, LeafOp, LengthOp, NonExistenceProof

Leaf = bytes
Inner = tuple[bytes, "Node", "Node", int, int, int]
Node = Leaf | Inner
ValueOf = Callable[[bytes], bytes]
Writes = Sequence[tuple[bytes, bytes | None]]
ValueT = TypeVar("ValueT", bytes, bytes | None)

EMPTY_ROOT = sha256(b"").digest()

_KEY_BITS = (STATE_KEY_BYTES_MAX + 1) * 8  # the key padded with zeros, then one byte with its length
_LOW = _KEY_BITS - 1
_STORE_LEAVES_CACHED = 64  # a block changes a few of some 15 stores
_KEY_AT = 64  # where the key starts in a leaf
_LEAF_PREFIX = b"\x00\x02\x00"  # height 0, size 1, version 0
_LEAF_OP = LeafOp(HashOp.SHA256, HashOp.NO_HASH, HashOp.SHA256, LengthOp.VAR_PROTO, _LEAF_PREFIX)
_SIMPLE_LEAF_OP = LeafOp(HashOp.SHA256, HashOp.NO_HASH, HashOp.SHA256, LengthOp.VAR_PROTO, b"\x00")
_ZIGZAG = tuple(uvarint(2 * number) for number in range(1024))  # heights, and the sizes of nearly all nodes


class StateTree:
    """An immutable tree of key -> sha256(value). Values live elsewhere: proofs ask for them by `value_of`."""

    __slots__ = ("_top",)

    def __init__(self, top: Node | None = None) -> None:
        self._top = top

    @staticmethod
    def build(pairs: Iterable[tuple[bytes, bytes]]) -> "StateTree":
        """The tree over (key, value) pairs in strictly ascending order of keys; they are taken one by one and not kept."""
        return StateTree(_build((_number(key), _leaf(key, value)) for key, value in _sorted(pairs)))

    def update(self, writes: Writes) -> "StateTree":
        """The tree after `writes` in strictly ascending order of keys; None deletes. Returns itself when nothing changes."""
        numbers = [_number(key) for key, _ in _sorted(writes)]
        leaves = [None if value is None else _leaf(key, value) for key, value in writes]
        top = _merge(self._top, numbers, leaves, 0, len(numbers))
        return self if top is self._top else StateTree(top)

    @property
    def root(self) -> bytes:
        """Root hash; of the empty tree sha256 of nothing."""
        if self._top is None:
            return EMPTY_ROOT
        return self._top[:32] if isinstance(self._top, bytes) else self._top[0]

    @property
    def size(self) -> int:
        """Number of keys."""
        if self._top is None:
            return 0
        return 1 if isinstance(self._top, bytes) else self._top[5]

    def get_hash(self, key: bytes) -> bytes | None:
        """sha256 of the value of `key`, or None when the key is absent."""
        if self._top is None or len(key) > STATE_KEY_BYTES_MAX:
            return None
        leaf = _nearest(self._top, _number(key))
        return leaf[32:_KEY_AT] if leaf[_KEY_AT:] == key else None

    def prove(self, key: bytes, value_of: ValueOf) -> ExistenceProof:
        """Proof that `key`, which must be present, has the value that `value_of` gives for it."""
        assert self._top is not None, "an empty tree proves nothing"
        number = _number(key)
        node, path = self._top, list[InnerOp]()
        while not isinstance(node, bytes):
            hash_left, hash_right = _hash(node[1]), _hash(node[2])
            head = _size_prefix(node[4], node[5])
            if number >> (_LOW - node[3]) & 1:
                path.append(InnerOp(HashOp.SHA256, head + hash_left + b" ", b""))
                node = node[2]
            else:
                path.append(InnerOp(HashOp.SHA256, head, b" " + hash_right))
                node = node[1]
        assert node[_KEY_AT:] == key, "a proof of presence needs a present key"
        value = value_of(key)
        assert sha256(value).digest() == node[32:_KEY_AT], "value_of gave another value than the tree holds"
        return ExistenceProof(key, value, _LEAF_OP, tuple(reversed(path)))

    def prove_absence(self, key: bytes, value_of: ValueOf) -> NonExistenceProof:
        """Proof that `key`, which must be absent, lies between two neighbours. The tree must hold at least one key."""
        left, right = self.neighbours(key)
        return NonExistenceProof(
            key,
            None if left is None else self.prove(left, value_of),
            None if right is None else self.prove(right, value_of),
        )

    def neighbours(self, key: bytes) -> tuple[bytes | None, bytes | None]:
        """The keys next below and next above an absent `key`."""
        assert self._top is not None, "an empty tree proves no absence: each store begins with one key"
        turns, node, place = _seek(self._top, _number(key))
        assert place != 0, "a present key has no place between others"
        if place < 0:
            right = next((inner[2] for inner, went_right in reversed(turns) if not went_right), None)
            return _edge(node, 2)[_KEY_AT:], None if right is None else _edge(right, 1)[_KEY_AT:]
        left = next((inner[1] for inner, went_right in reversed(turns) if went_right), None)
        return None if left is None else _edge(left, 2)[_KEY_AT:], _edge(node, 1)[_KEY_AT:]

    def iterate(self, prefix: bytes = b"", after: bytes | None = None, limit: int | None = None) -> Iterator[bytes]:
        """Keys that begin with `prefix` and come behind `after`, ascending, at most `limit`."""
        if self._top is None or len(prefix) > STATE_KEY_BYTES_MAX:
            return
        start = prefix if after is None or after < prefix else after[:STATE_KEY_BYTES_MAX]
        count = 0
        for leaf in _leaves_from(self._top, _number(start)):
            key = leaf[_KEY_AT:]
            if after is not None and key <= after:
                continue
            if not key.startswith(prefix) or count == limit:
                return
            count += 1
            yield key


def app_hash(roots: Mapping[str, bytes]) -> bytes:
    """Root over all stores: a simple map of store name -> store root (SDK rootmulti rule, TendermintSpec)."""
    return merkle.root_of_hashes([_store_leaf(name, roots[name]) for name in sorted(roots)])


def prove_store(roots: Mapping[str, bytes], name: str) -> ExistenceProof:
    """Proof under TENDERMINT_SPEC that the store `name` has its root in `app_hash(roots)`."""
    names = sorted(roots)
    hashes = [_store_leaf(store, roots[store]) for store in names]
    index = names.index(name)
    path: list[InnerOp] = []
    for begin, end in merkle.inclusion_ranges(index, len(hashes)):
        sibling = merkle.root_of_hashes(hashes[begin:end])
        path.append(InnerOp(HashOp.SHA256, b"\x01", sibling) if begin > index else InnerOp(HashOp.SHA256, b"\x01" + sibling, b""))
    return ExistenceProof(name.encode(), roots[name], _SIMPLE_LEAF_OP, tuple(path))


@lru_cache(maxsize=_STORE_LEAVES_CACHED)
def _store_leaf(name: str, root: bytes) -> bytes:
    key = name.encode()
    return merkle.leaf_hash(uvarint(len(key)) + key + b" " + sha256(root).digest())


def _sorted(writes: Iterable[tuple[bytes, ValueT]]) -> Iterator[tuple[bytes, ValueT]]:
    """The same writes, asserting that keys and values have the right lengths and that keys ascend."""
    previous = b""
    for key, value in writes:
        assert 0 < len(key) <= STATE_KEY_BYTES_MAX, "a state key has 1 to 64 bytes"
        assert value is None or value, "a state value is never empty"
        assert previous < key, "keys must ascend"
        previous = key
        yield key, value


def _number(key: bytes) -> int:
    """The key as an integer of `_KEY_BITS`: keeps byte order, tells a key from the same with zeros behind it."""
    length = len(key)
    return int.from_bytes(key, "big") << (_KEY_BITS - 8 * length) | length


def _leaf(key: bytes, value: bytes) -> Leaf:
    value_hash = sha256(value).digest()
    return sha256(b"\x00\x02\x00%c%b %b" % (len(key), key, value_hash)).digest() + value_hash + key


def _size_prefix(height: int, size: int) -> bytes:
    """Head of an inner node, up to the length byte (a blank: 32) of its left child."""
    return b"%b%b\x00 " % (_ZIGZAG[height], _ZIGZAG[size] if size < 1024 else uvarint(2 * size))


def _hash(node: Node) -> bytes:
    return node[:32] if isinstance(node, bytes) else node[0]


def _join(bit: int, left: Node, right: Node) -> Inner:
    """The inner node over two subtrees that first differ at `bit`."""
    if isinstance(left, bytes):
        hash_left, height, size = left[:32], 0, 1
    else:
        hash_left, _, _, _, height, size = left
    if isinstance(right, bytes):
        hash_right, size = right[:32], size + 1
    else:
        hash_right = right[0]
        size += right[5]
        if right[4] > height:
            height = right[4]
    height += 1
    encoded_size = _ZIGZAG[size] if size < 1024 else uvarint(2 * size)
    return sha256(b"%b%b\x00 %b %b" % (_ZIGZAG[height], encoded_size, hash_left, hash_right)).digest(), left, right, bit, height, size


def _build(items: Iterable[tuple[int, Leaf | None]]) -> Node | None:
    """The tree over sorted leaves (None is skipped), joined along the right edge as in a Cartesian tree."""
    nodes: list[Node] = []
    bits: list[int] = []  # ascending; one fewer than nodes
    previous = 0
    for number, leaf in items:
        if leaf is None:
            continue
        if nodes:
            bit = _KEY_BITS - (number ^ previous).bit_length()
            while bits and bits[-1] > bit:
                right = nodes.pop()
                nodes[-1] = _join(bits.pop(), nodes[-1], right)
            bits.append(bit)
        nodes.append(leaf)
        previous = number
    while bits:
        right = nodes.pop()
        nodes[-1] = _join(bits.pop(), nodes[-1], right)
    return nodes[0] if nodes else None


def _merge(node: Node | None, numbers: Sequence[int], leaves: Sequence[Leaf | None], low: int, high: int) -> Node | None:
    """The subtree `node` after writes `low` to `high` - 1; the same object when nothing changes."""
    if low == high:
        return node
    if node is None:
        return _build(zip(numbers[low:high], leaves[low:high], strict=True))
    if high - low == 1:
        return _put(node, numbers[low], leaves[low])
    inside = _number(_edge(node, 1)[_KEY_AT:])
    # The first bit at which the writes differ from the subtree, or from each other.
    bit = _KEY_BITS - ((numbers[low] ^ inside) | (numbers[high - 1] ^ inside)).bit_length()
    left: Node | None
    right: Node | None
    if isinstance(node, bytes) or bit < node[3]:
        left, right = (None, node) if inside >> (_LOW - bit) & 1 else (node, None)
    else:
        _, left, right, bit, _, _ = node
    shift = _LOW - bit
    middle = bisect_left(numbers, (inside >> shift | 1) << shift, low, high)
    new_left = _merge(left, numbers, leaves, low, middle)
    new_right = _merge(right, numbers, leaves, middle, high)
    if new_left is left and new_right is right:
        return node
    if new_left is None or new_right is None:
        return new_left or new_right
    return _join(bit, new_left, new_right)


def _put(top: Node, number: int, leaf: Leaf | None) -> Node | None:
    """The subtree `top` after one write: a walk down, and hashes up."""
    turns: list[tuple[Inner, bool]] = []
    node = top
    while not isinstance(node, bytes):
        went_right = bool(number >> (_LOW - node[3]) & 1)
        turns.append((node, went_right))
        node = node[2] if went_right else node[1]
    difference = number ^ _number(node[_KEY_AT:])
    new: Node
    if leaf is None:
        if difference:
            return top
        if not turns:
            return None
        parent, went_right = turns.pop()
        new = parent[1] if went_right else parent[2]
    elif not difference:
        if leaf == node:
            return top
        new = leaf
    else:
        bit = _KEY_BITS - difference.bit_length()
        while turns and turns[-1][0][3] > bit:
            node = turns.pop()[0]
        new = _join(bit, node, leaf) if number >> (_LOW - bit) & 1 else _join(bit, leaf, node)
    for (_, left, right, bit, _, _), went_right in reversed(turns):
        new = _join(bit, left, new) if went_right else _join(bit, new, right)
    return new


def _nearest(node: Node, number: int) -> Leaf:
    """The leaf where the bits of `number` lead."""
    while not isinstance(node, bytes):
        node = node[2] if number >> (_LOW - node[3]) & 1 else node[1]
    return node


def _edge(node: Node, side: int) -> Leaf:
    """The outermost leaf of a subtree; `side` 1 is left, 2 is right."""
    while not isinstance(node, bytes):
        node = node[1] if side == 1 else node[2]
    return node


def _seek(top: Node, number: int) -> tuple[list[tuple[Inner, bool]], Node, int]:
    """The way to where `number` belongs: turns taken, the subtree there, and its place.

    The place is 0 when the subtree is the leaf of `number`, -1 when all of it is below, 1 when all of it is above.
    """
    difference = number ^ _number(_nearest(top, number)[_KEY_AT:])
    bit = _KEY_BITS - difference.bit_length()  # beyond every bit when there is no difference
    turns: list[tuple[Inner, bool]] = []
    node = top
    while not isinstance(node, bytes) and node[3] < bit:
        went_right = bool(number >> (_LOW - node[3]) & 1)
        turns.append((node, went_right))
        node = node[2] if went_right else node[1]
    if not difference:
        return turns, node, 0
    return turns, node, -1 if number >> (_LOW - bit) & 1 else 1


def _leaves_from(top: Node, number: int) -> Iterator[Leaf]:
    """Leaves at or above `number`, ascending."""
    turns, node, place = _seek(top, number)
    waiting = [inner[2] for inner, went_right in turns if not went_right]
    if place >= 0:
        waiting.append(node)
    while waiting:
        node = waiting.pop()
        while not isinstance(node, bytes):
            waiting.append(node[2])
            node = node[1]
        yield node
