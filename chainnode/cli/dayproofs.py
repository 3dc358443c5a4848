"""The proofs of a day: fetched from the nodes, kept as files, checked from their files alone, as a stranger would."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chainnode import bundlewords, codec
from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.cli import statewords
from chainnode.cli.telling import Teller
from chainnode.cli.verify import own_fact
from chainnode.errors import ChainError
from chainnode.types.bundle import AnchoredFact, EvidenceFact, Fact, StateFact, TransactionFact
from chainnode.types.codes import Code
from chainnode.types.genesis import Genesis
from contracts.receiptrecords import Receipt, decode_receipt


@dataclass(frozen=True, slots=True)
class Proof:
    """One proof of the day: its file's name, what it must show, and the test of that.

    `ac` is the number of the backbone chain on which it must be so; None: the main chain.
    """

    name: str
    claim: str
    shows: Callable[[Fact], bool]
    ac: str | None = None

    def holds(self, fact: Fact) -> bool:
        """Whether a fact is on that chain and shows what it must."""
        if self.ac is None:
            return self.shows(fact)
        return isinstance(fact, AnchoredFact) and fact.ac == self.ac and self.shows(fact.fact)


def state(thing: str, test: Callable[[bytes | None], bool]) -> Callable[[Fact], bool]:
    """Whether a fact is about this thing and its value, None when absent, passes the test."""
    key = statewords.key_of(thing)
    return lambda fact: isinstance(fact, StateFact) and (fact.store, fact.key) == key and test(fact.value)


def receipt(name: str, test: Callable[[Receipt], bool]) -> Callable[[Fact], bool]:
    """Whether a fact shows this receipt, as the test wants it."""
    return state(f"receipt:{name}", lambda value: value is not None and test(decode_receipt(value)))


def transaction(tx_id: bytes, code: Code) -> Callable[[Fact], bool]:
    """Whether a fact shows this transaction with this outcome."""
    return lambda fact: isinstance(fact, TransactionFact) and fact.transaction.tx_id == tx_id and fact.result_code == code.number


def evidence(digest: bytes, submitter: str) -> Callable[[Fact], bool]:
    """Whether a fact shows that somebody put a digest on record."""
    return lambda fact: isinstance(fact, EvidenceFact) and fact.digest == digest and fact.submitter == submitter


def verify_files(folder: Path, proofs: list[Proof], genesis: Genesis, teller: Teller) -> int:
    """Check each file with the genesis alone and tell what it proves; how many do not hold."""
    bad = 0
    for proof in proofs:
        file = folder / f"{proof.name}.json"
        text = file.read_text(encoding="utf-8")
        try:
            verified = verify_bundle(bundle_from_json(text), genesis, time.time_ns())
        except ChainError as error:
            bad += 1
            teller.bad(f"{file.name}: {error}")
            continue
        if not proof.holds(verified.fact):
            bad += 1
            teller.bad(f"{file.name} does not show that {proof.claim}")
            continue
        names = ", ".join(sorted(signer.name or "?" for signer in verified.signers if signer.has_signed))
        fact, header = verified.fact, f"header {verified.height}"
        if isinstance(fact, AnchoredFact):
            header = f"header {fact.header.height} of {fact.ac} under {header} of the main chain"
        teller.good(f"{file.name}: {proof.claim} ({header}, signed by {names})")
        for line in details(own_fact(fact)):
            teller.more(line)
    return bad


def details(fact: Fact) -> tuple[str, ...]:
    """The fact in a few lines. `chainnode verify` tells all of it, hashes included."""
    match fact:
        case StateFact(value=None):
            return (f"Under its key, store {fact.store} holds nothing after block {fact.state_height}.",)
        case StateFact():
            return statewords.words_of(fact)[:3]
        case EvidenceFact():
            return (f"Record {fact.index} of {fact.size}: SHA-256 {fact.digest.hex()}, {_note(fact.meta)}.",)
        case TransactionFact():
            calls = ", ".join(f"{call.contract}.{call.method}" for call in fact.transaction.body.calls)
            signers = ", ".join(fact.transaction.body.signers)
            return (f"Block {fact.height} holds {calls}, signed by {signers}: {outcome(fact)}.",)
    return ()


def outcome(fact: TransactionFact) -> str:
    """What became of a transaction, in a few words."""
    if fact.result_code is None or fact.result_data is None:
        return "its result is not in the bundle"
    if fact.result_code == 0:
        return "applied"
    values = codec.as_array(codec.decode(fact.result_data, bytes_max=len(fact.result_data)))
    name, *_, detail = map(bundlewords.value_to_text, values)
    return f"refused with {name}, {detail}"


def _note(meta: object) -> str:
    text = meta.decode("utf-8", "replace") if isinstance(meta, bytes) else str(meta)
    return bundlewords.value_to_text(text)
