"""A day of the story: its steps, each told in a line, and the proofs that it keeps for strangers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.cli import dayproofs, hops, statewords
from chainnode.cli.dayproofs import Proof
from chainnode.cli.desk import Done
from chainnode.cli.ledgers import Ledger
from chainnode.cli.telling import Teller
from chainnode.client.signing import Signer
from chainnode.errors import Unavailable
from chainnode.node.homes import PASSPHRASE_FILE, load_key, new_key, read_passphrase_file, save_key
from chainnode.types.bundle import Fact, StateFact
from chainnode.types.codes import NOT_READY, OK, Code
from chainnode.types.transaction import Invocation

PARTIES = ("warehouse", "trader-1", "trader-2", "bank")
_WAIT_S, _POLL_S = 60.0, 0.2


class DayWentWrong(Exception):
    """A rule let pass what it must refuse, or refused what it must let pass."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A proof to be fetched when the day is over; of a transaction's outcome, or of what is so then."""

    on: Ledger
    path: str
    is_outcome: bool
    proof: Proof


class Day:
    """One working day, number `number` of its chain.

    `home` is the warehouse's chain and `bank_chain` the bank's, both the main chain when there is no other.
    """

    def __init__(self, main: Ledger, home: Ledger, bank_chain: Ledger, teller: Teller) -> None:
        self.main, self.home, self.bank_chain, self.teller = main, home, bank_chain, teller
        passphrase = read_passphrase_file(main.folder / PASSPHRASE_FILE)
        self.parties = {name: _party(main.folder / "parties" / f"{name}.json", passphrase) for name in PARTIES}
        for name, signer in self.parties.items():
            teller.call(signer.did, name)
        for ledger in self.ledgers:
            teller.call(ledger.super_node().did, "super-1" if ledger is main else f"{ledger.ac}-super-1")
        self.number = self._free_number(main.folder / "proofs")
        self.proofs_folder = main.folder / "proofs" / f"day-{self.number}"
        self.proofs_folder.mkdir(parents=True)  # a day that goes wrong is over too
        self.proofs: list[Proof] = []
        self._wanted: list[_Wanted] = []
        self.steps = self.refusals = self._chapters = 0

    @property
    def is_across(self) -> bool:
        """Whether warehouse and bank are on different chains."""
        return self.home is not self.bank_chain

    @property
    def proofs_wanted(self) -> int:
        """How many proofs are kept, or are to be."""
        return len(self._wanted)

    @property
    def ledgers(self) -> tuple[Ledger, ...]:
        """The chains on which the day is lived."""
        return tuple(dict.fromkeys((self.home, self.bank_chain)))

    def chapter(self, title: str) -> None:
        """A new part of the day."""
        self._chapters += 1
        self.teller.chapter(f"{self._chapters}. {title}")

    def do(self, what: str, calls: list[Invocation], *signers: Signer, expect: Code = OK, on: Ledger | None = None) -> Done:
        """One transaction, told in one line; anything but the expected outcome ends the day."""
        began, on = time.monotonic(), on or self.home
        done = on.submit(calls, *signers)
        code = OK if done.refusal is None else done.refusal.code
        took = f"({self._block(on, done)}, {(time.monotonic() - began) * 1000:.0f} ms)"
        if code != expect:
            raise DayWentWrong(f"{what}: expected {expect.name}, got {done.refusal or 'ok'} {took}")
        self.steps += 1
        if done.refusal is None:
            self.teller.good(f"{what} {took}")
        else:
            self.refusals += 1
            self.teller.good(f"{what}: refused, as it must be {took}")
            self.teller.more(str(done.refusal))
        return done

    def wait(self, what: str, on: Ledger, thing: str, shows: Callable[[bytes], bool]) -> None:
        """Until a store holds a value that is as wanted: what others bring about, told in a line."""
        began = time.monotonic()
        while (value := on.value(*statewords.key_of(thing))) is None or not shows(value):
            if time.monotonic() - began > _WAIT_S:
                raise Unavailable(NOT_READY, f"{what}: not after {_WAIT_S:.0f} s; the nodes' logs may say why")
            time.sleep(_POLL_S)
        self.steps += 1
        self.teller.good(f"{what} ({time.monotonic() - began:.1f} s)")

    # Proofs

    def keep_state(self, name: str, thing: str, claim: str, shows: Callable[[Fact], bool], on: Ledger | None = None) -> None:
        """The proof of what a store holds under the key of `thing` at the end of the day."""
        store, key = statewords.key_of(thing)
        self._keep(name, f"/v1/state/{store}/{key.hex()}", claim, shows, on)

    def keep_record(self, name: str, digest: bytes, claim: str, shows: Callable[[Fact], bool]) -> None:
        """The proof that a digest is on record."""
        self._keep(name, f"/v1/evidence/{digest.hex()}", claim, shows, None)

    def keep_outcome(self, name: str, done: Done, claim: str, code: Code, on: Ledger | None = None) -> None:
        """The proof of what became of a transaction."""
        path = f"/v1/transactions/{done.tx_id.hex()}?proof=bundle"
        self._keep(name, path, claim, dayproofs.transaction(done.tx_id, code), on, is_outcome=True)

    def collect(self) -> None:
        """Fetch all proofs that are wanted and write them to their files: of a backbone chain, as bundles of two hops."""
        for on in self.ledgers:
            wanted = [one for one in self._wanted if one.on is on]
            texts = self._fetched(on, wanted) if on is self.main else self._fetched_in_two_hops(on, wanted)
            for one, text in zip(wanted, texts, strict=True):
                (self.proofs_folder / f"{one.proof.name}.json").write_text(text, encoding="utf-8")
        self.proofs = [one.proof for one in self._wanted]

    def _keep(
        self, name: str, path: str, claim: str, shows: Callable[[Fact], bool], on: Ledger | None, *, is_outcome: bool = False
    ) -> None:
        on = on or self.home
        self._wanted.append(_Wanted(on, path, is_outcome, Proof(name, claim, shows, on.ac)))

    def _fetched(self, on: Ledger, wanted: list[_Wanted]) -> list[str]:
        return [on.bundle(one.path if one.is_outcome else f"{one.path}?{on.no_older}") for one in wanted]

    def _fetched_in_two_hops(self, on: Ledger, wanted: list[_Wanted]) -> list[str]:
        """An outcome hangs on the header after its block and on no other, what is so at the end of the day on any later one."""
        began = time.monotonic()
        outcomes = {one.path: on.bundle(one.path) for one in wanted if one.is_outcome}
        newest = bundle_from_json(self._fetched(on, [one for one in wanted if not one.is_outcome][:1])[0]).headers[-1]
        blocks = {block.header.height: block for text in outcomes.values() for block in bundle_from_json(text).headers[-1:]}
        blocks[newest.header.height] = newest
        block = hops.anchor(self.main, on, [blocks[height] for height in sorted(blocks)])
        heights = ", ".join(map(str, sorted(blocks)))
        took = f"(block {block}, {(time.monotonic() - began) * 1000:.0f} ms)"
        self.teller.good(f"the main chain verifies header{'s' if len(blocks) > 1 else ''} {heights} of {on.name} {took}")
        at = f"?height={newest.header.height - 1}"
        return [hops.two_hops(self.main, on, outcomes.get(one.path) or on.bundle(one.path + at)) for one in wanted]

    def _block(self, on: Ledger, done: Done) -> str:
        return f"block {done.height} of {on.ac}" if self.is_across else f"block {done.height}"

    def _free_number(self, proofs: Path) -> int:
        """The first day that neither a folder nor the ledger knows; the folder of proofs may have been thrown away."""
        taken = [int(found.name[4:]) for found in proofs.glob("day-*") if found.name[4:].isdecimal()]
        number = 1 + max(taken, default=0)
        while self._holds(f"intake:intake-{number}"):
            number += 1
        return number

    def _holds(self, thing: str) -> bool:
        """Whether the warehouse's chain has this, as of its last header."""
        store, key = statewords.key_of(thing)
        fact = verify_bundle(bundle_from_json(self.home.bundle(f"/v1/state/{store}/{key.hex()}")), self.home.genesis, time.time_ns()).fact
        return isinstance(fact, StateFact) and fact.value is not None


def _party(path: Path, passphrase: str) -> Signer:
    """A party with its sealed key, drawn on the first day."""
    if not path.exists():
        save_key(path, new_key(), passphrase)
    return Signer(load_key(path, passphrase))
