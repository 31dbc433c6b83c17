"""Measure Hansa: `python -m benchmarks [PART …]`, or `make bench`. Without a part, all of them.

`http` compares calls with peers in one interleaved run; the other parts measure Hansa alone, each beside a limit that
is measured in the same run. Every answer and record is checked. Exits 1 when a contender could not take part, an answer
was wrong, or a goal was missed. `.bench/results.json` has all figures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from benchmarks import http
from benchmarks.environment import BENCH
from benchmarks.parts import PARTS, Measured, measured
from benchmarks.report import Report, as_plain, figures_table, machine, verdict_table

HTTP = "http"
NAMES = (*PARTS, HTTP)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = _arguments(argv)
    console = Console()
    names = options.parts or NAMES
    parts = [measured(name, PARTS[name], console.print) for name in PARTS if name in names]
    report = None
    if HTTP in names:
        report = http.measure(options.only, options.seconds, options.repeats, console)
    _tell(parts, report, console)
    _keep(parts, report, {"seconds": options.seconds, "repeats": options.repeats, "warmup_s": http.WARMUP_S})
    return 0 if all(part.succeeded for part in parts) and (report is None or report.succeeded) else 1


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(NAMES)}; all unless given")
    contender = parser.add_argument_group(HTTP)
    contender.add_argument("--only", action="append", choices=http.NAMES, help="a contender; may be given again")
    contender.add_argument("--seconds", type=float, default=3.0, help="how long each measure takes")
    contender.add_argument("--repeats", type=int, default=3, help="turns of each contender")
    options = parser.parse_args(argv)
    if unknown := sorted(set(options.parts) - set(NAMES)):
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(NAMES)}")
    return options


def _tell(parts: Sequence[Measured], report: Report | None, console: Console) -> None:
    console.print(", ".join(f"{name} {value}" for name, value in machine().items()), highlight=False)
    for part in parts:
        if part.figures:
            console.print(figures_table(part.part, part.figures))
        if part.failure is not None:
            console.print(f"{part.part}: {part.failure}", style="red", highlight=False, markup=False)
    if report is not None:
        http.tell(report, console)
    found = [verdict for part in parts for verdict in part.verdicts]
    if found:
        console.print(verdict_table(found))


def _keep(parts: Sequence[Measured], report: Report | None, settings: dict[str, Any]) -> None:
    whole: dict[str, Any] = {"machine": machine(), "parts": [part.plain() for part in parts]}
    if report is not None:
        whole[HTTP] = as_plain(report, settings)
    BENCH.mkdir(exist_ok=True)
    (BENCH / "results.json").write_text(json.dumps(whole, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
