"""Who may apply, with what, how often; what becomes of applications. The form's own fields are in tests/did/test_chainform.py."""

from typing import Any

import pytest

from chainnode.bundle import beginning_of
from chainnode.crypto.keys import public_key_of
from chainnode.did.chainapplication import Application, decode_application, encode_application
from chainnode.types.limits import CHAIN_ENDPOINT_LENGTH_MAX, CHAIN_ENDPOINTS_MAX, CHAIN_TTL_S_MAX, VALIDATORS_MAX
from contracts import chains
from contracts.chainapplications import application
from tests.chain_maker import key_of
from tests.contracts.admission import CITY, PORT, URLS, admitted, applied, arguments, form_of
from tests.contracts.council import Council, did

DIGEST = b"\x07" * 32


@pytest.fixture
def world() -> Council:
    return Council(("ada",))


def found(world: Council, number: int) -> Application:
    one = application(world.state, number)
    assert one is not None
    return one


def test_an_application_is_on_record_with_all_that_was_said(world: Council) -> None:
    number = applied(world, evidence=(DIGEST,))
    one = found(world, number)
    assert (one.number, one.operator, one.status, one.evidence, one.ttl_s) == (1, did("bob"), "open", (DIGEST,), 60)
    assert one.form == form_of() and one.beginning.chain_id == "city-1"
    assert one.beginning.validators == beginning_of(CITY).validators and (one.height, one.time_ms) == (world.height, world.time_ms)
    assert decode_application(encode_application(one)) == one
    assert applied(world, "byo2", PORT) == 2
    assert application(world.state, 3) is None and application(world.state, 0) is None and application(world.state, 2**63) is None


def test_inv_67_a_record_comes_from_an_admitted_application_which_is_decided_once(world: Council) -> None:
    for number in (0, 1, 2**63 - 1):
        world.refused("not-found", "ada", "governance.propose", "admit_chain", (number, "byo1", 0), "because")
    number = applied(world)
    assert chains.chain(world.state, "byo1") is None
    proposal = world.decide("admit_chain", number, "byo1", 0)
    one = found(world, number)
    assert (one.status, one.ac, one.reason, one.by, one.decided_height) == (
        "admitted",
        "byo1",
        "because",
        f"governance:{proposal}",
        world.height,
    )
    world.refused("application-closed", "ada", "governance.propose", "admit_chain", (number, "byo1", 0), "because")
    world.refused("application-closed", "ada", "governance.propose", "reject_application", (number,), "because")
    world.refused("application-closed", "bob", "chains.withdraw", number)


def test_inv_67_a_rejected_one_stays_with_the_reason(world: Council) -> None:
    number = applied(world)
    proposal = world.decide("reject_application", number)
    one = found(world, number)
    assert (one.status, one.reason, one.by, one.ac) == ("rejected", "because", f"governance:{proposal}", "")
    assert "application_rejected" in world.event_names() and chains.chain(world.state, "byo1") is None
    world.refused("application-closed", "ada", "governance.propose", "admit_chain", (number, "byo1", 0), "because")
    assert applied(world) == 2  # and may be made again


def test_its_operator_takes_it_back_and_nobody_else(world: Council) -> None:
    number = applied(world)
    world.refused("signer-missing", "mia", "chains.withdraw", number)
    world.do(["bob"], "chains.withdraw", number)
    assert (found(world, number).status, found(world, number).by) == ("withdrawn", did("bob"))
    world.refused("not-found", "bob", "chains.withdraw", 7)


def test_who_applies_signs_and_holds_a_role(world: Council) -> None:
    world.refused("not-member", "pia", "chains.apply", *arguments(operator=did("pia")))
    world.refused("signer-missing", "ada", "chains.apply", *arguments())
    world.refused("role-missing", "ada pia", "chains.apply", *arguments(operator=did("pia")))
    world.do(["ada", "bob"], "chains.apply", *arguments())  # with a sponsor
    assert found(world, 1).operator == did("bob")


def test_an_operator_has_few_open_ones(world: Council) -> None:
    for _ in range(4):
        applied(world)
    world.refused("too-many", "bob", "chains.apply", *arguments())
    assert applied(world, by="sam") == 5
    world.do(["bob"], "chains.withdraw", 2)
    assert applied(world) == 6
    world.decide("reject_application", 1)
    assert applied(world) == 7
    world.refused("too-many", "bob", "chains.apply", *arguments())


def test_somebody_elses_chain_is_not_applied_for(world: Council) -> None:
    admitted(world)
    world.refused("ac-taken", "sam", "chains.apply", *arguments(operator=did("sam")))
    early = applied(world)  # the operator itself may
    world.decide("transfer_chain", "byo1", did("sam"))
    world.refused("ac-taken", "ada", "governance.propose", "admit_chain", (early, "byo1", 0), "because")


FULL = tuple((1, bytes([number]) * 32, 10**6) for number in range(VALIDATORS_MAX))
KEY = public_key_of(key_of("west")).data


def bent(place: int, value: Any) -> tuple[Any, ...]:
    """Arguments with one of them changed."""
    whole = arguments()
    return (*whole[:place], value, *whole[place + 1 :])


@pytest.mark.parametrize(
    "code, place, value",
    [
        *(("bad-chain-form", 0, form) for form in (None, (), "form", 7, {})),
        *(("bad-chain", 1, name) for name in ("", "city", "City-1", "city-0", "x" * 49 + "-1", "city-1\n")),
        *(("bad-arguments", 2, digest) for digest in (b"", b"\x01" * 31)),
        *(("bad-chain", 3, time_ns) for time_ns in (0, -1, 2**63)),
        *(("bad-chain", 4, period_ms) for period_ms in (0, 86_399_999, 3_162_240_000_001)),
        *(("bad-chain", 5, keys) for keys in ((), ((1, KEY, 1), (1, KEY, 2)), (*FULL, (1, KEY, 1)))),
        *(("bad-arguments", 5, keys) for keys in ((1,), ((1, KEY),), b"", ((True, KEY, 1),), ((1, "key", 1),))),
        *(("bad-chain", 5, ((kind, KEY, power),)) for kind, power in ((0, 1), (2, 1), (3, 1), (1, 0), (1, -1), (1, 2**63))),
        *(("bad-chain", 5, ((1, key, 1),)) for key in (b"", KEY[1:], KEY + b"\x00")),
        *(("bad-chain", 6, ttl_s) for ttl_s in (0, -1, CHAIN_TTL_S_MAX + 1)),
        ("bad-arguments", 7, (b"\x01" * 31,)),
        ("bad-arguments", 7, ("text",)),
        ("too-many", 7, (DIGEST,) * 17),
    ],
)
def test_what_is_no_application(world: Council, code: str, place: int, value: Any) -> None:
    world.refused(code, "bob", "chains.apply", *bent(place, value))


@pytest.mark.parametrize(
    "url",
    [
        *("city.example", "ftp://city.example", "https://", "https://City.example", "https://a_b.example", "https://-a.example"),
        *("https://me@city.example", "https://city.example//x", "https://city.example/?x", "https://city.example#x"),
        *("https://city.example:0", "https://city.example:65536", "https://city.example:99999", "https://city.example/a b"),
        *("https://é.example", "https://city.example/%2e", "https://" + "a" * CHAIN_ENDPOINT_LENGTH_MAX),
    ],
)
def test_what_is_no_url_of_a_resolver(world: Council, url: str) -> None:
    form = form_of() | {"resolveServiceList": {"url": ({"address": url},)}}
    code = "bad-chain-form" if len(url) > 255 else "bad-chain"
    world.refused(code, "bob", "chains.apply", *bent(0, form))


def test_resolvers_are_one_to_eight(world: Council) -> None:
    nine = tuple({"ip": f"10.0.0.{number}", "port": "80"} for number in range(1, CHAIN_ENDPOINTS_MAX + 1))
    for lists in ({}, {"url": ({"address": "", "remark": ""},)}, {"ipv4": nine, "url": ({"address": URLS[0]},)}):
        world.refused("bad-chain", "bob", "chains.apply", *bent(0, form_of() | {"resolveServiceList": lists}))
    world.do(["bob"], "chains.apply", *bent(0, form_of() | {"resolveServiceList": {"ipv4": nine}}))


def test_a_did_of_another_chain_or_another_method_runs_nothing_here(world: Council) -> None:
    for operator in (
        "did:web:city.example",
        "did:bid:byo1",
        "did:bid:byo1:" + did("bob").removeprefix("did:bid:"),
        "did:bid:sf" + "2" * 29,
    ):
        world.refused("bad-did", "bob", "chains.apply", *bent(0, form_of() | {"backboneNodeBid": operator}))
