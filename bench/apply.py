"""Processor microseconds to apply a decided block, in one process: execution, results and the writing of the height, fsync included.

    python bench/apply.py [--transactions 500] [--batch 500] [--blocks 20] [--members 100] [--profile LOAD]

Loads: `one` record of 256 bytes in a transaction, `hundred` records of 100 bytes in each, `receipts`: blocks in turn that
transfer, pledge and release receipts, each signed by all whom it takes. The median of the blocks is told; signatures were checked before.
"""

import argparse
import cProfile
import pstats
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from statistics import median

from chainnode.types.transaction import Invocation
from netbench import conditions, finish
from onechain import OneChain, one_chain

Load = Callable[[OneChain, int, int], Iterator[list[bytes]]]
HUNDRED = 100
_DIGEST = sha256(b"a document").digest()


def one(world: OneChain, transactions: int, blocks: int) -> Iterator[list[bytes]]:
    """Transactions of one record."""
    for _ in range(blocks):
        yield [world.evidence(number, records=1, meta_bytes=224) for number in range(transactions)]


def hundred(world: OneChain, transactions: int, blocks: int) -> Iterator[list[bytes]]:
    """Transactions of a hundred records, a tenth as many."""
    for _ in range(blocks):
        yield [world.evidence(number, records=HUNDRED, meta_bytes=68) for number in range(transactions // 10)]


def receipts(world: OneChain, transactions: int, blocks: int) -> Iterator[list[bytes]]:
    """Operations on as many receipts; member 0 is the custodian of all."""
    setup: list[bytes] = []
    for number in range(transactions):
        code, receipt = f"package-{number}", f"receipt-{number}"
        intake = Invocation("goods", "commission", (f"intake-{number}", "site-1", ((code, "copper", 1000, "KGM", _DIGEST),)))
        issue = Invocation("receipts", "issue", (receipt, world.did(0), world.did(number), 1000, (code,), False, _DIGEST))
        setup.append(world.signed(0, intake, issue, cosigners=[number] if number % len(world.members) else []))
    world.decide(world.batch(setup))
    for block in range(blocks):
        raws = []
        for number in range(transactions):
            turn, step = divmod(block, 3)
            holder, other = number + turn, number + turn + 1
            state = (f"receipt-{number}", block + 1)
            if step == 0:
                call, cosigners = Invocation("receipts", "pledge", (*state, world.did(other), 5, "CNY", 2**42, "质押", _DIGEST)), [other, 0]
            elif step == 1:
                call, cosigners = Invocation("receipts", "pledge_release", (*state, _DIGEST)), []
                holder = other
            else:
                call, cosigners = Invocation("receipts", "transfer", (*state, world.did(other), _DIGEST)), [other]
            signers = dict.fromkeys(member % len(world.members) for member in (holder, *cosigners))
            raws.append(world.signed(*list(signers)[:1], call, cosigners=list(signers)[1:]))
        yield raws


LOADS: dict[str, tuple[Load, int]] = {"one": (one, 1), "hundred": (hundred, HUNDRED), "receipts": (receipts, 1)}


def took_us(
    load: Load, transactions: int, in_batch: int, blocks: int, members: int, profile: cProfile.Profile | None
) -> tuple[float, float]:
    """Processor microseconds of a transaction in `Chain.check`, which precedes the vote, and in `Chain.apply`: medians."""
    checked, applied = [], []
    with one_chain(members=members, role="custodian") as world:
        for raws in load(world, transactions, blocks):
            batches = [world.batch(raws[begin : begin + in_batch]) for begin in range(0, len(raws), in_batch)]
            block_bytes, commit = world.propose(batches)
            began = time.process_time()
            world.chain.check(block_bytes, batches, world.chain.tip.time_ns)
            checked.append((time.process_time() - began) / len(raws) * 1e6)
            if profile:
                profile.enable()
            began = time.process_time()
            done = world.chain.apply(block_bytes, commit, batches)
            applied.append((time.process_time() - began) / len(raws) * 1e6)
            if profile:
                profile.disable()
            if not done.results.are_ok:
                sys.exit(f"some transactions failed: {next(result for result in done.results if result.code)}")
    return median(checked), median(applied)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transactions", type=int, default=500, help="in a block")
    parser.add_argument("--batch", type=int, default=500, help="transactions in a batch, at most")
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--members", type=int, default=100, help="senders in turn")
    parser.add_argument("--profile", choices=LOADS, help="where the time of one load goes, call by call; slows small calls down")
    args = parser.parse_args()
    told: dict[str, object] = {}
    for name, (load, records) in LOADS.items():
        if args.profile and name != args.profile:
            continue
        profile = cProfile.Profile() if args.profile else None
        check_us, apply_us = took_us(load, args.transactions, args.batch, args.blocks, args.members, profile)
        told[name] = {"check_us": round(check_us, 2), "apply_us": round(apply_us, 2), "apply_us_per_record": round(apply_us / records, 2)}
        print(f"{name}: check {check_us:.2f} us, apply {apply_us:.2f} us a transaction, {apply_us / records:.2f} us a record", flush=True)
        if profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(40)
    finish(
        {
            "bench": "apply",
            **told,
            "conditions": conditions(transactions=args.transactions, batch=args.batch, blocks=args.blocks, members=args.members),
        }
    )


if __name__ == "__main__":
    main()
