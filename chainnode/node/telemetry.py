"""Structured logs: one line per decision, an event and its keys (HANDBOOK, section 8)."""

import json
import logging
import sys
import time
from asyncio import InvalidStateError
from traceback import walk_tb

from aiohttp.http_exceptions import HttpProcessingError

log = logging.getLogger(__name__)
_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, event, then the keys of the event."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line of JSON."""
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line.update(_extra(record))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """A line for eyes: time, level, event, key=value."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line of text."""
        keys = " ".join(f"{key}={value}" for key, value in _extra(record).items())
        clock = time.strftime("%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}"
        line = f"{clock} {record.levelname.lower():7} {record.getMessage()} {keys}".rstrip()
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


class ClientFaults(logging.Filter):
    """Takes what aiohttp calls an error, when it is the client's: bytes that are no HTTP, a connection that ended.

    Anybody can cause these, so they must not wake anyone, nor fill the disk with what was sent. It takes one fault of aiohttp's own, too:
    a request that ends just when a node that stops gives up waiting for it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is about a fault of ours."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError | ConnectionError) or _is_late_end(error):
            log.debug("http_client_fault", extra={"reason": type(error).__name__})
            return False
        return True


def _is_late_end(error: BaseException | None) -> bool:
    """Whether aiohttp told a shutdown that a request is over, and that had just given up. The answer has been sent."""
    if not isinstance(error, InvalidStateError) or error.__traceback__ is None:
        return False
    *_, (last, _) = walk_tb(error.__traceback__)
    return last.f_code.co_name == "_handle_request" and last.f_globals.get("__name__") == "aiohttp.web_protocol"


_CLIENT_FAULTS = ClientFaults()  # one, so that adding it twice is adding it once


def tells_more_than_a_close(record: logging.LogRecord) -> bool:
    """False for what uvloop calls a fatal error, when TLS still has a byte for a connection that this node has just closed.

    It happens to a node that stops, or gives up a start, while it dials; nothing is lost by it and there is nothing to be done.
    """
    error = record.exc_info[1] if record.exc_info else None
    is_close = isinstance(error, RuntimeError) and str(error).endswith("the handler is closed")
    return not (is_close and record.getMessage().startswith("Fatal error on SSL protocol"))


def set_up_logging(level: str, form: str) -> None:
    """Send the program's logs to standard error in `form` ("json" or "text") from `level` up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("aiohttp.server").addFilter(_CLIENT_FAULTS)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("asyncio").addFilter(tells_more_than_a_close)
