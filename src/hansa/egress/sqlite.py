"""SQL over SQLite: `sqlite:///file.db` in the data folder, `sqlite:////srv/file.db` anywhere, `sqlite://` in memory."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote

from hansa.egress.interface import refused, unavailable
from hansa.egress.settings import ConnectionSetting, malformed
from hansa.egress.sql import QUERY_ROWS_MAX, STATEMENT_MAX_S, SqlExit, too_many_rows

_BUSY_MS: Final = 10_000
_STEPS_BETWEEN_LOOKS: Final = 10_000


class SqliteExit(SqlExit):
    """One connection to one file; calls take turns. Other files cannot be attached."""

    def __init__(self, setting: ConnectionSetting) -> None:
        scheme, _, path = unquote(setting.url).partition("://")
        if scheme != "sqlite" or (path and not path.startswith("/")):
            raise malformed(setting.name, f"{setting.url!r} is not a URL of SQLite", "It reads like sqlite:///file.db.")
        self.uri = setting.url
        self._lock = threading.Lock()
        self._until = 0.0
        with self._translated():
            self._connection = _connect(str(setting.base / path[1:]) if path else ":memory:")
        self._connection.set_progress_handler(lambda: time.monotonic() > self._until, _STEPS_BETWEEN_LOOKS)

    def query(self, statement: str, parameters: Any) -> list[dict[str, Any]]:
        with self._transaction("BEGIN") as connection:
            cursor = connection.execute(statement, _bindable(parameters))
            names = [column[0] for column in cursor.description or ()]
            rows = cursor.fetchmany(QUERY_ROWS_MAX + 1)
        if len(rows) > QUERY_ROWS_MAX:
            raise too_many_rows()
        return [dict(zip(names, row, strict=True)) for row in rows]

    def execute_once(self, statement: str, parameters: Any) -> int:
        with self._transaction("BEGIN IMMEDIATE") as connection:
            return max(connection.execute(statement, _bindable(parameters)).rowcount, 0)

    def execute_many(self, statement: str, parameters: list[Any]) -> int:
        with self._transaction("BEGIN IMMEDIATE") as connection:
            return max(connection.executemany(statement, map(_bindable, parameters)).rowcount, 0)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, self._translated():
            connection = self._connection
            self._until = time.monotonic() + STATEMENT_MAX_S
            connection.execute(begin)
            try:
                yield connection
                if connection.in_transaction:
                    connection.execute("COMMIT")
            finally:
                self._until = time.monotonic() + STATEMENT_MAX_S
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """By primary result code (sqlite.org/rescode.html): what time may mend, what the author has to."""
        try:
            yield
        except sqlite3.Error as failure:
            match getattr(failure, "sqlite_errorcode", 0) & 0xFF:
                case sqlite3.SQLITE_INTERRUPT:
                    raise unavailable(
                        f"The statement took longer than {STATEMENT_MAX_S:g} s", "Do less in one statement.", "timeout"
                    ) from failure
                case sqlite3.SQLITE_CONSTRAINT:
                    raise refused("constraint", str(failure), "The rows break a rule of the table.") from failure
                case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
                    raise unavailable(str(failure), "Try again; see to the file and its disk.") from failure
                case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_READONLY:
                    raise unavailable(f"{self.uri}: {failure}", "See that this is a database to write in.") from failure
            raise refused("statement", str(failure), "Mend the statement or its parameters.") from failure


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA foreign_keys=ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _bindable(parameters: Any) -> Any:
    """The parameters with times as RFC 3339 text, which SQLite's date functions read."""
    if isinstance(parameters, dict):
        return {name: _text_of_time(value) for name, value in parameters.items()}
    return [_text_of_time(value) for value in parameters]


def _text_of_time(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
