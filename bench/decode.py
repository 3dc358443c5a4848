"""Processor microseconds of one transaction: reading it in bulk, checking its signature, and its body as a value, in C and in Python.

    python bench/decode.py [--transactions 500] [--batches 10] [--records 1] [--signers 100] [--meta-bytes 256] [--runs 9]

The ways take turns within a run, so that a machine which gets slower meanwhile does so for all; the
median of the runs is told. One thread; the collector is set as in a node. `read`: a batch of a peer, made into transactions. `verify`:
their signatures, by keys that have been seen before; in Python that is, tuples made for the C verifier where it was built. `decode` and
`encode`: a transaction's body by the codec, as records of the state are read and written. `sheet`: a batch, read by columns; `evidence`:
what its records come to in the log, in results and on the disk, signatures and the index aside.
"""

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median

from chainnode import codec, transactions
from chainnode.crypto.suites import generate, sign
from chainnode.crypto.verify import verify_many
from chainnode.sheets import Sheet, read_sheet
from chainnode.transactions import encode_batch, encode_body, encode_transaction, sign_bytes, signature_items
from chainnode.types.limits import EVIDENCE_META_BYTES_MAX, EVIDENCE_RECORDS_MAX
from chainnode.types.transaction import Invocation, Signature, Transaction, TransactionBody, Value
from contracts import evidence
from netbench import conditions, finish

GENESIS_HASH = bytes(32)
HEIGHT, TIME_MS = 7, 1_795_000_000_000
RULES = (evidence.NAME, evidence.record.__name__, evidence.ALGORITHMS, EVIDENCE_RECORDS_MAX, EVIDENCE_META_BYTES_MAX)
CHUNK = 256  # records in a value of the disk


def batches_of(args: argparse.Namespace) -> list[bytes]:
    """Batches of signed transactions by so many keys in turn."""
    keys = [generate("e", os.urandom(32)) for _ in range(args.signers)]
    raws = []
    for number in range(args.transactions * args.batches):
        key, did = keys[number % args.signers], f"did:bid:ef{number % args.signers:022}"
        records = tuple([("sha-256", os.urandom(32), os.urandom(args.meta_bytes)) for _ in range(args.records)])
        call = Invocation("evidence", "record", (records,))
        body = encode_body(TransactionBody("bench-1", (did,), os.urandom(16), TIME_MS, (call,)))
        raws.append(encode_transaction(body, [Signature("e", key.public, sign(key, sign_bytes(GENESIS_HASH, body)))]))
    return [encode_batch(raws[start : start + args.transactions]) for start in range(0, len(raws), args.transactions)]


def switch(is_native: bool, kept: tuple[object, object]) -> None:
    """Read in C, or not."""
    vars(transactions)["NATIVE"] = kept[0] if is_native else None
    vars(codec)["NATIVE"] = kept[1] if is_native else None


def read(batches: Sequence[bytes]) -> list[tuple[Transaction, ...]]:
    """The transactions of each."""
    return [transactions.decode_batch(batch) for batch in batches]


def verify(groups: Sequence[Sequence[Transaction]]) -> None:
    """That all signatures count."""
    for group in groups:
        if not all(transactions.verify_each(group, GENESIS_HASH)):
            sys.exit("a good signature was refused")


def decode(bodies: Sequence[bytes]) -> list[Value]:
    """Each body as a value."""
    return [codec.decode(body, bytes_max=len(body)) for body in bodies]


def encode(values: Sequence[Value]) -> None:
    """Write each again."""
    for value in values:
        codec.encode(value)


def sheets_of(batches: Sequence[bytes]) -> list[Sheet]:
    """Each batch by columns."""
    return [read_sheet(batch) for batch in batches]


def put_on_record(sheets: Sequence[Sheet]) -> None:
    """What the records of each come to."""
    for sheet in sheets:
        columns = sheet.records()
        if columns is None or columns.take(*RULES) is None:
            sys.exit("a batch of evidence was not taken")
        beginnings = [evidence.leaf_beginning(signers[0], HEIGHT, TIME_MS) for signers, _ in columns.speakers]
        columns.record(beginnings, 0)
        columns.keep(beginnings, 0, CHUNK)


def took_us(work: Callable[[], object], count: int) -> float:
    """Processor microseconds of each of so many."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / count * 1e6


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("transactions", 500), ("batches", 10), ("records", 1), ("signers", 100), ("meta-bytes", 256), ("runs", 9)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    gc.set_threshold(50_000, 20, 50)
    batches, kept = batches_of(args), (transactions.NATIVE, codec.NATIVE)
    groups, count = read(batches), args.transactions * args.batches
    for _ in range(3):
        verify_many([item for tx in groups[0] for item in signature_items(tx, GENESIS_HASH)])  # so that each key has its table
    bodies = [tx.body_bytes for group in groups for tx in group]
    values = decode(bodies)
    gc.freeze()
    works: dict[str, Callable[[], object]] = {
        "read": lambda: read(batches),
        "verify": lambda: verify(groups),
        "decode": lambda: decode(bodies),
        "encode": lambda: encode(values),
        "sheet": lambda: sheets_of(batches),
        "evidence": lambda: put_on_record(sheets),
    }
    ways = {"c": True, "python": False} if kept[0] is not None else {"python": False}
    took: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in works} for name in ways}
    for number in range(args.runs):
        for name, is_native in ways.items():
            switch(is_native, kept)
            sheets = sheets_of(batches)
            for kind, work in works.items():
                took[name][kind].append(took_us(work, count))
            last = ", ".join(f"{kind} {them[-1]:.2f} us" for kind, them in took[name].items())
            print(f"run {number + 1}, {name}: {last}", flush=True)
    result = {name: {kind: round(median(them), 2) for kind, them in kinds.items()} for name, kinds in took.items()}
    setup = conditions(threads=1, load=os.getloadavg()[0], raw_bytes=len(groups[0][0].raw), **vars(args))
    for name in ("fsync", "tls"):
        del setup[name]  # nothing is written or sent
    finish({"bench": "decode", "us_per_transaction": result, "conditions": setup})


if __name__ == "__main__":
    main()
