"""A warehouse's working day on a real network: admission, intake, receipt, transfer, split, pledge, and a second pledge refused.

Every answer is kept as a proof bundle and verified offline, from its file and the genesis file alone.
"""

import csv
import hashlib
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TypeVar

from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.cli import dayproofs, statewords
from chainnode.cli.dayproofs import Proof
from chainnode.cli.desk import Desk, Done
from chainnode.cli.telling import Teller
from chainnode.cli.usage import program
from chainnode.client.signing import Signer, build_transaction
from chainnode.digests import genesis_hash
from chainnode.errors import ChainError, Unavailable
from chainnode.node.homes import PASSPHRASE_FILE, load_key, new_key, read_passphrase_file, save_key
from chainnode.node.node import load_genesis
from chainnode.types.bundle import Fact, StateFact
from chainnode.types.codes import NOT_READY, OK, PLEDGED, UNIT_COVERED, Code
from chainnode.types.genesis import Genesis
from chainnode.types.limits import GOODS_ITEMS_MAX
from chainnode.types.transaction import Invocation
from contracts import goods
from contracts.packagecodes import check_digit
from contracts.receiptrecords import Receipt, Status

Answer = TypeVar("Answer")
PARTIES = ("warehouse", "trader-1", "trader-2", "bank")
COMPANY_PREFIX = "9506000"  # of examples, by GS1
SITE = "https://id.gs1.org/414/9506000134352"
PLEDGE_TEXT = "质押 / pledged for a loan of 5,000,000.00 CNY"
_YEAR_MS = 365 * 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Package:
    """One package of the intake: its code, what is in it, and the digest of its source document."""

    code: str
    commodity: str
    quantity: int
    unit: str
    document: bytes


class DayWentWrong(Exception):
    """A rule let pass what it must refuse, or refused what it must let pass."""


class Day:
    """One working day, number `number` on this chain. `documents` are names and digests."""

    def __init__(self, desks: list[Desk], genesis: Genesis, folder: Path, documents: list[tuple[bytes, bytes]]) -> None:
        self.desks = desks
        self.genesis = genesis
        self.documents = documents or [(b"delivery_list.csv", hashlib.sha256(_sample().encode()).digest())]
        passphrase = read_passphrase_file(folder / PASSPHRASE_FILE)
        self.super_node = Signer(load_key(folder / "super-1" / "keys" / "operator.json", passphrase))
        self.parties = {name: _party(folder / "parties" / f"{name}.json", passphrase) for name in PARTIES}
        self.teller = Teller({self.super_node.did: "super-1"} | {signer.did: name for name, signer in self.parties.items()})
        self.number = self._free_number(folder / "proofs")
        self.proofs_folder = folder / "proofs" / f"day-{self.number}"
        self.proofs_folder.mkdir(parents=True)  # a day that goes wrong is over too
        self.packages = _packages(self.number, [digest for _, digest in self.documents])
        self.proofs: list[Proof] = []
        self.steps = self.refusals = 0

    def do(self, what: str, calls: list[Invocation], *signers: Signer, expect: Code = OK) -> Done:
        """One transaction, told in one line; anything but the expected outcome ends the day."""
        began = time.monotonic()
        tx_id, raw = build_transaction(self.genesis.chain_id, genesis_hash(self.genesis), signers, calls)
        (done,) = self._ask(lambda desk: desk.submit_raw([raw]))  # the same bytes whoever is asked: they are applied once
        assert done.tx_id == tx_id
        code = OK if done.refusal is None else done.refusal.code
        took = f"(block {done.height}, {(time.monotonic() - began) * 1000:.0f} ms)"
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

    def keep(self, name: str, path: str, claim: str, shows: Callable[[Fact], bool]) -> None:
        """Fetch a proof, write it to its file, and note what it must show."""
        text = self._ask(lambda desk: desk.bundle(path))
        (self.proofs_folder / f"{name}.json").write_text(text, encoding="utf-8")
        self.proofs.append(Proof(name, path, claim, shows))

    def keep_state(self, name: str, thing: str, height: int, claim: str, shows: Callable[[Fact], bool]) -> None:
        """The same for what a store holds under the key of `thing` after `height`."""
        self.keep(name, self.desks[0].state_path(*statewords.key_of(thing), height), claim, shows)

    def _ask(self, question: Callable[[Desk], Answer]) -> Answer:
        """What the next node in turn answers: any of them will do, and one that is down is passed over."""
        for _ in self.desks:
            self.desks.append(self.desks.pop(0))
            try:
                return question(self.desks[-1])
            except Unavailable as error:
                self.teller.bad(f"{error}; asking another node")
        raise Unavailable(NOT_READY, "no node answers")

    def _free_number(self, proofs: Path) -> int:
        """The first day that neither a folder nor the ledger knows; the folder of proofs may have been thrown away."""
        taken = [int(found.name[4:]) for found in proofs.glob("day-*") if found.name[4:].isdecimal()]
        number = 1 + max(taken, default=0)
        while self._holds(f"intake:intake-{number}"):
            number += 1
        return number

    def _holds(self, thing: str) -> bool:
        """Whether the ledger has this, as of its last header."""
        text = self._ask(lambda desk: desk.bundle(desk.state_path(*statewords.key_of(thing))))
        fact = verify_bundle(bundle_from_json(text), self.genesis, time.time_ns()).fact
        return isinstance(fact, StateFact) and fact.value is not None


def tell(urls: list[str], folder: Path, documents: list[tuple[bytes, bytes]]) -> int:
    """Live through the day; the exit code: 0 when all went as told and every proof holds."""
    genesis = load_genesis(folder / "genesis.json")
    try:
        day = Day([Desk(url) for url in urls], genesis, folder, documents)
        admit(day)
        take_in(day)
        trade(day)
    except (ChainError, DayWentWrong) as error:
        print(f"\nThe day went wrong: {error}\nThe nodes' logs are {folder / '*' / 'node.log'}.", flush=True)
        return 1
    return verify_all(day, folder)


def admit(day: Day) -> None:
    """A super node admits the four parties."""
    day.teller.chapter(f"1. Day {day.number}: a super node admits the parties")
    roles = {"warehouse": "custodian", "trader-1": "business", "trader-2": "business", "bank": "member"}
    for name, role in roles.items():
        did = day.parties[name].did
        application = hashlib.sha256(f"application of {did}".encode()).digest()
        done = day.do(f"{name} is admitted as {role}", [Invocation("roles", "grant", (did, role, 0, application))], day.super_node)
        print(f"      {did}", flush=True)
    is_custodian = dayproofs.state(f"roles:{day.parties['warehouse'].did}", lambda value: value is not None)
    day.keep_state("role", f"roles:{day.parties['warehouse'].did}", done.height, "the warehouse is a custodian", is_custodian)


def take_in(day: Day) -> None:
    """The warehouse puts the source documents on record and registers the packages."""
    day.teller.chapter(f"2. The warehouse takes in {len(day.packages)} packages")
    warehouse = day.parties["warehouse"]
    records = tuple(("sha-256", digest, name) for name, digest in day.documents)
    what = f"{len(records)} source document{'' if len(records) == 1 else 's'} on record"
    recorded = day.do(what, [Invocation("evidence", "record", (records,))], warehouse)
    items = tuple((one.code, one.commodity, one.quantity, one.unit, one.document) for one in day.packages)
    call = Invocation("goods", "commission", (f"intake-{day.number}", SITE, items))
    done = day.do(f"{len(items)} package codes registered, {items[0][0]} and on", [call], warehouse)
    for number, (name, digest) in enumerate(day.documents, start=1):
        file = "evidence" if len(records) == 1 else f"evidence-{number}"
        claim = f"{name.decode(errors='replace')} is on record"
        day.keep(file, f"/v1/evidence/{digest.hex()}?min_height={recorded.height}", claim, dayproofs.evidence(digest, warehouse.did))
    code = day.packages[0].code
    shows = dayproofs.state(f"package:{code}", lambda value: value is not None and goods.decode_unit(value).custodian == warehouse.did)
    day.keep_state("package", f"package:{code}", done.height, "the warehouse has a package", shows)


def trade(day: Day) -> None:
    """Receipt, transfer, split, pledge, and the attempts that the ledger refuses."""
    day.teller.chapter("3. An electronic warehouse receipt is issued, traded, split and pledged")
    warehouse, first, second, bank = (day.parties[name] for name in PARTIES)
    whole, to_pledge, free = (f"receipt-{day.number}{suffix}" for suffix in ("", "-a", "-b"))
    codes = tuple(one.code for one in day.packages)
    half = len(codes) // 2
    parts = ((to_pledge, codes[:half]), (free, codes[half:]))
    children = tuple((name, _quantity(day, some), some, _paper(name)) for name, some in parts)
    issue = Invocation("receipts", "issue", (whole, warehouse.did, first.did, _quantity(day, codes), codes, False, _paper(whole)))
    issued = day.do(f"{whole} over all packages for trader-1, signed by warehouse and depositor", [issue], warehouse, first)
    transfer = Invocation("receipts", "transfer", (whole, 1, second.did, _paper("contract of sale")))
    day.do(f"{whole} to trader-2, signed by both", [transfer], first, second)
    split = Invocation("receipts", "split", (whole, 2, children, _paper("split order")))
    day.do(f"{whole} split into {to_pledge} and {free}, signed by holder and warehouse", [split], second, warehouse)
    terms = (bank.did, 500_000_000, "CNY", time.time_ns() // 1_000_000 + _YEAR_MS, PLEDGE_TEXT, _paper("loan contract"))
    pledge = Invocation("receipts", "pledge", (to_pledge, 1, *terms))
    day.do(f"{to_pledge} pledged to the bank, signed by holder, bank and warehouse", [pledge], second, bank, warehouse)
    again = Invocation("receipts", "pledge", (to_pledge, 2, *terms))
    refused = day.do(f"{to_pledge} pledged once more", [again], second, bank, warehouse, expect=PLEDGED)
    some = (_quantity(day, codes[:1]), codes[:1], False, _paper("x"))
    double = Invocation("receipts", "issue", (f"{whole}-double", warehouse.did, first.did, *some))
    last = day.do("a second receipt over goods that are pledged", [double], warehouse, first, expect=UNIT_COVERED)
    for name, done, claim, code in (
        ("receipt-issued", issued, f"{whole} was issued", OK),
        ("second-pledge-refused", refused, "the second pledge was refused", PLEDGED),
    ):
        day.keep(name, f"/v1/transactions/{done.tx_id.hex()}?proof=bundle", claim, dayproofs.transaction(done.tx_id, code))

    def is_pledged(one: Receipt) -> bool:
        return one.holder == second.did and [pledge.pledgee for pledge in one.pledges] == [bank.did] and one.unit_count == half

    def is_free(one: Receipt) -> bool:
        return one.holder == second.did and not one.pledges and one.status is Status.ACTIVE

    for name, receipt_id, claim, shows in (
        ("receipt-pledged", to_pledge, f"{to_pledge} is pledged to the bank", dayproofs.receipt(to_pledge, is_pledged)),
        ("receipt-free", free, f"{free} is not pledged", dayproofs.receipt(free, is_free)),
        ("no-second-receipt", f"{whole}-double", f"there is no {whole}-double", _nothing(f"receipt:{whole}-double")),
    ):
        day.keep_state(name, f"receipt:{receipt_id}", last.height, claim, shows)


def verify_all(day: Day, folder: Path) -> int:
    """Check each file with nothing but the genesis file, as a stranger would; the exit code."""
    genesis_path, count = folder / "genesis.json", len(day.proofs)
    day.teller.chapter(f"4. {count} proofs in {day.proofs_folder}, each verified offline from its file and {genesis_path} alone")
    bad = dayproofs.verify_files(day.proofs_folder, day.proofs, day.genesis, day.teller)
    if bad:
        day.teller.plain(f"{bad} of {count} proofs do not hold.")
        return 1
    steps = f"{day.steps} steps went as they must, {day.refusals} of them refusals"
    day.teller.plain(f"Everything held: {steps}; {count} of {count} proofs verified offline.")
    command = shlex.join([program(), "verify", str(day.proofs_folder / "receipt-pledged.json"), "--genesis", str(genesis_path)])
    print(f"Check one yourself:\n  {command}", flush=True)
    return 0


def _nothing(thing: str) -> Callable[[Fact], bool]:
    return dayproofs.state(thing, lambda value: value is None)


def _quantity(day: Day, codes: tuple[str, ...]) -> int:
    return sum(one.quantity for one in day.packages if one.code in codes)


def _paper(name: str) -> bytes:
    """The digest that stands for a paper of the story."""
    return hashlib.sha256(name.encode()).digest()


def _party(path: Path, passphrase: str) -> Signer:
    """A party with its sealed key, drawn on the first day."""
    if not path.exists():
        save_key(path, new_key(), passphrase)
    return Signer(load_key(path, passphrase))


def _sample() -> str:
    return resources.files("chainnode.cli").joinpath("samples/delivery_list.csv").read_text(encoding="utf-8")


def _packages(number: int, digests_of: list[bytes]) -> list[Package]:
    """The lines of the sample list as packages of this day, more of them when there are more documents; documents in turn."""
    lines = list(csv.DictReader(line for line in _sample().splitlines() if not line.startswith("#")))
    count = min(max(len(lines), len(digests_of)), GOODS_ITEMS_MAX)
    made: list[Package] = []
    for index in range(count):
        line = lines[index % len(lines)]
        digits = f"1{COMPANY_PREFIX}{number * 10_000 + index:09d}"
        code = f"(00){digits}{check_digit(digits)}"
        made.append(Package(code, line["commodity"], int(line["quantity"]), line["unit"], digests_of[index % len(digests_of)]))
    return made
