"""Shows where Hansa's groups stand on the topics of ports, as offsets of consumer groups of the same names: for Kafka's
own tools, which tell lag by them. Nothing in Hansa reads them; a group that stands still is told again when it moves.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from hansa.outputs.topic import Standing

ASK_S: Final = 5.0
SCAN: Final = 5000
"""Records of one moment that are looked at for a position."""
_report = logging.getLogger("hansa.topics")


class GroupOffsets:
    """Belongs to one thread at a time."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._admin = AdminClient(dict(settings))
        self._consumer = Consumer(
            {
                **settings,
                "group.id": "hansa-readers",
                "enable.auto.commit": False,
                "auto.offset.reset": "latest",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        self._shown: dict[tuple[str, str, int], int] = {}
        self._refused: set[str] = set()

    def show(self, standings: Iterable[Standing]) -> None:
        """Has the groups stand there. What fails is said once for each group, and tried again the next time."""
        moved: dict[str, dict[tuple[str, str, int], int]] = {}
        for one in standings:
            place = (one.group, one.topic, one.partition)
            try:
                offset = self._offset(one)
            except KafkaException:
                continue  # the topic is on its way, or Kafka is away: both are said elsewhere
            if self._shown.get(place) != offset:
                moved.setdefault(one.group, {})[place] = offset
        for group, places in moved.items():
            self._commit(group, places)

    def _commit(self, group: str, places: Mapping[tuple[str, str, int], int]) -> None:
        offsets = [TopicPartition(topic, partition, at) for (_, topic, partition), at in places.items()]
        asked = [ConsumerGroupTopicPartitions(group, offsets)]
        try:
            (done,) = self._admin.alter_consumer_group_offsets(asked, request_timeout=ASK_S).values()
            done.result()
            self._shown.update(places)
            self._refused.discard(group)
        except KafkaException as failure:
            if group not in self._refused:
                self._refused.add(group)
                _report.warning("Kafka's tools do not see the group %s: %s. It needs the right to READ the group, and"
                                " nobody else in a consumer group of that name.", group, failure)  # fmt: skip

    def _offset(self, one: Standing) -> int:
        where = TopicPartition(one.topic, one.partition)
        if one.is_level:
            return int(self._consumer.get_watermark_offsets(where, ASK_S)[1])
        asked = TopicPartition(one.topic, one.partition, one.time_us // 1000)
        (found,) = self._consumer.offsets_for_times([asked], ASK_S)
        if found.offset < 0:
            return int(self._consumer.get_watermark_offsets(where, ASK_S)[1])
        self._consumer.assign([found])
        try:
            return self._scanned(one, int(found.offset))
        finally:
            self._consumer.unassign()

    def _scanned(self, one: Standing, offset: int) -> int:
        """The offset of the record at the position, among those of its moment."""
        for _ in range(SCAN):
            message = self._consumer.poll(ASK_S)
            if message is None or message.error() is not None:
                break
            offset = message.offset() or 0
            if _position(message) >= one.position:
                break
        return offset

    def close(self) -> None:
        """Ends the connection."""
        self._consumer.close()


def _position(message: Message) -> int:
    """The position in the log that the id of a record names."""
    headers = dict(cast("list[tuple[str, bytes]]", message.headers() or []))
    return int(headers.get("ce_id", b"0-0").partition(b"-")[2])
