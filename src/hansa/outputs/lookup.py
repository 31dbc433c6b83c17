"""The lookup port: a file per port that follows the port's topic, and its reader for workers and server."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from hansa.eventlog.interface import Entry, LogReader
from hansa.outputs.order import PortEntries
from hansa.views.bulk import BulkWriter
from hansa.views.interface import Follower, ViewStatus
from hansa.views.lookup import LOOKUP_SCHEMA, LookupReader
from hansa.views.store import ViewStore

__all__ = ["KEEP_S", "LookupProjector", "LookupReader", "lookup_path"]

KEEP_S: Final = 86_400.0
_NIL: Final = b"\xc0"
_BATCH: Final = 2048
_TO_PRUNE: Final = """SELECT value ->> 0, value ->> 1 FROM json_each(?)
    WHERE (SELECT time_us FROM lookup WHERE key = value ->> 0 ORDER BY position LIMIT 1) < value ->> 1"""
_PRUNE: Final = """DELETE FROM lookup WHERE key = ?1 AND position < (
    SELECT MAX(position) FROM lookup WHERE key = ?1 AND time_us <= ?2)"""


def lookup_path(folder: Path, port: str) -> Path:
    """The file of a port's lookup in `folder`, in a folder of its own: whoever may read one may read no other."""
    return folder / quote(port, safe="@") / "lookup.db"


class LookupProjector(Follower):
    """Keeps the lookup of `port` in the file `path` up with the log; a `Projector` advances it, with the port as view.

    A version that was replaced is kept until its key is written `keep_s` or more after that (None keeps all), so that
    a replay can read at the position that the run saw. Records without a key cannot be looked up and are left out. A
    file that is ahead of the log (the log was restored from a backup) begins again.
    """

    def __init__(self, log: LogReader, path: Path, port: str, *, keep_s: float | None = KEEP_S) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.port = port
        self._store = ViewStore(path)
        self._log = log
        self._keep_us = None if keep_s is None else round(keep_s * 1_000_000)
        self._rows = BulkWriter("INSERT OR REPLACE INTO lookup", 4)
        self._reached = ""
        self._goal: tuple[str, dict[int, int]] | None = None
        with self._store.writing() as db:
            for statement in LOOKUP_SCHEMA:
                db.execute(statement)
            self._next: dict[int, int] = dict(db.execute("SELECT partition, next FROM applied"))
        ends = self._bounds(1)
        if any(position > ends.get(partition, 0) for partition, position in self._next.items()):
            self.rebuild()

    def rebuild(self) -> None:
        """Empties the lookup and begins again at what the log still has. Only while no projector advances it."""
        with self._store.writing() as db:
            db.execute("DELETE FROM lookup")
            db.execute("DELETE FROM applied")
        self._next, self._reached, self._goal = {}, "", None

    def advance(self) -> bool:
        if self._goal is None:
            self._goal = (self._log.now(), self._bounds(1))
        progress = bool(self._goal[1]) and self._apply()
        if all(self._next.get(partition, 0) >= end for partition, end in self._goal[1].items()):
            self._reached, self._goal = self._goal[0], None
        return progress

    def statuses(self) -> list[ViewStatus]:
        return [ViewStatus(self.port, 1, self._reached)]

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
            self._rows.write(db, rows)
            if self._keep_us is not None:
                _prune(db, rows, self._keep_us)
            db.executemany("INSERT OR REPLACE INTO applied VALUES (?, ?)", following.items())
        self._next = following
        return bool(batch)


def _versions(entries: Sequence[Entry], following: dict[int, int]) -> list[tuple[str, int, int, bytes | None]]:
    """The rows of entries in order; moves `following`, the next position of each partition, behind them."""
    rows = []
    for entry in entries:
        following[entry.partition] = entry.position + 1
        if entry.key is not None:
            record = None if entry.body == _NIL else entry.body
            rows.append((entry.key, sum(following.values()) - 1, entry.time_us, record))
    return rows


def _prune(db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]], keep_us: int) -> None:
    """Takes the versions of the written keys that had been replaced `keep_us` or more before the key's latest."""
    horizons = {key: time_us - keep_us for key, _, time_us, _ in rows}
    pairs = msgspec.json.encode(list(horizons.items())).decode()
    db.executemany(_PRUNE, db.execute(_TO_PRUNE, (pairs,)).fetchall())
