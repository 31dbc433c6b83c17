"""The parts of the benchmark that are measured alone: a name, and what measures it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks import (
    cold,
    contracts,
    engines,
    flights,
    grown,
    log,
    memory,
    planning,
    records,
    registry,
    scale,
    start,
    windows,
)
from benchmarks.environment import Say, Unavailable
from benchmarks.goals import Figures, Verdict, part_verdicts
from benchmarks.server import NotReady

Measure = Callable[[Say], Figures]
"""Measures, checks every answer, and returns the figures. Raises where the part cannot be measured or one is wrong."""

PARTS: dict[str, Measure] = {
    "records": records.measure,
    "flights": flights.measure,
    "log": log.measure,
    "contracts": contracts.measure,
    "start": start.measure,
    "cold": cold.measure,
    "memory": memory.measure,
    "plan": planning.measure,
    "windows": windows.measure,
    "registry": registry.measure,
    "grown": grown.measure,
    "engines": engines.measure,
    "scale": scale.measure,
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a part: its figures, or why there are none."""

    part: str
    figures: Figures
    failure: str | None = None

    @property
    def verdicts(self) -> list[Verdict]:
        return part_verdicts(self.part, self.figures)

    @property
    def succeeded(self) -> bool:
        return self.failure is None and all(verdict.met for verdict in self.verdicts)

    def plain(self) -> dict[str, Any]:
        """For `.bench/results.json`."""
        goals = [{"goal": v.goal, "found": v.found, "met": v.met} for v in self.verdicts]
        return {"part": self.part, "figures": dict(self.figures), "goals": goals, "failure": self.failure}


def measured(part: str, measure: Measure, say: Say) -> Measured:
    """Measures a part. A wrong answer, or a Hansa that does not start or settle, voids it."""
    try:
        return Measured(part, measure(say))
    except (NotReady, OSError, Unavailable, ValueError) as failure:
        return Measured(part, {}, f"{type(failure).__name__}: {failure}")
