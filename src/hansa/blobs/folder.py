"""Blobs as files of a folder: `ab/abcdef…`, written beside it and renamed into place."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Final

from hansa.blobs.disk import sync, translated
from hansa.blobs.interface import Blobs
from hansa.errors import CallerError, OperatorError

HASH: Final = re.compile(r"[0-9a-f]{64}")


class FolderBlobs(Blobs):
    """Blobs in `root`, which is made where it is missing."""

    def __init__(self, root: Path) -> None:
        self._root = root
        with translated(root):
            root.mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes) -> str:
        blob = hashlib.sha256(data).hexdigest()
        target = self._file(blob)
        with translated(self._root):
            if _holds(target, blob):
                return blob
            target.parent.mkdir(exist_ok=True)
            _write(target, data)
            sync(target.parent)
            sync(self._root)
        return blob

    def get(self, blob: str) -> bytes:
        with translated(self._root):
            data = self._known(blob).read_bytes()
        if hashlib.sha256(data).hexdigest() != blob:
            raise damaged(blob)
        return data

    def has(self, blob: str) -> bool:
        return bool(HASH.fullmatch(blob)) and self._file(blob).is_file()

    def path(self, blob: str) -> Path:
        file = self._known(blob)
        with translated(self._root):
            if not _holds(file, blob):
                raise damaged(blob)
        return file

    def _known(self, blob: str) -> Path:
        if not self.has(blob):
            raise unknown(blob)
        return self._file(blob)

    def _file(self, blob: str) -> Path:
        return self._root / blob[:2] / blob


def _holds(file: Path, blob: str) -> bool:
    """True where the file is there with the content that its name promises."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == blob
    except FileNotFoundError:
        return False


def _write(target: Path, data: bytes) -> None:
    """The whole file under its name, on disk; or nothing."""
    handle, part = tempfile.mkstemp(dir=target.parent, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise


def unknown(blob: str) -> CallerError:
    """The error for a hash that was never put."""
    hint = "Upload it first: `hansa deploy` does so by itself."
    return CallerError("blob.unknown", f"There is no blob {blob!r}", hint=hint)


def damaged(blob: str) -> OperatorError:
    """The error for bytes that are not what was put."""
    return OperatorError(
        "blob.damaged",
        f"The bytes of blob {blob} do not match its hash",
        hint="Deploy the same product folder again, or restore a backup with `hansa restore`.",
    )
