"""Read-your-writes over HTTP: the token that `Hansa-Token` carries."""

from __future__ import annotations

from hansa.errors import CallerError
from hansa.eventlog.awaitable import AwaitableLog

HEARD_S = 2.0
"""How long a node may take to hear of what was committed through another one."""


async def checked_token(log: AwaitableLog, token: str) -> str:
    """`token`, if this log gave it; when this node has heard of what it came from. Raises
    `CallerError("position.foreign")`, at once where waiting would be in vain."""
    try:
        is_ours = await log.hear(token, HEARD_S)
    except ValueError:
        is_ours = False
    if not is_ours:
        raise CallerError(
            "position.foreign",
            f"{token[:100]!r} is not a token of what was committed here",
            hint="Give back the header Hansa-Token of an earlier answer of this Hansa, as it is.",
        )
    return token
