"""What peers say in the tests of the node's pure parts: short ways to a vote, a proposal, a batch."""

from chainnode.mempool.batch import Batch
from chainnode.node.replicainputs import ProposalVerified, VoteVerified
from chainnode.transactions import encode_batch
from chainnode.types.block import BlockId, PartSetHeader, Proposal, Vote, VoteType
from chainnode.types.messages import ProposalMessage
from tests.sim import chain

FAR_MS = chain.GENESIS_MS + 10**7


def block_id(name: str) -> BlockId:
    """The id of some block."""
    return BlockId(name.encode().ljust(32, b"-"), PartSetHeader(1, bytes(32)))


def prevote(peer: str, *, height: int, round: int = 0) -> VoteVerified:
    """A vote for nil."""
    return VoteVerified(peer, Vote(VoteType.PREVOTE, height, round, None, 1, bytes(20), 0, bytes(64)))


def proposal(peer: str, block_bytes: bytes, *, height: int, round: int = 0) -> ProposalVerified:
    """A proposal of some block."""
    made = Proposal(height, round, -1, block_id(f"{height}/{round}"), 1, bytes(64))
    return ProposalVerified(peer, ProposalMessage(made, block_bytes), (), 1)


def batch(*numbers: int, valid_until_ms: int = FAR_MS) -> Batch:
    """A batch of these transactions."""
    return chain.batch_of(encode_batch([chain.make_tx(number, valid_until_ms).raw for number in numbers]))
