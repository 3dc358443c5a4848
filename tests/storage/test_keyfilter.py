"""The filter never calls a key new that was added, and calls most others new."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from chainnode.storage.keyfilter import CHUNK_KEYS, KeyFilter

KEYS = st.lists(st.binary(min_size=1, max_size=40), max_size=30)


@given(KEYS, KEYS)
def test_what_was_added_is_known_whatever_its_length(added, others):
    keys = KeyFilter()
    keys.add(added)
    asked = [*others, *added]
    known = keys.known(asked)
    assert {asked[position] for position in known} >= set(added)
    assert known == sorted(set(known))


def test_others_are_new():
    keys = KeyFilter()
    digests = [sha256(b"%d" % number).digest() for number in range(20_000)]
    keys.add(digests[:10_000])
    known = keys.known(digests)
    assert known[:10_000] == list(range(10_000))
    assert len(known) < 10_010
    assert keys.known([]) == []


def test_keys_are_added_a_few_at_a_time():
    """At start they are all keys of the chain: a node whose memory just held them twice would not come up again."""
    keys = KeyFilter()
    digests = [sha256(b"%d" % number).digest() for number in range(CHUNK_KEYS + 1)]

    def read():
        for number, digest in enumerate(digests):
            if number == CHUNK_KEYS:
                assert keys.known(digests)[:CHUNK_KEYS] == list(range(CHUNK_KEYS))
            yield digest

    keys.add(read())
    assert keys.known(digests) == list(range(len(digests)))
