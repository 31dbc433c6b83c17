"""Databases of their own on the PostgreSQL that all tests share."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg


def execute(address: str, *statements: str) -> list[tuple[object, ...]]:
    """Runs statements one by one; the rows of the last one."""
    with psycopg.connect(address, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def database(address: str) -> Iterator[str]:
    """The address of a new, empty database on a server; it is dropped at the end of the block."""
    name = f"test_{uuid.uuid4().hex}"
    execute(address, f"CREATE DATABASE {name}")
    try:
        yield urlsplit(address)._replace(path=f"/{name}").geturl()
    finally:
        execute(address, f"DROP DATABASE {name} WITH (FORCE)")


def as_user(address: str, user: str, password: str = "") -> str:
    """The same database for another user."""
    parts = urlsplit(address)
    credentials = f"{user}:{password}" if password else user
    return parts._replace(netloc=f"{credentials}@{parts.hostname}:{parts.port}").geturl()
