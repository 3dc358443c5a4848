"""One node: its parts opened in order, joined, run together, closed in order."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from aiohttp import web

from chainnode import blocks, digests
from chainnode.api.backend import NodeInfo
from chainnode.bid import did_of
from chainnode.consensus.effects import EnteredRound
from chainnode.consensus.facts import must_not_wait
from chainnode.crypto import keys
from chainnode.crypto.acceptance import first_deviation
from chainnode.crypto.suites import PrivateKey
from chainnode.crypto.verify import PATH
from chainnode.errors import ChainError, Corrupt, Malformed, Unavailable
from chainnode.execution.state import State
from chainnode.node.backend import NodeBackend
from chainnode.node.chain import Applied, Chain
from chainnode.node.config import Config, login_domains, peers_to_dial, split_address
from chainnode.node.credentials import issuing_of
from chainnode.node.frontdesk import FrontDesk
from chainnode.node.gateway import Gateway
from chainnode.node.homes import load_genesis
from chainnode.node.host import Host
from chainnode.node.indextender import IndexTender
from chainnode.node.ingress import Ingress
from chainnode.node.listener import cannot_listen, connections_max, listen, raise_open_files
from chainnode.node.referrals import Referrals
from chainnode.node.replicainputs import TransactionsRefused
from chainnode.node.reports import equivocation_report
from chainnode.node.webfetch import WebFetcher
from chainnode.p2p.network import PeerNetwork
from chainnode.storage.journal import Journal
from chainnode.storage.ledger import Ledger
from chainnode.storage.leveldb import LevelKV
from chainnode.storage.signguard import SignGuard
from chainnode.storage.state import StateStore
from chainnode.types.block import Vote
from chainnode.types.codes import BAD_KEY, CORRUPT_STORE, OPTIMISED
from chainnode.types.limits import HTTP_IDLE_S, OPEN_FILES_MIN, REFERRAL_FETCHES_MAX
from chainnode.types.release import VERSION
from contracts import validators
from contracts.registry import SystemContracts, node_ids

log = logging.getLogger(__name__)
GUARD_FILE = "signguard"
PRUNE_EVERY = 100  # heights


class Node:
    """A node of one chain. Opening it takes the data folder; `run` ends when told to stop, or raises what broke."""

    def __init__(
        self,
        config: Config,
        *,
        node_key: PrivateKey,
        validator_key: PrivateKey | None,
        issuer_key: PrivateKey | None = None,
        gateway: Gateway | None = None,
    ) -> None:
        check_machine()
        if node_key.suite != "e":
            raise Malformed(BAD_KEY, "a node key is an Ed25519 key")
        self.config = config
        self.gateway = gateway
        self.genesis = load_genesis(config.genesis_path)
        self.node_id = did_of("e", node_key.public)
        self._node_key = node_key
        kv = LevelKV(
            config.data_path / "ledger", write_buffer_bytes=config.storage_write_buffer_bytes, cache_bytes=config.storage_cache_bytes
        )
        try:
            genesis_hash = digests.genesis_hash(self.genesis)
            ledger = Ledger.open(kv, chain_id=self.genesis.chain_id, genesis_hash=genesis_hash, node_id=self.node_id)
            is_new = ledger.last() is None
            self.chain = Chain(self.genesis, StateStore.open(ledger), SystemContracts())
            journal = Journal(config.data_path / "journal")
            guard = self._open_guard(validator_key, journal, is_new=is_new)
        except BaseException:
            kv.close()
            raise
        gc.collect()
        gc.freeze()  # the state's trees live as long as the node; the collector need not walk them again and again
        self.host = Host(self.chain, journal, validator_key=validator_key, guard=guard)
        self.desk = FrontDesk(self.host, self.chain, self.node_id, threads=config.verify_threads)
        self.pool = ThreadPoolExecutor(config.verify_threads, "ingress")
        self.ingress = Ingress(self.host, self.chain, self.pool)
        self.tender = IndexTender(self.chain.state.ledger)
        self.network = PeerNetwork(
            node_key, self.desk, listen=split_address(config.peers_listen), admitted=self._admitted(), addresses=self._addresses()
        )
        self.host.network = self.desk.network = self.network
        self.host.listener = self
        web_names = (config.resolver_web_host, config.resolver_web_root)
        info = NodeInfo(self.genesis, genesis_hash, self.node_id, config.node_name, VERSION, config.peers_listen, *web_names)
        fetcher = WebFetcher() if config.resolver_web else None
        other_chains = WebFetcher(places=REFERRAL_FETCHES_MAX, is_anywhere=config.resolver_unsafe_endpoints)
        referrals = Referrals(other_chains) if config.resolver_chains else None
        self.backend = NodeBackend(info, self.chain, self.host, self.ingress, self.network, fetcher, referrals)
        self.backend.open_desks(issuing_of(config, issuer_key), login_domains(config))
        self._stopping = asyncio.Event()
        self.rounds_entered = self.txs_committed = 0

    def _open_guard(self, key: PrivateKey | None, journal: Journal, *, is_new: bool) -> SignGuard | None:
        """The guard is made with the data folder and never again: a lost one could let the key sign twice.

        It also remembers what the ledger may have lost: an emptied or cut LevelDB looks like a young one. Then the journal of the height
        that was signed last is of no use either; or it is lost alone, though it is on disk before any signature of its height. So the
        others decide that height without us (`bar`), if they can, as far as this ledger knows.
        """
        path = self.config.data_path / GUARD_FILE
        if key is None:
            if path.exists():
                log.warning("validator_key_missing", extra={"path": str(self.config.validator_key_path), "reason": "it voted before"})
            return None
        guard = SignGuard.open(path, keys.address(keys.public_key_of(key)), create=is_new)
        signed, height = guard.last()[0], self.chain.tip.height
        is_journal_lost = signed == height + 1 and not journal.may_hold(signed)
        if signed > height + 1 or is_journal_lost:
            event = "journal_lost" if is_journal_lost else "blocks_lost"
            log.error(event, extra={"code": CORRUPT_STORE.name, "height": height, "signed_height": signed})
            powers = {one.public_key: one.power for one in validators.validator_set(State(self.chain.state)).validators}
            own = powers.pop(keys.public_key_of(key), 0)
            if not must_not_wait(own, tuple(powers.values())):
                guard.bar(signed)
        return guard

    # Peers

    def _extra_peers(self) -> dict[str, tuple[bytes, tuple[str, int]]]:
        """node id -> key and address, of `peers.dial`."""
        return {did_of("e", key): (key, address) for key, address in peers_to_dial(self.config)}

    def _admitted(self) -> dict[str, bytes]:
        extra = {peer: key for peer, (key, _) in self._extra_peers().items()}
        return node_ids(State(self.chain.state)) | extra

    def _addresses(self) -> dict[str, tuple[str, int]]:
        known = validators.nodes(State(self.chain.state))
        voting = [one for one in validators.registered(State(self.chain.state)) if one.power]
        self.host.validator_nodes = frozenset(did_of("e", one.node_key) for one in voting)
        addresses = {did_of("e", node.node_key): split_address(node.peer_address) for node in known}
        addresses |= {peer: address for peer, (_, address) in self._extra_peers().items()}
        addresses.pop(self.node_id, None)
        return addresses

    # Listener of the host

    def height_applied(self, applied: Applied) -> None:
        """Log it, answer clients, follow the registry of nodes."""
        header = applied.header
        self.txs_committed += len(applied.tx_ids)
        extra = {"height": header.height, "txs": len(applied.tx_ids), "app_hash": applied.tip.app_hash.hex()[:16]}
        log.log(logging.INFO if applied.tx_ids else logging.DEBUG, "block_committed", extra=extra)
        self.ingress.height_applied(applied)
        if validators.NAME in applied.stores_changed:
            self.network.connect_to(self._addresses())
            self.network.admit(self._admitted())
        self.backend.height_applied()
        self.tender.height_applied()
        if self.config.storage_keep_heights and header.height % PRUNE_EVERY == 0:
            self.pool.submit(self._prune, header.height - self.config.storage_keep_heights)

    def _prune(self, below_height: int) -> None:
        """Remove old bodies; beside everything else, in a thread. A disk that refuses is told; the next height's write stops the node."""
        try:
            removed = self.chain.state.ledger.prune(below_height)
        except ChainError as error:
            log.error("prune_failed", extra={"below_height": below_height, "code": error.code.name, "reason": error.detail})
            return
        log.info("heights_pruned", extra={"below_height": below_height, "keys": removed.keys, "bytes": removed.bytes})

    def refused(self, effect: TransactionsRefused) -> None:
        """Tell the clients."""
        self.ingress.refused_by_mempool(effect)

    def equivocation(self, vote_a: Vote, vote_b: Vote) -> None:
        """Put both votes on record: they take the validator's power."""
        log.error("equivocation_seen", extra={"validator": vote_a.validator_address.hex(), "height": vote_a.height, "round": vote_a.round})
        votes = (blocks.encode_vote(vote_a), blocks.encode_vote(vote_b))
        raw = equivocation_report(self.genesis.chain_id, self.chain.genesis_hash, self._node_key, votes)
        task = asyncio.get_running_loop().create_task(self.ingress.submit([raw], wait_ms=None), name="report-equivocation")
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def round_entered(self, effect: EnteredRound) -> None:
        """A round beyond the first tells that something is slow or down."""
        self.rounds_entered += 1
        if effect.round > 0:
            proposer = effect.proposer_address.hex()
            log.info("round_entered", extra={"height": effect.height, "round": effect.round, "proposer": proposer})

    # Life

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopping.set()

    async def _run_network(self) -> None:
        try:
            await self.network.run()
        except OSError as error:  # of opening the port: what happens later is told otherwise
            raise cannot_listen("peers.listen", self.config.peers_listen, error) from error

    async def run(self, make_app: Callable[["Node"], web.Application], *, on_ready: Callable[[], None] | None = None) -> None:
        """Run until `stop`, SIGINT or SIGTERM."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError, ValueError):
                loop.add_signal_handler(number, self.stop)
        files = raise_open_files()
        if files < OPEN_FILES_MIN:
            log.warning("open_files_few", extra={"open_files": files, "wanted": OPEN_FILES_MIN})
        runner = web.AppRunner(make_app(self), access_log=None, shutdown_timeout=2.0, keepalive_timeout=HTTP_IDLE_S)
        await runner.setup()
        parts = [
            loop.create_task(self.host.run(), name="host"),
            loop.create_task(self.desk.run(), name="front-desk"),
            loop.create_task(self._run_network(), name="network"),
            loop.create_task(self.backend.sync_watch.run(), name="sync-watch"),
        ]
        if self.gateway is not None:
            parts.append(loop.create_task(self.gateway.run(), name="gateway"))
        server: asyncio.Server | None = None
        stopping = loop.create_task(self._stopping.wait(), name="stop")
        try:
            server = await listen(runner, self.config.api_listen, most=connections_max(files))
            log.info(
                "node_started",
                extra={"node": self.config.node_name, "node_id": self.node_id, "chain": self.genesis.chain_id, "ed25519": PATH},
            )
            if on_ready is not None:
                on_ready()
            await asyncio.wait((*parts, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if server is not None:
                server.close()
            await runner.cleanup()
            stopping.cancel()
            for part in parts:
                part.cancel()
            results = await asyncio.gather(*parts, return_exceptions=True)
            self.pool.shutdown(wait=True, cancel_futures=True)
            self.tender.close()
            self.backend.close()
            self.chain.state.ledger.close()
            log.info("node_stopped", extra={"height": self.chain.tip.height})
        for result in results:
            if isinstance(result, Exception):
                raise result


def check_machine() -> None:
    """Refuse to run where the node could not keep its promises."""
    if not __debug__:
        raise Unavailable(OPTIMISED)
    deviation = first_deviation()
    if deviation is not None:
        raise Corrupt(CORRUPT_STORE, f"the Ed25519 library of this machine accepts other signatures than the chain: {deviation}")
