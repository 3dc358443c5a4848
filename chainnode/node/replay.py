"""What is still to be done after a journal was replayed."""

from collections.abc import Iterable, Sequence

from chainnode.consensus.effects import EnteredRound, ScheduleTimeout, SignProposal, SignVote
from chainnode.consensus.inputs import TimeoutElapsed, WorkArrived
from chainnode.node.replicainputs import (
    BlockBuilt,
    BlockChecked,
    Broadcast,
    BuildBlock,
    CheckBlock,
    Effect,
    Feed,
    Input,
    ProposalSigned,
    Send,
    VoteSigned,
)


def open_requests(effects: Iterable[Effect], journal: Sequence[Input]) -> tuple[Effect, ...]:
    """The effects of a replay without the requests that the journal answers, and without messages, which gossip repeats.

    A vote that was signed but whose answer is not in the journal is asked for again; the sign guard gives the same signature.
    """
    settled = {key for item in journal if (key := _answers(item)) is not None}
    left: list[Effect] = []
    for effect in effects:
        asked = _asks(effect)
        if isinstance(effect, Send | Broadcast | EnteredRound) or asked in settled:
            continue
        if asked is not None:
            settled.add(asked)
        left.append(effect)
    return tuple(left)


def _answers(item: Input) -> tuple[object, ...] | None:
    """Which request an input answers."""
    match item:
        case VoteSigned():
            return ("vote", item.vote.height, item.vote.round, item.vote.type)
        case ProposalSigned():
            return ("proposal", item.proposal.height, item.proposal.round)
        case BlockBuilt():
            return ("build", item.height, item.round)
        case BlockChecked():
            return ("check", item.block_id)
        case TimeoutElapsed():
            return ("timeout", item.height, item.round, item.step)
        case WorkArrived():
            return ("work",)
        case _:
            return None


def _asks(effect: Effect) -> tuple[object, ...] | None:
    """The request that an effect is, when inputs of the journal can answer it."""
    match effect:
        case SignVote():
            return ("vote", effect.vote.height, effect.vote.round, effect.vote.type)
        case SignProposal():
            return ("proposal", effect.proposal.height, effect.proposal.round)
        case BuildBlock():
            return ("build", effect.height, effect.round)
        case CheckBlock():
            return ("check", effect.block_id)
        case ScheduleTimeout():
            return ("timeout", effect.height, effect.round, effect.step)
        case Feed():
            return _answers(effect.item)
        case _:
            return None
