"""Policies of a Fabric channel: which identities must have signed. Signature policies, and those over the groups below. Pure; bounded.

Source: Fabric, common/cauthdsl/cauthdsl.go, common/policies/implicitmeta.go, msp/mspimpl.go (principals); fabric-protos, common/policies.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chainnode.errors import Malformed
from chainnode.foreign import protobuf
from chainnode.foreign.fabricconfig import ChannelConfig, Group
from chainnode.foreign.fabricmsp import Identity, Members
from chainnode.types.codes import BAD_FABRIC_CONFIG
from chainnode.types.limits import FABRIC_BLOCK_BYTES_MAX, FABRIC_RULES_DEPTH_MAX, FABRIC_RULES_MAX, FABRIC_TEXT_BYTES_MAX

_SIGNATURE, _IMPLICIT_META = 1, 3
_ANY, _ALL, _MAJORITY = 0, 1, 2
_ROLE, _UNIT, _IDENTITY, _ANONYMITY, _COMBINED = range(5)
_MEMBER, _ADMIN, _CLIENT, _PEER, _ORDERER = range(5)
_ROLE_NAMES = {_CLIENT: "client", _PEER: "peer", _ORDERER: "orderer"}
_FIRST_PRINCIPAL = b"\x08\x00"  # `signed_by` 0, which is written since it is one of several

Test = Callable[[Identity], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """Part of a signature policy: somebody who passes a test has signed, or so many of the parts hold."""

    test: Test | None
    needed: int = 0
    parts: tuple["Rule", ...] = ()


def n_of(needed: int, msp_ids: Sequence[str]) -> Rule:
    """The policy that members of so many of the organisations have signed."""
    return Rule(None, needed, tuple(Rule(_is_of(name)) for name in msp_ids))


def _is_of(msp_id: str) -> Test:
    return lambda one: one.msp_id == msp_id


def holds(rule: Rule, signers: Sequence[Identity]) -> bool:
    """Whether the signers satisfy it, none counted twice."""
    return _take(rule, signers, frozenset()) is not None


def _take(rule: Rule, signers: Sequence[Identity], used: frozenset[int]) -> frozenset[int] | None:
    """The places of those used up by then, None when the rule does not hold. As Fabric: the first who fits is taken."""
    if rule.test is not None:
        return next((used | {place} for place, one in enumerate(signers) if place not in used and rule.test(one)), None)
    count = 0
    for part in rule.parts:
        taken = _take(part, signers, used)
        if taken is not None:
            count, used = count + 1, taken
    return used if count >= rule.needed else None


def signature_policy(raw: bytes, members: Members) -> Rule:
    """A signature policy envelope. Malformed(BAD_FABRIC_CONFIG), Malformed(MALFORMED)."""
    fields = protobuf.read(raw, (1, 2), (3,), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    if fields.number(1):
        raise Malformed(BAD_FABRIC_CONFIG, "a signature policy is of version 0")
    tests = [_principal(one, members, FABRIC_RULES_DEPTH_MAX) for one in fields.many(3, FABRIC_RULES_MAX)]
    rule, _ = _rule(fields.message(2), tests, FABRIC_RULES_DEPTH_MAX, FABRIC_RULES_MAX)
    return rule


def _rule(raw: bytes, tests: Sequence[Test], depth: int, room: int) -> tuple[Rule, int]:
    """A part of a policy, and for how many more there is room."""
    if depth == 0 or room == 0:
        raise Malformed(BAD_FABRIC_CONFIG, "a signature policy is too deep, or has too many parts")
    room -= 1
    if raw == _FIRST_PRINCIPAL:
        return Rule(_test(tests, 0)), room
    fields = protobuf.read(raw, (1, 2), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    several = fields.optional(2)
    if several is None:
        place = fields.number(1, FABRIC_RULES_MAX)
        if place == 0:
            raise Malformed(BAD_FABRIC_CONFIG, "a part of a signature policy is empty")
        return Rule(_test(tests, place)), room
    inner = protobuf.read(several, (1,), (2,), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    parts: list[Rule] = []
    for one in inner.many(2, FABRIC_RULES_MAX):
        part, room = _rule(one, tests, depth - 1, room)
        parts.append(part)
    return Rule(None, inner.number(1, FABRIC_RULES_MAX), tuple(parts)), room


def _test(tests: Sequence[Test], place: int) -> Test:
    if place >= len(tests):
        raise Malformed(BAD_FABRIC_CONFIG, f"a signature policy names principal {place} of {len(tests)}")
    return tests[place]


def _principal(raw: bytes, members: Members, depth: int) -> Test:
    """Whom a principal means. Those of a kind that X.509 identities cannot be are met by nobody."""
    fields = protobuf.read(raw, (1, 2), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    kind, content = fields.number(1, _COMBINED), fields.optional(2) or b""
    if kind == _ROLE:
        return _role_test(content)
    if kind == _UNIT:
        names = protobuf.read(content, (1, 2, 3), bytes_max=FABRIC_TEXT_BYTES_MAX)
        msp_id, unit = names.text(1, FABRIC_TEXT_BYTES_MAX), names.text(2, FABRIC_TEXT_BYTES_MAX)
        authority = names.data(3, 32)
        return lambda one: one.msp_id == msp_id and unit in one.units and one.authority_hash == authority
    if kind == _IDENTITY:
        return _identity_test(content, members)
    if kind == _ANONYMITY:
        is_nominal = protobuf.read(content, (1,), bytes_max=16).number(1) == 0
        return lambda one: is_nominal
    items = protobuf.read(content, (), (1,), bytes_max=FABRIC_BLOCK_BYTES_MAX).many(1, FABRIC_RULES_MAX)
    if depth == 0 or not items:
        raise Malformed(BAD_FABRIC_CONFIG, "a combined principal is empty or too deep")
    tests = tuple(_principal(one, members, depth - 1) for one in items)
    return lambda one: all(test(one) for test in tests)


def _role_test(content: bytes) -> Test:
    names = protobuf.read(content, (1, 2), bytes_max=FABRIC_TEXT_BYTES_MAX)
    msp_id, role = names.text(1, FABRIC_TEXT_BYTES_MAX), names.number(2, _ORDERER)
    if role == _MEMBER:
        return _is_of(msp_id)
    if role == _ADMIN:
        return lambda one: one.msp_id == msp_id and (one.is_admin or one.role == "admin")
    return lambda one: one.msp_id == msp_id and one.role == _ROLE_NAMES[role]


def _identity_test(content: bytes, members: Members) -> Test:
    """One identity, which must be one of its organisation's still."""
    try:
        wanted = members.identity(content)
    except Malformed:
        return lambda one: False
    return lambda one: one.msp_id == wanted.msp_id and one.der == wanted.der


def channel_policy(config: ChannelConfig, members: Members, path: str) -> Callable[[Sequence[Identity]], bool]:
    """The policy at a path of the configuration, as `/Channel/Orderer/BlockValidation`; met by nobody when there is none."""
    names = path.removeprefix("/Channel/").split("/")
    group = config.root
    for name in names[:-1]:
        if name not in group.groups:
            return lambda signers: False
        group = group.groups[name]
    return _policy(group, names[-1], members)


def _policy(group: Group, name: str, members: Members) -> Callable[[Sequence[Identity]], bool]:
    kind, content = group.policies.get(name, (0, b""))
    if kind == _SIGNATURE:
        rule = signature_policy(content, members)
        return lambda signers: holds(rule, signers)
    if kind != _IMPLICIT_META:
        return lambda signers: False
    fields = protobuf.read(content, (1, 2), bytes_max=FABRIC_TEXT_BYTES_MAX)
    below, rule_kind = fields.text(1, FABRIC_TEXT_BYTES_MAX), fields.number(2, _MAJORITY)
    parts = [_policy(one, below, members) for one in group.groups.values()]
    needed = {_ANY: 1, _ALL: len(parts), _MAJORITY: len(parts) // 2 + 1}[rule_kind]
    # Fabric lets a policy over no groups hold always. Nothing that is proved here may rest on nobody.
    return lambda signers: bool(parts) and sum(part(signers) for part in parts) >= needed
