"""What the tables of the registry share: reading, and changing with the audit in the same transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from hansa.errors import CallerError, InternalError
from hansa.model.ids import did_you_mean
from hansa.registry.audit import START, make_row
from hansa.registry.database import Connection, Database, Rows
from hansa.registry.values import AuditEntry

ACCESS: Final = frozenset({"account", "role", "token"})
"""What operations are on that change who may do what."""


class Change:
    """One transaction of an actor. It does not commit unless what it wrote is in the audit."""

    def __init__(self, connection: Connection, actor: str, time_us: int) -> None:
        self.connection = connection
        self.actor = actor
        self.time_us = time_us
        self.entry: AuditEntry | None = None

    def execute(self, sql: str, *values: Any) -> Rows:
        return self.connection.execute(sql, values)

    def audit(self, operation: str, target: str, before: Any = None, after: Any = None, detail: str = "") -> AuditEntry:
        """Adds the entry that follows the last one."""
        row = make_row(last_entry(self.connection), self.time_us, self.actor, operation, target, before, after, detail)
        self.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", *row)
        self.execute("UPDATE audit_end SET seq = ?", row.seq)
        self.entry = row.entry()
        return self.entry


def last_entry(connection: Connection) -> tuple[int, str]:
    """The number and the digest of the audit's last entry."""
    seq, digest = connection.execute("SELECT seq, digest FROM audit ORDER BY seq DESC LIMIT 1").fetchone() or (0, START)
    return seq, digest


class Tables:
    """Base of the registry's parts, which are one object with one database."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        self._database = database
        self._clock_us = clock_us
        self._access_epoch = 0
        self._watchers: tuple[Callable[[], None], ...] = ()

    @contextlib.contextmanager
    def _changing(self, actor: str) -> Iterator[Change]:
        """A transaction of `actor`. Raises `InternalError("audit.missing")` where it wrote and did not say what."""
        with self._database.write() as connection:
            change = Change(connection, actor, self._clock_us())
            written = connection.total_changes
            yield change
            if connection.total_changes != written and change.entry is None:
                raise InternalError("audit.missing", f"A change of {actor!r} left no entry in the audit")
        if change.entry is not None:
            self._changed(change.entry)

    def _changed(self, entry: AuditEntry) -> None:
        """What follows upon a change that stands, before it returns."""
        if entry.operation.partition(".")[0] in ACCESS:
            self._access_epoch += 1
        self._tell()

    def _tell(self) -> None:
        for told in self._watchers:
            told()

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        with self._database.use() as connection:
            return connection.execute(sql, values).fetchall()


class Noun(NamedTuple):
    """A table whose rows people name, and the column with those names."""

    name: str
    column: str


DOMAIN: Final = Noun("domain", "name")
ACCOUNT: Final = Noun("account", "id")
PRODUCT: Final = Noun("product", "id")
TOKEN: Final = Noun("token", "id")


def known(connection: Connection, noun: Noun, value: str) -> None:
    """Raises what `unknown` makes, unless there is such a row."""
    if connection.execute(f"SELECT 1 FROM {noun.name} WHERE {noun.column} = ?", (value,)).fetchone() is None:
        raise unknown(connection, noun, value)


def unknown(connection: Connection, noun: Noun, value: str) -> CallerError:
    """`CallerError("<noun>.unknown")`, with the nearest known one."""
    names = [name for (name,) in connection.execute(f"SELECT {noun.column} FROM {noun.name} ORDER BY 1")]
    return CallerError(
        f"{noun.name}.unknown",
        f"There is no {noun.name} {value!r}",
        hint=did_you_mean(value, names) or _listed(names) + _MADE_BY.get(noun.name, ""),
        details={"value": value},
    )


_MADE_BY: Final = {"domain": " An admin makes one: `hansa domains create NAME`."}


def _listed(names: list[str]) -> str:
    if not names:
        return "There is none yet."
    return f"There is {', '.join(names[:5])}" + (f" and {len(names) - 5} more." if len(names) > 5 else ".")
