"""`parallel`, `each` and `when` in a run: values, the other rail, effects, the journal, and the history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hansa import Context, DataProduct, Drop, Error, Problem, each, parallel, reply, when
from hansa.model.product import ProductSpec
from hansa.runtime import wire
from hansa.runtime.attempt import Serving
from hansa.runtime.context import CappedOutput
from hansa.runtime.stops import IN_ORDER, Place, Turns
from hansa.runtime.turns import Rota
from hansa.sdk.plan import compile_product

RUN = "018f0000-1234-7000-8000-000000000000"


class Server:
    """Answers what author code asks, and keeps it. Who asks waits until all others have had a turn."""

    def __init__(self) -> None:
        self.turns = Rota(pytest.fail)
        self.asked: list[tuple[str, str, str]] = []
        self.state: dict[str, bytes] = {}

    @property
    def place(self) -> Place:
        return self.turns.place

    @place.setter
    def place(self, place: Place) -> None:
        self.turns.place = place

    def ask(self, what: str, arguments: Any) -> Any:
        self.asked.append((what, self.place.logic, self.place.next()))
        assert self.turns.until(lambda: True)
        return self.state.get(arguments[1]) if what == "state" else {"error": None, "result": b"1"}


class Lab:
    """One product in this process. Its branches take turns, as in a worker, or are worked in order, as in a test."""

    def __init__(self, *, in_turns: bool = True) -> None:
        self.product = DataProduct(__file__)
        self.server = Server()
        self.turns: Turns = self.server.turns if in_turns else IN_ORDER
        self.journal: dict[int, bytes] = {}

    def run(self, *flow: Any, body: Any = None, durability: str = "run", steps: dict[int, bytes] | None = None) -> Any:
        """The end of a run of that flow, with `reply` behind it unless it ends in an aggregator."""
        self.product.process("p", *flow, durability=durability)  # type: ignore[arg-type]
        _, findings = compile_product(self.product, ProductSpec("lab.flow", "Lab"))
        assert findings == []
        serving = Serving(
            self.product, "lab.flow", "r1", door=self.server, lookup=pytest.fail, connection=pytest.fail,
            output=CappedOutput(1000), turns=self.turns,
        )  # fmt: skip
        source = wire.Source("manual", msgspec.json.encode(body), "application/json")
        task = wire.Task(1, "p", RUN, 1, "ada", msgspec.msgpack.encode(source), steps=steps or {})
        (done,) = serving.work(task, on_step=lambda step: self.journal.update({step.index: step.result}))
        return done


@pytest.fixture(params=[True, False], ids=["in turns", "in order"])
def lab(request: pytest.FixtureRequest) -> Lab:
    return Lab(in_turns=request.param)


def result(done: wire.Done) -> Any:
    assert done.error is None, done.error
    return msgspec.json.decode(done.result)


def states(done: wire.Done) -> dict[str, str]:
    return {logic.name: logic.state for logic in done.logic}


def emitted(done: wire.Done) -> list[tuple[str, int]]:
    """(name, number) of the events that the run commits."""
    if not done.effects:
        return []
    (effect,) = done.effects
    head = msgspec.msgpack.encode([None] * effect.count)[: 1 if effect.count < 16 else 3]
    return [(body["name"], body["seq"]) for _, body in msgspec.msgpack.decode(head + effect.entries)]


def logic(lab: Lab, name: str, act: Callable[[Any, Context], Any]) -> Any:
    """A logic of that name, which emits its name and then acts."""

    def function(value: Any, *, ctx: Context) -> Any:
        ctx.emit(name)
        return act(value, ctx)

    function.__name__ = name
    return lab.product.logic(function)


def fails(value: Any, ctx: Context) -> Any:
    raise ValueError(f"no {value}")


def adds(number: int) -> Callable[[Any, Context], Any]:
    return lambda value, ctx: value + number


def handler(name: str) -> Callable[..., str]:
    def handle(error: Error, *, ctx: Context) -> str:
        ctx.emit(f"{name} after {error.origin}")
        return name

    return handle


# parallel


def test_each_branch_gets_the_same_value_and_the_results_come_by_name(lab: Lab) -> None:
    one, two, three = logic(lab, "one", adds(1)), logic(lab, "two", adds(2)), logic(lab, "three", adds(3))
    done = lab.run(parallel(one, [two, three]), reply, body=10)
    assert result(done) == {"one": 11, "three": 15}
    assert states(done) == dict.fromkeys(("one", "two", "three", "reply"), "succeeded")
    assert emitted(done) == [("one", 0), ("two", 1), ("three", 2)]


def test_every_result_can_be_named_behind_the_barrier(lab: Lab) -> None:
    one, two, three = logic(lab, "one", adds(1)), logic(lab, "two", adds(2)), logic(lab, "three", adds(3))

    @lab.product.aggregator
    def sums(*, one: int, two: int, three: int) -> list[int]:
        return [one, two, three]

    assert result(lab.run(parallel(one, [two, three]), sums, body=10)) == [11, 12, 15]


def test_a_branch_that_fails_fails_the_run_and_drops_what_the_others_did(lab: Lab) -> None:
    before, fine, bad = logic(lab, "before", adds(0)), logic(lab, "fine", adds(1)), logic(lab, "bad", fails)
    later, beyond = logic(lab, "later", adds(1)), logic(lab, "beyond", adds(1))
    for each_logic, name in ((fine, "fine"), (bad, "bad"), (later, "later"), (beyond, "beyond")):
        each_logic.on_error(handler(name))

    @lab.product.aggregator
    def end(value: Any) -> Any:
        return value

    @end.on_error
    def tell(error: Error) -> str:
        return f"{error.origin}: {error.message}"

    done = lab.run(before, parallel(fine, [bad, later]), beyond, end, body=1)
    assert (done.state, msgspec.json.decode(done.result)) == ("succeeded", "bad: ValueError: no 1")
    assert states(done) == {
        "before": "succeeded", "fine": "succeeded", "bad": "failed", "later": "handled", "beyond": "handled",
        "end": "handled",
    }  # fmt: skip
    assert [name for name, _ in emitted(done)] == ["bad after bad", "later after bad", "beyond after bad"]


def test_of_several_failures_the_first_as_written_is_the_error(lab: Lab) -> None:
    worse = logic(lab, "worse", lambda value, ctx: 1 / 0)
    done = lab.run(parallel(logic(lab, "fine", adds(1)), worse, logic(lab, "bad", fails)), reply, body=1)
    assert (done.state, done.error.origin) == ("failed", "worse")
    assert states(done) == {"fine": "succeeded", "worse": "failed", "bad": "failed", "reply": "skipped"}


def test_where_a_quorum_is_there_a_failed_branch_is_missing(lab: Lab) -> None:
    fine, bad = logic(lab, "fine", adds(1)), logic(lab, "bad", fails)
    bad.on_error(handler("bad"))

    @lab.product.aggregator
    def end(value: dict[str, int], *, fine: int | None, bad: int | None) -> Any:
        return [value, fine, bad]

    done = lab.run(parallel(bad, fine, quorum=1), end, body=1)
    assert result(done) == [{"fine": 2}, 2, None]
    assert states(done) == {"bad": "failed", "fine": "succeeded", "end": "succeeded"}
    assert [name for name, _ in emitted(done)] == ["bad after bad", "fine"]
    (told,) = [entry.error for entry in done.logic if entry.name == "bad"]
    assert told == "ValueError: no 1"


def test_where_there_is_no_quorum_the_run_fails_with_the_first_failure(lab: Lab) -> None:
    bad, worse = logic(lab, "bad", fails), logic(lab, "worse", lambda value, ctx: 1 / 0)
    done = lab.run(parallel(logic(lab, "fine", adds(1)), bad, worse, quorum=2), reply, body=1)
    assert (done.state, done.error.origin) == ("failed", "bad")


def test_a_dropped_branch_is_missing_or_ends_the_way_of_the_value(lab: Lab) -> None:
    fine, dropping = logic(lab, "fine", adds(1)), logic(lab, "dropping", lambda value, ctx: Drop("no need"))
    after = logic(lab, "after", lambda value, ctx: value)
    tolerant = lab.run(parallel(fine, dropping, quorum=1), after, reply, body=1)
    assert result(tolerant) == {"fine": 2}
    assert [name for name, _ in emitted(tolerant)] == ["fine", "dropping", "after"]
    strict = Lab()
    fine, dropping = logic(strict, "fine", adds(1)), logic(strict, "dropping", lambda value, ctx: Drop("no need"))
    done = strict.run(parallel(fine, dropping), logic(strict, "after", fails), reply, body=1)
    assert (done.state, result(done), done.dropped) == ("succeeded", None, 1)
    assert "after" not in states(done)


def test_a_problem_in_a_branch_answers_the_caller_whatever_the_quorum(lab: Lab) -> None:
    def refuse(value: Any, ctx: Context) -> Any:
        raise Problem(409, "order.twice", "It is there already")

    done = lab.run(parallel(logic(lab, "fine", adds(1)), logic(lab, "refuse", refuse), quorum=1), reply, body=1)
    assert (done.state, done.status, done.error.code, done.effects) == ("succeeded", 409, "order.twice", [])


def test_a_handler_that_raises_at_the_barrier_fails_the_run(lab: Lab) -> None:
    bad = logic(lab, "bad", fails)
    bad.on_error(lambda error: 1 / 0)
    done = lab.run(parallel(logic(lab, "fine", adds(1)), bad, quorum=1), reply, body=1)
    assert (done.state, done.error.message, done.effects) == ("failed", "ZeroDivisionError: division by zero", [])


def test_a_branch_sees_the_state_before_it_and_no_siblings(lab: Lab) -> None:
    def look(value: Any, ctx: Context) -> Any:
        return [ctx.state.get("common"), ctx.state.get("other")]

    def first(value: Any, ctx: Context) -> Any:
        ctx.state.put("other", 1)
        return look(value, ctx)

    start = logic(lab, "start", lambda value, ctx: ctx.state.put("common", 7) or value)
    done = lab.run(start, parallel(logic(lab, "a", first), logic(lab, "b", look)), reply, body=1)
    assert result(done) == {"a": [7, 1], "b": [7, None]}


def test_two_branches_that_change_one_key_are_refused(lab: Lab) -> None:
    def count(value: Any, ctx: Context) -> Any:
        ctx.state.put("count", ctx.state.get("count", 0) + 1)

    done = lab.run(parallel(logic(lab, "a", count), logic(lab, "b", count)), reply, body=1)
    assert (done.state, done.error.code) == ("failed", "state.contested")


def test_branches_share_the_scratch_of_the_run(lab: Lab) -> None:
    put = logic(lab, "put", lambda value, ctx: ctx.scratch.update(seen=value))
    done = lab.run(parallel(put, logic(lab, "get", lambda value, ctx: ctx.scratch["seen"])), reply, body=5)
    assert result(done) == {"put": None, "get": 5}


# each


def test_each_item_is_worked_in_order_and_dropped_ones_are_left_out(lab: Lab) -> None:
    odd = logic(lab, "odd", lambda value, ctx: value if value % 2 else Drop("even"))
    done = lab.run(each(odd, logic(lab, "more", adds(10))), reply, body=[1, 2, 3])
    assert result(done) == [11, 13]
    assert states(done) == {"odd": "succeeded", "more": "succeeded", "reply": "succeeded"}


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_bad_item_fails_the_run_unless_a_quorum_says_otherwise(concurrency: int) -> None:
    def picky(value: Any, ctx: Context) -> Any:
        return fails(value, ctx) if value < 0 else value

    strict, tolerant, empty = Lab(), Lab(), Lab()
    done = strict.run(each(logic(strict, "picky", picky), concurrency=concurrency), reply, body=[1, -2, -3])
    assert (done.state, done.error.message, states(done)["picky"]) == ("failed", "ValueError: no -2", "failed")
    bad = logic(tolerant, "picky", picky)
    bad.on_error(handler("picky"))
    done = tolerant.run(each(bad, quorum=1, concurrency=concurrency), reply, body=[1, -2, -3, 4])
    assert result(done) == [1, 4]
    assert sorted(name for name, _ in emitted(done)) == ["picky", "picky", "picky after picky", "picky after picky"]
    (told,) = [entry for entry in done.logic if entry.name == "picky"]
    assert (told.state, told.error) == ("succeeded", "2 of 4 items were left out; the first: ValueError: no -2")
    done = empty.run(each(logic(empty, "picky", picky), quorum=1, concurrency=concurrency), reply, body=[-1])
    assert (done.state, done.error.message) == ("failed", "ValueError: no -1")


def test_no_item_begins_after_one_has_failed_where_all_are_needed(lab: Lab) -> None:
    begun: list[int] = []

    def act(value: Any, ctx: Context) -> Any:
        begun.append(value)
        return fails(value, ctx)

    lab.run(each(logic(lab, "act", act)), reply, body=[1, 2, 3])
    assert begun == [1]


def test_the_list_of_results_has_the_name_of_the_last_logic(lab: Lab) -> None:
    double = logic(lab, "double", lambda value, ctx: 2 * value)

    @lab.product.aggregator
    def end(*, double: list[int]) -> int:
        return sum(double)

    assert result(lab.run(each(double), end, body=[1, 2])) == 6


def test_what_is_no_list_is_told(lab: Lab) -> None:
    made = logic(lab, "made", lambda value, ctx: {"a": 1})
    done = lab.run(made, each(logic(lab, "one", adds(1))), reply, body=1)
    assert (done.state, done.error.code) == ("failed", "each.not_list")


def test_ids_and_keys_do_not_depend_on_what_is_worked_beside() -> None:
    lab, again = Lab(), Lab()

    def ids(value: Any, ctx: Context) -> Any:
        ctx.call("other", value)
        return str(ctx.uuid())

    flow = (logic(lab, "a", ids), each(logic(lab, "b", ids), concurrency=2))
    done = lab.run(logic(lab, "start", lambda value, ctx: value), parallel(*flow), reply, body=[1, 2])
    made = result(done)
    alone = again.run(logic(again, "a", ids), reply, body=[1, 2])
    assert made["a"] == result(alone)
    assert len({made["a"], *made["b"]}) == 3
    assert len(set(lab.server.asked)) == 3


# when


@pytest.mark.parametrize(("body", "expected"), [(5, 15), (-5, -10)])
def test_the_predicate_chooses_and_both_ways_get_the_value_before_it(lab: Lab, body: int, expected: int) -> None:
    @lab.product.logic
    def positive(value: int) -> bool:
        return value > 0

    ten, twice = logic(lab, "ten", adds(10)), logic(lab, "twice", lambda value, ctx: 2 * value)
    done = lab.run(logic(lab, "start", adds(0)), when(positive, ten, [twice]), reply, body=body)
    assert result(done) == expected
    taken, other = ("ten", "twice") if body > 0 else ("twice", "ten")
    assert (states(done)[taken], states(done)[other]) == ("succeeded", "skipped")


def test_without_another_way_the_value_goes_on(lab: Lab) -> None:
    @lab.product.logic
    def positive(value: int) -> bool:
        return value > 0

    @lab.product.aggregator
    def end(value: int, *, positive: bool, ten: int | None = 0) -> Any:
        return [value, positive, ten]

    ten = logic(lab, "ten", adds(10))
    assert result(lab.run(when(positive, ten), end, body=-5)) == [-5, False, 0]


def test_a_failure_on_a_way_runs_its_handlers_and_then_the_later_ones(lab: Lab) -> None:
    @lab.product.logic
    def always(value: int) -> bool:
        return True

    bad, other = logic(lab, "bad", fails), logic(lab, "other", adds(1))
    for one, name in ((bad, "bad"), (other, "other")):
        one.on_error(handler(name))

    @lab.product.aggregator
    def end(value: Any) -> Any:
        return value

    end.on_error(handler("end"))
    done = lab.run(when(always, bad, other), end, body=1)
    assert [name for name, _ in emitted(done)] == ["bad after bad", "end after bad"]
    assert states(done) == {"always": "succeeded", "bad": "failed", "other": "skipped", "end": "handled"}


def test_a_failing_predicate_is_handled_on_both_ways(lab: Lab) -> None:
    @lab.product.logic
    def broken(value: int) -> bool:
        raise ValueError("no answer")

    one, two = logic(lab, "one", adds(1)), logic(lab, "two", adds(1))
    two.on_error(handler("two"))
    done = lab.run(when(broken, one, two), reply, body=1)
    assert (done.state, done.error.origin) == ("failed", "broken")
    assert states(done) == {"broken": "failed", "one": "skipped", "two": "handled", "reply": "skipped"}


# Nested, journalled, in batches


def test_compositions_nest(lab: Lab) -> None:
    @lab.product.logic
    def large(value: int) -> bool:
        return value > 10

    half = logic(lab, "half", lambda value, ctx: value // 2)
    odd = logic(lab, "odd", lambda value, ctx: value % 2)
    total = logic(lab, "total", lambda value, ctx: sum(value))
    flow = parallel([each(when(large, half), parallel(odd, logic(lab, "same", adds(0))))], total)
    made = result(lab.run(logic(lab, "start", lambda value, ctx: value), flow, reply, body=[3, 20]))
    assert made == {"same": [{"odd": 1, "same": 3}, {"odd": 0, "same": 10}], "total": 23}


def test_what_was_journalled_is_not_worked_again_and_its_effects_are_kept(lab: Lab) -> None:
    def flow(lab: Lab, act: Callable[[Any, Context], Any]) -> tuple[Any, ...]:
        def save(value: Any, ctx: Context) -> Any:
            ctx.state.put("saved", value)
            return value + 1

        items = each(logic(lab, "item", lambda value, ctx: value * 2))
        branches = parallel(logic(lab, "save", save), [logic(lab, "many", lambda value, ctx: [value, value]), items])
        return logic(lab, "start", adds(0)), branches, logic(lab, "act", act), reply

    done = lab.run(*flow(lab, fails), body=1, durability="step")
    assert done.state == "failed"
    assert sorted(lab.journal) == [0, 1, 2, 3]
    again = Lab()
    done = again.run(*flow(again, lambda value, ctx: value), body=1, durability="step", steps=lab.journal)
    assert result(done) == {"save": 2, "item": [2, 2]}
    assert [name for name, _ in emitted(done)] == ["start", "save", "many", "item", "item", "act"]
    assert [number for _, number in emitted(done)] == [0, 1, 2, 3, 4, 5]
    assert [(put.key, msgspec.msgpack.decode(put.value or b"")) for put in done.puts] == [("saved", 1)]
    assert sorted(again.journal) == [4]


def batch(lab: Lab, *flow: Any, records: list[Any]) -> wire.Done:
    """The end of a run over records of a port."""
    lab.product.process("b", *flow)
    _, findings = compile_product(lab.product, ProductSpec("lab.flow", "Lab"))
    assert findings == []
    serving = Serving(
        lab.product, "lab.flow", "r1", door=lab.server, lookup=pytest.fail, connection=pytest.fail,
        output=CappedOutput(1000), turns=lab.turns,
    )  # fmt: skip
    entries = b"".join(msgspec.msgpack.encode((None, record)) for record in records)
    part = wire.Records("t", 0, 0, len(records), 0, entries)
    source = msgspec.msgpack.encode(wire.Source("port", detail={"single": True}))
    (done,) = serving.work(wire.Task(1, "b", RUN, 1, "ada", source, [part]), on_step=pytest.fail)
    return done


def test_a_composition_is_lifted_over_a_batch_and_a_bad_record_fails_alone(lab: Lab) -> None:
    @lab.product.logic
    def positive(value: int) -> bool:
        return value > 0

    check = logic(lab, "check", lambda value, ctx: fails(value, ctx) if value == 13 else value)
    ways = when(positive, parallel(check, logic(lab, "next", adds(1))), logic(lab, "minus", lambda value, ctx: -value))

    @lab.product.aggregator
    def end(values: list[Any], *, positive: list[bool], minus: list[int | None]) -> Any:
        return [values, positive, minus]

    done = batch(lab, ways, end, records=[1, 13, -2])
    assert msgspec.json.decode(done.result) == [[{"check": 1, "next": 2}, 2], [True, False], [None, 2]]
    assert [(index, error.origin) for index, _, error in done.refused] == [(1, "check")]
    assert [name for name, _ in emitted(done)] == ["check", "next", "minus"]


def test_a_list_made_of_each_record_is_worked_within_it(lab: Lab) -> None:
    @lab.product.logic
    def lines(value: int) -> list[int]:
        return [value, value + 1]

    done = batch(lab, lines, each(logic(lab, "ten", lambda value, ctx: value * 10)), reply, records=[1, 5])
    assert msgspec.json.decode(done.result) == [[10, 20], [50, 60]]


def test_a_result_named_within_a_batch_is_that_of_the_record(lab: Lab) -> None:
    @lab.product.logic
    def first(value: int) -> int | Drop:
        return value * 10 if value else Drop()

    @lab.product.logic
    def second(value: int, *, first: int) -> int:
        return value + first

    @lab.product.aggregator
    def end(values: list[int], *, first: list[int]) -> Any:
        return [values, first]

    assert msgspec.json.decode(batch(lab, first, second, end, records=[1, 0, 3]).result) == [[20, 60], [10, 30]]
