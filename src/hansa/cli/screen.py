"""What commands show: tables for people, JSON for programs, tab-separated lines for pipes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TextIO

import msgspec


def text(value: Any) -> str:
    """A value in one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(str, value))
    if isinstance(value, list | dict):
        return msgspec.json.encode(value).decode()
    return " ".join(str(value).split())


def moment(value: Any) -> str:
    """A time in UTC, of microseconds since 1970 or RFC 3339: `2026-11-21 05:33:04Z`."""
    from datetime import UTC, datetime

    if not value:
        return ""
    at = datetime.fromtimestamp(value / 1e6, UTC) if isinstance(value, int) else datetime.fromisoformat(value)
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


_GAP: Final = 3
"""Characters between two columns, and around all of them together."""
PROSE_MIN: Final = 24
"""The last column may be wrapped at its words, but not narrower than that."""


def fitted(widths: Sequence[int], room: int) -> list[int]:
    """The widths of the columns that are drawn where there is room for so many characters. What stands in a column is
    copied into the next command, so none is cut: the last one is wrapped, or left out, and then those before it. The
    first is always there."""
    drawn = list(widths)
    while len(drawn) > 1:
        left = room - sum(drawn[:-1]) - _GAP * len(drawn)
        if left >= min(drawn[-1], PROSE_MIN):
            return [*drawn[:-1], min(drawn[-1], left)]
        drawn.pop()
    return drawn


class Column(NamedTuple):
    """A column shows the field of that name in each row, or what `field` makes of the row."""

    title: str
    field: str | Callable[[Mapping[str, Any]], Any]
    form: Callable[[Any], str] = text

    def of(self, row: Mapping[str, Any]) -> str:
        return self.form(row.get(self.field) if isinstance(self.field, str) else self.field(row))


class Screen:
    """Where a command's answer goes (`out`) and what it says meanwhile (`err`). With `as_json`, `out` gets JSON only;
    else tables where it is a terminal (without columns that are empty, or that have no room) and tab-separated lines
    of all columns without a head where it is not."""

    def __init__(self, out: TextIO, err: TextIO, *, as_json: bool = False) -> None:
        self._out = out
        self._err = err
        self._is_json = as_json

    def table(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], *, empty: str) -> None:
        """The rows; `empty` says what to do where there are none."""
        if self._is_json:
            self._json(rows)
        elif not rows:
            self.note(empty)
        elif self._out.isatty():
            self._draw([[column.of(row) for column in columns] for row in rows], [column.title for column in columns])
        else:
            for row in rows:
                self._line("\t".join(column.of(row) for column in columns))

    def answer(self, value: Any, lines: Iterable[str]) -> None:
        """One answer: `value` as JSON, or `lines` for people."""
        if self._is_json:
            self._json(value)
        else:
            for line in lines:
                self._line(line)

    def item(self, value: Any, line: str) -> None:
        """One item of a stream: a line of JSON, or a line for people, at once."""
        self._line(msgspec.json.encode(value).decode() if self._is_json else line)
        self._out.flush()

    def note(self, line: str) -> None:
        """Something said beside the answer: progress, hints."""
        print(line, file=self._err, flush=True)

    def _json(self, value: Any) -> None:
        self._line(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())

    def _line(self, line: str) -> None:
        print(line, file=self._out)

    def _draw(self, cells: list[list[str]], titles: list[str]) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.cells import cell_len
        from rich.console import Console
        from rich.table import Table

        console = Console(file=self._out, markup=False, highlight=False)
        columns = [column for column in zip(titles, *cells, strict=True) if any(column[1:])]
        widths = fitted([max(map(cell_len, column)) for column in columns], console.width)
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for (title, *_), width in zip(columns, widths, strict=False):
            table.add_column(title, overflow="fold", min_width=width, max_width=width)
        for row in zip(*(column[1:] for column in columns[: len(widths)]), strict=True):
            table.add_row(*row)
        console.print(table, crop=False, overflow="ignore")
        if left_out := [title for title, *_ in columns[len(widths) :]]:
            self.note(f"No room for {', '.join(left_out)}: a wider terminal shows them, and so does --json.")


def facts(value: Mapping[str, Any], names: Iterable[str] | None = None) -> list[str]:
    """A line `name: value` for each field that has a value; `names` chooses and orders them."""
    chosen = list(value) if names is None else [name for name in names if name in value]
    return [
        f"{name.replace('_', ' ')}: {text(value[name])}" for name in chosen if value[name] not in (None, "", [], {})
    ]
