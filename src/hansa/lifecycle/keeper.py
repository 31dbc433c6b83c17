"""What has to be done now and then: the audit goes into the log, retention takes what is old enough."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Final

import msgspec

from hansa.errors import HansaError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Advance, Append, CommitSet, encode_entry
from hansa.lifecycle.retention import Retention
from hansa.model.run import AUDIT_TOPIC
from hansa.registry.interface import Registry

AGAIN_S: Final = 1.0
RETAIN_S: Final = 60.0
_GROUP: Final = "audit"
_report = logging.getLogger("hansa.lifecycle")


class Keeper:
    """Runs beside the server until it is cancelled. What fails is reported and tried again."""

    def __init__(
        self,
        log: AwaitableLog,
        registry: Registry,
        retention: Retention,
        *,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        retain_s: float = RETAIN_S,
    ) -> None:
        self.log = log
        self._registry = registry
        self._retention = retention
        self._clock_us = clock_us
        self._retain_s = retain_s

    async def run(self) -> None:
        """Never returns. Between an entry of the audit and the next turn of retention there is nothing to do."""
        told, loop = asyncio.Event(), asyncio.get_running_loop()
        end = self._registry.audit_watch(lambda: _wake(loop, told))
        try:
            due_s = 0.0
            while True:
                told.clear()
                due_s = await self._turn(due_s)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(told.wait(), max(due_s - time.monotonic(), 0))
        finally:
            end()

    async def _turn(self, due_s: float) -> float:
        """What there is to do now; when there will be something again, as nothing but time passes (monotonic s)."""
        try:
            while await self.mirror():
                pass
            if time.monotonic() < due_s:
                return due_s
            await self.log.commit(CommitSet())  # so that it is noticed here, too, when another one takes the log
            await self._retention.turn(self._clock_us())
        except HansaError as failure:
            _report.warning("housekeeping waits: %s", failure)
            return time.monotonic() + min(AGAIN_S, self._retain_s)
        return time.monotonic() + self._retain_s

    async def mirror(self) -> int:
        """Brings the next entries of the audit into the log, each once and in order; how many."""
        behind = self.log.log.position(_GROUP, AUDIT_TOPIC, 0) or 0
        entries = await asyncio.to_thread(self._registry.audit_after, behind)
        if not entries:
            return 0
        data = b"".join(encode_entry(entry.target, msgspec.to_builtins(entry)) for entry in entries)
        append = Append(AUDIT_TOPIC, 0, len(entries), data, {})
        advance = Advance(_GROUP, AUDIT_TOPIC, 0, entries[-1].seq, behind)
        await self.log.commit(CommitSet(appends=(append,), advances=(advance,)))
        return len(entries)


def _wake(loop: asyncio.AbstractEventLoop, told: asyncio.Event) -> None:
    loop.call_soon_threadsafe(told.set)
