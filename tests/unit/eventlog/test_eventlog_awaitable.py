"""Commits for an event loop: a caller that goes away loses only its answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from hansa.errors import CallerError, InternalError, Unavailable
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Log, Outcome, TopicConfig
from hansa.eventlog.memory import MemoryLog
from hansa.eventlog.sqlite import SqliteLog
from hansa.testing.log_bench import bodies, writing

Use = Callable[[AwaitableLog], Coroutine[Any, Any, None]]


@pytest.fixture(params=["memory", "sqlite"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Use], Log]:
    def run(use: Use) -> Log:
        log: Log = MemoryLog() if request.param == "memory" else SqliteLog(tmp_path)
        log.declare("t", TopicConfig())

        async def main() -> None:
            await asyncio.wait_for(use(AwaitableLog(log, asyncio.get_running_loop())), 10)

        try:
            asyncio.run(main())
        finally:
            log.stop()
        return log

    return run


def test_a_commit_gives_its_positions(run: Callable[[Use], Log]) -> None:
    async def use(log: AwaitableLog) -> None:
        done = await asyncio.gather(*[log.commit(writing(n)) for n in range(20)])
        assert [outcome.bases for outcome in done] == [(n,) for n in range(20)]
        assert bodies(log.log) == list(range(20))

    run(use)


def test_a_refusal_and_a_failure_are_raised(run: Callable[[Use], Log]) -> None:
    async def use(log: AwaitableLog) -> None:
        with pytest.raises(CallerError) as refused:
            await log.commit(writing(1, partition=9))
        assert refused.value.code == "partition.unknown"
        with pytest.raises(InternalError) as failed:
            await log.commit(writing(1, thing=object()))
        assert failed.value.code == "commit.malformed"

    run(use)


def test_a_caller_that_went_away_stops_nothing(run: Callable[[Use], Log]) -> None:
    async def use(log: AwaitableLog) -> None:
        gone = asyncio.ensure_future(log.commit(writing("gone")))
        await asyncio.sleep(0)
        gone.cancel()
        await log.commit(writing("stays"))
        assert gone.cancelled()
        assert bodies(log.log) == ["gone", "stays"]

    run(use)


def test_listeners_that_raise_are_reported_and_the_others_told(
    run: Callable[[Use], Log], caplog: pytest.LogCaptureFixture
) -> None:
    async def use(log: AwaitableLog) -> None:
        told: asyncio.Queue[Outcome] = asyncio.Queue()
        woken = asyncio.Event()

        def breaks(*outcome: Outcome) -> None:
            raise RuntimeError("broken listener")

        log.watch("t", breaks)
        log.watch("t", woken.set)
        log.submit(writing(1), breaks)
        log.submit(writing(2), told.put_nowait)
        await told.get()
        await woken.wait()

    with caplog.at_level(logging.ERROR):
        run(use)
    assert "broken listener" in caplog.text


def test_a_watcher_may_leave(run: Callable[[Use], Log]) -> None:
    async def use(log: AwaitableLog) -> None:
        calls: list[int] = []
        leave = log.watch("", lambda: calls.append(1))
        await log.commit(writing(1))
        await asyncio.sleep(0)
        leave()
        before = len(calls)
        await log.commit(writing(2))
        await asyncio.sleep(0)
        assert (before, len(calls)) == (1, 1)

    run(use)


def test_a_watcher_is_woken_for_its_topic_alone(run: Callable[[Use], Log]) -> None:
    async def use(log: AwaitableLog) -> None:
        log.log.declare("u", TopicConfig())
        calls: list[str] = []
        for topic in ("t", "u", ""):
            log.watch(topic, lambda topic=topic: calls.append(topic))
        await log.commit(writing(1, topic="u"))
        with pytest.raises(CallerError):
            await log.commit(writing(1, partition=9))
        await asyncio.sleep(0)
        assert sorted(calls) == ["", "", "u"]

    run(use)


def test_a_commit_after_the_end_says_that_the_log_stopped(run: Callable[[Use], Log]) -> None:
    async def use(log: AwaitableLog) -> None:
        await log.commit(writing(1))
        log.log.stop()
        with pytest.raises(Unavailable) as raised:
            await log.commit(writing(2))
        assert raised.value.code == "log.stopped"

    run(use)
