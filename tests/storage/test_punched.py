"""A batch comes back as it was, whatever the log holds; of records that stand in it nothing is kept twice."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.errors import Corrupt
from chainnode.evidencelog import LeafGroup
from chainnode.storage.punched import fill, punch
from chainnode.transactions import decode_batch
from chainnode.types.codes import CORRUPT_STORE
from chainnode.types.transaction import Invocation
from tests.node.small_chain import CLIENT, SmallChain, batch, genesis_of, make_transaction


def digest(number: int) -> bytes:
    """One of many."""
    return sha256(b"%d" % number).digest()


def middles_of(groups: tuple[LeafGroup, ...]):
    """What `fill` asks."""
    leaves = [middle for group in groups for middle in group.middles]
    return lambda first, count: leaves[first : first + count]


def check(batches: tuple[bytes, ...], groups: tuple[LeafGroup, ...]) -> list[int]:
    """They come back; how many bytes are kept of each."""
    kept = punch(batches, groups)
    assert tuple(fill(one, middles_of(groups)) for one in kept) == batches
    return [len(one) for one in kept]


PIECES = st.sampled_from([b"", b"\x93", b"\x94", digest(1), digest(2), digest(1) + digest(2), b"\x93" + digest(1), digest(3)[:23]])
GROUPS = st.lists(
    st.builds(LeafGroup, st.just(b"<"), st.lists(PIECES | st.binary(max_size=60), max_size=4).map(tuple), st.just(b">")), max_size=5
)


@given(
    st.lists(st.lists(PIECES | st.binary(max_size=9), max_size=12).map(b"".join), max_size=4).map(tuple), GROUPS.map(tuple), st.randoms()
)
def test_any_batches_come_back(batches, groups, random):
    check(batches, groups)
    inside = [b"\x93" + b"\x93".join(group.middles) for group in groups]
    random.shuffle(inside)
    check((*batches, b"head" + b"and".join(inside)), groups)


def transaction(number: int, *digests: bytes, meta: bytes = b"m" * 100) -> bytes:
    """Evidence."""
    rows = tuple(("sha-256", one, meta) for one in digests)
    return make_transaction(genesis_of(), [CLIENT], [Invocation("evidence", "record", (rows,))], nonce=number)


def test_real_transactions_leave_their_records_out():
    """Of one record and of many, repeated and refused ones, in several batches, and with others between them."""
    world = SmallChain.open()
    propose = Invocation("governance", "propose", ("nothing", (), "a test"))
    refused = make_transaction(genesis_of(), [CLIENT], [Invocation("evidence", "record", ((("md5", digest(4), b"m" * 100),),))], nonce=90)
    raws = [transaction(n, *(digest(10 * n + i) for i in range(1 + 7 * (n % 2)))) for n in range(6)]
    twice = make_transaction(
        genesis_of(), [CLIENT], [Invocation("evidence", "record", ((("sha-256", digest(n), b"m" * 90),),)) for n in (1, 2)], nonce=91
    )
    other = make_transaction(genesis_of(), [CLIENT], [propose], nonce=92)
    batches = (
        batch(raws[0], refused, raws[1]),
        batch(other),
        batch(raws[2], transaction(93, digest(0)), raws[3], other),
        batch(twice, raws[4], raws[5]),
    )
    done = world.decide(*batches)
    ledger = world.chain.state.ledger
    assert ledger.batches(1) == tuple(one.batch_bytes for one in batches)
    groups = tuple(ledger._records.groups(0, ledger.log_state().size))
    assert sum(len(group.middles) for group in groups) == 3 * 1 + 3 * 8 + 1 + 2 and len(done.tx_ids) == 11
    kept = check(tuple(one.batch_bytes for one in batches), groups)
    whole = [len(one.batch_bytes) for one in batches]
    left_out = [before - after for before, after in zip(whole, kept, strict=True)]
    assert left_out[0] > 9 * 130 and left_out[2] > 10 * 130 and left_out[3] > 11 * 120 and left_out[1] < 0
    assert [len(decode_batch(one.batch_bytes)) for one in batches] == [3, 1, 4, 3]


def test_records_that_are_in_no_batch_hide_no_others():
    present = LeafGroup(b"<", (digest(1), digest(2)), b">")
    absent = LeafGroup(b"<", (digest(7),), b">")
    inside = b"\x93" + digest(1) + b"\x93" + digest(2)
    for groups in ((absent, present), (present, absent, present), (present, absent), (present, LeafGroup(b"", (), b""), present)):
        count = sum(group is present for group in groups)
        assert check((b"head" + inside * count + b"tail",), groups) == [1 + 4 + 13 * count + 8]
    assert check((b"head" + b"\x93" + digest(1) + b"\x94" + digest(2),), (present,)) == [1 + 4 + 66]  # not behind the same byte


def test_nobody_can_make_it_search_for_long():
    """Records that came by another way stand between those that are in the batch: each is sought to its end, in vain."""
    present = [digest(number) * 8 for number in range(0, 8000, 2)]
    groups = tuple(LeafGroup(b"", (digest(number) * 8,), b"") for number in range(8000))
    searches = Counting(b"\x93" + b"\x93".join(present))
    assert tuple(fill(one, middles_of(groups)) for one in punch((searches,), groups)) == (searches,)
    assert 0 < searches.read < 6 * len(searches)


class Counting(bytes):
    """Bytes that know how many of them were looked at in vain."""

    read = 0

    def find(self, sought, start=0):
        found = super().find(sought, start)
        self.read += len(self) - start if found < 0 else 0
        return found


@pytest.mark.parametrize(
    "spoil", [lambda kept: b"", lambda kept: b"\x02" + kept[1:], lambda kept: kept[:3], lambda kept: kept[:9], lambda kept: kept[:20]]
)
def test_damage_is_told(spoil):
    groups = (LeafGroup(b"<", (digest(1),), b">"),)
    (kept,) = punch((b"head" + b"\x93" + digest(1),), groups)
    with pytest.raises(Corrupt) as caught:
        fill(spoil(kept), middles_of(groups))
    assert caught.value.code is CORRUPT_STORE
    with pytest.raises(Corrupt):
        fill(kept, lambda first, count: [])
