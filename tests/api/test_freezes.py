"""The list of orders of supervision: complete, in the ledger's words, as things stand at one height."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator
from prometheus_client import CollectorRegistry

from chainnode import codec
from chainnode.api.openapi import document
from chainnode.api.routes import ROUTES
from chainnode.api.server import make_app
from chainnode.rfc3339 import time_to_text
from chainnode.types.limits import FREEZES_PAGE_MAX
from contracts.supervisionrecords import (
    COUNT_KEY,
    NAME,
    Appeal,
    Kind,
    Lifting,
    Opinion,
    Order,
    Stage,
    Verdict,
    encode_order,
    order_key,
)
from tests.api.did_world import ANNA, ENDED, NOBODY
from tests.api.fake_node import FakeNode
from tests.api.test_openapi import strict
from tests.bundle_world import make_world

NOW_MS = make_world().maker.blocks[2].header.time_ns // 1_000_000
DAY_MS = 86_400_000
ORDER = Order(
    number=1,
    kind=Kind.ACCOUNT,
    target=ANNA,
    reason="a case",
    evidence=b"\x05" * 32,
    until_ms=NOW_MS + 1,
    by=ENDED,
    height=1,
    time_ms=NOW_MS - DAY_MS,
    stage=Stage.IN_FORCE,
    signatures=((ENDED, 1), (NOBODY, 2)),
    began_height=2,
    opinions=(),
    appeals=(),
    lifting=None,
)
APPEALED = replace(
    ORDER,
    number=2,
    until_ms=NOW_MS + DAY_MS,
    appeals=(
        Appeal(ANNA, "no", b"", 2, NOW_MS - 9 * DAY_MS, NOW_MS - 8 * DAY_MS, "see the file"),
        Appeal(ANNA, "no, really", b"\x06" * 32, 2, NOW_MS - 7 * DAY_MS, 0, ""),
    ),
    opinions=(Opinion(ENDED, Verdict.UPHOLD, "we disagree", 2),),
)
LIFTED = replace(ORDER, number=3, kind=Kind.RECEIPT, target="r", stage=Stage.LIFTED, lifting=Lifting(NAME, "settled", 2, NOW_MS))
MANY = tuple(replace(ORDER, number=number, stage=Stage.PROPOSED, until_ms=0) for number in range(4, FREEZES_PAGE_MAX + 5))


@pytest.fixture
async def client() -> AsyncIterator[TestClient[Any, Any]]:
    orders = (ORDER, APPEALED, LIFTED, *MANY)
    entries = {COUNT_KEY: codec.encode(len(orders)), **{order_key(one.number): encode_order(one) for one in orders}}
    node = FakeNode(world=make_world(stores={NAME: entries}))
    async with TestClient(TestServer(make_app(node, registry=CollectorRegistry(), body_bytes_max=1024))) as made:
        yield made


async def page(client: TestClient[Any, Any], query: str) -> dict[str, Any]:
    """A part of the list, which fits its schema."""
    answer = await (await client.get(f"/v1/freezes{query}")).json()
    Draft202012Validator({"$ref": "#/components/schemas/Freezes", **strict(document(ROUTES))}).validate(answer)
    assert isinstance(answer, dict)
    return answer


async def test_orders_are_listed_whole(client: TestClient[Any, Any]) -> None:
    whole = await page(client, "?before=4")
    assert (whole["height"], whole["count"]) == (2, FREEZES_PAGE_MAX + 4)
    lifted, lapsed, in_force = whole["freezes"]
    assert (lifted["number"], lifted["stage"], lifted["target"]) == (3, "lifted", "r")
    now = time_to_text(NOW_MS * 1_000_000)
    assert lifted["lifting"] == {"by": "supervision", "reason": "settled", "height": 2, "time": now}
    assert lapsed["stage"] == "lapsed" and lapsed["ends"] == now  # not answered within a week
    assert [one["answer"] for one in lapsed["appeals"]] == ["see the file", None]
    assert lapsed["appeals"][1] | {"answer_by": ""} == {
        "by": ANNA,
        "text": "no, really",
        "evidence": "06" * 32,
        "height": 2,
        "answer_by": "",
        "answer": None,
    }
    assert lapsed["opinions"] == [{"by": ENDED, "verdict": "uphold", "reason": "we disagree", "height": 2}]
    assert (in_force["stage"], in_force["reason"], in_force["evidence"]) == ("in-force", "a case", "05" * 32)
    assert in_force["signatures"] == [{"by": ENDED, "height": 1}, {"by": NOBODY, "height": 2}]
    assert in_force["key"] == order_key(1).hex()


async def test_the_newest_come_first_page_by_page(client: TestClient[Any, Any]) -> None:
    first = [one["number"] for one in (await page(client, ""))["freezes"]]
    assert first == list(range(FREEZES_PAGE_MAX + 4, 4, -1))
    assert [one["number"] for one in (await page(client, f"?before={first[-1]}"))["freezes"]] == [4, 3, 2, 1]
    assert [one["number"] for one in (await page(client, "?limit=2&before=99"))["freezes"]] == first[:2]
    assert (await page(client, "?before=1"))["freezes"] == (await page(client, "?before=0"))["freezes"] == []
    assert (await page(client, "?limit=0"))["freezes"] == []


@pytest.mark.parametrize("query", [f"?limit={FREEZES_PAGE_MAX + 1}", "?before=x", "?limit=-1", "?height=99"])
async def test_what_is_no_question(client: TestClient[Any, Any], query: str) -> None:
    answer = await client.get(f"/v1/freezes{query}")
    assert answer.status in (400, 503) and (await answer.json())["code"] in ("malformed", "height-unknown")


async def test_a_chain_without_orders_has_an_empty_list() -> None:
    node = FakeNode(world=make_world(stores={NAME: {COUNT_KEY: codec.encode(0)}}))
    async with TestClient(TestServer(make_app(node, registry=CollectorRegistry(), body_bytes_max=1024))) as client:
        assert (await page(client, ""))["freezes"] == []
