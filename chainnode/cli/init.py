"""`chainnode init`: make the folder of a new node, for a chain of its own or for one that exists."""

import argparse
import shlex
import time
from dataclasses import replace
from pathlib import Path

from chainnode.cli.keys import read_passphrase
from chainnode.cli.usage import UsageError, folder, program, reading_words
from chainnode.cli.verify import Subparsers
from chainnode.errors import Malformed, Rejected
from chainnode.genesisfile import check_chain_id, genesis_from_json, genesis_to_json
from chainnode.node.config import Config, split_address
from chainnode.node.homes import NodeKeys, load_genesis, make_genesis, new_key, write_home
from chainnode.types.codes import HOME_EXISTS
from chainnode.types.genesis import ChainParams
from chainnode.types.limits import NAME_BYTES_MAX


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `init` to the command line."""
    parser = subparsers.add_parser("init", help="make a node's folder", description=__doc__)
    parser.add_argument("--home", type=folder, required=True, metavar="DIR", help="the folder to make")
    chain = parser.add_mutually_exclusive_group(required=True)
    chain.add_argument("--chain-id", metavar="NAME-1", help="begin a chain with this node as its only validator and super node")
    chain.add_argument("--genesis", type=Path, metavar="FILE", help="join the chain of this genesis file")
    parser.add_argument("--name", default="node", help="the node's name in logs and on the ledger (default node)")
    parser.add_argument("--peers", default="127.0.0.1:26656", metavar="HOST:PORT", help="where peers connect (default 127.0.0.1:26656)")
    parser.add_argument("--api", default="127.0.0.1:26657", metavar="HOST:PORT", help="where the API listens (default 127.0.0.1:26657)")
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="its first line seals the keys; else environment or prompt")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Draw keys, write settings and genesis, and say what comes next. Nothing is asked or made before the arguments are right."""
    config = Config(home=args.home, node_name=args.name, peers_listen=args.peers, api_listen=args.api)
    if args.passphrase_file is not None:
        config = replace(config, keys_passphrase_file=str(args.passphrase_file.resolve()))
    _check(config)
    genesis = None if args.genesis is None else load_genesis(args.genesis)
    if args.chain_id is not None:
        with reading_words():
            check_chain_id(args.chain_id)
    if config.genesis_path.exists():
        raise Rejected(HOME_EXISTS, f"{args.home} holds a node already")
    passphrase = read_passphrase(args.passphrase_file, is_new=True)
    keys = NodeKeys(new_key(), new_key(), new_key())
    if genesis is None:
        genesis = make_genesis(args.chain_id, time.time_ns(), [(args.name, keys, args.peers)], ChainParams())
        genesis_from_json(genesis_to_json(genesis))
    write_home(config, genesis, keys, passphrase)
    print(f"Made {args.home} on chain {genesis.chain_id}.")
    print(f"operator      {keys.operator_did}")
    print(f"node key      {keys.node.public.hex()}")
    print(f"validator key {keys.validator.public.hex()}")
    if args.genesis is not None:
        print("Super nodes let it in by a proposal (set_validator), or its operator registers it (validators.register_node).")
    print(f"Start it: {shlex.join([program(), 'run', '--home', str(args.home)])}")
    return 0


def _check(config: Config) -> None:
    """UsageError for a name or an address that the node would refuse when it starts."""
    if not config.node_name.isprintable() or not 0 < len(config.node_name.encode()) <= NAME_BYTES_MAX:
        raise UsageError(f"--name takes 1 to {NAME_BYTES_MAX} bytes of printable text")
    for option, address in (("--peers", config.peers_listen), ("--api", config.api_listen)):
        try:
            split_address(address)
        except Malformed as error:
            raise UsageError(f"{option}: {error.detail}") from error
