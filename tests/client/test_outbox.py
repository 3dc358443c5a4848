"""The outbox: what it took is there after a crash, and what is signed stays as it was signed."""

import hashlib
import sqlite3
from pathlib import Path

import pytest

from chainnode.client.outbox import Outbox
from chainnode.errors import Corrupt, Rejected, Unavailable
from chainnode.types.codes import CORRUPT_STORE, DATA_IN_USE, WRONG_GENESIS_DATA, WRONG_KEY_DATA

GENESIS = bytes(32)
ANNA = "did:bid:anna"


def records(count: int, first: int = 0) -> list[tuple[str, bytes, bytes]]:
    return [("sha-256", hashlib.sha256(b"%d" % number).digest(), b"n") for number in range(first, first + count)]


def signed(taken) -> tuple[bytes, int]:
    return b"signed" + bytes([len(taken)]), 99


def test_a_parcel_holds_the_oldest_and_survives(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "box", GENESIS, ANNA)
    assert box.add(records(3)) == 1 and box.add(records(2, 3)) == 4
    parcel = box.pack(4, signed)
    assert parcel is not None and parcel.raw == b"signed\x04" and parcel.valid_until_ms == 99
    assert parcel.records == tuple(enumerate(records(4), start=1)) and box.counts() == (1, 4)
    box.close()
    again = Outbox(tmp_path / "box", GENESIS, ANNA)
    assert again.parcels() == [parcel] and again.counts() == (1, 4)
    again.settle(parcel)
    assert again.parcels() == [] and again.counts() == (1, 0)
    rest = again.pack(4, signed)
    assert rest is not None and rest.records == ((5, records(5)[4]),)
    assert again.pack(4, signed) is None
    again.close()


def test_places_are_never_given_twice(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "box", GENESIS, ANNA)
    box.add(records(2))
    parcel = box.pack(2, signed)
    assert parcel is not None
    box.settle(parcel)
    assert box.add(records(1)) == 3
    box.close()


def test_unpacked_records_wait_in_their_old_places(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "box", GENESIS, ANNA)
    box.add(records(3))
    parcel = box.pack(2, signed)
    assert parcel is not None
    box.unpack(parcel)
    again = box.pack(3, signed)
    assert again is not None and again.number != parcel.number and again.records == tuple(enumerate(records(3), start=1))
    box.close()


def test_a_failed_signature_leaves_the_records_waiting(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "box", GENESIS, ANNA)
    box.add(records(1))

    def cannot(_taken) -> tuple[bytes, int]:
        raise RuntimeError("no key")

    with pytest.raises(RuntimeError):
        box.pack(1, cannot)
    assert box.counts() == (1, 0)
    box.close()


def test_an_outbox_is_of_one_chain_one_sender_and_one_process(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "box", GENESIS, ANNA)
    with pytest.raises(Unavailable) as busy:
        Outbox(tmp_path / "box", GENESIS, ANNA)
    assert busy.value.code is DATA_IN_USE
    box.close()
    with pytest.raises(Rejected) as other_chain:
        Outbox(tmp_path / "box", b"\x01" * 32, ANNA)
    assert other_chain.value.code is WRONG_GENESIS_DATA
    with pytest.raises(Rejected) as other_sender:
        Outbox(tmp_path / "box", GENESIS, "did:bid:bob")
    assert other_sender.value.code is WRONG_KEY_DATA


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "box").write_bytes(b"not a database, " * 300)
    with pytest.raises(Corrupt) as damaged:
        Outbox(tmp_path / "box", GENESIS, ANNA)
    assert damaged.value.code is CORRUPT_STORE


def test_what_is_added_is_added_whole_or_not_at_all(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "box", GENESIS, ANNA)
    with pytest.raises((sqlite3.Error, Unavailable)):
        box.add([*records(2), ("sha-256", None, b"")])
    assert box.counts() == (0, 0)
    box.close()
