"""Home folders of nodes: keys, genesis and settings, for one node or for a whole network on this machine."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from chainnode.bid import did_of
from chainnode.crypto import keys
from chainnode.crypto.keystore import IV_BYTES, SALT_BYTES, open_sealed, seal
from chainnode.crypto.suites import PrivateKey, generate
from chainnode.errors import Malformed, Rejected
from chainnode.genesisfile import genesis_from_json, genesis_to_json
from chainnode.node.config import CONFIG_FILE, Config, render_config
from chainnode.storage.keys import load_key_file, save_key_file
from chainnode.types.codes import BAD_CONFIG, BAD_GENESIS, HOME_EXISTS
from chainnode.types.genesis import ChainParams, Genesis, GenesisGrant, GenesisValidator

PEER_PORT, API_PORT, PORTS_PER_NODE = 6, 7, 10  # node i: peers on base + 10 i + 6, API on base + 10 i + 7
POWER = 10
PASSPHRASE_FILE = "passphrase"


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """The keys of one validator: its operator's identity, its votes, its connections."""

    operator: PrivateKey
    validator: PrivateKey
    node: PrivateKey

    @property
    def operator_did(self) -> str:
        """The operator."""
        return did_of(self.operator.suite, self.operator.public)


def load_genesis(path: Path) -> Genesis:
    """The genesis in a file; Malformed(BAD_GENESIS) says what is wrong with it."""
    try:
        return genesis_from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(BAD_GENESIS, f"{path}: {getattr(error, 'strerror', None) or error}") from error
    except Malformed as error:
        raise Malformed(error.code, f"{path}: {error.detail}") from error


def new_key(suite: str = "e") -> PrivateKey:
    """A key from the machine's randomness."""
    return generate(suite, secrets.token_bytes(32))


def save_key(path: Path, key: PrivateKey, passphrase: str) -> None:
    """Seal a key into a new file."""
    save_key_file(path, seal(key, passphrase, salt=secrets.token_bytes(SALT_BYTES), iv=secrets.token_bytes(IV_BYTES)))


def load_key(path: Path, passphrase: str) -> PrivateKey:
    """Open a sealed key file; what is wrong with it is told with its name."""
    document = load_key_file(path)
    try:
        return open_sealed(document, passphrase)
    except Malformed as error:
        raise Malformed(error.code, f"{path}: {error.detail}") from error


def write_home(config: Config, genesis: Genesis, node_keys: NodeKeys | None, passphrase: str) -> None:
    """Make a node's home folder. Rejected(HOME_EXISTS) when it has a genesis already."""
    if config.genesis_path.exists():
        raise Rejected(HOME_EXISTS, f"{config.home} holds a node already")
    config.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (config.home / CONFIG_FILE).write_text(render_config(config), encoding="utf-8")
    if node_keys is not None:
        save_key(config.validator_key_path, node_keys.validator, passphrase)
        save_key(config.node_key_path, node_keys.node, passphrase)
        save_key(config.home / "keys" / "operator.json", node_keys.operator, passphrase)
    config.genesis_path.write_text(genesis_to_json(genesis), encoding="utf-8")


def make_genesis(chain_id: str, time_ns: int, members: list[tuple[str, NodeKeys, str]], params: ChainParams) -> Genesis:
    """A genesis with these validators (name, keys, peer address), whose operators are the super nodes."""
    return Genesis(
        chain_id=chain_id,
        time_ns=time_ns,
        params=params,
        validators=tuple(
            GenesisValidator(one.operator_did, name, keys.public_key_of(one.validator), POWER, one.node.public, address)
            for name, one, address in members
        ),
        grants=tuple(GenesisGrant(one.operator_did, "super", 0) for _, one, _ in members),
    )


def write_passphrase(folder: Path) -> Path:
    """A file, readable by its owner alone, with a passphrase drawn at random; an existing one is kept."""
    path = folder / PASSPHRASE_FILE
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with os.fdopen(file, "w") as opened:
        opened.write(secrets.token_urlsafe(24) + "\n")
    return path


def read_passphrase_file(path: Path) -> str:
    """The first line of a passphrase file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(BAD_CONFIG, f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if not lines or not lines[0]:
        raise Malformed(BAD_CONFIG, f"{path} holds no passphrase")
    return lines[0]


def write_network(
    folder: Path, *, chain_id: str, validators: int, port: int, time_ns: int, params: ChainParams, prefix: str = ""
) -> list[Path]:
    """Homes of a network of validators on this machine, all keys sealed with the passphrase in `folder`; the homes in order.

    The nodes are called `prefix` and the name of their home. They resolve DIDs of other chains on this machine too.
    """
    passphrase_path = write_passphrase(folder)
    passphrase = read_passphrase_file(passphrase_path)
    members = [
        (f"{prefix}super-{i + 1}", NodeKeys(new_key(), new_key(), new_key()), _address(port, i, PEER_PORT)) for i in range(validators)
    ]
    genesis = make_genesis(chain_id, time_ns, members, params)
    homes: list[Path] = []
    for number, (name, node_keys, address) in enumerate(members):
        config = Config(
            home=folder / f"super-{number + 1}",
            node_name=name,
            peers_listen=address,
            api_listen=_address(port, number, API_PORT),
            resolver_unsafe_endpoints=True,
            keys_passphrase_file=str(passphrase_path.resolve()),
        )
        write_home(config, genesis, node_keys, passphrase)
        homes.append(config.home)
    (folder / "genesis.json").write_text(genesis_to_json(genesis), encoding="utf-8")
    return homes


def _address(port: int, number: int, offset: int) -> str:
    return f"127.0.0.1:{port + PORTS_PER_NODE * number + offset}"
