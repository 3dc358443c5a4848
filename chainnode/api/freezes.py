"""Orders of supervision: what is frozen, why, by whom, what was said against it and how it ended. Nothing of that is silent."""

from aiohttp import web

from chainnode.api.asking import query_whole, wait_for_state
from chainnode.api.backend import Backend
from chainnode.api.forms import Json
from chainnode.errors import Unavailable
from chainnode.rfc3339 import time_to_text
from chainnode.types.codes import HEIGHT_UNKNOWN
from chainnode.types.limits import FREEZES_PAGE_MAX
from contracts.supervisionrecords import COUNT_KEY, NAME, Order, decode_count, decode_order, order_key

_NS_PER_MS = 1_000_000


async def freezes(backend: Backend, request: web.Request) -> web.Response:
    """Orders, the newest first, as they stand at one height; `count` tells how many there are, so that none can be left out."""
    limit = query_whole(request.query, "limit", FREEZES_PAGE_MAX)
    before = query_whole(request.query, "before")
    await wait_for_state(backend, request)
    head = await backend.prove_state(NAME, COUNT_KEY, query_whole(request.query, "height"))
    light = await backend.light_block(head.height + 1)
    if light is None:
        raise Unavailable(HEIGHT_UNKNOWN, f"height {head.height + 1} is not decided yet")
    count = 0 if head.value is None else decode_count(head.value)
    last = count if before is None else min(count, before - 1)
    rows: list[Json] = []
    for number in range(last, max(0, last - (FREEZES_PAGE_MAX if limit is None else limit)), -1):
        found = await backend.prove_state(NAME, order_key(number), head.height)
        assert found.value is not None, "orders stay on record"
        rows.append(order_json(decode_order(found.value), light.header.time_ns // _NS_PER_MS))
    return web.json_response({"height": head.height, "time": time_to_text(light.header.time_ns), "count": count, "freezes": rows})


def order_json(one: Order, time_ms: int) -> dict[str, Json]:
    """An order as it stands at this block time. `key` is its state key, for a proof."""
    lifting: Json = None
    if one.lifting is not None:
        end = one.lifting
        lifting = {"by": end.by, "reason": end.reason, "height": end.height, "time": _time(end.time_ms)}
    appeals: list[Json] = [
        {
            "by": made.by,
            "text": made.text,
            "evidence": made.evidence.hex(),
            "height": made.height,
            "answer_by": _time(made.answer_by_ms),
            "answer": None if made.is_open else made.answer,
        }
        for made in one.appeals
    ]
    opinions: list[Json] = [
        {"by": said.by, "verdict": said.verdict.value, "reason": said.reason, "height": said.height} for said in one.opinions
    ]
    signatures: list[Json] = [{"by": did, "height": height} for did, height in one.signatures]
    return {
        "number": one.number,
        "kind": one.kind.value,
        "target": one.target,
        "stage": one.stage_at(time_ms).value,
        "ends": _time(one.ends_ms),
        "reason": one.reason,
        "evidence": one.evidence.hex(),
        "by": one.by,
        "height": one.height,
        "began_height": one.began_height,
        "signatures": signatures,
        "opinions": opinions,
        "appeals": appeals,
        "lifting": lifting,
        "key": order_key(one.number).hex(),
    }


def _time(time_ms: int) -> str:
    return time_to_text(time_ms * _NS_PER_MS)
