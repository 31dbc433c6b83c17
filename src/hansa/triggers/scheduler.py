"""Fires schedules and once triggers at their times, each logical time once.

Nothing here is durable. Where a schedule stands is in the log: `Starter.fire` moves it in the commit that accepts the
run, and is refused where it has been moved before. So a scheduler that was killed, replaced or runs a second time
elsewhere fires no time twice; what it missed is made up by the trigger's `catch_up`.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

from hansa.errors import HansaError
from hansa.model.product import ScheduleTrigger
from hansa.triggers.schedule import CatchUp, TimedTrigger, due, next_times, same_times

SLEEP_MAX_S: Final = 30.0
"""Longest sleep: a clock that was set forward is noticed after this time."""
RETRY_S: Final = 1.0
_SLEEP_MIN_S: Final = 0.001
_report = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One timed trigger of a live process, `domain.product:name`. `since` is the revision that a `once()` came with:
    it fires once for each."""

    key: str
    trigger: TimedTrigger
    process: str
    since: str = ""

    @property
    def place(self) -> str:
        """What its position is kept by."""
        return place_of(self.key, self.since)


def place_of(key: str, since: str = "") -> str:
    """What the position of a timed trigger is kept by."""
    return f"{key}@{since}" if since else key


class Starter(ABC):
    """Where each schedule stands, and how its runs begin."""

    @abstractmethod
    async def last_us(self, place: str) -> int | None:
        """The latest logical time that was fired or passed; None where the place is new."""

    @abstractmethod
    async def store(self, place: str, expected_us: int | None, last_us: int) -> None:
        """Moves the position without a run: the schedule begins here, or this time was skipped. Raises `position.moved`
        where it is not at `expected_us`."""

    @abstractmethod
    async def fire(self, entry: Entry, expected_us: int | None, logical_us: int) -> Awaitable[object]:
        """Accepts one run and moves the position from `expected_us` to `logical_us`, in one commit.

        Returns, once that is durable, what ends when the run has. Raises `position.moved` where the position is not at
        `expected_us`, and anything else where nothing was committed: the time is then tried again.
        """


@dataclass(slots=True)
class _Place:
    """`committed` is the position in the log; what is not later than `seen` has been decided about."""

    committed: int | None
    seen: int | None


class Scheduler:
    """One task per schedule, on the running event loop. `clock_us` is the time of day, `sleep` takes seconds.

    Overlap: while a run of the same key is at work, a time is skipped, waits, or is fired all the same. Where several
    times are made up at once, `skip` lets each wait for the one before. A new key begins at the time it is first seen;
    so does one whose times have changed, and one that is resumed: what lies before is not made up.
    """

    def __init__(
        self,
        starter: Starter,
        *,
        clock_us: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
        leads: bool = True,
    ) -> None:
        self._starter = starter
        self._clock_us = clock_us
        self._sleep = sleep
        self._entries: dict[str, Entry] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._runs: dict[str, set[asyncio.Future[object]]] = {}
        self._paused: set[str] = set()
        self._places: dict[str, _Place] = {}
        self._leads = leads

    @property
    def paused(self) -> frozenset[str]:
        return frozenset(self._paused)

    def late_s(self) -> float | None:
        """How long the earliest time is past that is not decided about; None where nothing is fired here. Any
        thread."""
        now = self._clock_us()
        standing = [(self._entries.get(key), self._places.get(key)) for key in list(self._tasks)]
        late = [_late_us(entry.trigger, place, now) for entry, place in standing if entry and place]
        return max(late) / 1e6 if late else None

    @property
    def fired_here(self) -> int:
        """Timed triggers that this scheduler fires."""
        return len(self._tasks)

    def replace(self, entries: Iterable[Entry]) -> None:
        """From now on exactly these. Those that have not changed go on undisturbed; runs at work still count."""
        wanted = {entry.key: entry for entry in entries}
        earlier, self._entries = self._entries, wanted
        for key in earlier.keys() - wanted.keys():
            self._stop(key)
        for key, entry in wanted.items():
            before = earlier.get(key)
            if before != entry:
                self._start(entry, afresh=before is not None and not same_times(before.trigger, entry.trigger))

    def lead(self, *, leads: bool) -> None:
        """Fires from now on, beginning with what is due since the last time that was fired; or fires nothing, and
        leaves it to the scheduler of another node."""
        self._leads = leads
        for entry in self._entries.values():
            if not leads:
                self._stop(entry.key)
            elif entry.key not in self._tasks:
                self._start(entry, afresh=False)

    def place(self, key: str) -> str:
        """What the position of the key is kept by."""
        return self._entries[key].place if key in self._entries else place_of(key)

    def pause(self, key: str) -> None:
        """Fires nothing of this key until it is resumed; the key need not be known yet."""
        self._paused.add(key)
        self._stop(key)

    def resume(self, key: str) -> None:
        """Fires again, from the next time on."""
        if key in self._paused:
            self._paused.remove(key)
            if key in self._entries:
                self._start(self._entries[key], afresh=True)

    async def close(self) -> None:
        """Ends every task. Runs that were fired go on."""
        tasks = [*self._tasks.values()]
        for key in [*self._tasks]:
            self._stop(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, entry: Entry, *, afresh: bool) -> None:
        self._stop(entry.key)
        if self._leads and entry.key not in self._paused:
            self._tasks[entry.key] = asyncio.create_task(self._keep(entry, afresh), name=f"schedule {entry.key}")

    def _stop(self, key: str) -> None:
        task = self._tasks.pop(key, None)
        self._places.pop(key, None)
        if task is not None:
            task.cancel()

    async def _keep(self, entry: Entry, afresh: bool) -> None:
        """Fires the entry's times until there are no more."""
        place: _Place | None = None
        waited = False
        while True:
            try:
                if place is None:
                    place, afresh = await self._begin(entry, afresh), False
                    self._places[entry.key] = place
                waited = await self._pass(entry, place, "all" if waited else None)
                if not waited and not await self._sleep_until_next(entry, place):
                    return
            except Exception as failure:
                if isinstance(failure, HansaError) and failure.code == "position.moved":
                    place = None  # another scheduler fired it: go on from where the log stands
                else:
                    _report.error("%s was not fired and is tried again: %s", entry.key, failure)
                await self._sleep(RETRY_S)

    async def _begin(self, entry: Entry, afresh: bool) -> _Place:
        now, last = self._clock_us(), await self._starter.last_us(entry.place)
        at_once = not isinstance(entry.trigger, ScheduleTrigger) and entry.trigger.at is None
        if (last is None or (afresh and last < now)) and not at_once:
            await self._starter.store(entry.place, last, now)
            last = now
        return _Place(last, last)

    async def _pass(self, entry: Entry, place: _Place, catch_up: CatchUp | None) -> bool:
        """Decides about every time up to now; True where it had to wait, so that more may be due by now."""
        now, waited = self._clock_us(), False
        for number, logical in enumerate(due(entry.trigger, place.seen, now, catch_up)):
            waited |= await self._decide(entry, place, logical, made_up=number > 0)
            place.seen = place.committed = logical
        if place.seen is not None:
            place.seen = max(place.seen, now)
        return waited

    async def _decide(self, entry: Entry, place: _Place, logical: int, *, made_up: bool) -> bool:
        """Fires one time or skips it; True where it waited for the run before."""
        overlap = entry.trigger.overlap if isinstance(entry.trigger, ScheduleTrigger) else "allow"
        running = self._runs.setdefault(entry.key, set())
        wait = bool(running) and (overlap == "queue" or (overlap == "skip" and made_up))
        if wait:
            await asyncio.wait(running)
        elif running and overlap == "skip":
            await self._starter.store(entry.place, place.committed, logical)
            return False
        run = asyncio.ensure_future(await self._starter.fire(entry, place.committed, logical))
        running.add(run)
        run.add_done_callback(running.discard)
        run.add_done_callback(_ended)
        return wait and overlap == "queue"

    async def _sleep_until_next(self, entry: Entry, place: _Place) -> bool:
        """Sleeps towards the next time; False where there is none."""
        now = self._clock_us()
        upcoming = next_times(entry.trigger, now if place.seen is None else place.seen, 1)
        if not upcoming:
            return False
        await self._sleep(min(max((upcoming[0] - now) / 1_000_000, _SLEEP_MIN_S), SLEEP_MAX_S))
        return True


def _late_us(trigger: TimedTrigger, place: _Place, now_us: int) -> int:
    upcoming = [] if place.seen is None else next_times(trigger, place.seen, 1)
    return max(now_us - upcoming[0], 0) if upcoming else 0


def _ended(run: asyncio.Future[object]) -> None:
    """A run's failure is in its history; here it only counts that it is over."""
    if not run.cancelled():
        run.exception()
