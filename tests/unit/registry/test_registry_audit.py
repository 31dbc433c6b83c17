from __future__ import annotations

from collections.abc import Iterator

import pytest

from hansa.errors import InternalError, OperatorError
from hansa.registry.audit import START, Row, digest_of, make_row
from hansa.registry.sqlite import SqliteRegistry
from hansa.registry.tables import audit

COLUMNS = [name for name in Row._fields if name != "seq"]


@pytest.fixture
def registry() -> Iterator[SqliteRegistry]:
    made = SqliteRegistry()
    for number in range(5):
        made.record("ada", "run.started", "operations.flights:load", {"n": number}, [number], f"number {number}")
    yield made
    made.close()


def tamper(registry: SqliteRegistry, sql: str, *values: object) -> None:
    """What someone with the file and a SQLite shell can do."""
    with registry._database.write() as connection:
        connection.execute("DROP TRIGGER audit_unchanged")
        connection.execute("DROP TRIGGER audit_kept")
        connection.execute(sql, values)


@pytest.mark.parametrize("seq", [1, 3, 5])
@pytest.mark.parametrize("column", COLUMNS)
def test_any_altered_column_is_found(registry: SqliteRegistry, column: str, seq: int) -> None:
    change = f"{column} + 1" if column == "time_us" else f"{column} || ' '"
    tamper(registry, f"UPDATE audit SET {column} = {change} WHERE seq = ?", seq)
    assert registry.audit_verify() == (seq - 1, seq)


@pytest.mark.parametrize("column", COLUMNS)
def test_another_type_is_found_too(registry: SqliteRegistry, column: str) -> None:
    tamper(registry, f"UPDATE audit SET {column} = CAST({column} AS BLOB) WHERE seq = 3")
    assert registry.audit_verify() == (2, 3)


@pytest.mark.parametrize("seq", [1, 3, 5])
def test_a_missing_entry_is_found(registry: SqliteRegistry, seq: int) -> None:
    tamper(registry, "DELETE FROM audit WHERE seq = ?", seq)
    assert registry.audit_verify() == (seq - 1, seq)


@pytest.mark.parametrize("to", [-1, 0, 9])
def test_a_moved_entry_is_found(registry: SqliteRegistry, to: int) -> None:
    tamper(registry, "UPDATE audit SET seq = ? WHERE seq = 3", to)
    assert registry.audit_verify().first_bad is not None


def test_an_entry_rewritten_with_a_right_digest_breaks_the_next(registry: SqliteRegistry) -> None:
    with registry._database.use() as connection:
        row = Row(*connection.execute("SELECT * FROM audit WHERE seq = 3").fetchone())
    forged = row._replace(actor="eve", digest="")
    tamper(registry, "UPDATE audit SET actor = 'eve', digest = ? WHERE seq = 3", digest_of(forged))
    assert registry.audit_verify() == (3, 4)


def test_a_last_entry_that_was_moved_with_a_right_digest_is_found(registry: SqliteRegistry) -> None:
    with registry._database.use() as connection:
        row = Row(*connection.execute("SELECT * FROM audit WHERE seq = 5").fetchone())
    tamper(registry, "UPDATE audit SET seq = 9, digest = ? WHERE seq = 5", digest_of(row._replace(seq=9)))
    assert registry.audit_verify() == (4, 5)


def test_an_inserted_entry_is_found(registry: SqliteRegistry) -> None:
    tamper(
        registry,
        "INSERT INTO audit SELECT 6, time_us, actor, operation, target, before, after, detail, previous, digest"
        " FROM audit WHERE seq = 5",
    )
    assert registry.audit_verify() == (5, 6)


def test_an_empty_audit_verifies() -> None:
    registry = SqliteRegistry()
    assert registry.audit_verify() == (0, None)
    registry.close()


def test_an_audit_longer_than_a_page_is_verified_whole(
    registry: SqliteRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_PAGE", 2)
    assert registry.audit_verify() == (5, None)
    tamper(registry, "UPDATE audit SET actor = 'eve' WHERE seq = 4")
    assert registry.audit_verify() == (3, 4)


def test_a_damaged_entry_is_said_not_skipped(registry: SqliteRegistry) -> None:
    tamper(registry, "UPDATE audit SET before = '{' WHERE seq = 2")
    with pytest.raises(OperatorError, match=r"audit\.damaged"):
        registry.audit_after(0)


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    one, other = (
        make_row((0, START), 1, "ada", "run.started", "t", None, value, "")
        for value in ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    )
    assert one == other


def test_fields_cannot_run_into_each_other() -> None:
    one = make_row((0, START), 1, "ada", "run.started", "ab", None, None, "c")
    other = make_row((0, START), 1, "ada", "run.started", "a", None, None, "bc")
    assert one.digest != other.digest


@pytest.mark.parametrize("operation", ["", "started", "run.", "Run.started", "run.started "])
def test_an_operation_has_a_noun_and_a_verb(registry: SqliteRegistry, operation: str) -> None:
    with pytest.raises(InternalError, match=r"audit\.operation"):
        registry.record("ada", operation, "t")
    assert registry.audit_verify() == (5, None)
