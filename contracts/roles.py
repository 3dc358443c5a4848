"""Who may do what: roles by DID, granted with evidence, until they expire or are revoked.

Member, business and custodian are admissions, which any super node may make; the others come by governance alone.
"""

from dataclasses import replace
from functools import lru_cache

from chainnode import codec
from chainnode.bid import parse_did
from chainnode.errors import Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.codes import (
    BAD_ARGUMENTS,
    BAD_DID,
    EXPIRY_PAST,
    LAST_SUPER_NODE,
    NOT_FOUND,
    NOT_MEMBER,
    ROLE_BY_GOVERNANCE,
    ROLE_MISSING,
    ROLE_UNKNOWN,
    TOO_MANY,
)
from chainnode.types.limits import DID_BYTES_MAX, STATE_VALUE_BYTES_MAX, SUPERS_MAX, SUPERVISORS_MAX
from chainnode.types.transaction import Event, Value
from chainnode.vc.rolerecord import RoleGrant, read_role_grants, role_key
from contracts.arguments import check_did, check_digest, check_text

NAME = "roles"
SUPER = "super"
BACKBONE = "backbone"
SERVICE = "service"
SUPERVISION = "supervision"
BUSINESS = "business"
MEMBER = "member"
CUSTODIAN = "custodian"
ROLES = (SUPER, BACKBONE, SERVICE, SUPERVISION, BUSINESS, MEMBER, CUSTODIAN)
BY_SUPER_NODE = (BUSINESS, MEMBER, CUSTODIAN)
Grant = RoleGrant
# Roles whose holders count each other: where their DIDs are listed, and how many there may be.
_LISTED = {SUPER: (b"\x02", SUPERS_MAX), SUPERVISION: (b"\x03", SUPERVISORS_MAX)}
_HOLDERS_CACHED = 16_384
_INT64_MAX = 2**63 - 1
_NEVER_MS = 2**63


@lru_cache(maxsize=_HOLDERS_CACHED)
def holder_key(did: str) -> bytes:
    """The key of a DID's grants in the store `roles`. 33 bytes."""
    return role_key(did)


def encode_grants(did: str, grants: tuple[Grant, ...]) -> bytes:
    """The value under `holder_key`: the DID, then its grants in the order of ROLES."""
    ordered = sorted(grants, key=lambda grant: ROLES.index(grant.role))
    return codec.encode((did, tuple((grant.role, grant.expires_ms, grant.evidence, grant.by, grant.height) for grant in ordered)))


@lru_cache(maxsize=_HOLDERS_CACHED)
def decode_grants(value: bytes) -> tuple[Grant, ...]:
    """The grants of a value under `holder_key`. Hot: every transaction asks for its sender's."""
    return read_role_grants(value)[1]


def grants(state: State, did: str) -> tuple[Grant, ...]:
    """What a DID was granted and not deprived of, expired or not."""
    if len(did) > DID_BYTES_MAX:  # no DID, and nobody is to remember it
        return ()
    known = state.memo("grants", NAME)
    found: tuple[Grant, ...] | None = known.get(did)
    if found is None:
        value = state.store(NAME).get(holder_key(did))
        found = known[did] = () if value is None else decode_grants(value)
    return found


def has_role(state: State, did: str, role: str, time_ms: int) -> bool:
    """Whether the DID holds the role at this block time."""
    return any(grant.role == role and grant.is_valid_at(time_ms) for grant in grants(state, did))


def has_any_role(state: State, did: str, roles: tuple[str, ...], time_ms: int) -> bool:
    """Whether the DID holds one of the roles at this block time."""
    return any(grant.role in roles and grant.is_valid_at(time_ms) for grant in grants(state, did))


def is_member(state: State, did: str, time_ms: int) -> bool:
    """Whether the DID holds a role at this block time, whichever."""
    return True in [grant.is_valid_at(time_ms) for grant in grants(state, did)]


def member_until_ms(state: State, did: str) -> int:
    """The block time from which on the DID holds no role any more: 0 when it holds none, far ahead when one of its roles has no end."""
    return max([grant.expires_ms or _NEVER_MS for grant in grants(state, did)], default=0)


def require_member(state: State, call: Call) -> None:
    """Rejected(NOT_MEMBER) unless the sender holds a role, whichever. Writing to the chain takes at least that (INV-21)."""
    if not is_member(state, call.sender, call.time_ms):  # the words are made for those who need them
        raise Rejected(NOT_MEMBER, f"{call.sender} holds no role on this chain")


def require_role(state: State, call: Call, did: str, role: str) -> None:
    """Rejected unless the DID has signed and holds the role."""
    call.require_signer(did)
    require(has_role(state, did, role, call.time_ms), ROLE_MISSING, f"{did} does not hold the role {role}")


def supers(state: State, time_ms: int) -> tuple[str, ...]:
    """The super nodes at this block time, ascending."""
    return tuple(did for did in _listed(state, SUPER) if has_role(state, did, SUPER, time_ms))


def supervisors(state: State, time_ms: int) -> tuple[str, ...]:
    """The supervision nodes at this block time, ascending."""
    return tuple(did for did in _listed(state, SUPERVISION) if has_role(state, did, SUPERVISION, time_ms))


@method
def grant(call: Call, state: State, did: str, role: str, expires_ms: int, evidence: bytes) -> Value:
    """Admit `did` as member, business or custodian until `expires_ms` (0: without end). By a super node.

    `evidence` is the digest of what the admission rests on. A later grant of the same role replaces it.
    """
    require_role(state, call, call.sender, SUPER)
    _check_admission(role)
    check_digest("evidence", evidence)
    put_grant(state, did, Grant(role, expires_ms, evidence, call.sender, call.height), call.time_ms)
    return None


@method
def revoke(call: Call, state: State, did: str, role: str, reason: str) -> Value:
    """Take a role away that a super node may give. By a super node."""
    require_role(state, call, call.sender, SUPER)
    _check_admission(role)
    check_text("reason", reason)
    drop_grant(state, did, role, reason, call.sender)
    return None


def put_grant(state: State, did: str, made: Grant, time_ms: int) -> None:
    """Write a grant that was decided. For this contract and `governance` alone."""
    check_did("did", did)
    require(parse_did(did).is_registrable, BAD_DID, "did: roles are held by DIDs in Base58 with 22 bytes of a key's digest")
    _check_known(made.role)
    require(0 <= made.expires_ms <= _INT64_MAX, BAD_ARGUMENTS, "expires_ms is a time, or 0")
    require(made.expires_ms == 0 or time_ms < made.expires_ms, EXPIRY_PAST, "the grant would have expired already")
    kept = tuple(grant for grant in grants(state, did) if grant.role != made.role)
    _write(state, did, (*kept, made), made.role)
    attributes: dict[str, Value] = {"did": did, "role": made.role, "expires_ms": made.expires_ms, "evidence": made.evidence, "by": made.by}
    state.emit(Event(NAME, "role_granted", attributes))


def drop_grant(state: State, did: str, role: str, reason: str, by: str) -> None:
    """Remove a grant as was decided. For this contract and `governance` alone."""
    before = grants(state, did)
    kept = tuple(grant for grant in before if grant.role != role)
    require(len(kept) < len(before), NOT_FOUND, f"{did} does not hold the role {role}")
    _write(state, did, kept, role)
    state.emit(Event(NAME, "role_revoked", {"did": did, "role": role, "reason": reason, "by": by}))


def genesis(state: State, first: tuple[tuple[str, Grant], ...]) -> None:
    """Write the grants of the genesis."""
    for key, _ in _LISTED.values():
        state.store(NAME).put(key, codec.encode(()))
    for did, made in first:
        put_grant(state, did, replace(made, height=0), 0)


def _write(state: State, did: str, kept: tuple[Grant, ...], changed: str) -> None:
    """Write all grants of a DID, of which the role `changed` is new or gone."""
    store = state.store(NAME)
    had_permanent = changed == SUPER and _has_permanent_super(state)
    if kept:
        store.put(holder_key(did), encode_grants(did, kept))
    else:
        store.delete(holder_key(did))
    if changed in _LISTED:
        key, most = _LISTED[changed]
        dids = {*_listed(state, changed)} - {did}
        if any(grant.role == changed for grant in kept):
            dids |= {did}
        require(len(dids) <= most, TOO_MANY, f"a chain has at most {most} holders of the role {changed}")
        store.put(key, codec.encode(tuple(sorted(dids))))
        # INV-23: without a super node nobody could ever make one.
        require(not had_permanent or _has_permanent_super(state), LAST_SUPER_NODE)


def _listed(state: State, role: str) -> tuple[str, ...]:
    """Who was granted the role, expired or not, ascending."""
    value = state.store(NAME).get(_LISTED[role][0])
    assert value is not None, "the genesis wrote it"
    return tuple(codec.as_str(did, DID_BYTES_MAX) for did in codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX)))


def _has_permanent_super(state: State) -> bool:
    """Whether some super node's role never expires."""
    return any(grant.role == SUPER and grant.expires_ms == 0 for did in _listed(state, SUPER) for grant in grants(state, did))


def _check_known(role: str) -> None:
    require(role in ROLES, ROLE_UNKNOWN, f"there is no role {role}")


def _check_admission(role: str) -> None:
    """Rejected unless a super node alone gives and takes the role (INV-24)."""
    _check_known(role)
    require(role in BY_SUPER_NODE, ROLE_BY_GOVERNANCE, f"the role {role} is given and taken by governance")
