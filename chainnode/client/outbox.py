"""An outbox on disk: evidence records that wait, and the signed transactions that carry them to the ledger.

One SQLite file of one process. What `add` has returned for survives a crash, and a transaction is on disk before it is sent, so the
same bytes are sent again rather than the same records under another id. Blocking; about 10 us a record and 1 ms a commit.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chainnode.client.anchoring import Record
from chainnode.errors import Corrupt, Rejected, Unavailable
from chainnode.types.codes import CORRUPT_STORE, DATA_IN_USE, DISK_FAILED, WRONG_GENESIS_DATA, WRONG_KEY_DATA

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (genesis BLOB NOT NULL, sender TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS parcels (number INTEGER PRIMARY KEY AUTOINCREMENT, raw BLOB NOT NULL, valid_until_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    place INTEGER PRIMARY KEY AUTOINCREMENT, algorithm TEXT NOT NULL, digest BLOB NOT NULL, meta BLOB NOT NULL, parcel INTEGER
);
CREATE INDEX IF NOT EXISTS by_parcel ON records (parcel, place);
"""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A signed transaction and the records in it, by their places in the outbox, ascending."""

    number: int
    raw: bytes
    valid_until_ms: int
    records: tuple[tuple[int, Record], ...]


class Outbox:
    """Opened by one process at a time, for one sender on one chain.

    Unavailable(DATA_IN_USE), (DISK_FAILED), Rejected(WRONG_GENESIS_DATA), (WRONG_KEY_DATA), Corrupt(CORRUPT_STORE).
    """

    def __init__(self, path: Path, genesis_hash: bytes, sender: str) -> None:
        self._path = path
        try:
            self._db = sqlite3.connect(path, timeout=0.0, isolation_level=None, check_same_thread=False)
            self._run("PRAGMA locking_mode=EXCLUSIVE")
            self._run("PRAGMA journal_mode=WAL")
            self._run("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            about = self._run("SELECT genesis, sender FROM about").fetchone()
            if about is None:
                self._run("INSERT INTO about VALUES (?, ?)", genesis_hash, sender)
        except sqlite3.Error as error:
            raise _told(path, error) from error
        if about is not None and about != (genesis_hash, sender):
            self.close()
            if about[0] != genesis_hash:
                raise Rejected(WRONG_GENESIS_DATA, f"{path} holds records for another chain")
            raise Rejected(WRONG_KEY_DATA, f"{path} holds records that {about[1]} signs, not {sender}")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def add(self, records: Sequence[Record]) -> int:
        """Take records, all or none, to the end of those that wait; the place of the first."""
        with _Transaction(self):
            self._db.executemany("INSERT INTO records (algorithm, digest, meta) VALUES (?, ?, ?)", records)
            (last,) = self._run("SELECT max(place) FROM records").fetchone()
        return int(last) - len(records) + 1

    def counts(self) -> tuple[int, int]:
        """How many records wait, and how many are in parcels."""
        row = self._run("SELECT count(*) FILTER (WHERE parcel IS NULL), count(parcel) FROM records").fetchone()
        return int(row[0]), int(row[1])

    def parcels(self) -> list[Parcel]:
        """Those that are under way, the oldest first."""
        rows = self._run("SELECT number, raw, valid_until_ms FROM parcels ORDER BY number").fetchall()
        return [Parcel(number, raw, valid_until_ms, self._records("parcel = ?", number)) for number, raw, valid_until_ms in rows]

    def pack(self, count: int, sign: Callable[[Sequence[Record]], tuple[bytes, int]]) -> Parcel | None:
        """Put the first `count` that wait into a parcel; `sign` makes the transaction's bytes and says until when it counts (ms)."""
        taken = self._records("parcel IS NULL ORDER BY place LIMIT ?", count)
        if not taken:
            return None
        raw, valid_until_ms = sign([record for _, record in taken])
        with _Transaction(self):
            number = self._run("INSERT INTO parcels (raw, valid_until_ms) VALUES (?, ?)", raw, valid_until_ms).lastrowid
            assert number is not None
            self._run("UPDATE records SET parcel = ? WHERE parcel IS NULL AND place <= ?", number, taken[-1][0])
        return Parcel(number, raw, valid_until_ms, taken)

    def settle(self, parcel: Parcel) -> None:
        """Forget a parcel with its records: the ledger has them."""
        with _Transaction(self):
            self._run("DELETE FROM records WHERE parcel = ?", parcel.number)
            self._run("DELETE FROM parcels WHERE number = ?", parcel.number)

    def unpack(self, parcel: Parcel) -> None:
        """Let the records of a parcel wait again, in their old places: its transaction will never count."""
        with _Transaction(self):
            self._run("UPDATE records SET parcel = NULL WHERE parcel = ?", parcel.number)
            self._run("DELETE FROM parcels WHERE number = ?", parcel.number)

    def _records(self, which: str, value: int) -> tuple[tuple[int, Record], ...]:
        rows = self._run(f"SELECT place, algorithm, digest, meta FROM records WHERE {which}", value).fetchall()
        return tuple((int(place), (algorithm, digest, meta)) for place, algorithm, digest, meta in rows)

    def _run(self, text: str, *values: object) -> sqlite3.Cursor:
        return self._db.execute(text, values)


class _Transaction:
    """All or nothing, on disk at its end."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def __enter__(self) -> None:
        self._outbox._run("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            self._outbox._run("ROLLBACK" if error is not None else "COMMIT")
        except sqlite3.Error as broken:
            raise _told(self._outbox._path, broken) from broken
        if isinstance(error, sqlite3.Error):
            raise _told(self._outbox._path, error) from error


def _told(path: Path, error: sqlite3.Error) -> Unavailable | Corrupt:
    """What SQLite says, in our words."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable(DATA_IN_USE, f"{path} is open in another process")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return Corrupt(CORRUPT_STORE, f"{path}: {error}")
    return Unavailable(DISK_FAILED, f"{path}: {error}")
