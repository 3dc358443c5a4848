"""Other chains, applications for AC numbers, and what chains report of themselves, as they stand at one height; with proof on request."""

from typing import TypeVar

from aiohttp import web

from chainnode.api.asking import query_choice, query_whole, wait_for_state, whole
from chainnode.api.backend import Backend, Looked
from chainnode.api.chainforms import (
    NS_PER_MS,
    Compared,
    Seen,
    appeal_json,
    application_json,
    beginning_json,
    feed_json,
    short_json,
    whole_json,
)
from chainnode.api.forms import Json, value_json
from chainnode.api.problems import NothingHere
from chainnode.api.proofs import bundle_response
from chainnode.did.chainapplication import Appeal, Application
from chainnode.did.chainfeeds import FEEDS
from chainnode.did.chainrecord import ChainRecord, decode_chain
from chainnode.errors import Malformed
from chainnode.execution.state import State
from chainnode.rfc3339 import time_to_text
from chainnode.types.codes import FEED_UNKNOWN, NOT_FOUND
from chainnode.types.limits import CHAIN_PAGE_MAX
from contracts import chainapplications, chainchanges, chainreports, chains, clients

_Any = TypeVar("_Any")


async def listed(backend: Backend, request: web.Request) -> web.Response:
    """Chains by AC number, some at a time."""
    limit, after = _limit(request), request.query.get("after")
    if after is not None:
        chains.check_ac(after)
    await wait_for_state(backend, request)

    def work(state: State, time_ns: int) -> tuple[Seen, ...]:
        first = None if after is None else chains.chain_key(after)
        rows = state.store(chains.NAME).iterate(chains.chain_key("0000")[:1], after=first, limit=limit + 1)
        return tuple(_seen(state, decode_chain(value), time_ns) for _, value in rows)

    looked = await backend.look(work)
    seen = looked.answer[:limit]
    rows: list[Json] = [short_json(one) for one in seen]
    return web.json_response({**_as_of(looked), "chains": rows, "next": seen[-1].record.ac if 0 < limit < len(looked.answer) else None})


async def one(backend: Backend, request: web.Request) -> web.Response:
    """A chain: its record, how far this ledger has verified it, its appeals, and which feeds it reports."""
    ac = request.match_info["ac"]
    chains.check_ac(ac)
    if await _wants_bundle(backend, request):
        return await bundle_response(request, await backend.bundle_state(chains.NAME, chains.chain_key(ac), None))

    def work(state: State, time_ns: int) -> tuple[Seen, tuple[Appeal, ...], tuple[Compared, ...]] | None:
        found = chains.chain(state, ac)
        if found is None:
            return None
        appeals = (chainchanges.appeal_of(state, ac, number) for number in range(1, found.appeals + 1))
        reports = (_compared(state, found, name) for name in FEEDS)
        return _seen(state, found, time_ns), tuple(each for each in appeals if each), tuple(each for each in reports if each)

    looked = await backend.look(work)
    if looked.answer is None:
        raise NothingHere(NOT_FOUND, f"no chain has the AC number {ac}")
    seen, appeals, reports = looked.answer
    appeal_rows: list[Json] = [appeal_json(each) for each in appeals]
    feeds: list[Json] = [feed_json(each) for each in reports]
    return web.json_response({**_as_of(looked), **whole_json(seen), "appeals": appeal_rows, "feeds": feeds})


async def feed(backend: Backend, request: web.Request) -> web.Response:
    """The newest report of a feed, with what a verified header covers of it."""
    ac, name = request.match_info["ac"], request.match_info["feed"]
    chains.check_ac(ac)
    if name not in FEEDS:
        raise Malformed(FEED_UNKNOWN, f"the feeds are {', '.join(FEEDS)}")
    if await _wants_bundle(backend, request):
        return await bundle_response(request, await backend.bundle_state(chains.NAME, chainreports.report_key(ac, name), None))

    def work(state: State, _: int) -> Compared | None:
        found = chains.chain(state, ac)
        return None if found is None else _compared(state, found, name)

    looked = await backend.look(work)
    if looked.answer is None:
        raise NothingHere(NOT_FOUND, f"no chain {ac} has reported its {name}")
    return web.json_response({**_as_of(looked), **feed_json(looked.answer), "content": value_json(looked.answer.report.content)})


async def applications(backend: Backend, request: web.Request) -> web.Response:
    """Applications, the newest first, decided or not."""
    limit, before = _limit(request), query_whole(request.query, "before")
    await wait_for_state(backend, request)

    def work(state: State, _: int) -> tuple[Application, ...]:
        count = chainapplications.count(state)
        last = count if before is None else min(count, before - 1)
        found = (chainapplications.application(state, number) for number in range(last, max(0, last - limit), -1))
        return tuple(each for each in found if each is not None)

    looked = await backend.look(work)
    rows: list[Json] = [application_json(each) for each in looked.answer]
    lowest = looked.answer[-1].number if looked.answer else 1
    return web.json_response({**_as_of(looked), "applications": rows, "next": lowest if lowest > 1 else None})


async def application(backend: Backend, request: web.Request) -> web.Response:
    """An application with its form."""
    number = whole(request.match_info["number"], "number")
    if await _wants_bundle(backend, request):
        return await bundle_response(request, await backend.bundle_state(chains.NAME, chainapplications.application_key(number), None))
    looked = await backend.look(lambda state, _: chainapplications.application(state, number))
    found = looked.answer
    if found is None:
        raise NothingHere(NOT_FOUND, f"there is no application {number}")
    return web.json_response({**_as_of(looked), **application_json(found), **beginning_json(found), "form": value_json(found.form)})


async def _wants_bundle(backend: Backend, request: web.Request) -> bool:
    """Whether the proof is asked for; waits for the state that the query names."""
    proof = query_choice(request, "proof", ("none", "bundle"), "none")
    await wait_for_state(backend, request)
    return proof == "bundle"


def _seen(state: State, found: ChainRecord, time_ns: int) -> Seen:
    """A chain with the light client that follows it."""
    client = clients.client(state, found.client_id) if found.client_id else None
    time_ms = time_ns // NS_PER_MS
    return Seen(found, client, clients.ACTIVE if client is None else clients.status(state, client, time_ms), time_ms)


def _compared(state: State, found: ChainRecord, name: str) -> Compared | None:
    report = chainreports.newest(state, found.ac, name)
    return None if report is None else Compared(report, *chainreports.compared(state, found, name, report.content))


def _limit(request: web.Request) -> int:
    limit = query_whole(request.query, "limit", CHAIN_PAGE_MAX)
    return CHAIN_PAGE_MAX if limit is None else limit


def _as_of(looked: Looked[_Any]) -> dict[str, Json]:
    as_of: dict[str, Json] = {"height": looked.height, "time": time_to_text(looked.time_ns)}
    return {"as_of": as_of}
