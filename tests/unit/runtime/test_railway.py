"""The railway: logic in order, the other rail after a failure, and batches record by record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hansa.runtime.composed import track_of
from hansa.runtime.railway import Outcome, run
from hansa.runtime.stops import Scope
from hansa.sdk.logic import Logic
from hansa.sdk.process import Input, Parameter, Shape, Step
from hansa.sdk.values import Drop, Error, Problem


class Marks:
    """Effects as a list: everything since a mark can be dropped."""

    def __init__(self) -> None:
        self.made: list[Any] = []

    def mark(self) -> int:
        return len(self.made)

    def keep(self, mark: int) -> None:
        del self.made[mark:]

    def fork(self) -> Marks:
        return Marks()

    def join(self, other: Marks) -> None:
        self.made += other.made


def stop(
    function: Callable[..., Any],
    *,
    shape: Shape = "one",
    annotation: Any = Any,
    parameters: tuple[Parameter, ...] = (),
    settings: dict[str, Any] | None = None,
    on_error: Callable[..., Any] | None = None,
    name: str = "",
) -> Step:
    logic: Logic[..., Any] = Logic(function, "logic", name=name)
    return Step(logic.name, logic, settings or {}, parameters, Input(shape, annotation), on_error)


def scope(**changes: Any) -> Scope:
    return Scope({"path": {}, "query": {}, "resource": {}, "connection": {}}, Marks(), **changes)


def work(flow: tuple[Step, ...], value: Any, at: Scope | None = None, *, batch: bool = False) -> Outcome:
    return run(track_of(flow), value, at or scope(), batch=batch)


def states(outcome: Outcome) -> list[tuple[str, str]]:
    return [(logic.name, logic.state) for logic in outcome.logic]


def double(value: int) -> int:
    return value * 2


def broken(value: Any) -> Any:
    raise ValueError(f"no {value}")


def total(values: list[int]) -> int:
    return sum(values)


def test_each_logic_takes_what_the_one_before_returned() -> None:
    outcome = work((stop(double), stop(double, name="again")), 3)
    assert (outcome.state, outcome.value) == ("succeeded", 12)
    assert states(outcome) == [("double", "succeeded"), ("again", "succeeded")]


def test_the_scope_is_told_each_logic_before_it_runs() -> None:
    at, entered = scope(), []

    def look(value: int) -> int:
        entered.append(at.place.logic)
        return value

    work((stop(look), stop(look, name="again")), 3, at)
    assert entered == ["look", "again"]


def test_named_parameters_come_from_their_source() -> None:
    def told(**named: Any) -> dict[str, Any]:
        return named

    parameters = (
        Parameter("place", "path"),
        Parameter("page", "query", default=7),
        Parameter("mode", "query"),
        Parameter("ctx", "ctx"),
        Parameter("payload", "payload"),
        Parameter("double", "result"),
        Parameter("limit", "setting"),
        Parameter("rest", "default", default=1),
    )
    at = scope(ctx="the context", payload={"raw": True})
    at.sources = {"path": {"place": "here"}, "query": {}}
    track = (stop(double), stop(told, shape="none", parameters=parameters, settings={"limit": 5}))
    assert work(track, 4, at).value == {
        "place": "here",
        "mode": None,
        "ctx": "the context",
        "payload": {"raw": True},
        "double": 8,
        "limit": 5,
    }


def test_a_single_value_is_a_batch_of_one_for_logic_that_takes_a_list() -> None:
    assert work((stop(total, shape="list"),), 5).value == 5


def test_a_list_in_place_of_one_known_value_means_each_of_them_without_the_dropped() -> None:
    def odd(value: int) -> int | Drop:
        return value if value % 2 else Drop()

    assert work((stop(odd, annotation=int),), [1, 2, 3]).value == [1, 3]


def test_a_dropped_value_goes_no_further() -> None:
    outcome = work((stop(lambda value: Drop("why"), name="dropping"), stop(broken)), 1)
    assert (outcome.state, outcome.value, outcome.dropped) == ("succeeded", None, 1)
    assert states(outcome) == [("dropping", "succeeded")]


def test_a_failure_drops_the_effects_and_fails_the_run() -> None:
    at = scope()
    at.effects.made.append("before the run")  # type: ignore[attr-defined]

    def publish(value: int) -> int:
        at.effects.made.append(value)  # type: ignore[attr-defined]
        return value

    outcome = work((stop(publish), stop(broken), stop(double)), 3, at)
    assert outcome.state == "failed"
    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.message, outcome.error.origin) == (
        "logic.raised",
        "ValueError: no 3",
        "broken",
    )
    assert states(outcome) == [("publish", "succeeded"), ("broken", "failed"), ("double", "skipped")]
    assert at.effects.made == ["before the run"]  # type: ignore[attr-defined]


def test_every_handler_from_the_failing_logic_on_gets_the_same_error() -> None:
    heard: list[tuple[str, Error]] = []

    def handler(name: str) -> Callable[[Error], str]:
        def handle(error: Error) -> str:
            heard.append((name, error))
            return f"mended by {name}"

        return handle

    track = (
        stop(double, on_error=handler("first")),
        stop(broken, on_error=handler("second")),
        stop(double, name="third"),
        stop(double, name="last", on_error=handler("last")),
    )
    outcome = work(track, 1)
    assert [name for name, _ in heard] == ["second", "last"]
    assert heard[0][1] is heard[1][1]
    assert heard[0][1].origin == "broken"
    assert (outcome.state, outcome.value) == ("succeeded", "mended by last")
    assert outcome.error is not None
    assert states(outcome) == [
        ("double", "succeeded"),
        ("broken", "failed"),
        ("third", "skipped"),
        ("last", "handled"),
    ]


def test_a_handler_before_the_last_logic_does_not_save_the_run() -> None:
    outcome = work((stop(broken, on_error=lambda error: "mended"), stop(double)), 1)
    assert (outcome.state, outcome.value) == ("failed", None)


def test_a_handler_that_raises_fails_the_run_with_its_own_error() -> None:
    def worse(error: Error) -> None:
        raise RuntimeError("worse")

    track = (stop(broken), stop(double, on_error=worse), stop(double, name="last", on_error=lambda error: "mended"))
    outcome = work(track, 1)
    assert (outcome.state, outcome.value) == ("failed", None)
    assert outcome.error is not None
    assert (outcome.error.message, outcome.error.origin) == ("RuntimeError: worse", "double")
    assert states(outcome) == [("broken", "failed"), ("double", "failed"), ("last", "skipped")]


def test_a_problem_is_an_answer_that_no_handler_sees_and_that_commits_nothing() -> None:
    at = scope()

    def refuse(value: int) -> int:
        at.effects.made.append(value)  # type: ignore[attr-defined]
        raise Problem(400, "sum.negative", "left is negative")

    outcome = work((stop(refuse, on_error=lambda error: pytest.fail("handled")), stop(double)), 1, at)
    assert outcome.problem is not None
    assert (outcome.state, outcome.error, outcome.problem.code) == ("succeeded", None, "sum.negative")
    assert at.effects.made == []  # type: ignore[attr-defined]


def test_in_a_batch_a_bad_record_takes_only_its_own_effects_with_it() -> None:
    at = scope()

    def publish(value: int) -> int:
        at.effects.made.append(value)  # type: ignore[attr-defined]
        return value

    def picky(value: int) -> int | Drop:
        if value == 13:
            raise ValueError("bad luck")
        return Drop() if value == 0 else value

    outcome = work((stop(publish), stop(picky), stop(total, shape="list")), [1, 13, 0, 5], at, batch=True)
    assert (outcome.state, outcome.value, outcome.dropped) == ("succeeded", 6, 1)
    assert [(refused.index, refused.error.origin) for refused in outcome.refused] == [(1, "picky")]
    assert at.effects.made == [1, 0, 5]  # type: ignore[attr-defined]


def test_only_the_first_logic_that_takes_one_record_is_lifted() -> None:
    one, many = stop(double), stop(total, shape="list")
    assert [track_of(flow).lifted for flow in ((one, one), (one, many, one), (many, one))] == [2, 1, 0]


def test_results_are_journalled_but_for_the_last_and_not_made_again() -> None:
    written: dict[int, Any] = {}

    def write(index: int, result: Any, effects: Marks, mark: int) -> None:
        written[index] = result

    first = scope(journal=write)
    track = (stop(double), stop(double, name="again"), stop(double, name="last"))
    assert work(track, 1, first).value == 8
    assert written == {0: 2, 1: 4}
    second = scope(journalled={0: lambda effects: 100}, journal=write)
    assert work(track, 1, second).value == 400
    assert written == {0: 2, 1: 200}
