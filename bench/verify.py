"""Processor microseconds of one Ed25519 signature in bulk: libsodium, our portable C and our lanes of AVX-512 IFMA, in one thread.

    python bench/verify.py [--signatures 4000] [--signers 100] [--message-bytes 350] [--runs 5]

`repeated`: the keys have been seen before and have their tables. `fresh`: each signature is the first of its key. The three take
turns within a run, so that a machine which gets slower meanwhile does so for all; the median of the runs is told.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from chainnode.crypto.suites import generate, sign
from chainnode.crypto.verify import verify_many_plainly
from chainnode.types.limits import VERIFY_TABLES_BYTES_MAX
from netbench import conditions, finish

Item = tuple[str, bytes, bytes, bytes]
Check = Callable[[Sequence[Item]], bytes]


def items_of(count: int, signers: int, message_bytes: int) -> list[Item]:
    """Signatures by so many keys in turn."""
    keys = [generate("e", os.urandom(32)) for _ in range(signers)]
    items = []
    for number in range(count):
        key, message = keys[number % signers], os.urandom(message_bytes)
        items.append(("e", key.public, sign(key, message), message))
    return items


def checks() -> dict[str, Check]:
    """The ways to verify that there are here."""
    found: dict[str, Check] = {"libsodium": verify_many_plainly}
    try:
        from chainnode.native import _verify
    except ImportError:
        return found
    found["portable"] = lambda items: _verify.verify_many(items, VERIFY_TABLES_BYTES_MAX, False)
    if _verify.HAS_IFMA:
        found["ifma"] = lambda items: _verify.verify_many(items, VERIFY_TABLES_BYTES_MAX, True)
    return found


def forget() -> None:
    """No tables, no sightings."""
    try:
        from chainnode.native import _verify
    except ImportError:
        return
    _verify.forget()


def took_us(check: Check, items: Sequence[Item]) -> float:
    """Processor microseconds of each."""
    began = time.process_time()
    marks = check(items)
    took = (time.process_time() - began) / len(items) * 1e6
    if 0 in marks:
        sys.exit("a good signature was refused")
    return took


def on_all_cores(check: Check, items: Sequence[Item], seconds: float) -> float:
    """Signatures a second that all cores could check, from the processor time of each while there is a thread for every core.

    Not from the time that passes, in which others may use the machine.
    """
    cores = os.cpu_count() or 1
    for _ in range(3):
        took_us(check, items)  # so that each key has its table

    def work() -> int:
        rounds = 0
        while not rounds or time.perf_counter() < ends:
            check(items)
            rounds += 1
        return rounds

    with ThreadPoolExecutor(cores) as pool:
        cpu_s, ends = time.process_time(), time.perf_counter() + seconds
        rounds = sum(one.result() for one in [pool.submit(work) for _ in range(cores)])
        return cores * rounds * len(items) / (time.process_time() - cpu_s)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signatures", type=int, default=4000)
    parser.add_argument("--signers", type=int, default=100)
    parser.add_argument("--message-bytes", type=int, default=350)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    repeated = items_of(args.signatures, args.signers, args.message_bytes)
    fresh = items_of(args.signatures // 4, args.signatures // 4, args.message_bytes)
    ways = checks()
    took: dict[str, dict[str, list[float]]] = {name: {"repeated": [], "fresh": []} for name in ways}
    for number in range(args.runs):
        for name, check in ways.items():
            forget()
            took[name]["fresh"].append(took_us(check, fresh))
            for _ in range(2 + 3 * args.signers // len(repeated)):
                check(repeated)  # so that each key has its table
            took[name]["repeated"].append(took_us(check, repeated))
            print(
                f"run {number + 1}, {name}: repeated {took[name]['repeated'][-1]:.2f} us, fresh {took[name]['fresh'][-1]:.2f} us",
                flush=True,
            )
    result = {name: {kind: round(median(values), 2) for kind, values in kinds.items()} for name, kinds in took.items()}
    setup = conditions(threads=1, load=os.getloadavg()[0], **vars(args))
    for name in ("fsync", "tls"):
        del setup[name]  # nothing is written or sent
    finish({"bench": "verify", "us_per_signature": result, "conditions": setup})


if __name__ == "__main__":
    main()
