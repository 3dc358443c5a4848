"""Questions to a node, and whether a fact answers them: a true proof of something else is no answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import quote

from chainnode.client.failures import NotProved
from chainnode.types.bundle import AnchorFact, EvidenceFact, Fact, HeaderFact, StateFact, TransactionFact
from chainnode.types.codes import (
    BLOCK_BUSY,
    EXPIRED,
    KEY_NOT_AUTHORISED,
    OTHER_QUESTION,
    REPLAYED,
    TOO_COSTLY,
    TOO_FAR_AHEAD,
    TOO_LARGE,
    WRONG_CHAIN,
)

AnyFact = TypeVar("AnyFact", HeaderFact, StateFact, EvidenceFact, TransactionFact, AnchorFact)

# Results of a transaction that a block holds and that was not applied there: another block may have applied it. No honest node
# proves such a result, but anyone who puts the transaction, or his own signature under its body, into a second block makes one.
NOT_APPLIED = tuple(
    code.number for code in (WRONG_CHAIN, TOO_LARGE, EXPIRED, TOO_FAR_AHEAD, REPLAYED, KEY_NOT_AUTHORISED, TOO_COSTLY, BLOCK_BUSY)
)


@dataclass(frozen=True, slots=True)
class Question(Generic[AnyFact]):
    """Path and query that ask for a bundle. `answer` gives a fact that answers; NotProved(OTHER_QUESTION) when it does not.

    `is_about_now`: the answer must not be older than the client asks for, or than what it knows already.
    `has_min_height`: the node can be asked to wait until it has come so far.
    """

    path: str
    answer: Callable[[Fact], AnyFact]
    query: Mapping[str, str] = field(default_factory=dict)
    is_about_now: bool = False
    has_min_height: bool = False


def about_state(store: str, key: bytes, height: int | None) -> Question[StateFact]:
    """What a store holds under a key: after block `height`, or, with None, now."""

    def answer(fact: Fact) -> StateFact:
        fact = _of_kind(fact, StateFact)
        _check((fact.store, fact.key) == (store, key), "the proof is about another key")
        _check(height in (None, fact.state_height), f"the proof is about the state after block {fact.state_height}, not {height}")
        return fact

    path = f"/v1/state/{quote(store, safe='')}/{key.hex()}"
    if height is not None:
        return Question(path, answer, _at(height))
    return Question(path, answer, is_about_now=True, has_min_height=True)


def about_digest(digest: bytes, height: int | None = None) -> Question[EvidenceFact]:
    """The record of a digest in the evidence log, as it was after block `height`."""

    def answer(fact: Fact) -> EvidenceFact:
        fact = _of_kind(fact, EvidenceFact)
        _check(fact.digest == digest, "the record is of another digest")
        return fact

    return Question(f"/v1/evidence/{digest.hex()}", answer, _at(height), has_min_height=height is None)


def about_record(
    index: int, *, digest: bytes | None = None, tx_id: bytes | None = None, height: int | None = None
) -> Question[EvidenceFact]:
    """The record at a place of the evidence log; of this digest, written by this transaction, when these are known."""

    def answer(fact: Fact) -> EvidenceFact:
        fact = _of_kind(fact, EvidenceFact)
        _check(fact.index == index, f"the record is number {fact.index} of the log, not {index}")
        _check(digest in (None, fact.digest) and tx_id in (None, fact.tx_id), "the record is not the one that was written")
        return fact

    return Question(f"/v1/evidence/records/{index}", answer, _at(height), has_min_height=height is None)


def about_transaction(tx_id: bytes, wait_ms: int) -> Question[TransactionFact]:
    """What became of a transaction. `wait_ms` is how long the node may wait for the header that fixes the result."""

    def answer(fact: Fact) -> TransactionFact:
        fact = _of_kind(fact, TransactionFact)
        _check(fact.transaction.tx_id == tx_id, "the proof is about another transaction")
        _check(fact.result_code is not None, "the proof leaves out the result")
        _check(fact.result_code not in NOT_APPLIED, "the block that the node shows did not apply the transaction")
        return fact

    return Question(f"/v1/transactions/{tx_id.hex()}", answer, {"proof": "bundle", "wait_ms": str(wait_ms)})


def about_header(height: int | None) -> Question[HeaderFact]:
    """The header of a height; with None the newest."""

    def answer(fact: Fact) -> HeaderFact:
        fact = _of_kind(fact, HeaderFact)
        _check(height in (None, fact.header.height), f"the header is that of height {fact.header.height}, not {height}")
        return fact

    return Question(f"/v1/headers/{'latest' if height is None else height}/bundle", answer, is_about_now=height is None)


def about_anchor(ac: str, height: int | None) -> Question[AnchorFact]:
    """Which header of the chain with an AC number is held: the newest, or that of `height` or the next one above."""

    def answer(fact: Fact) -> AnchorFact:
        fact = _of_kind(fact, AnchorFact)
        _check(fact.ac == ac, f"the proof is about the chain {fact.ac}")
        _check(height is None or fact.height >= height, f"the header is that of height {fact.height}, below {height}")
        return fact

    return Question(f"/v1/chains/{quote(ac, safe='')}/anchor", answer, _at(height), is_about_now=True, has_min_height=True)


def _at(height: int | None) -> dict[str, str]:
    return {} if height is None else {"height": str(height)}


def _of_kind(fact: Fact, kind: type[AnyFact]) -> AnyFact:
    if not isinstance(fact, kind):
        raise NotProved(OTHER_QUESTION, f"the node answered with a {type(fact).__name__}, not a {kind.__name__}")
    return fact


def _check(is_so: bool, reason: str) -> None:
    if not is_so:
        raise NotProved(OTHER_QUESTION, reason)
