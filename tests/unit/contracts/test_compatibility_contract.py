"""Contracts: whom each change hits, in words; records of the old contract under the class of the new one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hansa.contracts.compatibility.contract import compatibility, differences
from hansa.contracts.compatibility.verdict import Direction
from hansa.contracts.types import record_type
from hansa.model.product import CompatibilityMode, ContractSpec, FieldSpec

B, F = frozenset({Direction.READERS_OF_OLD_DATA}), frozenset({Direction.OLD_READERS})
BOTH, NOBODY = B | F, frozenset[Direction]()
FULL = CompatibilityMode.FULL_TRANSITIVE


def contract(*fields: FieldSpec, key: tuple[str, ...] = (), version: str = "1.0.0") -> ContractSpec:
    return ContractSpec("c", version, fields, key)


def field(kind: str, required: bool = True, /, **options: Any) -> FieldSpec:
    return FieldSpec("a", kind, required, options=options)


def of(kind: str, inner: FieldSpec) -> FieldSpec:
    return FieldSpec("a", kind, True, items=inner) if kind == "array" else FieldSpec("a", kind, True, fields=(inner,))


def told(old: ContractSpec, new: ContractSpec) -> list[tuple[str, str, frozenset[Direction]]]:
    return [(one.path, one.kind, one.hits) for one in differences(old, new, FULL).differences]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (field("integer"), field("string"), [("a", "type.changed", BOTH)]),
        (field("integer"), field("number"), [("a", "type.changed", F)]),
        (field("integer"), field("any"), [("a", "type.changed", F)]),
        (field("string", False), field("string"), [("a", "field.required", B)]),
        (field("string"), field("string", False), [("a", "field.required", F)]),
        (field("string", False), field("string", default="x"), [("a", "description.changed", NOBODY)]),
        (field("string", maxLength=3), field("string", maxLength=5), [("a", "limit.tightened", F)]),
        (field("string"), field("string", pattern="^a"), [("a", "limit.tightened", B)]),
        (field("integer", minimum=0), field("integer", minimum=1), [("a", "limit.tightened", B)]),
        (field("integer", format="i32"), field("integer", format="i64"), [("a", "limit.tightened", F)] * 2),
        (field("string", enum=["x", "y"]), field("string", enum=["x"]), [("a", "enum.symbol_missing", B)]),
        (field("string", enum=["x"]), field("string"), [("a", "enum.symbol_missing", F)]),
        (field("string"), field("string", format="uuid"), [("a", "logical.changed", B)]),
        (field("timestamp", timezone=True), field("timestamp", timezone=False), [("a", "logical.changed", BOTH)]),
        (field("date", format="yyyy-MM-dd"), field("date", format="dd.MM.yyyy"), [("a", "logical.changed", BOTH)]),
        (
            field("number", physicalType="decimal(9,2)"),
            field("number", physicalType="decimal(9,4)"),
            [("a", "logical.changed", BOTH)],
        ),
        (
            field("number", physicalType="decimal(9,2)"),
            field("number", physicalType="DECIMAL(12, 2)"),
            [("a", "logical.changed", F)],
        ),
        (field("number", physicalType="decimal(9,2)"), field("number"), [("a", "logical.changed", B)]),
        (field("array", uniqueItems=True), field("array"), [("a", "limit.tightened", F)]),
        (field("vector", dimensions=3), field("vector", dimensions=4),
         [("a", "limit.tightened", B), ("a", "limit.tightened", F)]),
        (field("date"), field("date", minimum="2024-01-01"), [("a", "limit.tightened", B)]),
        (field("date", maximum="2024-01-01"), field("date", maximum="2025-01-01"), [("a", "limit.tightened", F)]),
        (field("time", minimum="08:00:00"), field("time", exclusiveMinimum="08:00:00"), [("a", "limit.tightened", B)]),
        (field("timestamp", maximum="2024-01-01T01:00:00+01:00"), field("timestamp", maximum="2024-01-01T00:00:00Z"),
         [("a", "description.changed", NOBODY)]),
        (field("array", maxItems=2), field("array", maxItems=1), [("a", "limit.tightened", B)]),
        (field("string", physicalType="text"), field("string", physicalType="varchar"),
         [("a", "description.changed", NOBODY)]),
        (of("array", field("integer")), of("array", field("number")), [("a[]", "type.changed", F)]),
        (of("object", field("integer")), of("object", field("number")), [("a.a", "type.changed", F)]),
    ],
)  # fmt: skip
def test_each_change_of_a_field_hits_whom_it_hits(old: FieldSpec, new: FieldSpec, expected: list[Any]) -> None:
    assert told(contract(old), contract(new)) == expected


def test_fields_come_and_go() -> None:
    old, new = contract(field("integer")), contract(field("integer"), FieldSpec("b", "string"))
    required = contract(field("integer"), FieldSpec("b", "string", True))
    with_default = contract(field("integer"), FieldSpec("b", "string", True, options={"default": "x"}))
    assert told(old, new) == [("b", "field.new", NOBODY)]
    assert told(new, old) == [("b", "field.removed", F)]
    assert told(old, required) == [("b", "field.default_missing", B)]
    assert told(required, old) == [("b", "field.default_missing", F)]
    assert told(old, with_default) == [("b", "field.new", NOBODY)]


def test_the_key_belongs_to_the_contract() -> None:
    old = contract(field("integer"), key=("a",))
    assert told(old, replace(old, key=())) == [("", "key.changed", BOTH)]
    assert told(old, replace(old, wire_format="json")) == [("", "wire.changed", BOTH)]


def test_the_contract_says_its_mode_and_full_transitive_is_meant_without() -> None:
    old, new = contract(field("string", False)), contract(field("string"))
    assert not differences(old, new).is_compatible
    assert differences(old, new).mode is CompatibilityMode.FULL_TRANSITIVE
    assert differences(old, replace(new, compatibility=CompatibilityMode.FORWARD)).is_compatible


def test_a_break_that_was_accepted_is_not_told_again_and_another_one_is() -> None:
    a = field("integer")
    first, second = contract(a, FieldSpec("b", "string", True)), contract(a)
    back_as_other = contract(a, FieldSpec("b", "integer"))
    assert compatibility({"1": first, "2": second}, contract(a, FieldSpec("c", "string"))).is_compatible
    verdict = compatibility({"1": first, "2": second}, back_as_other)
    assert [(one.path, one.kind, one.against) for one in verdict.breaking] == [("b", "type.changed", "1")]
    assert compatibility({"1": first, "2": second}, back_as_other, CompatibilityMode.FULL).is_compatible


def test_the_first_contract_is_compatible() -> None:
    assert compatibility({}, contract(field("integer"))).differences == ()


NUMBERS = {
    "minimum": st.integers(0, 3),
    "exclusiveMaximum": st.integers(3, 5),
    "multipleOf": st.sampled_from([1, 2]),
}
TEXTS = {
    "minLength": st.integers(0, 2),
    "maxLength": st.integers(1, 3),
    "pattern": st.sampled_from(["^a", "b"]),
}
KINDS = [
    ("integer", st.fixed_dictionaries({}, optional=NUMBERS)),
    ("integer", st.sampled_from([{"enum": [1, 2]}, {"enum": [2]}])),
    ("number", st.fixed_dictionaries({}, optional=NUMBERS)),
    ("string", st.fixed_dictionaries({}, optional=TEXTS)),
    ("string", st.sampled_from([{"enum": ["a"]}, {"enum": ["a", "ab"]}])),
    ("boolean", st.just({})),
]
FIELDS = st.sampled_from(KINDS).flatmap(
    lambda pair: st.builds(lambda r, o: FieldSpec("a", pair[0], r, options=o), st.booleans(), pair[1])
)
VALUES = [None, True, 0, 1, 2, 3, 4, 5, 0.5, 2.5, "", "a", "ab", "abb", "b"]


def fits(spec: ContractSpec, record: dict[str, Any]) -> bool:
    try:
        msgspec.convert(record, record_type("R", spec))
    except msgspec.ValidationError:
        return False
    return True


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(FIELDS, FIELDS)
def test_records_of_a_compatible_contract_fit_the_class_of_the_other(old: FieldSpec, new: FieldSpec) -> None:
    """By the very classes that the contracts make: those of the new read old records, those of the old new ones."""
    first, second = contract(old), contract(new)
    hit = frozenset().union(*(one.hits for one in differences(first, second, FULL).differences))
    for value in [{"a": value} for value in VALUES] + [{}]:
        assert hit >= B or fits(second, value) or not fits(first, value), value
        assert hit >= F or fits(first, value) or not fits(second, value), value


def test_the_keys_of_a_map_are_fields_like_others() -> None:
    old, new = (
        contract(FieldSpec("a", "map", True, items=FieldSpec("v", "string", True), keys=FieldSpec("k", kind, True)))
        for kind in ("string", "integer")
    )
    ((path, kind, hits),) = told(old, new)
    assert (path, hits) == ("a{key}", BOTH)
    assert kind.startswith("type.")
