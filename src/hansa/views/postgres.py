"""Views in a schema of a PostgreSQL database, which many processes read and one at a time writes.

Who writes holds an advisory lock in the session that it writes with: when the session ends, so does the lock, and
nothing that was written in it and not committed is left. PostgreSQL ends the session of a process that is gone, and of
one that has not been heard of for `LOST_S`. Commits are not waited for until they are on disk: a crash of PostgreSQL
may take the last of them, whole, with the cursor that stands in each; the log still has what they were made of.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import psycopg

from hansa.databases.postgres import Pool, Raw
from hansa.databases.postgres_errors import error_of
from hansa.errors import HansaError, OperatorError, Unavailable
from hansa.views.database import Connection, Database, Reader
from hansa.views.postgres_connection import PostgresConnection

SCHEMA: Final = "hansa_views"
LOST_S: Final = 2.0
BEAT_S: Final = 0.5
_READ: Final = b"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_WRITER: Final = """SELECT set_config('synchronous_commit', 'off', false),
    set_config('idle_session_timeout', %s, false), set_config('idle_in_transaction_session_timeout', %s, false)"""
_LOCK: Final = "SELECT pg_try_advisory_lock(hashtext('hansa'), hashtext(%s))"
_IS_MISSING: Final = "SELECT to_regnamespace(%s) IS NULL"
_FITS: Final = """SELECT current_setting('server_encoding') = 'UTF8', coalesce(
    has_schema_privilege(to_regnamespace(%s)::oid, 'CREATE'), has_database_privilege(current_database(), 'CREATE'))"""
_MISSING: Final = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)
_report = logging.getLogger("hansa.views")


def check(pool: Pool, schema: str = SCHEMA) -> None:
    """Raises `OperatorError` (`store.encoding`, `store.denied`, and what `pool` raises) where no views can be kept in
    the schema."""
    with pool.use() as raw:
        is_unicode, may_write = raw.execute(_FITS, (schema,)).fetchone() or (False, False)
    if not is_unicode:
        raise OperatorError(
            "store.encoding",
            f"{pool.name} has an encoding that not every text fits",
            hint="createdb --encoding=UTF8 NAME",
        )
    if not may_write:
        raise OperatorError(
            "store.denied",
            f"{pool.name}: this user may make no tables in the schema {schema}",
            hint=f"CREATE SCHEMA {schema} AUTHORIZATION …, or GRANT CREATE ON DATABASE … TO …",
        )


class PostgresReader(Reader):
    """Reads the views that `pool` reaches."""

    dialect = PostgresConnection.dialect

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._pool.use() as raw:
            raw.execute(_READ)
            try:
                yield PostgresConnection(raw)
            except _MISSING as failure:
                raise Unavailable(
                    "view.unmade", "The views do not exist yet", hint="They are made within moments: ask again."
                ) from failure
            finally:
                with contextlib.suppress(psycopg.Error):
                    raw.execute(b"ROLLBACK")

    def close(self) -> None:
        self._pool.close()


class PostgresDatabase(Database):
    """The views in the schema `schema` of the database that `url` names; it is made where it is missing."""

    dialect = PostgresConnection.dialect

    def __init__(self, url: str, schema: str = SCHEMA) -> None:
        self._schema = schema
        self._pool = Pool(url, schema)
        self._readers = PostgresReader(self._pool)
        self._session: Raw | None = None
        self._is_holding = False
        self._times = self._pid = 0
        self._closed = threading.Event()
        self._beside: list[threading.Thread] = []

    # Writing

    def hold(self) -> int | None:
        with self._pool.translated(), self._kept():
            if self._session is None:
                self._session = self._connected()
                self._pid = self._session.info.backend_pid
            if self._is_holding:
                self._session.execute(b"SELECT")
            elif self._session.execute(_LOCK, (self._schema,)).fetchone() == (True,):
                self._make_schema(self._session)
                self._is_holding = True
                self._times += 1
        return self._times if self._is_holding else None

    def _make_schema(self, session: Raw) -> None:
        """Where it is there, nobody needs the right to make one."""
        if session.execute(_IS_MISSING, (self._schema,)).fetchone() == (True,):
            session.execute(f'CREATE SCHEMA "{self._schema}"'.encode())

    def _connected(self) -> Raw:
        session, lost = self._pool.connect(), f"{LOST_S:g}s"
        session.execute(_WRITER, (lost, lost))
        return session

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        """Ends the session, and with it the lock, where it is of no more use."""
        try:
            yield
        except BaseException:
            if self._session is not None:
                with contextlib.suppress(psycopg.Error):
                    self._session.execute(b"ROLLBACK")
                if self._session.closed or not self._is_holding:
                    self._end()
            raise

    def _end(self) -> None:
        self._is_holding = False
        if self._session is not None:
            with contextlib.suppress(psycopg.Error):  # closing alone lets go of the lock within moments
                self._session.execute(b"SELECT pg_advisory_unlock_all()")
            self._session.close()
            self._session = None

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        assert self._session is not None, "only who holds may write"
        with self._pool.translated(), self._kept():
            self._session.execute(b"BEGIN")
            yield PostgresConnection(self._session)
            self._session.execute(f'NOTIFY "{self._schema}"'.encode())
            self._session.execute(b"COMMIT")

    def is_at_fault(self, failure: Exception) -> bool:
        return isinstance(failure, psycopg.Error) and isinstance(error_of("", failure), Unavailable)

    def scrub(self) -> bool:
        """Rows that are deleted or replaced leave their tables by VACUUM, which keeps nobody waiting. Backups and the
        write-ahead log of PostgreSQL hold them for as long as they are kept."""
        self._start(self._vacuum)
        return True

    def _vacuum(self) -> None:
        try:
            with contextlib.closing(self._pool.connect()) as raw, self._pool.translated():
                raw.execute(b"SET statement_timeout = 0")
                found = raw.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (self._schema,))
                raw.execute(f"VACUUM (SKIP_LOCKED) {', '.join(name for (name,) in found)}".encode())
        except HansaError as failure:
            _report.warning("what was deleted stays until PostgreSQL vacuums by itself: %s", failure)

    # Hearing of others

    def watch(self, news: Callable[[], None]) -> None:
        self._start(lambda: self._watch(news))

    def _watch(self, news: Callable[[], None]) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(psycopg.Error, HansaError), contextlib.closing(self._pool.connect()) as raw:
                raw.execute(f'LISTEN "{self._schema}"'.encode())
                while not self._closed.is_set():
                    news()
                    self._hear(raw)
            news()
            self._closed.wait(BEAT_S)

    def _hear(self, raw: Raw) -> None:
        """Returns when another process has written, and after `BEAT_S`."""
        end = time.monotonic() + BEAT_S
        while (left_s := end - time.monotonic()) > 0 and not self._closed.is_set():
            if any(notice.pid != self._pid for notice in raw.notifies(timeout=left_s, stop_after=1)):
                return

    def _start(self, work: Callable[[], None]) -> None:
        self._beside = [thread for thread in self._beside if thread.is_alive()]
        self._beside.append(threading.Thread(target=work, name="hansa-views-beside", daemon=True))
        self._beside[-1].start()

    # Reading

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._readers.reading() as db:
            yield db

    def close(self) -> None:
        self._closed.set()
        for thread in self._beside:
            thread.join()
        self._end()
        self._pool.close()
