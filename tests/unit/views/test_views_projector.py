"""The projector and the group of views in one file: following, waiting, breaking, rebuilding."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hansa.errors import OperatorError, Unavailable
from hansa.eventlog.interface import Chunk, CommitSet, Log, TopicConfig
from hansa.eventlog.memory import MemoryLog
from hansa.model.run import KEEPING_TOPIC
from hansa.testing.log_bench import Bench, writing
from hansa.views.bulk import BulkWriter
from hansa.views.group import ViewGroup, outlived
from hansa.views.interface import Follower, View, ViewStatus, shows
from hansa.views.keeping import Order, Rebuild, order_append
from hansa.views.projector import Projector


class Entries(View):
    """Counts entries of the topic `t` by partition."""

    name = "entries"
    version = 1
    tables = ("entries",)
    schema = ("CREATE TABLE entries (partition INTEGER PRIMARY KEY, count INTEGER)",)

    def follows(self, topic: str) -> bool:
        return topic == "t"

    def apply(self, db: sqlite3.Connection, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            db.execute(
                "INSERT INTO entries VALUES (?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
                (chunk.partition, chunk.count),
            )

    def keep(self, db: sqlite3.Connection, order: Order) -> None:
        """Nothing: it holds no more than numbers."""


class Newer(Entries):
    version = 2


class Fragile(Entries):
    """Cannot stand entries of a run named `bad`, but writes a row before it says so."""

    name = "fragile"
    tables = ("fragile",)
    schema = ("CREATE TABLE fragile (partition INTEGER, count INTEGER)",)

    def apply(self, db: sqlite3.Connection, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            db.execute("INSERT INTO fragile VALUES (?, ?)", (chunk.partition, chunk.count))
            if chunk.header.get("run") == "bad":
                raise ValueError("cannot stand it")


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
    yield bench
    bench.log.stop()


@pytest.fixture(params=["memory", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return None if request.param == "memory" else tmp_path / "views.db"


def order(bench: Bench, *orders: Order) -> None:
    bench.log.declare(KEEPING_TOPIC, TopicConfig())
    bench.write(CommitSet((order_append(*orders),)))


def settle(group: ViewGroup) -> None:
    while group.advance():
        pass


def counts(group: ViewGroup, table: str = "entries") -> dict[int, int]:
    with group.store.reading() as db:
        return dict(db.execute(f"SELECT partition, SUM(count) FROM {table} GROUP BY partition"))


def test_a_view_follows_the_log_and_goes_on_where_it_stood(bench: Bench, place: Path | None) -> None:
    group = ViewGroup(bench.log, place, [Entries()])
    bench.write(writing(1, 2), writing(3, partition=1))
    settle(group)
    bench.write(writing(4))
    settle(group)
    assert counts(group) == {0: 3, 1: 1}
    group.close()


def test_a_view_of_a_file_goes_on_after_it_was_closed(bench: Bench, tmp_path: Path) -> None:
    first = ViewGroup(bench.log, tmp_path / "views.db", [Entries()])
    bench.write(writing(1, 2))
    settle(first)
    first.close()
    bench.write(writing(3))
    second = ViewGroup(bench.log, tmp_path / "views.db", [Entries()])
    settle(second)
    assert counts(second) == {0: 3}
    second.close()


def test_a_view_that_raises_is_broken_alone_and_keeps_what_it_had(bench: Bench, place: Path | None) -> None:
    group = ViewGroup(bench.log, place, [Fragile(), Entries()])
    bench.write(writing(1))
    settle(group)
    (done,) = bench.write(writing(2, run="bad"))
    bench.write(writing(3))
    settle(group)
    assert counts(group, "fragile") == {0: 1}
    assert counts(group) == {0: 3}
    assert [status.error for status in group.statuses()] == [None, "ValueError: cannot stand it"]
    assert shows(group.statuses(), bench.log.covers, bench.log.now(), None)
    with pytest.raises(OperatorError, match="cannot stand it") as broken:
        shows(group.statuses(), bench.log.covers, done.token, "fragile")
    assert broken.value.code == "view.broken"
    group.close()


def test_a_broken_view_is_tried_again_when_it_is_opened(bench: Bench, tmp_path: Path) -> None:
    group = ViewGroup(bench.log, tmp_path / "views.db", [Fragile(), Entries()])
    bench.write(writing(1), writing(2, run="bad"))
    settle(group)
    group.close()

    class Mended(Fragile):
        def apply(self, db: sqlite3.Connection, chunks: Sequence[Chunk]) -> None:
            db.executemany("INSERT INTO fragile VALUES (?, ?)", [(c.partition, c.count) for c in chunks])

    mended = ViewGroup(bench.log, tmp_path / "views.db", [Mended()])
    settle(mended)
    assert counts(mended, "fragile") == {0: 2}
    mended.close()


def test_a_changed_version_is_rebuilt(bench: Bench, tmp_path: Path) -> None:
    old = ViewGroup(bench.log, tmp_path / "views.db", [Entries()])
    bench.write(writing(1))
    settle(old)
    with old.store.writing() as db:
        db.execute("UPDATE entries SET count = 99")
    old.close()
    new = ViewGroup(bench.log, tmp_path / "views.db", [Newer()])
    settle(new)
    assert counts(new) == {0: 1}
    assert new.statuses()[0].version == 2
    new.close()


def test_a_view_ahead_of_a_restored_log_is_rebuilt(bench: Bench, tmp_path: Path) -> None:
    group = ViewGroup(bench.log, tmp_path / "views.db", [Entries()])
    bench.write(writing(1), writing(2))
    settle(group)
    group.close()
    restored = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
    restored.write(writing(1))
    again = ViewGroup(restored.log, tmp_path / "views.db", [Entries()])
    settle(again)
    assert counts(again) == {0: 1}
    again.close()
    restored.log.stop()


def test_rebuilding_gives_the_same_rows_while_others_go_on(bench: Bench, place: Path | None) -> None:
    group = ViewGroup(bench.log, place, [Entries(), Fragile()])
    bench.write(writing(1), writing(2))
    settle(group)
    order(bench, Rebuild("fragile"))
    assert counts(group, "fragile") == {0: 2}
    bench.write(writing(3))
    assert not shows(group.statuses(), bench.log.covers, bench.log.now(), "fragile")
    settle(group)
    assert counts(group, "fragile") == {0: 3}
    assert counts(group) == {0: 3}
    assert len({status.cursor for status in group.statuses()}) == 1
    group.close()


def test_a_broken_view_is_rebuilt_by_an_order_once(bench: Bench, place: Path | None) -> None:
    group = ViewGroup(bench.log, place, [Fragile()])
    bench.write(writing(1), writing(2, run="bad"))
    settle(group)
    assert group.statuses()[0].error is not None
    bench.log.trim("t", 0, 1)
    bench.log.trim("t", 0, 2)
    bench.write(writing(3))
    bench.log.trim("t", 0, 2)
    order(bench, Rebuild("fragile"), Rebuild("no view of this file"))
    token = bench.log.now()
    settle(group)
    assert group.statuses()[0].error is None
    assert shows(group.statuses(), bench.log.covers, token, "fragile")
    assert counts(group, "fragile") == {0: 1}
    group.close()


def test_an_order_is_obeyed_once_across_openings(bench: Bench, tmp_path: Path) -> None:
    first = ViewGroup(bench.log, tmp_path / "views.db", [Entries()])
    bench.write(writing(1), writing(2))
    order(bench, Rebuild("entries"))
    settle(first)
    first.close()
    bench.log.trim("t", 0, 1)
    second = ViewGroup(bench.log, tmp_path / "views.db", [Entries()])
    settle(second)
    assert counts(second) == {0: 2}
    second.close()


def test_a_view_shows_a_rebuild_only_when_it_is_done(bench: Bench) -> None:
    group = ViewGroup(bench.log, None, [Entries()])
    bench.write(*[writing(n) for n in range(3)])
    settle(group)
    order(bench, Rebuild("entries"))
    seen = []
    while True:
        seen.append((shows(group.statuses(), bench.log.covers, bench.log.now(), "entries"), counts(group)))
        if not group.advance():
            break
    assert seen[0] == (False, {0: 3})
    assert [rows for shown, rows in seen if shown] == [{0: 3}]
    group.close()


def test_an_order_that_comes_while_a_batch_is_read_is_not_passed_over() -> None:
    class Late(MemoryLog):
        def changes(self, cursor: str, *, max_bytes: int = 4 << 20) -> tuple[list[Chunk], str]:
            if self.now() == "2":
                self.submit(CommitSet((order_append(Rebuild("entries")),)), None)
            return super().changes(cursor, max_bytes=max_bytes)

    late = Late()
    late.start(lambda _: None)
    late.declare("t", TopicConfig())
    late.declare(KEEPING_TOPIC, TopicConfig())
    group = ViewGroup(late, None, [Entries()])
    for n in range(2):
        late.submit(writing(n), None)
    assert group.advance()
    assert not shows(group.statuses(), late.covers, late.now(), "entries")
    settle(group)
    assert shows(group.statuses(), late.covers, late.now(), "entries")
    assert counts(group) == {0: 2}
    group.close()


def test_what_retention_took_is_known_before_a_view_is_rebuilt(bench: Bench) -> None:
    class Pruning(Entries):
        prunes = True

    bench.write(writing(1), writing(2))
    assert outlived(bench.log, Entries()) == []
    bench.log.trim("t", 0, 1)
    assert outlived(bench.log, Entries()) == ["t"]
    assert outlived(bench.log, Pruning()) == []


def test_a_reader_sees_one_snapshot(bench: Bench, tmp_path: Path) -> None:
    group = ViewGroup(bench.log, tmp_path / "views.db", [Entries()])
    bench.write(writing(1))
    settle(group)
    with group.store.reading() as db:
        before = db.execute("SELECT count FROM entries").fetchall()
        bench.write(writing(2))
        settle(group)
        assert db.execute("SELECT count FROM entries").fetchall() == before == [(1,)]
    assert counts(group) == {0: 2}
    group.close()


# The thread


@pytest.fixture
def running(bench: Bench) -> Iterator[tuple[Bench, Projector, ViewGroup]]:
    group = ViewGroup(bench.log, None, [Entries(), Fragile()])
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
    projector = Projector(bench.log.covers, [ViewGroup(bench.log, tmp_path / "views.db", [Entries()])])
    projector.start()
    bench.write(writing(1), writing(2))
    projector.stop()
    group = ViewGroup(bench.log, tmp_path / "views.db", [Entries()])
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
    flaky, entries = Flaky(bench.log), ViewGroup(bench.log, None, [Entries()])
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
    late = ViewGroup(bench.log, None, [Newer()])
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
