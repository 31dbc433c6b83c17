"""The rows of a SQLite log beside its batches: positions, state, claims, epochs and the keys of persons.

Each row ends with a CRC-32 over all of its other columns, so that a changed byte in any of them is found when the row
is read: `log.damaged`, with the table and the row's key.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from hansa.errors import InternalError
from hansa.eventlog import batch
from hansa.eventlog.batch import KeyOf
from hansa.eventlog.plan import Pending, Plan

TABLES: Final = {
    "position": ("grp", "topic", "partition", "next"),
    "state": ("scope", "key", "value"),
    "claim": ("scope", "key", "value", "until_us"),
    "epoch": ("resource", "epoch"),
    "person": ("id", "name", "key"),
}
"""The columns of each table before its checksum; those that name a row come first."""
_SELECT: Final = {table: f"SELECT {', '.join(columns)}, checksum FROM {table}" for table, columns in TABLES.items()}
_STATE: Final = f"{_SELECT['state']} WHERE scope = ? AND key = ?"
_CLAIM: Final = f"{_SELECT['claim']} WHERE scope = ? AND key = ?"
_PERSON: Final = f"{_SELECT['person']} WHERE id = ?"
_NAMED: Final = f"{_SELECT['person']} WHERE name = ?"
_EXPIRED_CLAIMS: Final = """
DELETE FROM claim WHERE (scope, key) IN (SELECT scope, key FROM claim WHERE until_us <= ? LIMIT ?)
"""
_encode: Final = msgspec.msgpack.Encoder().encode


def checksum(*values: Any) -> int:
    """The checksum of a row with these values; SQL knows it as `row_checksum`."""
    return zlib.crc32(_encode(values))


def checked(table: str, row: Sequence[Any]) -> tuple[Any, ...]:
    """The row without its checksum. Raises `InternalError("log.damaged")` where it is not as it was written."""
    values = tuple(row[:-1])
    if checksum(*values) != row[-1]:
        raise damaged(table, values)
    return values


def damaged(table: str, values: Sequence[Any]) -> InternalError:
    """The error for a row that is not what was written; the value itself is not told."""
    told = {name: value for name, value in zip(TABLES[table], values, strict=True) if not isinstance(value, bytes)}
    place = ", ".join(f"{name}={value!r}" for name, value in told.items())
    return InternalError(
        "log.damaged",
        f"The row of {table} at {place} is not what was written there",
        hint="The disk or a copy damaged it. Restore a backup, or `hansa doctor` to see what can still be read.",
        details={"table": table, **told},
    )


def rows(connection: sqlite3.Connection, table: str, *, order: int = 1) -> Iterator[tuple[Any, ...]]:
    """All rows of a table, checked, in the order of the first `order` columns."""
    for row in connection.execute(f"{_SELECT[table]} ORDER BY {', '.join(TABLES[table][:order])}"):
        yield checked(table, row)


def state(connection: sqlite3.Connection, scope: str, key: str) -> bytes | None:
    """The value of a key of a scope."""
    row = connection.execute(_STATE, (scope, key)).fetchone()
    value: bytes | None = checked("state", row)[2] if row else None
    return value


def scope(connection: sqlite3.Connection, name: str) -> list[tuple[str, bytes]]:
    """The keys and values of a scope, by key."""
    found = connection.execute(f"{_SELECT['state']} WHERE scope = ? ORDER BY key", (name,)).fetchall()
    return [checked("state", row)[1:] for row in found]


def claim(connection: sqlite3.Connection, scope: str, key: str, now_us: int) -> bytes | None:
    """The value of a claim that still holds at `now_us`."""
    row = connection.execute(_CLAIM, (scope, key)).fetchone()
    if row is None:
        return None
    _, _, value, until_us = checked("claim", row)
    return value if until_us > now_us else None


def store(connection: sqlite3.Connection, plan: Plan) -> None:
    """Writes what a plan moves: positions, claims, state, and the keys that it destroys."""
    many = connection.executemany
    if plan.positions:
        many("INSERT OR REPLACE INTO position VALUES (?, ?, ?, ?, ?)", [_row(*k, v) for k, v in plan.positions.items()])
    if plan.claims:
        many("INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?, ?)", [_row(*k, *v) for k, v in plan.claims.items()])
        connection.execute(_EXPIRED_CLAIMS, (plan.now_us, 2 * len(plan.claims)))
    for (name, key), value in plan.puts.items():
        if value is None:
            connection.execute("DELETE FROM state WHERE scope = ? AND key = ?", (name, key))
        else:
            connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?)", _row(name, key, value))
    for subject in plan.forgotten:
        _destroy(connection, subject)


def put(connection: sqlite3.Connection, table: str, *values: Any) -> None:
    """Writes one row as it stood in another log."""
    marks = ", ".join("?" * (len(values) + 1))
    connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", _row(*values))


def _row(*values: Any) -> tuple[Any, ...]:
    return (*values, checksum(*values))


# Persons


def person(connection: sqlite3.Connection, subject: str) -> int | None:
    """The number of a person whose key is kept."""
    found = _person(connection, subject)
    return found[0] if found else None


def _person(connection: sqlite3.Connection, subject: str) -> tuple[int, bytes] | None:
    row = connection.execute(_NAMED, (subject,)).fetchone()
    if row is None:
        return None
    number, _, key = checked("person", row)
    return number, key


def sealed(connection: sqlite3.Connection, chunk: Pending) -> Pending:
    """The chunk under its person's key. A first key is written in the same transaction: no crash can part them."""
    subject = str(chunk.header["subject"])
    number, key = _person(connection, subject) or _introduced(connection, subject)
    return batch.sealed(chunk, number, key)


def _introduced(connection: sqlite3.Connection, subject: str) -> tuple[int, bytes]:
    number = connection.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM person").fetchone()[0]
    key = os.urandom(32)
    connection.execute("INSERT INTO person VALUES (?, ?, ?, ?)", _row(number, subject, key))
    return number, key


def _destroy(connection: sqlite3.Connection, subject: str) -> None:
    """The number stays, as what is left of the person; the name goes with the key."""
    number = person(connection, subject)
    if number is not None:
        connection.execute("REPLACE INTO person VALUES (?, ?, ?, ?)", _row(number, None, None))


def key_of(connection: sqlite3.Connection) -> KeyOf:
    """The persons as they stand in the file, read anew each time: a destroyed key must not live on in a cache."""

    def find(number: int) -> tuple[str | None, bytes | None]:
        row = connection.execute(_PERSON, (number,)).fetchone()
        if row is None:
            raise LookupError(f"there is no key {number}")
        _, name, key = checked("person", row)
        return name, key

    return find
