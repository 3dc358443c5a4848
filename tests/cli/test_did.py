"""The commands that register, resolve, change and end DIDs, on a real chain in this process; each refusal has its code."""

import json
import re

import pytest

from chainnode.bid import did_of
from chainnode.bundlejson import bundle_from_json
from chainnode.did.multikey import encode_multikey
from chainnode.node.homes import save_key
from chainnode.node.webfetch import WebFetcher
from chainnode.transactions import decode_transaction
from tests.chain_maker import key_of
from tests.cli.registry_node import Desk

KEY_DID = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
SHOP = "shop,LinkedDomains,https://shop.example"


@pytest.fixture
async def anna(desk: Desk) -> Desk:
    """Anna is registered."""
    await desk.sponsored("create", "--key-file", "%anna")
    return desk


async def document(desk: Desk, name: str = "anna", *options: object) -> dict:
    return json.loads(await desk.run("resolve", f"@{name}", *options))


def keys_of(found: dict) -> list[str]:
    return [one["id"].partition("#")[2] for one in found["verificationMethod"]]


def write(desk: Desk, name: str, content: object) -> str:
    (desk.folder / name).write_text(json.dumps(content), encoding="utf-8")
    return f"./{name}"


# Create


async def test_a_did_is_registered_with_its_key_for_all_purposes(desk: Desk) -> None:
    out = await desk.sponsored("create", "--key-file", "%anna")
    assert out.splitlines()[0].startswith("transaction ") and out.splitlines()[1] == f"{desk.did('anna')} is registered: version 1"
    found = await document(desk)
    assert found["id"] == desk.did("anna")
    assert found["verificationMethod"][0]["publicKeyMultibase"] == encode_multikey("e", key_of("anna").public)
    for purpose in ("authentication", "assertionMethod", "capabilityInvocation", "capabilityDelegation"):
        assert found[purpose] == [f"{desk.did('anna')}#key-1"]


async def test_who_has_a_role_needs_no_sponsor(desk: Desk) -> None:
    await desk.run("create", "--key-file", "%sponsor", "--service", SHOP, "--also-known-as", "https://me.example", "--recovery", "@ben")
    found = await document(desk, "sponsor")
    assert found["service"][0]["serviceEndpoint"] == "https://shop.example" and found["alsoKnownAs"] == ["https://me.example"]
    assert f"recovered by 1 of {desk.did('ben')}" in await desk.run("show", "@sponsor")


async def test_without_a_role_and_without_a_sponsor_nothing_is_registered(desk: Desk) -> None:
    await desk.refused("not-member", "create", "--key-file", "%anna")


async def test_a_did_is_registered_once(anna: Desk) -> None:
    await anna.refused("already-exists", "create", "--key-file", "%anna", "--sponsor-key-file", "%sponsor")
    assert anna.blocks == 0, "the command sees it before it asks"


@pytest.mark.parametrize("form", [[], ["--bid"]])
async def test_a_document_of_either_form_is_registered(desk: Desk, form: list[str]) -> None:
    await desk.run("create", "--key-file", "%sponsor")
    me, other = desk.did("anna"), desk.did("sponsor")
    text = (await desk.run("resolve", "@sponsor", *form)).replace(other, me)
    read = json.loads(text.replace(encode_multikey("e", key_of("sponsor").public), encode_multikey("e", key_of("anna").public)))
    read["service"] = [{"id": f"{me}#shop", "type": "LinkedDomains", "serviceEndpoint": "https://shop.example"}]
    await desk.sponsored("create", "--key-file", "%anna", "--document", write(desk, "document.json", read))
    found = await document(desk)
    assert keys_of(found) == ["key-1"] and found["service"][0]["id"].endswith("#shop")


@pytest.mark.parametrize(
    ("content", "code"),
    [([], "bad-document"), ({"id": "did:bid:x"}, "bad-document"), ({"id": "did:bid:x", "publicKey": []}, "bad-document")],
)
async def test_what_is_no_document_of_the_did_is_refused(desk: Desk, content: object, code: str) -> None:
    await desk.refused(code, "create", "--key-file", "%anna", "--document", write(desk, "document.json", content))
    assert desk.blocks == 0


async def test_a_bid_document_of_another_did_is_refused(anna: Desk) -> None:
    other = json.loads(await anna.run("resolve", "@anna", "--bid"))
    assert "is a document of" in await anna.refused(
        "bad-document", "create", "--key-file", "%ben", "--document", write(anna, "other.json", other)
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["create"],
        ["create", "--public-key", "z1"],
        ["create", "--key-file", "%anna", "--public-key", "z1"],
        ["create", "--key-file", "%anna", "--document", "./missing.json"],
        ["create", "--key-file", "%anna", "--service", "shop"],
        ["create", "--key-file", "%anna", "--signer", "@ben"],
        ["create", "--key-file", "%anna", "--offline-sign", "./out", "--sponsor", "@ben", "--sponsor-key-file", "%sponsor"],
        ["create", "--key-file", "%anna", "--controller", "@ben", "--no-controllers"],
        ["create", "--key-file", "%anna", "--passphrase-file", "./a", "--passphrase-file", "./b"],
    ],
)
async def test_a_wrong_use_of_create_is_told(desk: Desk, arguments: list[str]) -> None:
    await desk.refused("bad-use", *arguments, exit_code=2)
    assert desk.blocks == 0


@pytest.mark.parametrize(
    ("options", "code", "exit_code"),
    [
        (["--controller", "did:bid:nobody"], "bad-did", 2),
        (["--controller", "@ben", "--threshold", "2"], "bad-document", 1),
        (["--service", "shop,LinkedDomains,no address"], "bad-document", 1),
    ],
)
async def test_what_the_ledger_would_refuse_is_not_sent(desk: Desk, options: list[str], code: str, exit_code: int) -> None:
    await desk.refused(code, "create", "--key-file", "%anna", "--sponsor-key-file", "%sponsor", *options, exit_code=exit_code)
    assert desk.blocks == 0


async def test_a_wrong_passphrase_opens_nothing(desk: Desk) -> None:
    (desk.folder / "wrong").write_text("not this one\n")
    await desk.refused("bad-passphrase", "create", "--key-file", "%anna", "--passphrase-file", "./wrong")


async def test_keys_may_have_passphrases_of_their_own(desk: Desk) -> None:
    save_key(desk.folder / "anna.json", key_of("anna"), "first one")
    for name, text in (("one", "first one"), ("two", "correct horse")):
        (desk.folder / name).write_text(f"{text}\n")
    create = ("create", "--key-file", "%anna", "--sponsor-key-file", "%sponsor")
    await desk.refused("bad-passphrase", *create, "--passphrase-file", "./two", "--passphrase-file", "./one")
    await desk.run(*create, "--passphrase-file", "./one", "--passphrase-file", "./two")


async def test_more_signers_than_a_transaction_has_are_refused(anna: Desk) -> None:
    many = [part for number in range(16) for part in ("--signer", f"@{number}")]
    detail = await anna.refused("bad-use", "veto", "@anna", "--key-file", "%anna", *many, "--offline-sign", "./tx", exit_code=2)
    assert detail == "17 signers; a transaction has at most 16" and not (anna.folder / "tx").exists()


async def test_what_could_mislead_a_terminal_is_escaped(desk: Desk) -> None:
    await desk.run("create", "--key-file", "%sponsor")
    read = await document(desk, "sponsor", "--bid")
    read["extension"]["attributes"] = [{"key": "\x9b31m", "desc": "仓库", "encrypt": 0, "format": "text", "value": "\u202e\\"}]
    out = await desk.run("update", "@sponsor", "--key-file", "%sponsor", "--document", write(desk, "bid.json", read))
    out += await desk.run("resolve", "@sponsor", "--bid") + await desk.run("show", "@sponsor")
    assert "仓库" in out and all(letter.isprintable() or letter == "\n" for letter in out)
    attribute = (await document(desk, "sponsor", "--bid"))["extension"]["attributes"][0]
    assert (attribute["key"], attribute["value"]) == ("\x9b31m", "\u202e\\")


# Resolve


async def test_absence_is_proved_and_is_an_error_with_its_code(desk: Desk) -> None:
    detail = await desk.refused("not-found", "resolve", "@nobody", "--save", "./absent.json")
    assert detail.startswith(f"{desk.did('nobody')} is not registered as of block")
    assert detail.endswith("that is proved") and "as of block" in detail and "traced to the genesis file" in desk.err
    assert "letter" in await desk.refused("not-found", "resolve", desk.did("nobody") + "x")  # a suffix of 23 bytes
    assert bundle_from_json((desk.folder / "absent.json").read_text())
    await desk.refused("not-found", "resolve", "@nobody", "--offline", "./absent.json")
    await desk.refused("other-question", "resolve", "@anna", "--offline", "./absent.json")


async def test_old_versions_are_found_and_the_proof_is_good_offline(anna: Desk) -> None:
    await anna.sponsored("update", "@anna", "--key-file", "%anna", "--service", SHOP)
    assert "service" not in await document(anna, "anna", "--version-id", "1", "--save", "./old.json")
    assert "service" in await document(anna, "anna", "--version-id", "2", "--save", "./new.json")
    for name, version in (("old", "1"), ("new", "2")):
        found = json.loads(await anna.run("resolve", "@anna", "--offline", f"./{name}.json", "--version-id", version))
        assert ("service" in found) is (name == "new") and "later blocks may say otherwise" in anna.err
    await anna.refused("other-question", "resolve", "@anna", "--offline", "./old.json")
    await anna.refused("bad-option", "resolve", "@anna", "--version-id", "0", exit_code=2)
    await anna.refused("not-found", "resolve", "@anna", "--version-id", "9")
    await anna.refused("not-found", "resolve", "@anna", "--version-time", "2020-01-01T00:00:00Z")
    assert "service" in json.loads(await anna.run("resolve", "@anna", "--version-time", "2999-01-01T00:00:00Z"))


async def test_the_answer_of_a_resolver_is_good_offline_too(anna: Desk) -> None:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(f"{anna.url}/1.0/identifiers/{anna.did('anna')}") as answer:
        (anna.folder / "answer.json").write_text(await answer.text())
    found = json.loads(await anna.run("resolve", "@anna", "--offline", "./answer.json"))
    assert found == await document(anna)
    changed = (anna.folder / "answer.json").read_text().replace('"power":', '"power": 1')
    (anna.folder / "changed.json").write_text(changed)
    await anna.run("resolve", "@anna", "--offline", "./changed.json", code=1)
    for name, content in (("rubbish", "{"), ("list", "[]")):
        (anna.folder / name).write_text(content)
        await anna.run("resolve", "@anna", "--offline", f"./{name}", code=1)
    await anna.refused("bad-use", "resolve", "@anna", "--offline", "./none", exit_code=2)
    await anna.refused("bad-use", "resolve", "@anna", "--offline", "./answer.json", exit_code=2, genesis=False)


async def test_a_record_that_somebody_made_up_is_not_believed(anna: Desk) -> None:
    await anna.run("resolve", "@anna", "--save", "./proof.json")
    text = (anna.folder / "proof.json").read_text()
    assert text.count(key_of("anna").public.hex()) == 1
    (anna.folder / "forged.json").write_text(text.replace(key_of("anna").public.hex(), key_of("eve").public.hex()))
    await anna.refused("bad-proof", "resolve", "@anna", "--offline", "./forged.json")


async def test_the_bid_form_shows_what_xinghuo_knows(anna: Desk) -> None:
    found = await document(anna, "anna", "--bid")
    assert found["publicKey"][0]["publicKeyHex"].startswith("b06566") and found["extension"]["ttl"] == 86400


async def test_did_key_is_worked_out_here(desk: Desk) -> None:
    desk.url = "http://127.0.0.1:1"
    assert json.loads(await desk.run("resolve", KEY_DID))["id"] == KEY_DID and desk.err.startswith("trusted: nobody")
    await desk.refused("feature-missing", "resolve", KEY_DID, "--version-id", "1")
    await desk.refused("bad-use", "resolve", KEY_DID, "--bid", exit_code=2)
    await desk.refused("bad-use", "resolve", KEY_DID, "--save", "./x", exit_code=2)
    await desk.refused("bad-use", "resolve", KEY_DID, "--offline", "./x", exit_code=2)


async def test_did_web_is_asked_for_only_when_that_is_wanted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {"https://web.example/.well-known/did.json": b'{"id": "did:web:web.example"}', "https://web.example/a/did.json": b"{}"}

    async def fetch(_: WebFetcher, url: str) -> bytes:
        return pages[url]

    monkeypatch.setattr(WebFetcher, "fetch", fetch)
    await desk.refused("feature-missing", "resolve", "did:web:web.example")
    assert json.loads(await desk.run("resolve", "did:web:web.example", "--web"))["id"] == "did:web:web.example"
    assert "nothing proves it" in desk.err
    await desk.refused("web-did-bad", "resolve", "did:web:web.example:a", "--web")


@pytest.mark.parametrize(
    ("did", "code"), [("did:bid:x", "bad-did"), ("nonsense", "bad-did"), ("did:other:1", "did-method-unknown"), ("@anna#key-1", "bad-did")]
)
async def test_what_is_no_did_of_ours_is_refused(desk: Desk, did: str, code: str) -> None:
    await desk.refused(code, "resolve", did.replace("@anna", desk.did("anna")), exit_code=2)


async def test_show_tells_what_no_document_says(anna: Desk) -> None:
    control = ("--recovery", "@ben", "--recovery", "@cas", "--recovery-threshold", "2", "--recovery-delay-hours", "48")
    await anna.sponsored("control", "@anna", "--key-file", "%anna", *control)
    out = await anna.run("show", "@anna", "--history")
    assert "is active: version 2, of block" in out and "It decides about itself." in out and "recovered by 2 of" in out
    assert "48 hours after asking" in out and "No recovery is pending." in out and "version 1: of block" in out
    assert "SHA-256 of this version" in out and "trusted: " in out
    began, ended = (re.findall(pattern, out) for pattern in (r"version 2, of block \d+, (\S+Z)\.", r"until (\S+Z), keys"))
    assert began == ended and len(began) == 1, "the old version ends when the new one begins, to the millisecond"
    await anna.refused("not-found", "show", "@nobody")
    await anna.refused("bad-did", "show", KEY_DID, exit_code=2)


async def test_a_did_with_an_ac_number_is_changed_as_this_ledger_has_it(desk: Desk) -> None:
    did = did_of("e", key_of("anna").public, "byo1")
    await desk.sponsored("create", "--key-file", f"{did}={desk.key('anna')}")
    await desk.sponsored("update", did, "--key-file", "%anna", "--service", SHOP)
    out = await desk.run("show", did)
    assert out.startswith(f"{did} is active: version 2") and "#shop" in out


# Update


async def test_services_and_names_come_and_go(anna: Desk) -> None:
    key = ("--key-file", "%anna")
    await anna.sponsored("update", "@anna", *key, "--service", SHOP, "--also-known-as", "https://anna.example", "--service", "a,B,urn:c")
    await anna.sponsored("update", "@anna", *key, "--service", "shop,LinkedDomains,https://new.example", "--remove-service", "a")
    found = await document(anna)
    assert [(one["id"].partition("#")[2], one["serviceEndpoint"]) for one in found["service"]] == [("shop", "https://new.example")]
    await anna.sponsored("update", "@anna", *key, "--remove-name", "https://anna.example")
    assert "alsoKnownAs" not in await document(anna)
    await anna.refused("bad-use", "update", "@anna", *key, "--remove-service", "a", exit_code=2)
    await anna.refused("bad-use", "update", "@anna", *key, "--remove-name", "https://anna.example", exit_code=2)
    await anna.refused("bad-use", "update", "@anna", *key, exit_code=2)


async def test_a_service_does_not_take_the_name_of_a_key(anna: Desk) -> None:
    detail = await anna.refused("bad-document", "update", "@anna", "--key-file", "%anna", "--service", "key-1,X,urn:x")
    assert detail == "#key-1 names a key and a service" and anna.blocks == 0
    await anna.sponsored("update", "@anna", "--key-file", "%anna", "--service", "key-3,X,urn:x")
    await anna.sponsored("rotate", "@anna", "--key-file", "%anna", "--new-key-file", "%anna2")
    assert keys_of(await document(anna)) == ["key-3-2"], "a new key takes a free name"


async def test_a_document_that_was_edited_updates_the_rest_and_no_more(anna: Desk) -> None:
    key = ("--key-file", "%anna")
    bid_form = await document(anna, "anna", "--bid")
    bid_form["extension"] |= {"type": 102, "attributes": [{"key": "seat", "desc": "", "encrypt": 0, "format": "text", "value": "Suzhou"}]}
    bid_form["service"] = [{"id": "#sub", "type": "X", "serviceEndpoint": "https://x.example", "port": 1}]
    bid_form["alsoKnownAs"] = [{"type": 103, "id": "anna.example"}]
    await anna.sponsored("update", "@anna", *key, "--document", write(anna, "bid.json", bid_form))
    found = await document(anna)
    assert "alsoKnownAs" not in found, "a bare domain is no URI"
    found["alsoKnownAs"] = ["https://anna.example"]
    await anna.sponsored("update", "@anna", *key, "--document", write(anna, "w3c.json", found))
    after = await document(anna, "anna", "--bid")
    assert after["extension"]["type"] == 102 and after["extension"]["attributes"][0]["value"] == "Suzhou"
    assert after["service"][0]["port"] == 1
    assert [one["id"] for one in after["alsoKnownAs"]] == ["anna.example", "https://anna.example"]


async def test_an_update_changes_neither_keys_nor_controllers(anna: Desk) -> None:
    found = await document(anna)
    other = json.loads(json.dumps(found).replace("key-1", "key-9"))
    for name, changed in (("keys.json", other), ("control.json", found | {"controller": anna.did("ben")})):
        detail = await anna.refused(
            "bad-use", "update", "@anna", "--key-file", "%anna", "--document", write(anna, name, changed), exit_code=2
        )
        assert "`did rotate`" in detail or "`did control`" in detail
    bid_form = await document(anna, "anna", "--bid")
    bid_form["publicKey"][0]["publicKeyHex"] = key_of("ben").public.hex()
    await anna.refused("bad-use", "update", "@anna", "--key-file", "%anna", "--document", write(anna, "b.json", bid_form), exit_code=2)


async def test_a_stranger_changes_nothing(anna: Desk) -> None:
    for command in (["update", "@anna", "--service", SHOP], ["deactivate", "@anna", "--for-ever"], ["veto", "@anna"]):
        await anna.refused("key-not-authorised", *command, "--key-file", "%eve", "--sponsor-key-file", "%sponsor")
    named = f"{anna.did('anna')}={anna.key('eve')}"
    await anna.refused("key-not-authorised", "update", "@anna", "--service", SHOP, "--key-file", named, "--sponsor-key-file", "%sponsor")
    await anna.refused("not-found", "update", "@nobody", "--service", SHOP, "--key-file", "%nobody")
    await anna.refused("bad-use", "update", "@anna", "--service", SHOP, exit_code=2)


# Rotate


async def test_a_new_key_takes_the_place_of_the_old(anna: Desk) -> None:
    out = await anna.sponsored("rotate", "@anna", "--key-file", "%anna", "--new-key-file", "%anna2")
    assert out.endswith("changed: version 2\n")
    assert keys_of(await document(anna)) == ["key-2"]
    await anna.refused("key-not-authorised", "update", "@anna", "--key-file", "%anna", "--service", SHOP)
    old = f"{anna.did('anna')}={anna.key('anna')}"  # whoever names the DID is refused by the node
    await anna.refused("key-not-authorised", "update", "@anna", "--key-file", old, "--service", SHOP, "--sponsor-key-file", "%sponsor")
    await anna.sponsored("update", "@anna", "--key-file", "%anna2", "--service", SHOP)


async def test_keys_are_added_and_dropped_by_name(anna: Desk) -> None:
    seal = encode_multikey("x", bytes(range(32)))
    await anna.sponsored("rotate", "@anna", "--key-file", "%anna", "--keep", "--new-public-key", seal, "--new-key-file", "%phone")
    found = await document(anna)
    assert keys_of(found) == ["key-1", "key-2", "key-2-2"] and found["keyAgreement"] == [f"{anna.did('anna')}#key-2-2"]
    await anna.sponsored("rotate", "@anna", "--key-file", "%phone", "--drop", "key-1")
    assert keys_of(await document(anna)) == ["key-2", "key-2-2"]
    await anna.sponsored("rotate", "@anna", "--key-file", "%phone", "--keep", "--new-key-file", "%issuer", "--purpose", "assertionMethod")
    found = await document(anna)
    assert found["assertionMethod"][-1].endswith("#key-4") and not found["capabilityInvocation"][-1].endswith("#key-4")
    await anna.refused("key-not-authorised", "update", "@anna", "--key-file", "%issuer", "--service", SHOP)
    named = f"{anna.did('anna')}={anna.key('issuer')}"
    await anna.refused("key-not-authorised", "update", "@anna", "--key-file", named, "--service", SHOP, "--sponsor-key-file", "%sponsor")
    found["verificationMethod"] = found["verificationMethod"][:1]
    for name in ("authentication", "assertionMethod", "capabilityInvocation", "capabilityDelegation"):
        found[name] = found[name][:1]
    found.pop("keyAgreement")
    await anna.sponsored("rotate", "@anna", "--key-file", "%phone", "--document", write(anna, "one.json", found))
    assert keys_of(await document(anna)) == ["key-2"]


async def test_the_key_that_signs_is_chosen_by_the_record(anna: Desk) -> None:
    """The issuer's key is in Anna's document for assertions alone, and in Ben's for all; both decide, Ben's DID signs."""
    both = ("--controller", "@anna", "--controller", "@ben")
    await anna.sponsored("create", "--key-file", "%ben")
    await anna.sponsored("rotate", "@ben", "--key-file", "%ben", "--new-key-file", "%issuer")
    await anna.sponsored("rotate", "@anna", "--key-file", "%anna", "--keep", "--new-key-file", "%issuer", "--purpose", "assertionMethod")
    await anna.sponsored("control", "@anna", "--key-file", "%anna", *both)
    await anna.sponsored("update", "@anna", "--key-file", "%issuer", "--service", SHOP)
    assert decode_transaction(anna.node.submitted[-1]).body.signers == (anna.did("sponsor"), anna.did("ben"))


async def test_a_did_is_not_left_without_a_key(anna: Desk) -> None:
    await anna.refused("no-keys", "rotate", "@anna", "--key-file", "%anna", "--drop", "key-1", "--sponsor-key-file", "%sponsor")


@pytest.mark.parametrize("options", [[], ["--drop", "key-7"], ["--document", "./x.json", "--keep"]])
async def test_a_wrong_use_of_rotate_is_told(anna: Desk, options: list[str]) -> None:
    await anna.refused("bad-use", "rotate", "@anna", "--key-file", "%anna", *options, exit_code=2)


async def test_nobody_rotates_to_a_key_that_was_swapped_in_its_file(anna: Desk) -> None:
    sealed = json.loads(anna.key("anna2").read_text())
    sealed["public_key"] = key_of("eve").public.hex()
    anna.key("anna2").write_text(json.dumps(sealed))
    await anna.refused("bad-passphrase", "rotate", "@anna", "--key-file", "%anna", "--new-key-file", "%anna2")
    await anna.refused("bad-key", "rotate", "@anna", "--key-file", "%anna", "--new-public-key", "zzz")
    (anna.folder / "other").write_text("another one\n")
    await anna.refused(
        "bad-passphrase", "rotate", "@anna", "--key-file", "%anna", "--new-key-file", "%new", "--new-passphrase-file", "./other"
    )


# Control


async def test_controllers_decide_by_threshold(anna: Desk) -> None:
    boards = ("--controller", "@ada", "--controller", "@ben", "--threshold", "2")
    await anna.sponsored("control", "@anna", "--key-file", "%anna", *boards)
    await anna.refused("key-not-authorised", "update", "@anna", "--key-file", "%anna", "--service", SHOP)
    change = ("update", "@anna", "--service", SHOP, "--key-file", "%ada")
    await anna.refused("signer-missing", *change, "--sponsor-key-file", "%sponsor")
    assert anna.blocks == 2 and anna.out.startswith("transaction "), "refused by a rule, in a block"
    await anna.sponsored(*change, "--key-file", "%ben")
    tx = decode_transaction(anna.node.submitted[-1])
    assert tx.body.signers == (anna.did("sponsor"), anna.did("ada"), anna.did("ben"))
    await anna.sponsored("control", "@anna", "--key-file", "%ada", "--key-file", "%ben", "--no-controllers")
    await anna.sponsored("update", "@anna", "--key-file", "%anna", "--remove-service", "shop")


async def test_a_change_of_recovery_takes_its_quorum(anna: Desk) -> None:
    await anna.sponsored("control", "@anna", "--key-file", "%anna", "--recovery", "@ben")
    change = ("control", "@anna", "--key-file", "%anna", "--no-recovery")
    await anna.refused("signer-missing", *change, "--sponsor-key-file", "%sponsor")
    await anna.sponsored(*change, "--key-file", "%ben")
    assert "recovered" not in await anna.run("show", "@anna")


@pytest.mark.parametrize(
    ("options", "code"), [([], 2), (["--no-controllers"], 2), (["--threshold", "2"], 1), (["--recovery-delay-hours", "0"], 2)]
)
async def test_a_wrong_use_of_control_is_told(anna: Desk, options: list[str], code: int) -> None:
    await anna.refused("bad-use" if code == 2 else "bad-document", "control", "@anna", "--key-file", "%anna", *options, exit_code=code)


# Recover


@pytest.fixture
async def recoverable(anna: Desk) -> Desk:
    """Two of three friends may recover Anna."""
    friends = ("--recovery", "@ada", "--recovery", "@ben", "--recovery", "@cas", "--recovery-threshold", "2")
    await anna.sponsored("control", "@anna", "--key-file", "%anna", *friends)
    return anna


async def test_friends_recover_a_did_after_the_delay(recoverable: Desk) -> None:
    desk = recoverable
    out = await desk.sponsored("recover", "@anna", "--key-file", "%ada", "--key-file", "%ben", "--new-key-file", "%anna2")
    assert "can come in force from " in out
    assert f"{desk.did('ada')}, {desk.did('ben')} asked in block" in await desk.run("show", "@anna")
    detail = await desk.refused("recovery-early", "finish", "@anna", "--key-file", "%sponsor")
    assert detail.startswith("not before ")
    desk.node.pass_hours(1)
    await desk.run("finish", "@anna", "--key-file", "%sponsor")
    assert keys_of(await document(desk)) == ["key-3"]
    await desk.sponsored("update", "@anna", "--key-file", "%anna2", "--service", SHOP)
    await desk.refused("no-recovery", "finish", "@anna", "--key-file", "%sponsor")


async def test_a_recovery_is_vetoed(recoverable: Desk) -> None:
    desk = recoverable
    await desk.sponsored("recover", "@anna", "--key-file", "%ada", "--key-file", "%ben", "--new-key-file", "%anna2")
    await desk.refused(
        "recovery-pending",
        "recover",
        "@anna",
        "--key-file",
        "%ada",
        "--key-file",
        "%ben",
        "--new-key-file",
        "%x",
        "--sponsor-key-file",
        "%sponsor",
    )
    assert (await desk.sponsored("veto", "@anna", "--key-file", "%anna")).endswith("is off\n")
    await desk.refused("no-recovery", "veto", "@anna", "--key-file", "%anna", "--sponsor-key-file", "%sponsor")


async def test_all_friends_together_are_not_vetoed(recoverable: Desk) -> None:
    keys = [part for name in ("ada", "ben", "cas") for part in ("--key-file", f"%{name}")]
    await recoverable.sponsored("recover", "@anna", *keys, "--new-key-file", "%anna2")
    await recoverable.refused("no-veto", "veto", "@anna", "--key-file", "%anna", "--sponsor-key-file", "%sponsor")


async def test_too_few_friends_recover_nothing(recoverable: Desk) -> None:
    one = ("recover", "@anna", "--key-file", "%ada", "--new-key-file", "%anna2")
    await recoverable.refused("signer-missing", *one, "--sponsor-key-file", "%sponsor")
    await recoverable.refused("key-not-authorised", "recover", "@anna", "--key-file", "%eve", "--new-key-file", "%anna2")
    await recoverable.refused("bad-use", "recover", "@anna", "--key-file", "%ada", exit_code=2)
    await recoverable.sponsored("create", "--key-file", "%dan")
    await recoverable.refused("no-recovery", "recover", "@dan", "--key-file", "%ada", "--new-key-file", "%anna2")


# Deactivate


async def test_a_did_ends_for_ever(anna: Desk) -> None:
    await anna.refused("bad-use", "deactivate", "@anna", "--key-file", "%anna", exit_code=2)
    assert (await anna.sponsored("deactivate", "@anna", "--key-file", "%anna", "--for-ever")).endswith("was deactivated: version 2\n")
    await anna.refused("deactivated", "resolve", "@anna")
    assert "service" not in await document(anna, "anna", "--version-id", "1")
    await anna.refused("deactivated", "update", "@anna", "--key-file", "%anna", "--service", SHOP)
    await anna.refused("already-exists", "create", "--key-file", "%anna")
    assert "was deactivated, for ever: version 2" in await anna.run("show", "@anna")


async def test_friends_can_end_a_did_too(recoverable: Desk) -> None:
    await recoverable.sponsored("deactivate", "@anna", "--key-file", "%ada", "--key-file", "%ben", "--for-ever")
    await recoverable.refused("deactivated", "resolve", "@anna")
