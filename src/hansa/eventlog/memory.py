"""The log in memory, for tests and trials: every guarantee but durability, and no thread.

A set is committed, and its outcome told, before `submit` returns; each append is a batch of its own.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from hansa.eventlog import batch
from hansa.eventlog.committer import Committer, Notice, Replies, Work, stopped
from hansa.eventlog.interface import Chunk, CommitSet, Finding, Log, Partition, TopicConfig
from hansa.eventlog.plan import Pending, Plan, Stored
from hansa.eventlog.reading import expired, grown, unknown_topic, up_to


class MemoryLog(Log, Stored):
    """A log that ends with its process."""

    def __init__(
        self, *, clock_us: Callable[[], int] = lambda: time.time_ns() // 1000, replies: Replies | None = None
    ) -> None:
        self._clock_us = clock_us
        self._time_us = 0
        self._lock = threading.RLock()
        self._waiting: deque[tuple[CommitSet, Any]] = deque()
        self._taking = False
        self._stopped = False
        self._committer = Committer(self._planned, self.now, replies)
        self._topics: dict[str, TopicConfig] = {}
        self._seq = 0
        self._chunks: dict[int, Chunk] = {}
        self._sequences: dict[Partition, list[int]] = {}
        self._positions: dict[tuple[str, str, int], int] = {}
        self._state: dict[tuple[str, str], bytes] = {}
        self._claims: dict[tuple[str, str], tuple[bytes, int]] = {}
        self._epochs: dict[str, int] = {}
        self._persons: dict[str, int] = {}
        self._introduced = 0

    # Committing

    def start(self, on_outcomes: Callable[[Notice], None]) -> None:
        self._committer.on_outcomes = on_outcomes
        self._taking = True
        self._drain()

    def submit_all(self, work: list[tuple[CommitSet, Any]]) -> None:
        if self._stopped:
            raise stopped("it was closed")
        self._waiting += work
        self._drain()

    def stop(self) -> None:
        self._stopped = True

    def failure(self) -> str | None:
        return None

    def _drain(self) -> None:
        """Commits what waits; what an acknowledgement submits meanwhile is taken in the next round, not inside it."""
        while self._taking and self._waiting:
            work: Work = list(self._waiting)
            self._waiting.clear()
            self._taking = False
            self._committer.commit(work)
            self._taking = True

    @contextmanager
    def _planned(self) -> Iterator[Plan]:
        with self._lock:
            self._time_us = max(self._time_us + 1, self._clock_us())
            plan = Plan(self, self._time_us)
            yield plan
            self._store(plan)

    def _store(self, plan: Plan) -> None:
        for chunk in [self._numbered(chunk) for chunk in _chunks(plan)]:
            self._seq += 1
            self._chunks[self._seq] = chunk
            self._sequences.setdefault((chunk.topic, chunk.partition), []).append(self._seq)
        self._positions.update(plan.positions)
        self._claims.update(plan.claims)
        for name, value in plan.puts.items():
            if value is None:
                self._state.pop(name, None)
            else:
                self._state[name] = value
        for subject in plan.forgotten:
            self._forget(self._persons.pop(subject, None))

    def _numbered(self, chunk: Chunk) -> Chunk:
        """The chunk with the number of the person it speaks of."""
        subject = chunk.header.get("subject")
        if subject is None:
            return chunk
        if subject not in self._persons:
            self._introduced += 1
            self._persons[subject] = self._introduced
        return chunk._replace(person=self._persons[subject])

    def _forget(self, person: int | None) -> None:
        for number, chunk in self._chunks.items():
            if person is not None and chunk.person == person:
                header = {name: value for name, value in chunk.header.items() if name != "subject"}
                self._chunks[number] = chunk._replace(header=header, entries=batch.forgotten(chunk.count))

    # What is stored, for plans

    def topic(self, name: str) -> TopicConfig | None:
        return self._topics.get(name)

    def end(self, partition: Partition) -> int:
        sequences = self._sequences.get(partition)
        return self._chunks[sequences[-1]].end if sequences else 0

    def epoch(self, resource: str) -> int:
        return self._epochs.get(resource, 0)

    def claimed(self, scope: str, key: str, now_us: int) -> bytes | None:
        value, until_us = self._claims.get((scope, key), (None, 0))
        return value if until_us > now_us else None

    def position(self, group: str, topic: str, partition: int) -> int | None:
        return self._positions.get((group, topic, partition))

    # Control

    def declare(self, topic: str, config: TopicConfig) -> None:
        with self._lock:
            self._topics[topic] = grown(self._topics.get(topic), config)

    def topics(self) -> dict[str, TopicConfig]:
        return dict(self._topics)

    def acquire(self, resource: str) -> int:
        with self._lock:
            self._epochs[resource] = self.epoch(resource) + 1
            return self._epochs[resource]

    def behind(self, cursor: str) -> int:
        return self._seq - int(cursor or 0)

    def trim(self, topic: str, partition: int, before: int, *, seen: str | None = None) -> int:
        with self._lock:
            sequences = self._of(topic, partition)
            reached = self._seq if seen is None else int(seen or 0)
            ended = [number for number in sequences[:-1] if self._chunks[number].end <= before]
            taken = [number for number in ended if number <= reached]
            del sequences[: len(taken)]
            for number in taken:
                del self._chunks[number]
            return self.bounds(topic, partition)[0]

    def person(self, subject: str) -> int | None:
        return self._persons.get(subject)

    def erase(self, topic: str, partition: int, bodies: Mapping[int, bytes | None]) -> None:
        with self._lock:
            for number in self._of(topic, partition):
                chunk = self._chunks[number]
                if chunk.person is None and any(at in bodies for at in range(chunk.base, chunk.end)):
                    plain = Pending(chunk.header, chunk.count, chunk.entries)
                    self._chunks[number] = chunk._replace(entries=batch.replaced(plain, chunk.base, bodies))

    # Reading

    def _of(self, topic: str, partition: int) -> list[int]:
        """The sequence numbers of a partition's chunks, in order; callers hold the lock."""
        if topic not in self._topics:
            raise unknown_topic(topic)
        return self._sequences.get((topic, partition), [])

    def read(self, topic: str, partition: int, position: int, *, max_bytes: int = 1 << 20) -> list[Chunk]:
        with self._lock:
            sequences = self._of(topic, partition)
            first = bisect.bisect_right(sequences, position, key=lambda number: self._chunks[number].end)
            found = up_to((self._chunks[number] for number in sequences[first:]), max_bytes)
            if found and found[0].base > position:
                raise expired(topic, partition, position, found[0].base)
            return found

    def changes(self, cursor: str, *, max_bytes: int = 4 << 20) -> tuple[list[Chunk], str]:
        with self._lock:
            behind = range(int(cursor or 0) + 1, self._seq + 1)
            found = up_to((self._chunks[number] for number in behind if number in self._chunks), max_bytes)
            return found, self._cursor_behind(found[-1]) if found else self.now()

    def _cursor_behind(self, chunk: Chunk) -> str:
        sequences = self._sequences[chunk.topic, chunk.partition]
        return str(sequences[bisect.bisect_left(sequences, chunk.base, key=lambda number: self._chunks[number].base)])

    def covers(self, cursor: str, token: str) -> bool:
        return int(cursor or 0) >= int(token or 0)

    def now(self) -> str:
        return str(self._seq)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        with self._lock:
            sequences = self._of(topic, partition)
            return (self._chunks[sequences[0]].base, self._chunks[sequences[-1]].end) if sequences else (0, 0)

    def find(self, topic: str, partition: int, time_us: int) -> int:
        with self._lock:
            sequences = self._of(topic, partition)
            first = bisect.bisect_left(sequences, time_us, key=lambda number: self._chunks[number].time_us)
            return self._chunks[sequences[first]].base if first < len(sequences) else self.end((topic, partition))

    def positions(self, group: str) -> dict[Partition, int]:
        with self._lock:
            return {(topic, partition): at for (who, topic, partition), at in self._positions.items() if who == group}

    def get(self, scope: str, key: str) -> bytes | None:
        return self._state.get((scope, key))

    def scan(self, scope: str) -> Iterator[tuple[str, bytes]]:
        with self._lock:
            found = sorted((key, value) for (s, key), value in self._state.items() if s == scope)
        yield from found

    def verify(self) -> Iterator[Finding]:
        return iter(())

    def backup(self, target: Path) -> str:
        return f"what is in memory ends with it, and is not in {target}"


def _chunks(plan: Plan) -> Iterator[Chunk]:
    """The chunks of a plan, with headers of their own: what stands in a log does not change with who wrote it."""
    for (topic, partition), (base, chunks) in plan.chunks.items():
        for chunk in chunks:
            own = msgspec.msgpack.decode(msgspec.msgpack.encode(chunk.header))
            yield Chunk(topic, partition, base, chunk.count, plan.now_us, own, bytes(chunk.entries))
            base += chunk.count
