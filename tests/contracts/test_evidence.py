"""Each rule of evidence by hand: what is recorded, what is said of a digest that was recorded before, and what the log holds."""

from hashlib import sha256
from typing import Any

import pytest

from chainnode import codec, merkle
from chainnode.evidencelog import EMPTY_LOG
from chainnode.types.limits import EVIDENCE_META_BYTES_MAX, EVIDENCE_RECORDS_MAX
from contracts import evidence, roles
from contracts.evidence import ALGORITHMS, DIGEST_INDEX, HEAD_KEY, decode_position, encode_head
from tests.contracts.council import Council, did
from tests.contracts.receipt_world import digest

Record = tuple[str, bytes, bytes]


@pytest.fixture
def world() -> Council:
    return Council()


def records(*names: str, meta: bytes = b"scan") -> tuple[Record, ...]:
    """Records of documents with these names."""
    return tuple(("sha-256", digest(name), meta) for name in names)


def record(world: Council, *names: str, who: str = "mia") -> Any:
    """Put these on record."""
    return world.do([who], "evidence.record", records(*names))


def first_of(world: Council, name: str) -> tuple[int, int] | None:
    """Log index and height of a document's first record."""
    value = world.state.index_get(DIGEST_INDEX, digest(name))
    return None if value is None else decode_position(value)


def head(world: Council) -> bytes | None:
    """The log's head, after the block's end."""
    evidence.end_block(world.state)
    return world.value("evidence", HEAD_KEY)


def test_one_record_and_many_get_the_next_places_in_the_log(world: Council) -> None:
    assert record(world, "a") == (0, 1, ())
    assert world.events[0].attributes == {"by": did("mia"), "first": 0, "count": 1}
    assert record(world, *[f"b{number}" for number in range(100)]) == (1, 100, ())
    assert record(world, "c") == (101, 1, ())
    assert world.state.log_size == 102
    assert [first_of(world, name) for name in ("a", "b0", "b99", "c", "d")] == [(0, 1), (1, 2), (100, 2), (101, 3), None]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_three_algorithms_are_known(world: Council, algorithm: str) -> None:
    assert ALGORITHMS == ("sha-256", "sm3", "sha3-256")
    assert world.do(["mia"], "evidence.record", ((algorithm, digest("a"), b""),)) == (0, 1, ())


@pytest.mark.parametrize(
    "algorithm, value",
    [
        ("", digest("a")),
        ("md5", digest("a")),
        ("SHA-256", digest("a")),
        ("sha256", digest("a")),
        ("sha-256", b""),
        ("sha-256", digest("a")[:-1]),
        ("sm3", digest("a") + b"\x00"),
    ],
)
def test_a_digest_has_32_bytes_by_an_algorithm_that_is_known(world: Council, algorithm: str, value: bytes) -> None:
    detail = world.refused("bad-digest", "mia", "evidence.record", (*records("a", "b"), (algorithm, value, b"")))
    assert detail.startswith("record 2 ")  # and nothing of the call is kept
    assert first_of(world, "a") is None and world.state.log_size == 0


def test_a_description_has_a_limit(world: Council) -> None:
    longest = b"x" * EVIDENCE_META_BYTES_MAX
    world.do(["mia"], "evidence.record", records("a", meta=longest))
    detail = world.refused("meta-too-long", "mia", "evidence.record", (*records("b"), *records("c", meta=longest + b"x")))
    assert detail.startswith("record 1 ")


def test_a_call_has_a_limit(world: Council) -> None:
    names = [str(number) for number in range(EVIDENCE_RECORDS_MAX + 1)]
    assert world.do(["mia"], "evidence.record", records(*names[:-1], meta=b"")) == (0, EVIDENCE_RECORDS_MAX, ())
    world.refused("too-many", "mia", "evidence.record", records(*names, meta=b""))
    world.refused("too-many", "mia", "evidence.record", ())


def test_what_was_recorded_before_is_recorded_again_and_said(world: Council) -> None:
    record(world, "a", "b")
    assert record(world, "c", "b", "d", "a", who="cus") == (2, 4, ((1, 1), (3, 1)))
    assert record(world, "b", "d") == (6, 2, ((0, 1), (1, 2)))
    assert world.state.log_size == 8 and first_of(world, "b") == (1, 1) and first_of(world, "d") == (4, 2)


def test_a_digest_twice_in_one_call_was_recorded_before_at_this_height(world: Council) -> None:
    record(world, "z")
    assert record(world, "a", "b", "a", "a") == (1, 4, ((2, 2), (3, 2)))
    assert first_of(world, "a") == (1, 2)


def test_a_digest_twice_in_one_block_is_seen(world: Council) -> None:
    record(world, "a")
    world.height -= 1  # so that the next call is of the same block
    assert record(world, "a", who="cus") == (1, 1, ((0, 1),))


def test_a_digest_is_one_whatever_algorithm_it_is_said_to_be_by(world: Council) -> None:
    world.do(["mia"], "evidence.record", (("sm3", digest("a"), b""),))
    assert record(world, "a") == (1, 1, ((0, 1),))


@pytest.mark.parametrize("who", ["ada", "bob", "sam", "mia", "cus", "sue"])
def test_anybody_with_a_role_records(world: Council, who: str) -> None:
    assert record(world, "a", who=who) == (0, 1, ())


def test_inv_21_strangers_record_nothing(world: Council) -> None:
    world.refused("not-member", "stranger", "evidence.record", records("a"))
    world.refused("not-member", "stranger mia", "evidence.record", records("a"))
    world.do(["ada"], "roles.revoke", did("mia"), roles.MEMBER, "left")
    world.refused("not-member", "mia", "evidence.record", records("a"))


def test_the_head_is_size_and_root_of_the_leaves(world: Council) -> None:
    """A leaf is [1, sender, height, time_ms, algorithm, digest, meta, tx_id] in canonical bytes."""
    assert world.value("evidence", HEAD_KEY) == encode_head(EMPTY_LOG) == codec.encode((0, sha256(b"").digest()))
    leaves = []
    for who, names in (("mia", ("a", "b")), ("cus", ("c",)), ("sue", ("a", "d", "e"))):
        record(world, *names, who=who)
        tx_id = digest(str(world.height))
        leaves += [codec.encode((1, did(who), world.height, world.time_ms, *one, tx_id)) for one in records(*names)]
    assert head(world) == codec.encode((6, merkle.root(leaves)))


def test_a_block_without_evidence_leaves_the_head_alone(world: Council) -> None:
    before = world.everything()
    evidence.end_block(world.state)
    assert world.everything() == before


def test_refused_evidence_leaves_no_leaf(world: Council) -> None:
    record(world, "a")
    world.refused("bad-digest", "mia", "evidence.record", (*records("b"), ("md5", digest("c"), b"")))
    record(world, "c")
    value = head(world)
    assert value is not None and codec.as_array(codec.decode(value, bytes_max=64))[0] == 2
    assert first_of(world, "b") is None and first_of(world, "c") == (1, 3)
