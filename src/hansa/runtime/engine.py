"""Takes runs from a trigger to their commit.

Flow: `start` makes a run and gives its task to the revision's pool → the worker's `Done` becomes one commit set
(records,
events, state, positions, the run's entry) → the outcome of the commit answers whoever waits. A run that must survive
before it is done (asynchronous, or waiting for a retry) stands in the state scope `_pending` until its last commit.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from hansa.errors import CallerError, HansaError, Unavailable
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Advance, Append, Claim, CommitSet, Committed, Outcome, Put, Refused
from hansa.model.ids import subject_name
from hansa.model.product import RetryPolicy
from hansa.model.run import RUNS_TOPIC, LogicRun, RunEntry, RunError, RunState, new_run_id
from hansa.runtime import wire
from hansa.runtime.decide import Ending, after_attempt, before_state
from hansa.runtime.live import LiveProcess
from hansa.runtime.pool import Job, Lost, Worker

PENDING: Final = "_pending"
STEPS: Final = "_steps"
CHUNKS: Final = "_chunks"
IDEMPOTENCY_S: Final = 24 * 3600
DEPTH_MAX: Final = 16
STORE_PAUSE_S: Final = 1.0
"""After which a run that was accepted is tried again where the disk was full."""

_report = logging.getLogger("hansa.runtime")
_encode: Final = msgspec.msgpack.Encoder().encode
_NOTHING: Final[dict[Any, Any]] = {}
"""Shared by all that have none; never written to."""
_STATES: Final = {state.value: state for state in RunState}
_decode_reached: Final = msgspec.msgpack.Decoder(tuple[int, bytes | None]).decode


class Answer(msgspec.Struct, frozen=True):
    """How a run ended, for whoever waits: the result as it goes over the wire, and the run's id and state."""

    run: str
    state: RunState
    status: int
    result: bytes
    content_type: str
    headers: dict[str, str] | None = None
    error: RunError | None = None
    token: str = ""
    accepted_us: int = 0
    finished_us: int = 0


class Pending(msgspec.Struct, array_like=True, frozen=True):
    """What is needed to start an unfinished run again: its entry so far, and when its next attempt is due."""

    entry: RunEntry
    due_us: int
    advances: list[tuple[str, str, int, int, int]] = []
    claimed: bool = False


class Run:
    """A run that this server is at. What most runs have none of stands in the class."""

    started_us = 0
    attempt = 1
    detail: Mapping[str, Any] = _NOTHING
    records: Sequence[wire.Records] = ()
    reads: Sequence[tuple[str, int, int, int]] = ()
    advances: tuple[Advance, ...] = ()
    fence: tuple[str, int] | None = None
    idempotency_key: str | None = None
    parent: str | None = None
    trace: str | None = None
    replay_of: str | None = None
    journalled: Mapping[int, bytes] = _NOTHING
    position: bytes | None = None
    at: Mapping[str, int] = _NOTHING
    uses: tuple[tuple[str, str, str, str], ...] = ()
    only: str | None = None
    dry = False
    noted = False
    """True once its payload stands in an entry of its history."""
    job: Job | None = None
    """What the pool has of it."""
    pending: bytes | None = None
    """What stands in `_pending` for it once something of it must survive."""
    reached: bytes | None = None
    """What stands in `_chunks` for it: its number of chunks, and the position of the last."""
    refusal: Outcome | None = None
    """What became of a chunk or a step that was not committed: the attempt ends with it."""
    claimed = False
    """True once its idempotency key was taken for it."""
    cancelled = False
    answered = False
    children = 0
    depth = 0
    seq = 0

    def __init__(
        self, live: LiveProcess, kind: str, source: bytes, principal: str, tell: Callable[[Answer], None]
    ) -> None:
        self.id = new_run_id()
        self.live = live
        self.kind = kind
        self.source = source
        self.principal = principal
        self.tell = tell
        self.accepted_us = time.time_ns() // 1000
        self.retry: RetryPolicy = live.spec.retry

    @property
    def durable(self) -> bool:
        """True once the run goes on by itself after a crash."""
        return self.pending is not None


class Engine:
    """The runs of this server. Belongs to one event loop. `ask(run, ask)` answers what workers ask for."""

    def __init__(self, log: AwaitableLog, ask: Callable[[Run, wire.Ask], Any]) -> None:
        self.log = log
        self._ask = ask
        self.active: dict[str, Run] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    # Starting

    def start(self, run: Run) -> None:
        """Gives the run to a worker, now or when its process has room. Raises `Unavailable` where it cannot be
        taken."""
        if self._closing:
            raise Unavailable("server.stopping", "Hansa is stopping", hint="Call again when it is back.")
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
        entry = self._entry(run, RunState.ACCEPTED)
        run.noted = True
        puts, claims = self._kept(run, entry)
        commit = CommitSet(appends=(self._run_append(entry),), advances=advances, puts=puts, claims=claims)
        try:
            await self.log.commit(commit)
        except CallerError as refusal:
            if refusal.code != "claim.taken":
                raise
            earlier = refusal.details["value"].decode()
            return Answer(earlier, RunState.ACCEPTED, 202, b"", "", headers={"Idempotent-Replay": "true"})
        self.start(run)
        return None

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
            self._leave(run)
            self.active.pop(run.id, None)
            raise

    def _leave(self, run: Run) -> None:
        """The run is with no worker any more: who waits for room comes next."""
        live = run.live
        live.running -= 1
        while live.waiting and (live.spec.concurrency is None or live.running < live.spec.concurrency):
            self._dispatch(live.waiting.popleft())

    # While it runs

    def _said(self, run: Run, worker: Worker, message: Any) -> None:
        if isinstance(message, wire.Ask):
            self._spawn(self._answer(run, worker, message))
        elif isinstance(message, wire.StepDone):
            self._step(run, message)
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
        except HansaError as refusal:
            details = refusal.details or None
            answer = wire.Answer(
                ask.number, b"", RunError(refusal.code, refusal.message, hint=refusal.hint, details=details)
            )
        except Exception as failure:
            _report.exception("%s asked for %s", run.id, ask.what)
            answer = wire.Answer(ask.number, b"", RunError("hansa.internal", f"{type(failure).__name__}: {failure}"))
        if waits:
            pool.block(worker, is_blocked=False)
        worker.link.send(answer)

    def _kept(self, run: Run, entry: RunEntry | None = None) -> tuple[tuple[Put, ...], tuple[Claim, ...]]:
        """The run's place among the unfinished and its idempotency key, taken with the first thing of it that must
        survive: from then on it goes on by itself, and another call with its key is answered by it."""
        if run.durable:
            return (), ()
        claims = self._claims(run)
        run.claimed = True
        pending = Pending(entry or self._entry(run, RunState.ACCEPTED), 0, _plain(run.advances), claimed=True)
        run.pending = _encode(pending)
        return (Put(PENDING, run.id, run.pending),), claims

    def _step(self, run: Run, done: wire.StepDone) -> None:
        """What a logic did, so that another attempt goes on behind it."""
        run.journalled = {**run.journalled, done.index: done.result}
        self._advance(run, steps=run.journalled)
        puts, claims = self._kept(run)
        put = Put(STEPS, f"{run.id}/{done.index}", done.result)
        self.log.submit(CommitSet(puts=(put, *puts), claims=claims), partial(_note_refusal, run))

    def _chunk(self, run: Run, worker: Worker, done: wire.Done) -> None:
        """One chunk of a long load: a child run with its own commit; the worker goes on when it is committed."""
        child = self._entry(run, RunState.SUCCEEDED, done)
        child = msgspec.structs.replace(child, id=new_run_id(), parent=run.id, payload=b"", trigger="chunk")
        appends = (*self._effects(run, done, child.id), self._run_append(child))
        commit = CommitSet(appends[-1:]) if run.dry else self._chunk_set(run, done, appends)

        def tell(outcome: Outcome) -> None:
            _note_refusal(run, outcome)
            error = None if isinstance(outcome, Committed) else _refusal(outcome)
            worker.link.send(wire.Answer(-1, b"", error))

        self.log.submit(commit, tell)

    def _chunk_set(self, run: Run, done: wire.Done, appends: tuple[Append, ...]) -> CommitSet:
        """What a chunk commits; refused unless the one before it is committed."""
        puts, claims = self._kept(run)
        before, run.children = run.reached, run.children + 1
        run.position = done.position or run.position
        run.reached = _encode((run.children, run.position))
        self._advance(run, position=run.position)
        behind_the_last = Put(CHUNKS, run.id, run.reached, expected=before)
        return CommitSet(
            appends, puts=(*puts, behind_the_last, *self._state_puts(run, done)), claims=claims, fence=run.fence
        )

    def _advance(self, run: Run, **reached: Any) -> None:
        """Where another worker is to go on, should this one be lost before it is told that the run is done."""
        assert run.job is not None
        run.job.task = msgspec.structs.replace(run.job.task, **reached)

    # Ending

    def _done(self, run: Run, done: wire.Done | Lost) -> None:
        try:
            self._leave(run)
            if run.refusal is not None:
                self._end(run, self._entry(run, RunState.FAILED), run.refusal)
                return
            ending: Ending
            if isinstance(done, Lost):
                ending = "cancelled" if run.cancelled else done.reason  # type: ignore[assignment]
                done = _lost(run, done)
            else:
                ending = "succeeded" if done.state == "succeeded" else "failed"
            following = after_attempt(ending, run.attempt, run.retry, can_retry=done.retry and not run.dry)
            if following.retry_s is not None:
                self._retry(run, done, following.retry_s)
            else:
                self._finish(run, done, following.state, following.dead and not run.dry)
        except Exception:
            _report.exception("run %s could not be ended", run.id)

    def _retry(self, run: Run, done: wire.Done, delay_s: float) -> None:
        """Another attempt after `delay_s`, which survives a restart; the attempt that failed stays in the history."""
        entry = self._entry(run, RunState.ACCEPTED, done)
        run.attempt += 1
        due_us = time.time_ns() // 1000 + int(delay_s * 1e6)
        waiting = msgspec.structs.replace(entry, attempt=run.attempt, payload=run.source)
        claims = self._claims(run)
        run.pending = _encode(Pending(waiting, due_us, _plain(run.advances), claimed=True))
        run.noted = run.claimed = True
        put = Put(PENDING, run.id, run.pending)
        loop = asyncio.get_running_loop()

        def tell(outcome: Outcome) -> None:
            if isinstance(outcome, Committed):
                self._timers[run.id] = loop.call_later(delay_s, self._again, run)
            else:
                self._end(run, entry, outcome)

        appends = (self._run_append(entry),)
        self.log.submit(CommitSet(appends=appends, puts=(put,), claims=claims, fence=run.fence), tell)

    def _again(self, run: Run) -> None:
        self._timers.pop(run.id, None)
        try:
            self.start(run)
        except HansaError as refusal:
            _report.warning("run %s waits on: %s", run.id, refusal)

    def _finish(self, run: Run, done: wire.Done, state: RunState, dead: bool) -> None:
        entry = self._entry(run, state, done, dead=dead)
        ok = state is RunState.SUCCEEDED
        appends = (
            (*self._effects(run, done, run.id), self._run_append(entry))
            if ok and not run.dry
            else (self._run_append(entry),)
        )
        puts = self._state_puts(run, done) if ok and not run.dry else ()
        puts += self._cleared(run)
        claims = self._claims(run) if state is RunState.SUCCEEDED else ()
        commit = CommitSet(appends=appends, advances=run.advances, puts=puts, claims=claims, fence=run.fence)
        if run.live.spec.durability == "none" and not run.durable:
            self.log.submit(commit, _ignore)
            self._end(run, entry, Committed((), ""))
            return
        self.log.submit(commit, lambda outcome: self._end(run, entry, outcome))
        if done.refused and ok:
            self._refuse_records(run, done)

    def _cleared(self, run: Run) -> tuple[Put, ...]:
        """Takes a run that is over from among the unfinished, with what was journalled of it. Refused where it does not
        stand there: then another run has its idempotency key."""
        if not run.durable:
            return ()
        chunks = () if run.reached is None else (Put(CHUNKS, run.id, None),)
        stands = Put(PENDING, run.id, None, expected=run.pending)
        return (stands, *(Put(STEPS, f"{run.id}/{i}", None) for i in run.journalled), *chunks)

    def _end(self, run: Run, entry: RunEntry, outcome: Outcome) -> None:
        """The commit came back: the run is over and who waits is told."""
        self.active.pop(run.id, None)
        if run.refusal is not None and not isinstance(outcome, Committed):
            outcome, run.refusal = run.refusal, None
        if isinstance(outcome, Committed):
            answer = Answer(
                run.id, _STATES[entry.state], entry.status, entry.result, _content_type(entry), entry.headers,
                entry.error,
                outcome.token, entry.accepted_us, entry.finished_us,
            )  # fmt: skip
        elif isinstance(outcome, Refused) and outcome.code == "claim.taken" and isinstance(outcome.value, bytes):
            answer = Answer(
                outcome.value.decode(), RunState.ACCEPTED, 202, b"", "", headers={"Idempotent-Replay": "true"}
            )
        elif isinstance(outcome, Refused) and outcome.code == "state.moved":
            self._rewind(run)
            self._again(run)
            return
        elif isinstance(outcome, Unavailable) and outcome.code != "log.stopped" and self._rewind(run):
            self.active[run.id] = run
            self._timers[run.id] = asyncio.get_running_loop().call_later(STORE_PAUSE_S, self._again, run)
            return
        else:
            error = _refusal(outcome)
            answer = Answer(run.id, RunState.FAILED, 503, b"", "", error=error)
        if not run.answered:
            run.answered = True
            run.tell(answer)

    def _rewind(self, run: Run) -> bool:
        """Back to what stands in the log, less the steps that knew a state that may have moved; False where nothing
        does."""
        run.pending = self.log.log.get(PENDING, run.id)
        if not run.durable:
            run.claimed = run.noted = False
        sound = before_state(run.journalled)
        gone = [Put(STEPS, f"{run.id}/{index}", None) for index in run.journalled.keys() - sound.keys()]
        if gone:
            self.log.submit(CommitSet(puts=tuple(gone)), _ignore)
        run.journalled = sound
        self._behind_chunks(run)
        return run.durable

    def _behind_chunks(self, run: Run) -> None:
        """The run goes on behind the last chunk that was committed."""
        run.reached = self.log.log.get(CHUNKS, run.id)
        run.children, run.position = (0, None) if run.reached is None else _decode_reached(run.reached)

    def _refuse_records(self, run: Run, done: wire.Done) -> None:
        """Each record of a batch that failed alone becomes a dead letter of its own, a child of the run."""
        appends = []
        for _, entry_bytes, error in done.refused:
            source = _encode(wire.Source("record", entry_bytes, detail={"port": run.detail.get("port", "")}))
            entry = msgspec.structs.replace(
                self._entry(run, RunState.FAILED, done, dead=True),
                id=new_run_id(), parent=run.id, payload=source, error=error, trigger="record", result=b"", status=500,
                logic=[LogicRun(error.origin or "", "failed", 0, error.message)], writes=[], events=0,
            )  # fmt: skip
            appends.append(self._run_append(entry))
        self.log.submit(CommitSet(appends=tuple(appends)), _ignore)

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
        lost = Lost("cancelled", "before it began")
        if timer is not None:
            timer.cancel()
            run.live.running += 1
            self._done(run, lost)
        elif run in run.live.waiting:
            run.live.waiting.remove(run)
            run.live.running += 1
            self._done(run, lost)
        else:
            run.live.product.pool.cancel(run.seq)
        return True

    def recover(self, find: Callable[[str, str], LiveProcess | None]) -> int:
        """Starts what stood unfinished in the log; returns how many. Runs of subscriptions begin anew from their
        position; what was journalled of those, and of runs that were refused, is taken away."""
        count = 0
        left: list[Put] = []
        ends: list[Append] = []
        unfinished = dict(self.log.log.scan(PENDING))
        for run_id, value in [*unfinished.items()]:
            pending = msgspec.msgpack.decode(value, type=Pending)
            live = find(pending.entry.product, pending.entry.process)
            if pending.advances:
                del unfinished[run_id]
                left.append(Put(PENDING, run_id, None))
                ends.append(self._run_append(_begun_anew(pending.entry)))
                continue
            if live is None or run_id in self.active:
                continue
            run = self._restored(run_id, value, pending, live)
            delay_s = max(pending.due_us / 1e6 - time.time(), 0.0)
            self.active[run.id] = run
            self._timers[run.id] = asyncio.get_running_loop().call_later(delay_s, self._again, run)
            count += 1
        left += [
            Put(scope, key, None)
            for scope in (STEPS, CHUNKS)
            for key, _ in self.log.log.scan(scope)
            if key.partition("/")[0] not in unfinished
        ]
        self.log.submit(CommitSet(appends=tuple(ends), puts=tuple(left)), _ignore)
        return count

    def _restored(self, run_id: str, value: bytes, pending: Pending, live: LiveProcess) -> Run:
        entry = pending.entry
        run = Run(live, entry.trigger, entry.payload, entry.principal, _ignore)
        run.id, run.attempt, run.accepted_us = run_id, entry.attempt, entry.accepted_us
        run.parent, run.trace, run.replay_of = entry.parent, entry.trace, entry.replay_of
        run.detail, run.idempotency_key = entry.trigger_detail, entry.idempotency_key
        run.pending, run.claimed = value, pending.claimed
        self._behind_chunks(run)
        journalled: dict[int, bytes] = {}
        for index in range(len(live.spec.steps)):
            result = self.log.log.get(STEPS, f"{run_id}/{index}")
            if result is not None:
                journalled[index] = result
        run.journalled = journalled
        return run

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

    # What goes into the log

    def _entry(self, run: Run, state: RunState, done: wire.Done | None = None, *, dead: bool = False) -> RunEntry:
        product = run.live.product
        common = (
            run.id, state.value, product.id, product.revision, run.live.spec.name, run.attempt, run.kind, run.detail,
            run.principal, run.parent, run.trace, run.accepted_us,
        )  # fmt: skip
        if done is None:
            return RunEntry(
                *common, payload=run.source, idempotency_key=run.idempotency_key, replay_of=run.replay_of, dry=run.dry
            )
        reads = [*run.reads, *((port, 0, -1, at) for port, at in done.lookups)] if done.lookups else run.reads
        writes, events = _counted(done.effects)
        return RunEntry(
            *common, run.started_us, run.started_us + done.duration_us, b"" if run.noted else run.source, done.result,
            done.status, _with_type(done), done.error, done.logic, done.output, reads, writes, events,
            run.idempotency_key, dead, run.replay_of, run.dry, run.uses,
        )  # fmt: skip

    def _run_append(self, entry: RunEntry) -> Append:
        return Append(RUNS_TOPIC, 0, 1, _encode((entry.id, entry)), _NOTHING)

    def _effects(self, run: Run, done: wire.Done, run_id: str) -> list[Append]:
        if not done.effects:
            return []
        product = run.live.product
        header: dict[str, Any] = {
            "run": run_id, "product": product.id, "revision": product.revision, "process": run.live.spec.name
        }  # fmt: skip
        if run.replay_of is not None:
            header["replay_of"] = run.replay_of
        return [
            Append(
                e.topic,
                e.partition,
                e.count,
                e.entries,
                header if e.subject is None else {**header, "subject": subject_name(product.id, e.subject)},
            )
            for e in done.effects
        ]

    def _state_puts(self, run: Run, done: wire.Done) -> tuple[Put, ...]:
        return tuple([Put(run.live.state_scope, p.key, p.value, p.expected) for p in done.puts]) if done.puts else ()

    def _claims(self, run: Run) -> tuple[Claim, ...]:
        if run.idempotency_key is None or run.claimed or run.replay_of is not None:
            return ()
        until_us = time.time_ns() // 1000 + IDEMPOTENCY_S * 1_000_000
        return (Claim(run.live.claim_scope, run.idempotency_key, run.id.encode(), until_us),)


def _ignore(_: Any) -> None:
    """For what nobody waits for."""


def _note_refusal(run: Run, outcome: Outcome) -> None:
    if not isinstance(outcome, Committed) and run.refusal is None:
        run.refusal = outcome


def _plain(advances: tuple[Advance, ...]) -> list[tuple[str, str, int, int, int]]:
    return [(a.group, a.topic, a.partition, a.next, a.expected or 0) for a in advances]


def _counted(effects: list[wire.Effect]) -> tuple[list[tuple[str, int]], int]:
    """Records by port, and the number of events."""
    writes: dict[str, int] = {}
    events = 0
    for effect in effects:
        if effect.topic.startswith("_"):
            events += effect.count
        else:
            writes[effect.topic] = writes.get(effect.topic, 0) + effect.count
    return list(writes.items()), events


def _with_type(done: wire.Done) -> dict[str, str] | None:
    if done.content_type == "application/json":
        return done.headers
    return {**(done.headers or {}), "content-type": done.content_type}


def _content_type(entry: RunEntry) -> str:
    return (entry.headers or {}).get("content-type", "application/json")


def _refusal(outcome: Outcome) -> RunError:
    if isinstance(outcome, HansaError):
        return RunError(outcome.code, outcome.message, hint=outcome.hint)
    if isinstance(outcome, Refused):
        return RunError(outcome.code, outcome.message)
    return RunError("log.stopped", str(outcome))


def _begun_anew(entry: RunEntry) -> RunEntry:
    """The end of a run of a subscription that waited for its next attempt when Hansa ended."""
    error = RunError(
        "run.begun_anew",
        "Hansa ended before its next attempt",
        hint="Its records are worked by a new run, from the position of the subscription on.",
    )
    now_us = time.time_ns() // 1000
    return msgspec.structs.replace(
        entry, state=RunState.CANCELLED.value, error=error, payload=b"", finished_us=max(now_us, entry.started_us)
    )


def _lost(run: Run, lost: Lost) -> wire.Done:
    """What stands in the history for an attempt whose worker ended."""
    took_us = max(time.time_ns() // 1000 - run.started_us, 0)
    code, message, hint = {
        "timed_out": (
            "run.timed_out",
            f"It took longer than {run.live.spec.timeout_s:g} s",
            "Raise timeout_s, or use chunks.",
        ),
        "cancelled": ("run.cancelled", "It was cancelled", None),
        "overstepped": (
            "run.overstepped",
            f"Its worker was ended, and nothing of it was committed: {lost.detail}",
            "Code of the product, or of a package that it requires, writes into Hansa's own channel.",
        ),
    }.get(
        lost.reason, ("run.crashed", "Its worker ended while it ran", "The output shows what the process last wrote.")
    )
    error = RunError(code, message, hint=hint, details={"output": lost.detail} if lost.detail else None)
    status = 504 if lost.reason == "timed_out" else 500
    return wire.Done(
        run.seq, "failed", status, b"", "application/json", 0, took_us, [], error=error, output=lost.detail
    )
