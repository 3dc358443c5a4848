"""SD-JWT credentials: issued, shown in parts, bound to a verifier; and all that the library alone would take."""

import builtins
from typing import Any

import pytest

from chainnode.did.multikey import public_jwk
from chainnode.errors import Unavailable
from chainnode.types.codes import (
    BAD_CREDENTIAL,
    BAD_CREDENTIAL_PROOF,
    CREDENTIAL_EXPIRED,
    CREDENTIAL_NOT_YET_VALID,
    LIBRARY_MISSING,
    METHOD_NOT_AUTHORISED,
    SUITE_UNKNOWN,
    WRONG_CHALLENGE,
)
from chainnode.vc.jcs import canonical
from chainnode.vc.jws import sign_jws, to_base64url
from chainnode.vc.sdjwt import BINDING_AGE_MS_MAX, BINDING_TYPE, OLD_TYPE, SdJwt, _digest, is_sdjwt, issue, present, verify_sdjwt
from tests.vc.vc_case import NOW_MS, Keys, did, key, method, refused

KEYS = Keys("issuer", "other")
NOW_S = NOW_MS // 1_000
CLAIMS = {"iss": did("issuer"), "vct": "https://school.example/degree", "name": "张三", "age": 22, "address": {"city": "X"}, "open": True}


def made(kind: str = "e", hidden: tuple[str, ...] = ("name", "age"), holder: str | None = "e", **claims: Any) -> str:
    """A credential of the issuer."""
    bound = None if holder is None else (holder, key("holder", holder).public)
    return issue({**CLAIMS, **claims}, hidden, key("issuer", kind), method=method("issuer", kind), holder=bound)


def signed(payload: dict[str, Any], *disclosures: Any, header: dict[str, Any] | None = None, who: str = "issuer") -> str:
    """A credential that was put together by hand."""
    head = {"typ": "dc+sd-jwt", "kid": method("issuer"), **(header or {})}
    token = sign_jws({name: value for name, value in head.items() if value is not None}, payload, key(who))
    return "~".join((token, *map(disclosed, disclosures), ""))


def disclosed(value: Any) -> str:
    """A disclosure."""
    return value if isinstance(value, str) else to_base64url(canonical(value))


def digest(value: Any) -> str:
    """Of a disclosure."""
    return _digest(disclosed(value))


def read(text: str, now_ms: int = NOW_MS, **changes: Any) -> SdJwt:
    """Verify."""
    return verify_sdjwt(text, KEYS, now_ms, **changes)


BASE = {"iss": did("issuer"), "vct": "v"}


@pytest.mark.parametrize("kind", ["e", "p"])
def test_what_was_issued_verifies_with_everything_shown(kind: str) -> None:
    text = made(kind)
    assert is_sdjwt(text) and "张三" not in text
    found = read(text)
    assert {name: found.claims[name] for name in CLAIMS} == CLAIMS and "_sd" not in found.claims
    assert (found.issuer, found.type, found.kind, found.method) == (did("issuer"), CLAIMS["vct"], kind, method("issuer", kind))
    assert found.public_key == key("issuer", kind).public and found.holder == ("e", key("holder").public) and not found.is_bound
    assert read(made(kind, holder=None)).holder is None


def test_the_holder_shows_what_it_likes() -> None:
    text = made()
    assert "name" not in read(present(text, ("age",))).claims and read(present(text, ("age",))).claims["age"] == 22
    bare = read(present(text, ())).claims
    assert "name" not in bare and "age" not in bare and bare["address"] == {"city": "X"}
    for name in ("address", "nothing"):
        with refused(BAD_CREDENTIAL):
            present(text, (name,))


def test_salts_are_new_each_time() -> None:
    assert made() != made()


@pytest.mark.parametrize("issuer_kind, holder_kind", [("e", "p"), ("p", "e"), ("e", "e"), ("p", "p")])
def test_the_holder_binds_it_to_a_verifier(issuer_kind: str, holder_kind: str) -> None:
    text = made(issuer_kind, holder=holder_kind)
    shown = present(text, ("age",), holder_key=key("holder", holder_kind), nonce="n1", audience="https://v.example", now_ms=NOW_MS)
    found = read(shown, audience="https://v.example", nonce="n1")
    assert found.is_bound and found.claims["age"] == 22 and "name" not in found.claims
    for audience, nonce in (("https://w.example", "n1"), ("https://v.example", "n2")):
        with refused(WRONG_CHALLENGE):
            read(shown, audience=audience, nonce=nonce)
    with refused(WRONG_CHALLENGE, "bound for a verifier"):
        read(shown)
    with refused(BAD_CREDENTIAL):
        present(shown, ())


def test_a_binding_that_does_not_count() -> None:
    text = made()
    asked = {"audience": "v", "nonce": "n"}
    with refused(WRONG_CHALLENGE):
        read(text, **asked)  # none at all
    with refused(WRONG_CHALLENGE):
        read(made(holder=None), **asked)
    shown = present(text, ("age",), holder_key=key("holder"), nonce="n", audience="v", now_ms=NOW_MS)
    more = present(text, ("age", "name"))
    with refused(BAD_CREDENTIAL_PROOF, "other disclosures"):
        read(more + shown.rpartition("~")[2], **asked)
    with refused(BAD_CREDENTIAL_PROOF, "signature"):
        read(present(text, (), holder_key=key("other"), nonce="n", audience="v", now_ms=NOW_MS), **asked)
    with refused(METHOD_NOT_AUTHORISED):
        read(present(text, (), holder_key=key("holder", "p"), nonce="n", audience="v", now_ms=NOW_MS), **asked)
    for far in (-BINDING_AGE_MS_MAX - 1_000, BINDING_AGE_MS_MAX + 1_000):
        with refused(WRONG_CHALLENGE, "of now"):
            read(shown, NOW_MS + far, **asked)
    payload = {"aud": "v", "nonce": "n", "sd_hash": _digest(text), "iat": NOW_S}
    read(text + sign_jws({"typ": BINDING_TYPE}, payload, key("holder")), **asked)
    for header, changes in (({"typ": "JWT"}, {}), ({"typ": BINDING_TYPE}, {"iat": None})):
        with refused(BAD_CREDENTIAL if not changes else WRONG_CHALLENGE):
            read(text + sign_jws(header, {**payload, **changes}, key("holder")), **asked)


# What the issuer does not issue


@pytest.mark.parametrize("hidden", [("iss",), ("vct",), ("exp",), ("cnf",), ("nothing",)])
def test_claims_that_are_not_hidden(hidden: tuple[str, ...]) -> None:
    with refused(BAD_CREDENTIAL):
        made(hidden=hidden, exp=NOW_S + 1)


@pytest.mark.parametrize(
    "claims", [{"cnf": {}}, {"_sd": []}, {"a": {"_sd": []}}, {"a": [{"...": "x"}]}, {"_sd_alg": "x"}, {"vct": 1}, {"iss": ""}, {"exp": "x"}]
)
def test_claims_that_are_not_issued(claims: dict[str, Any]) -> None:
    with refused(BAD_CREDENTIAL):
        made(**claims)


def test_keys_that_do_not_issue() -> None:
    for kind in ("s", "z"):
        with refused(SUITE_UNKNOWN):
            made(kind)
    for name in (did("issuer"), method("other")):
        with refused(BAD_CREDENTIAL):
            issue(CLAIMS, (), key("issuer"), method=name)


# What does not verify


def test_no_part_can_change() -> None:
    text = made()
    token, *disclosures, _ = text.split("~")
    assert len(disclosures) == 2
    with refused(BAD_CREDENTIAL_PROOF, "signature"):
        read(made().split("~")[0].rpartition(".")[0] + "." + token.rpartition(".")[2] + "~")
    for place in range(0, len(token), 7):
        letter = "A" if token[place] != "A" else "B"
        with pytest.raises(Exception) as caught:
            read("~".join((token[:place] + letter + token[place + 1 :], *disclosures, "")))
        assert caught.type.__name__ in ("Malformed", "Rejected")
    with refused(BAD_CREDENTIAL, "no hidden claim"):
        read("~".join((token, disclosures[0], disclosed(["salt", "age", 99]), "")))
    with refused(BAD_CREDENTIAL, "twice"):
        read("~".join((token, disclosures[0], disclosures[0], "")))
    assert read("~".join((token, *disclosures[::-1], ""))).claims["age"] == 22


def test_the_key_is_the_issuers() -> None:
    with refused(BAD_CREDENTIAL_PROOF):
        read(signed(BASE, who="other"))
    with refused(METHOD_NOT_AUTHORISED):
        read(signed(BASE, header={"kid": method("other")}))
    with refused(METHOD_NOT_AUTHORISED):
        read(signed(BASE, header={"kid": method("issuer", "p")}))  # EdDSA by a P-256 key
    with refused(METHOD_NOT_AUTHORISED):
        read(signed(BASE, header={"kid": "key-1"}))
    with refused(BAD_CREDENTIAL):
        read(signed(BASE, header={"kid": 1}))
    assert read(signed(BASE, header={"kid": "#e"})).method == method("issuer")
    only = verify_sdjwt(signed(BASE, header={"kid": None}), lambda name, purpose: ("e", key(name[:0] or "issuer").public), NOW_MS)
    assert only.method == did("issuer")


def test_algorithms_and_types() -> None:
    assert read(signed(BASE, header={"typ": OLD_TYPE})).type == "v"
    for kind in (None, "JWT", "kb+jwt"):
        with refused(BAD_CREDENTIAL, "typ"):
            read(signed(BASE, header={"typ": kind}))
    for algorithm in ("none", "HS256", "SM2", "ES256K"):
        with refused(SUITE_UNKNOWN):
            read(signed(BASE, header={"alg": algorithm}))
    with refused(SUITE_UNKNOWN, "SHA-256"):
        read(signed({**BASE, "_sd_alg": "md5"}))
    with refused(SUITE_UNKNOWN):
        read(signed(BASE, header={"crit": ["x"]}))


def test_times() -> None:
    text = signed({**BASE, "nbf": NOW_S, "exp": NOW_S + 10})
    read(text, NOW_S * 1_000)
    read(text, NOW_S * 1_000 + 9_999)
    with refused(CREDENTIAL_NOT_YET_VALID):
        read(text, NOW_S * 1_000 - 1)
    with refused(CREDENTIAL_EXPIRED):
        read(text, NOW_S * 1_000 + 10_000)


NESTED = ["s1", "inner", 1]
OUTER = ["s2", "outer", {"_sd": [digest(NESTED)], "plain": 2}]
ELEMENT = ["s3", "second"]


def test_hidden_things_within_hidden_things_and_in_lists() -> None:
    payload = {**BASE, "_sd": [digest(OUTER)], "list": ["first", {"...": digest(ELEMENT)}]}
    claims = read(signed(payload, OUTER, NESTED, ELEMENT)).claims
    assert claims["outer"] == {"plain": 2, "inner": 1} and claims["list"] == ["first", "second"]
    claims = read(signed(payload)).claims
    assert "outer" not in claims and claims["list"] == ["first"]
    with refused(BAD_CREDENTIAL, "no hidden claim"):
        read(signed(payload, NESTED))  # without the one that it is in


@pytest.mark.parametrize(
    "payload, disclosures",
    [
        ({"_sd": [digest(ELEMENT)]}, [ELEMENT]),  # an element in the place of a member
        ({"list": [{"...": digest(NESTED)}]}, [NESTED]),
        ({"_sd": [digest(NESTED)] * 2}, [NESTED]),
        ({"_sd": [digest(NESTED)], "other": {"_sd": [digest(NESTED)]}}, [NESTED]),
        ({"list": [{"...": digest(ELEMENT)}, {"...": digest(ELEMENT)}]}, [ELEMENT]),
        ({"list": [{"...": digest(ELEMENT), "x": 1}]}, [ELEMENT]),
        ({"list": [{"...": 1}]}, []),
        ({"...": digest(ELEMENT)}, [ELEMENT]),
        ({"_sd": digest(NESTED)}, [NESTED]),
        ({"_sd": [1]}, []),
        ({"inner": 5, "_sd": [digest(NESTED)]}, [NESTED]),
        *(({"_sd": [digest(["s", name, 1])]}, [["s", name, 1]]) for name in ("_sd", "...", "exp", "cnf", "nbf", "vct", "status")),
        ({"_sd": [digest([1, "a", 1])]}, [[1, "a", 1]]),
        ({"_sd": [digest(["s", 1, 1])]}, [["s", 1, 1]]),
        ({"_sd": [digest(["s"])]}, [["s"]]),
        ({"_sd": [digest({"a": 1})]}, [{"a": 1}]),
        ({"_sd": [digest("x=")]}, ["x="]),
        ({"_sd": [digest(to_base64url(b"\xff"))]}, [to_base64url(b"\xff")]),
        ({"_sd": [digest(to_base64url(b'["s","a",{"b":1,"b":2}]'))]}, [to_base64url(b'["s","a",{"b":1,"b":2}]')]),
        ({"exp": "never"}, []),
        ({"exp": True}, []),
        ({"nbf": -1}, []),
        ({"cnf": {}}, []),
        ({"cnf": {"jwk": "x"}}, []),
        ({"vct": None}, []),
        ({"iss": 1}, []),
    ],
    ids=str,
)
def test_what_the_format_forbids(payload: dict[str, Any], disclosures: list[Any]) -> None:
    with pytest.raises(Exception) as caught:
        read(signed({**BASE, **payload}, *disclosures))
    assert getattr(caught.value, "code", None) in (BAD_CREDENTIAL, BAD_CREDENTIAL_PROOF), caught.value


def test_a_holders_private_key_in_the_credential_is_refused() -> None:
    with pytest.raises(Exception) as caught:
        read(signed({**BASE, "cnf": {"jwk": {**public_jwk("e", key("holder").public), "d": "x"}}}))
    assert caught.type.__name__ == "Malformed" and "private" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "~", "a.b.c", "a.b.c~", made().rstrip("~"), made() + "x", "~" + made(), made() + "~" * 200, "x" * 2**21]
)
def test_texts_that_are_none(text: str) -> None:
    with refused(BAD_CREDENTIAL):
        read(text)


README = "README.md says under Commands how to install it"


def test_without_the_library_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    text, plain = made(), builtins.__import__
    for missing in ("sd_jwt", "jwcrypto"):

        def without(name: str, *rest: Any, missing: str = missing) -> Any:
            if name.split(".")[0] == missing:
                raise ImportError(name)
            return plain(name, *rest)

        monkeypatch.setattr(builtins, "__import__", without)
        for call in (lambda: read(text), lambda: made()):
            with pytest.raises(Unavailable) as caught:
                call()
            assert caught.value.code == LIBRARY_MISSING and README in caught.value.detail
