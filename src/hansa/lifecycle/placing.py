"""Puts the files of a revision into the room where its workers may read them."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


def placed(folder: Path, target: Path) -> Path:
    """The files of a revision in a room, where they may be read."""
    place = target / folder.name
    if not place.exists():
        target.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=target, prefix=".part-"))
        _link_all(folder, part)
        part.chmod(0o755)
        try:
            part.rename(place)
        except OSError:
            shutil.rmtree(part)
            if not place.exists():  # where it does, another was faster; what it placed is the same
                raise
    return place


def _link_all(folder: Path, target: Path) -> None:
    """What `folder` has stands in `target`, too: the files themselves, not copies."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                (target / entry.name).mkdir()
                _link_all(folder / entry.name, target / entry.name)
            else:
                os.link(entry.path, target / entry.name)
