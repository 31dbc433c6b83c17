"""The engine over a log in memory and a real pool: what becomes of runs between their attempts.

Nothing answers by itself: a test says what the worker says (`links`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import msgspec
import pytest
from links import LOADED, Process, linked

from hansa.errors import CallerError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Advance, CommitSet, Put, TopicConfig, entries_of
from hansa.eventlog.memory import MemoryLog
from hansa.model.product import ProcessSpec, ProductSpec, RetryPolicy, StepSpec
from hansa.model.run import RUNS_TOPIC, RunEntry, RunError
from hansa.runtime import engine as engines
from hansa.runtime import pool as pools
from hansa.runtime import wire
from hansa.runtime.engine import Engine
from hansa.runtime.journal import PENDING
from hansa.runtime.link import Link
from hansa.runtime.live import LiveProcess, LiveProduct
from hansa.runtime.pool import Pool
from hansa.runtime.run import Answer, Run


async def _nothing(run: Run, ask: wire.Ask) -> None:
    raise CallerError("ask.unknown", ask.what)


class Floor:
    """A log, an engine and the live revisions of one product, with a process `p`."""

    def __init__(
        self,
        *,
        retry: RetryPolicy = RetryPolicy(),
        concurrency: int | None = None,
        durability: Literal["run", "step"] = "run",
    ) -> None:
        self.log = MemoryLog()
        self.log.declare(RUNS_TOPIC, TopicConfig())
        self.engine = Engine(AwaitableLog(self.log, asyncio.get_running_loop()), _nothing)
        self._process = ProcessSpec(
            "p", (StepSpec("s", "s"),), retry=retry, concurrency=concurrency, durability=durability
        )
        self.answers: list[Answer] = []
        self.live = self.revision("1")
        self.engine.recover(self.find)

    def find(self, product: str, process: str) -> LiveProcess | None:
        return self.live.processes.get(process)

    def revision(self, number: str) -> LiveProduct:
        pool = Pool(self._fork, workers_max=1, idle_s=60, on_failure=lambda _: None)
        return LiveProduct(ProductSpec("a.b", "b", processes=(self._process,)), number, pool)

    async def _fork(self, on_message: Callable[[Any], None], on_lost: Callable[[], None]) -> tuple[Link, wire.Loaded]:
        return linked(Process(), on_message, on_lost), LOADED

    async def accept(self) -> Run:
        run = Run(self.live.processes["p"], "manual", b"", "me", self.answers.append)
        await self.engine.accept(run)
        await self.turn()
        return run

    async def turn(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def until(self, done: Callable[[], Any]) -> None:
        async with asyncio.timeout(5):
            while not done():
                await asyncio.sleep(0)

    def say(self, run: Run, message: Any) -> None:
        """The worker that has the run says something in the middle of it."""
        (worker,) = [w for w in run.live.product.pool.workers if run.seq in w.jobs]
        run.live.product.pool.heard(worker, message)

    def end(self, run: Run, *, failed: bool = False) -> None:
        """The worker that has the run says how it ended."""
        (worker,) = [w for w in run.live.product.pool.workers if run.seq in w.jobs]
        error = RunError("a.failed", "no") if failed else None
        done = wire.Done(run.seq, "failed" if failed else "succeeded", 200, b"1", "", 1, [], error=error)
        run.live.product.pool.heard(worker, done)

    def states(self) -> list[tuple[str, str, int]]:
        """(state, revision, attempt) of each entry of the history, in order."""
        chunks = self.log.read(RUNS_TOPIC, 0, 0)
        found = [msgspec.msgpack.decode(e.body, type=RunEntry) for chunk in chunks for e in entries_of(chunk)]
        return [(entry.state, entry.revision, entry.attempt) for entry in found]

    def pending(self) -> list[str]:
        return [run for run, _ in self.log.scan(PENDING)]


def work(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(body())


AGAIN = RetryPolicy(attempts=3, delay_s=0.001)
LATER = RetryPolicy(attempts=3, delay_s=60)


def test_an_attempt_that_comes_after_a_deploy_is_one_of_the_new_revision() -> None:
    async def body() -> None:
        floor = Floor(retry=AGAIN)
        run = await floor.accept()
        floor.end(run, failed=True)
        before, floor.live = floor.live, floor.revision("2")
        await before.pool.drain()
        await floor.until(lambda: floor.live.pool.workers)
        floor.end(run)
        await floor.turn()
        assert floor.states() == [("accepted", "1", 1), ("accepted", "1", 1), ("succeeded", "2", 2)]
        assert (floor.pending(), len(floor.answers)) == ([], 1)

    work(body)


@pytest.mark.parametrize("when", ["before the commit of the wait", "while it waits"])
def test_a_run_that_is_cancelled_between_attempts_is_not_tried_again(when: str) -> None:
    async def body() -> None:
        floor = Floor(retry=LATER)
        run = await floor.accept()
        floor.end(run, failed=True)
        if when == "while it waits":
            await floor.turn()
        assert floor.engine.cancel(run.id)
        await floor.until(lambda: not floor.engine.active)
        await floor.turn()
        assert floor.states()[-1] == ("cancelled", "1", 2)
        assert (floor.pending(), [answer.state for answer in floor.answers]) == ([], ["cancelled"])

    work(body)


def test_where_the_queue_is_full_a_run_that_was_taken_waits_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "STORE_PAUSE_S", 0.001)

    async def body() -> None:
        floor = Floor(retry=AGAIN, concurrency=1)
        first, second = await floor.accept(), await floor.accept()
        monkeypatch.setattr(pools, "QUEUE_MAX", 0)
        monkeypatch.setattr(Pool, "_has_room", lambda self, worker: False)
        floor.end(first)
        await floor.turn()
        assert [answer.run for answer in floor.answers] == [first.id]
        assert list(floor.engine.active) == [second.id]
        monkeypatch.undo()
        await floor.until(lambda: second.live.product.pool.workers[0].jobs)
        floor.end(second)
        await floor.turn()
        assert [answer.run for answer in floor.answers] == [first.id, second.id]

    work(body)


def test_a_run_that_nobody_is_at_can_be_given_up() -> None:
    async def body() -> None:
        floor = Floor()
        run = await floor.accept()
        other = Engine(floor.engine.log, _nothing)
        await other.give_up(run.id)
        await other.give_up("unknown")
        assert (floor.pending(), floor.states()[-1]) == ([], ("cancelled", "1", 1))

    work(body)


def test_a_run_whose_key_was_taken_does_not_stand_unfinished_though_its_worker_ends_at_once() -> None:
    """It would go on after a restart, and what the run before it does would be done twice."""

    async def body() -> None:
        floor = Floor(retry=AGAIN, durability="step")
        first, second = (Run(floor.live.processes["p"], "http", b"", "me", floor.answers.append) for _ in range(2))
        first.idempotency_key = second.idempotency_key = "order 7"
        await floor.engine.accept(first)
        floor.engine.start(second)
        await floor.turn()
        floor.say(second, wire.StepDone(second.seq, 0, msgspec.msgpack.encode(wire.Step(b""))))
        floor.end(second, failed=True)
        await floor.until(lambda: floor.answers)
        assert floor.pending() == [first.id]
        assert [answer.run for answer in floor.answers] == [first.id]

    work(body)


def test_a_run_that_another_node_has_ended_meanwhile_has_no_effect_a_second_time() -> None:
    """It stood still for so long that it was taken for lost."""

    async def body() -> None:
        floor = Floor()
        run = await floor.accept()
        await floor.engine.log.commit(CommitSet(puts=(Put(PENDING, run.id, None),)))
        before = floor.log.bounds(RUNS_TOPIC, 0)
        floor.end(run)
        await floor.until(lambda: floor.answers)
        assert floor.log.bounds(RUNS_TOPIC, 0) == before
        assert [(a.run, a.headers) for a in floor.answers] == [(run.id, {"Idempotent-Replay": "true"})]

    work(body)


def test_a_chunk_of_a_run_that_another_node_has_ended_meanwhile_is_not_committed() -> None:
    """Whoever took it up when it was about to end may have read that it stands, and no chunk of it any more."""

    async def body() -> None:
        floor = Floor()
        run = await floor.accept()
        await floor.engine.log.commit(CommitSet(puts=(Put(PENDING, run.id, None),)))
        before = floor.log.bounds(RUNS_TOPIC, 0)
        floor.say(run, wire.Done(run.seq, "succeeded", 200, b"", "", 1, [], chunk=1, position=b"\x01"))
        await floor.until(lambda: run.refusal)
        assert floor.log.bounds(RUNS_TOPIC, 0) == before
        floor.end(run)
        await floor.until(lambda: floor.answers)
        assert [(a.run, a.headers) for a in floor.answers] == [(run.id, {"Idempotent-Replay": "true"})]

    work(body)


def test_a_run_of_a_node_that_is_there_is_left_to_it() -> None:
    async def body() -> None:
        floor = Floor()
        run = await floor.accept()
        other = Engine(floor.engine.log, _nothing, node="other")
        assert other.recover(floor.find, is_lost=lambda node: node != "") == 0
        assert other.recover(floor.find) == 0
        assert floor.pending() == [run.id]
        assert other.recover(floor.find, is_lost=lambda node: node == "") == 1

    work(body)


def test_a_node_that_was_started_again_takes_up_what_it_was_at_and_not_what_it_is_at() -> None:
    async def body() -> None:
        floor = Floor()
        first, again = (Engine(floor.engine.log, _nothing, node=f"a {start}") for start in ("one", "two"))
        run = Run(floor.live.processes["p"], "manual", b"", "me", floor.answers.append)
        await first.accept(run)
        other = Engine(floor.engine.log, _nothing, node="b one")
        assert [engine.recover(floor.find) for engine in (first, other, again)] == [0, 0, 1]

    work(body)


def test_a_run_that_was_accepted_begins_though_who_asked_for_it_has_gone() -> None:
    """A schedule that is paused or replaced ends the task that fires it."""

    async def body() -> None:
        floor = Floor()
        run = Run(floor.live.processes["p"], "schedule", b"", "system", floor.answers.append)
        asking = asyncio.create_task(floor.engine.accept(run))
        await asyncio.sleep(0)
        asking.cancel()
        await floor.until(lambda: floor.live.pool.workers)
        floor.end(run)
        await floor.until(lambda: floor.answers)
        assert (asking.cancelled(), floor.pending()) == (True, [])

    work(body)


def test_a_run_that_stands_and_that_nobody_is_at_is_taken_up() -> None:
    async def body() -> None:
        floor = Floor()
        run = await floor.accept()
        assert floor.engine.recover(floor.find) == 0
        del floor.engine.active[run.id]
        assert floor.engine.recover(floor.find) == 1

    work(body)


def test_a_run_of_a_subscription_that_is_at_work_is_let_end_though_nobody_follows_any_more() -> None:
    async def body() -> None:
        floor = Floor()
        run = Run(floor.live.processes["p"], "port", b"", "me", floor.answers.append)
        run.advances = (Advance("g", "t", 0, 1, 0),)
        await floor.engine.accept(run)
        floor.engine.recover(floor.find, lambda *_: False)
        await floor.engine.log.commit(CommitSet())
        assert floor.pending() == [run.id]
        del floor.engine.active[run.id]
        floor.engine.recover(floor.find, lambda *_: False)
        await floor.engine.log.commit(CommitSet())
        assert floor.pending() == []

    work(body)


def test_a_run_that_is_being_accepted_is_not_taken_up_besides() -> None:
    async def body() -> None:
        floor = Floor()
        run = Run(floor.live.processes["p"], "manual", b"", "me", floor.answers.append)
        asking = asyncio.create_task(floor.engine.accept(run))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        wait_for(floor.pending)  # it stands, and the event loop was not told yet
        assert floor.pending()
        taken = floor.engine.recover(floor.find)
        await asking
        assert taken == 0

    work(body)


def wait_for(done: Callable[[], object]) -> None:
    end_s = time.monotonic() + 5
    while not done() and time.monotonic() < end_s:
        time.sleep(0.001)
