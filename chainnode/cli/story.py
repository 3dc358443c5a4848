"""A warehouse's working day on a real network: admission, intake, receipt, transfer, split, pledge, and a second pledge refused.

With two backbone chains the warehouse lives on the first and the bank on the second. Every answer is kept as a proof bundle and verified
offline, from its file and the main chain's genesis file alone.
"""

import shlex
from pathlib import Path

from chainnode.cli import dayproofs
from chainnode.cli.day import Day, DayWentWrong
from chainnode.cli.intake import Intake, intake_of, paper
from chainnode.cli.ledgers import Ledger, grant
from chainnode.cli.lending import Lot, cross, lend
from chainnode.cli.telling import Teller
from chainnode.cli.usage import program
from chainnode.errors import ChainError
from chainnode.types.codes import OK
from chainnode.types.transaction import Invocation
from contracts import goods
from contracts.receiptrecords import Receipt, Status

SITE = "https://id.gs1.org/414/9506000134352"


def tell(main: Ledger, others: list[Ledger], documents: list[tuple[bytes, bytes]], teller: Teller) -> int:
    """Live through the day; the exit code: 0 when all went as told and every proof holds."""
    home, bank_chain = others[:2] if len(others) > 1 else (main, main)
    try:
        day = Day(main, home, bank_chain, teller)
        intake = intake_of(day.number, documents)
        admit(day)
        take_in(day, intake)
        lot = trade(day, intake)
        (cross if day.is_across else lend)(day, lot)
        return verify_all(day)
    except (ChainError, DayWentWrong) as error:
        print(f"\nThe day went wrong: {error}\nThe nodes' logs are {_logs(main, others)}.", flush=True)
        return 1


def admit(day: Day) -> None:
    """A super node of each chain admits the parties that act there."""
    where = f" on {day.home.ac} and {day.bank_chain.ac}" if day.is_across else ""
    day.chapter(f"Day {day.number}: {'super nodes admit' if where else 'a super node admits'} the parties{where}")
    admissions = [(name, role, day.home) for name, role in (("warehouse", "custodian"), ("trader-1", "business"), ("trader-2", "business"))]
    admissions += [("trader-2", "business", day.bank_chain)] if where else []
    for name, role, on in (*admissions, ("bank", "member", day.bank_chain)):
        did = day.parties[name].did
        is_known = on is day.bank_chain and name == "trader-2"
        day.do(f"{name} is admitted as {role}", [grant(did, role)], on.super_node(), on=on)
        if not is_known:
            print(f"      {did}", flush=True)
    thing = f"roles:{day.parties['warehouse'].did}"
    day.keep_state("role", thing, "the warehouse is a custodian", dayproofs.state(thing, lambda value: value is not None))


def take_in(day: Day, intake: Intake) -> None:
    """The warehouse puts the source documents on record and registers the packages."""
    day.chapter(f"The warehouse takes in {len(intake.packages)} packages{f' on {day.home.ac}' if day.is_across else ''}")
    warehouse = day.parties["warehouse"]
    records = tuple(("sha-256", digest, name) for name, digest in intake.documents)
    what = f"{len(records)} source document{'' if len(records) == 1 else 's'} on record"
    day.do(what, [Invocation("evidence", "record", (records,))], warehouse)
    items = tuple((one.code, one.commodity, one.quantity, one.unit, one.document) for one in intake.packages)
    call = Invocation("goods", "commission", (f"intake-{day.number}", SITE, items))
    day.do(f"{len(items)} package codes registered, {items[0][0]} and on", [call], warehouse)
    for number, (name, digest) in enumerate(intake.documents, start=1):
        file = "evidence" if len(records) == 1 else f"evidence-{number}"
        day.keep_record(file, digest, f"{name.decode(errors='replace')} is on record", dayproofs.evidence(digest, warehouse.did))
    thing = f"package:{intake.codes[0]}"
    shows = dayproofs.state(thing, lambda value: value is not None and goods.decode_unit(value).custodian == warehouse.did)
    day.keep_state("package", thing, "the warehouse has a package", shows)


def trade(day: Day, intake: Intake) -> Lot:
    """The receipt over all packages, its transfer and its split."""
    what = "issued, traded and split" if day.is_across else "issued, traded, split and pledged"
    day.chapter(f"An electronic warehouse receipt is {what}{f' on {day.home.ac}' if day.is_across else ''}")
    warehouse, first, second = (day.parties[name] for name in ("warehouse", "trader-1", "trader-2"))
    whole, codes = f"receipt-{day.number}", intake.codes
    half, free = f"{whole}-a", f"{whole}-b"
    place = len(codes) // 2
    children = tuple((name, intake.quantity(some), some, paper(name)) for name, some in ((half, codes[:place]), (free, codes[place:])))
    issue = Invocation("receipts", "issue", (whole, warehouse.did, first.did, intake.quantity(codes), codes, False, paper(whole)))
    issued = day.do(f"{whole} over all packages for trader-1, signed by warehouse and depositor", [issue], warehouse, first)
    transfer = Invocation("receipts", "transfer", (whole, 1, second.did, paper("contract of sale")))
    day.do(f"{whole} to trader-2, signed by both", [transfer], first, second)
    split = Invocation("receipts", "split", (whole, 2, children, paper("split order")))
    day.do(f"{whole} split into {half} and {free}, signed by holder and warehouse", [split], second, warehouse)
    day.keep_outcome("receipt-issued", issued, f"{whole} was issued", OK)

    def is_free(one: Receipt) -> bool:
        return one.holder == second.did and not one.pledges and one.status is Status.ACTIVE

    day.keep_state("receipt-free", f"receipt:{free}", f"{free} is not pledged", dayproofs.receipt(free, is_free))
    return Lot(whole, half, codes[:place], intake)


def verify_all(day: Day) -> int:
    """Check each file with nothing but the genesis file, as a stranger would; the exit code."""
    genesis_path, count = day.main.folder / "genesis.json", day.proofs_wanted
    whose = "the main chain's genesis file" if day.is_across else genesis_path
    day.chapter(f"{count} proofs in {day.proofs_folder}, each verified offline from its file and {whose} alone")
    day.collect()
    bad = dayproofs.verify_files(day.proofs_folder, day.proofs, day.main.genesis, day.teller)
    if bad:
        day.teller.plain(f"{bad} of {count} proofs do not hold.")
        return 1
    steps = f"{day.steps} steps went as they must, {day.refusals} of them refusals"
    day.teller.plain(f"Everything held: {steps}; {count} of {count} proofs verified offline.")
    command = shlex.join([program(), "verify", str(day.proofs_folder / "receipt-pledged.json"), "--genesis", str(genesis_path)])
    print(f"Check one yourself:\n  {command}", flush=True)
    return 0


def _logs(main: Ledger, others: list[Ledger]) -> str:
    folders: list[Path] = [main.folder, *(other.folder for other in others)]
    return " and ".join(str(folder / "super-*" / "node.log") for folder in folders)
