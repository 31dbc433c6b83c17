"""A trial of a candidate: its processes work a recent payload, and what they would publish is looked at and dropped.

Nothing is committed, no run is noted in the history, and nothing outside is changed: calls of other processes are
refused, and of connections all but reading. A process that cannot be tried says why; then the latest records of the
port stand in for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import msgspec

from hansa.discovery.runs import RunHistory, RunQuery
from hansa.errors import CallerError, HansaError
from hansa.eventlog.interface import Log, split
from hansa.lifecycle.expectations import Tried
from hansa.lifecycle.operations import Operations
from hansa.model.product import ProductSpec
from hansa.model.run import RunEntry, RunError
from hansa.runtime import wire
from hansa.runtime.job import Job, Lost, Worker
from hansa.runtime.live import LiveProcess, LiveProduct
from hansa.runtime.pool import Pool
from hansa.runtime.run import Run

TRIAL_S: Final = 10.0
LATEST: Final = 100
"""So many of the latest records stand in for a trial."""
_RUNS: Final = 5
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode
Ask = Callable[[Run, wire.Ask], Awaitable[Any]]


class Trial:
    """Tries candidates on one mesh. `ask` answers what their workers ask for."""

    def __init__(self, log: Log, operations: Operations, runs: RunHistory, ask: Ask) -> None:
        self._log = log
        self._operations = operations
        self._runs = runs
        self._ask = ask

    async def of(self, port: str, spec: ProductSpec, revision: str, pool: Pool) -> Tried:
        """What the candidate would publish to one of its ports, or what stands in for that."""
        live = LiveProduct(spec, revision, pool)
        reasons, records = [], []
        tried = 0
        for process in (live.processes[p.name] for p in spec.processes if port in p.publishes):
            try:
                records += await self._try(process, port)
                tried += 1
            except HansaError as failure:
                reasons.append(f"{process.id} cannot be tried: {failure.message}")
        if tried:
            return Tried(f"dry run, {len(records)} records", records, "; ".join(reasons))
        latest = await asyncio.to_thread(self._latest, port)
        note = "; ".join(reasons) or f"no process is known to publish to {port}"
        return Tried(f"latest {len(latest)} records", latest, note)

    async def _try(self, live: LiveProcess, port: str) -> list[dict[str, Any]]:
        entry, records = await self._recent(live)
        run = Run(live, entry.trigger, entry.payload, entry.principal, lambda _: None)
        run.dry, run.detail, run.records = True, entry.trigger_detail, records
        found: list[wire.Effect] = []
        done = await self._worked(run, found)
        if isinstance(done, Lost):
            raise CallerError("trial.lost", f"its dry run {done.reason.replace('_', ' ')}")
        if done.state != "succeeded":
            raise CallerError("trial.failed", f"its dry run failed ({done.error.code if done.error else done.state})")
        found += done.effects
        bodies = [_decode(body) for e in found if e.topic == port for _, body in split(e.entries, e.count)]
        return [body for body in bodies if isinstance(body, dict)]

    async def _recent(self, live: LiveProcess) -> tuple[RunEntry, list[wire.Records]]:
        """The latest run of the process whose payload is kept, and the records that it read."""
        query = RunQuery(product=live.product.id, process=live.spec.name, state="succeeded", size=_RUNS)
        page = await asyncio.to_thread(self._runs.find, query)
        for summary in page.runs:
            entry, records = await self._operations.source_of(summary.id)
            if not entry.dry and (records or entry.payload):
                source = entry.payload or _encode(wire.Source(entry.trigger, detail=entry.trigger_detail))
                return msgspec.structs.replace(entry, payload=source), records
        raise CallerError("trial.no_payload", "it has had no run whose payload is kept")

    async def _worked(self, run: Run, found: list[wire.Effect]) -> wire.Done | Lost:
        """The end of the run; what its chunks publish is added to `found`."""
        live, pool = run.live, run.live.product.pool
        ended: asyncio.Future[wire.Done | Lost] = asyncio.get_running_loop().create_future()
        tasks: set[asyncio.Task[None]] = set()

        def said(worker: Worker, message: Any) -> None:
            if isinstance(message, wire.Done):
                found.extend(message.effects)
                worker.link.send(wire.Answer(-1, b"", None))
            elif isinstance(message, wire.Ask):
                task = asyncio.get_running_loop().create_task(self._answer(run, worker, message))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

        task = wire.Task(pool.next_seq(), live.spec.name, run.id, 1, run.principal, run.source, run.records)
        timeout_s = min(live.spec.timeout_s, TRIAL_S)
        settle = partial(_settle, ended)
        pool.dispatch(Job(task, timeout_s, live.rights.breach, settle, said))
        return await ended

    async def _answer(self, run: Run, worker: Worker, ask: wire.Ask) -> None:
        try:
            if ask.what == "call":
                raise CallerError("trial.call", "A trial calls no other process")
            answer = wire.Answer(ask.number, _encode(await self._ask(run, ask)))
        except HansaError as refusal:
            answer = wire.Answer(ask.number, b"", RunError(refusal.code, refusal.message, hint=refusal.hint))
        worker.link.send(answer)

    def _latest(self, port: str) -> list[dict[str, Any]]:
        if port not in self._log.topics():
            return []
        found: list[Any] = []
        for partition in range(self._log.topics()[port].partitions):
            first, end = self._log.bounds(port, partition)
            for chunk in self._log.read(port, partition, max(first, end - LATEST)) if end > first else ():
                found += [_decode(body) for _, body in split(chunk.entries, chunk.count)]
        return [body for body in found[-LATEST:] if isinstance(body, dict)]


def _settle(ended: asyncio.Future[wire.Done | Lost], done: wire.Done | Lost) -> None:
    if not ended.done():
        ended.set_result(done)
