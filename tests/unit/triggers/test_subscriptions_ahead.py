"""The next batch of a partition is worked while the one before it is committed, and committed behind it or not at all.

A log in memory and a real pool; a test says what the worker says, and when the log does what it was told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from links import LOADED, Process, linked

from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Append, CommitSet, TopicConfig, encode_entry
from hansa.eventlog.memory import MemoryLog
from hansa.model.product import PortTrigger, ProcessSpec, ProductSpec, StepSpec
from hansa.model.run import RUNS_TOPIC
from hansa.runtime import wire
from hansa.runtime.engine import Engine
from hansa.runtime.link import Link
from hansa.runtime.live import LiveProduct
from hansa.runtime.pool import Pool
from hansa.runtime.run import Run
from hansa.triggers import subscriptions
from hansa.triggers.subscriptions import Subscription

PORT = "c.d/e@1"


class SlowLog(MemoryLog):
    """Holds what it is told while `holds`."""

    def __init__(self) -> None:
        super().__init__()
        self.holds = False
        self._held: list[Any] = []

    def submit_all(self, work: list[tuple[CommitSet, Any]]) -> None:
        self._held += work
        if not self.holds:
            self.go_on()

    def go_on(self) -> None:
        """Does what it has held."""
        held, self._held = self._held, []
        if held:
            super().submit_all(held)


class Following:
    """A process that follows `PORT` in batches of one record."""

    def __init__(self) -> None:
        self.log = SlowLog()
        for topic in (RUNS_TOPIC, PORT):
            self.log.declare(topic, TopicConfig())
        self.awaitable = AwaitableLog(self.log, asyncio.get_running_loop())
        self.engine = Engine(self.awaitable, _never)
        pool = Pool(self._fork, workers_max=1, idle_s=60, on_failure=lambda _: None)
        process = ProcessSpec("p", (StepSpec("s", "s"),))
        self.live = LiveProduct(ProductSpec("a.b", "b", processes=(process,)), "1", pool).processes["p"]
        self.begun: list[int] = []

    async def _fork(self, on_message: Callable[[Any], None], on_lost: Callable[[], None]) -> tuple[Link, wire.Loaded]:
        return linked(Process(), on_message, on_lost), LOADED

    @contextlib.asynccontextmanager
    async def follows(self, *, is_independent: bool) -> AsyncIterator[None]:
        trigger = PortTrigger(PORT, batch=1, start="earliest")
        with ThreadPoolExecutor(1) as executor:
            followed = Subscription(
                self.awaitable, self.engine, self.live, trigger, executor, self._seen, is_independent=is_independent
            )
            await followed.open()
            yield
            await followed.close()

    async def _seen(self) -> None:
        pass

    async def write(self, count: int) -> None:
        for number in range(count):
            append = Append(PORT, 0, 1, encode_entry(None, number), {})
            await self.awaitable.commit(CommitSet(appends=(append,)))

    @property
    def position(self) -> int | None:
        return self.log.position(f"{self.live.id}<{PORT}", PORT, 0)

    async def at(self, *froms: int) -> list[Run]:
        """Waits until runs are at work that begin at these positions."""
        async with asyncio.timeout(5):
            while (begun := [run.detail["from"] for run in self.at_work()]) != list(froms):
                await asyncio.sleep(0.001)
        assert begun == list(froms)
        return self.at_work()

    def at_work(self) -> list[Run]:
        """The runs that a worker has."""
        held = {seq for worker in self.live.product.pool.workers for seq in worker.jobs}
        return [run for run in self.engine.active.values() if run.seq in held]

    def end(self, run: Run, *puts: wire.StatePut) -> None:
        (worker,) = self.live.product.pool.workers
        done = wire.Done(run.seq, "succeeded", 200, b"1", "", 1, [], puts=list(puts))
        self.live.product.pool.heard(worker, done)


async def _never(run: Run, ask: wire.Ask) -> None:
    raise NotImplementedError(ask)


async def _settled() -> None:
    await asyncio.sleep(0.05)


def test_the_next_batch_is_worked_while_the_one_before_is_committed_and_no_other() -> None:
    async def body() -> None:
        one = Following()
        await one.write(4)
        async with one.follows(is_independent=True):
            (first,) = await one.at(0)
            one.log.holds = True
            one.end(first)
            (second,) = await one.at(1)
            one.end(second)
            await _settled()
            assert (one.at_work(), one.position) == ([], 0)
            one.log.go_on()
            await one.at(2)
            assert one.position == 2

    asyncio.run(body())


@pytest.mark.parametrize("why", ["it reads what was published", "state was changed"])
def test_a_batch_that_may_read_what_the_one_before_left_waits_for_its_commit(why: str) -> None:
    async def body() -> None:
        one = Following()
        await one.write(2)
        async with one.follows(is_independent=why != "it reads what was published"):
            (first,) = await one.at(0)
            one.log.holds = True
            one.end(first, *[wire.StatePut("k", b"v", None)] * (why == "state was changed"))
            await _settled()
            assert one.at_work() == []
            one.log.go_on()
            await one.at(1)
            assert one.position == 1

    asyncio.run(body())


def test_what_was_begun_behind_a_batch_that_is_not_committed_is_not_either_and_both_are_worked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriptions, "PAUSE_S", 0.001)

    async def body() -> None:
        one = Following()
        await one.write(2)
        async with one.follows(is_independent=True):
            (first,) = await one.at(0)
            one.log.holds = True
            first.advances = (msgspec.structs.replace(first.advances[0], expected=7),)
            one.end(first)
            (second,) = await one.at(1)
            one.end(second)
            one.log.holds = False
            one.log.go_on()
            (again,) = await one.at(0)
            assert (again.id != first.id, one.position) == (True, 0)
            one.end(again)
            (behind,) = await one.at(1)
            one.end(behind)
            await _settled()
            assert one.position == 2

    asyncio.run(body())
