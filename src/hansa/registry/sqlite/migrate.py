"""Brings a SQLite store to the format that this Hansa knows, one ordered SQL file at a time.

Each file runs in one transaction with its entry in the table `migration` and `PRAGMA user_version`, so that a store
stands at a whole number of files after any crash.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from hansa.registry.migration import Migration, check_had, newer

_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)"
)


def migrate(connection: sqlite3.Connection, store: str, steps: Sequence[Migration]) -> None:
    """Runs the steps that the store has not had. `connection` is in autocommit mode; `store` names it in errors.

    Raises `OperatorError`: `store.newer` where a later Hansa wrote the store, `store.altered` where it was made by
    other files than these.
    """
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            done = _step(connection, store, steps)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        if done:
            return


def _step(connection: sqlite3.Connection, store: str, steps: Sequence[Migration]) -> bool:
    """One step within a transaction; True where there was none left."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute(_TABLE)
    if version > len(steps):
        raise newer(store, version, len(steps))
    check_had(store, connection.execute("SELECT name, checksum FROM migration ORDER BY version").fetchall(), steps)
    if version == len(steps):
        return True
    step = steps[version]
    for statement in _statements(step.sql):
        connection.execute(statement)
    connection.execute("INSERT INTO migration VALUES (?, ?, ?)", (step.version, step.name, step.checksum))
    connection.execute(f"PRAGMA user_version = {step.version}")
    return False


def _statements(sql: str) -> Iterator[str]:
    """The statements of a script one by one: `executescript` would commit the transaction that they belong to."""
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        yield pending
