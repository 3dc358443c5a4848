"""What the ledger keeps of a warehouse receipt: one canonical value under one key, so one state proof shows it whole."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple, TypeVar

from chainnode import codec
from chainnode.errors import Malformed
from chainnode.types.codes import MALFORMED
from chainnode.types.limits import STATE_VALUE_BYTES_MAX, TEXT_BYTES_MAX
from chainnode.types.transaction import Value

STORE = "receipts"
_RECORD_VERSION = 1
_RECORD_FIELDS = 24
_MOVED_VERSION = 2  # of a record that says where the receipt came from or has gone to
_MOVED_FIELDS = 26
_RECEIPT_PREFIX = b"\x01"
_KEYS_CACHED = 4096  # a receipt is read, changed and written under its key
GUEST_PREFIX = "moved:"  # of the ids of receipts from other chains


class Status(StrEnum):
    """Where a receipt is in its life.

    `ACTIVE` and `DELIVERING` are in force. `MOVED` is locked: the receipt is in force on another chain, or on its way there
    or back. The others never change again.
    """

    ACTIVE = "active"
    DELIVERING = "delivering"  # a delivery order is open
    MOVED = "moved"  # to another chain
    SPLIT = "split"
    MERGED = "merged"
    SUPERSEDED = "superseded"  # by a receipt over what a part delivery left
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    RETURNED = "returned"  # to the chain where it came from


class HoldKind(StrEnum):
    """Why a receipt is frozen."""

    COURT = "court"
    REGULATOR = "regulator"
    DISPUTE = "dispute"
    INVENTORY_MISMATCH = "inventory-mismatch"
    LOSS = "loss"
    IOT = "iot"


_COUNT_MAX = 2**63 - 1
_DIGEST_BYTES = 32
_USUAL_LENGTH_MAX = TEXT_BYTES_MAX // 4  # so many letters have no more bytes than a text may have
_PLEDGE_TYPES = (str, int, str, int, str, int, int, int, int)
_NONE = type(None)
# Of the fields of a receipt that has not moved and is not to be delivered, with a depositor and an offer or without.
_USUAL_TYPES = frozenset(
    (
        *(int, str, str, int, str, str, bool, depositor, str, str, int, str, int, bytes, bytes, bytes, tuple, tuple),
        *(offer, _NONE, tuple, tuple, int, int),
    )
    for depositor, offer in product((str, _NONE), repeat=2)
)

_Word = TypeVar("_Word", bound=StrEnum)
_WORDS: dict[type[StrEnum], dict[str, StrEnum]] = {words: {one.value: one for one in words} for words in (Status, HoldKind)}
IN_FORCE = (Status.ACTIVE, Status.DELIVERING)


class Pledge(NamedTuple):
    """A pledge of a receipt, or a proposal of one. A tuple as `Receipt` is.

    `height` and `position` (of the transaction in its block) are its priority, the moment of its publicity; `height` 0
    is a proposal, which reserves the receipt until block time reaches `until_ms` (0 in a pledge).
    `amount` is in the smallest unit of `currency`; `text` is the endorsement; `rank` is 1 for the first.
    """

    pledgee: str
    amount: int
    currency: str
    due_ms: int
    text: str
    rank: int
    until_ms: int
    height: int
    position: int

    @property
    def is_proposal(self) -> bool:
        """Whether pledgee and custodian have not accepted it yet."""
        return self.height == 0


@dataclass(frozen=True, slots=True)
class Hold:
    """A freeze of a receipt by an authority."""

    kind: HoldKind
    authority: str
    reason: str
    height: int


@dataclass(frozen=True, slots=True)
class Order:
    """An open delivery order: which packages (by the digest of their codes) go to whom."""

    consignee: str
    unit_count: int
    units_digest: bytes
    height: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a receipt came from, whose goods are on another chain.

    `client_id` is this chain's client of the chain `chain_id`, where the receipt is `receipt_id`; it came in the packet
    `packet_sequence`. `path` are the (chain, receipt) before that, the one with the goods first, as the last of them said.
    """

    client_id: str
    chain_id: str
    receipt_id: str
    packet_sequence: int
    path: tuple[tuple[str, str], ...]

    @property
    def lineage(self) -> tuple[tuple[str, str], ...]:
        """Each (chain, receipt) before this one, the one with the goods first."""
        return (*self.path, (self.chain_id, self.receipt_id))


@dataclass(frozen=True, slots=True)
class Away:
    """Where a receipt has gone to: in which packet to which chain, as which receipt there, for whom.

    `has_arrived`: that chain's answer is known here. Until then the packet may still fail, and the receipt be in force again.
    """

    client_id: str
    chain_id: str
    packet_sequence: int
    receipt_id: str
    holder: str
    has_arrived: bool
    height: int


class Receipt(NamedTuple):
    """A warehouse receipt after its last operation. A tuple, since to change a frozen dataclass of so many fields takes 12 us.

    `sequence` counts its operations, from 1. `holder` controls it and owns the goods. `depositor` None: receipts of
    several depositors were merged. `offered_to` None: no transfer is offered. `document` is the digest of the receipt's
    document, `evidence` that of what the last operation rests on. Heights are those of the first and the last operation.
    `origin` None: its goods are on this chain. `away` None: it has not moved to another chain, or is back.
    """

    receipt_id: str
    status: Status
    sequence: int
    holder: str
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
    evidence: bytes
    pledges: tuple[Pledge, ...]
    holds: tuple[Hold, ...]
    offered_to: str | None
    order: Order | None
    parents: tuple[str, ...]
    children: tuple[str, ...]
    created_height: int
    changed_height: int
    origin: Origin | None = None
    away: Away | None = None

    @property
    def covers_goods(self) -> bool:
        """Whether packages of this chain are under it: it is in force with them, here or elsewhere."""
        return self.origin is None and (self.status in IN_FORCE or self.status is Status.MOVED)

    @property
    def is_going_home(self) -> bool:
        """Whether it was sent back the way it came."""
        return self.origin is not None and self.away is not None and self.away.client_id == self.origin.client_id

    def pledges_at(self, time_ms: int) -> tuple[Pledge, ...]:
        """Pledges, and proposals that have not lapsed at this block time."""
        if not self.pledges:
            return ()
        return tuple(pledge for pledge in self.pledges if not pledge.is_proposal or time_ms < pledge.until_ms)

    def after(self, *, evidence: bytes, pledges: tuple[Pledge, ...], height: int) -> "Receipt":
        """The receipt one operation later. By places, since `_replace` takes 3 us, and this 1: each operation comes by here."""
        here: tuple[Any, ...] = self
        receipt_id, status, sequence, *before = here[:_EVIDENCE_PLACE]
        between, behind = here[_EVIDENCE_PLACE + 2 : _CHANGED_PLACE], here[_CHANGED_PLACE + 1 :]
        return Receipt._make((receipt_id, status, sequence + 1, *before, evidence, pledges, *between, height, *behind))


_EVIDENCE_PLACE = Receipt._fields.index("evidence")  # the pledges follow
_CHANGED_PLACE = Receipt._fields.index("changed_height")


def guest_id(client_id: str, packet_sequence: int) -> str:
    """The id of a receipt that came from another chain in this packet to this client; no other packet of the client has the number."""
    return f"{GUEST_PREFIX}{client_id}:{packet_sequence}"


@lru_cache(maxsize=_KEYS_CACHED)
def receipt_key(receipt_id: str) -> bytes:
    """The key of a receipt in the store `receipts`. 33 bytes."""
    return _RECEIPT_PREFIX + hashlib.sha256(receipt_id.encode()).digest()


def encode_receipt(receipt: Receipt) -> bytes:
    """The value of a receipt in the state tree; at most about 40 KiB, with 256 children."""
    order = receipt.order
    moves: tuple[Value, ...] = ()
    if receipt.origin is not None or receipt.away is not None:
        moves = (_origin_value(receipt.origin), _away_value(receipt.away))
    return codec.pack(
        (
            _MOVED_VERSION if moves else _RECORD_VERSION,
            receipt.receipt_id,
            receipt.status.value,
            receipt.sequence,
            receipt.holder,
            receipt.custodian,
            receipt.custodian_cosigns,
            receipt.depositor,
            receipt.site,
            receipt.commodity,
            receipt.quantity,
            receipt.uom,
            receipt.unit_count,
            receipt.units_digest,
            receipt.document,
            receipt.evidence,
            tuple([tuple(pledge) for pledge in receipt.pledges]),
            tuple([(hold.kind.value, hold.authority, hold.reason, hold.height) for hold in receipt.holds]),
            receipt.offered_to,
            None if order is None else (order.consignee, order.unit_count, order.units_digest, order.height),
            receipt.parents,
            receipt.children,
            receipt.created_height,
            receipt.changed_height,
            *moves,
        )
    )


def decode_receipt(value: bytes) -> Receipt:
    """The receipt of a value from the state tree. Malformed for other bytes."""
    fields = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX))
    return _usual(fields) or _any(fields)


def _usual(fields: tuple[Any, ...]) -> Receipt | None:
    """The receipt, if it has not moved, is not to be delivered, and nothing in it is of unusual length or wrong: a third of the cost."""
    if tuple(map(type, fields)) not in _USUAL_TYPES:
        return None
    version, receipt_id, word, sequence, holder, custodian, _, depositor, site, commodity, quantity, uom, unit_count = fields[:13]
    offered_to, _, parents, children, created_height, changed_height = fields[18:]
    status: Any = _WORDS[Status].get(word)
    if version != _RECORD_VERSION or status is None or children or not {_DIGEST_BYTES}.issuperset(map(len, fields[13:16])):
        return None
    if max(map(len, (receipt_id, holder, custodian, depositor or "", site, commodity, uom, offered_to or ""))) > _USUAL_LENGTH_MAX:
        return None
    counts = (sequence, quantity, unit_count, created_height, changed_height)
    if min(counts) < 0 or max(counts) > _COUNT_MAX:
        return None
    pledges, holds, named = tuple(map(_pledge, fields[16])), tuple(map(_hold, fields[17])), tuple(map(_text, parents))
    return Receipt._make((receipt_id, status, *fields[3:16], pledges, holds, offered_to, None, named, (), *fields[22:], None, None))


def _any(fields: tuple[Value, ...]) -> Receipt:
    """The receipt of any fields. Malformed when they are not those of one."""
    has_moved = fields[:1] == (_MOVED_VERSION,)
    codec.as_array(fields, _MOVED_FIELDS if has_moved else _RECORD_FIELDS)
    codec.as_int(fields[0], _RECORD_VERSION, _MOVED_VERSION)
    if has_moved and fields[-2:] == (None, None):
        raise Malformed(MALFORMED, "a receipt that has not moved, in the form of one that has")
    return Receipt(
        receipt_id=_text(fields[1]),
        status=_word(Status, fields[2]),
        sequence=_count(fields[3]),
        holder=_text(fields[4]),
        custodian=_text(fields[5]),
        custodian_cosigns=codec.as_bool(fields[6]),
        depositor=None if fields[7] is None else _text(fields[7]),
        site=_text(fields[8]),
        commodity=_text(fields[9]),
        quantity=_count(fields[10]),
        uom=_text(fields[11]),
        unit_count=_count(fields[12]),
        units_digest=_digest(fields[13]),
        document=_digest(fields[14]),
        evidence=_digest(fields[15]),
        pledges=tuple(_pledge(item) for item in codec.as_array(fields[16])),
        holds=tuple(_hold(item) for item in codec.as_array(fields[17])),
        offered_to=None if fields[18] is None else _text(fields[18]),
        order=None if fields[19] is None else _order(fields[19]),
        parents=tuple(_text(item) for item in codec.as_array(fields[20])),
        children=tuple(_text(item) for item in codec.as_array(fields[21])),
        created_height=_count(fields[22]),
        changed_height=_count(fields[23]),
        origin=_origin(fields[24]) if has_moved else None,
        away=_away(fields[25]) if has_moved else None,
    )


def _pledge(value: Any) -> Pledge:
    if type(value) is tuple and tuple(map(type, value)) == _PLEDGE_TYPES:
        pledgee, amount, currency, due_ms, text, *counts = value
        fits = len(pledgee) <= _USUAL_LENGTH_MAX and len(currency) <= _USUAL_LENGTH_MAX and len(text) <= _USUAL_LENGTH_MAX
        if fits and min(amount, due_ms, *counts) >= 0 and max(amount, due_ms, *counts) <= _COUNT_MAX:
            return Pledge._make(value)
    fields = codec.as_array(value, 9)
    pledgee, amount, currency, due_ms, text, rank, until_ms, height, position = fields
    return Pledge(
        pledgee=_text(pledgee),
        amount=_count(amount),
        currency=_text(currency),
        due_ms=_count(due_ms),
        text=_text(text),
        rank=_count(rank),
        until_ms=_count(until_ms),
        height=_count(height),
        position=_count(position),
    )


def _hold(value: Value) -> Hold:
    kind, authority, reason, height = codec.as_array(value, 4)
    return Hold(_word(HoldKind, kind), _text(authority), _text(reason), _count(height))


def _order(value: Value) -> Order:
    consignee, unit_count, digest, height = codec.as_array(value, 4)
    return Order(_text(consignee), _count(unit_count), _digest(digest), _count(height))


def _origin_value(origin: Origin | None) -> Value:
    if origin is None:
        return None
    return (origin.client_id, origin.chain_id, origin.receipt_id, origin.packet_sequence, origin.path)


def _origin(value: Value) -> Origin | None:
    if value is None:
        return None
    client_id, chain_id, receipt_id, packet_sequence, path = codec.as_array(value, 5)
    return Origin(_text(client_id), _text(chain_id), _text(receipt_id), _count(packet_sequence), _path(path))


def _path(value: Value) -> tuple[tuple[str, str], ...]:
    steps = [codec.as_array(step, 2) for step in codec.as_array(value)]
    return tuple((_text(chain_id), _text(receipt_id)) for chain_id, receipt_id in steps)


def _away_value(away: Away | None) -> Value:
    if away is None:
        return None
    return (away.client_id, away.chain_id, away.packet_sequence, away.receipt_id, away.holder, away.has_arrived, away.height)


def _away(value: Value) -> Away | None:
    if value is None:
        return None
    client_id, chain_id, packet_sequence, receipt_id, holder, has_arrived, height = codec.as_array(value, 7)
    return Away(
        client_id=_text(client_id),
        chain_id=_text(chain_id),
        packet_sequence=_count(packet_sequence),
        receipt_id=_text(receipt_id),
        holder=_text(holder),
        has_arrived=codec.as_bool(has_arrived),
        height=_count(height),
    )


def _text(value: Value) -> str:
    return codec.as_str(value, TEXT_BYTES_MAX)


def _count(value: Value) -> int:
    return codec.as_int(value, 0, _COUNT_MAX)


def _digest(value: Value) -> bytes:
    return codec.as_bytes(value, _DIGEST_BYTES)


def _word(words: type[_Word], value: Value) -> _Word:
    found = _WORDS[words].get(_text(value))  # `words(value)` takes ten times as long
    if found is None:
        raise Malformed(MALFORMED, f"{value!r} is no {words.__name__}")
    assert isinstance(found, words)
    return found
