"""The sign guard: what a validator key signed last, on disk before the signature leaves the node.

Two slots of one disk sector each; a record goes to the older one, so the newer stands until it is complete.
A disk writes a sector whole or not at all, hence a damaged slot is damage, not an interrupted write, and the guard
refuses to guess: forgetting a signature could mean signing twice (INV-7).
"""

import fcntl
import os
import zlib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from struct import Struct

from chainnode.errors import Corrupt, Rejected, Unavailable
from chainnode.storage.files import explained, save_new, write_all
from chainnode.types.codes import CORRUPT_STORE, DATA_IN_USE, DISK_FAILED, DOUBLE_SIGN, SIGN_BEHIND, WRONG_KEY_DATA

SLOT_BYTES = 512
ROUND_MAX = 2**31 - 1  # CometBFT's int32: no round is higher
PROPOSAL_STEP, PREVOTE_STEP, PRECOMMIT_STEP = 1, 2, 3  # the order in which a validator signs within a round
_MAGIC = b"cnguard1"
_SIGNATURE_BYTES_MAX = 96
_FIELDS = Struct(f">8sQ20sQIB32sqB{_SIGNATURE_BYTES_MAX}s")
_CHECKSUM = Struct(">I")

Place = tuple[int, int, int]  # height, round, step


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that was made before, with the time that it covers."""

    time_ns: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class _Record:
    count: int  # of all records before this one
    place: Place
    digest: bytes  # sha256 of what was signed, its time left out
    signed: Signed


class SignGuard:
    """The guard of one validator key. Use `SignGuard.open`; the file is locked while it is open."""

    def __init__(self, path: Path, address: bytes, file: int, last: _Record) -> None:
        self._path = path
        self._address = address
        self._file = file
        self._last = last
        self._failed = False

    @staticmethod
    def open(path: Path, address: bytes, *, create: bool) -> "SignGuard":
        """The guard in `path` for the validator `address` (20 bytes). `create` makes one for a key that never signed.

        Corrupt(WRONG_KEY_DATA) for another key's guard; Corrupt(CORRUPT_STORE) when it is damaged or missing.
        """
        assert len(address) == 20
        try:
            if create and not path.exists():
                first = [_Record(count, (0, 0, 0), bytes(32), Signed(0, b"")) for count in (0, 1)]
                save_new(path, b"".join(_encode(record, address) for record in first))
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise Corrupt(CORRUPT_STORE, f"{path} is missing: what this key signed last is not known") from error
        except OSError as error:
            raise explained(error, path) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fdatasync(file)  # a killed process may have written what it did not sync, and what is read here may leave the node
            content = os.pread(file, 2 * SLOT_BYTES + 1, 0)
            if len(content) != 2 * SLOT_BYTES:
                raise Corrupt(CORRUPT_STORE, f"{path} has the wrong length")
            records = [_decode(content[at : at + SLOT_BYTES], address, path) for at in (0, SLOT_BYTES)]
            if any(record.count % 2 != slot for slot, record in enumerate(records)) or abs(records[0].count - records[1].count) != 1:
                raise Corrupt(CORRUPT_STORE, f"{path} holds records that do not follow each other")
        except BlockingIOError as error:
            os.close(file)
            raise Unavailable(DATA_IN_USE, f"{path} is open in another process") from error
        except OSError as error:
            os.close(file)
            raise explained(error, path) from error
        except BaseException:
            os.close(file)
            raise
        return SignGuard(path, address, file, max(records, key=lambda record: record.count))

    def last(self) -> Place:
        """Height, round and step of the last signature; zeros before the first."""
        return self._last.place

    def check(self, height: int, round: int, step: int, content: bytes) -> Signed | None:
        """None when the key may sign `content` there; the earlier signature when it has signed the same.

        `content` is the sign bytes with the time left out, as two votes that differ in time alone are no double vote.
        Rejected(DOUBLE_SIGN) when it has signed something else, Rejected(SIGN_BEHIND) when it has signed further on.
        """
        place = (height, round, step)
        if place > self._last.place:
            return None
        if place < self._last.place:
            raise Rejected(SIGN_BEHIND, f"signed at {_told(self._last.place)} already, asked for {_told(place)}")
        if sha256(content).digest() != self._last.digest:
            raise Rejected(DOUBLE_SIGN, f"signed something else at {_told(place)}")
        return self._last.signed

    def record(self, height: int, round: int, step: int, content: bytes, *, time_ns: int, signature: bytes) -> None:
        """Remember a signature; it may leave the node once this returns. `check` must have answered None."""
        place = (height, round, step)
        assert place > self._last.place, "only what was checked may be signed"
        assert 0 < len(signature) <= _SIGNATURE_BYTES_MAX
        self._write(_Record(self._last.count + 1, place, sha256(content).digest(), Signed(time_ns, signature)))

    def bar(self, height: int) -> None:
        """Sign nothing any more up to this height, which is the last one signed: what the key is locked on there is not known.

        A vote in a later round is no double vote, but one against the own lock breaks agreement just so (INV-7, INV-9). Before its first
        precommit a key is locked on nothing: then a chain that cannot do without this validator can go on.
        """
        assert height == self._last.place[0]
        if (height, 0, PREVOTE_STEP) < self._last.place < (height, ROUND_MAX, PRECOMMIT_STEP):
            self._write(_Record(self._last.count + 1, (height, ROUND_MAX, PRECOMMIT_STEP), bytes(32), Signed(0, b"")))

    def _write(self, record: _Record) -> None:
        if self._failed:
            raise Corrupt(DISK_FAILED, f"{self._path} could not be written before")
        try:
            write_all(self._file, _encode(record, self._address), record.count % 2 * SLOT_BYTES)
            os.fdatasync(self._file)
        except OSError as error:
            self._failed = True  # what the disk holds now is unknown until it is read again
            raise explained(error, self._path) from error
        self._last = record

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)


def _encode(record: _Record, address: bytes) -> bytes:
    height, round, step = record.place
    signature = record.signed.signature
    fields = _FIELDS.pack(
        _MAGIC, record.count, address, height, round, step, record.digest, record.signed.time_ns, len(signature), signature
    )
    padded = fields.ljust(SLOT_BYTES - _CHECKSUM.size, b"\x00")
    return padded + _CHECKSUM.pack(zlib.crc32(padded))


def _decode(slot: bytes, address: bytes, path: Path) -> _Record:
    magic, count, owner, height, round, step, digest, time_ns, length, signature = _FIELDS.unpack_from(slot)
    if magic != _MAGIC or slot[-_CHECKSUM.size :] != _CHECKSUM.pack(zlib.crc32(slot[: -_CHECKSUM.size])):
        raise Corrupt(CORRUPT_STORE, f"{path} is damaged: what this key signed last is not known")
    if owner != address:
        raise Corrupt(WRONG_KEY_DATA, f"{path} guards the key {owner.hex()}, not {address.hex()}")
    return _Record(count, (height, round, step), digest, Signed(time_ns, signature[:length]))


def _told(place: Place) -> str:
    return f"height {place[0]}, round {place[1]}, step {place[2]}"
