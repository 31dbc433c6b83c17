"""Reading a stream port: order, resuming, filters, and following it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from hansa.errors import CallerError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Append, Chunk, CommitSet, TopicConfig, encode_entry
from hansa.eventlog.memory import MemoryLog
from hansa.eventlog.sqlite import SqliteLog
from hansa.outputs.stream import Page, cursor_text, follow, read, record_condition, start
from hansa.testing.log_bench import Bench

PORT, WIDE = "ops.flights/departures@1", "ops.flights/wide@1"


def commit(*entries: tuple[int, str | None, Any], port: str = PORT) -> CommitSet:
    """One set with the entries (partition, key, value)."""
    return CommitSet(
        tuple(Append(port, partition, 1, encode_entry(key, value), {"run": "r"}) for partition, key, value in entries)
    )


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
    bench.log.declare(PORT, TopicConfig())
    bench.log.declare(WIDE, TopicConfig(partitions=3))
    yield bench
    bench.log.stop()


def values(page: Page) -> list[Any]:
    return [record.value for record in page.records]


def test_records_come_with_what_is_known_of_them(bench: Bench) -> None:
    bench.write(commit((0, "k", {"a": 1})), commit((0, None, None)))
    page = read(bench.log, PORT, {})
    assert page.records == [(1_000_000, 0, 0, "k", {"a": 1}, "r"), (1_000_001, 0, 1, None, None, "r")]
    assert (page.cursor, page.more) == ({0: 2}, False)


def test_reading_goes_on_behind_the_cursor_even_amid_a_chunk(bench: Bench) -> None:
    body = b"".join(encode_entry("k", n) for n in range(7))
    bench.write(CommitSet((Append(PORT, 0, 7, body, {}),)))
    cursor, seen = {}, []
    for size, more in ((3, True), (2, True), (2, False), (0, False)):
        page = read(bench.log, PORT, cursor, size or 1)
        assert (len(page.records), page.more) == (size, more)
        cursor, seen = page.cursor, seen + values(page)
    assert seen == list(range(7))


def test_partitions_are_merged_by_time(bench: Bench) -> None:
    rng, written = random.Random(1), []
    for n in range(60):
        bench.now_us += 1
        partitions = sorted(rng.sample(range(3), rng.randrange(1, 4)))
        bench.write(commit(*[(p, None, [n, p]) for p in partitions], port=WIDE))
        written += [[n, p] for p in partitions]
    cursor: dict[int, int] = {}
    seen: list[Any] = []
    while (page := read(bench.log, WIDE, cursor, 4)).records:
        cursor = page.cursor
        seen += values(page)
    assert seen == written


class Racing(MemoryLog):
    """A log to which others write while it is read: `between` is called when the end of partition 0 is met."""

    between: Any = None

    def read(self, topic: str, partition: int, position: int, *, max_bytes: int = 1 << 20) -> list[Chunk]:
        found = super().read(topic, partition, position, max_bytes=max_bytes)
        if not found and partition == 0 and self.between is not None:
            act, self.between = self.between, None
            act()
        return found


def test_a_transaction_between_two_partitions_is_never_seen_by_half() -> None:
    bench = Bench(lambda clock_us: Racing(clock_us=clock_us))
    bench.log.declare(WIDE, TopicConfig(partitions=2))
    bench.write(commit((1, None, "first"), port=WIDE))
    bench.now_us += 1
    bench.log.between = lambda: bench.write(commit((0, None, "a"), (1, None, "b"), port=WIDE))  # type: ignore[attr-defined]
    page = read(bench.log, WIDE, {})
    assert (values(page), page.more) == (["first"], True)
    assert values(read(bench.log, WIDE, page.cursor)) == ["a", "b"]
    bench.log.stop()


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("dep_delay > 10", [1, 3]),
        ("dep_delay > 10 and origin = JFK", [3]),
        ("origin ~ 'E*'", [1]),
        ({"field": "leg.to", "value": "LAX"}, [3]),
        ("dep_delay = null", [2, 4]),
        (None, [0, 1, 2, 3, 4]),
    ],
)
def test_a_filter_keeps_what_fits(bench: Bench, where: Any, found: list[int]) -> None:
    records: list[Any] = [
        {"n": 0, "dep_delay": 2}, {"n": 1, "dep_delay": 20, "origin": "EWR"}, {"n": 2, "origin": "LGA"},
        {"n": 3, "dep_delay": 30.5, "origin": "JFK", "leg": {"to": "LAX"}}, {"n": 4, "dep_delay": None},
    ]  # fmt: skip
    bench.write(*[commit((0, None, record)) for record in records])
    page = read(bench.log, PORT, {}, where=record_condition(where))
    assert [record["n"] for record in values(page)] == found
    assert page.cursor == {0: 5}


def test_a_filter_that_nothing_fits_gives_way_in_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hansa.outputs.stream.SCAN_MAX", 4)
    bench.write(*[commit((0, None, {"n": n})) for n in range(6)])
    page = read(bench.log, PORT, {}, where=record_condition("n=5"))
    assert page == ([], {0: 4}, True)
    assert values(read(bench.log, PORT, page.cursor, where=record_condition("n=5"))) == [{"n": 5}]


@pytest.mark.parametrize(
    ("where", "cursor"),
    [
        ("earliest", {0: 1, 1: 0, 2: 0}),
        ("latest", {0: 3, 1: 0, 2: 1}),
        ("0:2,2:1", {0: 2, 1: 0, 2: 1}),
        ("1970-01-01T00:00:01.000002Z", {0: 2, 1: 0, 2: 1}),
    ],
)
def test_where_reading_may_begin(bench: Bench, where: str, cursor: dict[int, int]) -> None:
    for n in range(3):
        bench.write(commit((0, None, n), *[(2, None, n)] * (n == 1), port=WIDE))
        bench.now_us += 1
    bench.log.trim(WIDE, 0, 1)
    assert start(bench.log, WIDE, where) == cursor
    assert start(bench.log, WIDE, cursor_text(cursor)) == cursor


def test_a_port_of_one_partition_takes_a_bare_position(bench: Bench) -> None:
    assert start(bench.log, PORT, "17") == {0: 17}


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda log: start(log, WIDE, "17"), "position.malformed"),
        (lambda log: start(log, PORT, "soon"), "position.malformed"),
        (lambda log: start(log, "ops.flights/none@1", "earliest"), "topic.unknown"),
        (lambda log: read(log, "ops.flights/none@1", {}), "topic.unknown"),
        (lambda log: read(log, PORT, {}, 0), "query.malformed"),
        (lambda log: read(log, PORT, {}), "position.expired"),
        (lambda log: record_condition("a.b'=1"), "query.malformed"),
        (lambda log: record_condition("a b=1"), "query.malformed"),
    ],
)
def test_what_cannot_be_read_is_refused(bench: Bench, act: Any, code: str) -> None:
    bench.write(commit((0, None, 1)), commit((0, None, 2)))
    bench.log.trim(PORT, 0, 1)
    with pytest.raises(CallerError) as refused:
        act(bench.log)
    assert refused.value.code == code


def test_followers_get_each_record_once_as_it_comes(tmp_path: Path) -> None:
    async def main() -> list[Any]:
        log = SqliteLog(tmp_path)
        log.declare(PORT, TopicConfig())
        awaitable = AwaitableLog(log, asyncio.get_running_loop())
        await awaitable.commit(commit((0, None, 0)))
        seen: list[Any] = []
        async with asyncio.timeout(20), aclosing(follow(awaitable, PORT, {})) as pages:
            async for page in pages:
                seen += values(page)
                if len(seen) == 10:
                    break
                await awaitable.commit(commit((0, None, len(seen))))
        awaitable.log.stop()
        return seen

    assert asyncio.run(main()) == list(range(10))


def test_a_follower_without_anything_new_does_not_read() -> None:
    class Counting(MemoryLog):
        reads = 0

        def read(self, topic: str, partition: int, position: int, *, max_bytes: int = 1 << 20) -> list[Chunk]:
            self.reads += 1
            return super().read(topic, partition, position, max_bytes=max_bytes)

    async def main() -> tuple[list[Any], int]:
        log = Counting()
        log.declare(PORT, TopicConfig())
        awaitable = AwaitableLog(log, asyncio.get_running_loop())
        async with aclosing(follow(awaitable, PORT, {})) as pages:
            waiting = asyncio.ensure_future(anext(pages))
            await awaitable.commit(commit((0, None, 0)))
            seen = values(await waiting)
            waiting = asyncio.ensure_future(anext(pages))
            for _ in range(50):
                await asyncio.to_thread(lambda: None)
            await awaitable.commit(commit((0, None, 1)))
            return seen + values(await waiting), log.reads

    seen, reads = asyncio.run(main())
    assert seen == [0, 1]
    assert reads <= 8


def test_a_follower_that_ends_watches_no_more(tmp_path: Path) -> None:
    async def main() -> int:
        log = MemoryLog()
        log.declare(PORT, TopicConfig())
        awaitable = AwaitableLog(log, asyncio.get_running_loop())
        woken = 0
        watch = awaitable.watch

        def counting(topic: str, wake: Any) -> Any:
            def count() -> None:
                nonlocal woken
                woken += 1
                wake()

            return watch(topic, count)

        awaitable.watch = counting  # type: ignore[method-assign]
        await awaitable.commit(commit((0, None, 0)))
        async with aclosing(follow(awaitable, PORT, {})) as pages:
            await anext(pages)
            await awaitable.commit(commit((0, None, 1)))
        await awaitable.commit(commit((0, None, 2)))
        return woken

    assert asyncio.run(main()) == 1
