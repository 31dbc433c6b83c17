"""The log in one SQLite file: a row per batch, one writer on the committer's thread, a connection per reader."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from hansa.eventlog import batch, sqlite_rows
from hansa.eventlog.batch import Batch
from hansa.eventlog.committer import Committer, GroupCommit, Notice
from hansa.eventlog.interface import CommitSet, Finding, Log, Partition, TopicConfig
from hansa.eventlog.plan import Plan, Stored
from hansa.eventlog.reading import grown, unknown_topic
from hansa.eventlog.sqlite_file import LogFile
from hansa.eventlog.sqlite_reading import SqliteReading
from hansa.eventlog.sqlite_verify import verify

_LAST: Final = """
SELECT seq, base + count FROM batch WHERE topic = ? AND partition = ? ORDER BY base DESC LIMIT 1
"""
_GROWN: Final = """
INSERT INTO bound VALUES (?, ?, 0, ?) ON CONFLICT (topic, partition) DO UPDATE SET end = excluded.end
"""
_OLDEST: Final = """
SELECT seq, base + count FROM batch WHERE topic = ? AND partition = ? AND base + count <= ? AND seq <= ?
ORDER BY base LIMIT 16
"""
_AT: Final = """
SELECT seq, base, count, time_us, checksum, body FROM batch WHERE topic = ? AND partition = ? AND base <= ?
ORDER BY base DESC LIMIT 1
"""
_ERASED_AT_ONCE: Final = 16
"""Batches that one transaction rewrites, so that commits need not wait long."""


class SqliteLog(SqliteReading, Log, Stored):
    """A log in `folder/log.db`, for one process at a time: a second one gets `OperatorError("store.locked")`."""

    def __init__(self, folder: Path, *, clock_us: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self._clock_us = clock_us
        self._file = LogFile(folder)
        try:
            self._load()
        except BaseException:
            self._file.close()
            raise
        self._committer = Committer(self._planned, self.now)
        self._group = GroupCommit(self._committer.commit)

    def _load(self) -> None:
        with self._file.reading() as connection:
            rows = connection.execute("SELECT id, name, config FROM topic").fetchall()
            self._ids: dict[str, int] = {name: number for number, name, _ in rows}
            self._names: dict[int, str] = {number: name for number, name, _ in rows}
            self._topics = {name: msgspec.msgpack.decode(config, type=TopicConfig) for _, name, config in rows}
            last = connection.execute("SELECT seq, time_us FROM batch ORDER BY seq DESC LIMIT 1").fetchone()
            self._seq: int = last[0] if last else 0
            self._time_us: int = last[1] if last else 0
            self._load_bounds(connection)
            self._epochs: dict[str, int] = dict(sqlite_rows.rows(connection, "epoch"))
            self._positions = {row[:3]: row[3] for row in sqlite_rows.rows(connection, "position")}

    def _load_bounds(self, connection: sqlite3.Connection) -> None:
        """The bounds as they were noted. Where the index reaches further, one of the two is damaged: the further one
        counts, so that reading finds what is missing and says so."""
        self._firsts: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        for number, partition, first, end in connection.execute("SELECT * FROM bound"):
            at = self._names.get(number, ""), partition
            seq, reached = connection.execute(_LAST, (number, partition)).fetchone() or (0, 0)
            self._firsts[at], self._ends[at] = first, max(end, reached)
            self._seq = max(self._seq, seq)

    # Committing

    def start(self, on_outcomes: Callable[[Notice], None]) -> None:
        self._committer.on_outcomes = on_outcomes
        self._file.start()
        self._group.start()

    def submit_all(self, work: list[tuple[CommitSet, Any]]) -> None:
        self._group.submit(work)

    def stop(self) -> None:
        self._group.stop()
        self._file.close()

    def failure(self) -> str | None:
        return None if self._file.failure is None else str(self._file.failure)

    @contextlib.contextmanager
    def _planned(self) -> Iterator[Plan]:
        with self._file.lock:
            with self._file.transaction() as connection:
                self._time_us = max(self._time_us + 1, self._clock_us())
                plan = Plan(self, self._time_us)
                yield plan
                seq = self._store_batches(connection, plan)
                sqlite_rows.store(connection, plan)
            self._ends.update({partition: plan.end(partition) for partition in plan.chunks})
            self._positions.update(plan.positions)
            self._seq = seq
        if plan.forgotten:
            self._file.scrub()

    def _store_batches(self, connection: sqlite3.Connection, plan: Plan) -> int:
        """Writes the chunks; returns the number of the last batch."""
        seq = self._seq
        for partition, (base, chunks) in plan.chunks.items():
            ready = [sqlite_rows.sealed(connection, c) if "subject" in c.header else c for c in chunks]
            for made in batch.batches(partition, base, plan.now_us, ready):
                seq += 1
                row = (seq, self._ids[made.topic], *made[1:])
                connection.execute("INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            topic, number = partition
            connection.execute(_GROWN, (self._ids[topic], number, plan.end(partition)))
        return seq

    # What is stored, for plans

    def topic(self, name: str) -> TopicConfig | None:
        return self._topics.get(name)

    def end(self, partition: Partition) -> int:
        return self._ends.get(partition, 0)

    def epoch(self, resource: str) -> int:
        return self._epochs.get(resource, 0)

    def claimed(self, scope: str, key: str, now_us: int) -> bytes | None:
        with self._file.reading() as connection:
            return sqlite_rows.claim(connection, scope, key, now_us)

    def position(self, group: str, topic: str, partition: int) -> int | None:
        return self._positions.get((group, topic, partition))

    # Control

    def declare(self, topic: str, config: TopicConfig) -> None:
        with self._file.lock:
            config = grown(self._topics.get(topic), config)
            if self._topics.get(topic) == config:
                return
            with self._file.transaction() as connection:
                connection.execute(
                    "INSERT INTO topic (name, config) VALUES (?, ?) "
                    "ON CONFLICT (name) DO UPDATE SET config = excluded.config",
                    (topic, msgspec.msgpack.encode(config)),
                )
                number = connection.execute("SELECT id FROM topic WHERE name = ?", (topic,)).fetchone()[0]
            self._ids[topic], self._names[number], self._topics[topic] = number, topic, config

    def topics(self) -> dict[str, TopicConfig]:
        return dict(self._topics)

    def acquire(self, resource: str) -> int:
        with self._file.lock:
            epoch = self.epoch(resource) + 1
            with self._file.transaction() as connection:
                row = (resource, epoch, sqlite_rows.checksum(resource, epoch))
                connection.execute("INSERT OR REPLACE INTO epoch VALUES (?, ?, ?)", row)
            self._epochs[resource] = epoch
            return epoch

    def behind(self, cursor: str) -> int:
        return self._seq - int(cursor or 0)

    def trim(self, topic: str, partition: int, before: int, *, seen: str | None = None) -> int:
        self._id(topic)
        reached = self._seq if seen is None else int(seen or 0)
        while self._trim_some((topic, partition), before, reached):
            pass
        return self.bounds(topic, partition)[0]

    def _trim_some(self, partition: Partition, before: int, reached: int) -> bool:
        """Takes a few batches, so that commits need not wait long; False when there is nothing left to take."""
        at = (self._id(partition[0]), partition[1])
        with self._file.lock:
            with self._file.transaction() as connection:
                last = (connection.execute(_LAST, at).fetchone() or (0, 0))[0]
                taken = [
                    row for row in connection.execute(_OLDEST, (*at, before, reached)).fetchall() if row[0] != last
                ]
                connection.executemany("DELETE FROM batch WHERE seq = ?", [(seq,) for seq, _ in taken])
                for _, end in taken[-1:]:
                    connection.execute("UPDATE bound SET first = ? WHERE topic = ? AND partition = ?", (end, *at))
            for _, end in taken[-1:]:
                self._firsts[partition] = end
        return bool(taken)

    def person(self, subject: str) -> int | None:
        with self._file.reading() as connection:
            return sqlite_rows.person(connection, subject)

    def erase(self, topic: str, partition: int, bodies: Mapping[int, bytes | None]) -> None:
        left = sorted(bodies)
        while left:
            with self._file.transaction() as connection:
                for _ in range(_ERASED_AT_ONCE):
                    left = self._erase_batch(connection, (topic, partition), left, bodies)
        self._file.scrub()

    def _erase_batch(
        self, connection: sqlite3.Connection, partition: Partition, left: list[int], bodies: Mapping[int, bytes | None]
    ) -> list[int]:
        """Rewrites the batch that holds the first position of `left`; returns those behind it."""
        if not left:
            return left
        row = connection.execute(_AT, (self._id(partition[0]), partition[1], left[0])).fetchone()
        if row is None:
            return left[1:]
        seq, *stored = row
        found = batch.checked(Batch(*partition, *stored))
        made = batch.rewritten(found, bodies)
        if made != found:
            connection.execute("UPDATE batch SET checksum = ?, body = ? WHERE seq = ?", (*made[-2:], seq))
        return [position for position in left[1:] if position >= found.end]

    # Reading

    def _id(self, topic: str) -> int:
        try:
            return self._ids[topic]
        except KeyError:
            raise unknown_topic(topic) from None

    def _reading(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        return self._file.reading()

    def _name(self, number: int) -> str:
        return self._names.get(number, f"number {number}")

    def now(self) -> str:
        return str(self._seq)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        self._id(topic)
        at = (topic, partition)
        return self._firsts.get(at, 0), self._ends.get(at, 0)

    def positions(self, group: str) -> dict[Partition, int]:
        return {(topic, partition): at for (g, topic, partition), at in list(self._positions.items()) if g == group}

    def get(self, scope: str, key: str) -> bytes | None:
        with self._file.reading() as connection:
            return sqlite_rows.state(connection, scope, key)

    def scan(self, scope: str) -> Iterator[tuple[str, bytes]]:
        with self._file.reading() as connection:
            found = sqlite_rows.scope(connection, scope)
        yield from found

    def verify(self) -> Iterator[Finding]:
        return verify(self._file)

    def backup(self, target: Path) -> None:
        with contextlib.closing(sqlite3.connect(target)) as copy, self._file.reading() as connection:
            connection.backup(copy)
