from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest

from hansa.errors import InternalError, OperatorError, Unavailable
from hansa.model.product import (
    EventTrigger,
    HttpTrigger,
    ManualTrigger,
    OnceTrigger,
    PortTrigger,
    ProcessSpec,
    ProductSpec,
    ScheduleTrigger,
)
from hansa.model.trigger_key import trigger_names
from hansa.registry.audit import START, make_row
from hansa.registry.migration import Migration, migrations_in
from hansa.registry.spec import encode_spec
from hansa.registry.sqlite import SqliteRegistry
from hansa.registry.sqlite.database import error_of
from hansa.registry.sqlite.migrate import migrate
from hansa.registry.values import Domain, TriggerKey

SPEC = ProductSpec("operations.flights", "Flights")


def opened(path: Path | None = None) -> SqliteRegistry:
    registry = SqliteRegistry(path)
    registry.put_domain("ada", Domain("operations"))
    return registry


def test_a_registry_comes_back_from_its_file(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "r.db")) as registry:
        registry.deploy("ada", SPEC, "r1", "b1")
    with closing(SqliteRegistry(tmp_path / "r.db")) as registry:
        assert registry.product("operations.flights").live.hash == "r1"
        assert registry.audit_verify() == (2, None)


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "r.db")):
        assert (tmp_path / "r.db").stat().st_mode & 0o077 == 0


def test_what_is_acknowledged_is_on_disk(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "r.db")) as registry, registry._database.use() as connection:
        settings = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.parametrize("on_disk", [True, False])
def test_two_threads_deploy_at_once(tmp_path: Path, on_disk: bool) -> None:
    registry = opened(tmp_path / "r.db" if on_disk else None)
    start = threading.Barrier(2)

    def deploy(shared_first: bool) -> None:
        start.wait(10)
        for number in range(20):
            own = f"{'a' if shared_first else 'b'}{number}"
            registry.deploy("ada", SPEC, "shared", "b")
            registry.deploy("ada", SPEC, own, own)

    threads = [threading.Thread(target=deploy, args=(first,)) for first in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    revisions = registry.revisions("operations.flights")
    assert sorted(revision.number for revision in revisions) == list(range(1, 42))
    assert len({revision.hash for revision in revisions}) == 41
    verified = registry.audit_verify()
    assert verified.first_bad is None
    assert operations_of(registry) == verified.intact - 1
    registry.close()


def operations_of(registry: SqliteRegistry) -> int:
    return sum(entry.operation.startswith("product.") for entry in registry.audit_after(0))


def test_a_change_that_leaves_no_audit_is_not_made() -> None:
    registry = opened()
    with pytest.raises(InternalError, match=r"audit\.missing"), registry._changing("eve") as change:
        change.execute("UPDATE domain SET owner = 'eve'")
    assert registry.domain("operations").owner == ""
    registry.close()


def test_a_change_that_fails_leaves_no_audit() -> None:
    registry = opened()

    def fail() -> None:
        with registry._changing("eve") as change:
            change.execute("UPDATE domain SET owner = 'eve'")
            change.audit("domain.changed", "operations")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert registry.domain("operations").owner == ""
    assert registry.audit_verify() == (1, None)
    registry.close()


@pytest.mark.parametrize(
    "sql",
    ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit", "UPDATE revision SET spec = '{}'", "DELETE FROM revision"],
)
def test_audit_and_revisions_are_append_only(sql: str) -> None:
    registry = opened()
    registry.deploy("ada", SPEC, "r1", "b1")
    with pytest.raises(sqlite3.IntegrityError, match="never"), registry._database.write() as connection:
        connection.execute(sql)
    registry.close()


def test_a_backup_has_its_name_once_it_is_whole_and_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int) -> None:
        raise OSError("the disk failed")

    registry = opened()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OperatorError, match=r"the disk failed \[backup\.failed\]"):
            registry.backup(tmp_path / "copy.db")
    with pytest.raises(OperatorError, match=r"backup\.failed"):
        registry.backup(tmp_path / "missing" / "copy.db")
    assert list(tmp_path.iterdir()) == []
    registry.backup(tmp_path / "copy.db")
    assert [path.name for path in tmp_path.iterdir()] == ["copy.db"]
    registry.close()


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.db").write_bytes(b"no database" * 100)
    with pytest.raises(OperatorError, match=r"store\.damaged"):
        SqliteRegistry(tmp_path / "r.db")


def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"store\.failed"):
        SqliteRegistry(tmp_path / "missing" / "r.db")


def test_a_full_store_is_unavailable_and_keeps_nothing() -> None:
    registry = opened()
    with registry._database.use() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Unavailable, match=r"store\.full"):
        registry.put_domain("ada", Domain("weather", "x" * 100_000))
    assert [domain.name for domain in registry.domains()] == ["operations"]
    assert registry.audit_verify() == (1, None)
    registry.close()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_FULL, "store.full"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "store.busy"),
        (sqlite3.SQLITE_LOCKED, "store.busy"),
        (sqlite3.SQLITE_CORRUPT, "store.damaged"),
        (sqlite3.SQLITE_NOTADB, "store.damaged"),
        (sqlite3.SQLITE_IOERR_FSYNC, "store.failed"),
        (sqlite3.SQLITE_CANTOPEN, "store.failed"),
        (sqlite3.SQLITE_READONLY, "store.failed"),
        (sqlite3.SQLITE_CONSTRAINT, None),
        (sqlite3.SQLITE_ERROR, None),
    ],
)
def test_what_sqlite_says_is_translated(code: int, expected: str | None) -> None:
    failure = sqlite3.OperationalError("said")
    failure.sqlite_errorcode = code
    error = error_of("registry.db", failure)
    assert (error.code if error else None) == expected


def test_our_own_bad_sql_is_not_dressed_up() -> None:
    registry = opened()
    with pytest.raises(sqlite3.OperationalError, match="no such table"), registry._database.use() as connection:
        connection.execute("SELECT * FROM missing")
    registry.close()


# Migrations

STEPS = (
    Migration(1, "0001_a.sql", "CREATE TABLE a (x);\nCREATE TRIGGER t AFTER INSERT ON a\nBEGIN SELECT 1; END;\n"),
    Migration(2, "0002_b.sql", "CREATE TABLE b (x)\n"),
)


def memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def tables(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'trigger')")
    return {name for (name,) in rows if not name.startswith("sqlite_")}


def version(connection: sqlite3.Connection) -> int:
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


@pytest.mark.parametrize("had", [0, 1, 2])
def test_a_store_is_brought_up_from_any_version(had: int) -> None:
    with closing(memory()) as connection:
        migrate(connection, "s", STEPS[:had])
        assert version(connection) == had
        migrate(connection, "s", STEPS)
        assert version(connection) == 2
        assert tables(connection) == {"migration", "a", "t", "b"}


def test_a_step_that_fails_leaves_the_step_before() -> None:
    broken = (STEPS[0], Migration(2, "0002_b.sql", "CREATE TABLE b (x);\nCREATE TABLE a (x);\n"))
    with closing(memory()) as connection:
        with pytest.raises(sqlite3.OperationalError, match="already exists"):
            migrate(connection, "s", broken)
        assert not connection.in_transaction
        assert version(connection) == 1
        assert tables(connection) == {"migration", "a", "t"}


@pytest.mark.parametrize(
    ("known", "code"),
    [
        (STEPS[:1], "store.newer"),
        ((STEPS[0]._replace(sql="CREATE TABLE a (y);"), STEPS[1]), "store.altered"),
        ((STEPS[0], STEPS[1]._replace(name="0002_c.sql")), "store.altered"),
    ],
)
def test_a_store_of_another_hansa_is_refused_and_left_alone(known: tuple[Migration, ...], code: str) -> None:
    with closing(memory()) as connection:
        migrate(connection, "s", STEPS)
        with pytest.raises(OperatorError) as caught:
            migrate(connection, "s", known)
        assert caught.value.code == code
        assert version(connection) == 2


@pytest.mark.parametrize("names", [["0002_b.sql"], ["0001_a.sql", "0003_c.sql"], ["0001_a.sql", "0001_b.sql"]])
def test_a_gap_between_migrations_is_our_own_bug(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(InternalError, match=r"migration\.missing"):
        migrations_in(tmp_path)


def test_a_registry_from_the_future_is_refused(tmp_path: Path) -> None:
    opened(tmp_path / "r.db").close()
    steps = migrations_in(files("hansa.registry.sqlite") / "migrations")
    with closing(sqlite3.connect(tmp_path / "r.db", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA user_version = {len(steps) + 1}")
    with pytest.raises(OperatorError, match=r"store\.newer"):
        SqliteRegistry(tmp_path / "r.db")


def test_a_pause_from_before_keeps_to_its_trigger(tmp_path: Path) -> None:
    triggers = (
        HttpTrigger("POST", "/a/b"), PortTrigger("a.b/c@1"), PortTrigger("a.b/c@1"), EventTrigger("e"),
        ScheduleTrigger(cron="0 6 * * *"), ScheduleTrigger(every_s=300.0), ScheduleTrigger(every_s=0.25),
        OnceTrigger(), OnceTrigger(at="2026-12-24T18:00:00Z"), ManualTrigger(),
    )  # fmt: skip
    spec = ProductSpec("operations.flights", "Flights", processes=(ProcessSpec("load", (), triggers),))
    first = migrations_in(files("hansa.registry.sqlite") / "migrations")[:1]
    with closing(sqlite3.connect(tmp_path / "r.db", isolation_level=None)) as connection:
        migrate(connection, "r.db", first)
        connection.executescript("PRAGMA foreign_keys = OFF;")
        connection.execute("INSERT INTO product VALUES (?, 'operations', 'active', 1)", (spec.id,))
        row = (spec.id, "r1", 1, encode_spec(spec), "b1", "ada", 0, "")
        connection.execute("INSERT INTO revision VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        connection.execute("INSERT INTO deployment VALUES (1, ?, 'r1', NULL)", (spec.id,))
        connection.execute("INSERT INTO domain VALUES ('operations', '', '')")
        paused = [(spec.id, "load", index) for index in (*range(len(triggers)), 99)]
        connection.executemany("INSERT INTO paused_trigger VALUES (?, ?, ?)", paused)
    with closing(SqliteRegistry(tmp_path / "r.db")) as registry:
        names = trigger_names(triggers)
        assert registry.paused_triggers() == {TriggerKey(spec.id, "load", name) for name in names}
        assert len(names) == len(triggers)


def test_what_stood_before_is_searched_referred_to_and_verified_as_ever(tmp_path: Path) -> None:
    steps = migrations_in(files("hansa.registry.sqlite") / "migrations")
    with closing(sqlite3.connect(tmp_path / "r.db", isolation_level=None)) as connection:
        migrate(connection, "r.db", steps[:4])
        connection.executescript("""
            PRAGMA foreign_keys = OFF;
            INSERT INTO domain VALUES ('operations', '', '');
            INSERT INTO product (id, domain, state, live) VALUES ('operations.flights', 'operations', 'active', 1);
            INSERT INTO deployment VALUES (1, 'operations.flights', 'r1', NULL);
            INSERT INTO term VALUES ('operations.flights', 'description', 'departures of the day');
            INSERT INTO term VALUES ('operations.flights', 'tag', 'aviation');
            INSERT INTO schema_subject (name) VALUES ('texts');
            INSERT INTO schema VALUES (7, x'00', '{"references": [{"name": "a", "subject": "names", "version": 2}]}');
            INSERT INTO schema_version VALUES ('texts', 1, 7, 0);
        """)
        row = (SPEC.id, "r1", 1, encode_spec(SPEC), "b1", "ada", 0, "")
        connection.execute("INSERT INTO revision VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        last = (0, START)
        for number in range(3):
            entry = make_row(last, number, "ada", "run.started", "t", None, None, "")
            connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", entry)
            last = (entry.seq, entry.digest)
        connection.execute("DROP TRIGGER audit_kept")
        connection.execute("DELETE FROM audit WHERE seq = 3")
    with closing(SqliteRegistry(tmp_path / "r.db")) as registry:
        assert [found.id for found in registry.search("day aviat").products] == ["operations.flights"]
        assert registry.search("arrivals").products == ()
        assert registry.schema_referrers("names", 2) == [7]
        assert registry.audit_verify() == (2, 3)
