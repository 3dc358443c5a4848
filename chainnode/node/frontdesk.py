"""What peers send, decoded and verified, becomes inputs of the host. Batches are checked in threads, beside votes."""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from chainnode import digests, wire
from chainnode.blocks import decode_block
from chainnode.cometbytes import proposal_sign_bytes, vote_sign_bytes
from chainnode.consensus.proposer import proposer
from chainnode.crypto import keys
from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.node.chain import Chain
from chainnode.node.host import Host
from chainnode.node.replicainputs import (
    BatchesRequested,
    BatchVerified,
    BlocksReceived,
    BlocksRequested,
    HeightSeen,
    Input,
    PeerDown,
    PeerUp,
    ProposalVerified,
    StatusReceived,
    VoteVerified,
)
from chainnode.p2p.network import PeerNetwork
from chainnode.types.block import ValidatorSet, Vote
from chainnode.types.codes import BAD_SIGNATURE, MALFORMED, WRONG_CHAIN, WRONG_GENESIS
from chainnode.types.limits import BATCHES_UNVERIFIED_MAX, INGRESS_LOOP_BYTES_MAX
from chainnode.types.messages import (
    BatchMessage,
    BatchRequest,
    BlockReply,
    BlockRequest,
    Hello,
    ProposalMessage,
    RoundStatus,
    VoteMessage,
)

log = logging.getLogger(__name__)
PROTOCOL = 1


class FrontDesk:
    """Implements p2p's PeerHandler. `run` checks batches until cancelled."""

    def __init__(self, host: Host, chain: Chain, node_id: str, *, threads: int) -> None:
        self.network: PeerNetwork | None = None  # set before `run`
        self._host = host
        self._chain = chain
        self._node_id = node_id
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "verify")
        self._batches: asyncio.Queue[tuple[str, bytes, bytes]] = asyncio.Queue(BATCHES_UNVERIFIED_MAX)
        self._checking: set[bytes] = set()  # digests of those in the queue and of those being checked

    async def run(self) -> None:
        """Check the batches of peers, as many at once as there are threads."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._threads):
                    group.create_task(self._check_batches(), name=f"check-batches-{number}")
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)

    # PeerHandler

    def hello(self) -> bytes:
        """Who we are and where we stand."""
        genesis = self._chain.genesis
        return wire.encode_message(Hello(PROTOCOL, genesis.chain_id, self._chain.genesis_hash, self._node_id, self._host.replica.height))

    def check_hello(self, peer_id: str, hello: bytes) -> None:
        """Refuse other chains; the certificate has proved the id already."""
        message = wire.decode_message(hello)
        if not isinstance(message, Hello) or message.node_id != peer_id or message.protocol != PROTOCOL:
            raise Malformed(MALFORMED, "this is not a hello of this protocol, or not the certificate's node")
        if message.chain_id != self._chain.genesis.chain_id:
            raise Rejected(WRONG_CHAIN, f"we are on {self._chain.genesis.chain_id}, the peer on {message.chain_id}")
        if message.genesis_hash != self._chain.genesis_hash:
            raise Rejected(WRONG_GENESIS)

    async def on_up(self, peer_id: str, hello: bytes) -> None:
        """Tell the replica."""
        message = wire.decode_message(hello)
        assert isinstance(message, Hello)
        await self._host.put(PeerUp(peer_id, message.height, self._is_validator(peer_id)))

    async def on_down(self, peer_id: str) -> None:
        """Tell the replica."""
        self._host.put_now(PeerDown(peer_id))

    async def on_message(self, peer_id: str, payload: memoryview) -> None:
        """Decode, verify, hand over. Malformed counts against the peer."""
        received_ns = time.time_ns()
        message = wire.decode_message(payload)
        item: Input | None
        match message:
            case VoteMessage():
                item = self._vote(peer_id, message.vote)
            case ProposalMessage():
                item = self._proposal(peer_id, message, received_ns)
            case BatchMessage():
                digest = digests.batch_digest(message.batch_bytes)
                if digest not in self._checking and not self._host.replica.dissemination.mempool.get(digest):
                    await self._batches.put((peer_id, digest, message.batch_bytes))
                    self._checking.add(digest)  # now that nothing takes it out of the queue unchecked
                return
            case BatchRequest():
                item = BatchesRequested(peer_id, message.digests)
            case RoundStatus():
                item = StatusReceived(peer_id, message)
            case BlockRequest():
                item = BlocksRequested(peer_id, message.first, message.last)
            case BlockReply():
                item = BlocksReceived(peer_id, message.blocks)
            case Hello():
                raise Malformed(MALFORMED, "a hello comes once")
        if item is not None:
            await self._host.put(item)

    # How it is done

    def _is_validator(self, peer_id: str) -> bool:
        return peer_id in self._host.validator_nodes

    def _set_at(self, height: int) -> ValidatorSet | None:
        tip = self._chain.tip
        return {tip.height + 1: tip.validators, tip.height + 2: tip.next_validators}.get(height)

    def _vote(self, peer_id: str, vote: Vote) -> Input | None:
        validators = self._set_at(vote.height)
        replica = self._host.replica
        is_behind = self._chain.tip.height >= replica.height  # what is on disk it hears of next, and wants more then
        if validators is None or not (is_behind or replica.wants_vote(vote)):  # to verify it would be in vain
            return HeightSeen(peer_id, vote.height) if vote.height > replica.height else None
        if vote.validator_index >= len(validators.validators):
            raise Malformed(MALFORMED, "no validator has this index")
        one = validators.validators[vote.validator_index]
        content = vote_sign_bytes(self._chain.genesis.chain_id, vote)
        if one.address != vote.validator_address or not keys.verify(one.public_key, content, vote.signature):
            raise Malformed(BAD_SIGNATURE, "a vote is not signed by its validator")
        return VoteVerified(peer_id, vote)

    def _proposal(self, peer_id: str, message: ProposalMessage, received_ns: int) -> Input | None:
        proposal = message.proposal
        validators = self._set_at(proposal.height)
        if validators is None:
            return HeightSeen(peer_id, proposal.height) if proposal.height > self._chain.tip.height else None
        turn = proposer(validators, proposal.height, proposal.round)
        if not keys.verify(turn.public_key, proposal_sign_bytes(self._chain.genesis.chain_id, proposal), proposal.signature):
            raise Malformed(BAD_SIGNATURE, "a proposal is not signed by its round's proposer")
        block = decode_block(message.block_bytes)
        if digests.block_id(block.header, message.block_bytes) != proposal.block_id:
            raise Malformed(MALFORMED, "a proposal comes with another block than it names")
        return ProposalVerified(peer_id, message, block.batch_digests, received_ns)

    async def _check_batches(self) -> None:
        while True:
            peer_id, digest, batch_bytes = await self._batches.get()
            try:
                await self._check_batch(peer_id, digest, batch_bytes)
            finally:
                self._checking.discard(digest)

    async def _check_batch(self, peer_id: str, digest: bytes, batch_bytes: bytes) -> None:
        try:
            if len(batch_bytes) <= INGRESS_LOOP_BYTES_MAX:
                batch = self._chain.read_batch(batch_bytes, digest)  # the hop to a thread would cost more
            else:
                batch = await asyncio.get_running_loop().run_in_executor(self._pool, self._chain.read_batch, batch_bytes, digest)
        except Malformed as error:
            assert self.network is not None
            self.network.penalise(peer_id, str(error))
        except Unavailable as error:  # a suite that is not installed here: the peer may have it, so it is not at fault
            log.error("batch_unverifiable", extra={"peer": peer_id, "code": error.code.name, "reason": error.detail})
        else:
            await self._host.put(BatchVerified(peer_id, batch))
