"""Blocks, results, commits and validators by height, and the node's own standing."""

import asyncio

from aiohttp import web

from chainnode.api.asking import path_height, query_choice
from chainnode.api.backend import Backend
from chainnode.api.forms import Json, block_json, commit_json, header_json, result_json, validators_json
from chainnode.api.problems import unknown_height
from chainnode.errors import ChainError, Unavailable
from chainnode.genesisfile import genesis_to_json
from chainnode.rfc3339 import time_to_text
from chainnode.types.block import KEY_TYPE_NAMES
from chainnode.types.codes import STATE_PRUNED


async def block(backend: Backend, request: web.Request) -> web.Response:
    """A block with the ids of its transactions, or with `transactions=raw` their bytes."""
    height = path_height(request, backend)
    has_raws = query_choice(request, "transactions", ("ids", "raw"), "ids") == "raw"
    stored, light = await backend.block(height), await backend.light_block(height)
    if stored is None or light is None:
        raise _no_block(backend, height)
    document = await asyncio.to_thread(block_json, stored, light.commit.block_id, has_raws=has_raws)
    return web.json_response(document)


async def results(backend: Backend, request: web.Request) -> web.Response:
    """The results of a block's transactions, their events with them."""
    height = path_height(request, backend)
    found = await backend.results(height)
    if found is None:
        raise _no_block(backend, height)
    rows = await asyncio.to_thread(lambda: [result_json(result) for result in found])
    return web.json_response({"height": height, "results": rows})


def _no_block(backend: Backend, height: int) -> ChainError:
    """Unavailable(STATE_PRUNED) for a block that was here, else that it is not known."""
    lowest = backend.status().first_height
    if 0 < height < lowest:
        return Unavailable(STATE_PRUNED, f"block {height} was pruned here, where blocks begin at {lowest}; ask a node that keeps it")
    return unknown_height(height)


async def commit(backend: Backend, request: web.Request) -> web.Response:
    """A header with the commit for it."""
    height = path_height(request, backend)
    light = await backend.light_block(height)
    if light is None:
        raise unknown_height(height)
    return web.json_response({"header": header_json(light.header), "commit": commit_json(light.commit)})


async def validators(backend: Backend, request: web.Request) -> web.Response:
    """The validators of a height."""
    height = path_height(request, backend)
    found = await backend.validators(height)
    if found is None:
        raise unknown_height(height)
    return web.json_response(validators_json(height, found))


async def status(backend: Backend, request: web.Request) -> web.Response:
    """Who this node is and where it stands."""
    info, now = backend.info, backend.status()
    is_ready, reason = backend.is_ready()
    key = now.validator_key
    validator: Json = None
    if key is not None:
        validator = {"type": KEY_TYPE_NAMES[key.type], "key": key.data.hex(), "power": str(now.validator_power)}
    document: dict[str, Json] = {
        "chain_id": info.genesis.chain_id,
        "genesis_hash": info.genesis_hash.hex(),
        "node_id": info.node_id,
        "moniker": info.moniker,
        "version": info.version,
        "height": now.height,
        "time": time_to_text(now.time_ns),
        "block_hash": now.block_hash.hex(),
        "app_hash": now.app_hash.hex(),
        "first_height": now.first_height,
        "first_header_height": now.first_header_height,
        "validator": validator,
        "peers": now.peers,
        "is_catching_up": now.is_catching_up,
        "is_ready": is_ready,
        "reason": reason,
    }
    return web.json_response(document)


async def peers(backend: Backend, request: web.Request) -> web.Response:
    """The connected peers."""
    rows = [
        {"node_id": one.node_id, "moniker": one.moniker, "address": one.address, "height": one.height, "is_outbound": one.is_outbound}
        for one in backend.peers()
    ]
    return web.json_response({"peers": rows})


async def genesis(backend: Backend, request: web.Request) -> web.Response:
    """The genesis file."""
    return web.Response(text=genesis_to_json(backend.info.genesis), content_type="application/json")
