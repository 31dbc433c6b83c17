"""How PostgreSQL says what is not common SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hansa.views.database import Dialect, Sql
from hansa.views.table import Index, Table

_TEXT: Final = 'TEXT COLLATE "C"'
_TYPES: Final = {"number": "BIGINT", "text": _TEXT, "long": _TEXT, "truth": "BOOLEAN", "json": "JSON"}
_INDEXED_CHARS: Final = 128
"""How much of a long text stands in an index, where PostgreSQL has place for some 2,700 bytes."""
_STEP_MAX: Final = (1 << 31) - 1


class PostgresDialect(Dialect):
    """JSON is kept as the text that was written, so that numbers come back as they were."""

    def create(self, table: Table) -> list[str]:
        """Indexes end with the row's number, as they do in SQLite: rows of equal values come in its order."""
        ends = [f"PRIMARY KEY ({', '.join(table.key)})"] if table.key else []
        ends += [f"UNIQUE ({', '.join(table.unique)})"] if table.unique else []
        columns = [f"{name} {_TYPES[kind]}" for name, kind in table.columns.items()]
        return [
            f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join([*columns, *ends])})",
            *(_index(table, index) for index in table.indexes),
        ]

    def among(self, column: str) -> str:
        return f"{column} = ANY(?)"

    def equal(self, column: str, value: str) -> Sql:
        return f"({_head(column)} = {_head('?')} AND {column} = ?)", [value, value]

    def like(self, text: str, pattern: str) -> Sql:
        signs = {"\\": "\\\\", "%": "\\%", "_": "\\_", "*": "%", "?": "_"}
        return f"{text} LIKE ?", ["".join([signs.get(sign, sign) for sign in pattern])]

    def any_in(self, root: str, path: Sequence[str]) -> Sql:
        at, values = _at(root, path)
        return f"({at} #>> '{{}}')", values

    def text_in(self, root: str, path: Sequence[str]) -> Sql:
        return _typed(root, path, "'string'", _TEXT)

    def number_in(self, root: str, path: Sequence[str]) -> Sql:
        return _typed(root, path, "'number'", "NUMERIC")

    def truth_in(self, root: str, path: Sequence[str]) -> Sql:
        return _typed(root, path, "'boolean'", _TEXT)

    def parts_in(self, root: str, path: Sequence[str]) -> list[Sql]:
        at, values = _at(root, path)
        number = (
            f"CASE json_typeof({at}) WHEN 'number' THEN ({at} #>> '{{}}')::NUMERIC"
            f" WHEN 'boolean' THEN ({at} #>> '{{}}')::BOOLEAN::INT::NUMERIC END"
        )
        return [_typed(root, path, "'string', 'object', 'array'", _TEXT), (number, values * 3)]


def _index(table: Table, index: Index) -> str:
    if index.exact:
        return f"CREATE INDEX IF NOT EXISTS {index.name} ON {table.name} USING HASH ({', '.join(index.columns)})"
    columns = [_head(name) if table.columns[name] == "long" else name for name in index.columns]
    number = [table.number] if table.number and table.number not in index.columns else []
    where = f" WHERE {index.where}" if index.where else ""
    return f"CREATE INDEX IF NOT EXISTS {index.name} ON {table.name} ({', '.join([*columns, *number])}){where}"


def _head(text: str) -> str:
    return f"left({text}, {_INDEXED_CHARS})"


def _at(root: str, path: Sequence[str]) -> Sql:
    values: list[Any] = [min(int(step), _STEP_MAX) if step.isdecimal() else step for step in path]
    steps = [" -> ?::INT" if step.isdecimal() else " -> ?::TEXT" for step in path]
    return f"({root}{''.join(steps)})", values


def _typed(root: str, path: Sequence[str], kinds: str, kind: str) -> Sql:
    at, values = _at(root, path)
    return f"CASE WHEN json_typeof({at}) IN ({kinds}) THEN ({at} #>> '{{}}')::{kind} END", values * 2
