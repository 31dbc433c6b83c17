"""What `hansa doctor` asks of a SQLite log: is every batch what was written, and none missing?"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

from hansa.errors import HansaError, InternalError
from hansa.eventlog import batch, sqlite_rows
from hansa.eventlog.batch import Batch, KeyOf
from hansa.eventlog.interface import Finding
from hansa.eventlog.sqlite_file import LogFile
from hansa.eventlog.sqlite_rows import key_of

_ALL: Final = """
SELECT COALESCE(topic.name, 'number ' || batch.topic), partition, base, count, time_us, checksum, body
FROM batch LEFT JOIN topic ON topic.id = batch.topic ORDER BY batch.topic, partition, base
"""
_SHORT: Final = """
SELECT name, partition, end, reached FROM (
    SELECT topic.name, bound.partition, bound.end, COALESCE((
        SELECT base + count FROM batch WHERE batch.topic = bound.topic AND batch.partition = bound.partition
        ORDER BY base DESC LIMIT 1), 0) AS reached
    FROM bound JOIN topic ON topic.id = bound.topic) WHERE end != reached
"""


def verify(file: LogFile) -> Iterator[Finding]:
    """Walks everything: the pages and indexes of the file, the checksums of batches and rows, seals, dense positions.
    Nothing is changed.

    A file that is damaged so that the walk cannot go on ends it with a finding. Takes as long as reading it all twice.
    """
    try:
        with file.reading() as connection:
            for (said,) in connection.execute("PRAGMA integrity_check"):
                if said != "ok":
                    yield Finding(None, 0, 0, f"{file.path.name}: {said}")
            yield from _walk(map(Batch._make, connection.execute(_ALL)), key_of(connection))
            for topic, partition, end, reached in ending_early(connection):
                yield Finding(topic, partition, reached, f"{topic}[{partition}] ends at {reached}, not at {end}")
            for table in sqlite_rows.TABLES:
                yield from _rows(connection, table)
    except HansaError as failure:
        yield Finding(None, 0, 0, failure.message)


def ending_early(connection: sqlite3.Connection) -> Iterator[tuple[str, int, int, int]]:
    """(topic, partition, where it should end, where it ends) of partitions that have lost their last batches."""
    yield from connection.execute(_SHORT)


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[Finding]:
    """The rows of a table that are not as they were written."""
    for row in connection.execute(f"SELECT * FROM {table}"):
        try:
            sqlite_rows.checked(table, row)
        except InternalError as failure:
            yield Finding(None, 0, 0, failure.message)


def _walk(batches: Iterable[Batch], keys: KeyOf) -> Iterator[Finding]:
    """The findings of batches in the order of their topics, partitions and positions."""
    last: Batch | None = None
    for found in batches:
        try:
            batch.opened(batch.checked(found), keys)
        except InternalError as failure:
            yield Finding(found.topic, found.partition, found.base, failure.message)
        if last is not None and last[:2] == found[:2] and last.end != found.base:
            message = f"{found.topic}[{found.partition}] goes on at {found.base} where {last.end} should follow"
            yield Finding(found.topic, found.partition, last.end, message)
        last = found
