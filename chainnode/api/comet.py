"""The methods of CometBFT's RPC that light clients and their tools call."""

from base64 import b64encode

from chainnode.api.backend import Backend
from chainnode.api.cometcalls import (
    INTERNAL,
    INVALID_PARAMS,
    NO_METHOD,
    Arguments,
    CometError,
    Method,
    height_of,
    light_of,
    not_available,
)
from chainnode.api.cometforms import (
    block_form,
    block_meta_form,
    failed_query_form,
    genesis_form,
    header_form,
    net_info_form,
    params_form,
    query_form,
    signed_header_form,
    status_form,
    unknown_block_form,
    validator_form,
)
from chainnode.api.comettxs import block_results, broadcast, broadcast_and_wait, tx, tx_search
from chainnode.api.forms import Json
from chainnode.digests import commit_hash, consensus_hash
from chainnode.errors import ChainError
from chainnode.types.limits import COMET_BLOCKS_MAX, STATE_KEY_BYTES_MAX

_PATH_LENGTH_MAX = 128


async def _health(backend: Backend, arguments: Arguments) -> Json:
    return {}


async def _status(backend: Backend, arguments: Arguments) -> Json:
    now = backend.status()
    first = await backend.light_block(now.first_height) if now.first_height else None
    return status_form(backend.info, now, first, await backend.light_block(now.height) if now.height else None)


async def _genesis(backend: Backend, arguments: Arguments) -> Json:
    return genesis_form(backend.info.genesis)


async def _abci_info(backend: Backend, arguments: Arguments) -> Json:
    now = backend.status()
    return {
        "response": {
            "data": "chainnode",
            "version": backend.info.version,
            "app_version": "0",
            "last_block_height": str(now.height),
            "last_block_app_hash": b64encode(now.app_hash).decode(),
        }
    }


async def _commit(backend: Backend, arguments: Arguments) -> Json:
    light = await light_of(backend, height_of(backend, arguments.whole("height"), backend.last_height()))
    above = await backend.light_block(light.header.height + 1)
    is_canonical = above is not None and above.header.last_commit_hash == commit_hash(light.commit)
    return signed_header_form(light, is_canonical=is_canonical)


async def _header(backend: Backend, arguments: Arguments) -> Json:
    light = await light_of(backend, height_of(backend, arguments.whole("height"), backend.last_height()))
    return {"header": header_form(light.header)}


async def _header_by_hash(backend: Backend, arguments: Arguments) -> Json:
    height = await backend.height_of_block(arguments.hash("hash"))
    return {"header": None if height is None else header_form((await light_of(backend, height)).header)}


async def _consensus_params(backend: Backend, arguments: Arguments) -> Json:
    """The parameters whose hash a header holds: today's or those of genesis. Others in between are known by their hash only."""
    last = backend.last_height()
    height = height_of(backend, arguments.whole("height"), last + 1)
    now, first = backend.params(), backend.info.genesis.params
    if height <= last:
        wanted = (await light_of(backend, height)).header.consensus_hash
        found = next((one for one in (now, first) if consensus_hash(one.block_bytes_max) == wanted), None)
        if found is None:
            raise CometError(INTERNAL, f"the parameters of height {height} are not kept")
        now = found
    return {"block_height": str(height), "consensus_params": params_form(backend.info.genesis, now)}


async def _net_info(backend: Backend, arguments: Arguments) -> Json:
    return net_info_form(backend.info, backend.peers())


async def _validators(backend: Backend, arguments: Arguments) -> Json:
    height = height_of(backend, arguments.whole("height"), backend.last_height() + 1)
    found = await backend.validators(height)
    if found is None:
        raise not_available(height, backend.status().first_header_height)
    total = len(found.validators)
    members = found.validators[arguments.page(total)]
    forms: list[Json] = [validator_form(one) for one in members]
    return {"block_height": str(height), "validators": forms, "count": str(len(members)), "total": str(total)}


async def _block(backend: Backend, arguments: Arguments) -> Json:
    return await _block_at(backend, height_of(backend, arguments.whole("height"), backend.last_height()))


async def _block_by_hash(backend: Backend, arguments: Arguments) -> Json:
    height = await backend.height_of_block(arguments.hash("hash"))
    return unknown_block_form() if height is None else await _block_at(backend, height)


async def _block_at(backend: Backend, height: int) -> Json:
    light, stored = await light_of(backend, height), await backend.block(height)
    if stored is None:
        raise not_available(height, backend.status().first_height)
    return block_form(stored, light.commit.block_id)


async def _blockchain(backend: Backend, arguments: Arguments) -> Json:
    """Headers from the highest down, at most COMET_BLOCKS_MAX."""
    last = backend.last_height()
    highest, lowest = arguments.whole("maxHeight") or last, arguments.whole("minHeight") or 1
    if highest < 0 or lowest < 0:
        raise CometError(INTERNAL, "heights must be non-negative")
    highest = min(highest, last)
    lowest = max(lowest, backend.status().first_height, highest - COMET_BLOCKS_MAX + 1)
    if lowest > highest:
        raise CometError(INTERNAL, f"invalid request: min height {lowest} can't be greater than max height {highest}")
    metas: list[Json] = []
    for height in range(highest, lowest - 1, -1):
        light, stored = await backend.light_block(height), await backend.block(height)
        if light is not None and stored is not None:
            metas.append(block_meta_form(stored, light.commit.block_id))
    return {"last_height": str(last), "block_metas": metas}


async def _abci_query(backend: Backend, arguments: Arguments) -> Json:
    """State by path /store/<store>/key. Height 0, or none, is the last height that can be proved."""
    path, key = arguments.text("path"), arguments.octets("data")
    height = arguments.whole("height") or 0
    if height < 0:
        raise CometError(INTERNAL, "height must be non-negative")
    parts = path.strip("/").split("/")
    if len(path) > _PATH_LENGTH_MAX or len(parts) != 3 or parts[0] != "store" or parts[2] != "key":
        raise CometError(INVALID_PARAMS, "path is /store/<store>/key")
    if not 0 < len(key) <= STATE_KEY_BYTES_MAX:
        raise CometError(INVALID_PARAMS, f"data is a key of 1 to {STATE_KEY_BYTES_MAX} bytes")
    try:
        proved = await backend.prove_state(parts[1], key, height or None)
    except ChainError as error:
        return failed_query_form(error.code.number, error.code.name, error.detail, height)
    return query_form(proved, key, has_proof=arguments.flag("prove"))


# Names of the arguments stand in the order in which a call may give them without names.
METHODS: dict[str, tuple[Method, tuple[str, ...]]] = {
    "health": (_health, ()),
    "status": (_status, ()),
    "genesis": (_genesis, ()),
    "consensus_params": (_consensus_params, ("height",)),
    "net_info": (_net_info, ()),
    "abci_info": (_abci_info, ()),
    "commit": (_commit, ("height",)),
    "header": (_header, ("height",)),
    "header_by_hash": (_header_by_hash, ("hash",)),
    "validators": (_validators, ("height", "page", "per_page")),
    "block": (_block, ("height",)),
    "block_by_hash": (_block_by_hash, ("hash",)),
    "block_results": (block_results, ("height",)),
    "blockchain": (_blockchain, ("minHeight", "maxHeight")),
    "abci_query": (_abci_query, ("path", "data", "height", "prove")),
    "tx": (tx, ("hash", "prove")),
    "tx_search": (tx_search, ("query", "prove", "page", "per_page", "order_by")),
    "broadcast_tx_async": (broadcast, ("tx",)),
    "broadcast_tx_sync": (broadcast, ("tx",)),
    "broadcast_tx_commit": (broadcast_and_wait, ("tx",)),
}


async def call(backend: Backend, name: str, arguments: Arguments) -> Json:
    """The result of a method. CometError otherwise, whatever went wrong."""
    if name not in METHODS:
        raise CometError(NO_METHOD, f"there is no method {name!r} here")
    try:
        return await METHODS[name][0](backend, arguments)
    except ChainError as error:
        raise CometError(INTERNAL, f"{error.code.name}: {error.detail}") from error
