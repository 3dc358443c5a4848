"""How a chain comes on record: its operator applies, the super nodes decide, and the application stays with what became of it.

A record comes from an application that they admitted, and from nothing else (INV-67). A chain that is on record applies again
to change what they have judged, or to come back after its revocation: it keeps its number.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from chainnode import codec, genesisfile
from chainnode.bid import parse_did
from chainnode.bundle import beginning_of
from chainnode.did.chainapplication import (
    ADMITTED,
    OPEN,
    REJECTED,
    WITHDRAWN,
    Application,
    decode_application,
    encode_application,
)
from chainnode.did.chainform import Form, endpoints_of, gateways_of, info, operator_of, permit_of, read_form, wish_of
from chainnode.did.chainrecord import ACTIVE, REVOKED, ChainRecord, Permit, read_endpoints, read_validators, validators_value
from chainnode.errors import Malformed, Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.bundle import Beginning
from chainnode.types.codes import (
    AC_TAKEN,
    APPLICATION_CLOSED,
    BAD_CHAIN,
    BAD_DID,
    DEACTIVATED,
    EXPIRY_PAST,
    NOT_FOUND,
    ROLE_MISSING,
    TOO_MANY,
    WRONG_CHAIN_STATUS,
)
from chainnode.types.genesis import Genesis
from chainnode.types.limits import CHAIN_APPLICATIONS_OPEN_MAX, CHAIN_EVIDENCE_MAX, CHAIN_TTL_S_MAX, CHAIN_TTL_S_MIN
from chainnode.types.transaction import Event, Value
from contracts import chains, roles
from contracts.arguments import check_digest, check_text
from contracts.chains import NAME
from contracts.identityrecords import identity

CHAIN_TTL_S = 3_600  # an hour, many heartbeats of a chain without work
_COUNT_KEY = b"\x04"
_APPLICATION_PREFIX = b"\x03"  # ‖ number (8)
_OPEN_PREFIX = b"\x09"  # ‖ sha256(did)
_INT63_MAX = 2**63 - 1
_Given = TypeVar("_Given")
_Part = TypeVar("_Part")


def application_key(number: int) -> bytes:
    """The key of an application in the store `chains`. 9 bytes."""
    return _APPLICATION_PREFIX + number.to_bytes(8, "big")


def application(state: State, number: int) -> Application | None:
    """An application by its number, decided or not."""
    value = state.store(NAME).get(application_key(number)) if 0 < number <= _INT63_MAX else None
    return None if value is None else decode_application(value)


def count(state: State) -> int:
    """How many applications there have been."""
    value = state.store(NAME).get(_COUNT_KEY)
    return 0 if value is None else codec.as_int(codec.decode(value, bytes_max=16), 1, _INT63_MAX)


def arguments_of(
    genesis: Genesis, form: Mapping[str, Value], *, ttl_s: int = CHAIN_TTL_S, evidence: Sequence[bytes] = ()
) -> tuple[Value, ...]:
    """What `apply` is given for the chain that begins with this genesis file."""
    first = beginning_of(genesis)
    beginning = (first.chain_id, first.genesis_hash, first.time_ns, first.trusting_period_ms, validators_value(first.validators))
    return (dict(form), *beginning, ttl_s, tuple(evidence))


@method
def apply(
    call: Call,
    state: State,
    form: Value,
    chain_id: str,
    genesis_hash: bytes,
    genesis_time_ns: int,
    trusting_period_ms: int,
    validators: tuple[tuple[int, bytes, int], ...],
    ttl_s: int,
    evidence: tuple[bytes, ...],
) -> Value:
    """Apply for an AC number, or for a change of what was admitted. By the operator whom the form names, who holds a role. Its number."""
    roles.require_member(state, call)
    read = _read(read_form, form)
    operator = operator_of(read)
    require(parse_did(operator).is_registrable, BAD_DID, "backboneNodeBid: a DID here is in Base58 with 22 bytes of a key's digest")
    call.require_signer(operator)
    require(roles.has_any_role(state, operator, roles.ROLES, call.time_ms), ROLE_MISSING, f"{operator} holds no role on this chain")
    _read(read_endpoints, endpoints_of(read))
    require(len(evidence) <= CHAIN_EVIDENCE_MAX, TOO_MANY, f"an application names at most {CHAIN_EVIDENCE_MAX} digests")
    for digest in evidence:
        check_digest("evidence", digest)
    check_ttl(ttl_s)
    beginning = _beginning(chain_id, genesis_hash, genesis_time_ns, trusting_period_ms, validators)
    chains.require_own_id(call, state, chain_id, genesis_hash)
    _check_place(state, beginning, wish_of(read), operator)
    number = count(state) + 1
    state.store(NAME).put(_COUNT_KEY, codec.encode(number))
    _note_open(state, operator, number)
    _save(state, Application(number, read, beginning, ttl_s, evidence, call.height, call.time_ms))
    state.emit(Event(NAME, "applied", {"number": number, "by": operator, "chain_id": chain_id, "wish": wish_of(read)}))
    return number


@method
def withdraw(call: Call, state: State, number: int) -> Value:
    """Take an open application back. By its operator."""
    found = _require_open(state, number)
    call.require_signer(found.operator)
    _close(call, state, replace(found, status=WITHDRAWN, by=found.operator), "withdrawn")
    return None


def admit(call: Call, state: State, number: int, ac: str, expires_ms: int, reason: str, *, by: str) -> None:
    """Admit as was decided: the chain gets the number, its operator the role, this ledger a light client. For `governance` alone."""
    asked = _require_open(state, number)
    require(chains.is_ac(ac), BAD_CHAIN, "an AC number is four lower-case letters or digits")
    require(0 <= expires_ms <= _INT63_MAX, BAD_CHAIN, "expires_ms is a time, or 0")
    require(expires_ms == 0 or call.time_ms < expires_ms, EXPIRY_PAST, "the admission would have expired already")
    who = identity(state, asked.operator)
    require(who is None or who.is_active, DEACTIVATED, f"{asked.operator} was deactivated")
    before, known = chains.chain(state, ac), chains.ac_of(state, asked.beginning.genesis_hash)
    # INV-47: neither has the number been another chain's, nor the chain another number.
    require(known == (None if before is None else ac), AC_TAKEN, f"the AC number {ac} and this genesis do not belong together")
    chains.require_own_id(call, state, asked.beginning.chain_id, asked.beginning.genesis_hash)
    made = _record(call, asked, ac, expires_ms, reason, by=by)
    if before is not None:
        _check_returns(before, asked.operator)
        made = replace(made, created_ms=before.created_ms, appeals=before.appeals)
    made = replace(made, client_id=chains.client_for(call, state, made, before))
    chains.change(call, state, replace(made, sequence=0) if before is None else before, made, "chain_admitted", by=by)
    _close(call, state, replace(asked, status=ADMITTED, ac=ac, reason=reason, by=by), "application_admitted")


def reject(call: Call, state: State, number: int, reason: str, *, by: str) -> None:
    """Refuse as was decided; the application stays on record with the reason. For `governance` alone."""
    found = _require_open(state, number)
    check_text("reason", reason)
    _close(call, state, replace(found, status=REJECTED, reason=reason, by=by), "application_rejected")


def check_ttl(ttl_s: int) -> None:
    """Rejected(BAD_CHAIN) unless answers may count for so long."""
    require(CHAIN_TTL_S_MIN <= ttl_s <= CHAIN_TTL_S_MAX, BAD_CHAIN, f"ttl_s is between {CHAIN_TTL_S_MIN} and {CHAIN_TTL_S_MAX}")


def _record(call: Call, asked: Application, ac: str, expires_ms: int, reason: str, *, by: str) -> ChainRecord:
    """The first version of the record that an application asks for; its client is yet to come."""
    first = asked.beginning
    made = ChainRecord(
        sequence=1,
        ac=ac,
        chain_id=first.chain_id,
        name="",
        operator=asked.operator,
        genesis_hash=first.genesis_hash,
        genesis_time_ns=first.time_ns,
        trusting_period_ms=first.trusting_period_ms,
        validators=first.validators,
        endpoints=(),
        ttl_s=asked.ttl_s,
        status=ACTIVE,
        by=by,
        height=call.height,
        time_ms=call.time_ms,
        created_ms=call.time_ms,
        application=asked.number,
        expires_ms=expires_ms,
        reason=reason,
    )
    return with_form(made, asked.form)


def with_form(one: ChainRecord, form: Form) -> ChainRecord:
    """A record with what a form says."""
    return replace(
        one,
        name=info(form, "name"),
        industry=info(form, "industry"),
        architecture=info(form, "chainArch"),
        operator=operator_of(form),
        gateways=gateways_of(form),
        permit=Permit(*permit_of(form)),
        endpoints=_read(read_endpoints, endpoints_of(form)),
    )


def _beginning(chain_id: str, genesis_hash: bytes, time_ns: int, trusting_period_ms: int, validators: Value) -> Beginning:
    """How a chain begins, as it is told. Rejected(BAD_CHAIN), (BAD_ARGUMENTS) names what is wrong."""
    _read(genesisfile.check_chain_id, chain_id)
    check_digest("genesis_hash", genesis_hash)
    least, most = genesisfile.PARAM_BOUNDS["trusting_period_ms"]
    require(least <= trusting_period_ms <= most, BAD_CHAIN, f"trusting_period_ms is between {least} and {most}")
    require(0 < time_ns <= _INT63_MAX, BAD_CHAIN, "genesis_time_ns is between the years 1970 and 2262")
    return Beginning(chain_id, genesis_hash, time_ns, trusting_period_ms, _read(read_validators, validators))


def _check_place(state: State, beginning: Beginning, wish: str, operator: str) -> None:
    """Refuse at once what could never be admitted: a number or a chain that is taken, somebody else's chain."""
    known = chains.ac_of(state, beginning.genesis_hash)
    if known is None:
        require(chains.chain(state, wish) is None, AC_TAKEN, f"the AC number {wish} is another chain's")
        return
    require(known == wish, AC_TAKEN, f"this chain has the AC number {known}, for ever")
    _check_returns(chains.require_chain(state, known), operator)


def _check_returns(before: ChainRecord, operator: str) -> None:
    """A chain that is on record applies again by its operator; a revoked one by whoever runs it now; a closed one is resumed first."""
    if before.status == REVOKED:
        return
    require(before.operator == operator, AC_TAKEN, f"the chain {before.ac} is run by {before.operator}")
    require(before.status == ACTIVE, WRONG_CHAIN_STATUS, f"the chain {before.ac} is {before.status}")


def _require_open(state: State, number: int) -> Application:
    found = application(state, number)
    if found is None:
        raise Rejected(NOT_FOUND, f"there is no application {number}")
    # INV-67: it is decided once.
    require(found.status == OPEN, APPLICATION_CLOSED, f"application {number} is {found.status}")
    return found


def _close(call: Call, state: State, one: Application, event: str) -> None:
    _save(state, replace(one, decided_height=call.height))
    attributes: dict[str, Value] = {"number": one.number, "ac": one.ac, "reason": one.reason, "by": one.by}
    state.emit(Event(NAME, event, attributes))


def _note_open(state: State, operator: str, number: int) -> None:
    """Add an application to its operator's open ones, of which there are few: nobody buries the council in applications."""
    store, key = state.store(NAME), _OPEN_PREFIX + roles.holder_key(operator)[1:]
    value = store.get(key)
    known = () if value is None else codec.as_array(codec.decode(value, bytes_max=16 * CHAIN_APPLICATIONS_OPEN_MAX))
    found = (application(state, codec.as_int(one, 1, _INT63_MAX)) for one in known)
    still_open = tuple(one.number for one in found if one is not None and one.status == OPEN)
    most = CHAIN_APPLICATIONS_OPEN_MAX
    require(len(still_open) < most, TOO_MANY, f"an operator has at most {most} open applications")
    store.put(key, codec.encode((*still_open, number)))


def _save(state: State, one: Application) -> None:
    state.store(NAME).put(application_key(one.number), encode_application(one))


def _read(read: Callable[[_Given], _Part], value: _Given) -> _Part:
    """A part of what was asked for; Rejected, with the code of what is wrong or BAD_CHAIN."""
    try:
        return read(value)
    except Malformed as error:
        raise Rejected(BAD_CHAIN if error.code.number < 100 and error.code is not BAD_DID else error.code, error.detail) from error
