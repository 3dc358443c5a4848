"""The node as the HTTP interface sees it: `api.backend.Backend`, with everything slow in threads."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from chainnode import blocks, transactions
from chainnode.api.backend import (
    Committed,
    Looked,
    NodeInfo,
    PeerStatus,
    ProvedValue,
    Reach,
    Resolved,
    Status,
    StoredBlock,
    Submitted,
    SubmittedBatch,
)
from chainnode.consensus.facts import quorum
from chainnode.did.versions import NEWEST, Wanted
from chainnode.errors import Unavailable
from chainnode.execution.engine import TX_INDEX
from chainnode.execution.state import State
from chainnode.node.chain import Chain
from chainnode.node.credentials import CredentialDesk, Issuing
from chainnode.node.host import Host
from chainnode.node.ingress import BatchOutcome, Ingress, Outcome, position_of
from chainnode.node.logins import LoginDesk
from chainnode.node.pastreader import PastReader
from chainnode.node.prover import Prover
from chainnode.node.referrals import Referrals
from chainnode.node.resolver import Resolver
from chainnode.node.syncwatch import SyncWatch
from chainnode.node.webfetch import WebFetcher
from chainnode.p2p.network import PeerNetwork
from chainnode.types.block import Header, ValidatorSet
from chainnode.types.bundle import Bundle, LightBlock
from chainnode.types.codes import OK, STATE_PRUNED
from chainnode.types.genesis import ChainParams
from chainnode.types.limits import PROVER_THREADS
from chainnode.types.proof import ExistenceProof
from chainnode.types.transaction import TxResult

Answer = TypeVar("Answer")
Arguments = TypeVarTuple("Arguments")
PROOF_WAIT_S = 2.0  # for the block that proves the last one


class NodeBackend:
    """Answers for one node. `wait_height` is the node's."""

    def __init__(
        self,
        info: NodeInfo,
        chain: Chain,
        host: Host,
        ingress: Ingress,
        network: PeerNetwork,
        fetcher: WebFetcher | None = None,
        referrals: Referrals | None = None,
    ) -> None:
        self.info = info
        self.prover = Prover(chain)
        self.resolver = Resolver(chain, self.prover, self._about_now, fetcher, referrals)
        self.credentials = CredentialDesk(chain, self.prover, self._document_of, self._about_height, fetcher)
        self.logins = LoginDesk((), info.genesis.chain_id, self._document_of)
        self._fetcher = fetcher
        self._chain = chain
        self._host = host
        self._ingress = ingress
        self._network = network
        self._pool = ThreadPoolExecutor(PROVER_THREADS, "prover")
        self._changed = asyncio.Event()
        self.sync_watch = SyncWatch(host.replica.sync, self._is_cut_off)

    def open_desks(self, issuing: Issuing, login_domains: tuple[str, ...]) -> None:
        """Issue credentials and let people in; a node does neither without."""
        self.credentials = CredentialDesk(self._chain, self.prover, self._document_of, self._about_height, self._fetcher, issuing)
        self.logins = LoginDesk(login_domains, self.info.genesis.chain_id, self._document_of)

    def height_applied(self) -> None:
        """Wake those who wait for a height."""
        self._changed.set()
        self._changed = asyncio.Event()

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    # Where we stand

    def last_height(self) -> int:
        """The last height on disk."""
        return self._chain.tip.height

    def is_ready(self) -> tuple[bool, str]:
        """Ready from the first block on, unless peers are ahead by more than one height or our clock is wrong."""
        if self._host.clock.is_wrong:
            return False, self._host.clock.reason
        if self.sync_watch.reason:
            return False, self.sync_watch.reason
        if self._is_catching_up():
            newest = self._host.replica.sync.target() - 1
            return False, f"the node is catching up with its peers: it has {self._chain.tip.height} of {newest} blocks"
        if self._chain.tip.height == 0:
            alone = ", and no peer is connected: `peer_down` in the log says why" if self._is_cut_off() else ""
            return False, f"no block has been decided yet{alone}"
        return True, ""

    def _is_cut_off(self) -> bool:
        """Whether nothing is heard of the chain: no peer is connected, and this node is no quorum by itself."""
        validators = self._chain.tip.validators
        own = sum(one.power for one in validators.validators if one.address == self._host.address)
        return own < quorum(validators.power_total) and not self._network.connected()

    def _is_catching_up(self) -> bool:
        return self._host.replica.sync.target() > self._chain.tip.height + 2

    def status(self) -> Status:
        """For operators."""
        tip = self._chain.tip
        own = next((one for one in tip.validators.validators if one.address == self._host.address), None)
        return Status(
            height=tip.height,
            time_ns=tip.time_ns,
            block_hash=tip.block_id.hash,
            app_hash=tip.app_hash,
            first_height=min(self._chain.state.ledger.first_body(), tip.height),
            first_header_height=min(1, tip.height),
            validator_key=None if own is None else own.public_key,
            validator_power=0 if own is None else own.power,
            peers=len(self._network.connected()),
            is_catching_up=self._is_catching_up(),
        )

    def peers(self) -> tuple[PeerStatus, ...]:
        """The connected ones."""
        heights = self._host.replica.sync.heights()
        return tuple(
            PeerStatus(one.peer_id, "", one.address, heights.get(one.peer_id, 0), one.is_dialled)
            for one in self._network.peers()
            if one.is_connected
        )

    def params(self) -> ChainParams:
        """After the last height."""
        return self._chain.tip.params

    async def wait_height(self, height: int) -> None:
        """Return once `height` is on disk."""
        while self._chain.tip.height < height:
            await self._changed.wait()

    # Transactions

    def check_room(self, size: int, count: int) -> None:
        """In the mempool, beside what is being checked."""
        self._ingress.check_room(size, count)

    async def submit(self, raws: Sequence[bytes], *, wait_ms: int | None) -> Sequence[Submitted]:
        """Through the node's door."""
        return [_submitted(one) for one in await self._ingress.submit(raws, wait_ms=wait_ms)]

    async def submit_batch(self, body: bytes, count: int, *, wait_ms: int | None) -> SubmittedBatch | Sequence[Submitted] | None:
        """Through the same door, as it is."""
        outcome = await self._ingress.submit_batch(body, count, wait_ms=wait_ms)
        if outcome is None:
            return None
        if not isinstance(outcome, BatchOutcome):
            return [_submitted(one) for one in outcome]
        if outcome.committed is None:
            return SubmittedBatch(outcome.ids)
        height, batch = outcome.committed
        return SubmittedBatch(outcome.ids, height, batch.first, batch.results)

    async def transaction(self, tx_id: bytes) -> Committed | None:
        """By id; Unavailable(STATE_PRUNED) when its block is no longer here."""
        return await self._in_thread(self._transaction, tx_id)

    def _transaction(self, tx_id: bytes) -> Committed | None:
        position = self._chain.state.index_get(TX_INDEX, tx_id)
        if position is None:
            return None
        height, index = position_of(position)
        raws = [raw for batch in self._chain.state.ledger.batches(height) for raw in transactions.split_batch(batch)]
        results = self.prover.results(height)
        if results is None or index >= len(raws):
            raise Unavailable(STATE_PRUNED, f"the body of block {height} was pruned here; ask a node that keeps it")
        return Committed(height, index, raws[index], results[index])

    # Blocks

    async def light_block(self, height: int) -> LightBlock | None:
        """Header, commit, validators."""
        return await self._in_thread(self.prover.light_block, height)

    async def validators(self, height: int) -> ValidatorSet | None:
        """Of a height."""
        return await self._in_thread(self.prover.validators, height)

    async def block(self, height: int) -> StoredBlock | None:
        """With its transactions."""
        return await self._in_thread(self._block, height)

    def _block(self, height: int) -> StoredBlock | None:
        ledger = self._chain.state.ledger
        block_bytes = ledger.block_bytes(height)
        if block_bytes is None:
            return None
        raws = tuple(raw for batch in ledger.batches(height) for raw in transactions.split_batch(batch))
        if height < ledger.first_body():
            return None  # it was pruned while we read
        return StoredBlock(blocks.decode_block(block_bytes), block_bytes, raws)

    async def height_of_block(self, block_hash: bytes) -> int | None:
        """By its hash."""
        return await self._in_thread(self._chain.height_of_block, block_hash)

    async def results(self, height: int) -> tuple[TxResult, ...] | None:
        """Of a height's transactions."""
        return await self._in_thread(self.prover.results, height)

    # Proofs

    async def prove_state(self, store: str, key: bytes, height: int | None) -> ProvedValue:
        """A value with its proof."""
        await self._wait_proof_block(height)
        return await self._in_thread(self._prove_state, store, key, height)

    def _prove_state(self, store: str, key: bytes, height: int | None) -> ProvedValue:
        at = self.prover.provable_height(height)
        proof = self.prover.state_proof(store, key, at)
        return ProvedValue(proof.proof.value if isinstance(proof.proof, ExistenceProof) else None, proof, at)

    async def look(self, work: Callable[[State, int], Answer], height: int | None = None) -> Looked[Answer]:
        """What the state of a height says."""
        await self._wait_proof_block(height)
        return await self._in_thread(self._look, work, height)

    def _look(self, work: Callable[[State, int], Answer], height: int | None) -> Looked[Answer]:
        at = self.prover.provable_height(height)
        header = self._chain.state.ledger.header(at + 1)
        assert header is not None, "it is what can be proved"
        time_ns = blocks.decode_header(header).time_ns
        return Looked(work(State(PastReader(self._chain.state, at)), time_ns), at, time_ns)

    async def bundle_state(self, store: str, key: bytes, height: int | None) -> Bundle:
        """A value or an absence."""
        await self._wait_proof_block(height)
        return await self._in_thread(self.prover.state, store, key, height)

    async def bundle_evidence(self, record: bytes | int, height: int | None = None) -> Bundle:
        """A record of the log."""
        await self._wait_proof_block(height)
        if isinstance(record, int):
            return await self._in_thread(self.prover.record, record, height)
        return await self._in_thread(self.prover.record_of_digest, record, height)

    async def bundle_transaction(self, tx_id: bytes, header: int | None = None) -> Bundle:
        """A transaction, with its result if the header fixes it."""
        await self._wait_proof_block(header)
        return await self._in_thread(self.prover.transaction, tx_id, header)

    async def bundle_anchor(self, ac: str, height: int | None) -> Bundle:
        """The hash of another chain's header."""
        await self._wait_proof_block(None)
        return await self._in_thread(self.prover.anchor, ac, height)

    async def bundle_header(self, height: int) -> Bundle:
        """A header."""
        return await self._in_thread(self.prover.header, height)

    async def links(self, height: int, to: int) -> tuple[Header, ...]:
        """Headers downwards."""
        return await self._in_thread(self.prover.links, height, to)

    async def resolve(self, did: str, wanted: Wanted, *, has_proof: bool, reach: Reach = Reach.OTHERS) -> Resolved:
        """A DID by its method."""
        return await self.resolver.resolve(did, wanted, has_proof=has_proof, reach=reach)

    async def _document_of(self, did: str) -> Mapping[str, object] | None:
        return (await self.resolve(did, NEWEST, has_proof=False)).document

    async def _about_height(self, height: int | None, work: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
        await self._wait_proof_block(height)
        return await self._in_thread(work, *arguments)

    async def _about_now(self, work: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
        await self._wait_proof_block(None)
        return await self._in_thread(work, *arguments)

    async def _wait_proof_block(self, height: int | None) -> None:
        """When the last block changed something, the next, which proves it, is on its way: what was committed can be read at once."""
        tip = self._chain.tip
        if height is None and tip.is_due:
            try:
                async with asyncio.timeout(PROOF_WAIT_S):
                    await self.wait_height(tip.height + 1)
            except TimeoutError:
                return  # then the answer is about the height before, and says so

    async def _in_thread(self, work: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)


def _submitted(one: Outcome) -> Submitted:
    if one.error is not None:
        return Submitted(one.tx_id, one.error.code, one.error.detail)
    return Submitted(one.tx_id, OK, "", one.height, one.index, one.encoded)
