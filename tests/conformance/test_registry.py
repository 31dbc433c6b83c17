"""Every registry passes the suite that `hansa.testing` ships."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from hansa.model.product import ProductState
from hansa.registry.interface import Registry
from hansa.registry.postgres import PostgresRegistry
from hansa.registry.sqlite import SqliteRegistry
from hansa.testing.conformance_registry import RegistryConformance
from hansa.testing.conformance_registry.given import FLIGHTS, Clock, refused


class OnSqlite(RegistryConformance):
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def pass_time(self, clock: Clock) -> Callable[[float], None]:
        return clock.go_on

    def test_a_backup_opens_and_verifies(self, registry: Registry, tmp_path: Path) -> None:
        registry.deploy("ada", FLIGHTS, "r1", "b1")
        registry.backup(tmp_path / "copy.db")
        registry.set_state("ada", "operations.flights", ProductState.RETIRED)
        copy = SqliteRegistry(tmp_path / "copy.db")
        assert copy.product("operations.flights").state is ProductState.ACTIVE
        assert copy.audit_verify() == (3, None)
        copy.close()
        assert refused(lambda: registry.backup(tmp_path / "copy.db")).code == "backup.exists"
        assert sorted(file.name for file in tmp_path.glob("copy*")) == ["copy.db"]


class TestSqliteRegistry(OnSqlite):
    @pytest.fixture
    def open_registry(self, tmp_path: Path, clock: Clock) -> Callable[[], Registry]:
        return lambda: SqliteRegistry(tmp_path / "registry.db", clock_us=clock)


class TestSqliteRegistryInMemory(OnSqlite):
    @pytest.fixture
    def open_registry(self, clock: Clock) -> Callable[[], Registry]:
        return lambda: SqliteRegistry(clock_us=clock)


class TestPostgresRegistry(RegistryConformance):
    @pytest.fixture
    def open_registry(self, postgresql_address: str) -> Iterator[Callable[[], Registry]]:
        schema, clock = f"registry_{uuid.uuid4().hex}", Clock()
        yield lambda: PostgresRegistry(postgresql_address, clock, schema=schema)
        with psycopg.connect(postgresql_address, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())

    @pytest.fixture
    def pass_time(self) -> Callable[[float], None]:
        return time.sleep

    def test_a_backup_is_postgresqls_matter(self, registry: Registry, tmp_path: Path) -> None:
        assert (registry.backup(tmp_path / "copy.db") or "").startswith("pg_dump --schema=registry_")
        assert list(tmp_path.iterdir()) == []
