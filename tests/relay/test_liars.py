"""Endpoints that do their worst: headers of other heights, answers that drag on, cookies, bombs, secrets in names, garbage in events."""

from aiohttp import web

from tests.relay.rpc import Json, MemoryChain, Rpc, Twist, memory_chain
from tests.relay.test_comet import followed, view_at


def at_height(chain: MemoryChain, height: int) -> Twist:
    """Answers /commit with the header of one height, whichever was asked for."""
    rpc = Rpc(chain)

    async def twist(method: str, request: web.Request) -> Json | None:
        return rpc.result(method, request, height=str(height)) if method == "commit" else None

    return twist


async def test_a_header_of_another_height_than_was_asked_for_is_a_lie_and_no_end_of_the_relay() -> None:
    chain, stranger = memory_chain(2), memory_chain(5, powers={"thief": 1})
    async with followed(chain, None, None) as (adapter, rpcs):
        await adapter.tip()
        chain.decide()
        strange = Rpc(stranger)

        async def lie(method: str, request: web.Request) -> Json | None:
            """The next header is one further on, of validators whom nobody trusts."""
            is_asked_before = "commit" in rpcs[0].asked[-2:-1]
            return strange.result(method, request, height="5") if method == "commit" or is_asked_before else None

        rpcs[0].twist = lie
        assert adapter.endpoints.all[0].url == rpcs[0].url
        assert (await adapter.tip(at_least=3)).height == 3
        assert [one.lies for one in adapter.endpoints.all if one.url == rpcs[0].url] == [1]


async def test_inv_79_a_witness_with_a_true_header_of_another_height_shows_no_fork() -> None:
    chain = memory_chain(9)
    async with followed(chain, None, at_height(chain, 7)) as (adapter, rpcs):
        await adapter.tip()
        assert len(await adapter.client_messages(view_at(chain, 3), 9)) == 1
        assert [one.lies for one in adapter.endpoints.all if one.url == rpcs[1].url] == [1]
