"""A product in this process: calls, feeds and what follows from them, as when it is deployed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from hansa.errors import CallerError
from hansa.testing.inline import Failed, InlineHansa

PRODUCTS = Path(__file__).parents[2] / "acceptance" / "products"
LAB = PRODUCTS / "lab"
NUMBERS, SQUARES = "lab.bench/numbers@1", "lab.bench/squares@1"


@pytest.fixture
def hansa() -> InlineHansa:
    inline = InlineHansa()
    inline.load(LAB)
    return inline


def number(name: str, value: int) -> dict[str, Any]:
    return {"name": name, "value": value}


def put(hansa: InlineHansa, *numbers: dict[str, Any]) -> Any:
    return hansa.call("PUT /lab/bench/numbers", list(numbers))


def test_a_route_answers_with_its_result_and_status(hansa: InlineHansa) -> None:
    assert hansa.call("POST /lab/bench/sums", {"left": 2, "right": 3}) == {"sum": 5, "place": "here"}
    assert (hansa.runs[-1].status, hansa.runs[-1].headers) == (201, {"x-place": "here"})


def test_a_process_is_called_by_its_name_or_its_whole_id(hansa: InlineHansa) -> None:
    assert hansa.call("peek") == hansa.call("lab.bench:peek") == {"peeked": True, "parent": "manual"}


def test_a_problem_is_an_answer_and_nothing_fails(hansa: InlineHansa) -> None:
    with pytest.raises(CallerError) as caught:
        hansa.call("POST /lab/bench/sums", {"left": -1})
    assert (caught.value.code, caught.value.details["status"]) == ("sum.negative", 400)
    assert hansa.runs[-1].state == "succeeded"


def test_input_that_does_not_fit_is_told_with_its_path(hansa: InlineHansa) -> None:
    with pytest.raises(CallerError) as caught:
        hansa.call("POST /lab/bench/sums", {"left": "x"})
    assert (caught.value.code, caught.value.details["errors"][0]["path"]) == ("input.invalid", "body.left")


def test_a_run_that_fails_raises_with_the_frames_of_its_author(hansa: InlineHansa) -> None:
    with pytest.raises(Failed) as caught:
        hansa.call("POST /lab/bench/sums", {"left": 1001})
    assert (caught.value.message, caught.value.details["origin"]) == ("ValueError: 1001 is more than 1000", "add")
    assert "product.py" in caught.value.details["traceback"]
    assert hansa.runs[-1].state == "failed"


def test_query_parameters_are_converted(hansa: InlineHansa) -> None:
    with pytest.raises(Failed, match="5 is more than 4"):
        hansa.call("POST /lab/bench/sums", {"left": 5}, query={"limit": "4"})


def test_what_is_published_is_followed_until_nothing_is_left(hansa: InlineHansa) -> None:
    assert put(hansa, number("a", 2), number("zero", 0), number("bad", 13), number("b", 3)) == {
        "put": 4,
        "before": None,
    }
    assert [row["value"] for row in hansa.read(NUMBERS)] == [2, 0, 13, 3]
    assert [(row["name"], row["value"]) for row in hansa.read(SQUARES)] == [("a", 4), ("b", 9)]
    followed = next(run for run in hansa.runs if run.refused)
    assert ([index for index, _, _ in followed.refused], followed.dropped) == ([2], 1)
    runs = len(hansa.runs)
    hansa.settle()
    assert len(hansa.runs) == runs


def test_lookups_see_what_was_committed_before(hansa: InlineHansa) -> None:
    put(hansa, number("a", 2))
    assert put(hansa, number("a", 5))["before"] == 2


def test_events_are_kept_and_start_only_whom_they_concern(hansa: InlineHansa) -> None:
    put(hansa, number("a", 41))
    before = len(hansa.runs)
    put(hansa, number("b", 42))
    assert [event["payload"] for event in hansa.events("number.put")] == [{"value": 41}, {"value": 42}]
    assert [event["source"] for event in hansa.events()] == ["number a", "number b"]
    assert hansa.events("other") == []
    assert len(hansa.runs) - before == 3, "the call, the square and the one who heard of 42"


def test_records_are_fed_and_read_as_the_class_of_their_handle() -> None:
    hansa = InlineHansa()
    hansa.load(LAB)
    module = importlib.import_module(f"hansa_product_lab_bench_0_{id(hansa):x}.ports")
    hansa.feed(module.numbers, module.Number("a", 3))
    hansa.feed(NUMBERS, [module.Number("b", 4)])
    assert hansa.read(module.squares) == [module.Square("a", 9), module.Square("b", 16)]


def test_state_stays_between_runs(hansa: InlineHansa) -> None:
    assert [hansa.call("POST /lab/bench/counter")["counter"] for _ in range(3)] == [1, 2, 3]


def test_a_process_may_call_another(hansa: InlineHansa) -> None:
    assert hansa.call("GET /lab/bench/call") == {"peeked": True, "parent": "call"}
    assert len(hansa.runs) == 2


def test_every_chunk_of_a_load_is_committed(hansa: InlineHansa) -> None:
    hansa.call("POST /lab/bench/load", query={"count": "3"})
    assert [row["value"] for row in hansa.read(SQUARES)] == [1, 4, 9]


def test_the_railway_is_the_real_one(hansa: InlineHansa) -> None:
    told = hansa.call("POST /lab/bench/rail", 1)
    assert told == {"code": "logic.raised", "message": "RuntimeError: derailed", "origin": "railed_2"}
    assert len(hansa.events("rail.handled")) == 2
    with pytest.raises(Failed, match="the handler, too"):
        hansa.call("POST /lab/bench/rail/broken", 1)
    assert len(hansa.events("rail.handled")) == 2


@pytest.mark.parametrize(("target", "code"), [("GET /nowhere", "route.unknown"), ("nothing", "process.unknown")])
def test_what_does_not_exist_is_told(hansa: InlineHansa, target: str, code: str) -> None:
    with pytest.raises(CallerError) as caught:
        hansa.call(target)
    assert caught.value.code == code


def test_records_refer_to_what_was_fed_or_published() -> None:
    post = InlineHansa()
    for name in ("residents", "letters"):
        post.load(PRODUCTS / name)
    post.call("POST /post/people/people", [{"town": "Ribe", "number": 7}])
    rows = [{"letter": f"l{house}", "house": house, "town": "Ribe"} for house in (7, 8)]
    post.call("POST /post/letters/letters", rows)
    assert [row["letter"] for row in post.read("post.letters/letters@1")] == ["l7"]
    [(waiting, [reason])] = post.quarantined("post.letters/letters@1")
    assert (waiting["letter"], reason.code) == ("l8", "rule.foreignKey")
