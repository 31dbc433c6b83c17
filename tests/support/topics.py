"""Topics as any client of Kafka sees them; nothing of Hansa."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource

WAIT_S = 30.0


class Seen(NamedTuple):
    """A record on a topic; `headers` by name."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, str]


def seen(kafka: str, topic: str) -> list[Seen]:
    """What stands on a topic and is committed, partition by partition; nothing where there is no such topic."""
    consumer = Consumer(
        {"bootstrap.servers": kafka, "group.id": "seen", "enable.partition.eof": True, "auto.offset.reset": "earliest",
         "isolation.level": "read_committed", "log_level": 2}
    )  # fmt: skip
    try:
        partitions = consumer.list_topics(topic, 10).topics[topic].partitions
        return [record for number in sorted(partitions) for record in _partition(consumer, topic, number)]
    finally:
        consumer.close()


def _partition(consumer: Consumer, topic: str, number: int) -> list[Seen]:
    consumer.assign([TopicPartition(topic, number, 0)])
    found = []
    while True:
        message = consumer.poll(10)
        assert message is not None, f"{topic}[{number}] does not answer"
        error = message.error()
        if error is not None:
            assert error.code() == KafkaError._PARTITION_EOF, error
            return found
        headers = {name: bytes(value).decode() for name, value in message.headers() or []}
        found.append(Seen(number, message.offset() or 0, message.key(), message.value(), headers))


def until(done: Callable[[], object], timeout_s: float = WAIT_S) -> object:
    """Asks again until the answer is true; the last answer."""
    end = time.monotonic() + timeout_s
    while not (found := done()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def delete(kafka: str, topic: str) -> None:
    """Deletes a topic."""
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.delete_topics([topic])[topic].result()


def config_of(kafka: str, topic: str) -> dict[str, str]:
    """The configuration of a topic."""
    admin, resource = AdminClient({"bootstrap.servers": kafka}), ConfigResource(ConfigResource.Type.TOPIC, topic)
    return {name: entry.value for name, entry in admin.describe_configs([resource])[resource].result().items()}
