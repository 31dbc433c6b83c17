"""What becomes of a file of views that is damaged: it is set aside, and made anew from the log."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from pathlib import Path
from typing import Final

DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_report = logging.getLogger("hansa.views")


def is_damage(failure: BaseException) -> bool:
    """True where SQLite found that the file is not what was written."""
    return isinstance(failure, sqlite3.Error) and (getattr(failure, "sqlite_errorcode", 0) & 0xFF) in DAMAGED


def were_set_aside(folder: Path) -> list[Path]:
    """The files of views and lookups in a data folder that were damaged and are kept for whoever wants to know."""
    return [*folder.glob("*.damaged"), *folder.glob("lookups/*/*.damaged")]


def set_aside(file: Path) -> None:
    """Gives the file the name `….damaged`, for whoever wants to know; a file that was set aside before is gone."""
    for end in ("-wal", "-shm"):
        file.with_name(file.name + end).unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        file.replace(file.with_name(file.name + ".damaged"))
    _report.error("%s was damaged: it is set aside as %s.damaged and made anew from the log", file, file.name)
