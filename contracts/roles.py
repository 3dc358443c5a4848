"""Who may do what: roles by DID, granted with evidence, until they expire or are revoked.

Member, business and custodian are admissions, which any super node may make; the others come by governance alone.
"""

import hashlib
from dataclasses import dataclass, replace

from chainnode import bid, codec
from chainnode.errors import Malformed
from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.codes import (
    BAD_ARGUMENTS,
    BAD_DID,
    EXPIRY_PAST,
    NOT_FOUND,
    NOT_MEMBER,
    ROLE_BY_GOVERNANCE,
    ROLE_MISSING,
    ROLE_UNKNOWN,
)
from chainnode.types.limits import DID_BYTES_MAX, NAME_BYTES_MAX, STATE_VALUE_BYTES_MAX
from chainnode.types.transaction import Event, Value

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
_HOLDER_PREFIX = b"\x01"
_SUPERS_KEY = b"\x02"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role that somebody holds. `expires_ms` 0: never. `evidence` is the digest of what it rests on, empty at genesis."""

    role: str
    expires_ms: int
    evidence: bytes
    by: str
    height: int

    def is_valid_at(self, time_ms: int) -> bool:
        """Whether it has not expired at this block time."""
        return self.expires_ms == 0 or time_ms < self.expires_ms


def holder_key(did: str) -> bytes:
    """The key of a DID's grants in the store `roles`. 33 bytes."""
    return _HOLDER_PREFIX + hashlib.sha256(did.encode()).digest()


def encode_grants(did: str, grants: tuple[Grant, ...]) -> bytes:
    """The value under `holder_key`: the DID, then its grants in the order of ROLES."""
    ordered = sorted(grants, key=lambda grant: ROLES.index(grant.role))
    return codec.encode((did, tuple((grant.role, grant.expires_ms, grant.evidence, grant.by, grant.height) for grant in ordered)))


def decode_grants(value: bytes) -> tuple[Grant, ...]:
    """The grants of a value under `holder_key`."""
    _, items = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 2)
    return tuple(_decode_grant(item) for item in codec.as_array(items))


def _decode_grant(value: Value) -> Grant:
    role, expires_ms, evidence, by, height = codec.as_array(value, 5)
    return Grant(
        role=codec.as_str(role, NAME_BYTES_MAX),
        expires_ms=codec.as_int(expires_ms, 0, 2**63 - 1),
        evidence=codec.as_bytes(evidence, length_max=32),
        by=codec.as_str(by, DID_BYTES_MAX),
        height=codec.as_int(height, 0, 2**63 - 1),
    )


def grants(state: State, did: str) -> tuple[Grant, ...]:
    """What a DID was granted and not deprived of, expired or not."""
    value = state.store(NAME).get(holder_key(did))
    return () if value is None else decode_grants(value)


def has_role(state: State, did: str, role: str, time_ms: int) -> bool:
    """Whether the DID holds the role at this block time."""
    return any(grant.role == role and grant.is_valid_at(time_ms) for grant in grants(state, did))


def require_member(state: State, call: Call) -> None:
    """Rejected(NOT_MEMBER) unless the sender holds a role, whichever."""
    if not any(grant.is_valid_at(call.time_ms) for grant in grants(state, call.sender)):
        require(False, NOT_MEMBER, f"{call.sender} holds no role on this chain")


def require_role(state: State, call: Call, did: str, role: str) -> None:
    """Rejected unless the DID has signed and holds the role."""
    call.require_signer(did)
    require(has_role(state, did, role, call.time_ms), ROLE_MISSING, f"{did} does not hold the role {role}")


def supers(state: State, time_ms: int) -> tuple[str, ...]:
    """The super nodes at this block time, ascending."""
    value = state.store(NAME).get(_SUPERS_KEY)
    assert value is not None, "the genesis wrote it"
    dids = tuple(codec.as_str(did, DID_BYTES_MAX) for did in codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX)))
    return tuple(did for did in dids if has_role(state, did, SUPER, time_ms))


def check_did(did: str) -> None:
    """Rejected(BAD_DID) unless it is a did:bid."""
    try:
        bid.parse_did(did)
    except Malformed as error:
        require(False, BAD_DID, error.detail)


@method
def grant(call: Call, state: State, did: str, role: str, expires_ms: int, evidence: bytes) -> Value:
    """Admit `did` as member, business or custodian until `expires_ms` (0: without end). By a super node.

    `evidence` is the SHA-256 of what the admission rests on. A later grant of the same role replaces it.
    """
    require_role(state, call, call.sender, SUPER)
    require(role in ROLES, ROLE_UNKNOWN, f"there is no role {role}")
    require(role in BY_SUPER_NODE, ROLE_BY_GOVERNANCE, f"the role {role} is granted by governance")
    require(len(evidence) == 32, BAD_ARGUMENTS, "the evidence of a grant is a digest of 32 bytes")
    put_grant(state, did, Grant(role, expires_ms, evidence, call.sender, call.height), call.time_ms)
    return None


@method
def revoke(call: Call, state: State, did: str, role: str, reason: str) -> Value:
    """Take a role away that a super node may give. By a super node."""
    require_role(state, call, call.sender, SUPER)
    require(role in BY_SUPER_NODE, ROLE_BY_GOVERNANCE, f"the role {role} is revoked by governance")
    drop_grant(state, did, role, reason, call.sender)
    return None


def put_grant(state: State, did: str, made: Grant, time_ms: int) -> None:
    """Write a grant that was decided. For this contract and `governance` alone."""
    check_did(did)
    require(made.role in ROLES, ROLE_UNKNOWN, f"there is no role {made.role}")
    require(made.expires_ms == 0 or time_ms < made.expires_ms, EXPIRY_PAST, "the grant would have expired already")
    kept = tuple(grant for grant in grants(state, did) if grant.role != made.role)
    store = state.store(NAME)
    store.put(holder_key(did), encode_grants(did, (*kept, made)))
    if made.role == SUPER:
        _write_supers(state, did, is_in=True)
    attributes: dict[str, Value] = {"did": did, "role": made.role, "expires_ms": made.expires_ms, "evidence": made.evidence, "by": made.by}
    state.emit(Event(NAME, "role_granted", attributes))


def drop_grant(state: State, did: str, role: str, reason: str, by: str) -> None:
    """Remove a grant as was decided. For this contract and `governance` alone."""
    before = grants(state, did)
    kept = tuple(grant for grant in before if grant.role != role)
    require(len(kept) < len(before), NOT_FOUND, f"{did} does not hold the role {role}")
    if kept:
        state.store(NAME).put(holder_key(did), encode_grants(did, kept))
    else:
        state.store(NAME).delete(holder_key(did))
    if role == SUPER:
        _write_supers(state, did, is_in=False)
    state.emit(Event(NAME, "role_revoked", {"did": did, "role": role, "reason": reason, "by": by}))


def _write_supers(state: State, did: str, *, is_in: bool) -> None:
    store = state.store(NAME)
    value = store.get(_SUPERS_KEY)
    known = () if value is None else codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX))
    dids = tuple(codec.as_str(other, DID_BYTES_MAX) for other in known if other != did)
    store.put(_SUPERS_KEY, codec.encode(tuple(sorted((*dids, did) if is_in else dids))))


def genesis(state: State, first: tuple[tuple[str, Grant], ...]) -> None:
    """Write the grants of the genesis."""
    state.store(NAME).put(_SUPERS_KEY, codec.encode(()))
    for did, made in first:
        put_grant(state, did, replace(made, height=0), 0)
