"""Inputs: a body as the value of the first logic, named arguments with their types, and every fault with its path."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hansa.runtime import wire
from hansa.runtime.inputs import Inputs, failure_at, form, invalid, trigger_info
from hansa.sdk.logic import Logic
from hansa.sdk.process import MISSING, Input, Parameter, Process, Shape, Step
from hansa.sdk.values import Problem


class Order(msgspec.Struct):
    item: str
    count: int = 1


def logic(value: Any) -> Any:
    return value


def inputs(annotation: Any = Any, shape: Shape = "one", parameters: tuple[Parameter, ...] = ()) -> Inputs:
    first = Input(shape, annotation)
    return Inputs(Process("p", (Step("logic", Logic[..., Any](logic, "logic"), {}, parameters, first),)), first)


def source(body: bytes, kind: str = "application/json", **changes: Any) -> wire.Source:
    return wire.Source("http", body, kind, **changes)


def refused(of: Inputs, given: wire.Source) -> Problem:
    with pytest.raises(Problem) as caught:
        of.value(given)
    return caught.value


def places(problem: Problem) -> list[tuple[str, str]]:
    return [(error["path"], error["code"]) for error in problem.details["errors"]]


def test_a_json_body_becomes_the_annotated_type() -> None:
    assert inputs(Order).value(source(b'{"item": "tea", "count": 2}')) == Order("tea", 2)


def test_logic_that_takes_a_list_gets_a_list_of_them() -> None:
    assert inputs(Order, "list").value(source(b'[{"item": "tea"}]')) == [Order("tea")]


def test_logic_without_an_input_gets_nothing_whatever_the_body() -> None:
    assert inputs(shape="none").value(source(b"not json")) is None


def test_a_field_of_the_wrong_type_is_named_by_its_path() -> None:
    problem = refused(inputs(Order, "list"), source(b'[{"item": "tea"}, {"item": "tea", "count": "x"}]'))
    assert (problem.status, problem.code) == (422, "input.invalid")
    assert places(problem) == [("body[1].count", "field.type")]


def test_a_missing_field_is_named_by_its_path() -> None:
    assert places(refused(inputs(Order), source(b"{}"))) == [("body.item", "field.missing")]


def test_what_is_not_json_is_a_bad_request() -> None:
    problem = refused(inputs(Order), source(b"{"))
    assert (problem.status, problem.code) == (400, "body.not_json")


def test_an_empty_body_is_none_where_the_type_allows_it_and_missing_where_not() -> None:
    assert inputs().value(source(b"")) is None
    assert inputs(Order | None).value(source(b"")) is None
    assert places(refused(inputs(Order), source(b""))) == [("body", "field.missing")]


def test_bytes_and_text_are_taken_as_they_are() -> None:
    assert inputs(bytes).value(source(b"\xff{")) == b"\xff{"
    assert inputs(str).value(source("häh".encode(), "text/plain; charset=utf-8")) == "häh"
    assert inputs(str).value(source(b'"quoted"')) == "quoted"


def test_form_fields_are_converted_to_their_types() -> None:
    given = source(b"item=green+tea&count=3", "application/x-www-form-urlencoded")
    assert inputs(Order).value(given) == Order("green tea", 3)


def test_a_form_keeps_what_is_there_twice_and_what_is_blank() -> None:
    assert form(source(b"a=1&a=2&b=", "application/x-www-form-urlencoded")) == {"a": ["1", "2"], "b": ""}


def test_a_multipart_form_has_text_for_fields_and_bytes_for_files() -> None:
    body = (
        b'--B\r\nContent-Disposition: form-data; name="item"\r\n\r\ntea\r\n'
        b'--B\r\nContent-Disposition: form-data; name="scan"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\n\x00\xff\r\n--B--\r\n"
    )
    assert form(source(body, "multipart/form-data; boundary=B")) == {"item": "tea", "scan": b"\x00\xff"}


def test_records_of_a_batch_are_decoded_in_order_across_parts() -> None:
    def part(*orders: Order) -> wire.Records:
        entries = b"".join(msgspec.msgpack.encode((None, order)) for order in orders)
        return wire.Records("t", 0, 0, len(orders), 0, entries)

    assert inputs(Order).records([part(Order("a"), Order("b")), part(Order("c"))]) == [
        Order("a"),
        Order("b"),
        Order("c"),
    ]


def test_arguments_are_converted_and_a_default_leaves_them_out() -> None:
    parameters = (
        Parameter("place", "path", str),
        Parameter("page", "query", int),
        Parameter("tags", "query", list[int]),
        Parameter("rest", "query", int, default=5),
    )
    given = source(b"", path={"place": "7"}, query={"page": "2", "tags": ["1", "2"], "unasked": "x"})
    assert inputs(parameters=parameters).arguments(given) == {
        "path": {"place": "7"},
        "query": {"page": 2, "tags": [1, 2]},
    }


def test_every_argument_that_is_wrong_is_told_at_once() -> None:
    parameters = (Parameter("n", "path", int), Parameter("page", "query", int, default=MISSING))
    with pytest.raises(Problem) as caught:
        inputs(parameters=parameters).arguments(source(b"", path={"n": "x"}))
    assert places(caught.value) == [("path.n", "field.type"), ("query.page", "field.missing")]
    assert "(and 1 more)" in caught.value.message


def test_process_without_arguments_ignores_what_was_given() -> None:
    assert inputs().arguments(source(b"", query={"page": "x"})) == {"path": {}, "query": {}}


def test_a_failure_without_a_place_is_that_of_the_whole() -> None:
    assert failure_at("body", "Expected `int`, got `str`") == {
        "path": "body",
        "code": "field.type",
        "message": "Expected `int`, got `str`",
    }


def test_one_fault_is_not_counted() -> None:
    assert invalid([{"path": "body.x", "code": "field.type", "message": "bad"}]).message == "body.x: bad"


def test_trigger_info_has_header_names_in_lower_case() -> None:
    given = source(b"", headers=[(b"X-Place", b"K\xf6ln")], method="PUT", url="/a?b=1", path={"a": "1"})
    info = trigger_info(given)()
    assert dict(info.headers) == {"x-place": "Köln"}
    assert (info.kind, info.method, info.url, info.path) == ("http", "PUT", "/a?b=1", {"a": "1"})
