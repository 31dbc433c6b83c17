"""Reading the log in Kafka: what its owner and those who follow it do alike, and the one who follows.

Who follows brings the facts of each transaction into a copy of what the owner knows (`kafka_copy`), whole or not yet:
the last fact of a transaction is its **mark**. Bodies are read at the offsets that the facts name.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from hansa.errors import HansaError, InternalError, Unavailable
from hansa.eventlog import batch, kafka_facts
from hansa.eventlog.batch import Batch
from hansa.eventlog.interface import Chunk, LogReader, Partition, TopicConfig
from hansa.eventlog.kafka_client import START_S, Place, Records, Tail, translated, unavailable
from hansa.eventlog.kafka_copy import Copy
from hansa.eventlog.kafka_facts import Fact, Row
from hansa.eventlog.kafka_topics import Topics
from hansa.eventlog.reading import expired

Appended = Callable[[set[str]], None]
"""Told the topics that something was appended to, on the thread that found out."""
PORTION: Final = 5_000
"""Facts that are taken at once by who is far behind."""
_report = logging.getLogger("hansa.eventlog")


def facts_topic(name: str) -> str:
    """The Kafka topic that has the facts of the log `name`."""
    return f"{name}._facts"


class KafkaReading(LogReader):
    """What both do alike."""

    def __init__(self, settings: Mapping[str, Any], copy: Copy) -> None:
        self._records = Records(settings)
        self._copy = copy
        self._told: Appended = lambda _: None

    def _take(self, facts: Sequence[Fact], reached: int) -> None:
        """Takes what a transaction has made so; the facts are known up to the offset `reached` then."""
        topics = self._copy.take(facts, reached)
        if topics:
            self._told(topics)

    def watch(self, told: Appended) -> bool:
        self._told = told
        return True

    @property
    def mark(self) -> int:
        """The number of the last transaction that is known here."""
        return self._copy.mark

    def _kafka_topic(self, topic: str) -> str:
        return self._copy.kafka_topics[topic]

    def behind(self, cursor: str) -> int:
        """How many batches were committed behind `cursor`."""
        return self._copy.seq - int(cursor or 0)

    def topics(self) -> dict[str, TopicConfig]:
        return dict(self._copy.configs)

    def topic(self, name: str) -> TopicConfig | None:
        return self._copy.topic(name)

    def person(self, subject: str) -> int | None:
        """The number of a person whose key is kept."""
        return self._copy.person(subject)

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
        at = (self._copy.known(topic), partition)
        try:
            wanted = self._wanted_rows(at, position, max_bytes)
            chunks = [chunk for _, made in self._read(at, wanted) for chunk in batch.opened(made, self._copy.key_of)]
        except (InternalError, Unavailable):
            first, _ = self.bounds(topic, partition)
            if position < first:  # retention took it meanwhile
                raise expired(topic, partition, position, first) from None
            raise
        return [chunk for chunk in chunks if chunk.end > position]

    def _wanted_rows(self, at: Partition, position: int, max_bytes: int) -> list[Row]:
        first, end = self._copy.bounds(at)
        if position < first:
            raise expired(*at, position, first)
        if position >= end:
            return []
        rows = _up_to(self._copy.rows_from(at, position), max_bytes)
        if not rows or not rows[0].base <= position:
            raise batch.damaged(*at, position)
        return rows

    def changes(self, cursor: str, *, max_bytes: int = 4 << 20) -> tuple[list[Chunk], str]:
        found = self._numbered(int(cursor or 0), max_bytes)
        chunks = [chunk for _, made in found for chunk in batch.opened(made, self._copy.key_of)]
        return chunks, str(found[-1][0] if found else int(cursor or 0))

    def _numbered(self, behind: int, max_bytes: int) -> list[tuple[int, Batch]]:
        """The batches whose number is above `behind`, in order, at least one where there is any, until they reach
        `max_bytes`."""
        wanted: list[tuple[Partition, Row]] = []
        size = 0
        for at, row in self._copy.rows_behind(behind):
            wanted.append((at, row))
            size += row.size
            if size >= max_bytes:
                break
        made = {row.seq: found for at in {at for at, _ in wanted} for row, found in self._read(at, _of(at, wanted))}
        return [(row.seq, made[row.seq]) for _, row in wanted]

    def covers(self, cursor: str, token: str) -> bool:
        return int(cursor or 0) >= int(token or 0)

    def now(self) -> str:
        return str(self._copy.seq)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return self._copy.bounds((self._copy.known(topic), partition))

    def find(self, topic: str, partition: int, time_us: int) -> int:
        """Halves the partition again and again: times never go back, so no index of them is needed."""
        low, high = self.bounds(topic, partition)
        while low < high:
            middle = (low + high) // 2
            row = self._copy.row_at((topic, partition), middle)
            base, end, at_us = (row.base, row.end, row.time_us) if row else (middle, middle + 1, time_us - 1)
            low, high = (low, base) if at_us >= time_us else (end, high)
        return low

    def position(self, group: str, topic: str, partition: int) -> int | None:
        return self._copy.position(group, topic, partition)

    def positions(self, group: str) -> dict[Partition, int]:
        return self._copy.positions(group)

    def get(self, scope: str, key: str) -> bytes | None:
        return self._copy.get(scope, key)

    def scan(self, scope: str) -> Iterator[tuple[str, bytes]]:
        yield from self._copy.scope(scope)


class KafkaLogReader(KafkaReading):
    """Follows the log `name`, which another process writes; on return it knows all that was committed before. Its copy
    is its own until it is closed. Raises `Unavailable("log.unreachable")`.
    """

    def __init__(self, settings: Mapping[str, Any], name: str, copy: Copy) -> None:
        super().__init__(settings, copy)
        self._moved = threading.Condition()
        facts = facts_topic(name)
        copy.of(Topics(settings).id(facts))
        self._tail = Tail(settings, facts, copy.next)
        self._closing = threading.Event()
        with translated():
            self._goal = self._tail.begin()
        self._is_level = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="hansa-follower", daemon=True)
        self._thread.start()
        self._wait_until_level()

    def _wait_until_level(self) -> None:
        """As long as it comes nearer."""
        reached = -1
        while not self._is_level.wait(START_S):
            if self._tail.next == reached or self.is_closed:
                self.close()
                raise unavailable(KafkaError(KafkaError._TIMED_OUT).str())
            reached = self._tail.next

    def reach(self, mark: int, timeout_s: float) -> bool:
        """Waits until the transaction `mark` is known here; False where that takes longer than `timeout_s`."""
        with self._moved:
            return self._moved.wait_for(lambda: self._copy.mark >= mark or self._closing.is_set(), timeout_s)

    @property
    def is_closed(self) -> bool:
        """True where nothing more is heard of."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """Ends following; whoever has the copy may go on with it. A second call does nothing."""
        self._closing.set()
        self._thread.join()
        self._records.close()

    def _follow(self) -> None:
        held: list[Fact] = []
        while not self._closing.is_set():
            try:
                for record in self._tail.news():
                    if record is not None:
                        held.append(kafka_facts.read(*record))
                    if self._is_whole(held, is_end=record is None):
                        self._bring(held)
                        if record is None or self._tail.next >= self._goal:
                            self._is_level.set()
                        if self._closing.is_set():
                            break
            except (KafkaException, HansaError) as failure:
                _report.error("the log is not followed any more: %s", failure)
                break
        self._tail.close()

    def _is_whole(self, held: list[Fact], *, is_end: bool) -> bool:
        """Whether what is held is to be taken: at the end of a transaction, or of a portion where it is far behind."""
        if is_end:
            return True
        return held[-1][0] == kafka_facts.MARK and (self._tail.next >= self._goal or len(held) >= PORTION)

    def _bring(self, held: list[Fact]) -> None:
        if held:
            self._take(held, self._tail.next)
            held.clear()
        with self._moved:
            self._moved.notify_all()


def _up_to(rows: Iterator[Row], max_bytes: int) -> list[Row]:
    """Rows, at least one where there is any, until they reach `max_bytes`."""
    found: list[Row] = []
    size = 0
    for row in rows:
        found.append(row)
        size += row.size
        if size >= max_bytes:
            break
    return found


def _of(partition: Partition, rows: list[tuple[Partition, Row]]) -> list[Row]:
    return [row for at, row in rows if at == partition]
