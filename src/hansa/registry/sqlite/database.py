"""One SQLite connection behind one lock: transactions, what its errors mean, and the copy of a file in use."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from hansa.errors import CallerError, HansaError, OperatorError, Unavailable
from hansa.registry.database import Connection, Database

_BUSY_MS: Final = 10_000


class SqliteDatabase(Database):
    """A file, or memory where `path` is None. WAL with `synchronous=FULL`: what is committed is on disk."""

    def __init__(self, path: Path | None, clock_us: Callable[[], int]) -> None:
        self._clock_us = clock_us
        self.name = path.name if path else "memory"
        self._lock = threading.Lock()
        with translated(self.name):
            self._connection = _connect(path)

    @contextlib.contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """The connection, with nothing else running on it meanwhile. Not to be nested."""
        with self._lock, translated(self.name):
            yield self._connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: committed at the end of the block, undone where it raises."""
        with self.use() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def now_us(self, connection: Connection) -> int:  # noqa: ARG002
        """Whoever has the file open is on this machine."""
        return self._clock_us()

    def backup(self, target: Path) -> None:
        """A consistent copy into the new file `target`, which is whole and on disk once it bears that name."""
        if target.exists():
            raise CallerError("backup.exists", f"{target} exists already", hint="Name a file that does not exist yet.")
        part = target.with_name(target.name + ".part")
        try:
            with self.use() as connection:
                _copy(connection, part)
            _make_durable(part)
            part.rename(target)
            _make_durable(target.parent)
        except OSError as failure:
            message = f"{target}: {failure.strerror or failure}"
            raise OperatorError("backup.failed", message, hint="Name a file on a disk with room.") from failure
        finally:
            part.unlink(missing_ok=True)

    def last_number(self, connection: Connection, table: str) -> int:
        (last,) = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone() or (0,)
        return int(last)

    def number_behind(self, connection: Connection, table: str, last: int) -> None:
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, last))

    def numbered_insert(self, table: str, columns: Sequence[str]) -> str:
        return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"

    def close(self) -> None:
        """Closes the connection; a second call does nothing."""
        with self._lock:
            self._connection.close()


@contextlib.contextmanager
def translated(store: str) -> Iterator[None]:
    """Turns what SQLite says of the machine into our errors; what it says of our own SQL stays as it is."""
    try:
        yield
    except sqlite3.Error as failure:
        error = error_of(store, failure)
        if error is None:
            raise
        raise error from failure


def error_of(store: str, failure: sqlite3.Error) -> HansaError | None:
    """The error that a failure of SQLite stands for, by its primary result code (sqlite.org/rescode.html)."""
    message = f"{store}: {failure}"
    match getattr(failure, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return Unavailable("store.full", message, hint="Free space on the disk of the data folder.")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Unavailable("store.busy", message, hint="Another program has the store open; end it or try again.")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return OperatorError("store.damaged", message, hint="Restore a backup with `hansa restore`.")
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return OperatorError("store.failed", message, hint="See that the data folder exists and can be written.")
    return None


def _connect(path: Path | None) -> sqlite3.Connection:
    if path:
        with contextlib.suppress(OSError):  # SQLite says it better
            path.touch(mode=0o600)
    connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    try:
        with contextlib.closing(sqlite3.connect(target)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as failure:
        raise OSError(str(failure)) from failure


def _make_durable(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
