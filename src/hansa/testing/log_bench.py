"""A log on the bench: commits that wait for their outcome, a clock that stands, and everything a reader can see."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import msgspec

from hansa.eventlog.interface import (
    Advance,
    Append,
    Claim,
    CommitSet,
    Committed,
    Entry,
    Log,
    Outcome,
    Put,
    TopicConfig,
    encode_entry,
    entries_of,
)

OUTCOME_S = 10.0
"""How long a commit may take before a test gives it up."""


def appending(*bodies: Any, topic: str = "t", partition: int = 0, **header: Any) -> Append:
    """An append of entries keyed `k`."""
    return Append(topic, partition, len(bodies), b"".join(encode_entry("k", body) for body in bodies), header)


def writing(*bodies: Any, **where: Any) -> CommitSet:
    """A set with one append."""
    return CommitSet(appends=(appending(*bodies, **where),))


def entries(log: Log, topic: str = "t", partition: int = 0, position: int = 0) -> list[Entry]:
    """All entries of a partition from `position` on, read in as many steps as it takes."""
    found: list[Entry] = []
    while chunks := log.read(topic, partition, position):
        found += [entry for chunk in chunks for entry in entries_of(chunk) if entry.position >= position]
        position = chunks[-1].end
    return found


def bodies(log: Log, topic: str = "t", partition: int = 0, position: int = 0) -> list[Any]:
    """The decoded bodies of a partition from `position` on."""
    return [msgspec.msgpack.decode(entry.body) for entry in entries(log, topic, partition, position)]


def picture(log: Log, groups: tuple[str, ...] = ("g",), scopes: tuple[str, ...] = ("s",)) -> dict[str, Any]:
    """Everything that a reader can see, for comparison."""
    partitions = [(name, number) for name, config in log.topics().items() for number in range(config.partitions)]
    return {
        "topics": log.topics(),
        "bounds": {at: log.bounds(*at) for at in partitions},
        "entries": {at: entries(log, *at, position=log.bounds(*at)[0]) for at in partitions},
        "changes": log.changes("", max_bytes=1 << 30),
        "positions": {group: log.positions(group) for group in groups},
        "state": {scope: list(log.scan(scope)) for scope in scopes},
        "now": log.now(),
    }


class Bench:
    """A log with topic `t` of two partitions, a clock that stands, and commits that wait for their outcome."""

    def __init__(self, opening: Callable[[Callable[[], int]], Log]) -> None:
        self.now_us = 1_000_000
        self._opening = opening
        self._outcomes: queue.SimpleQueue[tuple[Any, Outcome]] = queue.SimpleQueue()
        self._started = False
        self.log = opening(lambda: self.now_us)
        self.log.declare("t", TopicConfig(partitions=2))

    def start(self) -> None:
        """Begins to commit; before, submitted sets gather in one queue."""
        self._started = True
        self.log.start(self._deliver)

    def _deliver(self, notice: list[tuple[Any, Outcome]]) -> None:
        for told in notice:
            self._outcomes.put(told)

    def commit(self, *sets: CommitSet) -> list[Outcome]:
        """The outcomes of sets that are submitted one behind the other; drained together where the first are."""
        for ticket, commit in enumerate(sets):
            self.log.submit(commit, ticket)
        if not self._started:
            self.start()
        told = [self._outcomes.get(timeout=OUTCOME_S) for _ in sets]
        assert [ticket for ticket, _ in told] == list(range(len(sets)))
        return [outcome for _, outcome in told]

    def write(self, *sets: CommitSet) -> list[Committed]:
        """As `commit`, of sets that nothing speaks against, each in a transaction of its own."""
        outcomes = [self.commit(commit)[0] for commit in sets]
        assert all(isinstance(outcome, Committed) for outcome in outcomes), outcomes
        return [outcome for outcome in outcomes if isinstance(outcome, Committed)]

    def reopen(self) -> None:
        """Stops the log and opens it again."""
        self.log.stop()
        self._started = False
        self.log = self._opening(lambda: self.now_us)


def fill(bench: Bench) -> None:
    """Some of everything that a log keeps."""
    bench.log.declare("u", TopicConfig(partitions=3, retention_s=60))
    bench.log.acquire("r")
    bench.log.acquire("r")
    bench.write(writing(0, 1), writing("p", subject="bo"), writing("q", subject="al"), writing(4))
    bench.write(CommitSet(advances=(Advance("g", "t", 0, 3),), puts=(Put("s", "k", b"v"),)))
    bench.write(CommitSet(claims=(Claim("s", "key", b"mine", 1 << 60),)), writing("u", topic="u", partition=2))
    bench.write(CommitSet(forgets=("al",)))
    bench.log.trim("t", 0, 2)
