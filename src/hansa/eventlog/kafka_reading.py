"""Reading the log in Kafka: what its owner and those who follow it do alike, and the one who follows.

Who follows brings the facts of each transaction into a copy of what the owner knows (`kafka_state`), whole or not yet:
the last fact of a transaction is its **mark**. Bodies are read at the offsets that the facts name.
"""

from __future__ import annotations

import bisect
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from hansa.errors import InternalError, Unavailable
from hansa.eventlog import batch, kafka_state
from hansa.eventlog.batch import Batch
from hansa.eventlog.interface import Chunk, LogReader, Partition, TopicConfig
from hansa.eventlog.kafka_client import START_S, Place, Records, Tail, translated, unavailable
from hansa.eventlog.kafka_state import Fact, Row, State
from hansa.eventlog.reading import expired

Appended = Callable[[set[str]], None]
"""Told the topics that something was appended to, on the thread that found out."""
READERS: Final = frozenset({"topic", "batch", "first", "person", "mark"})
"""The kinds of facts that reading needs; the others are for decisions."""
_report = logging.getLogger("hansa.eventlog")


def facts_topic(name: str) -> str:
    """The Kafka topic that has the facts of the log `name`."""
    return f"{name}._facts"


class KafkaReading(LogReader):
    """What both do alike. `_lock` guards `_state`."""

    def __init__(self, settings: Mapping[str, Any], state: State) -> None:
        self._lock = threading.RLock()
        self._records = Records(settings)
        self._state = state
        self._told: Appended = lambda _: None

    def _apply(self, facts: Iterable[Fact]) -> None:
        """Takes what a transaction has made so."""
        topics = set()
        with self._lock:
            for fact in facts:
                self._state.set(fact)
                if fact[0][0] == "batch" and fact[1] is not None:
                    topics.add(fact[0][1])
        if topics:
            self._told(topics)

    def watch(self, told: Appended) -> bool:
        self._told = told
        return True

    @property
    def mark(self) -> int:
        """The number of the last transaction that is known here."""
        return self._state.mark

    def _kafka_topic(self, topic: str) -> str:
        return self._state.kafka_topics[topic]

    def behind(self, cursor: str) -> int:
        """How many batches were committed behind `cursor`."""
        return self._state.seq - int(cursor or 0)

    def topics(self) -> dict[str, TopicConfig]:
        return dict(self._state.configs)

    def person(self, subject: str) -> int | None:
        """The number of a person whose key is kept."""
        return self._state.person(subject)

    def _read(self, partition: Partition, rows: list[Row]) -> Iterator[tuple[Row, Batch]]:
        """The batches of rows of one partition, checked."""
        name = self._kafka_topic(partition[0])
        for row, body in zip(
            rows, self._records.values([Place(name, partition[1], r.offset) for r in rows]), strict=True
        ):
            if body is None:
                raise batch.damaged(*partition, row.base)
            yield row, batch.checked(row.with_body(partition, body))

    def read(self, topic: str, partition: int, position: int, *, max_bytes: int = 1 << 20) -> list[Chunk]:
        at = (topic, partition)
        with self._lock:
            rows, first = self._state.batches(topic, partition), self._state.first(at)
            if position < first:
                raise expired(topic, partition, position, first)
            begin = bisect.bisect_right(rows, position, key=lambda row: row.end)
            wanted = _up_to(rows, begin, max_bytes)
        try:
            chunks = [chunk for _, made in self._read(at, wanted) for chunk in batch.opened(made, self._state.key_of)]
        except (InternalError, Unavailable):
            first, _ = self.bounds(topic, partition)
            if position < first:  # retention took it meanwhile
                raise expired(topic, partition, position, first) from None
            raise
        return [chunk for chunk in chunks if chunk.end > position]

    def changes(self, cursor: str, *, max_bytes: int = 4 << 20) -> tuple[list[Chunk], str]:
        found = self._numbered(int(cursor or 0), max_bytes)
        chunks = [chunk for _, made in found for chunk in batch.opened(made, self._state.key_of)]
        return chunks, str(found[-1][0] if found else int(cursor or 0))

    def _numbered(self, behind: int, max_bytes: int) -> list[tuple[int, Batch]]:
        """The batches whose number is above `behind`, in order, at least one where there is any, until they reach
        `max_bytes`."""
        with self._lock:
            begin = bisect.bisect_right(self._state.seqs, behind)
            wanted: list[tuple[Partition, Row]] = []
            size = 0
            while begin + len(wanted) < len(self._state.seqs) and (not wanted or size < max_bytes):
                wanted.append(self._state.rows[self._state.seqs[begin + len(wanted)]])
                size += wanted[-1][1].size
        made = {row.seq: found for at in {at for at, _ in wanted} for row, found in self._read(at, _of(at, wanted))}
        return [(row.seq, made[row.seq]) for _, row in wanted]

    def covers(self, cursor: str, token: str) -> bool:
        return int(cursor or 0) >= int(token or 0)

    def now(self) -> str:
        return str(self._state.seq)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        with self._lock:
            self._state.batches(topic, partition)
            return self._state.first((topic, partition)), self._state.end((topic, partition))

    def find(self, topic: str, partition: int, time_us: int) -> int:
        with self._lock:
            rows = self._state.batches(topic, partition)
            found = bisect.bisect_left(rows, time_us, key=lambda row: row.time_us)
            return rows[found].base if found < len(rows) else self._state.end((topic, partition))

    def position(self, group: str, topic: str, partition: int) -> int | None:
        return self._state.position(group, topic, partition)

    def positions(self, group: str) -> dict[Partition, int]:
        with self._lock:
            return {(topic, at): n for (who, topic, at), n in self._state.positions.items() if who == group}

    def get(self, scope: str, key: str) -> bytes | None:
        return self._state.get(scope, key)

    def scan(self, scope: str) -> Iterator[tuple[str, bytes]]:
        with self._lock:
            found = sorted(self._state.scopes.get(scope, {}).items())
        yield from found


class KafkaLogReader(KafkaReading):
    """Follows the log `name`, which another process writes; on return it knows all that was committed before.
    `kinds` are the facts that it needs, all where None. Raises `Unavailable("log.unreachable")`.
    """

    def __init__(self, settings: Mapping[str, Any], name: str, *, kinds: frozenset[str] | None = None) -> None:
        super().__init__(settings, State())
        self._kinds = kinds
        self._moved = threading.Condition(self._lock)
        self._tail = Tail(settings, facts_topic(name))
        self._closing = threading.Event()
        with translated():
            self._goal = self._tail.begin()
        self._is_level = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="hansa-follower", daemon=True)
        self._thread.start()
        if not self._is_level.wait(START_S):
            self.close()
            raise unavailable(KafkaError(KafkaError._TIMED_OUT).str())

    def reach(self, mark: int, timeout_s: float) -> bool:
        """Waits until the transaction `mark` is known here; False where that takes longer than `timeout_s`."""
        with self._moved:
            return self._moved.wait_for(lambda: self._state.mark >= mark or self._closing.is_set(), timeout_s)

    def hand_over(self) -> tuple[State, int]:
        """Ends following; what is known, and the offset of the facts behind it."""
        self.close()
        return self._state, self._tail.next

    @property
    def is_closed(self) -> bool:
        """True where nothing more is heard of."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """Ends following. A second call does nothing."""
        self._closing.set()
        self._thread.join()
        self._records.close()

    def _wanted(self, key: bytes, value: bytes | None) -> Fact | None:
        fact = kafka_state.read(key, value)
        return fact if self._kinds is None or fact[0][0] in self._kinds else None

    def _follow(self) -> None:
        held: list[Fact] = []
        while not self._closing.is_set():
            try:
                for record in self._tail.news():
                    fact = None if record is None else self._wanted(*record)
                    if fact is not None:
                        held.append(fact)
                    if record is None or (fact is not None and fact[0] == kafka_state.MARK):
                        self._take(held)
                        if record is None or self._tail.next >= self._goal:
                            self._is_level.set()
                        if self._closing.is_set():
                            break
            except KafkaException as failure:
                _report.error("the log is not followed any more: %s", failure)
                break
        self._take(held)
        self._tail.close()

    def _take(self, held: list[Fact]) -> None:
        self._apply(held)
        held.clear()
        with self._moved:
            self._moved.notify_all()


def _up_to(rows: list[Row], begin: int, max_bytes: int) -> list[Row]:
    """Rows from `begin` on, at least one where there is any, until they reach `max_bytes`."""
    end, size = begin, 0
    while end < len(rows) and (end == begin or size < max_bytes):
        size += rows[end].size
        end += 1
    return rows[begin:end]


def _of(partition: Partition, rows: list[tuple[Partition, Row]]) -> list[Row]:
    return [row for at, row in rows if at == partition]
