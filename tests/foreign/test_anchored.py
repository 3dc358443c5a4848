"""Clients of a chain that is known through the main chain: what the main chain must prove, and what is refused."""

from dataclasses import dataclass, replace

import pytest

from chainnode.errors import ChainError
from chainnode.foreign import anchored, tendermint
from chainnode.foreign.anchored import AnchoredHeader, AnchoredState, decode_client_state, encode_client_state, encode_header
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.ibckeys import client_state_key, consensus_state_key
from chainnode.foreign.kind import Advance, Conflict
from chainnode.foreign.merkleproof import OUR_SPECS
from chainnode.foreign.tendermintbytes import encode_client_state as encode_tendermint_client
from tests.foreign.client_world import Held, OtherChain

THERE = "07-tendermint-5"  # the main chain's client of the other chain
HERE = "07-tendermint-0"  # our client of the main chain
NOW_NS = 1  # an anchored client looks at no clock
ZERO = RevisionHeight(0, 0)


@dataclass
class Hops:
    """The other chain, the main chain whose state of height 2 follows it, and our client of the main chain."""

    other: OtherChain
    main: OtherChain
    footing: Held

    def header(self, height: int = 3, *, main_height: int = 2, key_height: int | None = None) -> AnchoredHeader:
        """The update to a height, proved at a height of the main chain."""
        values = self.main.states[main_height]["ibc"]
        state_key, consensus_key = client_state_key(THERE), consensus_state_key(THERE, self.other.at(key_height or height))
        return AnchoredHeader(
            height=self.other.at(height),
            client_state=values[state_key],
            consensus_state=values.get(consensus_key, b"\x01"),
            main_height=self.main.at(main_height),
            client_state_proof=self.main.prove(state_key, main_height),
            consensus_state_proof=self.main.prove(consensus_key, main_height),
        )

    def known(self, **changes: object) -> Held:
        """A client of the other chain."""
        return Held(anchored.NAME, encode_client_state(replace(state(), **changes)), {}, self.footing)


def state(**changes) -> AnchoredState:
    return replace(AnchoredState("city-1", HERE, THERE, (b"ibc", b""), RevisionHeight(1, 0)), **changes)


def hops(*, chain_id: str = "city-1", frozen_at: int | None = None, specs=OUR_SPECS) -> Hops:
    """Headers 3 and 5 of the other chain are known to the main chain in its states 2 to 4; at one of these it froze the client."""
    other = OtherChain(chain_id)
    other.decide(5)
    main = OtherChain("main-1")
    client = replace(tendermint.client_state_of(other.beginning, other.at(5)), proof_specs=specs)
    states = {b"\x00": b"\x01"} | {consensus_state_key(THERE, other.at(height)): other.consensus_state(height) for height in (3, 5)}
    for height in (2, 3, 4):
        there = replace(client, frozen_height=RevisionHeight(0, int(height == frozen_at)))
        ibc = {**states, client_state_key(THERE): encode_tendermint_client(there)}
        main.decide(1, stores={"ibc": ibc, "goods": {b"\x00": bytes((height,))}})
    main.decide()
    footing = Held(tendermint.NAME, tendermint.begin_from(main.beginning).client_state)
    footing.states = {main.at(height): main.consensus_state(height) for height in (1, 2, 3, 4)}
    return Hops(other, main, footing)


def refused(code, function, *arguments) -> str:
    with pytest.raises(ChainError) as caught:
        function(*arguments)
    assert caught.value.code.name == code, caught.value
    return caught.value.detail


def update(known: Held, header: AnchoredHeader):
    return anchored.update(known, encode_header(header), NOW_NS)


# Bytes


def test_the_bytes_of_a_client_state_are_those_of_the_document():
    found = encode_client_state(state(latest_height=RevisionHeight(1, 7), main_height=RevisionHeight(2, 9), is_frozen=True))
    names = b"\x0a\x06city-1\x12\x0f07-tendermint-0\x1a\x0f07-tendermint-5"
    content = names + b"\x22\x03ibc\x22\x00\x2a\x04\x08\x01\x10\x07\x32\x04\x08\x02\x10\x09\x38\x01"
    assert found == b"\x0a\x22/chainnode.anchored.v1.ClientState\x12" + bytes((len(content),)) + content
    assert decode_client_state(found) == state(latest_height=RevisionHeight(1, 7), main_height=RevisionHeight(2, 9), is_frozen=True)


def test_the_bytes_of_an_update_and_of_misbehaviour():
    made = AnchoredHeader(RevisionHeight(1, 7), b"a", b"b", RevisionHeight(2, 9), b"c", b"d")
    content = b"\x0a\x04\x08\x01\x10\x07\x12\x01a\x1a\x01b\x22\x04\x08\x02\x10\x09\x2a\x01c\x32\x01d"
    assert encode_header(made) == b"\x0a\x1d/chainnode.anchored.v1.Header\x12" + bytes((len(content),)) + content
    content = b"\x0a\x00\x12\x01a\x22\x04\x08\x02\x10\x09\x2a\x01c"
    found = anchored.encode_misbehaviour(b"a", RevisionHeight(2, 9), b"c")
    assert found == b"\x0a\x23/chainnode.anchored.v1.Misbehaviour\x12" + bytes((len(content),)) + content


# How it begins


def test_a_client_begins_without_a_state_and_rests_on_the_client_of_the_main_chain():
    begun = anchored.begin(encode_client_state(state()), b"")
    assert (begun.chain_id, begun.height, begun.consensus_state) == ("city-1", RevisionHeight(1, 0), None)
    assert anchored.rests_on(begun.client_state) == HERE
    assert not anchored.is_expired(begun.client_state, 0, 2**62)


@pytest.mark.parametrize(
    "changes",
    [
        *({name: ""} for name in ("chain_id", "footing", "client_there")),
        {"chain_id": " ", "latest_height": ZERO},
        *({"prefix": prefix} for prefix in ((), (b"ibc",), (b"a", b"b", b"c"), (b"x" * 65, b""))),
        *({"latest_height": height} for height in (ZERO, RevisionHeight(1, 1), RevisionHeight(2, 0))),
        {"main_height": RevisionHeight(0, 1)},
        {"is_frozen": True},
    ],
)
def test_what_no_client_begins_with(changes):
    refused("bad-client", anchored.begin, encode_client_state(state(**changes)), b"")


def test_no_client_begins_with_a_state_that_nobody_proved():
    refused("bad-client", anchored.begin, encode_client_state(state()), hops().other.consensus_state(3))


# Updates


def test_inv_57_a_state_that_the_main_chain_holds():
    world = hops()
    step = update(world.known(), world.header())
    assert isinstance(step, Advance)
    assert (step.height, step.time_ns, step.header_hash) == (world.other.at(3), world.other.block(3).header.time_ns, None)
    assert step.consensus_state == world.other.consensus_state(3)
    assert decode_client_state(step.client_state) == state(latest_height=world.other.at(3), main_height=world.main.at(2))
    later = update(world.known(latest_height=world.other.at(5)), world.header(main_height=4))
    assert isinstance(later, Advance)
    assert decode_client_state(later.client_state) == state(latest_height=world.other.at(5), main_height=world.main.at(4))


def test_what_the_main_chain_does_not_hold():
    world, known = hops(), hops().known()
    header = world.header()
    for changes, code in (
        ({"height": world.other.at(5)}, "bad-proof"),  # the state of another height
        ({"height": RevisionHeight(2, 3)}, "bad-client"),
        ({"height": ZERO}, "bad-client"),
        ({"consensus_state": world.other.consensus_state(4)}, "bad-proof"),
        ({"consensus_state": b""}, "bad-proof"),
        ({"consensus_state_proof": header.client_state_proof}, "bad-proof"),
        ({"consensus_state_proof": b""}, "bad-proof"),
        ({"client_state_proof": header.consensus_state_proof}, "bad-proof"),
        ({"client_state_proof": b""}, "bad-proof"),
        ({"client_state": encode_tendermint_client(tendermint.client_state_of(world.other.beginning))}, "bad-proof"),
        ({"client_state": b""}, "bad-proof"),
        ({"main_height": world.main.at(3)}, "bad-proof"),  # proofs of another state
        ({"main_height": world.main.at(5)}, "consensus-unknown"),
        ({"main_height": RevisionHeight(2, 2)}, "consensus-unknown"),
    ):
        refused(code, update, known, replace(header, **changes))
    refused("bad-proof", update, known, world.header(4))  # there, it is absent
    for changes in ({"client_there": "07-tendermint-6"}, {"prefix": (b"goods", b"")}, {"prefix": (b"ibc", b"x")}):
        refused("bad-proof", update, world.known(**changes), header)


def test_a_client_of_another_chain_on_the_main_chain():
    for bent in (hops(chain_id="town-1"), hops(specs=OUR_SPECS[:1])):
        refused("bad-client", update, bent.known(), replace(bent.header(), height=RevisionHeight(1, 3)))


def test_word_of_the_main_chain_that_is_older_than_what_was_used():
    world = hops()
    refused("stale-header", update, world.known(main_height=world.main.at(3)), world.header())
    update(world.known(main_height=world.main.at(2)), world.header())


def test_a_client_rests_on_a_client_of_the_main_chain():
    world = hops()
    for footing in (None, Held(anchored.NAME, world.footing.client_state, world.footing.states)):
        refused("bad-client", update, replace(world.known(), below=footing), world.header())


def test_every_bit_of_an_update_counts():
    world = hops()
    known, raw = world.known(), encode_header(world.header())
    for place in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(ChainError):
            anchored.update(known, bytes(flipped), NOW_NS)


def test_truncated_and_oversized_updates():
    world = hops()
    raw = encode_header(world.header())
    for length in range(len(raw)):
        with pytest.raises(ChainError):
            anchored.update(world.known(), raw[:length], NOW_NS)
    refused("malformed", anchored.update, world.known(), bytes(61 * 1024), NOW_NS)


# When the main chain froze its client


def test_a_frozen_client_of_the_main_chain_freezes_this_one():
    world = hops(frozen_at=3)
    conflict = Conflict("the main chain froze its client 07-tendermint-5")
    assert update(world.known(), world.header(main_height=3)) == conflict
    frozen = world.main.states[3]["ibc"][client_state_key(THERE)]
    proof = world.main.prove(client_state_key(THERE), 3)
    message = anchored.encode_misbehaviour(frozen, world.main.at(3), proof)
    assert anchored.misbehaviour(world.known(), message, NOW_NS) == conflict
    # What is on record from before the client was recovered there counts no more.
    recovered = world.known(main_height=world.main.at(4))
    refused("stale-header", anchored.misbehaviour, recovered, message, NOW_NS)
    assert isinstance(update(world.known(), world.header(main_height=2)), Advance)


def test_what_shows_no_frozen_client():
    world = hops(frozen_at=3)
    active, frozen = (world.main.states[height]["ibc"][client_state_key(THERE)] for height in (2, 3))
    proofs = {height: world.main.prove(client_state_key(THERE), height) for height in (2, 3)}
    for content, main_height, proof, code in (
        (active, 2, proofs[2], "no-misbehaviour"),
        (frozen, 2, proofs[2], "bad-proof"),
        (frozen, 2, proofs[3], "bad-proof"),
        (active, 3, proofs[3], "bad-proof"),
        (frozen, 5, proofs[3], "consensus-unknown"),
    ):
        message = anchored.encode_misbehaviour(content, world.main.at(main_height), proof)
        refused(code, anchored.misbehaviour, world.known(), message, NOW_NS)
    padded = (
        encode_header(replace(world.header(main_height=3), height=ZERO))
        .replace(b".Header", b".Misbehaviour")
        .replace(b"\x0a\x1d", b"\x0a\x23", 1)
    )
    refused("no-misbehaviour", anchored.misbehaviour, world.known(), padded, NOW_NS)
    refused("malformed", anchored.misbehaviour, world.known(), encode_header(world.header(main_height=3)), NOW_NS)


def test_a_frozen_client_says_so():
    found = decode_client_state(anchored.frozen(encode_client_state(state(latest_height=RevisionHeight(1, 5)))))
    assert found == state(latest_height=RevisionHeight(1, 5), is_frozen=True)


def test_a_substitute_is_of_the_same_chain():
    other = state(chain_id="city-2", footing="07-tendermint-9", client_there="07-tendermint-8", latest_height=RevisionHeight(2, 5))
    raw = encode_client_state(other)
    assert anchored.recovered(encode_client_state(state(is_frozen=True)), raw) == raw
    for bent in (replace(other, chain_id="town-2"), replace(other, chain_id="city-1-2"), replace(other, prefix=(b"ibc", b"x"))):
        refused("bad-client", anchored.recovered, encode_client_state(state()), encode_client_state(bent))


def test_states_are_proved_under_the_root_of_a_height():
    world = hops()
    path, known = (b"ibc", b"\x00"), world.known()
    anchored.verify(known.client_state, world.other.consensus_state(3), path, b"\x01", world.other.prove(b"\x00", 3))
    refused("bad-proof", anchored.verify, known.client_state, world.other.consensus_state(3), path, b"\x02", world.other.prove(b"\x00", 3))
    anchored.verify(known.client_state, world.other.consensus_state(3), (b"ibc", b"k"), None, world.other.prove(b"k", 3))
