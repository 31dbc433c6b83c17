"""What an image is made of, and that nothing in it changes unseen."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hansa.errors import HansaError
from hansa.eventlog import sqlite_rows
from hansa.eventlog.image import PORTION_COUNT, Digest, Fact, digests, missing, portions
from hansa.eventlog.interface import CommitSet
from hansa.eventlog.sqlite import SqliteLog
from hansa.eventlog.sqlite_image import SqliteImage
from hansa.testing.log_bench import Bench, appending

COLUMNS = {**sqlite_rows.TABLES, "batch": ("base", "count", "time_us", "body"), "bound": ("first", "end")}


def fact(key: str, value: int) -> Fact:
    return ("epoch", key), value


def test_missing_are_those_that_are_not_there_and_those_that_are_otherwise() -> None:
    wanted = [fact("a", 1), fact("b", 2), fact("c", 3), fact("e", 5)]
    there = [fact("b", 2), fact("c", 4), fact("d", 4)]
    assert list(missing(iter(wanted), iter(there))) == [fact("a", 1), fact("c", 3), fact("e", 5)]


def test_a_portion_ends_by_bytes_or_by_count() -> None:
    assert [len(p) for p in portions(range(2 * PORTION_COUNT + 1), lambda _: 1)] == [PORTION_COUNT, PORTION_COUNT, 1]
    assert list(portions([1, 2, 3], lambda _: 5 << 20)) == [[1, 2], [3]]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Digest]]:
    """A folder with a row of each kind, and what is in it."""
    folder = tmp_path_factory.mktemp("written")
    bench = Bench(lambda clock_us: SqliteLog(folder, clock_us=clock_us))
    bench.commit(CommitSet(appends=(appending("a", "b", subject="bo"),)))
    bench.commit(CommitSet(appends=(appending("c"),)))
    bench.log.stop()
    with closing(SqliteImage(folder)) as image:
        image.take((), [(("position", "g", "t", 0), 1), (("state", "s", "k"), b"v"), (("claim", "s", "k"), (b"v", 9))])
        image.take((), [(("epoch", "r"), 3)])
        return folder, digests(image)


@pytest.mark.parametrize("is_hidden", [False, True], ids=["as the disk does", "with the checksum made anew"])
@pytest.mark.parametrize(("table", "column"), [(table, name) for table, names in COLUMNS.items() for name in names])
def test_a_byte_that_changed_is_found(
    written: tuple[Path, dict[str, Digest]], tmp_path: Path, table: str, column: str, is_hidden: bool
) -> None:
    source, before = written
    shutil.copy(source / "log.db", tmp_path)
    with closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as connection:
        connection.create_function("flipped", 1, flipped)
        connection.create_function("row_checksum", -1, sqlite_rows.checksum)
        where = "WHERE resource = 'r'" if table == "epoch" else ""
        connection.execute(f"UPDATE {table} SET {column} = flipped({column}) {where}")
        if is_hidden and table in sqlite_rows.TABLES:
            names = ", ".join(sqlite_rows.TABLES[table])
            connection.execute(f"UPDATE {table} SET checksum = row_checksum({names}) {where}")
    assert told(tmp_path) != before


def told(folder: Path) -> dict[str, Digest] | str:
    """The digests, or what is said instead."""
    try:
        with closing(SqliteImage(folder)) as image:
            return digests(image)
    except HansaError as failure:
        return failure.code


def flipped(value: Any) -> Any:
    if isinstance(value, int):
        return value ^ 4
    if isinstance(value, str):
        return chr(ord(value[0]) ^ 1) + value[1:]
    return bytes([*value[:-1], value[-1] ^ 1])
