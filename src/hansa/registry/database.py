"""What the tables of the registry need of a database. They speak the SQL that SQLite and PostgreSQL have in common, and
SQLite's `instr`, with values as `?`; texts are ordered by their bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Rows(Protocol):
    """What a statement found; `rowcount` is how many rows it wrote."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection while a block has it."""

    @property
    def total_changes(self) -> int:
        """How many rows were written through it so far."""
        ...

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Rows: ...

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> Any: ...


class Database(ABC):
    """Blocks are not to be nested. What the machine refuses is raised as one of our errors, and nothing was done."""

    @abstractmethod
    def use(self) -> AbstractContextManager[Connection]:
        """For reading, and for single statements, each of which is done or not."""

    @abstractmethod
    def write(self) -> AbstractContextManager[Connection]:
        """A transaction: committed and durable at the end of the block, undone where it raises. It sees what the one
        before wrote: there is one at a time, whoever else has the database open."""

    @abstractmethod
    def now_us(self, connection: Connection) -> int:
        """The time by the database's clock, which is the same for all who have it open."""

    @abstractmethod
    def last_number(self, connection: Connection, table: str) -> int:
        """The last `id` that the database has given in a table that it numbers; 0 where it gave none."""

    @abstractmethod
    def number_behind(self, connection: Connection, table: str, last: int) -> None:
        """Has the database number a table from behind `last` on."""

    @abstractmethod
    def numbered_insert(self, table: str, columns: Sequence[str]) -> str:
        """The statement that adds a row with an `id` of one's own to a table that the database numbers."""

    @abstractmethod
    def close(self) -> None:
        """Closes it. A second call does nothing."""
