"""The views of one database as a follower: each with its cursor, kept in the same transaction as its rows."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

import msgspec

from hansa.errors import Unavailable
from hansa.eventlog.interface import Chunk, LogReader
from hansa.model.run import KEEPING_TOPIC
from hansa.views.database import Connection, Database, Renewed
from hansa.views.interface import Follower, View, ViewStatus
from hansa.views.keeping import Forget, Rebuild, orders_of
from hansa.views.table import Insert, Table

_VIEW: Final = Table("view", {"name": "text", "version": "number", "cursor": "text", "error": "long"}, key=("name",))
_OBEYED: Final = Table("obeyed", {"next": "number"})
_TURN: Final = Table("turn", {"number": "number"})
"""`obeyed` has one row: the position behind the last order of `_keeping` that was looked at for a rebuild. So has
`turn`: the number of whoever writes, one more than of the one before; who finds another one there writes nothing."""
_NOTED: Final = Insert(
    _VIEW,
    on=("name",),
    do="UPDATE SET version = excluded.version, cursor = excluded.cursor, error = excluded.error",
)
_BATCH_BYTES: Final = 1 << 20
_report = logging.getLogger("hansa.views")


class _Broken(Exception):
    """A view raised: its name, and why."""

    def __init__(self, view: str, failure: Exception) -> None:
        super().__init__(f"{type(failure).__name__}: {failure}")
        self.view = view


def _apply(db: Connection, view: View, chunks: list[Chunk]) -> None:
    """Applies what the view wants, and has it obey."""
    wanted = [chunk for chunk in chunks if _is_order(chunk) or view.follows(chunk.topic)]
    for is_order, together in groupby(wanted, _is_order):
        if is_order:
            for order in orders_of(together):
                view.keep(db, order)
        else:
            view.apply(db, list(together))


def _is_order(chunk: Chunk) -> bool:
    return chunk.topic == KEEPING_TOPIC


def statuses_in(db: Connection) -> list[ViewStatus]:
    """Where each view of a database stands, by name, whoever writes it."""
    return [ViewStatus(*row) for row in db.execute("SELECT name, version, cursor, error FROM view ORDER BY name")]


def _noted(db: Connection, status: ViewStatus) -> ViewStatus:
    db.write(_NOTED, [(status.name, status.version, status.cursor, status.error)])
    return status


def _begun_anew(db: Connection, view: View) -> ViewStatus:
    view.drop(db)
    view.create(db)
    return _noted(db, ViewStatus(view.name, view.version, ""))


class ViewGroup(Follower):
    """Keeps `views` in `store` up with `log`, as long as this process is the one that may; otherwise it tells where
    they stand there, and takes over when it can.

    A view that raises is marked broken with its error, keeps what it had, and is left alone until it is rebuilt or
    somebody else begins to write; the batch is applied once more to the others, which go on. A view whose version
    changed, or that is ahead of the log (the log was restored from a backup), is rebuilt by who begins to write.
    `patient_s` is how long a log may stay behind its views before that is believed, where what is read is a copy.
    """

    def __init__(self, log: LogReader, store: Database, views: Sequence[View], *, patient_s: float = 0.0) -> None:
        self._log = log
        self.store = store
        self._views = {view.name: view for view in views}
        self._status = {view.name: ViewStatus(view.name, view.version, "") for view in views}
        self._advancing = threading.RLock()
        self._patient_s = patient_s
        self._ahead_since: float | None = None
        self._held: int | None = None
        self._turn = self._obeyed = 0
        self._is_clean = False
        with contextlib.suppress(Unavailable, Renewed):
            self._hold()

    # Taking the writing

    def _hold(self) -> bool:
        """True where this process writes; what it knows is then what stands in the database."""
        held = self.store.hold()
        if held is None:
            self._look()
        elif held != self._held:
            self._begin()
        self._held = held
        return held is not None

    def _look(self) -> None:
        """Where the views stand that another process writes, or is about to make."""
        try:
            with self.store.reading() as db:
                self._know([status for status in statuses_in(db) if status.name in self._views])
        except Unavailable as failure:
            if failure.code != "view.unmade":
                raise

    def _know(self, statuses: Sequence[ViewStatus]) -> None:
        self._status = self._status | {status.name: status for status in statuses}

    def _begin(self) -> None:
        with self.store.writing() as db:
            for table in (_VIEW, _OBEYED, _TURN):
                db.create(table)
            self._turn = _next_turn(db)
            row = db.execute("SELECT next FROM obeyed").fetchone()
            self._obeyed = min(row[0] if row else 0, self._orders_end())
            known = {status.name: status for status in statuses_in(db)}
            self._wait_for_log(list(known.values()))
            opened = [self._opened(db, view, known.get(view.name)) for view in self._views.values()]
        self._know(opened)
        self._is_clean = False

    def _wait_for_log(self, known: Sequence[ViewStatus]) -> None:
        """Raises `Unavailable` while it may be that the log is not behind its views, but only the copy read here."""
        now = self._log.now()
        if all(self._log.covers(now, status.cursor) for status in known):
            self._ahead_since = None
            return
        if self._ahead_since is None:
            self._ahead_since = time.monotonic()
        if time.monotonic() < self._ahead_since + self._patient_s:
            raise Unavailable(
                "view.waits",
                "The views have seen more than the log has here",
                hint=f"They are made anew where the log has not caught up within {self._patient_s:g} s.",
            )

    def _opened(self, db: Connection, view: View, known: ViewStatus | None) -> ViewStatus:
        if known and known.version == view.version and self._log.covers(self._log.now(), known.cursor):
            return _noted(db, ViewStatus(view.name, view.version, known.cursor))
        taken = outlived(self._log, view)
        if known and taken:
            _report.warning("view %s is rebuilt without what retention took of %s", view.name, ", ".join(taken))
        return _begun_anew(db, view)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction of whoever has the turn. Raises `Renewed` where that is another process by now."""
        with self.store.writing() as db:
            if not db.execute("UPDATE turn SET number = number WHERE number = ?", (self._turn,)).rowcount:
                raise Renewed
            yield db

    # Following

    def advance(self) -> bool:
        with self._advancing:
            try:
                return self._hold() and self._follow()
            except Renewed:
                self._held = None
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
            with self._writing() as db:
                for status in abreast:
                    self._apply(db, self._views[status.name], chunks)
                db.execute("UPDATE view SET cursor = ? WHERE cursor = ? AND error IS NULL", (after, cursor))
        except _Broken as broken:
            _report.error("view %s is broken", broken.view, exc_info=broken.__cause__)
            status = msgspec.structs.replace(self._status[broken.view], error=str(broken))
            with self._writing() as db:
                _noted(db, status)
            self._know([status])
        else:
            self._know([msgspec.structs.replace(status, cursor=after) for status in abreast])
        return True

    def _apply(self, db: Connection, view: View, chunks: list[Chunk]) -> None:
        """What is the fault of the database (full, busy, damaged, gone) comes through as it is."""
        try:
            _apply(db, view, chunks)
        except Exception as failure:
            if self.store.is_at_fault(failure):
                raise
            raise _Broken(view.name, failure) from failure

    def _orders_end(self) -> int:
        return self._log.bounds(KEEPING_TOPIC, 0)[1] if KEEPING_TOPIC in self._log.topics() else 0

    def _rebuild_as_ordered(self) -> bool:
        """Begins views anew that an order since the last look asks for: broken ones too, which read nothing else. Each
        order counts once, so that a view that meets it again on its way does not begin a second time."""
        begun = False
        while self._obeyed < self._orders_end():
            chunks = self._log.read(KEEPING_TOPIC, 0, max(self._obeyed, self._log.bounds(KEEPING_TOPIC, 0)[0]))
            wanted = {order.view for order in orders_of(chunks) if isinstance(order, Rebuild)} & self._views.keys()
            with self._writing() as db:
                anew = [_begun_anew(db, self._views[name]) for name in sorted(wanted)]
                db.execute("DELETE FROM obeyed")
                db.execute("INSERT INTO obeyed VALUES (?)", (chunks[-1].end,))
            self._know(anew)
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


def _next_turn(db: Connection) -> int:
    """Takes the turn from whoever had it."""
    if not db.execute("UPDATE turn SET number = number + 1").rowcount:
        db.execute("INSERT INTO turn VALUES (1)")
    return int(db.execute("SELECT number FROM turn").fetchone()[0])


def outlived(log: LogReader, view: View) -> list[str]:
    """The topics whose beginning retention took while the view shows it still: it could not be built whole anew."""
    return [
        topic
        for topic, config in sorted(log.topics().items())
        if not view.prunes and view.follows(topic) and any(log.bounds(topic, p)[0] for p in range(config.partitions))
    ]
