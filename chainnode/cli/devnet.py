"""`chainnode devnet`: a real network of validators on this machine, kept running until Ctrl-C."""

import argparse
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from chainnode.cli.backbones import BACKBONES_MAX, Chains, open_chains
from chainnode.cli.network import PORT, VALIDATORS, Member
from chainnode.cli.usage import UsageError, folder, program, whole_number
from chainnode.cli.verify import Subparsers, file_digest
from chainnode.types.limits import EVIDENCE_META_BYTES_MAX, EVIDENCE_RECORDS_MAX, VALIDATORS_MAX

CHAIN_ID = "devnet-1"
FAILED, INTERRUPTED = 1, 130
_PORT_MIN = 1024
_EPILOG = """\
Run again with the same --dir, it goes on with the same chains. `scripts/run` is `chainnode devnet --backbone 2 --story`.

Backbone chain k, by0k, has one validator, lives in DIR/by0k, and has its ports from BASE+100k on (more than ten validators: from the
hundred after theirs on): peers +6, API +7, its gateway's status +8. It is admitted on the main chain, and anchored there every 10 s.

exit codes: 0 everything held and every node ended well; 1 something failed; 2 wrong use; 130 interrupted before all was done"""


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `devnet` to the command line."""
    parser = subparsers.add_parser(
        "devnet",
        help="run a whole network on this machine",
        description="Run a real network of validators on this machine until Ctrl-C: a process, a LevelDB and keys for each. With --backbone"
        " it is the main chain of others, which it admits and verifies.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dir", type=folder, default=Path("chain"), metavar="DIR", help="where the network lives (default ./chain)")
    parser.add_argument(
        "--validators",
        type=whole_number(1, VALIDATORS_MAX),
        metavar="N",
        help=f"how many validators a new network has, of the main chain (default {VALIDATORS})",
    )
    parser.add_argument(
        "--backbone",
        type=whole_number(0, BACKBONES_MAX),
        metavar="N",
        help=f"have N backbone chains, up to {BACKBONES_MAX}: those that are missing are made and admitted (default: those that are there)",
    )
    parser.add_argument(
        "--port",
        type=whole_number(_PORT_MIN, 65_535),
        metavar="BASE",
        help=f"ports of a new network: node i, from 0, has peers on BASE+10i+6 and its API on BASE+10i+7 (default {PORT}); for --backbone"
        " see below",
    )
    parser.add_argument(
        "--story",
        action="store_true",
        help="live through a warehouse's working day and verify every proof of it; with two backbone chains"
        " or more the warehouse is on the first and the bank on the second",
    )
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
    chains = open_chains(args.dir, chain_id=CHAIN_ID, validators=args.validators, backbones=args.backbone, port=args.port)
    print(f"{_found(chains)}; starting {'it' if not chains.backbones else 'them'} ...", flush=True)
    with chains.network:
        code = 0
        try:
            chains.network.start()
            print(f"All nodes are ready after {time.monotonic() - started:.1f} s.", flush=True)
            code = _go_on(chains, args, documents)
        except KeyboardInterrupt:
            print(flush=True)
            code = INTERRUPTED
        if code == 0:
            _print_addresses(chains)
            if not args.once:
                code = _wait(chains)
        return _stop(chains, code)


def _go_on(chains: Chains, args: argparse.Namespace, documents: list[tuple[bytes, bytes]]) -> int:
    """What is to be done while the nodes run; the exit code. The SDK and its libraries are loaded only now."""
    from chainnode.cli.joining import Joining
    from chainnode.cli.ledgers import ledgers_of
    from chainnode.cli.story import tell
    from chainnode.cli.telling import Teller

    teller = Teller({})
    main, others = ledgers_of(chains, teller)
    if chains.backbones:
        teller.chapter("Backbone chains, and the main chain that verifies them")
        Joining(chains, main, others, teller).run()
    return tell(main, others, documents, teller) if args.story else 0


def _found(chains: Chains) -> str:
    """Which chains there are, in words."""
    count = len(chains.backbones)
    is_new = chains.folder in chains.made
    members = len(chains.main.members)
    text = f"{'Made' if is_new else 'Found'} a network of {members} validator{'' if members == 1 else 's'}"
    if count == 0:
        return f"{text} in {chains.folder}"
    text += f" and {count} backbone chain{'' if count == 1 else 's'} in {chains.folder}"
    later = [path.name for path in chains.made if path != chains.folder]
    return text if is_new or not later else f"{text}, {' and '.join(later)} of them new"


def _read_documents(args: argparse.Namespace) -> list[tuple[bytes, bytes]]:
    """Name and digest of each file of --evidence. Read before anything is made, so that a wrong name costs nothing."""
    if args.evidence and not args.story:
        raise UsageError("--evidence goes with --story")
    if len(args.evidence) > EVIDENCE_RECORDS_MAX:
        raise UsageError(f"--evidence takes at most {EVIDENCE_RECORDS_MAX} files")
    return [(os.fsencode(path.name)[:EVIDENCE_META_BYTES_MAX], file_digest(str(path), "sha-256")) for path in args.evidence]


def _print_addresses(chains: Chains) -> None:
    print("\nnode          API                      log")
    for member in chains.network.members:
        print(f"{member.config.node_name:13} {member.url:24} {member.log_path}")
    print(flush=True)


def _wait(chains: Chains) -> int:
    """Until Ctrl-C. A node that ends is told of and missed, no more: the others are to show that they go on."""
    network = chains.network
    print("The network runs until Ctrl-C.", flush=True)
    code = 0
    try:
        while any(member.process is not None for member in network.members):
            time.sleep(0.5)
            for member, ending in network.ended():
                code = FAILED
                print(f"{ending}. {_left(chains, member)}", flush=True)
                print(f"Start it again: {shlex.join([program(), 'run', '--home', str(member.config.home)])}", flush=True)
    except KeyboardInterrupt:
        print(flush=True)
    return code


def _left(chains: Chains, ended: Member) -> str:
    """What the end of a node means for its chain."""
    members = chains.members_of(ended)
    running, total = sum(one.process is not None for one in members), len(members)
    if total == 1 and chains.backbones:
        return "It is all that its chain has: the chain stands still, the others go on."
    return f"{running} of {total} nodes run; blocks are decided by {total * 2 // 3 + 1}."


def _stop(chains: Chains, code: int) -> int:
    """Stop all nodes; the exit code of it all."""
    print("Stopping the nodes ...", flush=True)
    bad = [ending for _, ending in chains.network.ended()]
    try:
        bad += chains.network.stop()
    except KeyboardInterrupt:
        bad, code = ["killed, as you wished"], INTERRUPTED
    if bad:
        print(f"chainnode: not all nodes ended well: {'; '.join(bad)}", file=sys.stderr)
    if code == INTERRUPTED:
        print("chainnode: interrupted", file=sys.stderr)
    return code or (FAILED if bad else 0)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
