"""What becomes of a chain on record: its operator changes what is its own, hands it over, appeals; the council renews and answers."""

from dataclasses import replace

from chainnode.bid import parse_did
from chainnode.did.chainapplication import GRANTED, OPEN, REJECTED, Appeal, decode_appeal, encode_appeal
from chainnode.did.chainform import Form, read_form
from chainnode.did.chainrecord import ACTIVE, REVOKED, SUSPENDED, ChainRecord
from chainnode.errors import Malformed, Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.codes import (
    BAD_CHAIN,
    BAD_DID,
    CHAIN_APPEAL_OPEN,
    DEACTIVATED,
    EXPIRY_PAST,
    NO_CHAIN_APPEAL,
    NOT_OPERATOR,
    NOT_YOURS_TO_CHANGE,
    ROLE_MISSING,
    TOO_MANY,
    WRONG_CHAIN_STATUS,
)
from chainnode.types.limits import CHAIN_APPEAL_BYTES_MAX, CHAIN_APPEALS_MAX
from chainnode.types.transaction import Event, Value
from contracts import chains, roles
from contracts.arguments import check_did, check_digest, check_text
from contracts.chainapplications import check_ttl, with_form
from contracts.chains import NAME
from contracts.identityrecords import identity

_APPEAL_PREFIX = b"\x05"  # ‖ AC number (4) ‖ number (4)
_INT63_MAX = 2**63 - 1
# What an operator says of itself by an update; all else of a record the council has judged (INV-71).
_OWN_FIELDS = ("endpoints", "gateways", "ttl_s")


def appeal_key(ac: str, number: int) -> bytes:
    """The key of an appeal in the store `chains`. 9 bytes."""
    return _APPEAL_PREFIX + ac.encode() + number.to_bytes(4, "big")


def appeal_of(state: State, ac: str, number: int) -> Appeal | None:
    """An appeal of a chain by its number, from 1."""
    value = state.store(NAME).get(appeal_key(ac, number))
    return None if value is None else decode_appeal(value)


# By the operator


@method
def update(call: Call, state: State, ac: str, form: Value, ttl_s: int) -> Value:
    """Change resolvers, gateways and `ttl_s` of a chain: the form as it is now, all else as it was admitted. By the operator."""
    roles.require_member(state, call)
    before = _require_operator(call, state, ac)
    require(before.status != REVOKED, WRONG_CHAIN_STATUS, f"the chain {ac} is {before.status}")
    check_ttl(ttl_s)
    after = replace(with_form(before, _form(form)), ttl_s=ttl_s)
    kept = replace(after, **{name: getattr(before, name) for name in _OWN_FIELDS})
    require(kept == before, NOT_YOURS_TO_CHANGE, "name, industry, architecture, permit and operator change by a new application")
    chains.change(call, state, before, after, "chain_updated", by=before.operator)
    return None


@method
def transfer(call: Call, state: State, ac: str, operator: str) -> Value:
    """Hand a chain over to another operator, who holds a role. Signed by both."""
    roles.require_member(state, call)
    before = _require_operator(call, state, ac)
    call.require_signer(operator)
    require(before.status == ACTIVE, WRONG_CHAIN_STATUS, f"the chain {ac} is {before.status}")
    _hand_over(call, state, before, operator, before.reason, by=before.operator)
    return None


@method
def appeal(call: Call, state: State, ac: str, text: str, evidence: bytes) -> Value:
    """Appeal against the suspension or revocation of a chain; `evidence` is a digest, or empty. By the operator. The appeal's number.

    The council answers by `resume_chain` or `reject_appeal`. One appeal is open at a time.
    """
    roles.require_member(state, call)
    before = _require_operator(call, state, ac)
    require(before.status in (SUSPENDED, REVOKED), WRONG_CHAIN_STATUS, f"the chain {ac} is {before.status}")
    check_text("text", text, CHAIN_APPEAL_BYTES_MAX)
    if evidence:
        check_digest("evidence", evidence)
    last = _last_appeal(state, before)
    require(last is None or last.status != OPEN, CHAIN_APPEAL_OPEN, f"appeal {before.appeals} of the chain {ac} is open")
    require(before.appeals < CHAIN_APPEALS_MAX, TOO_MANY, f"a chain has at most {CHAIN_APPEALS_MAX} appeals")
    number = before.appeals + 1
    _save(state, Appeal(ac, number, text, evidence, before.operator, call.height, call.time_ms))
    chains.write(state, replace(before, appeals=number))
    state.emit(Event(NAME, "appealed", {"ac": ac, "number": number, "by": before.operator}))
    return number


# As the council decides: for `governance` alone


def renew(call: Call, state: State, ac: str, expires_ms: int, reason: str, *, by: str) -> None:
    """Let an admission end at another time, 0 for never; also one that has expired. Its status stays."""
    before = chains.require_chain(state, ac)
    require(before.status != REVOKED, WRONG_CHAIN_STATUS, f"the chain {ac} is {before.status}")
    require(0 <= expires_ms <= _INT63_MAX, BAD_CHAIN, "expires_ms is a time, or 0")
    require(expires_ms == 0 or call.time_ms < expires_ms, EXPIRY_PAST, "the admission would have expired already")
    chains.change(call, state, before, replace(before, expires_ms=expires_ms, reason=reason), "chain_renewed", by=by)


def hand_over(call: Call, state: State, ac: str, operator: str, reason: str, *, by: str) -> None:
    """Give a chain to another operator, without the signature of either."""
    before = chains.require_chain(state, ac)
    require(before.status != REVOKED, WRONG_CHAIN_STATUS, f"the chain {ac} is {before.status}")
    _hand_over(call, state, before, operator, reason, by=by)


def resume(call: Call, state: State, ac: str, reason: str, *, by: str) -> None:
    """Open a chain again; an open appeal is granted by it."""
    made = chains.resume(call, state, ac, reason, by=by)
    last = _last_appeal(state, made)
    if last is not None and last.status == OPEN:
        _answer(call, state, last, GRANTED, reason, by=by)


def reject_appeal(call: Call, state: State, ac: str, reason: str, *, by: str) -> None:
    """Answer an open appeal: the chain stays closed, for this reason."""
    last = _last_appeal(state, chains.require_chain(state, ac))
    if last is None or last.status != OPEN:
        raise Rejected(NO_CHAIN_APPEAL, f"no appeal of the chain {ac} is open")
    check_text("reason", reason)
    _answer(call, state, last, REJECTED, reason, by=by)


def _answer(call: Call, state: State, one: Appeal, status: str, reason: str, *, by: str) -> None:
    _save(state, replace(one, status=status, reason=reason, answered_height=call.height))
    state.emit(Event(NAME, "appeal_answered", {"ac": one.ac, "number": one.number, "status": status, "reason": reason, "by": by}))


def _hand_over(call: Call, state: State, before: ChainRecord, operator: str, reason: str, *, by: str) -> None:
    check_did("operator", operator)
    parsed = parse_did(operator)
    require(
        parsed.is_registrable and parsed.acsn is None, BAD_DID, "operator: a DID of this chain in Base58 with 22 bytes of a key's digest"
    )
    require(roles.has_any_role(state, operator, roles.ROLES, call.time_ms), ROLE_MISSING, f"{operator} holds no role on this chain")
    who = identity(state, operator)
    require(who is None or who.is_active, DEACTIVATED, f"{operator} was deactivated")
    chains.change(call, state, before, replace(before, operator=operator, reason=reason), "chain_transferred", by=by)


def _require_operator(call: Call, state: State, ac: str) -> ChainRecord:
    found = chains.require_chain(state, ac)
    require(found.operator in call.signers, NOT_OPERATOR, f"{found.operator}, who runs the chain {ac}, has not signed")
    return found


def _last_appeal(state: State, one: ChainRecord) -> Appeal | None:
    return appeal_of(state, one.ac, one.appeals) if one.appeals else None


def _save(state: State, one: Appeal) -> None:
    state.store(NAME).put(appeal_key(one.ac, one.number), encode_appeal(one))


def _form(value: Value) -> Form:
    try:
        return read_form(value)
    except Malformed as error:
        raise Rejected(error.code, error.detail) from error
