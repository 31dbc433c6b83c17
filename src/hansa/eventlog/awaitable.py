"""Commits for an event loop: one wake-up per transaction, however many callers wait for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Set
from functools import partial
from typing import Any

from hansa.errors import CallerError, HansaError, Unavailable
from hansa.eventlog.interface import CommitSet, Committed, Log, Outcome, Refused
from hansa.eventlog.tally import CommitTally

_report = logging.getLogger("hansa.eventlog")

Tell = Callable[[Outcome], None]


class AwaitableLog:
    """Starts `log` and tells its outcomes in one event loop. A caller that went away loses only its answer."""

    def __init__(self, log: Log, loop: asyncio.AbstractEventLoop) -> None:
        self.log = log
        self._loop = loop
        self._watchers: dict[str, list[Callable[[], None]]] = {}
        self._gathered: list[tuple[CommitSet, tuple[CommitSet, Tell, float]]] = []
        self._queued_s = 0.0
        self.tally = CommitTally()
        self.fenced: asyncio.Future[HansaError] = loop.create_future()
        """Resolves to why, once a commit was refused as another process has taken the log: nothing more can be done
        here."""
        self.hears = log.watch(lambda topics: _quietly(loop, self._wake, topics))
        """True where other processes may commit."""
        log.start(self._on_outcomes)

    def submit(self, commit: CommitSet, tell: Tell) -> None:
        """Queues a set; `tell` gets its outcome in the event loop. What `tell` raises is reported and goes no further.
        What one turn of the loop queues goes to the committer together."""
        if not self._gathered:
            self._loop.call_soon(self._flush)
            self._queued_s = time.perf_counter()
        self._gathered.append((commit, (commit, tell, self._queued_s)))

    def _flush(self) -> None:
        gathered, self._gathered = self._gathered, []
        try:
            self.log.submit_all(gathered)
        except Unavailable as stopped:
            self._tell([(ticket, stopped) for _, ticket in gathered])

    async def commit(self, commit: CommitSet, tell: Tell = lambda _: None) -> Committed:
        """Commits, or raises what stopped the log, or `CallerError` with the code of the refusal. `tell` gets the
        outcome, too, also where nobody waits here any more."""
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self.submit(commit, partial(_settle, future, tell))
        outcome = await future
        if isinstance(outcome, Refused):
            raise CallerError(outcome.code, outcome.message, details={"value": outcome.value})
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def watch(self, topic: str, wake: Callable[[], None]) -> Callable[[], None]:
        """`wake` is called when entries were appended to the topic ("" is any); call what is returned to end that."""
        watchers = self._watchers.setdefault(topic, [])
        watchers.append(wake)
        return lambda: watchers.remove(wake) if wake in watchers else None

    async def hear(self, token: str, timeout_s: float) -> bool:
        """True when what the token came from is committed here; where another process may have committed it, that is
        waited for. Raises `ValueError` for a text that is no token."""
        if self.log.covers(self.log.now(), token) or not self.hears:
            return self.log.covers(self.log.now(), token)
        woken = asyncio.Event()
        stop = self.watch("", woken.set)
        try:
            async with asyncio.timeout(timeout_s):
                while not self.log.covers(self.log.now(), token):
                    await woken.wait()
                    woken.clear()
        except TimeoutError:
            return False
        finally:
            stop()
        return True

    def _on_outcomes(self, notice: list[tuple[Any, Outcome]]) -> None:
        self._loop.call_soon_threadsafe(self._tell, notice)

    def _tell(self, notice: list[tuple[Any, Outcome]]) -> None:
        entries: dict[str, int] = {}
        size_bytes = failed = refused = 0
        for (commit, tell, _), outcome in notice:
            if type(outcome) is Committed:
                for append in commit.appends:
                    topic = append.topic
                    entries[topic] = entries.get(topic, 0) + append.count
                    size_bytes += len(append.entries)
            elif type(outcome) is Refused:
                refused += 1
            else:
                failed += 1
                self._failed(outcome)
            _call(tell, outcome)
        self.tally.told(len(notice), failed, refused, notice[0][0][2])
        self.tally.appended(entries, size_bytes)
        self._wake(entries.keys())

    def _failed(self, outcome: Outcome) -> None:
        if isinstance(outcome, HansaError) and outcome.code == "log.fenced" and not self.fenced.done():
            self.fenced.set_result(outcome)

    def _wake(self, topics: Set[str]) -> None:
        """Wakes those who watch one of the topics, or any."""
        for topic in (topics | {""}) & self._watchers.keys():
            for wake in tuple(self._watchers[topic]):
                _call(wake)


def _quietly(loop: asyncio.AbstractEventLoop, told: Callable[[set[str]], None], topics: set[str]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(told, topics)


def _call(listener: Callable[..., None], *outcome: Outcome) -> None:
    try:
        listener(*outcome)
    except Exception:
        _report.exception("an acknowledgement could not be delivered")


def _settle(future: asyncio.Future[Outcome], tell: Tell, outcome: Outcome) -> None:
    if not future.done():
        future.set_result(outcome)
    tell(outcome)
