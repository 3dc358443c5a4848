"""`chainnode vc`: each action on a real chain in this process, and what is refused."""

import json
from typing import Any

import pytest

from chainnode.bundlejson import bundle_to_json
from chainnode.crypto import suites
from chainnode.did.keymethod import did_key_of
from chainnode.did.multikey import encode_multikey
from chainnode.did.versions import NEWEST
from chainnode.node.homes import save_key
from chainnode.vc.bifjws import CONTEXT as BIF_CONTEXT
from chainnode.vc.jws import sign_jws
from chainnode.vc.sdjwt import is_sdjwt
from tests.api.credential_desk import BASE
from tests.chain_maker import key_of
from tests.cli.credential_node import DOMAIN, HOLDER, HOLDER_DID, ISSUER, ISSUER_DID, VcDesk
from tests.cli.registry_node import PASSPHRASE

DEGREE = {
    "@context": [BASE, {"Degree": "https://uni.example/Degree", "degree": "https://uni.example/degree"}],
    "type": ["VerifiableCredential", "Degree"],
    "credentialSubject": {"id": HOLDER_DID, "degree": "Bachelor"},
}
SHOWN = ("--domain", DOMAIN, "--challenge", "c-1")


async def issued(vc: VcDesk, *options: object, name: str = "degree.vc.json") -> str:
    await vc.run("issue", vc.file("degree.json", DEGREE), "--key-file", "%uni", "--out", f"./{name}", *options)
    return f"./{name}"


async def presented(vc: VcDesk, *files: str) -> str:
    await vc.run("present", *files, "--key-file", "%anna", *SHOWN, "--out", "./shown.json")
    return "./shown.json"


# Issue and verify


async def test_a_credential_is_issued_and_verified(vc: VcDesk) -> None:
    file = await issued(vc, "--revocation", "1:7", "--suspension", "2:9")
    made = vc.read_file("degree.vc.json")
    assert made["issuer"] == ISSUER_DID and made["proof"]["verificationMethod"] == f"{ISSUER_DID}#key-1"
    assert [one["statusListIndex"] for one in made["credentialStatus"]] == ["7", "9"]
    assert made["credentialStatus"][0]["statusListCredential"].startswith(vc.url)
    lines = (await vc.run("verify", file)).splitlines()
    assert lines[0] == f"VALID (Data Integrity, by {ISSUER_DID})"
    assert "  the super nodes admitted its issuer as 'Uni': governance:1, block 7" in lines
    found = json.loads(await vc.run("verify", file, "--json"))
    assert found["is_valid"] and found["keys"][0]["public_key"] == ISSUER.public.hex() and found["inside"] == []


async def test_issuing_needs_no_node(vc: VcDesk) -> None:
    away = {"node": False, "genesis": False}
    file = vc.file("degree.json", DEGREE)
    made = json.loads(await vc.run("issue", file, "--key-file", "%uni", "--method", f"{ISSUER_DID}#key-1", **away))
    vc.file("made.json", made)
    assert "VALID" in await vc.run("verify", "./made.json")
    made = json.loads(await vc.run("issue", file, "--key-file", "%bela", "--did-key", **away))
    did = did_key_of("e", key_of("bela").public)
    assert made["issuer"] == did and made["proof"]["verificationMethod"] == f"{did}#{encode_multikey('e', key_of('bela').public)}"
    vc.file("made.json", made)
    out = await vc.run("verify", "./made.json", "--offline", **away)
    assert out.startswith("VALID") and vc.err == ""


async def test_what_is_not_issued(vc: VcDesk) -> None:
    file = vc.file("degree.json", DEGREE)
    assert "not registered" in await vc.denied("not-found", "issue", file, "--key-file", "%bela")
    assert await vc.denied("method-not-authorised", "issue", file, "--key-file", "%bela", "--did", ISSUER_DID)
    other = vc.file("other.json", {**DEGREE, "issuer": HOLDER_DID})
    assert await vc.denied("bad-credential", "issue", other, "--key-file", "%uni")
    assert await vc.denied("bad-credential", "issue", vc.file("no.json", "[]"), "--key-file", "%uni")
    for options in (
        ("--revocation", "7"),
        ("--revocation", "1:x"),
        ("--revocation", "1:131072"),
        ("--method", "key-1"),
        ("--hide", "name"),
        ("--sd-jwt", "t", "--revocation", "1:7"),
    ):
        await vc.denied("bad-use", "issue", file, "--key-file", "%uni", *options)
    await vc.denied("bad-use", "issue", file, "--key-file", "%uni", "--did-key", "--revocation", "1:7", genesis=False)
    await vc.denied("bad-use", "issue", "./missing.json", "--key-file", "%uni")
    await issued(vc)
    await vc.denied("bad-use", "issue", file, "--key-file", "%uni", "--out", "./degree.vc.json")


async def test_a_changed_credential_is_refused_with_its_code(vc: VcDesk) -> None:
    await issued(vc)
    made = vc.read_file("degree.vc.json")
    made["credentialSubject"]["degree"] = "Doctor"
    await vc.denied("bad-credential-proof", "verify", vc.file("forged.json", made))
    assert vc.out.startswith("NOT VALID (bad-credential-proof): ")
    await vc.denied("bad-credential", "verify", vc.file("no.json", "{}"))
    await vc.denied("bad-use", "verify", "./degree.vc.json", "--domain", "x")
    await vc.denied("bad-use", "verify", "./degree.vc.json", "--now", "2026-01-01T00:00:00Z")


async def test_verifying_offline_with_kept_proofs(vc: VcDesk) -> None:
    file = await issued(vc, "--revocation", "1:7")
    resolved = await vc.node.resolve(ISSUER_DID, NEWEST, has_proof=True)
    vc.file("uni.proof.json", bundle_to_json(resolved.bundles[-1]))
    await vc.run("status", file, "--save", "./list.json")
    kept = ("verify", file, "--offline", "--document", "./uni.proof.json", "--list", "./list.json")
    out = await vc.run(*kept, node=False)
    assert out.startswith("VALID") and "is proved by the ledger, after block " in out
    assert "whether the issuer may issue this" in out
    vc.node.set_status("1", 7)
    assert (await vc.run(*kept, node=False)).startswith("VALID")  # as of then, which it says
    await vc.run("status", file, "--save", "./newer.json")
    await vc.denied("credential-revoked", *kept[:-1], "./newer.json", node=False)
    await vc.denied("status-unknown", *kept[:-2], node=False)
    await vc.denied("method-not-authorised", "verify", file, "--offline", node=False)
    await vc.denied("bad-use", *kept[:5], node=False, genesis=False)
    await vc.denied("suite-unknown", *kept[:3], "--list", "./list.json", node=False, genesis=False)
    other = vc.file("list2.json", vc.read_file("list.json")["proof"]["bundle"])
    await vc.denied("other-question", *kept[:3], "--document", other, node=False)
    await vc.denied("bad-use", *kept[:3], "--document", vc.file("x.json", {"a": 1}), node=False)
    document = vc.file("doc.json", {"didDocument": resolved.document})
    assert (await vc.run(*kept[:3], "--document", document, "--list", "./list.json", node=False)).startswith("VALID")


async def test_a_presentation_is_for_one_verifier(vc: VcDesk) -> None:
    shown = await presented(vc, await issued(vc, "--revocation", "1:7"))
    out = await vc.run("verify", shown, *SHOWN)
    assert out.startswith("VALID (Data Integrity, by " + HOLDER_DID) and "credential 1:\n  VALID" in out
    await vc.denied("wrong-challenge", "verify", shown, "--domain", DOMAIN, "--challenge", "c-2")
    await vc.denied("wrong-challenge", "verify", shown)
    vc.node.set_status("1", 7)
    await vc.denied("bad-credential", "verify", shown, *SHOWN)
    assert "  NOT VALID (credential-revoked): " in vc.out
    await vc.denied("bad-use", "present", "./degree.vc.json", "--key-file", "%anna", *SHOWN, "--show", "x")
    await vc.denied("bad-credential", "present", "./degree.vc.json", "--key-file", "%anna", "--domain", DOMAIN, "--challenge", "")
    await vc.denied("bad-credential", "present", vc.file("x.json", {}), "--key-file", "%anna", *SHOWN)


async def test_an_sd_jwt_shows_what_its_holder_likes(vc: VcDesk) -> None:
    claims = vc.file("claims.json", {"name": "Anna", "degree": "Bachelor"})
    bound = encode_multikey("e", HOLDER.public)
    hide = ("--hide", "name", "--hide", "degree", "--holder-key", bound)
    await vc.run("issue", claims, "--key-file", "%uni", "--sd-jwt", "https://uni.example/degree", *hide, "--out", "./sd")
    assert is_sdjwt((vc.folder / "sd").read_text())
    await vc.run("present", "./sd", "--key-file", "%anna", *SHOWN, "--show", "degree", "--out", "./shown")
    found = json.loads(await vc.run("verify", "./shown", *SHOWN, "--json"))
    assert found["is_valid"] and found["claims"]["degree"] == "Bachelor" and "name" not in found["claims"]
    assert "its holder has bound it to the domain and the challenge that were asked for" in found["checked"]
    await vc.denied("wrong-challenge", "verify", "./shown", "--domain", DOMAIN, "--challenge", "c-2")
    await vc.denied("wrong-challenge", "verify", "./shown", "--domain", DOMAIN)
    await vc.denied("wrong-challenge", "verify", "./shown")
    await vc.denied("wrong-challenge", "verify", "./sd", *SHOWN)
    await vc.denied("bad-use", "present", "./sd", "./sd", "--key-file", "%anna", *SHOWN)
    await vc.denied("bad-credential", "present", "./sd", "--key-file", "%anna", *SHOWN, "--show", "other")


async def test_a_xinghuo_token_is_verified(vc: VcDesk) -> None:
    content = {
        "@context": [BIF_CONTEXT],
        "id": "c1",
        "type": ["VerifiableCredential"],
        "issuer": ISSUER_DID,
        "issuanceDate": "2026-01-01T00:00:00Z",
        "credentialSubject": {"id": HOLDER_DID, "degree": "Bachelor"},
    }
    token = vc.file("token", sign_jws({"kid": f"{ISSUER_DID}#key-1"}, content, ISSUER))
    assert (await vc.run("verify", token)).startswith("VALID (Xinghuo JWS, by ")


# Lists and schemas


async def test_lists_are_begun_and_entries_set(vc: VcDesk) -> None:
    sponsored = ("--key-file", "%uni", "--sponsor-key-file", "%sponsor")
    assert f"{ISSUER_DID} has the list 3, for revocation" in await vc.run("list-create", "3", *sponsored)
    await vc.denied("already-exists", "list-create", "3", *sponsored)
    await vc.run("list-create", "m", "--purpose", "message", "--size", "8", *sponsored)
    file = await issued(vc, "--revocation", "3:7", "--suspension", "2:9")
    assert "revoked: 7 of list 3; 1 had another value before" in await vc.run("revoke", file, *sponsored)
    assert "; 0 had another value" in await vc.run("revoke", "--list", "3", "--index", "7", *sponsored)
    await vc.denied("credential-revoked", "verify", file)
    assert "suspended: 9, 10 of list 2" in await vc.run("suspend", "--list", "2", "--index", "9", "--index", "10", *sponsored)
    assert "no longer suspended: 9 of list 2" in await vc.run("suspend", file, "--lift", *sponsored)
    lines = (await vc.run("status", file)).splitlines()
    assert lines[0].startswith(f"list 3 of {ISSUER_DID}, for revocation, entry 7: 1, after block ")
    assert lines[1].startswith(f"list 2 of {ISSUER_DID}, for suspension, entry 9: 0, after block ")
    assert "for suspension: 1 of 131,072 entries are not 0" in await vc.run("status", "--issuer", ISSUER_DID, "--list", "2")
    assert "for message: 0 of 131,072" in await vc.run("status", "--issuer", ISSUER_DID, "--list", "m")
    assert "entry 10: 1" in await vc.run("status", "--issuer", ISSUER_DID, "--list", "2", "--index", "10")
    before = str(vc.node.last_height() - 6)
    assert "entry 10: 0" in await vc.run("status", "--issuer", ISSUER_DID, "--list", "2", "--index", "10", "--height", before)


async def test_what_is_not_written(vc: VcDesk) -> None:
    sponsored = ("--key-file", "%uni", "--sponsor-key-file", "%sponsor")
    file = await issued(vc, "--suspension", "2:9")
    before = vc.node.last_height()
    assert await vc.denied("bad-credential", "revoke", file, *sponsored)
    assert await vc.denied("bad-status-list", "revoke", "--list", "2", "--index", "9", *sponsored)
    assert await vc.denied("not-found", "revoke", "--list", "9", "--index", "9", *sponsored)
    assert await vc.denied("key-not-authorised", "revoke", "--list", "1", "--index", "9", "--issuer", ISSUER_DID, "--key-file", "%anna")
    plain = vc.file("plain.json", DEGREE)
    assert await vc.denied("bad-credential", "status", plain)
    for arguments in (
        ("revoke", *sponsored),
        ("revoke", file, "--list", "1", "--index", "1", *sponsored),
        ("revoke", "--list", "1", *sponsored),
        ("revoke", "--list", "1", "--index", "1", "--sponsor-key-file", "%sponsor"),
        ("status",),
        ("status", file, "--issuer", ISSUER_DID),
        ("status", "--issuer", ISSUER_DID),
        ("schema", "degree", "--version", "1", plain, *sponsored),
        ("schema", "degree"),
        ("schema", "degree", "./missing", *sponsored),
    ):
        await vc.denied("bad-use", *arguments)
    await vc.run("issue", vc.file("d.json", DEGREE), "--key-file", "%uni", "--revocation", "1:7", "--out", "./one")
    await vc.run("issue", "./d.json", "--key-file", "%uni", "--revocation", "3:7", "--out", "./three")
    await vc.denied("bad-use", "revoke", "./one", "./three", *sponsored)
    await vc.run("issue", "./d.json", "--key-file", "%uni", "--revocation", "1:7", "--suspension", "2:9", "--out", "./both")
    await vc.denied("bad-use", "status", "./both", "--save", "./list.json")
    assert vc.node.last_height() == before
    await vc.denied("not-issuer", "list-create", "1", "--key-file", "%anna")


async def test_schemas_are_registered_and_shown(vc: VcDesk) -> None:
    file = vc.file("schema.json", {"type": "object"})
    out = await vc.run("schema", "degree", file, "--key-file", "%uni", "--sponsor-key-file", "%sponsor")
    assert f"schema degree of {ISSUER_DID} has version 3, SHA-256 " in out
    newest = await vc.run("schema", "degree", "--issuer", ISSUER_DID)
    assert newest.startswith(f"Schema degree of {ISSUER_DID}, version 3: SHA-256 {out.split()[-1]}")
    assert "version 1: " in await vc.run("schema", "degree", "--issuer", ISSUER_DID, "--version", "1")
    for version in ((), ("--version", "9")):
        name = "degree" if version else "other"
        assert "that is proved" in await vc.denied("not-found", "schema", name, "--issuer", ISSUER_DID, *version)


# Roles and login


async def test_a_role_is_shown_to_who_has_the_genesis_file(vc: VcDesk) -> None:
    await vc.run("role", "@anna", "member", "--out", "./role.json")
    out = await vc.run("verify", "./role.json", "--offline", node=False)
    assert out.startswith("VALID (ledger proof, by urn:chainnode:")
    assert vc.read_file("role.json")["proof"]["type"] == "chainnode-bundle"
    await vc.denied("suite-unknown", "verify", "./role.json", "--offline", node=False, genesis=False)
    await vc.denied("not-found", "role", "@anna", "super")
    shown = await presented(vc, "./role.json")
    assert (await vc.run("verify", shown, *SHOWN)).startswith("VALID")


async def test_the_holder_of_a_key_comes_in_once(vc: VcDesk) -> None:
    found = json.loads(await vc.run("login", "--domain", DOMAIN, "--key-file", "%anna", "--send"))
    assert found["did"] == HOLDER_DID and found["publicKey"] == HOLDER.public.hex()
    answer = json.loads(await vc.run("login", "--domain", DOMAIN, "--key-file", "%anna"))
    challenge = vc.file("challenge.json", answer["challenge"])
    again: dict[str, Any] = json.loads(await vc.run("login", "--domain", DOMAIN, "--challenge", challenge, "--key-file", "%anna"))
    assert again == answer
    await vc.run("login", "--domain", DOMAIN, "--challenge", challenge, "--key-file", "%anna", "--send")
    await vc.denied("challenge-used", "login", "--domain", DOMAIN, "--challenge", challenge, "--key-file", "%anna", "--send")
    await vc.denied("wrong-challenge", "login", "--domain", "other.example", "--challenge", challenge, "--key-file", "%anna")
    await vc.denied("bad-option", "login", "--domain", "other.example", "--key-file", "%anna")
    found = json.loads(await vc.run("login", "--domain", DOMAIN, "--key-file", "%bela", "--did-key", "--send"))
    assert found["did"] == did_key_of("e", key_of("bela").public)


@pytest.mark.parametrize("suite", ["s", "z"])
async def test_keys_of_other_suites_sign_no_credential_of_the_w3c(vc: VcDesk, suite: str) -> None:
    key = suites.generate(suite, b"\x07" * 32)
    save_key(vc.folder / "other.json", key, PASSPHRASE)
    file = vc.file("degree.json", DEGREE)
    await vc.denied("suite-unknown", "issue", file, "--key-file", "./other.json", "--did-key")
