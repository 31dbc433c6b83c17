"""A database that views share: one writer, and readers that see whole transactions.

Views speak the SQL that SQLite and PostgreSQL have in common: values stand as `?`, texts are ordered by their bytes.
What the two say differently is a `Dialect`. Their implementations are `sqlite` and `postgresql`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Final, Protocol

from hansa.views.table import Insert, Table

Sql = tuple[str, list[Any]]
"""An expression and its values, in order."""
LIKE: Final = "LIKE lower(?) ESCAPE '!'"
"""Behind `lower(column)`: holds where a `contained` text stands in it, without regard to the case of ASCII."""


class Dialect(ABC):
    """How a database says what is not common. `root` is a column of kind `json`, `path` the way into it: a step of
    digits indexes lists only, any other step objects only."""

    @abstractmethod
    def create(self, table: Table) -> list[str]:
        """The statements that make a table and its indexes where they are missing."""

    @abstractmethod
    def among(self, column: str) -> str:
        """The column is one of the texts, or numbers, of a list that is one value (`?`)."""

    @abstractmethod
    def equal(self, column: str, value: str) -> Sql:
        """A column of kind `long` is `value`, found by its index."""

    @abstractmethod
    def like(self, text: str, pattern: str) -> Sql:
        """The text fits a pattern in which `*` stands for any text and `?` for one character."""

    @abstractmethod
    def any_in(self, root: str, path: Sequence[str]) -> Sql:
        """NULL where nothing, or null, stands there."""

    @abstractmethod
    def text_in(self, root: str, path: Sequence[str]) -> Sql:
        """The text that stands there, NULL where it is something else."""

    @abstractmethod
    def number_in(self, root: str, path: Sequence[str]) -> Sql:
        """The number that stands there, NULL where it is something else."""

    @abstractmethod
    def truth_in(self, root: str, path: Sequence[str]) -> Sql:
        """The text `true` or `false` that stands there; another one, or NULL, where it is something else."""

    @abstractmethod
    def parts_in(self, root: str, path: Sequence[str]) -> list[Sql]:
        """What stands there, to be sorted, grouped and compared by: nothing before numbers (truth values are 0 and 1)
        before texts (objects and lists are their JSON). At most one of them is not NULL."""


class Rows(Protocol):
    """What a statement found; `rowcount` is how many rows it wrote."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(ABC):
    """What can be done inside a transaction."""

    dialect: ClassVar[Dialect]

    @abstractmethod
    def execute(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        """One statement. A value may be a list, for `Dialect.among`."""

    @abstractmethod
    def write(self, insert: Insert, rows: Sequence[Sequence[Any]]) -> None:
        """Many rows, in order."""

    def create(self, table: Table) -> None:
        """Makes an empty table, where there is none."""
        for statement in self.dialect.create(table):
            self.execute(statement)

    def drop(self, table: Table) -> None:
        """Takes a table away, where there is one."""
        self.execute(f"DROP TABLE IF EXISTS {table.name}")


class Reader(ABC):
    """Reads views, whoever writes them. Any thread."""

    dialect: ClassVar[Dialect]

    @abstractmethod
    def reading(self) -> AbstractContextManager[Connection]:
        """One snapshot for all queries inside; readers wait for no writer. Raises `Unavailable` where there is nothing
        to be read at the moment, and says why."""

    @abstractmethod
    def close(self) -> None:
        """Closes the connections that nobody uses."""


class Renewed(Exception):
    """What this process held is gone (the file was damaged, another process writes): it begins again by `hold`."""


class Database(Reader):
    """Reads and writes views. One process at a time writes, on one thread."""

    @abstractmethod
    def hold(self) -> int | None:
        """Takes the writing, or looks whether this process still has it. None where another process has it; else a
        number that is another one whenever it was lost in between. Raises `Unavailable`."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction, all of which is kept or with an exception nothing. Only between `hold` and its loss. Raises
        `Renewed` and `Unavailable`."""

    @abstractmethod
    def is_at_fault(self, failure: Exception) -> bool:
        """True where the database, its machine or the way to it failed, and not what was asked of it."""

    @abstractmethod
    def scrub(self) -> bool:
        """Has what was deleted leave the database; False where a reader still needs it, then ask again."""

    def watch(self, news: Callable[[], None]) -> None:
        """Has `news` called, on a thread of its own, when another process has written, and at least twice a second.
        Nothing where no other process can write."""


def contained(text: str) -> str:
    """The pattern for `LIKE` that fits what holds `text`."""
    return f"%{text.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"


def told(parts: Sequence[Any]) -> Any:
    """The value that `Dialect.parts_in` came to."""
    return next((part for part in parts if part is not None), None)
