"""What the tables of views are, whichever database holds them, and how rows go into them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

Kind = Literal["number", "text", "long", "truth", "json"]
"""`number` has 64 bits; a `text` is short enough to be a key, a `long` one need not be; `json` is a text of JSON."""


class Index(NamedTuple):
    """An index over `columns`, of the rows that `where` holds for. An `exact` one is over one column, finds rows by its
    whole value alone, and takes values of any length."""

    name: str
    columns: tuple[str, ...]
    where: str = ""
    exact: bool = False


class Table(NamedTuple):
    """`columns` by name, in order. `key` finds one row, and so does `unique` where it is given."""

    name: str
    columns: Mapping[str, Kind]
    key: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()

    @property
    def number(self) -> str | None:
        """The column that numbers the rows, where the key is one number."""
        return self.key[0] if len(self.key) == 1 and self.columns[self.key[0]] == "number" else None


class Insert:
    """Rows for `columns` of a table (all where none is named); `do` is what becomes of one whose `on` stands there
    already: `NOTHING`, or `UPDATE SET column = excluded.column, …`."""

    def __init__(self, table: Table, columns: Sequence[str] = (), *, on: Sequence[str] = (), do: str = "") -> None:
        self.table = table
        self.columns = tuple(columns) or tuple(table.columns)
        self.head = f"INSERT INTO {table.name} ({', '.join(self.columns)})"
        self.tail = f"ON CONFLICT ({', '.join(on)}) DO {do}" if do else ""
        self._key = [self.columns.index(name) for name in on]

    def rounds(self, rows: Sequence[Sequence[Any]]) -> list[Sequence[Sequence[Any]]]:
        """The rows in lists of which none has the same key twice; those of one key stay in order."""
        if not self._key:
            return [rows]
        times: defaultdict[tuple[Any, ...], int] = defaultdict(int)
        found: list[list[Sequence[Any]]] = []
        for row in rows:
            key = tuple([row[at] for at in self._key])
            if times[key] == len(found):
                found.append([])
            found[times[key]].append(row)
            times[key] += 1
        return list(found)
