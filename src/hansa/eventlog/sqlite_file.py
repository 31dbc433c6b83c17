"""The file under the SQLite log: its lock, its connections, its transactions and its checkpoints.

WAL with `synchronous=FULL`: what a transaction wrote is on disk when it ends. A thread moves the WAL into the database
behind the writer. When the WAL is long, it moves the short rest between two transactions, so that the WAL starts over;
when it grows faster than it can be moved, transactions wait. Only while a reader's snapshot is held does it grow on.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hansa.errors import HansaError, OperatorError, Unavailable
from hansa.eventlog.committer import stopped
from hansa.eventlog.sqlite_rows import checksum

_BATCHES: Final = """
CREATE TABLE topic (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, config BLOB NOT NULL);
CREATE TABLE batch (
    seq INTEGER PRIMARY KEY, topic INTEGER NOT NULL, partition INTEGER NOT NULL, base INTEGER NOT NULL,
    count INTEGER NOT NULL, time_us INTEGER NOT NULL, checksum INTEGER NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX batch_base ON batch (topic, partition, base);
CREATE TABLE bound (
    topic INTEGER NOT NULL, partition INTEGER NOT NULL, first INTEGER NOT NULL, end INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE position (
    grp TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (grp, topic, partition)) WITHOUT ROWID;
CREATE TABLE state (
    scope TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (scope, key)) WITHOUT ROWID;
CREATE TABLE claim (
    scope TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, until_us INTEGER NOT NULL,
    PRIMARY KEY (scope, key)) WITHOUT ROWID;
CREATE INDEX claim_until ON claim (until_us);
CREATE TABLE epoch (resource TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE subject (id INTEGER PRIMARY KEY, name TEXT NOT NULL, key BLOB);
CREATE INDEX subject_name ON subject (name) WHERE key IS NOT NULL;
"""
_CHECKSUMS: Final = """
ALTER TABLE position ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE position SET checksum = row_checksum(grp, topic, partition, next);
ALTER TABLE state ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE state SET checksum = row_checksum(scope, key, value);
ALTER TABLE claim ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE claim SET checksum = row_checksum(scope, key, value, until_us);
ALTER TABLE epoch ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE epoch SET checksum = row_checksum(resource, epoch);
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, key BLOB, checksum INTEGER NOT NULL);
INSERT INTO person SELECT id, name, key, row_checksum(id, name, key)
    FROM (SELECT id, CASE WHEN key IS NOT NULL THEN name END AS name, key FROM subject);
DROP TABLE subject;
CREATE UNIQUE INDEX person_name ON person (name) WHERE name IS NOT NULL;
"""
_MIGRATIONS: Final = (_BATCHES, _CHECKSUMS)
"""What brings a file from each format to the next; the format of a file is how many of them it has seen."""
OWNER: Final = "log"
"""The resource whose epoch says which process may write: the one that opened the file last."""
_EPOCH: Final = f"SELECT epoch FROM epoch WHERE resource = '{OWNER}'"
_TAKEN: Final = "another Hansa has opened the data folder since"
_PAGE_BYTES: Final = 4096
"""Of a new file. A commit writes each page that it touches as a whole, so small ones write the least."""
_WAL_LONG_BYTES: Final = 24 << 20
_WAL_KEPT_BYTES: Final = 32 << 20
_WAL_TOO_LONG_BYTES: Final = 48 << 20
_WAL_STEP_BYTES: Final = 8 << 20
"""How much the WAL grows before a checkpoint that a reader forbade is tried again."""
_CHECKPOINT_S: Final = 0.2
_READERS_WAITED_MS: Final = 20
"""How long commits may wait for readers to leave when the WAL is to start over."""

_SETS_FAULT: Final = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
_report = logging.getLogger("hansa.eventlog")


class Readers:
    """Connections to the log's file for those that only read it; each block has one for itself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for the block alone. SQLite's errors leave it as `OperatorError`, `log.damaged` among them."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = _connected(self._path)
        try:
            yield connection
        except sqlite3.DatabaseError as failure:
            raise unreadable(self._path, failure) from failure
        finally:
            connection.close() if self._closed else self._idle.append(connection)

    def close(self) -> None:
        """Closes those that nobody uses, and the others when they are given back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()


class LogFile:
    """`folder/log.db`, for one process at a time: a second one gets `OperatorError("store.locked")`.

    `lock` is held by every transaction; hold it longer to keep what is in memory in step with what was written.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "log.db"
        self.lock = threading.RLock()
        self.failure: object = None
        self._wal = folder / "log.db-wal"
        self._readers = Readers(self.path)
        self._scrub = self._long = self._closed = False
        self._relieve_at_bytes = _WAL_TOO_LONG_BYTES
        self._moving = threading.Lock()
        self._written, self._ending = threading.Event(), threading.Event()
        self._checkpointer = threading.Thread(target=self._checkpoints, name="hansa-checkpoints", daemon=True)
        with contextlib.ExitStack() as undo:
            self._held = held(folder)
            undo.callback(os.close, self._held)
            self._writer = _connected(self.path)
            undo.callback(self._writer.close)
            self._prepare()
            self._mover = _connected(self.path)
            self._mover.execute(f"PRAGMA busy_timeout={_READERS_WAITED_MS}")
            undo.pop_all()

    def _prepare(self) -> None:
        try:
            self._writer.create_function("row_checksum", -1, checksum, deterministic=True)
            _migrate(self._writer)
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._epoch = _taken_over(self._writer)
            self._page_bytes: int = self._writer.execute("PRAGMA page_size").fetchone()[0]
        except sqlite3.Error as failure:
            raise unreadable(self.path, failure) from failure

    def start(self) -> None:
        """Begins to move the WAL into the database."""
        self._checkpointer.start()

    def close(self) -> None:
        """Moves the whole WAL and gives the folder free. A second call does nothing."""
        with self.lock:
            if self._closed:
                return
            self._closed = True
            self.failure = self.failure or "it was closed"
        self._ending.set()
        self._written.set()
        if self._checkpointer.is_alive():
            self._checkpointer.join()
        self._readers.close()
        with contextlib.suppress(sqlite3.Error):
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._mover.close()
        self._writer.close()
        os.close(self._held)

    # Connections

    def reading(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """A connection for the block alone. SQLite's errors leave it as `OperatorError`, `log.damaged` among them."""
        return self._readers.reading()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The writer's connection inside a transaction that is on disk when the block ends, or is undone.

        Raises `Unavailable("log.full")` or `("store.busy")`: nothing was written, a later one may succeed. Raises
        `Unavailable("log.stopped")` when the storage failed, for this one and all that follow. What is the fault of
        what was to be written stays as SQLite raised it.
        """
        with self.lock:
            if self.failure is not None:
                raise self._end()
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                self._check_owner()
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException as failure:
                self._undo()
                if isinstance(failure, sqlite3.Error) and not isinstance(failure, _SETS_FAULT):
                    raise self._verdict(failure) from failure
                raise
            self._written.set()
            self._relieve()

    def _check_owner(self) -> None:
        """Inside a transaction: no later epoch can begin before it ends."""
        if self._writer.execute(_EPOCH).fetchone()[0] != self._epoch:
            self.failure = _TAKEN
            raise self._end()

    def _end(self) -> HansaError:
        """Why this log takes no more commits."""
        if self.failure is not _TAKEN:
            return stopped(self.failure)
        return Unavailable(
            "log.fenced",
            f"Epoch {self._epoch} of the log ended: {self.failure}",
            hint="Stop this one. A data folder is for one Hansa: its file `lock` must not be copied or removed.",
        )

    def _undo(self) -> None:
        try:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        except sqlite3.Error as failure:
            self._fail(failure)

    def _verdict(self, failure: sqlite3.Error) -> HansaError:
        if self.failure is None:
            later = passing(failure)
            if later is not None:
                return later
            self._fail(failure)
        return self._end()

    def _fail(self, failure: sqlite3.Error) -> None:
        _report.error("the log has stopped", exc_info=failure)
        self.failure = failure

    # Checkpoints

    def scrub(self) -> None:
        """Has what was overwritten leave the WAL too: within a moment, or as soon as no reader needs it."""
        self._scrub = True
        self._written.set()

    def _checkpoints(self) -> None:
        """Behind what is written, at most every `_CHECKPOINT_S`. While nothing is, the thread sleeps."""
        while not self._closed:
            self._written.wait()
            self._ending.wait(_CHECKPOINT_S)
            self._written.clear()
            is_moved = self._move("PASSIVE")
            if self._scrub:
                with self.lock:
                    self._scrub = not self._move("TRUNCATE")
            elif self._long:
                with self.lock:
                    is_moved = self._move("RESTART")
            if self._scrub or not is_moved:
                self._written.set()  # a reader needs what is left; it is tried again

    def _relieve(self) -> None:
        """Moves what the thread could not keep up with; where a reader's snapshot forbids it, again a step later."""
        size = self._wal.stat().st_size
        if size > self._relieve_at_bytes:
            moved = self._move("RESTART")
            self._relieve_at_bytes = _WAL_TOO_LONG_BYTES if moved else size + _WAL_STEP_BYTES

    def _move(self, mode: str) -> bool:
        """True when the whole WAL was moved. An error that does not pass by itself stops the log."""
        try:
            with self._moving:
                busy, pages, moved = self._mover.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except sqlite3.Error as failure:
            if passing(failure) is None:
                self._fail(failure)
            return False
        self._long = pages * self._page_bytes > _WAL_LONG_BYTES
        return not busy and moved == pages


def _connected(path: Path) -> sqlite3.Connection:
    try:
        found = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
        found.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        found.execute("PRAGMA journal_mode=WAL")
        found.execute("PRAGMA synchronous=FULL")
        found.execute("PRAGMA wal_autocheckpoint=0")
        found.execute(f"PRAGMA journal_size_limit={_WAL_KEPT_BYTES}")
        found.execute("PRAGMA secure_delete=ON")
        found.execute("PRAGMA temp_store=MEMORY")
        found.execute("PRAGMA busy_timeout=10000")
        found.execute("PRAGMA cache_size=-16384")
    except sqlite3.Error as failure:
        raise unreadable(path, failure) from failure
    return found


def passing(failure: sqlite3.Error) -> Unavailable | None:
    """What to answer where `failure` left the storage sound: the disk is full, or another program is in the file."""
    code = getattr(failure, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return Unavailable(
            "log.full",
            "The disk of the data folder is full; nothing was written",
            hint="Free space, or shorten the retention of a port. Commits go on by themselves when there is space.",
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Unavailable(
            "store.busy",
            "Another program holds log.db; nothing was written",
            hint="Close what has the file open (a database browser?); commits go on by themselves.",
        )
    return None


def unreadable(path: Path, failure: sqlite3.Error) -> OperatorError:
    """The error for a file that SQLite cannot read."""
    code = getattr(failure, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    is_no_text = isinstance(failure, sqlite3.OperationalError) and "decode to UTF-8" in str(failure)
    return OperatorError(
        "log.damaged" if is_no_text or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) else "store.failed",
        f"{path.name}: {failure}",
        hint="Restore a backup with `hansa restore`; `hansa doctor` says how far the log can be read.",
    )


def _migrate(connection: sqlite3.Connection) -> None:
    version, known = connection.execute("PRAGMA user_version").fetchone()[0], len(_MIGRATIONS)
    if version > known:
        raise OperatorError(
            "store.newer",
            f"log.db has format {version}; this Hansa knows up to {known}",
            hint="Start it with the newer Hansa that wrote it, or restore an older backup.",
        )
    for number, migration in enumerate(_MIGRATIONS[version:], version + 1):
        connection.executescript(f"BEGIN; {migration} PRAGMA user_version = {number}; COMMIT;")


def _taken_over(connection: sqlite3.Connection) -> int:
    """The epoch of whoever opened the file now; whoever had it before is fenced off from this moment on."""
    connection.execute("BEGIN IMMEDIATE")
    row = connection.execute(_EPOCH).fetchone()
    epoch: int = row[0] + 1 if row else 1
    connection.execute("REPLACE INTO epoch VALUES (?, ?, ?)", (OWNER, epoch, checksum(OWNER, epoch)))
    connection.execute("COMMIT")
    return epoch


def held(folder: Path) -> int:
    """Holds the folder, until what is returned is closed. Raises `OperatorError("store.locked")`."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(handle, 32).decode(errors="replace").strip()
        os.close(handle)
        raise OperatorError(
            "store.locked",
            f"Another Hansa (process {holder or 'unknown'}) has the data folder {folder} open",
            hint="Stop it, or start this one with another folder: `hansa up --data FOLDER`.",
        ) from None
    os.truncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    return handle
