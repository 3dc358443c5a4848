"""A plain, blocking way to one node's API, for the story, which verifies from the files that it writes. Programs use `chainnode.client`."""

import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from chainnode import codec
from chainnode.cli.usage import UsageError
from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.types.codes import CODES, MALFORMED, NOT_READY
from chainnode.types.limits import BUNDLE_BYTES_MAX
from chainnode.types.transaction import Value

WAIT_MS = 30_000
_TIMEOUT_S = 60.0
_URL = re.compile(r"https?://[^/?#\s:]+(:[0-9]{1,5})?(/\S*)?|https?://\[[0-9a-fA-F:.]+\](:[0-9]{1,5})?(/\S*)?")


def node_url(text: str) -> str:
    """For `type=` of an argument: the URL of a node's API."""
    if _URL.fullmatch(text) is None:
        raise UsageError(f"{text!r} is no URL of a node, such as http://127.0.0.1:26657")
    return text


@dataclass(frozen=True, slots=True)
class Done:
    """A committed transaction: where, and what its calls returned; `refusal` instead when a rule said no."""

    tx_id: bytes
    height: int
    values: tuple[Value, ...]
    refusal: Rejected | None


class Desk:
    """One node, whose word is taken."""

    def __init__(self, url: str) -> None:
        self.url = node_url(url).rstrip("/")

    def submit_raw(self, raws: Sequence[bytes]) -> list[Done]:
        """Submit signed transactions and wait for their blocks."""
        body = json.dumps({"transactions": [raw.hex() for raw in raws], "wait_ms": WAIT_MS}).encode()
        answer = self._json("/v1/transactions", body)
        assert isinstance(answer, dict)
        return [_done(one) for one in answer["transactions"]]

    def bundle(self, path: str) -> str:
        """The text of a proof bundle."""
        return self._ask(path)

    def state_path(self, store: str, key: bytes, min_height: int | None = None) -> str:
        """Where the proof of a state key is; of the state after `min_height` or later."""
        more = "" if min_height is None else f"?min_height={min_height}&wait_ms={WAIT_MS}"
        return f"/v1/state/{quote(store)}/{key.hex()}{more}"

    def get(self, path: str) -> object:
        """What a GET answers, as JSON."""
        return self._json(path)

    def post(self, path: str, document: object) -> object:
        """What a POST of a JSON document answers, as JSON."""
        return self._json(path, json.dumps(document).encode())

    def _json(self, path: str, body: bytes | None = None) -> object:
        try:
            return json.loads(self._ask(path, body))
        except (ValueError, RecursionError) as error:
            raise Unavailable(NOT_READY, f"{self.url} does not answer as a node does: {path} is not JSON") from error

    def _ask(self, path: str, body: bytes | None = None) -> str:
        request = urllib.request.Request(self.url + path, data=body, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                content: bytes = answer.read(BUNDLE_BYTES_MAX + 1)
        except urllib.error.HTTPError as error:
            raise _problem(error.read(64 * 1024), error.code) from error
        except http.client.HTTPException as error:
            raise Unavailable(NOT_READY, f"{self.url} does not answer as a node does: what comes is not HTTP") from error
        except OSError as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            raise Unavailable(NOT_READY, f"{self.url} does not answer: {getattr(cause, 'strerror', None) or cause}") from error
        return content.decode("utf-8", "replace")


def _done(one: dict[str, object]) -> Done:
    code = CODES.get(str(one.get("name")), MALFORMED)
    detail = str(one.get("detail") or code.meaning)
    if one.get("state") != "committed":
        raise Rejected(code, detail)
    result = one["result"]
    assert isinstance(result, dict)
    values = codec.as_array(codec.decode(bytes.fromhex(str(result["data"])), bytes_max=BUNDLE_BYTES_MAX))
    refusal = None
    if code.number != 0:
        refusal = Rejected(code, str(values[2]))
        values = ()
    return Done(bytes.fromhex(str(one["tx_id"])), int(str(one["height"])), values, refusal)


def _problem(content: bytes, status: int) -> ChainError:
    """The error that a problem document tells of."""
    try:
        document = json.loads(content)
        code, detail = CODES.get(document["code"], MALFORMED), str(document.get("detail", ""))
    except (ValueError, KeyError, TypeError):
        return Unavailable(NOT_READY, f"the node answered with HTTP status {status}")
    kind = Unavailable if status == 503 else Malformed if status == 400 else Rejected
    return kind(code, detail)
