"""A warehouse's working day on a real network: admission, intake, receipt, transfer, split, pledge, and a second pledge refused.

Every answer is kept as a proof bundle and verified offline, from its file and the genesis file alone.
"""

import csv
import hashlib
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from chainnode import bundlewords
from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.cli.desk import Desk, Done
from chainnode.client.signing import Signer
from chainnode.errors import ChainError, Malformed
from chainnode.node.homes import PASSPHRASE_FILE, load_key, new_key, read_passphrase_file, save_key
from chainnode.node.node import load_genesis
from chainnode.types.codes import BAD_CONFIG, OK, PLEDGED, UNIT_COVERED, Code
from chainnode.types.genesis import Genesis
from chainnode.types.limits import EVIDENCE_META_BYTES_MAX, GOODS_ITEMS_MAX
from chainnode.types.transaction import Invocation
from contracts.packagecodes import check_digit, unit_key
from contracts.receiptrecords import receipt_key

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


class Day:
    """One working day, number `number` on this chain."""

    def __init__(self, desks: list[Desk], folder: Path, number: int, evidence: list[Path]) -> None:
        self.desks = desks
        self.folder = folder
        self.number = number
        self.proofs = folder / "proofs" / f"day-{number}"
        self.documents = _read_documents(evidence)
        self.packages = _packages(number, self.documents)
        passphrase = read_passphrase_file(folder / PASSPHRASE_FILE)
        self.super_node = Signer(load_key(folder / "super-1" / "keys" / "operator.json", passphrase))
        self.parties = {name: _party(folder / "parties" / f"{name}.json", passphrase) for name in PARTIES}
        self.turn = 0

    @property
    def desk(self) -> Desk:
        """The next node in turn: any of them will do."""
        self.turn += 1
        return self.desks[self.turn % len(self.desks)]

    def do(self, what: str, calls: list[Invocation], *signers: Signer, expect: Code = OK) -> Done:
        """One transaction, told in one line; anything but the expected outcome ends the day."""
        began = time.monotonic()
        done = self.desk.submit(calls, signers)
        code = OK if done.refusal is None else done.refusal.code
        took = f"block {done.height}, {(time.monotonic() - began) * 1000:.0f} ms"
        if code != expect:
            raise AssertionError(f"{what}: expected {expect.name}, got {done.refusal}")
        if done.refusal is None:
            print(f"  ✓ {what} ({took})", flush=True)
        else:
            print(f"  ✗ {what}: refused, as it must be ({took})\n      {done.refusal}", flush=True)
        return done

    def keep(self, name: str, path: str) -> None:
        """Fetch a proof and write it to its file."""
        self.proofs.mkdir(parents=True, exist_ok=True)
        (self.proofs / f"{name}.json").write_text(self.desk.bundle(path), encoding="utf-8")


def tell(urls: list[str], folder: Path, evidence: list[Path]) -> int:
    """Live through the day; the exit code: 0 when all went as told and every proof holds."""
    genesis = load_genesis(folder / "genesis.json")
    proofs = folder / "proofs"
    number = 1 + len(list(proofs.glob("day-*"))) if proofs.exists() else 1
    try:
        day = Day([Desk(url, genesis) for url in urls], folder, number, evidence)
        admit(day)
        take_in(day)
        trade(day)
        return verify_all(day, genesis)
    except (ChainError, AssertionError) as error:
        print(f"\nThe day went wrong: {error}", flush=True)
        return 1


def admit(day: Day) -> None:
    """A super node admits the four parties."""
    print(f"\n1. Day {day.number}: a super node admits the parties", flush=True)
    roles = {"warehouse": "custodian", "trader-1": "business", "trader-2": "business", "bank": "member"}
    for name, role in roles.items():
        signer = day.parties[name]
        application = hashlib.sha256(f"application of {signer.did}".encode()).digest()
        call = Invocation("roles", "grant", (signer.did, role, 0, application))
        day.do(f"{name} is a {role}: {signer.did}", [call], day.super_node)


def take_in(day: Day) -> None:
    """The warehouse puts the source documents on record and registers the packages."""
    print(f"\n2. The warehouse takes in {len(day.packages)} packages", flush=True)
    warehouse = day.parties["warehouse"]
    records = tuple(
        ("sha-256", hashlib.sha256(content).digest(), name.encode()[:EVIDENCE_META_BYTES_MAX]) for name, content in day.documents
    )
    day.do(f"{len(records)} source document(s) on record", [Invocation("evidence", "record", (records,))], warehouse)
    items = tuple((one.code, one.commodity, one.quantity, one.unit, one.document) for one in day.packages)
    call = Invocation("goods", "commission", (f"intake-{day.number}", SITE, items))
    done = day.do(f"{len(items)} package codes registered, {items[0][0]} and on", [call], warehouse)
    day.keep("package", day.desk.state_path("goods", unit_key(day.packages[0].code), done.height))
    day.keep("evidence", f"/v1/evidence/{records[0][1].hex()}?min_height={done.height}")


def trade(day: Day) -> None:
    """Receipt, transfer, split, pledge, and the attempts that the ledger refuses."""
    print("\n3. An electronic warehouse receipt is issued, traded, split and pledged", flush=True)
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
    double = Invocation(
        "receipts", "issue", (f"{whole}-double", warehouse.did, first.did, _quantity(day, codes[:1]), codes[:1], False, _paper("x"))
    )
    last = day.do("a second receipt over goods that are pledged", [double], warehouse, first, expect=UNIT_COVERED)
    day.keep("receipt-issued", f"/v1/transactions/{issued.tx_id.hex()}?proof=bundle")
    day.keep("receipt-pledged", day.desk.state_path("receipts", receipt_key(to_pledge), last.height))
    day.keep("receipt-free", day.desk.state_path("receipts", receipt_key(free), last.height))
    day.keep("second-pledge-refused", f"/v1/transactions/{refused.tx_id.hex()}?proof=bundle")
    day.keep("no-second-receipt", day.desk.state_path("receipts", receipt_key(f"{whole}-double"), last.height))


def verify_all(day: Day, genesis: Genesis) -> int:
    """Check each file with nothing but the genesis file, as a stranger would."""
    files = sorted(day.proofs.glob("*.json"))
    print(f"\n4. {len(files)} proofs in {day.proofs}, each verified offline from its file and {day.folder / 'genesis.json'}", flush=True)
    bad = 0
    for file in files:
        text = file.read_text(encoding="utf-8")
        try:
            verified = verify_bundle(bundle_from_json(text), genesis, time.time_ns())
        except ChainError as error:
            bad += 1
            print(f"  ✗ {file.name}: {error}", flush=True)
            continue
        names = ", ".join(signer.name or "?" for signer in verified.signers if signer.has_signed)
        print(f"  ✓ {file.name} ({len(text.encode()):,} bytes), signed by {names}", flush=True)
        print(f"      {_shortened(bundlewords.proved(verified)[0])}", flush=True)
    print(f"\n   Check one yourself: chainnode verify {files[0]} --genesis {day.folder / 'genesis.json'}", flush=True)
    return 1 if bad or not files else 0


def _shortened(sentence: str, length: int = 180) -> str:
    return sentence if len(sentence) <= length else sentence[:length] + " …"


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


def _read_documents(evidence: list[Path]) -> list[tuple[str, bytes]]:
    """Name and content of each source document; the sample delivery list when none is given."""
    if not evidence:
        return [("delivery_list.csv", _sample().encode())]
    try:
        return [(path.name, path.read_bytes()) for path in evidence]
    except OSError as error:
        raise Malformed(BAD_CONFIG, f"--evidence: {error}") from error


def _packages(number: int, documents: list[tuple[str, bytes]]) -> list[Package]:
    """The lines of the sample list as packages of this day, more of them when there are more documents; documents in turn."""
    lines = list(csv.DictReader(line for line in _sample().splitlines() if not line.startswith("#")))
    digests_of = [hashlib.sha256(content).digest() for _, content in documents]
    count = min(max(len(lines), len(documents)), GOODS_ITEMS_MAX)
    made: list[Package] = []
    for index in range(count):
        line = lines[index % len(lines)]
        digits = f"1{COMPANY_PREFIX}{number * 10_000 + index:09d}"
        code = f"(00){digits}{check_digit(digits)}"
        made.append(Package(code, line["commodity"], int(line["quantity"]), line["unit"], digests_of[index % len(digests_of)]))
    return made
