"""Making and changing topics of Kafka."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # they are what it is for
    AclOperation,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    OffsetSpec,
)
from confluent_kafka.cimpl import NewPartitions, NewTopic

from hansa.eventlog.kafka_client import NOT_YET, RECORD_BYTES_MAX, START_S, denied, patiently, translated

LOG_RIGHTS: Final = ("READ", "WRITE", "CREATE", "ALTER", "DELETE")
"""What a log does to its topics: reads and writes them, makes them and partitions of them, deletes what was taken."""
PORT_RIGHTS: Final = ("READ", "WRITE", "CREATE", "ALTER")
LEADERS_S: Final = 2.0
ENDS_S: Final = 5.0
"""How long it is asked where a partition ends; a commit may wait for it."""
LED_ANEW: Final = NOT_YET | frozenset(
    {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.FENCED_LEADER_EPOCH,
     KafkaError._NOENT}
)  # fmt: skip
"""Of a partition that was made this moment, or has just got another leader."""
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
        with translated(f"CREATE on the topic {topic}"), contextlib.suppress(_Exists):
            self._done(self._admin.create_topics([new], request_timeout=START_S), topic)
            return True
        with translated(f"ALTER on the topic {topic}"), contextlib.suppress(_Exists):
            self._done(
                self._admin.create_partitions([NewPartitions(topic, partitions)], request_timeout=START_S), topic
            )
        return False

    def names(self) -> set[str]:
        """The topics that there are, as far as this user may know. Raises `Unavailable("log.unreachable")`."""
        with translated():
            return set(self._admin.list_topics(timeout=START_S).topics)

    def id(self, topic: str) -> str:
        """What Kafka calls this topic and no other, before or after it."""
        return str(self._described(topic).topic_id)

    def require(self, topic: str, rights: Sequence[str]) -> None:
        """Raises `OperatorError("kafka.denied")` with those of the rights on a topic that this user lacks."""
        held = {AclOperation(given).name for given in self._described(topic).authorized_operations or ()}
        lacked = ", ".join(right for right in rights if right not in held)
        if held and lacked:
            raise denied(f"this user may not {lacked} the topic {topic}", f"Grant {lacked} on it.")

    def _described(self, topic: str) -> Any:
        with translated(f"DESCRIBE on the topic {topic}"):
            return patiently(lambda: self._asked(topic))

    def _asked(self, topic: str) -> Any:
        asked = self._admin.describe_topics(
            TopicCollection([topic]), include_authorized_operations=True, request_timeout=START_S
        )
        return asked[topic].result()

    def require_group(self, group: str) -> None:
        """Raises `OperatorError("kafka.denied")` where this user may not name the group."""
        with translated(f"DESCRIBE on the group {group}"):
            try:
                self._admin.describe_consumer_groups([group], request_timeout=START_S)[group].result()
            except KafkaException as failure:
                if failure.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                    raise  # of others there need be no such group, nor a broker for it yet

    def configure(self, topic: str, config: Mapping[str, str]) -> dict[str, str]:
        """Has a topic so configured; what stood there before of all that is changed by that."""
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        with translated(f"DESCRIBE_CONFIGS and ALTER_CONFIGS on the topic {topic}"):
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
            return patiently(partial(self._offsets, topic, asked, level), LED_ANEW, ENDS_S)

    def _offsets(self, topic: str, asked: Mapping[TopicPartition, OffsetSpec], level: IsolationLevel) -> list[int]:
        self._admin.list_topics(topic, LEADERS_S)  # else it asks those who led when it asked first
        found = self._admin.list_offsets(dict(asked), isolation_level=level, request_timeout=ENDS_S)
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
        with translated(f"DELETE on the topic {topic}"):
            where = TopicPartition(topic, partition, before)
            for future in self._admin.delete_records([where], request_timeout=START_S).values():
                future.result()


class _Exists(Exception):
    """There is a topic of that name, with as many partitions."""
