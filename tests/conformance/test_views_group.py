"""The group of views in one database: following, breaking, rebuilding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from small_views import Entries, Fragile, Newer, counts, settle
from view_stores import Stores

from hansa.errors import OperatorError, Unavailable
from hansa.eventlog.interface import Chunk, CommitSet, TopicConfig
from hansa.eventlog.memory import MemoryLog
from hansa.model.run import KEEPING_TOPIC
from hansa.testing.log_bench import Bench, writing
from hansa.views.database import Connection
from hansa.views.group import ViewGroup, outlived
from hansa.views.interface import shows
from hansa.views.keeping import Order, Rebuild, order_append
from hansa.views.sqlite import SqliteDatabase
from hansa.views.table import Insert


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
    yield bench
    bench.log.stop()


def order(bench: Bench, *orders: Order) -> None:
    bench.log.declare(KEEPING_TOPIC, TopicConfig())
    bench.write(CommitSet((order_append(*orders),)))


def test_a_view_follows_the_log_and_goes_on_where_it_stood(bench: Bench, stores: Stores) -> None:
    group = ViewGroup(bench.log, stores.open(), [Entries()])
    bench.write(writing(1, 2), writing(3, partition=1))
    settle(group)
    bench.write(writing(4))
    settle(group)
    assert counts(group) == {0: 3, 1: 1}
    group.close()


def test_a_view_of_a_file_goes_on_after_it_was_closed(bench: Bench, lasting: Stores) -> None:
    first = ViewGroup(bench.log, lasting.open(), [Entries()])
    bench.write(writing(1, 2))
    settle(first)
    first.close()
    bench.write(writing(3))
    second = ViewGroup(bench.log, lasting.open(), [Entries()])
    settle(second)
    assert counts(second) == {0: 3}
    second.close()


def test_a_view_that_raises_is_broken_alone_and_keeps_what_it_had(bench: Bench, stores: Stores) -> None:
    group = ViewGroup(bench.log, stores.open(), [Fragile(), Entries()])
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


def test_a_broken_view_is_tried_again_when_it_is_opened(bench: Bench, lasting: Stores) -> None:
    group = ViewGroup(bench.log, lasting.open(), [Fragile(), Entries()])
    bench.write(writing(1), writing(2, run="bad"))
    settle(group)
    group.close()

    class Mended(Fragile):
        def apply(self, db: Connection, chunks: Sequence[Chunk]) -> None:
            db.write(Insert(self.tables[0]), [(c.partition, c.count) for c in chunks])

    mended = ViewGroup(bench.log, lasting.open(), [Mended()])
    settle(mended)
    assert counts(mended, "fragile") == {0: 2}
    mended.close()


def test_a_changed_version_is_rebuilt(bench: Bench, lasting: Stores) -> None:
    old = ViewGroup(bench.log, lasting.open(), [Entries()])
    bench.write(writing(1))
    settle(old)
    with old.store.writing() as db:
        db.execute("UPDATE entries SET count = 99")
    old.close()
    new = ViewGroup(bench.log, lasting.open(), [Newer()])
    settle(new)
    assert counts(new) == {0: 1}
    assert new.statuses()[0].version == 2
    new.close()


def test_a_view_ahead_of_a_restored_log_is_rebuilt(bench: Bench, lasting: Stores) -> None:
    group = ViewGroup(bench.log, lasting.open(), [Entries()])
    bench.write(writing(1), writing(2))
    settle(group)
    group.close()
    restored = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
    restored.write(writing(1))
    again = ViewGroup(restored.log, lasting.open(), [Entries()])
    settle(again)
    assert counts(again) == {0: 1}
    again.close()
    restored.log.stop()


def test_rebuilding_gives_the_same_rows_while_others_go_on(bench: Bench, stores: Stores) -> None:
    group = ViewGroup(bench.log, stores.open(), [Entries(), Fragile()])
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


def test_a_broken_view_is_rebuilt_by_an_order_once(bench: Bench, stores: Stores) -> None:
    group = ViewGroup(bench.log, stores.open(), [Fragile()])
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


def test_an_order_is_obeyed_once_across_openings(bench: Bench, lasting: Stores) -> None:
    first = ViewGroup(bench.log, lasting.open(), [Entries()])
    bench.write(writing(1), writing(2))
    order(bench, Rebuild("entries"))
    settle(first)
    first.close()
    bench.log.trim("t", 0, 1)
    second = ViewGroup(bench.log, lasting.open(), [Entries()])
    settle(second)
    assert counts(second) == {0: 2}
    second.close()


def test_a_view_shows_a_rebuild_only_when_it_is_done(bench: Bench, stores: Stores) -> None:
    group = ViewGroup(bench.log, stores.open(), [Entries()])
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
    group = ViewGroup(late, SqliteDatabase(), [Entries()])
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


def test_a_reader_sees_one_snapshot(bench: Bench, lasting: Stores) -> None:
    group = ViewGroup(bench.log, lasting.open(), [Entries()])
    bench.write(writing(1))
    settle(group)
    with group.store.reading() as db:
        before = db.execute("SELECT count FROM entries").fetchall()
        bench.write(writing(2))
        settle(group)
        assert db.execute("SELECT count FROM entries").fetchall() == before == [(1,)]
    assert counts(group) == {0: 2}
    group.close()


def test_who_lost_the_turn_writes_nothing_and_begins_again(bench: Bench, tmp_path: Path) -> None:
    """Two that hold the same file: a lock got lost, say."""
    first, second = (ViewGroup(bench.log, SqliteDatabase(tmp_path / "views.db"), [Entries()]) for _ in range(2))
    for n in range(6):
        bench.write(writing(n))
        for group in (first, second) if n % 2 else (second, first):
            settle(group)
            assert counts(group) == {0: n + 1}
    for group in (first, second):
        group.close()


def test_a_log_that_is_behind_its_views_is_waited_for(bench: Bench, lasting: Stores) -> None:
    group = ViewGroup(bench.log, lasting.open(), [Entries()])
    bench.write(writing(1), writing(2))
    settle(group)
    group.close()
    lagging = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
    lagging.write(writing(1))
    waiting = ViewGroup(lagging.log, lasting.open(), [Entries()], patient_s=60.0)
    with pytest.raises(Unavailable, match="more than the log has here"):
        waiting.advance()
    assert not shows(waiting.statuses(), bench.log.covers, bench.log.now(), "entries")
    lagging.write(writing(2), writing(3))
    settle(waiting)
    assert counts(waiting) == {0: 3}
    lagging.log.stop()
