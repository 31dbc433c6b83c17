"""The audit in SQLite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from hansa.registry.audit import Chain, Row
from hansa.registry.interface import Audit
from hansa.registry.sqlite.tables import Tables
from hansa.registry.values import AuditEntry, AuditFilter, Verified

_ENTRIES: Final = "SELECT seq, time_us, actor, operation, target, before, after, detail, previous, digest FROM audit"
_PAGE: Final = 1000
_WITHIN: Final = "(target = ?1 OR substr(target, 1, length(?1) + 1) IN (?1 || '.', ?1 || ':', ?1 || '/', ?1 || '#'))"


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
        rows = self._rows(f"{_ENTRIES} WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)
        return [Row(*row).entry() for row in rows]

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
                last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit'").fetchone()
            chain.follow(rows)
            if len(rows) < _PAGE:
                chain.end(last[0] if last else 0)
                return Verified(chain.seq, chain.first_bad)
            seq = rows[-1].seq


def _conditions(where: AuditFilter, after: int | None) -> tuple[str, list[Any]]:
    parts = [
        ("actor = ?", where.actor),
        ("operation = ?", where.operation),
        ("time_us >= ?", where.since_us),
        ("time_us < ?", where.until_us),
        ("seq < ?", after),
    ]
    given = [(sql, value) for sql, value in parts if value is not None]
    if where.target is not None:
        given.insert(0, (_WITHIN, where.target))
    return " AND ".join(["TRUE", *(sql for sql, _ in given)]), [value for _, value in given]
