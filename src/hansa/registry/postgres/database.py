"""PostgreSQL as the tables of the registry see it: their SQL, one change at a time, and commits whose end is known."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import psycopg

from hansa.databases.postgres import Pool, Raw
from hansa.errors import HansaError, Unavailable
from hansa.registry.database import Connection, Database, Rows

SETTLE_S: Final = 10.0
_AGAIN_S: Final = 0.05
_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"
_TURN: Final = "SELECT seq FROM audit_end FOR UPDATE"
"""Waits for whoever changes the registry now; each statement behind it sees what they wrote."""
_LAST: Final = "SELECT seq, digest FROM audit ORDER BY seq DESC LIMIT 1"
_HAS: Final = "SELECT 1 FROM audit WHERE seq = %s AND digest = %s"


class PostgresConnection:
    """A connection while a block has it."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self.total_changes = 0

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Rows:
        cursor = self._raw.execute(_placed(sql), values)
        self._count(cursor)
        return cursor

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> None:
        cursor = self._raw.cursor()
        cursor.executemany(_placed(sql), rows)
        self._count(cursor)

    def _count(self, cursor: psycopg.Cursor[Any]) -> None:
        if not (cursor.statusmessage or "").startswith("SELECT"):
            self.total_changes += max(cursor.rowcount, 0)


class PostgresDatabase(Database):
    """The schema `schema` of a database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @contextlib.contextmanager
    def use(self) -> Iterator[Connection]:
        with self._pool.use() as raw:
            yield PostgresConnection(raw)

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        with self._pool.use() as raw:
            raw.execute(_BEGIN)
            try:
                (before,) = raw.execute(_TURN).fetchone() or (0,)
                yield PostgresConnection(raw)
                seq, digest = raw.execute(_LAST).fetchone() or (0, "")
            except BaseException:
                with contextlib.suppress(psycopg.Error):
                    raw.execute("ROLLBACK")
                raise
            self._commit(raw, (seq, digest) if seq > before else None)

    def now_us(self, connection: Connection) -> int:
        (now_us,) = connection.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").fetchone()
        return int(now_us)

    def last_number(self, connection: Connection, table: str) -> int:
        sql = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {table}_id_seq"
        (last,) = connection.execute(sql).fetchone()
        return int(last)

    def number_behind(self, connection: Connection, table: str, last: int) -> None:
        connection.execute("SELECT setval(pg_get_serial_sequence(?, 'id'), ?)", (table, last))

    def numbered_insert(self, table: str, columns: Sequence[str]) -> str:
        marks = ", ".join("?" * len(columns))
        return f"INSERT INTO {table} ({', '.join(columns)}) OVERRIDING SYSTEM VALUE VALUES ({marks})"

    def close(self) -> None:
        self._pool.close()

    def _commit(self, raw: Raw, entry: tuple[int, str] | None) -> None:
        """Commits. Where the connection breaks meanwhile, the audit is asked whether it has the `entry` of the change;
        raises `Unavailable`: `store.unreachable` where it has not, `store.uncertain` where nobody answers in time."""
        try:
            raw.execute("COMMIT")
        except psycopg.OperationalError:
            if not raw.broken or entry is None or not self._stands(entry):
                raise

    def _stands(self, entry: tuple[int, str]) -> bool:
        """Whether the audit has an entry, by its number and digest. The number of its transaction would not tell: after
        a crash it may be given again."""
        end = time.monotonic() + SETTLE_S
        while True:
            with contextlib.suppress(HansaError, psycopg.Error):
                return self._has(entry)
            if time.monotonic() > end:
                raise Unavailable(
                    "store.uncertain",
                    f"{self._pool.name} went away while a change was committed; whether it stands is not known",
                    hint="Look whether it is there, when PostgreSQL answers, before making it again.",
                )
            time.sleep(_AGAIN_S)

    def _has(self, entry: tuple[int, str]) -> bool:
        with contextlib.closing(self._pool.connect()) as raw, raw.transaction():
            raw.execute(_TURN)  # the change may not have ended yet
            return bool(raw.execute(_HAS, entry).fetchone())


@lru_cache(1024)
def _placed(sql: str) -> bytes:
    """The statement with its values where psycopg looks for them."""
    return sql.replace("?", "%s").encode()
