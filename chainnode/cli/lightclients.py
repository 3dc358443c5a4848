"""`chainnode client`: light clients of other chains, and packets to them: make, pair, list and show clients, send records, wait."""

import argparse
import asyncio
import time
from pathlib import Path

from chainnode.cli import ask, didparties, following
from chainnode.cli.clientwords import client_words
from chainnode.cli.plainwords import named
from chainnode.cli.usage import UsageError, check_readable, whole_number
from chainnode.cli.verify import Subparsers
from chainnode.client.client import Client
from chainnode.client.signing import Signer
from chainnode.errors import Rejected, Unavailable
from chainnode.foreign.evidencepackets import ENCODING, PORT, VERSION, CarriedRecord, CarriedRecords, carried, encode_records
from chainnode.foreign.ibckeys import client_state_key
from chainnode.foreign.kinds import KINDS
from chainnode.foreign.packetbytes import commitment_key
from chainnode.foreign.tendermintbytes import decode_client_state
from chainnode.types.bundle import EvidenceClaim
from chainnode.types.codes import NOT_FOUND, NOT_READY
from chainnode.types.limits import CARRIED_RECORDS_MAX, PACKET_TIMEOUT_S_MAX
from chainnode.types.transaction import Invocation
from contracts import clientrecords, packets
from contracts.clientrecords import ClientRecord, encode_record

_TIMEOUT_S = 3_600
_WAIT_S, _POLL_S = 60, 0.5
_NS_PER_S = 1_000_000_000
_EPILOG = """\
examples, on a chain whose node has its API at port 27657:
  chainnode client follow --of main/genesis.json --of-node http://127.0.0.1:26657 --node http://127.0.0.1:27657 --key-file super.json
  chainnode client pair 07-tendermint-0 07-tendermint-3 --node http://127.0.0.1:27657 --key-file super.json
  chainnode client send 07-tendermint-0 slip.pdf --node http://127.0.0.1:27657 --key-file mine.json"""


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add the commands below `client`."""
    top = subparsers.add_parser(
        "client",
        help="light clients of other chains: follow, pair, list, show, send",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = top.add_subparsers(dest="action", metavar="ACTION", required=True)
    following.add_parser(actions)
    pair = actions.add_parser("pair", help="name the client that follows this chain there, once", description=_pair.__doc__)
    pair.add_argument("client", help="the id of a light client of this chain")
    pair.add_argument("counterparty", help="the id of the client of this chain over there")
    pair.set_defaults(run=_pair)
    listing = actions.add_parser("list", help="all light clients of this chain", description=_list.__doc__)
    listing.set_defaults(run=_list)
    show = actions.add_parser("show", help="a light client in words", description=_show.__doc__)
    show.add_argument("client", help="its id")
    show.set_defaults(run=_show)
    send = actions.add_parser("send", help="put files on record and send the records to another chain", description=_send.__doc__)
    send.add_argument("client", help="the id of the light client that follows it")
    send.add_argument("files", nargs="+", type=Path, metavar="FILE")
    send.add_argument(
        "--timeout-s",
        type=whole_number(1, PACKET_TIMEOUT_S_MAX),
        default=_TIMEOUT_S,
        metavar="S",
        help=f"how long it may take to arrive (default {_TIMEOUT_S})",
    )
    send.set_defaults(run=_send)
    wait = actions.add_parser("wait", help="until a packet that was sent is settled", description=_wait.__doc__)
    wait.add_argument("client", help="the id of the light client that it was sent by")
    wait.add_argument("number", type=whole_number(1, 2**63 - 1), help="its number")
    wait.add_argument("--for-s", type=whole_number(1, 86_400), default=_WAIT_S, metavar="S", help=f"how long (default {_WAIT_S})")
    wait.set_defaults(run=_wait)
    for parser in (pair, send):
        following.add_signing_options(parser)
    for parser in (listing, show, wait):
        didparties.add_node_options(parser)


def _pair(args: argparse.Namespace) -> int:
    """Name the client by which the other chain follows this one, as the creator of ours. It cannot be changed."""
    signer = following.signer_of(args)
    call = Invocation(clientrecords.NAME, "register_counterparty", (args.client, args.counterparty, prefix_of(args.client)))

    async def run() -> None:
        async with ask.client_of(args) as client:
            await client.submit(call, signer)

    asyncio.run(run())
    print(f"{args.client} here and {args.counterparty} there belong together")
    return 0


def prefix_of(client_id: str) -> tuple[bytes, ...]:
    """Where the chain that a client follows keeps what it proves, which the client's kind fixes."""
    kind = KINDS.get(client_id.rpartition("-")[0])
    return following.PREFIX if kind is None else kind.PREFIX


def _list(args: argparse.Namespace) -> int:
    """Each light client of this chain, proved, in one line."""

    async def run() -> list[ClientRecord]:
        async with ask.client_of(args) as client:
            return await following.records(client)

    found = asyncio.run(run())
    for one in found:
        state = "frozen" if one.is_frozen else f"header {one.latest}" if one.states else "no header yet"
        print(f"{one.client_id:18}  {one.trust:13}  {named(one.chain_id):16}  {state:16}  {one.counterparty or 'no counterparty'}")
    if not found:
        print("this chain follows no other")
    return 0


def _show(args: argparse.Namespace) -> int:
    """What the ledger has on record of a light client, proved, and when it expires by this machine's clock."""

    async def run() -> tuple[ClientRecord, bytes | None]:
        async with ask.client_of(args) as client:
            found = await following.record(client, args.client)
            return found, (await client.state("ibc", client_state_key(args.client))).fact.value

    found, state = asyncio.run(run())
    for sentence in client_words(encode_record(found)):
        print(sentence)
    if found.kind == "07-tendermint" and state is not None and not found.is_frozen:
        print(_expiry((found.latest_time_ns + decode_client_state(state).trusting_period_ns - time.time_ns()) // _NS_PER_S))
    return 0


def _expiry(left_s: int) -> str:
    if left_s <= 0:
        return "It has EXPIRED: it believes nothing more until the council recovers it."
    days = left_s // 86_400
    return f"Without a newer header it expires in {f'{days:,} days' if days > 1 else f'{left_s:,} seconds'}."


def _send(args: argparse.Namespace) -> int:
    """Put the SHA-256 of files on record, and send the records in a packet. A relay carries it there, and the answer back."""
    if len(args.files) > CARRIED_RECORDS_MAX:
        raise UsageError(f"one packet carries at most {CARRIED_RECORDS_MAX} records")
    for path in args.files:
        check_readable(path)
    signer = following.signer_of(args)
    print(asyncio.run(_send_files(args, signer)))
    return 0


async def _send_files(args: argparse.Namespace, signer: Signer) -> str:
    async with ask.client_of(args) as client:
        chain_id = (await following.record(client, args.client)).chain_id
        records: list[CarriedRecord] = []
        size = 0
        for proof in await client.anchor(args.files, signer):
            claim = proof.bundle.claim
            assert isinstance(claim, EvidenceClaim)
            records.append(carried(claim.leaf, claim.index, claim.path))
            size = proof.fact.size
        value = encode_records(CarriedRecords(client.genesis.chain_id, size, tuple(records)))
        until_s = int(time.time()) + args.timeout_s
        call = Invocation(packets.NAME, "send", (args.client, until_s, ((PORT, PORT, VERSION, ENCODING, value),)))
        done = await client.submit(call, signer)
        number = done.values[0]
        assert isinstance(number, int)
        return f"packet {number} by {args.client} is on its way to {named(chain_id)}, sent in block {done.height}"


def _wait(args: argparse.Namespace) -> int:
    """Wait until this chain proves that a packet is settled: the other chain has answered, or it was taken back after its timeout."""
    if not asyncio.run(_is_settled(args)):
        raise Unavailable(NOT_READY, f"packet {args.number} by {args.client} was not settled in {args.for_s} s; does a relay run?")
    print(f"packet {args.number} by {args.client} is settled")
    return 0


async def _is_settled(args: argparse.Namespace) -> bool:
    deadline = time.monotonic() + args.for_s
    async with ask.client_of(args) as client:
        await following.record(client, args.client)
        value = (await client.state(packets.NAME, packets.progress_key(args.client))).fact.value
        if args.number >= (1 if value is None else packets.decode_progress(value)[0]):
            raise Rejected(NOT_FOUND, f"no packet {args.number} was sent by {args.client}")
        while await _is_open(client, args.client, args.number):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL_S)
    return True


async def _is_open(client: Client, client_id: str, number: int) -> bool:
    return (await client.state("ibc", commitment_key(client_id, number))).fact.value is not None
