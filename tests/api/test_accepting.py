"""Which of two forms an Accept header prefers."""

import pytest

from chainnode.api.accepting import prefers
from chainnode.bundlebytes import BUNDLE_MEDIA

JSON = "application/json"


@pytest.mark.parametrize(
    ("accept", "is_binary"),
    [
        ("", False),
        ("*/*", False),
        ("application/*", False),
        (JSON, False),
        ("text/html", False),
        (BUNDLE_MEDIA, True),
        (BUNDLE_MEDIA.upper(), True),
        (f"{BUNDLE_MEDIA}, {JSON}", True),
        (f"{JSON}, {BUNDLE_MEDIA}", True),
        (f"{BUNDLE_MEDIA}, {JSON};q=0.9", True),
        (f"{BUNDLE_MEDIA};q=0.9, {JSON}", False),
        (f"{BUNDLE_MEDIA};q=0.9, application/*", False),
        (f"{BUNDLE_MEDIA};q=0.9, */*", False),
        (f"{BUNDLE_MEDIA};q=0.9, */*, {JSON};q=0.5", True),
        (f"{BUNDLE_MEDIA};q=0.9, */*, application/*;q=0.5", True),
        (f"{BUNDLE_MEDIA};q=0.1, */*;q=0.1", True),
        (f"{BUNDLE_MEDIA};q=0", False),
        (f"{BUNDLE_MEDIA};q=x", False),
        (f"{BUNDLE_MEDIA}2", False),
    ],
)
def test_the_binary_form_is_for_those_who_name_it_and_like_it_no_less(accept, is_binary):
    assert prefers(accept, BUNDLE_MEDIA, JSON) is is_binary
