"""Reads a partition ahead of its subscription."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

from hansa.errors import CallerError
from hansa.eventlog.interface import Log
from hansa.triggers.batches import Accepts, Batch, batches

READ_BYTES: Final = 4 << 20
HELD_S: Final = 1.0
"""How long what was read ahead may wait for its turn: what is forgotten or taken meanwhile is not worked later."""


class Ahead:
    """One partition, read ahead of its subscription: a reading serves as many batches as it holds, for a second."""

    def __init__(
        self,
        log: Log,
        topic: str,
        partition: int,
        size: int,
        accepts: Accepts | None,
        executor: Executor,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.partition = partition
        self._log = log
        self._topic = topic
        self._size = size
        self._accepts = accepts
        self._executor = executor
        self._monotonic = monotonic
        self._held: deque[Batch] = deque()
        self._stale_at = 0.0

    async def behind(self, position: int) -> Batch | None:
        """The batch that begins at `position` (behind it, where retention has taken that); None where there is none
        yet."""
        held = self._held
        if not held or held[0].begin != position or self._monotonic() > self._stale_at:
            held.clear()
            if position >= self._log.bounds(self._topic, self.partition)[1]:
                return None  # who has read everything costs no thread its turn
            self._stale_at = self._monotonic() + HELD_S
            read = asyncio.get_running_loop().run_in_executor(self._executor, self._read, position)
            self._held = held = await read
        return held.popleft() if held else None

    def _read(self, position: int) -> deque[Batch]:
        try:
            chunks = self._log.read(self._topic, self.partition, position, max_bytes=READ_BYTES)
        except CallerError as refusal:
            if refusal.code != "position.expired":
                raise
            position = refusal.details["first"]
            chunks = self._log.read(self._topic, self.partition, position, max_bytes=READ_BYTES)
        return deque(batches(chunks, position, self._size, self._accepts))
