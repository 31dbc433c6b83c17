"""The image of a log in a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from hansa.eventlog import batch, sqlite_rows
from hansa.eventlog.batch import Batch
from hansa.eventlog.image import MARK_KEY, MARK_SCOPE, Fact, Image, Numbered
from hansa.eventlog.interface import TopicConfig
from hansa.eventlog.sqlite_file import OWNER, LogFile
from hansa.eventlog.sqlite_verify import ending_early

_KEYS: Final = {"position": 3, "state": 2, "claim": 2, "epoch": 1, "person": 1}
"""How many columns of a table are the key of its facts."""
_OWN: Final = {"state": (MARK_SCOPE, MARK_KEY), "epoch": (OWNER,)}
"""The key of what belongs to this file and not to the log in it."""
_TOPICS: Final = "SELECT name, config FROM topic ORDER BY name"
_FIRSTS: Final = """
SELECT topic.name, partition, first FROM bound JOIN topic ON topic.id = bound.topic WHERE first > 0 ORDER BY 1, 2
"""
_BATCHES: Final = """
SELECT seq, name, partition, base, count, time_us, checksum, body FROM batch LEFT JOIN topic ON topic.id = batch.topic
WHERE seq > ? ORDER BY seq
"""
_ADD: Final = """
INSERT INTO batch SELECT ?, id, ?, ?, ?, ?, ?, ? FROM topic WHERE name = ?
"""
_GROW: Final = """
INSERT INTO bound SELECT id, ?, 0, ? FROM topic WHERE name = ?
ON CONFLICT (topic, partition) DO UPDATE SET end = excluded.end
"""
_SET_TOPIC: Final = """
INSERT INTO topic (name, config) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET config = excluded.config
"""
_SET_FIRST: Final = """
UPDATE bound SET first = ? WHERE topic = (SELECT id FROM topic WHERE name = ?) AND partition = ?
"""


class SqliteImage(Image):
    """The log in `folder/log.db`, which is made where there is none. Raises `OperatorError("store.locked")` while a
    Hansa has the folder open."""

    def __init__(self, folder: Path) -> None:
        self._file = LogFile(folder)

    def facts(self, kind: str) -> Iterator[Fact]:
        with self._file.reading() as connection:
            match kind:
                case "topic":
                    for name, config in connection.execute(_TOPICS):
                        yield ("topic", name), msgspec.msgpack.decode(config, type=TopicConfig)
                case "first":
                    for *at, first in connection.execute(_FIRSTS):
                        yield ("first", *at), first
                case _:
                    yield from _rows(connection, kind)

    def batches(self, behind: int) -> Iterator[Numbered]:
        with self._file.reading() as connection:
            for seq, *stored in connection.execute(_BATCHES, (behind,)):
                yield seq, batch.checked(Batch(*stored))
            for topic, partition, _, reached in ending_early(connection):
                raise batch.damaged(topic, partition, reached)

    def reached(self) -> int:
        with self._file.reading() as connection:
            (seq,) = connection.execute("SELECT COALESCE(MAX(seq), 0) FROM batch").fetchone()
        return int(seq)

    def take(self, batches: Sequence[Numbered], facts: Sequence[Fact]) -> None:
        with self._file.transaction() as connection:
            connection.executemany(_ADD, [(seq, *made[1:], made.topic) for seq, made in batches])
            ends = {(made.partition, made.topic): made.end for _, made in batches}
            connection.executemany(_GROW, [(partition, end, topic) for (partition, topic), end in ends.items()])
            for fact in facts:
                _put(connection, fact)

    def marked(self) -> bytes | None:
        with self._file.reading() as connection:
            return sqlite_rows.state(connection, MARK_SCOPE, MARK_KEY)

    def close(self) -> None:
        self._file.close()


def _rows(connection: sqlite3.Connection, kind: str) -> Iterator[Fact]:
    width = _KEYS[kind]
    for row in sqlite_rows.rows(connection, kind, order=width):
        key, value = row[:width], row[width:]
        if key != _OWN.get(kind):
            yield (kind, *key), value[0] if len(value) == 1 else value


def _put(connection: sqlite3.Connection, fact: Fact) -> None:
    (kind, *key), value = fact
    match kind:
        case "topic":
            connection.execute(_SET_TOPIC, (*key, msgspec.msgpack.encode(value)))
        case "first":
            connection.execute(_SET_FIRST, (value, *key))
        case "state" if value is None:
            connection.execute("DELETE FROM state WHERE scope = ? AND key = ?", key)
        case _:
            sqlite_rows.put(connection, kind, *key, *_values(value))


def _values(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)
