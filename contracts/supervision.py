"""Supervision nodes freeze accounts, receipts and chains together: with a reason, for a time, and with an appeal that must be answered.

Nothing ends silently and nothing lasts for ever: an order expires, is lifted, or lapses when an appeal against it is not answered.
"""

from collections.abc import Callable
from dataclasses import replace

from chainnode import codec
from chainnode.bid import parse_did
from chainnode.did.chainrecord import ACTIVE, FROZEN
from chainnode.errors import Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.codes import (
    ACCOUNT_FROZEN,
    ALREADY_FROZEN,
    ALREADY_SIGNED,
    APPEAL_OPEN,
    BAD_ORDER,
    NO_APPEAL,
    NO_HOLD,
    NOT_FOUND,
    NOT_TARGET,
    ORDER_CLOSED,
    STILL_IN_FORCE,
    TARGET_PROTECTED,
    TOO_FEW_SUPERVISORS,
    TOO_MANY,
    WRONG_CHAIN_STATUS,
)
from chainnode.types.limits import FREEZE_APPEAL_BYTES_MAX, FREEZE_APPEALS_MAX, FREEZE_MS_MAX, FREEZE_OPEN_MAX, STATE_VALUE_BYTES_MAX
from chainnode.types.transaction import Event, Value
from contracts import chains, holds, roles
from contracts.arguments import check_did, check_digest, check_text
from contracts.receiptrules import receipt, require_receipt
from contracts.supervisionrecords import (
    COUNT_KEY,
    NAME,
    Appeal,
    Kind,
    Lifting,
    Opinion,
    Order,
    Stage,
    Verdict,
    decode_count,
    decode_freeze,
    decode_order,
    encode_freeze,
    encode_order,
    open_key,
    order_key,
    target_key,
)

_SIGNATURES_MIN = 2  # nobody freezes anything alone
_INT64_MAX = 2**63 - 1
_APPEAL = (NAME, "appeal")
_GOVERNANCE = "governance"  # which imports this contract


def count(state: State) -> int:
    """How many orders were ever proposed; they are numbered from 1."""
    value = state.store(NAME).get(COUNT_KEY)
    assert value is not None, "the genesis wrote it"
    return decode_count(value)


def order(state: State, number: int) -> Order | None:
    """An order by its number."""
    value = state.store(NAME).get(order_key(number)) if 0 < number < 2**63 else None
    return None if value is None else decode_order(value)


def freeze(state: State, kind: Kind, target: str, time_ms: int) -> tuple[int, int] | None:
    """Which order freezes a target at this block time, and when it ends by itself. One state read."""
    value = state.store(NAME).get(target_key(kind, target))
    if value is None:
        return None
    number, ends_ms = decode_freeze(value)
    return (number, ends_ms) if time_ms < ends_ms else None


def is_noted(state: State, did: str) -> bool:
    """Whether an order ever froze the account, in force or not: for others there is nothing to ask."""
    free = state.memo("free", NAME)
    if did in free:
        return False
    if state.store(NAME).get(target_key(Kind.ACCOUNT, did)) is None:
        free[did] = True
        return False
    return True


def check_signers(call: Call, state: State, contract: str, method_name: str) -> None:
    """Rejected(ACCOUNT_FROZEN) when a signer is frozen, whichever it is, and the call is not its appeal (INV-72).

    INV-75: a super node goes on to propose and vote, and who holds the role of a supervision node is not frozen.
    Hot, every call of a transaction: what concerns none of its signers ends at the first question, 0.3 us each.
    """
    if (contract, method_name) == _APPEAL:
        return
    for did in call.signers:
        if not is_noted(state, did):
            continue
        found = freeze(state, Kind.ACCOUNT, did, call.time_ms)
        if found is None or roles.has_role(state, did, roles.SUPERVISION, call.time_ms):
            continue
        if contract == _GOVERNANCE and roles.has_role(state, did, roles.SUPER, call.time_ms):
            continue
        raise Rejected(ACCOUNT_FROZEN, f"{did} is frozen by order {found[0]} until {found[1]} ms at the latest; it can appeal")


@method
def propose(call: Call, state: State, kind: str, target: str, reason: str, evidence: bytes, until_ms: int) -> Value:
    """Ask the other supervision nodes to freeze an account (its DID), a receipt (its id) or a chain (its AC number).

    The sender, one of them, signs by asking. `until_ms` is 0 for as long as is allowed. Returns the order's number.
    """
    roles.require_role(state, call, call.sender, roles.SUPERVISION)
    known = len(roles.supervisors(state, call.time_ms))
    require(known >= _SIGNATURES_MIN, TOO_FEW_SUPERVISORS, f"the chain has {known} supervision node, and an order needs two")
    kinds = {one.value: one for one in Kind}
    require(kind in kinds, BAD_ORDER, f"an order freezes one of {', '.join(kinds)}")
    check_text("reason", reason)
    check_digest("evidence", evidence)
    require(
        until_ms == 0 or call.time_ms < until_ms <= call.time_ms + FREEZE_MS_MAX, BAD_ORDER, f"until_ms is 0 or within {FREEZE_MS_MAX} ms"
    )
    _require_freezable(call, state, kinds[kind], target)
    store = state.store(NAME)
    number = count(state) + 1
    store.put(COUNT_KEY, codec.encode(number))
    _note_open(call, state, number)
    made = Order(
        number=number,
        kind=kinds[kind],
        target=target,
        reason=reason,
        evidence=evidence,
        until_ms=until_ms,
        by=call.sender,
        height=call.height,
        time_ms=call.time_ms,
        stage=Stage.PROPOSED,
        signatures=((call.sender, call.height),),
        began_height=0,
        opinions=(),
        appeals=(),
        lifting=None,
    )
    _save(state, made)
    _tell(state, made, "proposed", {"by": call.sender, "reason": reason, "evidence": evidence, "until_ms": until_ms})
    return number


@method
def sign(call: Call, state: State, number: int) -> Value:
    """Sign a proposed order, as it stands. By a supervision node. Returns how far it has come: `proposed` or `in-force`."""
    roles.require_role(state, call, call.sender, roles.SUPERVISION)
    found = _require_stage(call, state, number, Stage.PROPOSED)
    require(call.sender not in [did for did, _ in found.signatures], ALREADY_SIGNED, f"{call.sender} has signed order {number}")
    known = roles.supervisors(state, call.time_ms)
    # Whose role has ended since it signed no longer counts, and is not kept: the record stays small.
    signed = (*(one for one in found.signatures if one[0] in known), (call.sender, call.height))
    found = replace(found, signatures=signed)
    _tell(state, found, "signed", {"by": call.sender})
    if len(signed) >= _needed(known):
        found = _begin(call, state, found)
    _save(state, found)
    return found.stage.value


@method
def lift(call: Call, state: State, number: int, reason: str) -> Value:
    """Say that an order in force should end. By a supervision node; enough of them end it. Returns how far it has come."""
    found, enough = _hear(call, state, number, Verdict.LIFT, reason)
    if enough:
        found = _end(call, state, found, Lifting(NAME, reason, call.height, call.time_ms))
    _save(state, found)
    return found.stage.value


@method
def uphold(call: Call, state: State, number: int, reason: str) -> Value:
    """Answer the open appeal: the order stays. By a supervision node; enough of them answer it. Returns whether it is answered."""
    found, enough = _hear(call, state, number, Verdict.UPHOLD, reason)
    if enough:
        answered = replace(found.appeals[-1], answered_ms=call.time_ms, answer=reason)
        found = replace(found, appeals=(*found.appeals[:-1], answered))
        _note_freeze(state, found)
        _tell(state, found, "upheld", {"reason": reason})
    _save(state, found)
    return enough


@method
def appeal(call: Call, state: State, number: int, text: str, evidence: bytes) -> Value:
    """Object to an order in force: the account itself, the holder or custodian of the receipt, the operator of the chain.

    The supervision nodes must answer, or the order lapses. `evidence` is a digest, or empty. Returns when it would lapse, in ms.
    A signer who is frozen may do this.
    """
    roles.require_member(state, call)
    found = _require_stage(call, state, number, Stage.IN_FORCE)
    parties = _parties(state, found)
    require(any(did in call.signers for did in parties), NOT_TARGET, f"{' or '.join(parties)} may appeal, and has not signed")
    require(found.open_appeal is None, APPEAL_OPEN)
    require(len(found.appeals) < FREEZE_APPEALS_MAX, TOO_MANY, f"against one order there are at most {FREEZE_APPEALS_MAX} appeals")
    check_text("text", text, FREEZE_APPEAL_BYTES_MAX)
    if evidence:
        check_digest("evidence", evidence)
    by = next(did for did in parties if did in call.signers)
    made = Appeal(by, text, evidence, call.height, call.time_ms, 0, "")
    heard = tuple(one for one in found.opinions if one.verdict is Verdict.LIFT)  # what upheld the order did not know of this
    found = replace(found, appeals=(*found.appeals, made), opinions=heard)
    _note_freeze(state, found)
    _save(state, found)
    _tell(state, found, "appealed", {"by": by, "text": text, "evidence": evidence, "answer_by_ms": made.answer_by_ms})
    return found.ends_ms


@method
def release(call: Call, state: State, number: int, target: str) -> Value:
    """Take away what an order that has ended has left: its hold on a receipt, or on one made from it, or the freeze of a chain.

    By anybody with a role: nobody's goodwill is needed. Accounts are free by themselves.
    """
    roles.require_member(state, call)
    found = _require(state, number)
    stage = found.stage_at(call.time_ms)
    require(stage not in (Stage.PROPOSED, Stage.IN_FORCE), STILL_IN_FORCE, f"order {number} is {stage.value}")
    reason = f"order {number} {'was' if stage is Stage.LIFTED else 'has'} {stage.value}"
    if found.kind is Kind.RECEIPT:
        cleared = holds.cleared_by_order(call, state, target, found.authority, reason, found.evidence)
        require(cleared, NO_HOLD, f"{target} carries no hold of order {number}")
    else:
        require(target == found.target and _is_last(state, found), NOT_FOUND, f"order {number} has left nothing on {target}")
        _thaw(call, state, found, reason)
    state.emit(Event(NAME, "released", {"number": number, "kind": found.kind.value, "target": target, "reason": reason}))
    return None


def lift_by_governance(call: Call, state: State, number: int, reason: str, by: str) -> None:
    """End an order as the super nodes decided. For `governance` alone."""
    _save(state, _end(call, state, _require_stage(call, state, number, Stage.IN_FORCE), Lifting(by, reason, call.height, call.time_ms)))


def _needed(known: tuple[str, ...]) -> int:
    """How many of the supervision nodes there are now decide: more than half, and at least two (INV-73)."""
    return max(_SIGNATURES_MIN, len(known) // 2 + 1)


def _require(state: State, number: int) -> Order:
    found = order(state, number)
    if found is None:
        raise Rejected(NOT_FOUND, f"there is no order {number}")
    return found


def _require_stage(call: Call, state: State, number: int, stage: Stage) -> Order:
    found = _require(state, number)
    now = found.stage_at(call.time_ms)
    require(now is stage, ORDER_CLOSED, f"order {number} is {now.value}, not {stage.value}")
    return found


def _require_freezable(call: Call, state: State, kind: Kind, target: str) -> None:
    """The target is there, may be frozen, and is not: asked when an order is proposed, and again when it takes effect."""
    if kind is Kind.ACCOUNT:
        check_did("target", target)
        require(parse_did(target).is_registrable, BAD_ORDER, "target: accounts are DIDs in Base58 with 22 bytes of a key's digest")
        # INV-75: the quorum of those who watch is not for some of them to arrange.
        protected = roles.has_role(state, target, roles.SUPERVISION, call.time_ms)
        require(not protected, TARGET_PROTECTED, f"{target} is a supervision node")
    elif kind is Kind.RECEIPT:
        require_receipt(call, state, target)
    else:
        status = chains.require_chain(state, target).status
        # What an order has left frozen that has ended, the next may take over.
        require(status in (ACTIVE, FROZEN), WRONG_CHAIN_STATUS, f"the chain {target} is {status}")
    found = freeze(state, kind, target, call.time_ms)
    require(found is None, ALREADY_FROZEN, f"{target} is frozen by order {0 if found is None else found[0]}")


def _note_open(call: Call, state: State, number: int) -> None:
    """Add a proposal to its maker's open ones, of which there are few: one supervision node cannot bury the others."""
    store, key = state.store(NAME), open_key(call.sender)
    value = store.get(key)
    known = () if value is None else codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX))
    found = (order(state, codec.as_int(one, 1, _INT64_MAX)) for one in known)
    still_open = tuple(one.number for one in found if one is not None and one.stage_at(call.time_ms) is Stage.PROPOSED)
    require(len(still_open) < FREEZE_OPEN_MAX, TOO_MANY, f"a supervision node has at most {FREEZE_OPEN_MAX} orders that wait for others")
    store.put(key, codec.encode((*still_open, number)))


def _hear(call: Call, state: State, number: int, verdict: Verdict, reason: str) -> tuple[Order, bool]:
    """Note what a supervision node says of an order in force, in place of what it said before; whether enough say so."""
    roles.require_role(state, call, call.sender, roles.SUPERVISION)
    found = _require_stage(call, state, number, Stage.IN_FORCE)
    check_text("reason", reason)
    require(verdict is Verdict.LIFT or found.open_appeal is not None, NO_APPEAL, f"no appeal against order {number} is open")
    said = [one for one in found.opinions if one.by == call.sender and one.verdict is verdict]
    require(not said, ALREADY_SIGNED, f"{call.sender} has said so of order {number}")
    known = roles.supervisors(state, call.time_ms)
    others = tuple(one for one in found.opinions if one.by != call.sender and one.by in known)
    found = replace(found, opinions=(*others, Opinion(call.sender, verdict, reason, call.height)))
    _tell(state, found, "heard", {"by": call.sender, "verdict": verdict.value, "reason": reason})
    return found, sum(one.verdict is verdict for one in found.opinions) >= _needed(known)


def _begin(call: Call, state: State, signed: Order) -> Order:
    """Put an order in force that enough have signed."""
    _require_freezable(call, state, signed.kind, signed.target)
    begun = replace(signed, stage=Stage.IN_FORCE, until_ms=signed.until_ms or call.time_ms + FREEZE_MS_MAX, began_height=call.height)
    _BEGIN[begun.kind](call, state, begun)
    _note_freeze(state, begun)
    _tell(state, begun, "frozen", {"reason": begun.reason, "evidence": begun.evidence, "until_ms": begun.until_ms})
    return begun


def _end(call: Call, state: State, found: Order, lifting: Lifting) -> Order:
    """End an order in force as was decided, and what it did to its target with it."""
    if found.kind is Kind.RECEIPT:
        holds.cleared_by_order(call, state, found.target, found.authority, lifting.reason, found.evidence)
    _thaw(call, state, found, lifting.reason)
    _tell(state, found, "lifted", {"by": lifting.by, "reason": lifting.reason})
    return replace(found, stage=Stage.LIFTED, lifting=lifting)


def _is_last(state: State, one: Order) -> bool:
    """Whether no later order has frozen its target since."""
    value = state.store(NAME).get(target_key(one.kind, one.target))
    return value is not None and decode_freeze(value)[0] == one.number


def _thaw(call: Call, state: State, one: Order, reason: str) -> None:
    """The target is no longer frozen by this order, which was the last to freeze it."""
    if one.kind is Kind.CHAIN and chains.require_chain(state, one.target).status == FROZEN:
        chains.thaw(call, state, one.target, reason, by=one.authority)
    state.store(NAME).delete(target_key(one.kind, one.target))


def _parties(state: State, one: Order) -> tuple[str, ...]:
    """Whom an order concerns."""
    if one.kind is Kind.ACCOUNT:
        return (one.target,)
    if one.kind is Kind.CHAIN:
        return (chains.require_chain(state, one.target).operator,)
    found = receipt(state, one.target)
    assert found is not None, "receipts stay on record"
    return (found.holder, found.custodian)


def _nothing_more(call: Call, state: State, one: Order) -> None:
    """The note of the freeze is what stops an account."""


def _begin_receipt(call: Call, state: State, one: Order) -> None:
    holds.set_by_order(call, state, one.target, one.authority, one.reason, one.evidence)


def _begin_chain(call: Call, state: State, one: Order) -> None:
    if chains.require_chain(state, one.target).status == FROZEN:
        chains.thaw(call, state, one.target, "the order has ended, and another begins", by=one.authority)
    chains.freeze(call, state, one.target, one.reason, by=one.authority)


_BEGIN: dict[Kind, Callable[[Call, State, Order], None]] = {
    Kind.ACCOUNT: _nothing_more,
    Kind.RECEIPT: _begin_receipt,
    Kind.CHAIN: _begin_chain,
}


def _note_freeze(state: State, one: Order) -> None:
    """Write until when the target is frozen, where one read finds it."""
    state.store(NAME).put(target_key(one.kind, one.target), encode_freeze(one.number, one.ends_ms))


def _save(state: State, one: Order) -> None:
    state.store(NAME).put(order_key(one.number), encode_order(one))


def _tell(state: State, one: Order, name: str, more: dict[str, Value]) -> None:
    state.emit(Event(NAME, name, {"number": one.number, "kind": one.kind.value, "target": one.target, **more}))


def genesis(state: State) -> None:
    """Begin the store, with no order."""
    state.store(NAME).put(COUNT_KEY, codec.encode(0))
