"""A node's settings: config.toml in its home folder, overridden by CHAINNODE_* in the environment.

`[peers] listen = "…"` in the file is `peers_listen` here and CHAINNODE_PEERS_LISTEN in the environment.
Every setting is described in `docs/configuration.md`.
"""

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from chainnode.bid import parse_did
from chainnode.did.methods import how_of
from chainnode.did.webmethod import did_of_url
from chainnode.errors import Malformed, Rejected
from chainnode.types.codes import BAD_CONFIG
from chainnode.vc.login import DOMAIN_BYTES_MAX as LOGIN_DOMAIN_BYTES_MAX

ENVIRONMENT_PREFIX = "CHAINNODE_"
CONFIG_FILE = "config.toml"


_MIB = 1024 * 1024
_WORDS = {"log_level": ("error", "warning", "info", "debug"), "log_format": ("json", "text")}
_RANGES = {
    "api_body_bytes_max": (1024, 256 * _MIB),
    "verify_threads": (1, 64),
    "storage_cache_bytes": (64 * 1024, 64 * 1024 * _MIB),
    "storage_write_buffer_bytes": (64 * 1024, 1024 * _MIB),
}


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of one node; paths are below `home` unless absolute."""

    home: Path
    node_name: str = field(default="node", metadata={"help": "Name in logs and status."})
    peers_listen: str = field(default="127.0.0.1:26656", metadata={"help": "host:port on which peers are accepted."})
    peers_dial: str = field(default="", metadata={"help": "Extra peers to dial: node_key_hex@host:port, separated by commas."})
    api_listen: str = field(default="127.0.0.1:26657", metadata={"help": "host:port of the HTTP API."})
    api_body_bytes_max: int = field(default=8 * 1024 * 1024, metadata={"help": "Largest HTTP request body."})
    resolver_web: bool = field(default=False, metadata={"help": "Whether did:web is resolved, by asking web servers on the internet."})
    resolver_chains: bool = field(
        default=True, metadata={"help": "Whether DIDs of chains on record here are resolved, by asking the resolvers on record."}
    )
    resolver_unsafe_endpoints: bool = field(
        default=False,
        metadata={"help": "Whether those are asked by plain http and at private addresses too: for devnets and private networks."},
    )
    resolver_web_host: str = field(
        default="", metadata={"help": "Host name for which DIDs of the ledger are served as did:web; empty: none."}
    )
    resolver_web_root: str = field(default="", metadata={"help": "The did:bid that is served as the did:web of that host itself."})
    credentials_issuer_key: str = field(
        default="", metadata={"help": "Sealed key with which the node issues credentials, under its keys' passphrase; empty: none."}
    )
    credentials_issuer_did: str = field(default="", metadata={"help": "DID whose document lists that key; empty: the key's own did:bid."})
    credentials_token_file: str = field(
        default="", metadata={"help": "File whose first line is the bearer token of who may have credentials issued."}
    )
    credentials_base_url: str = field(
        default="", metadata={"help": "URL under which the world reaches the status lists that the node serves; empty: api.listen."}
    )
    login_domains: str = field(
        default="", metadata={"help": "Applications that people log in to through this node, by domain, separated by commas; empty: none."}
    )
    gateway_settings: str = field(
        default="", metadata={"help": "Settings file of a relay whose routes this node runs (chainnode relay init); empty: none."}
    )
    keys_passphrase_file: str = field(
        default="", metadata={"help": "File whose first line opens the keys; else CHAINNODE_KEYS_PASSPHRASE, else a prompt."}
    )
    verify_threads: int = field(default=2, metadata={"help": "Threads that check signatures outside the event loop."})
    storage_cache_bytes: int = field(default=16 * 1024 * 1024, metadata={"help": "LevelDB block cache."})
    storage_write_buffer_bytes: int = field(default=16 * 1024 * 1024, metadata={"help": "LevelDB write buffer."})
    storage_keep_heights: int = field(
        default=0, metadata={"help": "Bodies and results of this many last heights are kept; 0 keeps all. Headers and commits stay."}
    )
    log_level: str = field(default="info", metadata={"help": "error, warning, info or debug."})
    log_format: str = field(default="json", metadata={"help": "json or text."})

    @property
    def genesis_path(self) -> Path:
        """The genesis file."""
        return self.home / "genesis.json"

    @property
    def validator_key_path(self) -> Path:
        """The sealed consensus key; absent on nodes that do not vote."""
        return self.home / "keys" / "validator.json"

    @property
    def node_key_path(self) -> Path:
        """The sealed network key."""
        return self.home / "keys" / "node.json"

    @property
    def issuer_key_path(self) -> Path | None:
        """The sealed key with which the node issues credentials; None when it issues none."""
        return self.home / self.credentials_issuer_key if self.credentials_issuer_key else None

    @property
    def gateway_path(self) -> Path | None:
        """The settings of the routes that the node runs; None when it is no gateway."""
        return self.home / self.gateway_settings if self.gateway_settings else None

    @property
    def data_path(self) -> Path:
        """The folder of LevelDB, journal and sign guard."""
        return self.home / "data"


def _bad(detail: str) -> Malformed:
    return Malformed(BAD_CONFIG, detail)


def _flatten(document: dict[str, object], source: Path) -> dict[str, object]:
    flat: dict[str, object] = {}
    for table, content in document.items():
        if not isinstance(content, dict):
            raise _bad(f"{source}: '{table}' stands outside of a table such as [api]")
        for name, value in content.items():
            flat[f"{table}_{name}"] = value
    return flat


def _dotted(name: str) -> str:
    return name.replace("_", ".", 1)


def _typed(name: str, value: object, kind: object, source: str) -> str | int | bool:
    if kind in (bool, "bool"):
        if str(value).lower() not in ("true", "false"):
            raise _bad(f"{source}: {_dotted(name)} must be true or false, not {value!r}")
        return str(value).lower() == "true"
    if kind in (int, "int"):
        text = str(value)
        if not (text.isascii() and text.isdecimal()) or len(text) > 18:
            raise _bad(f"{source}: {_dotted(name)} must be a whole number from 0 up, not {value!r}")
        return int(text)
    if not isinstance(value, str):
        raise _bad(f"{source}: {_dotted(name)} must be a text, not {value!r}")
    return value


def _check(config: Config) -> Config:
    for name, allowed in _WORDS.items():
        if getattr(config, name) not in allowed:
            raise _bad(f"{_dotted(name)} is {getattr(config, name)!r}; it is one of {', '.join(allowed)}")
    for name, (least, most) in _RANGES.items():
        if not least <= getattr(config, name) <= most:
            raise _bad(f"{_dotted(name)} is {getattr(config, name)}; it is between {least} and {most}")
    for name, check in _FORMS.items():
        try:
            check(getattr(config, name))
        except (Malformed, Rejected) as error:
            raise _bad(f"{_dotted(name)}: {error.detail}") from error
    peers_to_dial(config)
    login_domains(config)
    return config


def split_address(address: str) -> tuple[str, int]:
    """Host and port of "host:port"; Malformed(BAD_CONFIG) otherwise."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdecimal() or len(port) > 5 or int(port) > 65535:
        raise _bad(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)


_FORMS: dict[str, Callable[[str], object]] = {
    "peers_listen": split_address,
    "api_listen": split_address,
    "resolver_web_host": lambda host: host and did_of_url(f"https://{host}/.well-known/did.json"),
    "resolver_web_root": lambda did: did and parse_did(did),
    "credentials_issuer_did": lambda did: did and how_of(did),
    "credentials_base_url": lambda url: url and _check_url(url),
}


def _check_url(url: str) -> str:
    scheme, mark, host = url.partition("://")
    if scheme not in ("http", "https") or not mark or not host or any(one in host for one in "/?# "):
        raise _bad(f"{url!r} is not http:// or https:// and a host")
    return url


def login_domains(config: Config) -> tuple[str, ...]:
    """The domains of `login.domains`."""
    domains = tuple(filter(None, (part.strip() for part in config.login_domains.split(","))))
    for domain in domains:
        if not domain.isprintable() or " " in domain or len(domain.encode()) > LOGIN_DOMAIN_BYTES_MAX:
            raise _bad(f"login.domains: {domain!r} is no domain")
    return domains


def peers_to_dial(config: Config) -> tuple[tuple[bytes, tuple[str, int]], ...]:
    """Node keys and addresses of `peers.dial`."""
    found: list[tuple[bytes, tuple[str, int]]] = []
    for item in filter(None, (part.strip() for part in config.peers_dial.split(","))):
        key, _, address = item.partition("@")
        try:
            found.append((_node_key(key), split_address(address)))
        except ValueError:
            raise _bad(f"peers.dial: {item!r} does not begin with a node key of 64 hexadecimal digits and @") from None
        except Malformed as error:
            raise _bad(f"peers.dial: {error.detail}") from error
    return tuple(found)


def _node_key(text: str) -> bytes:
    key = bytes.fromhex(text)
    if len(key) != 32:
        raise ValueError(text)
    return key


def load_config(home: Path, environment: dict[str, str] | None = None) -> Config:
    """Settings of the node in `home`. Raises Malformed(BAD_CONFIG) naming the setting that is wrong."""
    environment = dict(os.environ) if environment is None else environment
    settings = {item.name: item for item in fields(Config) if item.name != "home"}
    path = home / CONFIG_FILE
    values: dict[str, str | int | bool] = {}
    if path.exists():
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise _bad(f"{path}: {error}") from error
        for name, value in _flatten(document, path).items():
            if name not in settings:
                raise _bad(f"{path}: there is no setting {_dotted(name)!r}")
            values[name] = _typed(name, value, settings[name].type, str(path))
    for name, item in settings.items():
        variable = ENVIRONMENT_PREFIX + name.upper()
        if variable in environment:
            values[name] = _typed(name, environment[variable], item.type, variable)
    return _check(_with(Config(home=home), values))


def _with(config: Config, values: Mapping[str, Any]) -> Config:
    return replace(config, **values)


def render_config(config: Config) -> str:
    """The text of a config.toml with every setting and what it means."""
    lines = ["# chainnode settings; each can be overridden by CHAINNODE_<TABLE>_<NAME> in the environment."]
    table = ""
    for item in fields(Config):
        if item.name == "home":
            continue
        head, _, name = item.name.partition("_")
        if head != table:
            lines += ["", f"[{head}]"]
            table = head
        value = getattr(config, item.name)
        lines.append(f"# {item.metadata['help']}")
        # A JSON text is a TOML text too; a path may have quotation marks and backslashes.
        lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"
