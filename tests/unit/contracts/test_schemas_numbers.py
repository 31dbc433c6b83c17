"""Protobuf's field numbers: a name keeps its number, and no number is given twice."""

from __future__ import annotations

import pytest
from tests.support.contracts import EVERY_TYPE

from hansa.contracts.schemas import protobuf
from hansa.contracts.schemas.contract import record_of
from hansa.contracts.schemas.protobuf_numbers import Known, assigned, numbers_of
from hansa.errors import AuthorError
from hansa.model.product import ContractSpec, FieldSpec


def text(previous: str | None, *fields: FieldSpec) -> str:
    record = record_of(ContractSpec("operations.flights.departures", "1.0.0", fields))
    return protobuf.derive(record, previous=previous)


def field(name: str) -> FieldSpec:
    return FieldSpec(name, "string", required=True)


def test_the_first_schema_counts_in_the_order_of_the_contract() -> None:
    assert numbers_of(text(None, field("b"), field("a")))["Departure"] == Known({"b": 1, "a": 2})


def test_order_changes_no_number() -> None:
    first = text(None, field("b"), field("a"))
    assert numbers_of(text(first, field("a"), field("b")))["Departure"].numbers == {"a": 2, "b": 1}


def test_what_went_is_reserved_and_never_given_again() -> None:
    first = text(None, field("a"), field("b"), field("c"))
    second = text(first, field("a"), field("d"))
    assert numbers_of(second)["Departure"] == Known({"a": 1, "d": 4}, frozenset({2, 3}), frozenset({"b", "c"}))
    third = text(second, field("a"), field("c"))
    assert numbers_of(third)["Departure"] == Known({"a": 1, "c": 5}, frozenset({2, 3, 4}), frozenset({"b", "d"}))


def test_the_highest_number_is_not_given_again_either() -> None:
    without = text(text(None, field("a"), field("b")), field("a"))
    assert numbers_of(text(without, field("a"), field("c")))["Departure"].numbers == {"a": 1, "c": 3}


def test_numbers_within_objects_and_enums_stay_too() -> None:
    def schema(previous: str | None, members: list[str], values: list[str]) -> str:
        inner = FieldSpec("gate", "object", True, fields=tuple(map(field, members)))
        return text(previous, inner, FieldSpec("state", "string", True, options={"enum": values}))

    first = schema(None, ["hall", "number"], ["planned", "flown"])
    known = numbers_of(schema(first, ["number", "floor"], ["late", "flown"]))
    assert known["Departure.Gate"] == Known({"number": 2, "floor": 3}, frozenset({1}), frozenset({"hall"}))
    assert known["Departure.State"].numbers == {"STATE_UNSPECIFIED": 0, "STATE_late": 3, "STATE_flown": 2}
    assert known["Departure.State"].reserved == {1}


def test_an_old_reader_and_a_new_one_understand_each_other() -> None:
    def codec(previous: str | None, *names: str) -> protobuf.Codec:
        fields = tuple(FieldSpec(name, "string") for name in names)
        return protobuf.Codec(record_of(ContractSpec("a.b.records", "1.0.0", fields)), previous=previous)

    old = codec(None, "a", "b")
    new = codec(old.schema, "c", "b")
    assert old.decode(new.encode({"b": "kept", "c": "new"})) == {"a": None, "b": "kept"}
    assert new.decode(old.encode({"a": "old", "b": "kept"})) == {"c": None, "b": "kept"}


def test_numbers_that_protobuf_keeps_are_left_out() -> None:
    found, _ = assigned(["a", "b"], Known({"a": 18999}))
    assert found == {"a": 18999, "b": 20000}


def test_a_schema_derived_again_is_the_same() -> None:
    record = record_of(EVERY_TYPE)
    first = protobuf.derive(record, package="operations.flights")
    assert protobuf.derive(record, package="operations.flights", previous=first) == first


def test_what_is_no_proto_file_is_refused() -> None:
    with pytest.raises(AuthorError) as raised:
        text("message {", field("a"))
    assert raised.value.code == "schema.unreadable"
