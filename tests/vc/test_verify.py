"""One function for every form: what it says was checked, by which keys, and what it leaves out; and when it says no."""

import json
from typing import Any

import pytest

from chainnode.crypto.sm2 import sm3
from chainnode.errors import Unavailable
from chainnode.types.codes import LIBRARY_MISSING
from chainnode.vc import sdjwt
from chainnode.vc.dataintegrity import ProofOptions, secured
from chainnode.vc.jws import sign_jws
from chainnode.vc.statuslist import list_credential, with_status
from chainnode.vc.verify import Result, StatusLists, verify_credential, verify_presentation
from tests.vc.vc_case import BASE_CONTEXT, NOW_MS, Keys, credential, did, key, method

KEYS = Keys("issuer", "other", "holder")
KEYS.known |= {(did(name), "assertionMethod"): key(name, kind) for name, kind in (("issuer", "e"), ("other", "z"))}
URL = "https://issuer.example/lists/1"
EMPTY = bytes(16_384)
ENTRY = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": "7", "statusListCredential": URL}


def signed(document: dict[str, Any], who: str = "issuer", kind: str = "e", **options: Any) -> dict[str, Any]:
    """With a proof."""
    return secured(document, key(who, kind), ProofOptions(method(who, kind), created="2026-01-01T00:00:00Z", **options))


def listed(bits: bytes = EMPTY, issuer: str = "issuer", purpose: str = "revocation", **changes: Any) -> dict[str, Any]:
    """A list's credential without proof."""
    made = list_credential(id=URL, issuer=did(issuer), purpose=purpose, bits=bits, valid_from="2026-01-01T00:00:00Z")
    return {**made, **changes}


def judge(value: Any, lists: StatusLists | None = None, now_ms: int = NOW_MS) -> Result:
    """The result; what failed is said whenever it is not valid, and only then."""
    found = verify_credential(value, KEYS, now_ms, lists)
    assert found.is_valid == (found.code == "") == (found.detail == "")
    return found


def sd_jwt(**claims: Any) -> str:
    """An SD-JWT credential."""
    made = {"iss": did("issuer"), "vct": "https://issuer.example/degree", "name": "Ann", **claims}
    return sdjwt.issue(made, ("name",), key("issuer"), method=method("issuer"), holder=("e", key("holder").public))


def bif(**changes: Any) -> dict[str, Any]:
    """The content of a Xinghuo credential."""
    hidden = {"hash": sm3(b"Ann1234567890123456").hex()}
    made: dict[str, Any] = {
        "@context": ["https://www.w3.org/2018/credentials/v1"],
        "id": "c1",
        "type": ["VerifiableCredential"],
        "issuer": did("other"),
        "issuanceDate": "2026-01-01T00:00:00Z",
        "templateId": "t1",
        "revocationId": "r1",
        "parseType": "sel-disclose-SM2",
        "credentialSubject": {"id": did("holder"), "name": hidden},
    }
    return {**made, **changes}


# Forms


@pytest.mark.parametrize("kind, suite, name", [("e", "eddsa-jcs-2022", "Ed25519"), ("p", "ecdsa-jcs-2019", "P-256")])
def test_a_w3c_credential(kind: str, suite: str, name: str) -> None:
    document = signed(credential(), kind=kind)
    for value in (document, json.dumps(document), "\n " + json.dumps(document)):
        found = judge(value)
        assert found.is_valid and found.form == "Data Integrity" and found.issuer == did("issuer")
        assert found.types == ("VerifiableCredential",) and found.claims["credentialSubject"]["degree"] == "博士"
        assert [(one.method, one.kind, one.public_key) for one in found.keys] == [
            (method("issuer", kind), kind, key("issuer", kind).public)
        ]
        said = "; ".join(found.checked)
        assert f"{method('issuer', kind)} signed it, the {name} key {key('issuer', kind).public.hex()}, with {suite}" in said
        assert "in force" in said
        no_list, *others = found.unchecked
        assert "no status list" in no_list and others == ["what remote contexts say", "whether the issuer may issue this"]


def test_an_sd_jwt_credential() -> None:
    text = sd_jwt()
    enveloped = {"@context": BASE_CONTEXT, "type": "EnvelopedVerifiableCredential", "id": f"data:application/dc+sd-jwt,{text}"}
    for value in (text, f" {text}\n", enveloped):
        found = judge(value)
        assert found.is_valid and found.form == "SD-JWT" and found.claims["name"] == "Ann" and found.issuer == did("issuer")
        assert found.keys[0].method == method("issuer") and "holder" in found.unchecked[0]
    for media in ("application/vc+jwt", "application/dc+sd-jwt;base64"):
        assert judge({**enveloped, "id": f"data:{media},{text}"}).code == "suite-unknown"
    assert judge(sd_jwt(status={"status_list": {}})).code == "status-unknown"
    assert judge(sd_jwt(exp=NOW_MS // 1_000)).code == "credential-expired"


def test_a_xinghuo_credential() -> None:
    token = sign_jws({}, bif(), key("other", "z"))
    for value in (token, {"jws": token}, json.dumps({"jws": token})):
        found = judge(value)
        assert found.is_valid and found.form == "Xinghuo JWS" and (found.id, found.issuer) == ("c1", did("other"))
        assert "not shown: name" in found.checked and any("SM2 key" in one for one in found.checked)
        assert any("r1" in one for one in found.unchecked) and any("t1" in one for one in found.unchecked)
    assert judge(sign_jws({}, bif(issuer=did("issuer")), key("other", "z"))).code == "method-not-authorised"


@pytest.mark.parametrize("value", [None, 1, [], {}, "", "{", "{}", "x", "a.b.c", "a.b.c~", [credential()], {"proof": {}}, "{" * 500_000])
def test_what_is_no_credential(value: Any) -> None:
    assert judge(value).code == "bad-credential"


def test_nothing_is_said_when_a_library_or_a_resolver_is_missing() -> None:
    def away(name: str, purpose: str) -> tuple[str, bytes]:
        raise Unavailable(LIBRARY_MISSING)

    with pytest.raises(Unavailable):
        verify_credential(signed(credential()), away, NOW_MS)


# W3C credentials that do not count


def test_somebody_elses_proof_does_not_make_a_credential() -> None:
    assert judge(signed(credential(), "other")).code == "method-not-authorised"
    both = signed(signed(credential()), "other")
    assert judge(both).is_valid and len(judge(both).keys) == 2
    broken = {**both, "proof": [both["proof"][0], {**both["proof"][1], "nonce": "x"}]}
    assert judge(broken).code == "bad-credential-proof"


def test_a_credential_without_proof_or_in_another_form() -> None:
    assert judge(credential()).code == "bad-credential"
    assert judge(signed(credential(type=["Other"]))).code == "bad-credential"
    rdfc = signed(credential())
    rdfc["proof"]["cryptosuite"] = "eddsa-rdfc-2022"
    assert judge(rdfc).code == "suite-unknown"


def test_time() -> None:
    document = signed(credential(validFrom="2026-01-01T00:00:00Z", validUntil="2026-12-31T00:00:00Z"))
    assert judge(document).is_valid
    assert judge(document, now_ms=0).code == "credential-not-yet-valid"
    late = judge(document, now_ms=NOW_MS * 2)
    assert late.code == "credential-expired" and any("signed it" in one for one in late.checked)  # what was checked before is said


def test_a_proof_for_authentication_or_for_a_challenge_makes_no_credential() -> None:
    assert judge(signed(credential(), purpose="authentication")).code == "method-not-authorised"
    assert judge(signed(credential(), challenge="c")).code == "wrong-challenge"


def test_what_was_not_checked_is_named() -> None:
    found = judge(
        signed(
            credential(
                credentialSchema={"id": "urn:s:1", "type": "JsonSchema"},
                evidence={"type": "E"},
                termsOfUse={"type": "T"},
                refreshService={"type": "R"},
                relatedResource={"id": "urn:r:1", "digestSRI": "sha256-x"},
            )
        )
    )
    assert found.is_valid and len(found.unchecked) == 8


# Status


def test_a_status_is_looked_up_in_the_list_that_was_given() -> None:
    document = signed(credential(credentialStatus=ENTRY))
    lists = StatusLists(signed={URL: signed(listed())})
    found = judge(document, lists)
    assert found.is_valid and f"revocation by {URL}, entry 7: 0" in found.checked
    assert any(one.startswith(f"status list {URL}: {method('issuer')} signed it") for one in found.checked)
    assert (
        judge(document).code == "status-unknown"
        and judge(document, StatusLists(signed={URL + "0": signed(listed())})).code == "status-unknown"
    )
    revoked = with_status(EMPTY, 7, 1)
    assert judge(document, StatusLists(signed={URL: signed(listed(revoked))})).code == "credential-revoked"
    assert judge(document, StatusLists(signed={URL: signed(listed(with_status(EMPTY, 6, 1)))})).is_valid


def test_a_list_that_the_ledger_proves_needs_no_signature() -> None:
    document = signed(credential(credentialStatus=ENTRY))
    found = judge(document, StatusLists(proved={URL: listed()}))
    assert found.is_valid and f"the status list {URL} is proved by the ledger" in found.checked
    revoked = StatusLists(proved={URL: listed(with_status(EMPTY, 7, 1))}, signed={URL: signed(listed())})
    assert judge(document, revoked).code == "credential-revoked"  # the proof counts more than a signature
    assert judge(document, StatusLists(signed={URL: listed()})).code == "bad-credential"


@pytest.mark.parametrize(
    "made, code",
    [
        (signed(listed(issuer="other"), "other"), "bad-status-list"),
        (signed(listed(), "other"), "method-not-authorised"),
        (signed(listed(purpose="suspension")), "bad-status-list"),
        (signed(listed(validUntil="2026-01-02T00:00:00Z")), "credential-expired"),
        (signed(listed(id=URL + "0")), "bad-status-list"),
        (signed(credential()), "bad-status-list"),
        ({**signed(listed()), "validUntil": "2099-01-01T00:00:00Z"}, "bad-credential-proof"),
        (signed(listed(bytes(16_383))), "status-list-short"),
    ],
    ids=str,
)
def test_lists_that_do_not_count(made: dict[str, Any], code: str) -> None:
    assert judge(signed(credential(credentialStatus=ENTRY)), StatusLists(signed={URL: made})).code == code


def test_each_status_counts_and_messages_revoke_nothing() -> None:
    suspension = {**ENTRY, "statusPurpose": "suspension", "statusListIndex": "8"}
    document = signed(credential(credentialStatus=[ENTRY, suspension]))
    both = listed(with_status(EMPTY, 8, 1))
    both["credentialSubject"]["statusPurpose"] = ["revocation", "suspension"]
    assert judge(document, StatusLists(signed={URL: signed(both)})).code == "credential-suspended"
    words = [{"status": "0x0", "message": "pending"}, {"status": "0x1", "message": "accepted"}]
    message = {**ENTRY, "statusPurpose": "message", "statusMessage": words}
    found = judge(
        signed(credential(credentialStatus=message)),
        StatusLists(signed={URL: signed(listed(with_status(EMPTY, 7, 1), purpose="message"))}),
    )
    assert found.is_valid and f"message by {URL}, entry 7: 1: accepted" in found.checked
    assert judge(signed(credential(credentialStatus={"type": "OtherStatus"}))).code == "status-unknown"


# Presentations


def presentation(*credentials: Any, holder: str | None = "holder", **options: Any) -> dict[str, Any]:
    """Signed by its holder."""
    made: dict[str, Any] = {"@context": [BASE_CONTEXT], "type": ["VerifiablePresentation"]}
    if holder is not None:
        made["holder"] = did(holder)
    if credentials:
        made["verifiableCredential"] = list(credentials)
    return signed(made, "holder", **{"purpose": "authentication", "domain": "v.example", "challenge": "c1", **options})


def test_a_presentation_with_credentials_of_each_form() -> None:
    enveloped = {"@context": BASE_CONTEXT, "type": "EnvelopedVerifiableCredential", "id": f"data:application/dc+sd-jwt,{sd_jwt()}"}
    made = presentation(signed(credential()), enveloped)
    for value in (made, json.dumps(made)):
        found, inside = verify_presentation(value, KEYS, NOW_MS, domain="v.example", challenge="c1")
        assert found.is_valid and found.issuer == did("holder") and [one.form for one in inside] == ["Data Integrity", "SD-JWT"]
        assert "2 credentials in it count" in found.checked and found.keys[0].method == method("holder")
    bare, inside = verify_presentation(presentation(holder=None), KEYS, NOW_MS, domain="v.example", challenge="c1")
    assert bare.is_valid and inside == ()


def test_presentations_that_do_not_count() -> None:
    asked = {"domain": "v.example", "challenge": "c1"}
    made = presentation(signed(credential()))
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        (made, {**asked, "challenge": "c2"}, "wrong-challenge"),
        (made, {**asked, "domain": "w.example"}, "wrong-challenge"),
        (made, {}, "wrong-challenge"),
        ({**made, "holder": did("other")}, asked, "bad-credential-proof"),
        (presentation(holder="other"), asked, "method-not-authorised"),
        (presentation(purpose="assertionMethod"), asked, "method-not-authorised"),
        (presentation(signed(credential(), "other")), asked, "bad-credential"),
        (presentation(credential()), asked, "bad-credential"),
        ({name: value for name, value in made.items() if name != "proof"}, asked, "bad-credential"),
        ({**made, "type": ["Other"]}, asked, "bad-credential"),
    ]
    for value, options, code in cases:
        found, _ = verify_presentation(value, KEYS, NOW_MS, **options)
        assert not found.is_valid and found.code == code, (code, found)


def test_a_presentation_without_a_challenge_may_be_an_old_one_and_says_so() -> None:
    found, _ = verify_presentation(presentation(domain=None, challenge=None), KEYS, NOW_MS)
    assert found.is_valid and any("new" in one for one in found.unchecked)


def test_lists_are_for_the_credentials_in_a_presentation_too() -> None:
    made = presentation(signed(credential(credentialStatus=ENTRY)))
    lists = StatusLists(signed={URL: signed(listed(with_status(EMPTY, 7, 1)))})
    found, inside = verify_presentation(made, KEYS, NOW_MS, lists, domain="v.example", challenge="c1")
    assert not found.is_valid and inside[0].code == "credential-revoked"
