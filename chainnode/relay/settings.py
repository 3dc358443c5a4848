"""The relay's settings: one file in TOML, its paths below the file's folder. `TEMPLATE` is one with every setting and its meaning."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from chainnode.errors import Malformed
from chainnode.types.codes import BAD_CONFIG
from chainnode.types.limits import (
    RELAY_ANCHOR_HEIGHTS,
    RELAY_ANCHOR_HEIGHTS_MAX,
    RELAY_ANCHOR_HEIGHTS_MIN,
    RELAY_CHAINS_MAX,
    RELAY_ROUTES_MAX,
)

Value = TypeVar("Value", str, int, bool)
_POLL_MS = 1_000
_INTERVAL_S = 60
_WORDS = {"log_level": ("error", "warning", "info", "debug"), "log_format": ("json", "text")}

TEMPLATE = """\
# The relay between chains. Paths are below the folder of this file unless absolute.

[relay]
# host:port of /livez, /readyz, /metrics and /status; keep it on loopback. Empty: none.
listen = "127.0.0.1:26690"
# What was reached; losing this file costs time, no more. Empty: nothing is kept.
progress = "progress.json"
# File whose first line opens the keys below; else CHAINNODE_KEYS_PASSPHRASE, else a prompt.
passphrase_file = ""
# How often each chain is looked at, in milliseconds.
poll_ms = 1000
# A client that knows no header younger than this is given one, in seconds.
anchor_interval_s = 60
# So is one that is this many blocks behind: a node proves its state only for its last 100. 0: by time alone; otherwise 10 or more.
anchor_heights = 25
# error, warning, info or debug; json or text.
log_level = "info"
log_format = "json"

# A chain of this program. Its table's name is yours to choose.
[chains.main]
family = "chainnode"
# The HTTP interfaces of its nodes. Name several, of several operators: one that lies or hangs is passed over.
endpoints = ["http://127.0.0.1:26657"]
# Its genesis file: where the relay's trust in the chain begins.
genesis = "main-genesis.json"
# The sealed key by which the relay signs there, and the DID that it speaks for; empty: the key's own did:bid. It needs a role on the chain.
key = "keys/relay.json"
did = ""

[chains.grain]
family = "chainnode"
endpoints = ["http://127.0.0.1:27657"]
genesis = "grain-genesis.json"
key = "keys/relay.json"
did = ""

# A chain of others with CometBFT's RPC: it is followed, but nothing can be sent to it.
# [chains.hub]
# family = "cometbft"
# chain_id = "hub-1"
# endpoints = ["https://rpc.example:443"]
# trusted_height = 1000
# trusted_hash = "64 hexadecimal digits, from somebody whom you trust"
# trusting_period_s = 1209600

# An EVM chain that proves nothing final, by the word of two of three attestors; chains of QBFT prove it: docs/evm.md.
# [chains.partner]
# family = "attested-evm"
# chain_id = 1337
# endpoints = ["http://127.0.0.1:8545"]
# outbox = "0x0000000000000000000000000000000000000000"
# attestors = ["http://one.example:26695", "http://two.example:26695", "http://three.example:26695"]
# attestor_addresses = ["0x1111111111111111111111111111111111111111", "0x2222…", "0x3333…"]
# needed = 2
# The account that pays there, of suite s; without it the chain is only followed.
# key = "keys/partner.json"

# Two chains that follow each other, each by its client of the other.
[[routes]]
a = "main"
a_client = "07-tendermint-0"
b = "grain"
b_client = "07-tendermint-0"
# Whether packets are carried, beside headers.
packets = true

# Two chains that know each other through a third.
# [[routes]]
# a = "grain"
# a_client = "20-anchored-1"
# b = "metal"
# b_client = "20-anchored-1"
# hub = "main"
# packets = true

# A chain that is followed and follows nobody: headers go one way.
# [[routes]]
# a = "main"
# a_client = "07-tendermint-2"
# b = "hub"
"""


@dataclass(frozen=True, slots=True)
class ChainTable:
    """The table of one chain; its family reads it."""

    name: str
    folder: Path
    content: Mapping[str, object]

    def text(self, name: str, otherwise: str | None = None) -> str:
        """A text; `otherwise` when it is left out."""
        return self._of(name, str, otherwise)

    def whole(self, name: str, otherwise: int | None = None) -> int:
        """A whole number, not below 0."""
        value = self._of(name, int, otherwise)
        if value < 0:
            raise self.bad(f"{name} is not below 0")
        return value

    def period_ms(self, name: str) -> int:
        """A time in seconds, at least one: within none of it, nothing could be trusted."""
        seconds = self.whole(name)
        if seconds == 0:
            raise self.bad(f"{name} is at least 1")
        return seconds * 1_000

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self.content.get(name)
        if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
            raise self.bad(f"{name} is a list of texts, one at least")
        return tuple(value)

    def path(self, name: str) -> Path:
        """A file."""
        return self.folder / self.text(name)

    def only(self, *known: str) -> None:
        """Malformed(BAD_CONFIG) when there is another setting than these and `family`."""
        for name in self.content:
            if name not in (*known, "family"):
                raise self.bad(f"there is no setting {name!r}")

    def bad(self, detail: str) -> Malformed:
        """What is wrong with the table."""
        return Malformed(BAD_CONFIG, f"[chains.{self.name}] {detail}")

    def _of(self, name: str, kind: type[Value], otherwise: Value | None) -> Value:
        value = self.content.get(name, otherwise)
        if type(value) is not kind:
            raise self.bad(f"{name} is missing or of a wrong type")
        return value


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """One route. `hub` None: the two chains follow each other directly. `b_client` empty: b is followed, and follows nobody."""

    name: str
    a: str
    a_client: str
    b: str
    b_client: str
    hub: str | None
    packets: bool
    anchor_interval_s: int
    anchor_heights: int  # 0: by time alone


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole file. `listen` and `progress` None: none."""

    listen: str | None
    progress: Path | None
    passphrase_file: Path | None
    poll_ms: int
    log_level: str
    log_format: str
    chains: tuple[ChainTable, ...]
    routes: tuple[RouteSettings, ...]


def load_settings(path: Path) -> Settings:
    """The settings in a file. Malformed(BAD_CONFIG) names what is wrong."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Malformed(BAD_CONFIG, f"{path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        return read_settings(document, path.parent)
    except Malformed as error:
        raise Malformed(error.code, f"{path}: {error.detail}") from error


def read_settings(document: Mapping[str, object], folder: Path) -> Settings:
    """The settings of a document in TOML's types."""
    _only("the file", document, ("relay", "chains", "routes"))
    own = _table("[relay]", document.get("relay", {}))
    _only("[relay]", own, ("listen", "progress", "passphrase_file", "poll_ms", "anchor_interval_s", "anchor_heights", *_WORDS))
    progress, passphrase = _get(own, "progress", str, "progress.json"), _get(own, "passphrase_file", str, "")
    listen = _get(own, "listen", str, "")
    if listen:
        split_listen(listen)
    words = {name: _word(own, name) for name in _WORDS}
    poll_ms = _between(own, "poll_ms", _POLL_MS, 50, 3_600_000)
    schedule = _schedule(own, (_INTERVAL_S, RELAY_ANCHOR_HEIGHTS))
    tables = _table("[chains]", document.get("chains", {}))
    chains = tuple(ChainTable(name, folder, _table(f"[chains.{name}]", content)) for name, content in tables.items())
    found = document.get("routes", [])
    if not isinstance(found, list) or not 0 < len(found) <= RELAY_ROUTES_MAX or not 1 < len(chains) <= RELAY_CHAINS_MAX:
        raise _bad(f"there are 2 to {RELAY_CHAINS_MAX} tables [chains.*] and 1 to {RELAY_ROUTES_MAX} tables [[routes]]")
    names = {one.name for one in chains}
    routes = tuple(_route(_table("[[routes]]", one), names, schedule) for one in found)
    if len({one.name for one in routes}) != len(routes):
        raise _bad("two routes have one name")
    return Settings(
        listen=listen or None,
        progress=folder / progress if progress else None,
        passphrase_file=folder / passphrase if passphrase else None,
        poll_ms=poll_ms,
        log_level=words["log_level"],
        log_format=words["log_format"],
        chains=chains,
        routes=routes,
    )


def split_listen(listen: str) -> tuple[str, int]:
    """Host and port to listen on. Malformed(BAD_CONFIG)."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or int(port[:6]) > 65_535:
        raise _bad(f"listen: {listen!r} is not host:port")
    return host.strip("[]"), int(port)


def render_settings(own: Mapping[str, object], chains: Mapping[str, Mapping[str, object]], routes: Sequence[Mapping[str, object]]) -> str:
    """The text of a settings file with these tables, for programs that write one; `read_settings` reads it."""
    tables = [("[relay]", own), *((f"[chains.{json.dumps(name)}]", table) for name, table in chains.items())]
    tables += [("[[routes]]", table) for table in routes]
    # Texts, numbers, truth values and lists of texts are written alike in TOML and JSON.
    lines = [
        f"{name} = {json.dumps(value)}" if name else f"\n{value}" for head, table in tables for name, value in [("", head), *table.items()]
    ]
    return "\n".join(["# Settings of chainnode relay; `chainnode relay init` writes them with their meaning.", *lines, ""])


def _schedule(table: Mapping[str, object], otherwise: tuple[int, int]) -> tuple[int, int]:
    """When headers are carried over: after so many seconds, and after so many blocks of the chain."""
    interval_s = _between(table, "anchor_interval_s", otherwise[0], 1, 86_400)
    heights = _between(table, "anchor_heights", otherwise[1], 0, RELAY_ANCHOR_HEIGHTS_MAX)
    if 0 < heights < RELAY_ANCHOR_HEIGHTS_MIN:
        raise _bad(f"anchor_heights is 0, which is never, or {RELAY_ANCHOR_HEIGHTS_MIN} or more")
    return interval_s, heights


def _route(table: Mapping[str, object], chains: set[str], schedule: tuple[int, int]) -> RouteSettings:
    _only("[[routes]]", table, ("name", "a", "a_client", "b", "b_client", "hub", "packets", "anchor_interval_s", "anchor_heights"))
    a, b, hub = (_get(table, name, str, "") for name in ("a", "b", "hub"))
    for name in filter(None, (a, b, hub)):
        if name not in chains:
            raise _bad(f"a route names the chain {name!r}, of which there is no table")
    if not a or not b or a == b or hub in (a, b):
        raise _bad("a route has two chains, a and b, and its hub is neither")
    a_client, b_client = _get(table, "a_client", str, ""), _get(table, "b_client", str, "")
    if not a_client:
        raise _bad(f"the route from {a} to {b} lacks a_client")
    packets = _get(table, "packets", bool, bool(b_client))
    if not b_client and (packets or hub):
        raise _bad(f"packets from {a} to {b}, or a hub between them, need b_client")
    interval_s, heights = _schedule(table, schedule)
    return RouteSettings(
        name=_get(table, "name", str, f"{a}-{b}"),
        a=a,
        a_client=a_client,
        b=b,
        b_client=b_client,
        hub=hub or None,
        packets=packets,
        anchor_interval_s=interval_s,
        anchor_heights=heights,
    )


def _bad(detail: str) -> Malformed:
    return Malformed(BAD_CONFIG, detail)


def _table(name: str, content: object) -> Mapping[str, object]:
    if not isinstance(content, dict):
        raise _bad(f"{name} is a table")
    return content


def _only(name: str, content: Mapping[str, object], known: tuple[str, ...]) -> None:
    for one in content:
        if one not in known:
            raise _bad(f"{name}: there is no setting {one!r}")


def _get(table: Mapping[str, object], name: str, kind: type[Value], otherwise: Value) -> Value:
    value = table.get(name, otherwise)
    if type(value) is not kind:
        raise _bad(f"{name} is of a wrong type")
    return value


def _between(table: Mapping[str, object], name: str, otherwise: int, least: int, most: int) -> int:
    value = _get(table, name, int, otherwise)
    if not least <= value <= most:
        raise _bad(f"{name} is between {least} and {most}")
    return value


def _word(table: Mapping[str, object], name: str) -> str:
    value = _get(table, name, str, {"log_level": "info", "log_format": "json"}[name])
    if value not in _WORDS[name]:
        raise _bad(f"{name} is one of {', '.join(_WORDS[name])}")
    return value
