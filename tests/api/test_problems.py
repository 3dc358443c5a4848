"""Whose fault an error is decides its HTTP status; some codes have a status of their own."""

import json

import pytest

from chainnode.api.problems import NothingHere, problem_of
from chainnode.errors import Corrupt, Malformed, Rejected, Unavailable
from chainnode.types.codes import CORRUPT_STORE, HEIGHT_UNKNOWN, MALFORMED, NOT_FOUND, OVERLOADED, STALE_SEQUENCE, STATE_PRUNED, TOO_LARGE


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Malformed(MALFORMED), 400),
        (Rejected(STALE_SEQUENCE), 422),
        (Unavailable(OVERLOADED), 503),
        (Unavailable(HEIGHT_UNKNOWN), 503),
        (NothingHere(HEIGHT_UNKNOWN), 404),
        (Rejected(NOT_FOUND), 404),
        (Unavailable(NOT_FOUND), 404),
        (Unavailable(STATE_PRUNED), 410),
        (Malformed(TOO_LARGE), 413),
        (Corrupt(CORRUPT_STORE), 500),
    ],
)
def test_errors_have_the_status_of_their_fault(error, status):
    answer = problem_of(error)
    document = json.loads(answer.text)
    assert (answer.status, document["status"], document["code"], document["number"]) == (status, status, error.code.name, error.code.number)
    assert answer.content_type == "application/problem+json" and document["detail"] == error.detail
    assert ("Retry-After" in answer.headers) == (status == 503)
