"""How much work each method is at most, which its bytes alone tell: what keeps one member from holding up all nodes (INV-89).

A unit is about a microsecond of processor without C, of the machine in `docs/performance.md`. Of a method it is what the dearest call
takes that anybody can make: with the largest record that it may have to read, with arguments that are the most work for their bytes, and
with the state tree's share, 20 us of a key that is written.
What takes no more for its bytes than a signature does, as evidence, is none: `block_bytes_max` bounds it. ADR-0016 has the measurements.
"""

from collections.abc import Sequence
from typing import NamedTuple

from chainnode.foreign import anchored, tendermint
from chainnode.types.transaction import Invocation, Value


class Work(NamedTuple):
    """Units of one call, for each value within arrays and maps among its arguments, and for each 1,024 letters or bytes of these.

    `dear_kib` more for as many bytes of the argument in the place `dear`.
    """

    call: int
    item: int = 0
    kib: int = 0
    dear: int = 0
    dear_kib: int = 0


UNASKED_BYTES = 13 * 1024  # so short a transaction is never more than WORK_TX_MAX: 64 calls of the dearest, and all else items
_CHEAP_KINDS = (tendermint.NAME, anchored.NAME)  # of light clients; others hash by Keccak, in Python, and find out who signed
_CLIENT, _DEAR_CLIENT = Work(500, kib=500), Work(500, kib=6_000)
_CODES = Work(300, item=45)  # a package that is named is read and written anew, in the state tree too
_RECEIPT = Work(300)
_DOCUMENT = Work(3_000, item=5, kib=300)  # the version before is read, and written as history
_ORDER = Work(1_000)
_PROOF = Work(1_500, kib=300, dear=1, dear_kib=2_500)
_NONE = Work(0)

WORK: dict[str, dict[str, Work]] = {
    "governance": {"propose": Work(6_000, item=1, kib=200), "vote": Work(6_000)},
    "roles": {"grant": Work(200), "revoke": Work(200)},
    "supervision": {"propose": _ORDER, "sign": _ORDER, "lift": _ORDER, "uphold": _ORDER, "appeal": _ORDER, "release": _ORDER},
    "validators": {"register_node": Work(200), "report_equivocation": Work(2_000)},
    "identity": {
        "create": Work(500, item=5, kib=200),
        "create_many": Work(500, item=5, kib=850),  # 96 bytes hold a key and its signature
        "update": _DOCUMENT,
        "rotate": _DOCUMENT,
        "set_control": _DOCUMENT,
        "deactivate": _DOCUMENT,
        "recover": _DOCUMENT,
        "veto_recovery": _DOCUMENT,
        "finish_recovery": _DOCUMENT,
    },
    "evidence": {"record": _NONE},
    "credentials": {"register_schema": Work(200), "create_list": Work(200), "set_status": Work(200, item=10)},
    "chains": {
        "apply": Work(2_000, item=10, kib=200),
        "withdraw": Work(1_500),
        "update": Work(4_000, item=10, kib=200),
        "transfer": Work(5_000),
        "appeal": Work(1_500),
        "report": Work(2_000, item=5, kib=250),
    },
    "clients": {"update": _DEAR_CLIENT, "misbehaviour": _DEAR_CLIENT, "register_counterparty": Work(500)},
    "packets": {"send": Work(2_000, item=5, kib=300), "receive": _PROOF, "acknowledge": _PROOF._replace(dear=2), "time_out": _PROOF},
    "goods": {"commission": Work(300, item=6), "decommission": _CODES},
    "receipts": {
        "issue": _CODES,
        "transfer": _RECEIPT,
        "offer_transfer": _RECEIPT,
        "accept_transfer": _RECEIPT,
        "withdraw_transfer": _RECEIPT,
        "reject_transfer": _RECEIPT,
        "split": _CODES,
        "merge": _CODES,
        "cancel": _CODES,
        "move": Work(2_000),
        "pledge": _RECEIPT,
        "pledge_propose": _RECEIPT,
        "pledge_accept": _RECEIPT,
        "pledge_withdraw": _RECEIPT,
        "pledge_release": _RECEIPT,
        "delivery_order": _CODES,
        "delivery_confirm": _CODES,
        "delivery_reject": _RECEIPT,
        "hold_set": _RECEIPT,
        "hold_clear": _RECEIPT,
    },
}


def of_calls(calls: Sequence[Invocation]) -> int:
    """The work of all these calls. What is no method is refused at once, and none."""
    return sum(map(of_call, calls))


def of_call(call: Invocation) -> int:
    """The work of a call, whatever its arguments are."""
    methods = WORK.get(call.contract)
    work = None if methods is None else methods.get(call.method)
    if work is None:
        return 0
    if work is _DEAR_CLIENT and _names_cheap_client(call.arguments):
        work = _CLIENT
    if not (work.item or work.kib):
        return work.call
    items, size = _measure(call.arguments)
    dear = call.arguments[work.dear] if work.dear_kib and work.dear < len(call.arguments) else b""
    dear_size = len(dear) if isinstance(dear, bytes) else 0
    return work.call + work.item * (items - len(call.arguments)) + (work.kib * size + work.dear_kib * dear_size) // 1024


def _names_cheap_client(arguments: tuple[Value, ...]) -> bool:
    """Whether the first argument can name no client but one of a cheap kind: an id is the kind, and a number."""
    return bool(arguments) and isinstance(arguments[0], str) and arguments[0].rpartition("-")[0] in _CHEAP_KINDS


def _measure(value: Value) -> tuple[int, int]:
    """How many values there are within a value, and how long its texts and bytes are."""
    if isinstance(value, (str, bytes)):
        return 0, len(value)
    if isinstance(value, dict):
        value = (*value, *value.values())
    if not isinstance(value, tuple):
        return 0, 0
    items, size = len(value), 0
    for one in value:
        if isinstance(one, (str, bytes)):
            size += len(one)
        elif isinstance(one, (tuple, dict)):
            more, longer = _measure(one)
            items, size = items + more, size + longer
    return items, size
