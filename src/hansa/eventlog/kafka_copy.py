"""What a node keeps of a log in Kafka: everything but the bodies of batches, in a file.

Kafka cannot be read or asked inside a transaction, so the owner decides from this copy, and readers find in it where
bodies stand. It is made of facts (`kafka_facts`). They are taken in portions, each in one transaction of SQLite with
the offset of the facts behind it; so a copy that was killed goes on from there. It is never flushed for its own sake:
what a power cut takes is read from Kafka again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from hansa.errors import InternalError, OperatorError
from hansa.eventlog import kafka_tables as tables
from hansa.eventlog import sqlite_rows
from hansa.eventlog.interface import Partition, TopicConfig
from hansa.eventlog.kafka_facts import Fact, Row
from hansa.eventlog.plan import Stored
from hansa.eventlog.reading import unknown_topic
from hansa.eventlog.sqlite_file import Readers, held

FORMAT: Final = 1
"""A copy of another format is made anew."""
STALE_US: Final = 12 * 3600 * 1_000_000
"""A compacted topic says for a day that something has ended; a copy that heard nothing for so long is made anew."""
_ROW: Final = 'seq, base, count, time_us, checksum, size, "offset"'
_HERE: Final = "topic = ?1 AND partition = ?2"
_FROM: Final = f"""
SELECT {_ROW} FROM batch WHERE {_HERE} AND base >= COALESCE(
    (SELECT MAX(base) FROM batch WHERE {_HERE} AND base <= ?3), 0) ORDER BY base
"""
_HOLDING: Final = f"SELECT {_ROW} FROM batch WHERE {_HERE} AND base <= ?3 ORDER BY base DESC LIMIT 1"
_OLDEST: Final = f"""
SELECT {_ROW} FROM batch WHERE {_HERE} AND base + count <= ?3 AND base < ?3 AND seq <= ?4
    AND base < (SELECT MAX(base) FROM batch WHERE {_HERE}) ORDER BY base LIMIT ?5
"""
_LEAST: Final = f'SELECT MIN("offset") FROM batch WHERE {_HERE}'
_BEHIND: Final = f"SELECT topic, partition, {_ROW} FROM batch WHERE seq > ? AND seq <= ? ORDER BY seq"
_PRAGMAS: Final = (
    "journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON", "cache_size=-32768", "busy_timeout=10000",
    "temp_store=MEMORY",
)  # fmt: skip
_report = logging.getLogger("hansa.eventlog")


class Copy(Stored):
    """The copy in `folder`, or in one that goes with it. One thread at a time takes facts, any may read.

    A second process gets `OperatorError("store.locked")`. What SQLite cannot read or write is an `OperatorError`.
    """

    def __init__(self, folder: Path | None = None, *, now_us: Callable[[], int] = lambda: time.time_ns() // 1000):
        self._own = None if folder else tempfile.TemporaryDirectory(prefix="hansa-copy-", ignore_cleanup_errors=True)
        self._folder = folder or Path(self._own.name if self._own else "")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path = self._folder / "copy.db"
        self._now_us = now_us
        self._held = held(self._folder)
        self._lock = threading.Lock()
        self._closed = False
        self._open()

    # Opening

    def of(self, log: str) -> None:
        """Whose copy it is to be: of the topic of facts with this id. Where it was another's, or is too old, it begins
        anew."""
        is_stale = self.next > 0 and abs(self._now_us() - self.heard_us) > STALE_US
        if is_stale or self._about.get("log", log) != log:
            self._renew()
        with self._writing() as connection:
            tables.say(connection, log=log)
        self._about["log"] = log

    def _open(self) -> None:
        """One that cannot be read, or is of another format, begins anew: everything stands in Kafka."""
        try:
            self._connect()
            if self._writer.execute("PRAGMA user_version").fetchone()[0] == FORMAT:
                self._load()
                return
        except (sqlite3.Error, InternalError) as failure:
            _report.warning("%s cannot be read and is made anew: %s", self._path, failure)
        self._renew()

    def _connect(self) -> None:
        self._readers = Readers(self._path)
        self._writer = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, cached_statements=64)
        for pragma in _PRAGMAS:
            self._writer.execute(f"PRAGMA {pragma}")

    def _renew(self) -> None:
        self._shut()
        for file in self._folder.glob("copy.db*"):
            file.unlink()
        try:
            self._connect()
            self._writer.executescript(f"BEGIN; {tables.SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")
            self._load()
        except sqlite3.Error as failure:
            raise self._failed(failure) from failure

    def _load(self) -> None:
        """What every decision and every reader asks for is in memory, too."""
        ask = self._writer.execute
        self._about: dict[str, Any] = dict(ask("SELECT name, value FROM about").fetchall())
        self.next = int(self._about.get("next", 0))
        """The offset of the facts behind those that are known."""
        self.heard_us = int(self._about.get("heard", 0))
        """When facts were taken last."""
        self.mark = int(self._about.get("mark", 0))
        """The number of the last transaction."""
        topics = ask("SELECT id, name, config, kafka FROM topic").fetchall()
        self._ids = {name: number for number, name, *_ in topics}
        self._names = {number: name for number, name, *_ in topics}
        self.configs = {
            name: msgspec.msgpack.decode(made, type=TopicConfig) for _, name, made, _ in topics if made is not None
        }
        self.kafka_topics: dict[str, str] = {name: kafka for _, name, _, kafka in topics if kafka is not None}
        bounds = ask("SELECT topic, partition, first, end FROM bound").fetchall()
        self._firsts: dict[Partition, int] = {(topic, at): first for topic, at, first, _ in bounds}
        self._ends: dict[Partition, int] = {(topic, at): end for topic, at, _, end in bounds}
        self._positions = {row[:3]: row[3] for row in sqlite_rows.rows(self._writer, "position")}
        self._epochs: dict[str, int] = dict(sqlite_rows.rows(self._writer, "epoch"))
        last = ask("SELECT seq, time_us FROM batch ORDER BY seq DESC LIMIT 1").fetchone()
        self.seq: int = last[0] if last else 0
        """The number of the last batch."""
        self.time_us: int = last[1] if last else 0
        """When that was committed."""

    def close(self) -> None:
        """Gives the folder free. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._shut()
        os.close(self._held)
        if self._own is not None:
            self._own.cleanup()

    def _shut(self) -> None:
        self._readers.close()
        self._writer.close()

    # Taking facts

    def take(self, facts: Sequence[Fact], reached: int) -> set[str]:
        """Has each fact stand in the place of the one before it with the same key, and the offset `reached` behind
        them; all or nothing. Returns the topics to which something was appended."""
        with self._lock:
            now_us = self._now_us()
            with self._writing() as connection:
                writer = tables.FactWriter(connection, self._ids)
                for fact in facts:
                    writer.write(fact)
                tables.say(connection, next=reached, heard=now_us)
            self._names.update({number: name for name, number in writer.numbered.items()})
            self._ids.update(writer.numbered)
            for (kind, *name), value in facts:
                if kind in _KNOWN:
                    _KNOWN[kind](self, *name, value)
            self.next, self.heard_us = reached, now_us
        return {fact[0][1] for fact in facts if fact[0][0] == "batch" and fact[1] is not None}

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            yield self._writer
            self._writer.execute("COMMIT")
        except BaseException as failure:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            if isinstance(failure, sqlite3.Error):
                raise self._failed(failure) from failure
            raise

    def _failed(self, failure: sqlite3.Error) -> OperatorError:
        return OperatorError(
            "store.failed",
            f"{self._path}: {failure}",
            hint="See that the disk has room. Where the file is damaged, delete its folder: it is made anew.",
        )

    def _know_topic(self, name: str, value: Any) -> None:
        config, self.kafka_topics[name] = value
        self.configs[name] = msgspec.convert(config, TopicConfig)

    def _know_batch(self, topic: str, partition: int, _: int, value: Any) -> None:
        if value is not None:
            row, at = Row(*value), (topic, partition)
            self._ends[at] = max(self._ends.get(at, 0), row.end)
            if row.seq >= self.seq:
                self.seq, self.time_us = row.seq, row.time_us

    def _know_first(self, topic: str, partition: int, value: int) -> None:
        self._firsts[topic, partition] = value

    def _know_position(self, group: str, topic: str, partition: int, value: int) -> None:
        self._positions[group, topic, partition] = value

    def _know_epoch(self, resource: str, value: int) -> None:
        self._epochs[resource] = value

    def _know_mark(self, value: int) -> None:
        self.mark = value

    # What is stored, for plans

    def topic(self, name: str) -> TopicConfig | None:
        return self.configs.get(name)

    def end(self, partition: Partition) -> int:
        return self._ends.get(partition, 0)

    def position(self, group: str, topic: str, partition: int) -> int | None:
        return self._positions.get((group, topic, partition))

    def epoch(self, resource: str) -> int:
        return self._epochs.get(resource, 0)

    def get(self, scope: str, key: str) -> bytes | None:
        with self._readers.reading() as connection:
            return sqlite_rows.state(connection, scope, key)

    def claimed(self, scope: str, key: str, now_us: int) -> bytes | None:
        with self._readers.reading() as connection:
            return sqlite_rows.claim(connection, scope, key, now_us)

    # What else is asked

    def positions(self, group: str) -> dict[Partition, int]:
        """Where a group stands."""
        return {(topic, at): n for (who, topic, at), n in list(self._positions.items()) if who == group}

    def scope(self, name: str) -> list[tuple[str, bytes]]:
        """The keys and values of a scope, by key."""
        with self._readers.reading() as connection:
            return sqlite_rows.scope(connection, name)

    def known(self, topic: str) -> str:
        """The topic, where there is one. Raises `CallerError("topic.unknown")`."""
        if topic not in self.configs:
            raise unknown_topic(topic)
        return topic

    def bounds(self, partition: Partition) -> tuple[int, int]:
        """The first position that is kept, and the one behind the last."""
        return self._firsts.get(partition, 0), self._ends.get(partition, 0)

    def rows_from(self, partition: Partition, position: int) -> Iterator[Row]:
        """The rows from the one that holds a position on, in order."""
        return self._rows(_FROM, partition, position)

    def row_at(self, partition: Partition, position: int) -> Row | None:
        """The last row that begins at a position or before it."""
        return next(self._rows(_HOLDING, partition, position), None)

    def oldest(self, partition: Partition, before: int, seq: int, at_most: int) -> list[Row]:
        """The oldest rows that end before a position, up to the batch `seq`, but never the last of the partition."""
        return list(self._rows(_OLDEST, partition, before, seq, at_most))

    def _rows(self, sql: str, partition: Partition, *more: int) -> Iterator[Row]:
        number = self._ids.get(partition[0], -1)
        with self._readers.reading() as connection:
            found = connection.execute(sql, (number, partition[1], *more))
            with contextlib.closing(found):
                yield from map(Row._make, found)

    def least_offset(self, partition: Partition) -> int | None:
        """The least offset at which a body of the partition stands; None where there is none."""
        with self._readers.reading() as connection:
            found = connection.execute(_LEAST, (self._ids.get(partition[0], -1), partition[1])).fetchone()
        return None if found[0] is None else int(found[0])

    def rows_behind(self, seq: int) -> Iterator[tuple[Partition, Row]]:
        """All rows whose number is above `seq`, in the order of the log."""
        here = (seq, self.seq)  # what is being taken this moment is not known yet
        with self._readers.reading() as connection, contextlib.closing(connection.execute(_BEHIND, here)) as found:
            for number, partition, *row in found:
                yield (self._names[number], partition), Row(*row)

    def person(self, subject: str) -> int | None:
        """The number of a person whose key is kept."""
        with self._readers.reading() as connection:
            return sqlite_rows.person(connection, subject)

    def key_of(self, number: int) -> tuple[str | None, bytes | None]:
        """The name and the key of a person."""
        with self._readers.reading() as connection:
            return sqlite_rows.key_of(connection)(number)

    def persons(self) -> int:
        """The highest number of a person."""
        with self._readers.reading() as connection:
            return int(connection.execute("SELECT COALESCE(MAX(id), 0) FROM person").fetchone()[0])

    def ended_claims(self, now_us: int, at_most: int) -> list[Fact]:
        """Facts that end claims whose time is over."""
        with self._readers.reading() as connection:
            ended = connection.execute(
                "SELECT scope, key FROM claim WHERE until_us <= ? LIMIT ?", (now_us, at_most)
            ).fetchall()
        return [(("claim", *key), None) for key in ended]

    def facts(self, kind: str) -> Iterator[Fact]:
        """The facts of a kind beside batches, in the order of their keys, with what they are elsewhere: no names of
        Kafka."""
        if kind == "topic":
            yield from (((kind, name), config) for name, config in sorted(self.configs.items()))
            return
        with self._readers.reading() as connection:
            yield from tables.facts(connection, kind)


_KNOWN: Final[dict[str, Callable[..., None]]] = {
    "topic": Copy._know_topic,
    "batch": Copy._know_batch,
    "first": Copy._know_first,
    "position": Copy._know_position,
    "epoch": Copy._know_epoch,
    "mark": Copy._know_mark,
}
