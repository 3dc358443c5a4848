"""What an Accept header asks for."""

import pytest

from chainnode.api.didmedia import ANY, DEREFERENCING, DEREFERENCING_OLD, DID, RESOLUTION, RESOLUTION_OLD, URI_LIST, chosen

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, ANY),
        ("", ANY),
        (" ", ANY),
        ("*/*", ANY),
        ("application/*", ANY),
        (BROWSER, ANY),
        (RESOLUTION, RESOLUTION),
        ("Application/DID-Resolution", RESOLUTION),
        (DEREFERENCING, DEREFERENCING),
        (DID, DID),
        ("application/did+json", "application/did+json"),
        ("application/ld+json", "application/ld+json"),
        ("application/json", "application/json"),
        (URI_LIST, URI_LIST),
        (RESOLUTION_OLD, RESOLUTION_OLD),
        (DEREFERENCING_OLD, DEREFERENCING_OLD),
        ('application/ld+json;profile="https://www.w3.org/ns/activitystreams"', "application/ld+json"),
        ("application/did-resolution,application/did", RESOLUTION),
        ("application/did,application/did-resolution", DID),
        ("application/did;q=0.5, application/did-resolution;q=0.9", RESOLUTION),
        ("application/did; q=0.05 , application/did-resolution ; q=0.04", DID),
        ("application/x-nothing, application/did;q=0.1", DID),
        ("application/x-nothing", None),
        ("application/did;q=0", None),
        ("application/did;q=0.000", None),
        ("application/did;q=2", None),
        ("application/did;q=x", None),
        ("text/*", None),
        (";,;,=;q", None),
    ],
)
def test_the_best_liked_form_is_chosen(accept, form):
    assert chosen(accept) == form


def test_an_endless_header_is_read_in_part():
    assert chosen("text/x," * 1000 + DID) is None
