"""The history of runs: a lean index of the topic `_runs`, and the log behind it for the details.

The index holds what is filtered, sorted and listed. Payload, result, per-logic times and headers stay in the log; a row
keeps the coordinates of the run's latest entry and of the entry that has its payload.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from hansa.errors import CallerError
from hansa.eventlog.interface import Chunk, LogReader, as_array
from hansa.model.run import CARRIED, FORGOTTEN, RUNS_TOPIC, RunEntry, RunError, RunState
from hansa.views.cursor import decode_cursor, encode_cursor
from hansa.views.database import LIKE, Connection, Reader, contained
from hansa.views.interface import View
from hansa.views.keeping import Forget, Order, Prune
from hansa.views.table import Index, Insert, Table

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
_RUN: Final = Table(
    "run",
    {
        "seq": "number",
        "id": "text",
        "state": "text",
        "product": "text",
        "revision": "text",
        "process": "text",
        "attempt": "number",
        "trigger": "text",
        "principal": "text",
        "parent": "text",
        "trace": "text",
        "accepted_us": "number",
        "started_us": "number",
        "finished_us": "number",
        "status": "number",
        "events": "number",
        "dead": "truth",
        "dry": "truth",
        "replay_of": "text",
        "idempotency_key": "long",
        "error_code": "text",
        "error_message": "long",
        "partition": "number",
        "position": "number",
        "payload_partition": "number",
        "payload_position": "number",
    },
    key=("seq",),
    unique=("id",),
    indexes=(
        Index("run_time", ("accepted_us",)),
        Index("run_product", ("product", "accepted_us")),
        Index("run_process", ("product", "process", "accepted_us")),
        Index("run_state", ("state", "accepted_us"), "state <> 'succeeded'"),
        Index("run_parent", ("parent",), "parent IS NOT NULL"),
        Index("run_position", ("position",)),
    ),
)
"""`seq` is the position of the run's first entry."""
_TEXT: Final = Table("run_text", {"id": "text", "text": "long"}, key=("id",))
_ROWS: Final = Insert(
    _RUN,
    ("seq", *_COLUMNS),
    on=("id",),
    do="UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name != "id" and not name.startswith("payload_"))
    + ", payload_partition = COALESCE(run.payload_partition, excluded.payload_partition)"
    + ", payload_position = COALESCE(run.payload_position, excluded.payload_position)",
)
_TEXTS: Final = Insert(_TEXT, on=("id",), do="UPDATE SET text = excluded.text")
_FIRST_TEXTS: Final = Insert(_TEXT, on=("id",), do="NOTHING")
_CARRY: Final = (
    f"INSERT INTO run (seq, {', '.join(_COLUMNS)}) VALUES (?, {', '.join('?' * len(_COLUMNS))}) "
    + "ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _PLACE)
    + " WHERE run.position = ?"
)
_OLD: Final = "SELECT id FROM run WHERE partition = ? AND position < ? AND finished_us > 0 AND NOT dead"
_PRUNE: Final = (f"DELETE FROM run_text WHERE id IN ({_OLD})", f"DELETE FROM run WHERE id IN ({_OLD})")
"""Rows go with their latest entry, but for runs that are not over and dead letters that nobody has dealt with."""
_FORGET: Final = (
    "DELETE FROM run_text WHERE ",
    f"INSERT INTO run_text SELECT id, error_code || ' {FORGOTTEN}\n' FROM run WHERE error_code IS NOT NULL AND ",
    f"""UPDATE run SET idempotency_key = NULL, payload_partition = NULL, payload_position = NULL,
        error_message = CASE WHEN error_code IS NOT NULL THEN '{FORGOTTEN}' END WHERE """,
)
"""Leaves what the entries of these runs say after `hansa.model.run.without_content`."""


class RunsView(View):
    """A row per run, whatever the number of its entries."""

    name = "runs"
    version = 3
    prunes = True
    tables = (_RUN, _TEXT)

    def __init__(self) -> None:
        self._decode = msgspec.msgpack.Decoder(list[tuple[str | None, IndexedEntry | None]]).decode

    def follows(self, topic: str) -> bool:
        return topic == RUNS_TOPIC

    def apply(self, db: Connection, chunks: Sequence[Chunk]) -> None:
        for is_carried, together in groupby(chunks, lambda chunk: CARRIED in chunk.header):
            (self._carry if is_carried else self._add)(db, list(together))

    def _add(self, db: Connection, chunks: Sequence[Chunk]) -> None:
        entries = self._decode(as_array(b"".join([c.entries for c in chunks]), sum([c.count for c in chunks])))
        rows, texts = [], []
        for (_, entry), (partition, position) in zip(entries, _places(chunks), strict=True):
            if entry is None:  # the person's key was destroyed
                continue
            rows.append((position, *_row(entry, partition, position)))
            if entry.output or entry.error is not None:
                texts.append((entry.id, _text(entry)))
        db.write(_ROWS, rows)
        db.write(_TEXTS, texts)

    def _carry(self, db: Connection, chunks: Sequence[Chunk]) -> None:
        """Dead letters that stand elsewhere now, unless something happened to them since they were read there."""
        for chunk in chunks:
            ((_, entry),) = self._decode(as_array(chunk.entries, chunk.count))
            if entry is not None:
                db.execute(_CARRY, (chunk.base, *_row(entry, chunk.partition, chunk.base), chunk.header[CARRIED]))
                db.write(_FIRST_TEXTS, [(entry.id, _text(entry))])

    def keep(self, db: Connection, order: Order) -> None:
        if isinstance(order, Forget):
            for statement in _FORGET:
                db.execute(statement + db.dialect.among("id"), (order.runs,))
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

    def __init__(self, store: Reader, log: LogReader) -> None:
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
        test(*of_domains(query.domains))
    test("process = ?", process or None)
    for name in ("state", "parent", "principal", "trigger", "dead"):
        test(f"{name} = ?", getattr(query, name))
    if query.state not in (None, RunState.SUCCEEDED):
        tests.append("state <> 'succeeded'")  # what the partial index asks for
    test("accepted_us >= ?", query.since_us)
    test("accepted_us < ?", query.until_us)
    if query.text:
        test(f"id IN (SELECT id FROM run_text WHERE lower(text) {LIKE})", contained(query.text))
    if query.after is not None:
        test("(accepted_us, seq) < (?, ?)", *decode_cursor(query.after, 2))
    return ("WHERE " + " AND ".join(tests) if tests else "") + " ORDER BY accepted_us DESC, seq DESC", values


def of_domains(domains: Sequence[str]) -> tuple[str, ...]:
    """The test that the column `product` is of one of the domains, and its values."""
    sql = " OR ".join(["(product >= ? AND product < ?)"] * len(domains))
    return f"({sql or 'FALSE'})", *(text for domain in domains for text in (f"{domain}.", f"{domain}/"))


def _malformed(message: str, hint: str) -> CallerError:
    return CallerError("query.malformed", message, hint=hint)
