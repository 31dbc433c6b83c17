"""Takes runs from a trigger to their commit.

Flow: `start` gives the run's task to the revision's pool → the worker's `Done` becomes one commit set (records, events,
state, positions, the run's entry) → the outcome of the commit answers whoever waits. A run that must survive before it
is done (asynchronous, or waiting for a retry) is kept in the journal until its last commit.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from hansa.errors import CallerError, HansaError, Unavailable
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Advance, CommitSet, Committed, Outcome, Refused
from hansa.model.run import RunEntry, RunError, RunState
from hansa.runtime import wire
from hansa.runtime.decide import Ending, after_attempt
from hansa.runtime.entries import (
    answer_of,
    append_of,
    chunk_entry,
    claims_of,
    dead_letters,
    earlier_run,
    effects_of,
    entry_of,
    lost,
    refusal,
    state_puts,
)
from hansa.runtime.job import Job, Lost, Worker
from hansa.runtime.journal import Journal, ignore
from hansa.runtime.live import LiveProcess, LiveProduct
from hansa.runtime.run import Answer, Run
from hansa.runtime.tally import RunTally
from hansa.runtime.tracing import Traces
from hansa.runtime.versions import keeps_step, passes

DEPTH_MAX: Final = 16
STORE_PAUSE_S: Final = 1.0
"""After which a run that was accepted is tried again where the disk was full."""

FENCED_PAUSE_S: Final = 0.1
NOT_WHOLE: Final = Refused("revision.superseded", "What it made is not for all versions of a port")

_report = logging.getLogger("hansa.runtime")
_encode: Final = msgspec.msgpack.Encoder().encode


class Engine:
    """The runs of this server. Belongs to one event loop. `ask(run, ask)` answers what workers ask for; `node` is what
    the server is called among those that share its log."""

    def __init__(
        self, log: AwaitableLog, ask: Callable[[Run, wire.Ask], Any], node: str = "", traces: Traces | None = None
    ) -> None:
        self.log = log
        self._node = node
        self._journal = Journal(log, node)
        self._find: Callable[[str, str], LiveProcess | None] = lambda *_: None
        self._ask = ask
        self.active: dict[str, Run] = {}
        self._accepting: set[str] = set()
        """Runs that may stand in the log already, and are not active yet."""
        self.tally = RunTally()
        self.traces = traces or Traces()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    # Starting

    def start(self, run: Run) -> None:
        """Gives the run to a worker, now or when its process has room. Raises `Unavailable` where it cannot be
        taken."""
        if self._closing:
            raise Unavailable("server.stopping", "Hansa is stopping", hint="Call again when it is back.")
        if run.span is None:
            self.traces.begin(run)
        self.active[run.id] = run
        live = run.live
        limit = live.spec.concurrency
        if limit is not None and live.running >= limit:
            live.waiting.append(run)
            return
        self._dispatch(run)

    async def accept(self, run: Run, advances: tuple[Advance, ...] = ()) -> Answer | None:
        """Makes the run durable before it is worked: on return it will be done, whatever happens. Where its idempotency
        key was used before, nothing is started and the id of the earlier run is in the answer. `advances` move with the
        acceptance; where one is refused, nothing is started and `CallerError("position.moved")` raised."""
        self.traces.begin(run)
        entry = entry_of(run, RunState.ACCEPTED)
        run.noted = True
        puts, claims = self._journal.keep(run, entry)
        commit = CommitSet(appends=(append_of(entry),), advances=advances, puts=puts, claims=claims)
        self._accepting.add(run.id)
        try:
            await self.log.commit(commit, partial(self._accepted, run))
        except CallerError as refused:
            if refused.code != "claim.taken":
                raise
            return earlier_run(refused.details["value"])
        return None

    def _accepted(self, run: Run, outcome: Outcome) -> None:
        """Begins a run that stands in the log, whether who asked for it waits on or not. Where it is not known to
        stand, it is worked, and its commit is refused where it does not."""
        self._accepting.discard(run.id)
        if isinstance(outcome, Committed) or (isinstance(outcome, Unavailable) and outcome.code == "log.unknown"):
            self._try(run, self.start)

    def _dispatch(self, run: Run) -> None:
        live = run.live
        live.running += 1
        run.started_us = time.time_ns() // 1000
        pool = live.product.pool
        run.seq = pool.next_seq()
        task = wire.Task(
            run.seq, live.spec.name, run.id, run.attempt, run.principal, run.source, run.records, run.journalled,
            run.position, run.at, run.only, run.replay_of,
        )  # fmt: skip
        run.job = Job(
            task,
            live.spec.timeout_s,
            live.rights.breach,
            lambda d: self._done(run, d),
            lambda w, m: self._said(run, w, m),
        )
        try:
            pool.dispatch(run.job)
        except HansaError:
            live.running -= 1
            self.active.pop(run.id, None)
            raise

    def _leave(self, run: Run) -> None:
        """The run is with no worker any more: who waits for room comes next."""
        live = run.live
        live.running -= 1
        while live.waiting and (live.spec.concurrency is None or live.running < live.spec.concurrency):
            self._try(live.waiting.popleft(), self._dispatch)

    # While it runs

    def _said(self, run: Run, worker: Worker, message: Any) -> None:
        if isinstance(message, wire.Ask):
            self._spawn(self._answer(run, worker, message))
        elif isinstance(message, wire.StepDone):
            self._journal.step(run, message)
        elif isinstance(message, wire.Done):
            self._chunk(run, worker, message)

    async def _answer(self, run: Run, worker: Worker, ask: wire.Ask) -> None:
        waits = ask.what == "call"
        pool = run.live.product.pool
        try:
            if waits:
                pool.block(worker, is_blocked=True)
            if run.journalled and ask.what in ("call", "connection"):
                await self.log.commit(CommitSet())  # in order: what was journalled before it is on disk now
            value = await self._ask(run, ask)
            answer = wire.Answer(ask.number, _encode(value))
        except HansaError as error:
            details = error.details or None
            answer = wire.Answer(ask.number, b"", RunError(error.code, error.message, hint=error.hint, details=details))
        except Exception as failure:
            _report.exception("%s asked for %s", run.id, ask.what, extra=run.about)
            answer = wire.Answer(ask.number, b"", RunError("hansa.internal", f"{type(failure).__name__}: {failure}"))
        if waits:
            pool.block(worker, is_blocked=False)
        worker.answer(answer)

    def _chunk(self, run: Run, worker: Worker, done: wire.Done) -> None:
        """One chunk of a long load: a child run with its own commit; the worker goes on when it is committed."""
        if not run.dry and not self._is_whole(run, done):
            run.note_refusal(NOT_WHOLE)
            worker.link.send(wire.Answer(-1, b"", refusal(NOT_WHOLE)))
            return
        child = chunk_entry(run, done)
        letters = dead_letters(run, done, child.id)
        appends = (*effects_of(run, done, child.id), *map(append_of, letters), append_of(child))
        commit = CommitSet(appends[-1:]) if run.dry else self._journal.chunk(run, done, appends)

        def tell(outcome: Outcome) -> None:
            run.note_refusal(outcome)
            error = None if isinstance(outcome, Committed) else refusal(outcome)
            if error is None:
                self.tally.checked(child.checks)
            worker.answer(wire.Answer(-1, b"", error))

        self.log.submit(commit, tell)

    # Ending

    def _done(self, run: Run, done: wire.Done | Lost) -> None:
        try:
            self._leave(run)
            if run.refusal is not None:
                self._end(run, entry_of(run, RunState.FAILED), run.refusal)
                return
            ending: Ending
            if isinstance(done, Lost):
                ending = "cancelled" if run.cancelled else done.reason  # type: ignore[assignment]
                done = lost(run, done)
            else:
                ending = "succeeded" if done.state == "succeeded" else "failed"
            if run.span is not None:
                self.traces.attempted(run, done)
            following = after_attempt(ending, run.attempt, run.retry, can_retry=done.retry and not run.dry)
            if following.retry_s is not None:
                self._retry(run, done, following.retry_s)
            else:
                self._finish(run, done, following.state, following.dead and not run.dry)
        except Exception:
            _report.exception("run %s could not be ended", run.id, extra=run.about)

    def _retry(self, run: Run, done: wire.Done, delay_s: float) -> None:
        """Another attempt after `delay_s`, which survives a restart; the attempt that failed stays in the history."""
        entry = entry_of(run, RunState.ACCEPTED, done)
        run.attempt += 1
        self.tally.retries += 1
        due_us = time.time_ns() // 1000 + int(delay_s * 1e6)

        def tell(outcome: Outcome) -> None:
            if isinstance(outcome, Committed):
                self._later(run, 0.0 if run.cancelled else delay_s)
            else:
                self._end(run, entry, outcome)

        self.log.submit(self._journal.wait(run, entry, due_us), tell)

    def _later(self, run: Run, delay_s: float) -> None:
        self._timers[run.id] = asyncio.get_running_loop().call_later(delay_s, self._again, run)

    def _again(self, run: Run) -> None:
        """Another attempt, in what is served now."""
        self._timers.pop(run.id, None)
        served = self._find(run.live.product.id, run.live.spec.name)
        if served is None and run.live.product.barred:
            self._end(run, entry_of(run, RunState.FAILED), _gone(run.live))
            return
        run.live = served or run.live
        if run.cancelled:
            self._cancelled(run)
        else:
            self._try(run, self.start)

    def _try(self, run: Run, start: Callable[[Run], None]) -> None:
        """Starts a run that was taken already: where there is no room for it now, it waits on."""
        try:
            start(run)
        except HansaError as refused:
            _report.warning("run %s waits on: %s", run.id, refused, extra=run.about)
            if not self._closing:
                self.active[run.id] = run
                self._later(run, STORE_PAUSE_S)

    def _cancelled(self, run: Run) -> None:
        """Ends a run that no worker has."""
        self.active[run.id] = run
        run.live.running += 1
        self._done(run, Lost("cancelled", "before it began"))

    def _finish(self, run: Run, done: wire.Done, state: RunState, dead: bool) -> None:
        entry = entry_of(run, state, done, dead=dead)
        succeeded = state is RunState.SUCCEEDED
        takes_effect = succeeded and not run.dry
        if takes_effect and not self._is_whole(run, done):
            self._end(run, entry, NOT_WHOLE)
            return
        letters = dead_letters(run, done, run.id) if takes_effect else []
        effects = effects_of(run, done, run.id) if takes_effect else []
        appends = (*effects, *map(append_of, letters), append_of(entry))
        puts = state_puts(run, done) if takes_effect else ()
        puts += self._journal.cleared(run)
        claims = claims_of(run) if succeeded else ()
        if succeeded and run.settles is not None:
            appends, claims = (*run.settles.appends, *appends), (*run.settles.claims, *claims)
        commit = CommitSet(appends=appends, advances=run.advances, puts=puts, claims=claims, fence=run.fence)
        if run.live.spec.durability == "none" and not run.durable:
            self.log.submit(commit, ignore)
            self._end(run, entry, Committed((), ""))
            return
        self.log.submit(commit, lambda outcome: self._end(run, entry, outcome))
        if run.leaving is not None and not puts:
            run.leaving()

    def _end(self, run: Run, entry: RunEntry, outcome: Outcome) -> None:
        """The commit came back: the run is over and who waits is told, or it is tried again."""
        self.active.pop(run.id, None)
        if run.refusal is not None and not isinstance(outcome, Committed):
            outcome, run.refusal = run.refusal, None
        if outcome is NOT_WHOLE and self._renewed(run):
            return
        if isinstance(outcome, Refused) and outcome.code == "state.moved":
            stood = run.durable
            if not self._journal.rewind(run) and stood:  # another node took it for lost, and has ended it
                _answer_with(run, earlier_run(run.id.encode()))
            else:
                self._again(run)
            return
        if isinstance(outcome, Refused) and outcome.code == "epoch.fenced":
            run.live.product.is_fenced = True
            self._journal.rewind(run, steps=False)
            self.active[run.id] = run
            self._later(run, FENCED_PAUSE_S)  # until what is live elsewhere is so here, too
            return
        if isinstance(outcome, Unavailable) and outcome.code != "log.stopped" and self._journal.rewind(run):
            self.active[run.id] = run
            self._later(run, STORE_PAUSE_S)
            return
        if type(outcome) is Committed:
            run.live.tally(self.tally).ended(entry)
            if entry.checks:
                self.tally.checked(entry.checks)
        if run.span is not None:
            self.traces.ended(run, entry, outcome)
        _answer_with(run, answer_of(run, entry, outcome))

    # Versions

    def _is_whole(self, run: Run, done: wire.Done) -> bool:
        """Whether what it made is for all versions of its ports, and may be committed."""
        product = run.live.product
        return not done.effects or (passes(done.effects, product.barred) and keeps_step(done.effects, product.windows))

    def _renewed(self, run: Run) -> bool:
        """Has the run begin anew, without what it has journalled, in the revision that knows all versions; False where
        it has in this one already."""
        product = run.live.product
        if not product.barred and run.renewed == product.revision:
            return False
        run.renewed = "" if product.barred else product.revision
        self._journal.rewind(run, steps=False)
        self.active[run.id] = run
        if product.barred and not self._is_replaced(run.live):
            product.held.append(run)
        else:
            self._again(run)
        return True

    def _is_replaced(self, live: LiveProcess) -> bool:
        return self._find(live.product.id, live.spec.name) is not live

    def release(self, product: LiveProduct, *, replaced: bool) -> None:
        """The runs that were held at the bar of `product` begin anew, in what is served now. Where another revision has
        taken its place, the bar stays."""
        held, product.held = product.held, []
        if not replaced:
            product.barred = frozenset()
        for run in held:
            self._again(run)

    def used(self, run_id: str, logic: str, connection: str, operation: str, target: str) -> None:
        """A run's logic called the outside; it stands in the run's history, whether the call failed or not."""
        run = self.active.get(run_id)
        if run is not None:
            run.uses = (*run.uses, (logic, connection, operation, target))

    # Cancelling, recovering, closing

    def cancel(self, run_id: str) -> bool:
        """Ends a run that is active here; False where it is not."""
        run = self.active.get(run_id)
        if run is None:
            return False
        run.cancelled = True
        timer = self._timers.pop(run_id, None)
        if timer is not None:
            timer.cancel()
            self._cancelled(run)
        elif run in run.live.waiting:
            run.live.waiting.remove(run)
            self._cancelled(run)
        else:
            run.live.product.pool.cancel(run.seq)
        return True

    async def give_up(self, run_id: str) -> None:
        """Ends a run that stands unfinished in the log and is not active here, as its process is not served. Does
        nothing where there is none."""
        given_up = self._journal.given_up(run_id)
        if given_up is not None:
            await self.log.commit(given_up)

    def take_up(self, live: LiveProcess, group: str, topic: str, partition: int) -> tuple[Run, float] | None:
        """The run of a subscription that waits for its next attempt here, or was not over when Hansa ended, and in how
        many seconds it is due: for the subscription to go on with (`go_on`), or to give up. None where there is none,
        or a worker is at it."""
        found = self._journal.of_subscription(group, topic, partition)
        if found is None:
            return None
        run_id, value, pending = found
        due_s = max(pending.due_us / 1e6 - time.time(), 0.0)
        timer = self._timers.pop(run_id, None)
        if timer is not None:
            timer.cancel()
            return self.active.pop(run_id), due_s
        return None if run_id in self.active else (self._journal.restored(run_id, value, pending, live), due_s)

    def go_on(self, run: Run, due_s: float) -> None:
        """Has a run that was taken up tried again when it is due."""
        self.active[run.id] = run
        self._later(run, due_s)

    def recover(
        self,
        find: Callable[[str, str], LiveProcess | None],
        follows: Callable[[str, str], bool] = lambda *_: False,
        is_lost: Callable[[str], bool] | None = None,
    ) -> int:
        """Starts what stands unfinished in the log and nobody is at, of this node, everybody's where it is alone, or of
        nodes that are lost (`is_lost`), each when it is due; returns how many. From now on a run that is tried again is
        so in the revision that `find` gives."""
        self._find = find
        runs = self._journal.unfinished(find, follows, self.active.keys() | self._accepting, is_lost or self._was_here)
        for run, due_us in runs:
            self.active[run.id] = run
            self._later(run, max(due_us / 1e6 - time.time(), 0.0))
        return len(runs)

    def _was_here(self, node: str) -> bool:
        """True for this server, in this start or an earlier one: its name stands before what each start is called. One
        that is alone is the next start of whoever was here."""
        own, name = self._node.partition(" ")[0], node.partition(" ")[0]
        return not own or name == own

    async def close(self, grace_s: float) -> None:
        """Takes no more runs and waits at most `grace_s` for those that are with a worker."""
        self._closing = True
        for timer in self._timers.values():
            timer.cancel()
        end = time.monotonic() + grace_s
        while any(run_id not in self._timers for run_id in self.active) and time.monotonic() < end:
            await asyncio.sleep(0.01)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _answer_with(run: Run, answer: Answer) -> None:
    if not run.answered:
        run.answered = True
        run.tell(answer)


def _gone(live: LiveProcess) -> CallerError:
    return CallerError(
        "process.unknown", f"{live.product.id} has no process {live.spec.name} any more", hint="Call another one."
    )
