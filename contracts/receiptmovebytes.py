"""What a packet says of a receipt that moves to another chain or back: canonical msgpack, under the port `receipts`.

Both forms name the receipt and its sequence where it leaves, who sent it for whom, and the evidence. Outward goes all
that the record of the receipt says of the goods, so that the other chain can keep one that says the same.
"""

from dataclasses import dataclass

from chainnode import codec
from chainnode.errors import Malformed
from chainnode.types.codes import MALFORMED
from chainnode.types.limits import GOODS_ITEMS_MAX, RECEIPT_MOVE_BYTES_MAX, TEXT_BYTES_MAX
from chainnode.types.transaction import Value

PORT = "receipts"
VERSION = "receipts-1"
ENCODING = "application/vnd.msgpack"
ACCEPTED = codec.encode("accepted")  # the answer of the chain where it went; any other than IBC's error means the same
_OUTWARD, _HOMEWARD = "out", "home"
_OUTWARD_FIELDS, _HOMEWARD_FIELDS = 18, 8


@dataclass(frozen=True, slots=True)
class Outward:
    """A receipt goes on to the chain `to_chain`, where it has not been. `path` are the (chain, receipt) before this one, as in `Origin`."""

    receipt_id: str
    sequence: int
    sender: str
    to: str
    evidence: bytes
    to_chain: str
    custodian: str
    custodian_cosigns: bool
    depositor: str | None
    site: str
    commodity: str
    quantity: int
    uom: str
    unit_count: int
    units_digest: bytes
    document: bytes
    path: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Homeward:
    """A receipt goes back where it came from: there it is `home_id`, and left in the packet `left_in`."""

    receipt_id: str
    sequence: int
    sender: str
    to: str
    evidence: bytes
    home_id: str
    left_in: int


Move = Outward | Homeward


def encode_move(move: Move) -> bytes:
    """The value of the payload; at most RECEIPT_MOVE_BYTES_MAX."""
    start = (move.receipt_id, move.sequence, move.sender, move.to, move.evidence)
    if isinstance(move, Homeward):
        return codec.encode((_HOMEWARD, *start, move.home_id, move.left_in))
    goods = (move.to_chain, move.custodian, move.custodian_cosigns, move.depositor, move.site, move.commodity, move.quantity, move.uom)
    return codec.encode((_OUTWARD, *start, *goods, move.unit_count, move.units_digest, move.document, move.path))


def decode_move(value: bytes) -> Move:
    """The move of a payload's value. Malformed for other bytes."""
    kind, *fields = codec.as_array(codec.decode(value, bytes_max=RECEIPT_MOVE_BYTES_MAX)) or (None,)
    if kind == _HOMEWARD:
        codec.as_array((kind, *fields), _HOMEWARD_FIELDS)
        return Homeward(*_start(fields), home_id=_text(fields[5]), left_in=_count(fields[6]))
    if kind != _OUTWARD:
        raise Malformed(MALFORMED, "a receipt moves out or home")
    codec.as_array((kind, *fields), _OUTWARD_FIELDS)
    return Outward(
        *_start(fields),
        to_chain=_text(fields[5]),
        custodian=_text(fields[6]),
        custodian_cosigns=codec.as_bool(fields[7]),
        depositor=None if fields[8] is None else _text(fields[8]),
        site=_text(fields[9]),
        commodity=_text(fields[10]),
        quantity=_count(fields[11]),
        uom=_text(fields[12]),
        unit_count=codec.as_int(fields[13], 1, GOODS_ITEMS_MAX),
        units_digest=codec.as_bytes(fields[14], 32),
        document=codec.as_bytes(fields[15], 32),
        path=tuple(_step(step) for step in codec.as_array(fields[16])),
    )


def _start(fields: list[Value]) -> tuple[str, int, str, str, bytes]:
    return _text(fields[0]), _count(fields[1]), _text(fields[2]), _text(fields[3]), codec.as_bytes(fields[4], 32)


def _step(value: Value) -> tuple[str, str]:
    chain_id, receipt_id = codec.as_array(value, 2)
    return _text(chain_id), _text(receipt_id)


def _text(value: Value) -> str:
    return codec.as_str(value, TEXT_BYTES_MAX)


def _count(value: Value) -> int:
    return codec.as_int(value, 1, 2**63 - 1)
