"""How a store comes to the format that this Hansa knows: numbered SQL files, each run once and known by its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.abc import Traversable
from typing import NamedTuple

from hansa.errors import InternalError, OperatorError


class Migration(NamedTuple):
    """The file that leads to `version`."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations_in(folder: Traversable) -> tuple[Migration, ...]:
    """The files `0001_….sql`, `0002_….sql`, … of a folder. Raises `InternalError` where one is missing."""
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    found = tuple(Migration(int(file.name[:4]), file.name, file.read_text("utf-8")) for file in files)
    if [step.version for step in found] != list(range(1, len(found) + 1)):
        raise InternalError("migration.missing", f"The migrations {[step.name for step in found]} are not 1, 2, 3, …")
    return found


def check_had(store: str, had: Sequence[tuple[str, str]], steps: Sequence[Migration]) -> None:
    """Raises `OperatorError("store.altered")` where a store has had other files, (name, checksum), than those of
    `steps` that stand at their places; what it has had beyond them is not looked at."""
    known = [(step.name, step.checksum) for step in steps]
    if list(had)[: len(known)] != known[: len(had)]:
        raise OperatorError(
            "store.altered",
            f"{store} was brought to format {len(had)} by other migrations than this Hansa has",
            hint="Start it with the Hansa that wrote it, or restore a backup.",
        )


def newer(store: str, version: int, known: int) -> OperatorError:
    """The error for a store that a later Hansa has brought further than this one can follow."""
    return OperatorError(
        "store.newer",
        f"{store} has format {version}; this Hansa knows up to {known}",
        hint="Start it with the newer Hansa that wrote it, or restore an older backup.",
    )
