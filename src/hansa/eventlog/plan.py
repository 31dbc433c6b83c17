"""What a drained queue of commit sets does to the log, decided without writing anything.

Flow: `Plan` is opened over what is stored → `admit(set)` decides each set in order against what is stored and what the
sets before it did, and either adds all of its effects or none → the storage writes the plan in one transaction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import msgspec

from hansa.eventlog.interface import Advance, Append, Claim, CommitSet, Partition, Put, Refused, TopicConfig


class Stored(ABC):
    """What a plan needs to know of the stored log."""

    @abstractmethod
    def topic(self, name: str) -> TopicConfig | None: ...

    @abstractmethod
    def end(self, partition: Partition) -> int: ...

    @abstractmethod
    def position(self, group: str, topic: str, partition: int) -> int | None: ...

    @abstractmethod
    def epoch(self, resource: str) -> int: ...

    @abstractmethod
    def get(self, scope: str, key: str) -> bytes | None: ...

    @abstractmethod
    def claimed(self, scope: str, key: str, now_us: int) -> bytes | None:
        """The value of a claim that still holds at `now_us`."""


class Pending(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A chunk that will be written. `key` is the number of the key that sealed `entries`, None where they are plain."""

    header: Mapping[str, Any]
    count: int
    entries: bytes | memoryview
    key: int | None = None


class Plan:
    """The effects of the sets that were admitted; a storage writes `chunks`, `positions`, `puts` and `claims`,
    then destroys the keys of `forgotten`."""

    def __init__(self, stored: Stored, now_us: int) -> None:
        self._stored = stored
        self._ends: dict[Partition, int] = {}
        self.now_us = now_us
        self.chunks: dict[Partition, tuple[int, list[Pending]]] = {}
        self.positions: dict[tuple[str, str, int], int] = {}
        self.puts: dict[tuple[str, str], bytes | None] = {}
        self.claims: dict[tuple[str, str], tuple[bytes, int]] = {}
        self.forgotten: set[str] = set()

    def admit(self, commit: CommitSet) -> tuple[int, ...] | Refused:
        """Adds the whole set and returns the base of each append, or adds nothing and says why.

        Raises what a set that is no commit set leads to (`ValueError`, `TypeError`, …); the plan is then spoilt.
        """
        refused = self._refusal(commit)
        if refused is not None:
            return refused
        for advance in commit.advances:
            self.positions[advance.group, advance.topic, advance.partition] = advance.next
        for put in commit.puts:
            if put.value != put.expected:  # else it is a condition alone
                self.puts[put.scope, put.key] = put.value
        for claim in commit.claims:
            self.claims[claim.scope, claim.key] = (claim.value, claim.until_us)
        if commit.forgets:
            self.forgotten.update(commit.forgets)
        return tuple([self._append(append) for append in commit.appends])

    def _refusal(self, commit: CommitSet) -> Refused | None:
        if commit.fence is not None:
            resource, epoch = commit.fence
            latest = self._stored.epoch(resource)
            if latest != epoch:
                return Refused("epoch.fenced", f"epoch {epoch} of {resource} ended; {latest} is the latest", latest)
        for append in commit.appends:
            if append.count < 0:
                raise ValueError(f"an append of {append.count} entries to {append.topic}")
            if (append.topic, append.partition) not in self._ends and not self._exists(append):
                return Refused("partition.unknown", f"there is no partition {append.partition} of {append.topic}")
        return (
            (self._moved(commit.advances) if commit.advances else None)
            or (self._changed(commit.puts) if commit.puts else None)
            or (self._taken(commit.claims) if commit.claims else None)
        )

    def _changed(self, puts: tuple[Put, ...]) -> Refused | None:
        for put in puts:
            if put.expected is msgspec.UNSET:
                continue
            key = (put.scope, put.key)
            value = self.puts[key] if key in self.puts else self._stored.get(*key)
            if value != put.expected:
                return Refused("state.moved", f"{put.key} of {put.scope} was changed by another run", value)
        return None

    def _exists(self, append: Append) -> bool:
        config = self._stored.topic(append.topic)
        return config is not None and 0 <= append.partition < config.partitions

    def _moved(self, advances: tuple[Advance, ...]) -> Refused | None:
        for advance in advances:
            if advance.expected is None:
                continue
            key = (advance.group, advance.topic, advance.partition)
            at = self.positions[key] if key in self.positions else self._stored.position(*key)
            if (at or 0) != advance.expected:
                return Refused("position.moved", f"{advance.group} stands at {at}, not at {advance.expected}", at)
        return None

    def _taken(self, claims: tuple[Claim, ...]) -> Refused | None:
        for claim in claims:
            key = (claim.scope, claim.key)
            if key in self.claims:
                value, until_us = self.claims[key]
                held = value if until_us > self.now_us else None
            else:
                held = self._stored.claimed(*key, self.now_us)
            if held is not None:
                return Refused("claim.taken", f"{claim.key} was taken in {claim.scope}", held)
        return None

    def _append(self, append: Append) -> int:
        partition = (append.topic, append.partition)
        base = self._ends.get(partition)
        if base is None:
            base = self._stored.end(partition)
        if append.count:
            lane = self.chunks.get(partition)
            if lane is None:
                lane = self.chunks[partition] = (base, [])
            lane[1].append(Pending(append.header, append.count, append.entries))
            self._ends[partition] = base + append.count
        return base

    def end(self, partition: Partition) -> int:
        """Where the partition will end."""
        return self._ends[partition]
