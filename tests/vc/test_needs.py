"""What must be fetched before verifying, and keys out of DID documents; the two halves together with real documents."""

from typing import Any

import pytest

from chainnode.did import keymethod
from chainnode.did.multikey import encode_multikey, public_jwk
from chainnode.types.codes import BAD_CREDENTIAL, BAD_KEY, METHOD_NOT_AUTHORISED
from chainnode.types.limits import CREDENTIAL_ENTRIES_MAX
from chainnode.vc import sdjwt
from chainnode.vc.dataintegrity import ProofOptions, secured
from chainnode.vc.jws import sign_jws
from chainnode.vc.needs import Needs, keys_in, needs_of
from chainnode.vc.verify import verify_credential
from tests.vc.vc_case import BASE_CONTEXT, NOW_MS, credential, did, key, method, refused

URL = "https://issuer.example/lists/1"
ENTRY = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": "7", "statusListCredential": URL}


def document(name: str = "issuer", **changes: Any) -> dict[str, Any]:
    """Somebody's DID document: an Ed25519 key as Multikey, a P-256 key as JWK."""
    own = did(name)
    made = {
        "id": own,
        "verificationMethod": [
            {"id": f"{own}#e", "type": "Multikey", "controller": own, "publicKeyMultibase": encode_multikey("e", key(name).public)},
            {"id": "#p", "type": "JsonWebKey", "controller": own, "publicKeyJwk": public_jwk("p", key(name, "p").public)},
        ],
        "assertionMethod": [f"{own}#e", "#p"],
        "authentication": ["#e"],
        **changes,
    }
    return {member: value for member, value in made.items() if value is not None}


def signed(who: str = "issuer", **changes: Any) -> dict[str, Any]:
    """A credential with somebody's proof."""
    return secured(credential(**changes), key(who), ProofOptions(method(who)))


def sd_jwt() -> str:
    """An SD-JWT credential."""
    return sdjwt.issue({"iss": did("issuer"), "vct": "v"}, (), key("issuer"), method=method("issuer"))


def test_what_each_form_needs() -> None:
    both = secured(signed(credentialStatus=[ENTRY, {"type": "Other"}]), key("other"), ProofOptions(method("other")))
    assert needs_of(both) == Needs((did("issuer"), did("other")), (URL,))
    assert needs_of(sd_jwt()) == Needs((did("issuer"),))
    token = sign_jws({}, {"issuer": did("bif")}, key("bif", "z"))
    assert needs_of(token) == needs_of({"jws": token}) == Needs((did("bif"),))
    assert needs_of({"jwsHeader": "x", "jwsSignature": "y", "vcContent": f'{{"issuer":"{did("bif")}"}}'}) == Needs((did("bif"),))
    enveloped = {"@context": BASE_CONTEXT, "type": "EnvelopedVerifiableCredential", "id": f"data:application/dc+sd-jwt,{sd_jwt()}"}
    whole = {"verifiableCredential": [signed("holder", credentialStatus=ENTRY), enveloped], "proof": {"verificationMethod": method("h")}}
    assert needs_of(whole) == Needs((did("h"), did("holder"), did("issuer")), (URL,))


@pytest.mark.parametrize(
    "value", [None, 3, [], {}, "", "x", "{", "a.b.c~", {"jws": "x"}, {"proof": 1}, {"proof": {"verificationMethod": "https://x"}}]
)
def test_rubbish_needs_nothing(value: Any) -> None:
    assert needs_of(value) == Needs()


def test_entries_have_a_bound() -> None:
    def entries(count: int) -> dict[str, object]:
        return {"credentialStatus": [{"statusListCredential": "https://lists.example/1"}] * count}

    assert needs_of(entries(CREDENTIAL_ENTRIES_MAX)).lists == ("https://lists.example/1",)
    with refused(BAD_CREDENTIAL):
        needs_of(entries(CREDENTIAL_ENTRIES_MAX + 1))


def test_nobody_makes_a_node_fetch_without_end() -> None:
    proofs = [{"verificationMethod": f"did:web:h{number}.example"} for number in range(101)]
    assert len(needs_of({"proof": proofs[:100]}).dids) == 100
    with refused(BAD_CREDENTIAL):
        needs_of({"proof": proofs})


# Keys


def test_keys_of_a_document_as_multikey_and_as_jwk() -> None:
    resolve = keys_in({did("issuer"): document()})
    assert resolve(method("issuer"), "assertionMethod") == ("e", key("issuer").public)
    assert resolve(method("issuer", "p"), "assertionMethod") == ("p", key("issuer", "p").public)
    assert resolve(did("issuer"), "authentication") == ("e", key("issuer").public)
    for name, purpose in (
        (did("issuer"), "assertionMethod"),  # two keys
        (did("issuer"), "capabilityInvocation"),
        (method("issuer", "p"), "authentication"),
        (method("issuer", "s"), "assertionMethod"),
        (method("other"), "assertionMethod"),
        ("", "assertionMethod"),
    ):
        with refused(METHOD_NOT_AUTHORISED):
            resolve(name, purpose)


def test_a_method_may_stand_in_its_relationship() -> None:
    own = document()
    embedded = {**own["verificationMethod"][0], "id": "#inside"}
    resolve = keys_in({did("issuer"): {**own, "assertionMethod": [embedded]}})
    assert resolve(f"{did('issuer')}#inside", "assertionMethod") == ("e", key("issuer").public)
    with refused(METHOD_NOT_AUTHORISED):
        resolve(f"{did('issuer')}#inside", "authentication")


def test_a_document_lends_nobody_elses_keys() -> None:
    own, others = document(), document("other")
    borrowed = {**own, "verificationMethod": others["verificationMethod"], "assertionMethod": [method("other")]}
    with refused(METHOD_NOT_AUTHORISED):
        keys_in({did("issuer"): borrowed, did("other"): {}})(method("other"), "assertionMethod")
    renamed = {**own, "verificationMethod": [{**own["verificationMethod"][0], "controller": did("other")}]}
    with refused(METHOD_NOT_AUTHORISED):
        keys_in({did("issuer"): renamed})(method("issuer"), "assertionMethod")


@pytest.mark.parametrize("member", [{"publicKeyMultibase": None}, {"publicKeyMultibase": None, "publicKeyPem": "x"}])
def test_a_method_without_a_key(member: dict[str, Any]) -> None:
    own = document()
    bare = {**own["verificationMethod"][0], **member}
    with refused(METHOD_NOT_AUTHORISED):
        keys_in({did("issuer"): {**own, "verificationMethod": [bare]}})(method("issuer"), "assertionMethod")
    with refused(BAD_KEY):
        broken = {**bare, "publicKeyMultibase": "z1"}
        keys_in({did("issuer"): {**own, "verificationMethod": [broken]}})(method("issuer"), "assertionMethod")


def test_both_halves_with_a_did_key() -> None:
    own = keymethod.did_key_of("e", key("issuer").public)
    made = secured(credential(issuer=own), key("issuer"), ProofOptions(f"{own}#{own.removeprefix('did:key:')}"))
    documents = {one: keymethod.document(one) for one in needs_of(made).dids}
    assert list(documents) == [own] and verify_credential(made, keys_in(documents), NOW_MS).is_valid
    assert verify_credential(made, keys_in({}), NOW_MS).code == "method-not-authorised"
