"""What waits in the quarantines: an index of their topics; the records themselves stay in the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeGuard

import msgspec

from hansa.discovery.runs import of_domains
from hansa.errors import CallerError
from hansa.eventlog.interface import Chunk, LogReader, as_array
from hansa.model.quarantine import Change, Corrected, Held, Reason, Settled, quarantine_topic, quarantined_port
from hansa.views.cursor import decode_cursor, encode_cursor
from hansa.views.database import LIKE, Connection, Reader, contained
from hansa.views.interface import View
from hansa.views.keeping import Forget, Order, Prune
from hansa.views.table import Index, Insert, Table

State = Literal["waiting", "replayed", "discarded"]
_changes: Final = msgspec.msgpack.Decoder(list[tuple[str | None, Change | None]]).decode
_reasons: Final = msgspec.json.Decoder(list[Reason]).decode


class Entry(msgspec.Struct, frozen=True):
    """A record that was set aside. `run` is the run that published it, `settled_run` the one that published it in the
    end."""

    id: str
    port: str
    product: str
    process: str
    run: str
    state: State
    held_us: int
    reasons: list[Reason]
    corrected_by: str | None
    settled_us: int | None
    settled_by: str | None
    settled_run: str | None
    reason: str | None


_COLUMNS: Final = Entry.__struct_fields__
_STORED: Final = ("id", "port", "product", "process", "run", "state", "held_us", "reasons", "position", "person")

_ID_CHARS_MAX: Final = 64
_ORDER: Final = ("held_us", "position", "id")
_NEWEST_FIRST: Final = ", ".join(f"{name} DESC" for name in _ORDER)
_QUARANTINED: Final = Table(
    "quarantined",
    {
        "id": "text",
        "port": "text",
        "product": "text",
        "process": "text",
        "run": "text",
        "state": "text",
        "held_us": "number",
        "reasons": "long",
        "corrected_by": "text",
        "settled_us": "number",
        "settled_by": "text",
        "settled_run": "text",
        "reason": "long",
        "position": "number",
        "corrected": "number",
        "person": "number",
    },
    key=("id",),
    indexes=(
        Index("quarantined_time", _ORDER),
        Index("quarantined_port", ("port", "position")),
        Index("quarantined_state", ("state", *_ORDER)),
        Index("quarantined_run", ("run",)),
    ),
)
_ROWS: Final = Insert(_QUARANTINED, _STORED, on=("id",), do="NOTHING")


class QuarantineView(View):
    """A row for each record that was set aside. It holds no record: who is forgotten is so in the log alone."""

    name = "quarantine"
    version = 2
    prunes = True
    tables = (_QUARANTINED,)

    def follows(self, topic: str) -> bool:
        return quarantined_port(topic) is not None

    def apply(self, db: Connection, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            entries = _changes(as_array(chunk.entries, chunk.count))
            held = [(at, one) for at, (_, one) in enumerate(entries, chunk.base) if _is_held(one)]
            db.write(_ROWS, [_row(chunk, at, one) for at, one in held])
            for at, (_, change) in enumerate(entries, chunk.base):
                _change(db, chunk, at, change)

    def keep(self, db: Connection, order: Order) -> None:
        if isinstance(order, Forget):
            db.execute("DELETE FROM quarantined WHERE person = ?", (order.person,))
        elif isinstance(order, Prune) and (port := quarantined_port(order.topic)) is not None:
            db.execute("DELETE FROM quarantined WHERE port = ? AND position < ?", (port, order.first))


def _is_held(change: Change | None) -> TypeGuard[Held]:
    """A record that was set aside; none of ours has a longer id, and no index would take one without end."""
    return isinstance(change, Held) and len(change.id) <= _ID_CHARS_MAX


def _row(chunk: Chunk, at: int, held: Held) -> tuple[Any, ...]:
    header = chunk.header
    return (
        held.id, quarantined_port(chunk.topic), header.get("product"), header.get("process"), header.get("run"),
        "waiting", chunk.time_us, msgspec.json.encode(held.reasons).decode(), at, chunk.person,
    )  # fmt: skip


def _change(db: Connection, chunk: Chunk, at: int, change: Change | None) -> None:
    if isinstance(change, Corrected):
        db.execute(
            "UPDATE quarantined SET corrected = ?, corrected_by = ?, person = COALESCE(?, person) WHERE id = ?",
            (at, change.by, chunk.person, change.id),
        )
    elif isinstance(change, Settled):
        db.execute(
            """UPDATE quarantined SET state = ?, settled_us = ?, settled_by = ?, settled_run = ?, reason = ?
               WHERE id = ?""",
            (change.state, chunk.time_us, change.by, change.run or None, change.reason or None, change.id),
        )


class QuarantineQuery(msgspec.Struct, frozen=True):
    """Which entries, newest first; what is None does not filter. `text` is looked for in the reasons."""

    port: str | None = None
    product: str | None = None
    process: str | None = None
    run: str | None = None
    state: str | None = None
    domains: list[str] | None = None
    text: str | None = None
    since_us: int | None = None
    size: int = 50
    after: str | None = None


class QuarantinePage(msgspec.Struct, frozen=True):
    """`next` is where the page behind this one begins, None on the last."""

    entries: list[Entry]
    next: str | None


class QuarantineSearch:
    """Questions about what was set aside. Blocking: call it from a thread."""

    def __init__(self, store: Reader, log: LogReader) -> None:
        self._store = store
        self._log = log

    def find(self, query: QuarantineQuery) -> QuarantinePage:
        """One page, newest first."""
        where, values = _where(query)
        columns = ", ".join([*_COLUMNS, *_ORDER])
        sql = f"SELECT {columns} FROM quarantined {where} ORDER BY {_NEWEST_FIRST} LIMIT ?"
        with self._store.reading() as db:
            rows = db.execute(sql, (*values, query.size + 1)).fetchall()
        more = len(rows) > query.size
        width = len(_COLUMNS)
        entries = [_entry(row[:width]) for row in rows[: query.size]]
        return QuarantinePage(entries, encode_cursor(rows[query.size - 1][width:]) if more else None)

    def get(self, entry: str) -> tuple[Entry, Any]:
        """An entry and its record as it stands now, None where it was forgotten or retention took it. Raises
        `CallerError("quarantine.unknown")`."""
        sql = f"SELECT COALESCE(corrected, position), {', '.join(_COLUMNS)} FROM quarantined WHERE id = ?"
        with self._store.reading() as db:
            row = db.execute(sql, (entry,)).fetchone()
        if row is None:
            raise CallerError(
                "quarantine.unknown", f"Nothing with the id {entry!r} was set aside",
                hint="`hansa quarantine list` shows what there is.", details={"status": 404},
            )  # fmt: skip
        found = _entry(row[1:])
        return found, self._record(quarantine_topic(found.port), row[0])

    def _record(self, topic: str, position: int) -> Any:
        try:
            chunks = self._log.read(topic, 0, position, max_bytes=1)
        except CallerError:  # retention took it
            return None
        for chunk in chunks:
            if chunk.base <= position < chunk.end:
                change = _changes(as_array(chunk.entries, chunk.count))[position - chunk.base][1]
                return msgspec.msgpack.decode(change.record) if isinstance(change, Held | Corrected) else None
        return None


def _entry(row: Sequence[Any]) -> Entry:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Entry(**values | {"reasons": _reasons(values["reasons"])})


def _where(query: QuarantineQuery) -> tuple[str, list[Any]]:
    tests: list[str] = []
    values: list[Any] = []
    for name in ("port", "product", "process", "run", "state"):
        if (value := getattr(query, name)) is not None:
            tests.append(f"{name} = ?")
            values.append(value)
    if query.domains is not None:
        test, *texts = of_domains(query.domains)
        tests.append(test)
        values += texts
    if query.since_us is not None:
        tests.append("held_us >= ?")
        values.append(query.since_us)
    if query.text:
        tests.append(f"lower(reasons) {LIKE}")
        values.append(contained(query.text))
    if query.after is not None:
        tests.append(f"({', '.join(_ORDER)}) < (?, ?, ?)")
        values += decode_cursor(query.after, len(_ORDER))
    return ("WHERE " + " AND ".join(tests) if tests else ""), values
