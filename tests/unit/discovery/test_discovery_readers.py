"""Who reads a port: what the meter counts and keeps, and what runs tell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import count

import pytest

from hansa.discovery.lineage import LineageView
from hansa.discovery.readers import ALL, Meter, Readers, scope_of
from hansa.errors import CallerError, Unavailable
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Append, CommitSet, TopicConfig, encode_entry
from hansa.eventlog.memory import MemoryLog
from hansa.model.run import RunEntry
from hansa.testing.log_bench import Bench
from hansa.views.group import ViewGroup
from hansa.views.sqlite import SqliteDatabase

PORT = "ops.flights/departures@1"


@pytest.fixture
def log() -> Iterator[MemoryLog]:
    log = MemoryLog()
    yield log
    log.stop()


def metered(log: MemoryLog, use: Callable[[Meter], Awaitable[None]]) -> None:
    """Works with a meter whose clock counts from 1."""

    async def work() -> None:
        ticks = count(1)
        await use(Meter(AwaitableLog(log, asyncio.get_running_loop()), lambda: next(ticks)))

    asyncio.run(work())


def test_reads_are_added_up_and_stored_together(log: MemoryLog) -> None:
    async def use(meter: Meter) -> None:
        meter.note(PORT, "ann", "t1", ["origin"])
        meter.note(PORT, "ann", "t1", ["delay_min"])
        meter.note(PORT, "bob", None)
        assert list(log.scan(scope_of(PORT))) == []
        await meter.store()
        meter.note(PORT, "ann", "t1", ["origin"])
        ann, bob = meter.known(PORT)["ann", "t1"], meter.known(PORT)["bob", ""]
        assert (ann.count, ann.last_us, ann.fields) == (3, 4, {"origin": 4, "delay_min": 2})
        assert (bob.count, bob.fields) == (1, {ALL: 3})
        await meter.store()
        assert [key for key, _ in log.scan(scope_of(PORT))] == ["ann t1", "bob "]
        assert meter.known(PORT)["ann", "t1"] == ann
        assert meter.known("ops.flights/other@1") == {}

    metered(log, use)


def test_what_cannot_be_stored_is_kept_for_the_next_time(log: MemoryLog) -> None:
    async def use(meter: Meter) -> None:
        meter.note(PORT, "ann", "t1")
        log.stop()
        with pytest.raises(Unavailable):
            await meter.store()
        assert meter.known(PORT)["ann", "t1"].count == 1

    metered(log, use)


def test_two_nodes_that_count_at_once_lose_no_read(log: MemoryLog) -> None:
    """What the other one stored between reading and writing is not overwritten."""

    async def use(meter: Meter) -> None:
        other = Meter(AwaitableLog(log, asyncio.get_running_loop()), lambda: 9)
        for one in (meter, other):
            one.note(PORT, "ann", "t1")
        stored = await asyncio.gather(meter.store(), other.store(), return_exceptions=True)
        assert [type(failure) for failure in stored if failure is not None] in ([], [CallerError])
        await asyncio.gather(meter.store(), other.store())
        assert meter.known(PORT)["ann", "t1"].count == 2

    metered(log, use)


def test_processes_are_readers_by_their_runs_and_the_latest_comes_first() -> None:
    bench = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
    bench.log.declare("_runs", TopicConfig())
    group = ViewGroup(bench.log, SqliteDatabase(), [LineageView()])
    for number, process in ((1, "load"), (9, "load"), (5, "join")):
        reads = [(PORT, 0, 0, 2)] if process == "load" else [(PORT, 0, -1, 7)]
        entry = RunEntry(f"r{number}", "succeeded", "ana.delays", "abc", process, finished_us=number, reads=reads)
        bench.write(CommitSet((Append("_runs", 0, 1, encode_entry(entry.id, entry), {}),)))
    while group.advance():
        pass

    async def use() -> None:
        meter = Meter(AwaitableLog(MemoryLog(), asyncio.get_running_loop()), lambda: 7)
        meter.note(PORT, "ann", "t1", ["origin"])
        found = Readers(meter, group.store).readers(PORT)
        told = [(reader.who, reader.kind, reader.last_us, reader.count) for reader in found]
        assert told == [
            ("ana.delays:load", "process", 9, 2),
            ("ann", "account", 7, 1),
            ("ana.delays:join", "process", 5, 1),
        ]

    asyncio.run(use())
    group.close()
    bench.log.stop()
