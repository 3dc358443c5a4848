"""Blocks by height: what was pruned is told apart from what never was."""

import pytest

from tests.api.conftest import Served


@pytest.mark.parametrize("what", ["", "/results"])
async def test_a_pruned_block_is_gone_and_one_that_never_was_is_not_found(served: Served, what: str) -> None:
    served.node.pruned_below = 3
    answer = await served.client.get(f"/v1/blocks/2{what}")
    told = await answer.json()
    assert (answer.status, told["code"]) == (410, "state-pruned")
    assert told["detail"] == "block 2 was pruned here, where blocks begin at 3; ask a node that keeps it"
    for height in (0, 4, 99):
        answer = await served.client.get(f"/v1/blocks/{height}{what}")
        assert answer.status in (400, 404) and (await answer.json())["code"] != "state-pruned"
    assert (await served.client.get(f"/v1/blocks/3{what}")).status == 200
    assert (await served.client.get("/v1/commits/2")).status == 200, "headers and commits stay"


async def test_status_tells_where_blocks_and_headers_begin(served: Served) -> None:
    served.node.pruned_below = 3
    told = await (await served.client.get("/v1/status")).json()
    assert (told["first_height"], told["first_header_height"]) == (3, 1)


@pytest.mark.parametrize("path", ["/v1/blocks/99", "/v1/blocks/99/results", "/v1/commits/99", "/v1/validators/99", "/v1/blocks/0"])
async def test_a_height_without_a_block_is_told_as_that_alone(served: Served, path: str) -> None:
    answer = await served.client.get(path)
    told = await answer.json()
    assert (answer.status, told["code"]) == (404, "height-unknown")
    assert told["detail"] == f"there is no block at height {0 if path.endswith('/0') else 99} here"


@pytest.mark.parametrize("word", ["abc", "newest", "-1", "1.0"])
async def test_what_is_no_height_is_told_what_would_be(served: Served, word: str) -> None:
    answer = await served.client.get(f"/v1/blocks/{word}")
    told = await answer.json()
    assert (answer.status, told["code"]) == (400, "malformed")
    assert told["detail"].startswith("a height, unless it is `latest`, is a whole number from 0 to ")
