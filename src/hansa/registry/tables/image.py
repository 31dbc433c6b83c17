"""The registry as it is, row for row: what one database gives and another kind of database takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from hansa.errors import OperatorError
from hansa.registry.database import Connection
from hansa.registry.interface import RegistryImage
from hansa.registry.tables.base import Tables, last_entry

_PAGE: Final = 2_000
_NUMBER: Final = "number"


class _Table(NamedTuple):
    """`key` is how many of the columns name a row; `flags` are those that are true or false."""

    columns: tuple[str, ...]
    key: int = 1
    flags: frozenset[str] = frozenset()
    is_numbered: bool = False


_TABLES: Final = {
    "domain": _Table(("name", "description", "owner")),
    "account": _Table(("id", "kind", "name", "contact", "admin"), flags=frozenset({"admin"})),
    "membership": _Table(("domain", "account", "role"), 2),
    "revision": _Table(("product", "hash", "number", "spec", "bundle", "actor", "time_us", "note"), 2),
    "deployment": _Table(("id", "product", "hash", "previous"), is_numbered=True),
    "product": _Table(("id", "domain", "state", "live", "successor", "state_us", "words")),
    "term": _Table(("product", "text", "kind"), 3),
    "paused_trigger": _Table(("product", "process", "name"), 3),
    "token": _Table(
        ("id", "account", "name", "secret_hash", "scopes", "products", "created_us", "expires_us", "last_used_us",
         "revoked_us")
    ),
    "schema": _Table(("id", "digest", "content"), is_numbered=True),
    "schema_subject": _Table(("name", "versions", "settings")),
    "schema_version": _Table(("subject", "version", "schema", "deleted"), 2, frozenset({"deleted"})),
    "schema_reference": _Table(("subject", "version", "schema"), 3),
    "port_schema": _Table(("product", "revision", "port", "part", "schema"), 4),
    "consent": _Table(("port", "since", "candidate", "kind", "owner", "reason", "actor", "time_us"), 5),
    "audit": _Table(
        ("seq", "time_us", "actor", "operation", "target", "before", "after", "detail", "previous", "digest")
    ),
}  # fmt: skip
"""In an order in which each row finds those that it refers to. Nodes and leases stay where they are."""


class ImageTables(Tables, RegistryImage):
    def is_blank(self) -> bool:
        with self._database.use() as connection:
            seq, _ = last_entry(connection)
        return seq == 0

    def image(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        for name, table in _TABLES.items():
            for row in self._image_of(name, table):
                yield name, row
        for name, table in _TABLES.items():
            if table.is_numbered:
                with self._database.use() as connection:
                    yield _NUMBER, (name, self._database.last_number(connection, name))

    def bundles(self) -> Iterator[str]:
        table = _TABLES["revision"]
        at = table.columns.index("bundle")
        yield from (row[at] for row in self._image_of("revision", table))

    def _image_of(self, name: str, table: _Table) -> Iterator[tuple[Any, ...]]:
        """The rows by their keys, a page at a time."""
        columns, key = ", ".join(table.columns), ", ".join(table.columns[: table.key])
        select, order = f"SELECT {columns} FROM {name}", f"ORDER BY {key} LIMIT {_PAGE}"
        behind = f"{select} WHERE ({key}) > ({', '.join('?' * table.key)}) {order}"
        rows = self._rows(f"{select} {order}")
        while rows:
            yield from (tuple(int(value) if isinstance(value, bool) else value for value in row) for row in rows)
            rows = self._rows(behind, *rows[-1][: table.key])

    def take_image(self, image: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
        with self._database.write() as connection:
            if last_entry(connection)[0]:
                raise OperatorError(
                    "registry.occupied", "The registry is not empty", hint="Name a database that no Hansa has."
                )
            for name, rows in groupby(image, itemgetter(0)):
                if name == _NUMBER:
                    for _, (numbered, last) in rows:
                        if last:
                            self._database.number_behind(connection, numbered, last)
                else:
                    self._take_rows(connection, name, (row for _, row in rows))
            connection.execute("UPDATE audit_end SET seq = ?", (last_entry(connection)[0],))

    def _take_rows(self, connection: Connection, name: str, rows: Iterable[tuple[Any, ...]]) -> None:
        table = _TABLES[name]
        marks = ", ".join("?" * len(table.columns))
        sql = (
            self._database.numbered_insert(name, table.columns)
            if table.is_numbered
            else f"INSERT INTO {name} ({', '.join(table.columns)}) VALUES ({marks})"
        )
        flags = [column in table.flags for column in table.columns]
        connection.executemany(
            sql, (tuple(bool(v) if flag else v for v, flag in zip(row, flags, strict=True)) for row in rows)
        )
