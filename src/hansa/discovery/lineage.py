"""The lineage graph: who read, wrote, called and said what, derived from runs and events with no user code.

    port ──read──► process ──write──► port          process ──call──► process
    process ──emit──► event:OrderPlaced             A1982 ──event──► R0042 (free identities, or ids of anything here)
    process ──use──► connection:ops.flights/billing (a named way out, whatever was called there)
    product ──owns──► its ports and processes       (added where a graph begins at a product)

Edges are kept per hour, so that a graph can be asked for as it was known at a past time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, Final, Literal

import msgspec

from hansa.discovery.events import Event
from hansa.eventlog.interface import Chunk, as_array
from hansa.model.run import CARRIED, EVENTS_TOPIC, FINAL, RUNS_TOPIC
from hansa.views.database import Connection
from hansa.views.interface import View
from hansa.views.keeping import Order
from hansa.views.table import Index, Insert, Table

EdgeKind = Literal["read", "write", "call", "emit", "trigger", "event", "use", "owns"]
NodeKind = Literal["product", "port", "process", "event", "connection", "identity"]

_PARTS: Final = frozenset({"chunk", "record"})
"""Triggers of children that are parts of their parent's own work, not calls."""
_RAW: Final = msgspec.Raw(b"\xc0")
HOUR_US: Final = 3_600_000_000
_TEXT_CHARS_MAX: Final = 160
_HEAD_CHARS: Final = 127
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


def known_as(text: str) -> str:
    """The text as it stands in the graph: a long one is its beginning and a digest, so that it can be a key."""
    if len(text) <= _TEXT_CHARS_MAX:
        return text
    return f"{text[:_HEAD_CHARS]}…{blake2b(text.encode(), digest_size=16).hexdigest()}"


def event_node(name: str) -> str:
    """The node of an event's type."""
    return f"event:{name}"


def connection_node(product: str, name: str) -> str:
    """The node of a connection of a product, or of what is called `connection/…` there."""
    return f"connection:{product}/{name}"


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
        yield Use(process, connection_node(entry.product, connection), "use", "", at)
    topic = entry.trigger_detail.get("kafka")
    if entry.trigger == "kafka" and isinstance(topic, str):
        records = sum(end - first for port, _, first, end in entry.reads if port.startswith("_"))
        yield Use(connection_node(entry.product, topic), process, "read", "", at, records)
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


_EDGE: Final = Table(
    "lineage_edge",
    {
        "source": "text",
        "target": "text",
        "kind": "text",
        "name": "text",
        "hour": "number",
        "count": "number",
        "records": "number",
        "first_us": "number",
        "last_us": "number",
    },
    key=("source", "target", "kind", "name", "hour"),
    indexes=(Index("lineage_target", ("target",)),),
)
_CALL: Final = Table(
    "lineage_call",
    {"parent": "text", "child": "text", "target": "text", "time_us": "number"},
    key=("parent", "child"),
)
_ROWS: Final = Insert(
    _EDGE,
    on=_EDGE.key,
    do="UPDATE SET count = lineage_edge.count + excluded.count, records = lineage_edge.records + excluded.records, "
    "first_us = CASE WHEN excluded.first_us < lineage_edge.first_us THEN excluded.first_us"
    " ELSE lineage_edge.first_us END, "
    "last_us = CASE WHEN excluded.last_us > lineage_edge.last_us THEN excluded.last_us ELSE lineage_edge.last_us END",
)
_CALLS: Final = Insert(_CALL, on=_CALL.key, do="UPDATE SET target = excluded.target, time_us = excluded.time_us")


class LineageView(View):
    """A row per edge and hour. Only finished runs count, and dry ones never.

    A call is known by the child's `parent`: a finished child waits in `lineage_call` until the next entry of its parent
    tells the caller's process, or is settled at once where the trigger's detail has it as `process`.
    """

    name = "lineage"
    version = 1
    tables = (_EDGE, _CALL)

    def __init__(self) -> None:
        self._runs = msgspec.msgpack.Decoder(list[tuple[str | None, LinkedEntry | None]]).decode
        self._events = msgspec.msgpack.Decoder(list[tuple[str | None, Event | None]]).decode

    def follows(self, topic: str) -> bool:
        return topic in (RUNS_TOPIC, EVENTS_TOPIC)

    def apply(self, db: Connection, chunks: Sequence[Chunk]) -> None:
        runs = _bodies(self._runs, [c for c in chunks if c.topic == RUNS_TOPIC and CARRIED not in c.header])
        events = _bodies(self._events, [c for c in chunks if c.topic == EVENTS_TOPIC])
        uses = [use for run in runs if run.state in FINAL and not run.dry for use in uses_of_run(run)]
        uses += [use for event in events for use in uses_of_event(event)]
        uses += _calls(db, runs)
        db.write(_ROWS, _hourly(uses))

    def keep(self, db: Connection, order: Order) -> None:
        """Edges outlive the entries they come from, and hold no content: names of nodes, counts and times."""


def _bodies(decode: Callable[[bytes], list[tuple[str | None, Any]]], chunks: Sequence[Chunk]) -> list[Any]:
    """The bodies of all entries whose person is not forgotten."""
    entries = decode(as_array(b"".join([c.entries for c in chunks]), sum([c.count for c in chunks])))
    return [body for _, body in entries if body is not None]


def _calls(db: Connection, runs: Sequence[LinkedEntry]) -> list[Use]:
    """The calls that these entries settle, each entry in turn; children whose caller is not known yet are kept."""
    waiting = _Waiting(db, [run.id for run in runs])
    uses = []
    for run in runs:
        process = process_node(run.product, run.process)
        uses += [_call(process, target, at) for target, at in waiting.taken(run.id)]
        if not run.parent or run.trigger in _PARTS or run.state not in FINAL or run.dry:
            continue
        caller = run.trigger_detail.get("process")
        if isinstance(caller, str):
            uses.append(_call(process_node(run.product, caller), process, run.finished_us))
        else:
            waiting.add(run.parent, run.id, process, run.finished_us)
    waiting.store()
    return [use for use in uses if use.source != use.target]


class _Waiting:
    """The children that wait for an entry of their parent, for as long as a batch is applied."""

    def __init__(self, db: Connection, parents: list[str]) -> None:
        self._db = db
        self._added: dict[str, dict[str, tuple[str, int]]] = {}
        self._stored: dict[str, dict[str, tuple[str, int]]] = {}
        sql = f"SELECT parent, child, target, time_us FROM lineage_call WHERE {db.dialect.among('parent')}"
        for parent, child, target, time_us in db.execute(sql, (parents,)):
            self._stored.setdefault(parent, {})[child] = (target, time_us)
        self._gone: list[str] = []

    def taken(self, parent: str) -> Iterable[tuple[str, int]]:
        """The (process, time) of the children that waited for `parent`; they wait no more."""
        stored, added = self._stored.pop(parent, {}), self._added.pop(parent, {})
        if stored:
            self._gone.append(parent)
        return (stored | added).values()

    def add(self, parent: str, child: str, process: str, time_us: int) -> None:
        self._added.setdefault(parent, {})[child] = (process, time_us)

    def store(self) -> None:
        """Keeps what is still waited for."""
        if self._gone:
            self._db.execute(f"DELETE FROM lineage_call WHERE {self._db.dialect.among('parent')}", (self._gone,))
        rows = [(parent, child, *call) for parent, calls in self._added.items() for child, call in calls.items()]
        self._db.write(_CALLS, rows)


def _call(caller: str, process: str, time_us: int) -> Use:
    return Use(caller, process, "call", "", time_us)


def _hourly(uses: Iterable[Use]) -> list[list[Any]]:
    """The rows of the uses, one per edge and hour."""
    rows: dict[tuple[str, str, str, str, int], list[Any]] = {}
    for use in uses:
        source, target, name = known_as(use.source), known_as(use.target), known_as(use.name)
        key = (source, target, use.kind, name, use.time_us - use.time_us % HOUR_US)
        row = rows.get(key)
        if row is None:
            rows[key] = [*key, 1, use.records, use.time_us, use.time_us]
        else:
            row[5] += 1
            row[6] += use.records
            row[7] = min(row[7], use.time_us)
            row[8] = max(row[8], use.time_us)
    return list(rows.values())
