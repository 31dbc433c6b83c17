"""What a run does, kept until its commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from hansa.errors import AuthorError
from hansa.eventlog.interface import split
from hansa.model.run import EVENTS_TOPIC, CheckResult
from hansa.runtime import wire

_encode: Final = msgspec.msgpack.Encoder().encode
Changes = dict[str, tuple[bytes | None, bytes | None]]
"""By key: what state becomes, and what it was. Never changed in place: a mark is a reference to it."""
Mark = tuple[int, int, Changes, int]
Value = tuple[str, str, str]
"""A value that must be unique: port, rule, digest."""
_BAD: Final = ("passed", "warning", "failed")
"""States of a check, the worst last."""


class Buffer:
    """What a run publishes, emits and changes, until its commit; `known` is the state that it read, as it stands.
    `base` is the state that a branch began with."""

    def __init__(
        self,
        base: Changes | None = None,
        known: dict[str, bytes | None] | None = None,
        held: dict[Value, str] | None = None,
        checks: dict[tuple[str, str], CheckResult] | None = None,
        before: tuple[Sequence[wire.Effect], ...] = (),
    ) -> None:
        self.effects: list[wire.Effect] = []
        self.events: list[bytes] = []
        """Entries without their last byte, the event's number in the run, which is known at its end."""
        self._base: Changes = base or {}
        self.state = self._base
        self.known: dict[str, bytes | None] = {} if known is None else known
        self._taken: dict[Value, wire.Unique] = {}
        """Values that must be unique, in the order in which they were taken."""
        self._held = held or {}
        """Those that were taken before this buffer began, or went with its last commit, and whose they are."""
        self._before = before
        """What the run had buffered when this buffer began as that of a branch."""
        self._checks: dict[tuple[str, str], CheckResult] = {} if checks is None else checks
        """They stay when effects are dropped: a check that failed has failed."""

    def mark(self) -> Mark:
        return len(self.effects), len(self.events), self.state, len(self._taken)

    def keep(self, mark: Mark) -> None:
        del self.effects[mark[0] :]
        del self.events[mark[1] :]
        self.state = mark[2]
        while len(self._taken) > mark[3]:
            self._taken.popitem()

    def owners(self, port: str, rule: str, digests: Sequence[str]) -> dict[str, str]:
        """Whose those of the values are that the run has taken itself."""
        if not self._taken and not self._held:
            return {}
        values = {digest: (port, rule, digest) for digest in digests}
        held = {digest: self._held[value] for digest, value in values.items() if value in self._held}
        return held | {digest: self._taken[value].owner for digest, value in values.items() if value in self._taken}

    def keys(self, port: str) -> set[str]:
        """The keys of the records of a port that are buffered."""
        return {key for part in (*self._before, self.effects) for key in keys_of(part, port)}

    def take(self, unique: wire.Unique) -> None:
        """A value is the run's, if its commit finds nobody else's there."""
        self._taken[unique.port, unique.rule, unique.digest] = unique

    def check(self, result: CheckResult) -> None:
        """Adds what a check came to, to what it came to before in the run."""
        key = (result.port, result.rule)
        if (before := self._checks.get(key)) is not None:
            state = result.state if result.state == "skipped" else max(before.state, result.state, key=_BAD.index)
            result = msgspec.structs.replace(
                result, state=state, checked=before.checked + result.checked, bad=before.bad + result.bad
            )
        self._checks[key] = result

    def since(self, mark: Mark, result: bytes) -> wire.Step:
        """What a logic did that began at `mark` and returned `result`, for the journal."""
        changed = {key: change for key, change in self.state.items() if mark[2].get(key) is not change}
        taken = list(self._taken.values())[mark[3] :]
        return wire.Step(result, self.effects[mark[0] :], self.events[mark[1] :], changed, self.known, taken)

    def restore(self, step: wire.Step) -> None:
        """Does what a journalled logic did."""
        self._add(step.effects, step.events, step.changed)
        self.known.update(step.read)
        for unique in step.taken:
            self.take(unique)

    def _add(self, effects: list[wire.Effect], events: list[bytes], changed: Changes) -> None:
        self.effects += effects
        self.events += events
        if changed:
            self.state = {**self.state, **changed}

    def fork(self) -> Buffer:
        """That of a branch, which sees this one's state as it is now."""
        taken = {value: unique.owner for value, unique in self._taken.items()}
        before = (*self._before, tuple(self.effects))
        return Buffer(self.state, self.known, self._held | taken, self._checks, before)

    def join(self, branch: Buffer) -> None:
        """Takes over what a branch has buffered. Raises `AuthorError("state.contested")` where both changed a key."""
        base = branch._base
        changed = {key: change for key, change in branch.state.items() if base.get(key) is not change}
        for key in changed:
            if self.state.get(key) is not base.get(key):
                raise AuthorError(
                    "state.contested",
                    f"Two branches change the state {key!r}",
                    hint="Let them return what is to be kept, and change the state behind them.",
                )
        self._join_taken(branch)
        self._add(branch.effects, branch.events, changed)

    def _join_taken(self, branch: Buffer) -> None:
        for value, unique in branch._taken.items():
            other = self._taken.get(value)
            if other is not None and not (other.owner and other.owner == unique.owner):
                raise AuthorError(
                    "state.contested",
                    f"Two branches publish the same value to {unique.port}, where {unique.rule} lets it stand once",
                    hint="Let them return their records, and publish them behind the branches.",
                )
            self.take(unique)

    def judged(self) -> tuple[list[wire.Unique], list[CheckResult]]:
        """The values taken and what the checks came to, for the commit; the values stay the run's."""
        taken, checks = list(self._taken.values()), list(self._checks.values())
        if taken:
            self._held = self._held | {value: unique.owner for value, unique in self._taken.items()}
            self._taken = {}
        self._checks.clear()
        return taken, checks

    def taken(self) -> tuple[list[wire.Effect], list[wire.StatePut]]:
        """Everything, gathered by port and partition; the buffer is empty afterwards, and knows the state as its commit
        leaves it."""
        effects = gathered(self.effects)
        if self.events:
            numbered = b"".join([event + _encode(number) for number, event in enumerate(self.events)])
            effects.append(wire.Effect(EVENTS_TOPIC, 0, len(self.events), numbered))
        puts = [wire.StatePut(key, new, old) for key, (new, old) in self.state.items() if new != old]
        self.known.update({put.key: put.value for put in puts})
        self.effects, self.events, self.state = [], [], {}
        return effects, puts


def keys_of(effects: Iterable[wire.Effect], port: str) -> Iterator[str]:
    """The keys of the records of a port among effects."""
    for effect in effects:
        if effect.topic == port and effect.entries:
            yield from (key for key, _ in split(effect.entries, effect.count) if key is not None)


def gathered(effects: list[wire.Effect]) -> list[wire.Effect]:
    """Neighbouring entries of one partition and one subject as one effect."""
    if len(effects) < 2:
        return list(effects)
    lanes: dict[tuple[str, int], list[list[wire.Effect]]] = {}
    for effect in effects:
        lane = lanes.setdefault((effect.topic, effect.partition), [])
        if lane and effect.entries and lane[-1][0].entries and lane[-1][0].subject == effect.subject:
            lane[-1].append(effect)
        else:
            lane.append([effect])
    return [
        group[0]
        if len(group) == 1
        else wire.Effect(
            topic, partition, sum([e.count for e in group]), b"".join([e.entries for e in group]), group[0].subject
        )
        for (topic, partition), lane in lanes.items()
        for group in lane
    ]
