"""Expectations on a candidate: on its contract first, then on what it would publish."""

from __future__ import annotations

from hansa.lifecycle.expectations import Tried, expected_of, judged, wrong_expectations
from hansa.model.product import (
    ContractSpec,
    Expectation,
    FieldSpec,
    InputPortSpec,
    OutputPortSpec,
    PortKind,
    ProductSpec,
)

PORT = "ops.flights/departures@1"
DELAY = Expectation(FieldSpec("delay_min", "number", options={"maximum": 100}), 17)
CONSUMER = ProductSpec("ana.delays", "D", inputs=(InputPortSpec("departures", PORT, (DELAY,)),))
TRIED = Tried("dry run, 3 records", [{"delay_min": 5.0}, {"delay_min": 500.0}, {"delay_min": 600.0}])


def port(*fields: FieldSpec) -> OutputPortSpec:
    return OutputPortSpec(PORT, "departures", "1.0.0", PortKind.STREAM, ContractSpec("d", "1.0.0", fields))


def test_expectations_are_found_by_their_port() -> None:
    assert list(expected_of(PORT, [CONSUMER, ProductSpec("wea.x", "X")])) == [("ana.delays", DELAY)]
    assert list(expected_of("ops.flights/other@1", [CONSUMER])) == []


def test_what_the_contract_cannot_keep_is_not_tried_on_records() -> None:
    expecting = [("ana.delays", DELAY)]
    [gone] = judged(None, PORT, expecting, TRIED)
    assert (gone.tried, gone.failures) == ("contract", ("the port is gone",))
    [other] = judged(port(FieldSpec("delay", "number")), PORT, expecting, TRIED)
    assert (other.tried, other.failures) == ("contract", ("there is no field delay_min",))


def test_records_are_counted_and_the_first_is_named() -> None:
    [found] = judged(port(FieldSpec("delay_min", "number")), PORT, [("ana.delays", DELAY)], TRIED)
    assert found.tried == "dry run, 3 records"
    assert found.failures == ("delay_min is 500.0: Expected `float` <= 100.0 (2 of 3 records)",)
    [kept] = judged(port(FieldSpec("delay_min", "number")), PORT, [("ana.delays", DELAY)], Tried("none", []))
    assert kept.failures == ()


def test_a_consumer_is_told_of_its_own_mistake_with_its_line() -> None:
    [finding] = wrong_expectations(CONSUMER, {PORT: port(FieldSpec("delay_min", "string"))})
    assert (finding.code, finding.file, finding.line) == ("expectation.wrong", "product.yaml", 17)
    assert finding.message.endswith("delay_min is string, not number")
    assert list(wrong_expectations(CONSUMER, {})) == []
