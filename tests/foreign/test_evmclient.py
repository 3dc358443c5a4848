"""What is sent to the client on an EVM chain; that the contract takes it, `tests/evm` shows."""

from dataclasses import replace

import pytest

from chainnode.errors import Malformed
from chainnode.foreign import evmclient
from chainnode.foreign.evmclient import kept_state
from chainnode.proofbytes import uvarint
from chainnode.statetree import StateTree, prove_store
from chainnode.types.proof import ExistenceProof, HashOp, InnerOp
from tests.chain_maker import ChainMaker, make_genesis, set_of

MAKER = ChainMaker(make_genesis({"a": 4, "b": 3, "c": 2, "d": 1}, suite="s"), "s")
FIRST, SECOND = MAKER.decide(), MAKER.decide(next_powers={"a": 4, "b": 3, "x": 9})
CHANGED = MAKER.decide()
TREE = {bytes([number]): b"value" for number in range(20)}
KEY = StateTree.build(sorted(TREE.items())).prove(b"\3", TREE.__getitem__)
STORE = prove_store({"ibc": b"\1" * 32, "other": b"\2" * 32, "third": b"\3" * 32}, "other")


def votes(block, trusted, validators):
    return evmclient.signed_header(block, kept_state(trusted.header), validators)[-1]


def test_no_more_votes_are_sent_than_are_needed():
    assert [vote[0] for vote in votes(SECOND, FIRST, FIRST.validators)] == [0, 1]
    late = replace(SECOND, commit=MAKER.sign(SECOND.header, SECOND.validators, absent=[1], nil=[]).commit)
    assert [vote[0] for vote in votes(late, FIRST, FIRST.validators)] == [0, 2, 3]
    nil = replace(SECOND, commit=MAKER.sign(SECOND.header, SECOND.validators, nil=[0]).commit)
    with pytest.raises(Malformed, match="bad-commit"):
        votes(nil, FIRST, FIRST.validators)


def test_of_a_trusted_set_a_third_is_sent():
    found = votes(CHANGED, FIRST, FIRST.validators)
    assert [vote[:2] for vote in found] == [(0, 255), (1, 0)]  # x has 9 of 16, a 4 of 16; a has 4 of 10 trusted
    with pytest.raises(Malformed, match="bad-commit"):
        votes(CHANGED, FIRST, set_of({"q": 10}, "s"))


def test_other_keys_than_those_of_secp256k1_are_refused():
    with pytest.raises(Malformed, match="bad-key"):
        evmclient.registration(set_of({"a": 1}, "e"))


def test_a_vote_of_another_key_is_refused():
    forged = replace(SECOND, commit=replace(SECOND.commit, signatures=FIRST.commit.signatures))
    with pytest.raises(Malformed, match="bad-commit"):
        votes(forged, FIRST, FIRST.validators)


@pytest.mark.parametrize(
    "step",
    [
        InnerOp(HashOp.SHA256, b"\2\4\0 ", b" " + bytes(31)),
        InnerOp(HashOp.SHA256, b"\2\4\2 ", b" " + bytes(32)),  # a version, which our trees do not have
        InnerOp(HashOp.SHA256, b"\2\4\0 " + bytes(32), b""),
        InnerOp(HashOp.SHA256, b"\1\4\0 ", b" " + bytes(32)),  # a negative height
        InnerOp(HashOp.SHA256, b"\2", b""),
        InnerOp(HashOp.SHA256, uvarint(2**80), b""),
        InnerOp(HashOp.SHA256, b"", b""),
    ],
)
def test_proofs_of_other_trees_are_refused(step):
    bent = ExistenceProof(KEY.key, KEY.value, KEY.leaf, (step, *KEY.path))
    with pytest.raises(Malformed, match="bad-proof"):
        evmclient.membership_proof(kept_state(FIRST.header), (bent, STORE))


def test_proofs_of_another_kind_are_refused():
    state = kept_state(FIRST.header)
    absence = StateTree.build(sorted(TREE.items())).prove_absence(b"\3\3", TREE.__getitem__)
    assert evmclient.membership_proof(state, (KEY, STORE)) and evmclient.absence_proof(state, (absence, STORE))
    bent = ExistenceProof(STORE.key, STORE.value, STORE.leaf, (InnerOp(HashOp.SHA256, b"\0", bytes(32)),))
    for make in (
        lambda: evmclient.membership_proof(state, (absence, STORE)),
        lambda: evmclient.absence_proof(state, (KEY, STORE)),
        lambda: evmclient.membership_proof(state, (KEY, absence)),
        lambda: evmclient.membership_proof(state, (KEY, bent)),
    ):
        with pytest.raises(Malformed, match="bad-proof"):
            make()
