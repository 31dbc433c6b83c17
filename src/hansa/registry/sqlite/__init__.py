"""The registry in one SQLite file, or in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from hansa.registry.interface import Registry
from hansa.registry.sqlite.audit import AuditTable
from hansa.registry.sqlite.database import Database
from hansa.registry.sqlite.domains import DomainTables
from hansa.registry.sqlite.migrate import migrate, migrations_in
from hansa.registry.sqlite.products import ProductTables
from hansa.registry.sqlite.schemas import SchemaTables
from hansa.registry.sqlite.tokens import TokenTables
from hansa.registry.sqlite.triggers import TriggerTables


def now_us() -> int:
    """Microseconds UTC."""
    return time.time_ns() // 1000


class SqliteRegistry(DomainTables, ProductTables, TriggerTables, TokenTables, SchemaTables, AuditTable, Registry):
    """A registry in the file `path`, or in memory where that is None. One process may have a file open.

    Raises `OperatorError` (`store.newer`, `store.altered`, `store.damaged`, `store.failed`).
    """

    def __init__(self, path: Path | None = None, *, clock_us: Callable[[], int] = now_us) -> None:
        super().__init__(Database(path), clock_us)
        try:
            with self._database.use() as connection:
                migrate(connection, self._database.name, migrations_in(files("hansa.registry") / "migrations"))
        except BaseException:
            self._database.close()
            raise

    def backup(self, target: Path) -> None:
        self._database.backup(target)

    def close(self) -> None:
        self._database.close()
