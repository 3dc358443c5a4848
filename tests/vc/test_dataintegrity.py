"""Data Integrity: the W3C's vectors byte for byte, and every way in which a proof can fail to count."""

import json
from typing import Any

import pytest

from chainnode.crypto.suites import generate
from chainnode.did.record import P256
from chainnode.types.codes import BAD_CREDENTIAL, BAD_CREDENTIAL_PROOF, METHOD_NOT_AUTHORISED, SUITE_UNKNOWN, WRONG_CHALLENGE
from chainnode.vc import dataintegrity
from chainnode.vc.dataintegrity import Expected, ProofOptions, proofs_of, secured, sign, verify, verify_all
from chainnode.vc.jcs import canonical, parse, parse_document
from chainnode.vc.signatures import p256_key
from tests.vc.vc_case import NOW_MS, Keys, bent, credential, key, method, places, refused
from tests.vector_files import require_vectors

EXPECTED = Expected(NOW_MS)
KEYS = Keys("issuer", "other")
# From the published P-256 example of Data Integrity ECDSA Cryptosuites 1.0: the same credential under another key.
P256_SECRET = "z42twTcNeSYcnqg1FLuSFs2bsGH3ZqbRHFmvS9XMsYhjxvHN"
P256_PUBLIC = "zDnaepBuvsQ8cpsWrVKw8fbpGpvPeNSjVPTWoq6cRqaYzBKVP"
P256_PROOF = "z5ptCet75SaEgzG4v4zJhbJtfNi74Wv7Fq15hhKouJQQjEPQvPZKaYxcMXAMLPQS2FXrkCWokNJkFVkwxNzZfD5oT"


def from_multibase(text: str) -> bytes:
    """Bytes of a Multikey text behind its two bytes of codec, by an implementation of the test's own."""
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number = 0
    for letter in text[1:]:
        number = number * 58 + alphabet.index(letter)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")[2:]


def options(kind: str = "e", **changes: Any) -> ProofOptions:
    """Of the issuer's proof."""
    return ProofOptions(method("issuer", kind), created="2026-02-01T08:00:00Z", **changes)


def signed(kind: str = "e", **changes: Any) -> dict[str, Any]:
    """A credential with the issuer's proof."""
    return secured(credential(), key("issuer", kind), options(kind, **changes))


def check(document: dict[str, Any], expected: Expected = EXPECTED) -> dataintegrity.Verified:
    """Verify the only proof."""
    (proof,) = proofs_of(document)
    return verify(document, proof, KEYS, expected)


# The published vectors


def vector(name: str) -> str:
    """A file of the eddsa-jcs-2022 example."""
    return (require_vectors("vc", "eddsa-jcs-2022") / name).read_text()


def test_the_w3c_example_of_eddsa_is_reproduced_byte_for_byte() -> None:
    unsigned, published = parse_document(vector("unsigned.json")), json.loads(vector("signedJCS.json"))
    keys = json.loads(vector("keyPair.json"))
    ours = generate("e", from_multibase(keys["privateKeyMultibase"]))
    assert ours.public == from_multibase(keys["publicKeyMultibase"])
    assert canonical(unsigned).decode() == vector("canonDocJCS.txt")
    made = ProofOptions(published["proof"]["verificationMethod"], created=published["proof"]["created"])
    assert dataintegrity.hash_of(unsigned, json.loads(vector("proofConfigJCS.json")))[32:].hex() == vector("docHashJCS.txt").strip()
    assert sign(unsigned, ours, made)["proofValue"] == vector("sigBTC58JCS.txt").strip()
    assert secured(unsigned, ours, made) == published
    found = verify(published, published["proof"], lambda method, purpose: ("e", ours.public), EXPECTED)
    assert (found.suite, found.public_key, found.created_ms) == ("eddsa-jcs-2022", ours.public, 1_677_281_798_000)


def test_the_w3c_example_of_ecdsa_verifies_and_is_made_again() -> None:
    published = json.loads(vector("signedJCS.json"))
    multikey = f"did:key:{P256_PUBLIC}#{P256_PUBLIC}"
    published["proof"] |= {"cryptosuite": "ecdsa-jcs-2019", "verificationMethod": multikey, "proofValue": P256_PROOF}
    public = from_multibase(P256_PUBLIC)
    assert verify(published, published["proof"], lambda method, purpose: ("p", public), EXPECTED).suite == "ecdsa-jcs-2019"
    ours = p256_key(from_multibase(P256_SECRET))
    assert ours.public == public and ours.suite == P256
    again = secured(parse_document(vector("unsigned.json")), ours, ProofOptions(multikey, created=published["proof"]["created"]))
    assert verify(again, again["proof"], lambda method, purpose: ("p", public), EXPECTED).public_key == public


@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "values", "weird"])
def test_the_published_vectors_of_jcs(name: str) -> None:
    folder = require_vectors("jcs")
    made = canonical(parse((folder / "input" / f"{name}.json").read_text()))
    assert made == (folder / "output" / f"{name}.json").read_bytes().rstrip(b"\n")
    assert made == bytes.fromhex((folder / "outhex" / f"{name}.txt").read_text())


# JSON that two programs could read differently


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":2}', '{"a":NaN}', "[-Infinity]", "{", "", "[" * 100 + "]" * 100, "[" * 100_000, '"\\ud800' + "x" * (1024 * 1024)],
)
def test_unclear_json_is_refused(text: str) -> None:
    with refused(BAD_CREDENTIAL):
        parse(text)


@pytest.mark.parametrize("text", ['["\\ud800"]', '{"\\udfff":1}', "[9007199254740993]", "[1e999]"])
def test_what_has_no_canonical_form_is_refused(text: str) -> None:
    with refused(BAD_CREDENTIAL):
        canonical(parse(text))
    with refused(BAD_CREDENTIAL):
        parse_document("[]")


def test_depth_is_counted_before_it_is_signed() -> None:
    deep: Any = "x"
    for _ in range(64):
        deep = [deep]
    assert canonical(deep)
    with refused(BAD_CREDENTIAL, "levels"):
        canonical({"a": deep})


# Making


@pytest.mark.parametrize("kind, suite", [("e", "eddsa-jcs-2022"), ("p", "ecdsa-jcs-2019")])
def test_a_proof_that_was_made_verifies(kind: str, suite: str) -> None:
    found = check(signed(kind))
    assert (found.method, found.kind, found.suite, found.created_ms) == (method("issuer", kind), kind, suite, 1_769_932_800_000)
    assert signed(kind) == signed(kind)


@pytest.mark.parametrize("kind", ["s", "z"])
def test_secp256k1_and_sm2_are_in_no_suite(kind: str) -> None:
    with refused(SUITE_UNKNOWN, "Ed25519"):
        signed(kind)


def test_nothing_is_signed_that_would_not_be_read() -> None:
    for changes in ({"created": "2026-02-01"}, {"expires": "soon"}, {"purpose": "fun"}):
        with refused(BAD_CREDENTIAL):
            sign(credential(), key("issuer"), ProofOptions(method("issuer"), **changes))


# Verifying


@pytest.mark.parametrize("kind", ["e", "p"])
def test_no_letter_of_document_or_proof_can_change(kind: str) -> None:
    document = signed(kind, expires="2030-01-01T00:00:00Z", nonce="n", id="urn:x:1")
    check(document)
    for path in places(document):
        changed = bent(document, path, lambda text: text[:-1] + ("A" if text[-1] != "A" else "C"))
        with pytest.raises(Exception) as caught:
            check(changed)
        assert caught.type.__name__ in ("Malformed", "Rejected"), path
    for name in document["proof"]:
        with pytest.raises(Exception) as caught:
            check({**document, "proof": {member: value for member, value in document["proof"].items() if member != name}})
        assert caught.type.__name__ in ("Malformed", "Rejected"), name
    with refused(BAD_CREDENTIAL_PROOF, "signature"):
        check({**document, "more": 1})
    with refused(BAD_CREDENTIAL_PROOF, "signature"):
        check({**document, "proof": {**document["proof"], "more": 1}})


def test_another_key_does_not_count() -> None:
    document = secured(credential(), key("other"), options())
    with refused(BAD_CREDENTIAL_PROOF, "signature"):
        check(document)
    with refused(METHOD_NOT_AUTHORISED):
        check(secured(credential(), key("stranger"), ProofOptions(method("stranger"))))


def test_the_key_must_be_of_the_suites_kind() -> None:
    for suite, kind in (("eddsa-jcs-2022", "p"), ("ecdsa-jcs-2019", "s"), ("ecdsa-jcs-2019", "e")):
        document = signed()
        document["proof"] |= {"cryptosuite": suite, "verificationMethod": method("issuer", kind)}
        with refused(METHOD_NOT_AUTHORISED, "kind"):
            check(document)


def test_the_resolver_is_asked_for_the_purpose_that_the_verifier_has() -> None:
    keys, document = Keys("issuer", purposes=("authentication",)), signed()
    with refused(METHOD_NOT_AUTHORISED, "assertionMethod"):
        verify(document, document["proof"], keys, EXPECTED)
    assert keys.asked == [(method("issuer"), "assertionMethod")]
    with refused(METHOD_NOT_AUTHORISED, "is for assertionMethod, not for authentication"):
        check(document, Expected(NOW_MS, purpose="authentication"))


@pytest.mark.parametrize(
    "change",
    [
        {"cryptosuite": "eddsa-rdfc-2022"},
        {"cryptosuite": "bbs-2023"},
        {"type": "Ed25519Signature2020"},
        {"type": ["DataIntegrityProof"]},
    ],
)
def test_other_suites_are_refused_by_name(change: dict[str, Any]) -> None:
    document = signed()
    with refused(SUITE_UNKNOWN):
        check({**document, "proof": {**document["proof"], **change}})


@pytest.mark.parametrize(
    "change",
    [
        {"cryptosuite": None},
        {"verificationMethod": {"id": "x"}},
        {"verificationMethod": ""},
        {"proofPurpose": "everything"},
        {"created": "2026-02-01T08:00:00"},
        {"expires": 1},
        {"nonce": 1},
        {"id": None},
        {"challenge": ["x"]},
        {"domain": []},
        {"domain": 3},
        {"previousProof": [1]},
        {"proofValue": "u" + "A" * 86},
        {"proofValue": "z" + "0" * 88},
        {"proofValue": "z2"},
        {"proofValue": "z" + "z" * 88},
        {"proofValue": "z" + "2" * 500},
        {"proofValue": None},
    ],
)
def test_members_of_another_form_are_refused(change: dict[str, Any]) -> None:
    document = signed()
    with refused(BAD_CREDENTIAL):
        check({**document, "proof": {**document["proof"], **change}})


@pytest.mark.parametrize("proof", [None, [], {}, "x", [1], [{}] * 101])
def test_a_document_carries_its_proof(proof: Any) -> None:
    with refused(SUITE_UNKNOWN if proof == {} else BAD_CREDENTIAL):
        verify_all({**credential(), "proof": proof}, KEYS, EXPECTED)
    with refused(BAD_CREDENTIAL):
        verify_all(credential(), KEYS, EXPECTED)


def test_a_proof_runs_out() -> None:
    document = signed(expires="2026-09-21T14:13:20Z")  # NOW_MS
    check(document, Expected(NOW_MS - 1))
    with refused(BAD_CREDENTIAL_PROOF, "run out"):
        check(document)


def test_domain_and_challenge_are_those_expected_and_no_others() -> None:
    document = signed(domain="a.example", challenge="c1")
    check(document, Expected(NOW_MS, domain="a.example", challenge="c1"))
    for expected in (
        EXPECTED,
        Expected(NOW_MS, domain="a.example"),
        Expected(NOW_MS, challenge="c1"),
        Expected(NOW_MS, domain="b.example", challenge="c1"),
        Expected(NOW_MS, domain="a.example", challenge="c2"),
    ):
        with refused(WRONG_CHALLENGE):
            check(document, expected)
    for expected in (Expected(NOW_MS, domain="a.example"), Expected(NOW_MS, challenge="c1")):
        with refused(WRONG_CHALLENGE):
            check(signed(), expected)


def test_contexts_may_be_added_behind_those_of_the_proof_and_nowhere_else() -> None:
    document = signed()
    first = document["@context"]
    check({**document, "@context": [*first, "https://a.example/v1"]})
    for contexts in (["https://a.example/v1", *first], [], None):
        with refused(BAD_CREDENTIAL_PROOF, "contexts"):
            check({**document, "@context": contexts})


def test_a_set_of_proofs_counts_when_each_does() -> None:
    document = secured(signed(), key("other"), ProofOptions(method("other")))
    assert [found.method for found in verify_all(document, KEYS, EXPECTED)] == [method("issuer"), method("other")]
    # The order of a set is free, and one of it can be left out.
    assert verify_all({**document, "proof": document["proof"][::-1]}, KEYS, EXPECTED)
    assert verify_all({**document, "proof": document["proof"][:1]}, KEYS, EXPECTED)
    broken = {**document, "proof": [document["proof"][0], {**document["proof"][1], "nonce": "x"}]}
    with refused(BAD_CREDENTIAL_PROOF):
        verify_all(broken, KEYS, EXPECTED)


def test_a_chain_of_proofs_signs_those_before_it() -> None:
    first = signed(id="urn:p:1")
    document = secured(first, key("other"), ProofOptions(method("other"), previous_proof=("urn:p:1",)))
    assert len(verify_all(document, KEYS, EXPECTED)) == 2
    one, two = document["proof"]
    with refused(BAD_CREDENTIAL_PROOF, "not there"):
        verify_all({**document, "proof": [two]}, KEYS, EXPECTED)
    # A new first proof of the same content is another: the second does not follow it.
    again = sign(credential(), key("issuer"), options(id="urn:p:1", nonce="again"))
    with refused(BAD_CREDENTIAL_PROOF, "signature"):
        verify_all({**document, "proof": [again, two]}, KEYS, EXPECTED)
    with refused(BAD_CREDENTIAL, "same id"):
        verify_all({**document, "proof": [one, again, two]}, KEYS, EXPECTED)
