"""Blocks on top of a real state: what may follow the last one, what is refused and why, and what is on disk after each."""

from dataclasses import replace
from hashlib import sha256

import pytest

from chainnode import blocks, digests, light
from chainnode.errors import Corrupt, Malformed, Unavailable
from chainnode.storage.faulty import Fault, FaultyKV
from chainnode.transactions import encode_batch
from chainnode.types.block import ABSENT_SIG, Block, PartSetHeader
from chainnode.types.codes import BAD_SIGNATURE, CORRUPT_STORE, DISK_FULL, MALFORMED, TOO_LARGE, WRONG_CHAIN
from chainnode.types.genesis import ChainParams
from chainnode.types.messages import DecidedBlock
from tests.chain_maker import make_genesis, make_transaction, set_of, sign_commit
from tests.node.small_chain import CLIENT, KEYS, POWERS, SECOND_NS, SmallChain, batch, new_validator, proposal, record, transaction

OTHER = b"\x01" * 32


@pytest.fixture
def small() -> SmallChain:
    """A chain of two blocks."""
    made = SmallChain.open()
    made.decide(batch(transaction(1)))
    made.decide()
    return made


def may_follow(small: SmallChain, block: Block, *batches, time_ns: int | None = None) -> bool:
    return small.chain.check(blocks.encode_block(block), batches, block.header.time_ns if time_ns is None else time_ns)


# Built and applied


def test_what_is_built_may_follow_and_is_applied(small: SmallChain) -> None:
    one, two = batch(transaction(2), transaction(3)), batch(transaction(4))
    block, block_bytes, block_id = small.build(one, two)
    assert block_id == digests.block_id(block.header, block_bytes)
    assert may_follow(small, block, one, two)
    applied = small.chain.apply(block_bytes, small.commit_of(block), (one, two))
    assert [result.code for result in applied.results] == [0, 0, 0]
    assert applied.tx_ids == tuple(tx.tx_id for tx in one.txs + two.txs)
    assert applied.batch_digests == (one.digest, two.digest)
    assert small.chain.tip is applied.tip and applied.tip.height == 3 and applied.tip.block_id == block_id
    assert small.chain.state.ledger.log_state().size == 4


def test_a_block_fixes_the_state_and_the_results_of_the_one_before(small: SmallChain) -> None:
    applied = small.decide(batch(transaction(2)))
    following = small.decide()
    assert following.header.app_hash == applied.tip.app_hash != applied.header.app_hash
    assert following.header.last_results_hash == digests.results_hash(applied.results)


def test_what_was_learnt_of_a_block_is_forgotten_when_it_is_not_written(small: SmallChain, monkeypatch: pytest.MonkeyPatch) -> None:
    small.decide(batch(transaction(2)))
    assert small.chain._memos.by_name
    with monkeypatch.context() as patch:
        patch.setattr(small.chain.state.ledger, "commit_height", full_disk)
        with pytest.raises(Unavailable):
            small.decide(batch(proposal(1, "set_parameter", "block_txs_max", 7)))
    assert not small.chain._memos.by_name
    assert small.decide(batch(transaction(3))).results.are_ok


def full_disk(_: object) -> None:
    """Nothing can be written."""
    raise Unavailable(DISK_FULL)


def test_a_change_is_due_to_be_proved_and_nothing_else_is(small: SmallChain) -> None:
    assert small.decide(batch(transaction(2))).tip.is_due
    assert not small.decide().tip.is_due


def test_a_block_s_time_is_later_than_the_last_one_s_even_if_our_clock_is_not(small: SmallChain) -> None:
    tip = small.chain.tip
    block, _, _ = small.chain.build((), tip.validators.validators[0].address, tip.time_ns - SECOND_NS)
    assert block.header.time_ns == tip.time_ns + 1
    assert may_follow(small, block)


def test_a_restart_finds_the_same_tip(small: SmallChain) -> None:
    small.decide(batch(transaction(2)))
    again = SmallChain.open(small.kv)
    assert again.chain.tip == small.chain.tip
    assert again.decide().header.last_block_id == small.chain.tip.block_id


def test_blocks_are_found_by_their_hash_after_a_restart_too(small: SmallChain) -> None:
    names = []
    for _ in range(3):
        small.decide()
        names.append(small.chain.tip.block_id.hash)
    for chain in (small.chain, SmallChain.open(small.kv).chain):
        assert [chain.height_of_block(name) for name in names] == list(range(chain.tip.height - 2, chain.tip.height + 1))
        assert chain.height_of_block(OTHER) is None


def test_a_restart_before_the_first_block_finds_the_genesis() -> None:
    small = SmallChain.open()
    assert SmallChain.open(small.kv).chain.tip == small.chain.tip
    assert small.chain.tip.is_due and small.chain.tip.commit is None


def test_a_new_validator_decides_from_the_second_height_on_and_a_restart_knows(small: SmallChain) -> None:
    before, after = set_of(POWERS), set_of({**POWERS, "late": 50})
    small.decide(batch(proposal(1, "set_validator", *new_validator("late", 50))))
    assert (small.chain.tip.validators, small.chain.tip.next_validators) == (before, after)
    block, _, _ = small.build()
    assert block.header.validators_hash == digests.validators_hash(before)
    assert block.header.next_validators_hash == digests.validators_hash(after)
    assert SmallChain.open(small.kv).chain.tip == small.chain.tip
    small.decide()
    assert (small.chain.tip.validators, small.chain.tip.next_validators) == (after, after)
    small.decide()  # whose commit the new one signed
    small.decide()
    assert SmallChain.open(small.kv).chain.tip == small.chain.tip


def test_the_parent_s_commit_is_judged_by_the_validators_of_its_height(small: SmallChain) -> None:
    small.decide(batch(proposal(1, "set_validator", *new_validator("late", 50))))
    small.decide()
    block, _, _ = small.build()
    assert small.chain.tip.validators != set_of(POWERS) and block.last_commit is not None
    places = (*block.last_commit.signatures[:3], ABSENT_SIG)
    other = with_commit(block, replace(block.last_commit, signatures=places))
    assert may_follow(small, other) and may_follow(SmallChain.open(small.kv), other)
    small.decide()
    block, _, _ = small.build()
    assert block.last_commit is not None and len(block.last_commit.signatures) == 5
    other = with_commit(block, replace(block.last_commit, signatures=(*block.last_commit.signatures[:4], ABSENT_SIG)))
    assert may_follow(small, other) and may_follow(SmallChain.open(small.kv), other)


def test_what_may_be_voted_for_is_not_judged_again_when_it_is_decided(small: SmallChain, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[bytes] = []
    real = small.chain._check
    monkeypatch.setattr(small.chain, "_check", lambda *asked: (judged.append(asked[0]), real(*asked))[1])
    one, two = batch(transaction(2)), batch(transaction(3))
    block, block_bytes, _ = small.build(one)
    assert may_follow(small, block, one) and len(judged) == 1
    applied = small.chain.apply(block_bytes, small.commit_of(block), (one,))
    assert len(judged) == 1 and applied.header == block.header
    with pytest.raises(AssertionError):  # it followed the tip of then
        small.chain.apply(block_bytes, small.commit_of(block), (one,))
    other, other_bytes, _ = small.build(two)
    mine, mine_bytes, _ = small.build()
    assert may_follow(small, mine)
    with pytest.raises(AssertionError):  # the block that was checked has no batches
        small.chain.apply(mine_bytes, small.commit_of(mine), (two,))
    small.chain.apply(other_bytes, small.commit_of(other), (two,))  # another one than was checked
    assert judged[1:] == [block_bytes, mine_bytes, mine_bytes, other_bytes]


def test_what_may_not_be_voted_for_is_judged_again_when_it_is_decided(small: SmallChain) -> None:
    block, block_bytes, _ = small.build()
    assert not may_follow(small, block, time_ns=block.header.time_ns + 1)
    assert small.chain._sound is None
    small.chain.apply(block_bytes, small.commit_of(block), ())


def test_of_a_parent_s_commit_those_votes_are_checked_that_we_have_not(small: SmallChain, monkeypatch: pytest.MonkeyPatch) -> None:
    small.decide(absent=(2, 3))
    block, _, _ = small.build()
    header, tip = small.chain.state.ledger.header(3), small.chain.tip
    assert header is not None
    whole = sign_commit(blocks.decode_header(header), tip.block_id, tip.validators, KEYS)
    checked: list[int] = []
    real = light.verify_many
    monkeypatch.setattr(light, "verify_many", lambda items: (checked.append(len(items)), real(items))[1])
    assert may_follow(small, with_commit(block, whole)) and checked == [2]


def test_new_parameters_hold_from_the_next_block_on(small: SmallChain) -> None:
    assert small.chain.tip.params.precision_ms == 500
    small.decide(batch(proposal(1, "set_params", {"precision_ms": 700})))
    assert small.chain.tip.params == replace(small.genesis.params, precision_ms=700)
    assert SmallChain.open(small.kv).chain.tip.params == small.chain.tip.params


def test_the_data_hash_is_over_each_transaction_whatever_was_built_before(small: SmallChain) -> None:
    for raws in ((transaction(2),), (transaction(3), transaction(4)), ()):
        batches = (batch(*raws),) if raws else ()
        block, _, _ = small.build(*batches)
        assert block.header.data_hash == digests.data_hash([sha256(raw).digest() for raw in raws])


# Refused: each rule of `_check` and each member of the header

HEADER_CHANGES = {
    "version_app": lambda h: {"version_app": h.version_app + 1},
    "chain_id": lambda h: {"chain_id": "test-2"},
    "height": lambda h: {"height": h.height + 1},
    "last_block_id": lambda h: {"last_block_id": replace(h.last_block_id, hash=OTHER)},
    "last_commit_hash": lambda h: {"last_commit_hash": OTHER},
    "data_hash": lambda h: {"data_hash": OTHER},
    "validators_hash": lambda h: {"validators_hash": OTHER},
    "next_validators_hash": lambda h: {"next_validators_hash": OTHER},
    "consensus_hash": lambda h: {"consensus_hash": OTHER},
    "app_hash": lambda h: {"app_hash": OTHER},
    "last_results_hash": lambda h: {"last_results_hash": OTHER},
    "evidence_hash": lambda h: {"evidence_hash": OTHER},
    "proposer_address": lambda h: {"proposer_address": bytes(20)},
}


@pytest.mark.parametrize("name", sorted(HEADER_CHANGES))
def test_a_header_with_another(small: SmallChain, name: str) -> None:
    one = batch(transaction(2))
    block, _, _ = small.build(one)
    assert may_follow(small, block, one)
    assert not may_follow(small, replace(block, header=replace(block.header, **HEADER_CHANGES[name](block.header))), one)


def test_every_member_of_the_header_but_its_time_was_tried() -> None:
    block, _, _ = SmallChain.open().build()
    assert set(HEADER_CHANGES) | {"time_ns"} == set(block.header.__dataclass_fields__)


@pytest.mark.parametrize("later_ns", [0, -1, -SECOND_NS])
def test_a_time_that_is_not_after_the_last_one(small: SmallChain, later_ns: int) -> None:
    block, _, _ = small.build()
    assert not may_follow(small, replace(block, header=replace(block.header, time_ns=small.chain.tip.time_ns + later_ns)))


def test_a_time_that_is_not_the_proposal_s(small: SmallChain) -> None:
    block, _, _ = small.build()
    assert may_follow(small, block)
    assert not may_follow(small, block, time_ns=block.header.time_ns + 1)


def test_other_batches_than_the_block_names(small: SmallChain) -> None:
    one, two = batch(transaction(2)), batch(transaction(3))
    block, _, _ = small.build(one, two)
    assert may_follow(small, block, one, two)
    assert not may_follow(small, block, one)
    assert not may_follow(small, block, two, one)
    assert not may_follow(small, replace(block, batch_digests=(two.digest, one.digest)), one, two)


def test_the_same_batch_twice(small: SmallChain) -> None:
    one = batch(transaction(2))
    block, _, _ = small.build(one, one)
    assert not may_follow(small, block, one, one)


def test_too_many_bytes() -> None:
    one, two = batch(transaction(2)), batch(transaction(3))
    limit = len(one.batch_bytes) + len(two.batch_bytes)
    for most, expected in ((limit, True), (limit - 1, False)):
        small = SmallChain.open(params=ChainParams(block_bytes_max=most, tx_bytes_max=most // 2))
        block, _, _ = small.build(one, two)
        assert may_follow(small, block, one, two) is expected


def test_too_many_transactions() -> None:
    one = batch(transaction(2), transaction(3), transaction(4))
    for most, expected in ((3, True), (2, False)):
        small = SmallChain.open(params=ChainParams(block_txs_max=most))
        block, _, _ = small.build(one)
        assert may_follow(small, block, one) is expected


def test_bytes_that_are_no_block(small: SmallChain) -> None:
    for rubbish in (b"", b"\x00", b"\x93\x01\x02\x03", bytes(1000)):
        assert not small.chain.check(rubbish, (), small.time_ns)


# The parent's commit


def with_commit(block: Block, commit) -> Block:
    """The block with another last commit, and the header that names it."""
    return replace(block, last_commit=commit, header=replace(block.header, last_commit_hash=digests.commit_hash(commit)))


def test_another_sound_commit_of_the_parent_will_do(small: SmallChain) -> None:
    block, _, _ = small.build()
    assert block.last_commit == small.chain.tip.commit
    places = list(block.last_commit.signatures)
    assert small.chain.tip.validators.validators[3].power == 10
    places[3] = ABSENT_SIG
    assert may_follow(small, with_commit(block, replace(block.last_commit, signatures=tuple(places))))


def test_commits_that_prove_nothing(small: SmallChain) -> None:
    block, _, _ = small.build()
    commit = block.last_commit
    assert commit is not None
    forged = replace(commit.signatures[3], signature=bytes(64))  # of the weakest: the others are more than two thirds
    for bad in (
        replace(commit, signatures=(ABSENT_SIG, *commit.signatures[1:])),
        replace(commit, signatures=(*commit.signatures[:1], ABSENT_SIG, *commit.signatures[2:3], ABSENT_SIG)),
        replace(commit, signatures=(*commit.signatures[:3], forged)),
        replace(commit, signatures=commit.signatures[:3]),
        replace(commit, height=commit.height - 1),
        replace(commit, round=commit.round + 1),
        replace(commit, block_id=replace(commit.block_id, parts=PartSetHeader(1, OTHER))),
    ):
        assert not may_follow(small, with_commit(block, bad))


def test_no_commit_of_the_parent(small: SmallChain) -> None:
    block, _, _ = small.build()
    with pytest.raises(Malformed):
        blocks.decode_block(blocks.encode_block(with_commit(block, None)))
    assert not may_follow(small, with_commit(block, None))


def test_a_first_block_with_a_commit(small: SmallChain) -> None:
    fresh = SmallChain.open()
    block, _, _ = fresh.build()
    assert not may_follow(fresh, with_commit(block, small.chain.tip.commit))


# Batches of strangers


def test_a_batch_is_read_when_all_its_signatures_hold(small: SmallChain) -> None:
    raw = encode_batch([transaction(5), transaction(6)])
    assert small.chain.read_batch(raw) == batch(transaction(5), transaction(6))


def test_one_bad_transaction_spoils_the_batch(small: SmallChain) -> None:
    elsewhere = make_transaction(make_genesis({"x": 1}, chain_id="test-2"), [CLIENT], [record(1)])
    other_genesis = make_transaction(make_genesis({"x": 1}), [CLIENT], [record(1)])  # same chain id, another beginning
    cases = (
        ([transaction(5), elsewhere], WRONG_CHAIN),
        ([transaction(5), other_genesis], BAD_SIGNATURE),
        ([transaction(5), transaction(6)[:-1]], MALFORMED),
        ([], TOO_LARGE),
    )
    for raws, code in cases:
        with pytest.raises(Malformed) as caught:
            small.chain.read_batch(encode_batch(raws))
        assert caught.value.code is code


# Blocks of peers, of which nothing was verified


def synced(small: SmallChain, *raws: bytes, **changes) -> DecidedBlock:
    batches = (batch(*raws),) if raws else ()
    block, block_bytes, _ = small.build(*batches)
    made = DecidedBlock(block_bytes, small.commit_of(block), tuple(one.batch_bytes for one in batches))
    return replace(made, **changes)


def test_a_decided_block_of_a_peer_is_applied(small: SmallChain) -> None:
    assert small.chain.apply_synced(synced(small, transaction(2))).tip.height == 3


def test_a_peer_s_block_needs_a_commit_of_two_thirds(small: SmallChain) -> None:
    block, _, _ = small.build()
    assert small.chain.tip.validators.validators[0].power == 40
    for absent in ((0,), (1, 3)):
        with pytest.raises(Malformed):
            small.chain.apply_synced(synced(small, commit=small.commit_of(block, absent=absent)))
    assert small.chain.tip.height == 2


def test_a_peer_s_block_with_other_batches_is_refused(small: SmallChain) -> None:
    good = synced(small, transaction(2))
    for bad in (
        replace(good, batches=()),
        replace(good, batches=(encode_batch([transaction(3)]),)),
        replace(good, batches=good.batches * 2),
        replace(good, block_bytes=good.block_bytes + b"\x00"),
    ):
        with pytest.raises(Malformed):
            small.chain.apply_synced(bad)
    assert small.chain.tip.height == 2
    assert small.chain.apply_synced(good).tip.height == 3


def test_a_block_that_was_signed_but_does_not_follow_is_still_refused(small: SmallChain) -> None:
    block, _, _ = small.build()
    wrong = replace(block, header=replace(block.header, app_hash=OTHER))
    decided = DecidedBlock(blocks.encode_block(wrong), small.commit_of(wrong), ())
    with pytest.raises(Malformed):
        small.chain.apply_synced(decided)


# Our own faults and those of our disk


def test_a_decided_block_that_does_not_follow_is_our_bug(small: SmallChain) -> None:
    block, _, _ = small.build()
    wrong = replace(block, header=replace(block.header, app_hash=OTHER))
    with pytest.raises(AssertionError, match="does not follow"):
        small.chain.apply(blocks.encode_block(wrong), small.commit_of(wrong), ())
    assert small.chain.tip.height == 2


def test_a_damaged_store_is_not_taken_for_a_bad_block(small: SmallChain, monkeypatch: pytest.MonkeyPatch) -> None:
    block, _, _ = small.build()
    places = (*block.last_commit.signatures[:3], replace(block.last_commit.signatures[3], time_ns=1))
    other = with_commit(block, replace(block.last_commit, signatures=places))
    again = SmallChain.open(small.kv)
    monkeypatch.setattr(again.chain.state.ledger, "validators", lambda height: None)
    with pytest.raises(Corrupt) as caught:
        may_follow(again, other)
    assert caught.value.code is CORRUPT_STORE


def test_a_full_disk_leaves_the_height_undone_and_it_can_be_done_again() -> None:
    kv = FaultyKV()
    small = SmallChain.open(kv)
    small.decide()
    before = small.chain.tip
    kv.faults[kv.writes] = Fault.DISK_FULL
    one = batch(transaction(2))
    with pytest.raises(Unavailable) as caught:
        small.decide(one)
    assert caught.value.code is DISK_FULL and small.chain.tip is before
    again = SmallChain.open(kv.restarted())
    assert again.chain.tip == before
    assert again.decide(one).tip.height == 2


def test_the_validators_of_a_lost_height_are_damage() -> None:
    small = SmallChain.open()
    with pytest.raises(Corrupt):
        small.chain._validators_at(0)
    assert small.chain._validators_at(1) == set_of(POWERS)
