"""SQL over PostgreSQL: `postgresql://host/database`, through psycopg where it is installed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any, Final
from uuid import UUID

from hansa.egress.interface import refused, unavailable
from hansa.egress.settings import ConnectionSetting
from hansa.egress.sql import QUERY_ROWS_MAX, STATEMENT_MAX_S, SqlExit, too_many_rows
from hansa.errors import OperatorError

_CONNECT_S: Final = 10
_PLAIN: Final = (type(None), bool, int, float, str, bytes, datetime, date, Decimal, UUID)


class PostgresqlExit(SqlExit):
    """A connection of its own for each call, so that calls run side by side and none inherits a session."""

    def __init__(self, setting: ConnectionSetting) -> None:
        self._driver = _driver()
        self._url = setting.url
        scheme, _, rest = setting.url.partition("://")
        self.uri = f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
        self._credentials = {"user": setting.user, "password": setting.secret}

    def query(self, statement: str, parameters: Any) -> list[dict[str, Any]]:
        with self._cursor() as cursor:
            cursor.execute(statement, parameters or None)
            names = [column.name for column in cursor.description or ()]
            rows = cursor.fetchmany(QUERY_ROWS_MAX + 1) if names else []
        if len(rows) > QUERY_ROWS_MAX:
            raise too_many_rows()
        return [{name: plain(value) for name, value in zip(names, row, strict=True)} for row in rows]

    def execute_once(self, statement: str, parameters: Any) -> int:
        with self._cursor() as cursor:
            cursor.execute(statement, parameters or None)
            affected: int = cursor.rowcount
            return max(affected, 0)

    def execute_many(self, statement: str, parameters: list[Any]) -> int:
        with self._cursor() as cursor:
            cursor.executemany(statement, parameters)
            affected: int = cursor.rowcount
            return max(affected, 0)

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Any]:
        """A cursor in a transaction, committed at the end of the block and undone where it raises."""
        errors = self._driver.errors
        credentials = {name: value for name, value in self._credentials.items() if value}
        options = f"-c statement_timeout={int(STATEMENT_MAX_S * 1000)}"
        try:
            with (
                self._driver.connect(
                    self._url, connect_timeout=_CONNECT_S, options=options, **credentials
                ) as connection,
                connection.cursor() as cursor,
            ):
                yield cursor
        except errors.QueryCanceled as failure:
            message = f"The statement took longer than {STATEMENT_MAX_S:g} s"
            raise unavailable(message, "Do less in one statement.", "timeout") from failure
        except errors.IntegrityError as failure:
            raise refused("constraint", str(failure), "The rows break a rule of the table.") from failure
        except (errors.OperationalError, errors.InterfaceError) as failure:
            raise unavailable(str(failure), "See that the database is up and the credentials are right.") from failure
        except errors.Error as failure:
            raise refused("statement", str(failure), "Mend the statement or its parameters.") from failure


def plain(value: Any) -> Any:
    """A value that the wire can carry: what it has no form for becomes its text."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return str(value)


def _driver() -> Any:
    try:
        return import_module("psycopg")
    except ImportError as failure:
        raise OperatorError(
            "connection.driver",
            "PostgreSQL needs the package psycopg, which is not installed",
            hint="Install it where the server runs: pip install 'psycopg[binary]'.",
        ) from failure
