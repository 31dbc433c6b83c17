"""Which log a Hansa has: a file of its own, or one in Kafka that it shares."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hansa.bootstrap.place import Place
from hansa.errors import OperatorError
from hansa.eventlog.ownership import Ownership
from hansa.eventlog.sqlite import SqliteLog
from hansa.eventlog.sqlite_reading import SqliteLogReader

if TYPE_CHECKING:
    from hansa.eventlog.kafka_image import KafkaImage
    from hansa.eventlog.kafka_reading import KafkaLogReader
    from hansa.eventlog.shared import SharedLog


def open_log(data: Path) -> SqliteLog:
    """The log of a Hansa that is alone."""
    return SqliteLog(data)


def open_shared(
    data: Path,
    place: Place,
    ownership: Ownership,
    pepper: bytes,
    clock_us: Callable[[], int],
    changed: Callable[[], None],
) -> SharedLog:
    """The log in Kafka. Raises `OperatorError` (`log.address`, `log.driver`, and what Kafka says)."""
    settings, name = place.kafka_log()
    try:
        from hansa.eventlog.shared import SharedLog
    except ImportError as failure:
        raise _no_driver() from failure
    return SharedLog(
        settings, name, place.node, ownership,
        host=place.listen, port=place.channel, key=hmac.digest(pepper, b"channel", "sha256"),
        folder=data / "log-copy", replication=place.replication, clock_us=clock_us, changed=changed,
    )  # fmt: skip


def open_reader(data: Path, place: Place) -> SqliteLogReader | KafkaLogReader:
    """Reads the log from another process."""
    if not place.is_shared:
        return SqliteLogReader(data)
    try:
        from hansa.eventlog.kafka_copy import Copy
        from hansa.eventlog.kafka_reading import KafkaLogReader
    except ImportError as failure:
        raise _no_driver() from failure
    return KafkaLogReader(*place.kafka_log(), Copy(data / "views-log-copy"))


def open_image(place: Place) -> KafkaImage:
    """The whole log in Kafka, for who moves it; whoever has it is fenced off."""
    settings, name = place.kafka_log()
    try:
        from hansa.eventlog.kafka_access import prepare
        from hansa.eventlog.kafka_image import KafkaImage
        from hansa.eventlog.kafka_reading import facts_topic
    except ImportError as failure:
        raise _no_driver() from failure
    prepare(settings, facts_topic(name), place.replication)
    return KafkaImage(settings, name, replication=place.replication)


def _no_driver() -> OperatorError:
    return OperatorError(
        "log.driver",
        "HANSA_LOG needs the package confluent-kafka, which is not installed",
        hint="pip install 'hansa[kafka]'",
    )
