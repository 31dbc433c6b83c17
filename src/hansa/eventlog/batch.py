"""How a batch stands in a store: msgpack `[[header, count, entries, key], …]` and a CRC-32 over it and where it stands.

Entries of a chunk whose header names a `subject` are AES-256-GCM under a key of that person (nonce first); `key` is the
number of that person, nil where the entries are plain. The name itself is not stored here: it stands beside the key and
goes with it. Where the key was destroyed, readers get the same number of entries, each `[nil, nil]`.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from hansa.errors import InternalError
from hansa.eventlog.interface import FORGOTTEN, Chunk, Partition, split
from hansa.eventlog.plan import Pending

BYTES_MAX: Final = 4 << 20
"""Where a batch ends, so that it is not too large to read at once; a single longer chunk is a batch of its own."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[dict[str, Any], int, bytes, int | None]]).decode

KeyOf = Callable[[int], tuple[str | None, bytes | None]]
"""The name and the key of a person's number, None where they were destroyed. Raises `LookupError` where there never was
one."""


class Batch(NamedTuple):
    """A stored batch: `count` entries from position `base` on, committed at `time_us`."""

    topic: str
    partition: int
    base: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody asks
    time_us: int
    checksum: int
    body: bytes

    @property
    def end(self) -> int:
        """The position behind the last entry."""
        return self.base + self.count


def batches(partition: Partition, base: int, time_us: int, chunks: Sequence[Pending]) -> Iterator[Batch]:
    """The chunks of one partition as batches: one, or several where it would pass `BYTES_MAX`."""
    for part in _parts(chunks):
        made = _batch(partition, base, time_us, part)
        yield made
        base = made.end


def _batch(partition: Partition, base: int, time_us: int, chunks: Sequence[Pending]) -> Batch:
    count = sum([chunk.count for chunk in chunks])
    body = _encode(chunks)
    return Batch(*partition, base, count, time_us, _checksum(*partition, base, count, time_us, body), body)


def _parts(chunks: Sequence[Pending]) -> Iterator[Sequence[Pending]]:
    part: list[Pending] = []
    size = 0
    for chunk in chunks:
        if part and size + len(chunk.entries) > BYTES_MAX:
            yield part
            part, size = [], 0
        part.append(chunk)
        size += len(chunk.entries)
    yield part


def _checksum(topic: str, partition: int, base: int, count: int, time_us: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(f"{topic} {partition} {base} {count} {time_us}".encode()))


def checked(batch: Batch) -> Batch:
    """The same batch. Raises `InternalError("log.damaged")` where it is not what was written."""
    topic, partition, base, count, time_us, checksum, body = batch
    if not isinstance(body, bytes) or _checksum(topic, partition, base, count, time_us, body) != checksum:
        raise damaged(topic, partition, base)
    return batch


def opened(batch: Batch, key_of: KeyOf) -> list[Chunk]:
    """The chunks of a checked batch. Raises `InternalError("log.damaged")` where its key is not the one it had."""
    topic, partition, base, _, time_us, _, body = batch
    chunks = []
    for header, count, entries, person in _decode(body):
        chunk = Chunk(topic, partition, base, count, time_us, header, entries, person)
        chunks.append(chunk if person is None else _unsealed(chunk, person, key_of))
        base += count
    return chunks


def damaged(topic: str, partition: int, base: int) -> InternalError:
    """The error for a batch that cannot be read as it was written, or is missing."""
    return InternalError(
        "log.damaged",
        f"The batch at {topic}[{partition}] position {base} is not what was written there",
        hint="The disk or a copy damaged it. Restore a backup, or `hansa doctor` to see what can still be read.",
        details={"topic": topic, "partition": partition, "position": base},
    )


def rewritten(batch: Batch, bodies: Mapping[int, bytes | None]) -> Batch:
    """The checked batch with other bodies at these positions, where its entries are not sealed."""
    chunks: list[Pending] = []
    at = batch.base
    for header, count, entries, key in _decode(batch.body):
        chunk = Pending(header, count, entries, key)
        if key is None and any(position in bodies for position in range(at, at + count)):
            chunk = Pending(header, count, replaced(chunk, at, bodies))
        chunks.append(chunk)
        at += chunk.count
    return _batch((batch.topic, batch.partition), batch.base, batch.time_us, chunks)


def replaced(chunk: Pending, base: int, bodies: Mapping[int, bytes | None]) -> bytes:
    """The entries of a chunk that begins at `base`, with other bodies at these positions, or nothing."""
    entries = []
    for at, (key, body) in enumerate(split(chunk.entries, chunk.count), base):
        made = bodies.get(at, bytes(body))
        entries.append(FORGOTTEN if made is None else _encode((key, msgspec.Raw(made))))
    return b"".join(entries)


def sealed(pending: Pending, number: int, key: bytes) -> Pending:
    """The chunk with its entries encrypted under the key of person `number`, and without their name."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    entries = nonce + AESGCM(key).encrypt(nonce, bytes(pending.entries), None)
    header = {name: value for name, value in pending.header.items() if name != "subject"}
    return Pending(header, pending.count, entries, number)


def _unsealed(chunk: Chunk, person: int, key_of: KeyOf) -> Chunk:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        name, key = key_of(person)
        if key is None:
            return chunk._replace(entries=forgotten(chunk.count))
        entries = AESGCM(key).decrypt(chunk.entries[:12], chunk.entries[12:], None)
        return chunk._replace(header={**chunk.header, "subject": name}, entries=entries)
    except (LookupError, ValueError, InvalidTag) as failure:
        raise damaged(chunk.topic, chunk.partition, chunk.base) from failure


def forgotten(count: int) -> bytes:
    """What stands for entries whose key was destroyed."""
    return FORGOTTEN * count
