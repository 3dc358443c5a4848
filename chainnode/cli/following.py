"""`chainnode client follow`: a light client of another chain, by a proposal of a super node, from a header that is verified first."""

import argparse
import asyncio
from dataclasses import replace
from pathlib import Path

from chainnode.bid import normalise
from chainnode.bundle import beginning_of
from chainnode.cli import ask, chainshow, didparties
from chainnode.cli.plainwords import named
from chainnode.cli.usage import UsageError, argument, whole_number
from chainnode.cli.verify import Subparsers
from chainnode.client.client import Client
from chainnode.client.signing import Signer
from chainnode.errors import Rejected
from chainnode.foreign import anchored, tendermint
from chainnode.foreign.anchored import AnchoredState
from chainnode.foreign.heights import RevisionHeight, revision_of
from chainnode.foreign.tendermintbytes import encode_client_state, encode_consensus_state
from chainnode.light import genesis_state
from chainnode.node.homes import load_genesis
from chainnode.relay.comet import CometChain, TrustedHash
from chainnode.relay.endpoints import Endpoints, check_urls
from chainnode.types.block import ValidatorSet
from chainnode.types.bundle import Beginning
from chainnode.types.codes import CLIENT_UNKNOWN
from chainnode.types.limits import RELAY_ENDPOINTS_MAX
from chainnode.types.transaction import Invocation
from contracts import governance
from contracts.clientrecords import COUNT_KEY, NAME, ClientRecord, decode_record, record_key
from contracts.governance import decode_count, decode_proposal, proposal_key

PREFIX = (b"ibc", b"")  # where a chain of this program keeps what it proves to others
_HASH_BYTES = 32
_MS_PER_S, _NS_PER_S = 1_000, 1_000_000_000
_TRUSTING_S_MAX = 100 * 365 * 86_400


def add_parser(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add the command."""
    follow = actions.add_parser("follow", help="make a light client of another chain, as a super node", description=_follow.__doc__)
    follow.add_argument("--of-node", action="append", required=True, metavar="URL", help="a node of the other chain; again for each")
    other = follow.add_mutually_exclusive_group(required=True)
    other.add_argument("--of", type=Path, metavar="FILE", help="genesis.json of the other chain, if it is one of this program")
    other.add_argument("--of-chain", metavar="CHAIN-ID", help="a chain of others with CometBFT's RPC; it takes --trusted, --trusting-s")
    follow.add_argument("--trusted", metavar="HASH@HEIGHT", help="with --of-chain: a header that you know to be its")
    follow.add_argument(
        "--trusting-s",
        type=whole_number(1, _TRUSTING_S_MAX),
        metavar="S",
        help="how old its newest header may get before the client expires (default with --of: as its genesis says)",
    )
    follow.add_argument("--through", metavar="CLIENT", help="a chain that the chain of --of follows, through our client CLIENT of that")
    follow.add_argument("--ac", metavar="NUMBER", help="with --through: the AC number that it has there")
    follow.add_argument("--there", metavar="CLIENT", help="with --through: or the id of the client that follows it there")
    follow.add_argument("--creator", type=argument(normalise), metavar="DID", help="who may name its counterparty (default: who signs)")
    follow.add_argument("--reason", default="to follow the chain", metavar="TEXT", help="goes on record with the proposal")
    add_signing_options(follow)
    follow.set_defaults(run=_follow)


def add_signing_options(parser: argparse.ArgumentParser) -> None:
    """The node that is written to, its chain, and the key of who signs."""
    didparties.add_node_options(parser)
    parser.add_argument("--key-file", "--key", dest="key_files", action="append", required=True, metavar="[DID=]FILE", help="sealed key")
    didparties.add_passphrase_option(parser)
    parser.set_defaults(signer=[], sponsor=None, sponsor_key_file=None, offline_sign=None)


def signer_of(args: argparse.Namespace) -> Signer:
    """The one who signs."""
    if len(args.key_files) != 1:
        raise UsageError("one party signs: give one --key-file")
    (party,), _ = didparties.open_keys(args)
    return Signer(party.key, party.did)


def _follow(args: argparse.Namespace) -> int:
    """Propose a light client of another chain, as a super node of the chain of --node; where one is enough, it is made at once.

    It begins with the newest header of the other chain, which is verified from its genesis file, or from a header that you trust.
    With --through it rests on our client of the chain of --of, and knows what that chain knows.
    """
    if (args.through is None) != (args.ac is None and args.there is None) or (args.ac is not None and args.there is not None):
        raise UsageError("--through goes with one of --ac and --there")
    if (args.of_chain is None) != (args.trusted is None) or (args.of_chain is not None and (args.trusting_s is None or args.through)):
        raise UsageError("--of-chain goes with --trusted and --trusting-s, and without --through")
    signer = signer_of(args)
    asyncio.run(_run(args, signer))
    return 0


async def _run(args: argparse.Namespace, signer: Signer) -> None:
    kind, chain_id, state, first = await (_directly(args) if args.through is None else _through(args))
    terms = ("create_client", (kind, state, first, args.creator or signer.did, ()), args.reason)
    async with ask.client_of(args) as client:
        if chain_id == client.genesis.chain_id:
            raise UsageError(f"{named(chain_id)} is the chain of --node: none follows itself")
        done = await client.submit(Invocation(governance.NAME, "propose", terms), signer)
        number = done.values[0]
        assert isinstance(number, int)
        value = (await client.state(governance.NAME, proposal_key(number), min_height=done.height)).fact.value
        if value is None or decode_proposal(value).status == governance.OPEN:
            print(f"proposal {number}: a {kind} client of {named(chain_id)}; it waits for the other super nodes:")
            print(f"chainnode submit governance vote '[{number}, true]'")
            return
        made = [one for one in await records(client, min_height=done.height) if (one.kind, one.chain_id) == (kind, chain_id)]
        begins = f"from its header {made[-1].latest} on" if made[-1].states else "and knows no header yet"
        print(f"{made[-1].client_id} follows {named(chain_id)} {begins}")


async def records(client: Client, *, min_height: int = 0) -> list[ClientRecord]:
    """All light clients, proved."""
    head = (await client.state(NAME, COUNT_KEY, min_height=min_height)).fact.value
    found: list[ClientRecord] = []
    for number in range(0 if head is None else decode_count(head)):
        value = (await client.state(NAME, record_key(f"-{number}") or b"", min_height=min_height)).fact.value
        if value is not None:
            found.append(decode_record(value))
    return found


async def record(client: Client, client_id: str) -> ClientRecord:
    """A light client, proved. Rejected(CLIENT_UNKNOWN)."""
    key = record_key(client_id)
    value = None if key is None else (await client.state(NAME, key)).fact.value
    found = None if value is None else decode_record(value)
    if found is None or found.client_id != client_id:
        raise Rejected(CLIENT_UNKNOWN, f"there is no light client {client_id}")
    return found


async def _directly(args: argparse.Namespace) -> tuple[str, str, bytes, bytes]:
    """Kind, chain id and both states of a client that begins with the newest header."""
    urls = tuple(args.of_node)
    check_urls("--of-node", urls, RELAY_ENDPOINTS_MAX)
    if args.of is not None:
        genesis = load_genesis(args.of)
        first = beginning_of(genesis)
        chain = CometChain(
            first.chain_id, first.chain_id, Endpoints(first.chain_id, urls), genesis_state(first.time_ns, first.validators), 0
        )
    else:
        first = Beginning(args.of_chain, b"", 0, args.trusting_s * _MS_PER_S, ValidatorSet((), 0))
        chain = CometChain(first.chain_id, first.chain_id, Endpoints(first.chain_id, urls), _trusted(args.trusted), 0)
    chain.trusting_period_ms = first.trusting_period_ms
    try:
        header = (await chain.header((await chain.tip()).height)).header
    finally:
        await chain.close()
    state = tendermint.client_state_of(first, RevisionHeight(revision_of(first.chain_id), header.height))
    if args.of is not None and args.trusting_s is not None:
        state = replace(state, trusting_period_ns=args.trusting_s * _NS_PER_S)
    return tendermint.NAME, first.chain_id, encode_client_state(state), encode_consensus_state(tendermint.consensus_state_of(header))


async def _through(args: argparse.Namespace) -> tuple[str, str, bytes, bytes]:
    """The same of a client that rests on ours of the chain of --of, whose ledger says which chain it is."""
    async with Client(args.of_node, load_genesis(args.of)) as hub:
        there = args.there
        if args.ac is not None:
            chainshow.check_ac(args.ac)
            there = (await chainshow.require_chain(hub, args.ac))[0].client_id
        chain_id = (await record(hub, there)).chain_id
    latest = RevisionHeight(revision_of(chain_id), 0)
    return anchored.NAME, chain_id, anchored.encode_client_state(AnchoredState(chain_id, args.through, there, PREFIX, latest)), b""


def _trusted(text: str) -> TrustedHash:
    hash_text, _, height = text.partition("@")
    try:
        digest = bytes.fromhex(hash_text)
    except ValueError:
        digest = b""
    if len(digest) != _HASH_BYTES or not height.isascii() or not height.isdecimal() or not int(height[:20]):
        raise UsageError("--trusted takes a header's hash (64 hexadecimal digits), @, and its height")
    return TrustedHash(int(height), digest)
