"""Finds what a Hansa has of a person: records, runs, events. Reads the whole log and changes nothing."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from hansa.discovery.events import Event
from hansa.eventlog.interface import Chunk, Entry, Log, Partition, Put, entries_of
from hansa.lifecycle.mentions import Sought, telling_values
from hansa.lifecycle.redaction import without_person
from hansa.model.ids import subject_name
from hansa.model.product import ContractSpec, ProductSpec
from hansa.model.run import EVENTS_TOPIC, RUNS_TOPIC, RunEntry
from hansa.runtime.journal import CHUNKS, PENDING, STEPS, Pending

_READ_BYTES: Final = 4 << 20
_record: Final = msgspec.msgpack.Decoder().decode
_run: Final = msgspec.msgpack.Decoder(RunEntry | None).decode
_event: Final = msgspec.msgpack.Decoder(Event | None).decode
_pending: Final = msgspec.msgpack.Decoder(Pending).decode


class Found(msgspec.Struct, frozen=True):
    """What there is of a person. `persons` maps the names of their keys to their numbers; `records` counts by port.

    `runs` and `events` are ids; `unfinished` are runs that are not over, `states` the processes that keep a state which
    speaks of the person. What is left as it is: `left` counts by port the records that speak of the person where no
    contract ever said whose they are; `elsewhere` are products outside of what was asked for that have something, too.

    `plain` are the positions, by topic and partition, of records that were written before their contract had a subject;
    `puts` is what the states become.
    """

    persons: dict[str, int]
    records: dict[str, int]
    runs: list[str]
    events: list[str]
    unfinished: list[str]
    elsewhere: list[str]
    states: list[str]
    left: dict[str, int] = {}
    plain: dict[Partition, list[int]] = {}
    puts: list[Put] = []


def find_person(log: Log, specs: Sequence[ProductSpec], subject: str, product: str | None = None) -> Found:
    """What there is of `subject` in one of the products, or in all. `specs` has every revision of each: what a contract
    once said of its records still holds for those that were written by then."""
    within = {spec.id for spec in specs if product in (None, spec.id)}
    names = sorted(subject_name(name, subject) for name in within)
    persons = {name: number for name in names if (number := log.person(name)) is not None}
    ports = ports_of(spec for spec in specs if spec.id in within)
    records = _Records(log, ports, set(persons.values()), subject)
    sought = Sought(subject, subjects_of(specs), records.values)
    pending = _pending_runs(log, sought)
    runs, events = _runs(log, sought, records), _events(log, sought)
    puts = _states(log, specs, sought)
    owners = {*runs.values(), *events.values(), *pending.values(), *(name.partition(":")[0] for name in puts)}
    return Found(
        persons,
        dict(records.count),
        sorted(run for run, owner in runs.items() if product in (None, owner) and run not in pending),
        sorted(event for event, owner in events.items() if product in (None, owner)),
        sorted(run for run, owner in pending.items() if product in (None, owner)),
        sorted(owner for owner in owners if owner is not None and product not in (None, owner)),
        sorted(name for name in puts if name.partition(":")[0] in within),
        _unnamed(log, ports, sought),
        records.plain,
        [put for name, made in puts.items() if name.partition(":")[0] in within for put in made],
    )


Ports = Mapping[str, Sequence[ContractSpec]]
"""The contracts that each port ever had."""


def ports_of(specs: Iterable[ProductSpec]) -> dict[str, list[ContractSpec]]:
    """The ports of all these revisions."""
    found: dict[str, list[ContractSpec]] = {}
    for spec in specs:
        for port in spec.outputs:
            known = found.setdefault(port.id, [])
            if port.contract not in known:
                known.append(port.contract)
    return found


def subjects_of(specs: Iterable[ProductSpec]) -> set[str]:
    """The names of fields that any contract calls the subject."""
    return {port.contract.subject for spec in specs for port in spec.outputs if port.contract.subject}


class _Records:
    """The records of a person in ports: how many, where, which runs wrote them, and which values are theirs alone.
    `plain` are those that stand there in clear, from before their contract had a subject."""

    def __init__(self, log: Log, ports: Ports, persons: set[int], subject: str) -> None:
        self.count: Counter[str] = Counter()
        self.values: set[str] = set()
        self.plain: dict[Partition, list[int]] = {}
        self._persons = persons
        self._writers: set[str] = set()
        self._positions: dict[Partition, list[int]] = {}
        personal = {port: contracts for port, contracts in ports.items() if any(c.subject for c in contracts)}
        for port, contracts in personal.items():
            fields = {contract.subject for contract in contracts if contract.subject}
            for chunk in chunks_of(log, port):
                theirs = list(self._theirs(chunk, fields, subject))
                self._add(chunk, theirs, contracts)
                if chunk.person is None and theirs:
                    self.plain.setdefault((port, chunk.partition), []).extend(entry.position for entry in theirs)
        for port in personal if self.values else ():
            for chunk in chunks_of(log, port):
                self._leave_to_others(chunk)

    def _theirs(self, chunk: Chunk, fields: set[str], subject: str) -> Iterator[Entry]:
        """The entries of a chunk that are the person's: all, none, or those in clear that say so."""
        if chunk.person is not None:
            return entries_of(chunk) if chunk.person in self._persons else iter(())
        if subject.encode() not in chunk.entries and not subject.isdecimal():
            return iter(())
        return (entry for entry in entries_of(chunk) if is_of(entry.body, fields, subject))

    def _add(self, chunk: Chunk, theirs: Sequence[Entry], contracts: Sequence[ContractSpec]) -> None:
        if not theirs:
            return
        self.count[chunk.topic] += len(theirs)
        self._writers.add(str(chunk.header.get("run")))
        positions = self._positions.setdefault((chunk.topic, chunk.partition), [])
        for entry in theirs:
            positions.append(entry.position)
            for contract in contracts:
                self.values.update(telling_values(contract, _record(entry.body)))

    def _leave_to_others(self, chunk: Chunk) -> None:
        if chunk.person in self._persons:
            return
        plain = set(self.plain.get((chunk.topic, chunk.partition), ()))
        others = [chunk.entries]
        if plain:
            others = [entry.body for entry in entries_of(chunk) if entry.position not in plain]
        self.values -= {value for value in self.values if any(value.encode() in body for body in others)}

    def touched_by(self, run: RunEntry) -> bool:
        """True where the run wrote or read one of the records."""
        return run.id in self._writers or any(self._within(*read) for read in run.reads)

    def _within(self, port: str, partition: int, first: int, end: int) -> bool:
        positions = self._positions.get((port, partition), [])
        at = bisect_left(positions, first)
        return first >= 0 and at < len(positions) and positions[at] < end


def is_of(record: bytes, fields: Collection[str], subject: str) -> bool:
    """True where a record (msgpack) says in one of the fields that it is of `subject`."""
    plain = _record(record)
    return isinstance(plain, dict) and any(str(plain.get(field)) == subject for field in fields)


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


def _pending_runs(log: Log, sought: Sought) -> dict[str, str]:
    """The runs that are not over and speak of the person, in what they were given or have done so far, with their
    products."""
    entries = {run: _pending(value).entry for run, value in log.scan(PENDING)}
    telling = {run for run, entry in entries.items() if sought.in_run(entry)}
    for scope in (STEPS, CHUNKS):
        telling |= {key.partition("/")[0] for key, value in log.scan(scope) if sought.in_value(value)}
    return {run: entry.product for run, entry in entries.items() if run in telling}


def _states(log: Log, specs: Iterable[ProductSpec], sought: Sought) -> dict[str, list[Put]]:
    """What becomes of the states that speak of the person, by process. Refused where one has moved since."""
    found: dict[str, list[Put]] = {}
    for process in {f"{spec.id}:{process.name}" for spec in specs for process in spec.processes}:
        scope = f"state:{process}"
        for key, value in log.scan(scope):
            if sought.in_value(key):
                found.setdefault(process, []).append(Put(scope, key, None, value))
            elif sought.in_value(value):
                found.setdefault(process, []).append(Put(scope, key, without_person(value, sought), value))
    return found


def _unnamed(log: Log, ports: Ports, sought: Sought) -> dict[str, int]:
    """How many records speak of the person in ports of which no contract ever had a subject."""
    found: Counter[str] = Counter()
    for port in (port for port, contracts in ports.items() if not any(c.subject for c in contracts)):
        for chunk in chunks_of(log, port):
            if sought.may_be_in(chunk.entries):
                found[port] += sum(sought.in_value(_record(entry.body)) for entry in entries_of(chunk))
    return {port: count for port, count in found.items() if count}
