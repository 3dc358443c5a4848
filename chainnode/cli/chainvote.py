"""`chainnode chain vote`: say yes or no to an application, by the proposal that is open about it or by a new one."""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chainnode.bundle import beginning_of
from chainnode.cli import chainshow, didparties
from chainnode.cli.plainwords import named
from chainnode.cli.usage import UsageError, whole_number
from chainnode.cli.verify import Subparsers
from chainnode.client.client import Client
from chainnode.client.failures import TransactionFailed
from chainnode.client.signing import Signer
from chainnode.did.chainapplication import OPEN, Application
from chainnode.did.chainform import wish_of
from chainnode.did.chainrecord import time_text
from chainnode.errors import Malformed, Rejected
from chainnode.node.homes import load_genesis
from chainnode.rfc3339 import time_from_text
from chainnode.types.codes import ALREADY_VOTED, APPLICATION_CLOSED, BAD_CHAIN
from chainnode.types.transaction import Invocation, Value
from contracts import governance
from contracts.governance import Proposal, count_key, decode_count, decode_proposal, proposal_key

_NS_PER_MS = 1_000_000
_YEAR_MS = 365 * 86_400_000
_LOOKED_AT_MAX = 128  # proposals, from the newest back: a council has few open ones
_ADMIT, _REJECT = "admit_chain", "reject_application"


@dataclass(frozen=True, slots=True)
class Question:
    """An application, and the proposals about it that are open, each as the ledger proves it. `time_ms` is the ledger's."""

    asked: Application
    admissions: tuple[Proposal, ...]
    rejections: tuple[Proposal, ...]
    time_ms: int


def add_parser(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add the command."""
    vote = actions.add_parser("vote", help="yes or no to an application, as a super node", description=_vote.__doc__)
    vote.add_argument("number", type=whole_number(1, chainshow.NUMBER_MAX), help="of the application")
    vote.add_argument("answer", choices=("yes", "no"))
    vote.add_argument("--ac", metavar="NUMBER", help="the AC number to give (default: the one that it asks for)")
    vote.add_argument("--until", metavar="TIME", help="end of the admission, as 2027-12-31T00:00:00Z, or `never` (default: in 365 days)")
    vote.add_argument("--reason", metavar="TEXT", help="goes on record with a new proposal; a rejection must have one")
    vote.add_argument("--genesis", type=Path, metavar="FILE", help="the chain's genesis.json: vote only if the application is about it")
    chainshow.add_node_options(vote)
    vote.add_argument(
        "--key-file", "--key", dest="key_files", action="append", required=True, metavar="[DID=]FILE", help="the super node's key"
    )
    didparties.add_passphrase_option(vote)
    vote.set_defaults(run=_vote, signer=[], sponsor=None, sponsor_key_file=None, offline_sign=None)


def _vote(args: argparse.Namespace) -> int:
    """Vote on an application, as a super node.

    `yes` votes for the open proposal to admit it, or makes one; with --ac or --until for one with these terms. `no` votes against those
    that are open; with --reason it also votes to reject the application, so that it is closed with that reason on record.
    """
    if args.ac is not None:
        chainshow.check_ac(args.ac)
    until_ms = None if args.until is None else _until(args.until)
    if len(args.key_files) != 1:
        raise UsageError("one super node votes at a time: give one --key-file")
    (party,), _ = didparties.open_keys(args)
    asyncio.run(_run(args, Signer(party.key, party.did), until_ms))
    return 0


async def _run(args: argparse.Namespace, voter: Signer, until_ms: int | None) -> None:
    async with chainshow.client_of(args) as client:
        question = await _question(client, args.number)
        if question.asked.status != OPEN:
            raise Rejected(APPLICATION_CLOSED, f"application {args.number} is {question.asked.status}: {question.asked.reason}")
        if args.genesis is not None:
            _compare(question.asked, args.genesis)
        if args.answer == "yes":
            calls = _yes(question, voter.did, args.ac, until_ms, args.reason)
        else:
            calls = _no(question, voter.did, args.reason)
        try:
            done = await client.submit(calls, voter)
        except TransactionFailed as failed:
            print(f"transaction {failed.tx_id.hex()} in block {failed.height}")
            raise
        print(f"transaction {done.tx_id.hex()} in block {done.height}")
        for call, value in zip(calls, done.values, strict=True):
            print(_outcome(call, value))
        asked, _ = await chainshow.require_application(client, args.number)
        because = f", for the reason {named(asked.reason)}" if asked.reason else ""
        print(f"application {args.number} is {asked.status}{f' as {asked.ac}' if asked.ac else ''}{because}")


def _yes(question: Question, voter: str, ac: str | None, until_ms: int | None, reason: str | None) -> list[Invocation]:
    """A vote for the open proposal with these terms; without one, a proposal."""
    for one in question.admissions:
        _, its_ac, its_end = one.arguments
        if ac in (None, its_ac) and until_ms in (None, its_end):
            if voter in dict(one.votes):
                raise Rejected(ALREADY_VOTED, f"{voter} has voted on proposal {one.number}, {_terms(one)}")
            print(f"proposal {one.number}: {_terms(one)}, for the reason {named(one.reason)}")
            return [_vote_call(one, True)]
    end_ms = question.time_ms + _YEAR_MS if until_ms is None else until_ms
    terms: tuple[Value, ...] = (question.asked.number, ac or wish_of(question.asked.form), end_ms)
    return [Invocation(governance.NAME, "propose", (_ADMIT, terms, reason or f"application {question.asked.number}"))]


def _no(question: Question, voter: str, reason: str | None) -> list[Invocation]:
    """Votes against what is open; with a reason, one for a rejection."""
    calls = [_vote_call(one, False) for one in question.admissions if voter not in dict(one.votes)]
    rejections = [one for one in question.rejections if voter not in dict(one.votes)]
    if rejections:
        calls.append(_vote_call(rejections[0], True))
    elif reason is not None and not question.rejections:
        calls.append(Invocation(governance.NAME, "propose", (_REJECT, (question.asked.number,), reason)))
    if not calls and (question.admissions or question.rejections):
        raise Rejected(ALREADY_VOTED, f"{voter} has voted on all that is open about application {question.asked.number}")
    if not calls:
        raise UsageError("nothing is open about the application: --reason TEXT proposes to reject it, for that reason")
    return calls


def _vote_call(one: Proposal, yes: bool) -> Invocation:
    return Invocation(governance.NAME, "vote", (one.number, yes))


def _terms(one: Proposal) -> str:
    _, ac, end_ms = one.arguments
    assert isinstance(ac, str) and isinstance(end_ms, int)
    return f"the number {named(ac)}, {'without end' if end_ms == 0 else f'until {time_text(end_ms)}'}"


def _outcome(call: Invocation, value: Value) -> str:
    """What a call did, in words."""
    number, yes = call.arguments[:2]
    if call.method == "propose":
        assert isinstance(value, int)
        return f"proposal {value}: {named(str(number))}, with your yes"
    assert isinstance(number, int) and isinstance(value, str)
    return f"proposal {number}: your {'yes' if yes else 'no'}; it is {value}"


def _compare(asked: Application, path: Path) -> None:
    """Rejected(BAD_CHAIN) unless the application is about the chain of a genesis file that the voter has himself."""
    own = beginning_of(load_genesis(path))
    first = asked.beginning
    for name, told, known in (
        ("chain id", first.chain_id, own.chain_id),
        ("genesis hash", first.genesis_hash.hex(), own.genesis_hash.hex()),
        ("genesis time", first.time_ns, own.time_ns),
        ("trusting period", first.trusting_period_ms, own.trusting_period_ms),
        ("validators", first.validators, own.validators),
    ):
        if told != known:
            shown = "" if name == "validators" else f": {told} there, {known} in the file"
            raise Rejected(BAD_CHAIN, f"the application is not about the chain of {path}: the {name} is another{shown}")


async def _question(client: Client, number: int) -> Question:
    """The application and what is open about it, all proved: nobody is led to vote on something else."""
    asked, proof = await chainshow.require_application(client, number)
    time_ms = proof.bundle.headers[-1].header.time_ns // _NS_PER_MS
    found: dict[str, list[Proposal]] = {_ADMIT: [], _REJECT: []}
    for one in await _proposals(client):
        if one.kind in found and one.arguments[0] == number and one.status == governance.OPEN and time_ms < one.expires_ms:
            found[one.kind].append(one)
    return Question(asked, tuple(found[_ADMIT]), tuple(found[_REJECT]), time_ms)


async def _proposals(client: Client) -> Sequence[Proposal]:
    """The newest proposals, the newest first."""
    head = (await client.state(governance.NAME, count_key())).fact.value
    last = 0 if head is None else decode_count(head)
    found: list[Proposal] = []
    for number in range(last, max(0, last - _LOOKED_AT_MAX), -1):
        value = (await client.state(governance.NAME, proposal_key(number))).fact.value
        if value is not None:
            found.append(decode_proposal(value))
    return found


def _until(text: str) -> int:
    if text == "never":
        return 0
    try:
        return time_from_text(text) // _NS_PER_MS
    except Malformed as error:
        raise UsageError(f"--until: {error.detail}; or `never`") from error
