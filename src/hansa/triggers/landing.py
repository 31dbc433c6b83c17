"""Messages of another system's topic land in the log, each once; a process follows what has landed as it would a port.

Flow, per partition: read behind the offset that was reached → decode → one commit set has what landed and the offset
behind it. What cannot be decoded is a dead letter in that set. Where the process is far behind, nothing is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from hansa.errors import CallerError, HansaError, OperatorError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Advance, Append, CommitSet, TopicConfig, encode_entry
from hansa.model.product import KafkaTrigger
from hansa.model.run import RUNS_TOPIC, RunEntry, RunError, RunState, landing_topic, new_run_id
from hansa.runtime import wire
from hansa.runtime.live import LiveProcess
from hansa.sdk.values import Message
from hansa.triggers.subscriptions import group_of, lost_run

OFFSETS: Final = "_landing"
"""The group whose positions are offsets of the other system's topic."""
AGAIN_S: Final = 2.0
LOOK_S: Final = 60.0
"""How often it is asked how many partitions there are."""
AHEAD: Final = 10_000
"""So many entries may have landed that the process has not worked."""
_encode: Final = msgspec.msgpack.Encoder(enc_hook=str).encode
_report = logging.getLogger("hansa.triggers")


class Given(NamedTuple):
    """A message as it came; `value` is what `Source` made of it, or why it could not be decoded."""

    message: Message
    raw: bytes
    failure: CallerError | None = None


class Source(ABC):
    """A topic of another system. Its methods belong to one thread; each raises `OperatorError` where it cannot be
    reached."""

    @abstractmethod
    def partitions(self) -> int:
        """How many partitions the topic has."""

    @abstractmethod
    def bounds(self, partition: int) -> tuple[int, int]:
        """The first offset that is kept, and that behind the last."""

    @abstractmethod
    def read(self, offsets: Mapping[int, int]) -> dict[int, list[Given]]:
        """What comes from these offsets on, as soon as there is anything, or nothing after a moment. Raises
        `CallerError("position.expired")` where retention took what stood there; details name `partition`, `first`."""

    @abstractmethod
    def close(self) -> None:
        """Ends the connection."""


def no_source(product: str, trigger: KafkaTrigger) -> Source:
    """Where nothing can be opened."""
    raise OperatorError("kafka.source", f"{product} reads {trigger.source}", hint="Nothing here can open it.")


class Landing:
    """The messages of one trigger, of the partitions that are this node's (`mine`). `grown` is called when there are
    more partitions than before."""

    def __init__(
        self,
        log: AwaitableLog,
        live: LiveProcess,
        trigger: KafkaTrigger,
        open_source: Callable[[], Source],
        mine: Callable[[int], bool],
        grown: Callable[[], Awaitable[None]],
    ) -> None:
        self._log, self._live, self._trigger = log, live, trigger
        self._open, self._mine, self._grown = open_source, mine, grown
        self._group = group_of(live, trigger)
        self.topic = landing_topic(self._group)
        self._ahead = max(AHEAD, 10 * trigger.batch)
        self._task: asyncio.Task[None] | None = None
        self._told = ""

    def open(self) -> None:
        """Begins to read."""
        if self._log.log.topic(self.topic) is None:
            self._log.log.declare(self.topic, TopicConfig())
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def settle(self) -> None:
        """Other partitions are to be read here: they are looked at in each turn."""

    async def close(self) -> None:
        """Ends reading. A commit that is under way stands."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep(self) -> None:
        while True:
            try:
                await self._term()
            except HansaError as failure:
                if failure.message != self._told:
                    _report.warning("%s: %s %s", self._group, failure.message, failure.hint or "")
                self._told = failure.message
            await asyncio.sleep(AGAIN_S)

    async def _term(self) -> None:
        """Reads until that cannot go on."""
        thread = ThreadPoolExecutor(1, "hansa-landing")
        work = partial(asyncio.get_running_loop().run_in_executor, thread)
        source = None
        try:
            source = await work(self._open)
            while True:
                count = await work(source.partitions)
                known = self._log.log.topic(self.topic)
                if known is None or count > known.partitions:
                    await work(self._log.log.declare, self.topic, TopicConfig(count))
                    await self._grown()
                end = time.monotonic() + LOOK_S
                while time.monotonic() < end:
                    await self._turn(source, work, count)
        finally:
            if source is not None:
                thread.submit(source.close)
            thread.shutdown(wait=False)

    async def _turn(self, source: Source, work: Callable[..., Awaitable[Any]], count: int) -> None:
        offsets = {
            partition: await self._offset(source, work, partition)
            for partition in range(count)
            if self._mine(partition) and self._has_room(partition)
        }
        try:
            found = await work(source.read, offsets) if offsets else {}
        except CallerError as expired:
            await self._pass_over(offsets, expired.details["partition"], expired.details["first"])
            return
        landed = [self._landed(partition, offsets[partition], given) for partition, given in found.items() if given]
        if landed:
            await self._log.commit(_joined(landed))
            self._told = ""
        elif not offsets:
            await asyncio.sleep(AGAIN_S / 10)

    def _has_room(self, partition: int) -> bool:
        log = self._log.log
        return log.bounds(self.topic, partition)[1] - self._reached(partition) < self._ahead

    def _reached(self, partition: int) -> int:
        return self._log.log.position(self._group, self.topic, partition) or 0

    async def _offset(self, source: Source, work: Callable[..., Awaitable[Any]], partition: int) -> int:
        """Where to go on; a new subscription begins where the trigger says, and stays with that."""
        found = self._log.log.position(OFFSETS, self.topic, partition)
        if found is None:
            first, end = await work(source.bounds, partition)
            found = int(first if self._trigger.since == "earliest" else end)
            await self._log.commit(CommitSet(advances=(Advance(OFFSETS, self.topic, partition, found, 0),)))
        return found

    def _landed(self, partition: int, offset: int, given: Sequence[Given]) -> CommitSet:
        good = [one.message for one in given if one.failure is None]
        entries = b"".join([_entry(message, whole=self._trigger.whole) for message in good])
        lost = [encode_entry(letter.id, letter) for letter in (self._letter(one) for one in given if one.failure)]
        appends = [Append(self.topic, partition, len(good), entries, _header(good))] if good else []
        appends += [Append(RUNS_TOPIC, 0, len(lost), b"".join(lost), {})] if lost else []
        advance = Advance(OFFSETS, self.topic, partition, given[-1].message.offset + 1, offset)
        return CommitSet(appends=tuple(appends), advances=(advance,))

    def _letter(self, given: Given) -> RunEntry:
        """The dead letter of a message that could not be decoded."""
        assert given.failure is not None
        live, message, now_us = self._live, given.message, time.time_ns() // 1000
        detail = {
            "kafka": self._trigger.source, "topic": self.topic, "partition": message.partition, "offset": message.offset
        }  # fmt: skip
        error = RunError(given.failure.code, given.failure.message, hint=given.failure.hint, details=detail)
        body = encode_entry(message.key, given.raw)
        return RunEntry(
            new_run_id(), RunState.FAILED, live.product.id, live.product.revision, live.spec.name, trigger="record",
            trigger_detail=detail, principal=f"process:{live.id}", accepted_us=now_us, started_us=now_us,
            finished_us=now_us, status=500, error=error, dead=True,
            payload=_encode(wire.Source("record", body, detail=detail)),
        )  # fmt: skip

    async def _pass_over(self, offsets: Mapping[int, int], partition: int, first: int) -> None:
        """Goes on behind what the other system's retention took."""
        lost = lost_run(self._live, self._trigger, partition, offsets[partition], first, time.time_ns() // 1000)
        advance = Advance(OFFSETS, self.topic, partition, first, offsets[partition])
        append = Append(RUNS_TOPIC, 0, 1, encode_entry(lost.id, lost), {})
        await self._log.commit(CommitSet(appends=(append,), advances=(advance,)))


def _entry(message: Message, *, whole: bool) -> bytes:
    return _encode((message.key, message if whole else message.value))


def _header(messages: Sequence[Message]) -> dict[str, Any]:
    trace = messages[0].headers.get("traceparent")
    return {"trace": trace} if trace else {}


def _joined(sets: Sequence[CommitSet]) -> CommitSet:
    return CommitSet(
        appends=tuple(append for one in sets for append in one.appends),
        advances=tuple(advance for one in sets for advance in one.advances),
    )
