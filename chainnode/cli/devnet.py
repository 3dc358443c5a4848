"""`chainnode devnet`: a real network of validators on this machine, kept running until Ctrl-C."""

import argparse
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from chainnode.cli.network import PORT, VALIDATORS, Network, open_network
from chainnode.cli.usage import UsageError, program, whole_number
from chainnode.cli.verify import Subparsers, file_digest
from chainnode.types.genesis import ChainParams
from chainnode.types.limits import EVIDENCE_META_BYTES_MAX, EVIDENCE_RECORDS_MAX, VALIDATORS_MAX

CHAIN_ID = "devnet-1"
FAILED, INTERRUPTED = 1, 130
_PORT_MIN = 1024
_EPILOG = """\
Run again with the same --dir, it goes on with the same chain. `scripts/run` is `chainnode devnet --story`.

exit codes: 0 everything held and every node ended well; 1 something failed; 2 wrong use; 130 interrupted before all was done"""


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `devnet` to the command line."""
    parser = subparsers.add_parser(
        "devnet",
        help="run a whole network on this machine",
        description="Run a real network of validators on this machine until Ctrl-C: a process, a LevelDB and keys for each.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dir", type=Path, default=Path("chain"), metavar="DIR", help="where the network lives (default ./chain)")
    parser.add_argument(
        "--validators",
        type=whole_number(1, VALIDATORS_MAX),
        metavar="N",
        help=f"how many validators a new network has (default {VALIDATORS})",
    )
    parser.add_argument(
        "--port",
        type=whole_number(_PORT_MIN, 65_535),
        metavar="BASE",
        help=f"ports of a new network: node i, from 0, has peers on BASE+10i+6 and its API on BASE+10i+7 (default {PORT})",
    )
    parser.add_argument("--story", action="store_true", help="live through a warehouse's working day and verify every proof of it")
    parser.add_argument("--evidence", nargs="+", type=Path, default=[], metavar="FILE", help="source documents of the story's packages")
    parser.add_argument("--once", action="store_true", help="stop when all is done")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make or open the network, start it, tell the story, wait."""
    documents = _read_documents(args)
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell starts background jobs with it ignored
        signal.signal(number, _interrupt)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGHUP, _interrupt)
    started = time.monotonic()
    network, is_new = open_network(args.dir, chain_id=CHAIN_ID, validators=args.validators, port=args.port, params=ChainParams())
    print(f"{'Made' if is_new else 'Found'} a network of {len(network.members)} validators in {args.dir}; starting it ...", flush=True)
    with network:
        code = 0
        try:
            network.start()
            print(f"All nodes are ready after {time.monotonic() - started:.1f} s.", flush=True)
            if args.story:
                from chainnode.cli.story import tell  # the SDK and its libraries load while the nodes already run

                code = tell(network.urls, args.dir, documents)
        except KeyboardInterrupt:
            print(flush=True)
            code = INTERRUPTED
        if code == 0:
            _print_addresses(network)
            if not args.once:
                code = _wait(network)
        return _stop(network, code)


def _read_documents(args: argparse.Namespace) -> list[tuple[bytes, bytes]]:
    """Name and digest of each file of --evidence. Read before anything is made, so that a wrong name costs nothing."""
    if args.evidence and not args.story:
        raise UsageError("--evidence goes with --story")
    if len(args.evidence) > EVIDENCE_RECORDS_MAX:
        raise UsageError(f"--evidence takes at most {EVIDENCE_RECORDS_MAX} files")
    return [(os.fsencode(path.name)[:EVIDENCE_META_BYTES_MAX], file_digest(str(path), "sha-256")) for path in args.evidence]


def _print_addresses(network: Network) -> None:
    print("\nnode       API                      log")
    for member in network.members:
        print(f"{member.config.node_name:10} {member.url:24} {member.log_path}")
    print(flush=True)


def _wait(network: Network) -> int:
    """Until Ctrl-C. A node that ends is told of and missed, no more: the others are to show that they go on."""
    print("The network runs until Ctrl-C.", flush=True)
    code, total = 0, len(network.members)
    try:
        while any(member.process is not None for member in network.members):
            time.sleep(0.5)
            for member, ending in network.ended():
                code = FAILED
                running = sum(one.process is not None for one in network.members)
                print(f"{ending}. {running} of {total} nodes run; blocks are decided by {total * 2 // 3 + 1}.", flush=True)
                print(f"Start it again: {shlex.join([program(), 'run', '--home', str(member.config.home)])}", flush=True)
    except KeyboardInterrupt:
        print(flush=True)
    return code


def _stop(network: Network, code: int) -> int:
    """Stop all nodes; the exit code of it all."""
    print("Stopping the nodes ...", flush=True)
    bad = [ending for _, ending in network.ended()]
    try:
        bad += network.stop()
    except KeyboardInterrupt:
        bad, code = ["killed, as you wished"], INTERRUPTED
    if bad:
        print(f"chainnode: not all nodes ended well: {'; '.join(bad)}", file=sys.stderr)
    if code == INTERRUPTED:
        print("chainnode: interrupted", file=sys.stderr)
    return code or (FAILED if bad else 0)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
