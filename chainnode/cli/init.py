"""`chainnode init`: make the folder of a new node, for a chain of its own or for one that exists."""

import argparse
import time
from dataclasses import replace
from pathlib import Path

from chainnode.cli.keys import read_passphrase
from chainnode.cli.verify import Subparsers
from chainnode.genesisfile import check_chain_id
from chainnode.node.config import Config
from chainnode.node.homes import NodeKeys, make_genesis, new_key, write_home
from chainnode.node.node import load_genesis
from chainnode.types.genesis import ChainParams


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `init` to the command line."""
    parser = subparsers.add_parser("init", help="make a node's folder", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, metavar="DIR", help="the folder to make")
    chain = parser.add_mutually_exclusive_group(required=True)
    chain.add_argument("--chain-id", metavar="NAME-1", help="begin a chain with this node as its only validator and super node")
    chain.add_argument("--genesis", type=Path, metavar="FILE", help="join the chain of this genesis file")
    parser.add_argument("--name", default="node", help="the node's name in logs and on the ledger (default node)")
    parser.add_argument("--peers", default="127.0.0.1:26656", metavar="HOST:PORT", help="where peers connect (default 127.0.0.1:26656)")
    parser.add_argument("--api", default="127.0.0.1:26657", metavar="HOST:PORT", help="where the API listens (default 127.0.0.1:26657)")
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="its first line seals the keys; else environment or prompt")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Draw keys, write settings and genesis, and say what comes next."""
    passphrase = read_passphrase(args.passphrase_file, is_new=True)
    keys = NodeKeys(new_key(), new_key(), new_key())
    if args.chain_id is not None:
        check_chain_id(args.chain_id)
        genesis = make_genesis(args.chain_id, time.time_ns(), [(args.name, keys, args.peers)], ChainParams())
    else:
        genesis = load_genesis(args.genesis)
    config = Config(home=args.home, node_name=args.name, peers_listen=args.peers, api_listen=args.api)
    if args.passphrase_file is not None:
        config = replace(config, keys_passphrase_file=str(args.passphrase_file.resolve()))
    write_home(config, genesis, keys, passphrase)
    print(f"Made {args.home} on chain {genesis.chain_id}.")
    print(f"operator      {keys.operator_did}")
    print(f"node key      {keys.node.public.hex()}")
    print(f"validator key {keys.validator.public.hex()}")
    if args.genesis is not None:
        print("Super nodes let it in by a proposal (set_validator), or its operator registers it (validators.register_node).")
    print(f"Start it: chainnode run --home {args.home}")
    return 0
