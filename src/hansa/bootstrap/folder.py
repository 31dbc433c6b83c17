"""Making the folders that somebody named."""

from __future__ import annotations

from pathlib import Path

from hansa.errors import OperatorError


def make_folder(path: Path, *, exist_ok: bool = True) -> None:
    """Makes the folder, and those above it, for its owner alone: payloads stand in it in clear. Raises
    `OperatorError("folder.unusable")` where the machine does not let it."""
    try:
        path.mkdir(parents=True, exist_ok=exist_ok, mode=0o700)
    except OSError as failure:
        raise OperatorError(
            "folder.unusable",
            f"{path} cannot be made a folder: {failure.strerror}",
            hint="Name another one, in a place where this user may write.",
        ) from failure
