"""Issuing: the method that a key is, what is filled in, and what no key signs."""

from typing import Any

from chainnode.did.keymethod import did_key_of, document
from chainnode.did.multikey import encode_multikey
from chainnode.types.codes import BAD_CREDENTIAL, METHOD_NOT_AUTHORISED, SUITE_UNKNOWN
from chainnode.vc.issuing import issued, method_of, status_entry
from chainnode.vc.listplace import ListPlace
from chainnode.vc.needs import keys_in
from chainnode.vc.verify import StatusLists, verify_credential
from tests.vc.vc_case import NOW_MS, credential, did, key, refused

KEY = key("issuer")
DID = did_key_of("e", KEY.public)
DOCUMENT = document(DID)
METHOD = method_of(DID, DOCUMENT, KEY)


def verified(value: Any) -> Any:
    return verify_credential(value, keys_in({DID: DOCUMENT}), NOW_MS)


def test_a_key_is_the_method_that_lists_it() -> None:
    assert f"{DID}#{encode_multikey('e', KEY.public)}" == METHOD
    relative = {
        "id": DID,
        "verificationMethod": [
            "x",
            {"id": 1},
            {"id": "#other", "controller": DID, "publicKeyMultibase": encode_multikey("e", key("other").public)},
            {"id": "#bad", "controller": DID, "publicKeyMultibase": "z1"},
            {"id": "#one", "controller": DID, "publicKeyMultibase": encode_multikey("e", KEY.public)},
        ],
        "assertionMethod": ["#other", "#bad", "#one"],
    }
    assert method_of(DID, relative, KEY) == f"{DID}#one"
    for listed, one, purpose in (
        (DOCUMENT, key("other"), "assertionMethod"),
        ({**DOCUMENT, "assertionMethod": []}, KEY, "assertionMethod"),
        (relative, KEY, "authentication"),
        ({"id": DID}, KEY, "assertionMethod"),
    ):
        with refused(METHOD_NOT_AUTHORISED):
            method_of(DID, listed, one, purpose)


def test_what_is_issued_verifies() -> None:
    given = credential(issuer=None)
    made = issued(given, KEY, METHOD, NOW_MS + 999)
    assert made["issuer"] == DID and "issuer" not in given and made["proof"]["created"] == "2026-09-21T14:13:20Z"
    assert verified(made).is_valid
    for issuer in (DID, {"id": DID, "name": "Uni"}):
        assert verified(issued(credential(issuer=issuer), KEY, METHOD, NOW_MS)).is_valid


def test_what_is_not_signed() -> None:
    with refused(BAD_CREDENTIAL, "names the issuer"):
        issued(credential(issuer=did("issuer")), KEY, METHOD, NOW_MS)
    with refused(BAD_CREDENTIAL, "a proof already"):
        issued(issued(credential(issuer=DID), KEY, METHOD, NOW_MS), KEY, METHOD, NOW_MS)
    with refused(BAD_CREDENTIAL):
        issued(credential(issuer=DID, type=["Other"]), KEY, METHOD, NOW_MS)
    with refused(SUITE_UNKNOWN):
        issued(credential(issuer=DID), key("issuer", "z"), METHOD, NOW_MS)


def test_entries_join_those_that_are_there() -> None:
    entries = tuple(status_entry("https://n.example", ListPlace(DID, "1", "c-1"), purpose, 5) for purpose in ("revocation", "suspension"))
    assert issued(credential(issuer=DID), KEY, METHOD, NOW_MS, entries=entries[:1])["credentialStatus"] == entries[0]
    assert issued(credential(issuer=DID), KEY, METHOD, NOW_MS, entries=entries)["credentialStatus"] == [*entries]
    for before in (entries[0], [entries[0]]):
        made = issued(credential(issuer=DID, credentialStatus=before), KEY, METHOD, NOW_MS, entries=entries[1:])
        assert made["credentialStatus"] == [*entries]
    assert verify_credential(made, keys_in({DID: DOCUMENT}), NOW_MS, StatusLists()).code == "status-unknown"
