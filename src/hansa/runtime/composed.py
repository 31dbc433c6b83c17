"""`parallel`, `each` and `when` as nodes of a way.

Every branch is worked to its end, with effects of its own; then the barrier decides. So what a run commits, and the
error that it fails with, depend on what was written, never on which branch was faster.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from hansa.errors import AuthorError, HansaError
from hansa.runtime.stops import Broken, Node, Scope, Stop, along, broken, handle, stops_of
from hansa.sdk import flow as written
from hansa.sdk.ports import Record
from hansa.sdk.process import Step
from hansa.sdk.values import Drop

Nodes = tuple[Any, ...]


class Track:
    """A process made ready to run: its nodes, and every stop in them."""

    __slots__ = ("is_load", "names", "nodes", "size", "stops")

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.stops = tuple(stops_of(nodes))
        self.names = [(stop.index, stop.name) for stop in self.stops]
        self.size = self.stops[-1].index + 1
        """One more than the greatest index of a stop."""
        self.is_load = isinstance(nodes[0], Stop) and nodes[0].is_generator
        """True where its first logic yields chunks."""

    @property
    def lifted(self) -> int:
        """How many nodes from the first on take one record and are lifted over a batch."""
        return next((index for index, node in enumerate(self.nodes) if not node.takes_one), len(self.nodes))

    def behind(self, index: int) -> Track:
        """The rest of the track."""
        return Track(self.nodes[index:])

    def only(self, name: str) -> Track:
        """One logic of it alone."""
        return Track(tuple(stop for stop in self.stops if stop.name == name))


def track_of(flow: written.Flow[Step]) -> Track:
    """The track of a compiled process."""
    steps = tuple(written.leaves(flow))
    named = {p.name for step in steps for p in (*step.parameters, *step.on_error_parameters) if p.source == "result"}
    numbers = count()

    def stop(step: Step) -> Stop:
        index = next(numbers)
        return Stop(step, index, is_last=index == len(steps) - 1, is_named=step.name in named)

    return Track(_nodes(written.mapped(flow, stop), is_first=True))


def _nodes(flow: written.Flow[Stop], *, is_first: bool = False) -> Nodes:
    return tuple(_node(node, is_first=is_first and not at) for at, node in enumerate(flow))


def _node(node: written.Node[Stop], *, is_first: bool) -> Node:
    if isinstance(node, written.Parallel):
        ways = tuple(_nodes(branch, is_first=is_first) for branch in node.branches)
        return Parallel(ways, node.quorum, node.timeout_s)
    if isinstance(node, written.Each):
        return Each(_nodes(node.body), node.quorum, node.timeout_s, node.concurrency, takes_one=not is_first)
    if isinstance(node, written.When):
        return When(node.predicate, _nodes(node.then), _nodes(node.otherwise))
    return node


class Branch:
    """One branch, or one item, on its way."""

    __slots__ = ("_nodes", "_timeout_s", "_value", "place", "raised", "result", "scope")

    def __init__(self, nodes: Nodes, value: Any, scope: Scope, timeout_s: float | None) -> None:
        self._nodes = nodes
        self._value = value
        self._timeout_s = timeout_s
        self.scope = scope
        self.place = scope.place
        self.result: Any = None
        self.raised: BaseException | None = None

    def go(self) -> None:
        """Works it to its end; what it raises is kept."""
        begun = time.monotonic()
        mark = self.scope.effects.mark()
        try:
            self.result = along(self._nodes, self._value, self.scope)
            if self._timeout_s is not None and time.monotonic() - begun > self._timeout_s:
                raise broken(late(self._nodes[-1].name), self._nodes, len(self._nodes) - 1, self.scope)
        except BaseException as raised:  # whoever works the branches raises it
            self.scope.effects.keep(mark)
            self.raised = raised

    @property
    def is_there(self) -> bool:
        return self.raised is None and not isinstance(self.result, Drop)


def late(name: str) -> HansaError:
    """Why a branch is missing that has not ended in its time."""
    return HansaError("branch.late", f"{name} was not there in time", hint="Give it more time, or lower the quorum.")


class _Composed:
    __slots__ = ("name", "stops", "takes_one")

    def __init__(self, nodes: Nodes, *, takes_one: bool) -> None:
        self.stops = tuple(stops_of(nodes))
        self.name = self.stops[-1].name
        self.takes_one = takes_one

    def work(self, value: Any, scope: Scope) -> Any:
        raise NotImplementedError

    def call(self, value: Any, scope: Scope) -> Any:
        """As `work`: within a batch, too, the time of its logic is kept."""
        return self.work(value, scope)


class Parallel(_Composed):
    """Branches that all get the same value, and the barrier behind them."""

    __slots__ = ("_needed", "_timeout_s", "_ways")

    def __init__(self, ways: tuple[Nodes, ...], quorum: int | None, timeout_s: float | None) -> None:
        super().__init__(tuple(node for way in ways for node in way), takes_one=all(way[0].takes_one for way in ways))
        self._ways = ways
        self._needed = len(ways) if quorum is None else quorum
        self._timeout_s = timeout_s

    def work(self, value: Any, scope: Scope) -> Any:
        """The results by name, or the `Drop` of a branch that is needed."""
        branches = [Branch(way, value, scope.apart(scope.place.branch()), self._timeout_s) for way in self._ways]
        scope.turns.work(branches, at_once=len(branches), timeout_s=self._timeout_s)
        _raise_first(branches)
        _check_quorum(branches, self._needed)
        _settle(branches, scope)
        for branch in branches:
            if branch.is_there:
                scope.results.update(branch.scope.results)
        there = {way[-1].name: b.result for way, b in zip(self._ways, branches, strict=True) if b.is_there}
        if len(there) < self._needed:
            return next(branch.result for branch in branches if isinstance(branch.result, Drop))
        return there


class Each(_Composed):
    """Its body, for each item of a list."""

    __slots__ = ("_body", "_concurrency", "_quorum", "_timeout_s")

    def __init__(
        self, body: Nodes, quorum: int | None, timeout_s: float | None, concurrency: int, *, takes_one: bool
    ) -> None:
        super().__init__(body, takes_one=takes_one)
        self._body = body
        self._quorum = quorum
        self._timeout_s = timeout_s
        self._concurrency = concurrency

    def work(self, value: Any, scope: Scope) -> Any:
        """The list of results, without the items that were dropped or left out. It is journalled as a whole."""
        index = self.stops[-1].index
        if index in scope.journalled:
            made = scope.journalled[index](scope.effects)
        else:
            mark = scope.effects.mark()
            made = self._all(_items(value, self.name), scope)
            if scope.journal is not None:
                scope.journal(index, made, scope.effects, mark)
        scope.results[self.name] = made
        return made

    def _all(self, items: list[Any], scope: Scope) -> list[Any]:
        branches = self._branches(items, scope)
        scope.turns.work(branches, at_once=self._concurrency, timeout_s=self._timeout_s)
        _raise_first(branches)
        _check_quorum(branches, len(items) if self._quorum is None else self._quorum)
        _settle(branches, scope)
        self._tell(branches, scope)
        return [branch.result for branch in branches if branch.is_there]

    def _branches(self, items: list[Any], scope: Scope) -> list[Branch]:
        gate = Gate() if self._quorum is None else None
        if self._concurrency == 1:
            return [_Item(self._body, item, scope.inside(), self._timeout_s, gate) for item in items]
        inner, turn = scope.inside(), scope.place.next(self.name)
        apart = [inner.apart(scope.place.item(turn, number)) for number in range(len(items))]
        return [_Item(self._body, *one, self._timeout_s, gate) for one in zip(items, apart, strict=True)]

    def _tell(self, branches: list[Branch], scope: Scope) -> None:
        """The history of its logic, for all items together: failed where all did, skipped where there was none."""
        failed = [branch.raised.error for branch in branches if isinstance(branch.raised, Broken)]
        for stop in self.stops:
            mine = [error for error in failed if error.origin == stop.name]
            if mine:
                told = f"{len(mine)} of {len(branches)} items were left out; the first: {mine[0].message}"
                scope.ledger.errors[stop.index] = told
            if not branches:
                scope.ledger.states[stop.index] = "skipped"
            elif len(failed) < len(branches) and scope.ledger.states[stop.index]:
                scope.ledger.states[stop.index] = "succeeded"


@dataclass(slots=True)
class Gate:
    """Closed when the first item has failed where all are needed: no other one begins."""

    is_closed: bool = False


class _Item(Branch):
    __slots__ = ("_gate",)

    def __init__(self, nodes: Nodes, value: Any, scope: Scope, timeout_s: float | None, gate: Gate | None) -> None:
        super().__init__(nodes, value, scope, timeout_s)
        self._gate = gate

    def go(self) -> None:
        if self._gate is not None and self._gate.is_closed:
            return
        super().go()
        if self._gate is not None and self.raised is not None:
            self._gate.is_closed = True


class When(_Composed):
    """One of two ways, as the predicate answers."""

    __slots__ = ("_otherwise", "_predicate", "_then")

    def __init__(self, predicate: Stop, then: Nodes, otherwise: Nodes) -> None:
        super().__init__((predicate, *then, *otherwise), takes_one=predicate.takes_one)
        self._predicate = predicate
        self._then = then
        self._otherwise = otherwise

    def work(self, value: Any, scope: Scope) -> Any:
        """What the chosen way makes of the value."""
        if self._predicate.lifts and isinstance(value, list):
            inside = scope.inside()
            return [made for one in value if not isinstance(made := self._one(one, inside), Drop)]
        return self._one(value, scope)

    def _one(self, value: Any, scope: Scope) -> Any:
        try:
            answer = along((self._predicate,), value, scope)
        except Broken as failure:
            raise broken(failure, (self._predicate, *self._then, *self._otherwise), 0, scope) from None
        if isinstance(answer, Drop):
            return answer
        chosen, other = (self._then, self._otherwise) if answer else (self._otherwise, self._then)
        for stop in stops_of(other):
            scope.ledger.states[stop.index] = scope.ledger.states[stop.index] or "skipped"
        return along(chosen, value, scope)


def _raise_first(branches: Sequence[Branch]) -> None:
    """Raises what ends the run whatever the others made of it: an answer to the caller, a handler's error."""
    for branch in branches:
        if branch.raised is not None and not isinstance(branch.raised, Broken):
            raise branch.raised


def _check_quorum(branches: Sequence[Branch], needed: int) -> None:
    """Raises the error of the first that failed, with the handlers of all, where too few are there because of it."""
    failed = [branch.raised for branch in branches if isinstance(branch.raised, Broken)]
    if failed and sum(branch.is_there for branch in branches) < needed:
        raise Broken(failed[0].error, [handling for failure in failed for handling in failure.handlings])


def _settle(branches: Sequence[Branch], scope: Scope) -> None:
    """What each branch did becomes the run's, in the order written; of those that failed, what their handlers do."""
    for branch in branches:
        if isinstance(branch.raised, Broken):
            handle(branch.raised.handlings, scope)
        elif branch.scope.effects is not scope.effects:
            scope.effects.join(branch.scope.effects)


def _items(value: Any, name: str) -> list[Any]:
    if isinstance(value, str | bytes | dict | Record) or not isinstance(value, Iterable):
        raise AuthorError(
            "each.not_list",
            f"each({name}) got {type(value).__name__}, not a list",
            hint="Let the logic before it return a list.",
        )
    return list(value)
