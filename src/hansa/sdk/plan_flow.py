"""The types and names along a flow: what each place is given, and which results it may name."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_
from typing import Any, Protocol, TypedDict

from hansa.sdk.fit import NOTHING, element, fits, items_of, members, passed_on, type_name, union, yields_chunks
from hansa.sdk.flow import Each, Flow, Node, Parallel, When, leaves
from hansa.sdk.logic import Bound, Logic
from hansa.sdk.process import Input, Step, entry, whole
from hansa.sdk.signature import Fault


@dataclass(frozen=True, slots=True)
class Reach:
    """What stands before a place: the value, who gives it, and the results of earlier logic.

    `value` is the type of what its giver passes on, None where the trigger gives it. `absent` tells of results that
    there may be none of, `beyond` of names that cannot be reached from here: why, in words. `in_batches`: what stands
    here is one record of a batch, whose others are worked beside it until a logic takes them together.
    """

    value: Any = None
    giver: str = ""
    source: Logic[..., Any] | None = None
    results: dict[str, Any] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    beyond: dict[str, str] = field(default_factory=dict)
    in_batches: bool = False


class Places(Protocol):
    """What compiles the leaves, and hears what is wrong."""

    def step(self, bound: Bound, name: str, reach: Reach) -> Step: ...

    def takes(self, logic: Logic[..., Any]) -> Input: ...

    def returns(self, logic: Logic[..., Any]) -> Any: ...

    def report(self, logic: Logic[..., Any] | None, fault: Fault) -> None:
        """At the logic, or at the process where there is none."""


class Walk:
    """Compiles one process's flow, place by place in the order written."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._names: set[str] = set()

    def process(self, flow: Flow[Bound], *, in_batches: bool) -> tuple[Flow[Step], Reach]:
        """The compiled flow of a process, and what stands behind it."""
        nodes: list[Node[Step]] = []
        reach = Reach(in_batches=in_batches)
        for index, node in enumerate(flow):
            if reach.in_batches and not self._takes_one(node, is_first=not index):
                reach = _together(reach)
            compiled, reach = self._node(node, reach)
            nodes.append(compiled)
        return tuple(nodes), reach

    def _takes_one(self, node: Node[Bound], *, is_first: bool) -> bool:
        """True where the runtime works it record by record."""
        if isinstance(node, Parallel):
            return all(self._takes_one(branch[0], is_first=is_first) for branch in node.branches)
        if isinstance(node, Each):
            return not is_first
        bound = node.predicate if isinstance(node, When) else node
        return self._places.takes(bound.logic).shape == "one" and not bound.logic.builtin

    def _flow(self, flow: Flow[Bound], reach: Reach) -> tuple[Flow[Step], Reach]:
        """A part of it."""
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
        returned = self._places.returns(logic)
        self._check_chunks(logic, returned, reach)
        if reach.value is not None:
            self._check_given(step, reach, reach.value)
        if logic.builtin and returned is Any and reach.value is not None:
            value = reach.value
        else:
            value = made(step.input, reach.value, passed_on(returned))
        behind = replace(reach, value=value, giver=f"{step.name} returns", source=logic)
        if yields_chunks(returned):
            beyond = {**reach.beyond, step.name: "a load, whose records are worked chunk by chunk"}
            return step, replace(behind, in_batches=True, beyond=beyond)
        return step, replace(behind, results={**reach.results, step.name: value})

    def _check_chunks(self, logic: Logic[..., Any], returned: Any, reach: Reach) -> None:
        is_first = reach.value is None and not reach.giver
        if yields_chunks(returned):
            if not is_first:
                message = f"{logic.name} yields chunks, which only the first logic of a process can, by itself"
                self._places.report(logic, Fault("chunk.place", message, "Put it at the beginning of a process."))
        elif is_first and inspect.isgeneratorfunction(logic.function) and passed_on(returned) is not Any:
            message = f"{logic.name} yields what is no Chunk: it returns {type_name(returned)}"
            hint = "Yield Chunk(records, position) and write '-> Iterator[Chunk[…]]', or return a list."
            self._places.report(logic, Fault("chunk.missing", message, hint))

    def _check_given(self, step: Step, reach: Reach, given: Any) -> None:
        if not takes(step.input, given):
            message = f"{reach.giver} {type_name(given)}, but {step.name} after it takes {type_name(whole(step.input))}"
            self._places.report(reach.source, Fault("type.mismatch", message, "Change one of them."))

    def _parallel(self, node: Parallel[Bound], reach: Reach) -> tuple[Node[Step], Reach]:
        branches: list[Flow[Step]] = []
        ends: dict[str, Reach] = {}
        for index, branch in enumerate(node.branches):
            others = (leaf for at, other in enumerate(node.branches) if at != index for leaf in leaves(other))
            compiled, end = self._flow(branch, _without(self._begun(reach, branches), others, "in another branch"))
            branches.append(compiled)
            ends[name_of(compiled)] = end
        is_open = node.quorum is not None and node.quorum < len(branches)
        absent = {name: f"where its branch of {_words('parallel', branches)} is missing" for name in _new(ends, reach)}
        value = _dict({name: _known(end) for name, end in ends.items()}, total=not is_open)
        behind = _merged(reach, ends.values(), absent if is_open else {})
        after = replace(behind, value=value, giver=f"{_words('parallel', branches)} makes", source=None)
        return Parallel(tuple(branches), node.quorum, node.timeout_s), after

    def _begun(self, reach: Reach, before: list[Flow[Step]]) -> Reach:
        """Where the trigger gives the value, the first branch says its type, and the others have to take it."""
        if reach.value is not None or not before:
            return replace(reach, giver=reach.giver or "the trigger gives")
        given = entry(Parallel(tuple(before)))
        if given.shape == "none" or whole(given) is Any:
            return replace(reach, giver="the trigger gives")
        return replace(reach, value=whole(given), giver=f"{name_of(before[0][:1])} is given")

    def _each(self, node: Each[Bound], reach: Reach) -> tuple[Node[Step], Reach]:
        given = _known(reach)
        items = [Any if member is Any else element(member) for member in members(given)]
        item = None if reach.value is None else union(kind for kind in items if kind is not None)
        inside = replace(reach, value=item, giver="each item is", source=None, in_batches=False)
        body, end = self._flow(node.body, inside)
        if None in items:
            message = f"{reach.giver} {type_name(given)}, but {_words('each', [body])} after it takes a list"
            self._places.report(reach.source, Fault("type.mismatch", message, "Return a list, or leave each() out."))
        name, kind = name_of(body), list[_known(end)]  # type: ignore[misc]
        after = _without(reach, leaves(node.body), "worked for each item")
        beyond = {n: why for n, why in after.beyond.items() if n != name}
        results = {**reach.results, name: kind}
        giver = f"{_words('each', [body])} makes"
        return (
            Each(body, node.quorum, node.timeout_s, node.concurrency),
            replace(after, value=kind, giver=giver, source=None, results=results, beyond=beyond),
        )

    def _when(self, node: When[Bound], reach: Reach) -> tuple[Node[Step], Reach]:
        is_lifted = reach.value is not None and self._places.takes(node.predicate.logic).lifts
        one = replace(reach, value=_spread(reach.value)) if is_lifted else reach
        predicate, asked = self._leaf(node.predicate, one)
        if not fits(asked.value, bool):
            message = f"{predicate.name} is the predicate of when() and returns {type_name(asked.value)}"
            self._places.report(node.predicate.logic, Fault("type.mismatch", message, "Return a bool."))
        one, other = replace(one, results=asked.results), "on the other way of when()"
        start = self._begun(one, [(predicate,)])
        then, yes = self._flow(node.then, _without(start, leaves(node.otherwise), other))
        start = self._begun(one, [(predicate,), then])
        otherwise, no = self._flow(node.otherwise, _without(start, leaves(node.then), other))
        absent = dict.fromkeys(_new({"": yes}, asked), f"where {predicate.name} answers False")
        absent |= dict.fromkeys(_new({"": no}, asked), f"where {predicate.name} answers True")
        value = made(predicate.input, reach.value, union((_known(yes), _known(no))))
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
    """True where the step can take every value of the type: as it stands, lifted over a list, or as a batch of one."""
    if wanted.shape in ("none", "arrow", "polars"):
        return True
    return all(_takes(wanted, member) for member in members(given))


def _takes(wanted: Input, given: Any) -> bool:
    inner = items_of(given)
    if wanted.shape == "list":
        return given is NOTHING or fits(given if inner is None else inner, wanted.annotation)
    return fits(inner if inner is not None and wanted.lifts else given, wanted.annotation)


def made(wanted: Input, given: Any, returned: Any) -> Any:
    """What comes of a logic that returns `returned` for one value: of a list that it is lifted over, a list of it."""
    if given is None or not wanted.lifts:
        return returned
    return union(returned if items_of(member) is None else list[returned] for member in members(given))


def _spread(given: Any) -> Any:
    """The type of the items of a list, of anything else itself."""
    items = ((member, items_of(member)) for member in members(given))
    return union(member if item is None else item for member, item in items)


def _known(reach: Reach) -> Any:
    return Any if reach.value is None else reach.value


def _together(reach: Reach) -> Reach:
    """Behind the logic that works a batch record by record: what it made is a list, but for a batch of one."""
    value = None if reach.value is None else _one_or_many(reach.value)
    results = {name: _one_or_many(kind) for name, kind in reach.results.items()}
    return replace(reach, value=value, results=results, in_batches=False)


def _one_or_many(kind: Any) -> Any:
    return union((kind, list[kind]))


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


def _words(name: str, flows: Iterable[Flow[Step]]) -> str:
    return f"{name}({', '.join(name_of(flow) for flow in flows)})"
