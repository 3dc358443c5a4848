"""The methods of CometBFT's RPC that light clients and their tools call."""

from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chainnode.api.backend import Backend
from chainnode.api.cometforms import (
    block_form,
    block_meta_form,
    failed_query_form,
    genesis_form,
    header_form,
    query_form,
    signed_header_form,
    status_form,
    validator_form,
)
from chainnode.api.forms import Json
from chainnode.digests import commit_hash
from chainnode.errors import ChainError
from chainnode.types.bundle import LightBlock
from chainnode.types.limits import COMET_BLOCKS_MAX, COMET_PAGE, COMET_PAGE_MAX, STATE_KEY_BYTES_MAX

INVALID_REQUEST = -32600
NO_METHOD = -32601
INVALID_PARAMS = -32602
INTERNAL = -32603
PARSE = -32700
MESSAGES = {
    INVALID_REQUEST: "Invalid Request",
    NO_METHOD: "Method not found",
    INVALID_PARAMS: "Invalid params",
    INTERNAL: "Internal error",
    PARSE: "Parse error. Invalid JSON",
}
_INT64_MAX = 2**63 - 1
_PATH_LENGTH_MAX = 128


class CometError(Exception):
    """An error of JSON-RPC. Clients read the words of some `detail`s, so these are CometBFT's."""

    def __init__(self, number: int, detail: str) -> None:
        super().__init__(detail)
        self.number = number
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a call gives, by name; what is not given, or null, is None."""

    given: dict[str, Json]

    def whole(self, name: str) -> int | None:
        """A number, as one or as text."""
        value = self.given.get(name)
        if value is None or value == "":
            return None
        text = str(value) if type(value) in (int, str) else ""
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 19 or abs(int(text)) > _INT64_MAX:
            raise CometError(INVALID_PARAMS, f"{name} is no 64-bit number")
        return int(text)

    def text(self, name: str) -> str:
        """A text, empty when it is not given."""
        value = self.given.get(name)
        if value is not None and not isinstance(value, str):
            raise CometError(INVALID_PARAMS, f"{name} is no text")
        return value or ""

    def flag(self, name: str) -> bool:
        """A truth value, false when it is not given."""
        value = self.given.get(name)
        if value not in (None, True, False, "true", "false", ""):
            raise CometError(INVALID_PARAMS, f"{name} is neither true nor false")
        return value is True or value == "true"

    def octets(self, name: str) -> bytes:
        """Bytes in hexadecimal, after 0x or not."""
        try:
            return bytes.fromhex(self.text(name).removeprefix("0x"))
        except ValueError:
            raise CometError(INVALID_PARAMS, f"{name} is not hexadecimal") from None


Method = Callable[[Backend, Arguments], Awaitable[Json]]


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
    light = await _light(backend, _height(backend, arguments.whole("height"), backend.last_height()))
    above = await backend.light_block(light.header.height + 1)
    is_canonical = above is not None and above.header.last_commit_hash == commit_hash(light.commit)
    return signed_header_form(light, is_canonical=is_canonical)


async def _header(backend: Backend, arguments: Arguments) -> Json:
    light = await _light(backend, _height(backend, arguments.whole("height"), backend.last_height()))
    return {"header": header_form(light.header)}


async def _validators(backend: Backend, arguments: Arguments) -> Json:
    height = _height(backend, arguments.whole("height"), backend.last_height() + 1)
    found = await backend.validators(height)
    if found is None:
        raise _not_available(height, backend.status().first_height)
    per_page = arguments.whole("per_page")
    per_page = COMET_PAGE if per_page is None or per_page < 1 else min(per_page, COMET_PAGE_MAX)
    total = len(found.validators)
    pages = max(1, -(-total // per_page))
    page = arguments.whole("page")
    page = 1 if page is None else page
    if not 1 <= page <= pages:
        raise CometError(INTERNAL, f"page should be within [1, {pages}] range, given {page}")
    members = found.validators[(page - 1) * per_page : page * per_page]
    forms: list[Json] = [validator_form(one) for one in members]
    return {"block_height": str(height), "validators": forms, "count": str(len(members)), "total": str(total)}


async def _block(backend: Backend, arguments: Arguments) -> Json:
    height = _height(backend, arguments.whole("height"), backend.last_height())
    light, stored = await _light(backend, height), await backend.block(height)
    if stored is None:
        raise _not_available(height, backend.status().first_height)
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
    "abci_info": (_abci_info, ()),
    "commit": (_commit, ("height",)),
    "header": (_header, ("height",)),
    "validators": (_validators, ("height", "page", "per_page")),
    "block": (_block, ("height",)),
    "blockchain": (_blockchain, ("minHeight", "maxHeight")),
    "abci_query": (_abci_query, ("path", "data", "height", "prove")),
}


async def call(backend: Backend, name: str, arguments: Arguments) -> Json:
    """The result of a method. CometError otherwise, whatever went wrong."""
    if name not in METHODS:
        raise CometError(NO_METHOD, f"there is no method {name!r} here")
    try:
        return await METHODS[name][0](backend, arguments)
    except ChainError as error:
        raise CometError(INTERNAL, f"{error.code.name}: {error.detail}") from error


def _height(backend: Backend, asked: int | None, latest: int) -> int:
    """The height that a call means; its refusals are in the words that CometBFT's light client looks for."""
    if asked is None:
        if latest <= 0:
            raise CometError(INTERNAL, "no block has been decided yet")
        return latest
    if asked <= 0:
        raise CometError(INTERNAL, f"height must be greater than 0, but got {asked}")
    if asked > latest:
        raise CometError(INTERNAL, f"height {asked} must be less than or equal to the current blockchain height {latest}")
    lowest = backend.status().first_height
    if asked < lowest:
        raise _not_available(asked, lowest)
    return asked


async def _light(backend: Backend, height: int) -> LightBlock:
    light = await backend.light_block(height)
    if light is None:
        raise _not_available(height, backend.status().first_height)
    return light


def _not_available(height: int, lowest: int) -> CometError:
    return CometError(INTERNAL, f"height {height} is not available, lowest height is {lowest}")
