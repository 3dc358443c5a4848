"""The packer: one transaction goes at once, many gather, a batch keeps to its limits."""

from dataclasses import replace

import pytest

from chainnode.digests import batch_digest
from chainnode.genesisfile import PARAM_BOUNDS
from chainnode.mempool import packer
from chainnode.mempool.packer import Packer
from chainnode.sheets import PlainSheet, read_sheet
from chainnode.transactions import decode_batch, decode_transaction, encode_batch, encode_transaction
from chainnode.types.limits import BATCH_BYTES_MAX, PACK_MS, TX_BYTES_MAX
from chainnode.types.transaction import Signature
from tests.sim.chain import make_tx


def tx(number: int):
    return make_tx(number, 10**13)


def test_an_idle_packer_wants_to_send_at_once_and_a_busy_one_gathers():
    one = Packer()
    assert one.wait_ms(0) is None
    one.add(tx(1))
    assert one.wait_ms(100) == 0
    one.flush(100)
    assert one.wait_ms(100) is None
    one.add(tx(2))
    assert one.wait_ms(100) == PACK_MS
    assert one.wait_ms(100 + PACK_MS - 1) == 1
    assert one.wait_ms(100 + PACK_MS) == one.wait_ms(100 + PACK_MS + 50) == 0


def test_a_batch_holds_what_waited_in_its_order():
    one = Packer()
    txs = [tx(3), tx(1), tx(2)]
    for each in txs:
        one.add(each)
    assert one.holds_tx(tx(1).tx_id)
    batch = one.flush(0)
    assert batch.txs == tuple(txs) == decode_batch(batch.batch_bytes)
    assert batch.digest == batch_digest(batch.batch_bytes)
    assert len(one) == 0
    assert not one.holds_tx(tx(1).tx_id)


def test_a_transaction_waits_once():
    one = Packer()
    one.add(tx(1))
    with pytest.raises(AssertionError):
        one.add(tx(1))


def test_a_batch_has_so_many_transactions(monkeypatch):
    monkeypatch.setattr(packer, "BATCH_TXS_MAX", 2)
    one = Packer()
    for number in (1, 2):
        assert one.has_room(tx(number))
        one.add(tx(number))
    assert not one.has_room(tx(3))
    one.flush(0)
    assert one.has_room(tx(3))


def test_a_batch_has_so_many_bytes(monkeypatch):
    size = len(encode_batch([tx(1).raw, tx(2).raw]))
    monkeypatch.setattr(packer, "BATCH_BYTES_MAX", size + 20)
    one = Packer()
    one.add(tx(1))
    assert one.has_room(tx(2))
    one.add(tx(2))
    assert not one.has_room(tx(3))
    assert size <= one.bytes
    assert len(one.flush(0).batch_bytes) == size


def test_the_largest_transaction_fits_into_a_batch_and_that_into_the_smallest_block():
    one, largest = Packer(), replace(tx(1), raw=bytes(TX_BYTES_MAX))
    assert one.has_room(largest)
    one.add(largest)
    assert len(one.flush(0).batch_bytes) <= BATCH_BYTES_MAX <= PARAM_BOUNDS["block_bytes_max"][0]


def test_an_empty_batch_is_never_made():
    with pytest.raises(AssertionError):
        Packer().flush(0)


def test_a_packed_batch_is_held_by_columns_like_one_that_came_so():
    """The node that packs single transactions would else apply them the slow way."""
    txs = [tx(1), tx(2)]
    one = Packer()
    for each in txs:
        one.add(each)
    batch = one.flush(0)
    assert type(batch.sheet) is type(read_sheet(batch.batch_bytes)) is not PlainSheet
    assert (batch.ids, batch.sheet.speakers) == (PlainSheet(txs).ids, PlainSheet(txs).speakers)


def test_what_has_no_columns_is_held_as_it_was_read():
    named = tx(1)
    odd = decode_transaction(encode_transaction(named.body_bytes, [Signature("z", b"\x04" + bytes(64), bytes(64))]))
    one = Packer()
    one.add(odd)
    assert one.flush(0).txs[0] is odd
