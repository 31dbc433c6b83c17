"""The views of one file as a follower: each with its cursor, kept in the same transaction as its rows."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from hansa.errors import CallerError, OperatorError
from hansa.eventlog.interface import Chunk, LogReader
from hansa.model.ids import did_you_mean
from hansa.views.interface import Follower, View, ViewStatus
from hansa.views.store import ViewStore

_SCHEMA: Final = """CREATE TABLE IF NOT EXISTS view (
    name TEXT PRIMARY KEY, version INTEGER NOT NULL, cursor TEXT NOT NULL, error TEXT) WITHOUT ROWID"""
_BATCH_BYTES: Final = 1 << 20
_ENVIRONMENT: Final = frozenset(
    (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM)
)
_report = logging.getLogger("hansa.views")


class _Broken(Exception):
    """A view raised: its name, and why."""

    def __init__(self, view: str, failure: Exception) -> None:
        super().__init__(f"{type(failure).__name__}: {failure}")
        self.view = view


def _apply(db: sqlite3.Connection, view: View, chunks: list[Chunk]) -> None:
    """Applies what the view wants. A full or busy disk is not its fault and comes through as it is."""
    wanted = [chunk for chunk in chunks if view.follows(chunk.topic)]
    if not wanted:
        return
    try:
        view.apply(db, wanted)
    except Exception as failure:
        if isinstance(failure, sqlite3.Error) and (getattr(failure, "sqlite_errorcode", 0) & 0xFF) in _ENVIRONMENT:
            raise
        raise _Broken(view.name, failure) from failure


class ViewGroup(Follower):
    """Keeps `views` in one SQLite file (in memory where `file` is None) up with `log`.

    A view that raises is marked broken with its error, keeps what it had, and is left alone until it is rebuilt or
    Hansa starts again; the batch is applied once more to the others, which go on. A view whose version changed, or that
    is ahead of the log (the log was restored from a backup), is rebuilt when it is opened.
    """

    def __init__(self, log: LogReader, file: Path | None, views: Sequence[View]) -> None:
        self.store = ViewStore(file)
        self._log = log
        self._views = {view.name: view for view in views}
        self._status: dict[str, ViewStatus] = {}
        self._advancing = threading.RLock()
        with self.store.writing() as db:
            db.execute(_SCHEMA)
            for view in views:
                self._open(db, view)

    def _open(self, db: sqlite3.Connection, view: View) -> None:
        row = db.execute("SELECT version, cursor FROM view WHERE name = ?", (view.name,)).fetchone()
        if row is not None and row[0] == view.version and self._log.covers(self._log.now(), row[1]):
            self._set(db, ViewStatus(view.name, view.version, row[1]))
            return
        taken = self._taken(view)
        if row is not None and taken:
            _report.warning("view %s is rebuilt without what retention took of %s", view.name, ", ".join(taken))
        self._reset(db, view)

    def _reset(self, db: sqlite3.Connection, view: View) -> None:
        view.drop(db)
        view.create(db)
        self._set(db, ViewStatus(view.name, view.version, ""))

    def _set(self, db: sqlite3.Connection, status: ViewStatus) -> None:
        row = (status.name, status.version, status.cursor, status.error)
        db.execute("INSERT OR REPLACE INTO view VALUES (?, ?, ?, ?)", row)
        self._status[status.name] = status

    # Following

    def advance(self) -> bool:
        with self._advancing:
            progress = [self._advance(cursor) for cursor in {status.cursor for status in self._healthy()}]
            return any(progress)

    def _advance(self, cursor: str) -> bool:
        """Applies one batch to the views that stand at `cursor`; those that are abreast share the reading."""
        chunks, after = self._log.changes(cursor, max_bytes=_BATCH_BYTES)
        if not chunks:
            return False
        abreast = [status for status in self._healthy() if status.cursor == cursor]
        try:
            with self.store.writing() as db:
                for status in abreast:
                    _apply(db, self._views[status.name], chunks)
                db.execute("UPDATE view SET cursor = ? WHERE cursor = ? AND error IS NULL", (after, cursor))
        except _Broken as broken:
            _report.error("view %s is broken", broken.view, exc_info=broken.__cause__)
            with self.store.writing() as db:
                self._set(db, msgspec.structs.replace(self._status[broken.view], error=str(broken)))
        else:
            self._status.update({s.name: msgspec.structs.replace(s, cursor=after) for s in abreast})
        return True

    def _healthy(self) -> list[ViewStatus]:
        return [status for status in self._status.values() if status.error is None]

    # Asking

    def reached(self, view: str | None = None) -> str:
        """The cursor of `view`, or of the healthy view that is furthest behind."""
        if view is not None:
            return self._known(view)[1].cursor
        cursors = [status.cursor for status in self._healthy()]
        return next((c for c in cursors if all(self._log.covers(other, c) for other in cursors)), "")

    def statuses(self) -> list[ViewStatus]:
        """Where each view stands, by name."""
        return [status for _, status in sorted(self._status.items())]

    def _known(self, name: str) -> tuple[View, ViewStatus]:
        if name not in self._views:
            hint = did_you_mean(name, self._views) or f"There are: {', '.join(sorted(self._views))}."
            raise CallerError("view.unknown", f"There is no view {name!r}", hint=hint)
        return self._views[name], self._status[name]

    # Rebuilding

    def rebuild(self, name: str, *, partial: bool = False) -> None:
        """Empties a view and begins again at the log's start; wake the projector afterwards. It fills up in batches.

        Where retention took the head of a topic that the view follows, its rows are the only ones left: it keeps them
        and `OperatorError("view.unrecoverable")` is raised, unless `partial` accepts to lose them.
        """
        view, _ = self._known(name)
        taken = self._taken(view)
        if taken and not partial:
            raise OperatorError(
                "view.unrecoverable",
                f"The view {name!r} cannot be rebuilt whole: retention took the beginning of {', '.join(taken)}",
                hint="Keep it as it is, or rebuild with partial=True from what the log still has.",
                details={"view": name, "topics": taken},
            )
        with self._advancing, self.store.writing() as db:
            self._reset(db, view)

    def _taken(self, view: View) -> list[str]:
        """The topics of a view whose beginning is gone."""
        topics = sorted(self._log.topics().items())
        return [
            topic
            for topic, config in topics
            if view.follows(topic) and any(self._log.bounds(topic, p)[0] for p in range(config.partitions))
        ]

    def close(self) -> None:
        self.store.close()
