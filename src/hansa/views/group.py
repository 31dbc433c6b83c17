"""The views of one file as a follower: each with its cursor, kept in the same transaction as its rows."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec

from hansa.eventlog.interface import Chunk, LogReader
from hansa.model.run import KEEPING_TOPIC
from hansa.views.damage import DAMAGED, is_damage, set_aside
from hansa.views.interface import Follower, View, ViewStatus
from hansa.views.keeping import Forget, Rebuild, orders_of
from hansa.views.store import ViewStore

_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS view (
    name TEXT PRIMARY KEY, version INTEGER NOT NULL, cursor TEXT NOT NULL, error TEXT) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS obeyed (next INTEGER NOT NULL)",
)
"""`obeyed` has one row: the position behind the last order of `_keeping` that was looked at for a rebuild."""
_BATCH_BYTES: Final = 1 << 20
_ENVIRONMENT: Final = frozenset(
    (
        *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM),
        *DAMAGED,
    )
)
_report = logging.getLogger("hansa.views")


class _Broken(Exception):
    """A view raised: its name, and why."""

    def __init__(self, view: str, failure: Exception) -> None:
        super().__init__(f"{type(failure).__name__}: {failure}")
        self.view = view


def _apply(db: sqlite3.Connection, view: View, chunks: list[Chunk]) -> None:
    """Applies what the view wants, and has it obey. What is the fault of the disk
    (full, busy, damaged) comes through as it is."""
    wanted = [chunk for chunk in chunks if _is_order(chunk) or view.follows(chunk.topic)]
    try:
        for is_order, together in groupby(wanted, _is_order):
            if is_order:
                for order in orders_of(together):
                    view.keep(db, order)
            else:
                view.apply(db, list(together))
    except Exception as failure:
        if isinstance(failure, sqlite3.Error) and (getattr(failure, "sqlite_errorcode", 0) & 0xFF) in _ENVIRONMENT:
            raise
        raise _Broken(view.name, failure) from failure


def _is_order(chunk: Chunk) -> bool:
    return chunk.topic == KEEPING_TOPIC


def statuses_in(db: sqlite3.Connection) -> list[ViewStatus]:
    """Where each view of a file stands, by name, whoever writes it."""
    return [ViewStatus(*row) for row in db.execute("SELECT name, version, cursor, error FROM view ORDER BY name")]


def _noted(db: sqlite3.Connection, status: ViewStatus) -> ViewStatus:
    row = (status.name, status.version, status.cursor, status.error)
    db.execute("INSERT OR REPLACE INTO view VALUES (?, ?, ?, ?)", row)
    return status


def _begun_anew(db: sqlite3.Connection, view: View) -> ViewStatus:
    view.drop(db)
    view.create(db)
    return _noted(db, ViewStatus(view.name, view.version, ""))


class ViewGroup(Follower):
    """Keeps `views` in one SQLite file (in memory where `file` is None) up with `log`.

    A view that raises is marked broken with its error, keeps what it had, and is left alone until it is rebuilt or
    Hansa starts again; the batch is applied once more to the others, which go on. A view whose version changed, or that
    is ahead of the log (the log was restored from a backup), is rebuilt when it is opened. A file that is damaged is
    set aside, and all views begin again.
    """

    def __init__(self, log: LogReader, file: Path | None, views: Sequence[View]) -> None:
        self._log = log
        self._file = file
        self._views = {view.name: view for view in views}
        self._status: dict[str, ViewStatus] = {}
        self._advancing = threading.RLock()
        self._is_clean = False
        self.store: ViewStore
        try:
            self._open_file()
        except sqlite3.DatabaseError as failure:
            self._renew(failure)

    def _open_file(self) -> None:
        self.store = ViewStore(self._file)
        try:
            with self.store.writing() as db:
                for statement in _SCHEMA:
                    db.execute(statement)
                row = db.execute("SELECT next FROM obeyed").fetchone()
                self._obeyed = min(row[0] if row else 0, self._orders_end())
                opened = [self._open(db, view) for view in self._views.values()]
        except BaseException:
            self.store.close()
            raise
        self._status.update({status.name: status for status in opened})

    def _renew(self, failure: sqlite3.DatabaseError) -> None:
        """Begins again in a new file; raises `failure` where the file is not at fault."""
        if self._file is None or not is_damage(failure):
            raise failure
        set_aside(self._file)
        self._open_file()

    def _open(self, db: sqlite3.Connection, view: View) -> ViewStatus:
        row = db.execute("SELECT version, cursor FROM view WHERE name = ?", (view.name,)).fetchone()
        if row is not None and row[0] == view.version and self._log.covers(self._log.now(), row[1]):
            return _noted(db, ViewStatus(view.name, view.version, row[1]))
        taken = outlived(self._log, view)
        if row is not None and taken:
            _report.warning("view %s is rebuilt without what retention took of %s", view.name, ", ".join(taken))
        return _begun_anew(db, view)

    # Following

    def advance(self) -> bool:
        with self._advancing:
            try:
                return self._follow()
            except sqlite3.DatabaseError as failure:
                self._renew(failure)
                return True

    def _follow(self) -> bool:
        self._rebuild_as_ordered()
        progress = [self._advance(cursor) for cursor in {status.cursor for status in self._healthy()}]
        if not self._is_clean:
            self._is_clean = self.store.scrub()
        return any(progress)

    def _advance(self, cursor: str) -> bool:
        """Applies one batch to the views that stand at `cursor`; those that are abreast share the reading."""
        chunks, after = self._log.changes(cursor, max_bytes=_BATCH_BYTES)
        if not chunks:
            return False
        orders = list(orders_of(filter(_is_order, chunks)))
        if any(isinstance(order, Rebuild) for order in orders) and self._rebuild_as_ordered():
            return True  # some stand elsewhere now
        self._is_clean = self._is_clean and not any(isinstance(order, Forget) for order in orders)
        abreast = [status for status in self._healthy() if status.cursor == cursor]
        try:
            with self.store.writing() as db:
                for status in abreast:
                    _apply(db, self._views[status.name], chunks)
                db.execute("UPDATE view SET cursor = ? WHERE cursor = ? AND error IS NULL", (after, cursor))
        except _Broken as broken:
            _report.error("view %s is broken", broken.view, exc_info=broken.__cause__)
            status = msgspec.structs.replace(self._status[broken.view], error=str(broken))
            with self.store.writing() as db:
                _noted(db, status)
            self._status[status.name] = status
        else:
            self._status.update({s.name: msgspec.structs.replace(s, cursor=after) for s in abreast})
        return True

    def _orders_end(self) -> int:
        return self._log.bounds(KEEPING_TOPIC, 0)[1] if KEEPING_TOPIC in self._log.topics() else 0

    def _rebuild_as_ordered(self) -> bool:
        """Begins views anew that an order since the last look asks for: broken ones too, which read nothing else. Each
        order counts once, so that a view that meets it again on its way does not begin a second time."""
        begun = False
        while self._obeyed < self._orders_end():
            chunks = self._log.read(KEEPING_TOPIC, 0, max(self._obeyed, self._log.bounds(KEEPING_TOPIC, 0)[0]))
            wanted = {order.view for order in orders_of(chunks) if isinstance(order, Rebuild)} & self._views.keys()
            with self.store.writing() as db:
                anew = [_begun_anew(db, self._views[name]) for name in sorted(wanted)]
                db.execute("DELETE FROM obeyed")
                db.execute("INSERT INTO obeyed VALUES (?)", (chunks[-1].end,))
            self._status.update({status.name: status for status in anew})
            self._obeyed = chunks[-1].end
            begun = begun or bool(wanted)
        return begun

    def _healthy(self) -> list[ViewStatus]:
        return [status for status in self._status.values() if status.error is None]

    def statuses(self) -> list[ViewStatus]:
        """Where each view stands, by name."""
        return [status for _, status in sorted(self._status.items())]

    def close(self) -> None:
        self.store.close()


def outlived(log: LogReader, view: View) -> list[str]:
    """The topics whose beginning retention took while the view shows it still: it could not be built whole anew."""
    return [
        topic
        for topic, config in sorted(log.topics().items())
        if not view.prunes and view.follows(topic) and any(log.bounds(topic, p)[0] for p in range(config.partitions))
    ]
