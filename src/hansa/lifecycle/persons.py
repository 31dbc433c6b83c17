"""Finds what a Hansa has of a person: records, runs, events. Reads the whole log and changes nothing."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from hansa.discovery.events import Event
from hansa.eventlog.interface import Chunk, Entry, Log, entries_of
from hansa.lifecycle.mentions import Sought, telling_values
from hansa.model.ids import subject_name
from hansa.model.product import OutputPortSpec, ProductSpec
from hansa.model.run import EVENTS_TOPIC, RUNS_TOPIC, RunEntry
from hansa.runtime.journal import PENDING, Pending

_READ_BYTES: Final = 4 << 20
_record: Final = msgspec.msgpack.Decoder().decode
_run: Final = msgspec.msgpack.Decoder(RunEntry | None).decode
_event: Final = msgspec.msgpack.Decoder(Event | None).decode
_pending: Final = msgspec.msgpack.Decoder(Pending).decode


class Found(msgspec.Struct, frozen=True):
    """What there is of a person. `persons` maps the names of their keys to their numbers; `records` counts by port.

    `runs` and `events` are ids. What is left as it is: `unfinished`, runs that are not over; `elsewhere`, products
    outside of what was asked for whose runs or events speak of the person, too; `states`, processes that keep a state
    that does.
    """

    persons: dict[str, int]
    records: dict[str, int]
    runs: list[str]
    events: list[str]
    unfinished: list[str]
    elsewhere: list[str]
    states: list[str]


def find_person(log: Log, specs: Sequence[ProductSpec], subject: str, product: str | None = None) -> Found:
    """What there is of `subject` in one of the products, or in all."""
    within = [spec for spec in specs if product in (None, spec.id)]
    names = sorted({subject_name(spec.id, subject) for spec in within})
    persons = {name: number for name in names if (number := log.person(name)) is not None}
    records = _Records(log, [port for spec in within for port in spec.outputs], set(persons.values()))
    fields = {port.contract.subject for spec in specs for port in spec.outputs if port.contract.subject}
    sought = Sought(subject, fields, records.values)
    unfinished = {run for run, value in log.scan(PENDING) if sought.in_run(_pending(value).entry)}
    runs, events = _runs(log, sought, records), _events(log, sought)
    owners = {*runs.values(), *events.values()}
    return Found(
        persons,
        dict(records.count),
        sorted(run for run, owner in runs.items() if product in (None, owner) and run not in unfinished),
        sorted(event for event, owner in events.items() if product in (None, owner)),
        sorted(unfinished),
        sorted(owner for owner in owners if owner is not None and product not in (None, owner)),
        _states(log, specs, sought),
    )


class _Records:
    """The records of persons in ports: how many, where, which runs wrote them, and which values are theirs alone."""

    def __init__(self, log: Log, ports: Iterable[OutputPortSpec], persons: set[int]) -> None:
        self.count: Counter[str] = Counter()
        self.values: set[str] = set()
        self._writers: set[str] = set()
        self._positions: dict[tuple[str, int], list[int]] = {}
        personal = [port for port in ports if port.contract.subject]
        for port in personal if persons else ():
            for chunk in chunks_of(log, port.id):
                if chunk.person in persons:
                    self._add(port, chunk)
        for port in personal if self.values else ():
            for chunk in chunks_of(log, port.id):
                if chunk.person not in persons:
                    self.values -= {value for value in self.values if value.encode() in chunk.entries}

    def _add(self, port: OutputPortSpec, chunk: Chunk) -> None:
        self.count[port.id] += chunk.count
        self._writers.add(str(chunk.header.get("run")))
        self._positions.setdefault((port.id, chunk.partition), []).extend(range(chunk.base, chunk.end))
        for entry in entries_of(chunk):
            self.values.update(telling_values(port.contract, _record(entry.body)))

    def touched_by(self, run: RunEntry) -> bool:
        """True where the run wrote or read one of the records."""
        return run.id in self._writers or any(self._within(*read) for read in run.reads)

    def _within(self, port: str, partition: int, first: int, end: int) -> bool:
        positions = self._positions.get((port, partition), [])
        at = bisect_left(positions, first)
        return first >= 0 and at < len(positions) and positions[at] < end


def chunks_of(log: Log, topic: str) -> Iterator[Chunk]:
    """All that a topic has."""
    config = log.topics().get(topic)
    for partition in range(config.partitions if config else 0):
        position = log.bounds(topic, partition)[0]
        while chunks := log.read(topic, partition, position, max_bytes=_READ_BYTES):
            yield from chunks
            position = chunks[-1].end


def entries_in(log: Log, topic: str) -> Iterator[Entry]:
    """All entries of a topic."""
    for chunk in chunks_of(log, topic):
        yield from entries_of(chunk)


def _runs(log: Log, sought: Sought, records: _Records) -> dict[str, str]:
    """The runs that speak of the person, with their products."""
    found: dict[str, str] = {}
    for entry in entries_in(log, RUNS_TOPIC):
        run = _run(entry.body)
        if run is None or run.id in found:
            continue
        if records.touched_by(run) or (sought.may_be_in(entry.body) and sought.in_run(run)):
            found[run.id] = run.product
    return found


def _events(log: Log, sought: Sought) -> dict[str, str | None]:
    """The events that speak of the person, with the products that emitted them; None where they came from outside."""
    candidates = (_event(entry.body) for entry in entries_in(log, EVENTS_TOPIC) if sought.may_be_in(entry.body))
    return {event.id: event.product for event in candidates if event is not None and sought.in_event(event)}


def _states(log: Log, specs: Iterable[ProductSpec], sought: Sought) -> list[str]:
    """The processes that keep a state which speaks of the person."""
    processes = [f"{spec.id}:{process.name}" for spec in specs for process in spec.processes]
    return [
        process
        for process in processes
        if any(sought.in_value(key) or sought.in_value(value) for key, value in log.scan(f"state:{process}"))
    ]
