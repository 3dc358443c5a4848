"""What a row of the table of routes is made of."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from chainnode.api import events, submissions
from chainnode.api.backend import Backend
from chainnode.api.forms import Json
from chainnode.types.limits import SUBMIT_WAIT_MS_MAX

Handle = Callable[[Backend, web.Request], Awaitable[web.StreamResponse]]

JSON = "application/json"
MSGPACK = submissions.MSGPACK_MEDIA
TEXT = "text/plain"
EVENT_STREAM = events.EVENT_STREAM_MEDIA


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of the path, of the query, or a header. Parts of the path are always required."""

    name: str
    place: str  # path, query or header
    meaning: str
    schema: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Route:
    """A path with the method that it takes. `body` and `answer` name schemas by media type.

    `pattern` is the path with the forms of its parts, where any one part is not enough. `others` are statuses whose answers have the
    form of good ones, `problems` those of problem details.
    """

    method: str
    path: str
    name: str
    tag: str
    summary: str
    handle: Handle
    answer: dict[str, str]
    parameters: tuple[Parameter, ...] = ()
    body: dict[str, str] | None = None
    problems: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    pattern: str = ""


WHOLE: dict[str, Json] = {"type": "integer", "minimum": 0}
HASH: dict[str, Json] = {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}
WORD: dict[str, Json] = {"type": "string", "maxLength": 64}

HEIGHT = Parameter("height", "path", "A height, or `latest`.", {"type": "string", "pattern": "^([0-9]+|latest)$"})
WAIT = Parameter(
    "wait_ms",
    "query",
    "How long to wait for a block at most, in milliseconds.",
    {"type": "integer", "minimum": 0, "maximum": SUBMIT_WAIT_MS_MAX},
)
MIN_HEIGHT = Parameter("min_height", "query", "Answer from a state after this height or a later one; wait for it up to `wait_ms`.", WHOLE)


def choice(name: str, meaning: str, *words: str) -> Parameter:
    """One of a few words of the query, the first unless it is given."""
    return Parameter(name, "query", meaning, {"type": "string", "enum": list(words), "default": words[0]})


def text(name: str, place: str, meaning: str) -> Parameter:
    """Any text."""
    return Parameter(name, place, meaning, {"type": "string"})


PROOF = choice("proof", "With `bundle`, the proof for a stranger.", "none", "bundle")
