"""Transactions that are over when Kafka gives out what they have written.

A broker answers that a transaction is committed before it writes the transaction's end to its partitions. One that
comes back while a partition has no leader takes that partition for deleted, and leaves the end out for good (seen in
Kafka 4.3.1). Then readers stand still before the transaction, and the end of the next one under the same id, commit or
abort, counts for both. So whoever writes here believes in a commit when it has read its last record back, and begins
with nothing hanging.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from hansa.errors import HansaError, Unavailable
from hansa.eventlog.committer import copied
from hansa.eventlog.kafka_client import COMMIT_S, Record, Tail, Transactions, Write, translated, unavailable
from hansa.eventlog.kafka_topics import Topics

SHOWN_S: Final = 2.0
"""How long Kafka may take to give out what it has committed, before it is helped."""
TRIES: Final = 5
AGAIN_S: Final = 1.0
"""How long Kafka is not asked again what hangs, where it could not say: who waited meanwhile is refused at once."""
_report = logging.getLogger("hansa.eventlog")


class Confirmed:
    """Transactions under the id `name`; opening it fences off whoever had it before, and aborts what that one has left
    hanging. Nobody else writes to partition 0 of `empty.topic`, where the last record of each transaction goes; `empty`
    is one that changes nothing there. Belongs to one thread at a time."""

    def __init__(self, settings: Mapping[str, Any], name: str, topics: Topics, empty: Record) -> None:
        self._settings, self._topics, self._empty = settings, topics, empty
        self._topic = empty.topic
        self._transactions = Transactions(settings, name)
        self._tail: Tail | None = None
        self.has_aborted = False
        """Whether something hung, and was aborted."""
        self._is_in_doubt = True
        """Whether something of a transaction that was not committed may hang."""
        self._unsaid: tuple[Unavailable, float] | None = None
        """Why Kafka could not say it, and when."""
        self._settle()

    @property
    def next(self) -> int:
        """The offset in the topic behind what was given out here."""
        return 0 if self._tail is None else self._tail.next

    def known(self, start: int) -> Iterator[tuple[bytes, bytes | None]]:
        """Key and value of every record of the topic from the offset `start` on; before the first transaction."""
        with contextlib.ExitStack() as failed:
            self._tail = Tail(self._settings, self._topic, start)
            failed.callback(self._tail.close)
            with translated():
                yield from self._tail.to_end()
            failed.pop_all()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Write]:
        """As `Transactions.transaction`; on return what was written is given out. The last record that is written goes
        to the topic."""
        end = -1

        def write(records: list[Record], *, many: bool = False) -> list[int]:
            nonlocal end
            offsets = written(records, many=many)
            end = offsets[-1] if offsets else end
            return offsets

        if self._is_in_doubt:
            self._settle()
        self._is_in_doubt = True
        try:
            with self._transactions.transaction() as written:
                yield write
        except Unavailable as failure:
            if self._transactions.is_left_open:
                self._unsaid = failure, time.monotonic()
            raise
        self._show(end)
        self._is_in_doubt = False

    def _show(self, offset: int) -> None:
        assert self._tail is not None
        until_s = time.monotonic() + COMMIT_S
        while not (shown := self._tail.gives(offset, SHOWN_S)):
            if shown is False or time.monotonic() > until_s:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "what was committed is not given out"))
            with contextlib.suppress(Unavailable), self._transactions.transaction() as write:
                write([self._empty])

    def _settle(self) -> None:
        if self._unsaid is not None and time.monotonic() < self._unsaid[1] + AGAIN_S:
            raise copied(self._unsaid[0])
        try:
            self._abort_what_hangs()
            self._unsaid = None
        except Unavailable as failure:
            self._unsaid = failure, time.monotonic()
            raise

    def _abort_what_hangs(self) -> None:
        for _ in range(TRIES):
            if not self._topics.hangs(self._topic):
                self._is_in_doubt = False
                return
            _report.warning("a transaction in %s has no end in Kafka; it is aborted", self._topic)
            self.has_aborted = True
            self._abort([self._empty])
        raise unavailable(f"a transaction in {self._topic} has no end")

    def settle_beside(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Aborts what hangs in other partitions, too, those that are gone left out: where something `has_aborted` at
        the opening, and before the first transaction."""
        hanging: list[tuple[str, int]] = []
        known = self._topics.names()
        for place in (place for place in partitions if place[0] in known):
            with contextlib.suppress(HansaError):
                hanging += [place] if self._topics.hangs(*place) else []
        if hanging:
            self._abort([Record(topic, partition, b"", None) for topic, partition in hanging])

    def _abort(self, records: list[Record]) -> None:
        """The end of a transaction that was begun for it is that of what hangs in the partitions of these records."""
        with contextlib.suppress(_Undone), self._transactions.transaction() as write:
            write(records)
            raise _Undone

    def close(self) -> None:
        """Ends reading; no transaction is under way."""
        if self._tail is not None:
            self._tail.close()


class _Undone(Exception):
    """A transaction is to be aborted."""
