"""What people do to runs: start one by hand, replay, cancel. Each is audited."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from hansa.discovery.runs import RunHistory
from hansa.errors import CallerError
from hansa.lifecycle.mesh import Mesh
from hansa.model.product import RetryPolicy
from hansa.model.run import FINAL, RunEntry, RunState
from hansa.model.trace import context_of
from hansa.registry.interface import Registry
from hansa.runtime import wire
from hansa.runtime.engine import Engine
from hansa.runtime.live import LiveProcess
from hansa.runtime.run import Answer, Run
from hansa.triggers.batches import span
from hansa.views.waiting import Awaited

_encode: Final = msgspec.msgpack.Encoder().encode
SEEN_S: Final = 10.0


class Operations:
    """Runs by hand, on one mesh."""

    def __init__(self, mesh: Mesh, engine: Engine, registry: Registry, history: RunHistory, views: Awaited) -> None:
        self._mesh = mesh
        self._engine = engine
        self._registry = registry
        self._history = history
        self._views = views

    async def start(
        self,
        actor: str,
        process: str,
        payload: bytes,
        *,
        kind: str = "manual",
        wait_s: float = 15.0,
        only: str | None = None,
        dry: bool = False,
        source: bytes | None = None,
        records: list[wire.Records] | None = None,
        key: str | None = None,
    ) -> Answer:
        """Starts a process with a JSON payload (or an earlier run's source) and waits at most `wait_s` for its answer.
        `only` works one logic alone; it publishes nothing, as `dry` does. Two with the same idempotency `key` are one
        run; one that commits nothing takes none."""
        live = self._mesh.process(process)
        _check_logic(live, only)
        run, answered = self._run(live, kind, source or _encode(wire.Source(kind, payload, "application/json")), actor)
        run.only, run.dry, run.records = only, dry or only is not None, records or []
        run.idempotency_key = None if run.dry else key
        after = {"process": process, "only": only, "dry": run.dry}
        await asyncio.to_thread(
            self._registry.record, actor, "run.started", f"{process}", None, {**after, "run": run.id}
        )
        return await self._go(run, answered, wait_s)

    async def replay(self, actor: str, run_id: str, *, publish: bool = False, wait_s: float = 15.0) -> Answer:
        """A dead letter: a new attempt of the same run. A run that succeeded: a new run, dry unless `publish`."""
        entry = await self.detail(run_id)
        if entry.state not in FINAL:
            raise CallerError(
                "run.unfinished",
                f"{run_id} is {entry.state}",
                hint="Wait for its end, or cancel it.",
                details={"status": 409},
            )
        live = self._mesh.process(f"{entry.product}:{entry.process}")
        run, answered = self._run(live, entry.trigger, entry.payload, actor)
        run.detail = entry.trigger_detail
        run.records = await asyncio.to_thread(self._records, entry)
        run.reads = [read for read in entry.reads if read[2] >= 0]
        run.at = {port: at for port, _, first, at in entry.reads if first < 0}
        if not run.records and not run.source:
            raise CallerError(
                "run.no_payload", f"The payload of {run_id} is not kept any more", hint="Start a new run."
            )
        if not run.source:
            run.source = _encode(wire.Source(entry.trigger, detail=entry.trigger_detail))
        if entry.dead:
            run.id, run.attempt, run.parent, run.context = (
                entry.id,
                entry.attempt + 1,
                entry.parent,
                context_of(entry.trace),
            )
            run.retry = RetryPolicy()
        else:
            run.replay_of, run.dry, run.retry = entry.id, not publish, RetryPolicy()
        after = {"run": run.id, "attempt": run.attempt, "dry": run.dry}
        before = {"run": entry.id, "state": entry.state, "attempt": entry.attempt}
        await asyncio.to_thread(self._registry.record, actor, "run.replayed", live.id, before, after)
        return await self._go(run, answered, wait_s)

    async def cancel(self, actor: str, run_id: str) -> RunEntry:
        """Ends a run that is not over. Raises `CallerError("run.finished")` where it is."""
        run = self._engine.active.get(run_id)
        if run is None:
            entry = await self.detail(run_id)
            hint = f"`hansa runs {run_id}` tells how it went; `hansa replay` runs it again."
            raise CallerError("run.finished", f"{run_id} {entry.state} already", hint=hint, details={"status": 409})
        before = {"run": run_id, "state": "running"}
        await asyncio.to_thread(
            self._registry.record, actor, "run.cancelled", run.live.id, before, {"state": "cancelled"}
        )
        self._engine.cancel(run_id)
        while run_id in self._engine.active:
            await asyncio.sleep(0.005)
        return await self.detail(run_id)

    async def end(self, actor: str, run_id: str) -> None:
        """Ends a run that is not over: as `cancel` does, or, where its process is not served, by taking it from those
        that wait to be taken up again."""
        if run_id in self._engine.active:
            await self.cancel(actor, run_id)
        else:
            await self._engine.give_up(run_id)

    async def detail(self, run_id: str) -> RunEntry:
        """What is known of a run, as of everything committed. Raises `CallerError("run.unknown")`."""
        await self._views.reach(self._mesh.log.log.now(), SEEN_S, "runs")
        return await asyncio.to_thread(self._history.detail, run_id)

    async def answer(self, run_id: str) -> Answer:
        """The answer of a run: its own once it is over, else one whose state says how far it is."""
        if run_id in self._engine.active:
            active = self._engine.active[run_id]
            state = RunState.RUNNING if active.seq else RunState.ACCEPTED
            return Answer(run_id, state, 202, b"", "", accepted_us=active.accepted_us)
        entry = await self.detail(run_id)
        headers = dict(entry.headers or {})
        content_type = headers.pop("content-type", "application/json")
        return Answer(
            run_id, RunState(entry.state), entry.status if entry.state in FINAL else 202, entry.result, content_type,
            headers or None, entry.error, "", entry.accepted_us, entry.finished_us,
        )  # fmt: skip

    async def source_of(self, run_id: str) -> tuple[RunEntry, list[wire.Records]]:
        """An earlier run, and the records that it read."""
        entry = await self.detail(run_id)
        return entry, await asyncio.to_thread(self._records, entry)

    def _records(self, entry: RunEntry) -> list[wire.Records]:
        """What a run of a subscription read, from the log: what its trigger wants of the positions it stood for."""
        detail = entry.trigger_detail
        if "topic" not in detail:
            return []
        accepts = self._mesh.wanted(entry.product, entry.process, detail)
        log = self._mesh.log.log
        return span(log, detail["topic"], detail["partition"], detail["from"], detail["to"], accepts)

    def _run(self, live: LiveProcess, kind: str, source: bytes, actor: str) -> tuple[Run, asyncio.Future[Answer]]:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        run = Run(live, kind, source, actor, lambda answer: None if future.done() else future.set_result(answer))
        return run, future

    async def _go(self, run: Run, answered: asyncio.Future[Answer], wait_s: float) -> Answer:
        if run.dry or run.replay_of is not None or run.attempt > 1:
            self._engine.start(run)
        else:
            earlier = await self._engine.accept(run)
            if earlier is not None:
                return await self.answer(earlier.run)
        try:
            return await asyncio.wait_for(asyncio.shield(answered), wait_s)
        except TimeoutError:
            return Answer(run.id, RunState.RUNNING, 202, b"", "", accepted_us=run.accepted_us)


def _check_logic(live: LiveProcess, only: str | None) -> None:
    names = [step.name for step in live.spec.steps]
    if only is not None and only not in names:
        raise CallerError("logic.unknown", f"{live.id} has no logic {only!r}", hint=f"It has {', '.join(names)}.")
