"""The audit goes into the log once and in order; retention takes what is older than a topic keeps."""

from __future__ import annotations

import asyncio

import msgspec

from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Append, CommitSet, TopicConfig, encode_entry, entries_of
from hansa.eventlog.memory import MemoryLog
from hansa.lifecycle.keeper import Keeper, retain
from hansa.model.run import AUDIT_TOPIC
from hansa.registry.sqlite import SqliteRegistry


def test_the_audit_is_mirrored_once_and_in_order() -> None:
    async def mirror() -> list[int]:
        log, registry = MemoryLog(), SqliteRegistry()
        log.declare(AUDIT_TOPIC, TopicConfig())
        keeper = Keeper(AwaitableLog(log, asyncio.get_running_loop()), registry)
        for number in range(3):
            registry.record("admin", "run.started", f"a.b:c{number}")
        assert await keeper.mirror() == 3
        registry.record("admin", "run.cancelled", "a.b:c")
        assert await keeper.mirror() == 1
        assert await keeper.mirror() == 0
        registry.close()
        chunks = log.read(AUDIT_TOPIC, 0, 0)
        return [msgspec.msgpack.decode(entry.body)["seq"] for chunk in chunks for entry in entries_of(chunk)]

    assert asyncio.run(mirror()) == [1, 2, 3, 4]


def test_retention_keeps_what_is_younger() -> None:
    now_us = [1_000_000]
    log = MemoryLog(clock_us=lambda: now_us[0])
    log.start(lambda _: None)
    log.declare("kept", TopicConfig())
    log.declare("short", TopicConfig(retention_s=10.0))
    for second in range(30):
        now_us[0] = (second + 1) * 1_000_000
        for topic in ("kept", "short"):
            log.submit(CommitSet(appends=(Append(topic, 0, 1, encode_entry(None, second), {}),)), None)
    retain(log, 30_000_000)
    assert log.bounds("kept", 0) == (0, 30)
    assert log.bounds("short", 0) == (19, 30)
