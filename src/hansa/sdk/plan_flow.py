"""The types and names along a flow: what each place is given, and which results it may name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_
from typing import Any, Protocol, TypedDict, Union

from hansa.sdk.fit import element, fits, members, result_of, type_name, yields_chunks
from hansa.sdk.flow import Each, Flow, Node, Parallel, When, leaves
from hansa.sdk.logic import Bound, Logic
from hansa.sdk.process import Input, Step, entry, whole
from hansa.sdk.signature import Fault


@dataclass(frozen=True, slots=True)
class Reach:
    """What stands before a place: the value, who gives it, and the results of earlier logic.

    `value` is the type as its giver returns it, None where the trigger gives it. `absent` tells of results that there
    may be none of, `beyond` of names that cannot be reached from here: why, in words.
    """

    value: Any = None
    giver: str = ""
    source: Logic[..., Any] | None = None
    results: dict[str, Any] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    beyond: dict[str, str] = field(default_factory=dict)


class Places(Protocol):
    """What compiles the leaves, and hears what is wrong."""

    def step(self, bound: Bound, name: str, reach: Reach) -> Step: ...

    def returns(self, logic: Logic[..., Any]) -> Any: ...

    def report(self, logic: Logic[..., Any] | None, fault: Fault) -> None:
        """At the logic, or at the process where there is none."""


class Walk:
    """Compiles one process's flow, place by place in the order written."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._names: set[str] = set()

    def flow(self, flow: Flow[Bound], reach: Reach) -> tuple[Flow[Step], Reach]:
        """The compiled flow, and what stands behind it."""
        nodes: list[Node[Step]] = []
        for node in flow:
            compiled, reach = self._node(node, reach)
            nodes.append(compiled)
        return tuple(nodes), reach

    def _node(self, node: Node[Bound], reach: Reach) -> tuple[Node[Step], Reach]:
        if isinstance(node, Parallel):
            return self._parallel(node, reach)
        if isinstance(node, Each):
            return self._each(node, reach)
        if isinstance(node, When):
            return self._when(node, reach)
        return self._leaf(node, reach)

    def _leaf(self, bound: Bound, reach: Reach) -> tuple[Step, Reach]:
        logic = bound.logic
        step = self._places.step(bound, self._unique(logic.name), reach)
        self._check_given(step, reach)
        returned = self._places.returns(logic)
        passes_on = logic.builtin and returned is Any and reach.value is not None
        if passes_on:
            returned = reach.value
        results = {**reach.results, step.name: returned}
        return step, replace(reach, value=returned, giver=f"{step.name} returns", source=logic, results=results)

    def _check_given(self, step: Step, reach: Reach) -> None:
        if yields_chunks(self._places.returns(step.logic)) and (reach.value is not None or reach.giver):
            message = f"{step.name} yields chunks, which only the first logic of a process can, by itself"
            self._places.report(step.logic, Fault("chunk.place", message, "Put it at the beginning of a process."))
        if reach.value is None:
            return
        given = result_of(reach.value)
        if not takes(step.input, given):
            message = (
                f"{reach.giver} {type_name(given)}, but {step.name} after it takes {type_name(step.input.annotation)}"
            )
            self._places.report(reach.source, Fault("type.mismatch", message, "Change one of them."))

    def _parallel(self, node: Parallel[Bound], reach: Reach) -> tuple[Node[Step], Reach]:
        branches: list[Flow[Step]] = []
        ends: dict[str, Reach] = {}
        for index, branch in enumerate(node.branches):
            others = (leaf for at, other in enumerate(node.branches) if at != index for leaf in leaves(other))
            compiled, end = self.flow(branch, _without(self._begun(reach, branches), others, "in another branch"))
            branches.append(compiled)
            ends[name_of(compiled)] = end
        is_open = node.quorum is not None and node.quorum < len(branches)
        absent = {name: f"where its branch of {_words('parallel', branches)} is missing" for name in _new(ends, reach)}
        value = _dict({name: result_of(end.value) for name, end in ends.items()}, total=not is_open)
        behind = _merged(reach, ends.values(), absent if is_open else {})
        after = replace(behind, value=value, giver=f"{_words('parallel', branches)} makes", source=None)
        return Parallel(tuple(branches), node.quorum, node.timeout_s), after

    def _begun(self, reach: Reach, before: list[Flow[Step]]) -> Reach:
        """Where the trigger gives the value, the first branch says its type, and the others have to take it."""
        if reach.value is not None or not before:
            return replace(reach, giver=reach.giver or "the trigger gives")
        given = entry(Parallel(tuple(before)))
        if given.shape == "none":
            return replace(reach, giver="the trigger gives")
        return replace(reach, value=whole(given), giver=f"{name_of(before[0][:1])} is given")

    def _each(self, node: Each[Bound], reach: Reach) -> tuple[Node[Step], Reach]:
        given = Any if reach.value is None else result_of(reach.value)
        items = [inner for member in members(given) if (inner := element(member)) is not None]
        inside = replace(reach, value=_union(items) if items else reach.value and Any, giver="each item is")
        body, end = self.flow(node.body, replace(inside, source=None) if items else inside)
        if not items and Any not in members(given):
            message = f"{reach.giver} {type_name(given)}, but {_words('each', [body])} after it takes a list"
            self._places.report(reach.source, Fault("type.mismatch", message, "Return a list, or leave each() out."))
        name, made = name_of(body), list[result_of(end.value)]  # type: ignore[misc]
        after = _without(reach, leaves(node.body), "worked for each item")
        beyond = {n: why for n, why in after.beyond.items() if n != name}
        results = {**reach.results, name: made}
        giver = f"{_words('each', [body])} makes"
        return (
            Each(body, node.quorum, node.timeout_s, node.concurrency),
            replace(after, value=made, giver=giver, source=None, results=results, beyond=beyond),
        )

    def _when(self, node: When[Bound], reach: Reach) -> tuple[Node[Step], Reach]:
        predicate, asked = self._leaf(node.predicate, reach)
        if not fits(result_of(asked.value), bool):
            message = f"{predicate.name} is the predicate of when() and returns {type_name(result_of(asked.value))}"
            self._places.report(node.predicate.logic, Fault("type.mismatch", message, "Return a bool."))
        start = self._begun(reach, [(predicate,)])
        start = replace(start, results=asked.results)
        other = "on the other way of when()"
        then, yes = self.flow(node.then, _without(start, leaves(node.otherwise), other))
        otherwise, no = self.flow(node.otherwise, _without(start, leaves(node.then), other))
        absent = dict.fromkeys(_new({"": yes}, asked), f"where {predicate.name} answers False")
        absent |= dict.fromkeys(_new({"": no}, asked), f"where {predicate.name} answers True")
        value = _union([Any if end.value is None else end.value for end in (yes, no)])
        behind = _merged(replace(reach, results=asked.results), (yes, no), absent)
        giver = f"when({predicate.name}, …) makes"
        return When(predicate, then, otherwise), replace(behind, value=value, giver=giver, source=None)

    def _unique(self, name: str) -> str:
        """`name`, or with `_2`, `_3`, … where it stands in the process already."""
        numbered, count = name, 1
        while numbered in self._names:
            count += 1
            numbered = f"{name}_{count}"
        self._names.add(numbered)
        return numbered


def name_of(flow: Flow[Step]) -> str:
    """The name of what a branch makes: that of the last logic in it."""
    return list(leaves(flow))[-1].name


def takes(wanted: Input, given: Any) -> bool:
    """False where the step surely cannot take it: as it stands, lifted over a list, or as a batch of one."""
    if wanted.shape in ("none", "arrow", "polars"):
        return True
    inner = [found for member in members(given) if (found := element(member)) is not None]
    return any(fits(candidate, wanted.annotation) for candidate in (given, *inner))


def _without(reach: Reach, hidden: Iterable[Bound], why: str) -> Reach:
    return replace(reach, beyond={**reach.beyond, **{bound.logic.name: why for bound in hidden}})


def _new(ends: dict[str, Reach], before: Reach) -> list[str]:
    return [name for end in ends.values() for name in end.results if name not in before.results]


def _merged(before: Reach, ends: Iterable[Reach], absent: dict[str, str]) -> Reach:
    """All that can be named behind several ways."""
    found = tuple(ends)
    results = reduce(or_, (end.results for end in found), before.results)
    missing = reduce(or_, (end.absent for end in found), before.absent)
    return replace(before, results=results, absent={**missing, **absent})


def _dict(kinds: dict[str, Any], *, total: bool) -> Any:
    """The type of a dict with those keys."""
    make: Any = TypedDict  # made at run time
    return make("dict", kinds, total=total)


def _union(kinds: list[Any]) -> Any:
    return Union[tuple(kinds)]  # noqa: UP007  (made at run time)


def _words(name: str, flows: Iterable[Flow[Step]]) -> str:
    return f"{name}({', '.join(name_of(flow) for flow in flows)})"
