"""The registry in one SQLite file, or in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from hansa.registry.interface import Registry
from hansa.registry.migration import migrations_in
from hansa.registry.sqlite.database import SqliteDatabase
from hansa.registry.sqlite.migrate import migrate
from hansa.registry.tables import RegistryTables


def now_us() -> int:
    """Microseconds UTC."""
    return time.time_ns() // 1000


class SqliteRegistry(RegistryTables, Registry):
    """A registry in the file `path`, or in memory where that is None. One process may have a file open.

    Raises `OperatorError` (`store.newer`, `store.altered`, `store.damaged`, `store.failed`).
    """

    def __init__(self, path: Path | None = None, *, clock_us: Callable[[], int] = now_us) -> None:
        self._sqlite = SqliteDatabase(path, clock_us)
        super().__init__(self._sqlite, clock_us)
        try:
            with self._sqlite.use() as connection:
                migrate(connection, self._sqlite.name, migrations_in(files("hansa.registry.sqlite") / "migrations"))
        except BaseException:
            self._sqlite.close()
            raise

    def access_age_s(self) -> float:
        return 0.0

    def place(self) -> str:
        return self._sqlite.name

    def backup(self, target: Path) -> str | None:
        self._sqlite.backup(target)
        return None

    def close(self) -> None:
        self._sqlite.close()
