"""What plan accepts ends in no type error: every logic gets a value of the type that it has written down."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any, get_args, get_origin

from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

from hansa import Chunk, DataProduct, Drop, Record, each, on, parallel, reply, when
from hansa.model.product import ProductSpec, flow_text
from hansa.runtime import railway
from hansa.runtime.composed import track_of
from hansa.runtime.context import Buffer
from hansa.runtime.stops import Scope
from hansa.sdk.fit import members, type_name
from hansa.sdk.logic import Logic
from hansa.sdk.plan import compile_product
from hansa.sdk.process import Process, whole

DECLARED = ProductSpec("lab.types", "Types")


class Order(Record, frozen=True):
    number: int


class Rush(Order, frozen=True):
    pass


SAMPLES: dict[Any, tuple[Any, ...]] = {
    int: (0, 7),
    bool: (True, False),
    str: ("", "text"),
    type(None): (None,),
    Order: (Order(1), Rush(2)),
    Rush: (Rush(3),),
    Drop: (Drop("not wanted"),),
    dict[str, int]: ({}, {"a": 1}),
}
ONE = [int, int, Order, Rush, list[int], list[Order], dict[str, int], str, bool, list[str], list[list[int]]]
TAKES = st.sampled_from([Any, *ONE, list[Any], int | None, Order | None, str | list[int], list[int] | None, int | str])
RETURNS = st.sampled_from([*ONE, int | None, str | list[int], list[int] | None, int | Drop, Order | Rush, int | str])


def shown(logic: Logic[..., Any]) -> str:
    return f"{logic.name}{inspect.signature(logic.function)} {logic.function.__annotations__}"


def samples(kind: Any) -> list[Any]:
    found: list[Any] = []
    for member in members(kind):
        found += SAMPLES[member] if member in SAMPLES else [samples(get_args(member)[0]), []]
    return found


def is_of(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if len(members(kind)) > 1:
        return any(is_of(value, member) for member in members(kind))
    if get_origin(kind) is list:
        return isinstance(value, list) and all(is_of(item, get_args(kind)[0]) for item in value)
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(is_of(item, get_args(kind)[1]) for item in value.values())
    return isinstance(value, kind)


class Shop:
    """Makes logic whose bodies hold their callers to their annotations."""

    def __init__(self) -> None:
        self.product = DataProduct(__file__)
        self.names: list[str] = []

    def logic(self, takes: Any, returns: Any, named: dict[str, Any]) -> Logic[..., Any]:
        made = cycle(samples(returns))
        name = f"logic_{len(self.names)}"

        def function(value: Any, **given: Any) -> Any:
            for what, one, kind in [("value", value, takes), *((key, given[key], named[key]) for key in given)]:
                if not is_of(one, kind):
                    raise TypeError(f"{name}: {what} is {one!r}, not {kind}")
            return next(made)

        return self._declared(function, name, returns, {"value": takes}, named)

    def load(self, record: Any) -> Logic[..., Any]:
        def function() -> Iterator[Any]:
            yield Chunk(samples(record) * 2)

        return self._declared(function, "load", Iterator[Chunk[record]], {}, {})  # type: ignore[valid-type]

    def _declared(
        self, function: Callable[..., Any], name: str, returns: Any, first: dict[str, Any], named: dict[str, Any]
    ) -> Logic[..., Any]:
        function.__name__ = name
        function.__annotations__ = {**first, **named, "return": returns}
        function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter(key, inspect.Parameter.POSITIONAL_ONLY) for key in first]
            + [inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY) for key in named]
        )
        self.names.append(name)
        return self.product.logic(function)


@st.composite
def logics(draw: st.DrawFn, shop: Shop, returns: Any = RETURNS) -> Logic[..., Any]:
    known = ["payload", *shop.names]
    names = draw(st.lists(st.sampled_from(known), max_size=1))
    return shop.logic(draw(TAKES), draw(returns), {name: draw(TAKES) for name in names})


@st.composite
def parts(draw: st.DrawFn, shop: Shop, depth: int = 2) -> Any:
    def several(size_max: int) -> list[Any]:
        return [draw(parts(shop, depth - 1)) for _ in range(draw(st.integers(1, size_max)))]

    kind = draw(st.sampled_from(["logic", "logic", "parallel", "each", "when"] if depth else ["logic"]))
    if kind == "parallel":
        return parallel(several(1), several(2), quorum=draw(st.sampled_from([None, 1])))
    if kind == "each":
        return each(*several(2))
    if kind == "when":
        return when(draw(logics(shop, st.just(bool))), several(1), draw(st.sampled_from([(), several(1)])))
    return draw(logics(shop))


@st.composite
def shops(draw: st.DrawFn) -> tuple[Shop, bool, Any]:
    """A product with one process, whether it takes batches, and the records of its load, where it is one."""
    shop = Shop()
    loads = draw(st.sampled_from([None, None, None, int, Order, list[int]]))
    first = [shop.load(loads)] if loads else []
    flow = [draw(parts(shop)) for _ in range(draw(st.integers(1, 3)))]
    is_in_batches = not loads and draw(st.booleans())
    trigger = on.event("ordered", batch=5) if is_in_batches else ()
    shop.product.process("flow", *first, *flow, reply, on=trigger)
    return shop, is_in_batches, loads


def begun(process: Process) -> list[Any]:
    """What the trigger may give."""
    wanted = whole(process.input) if process.input.shape != "none" else None
    if "Any" in type_name(wanted):  # who writes that takes what comes, and plan promises nothing
        return []
    return [None] if wanted is None else samples(wanted)


def outcomes(process: Process, loads: Any, *, is_in_batches: bool) -> Iterator[railway.Outcome]:
    track = track_of(process.flow)
    if loads:
        rest = track.behind(1)
        yield railway.run(rest, samples(loads), Scope({}, Buffer()), batch=rest.nodes[0].takes_one)
        return
    for value in begun(process):
        yield railway.run(track, value, Scope({}, Buffer(), payload=value), batch=False)
    if is_in_batches and process.input.shape == "one":
        yield railway.run(track, begun(process), Scope({}, Buffer(), payload=begun(process)), batch=True)


@settings(max_examples=300, suppress_health_check=list(HealthCheck), deadline=None)
@given(shops())
def test_what_plan_accepts_gets_the_types_that_it_has_written(made: tuple[Shop, bool, Any]) -> None:
    shop, is_in_batches, loads = made
    spec, findings = compile_product(shop.product, DECLARED)
    logics = ", ".join(map(shown, shop.product.logics.values()))
    note(f"{flow_text(spec.processes[0].flow)}, in batches: {is_in_batches}: {logics}")
    event("refused" if findings else "accepted")
    if findings:
        return
    for outcome in outcomes(shop.product.processes["flow"], loads, is_in_batches=is_in_batches):
        assert outcome.error is None, outcome.error.message
        assert not outcome.refused, outcome.refused[0].error.message
