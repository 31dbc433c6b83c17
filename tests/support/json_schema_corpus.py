"""JSON Schemas by family: each ordered pair of a family is a case for verdicts to be compared on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final

CLOSED: Final = {"additionalProperties": False}
INT: Final = {"type": "integer"}
NUM: Final = {"type": "number"}
STR: Final = {"type": "string"}


def obj(required: list[str] | None = None, /, *, others: Any = True, **properties: Any) -> dict[str, Any]:
    """An object schema; `others` is what further properties may be."""
    found: dict[str, Any] = {"type": "object", "properties": properties}
    found |= {"required": required} if required else {}
    return found | ({} if others is True else {"additionalProperties": others})


FAMILIES: Final[dict[str, list[Any]]] = {
    "types": [
        {}, INT, NUM, STR, {"type": "null"}, {"type": "boolean"}, {"type": ["integer", "null"]},
        {"type": ["string", "integer"]}, {"type": ["string", "number"]},
        {"type": ["string", "number", "null"]}, {"type": "object"}, {"type": "array"},
    ],
    "numbers": [
        NUM, INT, {**NUM, "minimum": 0}, {**NUM, "minimum": 1}, {**INT, "minimum": 1}, {**NUM, "maximum": 10},
        {**NUM, "minimum": 0, "maximum": 10}, {**INT, "multipleOf": 2}, {**INT, "multipleOf": 4},
        {**NUM, "multipleOf": 0.5}, {**INT, "minimum": 0.5}, {**INT, "minimum": 1, "maximum": 1}, {"enum": [1]},
    ],
    "strings": [
        STR, {**STR, "minLength": 1}, {**STR, "minLength": 2}, {**STR, "maxLength": 3},
        {**STR, "minLength": 1, "maxLength": 3}, {**STR, "pattern": "^a$"}, {**STR, "pattern": "^a"},
        {**STR, "pattern": "^[ab]$"}, {"enum": ["a"]}, {"enum": ["a", "b"]}, {"enum": ["a", "b", "abcd"]},
        {**STR, "format": "date"}, {**STR, "format": "date-time"},
    ],
    "enums": [
        {"enum": [1, "a"]}, {"enum": [1, "a", None]}, {"enum": [True, False]}, {"type": "boolean"}, {"enum": [None]},
        {"type": "null"}, {"enum": [1.0]}, {"enum": [1]}, INT, {"type": ["integer", "string"]},
        {"type": "integer", "enum": [1, 2]}, {"enum": [[1]]}, {"enum": [{"a": 1}]}, {"type": "array"}, obj(a=INT),
    ],
    "objects": [
        obj(), obj(a=INT), obj(["a"], a=INT), obj(a=NUM), obj(a=INT, b=STR), obj(["a"], a=INT, b=STR),
        obj(["a", "b"], a=INT, b=STR), obj(others=False), obj(others=False, a=INT), obj(["a"], others=False, a=INT),
        obj(others=False, a=NUM), obj(others=False, a=INT, b=STR), obj(["b"], others=False, a=INT, b=STR),
        obj(others=STR, a=INT), obj(others=STR), obj(others=INT, a=INT), {**obj(a=INT), "minProperties": 1},
        {**obj(others=False, a=INT), "maxProperties": 1}, {**obj(a=INT), "maxProperties": 2},
        {"type": "object", "patternProperties": {"^a": INT}}, {"type": "object", "patternProperties": {"^a": NUM}},
        {"type": "object", "patternProperties": {"^a": INT}, **CLOSED},
    ],
    "nested": [
        obj(x=obj(a=INT)), obj(x=obj(["a"], a=INT)), obj(others=False, x=obj(others=False, a=INT)),
        obj(others=False, x=obj(others=False, a=INT, b=INT)), obj(["x"], x=obj(a=NUM)),
        obj(x={"type": "array", "items": obj(a=INT)}), obj(x={"type": "array", "items": obj(["a"], a=INT)}),
    ],
    "arrays": [
        {"type": "array"}, {"type": "array", "items": INT}, {"type": "array", "items": NUM},
        {"type": "array", "items": INT, "minItems": 1}, {"type": "array", "items": INT, "maxItems": 2},
        {"type": "array", "items": INT, "uniqueItems": True},
        {"type": "array", "items": INT, "uniqueItems": True, "maxItems": 1},
        {"type": "array", "items": INT, "maxItems": 1},
        {"type": "array", "items": [INT, STR]}, {"type": "array", "items": [INT]},
        {"type": "array", "items": [INT, STR], "additionalItems": False},
        {"type": "array", "items": [NUM, STR], "additionalItems": False},
        {"type": "array", "items": [INT], "additionalItems": INT},
    ],
    "unions": [
        {"anyOf": [INT, STR]}, {"anyOf": [NUM, STR]}, {"oneOf": [INT, STR]}, {"oneOf": [INT, STR, {"type": "null"}]},
        {"oneOf": [INT, NUM]}, {"anyOf": [INT, NUM]}, INT, STR, NUM, {"type": ["integer", "string"]},
        {"allOf": [INT, {"minimum": 1}]}, {"allOf": [NUM, {"minimum": 0}]}, {"not": STR}, {"not": INT}, {"not": NUM},
        {"anyOf": [{**INT, "minimum": 0}, {**INT, "maximum": -1}]},
        {"oneOf": [{**INT, "minimum": 0}, {**INT, "maximum": -1}]},
    ],
    "variants": [
        {"oneOf": [obj(["k"], k={"enum": ["a"]}, v=INT), obj(["k"], k={"enum": ["b"]}, v=STR)]},
        {"anyOf": [obj(["k"], k={"enum": ["a"]}, v=INT), obj(["k"], k={"enum": ["b"]}, v=STR)]},
        {"oneOf": [obj(["k"], k={"enum": ["a"]}, v=INT), obj(["k"], k={"enum": ["b"]}, v=STR),
                   obj(["k"], k={"enum": ["c"]})]},
        {"oneOf": [obj(["k"], k={"enum": ["a"]}, v=NUM), obj(["k"], k={"enum": ["b"]}, v=STR)]},
        obj(["k"], k={"enum": ["a"]}, v=INT), obj(["k"], k={"enum": ["a", "b"]}),
    ],
}  # fmt: skip


def cases() -> Iterator[tuple[str, int, int, Any, Any]]:
    """(family, place of the old schema, place of the new one, old, new) of each pair."""
    for family, schemas in FAMILIES.items():
        for i, old in enumerate(schemas):
            for j, new in enumerate(schemas):
                yield family, i, j, old, new


def documents() -> list[Any]:
    """Documents by which schemas of the corpus are told apart."""
    scalars = [
        *(None, True, False, -4, -2, -1, 0, 1, 2, 3, 4, 10, 12, 0.5, 1.5, 0.25, -0.5, 1.0, 1.25),
        *("", "a", "b", "ab", "abc", "abcd", "c", "2020-01-01", "2020-01-01T00:00:00Z"),
    ]
    arrays = [
        *([], [1], ["a"], [0.5], [1, 1], [1, 2], [1, "a"], [0.5, "a"], [1, 2, 3], [1, "a", 1], [1, "a", "b"], [[1]]),
        *(["a", "b"], [{}], [{"a": 1}], [1, "a", True]),
    ]
    values = (1, "a", 0.5, None, "b", "c")
    objects = [
        dict(zip(names, chosen, strict=True))
        for count in range(3)
        for names in itertools.permutations(("a", "b", "ab", "k", "v", "x"), count)
        for chosen in itertools.product(values, repeat=count)
    ]
    deep = [{}, {"a": 1}, {"a": 1.5}, {"a": "s"}, {"a": 1, "b": 1}, {"b": "x"}, [{}], [{"a": 1}], [{"a": "q"}]]
    wide = [{"a": 1, "b": "a", "c": 1}, {"c": True}, {"a": 1, "b": "a", "ab": "a"}, {"a": 1, "b": 1, "c": 1}]
    return [*scalars, *arrays, *objects, *wide, *({"x": one} for one in deep)]
