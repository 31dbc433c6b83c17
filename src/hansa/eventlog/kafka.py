"""The log in Apache Kafka, for one owner at a time: a record per batch, and a compacted topic of facts.

Flow of a commit: the owner decides sets against its copy of what is stored (`kafka_copy`) → one transaction writes the
batches to the topics of their ports, and the facts that follow from them, their offsets among them: together, where it
is known which those will be (`kafka_offsets`) → when Kafka gives them out as committed, the facts change the copy. A
transaction of an owner that was replaced is refused by Kafka (`log.fenced`).
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from confluent_kafka import KafkaException

from hansa.errors import CallerError, HansaError, OperatorError, Unavailable
from hansa.eventlog import batch, kafka_facts
from hansa.eventlog.batch import Batch
from hansa.eventlog.committer import Committer, GroupCommit, Notice, Replies, stopped
from hansa.eventlog.interface import CommitSet, Finding, Log, Partition, TopicConfig
from hansa.eventlog.kafka_client import Fenced, Place, Record, Write
from hansa.eventlog.kafka_confirmed import Confirmed
from hansa.eventlog.kafka_copy import Copy
from hansa.eventlog.kafka_facts import Fact, Row, moved, written
from hansa.eventlog.kafka_offsets import Offsets
from hansa.eventlog.kafka_reading import PORTION, KafkaReading, facts_topic
from hansa.eventlog.kafka_topics import Topics
from hansa.eventlog.plan import Pending, Plan
from hansa.eventlog.reading import grown, walked
from hansa.model.ids import PortId
from hansa.model.topic import topic_name

QUIET_US: Final = 3600 * 1_000_000
"""How long nothing is written, at most, while commits are asked for."""
_ILLEGAL: Final = re.compile(r"[^a-zA-Z0-9._-]")
_TAKEN: Final = "another Hansa owns it since, or this one stood still for too long"
_report = logging.getLogger("hansa.eventlog")


class KafkaLog(KafkaReading, Log):
    """The log `name` of a Kafka cluster, which `settings` (those of librdkafka) lead to. Opening it fences off the
    owner before: from then on that one gets `Unavailable("log.fenced")`.

    Raises `OperatorError` (`kafka.denied`, `kafka.unfit`) or `Unavailable("log.unreachable")`.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        name: str,
        *,
        replication: int = 1,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        copy: Copy | None = None,
        replies: Replies | None = None,
    ) -> None:
        """`copy` is this log's alone until it is stopped, and is left to the caller then; without one it has its own.
        `replies` are kept by the transactions."""
        self._name, self._clock_us = name, clock_us
        self._facts = facts_topic(name)
        self._failure: object = None
        self._writing = threading.RLock()
        """Held by whoever has a transaction under way; readers wait for nothing."""
        self._topics = Topics(settings, replication)
        self._topics.ensure(self._facts, 1)
        nothing = Record(self._facts, 0, *written((("state", "", ""), None)))
        self._transactions = Confirmed(settings, name, self._topics, nothing)
        self._offsets = Offsets()
        self._is_own = copy is None
        super().__init__(settings, copy or Copy())
        self._catch_up()
        self._time_us = self._copy.time_us
        self._committer = Committer(self._planned, self.now, replies)
        self._group = GroupCommit(self._committer.commit)

    def _catch_up(self) -> None:
        self._copy.of(self._topics.id(self._facts))
        records = self._transactions.known(self._copy.next)
        while facts := [kafka_facts.read(*record) for record in itertools.islice(records, PORTION)]:
            self._take(facts, self._transactions.next)

    # Committing

    def start(self, on_outcomes: Callable[[Notice], None]) -> None:
        self._committer.on_outcomes = on_outcomes
        self._group.start()

    def submit_all(self, work: list[tuple[CommitSet, Any]]) -> None:
        self._group.submit(work)

    def stop(self) -> None:
        self._group.stop()
        with self._writing:  # whoever is about it takes its facts before the copy is another's
            self._failure = self._failure or "it was closed"
        self._records.close()
        self._transactions.close()
        if self._is_own:
            self._copy.close()

    def failure(self) -> str | None:
        return None if self._failure is None else str(self._failure)

    @contextlib.contextmanager
    def _planned(self) -> Iterator[Plan]:
        with self._writing:
            time_us = max(self._time_us + 1, self._clock_us())
            plan = Plan(self._copy, time_us)
            yield plan
            batches, facts = self._drawn(plan)
            self._write(list(enumerate(batches, self._copy.seq + 1)), facts)
            self._time_us = time_us

    def _drawn(self, plan: Plan) -> tuple[list[Batch], list[Fact]]:
        """The batches of a plan, and what else it changes."""
        persons: dict[str, tuple[int, bytes]] = {}
        batches = [
            made
            for partition, (base, chunks) in plan.chunks.items()
            for made in batch.batches(partition, base, plan.now_us, [self._sealed(c, persons) for c in chunks])
        ]
        facts: list[Fact] = [(("person", number), (name, key)) for name, (number, key) in persons.items()]
        facts += self._copy.ended_claims(plan.now_us, 2 * len(plan.claims)) if plan.claims else []
        facts += moved(plan)
        for subject in plan.forgotten:
            number = persons[subject][0] if subject in persons else self._copy.person(subject)
            if number is not None:
                facts.append((("person", number), (None, None)))
        return batches, facts

    def _sealed(self, chunk: Pending, persons: dict[str, tuple[int, bytes]]) -> Pending:
        """The chunk under its person's key; a first key goes to `persons`."""
        subject = chunk.header.get("subject")
        if subject is None:
            return chunk
        number = self._copy.person(subject)
        key = self._copy.key_of(number)[1] if number is not None else None
        if number is None or key is None:
            number, key = persons.setdefault(subject, (self._copy.persons() + len(persons) + 1, os.urandom(32)))
        return batch.sealed(chunk, number, key)

    def _write(self, batches: list[tuple[int, Batch]], facts: list[Fact]) -> None:
        """Numbered batches, and facts, in one transaction; then they are so here, too. Where there are none, a mark
        alone now and then, so that who follows knows that it has missed nothing."""
        if not batches and not facts and self._clock_us() - self._copy.heard_us < QUIET_US:
            return
        records = [self._record(made) for _, made in batches]
        expected = self._offsets.expected(records)
        try:
            offsets, made_so = self._written(records, expected, batches, facts)
        except _Elsewhere:
            self._offsets.forget()
            offsets, made_so = self._written(records, None, batches, facts)
        self._offsets.stand(records, offsets)
        for (topic, partition, _, value, *_), offset in zip(records, offsets, strict=True):
            self._records.keep(Place(topic, partition, offset), value or b"")
        self._take_own(made_so)

    def _written(
        self, records: list[Record], expected: list[int] | None, batches: list[tuple[int, Batch]], facts: list[Fact]
    ) -> tuple[list[int], list[Fact]]:
        """The offsets of the records, and all facts. Facts that name expected offsets go with what stands there, and
        are not so where it stands elsewhere: `_Elsewhere`."""
        with self._transaction() as write:
            offsets = (write(records) if records else []) if expected is None else expected
            rows = [_row(seq, made, offset) for (seq, made), offset in zip(batches, offsets, strict=True)]
            made_so = [*rows, *facts, (kafka_facts.MARK, self._copy.mark + 1)]
            ahead = [] if expected is None else records
            told = write([*ahead, *(Record(self._facts, 0, *written(fact)) for fact in made_so)])
            if told[: len(ahead)] != offsets[: len(ahead)]:
                raise _Elsewhere
        return offsets, made_so

    def _take_own(self, facts: list[Fact]) -> None:
        """Whoever cannot take what it has written decides nothing more."""
        try:
            self._take(facts, self._transactions.next)
        except HansaError as failure:
            _report.error("the copy of the log cannot be written: %s", failure)
            self._failure = failure
            raise self._end() from failure

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Write]:
        if self._failure is not None:
            raise self._end()
        try:
            with self._transactions.transaction() as write:
                yield write
        except Fenced as fenced:
            self._failure = _TAKEN
            raise self._end() from fenced
        except KafkaException as failure:
            _report.error("the log has stopped", exc_info=failure)
            self._failure = failure
            raise self._end() from failure

    def _end(self) -> HansaError:
        """Why this log takes no more commits."""
        if self._failure is not _TAKEN:
            return stopped(self._failure)
        hint = "Stop this one. It may start again, and is the owner then."
        return Unavailable("log.fenced", f"This owner of the log {self._name} is not the last: {_TAKEN}", hint=hint)

    def _record(self, made: Batch) -> Record:
        return Record(self._kafka_topic(made.topic), made.partition, made.base.to_bytes(8, "big"), made.body)

    # Control

    def declare(self, topic: str, config: TopicConfig) -> None:
        with self._writing:
            config = grown(self._copy.topic(topic), config)
            if self._copy.topic(topic) == config:
                return
            name = f"{self._name}.{kafka_name(topic)}"
            if any(taken == name and other != topic for other, taken in self._copy.kafka_topics.items()):
                raise OperatorError("kafka.unfit", f"Two topics would be {name} in Kafka", hint=f"Rename {topic}.")
            self._topics.ensure(name, config.partitions)
            self._write([], [(("topic", topic), (config, name))])

    def acquire(self, resource: str) -> int:
        with self._writing:
            epoch = self._copy.epoch(resource) + 1
            self._write([], [(("epoch", resource), epoch)])
            return epoch

    def epoch(self, resource: str) -> int:
        return self._copy.epoch(resource)

    def trim(self, topic: str, partition: int, before: int, *, seen: str | None = None) -> int:
        at = (self._copy.known(topic), partition)
        reached = self._copy.seq if seen is None else int(seen or 0)
        while self._trim_some(at, before, reached):
            pass
        return self._copy.bounds(at)[0]

    def _trim_some(self, at: Partition, before: int, reached: int) -> bool:
        """Takes some batches, so that commits need not wait long; False when there is nothing left to take."""
        with self._writing:
            taken = self._copy.oldest(at, before, reached, PORTION)
            if taken:
                facts: list[Fact] = [(("batch", *at, row.base), None) for row in taken]
                self._write([], [*facts, (("first", *at), taken[-1].end)])
                self._topics.take(self._kafka_topic(at[0]), at[1], self._copy.least_offset(at) or 0)
            return len(taken) == PORTION

    def erase(self, topic: str, partition: int, bodies: Mapping[int, bytes | None]) -> None:
        """As the interface says; Kafka drops the bytes when it compacts the topic."""
        at = (self._copy.known(topic), partition)
        with self._writing:
            rows = {row.seq: row for row in (self._copy.row_at(at, position) for position in sorted(bodies)) if row}
            touched = [row for row in rows.values() if any(row.base <= one < row.end for one in bodies)]
            found = [(row, made, batch.rewritten(made, bodies)) for row, made in self._read(at, touched)]
            self._write([(row.seq, new) for row, old, new in found if new != old], [])

    def verify(self) -> Iterator[Finding]:
        return walked(self)

    def backup(self, target: Path) -> str:
        del target
        return f"the topics {self._name}.* of the Kafka cluster, all of them or none"


class _Elsewhere(Exception):
    """Records do not stand where they were expected to."""


def kafka_name(topic: str) -> str:
    """The name of a topic in Kafka, behind that of the log: ports are called as everywhere outside of Hansa
    (`model.topic`), and what Kafka does not take in other names is a hyphen."""
    with contextlib.suppress(CallerError):
        return topic_name(PortId.parse(topic))
    return _ILLEGAL.sub("-", topic)


def _row(seq: int, made: Batch, offset: int) -> Fact:
    row = Row(seq, made.base, made.count, made.time_us, made.checksum, len(made.body), offset)
    return ("batch", made.topic, made.partition, made.base), row
