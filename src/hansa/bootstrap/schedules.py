"""Where schedules stand, and how their runs begin: positions of groups in the log, moved in the commit that accepts
a run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any, Final

import msgspec

from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Advance, CommitSet, TopicConfig
from hansa.lifecycle.mesh import Mesh
from hansa.model.product import OnceTrigger, ProductSpec, ScheduleTrigger, Trigger
from hansa.model.trigger_key import trigger_names
from hansa.registry.values import Revision, TriggerKey
from hansa.runtime import wire
from hansa.runtime.engine import Engine
from hansa.runtime.live import LiveProcess
from hansa.runtime.run import Answer, Run
from hansa.server.merge import rfc3339
from hansa.triggers.scheduler import Entry, Starter

TOPIC: Final = "_schedules"
_encode: Final = msgspec.msgpack.Encoder().encode


def group_of(place: str) -> str:
    """The group whose position says how far a timed trigger has come."""
    return f"schedule:{place}"


class LogStarter(Starter):
    """Positions are the logical times themselves, of the group `schedule:<place>`."""

    def __init__(self, log: AwaitableLog, mesh: Mesh, engine: Engine) -> None:
        log.log.declare(TOPIC, TopicConfig())
        self._log = log
        self._mesh = mesh
        self._engine = engine

    async def last_us(self, place: str) -> int | None:
        return self._log.log.position(group_of(place), TOPIC, 0)

    async def store(self, place: str, expected_us: int | None, last_us: int) -> None:
        await self._log.commit(CommitSet(advances=(Advance(group_of(place), TOPIC, 0, last_us, expected_us or 0),)))

    async def fire(self, entry: Entry, expected_us: int | None, logical_us: int) -> Awaitable[object]:
        live = self._mesh.process(entry.process)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        detail: dict[str, Any] = {"time": rfc3339(logical_us), "schedule": entry.key}
        trigger = entry.trigger
        payload = b"" if trigger.payload is None else msgspec.json.encode(trigger.payload)
        source = _encode(wire.Source(trigger.kind, payload, "application/json", detail=detail))
        run = Run(live, trigger.kind, source, "system", lambda a: None if future.done() else future.set_result(a))
        run.detail = detail
        advance = Advance(group_of(entry.place), TOPIC, 0, logical_us, expected_us or 0)
        await self._engine.accept(run, (advance,))
        return future

    async def adopt(self, timetable: Timetable) -> None:
        """Takes over where a Hansa stood that knew triggers by their index. Each position is moved once."""
        for index, entry in timetable.numbered():
            earlier = group_of(f"{entry.process}#{index}")
            stood = self._log.log.position(earlier, TOPIC, 0)
            if stood is not None and stood >= 0 and await self.last_us(entry.place) is None:
                moved = (Advance(group_of(entry.place), TOPIC, 0, stood), Advance(earlier, TOPIC, 0, -1))
                await self._log.commit(CommitSet(advances=moved))


class Timetable:
    """Every timed trigger of the live mesh. Those that fire once stand in it when `learn` knows of which revision they
    are."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._since: dict[tuple[str, str, TriggerKey], str] = {}

    def unknown(self) -> list[tuple[str, str, TriggerKey]]:
        """What `learn` is to be told: product, live revision and trigger of those that fire once and are new."""
        return [
            place
            for live in self._timed()
            for name, trigger in zip(trigger_names(live.spec.triggers), live.spec.triggers, strict=True)
            if isinstance(trigger, OnceTrigger) and (place := _place(live, name)) not in self._since
        ]

    def learn(self, unknown: Sequence[tuple[str, str, TriggerKey]]) -> None:
        """Asks the registry with which revision triggers came. What stands before a revision never changes, so it is
        kept. May be called from any thread; raises what the registry raises."""
        for product, revision, key in unknown:
            revisions = self._mesh.registry.revisions(product)
            self._since[product, revision, key] = introduced_by(revisions, revision, key)

    def entries(self) -> list[Entry]:
        """Those of all products, as the scheduler takes them."""
        return [entry for _, entry in self.numbered()]

    def numbered(self) -> Iterator[tuple[int, Entry]]:
        """Each with its index among the triggers of its process."""
        for live in self._timed():
            names = trigger_names(live.spec.triggers)
            for index, (name, trigger) in enumerate(zip(names, live.spec.triggers, strict=True)):
                *_, key = place = _place(live, name)
                if isinstance(trigger, OnceTrigger):
                    since = self._since.get(place)
                    if since is not None:
                        yield index, Entry(str(key), trigger, live.id, since)
                elif isinstance(trigger, ScheduleTrigger):
                    yield index, Entry(str(key), trigger, live.id)

    def _timed(self) -> Iterator[LiveProcess]:
        """The processes that have such triggers: a few of many."""
        for product in self._mesh.products.values():
            for live in product.processes.values():
                if any(isinstance(trigger, (OnceTrigger, ScheduleTrigger)) for trigger in live.spec.triggers):
                    yield live


def _place(live: LiveProcess, name: str) -> tuple[str, str, TriggerKey]:
    product = live.product
    return product.id, product.revision, TriggerKey(product.id, live.spec.name, name)


def introduced_by(revisions: Sequence[Revision], live: str, key: TriggerKey) -> str:
    """The earliest revision from which on, up to the live one, each has the trigger unchanged. `revisions` begins with
    the newest."""
    hashes = [revision.hash for revision in revisions]
    found, *before = revisions[hashes.index(live) :]
    trigger = _find(found.spec, key)
    for revision in before:
        if _find(revision.spec, key) != trigger:
            break
        found = revision
    return found.hash


def _find(spec: ProductSpec, key: TriggerKey) -> Trigger | None:
    process = spec.process(key.process)
    if process is None:
        return None
    return dict(zip(trigger_names(process.triggers), process.triggers, strict=True)).get(key.name)
