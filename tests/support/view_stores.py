"""Databases of views of every kind, opened by name and taken away behind a test."""

from __future__ import annotations

import uuid
from pathlib import Path

import psycopg

from hansa.views.database import Database
from hansa.views.postgres import PostgresDatabase
from hansa.views.sqlite import SqliteDatabase


class Stores:
    """`open()` gives a database; where they last (`kind` is not memory), the same name has what was written there."""

    def __init__(self, kind: str, folder: Path, address: str) -> None:
        self.kind = kind
        self._folder = folder
        self._address = address
        self._mark = uuid.uuid4().hex[:12]
        self._opened: list[Database] = []
        self._schemas: set[str] = set()

    def open(self, name: str = "views") -> Database:
        self._opened.append(self._made(name))
        return self._opened[-1]

    def _made(self, name: str) -> Database:
        if self.kind == "memory":
            return SqliteDatabase()
        if self.kind == "file":
            return SqliteDatabase(self._folder / f"{name}.db")
        self._schemas.add(self.schema(name))
        return PostgresDatabase(self._address, self.schema(name))

    def source(self, name: str = "views") -> str:
        """What another process evaluates to open the same database."""
        if self.kind == "file":
            return f"SqliteDatabase(Path({str(self._folder / name)!r} + '.db'))"
        self._schemas.add(self.schema(name))
        return f"PostgresDatabase({self._address!r}, {self.schema(name)!r})"

    def schema(self, name: str = "views") -> str:
        """Where PostgreSQL has a database of views."""
        return f"test_{self._mark}_{name}"

    def close(self) -> None:
        """Closes all that were opened, and takes away what they hold."""
        for database in self._opened:
            database.close()
        if self._schemas:
            with psycopg.connect(self._address, autocommit=True) as db:
                for schema in self._schemas:
                    db.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
