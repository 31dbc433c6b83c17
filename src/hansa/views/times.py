"""Points in time as callers write them."""

from __future__ import annotations

from datetime import UTC, datetime

from hansa.errors import CallerError


def parse_time(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 time, or of a date (its beginning); UTC where it names no offset.

    Raises `CallerError("time.malformed")`.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as failure:
        raise CallerError(
            "time.malformed", f"{text!r} is not a time", hint="It reads like 2026-03-01T09:30:00Z or 2026-03-01."
        ) from failure
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    since = found - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def time_text(us: int) -> str:
    """The RFC 3339 form of microseconds since 1970, in UTC."""
    return (
        datetime.fromtimestamp(us // 1_000_000, UTC)
        .replace(microsecond=us % 1_000_000)
        .isoformat()
        .replace("+00:00", "Z")
    )
