"""A log does what a few plain dictionaries say, whatever is committed to it, and the same when it is opened again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hansa.eventlog.interface import Advance, Append, Claim, CommitSet, Committed, Log, Outcome, Put, TopicConfig
from hansa.eventlog.memory import MemoryLog
from hansa.eventlog.sqlite import SqliteLog
from hansa.testing.log_bench import Bench, appending, bodies

PARTITIONS = [(topic, number) for topic in ("t", "u") for number in range(2)]


@dataclass
class Model:
    """The log as plain values; sets are decided one by one, which is what a merged transaction must look like."""

    bodies: dict[tuple[str, int], list[Any]] = field(default_factory=lambda: {at: [] for at in PARTITIONS})
    subjects: dict[tuple[str, int], list[str | None]] = field(default_factory=lambda: {at: [] for at in PARTITIONS})
    firsts: dict[tuple[str, int], int] = field(default_factory=lambda: dict.fromkeys(PARTITIONS, 0))
    positions: dict[tuple[str, str, int], int] = field(default_factory=dict)
    state: dict[str, bytes] = field(default_factory=dict)
    claims: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    epoch: int = 0

    def commit(self, commit: CommitSet, now_us: int) -> tuple[int, ...] | str:
        """The bases, or the code of the refusal."""
        if commit.fence is not None and commit.fence[1] != self.epoch:
            return "epoch.fenced"
        if any((append.topic, append.partition) not in self.bodies for append in commit.appends):
            return "partition.unknown"
        for a in commit.advances:
            if a.expected is not None and self.positions.get((a.group, a.topic, a.partition), 0) != a.expected:
                return "position.moved"
        if any(self.claims.get(claim.key, (b"", 0))[1] > now_us for claim in commit.claims):
            return "claim.taken"
        self.positions |= {(a.group, a.topic, a.partition): a.next for a in commit.advances}
        self.claims |= {claim.key: (claim.value, claim.until_us) for claim in commit.claims}
        for put in commit.puts:
            self.state[put.key] = put.value or b""
            if put.value is None:
                del self.state[put.key]
        return tuple(self._append(append) for append in commit.appends)

    def _append(self, append: Append) -> int:
        at = (append.topic, append.partition)
        base = len(self.bodies[at])
        self.bodies[at] += append.header["plain"]
        self.subjects[at] += [append.header.get("subject")] * append.count
        return base

    def forget(self, subject: str) -> None:
        for at, subjects in self.subjects.items():
            self.bodies[at] = [
                None if who == subject else body for who, body in zip(subjects, self.bodies[at], strict=True)
            ]


@st.composite
def appends(draw: st.DrawFn) -> Append:
    plain = draw(st.lists(st.integers(0, 9), max_size=3))
    header: dict[str, Any] = {"plain": plain}
    if subject := draw(st.sampled_from([None, None, "bo", "al"])):
        header["subject"] = subject
    topic = draw(st.sampled_from(["t", "t", "u", "u", "u", "nowhere"]))
    return appending(*plain, topic=topic, partition=draw(st.sampled_from([0, 0, 1, 1, 2])), **header)


ADVANCES = st.builds(
    Advance, st.sampled_from("gh"), st.just("t"), st.integers(0, 1), st.integers(0, 3), st.none() | st.integers(0, 3)
)
SECOND_US = 1_000_000
"""The model counts in seconds: each transaction of the log is at least a microsecond behind the one before."""
PUTS = st.builds(Put, st.just("s"), st.sampled_from("abc"), st.none() | st.binary(min_size=1, max_size=2))
CLAIMS = st.builds(
    Claim,
    st.just("s"),
    st.sampled_from("abcd"),
    st.binary(max_size=2),
    st.integers(0, 60).map(lambda s: s * SECOND_US + 500_000),
)


def few(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=2).map(tuple)


SETS = st.builds(
    CommitSet,
    few(appends()),
    few(ADVANCES),
    few(PUTS),
    few(CLAIMS),
    st.none() | st.tuples(st.just("r"), st.integers(0, 2)),
)


class LogMachine(RuleBasedStateMachine):
    """Drives a log and the model side by side."""

    opening: Callable[[Path, Callable[[], int]], Log]
    durable: bool

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.model = Model()
        self.bench = Bench(lambda clock_us: type(self).opening(self.folder, clock_us))
        self.bench.now_us = 0
        self.bench.log.declare("u", TopicConfig(partitions=2))
        self.bench.start()

    def teardown(self) -> None:
        self.bench.log.stop()
        shutil.rmtree(self.folder)

    @rule(sets=st.lists(SETS, min_size=1, max_size=6))
    def commit(self, sets: list[CommitSet]) -> None:
        expected = [self.model.commit(commit, self.bench.now_us) for commit in sets]
        assert [plain(outcome) for outcome in self.bench.commit(*sets)] == expected

    @rule(us=st.integers(1, 30))
    def wait(self, us: int) -> None:
        self.bench.now_us += us * SECOND_US

    @rule()
    def acquire(self) -> None:
        self.model.epoch += 1
        assert self.bench.log.acquire("r") == self.model.epoch

    @rule(subject=st.sampled_from(["bo", "al", "nobody"]))
    def forget(self, subject: str) -> None:
        self.bench.write(CommitSet(forgets=(subject,)))
        self.model.forget(subject)

    @rule(at=st.sampled_from(PARTITIONS), before=st.integers(0, 12))
    def trim(self, at: tuple[str, int], before: int) -> None:
        first = self.bench.log.trim(*at, before)
        assert self.model.firsts[at] <= first <= max(before, self.model.firsts[at])
        self.model.firsts[at] = first

    @rule()
    def open_again(self) -> None:
        if self.durable:
            self.bench.reopen()
            self.bench.start()

    @invariant()
    def everything_reads_as_the_model_says(self) -> None:
        log, model = self.bench.log, self.model
        for at, expected in model.bodies.items():
            first = model.firsts[at]
            assert log.bounds(*at) == (first, len(expected))
            assert bodies(log, *at, position=first) == expected[first:]
        seen: dict[tuple[str, int], int] = {}
        for chunk in log.changes("", max_bytes=1 << 30)[0]:
            at = (chunk.topic, chunk.partition)
            assert chunk.base == seen.get(at, model.firsts[at])
            seen[at] = chunk.end
        assert seen == {at: len(expected) for at, expected in model.bodies.items() if expected}
        assert log.positions("g") == {(t, p): at for (g, t, p), at in model.positions.items() if g == "g"}
        assert dict(log.scan("s")) == model.state


def plain(outcome: Outcome) -> tuple[int, ...] | str:
    """An outcome as the model gives it."""
    return outcome.bases if isinstance(outcome, Committed) else getattr(outcome, "code", repr(outcome))


class MemoryMachine(LogMachine):
    durable = False

    @staticmethod
    def opening(folder: Path, clock_us: Callable[[], int]) -> Log:
        return MemoryLog(clock_us=clock_us)


class SqliteMachine(LogMachine):
    durable = True

    @staticmethod
    def opening(folder: Path, clock_us: Callable[[], int]) -> Log:
        return SqliteLog(folder, clock_us=clock_us)


LIMITS = {"deadline": None, "suppress_health_check": list(HealthCheck), "stateful_step_count": 15}
TestMemoryLog = MemoryMachine.TestCase
TestMemoryLog.settings = settings(max_examples=40, **LIMITS)
TestSqliteLog = SqliteMachine.TestCase
TestSqliteLog.settings = settings(max_examples=25, **LIMITS)
