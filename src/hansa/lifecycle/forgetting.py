"""Forgets a person: destroys the keys of what ports hold of them, and takes what stands of them in clear out of the
log, the states, the views and the lookups.

Flow: `find_person` looks through the log and changes nothing → runs that are not over are cancelled → runs, events and
records in clear are blanked in the log → one commit destroys the keys, changes the states and orders views and lookups
to do the same → it is over when they show it. Broken off, it is simply asked for again: each step does nothing where it
was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from hansa.discovery.events import Event
from hansa.errors import CallerError, Unavailable
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import CommitSet, Log
from hansa.lifecycle.persons import Found, entries_in, find_person, is_of, ports_of
from hansa.model.product import ProductSpec
from hansa.model.run import EVENTS_TOPIC, RUNS_TOPIC, RunEntry, without_content
from hansa.outputs.lookup import plain_rows
from hansa.registry.interface import Registry
from hansa.views.keeping import Forget, Order, order_append
from hansa.views.waiting import Awaited

SEEN_S: Final = 60.0
IDS_AT_ONCE: Final = 1000
TRIES: Final = 5
_encode: Final = msgspec.msgpack.Encoder().encode


class Forgetting:
    """Forgets persons on one mesh. `specs` gives every revision of every product that is known, retired ones too;
    `cancel` ends a run that is not over, in the name of an actor; `made` gives the lookups that there are and has them
    follow the log, `views` and `lookups` tell how far they are; `damaged` are files of views that were set aside."""

    def __init__(
        self,
        log: AwaitableLog,
        registry: Registry,
        specs: Callable[[], Sequence[ProductSpec]],
        cancel: Callable[[str, str], Awaitable[object]],
        made: Callable[[], Mapping[str, Path]],
        damaged: Callable[[], Sequence[Path]],
        views: Awaited,
        lookups: Awaited,
    ) -> None:
        self._log = log
        self._registry = registry
        self._specs = specs
        self._cancel = cancel
        self._made = made
        self._damaged = damaged
        self._views = views
        self._lookups = lookups

    async def find(self, subject: str, product: str | None = None) -> Found:
        """What there is of a person, in one product or in all. Reads the whole log."""
        return await asyncio.to_thread(lambda: find_person(self._log.log, self._specs(), subject, product))

    async def forget(self, actor: str, subject: str, product: str | None = None) -> Found:
        """Forgets what `find` finds; on return views and lookups show it. The audit gets the person's numbers, never
        the name. Raises `Unavailable`: `person.busy` where states that speak of the person keep changing,
        `view.behind` where a view does not follow: then it is done, and will show."""
        first = await self.find(subject, product)
        for run in first.unfinished:
            await self._cancel(actor, run)
        found = await self.find(subject, product) if first.unfinished else first
        await asyncio.to_thread(
            self._registry.record, actor, "person.forgotten", product or "hansa", None, _told(found, first.unfinished)
        )
        await asyncio.to_thread(blank, self._log.log, found)
        rows = await self._rows(subject, product)
        token = await self._commit(subject, product, found, [*orders_for(found), *rows])
        for file in self._damaged():
            file.unlink(missing_ok=True)
        await self._views.reach(token, SEEN_S)
        await self._lookups.reach(token, SEEN_S)
        return msgspec.structs.replace(found, unfinished=first.unfinished)

    async def _rows(self, subject: str, product: str | None) -> list[Forget]:
        """The versions in lookups that are the person's and in clear. Asked when the log has none any more, so that
        none can follow."""
        made = self._made()
        if not made:
            return []
        await self._lookups.reach(self._log.log.now(), SEEN_S)
        return await asyncio.to_thread(lambda: [*rows_of(self._specs(), made, subject, product)])

    async def _commit(self, subject: str, product: str | None, found: Found, orders: list[Order]) -> str:
        for _ in range(TRIES):
            sets = CommitSet(appends=(order_append(*orders),), puts=tuple(found.puts), forgets=tuple(found.persons))
            try:
                return (await self._log.commit(sets)).token
            except CallerError as refusal:
                if refusal.code != "state.moved":
                    raise
            again = await self.find(subject, product)
            found = msgspec.structs.replace(found, puts=again.puts)
        raise Unavailable(
            "person.busy",
            "States that speak of the person change faster than they can be rewritten",
            hint="Pause the triggers of the processes that `hansa forget` lists, and forget again.",
        )


def _told(found: Found, cancelled: list[str]) -> dict[str, Any]:
    """What the audit says."""
    return {
        "persons": sorted(found.persons.values()), "runs": len(found.runs), "events": len(found.events),
        "plain": sum(map(len, found.plain.values())), "cancelled": cancelled, "states": found.states,
    }  # fmt: skip


def rows_of(
    specs: Sequence[ProductSpec], made: Mapping[str, Path], subject: str, product: str | None
) -> Iterator[Forget]:
    """An order for each lookup that has versions of the person's records in clear."""
    for port, contracts in ports_of(spec for spec in specs if product in (None, spec.id)).items():
        fields = {contract.subject for contract in contracts if contract.subject}
        if not fields or port not in made:
            continue
        rows = [(at, time_us) for at, time_us, record in plain_rows(made[port]) if is_of(record, fields, subject)]
        for start in range(0, len(rows), IDS_AT_ONCE):
            yield Forget(port=port, rows=rows[start : start + IDS_AT_ONCE])


def orders_for(found: Found) -> list[Order]:
    """What the views must do: never so many ids in one order that it would be a large entry."""
    persons: list[Order] = [Forget(person) for person in found.persons.values()]
    runs: list[Order] = [Forget(runs=part) for part in _parts(found.runs)]
    return [*persons, *runs, *(Forget(events=part) for part in _parts(found.events))]


def _parts(ids: list[str]) -> Iterator[list[str]]:
    for at in range(0, len(ids), IDS_AT_ONCE):
        yield ids[at : at + IDS_AT_ONCE]


def blank(log: Log, found: Found) -> None:
    """Takes the content of runs, the payloads of events and whole records in clear out of the log."""
    for (port, partition), positions in found.plain.items():
        log.erase(port, partition, dict.fromkeys(positions))
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
