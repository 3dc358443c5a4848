"""What the Solidity light client must do with proofs of state, for the client as it is and for bent ones."""

from chainnode.foreign import evmclient
from chainnode.foreign.abi import Word, encode
from chainnode.foreign.evmclient import kept_state
from chainnode.statetree import StateTree
from tests.chain_maker import GENESIS_TIME_NS
from tests.evm.followed import OTHER_HASH, REVISION, TRUSTING_S, Followed, refused

KEY, VALUE, MISSING = b"key-7", b"value 7", b"key-7a"


def brought(world: Followed):
    """A block that the client knows, whose app hash holds what the chain held."""
    block = world.chain.decide()
    world.update(block)
    return block


def parts(world: Followed, block, key: bytes):
    """State, nodes of the store's tree, nodes of the map of stores, of a key that is there."""
    proofs = world.chain.prove(block, key)
    return kept_state(block.header).value(), evmclient._steps(proofs[0]), evmclient._store_steps(proofs[1])


def sides(world: Followed, block, key: bytes):
    """State, left and right neighbour, nodes of the map of stores, of a key that is not there."""
    proofs = world.chain.prove(block, key)
    neighbours = evmclient._neighbour(proofs[0].left), evmclient._neighbour(proofs[0].right)
    return kept_state(block.header).value(), *neighbours, evmclient._store_steps(proofs[1])


def every_key_that_is_there_is_proved(world: Followed) -> None:
    block = brought(world)
    contents = world.chain.states[block.header.app_hash]
    for key in list(contents)[::5]:
        assert world.holds(block, key, contents[key], world.present(block, key)) == block.header.time_ns // 10**9


def nothing_else_is_proved(world: Followed) -> None:
    block = brought(world)
    good = world.present(block, KEY)
    other = "BadProof: another root"
    refused(other, lambda: world.holds(block, KEY, b"value 8", good))
    refused(other, lambda: world.holds(block, b"key-8", VALUE, good))
    refused(other, lambda: world.holds(block, KEY, VALUE, good, path=[b"evidence", KEY]))
    refused("BadProof: an empty key or value", lambda: world.holds(block, KEY, b"", good))
    refused("BadProof: an empty key or value", lambda: world.holds(block, b"", VALUE, good))
    refused("BadProof: no store, or too deep", lambda: world.holds(block, KEY, VALUE, good, path=[b"", KEY]))
    for path in ([KEY], [b"ibc", KEY, b""]):
        refused("BadProof: a path has a store and a key", lambda path=path: world.holds(block, KEY, VALUE, good, path=path))


def every_node_of_a_proof_counts(world: Followed) -> None:
    block = brought(world)
    state, steps, store = parts(world, block, KEY)
    assert world.holds(block, KEY, VALUE, encode((state, steps, store))) and len(steps) > 3 and len(store) > 1

    def refuse(steps, store) -> None:
        refused("BadProof: another root", lambda: world.holds(block, KEY, VALUE, encode((state, steps, store))))

    for place, (height, size, is_right, sibling) in enumerate(steps):
        for bent in (
            (height + 1, size, is_right, sibling),
            (height, size + 1, is_right, sibling),
            (height, size, not is_right, sibling),
            (height, size, is_right, OTHER_HASH),
        ):
            refuse([*steps[:place], bent, *steps[place + 1 :]], store)
    refuse(steps[:-1], store)
    refuse(steps[1:], store)
    for place, (is_right, sibling) in enumerate(store):
        for bent in ((not is_right, sibling), (is_right, OTHER_HASH)):
            refuse(steps, [*store[:place], bent, *store[place + 1 :]])
    refuse(steps, store[:-1])


def a_node_is_not_taken_for_a_leaf(world: Followed) -> None:
    """The height above a leaf is at least that of its layer, so a leaf's bytes never stand for a node's."""
    block = brought(world)
    state, steps, store = parts(world, block, KEY)
    for place in range(len(steps)):
        _, *rest = steps[place]
        low = [*steps[:place], (place, *rest), *steps[place + 1 :]]
        refused("BadProof: a height below its layer", lambda low=low: world.holds(block, KEY, VALUE, encode((state, low, store))))
    deep = [(200, 1, False, OTHER_HASH)] * 129
    refused("BadProof: too deep", lambda: world.holds(block, KEY, VALUE, encode((state, deep, store))))


def only_known_states_prove(world: Followed) -> None:
    block = brought(world)
    state, steps, store = parts(world, block, KEY)
    good = encode((state, steps, store))
    for height in ((REVISION + 1, block.header.height), (REVISION, block.header.height + 1), (0, block.header.height)):
        refused("UnknownState", lambda height=height: world.holds(block, KEY, VALUE, good, height=height))
    contents = {KEY: VALUE, b"z": b"z"}
    tree = StateTree.build(sorted(contents.items()))
    proof = tree.prove(KEY, contents.__getitem__)
    forged = (Word(tree.root), *state[1:])
    bent = encode((forged, evmclient._steps(proof), []))
    refused("UnknownState", lambda: world.holds(block, KEY, VALUE, bent))


def every_missing_key_is_proved_missing(world: Followed) -> None:
    block = brought(world)
    for key in (MISSING, b"key", b"key-", b"key-999", b"a", b"\x00\x00", b"zzz", KEY + b"\0", b"\xff" * 64):
        assert world.holds(block, key, None, world.absent(block, key)) == block.header.time_ns // 10**9
    world.chain.contents = {b"m": b"m", b"n": b"n"}
    other = brought(world)
    for key in (b"a", b"z", b"ma"):  # left of all, right of all, between two leaves of one node
        assert world.holds(other, key, None, world.absent(other, key))


def a_key_that_is_there_is_not_proved_missing(world: Followed) -> None:
    block = brought(world)
    proof = world.absent(block, MISSING)
    for key, reason in (
        (KEY, "not right of the left neighbour"),
        (b"key-8", "not left of the right neighbour"),
        (b"key-6", "not right of the left neighbour"),
        (b"key-90", "not left of the right neighbour"),
    ):
        refused(f"BadProof: {reason}", lambda key=key: world.holds(block, key, None, proof))
    refused("BadProof: no key, or no neighbours", lambda: world.holds(block, b"", None, proof))


def neighbours_are_neighbours(world: Followed) -> None:
    """Of the keys in their order, no two that have another between them pass for neighbours; nor does one pass for the outermost."""
    block = brought(world)
    contents = world.chain.states[block.header.app_hash]
    keys = sorted(contents)
    state, left, right, store = sides(world, block, MISSING)
    between = keys.index(left[0])
    assert keys[between + 1] == right[0]
    none = (b"", b"", [])

    def at(place: int):
        key = keys[place]
        return (key, contents[key], parts(world, block, key)[1])

    def refuse(reason: str, left, right, asked: bytes = MISSING) -> None:
        refused(f"BadProof: {reason}", lambda: world.holds(block, asked, None, encode((state, left, right, store))))

    for far in range(between + 2, len(keys), 3):
        lies(lambda far=far: world.holds(block, MISSING, None, encode((state, left, at(far), store))))
    for far in range(0, between, 3):
        lies(lambda far=far: world.holds(block, MISSING, None, encode((state, at(far), right, store))))
    refuse("something lies between", left, none)
    refuse("something lies between", none, right)
    refuse("no key, or no neighbours", none, none)
    assert world.holds(block, b"\0\0", None, encode((state, at(0), at(1), store)))
    refuse("something lies between", at(0), none, b"\0\0")
    assert world.holds(block, b"zzz", None, encode((state, at(len(keys) - 1), none, store)))
    refuse("not right of the left neighbour", right, left)
    refuse("not left of the right neighbour", left, left)


def lies(action) -> None:
    """That two keys with others between them are not taken for neighbours."""
    for reason in ("something lies between", "not side by side"):
        try:
            refused(f"BadProof: {reason}", action)
            return
        except AssertionError as error:
            if "not refused" in str(error):
                raise
    raise AssertionError("refused for another reason")


def neighbours_are_of_one_tree(world: Followed) -> None:
    block = brought(world)
    state, left, right, store = sides(world, block, MISSING)
    _, *rest = left[2][0]
    bent = (*left[:2], [(left[2][0][0] + 1, *rest), *left[2][1:]])
    refused("BadProof: neighbours in two trees", lambda: world.holds(block, MISSING, None, encode((state, bent, right, store))))
    refused(
        "BadProof: neighbours in two trees",
        lambda: world.holds(block, MISSING, None, encode((state, left, (right[0], b"x", right[2]), store))),
    )
    refused("BadProof: another root", lambda: world.holds(block, MISSING, None, encode((state, left, right, store[:-1]))))


def nothing_is_proved_by_who_is_frozen_or_expired(world: Followed) -> None:
    block = brought(world)
    present, absent = world.present(block, KEY), world.absent(block, MISSING)
    with world.machine.undone():
        world.machine.set_time(GENESIS_TIME_NS // 10**9 + TRUSTING_S + 3600)
        refused("NotActive", lambda: world.holds(block, KEY, VALUE, present))
        assert world.machine.number_of(world.address, "isActive()") == 0
    assert world.machine.number_of(world.address, "isActive()") == 1
    world.update(world.chain.maker.forged(block, app_hash=b"\5" * 32))
    refused("NotActive", lambda: world.holds(block, KEY, VALUE, present))
    refused("NotActive", lambda: world.holds(block, MISSING, None, absent))


CHECKS = [
    every_key_that_is_there_is_proved,
    nothing_else_is_proved,
    every_node_of_a_proof_counts,
    a_node_is_not_taken_for_a_leaf,
    only_known_states_prove,
    every_missing_key_is_proved_missing,
    a_key_that_is_there_is_not_proved_missing,
    neighbours_are_neighbours,
    neighbours_are_of_one_tree,
    nothing_is_proved_by_who_is_frozen_or_expired,
]
