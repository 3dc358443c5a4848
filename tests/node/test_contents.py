"""Proposed blocks and their batches: what is missing, whom to ask, how much is kept."""

from chainnode.consensus.effects import CheckBlock
from chainnode.node.contents import Contents
from chainnode.types.limits import BATCH_ASK_AGAIN_MS, BATCH_REQUEST_DIGESTS_MAX, BATCH_WAIT_MS, PROPOSED_BLOCKS_MAX
from tests.node.voices import batch, block_id

A, B = block_id("a"), block_id("b")
ONE, TWO = batch(1), batch(2)
PEERS = ["p0", "p1", "p2"]


def wanted(contents: Contents, name: str = "a", *batches, peer: str | None = "p1") -> CheckBlock:
    """A block that names these batches, and the question about it."""
    question = CheckBlock(1, 0, block_id(name), 7)
    contents.add(question.block_id, name.encode(), tuple(one.digest for one in batches), peer)
    contents.want(question)
    return question


def nowhere(_: bytes) -> None:
    """Nothing is found."""


def test_a_block_is_whole_once_each_of_its_batches_is_here():
    contents = Contents()
    question = wanted(contents, "a", ONE, TWO)
    assert contents.gather(A, {ONE.digest: ONE}.get, 0) is None
    block = contents.get(A)
    assert block is not None and block.missing() == [TWO.digest]
    assert contents.give(batch(3)) == []
    assert contents.give(TWO) == [question]
    assert contents.give(TWO) == []  # it is here already
    assert block.ordered() == (ONE, TWO)
    assert block.size() == (len(ONE.batch_bytes) + len(TWO.batch_bytes), 2)


def test_a_block_without_batches_is_whole_at_once():
    contents = Contents()
    question = wanted(contents)
    assert contents.gather(A, nowhere, 0) == question


def test_only_what_is_wanted_and_here_is_gathered():
    contents = Contents()
    contents.add(A, b"a", (), None)
    assert contents.gather(A, nowhere, 0) is None  # nobody has asked
    contents.want(CheckBlock(1, 0, B, 7))
    assert contents.gather(B, nowhere, 0) is None  # the block is not here
    assert contents.give(ONE) == [] and contents.asks(PEERS, 10**6) == []


def test_a_batch_serves_every_block_that_names_it():
    contents = Contents()
    first = wanted(contents, "a", ONE, TWO)
    second = wanted(contents, "b", ONE)
    contents.gather(A, nowhere, 0)
    contents.gather(B, nowhere, 0)
    assert contents.give(ONE) == [second]
    assert contents.give(TWO) == [first]
    assert contents.find(ONE.digest) == ONE and contents.find(batch(9).digest) is None


def test_a_batch_of_one_block_serves_another_that_comes_later():
    contents = Contents()
    wanted(contents, "a", ONE)
    contents.give(ONE)
    question = wanted(contents, "b", ONE)
    assert contents.gather(B, nowhere, 0) == question


def test_a_verdict_ends_the_question():
    contents = Contents()
    question = wanted(contents, "a", ONE)
    assert contents.wanted() == [question] and contents.is_wanted(A)
    contents.judge(A, False)
    assert contents.wanted() == [] and not contents.is_wanted(A) and contents.verdicts == {A: False}
    assert contents.give(ONE) == [] and contents.asks(PEERS, 10**6) == []


def test_the_sender_is_asked_first_and_then_each_peer_in_turn():
    contents = Contents()
    wanted(contents, "a", ONE, TWO, peer="p1")
    contents.gather(A, nowhere, 0)
    assert contents.asks(PEERS, BATCH_WAIT_MS - 1) == []  # it may be on its way
    now_ms = BATCH_WAIT_MS
    asked = []
    for _ in range(4):
        asked += contents.asks(PEERS, now_ms)
        assert contents.asks(PEERS, now_ms + BATCH_ASK_AGAIN_MS - 1) == []
        now_ms += BATCH_ASK_AGAIN_MS
    assert [peer for peer, _ in asked] == ["p1", "p2", "p0", "p1"]
    assert {digests for _, digests in asked} == {(ONE.digest, TWO.digest)}


def test_when_the_sender_is_gone_or_nobody_is_there_the_others_are_asked():
    contents = Contents()
    wanted(contents, "a", ONE, peer="p9")
    contents.gather(A, nowhere, 0)
    assert contents.asks([], BATCH_WAIT_MS) == []
    assert [peer for peer, _ in contents.asks(PEERS, BATCH_WAIT_MS)] == ["p0"]


def test_so_many_batches_are_asked_for_at_once():
    contents = Contents()
    digests = tuple(number.to_bytes(32, "big") for number in range(BATCH_REQUEST_DIGESTS_MAX + 5))
    contents.add(A, b"a", digests, "p1")
    contents.want(CheckBlock(1, 0, A, 7))
    contents.gather(A, nowhere, 0)
    assert [asked for _, asked in contents.asks(PEERS, BATCH_WAIT_MS)] == [digests[:BATCH_REQUEST_DIGESTS_MAX]]


def test_so_many_blocks_that_were_not_found_valid_are_kept():
    contents = Contents()
    ids = [block_id(str(number)) for number in range(PROPOSED_BLOCKS_MAX + 3)]
    for one in ids:
        contents.add(one, b"", (), "p1")
        contents.judge(one, False)
    assert [one for one in ids if contents.get(one) is None] == ids[:3]


def test_a_block_that_was_found_valid_stays():
    contents = Contents()
    contents.add(A, b"a", (), None)
    contents.judge(A, True)
    for number in range(3 * PROPOSED_BLOCKS_MAX):
        contents.add(block_id(str(number)), b"", (), "p1")
    assert contents.get(A) is not None


def test_a_block_is_added_once():
    contents = Contents()
    wanted(contents, "a", ONE)
    contents.give(ONE)
    contents.add(A, b"a", (ONE.digest,), "p2")
    block = contents.get(A)
    assert block is not None and block.peer == "p1" and block.missing() == []


def test_a_new_height_knows_nothing():
    contents = Contents()
    wanted(contents, "a", ONE)
    contents.give(ONE)
    contents.judge(A, True)
    contents.clear()
    assert (contents.get(A), contents.verdicts, contents.wanted(), contents.find(ONE.digest)) == (None, {}, [], None)
