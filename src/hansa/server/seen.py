"""Read-your-writes over HTTP: the token that `Hansa-Token` carries."""

from __future__ import annotations

from hansa.errors import CallerError
from hansa.eventlog.interface import Log


def checked_token(log: Log, token: str) -> str:
    """`token`, if this log gave it. Raises `CallerError("position.foreign")` at once, where waiting for it would be in
    vain."""
    try:
        is_ours = log.covers(log.now(), token)
    except ValueError:
        is_ours = False
    if not is_ours:
        raise CallerError(
            "position.foreign",
            f"{token[:100]!r} is not a token of what was committed here",
            hint="Give back the header Hansa-Token of an earlier answer of this Hansa, as it is.",
        )
    return token
