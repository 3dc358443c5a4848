"""What the Solidity light client must do, each as a function of a client on a machine: for the client as it is, and for bent ones."""

from dataclasses import replace

from chainnode.crypto.secp256k1 import ORDER
from chainnode.digests import block_id, validators_hash
from chainnode.foreign import evmclient
from chainnode.foreign.abi import Word, encode
from chainnode.foreign.ethkeys import uncompressed
from chainnode.types.block import BlockId, PartSetHeader, ValidatorSet
from tests.chain_maker import GENESIS_TIME_NS, key_of, make_genesis, set_of, sign_commit
from tests.evm.followed import HEADER, OTHER_HASH, SIGNED, START_S, TRUSTING_S, Chain, Followed, changed, refused

SECOND = 10**9


def follows_headers_one_by_one_and_skips(world: Followed) -> None:
    chain = world.chain
    first, second, third = chain.maker.blocks[0], chain.decide(), chain.decide(absent=[3])
    assert world.answer(world.signed(first)) == 0
    world.update(first)
    assert world.latest == 1
    world.update(second, first)
    world.update(third)  # from the beginning: the set is the announced one still
    assert world.latest == 3 and not world.is_frozen
    assert world.answer(world.signed(third)) == 2
    assert world.show(world.signed(second)).logs == []
    assert world.machine.ask_contract(world.address, "states(uint64)", 3) != bytes(32)
    assert world.machine.ask_contract(world.address, "states(uint64)", 4) == bytes(32)


def reads_every_form_of_the_bytes(world: Followed) -> None:
    """Heights, times, rounds and versions of one byte and of more; what is zero is left out."""
    chain = world.chain
    block = chain.decide(200, interval_ns=10_000_001)
    for header in (
        block.header,
        chain.maker.forged(block, version_app=3).header,
        chain.maker.forged(block, version_app=300, height=2**40).header,
        chain.maker.forged(block, time_ns=GENESIS_TIME_NS + 30 * SECOND).header,
        chain.maker.forged(block, time_ns=GENESIS_TIME_NS + 30 * SECOND + 127).header,
        chain.maker.forged(block, last_commit_hash=b"", proposer_address=b"", consensus_hash=b"\1").header,
    ):
        signed = chain.maker.sign(header, block.validators)
        assert world.answer(world.signed(signed)) == 0
    keys = {one.address: key_of(name, "s") for name, one in zip("abcd", block.validators.validators, strict=True)}
    named = BlockId(block_id(block.header, b"x").hash, PartSetHeader(300, b"\7" * 32))
    for round in (0, 1, 300):
        commit = sign_commit(block.header, named, block.validators, keys, round=round)
        assert world.answer(world.signed(replace(block, commit=commit))) == 0


def wants_more_than_two_thirds(world: Followed) -> None:
    """Powers 40, 30, 20, 10: the first two are 70 of 100; the first with the last two 70 as well; without the first 60."""
    signed = world.signed(world.chain.maker.blocks[0])
    votes = signed[SIGNED.index("votes")]
    assert len(votes) == 2 and world.answer(signed) == 0
    few = "BadCommit: no more than two thirds signed"
    refused(few, lambda: world.answer(changed(signed, votes=votes[:1])))
    refused(few, lambda: world.answer(changed(signed, votes=[])))
    chain = Chain(evm_genesis({"a": 1, "b": 1, "c": 1}))
    thirds = Followed(world.machine, world.code, chain)
    signed = thirds.signed(chain.maker.blocks[0])
    votes = signed[SIGNED.index("votes")]
    assert len(votes) == 3 and thirds.answer(signed) == 0
    refused(few, lambda: thirds.answer(changed(signed, votes=votes[:2])))  # two thirds and no more


def counts_a_vote_once(world: Followed) -> None:
    signed = world.signed(world.chain.maker.blocks[0])
    first, second = signed[SIGNED.index("votes")]
    for votes in ([first, first], [second, first], [first, second, second]):
        refused("BadCommit: votes out of order", lambda votes=votes: world.answer(changed(signed, votes=votes)))


def takes_signatures_of_the_validators_alone(world: Followed) -> None:
    signed = world.signed(world.chain.maker.blocks[0])
    first, second = signed[SIGNED.index("votes")]
    bad = "BadCommit: not signed by the validator"
    other = {"r": second[5], "s": second[6], "v": second[2]}
    for vote in (
        changed(first, **other),
        changed(first, v=55 - first[2]),
        changed(first, v=0),  # for which ecrecover gives no address
        changed(first, timeSeconds=first[3] + 1),
        changed(first, timeNanos=first[4] + 1),
        changed(first, index=1),
    ):
        refused(bad, lambda vote=vote: world.answer(changed(signed, votes=[vote])))
    high = ORDER - int.from_bytes(first[6].content, "big")
    flipped = changed(first, s=Word(high.to_bytes(32, "big")), v=55 - first[2])
    refused("BadCommit: high s", lambda: world.answer(changed(signed, votes=[flipped, second])))
    refused("BadCommit: not a time", lambda: world.answer(changed(signed, votes=[changed(first, timeNanos=SECOND)])))
    refused("BadCommit: not for a whole block", lambda: world.answer(changed(signed, partsTotal=0)))
    for change in ({"partsTotal": 2}, {"partsHash": OTHER_HASH}, {"round": 1}):
        refused(bad, lambda change=change: world.answer(changed(signed, **change)))


def every_field_of_a_header_is_in_its_hash(world: Followed) -> None:
    signed = world.signed(world.chain.maker.blocks[0])
    header = signed[0]
    for name in HEADER:
        if name in ("validatorsHash", "height"):
            continue
        value = header[HEADER.index(name)]
        other = value + 1 if isinstance(value, int) else OTHER_HASH
        bent = changed(signed, header=changed(header, **{name: other}))
        refused("BadCommit: not signed by the validator", lambda bent=bent: world.answer(bent))
    height = changed(signed, header=changed(header, height=2))
    refused("BadCommit: not signed by the validator", lambda: world.answer(height))


def is_of_its_chain_alone(world: Followed) -> None:
    other = Chain(evm_genesis({"a": 40, "b": 30, "c": 20, "d": 10}, chain_id="evm-test-8"))
    block = other.decide()
    refused("BadCommit: not signed by the validator", lambda: world.answer(world.signed(block)))


def keeps_to_what_it_trusts(world: Followed) -> None:
    chain = world.chain
    first, second = chain.maker.blocks[0], chain.decide()
    signed = world.signed(first)
    refused("UnknownState", lambda: world.answer(changed(signed, trustedHeight=5)))
    state = signed[SIGNED.index("trusted")]
    for place in range(4):
        bent = tuple((OTHER_HASH if place < 3 else 7) if at == place else value for at, value in enumerate(state))
        refused("UnknownState", lambda bent=bent: world.answer(changed(signed, trusted=bent)))
    world.update(second)
    refused("BadHeader: not above the trusted height", lambda: world.answer(world.signed(first, second)))
    refused("BadHeader: not above the trusted height", lambda: world.answer(world.signed(second, second)))


def keeps_to_the_clock(world: Followed) -> None:
    chain = world.chain
    block = chain.decide()
    for time_ns in (GENESIS_TIME_NS, GENESIS_TIME_NS - SECOND):
        bent = chain.maker.forged(block, time_ns=time_ns)
        refused("BadHeader: not after the trusted time", lambda bent=bent: world.answer(world.signed(bent)))
    ahead = chain.maker.forged(block, time_ns=(START_S + 3600) * SECOND)
    refused("BadHeader: ahead of now", lambda: world.answer(world.signed(ahead)))
    header = world.signed(block)[0]
    for change in ({"timeNanos": SECOND}, {"timeSeconds": 0}):
        bent = changed(world.signed(block), header=changed(header, **change))
        refused("BadHeader: not a time", lambda bent=bent: world.answer(bent))
    with world.machine.undone():
        world.machine.set_time(GENESIS_TIME_NS // SECOND + TRUSTING_S - 30)
        assert world.answer(world.signed(block)) == 0
        world.machine.set_time(GENESIS_TIME_NS // SECOND + TRUSTING_S)
        refused("TrustExpired", lambda: world.answer(world.signed(block)))


def asks_for_registered_sets(world: Followed) -> None:
    chain = world.chain
    block = chain.decide(next_powers={"a": 40, "b": 30, "c": 20, "e": 10})
    after = chain.decide()
    world.update(block)
    refused("UnknownSet", lambda: world.answer(world.signed(after, block)))
    world.register(after)
    signed = world.signed(after, block)
    validators = signed[SIGNED.index("validators")]
    for bent in ([(validators[0][0], 100), *validators[1:]], validators[:3], validators[::-1], []):
        refused("UnknownSet", lambda bent=bent: world.answer(changed(signed, validators=bent)))
    world.update(after, block)
    assert world.latest == after.header.height


def follows_a_change_of_validators(world: Followed) -> None:
    """Next to the trusted header the announced set signs; further on a third of the trusted set must be among those who sign."""
    chain = world.chain
    first = chain.maker.blocks[0]
    chain.decide(next_powers={"a": 35, "x": 30, "y": 30})
    changed_set = chain.decide(next_powers={"x": 50, "y": 50, "b": 34})
    later = chain.decide()
    world.register(changed_set, later)
    assert world.answer(world.signed(changed_set)) == 0  # a has 40 of 100 trusted
    refused("NotEnoughTrust", lambda: world.answer(unchecked(world, later)))  # b alone has 30
    adjacent = chain.maker.sign(first.header, first.validators)
    forged = chain.maker.forged(first, validators_hash=changed_set.header.validators_hash)
    forged = chain.maker.sign(forged.header, changed_set.validators)
    refused("BadHeader: not the validators that were announced", lambda: world.answer(world.signed(forged)))
    assert world.answer(world.signed(adjacent)) == 0


def a_third_is_not_enough(world: Followed) -> None:
    chain = Chain(evm_genesis({"a": 10, "b": 10, "c": 10}))
    thirds = Followed(world.machine, world.code, chain)
    chain.decide(next_powers={"a": 100, "x": 1})
    block = chain.decide()
    thirds.register(block)
    refused("NotEnoughTrust", lambda: thirds.answer(unchecked(thirds, block)))


def counts_a_trusted_validator_once(world: Followed) -> None:
    """Who has a key twice in a set of its own making has not twice the trusted power."""
    chain = Chain(evm_genesis({"a": 3, "b": 4, "c": 4}))
    followed = Followed(world.machine, world.code, chain)
    member = chain.maker.validators.validators
    twice = next(one for one in member if one.power == 3)
    chain.decide()
    base = chain.decide()
    doubled = ValidatorSet((twice, twice, twice), 9)
    forged = chain.maker.forged(base, validators_hash=validators_hash(doubled))
    forged = chain.maker.sign(forged.header, doubled)
    world.machine.send(followed.address, evmclient.registration(doubled))
    signed = unchecked(followed, forged)
    votes = signed[SIGNED.index("votes")]
    assert len(votes) == 3
    refused("BadCommit: not that trusted validator, or again", lambda: followed.answer(signed))
    lone = [votes[0], *(changed(vote, trustedIndex=255) for vote in votes[1:])]
    refused("NotEnoughTrust", lambda: followed.answer(changed(signed, votes=lone)))
    others = [place for place, one in enumerate(member) if one is not twice]
    spread = [votes[0], *(changed(vote, trustedIndex=at) for vote, at in zip(votes[1:], others, strict=True))]
    refused("BadCommit: not that trusted validator, or again", lambda: followed.answer(changed(signed, votes=spread)))


def freezes_on_a_second_header(world: Followed) -> None:
    chain = world.chain
    block = chain.decide()
    other = chain.maker.forged(block, app_hash=b"\5" * 32)
    world.update(block)
    assert world.answer(world.signed(other)) == 1
    world.update(chain.decide())
    assert world.answer(world.signed(other)) == 1  # of a height below the latest as well
    world.update(other)
    assert world.is_frozen
    for action in (lambda: world.update(block), lambda: world.answer(world.signed(chain.decide()))):
        refused("NotActive", action)
    assert world.machine.number_of(world.address, "isActive()") == 0


def freezes_when_time_runs_backwards(world: Followed) -> None:
    chain = world.chain
    low = chain.decide()
    high = chain.decide()
    late = chain.maker.forged(low, time_ns=high.header.time_ns)
    with world.machine.undone():
        world.update(high)
        assert world.answer(world.signed(low)) == 0
        assert world.answer(world.signed(late)) == 1
        world.update(late)
        assert world.is_frozen
    early = chain.maker.forged(high, time_ns=low.header.time_ns)
    world.update(low)
    assert world.answer(world.signed(high)) == 0
    assert world.answer(world.signed(early)) == 1


def freezes_on_proof_of_misbehaviour(world: Followed) -> None:
    chain = world.chain
    low = chain.decide()
    high = chain.decide()
    other = chain.maker.forged(low, data_hash=b"\5" * 32)
    early = chain.maker.forged(high, time_ns=low.header.time_ns)

    def show(first, second) -> None:
        pair = evmclient.misbehaviour(world.signed(first), world.signed(second))
        world.machine.send(world.address, pair)

    for pair in ((low, low), (low, high), (high, low)):
        refused("NoMisbehaviour", lambda pair=pair: show(*pair))
    unsigned = changed(world.signed(other), votes=[])
    bad = evmclient.call(evmclient.MISBEHAVIOUR, encode((world.signed(low), unsigned)))
    refused("BadCommit: no more than two thirds signed", lambda: world.machine.send(world.address, bad))
    assert not world.is_frozen
    for first, second in ((low, other), (early, low), (low, early)):
        with world.machine.undone():
            show(first, second)
            assert world.is_frozen
            refused("NotActive", lambda: show(low, other))


def registers_sets_by_their_hash(world: Followed) -> None:
    for names in ("a", "ab", "abc", "abcde", "abcdefg"):
        made = set_of({name: 1000 + number for number, name in enumerate(names)}, "s")
        answer = world.machine.call(world.address, evmclient.registration(made))
        assert answer == validators_hash(made)


def refuses_what_is_no_key(world: Followed) -> None:
    key = world.chain.maker.blocks[0].validators.validators[0].public_key.data
    point = uncompressed(key)
    x, y = Word(point[1:33]), Word(point[33:])
    field = 2**256 - 2**32 - 977
    low = next(low for low in range(1, 99) if pow(low**3 + 7, (field - 1) // 2, field) == 1)  # the x of a point, so small that
    low_y = Word(pow(low**3 + 7, (field + 1) // 4, field).to_bytes(32, "big"))  # x plus the prime has 256 bits as well
    world.machine.call(world.address, evmclient.call(evmclient.REGISTER, [(Word(low.to_bytes(32, "big")), low_y, 1)]))
    for keys in (
        [],
        [(x, y, 0)],
        [(y, x, 1)],
        [(x, Word(bytes(32)), 1)],
        [(Word((low + field).to_bytes(32, "big")), low_y, 1)],
        [(x, y, 1)] * 101,
    ):
        refused("BadKey", lambda keys=keys: world.machine.call(world.address, evmclient.call(evmclient.REGISTER, keys)))


def evm_genesis(powers, chain_id="evm-test-7"):
    return make_genesis(powers, chain_id=chain_id, suite="s")


def unchecked(world: Followed, block):
    """A header with every vote, as somebody sends it who does not ask first whether they are enough."""
    trusted = world.chain.maker.blocks[0].validators.validators
    places = {one.public_key.data: place for place, one in enumerate(trusted)}
    votes = [
        evmclient._vote(block.header.chain_id, block.commit, index, places.get(one.public_key.data, 255), one)
        for index, one in enumerate(block.validators.validators)
    ]
    adjacent = world.signed(world.chain.maker.blocks[0])
    parts = block.commit.block_id.parts
    return changed(
        adjacent,
        header=evmclient._header(block.header),
        partsTotal=parts.total,
        partsHash=Word(parts.hash),
        validators=evmclient._accounts(block.validators.validators),
        trustedValidators=evmclient._accounts(trusted),
        votes=votes,
    )


CHECKS = [
    follows_headers_one_by_one_and_skips,
    reads_every_form_of_the_bytes,
    wants_more_than_two_thirds,
    counts_a_vote_once,
    takes_signatures_of_the_validators_alone,
    every_field_of_a_header_is_in_its_hash,
    is_of_its_chain_alone,
    keeps_to_what_it_trusts,
    keeps_to_the_clock,
    asks_for_registered_sets,
    follows_a_change_of_validators,
    a_third_is_not_enough,
    counts_a_trusted_validator_once,
    freezes_on_a_second_header,
    freezes_when_time_runs_backwards,
    freezes_on_proof_of_misbehaviour,
    registers_sets_by_their_hash,
    refuses_what_is_no_key,
]
