"""Every log passes the suite that `hansa.testing` ships."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hansa.eventlog.interface import Chunk, Log, Partition, TopicConfig
from hansa.eventlog.kafka import KafkaLog
from hansa.eventlog.kafka_copy import Copy
from hansa.eventlog.kafka_reading import KafkaLogReader
from hansa.eventlog.memory import MemoryLog
from hansa.eventlog.ownership import Address, Ownership
from hansa.eventlog.shared import SharedLog
from hansa.eventlog.sqlite import SqliteLog
from hansa.eventlog.sqlite_reading import SqliteLogReader
from hansa.testing.conformance_eventlog import DurableLogConformance, LogConformance


class TestMemoryLog(LogConformance):
    def open(self, folder: Path, clock_us: Callable[[], int]) -> Log:
        return MemoryLog(clock_us=clock_us)


class TestSqliteLog(DurableLogConformance):
    def open(self, folder: Path, clock_us: Callable[[], int]) -> Log:
        return SqliteLog(folder, clock_us=clock_us)


class ReadFromOutside(SqliteLog):
    """Written as ever, but read as another process reads it: through the file alone."""

    def __init__(self, folder: Path, *, clock_us: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        super().__init__(folder, clock_us=clock_us)
        self._outside = SqliteLogReader(folder)

    def topics(self) -> dict[str, TopicConfig]:
        return self._outside.topics()

    def read(self, topic: str, partition: int, position: int, *, max_bytes: int = 1 << 20) -> list[Chunk]:
        return self._outside.read(topic, partition, position, max_bytes=max_bytes)

    def changes(self, cursor: str, *, max_bytes: int = 4 << 20) -> tuple[list[Chunk], str]:
        return self._outside.changes(cursor, max_bytes=max_bytes)

    def now(self) -> str:
        return self._outside.now()

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return self._outside.bounds(topic, partition)

    def find(self, topic: str, partition: int, time_us: int) -> int:
        return self._outside.find(topic, partition, time_us)

    def stop(self) -> None:
        super().stop()
        self._outside.close()


class TestSqliteLogReader(DurableLogConformance):
    def open(self, folder: Path, clock_us: Callable[[], int]) -> Log:
        return ReadFromOutside(folder, clock_us=clock_us)


class TestKafkaLog(DurableLogConformance):
    @pytest.fixture(autouse=True)
    def _broker(self, kafka_address: str) -> None:
        self._settings = {"bootstrap.servers": kafka_address, "log_level": 2}

    def open(self, folder: Path, clock_us: Callable[[], int]) -> Log:
        name = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
        return KafkaLog(self._settings, name, clock_us=clock_us)


class FollowedFromOutside(KafkaLog):
    """Written as ever, but read as another node reads it, when that one knows the last transaction."""

    def __init__(self, settings: dict[str, Any], name: str, *, clock_us: Callable[[], int]) -> None:
        super().__init__(settings, name, clock_us=clock_us)
        self._copy_outside = Copy()
        self._outside = KafkaLogReader(settings, name, self._copy_outside)

    def _seen(self) -> KafkaLogReader:
        assert self._outside.reach(self.mark, 10)
        return self._outside

    def topics(self) -> dict[str, TopicConfig]:
        return self._seen().topics()

    def read(self, topic: str, partition: int, position: int, *, max_bytes: int = 1 << 20) -> list[Chunk]:
        return self._seen().read(topic, partition, position, max_bytes=max_bytes)

    def changes(self, cursor: str, *, max_bytes: int = 4 << 20) -> tuple[list[Chunk], str]:
        return self._seen().changes(cursor, max_bytes=max_bytes)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return self._seen().bounds(topic, partition)

    def find(self, topic: str, partition: int, time_us: int) -> int:
        return self._seen().find(topic, partition, time_us)

    def get(self, scope: str, key: str) -> bytes | None:
        return self._seen().get(scope, key)

    def scan(self, scope: str) -> Iterator[tuple[str, bytes]]:
        return self._seen().scan(scope)

    def position(self, group: str, topic: str, partition: int) -> int | None:
        return self._seen().position(group, topic, partition)

    def positions(self, group: str) -> dict[Partition, int]:
        return self._seen().positions(group)

    def stop(self) -> None:
        super().stop()
        self._outside.close()
        self._copy_outside.close()


class TestKafkaLogReader(TestKafkaLog):
    def open(self, folder: Path, clock_us: Callable[[], int]) -> Log:
        name = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
        return FollowedFromOutside(self._settings, name, clock_us=clock_us)


class Appointed(Ownership):
    """Who is told to be the owner is it."""

    def __init__(self, address: Address | None = None) -> None:
        self._address = address

    def take(self) -> bool:
        return self._address is None

    def release(self) -> None: ...

    def owner(self) -> Address | None:
        return self._address


class OfAnotherNode(SharedLog):
    """A node that is not the owner; the owner beside it comes and goes with it."""

    def __init__(self, settings: dict[str, Any], name: str, folder: Path, clock_us: Callable[[], int]) -> None:
        here: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "key": b"key", "clock_us": clock_us}
        self._other = SharedLog(settings, name, "owner", Appointed(), folder=folder / "owner", **here)
        self._other.own()
        self._other.start(lambda _: None)
        there = Address("127.0.0.1", self._other.port)
        super().__init__(settings, name, "node", Appointed(there), folder=folder / "node", **here)
        self.own()

    def stop(self) -> None:
        super().stop()
        self._other.stop()


class TestSharedLog(TestKafkaLog):
    def open(self, folder: Path, clock_us: Callable[[], int]) -> Log:
        name = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
        return OfAnotherNode(self._settings, name, folder, clock_us)
