"""Many rows in few statements.

Each step of a statement gives up the interpreter's lock and waits to have it back; beside a busy event loop that wait,
not SQLite, would set the pace. Rows therefore go in by unrolled `VALUES (…), (…)`, a power of two at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

_ROWS_MAX: Final = 128


class BulkWriter:
    """Writes rows of `width` values with `{head} VALUES (…), … {tail}`; in order, inside the caller's transaction."""

    def __init__(self, head: str, width: int, tail: str = "") -> None:
        row = f"({', '.join('?' * width)})"
        sizes = [_ROWS_MAX >> n for n in range(_ROWS_MAX.bit_length())]
        self._statements = [(size, f"{head} VALUES {', '.join([row] * size)} {tail}") for size in sizes]

    def write(self, db: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> None:
        at = 0
        for size, statement in self._statements:
            while len(rows) - at >= size:
                db.execute(statement, tuple(chain.from_iterable(rows[at : at + size])))
                at += size
