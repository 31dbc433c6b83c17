"""What a log needs of Kafka: transactions of one producer, reading at offsets; and our errors for its own.

A transactional id belongs to one producer at a time. Whoever calls `init_transactions` with it gets a later epoch, ends
what the one before had open, and has it refused from then on: that is the fence.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from hansa.errors import OperatorError, Unavailable

START_S: Final = 15.0
SEND_S: Final = 10.0
"""How long records of a transaction may take to reach the brokers before it is given up."""
ABORT_S: Final = 1.0
COMMIT_S: Final = 10.0
"""How long it is asked again whether a commit was done."""
RECORD_BYTES_MAX: Final = 64 << 20
QUEUE_MAX: Final = 10_000_000
"""Records of one transaction."""
CACHE_BYTES: Final = 16 << 20
NEWS_S: Final = 0.2
TAIL_WAIT_MS: Final = 100
"""How long a broker waits for news before it says that there are none: so soon is it known that all was read."""
NOT_YET_S: Final = 0.05
NOT_YET: Final = frozenset(
    {KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART,
     KafkaError.LEADER_NOT_AVAILABLE}
)  # fmt: skip
READERS_GROUP: Final = "hansa-readers"
"""A client that reads names a group, although it keeps nothing there."""
_READING: Final = {
    "group.id": READERS_GROUP,
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
}
_FENCED: Final = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
_DENIED: Final = frozenset(
    {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError._AUTHENTICATION,
     KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, KafkaError.SASL_AUTHENTICATION_FAILED,
     KafkaError.GROUP_AUTHORIZATION_FAILED}
)  # fmt: skip


T = TypeVar("T")


class Place(NamedTuple):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int


Headers = tuple[tuple[str, bytes], ...]


class Record(NamedTuple):
    """A record to be written. `time_ms` 0 is now."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    time_ms: int = 0


class Write(Protocol):
    """Writes records in a transaction."""

    def __call__(self, records: list[Record], *, many: bool = False) -> list[int]:
        """Their offsets; where they are `many`, the last one's alone, for who needs no more."""


class Fenced(Exception):
    """A later owner has this transactional id."""


class Transactions:
    """Transactions under one transactional id; opening it fences off whoever had it before."""

    def __init__(self, settings: Mapping[str, Any], name: str) -> None:
        self._producer = Producer(
            {
                **settings,
                "transactional.id": name,
                "linger.ms": 0,
                "message.max.bytes": RECORD_BYTES_MAX,
                "queue.buffering.max.messages": QUEUE_MAX,
                "transaction.timeout.ms": int(SEND_S * 1000),
                "message.timeout.ms": int(SEND_S * 1000),
            }
        )
        self._is_open = False
        with translated(f"WRITE on the transactional id {name}"):
            # Without a connection it looks for its coordinator each 500 ms alone.
            self._producer.list_topics(timeout=START_S)
            self._producer.init_transactions(START_S)

    @property
    def is_left_open(self) -> bool:
        """Whether a transaction failed and could not be aborted yet, as no broker answers."""
        return self._is_open

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Write]:
        """A transaction that is committed when the block ends, or aborted; the block writes with what it is given.
        Raises `Fenced`; `Unavailable` where nothing was written; any other `KafkaException` where it is unknown, or
        nothing more can be written: then these are to be opened anew."""
        self._close()
        is_committing = False
        try:
            self._producer.begin_transaction()
            self._is_open = True
            yield self._write
            is_committing = True
            self._commit()
            self._is_open = False
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if error.code() in _FENCED:
                raise Fenced from failure
            if error.fatal() or (is_committing and not error.txn_requires_abort()):
                raise
            self._give_up(error)
            with translated():
                raise
        except Fenced:
            raise
        except BaseException:
            self._close()
            raise

    def _give_up(self, why: KafkaError) -> None:
        """Aborts what is open, where that is possible. A client that was refused a topic cannot (librdkafka 2.16): the
        next transaction says so."""
        with contextlib.suppress(Unavailable, *([KafkaException] if why.code() in _DENIED else [])):
            self._close()

    def _close(self) -> None:
        """Aborts what is open. Where the broker cannot be asked now, it is asked before the next one begins; until then
        nobody sees anything of it, and when it is over its time the broker aborts it."""
        if not self._is_open:
            return
        try:
            self._producer.abort_transaction(ABORT_S)
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if error.code() in _FENCED:
                raise Fenced from failure
            if error.fatal():
                raise
            raise unavailable(error.str()) from failure
        self._is_open = False

    def _write(self, records: list[Record], *, many: bool = False) -> list[int]:
        asked = range(len(records))[-1:] if many else range(len(records))
        offsets = [-1] * len(asked)
        failures: list[KafkaError] = []

        def delivery(at: int) -> Callable[[KafkaError | None, Message], None]:
            def delivered(error: KafkaError | None, message: Message) -> None:
                if error is not None:
                    failures.append(error)
                offsets[at] = message.offset() or 0

            return delivered

        for at, (topic, partition, key, value, headers, time_ms) in enumerate(records, -asked.start):
            told = {"on_delivery": delivery(at)} if at >= 0 else {}
            self._producer.produce(topic, value, key, partition, timestamp=time_ms, headers=list(headers), **told)
        left = self._producer.flush(SEND_S + 1)
        if failures or left:
            raise KafkaException(failures[0] if failures else KafkaError(KafkaError._TIMED_OUT))
        return offsets

    def _commit(self) -> None:
        until_s = time.monotonic() + COMMIT_S
        while True:
            try:
                self._producer.commit_transaction(max(until_s - time.monotonic(), NOT_YET_S))
                return
            except KafkaException as failure:
                error: KafkaError = failure.args[0]
                if not error.retriable() or time.monotonic() > until_s:
                    raise


class Records:
    """Reads records at offsets that are known to be committed, and keeps what was read or written last, up to
    `CACHE_BYTES`."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = {**settings, **_READING, "isolation.level": "read_uncommitted", "fetch.wait.max.ms": 5}
        self._lock = threading.Lock()
        self._idle: list[Consumer] = []
        self._closed = False
        self._cache: OrderedDict[Place, bytes] = OrderedDict()
        self._size = 0

    def keep(self, place: Place, value: bytes) -> None:
        """Remembers a record that was written."""
        with self._lock:
            if place not in self._cache:
                self._cache[place] = value
                self._size += len(value)
            while self._size > CACHE_BYTES:
                self._size -= len(self._cache.popitem(last=False)[1])

    def values(self, places: list[Place]) -> list[bytes | None]:
        """The values of records of one partition, None where there is none."""
        with self._lock:
            found = {place: self._cache[place] for place in places if place in self._cache}
        missing = sorted(set(places) - found.keys())
        if missing:
            for message in self._from(missing[0], missing[-1].offset):
                place = Place(missing[0].topic, missing[0].partition, message.offset() or 0)
                found[place] = message.value() or b""
                self.keep(place, found[place])
        return [found.get(place) for place in places]

    def _from(self, start: Place, last: int) -> Iterator[Message]:
        """The records from a place on, up to the offset `last`."""
        with self._consumer() as consumer, translated():
            yield from _read(consumer, start, last)

    @contextlib.contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        with self._lock:
            consumer = self._idle.pop() if self._idle else None
        consumer = consumer or Consumer(self._settings)
        try:
            yield consumer
        finally:
            consumer.unassign()
            with self._lock:
                if not self._closed:
                    self._idle.append(consumer)
            if self._closed:
                consumer.close()

    def close(self) -> None:
        """Closes those that nobody uses, and the others when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for consumer in idle:
            consumer.close()


class Tail:
    """Partition 0 of a topic from an offset on, as far as it is committed. Its methods belong to one thread."""

    def __init__(self, settings: Mapping[str, Any], topic: str, start: int = 0) -> None:
        self.next = start
        """The offset behind the last record that was given."""
        self._topic = topic
        self._consumer = Consumer(
            {**settings, **_READING, "isolation.level": "read_committed", "fetch.wait.max.ms": TAIL_WAIT_MS}
        )

    def begin(self) -> int:
        """Begins to read; the offset behind what is committed now."""
        end = patiently(self._end)
        self._consumer.assign([TopicPartition(self._topic, 0, self.next)])
        return end

    def _end(self) -> int:
        self._consumer.list_topics(self._topic, START_S)
        return int(self._consumer.get_watermark_offsets(TopicPartition(self._topic, 0), START_S)[1])

    def to_end(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Key and value of every record up to the end, where nobody writes any more."""
        for message in _read(self._consumer, Place(self._topic, 0, self.next), None):
            yield self._given(message)

    def gives(self, offset: int, timeout_s: float) -> bool | None:
        """Reads on behind `to_end`: True when it gives what stands at `offset`, False when it gives what stands behind
        and that not, as it was aborted; None where neither is so in time."""
        until_s = time.monotonic() + timeout_s
        while self.next <= offset and (left_s := until_s - time.monotonic()) > 0:
            message = self._consumer.poll(left_s)
            if message is not None and message.error() is None:
                self.next = (message.offset() or 0) + 1
        return None if self.next <= offset else self.next == offset + 1

    def news(self) -> Iterator[tuple[bytes, bytes | None] | None]:
        """What comes behind `begin`, None wherever that is all; ends when nothing comes for `NEWS_S`."""
        while (message := self._consumer.poll(NEWS_S)) is not None:
            error = message.error()
            if error is None:
                yield self._given(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                yield None
            elif error.fatal() or error.code() in _DENIED:
                raise KafkaException(error)

    def _given(self, message: Message) -> tuple[bytes, bytes | None]:
        self.next = (message.offset() or 0) + 1
        return message.key() or b"", message.value()

    def close(self) -> None:
        """Ends the connection."""
        self._consumer.close()


def committed(settings: Mapping[str, Any], topic: str, partition: int) -> Iterator[Message]:
    """What is kept of a partition and is committed."""
    consumer = Consumer({**settings, **_READING, "isolation.level": "read_committed"})
    with contextlib.closing(consumer), translated(f"READ on the topic {topic}"):
        first, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), START_S)
        yield from _read(consumer, Place(topic, partition, first), None)


def _read(consumer: Consumer, start: Place, last: int | None) -> Iterator[Message]:
    """The records from a place on, up to the offset `last`, or to the end of the partition."""
    consumer.list_topics(start.topic, START_S)  # else it asks for the leader within a second alone
    consumer.assign([TopicPartition(*start)])
    while True:
        message = consumer.poll(START_S)
        error = KafkaError(KafkaError._TIMED_OUT) if message is None else message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:
            return
        if message is None or error is not None:
            raise KafkaException(error)
        yield message
        if last is not None and (message.offset() or 0) >= last:
            return


def patiently(ask: Callable[[], T], codes: Set[int] = NOT_YET, for_s: float = START_S) -> T:
    """What is asked about a topic that may have been made this moment: it is not known everywhere yet, as the `codes`
    say."""
    until_s = time.monotonic() + for_s
    while True:
        try:
            return ask()
        except KafkaException as failure:
            if failure.args[0].code() not in codes or time.monotonic() > until_s:
                raise
        time.sleep(NOT_YET_S)


@contextlib.contextmanager
def translated(rights: str = "") -> Iterator[None]:
    """Turns a `KafkaException` into our errors; `rights` are those that what is done needs."""
    try:
        yield
    except KafkaException as failure:
        error: KafkaError = failure.args[0]
        if error.code() in _DENIED:
            raise denied(error.str(), f"Grant {rights}." if rights else "") from failure
        if error.code() in (KafkaError.INVALID_REPLICATION_FACTOR, KafkaError.UNSUPPORTED_VERSION):
            raise OperatorError(
                "kafka.unfit", f"Kafka: {error.str()}", hint="Hansa needs Kafka 4 with as many brokers as replicas."
            ) from failure
        raise unavailable(error.str()) from failure


def denied(why: str, how: str) -> OperatorError:
    """The error for what this user may not do."""
    hint = f"{how} The guide on Kafka lists all rights that Hansa needs."
    return OperatorError("kafka.denied", f"Kafka: {why}", hint=hint.strip())


def unavailable(why: str) -> Unavailable:
    """The error for what Kafka did not do; nothing was written."""
    return Unavailable(
        "log.unreachable",
        f"Kafka: {why}",
        hint="See that its brokers run, and that HANSA_LOG and HANSA_KAFKA_SETTINGS lead there; it is tried again.",
    )
