"""Calls over HTTP: Hansa at each durability, bare frameworks and durable engines, in turns.

Each turn starts one contender on empty data, checks that it answers rightly, measures it with one caller and with 64,
and ends it, so that none idles beside another. The turns are repeated in the same order and the medians compared.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from benchmarks.environment import Unavailable
from benchmarks.goals import IN_FLIGHT
from benchmarks.load import run
from benchmarks.peers.dbos import Dbos
from benchmarks.peers.echo import Echo
from benchmarks.peers.functions_framework import FunctionsFramework
from benchmarks.peers.hansa import Hansa, HansaNone, HansaStep
from benchmarks.peers.peer import Peer
from benchmarks.peers.restate import Restate
from benchmarks.report import Report, contender_table, verdict_table
from benchmarks.server import NotReady

CONTENDERS: tuple[type[Peer], ...] = (Echo, Hansa, HansaStep, HansaNone, FunctionsFramework, Restate, Dbos)
NAMES = tuple(contender.name for contender in CONTENDERS)
SUBJECT = "hansa"
WARMUP_S = 1.0


def measure(only: Iterable[str] | None, seconds: float, repeats: int, console: Console) -> Report:
    """Measures the contenders of the names in `only`, or all."""
    report = Report()
    peers = _install(list(only or NAMES), report, console)
    for turn in range(repeats):
        for peer in peers:
            console.print(f"http: turn {turn + 1} of {repeats}: {peer.name}")
            _measure(peer, seconds, report)
    return report


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


def tell(report: Report, console: Console) -> None:
    """Prints what was found, and who could not take part and why."""
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
