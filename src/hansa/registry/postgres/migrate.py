"""Brings a schema of PostgreSQL to the format that this Hansa knows. Nodes that start at once take turns, and each file
runs in one transaction with its row in the table `migration`.

The first line of a file says with which formats it goes: `-- compatible: N` means that a Hansa that knows format N, or
a later one, goes on beside it and can be started on it. So two releases run side by side while nodes are exchanged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from hansa.databases.postgres import Raw
from hansa.errors import InternalError
from hansa.registry.migration import Migration, check_had, newer

_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_EXIST: Final = "SELECT to_regnamespace(%s) IS NOT NULL, to_regclass('migration') IS NOT NULL"
_TABLE: Final = """
    CREATE TABLE migration
    (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, compatible INTEGER NOT NULL)"""
_COMPATIBLE: Final = re.compile(r"-- compatible: (\d+)\n")


def compatible(step: Migration) -> int:
    """The earliest format that goes with a file. Raises `InternalError("migration.compatible")` where it says none."""
    found = _COMPATIBLE.match(step.sql)
    if found is None or not 1 <= int(found[1]) <= step.version:
        raise InternalError("migration.compatible", f"{step.name} does not begin with `-- compatible: N`")
    return int(found[1])


def migrate(raw: Raw, store: str, schema: str, steps: Sequence[Migration]) -> None:
    """Runs the steps that the schema has not had, and makes it where there is none. `raw` is in autocommit mode and
    finds its tables in `schema`; `store` names it in errors.

    Raises `OperatorError`: `store.newer` where a later Hansa wrote what this one cannot follow, `store.altered` where
    the schema was made by other files than these.
    """
    while True:
        with raw.transaction():
            raw.execute(_TURN, (schema,))
            if not _step(raw, store, schema, steps):
                return


def _step(raw: Raw, store: str, schema: str, steps: Sequence[Migration]) -> bool:
    """One step within a transaction; False where there was none left."""
    had = _had(raw, schema)
    check_had(store, [(name, checksum) for name, checksum, _ in had], steps)
    if any(since > len(steps) for _, _, since in had[len(steps) :]):
        raise newer(store, len(had), len(steps))
    if len(had) >= len(steps):
        return False
    step = steps[len(had)]
    raw.execute(step.sql.encode())
    row = (step.version, step.name, step.checksum, compatible(step))
    raw.execute("INSERT INTO migration VALUES (%s, %s, %s, %s)", row)
    return True


def _had(raw: Raw, schema: str) -> list[Any]:
    has_schema, has_table = raw.execute(_EXIST, (schema,)).fetchone() or (False, False)
    if not has_schema:
        raw.execute(f'CREATE SCHEMA "{schema}"'.encode())
    if not has_table:
        raw.execute(_TABLE)
    return raw.execute("SELECT name, checksum, compatible FROM migration ORDER BY version").fetchall()
