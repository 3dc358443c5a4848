"""Proofs in the tries of Ethereum: of an account in a state root, of a slot in a storage root, and that one is not there.

A proof is the nodes on the way from the root, as `eth_getProof` gives them: each is named by the hash in the one above, a node
shorter than 32 bytes stands in the one above itself. Keys are hashed first, so all have 64 half-bytes and no branch holds a value.
Source: yellow paper, appendix D; EIP-1186.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chainnode.errors import Malformed
from chainnode.foreign.keccak import keccak256
from chainnode.foreign.rlp import Item, as_bytes, as_list, as_number, decode, encode
from chainnode.types.codes import BAD_PROOF
from chainnode.types.limits import TRIE_NODE_BYTES_MAX, TRIE_NODES_MAX, TRIE_PROOF_BYTES_MAX

EMPTY_ROOT = keccak256(encode(b""))
_HASH_BYTES = 32
_BRANCH, _SHORT = 17, 2  # items of a node
_KEY_NIBBLES = 64


@dataclass(frozen=True, slots=True)
class Account:
    """What a state root holds of an address."""

    nonce: int
    balance: int
    storage_root: bytes
    code_hash: bytes


def account(state_root: bytes, address: bytes, nodes: Sequence[bytes]) -> Account | None:
    """The account of an address, None when the nodes prove that there is none. Malformed(BAD_PROOF), Malformed(BAD_RLP)."""
    value = look_up(state_root, address, nodes)
    if value is None:
        return None
    nonce, balance, storage_root, code_hash = as_list(decode(value), 4)
    return Account(as_number(nonce), as_number(balance, 32), as_bytes(storage_root, _HASH_BYTES), as_bytes(code_hash, _HASH_BYTES))


def slot(storage_root: bytes, place: bytes, nodes: Sequence[bytes]) -> bytes | None:
    """The 32 bytes in a slot, None when the nodes prove that it holds nothing, that is zero. Malformed(BAD_PROOF), Malformed(BAD_RLP)."""
    assert len(place) == _HASH_BYTES
    value = look_up(storage_root, place, nodes)
    if value is None:
        return None
    content = as_number(decode(value), _HASH_BYTES)
    _require(content != 0, "a slot that holds zero is in no trie")
    return content.to_bytes(_HASH_BYTES, "big")


def look_up(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes | None:
    """The value that the trie under `root` has for `key`, None when the nodes prove that it has none. Malformed(BAD_PROOF)."""
    _require(len(nodes) <= TRIE_NODES_MAX, f"more than {TRIE_NODES_MAX} nodes")
    _require(all(len(node) <= TRIE_NODE_BYTES_MAX for node in nodes), f"a node has more than {TRIE_NODE_BYTES_MAX} bytes")
    if root == EMPTY_ROOT:
        _require(list(nodes) in ([], [encode(b"")]), "nodes of a trie that is empty")
        return None
    path = _nibbles(keccak256(key))
    value, used = _descend(root, path, nodes)
    _require(used == len(nodes), "nodes that are not on the way")
    return value


def mapping_slot(key: bytes, place: bytes) -> bytes:
    """Where Solidity keeps the entry of a mapping from bytes32 that stands in slot `place`."""
    assert len(key) == len(place) == _HASH_BYTES
    return keccak256(key + place)


def encode_nodes(account_nodes: Sequence[bytes], slot_nodes: Sequence[bytes]) -> bytes:
    """One proof of a slot of an account: RLP[nodes to the account, nodes to the slot]."""
    return encode((tuple(account_nodes), tuple(slot_nodes)))


def decode_nodes(proof: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The nodes of `encode_nodes`. Malformed(BAD_RLP)."""
    accounts, slots = as_list(decode(proof, bytes_max=TRIE_PROOF_BYTES_MAX), 2)
    return tuple(map(as_bytes, as_list(accounts))), tuple(map(as_bytes, as_list(slots)))


def proved_slot(state_root: bytes, address: bytes, place: bytes, proof: bytes) -> bytes | None:
    """What the slot of a contract holds, None for zero. Malformed(BAD_PROOF) also when there is no contract at the address."""
    account_nodes, slot_nodes = decode_nodes(proof)
    found = account(state_root, address, account_nodes)
    if found is None:
        raise Malformed(BAD_PROOF, "there is no contract at the address")
    return slot(found.storage_root, place, slot_nodes)


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise Malformed(BAD_PROOF, reason)


def _nibbles(data: bytes) -> tuple[int, ...]:
    return tuple(half for byte in data for half in (byte >> 4, byte & 15))


def _descend(root: bytes, path: tuple[int, ...], nodes: Sequence[bytes]) -> tuple[bytes | None, int]:
    """The value at the end of `path` or None, and how many nodes were used. Each step takes part of the path, so it ends."""
    child: Item = root
    used = 0
    while True:
        if isinstance(child, bytes):
            if not child:
                return None, used  # an empty place of a branch
            _require(used < len(nodes), "the nodes are cut off")
            _require(child == keccak256(nodes[used]), "a node is not the one that the node above it names")
            child = decode(nodes[used])
            used += 1
        node = as_list(child)
        if len(node) == _BRANCH:
            _require(bool(path) and node[16] == b"", "a branch stands where a value belongs, or holds one")
            child, path = _child(node[path[0]]), path[1:]
            continue
        _require(len(node) == _SHORT, "a node has neither 17 items nor 2")
        part, is_leaf = _part(as_bytes(node[0]))
        if is_leaf:
            _require(len(part) == len(path), "a leaf is not at the end of a key")
            return (as_bytes(node[1]) if part == path else None), used
        _require(0 < len(part) < len(path), "an extension leads nowhere, or beyond the end of a key")
        if path[: len(part)] != part:
            return None, used
        child, path = _child(node[1]), path[len(part) :]
        _require(child != b"", "an extension leads to nothing")


def _child(item: Item) -> Item:
    """What names a node below: its hash, itself when it is shorter than a hash, or nothing."""
    if isinstance(item, bytes):
        _require(len(item) in (0, _HASH_BYTES), "a node is named by something that is no hash")
    else:
        _require(len(encode(item)) < _HASH_BYTES, "a long node stands in another instead of its hash")
    return item


def _part(packed: bytes) -> tuple[tuple[int, ...], bool]:
    """Half-bytes of a path in their packed form, and whether a leaf has them."""
    _require(0 < len(packed) <= 1 + _KEY_NIBBLES // 2, "a part of a path is empty or too long")
    first, *rest = _nibbles(packed)
    _require(first < 4 and (first & 1 == 1 or rest[0] == 0), "a part of a path begins with a wrong mark")
    return tuple(rest if first & 1 else rest[1:]), first >= 2
