"""Orders of supervision in sentences, and the words by which they are asked for."""

from dataclasses import replace

import pytest

from chainnode.cli.statewords import key_of, words_of
from chainnode.cli.usage import UsageError
from chainnode.types.bundle import StateFact
from contracts.supervisionrecords import (
    NAME,
    Appeal,
    Kind,
    Lifting,
    Opinion,
    Order,
    Stage,
    Verdict,
    encode_freeze,
    encode_order,
    order_key,
    target_key,
)
from tests.cli.records import BANK, TRADER, WAREHOUSE

NOON_MS = 1_800_014_400_000  # 2027-01-15T12:00:00Z
ORDER = Order(
    number=7,
    kind=Kind.ACCOUNT,
    target=TRADER,
    reason='a "case"',
    evidence=b"\x05" * 32,
    until_ms=NOON_MS,
    by=BANK,
    height=4,
    time_ms=NOON_MS - 86_400_000,
    stage=Stage.IN_FORCE,
    signatures=((BANK, 4), (WAREHOUSE, 5)),
    began_height=5,
    opinions=(),
    appeals=(),
    lifting=None,
)


def told(one: Order) -> str:
    return "\n".join(words_of(StateFact(state_height=9, store=NAME, key=order_key(one.number), value=encode_order(one))))


def test_an_order_says_what_it_freezes_and_why() -> None:
    assert told(ORDER) == "\n".join(
        (
            f"Order 7 of supervision, in force: account {TRADER}.",
            "Without a further word it ends 2027-01-15T12:00:00Z.",
            f'Reason: "a \\"case\\"", on evidence {"05" * 32}.',
            f"Proposed in block 4 by {BANK}.",
            f"Signed by {BANK} in block 4, {WAREHOUSE} in block 5.",
        )
    )
    text = told(replace(ORDER, stage=Stage.PROPOSED, kind=Kind.RECEIPT, target='a "b"\u202e', until_ms=0))
    assert 'which waits for signatures: receipt "a \\"b\\"\\u202e".' in text and "ends 2027-01-21T12:00:00Z" in text


def test_what_was_said_of_an_order_is_told() -> None:
    appeals = (
        Appeal(TRADER, "not me", b"", 6, NOON_MS - 3_600_000, NOON_MS - 1, "see the file"),
        Appeal(TRADER, "but", b"", 7, NOON_MS - 7 * 86_400_000 - 3_600_000, 0, ""),
    )
    opinions = (Opinion(BANK, Verdict.LIFT, "enough", 8), Opinion(WAREHOUSE, Verdict.UPHOLD, "no", 9))
    text = told(replace(ORDER, appeals=appeals, opinions=opinions))
    assert "it ends 2027-01-15T11:00:00Z." in text
    assert f'The appeal of {TRADER} in block 6, "not me", was answered by "see the file".' in text
    assert f'The appeal of {TRADER} in block 7, "but", must be answered by 2027-01-15T11:00:00Z.' in text
    assert f'In block 8 {BANK} was for its end: "enough".' in text and f'In block 9 {WAREHOUSE} was for its stay: "no".' in text
    text = told(replace(ORDER, stage=Stage.LIFTED, lifting=Lifting("governance:3", "a mistake", 9, NOON_MS)))
    assert 'Lifted by governance:3 in block 9, 2027-01-15T12:00:00Z, for the reason "a mistake".' in text and "further word" not in text


def test_who_is_frozen_is_told() -> None:
    fact = StateFact(state_height=9, store=NAME, key=target_key(Kind.ACCOUNT, TRADER), value=encode_freeze(7, NOON_MS))
    assert words_of(fact) == ("Frozen by order 7 of supervision until 2027-01-15T12:00:00Z at the latest.",)


def test_orders_and_targets_are_asked_for_by_their_names() -> None:
    assert key_of("freeze:7") == (NAME, order_key(7))
    assert key_of(f"freeze:account:{TRADER}") == (NAME, target_key(Kind.ACCOUNT, TRADER))
    assert key_of("freeze:receipt:a:b") == (NAME, target_key(Kind.RECEIPT, "a:b"))


@pytest.mark.parametrize("name", ["freeze:", "freeze:x", "freeze:-1", f"freeze:{2**64}", "freeze:person:x"])
def test_what_is_no_order_and_no_target(name: str) -> None:
    with pytest.raises(UsageError):
        key_of(name)
