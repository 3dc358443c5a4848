"""Xinghuo's credentials: published hashes, each carrier, and what does not count."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from chainnode.crypto.sm2 import sm3
from chainnode.types.codes import (
    BAD_CREDENTIAL,
    BAD_CREDENTIAL_PROOF,
    CREDENTIAL_EXPIRED,
    CREDENTIAL_NOT_YET_VALID,
    METHOD_NOT_AUTHORISED,
    SUITE_UNKNOWN,
)
from chainnode.vc.bifjws import is_bif, verify_bif
from chainnode.vc.jcs import canonical
from chainnode.vc.jws import from_base64url, parse_jws, sign_jws, to_base64url
from chainnode.vc.signatures import sign_message
from tests.vc.vc_case import NOW_MS, did, key, refused

# Values, salts and hashes printed in RFC-013, 5.4 and RFC-014, 5: SM3 of value and salt, under the name sel-disclose-SM2.
PUBLISHED = [
    ("zhangsan", "7232803162402915", "f8439cd7e460088b1ea76db940058bdeac62f15fa4a8283e0c95b664179ef982"),
    ("man", "2024737321220880", "37c4872f87dd2e9da1977f3d684f7bc942d1462b79dd4a702def1b2d892fb0ab"),
    ("营业执照", "5297098312790891", "fc9ccc0ad83c77c83e588e3a22f8058b2eda55d50bfae58c73fb2f7570daa618"),
    (
        "did:bid:ef28fCsZTFXfLtefHQwPkAxsPnXtVaq9F",
        "5872438693681184",
        "3ee74b4cc779f051e6db88d41a9a809158b8e0e40de149f1bb7b729f4bb40bf0",
    ),
]
# Their example signature: hexadecimal digits inside base64url.
PUBLISHED_SIGNATURE = (
    "MDFjNzk3N2M5ZmRiNDE5M2Q1NmZhNzBkNGZlZDBhYWI0NWE0ODAzZWVlYTk0NzU4MGJmZjExOWQ0ZWNiNDIzYjg2YTAzYzZmOWQ3NDlhMmY3ZmNiOWEzMzgwOWE3M2M"
    "wZmQ3MTdjOWM5N2M5ZGU2MWZmY2FkNzM0ZmRiMDA3MDA"
)
CLAIMS = {name: {"hash": text, "value": value, "salt": salt} for name, (value, salt, text) in zip("abcd", PUBLISHED, strict=True)}


def content(**changes: Any) -> dict[str, Any]:
    """What an issuer says; a member set to None is left out."""
    made: dict[str, Any] = {
        "@context": ["https://www.w3.org/2018/credentials/v1"],
        "id": "did:bid:efo12VLahe8X7CXySmrRDaS1w4oaatrp",
        "type": ["VerifiableCredential", "identityCertification"],
        "issuer": did("issuer"),
        "issuanceDate": "2023-01-31T02:34:09Z",
        "validBefore": "2099-01-01T00:00:00Z ",
        "templateId": "t1",
        "revocationId": "r1",
        "parseType": "sel-disclose-SM2",
        "credentialSubject": {"id": did("subject"), "grade": 3, **CLAIMS},
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def bare(document: dict[str, Any]) -> dict[str, Any]:
    """Without values and salts."""
    subject = {
        name: {"hash": claim["hash"]} if isinstance(claim, dict) and "hash" in claim else claim
        for name, claim in document["credentialSubject"].items()
    }
    return {**document, "credentialSubject": subject}


def token(document: dict[str, Any], kind: str = "e", who: str = "issuer", **header: Any) -> str:
    """Signed as it stands."""
    return sign_jws(header, document, key(who, kind))


def issued(document: dict[str, Any], kind: str = "z") -> str:
    """As RFC-013 has it: the token shows everything, and its signature is over the content without values and salts."""
    head, _, end = token(bare(document), kind).split(".")
    return f"{head}.{to_base64url(canonical(document))}.{end}"


def keys_of(kind: str = "e", who: str = "issuer") -> Callable[[str, str], tuple[str, bytes]]:
    """A resolver with one key for the DID alone."""

    def resolve(method: str, purpose: str) -> tuple[str, bytes]:
        assert method in (did(who), f"{did(who)}#key-1") and purpose == "assertionMethod"
        return key(who, kind).suite, key(who, kind).public

    return resolve


def read(value: Any, kind: str = "e", now_ms: int = NOW_MS) -> Any:
    """Verify."""
    return verify_bif(value, keys_of(kind), now_ms)


@pytest.mark.parametrize("value, salt, text", PUBLISHED)
def test_the_published_hashes_are_those_of_sm3(value: str, salt: str, text: str) -> None:
    assert sm3((value + salt).encode()).hex() == text
    subject = {"x": {"hash": text, "value": value, "salt": salt}}
    assert read(token(content(credentialSubject=subject))).claims == {"x": value}


@pytest.mark.parametrize("kind", ["e", "z"])
def test_a_token_that_shows_everything(kind: str) -> None:
    for made in (token(content(), kind), issued(content(), kind)):
        found = read(made, kind)
        assert found.claims == {"id": did("subject"), "grade": 3, **{name: one["value"] for name, one in CLAIMS.items()}}
        assert (found.issuer, found.subject, found.hidden, found.kind) == (did("issuer"), did("subject"), (), kind)
        assert (found.template_id, found.revocation_id, found.method) == ("t1", "r1", did("issuer"))
        assert (found.issued_ms, found.valid_before_ms) == (1_675_132_449_000, 4_070_908_800_000)


def test_a_holder_shows_some_claims_beside_the_token() -> None:
    document = bare(content())
    shown = {"proofs": {"c": {"value": "营业执照", "salt": PUBLISHED[2][1]}}, "type": "sel-disclose-SM2"}
    found = read({"jws": token(document), "proof": shown})
    assert found.claims == {"id": did("subject"), "grade": 3, "c": "营业执照"} and found.hidden == ("a", "b", "d")
    assert read({"jws": token(document)}).hidden == ("a", "b", "c", "d")
    # The way of hiding may stand in the holder's proof alone.
    assert read({"jws": token(bare(content(parseType=None))), "proof": shown}).claims["c"] == "营业执照"


def test_a_holder_shows_some_claims_in_the_content() -> None:
    document = bare(content())
    head, _, end = token(document, "z").split(".")
    shown = {**document, "credentialSubject": {**document["credentialSubject"], "a": CLAIMS["a"]}}
    as_hex = to_base64url(from_base64url(end).hex().encode())
    for signature in (end, as_hex):
        value = {"jwsHeader": head, "jwsSignature": signature, "vcContent": json.dumps(shown, ensure_ascii=False)}
        assert is_bif(value)
        found = read(value, "z")
        assert found.claims["a"] == "zhangsan" and found.hidden == ("b", "c", "d")
    with refused(BAD_CREDENTIAL_PROOF):
        read({"jwsHeader": head, "jwsSignature": end, "vcContent": json.dumps({**shown, "templateId": "t2"})}, "z")


def test_the_published_form_of_a_signature_is_read() -> None:
    head = to_base64url(b'{"alg":"SM2"}')
    assert parse_jws(f"{head}.e30.{PUBLISHED_SIGNATURE}").signature.hex().startswith("01c7977c9fdb4193")
    with refused(BAD_CREDENTIAL):
        parse_jws(f"{head}.e30.{to_base64url(b'z' * 128)}")


def test_sha256_hides_claims_too() -> None:
    from hashlib import sha256

    salt = "1234567890abcdef"
    subject = {"age": {"hash": sha256(b"22" + salt.encode()).hexdigest().upper(), "value": "22", "salt": salt}}
    assert read(token(content(parseType="sel-disclose-SHA256", credentialSubject=subject))).claims == {"age": "22"}
    with refused(BAD_CREDENTIAL_PROOF):
        read(token(content(credentialSubject=subject)))  # by another hash it does not fit


def test_letters_cannot_move_between_value_and_salt() -> None:
    value, salt, text = PUBLISHED[0]
    subject = {"x": {"hash": text, "value": value + salt[0], "salt": salt[1:]}}
    assert sm3((value + salt).encode()).hex() == text
    with refused(BAD_CREDENTIAL, "salt"):
        read(token(content(credentialSubject=subject)))


@pytest.mark.parametrize("change", [{"value": "lisi"}, {"salt": "7232803162402916"}])
def test_a_value_or_salt_that_does_not_fit_is_refused(change: dict[str, str]) -> None:
    shown = {"a": {"value": "zhangsan", "salt": PUBLISHED[0][1], **change}}
    with refused(BAD_CREDENTIAL_PROOF, "a do not"):
        read({"jws": token(bare(content())), "proof": {"proofs": shown}})
    with refused(BAD_CREDENTIAL_PROOF):
        read(issued(content(credentialSubject={**CLAIMS, "a": {**CLAIMS["a"], **change}})), "z")


def test_a_holder_does_not_bring_a_hash_or_a_claim() -> None:
    value, salt = "lisi", "7232803162402915"
    own = {"hash": sm3((value + salt).encode()).hex(), "value": value, "salt": salt}
    with refused(BAD_CREDENTIAL_PROOF):
        read({"jws": token(bare(content())), "proof": {"proofs": {"a": own}}})
    for name in ("new", "grade", "id"):
        with refused(BAD_CREDENTIAL, "does not hide"):
            read({"jws": token(bare(content())), "proof": {"proofs": {name: own}}})


@pytest.mark.parametrize("way", ["sel-disclose-MD5", "zk", 3, "sel-disclose-"])
def test_other_ways_of_hiding_are_refused(way: Any) -> None:
    with refused(SUITE_UNKNOWN):
        read(token(content(parseType=way)))


def test_a_claim_is_shown_only_when_it_is_known_how_it_was_hidden() -> None:
    for said in (None, "direct"):
        with refused(BAD_CREDENTIAL, "by which hash"):
            read(token(content(parseType=said)))
    assert read(token(bare(content(parseType=None)))).hidden == ("a", "b", "c", "d")


def test_the_signature_is_the_issuers() -> None:
    with refused(BAD_CREDENTIAL_PROOF):
        read(token(content(), who="other"))
    head, _, end = token(content()).split(".")
    with refused(BAD_CREDENTIAL_PROOF):
        read(f"{head}.{to_base64url(canonical(content(templateId='t2')))}.{end}")
    with refused(METHOD_NOT_AUTHORISED):
        read(token(content(), "z"), "e")
    with refused(METHOD_NOT_AUTHORISED):
        read(token(content(), "e"), "z")


def test_a_token_may_name_a_key_of_the_issuer_and_no_other() -> None:
    for name in ("key-1", "#key-1", f"{did('issuer')}#key-1"):
        assert read(token(content(), kid=name)).method == f"{did('issuer')}#key-1"
    for name in (f"{did('other')}#key-1", "a#b", "#"):
        with refused(BAD_CREDENTIAL_PROOF, "issuer's"):
            read(token(content(), kid=name))
    with refused(BAD_CREDENTIAL):
        read(token(content(), kid=1))


def test_times() -> None:
    made = token(content(issuanceDate="2026-01-01T00:00:00Z", validBefore="2026-01-02T00:00:00Z"))
    first, last = 1_767_225_600_000, 1_767_312_000_000
    read(made, now_ms=first)
    read(made, now_ms=last - 1)
    with refused(CREDENTIAL_NOT_YET_VALID):
        read(made, now_ms=first - 1)
    with refused(CREDENTIAL_EXPIRED):
        read(made, now_ms=last)
    assert read(token(content(validBefore=None))).valid_before_ms is None


@pytest.mark.parametrize(
    "changes",
    [
        {"@context": ["https://www.w3.org/ns/credentials/v2"]},
        {"@context": None},
        {"type": ["Other"]},
        {"type": "VerifiableCredential"},
        {"type": ["VerifiableCredential", 1]},
        {"issuer": "somebody"},
        {"issuer": {"id": did("issuer")}},
        {"issuanceDate": None},
        {"issuanceDate": "2023"},
        {"validBefore": 1},
        {"credentialSubject": None},
        {"credentialSubject": {}},
        {"credentialSubject": [{"id": "x"}]},
        {"templateId": 1},
        {"credentialSubject": {"a": {**CLAIMS["a"], "value": 22}}},
        {"credentialSubject": {"a": {"hash": CLAIMS["a"]["hash"], "value": "zhangsan"}}},
    ],
    ids=str,
)
def test_contents_of_another_form_are_refused(changes: dict[str, Any]) -> None:
    with refused(BAD_CREDENTIAL):
        read(token(content(**changes)))


@pytest.mark.parametrize(
    "value",
    [
        *("", "a.b", "a.b.c.d", "e30.e30.x", None, [], {}, {"jws": 1}, {"jws": "a.b"}),
        {"jwsHeader": 1, "jwsSignature": "x", "vcContent": "{}"},
        {"jws": token(content()), "proof": {"proofs": []}},
        {"jws": token(content()), "proof": []},
        token(content()) + "=",
        token(content()).replace(".", ". ", 1),
    ],
    ids=str,
)
def test_carriers_of_another_form_are_refused(value: Any) -> None:
    with pytest.raises(Exception) as caught:
        read(value)
    assert getattr(caught.value, "code", None) in (BAD_CREDENTIAL, SUITE_UNKNOWN), caught.value


@pytest.mark.parametrize(
    "header", [{"alg": "none"}, {"alg": "HS256"}, {"alg": "RS256"}, {}, {"alg": ["EdDSA"]}, {"alg": "EdDSA", "crit": ["b64"]}]
)
def test_algorithms_that_are_not_known_are_refused(header: dict[str, Any]) -> None:
    signed = f"{to_base64url(canonical(header))}.{to_base64url(canonical(content()))}"
    with refused(SUITE_UNKNOWN):
        read(f"{signed}.{to_base64url(sign_message(key('issuer'), signed.encode()))}")


def test_secp256k1_signs_no_token() -> None:
    with refused(SUITE_UNKNOWN):
        sign_jws({}, {}, key("issuer", "s"))
