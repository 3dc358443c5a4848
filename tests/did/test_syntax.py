"""The grammar of DIDs and DID URLs: every line of the ABNF, percent-encoding, and what two readers could take differently."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.did.syntax import DidUrl, is_did, is_uri, parse_did_url
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_DID, BAD_DID_URL
from chainnode.types.limits import DID_TEXT_LENGTH_MAX, DID_URL_BYTES_MAX, DID_URL_PARAMETERS_MAX

BID = "did:bid:efnVUgqQFfYeu97ABf6sGm3WFtVXHZB2"


def test_all_parts_of_a_did_url_are_taken_apart():
    url = parse_did_url(f"{BID}/a/b?service=files&relativeRef=/x%2F..%2fy%41&versionId=3#key-1")
    assert url == DidUrl(
        BID,
        "bid",
        "efnVUgqQFfYeu97ABf6sGm3WFtVXHZB2",
        "/a/b",
        (("service", "files"), ("relativeRef", "/x%2F..%2fy%41"), ("versionId", "3")),
        "key-1",
    )


@pytest.mark.parametrize("did", [BID, "did:bid:byo1", "did:web:a.example%3A8443:b", "did:x:a::b", "did:9:-", "did:x::y", "did:x:%20"])
def test_a_did_alone_has_nothing_behind_it(did):
    url = parse_did_url(did)
    assert (url.did, url.is_did, url.fragment) == (did, True, None)
    assert f"did:{url.method}:{url.specific_id}" == did
    assert is_did(did)


@pytest.mark.parametrize("behind", ["/", "/a", "?a=b", "#a", "#"])
def test_what_stands_behind_a_did_makes_it_no_did(behind):
    assert not parse_did_url(BID + behind).is_did
    assert not is_did(BID + behind)


def test_a_fragment_may_be_empty_or_hold_a_question():
    assert parse_did_url(f"{BID}#").fragment == ""
    assert parse_did_url(f"{BID}#a?b/c").fragment == "a?b/c"
    assert parse_did_url(f"{BID}?a=/?b").query == (("a", "/?b"),)
    assert parse_did_url(f"{BID}?").query == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "did",
        "did:",
        "did:bid",
        "did:bid:",
        "did::x",
        "DID:bid:x",
        "did:BID:x",
        "did:b-d:x",
        "did:bid:x:",
        "did:bid:x y",
        " did:bid:x",
        "did:bid:x\n",
        "did:bid:x~",
        "did:bid:%2",
        "did:bid:%zz",
        "did:bid:é",
        "did:bid:x*",
        "bid:x",
        "https://a.example",
    ],
)
def test_what_is_no_did_is_refused(text):
    with pytest.raises(Malformed) as caught:
        parse_did_url(text)
    assert caught.value.code == BAD_DID
    assert not is_did(text)


@pytest.mark.parametrize(
    "behind",
    ["/ ", "/a b", "/%", "?a=%2", "?a=\\", "#a#b", "#é", "?a=b&a=c", "?a=b&%61=c", "?=b", "?a=b&", "?&a=b", "?a=%ff", "/[", "?a=b|"],
)
def test_a_did_url_that_is_wrong_behind_the_did_is_refused(behind):
    with pytest.raises(Malformed) as caught:
        parse_did_url(BID + behind)
    assert caught.value.code == BAD_DID_URL


def test_percent_encodings_are_normalised():
    assert parse_did_url("did:web:a.example%3a8443:%2e%2E").did == "did:web:a.example%3A8443:.."
    assert parse_did_url("did:x:%7e/%7e").did == "did:x:%7E"
    assert parse_did_url("did:x:%7e/%7e").path == "/~"
    assert parse_did_url(f"{BID}/%61%2f#%41%c3").path == "/a%2F"
    assert parse_did_url(f"{BID}/%61%2f#%41%c3").fragment == "A%C3"


def test_parameters_are_decoded_but_a_relative_reference_never():
    assert parse_did_url(f"{BID}?se%72vice=%C3%A9+1").query == (("service", "é+1"),)
    assert parse_did_url(f"{BID}?relative%52ef=%2e%2e%2F%ff").query == (("relativeRef", "%2e%2e%2F%ff"),)


def test_lengths_are_limited():
    longest = "did:x:" + "a" * (DID_TEXT_LENGTH_MAX - 6)
    assert parse_did_url(longest).did == longest
    with pytest.raises(Malformed) as caught:
        parse_did_url(longest + "a")
    assert caught.value.code == BAD_DID
    assert is_did(longest)
    assert not is_did(longest + "a")
    with pytest.raises(Malformed):
        parse_did_url("did:x:y#" + "a" * DID_URL_BYTES_MAX)
    many = [f"p{number}=1" for number in range(DID_URL_PARAMETERS_MAX)]
    assert len(parse_did_url(f"{BID}?{'&'.join(many)}").query) == DID_URL_PARAMETERS_MAX
    with pytest.raises(Malformed):
        parse_did_url(f"{BID}?{'&'.join([*many, 'q=1'])}")


@pytest.mark.parametrize(
    "text", ["a:b", "https://a.example:1/x?y=[z]#w", "urn:x:y", "tel:+1-2", "did:x:y", "mailto:a@b.example", "a+b:c%20"]
)
def test_uris(text):
    assert is_uri(text)


@pytest.mark.parametrize(
    "text", ["", "a", ":b", "a:", "1a:b", "a:b c", "a:é", "a:b%2", "a:b\n", "a:b#c#d", "a:<b>", 'a:"', "/x", "#x", "a.example"]
)
def test_no_uris(text):
    assert not is_uri(text)


ENCODED = st.integers(0, 255).flatmap(lambda byte: st.sampled_from([f"%{byte:02x}", f"%{byte:02X}"]))
PIECES = st.lists(st.one_of(st.sampled_from("aZ09.-_:"), ENCODED), min_size=1, max_size=20).map("".join)


@given(PIECES)
def test_a_normalised_did_is_its_own_normal_form(text):
    did = f"did:x:{text}"
    if text.endswith(":"):
        assert not is_did(did)
        return
    once = parse_did_url(did)
    assert parse_did_url(once.did) == once
    assert is_did(once.did)


@given(st.text(max_size=30))
def test_any_text_is_parsed_or_refused(text):
    for candidate in (text, f"did:x:{text}", f"{BID}{text}"):
        try:
            url = parse_did_url(candidate)
        except Malformed:
            continue
        assert url.did.startswith("did:")
