"""Avro: what a difference is called and where it stands, and the meaning that public checkers let go."""

from __future__ import annotations

import json
from typing import Any

import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker

from hansa.contracts.compatibility.avro import compatibility, parse
from hansa.contracts.compatibility.verdict import Direction, SchemaText
from hansa.errors import AuthorError
from hansa.model.product import CompatibilityMode

BACKWARD, FORWARD = Direction.READERS_OF_OLD_DATA, Direction.OLD_READERS
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}


def record(*fields: dict[str, Any], name: str = "R", **others: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **others}


def field(name: str, kind: Any, **others: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **others}


def told(old: Any, new: Any) -> list[tuple[str, str, frozenset[Direction]]]:
    verdict = compatibility(
        {"1": SchemaText(json.dumps(old))}, SchemaText(json.dumps(new)), CompatibilityMode.FULL_TRANSITIVE
    )
    return [(one.path, one.kind, one.hits) for one in verdict.differences]


def of_a(old: Any, new: Any) -> list[tuple[str, str, frozenset[Direction]]]:
    return told(record(field("a", old)), record(field("a", new)))


BOTH = frozenset({BACKWARD, FORWARD})
B, F = frozenset({BACKWARD}), frozenset({FORWARD})
ENUM = {"type": "enum", "name": "E", "symbols": ["x", "y"]}
INNER = record(field("b", "int"), name="Inner")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("int", "long", [("a", "type.changed", F)]),
        ("int", "string", [("a", "type.changed", BOTH)]),
        ("long", "double", [("a", "type.narrowed", B), ("a", "type.changed", F)]),
        (["null", "int"], "int", [("a", "union.branch_missing", B)]),
        (["null", "int"], ["null", "int", "string"], [("a", "union.branch_missing", F)]),
        (ENUM, {**ENUM, "symbols": ["x"]}, [("a", "enum.symbol_missing", B)]),
        (ENUM, {**ENUM, "symbols": ["x"], "default": "x"}, []),
        (ENUM, {**ENUM, "name": "F"}, [("a", "name.changed", BOTH)]),
        (ENUM, {**ENUM, "name": "F", "aliases": ["E"]}, [("a", "name.changed", F)]),
        (
            {"type": "fixed", "name": "X", "size": 2},
            {"type": "fixed", "name": "X", "size": 3},
            [("a", "size.changed", BOTH)],
        ),
        ({"type": "array", "items": "int"}, {"type": "array", "items": "long"}, [("a[]", "type.changed", F)]),
        ({"type": "map", "values": "int"}, {"type": "map", "values": "long"}, [("a{}", "type.changed", F)]),
        (INNER, record(field("b", "long"), name="Inner"), [("a.b", "type.changed", F)]),
        (["null", INNER], ["null", record(field("b", "long"), name="Inner")], [("a.b", "type.changed", F)]),
    ],
)
def test_a_difference_has_its_path_its_kind_and_who_is_hit(old: Any, new: Any, expected: list[Any]) -> None:
    assert of_a(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (record(field("a", "int")), record(field("a", "int"), field("b", "int")), [("b", "field.default_missing", B)]),
        (record(field("a", "int")), record(field("a", "int"), field("b", "int", default=1)), []),
        (record(field("a", "int"), field("b", "int")), record(field("a", "int")), [("b", "field.default_missing", F)]),
        (
            record(field("a", "int")),
            record(field("b", "int", aliases=["a"])),
            [("a", "field.default_missing", F)],
        ),
        (
            record(field("a", "int")),
            record(field("a", "int"), field("b", "int", aliases=["a"])),
            [("b", "alias.ambiguous", B)],
        ),
        (record(name="R"), record(name="S"), [("", "name.changed", BOTH)]),
    ],
)
def test_fields_come_go_and_are_renamed(old: Any, new: Any, expected: list[Any]) -> None:
    assert told(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("int", {"type": "int", "logicalType": "date"}),
        ({"type": "int", "logicalType": "date"}, "int"),
        ("long", {"type": "long", "logicalType": "timestamp-millis"}),
        ({"type": "int", "logicalType": "date"}, {"type": "long", "logicalType": "timestamp-millis"}),
        ({"type": "long", "logicalType": "timestamp-millis"}, {"type": "long", "logicalType": "timestamp-micros"}),
        ({"type": "long", "logicalType": "timestamp-micros"}, {"type": "long", "logicalType": "time-micros"}),
        (
            {"type": "long", "logicalType": "timestamp-millis"},
            {"type": "long", "logicalType": "local-timestamp-millis"},
        ),
        (DECIMAL, {**DECIMAL, "scale": 4}),
        ({**DECIMAL, "precision": 12}, DECIMAL),
        ("string", {"type": "string", "logicalType": "uuid"}),
        ({"type": "long", "logicalType": "our-own-seconds"}, "long"),
        (["null", {"type": "int", "logicalType": "date"}], ["null", "int"]),
    ],
)
def test_another_meaning_of_the_same_bytes_breaks_though_the_public_checker_takes_it(old: Any, new: Any) -> None:
    schemas = [parse(SchemaText(json.dumps(record(field("a", kind))))) for kind in (new, old)]
    assert ReaderWriterCompatibilityChecker().get_compatibility(*schemas).compatibility.value == "compatible"
    assert ("a", "logical.changed") in [(path, kind) for path, kind, hits in of_a(old, new) if BACKWARD in hits]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (DECIMAL, {**DECIMAL, "precision": 12}),
        ({"type": "string", "logicalType": "uuid"}, "string"),
        ("string", {"type": "string", "logicalType": "date"}),  # not where the standard has it: it is ignored
        ("bytes", {**DECIMAL, "scale": 12}),
    ],
)
def test_a_logical_type_that_keeps_the_meaning_hits_no_reader_of_old_data(old: Any, new: Any) -> None:
    assert [kind for _, kind, hits in of_a(old, new) if BACKWARD in hits] == []


def test_recursive_types_end_and_are_told_once() -> None:
    def node(kind: str) -> dict[str, Any]:
        return record(field("next", ["null", "Node"]), field("value", kind), name="Node")

    assert told(node("int"), node("int")) == []
    assert told(node("int"), node("long")) == [("value", "type.changed", F)]


def test_named_types_come_from_references() -> None:
    money = {"Money": json.dumps(record(field("cents", "long"), name="Money"))}
    text = SchemaText(json.dumps(record(field("price", "Money"))), money)
    assert parse(text).fields[0].type.fields[0].name == "cents"
    with pytest.raises(AuthorError) as refused:
        parse(SchemaText(text.text))
    assert refused.value.code == "schema.malformed"


@pytest.mark.parametrize("text", ["{", "1", "[]x", '{"type": "record"}', '{"type": "nothing"}', "null", "[" * 10_000])
def test_what_is_no_schema_is_refused(text: str) -> None:
    with pytest.raises(AuthorError) as refused:
        parse(SchemaText(text))
    assert refused.value.code == "schema.malformed"
