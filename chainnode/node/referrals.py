"""Questions to other chains: their resolvers are asked in turn, what they answer is verified, and kept for as long as it counts.

A resolver is asked what its own ledger says, which no node of ours passes on, so that a question goes one step and no further; a header
says so to whoever stands between. Equal questions that come at the same time are asked once. INV-49: each wait and each store has a limit.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol
from urllib.parse import urlencode

from chainnode.api.backend import REFERRED_HEADER
from chainnode.bundlebytes import BUNDLE_MEDIA
from chainnode.did.chainrecord import ChainRecord
from chainnode.did.versions import Wanted
from chainnode.errors import ChainError, Unavailable
from chainnode.rfc3339 import time_to_text
from chainnode.types.codes import CHAIN_NOT_PROVED, CHAIN_UNREACHABLE, OVERLOADED
from chainnode.types.limits import (
    REFERRAL_ABSENCE_MS_MAX,
    REFERRAL_BYTES_MAX,
    REFERRAL_DETAIL_LENGTH_MAX,
    REFERRAL_MS_MAX,
    REFERRALS_CHAIN_MAX,
    REFERRALS_KEPT_BYTES_MAX,
    REFERRALS_KEPT_MAX,
    REFERRALS_OPEN_MAX,
)
from contracts.didanswers import Referred, good_until_ns, referred

_Question = tuple[str, int, str, Wanted]  # AC number, version of its record, DID, version
_NS_PER_MS, _NS_PER_SECOND = 1_000_000, 1_000_000_000
_HEADERS = MappingProxyType({REFERRED_HEADER: "1", "Accept": f"{BUNDLE_MEDIA}, application/json;q=0.5"})


class Fetcher(Protocol):
    """What fetches a URL; raises a ChainError in good time."""

    async def fetch(self, url: str, *, bytes_max: int, headers: Mapping[str, str]) -> bytes:
        """The body of a good answer, of at most `bytes_max` bytes."""


class Referrals:
    """Asks other chains. `now_ns` is the clock by which answers age."""

    def __init__(self, fetcher: Fetcher, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._fetcher = fetcher
        self._now_ns = now_ns
        self._kept: OrderedDict[_Question, tuple[Referred, int, int]] = OrderedDict()  # answer, until when it counts, its bytes
        self._kept_bytes = 0
        self._open: dict[_Question, asyncio.Future[Referred]] = {}
        self._places: dict[str, asyncio.Semaphore] = {}  # by AC number, of which this chain's council gives few

    async def ask(self, chain: ChainRecord, did: str, wanted: Wanted, *, is_fresh: bool = False) -> Referred:
        """What the chain says of a DID; `is_fresh`: not what it said before.

        Unavailable(CHAIN_UNREACHABLE), (CHAIN_NOT_PROVED) when no resolver does, Unavailable(OVERLOADED).
        """
        question = (chain.ac, chain.sequence, did, wanted)
        kept = None if is_fresh else self._remembered(question)
        if kept is not None:
            return kept
        if question in self._open:
            return await asyncio.shield(self._open[question])
        if len(self._open) >= REFERRALS_OPEN_MAX:
            raise Unavailable(OVERLOADED, "too many questions to other chains are open")
        future = self._open[question] = asyncio.get_running_loop().create_future()
        try:
            found, size = await self._ask_in_time(chain, did, wanted)
            future.set_result(found)
        except BaseException as error:
            future.set_exception(error if isinstance(error, ChainError) else _unreachable(chain, "the question was given up"))
            future.exception()  # nobody may have waited
            raise
        finally:
            del self._open[question]
        self._remember(question, chain, found, size)
        return found

    async def _ask_in_time(self, chain: ChainRecord, did: str, wanted: Wanted) -> tuple[Referred, int]:
        """The answer and how long it was, in bytes."""
        failures: list[str] = []
        code = CHAIN_UNREACHABLE
        places = self._places.setdefault(chain.ac, asyncio.Semaphore(REFERRALS_CHAIN_MAX))
        try:
            async with asyncio.timeout(REFERRAL_MS_MAX / 1000), places:
                for endpoint in chain.endpoints:
                    try:
                        content = await self._fetcher.fetch(_url(endpoint, did, wanted), bytes_max=REFERRAL_BYTES_MAX, headers=_HEADERS)
                    except ChainError as error:
                        failures.append(f"{endpoint}: {error.detail}")
                        continue
                    try:
                        return await asyncio.to_thread(referred, content, chain, did, wanted, self._now_ns()), len(content)
                    except ChainError as error:
                        code = CHAIN_NOT_PROVED
                        failures.append(f"{endpoint}: {error.detail}")
        except TimeoutError:
            failures.append(f"no good answer within {REFERRAL_MS_MAX} ms")
        raise Unavailable(code, f"{chain.did} does not resolve {did}: {'; '.join(failures)}"[:REFERRAL_DETAIL_LENGTH_MAX])

    # What is remembered

    def _remembered(self, question: _Question) -> Referred | None:
        kept = self._kept.get(question)
        if kept is None:
            return None
        if self._now_ns() >= kept[1]:
            self._forget(question)
            return None
        self._kept.move_to_end(question)
        return kept[0]

    def _remember(self, question: _Question, chain: ChainRecord, found: Referred, size: int) -> None:
        """Keep an answer, and forget those that were asked for longest ago."""
        self._forget(question)
        until_ns = good_until_ns(found.bundle, chain)
        if found.version is None:
            until_ns = min(until_ns, self._now_ns() + REFERRAL_ABSENCE_MS_MAX * _NS_PER_MS)
        self._kept[question] = (found, until_ns, size)
        self._kept_bytes += size
        while len(self._kept) > REFERRALS_KEPT_MAX or self._kept_bytes > REFERRALS_KEPT_BYTES_MAX:
            self._forget(next(iter(self._kept)))

    def _forget(self, question: _Question) -> None:
        if question in self._kept:
            self._kept_bytes -= self._kept.pop(question)[2]


def _url(endpoint: str, did: str, wanted: Wanted) -> str:
    """Where a resolver says what its own ledger says. Of a DID with an AC number, no letter needs to be encoded."""
    query = {} if wanted.sequence is None else {"version_id": str(wanted.sequence)}
    if wanted.time_s is not None:
        query = {"version_time": time_to_text(wanted.time_s * _NS_PER_SECOND)}
    return f"{endpoint}/v1/identities/{did}" + (f"?{urlencode(query)}" if query else "")


def _unreachable(chain: ChainRecord, detail: str) -> ChainError:
    return Unavailable(CHAIN_UNREACHABLE, f"{chain.did}: {detail}")
