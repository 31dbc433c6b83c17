"""Conditions as SQL: every value is a parameter, every field comes from a table of expressions that we wrote.

Nothing that a caller sends becomes part of a statement. A test may be NULL where it means false; only `not` minds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from hansa.views.condition import And, Compare, Condition, Fields, Not, Op, Or, is_number, malformed
from hansa.views.database import Dialect, Sql
from hansa.views.times import parse_time

_COMPARE: Final = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_INT_MAX: Final = (1 << 63) - 1


class Column(msgspec.Struct, frozen=True):
    """A column of one kind; text given for a `time` one is read as RFC 3339."""

    sql: str
    kind: Literal["text", "long", "number", "time"] = "text"

    @property
    def is_text(self) -> bool:
        return self.kind in ("text", "long")


class SqlFields:
    """The fields of a table: `columns` by name, and what lies in the JSON column `root`."""

    def __init__(self, columns: Mapping[str, Column], root: str) -> None:
        self.columns = columns
        self.root = root
        self.fields = Fields(columns, root)

    def parts(self, field: str, dialect: Dialect) -> list[Sql]:
        """The value of a field, to be sorted, grouped and compared by: `told` has one of them. Raises
        `CallerError("query.malformed")`."""
        path = self.fields.path(field)
        return [(self.columns[field].sql, [])] if path is None else dialect.parts_in(self.root, path)

    def where(self, condition: Condition, dialect: Dialect) -> Sql:
        """The condition, checked. Raises `CallerError("query.malformed")`."""
        self.fields.check(condition)
        return _Where(self, dialect).of(condition)


class _Where:
    def __init__(self, fields: SqlFields, dialect: Dialect) -> None:
        self._fields = fields
        self._dialect = dialect

    def of(self, condition: Condition) -> Sql:
        match condition:
            case And(parts):
                return _joined(" AND ", "TRUE", [self.of(part) for part in parts])
            case Or(parts):
                return _joined(" OR ", "FALSE", [self.of(part) for part in parts])
            case Not(part):
                return _negated(self.of(part))
            case Compare(field, "ne", value):
                return _negated(self.of(Compare(field, "eq", value)))
            case Compare(field, "in", value):
                return _joined(" OR ", "FALSE", [self.of(Compare(field, "eq", one)) for one in _items(value)])
            case Compare():
                return self._test(condition)

    def _test(self, test: Compare) -> Sql:
        path = self._fields.fields.path(test.field)
        if path is None:
            return self._column_test(test.op, self._fields.columns[test.field], test.value)
        return self._payload_test(test.op, path, test.value)

    def _column_test(self, op: Op, column: Column, value: Any) -> Sql:
        if column.kind == "time" and isinstance(value, str) and op != "like":
            value = parse_time(value)
        if op == "exists" or value is None:
            return _is_there((column.sql, []), value is True)
        if isinstance(value, bool) or isinstance(value, str) != column.is_text:
            return "FALSE", []
        if op == "eq" and column.kind == "long":
            return self._dialect.equal(column.sql, value)
        return self._compared(op, (column.sql, []), value)

    def _payload_test(self, op: Op, path: Sequence[str], value: Any) -> Sql:
        dialect, root = self._dialect, self._fields.root
        if op == "exists" or value is None:
            return _is_there(dialect.any_in(root, path), value is True)
        if isinstance(value, bool):
            return self._compared("eq", dialect.truth_in(root, path), "true" if value else "false")
        found = dialect.number_in(root, path) if is_number(value) else dialect.text_in(root, path)
        return self._compared(op, found, value)

    def _compared(self, op: Op, found: Sql, value: Any) -> Sql:
        text, values = found
        if op != "like":
            return f"{text} {_COMPARE[op]} ?", [*values, _bound(value)]
        fits, pattern = self._dialect.like(text, value)
        return fits, [*values, *pattern]


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise malformed(f"`in` has the value {value!r}", "It takes a list.")
    return value


def _is_there(found: Sql, wanted: bool) -> Sql:
    return f"{found[0]} IS {'NOT ' if wanted else ''}NULL", found[1]


def _bound(value: Any) -> Any:
    """Integers of databases have 64 bits; a larger one compares as the nearest float, as it does in JSON there."""
    return float(value) if isinstance(value, int) and abs(value) > _INT_MAX else value


def _negated(inner: Sql) -> Sql:
    return f"({inner[0]}) IS NOT TRUE", inner[1]


def _joined(word: str, empty: str, parts: list[Sql]) -> Sql:
    if not parts:
        return empty, []
    return f"({word.join(sql for sql, _ in parts)})", [value for _, values in parts for value in values]
