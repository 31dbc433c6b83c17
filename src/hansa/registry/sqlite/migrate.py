"""Brings a SQLite store to the format that this Hansa knows, one ordered SQL file at a time.

Each file runs in one transaction with its entry in the table `migration` and `PRAGMA user_version`, so that a store
stands at a whole number of files after any crash.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from importlib.abc import Traversable
from typing import Final, NamedTuple

from hansa.errors import InternalError, OperatorError

_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)"
)


class Migration(NamedTuple):
    """The file that leads to `version`."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations_in(folder: Traversable) -> tuple[Migration, ...]:
    """The files `0001_….sql`, `0002_….sql`, … of a folder. Raises `InternalError` where one is missing."""
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    found = tuple(Migration(int(file.name[:4]), file.name, file.read_text("utf-8")) for file in files)
    if [step.version for step in found] != list(range(1, len(found) + 1)):
        raise InternalError("migration.missing", f"The migrations {[step.name for step in found]} are not 1, 2, 3, …")
    return found


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
    _check(connection, store, version, steps)
    if version == len(steps):
        return True
    step = steps[version]
    for statement in _statements(step.sql):
        connection.execute(statement)
    connection.execute("INSERT INTO migration VALUES (?, ?, ?)", (step.version, step.name, step.checksum))
    connection.execute(f"PRAGMA user_version = {step.version}")
    return False


def _check(connection: sqlite3.Connection, store: str, version: int, steps: Sequence[Migration]) -> None:
    if version > len(steps):
        raise OperatorError(
            "store.newer",
            f"{store} has format {version}; this Hansa knows up to {len(steps)}",
            hint="Start it with the newer Hansa that wrote it, or restore an older backup.",
        )
    had = connection.execute("SELECT name, checksum FROM migration ORDER BY version").fetchall()
    if had != [(step.name, step.checksum) for step in steps[:version]]:
        raise OperatorError(
            "store.altered",
            f"{store} was brought to format {version} by other migrations than this Hansa has",
            hint="Start it with the Hansa that wrote it, or restore a backup.",
        )


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
