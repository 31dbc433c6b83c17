"""One attempt of a run, worked through a process. Runs in a worker, or in the author's process for `--inline` and
tests.

The railway: logic in order; when one raises, what was buffered is dropped, its own `on_error` runs, then the `on_error`
(never the body) of every later logic and of the aggregator, all with the same error. What the aggregator's `on_error`
returns is the result; without one the run fails. Record logic over a batch is worked depth first, so that a bad record
takes only its own effects with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from hansa.model.run import LogicRun, RunError
from hansa.runtime.tables import as_shape
from hansa.runtime.traces import run_error
from hansa.sdk.process import MISSING, Parameter, Step
from hansa.sdk.values import Drop, Error, Problem

_now: Final = time.perf_counter_ns


class Effects(Protocol):
    """What a run has buffered; `keep(mark)` drops everything since the mark."""

    def mark(self) -> Any: ...

    def keep(self, mark: Any) -> None: ...


@dataclass(slots=True)
class Scope:
    """Where the named parameters of one run come from, and what happens to it on the way."""

    sources: Mapping[str, Mapping[str, Any]]
    """By source (path, query, resource, connection): name to value."""
    effects: Effects
    enter: Callable[[str], None]
    """Told the name of each logic before it runs."""
    ctx: Any = None
    payload: Any = None
    results: dict[str, Any] = field(default_factory=dict)
    journalled: Mapping[int, Callable[[], Any]] = field(default_factory=dict)
    journal: Callable[[int, Any], None] | None = None


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


class Stop:
    """One step made ready to be called: what is known beforehand is bound, the rest is a short list of names."""

    __slots__ = (
        "_bound",
        "_function",
        "_handler",
        "_handler_bound",
        "_handler_named",
        "_named",
        "_shape",
        "builtin",
        "lifts",
        "name",
    )

    def __init__(self, step: Step) -> None:
        self.name = step.name
        self.builtin = step.logic.builtin
        self._shape = step.input.shape
        self.lifts = self.takes_one and isinstance(step.input.annotation, type)
        """True where it takes one value of a known class, so that a list in its place means each of them."""
        self._function = step.logic.function
        self._bound, self._named = _prepared(step, step.parameters)
        self._handler = step.on_error
        self._handler_bound, self._handler_named = _prepared(step, step.on_error_parameters)

    @property
    def takes_one(self) -> bool:
        """True where a batch is worked record by record."""
        return self._shape == "one" and not self.builtin

    @property
    def handles(self) -> bool:
        return self._handler is not None

    def call(self, value: Any, scope: Scope) -> Any:
        """The logic's own return value; raises what it raises."""
        scope.enter(self.name)
        if self._shape not in ("one", "none"):
            value = as_shape(value, self._shape)
        if not self._named and not self._bound:
            return self._function() if self._shape == "none" else self._function(value)
        named = _arguments(self._bound, self._named, scope)
        return self._function(**named) if self._shape == "none" else self._function(value, **named)

    def handle(self, error: Error, scope: Scope) -> Any:
        """What `on_error` returns."""
        assert self._handler is not None
        scope.enter(self.name)
        return self._handler(error, **_arguments(self._handler_bound, self._handler_named, scope))


def _prepared(step: Step, parameters: tuple[Parameter, ...]) -> tuple[dict[str, Any], tuple[Parameter, ...]]:
    bound = {p.name: step.settings[p.name] for p in parameters if p.source == "setting"}
    return bound, tuple(p for p in parameters if p.source not in ("setting", "default"))


def _arguments(bound: dict[str, Any], named: tuple[Parameter, ...], scope: Scope) -> dict[str, Any]:
    found = dict(bound)
    for parameter in named:
        source, name = parameter.source, parameter.name
        if source == "ctx":
            found[name] = scope.ctx
        elif source == "payload":
            found[name] = scope.payload
        elif source == "result":
            found[name] = scope.results.get(name)
        elif source not in ("path", "query") or name in scope.sources[source]:
            found[name] = scope.sources[source][name]
        elif parameter.default is MISSING:
            found[name] = None
    return found


Track = tuple[Stop, ...]


def run(track: Track, value: Any, scope: Scope, *, batch: bool) -> Outcome:
    """Works `value` (a list of records where `batch`) along the track. Never raises what author code raises."""
    outcome = Outcome()
    start = scope.effects.mark()
    spent = [0] * len(track)
    at = 0
    try:
        if batch:
            at = lifted_length(track)
            value = _lift(track[:at], value, scope, outcome, spent)
        while at < len(track):
            if track[at].lifts and isinstance(value, list):
                value = [_step(track, at, one, scope, spent) for one in value]
                value = [one for one in value if not isinstance(one, Drop)]
            else:
                value = _step(track, at, value, scope, spent)
            if isinstance(value, Drop):
                outcome.dropped, value = 1, None
                break
            at += 1
        outcome.value = value
    except Problem as problem:
        scope.effects.keep(start)
        outcome.problem = problem
    except Exception as raised:
        scope.effects.keep(start)
        _switch(track, at, raised, scope, outcome, spent)
        return outcome
    outcome.logic = [LogicRun(s.name, "succeeded", spent[i] // 1000) for i, s in enumerate(track) if i <= at]
    return outcome


def lifted_length(track: Track) -> int:
    """How many stops from the first on take one record and are lifted over a batch."""
    return next((index for index, stop in enumerate(track) if not stop.takes_one), len(track))


def _step(track: Track, index: int, value: Any, scope: Scope, spent: list[int]) -> Any:
    """One stop over one value. A journalled result is taken instead of running the logic again."""
    stop = track[index]
    if index in scope.journalled:
        result = scope.journalled[index]()
    else:
        begun = _now()
        try:
            result = stop.call(value, scope)
        finally:
            spent[index] += _now() - begun
        if scope.journal is not None and index < len(track) - 1:
            scope.journal(index, result)
    scope.results[stop.name] = result
    return result


def _lift(track: Track, records: list[Any], scope: Scope, outcome: Outcome, spent: list[int]) -> list[Any]:
    """Each record along the stops that take one; those that fail or are dropped are left out."""
    kept: list[Any] = []
    effects = scope.effects
    begun = _now()
    for index, record in enumerate(records):
        mark = effects.mark()
        value = record
        stop = track[0]
        try:
            for stop in track:
                value = stop.call(value, scope)
                if isinstance(value, Drop):
                    outcome.dropped += 1
                    break
            else:
                kept.append(value)
        except Exception as raised:
            effects.keep(mark)
            outcome.refused.append(Refused(index, run_error(raised, stop.name)))
    if track:
        share = (_now() - begun) // len(track)
        spent[: len(track)] = [share] * len(track)
    return kept


def _switch(track: Track, at: int, raised: Exception, scope: Scope, outcome: Outcome, spent: list[int]) -> None:
    """The other rail: `on_error` of the failing logic and of every later one."""
    error = run_error(raised, track[at].name)
    handed = Error(
        error.code, error.message, error.origin or "", error.traceback or "", error.hint, error.details or {}
    )
    outcome.logic = [LogicRun(s.name, "succeeded", spent[i] // 1000) for i, s in enumerate(track[:at])]
    outcome.error = error
    for index in range(at, len(track)):
        stop = track[index]
        state = "failed" if index == at else "skipped"
        if stop.handles:
            begun = _now()
            try:
                result = stop.handle(handed, scope)
            except Exception as again:
                _derail(track, index, again, outcome)
                return
            spent[index] += _now() - begun
            if index > at:
                state = "handled"
            if index == len(track) - 1:
                outcome.value = result
        outcome.logic.append(LogicRun(stop.name, state, spent[index] // 1000, error.message if index == at else None))
    if not track[-1].handles:
        outcome.state = "failed"


def _derail(track: Track, index: int, again: Exception, outcome: Outcome) -> None:
    """An `on_error` raised: the run fails with that error, nothing is committed, the rest is skipped."""
    outcome.state, outcome.error = "failed", run_error(again, track[index].name)
    outcome.logic.append(LogicRun(track[index].name, "failed", 0, outcome.error.message))
    outcome.logic += [LogicRun(stop.name, "skipped", 0) for stop in track[index + 1 :]]
