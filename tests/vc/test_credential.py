"""The data model of credentials: one member bent at a time, both ways."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.errors import Malformed, Rejected
from chainnode.rfc3339 import time_from_text
from chainnode.types.codes import BAD_CREDENTIAL, BAD_STATUS_LIST, CREDENTIAL_EXPIRED, CREDENTIAL_NOT_YET_VALID
from chainnode.vc.credential import ENVELOPED_PRESENTATION_TYPE, check_credential, check_envelope, check_presentation, check_validity
from chainnode.vc.statuslist import list_credential
from chainnode.vc.timestamps import timestamp_ms, timestamp_text
from tests.vc.vc_case import BASE_CONTEXT, credential, did, refused

OTHER = "https://a.example/v1"
TERM = {"Extra": "https://a.example/#Extra"}
ENTRY = {
    "type": "BitstringStatusListEntry",
    "statusPurpose": "revocation",
    "statusListIndex": "1",
    "statusListCredential": "https://a.example/lists/1",
}
SRI = "sha384-NSOcNpmdIVUxIJGvGUoe22FjTWrXiaXlsZ8q6912LdnR3KraQO2n75Ica4wK4Qeg"
ENVELOPED = {"@context": BASE_CONTEXT, "type": "EnvelopedVerifiableCredential", "id": "data:application/vc+jwt,eyJ.e30.x"}

GOOD: list[dict[str, Any]] = [
    {"@context": [BASE_CONTEXT, OTHER], "type": ["VerifiableCredential", "Whatever"]},
    {"@context": [BASE_CONTEXT, TERM], "type": ["Extra", "VerifiableCredential"]},
    {"@context": [BASE_CONTEXT, {"@vocab": "https://a.example/#"}], "type": ["VerifiableCredential", "Whatever"]},
    {"@context": [BASE_CONTEXT, {"@protected": True, **TERM}, TERM], "type": ["VerifiableCredential"]},
    {"@context": [BASE_CONTEXT, TERM, {"Extra": "https://b.example/"}]},
    {"@context": [BASE_CONTEXT, {"Extra": {"@id": "https://a.example/#x", "@protected": False}}, TERM]},
    {"type": "VerifiableCredential"},
    {"type": ["VerifiableCredential", "https://a.example/#Type"]},
    {"id": None},
    {"id": "urn:x:1"},
    {"issuer": {"id": did("issuer"), "name": "Bank"}},
    {"issuer": {"id": did("issuer"), "name": [{"@value": "银行", "@language": "zh"}, {"@value": "Bank", "@direction": "ltr"}]}},
    {"name": "N", "description": {"@value": "D", "@language": "en", "@direction": "rtl"}},
    {"validFrom": None},
    {"validFrom": "2023-02-25T19:10:39-06:00", "validUntil": "2023-02-26T01:10:39.000Z"},
    {"validFrom": "4023-02-26T01:02:58.447Z"},
    {"credentialSubject": [{"id": "did:x:y"}, {"name": "somebody"}]},
    {"credentialStatus": ENTRY},
    {"credentialStatus": [ENTRY, {"type": "OtherStatus"}]},
    {"credentialSchema": {"id": "https://a.example/s", "type": "JsonSchema"}},
    {"termsOfUse": [{"type": "A"}, {"type": "A", "id": "urn:x:1"}], "evidence": {"type": "E"}, "refreshService": {"type": "R"}},
    {"relatedResource": [{"id": "https://a.example/1", "digestSRI": SRI}, {"id": "https://a.example/2", "digestMultibase": "uJKG"}]},
]
BAD: list[tuple[dict[str, Any], str]] = [
    ({"@context": None}, "@context"),
    ({"@context": BASE_CONTEXT}, "@context"),
    ({"@context": [OTHER, BASE_CONTEXT]}, "@context"),
    ({"@context": []}, "@context"),
    ({"@context": [BASE_CONTEXT, "https ://a.example"]}, "not a URL"),
    ({"@context": [BASE_CONTEXT, 12]}, "a context is"),
    ({"@context": [BASE_CONTEXT] * 101}, "@context"),
    ({"@context": [BASE_CONTEXT, {"VerifiableCredential": "https://a.example/#V"}]}, "redefines VerifiableCredential"),
    ({"@context": [BASE_CONTEXT, {"@protected": True, **TERM}, {"Extra": "https://b.example/"}]}, "protects"),
    ({"@context": [BASE_CONTEXT, {"Extra": {"@id": "urn:x:1", "@protected": True}}, TERM]}, "protects"),
    ({"@context": [BASE_CONTEXT, {"Extra": "https ://a.example#Extra"}]}, "maps Extra"),
    ({"@context": [BASE_CONTEXT, {"Extra": {"@id": "a b"}}]}, "maps Extra"),
    ({"type": ["VerifiableCredential", "Whatever"]}, "type Whatever"),
    ({"@context": [BASE_CONTEXT, {"@vocab": None}], "type": ["VerifiableCredential", "Whatever"]}, "type Whatever"),
    ({"type": None}, "type"),
    ({"type": []}, "type"),
    ({"type": ["VerifiableCredential", 3]}, "type"),
    ({"type": ["VerifiablePresentation"]}, "VerifiableCredential"),
    ({"id": ["urn:x:1", "urn:x:2"]}, "id"),
    ({"id": "https ://a.example"}, "id"),
    ({"id": "plain"}, "id"),
    ({"id": "urn:x:1 "}, "id"),
    ({"issuer": None}, "issuer"),
    ({"issuer": "nobody"}, "issuer"),
    ({"issuer": {}}, "issuer"),
    ({"issuer": {"id": "nobody"}}, "issuer"),
    ({"issuer": [did("issuer")]}, "issuer"),
    ({"issuer": {"id": did("issuer"), "name": {"@value": "B", "url": "x:y"}}}, "name of the issuer"),
    ({"name": 3}, "name"),
    ({"name": {"@language": "en"}}, "name"),
    ({"description": {"@value": "x", "@direction": "up"}}, "description"),
    ({"description": [{"@value": "x", "@language": 1}]}, "description"),
    ({"credentialSubject": None}, "credentialSubject"),
    ({"credentialSubject": {}}, "says something"),
    ({"credentialSubject": []}, "credentialSubject"),
    ({"credentialSubject": [{"id": "did:x:y"}, {}]}, "says something"),
    ({"credentialSubject": "did:x:y"}, "credentialSubject"),
    ({"credentialSubject": {"id": ["did:x:y", "did:x:z"]}}, "id"),
    ({"credentialSubject": [{"a": 1}] * 101}, "credentialSubject"),
    ({"validFrom": "2023-02-26"}, "validFrom"),
    ({"validFrom": "Sat 25 Feb 2023 07:16:31 PM CST"}, "validFrom"),
    ({"validUntil": "2023-02-26T01:22:14"}, "validUntil"),
    ({"validUntil": 1}, "validUntil"),
    ({"validFrom": "2023-02-26T01:00:00Z", "validUntil": "2023-02-26T09:00:00+09:00"}, "before"),
    ({"credentialStatus": {"id": "urn:x:1"}}, "type"),
    ({"credentialStatus": {"type": 2}}, "type"),
    ({"credentialStatus": {"type": "S", "id": "no url"}}, "id"),
    ({"credentialStatus": []}, "credentialStatus"),
    ({"credentialSchema": {"type": "JsonSchema"}}, "credentialSchema"),
    ({"credentialSchema": {"id": "urn:x:1"}}, "type"),
    ({"credentialSchema": {"id": "no url", "type": "JsonSchema"}}, "id"),
    ({"termsOfUse": {}}, "type"),
    ({"evidence": {}}, "type"),
    ({"refreshService": {"id": "urn:x:1"}}, "type"),
    ({"proof": {"created": "2023-07-28T22:25:05Z"}}, "type"),
    ({"relatedResource": ["https://a.example/1"]}, "relatedResource"),
    ({"relatedResource": {"digestSRI": SRI}}, "id"),
    ({"relatedResource": {"id": "https://a.example/1"}}, "digest"),
    ({"relatedResource": [{"id": "urn:x:1", "digestSRI": SRI}, {"id": "urn:x:1", "digestMultibase": "uJKG"}]}, "twice"),
]


@pytest.mark.parametrize("changes", GOOD, ids=str)
def test_forms_that_the_model_has(changes: dict[str, Any]) -> None:
    check_credential(credential(**changes))


@pytest.mark.parametrize("changes, words", BAD, ids=str)
def test_forms_that_it_does_not_have(changes: dict[str, Any], words: str) -> None:
    with refused(BAD_CREDENTIAL, words, Malformed):
        check_credential(credential(**changes))


@pytest.mark.parametrize("value", [None, [], "x", 1, [credential()]])
def test_a_credential_is_an_object(value: Any) -> None:
    with refused(BAD_CREDENTIAL):
        check_credential(value)
    with refused(BAD_CREDENTIAL):
        check_presentation(value)


def test_what_a_credential_says_of_itself() -> None:
    found = check_credential(credential(issuer={"id": "did:x:i"}, validUntil="2026-01-02T08:00:00+08:00", credentialStatus=ENTRY))
    assert (found.issuer, found.subjects, found.types) == ("did:x:i", (did("subject"),), ("VerifiableCredential",))
    assert (found.valid_from_ms, found.valid_until_ms) == (1_767_225_600_000, 1_767_312_000_000)
    assert found.statuses == (ENTRY,) and found.id.startswith("urn:uuid:")
    bare = check_credential(credential(id=None, validFrom=None))
    assert (bare.id, bare.valid_from_ms, bare.valid_until_ms, bare.statuses) == ("", None, None, ())


def test_entries_and_lists_inside_are_read_too() -> None:
    with refused(BAD_STATUS_LIST):
        check_credential(credential(credentialStatus={**ENTRY, "statusListIndex": 1}))
    made = list_credential(id="urn:l:1", issuer="did:x:y", purpose="revocation", bits=bytes(16_384), valid_from="2026-01-01T00:00:00Z")
    check_credential(made)
    with refused(BAD_STATUS_LIST):
        check_credential({**made, "credentialSubject": {"type": "BitstringStatusList"}})


def test_deep_json_is_refused_before_anything_is_read() -> None:
    deep: Any = {}
    for _ in range(2000):
        deep = {"a": deep}
    with refused(BAD_CREDENTIAL, "levels"):
        check_credential(credential(credentialSubject=deep))
    with refused(BAD_CREDENTIAL, "levels"):
        check_presentation({"a": deep})


def test_a_credential_is_in_force_from_one_moment_to_another_both_included() -> None:
    found = check_credential(credential(validFrom="2026-01-01T00:00:00Z", validUntil="2026-01-02T00:00:00Z"))
    first, last = 1_767_225_600_000, 1_767_312_000_000
    check_validity(found, first)
    check_validity(found, last)
    with refused(CREDENTIAL_NOT_YET_VALID, kind=Rejected):
        check_validity(found, first - 1)
    with refused(CREDENTIAL_EXPIRED, kind=Rejected):
        check_validity(found, last + 1)
    check_validity(check_credential(credential(validFrom=None)), 0)


# Presentations


def presentation(**changes: Any) -> dict[str, Any]:
    """A presentation; a member set to None is left out."""
    made: dict[str, Any] = {"@context": [BASE_CONTEXT], "type": ["VerifiablePresentation"], **changes}
    return {name: value for name, value in made.items() if value is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"id": "urn:uuid:1", "holder": did("holder")},
        {"holder": {"id": did("holder")}},
        {"verifiableCredential": credential()},
        {"verifiableCredential": [credential(), ENVELOPED]},
    ],
    ids=str,
)
def test_forms_that_a_presentation_has(changes: dict[str, Any]) -> None:
    found = check_presentation(presentation(**changes))
    assert found.holder == (did("holder") if "holder" in changes else "")


@pytest.mark.parametrize(
    "changes",
    [
        {"@context": None},
        {"@context": [TERM, BASE_CONTEXT]},
        {"type": None},
        {"type": ["Other"]},
        {"id": 1},
        {"holder": "nobody"},
        {"holder": {"name": "Acme"}},
        {"holder": None, "verifiableCredential": ["eyJ.e30.x"]},
        {"verifiableCredential": []},
        {"verifiableCredential": [credential(type=[])]},
        {"verifiableCredential": [{**ENVELOPED, "type": None}]},
        {"verifiableCredential": [{**ENVELOPED, "id": "eyJ.e30.x"}]},
        {"verifiableCredential": [{**ENVELOPED, "id": "data:application/vc+jwt"}]},
        {"verifiableCredential": [{**ENVELOPED, "id": "data:,x"}]},
        {"verifiableCredential": [{**ENVELOPED, "@context": OTHER}]},
        {"verifiableCredential": [{"type": ENVELOPED["type"]}]},
        {"termsOfUse": {}},
        {"proof": {}},
    ],
    ids=str,
)
def test_forms_that_a_presentation_does_not_have(changes: dict[str, Any]) -> None:
    with refused(BAD_CREDENTIAL):
        check_presentation(presentation(**changes))


def test_a_presentation_tells_plain_credentials_from_enveloped_ones() -> None:
    found = check_presentation(presentation(verifiableCredential=[credential(), ENVELOPED]))
    assert found.credentials == (credential(),) and found.enveloped == (ENVELOPED["id"],)


def test_envelopes() -> None:
    assert check_envelope(ENVELOPED, "EnvelopedVerifiableCredential") == ("application/vc+jwt", "eyJ.e30.x")
    with refused(BAD_CREDENTIAL):
        check_envelope(ENVELOPED, ENVELOPED_PRESENTATION_TYPE)


# Times


@given(st.integers(0, 253_402_300_799_999), st.integers(-14 * 60, 14 * 60))
def test_a_time_with_an_offset_is_that_in_utc(time_ms: int, offset: int) -> None:
    local = timestamp_text(min(max(time_ms + offset * 60_000, 0), 253_402_300_799_999))
    sign, minutes = "-" if offset < 0 else "+", abs(offset)
    text = local.removesuffix("Z") + f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    assert timestamp_ms("t", text) == time_from_text(local) // 1_000_000 - offset * 60_000


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00.120000000000Z", "2026-01-01T00:00:00.1209999999999Z", "2025-12-31T24:00:00Z"])
def test_decimals_are_cut_off(text: str) -> None:
    if "T24" in text:
        with refused(BAD_CREDENTIAL):
            timestamp_ms("t", text)
    else:
        assert timestamp_ms("t", text) == 1_767_225_600_120


@pytest.mark.parametrize(
    "text",
    [
        *("2026-01-01t00:00:00Z", "2026-01-01T00:00:00z", "2026-1-1T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01T00:00:61Z"),
        *("2026-01-01T00:00:00+14:01", "2026-01-01T00:00:00+01:60", "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00.Z", ""),
        *(
            "-2026-01-01T00:00:00Z",
            "12026-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z\n",
            "２026-01-01T00:00:00Z",
            "2026-01-01T00:00:00." + "1" * 31 + "Z",
        ),
    ],
)
def test_texts_that_are_no_time_with_a_zone(text: str) -> None:
    with refused(BAD_CREDENTIAL):
        timestamp_ms("t", text)
