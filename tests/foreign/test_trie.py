"""Proofs in tries: a model of plain dicts, and each way in which nodes can lie."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.errors import Malformed
from chainnode.foreign import rlp, trie
from chainnode.foreign.keccak import keccak256
from chainnode.types.limits import TRIE_NODE_BYTES_MAX, TRIE_NODES_MAX
from tests.foreign.evm_maker import Trie, account_value, nibbles, pack

ADDRESS = bytes(range(20))


def place(number: int) -> bytes:
    return number.to_bytes(32, "big")


def value(number: int) -> bytes:
    return rlp.encode(rlp.number(number))


SLOTS = Trie({place(number): value(number + 1) for number in range(200)})
WORLD = Trie({ADDRESS: account_value(SLOTS.root)} | {bytes([number]) * 20: account_value(trie.EMPTY_ROOT) for number in range(30)})


@given(st.dictionaries(st.integers(0, 400), st.integers(1, 2**256 - 1), max_size=40), st.integers(0, 400))
def test_every_key_is_proved_there_or_not_there(content, asked):
    made = Trie({place(number): value(one) for number, one in content.items()})
    for number in (asked, *content):
        found = trie.slot(made.root, place(number), made.nodes_to(place(number)))
        assert found == (content[number].to_bytes(32, "big") if number in content else None)


def test_the_root_of_an_empty_trie_is_the_known_one():
    assert trie.EMPTY_ROOT.hex() == "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
    assert Trie({}).root == trie.EMPTY_ROOT
    assert trie.look_up(trie.EMPTY_ROOT, ADDRESS, []) is None
    assert trie.look_up(trie.EMPTY_ROOT, ADDRESS, [b"\x80"]) is None
    with pytest.raises(Malformed, match="empty"):
        trie.look_up(trie.EMPTY_ROOT, ADDRESS, WORLD.nodes_to(ADDRESS))


def test_a_slot_of_a_contract_is_proved_through_both_tries():
    def proof(address, number):
        return trie.encode_nodes(WORLD.nodes_to(address), SLOTS.nodes_to(place(number)))

    assert trie.proved_slot(WORLD.root, ADDRESS, place(7), proof(ADDRESS, 7)) == place(8)
    assert trie.proved_slot(WORLD.root, ADDRESS, place(999), proof(ADDRESS, 999)) is None
    empty = trie.encode_nodes(WORLD.nodes_to(bytes(20)), [])
    assert trie.proved_slot(WORLD.root, bytes(20), place(7), empty) is None
    for address, raw in (
        (b"\xff" * 20, trie.encode_nodes(WORLD.nodes_to(b"\xff" * 20), [])),  # no contract: not even nothing is proved of it
        (ADDRESS, proof(ADDRESS, 8)),
        (ADDRESS, trie.encode_nodes(WORLD.nodes_to(ADDRESS), [])),
        (bytes(20), proof(bytes(20), 7)),
    ):
        with pytest.raises(Malformed, match="bad-proof"):
            trie.proved_slot(WORLD.root, address, place(7), raw)


NODES = SLOTS.nodes_to(place(7))


@pytest.mark.parametrize(
    "nodes",
    [
        NODES[:-1],
        NODES[1:],
        [],
        [*NODES, NODES[-1]],
        NODES[::-1],
        [*NODES[:-1], SLOTS.nodes_to(place(8))[-1]],
        [*NODES[:-1], NODES[-1][:-1] + bytes((NODES[-1][-1] ^ 1,))],
        [NODES[0]] * (TRIE_NODES_MAX + 1),
        [b"\0" * (TRIE_NODE_BYTES_MAX + 1)],
    ],
)
def test_nodes_that_are_not_the_way_are_refused(nodes):
    assert len(NODES) == 3
    with pytest.raises(Malformed, match="bad-proof"):
        trie.slot(SLOTS.root, place(7), nodes)


def crafted(node, *more) -> None:
    """Look up under a root that somebody made of this node."""
    raw = rlp.encode(node)
    trie.look_up(keccak256(raw), b"key", [raw, *map(rlp.encode, more)])


PATH = nibbles(keccak256(b"key"))
LEAF = (pack(PATH, is_leaf=True), b"value")
LONG = (pack(PATH[1:], is_leaf=True), b"value" * 9)


def branch(child, at_end=b""):
    return (*tuple(child if half == PATH[0] else b"" for half in range(16)), at_end)


def test_crafted_nodes_prove_as_plain_ones_do():
    raw = rlp.encode(LEAF)
    assert trie.look_up(keccak256(raw), b"key", [raw]) == b"value"
    assert trie.look_up(keccak256(raw), b"other", [raw]) is None
    inner = rlp.encode(LONG)
    top = rlp.encode(branch(keccak256(inner)))
    assert trie.look_up(keccak256(top), b"key", [top, inner]) == b"value" * 9
    short = (b"\x20", b"v")  # a leaf so short that it stands in the node above: only at the very end of a path
    way = rlp.encode((pack(PATH[:63], is_leaf=False), (*tuple(short if half == PATH[63] else b"" for half in range(16)), b"")))
    assert trie.look_up(keccak256(way), b"key", [way]) == b"v"


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (branch(keccak256(b"x"), b"value"), "holds one"),
        (branch(b"short"), "no hash"),
        (branch(LONG), "instead of its hash"),
        ((b"", b"value"), "empty or too long"),
        ((b"\x40" + bytes(32), b"value"), "wrong mark"),
        ((b"\x21" + pack(PATH, is_leaf=True)[1:], b"value"), "wrong mark"),
        ((pack(PATH[:63], is_leaf=True), b"value"), "not at the end"),
        ((pack((*PATH, 1), is_leaf=True), b"value"), "not at the end"),
        ((pack((*PATH, 1, 1), is_leaf=True), b"value"), "too long"),
        ((pack((), is_leaf=False), keccak256(b"x")), "leads nowhere"),
        ((pack(PATH, is_leaf=False), keccak256(b"x")), "leads nowhere"),
        ((pack(PATH[:3], is_leaf=False), b""), "leads to nothing"),
        ((b"\x20", b"a", b"b"), "neither 17"),
        ((), "neither 17"),
    ],
)
def test_crafted_nodes_that_no_trie_has_are_refused(node, reason):
    with pytest.raises(Malformed, match=reason):
        crafted(node)


def test_values_have_their_form():
    for content in (rlp.encode(b""), rlp.encode(b"\0\1"), rlp.encode(bytes([1] * 33)), rlp.encode((b"a",)), b"\x01\x02"):
        made = Trie({place(1): content})
        with pytest.raises(Malformed):
            trie.slot(made.root, place(1), made.nodes_to(place(1)))
    for content in (rlp.encode((b"", b"", bytes(32))), rlp.encode((b"", b"", bytes(31), bytes(32))), rlp.encode(b"a")):
        made = Trie({ADDRESS: content})
        with pytest.raises(Malformed):
            trie.account(made.root, ADDRESS, made.nodes_to(ADDRESS))


def test_the_place_of_an_entry_of_a_mapping():
    found = trie.mapping_slot(place(1), place(0))  # keccak(1 . 0), as any Solidity compiler has it
    assert found.hex() == "ada5013122d395ba3c54772283fb069b10426056ef8ca54750cb9bb552a59e7d"
