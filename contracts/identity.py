"""The registry of DIDs: documents under the control of whom they name, every version for ever, keys that can be recovered.

Who decides: `threshold` of the controllers, or without any the DID itself; their keys have signed the transaction. The
sender needs a role and nothing else: it may be a sponsor. Recovery is for the day when those keys are lost or stolen:

- It takes `recovery_threshold` of the recovery DIDs, and time, in which the controllers may veto.
- When *all* recovery DIDs ask, and fewer would have been enough, there is no veto: a thief of the controllers' keys
  would use it. All overrule what a part of them asked before. Who wants the controllers to have the last word in any
  case makes the threshold the number of all.
- Recovery DIDs change only together with a quorum of them, else a thief would change them first.
- What the controllers do meanwhile does not stop it, and from `ready_ms` on they do nothing but veto, else a thief
  would win each block with another change.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from chainnode import codec
from chainnode.bid import parse_did
from chainnode.did.record import (
    Control,
    Document,
    Facts,
    Identity,
    Recovery,
    Superseded,
    ambiguous,
    encode_identity,
    encode_recovery,
    encode_superseded,
    facts_value,
    read_control,
    read_document,
    read_facts,
    read_methods,
)
from chainnode.errors import Malformed, Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.codes import (
    ALREADY_EXISTS,
    BAD_DID,
    BAD_DOCUMENT,
    CHANGED_THIS_BLOCK,
    DEACTIVATED,
    NO_KEYS,
    NO_RECOVERY,
    NO_VETO,
    NOT_FOUND,
    RECOVERY_EARLY,
    RECOVERY_PENDING,
    ROLE_BY_GOVERNANCE,
    SIGNER_MISSING,
    STALE_VERSION,
)
from chainnode.types.limits import CONTROL_THRESHOLD_MAX, IDENTITY_FACTS_BYTES_MAX
from chainnode.types.transaction import Event, Value
from contracts import roles
from contracts.arguments import check_did
from contracts.identityrecords import FIRST_KEY, NAME, can_sign, identity, identity_key, old_version, recovery, recovery_key, version_key

_Part = TypeVar("_Part")


@method
def create(call: Call, state: State, did: str, document: Value) -> Value:
    """Register a DID, which signs by the key that it is the hash of. Returns the sequence, 1."""
    roles.require_member(state, call)
    check_registrable("did", did)
    call.require_signer(did)
    require(identity(state, did) is None, ALREADY_EXISTS, f"{did} is registered")
    made = read_part(read_document, document)
    check_facts(made.facts)
    return _save(call, state, Identity(did, 1, b"", call.height, call.time_ms, call.time_ms, True, made))


@method
def update(call: Call, state: State, did: str, sequence: int, previous: bytes, facts: Value) -> Value:
    """Replace services, other names and the extension. `sequence` and `previous` are the current version's number and SHA-256."""
    found = _open(call, state, did, sequence, previous)
    made = read_part(read_facts, facts)
    check_facts(made)
    return _replace(call, state, found, replace(found.document, facts=made))


@method
def rotate(call: Call, state: State, did: str, sequence: int, previous: bytes, methods: Value) -> Value:
    """Replace the keys."""
    found = _open(call, state, did, sequence, previous)
    return _replace(call, state, found, replace(found.document, methods=read_part(read_methods, methods)))


@method
def set_control(call: Call, state: State, did: str, sequence: int, previous: bytes, control: Value) -> Value:
    """Replace who decides. Where recovery was arranged, what changes it takes its quorum too."""
    found = _open(call, state, did, sequence, previous)
    before, after = found.document.control, read_part(read_control, control)
    if before.recovery and _recovery_of(before) != _recovery_of(after):  # INV-37
        _require_quorum(call, "recovery DIDs", before.recovery, before.recovery_threshold)
    return _replace(call, state, found, replace(found.document, control=after))


@method
def deactivate(call: Call, state: State, did: str, sequence: int, previous: bytes) -> Value:
    """End a DID for ever: no key, no fact, no way back. By the controllers, not against a pending recovery; or by its quorum."""
    found = _require_active(call, state, did)
    control = found.document.control
    if control.recovery and _signed(call, control.recovery) >= control.recovery_threshold:
        _require_version(state, found, sequence, previous)
    else:
        found = _open(call, state, did, sequence, previous)
        require(recovery(state, did) is None, RECOVERY_PENDING, "a recovery is pending")
    is_super = roles.has_role(state, did, roles.SUPER, call.time_ms)
    require(not is_super, ROLE_BY_GOVERNANCE, "the role of a super node is revoked first")  # INV-23
    state.store(NAME).delete(recovery_key(did))
    return _replace(call, state, found, Document((), control, Facts()), is_active=False)


@method
def recover(call: Call, state: State, did: str, sequence: int, previous: bytes, methods: Value) -> Value:
    """Ask for new keys, by a quorum of the recovery DIDs. Returns the time from which they can come in force.

    `sequence` and `previous` may be an earlier version's: who changes the DID in each block does not outrun its recovery.
    """
    found = _require_active(call, state, did)
    control = found.document.control
    require(bool(control.recovery), NO_RECOVERY, f"{did} names no recovery DIDs")
    _require_quorum(call, "recovery DIDs", control.recovery, control.recovery_threshold)
    _require_version(state, found, sequence, previous)
    pending, asked_by = recovery(state, did), tuple(one for one in control.recovery if one in call.signers)
    # All of them overrule a part of them: else whoever has that part would only need to be first once no controller can veto.
    is_first = pending is None or (_is_final(control, asked_by) and not _is_final(control, pending.asked_by))
    require(is_first, RECOVERY_PENDING, "a recovery is pending")
    wanted = read_part(read_methods, methods)
    require(can_sign(Document(wanted)), NO_KEYS, "none of the keys may sign transactions")
    ready_ms = call.time_ms + control.recovery_delay_ms
    made = Recovery(did, found.sequence, wanted, asked_by, call.height, ready_ms)
    state.store(NAME).put(recovery_key(did), encode_recovery(made))
    state.emit(Event(NAME, "recovery_asked", {"did": did, "by": asked_by, "ready_ms": ready_ms}))
    return ready_ms


@method
def veto_recovery(call: Call, state: State, did: str) -> Value:
    """End a pending recovery, by the controllers; not when all recovery DIDs ask and fewer were enough."""
    found = _require_active(call, state, did)
    pending = _require_pending(state, did)
    require(not _is_final(found.document.control, pending.asked_by), NO_VETO, "all recovery DIDs ask")
    _require_controllers(call, found)
    state.store(NAME).delete(recovery_key(did))
    state.emit(Event(NAME, "recovery_vetoed", {"did": did}))
    return None


@method
def finish_recovery(call: Call, state: State, did: str) -> Value:
    """Let the recovered keys come in force once the delay has passed, by anybody with a role. Returns the sequence.

    They alone decide from then on: controllers go, since they lost their keys or would not have been passed over. Recovery DIDs stay.
    A service that has the fragment of a recovered key goes too: who added it would else stop the recovery.
    """
    found = _require_active(call, state, did)
    pending = _require_pending(state, did)
    require(call.time_ms >= pending.ready_ms, RECOVERY_EARLY, f"not before {pending.ready_ms}")
    state.store(NAME).delete(recovery_key(did))
    state.emit(Event(NAME, "recovery_finished", {"did": did}))
    return _replace(call, state, found, _recovered(found.document, pending))


def check_registrable(name: str, did: str) -> None:
    """Rejected(BAD_DID) unless the DID can be that of a key as this chain writes it."""
    check_did(name, did)
    require(parse_did(did).is_registrable, BAD_DID, f"{name}: a DID here is in Base58 with 22 bytes of a key's digest")


def read_part(read: Callable[[Value], _Part], value: Value) -> _Part:
    """A part of a document from an argument; Rejected(BAD_DOCUMENT)."""
    try:
        return read(value)
    except Malformed as error:
        raise Rejected(BAD_DOCUMENT, error.detail) from error


def check_facts(facts: Facts) -> None:
    """Rejected(BAD_DOCUMENT) when they are too long."""
    length = len(codec.encode(facts_value(facts)))
    require(length <= IDENTITY_FACTS_BYTES_MAX, BAD_DOCUMENT, f"facts of {length} bytes; {IDENTITY_FACTS_BYTES_MAX} are allowed")


def check_control(control: Control) -> None:
    """Rejected(BAD_DID) unless each DID can sign, now or once it has a record. It need not have one: its own key speaks for it.

    Rejected(BAD_DOCUMENT) when no transaction has room for all whose word would be needed to change it again.
    """
    for name, dids in (("controllers", control.controllers), ("recovery", control.recovery)):
        for did in dids:
            check_registrable(name, did)
    signers = control.threshold + control.recovery_threshold
    is_enough = signers <= CONTROL_THRESHOLD_MAX or not control.recovery  # `set_control` asks both, and a sponsor
    require(is_enough, BAD_DOCUMENT, f"two thresholds of {signers} together; {CONTROL_THRESHOLD_MAX} can sign one transaction")


def _require_active(call: Call, state: State, did: str) -> Identity:
    """The current version of a DID that somebody with a role wants to change."""
    roles.require_member(state, call)
    found = identity(state, did)
    if found is None:
        raise Rejected(NOT_FOUND, f"{did} is not registered")
    require(found.is_active, DEACTIVATED)  # INV-36
    return found


def _open(call: Call, state: State, did: str, sequence: int, previous: bytes) -> Identity:
    """The version that the controllers want to change: the current one, as they must name it (INV-22: no replay, no lost update)."""
    found = _require_active(call, state, did)
    _require_controllers(call, found)
    pending = recovery(state, did)
    require(pending is None or call.time_ms < pending.ready_ms, RECOVERY_PENDING, "a recovery is ready")
    require(sequence == found.sequence, STALE_VERSION, f"the current version is {found.sequence}")
    _require_version(state, found, sequence, previous)
    return found


def _require_version(state: State, found: Identity, sequence: int, previous: bytes) -> None:
    """Rejected(STALE_VERSION) unless `sequence` is the current version or an earlier one, and `previous` its SHA-256."""
    old = None if sequence == found.sequence else old_version(state, found.did, sequence)
    named = found if sequence == found.sequence else None if old is None else old.identity
    is_known = named is not None and hashlib.sha256(encode_identity(named)).digest() == previous
    require(is_known, STALE_VERSION, f"this is no version of {found.did}")


def _require_controllers(call: Call, found: Identity) -> None:
    """INV-33: those who decide have signed."""
    control = found.document.control
    if control.controllers:
        _require_quorum(call, "controllers", control.controllers, control.threshold)
    else:
        call.require_signer(found.did)


def _require_quorum(call: Call, name: str, dids: tuple[str, ...], threshold: int) -> None:
    signed = _signed(call, dids)
    require(signed >= threshold, SIGNER_MISSING, f"{signed} of the {name} have signed, {threshold} must")


def _signed(call: Call, dids: tuple[str, ...]) -> int:
    return sum(did in call.signers for did in dids)


def _is_final(control: Control, asked_by: tuple[str, ...]) -> bool:
    """INV-37: against all of the recovery DIDs nobody has a say, save where nothing less than all is a quorum."""
    return len(control.recovery) > control.recovery_threshold and all(one in asked_by for one in control.recovery)


def _recovery_of(control: Control) -> tuple[tuple[str, ...], int, int]:
    return control.recovery, control.recovery_threshold, control.recovery_delay_ms


def _recovered(before: Document, pending: Recovery) -> Document:
    after = replace(before, methods=pending.methods, control=replace(before.control, controllers=(), threshold=1))
    gone = ambiguous(after)
    services = tuple([one for one in before.facts.services if one.fragment not in gone])
    return replace(after, facts=replace(before.facts, services=services))


def _require_pending(state: State, did: str) -> Recovery:
    pending = recovery(state, did)
    if pending is None:
        raise Rejected(NO_RECOVERY, f"no recovery of {did} is pending")
    return pending


def _replace(call: Call, state: State, found: Identity, document: Document, *, is_active: bool = True) -> int:
    """Write the next version, and the one before as history. One version per DID and height: INV-35."""
    require(call.height > found.height, CHANGED_THIS_BLOCK, f"version {found.sequence} was written in this block")
    state.store(NAME).put(version_key(found.did, found.sequence), encode_superseded(Superseded(found, call.height, call.time_ms)))
    made = replace(
        found,
        sequence=found.sequence + 1,
        previous=hashlib.sha256(encode_identity(found)).digest(),  # INV-34
        height=call.height,
        time_ms=call.time_ms,
        is_active=is_active,
        document=document,
    )
    return _save(call, state, made)


def _save(call: Call, state: State, one: Identity) -> int:
    document = one.document
    if one.is_active:
        check_control(document.control)
        for fragment in ambiguous(document):
            require(False, BAD_DOCUMENT, f"#{fragment} names a key and a service")
        speaks = can_sign(document)
        require(speaks or bool(document.control.controllers), NO_KEYS, "no key may sign transactions, and nobody controls the DID")
        is_super = roles.has_role(state, one.did, roles.SUPER, call.time_ms)
        require(speaks or not is_super, ROLE_BY_GOVERNANCE, "a super node keeps a key that signs transactions")  # INV-23
    state.store(NAME).put(identity_key(one.did), encode_identity(one))
    name = "identity_changed" if one.is_active else "identity_deactivated"
    state.emit(Event(NAME, name, {"did": one.did, "sequence": one.sequence}))
    return one.sequence


def genesis(state: State) -> None:
    """Begin the store."""
    state.store(NAME).put(FIRST_KEY, codec.encode(1))
