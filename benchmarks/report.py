"""A finished run as tables for people and as JSON for programs."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from rich.table import Table

from benchmarks.goals import Figures, Summaries, Summary, Verdict, number, verdicts
from benchmarks.load import Result


@dataclass(slots=True)
class Report:
    """What was measured so far: contenders with version and durability, their runs, and who could not take part."""

    durability: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    runs: dict[tuple[str, int], list[Result]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def add(self, contender: str, result: Result) -> None:
        self.runs.setdefault((contender, result.connections), []).append(result)

    @property
    def summaries(self) -> Summaries:
        return {key: Summary.of(results) for key, results in self.runs.items()}

    @property
    def verdicts(self) -> list[Verdict]:
        return verdicts(self.summaries)

    @property
    def succeeded(self) -> bool:
        """Whether everybody took part, every answer was right, and every goal that could be judged was met."""
        void = any(summary.void for summary in self.summaries.values())
        return not self.absent and not void and all(verdict.met for verdict in self.verdicts)


def contender_table(report: Report, subject: str) -> Table:
    """The raw numbers of every contender, and how many times better `subject` is than it."""
    summaries = report.summaries
    table = Table(title="POST of an order of 200 B: two steps and an aggregate", title_justify="left")
    table.add_column("contender", no_wrap=True)
    for heading in ("p50 ms, 1 caller", f"{subject} faster", "calls/s, 64 callers", f"{subject} more", "p99 ms, 64"):
        table.add_column(heading, justify="right")
    for name in report.versions:
        table.add_row(name, *_numbers(summaries, name, subject))
    return table


def verdict_table(found: Sequence[Verdict]) -> Table:
    """The goals that the run could judge."""
    table = Table(title="Goals", title_justify="left")
    for heading in ("goal", "found", "met"):
        table.add_column(heading)
    for verdict in found:
        table.add_row(verdict.goal, verdict.found, "yes" if verdict.met else "NO")
    return table


def figures_table(part: str, figures: Figures) -> Table:
    """The figures of a part that is measured alone."""
    table = Table(title=part, title_justify="left")
    table.add_column("figure", no_wrap=True)
    table.add_column("", justify="right")
    for name, value in figures.items():
        table.add_row(name, number(value))
    return table


def machine() -> dict[str, Any]:
    """What it ran on, with the versions of what all parts stand on."""
    versions = {"hansa": version("hansa"), "msgspec": version("msgspec"), "sqlite": sqlite3.sqlite_version}
    return {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform(), **versions}


def as_plain(report: Report, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, with every single run, for `.bench/results.json`."""
    contenders = [
        {
            "name": name,
            "version": version,
            "durability": report.durability[name],
            "measures": [
                {"connections": connections, "median": asdict(report.summaries[contender, connections])}
                | {"runs": [asdict(result) for result in results]}
                for (contender, connections), results in report.runs.items()
                if contender == name
            ],
        }
        for name, version in report.versions.items()
    ]
    goals = [asdict(verdict) for verdict in report.verdicts]
    return {"settings": dict(settings), "contenders": contenders, "goals": goals, "absent": report.absent}


def _numbers(summaries: Summaries, name: str, subject: str) -> tuple[str, str, str, str, str]:
    alone, many = summaries.get((name, 1)), summaries.get((name, 64))
    if alone is None or many is None:
        return ("-",) * 5
    if alone.void or many.void:
        return ("void",) * 5
    base_alone, base_many = summaries.get((subject, 1), alone), summaries.get((subject, 64), many)
    return (
        f"{alone.p50_ms:.3f}",
        f"{alone.p50_ms / base_alone.p50_ms:.2f} x",
        f"{many.calls_per_s:,.0f}",
        f"{base_many.calls_per_s / many.calls_per_s:.2f} x",
        f"{many.p99_ms:.2f}",
    )
