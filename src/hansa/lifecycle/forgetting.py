"""Forgets a person: destroys the keys of what ports hold of them, and takes the content of runs and events that speak
of them out of the log, the views and the lookups.

Flow: `find_person` looks through the log and changes nothing → the entries of runs and events are blanked in the log →
one commit destroys the keys and orders the views to do the same → it is over when they show it. Broken off, it is
simply asked for again: each step does nothing where it was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from hansa.discovery.events import Event
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import CommitSet, Log
from hansa.lifecycle.persons import Found, entries_in, find_person
from hansa.model.product import ProductSpec
from hansa.model.run import EVENTS_TOPIC, RUNS_TOPIC, RunEntry, without_content
from hansa.registry.interface import Registry
from hansa.views.keeping import Forget, Order, order_append
from hansa.views.waiting import Awaited

SEEN_S: Final = 60.0
IDS_AT_ONCE: Final = 1000
_encode: Final = msgspec.msgpack.Encoder().encode


class Forgetting:
    """Forgets persons on one mesh. `specs` gives every product that is known, retired ones too; `made` has all
    lookups that there are follow the log, `views` and `lookups` tell how far they are."""

    def __init__(
        self,
        log: AwaitableLog,
        registry: Registry,
        specs: Callable[[], Sequence[ProductSpec]],
        made: Callable[[], object],
        views: Awaited,
        lookups: Awaited,
    ) -> None:
        self._log = log
        self._registry = registry
        self._specs = specs
        self._made = made
        self._views = views
        self._lookups = lookups

    async def find(self, subject: str, product: str | None = None) -> Found:
        """What there is of a person, in one product or in all. Reads the whole log."""
        return await asyncio.to_thread(lambda: find_person(self._log.log, self._specs(), subject, product))

    async def forget(self, actor: str, subject: str, product: str | None = None) -> Found:
        """Forgets what `find` finds; on return views and lookups show it. The audit gets the person's numbers, never
        the name. Raises `Unavailable("view.behind")` where a view does not follow: then it is done, and will show."""
        found = await self.find(subject, product)
        after = {"persons": sorted(found.persons.values()), "runs": len(found.runs), "events": len(found.events)}
        await asyncio.to_thread(self._registry.record, actor, "person.forgotten", product or "hansa", None, after)
        await asyncio.to_thread(blank, self._log.log, found)
        orders = order_append(*orders_for(found))
        self._made()
        done = await self._log.commit(CommitSet(appends=(orders,), forgets=tuple(found.persons)))
        await self._views.reach(done.token, SEEN_S)
        await self._lookups.reach(done.token, SEEN_S)
        return found


def orders_for(found: Found) -> list[Order]:
    """What the views must do: never so many ids in one order that it would be a large entry."""
    persons: list[Order] = [Forget(person) for person in found.persons.values()]
    runs: list[Order] = [Forget(runs=part) for part in _parts(found.runs)]
    return [*persons, *runs, *(Forget(events=part) for part in _parts(found.events))]


def _parts(ids: list[str]) -> Iterator[list[str]]:
    for at in range(0, len(ids), IDS_AT_ONCE):
        yield ids[at : at + IDS_AT_ONCE]


def blank(log: Log, found: Found) -> None:
    """Takes the content of runs and the payloads of events out of the log."""
    _blank(log, RUNS_TOPIC, RunEntry, frozenset(found.runs), without_content)
    _blank(log, EVENTS_TOPIC, Event, frozenset(found.events), lambda e: msgspec.structs.replace(e, payload=None))


def _blank(log: Log, topic: str, kind: type[Any], ids: frozenset[str], change: Callable[[Any], Any]) -> None:
    if not ids:
        return
    decode = msgspec.msgpack.Decoder(kind | None).decode
    bodies: dict[int, dict[int, bytes]] = {}
    for entry in entries_in(log, topic):
        value = decode(entry.body)
        if value is not None and value.id in ids:
            bodies.setdefault(entry.partition, {})[entry.position] = _encode(change(value))
    for partition, replaced in bodies.items():
        log.erase(topic, partition, replaced)
