"""What the registry in PostgreSQL decides without a server."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from hansa.databases.postgres import Pool, check_version
from hansa.databases.postgres_errors import error_of
from hansa.errors import CallerError, InternalError, OperatorError, Unavailable
from hansa.registry.migration import Migration
from hansa.registry.postgres.access_copy import AccessCopy, account_of
from hansa.registry.postgres.migrate import compatible
from hansa.registry.values import Account, AuditEntry, Identity, Role, Token


@pytest.mark.parametrize(
    ("failure", "family", "code"),
    [
        (errors.DiskFull("no room"), Unavailable, "store.full"),
        (errors.TooManyConnections("no more"), Unavailable, "store.busy"),
        (errors.LockNotAvailable("waited"), Unavailable, "store.busy"),
        (errors.QueryCanceled("slow"), Unavailable, "store.busy"),
        (errors.DeadlockDetected("both"), Unavailable, "store.busy"),
        (errors.ReadOnlySqlTransaction("a standby"), Unavailable, "store.read_only"),
        (errors.InsufficientPrivilege("no rights"), Unavailable, "store.denied"),
        (errors.InvalidPassword("wrong"), Unavailable, "store.denied"),
        (errors.InvalidCatalogName("no such database"), Unavailable, "store.missing"),
        (errors.AdminShutdown("bye"), Unavailable, "store.unreachable"),
        (errors.ConnectionFailure("gone"), Unavailable, "store.unreachable"),
        (errors.DataCorrupted("bad page"), OperatorError, "store.damaged"),
        (errors.ProgramLimitExceeded("long key"), CallerError, "value.too_large"),
        (psycopg.DataError("cannot contain NUL"), CallerError, "value.malformed"),
        (psycopg.OperationalError("connection refused"), Unavailable, "store.unreachable"),
        (psycopg.OperationalError('FATAL: password authentication failed for user "a"'), Unavailable, "store.denied"),
        (psycopg.OperationalError('FATAL: role "a" does not exist'), Unavailable, "store.denied"),
        (psycopg.OperationalError('FATAL: database "a" does not exist'), Unavailable, "store.missing"),
        (psycopg.OperationalError("FATAL: sorry, too many clients already"), Unavailable, "store.busy"),
        (errors.UndefinedTable("our bug"), None, None),
        (errors.UniqueViolation("our bug"), None, None),
    ],
)
def test_what_postgresql_says_is_translated(
    failure: psycopg.Error, family: type[Exception] | None, code: str | None
) -> None:
    error = error_of("registry", failure)
    assert (type(error) if error else None, error.code if error else None) == (family, code)
    assert error is None or error.hint


def test_an_error_is_one_line_that_names_the_server() -> None:
    error = error_of("PostgreSQL db:5432/hansa", psycopg.OperationalError("connection failed:\n  refused\n"))
    assert error is not None
    assert error.message == "PostgreSQL db:5432/hansa: connection failed: refused"


def test_an_old_server_is_refused() -> None:
    check_version("db", 140000)
    with pytest.raises(OperatorError, match=r"db is version 13; Hansa needs 14 or newer \[store\.old\]"):
        check_version("db", 130012)


def test_a_pool_never_tells_the_password() -> None:
    pool = Pool("postgresql://hansa:very-secret@db.example:6432/mesh?sslmode=require", "registry")
    assert (pool.name, pool.address) == ("PostgreSQL db.example:6432/mesh", "postgresql://hansa@db.example:6432/mesh")
    with pytest.raises(OperatorError, match=r"database\.address"):
        Pool("postgresql://db/mesh?nonsense=1", "registry")


@pytest.mark.parametrize(("sql", "earliest"), [("-- compatible: 1\nSELECT 1;", 1), ("-- compatible: 3\n", 3)])
def test_a_migration_says_which_formats_it_goes_with(sql: str, earliest: int) -> None:
    assert compatible(Migration(3, "0003_x.sql", sql)) == earliest


@pytest.mark.parametrize("sql", ["SELECT 1;", "-- compatible: 4\n", "-- compatible: 0\n", "\n-- compatible: 1\n"])
def test_a_migration_that_says_it_wrongly_is_our_own_bug(sql: str) -> None:
    with pytest.raises(InternalError, match=r"migration\.compatible"):
        compatible(Migration(3, "0003_x.sql", sql))


def identity(token: str, account: str, *roles: tuple[str, Role]) -> Identity:
    return Identity(Token(token, account, "", b"", (), None, 0, 1), Account(account), roles)


def test_a_copy_of_access_follows_each_account_as_a_whole() -> None:
    copy = AccessCopy([identity("a1", "ada"), identity("a2", "ada"), identity("b1", "bob")])
    changed = identity("a2", "ada", ("weather", Role.OWNER))
    copy.replace(["ada"], [changed])
    assert [copy.identity(token) for token in ("a1", "a2", "b1")] == [None, changed, identity("b1", "bob")]
    copy.replace(["bob", "eve"], [])
    assert [copy.identity(token) for token in ("a2", "b1")] == [changed, None]
    copy.replace(["bob"], [identity("b1", "bob")])
    assert copy.identity("b1") is not None


@pytest.mark.parametrize(
    ("operation", "target", "before", "after", "account"),
    [
        ("account.removed", "ada", {"kind": "person"}, None, "ada"),
        ("role.granted", "weather", None, {"account": "ada", "role": "owner"}, "ada"),
        ("role.removed", "weather", {"account": "ada", "role": "owner"}, None, "ada"),
        ("token.revoked", "t1", {"account": "ada"}, None, "ada"),
        ("product.deployed", "a.b", None, {"account": "ada"}, None),
    ],
)
def test_the_audit_names_whose_access_changed(
    operation: str, target: str, before: object, after: object, account: str | None
) -> None:
    assert account_of(AuditEntry(1, 1, "root", operation, target, before, after, "", "", "")) == account
