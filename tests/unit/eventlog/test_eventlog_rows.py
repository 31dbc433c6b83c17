"""A row beside the batches that is not what was written is found and said, whatever byte of it changed."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hansa.errors import HansaError
from hansa.eventlog.interface import Advance, Claim, CommitSet, Log, Put
from hansa.eventlog.sqlite import SqliteLog
from hansa.testing.log_bench import Bench, bodies, picture, writing

Ask = Callable[[Log], Any]
CHANGES: list[tuple[str, str, str, Ask]] = [
    ("position", "next", "next + 1", lambda log: log.position("g", "t", 0)),
    ("position", "grp", "'h'", lambda log: log.position("g", "t", 0)),
    ("position", "checksum", "checksum + 1", lambda log: log.position("g", "t", 0)),
    ("state", "value", "x'00'", lambda log: log.get("s", "k")),
    ("state", "value", "x'00'", lambda log: list(log.scan("s"))),
    ("state", "key", "'l'", lambda log: list(log.scan("s"))),
    ("state", "key", "CAST(x'6bff' AS TEXT)", lambda log: list(log.scan("s"))),
    ("epoch", "epoch", "epoch + 1", lambda log: log.acquire("r")),
    ("person", "key", "zeroblob(32)", lambda log: log.person("bo")),
    ("person", "id", "7", lambda log: log.person("bo")),
]


def filled(folder: Path) -> None:
    bench = Bench(lambda clock_us: SqliteLog(folder, clock_us=clock_us))
    bench.log.acquire("r")
    bench.write(
        writing("told of bo", subject="bo"),
        CommitSet(advances=(Advance("g", "t", 0, 1),), puts=(Put("s", "k", b"v"),)),
        CommitSet(claims=(Claim("s", "key", b"mine", 1 << 60),)),
    )
    bench.log.stop()


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[SqliteLog]:
    log = SqliteLog(folder)
    try:
        yield log
    finally:
        log.stop()


def change(folder: Path, sql: str) -> None:
    connection = sqlite3.connect(folder / "log.db")
    connection.execute(sql)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(("table", "column", "value", "ask"), CHANGES)
def test_a_changed_row_is_damage_and_never_skipped(
    tmp_path: Path, table: str, column: str, value: str, ask: Ask
) -> None:
    filled(tmp_path)
    change(tmp_path, f"UPDATE {table} SET {column} = {value}")
    with pytest.raises(HansaError) as raised, opened(tmp_path) as log:
        ask(log)
    assert raised.value.code == "log.damaged"


@pytest.mark.parametrize("value", ["x'00'", "until_us - 1"])
def test_a_changed_claim_refuses_the_set_that_asks_for_it(tmp_path: Path, value: str) -> None:
    filled(tmp_path)
    change(tmp_path, f"UPDATE claim SET {'value' if value.startswith('x') else 'until_us'} = {value}")
    bench = Bench(lambda clock_us: SqliteLog(tmp_path, clock_us=clock_us))
    again = CommitSet(claims=(Claim("s", "key", b"yours", 1 << 60),))
    _, failure, _ = bench.commit(writing("before"), again, writing("after"))
    assert isinstance(failure, HansaError)
    assert (failure.code, failure.details["table"], failure.details["key"]) == ("log.damaged", "claim", "key")
    assert bodies(bench.log) == ["told of bo", "before", "after"]
    bench.log.stop()


@pytest.mark.parametrize("table", ["state", "claim", "person"])
def test_verifying_names_the_row(tmp_path: Path, table: str) -> None:
    filled(tmp_path)
    change(tmp_path, f"UPDATE {table} SET checksum = checksum + 1")
    log = SqliteLog(tmp_path)
    messages = [finding.message for finding in log.verify()]
    log.stop()
    assert any(message.startswith(f"The row of {table} at ") for message in messages)


def test_a_file_of_the_first_format_opens_as_it_was(tmp_path: Path) -> None:
    filled(tmp_path)
    log = SqliteLog(tmp_path)
    before = picture(log)
    log.stop()
    back = """
        CREATE TABLE subject (id INTEGER PRIMARY KEY, name TEXT NOT NULL, key BLOB);
        INSERT INTO subject SELECT id, name, key FROM person; DROP TABLE person;
        ALTER TABLE position DROP COLUMN checksum; ALTER TABLE state DROP COLUMN checksum;
        ALTER TABLE claim DROP COLUMN checksum; ALTER TABLE epoch DROP COLUMN checksum; PRAGMA user_version = 1;
    """
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.executescript(back)
    connection.close()
    log = SqliteLog(tmp_path)
    assert picture(log) == before
    assert list(log.verify()) == []
    log.stop()
