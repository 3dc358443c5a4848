"""`chainnode replay`: execute a stopped node's blocks again from genesis, in memory, and compare every app hash."""

import argparse
import sys
import time
from pathlib import Path

from chainnode import blocks, digests
from chainnode.bid import did_of
from chainnode.cli.verify import Subparsers
from chainnode.errors import Malformed
from chainnode.node.chain import Chain
from chainnode.node.config import load_config
from chainnode.node.node import load_genesis
from chainnode.storage.keys import load_key_file
from chainnode.storage.kv import MemoryKV
from chainnode.storage.ledger import Ledger
from chainnode.storage.leveldb import LevelKV
from chainnode.storage.state import StateStore
from chainnode.types.codes import BAD_KEY_FILE, HEIGHT_UNKNOWN
from chainnode.types.messages import DecidedBlock
from contracts.registry import SystemContracts

_PROGRESS_S = 1.0


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `replay` to the command line."""
    parser = subparsers.add_parser("replay", help="execute a node's blocks again and compare", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, metavar="DIR", help="the node's folder; the node must be stopped")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verify every commit, execute every block, compare; 1 at the first height that differs."""
    config = load_config(args.home)
    genesis = load_genesis(config.genesis_path)
    kv = LevelKV(config.data_path / "ledger", write_buffer_bytes=config.storage_write_buffer_bytes, cache_bytes=config.storage_cache_bytes)
    try:
        genesis_hash = digests.genesis_hash(genesis)
        stored = Ledger.open(kv, chain_id=genesis.chain_id, genesis_hash=genesis_hash, node_id=_node_id(config.node_key_path))
        fresh = Ledger.open(MemoryKV(), chain_id=genesis.chain_id, genesis_hash=genesis_hash, node_id="replay")
        chain = Chain(genesis, StateStore.open(fresh), SystemContracts())
        last = stored.last()
        told = time.monotonic()
        for height in range(1, (last.height if last else 0) + 1):
            block_bytes, commit, summary = stored.block_bytes(height), stored.commit(height), stored.summary(height)
            if block_bytes is None or commit is None or summary is None:
                raise Malformed(HEIGHT_UNKNOWN, f"the body of height {height} was pruned; replay needs all of them")
            chain.apply_synced(DecidedBlock(block_bytes, blocks.decode_commit(commit), stored.batches(height)))
            if chain.tip.app_hash != summary.app_hash:
                print(f"height {height}: replay gives app hash {chain.tip.app_hash.hex()}, the node has {summary.app_hash.hex()}")
                return 1
            if time.monotonic() - told > _PROGRESS_S:
                told = time.monotonic()
                print(f"height {height} of {last.height if last else 0} ...", file=sys.stderr, flush=True)
        print(f"{chain.tip.height} heights replayed; every commit verifies and every app hash is the same: {chain.tip.app_hash.hex()}")
    finally:
        kv.close()
    return 0


def _node_id(path: Path) -> str:
    """The node's id, from the readable part of its key file."""
    document = load_key_file(path)
    try:
        return did_of(str(document["suite"]), bytes.fromhex(str(document["public_key"])))
    except (KeyError, ValueError) as error:
        raise Malformed(BAD_KEY_FILE, f"{path} names no public key") from error
