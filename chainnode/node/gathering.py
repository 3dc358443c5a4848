"""Single submissions of many clients, checked together: those that arrive while the loop, or the last check, is busy share the next check.

Nothing waits for a timer, so an idle node loses no time; under load the cost of a check is shared by dozens.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from chainnode.errors import Unavailable
from chainnode.types.codes import OVERLOADED
from chainnode.types.limits import BATCH_TXS_MAX, INGRESS_GATHERED_MAX, INGRESS_LOOP_BYTES_MAX

Checked = TypeVar("Checked")


class Gatherer(Generic[Checked]):
    """What waits for its check. `check` gives one verdict for each, in order; it runs in `pool` when there is much to check."""

    def __init__(self, check: Callable[[Sequence[bytes]], Sequence[Checked]], pool: ThreadPoolExecutor) -> None:
        self._check = check
        self._pool = pool
        self._waiting: list[tuple[bytes, asyncio.Future[Checked]]] = []
        self._working: asyncio.Task[None] | None = None

    async def checked(self, raw: bytes) -> Checked:
        """The verdict about one; Unavailable(OVERLOADED) when too many wait."""
        if len(self._waiting) >= INGRESS_GATHERED_MAX:
            raise Unavailable(OVERLOADED)
        loop = asyncio.get_running_loop()
        verdict: asyncio.Future[Checked] = loop.create_future()
        self._waiting.append((raw, verdict))
        if self._working is None:  # it begins when all that came with this one are here
            self._working = loop.create_task(self._work(), name="check-gathered")
        return await verdict

    async def _work(self) -> None:
        taken: list[tuple[bytes, asyncio.Future[Checked]]] = []
        try:
            while self._waiting:
                taken, self._waiting = self._waiting[:BATCH_TXS_MAX], self._waiting[BATCH_TXS_MAX:]
                for (_, verdict), answer in zip(taken, await self._answers([raw for raw, _ in taken]), strict=True):
                    if not verdict.done():  # its client may be gone
                        verdict.set_result(answer)
        except BaseException as error:
            for _, verdict in (*taken, *self._waiting):
                if not verdict.done():
                    verdict.set_exception(error)
            self._waiting = []
            raise
        finally:
            self._working = None

    async def _answers(self, raws: list[bytes]) -> Sequence[Checked]:
        if sum(map(len, raws)) <= INGRESS_LOOP_BYTES_MAX:
            return self._check(raws)  # the hop to a thread would cost more
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._check, raws)
