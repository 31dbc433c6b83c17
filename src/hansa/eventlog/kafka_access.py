"""Whether a cluster lets this node in, and whether its user may do there what a log needs: found out at the start, so
that it is said in words and not by what would fail later."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from hansa.errors import HansaError, OperatorError
from hansa.eventlog.kafka_client import READERS_GROUP, START_S, denied, unavailable
from hansa.eventlog.kafka_topics import LOG_RIGHTS, Topics

ASK_S: Final = 1.0


def prepare(settings: Mapping[str, Any], topic: str, replication: int) -> None:
    """Has the topic of a log's facts, once this node is let in and may do what it needs. Raises `OperatorError`:
    `log.settings`, `kafka.denied`, `kafka.untrusted`, `kafka.unfit`; or `Unavailable("log.unreachable")`."""
    _reach(settings, topic)
    topics = Topics(settings, replication)
    topics.ensure(topic, 1)
    topics.require(topic, LOG_RIGHTS)
    topics.require_group(READERS_GROUP)


def _reach(settings: Mapping[str, Any], topic: str) -> None:
    """Returns once a broker has answered."""
    heard: list[KafkaError] = []
    with _taken():
        given: dict[str, Any] = {**settings, "error_cb": heard.append}
        admin = AdminClient(given)
    until_s = time.monotonic() + START_S
    while True:
        try:
            admin.list_topics(topic, timeout=ASK_S)
            return
        except KafkaException as failure:
            admin.poll(0)  # brings what was heard
            refusal = next(filter(None, map(_refusal, heard)), None)
            if refusal is not None:
                raise refusal from failure
            if time.monotonic() > until_s:
                raise unavailable(heard[0].str() if heard else failure.args[0].str()) from failure


@contextlib.contextmanager
def _taken() -> Iterator[None]:
    try:
        yield
    except (KafkaException, ValueError, TypeError) as failure:
        told = failure.args[0]
        raise OperatorError(
            "log.settings",
            f"Kafka's client does not take its settings: {told.str() if isinstance(told, KafkaError) else told}",
            hint="See the file that HANSA_KAFKA_SETTINGS names; a line reads name=value, as librdkafka calls it.",
        ) from failure


def _refusal(error: KafkaError) -> HansaError | None:
    """Why this node is not let in; None where it may still be."""
    why = error.str().partition(" (after ")[0]
    if error.code() == KafkaError._AUTHENTICATION:
        return denied(why, "See sasl.username, sasl.password and sasl.mechanism in HANSA_KAFKA_SETTINGS.")
    if error.code() == KafkaError._SSL:
        return OperatorError(
            "kafka.untrusted",
            f"Kafka: {why}",
            hint="See ssl.ca.location in HANSA_KAFKA_SETTINGS: the certificate of who signed those of the brokers.",
        )
    return None
