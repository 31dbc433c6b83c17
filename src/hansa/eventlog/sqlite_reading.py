"""Reading the log's SQLite file: in the process that writes it (`SqliteLog`), or in another one (`SqliteLogReader`)."""

from __future__ import annotations

import contextlib
import sqlite3
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from hansa.errors import InternalError
from hansa.eventlog import batch
from hansa.eventlog.batch import Batch
from hansa.eventlog.interface import Chunk, LogReader, Partition, TopicConfig
from hansa.eventlog.reading import expired, unknown_topic
from hansa.eventlog.sqlite_file import Readers
from hansa.eventlog.sqlite_rows import key_of

_READ: Final = """
SELECT base, count, time_us, checksum, body FROM batch WHERE topic = ?1 AND partition = ?2 AND base >= COALESCE(
    (SELECT MAX(base) FROM batch WHERE topic = ?1 AND partition = ?2 AND base <= ?3), 0) ORDER BY base
"""
_CHANGES: Final = """
SELECT seq, topic, partition, base, count, time_us, checksum, body FROM batch WHERE seq > ? ORDER BY seq
"""
_HOLDING: Final = """
SELECT base, base + count, time_us FROM batch WHERE topic = ? AND partition = ? AND base <= ? ORDER BY base DESC LIMIT 1
"""
_BEFORE: Final = """
SELECT seq, base FROM batch WHERE topic = ? AND partition = ? AND base < ? ORDER BY base DESC LIMIT 1
"""


class SqliteReading(LogReader):
    """What both do alike."""

    @abstractmethod
    def _reading(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """A connection for the block alone; SQLite's errors leave it as `OperatorError`."""

    @abstractmethod
    def _id(self, topic: str) -> int:
        """The number of a topic. Raises `CallerError("topic.unknown")`."""

    @abstractmethod
    def _name(self, number: int) -> str:
        """The topic of a number."""

    def read(self, topic: str, partition: int, position: int, *, max_bytes: int = 1 << 20) -> list[Chunk]:
        parameters = (self._id(topic), partition, position)
        first, end = self.bounds(topic, partition)
        if position < first:
            raise expired(topic, partition, position, first)
        if position >= end:
            return []
        try:
            return self._read(parameters, (topic, partition), end, max_bytes)
        except InternalError:
            first, _ = self.bounds(topic, partition)
            if position < first:  # retention took it meanwhile
                raise expired(topic, partition, position, first) from None
            raise

    def _read(self, at: tuple[int, int, int], partition: Partition, end: int, max_bytes: int) -> list[Chunk]:
        chunks: list[Chunk] = []
        size = 0
        with self._reading() as connection, contextlib.closing(connection.execute(_READ, at)) as rows:
            stored = (Batch(*partition, *row) for row in rows)
            for found in _dense(stored, partition, at[2], end):
                chunks += batch.opened(found, key_of(connection))
                size += len(found.body)
                if size >= max_bytes:
                    break
        return [chunk for chunk in chunks if chunk.end > at[2]]

    def changes(self, cursor: str, *, max_bytes: int = 4 << 20) -> tuple[list[Chunk], str]:
        chunks: list[Chunk] = []
        size = 0
        at = int(cursor or 0)
        with self._reading() as connection, contextlib.closing(connection.execute(_CHANGES, (at,))) as rows:
            for seq, found in self._gapless(connection, rows, at):
                chunks += batch.opened(found, key_of(connection))
                at = seq
                size += len(found.body)
                if size >= max_bytes:
                    break
        return chunks, str(at)

    def _gapless(self, connection: sqlite3.Connection, rows: Iterable[Any], cursor: int) -> Iterator[tuple[int, Batch]]:
        """The batches with their numbers, while each follows the one before it in its partition, or the cursor."""
        ends: dict[Partition, int] = {}
        for seq, number, *rest in rows:
            found = batch.checked(Batch(self._name(number), *rest))
            partition = found.topic, found.partition
            if partition not in ends:
                before = connection.execute(_BEFORE, (number, found.partition, found.base)).fetchone()
                ends[partition] = before[1] if before and before[0] > cursor else found.base
            if ends[partition] != found.base:
                raise batch.damaged(*partition, ends[partition])
            ends[partition] = found.end
            yield seq, found

    def covers(self, cursor: str, token: str) -> bool:
        return int(cursor or 0) >= int(token or 0)

    def find(self, topic: str, partition: int, time_us: int) -> int:
        """Halves the partition again and again: times never go back, so no index of them is needed."""
        number = self._id(topic)
        low, high = self.bounds(topic, partition)
        with self._reading() as connection:
            while low < high:
                middle = (low + high) // 2
                row = connection.execute(_HOLDING, (number, partition, middle)).fetchone()
                base, end, at_us = row or (middle, middle + 1, time_us - 1)
                low, high = (low, base) if at_us >= time_us else (end, high)
        return low


class SqliteLogReader(SqliteReading):
    """Reads the log in `folder`, which another process writes. Nothing is kept but the names of topics."""

    def __init__(self, folder: Path) -> None:
        self._readers = Readers(folder / "log.db")
        self._names: dict[int, str] = {}
        self._ids: dict[str, int] = {}

    def _reading(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        return self._readers.reading()

    def _rows(self, sql: str, *parameters: Any) -> list[Any]:
        with self._reading() as connection:
            return connection.execute(sql, parameters).fetchall()

    def _id(self, topic: str) -> int:
        if topic not in self._ids:
            self.topics()
        try:
            return self._ids[topic]
        except KeyError:
            raise unknown_topic(topic) from None

    def _name(self, number: int) -> str:
        if number not in self._names:
            self.topics()
        return self._names.get(number, f"number {number}")

    def topics(self) -> dict[str, TopicConfig]:
        rows = self._rows("SELECT id, name, config FROM topic")
        self._names = {number: name for number, name, _ in rows}
        self._ids = {name: number for number, name, _ in rows}
        return {name: msgspec.msgpack.decode(config, type=TopicConfig) for _, name, config in rows}

    def now(self) -> str:
        return str(self._rows("SELECT COALESCE(MAX(seq), 0) FROM batch")[0][0])

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        at = (self._id(topic), partition)
        rows = self._rows("SELECT first, end FROM bound WHERE topic = ? AND partition = ?", *at)
        first, end = rows[0] if rows else (0, 0)
        return first, end

    def close(self) -> None:
        """Closes the file."""
        self._readers.close()


def _dense(rows: Iterable[Batch], partition: Partition, position: int, end: int) -> Iterator[Batch]:
    """The batches as they come, while they follow one another without a gap from `position` to `end`."""
    at: int | None = None
    for found in map(batch.checked, rows):
        if not (found.base <= position < found.end if at is None else found.base == at):
            break
        yield found
        at = found.end
    reached = position if at is None else at
    if reached < end:
        raise batch.damaged(*partition, reached)
