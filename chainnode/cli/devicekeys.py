"""Files of device keys: many private keys under one seal, or public keys with signatures that the devices made themselves."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chainnode.cli.usage import UsageError
from chainnode.crypto.keystore import IV_BYTES, SALT_BYTES, open_bytes, seal_bytes
from chainnode.crypto.suites import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, PrivateKey, generate
from chainnode.errors import Malformed, Rejected
from chainnode.storage.files import save_new
from chainnode.types.codes import BAD_KEY_FILE, KEY_FILE_EXISTS
from chainnode.types.limits import DEVICE_FILE_KEYS_MAX
from contracts.devices import SUITE

FORMAT = "chainnode-device-keys"
VERSION = 1
_SECRET_BYTES = 32
_FILE_BYTES_MAX = DEVICE_FILE_KEYS_MAX * 256 + 4096  # the longer form: a line of a key and a signature
_HEX_MAX = DEVICE_FILE_KEYS_MAX * 2 * _SECRET_BYTES + 64


@dataclass(frozen=True, slots=True)
class DeviceFile:
    """What a file holds: public keys, and for each a signature, or a sealed private key (`sealed` is then the file's JSON)."""

    keys: tuple[bytes, ...]
    signatures: tuple[bytes, ...] = ()
    sealed: dict[str, object] | None = None

    def open(self, passphrase: str) -> tuple[PrivateKey, ...]:
        """The private keys. Malformed(BAD_PASSPHRASE), (BAD_KEY_FILE)."""
        assert self.sealed is not None
        content = open_bytes(self.sealed, passphrase, associated=_associated(self.keys), hex_max=_HEX_MAX)
        found = tuple(generate(SUITE, content[at : at + _SECRET_BYTES]) for at in range(0, len(content), _SECRET_BYTES))
        if tuple(key.public for key in found) != self.keys:
            raise Malformed(BAD_KEY_FILE, "the public keys of the file are not those of its private keys")
        return found


def draw(count: int) -> tuple[PrivateKey, ...]:
    """New keys from this machine's randomness."""
    return tuple(generate(SUITE, secrets.token_bytes(_SECRET_BYTES)) for _ in range(count))


def save(path: Path, keys: Sequence[PrivateKey], passphrase: str) -> None:
    """Seal keys into a new file, which only its owner can read. Rejected(KEY_FILE_EXISTS)."""
    public = tuple(key.public for key in keys)
    sealed = seal_bytes(
        b"".join(key.secret for key in keys),
        passphrase,
        salt=secrets.token_bytes(SALT_BYTES),
        iv=secrets.token_bytes(IV_BYTES),
        associated=_associated(public),
    )
    document = {"format": FORMAT, "version": VERSION, "public_keys": [key.hex() for key in public], **sealed}
    save_private(path, json.dumps(document, indent=1))


def save_private(path: Path, text: str) -> None:
    """A new file that only its owner can read."""
    try:
        save_new(path, text.encode() + b"\n")
    except FileExistsError as error:
        raise Rejected(KEY_FILE_EXISTS, f"{path} is there already; move it away if you mean it") from error


def load(path: Path) -> DeviceFile:
    """Either kind of file: ours, or lines of `PUBLIC-KEY SIGNATURE` in hexadecimal, with a comma or blanks between."""
    try:
        with path.open("rb") as opened:
            content = opened.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > _FILE_BYTES_MAX:
        raise Malformed(BAD_KEY_FILE, f"{path} is longer than {DEVICE_FILE_KEYS_MAX:,} devices need")
    text = content.decode("utf-8", "replace")
    found = _from_json(path, text) if text.lstrip().startswith("{") else _from_lines(path, text)
    if not 0 < len(found.keys) <= DEVICE_FILE_KEYS_MAX:
        raise Malformed(BAD_KEY_FILE, f"{path} holds {len(found.keys):,} devices; 1 to {DEVICE_FILE_KEYS_MAX:,} are taken")
    if len(dict.fromkeys(found.keys)) != len(found.keys):
        raise Malformed(BAD_KEY_FILE, f"{path} holds a key twice")
    return found


def _from_json(path: Path, text: str) -> DeviceFile:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed(BAD_KEY_FILE, f"{path} is not JSON") from None
    listed = document.get("public_keys")
    if document.get("format") != FORMAT or document.get("version") != VERSION or not isinstance(listed, list):
        raise Malformed(BAD_KEY_FILE, f"{path} is not a {FORMAT} file of version {VERSION}")
    return DeviceFile(tuple(_hex(path, number, one, PUBLIC_KEY_BYTES[SUITE]) for number, one in enumerate(listed, start=1)), (), document)


def _from_lines(path: Path, text: str) -> DeviceFile:
    keys, signatures = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        parts = line.partition("#")[0].replace(",", " ").split()
        if not parts:
            continue
        if len(parts) != 2:
            raise Malformed(BAD_KEY_FILE, f"{path}, line {number}: a public key and a signature are wanted")
        keys.append(_hex(path, number, parts[0], PUBLIC_KEY_BYTES[SUITE]))
        signatures.append(_hex(path, number, parts[1], SIGNATURE_BYTES))
    return DeviceFile(tuple(keys), tuple(signatures))


def _hex(path: Path, number: int, value: object, length: int) -> bytes:
    try:
        content = bytes.fromhex(str(value))
    except ValueError:
        content = b""
    if len(content) != length:
        raise Malformed(BAD_KEY_FILE, f"{path}, entry {number}: {2 * length} hexadecimal digits are wanted")
    return content


def _associated(public: Sequence[bytes]) -> bytes:
    """What the seal binds besides the secrets."""
    return f"{FORMAT}/{VERSION}\x00".encode() + hashlib.sha256(b"".join(public)).digest()
