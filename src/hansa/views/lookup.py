"""The read side of a lookup: key → latest record, from one SQLite file, at one position for a whole run.

It is used inside isolated workers: it opens the file read-only, and needs no more than to read it, its `-wal` and its
`-shm` (SQLite then maps the WAL's index read-only), as long as the writing process has the file open. Imports nothing
but the standard library.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

LOOKUP_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS {lookup} (
        key TEXT NOT NULL, position INTEGER NOT NULL, time_us INTEGER NOT NULL, record BLOB, person INTEGER,
        PRIMARY KEY (key, position)) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS {applied} (partition INTEGER PRIMARY KEY, next INTEGER NOT NULL)",
)
"""A row per version of a record; NULL says that it was deleted. `person` is the number of whom the record speaks of.
`applied` changes in the same transaction as the rows. Readers know the tables as `lookup` and `applied`.

`position` counts the entries of all partitions in the order of their commit, so it is the log's where there is one.
"""

_LATEST: Final = "SELECT record FROM lookup WHERE key = ? ORDER BY position DESC LIMIT 1"
_AT: Final = "SELECT record FROM lookup WHERE key = ? AND position < ? ORDER BY position DESC LIMIT 1"


class LookupReader:
    """Reads one lookup. Belongs to one thread at a time.

    Between `begin` and `end` everything is read at one position, whatever is written meanwhile; outside, each read sees
    the latest. Raises `sqlite3.OperationalError` where the file is not there.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._open()

    def _open(self) -> None:
        self._inode = self._file.stat().st_ino if self._file.exists() else 0
        uri = f"file:{quote(str(self._file))}?mode=ro"
        self._db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=10)
        self._execute = self._db.cursor().execute

    def begin(self) -> int:
        """Holds on to what is there now; returns its position. A file that was made anew is opened anew."""
        if not self._db.in_transaction:
            if self._file.exists() and self._file.stat().st_ino != self._inode:
                self._db.close()
                self._open()
            self._execute("BEGIN")
        return self.position()

    def end(self) -> None:
        """Lets go of what `begin` held."""
        if self._db.in_transaction:
            self._execute("ROLLBACK")

    def position(self) -> int:
        """The position behind the last record that can be seen."""
        found: int = self._execute("SELECT COALESCE(SUM(next), 0) FROM applied").fetchone()[0]
        return found

    def get(self, key: str, at: int | None = None) -> bytes | None:
        """The record of a key as msgpack, or None where there is none or it was deleted.

        `at` is a position that `position` gave: the record as it stood there, as long as its version is kept.
        """
        query = self._execute(_LATEST, (key,)) if at is None else self._execute(_AT, (key, at))
        row: tuple[bytes | None] | None = query.fetchone()
        return None if row is None else row[0]

    def close(self) -> None:
        self._db.close()
