"""The SQLite file that views share: one writer, and readers that see whole transactions.

WAL with `synchronous=NORMAL`: a crash of the machine may take the last transactions, never half of one; the log still
has them, and each view's cursor stands in the same transaction as its rows. What is deleted is overwritten.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from hansa.errors import Unavailable
from hansa.views.damage import is_damage

_CHECKPOINT_PAGES: Final = 4096
_BUSY_MS: Final = 10_000
_SCRUB_MS: Final = 100


def _ignored() -> None:
    """For a file that nobody can make anew."""


class ViewReader:
    """Reads the views in `file`, which another process may write, and may make anew. Any thread. `on_damage` is told
    where the file turns out to be damaged."""

    def __init__(self, file: Path | None, on_damage: Callable[[], object] = _ignored) -> None:
        self.file = file
        self._on_damage = on_damage
        self._idle: list[sqlite3.Connection] = []
        self._inode = self._found_inode()

    def _found_inode(self) -> int:
        return self.file.stat().st_ino if self.file is not None and self.file.exists() else 0

    def _connect(self) -> sqlite3.Connection:
        found = sqlite3.connect(self.file or ":memory:", isolation_level=None, check_same_thread=False)
        pragmas = ("journal_mode=WAL", "synchronous=NORMAL", f"wal_autocheckpoint={_CHECKPOINT_PAGES}")
        try:
            found.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
            for pragma in (*pragmas, "secure_delete=ON", "cache_size=-8192"):
                found.execute(f"PRAGMA {pragma}")
        except BaseException:
            found.close()
            raise
        return found

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One snapshot for all queries inside; readers wait for nobody. Raises `Unavailable("view.damaged")`."""
        inode = self._renewed()
        db: sqlite3.Connection | None = None
        try:
            db = self._idle.pop() if self._idle else self._connect()
            db.execute("BEGIN")
            yield db
        except sqlite3.DatabaseError as failure:
            if not is_damage(failure):
                raise
            if inode == self._found_inode():
                self._on_damage()
            raise self._damaged(failure) from failure
        finally:
            self._give_back(db, inode)

    def _give_back(self, db: sqlite3.Connection | None, inode: int) -> None:
        if db is None:
            return
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        self._idle.append(db) if inode == self._inode else db.close()

    def _renewed(self) -> int:
        """The number of the file that is there now; connections to one that was set aside are closed."""
        inode = self._found_inode()
        if inode != self._inode:
            self._inode = inode
            ViewReader.close(self)
        return inode

    def _damaged(self, failure: sqlite3.Error) -> Unavailable:
        return Unavailable(
            "view.damaged",
            f"{self.file and self.file.name} is damaged: {failure}",
            hint="It is set aside and made anew from the log, by itself; ask again in a moment.",
        )

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
