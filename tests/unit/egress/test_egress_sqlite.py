"""SQL connections over SQLite: rows, transactions, and what a statement may not do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hansa.egress import sqlite as sqlite_module
from hansa.egress.exits import open_exit
from hansa.egress.interface import Call, Exit
from hansa.egress.settings import ConnectionSetting
from hansa.errors import HansaError, OperatorError, Unavailable

CREATE = "CREATE TABLE line (id INTEGER PRIMARY KEY, service TEXT NOT NULL, text TEXT, at TEXT, data BLOB, size REAL)"
INSERT = "INSERT INTO line (service, text) VALUES (?, ?)"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Exit]:
    opened = open_exit(ConnectionSetting("db", "sql", "sqlite:///lines.db", base=tmp_path))
    execute(opened, CREATE)
    yield opened
    opened.close()


def execute(db: Exit, statement: str, parameters: Any = ()) -> int:
    affected: int = db.call(Call("execute", [statement, parameters]))
    return affected


def query(db: Exit, statement: str, parameters: Any = ()) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = db.call(Call("query", [statement, parameters]))
    return rows


def refusal(db: Exit, operation: str, statement: str, parameters: Any = ()) -> HansaError:
    with pytest.raises(HansaError) as caught:
        db.call(Call(operation, [statement, parameters]))
    return caught.value


def test_rows_come_by_column_name_as_plain_values(db: Exit) -> None:
    execute(db, "INSERT INTO line VALUES (7, 'web', NULL, '2026', x'00ff', 1.5)")
    expected = {"id": 7, "service": "web", "text": None, "at": "2026", "data": b"\x00\xff", "size": 1.5}
    assert query(db, "SELECT * FROM line WHERE id = ?", [7]) == [expected]
    assert query(db, "SELECT id AS number FROM line WHERE service = :service", {"service": "web"}) == [{"number": 7}]


def test_a_list_of_rows_runs_once_for_each(db: Exit) -> None:
    assert execute(db, INSERT, [["web", "a"], ["web", "b"], ["web", "c"]]) == 3
    assert execute(db, "UPDATE line SET text = ? WHERE service = ?", ["x", "web"]) == 3
    assert execute(db, "INSERT INTO line (service) VALUES (:s)", [{"s": "api"}, {"s": "api"}]) == 2
    assert execute(db, "CREATE TABLE other (id)") == 0


def test_all_rows_of_a_call_or_none(db: Exit) -> None:
    error = refusal(db, "execute", INSERT, [["web", "a"], [None, "b"]])
    assert error.code == "connection.constraint"
    assert query(db, "SELECT COUNT(*) AS n FROM line") == [{"n": 0}]


def test_times_are_kept_as_text_that_sqlite_reads(db: Exit) -> None:
    execute(db, "INSERT INTO line (service, at) VALUES (?, ?)", ["web", datetime(2026, 1, 1, 12, tzinfo=UTC)])
    assert query(db, "SELECT at, strftime('%Y', at) AS year FROM line") == [
        {"at": "2026-01-01T12:00:00+00:00", "year": "2026"}
    ]


@pytest.mark.parametrize("statement", ["SELEC 1", "SELECT * FROM absent", "SELECT ?", "SELECT 1; SELECT 2"])
def test_a_wrong_statement_says_what_sqlite_says(db: Exit, statement: str) -> None:
    error = refusal(db, "query", statement)
    assert error.code == "connection.statement"
    assert error.message
    assert query(db, "SELECT 1 AS one") == [{"one": 1}]


@pytest.mark.parametrize("statement", ["ATTACH DATABASE '{other}' AS other", "VACUUM INTO '{other}'"])
def test_no_statement_reaches_another_file(db: Exit, tmp_path: Path, statement: str) -> None:
    other = tmp_path / "other.db"
    assert refusal(db, "execute", statement.format(other=other)).code == "connection.statement"
    assert not other.exists()


def test_a_statement_that_ends_the_transaction_leaves_the_connection_usable(db: Exit) -> None:
    execute(db, "COMMIT")
    assert execute(db, INSERT, ["web", "a"]) == 1
    assert query(db, "SELECT COUNT(*) AS n FROM line") == [{"n": 1}]


def test_a_statement_that_does_not_end_is_ended(db: Exit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_module, "STATEMENT_MAX_S", 0.05)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n"
    assert refusal(db, "query", endless).code == "connection.timeout"
    assert query(db, "SELECT 1 AS one") == [{"one": 1}]


def test_too_many_rows_are_refused(db: Exit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_module, "QUERY_ROWS_MAX", 2)
    execute(db, INSERT, [["web", "a"], ["web", "b"]])
    assert len(query(db, "SELECT * FROM line")) == 2
    execute(db, INSERT, ["web", "c"])
    assert refusal(db, "query", "SELECT * FROM line").code == "connection.too_large"


def test_what_was_written_is_there_for_the_next_connection(tmp_path: Path) -> None:
    setting = ConnectionSetting("db", "sql", "sqlite:///lines.db", base=tmp_path)
    for statement in (CREATE, "INSERT INTO line (service) VALUES ('web')"):
        opened = open_exit(setting)
        execute(opened, statement)
        opened.close()
    opened = open_exit(setting)
    assert query(opened, "SELECT service FROM line") == [{"service": "web"}]
    opened.close()


def test_four_slashes_name_a_file_anywhere(tmp_path: Path) -> None:
    opened = open_exit(ConnectionSetting("db", "sql", f"sqlite:///{tmp_path / 'any where.db'}", base=Path("/absent")))
    opened.close()
    assert (tmp_path / "any where.db").exists()


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "lines.db").write_bytes(b"not a database, but long enough to have a header" * 4)
    with pytest.raises(Unavailable) as caught:
        open_exit(ConnectionSetting("db", "sql", "sqlite:///lines.db", base=tmp_path))
    assert caught.value.code == "connection.failed"


@pytest.mark.parametrize("url", ["oracle://host/db", "sqlite:lines.db", "sqlite://lines.db"])
def test_a_url_of_no_database_is_refused(url: str) -> None:
    with pytest.raises(OperatorError) as caught:
        open_exit(ConnectionSetting("db", "sql", url))
    assert caught.value.code == "connection.malformed"
