"""Positions of a port's versions: one number maps them, and a group stands in one version at a time."""

from __future__ import annotations

import asyncio

import pytest

from hansa.errors import CallerError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Advance, CommitSet, TopicConfig
from hansa.eventlog.memory import MemoryLog
from hansa.triggers.versions import MOVED, Beside, offset_put, take_over, twin

OLD, NEW = "yard.scale/weights@1", "yard.scale/weights@2"


def test_a_group_moves_with_its_position_and_leaves_nothing_behind() -> None:
    async def moving() -> None:
        log = AwaitableLog(MemoryLog(), asyncio.get_running_loop())
        for topic in (OLD, NEW):
            log.log.declare(topic, TopicConfig())
        await log.commit(CommitSet(advances=(Advance("p<old", OLD, 0, 12),), puts=(offset_put(NEW, 0, -5),)))
        assert await take_over(log, "p<new", NEW, 0, Beside(OLD, "p<old", NEW))
        assert (log.log.position("p<new", NEW, 0), log.log.position("p<old", OLD, 0)) == (7, MOVED)
        with pytest.raises(CallerError, match="p<old stands at -1"):  # a batch that was at work meanwhile
            await log.commit(CommitSet(advances=(Advance("p<old", OLD, 0, 14, 12),)))
        assert await take_over(log, "p<old", OLD, 0, Beside(NEW, "p<new", NEW))
        assert log.log.position("p<old", OLD, 0) == 12
        assert not await take_over(log, "p<other", NEW, 0, Beside(OLD, "p<nobody", NEW))
        assert (twin(log.log, OLD, NEW, 0, 3), twin(log.log, NEW, NEW, 0, 3)) == (0, 8)
        log.log.stop()

    asyncio.run(moving())
