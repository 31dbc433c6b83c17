"""The lookups of a data folder: made when they are first looked into."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Append, CommitSet, TopicConfig, encode_entry
from hansa.eventlog.memory import MemoryLog
from hansa.outputs.lookup import LookupProjector, lookup_path
from hansa.outputs.lookups import Lookups
from hansa.views.lookup import LookupReader
from hansa.views.projector import Projector

PORT = "ops.weather/hourly@1"


class Desk:
    def __init__(self, folder: Path) -> None:
        self.log = AwaitableLog(MemoryLog(), asyncio.get_running_loop())
        self.log.log.declare(PORT, TopicConfig())
        self._folder = folder
        self.following = Projector(self.log.log.covers, gather_s=0.0)
        self.following.start()
        self.lookups = Lookups(folder, self.following, self._begin, self.log.log.now)

    def _begin(self, port: str) -> None:
        self.following.add(LookupProjector(self.log.log, lookup_path(self._folder, port), port))
        self.log.watch(port, self.following.wake)

    async def write(self, *keys: str) -> None:
        entries = b"".join(encode_entry(key, key) for key in keys)
        await self.log.commit(CommitSet((Append(PORT, 0, len(keys), entries, {"run": "r"}),)))

    def position(self) -> int:
        reader = LookupReader(self.lookups.path(PORT))
        try:
            return reader.position()
        finally:
            reader.close()


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    found = Desk(folder)
    try:
        yield found
    finally:
        await asyncio.to_thread(found.following.stop)
        await asyncio.to_thread(found.log.log.stop)


def test_nobody_waits_for_a_lookup_that_nobody_looks_into(tmp_path: Path) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as at:
            await at.write("a")
            await at.lookups.reach(PORT)
            assert at.lookups.path(PORT).parent.is_dir()
            assert not at.lookups.path(PORT).exists()

    asyncio.run(scene())


def test_a_lookup_is_filled_before_it_is_first_read(tmp_path: Path) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as at:
            await at.write("a", "b")
            await at.lookups.fill(PORT)
            assert at.position() == 2

    asyncio.run(scene())


def test_what_is_followed_is_waited_for(tmp_path: Path) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as at:
            await at.lookups.fill(PORT)
            await at.write("a", "b", "c")
            await at.lookups.reach(PORT)
            assert at.position() == 3

    asyncio.run(scene())


def test_a_lookup_that_was_made_before_goes_on_where_it_stands(tmp_path: Path) -> None:
    async def scene(*keys: str) -> int:
        async with desk(tmp_path) as at:
            await at.write("a", *keys)
            await at.lookups.fill(PORT)
            return at.position()

    assert asyncio.run(scene("b")) == 2
    assert asyncio.run(scene("b", "c")) == 3
