"""`chainnode replay`: execute a stopped node's blocks again from genesis, in memory, and compare all that it keeps with the outcome."""

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from chainnode import blocks, digests
from chainnode.bid import did_of
from chainnode.bundlewords import key_to_text
from chainnode.cli.keys import read_public
from chainnode.cli.verify import Subparsers
from chainnode.errors import ChainError, Corrupt, Malformed, Rejected
from chainnode.node.chain import Chain
from chainnode.node.config import load_config
from chainnode.node.homes import load_genesis
from chainnode.storage import layout
from chainnode.storage.kv import KV, MemoryKV
from chainnode.storage.ledger import Ledger
from chainnode.storage.leveldb import LevelKV
from chainnode.storage.state import StateStore
from chainnode.types.codes import BAD_CONFIG, CORRUPT_STORE, STATE_PRUNED
from chainnode.types.genesis import Genesis
from chainnode.types.messages import DecidedBlock
from contracts.registry import SystemContracts

_PROGRESS_S = 1.0


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `replay` to the command line."""
    parser = subparsers.add_parser("replay", help="execute a node's blocks again and compare", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, metavar="DIR", help="the node's folder; the node must be stopped")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verify every commit, execute every block, compare; Corrupt(CORRUPT_STORE) names the first height that differs."""
    config = load_config(args.home)
    path = config.data_path / "ledger"
    if not config.genesis_path.exists() or not config.node_key_path.exists():
        raise Malformed(BAD_CONFIG, f"{args.home} is no node's folder: it has no genesis.json or no keys/node.json")
    genesis = load_genesis(config.genesis_path)
    if not path.exists():
        raise Malformed(BAD_CONFIG, f"{args.home} has no ledger: the node has never run")
    kv = LevelKV(path, write_buffer_bytes=config.storage_write_buffer_bytes, cache_bytes=config.storage_cache_bytes)
    try:
        chain = replay(kv, genesis, did_of(*read_public(config.node_key_path)))
    finally:
        kv.close()
    tip, log = chain.tip, chain.state.ledger.log_state()
    print(f"{tip.height} heights replayed: every commit verifies, every app hash is the same, the last is {tip.app_hash.hex()}.")
    print(f"All results, state values, index entries and {log.size} evidence records are as the blocks made them.")
    return 0


def replay(kv: KV, genesis: Genesis, node_id: str) -> Chain:
    """The chain that the blocks in a store make. Corrupt(CORRUPT_STORE) where the store holds something else than they make."""
    genesis_hash = digests.genesis_hash(genesis)
    stored = Ledger.open(kv, chain_id=genesis.chain_id, genesis_hash=genesis_hash, node_id=node_id)
    fresh = Ledger.open(MemoryKV(), chain_id=genesis.chain_id, genesis_hash=genesis_hash, node_id="replay")
    if stored.first_body() > 1:
        raise Rejected(STATE_PRUNED, f"the blocks below height {stored.first_body()} were pruned; replay needs all of them")
    chain = Chain(genesis, StateStore.open(fresh), SystemContracts())
    last = stored.last()
    height_last = last.height if last else 0
    told = time.monotonic()
    for height in range(1, height_last + 1):
        try:
            _apply(chain, stored, height)
        except (Malformed, Rejected) as error:
            raise Corrupt(CORRUPT_STORE, f"height {height} does not hold: {error}") from error
        for what in _differences(stored, fresh, height):
            raise Corrupt(CORRUPT_STORE, f"height {height}: {what} stored is not what its block makes")
        if time.monotonic() - told > _PROGRESS_S:
            told = time.monotonic()
            print(f"height {height} of {height_last} ...", file=sys.stderr, flush=True)
    if last is not None:
        _compare_state(stored, fresh)
    return chain


def _apply(chain: Chain, stored: Ledger, height: int) -> None:
    block_bytes, commit = stored.block_bytes(height), stored.commit(height)
    if block_bytes is None or commit is None:
        raise Malformed(CORRUPT_STORE, "its block or its commit is missing")
    chain.apply_synced(DecidedBlock(block_bytes, blocks.decode_commit(commit), stored.batches(height)))


def _differences(stored: Ledger, fresh: Ledger, height: int) -> Iterator[str]:
    """What a height has on disk and should not have."""
    try:
        summary = stored.summary(height)
        results = stored.results(height)
    except ChainError as error:
        raise Corrupt(CORRUPT_STORE, f"height {height}: {error.detail}") from error
    made = fresh.summary(height)
    if summary is None or made is None:
        yield "the summary"
    elif summary.app_hash != made.app_hash:
        yield f"the app hash {summary.app_hash.hex()}"
    elif summary != made:
        yield "the summary"
    if results != fresh.results(height):
        yield "a result"
    if stored.header(height) != fresh.header(height):
        yield "the header"
    if stored.validators(height + 2) != fresh.validators(height + 2):
        yield "the validator set"


def _compare_state(stored: Ledger, fresh: Ledger) -> None:
    """Corrupt(CORRUPT_STORE) at the first state value, index entry or evidence record that the blocks did not make."""
    for store in sorted({*stored.store_roots(), *fresh.store_roots()}):
        for found, made in zip_longest(stored.state_entries(store), fresh.state_entries(store)):
            if found != made:
                key = key_to_text(min(entry[0] for entry in (found, made) if entry is not None))
                raise Corrupt(CORRUPT_STORE, f"the state: what store {store} holds under key {key} is not what the blocks make")
    for entry, made_entry in zip_longest(stored.index_entries(), fresh.index_entries()):
        if entry != made_entry:
            raise Corrupt(CORRUPT_STORE, "the index is not what the blocks make")
    for found, made in zip_longest(stored.entries(layout.TILE), fresh.entries(layout.TILE)):
        if found != made:
            raise Corrupt(CORRUPT_STORE, "a tile of the evidence log is not what the blocks make")
    if stored.log_state() != fresh.log_state():
        raise Corrupt(CORRUPT_STORE, "the evidence log is not what the blocks make")
    for index in range(fresh.log_state().size):
        if stored.log_record(index) != fresh.log_record(index):
            raise Corrupt(CORRUPT_STORE, f"evidence record {index} is not what the blocks make")
