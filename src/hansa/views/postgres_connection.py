"""A transaction of PostgreSQL, as views see it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from psycopg.adapt import Loader
from psycopg.types.string import TextLoader

from hansa.databases.postgres import Raw
from hansa.views.database import Connection, Rows
from hansa.views.postgres_dialect import PostgresDialect
from hansa.views.table import Insert

_NUL: Final = "\0"
_NUL_IN_JSON: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_HELD: Final = "\ufffd"
"""Stands for NUL, which PostgreSQL cannot hold."""


class PostgresConnection(Connection):
    dialect = PostgresDialect()

    def __init__(self, db: Raw) -> None:
        db.adapters.register_loader("json", TextLoader)
        db.adapters.register_loader("numeric", _Number)
        self._db = db

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        return self._db.execute(_placed(sql), [_holdable(value) for value in values])

    def write(self, insert: Insert, rows: Sequence[Sequence[Any]]) -> None:
        """By COPY; where rows may stand there already, into a table of this session first."""
        if not insert.tail:
            self._copy(insert.table.name, insert, rows)
            return
        table, columns = insert.table.name, ", ".join(insert.columns)
        self._db.execute(f"CREATE TEMP TABLE IF NOT EXISTS {table}_new (LIKE {table}) ON COMMIT DELETE ROWS".encode())
        for together in insert.rounds(rows):
            self._copy(f"{table}_new", insert, together)
            self._db.execute(f"{insert.head} SELECT {columns} FROM {table}_new {insert.tail}".encode())
            self._db.execute(f"DELETE FROM {table}_new".encode())

    def _copy(self, into: str, insert: Insert, rows: Sequence[Sequence[Any]]) -> None:
        documents = [at for at, name in enumerate(insert.columns) if insert.table.columns[name] == "json"]
        columns = ", ".join(insert.columns)
        with self._db.cursor().copy(f"COPY {into} ({columns}) FROM STDIN".encode()) as copy:
            for row in rows:
                held = [_holdable(value) for value in row]
                for at in documents:
                    held[at] = _holdable_json(held[at])
                copy.write_row(held)


def _holdable(value: Any) -> Any:
    return value.replace(_NUL, _HELD) if type(value) is str and _NUL in value else value


def _holdable_json(text: str | None) -> str | None:
    return _NUL_IN_JSON.sub(rf"\1{_HELD}", text) if text is not None and "\\u0000" in text else text


@lru_cache(4096)
def _placed(sql: str) -> bytes:
    """The statement with its values where psycopg looks for them."""
    return sql.replace("%", "%%").replace("?", "%s").encode()


class _Number(Loader):
    """Numbers in JSON are integers or floats."""

    def load(self, data: Any) -> int | float:
        text = bytes(data)
        return float(text) if b"." in text else int(text)
