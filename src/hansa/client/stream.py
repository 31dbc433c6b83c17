"""Server-sent events (WHATWG HTML, section 9.2) from lines of text. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class ServerEvent(NamedTuple):
    """One event of a stream; `id` is that of the last event that had one."""

    event: str
    data: str
    id: str | None = None


def server_events(lines: Iterable[str]) -> Iterator[ServerEvent]:
    """The events in `lines` (without their ends). Comments, and an event cut off by the end, are left out."""
    event, last_id, data = "", None, list[str]()
    for line in lines:
        if not line:
            if data:
                yield ServerEvent(event or "message", "\n".join(data), last_id)
            event, data = "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "event":
            event = value
        elif name == "id":
            last_id = value
