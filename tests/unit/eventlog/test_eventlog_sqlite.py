"""What only the SQLite log promises: secrets on disk, one process, errors in our words."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hansa.errors import CallerError, OperatorError, Unavailable
from hansa.eventlog.interface import Claim, CommitSet, Committed, TopicConfig
from hansa.eventlog.sqlite import SqliteLog
from hansa.eventlog.sqlite_file import passing, unreadable
from hansa.testing.log_bench import Bench, bodies, writing


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(lambda clock_us: SqliteLog(tmp_path, clock_us=clock_us))
    yield bench
    bench.log.stop()


def on_disk(folder: Path) -> bytes:
    """All bytes of the log's files. (In a process that has them open, only when the log has stopped.)"""
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith("log.db"))


def rows(folder: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(folder / "log.db")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def until(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.005)
    return holds()


def test_what_is_written_of_a_person_is_not_readable_on_disk(bench: Bench, tmp_path: Path) -> None:
    bench.write(writing("a secret of bo", subject="bo"), writing("told to everybody"))
    bench.log.stop()
    assert b"told to everybody" in on_disk(tmp_path)
    assert b"a secret of bo" not in on_disk(tmp_path)


def test_a_destroyed_key_leaves_the_disk(bench: Bench, tmp_path: Path) -> None:
    bench.write(*[writing(n, subject=f"person {n}") for n in range(300)])
    keys = dict(rows(tmp_path, "SELECT name, key FROM person"))
    gone = range(7, 300, 3)
    for n in gone:
        bench.write(CommitSet(forgets=(f"person {n}",)))
    wal = tmp_path / "log.db-wal"
    assert until(lambda: wal.stat().st_size == 0)
    bench.log.stop()
    disk = on_disk(tmp_path)
    assert [name for name, key in keys.items() if key not in disk] == [f"person {n}" for n in gone]
    bench.reopen()
    assert bodies(bench.log) == [None if n in gone else n for n in range(300)]


def test_a_reader_delays_only_the_scrubbing(bench: Bench, tmp_path: Path) -> None:
    bench.write(writing(1, subject="bo"))
    reader = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM batch").fetchall()
    bench.write(CommitSet(forgets=("bo",)))
    bench.write(writing(2))
    assert bodies(bench.log) == [None, 2]
    wal = tmp_path / "log.db-wal"
    assert wal.stat().st_size > 0
    reader.close()
    assert until(lambda: wal.stat().st_size == 0)


def test_a_key_is_written_with_its_first_batch_or_not_at_all(bench: Bench, tmp_path: Path) -> None:
    bad = CommitSet(appends=(writing(1, subject="bo").appends[0], writing(2, thing=object()).appends[0]))
    assert isinstance(bench.commit(bad)[0], Exception)
    assert rows(tmp_path, "SELECT name FROM person") == []
    bench.write(writing(3, subject="bo"))
    bench.reopen()
    assert bodies(bench.log) == [3]


def test_claims_that_ended_are_swept(bench: Bench, tmp_path: Path) -> None:
    for n in range(20):
        bench.now_us += 10
        bench.commit(CommitSet(claims=(Claim("s", f"key {n}", b"", bench.now_us + 5),)))
    assert rows(tmp_path, "SELECT key FROM claim") == [("key 19",)]


def test_the_folder_belongs_to_one_log(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(OperatorError) as raised:
        SqliteLog(tmp_path)
    assert raised.value.code == "store.locked"
    bench.reopen()


def test_of_two_logs_on_one_file_only_the_later_commits(bench: Bench, tmp_path: Path) -> None:
    bench.write(writing("first"))
    (tmp_path / "lock").unlink()
    second = Bench(lambda clock_us: SqliteLog(tmp_path, clock_us=clock_us))
    (refused,) = bench.commit(writing("of the first, too late"))
    assert isinstance(refused, Unavailable)
    assert refused.code == "log.fenced"
    assert bench.log.failure() is not None
    assert second.log.failure() is None
    second.write(writing("of the second"))
    assert bodies(second.log) == ["first", "of the second"]
    with pytest.raises(Unavailable) as raised:
        bench.log.declare("new", TopicConfig())
    assert raised.value.code == "log.fenced"
    second.log.stop()


def test_a_file_of_a_newer_hansa_is_refused_and_let_go(bench: Bench, tmp_path: Path) -> None:
    bench.log.stop()
    ((format_,),) = rows(tmp_path, "PRAGMA user_version")
    rows(tmp_path, "PRAGMA user_version = 99")
    with pytest.raises(OperatorError, match="99") as raised:
        SqliteLog(tmp_path)
    assert raised.value.code == "store.newer"
    rows(tmp_path, f"PRAGMA user_version = {format_}")
    bench.reopen()


def test_a_file_that_is_no_database_is_damage(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_bytes(b"not a database, but long enough to be read as one" * 100)
    with pytest.raises(OperatorError) as raised:
        SqliteLog(tmp_path)
    assert raised.value.code == "log.damaged"


def test_an_epoch_waits_for_the_commit_that_was_decided_before_it(tmp_path: Path) -> None:
    deciding, go_on = threading.Event(), threading.Event()

    def clock_us() -> int:
        deciding.set()
        assert go_on.wait(5)
        return 1

    log = SqliteLog(tmp_path, clock_us=clock_us)
    log.declare("t", TopicConfig())
    told: list[object] = []
    order: list[object] = []
    log.start(lambda notice: told.extend(outcome for _, outcome in notice))
    log.submit(CommitSet(appends=writing("old").appends, fence=("r", log.acquire("r"))), 0)
    assert deciding.wait(5)
    taker = threading.Thread(target=lambda: order.extend((log.acquire("r"), bodies(log))))
    taker.start()
    taker.join(0.05)
    assert order == []
    go_on.set()
    taker.join(5)
    log.stop()
    assert order == [2, ["old"]]
    assert isinstance(told[0], Committed)


def test_after_stop_nothing_is_written(bench: Bench) -> None:
    bench.write(writing(1))
    bench.log.stop()
    for write in (
        lambda: bench.log.acquire("r"),
        lambda: bench.log.declare("new", TopicConfig()),
        lambda: bench.log.erase("t", 0, {0: b"\xc0"}),
    ):
        with pytest.raises(Unavailable) as raised:
            write()
        assert raised.value.code == "log.stopped"


def test_a_backup_opens_as_a_log(bench: Bench, tmp_path: Path) -> None:
    bench.write(writing(1), writing(2, subject="bo"))
    (tmp_path / "copy").mkdir()
    assert isinstance(bench.log, SqliteLog)
    bench.log.backup(tmp_path / "copy" / "log.db")
    copy = SqliteLog(tmp_path / "copy")
    try:
        assert bodies(copy) == [1, 2]
        assert list(copy.verify()) == []
    finally:
        copy.stop()


def raised_by(code: int) -> sqlite3.OperationalError:
    failure = sqlite3.OperationalError(f"code {code}")
    failure.sqlite_errorcode = code
    return failure


@pytest.mark.parametrize(
    ("code", "passes", "reads"),
    [
        (sqlite3.SQLITE_FULL, "log.full", "store.failed"),
        (sqlite3.SQLITE_BUSY, "store.busy", "store.failed"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "store.busy", "store.failed"),
        (sqlite3.SQLITE_LOCKED, "store.busy", "store.failed"),
        (sqlite3.SQLITE_IOERR_FSYNC, None, "store.failed"),
        (sqlite3.SQLITE_IOERR_WRITE, None, "store.failed"),
        (sqlite3.SQLITE_CORRUPT_INDEX, None, "log.damaged"),
        (sqlite3.SQLITE_NOTADB, None, "log.damaged"),
    ],
)
def test_errors_of_sqlite_are_told_in_our_words(code: int, passes: str | None, reads: str) -> None:
    later = passing(raised_by(code))
    assert (later and later.code) == passes
    assert unreadable(Path("log.db"), raised_by(code)).code == reads


def test_reading_asks_for_what_there_is(bench: Bench) -> None:
    bench.write(writing(1))
    with pytest.raises(CallerError):
        bench.log.trim("no", 0, 1)
