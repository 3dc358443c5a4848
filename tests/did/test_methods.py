"""The table of methods, and what it says of a DID that nobody here can resolve."""

import pytest

from chainnode.did.keymethod import did_key_of
from chainnode.did.methods import METHODS, FromItself, FromWeb, OnLedger, how_of
from chainnode.errors import Malformed, Rejected
from chainnode.types.codes import BAD_DID, DID_METHOD_UNKNOWN
from tests.did.identities import public_key


def test_each_method_is_resolved_in_its_way():
    ledger, key, web = how_of("did:bid:byo1"), did_key_of("e", public_key("e", 5)), how_of("did:web:a.example")
    assert isinstance(ledger, OnLedger)
    with pytest.raises(Malformed):
        ledger.check("did:bid:nobody")
    itself = how_of(key)
    assert isinstance(itself, FromItself)
    assert itself.document(key)["id"] == key
    assert isinstance(web, FromWeb)
    assert web.url_of("did:web:a.example").startswith("https://a.example/")


def test_a_method_that_is_not_in_the_table_is_refused():
    with pytest.raises(Rejected) as caught:
        how_of("did:ion:abc")
    assert caught.value.code == DID_METHOD_UNKNOWN
    assert all(f"did:{name}" in caught.value.detail for name in METHODS)
    with pytest.raises(Malformed) as malformed:
        how_of("did:key")
    assert malformed.value.code == BAD_DID
