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
from hansa.views.sqlite import SqliteDatabase


def kept(log: MemoryLog, registry: SqliteRegistry) -> Keeper:
    log.declare(AUDIT_TOPIC, TopicConfig())
    commits = AwaitableLog(log, asyncio.get_running_loop())
    readers = Readers(dict, lambda _: [], dict)
    return Keeper(commits, registry, Retention(commits, Keep(), readers, RunHistory(SqliteDatabase(), log)))


def seqs(log: MemoryLog) -> list[int]:
    chunks = log.read(AUDIT_TOPIC, 0, 0)
    return [msgspec.msgpack.decode(entry.body)["seq"] for chunk in chunks for entry in entries_of(chunk)]


def test_the_audit_is_mirrored_once_and_in_order() -> None:
    async def mirror() -> list[int]:
        log, registry = MemoryLog(), SqliteRegistry()
        keeper = kept(log, registry)
        for number in range(3):
            registry.record("admin", "run.started", f"a.b:c{number}")
        assert await keeper.mirror() == 3
        registry.record("admin", "run.cancelled", "a.b:c")
        assert await keeper.mirror() == 1
        assert await keeper.mirror() == 0
        registry.close()
        return seqs(log)

    assert asyncio.run(mirror()) == [1, 2, 3, 4]


def test_the_keeper_sleeps_until_there_is_an_entry_and_mirrors_it_at_once() -> None:
    async def told() -> list[int]:
        log, registry = MemoryLog(), SqliteRegistry()
        log.declare(AUDIT_TOPIC, TopicConfig())
        keeper, mirrored = kept(log, registry), asyncio.Event()
        keeper.log.watch(AUDIT_TOPIC, mirrored.set)
        running = asyncio.create_task(keeper.run())
        for number in range(2):
            await asyncio.sleep(0)
            await asyncio.to_thread(registry.record, "admin", "run.started", f"a.b:c{number}")
            async with asyncio.timeout(5):
                await mirrored.wait()
            mirrored.clear()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        registry.record("admin", "run.started", "a.b:d")  # nobody follows any more
        return seqs(log)

    assert asyncio.run(told()) == [1, 2]
