"""Errors on the command line: one line what, one line how, and an exit code. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from hansa.errors import HansaError, Unavailable

FAILURE: Final = 1
USAGE: Final = 2
UNAVAILABLE: Final = 3
INTERRUPTED: Final = 130


def exit_code(error: HansaError) -> int:
    """3 where the same command may succeed later, else 1."""
    return UNAVAILABLE if isinstance(error, Unavailable) else FAILURE


def error_lines(error: HansaError) -> Iterator[str]:
    """Two lines per thing that is wrong: what, with its code, and how to mend it; then the author's traceback, if any.

    An error with findings is told by them, each with its file and line.
    """
    findings = error.details.get("findings")
    if findings:
        for finding in findings:
            yield from _told(_place(finding) + finding["message"], finding["code"], finding.get("hint"))
    else:
        yield from _told(error.message, error.code, error.hint)
        parts = error.details.get("errors") or ()
        for part in parts if len(parts) > 1 else ():
            yield f"  {part.get('path', '')}: {part.get('message', '')}"
    yield from str(error.details.get("traceback") or "").splitlines()


def usage_lines(message: str, command: str) -> Iterator[str]:
    """The two lines of a command that was written wrongly."""
    yield from _told(message.replace("\n", " ").strip(), "usage", f"'{command} --help' shows what it takes.")


def _told(message: str, code: str, hint: str | None) -> Iterator[str]:
    yield f"error: {_one_line(message)} [{code}]"
    if hint:
        yield f"  how: {_one_line(hint)}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _place(finding: dict[str, Any]) -> str:
    file, line = finding.get("file"), finding.get("line")
    if not file:
        return ""
    return f"{file}:{line}: " if line else f"{file}: "
