"""Orders of supervision as the ledger keeps them: who wants what frozen and why, who has signed, who has appealed, what came of it."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import TypeVar

from chainnode import codec
from chainnode.errors import Malformed
from chainnode.types.codes import MALFORMED
from chainnode.types.limits import (
    DID_BYTES_MAX,
    FREEZE_ANSWER_MS,
    FREEZE_APPEAL_BYTES_MAX,
    FREEZE_PROPOSAL_MS,
    IDENTIFIER_BYTES_MAX,
    NAME_BYTES_MAX,
    STATE_VALUE_BYTES_MAX,
    TEXT_BYTES_MAX,
)
from chainnode.types.transaction import Value

NAME = "supervision"
COUNT_KEY = b"\x00"
_ORDER_PREFIX = b"\x01"  # ‖ number (8)
_TARGET_PREFIX = b"\x02"  # ‖ sha256([kind, target])
_OPEN_PREFIX = b"\x03"  # ‖ sha256(did)
_INT64_MAX = 2**63 - 1
_TARGETS_CACHED = 16_384
_Word = TypeVar("_Word", bound=StrEnum)


class Kind(StrEnum):
    """What an order freezes."""

    ACCOUNT = "account"
    RECEIPT = "receipt"
    CHAIN = "chain"


class Stage(StrEnum):
    """How far an order has come. The last three are what time makes of the first two, and are not written."""

    PROPOSED = "proposed"
    IN_FORCE = "in-force"
    LIFTED = "lifted"
    UNSIGNED = "unsigned"  # too few signed in time
    EXPIRED = "expired"
    LAPSED = "lapsed"  # an appeal was not answered in time


class Verdict(StrEnum):
    """What a supervision node says of an order in force."""

    LIFT = "lift"
    UPHOLD = "uphold"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a supervision node says last of an order in force, and why. `uphold` answers the last appeal."""

    by: str
    verdict: Verdict
    reason: str
    height: int


@dataclass(frozen=True, slots=True)
class Appeal:
    """An objection. `evidence` is a digest, or empty. `answered_ms` 0: it waits; else `answer` is the reason that decided."""

    by: str
    text: str
    evidence: bytes
    height: int
    time_ms: int
    answered_ms: int
    answer: str

    @property
    def is_open(self) -> bool:
        """Whether it waits for an answer."""
        return self.answered_ms == 0

    @property
    def answer_by_ms(self) -> int:
        """From then on the order has lapsed, unless it was answered."""
        return self.time_ms + FREEZE_ANSWER_MS


@dataclass(frozen=True, slots=True)
class Lifting:
    """The end of an order by decision: `by` is `supervision` or `governance:<number of the proposal>`."""

    by: str
    reason: str
    height: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order to freeze. `target` is a DID, the id of a receipt, or an AC number; `evidence` the digest of what it rests on.

    `until_ms` is 0 in a proposal for as long as is allowed; in an order in force it is when it expires. `signatures` are (DID, height)
    in the order in which they came; `began_height` is that of the last one needed, 0 before.
    """

    number: int
    kind: Kind
    target: str
    reason: str
    evidence: bytes
    until_ms: int
    by: str
    height: int
    time_ms: int
    stage: Stage
    signatures: tuple[tuple[str, int], ...]
    began_height: int
    opinions: tuple[Opinion, ...]
    appeals: tuple[Appeal, ...]
    lifting: Lifting | None

    @property
    def open_appeal(self) -> Appeal | None:
        """The appeal that waits for an answer."""
        return self.appeals[-1] if self.appeals and self.appeals[-1].is_open else None

    @property
    def ends_ms(self) -> int:
        """From when on it has ended by itself. INV-74: all that is frozen has such a time."""
        if self.stage is Stage.PROPOSED:
            closes_ms = self.time_ms + FREEZE_PROPOSAL_MS
            return min(closes_ms, self.until_ms) if self.until_ms else closes_ms
        found = self.open_appeal
        return self.until_ms if found is None else min(self.until_ms, found.answer_by_ms)

    def stage_at(self, time_ms: int) -> Stage:
        """How far it has come by this block time."""
        if self.stage is Stage.LIFTED or time_ms < self.ends_ms:
            return self.stage
        if self.stage is Stage.PROPOSED:
            return Stage.UNSIGNED
        return Stage.EXPIRED if self.ends_ms == self.until_ms else Stage.LAPSED

    @property
    def authority(self) -> str:
        """In whose name its hold on a receipt is, or the freeze of a chain."""
        return f"{NAME}:{self.number}"


def order_key(number: int) -> bytes:
    """The key of an order in the store `supervision`. 9 bytes."""
    return _ORDER_PREFIX + number.to_bytes(8, "big")


@lru_cache(maxsize=_TARGETS_CACHED)
def target_key(kind: Kind, target: str) -> bytes:
    """The key that says which order froze a target last, and until when. 33 bytes. Hot: asked for every signer."""
    return _TARGET_PREFIX + sha256(codec.encode((kind.value, target))).digest()


def open_key(did: str) -> bytes:
    """The key of the proposals of a supervision node. 33 bytes."""
    return _OPEN_PREFIX + sha256(did.encode()).digest()


def encode_order(one: Order) -> bytes:
    """The value under `order_key`; at most 40 KiB, with an opinion of each of SUPERVISORS_MAX nodes."""
    lifting = one.lifting
    return codec.encode(
        (
            one.number,
            one.kind.value,
            one.target,
            one.reason,
            one.evidence,
            one.until_ms,
            one.by,
            one.height,
            one.time_ms,
            one.stage.value,
            one.signatures,
            one.began_height,
            tuple((said.by, said.verdict.value, said.reason, said.height) for said in one.opinions),
            tuple((made.by, made.text, made.evidence, made.height, made.time_ms, made.answered_ms, made.answer) for made in one.appeals),
            None if lifting is None else (lifting.by, lifting.reason, lifting.height, lifting.time_ms),
        )
    )


def decode_order(value: bytes) -> Order:
    """The order of a value under `order_key`."""
    parts = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 15)
    number, kind, target, reason, evidence, until_ms, by, height, time_ms, stage, signatures, began_height, opinions, appeals, lifting = (
        parts
    )
    signed = tuple(codec.as_array(one, 2) for one in codec.as_array(signatures))
    return Order(
        number=codec.as_int(number, 1, _INT64_MAX),
        kind=_word(Kind, kind),
        target=codec.as_str(target, IDENTIFIER_BYTES_MAX),
        reason=codec.as_str(reason, TEXT_BYTES_MAX),
        evidence=codec.as_bytes(evidence, 32),
        until_ms=_count(until_ms),
        by=codec.as_str(by, DID_BYTES_MAX),
        height=_count(height),
        time_ms=_count(time_ms),
        stage=_word(Stage, stage),
        signatures=tuple((codec.as_str(did, DID_BYTES_MAX), _count(signed_height)) for did, signed_height in signed),
        began_height=_count(began_height),
        opinions=tuple(map(_opinion, codec.as_array(opinions))),
        appeals=tuple(map(_appeal, codec.as_array(appeals))),
        lifting=None if lifting is None else _lifting(lifting),
    )


def decode_count(value: bytes) -> int:
    """How many orders there are, from the value under COUNT_KEY."""
    return codec.as_int(codec.decode(value, bytes_max=16), 0, _INT64_MAX)


def encode_freeze(number: int, ends_ms: int) -> bytes:
    """The value under `target_key`: the order, and when it ends by itself."""
    return codec.encode((number, ends_ms))


def decode_freeze(value: bytes) -> tuple[int, int]:
    """Number and end of a value under `target_key`."""
    number, ends_ms = codec.as_array(codec.decode(value, bytes_max=64), 2)
    return codec.as_int(number, 1, _INT64_MAX), _count(ends_ms)


def _opinion(value: Value) -> Opinion:
    by, verdict, reason, height = codec.as_array(value, 4)
    return Opinion(codec.as_str(by, DID_BYTES_MAX), _word(Verdict, verdict), codec.as_str(reason, TEXT_BYTES_MAX), _count(height))


def _appeal(value: Value) -> Appeal:
    by, text, evidence, height, time_ms, answered_ms, answer = codec.as_array(value, 7)
    return Appeal(
        by=codec.as_str(by, DID_BYTES_MAX),
        text=codec.as_str(text, FREEZE_APPEAL_BYTES_MAX),
        evidence=codec.as_bytes(evidence, length_max=32),
        height=_count(height),
        time_ms=_count(time_ms),
        answered_ms=_count(answered_ms),
        answer=codec.as_str(answer, TEXT_BYTES_MAX),
    )


def _lifting(value: Value) -> Lifting:
    by, reason, height, time_ms = codec.as_array(value, 4)
    return Lifting(codec.as_str(by, NAME_BYTES_MAX), codec.as_str(reason, TEXT_BYTES_MAX), _count(height), _count(time_ms))


def _count(value: Value) -> int:
    return codec.as_int(value, 0, _INT64_MAX)


def _word(words: type[_Word], value: Value) -> _Word:
    try:
        return words(codec.as_str(value, NAME_BYTES_MAX))
    except ValueError as error:
        raise Malformed(MALFORMED, f"{value!r} is no {words.__name__}") from error
