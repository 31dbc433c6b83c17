"""The lineage graph: who read, wrote, called and said what, derived from runs and events with no user code.

    port ──read──► process ──write──► port          process ──call──► process
    process ──emit──► event:OrderPlaced             A1982 ──event──► R0042 (free identities, or ids of anything here)
    process ──use──► connection:ops.flights/billing (a named way out, whatever was called there)
    product ──owns──► its ports and processes       (added where a graph begins at a product)

Edges are kept per hour, so that a graph can be asked for as it was known at a past time.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Literal

import msgspec

from hansa.discovery.events import Event
from hansa.eventlog.interface import Chunk, as_array
from hansa.model.run import CARRIED, EVENTS_TOPIC, FINAL, RUNS_TOPIC
from hansa.views.bulk import BulkWriter
from hansa.views.interface import View
from hansa.views.keeping import Order

EdgeKind = Literal["read", "write", "call", "emit", "trigger", "event", "use", "owns"]
NodeKind = Literal["product", "port", "process", "event", "connection", "identity"]

_PARTS: Final = frozenset({"chunk", "record"})
"""Triggers of children that are parts of their parent's own work, not calls."""
_RAW: Final = msgspec.Raw(b"\xc0")
HOUR_US: Final = 3_600_000_000
_NAME: Final = r"[a-z][a-z0-9_]*"
_KINDS: Final[list[tuple[NodeKind, re.Pattern[str]]]] = [
    ("product", re.compile(rf"{_NAME}\.{_NAME}")),
    ("process", re.compile(rf"{_NAME}\.{_NAME}:{_NAME}")),
    ("port", re.compile(rf"{_NAME}\.{_NAME}/{_NAME}@[1-9][0-9]*")),
    ("event", re.compile(r"event:.+", re.DOTALL)),
    ("connection", re.compile(rf"connection:{_NAME}\.{_NAME}/.+", re.DOTALL)),
]


def node_kind(node: str) -> NodeKind:
    """What a node is, by the grammar of its id; whatever has none is an identity that an event named."""
    return next((kind for kind, pattern in _KINDS if pattern.fullmatch(node)), "identity")


def event_node(name: str) -> str:
    """The node of an event's type."""
    return f"event:{name}"


def process_node(product: str, process: str) -> str:
    """The node of a process, whether it is named in full or within its product."""
    return process if ":" in process else f"{product}:{process}"


class LinkedEntry(msgspec.Struct, array_like=True, gc=False):
    """A `RunEntry` of which only what makes lineage is decoded: the same fields, in the same order."""

    id: str
    state: str
    product: str
    revision: msgspec.Raw
    process: str
    attempt: msgspec.Raw = _RAW
    trigger: str = ""
    trigger_detail: dict[str, Any] = {}
    principal: msgspec.Raw = _RAW
    parent: str | None = None
    trace: msgspec.Raw = _RAW
    accepted_us: msgspec.Raw = _RAW
    started_us: msgspec.Raw = _RAW
    finished_us: int = 0
    payload: msgspec.Raw = _RAW
    result: msgspec.Raw = _RAW
    status: msgspec.Raw = _RAW
    headers: msgspec.Raw = _RAW
    error: msgspec.Raw = _RAW
    logic: msgspec.Raw = _RAW
    output: msgspec.Raw = _RAW
    reads: list[tuple[str, int, int, int]] = []
    writes: list[tuple[str, int]] = []
    events: msgspec.Raw = _RAW
    idempotency_key: msgspec.Raw = _RAW
    dead: msgspec.Raw = _RAW
    replay_of: msgspec.Raw = _RAW
    dry: bool = False
    uses: list[tuple[str, str, str, str]] = []


class Use(msgspec.Struct, frozen=True):
    """One observation: an edge was used `count` times, for `records` records, at `time_us`."""

    source: str
    target: str
    kind: EdgeKind
    name: str
    time_us: int
    records: int = 0


def uses_of_run(entry: LinkedEntry) -> Iterator[Use]:
    """What a finished run says: ports read and written, and who called it where its trigger tells."""
    if not (entry.reads or entry.writes or entry.uses or entry.trigger == "event"):
        return
    process, at = process_node(entry.product, entry.process), entry.finished_us
    for port, _, first, end in entry.reads:
        if not port.startswith("_"):
            yield Use(port, process, "read", "", at, end - first if first >= 0 else 0)
    for port, records in entry.writes:
        yield Use(process, port, "write", "", at, records)
    for connection in dict.fromkeys(use[1] for use in entry.uses):
        yield Use(process, f"connection:{entry.product}/{connection}", "use", "", at)
    name = entry.trigger_detail.get("event")
    if entry.trigger == "event" and isinstance(name, str):
        yield Use(event_node(name), process, "trigger", name, at)


def uses_of_event(event: Event) -> Iterator[Use]:
    """What an event says: its source leads to its target, and the process that emitted it to its type."""
    if event.source and event.target:
        yield Use(event.source, event.target, "event", event.name, event.time_us)
    if event.process:
        emitter = process_node(event.product or "", event.process)
        yield Use(emitter, event_node(event.name), "emit", event.name, event.time_us)


class LineageView(View):
    """A row per edge and hour. Only finished runs count, and dry ones never.

    A call is known by the child's `parent`: a finished child waits in `lineage_call` until the next entry of its parent
    tells the caller's process, or is settled at once where the trigger's detail has it as `process`.
    """

    name = "lineage"
    version = 1
    tables = ("lineage_edge", "lineage_call")
    schema = (
        """CREATE TABLE lineage_edge (
            source TEXT NOT NULL, target TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, hour INTEGER NOT NULL,
            count INTEGER NOT NULL, records INTEGER NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL,
            PRIMARY KEY (source, target, kind, name, hour)) WITHOUT ROWID""",
        "CREATE INDEX lineage_target ON lineage_edge (target)",
        """CREATE TABLE lineage_call (
            parent TEXT NOT NULL, child TEXT NOT NULL, target TEXT NOT NULL, time_us INTEGER NOT NULL,
            PRIMARY KEY (parent, child)) WITHOUT ROWID""",
    )

    def __init__(self) -> None:
        self._runs = msgspec.msgpack.Decoder(list[tuple[str | None, LinkedEntry | None]]).decode
        self._events = msgspec.msgpack.Decoder(list[tuple[str | None, Event | None]]).decode
        self._writer = BulkWriter(
            "INSERT INTO lineage_edge",
            9,
            "ON CONFLICT DO UPDATE SET count = count + excluded.count, records = records + excluded.records, "
            "first_us = MIN(first_us, excluded.first_us), last_us = MAX(last_us, excluded.last_us)",
        )

    def follows(self, topic: str) -> bool:
        return topic in (RUNS_TOPIC, EVENTS_TOPIC)

    def apply(self, db: sqlite3.Connection, chunks: Sequence[Chunk]) -> None:
        runs = _bodies(self._runs, [c for c in chunks if c.topic == RUNS_TOPIC and CARRIED not in c.header])
        events = _bodies(self._events, [c for c in chunks if c.topic == EVENTS_TOPIC])
        uses = [use for run in runs if run.state in FINAL and not run.dry for use in uses_of_run(run)]
        uses += [use for event in events for use in uses_of_event(event)]
        uses += _calls(db, runs)
        self._writer.write(db, _hourly(uses))

    def keep(self, db: sqlite3.Connection, order: Order) -> None:
        """Edges outlive the entries they come from, and hold no content: names of nodes, counts and times."""


def _bodies(decode: Callable[[bytes], list[tuple[str | None, Any]]], chunks: Sequence[Chunk]) -> list[Any]:
    """The bodies of all entries whose person is not forgotten."""
    entries = decode(as_array(b"".join([c.entries for c in chunks]), sum([c.count for c in chunks])))
    return [body for _, body in entries if body is not None]


def _calls(db: sqlite3.Connection, runs: Sequence[LinkedEntry]) -> list[Use]:
    """The calls that these entries settle, each entry in turn; children whose caller is not known yet are kept."""
    ids = msgspec.json.encode([run.id for run in runs]).decode()
    rows = db.execute("SELECT parent FROM lineage_call WHERE parent IN (SELECT value FROM json_each(?))", (ids,))
    waited_for = {row[0] for row in rows}
    uses = []
    for run in runs:
        process = process_node(run.product, run.process)
        if run.id in waited_for:
            uses += [_call(process, target, at) for target, at in _take_children(db, run.id)]
        if not run.parent or run.trigger in _PARTS or run.state not in FINAL or run.dry:
            continue
        caller = run.trigger_detail.get("process")
        if isinstance(caller, str):
            uses.append(_call(process_node(run.product, caller), process, run.finished_us))
        else:
            row = (run.parent, run.id, process, run.finished_us)
            db.execute("INSERT OR REPLACE INTO lineage_call VALUES (?, ?, ?, ?)", row)
            waited_for.add(run.parent)
    return [use for use in uses if use.source != use.target]


def _take_children(db: sqlite3.Connection, parent: str) -> list[tuple[str, int]]:
    """The (process, time) of the children that waited for `parent`; they wait no more."""
    found = db.execute("SELECT target, time_us FROM lineage_call WHERE parent = ?", (parent,)).fetchall()
    db.execute("DELETE FROM lineage_call WHERE parent = ?", (parent,))
    return found


def _call(caller: str, process: str, time_us: int) -> Use:
    return Use(caller, process, "call", "", time_us)


def _hourly(uses: Iterable[Use]) -> list[list[Any]]:
    """The rows of the uses, one per edge and hour."""
    rows: dict[tuple[str, str, str, str, int], list[Any]] = {}
    for use in uses:
        key = (use.source, use.target, use.kind, use.name, use.time_us - use.time_us % HOUR_US)
        row = rows.get(key)
        if row is None:
            rows[key] = [*key, 1, use.records, use.time_us, use.time_us]
        else:
            row[5] += 1
            row[6] += use.records
            row[7] = min(row[7], use.time_us)
            row[8] = max(row[8], use.time_us)
    return list(rows.values())
