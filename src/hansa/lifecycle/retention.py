"""How long the log keeps what: decided from ages and from who has yet to read it, and done a little at a time.

Nothing is taken that a view or a lookup has not read. What the contract of a port says is a promise to its readers and
its persons: it waits for no subscription. What only a setting says waits for those that follow the topic.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from hansa.discovery.runs import RunHistory
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Append, CommitSet, Log, TopicConfig, encode_entry
from hansa.model.quarantine import quarantined_port
from hansa.model.run import CARRIED, EVENTS_TOPIC, LANDING, RUNS_TOPIC
from hansa.outputs.lookup import applied_in
from hansa.views.keeping import Prune, order_append

DAY_S: Final = 86_400.0
AT_ONCE: Final = 100_000
"""Entries of one partition that one turn takes at most."""
CARRIED_AT_ONCE: Final = 100
_PRUNED: Final = (RUNS_TOPIC, EVENTS_TOPIC)
"""Topics whose views drop their rows with them; that of a quarantine does, too."""


class Keep(msgspec.Struct, frozen=True):
    """For how many seconds; None is for good. `records_s` is for ports whose contract says nothing."""

    runs_s: float | None = 90 * DAY_S
    events_s: float | None = 365 * DAY_S
    records_s: float | None = None


class Rule(NamedTuple):
    """`waits` is True where what a subscription has not read stays, however old it is."""

    keep_s: float | None
    waits: bool


def rule_of(topic: str, config: TopicConfig, keep: Keep) -> Rule:
    """How long a topic is kept."""
    if quarantined_port(topic) is not None:
        return Rule(config.retention_s if config.retention_s is not None else keep.records_s, waits=False)
    if topic.startswith(LANDING):
        return Rule(keep.runs_s, waits=True)
    if topic.startswith("_"):
        return Rule({RUNS_TOPIC: keep.runs_s, EVENTS_TOPIC: keep.events_s}.get(topic), waits=True)
    if config.retention_s is not None:
        return Rule(config.retention_s, waits=False)
    return Rule(keep.records_s, waits=True)


class Readers(msgspec.Struct, frozen=True):
    """Who reads the log: `views` gives the cursor of each view, `groups` the groups that follow a topic, `lookups` the
    file of every lookup by port."""

    views: Callable[[], Mapping[str, str]]
    groups: Callable[[str], Sequence[str]]
    lookups: Callable[[], Mapping[str, Path]]


class Retention:
    """Takes what is old enough, turn by turn. `waiting` says who held it back in the last turn."""

    def __init__(self, log: AwaitableLog, keep: Keep, readers: Readers, history: RunHistory) -> None:
        self._log = log
        self.keep = keep
        self._readers = readers
        self._history = history
        self._told: dict[tuple[str, int], int] = {}
        self.waiting: tuple[str, ...] = ()

    async def turn(self, now_us: int) -> None:
        """One look at every topic. Takes at most `AT_ONCE` entries of a partition; the next turn goes on."""
        waiting: list[str] = []
        lookups = self._readers.lookups()
        seen = slowest(self._log.log, (await asyncio.to_thread(self._readers.views)).values())
        for topic, config in self._log.log.topics().items():
            rule = rule_of(topic, config, self.keep)
            for partition in range(config.partitions):
                if rule.keep_s is not None:
                    since_us = now_us - int(rule.keep_s * 1e6)
                    read = await asyncio.to_thread(self._read, topic, partition, rule, lookups.get(topic))
                    waiting += await self._partition(topic, partition, since_us, seen, read)
        self.waiting = tuple(waiting)

    async def _partition(
        self, topic: str, partition: int, since_us: int, seen: str, read: Mapping[str, int]
    ) -> list[str]:
        log = self._log.log
        first, _ = log.bounds(topic, partition)
        old = min(await asyncio.to_thread(log.find, topic, partition, since_us), first + AT_ONCE)
        before = min([old, *read.values()])
        if topic == RUNS_TOPIC:
            before = await self._carry(partition, before)
        kept = first
        if before > first:
            kept = await asyncio.to_thread(log.trim, topic, partition, before, seen=seen)
        if (topic in _PRUNED or quarantined_port(topic) is not None) and kept > self._told.get((topic, partition), 0):
            await self._log.commit(CommitSet((order_append(Prune(topic, partition, kept)),)))
            self._told[topic, partition] = kept
        return [f"{topic}[{partition}] waits for {who}" for who, at in read.items() if at < old]

    def _read(self, topic: str, partition: int, rule: Rule, lookup: Path | None) -> dict[str, int]:
        """The position behind what each reader has read, by its name."""
        found: dict[str, int] = {}
        for group in self._readers.groups(topic) if rule.waits else ():
            position = self._log.log.position(group, topic, partition)
            if position is not None:
                found[group] = position
        return found if lookup is None else found | {f"the lookup of {topic}": applied_in(lookup).get(partition, 0)}

    async def _carry(self, partition: int, before: int) -> int:
        """Writes dead letters anew that stand before `before`, some at a time; returns where the first one stood."""
        dead = await asyncio.to_thread(self._history.dead_before, partition, before, CARRIED_AT_ONCE)
        if not dead:
            return before
        appends = await asyncio.to_thread(lambda: [self._again(partition, *letter) for letter in dead])
        await self._log.commit(CommitSet(tuple(appends)))
        return dead[0][1]

    def _again(self, partition: int, run: str, position: int) -> Append:
        entry = encode_entry(run, self._history.detail(run))
        return Append(RUNS_TOPIC, partition, 1, entry, {CARRIED: position})


def slowest(log: Log, cursors: Iterable[str]) -> str:
    """The cursor that all others have passed; the end of the log where there are none."""
    found = log.now()
    for cursor in cursors:
        found = cursor if log.covers(found, cursor) else found
    return found
