"""Transactions one by one, all or nothing: which are not looked at, which fail, what is left of them, and what a block did in the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from chainnode import codec
from chainnode.bid import did_of
from chainnode.crypto.suites import sign
from chainnode.did.record import SIGNING, Document, Method, document_value
from chainnode.digests import genesis_hash
from chainnode.errors import ChainError, Corrupt, Rejected, Unavailable
from chainnode.evidencelog import EMPTY_LOG, LeafGroup
from chainnode.execution.engine import (
    TX_INDEX,
    BlockContext,
    BlockOutcome,
    Lane,
    NothingYet,
    apply_block,
    apply_genesis,
    is_settled,
    simulate,
)
from chainnode.execution.state import State
from chainnode.execution.table import Call
from chainnode.sheets import PlainSheet, Sheet
from chainnode.transactions import decode_transaction, encode_body, encode_transaction, sign_bytes
from chainnode.types.block import ValidatorSet
from chainnode.types.codes import CODES, CORRUPT_STORE, MALFORMED, NOT_FOUND, SUITE_MISSING
from chainnode.types.genesis import ChainParams, Genesis
from chainnode.types.limits import RESULT_DETAIL_LENGTH_MAX
from chainnode.types.transaction import Event, Invocation, Signature, Transaction, TransactionBody, TxResult, Value
from contracts import roles
from contracts.identityrecords import may_sign
from contracts.registry import SystemContracts
from tests.chain_maker import key_of, make_genesis, set_of
from tests.contracts.council import did, genesis_of
from tests.execution.readers import DictReader, by_key, flat

GENESIS = make_genesis({"v": 10})
NOW_MS = 1_795_000_000_000
PARAMS = ChainParams()
LIFE_MS = PARAMS.tx_lifetime_ms_max
CONTEXT = BlockContext(GENESIS.chain_id, 7, NOW_MS)


@dataclass
class NoLane:
    """Nothing is done at once."""

    ends: Sequence[int]

    def whole(self) -> None:
        """Never."""

    def may(self, place: int) -> bool:
        """Never."""
        return False

    def take(self, begin: int, end: int) -> list[TxResult]:
        """Never."""
        raise AssertionError("nobody may")


@dataclass
class Toy:
    """Contracts with one method per thing that can happen. `mute` are keys that speak for nobody."""

    mute: set[bytes] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    strangers: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)

    def may_submit(self, state: State, did: str, time_ms: int) -> bool:
        """All but strangers."""
        self.asked.append(did)
        return did not in self.strangers

    def call(self, call: Call, state: State, invocation: Invocation) -> Value:
        """Do it."""
        self.calls.append(call)
        act: Callable[..., Value] = getattr(self, invocation.method)
        return act(call, state, *invocation.arguments)

    def work(self, body: TransactionBody) -> int:
        """As much as calls of `toil` say."""
        return sum(int(str(call.arguments[0])) for call in body.calls if call.method == "toil")

    def may_sign(self, state: State, did: str, suite: str, public_key: bytes) -> bool:
        """All keys speak, unless muted."""
        return public_key not in self.mute and state.store("toy").get(b"mute " + public_key) is None

    def lanes(self, state: State, context: BlockContext, sheets: Sequence[Sheet]) -> Sequence[Lane]:
        """None."""
        return [NoLane(range(len(sheet.ids))) for sheet in sheets]

    def validators(self, state: State) -> ValidatorSet:
        """As many as the state says."""
        value = state.store("validators").get(b"count")
        return set_of({f"v{number}": 10 for number in range(1 if value is None else value[0])})

    def params(self, state: State) -> ChainParams:
        """As the state says."""
        value = state.store("governance").get(b"txs")
        return replace(PARAMS, block_txs_max=1_000 if value is None else int(value))

    def genesis(self, state: State, genesis: Genesis) -> None:
        """Write something."""
        state.store("toy").put(b"genesis", genesis.chain_id.encode())

    def end_block(self, state: State) -> None:
        """Count the leaves."""
        state.store("toy").put(b"leaves", b"%d" % state.log_size)

    # Methods

    def put(self, call: Call, state: State, store: str, key: bytes, value: bytes) -> Value:
        """Write, record, tell."""
        state.store(store).put(key, value)
        state.index_put("seen", key, b"1")
        state.log_append(LeafGroup(b"", (key,), b""))
        state.emit(Event("toy", "put", {"key": key}))
        return value

    def mute_key(self, call: Call, state: State, key: bytes) -> Value:
        """From now on the key speaks for nobody."""
        state.store("toy").put(b"mute " + key, b"1")
        return None

    def refuse(self, call: Call, state: State, detail: str) -> Value:
        """Say no."""
        raise Rejected(NOT_FOUND, detail)

    def toil(self, call: Call, state: State, work: int) -> Value:
        """Be declared to be so much work."""
        return work

    def misread(self, call: Call, state: State, data: bytes) -> Value:
        """Read bytes, and forget that they may be none of ours."""
        state.store("toy").put(b"misread", b"1")
        return codec.decode(data, bytes_max=100)

    def crash(self, call: Call, state: State, kind: str) -> Value:
        """Be wrong."""
        raise CRASHES[kind]


def tx(
    *calls: tuple[Any, ...],
    nonce: int = 0,
    who: Sequence[str] = ("anna",),
    keys: Sequence[str] = (),
    until_ms: int = NOW_MS + 60_000,
    chain_id: str = GENESIS.chain_id,
) -> Transaction:
    """A transaction of these calls (method, arguments), signed by the keys of these names."""
    dids = tuple(did_of("e", key_of(name).public) for name in who)
    invocations = tuple(Invocation("toy", method, tuple(arguments)) for method, *arguments in calls)
    body_bytes = encode_body(TransactionBody(chain_id, dids, nonce.to_bytes(16, "big"), until_ms, invocations))
    signatures = []
    for name in keys or who:
        key = key_of(name)
        signatures.append(Signature("e", key.public, sign(key, sign_bytes(genesis_hash(GENESIS), body_bytes))))
    return decode_transaction(encode_transaction(body_bytes, signatures))


PUT = ("put", "toy", b"k", b"v")
# What is no refusal: our bugs, and what one machine has and another has not.
CRASHES: dict[str, BaseException] = {
    type(one).__name__: one
    for one in (
        *(KeyError("a bug"), AssertionError("a bug"), ValueError("a bug"), IndexError("a bug"), TypeError("a bug"), OverflowError("a bug")),
        *(ZeroDivisionError("a bug"), AttributeError("a bug"), RecursionError("deep"), MemoryError("full"), OSError("disk")),
        *(Unavailable(SUITE_MISSING), Corrupt(CORRUPT_STORE), ChainError(NOT_FOUND), KeyboardInterrupt()),
    )
}


def block(
    *txs: Transaction, law: Any = None, reader: DictReader | None = None, context: BlockContext = CONTEXT, params: ChainParams = PARAMS
) -> BlockOutcome:
    """A block of these transactions on this state."""
    return apply_block(law or Toy(), reader or DictReader(), EMPTY_LOG, context, params, [PlainSheet(txs)] if txs else ())


def leaves_of(outcome: BlockOutcome) -> list[bytes]:
    """The evidence of a block."""
    groups = [*(group for batch in outcome.batches for group in batch.groups), *outcome.groups]
    return [leaf for group in groups for leaf in group.leaves()]


def code_of(result: TxResult) -> str:
    """The name of a result's code."""
    (name,) = [name for name, code in CODES.items() if code.number == result.code]
    return name


def codes(outcome: BlockOutcome) -> list[str]:
    """Of all results."""
    return [code_of(result) for result in outcome.results]


def failure(result: TxResult) -> tuple[Value, ...]:
    """Code name, index of the call, detail."""
    return codec.as_array(codec.decode(result.data, bytes_max=4096), 3)


def written(outcome: BlockOutcome) -> dict[tuple[str, bytes], bytes | None]:
    """What the block wrote, its end aside."""
    return {(store, key): value for store, entries in outcome.store_writes.items() for key, value in entries if key != b"leaves"}


def flat_index(outcome: BlockOutcome) -> dict[tuple[str, bytes], bytes]:
    """What the block added to the index, by space and key."""
    return flat(outcome.index_writes)


def applied(outcome: BlockOutcome) -> DictReader:
    """The state after a first block."""
    reader = DictReader()
    reader.values = {place: value for place, value in written(outcome).items() if value is not None}
    reader.index = flat_index(outcome)
    return reader


# What is applied


def test_calls_are_made_in_order_and_their_values_returned() -> None:
    outcome = block(tx(PUT, ("put", "toy", b"k2", b"w")))
    (result,) = outcome.results
    assert result == TxResult(0, codec.encode((b"v", b"w")), (Event("toy", "put", {"key": b"k"}), Event("toy", "put", {"key": b"k2"})))
    assert written(outcome) == {("toy", b"k"): b"v", ("toy", b"k2"): b"w"}
    assert leaves_of(outcome) == [b"k", b"k2"] and outcome.log_growth[0].size == 2


def test_a_call_knows_its_circumstances() -> None:
    law, one = Toy(), tx(PUT, who=("anna", "bela"), nonce=1)
    block(tx(("mute_key", b"nobody")), one, law=law)
    dids = tuple(did_of("e", key_of(name).public) for name in ("anna", "bela"))
    assert law.calls[1] == Call(dids[0], dids, one.tx_id, GENESIS.chain_id, 7, NOW_MS, 1)


def test_transactions_see_those_before_them() -> None:
    law = SystemContracts()  # the second record finds the first
    genesis = apply_genesis(law, genesis_of(("anna",), ("v1",)))
    record = Invocation("evidence", "record", ((("sha-256", b"\x01" * 32, b""),),))
    txs = [signed(record, nonce=nonce) for nonce in (0, 1)]
    outcome = apply_block(law, applied_all(genesis), EMPTY_LOG, BlockContext("trade-1", 1, NOW_MS), PARAMS, [PlainSheet(txs)])
    returned = [codec.decode(result.data, bytes_max=100) for result in outcome.results]
    assert returned == [((0, 1, ()),), ((1, 1, ((0, 1),)),)]


def signed(call: Invocation, *, nonce: int, key_name: str = "anna", who: str = "anna") -> Transaction:
    """A transaction of anna's on the chain of `genesis_of`, under a key of this name."""
    body = TransactionBody("trade-1", (did(who),), nonce.to_bytes(16, "big"), NOW_MS + 60_000, (call,))
    body_bytes, key = encode_body(body), key_of(key_name)
    signature = sign(key, sign_bytes(b"\x00" * 32, body_bytes))  # signatures are verified before the engine sees them
    return decode_transaction(encode_transaction(body_bytes, [Signature("e", key.public, signature)]))


def applied_all(outcome: BlockOutcome) -> DictReader:
    """The state after a genesis."""
    values = {(store, key): value for store, entries in outcome.store_writes.items() for key, value in entries if value is not None}
    return DictReader(values, flat_index(outcome))


# What is not looked at


def test_replay_in_one_block() -> None:
    outcome = block(tx(PUT), tx(PUT), tx(("put", "toy", b"k2", b"w"), nonce=1, who=("bela",)))
    assert codes(outcome) == ["ok", "replayed", "ok"]
    assert list(by_key(outcome.index_writes)[TX_INDEX]).count(tx(PUT).tx_id) == 1


def test_replay_in_a_later_block() -> None:
    reader = applied(block(tx(PUT)))
    later = replace(CONTEXT, height=8, time_ms=NOW_MS + 1)
    outcome = block(tx(PUT), reader=reader, context=later)
    assert codes(outcome) == ["replayed"] and written(outcome) == {} and outcome.index_writes == {}


def test_replay_of_what_failed() -> None:
    failing = tx(("refuse", "no"))
    outcome = block(failing, failing)
    assert codes(outcome) == ["not-found", "replayed"]
    assert codes(block(failing, reader=applied(outcome))) == ["replayed"]


def test_another_signature_is_no_other_transaction() -> None:
    one = tx(PUT)
    other = replace(one, signatures=(replace(one.signatures[0], signature=b"\x01" * 64),), raw=one.raw[:-1] + b"\x00")
    assert codes(block(one, other)) == ["ok", "replayed"]


@pytest.mark.parametrize(
    "until_ms, code",
    [
        (0, "expired"),
        (NOW_MS - 1, "expired"),
        (NOW_MS, "ok"),
        (NOW_MS + LIFE_MS, "ok"),
        (NOW_MS + LIFE_MS + 1, "too-far-ahead"),
        (2**63 - 1, "too-far-ahead"),
    ],
)
def test_a_transaction_has_its_time(until_ms: int, code: str) -> None:
    assert codes(block(tx(PUT, until_ms=until_ms))) == [code]


def test_the_lifetime_is_the_chains() -> None:
    params = replace(PARAMS, tx_lifetime_ms_max=1_000)
    assert codes(block(tx(PUT, until_ms=NOW_MS + 1_000), tx(PUT, until_ms=NOW_MS + 1_001), params=params)) == ["ok", "too-far-ahead"]


def test_a_transaction_is_for_one_chain() -> None:
    assert codes(block(tx(PUT, chain_id="other-1"))) == ["wrong-chain"]


def test_a_transaction_has_a_size() -> None:
    one = tx(("put", "toy", b"k", b"x" * 2_000))
    assert codes(block(one, params=replace(PARAMS, tx_bytes_max=len(one.raw)))) == ["ok"]
    assert codes(block(one, params=replace(PARAMS, tx_bytes_max=len(one.raw) - 1))) == ["too-large"]


@pytest.mark.parametrize("who, keys", [(("anna",), ("bela",)), (("anna", "bela"), ("anna", "cara")), (("anna", "bela"), ("cara", "bela"))])
def test_every_signers_key_speaks_for_it(who: tuple[str, ...], keys: tuple[str, ...]) -> None:
    mute = {key_of(name).public for name in keys if name not in who}
    outcome = block(tx(PUT, who=who, keys=keys), law=Toy(mute))
    assert codes(outcome) == ["key-not-authorised"] and written(outcome) == {}
    place = next(place for place, name in enumerate(who) if name != keys[place])
    assert did_of("e", key_of(who[place]).public) in str(failure(outcome.results[0])[2])


def test_keys_are_those_of_that_moment() -> None:
    mute = ("mute_key", key_of("anna").public)
    assert codes(block(tx(PUT), tx(mute, nonce=1), tx(PUT, nonce=2))) == ["ok", "ok", "key-not-authorised"]


@pytest.mark.parametrize(
    "one",
    [
        tx(PUT, chain_id="other-1"),
        tx(PUT, until_ms=NOW_MS - 1),
        tx(PUT, until_ms=NOW_MS + LIFE_MS + 1),
        tx(PUT, keys=("bela",)),
    ],
    ids=["another chain", "too late", "too early", "another's key"],
)
def test_inv_25_what_was_not_looked_at_may_come_again(one: Transaction) -> None:
    law = Toy({key_of("bela").public})
    outcome = block(one, one, law=law)
    assert codes(outcome)[0] == codes(outcome)[1] != "replayed"
    assert outcome.index_writes == {} and written(outcome) == {} and law.calls == []
    assert all(result.events == () and failure(result)[1] == 0 for result in outcome.results)


def test_inv_25_a_strangers_copy_does_not_use_up_the_transaction() -> None:
    """Whoever sees a body can sign it with a key of its own, and such a signature verifies."""
    law = SystemContracts()
    reader = applied_all(apply_genesis(law, genesis_of(("anna",), ("v1",))))
    record = Invocation("evidence", "record", ((("sha-256", b"\x01" * 32, b""),),))
    copy, genuine = signed(record, nonce=0, key_name="stranger"), signed(record, nonce=0)
    assert copy.tx_id == genuine.tx_id
    outcome = apply_block(law, reader, EMPTY_LOG, BlockContext("trade-1", 1, NOW_MS), PARAMS, [PlainSheet([copy, genuine, genuine])])
    assert codes(outcome) == ["key-not-authorised", "ok", "replayed"]
    assert [is_settled(result) for result in outcome.results] == [False, True, True]
    assert by_key(outcome.index_writes)[TX_INDEX] == {genuine.tx_id: (1).to_bytes(8, "big") + (1).to_bytes(4, "big")}


def test_a_result_that_another_copy_could_change_is_not_settled() -> None:
    unsettled = {"too-large", "too-far-ahead", "key-not-authorised", "block-busy"}
    for code in CODES.values():
        assert is_settled(TxResult(code.number, b"", ())) == (code.name not in unsettled)


# What fails


def test_a_failing_call_undoes_the_whole_transaction() -> None:
    outcome = block(tx(PUT, ("put", "toy", b"k2", b"w"), ("refuse", "because"), PUT), tx(("put", "toy", b"k", b"other"), nonce=1))
    assert codes(outcome) == ["not-found", "ok"]
    assert failure(outcome.results[0]) == ("not-found", 2, "because")  # the third call
    assert outcome.results[0].events == () and len(outcome.results[1].events) == 1
    assert written(outcome) == {("toy", b"k"): b"other"}
    assert leaves_of(outcome) == [b"k"] and outcome.log_growth[0].size == 1
    assert list(outcome.index_writes["seen"]) == [b"k"]


def test_a_failed_transaction_leaves_its_place_in_the_index() -> None:
    failing = tx(("refuse", "no"))
    outcome = block(tx(PUT), failing)
    assert list(by_key(outcome.index_writes)[TX_INDEX].items())[-1] == (failing.tx_id, (7).to_bytes(8, "big") + (1).to_bytes(4, "big"))


def test_a_failed_transaction_leaves_what_others_wrote() -> None:
    outcome = block(tx(PUT), tx(("put", "toy", b"k2", b"w"), ("refuse", "no"), nonce=1))
    assert written(outcome) == {("toy", b"k"): b"v"}


def test_the_sentence_of_a_refusal_is_cut() -> None:
    outcome = block(tx(("refuse", "é" * (RESULT_DETAIL_LENGTH_MAX + 1))))
    assert failure(outcome.results[0]) == ("not-found", 0, "é" * RESULT_DETAIL_LENGTH_MAX)


def test_inv_88_malformed_in_a_contract_is_a_refusal() -> None:
    failing = tx(PUT, ("misread", b"\xc1"))
    outcome = block(failing, failing, tx(("misread", b"\x07"), nonce=1))
    assert codes(outcome) == ["malformed", "replayed", "ok"]
    assert failure(outcome.results[0]) == ("malformed", 1, MALFORMED.meaning)  # no word of a library, which may differ
    assert written(outcome) == {("toy", b"misread"): b"1"} and outcome.results[0].events == () and leaves_of(outcome) == []
    assert is_settled(outcome.results[0])


@pytest.mark.parametrize("kind", sorted(CRASHES))
def test_inv_88_any_other_exception_stops_the_node(kind: str) -> None:
    with pytest.raises(BaseException) as stopped:
        block(tx(PUT), tx(("crash", kind), nonce=1))
    assert stopped.value is CRASHES[kind]


def test_inv_88_what_a_store_does_not_take_stops_the_node() -> None:
    with pytest.raises(AssertionError):
        block(tx(("put", "toy", b"", b"v")))


# What a block did


def test_the_end_of_a_block_comes_after_its_transactions() -> None:
    assert dict(block(tx(PUT), tx(("put", "toy", b"k2", b"w"), nonce=1)).store_writes["toy"])[b"leaves"] == b"2"
    assert dict(block().store_writes["toy"]) == {b"leaves": b"0"}


def test_validators_and_parameters_are_told_when_their_stores_changed() -> None:
    outcome = block(tx(PUT))
    assert outcome.validators is None and outcome.params is None
    outcome = block(tx(("put", "validators", b"count", b"\x02")))
    assert outcome.validators == set_of({"v0": 10, "v1": 10}) and outcome.params is None
    outcome = block(tx(("put", "governance", b"txs", b"2000")))
    assert outcome.params == replace(PARAMS, block_txs_max=2_000) and outcome.validators is None
    failed = block(tx(("put", "validators", b"count", b"\x02"), ("refuse", "no")))
    assert failed.validators is None


def test_the_genesis_tells_both() -> None:
    outcome = apply_genesis(Toy(), GENESIS)
    assert outcome.results == () and outcome.validators == set_of({"v0": 10}) and outcome.params is not None
    assert dict(outcome.store_writes["toy"]) == {b"genesis": GENESIS.chain_id.encode(), b"leaves": b"0"}


def test_the_same_block_does_the_same() -> None:
    txs = [tx(PUT), tx(("refuse", "no"), nonce=1), tx(("put", "validators", b"count", b"\x02"), nonce=2)]
    one, other = block(*txs), block(*txs)
    assert by_key(one.index_writes) == by_key(other.index_writes)
    assert replace(one, index_writes={}) == replace(other, index_writes={})


def test_a_simulation_keeps_nothing() -> None:
    reader = DictReader()
    one = tx(PUT)
    assert [simulate(Toy(), reader, CONTEXT, PARAMS, one).code for _ in range(2)] == [0, 0]
    assert code_of(simulate(Toy(), reader, CONTEXT, PARAMS, tx(("refuse", "no")))) == "not-found"
    assert reader.values == {} and reader.index == {}


def test_there_is_nothing_before_the_genesis() -> None:
    nothing = NothingYet()
    assert nothing.get("roles", b"k") is None and nothing.index_get("tx", b"k") is None
    assert list(nothing.iterate("roles", b"", None, 9)) == [] and nothing.index_find("tx", [b"k", b"l"]) == {}


# With the real contracts


def test_a_key_that_was_rotated_away_signs_nothing_more() -> None:
    law = SystemContracts()
    reader = applied_all(apply_genesis(law, genesis_of(("anna",), ("v1",))))
    new = ("e", key_of("new").public)
    listed = Document((Method("new", *new, SIGNING),))
    register = Invocation("identity", "create", (did("anna"), document_value(listed)))
    record = Invocation("evidence", "record", ((("sha-256", b"\x01" * 32, b""),),))
    txs = [signed(register, nonce=0), signed(record, nonce=1), signed(record, nonce=2, key_name="new")]
    outcome = apply_block(law, reader, EMPTY_LOG, BlockContext("trade-1", 1, NOW_MS), PARAMS, [PlainSheet(txs)])
    assert codes(outcome) == ["ok", "key-not-authorised", "ok"]
    later = applied_all(outcome)
    later.values = reader.values | later.values
    again = [signed(record, nonce=3), signed(record, nonce=4, key_name="new")]
    outcome = apply_block(law, later, EMPTY_LOG, BlockContext("trade-1", 2, NOW_MS), PARAMS, [PlainSheet(again)])
    assert codes(outcome) == ["key-not-authorised", "ok"]
    assert may_sign(State(later), did("anna"), *new) and roles.has_role(State(later), did("anna"), roles.SUPER, NOW_MS)
