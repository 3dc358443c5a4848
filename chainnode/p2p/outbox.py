"""Messages that wait to be written to one peer: bounded, the oldest first, urgent ones before the others."""

import asyncio
from collections import deque

from chainnode.types.limits import PEER_QUEUE_BYTES_MAX, PEER_QUEUE_MESSAGES_MAX


class Outbox:
    """Two lanes under one limit. Full means that a message is dropped and counted, never that the sender waits."""

    def __init__(self, *, frames_max: int = PEER_QUEUE_MESSAGES_MAX, bytes_max: int = PEER_QUEUE_BYTES_MAX) -> None:
        self._urgent: deque[bytes] = deque()
        self._other: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self.bytes_waiting = 0
        self.frames_dropped = 0

    def __len__(self) -> int:
        return len(self._urgent) + len(self._other)

    def put(self, payload: bytes, *, urgent: bool) -> bool:
        """Queue a message; False when it was dropped instead."""
        if len(self) >= self._frames_max or self.bytes_waiting + len(payload) > self._bytes_max:
            self.frames_dropped += 1
            return False
        (self._urgent if urgent else self._other).append(payload)
        self.bytes_waiting += len(payload)
        self._filled.set()
        return True

    async def take(self, bytes_wanted: int) -> list[bytes]:
        """Wait for messages, then remove about `bytes_wanted` of them, at least one. One task may take."""
        await self._filled.wait()
        taken: list[bytes] = []
        count = 0
        while len(self) and count < bytes_wanted:
            taken.append((self._urgent or self._other).popleft())
            count += len(taken[-1])
        self.bytes_waiting -= count
        if not len(self):
            self._filled.clear()
        return taken
