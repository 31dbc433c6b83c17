"""Positions in the versions of a port: behind the beginning of a window they differ by one number for a partition.

That number stands in the log's state from the first chunk of the window's fill on. A group whose subscription went over
to another version stands at `MOVED` in the one that it came from.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from hansa.errors import CallerError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Advance, CommitSet, Log, Put

OFFSETS: Final = "_windows"
MOVED: Final = -1


class Beside(NamedTuple):
    """Another version of a port that a subscription may come from: its port, the group there, and the newer of the
    two."""

    port: str
    group: str
    newer: str


def offset_put(newer: str, partition: int, offset: int) -> Put:
    """Keeps what is added to a position in the older version to come to the one in the newer."""
    return Put(OFFSETS, f"{newer}/{partition}", msgspec.msgpack.encode(offset))


def twin(log: Log, port: str, newer: str, partition: int, position: int) -> int:
    """The position in the other version of the window of `newer` that has the same records before it as `position` has
    in `port`; the first one that is kept there, where retention took them."""
    kept = log.get(OFFSETS, f"{newer}/{partition}")
    offset: int = 0 if kept is None else msgspec.msgpack.decode(kept)
    return max(position - offset if port == newer else position + offset, 0)


async def take_over(log: AwaitableLog, group: str, port: str, partition: int, beside: Beside) -> bool:
    """Moves the position of a subscription from a version beside it, in one commit: a batch of the other version that
    is still at work commits before it, or not at all. False where there is none."""
    while (there := log.log.position(beside.group, beside.port, partition)) is not None and there != MOVED:
        here = twin(log.log, beside.port, beside.newer, partition, there)
        moved = (
            Advance(group, port, partition, here),
            Advance(beside.group, beside.port, partition, MOVED, there),
        )
        try:
            await log.commit(CommitSet(advances=moved))
        except CallerError as refused:
            if refused.code != "position.moved":
                raise
            continue
        return True
    return False
