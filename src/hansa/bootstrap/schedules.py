"""Where schedules stand, and how their runs begin: positions of groups in the log, moved in the commit that accepts
a run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

import msgspec

from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Advance, CommitSet, TopicConfig
from hansa.lifecycle.mesh import Mesh
from hansa.model.product import OnceTrigger, ScheduleTrigger
from hansa.registry.values import TriggerKey
from hansa.runtime import wire
from hansa.runtime.engine import Answer, Engine, Run
from hansa.server.merge import rfc3339
from hansa.triggers.scheduler import Entry, Starter

TOPIC: Final = "_schedules"
_encode: Final = msgspec.msgpack.Encoder().encode


class LogStarter(Starter):
    """Positions are the logical times themselves, of the group `schedule:<key>`."""

    def __init__(self, log: AwaitableLog, mesh: Mesh, engine: Engine) -> None:
        log.log.declare(TOPIC, TopicConfig())
        self._log = log
        self._mesh = mesh
        self._engine = engine

    async def last_us(self, key: str) -> int | None:
        return self._log.log.position(f"schedule:{key}", TOPIC, 0)

    async def store(self, key: str, last_us: int) -> None:
        await self._log.commit(CommitSet(advances=(Advance(f"schedule:{key}", TOPIC, 0, last_us),)))

    async def fire(self, entry: Entry, expected_us: int | None, logical_us: int) -> Awaitable[object]:
        live = self._mesh.process(entry.process)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        detail: dict[str, Any] = {"time": rfc3339(logical_us), "schedule": entry.key}
        trigger = entry.trigger
        payload = b"" if trigger.payload is None else msgspec.json.encode(trigger.payload)
        source = _encode(wire.Source(trigger.kind, payload, "application/json", detail=detail))
        run = Run(live, trigger.kind, source, "system", lambda a: None if future.done() else future.set_result(a))
        run.detail = detail
        advance = Advance(f"schedule:{entry.key}", TOPIC, 0, logical_us, expected_us or 0)
        await self._engine.accept(run, (advance,))
        return future


def entries(mesh: Mesh) -> list[Entry]:
    """Every timed trigger of the live mesh."""
    return [
        Entry(str(TriggerKey(product.id, live.spec.name, index)), trigger, live.id)
        for product in mesh.products.values()
        for live in product.processes.values()
        for index, trigger in enumerate(live.spec.triggers)
        if isinstance(trigger, ScheduleTrigger | OnceTrigger)
    ]
