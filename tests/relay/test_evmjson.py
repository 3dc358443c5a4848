"""The JSON of Ethereum's RPC, read: a real header as a node shows it, and what is of no form."""

import pytest

from chainnode.errors import Malformed
from chainnode.foreign import rlp, trie
from chainnode.foreign.qbft import decode_header
from chainnode.relay import evmjson
from tests.evm.qbft_front import NAMES, NUMBERS
from tests.foreign.test_qbft import REAL_HEADER

FORM = {
    name: hex(int.from_bytes(content, "big")) if name in NUMBERS else "0x" + content.hex()
    for name, content in zip(NAMES, rlp.as_list(rlp.decode(REAL_HEADER)), strict=True)
}
LOG = {"address": "0x" + "11" * 20, "topics": ["0x" + "22" * 32], "data": "0x0102", "blockNumber": "0x7"}


def test_a_header_is_the_one_that_was_sealed():
    assert evmjson.header(FORM) == REAL_HEADER
    assert evmjson.header(FORM | {"hash": "0x00", "uncles": [], "baseFeePerGas": None}) == REAL_HEADER
    later = FORM | {"baseFeePerGas": "0x0", "withdrawalsRoot": "0x" + "33" * 32, "parentBeaconBlockRoot": "0x" + "44" * 32}
    assert rlp.as_list(rlp.decode(evmjson.header(later)))[15:] == (b"", b"\x33" * 32)  # a gap ends the header
    assert decode_header(evmjson.header(later)).height == 7528


@pytest.mark.parametrize(
    "changes", [{"number": "7528"}, {"number": "0x01"}, {"number": None}, {"nonce": "0x0"}, {"miner": 5}, {"stateRoot": "0xgg"}]
)
def test_a_header_of_another_form_is_refused(changes):
    with pytest.raises(Malformed, match="malformed"):
        evmjson.header(FORM | changes)
    for document in (None, [], "0x"):
        with pytest.raises(Malformed, match="malformed"):
            evmjson.header(document)


def test_logs_are_read():
    (log,) = evmjson.logs([LOG])
    assert log == evmjson.EvmLog(7, b"\x11" * 20, (b"\x22" * 32,), b"\1\2")
    for bad in (None, {}, [LOG | {"topics": ["0x"] * 5}], [LOG | {"data": 1}], [{}], [LOG] * 20_001):
        with pytest.raises(Malformed, match="malformed"):
            evmjson.logs(bad)


def test_proofs_and_receipts_are_read():
    found = evmjson.slot_proof({"accountProof": ["0xc0"], "storageProof": [{"proof": ["0x80", "0xc1"]}]})
    assert found.hex() == rlp.encode(((b"\xc0",), (b"\x80", b"\xc1"))).hex() and trie.decode_nodes(found)
    for slots in ([], [{"proof": []}, {"proof": []}], [{}], [{"proof": ["0x80"] * 65}]):
        with pytest.raises(Malformed, match="malformed"):
            evmjson.slot_proof({"accountProof": [], "storageProof": slots})
    assert evmjson.receipt(None) is None
    assert evmjson.receipt({"blockNumber": "0x9", "status": "0x1"}) == evmjson.EvmReceipt(9, True)
    assert evmjson.receipt({"blockNumber": "0x9", "status": "0x0"}) == evmjson.EvmReceipt(9, False)
