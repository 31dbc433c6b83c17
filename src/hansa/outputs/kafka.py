"""The topics of ports in Kafka. Its producer is its own and not the log's: a topic that is gone, full or denied would
end the transactions of the log with those of the port.

The positions that were reached stand in a compacted topic beside the log, `NAME._published`, written in the
transaction of the records before them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Final, cast

import msgspec
from confluent_kafka import KafkaException

from hansa.errors import OperatorError
from hansa.eventlog.kafka_client import RECORD_BYTES_MAX, Fenced, Record, committed
from hansa.eventlog.kafka_confirmed import Confirmed
from hansa.eventlog.kafka_topics import PORT_RIGHTS
from hansa.eventlog.kafka_topics import Topics as KafkaTopics
from hansa.outputs.relay import ORDERS, Ended, Part, Topics
from hansa.outputs.topic import PERSON, Published, topic_config

_NOWHERE: Final = ("", 0)
_TAKEN: Final = "another node publishes the ports"
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[str, int]).decode
_position: Final = msgspec.msgpack.Decoder(int).decode


class PublishedTopics(Topics):
    """The topics of the ports of the log `name`. Opening it has whoever did so before refused.

    `said` gets a line about a topic whose configuration was another than the contract's. Raises `OperatorError`
    (`kafka.denied`, `kafka.unfit`), `Unavailable("log.unreachable")`, `Ended`.
    """

    def __init__(
        self, settings: Mapping[str, Any], name: str, replication: int, said: Callable[[str], None] = lambda _: None
    ) -> None:
        self._place, self._said, self._settings = f"{name}._published", said, settings
        self._topics = KafkaTopics(settings, replication)
        self._topics.ensure(self._place, 1)
        self._reached: dict[tuple[str, int], int] = {}
        try:
            self._transactions = self._begun(settings, f"{name}._relay")
        except Fenced as fenced:
            raise Ended(_TAKEN) from fenced

    def _begun(self, settings: Mapping[str, Any], name: str) -> Confirmed:
        made = Confirmed(settings, name, self._topics, Record(self._place, 0, _encode(_NOWHERE), _encode(0)))
        for key, value in made.known(0):
            self._reached[_decode(key)] = _position(value or b"\0")
        if made.has_aborted:
            made.settle_beside(place for place in self._reached if place not in (_NOWHERE, ORDERS))
        return made

    def close(self) -> None:
        self._transactions.close()

    def open(self, published: Published) -> list[int]:
        port, topic = published
        config = topic_config(port)
        is_new = self._topics.ensure(topic, port.partitions, {**config, "max.message.bytes": str(RECORD_BYTES_MAX)})
        self._topics.require(topic, PORT_RIGHTS)
        is_empty = is_new or not any(self._topics.ends(topic, port.partitions))
        if is_empty:
            self._claim(topic, port.partitions)
        elif not any(key[0] == topic for key in self._reached):
            raise _anothers(topic)
        self._configure(topic, config)
        return [self._reached.get((topic, number), 0) for number in range(port.partitions)]

    def _claim(self, topic: str, partitions: int) -> None:
        """Says that the topic is this log's, before anything is written there: what is aborted takes offsets, too."""
        begun = {(topic, number): 0 for number in range(partitions)}
        if any(self._reached.get(place) != 0 for place in begun):
            self._write([], begun)

    def _configure(self, topic: str, config: Mapping[str, str]) -> None:
        try:
            before = self._topics.configure(topic, config)
        except OperatorError as denied:
            if denied.code != "kafka.denied":
                raise
            self._said(f"the topic {topic} is not kept as its contract says: {denied.message}. {denied.hint}")
            return
        for name, value in before.items():
            self._said(f"the topic {topic} had {name}={value}; it has {config[name]}, as the contract says")

    def write(self, parts: list[Part]) -> None:
        records = [
            Record(part.published.topic, part.partition, message.key, message.value, message.headers, message.time_ms)
            for part in parts
            for message in part.messages
        ]
        self._write(records, {(part.published.topic, part.partition): part.behind for part in parts})

    def obeyed(self) -> int:
        return self._reached.get(ORDERS, 0)

    def forget(self, topics: Sequence[Published], persons: Set[int], behind: int) -> None:
        names = {b"%d" % person for person in persons}
        gone = [
            Record(made.topic, partition, key, None)
            for made in topics
            for partition, end in enumerate(self._topics.ends(made.topic, made.port.partitions))
            if end
            for key, person in self._last(made.topic, partition).items()
            if person in names
        ]
        self._write(gone, {ORDERS: behind})

    def _last(self, topic: str, partition: int) -> dict[bytes, bytes]:
        """Whose the last record of each key is, for those that are persons'."""
        found: dict[bytes, bytes] = {}
        for message in committed(self._settings, topic, partition):
            headers = dict(cast("list[tuple[str, bytes]]", message.headers() or []))
            key, person = message.key() or b"", headers.get(PERSON)
            found.pop(key, None)
            if person is not None and message.value() is not None:
                found[key] = person
        return found

    def _write(self, records: list[Record], reached: Mapping[tuple[str, int], int]) -> None:
        places = [Record(self._place, 0, _encode(place), _encode(behind)) for place, behind in reached.items()]
        try:
            with self._transactions.transaction() as write:
                write([*records, *places], many=True)
        except Fenced as fenced:
            raise Ended(_TAKEN) from fenced
        except KafkaException as failure:
            raise Ended(str(failure)) from failure
        self._reached.update(reached)


def _anothers(topic: str) -> OperatorError:
    return OperatorError(
        "topic.taken",
        f"The topic {topic} has records that this Hansa did not write",
        hint="Delete the topic, or set HANSA_TOPICS_PREFIX to what stands before the names of all topics of ports.",
    )
