"""The signature rule of RFC-004, against both of its published signatures, and what a proof does not show."""

import copy
import json

import pytest

from chainnode.crypto import base58
from chainnode.crypto.keystrings import decode_private_key
from chainnode.did.bidproof import sign_proof, signed_bytes, verify_proof
from chainnode.did.bidview import document, read_document
from chainnode.did.record import Document, Identity
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_DOCUMENT
from tests.did.identities import public_key, rich_identity

KEY = decode_private_key("priSPKp8oiiAXGZaXFBMKEAoL2b6J6UDQCw4x39ereXYtyAejM")  # published for tests
DID = "did:bid:ef18F9AVK4SQLZPRrPkrVWwp9kbpdXHx"
S1_TEXT = (
    '{"@context":["https://w3.org/ns/did/v1"],"authentication":["did:bid:ef18F9AVK4SQLZPRrPkrVWwp9kbpdXHx#key-1"],'
    '"created":"2021-06-24T09:10:09Z","extension":{"attributes":[{"desc":"contract address","encrypt":1,"format":"text","key":"contract",'
    '"value":"did:bid:efJgt44mNDewKK1VEN454R17cjso3mSG"}],"recovery":["did:bid:ef18F9AVK4SQLZPRrPkrVWwp9kbpdXHx#key-1"],"ttl":86400,'
    '"type":105},"id":"did:bid:ef18F9AVK4SQLZPRrPkrVWwp9kbpdXHx","publicKey":[{"controller":"did:bid:ef18F9AVK4SQLZPRrPkrVWwp9kbpdXHx",'
    '"id":"did:bid:ef18F9AVK4SQLZPRrPkrVWwp9kbpdXHx#key-1",'
    '"publicKeyHex":"b06566f76733ae048fda721d47afe8780b572636496c93253db86dc8d5427fc54e9a06","type":"Ed25519"}],'
    '"updated":"2021-06-24T09:10:09Z","version":"1.1.0"}'
)
S1_SIGNATURE = "5jFX6UKMVTg73LCWamNdeZACCMftMjSrJvZpL86ULefr3216SKRfgH6YkrmHT5DACYSpVEeN9RcnNES8cAHBVsMw"
S1_HEX = "ec80c957158deb34638fb8604644d3b60c128318f202a2cbe6d94c2ebaa04c2be5d1c56c745395cc175e2b97b43a92ad5f81346ed792eed209a6114411b68d06"
S2_TEXT = (
    '{"credentialSubject":{"content":{"registerCapital":"1000.0","status":"2"},"id":"did:bid:efJgt44mNDewKK1VEN454R17cjso3mSG",'
    '"name":"asc","type":202},"effectiveDate":"2021-01-20T12:01:20Z","expirationDate":"2021-04-02T12:01:20Z",'
    '"issuanceDate":"2021-01-20T12:01:20Z","issuer":"did:bid:efJgt44mNDewKK1VEN454R17cjso3mSG",'
    '"revocationId":"did:bid:efJgt44mNDewKK1VEN454R17cjso3mSG#revocation"}'
)
S2_SIGNATURE = "4TWzvxXDgejyWK7syUeg68WFd6Kf5cGV8bnEYR35UaKX18VRwemnnBuuGkMHGrSP2qbDac9WwhTffLQhyzz2Vp5m"


def shuffled(text: str) -> dict:
    """The members in another order than they are signed in."""
    return dict(reversed(json.loads(text).items()))


@pytest.mark.parametrize(("text", "signature"), [(S1_TEXT, S1_SIGNATURE), (S2_TEXT, S2_SIGNATURE)])
def test_both_published_signatures_are_met_to_the_byte(text, signature):
    given = shuffled(text)
    assert signed_bytes(given) == text.encode()
    assert signed_bytes({**given, "proof": {"creator": "x"}, "proof ": 1}) == text.encode()
    signed = sign_proof({**given, "proof": "old", "proof ": "older"}, KEY, f"{DID}#key-1")
    assert signed == {**given, "proof": {"creator": f"{DID}#key-1", "signatureValue": signature}}
    assert verify_proof(signed, ("e", KEY.public))
    assert verify_proof({**given, "proof": [signed["proof"]]}, ("e", KEY.public))
    assert not verify_proof({**signed, "version": "1.1.1"}, ("e", KEY.public))
    assert not verify_proof(signed, ("e", public_key("e", 5)))


def proved(creator: str = f"{DID} #key-1", signature: str = f" {S1_SIGNATURE}", **changes: object) -> dict:
    """The first document with its proof, blanks as in the text."""
    return {**shuffled(S1_TEXT), "proof": {"creator": creator, "signatureValue": signature}, **changes}


def test_the_key_is_found_in_the_document_and_the_signature_read_in_any_encoding():
    assert read_document(proved())[0] == DID
    assert verify_proof(proved())
    assert verify_proof(proved(signature=S1_HEX.upper()))
    assert verify_proof({**shuffled(S1_TEXT), "proof ": {"creator ": f"{DID}#key-1", "signatureValue": S1_SIGNATURE}})
    assert not verify_proof(proved(signature=base58.encode(bytes(64))))
    assert not verify_proof(proved(signature="eyJh"))
    assert not verify_proof(proved(updated="2021-06-24T09:10:10Z"))


def test_a_signature_that_two_encodings_can_read_counts_if_one_reading_verifies():
    text = "VSihSWaC7CBf6rv5nyh6rn6C2EPE5m4qCXzV4nCrCtqdLt82XYTHvXxRGTwJfo6qoc4GNB6UPn53HqEWfW2aAA"  # Base64, and Base58 of 63 bytes
    assert len(base58.decode(text)) < 64
    assert verify_proof({"n": 811, "proof": {"creator": "x", "signatureValue": text}}, ("e", KEY.public))


@pytest.mark.parametrize(
    "given",
    [
        {},
        shuffled(S1_TEXT),
        proved(creator="did:bid:byo1#key-1"),
        proved(creator=f"{DID}#key-2"),
        proved(creator=DID),
        proved(proof=[]),
        proved(proof=[{}, {}]),
        proved(proof="x"),
        proved(proof={"creator": f"{DID}#key-1"}),
        proved(publicKey=[]),
        proved(id="did:bid:nobody"),
        proved(version=2**60),
        proved(version="\ud800"),
        proved(authentication=[], extension={}),
    ],
)
def test_a_proof_that_cannot_be_checked_is_refused(given):
    with pytest.raises(Malformed):
        verify_proof(given)


def test_a_key_that_is_only_listed_proves_nothing():
    bare = {**shuffled(S1_TEXT), "authentication": ["did:bid:byo1#key-1"], "extension": {"type": 105, "ttl": 1}}
    with pytest.raises(Malformed) as caught:
        verify_proof(sign_proof(bare, KEY, f"{DID}#key-1"))
    assert caught.value.code == BAD_DOCUMENT
    recovering = {**bare, "extension": {"recovery": ["#key-1"]}}
    assert verify_proof(sign_proof(recovering, KEY, f"{DID}#key-1"))


def test_a_deep_document_is_refused_and_a_given_one_not_changed():
    deep: object = 1
    for _ in range(500):
        deep = [deep]
    with pytest.raises(Malformed) as caught:
        signed_bytes({"a": deep})
    assert caught.value.code == BAD_DOCUMENT
    given = proved()
    before = copy.deepcopy(given)
    sign_proof(given, KEY, "x")
    verify_proof(given)
    assert given == before


def test_our_own_document_can_be_signed_with_sm2():
    from chainnode.crypto.suites import generate

    key = generate("z", (5).to_bytes(32, "big"))
    one = rich_identity()
    written = document(Identity(one.did, 1, b"", 1, 0, 0, True, Document(one.document.methods[1:2])))
    assert verify_proof(sign_proof(written, key, f"{one.did}#key-2"))
