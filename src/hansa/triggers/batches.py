"""Cuts what was read of a partition into the batches that a subscription works."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from hansa.eventlog.interface import FORGOTTEN, Chunk, LogReader, as_array
from hansa.runtime import wire

Accepts = Callable[[msgspec.Raw], bool]
"""A test of an entry's body."""

_READ_BYTES: Final = 4 << 20
_entries: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_body: Final = msgspec.msgpack.Decoder(tuple[Any, msgspec.Raw]).decode


class Batch(NamedTuple):
    """What is worked at once: `records` are what the filter wants of the positions from `begin` up to `behind`."""

    records: list[wire.Records]
    begin: int
    behind: int


def batches(chunks: Iterable[Chunk], position: int, size: int, accepts: Accepts | None) -> Iterator[Batch]:
    """The entries of neighbouring chunks from `position` on in batches of `size`; the last one may have fewer, and none
    where the filter wanted none."""
    records: list[wire.Records] = []
    begin, behind, room = position, position, size
    for chunk in chunks:
        for part, end in _parts(chunk, behind, room, size, accepts):
            if part is not None:
                records.append(part)
                room -= part.count
            behind = end
            if room == 0:
                yield Batch(records, begin, behind)
                records, begin, room = [], behind, size
    if behind > begin:
        yield Batch(records, begin, behind)


def taken(chunk: Chunk, position: int, room: int, accepts: Accepts | None) -> tuple[wire.Records | None, int]:
    """At most `room` entries of a chunk from `position` on that are accepted, and the position behind the last one
    looked at. A chunk that is taken whole is not decoded."""
    return next(_parts(chunk, position, room, room, accepts))


def span(
    log: LogReader, topic: str, partition: int, begin: int, end: int, accepts: Accepts | None
) -> list[wire.Records]:
    """What is accepted of the entries from `begin` up to `end`. Raises `CallerError` (`position.expired`)."""
    found: list[wire.Records] = []
    position = begin
    while position < end:
        chunks = log.read(topic, partition, position, max_bytes=_READ_BYTES)
        if not chunks:
            break
        for chunk in chunks:
            if chunk.base < end:
                part, position = taken(chunk, position, end - position, accepts)
                found += [] if part is None else [part]
        position = max(position, chunks[-1].end)
    return found


def _parts(
    chunk: Chunk, position: int, room: int, size: int, accepts: Accepts | None
) -> Iterator[tuple[wire.Records | None, int]]:
    """The chunk from `position` on: at most `room` entries first, then `size` at a time. It is decoded once. Of
    a blank one there is nothing to take."""
    if chunk.is_blank:
        yield None, chunk.end
        return
    header = dict(chunk.header)
    is_whole = accepts is None and FORGOTTEN not in chunk.entries
    if position <= chunk.base and chunk.count <= room and is_whole:
        yield _records(chunk, header, chunk.base, chunk.count, chunk.entries), chunk.end
        return
    entries = _entries(as_array(chunk.entries, chunk.count))
    position = max(position, chunk.base)
    while position < chunk.end:
        begin = position
        kept, position = _some(entries, chunk.base, begin, room, None if is_whole else accepts or _anything)
        yield _records(chunk, header, begin, len(kept), b"".join(kept)) if kept else None, position
        room = size


def _some(
    entries: list[msgspec.Raw], base: int, begin: int, room: int, accepts: Accepts | None
) -> tuple[list[msgspec.Raw], int]:
    """At most `room` accepted entries from position `begin` on, and the position behind the last one looked at."""
    if accepts is None:
        kept = entries[begin - base : begin - base + room]
        return kept, begin + len(kept)
    kept = []
    for position in range(begin, base + len(entries)):
        entry = entries[position - base]
        if bytes(entry) != FORGOTTEN and accepts(_body(entry)[1]):
            kept.append(entry)
            if len(kept) == room:
                return kept, position + 1
    return kept, base + len(entries)


def _anything(_: msgspec.Raw) -> bool:
    return True


def _records(chunk: Chunk, header: dict[str, Any], base: int, count: int, entries: bytes) -> wire.Records:
    return wire.Records(chunk.topic, chunk.partition, base, count, chunk.time_us, entries, header)
