"""Composition as authors write it: what is refused where it stands, and what plan says of names and types."""

from __future__ import annotations

import pytest

from hansa import DataProduct, each, parallel, reply, when
from hansa.errors import AuthorError
from hansa.model.product import FlowSpec, ProductSpec, flow_text
from hansa.sdk.plan import compile_product

DECLARED = ProductSpec("lab.flow", "Lab")


@pytest.fixture
def product() -> DataProduct:
    return DataProduct(__file__)


def findings(product: DataProduct) -> list[str]:
    """`code: message hint`; each has a file and a line."""
    _, found = compile_product(product, DECLARED)
    assert all(finding.file == "test_sdk_flow.py" and finding.line for finding in found)
    return [f"{finding.code}: {finding.message} {finding.hint}" for finding in found]


class Order:
    pass


class Parcel:
    pass


def test_what_cannot_be_meant_is_refused_where_it_is_written(product: DataProduct) -> None:
    @product.logic
    def act(value: int) -> int:
        return value

    @product.logic
    def is_large(value: int) -> bool:
        return value > 9

    refused = {
        "flow.empty": [parallel, each, lambda: when(is_large, ())],
        "flow.option": [
            lambda: parallel(act, quorum=2), lambda: parallel(act, quorum=0), lambda: parallel(act, timeout_s=0),
            lambda: each(act, concurrency=0), lambda: each(act, concurrency=33), lambda: each(act, quorum=-1),
        ],
        "process.not_logic": [
            lambda: parallel(len), lambda: each([act, 3]), lambda: when(len, act),  # type: ignore[arg-type,list-item]
            lambda: when(parallel(act), act), lambda: product.process("p", act, len),  # type: ignore[arg-type]
        ],
    }  # fmt: skip
    for code, acts in refused.items():
        for one in acts:
            with pytest.raises(AuthorError) as caught:
                one()  # type: ignore[operator]
            assert (caught.value.code, bool(caught.value.message)) == (code, True)
    assert product.declarations == {}


def test_a_composition_is_described_as_it_was_written(product: DataProduct) -> None:
    @product.logic
    def a(value: list[int]) -> list[int]:
        return value

    @product.logic
    def b(value: int) -> int:
        return value

    @product.logic
    def odd(value: int) -> bool:
        return value % 2 == 1

    flow = parallel([a, each(b, quorum=0, concurrency=4)], a, quorum=1, timeout_s=0.5)
    product.process("p", a, flow, reply)
    product.process("q", when(odd, [b, b]), reply)
    spec, found = compile_product(product, DECLARED)
    assert found == []
    one, two = spec.processes
    assert flow_text(one.flow) == (
        "a → parallel((a_2 → each(b, quorum=0, concurrency=4)), a_3, quorum=1, timeout_s=0.5) → reply"
    )
    assert flow_text(two.flow) == "when(odd, (b → b_2)) → reply"
    assert [step.name for step in one.steps] == ["a", "a_2", "b", "a_3", "reply"]
    assert two.flow[0] == FlowSpec("when", "odd", ((FlowSpec("step", "b"), FlowSpec("step", "b_2")), ()))


def test_an_aggregator_stands_at_the_end_and_nowhere_else(product: DataProduct) -> None:
    @product.logic
    def act(value: int) -> int:
        return value

    product.process("p", parallel(act, reply), reply)
    product.process("q", act, parallel(act, act))
    early, late = findings(product)
    assert early.startswith("process.aggregator_early: The aggregator reply is not the last of the process p")
    assert late.startswith("process.no_aggregator: The process q ends in parallel(…), not in an aggregator")


def test_each_branch_takes_what_comes_before(product: DataProduct) -> None:
    @product.logic
    def order(value: str) -> Order:
        return Order()

    @product.logic
    def ship(order: Order) -> Parcel:
        return Parcel()

    @product.logic
    def weigh(parcel: Parcel) -> float:
        return 1.0

    product.process("p", order, parallel([ship, weigh], weigh), reply)
    product.process("q", parallel(ship, weigh), reply)
    one, two = findings(product)
    assert one.startswith("type.mismatch: order returns Order, but weigh_2 after it takes Parcel")
    assert two.startswith("type.mismatch: ship is given Order, but weigh after it takes Parcel")


def test_each_needs_a_list_of_what_its_logic_takes(product: DataProduct) -> None:
    @product.logic
    def orders(value: str) -> list[Order]:
        return []

    @product.logic
    def one(value: str) -> Order:
        return Order()

    @product.logic
    def ship(order: Order) -> Parcel:
        return Parcel()

    @product.logic
    def weigh(parcel: Parcel) -> float:
        return 1.0

    product.process("fine", orders, each(ship, weigh), reply)
    product.process("no_list", one, each(ship), reply)
    product.process("other", orders, each(weigh), reply)
    no_list, other = findings(product)
    assert no_list.startswith("type.mismatch: one returns Order, but each(ship) after it takes a list")
    assert other.startswith("type.mismatch: each item is Order, but weigh after it takes Parcel")


def test_what_follows_takes_what_a_composition_makes(product: DataProduct) -> None:
    @product.logic
    def ship(order: Order) -> Parcel:
        return Parcel()

    @product.logic
    def known(order: Order) -> bool:
        return True

    @product.logic
    def takes_orders(orders: list[Order]) -> int:
        return 0

    @product.logic
    def takes_dict(value: dict[str, object]) -> int:
        return 0

    @product.logic
    def takes_either(value: Order | Parcel) -> int:
        return 0

    product.process("fine", parallel(ship, known), takes_dict, reply)
    product.process("either", when(known, ship), takes_either, reply)
    product.process("branches", parallel(ship, known), takes_orders, reply)
    product.process("items", each(ship), takes_orders, reply)
    branches, items = findings(product)
    assert "parallel(ship, known) makes dict, but takes_orders after it takes list[Order]" in branches
    assert "each(ship) makes list[Parcel], but takes_orders after it takes list[Order]" in items


def test_both_ways_of_when_must_fit_what_follows(product: DataProduct) -> None:
    @product.logic
    def is_known(order: Order) -> bool:
        return True

    @product.logic
    def parcels(order: Order) -> list[Parcel]:
        return []

    @product.logic
    def number(order: Order) -> str:
        return ""

    @product.logic
    def count(parcels: list[Parcel]) -> int:
        return 0

    product.process("fine", when(is_known, parcels), reply)
    product.process("mixed", when(is_known, number, parcels), count, reply)
    (found,) = findings(product)
    assert "when(is_known, …) makes str | list[Parcel], but count after it takes list[Parcel]" in found


def test_a_predicate_answers_with_a_bool(product: DataProduct) -> None:
    @product.logic
    def text(value: int) -> str:
        return ""

    @product.logic
    def act(value: int) -> int:
        return value

    product.process("p", when(text, act), reply)  # type: ignore[arg-type]
    (found,) = findings(product)
    assert found.startswith("type.mismatch: text is the predicate of when() and returns str")


def test_the_result_of_another_branch_is_out_of_reach(product: DataProduct) -> None:
    @product.logic
    def ship(order: int) -> Parcel:
        return Parcel()

    @product.logic
    def weigh(order: object, *, ship: Parcel) -> float:
        return 1.0

    @product.logic
    def large(order: int) -> bool:
        return True

    product.process("fine", ship, parallel(weigh), reply)
    product.process("beside", parallel(ship, weigh), reply)
    product.process("other_way", when(large, ship, weigh), reply)
    beside, other_way = findings(product)
    assert beside.startswith("parameter.beyond: The result of ship is out of reach of weigh: it is in another branch")
    assert "it is on the other way of when()" in other_way


def test_inner_results_of_each_are_out_of_reach_behind_it(product: DataProduct) -> None:
    @product.logic
    def ship(order: int) -> Parcel:
        return Parcel()

    @product.logic
    def weigh(parcel: Parcel) -> float:
        return 1.0

    @product.aggregator
    def end(*, ship: list[Parcel], weigh: list[float]) -> int:
        return 0

    product.process("p", each(ship, weigh), end)
    (found,) = findings(product)
    assert found.startswith("parameter.beyond: The result of ship is out of reach of end: it is worked for each item")


def test_a_result_that_may_be_missing_needs_a_type_that_says_so(product: DataProduct) -> None:
    @product.logic
    def ship(order: int) -> Parcel:
        return Parcel()

    @product.logic
    def weigh(order: int) -> float:
        return 1.0

    @product.logic
    def large(order: int) -> bool:
        return True

    @product.aggregator
    def sure(*, ship: Parcel) -> int:
        return 0

    @product.aggregator
    def careful(*, ship: Parcel | None, weigh: float = 0.0) -> int:
        return 0

    product.process("all", parallel(ship, weigh), sure)
    product.process("careful", parallel(ship, weigh, quorum=1), careful)
    product.process("quorum", parallel(ship, weigh, quorum=1), sure)
    product.process("yes", when(large, ship), sure)
    product.process("no", when(large, weigh, ship), sure)
    quorum, yes, no = findings(product)
    assert "'ship' of sure is Parcel, but there is none where its branch of parallel(ship, weigh) is missing" in quorum
    assert "Write 'ship: Parcel | None', or give it a default." in quorum
    assert "there is none where large answers False" in yes
    assert "there is none where large answers True" in no


def test_chunks_come_from_the_first_logic_by_itself(product: DataProduct) -> None:
    from collections.abc import Iterator

    from hansa import Chunk

    def load() -> Iterator[Chunk[int]]:
        yield Chunk([1])

    load.__annotations__["return"] = Iterator[Chunk[int]]
    loading = product.logic(load)

    @product.logic
    def act(value: int) -> int:
        return value

    product.process("fine", loading, parallel(act, act), reply)
    product.process("second", act, loading, reply)
    product.process("inside", parallel(loading, act), reply)
    found = findings(product)
    assert [text.partition(":")[0] for text in found] == ["chunk.place"]
    assert "load yields chunks, which only the first logic of a process can" in found[0]
