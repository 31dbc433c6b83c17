"""Which registry a Hansa has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from hansa.errors import OperatorError
from hansa.registry.interface import Registry
from hansa.registry.sqlite import SqliteRegistry

_SCHEMES: Final = ("postgresql://", "postgres://")


def open_registry(data: Path, database: str, clock_us: Callable[[], int]) -> Registry:
    """The registry in `database`, or in the file `registry.db` where that is nothing. Raises `OperatorError`
    (`database.address`, `database.driver`) and what its store raises."""
    if not database:
        return SqliteRegistry(data / "registry.db", clock_us=clock_us)
    if not database.startswith(_SCHEMES):
        raise OperatorError(
            "database.address",
            f"HANSA_DATABASE is not an address of PostgreSQL: it begins with {database.partition(':')[0]!r}",
            hint="It reads postgresql://USER:PASSWORD@HOST:PORT/DATABASE.",
        )
    try:
        from hansa.registry.postgres import PostgresRegistry
    except ImportError as failure:
        raise OperatorError(
            "database.driver",
            "HANSA_DATABASE needs the package psycopg, which is not installed",
            hint="pip install 'hansa[postgresql]'",
        ) from failure
    return PostgresRegistry(database, clock_us)
