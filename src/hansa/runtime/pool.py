"""The workers of one revision: how many there are, which one a task goes to, what a death costs.

A task is answered exactly once: by its own `Done`, or by `Lost` when the task itself ended its worker (it crashed,
hung or was cancelled). The others that it had go to another worker, as far as their jobs' tasks say that they came.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from hansa.errors import HansaError, InternalError, Unavailable
from hansa.runtime import wire
from hansa.runtime.job import Job, Lost, Worker
from hansa.runtime.link import Link

PIPELINE_MAX: Final = 64
"""Tasks that wait in one worker while runs are short."""
SHORT_S: Final = 0.002
"""Below this mean, tasks are pipelined into a busy worker instead of waiting for a free one."""
LONG_S: Final = 0.02
"""Nothing more is pipelined behind a task that has taken this long already."""
WATCH_S: Final = 0.05
"""How often workers that are at something are looked at."""
MOVES_MAX: Final = 3
"""So often a task that only waited goes to another worker; where workers keep dying in front of it, it is lost."""
SILENCE_S: Final = 1.0
"""A worker that has said no end of a task for twice its time and this long is ended, whatever its cells say."""
QUEUE_MAX: Final = 10_000
REST_S: Final = 30.0
"""So long after its last run is a worker exchanged for a fresh one."""


def _is_long(worker: Worker) -> bool:
    """True where the task that the worker is at has turned out to be a long one, whatever those before it were."""
    seq, since_ns = wire.marked(worker.link.process.cells)
    return seq > 0 and time.monotonic_ns() - since_ns > LONG_S * 1e9


def _ignored(_: wire.Done | Lost) -> None:
    """For a task that was cancelled: its end was told already."""


Fork = Callable[[Callable[[Any], None], Callable[[], None]], Awaitable[tuple[Link, wire.Loaded]]]
"""Gives a worker that has loaded the revision: (on_message, on_lost) → its link and what it said."""


async def _forked(
    fork: Fork, on_message: Callable[[Any], None], on_lost: Callable[[], None]
) -> tuple[Link, wire.Loaded] | HansaError:
    """A worker, or why there is none: whatever keeps it from starting, those who wait for it must be told."""
    try:
        return await fork(on_message, on_lost)
    except HansaError as failure:
        return failure
    except Exception as failure:
        return InternalError("worker.failed", f"No worker could be started: {type(failure).__name__}: {failure}")


class Pool:
    """Dispatches to at most `workers_max` workers. `idle_s`: after that an idle worker leaves. `fresh` and `rest_s`:
    after that an idle worker that is not fresh is exchanged for one that is, as what a process has touched is memory of
    its own."""

    def __init__(
        self,
        fork: Fork,
        *,
        workers_max: int,
        idle_s: float,
        on_failure: Callable[[HansaError], None],
        fresh: Fork | None = None,
        rest_s: float = REST_S,
    ) -> None:
        self._fork = fork
        self._fresh = fresh
        self._rest_s = rest_s
        self._workers_max = workers_max
        self._idle_s = idle_s
        self._on_failure = on_failure
        self._workers: list[Worker] = []
        self._waiting: collections.deque[Job] = collections.deque()
        self._starting = 0
        self._draining = False
        self._drained = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._seq = 0
        self._look: asyncio.TimerHandle | None = None
        self._looks_often = False

    def next_seq(self) -> int:
        """A number for a task, unique in this pool."""
        self._seq += 1
        return self._seq

    @property
    def workers(self) -> list[Worker]:
        return list(self._workers)

    @property
    def waiting(self) -> int:
        """Jobs that no worker has yet."""
        return len(self._waiting)

    def dispatch(self, job: Job) -> None:
        """Gives the job to a worker now, or as soon as there is one. Raises `Unavailable`: `run.queue_full`, or
        `revision.replaced` where the pool has ended."""
        if self._drained.is_set():
            raise Unavailable("revision.replaced", "This revision is served no more", hint="Try again in a moment.")
        worker = self._choose()
        if worker is not None:
            self._give(worker, job)
            return
        if len(self._waiting) >= QUEUE_MAX:
            raise Unavailable(
                "run.queue_full", f"{QUEUE_MAX} runs wait for a worker", hint="Try again later, or raise workers_max."
            )
        self._waiting.append(job)
        self._start_if_useful()

    def cancel(self, seq: int) -> bool:
        """Ends a job: takes it from the queue, or ends the worker that is at it. False where it is not here."""
        for job in self._waiting:
            if job.task.seq == seq:
                self._waiting.remove(job)
                job.on_done(Lost("cancelled", "before it began"))
                self._check_drained()
                return True
        for worker in self._workers:
            if seq in worker.jobs and worker.jobs[seq].on_done is not _ignored:
                if wire.marked(worker.link.process.cells)[0] == seq:
                    self._end(worker, seq, "cancelled")
                else:
                    job = worker.jobs[seq]
                    worker.jobs[seq] = dataclasses.replace(
                        job, on_done=_ignored
                    )  # it may begin yet; nobody wants its end
                    job.on_done(Lost("cancelled", "before it began"))
                return True
        return False

    def block(self, worker: Worker, *, is_blocked: bool) -> None:
        """The worker's task begins, or ends, to wait for another process."""
        worker.calls += 1 if is_blocked else -1
        if not worker.calls:
            self._hand_out()
        elif self._waiting:
            self._start_if_useful()

    async def drain(self) -> None:
        """Takes no more jobs, waits for those it has, and ends the workers."""
        self._draining = True
        self._check_drained()
        await self._drained.wait()
        self._look_in(None)
        for worker in self._workers:
            worker.link.close()

    def keep_workers(self) -> None:
        """None is exchanged for a fresh one when it rests: they have made what would have to be made anew."""
        self._fresh = None

    def _look_in(self, after_s: float | None) -> None:
        """Has `watch` called then, and at no other time; None is never."""
        if self._look is not None:
            self._look.cancel()
        self._looks_often = after_s is not None and after_s <= WATCH_S
        self._look = None if after_s is None else asyncio.get_running_loop().call_later(after_s, self._watched)

    def _watched(self) -> None:
        self.watch(time.monotonic_ns())
        self._look_in(self.due_s(time.monotonic()))

    def due_s(self, now: float) -> float | None:
        """In how many seconds there is something to look at again: soon while a task is out, else when a worker has
        rested or been idle for long enough, until when workers cost nothing; None where there are none. Pure."""
        if any(worker.jobs for worker in self._workers):
            return WATCH_S
        ends = [worker.idle_since + self._patience_s(worker) for worker in self._workers]
        return max(min(ends) - now, WATCH_S) if ends else None

    def _patience_s(self, worker: Worker) -> float:
        return self._idle_s if self._fresh is None or worker.is_fresh else min(self._idle_s, self._rest_s)

    def watch(self, now_ns: int) -> None:
        """Ends workers whose task is over its time, and those that have been idle too long."""
        for worker in list(self._workers):
            seq, since_ns = wire.marked(worker.link.process.cells)
            job = worker.jobs.get(seq)
            if job is not None and worker.ending is None and now_ns - since_ns > job.timeout_s * 1e9:
                self._end(worker, seq, "timed_out")
            elif worker.jobs and worker.ending is None and self._is_silent(worker, now_ns / 1e9):
                self._end(worker, next(iter(worker.jobs)), "timed_out")
            elif not worker.jobs and not self._waiting and now_ns / 1e9 - worker.idle_since > self._idle_s:
                self._workers.remove(worker)
                worker.link.close()
            elif self._fresh is not None and self._rests(worker, now_ns / 1e9):
                self._begin(self._exchange(worker, self._fresh))

    def _rests(self, worker: Worker, now: float) -> bool:
        is_idle = not worker.jobs and not worker.is_fresh and now - worker.idle_since > self._rest_s
        return is_idle and not self._waiting and not self._starting and not self._draining

    async def _exchange(self, worker: Worker, fresh: Fork) -> None:
        """Another worker takes the place of one that rests, unless that has been given a task meanwhile."""
        found = await self._started(fresh)
        if found is None:
            worker.is_fresh = True  # there is no other now; that is no reason to ask again and again
            return
        found.is_fresh = not found.jobs
        found.idle_since = worker.idle_since
        if worker in self._workers and not worker.jobs:
            self._workers.remove(worker)
            worker.link.close()

    def adopt(self, link: Link) -> Worker:
        """Adds a worker that has loaded the revision."""
        worker = Worker(link, idle_since=time.monotonic())
        if link.is_lost:
            return worker
        self._workers.append(worker)
        if not self._looks_often:
            self._look_in(self.due_s(worker.idle_since))
        while self._waiting and self._has_room(worker):
            self._give(worker, self._waiting.popleft())
        return worker

    # Dispatch

    def _choose(self) -> Worker | None:
        best: Worker | None = None
        for worker in self._workers:
            if worker.takes_tasks and (best is None or len(worker.jobs) < len(best.jobs)):
                best = worker
        if best is None or self._has_room(best):
            return best
        self._start_if_useful()
        return None

    def _has_room(self, worker: Worker) -> bool:
        if not worker.takes_tasks:
            return False
        return not worker.jobs or (worker.mean_s < SHORT_S and len(worker.jobs) < PIPELINE_MAX and not _is_long(worker))

    def _give(self, worker: Worker, job: Job) -> None:
        worker.is_fresh = False
        if not worker.jobs:
            worker.heard_at = time.monotonic()
        worker.jobs[job.task.seq] = job
        worker.link.send(job.task)
        if not self._looks_often:
            self._look_in(WATCH_S)

    def _start_if_useful(self) -> None:
        """Another worker, where runs are long enough that two work faster than one, or where there is none."""
        taking = [worker for worker in self._workers if worker.takes_tasks]
        if len(taking) >= self._workers_max or self._starting:
            return
        if taking and not self._waiting and all(worker.mean_s < SHORT_S for worker in taking):
            return
        self._begin(self._start())

    def _begin(self, start: Coroutine[Any, Any, None]) -> None:
        self._starting += 1
        task = asyncio.get_running_loop().create_task(start)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self) -> None:
        if await self._started(self._fork) is not None:
            self._hand_out()

    async def _started(self, fork: Fork) -> Worker | None:
        """One more worker of the pool; None where there is none, or the pool has ended meanwhile."""
        holder: list[Worker] = []
        found = await _forked(
            fork, lambda message: self.heard(holder[0], message) if holder else None, lambda: self.lost(holder)
        )
        self._starting -= 1
        if isinstance(found, HansaError):
            self._give_up(found)
            return None
        link, _ = found
        if self._drained.is_set():
            link.close()
            return None
        holder.append(self.adopt(link))
        return holder[0]

    def _give_up(self, failure: HansaError) -> None:
        """No worker can be started: whoever waits with none alive is told."""
        self._on_failure(failure)
        if self._workers:
            return
        waiting, self._waiting = self._waiting, collections.deque()
        for job in waiting:
            job.on_done(Lost("crashed", str(failure)))

    def _hand_out(self) -> None:
        while self._waiting:
            worker = self._choose()
            if worker is None:
                return
            self._give(worker, self._waiting.popleft())

    # What workers say

    def heard(self, worker: Worker, message: Any) -> None:
        """A message of one of its workers."""
        job = worker.jobs.get(message.seq)
        if job is None or worker.fault:
            return
        is_end = isinstance(message, wire.Done) and message.chunk is None
        wrong = job.breach(job.task, message) or (None if is_end else worker.meter.breach(message, time.monotonic()))
        worker.fault = wrong or ""
        if worker.fault:
            self._end(worker, message.seq, "overstepped")
            return
        if isinstance(message, wire.Done):
            worker.heard_at = time.monotonic()
        if not is_end:
            if isinstance(message, wire.Done):
                worker.mean_s = max(worker.mean_s, SHORT_S)  # it is at a load: nobody should wait behind it
            job.on_message(worker, message)
            return
        del worker.jobs[message.seq]
        worker.mean_s += 0.2 * (message.duration_us / 1e6 - worker.mean_s)
        if not worker.jobs:
            worker.idle_since = time.monotonic()
        job.on_done(message)
        if self._waiting:
            self._hand_out()
        if self._draining:
            self._check_drained()

    def _end(self, worker: Worker, seq: int, why: str) -> None:
        worker.ending, worker.culprit = why, seq
        worker.link.process.kill()

    def lost(self, holder: list[Worker]) -> None:
        """A worker has gone; `holder` is empty where it never was one of the pool's."""
        if not holder or holder[0] not in self._workers:
            return
        worker = holder[0]
        self._workers.remove(worker)
        culprit = worker.culprit or wire.marked(worker.link.process.cells)[0]
        jobs, worker.jobs = worker.jobs, {}
        if worker.link.fault and culprit not in jobs:
            culprit = next(iter(jobs), 0)
        lost = {seq for seq, job in jobs.items() if seq == culprit or job.moves >= MOVES_MAX}
        for seq, job in reversed(jobs.items()):
            job.moves += 1
            if seq not in lost:
                self._waiting.appendleft(job)
        for seq in lost:
            jobs[seq].on_done(self._loss(worker))
        if self._waiting:
            self._hand_out()
            self._start_if_useful()
        self._check_drained()

    def _is_silent(self, worker: Worker, now: float) -> bool:
        """The cells are the worker's to write: what it is at may not be what they say. The server's own clock is the
        limit behind them; it is wider, as ends of short tasks are gathered."""
        timeout_s = next(iter(worker.jobs.values())).timeout_s
        return now - worker.heard_at > 2 * timeout_s + SILENCE_S

    def _loss(self, worker: Worker) -> Lost:
        fault = worker.fault or worker.link.fault
        if fault and worker.ending in (None, "overstepped"):
            return Lost("overstepped", fault)
        return Lost(worker.ending or "crashed", worker.link.process.stderr_tail())

    def _check_drained(self) -> None:
        if self._draining and not self._waiting and not any(worker.jobs for worker in self._workers):
            self._drained.set()
