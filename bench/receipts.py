"""Operations on warehouse receipts a second on real validators: pledges, releases and transfers, each signed by all whom it takes.

    python bench/receipts.py [--validators 4] [--receipts 4000] [--rounds 6] [--members 50]

One member is the custodian of all receipts. In each round every receipt gets its next operation, in turn a pledge (signed by holder,
lender and custodian), its release (by the lender) and a transfer (by both holders). A round begins when the last is committed, since
each operation names the version of the receipt that the last one made. Signing and issuing happen before the clock starts.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from hashlib import sha256

from throughput import load

from chainnode import transactions
from chainnode.bid import did_of
from chainnode.crypto import suites
from chainnode.crypto.suites import PrivateKey
from chainnode.types.transaction import Invocation, Signature, TransactionBody
from netbench import CHAIN_ID, Bench, bench_network, conditions, finish, percentile

KINDS = ("pledge", "release", "transfer")
LIFETIME_MS = 590_000
_DIGEST = sha256(b"a document").digest()


def signed(genesis_hash: bytes, keys: Sequence[PrivateKey], *calls: Invocation) -> bytes:
    """A transaction that these sign, each once; the first sends it."""
    signers = list({key.public: key for key in keys}.values())
    dids = tuple(did_of(key.suite, key.public) for key in signers)
    valid_until_ms = time.time_ns() // 1_000_000 + LIFETIME_MS
    body_bytes = transactions.encode_body(TransactionBody(CHAIN_ID, dids, os.urandom(16), valid_until_ms, calls))
    message = transactions.sign_bytes(genesis_hash, body_bytes)
    return transactions.encode_transaction(body_bytes, [Signature(key.suite, key.public, suites.sign(key, message)) for key in signers])


def issue(bench: Bench, members: Sequence[PrivateKey], number: int) -> bytes:
    """Goods taken in by the custodian, and the receipt for them, of one holder."""
    holder, code = members[number % len(members)], f"package-{number}"
    intake = Invocation("goods", "commission", (f"intake-{number}", "site-1", ((code, "copper", 1000, "KGM", _DIGEST),)))
    receipt = (f"receipt-{number}", did_of("e", members[0].public), did_of("e", holder.public), 1000, (code,), False, _DIGEST)
    return signed(bench.genesis_hash, [members[0], holder], intake, Invocation("receipts", "issue", receipt))


def operation(bench: Bench, members: Sequence[PrivateKey], number: int, step: int) -> bytes:
    """The operation of one receipt in one round."""
    turn, kind = divmod(step, len(KINDS))
    holder, other = members[(number + turn) % len(members)], members[(number + turn + 1) % len(members)]
    state, other_did = (f"receipt-{number}", step + 1), did_of("e", other.public)
    if KINDS[kind] == "pledge":
        call = Invocation("receipts", "pledge", (*state, other_did, 5, "CNY", 2**42, "质押", _DIGEST))
        return signed(bench.genesis_hash, [holder, other, members[0]], call)
    if KINDS[kind] == "release":
        return signed(bench.genesis_hash, [other], Invocation("receipts", "pledge_release", (*state, _DIGEST)))
    return signed(bench.genesis_hash, [holder, other], Invocation("receipts", "transfer", (*state, other_did, _DIGEST)))


def run_all(bench: Bench, raws: list[bytes], args: argparse.Namespace) -> tuple[float, list[float]]:
    """Seconds until all are committed, and the latencies."""
    seconds, latencies, failed = asyncio.run(load(bench, raws, clients=args.clients, batch=args.batch))
    if failed:
        sys.exit(f"{failed} of {len(raws)} transactions failed")
    return seconds, latencies


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = (("validators", 4), ("receipts", 4000), ("rounds", 6), ("members", 50), ("clients", 8), ("batch", 250), ("port", 28650))
    for name, default in sizes:
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    took: dict[str, list[float]] = {kind: [] for kind in KINDS}
    latencies: list[float] = []
    cpu_s = 0.0
    with bench_network(validators=args.validators, port=args.port) as bench:
        members = [suites.generate("e", os.urandom(32)) for _ in range(args.members)]
        grants = [Invocation("roles", "grant", (did_of("e", one.public), "custodian", 0, _DIGEST)) for one in members]
        run_all(bench, [signed(bench.genesis_hash, [bench.key], one) for one in grants], args)
        run_all(bench, [issue(bench, members, number) for number in range(args.receipts)], args)
        for step in range(args.rounds):
            raws = [operation(bench, members, number, step) for number in range(args.receipts)]
            before_s = bench.cpu_s()
            seconds, answered = run_all(bench, raws, args)
            cpu_s += bench.cpu_s() - before_s
            took[KINDS[step % len(KINDS)]].append(seconds)
            latencies += answered
            print(f"round {step + 1}: {args.receipts} x {KINDS[step % len(KINDS)]}: {args.receipts / seconds:.0f} a second", flush=True)
    count, total_s = args.receipts * args.rounds, sum(map(sum, took.values()))
    told: dict[str, object] = {"ops_per_s": round(count / total_s), "cpu_us": round(cpu_s / count / args.validators * 1e6, 1)}
    told |= {kind: round(args.receipts * len(them) / sum(them)) for kind, them in took.items() if them}
    told |= {"p50_ms": round(percentile(latencies, 0.5)), "p99_ms": round(percentile(latencies, 0.99))}
    print(f"{told['ops_per_s']} operations a second, {told['cpu_us']} us of processor per operation and validator", flush=True)
    finish({"bench": "receipts", **told, "conditions": conditions(**{name: getattr(args, name) for name, _ in sizes if name != "port"})})


if __name__ == "__main__":
    main()
