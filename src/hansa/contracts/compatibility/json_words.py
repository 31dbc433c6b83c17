"""A JSON Schema in a few words, as it stands in a difference."""

from __future__ import annotations

import json
from typing import Final

from hansa.contracts.compatibility.json_document import Json, without_side
from hansa.contracts.compatibility.json_shape import ALL_TYPES, NUMBERS, Shape

WIDTH: Final = 80


def said(schema: Json) -> str:
    """The part of a schema that names its values; "anything" where nothing is asked."""
    if isinstance(schema, bool):
        return "anything" if schema else "nothing"
    if isinstance(schema.get("type"), str) and not any(word in schema for word in ("format", "enum", "const")):
        return str(schema["type"])
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return _short(" or ".join(map(said, schema[word])))
    if "enum" in schema or "const" in schema:
        return _short(", ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")])))
    if "$ref" in schema:
        return without_side(str(schema["$ref"]))
    shown = {word: schema[word] for word in ("type", "format") if word in schema}
    return _short(", ".join(_plain(value) for value in shown.values()) or json.dumps(schema) if schema else "anything")


def said_types(shape: Shape) -> str:
    """The values of an enumeration, or the types."""
    if shape.values is not None:
        return _short(", ".join(map(json.dumps, shape.values)))
    if shape.types >= ALL_TYPES:
        return "anything"
    names = set(shape.types)
    if names >= NUMBERS:
        names = names - NUMBERS | {"number"}
    return " or ".join(sorted(names)) or "nothing"


def _plain(value: Json) -> str:
    return " or ".join(map(str, value)) if isinstance(value, list) else str(value)


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
