"""Parts of a document by DID URL: what is selected, that a relative reference never leaves its service, and what is an error."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.api import dereferencing
from chainnode.api.dereferencing import Unresolved, error_json, expand, fragment_of, service_url, with_services

DID = "did:bid:efx"
KEY = {"id": f"{DID}#key-1", "type": "Multikey", "controller": DID, "publicKeyMultibase": "z6Mk"}
OTHER = {"id": "#key-2", "type": "Multikey", "controller": DID, "publicKeyMultibase": "z6Mm"}
INNER = {"id": f"{DID}#key-3", "type": "Multikey", "controller": DID, "publicKeyMultibase": "z6LS"}
FILES = {"id": f"{DID}#files", "type": "Storage", "serviceEndpoint": "https://store.example/of/efx"}
DOCUMENT = {
    "@context": ["https://www.w3.org/ns/did/v1.1"],
    "id": DID,
    "verificationMethod": [KEY, OTHER],
    "authentication": [f"{DID}#key-1"],
    "assertionMethod": ["#key-2"],
    "keyAgreement": [INNER],
    "service": [
        FILES,
        {"id": "#mail", "type": ["Inbox", "Storage"], "serviceEndpoint": [{"uri": "x"}, "https://mail.example/?box=1#top"]},
        {"id": f"{DID}#odd", "type": "Odd", "serviceEndpoint": "urn:x:y"},
        {"id": f"{DID}#map", "type": "Map", "serviceEndpoint": {"uri": "https://map.example"}},
    ],
}


def refused(kind, work, *arguments):
    with pytest.raises(Unresolved) as caught:
        work(*arguments)
    assert caught.value.kind is kind
    return caught.value


# Fragments


def test_a_fragment_names_a_method_or_a_service():
    assert fragment_of(DOCUMENT, f"{DID}#key-1", None) == {"@context": DOCUMENT["@context"], **KEY}
    assert fragment_of(DOCUMENT, f"{DID}#key-2", None)["publicKeyMultibase"] == "z6Mm"
    assert fragment_of(DOCUMENT, f"{DID}#key-3", None)["publicKeyMultibase"] == "z6LS"
    assert fragment_of(DOCUMENT, f"{DID}#mail", None)["type"] == ["Inbox", "Storage"]
    bare = {name: value for name, value in DOCUMENT.items() if name != "@context"}
    assert fragment_of(bare, f"{DID}#files", None) == FILES


def test_a_fragment_that_names_nothing_is_not_found():
    refused(dereferencing.NOT_FOUND, fragment_of, DOCUMENT, f"{DID}#key-9", None)
    refused(dereferencing.NOT_FOUND, fragment_of, {"id": DID}, f"{DID}#key-1", None)


@pytest.mark.parametrize(
    ("fragment", "relationship"), [("key-1", "authentication"), ("key-2", "assertionMethod"), ("key-3", "keyAgreement")]
)
def test_a_method_is_given_for_the_purposes_that_list_it(fragment, relationship):
    assert fragment_of(DOCUMENT, f"{DID}#{fragment}", relationship)["type"] == "Multikey"


@pytest.mark.parametrize(
    ("fragment", "relationship"), [("key-1", "assertionMethod"), ("key-1", "service"), ("key-1", "verificationMethod"), ("key-3", "")]
)
def test_for_another_purpose_it_is_refused(fragment, relationship):
    error = refused(dereferencing.INVALID_RELATIONSHIP, fragment_of, DOCUMENT, f"{DID}#{fragment}", relationship)
    assert error_json(error)["type"] == "https://w3id.org/security#INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD"


@pytest.mark.parametrize("fragment", ["files", "key-9"])
def test_only_a_verification_method_has_a_purpose(fragment):
    refused(dereferencing.INVALID_VERIFICATION_METHOD, fragment_of, DOCUMENT, f"{DID}#{fragment}", "authentication")


def test_an_error_is_a_problem_of_the_standard():
    error = refused(dereferencing.NOT_FOUND, fragment_of, DOCUMENT, f"{DID}#key-9", None)
    assert error_json(error) == {
        "type": "https://www.w3.org/ns/did#NOT_FOUND",
        "title": "There is nothing there.",
        "status": 404,
        "detail": f"the document has nothing with the id {DID}#key-9",
    }


# Services


@pytest.mark.parametrize("name", ["files", "#files", f"{DID}#files"])
def test_a_service_is_named_by_its_id_or_the_fragment_of_it(name):
    assert with_services(DOCUMENT, {"service": name}) == {**DOCUMENT, "service": [FILES]}


def test_services_are_selected_by_type_too():
    ids = [one["id"] for one in with_services(DOCUMENT, {"serviceType": "Storage"})["service"]]
    assert ids == [f"{DID}#files", "#mail"]
    assert with_services(DOCUMENT, {"serviceType": "Storage", "service": "mail"})["service"] == [DOCUMENT["service"][1]]
    assert with_services(DOCUMENT, {"service": "did:bid:other#files"})["service"] == []


@pytest.mark.parametrize(
    ("parameters", "fragment", "url"),
    [
        ({"service": "files"}, "", "https://store.example/of/efx"),
        ({"service": "files"}, "intro", "https://store.example/of/efx#intro"),
        ({"service": "files", "relativeRef": "/cv.pdf"}, "", "https://store.example/of/efx/cv.pdf"),
        ({"service": "files", "relativeRef": "cv.pdf"}, "", "https://store.example/of/efx/cv.pdf"),
        ({"service": "files", "relativeRef": "/some/path?query"}, "frag", "https://store.example/of/efx/some/path?query#frag"),
        ({"service": "files", "relativeRef": "?a=b"}, "", "https://store.example/of/efx/?a=b"),
        ({"service": "files", "relativeRef": "/a%20b/é"}, "", "https://store.example/of/efx/a%20b/%C3%A9"),
        ({"service": "files", "relativeRef": "/a b"}, "", "https://store.example/of/efx/a%20b"),
        ({"serviceType": "Inbox"}, "", "https://mail.example/?box=1#top"),
        ({"serviceType": "Inbox", "relativeRef": "/x"}, "", "https://mail.example/x?box=1"),
        ({"service": "odd"}, "", "urn:x:y"),
    ],
)
def test_the_place_of_a_service(parameters, fragment, url):
    assert service_url(DOCUMENT, parameters, fragment) == url


@pytest.mark.parametrize("parameters", [{"service": "none"}, {"service": "map"}, {"serviceType": "x"}])
def test_a_service_without_a_place_is_not_found(parameters):
    refused(dereferencing.NOT_FOUND, service_url, DOCUMENT, parameters, "")


def test_a_place_that_has_a_fragment_takes_no_other():
    refused(dereferencing.INVALID_DID_URL, service_url, DOCUMENT, {"serviceType": "Inbox"}, "intro")


def test_nothing_is_below_what_is_no_web_address():
    refused(dereferencing.FEATURE_NOT_SUPPORTED, service_url, DOCUMENT, {"service": "odd", "relativeRef": "/x"}, "")


@pytest.mark.parametrize(
    "reference",
    [
        "../x",
        "/../x",
        "/a/../../x",
        "/%2e%2e/x",
        "/%2E./x",
        "/%252e%252e/x",
        "/a%2f..%2fx",
        "/..\\x",
        "/..%5cx",
        "//evil.example/x",
        "https://evil.example/x",
        "javascript:alert(1)",
        "/..;/x",
        "/a/..%3bv=1/../x",
        "/%" + "25" * 20 + "2e",
        "//[x",
    ],
)
def test_a_relative_reference_never_leaves_its_service(reference):
    refused(dereferencing.INVALID_DID_URL, service_url, DOCUMENT, {"service": "files", "relativeRef": reference}, "")


@given(st.text(max_size=40))
def test_whatever_a_relative_reference_is_the_place_is_below_the_service_and_one_line(reference):
    try:
        url = service_url(DOCUMENT, {"service": "files", "relativeRef": reference}, "")
    except Unresolved:
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc) == ("https", "store.example") and parts.path.startswith("/of/efx/")
    assert url.isascii() and url.isprintable() and " " not in url


# Relative DID URLs


def test_relative_did_urls_are_expanded():
    whole = expand(DOCUMENT)
    assert [one["id"] for one in whole["verificationMethod"]] == [f"{DID}#key-1", f"{DID}#key-2"]
    assert whole["assertionMethod"] == [f"{DID}#key-2"] and whole["authentication"] == [f"{DID}#key-1"]
    assert [one["id"] for one in whole["service"]][:2] == [f"{DID}#files", f"{DID}#mail"]
    assert DOCUMENT["assertionMethod"] == ["#key-2"], "the document itself stays"
    assert expand(whole) == whole
