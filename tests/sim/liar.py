"""A validator that lies: it runs the honest program and changes what others see of it.

Its power is less than a third. What it does next is chosen by the world's random numbers: two votes or two proposals for one round,
silence, batches that it keeps to itself, old messages again, rubbish with its own good signature, claims of any height, false blocks.
"""

from chainnode import wire
from chainnode.consensus.proposer import proposer
from chainnode.errors import Malformed
from chainnode.node.replicainputs import Broadcast, BuildBlock, Effect, LoadBlocks, Send
from chainnode.types.block import BlockId, PartSetHeader, Proposal, Vote, VoteType
from chainnode.types.messages import (
    BatchMessage,
    BatchRequest,
    BlockReply,
    BlockRequest,
    DecidedBlock,
    Message,
    ProposalMessage,
    RoundStatus,
    VoteMessage,
)
from tests.sim import chain
from tests.sim.host import Host

REMEMBERED_MAX = 200


class Liar(Host):
    """The one dishonest validator of a run."""

    is_honest = False

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._heard: list[Message] = []  # to be said again
        self._block_ids: list[BlockId] = []  # to vote for
        rng = self.world.rng
        self._is_silent = rng.random() < 0.15  # a whole run without a vote
        self._equivocates = rng.random() < 0.7
        self._withholds = rng.random() < 0.5
        self._talks_rubbish = rng.random() < 0.7

    def habits(self) -> str:
        """How it lies in this run, in words."""
        known = (
            (self._is_silent, "does not vote"),
            (self._equivocates and not self._is_silent, "votes and proposes twice"),
            (self._withholds, "keeps batches to itself"),
            (self._talks_rubbish, "talks rubbish and sends false blocks"),
        )
        return ", ".join(words for is_so, words in known if is_so) or "has no sign guard"

    def receive(self, peer: str, message: Message) -> None:
        """Listen, and sometimes say something false."""
        rng = self.world.rng
        if len(self._heard) < REMEMBERED_MAX:
            self._heard.append(message)
        else:
            self._heard[rng.randrange(REMEMBERED_MAX)] = message
        if isinstance(message, ProposalMessage):
            self._block_ids = [*self._block_ids[-5:], message.proposal.block_id]
        super().receive(peer, message)
        if self._talks_rubbish and self.is_up and rng.random() < 0.1:
            self.send(rng.choice(list(self.world.nodes)), self._rubbish())

    def act(self, effect: Effect) -> None:
        """Do something else than what was asked for."""
        rng = self.world.rng
        match effect:
            case Broadcast(VoteMessage(vote)) if self._is_silent or self._equivocates:
                if not self._is_silent:
                    self._vote_twice(vote)
            case Broadcast(ProposalMessage(proposal)) if self._equivocates and rng.random() < 0.5:
                self._propose_twice(proposal, effect.message.block_bytes)
            case Broadcast(BatchMessage()) | Send(_, BatchMessage()) if self._withholds:
                if rng.random() < 0.2:
                    super().act(effect)
            case LoadBlocks() if self._talks_rubbish:
                self.send(effect.peer, self._false_blocks(effect))
            case _:
                super().act(effect)

    def send(self, peer: str, message: Message) -> None:
        """Whatever a liar says goes over the wire, where what has no right form is dropped."""
        try:
            said = wire.decode_message(wire.encode_message(message))
        except Malformed:
            return
        super().send(peer, said)

    def _guarded_signature(self, signed: Vote | Proposal, step: int, content: bytes) -> Vote | Proposal | None:
        """A liar has no sign guard."""
        return signed

    def _vote_twice(self, vote: Vote) -> None:
        """One vote for some, another for the others; sometimes both."""
        rng = self.world.rng
        for peer in self.world.peers_of(self):
            others = [None, *self._block_ids, BlockId(rng.randbytes(32), PartSetHeader(1, bytes(32)))]
            for block_id in rng.choice([(vote.block_id,), (rng.choice(others),), (vote.block_id, rng.choice(others)), ()]):
                self.send(peer, VoteMessage(self._vote(vote.type, vote.height, vote.round, block_id)))

    def _propose_twice(self, proposal: Proposal, block_bytes: bytes) -> None:
        """Another block for some."""
        block = self._as_build(proposal)
        built = self.built(block, (), proposal.time_ns + self.world.rng.choice([1, 10**6, 10**10]))
        other = Proposal(proposal.height, proposal.round, proposal.pol_round, built.block_id, built.time_ns)
        assert self.address is not None
        messages = [
            ProposalMessage(proposal, block_bytes),
            ProposalMessage(chain.signed_proposal(other, self.address), built.block_bytes),
        ]
        for peer in self.world.peers_of(self):
            for message in self.world.rng.choice([messages[:1], messages[1:], messages, messages[::-1], []]):
                self.send(peer, message)

    def _as_build(self, proposal: Proposal) -> BuildBlock:
        return BuildBlock(proposal.height, proposal.round, ())

    def _vote(self, type: VoteType, height: int, round: int, block_id: BlockId | None) -> Vote:
        assert self.address is not None
        validators = self.world.validators_at(height).validators
        index = next(index for index, one in enumerate(validators) if one.address == self.address)
        return chain.signed_vote(Vote(type, height, round, block_id, self.now_ns(), self.address, index))

    def _rubbish(self) -> Message:
        """Something well formed and useless, or old."""
        rng = self.world.rng
        height = max(1, self.height + rng.choice([-3, 0, 1, 1, 1, 2, 3]))
        round = rng.choice([0, 1, 2, 5, 1000, 2**31 - 1])
        what = rng.randrange(9)
        if what < 2 and self._heard:
            return rng.choice(self._heard)
        if what < 4:
            block_id = rng.choice([None, *self._block_ids, BlockId(rng.randbytes(32), PartSetHeader(1, bytes(32)))])
            return VoteMessage(self._vote(rng.choice(list(VoteType)), height, round, block_id))
        if what == 4:
            claimed = rng.choice([height, height + 20, 2**62])
            return RoundStatus(claimed, round, rng.random() < 0.5, rng.randrange(2**100), rng.randrange(2**100))
        if what == 5:
            return BatchRequest(tuple(rng.randbytes(32) for _ in range(rng.choice([1, 50]))))
        if what == 6:
            return BlockRequest(height, height + rng.choice([0, 5, 10**9]))
        if what == 7:
            return self._wild_proposal()
        return BlockReply(())

    def _wild_proposal(self) -> Message:
        """A block of its own for one of its turns, with a claim that some earlier round had a prevote quorum for it."""
        rng = self.world.rng
        height = self.height + 1
        turns = [round for round in range(20) if proposer(self.world.validators_at(height), height, round).address == self.address]
        round = rng.choice(turns or [0])
        built = self.built(BuildBlock(height, round, ()), (), self.now_ns() + rng.choice([0, 0, -(10**10), 10**10]))
        pol_round = rng.choice([-2, -1, 0, round - 1, round, 2**31 - 1])
        assert self.address is not None
        made = chain.signed_proposal(Proposal(height, round, pol_round, built.block_id, built.time_ns), self.address)
        return ProposalMessage(made, built.block_bytes)

    def _false_blocks(self, asked: LoadBlocks) -> BlockReply:
        """A reply to a request for blocks: some right, some changed, some missing."""
        rng = self.world.rng
        blocks = [DecidedBlock(one.block_bytes, one.commit, one.batches) for one in self.disk.ledger[asked.first - 1 : asked.last]]
        what = rng.randrange(6)
        if what == 0 or not blocks:
            return BlockReply(())
        place = rng.randrange(len(blocks))
        false = blocks[place]
        if what == 1:
            blocks[place] = DecidedBlock(false.block_bytes + b"\x00", false.commit, false.batches)
        elif what == 2:
            blocks[place] = DecidedBlock(false.block_bytes, blocks[place - 1].commit, false.batches)
        elif what == 3:
            blocks[place] = DecidedBlock(false.block_bytes, false.commit, (*false.batches, *false.batches[:1]))
        elif what == 4:
            blocks.reverse()
        return BlockReply(tuple(blocks))
