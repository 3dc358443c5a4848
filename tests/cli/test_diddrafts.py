"""Changes of DIDs whose signers sit in different places: a file goes round, each reads it and signs, one sends it."""

import json
from pathlib import Path

import pytest

from chainnode.cli.didwords import call_words
from chainnode.crypto.keystrings import encode_public_key
from chainnode.did.multikey import encode_multikey
from chainnode.transactions import decode_transaction
from chainnode.types.transaction import Invocation
from tests.chain_maker import key_of
from tests.cli.registry_node import Desk


@pytest.fixture
async def board(desk: Desk) -> Desk:
    """Anna is controlled by two of three."""
    await desk.sponsored("create", "--key-file", "%anna")
    controllers = [part for name in ("ada", "ben", "cas") for part in ("--controller", f"@{name}")]
    await desk.sponsored("control", "@anna", "--key-file", "%anna", *controllers, "--threshold", "2")
    return desk


async def draft(desk: Desk) -> str:
    """A change that Ada has signed here; Ben and the sponsor are elsewhere."""
    service = ("--service", "shop,LinkedDomains,https://shop.example")
    signers = ("--key-file", "%ada", "--signer", "@ben", "--sponsor", "@sponsor", "--offline-sign", "./tx")
    return await desk.run("update", "@anna", *service, *signers)


async def test_a_change_goes_round_and_is_sent(board: Desk) -> None:
    before = board.node.last_height()
    assert f"to be signed by {board.did('sponsor')}, {board.did('ben')}; it can be sent until 20" in await draft(board)
    assert board.node.last_height() == before
    out = await board.run("cosign", "./tx")
    assert "Service #shop: LinkedDomains at https://shop.example." in out and f"of {board.did('anna')}, version 2" in out
    await board.refused("signer-missing", "send", "./tx")
    assert "sponsor" not in await board.run("cosign", "./tx", "--key-file", "%ben")
    assert "all have signed" in await board.run("cosign", "./tx", "--key-file", "%sponsor")
    out = await board.run("send", "./tx")
    assert out.startswith("transaction ") and out.endswith("\nidentity.update returned 3, the version of the DID\n")
    assert "#shop" in await board.run("resolve", "@anna")
    assert (await board.run("send", "./tx")).splitlines()[0] == out.splitlines()[0], "to send it again is harmless"


async def test_a_signed_transaction_is_printed_for_other_programs(board: Desk) -> None:
    await draft(board)
    await board.refused("signer-missing", "send", "./tx", "--print")
    await board.run("cosign", "./tx", "--key-file", "%ben", "--key-file", "%sponsor")
    before = board.node.last_height()
    raw = bytes.fromhex(await board.run("send", "./tx", "--print"))
    assert decode_transaction(raw).body.signers[1:] == (board.did("ada"), board.did("ben")) and board.node.last_height() == before


async def test_who_is_no_signer_does_not_sign(board: Desk) -> None:
    await draft(board)
    before = (board.folder / "tx").read_bytes()
    await board.refused("signer-missing", "cosign", "./tx", "--key-file", "%eve")
    assert (board.folder / "tx").read_bytes() == before


async def test_who_has_rotated_names_the_did_that_the_key_speaks_for(board: Desk) -> None:
    await board.sponsored("create", "--key-file", "%ben")
    await board.sponsored("rotate", "@ben", "--key-file", "%ben", "--new-key-file", "%ben2")
    await draft(board)
    await board.refused("signer-missing", "cosign", "./tx", "--key-file", "%ben2")
    await board.run("cosign", "./tx", "--key-file", f"{board.did('ben')}={board.key('ben2')}", "--key-file", "%sponsor")
    await board.run("send", "./tx")


async def test_a_change_that_came_meanwhile_makes_the_file_stale(board: Desk) -> None:
    await draft(board)
    await board.sponsored("update", "@anna", "--key-file", "%ada", "--key-file", "%cas", "--service", "a,B,urn:c")
    await board.run("cosign", "./tx", "--key-file", "%ben", "--key-file", "%sponsor")
    await board.refused("stale-version", "send", "./tx")


async def test_a_file_lapses(board: Desk) -> None:
    await draft(board)
    await board.run("cosign", "./tx", "--key-file", "%ben", "--key-file", "%sponsor")
    board.node.pass_hours(1)
    await board.refused("expired", "send", "./tx")


async def test_a_file_that_was_changed_or_is_none_is_refused(board: Desk, tmp_path: Path) -> None:
    await draft(board)
    content = (board.folder / "tx").read_bytes()
    (board.folder / "tx").write_bytes(content.replace(b"shop.example", b"evil.example"))
    detail = await board.refused("bad-signature", "cosign", "./tx", "--key-file", "%ben")
    assert board.did("ada") in detail
    (board.folder / "rubbish").write_bytes(b"rubbish")
    await board.refused("malformed", "cosign", "./rubbish")
    await board.refused("bad-use", "cosign", "./none", exit_code=2)
    await board.refused("bad-use", "cosign", "./tx", exit_code=2, genesis=False)
    await board.refused("bad-use", "send", "./tx", exit_code=2, genesis=False)


async def test_a_file_is_never_overwritten_by_another(board: Desk) -> None:
    await draft(board)
    await board.refused("bad-use", "veto", "@anna", "--key-file", "%ada", "--offline-sign", "./tx", exit_code=2)


@pytest.mark.parametrize("form", [encode_multikey, encode_public_key])
async def test_a_key_that_never_leaves_its_holder_is_registered(desk: Desk, form) -> None:
    text = form("e", key_of("anna").public)
    await desk.run("create", "--public-key", text, "--sponsor-key-file", "%sponsor", "--offline-sign", "./tx")
    await desk.run("cosign", "./tx", "--key-file", "%anna")
    await desk.run("send", "./tx")
    assert json.loads(await desk.run("resolve", "@anna"))["id"] == desk.did("anna")


async def test_each_kind_of_change_is_told_in_words_before_it_is_signed(board: Desk) -> None:
    own = ("--key-file", "%ada", "--key-file", "%ben", "--sponsor", "@sponsor")
    await board.sponsored("control", "@anna", *own[:4], "--recovery", "@eve")
    recover = ("recover", "@anna", "--new-key-file", "%new")
    await board.run(*recover, "--signer", "@eve", "--sponsor", "@sponsor", "--offline-sign", "./recover")
    assert f"Asks for new keys of {board.did('anna')}, version 3 with SHA-256 " in await board.run("cosign", "./recover")
    await board.sponsored(*recover, "--key-file", "%eve")
    kinds = {
        "create": ("create", "--key-file", "%dan", "--sponsor", "@sponsor", "--also-known-as", "https://dan.example"),
        "rotate": ("rotate", "@anna", *own, "--new-key-file", "%new"),
        "control": ("control", "@anna", *own, "--recovery", "@eve", "--recovery-delay-hours", "2"),
        "deactivate": ("deactivate", "@anna", *own, "--for-ever"),
        "veto": ("veto", "@anna", *own),
        "finish": ("finish", "@anna", "--key-file", "%sponsor"),
    }
    words = {
        "create": (f"Registers {board.did('dan')}:", "Also known as https://dan.example", "It decides about itself."),
        "rotate": ("Replaces the keys of", key_of("new").public.hex(), "It signs transactions."),
        "control": ("Replaces who decides about", f"recovered by 1 of {board.did('eve')}", "2 hours after asking"),
        "deactivate": ("Ends, for ever,",),
        "veto": ("Stops the pending recovery",),
        "finish": ("Brings into force the pending recovery",),
    }
    for name, command in kinds.items():
        await board.run(*command, "--offline-sign", f"./{name}")
        out = await board.run("cosign", f"./{name}")
        assert all(part in out for part in words[name]), out


async def test_all_of_the_facts_are_told_before_they_are_signed(board: Desk) -> None:
    read = json.loads(await board.run("resolve", "@anna", "--bid"))
    extension = {"type": 102, "attributes": [{"key": "seat", "desc": "where", "encrypt": 1, "format": "text", "value": "Suzhou"}]}
    extension |= {"acsns": ["byo1"], "verifiableCredentials": [{"id": "did:bid:credential", "type": 201}]}
    extension["delegateSign"] = {"signer": "did:bid:signer", "signatureValue": "11" * 64}
    read |= {"extension": extension, "service": [{"id": "#sub", "type": "X", "serviceEndpoint": "https://x.example", "port": 8}]}
    (board.folder / "bid.json").write_text(json.dumps(read))
    await board.run("update", "@anna", "--document", "./bid.json", "--key-file", "%ada", "--sponsor", "@sponsor", "--offline-sign", "./tx")
    out = await board.run("cosign", "./tx")
    for words in (
        "Service #sub: X at https://x.example. Besides: port 8.",
        "type 102, copies are kept for 86400 s.",
        'Attribute seat ("where"), text, encrypted: "Suzhou".',
        "AC number byo1.",
        "Credential did:bid:credential (type 201).",
        f"Signed by the delegate did:bid:signer: {'11' * 64}.",
    ):
        assert words in out, out


def test_a_call_that_is_not_as_it_should_be_is_shown_as_it_is_written() -> None:
    for method, arguments in (
        ("update", ("did:bid:x", 1, b"")),
        ("rotate", ()),
        ("other", ("x",)),
        ("deactivate", ("x", 1, bytes(32), "more")),
    ):
        assert call_words(Invocation("identity", method, arguments))[0].startswith(f"Calls identity.{method}(")
    assert call_words(Invocation("roles", "grant", ("\x1b[31m",))) == ['Calls roles.grant("\\x1b[31m").']
