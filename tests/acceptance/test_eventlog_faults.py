"""A log whose processes are killed, whose disk fails, whose file rots: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from hansa.errors import HansaError, InternalError
from hansa.eventlog.interface import CommitSet, Put, TopicConfig
from hansa.eventlog.sqlite import SqliteLog
from hansa.testing.log_bench import Bench, bodies, entries, writing

HERE = Path(__file__).parent
KILLS = 60
SOURCES = os.pathsep.join(sys.path)


def python(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python of its own, run to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": SOURCES, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def run_writer(folder: Path, sets: int, **environment: str) -> subprocess.CompletedProcess[str]:
    return python(HERE / "eventlog_writer.py", folder, str(sets), **environment)


def acked(folder: Path) -> list[int]:
    data = (folder / "acked").read_bytes() if (folder / "acked").exists() else b""
    return [int.from_bytes(data[at : at + 8], "big") for at in range(0, len(data) - len(data) % 8, 8)]


def check_whole(folder: Path) -> int:
    """Asserts that the log holds sets 0 … n - 1 once each, n beyond everything acknowledged; returns n."""
    log = SqliteLog(folder)
    try:
        if "t" not in log.topics():
            assert acked(folder) == [], "sets were acknowledged, yet their topic is gone"
            return 0
        there = log.position("writer", "t", 0) or 0
        numbers = [[body[0] for body in bodies(log, partition=partition)] for partition in range(2)]
        assert numbers == [list(range(partition, there, 2)) for partition in range(2)]
        assert log.get("writer", "next") == (str(there).encode() if there else None)
        assert list(log.verify()) == []
        told = acked(folder)
        assert told == sorted(set(told))
        assert not told or told[-1] < there
        return there
    finally:
        log.stop()


def fork_writer(folder: Path) -> int:
    """The writer as a fork of this process: sixty starts of Python would take longer than the kills."""
    from eventlog_writer import main

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return child
    try:
        main(folder, 1 << 40)
    finally:
        os._exit(1)


def test_kill_9_at_any_moment_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)
    moments = random.Random(7)
    killed_while_writing = 0
    for kill in range(KILLS):
        folder = tmp_path / str(kill // 10)
        folder.mkdir(exist_ok=True)
        before = len(acked(folder))
        child = fork_writer(folder)
        time.sleep(moments.uniform(0.005, 0.12))
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
        check_whole(folder)
        killed_while_writing += len(acked(folder)) > before
    assert killed_while_writing > KILLS / 2


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5, 8, 13, 21, 34, 55, 89, 144])
def test_a_torn_write_loses_nothing_that_was_acknowledged(tmp_path: Path, shim: Path, nth: int) -> None:
    assert run_writer(tmp_path, 50).returncode == 0
    assert check_whole(tmp_path) == 50
    writer = run_writer(tmp_path, 1000, LD_PRELOAD=str(shim), HANSA_TORN=str(nth))
    assert writer.returncode == -signal.SIGKILL
    assert check_whole(tmp_path) >= 50
    assert run_writer(tmp_path, 10).returncode == 0
    assert len(acked(tmp_path)) >= 60


@pytest.mark.parametrize("nth", [8, 9, 12, 20])
def test_a_flush_that_fails_stops_the_log_for_good(tmp_path: Path, shim: Path, nth: int) -> None:
    assert run_writer(tmp_path, 10).returncode == 0
    writer = run_writer(tmp_path, 500, LD_PRELOAD=str(shim), HANSA_EIO=str(nth))
    told = acked(tmp_path)
    refused = [json.loads(line) for line in writer.stdout.splitlines()]
    assert {code for _, code in refused} == {"log.stopped"}
    assert sorted([*told, *[n for n, _ in refused]]) == list(range(510))
    assert min(n for n, _ in refused) > told[-1]
    check_whole(tmp_path)


def test_a_checkpoint_whose_flush_fails_stops_the_log_too(tmp_path: Path, shim: Path) -> None:
    assert run_writer(tmp_path, 10).returncode == 0
    writer = run_writer(tmp_path, 20_000, LD_PRELOAD=str(shim), HANSA_EIO_DB="1")
    refused = [json.loads(line) for line in writer.stdout.splitlines()]
    assert {code for _, code in refused} == {"log.stopped"}
    assert len(acked(tmp_path)) > 10
    assert sorted([*acked(tmp_path), *[n for n, _ in refused]]) == list(range(20_010))
    check_whole(tmp_path)


FILLING = """
import sys
from pathlib import Path
from hansa.eventlog.sqlite import SqliteLog
from hansa.testing.log_bench import Bench, bodies, writing
folder, full = Path(sys.argv[1]), Path(sys.argv[2])
bench = Bench(lambda clock_us: SqliteLog(folder, clock_us=clock_us))
texts = [str(n) * 50_000 for n in range(9)]
bench.write(*map(writing, texts[:3]))
for round in range(3):
    full.touch()
    refused = bench.commit(writing("lost"), writing("lost too"))
    print([outcome.code for outcome in refused], bodies(bench.log) == texts[:3 + 2 * round])
    try:
        bench.log.acquire("r")
    except Exception as failure:
        print(failure.code)
    full.unlink()
    bench.write(*map(writing, texts[3 + 2 * round:5 + 2 * round]))
print(bodies(bench.log) == texts, bench.log.acquire("r"))
bench.reopen()
print(bodies(bench.log) == texts, list(bench.log.verify()))
bench.log.stop()
"""


def test_a_full_disk_refuses_and_goes_on_when_there_is_space(tmp_path: Path, shim: Path) -> None:
    full = tmp_path / "full"
    done = python("-c", FILLING, tmp_path / "data", full, LD_PRELOAD=str(shim), HANSA_FULL=str(full))
    refused = ["['log.full', 'log.full'] True", "log.full"]
    assert done.stdout.splitlines() == [*refused * 3, "True 1", "True []"], done.stderr


# Rot


@pytest.fixture
def rotten(tmp_path: Path) -> Path:
    """The folder of a small log whose every batch has been written: two partitions, sealed and plain."""
    bench = Bench(lambda clock_us: SqliteLog(tmp_path, clock_us=clock_us))
    for n in range(12):
        bench.write(writing(f"body {n}", n, partition=n % 2, **({"subject": "bo"} if n % 4 == 0 else {})))
    bench.log.stop()
    return tmp_path


def stored_bodies(folder: Path) -> dict[tuple[int, int], bytes]:
    connection = sqlite3.connect(folder / "log.db")
    try:
        return {row[:2]: row[2] for row in connection.execute("SELECT partition, base, body FROM batch ORDER BY seq")}
    finally:
        connection.close()


def test_a_flipped_byte_of_any_batch_is_found_and_said(rotten: Path) -> None:
    file = rotten / "log.db"
    whole = file.read_bytes()
    batches = stored_bodies(rotten)
    assert len(batches) == 12
    for (partition, base), body in batches.items():
        assert whole.count(body) == 1
        for offset in (0, len(body) // 2, len(body) - 1):
            file.write_bytes(flipped(whole, whole.index(body) + offset))
            log = SqliteLog(rotten)
            try:
                with pytest.raises(InternalError) as raised:
                    bodies(log, partition=partition)
                assert raised.value.code == "log.damaged"
                assert raised.value.details == {"topic": "t", "partition": partition, "position": base}
                with pytest.raises(InternalError):
                    log.changes("")
                assert len(bodies(log, partition=1 - partition)) == 12
                assert [(f.topic, f.partition, f.position) for f in log.verify()] == [("t", partition, base)]
            finally:
                log.stop()


def test_rot_anywhere_in_the_pages_of_batches_is_never_read_as_truth(rotten: Path) -> None:
    log = SqliteLog(rotten)
    truth = [entries(log, partition=partition) for partition in range(2)]
    log.stop()
    whole = (rotten / "log.db").read_bytes()
    found = 0
    for at in random.Random(3).sample(sorted(places(rotten, whole)), 150):
        (rotten / "log.db").write_bytes(flipped(whole, at))
        try:
            log = SqliteLog(rotten)
            try:
                assert [entries(log, partition=partition) for partition in range(2)] == truth
            finally:
                log.stop()
        except HansaError:
            found += 1
    assert found > 100


def test_a_partition_that_lost_its_tail_says_so(rotten: Path) -> None:
    connection = sqlite3.connect(rotten / "log.db")
    with connection:
        connection.execute("DELETE FROM batch WHERE partition = 1 AND base >= 8")
    connection.close()
    log = SqliteLog(rotten)
    try:
        for position in (0, 8, 11):
            with pytest.raises(InternalError) as raised:
                bodies(log, partition=1, position=position)
            assert raised.value.details["position"] == max(position, 8)
        assert [(f.partition, f.position) for f in log.verify()] == [(1, 8)]
    finally:
        log.stop()


def places(folder: Path, whole: bytes) -> Iterator[int]:
    """The bytes of the cells of the table and the index of batches."""
    connection = sqlite3.connect(folder / "log.db")
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    roots = connection.execute("SELECT rootpage FROM sqlite_master WHERE name IN ('batch', 'batch_base')").fetchall()
    connection.close()
    for (root,) in roots:
        page = (root - 1) * size
        content = int.from_bytes(whole[page + 5 : page + 7], "big")
        yield from range(page + content, page + size)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


def test_a_missing_batch_is_found_and_said(rotten: Path) -> None:
    connection = sqlite3.connect(rotten / "log.db")
    with connection:
        connection.execute("DELETE FROM batch WHERE partition = 0 AND base = 4")
    connection.close()
    log = SqliteLog(rotten)
    try:
        for position in (0, 4, 5):
            with pytest.raises(InternalError) as raised:
                log.read("t", 0, position)
            assert raised.value.code == "log.damaged"
        for _, cursor in (("", ""), log.changes("", max_bytes=1)):
            with pytest.raises(InternalError):
                log.changes(cursor)
        assert [chunk.base for chunk in log.read("t", 0, 6)] == [6, 8, 10]
        assert [(f.partition, f.position) for f in log.verify()] == [(0, 4)]
    finally:
        log.stop()


# Others


def test_a_second_process_is_told_who_has_the_folder(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    try:
        second = run_writer(tmp_path, 1)
        assert second.returncode == 1
        assert "[store.locked]" in second.stderr
        assert f"process {os.getpid()}" in second.stderr
    finally:
        log.stop()


def test_a_reader_that_keeps_its_snapshot_does_not_hold_up_writing(tmp_path: Path) -> None:
    """As much as the disk takes, and thirty megabytes a second while a reader sits on its snapshot for a second."""
    log = SqliteLog(tmp_path)
    log.declare("t", TopicConfig())
    room = threading.Semaphore(16)
    log.start(lambda notice: [room.release() for _ in notice].clear())
    block = writing(os.urandom(1 << 18))

    def load(seconds: float, pace_s: float = 0.0) -> int:
        end = time.monotonic() + seconds
        longest = 0
        while time.monotonic() < end:
            assert room.acquire(timeout=10)
            log.submit(block, None)
            longest = max(longest, (tmp_path / "log.db-wal").stat().st_size)
            time.sleep(pace_s)
        return longest

    before = load(1.5)
    reader = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    reader.execute("BEGIN")
    seen = reader.execute("SELECT COUNT(*) FROM batch").fetchone()
    at = log.bounds("t", 0)[1]
    during = load(1.0, pace_s=1 / 120)
    assert log.bounds("t", 0)[1] > at + 20
    assert reader.execute("SELECT COUNT(*) FROM batch").fetchone() == seen
    reader.close()
    after = load(1.5)
    written = log.bounds("t", 0)[1] << 18
    log.stop()
    assert written > 100 << 20
    assert max(before, during, after) < 100 << 20


def test_a_reader_that_went_away_midway_holds_nothing(tmp_path: Path) -> None:
    bench = Bench(lambda clock_us: SqliteLog(tmp_path, clock_us=clock_us))
    bench.write(*[writing(n) for n in range(100)])
    scan = bench.log.scan("s")
    bench.write(CommitSet(puts=(Put("s", "a", b"1"), Put("s", "b", b"2"))))
    assert next(scan) == ("a", b"1")
    del scan
    assert bench.log.read("t", 0, 0, max_bytes=1)[0].count == 1
    bench.write(CommitSet(forgets=("nobody",)))
    end = time.monotonic() + 5
    while (tmp_path / "log.db-wal").stat().st_size and time.monotonic() < end:
        time.sleep(0.01)
    assert (tmp_path / "log.db-wal").stat().st_size == 0
    bench.log.stop()
