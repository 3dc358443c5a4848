"""A node with the C verifier and one without it decide the same chain, crafted signatures included."""

from dataclasses import replace

import pytest

from chainnode import transactions
from chainnode.bid import did_of
from chainnode.crypto import verify
from chainnode.digests import genesis_hash
from chainnode.errors import Malformed
from chainnode.transactions import encode_batch
from chainnode.types.codes import BAD_SIGNATURE
from chainnode.types.genesis import Genesis, GenesisGrant
from chainnode.types.transaction import Signature, TransactionBody
from tests.crypto import edwards
from tests.crypto.edwards import BASE, TORSION, L, add, challenge, encode, multiply
from tests.node import small_chain
from tests.node.small_chain import SmallChain, genesis_of, record, transaction

SECRET, NONCE = 0x1F3C5B7D9, 0x2468ACE13579
MIXED = encode(add(multiply(SECRET, BASE), TORSION[4]))  # a key with a part of order two: every other message verifies
NATIVE = transactions.NATIVE
VERIFIERS = {"native": verify.verify_many, "plain": verify.verify_many_plainly}

pytestmark = pytest.mark.skipif(verify.NATIVE is None, reason="the C code was not built here, or CHAINNODE_NATIVE=0")


def genesis() -> Genesis:
    made = genesis_of()
    return replace(made, grants=(*made.grants, GenesisGrant(did_of("e", MIXED), "service", 0)))


def forged(number: int, *, more: int = 0, torsion: int = 0) -> tuple[bytes, bool]:
    """A transaction under the mixed key, and whether plain integers accept its signature."""
    made = genesis()
    body = TransactionBody(
        made.chain_id, (did_of("e", MIXED),), number.to_bytes(16, "big"), made.time_ns // 1_000_000 + 60_000, (record(number),)
    )
    body_bytes = transactions.encode_body(body)
    message = transactions.sign_bytes(genesis_hash(made), body_bytes)
    commitment = encode(add(multiply(NONCE, BASE), TORSION[torsion]))
    s = (NONCE + challenge(commitment, MIXED, message) * SECRET) % L + more * L
    signature = commitment + s.to_bytes(32, "little")
    raw = transactions.encode_transaction(body_bytes, (Signature("e", MIXED, signature),))
    return raw, edwards.accepts(MIXED, signature, message)


@pytest.fixture(scope="module")
def crafted() -> list[tuple[bytes, bool]]:
    return [forged(number, more=number % 8 == 7, torsion=4 * (number % 3 == 0)) for number in range(24)]


def opened(monkeypatch: pytest.MonkeyPatch, verifier: str) -> SmallChain:
    monkeypatch.setattr(small_chain, "genesis_of", lambda params=None, powers=None: genesis())
    monkeypatch.setattr(transactions, "NATIVE", NATIVE if verifier == "native" else None)
    monkeypatch.setattr(transactions, "verify_many", VERIFIERS[verifier])
    return SmallChain.open()


def readable(small: SmallChain, raw: bytes) -> bool:
    try:
        small.chain.read_batch(encode_batch([raw]))
    except Malformed as error:
        assert error.code is BAD_SIGNATURE
        return False
    return True


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_crafted_signatures_are_taken_into_batches_as_plain_integers_decide(verifier, crafted, monkeypatch) -> None:
    small = opened(monkeypatch, verifier)
    assert 4 <= sum(good for _, good in crafted) <= 20
    for _ in range(4):  # with C: first sights, then the table
        assert [readable(small, raw) for raw, _ in crafted] == [good for _, good in crafted]


def test_blocks_of_one_kind_of_node_are_those_of_the_other(crafted, monkeypatch) -> None:
    good = [raw for raw, is_good in crafted if is_good] * 2 + [transaction(number, genesis=genesis()) for number in range(20)]
    hashes = {}
    for verifier in VERIFIERS:
        small = opened(monkeypatch, verifier)
        for start in range(0, len(good), 7):
            small.decide(small.chain.read_batch(encode_batch(good[start : start + 7])))
        small.decide()
        hashes[verifier] = small.chain.tip.block_id, small.chain.tip.app_hash, small.chain.tip.results_hash
    assert hashes["native"] == hashes["plain"]
