"""Views in a SQLite file, or in memory."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from hansa.views.bulk import BulkWriter
from hansa.views.damage import DAMAGED, is_damage, set_aside
from hansa.views.database import Connection, Database, Dialect, Reader, Renewed, Rows, Sql
from hansa.views.store import ViewReader, ViewStore
from hansa.views.table import Insert, Table

_TYPES: Final = {"number": "INTEGER", "text": "TEXT", "long": "TEXT", "truth": "INTEGER", "json": "TEXT"}
_AT_FAULT: Final = frozenset(
    (
        *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM),
        *DAMAGED,
    )
)


class SqliteDialect(Dialect):
    """JSON is text there, and GLOB minds case where LIKE does not."""

    def create(self, table: Table) -> list[str]:
        """Rows with a key that is no number are kept in its order, without a number of their own."""
        ends = [f"PRIMARY KEY ({', '.join(table.key)})"] if table.key else []
        ends += [f"UNIQUE ({', '.join(table.unique)})"] if table.unique else []
        columns = [f"{name} {_TYPES[kind]}" for name, kind in table.columns.items()]
        by_key = " WITHOUT ROWID" if table.key and table.number is None else ""
        indexes = [
            f"CREATE INDEX IF NOT EXISTS {index.name} ON {table.name} ({', '.join(index.columns)})"
            + (f" WHERE {index.where}" if index.where else "")
            for index in table.indexes
        ]
        return [f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join([*columns, *ends])}){by_key}", *indexes]

    def among(self, column: str) -> str:
        return f"{column} IN (SELECT value FROM json_each(?))"

    def equal(self, column: str, value: str) -> Sql:
        return f"{column} = ?", [value]

    def like(self, text: str, pattern: str) -> Sql:
        """GLOB knows sets in brackets; here a bracket is only a bracket."""
        return f"{text} GLOB ?", [pattern.replace("[", "[[]")]

    def any_in(self, root: str, path: Sequence[str]) -> Sql:
        return f"json_extract({root}, ?)", [_path(path)]

    def text_in(self, root: str, path: Sequence[str]) -> Sql:
        return _typed(root, path, "'text'")

    def number_in(self, root: str, path: Sequence[str]) -> Sql:
        return _typed(root, path, "'integer', 'real'")

    def truth_in(self, root: str, path: Sequence[str]) -> Sql:
        return f"json_type({root}, ?)", [_path(path)]

    def parts_in(self, root: str, path: Sequence[str]) -> list[Sql]:
        return [self.any_in(root, path)]


def _path(path: Sequence[str]) -> str:
    """The path in SQLite's notation. The steps are of the grammar of fields, so none has a quote."""
    return "$" + "".join([f"[{int(step)}]" if step.isdecimal() else f'."{step}"' for step in path])


def _typed(root: str, path: Sequence[str], kinds: str) -> Sql:
    at = _path(path)
    return f"CASE WHEN json_type({root}, ?) IN ({kinds}) THEN json_extract({root}, ?) END", [at, at]


class SqliteConnection(Connection):
    dialect = SqliteDialect()

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        return self._db.execute(sql, [_json(value) if type(value) is list else value for value in values])

    def write(self, insert: Insert, rows: Sequence[Sequence[Any]]) -> None:
        _bulk(insert).write(self._db, rows)


def _json(values: list[Any]) -> str:
    return msgspec.json.encode(values).decode()


@cache
def _bulk(insert: Insert) -> BulkWriter:
    return BulkWriter(insert.head, len(insert.columns), insert.tail)


class SqliteReader(Reader):
    """Reads `file`, which another process writes and may make anew; `on_damage` is told where it is damaged."""

    dialect = SqliteConnection.dialect

    def __init__(self, file: Path, on_damage: Callable[[], object]) -> None:
        self._store = ViewReader(file, on_damage)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._store.reading() as db:
            yield SqliteConnection(db)

    def close(self) -> None:
        self._store.close()


class SqliteDatabase(Database):
    """Tables in `file`, which is this process's to write, or in memory where it is None. A file that is damaged is set
    aside, and a new one begun."""

    dialect = SqliteConnection.dialect

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._begun = 0
        self._store: ViewStore
        try:
            self._open()
        except sqlite3.DatabaseError as failure:
            self._renew(failure)

    def _open(self) -> None:
        self._store = ViewStore(self._file)
        self._begun += 1

    def _renew(self, failure: sqlite3.DatabaseError) -> None:
        """Begins again in a new file; raises `failure` where the file is not at fault."""
        if self._file is None or not is_damage(failure):
            raise failure
        set_aside(self._file)
        self._open()

    def hold(self) -> int:
        return self._begun

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[ViewStore]:
        store = self._store
        try:
            yield store
        except sqlite3.DatabaseError as failure:
            if is_damage(failure):
                store.close()
            self._renew(failure)
            raise Renewed from failure

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._store.reading() as db:
            yield SqliteConnection(db)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        with self._guarded() as store, store.writing() as db:
            yield SqliteConnection(db)

    def is_at_fault(self, failure: Exception) -> bool:
        return isinstance(failure, sqlite3.Error) and (getattr(failure, "sqlite_errorcode", 0) & 0xFF) in _AT_FAULT

    def scrub(self) -> bool:
        with self._guarded() as store:
            return store.scrub()

    def close(self) -> None:
        self._store.close()
