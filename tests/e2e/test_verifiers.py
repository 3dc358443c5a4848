"""A real network in which two nodes read transactions and check signatures in C and two without: the same verdicts, the same blocks."""

import json
import os
import time
import urllib.request
from collections.abc import Callable

import pytest

from chainnode.cli.network import Member, Network
from chainnode.client.signing import Signer, build_transaction
from chainnode.crypto.suites import generate
from chainnode.crypto.verify import NATIVE
from chainnode.digests import genesis_hash
from chainnode.node.homes import load_genesis, load_key, read_passphrase_file
from chainnode.transactions import decode_transaction, encode_transaction
from chainnode.types.transaction import Invocation, Signature
from tests.crypto.edwards import L
from tests.native.forms import Forms

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(NATIVE is None, reason="the C code was not built here, or CHAINNODE_NATIVE=0")]
DEADLINE_S = 60.0
SIGNED = 60


def ask(member: Member, path: str, document: object = None) -> dict[str, object]:
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(member.url + path, data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer))


def started(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two in C, the others without; ready."""
    for number, member in enumerate(network.members):
        monkeypatch.setenv("CHAINNODE_NATIVE", "1" if number < 2 else "0")
        network.start_one(member)
    end = time.monotonic() + DEADLINE_S
    for member in network.members:
        while not ready(member):
            assert time.monotonic() < end, "a node did not get ready"
            time.sleep(0.1)


def ready(member: Member) -> bool:
    try:
        with urllib.request.urlopen(f"{member.url}/readyz", timeout=60) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def verifier_of(member: Member) -> str:
    rows = [json.loads(line) for line in member.log_path.read_text().splitlines() if '"node_started"' in line]
    return str(rows[-1]["ed25519"])


def changed(raw: bytes, s_more: int = 0, flip: int | None = None) -> bytes:
    """The transaction with L added to S, or one bit of its signature flipped."""
    tx = decode_transaction(raw)
    (one,) = tx.signatures
    s = int.from_bytes(one.signature[32:], "little") + s_more
    signature = bytearray(one.signature[:32] + s.to_bytes(32, "little"))
    if flip is not None:
        signature[flip // 8] ^= 1 << flip % 8
    return encode_transaction(tx.body_bytes, (Signature(one.suite, one.public_key, bytes(signature)),))


def test_nodes_of_both_kinds_give_the_same_verdicts_and_decide_the_same_blocks(
    make_network: Callable[[int], Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network(4)
    home = network.members[0].config.home
    genesis = load_genesis(home / "genesis.json")
    operator = load_key(home / "keys" / "operator.json", read_passphrase_file(home.parent / "passphrase"))

    def signed(number: int, key=operator) -> bytes:
        call = Invocation("evidence", "record", ((("sha-256", number.to_bytes(32, "big"), os.urandom(8)),),))
        return build_transaction(genesis.chain_id, genesis_hash(genesis), [Signer(key)], [call])[1]

    with network:
        started(network, monkeypatch)
        assert [verifier_of(member).split(",")[0] for member in network.members] == ["native", "native", "pynacl", "pynacl"]
        for number, member in enumerate(network.members):
            good = [signed(SIGNED * number + place) for place in range(SIGNED)]
            bad = [changed(signed(9_000 + place), L if place % 2 else 0, None if place % 2 else 37 * place) for place in range(10)]
            stranger = signed(9_999, generate("e", os.urandom(32)))
            told = ask(member, "/v1/transactions", {"transactions": [raw.hex() for raw in [*good, *bad, stranger]], "wait_ms": 30_000})
            names = [one["name"] for one in told["transactions"]]
            assert names == ["ok"] * SIGNED + ["bad-signature"] * 10 + ["not-member"]
        odd = [raw.hex() for raw in Forms(7).raws(300) if len(raw) < 4_000]
        answers = [ask(member, "/v1/transactions", {"transactions": odd})["transactions"] for member in network.members]
        assert answers.count(answers[0]) == 4 and {one["name"] for one in answers[0]} >= {"malformed", "wrong-chain"}
        end = time.monotonic() + DEADLINE_S
        while len({(one["height"], one["app_hash"]) for one in (ask(member, "/v1/status") for member in network.members)}) > 1:
            assert time.monotonic() < end, "the nodes do not come to the same state"
            time.sleep(0.1)
        assert network.ended() == []
