"""`chainnode devnet`: a real network of validators on this machine, kept running until Ctrl-C."""

import argparse
import signal
import sys
import time
from pathlib import Path

from chainnode.cli.network import Network, open_network
from chainnode.cli.verify import Subparsers
from chainnode.types.genesis import ChainParams

CHAIN_ID = "devnet-1"
PORT = 26650


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `devnet` to the command line."""
    parser = subparsers.add_parser("devnet", help="run a whole network on this machine", description=__doc__)
    parser.add_argument("--dir", type=Path, default=Path("chain"), metavar="DIR", help="where the network lives (default ./chain)")
    parser.add_argument("--validators", type=int, default=4, metavar="N", help="how many validators: 1, 4, 7 … (default 4)")
    parser.add_argument(
        "--port", type=int, default=PORT, metavar="BASE", help=f"node i: peers on BASE+10i+6, API on BASE+10i+7 (default {PORT})"
    )
    parser.add_argument("--story", action="store_true", help="then live through a warehouse's working day and verify every proof of it")
    parser.add_argument("--evidence", nargs="+", type=Path, default=[], metavar="FILE", help="source documents of the story's packages")
    parser.add_argument("--once", action="store_true", help="stop when all is done, with exit code 0 if all went well")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make or open the network, start it, tell the story, wait."""
    started = time.monotonic()
    network, is_new = open_network(args.dir, chain_id=CHAIN_ID, validators=args.validators, port=args.port, params=ChainParams())
    print(f"{'Made' if is_new else 'Found'} a network of {len(network.members)} validators in {args.dir}.", flush=True)
    with network:
        signal.signal(signal.SIGTERM, _interrupt)
        network.start()
        print(f"All nodes are ready after {time.monotonic() - started:.1f} s.", flush=True)
        code = 0
        if args.story:
            from chainnode.cli.story import tell  # the SDK and its libraries load while the nodes already run

            code = tell(network.urls, args.dir, args.evidence)
        _print_addresses(network)
        if args.once or code != 0:
            bad = network.stop()
            if bad:
                print(f"These nodes did not end well: {', '.join(bad)}", file=sys.stderr)
            return code or (1 if bad else 0)
        print("The network runs until Ctrl-C.", flush=True)
        _wait(network)
    return code


def _print_addresses(network: Network) -> None:
    print("\nnode       API                       peers               log")
    for member in network.members:
        config = member.config
        print(f"{config.node_name:10} {member.url:25} {config.peers_listen:19} {member.log_path}")
    print(flush=True)


def _wait(network: Network) -> None:
    try:
        while True:
            time.sleep(1.0)
            network.check()
    except KeyboardInterrupt:
        print("\nStopping the nodes ...", flush=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
