"""JSON Schema 2020-12, closed for producers and open for readers, and records as JSON.

What JSON has no type for is text of one form: decimals `12.50`, dates and times as in RFC 3339, uuids. `format` names
the type and `pattern` holds its form, since validators need not look at formats; `x-logicalType` has the type in words.
Infinities and what is no number are refused: JSON does not have them.
"""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any, Final, Literal, assert_never
from uuid import UUID

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
    Uuid,
    spell,
)
from hansa.contracts.schemas.values import Convert, Unfit, check_value, checker, converter, is_finite, refusing

Model = Literal["closed", "open"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_DATE: Final = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK: Final = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_ZONE: Final = "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_FRACTION: Final = {"s": "", "ms": r"(\.[0-9]{1,3})?", "us": r"(\.[0-9]{1,6})?"}
_TIMESPECS: Final = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
_UUID: Final = "[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"


def derive(record: Struct, *, model: Model = "closed", uri: str | None = None) -> dict[str, Any]:
    """The schema as plain values. `closed` permits no other members, so that adding one breaks nobody; `open` is what
    readers rely on, at every depth. `uri` becomes its `$id`.
    """
    identity = {"$schema": DIALECT} | ({"$id": uri} if uri else {})
    return identity | {"title": record.name} | _struct(record, model)


class Codec:
    """Records to and from one JSON object each, in UTF-8."""

    def __init__(self, record: Struct, *, model: Model = "closed") -> None:
        self.schema = derive(record, model=model)
        self._check = checker(record)
        self._to = refusing(converter(record, _to_json))
        self._from = refusing(converter(record, _from_json, key=_key_from_json))

    def encode(self, record: object) -> bytes:
        """Raises `AuthorError("value.unrepresentable")`."""
        return msgspec.json.encode(self._to(self._check(record)))

    def decode(self, data: bytes) -> dict[str, Any]:
        """The plain form of the record; members that the contract does not have are left away.

        Raises `msgspec.DecodeError` for what is no JSON, `AuthorError("value.unrepresentable")` for another record.
        """
        plain: dict[str, Any] = self._from(msgspec.json.decode(data))
        return plain


def _struct(kind: Struct, model: Model) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object"}
    if kind.description:
        found["description"] = kind.description
    found["properties"] = {field.name: _field(field, model) for field in kind.fields}
    required = [field.name for field in kind.fields if field.is_required and not field.has_default]
    if required:
        found["required"] = required
    return found if model == "open" else {**found, "additionalProperties": False}


def _field(field: Field, model: Model) -> dict[str, Any]:
    found = _type(field.type, model)
    if field.description:
        found["description"] = field.description
    if not field.is_required:
        found = _nullable(found)
    if field.has_default:
        found["default"] = (_to_json(field.type) or _same)(field.default) if field.default is not None else None
    return found


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if "type" in schema:
        schema["type"] = [schema["type"], "null"]
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    return schema


def _type(kind: Logical, model: Model) -> dict[str, Any]:
    match kind:
        case Text(limits):
            return {"type": "string", **_limits(limits)}
        case Boolean():
            return {"type": "boolean"}
        case Integer(_, _, limits):
            return _integer(kind, _limits(limits))
        case Real(_, limits):
            return {"type": "number", **_limits(limits)}
        case Enumeration(_, values):
            return {"type": "string", "enum": list(values)}
        case Uuid() | Date() | Decimal() | Time() | Timestamp():
            return {"type": "string", **_form(kind), "x-logicalType": spell(kind)}
        case Sequence(item, size, limits):
            sized = {} if size is None else {"minItems": size, "maxItems": size}
            return {"type": "array", "items": _type(item, model), **sized, **_limits(limits)}
        case Mapping(key, value):
            names = {"pattern": "^(0|-?[1-9][0-9]*)$"} if isinstance(key, Integer) else dict(_limits(key.limits))
            named = {"propertyNames": names} if names else {}
            return {"type": "object", **named, "additionalProperties": _type(value, model)}
        case Struct():
            return _struct(kind, model)
        case Anything():
            return {}
        case _:
            assert_never(kind)


def _integer(kind: Integer, limits: dict[str, Any]) -> dict[str, Any]:
    """The width is a range; the contract's own range is narrower or says the same."""
    low = max(kind.minimum, limits.pop("minimum", kind.minimum))
    high = min(kind.maximum, limits.pop("maximum", kind.maximum))
    return {"type": "integer", "minimum": low, "maximum": high, **limits}


def _limits(limits: Limits) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in limits}


def _form(kind: Uuid | Date | Decimal | Time | Timestamp) -> dict[str, str]:
    """`format`, where JSON Schema has one for the type, and `pattern`."""
    match kind:
        case Uuid():
            return {"format": "uuid", "pattern": f"^{_UUID}$"}
        case Date():
            return {"format": "date", "pattern": f"^{_DATE}$"}
        case Decimal(precision, scale):
            return {"pattern": _digits(precision, scale or 0)}
        case Time(unit, has_zone):
            form = {"format": "time"} if has_zone else {}
            return {**form, "pattern": f"^{_CLOCK}{_FRACTION[unit]}{_ZONE if has_zone else ''}$"}
        case Timestamp(unit, has_zone):
            form = {"format": "date-time"} if has_zone else {}
            return {**form, "pattern": f"^{_DATE}T{_CLOCK}{_FRACTION[unit]}{_ZONE if has_zone else ''}$"}
        case _:
            assert_never(kind)


def _digits(precision: int | None, scale: int) -> str:
    if precision is None:
        return r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
    whole = precision - scale
    front = "0" if whole == 0 else f"(0|[1-9][0-9]{{0,{whole - 1}}})"
    back = rf"(\.[0-9]{{1,{scale}}})?" if scale else ""
    return f"^-?{front}{back}$"


def _to_json(kind: Logical) -> Convert | None:
    match kind:
        case Decimal(precision):
            return str if precision is None else lambda value: format(value, "f")
        case Uuid():
            return str
        case Date():
            return lambda value: value.isoformat()
        case Time(unit) | Timestamp(unit):
            return lambda value: value.isoformat(timespec=_TIMESPECS[unit]).replace("+00:00", "Z")
        case Real():
            return is_finite
        case _:
            return None


def _from_json(kind: Logical) -> Convert | None:
    match kind:
        case Decimal() | Uuid() | Date() | Time() | Timestamp():
            parse = _PARSERS[type(kind)]
            return lambda value: check_value(kind, _parsed(parse, kind, value))
        case Integer():
            return lambda value: check_value(kind, int(value) if _is_whole(value) else value)
        case Anything():
            return None
        case _:
            return lambda value: check_value(kind, value)


def _key_from_json(kind: Logical) -> Convert | None:
    if isinstance(kind, Integer):
        return lambda name: check_value(kind, _parsed(int, kind, name))
    return None


def _parsed(parse: Convert, kind: Logical, value: Any) -> Any:
    if not isinstance(value, str):
        raise Unfit(f"{value!r} is no text for {spell(kind)}")
    try:
        return parse(value)
    except (ValueError, decimal.InvalidOperation):
        raise Unfit(f"{value!r} is no {spell(kind)}") from None


def _is_whole(value: object) -> bool:
    """JSON Schema counts 1.0 as an integer (core, section 6.3)."""
    return isinstance(value, float) and value.is_integer()


def _same(value: Any) -> Any:
    return value


_PARSERS: Final[dict[type[Any], Convert]] = {
    Decimal: decimal.Decimal,
    Uuid: UUID,
    Date: dt.date.fromisoformat,
    Time: dt.time.fromisoformat,
    Timestamp: dt.datetime.fromisoformat,
}
