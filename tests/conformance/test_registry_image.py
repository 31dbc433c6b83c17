"""A registry that is taken to another database, and back, is the same registry, and goes on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from hansa.errors import OperatorError
from hansa.registry.interface import Registry
from hansa.registry.postgres import PostgresRegistry
from hansa.registry.sqlite import SqliteRegistry
from hansa.registry.values import Account, Domain, SchemaContent


@pytest.fixture
def places(tmp_path: Path, postgresql_address: str) -> Iterator[list[Registry]]:
    """SQLite, PostgreSQL, SQLite."""
    schema = f"image_{uuid.uuid4().hex[:8]}"
    with ExitStack() as closed:
        found: list[Registry] = [
            SqliteRegistry(tmp_path / "first.db"),
            PostgresRegistry(postgresql_address, lambda: 1, schema=schema),
            SqliteRegistry(tmp_path / "last.db"),
        ]
        for registry in found:
            closed.callback(registry.close)
        yield found
    with psycopg.connect(postgresql_address, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE")  # type: ignore[call-overload]


def filled(registry: Registry) -> None:
    for number in range(30):
        registry.put_account("admin", Account(f"p{number}", "person", "Ü\n'x'", "", admin=number % 2 == 0))
        registry.put_domain("admin", Domain(f"d{number}", "a\\b ? %s", f"p{number}"))
    for number, text in enumerate(('"string"', '"long"')):
        registry.add_schema("admin", "s-value", SchemaContent("AVRO", text), after=number)
    registry.delete_schemas("admin", "s-value", [2], permanent=False)


def test_it_is_the_same_and_goes_on(places: list[Registry]) -> None:
    first, middle, last = places
    filled(first)
    middle.take_image(first.image())
    last.take_image(middle.image())
    assert list(first.image()) == list(middle.image()) == list(last.image())
    for registry in places:
        assert registry.audit_verify() == (63, None)
        registry.put_domain("admin", Domain("behind", "", "p1"))
        assert registry.add_schema("admin", "t-value", SchemaContent("AVRO", '"int"'), after=0).id == 3
        assert registry.audit_verify() == (65, None)


def test_one_that_holds_something_takes_none(places: list[Registry]) -> None:
    first, middle, _ = places
    filled(first)
    middle.put_domain("admin", Domain("mine", "", ""))
    with pytest.raises(OperatorError) as refused:
        middle.take_image(first.image())
    assert refused.value.code == "registry.occupied"
    assert [domain.name for domain in middle.domains()] == ["mine"]
