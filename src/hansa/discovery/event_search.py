"""Searching events: conditions, sorting, paging, counting by groups.

Every query is bounded by `size`, and all of it is one snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from hansa.discovery.event_pattern import PatternQuery, Sequences, find_sequences
from hansa.discovery.events import EVENT_COLUMNS, EVENT_FIELDS, Event, event_of
from hansa.errors import CallerError
from hansa.views.condition import And, Condition, malformed, parse_condition
from hansa.views.condition_text import parse_text
from hansa.views.cursor import decode_cursor, encode_cursor
from hansa.views.database import Connection, Dialect, Reader, Sql, told

SIZE_MAX: Final = 1000
_SORTS_MAX: Final = 3
_GROUPS_MAX: Final = 3
_MICROSECONDS: Final = 1_000_000
_ALWAYS: Final = ("time_us", "place")
"""What every event has."""


class Sort(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By a field; what has none comes first in ascending order."""

    field: str
    order: Literal["asc", "desc"] = "asc"


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By the values of a field; `time` by intervals of `interval_s`, named by their beginning in microseconds."""

    field: str
    interval_s: float | None = None


class EventQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`where` is a condition, its plain values or its text form. Without `sorts`, the newest come first.

    `after` is the `next` of the page before, asked for with the same `where` and `sorts`. `total` counts all that fit.
    """

    where: Any = None
    sorts: list[Sort] = []
    size: int = 50
    after: str | None = None
    total: bool = False


class EventPage(msgspec.Struct, frozen=True):
    """`next` is where the page behind this one begins, None on the last. `total` is None unless it was asked for."""

    events: list[Event]
    next: str | None
    total: int | None = None


class CountQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many events there are in each group: ordered by `count` (the largest first) or by `key` (ascending)."""

    by: list[Group]
    where: Any = None
    order: Literal["count", "key"] = "count"
    size: int = 100


class Bucket(msgspec.Struct, frozen=True):
    """The group's value of each field of `by`, and how many events it has."""

    key: list[Any]
    count: int


def condition_of(where: Any) -> Condition:
    """The condition that `where` says: one, its plain values, its text form, or None for all.

    Raises `CallerError("query.malformed")`.
    """
    if where is None:
        return And([])
    if isinstance(where, str):
        text = {name for name, column in EVENT_FIELDS.columns.items() if column.kind != "number"}
        return parse_text(where, text)
    return where if isinstance(where, Condition) else parse_condition(where)


class EventSearch:
    """Questions about events. Every method is blocking work: call it from a thread."""

    def __init__(self, store: Reader) -> None:
        self._store = store

    def find(self, query: EventQuery) -> EventPage:
        """One page. Raises `CallerError` (`query.malformed`, `time.malformed`)."""
        _check_size(query.size)
        dialect = self._store.dialect
        where, values = EVENT_FIELDS.where(condition_of(query.where), dialect)
        keys = _sort_keys(query.sorts, dialect)
        behind = _behind(keys, decode_cursor(query.after, len(keys))) if query.after is not None else ("TRUE", [])
        columns = ", ".join([*EVENT_COLUMNS, *(sql for (sql, _), _ in keys)])
        order = ", ".join(_ordered(sql, direction) for (sql, _), direction in keys)
        sql = f"SELECT {columns} FROM event WHERE {where} AND {behind[0]} ORDER BY {order} LIMIT ?"
        paths = [value for (_, given), _ in keys for value in given]
        with self._store.reading() as db:
            rows = db.execute(sql, (*paths, *values, *behind[1], *paths, query.size + 1)).fetchall()
            total = _count(db, where, values) if query.total else None
        width = len(EVENT_COLUMNS)
        events = [event_of(row[:width]) for row in rows[: query.size]]
        more = len(rows) > query.size
        return EventPage(events, encode_cursor(rows[query.size - 1][width:]) if more else None, total)

    def count(self, query: CountQuery) -> list[Bucket]:
        """The groups, at most `size` of them. Raises `CallerError` (`query.malformed`, `time.malformed`)."""
        _check_size(query.size)
        if not 1 <= len(query.by) <= _GROUPS_MAX:
            raise malformed(f"`by` has {len(query.by)} fields", f"Between 1 and {_GROUPS_MAX}.")
        where, values = EVENT_FIELDS.where(condition_of(query.where), self._store.dialect)
        groups = [_group(group, self._store.dialect) for group in query.by]
        parts = [part for group in groups for part in group]
        numbers = [str(n + 1) for n in range(len(parts))]
        by_key = ", ".join(_ordered(number, "asc") for number in numbers)
        order = f"{len(parts) + 1} DESC, {by_key}" if query.order == "count" else by_key
        sql = (
            f"SELECT {', '.join(sql for sql, _ in parts)}, COUNT(*) FROM event WHERE {where} "
            f"GROUP BY {', '.join(numbers)} ORDER BY {order} LIMIT ?"
        )
        given = [value for _, parameters in parts for value in parameters]
        with self._store.reading() as db:
            rows = db.execute(sql, (*given, *values, query.size)).fetchall()
        return [Bucket(_keys(row, groups), row[-1]) for row in rows]

    def get(self, event_id: str) -> Event:
        """The event of an id. Raises `CallerError("event.unknown")`."""
        with self._store.reading() as db:
            row = db.execute(f"SELECT {', '.join(EVENT_COLUMNS)} FROM event WHERE id = ?", (event_id,)).fetchone()
        if row is None:
            raise CallerError(
                "event.unknown", f"There is no event {event_id!r}", hint="`hansa events` searches what there is."
            )
        return event_of(row)

    def sequences(self, query: PatternQuery) -> Sequences:
        """Ordered patterns: see `PatternQuery`. Raises `CallerError` (`query.malformed`, `time.malformed`)."""
        _check_size(query.size)
        steps = [condition_of(step) for step in query.steps]
        with self._store.reading() as db:
            return find_sequences(db, query, steps, condition_of(query.where))


def _check_size(size: int) -> None:
    if not 1 <= size <= SIZE_MAX:
        raise malformed(f"size is {size}", f"It is between 1 and {SIZE_MAX}; page with `after`.")


def _count(db: Connection, where: str, values: list[Any]) -> int:
    return int(db.execute(f"SELECT COUNT(*) FROM event WHERE {where}", values).fetchone()[0])


def _sort_keys(sorts: Sequence[Sort], dialect: Dialect) -> list[tuple[Sql, str]]:
    """(expression, direction) of each key; the last one is unique."""
    if len(sorts) > _SORTS_MAX:
        raise malformed(f"There are {len(sorts)} sorts", f"At most {_SORTS_MAX}.")
    keys = [
        (part, sort.order)
        for sort in sorts or [Sort("time", "desc")]
        for part in EVENT_FIELDS.parts(sort.field, dialect)
    ]
    return [*keys, (("place", []), keys[-1][1])]


def _ordered(sql: str, direction: str) -> str:
    """By an expression. Where there may be NULL, it is said to stand before everything, though no index has it so."""
    if sql in _ALWAYS:
        return f"{sql} {direction.upper()}"
    return f"{sql} {'ASC NULLS FIRST' if direction == 'asc' else 'DESC NULLS LAST'}"


def _behind(keys: list[tuple[Sql, str]], last: list[Any]) -> Sql:
    """The rows that come after the row with the sort values `last`: NULL sorts before everything."""
    names, directions = [sql for (sql, _), _ in keys], {direction for _, direction in keys}
    if len(directions) == 1 and set(names) <= set(_ALWAYS):
        sign = ">" if directions == {"asc"} else "<"
        return f"({', '.join(names)}) {sign} ({', '.join('?' * len(names))})", last
    alternatives: list[str] = []
    values: list[Any] = []
    abreast: list[tuple[str, list[Any]]] = []
    for ((sql, given), direction), value in zip(keys, last, strict=True):
        beyond = _beyond(sql, given, direction, value)
        parts = [*abreast, beyond]
        alternatives.append("(" + " AND ".join(text for text, _ in parts) + ")")
        values += [one for _, parameters in parts for one in parameters]
        abreast.append((f"{sql} IS NULL", given) if value is None else (f"{sql} = ?", [*given, value]))
    return "(" + " OR ".join(alternatives) + ")", values


def _beyond(sql: str, given: list[Any], direction: str, value: Any) -> Sql:
    if direction == "asc":
        return (f"{sql} IS NOT NULL", given) if value is None else (f"{sql} > ?", [*given, value])
    return ("FALSE", []) if value is None else (f"({sql} < ? OR {sql} IS NULL)", [*given, value, *given])


def _group(group: Group, dialect: Dialect) -> list[Sql]:
    if group.interval_s is None:
        return EVENT_FIELDS.parts(group.field, dialect)
    step = round(group.interval_s * _MICROSECONDS)
    if group.field != "time" or step < 1:
        raise malformed(f"{group.field!r} is grouped by {group.interval_s} s", "Intervals above 0 s are for `time`.")
    return [("time_us - time_us % ?", [step])]


def _keys(row: Sequence[Any], groups: Sequence[list[Sql]]) -> list[Any]:
    """The value of each group in a row that has its parts."""
    values = iter(row)
    return [told([next(values) for _ in parts]) for parts in groups]
