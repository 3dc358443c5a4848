"""Forms of chains: every field of Xinghuo's table and its limit, what is refused by name, and forms as people have them in files."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import codec
from chainnode.did import chainform
from chainnode.did.chainform import endpoints_of, form_from_json, gateways_of, info, new_form, operator_of, permit_of, read_form, wish_of
from chainnode.did.fieldtables import Group, ListOf, Loose, Text, Whole, cleaned
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_CHAIN_FORM

OPERATOR = "did:bid:efnVUgqQFfYeu97ABf6sGm3WFtVXHZB2"
GATE, CROSS = "did:bid:ef214PmkhKndUcArDQPgD5J4fFVwqJFPt", "did:bid:efQ69GRtQUDR9SngdFKAv4owYyx5Fnko"
WHOLE: dict[str, Any] = {
    "backboneNodeBid": OPERATOR,
    "chainInfo": {
        "industry": "A",
        "name": "测试链",
        "subChainType": "0",
        "chainArch": "10000",
        "genesisAccount": "did:bid:ef2AuAJid1dB22rk3M6vB6cUc1ENnpfEe",
        "genesisAmount": "123",
        "unit": "unit",
        "precision": "1",
        "baseReserve": "100",
        "feeGasPrice": "1000",
        "rewardInitValue": "10000",
        "genesisSlogan": "slogan",
        "description": "two\nlines",
        "gatewayNodeList": [GATE],
        "gatewayCrossList": [CROSS, GATE],
        "remark": "remark",
    },
    "system": {"visitUrl": "http://visit.example", "publicStatus": "0", "ACSN": "t700"},
    "resolveServiceList": {
        "ipv4": [{"ip": "192.168.1.1", "port": "18122", "remark": "4444"}],
        "ipv6": [{"ip": "1111:0410:0000:1234:FB00:1400:5000:45FF", "port": "18122", "remark": "aaa"}],
        "url": [{"address": "", "remark": ""}, {"address": "https://resolve.example/", "remark": "b"}],
    },
    "contacts": {"name": "Lin", "phoneNum": "13800000000", "mail": "lin@example.com"},
    "permit": {"permitNumber": "B2", "filingNumber": "F7", "authority": "Office", "validUntil": "2030-12-31"},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The whole form with one field changed, or taken away by None."""
    form = deepcopy(WHOLE)
    *parts, last = path.split(".")
    inner = form
    for part in parts:
        inner = inner[part]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return form


def read(form: dict[str, Any]) -> dict[str, Any]:
    return form_from_json(json.dumps(form))


def refused(form: dict[str, Any]) -> str:
    with pytest.raises(Malformed) as refusal:
        read(form)
    assert refusal.value.code.name in ("bad-chain-form", "bad-did")
    return refusal.value.detail


def test_a_whole_form_is_read_as_it_is() -> None:
    form = read(WHOLE)
    assert (operator_of(form), wish_of(form), info(form, "name")) == (OPERATOR, "t700", "测试链")
    assert gateways_of(form) == (GATE, CROSS)
    assert endpoints_of(form) == (
        "https://resolve.example",
        "http://192.168.1.1:18122",
        "http://[1111:0410:0000:1234:fb00:1400:5000:45ff]:18122",
    )
    assert permit_of(form) == ("B2", "F7", "Office", "2030-12-31")
    assert read_form(codec.decode(codec.encode(form), bytes_max=9_999)) == form
    assert form["resolveServiceList"]["url"][0] == {}  # empty fields go


def test_a_form_as_it_was_sent_to_the_platform_and_numbers_for_texts() -> None:
    sent = changed("chainInfo.genesisAmount", 123)
    sent["chainInfo"]["chainArch"] = 10000
    assert read({"accessToken": "secret", "params": sent}) == read(WHOLE)
    assert "secret" not in str(read({"accessToken": "secret", "params": sent}))


@pytest.mark.parametrize("path", ["contacts", "permit", "chainInfo.remark", "chainInfo.unit", "permit.authority", "contacts.mail"])
def test_what_may_be_left_out(path: str) -> None:
    assert read(changed(path, None)) and read(changed(path, "" if "." in path else {}))


def test_without_a_permit_nothing_is_said_of_one() -> None:
    assert permit_of(read(changed("permit", None))) == ("", "", "", "")


@pytest.mark.parametrize(
    "path",
    [
        *("backboneNodeBid", "chainInfo", "system", "resolveServiceList", "system.visitUrl", "system.publicStatus", "system.ACSN"),
        *(f"chainInfo.{name}" for name in ("industry", "name", "subChainType", "chainArch", "description", "gatewayNodeList")),
        "chainInfo.gatewayCrossList",
    ],
)
def test_what_must_be_there_is_named(path: str) -> None:
    assert refused(changed(path, None)) == f"{path} is missing"


@pytest.mark.parametrize(
    ("path", "longest"),
    [
        *(("chainInfo.industry", 4), ("chainInfo.name", 30), ("chainInfo.description", 1024), ("chainInfo.genesisSlogan", 1024)),
        *(("chainInfo.remark", 1024), ("chainInfo.unit", 32), ("chainInfo.genesisAccount", 64), ("system.visitUrl", 255)),
        *(("contacts.name", 20), ("contacts.phoneNum", 12), ("contacts.mail", 30)),
        *(("permit.permitNumber", 64), ("permit.filingNumber", 64), ("permit.authority", 128)),
    ],
)
def test_each_text_has_its_limit(path: str, longest: int) -> None:
    assert read(changed(path, "x" * longest))
    assert refused(changed(path, "x" * (longest + 1))) == f"{path} is a text of 1 to {longest} letters"


@pytest.mark.parametrize("name", ["genesisAmount", "precision", "baseReserve", "feeGasPrice", "rewardInitValue"])
def test_amounts_are_digits(name: str) -> None:
    assert read(changed(f"chainInfo.{name}", "9" * 30))
    for amount in ("9" * 31, "1.5", "-1", "１"):
        assert refused(changed(f"chainInfo.{name}", amount)).startswith(f"chainInfo.{name} ")


@pytest.mark.parametrize(
    ("path", "value", "detail"),
    [
        ("colour", "red", "colour is no field here; the fields are backboneNodeBid, "),
        ("chainInfo.colour", "red", "chainInfo.colour is no field here"),
        ("chainInfo.na\nme", "red", "chainInfo.a field is no field here"),
        ("chainInfo.name", "two\nlines", "chainInfo.name is one line of text"),
        ("chainInfo.name", ["x"], "chainInfo.name is a text of 1 to 30 letters"),
        ("chainInfo.subChainType", "2", "chainInfo.subChainType is one of 0, 1"),
        ("chainInfo.chainArch", "10009", "chainInfo.chainArch is one of 10000, "),
        ("system.publicStatus", "2", "system.publicStatus is one of 0, 1"),
        ("system.ACSN", "T700", "system.ACSN has the form "),
        ("system.ACSN", "t70", "system.ACSN has the form "),
        ("system", [], "system is an object"),
        ("chainInfo.gatewayNodeList", [], "chainInfo.gatewayNodeList is a list of 1 to 16"),
        ("chainInfo.gatewayNodeList", [GATE] * 17, "chainInfo.gatewayNodeList is a list of 1 to 16"),
        ("chainInfo.gatewayNodeList", [GATE, GATE], "chainInfo.gatewayNodeList names a gateway twice"),
        ("chainInfo.gatewayCrossList", [7.5], "7.5 is no text"),
        ("resolveServiceList.ipv4", [{"ip": "a.example"}], "resolveServiceList.ipv4[0].ip has the form "),
        ("resolveServiceList.ipv4", [{"ip": "10.0.0.1", "port": "0"}], "resolveServiceList.ipv4[0].port has the form "),
        ("resolveServiceList.url", [{}] * 9, "resolveServiceList.url is a list of 0 to 8"),
        ("resolveServiceList.url", [{"address": "x" * 256}], "resolveServiceList.url[0].address is a text of 1 to 255 letters"),
        ("permit.validUntil", "2030-1-1", "permit.validUntil has the form "),
    ],
)
def test_what_is_wrong_is_named(path: str, value: Any, detail: str) -> None:
    assert detail in refused(changed(path, value))


@pytest.mark.parametrize("did", ["did:bid:byo1", f"did:bid:byo1:{GATE.removeprefix('did:bid:')}", "did:web:a.example", "nobody"])
def test_operator_and_gateways_are_dids_of_this_chain(did: str) -> None:
    assert refused(changed("backboneNodeBid", did)) and refused(changed("chainInfo.gatewayNodeList", [did]))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"a": 1, "a": 2}', "[" * 100_000, "[" * 9 + "]" * 9, '"' + "x" * 70_000 + '"', "NaN"]
)
def test_what_is_no_form_at_all(text: str) -> None:
    with pytest.raises(Malformed):
        form_from_json(text)


def test_a_form_has_a_limit_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chainform, "CHAIN_FORM_BYTES_MAX", 700)
    with pytest.raises(Malformed, match="more than 700 bytes"):
        read(WHOLE)


def test_a_form_of_what_must_be_said() -> None:
    form = new_form(name="City", operator=OPERATOR, ac="byo1", endpoints=("https://a.example",), permit={"permitNumber": "B2"})
    assert read_form(form) == form and gateways_of(form) == (OPERATOR,) and permit_of(form)[0] == "B2"
    assert endpoints_of(form) == ("https://a.example",) and wish_of(form) == "byo1" and info(form, "chainArch") == "10008"


# The tables themselves

ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=9) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=9,
)


@given(ANY)
def test_anything_is_read_or_refused(value: Any) -> None:
    try:
        read_form(value)
    except Malformed:
        return
    raise AssertionError("nothing of this size is a form")


@given(st.data())
def test_a_form_with_anything_in_a_field_is_read_or_refused(data: st.DataObject) -> None:
    form = read(WHOLE)
    group = data.draw(st.sampled_from(("chainInfo", "system", "resolveServiceList", "contacts", "permit")))
    name = data.draw(st.sampled_from((*form[group], "other")))
    try:
        again = read_form({**form, group: {**form[group], name: data.draw(ANY)}})
    except Malformed:
        return
    assert read_form(again) == again
    codec.encode(again)


def test_kinds_of_fields() -> None:
    table = Group({"n": Whole(9)}, {"l": ListOf(Whole(), 2), "x": Loose(3, 2), "t": Text(2, is_free=True)})

    def clean(**fields: Any) -> Any:
        return cleaned(fields, table, BAD_CHAIN_FORM)

    assert clean(n=9, l=(), x="", t=None) == {"n": 9}
    assert clean(n=0, l=(1, 2), x={"a": "b", "c": True}, t="\n") == {"n": 0, "l": (1, 2), "x": {"a": "b", "c": True}, "t": "\n"}
    assert clean(n=0, x={"a": ""}) == {"n": 0, "x": {"a": ""}}
    for fields in (
        {},
        {"n": True},
        {"n": 10},
        {"n": -1},
        {"n": "9"},
        {"n": 1, "l": (1, 2, 3)},
        {"n": 1, "l": [1]},
        {"n": 1, "x": "long"},
        {"n": 1, "x": {"a": "long"}},
        {"n": 1, "x": {"a": 1, "b": 2, "c": 3}},
        {"n": 1, "x": {"a": {}}},
        {"n": 1, "x": {"a" * 65: 1}},
        {"n": 1, "x": 7},
    ):
        with pytest.raises(Malformed):
            clean(**fields)
    with pytest.raises(Malformed, match="the whole is an object"):
        cleaned((), table, BAD_CHAIN_FORM)


@pytest.mark.parametrize("name", ["é", "\u4e00", "\u0897", "\U0001fae8"])
def test_what_a_refusal_says_hangs_on_no_table_of_unicode(name: str) -> None:
    """It enters the hash of a block's results; which letters are printable changes from one Python to the next."""
    with pytest.raises(Malformed) as refusal:
        read_form({name: "x"})
    assert refusal.value.detail.startswith("a field is no field here")
