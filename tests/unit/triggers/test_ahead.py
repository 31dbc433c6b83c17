"""Reading ahead: one reading serves many batches, but not for long."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from hansa.eventlog.interface import CommitSet, split
from hansa.eventlog.memory import MemoryLog
from hansa.testing.log_bench import Bench, writing
from hansa.triggers.ahead import HELD_S, Ahead
from hansa.triggers.batches import Batch


@pytest.fixture
def bench() -> Iterator[Bench]:
    found = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
    found.write(writing(1, 2, 3, 4, 5, subject="ann"))
    yield found
    found.log.stop()


class Reading:
    """Batches of two, by a clock that stands."""

    def __init__(self, bench: Bench) -> None:
        self.now_s = 100.0
        self.executor = ThreadPoolExecutor(1)
        self._ahead = Ahead(bench.log, "t", 0, 2, None, self.executor, monotonic=lambda: self.now_s)

    def at(self, position: int) -> tuple[list[Any], int] | None:
        batch: Batch | None = asyncio.run(self._ahead.behind(position))
        if batch is None:
            return None
        entries = [entry for part in batch.records for entry in split(part.entries, part.count)]
        return [msgspec.msgpack.decode(body) for _, body in entries], batch.behind


def test_batches_come_one_behind_the_other(bench: Bench) -> None:
    reading = Reading(bench)
    assert [reading.at(position) for position in (0, 2, 4, 5)] == [([1, 2], 2), ([3, 4], 4), ([5], 5), None]


def test_what_is_written_later_is_read_when_it_is_there(bench: Bench) -> None:
    reading = Reading(bench)
    assert reading.at(5) is None
    bench.write(writing(6))
    assert reading.at(5) == ([6], 6)


def test_who_has_read_everything_takes_no_thread(bench: Bench) -> None:
    reading = Reading(bench)
    reading.executor.shutdown()
    assert reading.at(5) is None


def test_a_position_that_moved_otherwise_is_read_anew(bench: Bench) -> None:
    reading = Reading(bench)
    reading.at(0)
    assert reading.at(3) == ([4, 5], 5)
    assert reading.at(0) == ([1, 2], 2)


def test_what_was_forgotten_is_not_worked_later_than_it_may_be_held(bench: Bench) -> None:
    reading = Reading(bench)
    reading.at(0)
    bench.write(CommitSet(forgets=("ann",)))
    reading.now_s += HELD_S + 0.1
    assert reading.at(2) == ([], 5)


def test_what_retention_took_is_passed_over(bench: Bench) -> None:
    bench.write(writing(6, 7))
    bench.log.trim("t", 0, 5)
    assert Reading(bench).at(0) == ([6, 7], 7)
