"""A consistent copy of a running Hansa, and putting it back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

from hansa.bootstrap.folder import make_folder
from hansa.errors import CallerError
from hansa.eventlog.interface import Log
from hansa.registry.interface import Registry

_KEPT: Final = ("pepper", "connections.yaml", "secrets.yaml")
_FOLDERS: Final = ("blobs",)


_ELSEWHERE: Final = "elsewhere"
"""The file in a backup that says what is not in it."""


def backup_into(target: Path, data: Path, log: Log, registry: Registry, blobs: str) -> dict[str, Any]:
    """Copies everything that cannot be made again into the new folder `target`: the log first, so that the copy of the
    registry knows what it speaks of. Views, environments and unpacked revisions are made again at the next start. Under
    `also` stands what is to be copied by others, behind this."""
    if target.exists():
        raise CallerError("backup.exists", f"{target} exists already", hint="Name a folder that does not exist.")
    make_folder(target, exist_ok=False)
    stores = (log.backup(target / "log.db"), registry.backup(target / "registry.db"), blobs and f"a copy of {blobs}")
    also = [told for told in stores if told]
    for name in _KEPT:
        if (data / name).exists():
            shutil.copy2(data / name, target / name)
    for name in _FOLDERS:
        if (data / name).exists():
            shutil.copytree(data / name, target / name)
    if also:
        (target / _ELSEWHERE).write_text("\n".join(also) + "\n")
    return _made(target, also)


def restore_from(source: Path, data: Path) -> dict[str, Any]:
    """Makes the new data folder `data` out of a backup. Raises `CallerError` (`restore.exists`,
    `restore.no_backup`)."""
    also = (source / _ELSEWHERE).read_text().splitlines() if (source / _ELSEWHERE).exists() else []
    if not (source / "log.db").exists() or not (also or (source / "registry.db").exists()):
        raise CallerError("restore.no_backup", f"{source} is not a backup", hint="`hansa backup FOLDER` makes one.")
    if data.exists() and any(data.iterdir()):
        raise CallerError(
            "restore.exists", f"{data} is not empty", hint="Restore into a new folder, then `hansa up --data` with it."
        )
    make_folder(data)
    shutil.copytree(source, data, ignore=shutil.ignore_patterns(_ELSEWHERE), dirs_exist_ok=True)
    return _made(data, also)


def _made(folder: Path, also: list[str]) -> dict[str, Any]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    size_bytes = sum(path.stat().st_size for path in files)
    return {"path": str(folder), "files": len(files), "size_bytes": size_bytes, "also": also}
