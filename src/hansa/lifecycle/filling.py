"""Fills the newer version of a port from the history of the older one: chunk by chunk, each with its position in one
commit, so that a fill that is killed goes on behind its last chunk and nothing stands there twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from hansa.errors import AuthorError, CallerError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.batch import forgotten
from hansa.eventlog.interface import WITHHELD, Advance, Append, Chunk, CommitSet, Log, Put
from hansa.model.product import OutputPortSpec
from hansa.model.run import RunEntry, RunState, new_run_id
from hansa.runtime import wire
from hansa.runtime.entries import append_effect, append_of
from hansa.runtime.job import Job, Lost
from hansa.runtime.pool import Pool
from hansa.runtime.rights import entries_of, malformed
from hansa.triggers.batches import batches
from hansa.triggers.versions import offset_put

READ_BYTES: Final = 4 << 20
CHUNK_RECORDS: Final = 5_000
TIMEOUT_S: Final = 120.0
"""For one chunk: JSONata is slow."""

OPENED: Final = "_opened"
"""The scope of state that has when the windows of newer versions were opened."""

Span = wire.Records | int
"""Neighbouring entries, or how many of them are blank."""


def group_of(newer: str) -> str:
    """Under which name the log keeps how far a version is filled, as a position in the one before it."""
    return f"window:{newer}"


def opened_us(log: Log, newer: str) -> int | None:
    """When the first fill of a version began; None where it has no window."""
    kept = log.get(OPENED, newer)
    return None if kept is None else msgspec.msgpack.decode(kept, type=int)


def spans(records: Iterable[wire.Records], begin: int, behind: int) -> Iterator[Span]:
    """The positions from `begin` up to `behind`: neighbouring entries as one, and what is blank between them."""
    joined: list[wire.Records] = []
    position = begin
    for part in records:
        if joined and part.base > position:
            yield _joined(joined)
            joined = []
        if part.base > position:
            yield part.base - position
        joined.append(part)
        position = part.base + part.count
    if joined:
        yield _joined(joined)
    if behind > position:
        yield behind - position


def _joined(parts: list[wire.Records]) -> wire.Records:
    first = parts[0]
    count, entries = sum(part.count for part in parts), b"".join([part.entries for part in parts])
    return wire.Records(first.topic, first.partition, first.base, count, first.time_us, entries)


class Translator:
    """The workers of one revision, asked to translate."""

    def __init__(self, product: str, revision: str, pool: Pool) -> None:
        self.product = product
        self.revision = revision
        self._pool = pool

    async def translate(self, port: OutputPortSpec, records: wire.Records) -> wire.Done:
        """The records in the version `port`: effects, and those that have no form there. Raises `AuthorError` where
        they cannot be read, or their worker ended."""
        ended: asyncio.Future[wire.Done | Lost] = asyncio.get_running_loop().create_future()
        task = wire.Task(self._pool.next_seq(), port.id, new_run_id(), 1, "system", _SOURCE, [records])

        def breach(_: wire.Task, message: Any) -> str | None:
            return _breach(port, records, message)

        self._pool.dispatch(Job(task, TIMEOUT_S, breach, ended.set_result, lambda *_: None))
        done = await ended
        if isinstance(done, Lost):
            message = f"The worker that translated {records.topic} into {port.id} ended: {done.reason}"
            raise AuthorError("translator.ended", message, hint=done.detail or None)
        if done.error is not None:
            what = f"{records.topic}, positions {records.base} to {records.base + records.count - 1}"
            raise AuthorError(done.error.code, f"{what}: {done.error.message}")
        return done


_SOURCE: Final = wire.encode(wire.Source("window"))


def _breach(port: OutputPortSpec, records: wire.Records, message: Any) -> str | None:
    """What a worker that translates may say: entries of that port, as many as it was given, at the same place."""
    if not isinstance(message, wire.Done) or message.chunk is not None:
        return f"it sent {type(message).__name__} where it was to translate"
    if message.error is not None:
        return None
    if any(effect.topic != port.id or effect.partition != records.partition for effect in message.effects):
        return "it translated into another port"
    if sum(effect.count for effect in message.effects) != records.count:
        return f"it made other than {records.count} records of {records.count}"
    read = entries_of(port)
    return next(filter(None, (malformed(effect, read) for effect in message.effects if effect.entries)), None)


class Fill:
    """The history of `older`, brought into `newer`."""

    def __init__(self, log: AwaitableLog, translator: Translator, older: OutputPortSpec, newer: OutputPortSpec) -> None:
        self._log = log
        self._translator = translator
        self.older = older.id
        self.newer = newer.id
        self._target = newer
        self._partitions = range(older.partitions)
        self._group = group_of(newer.id)
        self.count = 0
        """How many records it has brought."""

    async def begin(self) -> None:
        """Settles where the history begins, and with it what lies between the positions of the two versions. Raises
        `AuthorError("window.begun")` where the newer one has records that no window brought."""
        log = self._log.log
        for partition in self._partitions:
            if log.position(self._group, self.older, partition) is not None:
                continue
            first, end = log.bounds(self.older, partition)[0], log.bounds(self.newer, partition)[1]
            if end and log.bounds(self.older, partition)[1]:
                raise AuthorError(
                    "window.begun",
                    f"{self.newer} has records that were published without a window with {self.older}",
                    hint="A window begins with a version that is new: make it the next major.",
                )
            opened = Put(OPENED, self.newer, msgspec.msgpack.encode(time.time_ns() // 1000))
            commit = CommitSet(
                advances=(Advance(self._group, self.older, partition, first),),
                puts=(offset_put(self.newer, partition, end - first), opened),
            )
            await self._log.commit(commit)

    @property
    def left(self) -> int:
        """How many positions are not brought yet."""
        log = self._log.log
        return sum(log.bounds(self.older, p)[1] - self._position(p) for p in self._partitions)

    def _position(self, partition: int) -> int:
        return self._log.log.position(self._group, self.older, partition) or 0

    async def advance(self) -> bool:
        """Brings one reading of each partition; False where there was nothing left."""
        moved = False
        for partition in self._partitions:
            begin = self._position(partition)
            chunks, first = await asyncio.to_thread(_read, self._log.log, self.older, partition, begin)
            if first > begin:  # retention was faster: what it took keeps its places
                await self._commit(partition, begin, first, [first - begin])
            for batch in batches(chunks, first, CHUNK_RECORDS, None):
                await self._commit(
                    partition, batch.begin, batch.behind, spans(batch.records, batch.begin, batch.behind)
                )
                moved = True
        return moved

    async def pass_over(self) -> None:
        """Counts everything as brought: it stands in both versions already."""
        for partition in self._partitions:
            end = self._log.log.bounds(self.older, partition)[1]
            await self._log.commit(CommitSet(advances=(Advance(self._group, self.older, partition, end),)))

    async def _commit(self, partition: int, begin: int, behind: int, parts: Iterable[Span]) -> None:
        run_id, begun_us = new_run_id(), time.time_ns() // 1000
        header = self._header(run_id)
        appends: list[Append] = []
        for part in parts:
            if isinstance(part, int):
                appends.append(Append(self.newer, partition, part, forgotten(part), {**header, WITHHELD: True}))
                continue
            made = await self._translator.translate(self._target, part)
            for index, _, error in made.refused:
                where = f"{self.older}, position {part.base + index} of partition {partition}"
                raise AuthorError(error.code, f"{where}: {error.message}", hint=error.hint)
            appends += [append_effect(effect, header, self._translator.product) for effect in made.effects]
        entry = self._entry(run_id, partition, begin, behind, begun_us)
        advance = Advance(self._group, self.older, partition, behind, begin)
        await self._log.commit(CommitSet(appends=(*appends, append_of(entry)), advances=(advance,)))
        self.count += behind - begin

    def _header(self, run_id: str) -> dict[str, Any]:
        made = self._translator
        return {"run": run_id, "product": made.product, "revision": made.revision, "process": self._process}

    @property
    def _process(self) -> str:
        return self.newer.rpartition("/")[2]

    def _entry(self, run_id: str, partition: int, begin: int, behind: int, begun_us: int) -> RunEntry:
        """What the history of runs, and with it lineage, has of a chunk."""
        return RunEntry(
            run_id, RunState.SUCCEEDED.value, self._translator.product, self._translator.revision, self._process,
            trigger="window", principal="system", accepted_us=begun_us, started_us=begun_us,
            finished_us=max(time.time_ns() // 1000, begun_us), status=200,
            reads=[(self.older, partition, begin, behind)], writes=[(self.newer, behind - begin)],
        )  # fmt: skip


def _read(log: Log, topic: str, partition: int, position: int) -> tuple[list[Chunk], int]:
    """What stands at `position` and behind it, and where that begins: further on, where retention took it."""
    try:
        return log.read(topic, partition, position, max_bytes=READ_BYTES), position
    except CallerError as refused:
        if refused.code != "position.expired":
            raise
        first: int = refused.details["first"]
        return log.read(topic, partition, first, max_bytes=READ_BYTES), first
