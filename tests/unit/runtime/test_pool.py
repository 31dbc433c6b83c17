"""The pool: where a task goes, what a death costs, and that each task is answered exactly once.

Links are real and never connected (`links`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

import pytest
from links import LOADED, Process, linked

from hansa.errors import HansaError, OperatorError, Unavailable
from hansa.runtime import pool as pools
from hansa.runtime import wire
from hansa.runtime.job import Job, Lost, Worker
from hansa.runtime.link import Link
from hansa.runtime.pool import Pool
from hansa.runtime.zygote import WorkerProcess

LATER_NS = 10**18


class Hall:
    """A pool, the workers that it started, and the answers that its tasks got."""

    def __init__(
        self,
        workers_max: int = 2,
        idle_s: float = 60.0,
        failure: HansaError | None = None,
        *,
        fresh: bool = False,
        rest_s: float = pools.REST_S,
    ) -> None:
        self.processes: list[Process] = []
        self.lost: list[Callable[[], None]] = []
        self.answers: dict[int, list[Any]] = {}
        self.messages: list[Any] = []
        self.failures: list[HansaError] = []
        self.failure = failure
        self.wrong: str | None = None
        self.pool = Pool(
            self.fork, workers_max=workers_max, idle_s=idle_s, on_failure=self.failures.append,
            fresh=self.fork if fresh else None, rest_s=rest_s,
        )  # fmt: skip

    async def fork(self, on_message: Callable[[Any], None], on_lost: Callable[[], None]) -> tuple[Link, wire.Loaded]:
        if self.failure is not None:
            raise self.failure
        process = Process()
        self.processes.append(process)
        self.lost.append(on_lost)
        return linked(process, on_message, on_lost), LOADED

    def dispatch(self, *, timeout_s: float = 1.0) -> int:
        seq = self.pool.next_seq()
        heard = self.answers.setdefault(seq, [])
        task = wire.Task(seq, "p", f"run {seq}", 1, "me", b"")
        self.pool.dispatch(
            Job(task, timeout_s, self.breach, heard.append, lambda worker, message: self.messages.append(message))
        )
        return seq

    def breach(self, task: wire.Task, message: Any) -> str | None:
        return self.wrong

    def held(self) -> list[list[int]]:
        """The tasks of each worker."""
        return [list(worker.jobs) for worker in self.pool.workers]

    def at(self, index: int, seq: int, since_ns: int = 0) -> Worker:
        """The worker begins with a task."""
        wire.mark(self.processes[index].cells, seq, since_ns)
        return self.pool.workers[index]

    def finish(self, worker: Worker, seq: int, *, took_s: float = 0.0, chunk: int | None = None) -> wire.Done:
        done = wire.Done(seq, "succeeded", 200, b"", "", int(took_s * 1e6), [], chunk=chunk)
        self.pool.heard(worker, done)
        return done


async def turn() -> None:
    """Lets workers that are being started come in."""
    for _ in range(5):
        await asyncio.sleep(0)


def work(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(5):
            await body()

    asyncio.run(limited())


def test_the_first_task_starts_a_worker_and_goes_to_it() -> None:
    async def body() -> None:
        hall = Hall()
        seq = hall.dispatch()
        assert (hall.pool.waiting, hall.held()) == (1, [])
        await turn()
        assert (hall.pool.waiting, hall.held()) == (0, [[seq]])

    work(body)


def test_short_tasks_are_pipelined_into_one_worker() -> None:
    async def body() -> None:
        hall = Hall()
        for _ in range(pools.PIPELINE_MAX + 1):
            hall.dispatch()
        await turn()
        assert len(hall.held()[0]) == pools.PIPELINE_MAX
        assert sum(len(tasks) for tasks in hall.held()) + hall.pool.waiting == pools.PIPELINE_MAX + 1

    work(body)


def test_long_tasks_wait_for_a_free_worker_of_at_most_as_many_as_allowed() -> None:
    async def body() -> None:
        hall = Hall(workers_max=2)
        hall.dispatch()
        await turn()
        hall.finish(hall.pool.workers[0], 1, took_s=1.0)
        for _ in range(2):
            hall.dispatch()
        await turn()
        assert hall.held() == [[2], [3]]
        hall.finish(hall.pool.workers[1], 3, took_s=1.0)
        for _ in range(3):
            hall.dispatch()
        await turn()
        assert (hall.held(), hall.pool.waiting, len(hall.processes)) == ([[2], [4]], 2, 2)

    work(body)


def test_a_task_is_answered_once_and_the_next_one_follows() -> None:
    async def body() -> None:
        hall = Hall(workers_max=1)
        hall.dispatch()
        await turn()
        worker = hall.pool.workers[0]
        worker.mean_s = 1.0
        hall.dispatch()
        done = hall.finish(worker, 1)
        hall.finish(worker, 1)
        assert (hall.answers[1], hall.held()) == ([done], [[2]])

    work(body)


def test_steps_and_chunks_are_messages_and_do_not_end_the_task() -> None:
    async def body() -> None:
        hall = Hall()
        seq = hall.dispatch()
        await turn()
        worker = hall.pool.workers[0]
        step = wire.StepDone(seq, 0, b"")
        hall.pool.heard(worker, step)
        chunk = hall.finish(worker, seq, chunk=0)
        assert (hall.messages, hall.answers[seq], hall.held()) == ([step, chunk], [], [[seq]])

    work(body)


def test_a_death_costs_only_the_task_at_work_and_the_others_go_elsewhere_in_order() -> None:
    async def body() -> None:
        hall = Hall(workers_max=1)
        for _ in range(3):
            hall.dispatch()
        await turn()
        hall.at(0, 1)
        hall.lost[0]()
        assert hall.answers == {1: [Lost("crashed", "last words")], 2: [], 3: []}
        await turn()
        assert hall.held() == [[2, 3]]
        hall.lost[0]()
        assert hall.held() == [[2, 3]]

    work(body)


def test_a_worker_that_dies_between_tasks_costs_none() -> None:
    async def body() -> None:
        hall = Hall(workers_max=1)
        hall.dispatch()
        await turn()
        hall.lost[0]()
        await turn()
        assert (hall.answers[1], hall.held()) == ([], [[1]])

    work(body)


def test_a_task_over_its_time_ends_its_worker() -> None:
    async def body() -> None:
        hall = Hall()
        hall.dispatch(timeout_s=1.0)
        await turn()
        hall.at(0, 1, since_ns=0)
        killed = []
        for now_ns in (1_000_000_000, 1_000_000_001):
            hall.pool.watch(now_ns)
            killed.append(hall.processes[0].killed)
        assert killed == [False, True]
        second = hall.dispatch()
        await turn()
        assert hall.held() == [[1], [second]], "a worker that is ending takes no more"
        hall.lost[0]()
        assert hall.answers[1] == [Lost("timed_out", "last words")]

    work(body)


def test_the_task_that_was_ended_is_the_guilty_one_whatever_the_cells_say_later() -> None:
    async def body() -> None:
        hall = Hall(workers_max=1)
        hall.dispatch()
        hall.dispatch()
        await turn()
        hall.at(0, 1)
        assert hall.pool.cancel(1)
        hall.at(0, 2)
        hall.lost[0]()
        assert hall.answers == {1: [Lost("cancelled", "last words")], 2: []}

    work(body)


def test_a_task_that_has_not_begun_is_cancelled_without_harm() -> None:
    async def body() -> None:
        hall = Hall(workers_max=1)
        hall.dispatch()
        hall.dispatch()
        assert hall.pool.cancel(1)
        await turn()
        hall.dispatch()
        hall.at(0, 2)
        assert hall.pool.cancel(3)
        lost = [Lost("cancelled", "before it began")]
        assert hall.answers == {1: lost, 2: [], 3: lost}
        assert (hall.processes[0].killed, hall.held()) == (False, [[2, 3]]), "the worker has it and may begin it"
        assert not hall.pool.cancel(3)
        assert hall.answers[3] == lost

    work(body)


def test_an_idle_worker_leaves_after_its_time_and_a_busy_one_stays() -> None:
    async def body() -> None:
        hall = Hall(idle_s=10.0)
        hall.dispatch(timeout_s=1e12)
        await turn()
        worker = hall.at(0, 1)
        hall.pool.watch(LATER_NS)
        assert hall.pool.workers == [worker]
        hall.finish(worker, 1)
        hall.pool.watch(int((worker.idle_since + 9) * 1e9))
        assert hall.pool.workers == [worker]
        hall.pool.watch(int((worker.idle_since + 11) * 1e9))
        assert hall.pool.workers == []

    work(body)


def test_a_blocked_worker_takes_nothing_and_does_not_count() -> None:
    async def body() -> None:
        hall = Hall(workers_max=1)
        hall.dispatch()
        await turn()
        first = hall.pool.workers[0]
        hall.pool.block(first, is_blocked=True)
        hall.dispatch()
        await turn()
        assert hall.held() == [[1], [2]]
        hall.pool.block(first, is_blocked=False)
        hall.dispatch()
        hall.dispatch()
        await turn()
        assert sorted(len(tasks) for tasks in hall.held()) == [2, 2]

    work(body)


def test_where_no_worker_can_be_started_whoever_waits_is_told() -> None:
    async def body() -> None:
        failure = OperatorError("worker.broken", "No worker")
        hall = Hall(failure=failure)
        hall.dispatch()
        hall.dispatch()
        await turn()
        assert hall.failures == [failure]
        assert hall.answers == {1: [Lost("crashed", str(failure))], 2: [Lost("crashed", str(failure))]}
        assert hall.pool.waiting == 0

    work(body)


def test_whatever_keeps_workers_from_starting_those_who_wait_are_told_and_the_next_try_is_made() -> None:
    async def body() -> None:
        hall = Hall()
        failing, hall.pool._fork = hall.pool._fork, cast("Any", None)
        first = hall.dispatch()
        await turn()
        assert "worker.failed" in str(hall.failures[0])
        assert hall.answers[first][0].reason == "crashed"
        hall.pool._fork = failing
        hall.dispatch()
        await turn()
        assert len(hall.held()) == 1

    work(body)


def test_while_another_worker_lives_a_failed_start_costs_nothing() -> None:
    async def body() -> None:
        hall = Hall(workers_max=2)
        hall.dispatch()
        await turn()
        hall.pool.workers[0].mean_s = 1.0
        hall.failure = OperatorError("worker.broken", "No worker")
        hall.dispatch()
        await turn()
        assert (hall.failures, hall.answers[2], hall.pool.waiting) == ([hall.failure], [], 1)

    work(body)


def test_a_full_queue_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "QUEUE_MAX", 2)

    async def body() -> None:
        hall = Hall()
        hall.dispatch()
        hall.dispatch()
        with pytest.raises(Unavailable) as caught:
            hall.dispatch()
        assert caught.value.code == "run.queue_full"
        await turn()
        assert (hall.pool.waiting, list(hall.answers.values())) == (0, [[], [], []])

    work(body)


def test_an_adopted_worker_gets_what_waits() -> None:
    async def body() -> None:
        hall = Hall(workers_max=1)
        hall.dispatch()
        worker = hall.pool.adopt(linked(Process(), hall.messages.append, lambda: None))
        assert list(worker.jobs) == [1]
        await turn()

    work(body)


def test_draining_waits_for_the_last_task() -> None:
    async def body() -> None:
        hall = Hall()
        hall.dispatch()
        await turn()
        drained = asyncio.ensure_future(cast("Awaitable[None]", hall.pool.drain()))
        await turn()
        assert not drained.done()
        hall.finish(hall.pool.workers[0], 1)
        await drained

    work(body)


def test_an_empty_pool_is_drained_at_once() -> None:
    async def body() -> None:
        await Hall().pool.drain()

    work(body)


def test_nothing_waits_behind_a_task_that_turns_out_to_be_long() -> None:
    async def body() -> None:
        hall = Hall()
        first = hall.dispatch()
        await turn()
        hall.at(0, first, since_ns=1)
        second = hall.dispatch()
        await turn()
        assert hall.held() == [[first], [second]]

    work(body)


def test_a_frame_beyond_its_rights_ends_the_worker_and_is_not_told() -> None:
    async def body() -> None:
        hall = Hall(workers_max=1)
        guilty, waits = hall.dispatch(), hall.dispatch()
        await turn()
        worker, hall.wrong = hall.pool.workers[0], "it published elsewhere"
        hall.finish(worker, guilty)
        hall.finish(worker, waits)
        assert hall.processes[0].killed
        assert hall.answers == {guilty: [], waits: []}
        hall.lost[0]()
        assert hall.answers == {guilty: [Lost("overstepped", "it published elsewhere")], waits: []}
        hall.wrong = None
        await turn()
        assert hall.held() == [[waits]]

    work(body)


def test_nothing_waits_behind_a_load() -> None:
    async def body() -> None:
        hall = Hall()
        load = hall.dispatch()
        await turn()
        hall.finish(hall.at(0, load, since_ns=time.monotonic_ns()), load, chunk=1)
        second = hall.dispatch()
        await turn()
        assert hall.held() == [[load], [second]]

    work(body)


def test_a_worker_that_stays_silent_is_ended_whatever_its_cells_say() -> None:
    async def body() -> None:
        hall = Hall()
        seq = hall.dispatch(timeout_s=1.0)
        await turn()
        hall.at(0, 0)
        now_ns = time.monotonic_ns()
        hall.pool.watch(now_ns + int(2.9e9))
        assert not hall.processes[0].killed
        hall.pool.watch(now_ns + int(3.2e9))
        assert hall.processes[0].killed
        hall.lost[0]()
        assert hall.answers[seq] == [Lost("timed_out", "last words")]

    work(body)


def test_a_task_before_which_workers_keep_dying_is_lost_in_the_end() -> None:
    async def body() -> None:
        hall = Hall(workers_max=1)
        seq = hall.dispatch()
        for index in range(pools.MOVES_MAX + 1):
            await turn()
            assert hall.answers[seq] == []
            hall.lost[index]()
        assert hall.answers[seq] == [Lost("crashed", "last words")]

    work(body)


def test_a_worker_that_was_lost_before_it_was_adopted_gets_nothing() -> None:
    async def body() -> None:
        hall = Hall()
        link = linked(Process(), hall.messages.append, lambda: None)
        link.is_lost = True
        hall.pool.adopt(link)
        assert hall.held() == []

    work(body)


def test_a_worker_that_rests_is_exchanged_for_a_fresh_one_once() -> None:
    async def body() -> None:
        hall = Hall(workers_max=1, fresh=True, rest_s=2.0)
        seq = hall.dispatch()
        await turn()
        hall.finish(hall.pool.workers[0], seq)
        now_ns = time.monotonic_ns()
        hall.pool.watch(now_ns + int(1e9))
        await turn()
        assert len(hall.processes) == 1
        hall.pool.watch(now_ns + int(3e9))
        await turn()
        assert (len(hall.processes), len(hall.held())) == (2, 1)
        assert hall.pool.workers[0].link.process is cast("WorkerProcess", hall.processes[1])
        hall.pool.watch(now_ns + int(9e9))
        await turn()
        assert len(hall.processes) == 2
        later = hall.dispatch()
        assert hall.held() == [[later]]
        hall.finish(hall.pool.workers[0], later)
        hall.pool.watch(time.monotonic_ns() + int(3e9))
        await turn()
        assert (len(hall.processes), len(hall.held())) == (3, 1)

    work(body)


def test_a_worker_that_gets_a_task_while_its_successor_starts_stays() -> None:
    async def body() -> None:
        hall = Hall(workers_max=1, fresh=True, rest_s=2.0)
        seq = hall.dispatch()
        await turn()
        hall.finish(hall.pool.workers[0], seq)
        hall.pool.watch(time.monotonic_ns() + int(3e9))
        later = hall.dispatch()
        await turn()
        assert [later] in hall.held()
        assert len(hall.held()) == 2

    work(body)


def test_a_worker_that_comes_when_the_pool_has_ended_is_let_go() -> None:
    async def body() -> None:
        hall = Hall(workers_max=1, fresh=True, rest_s=2.0)
        seq = hall.dispatch()
        await turn()
        hall.finish(hall.pool.workers[0], seq)
        hall.pool.watch(time.monotonic_ns() + int(3e9))
        await hall.pool.drain()
        await turn()
        assert len(hall.held()) == 1

    work(body)


def test_a_pool_looks_at_its_workers_often_while_a_task_is_out_and_else_when_one_has_rested() -> None:
    async def body() -> None:
        hall = Hall(idle_s=60.0, fresh=True, rest_s=10.0)
        assert hall.pool.due_s(0) is None
        seq = hall.dispatch()
        await turn()
        (worker,) = hall.pool.workers
        assert hall.pool.due_s(worker.idle_since) == pools.WATCH_S
        hall.finish(worker, seq)
        assert hall.pool.due_s(worker.idle_since + 4) == pytest.approx(6)
        assert hall.pool.due_s(worker.idle_since + 99) == pools.WATCH_S
        worker.is_fresh = True
        assert hall.pool.due_s(worker.idle_since + 4) == pytest.approx(56)

    work(body)


def test_a_task_that_hangs_while_its_pool_is_drained_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "WATCH_S", 0.0)

    async def body() -> None:
        hall = Hall()
        seq = hall.dispatch(timeout_s=0.0)
        await turn()
        hall.at(0, seq, since_ns=1)
        draining = asyncio.create_task(hall.pool.drain())
        while not hall.processes[0].killed:
            await asyncio.sleep(0)
        hall.lost[0]()
        await draining
        assert hall.answers[seq] == [Lost("timed_out", "last words")]
        assert hall.pool.due_s(0) is None

    work(body)
