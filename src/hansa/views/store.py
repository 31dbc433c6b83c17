"""The SQLite file that views share: one writer, and readers that see whole transactions.

WAL with `synchronous=NORMAL`: a crash of the machine may take the last transactions, never half of one; the log still
has them, and each view's cursor stands in the same transaction as its rows. What is deleted is overwritten.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_CHECKPOINT_PAGES: Final = 4096
_BUSY_MS: Final = 10_000
_SCRUB_MS: Final = 100


class ViewReader:
    """Reads the views in `file`, which another process may write. Any thread."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._idle: list[sqlite3.Connection] = []

    def _connect(self) -> sqlite3.Connection:
        found = sqlite3.connect(self.file or ":memory:", isolation_level=None, check_same_thread=False)
        found.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"wal_autocheckpoint={_CHECKPOINT_PAGES}"):
            found.execute(f"PRAGMA {pragma}")
        found.execute("PRAGMA secure_delete=ON")
        found.execute("PRAGMA cache_size=-8192")
        return found

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One snapshot for all queries inside; readers wait for nobody."""
        try:
            db = self._idle.pop()
        except IndexError:
            db = self._connect()
        db.execute("BEGIN")
        try:
            yield db
        finally:
            db.execute("ROLLBACK")
            self._idle.append(db)

    def close(self) -> None:
        """Closes every connection that nobody uses."""
        while self._idle:
            self._idle.pop().close()


class ViewStore(ViewReader):
    """Tables in `file`, or in memory where it is None. Any thread may read and write; one writes at a time."""

    def __init__(self, file: Path | None) -> None:
        super().__init__(file)
        self._lock = threading.RLock()
        self._writer = self._connect()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is kept, or with an exception nothing. May be entered again inside itself."""
        with self._lock:
            if self._writer.in_transaction:
                yield self._writer
                return
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._writer.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        if self.file is None:
            with self._lock:  # in memory they take turns
                yield self._writer
            return
        with super().reading() as db:
            yield db

    def scrub(self) -> bool:
        """Has what was deleted leave the WAL too; False where a reader still needs it, then ask again."""
        with self._lock:
            self._writer.execute(f"PRAGMA busy_timeout={_SCRUB_MS}")
            try:
                busy = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            finally:
                self._writer.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        return not busy

    def close(self) -> None:
        super().close()
        self._writer.close()
