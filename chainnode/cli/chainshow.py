"""`chainnode chain list|show`: which chains and applications there are, and how a chain is, in words; the record is proved."""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from chainnode.cli import ask
from chainnode.cli.desk import Desk
from chainnode.cli.plainwords import named
from chainnode.cli.statewords import words_of
from chainnode.cli.usage import UsageError, whole_number
from chainnode.cli.verify import Subparsers
from chainnode.client.client import Client
from chainnode.client.proved import Proved
from chainnode.did.chainapplication import Application, decode_application
from chainnode.did.chainrecord import ChainRecord, decode_chain
from chainnode.errors import Rejected
from chainnode.types.bundle import StateFact
from chainnode.types.codes import NOT_FOUND
from contracts import chains
from contracts.chainapplications import application_key

NUMBER_MAX = 2**63 - 1
_ANY_AGE_MS = 2**62  # of an answer, whose height is shown
_MS_PER_S = 1_000
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def add_parser(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add the commands."""
    listing = actions.add_parser("list", help="all chains, or all applications", description=_list.__doc__)
    listing.add_argument("--applications", action="store_true", help="applications instead, the newest first")
    listing.set_defaults(run=_list)
    show = actions.add_parser("show", help="a chain, or an application, in words", description=_show.__doc__)
    show.add_argument("ac", nargs="?", help="the AC number")
    show.add_argument("--application", type=whole_number(1, NUMBER_MAX), metavar="NUMBER", help="an application instead")
    show.set_defaults(run=_show)
    for parser in (listing, show):
        parser.add_argument("--json", action="store_true", help="print what the node answers, as it is")
    _add_node_option(listing)
    add_node_options(show)


def add_node_options(parser: argparse.ArgumentParser) -> None:
    """The node that is asked, and the chain that it must be of."""
    _add_node_option(parser)
    parser.add_argument(
        "--main-genesis", type=Path, metavar="FILE", help="genesis.json of the chain that is asked; without it the node's word is taken"
    )


def _add_node_option(parser: argparse.ArgumentParser) -> None:
    ask.add_node_option(parser)


def asking_main(args: argparse.Namespace) -> argparse.Namespace:
    """The options, as those commands have them that name one genesis file."""
    return argparse.Namespace(**{**vars(args), "genesis": args.main_genesis})


def client_of(args: argparse.Namespace, age_ms_max: int | None = None) -> Client:
    """A client of the chain that is asked."""
    return ask.client_of(asking_main(args), age_ms_max=age_ms_max)


def check_ac(ac: str) -> None:
    """UsageError unless it is an AC number."""
    if not chains.is_ac(ac):
        raise UsageError(f"{ac!r} is no AC number: four small letters or digits")


def _list(args: argparse.Namespace) -> int:
    """Chains by their AC numbers, or applications, as the node tells them; `chain show` proves each."""
    rows = _all(Desk(args.url), "applications" if args.applications else "chains")
    if args.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    for one in rows:
        print(_application_row(one) if args.applications else _chain_row(one))
    if not rows:
        print("there are no applications" if args.applications else "no chain has an AC number")
    return 0


def _all(desk: Desk, what: str) -> list[dict[str, Any]]:
    """All pages."""
    found: list[dict[str, Any]] = []
    place, query = "", {"chains": "after", "applications": "before"}[what]
    while True:
        page: Any = desk.get(f"/v1/{what}{place}")
        found += page[what]
        if page["next"] is None or not page[what]:
            return found
        place = f"?{query}={page['next']}"


def _chain_row(one: dict[str, Any]) -> str:
    state = one["status"] if one["is_open"] or one["status"] != "active" else "expired"
    seen = "this chain" if one["health"]["word"] == "own" else f"{one['health']['word']}, {_span(one['lag_ms'])} behind"
    return f"{one['ac']}  {state:9}  {seen:28}  {named(one['chain_id'])}  {named(one['name'])}"


def _application_row(one: dict[str, Any]) -> str:
    outcome = f"as {one['ac']}" if one["ac"] else f"because {named(one['reason'])}" if one["reason"] else f"asks for {one['wish']}"
    return f"{one['number']:5}  {one['status']:9}  {named(one['chain_id'])}  {named(one['name'])}  {outcome}"


def _show(args: argparse.Namespace) -> int:
    """What the ledger has on record of a chain, proved; and as the node tells it, how far its headers are verified and what it reports."""
    if (args.ac is None) == (args.application is None):
        raise UsageError("name an AC number, or --application NUMBER")
    if args.application is not None:
        return _show_application(args)
    check_ac(args.ac)
    page: Any = Desk(args.url).get(f"/v1/chains/{args.ac}")
    if args.json:
        print(json.dumps(page, indent=2, ensure_ascii=False))
        return 0
    _, proof = asyncio.run(_proved_chain(args))
    for sentence in words_of(proof.fact):
        print(sentence)
    print(f"All this is proved, as of height {proof.fact.state_height}. The node says besides, as of height {page['as_of']['height']}:")
    for sentence in _standing(page):
        print(f"  {sentence}")
    return 0


def _standing(page: dict[str, Any]) -> list[str]:
    """Anchor, health, appeals and feeds in words."""
    health, client, anchor = page["health"], page["client"], page["anchor"]
    lines = [page["closed_because"]] if page["closed_because"] else []
    if client is not None:
        lines.append(f"Light client {client['id']} ({client['trust']}) is {client['status']}.")
        if anchor is None:
            lines.append("None of its headers is verified here yet.")
        else:
            lines.append(
                f"Last anchor: its header {anchor['height']} of {anchor['time']}, received in block {anchor['received']['height']},"
                f" {anchor['received']['time']}; {_span(page['lag_ms'])} behind."
            )
    lines.append(f"Health: {health['word']}: {health['meaning']}.")
    for one in page["appeals"]:
        answer = f": {named(one['reason'])}" if one["reason"] else ""
        lines.append(f"Appeal {one['number']} is {one['status']}{answer}. It says {named(one['text'])}")
    for one in page["feeds"]:
        word = "self-reported" if one["self-reported"] else "covered by verified headers"
        against = f", but verified headers contradict it at {', '.join(map(str, one['contradicted']))}" if one["contradicted"] else ""
        lines.append(f"Feed {one['feed']}: reported in block {one['height']}, {one['time']}; {word}{against}.")
    return lines


def _show_application(args: argparse.Namespace) -> int:
    if args.json:
        print(json.dumps(Desk(args.url).get(f"/v1/applications/{args.application}"), indent=2, ensure_ascii=False))
        return 0
    _, proof = asyncio.run(_proved_application(args))
    for sentence in words_of(proof.fact):
        print(sentence)
    print(f"All this is proved, as of height {proof.fact.state_height}.")
    return 0


async def _proved_chain(args: argparse.Namespace) -> tuple[ChainRecord, Proved[StateFact]]:
    async with client_of(args, _ANY_AGE_MS) as client:
        return await require_chain(client, args.ac)


async def _proved_application(args: argparse.Namespace) -> tuple[Application, Proved[StateFact]]:
    async with client_of(args, _ANY_AGE_MS) as client:
        return await require_application(client, args.application)


async def require_chain(client: Client, ac: str) -> tuple[ChainRecord, Proved[StateFact]]:
    """A chain that is on record, proved; Rejected(NOT_FOUND)."""
    found = await client.state(chains.NAME, chains.chain_key(ac))
    if found.fact.value is None:
        raise Rejected(NOT_FOUND, f"no chain has the AC number {ac}")
    return decode_chain(found.fact.value), found


async def require_application(client: Client, number: int) -> tuple[Application, Proved[StateFact]]:
    """An application, proved; Rejected(NOT_FOUND)."""
    found = await client.state(chains.NAME, application_key(number))
    if found.fact.value is None:
        raise Rejected(NOT_FOUND, f"there is no application {number}")
    return decode_application(found.fact.value), found


def _span(ms: int) -> str:
    """A time span in its largest unit, rounded down."""
    seconds = ms // _MS_PER_S
    for name, length in _UNITS:
        if seconds >= length:
            count = seconds // length
            return f"{count:,} {name}{'' if count == 1 else 's'}"
    return "0 seconds"
