"""What was promised about speed, as data, and whether a run kept it. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from benchmarks.load import Result

IN_FLIGHT = (1, 64)
"""The numbers of callers that every contender is measured with."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The medians over the repeats of one contender with one number of callers; void when any repeat had an error."""

    calls_per_s: float
    p50_ms: float
    p99_ms: float
    void: bool

    @classmethod
    def of(cls, results: Sequence[Result]) -> Summary:
        return cls(
            calls_per_s=median(result.calls_per_s for result in results),
            p50_ms=median(result.p50_ms for result in results),
            p99_ms=median(result.p99_ms for result in results),
            void=not all(result.valid for result in results),
        )


Summaries = Mapping[tuple[str, int], Summary]
"""Summaries by contender and number of callers."""

Figures = Mapping[str, float]
"""What a part other than HTTP measured, by name; the unit stands last in the name."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One goal, what was found, and whether it was met."""

    goal: str
    found: str
    met: bool


class Goal(Protocol):
    """One promise; `judge` returns None when the run did not measure what it speaks of, or the measure is void."""

    def judge(self, summaries: Summaries) -> Verdict | None: ...


@dataclass(frozen=True, slots=True)
class LatencyRatio:
    """The median latency of a single caller of `subject` is at most `at_most` times that of `base`."""

    subject: str
    base: str
    at_most: float

    def judge(self, summaries: Summaries) -> Verdict | None:
        subject, base = _valid(summaries, self.subject, 1), _valid(summaries, self.base, 1)
        if subject is None or base is None:
            return None
        ratio = subject.p50_ms / base.p50_ms
        return Verdict(
            f"{self.subject}: p50 at most {self.at_most:g} x {self.base}",
            f"{ratio:.3g} x ({subject.p50_ms:.3f} ms to {base.p50_ms:.3f} ms)",
            ratio <= self.at_most,
        )


@dataclass(frozen=True, slots=True)
class RateRatio:
    """With 64 callers, `subject` answers at least `at_least` times as many calls per second as `base`."""

    subject: str
    base: str
    at_least: float

    def judge(self, summaries: Summaries) -> Verdict | None:
        subject, base = _valid(summaries, self.subject, 64), _valid(summaries, self.base, 64)
        if subject is None or base is None:
            return None
        ratio = subject.calls_per_s / base.calls_per_s
        return Verdict(
            f"{self.subject}: at least {self.at_least:g} x the calls/s of {self.base}",
            f"{ratio:.3g} x ({subject.calls_per_s:,.0f}/s to {base.calls_per_s:,.0f}/s)",
            ratio >= self.at_least,
        )


@dataclass(frozen=True, slots=True)
class LatencyLimit:
    """The median latency of a single caller of `subject` stays below `below_ms`."""

    subject: str
    below_ms: float

    def judge(self, summaries: Summaries) -> Verdict | None:
        subject = _valid(summaries, self.subject, 1)
        if subject is None:
            return None
        found = f"{subject.p50_ms:.3f} ms"
        return Verdict(f"{self.subject}: p50 below {self.below_ms:g} ms", found, subject.p50_ms < self.below_ms)


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The figure of that name is `bound` or more."""

    figure: str
    bound: float
    unit: str

    def judge(self, figures: Figures) -> Verdict | None:
        found = figures.get(self.figure)
        if found is None:
            return None
        goal = f"{self.figure}: at least {self.bound:,g} {self.unit}"
        return Verdict(goal, number(found), found >= self.bound)


@dataclass(frozen=True, slots=True)
class Below:
    """The figure of that name is less than `bound`."""

    figure: str
    bound: float
    unit: str

    def judge(self, figures: Figures) -> Verdict | None:
        found = figures.get(self.figure)
        if found is None:
            return None
        goal = f"{self.figure}: below {self.bound:,g} {self.unit}"
        return Verdict(goal, number(found), found < self.bound)


def number(value: float) -> str:
    """A figure for people: three digits, or all before the point."""
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def _valid(summaries: Summaries, contender: str, connections: int) -> Summary | None:
    summary = summaries.get((contender, connections))
    return None if summary is None or summary.void else summary


GOALS: tuple[Goal, ...] = (
    LatencyRatio("hansa", "restate", at_most=1 / 5),
    LatencyLimit("hansa", below_ms=1.0),
    RateRatio("hansa", "restate", at_least=10),
    RateRatio("hansa", "dbos", at_least=50),
    RateRatio("hansa", "functions-framework", at_least=4),
    RateRatio("hansa-step", "restate", at_least=5),
    RateRatio("hansa-step", "dbos", at_least=25),
    LatencyRatio("hansa-none", "echo", at_most=4),
)


PART_GOALS: Mapping[str, tuple[AtLeast | Below, ...]] = {
    "records": (AtLeast("records_per_s", 100_000, "records/s"),),
    "flights": (Below("load_s", 20, "s"), Below("peak_pss_mib", 500, "MiB")),
    "log": (AtLeast("entries_per_s", 100_000, "entries/s"), AtLeast("gain", 8, "times a single writer")),
    "contracts": (
        Below("check_percent", 5, "percent of a durable call"),
        AtLeast("memory_gain", 20, "times Great Expectations, in memory"),
        AtLeast("file_gain", 5, "times Great Expectations, from a file"),
    ),
    "cold": (
        Below("warm_ms", 10, "ms"),
        AtLeast("warm_gain", 30, "times functions-framework"),
        AtLeast("empty_gain", 20, "times functions-framework"),
    ),
    "windows": (AtLeast("python_records_per_s", 100_000, "records/s translated in Python"),),
    "memory": (AtLeast("gain", 8, "products in the memory of one interpreter"),),
    "engines": (
        AtLeast("records_ratio", 0.5, "of a bare loop of Kafka's client"),
        Below("call_ratio", 5, "times the p50 of Hansa alone"),
        AtLeast("two_nodes_gain", 1.8, "times one node, for calls that wait"),
        Below("failover_s", 10, "s until another node owns the log"),
        Below("start_again_s", 3, "s until a node answers"),
    ),
    "grown": tuple(
        Below(f"{store}_{figure}", most, unit)
        for store in ("files", "postgresql")
        for figure, most, unit in (
            ("start_cpu_s", 6, "s of a processor, with 10,000 products that were served before"),
            ("search_words_ms", 50, "ms"),
            ("lineage_up_ms", 50, "ms"),
            ("lineage_down_ms", 50, "ms"),
        )
    ),
    "plan": (Below("plan_s", 1, "s in a mesh of 1,000 products and 5,000 subscriptions"),),
    "start": (
        Below("import_ms", 150, "ms"),
        Below("help_ms", 300, "ms"),
        Below("up_answer_s", 3, "s to the first right answer"),
    ),
}
"""The goals of the parts that are measured alone, by the part's name."""


def part_verdicts(part: str, figures: Figures) -> list[Verdict]:
    """What the figures of a part say of its goals."""
    return [verdict for goal in PART_GOALS.get(part, ()) if (verdict := goal.judge(figures)) is not None]


def verdicts(summaries: Summaries) -> list[Verdict]:
    """What the run says of each goal that it can speak of."""
    return [verdict for goal in GOALS if (verdict := goal.judge(summaries)) is not None]
