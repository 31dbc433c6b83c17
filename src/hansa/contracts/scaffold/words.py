"""Types in the words of `schemas.logical.spell`, read back: what a schema could only note is not lost on the way."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from hansa.contracts.scaffold.draft import decimal_options, time_options
from hansa.model.product import FieldSpec

_DECIMAL: Final = re.compile(r"decimal\((\d+), (\d+)\)")
_TIME: Final = re.compile(r"(time|timestamp)\((s|ms|us)(, zone)?\)")
_ELEMENTS: Final = {"f32": "float32", "f64": "float64"}
_WIDTH: Final = re.compile(r"[iu](8|16|32|64)|f(32|64)")


def options_of_words(words: str) -> tuple[str, dict[str, Any]] | None:
    """The logicalType and its options, or None where the words are none of a single type."""
    if match := _DECIMAL.fullmatch(words):
        return "number", decimal_options(int(match[1]), int(match[2]))
    if match := _TIME.fullmatch(words):
        return match[1], time_options(match[1], match[2], has_zone=match[3] is not None)
    if _WIDTH.fullmatch(words):
        return ("number" if words[0] == "f" else "integer"), {"format": words}
    return {
        "uuid": ("string", {"format": "uuid"}),
        "date": ("date", {}),
        "decimal": ("number", {"physicalType": "decimal"}),
        "string": ("string", {}),
        "boolean": ("boolean", {}),
    }.get(words)


def refined(field: FieldSpec, words: str) -> FieldSpec:
    """The field with what the words say of its type, or its elements' types, beyond what the schema did."""
    if (single := options_of_words(words)) is not None:
        return replace(field, type=single[0], options=single[1])
    head, arguments = _parts(words)
    if head == "vector" and len(arguments) == 2:
        options = {"dimensions": int(arguments[1]), "elementType": _ELEMENTS[arguments[0]]}
        return replace(field, type="vector", items=None, options=options)
    if head == "list" and field.type == "array" and field.items is not None:
        return replace(field, items=refined(field.items, arguments[0]))
    if head == "map" and field.type == "map" and field.items is not None:
        return replace(field, items=refined(field.items, arguments[1]))
    return field


def _parts(words: str) -> tuple[str, list[str]]:
    """`map(string, decimal(6, 2))` as `map` and what stands between its commas."""
    head, _, rest = words.partition("(")
    found, depth = [""], 0
    for sign in rest.removesuffix(")"):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            found.append("")
        else:
            found[-1] += sign
    return head, [one.strip() for one in found]
