"""From a contract to its logical record: each type is decided here, once, for every format.

    string Text · string with format uuid Uuid · values of `enum` Enumeration · boolean Boolean · date Date
    integer Integer (`format` i8 … u64, else i64) · number Real (`format` f32, else f64)
    number with physicalType decimal(p, s) or numeric(p, s) Decimal · time Time · timestamp Timestamp
    array Sequence · vector Sequence of a size · map Mapping · object Struct · what says no more Anything

A time or timestamp has a zone where `timezone` is true or its physicalType says so, and else none; its unit is that of
a physicalType such as `timestamp(3)` or `timestamp_ms`, else microseconds. Elements of arrays and maps are never null.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from hansa.contracts.schemas.logical import (
    Anything,
    Boolean,
    Date,
    Decimal,
    Enumeration,
    Field,
    Integer,
    Limits,
    Logical,
    Mapping,
    Real,
    Sequence,
    Struct,
    Text,
    Time,
    Timestamp,
    Unit,
    Uuid,
    spell,
    unrepresentable,
)
from hansa.contracts.schemas.values import Unfit, check_value
from hansa.contracts.types import class_name, default_of, has_zone, is_decimal, is_uuid, singular
from hansa.errors import AuthorError
from hansa.model.product import ContractSpec, FieldSpec

DEPTH_MAX: Final = 32
_ARGUMENTS: Final = re.compile(r"(?:decimal|numeric)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", re.IGNORECASE)
_DIGITS: Final = re.compile(r"\(\s*(\d)\s*\)|[-_]?(s|ms|us|ns|millis|micros|nanos)\b", re.IGNORECASE)
_UNITS: Final[dict[str, Unit]] = {
    "0": "s", "3": "ms", "6": "us", "s": "s", "ms": "ms", "us": "us", "millis": "ms", "micros": "us",
}  # fmt: skip
_WIDTH: Final = re.compile(r"([iu])(8|16|32|64)")
_LIMITS: Final = {
    "string": ("minLength", "maxLength", "pattern"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "enum"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": ("minItems", "maxItems", "uniqueItems"),
}
_ELEMENTS: Final = {"float32": 32, "float64": 64}


def record_of(contract: ContractSpec, name: str | None = None) -> Struct:
    """The contract's record, each type decided. `name` is that of its class; made from the contract's id unless given.

    Raises `AuthorError`: `schema.unrepresentable` where no format has such a type, `schema.default` where a default is
    no value of its field.
    """
    if not contract.fields:
        raise unrepresentable("No format", "", f"carries the contract {contract.id}: it has no fields", "Give it some.")
    own = name or class_name(singular(contract.id.rpartition(".")[2])) or "Record"
    return _struct(own, contract.fields, contract.description, "", 0)


def _struct(name: str, fields: tuple[FieldSpec, ...], description: str, path: str, depth: int) -> Struct:
    if depth > DEPTH_MAX:
        raise unrepresentable("A contract", path, f"is nested deeper than {DEPTH_MAX}", "Flatten it.")
    members = tuple(_field(name, field, f"{path}.{field.name}".lstrip("."), depth) for field in fields)
    return Struct(name, members, description)


def _field(owner: str, field: FieldSpec, path: str, depth: int) -> Field:
    kind = _type(owner + class_name(field.name), field, path, depth)
    has_default = "default" in field.options
    if has_default and isinstance(kind, Sequence | Mapping | Struct | Anything):
        raise unrepresentable("A contract", path, f"has a default for {spell(kind)}", "Only single values have one.")
    default = _default(owner, field, kind, path) if has_default else None
    return Field(field.name, kind, field.required, field.description, has_default, default, field.personal)


def _default(owner: str, field: FieldSpec, kind: Logical, path: str) -> Any:
    try:
        return check_value(kind, default_of(owner, field))
    except (msgspec.ValidationError, ValueError, Unfit) as failure:
        raise AuthorError(
            "schema.default",
            f"{path}: the default {field.options['default']!r} is no value of the field: {failure}",
            hint="Mend the default in the property's customProperties.",
            details={"path": path},
        ) from failure


def _type(name: str, field: FieldSpec, path: str, depth: int) -> Logical:
    match field.type:
        case "string":
            return _text(name, field)
        case "boolean":
            return Boolean()
        case "date":
            return Date()
        case "integer":
            return _integer(field, path)
        case "number":
            return _number(field, path)
        case "time":
            return Time(_unit(field, path), has_zone(field))
        case "timestamp":
            return Timestamp(_unit(field, path), has_zone(field))
        case "array" | "vector" | "map" | "object":
            return _composite(name, field, path, depth)
        case _:
            return Anything(f"type {field.type}")


def _composite(name: str, field: FieldSpec, path: str, depth: int) -> Logical:
    if field.type == "vector":
        return _vector(field, path)
    if field.type == "object":
        if not field.fields:
            return Anything("an object without properties")
        return _struct(name, field.fields, field.description, path, depth + 1)
    if field.items is None:
        return Anything("an array without items" if field.type == "array" else "a map without a type of values")
    if field.type == "map":
        return Mapping(_key(field, path), _type(singular(name), field.items, f"{path}{{}}", depth + 1))
    return Sequence(_type(singular(name), field.items, f"{path}[]", depth + 1), None, _limits(field))


def _text(name: str, field: FieldSpec) -> Text | Uuid | Enumeration:
    values = field.options.get("enum")
    if values and all(isinstance(value, str) for value in values):
        return Enumeration(name, tuple(dict.fromkeys(values)))
    return Uuid() if is_uuid(field) else Text(_limits(field))


def _integer(field: FieldSpec, path: str) -> Integer:
    asked = str(field.options.get("format") or "i64")
    match = _WIDTH.fullmatch(asked)
    if match is None:
        raise unrepresentable("No format", path, f"carries integers of format {asked}", "Use i8 to i64 or u8 to u64.")
    return Integer(int(match[2]), match[1] == "i", _limits(field))


def _number(field: FieldSpec, path: str) -> Real | Decimal:
    if not is_decimal(field):
        return Real(32 if field.options.get("format") == "f32" else 64, _limits(field))
    found = _ARGUMENTS.search(f"{field.options.get('physicalType', '')} {field.options.get('format', '')}")
    if found is None:
        return Decimal()
    precision, scale = int(found[1]), int(found[2] or 0)
    if not 0 <= scale <= precision or precision == 0:
        message = f"has decimals of {precision} digits with {scale} behind the point"
        raise unrepresentable("No format", path, message, "Give decimal(precision, scale) with scale <= precision.")
    return Decimal(precision, scale)


def _unit(field: FieldSpec, path: str) -> Unit:
    asked = str(field.options.get("physicalType", ""))
    found = _DIGITS.search(asked)
    if found is None:
        return "us"
    word = (found[1] or found[2]).lower()
    if word not in _UNITS:
        raise unrepresentable("Python", path, f"has no {asked}: its times end at microseconds", "Use milli- or micros.")
    return _UNITS[word]


def _vector(field: FieldSpec, path: str) -> Sequence:
    element, size = field.options.get("elementType", "float32"), field.options.get("dimensions")
    if element not in _ELEMENTS:
        raise unrepresentable("No format", path, f"carries vectors of {element}", "Use float32 or float64.")
    return Sequence(Real(_ELEMENTS[element]), size if isinstance(size, int) else None)


def _key(field: FieldSpec, path: str) -> Text | Integer:
    found = Text() if field.keys is None else _type("", field.keys, f"{path}{{key}}", 0)
    if not isinstance(found, Text | Integer):
        raise unrepresentable("No format", path, f"has maps with keys of {spell(found)}", "Use string or integer keys.")
    return found


def _limits(field: FieldSpec) -> Limits:
    def found() -> Iterator[tuple[str, Any]]:
        for name in _LIMITS.get(field.type, ()):
            if name in field.options:
                value = field.options[name]
                yield name, tuple(value) if isinstance(value, list) else value

    return tuple(found())
