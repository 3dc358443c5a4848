"""Drafts that several parties sign: nothing is signed unread, nothing forged is taken, nothing incomplete is sent."""

import pytest

from chainnode import codec
from chainnode.bid import did_of
from chainnode.client.signing import LIFETIME_MS, Signer, build_transaction, draft_from_bytes, make_draft
from chainnode.crypto.verify import verify_many
from chainnode.digests import genesis_hash
from chainnode.errors import Malformed, Rejected
from chainnode.transactions import decode_transaction, signature_items
from chainnode.types.codes import BAD_SIGNATURE, MALFORMED, SIGNER_MISSING, TOO_LARGE, WRONG_CHAIN
from chainnode.types.limits import DRAFT_BYTES_MAX
from chainnode.types.transaction import Invocation
from tests.chain_maker import CHAIN_ID, key_of, make_genesis

GENESIS = make_genesis({"north": 1})
HASH = genesis_hash(GENESIS)
ANNA, BERT, CARL = Signer(key_of("anna")), Signer(key_of("bert", "s")), Signer(key_of("carl"))
CALLS = [Invocation("goods", "move", (1,))]


def draft(*signers):
    return make_draft(CHAIN_ID, HASH, [one.did for one in signers], CALLS, now_ms=1_000)


def test_parties_sign_in_any_order_and_the_id_stays():
    first = draft(ANNA, BERT)
    assert first.missing == (ANNA.did, BERT.did) and first.body.valid_until_ms == 1_000 + LIFETIME_MS
    second = draft_from_bytes(first.sign(BERT).to_bytes(), GENESIS)
    assert second.missing == (ANNA.did,) and second.tx_id == first.tx_id
    raw = draft_from_bytes(second.sign(ANNA).to_bytes(), GENESIS).encode()
    tx = decode_transaction(raw)
    assert tx.tx_id == first.tx_id and all(verify_many(signature_items(tx, HASH)))


def test_what_is_not_signed_by_all_is_not_sent():
    with pytest.raises(Rejected) as told:
        draft(ANNA, BERT).sign(ANNA).encode()
    assert told.value.code is SIGNER_MISSING and BERT.did in told.value.detail


def test_who_is_no_party_can_not_sign():
    with pytest.raises(Rejected) as told:
        draft(ANNA).sign(BERT)
    assert told.value.code is SIGNER_MISSING


def test_a_forged_signature_in_a_draft_is_refused():
    signed = draft(ANNA, BERT).sign(ANNA)
    version, body, places = codec.decode(signed.to_bytes(), bytes_max=DRAFT_BYTES_MAX)
    (suite, key, signature), _ = places
    forged = (suite, key, bytes([signature[0] ^ 1]) + signature[1:])
    with pytest.raises(Malformed) as told:
        draft_from_bytes(codec.encode((version, body, (forged, None))), GENESIS)
    assert told.value.code is BAD_SIGNATURE
    other = make_genesis({"north": 2})  # the same chain id, another chain
    with pytest.raises(Malformed) as told:
        draft_from_bytes(signed.to_bytes(), other)
    assert told.value.code is BAD_SIGNATURE


def test_a_draft_of_another_chain_is_refused():
    with pytest.raises(Rejected) as told:
        draft_from_bytes(draft(ANNA).to_bytes(), make_genesis({"north": 1}, chain_id="other-1"))
    assert told.value.code is WRONG_CHAIN


@pytest.mark.parametrize(
    "change",
    [
        lambda version, body, places: (2, body, places),
        lambda version, body, places: (version, b"", places),
        lambda version, body, places: (version, body, ()),
        lambda version, body, places: (version, body, (("x", b"", bytes(64)),)),
        lambda version, body, places: (version, body, (("e", bytes(70), bytes(64)),)),
        lambda version, body, places: (version, body, (("e", bytes(32), bytes(63)),)),
        lambda version, body, places: (version, body, (7,)),
        lambda version, body, places: (version, body, places, 1),
        lambda version, body, places: 7,
    ],
)
def test_rubbish_is_no_draft(change):
    fields = codec.decode(draft(ANNA).to_bytes(), bytes_max=DRAFT_BYTES_MAX)
    with pytest.raises(Malformed) as told:
        draft_from_bytes(codec.encode(change(*fields)), GENESIS)
    assert told.value.code is MALFORMED


def test_a_large_draft_is_not_even_read():
    with pytest.raises(Malformed) as told:
        draft_from_bytes(bytes(DRAFT_BYTES_MAX + 1), GENESIS)
    assert told.value.code in (TOO_LARGE, MALFORMED)


def test_two_transactions_are_never_the_same():
    assert build_transaction(CHAIN_ID, HASH, [ANNA], CALLS)[0] != build_transaction(CHAIN_ID, HASH, [ANNA], CALLS)[0]


def test_limits_are_told_before_a_node_does():
    for signers, calls in (([], CALLS), ([ANNA], [])):
        with pytest.raises(Malformed):
            build_transaction(CHAIN_ID, HASH, signers, calls)


def test_a_signer_may_speak_for_another_identifier():
    office = did_of("e", key_of("office").public)
    signer = Signer(key_of("anna"), office)
    assert signer.did == office and repr(signer) == f"Signer({office})"
    with pytest.raises(Malformed):
        Signer(key_of("anna"), "did:web:example")
    assert CARL.did == did_of("e", key_of("carl").public)
