"""A call of CometBFT's RPC: its arguments, the pages and heights that they name, and the errors of JSON-RPC."""

from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chainnode.api.backend import Backend
from chainnode.api.forms import Json
from chainnode.types.bundle import LightBlock
from chainnode.types.limits import COMET_PAGE, COMET_PAGE_MAX, TX_BYTES_MAX

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
_HASH_BYTES = 32


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

    def hash(self, name: str) -> bytes:
        """A hash in hexadecimal, as in a path, or in base64, as in JSON-RPC."""
        text = self.text(name)
        value = self.octets(name) if len(text.removeprefix("0x")) == 2 * _HASH_BYTES else self.base64(name)
        if len(value) != _HASH_BYTES:
            raise CometError(INVALID_PARAMS, f"{name} is no hash of {_HASH_BYTES} bytes, in hexadecimal or base64")
        return value

    def transaction(self, name: str) -> bytes:
        """Bytes in base64, or in hexadecimal after 0x."""
        value = self.octets(name) if self.text(name).startswith("0x") else self.base64(name)
        if not 0 < len(value) <= TX_BYTES_MAX:
            raise CometError(INVALID_PARAMS, f"{name} has 1 to {TX_BYTES_MAX} bytes")
        return value

    def base64(self, name: str) -> bytes:
        """Bytes in base64. A query turns + into a blank."""
        try:
            return b64decode(self.text(name).replace(" ", "+"), validate=True)
        except ValueError:
            raise CometError(INVALID_PARAMS, f"{name} is not base64") from None

    def page(self, total: int) -> slice:
        """The part of a list of `total` that the arguments page and per_page name."""
        per_page = self.whole("per_page")
        per_page = COMET_PAGE if per_page is None or per_page < 1 else min(per_page, COMET_PAGE_MAX)
        pages = max(1, -(-total // per_page))
        page = self.whole("page")
        page = 1 if page is None else page
        if not 1 <= page <= pages:
            raise CometError(INTERNAL, f"page should be within [1, {pages}] range, given {page}")
        return slice((page - 1) * per_page, page * per_page)


Method = Callable[[Backend, Arguments], Awaitable[Json]]


def height_of(backend: Backend, asked: int | None, latest: int) -> int:
    """The height that a call means; its refusals are in the words that CometBFT's light client looks for."""
    if asked is None:
        if latest <= 0:
            raise CometError(INTERNAL, "no block has been decided yet")
        return latest
    if asked <= 0:
        raise CometError(INTERNAL, f"height must be greater than 0, but got {asked}")
    if asked > latest:
        raise CometError(INTERNAL, f"height {asked} must be less than or equal to the current blockchain height {latest}")
    lowest = backend.status().first_header_height
    if asked < lowest:
        raise not_available(asked, lowest)
    return asked


async def light_of(backend: Backend, height: int) -> LightBlock:
    """What is known of a height."""
    light = await backend.light_block(height)
    if light is None:
        raise not_available(height, backend.status().first_header_height)
    return light


def not_available(height: int, lowest: int) -> CometError:
    """The block of this height is not here."""
    return CometError(INTERNAL, f"height {height} is not available, lowest height is {lowest}")
