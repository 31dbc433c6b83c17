"""What an answer says besides: that a version is deprecated (RFC 9745), when it ends (RFC 8594) and what follows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

_SUCCESSOR: Final = re.compile(r'<([^>]*)>;\s*rel="successor-version"')


class DeprecatedVersion(UserWarning):
    """A version of a port was read that is not to be used any more."""


def notice(path: str, headers: Mapping[str, str]) -> str | None:
    """The deprecation of what was read, in a sentence; None where there is none yet. Header names are lower case."""
    told = headers.get("deprecation", "")
    if not told.startswith("@") or not told[1:].isdigit():
        return None
    since, sunset = datetime.fromtimestamp(int(told[1:]), UTC), headers.get("sunset")
    successor = _SUCCESSOR.search(headers.get("link", ""))
    parts = [f"{path} is deprecated as of {since:%Y-%m-%d}"]
    parts += [f"it ends on {sunset}"] if sunset else []
    parts += [f"{successor[1].removeprefix('/ports/')} takes its place"] if successor else []
    return "; ".join(parts)
