"""Why a contract refused, in words."""

from chainnode.foreign.abi import encode, selector
from chainnode.foreign.evmerrors import refusal


def test_errors_are_named_with_their_reason():
    assert refusal(selector("NotActive()")) == "NotActive"
    assert refusal(selector("BadProof(string)") + encode("another root")) == "BadProof: another root"
    assert refusal(selector("BadProof(string)")) == "BadProof"
    assert refusal(selector("Error(string)") + encode("x" * 5000)) == "Error: " + "x" * 200
    assert refusal(b"") == "another error, without a reason"
    assert refusal(b"\1\2\3\4\5") == "another error, 01020304"
