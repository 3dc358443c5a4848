"""The checksum in C is zlib's; each of its rules, bent, is noticed."""

import importlib
import os
import random
import subprocess
import sys
import threading
import zlib

import pytest

from tests.native.compiled import load_bent

try:
    native = importlib.import_module("chainnode.native._bulk")
except ImportError:
    pytest.skip("the C code was not built here, or CHAINNODE_NATIVE=0", allow_module_level=True)

DICE = random.Random(32)
TEXT = DICE.randbytes(1_000_000)
STARTS = [0, 1, 0x80000000, 0xFFFFFFFF, *(DICE.getrandbits(32) for _ in range(3))]


def agree(module, lengths=range(601), places=range(17), starts=STARTS):
    """Whether both give the same: of texts of these lengths, at each of these places and starts in turn."""
    view = memoryview(TEXT)
    return all(
        module.crc32(view[place : place + length], start) == zlib.crc32(view[place : place + length], start)
        for length in lengths
        for place, start in zip(places, starts * 3, strict=False)
    )


def test_texts_of_all_lengths():
    assert agree(native)


def test_long_texts():
    assert agree(
        native, [DICE.randrange(len(TEXT) - 17) for _ in range(20)] + [128 * 1024 - 1, 128 * 1024, len(TEXT) - 17], starts=STARTS[:3]
    )


def test_texts_in_pieces():
    for length in (0, 1, 15, 16, 17, 127, 128, 129, 300):
        for split in range(length + 1):
            assert native.crc32(TEXT[split:length], native.crc32(TEXT[:split])) == zlib.crc32(TEXT[:length])


def test_each_bit_counts():
    for bit in range(8 * 200):
        text = bytearray(200)
        text[bit // 8] = 1 << bit % 8
        assert native.crc32(text) == zlib.crc32(text)


def test_what_it_takes_is_what_zlib_takes():
    for data in (b"abc", bytearray(b"abc"), memoryview(b"abc"), memoryview(b"abc")[:0]):
        for start in (-1, 2**32, 2**32 + 7, -(2**31), 5, True):
            assert native.crc32(data, start) == zlib.crc32(data, start)


@pytest.mark.parametrize("arguments", [(), ("text",), (b"", "1"), (b"", 1.0), (b"", 1, 2), (7,), (memoryview(TEXT)[::2],)], ids=range(7))
def test_what_is_no_data_is_refused(arguments):
    errors = []
    for function in (native.crc32, zlib.crc32):
        with pytest.raises((TypeError, BufferError)) as raised:
            function(*arguments)
        errors.append(raised.type)
    assert errors[0] is errors[1]


def test_threads_do_not_disturb_each_other():
    found = []
    threads = [threading.Thread(target=lambda: found.append(native.crc32(TEXT, 9))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [zlib.crc32(TEXT, 9)] * 4


def test_it_is_chosen_where_it_is_fast():
    code = "import zlib; from chainnode.storage import checksum; print(checksum.crc32 is zlib.crc32)"
    for chosen, plainly in (("0", True), ("1", not native.HAS_CRC32_X86)):
        environment = {**os.environ, "CHAINNODE_NATIVE": chosen}
        ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60)
        assert ran.stdout.split() == [str(plainly)]


def test_the_portable_one(objects):
    """A byte at a time, as where the processor cannot."""
    assert agree(load_bent(objects, "crc32.c", "is_folding = has_crc32_x86();", "is_folding = 0;", name="_bulk"))


X86 = "crc32_x86.c"
BENT = {
    "the polynomial": ("crc32.c", "0xedb88320", "0xedb88321"),
    "what comes first": ("crc32.c", "remainder = ~before;", "remainder = before;"),
    "what comes last": ("crc32.c", "return ~remainder;", "return remainder;"),
    "the rest": ("crc32.c", "for (bytes += folded; bytes < end;", "for (bytes += folded; bytes + 1 < end;"),
    "what was before is folded in": (X86, "_mm_cvtsi32_si128((int)remainder)", "_mm_setzero_si128()"),
    "four at a time": (X86, "end - bytes >= 64", "end - bytes >= 48"),
    "when there are four": (X86, "if (size >= 128) {", "if (size >= 48) {"),
    "the second of four": (X86, "second = fold(second, far, load(bytes + 16));", "second = fold(second, far, load(bytes + 32));"),
    "the power 544": (X86, "0x154442bd4", "0x154442bd5"),
    "the power 480": (X86, "0x1c6e41596", "0x1c6e41597"),
    "the power 160": (X86, "0x1751997d0", "0x1751997d1"),
    "the power 96": (X86, "0x0ccaa009e", "0x0ccaa009f"),
    "the power 64": (X86, "0x163cd6124", "0x163cd6125"),
    "the quotient": (X86, "0x1f7011641", "0x1f7011640"),
    "the polynomial, turned": (X86, "0x1db710641", "0x1db710643"),
}


@pytest.mark.parametrize("name", BENT)
def test_a_bent_rule_is_noticed(objects, name):
    file, find, replace = BENT[name]
    if file == X86 and not native.HAS_CRC32_X86:
        pytest.skip("this processor does not multiply without carry")
    assert not agree(load_bent(objects, file, find, replace, name="_bulk"))
