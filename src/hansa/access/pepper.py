"""The pepper: the secret of this Hansa under which secrets of tokens are hashed. Who has the registry's file alone,
or a backup of it, cannot test guesses."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from hansa.errors import OperatorError

_BYTES: Final = 32


def new_pepper() -> bytes:
    """A pepper that is kept nowhere."""
    return secrets.token_bytes(_BYTES)


def pepper_of(text: str) -> bytes:
    """The pepper that several nodes share, as it is written in their settings. Raises
    `OperatorError("pepper.damaged")`."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != _BYTES:
        raise OperatorError(
            "pepper.damaged",
            f"HANSA_PEPPER is not {2 * _BYTES} hexadecimal digits" if text else "HANSA_PEPPER is not set",
            hint="Nodes that share a log have one secret: `openssl rand -hex 32` makes one, once, for all of them.",
        )
    return found


def load_pepper(file: Path) -> bytes:
    """The pepper in `file`, which is made where it is missing, readable by its owner only.

    Raises `OperatorError`: `pepper.exposed` where others may read it, `pepper.damaged` where it is not 32 bytes.
    """
    if not file.exists():
        _create(file)
    if file.stat().st_mode & 0o077:
        raise OperatorError(
            "pepper.exposed",
            f"{file} can be read by others (mode {file.stat().st_mode & 0o777:04o})",
            hint=f"Run `chmod 600 {file}`, and replace the tokens if someone may have read it.",
        )
    pepper = file.read_bytes()
    if len(pepper) != _BYTES:
        raise OperatorError(
            "pepper.damaged",
            f"{file} has {len(pepper)} bytes instead of {_BYTES}",
            hint="Restore it from a backup; without it every token must be made anew.",
        )
    return pepper


def _create(file: Path) -> None:
    """Writes beside the file and links it into place: another process never sees half of it, and the first one wins."""
    part = file.with_name(f"{file.name}.{secrets.token_hex(4)}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(new_pepper())
            opened.flush()
            os.fsync(opened.fileno())
        _link(part, file)
    finally:
        part.unlink()


def _link(part: Path, file: Path) -> None:
    try:
        os.link(part, file)
    except FileExistsError:
        return
    handle = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
