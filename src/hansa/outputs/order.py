"""The entries of a port across its partitions, in one order that never changes: time of commit, partition, position."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Final

from hansa.eventlog.interface import Entry, LogReader, entries_of
from hansa.eventlog.reading import unknown_topic

Cursor = Mapping[int, int]
"""The next position of each partition; one that is missing stands at its beginning."""

_READ_BYTES: Final = 1 << 18


def partitions(log: LogReader, port: str) -> int:
    """How many partitions a port has. Raises `CallerError("topic.unknown")`."""
    config = log.topics().get(port)
    if config is None:
        raise unknown_topic(port)
    return config.partitions


class PortEntries:
    """The entries of `port` from `cursor` on, read as they are asked for.

    Iterate once; then `settled_us` says which of them are sure to stand in their final order. Raises `CallerError`
    (`topic.unknown`, `position.expired`).
    """

    def __init__(self, log: LogReader, port: str, cursor: Cursor) -> None:
        self._tails = [_Tail(log, port, p, cursor.get(p, 0)) for p in range(partitions(log, port))]

    def __iter__(self) -> Iterator[Entry]:
        if len(self._tails) == 1:
            return iter(self._tails[0])
        return heapq.merge(*self._tails, key=attrgetter("time_us", "partition", "position"))

    def settled_us(self) -> float:
        """Entries committed before this are in order. Of the others, one may belong between that came meanwhile.

        A partition whose end was met early may have got an entry of the same transaction as what was read of another
        one later; what came to it since then is looked for, and bounds what may be used.
        """
        return min([tail.newer_us() for tail in self._tails]) if len(self._tails) > 1 else math.inf


class _Tail:
    """The entries of one partition from a position on."""

    def __init__(self, log: LogReader, port: str, partition: int, position: int) -> None:
        self._log, self._port, self._partition = log, port, partition
        self._next = position
        self._ended = False

    def __iter__(self) -> Iterator[Entry]:
        while chunks := self._log.read(self._port, self._partition, self._next, max_bytes=_READ_BYTES):
            for chunk in chunks:
                begin, self._next = self._next, chunk.end
                for entry in entries_of(chunk):
                    if entry.position >= begin:
                        yield entry
        self._ended = True

    def newer_us(self) -> float:
        """When something came since the end was met; infinity where nothing did."""
        came = self._log.read(self._port, self._partition, self._next, max_bytes=1) if self._ended else []
        return came[0].time_us if came else math.inf
