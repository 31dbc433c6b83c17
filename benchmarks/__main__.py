"""Measure the contenders in turns and compare them: `python -m benchmarks`, or `make bench`.

Each turn starts one contender on empty data, checks that it answers rightly, measures it with one caller and with 64,
and ends it, so that none idles beside another. The turns are repeated in the same order and the medians compared.
Exits 1 when a contender could not take part, an answer was wrong, or a goal was missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from rich.console import Console

from benchmarks.environment import BENCH, Unavailable
from benchmarks.goals import IN_FLIGHT
from benchmarks.load import run
from benchmarks.peers.dbos import Dbos
from benchmarks.peers.echo import Echo
from benchmarks.peers.functions_framework import FunctionsFramework
from benchmarks.peers.hansa import Hansa, HansaNone, HansaStep
from benchmarks.peers.peer import Peer
from benchmarks.peers.restate import Restate
from benchmarks.report import Report, as_json, contender_table, verdict_table
from benchmarks.server import NotReady

CONTENDERS: tuple[type[Peer], ...] = (Echo, Hansa, HansaStep, HansaNone, FunctionsFramework, Restate, Dbos)
SUBJECT = "hansa"
WARMUP_S = 1.0


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    options = _arguments(argv)
    console = Console()
    report = Report()
    peers = _install(options.only or [contender.name for contender in CONTENDERS], report, console)
    for turn in range(options.repeats):
        for peer in peers:
            console.print(f"turn {turn + 1} of {options.repeats}: {peer.name}")
            _measure(peer, options.seconds, report)
    _tell(report, console)
    BENCH.mkdir(exist_ok=True)
    (BENCH / "results.json").write_text(
        as_json(report, {"seconds": options.seconds, "repeats": options.repeats, "warmup_s": WARMUP_S})
    )
    return 0 if report.succeeded else 1


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    names = [contender.name for contender in CONTENDERS]
    parser.add_argument("--only", action="append", choices=names, help="a contender; may be given more than once")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each measure takes")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each contender")
    return parser.parse_args(argv)


def _install(names: Iterable[str], report: Report, console: Console) -> list[Peer]:
    """The contenders that this machine can run; the report says why the others are absent."""
    peers = []
    for peer in (contender() for contender in CONTENDERS if contender.name in names):
        try:
            peer.install(console.print)
        except Unavailable as error:
            report.absent[peer.name] = str(error)
            continue
        report.versions[peer.name] = peer.version()
        report.durability[peer.name] = peer.durability
        peers.append(peer)
    return peers


def _measure(peer: Peer, seconds: float, report: Report) -> None:
    try:
        with peer.serving() as origin:
            call = peer.request().as_call()
            for connections in IN_FLIGHT:
                report.add(peer.name, run(origin, call, connections=connections, seconds=seconds, warmup_s=WARMUP_S))
    except NotReady as error:
        report.absent[peer.name] = str(error)


def _tell(report: Report, console: Console) -> None:
    subject = SUBJECT if SUBJECT in report.versions else next(iter(report.versions), SUBJECT)
    console.print(contender_table(report, subject))
    for name, version in report.versions.items():
        console.print(f"{name}: {version}; durable: {report.durability[name]}", highlight=False)
    if report.verdicts:
        console.print(verdict_table(report.verdicts))
    for name, reason in report.absent.items():
        console.print(f"{name} could not take part: {reason}", style="red", highlight=False, markup=False)
    for (name, connections), results in report.runs.items():
        for sample in (sample for result in results for sample in result.error_samples[:1]):
            console.print(f"{name}, {connections} callers: {sample}", style="red", highlight=False, markup=False)


if __name__ == "__main__":
    sys.exit(main())
