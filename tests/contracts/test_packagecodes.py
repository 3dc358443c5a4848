"""Codes of packages: which are refused, and which spellings name one package."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.errors import Rejected
from chainnode.types.codes import BAD_CHECK_DIGIT, BAD_GOODS_CODE
from chainnode.types.limits import IDENTIFIER_BYTES_MAX
from contracts.packagecodes import check_digit, codes_digest, identity, unit_key

# Numbers of GS1's own examples.
SSCC, GTIN = "106141412345678908", "10614141123459"
SERIALS = st.text(st.sampled_from("ABCxyz019!\"%&'*+,-./:;<=>?_"), min_size=1, max_size=20)


@pytest.mark.parametrize("key", [SSCC, GTIN, "09506000134352", "340123450000000000", "00000000000000"])
def test_check_digits_of_published_and_computed_keys(key: str) -> None:
    weighted = sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(key[-2::-1]))
    assert (weighted + int(check_digit(key[:-1]))) % 10 == 0
    if key in (SSCC, GTIN, "09506000134352"):
        assert check_digit(key[:-1]) == key[-1]


@pytest.mark.parametrize(
    "code",
    [
        f"(00){SSCC}",
        f"https://id.gs1.org/00/{SSCC}",
        f"http://ID.GS1.org/00/{SSCC}/",
        f"https://brand.example/some/stem/00/{SSCC}?4326=x",
        "urn:epc:id:sscc:0614141.1234567890",
    ],
)
def test_spellings_of_one_sscc_are_one_package(code: str) -> None:
    assert identity(code) == b"gs1\x0000/" + SSCC.encode()


@pytest.mark.parametrize(
    "code",
    [
        f"(01){GTIN}(21)400",
        f"(01){GTIN}(10)LOT(21)400",
        f"https://id.gs1.org/01/{GTIN}/21/400",
        f"https://id.gs1.org/01/{GTIN}/22/2A/10/LOT/21/400?17=261231#top",
        f"https://id.gs1.org/01/{GTIN}/21/%34%300",
        f"https://brand.example/01/{GTIN}/21/400",
        "urn:epc:id:sgtin:0614141.112345.400",
    ],
)
def test_spellings_of_one_sgtin_are_one_package(code: str) -> None:
    assert identity(code) == b"gs1\x0001/" + f"{GTIN}/21/400".encode()


@given(SERIALS)
def test_a_serial_is_the_same_with_and_without_percent(serial: str) -> None:
    written = "".join(f"%{ord(letter):02X}" for letter in serial)
    link = f"https://id.gs1.org/01/{GTIN}/21/{written}"
    if len(link) <= IDENTIFIER_BYTES_MAX:
        assert identity(link) == identity(f"(01){GTIN}(21){serial}") == b"gs1\x0001/" + f"{GTIN}/21/{serial}".encode()


@given(SERIALS, SERIALS)
def test_two_serials_are_two_packages(one: str, other: str) -> None:
    assert (unit_key(f"(01){GTIN}(21){one}") == unit_key(f"(01){GTIN}(21){other}")) == (one == other)


@pytest.mark.parametrize(
    "code",
    [
        "88.118.8/box-1",
        "did:bid:ef2AKvDuPW6xY2",
        "箱-0001",
        "pallet",
        "https://brand.example/01/2026/report",
        "https://id.gs1.org/8004/0614141123",
        "(99)x",
    ],
)
def test_other_texts_are_packages_as_written(code: str) -> None:
    assert identity(code) == code.encode()
    assert unit_key(code) != unit_key(code + "x")


@pytest.mark.parametrize(
    "code",
    [
        "",
        "x" * (IDENTIFIER_BYTES_MAX + 1),
        "箱" * (IDENTIFIER_BYTES_MAX // 3 + 1),
        "box 1",
        "box\n",
        "box\x00",
        "box\u200b1",
        "\ufeffbox",
        "box\u202e1",
        "box\u3000",
        "box\xa0",
        "(00)10614141234567890",  # a digit short
        f"(00){SSCC}(21)1",  # an SSCC has no serial
        "(00)",
        "(00)१०६१४१४१२३४५६७८९०८",  # digits of another script
        f"(01){GTIN}",  # a GTIN alone
        f"(01){GTIN}(10)LOT",
        f"(01){GTIN}(21)1(21)2",
        f"(01){GTIN}(21)",
        f"(01){GTIN}(21)A(B)",  # brackets only in links
        f"(01){GTIN}(17)261231(21)1",
        f"(01){GTIN}(21)" + "x" * 21,
        f"https://id.gs1.org/01/{GTIN}",
        f"https://id.gs1.org/01/{GTIN}/21",
        f"https://id.gs1.org/01/{GTIN}/21/a%20b",
        f"https://id.gs1.org/01/{GTIN}/21/%C3%A9",
        f"https://id.gs1.org/01/{GTIN}//21/1",
        "https://id.gs1.org/00/123",
        "urn:epc:id:sgtin:0614141.112345",
        "urn:epc:id:sgtin:0614141.12345.400",
        "urn:epc:id:sscc:0614141.1234567890.1",
    ],
)
def test_what_is_no_code_is_refused(code: str) -> None:
    with pytest.raises(Rejected) as refusal:
        unit_key(code)
    assert refusal.value.code == BAD_GOODS_CODE


@pytest.mark.parametrize("code", [f"(00){SSCC[:-1]}9", f"https://id.gs1.org/01/{GTIN[:-1]}8/21/1", f"https://a.example/00/{SSCC[:-1]}7"])
def test_a_wrong_check_digit_is_refused_with_the_right_one(code: str) -> None:
    with pytest.raises(Rejected, match="check digit is") as refusal:
        unit_key(code)
    assert refusal.value.code == BAD_CHECK_DIGIT


@given(st.integers(0, 16), st.integers(1, 9))
def test_every_single_wrong_digit_is_found(place: int, more: int) -> None:
    wrong = SSCC[:place] + str((int(SSCC[place]) + more) % 10) + SSCC[place + 1 :]
    with pytest.raises(Rejected, match="check digit"):
        unit_key(f"(00){wrong}")


@given(st.text(max_size=140))
def test_any_text_is_a_code_or_refused(text: str) -> None:
    try:
        key = unit_key(text)
    except Rejected:
        return
    assert len(key) == 33


def test_the_digest_of_codes_forgets_their_order_and_nothing_else() -> None:
    assert codes_digest(["b", "a"]) == codes_digest(("a", "b"))
    assert len({codes_digest(codes) for codes in ((), ("a",), ("a", "a"), ("ab",), ("a", "b"))}) == 5
