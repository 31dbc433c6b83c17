"""Logic made ready to be called, and what one run needs on its way along it.

A way is a tuple of nodes: a `Stop` for one logic, or a composition of ways (`runtime.composed`).
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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

    def fork(self) -> Any:
        """Effects of a branch: nothing yet, and what stands here can be seen."""

    def join(self, other: Any) -> None:
        """Takes over what a branch has buffered. Raises `AuthorError("state.contested")` where it changed what another
        has changed since they parted."""


class Place:
    """Which logic is at work, and a count of what it has asked for: the same in each attempt, whatever was resumed."""

    __slots__ = ("_counts", "logic", "prefix")

    def __init__(self, prefix: str = "", counts: dict[str, int] | None = None) -> None:
        self.logic = ""
        self.prefix = prefix
        self._counts = {} if counts is None else counts

    def next(self, name: str = "") -> str:
        """A text that the logic at work (or `name`) gets once in a run."""
        name = name or self.logic
        self._counts[name] = count = self._counts.get(name, 0) + 1
        return f"{self.prefix}{count}"

    def branch(self) -> Place:
        """That of a branch: its logic has names of its own, so the counts may be shared."""
        return Place(self.prefix, self._counts)

    def item(self, within: str, number: int) -> Place:
        """That of one item of a list, which is worked by the same logic as the others."""
        return Place(f"{self.prefix}{within}.{number}.")

    def begin(self, prefix: str) -> None:
        """Counts anew, under another prefix."""
        self.prefix = prefix
        self._counts.clear()


class Way(Protocol):
    """What can be worked side by side with others. `go` keeps its outcome and raises nothing."""

    place: Place

    def go(self) -> None: ...


class Turns(Protocol):
    """Works several ways; author code runs in one of them at a time."""

    def work(self, ways: Sequence[Way], *, at_once: int, timeout_s: float | None) -> None:
        """Returns when all have ended. `timeout_s` is for each, from its own start, as far as it can be interrupted."""


class InOrder(Turns):
    """One after the other: where nothing is waited for, as in tests and under a debugger."""

    def work(self, ways: Sequence[Way], *, at_once: int, timeout_s: float | None) -> None:
        del at_once, timeout_s
        for way in ways:
            way.go()


IN_ORDER: Final = InOrder()


class Ledger:
    """Time and state of each logic of a run, by the index of its step."""

    __slots__ = ("errors", "spent_ns", "states")

    def __init__(self, size: int) -> None:
        self.spent_ns = [0] * size
        self.states = [""] * size
        self.errors: dict[int, str] = {}

    def told(self, names: list[tuple[int, str]]) -> list[LogicRun]:
        """The history of every logic, by (index, name), that had its turn or was skipped."""
        states, spent, errors = self.states, self.spent_ns, self.errors
        return [
            LogicRun(name, states[index], spent[index] // 1000, errors.get(index) if errors else None)
            for index, name in names
            if states[index]
        ]


Journal = Callable[[int, Any, Any, Any], None]
"""(step, result, effects, mark before it) → written ahead."""


@dataclass(slots=True)
class Scope:
    """Where the named parameters of one way come from, and what happens to it."""

    sources: Mapping[str, Mapping[str, Any]]
    """By source (path, query, resource, connection): name to value."""
    effects: Effects
    place: Place = field(default_factory=Place)
    ctx: Any = None
    payload: Any = None
    results: dict[str, Any] = field(default_factory=dict)
    journalled: Mapping[int, Callable[[Effects], Any]] = field(default_factory=dict)
    """By step: gives back its effects and returns its result."""
    journal: Journal | None = None
    turns: Turns = IN_ORDER
    ledger: Ledger = field(init=False)
    """Of the run that it was given to."""

    def apart(self, place: Place) -> Scope:
        """For a branch: it sees what stands here, and what it does is seen by no other until it is joined."""
        effects = self.effects.fork()
        ctx = None if self.ctx is None else self.ctx.apart(effects, place)
        return self.changed(effects=effects, place=place, ctx=ctx, results=dict(self.results))

    def inside(self) -> Scope:
        """For one item of a list, worked in its turn: the same effects; results of its own; nothing journalled."""
        return self.changed(results=dict(self.results), journalled={}, journal=None)

    def changed(self, **changes: Any) -> Scope:
        """Another scope of the same run."""
        twin = replace(self, **changes)
        twin.ledger = self.ledger
        return twin


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
        "index",
        "is_generator",
        "is_last",
        "is_named",
        "lifts",
        "name",
    )

    def __init__(self, step: Step, index: int = 0, *, is_last: bool = False, is_named: bool = False) -> None:
        self.name = step.name
        self.index = index
        self.is_last = is_last
        self.is_named = is_named
        """True where a later logic names its result."""
        self.builtin = step.logic.builtin
        self._shape = step.input.shape
        self.lifts = step.input.lifts and not self.builtin
        """True where a list in the place of its one value means each of its items."""
        self._function = step.logic.function
        self.is_generator = inspect.isgeneratorfunction(self._function)
        self._bound, self._named = _prepared(step, step.parameters)
        self._handler = step.on_error
        self._handler_bound, self._handler_named = _prepared(step, step.on_error_parameters)

    @property
    def takes_one(self) -> bool:
        """True where a batch is worked record by record."""
        return self._shape == "one" and not self.builtin

    @property
    def stops(self) -> tuple[Stop, ...]:
        return (self,)

    @property
    def handles(self) -> bool:
        return self._handler is not None

    def call(self, value: Any, scope: Scope) -> Any:
        """What the logic returns, for each item of a list that it is lifted over; raises what it raises."""
        if self.lifts and isinstance(value, list):
            made = [self._call(item, scope) for item in value]
            return [one for one in made if not isinstance(one, Drop)]
        return self._call(value, scope)

    def _call(self, value: Any, scope: Scope) -> Any:
        scope.place.logic = self.name
        if self._shape not in ("one", "none"):
            value = as_shape(value, self._shape)
        if not self._named and not self._bound:
            return self._function() if self._shape == "none" else self._function(value)
        named = _arguments(self._bound, self._named, scope)
        return self._function(**named) if self._shape == "none" else self._function(value, **named)

    def work(self, value: Any, scope: Scope) -> Any:
        """As `call`, with its time kept. A journalled result is taken instead of running the logic again."""
        index, journal = self.index, scope.journal
        if index in scope.journalled:
            result = scope.journalled[index](scope.effects)
        else:
            mark = None if journal is None else scope.effects.mark()
            begun = _now()
            try:
                result = self.call(value, scope)
            finally:
                scope.ledger.spent_ns[index] += _now() - begun
            if journal is not None and not self.is_last and not isinstance(result, Drop):
                journal(index, result, scope.effects, mark)
        scope.ledger.states[index] = "succeeded"
        scope.results[self.name] = result
        return result

    def handle(self, error: Error, scope: Scope) -> Any:
        """What `on_error` returns."""
        assert self._handler is not None
        scope.place.logic = self.name
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
        else:
            given = scope.results if source == "result" else scope.sources[source]
            if source not in ("result", "path", "query") or name in given:
                found[name] = as_shape(given[name], "list") if parameter.is_batch else given[name]
            elif parameter.default is MISSING:
                found[name] = None
    return found


class Node(Protocol):
    """A stop, or a composition of them."""

    name: str

    @property
    def takes_one(self) -> bool:
        """True where a batch is worked record by record."""

    @property
    def stops(self) -> tuple[Stop, ...]:
        """Every stop of it, in the order written."""

    def work(self, value: Any, scope: Scope) -> Any: ...

    def call(self, value: Any, scope: Scope) -> Any: ...


@dataclass(frozen=True, slots=True)
class Handling:
    """An `on_error` that is still to run, of the logic that raised (`is_origin`) or of one behind it."""

    stop: Stop
    error: Error
    results: dict[str, Any]
    is_origin: bool = False

    def note(self, ledger: Ledger) -> None:
        """Failed or skipped, until the handler has run."""
        if self.is_origin:
            ledger.states[self.stop.index], ledger.errors[self.stop.index] = "failed", self.error.message
        else:
            ledger.states[self.stop.index] = "skipped"


class Broken(Exception):
    """A way has left its rail. `handlings` run, in order, when its effects have been dropped."""

    def __init__(self, error: RunError, handlings: list[Handling]) -> None:
        super().__init__(error.message)
        self.error = error
        self.handlings = handlings
        self.handed = Error(
            error.code, error.message, error.origin or "", error.traceback or "", error.hint, error.details or {}
        )


class Derailed(Exception):
    """An `on_error` has raised: the run fails with that error, and no other handler runs."""

    def __init__(self, error: RunError) -> None:
        super().__init__(error.message)
        self.error = error


def along(nodes: tuple[Any, ...], value: Any, scope: Scope, at: int = 0) -> Any:
    """The value behind the nodes from `at` on, or the `Drop` that ended the way. Raises `Problem`, `Broken` or
    `Derailed`."""
    try:
        while at < len(nodes):
            value = nodes[at].work(value, scope)
            if isinstance(value, Drop):
                return value
            at += 1
    except Problem:
        if isinstance(nodes[at], Stop):
            scope.ledger.states[nodes[at].index] = "succeeded"
        raise
    except Derailed:
        raise
    except Exception as raised:
        raise broken(raised, nodes, at, scope) from None
    return value


def broken(raised: Exception, nodes: tuple[Any, ...], at: int, scope: Scope) -> Broken:
    """What `raised` at one of the nodes means for the way: its handlers are those of that node and of all behind."""
    if isinstance(raised, Broken):
        found = raised
    else:
        node = nodes[at]
        found = Broken(run_error(raised, node.name), [])
        if isinstance(node, Stop):
            found.handlings.append(Handling(node, found.handed, scope.results, is_origin=True))
    error = found.handed
    found.handlings += [Handling(stop, error, scope.results) for node in nodes[at + 1 :] for stop in node.stops]
    return found


def handle(handlings: list[Handling], scope: Scope) -> Any:
    """Runs every handler there is; returns what the last logic's returned, None where it has none. Raises `Derailed`
    where one raises."""
    ledger, result = scope.ledger, None
    for handling in handlings:
        handling.note(ledger)
    for handling in handlings:
        stop, result = handling.stop, None
        if not stop.handles:
            continue
        begun = _now()
        try:
            result = stop.handle(handling.error, scope.changed(results=handling.results))
        except Exception as again:
            error = run_error(again, stop.name)
            ledger.states[stop.index], ledger.errors[stop.index] = "failed", error.message
            raise Derailed(error) from None
        ledger.spent_ns[stop.index] += _now() - begun
        if not handling.is_origin:
            ledger.states[stop.index] = "handled"
    return result


def stops_of(nodes: tuple[Any, ...]) -> Iterator[Stop]:
    """Every stop, in the order written."""
    for node in nodes:
        yield from node.stops
