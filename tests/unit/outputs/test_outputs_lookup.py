"""Lookups: the latest record of a key, the one at a position, and a reader that may only read."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.eventlog.interface import Append, CommitSet, TopicConfig, encode_entry
from hansa.eventlog.memory import MemoryLog
from hansa.model.run import KEEPING_TOPIC
from hansa.outputs.lookup import LookupProjector, LookupReader, lookup_path, plain_rows
from hansa.testing.log_bench import Bench
from hansa.views.interface import shows
from hansa.views.keeping import Forget, Order, Rebuild, order_append
from hansa.views.projector import Projector

PORT = "ops.weather/hourly@1"


class Desk:
    """A port, its lookup, and a reader of it."""

    def __init__(self, folder: Path, partitions: int = 1, keep_s: float | None = None) -> None:
        self.bench = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
        self.bench.log.declare(PORT, TopicConfig(partitions=partitions))
        self.path = lookup_path(folder, PORT)
        self.lookup = LookupProjector(self.bench.log, self.path, PORT, keep_s=keep_s)
        self.reader = LookupReader(self.path)

    def write(self, *entries: tuple[str | None, Any], partition: int = 0, after_us: int = 1) -> str:
        """Commits entries `after_us` later; returns the token."""
        self.bench.now_us += after_us
        body = b"".join(encode_entry(key, value) for key, value in entries)
        return self.bench.write(CommitSet((Append(PORT, partition, len(entries), body, {"run": "r"}),)))[0].token

    def settle(self) -> None:
        while self.lookup.advance():
            pass

    def get(self, key: str, at: int | None = None) -> Any:
        found = self.reader.get(key, at)
        return None if found is None else msgspec.msgpack.decode(found)

    def dump(self) -> list[Any]:
        with self.lookup._store.reading() as db:
            return [*db.execute("SELECT * FROM lookup"), *db.execute("SELECT * FROM applied")]

    def close(self) -> None:
        self.reader.close()
        self.lookup.close()
        self.bench.log.stop()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def test_the_latest_record_of_a_key_is_found(desk: Desk) -> None:
    desk.write(("a", 1), ("b", 2), ("a", 3), (None, 4))
    desk.settle()
    assert [desk.get(key) for key in "abc"] == [3, 2, None]
    assert desk.reader.position() == 4


def test_a_deletion_takes_the_record_away_but_not_its_past(desk: Desk) -> None:
    desk.write(("a", 1))
    desk.write(("a", None))
    desk.settle()
    assert desk.reader.get("a") is None
    assert desk.get("a", 1) == 1


def test_a_run_reads_at_one_position_whatever_is_written(desk: Desk) -> None:
    desk.write(("a", 1))
    desk.settle()
    assert desk.reader.begin() == 1
    desk.write(("a", 2), ("b", 3))
    desk.settle()
    assert (desk.get("a"), desk.get("b"), desk.reader.position()) == (1, None, 1)
    desk.reader.end()
    assert (desk.get("a"), desk.get("b"), desk.reader.begin()) == (2, 3, 3)
    desk.reader.end()
    assert desk.get("a", 1) == 1


def test_a_token_can_be_waited_for(desk: Desk) -> None:
    projector = Projector(desk.bench.log.covers, [desk.lookup])
    projector.start()
    for n in range(20):
        token = desk.write(("a", n))
        projector.wait(token, 10, PORT)
        assert desk.get("a") == n
    projector.wait(desk.bench.log.now(), 10)
    projector.stop()


def test_waiting_ends_though_writing_goes_on(desk: Desk) -> None:
    """What is reached is told once all that was there at the beginning of a round is applied."""
    token = desk.write(("a", 1))
    desk.lookup.advance()
    desk.write(("a", 2))
    assert shows(desk.lookup.statuses(), desk.bench.log.covers, token, PORT)
    assert not shows(desk.lookup.statuses(), desk.bench.log.covers, desk.bench.log.now(), PORT)


def test_a_replaced_version_is_kept_for_a_while(tmp_path: Path) -> None:
    desk = Desk(tmp_path, keep_s=10)
    for n, after_s in enumerate((0, 1, 8, 8)):  # at 0, 1, 9 and 17 s: replaced at 1, 9, 17 s
        desk.write(("a", n), after_us=after_s * 1_000_000)
        desk.write(("other", n), after_us=0)
    desk.settle()
    assert [desk.get("a", at) for at in (1, 3, 5, 7, None)] == [None, 1, 2, 3, 3]
    desk.close()


def test_without_keeping_only_the_latest_stands(tmp_path: Path) -> None:
    desk = Desk(tmp_path, keep_s=0)
    desk.write(("a", 1), ("a", 2), ("b", 1))
    desk.write(("a", 3))
    desk.settle()
    assert [(row[0], row[1]) for row in desk.dump()[:-1]] == [("a", 3), ("b", 2)]
    desk.close()


def order(desk: Desk, *orders: Order) -> None:
    desk.bench.log.declare(KEEPING_TOPIC, TopicConfig())
    desk.bench.write(CommitSet((order_append(*orders),)))


def test_rebuilding_gives_the_same_rows_and_shows_the_old_ones_meanwhile(tmp_path: Path) -> None:
    desk = Desk(tmp_path, partitions=3, keep_s=0.0001)
    for n in range(1500):
        desk.write(*[(f"k{(n + m) % 7}", n * m) for m in range(n % 4)], partition=n % 3, after_us=n % 50)
    desk.settle()
    before, position = desk.dump(), desk.reader.position()
    order(desk, Rebuild("another/port@1"), Rebuild(PORT))
    token = desk.bench.log.now()
    assert desk.lookup.advance()
    assert (desk.dump(), desk.reader.position()) == (before, position)
    assert not shows(desk.lookup.statuses(), desk.bench.log.covers, token, PORT)
    desk.write(("k1", "newer"))
    desk.lookup.close()
    desk.lookup = LookupProjector(desk.bench.log, desk.path, PORT, keep_s=0.0001)
    desk.settle()
    assert shows(desk.lookup.statuses(), desk.bench.log.covers, token, PORT)
    assert desk.get("k1") == "newer"
    fresh = LookupProjector(desk.bench.log, tmp_path / "fresh.db", PORT, keep_s=0.0001)
    while fresh.advance():
        pass
    with fresh._store.reading() as db:
        assert desk.dump() == [*db.execute("SELECT * FROM lookup"), *db.execute("SELECT * FROM applied")]
    fresh.close()
    desk.close()


def test_a_person_leaves_the_lookup_and_its_file(desk: Desk, tmp_path: Path) -> None:
    for key, person in (("a", "bo"), ("b", "al"), ("a2", "bo")):
        body = encode_entry(key, f"the secret of {person}")
        desk.bench.write(CommitSet((Append(PORT, 0, 1, body, {"subject": person}),)))
    desk.write(("c", "told to everybody"))
    desk.settle()
    person = desk.bench.log.person("bo")
    assert desk.get("a") == "the secret of bo"
    desk.bench.log.declare(KEEPING_TOPIC, TopicConfig())
    desk.bench.write(CommitSet((order_append(Forget(person)),), forgets=("bo",)))
    desk.settle()
    assert [desk.get(key) for key in ("a", "a2", "b", "c")] == [None, None, "the secret of al", "told to everybody"]
    files = b"".join(path.read_bytes() for path in desk.path.parent.iterdir())
    assert b"the secret of al" in files
    assert b"the secret of bo" not in files
    before = desk.dump()
    order(desk, Rebuild(PORT))
    desk.settle()
    assert desk.dump() == before


def test_a_lookup_goes_on_after_it_was_closed(desk: Desk) -> None:
    desk.write(("a", 1))
    desk.settle()
    desk.lookup.close()
    desk.write(("b", 2))
    desk.lookup = LookupProjector(desk.bench.log, desk.path, PORT)
    desk.settle()
    assert (desk.get("a"), desk.get("b")) == (1, 2)


def test_a_lookup_ahead_of_a_restored_log_begins_again(desk: Desk, tmp_path: Path) -> None:
    desk.write(("a", 1), ("a", 2))
    desk.settle()
    desk.lookup.close()
    restored = Desk.__new__(Desk)
    restored.bench = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
    restored.bench.log.declare(PORT, TopicConfig())
    restored.write(("a", 1))
    desk.lookup = LookupProjector(restored.bench.log, desk.path, PORT)
    desk.settle()
    assert (desk.get("a"), desk.reader.position()) == (1, 1)
    restored.bench.log.stop()


def test_what_retention_took_before_it_was_read_is_passed_over(desk: Desk) -> None:
    desk.write(("a", 1))
    desk.write(("b", 2))
    desk.bench.log.trim(PORT, 0, 1)
    desk.settle()
    assert (desk.get("a"), desk.get("b"), desk.reader.position()) == (None, 2, 2)


def test_a_lookup_of_a_port_that_is_declared_later(tmp_path: Path) -> None:
    bench = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
    lookup = LookupProjector(bench.log, tmp_path / "x.db", PORT)
    assert lookup.advance() is False
    bench.log.declare(PORT, TopicConfig())
    bench.write(CommitSet((Append(PORT, 0, 1, encode_entry("a", 1), {}),)))
    assert lookup.advance() is True
    lookup.close()
    bench.log.stop()


def test_ports_never_share_a_folder() -> None:
    ports = ["a.b/c@1", "a.b/c@11", "a.b_c@1", "a.b.c@1", "a/b.c@1"]
    folders = {lookup_path(Path("x"), port).parent for port in ports}
    assert len(folders) == len(ports)
    assert all(folder.parent == Path("x") for folder in folders)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.none() | st.integers(0, 9), st.integers(0, 2), st.booleans()), max_size=25
    )
)
def test_every_position_shows_what_stood_there(writes: list[tuple[str, int | None, int, bool]]) -> None:
    """A key belongs to one partition at a time, but may move: the last written stands."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder), partitions=3)
        model: dict[str, int | None] = {}
        pictures: list[dict[str, int | None]] = [{}]
        for key, value, partition, settle in writes:
            desk.write((key, value), partition=partition)
            model[key] = value
            pictures.append(dict(model))
            if settle:
                desk.settle()
                assert {k: desk.get(k) for k in "abcd"} == {k: model.get(k) for k in "abcd"}
        desk.settle()
        for position, picture in enumerate(pictures):
            assert {k: desk.get(k, position) for k in "abcd"} == {k: picture.get(k) for k in "abcd"}
        desk.close()


READER = """
import os, sys
from pathlib import Path
from hansa.outputs.lookup import LookupReader
if os.getuid() == 0:
    os.setuid(65534)
file = Path(sys.argv[1])
denied = 0
for end in ("", "-wal", "-shm"):
    try:
        open(f"{file}{end}", "r+b")
    except PermissionError:
        denied += 1
reader = LookupReader(file)
for _ in sys.stdin:
    before = reader.begin()
    print(denied, before, reader.get("a").hex(), flush=True)
    reader.end()
"""


def test_a_process_that_may_only_read_the_files_sees_each_commit_of_a_live_writer() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        desk = Desk(Path(folder))
        desk.write(("a", 0))
        desk.settle()
        for end in ("", "-wal", "-shm"):
            os.chmod(f"{desk.path}{end}", 0o444)
        command = [sys.executable, "-c", READER, str(desk.path)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert child.stdin is not None
        assert child.stdout is not None
        with child, child.stdin as ask, child.stdout as answers:
            for n in range(1, 40):
                desk.write(*[(f"filler{n}", "x" * 3000)] * 40, ("a", n))
                desk.settle()
                if n == 20:
                    with desk.lookup._store.writing() as db:
                        db.execute("SELECT 1")
                    desk.lookup._store._writer.execute("PRAGMA wal_checkpoint(RESTART)")
                ask.write("\n")
                ask.flush()
                assert answers.readline().split() == ["3", str(1 + 41 * n), msgspec.msgpack.encode(n).hex()]
        assert child.returncode == 0
        desk.close()


def test_versions_in_clear_are_taken_by_their_place_and_time_and_no_others(desk: Desk) -> None:
    desk.bench.log.declare(KEEPING_TOPIC, TopicConfig())
    desk.write(("bo", {"id": "bo"}), ("al", {"id": "al"}))
    desk.write(("bo", {"id": "bo", "n": 2}), ("cy", None))
    desk.settle()
    rows = [(at, time_us) for at, time_us, record in plain_rows(desk.path) if b"bo" in record]
    assert [at for at, _ in rows] == [0, 2]
    wrong_time = [(1, rows[0][1] + 7)]
    order = order_append(
        Forget(port="another/port@1", rows=[(1, rows[0][1])]), Forget(port=PORT, rows=[*rows, *wrong_time])
    )
    desk.bench.write(CommitSet((order,)))
    desk.settle()
    assert (desk.get("bo"), desk.get("bo", 1), desk.get("al")) == (None, None, {"id": "al"})
