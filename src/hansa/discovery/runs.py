"""The history of runs: a lean index of the topic `_runs`, and the log behind it for the details.

The index holds what is filtered, sorted and listed. Payload, result, per-logic times and headers stay in the log; a row
keeps the coordinates of the run's latest entry and of the entry that has its payload.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from hansa.errors import CallerError
from hansa.eventlog.interface import Chunk, LogReader, as_array
from hansa.model.run import CARRIED, FORGOTTEN, RUNS_TOPIC, RunEntry, RunError, RunState
from hansa.views.bulk import BulkWriter
from hansa.views.cursor import decode_cursor, encode_cursor
from hansa.views.interface import View
from hansa.views.keeping import Forget, Order, Prune
from hansa.views.store import ViewReader

_NO_BYTES: Final = msgspec.msgpack.encode(b"")
_RAW: Final = msgspec.Raw(b"\xc0")
_TEXT_CHARS: Final = 4000
"""How much of a run's output can be searched; all of it stands in the log."""


class _Why(msgspec.Struct):
    code: str
    message: str


class IndexedEntry(msgspec.Struct, array_like=True, gc=False):
    """A `RunEntry` of which only what is indexed is decoded: its first fields, in the same order."""

    id: str
    state: str
    product: str
    revision: str
    process: str
    attempt: int = 1
    trigger: str = ""
    trigger_detail: msgspec.Raw = _RAW
    principal: str = ""
    parent: str | None = None
    trace: str | None = None
    accepted_us: int = 0
    started_us: int = 0
    finished_us: int = 0
    payload: msgspec.Raw = msgspec.Raw(_NO_BYTES)
    result: msgspec.Raw = _RAW
    status: int = 200
    headers: msgspec.Raw = _RAW
    error: _Why | None = None
    logic: msgspec.Raw = _RAW
    output: str = ""
    reads: msgspec.Raw = _RAW
    writes: msgspec.Raw = _RAW
    events: int = 0
    idempotency_key: str | None = None
    dead: bool = False
    replay_of: str | None = None
    dry: bool = False


class RunSummary(msgspec.Struct, frozen=True):
    """One row of the history. `duration_us` is None until the run has finished."""

    id: str
    state: str
    product: str
    revision: str
    process: str
    attempt: int
    trigger: str
    principal: str
    parent: str | None
    trace: str | None
    accepted_us: int
    started_us: int
    finished_us: int
    status: int
    events: int
    dead: bool
    dry: bool
    replay_of: str | None
    idempotency_key: str | None
    error_code: str | None
    error_message: str | None

    @property
    def duration_us(self) -> int | None:
        return self.finished_us - self.started_us if self.finished_us else None


_SUMMARY: Final = RunSummary.__struct_fields__
_PLACE: Final = ("partition", "position", "payload_partition", "payload_position")
_COLUMNS: Final = (*_SUMMARY, *_PLACE)
_UPSERT: Final = (
    "ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name != "id" and not name.startswith("payload_"))
    + ", payload_partition = COALESCE(payload_partition, excluded.payload_partition)"
    + ", payload_position = COALESCE(payload_position, excluded.payload_position)"
)


_CARRY: Final = (
    f"INSERT INTO run ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _PLACE)
    + " WHERE run.position = ?"
)
_OLD: Final = "SELECT id FROM run WHERE partition = ? AND position < ? AND finished_us > 0 AND NOT dead"
_PRUNE: Final = (f"DELETE FROM run_text WHERE id IN ({_OLD})", f"DELETE FROM run WHERE id IN ({_OLD})")
"""Rows go with their latest entry, but for runs that are not over and dead letters that nobody has dealt with."""
_NAMED: Final = "IN (SELECT value FROM json_each(?))"
_FORGET: Final = (
    f"DELETE FROM run_text WHERE id {_NAMED}",
    f"""INSERT INTO run_text SELECT id, error_code || ' {FORGOTTEN}' || char(10) FROM run
        WHERE error_code IS NOT NULL AND id {_NAMED}""",
    f"""UPDATE run SET idempotency_key = NULL, payload_partition = NULL, payload_position = NULL,
        error_message = CASE WHEN error_code IS NOT NULL THEN '{FORGOTTEN}' END WHERE id {_NAMED}""",
)
"""Leaves what the entries of these runs say after `hansa.model.run.without_content`."""


class RunsView(View):
    """A row per run, whatever the number of its entries."""

    name = "runs"
    version = 2
    prunes = True
    tables = ("run", "run_text")
    schema = (
        """CREATE TABLE run (
            seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, state TEXT, product TEXT, revision TEXT, process TEXT,
            attempt INTEGER, trigger TEXT, principal TEXT, parent TEXT, trace TEXT, accepted_us INTEGER,
            started_us INTEGER, finished_us INTEGER, status INTEGER, events INTEGER, dead INTEGER, dry INTEGER,
            replay_of TEXT, idempotency_key TEXT, error_code TEXT, error_message TEXT,
            partition INTEGER, position INTEGER, payload_partition INTEGER, payload_position INTEGER)""",
        "CREATE INDEX run_time ON run (accepted_us)",
        "CREATE INDEX run_product ON run (product, accepted_us)",
        "CREATE INDEX run_process ON run (product, process, accepted_us)",
        "CREATE INDEX run_state ON run (state, accepted_us) WHERE state <> 'succeeded'",
        "CREATE INDEX run_parent ON run (parent) WHERE parent IS NOT NULL",
        "CREATE INDEX run_position ON run (position)",
        "CREATE TABLE run_text (id TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID",
    )

    def __init__(self) -> None:
        self._decode = msgspec.msgpack.Decoder(list[tuple[str | None, IndexedEntry | None]]).decode
        self._runs = BulkWriter(f"INSERT INTO run ({', '.join(_COLUMNS)})", len(_COLUMNS), _UPSERT)
        self._texts = BulkWriter("INSERT OR REPLACE INTO run_text", 2)

    def follows(self, topic: str) -> bool:
        return topic == RUNS_TOPIC

    def apply(self, db: sqlite3.Connection, chunks: Sequence[Chunk]) -> None:
        for is_carried, together in groupby(chunks, lambda chunk: CARRIED in chunk.header):
            (self._carry if is_carried else self._add)(db, list(together))

    def _add(self, db: sqlite3.Connection, chunks: Sequence[Chunk]) -> None:
        entries = self._decode(as_array(b"".join([c.entries for c in chunks]), sum([c.count for c in chunks])))
        rows, texts = [], []
        for (_, entry), (partition, position) in zip(entries, _places(chunks), strict=True):
            if entry is None:  # the person's key was destroyed
                continue
            rows.append(_row(entry, partition, position))
            if entry.output or entry.error is not None:
                texts.append((entry.id, _text(entry)))
        self._runs.write(db, rows)
        self._texts.write(db, texts)

    def _carry(self, db: sqlite3.Connection, chunks: Sequence[Chunk]) -> None:
        """Dead letters that stand elsewhere now, unless something happened to them since they were read there."""
        for chunk in chunks:
            ((_, entry),) = self._decode(as_array(chunk.entries, chunk.count))
            if entry is not None:
                db.execute(_CARRY, (*_row(entry, chunk.partition, chunk.base), chunk.header[CARRIED]))
                db.execute("INSERT OR IGNORE INTO run_text VALUES (?, ?)", (entry.id, _text(entry)))

    def keep(self, db: sqlite3.Connection, order: Order) -> None:
        if isinstance(order, Forget):
            ids = msgspec.json.encode(order.runs).decode()
            for statement in _FORGET:
                db.execute(statement, (ids,))
        elif isinstance(order, Prune) and order.topic == RUNS_TOPIC:
            for statement in _PRUNE:
                db.execute(statement, (order.partition, order.first))


def _places(chunks: Sequence[Chunk]) -> Iterator[tuple[int, int]]:
    """(partition, position) of every entry of `chunks`."""
    for chunk in chunks:
        for position in range(chunk.base, chunk.end):
            yield chunk.partition, position


def _row(e: IndexedEntry, partition: int, position: int) -> tuple[Any, ...]:
    code, message = (e.error.code, e.error.message) if e.error is not None else (None, None)
    payload = (None, None) if bytes(e.payload) == _NO_BYTES else (partition, position)
    return (
        *(e.id, e.state, e.product, e.revision, e.process, e.attempt, e.trigger, e.principal, e.parent, e.trace),
        *(e.accepted_us, e.started_us, e.finished_us, e.status, e.events, e.dead, e.dry, e.replay_of),
        *(e.idempotency_key, code, message, partition, position, *payload),
    )


def _text(entry: IndexedEntry) -> str:
    message = f"{entry.error.code} {entry.error.message}\n" if entry.error is not None else ""
    return message + entry.output[:_TEXT_CHARS]


class RunQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which runs, newest first; what is None does not filter.

    `domains` limits it to their products. `process` is a name, or the whole id (`operations.flights:load`).
    `since_us` is inclusive and `until_us` exclusive, both over the time of acceptance. `text` is looked for in the
    error's code and message and in the beginning of the output, without regard to case. `after` is the `next` of the
    page before.
    """

    product: str | None = None
    domains: list[str] | None = None
    process: str | None = None
    state: str | None = None
    trigger: str | None = None
    principal: str | None = None
    parent: str | None = None
    dead: bool | None = None
    since_us: int | None = None
    until_us: int | None = None
    text: str | None = None
    size: int = 50
    after: str | None = None


class RunPage(msgspec.Struct, frozen=True):
    """`next` is where the page behind this one begins, None on the last."""

    runs: list[RunSummary]
    next: str | None


_SIZE_MAX: Final = 1000


class RunHistory:
    """Questions about runs. Every method is one short piece of blocking work: call it from a thread."""

    def __init__(self, store: ViewReader, log: LogReader) -> None:
        self._store = store
        self._log = log
        self._decode = msgspec.msgpack.Decoder(list[tuple[str | None, RunEntry | None]]).decode

    def find(self, query: RunQuery) -> RunPage:
        """One page. Raises `CallerError` (`query.malformed`) for a size, state or cursor that cannot be."""
        where, values = _where(query)
        sql = f"SELECT seq, {', '.join(f'run.{name}' for name in _SUMMARY)} FROM run {where} LIMIT ?"
        with self._store.reading() as db:
            rows = db.execute(sql, (*values, query.size + 1)).fetchall()
        runs = [_summary(row[1:]) for row in rows[: query.size]]
        more = len(rows) > query.size
        return RunPage(runs, encode_cursor([runs[-1].accepted_us, rows[query.size - 1][0]]) if more else None)

    def summary(self, run_id: str) -> RunSummary:
        """The row of a run. Raises `CallerError("run.unknown")`."""
        return _summary(self._locate(run_id)[: len(_SUMMARY)])

    def detail(self, run_id: str) -> RunEntry:
        """All that is known of a run: its latest entry, with the payload of the entry that had it.

        Where retention took an entry, what the index knows stands in for it, and the payload is empty. Raises
        `CallerError("run.unknown")`.
        """
        row = self._locate(run_id)
        partition, position, payload_partition, payload_position = row[len(_SUMMARY) :]
        entry = self._entry(partition, position) or _from_summary(_summary(row[: len(_SUMMARY)]))
        if entry.payload or payload_position is None or (payload_partition, payload_position) == (partition, position):
            return entry
        first = self._entry(payload_partition, payload_position)
        return entry if first is None else msgspec.structs.replace(entry, payload=first.payload)

    def dead_before(self, partition: int, position: int, limit: int) -> list[tuple[str, int]]:
        """(id, position of the latest entry) of dead letters whose entry stands before `position`, the oldest first."""
        sql = "SELECT id, position FROM run WHERE dead AND partition = ? AND position < ? ORDER BY position LIMIT ?"
        with self._store.reading() as db:
            return db.execute(sql, (partition, position, limit)).fetchall()

    def _locate(self, run_id: str) -> Sequence[Any]:
        with self._store.reading() as db:
            row: Sequence[Any] | None = db.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM run WHERE id = ?", (run_id,)
            ).fetchone()
        if row is None:
            raise CallerError(
                "run.unknown",
                f"There is no run {run_id!r}",
                hint="`hansa runs` lists what there is; retention may have taken it.",
                details={"run": run_id},
            )
        return row

    def _entry(self, partition: int, position: int) -> RunEntry | None:
        try:
            chunks = self._log.read(RUNS_TOPIC, partition, position, max_bytes=1)
        except CallerError:  # retention took it
            return None
        for chunk in chunks:
            if chunk.base <= position < chunk.end:
                return self._decode(as_array(chunk.entries, chunk.count))[position - chunk.base][1]
        return None


def _summary(row: Sequence[Any]) -> RunSummary:
    values = dict(zip(_SUMMARY, row, strict=True))
    return RunSummary(**values | {"dead": bool(values["dead"]), "dry": bool(values["dry"])})


def _from_summary(summary: RunSummary) -> RunEntry:
    shared = {name: getattr(summary, name) for name in _SUMMARY if name in RunEntry.__struct_fields__}
    error = RunError(summary.error_code, summary.error_message or "") if summary.error_code else None
    return RunEntry(**shared, error=error)


def _where(query: RunQuery) -> tuple[str, list[Any]]:
    """The end of the SELECT for a query, and its values."""
    if not 1 <= query.size <= _SIZE_MAX:
        raise _malformed(f"size is {query.size}", f"It is between 1 and {_SIZE_MAX}.")
    if query.state is not None and query.state not in list(RunState):
        raise _malformed(f"There is no state {query.state!r}", f"There are: {', '.join(RunState)}.")
    tests: list[str] = []
    values: list[Any] = []

    def test(sql: str, *given: Any) -> None:
        if None not in given:
            tests.append(sql)
            values.extend(given)

    product, _, process = (query.process or "").rpartition(":")
    test("product = ?", query.product)
    test("product = ?", product or None)
    if query.domains is not None:
        test(f"({' OR '.join(['product GLOB ?'] * len(query.domains)) or '0'})", *(f"{d}.*" for d in query.domains))
    test("process = ?", process or None)
    for name in ("state", "parent", "principal", "trigger", "dead"):
        test(f"{name} = ?", getattr(query, name))
    if query.state not in (None, RunState.SUCCEEDED):
        tests.append("state <> 'succeeded'")  # what the partial index asks for
    test("accepted_us >= ?", query.since_us)
    test("accepted_us < ?", query.until_us)
    if query.text:
        test("id IN (SELECT id FROM run_text WHERE text LIKE ? ESCAPE '!')", f"%{_literal(query.text)}%")
    if query.after is not None:
        test("(accepted_us, seq) < (?, ?)", *decode_cursor(query.after, 2))
    return ("WHERE " + " AND ".join(tests) if tests else "") + " ORDER BY accepted_us DESC, seq DESC", values


def _literal(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _malformed(message: str, hint: str) -> CallerError:
    return CallerError("query.malformed", message, hint=hint)
