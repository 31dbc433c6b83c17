"""The scheduler in virtual time: hours of it pass in milliseconds, and nothing fires twice."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from hansa.errors import CallerError, Unavailable
from hansa.model.product import OnceTrigger, ScheduleTrigger
from hansa.triggers.scheduler import Entry, Scheduler, Starter

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
PROCESS = "operations.flights:load"
_SETTLE_ROUNDS = 100


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * SECOND)


NOON = us("2026-06-01T12:00:00+00:00")


class VirtualTime:
    """A clock and its sleep. The time of day may be set; how long a sleep takes does not depend on it."""

    def __init__(self, now_us: int = NOON) -> None:
        self._elapsed_us = 0
        self._day_us = now_us
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_us(self) -> int:
        return self._day_us + self._elapsed_us

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed_us + round(seconds * SECOND), id(future), future))
        await future

    def set_clock(self, by_us: int) -> None:
        self._day_us += by_us

    async def pass_by(self, span_us: int) -> None:
        end = self._elapsed_us + span_us
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, future = heapq.heappop(self._sleepers)
            self._elapsed_us = max(self._elapsed_us, at)
            if not future.done():
                future.set_result(None)
                await settle()
        self._elapsed_us = end


async def settle() -> None:
    for _ in range(_SETTLE_ROUNDS):
        await asyncio.sleep(0)


class Log(Starter):
    """Positions and runs as a log keeps them: `fire` moves a position and adds a run together, or neither."""

    def __init__(self) -> None:
        self.positions: dict[str, int] = {}
        self.fired: list[tuple[str, int]] = []
        self.moved: list[int] = []
        self.run_us = 0
        self.failures = 0
        self.time: VirtualTime | None = None

    async def last_us(self, key: str) -> int | None:
        await asyncio.sleep(0)
        return self.positions.get(key)

    async def store(self, key: str, expected_us: int | None, last_us: int) -> None:
        await asyncio.sleep(0)
        self._check(key, expected_us)
        self.positions[key] = last_us
        self.moved.append(last_us)

    def _check(self, key: str, expected_us: int | None) -> None:
        if (self.positions.get(key) or 0) != (expected_us or 0):
            raise CallerError("position.moved", "It stands elsewhere")

    async def fire(self, entry: Entry, expected_us: int | None, logical_us: int) -> Awaitable[object]:
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise Unavailable("store.full", "The disk is full", hint="Free some.")
        self._check(entry.place, expected_us)
        self.positions[entry.place] = logical_us
        self.fired.append((entry.key, logical_us))
        return self._work()

    async def _work(self) -> None:
        if self.run_us and self.time:
            await self.time.sleep(self.run_us / SECOND)


class World:
    """One log and one clock, over which servers come and go."""

    def __init__(self, now_us: int = NOON) -> None:
        self.time = VirtualTime(now_us)
        self.log = Log()
        self.log.time = self.time

    def server(self, *, leads: bool = True) -> Scheduler:
        return Scheduler(self.log, clock_us=self.time.now_us, sleep=self.time.sleep, leads=leads)

    def minutes(self) -> list[float]:
        """When runs were fired, in minutes after noon."""
        return [(logical - NOON) / MINUTE for _, logical in self.log.fired]


def simulate(scenario: Callable[[World], Coroutine[Any, Any, None]], now_us: int = NOON) -> World:
    world = World(now_us)
    asyncio.run(scenario(world))
    assert len(set(world.log.fired)) == len(world.log.fired), "a logical time was fired twice"
    return world


def entry(**rules: Any) -> Entry:
    return Entry("k", ScheduleTrigger(**{"every_s": 60, **rules}), PROCESS)


def test_each_time_fires_once_and_not_before() -> None:
    async def scenario(world: World) -> None:
        server = world.server()
        server.replace([entry()])
        await world.time.pass_by(MINUTE - 1)
        assert world.minutes() == []
        await world.time.pass_by(2 * MINUTE + 1)
        await server.close()

    assert simulate(scenario).minutes() == [1, 2, 3]


@pytest.mark.parametrize(
    ("begin", "expected"),
    [
        ("2026-03-28T12:00:00+01:00", ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]),
        ("2026-10-24T12:00:00+02:00", ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]),
    ],
    ids=["clocks forward", "clocks back"],
)
def test_the_change_of_the_clocks_neither_loses_nor_doubles_a_day(begin: str, expected: list[str]) -> None:
    async def scenario(world: World) -> None:
        server = world.server()
        server.replace([Entry("k", ScheduleTrigger(cron="30 2 * * *", timezone="Europe/Berlin"), PROCESS)])
        await world.time.pass_by(47 * HOUR)
        await server.close()

    assert simulate(scenario, us(begin)).log.fired == [("k", us(text)) for text in expected]


@pytest.mark.parametrize(
    ("catch_up", "made_up"), [("none", []), ("one", [6]), ("all", [3, 4, 5, 6])], ids=["none", "one", "all"]
)
def test_downtime_is_made_up_by_the_rule(catch_up: str, made_up: list[int]) -> None:
    async def scenario(world: World) -> None:
        before = world.server()
        before.replace([entry(catch_up=catch_up)])
        await world.time.pass_by(2 * MINUTE)
        await before.close()
        await world.time.pass_by(4 * MINUTE + 30 * SECOND)
        after = world.server()
        after.replace([entry(catch_up=catch_up)])
        await world.time.pass_by(MINUTE)
        await after.close()

    assert simulate(scenario).minutes() == [1, 2, *made_up, 7]


def test_a_schedule_begins_when_it_is_first_seen_even_where_it_never_fired() -> None:
    async def scenario(world: World) -> None:
        before = world.server()
        before.replace([entry(catch_up="all")])
        await world.time.pass_by(30 * SECOND)
        await before.close()
        await world.time.pass_by(2 * MINUTE)
        after = world.server()
        after.replace([entry(catch_up="all")])
        await world.time.pass_by(SECOND)
        await after.close()

    assert simulate(scenario).minutes() == [1, 2]


def test_a_clock_set_back_fires_nothing_again() -> None:
    async def scenario(world: World) -> None:
        server = world.server()
        server.replace([entry(catch_up="all")])
        await world.time.pass_by(3 * MINUTE)
        world.time.set_clock(-2 * MINUTE)
        await world.time.pass_by(2 * MINUTE)
        assert world.minutes() == [1, 2, 3]
        await world.time.pass_by(MINUTE)
        await server.close()

    assert simulate(scenario).minutes() == [1, 2, 3, 4]


@pytest.mark.parametrize(("catch_up", "made_up"), [("none", []), ("one", [17]), ("all", [*range(3, 18)])])
def test_a_clock_set_forward_is_noticed_and_made_up_by_the_rule(catch_up: str, made_up: list[int]) -> None:
    async def scenario(world: World) -> None:
        server = world.server()
        server.replace([entry(catch_up=catch_up)])
        await world.time.pass_by(2 * MINUTE)
        world.time.set_clock(15 * MINUTE + 15 * SECOND)
        await world.time.pass_by(40 * SECOND)
        assert world.minutes() == [1, 2, *made_up]
        await server.close()

    simulate(scenario)


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [("skip", [1, 4, 7]), ("queue", [1, 2, 3]), ("allow", [1, 2, 3, 4, 5, 6, 7])],
    ids=["skip", "queue", "allow"],
)
def test_overlap_skips_queues_or_allows(overlap: str, expected: list[int]) -> None:
    async def scenario(world: World) -> None:
        world.log.run_us = 2 * MINUTE + 30 * SECOND
        server = world.server()
        server.replace([entry(overlap=overlap)])
        await world.time.pass_by(7 * MINUTE + SECOND)
        await server.close()

    assert simulate(scenario).minutes() == expected


def test_a_queue_keeps_every_time_that_came_while_it_waited() -> None:
    async def scenario(world: World) -> None:
        world.log.run_us = 5 * MINUTE + SECOND
        server = world.server()
        server.replace([entry(overlap="queue", catch_up="one")])
        await world.time.pass_by(MINUTE)
        world.log.run_us = 0
        await world.time.pass_by(6 * MINUTE)
        await server.close()

    assert simulate(scenario).minutes() == [1, 2, 3, 4, 5, 6, 7]


def test_times_that_are_made_up_wait_for_each_other_where_overlap_is_skipped() -> None:
    async def scenario(world: World) -> None:
        world.log.positions["k"] = NOON - 3 * MINUTE
        world.log.run_us = 5 * SECOND
        server = world.server()
        server.replace([entry(catch_up="all", overlap="skip")])
        await world.time.pass_by(SECOND)
        assert world.minutes() == [-2]
        await world.time.pass_by(10 * SECOND)
        await server.close()

    assert simulate(scenario).minutes() == [-2, -1, 0]


def test_a_skipped_time_is_not_made_up_after_a_restart() -> None:
    async def scenario(world: World) -> None:
        world.log.run_us = HOUR
        before = world.server()
        before.replace([entry()])
        await world.time.pass_by(3 * MINUTE + SECOND)
        await before.close()
        after = world.server()
        after.replace([entry()])
        await world.time.pass_by(30 * SECOND)
        await after.close()

    assert simulate(scenario).minutes() == [1]


def test_two_servers_over_one_log_fire_each_time_once() -> None:
    async def scenario(world: World) -> None:
        servers = [world.server(), world.server()]
        for server in servers:
            server.replace([entry(overlap="allow")])
        await world.time.pass_by(5 * MINUTE + 10 * SECOND)
        for server in servers:
            await server.close()

    assert simulate(scenario).minutes() == [1, 2, 3, 4, 5]


def test_the_scheduler_that_leads_fires_and_the_next_one_goes_on_behind_it() -> None:
    async def scenario(world: World) -> None:
        first, second = world.server(), world.server(leads=False)
        for server in (first, second):
            server.replace([entry()])
        await world.time.pass_by(2 * MINUTE + 1)
        first.lead(leads=False)
        await world.time.pass_by(MINUTE)
        assert world.minutes() == [1, 2]
        second.lead(leads=True)
        await world.time.pass_by(MINUTE)
        assert world.minutes() == [1, 2, 3, 4]

    simulate(scenario)


def test_one_that_stood_still_moves_nothing_back_when_it_skips() -> None:
    """It wakes with a run at work, and is about to skip times that the other one has fired meanwhile."""

    async def scenario(world: World) -> None:
        awake = asyncio.Event()
        awake.set()

        async def sleep(seconds: float) -> None:
            await world.time.sleep(seconds)
            await awake.wait()

        world.log.run_us = 100 * MINUTE
        asleep = Scheduler(world.log, clock_us=world.time.now_us, sleep=sleep)
        asleep.replace([entry(overlap="skip", catch_up="all")])
        await world.time.pass_by(MINUTE + 1)
        awake.clear()
        other = world.server()
        other.replace([entry(overlap="allow")])
        await world.time.pass_by(5 * MINUTE)
        stood = world.log.positions["k"]
        other.lead(leads=False)
        awake.set()
        world.log.moved.clear()
        await world.time.pass_by(1)
        assert all(position >= stood for position in world.log.moved)

    simulate(scenario)


def test_killed_between_commit_and_answer_the_time_is_not_fired_again() -> None:
    async def scenario(world: World) -> None:
        server = world.server()
        server.replace([entry(catch_up="all")])
        await world.time.pass_by(2 * MINUTE)
        world.log.positions["k"] = NOON + 3 * MINUTE
        await world.time.pass_by(3 * MINUTE)
        await server.close()

    assert simulate(scenario).minutes() == [1, 2, 4, 5]


@pytest.mark.parametrize("catch_up", ["none", "one", "all"])
def test_a_time_that_could_not_be_committed_is_tried_again(catch_up: str) -> None:
    async def scenario(world: World) -> None:
        server = world.server()
        server.replace([entry(catch_up=catch_up)])
        await world.time.pass_by(30 * SECOND)
        world.log.failures = 3
        await world.time.pass_by(40 * SECOND)
        await server.close()

    assert simulate(scenario).minutes() == [1]


def test_a_failed_run_does_not_stop_its_schedule() -> None:
    class Failing(Log):
        async def _work(self) -> None:
            raise RuntimeError("the run failed")

    async def scenario(world: World) -> None:
        world.log = Failing()
        server = world.server()
        server.replace([entry()])
        await world.time.pass_by(2 * MINUTE)
        await server.close()

    assert simulate(scenario).minutes() == [1, 2]


def test_paused_it_fires_nothing_and_resumed_only_what_comes() -> None:
    async def scenario(world: World) -> None:
        server = world.server()
        server.pause("k")
        server.replace([entry(catch_up="all")])
        await world.time.pass_by(2 * MINUTE)
        assert server.paused == {"k"}
        server.resume("k")
        await world.time.pass_by(MINUTE)
        server.pause("k")
        await world.time.pass_by(2 * MINUTE)
        server.resume("k")
        await world.time.pass_by(MINUTE)
        await server.close()

    assert simulate(scenario).minutes() == [3, 6]


def test_a_deploy_leaves_what_has_not_changed_and_ends_what_is_gone() -> None:
    async def scenario(world: World) -> None:
        server = world.server()
        kept, gone = entry(), replace(entry(), key="gone")
        server.replace([kept, gone])
        await world.time.pass_by(MINUTE)
        server.replace([kept])
        await world.time.pass_by(MINUTE)
        await server.close()

    assert simulate(scenario).minutes() == [1, 1, 2]


def test_new_times_begin_with_the_deploy() -> None:
    async def scenario(world: World) -> None:
        world.log.positions["k"] = NOON
        server = world.server()
        server.replace([entry(every_s=3600, catch_up="all")])
        await world.time.pass_by(150 * SECOND)
        server.replace([entry(every_s=60, catch_up="all")])
        await world.time.pass_by(MINUTE)
        await server.close()

    assert simulate(scenario).minutes() == [3]


def test_a_deploy_that_changes_the_payload_loses_no_time() -> None:
    async def scenario(world: World) -> None:
        server = world.server()
        server.replace([entry()])
        await world.time.pass_by(30 * SECOND)
        world.log.failures = 1
        await world.time.pass_by(30 * SECOND)
        server.replace([entry(payload={"full": True})])
        await world.time.pass_by(SECOND)
        await server.close()

    assert simulate(scenario).minutes() == [1]


def test_a_run_at_work_counts_across_a_deploy() -> None:
    async def scenario(world: World) -> None:
        world.log.run_us = HOUR
        server = world.server()
        server.replace([entry()])
        await world.time.pass_by(MINUTE)
        server.replace([entry(payload={"full": True})])
        await world.time.pass_by(2 * MINUTE)
        await server.close()

    assert simulate(scenario).minutes() == [1]


@pytest.mark.parametrize(
    ("at", "expected"), [(None, [0]), ("2026-06-01T12:02:00Z", [2])], ids=["at once", "at its time"]
)
def test_once_fires_one_time_across_restarts(at: str | None, expected: list[int]) -> None:
    async def scenario(world: World) -> None:
        for _ in range(3):
            server = world.server()
            server.replace([Entry("k", OnceTrigger(at=at), PROCESS)])
            await world.time.pass_by(90 * SECOND)
            await server.close()

    assert simulate(scenario).minutes() == expected


def test_once_whose_time_passed_in_downtime_is_made_up() -> None:
    async def scenario(world: World) -> None:
        for pause in (HOUR, 0):
            server = world.server()
            server.replace([Entry("k", OnceTrigger(at="2026-06-01T12:02:00Z"), PROCESS)])
            await world.time.pass_by(SECOND)
            await server.close()
            await world.time.pass_by(pause)

    assert simulate(scenario).minutes() == [2]


def test_once_fires_for_each_revision_that_it_comes_with() -> None:
    async def scenario(world: World) -> None:
        for since in ("r1", "r1", "r2", "r1", "r2"):
            server = world.server()
            server.replace([Entry("k", OnceTrigger(), PROCESS, since)])
            await world.time.pass_by(MINUTE)
            server.replace([Entry("k", OnceTrigger(), PROCESS, since)])
            await world.time.pass_by(MINUTE)
            await server.close()

    assert simulate(scenario).minutes() == [0, 4]


def test_a_change_while_it_is_served_fires_once_anew() -> None:
    async def scenario(world: World) -> None:
        server = world.server()
        for payload, since in ((1, "r1"), (1, "r1"), (2, "r3")):
            server.replace([Entry("k", OnceTrigger(payload=payload), PROCESS, since)])
            await world.time.pass_by(MINUTE)
        assert server.place("k") == "k@r3"
        await server.close()

    assert simulate(scenario).minutes() == [0, 2]
