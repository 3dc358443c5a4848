"""did:web: where documents lie, and the names that must not lead anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.did.webmethod import did_of_url, url_of
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_DID

PLACES = [
    ("did:web:w3c-ccg.github.io", "https://w3c-ccg.github.io/.well-known/did.json"),
    ("did:web:w3c-ccg.github.io:user:alice", "https://w3c-ccg.github.io/user/alice/did.json"),
    ("did:web:example.com%3A3000:user:alice", "https://example.com:3000/user/alice/did.json"),
    ("did:web:example.com%3A65535", "https://example.com:65535/.well-known/did.json"),
    ("did:web:localhost%3A8443", "https://localhost:8443/.well-known/did.json"),
    ("did:web:xn--fiqs8s.example", "https://xn--fiqs8s.example/.well-known/did.json"),
    ("did:web:a.example:x%20y:z%3Aw:1.0_-", "https://a.example/x%20y/z%3Aw/1.0_-/did.json"),
    ("did:web:0x7f.example", "https://0x7f.example/.well-known/did.json"),
    ("did:web:1.2.3.example", "https://1.2.3.example/.well-known/did.json"),
    ("did:web:a.0xg", "https://a.0xg/.well-known/did.json"),
]


@pytest.mark.parametrize(("did", "url"), PLACES)
def test_a_did_leads_to_its_address_and_back(did, url):
    assert url_of(did) == url
    assert did_of_url(url) == did


def test_spellings_of_one_did_lead_to_one_address():
    assert url_of("did:web:A.Example%3a8443:%61") == "https://a.example:8443/a/did.json"


@pytest.mark.parametrize(
    "did",
    [
        "did:web:",
        "did:key:a.example",
        "did:web:a.example#x",
        "did:web:a.example/x",
        "did:web:a.example?x=y",
        "did:web:127.0.0.1",
        "did:web:127.0.0.1%3A80",
        "did:web:2130706433",
        "did:web:0x7f000001",
        "did:web:0x",
        "did:web:127.1",
        "did:web:127.0.0.0x1",
        "did:web:a.017",
        "did:web:%5B%3A%3A1%5D",
        "did:web:::1",
        "did:web:user%40a.example",
        "did:web:a.example%40b.example",
        "did:web:a..example",
        "did:web:.example",
        "did:web:a.example.",
        "did:web:-a.example",
        "did:web:a-.example",
        "did:web:a_b.example",
        "did:web:" + "a" * 64 + ".example",
        "did:web:" + "a." * 125 + "example",
        "did:web:%E4%B8%AD.example",
        "did:web:中.example",
        "did:web:a.example%3A",
        "did:web:a.example%3A0",
        "did:web:a.example%3A080",
        "did:web:a.example%3A65536",
        "did:web:a.example%3A80%3A80",
        "did:web:a.example%2Fx",
        "did:web:a.example%23",
        "did:web:a.example:",
        "did:web:a.example::x",
        "did:web:a.example:x:",
        "did:web:a.example:..",
        "did:web:a.example:x:.:y",
        "did:web:a.example:%2e%2E:x",
        "did:web:a.example:.%2e",
        "did:web:a.example:x%2f..%2Fy",
        "did:web:a.example:x%5cy",
        "did:web:a.example:%00",
    ],
)
def test_a_did_that_could_lead_elsewhere_is_refused(did):
    with pytest.raises(Malformed) as caught:
        url_of(did)
    assert caught.value.code == BAD_DID


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/.well-known/did.json",
        "https://a.example/did.json",
        "https://a.example/x/did.json/",
        "https://a.example/x/did.json?y",
        "https://a.example/x/did.json#y",
        "https://a.example/x?y=/did.json",
        "https://a.example/x#/did.json",
        "https://a.example//did.json",
        "https://a.example/../did.json",
        "https://a.example/~x/did.json",
        "https://A.example/x/did.json",
        "https://a.example:/x/did.json",
        "https://u@a.example/x/did.json",
        "https://127.0.0.1/x/did.json",
        "https://[::1]/x/did.json",
        "https:/a.example/x/did.json",
        "https://a.example/x/did.jsonx",
        "https://a.example/%61/did.json",
        "a.example/x/did.json",
        "",
    ],
)
def test_an_address_that_no_did_leads_to_is_refused(url):
    with pytest.raises(Malformed) as caught:
        did_of_url(url)
    assert caught.value.code == BAD_DID


@given(st.text(st.sampled_from("ab0.:%23AF/@-x[]~"), max_size=20))
def test_whatever_is_not_refused_leads_to_a_host_with_a_name_over_https(text):
    try:
        url = url_of(f"did:web:{text}")
    except Malformed:
        return
    host = url.removeprefix("https://").partition("/")[0].partition(":")[0]
    assert url.startswith("https://")
    assert not host.rpartition(".")[2].isdigit()
    assert "@" not in url
    assert ".." not in url.split("/")
    assert url_of(did_of_url(url)) == url
