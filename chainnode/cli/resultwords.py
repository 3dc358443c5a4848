"""What a call of a contract returned, in words; which values there are is in docs/contracts.md."""

from chainnode.bundlewords import value_to_text
from chainnode.cli.plainwords import named
from chainnode.rfc3339 import time_to_text
from chainnode.types.transaction import Invocation, Value
from contracts import (
    chains,
    clientrecords,
    credentials,
    evidence,
    goods,
    governance,
    identityrecords,
    packets,
    receiptrecords,
    supervisionrecords,
)

_NS_PER_MS = 1_000_000
_TEXT_MS_MAX = 253_402_300_799_999  # the end of the year 9999
_VERSION = "the version of the DID"
_MEANINGS = {
    (governance.NAME, "propose"): "the number of the proposal",
    (governance.NAME, "vote"): "how the proposal stands",
    (identityrecords.NAME, "create"): _VERSION,
    (identityrecords.NAME, "create_many"): "how many DIDs are registered by it",
    (identityrecords.NAME, "update"): _VERSION,
    (identityrecords.NAME, "rotate"): _VERSION,
    (identityrecords.NAME, "set_control"): _VERSION,
    (identityrecords.NAME, "finish_recovery"): _VERSION,
    (identityrecords.NAME, "deactivate"): _VERSION,
    (evidence.NAME, "record"): "the log index of the first record, how many there are, and which digests were recorded before",
    (chains.NAME, "apply"): "the number of the application",
    (chains.NAME, "appeal"): "the number of the appeal",
    (clientrecords.NAME, "update"): "what the header was to the client",
    (clientrecords.NAME, "misbehaviour"): "what the client is now",
    (packets.NAME, "send"): "the sequence of the packet",
    (packets.NAME, "receive"): "what its application did with it",
    (packets.NAME, "acknowledge"): "what the other chain's application did with it",
    (packets.NAME, "time_out"): "what became of it",
    (supervisionrecords.NAME, "propose"): "the number of the order",
    (supervisionrecords.NAME, "sign"): "how the order stands",
    (supervisionrecords.NAME, "lift"): "how the order stands",
    (supervisionrecords.NAME, "uphold"): "whether the appeal is answered by it",
    (supervisionrecords.NAME, "appeal"): "when the order lapses without an answer, in ms",
    (chains.NAME, "report"): "the log index of its digest",
    (credentials.NAME, "register_schema"): "the version of the schema",
    (credentials.NAME, "set_status"): "how many entries had another value before",
    (goods.NAME, "commission"): "how many packages are registered by it",
    (goods.NAME, "decommission"): "how many packages it ended",
}


def result_words(call: Invocation, value: Value) -> str:
    """One line. The value stands in it as it is, with what it means where that is known."""
    what = f"{named(call.contract)}.{named(call.method)}"
    if value is None:
        return f"{what} is done; it returns nothing"
    meaning = _meaning(call, value)
    return f"{what} returned {value_to_text(value)}{meaning and f', {meaning}'}"


def _meaning(call: Invocation, value: Value) -> str:
    if (call.contract, call.method) == (identityrecords.NAME, "recover"):
        if not isinstance(value, int) or not 0 <= value <= _TEXT_MS_MAX:
            return ""
        return f"from when on the new keys can come in force: {time_to_text(value * _NS_PER_MS)}"
    if call.contract == receiptrecords.STORE:
        return "the sequence of the receipt"
    return _MEANINGS.get((call.contract, call.method), "")
