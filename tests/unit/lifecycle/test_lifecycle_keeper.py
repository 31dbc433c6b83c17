"""The audit goes into the log once and in order."""

from __future__ import annotations

import asyncio

import msgspec

from hansa.discovery.runs import RunHistory
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import TopicConfig, entries_of
from hansa.eventlog.memory import MemoryLog
from hansa.lifecycle.keeper import Keeper
from hansa.lifecycle.retention import Keep, Readers, Retention
from hansa.model.run import AUDIT_TOPIC
from hansa.registry.sqlite import SqliteRegistry
from hansa.views.store import ViewStore


def test_the_audit_is_mirrored_once_and_in_order() -> None:
    async def mirror() -> list[int]:
        log, registry = MemoryLog(), SqliteRegistry()
        log.declare(AUDIT_TOPIC, TopicConfig())
        commits = AwaitableLog(log, asyncio.get_running_loop())
        readers = Readers(dict, lambda _: [], dict)
        retention = Retention(commits, Keep(), readers, RunHistory(ViewStore(None), log))
        keeper = Keeper(commits, registry, retention)
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
