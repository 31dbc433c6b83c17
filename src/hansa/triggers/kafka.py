"""A topic in another system's Kafka."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from hansa.errors import CallerError, OperatorError
from hansa.sdk.values import Message
from hansa.triggers.landing import Given, Source

ASK_S: Final = 10.0
POLL_S: Final = 0.5
AT_ONCE: Final = 1000
GROUP: Final = "hansa-landing"
"""A client that reads names a group, although it keeps nothing there."""
_SETTINGS: Final = {
    "group.id": GROUP,
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "queued.max.messages.kbytes": 16384,
    "log_level": 2,
}

Decode = Callable[[bytes, dict[str, str]], tuple[Any, dict[str, str]]]
"""What stands in a message, by its bytes and headers: the value, and the headers with those that its envelope has.
Raises `CallerError` where it cannot be decoded, `OperatorError` where it is not known how."""


class KafkaSource(Source):
    """A topic of the Kafka that `settings` (those of librdkafka) lead to; `name` is what errors call it."""

    def __init__(self, settings: Mapping[str, Any], topic: str, name: str, decode: Decode) -> None:
        self._topic, self._name, self._decode = topic, name, decode
        self._assigned: dict[int, int] = {}
        self._refusal = ""
        """Why this client is not let in."""
        with self._translated():
            self._consumer = Consumer({**settings, **_SETTINGS, "error_cb": self._hear})

    def _hear(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            self._refusal = error.str().partition(" (after ")[0]

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except KafkaException as failure:
            error = failure.args[0]
            text = self._refusal or (error.str() if isinstance(error, KafkaError) else str(error))
            self._refusal = ""
            hint = (
                "See the connection in connections.yaml, and that the topic exists and its user may READ it and"
                f" DESCRIBE the group {GROUP}; it is tried again by itself."
            )
            raise OperatorError("kafka.source", f"The topic {self._name} is not read: {text}", hint=hint) from failure

    def partitions(self) -> int:
        with self._translated():
            try:
                found = self._consumer.list_topics(self._topic, ASK_S).topics[self._topic]
            except KafkaException:
                if not self._assigned:
                    self._consumer.poll(0)  # brings what was heard
                raise
            if found.error is not None:
                raise KafkaException(found.error)
            return len(found.partitions)

    def bounds(self, partition: int) -> tuple[int, int]:
        with self._translated():
            return self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), ASK_S)

    def read(self, offsets: Mapping[int, int]) -> dict[int, list[Given]]:
        with self._translated():
            if offsets != self._assigned:
                self._assigned = dict(offsets)
                self._consumer.assign([TopicPartition(self._topic, *place) for place in offsets.items()])
            first = self._consumer.poll(POLL_S)
            messages = [] if first is None else [first, *self._consumer.consume(AT_ONCE - 1, 0.0)]
            found: dict[int, list[Given]] = {}
            for message in messages:
                self._check(message)
                found.setdefault(message.partition() or 0, []).append(self._given(message))
        for partition, given in found.items():
            self._assigned[partition] = given[-1].message.offset + 1
        return found

    def _check(self, message: KafkaMessage) -> None:
        error = message.error()
        if error is None:
            return
        self._assigned = {}
        if error.code() != KafkaError._AUTO_OFFSET_RESET:
            raise KafkaException(error)
        partition = message.partition() or 0
        details = {"partition": partition, "first": self.bounds(partition)[0]}
        raise CallerError(
            "position.expired", f"{self._name}[{partition}] has what stood there no more", details=details
        )

    def _given(self, message: KafkaMessage) -> Given:
        given = cast("list[tuple[str, bytes | None]]", message.headers() or [])
        headers = {name: _text(value) for name, value in given if value is not None}
        raw, key = message.value(), message.key()
        found = Message(
            None if key is None else _text(key), None, self._topic, message.partition() or 0, message.offset() or 0,
            message.timestamp()[1] * 1000, headers,
        )  # fmt: skip
        if raw is None:
            return Given(found, b"")
        try:
            value, headers = self._decode(bytes(raw), headers)
        except CallerError as failure:
            return Given(found, bytes(raw), failure)
        return Given(msgspec.structs.replace(found, value=value, headers=headers), b"")

    def close(self) -> None:
        self._consumer.close()


def _text(data: bytes | str) -> str:
    return data if isinstance(data, str) else bytes(data).decode("utf-8", "backslashreplace")
