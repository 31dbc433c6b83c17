"""The WAL starts over as soon as a reader lets it, however long it grew; no background thread helps here."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from hansa.eventlog.sqlite_file import LogFile

MIB = 1 << 20


def grow(file: LogFile, size_mib: int) -> None:
    for n in range(size_mib):
        with file.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO state VALUES ('s', ?, ?, 0)", (str(n), os.urandom(MIB)))


def test_a_wal_that_a_reader_held_open_starts_over_when_the_reader_left(tmp_path: Path) -> None:
    file = LogFile(tmp_path)
    wal = tmp_path / "log.db-wal"
    try:
        reader = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM state").fetchall()
        grow(file, 60)
        assert wal.stat().st_size > 60 * MIB
        reader.close()
        grow(file, 12)
        assert wal.stat().st_size < 40 * MIB
    finally:
        file.close()
