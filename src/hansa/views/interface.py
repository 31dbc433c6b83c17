"""What a view is, and what follows the log on a projector's thread."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

import msgspec

from hansa.errors import OperatorError
from hansa.eventlog.interface import Chunk
from hansa.views.database import Connection
from hansa.views.keeping import Order
from hansa.views.table import Table


class View(ABC):
    """Tables that are a function of the log: applying the same chunks in the same order gives the same rows.

    `version` is raised whenever tables or their meaning change; the view is then rebuilt when it is next opened.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    tables: ClassVar[tuple[Table, ...]]
    prunes: ClassVar[bool] = False
    """True where rows go with the entries that retention takes, so that building it anew loses nothing."""

    @abstractmethod
    def follows(self, topic: str) -> bool:
        """True where the view wants the chunks of `topic`."""

    @abstractmethod
    def apply(self, db: Connection, chunks: Sequence[Chunk]) -> None:
        """Writes what `chunks` mean, inside the caller's transaction. What it raises breaks this view alone."""

    @abstractmethod
    def keep(self, db: Connection, order: Order) -> None:
        """Does what an order of `_keeping` means for this view, inside the caller's transaction. (A `Rebuild` is for
        whoever keeps the views.)"""

    def create(self, db: Connection) -> None:
        """Makes the empty tables, inside the caller's transaction."""
        for table in self.tables:
            db.create(table)

    def drop(self, db: Connection) -> None:
        """Takes the tables away, inside the caller's transaction."""
        for table in self.tables:
            db.drop(table)


class ViewStatus(msgspec.Struct, frozen=True):
    """Where a view stands: the cursor behind what it shows, and why it is broken where it is."""

    name: str
    version: int
    cursor: str
    error: str | None = None


class Follower(ABC):
    """Something that follows the log in batches. `advance` and `close` belong to the projector's thread."""

    @abstractmethod
    def advance(self) -> bool:
        """Applies one batch of what is new; True where there was any. What it raises is tried again later."""

    @abstractmethod
    def statuses(self) -> list[ViewStatus]:
        """Where each of its views stands. Any thread."""

    @abstractmethod
    def close(self) -> None:
        """Ends the connections; nothing is lost."""


def shows(statuses: Iterable[ViewStatus], covers: Callable[[str, str], bool], token: str, view: str | None) -> bool:
    """True where the commit that `token` came from can be seen in `view`, or in all views that are not broken.

    True as well where no view has that name. Raises `OperatorError("view.broken")` for a broken one.
    """
    for status in statuses:
        if view not in (None, status.name):
            continue
        if status.error is None:
            if not covers(status.cursor, token):
                return False
        elif view is not None:
            raise OperatorError(
                "view.broken",
                f"The view {view!r} stopped: {status.error}",
                hint="Nothing is lost: the log has it all. Rebuild the view, with a Hansa that has the fault mended.",
                details={"view": view, "cursor": status.cursor},
            )
    return True
