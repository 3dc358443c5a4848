"""QBFT headers: a real one, and each way in which a header or its seals can be wrong."""

from dataclasses import replace
from unittest.mock import patch

import pytest

from chainnode.errors import Malformed, Rejected
from chainnode.foreign import qbft, rlp
from chainnode.foreign.ethkeys import recover
from chainnode.foreign.keccak import keccak256
from chainnode.foreign.qbft import QbftRules, check_seals, contradiction, decode_header, quorum, trusted_of, verify_header
from tests.foreign.evm_maker import make_header, sealers

# Header 7528 of a network of four Besu nodes, as it stands in the tests of datachainlab/besu-qbft-elc (elc/src/header.rs): facts of a
# chain that ran. Three of four sealed it, in round 1.
REAL_HEADER = bytes.fromhex(
    "f9033fa00af93e70b1c6d3974a88a42eb70bb61adbd523bfac0c83027ba4637c52746a0fa01dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142"
    "fd40d4934794ee3353e587cfa91625a1adaef308a726de3803d3a0166ed98eea93ab2b6f6b1a425526994adc2d675bf9a0d77d600ed1e02d8f77dfa056e81f17"
    "1bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421b90100"
    + "00"
    * 256
    + "01821d688347b76080846640618bb90147f90144a00000000000000000000000000000000000000000000000000000000000000000f85494647bfdd19655e51e"
    "69d35454ff3a92f8828e630294a5c8416b9d13417b45b45ada76408f39d1e504ef94b92e91f4dcc9d28503be521afa2a8fbf3c1acf6094ee3353e587cfa91625"
    "a1adaef308a726de3803d3c001f8c9b841bc7633fd65570f610a595086e9a34e5bf6aacfb67b8f8cd01852e6b285147f046a50577b49378b86723ac9b456ef59"
    "ef7ab57cda7139d807f10f58e8cb10c67600b841ad1defc2b0b4a48158cff24778bb5ba4d9f373c171022ab0a42e37bdb0d4025718434d303a8d94df56ef9ad5"
    "219be9f27b2f67179a7fb82d3323dde29546f9f701b841e233d3670dd97c715f72b440eeb1ccb1e22c8c23f6ab470c46c99c2d0ee6509f0341a42e0e45697825"
    "57e93c3815e8ca4294043595f69a90f73f135de8ecf41e00a063746963616c2062797a616e74696e65206661756c7420746f6c6572616e636588000000000000"
    "0000"
)
FOUR = sealers("abcd")
T0 = 1_800_000_000
RULES = QbftRules(trusting_period_ms=1_000_000)
TRUSTED = trusted_of(decode_header(make_header(FOUR, 10, T0)))
NOW_NS = (T0 + 100) * 10**9


def header(validators=FOUR, height=12, time_s=T0 + 10, **more):
    return decode_header(make_header(validators, height, time_s, **more))


def test_a_real_header_is_read_and_its_seals_are_those_of_its_validators():
    found = decode_header(REAL_HEADER)
    assert (found.height, found.time_s, found.round, len(found.validators)) == (7528, 0x6640618B, 1, 4)
    assert found.state_root.hex() == "166ed98eea93ab2b6f6b1a425526994adc2d675bf9a0d77d600ed1e02d8f77df"
    assert found.seal_digest.hex().startswith("75ea184f")
    sealed_by = [recover(found.seal_digest, seal) for seal in found.seals]
    assert len(set(sealed_by)) == 3 and set(sealed_by) < set(found.validators)
    check_seals(found.validators, found)


def test_a_real_header_with_a_seal_less_is_refused():
    fields = list(rlp.as_list(rlp.decode(REAL_HEADER)))
    extra = list(rlp.as_list(rlp.decode(rlp.as_bytes(fields[12]))))
    for count in (0, 1, 2):
        fields[12] = rlp.encode((*extra[:4], rlp.as_list(extra[4])[:count]))
        found = decode_header(rlp.encode(tuple(fields)))
        assert found.hash == decode_header(REAL_HEADER).hash and found.seal_digest == decode_header(REAL_HEADER).seal_digest
        with pytest.raises(Rejected, match="not-enough-seals"):
            check_seals(found.validators, found)


def test_the_hash_of_a_block_knows_neither_its_round_nor_its_seals():
    first, second = header(round=0), header(round=3, seal_by=FOUR[:3])
    assert first.hash == second.hash and first.seal_digest != second.seal_digest
    extra = rlp.encode((b"vanity".ljust(32, b"\0"), tuple(one.address for one in FOUR), (), b"", ()))
    fields = list(rlp.as_list(rlp.decode(make_header(FOUR, 12, T0 + 10))))
    assert first.hash == keccak256(rlp.encode((*fields[:12], extra, *fields[13:])))


def test_two_thirds_are_rounded_up():
    assert [quorum(count) for count in range(1, 11)] == [1, 2, 2, 3, 4, 4, 5, 6, 6, 7]


def test_a_later_header_is_believed_by_three_of_four():
    for seal_by in (FOUR, FOUR[:3], FOUR[1:]):
        assert verify_header(TRUSTED, header(seal_by=seal_by), RULES, NOW_NS) == trusted_of(header())
    for seal_by in (FOUR[:2], FOUR[:1], []):
        with pytest.raises(Rejected, match="not-enough-seals"):
            verify_header(TRUSTED, header(seal_by=seal_by), RULES, NOW_NS)


def test_inv_81_one_seal_three_times_is_one():
    with pytest.raises(Malformed, match="twice"):
        verify_header(TRUSTED, header(seal_by=[*FOUR[:2], FOUR[0]]), RULES, NOW_NS)


def test_seals_of_strangers_do_not_count():
    with pytest.raises(Malformed, match="no validator"):
        verify_header(TRUSTED, header(seal_by=[*FOUR[:2], *sealers("x")]), RULES, NOW_NS)
    strangers = sealers("wxyz")
    with pytest.raises(Rejected, match="not-enough-trust"):
        verify_header(TRUSTED, header(strangers), RULES, NOW_NS)


def test_a_seal_of_another_round_does_not_count():
    raw = make_header(FOUR, 12, T0 + 10, round=1)
    fields = list(rlp.as_list(rlp.decode(raw)))
    extra = list(rlp.as_list(rlp.decode(rlp.as_bytes(fields[12]))))
    fields[12] = rlp.encode((*extra[:3], b"\2", extra[4]))
    with pytest.raises(Malformed, match="no validator"):
        verify_header(TRUSTED, decode_header(rlp.encode(tuple(fields))), RULES, NOW_NS)


def test_inv_81_when_the_validators_change_two_thirds_of_the_trusted_ones_must_have_sealed():
    five = sealers("abcde")
    assert verify_header(TRUSTED, header(five, seal_by=five[:4]), RULES, NOW_NS).validators == tuple(one.address for one in five)
    with pytest.raises(Rejected, match="not-enough-seals"):
        verify_header(TRUSTED, header(five, seal_by=five[:3]), RULES, NOW_NS)
    changed = sealers("abxyz")  # two of the trusted four
    with pytest.raises(Rejected, match="not-enough-trust"):
        verify_header(TRUSTED, header(changed), RULES, NOW_NS)
    third = QbftRules(1_000_000, trust_numerator=1)
    assert verify_header(TRUSTED, header(changed), third, NOW_NS).height == 12
    with pytest.raises(Rejected, match="not-enough-trust"):
        verify_header(TRUSTED, header(sealers("awxyz")), third, NOW_NS)


def test_the_overlap_counts_those_who_sealed_not_those_who_are_named():
    six = sealers("abcdxy")  # the quorum of six is four
    with pytest.raises(Rejected, match="not-enough-trust"):
        verify_header(TRUSTED, header(six, seal_by=sealers("abxy")), RULES, NOW_NS)
    assert verify_header(TRUSTED, header(six, seal_by=sealers("abcx")), RULES, NOW_NS).height == 12


def test_heights_and_times_go_on():
    for bad, reason in (
        (header(height=10), "not above"),
        (header(height=9), "not above"),
        (header(time_s=T0), "not after"),
        (header(time_s=T0 - 1), "not after"),
        (header(time_s=T0 + 110), "ahead"),
    ):
        with pytest.raises(Malformed, match=reason):
            verify_header(TRUSTED, bad, RULES, NOW_NS)
    assert verify_header(TRUSTED, header(time_s=T0 + 109), RULES, NOW_NS)


def test_the_next_header_names_its_parent():
    assert verify_header(TRUSTED, header(height=11, parent_hash=TRUSTED.hash), RULES, NOW_NS).height == 11
    with pytest.raises(Malformed, match="parent"):
        verify_header(TRUSTED, header(height=11), RULES, NOW_NS)


def test_trust_ends_to_the_nanosecond():
    end = T0 * 10**9 + 1_000_000 * 10**6
    assert verify_header(TRUSTED, header(), RULES, end - 1)
    with pytest.raises(Rejected, match="trust-expired"):
        verify_header(TRUSTED, header(), RULES, end)


def test_two_blocks_of_one_height_or_a_time_that_runs_backwards_contradict():
    first = header()
    assert contradiction(first, header(round=1)) is None
    assert "two blocks" in contradiction(first, header(state_root=b"\1" * 32))
    assert contradiction(first, header(height=13, time_s=T0 + 11)) is None
    for time_s in (T0 + 10, T0 + 9):
        assert "not after" in contradiction(header(height=13, time_s=time_s), first)


@pytest.mark.parametrize(
    "more",
    [
        {"changes": {1: bytes(32)}},
        {"changes": {13: bytes(32)}},
        {"changes": {7: rlp.number(2)}},
        {"changes": {3: bytes(31)}},
        {"changes": {0: b""}},
        {"changes": {2: bytes(19)}},
        {"changes": {6: bytes(255)}},
        {"changes": {14: bytes(7)}},
        {"changes": {8: b"\0\1"}},
        {"changes": {8: bytes([1] * 9)}},
        {"changes": {11: ()}},
        {"changes": {12: b""}},
        {"changes": {12: rlp.encode((bytes(32), (), (), b"", ()))}},
        {"changes": {12: rlp.encode((bytes(31), (bytes(20),), (), b"", ()))}},
        {"changes": {12: rlp.encode((bytes(32), (bytes(20),), (), b""))}},
        {"changes": {12: rlp.encode((bytes(32), (bytes(20),), (b"a",), b"", ()))}},
        {"changes": {12: rlp.encode((bytes(32), (bytes(20),), (bytes(20), b"\1"), b"", ()))}},
        {"changes": {12: rlp.encode((bytes(32), (bytes(20),), (), bytes([1] * 5), ()))}},
        {"changes": {12: rlp.encode((bytes(32), (bytes(20),), (), b"", (b"", b"")))}},
        {"changes": {12: rlp.encode((bytes(32), (bytes(19),), (), b"", ()))}},
        {"named": (bytes(20), bytes(20)), "seal_by": []},
        {"extra_fields": (b"",) * 18},
    ],
)
def test_headers_of_another_form_are_refused(more):
    with pytest.raises(Malformed):
        decode_header(make_header(FOUR, 12, T0 + 10, **more))


def test_a_vote_and_fields_of_later_forks_are_taken():
    vote = rlp.encode((bytes(32), (bytes(20),), (bytes(20), b"\xff"), b"", ()))
    assert decode_header(make_header(FOUR, 12, T0 + 10, changes={12: vote})).validators == (bytes(20),)
    assert verify_header(TRUSTED, header(extra_fields=(rlp.number(7), bytes(32))), RULES, NOW_NS)


def test_fewer_than_fifteen_fields_are_refused():
    fields = rlp.as_list(rlp.decode(make_header(FOUR, 12, T0 + 10)))
    with pytest.raises(Malformed, match="14 fields"):
        decode_header(rlp.encode(fields[:14]))


def test_of_what_strangers_sealed_one_seal_is_looked_at():
    found = replace(header(), validators=tuple(bytes((number,)) * 20 for number in range(4)))
    with patch.object(qbft, "recover", wraps=recover) as recovered, pytest.raises(Malformed, match="no validator of it"):
        check_seals(TRUSTED.validators, found)
    assert recovered.call_count == 1
