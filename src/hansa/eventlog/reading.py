"""What all logs do alike when they are read or declared: limits of an answer, growth of a topic, errors of a caller."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from hansa.errors import CallerError, InternalError
from hansa.eventlog.interface import Chunk, Finding, LogReader, TopicConfig


def up_to(chunks: Iterable[Chunk], max_bytes: int) -> list[Chunk]:
    """The first chunks, at least one where there is any, until they reach `max_bytes` of entries."""
    found: list[Chunk] = []
    size = 0
    for chunk in chunks:
        found.append(chunk)
        size += len(chunk.entries)
        if size >= max_bytes:
            break
    return found


def grown(known: TopicConfig | None, wanted: TopicConfig) -> TopicConfig:
    """What a topic becomes when it is declared as `wanted`: it never has fewer partitions than before."""
    if known is None or wanted.partitions >= known.partitions:
        return wanted
    return msgspec.structs.replace(wanted, partitions=known.partitions)


def unknown_topic(topic: str) -> CallerError:
    """The error for a topic that was never declared."""
    return CallerError("topic.unknown", f"There is no topic {topic!r}", hint="`hansa products` lists what there is.")


def expired(topic: str, partition: int, position: int, first: int) -> CallerError:
    """The error for a position that retention took."""
    return CallerError(
        "position.expired",
        f"{topic}[{partition}] begins at position {first}; {position} was taken by retention",
        hint=f"Read from {first} on, or from the port's snapshot.",
        details={"first": first, "topic": topic, "partition": partition},
    )


def walked(log: LogReader) -> Iterator[Finding]:
    """What cannot be read as it was written: each partition up to the first such batch."""
    for topic, config in sorted(log.topics().items()):
        for partition in range(config.partitions):
            position, end = log.bounds(topic, partition)
            try:
                while position < end and (chunks := log.read(topic, partition, position)):
                    position = chunks[-1].end
            except InternalError as damaged:
                yield Finding(topic, partition, damaged.details.get("position", position), damaged.message)
