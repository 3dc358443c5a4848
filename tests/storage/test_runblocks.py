"""Blocks of a run are read as they were written, by the plain functions too, and damage is told."""

import pytest

from chainnode.storage.runblocks import BLOCK_BYTES, entries_in, read_blocks, read_plainly, write_blocks, write_plainly

WIDTH = 48
ENTRIES = b"".join([number.to_bytes(32, "big") + bytes(16) for number in range(200)])


@pytest.fixture(params=[(write_blocks, read_blocks), (write_plainly, read_plainly)], ids=["quickest", "plain"])
def ways(request):
    """How blocks are written and read."""
    return request.param


def test_entries_come_back(ways):
    write, read = ways
    blocks, firsts = write(ENTRIES, WIDTH)
    assert len(blocks) == 3 * BLOCK_BYTES and len(firsts) == 3 * 32 and entries_in(WIDTH) == 85
    assert firsts == b"".join([ENTRIES[at * 85 * WIDTH :][:32] for at in range(3)])
    assert read(blocks, WIDTH, firsts) == ENTRIES + bytes(55 * WIDTH)
    assert write(b"", WIDTH) == (b"", b"") and read(b"", WIDTH, b"") == b""


@pytest.mark.parametrize("at", [0, 31, 32, 4_000, 4_095, 4_096, 2 * 4_096 + 4_091])
def test_a_flipped_bit_is_told(ways, at):
    write, read = ways
    blocks, firsts = write(ENTRIES, WIDTH)
    spoiled = blocks[:at] + bytes([blocks[at] ^ 4]) + blocks[at + 1 :]
    assert read(spoiled, WIDTH, firsts) == at // BLOCK_BYTES


def test_a_block_in_the_place_of_another_is_told(ways):
    write, read = ways
    blocks, firsts = write(ENTRIES, WIDTH)
    assert read(blocks[:BLOCK_BYTES] + blocks[: 2 * BLOCK_BYTES], WIDTH, firsts) == 1
