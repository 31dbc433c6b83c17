"""The tables of a copy of a log in Kafka (`kafka_copy`), and what facts do to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from hansa.eventlog import sqlite_rows
from hansa.eventlog.interface import TopicConfig
from hansa.eventlog.kafka_facts import Fact

SCHEMA: Final = """
CREATE TABLE about (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE topic (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, config BLOB, kafka TEXT);
CREATE TABLE batch (
    seq INTEGER PRIMARY KEY, topic INTEGER NOT NULL, partition INTEGER NOT NULL, base INTEGER NOT NULL,
    count INTEGER NOT NULL, time_us INTEGER NOT NULL, checksum INTEGER NOT NULL, size INTEGER NOT NULL,
    "offset" INTEGER NOT NULL);
CREATE UNIQUE INDEX batch_base ON batch (topic, partition, base);
CREATE INDEX batch_offset ON batch (topic, partition, "offset");
CREATE TABLE bound (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, first INTEGER NOT NULL, end INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE position (
    grp TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
    checksum INTEGER NOT NULL, PRIMARY KEY (grp, topic, partition)) WITHOUT ROWID;
CREATE TABLE state (
    scope TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (scope, key)) WITHOUT ROWID;
CREATE TABLE claim (
    scope TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, until_us INTEGER NOT NULL,
    checksum INTEGER NOT NULL, PRIMARY KEY (scope, key)) WITHOUT ROWID;
CREATE INDEX claim_until ON claim (until_us);
CREATE TABLE epoch (resource TEXT PRIMARY KEY, epoch INTEGER NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, key BLOB, checksum INTEGER NOT NULL);
CREATE UNIQUE INDEX person_name ON person (name) WHERE name IS NOT NULL;
"""
_GROWN: Final = """
INSERT INTO bound VALUES (?, ?, 0, ?) ON CONFLICT (topic, partition) DO UPDATE SET end = MAX(end, excluded.end)
"""
_TAKEN: Final = """
INSERT INTO bound VALUES (?, ?, ?, ?3) ON CONFLICT (topic, partition) DO UPDATE SET first = excluded.first
"""
_KEYS: Final = {"position": 3, "state": 2, "claim": 2, "epoch": 1, "person": 1}
"""How many columns name a row, of the tables that are kept as a log in a file keeps them."""


class FactWriter:
    """Writes facts inside a transaction that is the caller's. `ids` are the numbers of topics; those that it has given
    stand in `numbered`, to be kept once the transaction is committed."""

    def __init__(self, connection: sqlite3.Connection, ids: Mapping[str, int]) -> None:
        self._connection, self._ids = connection, ids
        self.numbered: dict[str, int] = {}

    def write(self, fact: Fact) -> None:
        """Has a fact stand in the place of the one before it with the same key."""
        (kind, *key), value = fact
        if kind in _OTHERS:
            _OTHERS[kind](self, *key, value)
        elif value is None:
            self._remove(kind, _KEYS[kind], key)
        else:
            assert len(key) == _KEYS[kind]
            columns = value if isinstance(value, (list, tuple)) else (value,)
            sqlite_rows.put(self._connection, kind, *key, *columns)

    def _remove(self, table: str, width: int, key: list[Any]) -> None:
        named = " AND ".join(f"{column} = ?" for column in sqlite_rows.TABLES[table][:width])
        self._connection.execute(f"DELETE FROM {table} WHERE {named}", key)

    def _id(self, topic: str) -> int:
        """The number of a topic here. A compacted topic may tell of its batches before it tells of it."""
        number = self._ids.get(topic) or self.numbered.get(topic)
        if number is None:
            self._connection.execute("INSERT OR IGNORE INTO topic (name) VALUES (?)", (topic,))
            (number,) = self._connection.execute("SELECT id FROM topic WHERE name = ?", (topic,)).fetchone()
            self.numbered[topic] = number
        return number

    def _topic(self, name: str, value: Any) -> None:
        config, kafka = value
        made = msgspec.msgpack.encode(msgspec.convert(config, TopicConfig))
        self._connection.execute("UPDATE topic SET config = ?, kafka = ? WHERE id = ?", (made, kafka, self._id(name)))

    def _batch(self, topic: str, partition: int, base: int, value: Any) -> None:
        number = self._id(topic)
        if value is None:
            where = (number, partition, base)
            self._connection.execute("DELETE FROM batch WHERE topic = ? AND partition = ? AND base = ?", where)
            return
        seq, _, count, *rest = value
        row = (seq, number, partition, base, count, *rest)
        self._connection.execute("INSERT OR REPLACE INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._connection.execute(_GROWN, (topic, partition, base + count))

    def _first(self, topic: str, partition: int, value: int) -> None:
        self._connection.execute(_TAKEN, (topic, partition, value))

    def _mark(self, value: int) -> None:
        say(self._connection, mark=value)


_OTHERS: Final[dict[str, Callable[..., None]]] = {
    "topic": FactWriter._topic,
    "batch": FactWriter._batch,
    "first": FactWriter._first,
    "mark": FactWriter._mark,
}


def say(connection: sqlite3.Connection, **about: Any) -> None:
    """Notes something about the copy itself."""
    connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", about.items())


def facts(connection: sqlite3.Connection, kind: str) -> Iterator[Fact]:
    """The facts of a kind beside topics and batches, in the order of their keys."""
    if kind == "first":
        for topic, partition, first in connection.execute("SELECT topic, partition, first FROM bound WHERE first"):
            yield ("first", topic, partition), first
        return
    width = _KEYS[kind]
    for row in sqlite_rows.rows(connection, kind, order=width):
        value = row[width:]
        yield (kind, *row[:width]), value if kind in ("claim", "person") else value[0]
