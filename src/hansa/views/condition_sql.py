"""Conditions as SQL: every value is a parameter, every field comes from a table of expressions that we wrote.

Nothing that a caller sends becomes part of a statement. A test may be NULL where it means false; only `not` minds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from hansa.views.condition import And, Compare, Condition, Fields, Not, Op, Or, is_number, malformed
from hansa.views.times import parse_time

Sql = tuple[str, list[Any]]
"""An expression and its parameters, in order."""

_COMPARE: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_INT_MAX: Final = (1 << 63) - 1


class Column(msgspec.Struct, frozen=True):
    """A column of one kind; text given for a `time` one is read as RFC 3339."""

    sql: str
    kind: Literal["text", "number", "time"] = "text"


class SqlFields:
    """The fields of a table: `columns` by name, and what lies in the JSON column `root`."""

    def __init__(self, columns: Mapping[str, Column], root: str) -> None:
        self.columns = columns
        self.root = root
        self.fields = Fields(columns, root)

    def value(self, field: str) -> Sql:
        """The value of a field. Raises `CallerError("query.malformed")`."""
        path = self.fields.path(field)
        if path is None:
            return self.columns[field].sql, []
        return f"json_extract({self.root}, ?)", [json_path(path)]

    def where(self, condition: Condition) -> Sql:
        """The condition, checked. Raises `CallerError("query.malformed")`."""
        self.fields.check(condition)
        return self._where(condition)

    def _where(self, condition: Condition) -> Sql:
        match condition:
            case And(parts):
                return _joined(" AND ", "1", [self._where(part) for part in parts])
            case Or(parts):
                return _joined(" OR ", "0", [self._where(part) for part in parts])
            case Not(part):
                return _negated(self._where(part))
            case Compare():
                return self._test(condition)

    def _test(self, test: Compare) -> Sql:
        path = self.fields.path(test.field)
        if path is None:
            return self._column_test(test, self.columns[test.field])
        return self._payload_test(test.op, json_path(path), test.value)

    def _column_test(self, test: Compare, column: Column) -> Sql:
        op, sql, value = test.op, column.sql, test.value
        if column.kind == "time" and isinstance(value, str) and op != "like":
            value = parse_time(value)
        if op == "exists":
            return f"{sql} IS {'NOT ' if value else ''}NULL", []
        if op == "ne":
            return _negated(self._column_test(msgspec.structs.replace(test, op="eq"), column))
        if op == "in":
            each = [self._column_test(Compare(test.field, "eq", one), column) for one in _items(value)]
            return _joined(" OR ", "0", each)
        if value is None:
            return f"{sql} IS NULL", []
        if isinstance(value, bool) or isinstance(value, str) == (column.kind != "text"):
            return "0", []
        return f"{sql} {_operator(op)} ?", [_bound(_pattern(op, value))]

    def _payload_test(self, op: Op, path: str, value: Any) -> Sql:
        found, kind = f"json_extract({self.root}, ?)", f"json_type({self.root}, ?)"
        if op == "exists":
            return f"{found} IS {'NOT ' if value else ''}NULL", [path]
        if op == "ne":
            return _negated(self._payload_test("eq", path, value))
        if op == "in":
            return _joined(" OR ", "0", [self._payload_test("eq", path, one) for one in _items(value)])
        if value is None:
            return f"{found} IS NULL", [path]
        if isinstance(value, bool):
            return f"{kind} = ?", [path, "true" if value else "false"]
        kinds = "('integer', 'real')" if is_number(value) else "('text')"
        return f"({kind} IN {kinds} AND {found} {_operator(op)} ?)", [path, path, _bound(_pattern(op, value))]


def json_path(path: Sequence[str]) -> str:
    """The path in SQLite's notation. The steps are of the grammar of fields, so none has a quote."""
    return "$" + "".join([f"[{int(step)}]" if step.isdecimal() else f'."{step}"' for step in path])


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise malformed(f"`in` has the value {value!r}", "It takes a list.")
    return value


def _operator(op: Op) -> str:
    return "GLOB" if op == "like" else _COMPARE.get(op, "=")


def _pattern(op: Op, value: Any) -> Any:
    """GLOB knows sets in brackets; here a bracket is only a bracket."""
    return value.replace("[", "[[]") if op == "like" else value


def _bound(value: Any) -> Any:
    """SQLite's integers have 64 bits; a larger one compares as the nearest float, as it does in JSON there."""
    return float(value) if isinstance(value, int) and abs(value) > _INT_MAX else value


def _negated(inner: Sql) -> Sql:
    return f"NOT coalesce({inner[0]}, 0)", inner[1]


def _joined(word: str, empty: str, parts: list[Sql]) -> Sql:
    if not parts:
        return empty, []
    return f"({word.join(sql for sql, _ in parts)})", [value for _, values in parts for value in values]
