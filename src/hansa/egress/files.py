"""Files below one folder: `file:///srv/inbox`, or a path in the data folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from hansa.egress.interface import ANSWER_MAX_BYTES, Call, Exit, refused, too_large, unavailable
from hansa.egress.settings import ConnectionSetting, malformed

_PART: Final = ".hansa-part"


class FilesExit(Exit):
    """One folder. A path is followed to where it leads, links included, and refused where that is outside."""

    operations = ("list", "read", "write", "delete")

    def __init__(self, setting: ConnectionSetting) -> None:
        parts = urlsplit(setting.url)
        if parts.scheme not in ("", "file") or parts.netloc:
            raise malformed(setting.name, f"{setting.url!r} is not a folder", "It reads like file:///srv/inbox.")
        self._root = (setting.base / unquote(parts.path)).resolve()
        self.uri = self._root.as_uri()

    def target(self, call: Call) -> str:
        return self._inside(call.arguments[0]).as_uri()

    def call(self, call: Call) -> Any:
        path, *rest = call.arguments
        place = self._inside(path)
        with _translated(path):
            match call.operation:
                case "list":
                    return self._list(place)
                case "read":
                    return _read(place, *rest)
                case "write":
                    return _write(place, *rest)
                case _:
                    return place.unlink(missing_ok=True)

    def _inside(self, path: str) -> Path:
        """Where the path leads; raises `connection.path_escape` where that is outside of the folder."""
        place = (self._root / path).resolve() if "\0" not in path else None
        if place is None or not place.is_relative_to(self._root):
            raise refused("path_escape", f"{path!r} leaves the folder of the connection", "Give a path inside of it.")
        return place

    def _list(self, place: Path) -> list[tuple[str, int, int]]:
        """(path, size in bytes, modified in µs) of each file, by path; links that lead outside are left out."""
        found = [place] if place.is_file() else (item for item in place.rglob("*") if item.is_file())
        return sorted(
            (item.relative_to(self._root).as_posix(), stat.st_size, stat.st_mtime_ns // 1000)
            for item in found
            if not item.name.endswith(_PART) and item.resolve().is_relative_to(self._root)
            for stat in (item.stat(),)
        )


def _read(place: Path, start: int, size_bytes: int | None) -> bytes:
    with _open(place, os.O_RDONLY) as file:
        file.seek(start)
        data: bytes = file.read(ANSWER_MAX_BYTES + 1 if size_bytes is None else min(size_bytes, ANSWER_MAX_BYTES + 1))
    if len(data) > ANSWER_MAX_BYTES:
        raise too_large("The file", "Read it in parts with start and size_bytes.")
    return data


def _write(place: Path, data: bytes) -> None:
    """The file is either as before or whole, also after a crash."""
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{uuid4().hex}{_PART}")
    try:
        with _open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)


def _open(place: Path, flags: int) -> Any:
    """Opens no link: what the path led to was looked at before."""
    return os.fdopen(os.open(place, flags | os.O_NOFOLLOW, 0o666), "wb" if flags & os.O_WRONLY else "rb")


@contextlib.contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as failure:
        raise refused("not_found", f"There is no file {path!r}", "`list()` says which there are.") from failure
    except (IsADirectoryError, NotADirectoryError) as failure:
        raise refused("not_found", f"{path!r} is not a file", "`list()` says which there are.") from failure
    except OSError as failure:
        raise unavailable(f"{path!r}: {failure.strerror}", "See to the folder and its rights.") from failure
