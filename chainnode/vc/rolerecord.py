"""The roles of a DID as the ledger keeps them. The contract `roles` writes them; verifiers read them in proofs."""

import hashlib
from dataclasses import dataclass

from chainnode import codec
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_CREDENTIAL_PROOF
from chainnode.types.limits import DID_BYTES_MAX, NAME_BYTES_MAX, STATE_VALUE_BYTES_MAX
from chainnode.types.transaction import Value

ROLES = "roles"  # the store
_HOLDER_PREFIX = b"\x01"
_INT64_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A role, until when (ms, 0: without end), the digest of what it rests on (empty at genesis), by whom, in which block.

    `by` is a super node's DID, `governance:<number of the proposal>`, or `genesis`.
    """

    role: str
    expires_ms: int
    evidence: bytes
    by: str
    height: int

    def is_valid_at(self, time_ms: int) -> bool:
        """Whether it has not expired at this block time."""
        return self.expires_ms == 0 or time_ms < self.expires_ms


def role_key(did: str) -> bytes:
    """The key of a DID's roles. 33 bytes."""
    return _HOLDER_PREFIX + hashlib.sha256(did.encode()).digest()


def decode_role_grants(value: bytes, did: str) -> tuple[RoleGrant, ...]:
    """The roles of a value under `role_key(did)`; Malformed(BAD_CREDENTIAL_PROOF) when it is of another DID."""
    name, grants = read_role_grants(value)
    if name != did:
        raise Malformed(BAD_CREDENTIAL_PROOF, "the roles are of another DID")
    return grants


def read_role_grants(value: bytes) -> tuple[Value, tuple[RoleGrant, ...]]:
    """Whose roles a value holds, and the roles."""
    name, items = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 2)
    return name, tuple(map(_grant, codec.as_array(items)))


def _grant(value: Value) -> RoleGrant:
    role, expires_ms, evidence, by, height = codec.as_array(value, 5)
    return RoleGrant(
        role=codec.as_str(role, NAME_BYTES_MAX),
        expires_ms=codec.as_int(expires_ms, 0, _INT64_MAX),
        evidence=codec.as_bytes(evidence, length_max=32),
        by=codec.as_str(by, DID_BYTES_MAX),
        height=codec.as_int(height, 0, _INT64_MAX),
    )
