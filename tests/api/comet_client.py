"""A client of CometBFT's RPC for tests, and what it means that an answer has the shape of theirs."""

import json
import re

FORMS = [re.compile(form) for form in (r"-?\d+", "[0-9A-F]{40}|[0-9A-F]{64}", r"[-\d]{10}T[:.\d]{8,18}Z", "[0-9a-f]{40}", "tcp://.*")]


async def result_of(served, path):
    answer = await served.client.get(path)
    document = await answer.json()
    assert answer.status == 200 and document["jsonrpc"] == "2.0" and document["id"] == -1, document
    return document["result"]


async def failure_of(served, path):
    answer = await served.client.get(path)
    document = await answer.json()
    assert answer.status == 500 and document["error"]["message"]
    return document["error"]["code"], document["error"]["data"]


async def rpc(served, document):
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    answer = await served.client.post("/", data=data)
    assert answer.status == 200
    return await answer.json() if await answer.read() else None


def same_shape(ours, theirs, where="") -> None:
    """Objects have the same members; texts, numbers, lists and objects stand in the same places."""
    if theirs is None or ours is None:
        return
    assert type(ours) is type(theirs), where
    if isinstance(theirs, dict):
        assert set(ours) == set(theirs), where
        for name in theirs:
            same_shape(ours[name], theirs[name], f"{where}.{name}")
    elif isinstance(theirs, list) and theirs and ours:
        same_shape(ours[0], theirs[0], f"{where}[0]")
    elif isinstance(theirs, str) and not where.endswith("app_hash"):  # an application of theirs may have eight bytes
        forms = [form for form in FORMS if form.fullmatch(theirs)]
        assert all(form.fullmatch(ours) for form in forms), f"{where}: {ours}"
