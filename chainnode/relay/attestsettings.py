"""An attestor's settings: one file in TOML, its paths below the file's folder. `TEMPLATE` is one with every setting and its meaning."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from chainnode.errors import Malformed
from chainnode.foreign.ethkeys import ADDRESS_BYTES
from chainnode.relay.endpoints import check_urls
from chainnode.types.codes import BAD_CONFIG
from chainnode.types.limits import ATTEST_CONFIRMATIONS_MAX

FINALIZED, CONFIRMATIONS = "finalized", "confirmations"
Value = TypeVar("Value", str, int)
_LEVELS, _FORMATS = ("error", "warning", "info", "debug"), ("json", "text")

TEMPLATE = """\
# An attestor of an EVM chain. Paths are below the folder of this file unless absolute.

[attestor]
# host:port of its HTTP interface. What it says is public; let relays in through a proxy of yours that limits them.
listen = "127.0.0.1:26695"
# The sealed key by which it signs, of suite s. It is for this chain and this outbox alone: a statement does not name them.
key = "keys/attestor.json"
# File whose first line opens the key; else CHAINNODE_KEYS_PASSPHRASE, else a prompt.
passphrase_file = ""
# What this key has signed. Never copy it back from a backup, never run the key in two places.
guard = "guard"
# error, warning, info or debug; json or text.
log_level = "info"
log_format = "json"

[chain]
# The JSON-RPC of a node of your own: what it says is what you sign.
endpoint = "http://127.0.0.1:8545"
# The chain's number (EIP-155), and the address of our outbox there.
chain_id = 1337
outbox = "0x0000000000000000000000000000000000000000"
# What counts as final: "finalized", the block that the node calls so, or "confirmations", so many blocks below the newest.
finality = "finalized"
confirmations = 0
"""


@dataclass(frozen=True, slots=True)
class AttestSettings:
    """The whole file. `confirmations` counts with that finality alone."""

    listen: str
    key: Path
    passphrase_file: Path | None
    guard: Path
    log_level: str
    log_format: str
    endpoint: str
    chain_id: int
    outbox: bytes
    finality: str
    confirmations: int

    @property
    def rule(self) -> str:
        """What counts as final, in words."""
        return FINALIZED if self.finality == FINALIZED else f"{self.confirmations} confirmations"


def load_attest_settings(path: Path) -> AttestSettings:
    """The settings in a file. Malformed(BAD_CONFIG) names what is wrong."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Malformed(BAD_CONFIG, f"{path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        return read_attest_settings(document, path.parent)
    except Malformed as error:
        raise Malformed(error.code, f"{path}: {error.detail}") from error


def read_attest_settings(document: Mapping[str, object], folder: Path) -> AttestSettings:
    """The settings of a document in TOML's types."""
    _only("the file", document, ("attestor", "chain"))
    own, chain = _table(document, "attestor"), _table(document, "chain")
    _only("[attestor]", own, ("listen", "key", "passphrase_file", "guard", "log_level", "log_format"))
    _only("[chain]", chain, ("endpoint", "chain_id", "outbox", "finality", "confirmations"))
    finality = _one_of(chain, "finality", None, (FINALIZED, CONFIRMATIONS))
    confirmations = _get(chain, "confirmations", int, 0 if finality == FINALIZED else None)
    if not 0 <= confirmations <= ATTEST_CONFIRMATIONS_MAX:
        raise _bad(f"confirmations is between 0 and {ATTEST_CONFIRMATIONS_MAX}")
    chain_id, passphrase = _get(chain, "chain_id", int, None), _get(own, "passphrase_file", str, "")
    if not 0 < chain_id < 2**64:
        raise _bad("chain_id is a whole number above 0")
    endpoint = _get(chain, "endpoint", str, None)
    try:
        check_urls("[chain]", [endpoint], 1)
    except Malformed as error:
        raise _bad(error.detail) from error
    return AttestSettings(
        listen=_get(own, "listen", str, "127.0.0.1:26695"),
        key=folder / _get(own, "key", str, "keys/attestor.json"),
        passphrase_file=folder / passphrase if passphrase else None,
        guard=folder / _get(own, "guard", str, "guard"),
        log_level=_one_of(own, "log_level", "info", _LEVELS),
        log_format=_one_of(own, "log_format", "json", _FORMATS),
        endpoint=endpoint,
        chain_id=chain_id,
        outbox=_address(_get(chain, "outbox", str, None)),
        finality=finality,
        confirmations=confirmations,
    )


def _bad(detail: str) -> Malformed:
    return Malformed(BAD_CONFIG, detail)


def _table(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = document.get(name)
    if not isinstance(found, dict):
        raise _bad(f"[{name}] is missing, or no table")
    return found


def _only(name: str, content: Mapping[str, object], known: tuple[str, ...]) -> None:
    for one in content:
        if one not in known:
            raise _bad(f"{name}: there is no setting {one!r}")


def _get(table: Mapping[str, object], name: str, kind: type[Value], otherwise: Value | None) -> Value:
    value = table.get(name, otherwise)
    if type(value) is not kind:
        raise _bad(f"{name} is missing or of a wrong type")
    return value


def _one_of(table: Mapping[str, object], name: str, otherwise: str | None, words: tuple[str, ...]) -> str:
    value = _get(table, name, str, otherwise)
    if value not in words:
        raise _bad(f"{name} is one of {', '.join(words)}")
    return value


def _address(text: str) -> bytes:
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        found = b""
    if len(found) != ADDRESS_BYTES:
        raise _bad("outbox has 40 hexadecimal digits")
    return found
