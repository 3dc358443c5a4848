"""Login with a DID: who comes in, once; and all that is refused."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from chainnode.errors import Unavailable
from chainnode.transactions import SIGN_DOMAIN
from chainnode.types.codes import (
    BAD_SIGNATURE,
    CHALLENGE_EXPIRED,
    CHALLENGE_USED,
    MALFORMED,
    METHOD_NOT_AUTHORISED,
    OVERLOADED,
    WRONG_CHALLENGE,
)
from chainnode.vc import login
from chainnode.vc.login import (
    Answer,
    Challenge,
    Nonces,
    answer_json,
    challenge_json,
    message_of,
    new_challenge,
    read_answer,
    read_challenge,
    sign_challenge,
    verify_challenge,
)
from tests.vc.vc_case import NOW_MS, Keys, did, key, method, refused

SECRET, LIFETIME_MS = b"s" * 32, 300_000
CHALLENGE = new_challenge("shop.example", b"n" * 16, NOW_MS, LIFETIME_MS, chain_id="main-1", secret=SECRET)
KEYS = Keys("anna", "bela")


def answer(who: str = "anna", kind: str = "e", challenge: Challenge = CHALLENGE) -> Answer:
    """Somebody's answer."""
    return sign_challenge(challenge, did(who), method(who, kind), key(who, kind))


def let_in(one: Answer, now_ms: int = NOW_MS, nonces: Nonces | None = None, **changes: Any) -> login.Login:
    """Ask the application."""
    known: dict[str, Any] = {"domain": "shop.example", "chain_id": "main-1", "secret": SECRET, **changes}
    return verify_challenge(one, KEYS, now_ms, nonces=Nonces() if nonces is None else nonces, **known)


@pytest.mark.parametrize("kind", ["e", "s", "z", "p"])
def test_the_holder_of_a_listed_key_comes_in(kind: str) -> None:
    found = let_in(answer(kind=kind))
    assert (found.did, found.method, found.kind, found.public_key) == (did("anna"), method("anna", kind), kind, key("anna", kind).public)


def test_what_is_signed_names_everything_line_by_line() -> None:
    text = message_of(CHALLENGE, did("anna")).decode()
    assert text == f"chainnode login 1\nshop.example\n{did('anna')}\n{CHALLENGE.nonce}\n{NOW_MS + LIFETIME_MS}\nmain-1"
    # A transaction's signature is over bytes that begin otherwise.
    assert not text.encode().startswith(SIGN_DOMAIN[:10]) and not SIGN_DOMAIN.startswith(text.encode()[:10])


def test_an_answer_counts_once() -> None:
    nonces = Nonces()
    let_in(answer(), nonces=nonces)
    with refused(CHALLENGE_USED):
        let_in(answer(), nonces=nonces)
    with refused(CHALLENGE_USED):  # nor for somebody else, nor with another key's signature
        let_in(answer("bela"), nonces=nonces)
    assert len(nonces) == 1


def test_a_failed_answer_does_not_use_up_the_challenge() -> None:
    nonces = Nonces()
    with refused(BAD_SIGNATURE):
        let_in(replace(answer(), signature=bytes(64)), nonces=nonces)
    assert len(nonces) == 0
    let_in(answer(), nonces=nonces)


def test_a_challenge_runs_out() -> None:
    let_in(answer(), NOW_MS + LIFETIME_MS - 1)
    with refused(CHALLENGE_EXPIRED):
        let_in(answer(), NOW_MS + LIFETIME_MS)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"domain": "bank.example"}, "another application"),
        ({"chain_id": "main-2"}, "another application"),
        ({"secret": b"t" * 32}, "has not made"),
    ],
)
def test_an_answer_to_another_application_does_not_count(changes: dict[str, Any], words: str) -> None:
    with refused(WRONG_CHALLENGE, words):
        let_in(answer(), **changes)


@pytest.mark.parametrize(
    "changes",
    [{"expires_ms": CHALLENGE.expires_ms + 1}, {"nonce": "B" + CHALLENGE.nonce[1:]}, {"nonce": CHALLENGE.nonce[:-2] + "AA"}],
)
def test_a_challenge_that_the_application_has_not_made_does_not_count(changes: dict[str, Any]) -> None:
    with refused(WRONG_CHALLENGE, "has not made"):
        let_in(answer(challenge=replace(CHALLENGE, **changes)))


def test_the_signature_is_the_dids_own() -> None:
    for bent in (
        replace(answer(), signature=answer("bela").signature),
        replace(answer(), did=did("bela"), method=method("bela")),
        sign_challenge(CHALLENGE, did("anna"), method("anna"), key("bela")),
    ):
        with refused(BAD_SIGNATURE):
            let_in(bent)
    # A key of one's own document does not speak for another DID.
    for other in (method("bela"), did("anna"), method("bela") + "#" + method("anna"), "#"):
        with refused(METHOD_NOT_AUTHORISED):
            let_in(sign_challenge(CHALLENGE, did("anna"), other, key("bela")))


def test_the_key_is_listed_for_authentication() -> None:
    keys = Keys("anna", purposes=("assertionMethod",))
    with refused(METHOD_NOT_AUTHORISED):
        verify_challenge(answer(), keys, NOW_MS, domain="shop.example", chain_id="main-1", secret=SECRET, nonces=Nonces())
    assert keys.asked == [(method("anna"), "authentication")]


# The memory of what was answered


def test_the_memory_is_bounded_and_forgets_what_has_expired() -> None:
    nonces = Nonces(3)
    for number, expires_ms in enumerate((30, 10, 20)):
        nonces.use(str(number), expires_ms, 5)
    with pytest.raises(Unavailable) as full:
        nonces.use("3", 40, 9)
    assert full.value.code == OVERLOADED and len(nonces) == 3
    nonces.use("3", 40, 10)
    for number in ("0", "2", "3"):
        with refused(CHALLENGE_USED):
            nonces.use(number, 40, 10)
    nonces.use("4", 40, 40)
    assert len(nonces) == 1


@pytest.mark.parametrize("seed", range(5))
def test_the_memory_is_that_of_a_plain_list(seed: int) -> None:
    dice, nonces, model, now_ms = Random(seed), Nonces(8), dict[str, int](), 0
    for _ in range(400):
        now_ms += dice.randrange(3)
        model = {nonce: expires_ms for nonce, expires_ms in model.items() if expires_ms > now_ms}
        nonce, expires_ms = str(dice.randrange(20)), now_ms + dice.randrange(1, 20)
        if nonce in model:
            with refused(CHALLENGE_USED):
                nonces.use(nonce, expires_ms, now_ms)
        elif len(model) == 8:
            with pytest.raises(Unavailable):
                nonces.use(nonce, expires_ms, now_ms)
        else:
            nonces.use(nonce, expires_ms, now_ms)
            model[nonce] = expires_ms
        assert len(nonces) == len(model), f"seed {seed}"


# JSON


def test_challenge_and_answer_as_json() -> None:
    assert read_challenge(challenge_json(CHALLENGE)) == CHALLENGE
    assert read_answer(answer_json(answer())) == answer()


@pytest.mark.parametrize(
    "changes",
    [
        {"domain": "a\nb"},
        {"domain": ""},
        {"domain": "a b"},
        {"domain": "x" * 257},
        {"domain": None},
        {"chainId": "main-1\u2028"},
        {"chainId": 1},
        {"nonce": "short"},
        {"nonce": CHALLENGE.nonce + "="},
        {"nonce": CHALLENGE.nonce[:-1] + "é"},
        {"expiresMs": "1"},
        {"expiresMs": True},
        {"expiresMs": 0},
        {"expiresMs": 2**63},
        {"more": 1},
    ],
    ids=str,
)
def test_challenges_of_another_form_are_refused(changes: dict[str, Any]) -> None:
    with refused(MALFORMED):
        read_challenge({**challenge_json(CHALLENGE), **changes})
    with refused(MALFORMED):
        read_answer({**answer_json(answer()), "challenge": {**challenge_json(CHALLENGE), **changes}})


@pytest.mark.parametrize(
    "changes", [{"did": "a\nb"}, {"did": 1}, {"verificationMethod": ""}, {"signature": "AB" * 64}, {"signature": "ab" * 63}, {"more": 1}]
)
def test_answers_of_another_form_are_refused(changes: dict[str, Any]) -> None:
    with refused(MALFORMED):
        read_answer({**answer_json(answer()), **changes})
    for value in (None, [], {}, "x"):
        with refused(MALFORMED):
            read_answer(value)


def test_lines_cannot_be_moved_between_the_parts() -> None:
    for one in (replace(CHALLENGE, domain="shop.example\ndid:x:y"), replace(CHALLENGE, chain_id="main-1\n2")):
        with refused(MALFORMED):
            message_of(one, did("anna"))
    with refused(MALFORMED):
        message_of(CHALLENGE, "did:x:y\nz")
