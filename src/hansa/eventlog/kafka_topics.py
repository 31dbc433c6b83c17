"""Making and changing topics of Kafka."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # they are what it is for
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    OffsetSpec,
)
from confluent_kafka.cimpl import NewPartitions, NewTopic

from hansa.eventlog.kafka_client import RECORD_BYTES_MAX, START_S, patiently, translated

LEADERS_S: Final = 2.0
KEPT: Final = {
    "cleanup.policy": "compact,delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "max.message.bytes": str(RECORD_BYTES_MAX),
}
"""Of a topic from which only what has a later record with the same key, or was taken, ever goes."""


class Topics:
    """Makes topics, and takes what stands at their beginning."""

    def __init__(self, settings: Mapping[str, Any], replication: int = 1) -> None:
        self._admin = AdminClient(dict(settings))
        self._replication = replication

    def ensure(self, topic: str, partitions: int, config: Mapping[str, str] = KEPT) -> bool:
        """Has a topic with at least so many partitions; True where it was made now, with this configuration."""
        new = NewTopic(topic, partitions, self._replication, config=dict(config))
        with translated(), contextlib.suppress(_Exists):
            self._done(self._admin.create_topics([new], request_timeout=START_S), topic)
            return True
        with translated(), contextlib.suppress(_Exists):
            self._done(
                self._admin.create_partitions([NewPartitions(topic, partitions)], request_timeout=START_S), topic
            )
        return False

    def id(self, topic: str) -> str:
        """What Kafka calls this topic and no other, before or after it."""
        with translated():
            return patiently(lambda: self._id(topic))

    def _id(self, topic: str) -> str:
        (asked,) = self._admin.describe_topics(TopicCollection([topic]), request_timeout=START_S).values()
        return str(asked.result().topic_id)

    def configure(self, topic: str, config: Mapping[str, str]) -> dict[str, str]:
        """Has a topic so configured; what stood there before of all that is changed by that."""
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        with translated():
            (asked,) = self._admin.describe_configs([resource], request_timeout=START_S).values()
            found = {name: entry.value for name, entry in asked.result().items() if name in config}
            changed = {name: value for name, value in config.items() if found.get(name) != value}
            if changed:
                entries = [
                    ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                    for name, value in changed.items()
                ]
                wanted = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
                (done,) = self._admin.incremental_alter_configs([wanted], request_timeout=START_S).values()
                done.result()
        return {name: str(found.get(name)) for name in changed}

    def ends(self, topic: str, partitions: int) -> list[int]:
        """The offset behind the last record of each partition."""
        return self._ends(topic, range(partitions), IsolationLevel.READ_UNCOMMITTED)

    def hangs(self, topic: str, partition: int = 0) -> bool:
        """Whether something stands in a partition that is neither committed nor aborted."""
        levels = (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
        committed, written = (self._ends(topic, [partition], level) for level in levels)
        return committed < written

    def _ends(self, topic: str, partitions: Iterable[int], level: IsolationLevel) -> list[int]:
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(topic, number): latest for number in partitions}
        with translated():
            self._admin.list_topics(topic, LEADERS_S)  # else it asks those who led when it asked first
            found = self._admin.list_offsets(asked, isolation_level=level, request_timeout=START_S)
            return [found[where].result().offset for where in asked]

    def _done(self, futures: Mapping[str, Any], topic: str) -> None:
        try:
            futures[topic].result()
        except KafkaException as failure:
            if failure.args[0].code() in (KafkaError.TOPIC_ALREADY_EXISTS, KafkaError.INVALID_PARTITIONS):
                raise _Exists from failure
            raise

    def take(self, topic: str, partition: int, before: int) -> None:
        """Deletes the records before an offset."""
        with translated():
            where = TopicPartition(topic, partition, before)
            for future in self._admin.delete_records([where], request_timeout=START_S).values():
                future.result()


class _Exists(Exception):
    """There is a topic of that name, with as many partitions."""
