"""JSON Schema: what a difference is called and where it stands; open and closed content models; what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hansa.contracts.compatibility.json_schema import compatibility
from hansa.contracts.compatibility.verdict import Direction, SchemaText, Verdict
from hansa.errors import AuthorError
from hansa.model.product import CompatibilityMode

BACKWARD = Direction.READERS_OF_OLD_DATA
INT, STR = {"type": "integer"}, {"type": "string"}


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def opened(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def judged(old: Any, new: Any, **references: str) -> Verdict:
    texts = [SchemaText(json.dumps(schema), references) for schema in (old, new)]
    return compatibility({"1": texts[0]}, texts[1], CompatibilityMode.BACKWARD)


def told(old: Any, new: Any) -> list[tuple[str, str]]:
    return [(one.path, one.kind) for one in judged(old, new).breaking]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (opened(a=INT), opened(a=INT, b=STR), [("b", "field.added")]),
        (closed(a=INT), closed(a=INT, b=STR), []),
        (opened(a=INT, b=STR), opened(a=INT), []),
        (closed(a=INT, b=STR), closed(a=INT), [("b", "field.refused")]),
        (opened(a=INT), closed(a=INT), [("*", "field.refused")]),
        (opened(a=INT), {**opened(a=INT), "required": ["a"]}, [("a", "field.required")]),
        (opened(a=opened(b=INT)), opened(a=opened(b=STR)), [("a.b", "type.changed")]),
        (
            opened(a={"type": "array", "items": INT}),
            opened(a={"type": "array", "items": STR}),
            [("a[]", "type.changed")],
        ),
        ({"enum": ["x", "y"]}, {"enum": ["x"]}, [("", "enum.symbol_missing")]),
        ({"type": ["integer", "null"]}, INT, [("", "union.branch_missing")]),
        (STR, {**STR, "maxLength": 3}, [("", "limit.tightened")]),
        (STR, {**STR, "format": "date"}, [("", "logical.changed")]),
        ({"oneOf": [INT, STR]}, {"oneOf": [INT, STR, {"type": "number"}]}, [("", "union.overlap")]),
        ({"anyOf": [{"type": "null"}, closed(a=INT)]}, {"anyOf": [{"type": "null"}, closed(a=STR)]},
         [("a", "type.changed")]),
        ({"type": "object", "additionalProperties": STR}, {**opened(a=INT), "additionalProperties": STR},
         [("a", "type.changed")]),
    ],
)  # fmt: skip
def test_a_difference_has_its_path_and_kind(old: Any, new: Any, expected: list[Any]) -> None:
    assert told(old, new) == expected


def test_drafts_mean_the_same() -> None:
    old = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": True,
           "items": [INT], "additionalItems": False, "dependencies": {"a": ["b"]}}  # fmt: skip
    new = {"exclusiveMinimum": 1, "prefixItems": [INT], "items": False, "dependentRequired": {"a": ["b"]}}
    assert told(old, new) == []
    assert told(new, old) == []


def linked(value: Any) -> dict[str, Any]:
    node = closed(next={"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}, value=value)
    return {"$ref": "#/$defs/node", "$defs": {"node": node}}


def test_recursive_schemas_end() -> None:
    assert told(linked(INT), linked({"type": "number"})) == []
    assert ("value", "type.changed") in told(linked(INT), linked(STR))


def test_a_pair_that_fits_only_while_it_is_compared_is_not_taken_to_fit() -> None:
    """The branch `a` fits under the assumption that the whole does, which it does not: it is tried again."""

    def whole(value: Any) -> dict[str, Any]:
        branch = closed(inner={"$ref": "#"})
        return {"anyOf": [branch, {"type": "null"}, closed(again=branch, value=value)]}

    found = told(whole(INT), whole(STR))
    assert found
    assert told(whole(INT), whole(INT)) == []


def test_references_lead_to_other_documents() -> None:
    money = {"money.json": json.dumps(closed(cents=INT))}
    text = SchemaText(json.dumps(closed(price={"$ref": "money.json"})), money)
    same = SchemaText(json.dumps(closed(price={"$ref": "#/definitions/m"}, )
                                 | {"definitions": {"m": closed(cents=INT)}}))  # fmt: skip
    other = SchemaText(text.text, {"money.json": json.dumps(closed(cents=STR))})
    verdicts = [compatibility({"1": text}, new, CompatibilityMode.FULL) for new in (text, same, other)]
    assert [[one.path for one in verdict.breaking] for verdict in verdicts] == [[], [], ["price.cents"]]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "schema.malformed"),
        ("[]", "schema.malformed"),
        ('{"properties": {"a": 1}}', "schema.malformed"),
        ('{"$ref": "#/nowhere"}', "schema.reference_unknown"),
        ('{"$ref": "https://example.org/other.json"}', "schema.reference_unknown"),
        ('{"items": ' * 300 + "{}" + "}" * 300, "schema.malformed"),
    ],
)
def test_what_is_no_schema_is_refused(text: str, code: str) -> None:
    with pytest.raises(AuthorError) as refused:
        compatibility({"1": SchemaText("{}")}, SchemaText(text), CompatibilityMode.FULL)
    assert refused.value.code == code


def test_a_pattern_that_python_does_not_read_proves_nothing_and_refuses_nothing() -> None:
    schema = {"type": "object", "patternProperties": {"^\\p{L}+$": INT}, "additionalProperties": False}
    assert told(schema, schema) == []
    assert ("", "schema.unread") in told(closed(a=INT), schema)


def test_many_alternatives_end_with_a_verdict() -> None:
    names = [f"k{number}" for number in range(12)]
    old = {"allOf": [{"anyOf": [opened(**{n: INT}), opened(**{n: STR})]} for n in names]}
    new = {"allOf": [{"anyOf": [closed(**{n: INT}), opened(**{n: STR})]} for n in names]}
    assert not judged(old, new).is_compatible
