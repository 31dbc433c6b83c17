"""The lookup port: a file per port that follows the port's topic, and its reader for workers and server."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from hansa.eventlog.interface import Entry, LogReader
from hansa.model.run import KEEPING_TOPIC
from hansa.outputs.order import PortEntries
from hansa.views.bulk import BulkWriter
from hansa.views.damage import is_damage, set_aside
from hansa.views.interface import Follower, ViewStatus
from hansa.views.keeping import Forget, Order, Rebuild, orders_of
from hansa.views.lookup import LOOKUP_SCHEMA, LookupReader
from hansa.views.store import ViewStore

__all__ = ["KEEP_S", "LookupProjector", "LookupReader", "applied_in", "lookup_path"]

KEEP_S: Final = 86_400.0
VERSION: Final = 2
_NIL: Final = b"\xc0"
_BATCH: Final = 2048


class _Tables:
    """The tables of one filling of a lookup, and what is done to them."""

    def __init__(self, suffix: str) -> None:
        self.lookup, self.applied = f"lookup{suffix}", f"applied{suffix}"
        self.rows = BulkWriter(f"INSERT OR REPLACE INTO {self.lookup}", 5)
        self._to_prune = f"""SELECT value ->> 0, value ->> 1 FROM json_each(?)
            WHERE (SELECT time_us FROM {self.lookup} WHERE key = value ->> 0 ORDER BY position LIMIT 1) < value ->> 1"""
        self._prune = f"""DELETE FROM {self.lookup} WHERE key = ?1 AND position < (
            SELECT MAX(position) FROM {self.lookup} WHERE key = ?1 AND time_us <= ?2)"""

    def create(self, db: sqlite3.Connection) -> None:
        for statement in LOOKUP_SCHEMA:
            db.execute(statement.format(lookup=self.lookup, applied=self.applied))

    def drop(self, db: sqlite3.Connection) -> None:
        db.execute(f"DROP TABLE IF EXISTS {self.lookup}")
        db.execute(f"DROP TABLE IF EXISTS {self.applied}")

    def next(self, db: sqlite3.Connection) -> dict[int, int]:
        return dict(db.execute(f"SELECT partition, next FROM {self.applied}"))

    def move(self, db: sqlite3.Connection, following: dict[int, int]) -> None:
        db.executemany(f"INSERT OR REPLACE INTO {self.applied} VALUES (?, ?)", following.items())

    def forget(self, db: sqlite3.Connection, person: int) -> None:
        db.execute(f"DELETE FROM {self.lookup} WHERE person = ?", (person,))

    def take(self, db: sqlite3.Connection, rows: Sequence[tuple[int, int]]) -> None:
        """A row that is another one by now, as the lookup was built anew, has another time and stays."""
        db.executemany(f"DELETE FROM {self.lookup} WHERE position = ? AND time_us = ? AND person IS NULL", rows)

    def prune(self, db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]], keep_us: int) -> None:
        """Takes the versions of the written keys that were replaced `keep_us` or more before the key's latest."""
        horizons = {key: time_us - keep_us for key, _, time_us, *_ in rows}
        pairs = msgspec.json.encode(list(horizons.items())).decode()
        db.executemany(self._prune, db.execute(self._to_prune, (pairs,)).fetchall())


_SHOWN: Final = _Tables("")
_NEW: Final = _Tables("_new")


def lookup_path(folder: Path, port: str) -> Path:
    """The file of a port's lookup in `folder`, in a folder of its own: whoever may read one may read no other."""
    return folder / quote(port, safe="@") / "lookup.db"


def applied_in(path: Path) -> dict[int, int]:
    """The position behind what a lookup has of each partition, whoever writes it; nothing where it was never begun."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as db:
            return _SHOWN.next(db)
    except sqlite3.OperationalError:
        return {}


def plain_rows(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """(position, time in µs, record) of each version in a lookup that is not known to speak of a person."""
    with contextlib.closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as db:
        yield from db.execute(
            f"SELECT position, time_us, record FROM {_SHOWN.lookup} WHERE person IS NULL AND record IS NOT NULL"
        )


class LookupProjector(Follower):
    """Keeps the lookup of `port` in the file `path` up with the log; a `Projector` advances it, with the port as view.

    A version that was replaced is kept until its key is written `keep_s` or more after that (None keeps all), so that
    a replay can read at the position that the run saw. Records without a key cannot be looked up and are left out. A
    file that is ahead of the log (the log was restored from a backup), damaged, or of another version, begins again.

    It obeys the orders of `_keeping`. One to rebuild fills new tables beside those that are shown; these stay as they
    are meanwhile, and in one transaction the new ones take their place.
    """

    def __init__(self, log: LogReader, path: Path, port: str, *, keep_s: float | None = KEEP_S) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.port = port
        self._log = log
        self._keep_us = None if keep_s is None else round(keep_s * 1_000_000)
        self._reached = ""
        self._goal: tuple[str, dict[int, int]] | None = None
        self._is_clean = False
        self._store: ViewStore
        try:
            self._open()
        except sqlite3.DatabaseError as failure:
            self._renew(failure)

    def _open(self) -> None:
        self._store = ViewStore(self.path)
        try:
            with self._store.writing() as db:
                self._begin(db)
        except BaseException:
            self._store.close()
            raise

    def _begin(self, db: sqlite3.Connection) -> None:
        if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            _SHOWN.drop(db)
            db.execute(f"PRAGMA user_version = {VERSION}")
        _SHOWN.create(db)
        ends = self._bounds(1)
        if any(position > ends.get(partition, 0) for partition, position in _SHOWN.next(db).items()):
            _SHOWN.drop(db)
            _SHOWN.create(db)
        db.execute("CREATE TABLE IF NOT EXISTS obeyed (next INTEGER NOT NULL, is_rebuilding INTEGER NOT NULL)")
        obeyed, is_rebuilding = db.execute("SELECT next, is_rebuilding FROM obeyed").fetchone() or (0, False)
        self._obeyed: int = min(obeyed, self._orders_end())
        self._tables = _NEW if is_rebuilding else _SHOWN
        self._tables.create(db)
        self._next = self._tables.next(db)

    def _renew(self, failure: sqlite3.DatabaseError) -> None:
        """Begins again in a new file; raises `failure` where the file is not at fault."""
        if not is_damage(failure):
            raise failure
        set_aside(self.path)
        self._reached, self._goal = "", None
        self._open()

    # Following

    def advance(self) -> bool:
        try:
            return self._advance()
        except sqlite3.DatabaseError as failure:
            self._renew(failure)
            return True

    def _advance(self) -> bool:
        if self._goal is None:
            self._goal = (self._log.now(), self._bounds(1))
        obeyed = self._obey()
        progress = bool(self._goal[1]) and self._apply()
        if all(self._next.get(partition, 0) >= end for partition, end in self._goal[1].items()):
            if self._tables is _NEW:
                self._show_new()
            self._reached, self._goal = self._goal[0], None
        if not self._is_clean:
            self._is_clean = self._store.scrub()
        return progress or obeyed

    def statuses(self) -> list[ViewStatus]:
        return [ViewStatus(self.port, VERSION, self._reached)]

    def close(self) -> None:
        self._store.close()

    def _bounds(self, side: int) -> dict[int, int]:
        """Where each partition begins (0) or ends (1); nothing before the port is declared."""
        config = self._log.topics().get(self.port)
        return {p: self._log.bounds(self.port, p)[side] for p in range(config.partitions if config else 0)}

    def _apply(self) -> bool:
        """One batch, with the positions behind it, in one transaction."""
        following = {p: max(self._next.get(p, 0), first) for p, first in self._bounds(0).items()}
        source = PortEntries(self._log, self.port, following)
        batch = list(islice(source, _BATCH))
        settled_us = source.settled_us()
        rows = _versions([entry for entry in batch if entry.time_us < settled_us], following)
        with self._store.writing() as db:
            self._tables.rows.write(db, rows)
            if self._keep_us is not None:
                self._tables.prune(db, rows, self._keep_us)
            self._tables.move(db, following)
        self._next = following
        return bool(batch)

    # Obeying

    def _orders_end(self) -> int:
        return self._log.bounds(KEEPING_TOPIC, 0)[1] if KEEPING_TOPIC in self._log.topics() else 0

    def _obey(self) -> bool:
        """Does what was ordered since the last look; True where there was anything."""
        begin = self._obeyed
        while self._obeyed < self._orders_end():
            chunks = self._log.read(KEEPING_TOPIC, 0, max(self._obeyed, self._log.bounds(KEEPING_TOPIC, 0)[0]))
            orders = list(orders_of(chunks))
            begins = any(isinstance(order, Rebuild) and order.view == self.port for order in orders)
            with self._store.writing() as db:
                for order in orders:
                    self._forget(db, order)
                if begins:
                    _NEW.drop(db)
                    _NEW.create(db)
                _note(db, chunks[-1].end, is_rebuilding=begins or self._tables is _NEW)
            self._obeyed = chunks[-1].end
            if begins:
                self._tables, self._next = _NEW, {}
        return self._obeyed > begin

    def _forget(self, db: sqlite3.Connection, order: Order) -> None:
        if not isinstance(order, Forget):
            return
        for tables in {_SHOWN, self._tables}:
            if order.person is not None:
                tables.forget(db, order.person)
            if order.port == self.port:
                tables.take(db, order.rows)
        self._is_clean = False

    def _show_new(self) -> None:
        with self._store.writing() as db:
            _SHOWN.drop(db)
            db.execute(f"ALTER TABLE {_NEW.lookup} RENAME TO {_SHOWN.lookup}")
            db.execute(f"ALTER TABLE {_NEW.applied} RENAME TO {_SHOWN.applied}")
            _note(db, self._obeyed, is_rebuilding=False)
        self._tables = _SHOWN


def _note(db: sqlite3.Connection, obeyed: int, *, is_rebuilding: bool) -> None:
    db.execute("DELETE FROM obeyed")
    db.execute("INSERT INTO obeyed VALUES (?, ?)", (obeyed, is_rebuilding))


def _versions(
    entries: Sequence[Entry], following: dict[int, int]
) -> list[tuple[str, int, int, bytes | None, int | None]]:
    """The rows of entries in order; moves `following`, the next position of each partition, behind them."""
    rows = []
    for entry in entries:
        following[entry.partition] = entry.position + 1
        if entry.key is not None:
            record = None if entry.body == _NIL else entry.body
            rows.append((entry.key, sum(following.values()) - 1, entry.time_us, record, entry.person))
    return rows
