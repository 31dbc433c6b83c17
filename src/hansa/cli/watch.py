"""Notices that a product's folder was saved."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from hansa.contracts.seal import PORTS_FILE

INTERVAL_S: Final = 0.1
_IGNORED: Final = frozenset({"__pycache__", "venv", "node_modules"})

Snapshot = dict[str, tuple[int, int]]
"""Time of the last change in nanoseconds and size in bytes, by path."""


def saves(
    folder: Path, *, interval_s: float = INTERVAL_S, sleep: Callable[[float], None] = time.sleep
) -> Iterator[list[str]]:
    """Without end: the files that were changed, made or removed since the time before; at first all, at once.

    What is saved while the caller works on the files before is noticed at the next step.
    """
    before: Snapshot = {}
    while True:
        after = snapshot(folder)
        if changed := changes(before, after):
            before = after
            yield changed
        else:
            sleep(interval_s)


def snapshot(folder: Path) -> Snapshot:
    """The files that a bundle would hold, but for `ports.py`, which `hansa sync` writes."""
    found: Snapshot = {}
    for directory, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _is_ignored(name)]
        for name in files:
            path = os.path.join(directory, name)
            if _is_ignored(name) or os.path.relpath(path, folder) == PORTS_FILE:
                continue
            try:
                status = os.stat(path)
            except OSError:  # it has gone meanwhile
                continue
            found[os.path.relpath(path, folder)] = (status.st_mtime_ns, status.st_size)
    return found


def changes(before: Snapshot, after: Snapshot) -> list[str]:
    """The paths that differ, sorted."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name in _IGNORED or name.endswith((".pyc", "~"))
