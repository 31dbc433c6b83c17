"""What the databases have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Final

from hansa.egress.interface import Call, Exit, refused
from hansa.errors import AuthorError

QUERY_ROWS_MAX: Final = 100_000
STATEMENT_MAX_S: Final = 300.0


class SqlExit(Exit):
    """A database: each call is one transaction. Rows are dicts of plain values by column name."""

    operations = ("query", "execute")

    def call(self, call: Call) -> Any:
        statement, parameters = call.arguments
        if call.operation == "query":
            return self.query(statement, parameters)
        if is_many(parameters):
            return self.execute_many(statement, parameters)
        return self.execute_once(statement, parameters)

    @abstractmethod
    def query(self, statement: str, parameters: Any) -> list[dict[str, Any]]: ...

    @abstractmethod
    def execute_once(self, statement: str, parameters: Any) -> int: ...

    @abstractmethod
    def execute_many(self, statement: str, parameters: list[Any]) -> int:
        """Rows affected by all of them; all or none happen."""


def is_many(parameters: Any) -> bool:
    """True for a list of rows: the statement runs once for each."""
    rows = parameters if isinstance(parameters, list) else []
    return bool(rows) and all(isinstance(row, (list, dict)) for row in rows)


def too_many_rows() -> AuthorError:
    return refused("too_large", f"The query found more than {QUERY_ROWS_MAX} rows", "Page through them with LIMIT.")
