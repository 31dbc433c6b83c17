"""The projector of views: following, waiting, and going on."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_views import Entries, Fragile, Newer, counts

from hansa.errors import OperatorError, Unavailable
from hansa.eventlog.interface import Log
from hansa.eventlog.memory import MemoryLog
from hansa.testing.log_bench import Bench, writing
from hansa.views.bulk import BulkWriter
from hansa.views.group import ViewGroup
from hansa.views.interface import Follower, ViewStatus, shows
from hansa.views.projector import Projector
from hansa.views.sqlite import SqliteDatabase


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
    yield bench
    bench.log.stop()


# The thread


@pytest.fixture
def running(bench: Bench) -> Iterator[tuple[Bench, Projector, ViewGroup]]:
    group = ViewGroup(bench.log, SqliteDatabase(), [Entries(), Fragile()])
    projector = Projector(bench.log.covers, [group])
    projector.start()
    yield bench, projector, group
    projector.stop()


def test_what_a_token_names_can_be_read_after_waiting(running: tuple[Bench, Projector, ViewGroup]) -> None:
    bench, projector, group = running
    for n in range(1, 30):
        (done,) = bench.write(writing(n))
        projector.wait(done.token, 10)
        assert counts(group) == {0: n}


def test_an_event_loop_waits_the_same_way(running: tuple[Bench, Projector, ViewGroup]) -> None:
    bench, projector, group = running

    async def write_and_read() -> dict[int, int]:
        tokens = [done.token for done in bench.write(*[writing(n) for n in range(20)])]
        await asyncio.gather(*[projector.reach(token, 10, "entries") for token in tokens])
        return counts(group)

    assert asyncio.run(write_and_read()) == {0: 20}


def test_waiting_for_a_broken_view_ends_with_its_error(running: tuple[Bench, Projector, ViewGroup]) -> None:
    bench, projector, _ = running
    (done,) = bench.write(writing(1, run="bad"))
    with pytest.raises(OperatorError, match="cannot stand it"):
        projector.wait(done.token, 10, "fragile")
    with pytest.raises(OperatorError, match="cannot stand it"):
        asyncio.run(projector.reach(done.token, 10, "fragile"))
    projector.wait(done.token, 10)


def test_a_token_that_never_comes_ends_the_waiting(running: tuple[Bench, Projector, ViewGroup]) -> None:
    _, projector, _ = running
    with pytest.raises(Unavailable, match="did not catch up") as behind:
        projector.wait("999999", 0.01)
    assert behind.value.code == "view.behind"
    with pytest.raises(Unavailable, match="'entries' did not catch up"):
        asyncio.run(projector.reach("999999", 0.01, "entries"))


class Endless(Follower):
    """A follower that finds something new in each round, as where commits come one by one without a pause."""

    def __init__(self) -> None:
        self.rounds = 0

    def statuses(self) -> list[ViewStatus]:
        return []

    def advance(self) -> bool:
        self.rounds += 1
        time.sleep(0.001)
        return True

    def close(self) -> None:
        """Holds nothing."""


def test_rounds_begin_apart_so_that_commits_gather_and_who_waits_ends_the_rest(bench: Bench) -> None:
    follower = Endless()
    projector = Projector(bench.log.covers, [follower], gather_s=0.1)
    projector.start()
    begun_s = time.monotonic()
    time.sleep(1.0)
    rested, elapsed_s = follower.rounds, time.monotonic() - begun_s
    for _ in range(40):
        projector.hurry()
        time.sleep(0.02)
    hurried = follower.rounds - rested
    projector.stop()
    assert 3 <= rested <= elapsed_s / 0.1 + 2
    assert hurried >= 20


def test_a_loop_that_was_closed_does_not_stop_the_projector(running: tuple[Bench, Projector, ViewGroup]) -> None:
    bench, projector, group = running
    loop = asyncio.new_event_loop()
    abandoned = loop.create_task(projector.reach("1", 10))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    for n in range(1, 3):
        (done,) = bench.write(writing(n))
        projector.wait(done.token, 10)
        assert counts(group) == {0: n}
    abandoned._log_destroy_pending = False  # type: ignore[attr-defined]


def test_stopping_applies_what_is_committed(bench: Bench, tmp_path: Path) -> None:
    projector = Projector(bench.log.covers, [ViewGroup(bench.log, SqliteDatabase(tmp_path / "views.db"), [Entries()])])
    projector.start()
    bench.write(writing(1), writing(2))
    projector.stop()
    group = ViewGroup(bench.log, SqliteDatabase(tmp_path / "views.db"), [Entries()])
    assert counts(group) == {0: 2}
    group.close()


class Flaky(Follower):
    """Fails until it is mended."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.mended = False
        self.done = False

    def advance(self) -> bool:
        if not self.mended:
            raise OSError("no space left")
        self.done = True
        return False

    def statuses(self) -> list[ViewStatus]:
        return [ViewStatus("flaky", 1, "1" if self.done else "")]

    def close(self) -> None:
        self.done = False


def test_a_follower_that_fails_is_tried_again_and_says_why(bench: Bench) -> None:
    flaky, entries = Flaky(bench.log), ViewGroup(bench.log, SqliteDatabase(), [Entries()])
    projector = Projector(bench.log.covers, [flaky, entries], retry_s=0.01)
    projector.start()
    (done,) = bench.write(writing(1))
    with pytest.raises(Unavailable, match="no space left"):
        projector.wait(done.token, 0.05)
    assert shows(entries.statuses(), bench.log.covers, done.token, "entries")
    flaky.mended = True
    projector.wait(done.token, 10)
    assert projector.failures() == []
    projector.stop()


def test_a_follower_may_be_added_while_it_runs(running: tuple[Bench, Projector, ViewGroup]) -> None:
    bench, projector, _ = running
    (done,) = bench.write(writing(1))
    late = ViewGroup(bench.log, SqliteDatabase(), [Newer()])
    projector.add(late)
    projector.wait(done.token, 10)
    assert counts(late) == {0: 1}


# Many rows in few statements


def test_rows_are_written_in_order_whatever_their_number() -> None:
    for number in (0, 1, 2, 127, 128, 129, 300):
        db = sqlite3.connect(":memory:", isolation_level=None)
        db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER)")
        BulkWriter("INSERT INTO t (b, a)", 2).write(db, [(n * 2, n) for n in range(number)])
        assert db.execute("SELECT a, b FROM t").fetchall() == [(n, n * 2) for n in range(number)]
        db.close()


def test_the_last_of_several_rows_of_a_key_stands() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER)")
    BulkWriter("INSERT INTO t", 2, "ON CONFLICT DO UPDATE SET b = excluded.b").write(db, [(1, n) for n in range(200)])
    assert db.execute("SELECT b FROM t").fetchall() == [(199,)]
    db.close()
