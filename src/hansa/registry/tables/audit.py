"""The audit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from hansa.registry.audit import Chain, Row
from hansa.registry.database import Connection
from hansa.registry.interface import Audit
from hansa.registry.tables.base import Tables
from hansa.registry.values import AuditEntry, AuditFilter, Verified

_ENTRIES: Final = "SELECT seq, time_us, actor, operation, target, before, after, detail, previous, digest FROM audit"
_PAGE: Final = 1000
_WITHIN: Final = (
    "(target = ? OR (target >= ? AND target < ?) OR (target >= ? AND target < ?) OR (target >= ? AND target < ?))"
)
"""What a target is followed by, within it: `#`, `.` and `/`, `:`. The index finds ranges."""


class AuditTable(Tables, Audit):
    def record(
        self, actor: str, operation: str, target: str, before: Any = None, after: Any = None, detail: str = ""
    ) -> AuditEntry:
        with self._changing(actor) as change:
            return change.audit(operation, target, before, after, detail)

    def audit_list(
        self, where: AuditFilter = AuditFilter(), *, limit: int = 100, after: int | None = None
    ) -> list[AuditEntry]:
        conditions, values = _conditions(where, after)
        return [
            Row(*row).entry()
            for row in self._rows(f"{_ENTRIES} WHERE {conditions} ORDER BY seq DESC LIMIT ?", *values, limit)
        ]

    def audit_after(self, seq: int, *, limit: int = _PAGE) -> Sequence[AuditEntry]:
        with self._database.use() as connection:
            return entries_after(connection, seq, limit)

    def audit_watch(self, told: Callable[[], None]) -> Callable[[], None]:
        self._watchers = (*self._watchers, told)

        def end() -> None:
            self._watchers = tuple(watcher for watcher in self._watchers if watcher is not told)

        return end

    def audit_verify(self) -> Verified:
        chain = Chain()
        seq = -(1 << 63)
        while True:
            with self._database.use() as connection:
                sql = f"{_ENTRIES} WHERE seq > ? ORDER BY seq LIMIT ?"
                rows = [Row(*row) for row in connection.execute(sql, (seq, _PAGE))]
                (last,) = connection.execute("SELECT seq FROM audit_end").fetchone()
            chain.follow(rows)
            if len(rows) < _PAGE:
                chain.end(last)
                return Verified(chain.seq, chain.first_bad)
            seq = rows[-1].seq


def entries_after(connection: Connection, seq: int, limit: int) -> list[AuditEntry]:
    """The entries behind `seq`, in order. Raises `OperatorError("audit.damaged")`."""
    rows = connection.execute(f"{_ENTRIES} WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit))
    return [Row(*row).entry() for row in rows]


def _conditions(where: AuditFilter, after: int | None) -> tuple[str, list[Any]]:
    told = [
        ("actor = ?", where.actor),
        ("operation = ?", where.operation),
        ("time_us >= ?", where.since_us),
        ("time_us < ?", where.until_us),
        ("seq < ?", after),
    ]
    given = [(sql, value) for sql, value in told if value is not None]
    within = [] if where.target is None else [where.target, *(where.target + mark for mark in "#$.0:;")]
    parts = [*([_WITHIN] if within else []), *(sql for sql, _ in given)]
    return " AND ".join(["TRUE", *parts]), [*within, *(value for _, value in given)]
