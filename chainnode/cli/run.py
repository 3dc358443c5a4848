"""`chainnode run`: one node, in the foreground, until SIGINT or SIGTERM."""

import argparse
import gc
import os
import signal
import threading
from pathlib import Path

from chainnode.cli.allocator import keep_room
from chainnode.cli.loop import run_loop
from chainnode.cli.passphrases import node_passphrase
from chainnode.cli.verify import Subparsers
from chainnode.errors import Malformed
from chainnode.node.application import make_application
from chainnode.node.config import load_config
from chainnode.node.gateway import open_gateway
from chainnode.node.homes import load_key
from chainnode.node.node import Node, check_machine
from chainnode.node.telemetry import set_up_logging
from chainnode.types.codes import BAD_CONFIG


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `run` to the command line."""
    parser = subparsers.add_parser("run", help="run a node", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, metavar="DIR", help="the node's folder, as made by `init` or `devnet`")
    parser.add_argument("--until-eof", action="store_true", help="stop too when standard input closes, so as not to outlive who started it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Open the node and run it."""
    keep_room()
    check_machine()
    config = load_config(args.home)
    if not config.genesis_path.exists() or not config.node_key_path.exists():
        raise Malformed(
            BAD_CONFIG, f"{args.home} is no node's folder: it has no genesis.json or no keys/node.json; `chainnode init` makes one"
        )
    set_up_logging(config.log_level, config.log_format)
    passphrase = node_passphrase(config)
    node_key = load_key(config.node_key_path, passphrase)
    validator_key = load_key(config.validator_key_path, passphrase) if config.validator_key_path.exists() else None
    if args.until_eof:
        threading.Thread(target=_end_with_stdin, name="stdin", daemon=True).start()
    issuer_key = None if config.issuer_key_path is None else load_key(config.issuer_key_path, passphrase)
    gateway = None if config.gateway_path is None else open_gateway(config.gateway_path, passphrase)
    gc.set_threshold(200_000, 20, 50)  # batches make many objects that live a moment; walking them often costs much

    async def main() -> None:
        node = Node(config, node_key=node_key, validator_key=validator_key, issuer_key=issuer_key, gateway=gateway)
        await node.run(make_application)

    run_loop(main())
    return 0


def _end_with_stdin() -> None:
    """Ask this process to end once nobody can write to its standard input any more."""
    while os.read(0, 4096):  # not through sys.stdin, whose lock would hold up the interpreter's end
        pass
    os.kill(os.getpid(), signal.SIGTERM)
