"""Rules that all operations on receipts share: who has signed, what state allows it, and how a receipt changes."""

from collections.abc import Sequence

from chainnode.errors import Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, require
from chainnode.types.codes import (
    ALREADY_EXISTS,
    FROZEN,
    NOT_ALIKE,
    NOT_CONSERVED,
    NOT_FOUND,
    NOT_HOLDER,
    NOT_MEMBER,
    OFFER_OPEN,
    PLEDGED,
    RECEIPT_AWAY,
    RECEIPT_GUEST,
    RESERVED_ID,
    SIGNER_MISSING,
    STALE_SEQUENCE,
    WRONG_STATE,
)
from chainnode.types.transaction import Event, Value
from contracts import goods, roles
from contracts.arguments import check_did, check_digest, check_identifier
from contracts.packagecodes import codes_digest
from contracts.receiptrecords import (
    GUEST_PREFIX,
    IN_FORCE,
    STORE,
    Hold,
    Pledge,
    Receipt,
    Status,
    decode_receipt,
    encode_receipt,
    receipt_key,
)

# A receipt to be made: its id, quantity, the codes of its packages, the digest of its document.
Part = tuple[str, int, tuple[str, ...], bytes]


def receipt(state: State, receipt_id: str) -> Receipt | None:
    """The receipt with this id. Rejected(BAD_ARGUMENTS) when no receipt can have it."""
    check_identifier("receipt_id", receipt_id)
    value = state.store(STORE).get(receipt_key(receipt_id))
    return None if value is None else decode_receipt(value)


def require_receipt(call: Call, state: State, receipt_id: str) -> Receipt:
    """The receipt with this id, which must be in force; the sender must be admitted.

    Other receipts never change again (I7), or only by the packet that brings them back (INV-64).
    """
    roles.require_member(state, call)
    found = receipt(state, receipt_id)
    if found is None:
        raise Rejected(NOT_FOUND, f"there is no receipt {receipt_id}")
    if found.status not in IN_FORCE:
        require(found.status is not Status.MOVED, RECEIPT_AWAY, _away(found))
        raise Rejected(WRONG_STATE, f"{receipt_id} is {found.status.value} and never changes again")
    return found


def require_new(state: State, receipt_id: str) -> None:
    """No receipt has or had this id (I7), nor will one that comes from another chain (INV-66). Comes before packages are put under it."""
    require(not receipt_id.startswith(GUEST_PREFIX), RESERVED_ID, f"ids that begin with {GUEST_PREFIX} are for receipts of other chains")
    before = receipt(state, receipt_id)
    if before is not None:
        raise Rejected(ALREADY_EXISTS, f"there is a receipt {receipt_id} since height {before.created_height}")


def open_receipt(call: Call, state: State, receipt_id: str, sequence: int) -> Receipt:
    """The receipt, in force, if it is as the caller saw it."""
    found = require_receipt(call, state, receipt_id)
    if found.sequence != sequence:
        raise Rejected(STALE_SEQUENCE, f"{receipt_id} is at sequence {found.sequence}, not {sequence}")
    return found


def require_idle(found: Receipt) -> None:
    """Neither an order nor an offer is open: one matter at a time."""
    if found.status is not Status.ACTIVE:
        raise Rejected(WRONG_STATE, f"{found.receipt_id} is {found.status.value}")
    if found.offered_to is not None:
        raise Rejected(OFFER_OPEN, f"{found.receipt_id} is offered to {found.offered_to}")


def require_at_home(found: Receipt) -> None:
    """The goods of the receipt are on this chain: elsewhere nobody can touch them (INV-66)."""
    if found.origin is not None:
        chain_id, receipt_id = found.origin.lineage[0]
        raise Rejected(RECEIPT_GUEST, f"the goods of {found.receipt_id} are on the chain {chain_id}, under {receipt_id}")


def require_not_frozen(found: Receipt) -> None:
    """No hold is on the receipt."""
    if found.holds:
        hold = found.holds[0]
        raise Rejected(FROZEN, f"{found.receipt_id} is frozen ({hold.kind.value}) by {hold.authority} since height {hold.height}")


def require_not_pledged(call: Call, found: Receipt) -> None:
    """No pledge is on the receipt, and none that was proposed still reserves it."""
    for pledge in found.pledges_at(call.time_ms):
        raise Rejected(PLEDGED, _pledged(found, pledge))


def require_consent_of_pledgees(call: Call, found: Receipt) -> None:
    """Each pledgee has signed (I4). What is reserved for a proposed pledge cannot be disposed of at all."""
    for pledge in found.pledges_at(call.time_ms):
        if pledge.is_proposal or pledge.pledgee not in call.signers:
            raise Rejected(PLEDGED, _pledged(found, pledge))


def require_holder(call: Call, found: Receipt) -> None:
    """The holder has signed."""
    if found.holder not in call.signers:
        raise Rejected(NOT_HOLDER, f"{found.receipt_id} is held by {found.holder}, who has not signed")


def require_signer(call: Call, part: str, did: str) -> None:
    """The party has signed."""
    check_did(part, did)
    if did not in call.signers:
        raise Rejected(SIGNER_MISSING, f"the {part} {did} has not signed")


def require_party(call: Call, state: State, part: str, did: str) -> None:
    """A party that gets a right has signed, and is admitted: it holds some role at this height."""
    require_signer(call, part, did)
    require_admitted(call, state, part, did)


def require_admitted(call: Call, state: State, part: str, did: str) -> None:
    """A party holds some role at this height."""
    check_did(part, did)
    if not roles.is_member(state, did, call.time_ms):
        raise Rejected(NOT_MEMBER, f"the {part} {did} holds no role on this chain")


def require_custodian(call: Call, state: State, custodian: str) -> None:
    """The custodian has signed, and holds the role at this height (I9): for what it newly answers for."""
    require_signer(call, "custodian", custodian)
    roles.require_role(state, call, custodian, roles.CUSTODIAN)


def require_custodian_of(call: Call, state: State, found: Receipt) -> None:
    """The receipt's custodian has signed, and holds the role at this height where the goods are; elsewhere its signature is enough."""
    if found.origin is None:
        require_custodian(call, state, found.custodian)
    require_signer(call, "custodian", found.custodian)


def save(call: Call, state: State, changed: Receipt, operation: str, evidence: bytes, attributes: dict[str, Value]) -> Receipt:
    """Write a receipt as the operation leaves it, one sequence on, and tell the world. Returns it as written."""
    check_digest("evidence", evidence)
    saved = changed.after(evidence=evidence, pledges=changed.pledges_at(call.time_ms), height=call.height)
    state.store(STORE).put(receipt_key(saved.receipt_id), encode_receipt(saved))
    event: dict[str, Value] = {
        "receipt": saved.receipt_id,
        "sequence": saved.sequence,
        "status": saved.status.value,
        "holder": saved.holder,
        "evidence": evidence,
    }
    state.emit(Event(STORE, operation, event | attributes))
    return saved


def close(call: Call, state: State, ended: Receipt, operation: str, evidence: bytes, status: Status, children: tuple[str, ...]) -> Receipt:
    """Write a receipt for the last time. Pledges and holds have gone over to its children, or have ended."""
    closed = ended._replace(status=status, children=children, pledges=(), holds=(), offered_to=None, order=None)
    return save(call, state, closed, operation, evidence, {"children": children})


def create(
    call: Call,
    state: State,
    part: Part,
    units: Sequence[goods.Unit],
    *,
    holder: str,
    depositor: str | None,
    custodian_cosigns: bool,
    parents: tuple[str, ...],
    pledges: tuple[Pledge, ...],
    holds: tuple[Hold, ...],
) -> Receipt:
    """Write a new receipt over packages that it covers by now, all alike; its quantity is theirs (I2)."""
    receipt_id, quantity, _, document = part
    check_digest("the receipt's document", document)
    require(len(units) > 0, NOT_CONSERVED, f"{receipt_id} would cover no package")
    first = units[0]
    for unit in units:
        for name in ("custodian", "site", "commodity", "uom"):
            one, other = getattr(first, name), getattr(unit, name)
            require(one == other, NOT_ALIKE, f"{first.code} and {unit.code} differ in {name}: {one}, {other}")
    total = sum(unit.quantity for unit in units)
    require(quantity == total, NOT_CONSERVED, f"the packages of {receipt_id} hold {total} {first.uom}, not {quantity}")
    made = Receipt(
        receipt_id=receipt_id,
        status=Status.ACTIVE,
        sequence=0,
        holder=holder,
        custodian=first.custodian,
        custodian_cosigns=custodian_cosigns,
        depositor=depositor,
        site=first.site,
        commodity=first.commodity,
        quantity=quantity,
        uom=first.uom,
        unit_count=len(units),
        units_digest=codes_digest(unit.code for unit in units),
        document=document,
        evidence=document,
        pledges=pledges,
        holds=holds,
        offered_to=None,
        order=None,
        parents=parents,
        children=(),
        created_height=call.height,
        changed_height=call.height,
    )
    return save(call, state, made, "issued", document, {"parents": parents, "quantity": quantity, "uom": first.uom})


def carve(call: Call, state: State, parent: Receipt, part: Part) -> Receipt:
    """Make a receipt over some packages of `parent`, with its holder, pledges and holds."""
    receipt_id, _, codes, _ = part
    require_new(state, receipt_id)
    return create(
        call,
        state,
        part,
        goods.mark_covered(state, codes, before=parent.receipt_id, receipt_id=receipt_id),
        holder=parent.holder,
        depositor=parent.depositor,
        custodian_cosigns=parent.custodian_cosigns,
        parents=(parent.receipt_id,),
        pledges=parent.pledges_at(call.time_ms),
        holds=parent.holds,
    )


def _away(found: Receipt) -> str:
    away = found.away
    return "" if away is None else f"{found.receipt_id} has moved to {away.chain_id}, in packet {away.packet_sequence} of {away.client_id}"


def _pledged(found: Receipt, pledge: Pledge) -> str:
    if pledge.is_proposal:
        return f"{found.receipt_id} is reserved for a pledge to {pledge.pledgee} until {pledge.until_ms} ms"
    return f"{found.receipt_id} is pledged to {pledge.pledgee} since height {pledge.height}, position {pledge.position}"
