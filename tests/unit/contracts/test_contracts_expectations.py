"""Expectations of consumers: read with their lines, held against contracts, and against records."""

from __future__ import annotations

from pathlib import Path

import pytest

from hansa.contracts.expectations import check_of, contradiction
from hansa.contracts.odps import read_product
from hansa.errors import PlanError
from hansa.model.product import Expectation, FieldSpec

PRODUCT = """apiVersion: v1.1.0
kind: DataProduct
id: ana.delays
name: Delays
version: 1.0.0
status: active
domain: ana
description: {purpose: To expect something.}
inputPorts:
  - name: departures
    version: 1.0.0
    contractId: departures
    customProperties:
      - {property: port, value: ops.flights/departures@1, vendor: hansa}
      - property: expects
        vendor: hansa
        value:
"""
FIRST_LINE = PRODUCT.count("\n") + 1


def read(tmp_path: Path, *items: str) -> tuple[Expectation, ...]:
    (tmp_path / "product.yaml").write_text(PRODUCT + "".join(f"          - {item}\n" for item in items))
    return read_product(tmp_path).inputs[0].expects


def test_expectations_are_fields_in_the_words_of_odcs(tmp_path: Path) -> None:
    number, origin = read(
        tmp_path,
        "{name: delay_min, logicalType: number, logicalTypeOptions: {minimum: -60}}",
        "{name: origin, required: true, enum: [JFK, LGA]}",
    )
    assert (number.field.name, number.field.type, number.field.options["minimum"]) == ("delay_min", "number", -60)
    assert (origin.field.type, origin.field.required, origin.line) == ("any", True, FIRST_LINE + 1)


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ("{logicalType: number}", "file.key_missing"),
        ("{name: a, logicaltype: number}", "expectation.word"),
        ("{name: a, logicalType: numeric}", "contract.type_unknown"),
        ("{name: a, logicalType: integer, logicalTypeOptions: {minimum: 5, maximum: 4}}", "expectation.impossible"),
        ("{name: a, logicalType: string, logicalTypeOptions: {minLength: 5, maxLength: 4}}", "expectation.impossible"),
        (
            "{name: a, logicalType: integer, logicalTypeOptions: {exclusiveMinimum: 4, maximum: 4}}",
            "expectation.impossible",
        ),
        ("{name: a, logicalType: string, logicalTypeOptions: {pattern: '('}}", "contract.option"),
    ],
)
def test_an_expectation_that_is_wrong_in_itself_is_refused_with_its_line(item: str, code: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError) as refused:
        read(tmp_path, "{name: fine}", item)
    [finding] = refused.value.details["findings"]
    assert (finding["code"], finding["file"], finding["line"]) == (code, "product.yaml", FIRST_LINE + 1)


def test_a_field_is_expected_once(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="expected twice"):
        read(tmp_path, "{name: a}", "{name: a, required: true}")


def field(kind: str, name: str = "a", **options: object) -> FieldSpec:
    return FieldSpec(name, kind, options=dict(options))


@pytest.mark.parametrize(
    ("expected", "promised", "why"),
    [
        (field("any", "b"), field("string"), "there is no field b"),
        (
            field("any", minimum="soon"),
            field("date"),
            "a is date, and is held against something else: Invalid RFC3339 encoded date",
        ),
        (field("string"), field("integer"), "a is integer, not string"),
        (field("number"), field("integer"), None),
        (field("integer"), field("number"), "a is number, not integer"),
        (field("any"), field("integer"), None),
        (field("any", enum=["x"]), field("string", enum=["y", "z"]), "a is one of y, z, never of x"),
        (field("any", enum=["y"]), field("string", enum=["y", "z"]), None),
        (field("any", minimum=10), field("integer", maximum=5), "a is at most 5 by its contract"),
        (field("integer", maximum=4), field("integer", minimum=5), "a is at least 5 by its contract"),
        (field("integer", minimum=3), field("integer", maximum=5), None),
    ],
)
def test_what_a_contract_can_never_keep(expected: FieldSpec, promised: FieldSpec, why: str | None) -> None:
    assert contradiction(expected, [promised]) == why


@pytest.mark.parametrize(
    ("expected", "promised", "value", "why"),
    [
        (field("any"), field("integer"), None, None),
        (field("any"), field("timestamp", timezone=True), "2024-01-01T00:00:00Z", None),
        (
            field("timestamp", maximum="2024-01-01T00:00:00Z"),
            field("timestamp", timezone=True),
            "2024-01-01T00:00:01Z",
            "a is '2024-01-01T00:00:01Z': a is not within maximum 2024-01-01T00:00:00Z",
        ),
        (field("any", minimum="2024-01-02"), field("date"), "2024-01-02", None),
        (
            field("any", minimum="2024-01-02"),
            field("date"),
            "2024-01-01",
            "a is '2024-01-01': a is not within minimum 2024-01-02",
        ),
        (field("array", uniqueItems=True), field("array"), [1, 2], None),
        (field("array", uniqueItems=True), field("array"), [1, 1], "a is [1, 1]: a has equal elements"),
        (FieldSpec("a", "any", required=True), field("integer"), None, "a is missing"),
        (field("integer", maximum=5), field("integer"), 6, "a is 6: Expected `int` <= 5"),
        (field("integer", maximum=5), field("integer"), 5, None),
        (field("any", maximum=5), field("number"), 5.5, "a is 5.5: Expected `float` <= 5.0"),
        (field("any", enum=["x"]), field("string"), "y", "a is 'y': Invalid enum value 'y'"),
        (
            field("any", pattern="^[A-Z]+$"),
            field("string"),
            "jfk",
            "a is 'jfk': Expected `str` matching regex '^[A-Z]+$'",
        ),
        (field("any"), field("date"), "2026-01-01", None),
        (field("any", enum=["x"]), FieldSpec("a", "string", personal=True), "y", "a is not as expected"),
        (FieldSpec("a", "any", personal=True, options={"enum": ["x"]}), field("string"), "y", "a is not as expected"),
    ],
)
def test_a_record_is_held_against_it_and_personal_values_are_never_named(
    expected: FieldSpec, promised: FieldSpec, value: object, why: str | None
) -> None:
    assert check_of(expected, promised)({"a": value} if value is not None else {}) == why
