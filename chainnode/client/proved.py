"""Answers with their proof, and what a client remembers so that nobody can show it an older or another chain."""

from dataclasses import dataclass
from typing import Generic

from chainnode.bundle import fact_of, verify_bundle
from chainnode.bundlebytes import bundle_from_content, encode_bundle
from chainnode.bundlejson import bundle_to_json, links_from_json
from chainnode.claims import compose
from chainnode.client.failures import ChainForked, NotProved
from chainnode.client.questions import AnyFact, Question
from chainnode.errors import ChainError, Unavailable
from chainnode.types.block import Header
from chainnode.types.bundle import AnchoredClaim, AnchoredFact, Bundle, LightBlock, Verified
from chainnode.types.codes import STALE_ANSWER
from chainnode.types.genesis import Genesis
from chainnode.types.limits import CLIENT_HEADERS_KEPT

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Proved(Generic[AnyFact]):
    """An answer with its proof. `bundle_json` and `bundle_bytes` are the proof for anybody else, and for `chainnode verify`.

    `verified` is None when the client was told not to verify. Of a bundle of two hops `fact` is what holds on the other chain.
    """

    fact: AnyFact
    bundle: Bundle
    verified: Verified | None

    @property
    def bundle_json(self) -> str:
        """The bundle as JSON."""
        return bundle_to_json(self.bundle)

    @property
    def bundle_bytes(self) -> bytes:
        """The bundle in its binary form. Malformed(BAD_BUNDLE) when it was not verified, and proves nothing anyway."""
        return encode_bundle(self.bundle)

    @property
    def header(self) -> Header:
        """The header that the fact hangs on: of two hops, the other chain's."""
        claim = self.bundle.claim
        return claim.header if isinstance(claim, AnchoredClaim) else self.bundle.headers[-1].header

    @property
    def anchored(self) -> AnchoredFact | None:
        """Of a bundle of two hops: what the own chain has on record of the other one, and the fact again."""
        fact = fact_of(self.bundle) if self.verified is None else self.verified.fact
        return fact if isinstance(fact, AnchoredFact) else None


def read_bundle(content: bytes, question: Question[AnyFact], genesis: Genesis, now_ns: int, *, verify: bool) -> Proved[AnyFact]:
    """The answer that a bundle in either form gives. NotProved when it proves nothing, or something else. Pure; may run in a thread."""
    try:
        bundle = bundle_from_content(content)
        verified = verify_bundle(bundle, genesis, now_ns) if verify else None
        fact = fact_of(bundle) if verified is None else verified.fact
    except ChainError as error:
        raise NotProved(error.code, error.detail) from error
    return Proved(question.answer(fact), bundle, verified)


def bundle_of(content: bytes) -> Bundle:
    """The bundle in an answer, not verified. NotProved when it is none."""
    try:
        return bundle_from_content(content)
    except ChainError as error:
        raise NotProved(error.code, error.detail) from error


@dataclass(frozen=True, slots=True)
class Halves:
    """A bundle of kind anchor, the answer of a node of the other chain, and its answer of links, None when none are needed."""

    anchor: Bundle
    content: bytes
    links: bytes | None


def read_two_hops(halves: Halves, question: Question[AnyFact], genesis: Genesis, now_ns: int, *, verify: bool) -> Proved[AnyFact]:
    """The answer that a bundle of another chain gives together with one of kind anchor (INV-77). As `read_bundle`."""
    try:
        links = () if halves.links is None else links_from_json(halves.links)
        bundle = compose(halves.anchor, bundle_from_content(halves.content), links)
        verified = verify_bundle(bundle, genesis, now_ns) if verify else None
        fact = fact_of(bundle) if verified is None else verified.fact
    except ChainError as error:
        raise NotProved(error.code, error.detail) from error
    assert isinstance(fact, AnchoredFact), "a composed bundle proves nothing else"
    return Proved(question.answer(fact.fact), bundle, verified)


class KnownHeaders:
    """The last CLIENT_HEADERS_KEPT headers that a client has verified."""

    def __init__(self) -> None:
        self._blocks: dict[int, LightBlock] = {}

    def add(self, bundle: Bundle) -> None:
        """Take note of a verified bundle's headers. ChainForked when one differs from what was seen at its height."""
        for block in bundle.headers:
            first = self._blocks.setdefault(block.header.height, block)
            if first.commit.block_id.hash != block.commit.block_id.hash:
                raise ChainForked(first, block)
        while len(self._blocks) > CLIENT_HEADERS_KEPT:
            del self._blocks[next(iter(self._blocks))]


def check_fresh(header: Header, now_ns: int, *, age_ms_max: int, min_height: int) -> None:
    """Unavailable(STALE_ANSWER) unless a header fixes the state after block `min_height` or a later one, and is young enough."""
    if header.height <= min_height:
        raise Unavailable(STALE_ANSWER, f"the answer is about the state after block {header.height - 1}; {min_height} is known")
    age_ms = (now_ns - header.time_ns) // _NS_PER_MS
    if age_ms > age_ms_max:
        raise Unavailable(STALE_ANSWER, f"the answer hangs on header {header.height}, which is {age_ms} ms old")
