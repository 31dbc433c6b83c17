"""What one node does for all that share a log: it fires schedules, takes what is old enough, and takes up the runs of
nodes that are lost. Whoever owns the log does it; a Hansa that is alone always does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from hansa.errors import HansaError
from hansa.triggers.scheduler import Scheduler

Work = Callable[[], Coroutine[Any, Any, None]]
_report = logging.getLogger("hansa.nodes")


class Duties:
    """`keep` runs while this node leads. Belongs to the event loop."""

    def __init__(self, scheduler: Scheduler, *keep: Work) -> None:
        self._scheduler, self._keep = scheduler, keep
        self._tasks: list[asyncio.Task[None]] = []

    def lead(self, *, leads: bool) -> None:
        """Takes the duties up, or leaves them to another node."""
        self._end()
        if leads:
            self._tasks = [asyncio.get_running_loop().create_task(_reported(work)) for work in self._keep]
        self._scheduler.lead(leads=leads)

    def _end(self) -> list[asyncio.Task[None]]:
        ended, self._tasks = self._tasks, []
        for task in ended:
            task.cancel()
        return ended

    async def close(self) -> None:
        """Ends them."""
        for task in self._end():
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._scheduler.close()


async def _reported(work: Work) -> None:
    try:
        await work()
    except Exception:
        _report.exception("a duty of this node has ended")


class Adoption:
    """Has runs taken up, again and again. `adopt` does so once and says how many; `of` says whose they are."""

    def __init__(self, adopt: Callable[[], int], every_s: float, of: str) -> None:
        self._adopt, self._every_s, self._of = adopt, every_s, of

    async def run(self) -> None:
        """Never returns."""
        while True:
            with contextlib.suppress(HansaError):
                taken = self._adopt()
                if taken:
                    _report.warning("%d runs %s were taken up", taken, self._of)
            await asyncio.sleep(self._every_s)
