"""What writing to a folder needs: names that survive a crash, and our errors for what the disk says."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from hansa.errors import OperatorError, Unavailable


def sync(folder: Path) -> None:
    """Makes the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def translated(root: Path) -> Iterator[None]:
    """Turns an `OSError` into `Unavailable("blob.full")` or `OperatorError("blob.failed")`."""
    try:
        yield
    except OSError as failure:
        message = f"{root}: {failure.strerror or failure}"
        if failure.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable("blob.full", message, hint="Free space on the disk of the data folder.") from failure
        raise OperatorError("blob.failed", message, hint="See that the folder exists and can be written.") from failure
