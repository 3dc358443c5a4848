"""A node without room: it is left alone for as long as it says, by submissions, and asked before it gets a long body again."""

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import ClientSession, web

from chainnode.api.problems import problem_of
from chainnode.client import nodes as nodes_module
from chainnode.client.nodes import Load, Node, Nodes, is_resting
from chainnode.errors import Unavailable
from chainnode.types.codes import NODE_UNREACHABLE, OVERLOADED
from chainnode.types.limits import CLIENT_RETRY_AFTER_S_MAX
from chainnode.types.transaction import Invocation

MOVE = Invocation("goods", "move", (1,))
PATIENCE_MS = 60_000
NO_ROOM = Unavailable(OVERLOADED, "full")


@pytest.fixture
async def nodes():
    async with ClientSession() as session:
        yield lambda timeout_ms=PATIENCE_MS: Nodes(["http://a", "http://b"], session, timeout_ms)


def rests(node: Node) -> None:
    """It has no room, for longer than any test takes."""
    node.load.told("10")
    node.load.until += 3_600


def attempts(asked: list[str], full: tuple[str, ...]) -> Callable[[Node], object]:
    """Nodes of which some have no room."""

    async def attempt(node: Node) -> str:
        asked.append(node.url[-1])
        if node.url[-1] in full:
            rests(node)
            raise NO_ROOM
        return "taken"

    return attempt


@pytest.mark.parametrize(
    "text, seconds",
    [("3", 3), ("1", 1), ("0", 1), ("", 1), ("-5", 1), ("Fri, 27 Nov 2026 10:00:00 GMT", 1), ("²", 1), ("9" * 9, None), ("9" * 400, 1)],
)
async def test_what_a_node_says_of_its_pause_is_heeded_within_reason(text: str, seconds: int | None) -> None:
    load, now = Load(), asyncio.get_running_loop().time()
    load.told(text)
    assert load.pause_s == (CLIENT_RETRY_AFTER_S_MAX if seconds is None else seconds)
    assert load.until >= now + load.pause_s and load.is_over


async def test_submissions_leave_a_node_without_room_alone_and_questions_do_not(nodes) -> None:
    all_of_them, asked = nodes(), []
    attempt = attempts(asked, ("a",))
    assert await all_of_them.first_good(attempt, is_submission=True) == "taken"
    all_of_them.defer(next(one for one in all_of_them._nodes if one.url == "http://b"))
    assert await all_of_them.first_good(attempt, is_submission=True) == "taken"
    assert asked == ["a", "b", "b"]
    all_of_them._nodes.sort(key=lambda one: one.url)
    assert await all_of_them.first_good(attempt) == "taken"
    assert asked == ["a", "b", "b", "a", "b"]


async def test_when_no_node_has_room_in_time_that_is_the_error_and_nobody_is_asked(nodes) -> None:
    all_of_them, asked = nodes(20), []
    for node in all_of_them._nodes:
        rests(node)
    with pytest.raises(Unavailable, match="left alone") as error:
        await all_of_them.first_good(attempts(asked, ()), is_submission=True)
    assert error.value.code is OVERLOADED and asked == []


async def test_the_first_pause_that_is_over_is_waited_for_and_a_part_of_it_by_chance(nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[float, float]] = []

    def uniform(least: float, most: float) -> float:
        drawn.append((least, most))
        return most

    monkeypatch.setattr(nodes_module.random, "uniform", uniform)
    all_of_them, asked, now = nodes(), [], asyncio.get_running_loop().time()
    late, soon = all_of_them._nodes
    rests(late)
    soon.load.pause_s, soon.load.until = 0.02, now + 0.02
    assert await all_of_them.first_good(attempts(asked, ()), is_submission=True) == "taken"
    assert asyncio.get_running_loop().time() >= now + 0.03 - 0.001 and drawn == [(0, 0.01)]
    assert asked[0] == "b" and is_resting(late) and not is_resting(soon)


async def test_clients_that_were_refused_together_do_not_come_back_together(nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[float, float]] = []

    def uniform(least: float, most: float) -> float:
        drawn.append((least, most))
        return 0.0

    monkeypatch.setattr(nodes_module.random, "uniform", uniform)
    left = [Unavailable(NODE_UNREACHABLE)] * 4

    async def attempt(node: Node) -> str:
        if left:
            raise left.pop()
        return "taken"

    assert await nodes().first_good(attempt, is_submission=True) == "taken"
    assert drawn == [(25.0, 50), (50.0, 100)]


# With a real node


async def test_a_full_node_is_not_asked_again_before_the_time_that_it_says(connect, one, node, anna) -> None:
    node.room = (0, 0)
    times: list[float] = []

    async def noting(request: web.Request, handler):
        if request.method == "POST":
            times.append(asyncio.get_running_loop().time())
        response = await handler(request)
        node.room = (2**63, 2**63)
        return response

    one.twist = noting
    receipt = await (await connect(one, timeout_ms=PATIENCE_MS)).submit(MOVE, anna)
    assert receipt.height and len(times) == 2 and times[1] - times[0] >= 0.99


@pytest.mark.parametrize(
    "limit, answers, expected",
    [
        (1, ("full", "full", ""), [None, "100-continue", "100-continue", None]),
        (1, ("full", "broken", ""), [None, "100-continue", None, None]),
        (1_000_000, ("full", "full", ""), [None, None, None, None]),
    ],
    ids=["asked-while-it-is-full", "not-asked-when-that-led-to-nothing", "short"],
)
async def test_a_long_body_is_sent_to_a_node_that_was_full_when_it_asks_for_it(
    connect, one, node, anna, monkeypatch: pytest.MonkeyPatch, limit: int, answers: tuple[str, ...], expected: list[str | None]
) -> None:
    monkeypatch.setattr(nodes_module, "CLIENT_ASK_FIRST_BYTES", limit)
    monkeypatch.setattr(Load, "told", lambda load, text: setattr(load, "is_over", True))  # without a pause
    seen: list[str | None] = []

    async def answering(request: web.Request, handler):
        if request.method != "POST":
            return await handler(request)
        answer = answers[len(seen)] if len(seen) < len(answers) else ""
        seen.append(request.headers.get("Expect"))
        node.room = (0, 0) if answer == "full" else (2**63, 2**63)
        return problem_of(Unavailable(NODE_UNREACHABLE)) if answer == "broken" else await handler(request)

    one.twist = answering
    client = await connect(one, timeout_ms=PATIENCE_MS)
    await client.submit(MOVE, anna)
    await client.submit(MOVE, anna)
    assert seen == expected
