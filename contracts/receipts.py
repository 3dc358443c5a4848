"""Warehouse receipts: issue, transfer, split, merge, cancel, and the departure to another chain.

Pledges are in `contracts/pledges.py`, deliveries in `contracts/deliveries.py`, holds in `contracts/holds.py`; all are
methods of the one contract `receipts`.
What becomes of a receipt between chains is in `contracts/receiptmoves.py`. The state machine as a table: `docs/receipts.md`.
Each operation names the sequence of the receipt as its signers saw it, and the digest of what it rests on (I10, I12).
"""

from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.codes import BAD_ARGUMENTS, NO_OFFER, NOT_ALIKE, NOT_CONSERVED, TOO_MANY
from chainnode.types.limits import GOODS_ITEMS_MAX, RECEIPT_CHILDREN_MAX, RECEIPT_SOURCES_MAX
from chainnode.types.transaction import Value
from contracts import goods, packets, roles
from contracts.arguments import check_did, check_digest
from contracts.receiptmoves import payload_of
from contracts.receiptrecords import Receipt, Status
from contracts.receiptrules import (
    Part,
    carve,
    close,
    create,
    open_receipt,
    require_at_home,
    require_consent_of_pledgees,
    require_custodian,
    require_holder,
    require_idle,
    require_new,
    require_not_frozen,
    require_not_pledged,
    require_party,
    require_signer,
    save,
)


@method
def issue(
    call: Call,
    state: State,
    receipt_id: str,
    custodian: str,
    depositor: str,
    quantity: int,
    codes: tuple[str, ...],
    custodian_cosigns: bool,
    document: bytes,
) -> Value:
    """Issue a receipt over packages that no receipt covers. Custodian and depositor sign; the depositor holds it.

    The custodian is the one that commissioned the packages, all at one site, of one commodity in one unit of measure.
    `custodian_cosigns`: transfers need the custodian's signature too. `document` is the digest of the receipt's document.
    """
    roles.require_member(state, call)
    require_custodian(call, state, custodian)
    require_party(call, state, "depositor", depositor)
    require(len(codes) <= GOODS_ITEMS_MAX, TOO_MANY, f"a receipt covers at most {GOODS_ITEMS_MAX} packages")
    require_new(state, receipt_id)
    made = create(
        call,
        state,
        (receipt_id, quantity, codes, document),
        goods.mark_covered(state, codes, before=None, receipt_id=receipt_id),
        holder=depositor,
        depositor=depositor,
        custodian_cosigns=custodian_cosigns,
        parents=(),
        pledges=(),
        holds=(),
    )
    require(made.custodian == custodian, NOT_ALIKE, f"the packages were commissioned by {made.custodian}, not {custodian}")
    return made.sequence


@method
def transfer(call: Call, state: State, receipt_id: str, sequence: int, to: str, evidence: bytes) -> Value:
    """Give the receipt to `to` at once. Holder and new holder sign, as must pledgees, and the custodian if it cosigns."""
    found = _require_transferable(call, state, receipt_id, sequence, to)
    require_party(call, state, "new holder", to)
    return save(call, state, found._replace(holder=to), "transferred", evidence, {"from": found.holder}).sequence


@method
def offer_transfer(call: Call, state: State, receipt_id: str, sequence: int, to: str, evidence: bytes) -> Value:
    """Offer the receipt to `to`, who accepts it in a transaction of its own. The others sign as in `transfer`, here."""
    found = _require_transferable(call, state, receipt_id, sequence, to)
    check_did("to", to)
    return save(call, state, found._replace(offered_to=to), "transfer_offered", evidence, {"to": to}).sequence


@method
def accept_transfer(call: Call, state: State, receipt_id: str, sequence: int, evidence: bytes) -> Value:
    """Take the receipt that is offered to the signer; holds that came in between forbid it."""
    found = open_receipt(call, state, receipt_id, sequence)
    to = _require_offer(found)
    require_party(call, state, "new holder", to)
    require_not_frozen(found)
    return save(call, state, found._replace(holder=to, offered_to=None), "transferred", evidence, {"from": found.holder}).sequence


@method
def withdraw_transfer(call: Call, state: State, receipt_id: str, sequence: int, evidence: bytes) -> Value:
    """Take an offer back. By the holder, frozen or not."""
    found = open_receipt(call, state, receipt_id, sequence)
    to = _require_offer(found)
    require_holder(call, found)
    return save(call, state, found._replace(offered_to=None), "transfer_withdrawn", evidence, {"to": to}).sequence


@method
def reject_transfer(call: Call, state: State, receipt_id: str, sequence: int, evidence: bytes) -> Value:
    """Decline an offer. By the party it was made to, frozen or not."""
    found = open_receipt(call, state, receipt_id, sequence)
    to = _require_offer(found)
    require_signer(call, "party to whom it is offered", to)
    return save(call, state, found._replace(offered_to=None), "transfer_rejected", evidence, {"to": to}).sequence


@method
def split(call: Call, state: State, receipt_id: str, sequence: int, children: tuple[Part, ...], evidence: bytes) -> Value:
    """Replace a receipt by 2 to 256 over the same packages: (id, quantity, codes, digest of the document) each.

    Holder and custodian sign, as must pledgees. The children inherit holder, pledges and holds.
    """
    parent = open_receipt(call, state, receipt_id, sequence)
    require_at_home(parent)
    require_idle(parent)
    require_holder(call, parent)
    require_custodian(call, state, parent.custodian)
    require_consent_of_pledgees(call, parent)
    require(2 <= len(children) <= RECEIPT_CHILDREN_MAX, BAD_ARGUMENTS, f"a split makes 2 to {RECEIPT_CHILDREN_MAX} receipts")
    named = sum(len(codes) for _, _, codes, _ in children)
    require(named == parent.unit_count, NOT_CONSERVED, f"{receipt_id} covers {parent.unit_count} packages, the children {named}")
    made = [carve(call, state, parent, part) for part in children]
    # Each package named was the parent's and went to one child, and their number is the parent's: none is left behind.
    assert sum(child.quantity for child in made) == parent.quantity
    return close(call, state, parent, "split", evidence, Status.SPLIT, tuple(child.receipt_id for child in made)).sequence


@method
def merge(
    call: Call,
    state: State,
    sources: tuple[tuple[str, int, tuple[str, ...]], ...],
    receipt_id: str,
    quantity: int,
    document: bytes,
    evidence: bytes,
) -> Value:
    """Replace 2 to 64 receipts by one; `sources` are (id, sequence, codes) each. Holder and custodian sign, as must pledgees.

    They share holder, custodian, site, commodity, unit of measure and pledges. If one cosigns transfers, so does the new one.
    """
    require(2 <= len(sources) <= RECEIPT_SOURCES_MAX, BAD_ARGUMENTS, f"a merge takes 2 to {RECEIPT_SOURCES_MAX} receipts")
    require(sum(len(codes) for _, _, codes in sources) <= GOODS_ITEMS_MAX, TOO_MANY, f"a receipt covers at most {GOODS_ITEMS_MAX} packages")
    require_new(state, receipt_id)
    units: list[goods.Unit] = []
    merged: list[Receipt] = []
    for source_id, sequence, codes in sources:
        source = open_receipt(call, state, source_id, sequence)
        require_at_home(source)
        require_idle(source)
        require_not_frozen(source)
        require_holder(call, source)
        require_consent_of_pledgees(call, source)
        _require_alike(call, merged[0] if merged else source, source)
        require(len(codes) == source.unit_count, NOT_CONSERVED, f"{source_id} covers {source.unit_count} packages, not {len(codes)}")
        units += goods.mark_covered(state, codes, before=source_id, receipt_id=receipt_id)
        close(call, state, source, "merged", evidence, Status.MERGED, (receipt_id,))
        merged.append(source)
    require_custodian(call, state, merged[0].custodian)
    first = merged[0]
    made = create(
        call,
        state,
        (receipt_id, quantity, (), document),
        units,
        holder=first.holder,
        depositor=first.depositor if all(source.depositor == first.depositor for source in merged) else None,
        custodian_cosigns=any(source.custodian_cosigns for source in merged),
        parents=tuple(source.receipt_id for source in merged),
        pledges=first.pledges_at(call.time_ms),
        holds=(),
    )
    assert made.quantity == sum(source.quantity for source in merged)
    return made.sequence


@method
def cancel(call: Call, state: State, receipt_id: str, sequence: int, codes: tuple[str, ...], evidence: bytes) -> Value:
    """End a receipt whose goods stay in store; another may cover them. Holder and custodian sign; no pledge, no hold."""
    found = open_receipt(call, state, receipt_id, sequence)
    require_at_home(found)
    require_idle(found)
    require_not_frozen(found)
    require_not_pledged(call, found)
    require_holder(call, found)
    require_signer(call, "custodian", found.custodian)
    require(len(codes) == found.unit_count, NOT_CONSERVED, f"{receipt_id} covers {found.unit_count} packages, not {len(codes)}")
    goods.mark_free(state, codes, before=receipt_id)
    return close(call, state, found, "cancelled", evidence, Status.CANCELLED, ()).sequence


@method
def move(call: Call, state: State, receipt_id: str, sequence: int, client_id: str, to: str, timeout_s: int, evidence: bytes) -> Value:
    """Send the receipt to the chain that the client follows, for the holder `to` there, or back where it came from.

    Holder signs, and the custodian if it cosigns. `timeout_s`, seconds since 1970: what has not arrived by then is in force here again.
    """
    check_did("to", to)
    check_digest("evidence", evidence)
    found = open_receipt(call, state, receipt_id, sequence)
    packets.send_packet(call, state, client_id, timeout_s, payload_of(state, found, client_id, to, evidence))
    return found.sequence + 1


def _require_transferable(call: Call, state: State, receipt_id: str, sequence: int, to: str) -> Receipt:
    found = open_receipt(call, state, receipt_id, sequence)
    require_idle(found)
    require_not_frozen(found)
    require_holder(call, found)
    require_consent_of_pledgees(call, found)
    if found.custodian_cosigns:
        require_signer(call, "custodian", found.custodian)
    require(to != found.holder, BAD_ARGUMENTS, f"{to} is the holder already")
    return found


def _require_offer(found: Receipt) -> str:
    """To whom the receipt is offered."""
    require(found.offered_to is not None, NO_OFFER, f"{found.receipt_id} is offered to nobody")
    assert found.offered_to is not None
    return found.offered_to


def _require_alike(call: Call, first: Receipt, source: Receipt) -> None:
    """The second receipt can merge with the first."""
    for name, one, other in (
        ("holder", first.holder, source.holder),
        ("custodian", first.custodian, source.custodian),
        ("site", first.site, source.site),
        ("commodity", first.commodity, source.commodity),
        ("unit of measure", first.uom, source.uom),
    ):
        require(one == other, NOT_ALIKE, f"{first.receipt_id} and {source.receipt_id} differ in {name}: {one}, {other}")
    same = first.pledges_at(call.time_ms) == source.pledges_at(call.time_ms)
    require(same, NOT_ALIKE, f"{first.receipt_id} and {source.receipt_id} are not pledged alike")
