"""One attempt of a run, worked through a process. Runs in a worker, or in the author's process for `--inline` and
tests.

The railway: logic in order; when one raises, what was buffered is dropped, its own `on_error` runs, then the `on_error`
(never the body) of every later logic and of the aggregator, all with the same error. What the aggregator's `on_error`
returns is the result; without one the run fails. Record logic over a batch is worked depth first, so that a bad record
takes only its own effects with it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Final

from hansa.model.run import LogicRun, RunError
from hansa.runtime.composed import Track
from hansa.runtime.stops import Broken, Derailed, Ledger, Scope, Stop, along, handle
from hansa.runtime.traces import run_error
from hansa.sdk.values import Drop, Problem

_now: Final = time.perf_counter_ns


@dataclass(slots=True)
class Refused:
    """A record of the batch that failed alone."""

    index: int
    error: RunError


@dataclass(slots=True)
class Outcome:
    """How an attempt ended. `value` is what the aggregator returned; `problem` the answer where a Problem ended it."""

    state: str = "succeeded"
    value: Any = None
    error: RunError | None = None
    problem: Problem | None = None
    logic: list[LogicRun] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    dropped: int = 0


def run(track: Track, value: Any, scope: Scope, *, batch: bool) -> Outcome:
    """Works `value` (a list of records where `batch`) along the track. Never raises what author code raises."""
    outcome = Outcome()
    effects = scope.effects
    start = effects.mark()
    ledger = scope.ledger = Ledger(track.size)
    try:
        at = track.lifted if batch else 0
        if at:
            value = _lift(track.nodes[:at], value, scope, outcome)
        value = along(track.nodes, value, scope, at)
        if isinstance(value, Drop):
            outcome.dropped, value = 1, None
        outcome.value = value
    except Problem as problem:
        effects.keep(start)
        outcome.problem = problem
    except Derailed as derailed:
        outcome.state, outcome.error = "failed", derailed.error
    except Broken as broken:
        effects.keep(start)
        _switch(track, broken, scope, outcome)
    outcome.logic = ledger.told(track.names)
    return outcome


def _lift(nodes: tuple[Any, ...], records: list[Any], scope: Scope, outcome: Outcome) -> list[Any]:
    """Each record along the nodes that take one; those that fail, that could not be read (an exception stands for them)
    or are dropped are left out."""
    kept: list[Any] = []
    effects, outer = scope.effects, scope
    named = [stop.name for node in nodes for stop in node.stops if stop.is_named]
    results: dict[str, list[Any]] = {name: [] for name in named}
    scope = outer.changed(journal=None, journalled={})
    begun = _now()
    for index, record in enumerate(records):
        mark = effects.mark()
        value = record
        node = nodes[0]
        if named:
            scope.results = dict(outer.results)
        try:
            if isinstance(record, Exception):
                raise record
            for node in nodes:
                value = node.call(value, scope)
                if isinstance(value, Drop):
                    outcome.dropped += 1
                    break
                if named and isinstance(node, Stop):
                    scope.results[node.name] = value
            else:
                kept.append(value)
                for name in named:
                    results[name].append(scope.results.get(name))
        except Exception as raised:
            effects.keep(mark)
            outcome.refused.append(Refused(index, _reason(raised, node.name)))
    outer.results.update(results)
    _share(nodes, _now() - begun, outer.ledger)
    return kept


def _reason(raised: Exception, name: str) -> RunError:
    return raised.error if isinstance(raised, Broken | Derailed) else run_error(raised, name)


def _share(nodes: tuple[Any, ...], spent_ns: int, ledger: Ledger) -> None:
    """The time of a batch, which is not measured for each record of a single logic: evenly between them."""
    for node in nodes:
        if isinstance(node, Stop):
            ledger.spent_ns[node.index] = spent_ns // len(nodes)
            ledger.states[node.index] = "succeeded"


def _switch(track: Track, broken: Broken, scope: Scope, outcome: Outcome) -> None:
    """The other rail: `on_error` of the failing logic and of every later one."""
    outcome.error = broken.error
    try:
        outcome.value = handle(broken.handlings, scope)
    except Derailed as derailed:
        outcome.state, outcome.error = "failed", derailed.error
        return
    if not track.stops[-1].handles:
        outcome.state = "failed"
