"""Subscriptions: a process follows an output port, or the events of a name, batch by batch, and never loses its place.

Flow, per partition: read behind the position → keep what the filter lets through → one run for the batch → its commit
moves the position with it. One batch of a partition is at work at a time, so records of a key stay in order; the next
one may be worked while it is committed, and is committed behind it or not at all. Before a batch is worked, `seen`
waits until the lookups of the process show what was committed before: a join never misses what stood in the log before
its record.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from concurrent.futures import Executor
from functools import partial
from typing import Any, Final

import msgspec

from hansa.errors import CallerError, HansaError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Advance, Append, CommitSet, encode_entry
from hansa.model.product import EventTrigger, Following, KafkaTrigger, PortTrigger
from hansa.model.run import EVENTS_TOPIC, RUNS_TOPIC, RunEntry, RunError, RunState, landing_topic, new_run_id
from hansa.model.trace import TraceContext, context_of
from hansa.runtime import wire
from hansa.runtime.engine import Engine
from hansa.runtime.live import LiveProcess
from hansa.runtime.run import Answer, Run
from hansa.triggers.ahead import Ahead
from hansa.triggers.batches import Accepts, Batch, span
from hansa.triggers.versions import MOVED, Beside, take_over

_report = logging.getLogger("hansa.triggers")
_encode: Final = msgspec.msgpack.Encoder().encode
PAUSE_S: Final = 1.0


def group_of(live: LiveProcess, trigger: Following) -> str:
    """The name under which a process keeps its position; it outlives the revision."""
    return f"{live.id}<{_followed(trigger)}"


def _followed(trigger: Following) -> str:
    match trigger:
        case PortTrigger():
            return trigger.port
        case EventTrigger():
            return f"event:{trigger.name}"
        case KafkaTrigger():
            return f"kafka:{trigger.source}"


def topic_of(live: LiveProcess, trigger: Following) -> str:
    """The topic of the log that a trigger follows; messages of another system land in one of their own."""
    match trigger:
        case PortTrigger():
            return trigger.port
        case EventTrigger():
            return EVENTS_TOPIC
        case KafkaTrigger():
            return landing_topic(group_of(live, trigger))


def _detail(trigger: Following) -> dict[str, str]:
    match trigger:
        case PortTrigger():
            return {"port": trigger.port}
        case EventTrigger():
            return {"event": trigger.name}
        case KafkaTrigger():
            return {"kafka": trigger.source}


class Subscription:
    """One process following one topic."""

    def __init__(
        self,
        log: AwaitableLog,
        engine: Engine,
        live: LiveProcess,
        trigger: Following,
        executor: Executor,
        seen: Callable[[], Awaitable[None]],
        sees: Callable[[str], bool] = lambda _: True,
        beside: Sequence[Beside] = (),
        mine: Callable[[int], bool] = lambda _: True,
        *,
        is_independent: bool = False,
    ) -> None:
        """`mine` says which partitions are to be followed here, and not by another node. `is_independent` is
        True where a batch reads nothing that the one before it may have published."""
        self._beside = beside
        self._mine = mine
        self._committing_max = int(is_independent)
        """So many runs may be on their way to the log while the next batch is worked."""
        self._log = log
        self._engine = engine
        self._live = live
        self._trigger = trigger
        self._executor = executor
        self._seen = seen
        self.topic = topic_of(live, trigger)
        self.group = group_of(live, trigger)
        self._accepts = filter_of(trigger, sees)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._closed = False

    @property
    def process(self) -> str:
        """The id of the process."""
        return self._live.id

    @property
    def partitions(self) -> list[int]:
        """Those that are followed here."""
        return sorted(self._tasks)

    async def open(self) -> None:
        """Settles where a new subscription begins, then follows the partitions that are to be followed here."""
        for partition in range(self._partitions()):
            position = self._log.log.position(self.group, self.topic, partition)
            if position in (None, MOVED):
                await self._begin(partition, position or 0)
        await self.settle()

    def _partitions(self) -> int:
        found = self._log.log.topic(self.topic)
        return 0 if found is None else found.partitions

    async def settle(self) -> None:
        """Follows the partitions that are to be followed here by now, and no others."""
        wanted = {partition for partition in range(self._partitions()) if not self._closed and self._mine(partition)}
        for partition in wanted - self._tasks.keys():
            self._tasks[partition] = asyncio.get_running_loop().create_task(self._follow(partition))
        await self._end(self._tasks.keys() - wanted)

    async def _begin(self, partition: int, position: int) -> None:
        """Where the process stands in another version of the port, or where the trigger says; where another node has
        begun, it stays at that."""
        for beside in self._beside:
            if await take_over(self._log, self.group, self.topic, partition, beside):
                return
        first, end = self._log.log.bounds(self.topic, partition)
        start = first if self._trigger.start == "earliest" else end
        begun = Advance(self.group, self.topic, partition, start, position)
        try:
            await self._log.commit(CommitSet(advances=(begun,)))
        except CallerError as refused:
            if refused.code != "position.moved":
                raise

    async def close(self) -> None:
        """Ends following. A batch at work goes on and commits its own position."""
        self._closed = True
        await self._end(set(self._tasks))

    async def _end(self, partitions: Set[int]) -> None:
        ended = [self._tasks.pop(partition) for partition in partitions]
        for task in ended:
            task.cancel()
        for task in ended:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _follow(self, partition: int) -> None:
        ahead = Ahead(self._log.log, self.topic, partition, self._trigger.batch, self._accepts, self._executor)
        woken = asyncio.Event()
        stop = self._log.watch(self.topic, woken.set)
        work = self._take_up
        try:
            while True:
                woken.clear()
                try:
                    moved = await work(ahead)
                    work = self._batches
                except HansaError as failure:
                    _report.warning("%s: %s", self.group, failure, extra={"product": self._live.product.id})
                    await asyncio.sleep(PAUSE_S)
                    continue
                if not moved:
                    await woken.wait()
        finally:
            stop()

    async def _batches(self, ahead: Ahead) -> bool:
        """Works what is there, batch by batch; False where that is nothing."""
        partition = ahead.partition
        start = position = self._log.log.position(self.group, self.topic, partition) or 0
        at_work: deque[asyncio.Future[Answer]] = deque()
        try:
            while (batch := await ahead.behind(position)) is not None:
                if batch.begin > position:
                    await _over(at_work)
                    await self._pass_over(partition, position, batch.begin)
                advance = Advance(self.group, self.topic, partition, batch.behind, batch.begin)
                if batch.records:
                    await self._begun(at_work, batch, advance)
                else:
                    await _over(at_work)
                    await self._log.commit(CommitSet(advances=(advance,)))
                position = batch.behind
            await _over(at_work)
        except HansaError:  # what was begun behind it is refused as well, and is over before all is tried again
            await asyncio.gather(*map(asyncio.shield, at_work))
            raise
        return position > start

    async def _begun(self, at_work: deque[asyncio.Future[Answer]], batch: Batch, advance: Advance) -> None:
        """Works a batch until the next may begin: when it is committed; or, where batches are independent, when its
        commit is on its way and the one before is committed."""
        await self._seen()
        leaves = asyncio.Event()
        at_work.append(self._run(batch, advance, leaves))
        await leaves.wait()
        await _over(at_work, but=self._committing_max)

    async def _take_up(self, ahead: Ahead) -> bool:
        """Goes on with a run that was not over when Hansa ended, or that waits for its next attempt since before a
        deployment: with its attempts, its steps and chunks, and the same records."""
        found = self._engine.take_up(self._live, self.group, self.topic, ahead.partition)
        if found is None:
            return True
        run, due_s = found
        (advance,) = run.advances
        begin = self._log.log.position(self.group, self.topic, ahead.partition) or 0
        read = partial(span, self._log.log, self.topic, ahead.partition, begin, advance.next, self._accepts)
        try:
            is_here = advance.expected == begin
            run.records = await asyncio.get_running_loop().run_in_executor(self._executor, read) if is_here else ()
        except CallerError:  # retention took what it had read
            is_here = False
        if not is_here:
            await self._engine.give_up(run.id)
            return True
        run.reads = [(self.topic, ahead.partition, begin, advance.next)]
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        run.tell = lambda answer: None if future.done() else future.set_result(answer)
        self._engine.go_on(run, due_s)
        await asyncio.shield(future)
        return True

    async def _pass_over(self, partition: int, position: int, first: int) -> None:
        """Goes on behind what retention took before it was read; how much that was stands in the history of runs."""
        lost = lost_run(self._live, self._trigger, partition, position, first, time.time_ns() // 1000)
        advance = Advance(self.group, self.topic, partition, first, position)
        append = Append(RUNS_TOPIC, 0, 1, encode_entry(lost.id, lost), {})
        await self._log.commit(CommitSet(appends=(append,), advances=(advance,)))

    def _run(self, batch: Batch, advance: Advance, leaves: asyncio.Event) -> asyncio.Future[Answer]:
        """Begins the run of a batch; what comes behind it may begin when it `leaves`."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        trigger = self._trigger
        partition = advance.partition
        detail: dict[str, Any] = {
            "topic": self.topic, "partition": partition, "from": batch.begin, "to": batch.behind,
            "single": trigger.single,
        }  # fmt: skip
        detail |= _detail(trigger)

        def tell(answer: Answer) -> None:
            leaves.set()
            if not future.done():
                future.set_result(answer)

        source = _encode(wire.Source(trigger.kind, detail=detail))
        run = Run(self._live, trigger.kind, source, f"process:{self._live.id}", tell)
        run.detail, run.records, run.advances = detail, batch.records, (advance,)
        run.reads = [(self.topic, partition, batch.begin, batch.behind)]
        run.links = _traces(batch)
        run.context = run.links[0] if run.links else None
        run.leaving = leaves.set
        self._engine.start(run)
        return future


async def _over(at_work: deque[asyncio.Future[Answer]], but: int = 0) -> None:
    """Waits until the first runs are over, all `but` so many. Raises what kept one from its commit."""
    while len(at_work) > but:
        answer = await asyncio.shield(at_work[0])
        at_work.popleft()
        if answer.error is not None and answer.error.code.startswith(("position.moved", "log.")):
            raise CallerError(answer.error.code, answer.error.message)


def _traces(batch: Batch) -> list[TraceContext]:
    """Those of all that a batch holds, each once, in order."""
    told = {(part.header.get("trace"), part.header.get("trace_state", "")) for part in batch.records}
    return [] if told == {(None, "")} else [found for one in sorted(told, key=str) if (found := context_of(*one))]


def lost_run(live: LiveProcess, trigger: Following, partition: int, position: int, first: int, now_us: int) -> RunEntry:
    """The run that says how many entries a subscription could not read any more."""
    topic, count = topic_of(live, trigger), first - position
    detail = {"topic": topic, "partition": partition, "from": position, "to": first}
    message = f"Retention took {count} entries of {topic}[{partition}] from position {position} before they were read"
    hint = "The process goes on behind them. Publish them again, or have the port's contract keep them for longer."
    return RunEntry(
        new_run_id(), RunState.FAILED, live.product.id, live.product.revision, live.spec.name, trigger=trigger.kind,
        trigger_detail=detail, principal=f"process:{live.id}", accepted_us=now_us, started_us=now_us,
        finished_us=now_us, status=500, error=RunError("records.expired", message, hint=hint, details={"lost": count}),
    )  # fmt: skip


def filter_of(trigger: Following, sees: Callable[[str], bool] = lambda _: True) -> Accepts | None:
    """A test of a body, or None where everything is wanted. Events of a product that is not to be seen are passed
    over."""
    wanted: dict[str, Any] = {}
    if isinstance(trigger, EventTrigger):
        wanted["name"] = trigger.name
        if trigger.source is not None:
            wanted["source"] = trigger.source
        if trigger.target is not None:
            wanted["target"] = trigger.target
        return _equals(wanted, "payload", trigger.where, sees)
    where = trigger.where if isinstance(trigger, PortTrigger) else {}
    return _equals({}, None, where) if where else None


def _equals(
    wanted: Mapping[str, Any],
    inside: str | None,
    where: Mapping[str, Any],
    sees: Callable[[str], bool] = lambda _: True,
) -> Accepts:
    decode = msgspec.msgpack.Decoder().decode

    def accepts(body: msgspec.Raw) -> bool:
        found = decode(body)
        if not isinstance(found, dict) or any(found.get(name) != value for name, value in wanted.items()):
            return False
        if inside is not None and not sees(found.get("product") or ""):
            return False
        if not where:
            return True
        inner = found if inside is None else found.get(inside)
        return isinstance(inner, dict) and all(_at(inner, name) == value for name, value in where.items())

    return accepts


def _at(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
